//! The scenario language: TOML text → decoded and checked ([`load`]) → resolved for a seed ([`resolve`]).
//!
//! [`load`] knows a system only by its [`SystemDescription`], plain data, so that one decoder serves them all and a
//! [`Scenario`] has no type parameter. [`resolve`] is the only generic part. Nothing here runs anything, reads a file
//! or draws outside of `resolve`.
//!
//! A file whose keys are drawn once a run is a scenario for each combination of their values. `load` reads the text for
//! the combinations that it tries, and `resolve` once more for the one that its seed draws (`draw`, `combination`).
//!
//! ```text
//!  bytes ──syntax──▶ spanned tree ──section/*──▶ Scenario ──resolve::<S>(seed)──▶ Resolved<S>
//!                        ▲                         │  ▲                              (system, RunOptions, facts)
//!              keys and shapes: one table ─────────┘  └── to_toml
//!                        └──▶ schema, reference, "known: …"
//! ```
//!
//! An error says where it is, and what would have been right:
//!
//! ```
//! use splitbrain::scenario::{self, SystemDescription};
//! use splitbrain_systems::raft::Raft;
//!
//! let text = "# Goal.\nformat = 1\nsystem = \"raft\"\ncluster = { servers = 3 }\nrun = { durations = \"5s\" }\n";
//! let wrong = scenario::load("a.toml", text.as_bytes(), &[SystemDescription::of::<Raft>()]).unwrap_err();
//! let first = &wrong.list[0];
//! assert_eq!((first.position.line, first.path.as_str()), (5, "run.durations"));
//! assert_eq!(first.nearest.as_deref(), Some("duration"));
//! ```

mod combination;
mod description;
mod diagnostic;
mod did_you_mean;
mod draw;
mod expect;
mod foreign;
mod key;
mod names;
mod notes;
mod plan;
mod reader;
mod reference;
mod resolve;
mod schema;
mod section;
mod shape;
mod source;
mod syntax;
mod variant;
mod write;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use splitbrain_kernel::director::spec::{FaultSpec, NemesisSpec};
use splitbrain_kernel::fault::Offset;
use splitbrain_kernel::fault::{Latency, LinkConditions};
use splitbrain_kernel::id::{Cluster, Link, NodeId};
use splitbrain_kernel::options::Value;
use splitbrain_kernel::rng::Ppm;
use splitbrain_kernel::run::{Budget, DiskOptions, Redial, Ties};
use splitbrain_kernel::selector::{Selector, Span};
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::workload::Cue;

pub use combination::Draws;
pub use description::{
    GroupDescription, OptionDescription, OptionKind, PresetDescription, RenamedOption, SystemDescription,
};
pub use diagnostic::{Colour, Diagnostic, Diagnostics, ScenarioError};
pub use expect::{Expect, ExpectedOutcome, ExpectedViolation, Filter, MetricBound, OutcomeName, Reach};
pub use names::Names;
pub use notes::{Note, refuse_idle};
pub use plan::{PlanCheck, PlanError, PlanLines, ReadPlan, read_plan, write_plan};
pub use reference::{fault_actions, reference};
pub use resolve::{Chosen, Facts, Resolved, is_restart, notes, resolve, verify};
pub use schema::schema;
pub use source::{Position, SourceFile};
pub use splitbrain_kernel::workload::Rate;
pub use variant::{Assignment, Picks};

use key::Table;
use reader::Reader;
use section::top;

/// The most bytes that a scenario has. Of a longer file one more is enough to tell.
pub const BYTES_MAX: usize = syntax::BYTES_MAX;

/// The version of the scenario language that this build reads.
pub const FORMAT: u64 = 1;

