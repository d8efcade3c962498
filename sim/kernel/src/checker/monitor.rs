//! Judges a history while it grows, as an invariant of any system whose clients use a modelled object.
//!
//! ```text
//!   on_history ──Reading::action──▶ the model's action ──▶ Watch::Monitor ──▶ a contradiction ends the run
//!                                                      │
//!   on_end     ────────────────────────────────────────┴─▶ Check::check, if the monitor's premise did not hold
//! ```
//!
//! A system states what its operations and answers mean ([`Reading`]), and has [`Linearizable`] as its invariant, or as
//! one of its own invariants, which hand [`Linearizable::watch`] and [`Linearizable::end`] their calls:
//!
//! ```
//! use splitbrain_kernel::checker::model::{Register, RegisterAction};
//! use splitbrain_kernel::checker::monitor::Reading;
//! use splitbrain_kernel::prelude::*;
//!
//! /// The clients of `N` use one register: `None` reads it, `Some` writes to it, and an answer is what it held.
//! #[derive(Clone, Debug)]
//! struct OneRegister;
//!
//! impl<N: Node<Operation = Option<u64>, Response = u64>> Reading<N> for OneRegister {
//!     type Model = Register<u64>;
//!
//!     fn model(&self) -> Register<u64> {
//!         Register { initial: 0 }
//!     }
//!
//!     fn action(&self, _: NodeId, operation: &Option<u64>, answer: Option<&u64>) -> Option<RegisterAction<u64>> {
//!         match (operation, answer) {
//!             (Some(value), _) => Some(RegisterAction::Write(*value)),
//!             (None, Some(value)) => Some(RegisterAction::Read(*value)),
//!             (None, None) => None,
//!         }
//!     }
//! }
//! ```
//!
//! The answers to clients are judged, never the system: nothing but the history is read.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};

use super::model::Keyed;
use super::{BUDGET, Check, Contradiction, Operation, Verdict};
use crate::brief::Datum;
use crate::context::OperationResult;
use crate::history::{HistoryEntryRef, HistoryEvent};
use crate::id::NodeId;
use crate::invariant::{Findings, InvariantInfo, InvariantKind, Invariants, Sight};
use crate::node::Node;
use crate::view::View;

mod at_end;
mod list;
mod register;

pub use at_end::AtEnd;
pub use list::{CellMonitor, ListMonitor};

/// Judges the history of one object while it grows. Places are those of the history's entries and only rise.
pub trait Monitor: Clone + Debug + Send + 'static {
    /// The action of the model.
    type Action;

    /// An operation begins. The action is what it does if it happens, so that without an answer it stays as it is.
    fn invoke(&mut self, invoked: usize, action: &Self::Action);

    /// An operation that began at `invoked` ends with an answer, which the action now holds.
    ///
    /// # Errors
    /// No order explains the history up to here.
    fn complete(&mut self, invoked: usize, place: usize, action: &Self::Action) -> Result<(), Box<Contradiction>>;

    /// An operation ends: it certainly did not happen.
    ///
    /// # Errors
    /// No order explains the history up to here: its effect was seen.
    fn fail(&mut self, invoked: usize, place: usize, action: &Self::Action) -> Result<(), Box<Contradiction>>;

    /// Whether the premise has held so far, so that silence means that the history is linearizable.
    fn is_exact(&self) -> bool;
}

/// A model with a monitor.
pub trait Watch: Check<Action: Send> + Clone + Debug + Send + 'static {
    /// It.
    type Monitor: Monitor<Action = Self::Action>;

    /// A monitor of an object before its first operation.
    fn monitor(&self) -> Self::Monitor;
}

/// What the operations of a system's clients mean in the terms of a model.
pub trait Reading<N: Node>: Clone + Debug + Send + 'static {
    /// The object that the clients use.
    type Model: Watch;

    /// The object before the first operation.
    fn model(&self) -> Self::Model;

    /// The action of an operation with its answer, or `None` if it is none of this object, or says nothing about it.
    ///
    /// Without an answer: what it does if it happens, and `None` if it would change nothing.
    fn action(
        &self,
        client: NodeId,
        operation: &N::Operation,
        answer: Option<&N::Response>,
    ) -> Option<<Self::Model as super::Model>::Action>;
}

