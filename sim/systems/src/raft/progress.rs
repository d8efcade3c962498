//! How far a follower is, as its leader knows (etcd `tracker.Progress`).
//!
//! ```text
//!   ┌─────────┐            accepts             ┌───────────┐
//!   │  probe  │ ─────────────────────────────▶ │ replicate │
//!   │         │ ◀───────────────────────────── │           │
//!   └─────────┘  refuses, or its link is lost  └───────────┘
//!        │  what it lacks is gone from the log   ▲    │
//!        │             ┌──────────┐  it has all  │    │
//!        └───────────▶ │ snapshot │ ─────────────┘    │
//!                      └──────────┘ ◀─────────────────┘
//! ```
//!
//! While it probes, the leader looks for the place where the logs agree, and `next` moves with answers only. While it
//! replicates, appends go ahead of their answers, up to a number of them. What is lost shows at the next heartbeat,
//! which no longer fits, and the rejection leads back.

use std::collections::VecDeque;

use splitbrain_kernel::time::Instant;

use super::ids::Index;

/// How far a follower is, as its leader knows.
///
/// - `matched` never falls within a leadership.
/// - `matched < next`, unless `matched` is kept from an earlier leadership.
/// - Appends are in flight only while it replicates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The last place that certainly agrees, durably. Kept from an earlier leadership it may be wrong.
    pub matched: Index,
    /// The next place to send.
    pub next: Index,
    /// How entries are sent.
    pub state: ProgressState,
    /// When the follower last answered, on the leader's clock.
    pub contact_at: Instant,
    /// `matched` is of an earlier leadership, and the follower has not answered in this one (NuRaft).
    kept: bool,
    /// The last place of each append with entries that is not answered yet, in order; only where there is a bound.
    in_flight: VecDeque<Index>,
}

/// How a leader sends entries to a follower (etcd `tracker.StateType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgressState {
    /// It looks for the place where the logs agree.
    Probe,
    /// The logs agree up to `next`, as far as is known: appends go ahead of their answers.
    Replicate,
    /// It is sent a snapshot, part by part, each when the one before is answered.
    Snapshot {
        /// The item that it is sent next.
        offset: u64,
    },
}

impl Progress {
    /// A follower of which nothing is known: it is probed from this place on.
    pub(super) const fn new(next: Index, now: Instant) -> Self {
        Self {
            matched: Index::ZERO,
            next,
            state: ProgressState::Probe,
            contact_at: now,
            kept: false,
            in_flight: VecDeque::new(),
        }
    }

    /// The same, with what an earlier leadership knew of it (NuRaft does not reset `matched_idx`).
    pub(super) const fn keep(mut self, matched: Index) -> Self {
        self.kept = matched.0 > Index::ZERO.0;
        self.matched = matched;
        self
    }

    /// Whether as many appends are unanswered as may be; there is no bound where 0.
    #[inline]
    pub(super) fn is_full(&self, in_flight_max: u64) -> bool {
        in_flight_max > 0 && self.in_flight.len() as u64 >= in_flight_max
    }

    /// An append with this many entries was sent.
    pub(super) fn sent(&mut self, count: u64, in_flight_max: u64) {
        if self.state != ProgressState::Replicate {
            return;
        }
        self.next.0 += count;
        if in_flight_max > 0 {
            self.in_flight.push_back(self.next.previous());
        }
    }

    /// What the follower lacks is gone from the log. Returns where its snapshot stands.
    pub(super) fn snapshot_offset(&mut self) -> u64 {
        if let ProgressState::Snapshot { offset } = self.state {
            return offset;
        }
        self.in_flight.clear();
        self.state = ProgressState::Snapshot { offset: 0 };
        0
    }

    /// The follower has all of its snapshot: what comes next may be gone from the log again.
    pub(super) fn installed(&mut self) {
        if matches!(self.state, ProgressState::Snapshot { .. }) {
            self.state = ProgressState::Probe;
        }
    }

    /// The follower has answered the part that begins `at` this item, and wants another one. Returns whether that is
    /// news, and not a late answer.
    pub(super) fn received(&mut self, at: u64, next: u64) -> bool {
        let is_news = self.state == ProgressState::Snapshot { offset: at };
        if is_news {
            self.state = ProgressState::Snapshot { offset: next };
        }
        is_news
    }

    /// The follower has this place and everything before it; `base` is that of the leader's log. Returns whether that
    /// is new.
    #[inline]
    pub(super) fn accept(&mut self, matched: Index, base: Index) -> bool {
        let before = if self.kept { Index::ZERO } else { self.matched };
        self.kept = false;
        self.matched = before.max(matched);
        self.next = self.next.max(self.matched.next());
        if self.next > base {
            self.state = ProgressState::Replicate;
        }
        while self.in_flight.front().is_some_and(|last| *last <= matched) {
            self.in_flight.pop_front();
        }
        self.matched > before
    }

    /// The follower does not have `previous`; the logs can agree at `agreeing` at the latest. Returns whether that is
    /// news, and not a late answer.
    pub(super) fn reject(&mut self, previous: Index, agreeing: Index) -> bool {
        let known = if self.kept { Index::ZERO } else { self.matched };
        let is_probed_elsewhere = self.state == ProgressState::Probe && previous != self.next.previous();
        let is_sent_a_snapshot = matches!(self.state, ProgressState::Snapshot { .. });
        let is_late = previous <= known || is_probed_elsewhere || is_sent_a_snapshot;
        if is_late {
            return false;
        }
        self.probe(previous.min(agreeing.next()).max(known.next()));
        true
    }

    /// A known bug: what was in flight counts still.
    pub(super) fn leak(&mut self, before: Self) {
        self.in_flight = before.in_flight;
    }

