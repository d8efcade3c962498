//! What clients asked and what they were told: invocations and completions, in order.

use crate::context::{OperationId, OperationResult};
use crate::id::NodeId;
use crate::time::Instant;

/// The history of a run.
#[derive(Clone, Debug)]
pub struct History<O, R> {
    entries: Vec<HistoryEntry<O, R>>,
}

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct HistoryEntry<O, R> {
    /// True time.
    pub at: Instant,
    /// Whose operation.
    pub client: NodeId,
    /// Its name.
    pub id: OperationId,
    /// What happened to it.
    pub event: HistoryEvent<O, R>,
}

/// What happens to an operation.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub enum HistoryEvent<O, R> {
    /// It begins.
    Invoked(O),
    /// It ends.
    Completed(OperationResult<R>),
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
    pub(crate) fn push(&mut self, at: Instant, client: NodeId, id: OperationId, event: HistoryEvent<O, R>) {
        self.entries.push(HistoryEntry { at, client, id, event });
    }
}