/// A scenario, decoded and checked: every key has its value or its default, every name is known, and what can be
/// checked before a seed is chosen holds.
///
/// - Ids of faults and nemeses are unique.
/// - Every node that is named belongs to the cluster.
/// - Every role, invariant, observation, workload, order, preset and option is one that the system knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// The text that it was read from.
    pub source: SourceFile,
    /// The name of the file, without directory and ending.
    pub name: String,
    /// What it is about: the first comment of the file.
    pub goal: String,
    /// The name of the system.
    pub system: String,
    /// Words by which scenarios are selected.
    pub tags: Vec<String>,
    /// `[cluster]`: how many nodes.
    pub cluster: Cluster,
    /// `[cluster.restart]`: which processes are started again after they ended by themselves.
    pub restart: Option<RestartPolicy>,
    /// `[<system>]`: preset and options.
    pub options: OptionChoices,
    /// `[network]`: the conditions when nothing is wrong.
    pub network: NetworkChoices,
    /// `[clocks]`: what each node's clocks are drawn from.
    pub clocks: ClockChoices,
    /// `[clocks]`: the bounds that the system may rely on.
    pub bounds: ClockBounds,
    /// `[disk]`: the disks.
    pub disk: DiskOptions,
    /// `[disk.nodes.<node>]`: the disks of single nodes.
    pub disks: BTreeMap<NodeId, DiskOptions>,
    /// `[workload]`: what the clients do; `None` if the table is absent.
    pub workload: Option<WorkloadChoice>,
    /// `[[fault]]`: directed faults, in the order of the file.
    pub faults: Vec<FaultSpec<OrderCall>>,
    /// `[[nemesis]]`: random faults, in the order of the file.
    pub nemeses: Vec<NemesisSpec<OrderCall>>,
    /// `[run]`: length, seeds and budgets.
    pub run: RunChoices,
    /// `[check]`: the names of the invariants that are on, in the system's order.
    pub invariants: Vec<String>,
    /// `[expect]`: how its runs are judged.
    pub expect: Expect,
    /// Which keys are drawn once a run. Those of `[cluster]`, `[network]`, `[clocks]`, `[disk]`, `[workload]` and
    /// `[[nemesis]]` have here the first value that they can have; [`resolve`] and [`Scenario::pinned`] draw them.
    pub draws: Draws,
}

/// `[cluster.restart]`: a supervisor of processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartPolicy {
    /// Whose processes: nodes, or all of a kind.
    pub on: Vec<Selector>,
    /// How long after its end a process starts again; drawn each time.
    pub after: Span<Duration>,
    /// How often each process is started again; without a limit if `None`.
    pub times: Option<u64>,
    /// The line of the scenario that states it.
    pub line: u32,
}

/// A value that is constant, or drawn once a run. The draw is keyed by the path of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drawn<T> {
    /// Always this.
    Constant(T),
    /// `"a..b"`: evenly between two bounds, both included.
    Range {
        /// The least.
        low: T,
        /// The most.
        high: T,
    },
    /// `{ choose = [a, b] }`: one of these, evenly.
    Choose(Vec<T>),
}

/// `[<system>]`: where the options start from, and what is set on top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionChoices {
    /// The preset.
    pub preset: Drawn<String>,
    /// What is set for all nodes, in the system's order of options.
    pub base: Vec<OptionSetting>,
    /// What is set for single nodes on top of that.
    pub nodes: BTreeMap<NodeId, Vec<OptionSetting>>,
}

/// One option that a scenario sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionSetting {
    /// The option, by its path.
    pub name: String,
    /// The path by which its draw is keyed: the one that the option had first.
    pub stream: String,
    /// Its value, or what it is drawn from.
    pub value: Drawn<Value>,
    /// Where the scenario sets it: a byte range of the source.
    pub span: std::ops::Range<usize>,
}

/// `[network]`: as the kernel's, with the chances that may be drawn once a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkChoices {
    /// How long a packet takes, drawn for each message.
    pub latency: Latency,
    /// Chance that a datagram is lost.
    pub loss: Drawn<Ppm>,
    /// Chance that a datagram arrives twice.
    pub duplication: Drawn<Ppm>,
    /// Chance that a datagram takes an extra delay.
    pub reordering: Drawn<Ppm>,
    /// The most that the extra delay can be.
    pub reordering_delay: Duration,
    /// Bytes a second on each link; no limit where zero.
    pub bandwidth: u64,
    /// When a silent connection is given up.
    pub connection_timeout: Duration,
    /// The back-off of nodes that open connections.
    pub redial: Option<Redial>,
    /// `[[network.link]]`: links with other conditions, in order; later ones win.
    pub links: Vec<(Vec<Link>, LinkConditions)>,
}

