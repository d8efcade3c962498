//! The figures of `reports/gallery/reactor.md` and `reports/gallery/reactor-bugs.md`: how often the clean swarm of the
//! reactor came to what matters, and in how many seeds each known bug was found.
//!
//! `cargo bench --bench reactor` runs a short form; `-- --seeds N` asks for N seeds of the swarm, `--write` keeps the
//! tables, `--sequences N` notes how many sequences were compared with Linux before. A count of zero anywhere is a
//! failure: what never happened, never tested anything; and each invariant has to be evaluated with its premise true at
//! least a hundred times. The tables are a function of the build and the seeds.

#[path = "common/arguments.rs"]
mod arguments;
#[path = "common/grouped.rs"]
mod grouped;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use splitbrain::scenario::{self, Scenario, SystemDescription};
use splitbrain_kernel::invariant::Invariants as _;
use splitbrain_kernel::options::OptionFields as _;
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::{Outcome, ReportOf};
use splitbrain_kernel::system::System;
use splitbrain_kernel::world::World;
use splitbrain_systems::reactor::bug::Bug;
use splitbrain_systems::reactor::options::{Accept, Mode, Signals, Trigger};
use splitbrain_systems::reactor::{Reactor, ReactorNode};

use crate::arguments::number_after;
use crate::grouped::grouped;

/// Seeds of the swarm by default.
const SEEDS: u64 = 1_000;

/// The least that each invariant has to be evaluated.
const EVALUATIONS_MIN: u64 = 100;

/// What the swarm draws beside mode, trigger, who accepts and how signals come, with each value.
const DRAWN: [(&str, &[&str]); 12] = [
    ("events_max", &["1", "2", "4", "16"]),
    ("wait_timeout", &["0s", "2ms", "20ms"]),
    ("backlog", &["0", "1", "8"]),
    ("calls_per_turn", &["1", "3", "8"]),
    ("read_size", &["5", "16", "64", "512"]),
    ("socket_buffer", &["64", "200", "512"]),
    ("stall", &["0%", "2%", "20%"]),
    ("shuffle", &["true", "false"]),
    ("pipeline", &["1", "2", "4"]),
    ("abandon", &["0%", "1%", "5%"]),
    ("urgent", &["0%", "5%"]),
    ("request_timeout", &["10ms", "5s"]),
];

/// Seeds in which each known bug is looked for.
const BUG_SEEDS: u64 = 100;

type Report = ReportOf<ReactorNode>;

fn load(path: &Path) -> Scenario {
    let bytes = std::fs::read(path).expect("a shipped scenario can be read");
    let name = path.display().to_string();
    scenario::load(&name, &bytes, &[SystemDescription::of::<Reactor>()]).unwrap_or_else(|wrong| panic!("{wrong}"))
}

/// A run, with another bug on all nodes if one is given. Returns the choices that it drew beside the report.
fn run(scenario: &Scenario, seed: Seed, bug: Option<Bug>) -> (Vec<String>, Report) {
    let mut resolved = scenario::resolve::<Reactor>(scenario, seed).expect("options that stand together");
    if let Some(bug) = bug {
        resolved.system = resolved.system.with_bug(bug);
    }
    let options = &resolved.system.setup().options.base;
    let value = |name: &str| options.get(name).expect("it is an option").to_string();
    let drawn = ["accept", "signals"].into_iter().chain(DRAWN.map(|(name, _)| name));
    let mut choices: Vec<String> = drawn.map(|name| format!("{name} {}", value(name))).collect();
    choices.push(format!("{} {}", value("mode"), value("trigger")));
    (choices, World::new(&resolved.system, &resolved.options, seed).run())
}

/// Each choice that the swarm can draw.
fn choices() -> Vec<String> {
    let modes = Mode::ALL.iter().flat_map(|mode| Trigger::ALL.iter().map(|trigger| (mode.name(), trigger.name())));
    let modes = modes.map(|(mode, trigger)| format!("{mode} {trigger}"));
    let accept = Accept::ALL.iter().map(|accept| format!("accept {}", accept.name()));
    let signals = Signals::ALL.iter().map(|signals| format!("signals {}", signals.name()));
    let drawn = DRAWN.iter().flat_map(|(name, values)| values.iter().map(move |value| format!("{name} {value}")));
    modes.chain(accept).chain(signals).chain(drawn).collect()
}

/// The clean swarm: counts over all seeds.
#[derive(Default)]
struct Swarm {
    runs: u64,
    events: u64,
    choices: BTreeMap<String, u64>,
    figures: BTreeMap<String, u64>,
}

impl Swarm {
    fn measure(seeds: u64) -> Self {
        let scenario = load(Path::new("scenarios/reactor/swarm.toml"));
        let mut swarm = Self::default();
        // So that what never comes has a row too.
        swarm.figures.extend(names().into_iter().map(|name| (name, 0)));
        swarm.choices.extend(choices().into_iter().map(|choice| (choice, 0)));
        for seed in (0..seeds).map(Seed) {
            let (choices, report) = run(&scenario, seed, None);
            assert_eq!(report.outcome, Outcome::Passed, "{seed}");
            swarm.add(choices, &report);
        }
        swarm
    }

