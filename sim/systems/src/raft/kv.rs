//! The key-value store of the plain system: what its clients ask for, and what the log carries of it.
//!
//! ```text
//!   client ── Call ──▶ leader ── Command in the log ──▶ Store, on every server
//!      ▲                                                   │
//!      └────────── Reply: CallResult::Answered ◀── Answer ─┘   (by the leader that appended it)
//! ```
//!
//! # Exactly once
//!
//! A client opens a *session*, whose name is the place of that command in the log, and numbers its operations. The
//! store keeps the last number and answer of each session: a copy of an operation is not executed again, it is answered
//! as before (thesis §6.3). One client has one operation open at a time, so one answer is enough.
//!
//! A session expires after a time without an operation. That time is *log time*: the leader writes into each command
//! how late it is, and the store never asks a clock, so all servers let a session expire at the same place of the log
//! (LogCabin #210). Log time runs while a leader does, on that leader's monotonic clock, and never goes back. The
//! number of sessions is bounded: when there are too many, the one that has been silent for longest goes.
//!
//! # Reads
//!
//! A `get` needs no session, as it may be carried out twice. How it is served is the option `reads.method`.
//!
//! | file | subject |
//! | --- | --- |
//! | `store` | the state machine |
//! | `server` | requests at the leader, and their answers |
//! | `client` | sessions, retries, redirects |
//! | `workload` | what clients are asked for |

mod client;
mod server;
mod store;
mod workload;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::serde::{Deserialize, Serialize};
use splitbrain_kernel::time::Duration;

use super::ids::Index;

pub use client::Retry;
pub use server::Host;
pub use store::{Limits, Outcome, Piece, Session, Store};
pub use workload::{KvOptions, KvWorkload};

/// A value: the words that were put and appended, in order. Without any the key is absent.
pub type Value = Vec<u64>;

/// The name of a session: the place of the command that opened it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct SessionId(pub u64);

/// What a client is asked to do with the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde", rename_all = "snake_case", deny_unknown_fields)]
pub enum Operation {
    /// Reads a value.
    Get {
        /// Of which key.
        key: u64,
    },
    /// Sets a value to one word.
    Put {
        /// Of which key.
        key: u64,
        /// The word.
        value: u64,
    },
    /// Adds a word to a value.
    Append {
        /// Of which key.
        key: u64,
        /// The word.
        value: u64,
    },
    /// Sets a value to one word if it is the expected one.
    CompareAndSet {
        /// Of which key.
        key: u64,
        /// What must be there. Empty if the key must be absent.
        expected: Value,
        /// The word.
        value: u64,
    },
    /// Removes a key.
    Delete {
        /// Which key.
        key: u64,
    },
}

impl Operation {
    /// The key that it is about.
    pub const fn key(&self) -> u64 {
        match self {
            Self::Get { key }
            | Self::Put { key, .. }
            | Self::Append { key, .. }
            | Self::CompareAndSet { key, .. }
            | Self::Delete { key } => *key,
        }
    }

    /// Whether it changes nothing.
    pub const fn is_read(&self) -> bool {
        matches!(self, Self::Get { .. })
    }
}

/// What the store says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde", rename_all = "snake_case", deny_unknown_fields)]
pub enum Answer {
    /// It is done.
    Done,
    /// The value. Empty if the key is absent.
    Value(Value),
    /// Nothing was set, because this value was there.
    Mismatch(Value),
    /// The session is open.
    Opened(SessionId),
    /// There is no such session, or no longer: nothing was done at this place of the log.
    Expired,
    /// The session has gone on to a later operation: nothing was done at this place of the log.
    Superseded,
}

/// What a client's process asks a server for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum Call {
    /// A session.
    Open,
    /// An operation, once.
    Run {
        /// In this session.
        session: SessionId,
        /// Its number there, from 1. A retry has the same one.
        sequence: u64,
        /// Which operation.
        operation: Operation,
    },
    /// A value. It may be read more than once.
    Read {
        /// Of which key.
        key: u64,
    },
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum CallResult {
    /// The store has answered.
    Answered {
        /// The place in the log; for a read beside the log the last place that had been applied.
        index: Index,
        /// What it said.
        answer: Answer,
    },
    /// The server does not lead, and has done nothing.
    NotLeader {
        /// Who does, as far as it knows.
        leader: Option<NodeId>,
    },
    /// The leader stepped down with the command in its log: it may be executed yet, or never.
    Unknown,
    /// A proxy in front of the server refused the call: the server never saw it.
    Refused,
}

/// A command, as an entry of the log carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct Command {
    /// The log time at which the leader appended it.
    pub time: Duration,
    /// What was asked for.
    pub call: Call,
}

/// Serializes what is shared as what it is.
pub(super) mod shared {
    use std::sync::Arc;

    use splitbrain_kernel::serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in crate::raft) fn serialize<T: Serialize, S: Serializer>(shared: &Arc<T>, to: S) -> Result<S::Ok, S::Error> {
        shared.as_ref().serialize(to)
    }

    pub(in crate::raft) fn deserialize<'de, T, D>(from: D) -> Result<Arc<T>, D::Error>
    where
        T: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        T::deserialize(from).map(Arc::new)
    }
}
