//! Priorities (NuRaft `handle_priority.cxx`): who is lower than the target does not campaign and gets no vote; without
//! a leader the target falls.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::time::Instant;

use super::message::Payload;
use super::node::RaftContext;
use super::observation::{RaftObservation, StepDownReason};
use super::options::PriorityDecay;
use super::roles::{LEADS_ON, Tenure};
use super::shared::Shared;

/// The target after one step of decay. Never below 1.
pub fn decayed(target: u64, method: PriorityDecay, priorities: &[u64]) -> u64 {
    match method {
        PriorityDecay::Arithmetic => target.saturating_sub((target / 5).max(10)).max(1),
        PriorityDecay::Tiered => {
            let lower = priorities.iter().copied().filter(|priority| *priority < target);
            lower.max().unwrap_or(1).max(1)
        }
    }
}

/// The target while a leader lives: the highest priority of all, at least 1.
pub fn highest(priorities: &[u64]) -> u64 {
    priorities.iter().copied().max().unwrap_or(1).max(1)
}

impl<C: Payload> Shared<C> {
    /// A leader lives: the target is the highest priority again.
    #[inline]
    pub(super) fn restore_priority(&mut self, now: Instant) {
        self.priority.target = self.configuration.highest_priority();
        self.priority.changed_at = now;
    }

    /// No leader: the target falls.
    pub(super) fn decay_priority(&mut self, ctx: &mut RaftContext<C>) {
        let before = self.priority.target;
        let target = decayed(before, self.options.priority.decay, self.configuration.priorities());
        if before > 1 {
            self.priority.changed_at = ctx.now();
        }
        if target != before {
            self.priority.target = target;
            ctx.observe(RaftObservation::PriorityDecayed { target });
        }
    }

    /// Whether this server's own priority lets it campaign.
    pub(super) fn may_campaign(&self, now: Instant) -> bool {
        let own = self.configuration.priority(self.id);
        own >= self.priority.target
            || (self.election_quorum() == 1 && own > 0)
            || !self.is_voter()
            || self.zero_priority_may_campaign(own, now)
    }

    /// NuRaft `check_cond_for_zp_election`: nobody else has campaigned for 20 heartbeats.
    fn zero_priority_may_campaign(&self, own: u64, now: Instant) -> bool {
        let patience = self.options.timing.heartbeat.saturating_mul(20);
        self.options.priority.zero_leader
            && own == 0
            && self.priority.target == 1
            && now.since(self.priority.changed_at) > patience
    }

    /// Whether this server votes for one of that priority. One of priority 0 is not refused: it campaigns only where
    /// nobody else does.
    pub(super) fn priority_suffices(&self, candidate: NodeId) -> bool {
        let priority = self.configuration.priority(candidate);
        priority == 0 || priority >= self.priority.target || self.hard.catching_up
    }

    /// A leader of priority 0 gives up at once, so that one that could not win before may.
    pub(super) fn yield_zero_priority(&self) -> Tenure {
        let alone = self.configuration.members().len() <= 1;
        let gives_up = self.is_voter() && self.configuration.priority(self.id) == 0 && !alone;
        if gives_up { Tenure::Break(StepDownReason::ZeroPriority) } else { LEADS_ON }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_decay_takes_a_fifth_and_at_least_ten() {
        let targets: Vec<u64> = std::iter::successors(Some(100), |target| {
            Some(decayed(*target, PriorityDecay::Arithmetic, &[])).filter(|next| next != target)
        })
        .collect();
        assert_eq!(targets, [100, 80, 64, 52, 42, 32, 22, 12, 2, 1]);
    }

    #[test]
    fn tiered_decay_goes_from_member_to_member() {
        let step = |target| decayed(target, PriorityDecay::Tiered, &[100, 100, 80, 80, 50, 0]);
        assert_eq!(step(100), 80);
        assert_eq!(step(80), 50);
        assert_eq!(step(50), 1, "one of priority 0 is never the target");
        assert_eq!(step(1), 1);
    }
}
