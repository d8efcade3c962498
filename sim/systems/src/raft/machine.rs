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
//! - **After a restart** the server applies all committed entries anew, from the first on: the machine begins empty.
//! - **To read**, look into the machine. Any server may be behind, and a leader may have been replaced without knowing
//!   it yet: a read that must see every earlier write goes through the log as a command.
//! - **A disk that fails** ends the whole process, whichever of the two had written: the completion is one for both.

use splitbrain_kernel::context::Context;
use splitbrain_kernel::id::NodeId;

use super::ids::{Index, Position};
use super::message::{Command, Entry, Payload};
use super::node::RaftNode;
use super::state::Server;

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
        let place = server.append_command(ctx, command)?;
        server.flush(ctx);
        Ok(place)
    }
}

impl<C: Payload> Server<C> {
    /// Appends a command as the leader.
    ///
    /// # Errors
    /// If the server does not lead, or hands its leadership over.
    pub(super) fn append_command(&mut self, ctx: &mut Context<RaftNode<C>>, command: C) -> Result<Position, NotLeader> {
        if !self.is_leader() {
            return Err(NotLeader { leader: self.leader() });
        }
        if self.is_transferring() {
            // Who leads next is not known yet.
            return Err(NotLeader { leader: None });
        }
        let index = self.append_as_leader(ctx, Command::Set(command));
        self.broadcast_fresh(ctx);
        Ok(Position { term: self.term(), index })
    }

    /// The entries that are applied and come after this place, in order.
    #[inline]
    pub fn applied_after(&self, index: Index) -> impl Iterator<Item = (Index, &Entry<C>)> {
        self.log().between(index, self.applied())
    }
}
