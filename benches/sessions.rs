//! The figures of `reports/gallery/sessions.md` and `reports/gallery/session-bugs.md`: a sweep over drift and the ratio
//! of leases beside the closed form, how often the clean swarms of the session system came to what matters, and in how
//! many seeds each known bug was found.
//!
//! `cargo bench --bench sessions` runs a short form; `-- --seeds N` asks for N seeds of each swarm, `--write` keeps the
//! tables. A count of zero anywhere is a failure: what never happened, never tested anything. The tables are a function
//! of the build and the seeds.

#[path = "common/arguments.rs"]
mod arguments;
#[path = "common/grouped.rs"]
mod grouped;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use splitbrain::scenario::{self, Scenario, SystemDescription};
use splitbrain_kernel::invariant::Invariants as _;
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::{Outcome, ReportOf};
use splitbrain_kernel::system::System;
use splitbrain_kernel::time::Duration;
use splitbrain_kernel::world::World;
use splitbrain_systems::session::bug::Bug;
use splitbrain_systems::session::lease::is_contained;
use splitbrain_systems::session::presets::PRESETS;
use splitbrain_systems::session::{SessionNode, Sessions};

use crate::arguments::number_after;
use crate::grouped::grouped;

/// Seeds of each swarm by default.
const SEEDS: u64 = 100;

/// Seeds in which each known bug is looked for.
const BUG_SEEDS: u64 = 20;

/// What is counted of the swarms: each must come in some run of each preset, unless the preset excludes it.
const FIGURES: &[&str] = &[
    "session created",
    "lease extended",
    "session expired",
    "session erased",
    "session reused",
    "jeopardy",
    "session restored",
    "item set",
    "item removed",
    "item dropped",
    "target granted",
    "io applied",
    "io fenced",
    "io refused",
    "callback failed",
    "instance refused",
    "reply too late",
];

type Report = ReportOf<SessionNode>;

fn read(name: &str, text: &[u8]) -> Scenario {
    scenario::load(name, text, &[SystemDescription::of::<Sessions>()]).unwrap_or_else(|wrong| panic!("{wrong}"))
}

fn load(path: &Path) -> Scenario {
    let bytes = std::fs::read(path).expect("a shipped scenario can be read");
    read(&path.display().to_string(), &bytes)
}

/// A run, without its bug if that is asked for.
fn run(scenario: &Scenario, seed: Seed, without_bug: bool) -> Report {
    let mut resolved = scenario::resolve::<Sessions>(scenario, seed).expect("options that stand together");
    if without_bug {
        resolved.system = resolved.system.with_bug(Bug::None);
    }
    World::new(&resolved.system, &resolved.options, seed).run()
}

// The arithmetic of leases.

/// The master's lease in milliseconds.
const LEASE_MS: u64 = 7_000;
/// The follower's lease in percent of it.
const RATIOS: std::ops::RangeInclusive<u64> = 6..=20;
const RATIO_STEP: u64 = 5;
/// Drift in percent, one way at the follower and the other at the master.
const DRIFTS: std::ops::RangeInclusive<u64> = 0..=10;
const DRIFT_STEP: u64 = 5;

/// A chunk whose clock is slow is cut off from a master whose clock is fast, at this moment.
fn sweep_scenario(drift: u64, ratio: u64, cut_at: u64) -> Scenario {
    let follower = LEASE_MS * ratio / 100;
    let text = format!(
        "# A cell of the table.\nformat = 1\nsystem = \"session\"\ncluster = {{ meta = 1, chunk = 1, volume = 1 }}\n\
         [session]\npreset = \"zbs\"\nlease = \"{LEASE_MS}ms\"\nfollower_lease = \"{follower}ms\"\ninterval = \
         \"1s\"\nexpiry_scan = \"5ms\"\nresources = 1\nclaim_retry = \"200ms\"\ncallback_max = \"0s\"\n[network]\n\
         latency = \"10us\"\n[clocks.nodes]\nmeta1 = {{ drift = \"{drift}%\" }}\nchunk1 = {{ drift = \"-{drift}%\" \
         }}\n[[fault]]\nat = \"{cut_at}ms\"\ncut = \"meta1 <-> chunk1\"\n[run]\nduration = \"35s\"\n[check]\n\
         invariants = [\"lease_contained\"]\n"
    );
    read("sweep.toml", text.as_bytes())
}

/// Whether the follower's lease leaves the master's, for some of a few moments of the cut.
fn leaves(drift: u64, ratio: u64) -> bool {
    let cuts = (0..5).map(|at| 10_000 + at * 230);
    let mut is_judged = false;
    for cut_at in cuts {
        let report = run(&sweep_scenario(drift, ratio, cut_at), Seed(0), false);
        is_judged |= report.counts.get("session expired").is_some_and(|count| *count > 0);
        match report.outcome {
            Outcome::Passed => {}
            Outcome::Violated(_) => return true,
            other => panic!("drift {drift} %, ratio {ratio} %: {other:?}"),
        }
    }
    assert!(is_judged, "drift {drift} %, ratio {ratio} %: no session expired");
    false
}

