//! The library's `Storage` as a plain value, and the records on the disk that it is made from.
//!
//! ```text
//!   state      the hard state, replaced whole
//!   log        entries, one record each; the first is at place 1, or it is the base of the log
//!   snapshot   the last snapshot, replaced whole
//! ```
//!
//! A record of the log carries its place and the term of the entry before it. So a log is cut off at a torn end, at a
//! hole, and where the rest of an overwritten log meets the new one: a crash leaves these only where something was not
//! yet synced, and nothing of that was promised.

use std::cell::Cell;

use raft::eraftpb::{ConfState, Entry, HardState, Snapshot};
use raft::storage::{GetEntriesContext, RaftState, Storage};
use raft::{Error, Result, StorageError};
use serde::{Deserialize, Serialize};
use splitbrain::kernel::prelude::{FileId, FileInfo, KindId, Recovered, Stored, Write};

use crate::protobuf::Pb;

/// The file of the hard state.
pub(super) const STATE: FileId = FileId(0);
/// The file of the log.
pub(super) const LOG: FileId = FileId(1);
/// The file of the last snapshot.
pub(super) const SNAPSHOT: FileId = FileId(2);

const SERVER: &[KindId] = &[KindId::SERVER];

/// The files of a server, for faults that hit one.
pub(super) const FILES: &[FileInfo] = &[
    FileInfo::new("state", STATE, SERVER, "The hard state (term, vote, commit), in one record that is replaced."),
    FileInfo::new("log", LOG, SERVER, "The log: a record for each entry."),
    FileInfo::new("snapshot", SNAPSHOT, SERVER, "The last snapshot, in one record that is replaced."),
];

/// A record on a server's disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Record {
    /// In `STATE`.
    State(Pb<HardState>),
    /// In `LOG`.
    Entry {
        /// The entry, with its place and its term.
        entry: Pb<Entry>,
        /// The term of the entry before it. Places alone do not tell whether two records are of one log: after a crash
        /// an entry of a new log may follow one of the log that it replaced.
        after: u64,
    },
    /// In `SNAPSHOT`.
    Snapshot(Pb<Snapshot>),
}

/// The log and the state of a server, as the library reads them.
///
/// - The entries follow the base without a gap.
/// - The snapshot covers the base, or there is none and the base is place 0.
#[derive(Clone, Debug, Default)]
pub struct Store {
    /// Term, vote and commit index.
    pub hard: HardState,
    /// The members, as of the last entry that was applied.
    pub conf: ConfState,
    /// The last snapshot; that of place 0 if there is none.
    pub snapshot: Snapshot,
    /// Whether the last snapshot is handed out to servers too that were not members then: a mistake.
    pub hands_out_old: bool,
    /// Whether a server was refused the last snapshot because it was no member when that was taken. It is a cell, as
    /// the library asks by `&self`.
    is_wanted: Cell<bool>,
    /// Place and term of what is before the first entry.
    base: (u64, u64),
    entries: Vec<Entry>,
    /// The place of the first record in the file of the log.
    file_start: u64,
}

