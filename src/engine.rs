//! What carries out runs: one face for the kernel, for other simulators, and for tests.
//!
//! A campaign knows no system and no world. It asks an [`Engine`] for [`Worker`]s, one a thread, and a worker for runs.
//! What is below is generic over the system and dispatched once a run, never inside one. The front page of this crate
//! has an example.

mod any_system;
#[cfg(unix)]
pub(crate) mod apart;
mod difference;
mod kernel;
mod log;
mod noticed;
pub(crate) mod panic_hook;
mod plan;
mod recording;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use splitbrain_kernel::measure::Span;
use splitbrain_kernel::plan::PlannedFault;
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::{Digest128, Outcome};
use splitbrain_kernel::time::Instant;

use crate::scenario::{Chosen, Diagnostics, Facts};

pub use crate::scenario::Names;

pub use any_system::{AnySystem, Isolation, OpenError, Simulated, Unsupported};
pub(crate) use difference::{AHEAD_MAX, Feed, alike, first as first_difference};
pub use difference::{Alike, Comparison, Deeds, Difference, Diverging, Side};
pub use kernel::{Opened, Tracing, run_of};
pub use log::{Capture, LogLevel, LogLine, Stamp};
pub(crate) use panic_hook::install as install_panic_hook;
pub use panic_hook::{THREAD as RUN_THREAD, take_place as take_panic_place};
pub use plan::{AnyPlan, NeverDue, PlanEntry, PlanText};
pub(crate) use recording::After;
pub use recording::{
    Entry, EntryKind, FORMAT, Header, Ignore, LINE_BYTES_MAX, Recorder, RecordingError, RecordingKind, RecordingReader,
    RecordingWriter,
};

/// The name of the engine that everything is made for.
pub const KERNEL: &str = "kernel";

/// One scenario, ready to carry out any job: a seed, or a seed and a plan.
///
/// - A run is a pure function of the engine and the job: neither the worker nor the runs before it matter.
/// - Recording a run changes nothing about it.
pub trait Engine: Send + Sync {
    /// What runs are carried out on, one for each thread: it keeps buffers between runs.
    fn worker(&self) -> Box<dyn Worker + '_>;

    /// The options of the run with this seed, all of them, as they would be printed.
    ///
    /// # Errors
    /// Options that cannot stand together once they are drawn for this seed.
    fn settings(&self, seed: Seed) -> Result<Settings, Diagnostics>;

    /// Reads a plan of this scenario, and checks it once: it can then be run and edited as often as somebody wants.
    ///
    /// # Errors
    /// A text that is no plan of this scenario, or a plan that this engine cannot follow.
    fn read_plan(&self, text: &PlanText) -> Result<AnyPlan, OpenError>;

    /// Its name: a plan is replayed exactly only by the engine that made it.
    fn name(&self) -> &'static str {
        KERNEL
    }

    /// Invariants that the scenario has on and this engine cannot evaluate: those that look at node state, where there
    /// is none to look at. They are told as skipped.
    fn skipped(&self) -> Vec<Cow<'static, str>> {
        Vec::new()
    }
}

/// What a worker is asked to run.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// The seed of every stream.
    pub seed: Seed,
    /// The plan to follow in place of the faults, nemeses and operations that the scenario states; `None` for a run
    /// that makes its own.
    pub plan: Option<&'a AnyPlan>,
}

impl<'a> Job<'a> {
    /// The run with this seed that follows a plan.
    pub const fn following(seed: Seed, plan: &'a AnyPlan) -> Self {
        Self { seed, plan: Some(plan) }
    }
}

impl From<Seed> for Job<'_> {
    fn from(seed: Seed) -> Self {
        Self { seed, plan: None }
    }
}

/// Carries out runs, one after another.
pub trait Worker {
    /// Carries out a job. The recorder, if there is one, gets everything that happens.
    ///
    /// A panic in a node is an outcome; one that leaves this function is counted as a panic of the simulator.
    ///
    /// # Panics
    /// If the plan is one of another system.
    fn run(&mut self, job: Job<'_>, recorder: Option<&mut dyn Recorder>) -> Run;

    /// What ends the run that is under way, from another thread: [`Worker::run`] then comes back at once, with a panic.
    /// `None` for a worker whose runs cannot be ended, as they are carried out on the thread that asks for them.
    fn stopper(&self) -> Option<Stopper> {
        None
    }

    /// Where two executions of one run differ, if this worker carried them out where its caller cannot carry out more.
    /// `None` if the caller can find out by itself.
    fn first_difference(&mut self, run: &Run, again: &Run) -> Option<Diverging> {
        let _ = (run, again);
        None
    }
}

/// Ends the run of a worker that is under way; without one, nothing happens.
pub type Stopper = Arc<dyn Fn() + Send + Sync>;

/// Why nothing more is known of a run than that it did not come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Its process died: an abort, or a stack that overflowed.
    Died,
    /// The watchdog ended it.
    Overdue,
}

impl Lost {
    /// Its name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Died => "died",
            Self::Overdue => "overdue",
        }
    }
}

