//! Goal: with its timeouts pinned raft-rs is a function of the seed, and with its own it is none. Method: the calm
//! scenario runs twice for each seed.

use std::sync::Arc;

use splitbrain::engine::{AnySystem as _, Simulated};
use splitbrain::kernel::rng::Seed;
use splitbrain::kernel::run::Digest128;
use splitbrain::scenario;
use splitbrain_adapters::raft_rs::RaftRs;

fn digests(timeouts: &str) -> Vec<Digest128> {
    let text = include_str!("../scenarios/raft_rs/calm.toml");
    let text = text.replace("[network]", &format!("[raft-rs]\ntimeouts = \"{timeouts}\"\n\n[network]"));
    let system = Simulated::<RaftRs>::new();
    let scenario = scenario::load("calm.toml", text.as_bytes(), &[system.description()]);
    let engine = system.open(Arc::new(scenario.expect("the scenario is right"))).expect("the kernel runs it");
    let mut worker = engine.worker();
    (0..5).map(|seed| worker.run(Seed(seed).into(), None).digest).collect()
}

#[test]
fn with_pinned_timeouts_a_seed_is_one_run() {
    assert_eq!(digests("pinned"), digests("pinned"));
}

#[test]
fn with_the_timeouts_of_the_library_a_seed_is_another_run_each_time() {
    assert_ne!(digests("own"), digests("own"));
}