impl Store {
    /// What a disk gave back, for a cluster that began with these voters; and how many records of the log to keep, if
    /// there are more.
    ///
    /// # Errors
    /// What is damaged: going on could break a promise that was made before the crash.
    pub fn recover(
        recovered: &Recovered<Record>,
        voters: Vec<u64>,
    ) -> std::result::Result<(Self, Option<u64>), &'static str> {
        let hard = match recovered.last(STATE) {
            None => HardState::default(),
            Some(Stored::Intact(Record::State(Pb(hard)))) => hard.clone(),
            Some(_) => return Err("the state on the disk is damaged"),
        };
        let snapshot = match recovered.last(SNAPSHOT) {
            None => Snapshot::default(),
            Some(Stored::Intact(Record::Snapshot(Pb(snapshot)))) => snapshot.clone(),
            Some(_) => return Err("the snapshot on the disk is damaged"),
        };
        let covered = position(&snapshot);
        let conf = match covered.0 {
            0 => ConfState { voters, ..ConfState::default() },
            _ => snapshot.get_metadata().get_conf_state().clone(),
        };
        let records = recovered.file(LOG);
        let (before, mut entries) = contiguous(records)?;
        let intact = entries.len() as u64;
        let first = before.0 + 1;
        let place = covered.0.checked_sub(first).and_then(|at| usize::try_from(at).ok());
        let has_covered = place.and_then(|at| entries.get(at)).is_some_and(|entry| entry.term == covered.1);
        let (base, file_start, kept) = if before == covered {
            (covered, first, intact)
        } else if has_covered {
            (term_and_place(&entries.remove(0)), first, intact)
        } else {
            // It ends before the snapshot or contradicts it: it was about to be dropped.
            entries.clear();
            (covered, covered.0 + 1, 0)
        };
        let cut = (kept < records.len() as u64).then_some(kept);
        let mut store = Self { hard, conf, snapshot, base, entries, file_start, ..Self::default() };
        store.hard.commit = store.hard.commit.clamp(covered.0, store.last());
        Ok((store, cut))
    }

    /// The first write after a start; what is promised because of what was read waits for it, as that may have been in
    /// the page cache alone. `cut` is how many records of the log to keep, if there are more.
    ///
    /// A whole log is left alone: a cut counts records from the front of the file, and a disk may lose what was dropped
    /// there before and keep the cut. The simulated disk keeps a cut at the place that it was meant for, so no scenario
    /// shows that; a test of this file does.
    pub fn first_write(&self, cut: Option<u64>) -> Write<Record> {
        match cut {
            Some(kept) => Write::Truncate(LOG, kept),
            None => Write::Replace(STATE, Record::State(Pb(self.hard.clone()))),
        }
    }

    /// The last place.
    pub fn last(&self) -> u64 {
        self.base.0 + self.entries.len() as u64
    }

    /// The place before the first entry.
    pub const fn base(&self) -> u64 {
        self.base.0
    }

    /// The term at a place; `None` if the log does not have it.
    pub fn term_at(&self, index: u64) -> Option<u64> {
        if index == self.base.0 {
            return Some(self.base.1);
        }
        let at = usize::try_from(index.checked_sub(self.base.0 + 1)?).ok()?;
        self.entries.get(at).map(|entry| entry.term)
    }

    /// Takes entries in, in place of what contradicts them. Returns the writes that do the same to the disk.
    ///
    /// # Panics
    /// If they do not follow the log.
    pub fn append(&mut self, entries: Vec<Entry>) -> Vec<Write<Record>> {
        let Some(first) = entries.first().map(|entry| entry.index) else { return Vec::new() };
        assert!(first > self.base.0 && first <= self.last() + 1, "entries follow the log: {first} of {}", self.last());
        let mut writes = Vec::with_capacity(entries.len() + 1);
        if first <= self.last() {
            self.entries.truncate((first - self.base.0 - 1) as usize);
            writes.push(Write::Truncate(LOG, first - self.file_start));
        }
        let mut after = self.term_at(first - 1).expect("the log has the entry before");
        for entry in entries {
            let before = std::mem::replace(&mut after, entry.term);
            writes.push(Write::Append(LOG, Record::Entry { entry: Pb(entry.clone()), after: before }));
            self.entries.push(entry);
        }
        writes
    }

    /// Takes a leader's snapshot in place of everything. Returns the two writes that do the same to the disk.
    ///
    /// The first one must be synced before the second one begins. A crash between them then leaves a log that ends
    /// before the snapshot or contradicts it. With one sync for both, a crash that keeps any of the writes that were
    /// not synced could leave the cut alone, and neither the snapshot nor the log that was promised.
    pub fn install(&mut self, snapshot: Snapshot) -> [Write<Record>; 2] {
        self.base = position(&snapshot);
        self.conf = snapshot.get_metadata().get_conf_state().clone();
        self.hard.commit = self.hard.commit.max(self.base.0);
        self.entries.clear();
        self.file_start = self.base.0 + 1;
        self.set_snapshot(snapshot.clone());
        [Write::Replace(SNAPSHOT, Record::Snapshot(Pb(snapshot))), Write::Truncate(LOG, 0)]
    }

    /// This is the last snapshot from now on.
    pub fn set_snapshot(&mut self, snapshot: Snapshot) {
        self.snapshot = snapshot;
        self.is_wanted.set(false);
    }

    /// Whether a server was refused the last snapshot because it was no member when that was taken.
    pub const fn is_snapshot_wanted(&self) -> bool {
        self.is_wanted.get()
    }

    /// Drops the log up to a place that a durable snapshot covers, whose record becomes the base. Returns the write
    /// that does the same to the disk; `None` if it is gone already.
    pub fn compact(&mut self, index: u64) -> Option<Write<Record>> {
        if index <= self.base.0 || index > self.last() {
            return None;
        }
        let gone = index - self.file_start;
        let base = self.entries.drain(..(index - self.base.0) as usize).next_back();
        self.base = term_and_place(&base.expect("the place is in the log"));
        self.file_start = index;
        Some(Write::Discard(LOG, gone))
    }
}

