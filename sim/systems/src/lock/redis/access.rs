//! The keys as one command sees them: at one moment, with expired ones out of sight, and with its effects noted.

use super::effect::Effect;
use super::keyspace::{Entry, Keyspace};
use super::number;
use super::reply::{PART_BYTES, Reply};
use super::value::{Hash, Value};

/// An error reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused(pub(super) Vec<u8>);

/// What a command answers.
pub(super) type Answer = Result<Reply, Refused>;

impl Refused {
    pub(super) fn new(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }

    pub(super) fn wrong_type() -> Self {
        Self::new("WRONGTYPE Operation against a key holding the wrong kind of value")
    }

    pub(super) fn syntax() -> Self {
        Self::new("ERR syntax error")
    }

    pub(super) fn not_an_integer() -> Self {
        Self::new("ERR value is not an integer or out of range")
    }

    /// A reply would take more memory than it may.
    pub(super) fn too_long(most: usize) -> Self {
        Self(format!("ERR the reply takes more than the {most} bytes that are left for it").into_bytes())
    }

    pub(super) fn arity(name: &str) -> Self {
        Self(format!("ERR wrong number of arguments for '{name}' command").into_bytes())
    }
}

/// What happens to a key that is expired and still stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expired {
    /// It is deleted, and the deletion is an effect: a master.
    Deleted,
    /// It stays and is out of sight: a client of a replica.
    Hidden,
    /// It stays and is seen: the effects of the master, on a replica.
    Seen,
}

/// The keys of a database at one moment.
#[derive(Debug)]
pub(super) struct Access<'a> {
    pub(super) keyspace: &'a mut Keyspace,
    pub(super) effects: &'a mut Vec<Effect>,
    pub(super) database: u8,
    /// Milliseconds since 1970; it does not move within a command or a script.
    pub(super) now: i64,
    pub(super) expired: Expired,
    /// How much memory the reply may take.
    pub(super) room: usize,
}

impl Access<'_> {
    /// What is stored under a key that is alive.
    pub(super) fn entry(&mut self, key: &[u8]) -> Option<&Entry> {
        let expired = self.keyspace.entry(key)?.is_expired(self.now);
        if expired && self.expired == Expired::Deleted {
            self.expire(key);
        }
        if expired && self.expired != Expired::Seen {
            return None;
        }
        self.keyspace.entry(key)
    }

    /// Deletes a key that is expired.
    pub(super) fn expire(&mut self, key: &[u8]) {
        self.keyspace.remove(key);
        self.note(&[b"DEL", key]);
    }

    /// Whether a key is alive.
    pub(super) fn exists(&mut self, key: &[u8]) -> bool {
        self.entry(key).is_some()
    }

    /// The bytes of a key, or the error that it holds something else.
    pub(super) fn string(&mut self, key: &[u8]) -> Result<Option<&[u8]>, Refused> {
        match self.entry(key).map(|entry| &entry.value) {
            None => Ok(None),
            Some(Value::String(bytes)) => Ok(Some(bytes)),
            Some(Value::Hash(_)) => Err(Refused::wrong_type()),
        }
    }

    /// The hash of a key, or the error that it holds something else.
    pub(super) fn hash(&mut self, key: &[u8]) -> Result<Option<&Hash>, Refused> {
        match self.entry(key).map(|entry| &entry.value) {
            None => Ok(None),
            Some(Value::Hash(hash)) => Ok(Some(hash)),
            Some(Value::String(_)) => Err(Refused::wrong_type()),
        }
    }

    /// The hash of a key, to be changed; a new one if there is none. The caller adds a field or calls
    /// [`Self::drop_empty`].
    pub(super) fn hash_mut(&mut self, key: &[u8]) -> Result<&mut Hash, Refused> {
        if self.hash(key)?.is_none() {
            self.keyspace.put(key, Entry { value: Value::Hash(Hash::default()), deadline: None });
        }
        match self.keyspace.value_mut(key) {
            Some(Value::Hash(hash)) => Ok(hash),
            _ => Err(Refused::wrong_type()),
        }
    }

    /// Removes a key whose hash lost its last field.
    pub(super) fn drop_empty(&mut self, key: &[u8]) {
        if matches!(self.keyspace.entry(key).map(|entry| &entry.value), Some(Value::Hash(hash)) if hash.is_empty()) {
            self.keyspace.remove(key);
        }
    }

    /// When a key that is alive expires.
    pub(super) fn deadline(&mut self, key: &[u8]) -> Option<i64> {
        self.entry(key).and_then(|entry| entry.deadline)
    }

    /// Stores bytes under a key.
    pub(super) fn set(&mut self, key: &[u8], bytes: Vec<u8>, deadline: Option<i64>) {
        self.keyspace.put(key, Entry { value: Value::String(bytes), deadline });
    }

    /// Stores bytes under a key that keeps its deadline.
    pub(super) fn set_keeping_deadline(&mut self, key: &[u8], bytes: Vec<u8>) {
        let deadline = self.deadline(key);
        self.set(key, bytes, deadline);
    }

    /// Removes a key, and returns whether it was alive.
    pub(super) fn remove(&mut self, key: &[u8]) -> bool {
        self.exists(key) && self.keyspace.remove(key).is_some()
    }

    /// Whether a deadline that is past deletes the key at once.
    pub(super) fn acts_on_expiry(&self) -> bool {
        self.expired == Expired::Deleted
    }

    /// Notes an effect.
    pub(super) fn note(&mut self, arguments: &[&[u8]]) {
        let arguments = arguments.iter().map(|argument| argument.to_vec()).collect();
        self.effects.push(Effect { database: self.database, arguments });
    }

    /// Notes the command itself as an effect.
    pub(super) fn note_verbatim(&mut self, arguments: &[Vec<u8>]) {
        self.effects.push(Effect { database: self.database, arguments: arguments.to_vec() });
    }
}

/// Whether there is room for a reply of parts of these lengths: a reply of several values asks before it makes them.
pub(super) fn check_room(room: usize, lengths: impl IntoIterator<Item = usize>) -> Result<(), Refused> {
    let left = lengths.into_iter().try_fold(room, |left, length| left.checked_sub(length + PART_BYTES));
    left.map(drop).ok_or_else(|| Refused::too_long(room))
}

/// The number that an argument writes.
pub(super) fn integer(argument: &[u8]) -> Result<i64, Refused> {
    number::parse(argument).ok_or_else(Refused::not_an_integer)
}
