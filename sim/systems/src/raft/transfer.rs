//! Leadership transfer (thesis §3.10; etcd `MsgTransferLeader`, NuRaft `yield_leadership`).
//!
//! ```text
//!   leader                                            target
//!     │ refuses proposals, brings it up to date          │
//!     │ ── append ─────────────────────────────────────▶ │
//!     │ ◀───────────────────── accepted, up to the last ─│
//!     │ ── timeout now ────────────────────────────────▶ │ campaigns at once, without pre-votes
//!     │ ◀───────────────────────────── vote, for transfer ─│ voters do not refuse for the leader's sake
//! ```
//!
//! A leader that has told another to campaign holds no lease for reads any more in its term: the message may arrive at
//! any time, and voters that promised not to vote for others do vote then.
//!
//! A leader that has not been replaced within `transfer_timeout` takes proposals again, or gives up all the same
//! (NuRaft).
//! What is lost on the way is sent again with each answer of the target.

use splitbrain_kernel::context::Context;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::Source;

use super::bug::Bug;
use super::ids::Term;
use super::message::{Payload, RaftMessage};
use super::node::{RaftNode, RaftTimer};
use super::observation::{RaftObservation, StepDownReason};
use super::options::TransferEnd;
use super::state::{Leader, Role, Server};

impl<C: Payload> Server<C> {
    /// Hands its leadership over to this voter; without one to the voter that is best suited.
    pub(super) fn transfer_leadership(&mut self, ctx: &mut Context<RaftNode<C>>, target: Option<NodeId>) {
        assert!(self.is_leader(), "only a leader hands its leadership over");
        let others = self.configuration.voters().without(self.id);
        let Some(target) = target.or_else(|| self.best_successor()).filter(|target| others.contains(*target)) else {
            return;
        };
        let Role::Leader(leader) = &mut self.role else { return };
        leader.successor = Some(target);
        ctx.set_timer(RaftTimer::Transfer, self.options.transfer_timeout);
        ctx.observe(RaftObservation::TransferStarted { target });
        self.advance_transfer(ctx, target);
    }

    /// Of the voters with the highest priority the one that has most of the log.
    fn best_successor(&self) -> Option<NodeId> {
        let leader = self.as_leader()?;
        let others = self.configuration.voters().without(self.id);
        let has = |voter| leader.progress(voter).map(|progress| progress.matched);
        others.iter().max_by_key(|voter| (self.configuration.priority(*voter), has(*voter)))
    }

    /// Whether it refuses proposals, as it hands its leadership over.
    #[inline]
    pub(super) fn is_transferring(&self) -> bool {
        self.as_leader().is_some_and(|leader| leader.successor.is_some())
    }

    /// This follower has answered: if it is to lead and has the whole log, it is told to campaign.
    #[inline]
    pub(super) fn advance_transfer(&mut self, ctx: &mut Context<RaftNode<C>>, follower: NodeId) {
        if self.as_leader().is_some_and(|leader| leader.successor == Some(follower)) {
            self.tell_successor(ctx, follower);
        }
    }

    #[inline(never)]
    fn tell_successor(&mut self, ctx: &mut Context<RaftNode<C>>, target: NodeId) {
        let last = self.log.last_index();
        let progress = self.as_leader().and_then(|leader| leader.progress(target));
        if progress.is_none_or(|progress| progress.matched < last) {
            return;
        }
        if let Role::Leader(leader) = &mut self.role {
            leader.lease_given_up = true;
        }
        self.notify(ctx, target, RaftMessage::TimeoutNow { term: self.term() });
        if self.options.transfer_end == TransferEnd::StepDown {
            self.step_down(ctx, StepDownReason::Transferred);
        }
    }

    /// It is asked to give up its leadership: every other server that times out comes first (NuRaft's leader waits one
    /// and a half of its greatest timeouts once it has given up). It votes, and campaigns where it is told to, as ever.
    pub(super) fn resign(&mut self, ctx: &mut Context<RaftNode<C>>) {
        let pause = self.options.election_timeout_max.saturating_mul(3).div(2);
        self.clock.resigned_until = ctx.now().saturating_add(pause);
        self.step_down(ctx, StepDownReason::Ordered);
    }

    /// The target has not taken over in time.
    pub(super) fn on_transfer_timer(&mut self, ctx: &mut Context<RaftNode<C>>) {
        if self.has_bug(Bug::TransferNeverEnds) {
            return;
        }
        let Role::Leader(Leader { successor, .. }) = &mut self.role else {
            unreachable!("only a leader's transfer timer is set");
        };
        if let Some(target) = successor.take() {
            ctx.observe(RaftObservation::TransferAborted { target });
        }
        if self.options.transfer_end == TransferEnd::StepDown {
            return self.step_down(ctx, StepDownReason::Transferred);
        }
        self.leave_committed_joint(ctx);
    }

    /// Its leader tells it to campaign. One that was told in an earlier term, or that cannot lead, does not.
    pub(super) fn on_timeout_now(&mut self, ctx: &mut Context<RaftNode<C>>, source: Source, term: Term) {
        let may_lead = self.is_voter() && !self.hard.catching_up && !self.hard.receiving_snapshot;
        let is_of_leader = term == self.term() && self.leader() == Some(source.node);
        if !is_of_leader || !may_lead || self.isolation.steps_to_down > 0 {
            return;
        }
        self.stand_for_transfer(ctx);
    }
}