/// The table, and whether it agrees with the closed form to one step of the grid.
fn lease_table() -> (String, bool) {
    let mut table = format!(
        "## The arithmetic of leases\n\nA chunk is cut off from its master. Its clock is slow by the drift of the row, \
         the master's fast by as much; the master's lease is {} s, the follower's a percentage of it. `·`: the \
         follower stopped serving before its session expired. `x`: it served when it expired (`lease_contained`).\n\
         The closed form is `(1 - d) / (1 + d)`.\n\n```text\ndrift ",
        LEASE_MS / 1_000
    );
    let ratios = || RATIOS.map(|step| step * RATIO_STEP);
    ratios().for_each(|ratio| write!(table, "{ratio:>5}").expect("a string takes it"));
    table += "   held up to   closed form\n";
    let mut agrees = true;
    for drift in DRIFTS.map(|step| step * DRIFT_STEP) {
        let broken: Vec<bool> = ratios().map(|ratio| leaves(drift, ratio)).collect();
        let drift_ppm = u32::try_from(drift * 10_000).expect("it is small");
        let limit = 100_000 * (100 - drift) / (100 + drift);
        write!(table, "{drift:>4}%").expect("a string takes it");
        for (ratio, broken) in ratios().zip(&broken) {
            let follower = Duration::from_millis(LEASE_MS * ratio / 100);
            let is_near = (ratio * 1_000).abs_diff(limit) <= RATIO_STEP * 1_000;
            let expected = !is_contained(follower, Duration::from_millis(LEASE_MS), drift_ppm);
            agrees &= expected == *broken || is_near;
            write!(table, "{:>5}", if *broken { "x" } else { "·" }).expect("a string takes it");
        }
        agrees &= broken.is_sorted();
        let held = ratios().zip(&broken).filter(|(_, broken)| !**broken).map(|(ratio, _)| ratio).max();
        let held = held.map_or("none".to_owned(), |ratio| format!("{ratio} %"));
        writeln!(table, "   {held:>10}   {:>9}.{} %", limit / 1_000, limit % 1_000 / 100).expect("a string takes it");
    }
    table += "```\n";
    (table, agrees)
}

// The swarms.

/// The clean swarm of a preset: counts over all seeds.
struct Swarm {
    preset: &'static str,
    events: u64,
    figures: BTreeMap<String, u64>,
}

impl Swarm {
    fn measure(preset: &'static str, seeds: u64) -> Self {
        let scenario = load(&PathBuf::from(format!("scenarios/session/swarm_single_{preset}.toml")));
        let mut swarm = Self { preset, events: 0, figures: names().into_iter().map(|name| (name, 0)).collect() };
        for seed in (0..seeds).map(Seed) {
            let report = run(&scenario, seed, false);
            assert_eq!(report.outcome, Outcome::Passed, "{preset}, {seed}");
            swarm.add(&report);
        }
        swarm
    }

    fn add(&mut self, report: &Report) {
        self.events += report.events;
        let counts = FIGURES.iter().map(|name| ((*name).to_owned(), report.counts.get(*name).copied().unwrap_or(0)));
        let gauges = Sessions::GAUGES.iter().map(|gauge| gauge.name.to_owned()).zip(report.gauges.iter().copied());
        let list = <Sessions as System>::Invariants::LIST.iter();
        let evaluated = list.map(|info| format!("`{}` evaluated", info.name)).zip(report.evaluated.iter().copied());
        for (name, count) in counts.chain(gauges).chain(evaluated) {
            *self.figures.entry(name).or_default() += count;
        }
    }
}

/// Every figure, gauge and invariant.
fn names() -> Vec<String> {
    let figures = FIGURES.iter().map(|name| (*name).to_owned());
    let gauges = Sessions::GAUGES.iter().map(|gauge| gauge.name.to_owned());
    let evaluated = <Sessions as System>::Invariants::LIST.iter().map(|info| format!("`{}` evaluated", info.name));
    figures.chain(gauges).chain(evaluated).collect()
}

/// What a preset cannot come to: it reuses no session, knows no jeopardy, fences nothing, or waits long enough.
fn cannot_come(preset: &str, figure: &str) -> bool {
    let never_reuses = preset != "zbs" && figure == "session reused";
    let has_no_grace = matches!(preset, "etcd" | "kubernetes" | "consul");
    let never_jeopardy = has_no_grace && matches!(figure, "jeopardy" | "session restored");
    let never_fences = matches!(preset, "kubernetes" | "consul") && figure == "io fenced";
    // Messages of these swarms are late by less than a follower's lease.
    let never_late = matches!(preset, "kubernetes" | "consul") && figure == "reply too late";
    never_reuses || never_jeopardy || never_fences || never_late
}

