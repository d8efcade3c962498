//! The figures of `reports/gallery/reactor.md` and `reports/gallery/reactor-bugs.md`: how often the clean swarm of the
//! reactor came to what matters, and in how many seeds each known bug was found, and by what.
//!
//! `cargo bench --bench reactor` runs a short form; `-- --seeds N` asks for N seeds of the swarm, `--write` keeps the
//! tables. A count of zero anywhere is a failure: what never happened, never tested anything; and each invariant has to
//! be evaluated with its premise true at least a hundred times. The tables are a function of the build and the seeds.

#[path = "common/arguments.rs"]
mod arguments;
#[path = "reactor/bugs.rs"]
mod bugs;
#[path = "common/grouped.rs"]
mod grouped;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use splitbrain::scenario::{self, Scenario, SystemDescription};
use splitbrain_kernel::invariant::Invariants as _;
use splitbrain_kernel::options::OptionFields as _;
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::{Outcome, ReportOf};
use splitbrain_kernel::system::System;
use splitbrain_kernel::world::World;
use splitbrain_systems::reactor::options::{Accept, Mode, Trigger};
use splitbrain_systems::reactor::{Reactor, ReactorNode};

use crate::arguments::number_after;
use crate::grouped::grouped;

/// Seeds of the swarm by default.
const SEEDS: u64 = 1_000;

/// The least that each invariant has to be evaluated.
const EVALUATIONS_MIN: u64 = 100;

/// What the swarm draws beside mode, trigger, and who accepts, with each value.
const DRAWN: [(&str, &[&str]); 20] = [
    ("signals", &["self_pipe", "signalfd"]),
    ("events_max", &["1", "2", "4", "16"]),
    ("wait_timeout", &["0s", "2ms", "20ms"]),
    ("backlog", &["0", "1", "8"]),
    ("connections_max", &["3", "5", "64"]),
    ("calls_per_turn", &["1", "3", "8"]),
    ("read_size", &["5", "16", "64", "512"]),
    ("socket_buffer", &["64", "200", "512"]),
    ("stall", &["0%", "2%", "20%"]),
    ("shuffle", &["true", "false"]),
    ("signal_every", &["0s", "2ms", "20ms"]),
    ("connections", &["1", "2", "4"]),
    ("pipeline", &["1", "2", "4"]),
    ("piece", &["3", "20", "100", "600"]),
    ("piece_gap", &["0s", "50us", "500us"]),
    ("read_gap", &["0s", "50us", "500us"]),
    ("abandon", &["0%", "1%", "5%"]),
    ("half_close", &["0%", "5%", "20%"]),
    ("urgent", &["0%", "5%"]),
    ("request_timeout", &["10ms", "5s"]),
];

/// Faults by their kinds, as the nemeses of the swarm do them: those of the network cut and clog links, and a late
/// message is weather.
const FAULTS: [&str; 9] =
    ["crash", "machine_crash", "pause", "slow", "clock_freeze", "clock_drift", "cut", "clog", "weather"];

/// What clients and the accept queue come to.
const OBSERVED: [&str; 6] = [
    "accept queue full",
    "connection abandoned",
    "connection half-closed",
    "request answered",
    "request timed out",
    "request unanswered",
];

type Report = ReportOf<ReactorNode>;

fn load(path: &Path) -> Scenario {
    let bytes = std::fs::read(path).expect("a shipped scenario can be read");
    let name = path.display().to_string();
    scenario::load(&name, &bytes, &[SystemDescription::of::<Reactor>()]).unwrap_or_else(|wrong| panic!("{wrong}"))
}

/// A run of the swarm. Returns the choices that it drew beside the report.
fn run(scenario: &Scenario, seed: Seed) -> (Vec<String>, Report) {
    let resolved = scenario::resolve::<Reactor>(scenario, seed).expect("options that stand together");
    let options = &resolved.system.setup().options.base;
    let value = |name: &str| options.get(name).expect("it is an option").to_string();
    let mut choices: Vec<String> = DRAWN.map(|(name, _)| format!("{name} {}", value(name))).to_vec();
    choices.push(format!("{} {}", value("mode"), value("trigger")));
    // Elsewhere the option has no effect.
    if options.mode == Mode::ManyLoops {
        choices.push(format!("many_loops accept {}", value("accept")));
    }
    (choices, World::new(&resolved.system, &resolved.options, seed).run())
}

