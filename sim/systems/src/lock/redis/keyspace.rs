//! The keys of one database with their values and deadlines.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::value::Value;

/// The keys of one database.
///
/// Invariants:
/// - `deadlines` holds exactly the deadlines of `entries`.
/// - A hash that is kept has at least one field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keyspace {
    entries: BTreeMap<Vec<u8>, Entry>,
    /// In the order in which they pass.
    deadlines: BTreeSet<(i64, Vec<u8>)>,
    /// The keys that connections watch.
    watched: BTreeMap<Vec<u8>, Watched>,
}

/// A key's value and how long it lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its value.
    pub value: Value,
    /// Milliseconds since 1970 on the wall clock: the last moment at which it is alive. `None` lives for ever.
    pub deadline: Option<i64>,
}

/// A key that connections watch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Watched {
    watchers: u32,
    changes: u64,
}

impl Keyspace {
    /// The number of keys, those that are expired and not yet deleted among them.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it has no key.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The number of keys with a deadline.
    pub fn deadline_count(&self) -> usize {
        self.deadlines.len()
    }

    /// What is stored under a key, even if it is expired.
    pub fn entry(&self, key: &[u8]) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// What is stored under a key that is alive at `now`.
    pub fn alive(&self, key: &[u8], now: i64) -> Option<&Entry> {
        self.entries.get(key).filter(|entry| !entry.is_expired(now))
    }

    /// Every key with what is stored under it, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Entry)> + Clone {
        self.entries.iter().map(|(key, entry)| (key.as_slice(), entry))
    }

    /// The first keys that are expired at `now`, in the order of their deadlines, at most this many.
    pub fn expired(&self, now: i64, most: usize) -> Vec<Vec<u8>> {
        let due = self.deadlines.iter().take_while(|(deadline, _)| *deadline < now);
        due.take(most).map(|(_, key)| key.clone()).collect()
    }

    pub(super) fn put(&mut self, key: &[u8], entry: Entry) {
        self.changed(key);
        if let Some(deadline) = entry.deadline {
            self.deadlines.insert((deadline, key.to_vec()));
        }
        let deadline = entry.deadline;
        let replaced = match self.entries.get_mut(key) {
            Some(kept) => Some(std::mem::replace(kept, entry)),
            None => self.entries.insert(key.to_vec(), entry),
        };
        if let Some(before) = replaced.and_then(|entry| entry.deadline).filter(|&before| deadline != Some(before)) {
            self.deadlines.remove(&(before, key.to_vec()));
        }
    }

    pub(super) fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        if let Some(deadline) = entry.deadline {
            self.deadlines.remove(&(deadline, key.to_vec()));
        }
        self.changed(key);
        Some(entry)
    }

    pub(super) fn set_deadline(&mut self, key: &[u8], deadline: Option<i64>) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        if let Some(before) = std::mem::replace(&mut entry.deadline, deadline) {
            self.deadlines.remove(&(before, key.to_vec()));
        }
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, key.to_vec()));
        }
        self.changed(key);
    }

    /// The value of a key, to be changed.
    pub(super) fn value_mut(&mut self, key: &[u8]) -> Option<&mut Value> {
        self.changed(key);
        self.entries.get_mut(key).map(|entry| &mut entry.value)
    }

    /// Removes every key.
    pub(super) fn clear(&mut self) {
        for (key, watched) in &mut self.watched {
            watched.changes += u64::from(self.entries.contains_key(key));
        }
        self.entries.clear();
        self.deadlines.clear();
    }

    /// Counts the changes of a key from now on, and returns the count so far.
    pub(super) fn watch(&mut self, key: &[u8]) -> u64 {
        let watched = self.watched.entry(key.to_vec()).or_default();
        watched.watchers += 1;
        watched.changes
    }

    /// Ends one [`Self::watch`], and returns the count of changes.
    pub(super) fn unwatch(&mut self, key: &[u8]) -> u64 {
        let watched = self.watched.get_mut(key).expect("each unwatch ends a watch");
        watched.watchers -= 1;
        let changes = watched.changes;
        if watched.watchers == 0 {
            self.watched.remove(key);
        }
        changes
    }

    /// The changes of a key that is watched.
    pub(super) fn changes(&self, key: &[u8]) -> u64 {
        self.watched.get(key).map_or(0, |watched| watched.changes)
    }

    fn changed(&mut self, key: &[u8]) {
        if self.watched.is_empty() {
            return;
        }
        if let Some(watched) = self.watched.get_mut(key) {
            watched.changes += 1;
        }
    }
}

impl Entry {
    /// Whether its deadline is past.
    pub fn is_expired(&self, now: i64) -> bool {
        self.deadline.is_some_and(|deadline| now > deadline)
    }
}
