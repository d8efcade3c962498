//! The library's `Storage`: a plain value that notes what has changed, and the records that it is made from.

#![expect(clippy::disallowed_types, reason = "the library keeps no way to its storage and must be `Send`: a lock")]

use std::sync::{Arc, Mutex, MutexGuard};

use omnipaxos::ballot_leader_election::Ballot;
use omnipaxos::storage::{Entry, NoSnapshot, StopSign, Storage, StorageOp, StorageResult};
use serde::{Deserialize, Serialize};
use splitbrain::kernel::prelude::{FileId, FileInfo, KindId, NodeId, OperationId, Recovered, Stored};

/// The one file: what has changed, call by call.
pub(super) const LOG: FileId = FileId(0);

/// The files of a server, for faults that hit one.
pub(super) const FILES: &[FileInfo] =
    &[FileInfo::new("log", LOG, &[KindId::SERVER], "What the library has stored: a record for each call.")];

/// An entry of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Command {
    /// The client that asked for it, or the leader that made it.
    pub by: NodeId,
    /// The client's name for it.
    pub operation: OperationId,
    /// The number.
    pub value: u64,
}

impl Entry for Command {
    type Snapshot = NoSnapshot;
}

/// One change to the storage.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum StoreChange {
    /// Entries are added at the end.
    Append(Vec<Command>),
    /// The log is cut to this length, and entries are added.
    AppendOn(usize, Vec<Command>),
    /// The round that was promised last.
    Promise(Ballot),
    /// How much is decided.
    Decided(usize),
    /// The round that entries were accepted in last.
    Accepted(Ballot),
}

/// What one call of the library changed, written whole or not at all.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Counts the records of a disk, so that a hole is seen.
    pub number: u64,
    /// The changes, in order.
    pub changes: Vec<StoreChange>,
}

/// What the library has stored.
#[derive(Clone, Debug, Default)]
pub(super) struct Store {
    /// The round that was promised last.
    pub promise: Option<Ballot>,
    accepted: Option<Ballot>,
    /// How much is decided.
    pub decided: usize,
    /// The log.
    pub log: Vec<Command>,
    /// The number of the next record.
    next: u64,
    /// What has changed since [`Store::take`].
    changes: Vec<StoreChange>,
}

impl Store {
    /// What a disk gave back, and how many records of it to keep: a torn end or what follows a hole was never promised.
    pub(super) fn recover(recovered: &Recovered<Record>) -> Result<(Self, u64), &'static str> {
        let mut store = Self::default();
        for record in recovered.file(LOG) {
            match record {
                Stored::Intact(record) if record.number == store.next => store.add(record),
                Stored::Intact(_) | Stored::Torn => break,
                Stored::Corrupt | Stored::Unreadable => return Err("the log on the disk is damaged"),
            }
        }
        let kept = store.next;
        Ok((store, kept))
    }

    /// Adds a record that was read from a disk.
    pub(super) fn add(&mut self, record: &Record) {
        record.changes.iter().for_each(|change| self.carry_out(change));
        self.next = record.number + 1;
    }

    /// What has changed since the last call, as a record to write; `None` if nothing has.
    fn take(&mut self) -> Option<Record> {
        if self.changes.is_empty() {
            return None;
        }
        let record = Record { number: self.next, changes: std::mem::take(&mut self.changes) };
        self.next += 1;
        Some(record)
    }

    fn carry_out(&mut self, change: &StoreChange) {
        match change {
            StoreChange::Append(entries) => self.log.extend_from_slice(entries),
            StoreChange::AppendOn(length, entries) => {
                self.log.truncate(*length);
                self.log.extend_from_slice(entries);
            }
            StoreChange::Promise(round) => self.promise = Some(*round),
            StoreChange::Decided(length) => self.decided = *length,
            StoreChange::Accepted(round) => self.accepted = Some(*round),
        }
    }

    fn change(&mut self, change: StoreChange) {
        self.carry_out(&change);
        self.changes.push(change);
    }
}

/// The storage that the library is given. It keeps no way to what it was given, so the adapter shares it.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared(Arc<Mutex<Store>>);

impl Shared {
    pub(super) fn new(store: Store) -> Self {
        Self(Arc::new(Mutex::new(store)))
    }

    /// What has changed since it was last asked, as a record to write.
    pub(super) fn take(&self) -> Option<Record> {
        self.store().take()
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.lock().expect("a node lives on one thread")
    }

    fn change(&self, change: StoreChange) -> StorageResult<()> {
        self.store().change(change);
        Ok(())
    }
}

impl Storage<Command> for Shared {
    fn write_atomically(&mut self, operations: Vec<StorageOp<Command>>) -> StorageResult<()> {
        for operation in operations {
            match operation {
                StorageOp::AppendEntry(entry) => self.append_entry(entry)?,
                StorageOp::AppendEntries(entries) => self.append_entries(entries)?,
                StorageOp::AppendOnPrefix(from, entries) => self.append_on_prefix(from, entries)?,
                StorageOp::SetPromise(round) => self.set_promise(round)?,
                StorageOp::SetDecidedIndex(length) => self.set_decided_idx(length)?,
                StorageOp::SetAcceptedRound(round) => self.set_accepted_round(round)?,
                StorageOp::SetStopsign(sign) => self.set_stopsign(sign)?,
                StorageOp::SetSnapshot(snapshot) => self.set_snapshot(snapshot)?,
                StorageOp::SetCompactedIdx(length) => self.set_compacted_idx(length)?,
                StorageOp::Trim(length) => self.trim(length)?,
            }
        }
        Ok(())
    }

