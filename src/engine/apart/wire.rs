//! What goes over the socket: one JSON object a line. Both ends are one build, so the lines have no version.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::{Digest128, Outcome};
use splitbrain_kernel::system::Gauge;
use splitbrain_kernel::time::Instant;

use crate::engine::{AnyPlan, Diverging, Engine, Entry, EntryKind, Measure, Names, PlanText, Recorder, Run};
use crate::scenario::{Chosen, Facts};

/// What a child is asked for.
#[derive(Serialize, Deserialize)]
pub(super) struct Request {
    /// What diagnostics call the scenario.
    pub(super) path: String,
    /// Its text.
    pub(super) text: String,
    /// How the scenario comes from the text.
    pub(super) written: Written,
    pub(super) seed: u64,
    /// What is to be done with it.
    pub(super) asked: Asked,
}

/// What a child is asked to do with a scenario and a seed.
#[derive(Serialize, Deserialize)]
pub(super) enum Asked {
    /// One run.
    Run {
        /// TOML.
        plan: Option<String>,
        /// `None` for a run that is not recorded.
        recorded: Option<Recorded>,
    },
    /// Where two executions differ, as [`crate::engine::first_difference`] finds it.
    Difference { names: Names, events: u64 },
}

/// How a scenario comes from its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Written {
    /// It is what the text says.
    AsRead,
    /// It is the twin of what the text says.
    Twin,
}

/// What of a run is recorded.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct Recorded {
    /// Nothing before so many inputs.
    pub(super) after: u64,
    /// These sorts of entries.
    pub(super) kinds: Kinds,
    /// What entries hold for programs.
    pub(super) data: bool,
    /// Each entry is sent at once, as the process may die at the next.
    pub(super) at_once: bool,
}

impl Recorded {
    /// What this recorder makes use of.
    pub(super) fn by(recorder: &dyn Recorder) -> Self {
        let kinds = Kinds::of(|kind| recorder.wants(kind));
        Self { after: recorder.after(), kinds, data: recorder.wants_data(), at_once: false }
    }
}

/// A set of sorts of entries.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct Kinds(u32);

impl Kinds {
    /// Those that are wanted.
    pub(super) fn of(wants: impl Fn(EntryKind) -> bool) -> Self {
        Self(EntryKind::ALL.iter().filter(|kind| wants(**kind)).fold(0, |set, kind| set | 1 << *kind as u32))
    }

    pub(super) const fn has(self, kind: EntryKind) -> bool {
        self.0 >> kind as u32 & 1 == 1
    }
}

/// What a child says.
#[derive(Serialize, Deserialize)]
pub(super) enum Answer {
    /// The next entry of the recording.
    Entry(Entry),
    /// How many entries of each sort were left out, as no one wants them.
    Skipped(BTreeMap<EntryKind, u64>),
    /// What the run came to; nothing comes after it.
    Run(Box<WireRun>),
    /// What a panic said that no run has as its outcome; nothing comes after it.
    Panicked(String),
    /// Where two executions differ, if they do; nothing comes after it.
    Difference(Option<Diverging>),
}

impl Answer {
    /// The answer as a line.
    pub(super) fn line(&self) -> String {
        let mut line = serde_json::to_string(self).expect("an answer has no map whose keys are no text");
        line.push('\n');
        line
    }
}

