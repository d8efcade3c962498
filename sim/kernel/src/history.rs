//! What clients asked and how it was answered: invocations and completions, in the order in which they happened.
//!
//! ```text
//!   invoke ──▶ ok(response)   it took effect between the two
//!          ──▶ fail           it certainly did not take effect, and never will
//!          ──▶ unknown        it may take effect at any later time, or never
//!          ──▶ (nothing)      the run ended before: like unknown
//! ```
//!
//! The world keeps it in every run. A client whose process ends leaves its open operations as unknown.
//! A history that comes from elsewhere is made entry by entry:
//!
//! ```
//! use splitbrain_kernel::context::{OperationId, OperationResult};
//! use splitbrain_kernel::history::{HistoryBuilder, HistoryError, Stamp};
//! use splitbrain_kernel::id::NodeId;
//! use splitbrain_kernel::time::Instant;
//!
//! let client = NodeId::client(1);
//! let stamp = |nanos| Stamp { at: Instant::from_nanos(nanos), event: 0, client, process: 0, id: OperationId(0) };
//! let mut history = HistoryBuilder::new();
//! history.invoke(stamp(10), "read")?;
//! history.complete(stamp(25), OperationResult::Ok(5))?;
//! assert!(history.complete(stamp(30), OperationResult::Failed).is_err(), "it ends once");
//! assert_eq!(history.finish().entries().len(), 2);
//! # Ok::<(), HistoryError>(())
//! ```

use std::collections::BTreeMap;

use crate::context::{OperationId, OperationResult};
use crate::id::NodeId;
use crate::node::Node;
use crate::time::Instant;

/// The version of the stored form of a history. A history of another version is refused.
pub const FORMAT: u32 = 1;

/// The history of a run, with what is asked as `O` and what is answered as `R`.
///
/// - Times never go back.
/// - A completion comes after its invocation, by the same client and process, and each operation has at most one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History<O, R> {
    entries: Vec<HistoryEntry<O, R>>,
}

/// The history of a system's clients.
pub type HistoryOf<N> = History<<N as Node>::Operation, <N as Node>::Response>;

/// An entry of a history, by reference.
pub type HistoryEntryRef<'a, N> = HistoryEntry<&'a <N as Node>::Operation, &'a <N as Node>::Response>;

/// One thing that happened to an operation. Its place in the history is the order among entries of one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryEntry<O, R> {
    /// True time.
    pub at: Instant,
    /// Inputs handled so far by all nodes, the one that led to this included.
    pub event: u64,
    /// Whose operation.
    pub client: NodeId,
    /// Which process of the client: how many had ended before.
    pub process: u32,
    /// The client's name for it, counted over all of its processes.
    pub id: OperationId,
    /// What happened.
    pub change: HistoryEvent<O, R>,
}

/// What happens to an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryEvent<O, R> {
    /// It begins.
    Invoked(O),
    /// It ends.
    Completed {
        /// The place of its invocation in the history.
        invoked: usize,
        /// How.
        result: OperationResult<R>,
    },
}

impl<O, R> Default for History<O, R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<O, R> History<O, R> {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// The entries, in order.
    pub fn entries(&self) -> &[HistoryEntry<O, R>] {
        &self.entries
    }

    /// The operation of an entry, also of a completion.
    ///
    /// # Panics
    /// If there is no entry at this place.
    pub fn operation_at(&self, place: usize) -> &O {
        match &self.entries[place].change {
            HistoryEvent::Invoked(operation) => operation,
            HistoryEvent::Completed { invoked, .. } => self.operation_at(*invoked),
        }
    }

    /// Adds an entry, and returns its place.
    pub(crate) fn push(&mut self, entry: HistoryEntry<O, R>) -> usize {
        self.entries.push(entry);
        self.entries.len() - 1
    }
}

impl<O, R> HistoryEntry<O, R> {
    /// The same by reference.
    pub const fn as_ref(&self) -> HistoryEntry<&O, &R> {
        let change = match &self.change {
            HistoryEvent::Invoked(operation) => HistoryEvent::Invoked(operation),
            HistoryEvent::Completed { invoked, result } => {
                HistoryEvent::Completed { invoked: *invoked, result: result.as_ref() }
            }
        };
        let Self { at, event, client, process, id, .. } = *self;
        HistoryEntry { at, event, client, process, id, change }
    }

    /// The same with other data, or `None` if one of the functions has none.
    pub fn filter_map<P, Q>(
        self,
        operation_of: impl FnOnce(O) -> Option<P>,
        response_of: impl FnOnce(R) -> Option<Q>,
    ) -> Option<HistoryEntry<P, Q>> {
        let change = match self.change {
            HistoryEvent::Invoked(operation) => HistoryEvent::Invoked(operation_of(operation)?),
            HistoryEvent::Completed { invoked, result } => {
                HistoryEvent::Completed { invoked, result: result.filter_map(response_of)? }
            }
        };
        let Self { at, event, client, process, id, .. } = self;
        Some(HistoryEntry { at, event, client, process, id, change })
    }
}