    fn append_entry(&mut self, entry: Command) -> StorageResult<()> {
        self.change(StoreChange::Append(vec![entry]))
    }

    fn append_entries(&mut self, entries: Vec<Command>) -> StorageResult<()> {
        self.change(StoreChange::Append(entries))
    }

    fn append_on_prefix(&mut self, from: usize, entries: Vec<Command>) -> StorageResult<()> {
        self.change(StoreChange::AppendOn(from, entries))
    }

    fn set_promise(&mut self, round: Ballot) -> StorageResult<()> {
        self.change(StoreChange::Promise(round))
    }

    fn set_decided_idx(&mut self, length: usize) -> StorageResult<()> {
        self.change(StoreChange::Decided(length))
    }

    fn get_decided_idx(&self) -> StorageResult<usize> {
        Ok(self.store().decided)
    }

    fn set_accepted_round(&mut self, round: Ballot) -> StorageResult<()> {
        self.change(StoreChange::Accepted(round))
    }

    fn get_accepted_round(&self) -> StorageResult<Option<Ballot>> {
        Ok(self.store().accepted)
    }

    fn get_entries(&self, from: usize, to: usize) -> StorageResult<Vec<Command>> {
        Ok(self.store().log.get(from..to).unwrap_or(&[]).to_vec())
    }

    fn get_log_len(&self) -> StorageResult<usize> {
        Ok(self.store().log.len())
    }

    fn get_suffix(&self, from: usize) -> StorageResult<Vec<Command>> {
        Ok(self.store().log.get(from..).unwrap_or(&[]).to_vec())
    }

    fn get_promise(&self) -> StorageResult<Option<Ballot>> {
        Ok(self.store().promise)
    }

    fn set_stopsign(&mut self, sign: Option<StopSign>) -> StorageResult<()> {
        refuse(sign.is_some(), "this adapter never reconfigures")
    }

    fn get_stopsign(&self) -> StorageResult<Option<StopSign>> {
        Ok(None)
    }

    fn trim(&mut self, length: usize) -> StorageResult<()> {
        refuse(length > 0, "this adapter never trims")
    }

    fn set_compacted_idx(&mut self, length: usize) -> StorageResult<()> {
        refuse(length > 0, "this adapter never trims")
    }

    fn get_compacted_idx(&self) -> StorageResult<usize> {
        Ok(0)
    }

    fn set_snapshot(&mut self, snapshot: Option<NoSnapshot>) -> StorageResult<()> {
        refuse(snapshot.is_some(), "this adapter has no snapshots")
    }

    fn get_snapshot(&self) -> StorageResult<Option<NoSnapshot>> {
        Ok(None)
    }
}

fn refuse(is_asked: bool, why: &str) -> StorageResult<()> {
    if is_asked { Err(why.into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(number: u64, value: u64) -> Stored<Record> {
        let command = Command { by: NodeId::client(1), operation: OperationId(value), value };
        Stored::Intact(Record { number, changes: vec![StoreChange::Append(vec![command])] })
    }

    /// The numbers of the log, and how many records to keep.
    fn read(records: Vec<Stored<Record>>) -> Result<(Vec<u64>, u64), &'static str> {
        let (store, kept) = Store::recover(&Recovered { files: vec![(LOG, records)] })?;
        Ok((store.log.iter().map(|command| command.value).collect(), kept))
    }

    #[test]
    fn a_torn_end_and_what_follows_a_hole_are_cut_off() {
        assert_eq!(read(vec![record(0, 7), record(1, 8)]), Ok((vec![7, 8], 2)), "it is whole");
        assert_eq!(read(vec![record(0, 7), record(1, 8), Stored::Torn]), Ok((vec![7, 8], 2)));
        assert_eq!(read(vec![record(0, 7), record(2, 9)]), Ok((vec![7], 1)));
        assert_eq!(read(vec![record(1, 8)]), Ok((vec![], 0)), "the first one is missing");
    }

    #[test]
    fn damage_is_refused() {
        for damaged in [Stored::Corrupt, Stored::Unreadable] {
            assert!(read(vec![record(0, 7), damaged]).is_err());
        }
    }

    #[test]
    fn what_is_written_after_a_restart_goes_on_where_the_records_end() {
        let recovered = Recovered { files: vec![(LOG, vec![record(0, 7), record(1, 8), record(3, 9)])] };
        let (mut store, _) = Store::recover(&recovered).expect("nothing is damaged");
        assert!(store.take().is_none(), "nothing has changed");
        store.change(StoreChange::Decided(1));
        assert_eq!(store.take().map(|record| record.number), Some(2));
    }
}