    fn add(&mut self, choices: Vec<String>, report: &Report) {
        self.runs += 1;
        self.events += report.events;
        choices.into_iter().for_each(|choice| *self.choices.entry(choice).or_default() += 1);
        let gauges = Reactor::GAUGES.iter().map(|gauge| gauge.name.to_owned()).zip(report.gauges.iter().copied());
        let list = <Reactor as System>::Invariants::LIST.iter();
        let evaluated = list.map(|info| format!("`{}` evaluated", info.name)).zip(report.evaluated.iter().copied());
        for (name, count) in gauges.chain(evaluated) {
            *self.figures.entry(name).or_default() += count;
        }
    }

    /// What never happened, and the invariants that were evaluated too seldom.
    fn missing(&self) -> Vec<&String> {
        let least = |name: &str| if name.ends_with(" evaluated") { EVALUATIONS_MIN } else { 1 };
        let counts = self.choices.iter().chain(&self.figures);
        counts.filter(|(name, count)| **count < least(name)).map(|(name, _)| name).collect()
    }

    fn table(&self, sequences: u64) -> String {
        let mut table = format!(
            "# The reactor\n\n\
             The clean swarm of `scenarios/reactor/swarm.toml`, by `just reactor-table`: {} seeds, {} events, no \
             violation, with all invariants on.\n\
             The figures are per 1,000 seeds; a count of zero over all seeds would be a failure, and fewer than \
             {EVALUATIONS_MIN} evaluations of an invariant with its premise true.\n\n",
            grouped(self.runs),
            grouped(self.events),
        );
        if sequences > 0 {
            let sequences = grouped(sequences);
            let _ = writeln!(
                table,
                "Against Linux, by `just reactor-linux`: {sequences} generated sequences of system calls without a \
                 difference.\n"
            );
        }
        table += "| what | in 1,000 seeds |\n| --- | --- |\n";
        let choices = self.choices.iter().map(|(name, count)| (format!("runs with {name}"), *count));
        for (name, count) in choices.chain(self.figures.iter().map(|(name, count)| (name.clone(), *count))) {
            let _ = writeln!(table, "| {name} | {} |", per_thousand(count, self.runs));
        }
        table
    }
}

/// Every gauge and every invariant.
fn names() -> Vec<String> {
    let gauges = Reactor::GAUGES.iter().map(|gauge| gauge.name.to_owned());
    let evaluated = <Reactor as System>::Invariants::LIST.iter().map(|info| format!("`{}` evaluated", info.name));
    gauges.chain(evaluated).collect()
}

/// A known bug over its seeds, and the same without it.
struct Found {
    name: String,
    invariants: Vec<String>,
    first: Option<u64>,
    count: u64,
    twins_broken: u64,
}

fn look_for(path: &Path) -> Found {
    let scenario = load(path);
    let name = path.file_stem().expect("a scenario has a name").to_string_lossy().into_owned();
    let mut found = Found { name, invariants: Vec::new(), first: None, count: 0, twins_broken: 0 };
    for seed in 0..BUG_SEEDS {
        if let Outcome::Violated(violation) = run(&scenario, Seed(seed), None).1.outcome {
            found.first.get_or_insert(seed);
            found.count += 1;
            found.invariants.push(violation.invariant);
        }
        found.twins_broken += u64::from(run(&scenario, Seed(seed), Some(Bug::None)).1.outcome != Outcome::Passed);
    }
    found.invariants.sort();
    found.invariants.dedup();
    found
}

fn bugs_table() -> (String, bool) {
    let mut paths: Vec<PathBuf> = std::fs::read_dir("scenarios/reactor/bugs")
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be read").path())
        .collect();
    paths.sort();
    let mut table = format!(
        "# Known bugs of the reactor\n\n\
         Each scenario of `scenarios/reactor/bugs` over {BUG_SEEDS} seeds, by `just reactor-table`: in how many the \
         bug was found, in which first, by which invariants; and in how many the same without the bug broke \
         something.\n\n\
         | bug | found in | first seed | by | twins broken |\n| --- | --- | --- | --- | --- |\n"
    );
    let mut is_whole = paths.len() + 1 == Bug::NAMES.len();
    for path in paths {
        let Found { name, invariants, first, count, twins_broken } = look_for(&path);
        is_whole &= first.is_some() && twins_broken == 0;
        let first = first.map_or("none".to_owned(), |seed| seed.to_string());
        let by = invariants.join(", ");
        let _ = writeln!(table, "| `{name}` | {count} | {first} | {by} | {twins_broken} |");
    }
    (table, is_whole)
}

/// How often something came in a thousand runs. What came more seldom than once is shown as such, and is no zero.
fn per_thousand(count: u64, runs: u64) -> String {
    match count * 1_000 / runs {
        0 if count > 0 => format!("less than 1 ({count} in all)"),
        rate => grouped(rate),
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let (seeds, sequences) = (number_after(&arguments, "--seeds", SEEDS), number_after(&arguments, "--sequences", 0));
    let swarm = Swarm::measure(seeds);
    let table = swarm.table(sequences);
    let (bugs, is_whole) = bugs_table();
    println!("{table}\n{bugs}");
    if arguments.iter().any(|argument| argument == "--write") {
        std::fs::create_dir_all("reports/gallery").expect("the gallery can be made");
        std::fs::write("reports/gallery/reactor.md", table).expect("the gallery can be written");
        std::fs::write("reports/gallery/reactor-bugs.md", bugs).expect("the gallery can be written");
    }
    let missing = swarm.missing();
    assert!(missing.is_empty(), "these came never, or too seldom: {missing:?}");
    assert!(is_whole, "each bug is found and each twin silent");
}