/// Each choice that the swarm can draw.
fn choices() -> Vec<String> {
    let modes = Mode::ALL.iter().flat_map(|mode| Trigger::ALL.iter().map(|trigger| (mode.name(), trigger.name())));
    let modes = modes.map(|(mode, trigger)| format!("{mode} {trigger}"));
    let accept = Accept::ALL.iter().map(|accept| format!("many_loops accept {}", accept.name()));
    let drawn = DRAWN.iter().flat_map(|(name, values)| values.iter().map(move |value| format!("{name} {value}")));
    modes.chain(accept).chain(drawn).collect()
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
            let (choices, report) = run(&scenario, seed);
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
        let counted = |name: &&'static str| (*name, report.counts.get(*name).copied().unwrap_or(0));
        let faults = FAULTS.iter().map(counted).map(|(name, count)| (format!("fault {name}"), count));
        let observed = OBSERVED.iter().map(counted).map(|(name, count)| (format!("{name} (observed)"), count));
        for (name, count) in gauges.chain(evaluated).chain(faults).chain(observed) {
            *self.figures.entry(name).or_default() += count;
        }
    }

    /// What never happened, and the invariants that were evaluated too seldom.
    fn missing(&self) -> Vec<&String> {
        let least = |name: &str| if name.ends_with(" evaluated") { EVALUATIONS_MIN } else { 1 };
        let counts = self.choices.iter().chain(&self.figures);
        counts.filter(|(name, count)| **count < least(name)).map(|(name, _)| name).collect()
    }

    fn table(&self) -> String {
        let mut table = format!(
            "# The reactor\n\n\
             The clean swarm of `scenarios/reactor/swarm.toml`, by `just reactor-table`: {} seeds, {} events, no \
             violation, with all invariants on.\n\
             The figures are per 1,000 seeds; a count of zero over all seeds would be a failure, and fewer than \
             {EVALUATIONS_MIN} evaluations of an invariant with its premise true.\n\
             [reactor-linux.md](reactor-linux.md) has the comparison of the model with Linux, \
             [reactor-bugs.md](reactor-bugs.md) the known bugs.\n",
            grouped(self.runs),
            grouped(self.events),
        );
        let is = |ends: &'static str| move |name: &&String| name.ends_with(ends);
        let is_fault = |name: &&String| name.starts_with("fault ");
        let is_evaluated = is(" evaluated");
        let is_observed = is(" (observed)");
        let is_gauge = |name: &&String| !is_fault(name) && !is_evaluated(name) && !is_observed(name);
        self.rows(&mut table, "What was drawn", &self.choices, |_| true);
        self.rows(&mut table, "Invariants, evaluated with their premise true", &self.figures, is_evaluated);
        self.rows(&mut table, "Faults, by their kinds", &self.figures, is_fault);
        self.rows(&mut table, "At servers", &self.figures, is_gauge);
        self.rows(&mut table, "At clients and the accept queue", &self.figures, is_observed);
        table
    }

    /// A heading, and the figures whose names fit.
    fn rows(
        &self,
        table: &mut String,
        heading: &str,
        figures: &BTreeMap<String, u64>,
        fits: impl Fn(&&String) -> bool,
    ) {
        let _ = writeln!(table, "\n## {heading}\n\n| what | in 1,000 seeds |\n| --- | --- |");
        for (name, count) in figures.iter().filter(|(name, _)| fits(name)) {
            let name = name.trim_end_matches(" evaluated").trim_end_matches(" (observed)");
            let _ = writeln!(table, "| {} | {} |", name.trim_start_matches("fault "), per_thousand(*count, self.runs));
        }
    }
}

/// Every gauge, every invariant, every kind of fault, and what is observed.
fn names() -> Vec<String> {
    let gauges = Reactor::GAUGES.iter().map(|gauge| gauge.name.to_owned());
    let evaluated = <Reactor as System>::Invariants::LIST.iter().map(|info| format!("`{}` evaluated", info.name));
    let faults = FAULTS.iter().map(|kind| format!("fault {kind}"));
    gauges.chain(evaluated).chain(faults).chain(OBSERVED.iter().map(|name| format!("{name} (observed)"))).collect()
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
    let seeds = number_after(&arguments, "--seeds", SEEDS);
    let (bugs, wrong) = bugs::table();
    println!("{bugs}");
    let swarm = Swarm::measure(seeds);
    let table = swarm.table();
    println!("{table}");
    if arguments.iter().any(|argument| argument == "--write") {
        std::fs::create_dir_all("reports/gallery").expect("the gallery can be made");
        std::fs::write("reports/gallery/reactor.md", table).expect("the gallery can be written");
        std::fs::write("reports/gallery/reactor-bugs.md", bugs).expect("the gallery can be written");
    }
    let missing = swarm.missing();
    assert!(missing.is_empty(), "these came never, or too seldom: {missing:?}");
    assert!(wrong.is_empty(), "{wrong:?}");
}