/// An entry that does not fit a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// It is earlier than the entry before it.
    #[error("the time goes back: the entry before is later")]
    Earlier,
    /// The client has used this name before.
    #[error("{0} has begun operation {1} before")]
    Again(NodeId, u64),
    /// The operation was never begun, has ended already, or belongs to another process of the client.
    #[error("operation {1} of {0} is not open in this process")]
    NotOpen(NodeId, u64),
}

/// Makes a history of entries that come from outside, and refuses what no run could have made.
#[derive(Clone, Debug)]
pub struct HistoryBuilder<O, R> {
    history: History<O, R>,
    /// Every operation so far: its process, and the place of its invocation while it is open.
    known: BTreeMap<(NodeId, OperationId), (u32, Option<usize>)>,
}

/// Where and when an entry of a [`HistoryBuilder`] belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// True time.
    pub at: Instant,
    /// Inputs handled so far; 0 in a history that knows of none.
    pub event: u64,
    /// Whose operation.
    pub client: NodeId,
    /// Which process of the client.
    pub process: u32,
    /// The client's name for the operation.
    pub id: OperationId,
}

impl<O, R> Default for HistoryBuilder<O, R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<O, R> HistoryBuilder<O, R> {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self { history: History::new(), known: BTreeMap::new() }
    }

    /// An operation begins.
    ///
    /// # Errors
    /// The time goes back, or the client has used the name before.
    pub fn invoke(&mut self, stamp: Stamp, operation: O) -> Result<(), HistoryError> {
        self.check_time(stamp)?;
        let place = self.history.entries.len();
        if self.known.contains_key(&(stamp.client, stamp.id)) {
            return Err(HistoryError::Again(stamp.client, stamp.id.0));
        }
        self.known.insert((stamp.client, stamp.id), (stamp.process, Some(place)));
        self.history.push(stamp.entry(HistoryEvent::Invoked(operation)));
        Ok(())
    }

    /// An operation ends.
    ///
    /// # Errors
    /// The time goes back, or the operation is not open in this process of the client.
    pub fn complete(&mut self, stamp: Stamp, result: OperationResult<R>) -> Result<(), HistoryError> {
        self.check_time(stamp)?;
        let refuse = HistoryError::NotOpen(stamp.client, stamp.id.0);
        let (process, open) = self.known.get_mut(&(stamp.client, stamp.id)).ok_or(refuse)?;
        if *process != stamp.process {
            return Err(refuse);
        }
        let invoked = open.take().ok_or(refuse)?;
        self.history.push(stamp.entry(HistoryEvent::Completed { invoked, result }));
        Ok(())
    }

    /// What was made.
    pub fn finish(self) -> History<O, R> {
        self.history
    }

    fn check_time(&self, stamp: Stamp) -> Result<(), HistoryError> {
        let last = self.history.entries.last();
        if last.is_some_and(|last| last.at > stamp.at) { Err(HistoryError::Earlier) } else { Ok(()) }
    }
}

impl Stamp {
    const fn entry<O, R>(self, change: HistoryEvent<O, R>) -> HistoryEntry<O, R> {
        let Self { at, event, client, process, id } = self;
        HistoryEntry { at, event, client, process, id, change }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(at: u64, id: u64) -> Stamp {
        let at = Instant::from_nanos(at);
        Stamp { at, event: 0, client: NodeId::client(1), process: 0, id: OperationId(id) }
    }

    #[test]
    fn a_history_is_built_of_what_could_have_happened() {
        let mut builder = HistoryBuilder::new();
        builder.invoke(stamp(1, 0), "a").expect("the first");
        builder.invoke(stamp(1, 1), "b").expect("at the same time");
        builder.complete(stamp(2, 1), OperationResult::Ok(7)).expect("it is open");
        let history = builder.finish();
        assert_eq!(history.entries().len(), 3);
        assert_eq!(*history.operation_at(2), "b");
        let HistoryEvent::Completed { invoked, .. } = history.entries()[2].change else { panic!("it ended") };
        assert_eq!(invoked, 1);
    }

    #[test]
    fn what_no_run_could_have_made_is_refused() {
        let mut builder = HistoryBuilder::<_, u8>::new();
        builder.invoke(stamp(5, 0), "a").expect("the first");
        assert_eq!(builder.invoke(stamp(4, 1), "b"), Err(HistoryError::Earlier));
        assert_eq!(builder.invoke(stamp(5, 0), "a"), Err(HistoryError::Again(NodeId::client(1), 0)));
        let not_open = |id| Err(HistoryError::NotOpen(NodeId::client(1), id));
        assert_eq!(builder.complete(stamp(5, 9), OperationResult::Failed), not_open(9));
        let other = Stamp { process: 1, ..stamp(5, 0) };
        assert_eq!(builder.complete(other, OperationResult::Failed), not_open(0));
        builder.complete(stamp(6, 0), OperationResult::Unknown).expect("it is open");
        assert_eq!(builder.complete(stamp(6, 0), OperationResult::Unknown), not_open(0));
    }
}