/// `[clocks]`: drawn once for each node, by the node's own stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockChoices {
    /// For every node that is not named below.
    pub base: ClockSpans,
    /// `[clocks.nodes.<node>]`.
    pub nodes: BTreeMap<NodeId, ClockSpans>,
}

/// What the clocks of a node are drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockSpans {
    /// How much the clocks run fast, in parts per million.
    pub drift_ppm: Span<i32>,
    /// How far the wall clock is ahead.
    pub offset: Span<Offset>,
    /// What the monotonic clock shows at the start.
    pub monotonic: Span<Instant>,
    /// What the wall clock shows at the start, without its offset.
    pub wall: Span<Instant>,
}

/// What a scenario declares about clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockBounds {
    /// Two wall clocks differ by at most this.
    pub skew: Option<Duration>,
    /// A clock runs fast or slow by at most this many parts per million.
    pub drift_ppm: Option<u32>,
}

/// `[workload]`: what the clients do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadChoice {
    /// Its name.
    pub kind: String,
    /// How often, if the file says so.
    pub rate: Option<Rate>,
    /// The options of the workload that the file sets, in the order of the workload.
    pub settings: Vec<WorkloadSetting>,
    /// The first operation comes after this.
    pub from: Cue,
    /// No operation comes after this; the end of the run where there is none.
    pub until: Option<Cue>,
}

/// An option of a workload that a file sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadSetting {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: splitbrain_kernel::options::Value,
    /// Where the scenario states it: a byte range of the source.
    pub span: std::ops::Range<usize>,
}

/// `[run]`: length, seeds and budgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunChoices {
    /// Virtual length, the settle phase included.
    pub duration: Duration,
    /// How many seeds a campaign runs; `[expect] within` replaces it.
    pub seeds: u64,
    /// Length of the settle phase at the end.
    pub settle: Duration,
    /// The order among events at one instant.
    pub ties: Ties,
    /// Bounds that make a run end as exhausted.
    pub budget: Budget,
}

/// An order to a node, by name: [`resolve`] turns it into the system's own operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderCall {
    /// The order.
    pub name: String,
    /// Its argument; an empty text where there is none.
    pub argument: OrderArgument,
    /// Where the scenario states it: a byte range of the source.
    pub span: std::ops::Range<usize>,
}

/// The argument of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderArgument {
    /// As the system reads it.
    Text(String),
    /// The name of the node that a selector stands for when the order is given.
    Node(Selector),
}

/// Decodes and checks the text of a scenario file. `path` is what diagnostics call the file.
///
/// # Errors
/// Everything that is wrong with it, in order of position; each with its line, column and key path, what is known, and
/// what is nearest. A file that states variants is no scenario: see [`load_all`].
pub fn load(path: &str, bytes: &[u8], systems: &[SystemDescription]) -> Result<Scenario, Diagnostics> {
    load_picked(path, bytes, &Picks::default(), systems)
}

/// Decodes and checks the text of a scenario file: its variants, or what stands in it where it states none.
///
/// # Errors
/// As [`load`], for all variants at once.
pub fn load_all(
    path: &str,
    bytes: &[u8],
    picks: &Picks,
    systems: &[SystemDescription],
) -> Result<Vec<Scenario>, Diagnostics> {
    let names = if picks.variant.is_none() { names_of(bytes) } else { Vec::new() };
    if names.is_empty() {
        return load_picked(path, bytes, picks, systems).map(|one| vec![one]);
    }
    let of = |name: &String| Picks { variant: Some(name.clone()), set: picks.set.clone() };
    let loaded = names.iter().map(|name| load_picked(path, bytes, &of(name), systems));
    let (good, bad): (Vec<_>, Vec<_>) = loaded.partition(Result::is_ok);
    if bad.is_empty() {
        return Ok(good.into_iter().flatten().collect());
    }
    Err(Diagnostics::of_variants(bad.into_iter().filter_map(Result::err).collect(), names.len()))
}

