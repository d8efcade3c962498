//! The table of `reports/gallery/raft-bugs.md`: how likely one run finds each known bug of Raft, by which invariants.
//!
//! The *general swarm* is all shipped swarms in turn: seed n runs swarm n modulo their number. A bug's *own scenario*
//! is the file of its name in `scenarios/raft/bugs`. Both are run with all invariants of the scenario and with the
//! black boxes among them alone, whole runs, settle phase included.
//!
//! The *matrix* says which invariants fire, the first one or later ones: a run that broke one is run again without it,
//! until nothing breaks. So an invariant that always fires after another is seen too.
//!
//! `cargo bench --bench bugs` prints a short form; `-- --seeds N` asks for N seeds a cell, `--write` keeps the table.
//! What is measured is a function of the build and N. Measured cells are kept under `target/bugs`, by the bytes of the
//! program and of the scenarios, so that an interrupted call goes on where it ended.

#[path = "common/arguments.rs"]
mod arguments;
#[path = "common/share.rs"]
mod share;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use splitbrain::scenario::{self, Scenario, SystemDescription};
use splitbrain_kernel::invariant::{Invariants as _, NamedInvariant, Sight};
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::{Outcome, ReportOf};
use splitbrain_kernel::system::System;
use splitbrain_kernel::world::World;
use splitbrain_systems::raft::Raft;
use splitbrain_systems::raft::bug::Bug;

use crate::arguments::number_after;
use crate::share::cell;

/// Seeds of a cell by default.
const SEEDS: u64 = 20;

/// Seeds of a row of the matrix, unless a cell has fewer.
const MATRIX_SEEDS: u64 = 200;

type Report = ReportOf<<Raft as System>::Node>;

/// Which invariants are on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Eyes {
    All,
    BlackBox,
}

impl Eyes {
    const BOTH: [Self; 2] = [Self::All, Self::BlackBox];

    const fn name(self) -> &'static str {
        match self {
            Self::All => "all invariants",
            Self::BlackBox => "black box",
        }
    }

    fn see(self, invariant: &NamedInvariant) -> bool {
        self == Self::All || invariant.info.sight == Sight::BlackBox
    }
}

/// Scenarios that are run in turn.
struct Arm {
    name: String,
    files: Vec<Scenario>,
    /// A hash of their bytes, by which measured cells are kept.
    bytes: u64,
}

impl Arm {
    fn load(name: &str, paths: &[PathBuf]) -> Self {
        let texts: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).expect("it can be read")).collect();
        let load = |(path, text): (&PathBuf, &Vec<u8>)| {
            let loaded = scenario::load(&path.display().to_string(), text, &[SystemDescription::of::<Raft>()]);
            loaded.unwrap_or_else(|wrong| panic!("{wrong}"))
        };
        let files = paths.iter().zip(&texts).map(load).collect();
        Self { name: name.to_owned(), files, bytes: hash(&texts.concat()) }
    }

    /// All shipped swarms.
    fn general() -> Self {
        let is_swarm = |path: &PathBuf| file_stem(path).starts_with("swarm");
        Self::load("general swarm", &files_of("scenarios/raft").into_iter().filter(is_swarm).collect::<Vec<_>>())
    }

    /// The scenario that is made for this bug.
    fn own(bug: &str) -> Option<Self> {
        let path = PathBuf::from(format!("scenarios/raft/bugs/{bug}.toml"));
        path.exists().then(|| Self::load("own scenario", &[path]))
    }

    /// The run with this seed and bug, with those invariants of the scenario on that `keep` wants.
    fn run(&self, seed: u64, bug: Bug, keep: impl Fn(&NamedInvariant) -> bool) -> Report {
        let scenario = &self.files[seed as usize % self.files.len()];
        let mut resolved = scenario::resolve::<Raft>(scenario, Seed(seed)).expect("options that stand together");
        let list = invariants();
        resolved.options.invariants = resolved.options.invariants.filter(list.len(), |index| keep(&list[index]));
        World::new(&with_bug(&resolved.system, bug), &resolved.options, Seed(seed)).run()
    }
}

fn with_bug(system: &Raft, bug: Bug) -> Raft {
    let mut setup = system.setup().clone();
    setup.options.base.bug = bug;
    setup.options.of.values_mut().for_each(|options| options.bug = bug);
    Raft::over(setup).expect("a known bug contradicts no option")
}

fn invariants() -> Vec<NamedInvariant> {
    <Raft as System>::Invariants::GROUPS.named(Raft::NAME)
}

