//! The library's `Storage` as a plain value, and the records on the disk that it is made from.
//!
//! ```text
//!   state      the hard state, replaced whole
//!   log        entries, one record each; the first is at place 1, or it is the base of the log
//!   snapshot   the last snapshot, replaced whole
//! ```
//!
//! A record of the log carries its place, so a log with a torn end or a hole is cut off there: only what was not yet
//! synced can be missing, and nothing of that was promised.

use raft::eraftpb::{ConfState, Entry, HardState, Snapshot};
use raft::storage::{GetEntriesContext, RaftState, Storage};
use raft::{Error, Result, StorageError};
use serde::{Deserialize, Serialize};
use splitbrain::kernel::prelude::{FileId, Recovered, Stored, Write};

use crate::protobuf::Pb;

/// The file of the hard state.
pub(super) const STATE: FileId = FileId(0);
/// The file of the log.
pub(super) const LOG: FileId = FileId(1);
/// The file of the last snapshot.
pub(super) const SNAPSHOT: FileId = FileId(2);

/// A record on a server's disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Record {
    /// In `STATE`.
    State(Pb<HardState>),
    /// In `LOG`.
    Entry(Pb<Entry>),
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
    /// Place and term of what is before the first entry.
    base: (u64, u64),
    entries: Vec<Entry>,
    /// The place of the first record in the file of the log.
    file_start: u64,
}

