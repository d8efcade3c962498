//! Judges the answers to clients: whether some order of their operations explains every one.
//!
//! A history is *linearizable* if each operation can be given one moment between its invocation and its completion, so
//! that a sequential object that carries out the operations at these moments gives the same answers (Herlihy and Wing,
//! TOPLAS 1990). An operation with an unknown outcome may have its moment at any later time, or none.
//!
//! ```text
//!   model       what one operation does to the object, and which answers fit: register, key-value store, mutex, …
//!   search      any model: Wing and Gong's search with Lowe's memory, within a budget of configurations
//!   chains      a register with compare-and-set whose values are distinct: exact, n log n, while the history grows
//!   sequence    appended lists and sets that are read as a whole: exact, linear after sorting
//!   presence    sets whose elements are asked for one by one: exact, linear after sorting
//!   fifo        queues whose values are distinct: exact, n log n
//!   explain     from a verdict of the search to the few operations that contradict one another
//!   monitor     an invariant of any system: ends the run at the operation that completes a contradiction
//!   witness     an order that the system claims, such as that of its log: carried out once and compared
//! ```
//!
//! A model's [`Check::check`] takes the fast check if its premise holds, and the search otherwise. No checker looks at
//! a clock or draws randomness: one history has one verdict.
//!
//! ```
//! use splitbrain_kernel::checker::model::{Register, RegisterAction};
//! use splitbrain_kernel::checker::{Anomaly, BUDGET, Check, Operation, Verdict};
//!
//! // Two writes and then a read, one after the other: the read is answered with the first value.
//! let operations = [
//!     Operation { action: RegisterAction::Write(5), invoked: 0, returned: Some(1) },
//!     Operation { action: RegisterAction::Write(6), invoked: 2, returned: Some(3) },
//!     Operation { action: RegisterAction::Read(5), invoked: 4, returned: Some(5) },
//! ];
//! let Verdict::Invalid(contradiction) = (Register { initial: 0 }).check(&operations, BUDGET) else {
//!     panic!("no order explains these answers");
//! };
//! assert_eq!(contradiction.anomaly, Anomaly::StaleRead);
//! ```

use std::collections::BTreeMap;
use std::fmt;

mod chains;
mod explain;
mod fifo;
pub mod model;
pub mod monitor;
mod presence;
mod search;
mod sequence;
pub mod witness;

#[cfg(test)]
mod random;
#[cfg(test)]
mod tests;

pub use chains::{Chains, Exact, Rules};
pub use search::{Search, search};

/// An operation of a history, by the places of its two entries. The place of its invocation is its name.
///
/// `returned` is `None` if the outcome is unknown: the action may happen at any time after the invocation, or never.
/// Operations that certainly did not happen, and unknown ones that would change nothing, are left out of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation<A> {
    /// What it does, with the answer that the client was given if the outcome is known.
    pub action: A,
    /// The place of its invocation in the history.
    pub invoked: usize,
    /// The place of its completion.
    pub returned: Option<usize>,
}

impl<A> Operation<A> {
    /// The same with another action.
    pub fn map<B>(self, change: impl FnOnce(A) -> B) -> Operation<B> {
        Operation { action: change(self.action), invoked: self.invoked, returned: self.returned }
    }

    /// The place of the completion, after every other place if there is none.
    const fn end(&self) -> usize {
        match self.returned {
            Some(place) => place,
            None => usize::MAX,
        }
    }
}

/// A sequential object: what its operations do, one after the other.
pub trait Model {
    /// The object between two operations.
    type State: Clone + Ord + fmt::Debug;
    /// An operation with its answer. For an operation with an unknown outcome: what it does if it happens.
    type Action: Clone + Ord + fmt::Debug;

    /// The object before the first operation.
    fn initial(&self) -> Self::State;

    /// The object after the action, or `None` if this action cannot have had this answer here.
    fn step(&self, state: &Self::State, action: &Self::Action) -> Option<Self::State>;

    /// Whether the action changes no state at all.
    fn is_read(&self, action: &Self::Action) -> bool;

    /// Whether the first action may have left what the answer of the second one shows.
    fn explains(&self, writer: &Self::Action, seen: &Self::Action) -> bool {
        let _ = (writer, seen);
        false
    }

    /// What it is called if exactly these answers contradict one another, in the order of their invocations. `None` for
    /// an answer that contradicts alone because of what it shows.
    fn anomaly(&self, core: &[&Self::Action]) -> Option<Anomaly> {
        let _ = core;
        None
    }
}

/// A model that judges histories in the best way it knows.
pub trait Check: Model {
    /// Judges a history; the operations are in the order of their invocations.
    ///
    /// `budget` bounds the configurations that a search may visit, for each part that is judged alone.
    fn check(&self, operations: &[Operation<Self::Action>], budget: u64) -> Verdict;
}

/// How many configurations a search visits, unless the caller says otherwise.
pub const BUDGET: u64 = 200_000;

/// What a checker says of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Some order explains every answer.
    Valid,
    /// No order does.
    Invalid(Box<Contradiction>),
    /// The budget was used up before an answer was found.
    Unknown,
}