/// Place and term of the last entry that a snapshot covers.
pub(super) fn position(snapshot: &Snapshot) -> (u64, u64) {
    let last = snapshot.get_metadata();
    (last.index, last.term)
}

const fn term_and_place(entry: &Entry) -> (u64, u64) {
    (entry.index, entry.term)
}

/// Place and term of the entry before the first record, and the entries that follow one another from there.
fn contiguous(records: &[Stored<Record>]) -> std::result::Result<((u64, u64), Vec<Entry>), &'static str> {
    let mut before = (0, 0);
    let mut entries: Vec<Entry> = Vec::with_capacity(records.len());
    for record in records {
        match record {
            Stored::Intact(Record::Entry { entry: Pb(entry), after }) => match entries.last().map(term_and_place) {
                None => {
                    before = (entry.index - 1, *after);
                    entries.push(entry.clone());
                }
                Some(last) if (entry.index, *after) == (last.0 + 1, last.1) => entries.push(entry.clone()),
                Some(_) => break,
            },
            Stored::Torn => break,
            _ => return Err("the log on the disk is damaged"),
        }
    }
    Ok((before, entries))
}

impl Storage for Store {
    fn initial_state(&self) -> Result<RaftState> {
        Ok(RaftState { hard_state: self.hard.clone(), conf_state: self.conf.clone() })
    }

    fn entries(&self, low: u64, high: u64, max: impl Into<Option<u64>>, _: GetEntriesContext) -> Result<Vec<Entry>> {
        if low <= self.base.0 {
            return Err(Error::Store(StorageError::Compacted));
        }
        assert!(high <= self.last() + 1, "the library asks for what is there: {high} of {}", self.last());
        let span = (low - self.base.0 - 1) as usize..(high - self.base.0 - 1) as usize;
        let mut entries = self.entries[span].to_vec();
        raft::util::limit_size(&mut entries, max.into());
        Ok(entries)
    }

    fn term(&self, index: u64) -> Result<u64> {
        if index < self.base.0 {
            return Err(Error::Store(StorageError::Compacted));
        }
        self.term_at(index).ok_or(Error::Store(StorageError::Unavailable))
    }

    fn first_index(&self) -> Result<u64> {
        Ok(self.base.0 + 1)
    }

    fn last_index(&self) -> Result<u64> {
        Ok(self.last())
    }

