//! Instructions, by valgrind: what a change costs, whatever else the machine does.
//!
//! `cargo bench --bench table -- --instructions` compares with `benches/instructions.txt` and fails where a figure has
//! grown by more than two percent, or where nodes that log cost more than nodes that do not although nothing is
//! recorded; `--instructions engine` counts the workloads alone whose names hold that. With
//! `--write` beside it, it keeps the figures. They are of one toolchain on one sort of machine.

use std::fmt::Write as _;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use splitbrain::engine::{AnySystem as _, Engine, Entry, Simulated};
use splitbrain::scenario;
use splitbrain_kernel::rng::Seed;

use crate::ping_pong::{self, PingPong};
use crate::raft::RaftRuns;

const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.txt");

/// Each workload with a small and a large amount of it: the figure is what the difference costs, so that what a process
/// does once does not count.
const WORKLOADS: &[(&str, u64, u64)] = &[
    ("ping_pong", 5, 25),
    // Through an engine and without a recorder: nodes that log nothing, nodes that do, and the same after a run of the
    // process was recorded.
    ("engine_silent", 5, 25),
    ("engine_logs", 5, 25),
    ("engine_logs_recorded_before", 5, 25),
    ("raft_election", 3, 13),
    ("raft_clients", 3, 13),
    ("raft_nested", 3, 13),
    ("raft_kv", 3, 13),
];

/// Growth in percent that fails.
const GROWTH_MAX: u64 = 2;

/// The workload whose nodes log nothing, and those that are the same apart from log statements that nobody hears.
const SILENT: &str = "engine_silent";
const LOGGING: [&str; 2] = ["engine_logs", "engine_logs_recorded_before"];

/// By how many percent log statements that nobody hears may lengthen an event. A statement itself is three
/// instructions (it loads a level, compares and jumps), which about every second event does once; the rest is what the
/// compiler makes of two programs, such as which calls it inlines.
const UNHEARD_MAX: u64 = 2;

/// Whether this figure is too large beside that of the silent workload.
const fn is_too_costly(figure: u64, silent: u64) -> bool {
    figure * 100 > silent * (100 + UNHEARD_MAX)
}

/// The logging workloads that cost more than that, of those that were counted together with the silent one.
fn too_costly(counted: &[(&str, u64)]) -> Vec<String> {
    let figure = |wanted: &str| counted.iter().find(|(name, _)| *name == wanted).map(|(_, figure)| *figure);
    let Some(silent) = figure(SILENT) else { return Vec::new() };
    let logging = LOGGING.iter().filter_map(|name| Some((name, figure(name)?)));
    let costly = logging.filter(|(_, figure)| is_too_costly(*figure, silent));
    costly
        .map(|(name, figure)| format!("{name} takes {figure}, {SILENT} {silent}: more than {UNHEARD_MAX} % apart"))
        .collect()
}

/// What the process that is counted does: so much of a workload. Returns the events.
pub(crate) fn work(name: &str, amount: u64) -> u64 {
    let campaign = |runs: RaftRuns| {
        let mut worker = runs.engine.worker();
        (0..amount).map(|seed| runs.one(&mut *worker, seed).events).sum()
    };
    match name {
        "engine_silent" => through_engine(&*engine::<false>(), amount, false),
        "engine_logs" => through_engine(&*engine::<true>(), amount, false),
        "engine_logs_recorded_before" => through_engine(&*engine::<true>(), amount, true),
        "ping_pong" => ping_pong::kernel(amount, Seed(7)).events,
        "raft_election" => campaign(RaftRuns::election()),
        "raft_clients" => campaign(RaftRuns::clients()),
        "raft_nested" => campaign(RaftRuns::nested()),
        "raft_kv" => campaign(RaftRuns::kv()),
        _ => panic!("expected a workload, got {name}"),
    }
}

/// The ping-pong as a scenario.
fn engine<const LOGS: bool>() -> Arc<dyn Engine> {
    let system = Simulated::<PingPong<LOGS>>::new();
    let text = include_bytes!("../ping_pong.toml");
    let scenario = scenario::load("benches/ping_pong.toml", text, &[system.description()]);
    let scenario = scenario.unwrap_or_else(|wrong| panic!("{wrong}"));
    system.open(Arc::new(scenario)).expect("the kernel runs it")
}

/// So many runs of which nothing is recorded, after one that is if `records_first`. Returns the events of the former.
fn through_engine(engine: &dyn Engine, amount: u64, records_first: bool) -> u64 {
    let mut worker = engine.worker();
    if records_first {
        let mut entries: Vec<Entry> = Vec::new();
        worker.run(Seed(0).into(), Some(&mut entries));
    }
    (0..amount).map(|seed| worker.run(Seed(seed).into(), None).events).sum()
}

/// Counts the workloads whose names hold `filter`, and compares with what is kept; or keeps it.
pub(crate) fn count(filter: &str, keeps: bool) -> ExitCode {
    if Command::new("valgrind").arg("--version").output().is_err() {
        eprintln!("valgrind is not installed: skipped");
        return ExitCode::SUCCESS;
    }
    let kept = std::fs::read_to_string(KEPT).unwrap_or_default();
    assert_eq!(too_costly(&[(SILENT, 700), (LOGGING[0], 714), (LOGGING[1], 690)]), [""; 0]);
    assert_eq!(too_costly(&[(LOGGING[1], 715), (SILENT, 700)]).len(), 1, "one costs too much");
    let (mut text, mut has_grown, mut counted) = (String::new(), false, Vec::new());
    for (name, small, large) in WORKLOADS {
        let kept = kept.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse::<u64>().ok());
        if !name.contains(filter) {
            let _ = kept.map(|kept| writeln!(text, "{name} {kept}"));
            continue;
        }
        let (before, after) = (measure(name, *small), measure(name, *large));
        let now = (after.0 - before.0) / (after.1 - before.1);
        let grown = kept.is_some_and(|kept| now * 100 > kept * (100 + GROWTH_MAX));
        let told = kept.map_or_else(String::new, |kept| format!(", kept: {kept}"));
        println!("{name}: {now} instructions an event{told}{}", if grown { ": GROWN" } else { "" });
        let _ = writeln!(text, "{name} {now}");
        counted.push((*name, now));
        has_grown |= grown;
    }
    let costly = too_costly(&counted);
    costly.iter().for_each(|line| println!("{line}: LOG STATEMENTS COST"));
    if keeps {
        std::fs::write(KEPT, text).expect("the figures can be kept");
    }
    let fails = !costly.is_empty() || (has_grown && !keeps);
    if fails { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Instructions and events of so much of a workload, in a process of its own.
fn measure(name: &str, amount: u64) -> (u64, u64) {
    let program = std::env::current_exe().expect("this program has a path");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["--work", name, &amount.to_string()])
        .output()
        .expect("valgrind runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let last = |line: &str| line.rsplit(' ').next().and_then(|number| number.trim().parse().ok());
    let collected = told.lines().find(|line| line.contains("Collected")).and_then(last);
    let events = String::from_utf8_lossy(&output.stdout).trim().parse();
    match (collected, events) {
        (Some(collected), Ok(events)) => (collected, events),
        _ => panic!("valgrind told no count:\n{told}"),
    }
}