    /// Its connection died: what was sent ahead over it may not have arrived. NuRaft forgets what it kept only now.
    pub(super) fn disconnect(&mut self) {
        if self.kept {
            self.kept = false;
            self.matched = Index::ZERO;
        }
        if matches!(self.state, ProgressState::Snapshot { .. }) {
            // The part is sent again at the next heartbeat.
            return;
        }
        let next = if self.matched > Index::ZERO { self.matched.next() } else { self.next };
        self.probe(next);
    }

    fn probe(&mut self, next: Index) {
        self.state = ProgressState::Probe;
        self.next = next;
        self.in_flight.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probed(next: u64) -> Progress {
        Progress::new(Index(next), Instant::ZERO)
    }

    fn replicated(matched: u64) -> Progress {
        let mut progress = probed(matched + 1);
        assert!(progress.accept(Index(matched), Index::ZERO));
        progress
    }

    #[test]
    fn next_moves_with_what_is_sent_only_while_replicating() {
        let mut progress = probed(5);
        progress.sent(3, 0);
        assert_eq!(progress.next, Index(5));
        progress.accept(Index(4), Index::ZERO);
        progress.sent(3, 0);
        assert_eq!((progress.next, progress.matched), (Index(8), Index(4)));
    }

    #[test]
    fn an_acknowledgement_that_was_overtaken_takes_nothing_back() {
        let mut progress = replicated(9);
        assert!(!progress.accept(Index(4), Index::ZERO));
        assert_eq!((progress.matched, progress.next), (Index(9), Index(10)));
    }

    #[test]
    fn appends_in_flight_are_bounded_and_answers_make_room() {
        let mut progress = replicated(1);
        for _ in 0..3 {
            assert!(!progress.is_full(3));
            progress.sent(2, 3);
        }
        assert!(progress.is_full(3), "places 3, 5 and 7 are not answered");
        progress.accept(Index(5), Index::ZERO);
        assert_eq!(progress.in_flight, [Index(7)]);
        assert!(!progress.is_full(3));
    }

    #[test]
    fn without_a_bound_nothing_is_kept_of_what_is_in_flight() {
        let mut progress = replicated(1);
        (0..100).for_each(|_| progress.sent(1, 0));
        assert!(!progress.is_full(0) && progress.in_flight.is_empty());
    }

    #[test]
    fn a_refusal_leads_back_to_a_probe_and_frees_what_was_in_flight() {
        let mut progress = replicated(4);
        progress.sent(3, 9);
        assert!(progress.reject(Index(7), Index(5)));
        assert_eq!((progress.state, progress.next), (ProgressState::Probe, Index(6)));
        assert!(progress.in_flight.is_empty());
    }

    #[test]
    fn a_late_refusal_changes_nothing() {
        let mut progress = replicated(4);
        assert!(!progress.reject(Index(4), Index(0)), "that it has this place is known");
        let mut progress = probed(8);
        assert!(!progress.reject(Index(5), Index(2)), "the probe was at 7");
        assert_eq!(progress.next, Index(8));
    }

    #[test]
    fn a_refusal_never_leads_back_beyond_what_agrees() {
        let mut progress = replicated(4);
        progress.sent(3, 0);
        assert!(progress.reject(Index(7), Index(0)));
        assert_eq!(progress.next, Index(5));
    }

    #[test]
    fn a_dead_connection_leads_back_to_what_is_known() {
        let mut progress = replicated(4);
        progress.sent(3, 9);
        progress.disconnect();
        assert_eq!((progress.state, progress.next), (ProgressState::Probe, Index(5)));
        let mut unknown = probed(8);
        unknown.disconnect();
        assert_eq!(unknown.next, Index(8));
    }

    #[test]
    fn a_snapshot_goes_part_by_part_and_late_answers_change_nothing() {
        let mut progress = replicated(4);
        progress.sent(3, 9);
        assert_eq!(progress.snapshot_offset(), 0);
        assert!(progress.in_flight.is_empty());
        assert!(progress.received(0, 3));
        assert!(!progress.received(0, 3), "a copy of the answer");
        assert!(progress.received(3, 1), "the follower lost a part");
        assert_eq!(progress.snapshot_offset(), 1);
        assert!(!progress.reject(Index(7), Index(2)), "an append from before");
        progress.disconnect();
        assert_eq!(progress.snapshot_offset(), 1);
    }

    #[test]
    fn a_snapshot_ends_when_the_follower_has_what_the_log_begins_with() {
        let mut progress = replicated(4);
        progress.snapshot_offset();
        assert!(progress.accept(Index(6), Index(20)), "a late acknowledgement");
        assert_eq!(progress.state, ProgressState::Snapshot { offset: 0 });
        assert!(progress.accept(Index(20), Index(20)));
        assert_eq!((progress.state, progress.next), (ProgressState::Replicate, Index(21)));
    }

    #[test]
    fn what_is_kept_of_an_earlier_leadership_holds_until_the_first_answer() {
        let kept = probed(8).keep(Index(12));
        assert_eq!((kept.matched, kept.next), (Index(12), Index(8)));
        let mut answered = kept.clone();
        assert!(answered.accept(Index(7), Index::ZERO), "the answer takes its place");
        assert_eq!((answered.matched, answered.next), (Index(7), Index(8)));
        assert!(!answered.accept(Index(6), Index::ZERO), "from then on it never falls");
        let mut refused = kept.clone();
        assert!(refused.reject(Index(7), Index(3)), "what is kept makes no refusal late");
        assert_eq!(refused.next, Index(4));
        let mut lost = kept;
        lost.disconnect();
        assert_eq!((lost.matched, lost.next), (Index::ZERO, Index(8)));
    }
}
