//! Everything that is done to the world, as data: what a seed came to, and what a replay follows.

use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::id::NodeId;
use crate::node::Node;
use crate::time::Instant;

pub use crate::decision::{Decision, Override, Site};

/// The version of the plan's form. A plan of another version is refused.
pub const FORMAT: u32 = 1;

/// Concrete, timed faults, client operations, and overrides of single decisions.
///
/// Exact replay goes by event counts and must give the same digest; an edited plan goes by the times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan<O, Q> {
    /// [`FORMAT`].
    pub format: u32,
    /// How the entries are timed.
    #[serde(default)]
    pub timing: Timing,
    /// Where the operations of clients come from.
    #[serde(default, skip_serializing_if = "Asking::is_plan")]
    pub workload: Asking,
    /// What is done, in order.
    #[serde(default = "Vec::new", rename = "fault", skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<PlannedFault>,
    /// Operations handed to clients, in order.
    #[serde(default = "Vec::new", rename = "operation", skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<PlannedOperation<O>>,
    /// Orders given to servers, in order.
    #[serde(default = "Vec::new", rename = "order", skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<PlannedOrder<Q>>,
    /// Names that faults bound to nodes, in order; those that a condition of a workload or an expectation speaks of.
    #[serde(default, rename = "name", skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<PlannedName>,
    /// Decisions of the kernel that are taken here rather than drawn.
    #[serde(default, rename = "override", skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Override>,
}

/// Who says, in a replay, what clients are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asking {
    /// The operations of the plan.
    #[default]
    Plan,
    /// The workload of the scenario, as in a first run: it reacts to what clients are answered now.
    Live,
}

impl Asking {
    /// Whether the plan says it.
    pub const fn is_plan(&self) -> bool {
        matches!(self, Self::Plan)
    }
}

/// The plan of a system's runs.
pub type PlanOf<N> = Plan<<N as Node>::Operation, <N as Node>::Order>;

/// How a replay knows when an entry is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timing {
    /// By the count of events: the same run, bit for bit.
    #[default]
    Exact,
    /// By the time: for a plan that was edited.
    Time,
}

/// A moment of a run: a true time, and how many events had been handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moment {
    /// True time.
    pub at: Instant,
    /// Events handled before.
    pub after_events: u64,
    /// The ordinal among all that was done to the world: the order at one moment.
    #[serde(default)]
    pub order: u64,
}

/// A fault, when it starts, and when it is lifted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedFault {
    /// The id of the fault or nemesis in the scenario that it came from, with its ordinal: `overlap`, `weather.3`.
    pub id: String,
    /// When it starts.
    pub start: Moment,
    /// When it is lifted; never, where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Moment>,
    /// The selector that its nodes were resolved from, as the scenario wrote it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub selector: String,
    /// The line of the scenario that it came from; 0 where there is none.
    #[serde(default)]
    pub line: u32,
    /// What is done.
    pub fault: Fault,
}

/// An operation handed to a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedOperation<O> {
    /// When.
    pub start: Moment,
    /// The node.
    pub node: NodeId,
    /// What.
    pub operation: O,
    /// Whether it was asked for because the operation before it had ended: in a replay by time it waits for that again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub after_completion: bool,
}

/// An order given to a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedOrder<Q> {
    /// When.
    pub start: Moment,
    /// To which node.
    pub node: NodeId,
    /// Which order.
    pub order: Q,
}

/// A name that stands for a node from a moment on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedName {
    /// When.
    pub start: Moment,
    /// The name.
    pub name: String,
    /// The node.
    pub node: NodeId,
}

impl<O, Q> Plan<O, Q> {
    /// A plan in which nothing is done.
    pub const fn empty() -> Self {
        Self {
            format: FORMAT,
            timing: Timing::Exact,
            workload: Asking::Plan,
            faults: Vec::new(),
            operations: Vec::new(),
            orders: Vec::new(),
            names: Vec::new(),
            overrides: Vec::new(),
        }
    }
}