/// A [`Run`] without its types.
#[derive(Serialize, Deserialize)]
pub(super) struct WireRun {
    seed: u64,
    pub(super) outcome: Outcome,
    digest: String,
    events: u64,
    end: Instant,
    counts: BTreeMap<Cow<'static, str>, u64>,
    gauges: Vec<u64>,
    measures: Vec<Measure>,
    evaluated: Vec<(Cow<'static, str>, u64)>,
    lacking: Vec<(Cow<'static, str>, u64)>,
    never_applied: Vec<String>,
    in_vain: Vec<String>,
    noticed: Vec<(Cow<'static, str>, bool)>,
    facts: Facts,
    chosen: Vec<Chosen>,
    names: Names,
    operations: u64,
    plan: WirePlan,
    history: Option<String>,
    story: Vec<String>,
    moments: BTreeMap<String, (Instant, u64)>,
}

/// What the parent gets of the plan of a run.
#[derive(Serialize, Deserialize)]
enum WirePlan {
    /// It is not known, or not of interest.
    None,
    /// As TOML.
    Toml(String),
    /// Why TOML cannot hold it.
    Unwritable(String),
}

impl WirePlan {
    fn of(plan: &AnyPlan) -> Self {
        plan.try_to_toml().map_or_else(|error| Self::Unwritable(one_line(&error.to_string())), Self::Toml)
    }

    /// # Errors
    /// A plan that TOML cannot hold, or that this process does not read.
    fn read(self, engine: &dyn Engine) -> Result<Option<AnyPlan>, String> {
        let text = match self {
            Self::None => return Ok(None),
            Self::Unwritable(error) => return Err(error),
            Self::Toml(text) => text,
        };
        let text = PlanText { path: super::PLAN.to_owned(), text, timing: None, workload: None, force: false };
        engine.read_plan(&text).map(Some).map_err(|error| one_line(&error.to_string()))
    }
}

/// An error is a part of a longer sentence.
fn one_line(error: &str) -> String {
    error.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl WireRun {
    /// The plan of an unrecorded run that passed is not of interest: writing and reading it would cost as much as the
    /// run.
    pub(super) fn of(run: Run, is_recorded: bool) -> Self {
        let is_wanted = |_: &&AnyPlan| is_recorded || run.outcome != Outcome::Passed;
        let plan = run.plan.as_ref().filter(is_wanted).map_or(WirePlan::None, WirePlan::of);
        Self {
            seed: run.seed.0,
            outcome: run.outcome,
            digest: run.digest.to_string(),
            events: run.events,
            end: run.end,
            counts: run.counts,
            gauges: run.gauges.into_iter().map(|(_, value)| value).collect(),
            measures: run.measures,
            evaluated: run.evaluated,
            lacking: run.lacking,
            never_applied: run.never_applied,
            in_vain: run.in_vain,
            noticed: run.noticed,
            facts: run.facts,
            chosen: run.chosen,
            names: run.names,
            operations: run.operations,
            plan,
            history: run.history,
            story: run.story,
            moments: run.moments,
        }
    }

    /// The run as this process has it.
    /// A plan that TOML cannot hold is left out, with a warning in the log of this program: what the run came to stands
    /// without it, as it does on a thread.
    ///
    /// # Errors
    /// A digest that cannot be read here.
    pub(super) fn into_run(self, engine: &dyn Engine, gauges: &'static [Gauge]) -> Result<Run, String> {
        let digest = u128::from_str_radix(&self.digest, 16);
        let digest =
            digest.map_err(|error| format!("the digest {:?} of the run is no number: {error}", self.digest))?;
        let plan = self.plan.read(engine).unwrap_or_else(|error| {
            tracing::warn!(seed = self.seed, error, "the plan of the run cannot be handed over by its process");
            None
        });
        Ok(Run {
            seed: Seed(self.seed),
            outcome: self.outcome,
            digest: Digest128(digest),
            events: self.events,
            end: self.end,
            counts: self.counts,
            gauges: gauges.iter().map(|gauge| gauge.name).zip(self.gauges).collect(),
            measures: self.measures,
            evaluated: self.evaluated,
            lacking: self.lacking,
            never_applied: self.never_applied,
            in_vain: self.in_vain,
            noticed: self.noticed,
            facts: self.facts,
            chosen: self.chosen,
            names: self.names,
            operations: self.operations,
            plan,
            lost: None,
            history: self.history,
            surroundings: Vec::new(),
            story: self.story,
            moments: self.moments,
        })
    }
}
