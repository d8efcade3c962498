//! What a run is made from and what it comes to.

use std::any::Any;
use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::director::spec::{FaultSpec, NemesisSpec};
use crate::fault::{Latency, LinkConditions, Offset};
use crate::id::{Cluster, NodeId};
use crate::invariant::{InvariantSet, Violation};
use crate::measure::Measured;
use crate::network::Carried;
use crate::node::Node;
use crate::plan::{Plan, PlannedOperation, PlannedOrder};
use crate::rng::{Ppm, Seed};
use crate::selector::Condition;
use crate::system::System;
use crate::time::{Duration, Instant};
use crate::workload::{Idle, Load};

/// Everything that decides a run, beside the system and the seed: the resolved options, all printed.
#[derive(Clone, Debug)]
pub struct RunOptions<O, Q, W = Idle> {
    /// How many nodes.
    pub cluster: Cluster,
    /// The network's conditions when nothing is wrong.
    pub network: NetworkOptions,
    /// Each node's clocks; a node that is not named has a perfect one.
    pub clocks: BTreeMap<NodeId, ClockOptions>,
    /// The disks.
    pub disk: DiskOptions,
    /// The disks of single nodes; all others are as `disk`.
    pub disks: BTreeMap<NodeId, DiskOptions>,
    /// Faults, as stated.
    pub faults: Vec<FaultSpec<Q>>,
    /// Nemeses, as stated.
    pub nemeses: Vec<NemesisSpec<Q>>,
    /// What clients are asked for by their workloads; `None` in a replay, in which the plan says it.
    pub workload: Option<Load<W>>,
    /// Operations for clients at stated times.
    pub operations: Vec<PlannedOperation<O>>,
    /// Orders for servers at stated times.
    pub orders: Vec<PlannedOrder<Q>>,
    /// Conditions that are counted, each under the name that the report has for it.
    pub counted: Vec<(String, Condition)>,
    /// Virtual length, the settle phase included.
    pub duration: Duration,
    /// Length of the settle phase at the end; none where zero.
    pub settle: Duration,
    /// Bounds that make a run end as exhausted.
    pub budget: Budget,
    /// Which invariants are on.
    pub invariants: InvariantSet,
    /// How far a random clock fault may go.
    pub bounds: crate::system::Bounds,
    /// Whether events at the same instant are handled in an order that is drawn, rather than in order of sequence.
    pub ties: Ties,
    /// A plan to follow in place of faults, nemeses and operations.
    pub replay: Option<Plan<O, Q>>,
}

/// What the runs of a system are made from.
pub type OptionsOf<S> =
    RunOptions<<<S as System>::Node as Node>::Operation, <<S as System>::Node as Node>::Order, <S as System>::Workload>;

impl<O, Q, W> RunOptions<O, Q, W> {
    /// A quiet world of this length: a fast and reliable network, perfect clocks, good disks, nothing done to anyone.
    pub const fn ordinary(cluster: Cluster, duration: Duration) -> Self {
        let ms = Duration::from_millis;
        Self {
            cluster,
            network: NetworkOptions {
                latency: Latency::Uniform { min: ms(1), max: ms(5) },
                loss: Ppm::NEVER,
                duplication: Ppm::NEVER,
                reordering: Ppm::NEVER,
                reordering_delay: ms(10),
                bandwidth: 0,
                connection_timeout: ms(1_000),
                redial: None,
                links: Vec::new(),
            },
            clocks: BTreeMap::new(),
            disk: DiskOptions {
                write_min: Duration::from_micros(10),
                write_max: Duration::from_micros(100),
                sync_min: Duration::from_micros(500),
                sync_max: ms(2),
                capacity: 0,
            },
            disks: BTreeMap::new(),
            faults: Vec::new(),
            nemeses: Vec::new(),
            workload: None,
            operations: Vec::new(),
            orders: Vec::new(),
            counted: Vec::new(),
            duration,
            settle: Duration::ZERO,
            budget: Budget::ORDINARY,
            invariants: InvariantSet::All,
            bounds: crate::system::Bounds { skew: None, drift_ppm: None, latency: ms(5) },
            ties: Ties::Sequence,
            replay: None,
        }
    }
}

/// The order among events at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ties {
    /// In the order in which they came to be.
    Sequence,
    /// Each event draws a priority, from the stream of the node that it goes to.
    Explore,
}

/// The network when nothing is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NetworkOptions {
    /// How long a packet takes, on every link that is not named below.
    pub latency: Latency,
    /// Chance that a datagram is lost.
    pub loss: Ppm,
    /// Chance that a datagram arrives twice.
    pub duplication: Ppm,
    /// Chance that a datagram takes an extra delay.
    pub reordering: Ppm,
    /// The most that the extra delay of a reordered datagram, or of the second copy of one, can be.
    pub reordering_delay: Duration,
    /// Bytes a second on each link; no limit where zero.
    pub bandwidth: u64,
    /// A connection whose packets get no answer for this long is closed.
    pub connection_timeout: Duration,
    /// How long a node waits before it opens a connection again to a node that it did not reach. `None`: it does not
    /// wait.
    pub redial: Option<Redial>,
    /// Links with other conditions, in order; later ones win.
    pub links: Vec<(crate::id::Link, LinkConditions)>,
}

/// The back-off of a node that opens connections: a connection to a node to which the last one could not be opened is
/// opened after a wait, which doubles with each failure in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Redial {
    /// The wait after the first failure.
    pub min: Duration,
    /// The longest wait.
    pub max: Duration,
}

/// A node's clocks at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ClockOptions {
    /// What the wall clock is ahead.
    pub offset: Offset,
    /// How much both clocks run fast, in parts per million.
    pub drift_ppm: i32,
    /// What the monotonic clock shows at the start; at most [`crate::clock::ORIGIN_MAX`].
    pub monotonic: Instant,
    /// What the wall clock shows at the start if its offset is zero; at most [`crate::clock::ORIGIN_MAX`].
    pub wall: Instant,
}