/// The payload of a panic of [`Worker::run`] whose run was lost with its process.
#[derive(Debug)]
pub(crate) struct ProcessLost(pub(crate) String);

/// What a run came to, whatever the system.
#[derive(Clone, Debug)]
pub struct Run {
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
    /// How often each observation, fault kind and condition of the world came. A name that is absent: never.
    pub counts: BTreeMap<Cow<'static, str>, u64>,
    /// The gauges of the system.
    pub gauges: Vec<(&'static str, u64)>,
    /// What is measured in every run.
    pub measures: Vec<Measure>,
    /// How often each invariant that is on was evaluated.
    pub evaluated: Vec<(Cow<'static, str>, u64)>,
    /// The invariants that could not be evaluated, in whole or in part, because a node cannot say what they ask for,
    /// and how often.
    pub lacking: Vec<(Cow<'static, str>, u64)>,
    /// Faults and nemeses of the scenario that never acted or have changed nothing, by id.
    pub never_applied: Vec<String>,
    /// Those of them that acted and changed nothing.
    pub in_vain: Vec<String>,
    /// The keys of `[network]` and `[clocks]` that say something else than by default and that not every run can
    /// notice, by path, each with whether something in this run could. Empty if the engine does not know.
    pub noticed: Vec<(Cow<'static, str>, bool)>,
    /// The options of the system by name, for `where`.
    pub facts: Facts,
    /// What was drawn once for this run, where the scenario leaves a choice.
    pub chosen: Vec<Chosen>,
    /// The names of its nodes.
    pub names: Names,
    /// How many operations clients were given.
    pub operations: u64,
    /// What was done to the world; `None` if that is not known, or not of interest.
    pub plan: Option<AnyPlan>,
    /// Why nothing more is known of it; `None` for a run that came to its end.
    pub lost: Option<Lost>,
    /// The lines of the history of clients (see [`crate::history`]), without a header; only of a run that was recorded.
    pub history: Option<String>,
    /// What stands around the first difference, for people; only of a run that diverged.
    pub surroundings: Vec<String>,
    /// What a broken invariant has to say beside its facts, for people.
    pub story: Vec<String>,
    /// The moments at which figures went beyond their upper bounds, by name; only of a run that was recorded.
    pub moments: BTreeMap<String, (Instant, u64)>,
}

impl Run {
    /// The faults of its plan, in order.
    pub fn faults(&self) -> &[PlannedFault] {
        self.plan.as_ref().map_or(&[], AnyPlan::faults)
    }

    /// The figure with this name: `events`, a gauge, a measure, or else a count. `None` if it is a measure of something
    /// that did not happen in this run.
    pub fn figure(&self, name: &str) -> Option<u64> {
        if name == "events" {
            return Some(self.events);
        }
        if let Some((_, value)) = self.gauges.iter().find(|(gauge, _)| *gauge == name) {
            return Some(*value);
        }
        match self.measures.iter().find(|measure| measure.name == name) {
            Some(measure) => measure.value,
            None => Some(self.counts.get(name).copied().unwrap_or(0)),
        }
    }

    /// When a measure was, if its value is the length of one span of time.
    pub fn span(&self, name: &str) -> Option<Span> {
        self.measures.iter().find(|measure| measure.name == name)?.span
    }

    /// Every figure that is no count, with its value if it has one: `events`, gauges, measures.
    pub fn figures(&self) -> impl Iterator<Item = (&str, Option<u64>)> {
        let gauges = self.gauges.iter().map(|(name, value)| (*name, Some(*value)));
        let measures = self.measures.iter().map(|measure| (measure.name.as_str(), measure.value));
        [("events", Some(self.events))].into_iter().chain(gauges).chain(measures)
    }
}

/// A measure of one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// Its name, as `[expect]` has it.
    pub name: String,
    /// Its value; `None` if what it measures did not happen.
    pub value: Option<u64>,
    /// When it was, if the value is the length of one span of time.
    pub span: Option<Span>,
}

/// The resolved options of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Key path and value, in the order of the scenario file.
    pub lines: Vec<(String, String)>,
    /// The same as a scenario without choices: what `resolved.toml` of an artifact holds.
    pub toml: String,
    /// The options of the system, for conditions on them.
    pub facts: Facts,
}

impl Run {
    /// A run of which no more is known than how it ended.
    pub fn without_counts(seed: Seed, outcome: Outcome, digest: Digest128) -> Self {
        Self {
            seed,
            outcome,
            digest,
            events: 0,
            end: Instant::ZERO,
            counts: BTreeMap::new(),
            gauges: Vec::new(),
            measures: Vec::new(),
            evaluated: Vec::new(),
            lacking: Vec::new(),
            never_applied: Vec::new(),
            in_vain: Vec::new(),
            noticed: Vec::new(),
            facts: Facts::default(),
            chosen: Vec::new(),
            names: Names::default(),
            operations: 0,
            plan: None,
            lost: None,
            history: None,
            surroundings: Vec::new(),
            story: Vec::new(),
            moments: BTreeMap::new(),
        }
    }
}
