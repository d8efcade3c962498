//! Goal: `pre_vote_by_quorum` is shown the rounds of pre-votes of raft-rs. Method: the calm scenario, in which a round
//! is won; `refused_pre_votes.toml` is the one in which it breaks.

use std::sync::Arc;

use splitbrain::engine::{AnySystem as _, Simulated};
use splitbrain::kernel::rng::Seed;
use splitbrain::kernel::run::Outcome;
use splitbrain::scenario;
use splitbrain_adapters::raft_rs::RaftRs;

#[test]
fn each_round_of_pre_votes_that_is_won_is_judged() {
    let text = include_str!("../scenarios/raft_rs/calm.toml");
    let system = Simulated::<RaftRs>::new();
    let scenario = scenario::load("calm.toml", text.as_bytes(), &[system.description()]);
    let engine = system.open(Arc::new(scenario.expect("the scenario is right"))).expect("the kernel runs it");
    let run = engine.worker().run(Seed(0).into(), None);
    assert_eq!(run.outcome, Outcome::Passed);
    let evaluated = |name: &str| run.evaluated.iter().find(|(of, _)| of == name).map(|(_, times)| *times);
    let rounds = run.counts.iter().find(|(name, _)| *name == "pre-vote won").map(|(_, times)| *times);
    assert!(rounds.is_some_and(|rounds| rounds > 0), "a leader was elected: {rounds:?}");
    assert_eq!(evaluated("pre_vote_by_quorum"), rounds);
    assert!(run.lacking.iter().all(|(name, _)| name != "pre_vote_by_quorum"), "{:?}", run.lacking);
}
