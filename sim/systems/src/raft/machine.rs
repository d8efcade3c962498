//! The face for a node that holds a server inside and a state machine of its own around it.
//!
//! The state machine stays outside: Raft calls nothing and keeps nothing of it. After each call of the inner server the
//! outer node looks at what has been applied since:
//!
//! ```text
//!   outer node                              server
//!     scope.enter(ctx, |ctx| …) ──────────▶ on_message, on_timer, on_durable, …, propose
//!     applied_after(its own index) ───────▶ entries that are committed: apply them, in order
//!     is_leader(), term(), leader() ──────▶ what may have changed with the call
//! ```
//!
//! - **To change something**, [`RaftNode::propose`] at the leader. It returns a place; the command has succeeded once
//!   an entry of that very term is applied there, and failed for certain once another is.
//! - **After a restart** the server applies all committed entries anew, from the first on or from its last snapshot on:
//!   the machine begins empty.
//! - **To compact the log**, [`RaftNode::take_snapshot_with`] whenever [`Server::wants_snapshot`]: the state is handed
//!   over as commands that make it anew. A machine that is behind the log finds them in [`Server::state_after`], after
//!   a restart and when a leader has sent a snapshot.
//! - **To act as the only leader**, [`Server::leads_alone`], with `reads.method = "lease"` and a round of
//!   [`RaftNode::renew_lease`] now and then: while it is true no other server leads.
//! - **To read**, look into the machine. Any server may be behind, and a leader may have been replaced without knowing
//!   it yet: a read that must see every earlier write goes through the log as a command.
//! - **A disk that fails** ends the whole process, whichever of the two had written: the completion is one for both.

use splitbrain_kernel::context::Context;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::time::Instant;

use super::ids::{Index, Position};
use super::message::{Command, Entry, Payload};
use super::node::{RaftContext, RaftNode};
use super::options::ReadMethod;
use super::shared::Shared;
use super::snapshot::Item;
use super::state::{Leader, Role, Server};

/// The server does not lead, or is about to lead no longer, and has appended nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotLeader {
    /// The server that it believes to lead, if any.
    pub leader: Option<NodeId>,
}

impl<C: Payload> RaftNode<C> {
    /// Appends a command and sends it to the followers. Returns its place in the log.
    ///
    /// # Errors
    /// If this process does not lead.
    pub fn propose(&mut self, ctx: &mut Context<Self>, command: C) -> Result<Position, NotLeader> {
        let Self::Server(server) = self else { return Err(NotLeader { leader: None }) };
        let hint = server.leader();
        let place = match &mut server.role {
            Role::Leader(leader) => leader.append_command(&mut server.shared, ctx, command)?,
            Role::Follower(_) | Role::PreCandidate(_) | Role::Candidate(_) => return Err(NotLeader { leader: hint }),
        };
        server.shared.flush(ctx);
        Ok(place)
    }

    /// Takes a snapshot of the machine around the server, which has applied all that the server has. `state` are
    /// commands that make an empty machine like this one.
    pub fn take_snapshot_with(&mut self, ctx: &mut Context<Self>, state: impl Iterator<Item = C>) {
        if let Self::Server(server) = self {
            server.shared.take_snapshot_of(ctx, state.map(Item::Outside).collect());
            server.shared.flush(ctx);
        }
    }

    /// A leader asks the others whether it leads still: what a quorum confirms extends its lease.
    pub fn renew_lease(&mut self, ctx: &mut Context<Self>) {
        if let Self::Server(Server { shared, role: Role::Leader(leader), .. }) = self {
            leader.start_round(shared, ctx);
            leader.conclude_rounds(shared, ctx);
            shared.flush(ctx);
        }
    }
}

impl Leader {
    /// Appends a command.
    ///
    /// # Errors
    /// If it hands its leadership over.
    pub(super) fn append_command<C: Payload>(
        &mut self,
        shared: &mut Shared<C>,
        ctx: &mut RaftContext<C>,
        command: C,
    ) -> Result<Position, NotLeader> {
        if self.is_transferring() {
            // Who leads next is not known yet.
            return Err(NotLeader { leader: None });
        }
        let index = self.append(shared, ctx, Command::Set(command));
        self.broadcast_fresh(shared, ctx);
        Ok(Position { term: shared.term(), index })
    }
}

impl<C: Payload> Server<C> {
    /// Whether enough has been applied since the last snapshot, and none is on its way to the disk.
    #[inline]
    pub fn wants_snapshot(&self) -> bool {
        self.shared.is_snapshot_due() && self.shared.snapshots.saving.is_none()
    }

    /// The state of a machine as commands, and the place after which it is that: `None` if the log has all entries
    /// after `index`.
    pub fn state_after(&self, index: Index) -> Option<(Index, impl Iterator<Item = &C>)> {
        let snapshot = self.snapshot().filter(|_| index < self.log().base().index)?;
        let state =
            snapshot.items.iter().filter_map(|item| if let Item::Outside(piece) = item { Some(piece) } else { None });
        Some((snapshot.last.index, state))
    }

    /// Whether this server leads and no other does: it has committed an entry of its own term, and a quorum votes for
    /// no other before its lease is over. `now` is the time of its monotonic clock.
    #[inline]
    pub fn leads_alone(&self, now: Instant) -> bool {
        self.options().reads.method == ReadMethod::Lease
            && self.shared.has_committed_in_term()
            && self.as_leader().is_some_and(|leader| leader.holds_lease_at(&self.shared, now))
    }

    /// The entries that are applied and come after this place, in order.
    #[inline]
    pub fn applied_after(&self, index: Index) -> impl Iterator<Item = (Index, &Entry<C>)> {
        self.log().between(index, self.applied())
    }
}