/// The variants of a text, where there are some to pick from.
fn names_of(bytes: &[u8]) -> Vec<String> {
    let (text, problem) = syntax::decode_text(bytes);
    let (source, no_system) = (SourceFile::new("", &text, bytes), SystemDescription::empty());
    let tree = problem.is_none().then(|| syntax::parse(&mut Reader::new(&source, &no_system), &text)).flatten();
    tree.map_or_else(Vec::new, |tree| variant::names(tree.get_ref()))
}

fn load_picked(
    path: &str,
    bytes: &[u8],
    picks: &Picks,
    systems: &[SystemDescription],
) -> Result<Scenario, Diagnostics> {
    let own = bytes.len();
    let bytes = picks.applied_to(bytes);
    let (text, problem) = syntax::decode_text(&bytes);
    let source = SourceFile::new(path, &text, &bytes);
    let no_system = SystemDescription::empty();
    let mut reader = Reader::new(&source, &no_system);
    if let Some((span, problem)) = problem {
        reader.report(&span, "", problem);
        return reader.finish(None);
    }
    let Some(tree) = syntax::parse(&mut reader, &text) else {
        return reader.finish(None);
    };
    let table = Table::root(tree.get_ref());
    let Some(system) = top::system_of(&mut reader, &table, systems) else {
        return reader.finish(None);
    };
    let variant = variant::picked(tree.get_ref()).map(Into::into);
    let own = if bytes.len() == own { text.len() } else { own.min(text.len()) };
    let source = SourceFile { variant, own, ..source.clone() };
    combination::load(&source, system)
}

/// The tree of a text as it is decoded. `None` if the text is no scenario.
fn laid_tree(source: &SourceFile) -> Option<toml::de::DeTable<'_>> {
    let no_system = SystemDescription::empty();
    let mut reader = Reader::new(source, &no_system);
    let tree = syntax::parse(&mut reader, &source.text)?;
    Some(variant::lay(&mut reader, tree.into_inner())?.tree)
}

/// Reads a scenario file and [`load`]s it; of a file with variants `a.toml#quick` is one.
///
/// # Errors
/// A file that cannot be read, or whose text is no scenario.
pub fn load_file(path: &std::path::Path, systems: &[SystemDescription]) -> Result<Scenario, ScenarioError> {
    let shown = path.display().to_string();
    let (file, picks) = match shown.rsplit_once('#') {
        Some((file, name)) if !path.exists() => (file, Picks::variant(name)),
        _ => (&*shown, Picks::default()),
    };
    let bytes = std::fs::read(file).map_err(|error| ScenarioError::Unreadable { path: shown.clone(), error })?;
    load_picked(file, &bytes, &picks, systems).map_err(ScenarioError::Invalid)
}

impl Scenario {
    /// The number of seeds that a campaign runs: `[expect] within`, else `[run] seeds`.
    pub fn seed_count(&self) -> u64 {
        self.expect.violates.as_ref().and_then(|violates| violates.within).unwrap_or(self.run.seeds)
    }

    /// The scenario with the options that `[expect] twin` states for all nodes: every run of it must pass.
    /// `None` if none are stated.
    pub fn twin(&self) -> Option<Self> {
        let settings = &self.expect.violates.as_ref()?.twin;
        if settings.is_empty() {
            return None;
        }
        let mut twin = Self { expect: Expect::default(), ..self.clone() };
        let is_kept = |one: &OptionSetting| settings.iter().all(|other| other.name != one.name);
        twin.options.nodes.values_mut().for_each(|of| of.retain(is_kept));
        twin.options.base.retain(is_kept);
        twin.options.base.extend(settings.iter().cloned());
        Some(twin)
    }

    /// When the settle phase begins; the end of the run where there is none.
    pub fn settle_start(&self) -> Instant {
        Instant::ZERO.saturating_add(self.run.duration.saturating_sub(self.run.settle))
    }
}