/// The invariant: clients get the answers of one object that does one operation after the other.
///
/// An operation that the client knows to have failed must not be seen by anybody; one whose outcome is unknown may
/// happen at any later time, or never. If the premise of the monitor does not hold, such as values that are written
/// twice, the whole history is judged at the end of the run instead; a verdict of `Unknown` then counts as not
/// evaluated.
pub struct Linearizable<N: Node, R: Reading<N>> {
    reading: R,
    model: R::Model,
    monitor: <R::Model as Watch>::Monitor,
    budget: u64,
    node: std::marker::PhantomData<fn() -> N>,
}

// Not derived, as that would ask it of the node too.
impl<N: Node, R: Reading<N>> Clone for Linearizable<N, R> {
    fn clone(&self) -> Self {
        let (reading, model, monitor) = (self.reading.clone(), self.model.clone(), self.monitor.clone());
        Self { reading, model, monitor, budget: self.budget, node: self.node }
    }
}

impl<N: Node, R: Reading<N>> Debug for Linearizable<N, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Linearizable")
            .field("model", &self.model)
            .field("monitor", &self.monitor)
            .finish_non_exhaustive()
    }
}

/// What [`Linearizable`] says of itself, for systems that list it among their own invariants.
pub const LINEARIZABLE: InvariantInfo = InvariantInfo {
    name: "linearizable",
    doc: "What clients are told is explained by some order of their operations, each between its invocation and its \
          completion.",
    source: "Herlihy and Wing, TOPLAS 1990",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

impl<N: Node, R: Reading<N>> Linearizable<N, R> {
    /// Over the operations as this reads them.
    pub fn new(reading: R) -> Self {
        let model = reading.model();
        let monitor = model.monitor();
        Self { reading, model, monitor, budget: BUDGET, node: std::marker::PhantomData }
    }

    /// With another bound on the configurations that the check at the end may visit.
    #[must_use]
    pub const fn with_budget(mut self, budget: u64) -> Self {
        self.budget = budget;
        self
    }

    /// The history has grown: the same as [`Invariants::on_history`], as the invariant with this index.
    pub fn watch(&mut self, index: usize, view: &impl View<N>, entry: HistoryEntryRef<'_, N>, findings: &mut Findings) {
        if !findings.is_on(index) {
            return;
        }
        let place = view.history_len() - 1;
        let HistoryEvent::Completed { invoked, result } = entry.change else {
            let HistoryEvent::Invoked(operation) = entry.change else { return };
            if let Some(action) = self.reading.action(entry.client, operation, None) {
                self.monitor.invoke(place, &action);
            }
            return;
        };
        let Some(HistoryEvent::Invoked(operation)) = view.history(invoked).map(|entry| entry.change) else { return };
        let found = match result {
            OperationResult::Unknown => return,
            OperationResult::Ok(answer) => {
                let Some(action) = self.reading.action(entry.client, operation, Some(answer)) else { return };
                self.monitor.complete(invoked, place, &action)
            }
            OperationResult::Failed => {
                let Some(action) = self.reading.action(entry.client, operation, None) else { return };
                self.monitor.fail(invoked, place, &action)
            }
        };
        match found {
            Ok(()) => findings.check(index, None, true, String::new),
            Err(found) => findings.check(index, Some(entry.client), false, || facts(&found, view)),
        }
    }

    /// The run has ended: the same as [`Invariants::on_end`], as the invariant with this index.
    pub fn end(&mut self, index: usize, view: &impl View<N>, findings: &mut Findings) {
        if !findings.is_on(index) || self.monitor.is_exact() {
            return;
        }
        match self.model.check(&self.operations(view), self.budget) {
            Verdict::Valid => findings.check(index, None, true, String::new),
            Verdict::Invalid(found) => findings.check(index, None, false, || facts(&found, view)),
            Verdict::Unknown => findings.lacks(index),
        }
    }

    /// The whole history in terms of the model.
    pub fn operations(&self, view: &impl View<N>) -> Vec<Operation<<R::Model as super::Model>::Action>> {
        let mut answered = BTreeMap::new();
        for place in 0..view.history_len() {
            if let Some(HistoryEvent::Completed { invoked, result }) = view.history(place).map(|entry| entry.change) {
                answered.insert(invoked, (place, result));
            }
        }
        let mut operations = Vec::new();
        for invoked in 0..view.history_len() {
            let Some(entry) = view.history(invoked) else { continue };
            let HistoryEvent::Invoked(operation) = entry.change else { continue };
            let (answer, returned) = match answered.get(&invoked) {
                Some((_, OperationResult::Failed)) => continue,
                Some((place, OperationResult::Ok(answer))) => (Some(*answer), Some(*place)),
                Some((_, OperationResult::Unknown)) | None => (None, None),
            };
            let action = self.reading.action(entry.client, operation, answer);
            operations.extend(action.map(|action| Operation { action, invoked, returned }));
        }
        operations
    }
}

/// What contradicts, in one sentence: `stale read: c1 asks …`.
fn facts<N: Node>(found: &Contradiction, view: &impl View<N>) -> String {
    let mut text = format!("{} ({}):", found.anomaly, found.anomaly.meaning());
    let mut all: Vec<usize> = found.operations.iter().chain(&found.writers).copied().collect();
    all.sort_unstable();
    for (number, invoked) in all.into_iter().enumerate() {
        let separator = if number == 0 { " " } else { "; " };
        let told = tell(invoked, view);
        write!(text, "{separator}{told}").expect("a text takes everything");
    }
    text
}

/// `c1 asks read at 0.010000s, is answered 5 at 0.012000s`.
fn tell<N: Node>(invoked: usize, view: &impl View<N>) -> String {
    let Some(entry) = view.history(invoked) else { return String::new() };
    let HistoryEvent::Invoked(operation) = entry.change else { return String::new() };
    let asked = format!("{} asks {} at {}", entry.client, Datum::<N>::Operation(operation), entry.at);
    let later = (invoked + 1..view.history_len()).filter_map(|place| view.history(place));
    let mut ends = later.filter_map(|entry| match entry.change {
        HistoryEvent::Completed { invoked: of, result } if of == invoked => Some((entry.at, result)),
        _ => None,
    });
    match ends.next() {
        Some((at, OperationResult::Ok(answer))) => {
            format!("{asked}, is answered {} at {at}", Datum::<N>::Response(answer))
        }
        Some((at, OperationResult::Failed)) => format!("{asked}, fails at {at}"),
        Some((_, OperationResult::Unknown)) | None => format!("{asked}, is not answered"),
    }
}

impl<N: Node, R: Reading<N>> Invariants<N> for Linearizable<N, R> {
    const LIST: &'static [InvariantInfo] = &[LINEARIZABLE];

    fn on_history(&mut self, view: impl View<N>, entry: HistoryEntryRef<'_, N>, findings: &mut Findings) {
        self.watch(0, &view, entry, findings);
    }

    fn on_end(&mut self, view: impl View<N>, findings: &mut Findings) {
        self.end(0, &view, findings);
    }
}

/// Monitors of objects by key.
#[derive(Clone, Debug)]
pub struct PerKeyMonitor<K, M> {
    fresh: M,
    keys: BTreeMap<K, M>,
}

impl<K, M> PerKeyMonitor<K, M> {
    /// For each key one like this, which has seen nothing.
    pub const fn new(fresh: M) -> Self {
        Self { fresh, keys: BTreeMap::new() }
    }
}

impl<K: Ord + Clone, M: Clone> PerKeyMonitor<K, M> {
    fn of(&mut self, key: &K) -> &mut M {
        // Most keys are there: a clone is for a new one only.
        if !self.keys.contains_key(key) {
            self.keys.insert(key.clone(), self.fresh.clone());
        }
        self.keys.get_mut(key).expect("it is there by now")
    }
}

impl<K: Ord + Clone + Debug + Send + 'static, M: Monitor> Monitor for PerKeyMonitor<K, M> {
    type Action = Keyed<K, M::Action>;

    fn invoke(&mut self, invoked: usize, action: &Self::Action) {
        self.of(&action.key).invoke(invoked, &action.action);
    }

    fn complete(&mut self, invoked: usize, place: usize, action: &Self::Action) -> Result<(), Box<Contradiction>> {
        self.of(&action.key).complete(invoked, place, &action.action)
    }

    fn fail(&mut self, invoked: usize, place: usize, action: &Self::Action) -> Result<(), Box<Contradiction>> {
        self.of(&action.key).fail(invoked, place, &action.action)
    }

    fn is_exact(&self) -> bool {
        self.keys.values().all(M::is_exact)
    }
}
