//! A leader that loses its quorum gives up: check-quorum (etcd), leadership expiry (NuRaft), leader lease (hashicorp);
//! and the quorum that one of two servers takes for itself (NuRaft).

use splitbrain_kernel::context::Context;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::time::{Duration, Instant};

use super::bug::Bug;
use super::ids::ServerSet;
use super::message::Payload;
use super::node::{RaftNode, RaftTimer};
use super::observation::{RaftObservation, StepDownReason};
use super::options::{CheckQuorumMethod, Contact, RaftOptions};
use super::state::{Leader, Role, Server};

impl<C: Payload> Server<C> {
    /// A fresh leader starts to watch its quorum.
    pub(super) fn start_check_quorum(&self, ctx: &mut Context<RaftNode<C>>) {
        let period = self.options.check_quorum;
        let by_timer = self.options.check_quorum_method != CheckQuorumMethod::EachHeartbeat;
        if by_timer && !period.is_zero() {
            ctx.set_timer(RaftTimer::CheckQuorum, period);
        }
    }

    /// The window is over, or a contact grows old.
    pub(super) fn on_check_quorum_timer(&mut self, ctx: &mut Context<RaftNode<C>>) {
        match self.options.check_quorum_method {
            CheckQuorumMethod::Window => self.check_window(ctx),
            CheckQuorumMethod::LeaseTimer => self.check_lease(ctx),
            CheckQuorumMethod::EachHeartbeat => unreachable!("no timer is set for this method"),
        }
    }

    /// etcd `MsgCheckQuorum`: who answered since the last look is active.
    fn check_window(&mut self, ctx: &mut Context<RaftNode<C>>) {
        let Role::Leader(leader) = &mut self.role else {
            unreachable!("only a leader checks its quorum");
        };
        let active = std::mem::replace(&mut leader.active, ServerSet::EMPTY);
        if self.is_in_contact(active) || self.is_spared() {
            ctx.set_timer(RaftTimer::CheckQuorum, self.options.check_quorum);
            return;
        }
        ctx.observe(RaftObservation::QuorumLost { term: self.term() });
        self.step_down(ctx, StepDownReason::NoQuorum);
    }

    /// hashicorp `checkLeaderLease`: looks again when the oldest contact that still counts would not any more.
    fn check_lease(&mut self, ctx: &mut Context<RaftNode<C>>) {
        let lease = self.options.check_quorum;
        let oldest = self.contacts(ctx.now()).filter(|age| *age <= lease).max();
        if self.expire(ctx) {
            return;
        }
        let wait = lease.saturating_sub(oldest.unwrap_or(Duration::ZERO));
        ctx.set_timer(RaftTimer::CheckQuorum, wait.max(RaftOptions::LEASE_CHECK_MIN));
    }

    /// NuRaft `check_leadership_validity`, at each heartbeat. Returns whether the leadership is over.
    pub(super) fn check_at_heartbeat(&mut self, ctx: &mut Context<RaftNode<C>>) -> bool {
        let at_heartbeat = self.options.check_quorum_method == CheckQuorumMethod::EachHeartbeat;
        at_heartbeat && !self.options.check_quorum.is_zero() && self.expire(ctx)
    }

    /// Steps down where a quorum's contact is older than check_quorum. Returns whether it did.
    fn expire(&mut self, ctx: &mut Context<RaftNode<C>>) -> bool {
        let (now, expiry) = (ctx.now(), self.options.check_quorum);
        let leader = self.as_leader().expect("only a leader's leadership expires");
        let is_heard = |voter: &NodeId| leader.progress(*voter).is_some_and(|p| now.since(p.contact_at) <= expiry);
        let alive = self.configuration.members().without(self.id).iter().filter(is_heard).collect();
        if self.is_in_contact(alive) || self.is_spared() {
            return false;
        }
        ctx.observe(RaftObservation::LeadershipExpired { term: self.term() });
        self.step_down(ctx, StepDownReason::NoQuorum);
        true
    }

    /// Whether contact with these members is contact with a quorum of the voters.
    fn is_in_contact(&self, members: ServerSet) -> bool {
        if self.has_bug(Bug::LearnersAreContact) {
            return members.len() + 1 >= self.quorum(self.options.commit_quorum, self.configuration.voters());
        }
        self.commits(members)
    }

    /// How old the last contact with each other voter is.
    fn contacts(&self, now: Instant) -> impl Iterator<Item = Duration> {
        let others = self.configuration.electors().without(self.id);
        let leader = self.as_leader().expect("only a leader asks for contacts");
        others.iter().filter_map(|voter| leader.progress(voter)).map(move |p| now.since(p.contact_at))
    }

    /// NuRaft: where a quorum is all of the voters, a leader stays.
    fn is_spared(&self) -> bool {
        let is_all = |half: ServerSet| half.len() <= self.quorum(self.options.commit_quorum, half);
        self.options.check_quorum_spares_full && self.halves().all(is_all)
    }

    /// A follower has answered.
    #[inline]
    pub(super) fn note_contact(&mut self, now: Instant, follower: NodeId, accepted: bool) {
        let counts = accepted || self.options.check_quorum_contact == Contact::Any;
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        if counts {
            leader.note(now, follower);
        }
    }
}

impl Leader {
    #[inline]
    fn note(&mut self, now: Instant, follower: NodeId) {
        self.active.insert(follower);
        if let Some(progress) = self.progress_mut(follower) {
            progress.contact_at = now;
        }
    }
}

// ---- Two servers ----

impl<C: Payload> Server<C> {
    /// A leader of two whose follower has been silent for 20 heartbeats (NuRaft `response_limit_`) goes on alone, and
    /// counts it again once it answers.
    pub(super) fn review_pair(&mut self, ctx: &mut Context<RaftNode<C>>) {
        const RESPONSE_LIMIT: u64 = 20;
        if !self.options.auto_adjust_quorum || self.configuration.electors().len() != 2 {
            // It may have been one of two before a change.
            return self.restore_quorum(ctx);
        }
        let patience = self.options.heartbeat.saturating_mul(RESPONSE_LIMIT);
        if self.contacts(ctx.now()).any(|age| age > patience) {
            self.adjust_quorum(ctx);
            self.advance_commit(ctx);
        } else {
            self.restore_quorum(ctx);
        }
    }

    pub(super) fn adjust_quorum(&mut self, ctx: &mut Context<RaftNode<C>>) {
        if !self.isolation.quorum_adjusted {
            self.isolation.quorum_adjusted = true;
            ctx.observe(RaftObservation::QuorumAdjusted);
        }
    }

    pub(super) fn restore_quorum(&mut self, ctx: &mut Context<RaftNode<C>>) {
        if self.isolation.quorum_adjusted {
            self.isolation.quorum_adjusted = false;
            ctx.observe(RaftObservation::QuorumRestored);
        }
    }
}