fn swarm_table(swarms: &[Swarm], seeds: u64) -> (String, Vec<String>) {
    let mut table = format!(
        "## The clean swarms\n\nThe scenarios `scenarios/session/swarm_single_*.toml` over {} seeds each, no violation \
         and no stall. The figures are per 1,000 seeds; a dash stands for what the preset excludes by its options.\n\n\
         | in 1,000 seeds |",
        grouped(seeds)
    );
    swarms.iter().for_each(|swarm| write!(table, " {} |", swarm.preset).expect("a string takes it"));
    table += "\n| --- |";
    swarms.iter().for_each(|_| table += " --- |");
    table += "\n| events |";
    swarms.iter().for_each(|swarm| write!(table, " {} |", grouped(swarm.events * 1_000 / seeds)).expect("it does"));
    let mut never = Vec::new();
    for name in names() {
        write!(table, "\n| {name} |").expect("a string takes it");
        for swarm in swarms {
            let count = swarm.figures[&name];
            let is_dash = cannot_come(swarm.preset, &name) && count == 0;
            // Beliefs that come apart are no aim.
            if count == 0 && !is_dash && !Sessions::GAUGES.iter().any(|gauge| gauge.name == name) {
                never.push(format!("{}: {name}", swarm.preset));
            }
            let shown = if is_dash { "—".to_owned() } else { grouped(count * 1_000 / seeds) };
            write!(table, " {shown} |").expect("a string takes it");
        }
    }
    (table + "\n", never)
}

// Known bugs.

/// A known bug over its seeds, and the same without it.
struct Found {
    name: String,
    invariants: BTreeSet<String>,
    first: Option<u64>,
    count: u64,
    twins_broken: u64,
}

fn look_for(path: &Path) -> Found {
    let scenario = load(path);
    let name = path.file_stem().expect("a scenario has a name").to_string_lossy().into_owned();
    let mut found = Found { name, invariants: BTreeSet::new(), first: None, count: 0, twins_broken: 0 };
    for seed in 0..BUG_SEEDS {
        if let Some(violation) = run(&scenario, Seed(seed), false).outcome.violation() {
            found.first.get_or_insert(seed);
            found.count += 1;
            found.invariants.insert(violation.invariant.clone());
        }
        found.twins_broken += u64::from(run(&scenario, Seed(seed), true).outcome != Outcome::Passed);
    }
    found
}

fn bugs_table() -> (String, bool) {
    let mut paths: Vec<PathBuf> = std::fs::read_dir("scenarios/session/bugs")
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be read").path())
        .collect();
    paths.sort();
    let mut table = format!(
        "# Known bugs of the session system\n\nEach scenario of `scenarios/session/bugs` over {BUG_SEEDS} seeds, by \
         `just lease-table`: in how many the bug was found, in which first, by which invariants; and in how many the \
         same without the bug broke something.\n\n| scenario | found in | first seed | by | twins broken |\n| --- | \
         --- | --- | --- | --- |\n"
    );
    let mut is_whole = true;
    for path in paths {
        let Found { name, invariants, first, count, twins_broken } = look_for(&path);
        is_whole &= first.is_some() && twins_broken == 0;
        let first = first.map_or("none".to_owned(), |seed| seed.to_string());
        let by = invariants.into_iter().collect::<Vec<_>>().join(", ");
        writeln!(table, "| `{name}` | {count} | {first} | {by} | {twins_broken} |").expect("a string takes it");
    }
    (table, is_whole)
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let seeds = number_after(&arguments, "--seeds", SEEDS);
    let (leases, agrees) = lease_table();
    println!("{leases}");
    let (bugs, is_whole) = bugs_table();
    println!("{bugs}");
    let swarms: Vec<Swarm> = PRESETS.iter().map(|preset| Swarm::measure(preset.name, seeds)).collect();
    let (swarms, never) = swarm_table(&swarms, seeds);
    println!("{swarms}");
    if arguments.iter().any(|argument| argument == "--write") {
        let table = format!("# Sessions\n\nMade by `just lease-table`.\n\n{leases}\n{swarms}");
        std::fs::create_dir_all("reports/gallery").expect("the gallery can be made");
        std::fs::write("reports/gallery/sessions.md", table).expect("the gallery can be written");
        std::fs::write("reports/gallery/session-bugs.md", bugs).expect("the gallery can be written");
    }
    assert!(agrees, "the measured boundary is that of the closed form, to one step of the grid");
    assert!(is_whole, "each bug is found and each twin silent");
    assert!(never.is_empty(), "these never came: {never:?}");
}
