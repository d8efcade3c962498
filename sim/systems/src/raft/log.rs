//! The log in memory, with what is known to be durable.
//!
//! ```text
//!      base            durable         last
//!        ▼                ▼              ▼
//!   ─ ─ ─┼────────────────┼──────────────┤
//!    gone: a snapshot     │  on its way  │
//!    covers it    on disk └──────────────┘
//! ```
//!
//! On the disk the file begins with the entry at the base, so that its term is known after a restart; or behind it,
//! where the log began anew behind a snapshot.

use std::collections::VecDeque;

use splitbrain_kernel::node::WriteId;

use super::ids::{Index, Position, Term};
use super::message::{Entry, Payload};

/// A server's log.
///
/// - Terms never fall from one entry to the next.
/// - `durable <= last`; an entry counts as durable only once the write that appended it is.
/// - The log writes nothing itself: whoever changes it writes the same change to the disk and says with which write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log<C = u64> {
    /// The place before the first entry. A snapshot covers it and all before it.
    base: Position,
    entries: Vec<Entry<C>>,
    /// The place of the first record in the file: the base, or the one behind it.
    file_start: Index,
    durable: Index,
    /// Writes under way, each with the last place that it makes durable.
    unsynced: VecDeque<(WriteId, Index)>,
}

/// The most that one append carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// In entries; at least 1.
    pub entries_max: u64,
    /// In bytes of its entries; no bound where 0. A larger entry goes alone.
    pub bytes_max: u64,
}

impl Batch {
    /// How many of these entries fit, from the first on; at least one where there is one.
    fn fitting<C: Payload>(self, entries: &[Entry<C>]) -> usize {
        if self.bytes_max == 0 {
            return entries.len();
        }
        let mut bytes = 0;
        let fits = |entry: &&Entry<C>| {
            bytes += u64::from(entry.wire_size());
            bytes <= self.bytes_max
        };
        entries.iter().take_while(fits).count().max(entries.len().min(1))
    }
}

impl<C: Payload> Log<C> {
    /// The log as the disk kept it.
    pub fn recovered(entries: Vec<Entry<C>>) -> Self {
        Self::behind(Position::ZERO, Position::ZERO.index.next(), entries)
    }

    /// The log behind a base, as the disk kept it in a file that begins at this place.
    pub(super) fn behind(base: Position, file_start: Index, entries: Vec<Entry<C>>) -> Self {
        assert!(
            file_start == base.index || file_start == base.index.next(),
            "the file begins at the base or behind it"
        );
        let durable = Index(base.index.0 + entries.len() as u64);
        Self { base, entries, file_start, durable, unsynced: VecDeque::new() }
    }

    /// How many records of the file come before this place.
    pub(super) fn records_before(&self, index: Index) -> u64 {
        index.0.checked_sub(self.file_start.0).expect("nothing before the file is asked for")
    }

    /// Drops what comes before this place from memory, and the entry there but for its name. Returns how many records
    /// go from the front of the file.
    pub(super) fn compact(&mut self, base: Index) -> u64 {
        let term = self.term_at(base).expect("the new base is in the log");
        let count = self.records_before(base);
        self.entries.drain(..=self.slot(base).expect("the new base is behind the old one"));
        self.base = Position { term, index: base };
        self.file_start = base;
        self.durable = self.durable.max(base);
        count
    }

    /// Drops everything: the log begins anew behind this base, once the write that empties the file is durable.
    pub(super) fn restart_at(&mut self, base: Position, write: WriteId) {
        *self = Self::behind(base, base.index.next(), Vec::new());
        self.unsynced.push_back((write, base.index));
    }

    /// The last entry, or the base where there is none.
    #[inline]
    pub fn last(&self) -> Position {
        match self.entries.last() {
            Some(entry) => Position { term: entry.term, index: self.last_index() },
            None => self.base,
        }
    }

    /// The last place.
    #[inline]
    pub const fn last_index(&self) -> Index {
        Index(self.base.index.0 + self.entries.len() as u64)
    }

    /// The last place that is durable here.
    #[inline]
    pub const fn durable(&self) -> Index {
        self.durable
    }

    /// The entries from the first on; the first is at `first_index`.
    pub fn entries(&self) -> &[Entry<C>] {
        &self.entries
    }

    /// The first place that the log still has.
    pub const fn first_index(&self) -> Index {
        self.base.index.next()
    }

    fn slot(&self, index: Index) -> Option<usize> {
        usize::try_from(index.0.checked_sub(self.base.index.0)?.checked_sub(1)?).ok()
    }

    /// The entry at a place.
    #[inline]
    pub fn get(&self, index: Index) -> Option<&Entry<C>> {
        self.entries.get(self.slot(index)?)
    }

    /// The entries after one place up to another, in order. What is not in the log is left out.
    #[inline]
    pub fn between(&self, after: Index, through: Index) -> impl Iterator<Item = (Index, &Entry<C>)> {
        let places = after.max(self.base.index).0 + 1..=through.0;
        places.map_while(|place| Some((Index(place), self.get(Index(place))?)))
    }