impl Store {
    /// What a disk gave back, for a cluster that began with these voters; and how many records of the log to keep.
    ///
    /// # Errors
    /// What is damaged: going on could break a promise that was made before the crash.
    pub fn recover(recovered: &Recovered<Record>, voters: Vec<u64>) -> std::result::Result<(Self, u64), &'static str> {
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
        let mut entries = contiguous(recovered.file(LOG))?;
        let kept = entries.len() as u64;
        let first = entries.first().map_or(1, |entry| entry.index);
        let starts_anew = covered.0 + 1;
        let place = covered.0.checked_sub(first).and_then(|at| usize::try_from(at).ok());
        let has_covered = place.and_then(|at| entries.get(at)).is_some_and(|entry| entry.term == covered.1);
        let (base, file_start) = if first == starts_anew {
            (covered, first)
        } else if has_covered {
            (term_and_place(&entries.remove(0)), first)
        } else {
            // It ends before the snapshot or contradicts it: it was about to be dropped.
            entries.clear();
            (covered, starts_anew)
        };
        let kept = if file_start == first { kept } else { 0 };
        let mut store = Self { hard, conf, snapshot, base, entries, file_start };
        store.hard.commit = store.hard.commit.clamp(covered.0, store.last());
        Ok((store, kept))
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
        writes.extend(entries.iter().map(|entry| Write::Append(LOG, Record::Entry(Pb(entry.clone())))));
        self.entries.extend(entries);
        writes
    }

    /// Takes a leader's snapshot in place of everything. Returns the writes that do the same to the disk: the snapshot
    /// comes first, so that a crash between them leaves a log that the snapshot contradicts.
    pub fn install(&mut self, snapshot: Snapshot) -> Vec<Write<Record>> {
        self.base = position(&snapshot);
        self.conf = snapshot.get_metadata().get_conf_state().clone();
        self.hard.commit = self.hard.commit.max(self.base.0);
        self.entries.clear();
        self.file_start = self.base.0 + 1;
        self.snapshot = snapshot.clone();
        vec![Write::Replace(SNAPSHOT, Record::Snapshot(Pb(snapshot))), Write::Truncate(LOG, 0)]
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

/// The entries that follow one another from the first record on.
fn contiguous(records: &[Stored<Record>]) -> std::result::Result<Vec<Entry>, &'static str> {
    let mut entries: Vec<Entry> = Vec::with_capacity(records.len());
    for record in records {
        match record {
            Stored::Intact(Record::Entry(Pb(entry)))
                if entries.last().is_none_or(|last| entry.index == last.index + 1) =>
            {
                entries.push(entry.clone());
            }
            Stored::Intact(Record::Entry(_)) | Stored::Torn => break,
            _ => return Err("the log on the disk is damaged"),
        }
    }
    Ok(entries)
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

    fn snapshot(&self, request_index: u64, _to: u64) -> Result<Snapshot> {
        if self.snapshot.get_metadata().index < request_index.max(1) {
            return Err(Error::Store(StorageError::SnapshotTemporarilyUnavailable));
        }
        Ok(self.snapshot.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(term: u64, index: u64) -> Stored<Record> {
        Stored::Intact(Record::Entry(Pb(Entry { term, index, ..Entry::default() })))
    }

    fn snapshot(term: u64, index: u64) -> (FileId, Vec<Stored<Record>>) {
        let mut snapshot = Snapshot::default();
        (snapshot.mut_metadata().term, snapshot.mut_metadata().index) = (term, index);
        (SNAPSHOT, vec![Stored::Intact(Record::Snapshot(Pb(snapshot)))])
    }

    /// The base, the last place and the records to keep.
    fn read(files: Vec<(FileId, Vec<Stored<Record>>)>) -> ((u64, u64), u64, u64) {
        let (store, kept) = Store::recover(&Recovered { files }, vec![1, 2, 3]).expect("nothing is damaged");
        (store.base, store.last(), kept)
    }

    #[test]
    fn a_torn_end_and_what_follows_a_hole_are_cut_off() {
        assert_eq!(read(vec![(LOG, vec![entry(1, 1), entry(1, 2), Stored::Torn])]), ((0, 0), 2, 2));
        assert_eq!(read(vec![(LOG, vec![entry(1, 1), entry(1, 3)])]), ((0, 0), 1, 1));
        assert_eq!(read(vec![(LOG, vec![entry(1, 2)])]), ((0, 0), 0, 0), "the first one is missing");
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
        assert_eq!(read(vec![log(1..=9), snapshot(1, 6)]), ((1, 1), 9, 9), "the crash came before the compaction");
        assert_eq!(read(vec![log(6..=9), snapshot(1, 6)]), ((6, 1), 9, 4), "the first record is the base");
        assert_eq!(read(vec![log(7..=9), snapshot(1, 6)]), ((6, 1), 9, 3));
        assert_eq!(read(vec![log(1..=4), snapshot(1, 6)]), ((6, 1), 6, 0), "it ends before the snapshot");
        assert_eq!(read(vec![log(1..=9), snapshot(2, 6)]), ((6, 2), 6, 0), "it contradicts the snapshot");
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
        let plain = |term, index| Entry { term, index, ..Entry::default() };
        let (mut store, _) = Store::recover(&Recovered::empty(), vec![1, 2, 3]).expect("it is empty");
        let mut file: Vec<Record> = Vec::new();
        let mut writes = store.append(vec![plain(1, 1), plain(1, 2), plain(1, 3)]);
        writes.extend(store.append(vec![plain(2, 2), plain(2, 3), plain(2, 4)]));
        writes.extend(store.compact(2));
        writes.extend(store.append(vec![plain(3, 4)]));
        for write in writes {
            match write {
                Write::Append(_, record) => file.push(record),
                Write::Truncate(_, count) => file.truncate(count as usize),
                Write::Discard(_, count) => drop(file.drain(..count as usize)),
                Write::Replace(..) => panic!("the log is not replaced"),
            }
        }
        let records = file.into_iter().map(Stored::Intact).collect();
        let recovered = Recovered { files: vec![(LOG, records), snapshot(2, 2)] };
        let (again, _) = Store::recover(&recovered, vec![1, 2, 3]).expect("nothing is damaged");
        assert_eq!((again.base, &again.entries), (store.base, &store.entries));
        assert_eq!((again.base, again.last(), again.term_at(4)), ((2, 2), 4, Some(3)));
    }
}