/// How a run ended that is a hit: by an invariant, or by a panic or a budget.
fn hit(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Passed => None,
        Outcome::Violated(violation) | Outcome::Stalled(violation) => Some(violation.invariant.clone()),
        Outcome::Panicked(_) | Outcome::Diverged(_) | Outcome::Exhausted(_) => Some(outcome.name().to_owned()),
    }
}

/// What can be measured by itself.
enum Job<'a> {
    /// In how many of these seeds is the bug found?
    Chance { arm: &'a Arm, bug: Bug, eyes: Eyes, seeds: u64 },
    /// Which invariants fire, each in how many of these seeds?
    Matrix { arm: &'a Arm, bug: Bug, seeds: u64 },
}

impl Job<'_> {
    /// What the result is kept under.
    fn key(&self) -> String {
        match self {
            Self::Chance { arm, bug, eyes, seeds } => {
                format!("{} {:016x} {bug:?} {} {seeds}", arm.name, arm.bytes, eyes.name())
            }
            Self::Matrix { arm, bug, seeds } => format!("{} {:016x} {bug:?} matrix {seeds}", arm.name, arm.bytes),
        }
    }

    /// Counts by name; those of a chance stand under `hits`.
    fn measure(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        match self {
            Self::Chance { arm, bug, eyes, seeds } => {
                let is_hit = |seed: &u64| hit(&arm.run(*seed, *bug, |one| eyes.see(one)).outcome).is_some();
                counts.insert("hits".to_owned(), (0..*seeds).filter(is_hit).count() as u64);
            }
            Self::Matrix { arm, bug, seeds } => {
                for name in (0..*seeds).flat_map(|seed| fired(arm, *bug, seed)) {
                    *counts.entry(name).or_default() += 1;
                }
            }
        }
        counts
    }
}

/// Every invariant that fires in this run if those before it are off.
fn fired(arm: &Arm, bug: Bug, seed: u64) -> BTreeSet<String> {
    let mut fired = BTreeSet::new();
    while let Some(name) = hit(&arm.run(seed, bug, |one| !fired.contains(one.name.as_ref())).outcome) {
        if !fired.insert(name) {
            // A panic or a budget, which no switch takes away.
            break;
        }
    }
    fired
}

/// Measured cells on the disk: a line for each, its key and its counts.
struct Kept {
    path: PathBuf,
    known: Mutex<BTreeMap<String, BTreeMap<String, u64>>>,
}

impl Kept {
    /// The cells of this very program.
    fn open() -> Self {
        let program = std::env::current_exe().and_then(std::fs::read).expect("the program can be read");
        let folder = Path::new("target/bugs");
        std::fs::create_dir_all(folder).expect("the folder can be made");
        let path = folder.join(format!("raft-{:016x}.jsonl", hash(&program)));
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        // The last line may be cut off.
        let known = text.lines().filter_map(|line| serde_json::from_str::<(String, _)>(line).ok()).collect();
        Self { path, known: Mutex::new(known) }
    }

    fn get(&self, key: &str) -> Option<BTreeMap<String, u64>> {
        self.known.lock().expect("no thread panics with it").get(key).cloned()
    }

    fn add(&self, key: String, counts: BTreeMap<String, u64>) {
        let line = serde_json::to_string(&(&key, &counts)).expect("text and numbers");
        let mut known = self.known.lock().expect("no thread panics with it");
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&self.path);
        std::io::Write::write_all(&mut file.expect("it can be opened"), format!("{line}\n").as_bytes())
            .expect("it can be written");
        known.insert(key, counts);
    }

    /// Measures what is not known yet, on all cores.
    fn measure(&self, jobs: &[Job<'_>]) {
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                let key = job.key();
                if self.get(&key).is_none() {
                    let counts = job.measure();
                    eprintln!("{key}: {counts:?}");
                    self.add(key, counts);
                }
            }
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    }

    fn of(&self, job: &Job<'_>) -> BTreeMap<String, u64> {
        self.get(&job.key()).expect("all jobs are measured")
    }
}

/// Everything that is asked of one bug, or of the clean system.
struct Row {
    name: &'static str,
    bug: Bug,
    own: Option<Arm>,
}

impl Row {
    fn all() -> Vec<Self> {
        let row = |(name, _): &(&'static str, _)| {
            let bug = Bug::from_name(name).expect("it is one of its names");
            Self { name, bug, own: Arm::own(name) }
        };
        Bug::NAMES.iter().map(row).collect()
    }

