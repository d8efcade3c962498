//! Goal: a commit is judged by the configuration of the leader that counted it, and not by the one that it goes by when
//! others hear of the commit. Method: a scenario in which a leader whose disk is slow adds a voter, and what its
//! recording shows, in which order.

use std::sync::Arc;

use splitbrain::engine::{AnySystem as _, Entry, EntryKind, Simulated};
use splitbrain::kernel::prelude::NodeId;
use splitbrain::kernel::rng::Seed;
use splitbrain::kernel::run::Outcome;
use splitbrain::scenario;
use splitbrain_adapters::raft_rs::RaftRs;

/// The place of an entry that says `index@term`.
fn index(entry: &Entry) -> u64 {
    let index = entry.text.split('@').next().and_then(|index| index.parse().ok());
    index.unwrap_or_else(|| panic!("{} has a place: {}", entry.name, entry.text))
}

/// Whether a leader has counted a place and then gone by another configuration, before the place was observed as
/// committed anywhere.
fn is_reached(entries: &[Entry]) -> bool {
    let observed: Vec<(&Entry, NodeId)> = entries
        .iter()
        .filter(|entry| entry.kind == EntryKind::Observed)
        .filter_map(|entry| Some((entry, entry.node?)))
        .collect();
    observed.iter().enumerate().filter(|(_, (entry, _))| entry.name == "reconfigured").any(|(at, (_, leader))| {
        let of = |name: &str| observed[..at].iter().filter(move |(entry, _)| entry.name == name).collect::<Vec<_>>();
        let counted = of("counted").into_iter().filter(|(_, node)| node == leader).map(|(entry, _)| index(entry)).max();
        let committed = of("committed").into_iter().map(|(entry, _)| index(entry)).max();
        counted.is_some() && counted > committed
    })
}

#[test]
fn the_configuration_of_the_leader_decides_what_is_committed() {
    let text = include_str!("../scenarios/raft_rs/counted_before_applied.toml");
    let system = Simulated::<RaftRs>::new();
    let scenario = scenario::load("counted_before_applied.toml", text.as_bytes(), &[system.description()]);
    let engine = system.open(Arc::new(scenario.expect("the scenario is right"))).expect("the kernel runs it");
    let mut reached = 0;
    for seed in 0..5 {
        let mut entries: Vec<Entry> = Vec::new();
        let run = engine.worker().run(Seed(seed).into(), Some(&mut entries));
        assert_eq!(run.outcome, Outcome::Passed);
        assert!(run.evaluated.iter().any(|(name, times)| name == "committed_is_durable" && *times > 100));
        reached += u32::from(is_reached(&entries));
    }
    assert!(reached > 0, "the scenario shows what it is for");
}
