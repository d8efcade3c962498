//! Goal: a leader of raft-rs that has applied its own removal and goes on panics inside the library, and one whose
//! process ends does not. Method: the seeds of `removed_leader_panics.toml`, as `run` prints them and with `leave`.

#![expect(clippy::disallowed_types, clippy::disallowed_macros, reason = "it starts the program, as a person does")]

use std::process::Command;
use std::sync::Arc;

use splitbrain::engine::{AnySystem as _, Simulated};
use splitbrain::kernel::rng::Seed;
use splitbrain::kernel::run::Outcome;
use splitbrain::scenario;
use splitbrain_adapters::raft_rs::RaftRs;

const SEEDS: u64 = 5;

#[test]
fn a_removed_leader_that_goes_on_panics_inside_the_library() {
    for seed in 0..SEEDS {
        let mut run = Command::new(env!("CARGO_BIN_EXE_splitbrain-adapters"));
        run.current_dir(env!("CARGO_MANIFEST_DIR"));
        run.args(["run", "scenarios/raft_rs/removed_leader_panics.toml", "--seed", &seed.to_string()]);
        let output = run.output().expect("the program starts");
        let printed = String::from_utf8_lossy(&output.stdout).replace('\\', "/");
        let panics: Vec<&str> = printed.lines().filter(|line| line.contains(" panicked: ")).collect();
        assert!(!panics.is_empty(), "seed {seed} ends otherwise:\n{printed}");
        let is_inside = |line: &&str| line.contains("/raft-0.7.0/src/raft.rs:");
        assert!(panics.iter().all(is_inside), "seed {seed} has another panic:\n{}", panics.join("\n"));
    }
}

#[test]
fn a_removed_leader_whose_process_ends_does_not() {
    let text = include_str!("../scenarios/raft_rs/removed_leader_panics.toml");
    let text = text.replace("leave = false", "leave = true");
    let system = Simulated::<RaftRs>::new();
    let scenario = scenario::load("removed_leader_panics.toml", text.as_bytes(), &[system.description()]);
    let engine = system.open(Arc::new(scenario.expect("the scenario is right"))).expect("the kernel runs it");
    let mut worker = engine.worker();
    for seed in 0..SEEDS {
        let run = worker.run(Seed(seed).into(), None);
        assert_eq!(run.outcome, Outcome::Passed, "seed {seed}");
        assert!(
            run.counts.iter().any(|(name, times)| *name == "retired" && *times > 0),
            "seed {seed} removes its leader"
        );
    }
}
