//! Goal: what a library says through `tracing` stands in the timeline of a failing run, with its virtual time and its
//! node, and what one says through `slog` stands in a recording. Method: `run` prints a run in which foca does what it
//! should not, and a golden has what it prints; a run of raft-rs is recorded, and not recorded.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "it starts the program, as a person does"
)]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use splitbrain::engine::{AnySystem as _, Entry, EntryKind, LogLevel, Simulated};
use splitbrain::kernel::rng::Seed;
use splitbrain::scenario;
use splitbrain_adapters::raft_rs::RaftRs;

/// s5 finds that s1 does not answer and begins a suspicion; s1 goes on and refutes it; s5 tells s1 that it is down.
#[test]
fn the_lines_of_a_library_stand_in_the_timeline_of_a_failing_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut run = Command::new(env!("CARGO_BIN_EXE_splitbrain-adapters"));
    run.current_dir(folder).args(["run", "scenarios/foca/refuted_suspicion.toml", "--seed", "0"]);
    run.args(["--log", "debug", "--node", "s5", "--from", "20s"]);
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "SPLITBRAIN_LOG"] {
        run.env_remove(name);
    }
    let output = run.output().expect("the program starts");
    assert!(output.status.success(), "the scenario expects it: {}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).expect("it prints text");
    let (build, printed) = printed.split_once('\n').expect("there are several lines");
    assert!(build.starts_with("build: "), "{build}");

    let golden = folder.join("tests/golden/refuted_suspicion.txt");
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        std::fs::write(&golden, printed).expect("it can be written");
    }
    let expected = std::fs::read_to_string(&golden).expect("there is a golden");
    assert_eq!(printed, expected, "INSTA_UPDATE=always makes it anew");
}

#[test]
fn what_raft_rs_says_through_slog_is_recorded_and_changes_nothing() {
    let text = include_bytes!("../scenarios/raft_rs/calm.toml");
    let system = Simulated::<RaftRs>::new();
    let scenario = scenario::load("calm.toml", text, &[system.description()]).expect("the scenario is right");
    let engine = system.open(Arc::new(scenario)).expect("the kernel runs it");
    let mut worker = engine.worker();
    let mut entries: Vec<Entry> = Vec::new();
    let recorded = worker.run(Seed(0).into(), Some(&mut entries));
    assert_eq!(worker.run(Seed(0).into(), None).digest, recorded.digest);
    assert_eq!(log::max_level(), log::LevelFilter::Off, "no line gets through while nothing is recorded");

    let elected = |entry: &&Entry| entry.kind == EntryKind::Observed && entry.name == "leader elected";
    let leader = entries.iter().find(elected).expect("somebody leads");
    let says = |entry: &Entry| entry.kind == EntryKind::Logged && entry.text.contains("became leader at term 1");
    let line = entries.iter().find(|entry| says(entry)).expect("the library says so");
    assert_eq!((line.node, line.at), (leader.node, leader.at), "{}", line.text);
    assert_eq!(line.name, LogLevel::Info.name());

    let made = entries.iter().find(|entry| entry.kind == EntryKind::Logged).expect("there are several lines");
    assert!(made.node.is_some() && made.text.starts_with("raft::"), "the constructor has a node: {}", made.text);
}
