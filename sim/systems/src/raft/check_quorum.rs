//! A leader that loses its quorum gives up: check-quorum (etcd), leadership expiry (NuRaft), leader lease (hashicorp);
//! and the quorum that one of two servers takes for itself (NuRaft).

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::time::{Duration, Instant};

use super::bug::Bug;
use super::ids::ServerSet;
use super::message::Payload;
use super::node::{RaftContext, RaftTimer};
use super::observation::{RaftObservation, StepDownReason};
use super::options::{CheckQuorumMethod, Contact, RaftOptions};
use super::roles::{LEADS_ON, Tenure};
use super::shared::Shared;
use super::state::Leader;

impl Leader {
    /// The window is over, or a contact grows old.
    pub(super) fn on_check_quorum_timer<C: Payload>(&mut self, shared: &Shared<C>, ctx: &mut RaftContext<C>) -> Tenure {
        match shared.options.check_quorum.method {
            CheckQuorumMethod::Window => self.check_window(shared, ctx),
            CheckQuorumMethod::LeaseTimer => self.check_lease(shared, ctx),
            CheckQuorumMethod::EachHeartbeat => unreachable!("no timer is set for this method"),
        }
    }

    /// etcd `MsgCheckQuorum`: who answered since the last look is active.
    fn check_window<C: Payload>(&mut self, shared: &Shared<C>, ctx: &mut RaftContext<C>) -> Tenure {
        let active = std::mem::replace(&mut self.active, ServerSet::EMPTY);
        if shared.is_in_contact(active) || shared.is_spared() {
            ctx.set_timer(RaftTimer::CheckQuorum, shared.options.check_quorum.timeout);
            return LEADS_ON;
        }
        ctx.observe(RaftObservation::QuorumLost { term: shared.term() });
        Tenure::Break(StepDownReason::NoQuorum)
    }

    /// hashicorp `checkLeaderLease`: looks again when the oldest contact that still counts would not any more.
    fn check_lease<C: Payload>(&self, shared: &Shared<C>, ctx: &mut RaftContext<C>) -> Tenure {
        let lease = shared.options.check_quorum.timeout;
        let oldest = self.contacts(shared, ctx.now()).filter(|age| *age <= lease).max();
        self.expire(shared, ctx)?;
        let wait = lease.saturating_sub(oldest.unwrap_or(Duration::ZERO));
        ctx.set_timer(RaftTimer::CheckQuorum, wait.max(RaftOptions::LEASE_CHECK_MIN));
        LEADS_ON
    }

    /// NuRaft `check_leadership_validity`, at each heartbeat.
    pub(super) fn check_at_heartbeat<C: Payload>(&self, shared: &Shared<C>, ctx: &mut RaftContext<C>) -> Tenure {
        let at_heartbeat = shared.options.check_quorum.method == CheckQuorumMethod::EachHeartbeat;
        if at_heartbeat && !shared.options.check_quorum.timeout.is_zero() { self.expire(shared, ctx) } else { LEADS_ON }
    }

    /// Gives up if the contact with a quorum is older than the timeout.
    fn expire<C: Payload>(&self, shared: &Shared<C>, ctx: &mut RaftContext<C>) -> Tenure {
        let (now, expiry) = (ctx.now(), shared.options.check_quorum.timeout);
        let is_heard = |voter: &NodeId| self.progress(*voter).is_some_and(|p| now.since(p.contact_at) <= expiry);
        let alive = shared.peers().iter().filter(is_heard).collect();
        if shared.is_in_contact(alive) || shared.is_spared() {
            return LEADS_ON;
        }
        ctx.observe(RaftObservation::LeadershipExpired { term: shared.term() });
        Tenure::Break(StepDownReason::NoQuorum)
    }

    /// How old the last contact with each other voter is.
    fn contacts<C: Payload>(&self, shared: &Shared<C>, now: Instant) -> impl Iterator<Item = Duration> {
        let others = shared.other_electors();
        others.iter().filter_map(|voter| self.progress(voter)).map(move |p| now.since(p.contact_at))
    }

