//! Goal: a commit is judged by the configuration of the leader that counted it, and not by that of a follower which
//! hears of it first. Method: a seed of the swarm in which a leader whose disk is slow adds a voter and commits with it
//! at once.

use std::sync::Arc;

use splitbrain::engine::{AnySystem as _, Simulated};
use splitbrain::kernel::rng::Seed;
use splitbrain::kernel::run::Outcome;
use splitbrain::scenario;
use splitbrain_adapters::raft_rs::RaftRs;

#[test]
fn the_configuration_of_the_leader_decides_what_is_committed() {
    let text = include_str!("../scenarios/raft_rs/swarm_membership.toml");
    let system = Simulated::<RaftRs>::new();
    let scenario = scenario::load("swarm_membership.toml", text.as_bytes(), &[system.description()]);
    let engine = system.open(Arc::new(scenario.expect("the scenario is right"))).expect("the kernel runs it");
    let run = engine.worker().run(Seed(76).into(), None);
    assert_eq!(run.outcome, Outcome::Passed);
    assert!(run.evaluated.iter().any(|(name, times)| name == "committed_is_durable" && *times > 100));
}