    fn chances<'a>(&'a self, general: &'a Arm, seeds: u64) -> Vec<Job<'a>> {
        let arms = [Some(general), self.own.as_ref()].into_iter().flatten();
        arms.flat_map(|arm| Eyes::BOTH.map(|eyes| Job::Chance { arm, bug: self.bug, eyes, seeds })).collect()
    }

    fn matrix<'a>(&'a self, general: &'a Arm, seeds: u64) -> Job<'a> {
        let arm = self.own.as_ref().unwrap_or(general);
        Job::Matrix { arm, bug: self.bug, seeds: seeds.min(MATRIX_SEEDS) }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let seeds = number_after(&arguments, "--seeds", SEEDS);
    let (general, rows, kept) = (Arm::general(), Row::all(), Kept::open());
    let mut jobs: Vec<Job<'_>> = rows.iter().flat_map(|row| row.chances(&general, seeds)).collect();
    jobs.extend(rows.iter().map(|row| row.matrix(&general, seeds)));
    kept.measure(&jobs);

    let text = format!("{}\n{}", chances(&general, &rows, &kept, seeds), matrix(&general, &rows, &kept, seeds));
    print!("{text}");
    if arguments.iter().any(|argument| argument == "--write") {
        std::fs::create_dir_all("reports/gallery").expect("the gallery can be made");
        std::fs::write("reports/gallery/raft-bugs.md", &text).expect("the gallery can be written");
    }
    let alarms: u64 = rows[0].chances(&general, seeds).iter().map(|job| kept.of(job)["hits"]).sum();
    assert_eq!(alarms, 0, "the clean swarms are silent");
}

fn chances(general: &Arm, rows: &[Row], kept: &Kept, seeds: u64) -> String {
    let mut table = format!(
        "# Known bugs of Raft\n\n\
         How likely one run finds a known bug: hits in the first {seeds} seeds of each cell, with the share and its \
         95 % interval (Wilson).\n\
         Made by `cargo bench --bench bugs -- --seeds {seeds} --write` (`just raft-bugs {seeds}`), which goes on where \
         it was interrupted.\n\n\
         The general swarm is the {} shipped swarms in turn, so most of its runs cannot show a bug of one preset or \
         feature.\n\
         Own scenario: the file of the bug's name in `scenarios/raft/bugs`.\n\
         Black box: only the invariants that look at nothing but what nodes say.\n\
         The row `none` is the clean system: a hit would be a false alarm.\n\n\
         | bug | general swarm | black box | own scenario | black box |\n| --- | --- | --- | --- | --- |\n",
        general.files.len()
    );
    for row in rows {
        let cells = row.chances(general, seeds).iter().map(|job| cell(kept.of(job)["hits"], seeds)).collect::<Vec<_>>();
        let missing = if row.own.is_some() { "" } else { " – | – |" };
        let _ = writeln!(table, "| `{}` | {} |{missing}", row.name, cells.join(" | "));
    }
    table
}

fn matrix(general: &Arm, rows: &[Row], kept: &Kept, seeds: u64) -> String {
    let seeds = seeds.min(MATRIX_SEEDS);
    let mut table = format!(
        "## Which invariants fire\n\n\
         Over the first {seeds} seeds of a bug's own scenario (without one: of the general swarm), each invariant that \
         fires, with the number of seeds.\n\
         A run that broke one is run again without it, until nothing breaks.\n\n\
         | bug | invariants |\n| --- | --- |\n"
    );
    let mut never: BTreeSet<String> = invariants().into_iter().map(|one| one.name.into_owned()).collect();
    for row in rows {
        let mut counts: Vec<_> = kept.of(&row.matrix(general, seeds)).into_iter().collect();
        counts.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), name.clone()));
        never.retain(|name| counts.iter().all(|(fired, _)| fired != name));
        let cells: Vec<String> = counts.iter().map(|(name, count)| format!("`{name}` {count}")).collect();
        let _ =
            writeln!(table, "| `{}` | {} |", row.name, if cells.is_empty() { "–".into() } else { cells.join(", ") });
    }
    let never: Vec<String> = never.iter().map(|name| format!("`{name}`")).collect();
    let _ = writeln!(
        table,
        "\nFired for no known bug: {}.",
        if never.is_empty() { "none".into() } else { never.join(", ") }
    );
    table
}

fn files_of(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    paths
}

fn file_stem(path: &Path) -> String {
    path.file_stem().expect("a scenario has a name").to_string_lossy().into_owned()
}

fn hash(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}