    /// The last contact with a quorum of these voters.
    pub(super) fn contact_with<C: Payload>(&self, shared: &Shared<C>, half: ServerSet) -> Instant {
        let own = usize::from(half.contains(shared.id));
        let others = half.without(shared.id);
        let mut contacts: Vec<Instant> =
            others.iter().filter_map(|member| self.progress(member)).map(|p| p.contact_at).collect();
        contacts.sort_unstable_by(|a, b| b.cmp(a));
        let needed = shared.quorum(shared.options.quorum.commit, half).saturating_sub(own);
        needed.checked_sub(1).map_or(Instant::MAX, |at| contacts.get(at).copied().unwrap_or(self.elected_at))
    }

    /// A follower has answered.
    #[inline]
    pub(super) fn note_contact<C: Payload>(
        &mut self,
        shared: &Shared<C>,
        now: Instant,
        follower: NodeId,
        accepted: bool,
    ) {
        if accepted || shared.options.check_quorum.contact == Contact::Any {
            self.active.insert(follower);
            if let Some(progress) = self.progress_mut(follower) {
                progress.contact_at = now;
            }
        }
    }
}

impl<C: Payload> Shared<C> {
    /// A fresh leader starts to watch its quorum.
    pub(super) fn start_check_quorum(&self, ctx: &mut RaftContext<C>) {
        let period = self.options.check_quorum.timeout;
        let by_timer = self.options.check_quorum.method != CheckQuorumMethod::EachHeartbeat;
        if by_timer && !period.is_zero() {
            ctx.set_timer(RaftTimer::CheckQuorum, period);
        }
    }

    /// Whether contact with these members is contact with a quorum of the voters.
    fn is_in_contact(&self, members: ServerSet) -> bool {
        if self.has_bug(Bug::LearnersAreContact) {
            return members.len() + 1 >= self.quorum(self.options.quorum.commit, self.configuration.voters());
        }
        self.commits(members)
    }

    /// NuRaft: where a quorum is all of the voters, a leader stays.
    fn is_spared(&self) -> bool {
        let is_all = |half: ServerSet| half.len() <= self.quorum(self.options.quorum.commit, half);
        self.options.check_quorum.spares_full && self.halves().all(is_all)
    }
}

// ---- Two servers ----

impl Leader {
    /// A leader of two whose follower has been silent for too many heartbeats (NuRaft `response_limit_`) goes on alone,
    /// and counts it again once it answers.
    pub(super) fn review_pair<C: Payload>(&mut self, shared: &mut Shared<C>, ctx: &mut RaftContext<C>) -> Tenure {
        if !shared.options.quorum.auto_adjust || shared.configuration.electors().len() != 2 {
            // It may have been one of two before a change.
            shared.restore_quorum(ctx);
            return LEADS_ON;
        }
        let patience = shared.options.timing.heartbeat.saturating_mul(shared.options.quorum.auto_adjust_heartbeats);
        if self.contacts(shared, ctx.now()).any(|age| age > patience) {
            shared.adjust_quorum(ctx);
            return self.advance_commit(shared, ctx);
        }
        shared.restore_quorum(ctx);
        LEADS_ON
    }
}

impl<C: Payload> Shared<C> {
    pub(super) fn adjust_quorum(&mut self, ctx: &mut RaftContext<C>) {
        if !self.isolation.quorum_adjusted {
            self.isolation.quorum_adjusted = true;
            ctx.observe(RaftObservation::QuorumAdjusted);
        }
    }

    pub(super) fn restore_quorum(&mut self, ctx: &mut RaftContext<C>) {
        if self.isolation.quorum_adjusted {
            self.isolation.quorum_adjusted = false;
            ctx.observe(RaftObservation::QuorumRestored);
        }
    }
}
