//! The figures of a run that scenarios can bound.

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::system::Gauge;
use splitbrain_kernel::time::{Duration, Instant};

use crate::raft::ids::{ServerSet, Term};

/// What [`super::RaftInvariants::gauges`] gives, in its order.
pub(super) const GAUGES: &[Gauge] = &[
    Gauge { name: "term", doc: "The highest term of any server." },
    Gauge { name: "leader_changes", doc: "Elections that were won after the first one." },
    Gauge { name: "terms_started", doc: "Terms in which a server asked for votes." },
    Gauge { name: "split_votes", doc: "Terms in which at least two servers asked for votes and nobody won." },
    Gauge { name: "leaderless_longest_ms", doc: "The longest time, in milliseconds, without a leader." },
    Gauge {
        name: "leader_wait_max_ms",
        doc: "The longest time, in milliseconds, in which a quorum could have elected a leader and had none.",
    },
    Gauge {
        name: "stable_elections_max",
        doc: "The most elections in one window of leader_stability, while nothing was disturbed.",
    },
];

/// Counts what happens to terms and leaders.
#[derive(Clone, Debug, Default)]
pub(super) struct RunFigures {
    pub(super) term: Term,
    pub(super) elections: u64,
    campaigns: BTreeMap<Term, Campaign>,
    leaderless_since: Option<Instant>,
    leaderless_longest: Duration,
}

#[derive(Clone, Copy, Debug, Default)]
struct Campaign {
    candidates: ServerSet,
    won: bool,
}

impl RunFigures {
    pub(super) fn new() -> Self {
        Self { leaderless_since: Some(Instant::ZERO), ..Self::default() }
    }

    pub(super) fn see_term(&mut self, term: Term) {
        self.term = self.term.max(term);
    }

    pub(super) fn campaign(&mut self, term: Term, candidate: NodeId) {
        self.campaigns.entry(term).or_default().candidates.insert(candidate);
    }

    pub(super) fn elect(&mut self, term: Term) {
        self.elections += 1;
        self.campaigns.entry(term).or_default().won = true;
    }

    /// Somebody leads or no longer does.
    pub(super) fn on_leaders_changed(&mut self, leaders: ServerSet, now: Instant) {
        match self.leaderless_since {
            None if leaders.is_empty() => self.leaderless_since = Some(now),
            Some(since) if !leaders.is_empty() => {
                self.leaderless_longest = self.leaderless_longest.max(now.since(since));
                self.leaderless_since = None;
            }
            _ => {}
        }
    }

    /// The run is over.
    pub(super) fn end(&mut self, now: Instant) {
        if let Some(since) = self.leaderless_since {
            self.leaderless_longest = self.leaderless_longest.max(now.since(since));
        }
    }

    pub(super) fn terms_started(&self) -> u64 {
        self.campaigns.len() as u64
    }

    pub(super) fn split_votes(&self) -> u64 {
        self.campaigns.values().filter(|campaign| !campaign.won && campaign.candidates.len() > 1).count() as u64
    }

    pub(super) const fn leaderless_longest(&self) -> Duration {
        self.leaderless_longest
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{millis, s};
    use super::*;

    #[test]
    fn the_time_without_a_leader_counts_from_the_start_and_to_the_end() {
        let mut figures = RunFigures::new();
        let led = std::iter::once(s(1)).collect();
        figures.on_leaders_changed(led, millis(200));
        assert_eq!(figures.leaderless_longest(), Duration::from_millis(200));
        figures.on_leaders_changed(ServerSet::EMPTY, millis(500));
        figures.end(millis(1_000));
        assert_eq!(figures.leaderless_longest(), Duration::from_millis(500));
    }

    #[test]
    fn a_vote_is_split_where_two_stand_and_nobody_wins() {
        let mut figures = RunFigures::new();
        for (term, candidate) in [(1, 1), (1, 2), (2, 3), (3, 1), (3, 2)] {
            figures.campaign(Term(term), s(candidate));
        }
        figures.elect(Term(3));
        assert_eq!((figures.terms_started(), figures.split_votes()), (3, 1));
    }
}
