//! Stable leadership: while the world is not disturbed and a server that is linked with a quorum
//! leads, leadership does not keep changing hands.
//!
//! A single election more is no livelock: a vote may have been on its way. Counted are elections of servers that are
//! linked with a quorum, in windows of a few timeouts. Options that check their quorum promise this in a partial
//! partition too, whether pre-vote is on or not: without it, the promise is broken.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::{Duration, Instant};

use crate::raft::ids::{ServerSet, Term};

use super::bounds::{STABILITY_ELECTIONS_MAX, STABILITY_WINDOW};
use super::index::LEADER_STABILITY;
use super::reachability::Promise;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "leader_stability",
    doc: "While nothing is disturbed and a leader is linked with a quorum, leadership does not keep changing.",
    source: "Raft thesis §9.6; Howard, Abraham: Raft does not guarantee liveness in the face of network faults",
    kind: InvariantKind::Liveness,
    sight: Sight::BlackBox,
};

/// Elections in a world that is not disturbed.
#[derive(Clone, Debug)]
pub(super) struct Stability {
    /// Who is linked with a quorum; nobody where nothing is promised.
    hubs: ServerSet,
    /// The greatest timeout.
    timeout: Duration,
    /// Since when nothing was disturbed.
    calm_since: Instant,
    /// The present window, once a hub leads.
    window_at: Option<Instant>,
    elections: u64,
    most: u64,
}

impl Stability {
    pub(super) const fn new() -> Self {
        Self {
            hubs: ServerSet::EMPTY,
            timeout: Duration::ZERO,
            calm_since: Instant::ZERO,
            window_at: None,
            elections: 0,
            most: 0,
        }
    }

    /// The most elections in one window.
    pub(super) const fn most(&self) -> u64 {
        self.most
    }

    /// When the present window began; `now` if there is none.
    pub(super) fn window_at(&self, now: Instant) -> Instant {
        self.window_at.unwrap_or(now)
    }

    /// Whether this is what is promised at present.
    pub(super) fn is_promised(&self, promise: Option<Promise>, timeout: Duration) -> bool {
        (self.hubs, self.timeout) == (hubs_of(promise), timeout)
    }

    /// The world has changed; `timeout` is the greatest of all.
    pub(super) fn start_over(
        &mut self,
        promise: Option<Promise>,
        timeout: Duration,
        now: Instant,
        findings: &mut Findings,
    ) {
        self.close(now, findings);
        self.hubs = hubs_of(promise);
        self.timeout = timeout;
        self.calm_since = now;
        self.window_at = None;
    }

    /// A server is elected.
    pub(super) fn elect(&mut self, server: NodeId, term: Term, now: Instant, findings: &mut Findings) {
        if !self.hubs.contains(server) {
            return;
        }
        self.roll(now);
        if self.window_at.is_none() {
            return;
        }
        self.elections += 1;
        self.most = self.most.max(self.elections);
        let (elections, since) = (self.elections, self.window_at.unwrap_or(now));
        findings.check(LEADER_STABILITY, Some(server), elections <= STABILITY_ELECTIONS_MAX, || {
            let calm = self.calm_since;
            format!(
                "nothing was disturbed since {calm}; {server} became leader of term {term} at {now}, \
                 the {elections}{} election since {since}",
                ending(elections)
            )
        });
    }

    /// Begins a window: the first once a hub is elected and old votes are gone, the others one after another.
    fn roll(&mut self, now: Instant) {
        let Some(begun) = self.window_at else {
            if now.since(self.calm_since) >= self.timeout.saturating_mul(2) {
                // Its own election is the one that stability starts from.
                self.window_at = Some(now);
                self.elections = 0;
            }
            return;
        };
        let length = self.timeout.saturating_mul(STABILITY_WINDOW);
        if now.since(begun) >= length {
            self.window_at = Some(now);
            self.elections = 0;
        }
    }

    /// The world is about to change, or the run is over: a window without too many elections was right.
    pub(super) fn close(&self, now: Instant, findings: &mut Findings) {
        let length = self.timeout.saturating_mul(STABILITY_WINDOW);
        let whole = now.since(self.calm_since) >= length.saturating_mul(2);
        if whole && !self.hubs.is_empty() {
            findings.check(LEADER_STABILITY, None, true, String::new);
        }
    }
}

/// Those of which this promises that their leadership does not keep changing.
fn hubs_of(promise: Option<Promise>) -> ServerSet {
    promise.filter(|promise| promise.stability).map_or(ServerSet::EMPTY, |promise| promise.hubs)
}

/// What makes an ordinal of a number: `4th`, `21st`.
const fn ending(number: u64) -> &'static str {
    match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, millis, s};
    use super::*;

    const TIMEOUT: Duration = Duration::from_millis(300);

    fn calm(findings: &mut Findings) -> Stability {
        let all: ServerSet = (1..=5).map(s).collect();
        let promise = Promise { core: all, leaders: all, hubs: all, leader: true, stability: true };
        let mut stability = Stability::new();
        stability.start_over(Some(promise), TIMEOUT, millis(1_000), findings);
        stability
    }

    #[test]
    fn a_leader_that_stays_is_right() {
        let mut findings = all_on();
        let mut stability = calm(&mut findings);
        stability.elect(s(1), Term(2), millis(1_200), &mut findings);
        stability.elect(s(2), Term(3), millis(1_700), &mut findings);
        stability.close(millis(9_000), &mut findings);
        assert!(!findings.is_broken());
        assert!(findings.evaluated()[LEADER_STABILITY] > 0);
    }

    #[test]
    fn leadership_that_keeps_changing_is_found() {
        let mut findings = all_on();
        let mut stability = calm(&mut findings);
        for round in 0..8 {
            let server = s(if round % 2 == 0 { 1 } else { 5 });
            stability.elect(server, Term(round + 2), millis(1_200 + 300 * round), &mut findings);
        }
        let (index, facts) = broken(&findings);
        assert_eq!(index, LEADER_STABILITY);
        assert!(facts.starts_with("nothing was disturbed since 1.000000s; "), "{facts}");
        assert!(facts.ends_with("th election since 1.800000s"), "{facts}");
    }

    #[test]
    fn ordinals_end_as_they_are_spoken() {
        let ends = [1, 2, 3, 4, 11, 12, 13, 21, 112].map(ending);
        assert_eq!(ends, ["st", "nd", "rd", "th", "th", "th", "th", "st", "th"]);
    }

    #[test]
    fn elections_now_and_then_are_no_livelock() {
        let mut findings = all_on();
        let mut stability = calm(&mut findings);
        for round in 0..20 {
            stability.elect(s(1), Term(round), millis(1_200 + 1_000 * round), &mut findings);
        }
        assert!(!findings.is_broken());
    }

    #[test]
    fn elections_of_servers_without_a_quorum_or_without_a_promise_do_not_count() {
        let mut findings = all_on();
        let mut stability = calm(&mut findings);
        for round in 0..20 {
            stability.elect(s(6), Term(round), millis(1_200 + 100 * round), &mut findings);
        }
        stability.start_over(None, TIMEOUT, millis(4_000), &mut findings);
        for round in 0..20 {
            stability.elect(s(1), Term(round), millis(5_000 + 100 * round), &mut findings);
        }
        assert!(!findings.is_broken());
    }
}
