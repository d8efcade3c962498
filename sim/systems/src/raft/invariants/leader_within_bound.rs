//! A leader within a bound: once a leader can be elected, there is one within a measured time, and it
//! is missed no longer than that afterwards.
//!
//! When one can be elected is for [`super::reachability`], how long that may take for [`super::bounds`]. The wait
//! starts over with each fault that begins or ends, and with each change of the membership that changes what is
//! promised.

use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::{Duration, Instant};

use crate::raft::ids::ServerSet;

use super::index::LEADER_WITHIN_BOUND;
use super::reachability::Promise;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "leader_within_bound",
    doc: "While a quorum is able to elect a leader, there is one within a bound that was measured.",
    source: "Raft §9.3; ccfraft LeaderProp",
    kind: InvariantKind::Liveness,
    sight: Sight::BlackBox,
};

/// The wait for a leader.
///
/// - `due` is set only while there is a wait.
#[derive(Clone, Debug)]
pub(super) struct ElectionWait {
    promise: Option<(Promise, Duration)>,
    since: Option<Instant>,
    due: Instant,
    longest: Duration,
    /// How many waits a leader ended, and how long the last of them took.
    ended: (u64, Duration),
}

impl ElectionWait {
    pub(super) const fn new() -> Self {
        Self { promise: None, since: None, due: Instant::MAX, longest: Duration::ZERO, ended: (0, Duration::ZERO) }
    }

    /// How many waits a leader ended, and how long the last of them took.
    pub(super) const fn ended(&self) -> (u64, Duration) {
        self.ended
    }

    /// When [`ElectionWait::on_deadline`] wants to be called.
    #[inline]
    pub(super) const fn deadline(&self) -> Instant {
        self.due
    }

    /// The longest wait for a leader while one was promised.
    pub(super) const fn longest(&self) -> Duration {
        self.longest
    }

    /// Those who could elect a leader, while one is promised.
    pub(super) fn core(&self) -> ServerSet {
        self.promise.map_or(ServerSet::EMPTY, |(promise, _)| promise.core)
    }

    /// Whether this is what is promised at present.
    pub(super) fn is_promised(&self, promise: Option<(Promise, Duration)>) -> bool {
        self.promise == promise.filter(|(promise, _)| promise.leader)
    }

    /// The world has changed: a leader is promised within this time, or nothing.
    pub(super) fn start_over(
        &mut self,
        promise: Option<(Promise, Duration)>,
        leaders: ServerSet,
        now: Instant,
        findings: &mut Findings,
    ) {
        self.promise = promise.filter(|(promise, _)| promise.leader);
        self.since = None;
        self.due = Instant::MAX;
        self.on_leaders_changed(leaders, now, findings);
    }

    /// Somebody leads or no longer does.
    pub(super) fn on_leaders_changed(&mut self, leaders: ServerSet, now: Instant, findings: &mut Findings) {
        let Some((promise, within)) = self.promise else { return };
        let is_led = !leaders.intersection(promise.leaders).is_empty();
        match self.since {
            None if !is_led => {
                self.since = Some(now);
                self.due = now.saturating_add(within);
            }
            Some(since) if is_led => {
                self.ended = (self.ended.0 + 1, now.since(since));
                self.longest = self.longest.max(self.ended.1);
                self.since = None;
                self.due = Instant::MAX;
                findings.check(LEADER_WITHIN_BOUND, None, true, String::new);
            }
            _ => {}
        }
    }

    /// The bound is over.
    pub(super) fn on_deadline(&mut self, now: Instant, findings: &mut Findings) {
        if now < self.due {
            return;
        }
        self.due = Instant::MAX;
        if let (Some(since), Some((promise, within))) = (self.since, self.promise) {
            findings.check(LEADER_WITHIN_BOUND, None, false, || {
                format!(
                    "{:?} could have elected a leader since {since}; nobody leads at {now}, {within} later",
                    promise.core
                )
            });
        }
    }

    /// The run is over.
    pub(super) fn end(&mut self, now: Instant) {
        if let Some(since) = self.since {
            self.longest = self.longest.max(now.since(since));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, millis, s};
    use super::*;

    const WITHIN: Duration = Duration::from_millis(3_000);

    fn promise() -> Option<(Promise, Duration)> {
        let core: ServerSet = [s(1), s(2), s(3)].into_iter().collect();
        Some((Promise { core, leaders: core, hubs: core, leader: true, stability: true }, WITHIN))
    }

    fn led_by(server: u16) -> ServerSet {
        std::iter::once(s(server)).collect()
    }

    #[test]
    fn a_leader_in_time_is_right_and_the_wait_is_known() {
        let (mut wait, mut findings) = (ElectionWait::new(), all_on());
        wait.start_over(promise(), ServerSet::EMPTY, millis(1_000), &mut findings);
        assert_eq!(wait.deadline(), millis(4_000));
        wait.on_leaders_changed(led_by(2), millis(1_800), &mut findings);
        assert_eq!(wait.deadline(), Instant::MAX);
        assert_eq!(wait.ended(), (1, Duration::from_millis(800)));
        assert_eq!(wait.longest(), Duration::from_millis(800));
        assert!(!findings.is_broken());
        assert_eq!(findings.evaluated()[LEADER_WITHIN_BOUND], 1);
    }

    #[test]
    fn no_leader_in_time_is_found() {
        let (mut wait, mut findings) = (ElectionWait::new(), all_on());
        wait.start_over(promise(), ServerSet::EMPTY, millis(1_000), &mut findings);
        wait.on_deadline(millis(4_000), &mut findings);
        let facts = "{s1, s2, s3} could have elected a leader since 1.000000s; nobody leads at 4.000000s, 3s later";
        assert_eq!(broken(&findings), (LEADER_WITHIN_BOUND, facts));
    }

    #[test]
    fn a_leader_that_is_lost_is_waited_for_again() {
        let (mut wait, mut findings) = (ElectionWait::new(), all_on());
        wait.start_over(promise(), led_by(2), millis(1_000), &mut findings);
        assert_eq!(wait.deadline(), Instant::MAX);
        wait.on_leaders_changed(ServerSet::EMPTY, millis(2_000), &mut findings);
        assert_eq!(wait.deadline(), millis(5_000));
    }

    #[test]
    fn a_fault_starts_the_wait_over_or_ends_it() {
        let (mut wait, mut findings) = (ElectionWait::new(), all_on());
        wait.start_over(promise(), ServerSet::EMPTY, millis(1_000), &mut findings);
        wait.start_over(promise(), ServerSet::EMPTY, millis(3_000), &mut findings);
        assert_eq!(wait.deadline(), millis(6_000));
        wait.start_over(None, ServerSet::EMPTY, millis(4_000), &mut findings);
        assert_eq!(wait.deadline(), Instant::MAX);
        assert_eq!(wait.ended().0, 0, "no leader ended a wait");
    }

    #[test]
    fn a_leader_that_nobody_hears_does_not_count() {
        let (mut wait, mut findings) = (ElectionWait::new(), all_on());
        wait.start_over(promise(), led_by(5), millis(1_000), &mut findings);
        assert_eq!(wait.deadline(), millis(4_000));
    }
}