    /// The place before the first entry, which a snapshot covers; [`Position::ZERO`] without one.
    #[inline]
    pub const fn base(&self) -> Position {
        self.base
    }

    /// The term at a place, the base included.
    #[inline]
    pub fn term_at(&self, index: Index) -> Option<Term> {
        if index == self.base.index {
            Some(self.base.term)
        } else {
            self.entries.get(self.slot(index)?).map(|entry| entry.term)
        }
    }

    /// Whether this very entry is here. Two logs that have it agree up to it (Log Matching, §5.3).
    #[inline]
    pub fn contains(&self, position: Position) -> bool {
        self.term_at(position.index) == Some(position.term)
    }

    /// The entry at a place, or the last one where the log is shorter: what a follower answers to an append that does
    /// not fit.
    pub fn at_most(&self, index: Index) -> Position {
        match self.term_at(index) {
            Some(term) => Position { term, index },
            None => self.last(),
        }
    }

    /// The last place at or before the hint whose term is not later: the first that can agree with a log which has the
    /// hint (etcd `findConflictByTerm`). Never before the base.
    pub fn agreeing(&self, hint: Position) -> Position {
        let mut index = hint.index.min(self.last_index());
        while index > self.base.index {
            match self.term_at(index) {
                Some(term) if term <= hint.term => return Position { term, index },
                _ => index = index.previous(),
            }
        }
        self.base
    }

    /// The entries from one place through another, as many as a batch holds. Empty ones do not allocate.
    #[inline]
    pub fn slice(&self, from: Index, through: Index, batch: Batch) -> Box<[Entry<C>]> {
        if from > through {
            return Box::default();
        }
        self.batch(from, through, batch)
    }

    fn batch(&self, from: Index, through: Index, batch: Batch) -> Box<[Entry<C>]> {
        let Some(start) = self.slot(from).filter(|start| *start < self.entries.len()) else {
            return Box::default();
        };
        let count = usize::try_from(batch.entries_max.min(through.0 + 1 - from.0)).unwrap_or(usize::MAX);
        let candidates = &self.entries[start..self.entries.len().min(start.saturating_add(count))];
        candidates[..batch.fitting(candidates)].into()
    }

    /// Adds entries at the end.
    pub fn append(&mut self, entries: &[Entry<C>]) {
        let rises = |entry: &Entry<C>| entry.term >= self.last().term;
        assert!(entries.first().is_none_or(rises), "terms in a log never fall");
        self.entries.extend_from_slice(entries);
    }

    /// The write that carries everything up to the end.
    pub fn written(&mut self, write: WriteId) {
        self.unsynced.push_back((write, self.last_index()));
    }

    /// Drops everything from this place on.
    pub fn truncate_from(&mut self, from: Index) {
        let keep = from.previous();
        assert!(from > self.base.index, "what a snapshot covers is committed");
        let slot = self.slot(from).expect("nothing before the base is dropped");
        self.entries.truncate(slot);
        self.durable = self.durable.min(keep);
        // A write that is still under way no longer makes durable what is dropped here.
        for (_, through) in &mut self.unsynced {
            *through = (*through).min(keep);
        }
        assert!(self.last_index() <= keep, "what is dropped is gone");
    }

    /// The last write under way, which an acknowledgement of the whole log must wait for.
    #[inline]
    pub fn unsynced(&self) -> Option<WriteId> {
        self.unsynced.back().map(|(write, _)| *write)
    }

