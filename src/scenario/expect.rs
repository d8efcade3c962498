//! What a scenario expects of its runs. Judging is the campaign's; this is what it judges by.

use splitbrain_kernel::selector::Condition;

use super::OptionSetting;
use super::combination::Draws;
use super::description::SystemDescription;
use super::reader::Problem;
use super::resolve::Facts;
use super::section::expect::read_terms;

/// `[expect]`. Where it states neither outcome nor violation, every run must pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expect {
    /// How runs must end. Each run is held to every entry whose filter matches it; a run that none matches must pass.
    pub outcomes: Vec<ExpectedOutcome>,
    /// What must be broken at least once in the campaign, and may be broken in any run.
    pub violates: Option<ExpectedViolation>,
    /// Bounds on figures of each run.
    pub bounds: Vec<MetricBound>,
    /// What must happen at least once in the campaign; otherwise the judgement is inconclusive.
    pub reach: Vec<Reach>,
    /// What `bounds` and `reach` name that runs do not count anyway: conditions, each under its text.
    pub counted: Vec<(String, Condition)>,
}

/// How runs must end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedOutcome {
    /// How.
    pub outcome: OutcomeName,
    /// Which runs.
    pub filter: Filter,
    /// The line that states it.
    pub line: u32,
}

splitbrain_kernel::names! {
    /// The name of an outcome that can be expected.
    pub enum OutcomeName {
        /// The run reaches its end, and nothing is broken.
        Passed = "passed",
        /// A safety property is broken.
        Violated = "violated",
        /// A liveness bound is missed while the cluster is able to make progress.
        Stalled = "stalled",
        /// A node panics.
        Panicked = "panicked",
        /// A budget is reached.
        Exhausted = "exhausted",
    }
}

/// What must be broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedViolation {
    /// One of these invariants.
    pub invariants: Vec<String>,
    /// The number of seeds within which it must be found; it replaces `[run] seeds`.
    pub within: Option<u64>,
    /// Options under which nothing is broken on the same seeds; none where no twin is stated.
    pub twin: Vec<OptionSetting>,
    /// The line that states it.
    pub line: u32,
}

/// A bound on a figure of each run, or on a percentile of it over the runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricBound {
    /// The figure: `events`, a gauge of the system, or the name under which the run counts something.
    pub metric: String,
    /// The least.
    pub at_least: Option<u64>,
    /// The most.
    pub at_most: Option<u64>,
    /// The percentile that is bounded over the runs of the campaign, from 0 to 100; `None` if each run is.
    pub percentile: Option<u64>,
    /// Which runs.
    pub filter: Filter,
    /// The line that states it.
    pub line: u32,
}

/// What must happen at least once in the campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The name under which a run counts it.
    pub name: String,
    /// The line that states it.
    pub line: u32,
}

/// Which runs: by their resolved options. An empty filter matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// All of these must hold.
    pub terms: Vec<FilterTerm>,
}

/// One condition of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterTerm {
    /// The option, or `preset`.
    pub key: String,
    /// The value that it must have, or must not have, as the facts print it.
    pub value: String,
    /// Whether it must have it.
    pub equal: bool,
}

impl Filter {
    /// Reads a condition such as `pre_vote.enabled and preset = nuraft` in the words of a system, and by the keys that
    /// a scenario draws: `network.latency = 5ms`.
    ///
    /// # Errors
    /// What is wrong with it, with what would be right.
    pub fn read(text: &str, system: &SystemDescription, draws: &Draws) -> Result<Self, String> {
        let terms = read_terms(text, system, draws.sites()).map_err(Problem::into_text)?;
        Ok(Self { terms })
    }

    /// Whether a run with these resolved options is meant.
    pub fn matches(&self, facts: &Facts) -> bool {
        self.terms.iter().all(|term| (facts.get(&term.key) == Some(term.value.as_str())) == term.equal)
    }
}