/// The operations that contradict one another, by the places of their invocations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The name of the anomaly.
    pub anomaly: Anomaly,
    /// The operations whose answers or times cannot all be right, in the order of their invocations.
    pub operations: Vec<usize>,
    /// The operations that wrote the values in question and are not among the first, in the same order.
    pub writers: Vec<usize>,
}

impl Contradiction {
    /// Between these operations; those that are named twice are kept once.
    fn new(anomaly: Anomaly, operations: impl IntoIterator<Item = usize>) -> Box<Self> {
        let mut operations: Vec<usize> = operations.into_iter().collect();
        operations.sort_unstable();
        operations.dedup();
        Box::new(Self { anomaly, operations, writers: Vec::new() })
    }

    /// With these writers beside the operations.
    fn with_writers(mut self: Box<Self>, writers: impl IntoIterator<Item = usize>) -> Box<Self> {
        self.writers = writers.into_iter().filter(|writer| !self.operations.contains(writer)).collect();
        self.writers.sort_unstable();
        self.writers.dedup();
        self
    }
}

/// What went wrong, by its name in the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Anomaly {
    /// An answer shows a value that no operation wrote.
    NeverWritten,
    /// An answer shows a value before the operation that wrote it was invoked.
    FutureRead,
    /// An answer shows a value, or its absence, that had been replaced before the question was asked.
    StaleRead,
    /// Two conditional changes both succeeded against one value, or a write is missing from later answers.
    LostUpdate,
    /// Each of two values was seen after the other one.
    SplitOrder,
    /// Conditional changes that each need another one of them first.
    CircularOrder,
    /// An operation was answered as failed, and its effect was seen.
    FailedTookEffect,
    /// Two clients held a mutex at one time.
    TwoHolders,
    /// A client released a mutex that it did not hold.
    ReleaseWithoutHolding,
    /// A fencing token is not greater than one that was given out before.
    TokenNotRising,
    /// A value was taken from a queue twice.
    TakenTwice,
    /// Values left a queue in another order than they came.
    OutOfOrder,
    /// A queue was called empty while it held a value.
    NotEmpty,
    /// None of the names above: no order of the operations explains the answers.
    NoOrder,
}

impl Anomaly {
    /// Its name in one or a few words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NeverWritten => "read of a value never written",
            Self::FutureRead => "future read",
            Self::StaleRead => "stale read",
            Self::LostUpdate => "lost update",
            Self::SplitOrder => "split order",
            Self::CircularOrder => "circular order",
            Self::FailedTookEffect => "failed operation took effect",
            Self::TwoHolders => "two holders",
            Self::ReleaseWithoutHolding => "release without holding",
            Self::TokenNotRising => "token not rising",
            Self::TakenTwice => "value taken twice",
            Self::OutOfOrder => "out of order",
            Self::NotEmpty => "not empty",
            Self::NoOrder => "no order",
        }
    }

    /// What it means, in one sentence without a full stop.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::NeverWritten => "an answer shows a value that no operation wrote",
            Self::FutureRead => "an answer shows a value before the operation that wrote it began",
            Self::StaleRead => "an answer shows what had been replaced before the question was asked",
            Self::LostUpdate => "an update that took effect is missing from what came after it",
            Self::SplitOrder => "each of two values was seen after the other one",
            Self::CircularOrder => "conditional changes each need another one of them first",
            Self::FailedTookEffect => "an operation was answered as failed, and its effect was seen",
            Self::TwoHolders => "two clients held the mutex at one time",
            Self::ReleaseWithoutHolding => "a client released a mutex that it did not hold",
            Self::TokenNotRising => "a fencing token is not greater than one that was given out before",
            Self::TakenTwice => "a value was taken from the queue twice",
            Self::OutOfOrder => "values left the queue in another order than they came",
            Self::NotEmpty => "the queue was called empty while it held a value",
            Self::NoOrder => "no order of the operations explains the answers",
        }
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Judges the parts of a history that do not depend on one another, and takes the gravest verdict. The order of the
/// parts decides which contradiction is reported.
fn check_parts<A>(
    parts: impl IntoIterator<Item = Vec<Operation<A>>>,
    check: impl Fn(&[Operation<A>]) -> Verdict,
) -> Verdict {
    let mut all = Verdict::Valid;
    for part in parts {
        match check(&part) {
            Verdict::Valid => {}
            Verdict::Unknown => all = Verdict::Unknown,
            invalid @ Verdict::Invalid(_) => return invalid,
        }
    }
    all
}

/// Splits a history by key; the parts stay in the order of invocations.
fn split<'a, A, K: Ord, B>(
    operations: &'a [Operation<A>],
    key_of: impl Fn(&'a A) -> (K, B),
) -> BTreeMap<K, Vec<Operation<B>>> {
    let mut parts: BTreeMap<K, Vec<Operation<B>>> = BTreeMap::new();
    for operation in operations {
        let (key, action) = key_of(&operation.action);
        let part = Operation { action, invoked: operation.invoked, returned: operation.returned };
        parts.entry(key).or_default().push(part);
    }
    parts
}