    /// This write and every one before it are durable. Returns whether anything is durable that was not.
    pub fn on_durable(&mut self, write: WriteId) -> bool {
        let before = self.durable;
        while self.unsynced.front().is_some_and(|(id, _)| *id <= write) {
            let (_, through) = self.unsynced.pop_front().expect("it was just seen");
            self.durable = self.durable.max(through);
        }
        assert!(self.durable <= self.last_index(), "only what is in the log is durable");
        self.durable > before
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::message::Command;
    use super::*;

    fn log(terms: &[u64]) -> Log {
        let entry = |term: &u64| Entry { term: Term(*term), command: Command::Noop };
        Log::recovered(terms.iter().map(entry).collect())
    }

    fn at(term: u64, index: u64) -> Position {
        Position { term: Term(term), index: Index(index) }
    }

    #[test]
    fn the_empty_log_has_the_place_before_the_first() {
        let log = log(&[]);
        assert_eq!(log.last(), Position::ZERO);
        assert!(log.contains(Position::ZERO));
        assert!(!log.contains(at(1, 1)));
    }

    #[test]
    fn a_hint_leads_to_the_last_place_that_can_agree() {
        // The follower has 1 1 1 2 2 at its end, the leader 1 1 1 3 3 3.
        let leader = log(&[1, 1, 1, 3, 3, 3]);
        assert_eq!(leader.agreeing(at(2, 5)), at(1, 3));
        // The follower is only short.
        assert_eq!(leader.agreeing(at(3, 4)), at(3, 4));
        assert_eq!(leader.agreeing(Position::ZERO), Position::ZERO);
    }

    #[test]
    fn a_slice_is_bounded() {
        let log = log(&[1, 1, 2]);
        let slice = |from, through, entries_max| {
            log.slice(Index(from), Index(through), Batch { entries_max, bytes_max: 0 }).len()
        };
        assert_eq!(slice(2, 3, 1), 1);
        assert_eq!(slice(2, 3, 9), 2);
        assert_eq!(slice(1, 2, 9), 2);
        assert_eq!(slice(1, 9, 9), 3);
        assert_eq!(slice(4, 3, 9), 0);
        assert_eq!(slice(4, 9, 9), 0);
    }

    #[test]
    fn a_batch_is_bounded_in_bytes_and_has_at_least_one_entry() {
        let entry = |length| Entry { term: Term(1), command: Command::Set(vec![b'x'; length]) };
        let log = Log::recovered(vec![entry(10), entry(10), entry(500), entry(1)]);
        let one = u64::from(entry(10).wire_size());
        let slice = |from, bytes_max| log.slice(Index(from), Index(4), Batch { entries_max: 100, bytes_max }).len();
        assert_eq!(slice(1, 0), 4);
        assert_eq!(slice(1, 2 * one), 2);
        assert_eq!(slice(1, 2 * one - 1), 1);
        assert_eq!(slice(1, 1), 1, "an entry larger than the bound goes alone");
        assert_eq!(slice(3, 2 * one), 1);
    }

    #[test]
    fn a_compacted_log_knows_its_base_and_where_its_records_are() {
        let mut log = log(&[1, 1, 2, 2, 3]);
        assert_eq!(log.compact(Index(3)), 2, "the entry at the base stays in the file");
        assert_eq!((log.base(), log.first_index(), log.last()), (at(2, 3), Index(4), at(3, 5)));
        assert_eq!(log.term_at(Index(3)), Some(Term(2)));
        assert_eq!(log.term_at(Index(2)), None);
        assert_eq!(log.records_before(Index(5)), 2, "of 3 and 4");
        assert_eq!(log.compact(Index(5)), 2);
        assert_eq!((log.base(), log.last(), log.durable()), (at(3, 5), at(3, 5), Index(5)));
        log.append(&[Entry { term: Term(3), command: Command::Noop }]);
        assert_eq!((log.last(), log.records_before(Index(6))), (at(3, 6), 1));
    }

    #[test]
    fn a_log_that_begins_anew_is_empty_behind_its_base() {
        let mut log = log(&[1, 1]);
        log.append(&[Entry { term: Term(1), command: Command::Noop }]);
        log.written(WriteId(4));
        log.restart_at(at(5, 9), WriteId(6));
        assert_eq!((log.last(), log.durable(), log.unsynced()), (at(5, 9), Index(9), Some(WriteId(6))));
        assert!(!log.on_durable(WriteId(4)), "what was written before is gone");
        assert_eq!(log.records_before(Index(10)), 0);
        log.append(&[Entry { term: Term(5), command: Command::Noop }]);
        assert_eq!(log.last(), at(5, 10));
    }

    #[test]
    fn a_write_of_a_dropped_entry_makes_nothing_durable() {
        let mut log = log(&[1]);
        log.append(&[Entry { term: Term(1), command: Command::Set(7) }]);
        log.written(WriteId(4));
        log.truncate_from(Index(2));
        log.append(&[Entry { term: Term(2), command: Command::Set(8) }]);
        log.written(WriteId(6));
        assert!(!log.on_durable(WriteId(4)), "the entry of write 4 is no longer in the log");
        assert_eq!(log.durable(), Index(1));
        assert!(log.on_durable(WriteId(6)));
        assert_eq!(log.durable(), Index(2));
    }

    /// Terms that never fall: what the steps add up to.
    fn terms() -> impl Strategy<Value = Vec<u64>> {
        proptest::collection::vec(0u64..3, 0..12).prop_map(|steps| {
            let rise = |term: &mut u64, step| {
                *term += step;
                Some(*term)
            };
            steps.into_iter().scan(1, rise).collect()
        })
    }

    proptest! {
        #[test]
        fn hints_lead_to_where_the_logs_agree(shared in terms(), a in terms(), b in terms()) {
            let on_top = |own: &[u64]| {
                let base = shared.last().cloned().unwrap_or(0);
                log(&shared.iter().cloned().chain(own.iter().map(|term| base + term)).collect::<Vec<_>>())
            };
            let (leader, follower) = (on_top(&a), on_top(&b));
            let mut previous = leader.last();
            let mut rounds = 0;
            while !follower.contains(previous) {
                let agreeing = leader.agreeing(follower.at_most(previous.index));
                // What was refused is not tried again.
                let index = agreeing.index.min(previous.index.previous());
                prop_assert!(index.0 >= shared.len() as u64, "never back beyond what agrees");
                previous = leader.at_most(index);
                rounds += 1;
            }
            prop_assert!(rounds <= 13);
        }
    }
}
