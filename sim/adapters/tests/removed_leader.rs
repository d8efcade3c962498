//! Goal: a leader of raft-rs that has applied its own removal and goes on panics inside the library, and one whose
//! process ends does not. Method: the seeds of `removed_leader_panics.toml`, with and without `leave`.

use std::sync::Arc;

use splitbrain::engine::{AnySystem as _, Run, Simulated};
use splitbrain::kernel::rng::Seed;
use splitbrain::kernel::run::Outcome;
use splitbrain::scenario;
use splitbrain_adapters::raft_rs::RaftRs;

/// The runs of the first seeds.
fn runs(leave: bool) -> Vec<Run> {
    let text = include_str!("../scenarios/raft_rs/removed_leader_panics.toml");
    let text = text.replace("leave = false", &format!("leave = {leave}"));
    let system = Simulated::<RaftRs>::new();
    let scenario = scenario::load("removed_leader_panics.toml", text.as_bytes(), &[system.description()]);
    let engine = system.open(Arc::new(scenario.expect("the scenario is right"))).expect("the kernel runs it");
    let mut worker = engine.worker();
    (0..5).map(|seed| worker.run(Seed(seed).into(), None)).collect()
}

#[test]
fn a_removed_leader_that_goes_on_panics_inside_the_library() {
    for run in runs(false) {
        let Outcome::Panicked(panic) = &run.outcome else { panic!("it ends as {}", run.outcome.name()) };
        let text = format!("{panic:?}").replace('\\', "/");
        assert!(text.contains("/raft-0.7.0/src/raft.rs:"), "it is another panic: {text}");
    }
}

#[test]
fn a_removed_leader_whose_process_ends_does_not() {
    for run in runs(true) {
        assert_eq!(run.outcome, Outcome::Passed);
    }
}