    /// A snapshot for a server. Who is no member of its configuration ignores it, and the library would send it again
    /// without end: for a server that was added since, a new one is taken.
    fn snapshot(&self, request_index: u64, to: u64) -> Result<Snapshot> {
        let last = self.snapshot.get_metadata();
        let conf = last.get_conf_state();
        let is_known = self.hands_out_old || conf.voters.contains(&to) || conf.learners.contains(&to);
        if last.index > 0 && !is_known {
            self.is_wanted.set(true);
        }
        if last.index < request_index.max(1) || !is_known {
            return Err(Error::Store(StorageError::SnapshotTemporarilyUnavailable));
        }
        Ok(self.snapshot.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(term: u64, index: u64) -> Entry {
        Entry { term, index, ..Entry::default() }
    }

    /// An entry behind one of this term.
    fn behind(after: u64, term: u64, index: u64) -> Stored<Record> {
        Stored::Intact(Record::Entry { entry: Pb(plain(term, index)), after })
    }

    /// An entry of a log that has one term from its beginning on.
    fn entry(term: u64, index: u64) -> Stored<Record> {
        behind(if index == 1 { 0 } else { term }, term, index)
    }

    fn snapshot(term: u64, index: u64) -> (FileId, Vec<Stored<Record>>) {
        let mut snapshot = Snapshot::default();
        (snapshot.mut_metadata().term, snapshot.mut_metadata().index) = (term, index);
        (SNAPSHOT, vec![Stored::Intact(Record::Snapshot(Pb(snapshot)))])
    }

    fn recover(files: Vec<(FileId, Vec<Stored<Record>>)>) -> (Store, Option<u64>) {
        Store::recover(&Recovered { files }, vec![1, 2, 3]).expect("nothing is damaged")
    }

    /// The base, the last place and how many records to keep, if there are more.
    fn read(files: Vec<(FileId, Vec<Stored<Record>>)>) -> ((u64, u64), u64, Option<u64>) {
        let (store, cut) = recover(files);
        (store.base, store.last(), cut)
    }

    /// Carries out a write to the file of the log.
    fn write_to(file: &mut Vec<Stored<Record>>, write: Write<Record>) {
        match write {
            Write::Append(LOG, record) => file.push(Stored::Intact(record)),
            Write::Truncate(LOG, count) => file.truncate(count as usize),
            Write::Discard(LOG, count) => drop(file.drain(..count as usize)),
            _ => {}
        }
    }

    #[test]
    fn a_torn_end_and_what_follows_a_hole_are_cut_off() {
        assert_eq!(read(vec![(LOG, vec![entry(1, 1), entry(1, 2)])]), ((0, 0), 2, None), "it is whole");
        assert_eq!(read(vec![(LOG, vec![entry(1, 1), entry(1, 2), Stored::Torn])]), ((0, 0), 2, Some(2)));
        assert_eq!(read(vec![(LOG, vec![entry(1, 1), entry(1, 3)])]), ((0, 0), 1, Some(1)));
        assert_eq!(read(vec![(LOG, vec![entry(1, 2)])]), ((0, 0), 0, Some(0)), "the first one is missing");
    }

    /// Four entries of term 1 whose last two a leader of term 2 replaces by three: what a crash leaves that keeps these
    /// of the four writes.
    fn overwritten(kept: [bool; 4]) -> ((u64, u64), u64, Option<u64>) {
        let (mut store, _) = recover(vec![(LOG, (1..=4).map(|index| entry(1, index)).collect())]);
        let mut file: Vec<_> = (1..=4).map(|index| entry(1, index)).collect();
        let writes = store.append((3..=5).map(|index| plain(2, index)).collect());
        assert_eq!(writes.len(), kept.len());
        let kept = writes.into_iter().zip(kept).filter_map(|(write, is_kept)| is_kept.then_some(write));
        kept.for_each(|write| write_to(&mut file, write));
        read(vec![(LOG, file)])
    }

    #[test]
    fn an_entry_of_a_new_log_never_follows_one_of_the_log_that_it_replaced() {
        assert_eq!(overwritten([true; 4]), ((0, 0), 5, None), "nothing is lost");
        assert_eq!(overwritten([false, false, false, true]), ((0, 0), 4, Some(4)), "the place alone would fit");
        assert_eq!(overwritten([false; 4]), ((0, 0), 4, None), "everything is lost");
        assert_eq!(overwritten([true, false, false, true]), ((0, 0), 2, Some(2)), "there is a hole");
    }

    #[test]
    fn a_restart_leaves_a_whole_log_alone() {
        // The process crashes when it has compacted its log, and the machine when the next one has begun: of the two
        // writes the one that compacts is lost.
        let whole: Vec<_> = (1..=9).map(|index| entry(1, index)).collect();
        let (store, cut) = recover(vec![(LOG, whole[5..].to_vec()), snapshot(1, 6)]);
        let mut file = whole.clone();
        write_to(&mut file, store.first_write(cut));
        assert_eq!(read(vec![(LOG, file), snapshot(1, 6)]), ((1, 1), 9, None));
        assert!(
            matches!(store.first_write(cut), Write::Replace(STATE, Record::State(_))),
            "there is a write to wait for"
        );

        let torn = [&whole[5..], &[Stored::Torn]].concat();
        let (store, cut) = recover(vec![(LOG, torn.clone()), snapshot(1, 6)]);
        let mut file = torn;
        write_to(&mut file, store.first_write(cut));
        assert_eq!((file.len(), read(vec![(LOG, file), snapshot(1, 6)])), (4, ((6, 1), 9, None)), "a torn end goes");
    }

    #[test]
    fn a_server_gets_no_snapshot_from_before_it_was_added() {
        let last = |voters: &[u64]| {
            let mut snapshot = Snapshot { data: vec![0; 8], ..Snapshot::default() };
            let meta = snapshot.mut_metadata();
            meta.index = 6;
            meta.conf_state = Some(ConfState { voters: voters.to_vec(), learners: vec![5], ..ConfState::default() });
            snapshot
        };
        let mut store = Store::default();
        store.set_snapshot(last(&[1, 2, 3]));
        for member in [1, 3, 5] {
            assert!(store.snapshot(0, member).is_ok() && !store.is_snapshot_wanted());
        }
        let refused = Error::Store(StorageError::SnapshotTemporarilyUnavailable);
        assert_eq!(store.snapshot(0, 4).expect_err("it was added later"), refused);
        assert!(store.is_snapshot_wanted());
        store.set_snapshot(last(&[1, 2, 3, 4]));
        assert!(store.snapshot(0, 4).is_ok() && !store.is_snapshot_wanted());
        assert_eq!(store.snapshot(7, 4).expect_err("it covers less than is asked for"), refused);
        assert!(!store.is_snapshot_wanted(), "the next one comes when it is time");
        store.hands_out_old = true;
        assert!(store.snapshot(0, 7).is_ok(), "the mistake");
    }

    #[test]
    fn damage_is_refused() {
        for file in [STATE, LOG, SNAPSHOT] {
            let recovered = Recovered { files: vec![(file, vec![Stored::Corrupt])] };
            assert!(Store::recover(&recovered, vec![1]).is_err(), "{file:?}");
        }
    }

    #[test]
    fn a_log_goes_on_behind_its_snapshot_or_is_dropped() {
        let log =
            |places: std::ops::RangeInclusive<u64>| (LOG, places.map(|index| entry(1, index)).collect::<Vec<_>>());
        assert_eq!(read(vec![log(1..=9), snapshot(1, 6)]), ((1, 1), 9, None), "the crash came before the compaction");
        assert_eq!(read(vec![log(6..=9), snapshot(1, 6)]), ((6, 1), 9, None), "the first record is the base");
        assert_eq!(read(vec![log(7..=9), snapshot(1, 6)]), ((6, 1), 9, None));
        assert_eq!(read(vec![log(1..=4), snapshot(1, 6)]), ((6, 1), 6, Some(0)), "it ends before the snapshot");
        assert_eq!(read(vec![log(7..=9), snapshot(2, 6)]), ((6, 2), 6, Some(0)), "it follows another entry");
        assert_eq!(read(vec![log(1..=9), snapshot(2, 6)]), ((6, 2), 6, Some(0)), "it contradicts the snapshot");
    }

    #[test]
    fn a_commit_index_beyond_what_was_kept_is_taken_back() {
        let hard = HardState { term: 3, vote: 2, commit: 9 };
        let state = (STATE, vec![Stored::Intact(Record::State(Pb(hard)))]);
        let recovered = Recovered { files: vec![state, (LOG, vec![entry(1, 1), entry(1, 2)])] };
        let (store, _) = Store::recover(&recovered, vec![1, 2, 3]).expect("nothing is damaged");
        assert_eq!((store.hard.term, store.hard.vote, store.hard.commit), (3, 2, 2));
    }

    #[test]
    fn what_is_written_reads_back_as_the_same_log() {
        let (mut store, _) = Store::recover(&Recovered::empty(), vec![1, 2, 3]).expect("it is empty");
        let mut file = Vec::new();
        let mut writes = store.append(vec![plain(1, 1), plain(1, 2), plain(1, 3)]);
        writes.extend(store.append(vec![plain(2, 2), plain(2, 3), plain(2, 4)]));
        writes.extend(store.compact(2));
        writes.extend(store.append(vec![plain(3, 4)]));
        writes.into_iter().for_each(|write| write_to(&mut file, write));
        let recovered = Recovered { files: vec![(LOG, file), snapshot(2, 2)] };
        let (again, _) = Store::recover(&recovered, vec![1, 2, 3]).expect("nothing is damaged");
        assert_eq!((again.base, &again.entries), (store.base, &store.entries));
        assert_eq!((again.base, again.last(), again.term_at(4)), ((2, 2), 4, Some(3)));
    }
}