/// The disks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DiskOptions {
    /// How long a write takes.
    pub write_min: Duration,
    /// The most that a write takes.
    pub write_max: Duration,
    /// How long a sync takes.
    pub sync_min: Duration,
    /// The most that a sync takes.
    pub sync_max: Duration,
    /// Records that fit; no limit where zero.
    pub capacity: u64,
}

/// Bounds on a run; reaching one ends it as exhausted. No loop and no queue is without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Budget {
    /// Events in all.
    pub events_max: u64,
    /// Entries in the event queue; at most [`crate::queue::SLOT_COUNT_MAX`].
    pub queue_max: u64,
    /// Events at one instant.
    pub instant_max: u64,
    /// Inputs that wait at a paused or slow node.
    pub inbox_max: u64,
}

impl Budget {
    /// Far beyond any sensible run, and reached within seconds by a runaway one.
    pub const ORDINARY: Self =
        Self { events_max: 20_000_000, queue_max: 500_000, instant_max: 100_000, inbox_max: 100_000 };
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It reached its end, and nothing was broken.
    Passed,
    /// A safety property was broken.
    Violated(Violation),
    /// A liveness bound was missed while the cluster was able to make progress.
    Stalled(Violation),
    /// A node panicked.
    Panicked(Panic),
    /// A second execution of the same seed was another run. Always our bug, or an impure node.
    Diverged(Divergence),
    /// A budget was reached.
    Exhausted(Exhaustion),
}

/// A panic in a node, or in the simulator while it handled one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Panic {
    /// The node that was handling an input.
    pub node: Option<NodeId>,
    /// What it said.
    pub message: String,
    /// True time.
    pub at: Instant,
    /// Events handled so far, this one included.
    pub events: u64,
}

impl Panic {
    /// The text of a panic, from its payload.
    pub fn said(payload: &(dyn Any + Send)) -> String {
        let text = payload.downcast_ref::<&'static str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        text.unwrap_or("a panic without a message").to_owned()
    }
}

/// Where two executions of one seed differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Divergence {
    /// The number of the first event that differs.
    pub event: u64,
    /// What it was in the first recording.
    pub first: String,
    /// What it was in the second.
    pub second: String,
}

/// Which budget was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exhaustion {
    /// Which.
    pub budget: BudgetKind,
    /// Its bound.
    pub bound: u64,
    /// True time.
    pub at: Instant,
    /// Events handled so far.
    pub events: u64,
}

/// A kind of budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetKind {
    /// Events in all.
    Events,
    /// Entries in the queue.
    Queue,
    /// Events at one instant.
    Instant,
    /// Inputs waiting at one node.
    Inbox,
}

impl Outcome {
    /// Its name, as `[expect] outcome` says it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Violated(_) => "violated",
            Self::Stalled(_) => "stalled",
            Self::Panicked(_) => "panicked",
            Self::Diverged(_) => "diverged",
            Self::Exhausted(_) => "exhausted",
        }
    }

    /// The violation, where there is one.
    pub const fn violation(&self) -> Option<&Violation> {
        match self {
            Self::Violated(violation) | Self::Stalled(violation) => Some(violation),
            Self::Passed | Self::Panicked(_) | Self::Diverged(_) | Self::Exhausted(_) => None,
        }
    }
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct RunReport<O, Q> {
    /// Which seed.
    pub seed: Seed,
    /// How it ended.
    pub outcome: Outcome,
    /// The running hash over everything that happened.
    pub digest: Digest128,
    /// Inputs delivered to nodes.
    pub events: u64,
    /// True time at the end.
    pub end: Instant,
    /// How often each observation, fault kind, condition of the world and condition that is counted came, by name. A
    /// name that is absent: never.
    pub counts: BTreeMap<Cow<'static, str>, u64>,
    /// The gauges of the system, in the order of its list.
    pub gauges: Vec<u64>,
    /// What is measured in every run, in the order of [`measure::list`](crate::measure::list).
    pub measures: Vec<Measured>,
    /// How often each invariant was evaluated, by index.
    pub evaluated: Vec<u64>,
    /// How often each invariant could not be evaluated because a node cannot say what it asks for, by index.
    pub lacking: Vec<u64>,
    /// What was done to the world. Of the overrides that were asked for, those whose decision came.
    pub plan: Plan<O, Q>,
    /// Lines for people that explain the violation beside its facts; tabs separate the columns of a table. If a
    /// liveness invariant gives none, they say what each server of the core is and does.
    pub story: Vec<String>,
    /// Faults of the scenario that were never applied: their trigger never came, their selector never matched, or they
    /// changed nothing. And nemeses of which this holds.
    pub never_applied: Vec<String>,
    /// Those of them that started and changed nothing.
    pub in_vain: Vec<String>,
    /// What of the world it has used.
    pub uses: Uses,
}

/// What of the world a run has used: on a run that uses no datagrams, how many of them are lost has no effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// Whether a datagram was sent.
    pub datagrams: bool,
    /// Whether a node opened a connection, or tried to.
    pub connections: bool,
    /// The nodes that read their wall clocks, in order.
    pub wall_clocks: Vec<NodeId>,
    /// What went over each of [`NetworkOptions::links`], in their order.
    pub links: Vec<Carried>,
}

/// What the runs of a system come to.
pub type ReportOf<N> = RunReport<<N as Node>::Operation, <N as Node>::Order>;

/// The digest of a run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest128(pub u128);

impl std::fmt::Display for Digest128 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl std::fmt::Debug for Digest128 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest128 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
