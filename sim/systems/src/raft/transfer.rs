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
//! A leader that has not been replaced within `transfer.timeout` takes proposals again, or gives up all the same
//! (NuRaft).
//! What is lost on the way is sent again with each answer of the target.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::Source;
use splitbrain_kernel::time::Instant;

use super::bug::Bug;
use super::ids::Term;
use super::message::{Payload, RaftMessage};
use super::node::{RaftContext, RaftTimer};
use super::observation::{RaftObservation, StepDownReason};
use super::options::TransferEnd;
use super::roles::{LEADS_ON, Tenure};
use super::shared::Shared;
use super::state::{Leader, Server};

impl Leader {
    /// Hands its leadership over to this voter; without one to the voter that is best suited.
    pub(super) fn transfer<C: Payload>(
        &mut self,
        shared: &mut Shared<C>,
        ctx: &mut RaftContext<C>,
        target: Option<NodeId>,
    ) -> Tenure {
        let others = shared.configuration.voters().without(shared.id);
        let target = target.or_else(|| self.best_successor(shared));
        let Some(target) = target.filter(|target| others.contains(*target)) else {
            return LEADS_ON;
        };
        self.successor = Some(target);
        ctx.set_timer(RaftTimer::Transfer, shared.options.transfer.timeout);
        ctx.observe(RaftObservation::TransferStarted { target });
        self.advance_transfer(shared, ctx, target)
    }

    /// Of the voters with the highest priority the one that has most of the log.
    fn best_successor<C: Payload>(&self, shared: &Shared<C>) -> Option<NodeId> {
        let others = shared.configuration.voters().without(shared.id);
        let has = |voter| self.progress(voter).map(|progress| progress.matched);
        others.iter().max_by_key(|voter| (shared.configuration.priority(*voter), has(*voter)))
    }

    /// Whether it refuses proposals, as it hands its leadership over.
    #[inline]
    pub(super) const fn is_transferring(&self) -> bool {
        self.successor.is_some()
    }

    /// This follower has answered: if it is to lead and has the whole log, it is told to campaign.
    #[inline]
    pub(super) fn advance_transfer<C: Payload>(
        &mut self,
        shared: &mut Shared<C>,
        ctx: &mut RaftContext<C>,
        follower: NodeId,
    ) -> Tenure {
        if self.successor == Some(follower) { self.tell_successor(shared, ctx, follower) } else { LEADS_ON }
    }

    #[inline(never)]
    fn tell_successor<C: Payload>(
        &mut self,
        shared: &mut Shared<C>,
        ctx: &mut RaftContext<C>,
        target: NodeId,
    ) -> Tenure {
        let last = shared.log.last_index();
        if self.progress(target).is_none_or(|progress| progress.matched < last) {
            return LEADS_ON;
        }
        self.lease_given_up = true;
        shared.notify(ctx, target, RaftMessage::TimeoutNow { term: shared.term() });
        match shared.options.transfer.end {
            TransferEnd::StepDown => Tenure::Break(StepDownReason::Transferred),
            TransferEnd::Election => LEADS_ON,
        }
    }

    /// It is asked to give up its leadership: every other server that times out comes first (NuRaft's leader waits one
    /// and a half of its greatest timeouts once it has given up). It votes, and campaigns where it is told to, as ever.
    pub(super) fn resign<C: Payload>(&self, shared: &mut Shared<C>, now: Instant) -> Tenure {
        let pause = shared.options.timing.election_timeout_max.saturating_mul(3).div(2);
        shared.clock.resigned_until = now.saturating_add(pause);
        Tenure::Break(StepDownReason::Ordered)
    }

    /// The target has not taken over in time.
    pub(super) fn on_transfer_timer<C: Payload>(&mut self, shared: &mut Shared<C>, ctx: &mut RaftContext<C>) -> Tenure {
        if shared.has_bug(Bug::TransferNeverEnds) {
            return LEADS_ON;
        }
        if let Some(target) = self.successor.take() {
            ctx.observe(RaftObservation::TransferAborted { target });
        }
        match shared.options.transfer.end {
            TransferEnd::StepDown => Tenure::Break(StepDownReason::Transferred),
            TransferEnd::Election => self.leave_committed_joint(shared, ctx),
        }
    }
}

impl<C: Payload> Server<C> {
    /// Its leader tells it to campaign. One that was told in an earlier term, or that cannot lead, does not.
    pub(super) fn on_timeout_now(&mut self, ctx: &mut RaftContext<C>, source: Source, term: Term) {
        let hard = &self.shared.hard;
        let may_lead = self.is_voter() && !hard.catching_up && !hard.receiving_snapshot;
        let is_of_leader = term == self.term() && self.leader() == Some(source.node);
        if !is_of_leader || !may_lead || self.shared.isolation.steps_to_down > 0 {
            return;
        }
        self.stand_for_transfer(ctx);
    }
}
