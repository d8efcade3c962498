//! Kernel nodes on madsim: the same faults, the same plans, the same reports.

use std::path::Path;
use std::sync::Arc;

use splitbrain::engine::{AnySystem as _, Entry, EntryKind, Job, PlanText, Run};
use splitbrain::kernel::prelude::Seed;
use splitbrain::scenario::{self, Scenario};
use splitbrain_kernel::run::Outcome;
use splitbrain_madsim::OnMadsim;
use splitbrain_systems::raft::Raft;

use crate::toy;

fn shipped(name: &str) -> Arc<Scenario> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/raft").join(name);
    let loaded = scenario::load_file(&path, &[OnMadsim::<Raft>::new().description()]);
    Arc::new(loaded.unwrap_or_else(|error| panic!("{error}")))
}

fn raft(scenario: &Arc<Scenario>, seed: u64, plan: Option<&PlanText>, entries: Option<&mut Vec<Entry>>) -> Run {
    let engine = OnMadsim::<Raft>::new().open(scenario.clone()).expect("madsim runs it");
    let plan = plan.map(|plan| engine.read_plan(plan).expect("the plan is our own"));
    let recorder = entries.map(|entries| entries as &mut dyn splitbrain::engine::Recorder);
    engine.worker().run(Job { seed: Seed(seed), plan: plan.as_ref() }, recorder)
}

#[test]
fn one_seed_is_one_run_recorded_or_not() {
    let scenario = shipped("swarm_nuraft.toml");
    for seed in 0..4 {
        let mut entries = Vec::new();
        let plain = raft(&scenario, seed, None, None);
        let recorded = raft(&scenario, seed, None, Some(&mut entries));
        assert_eq!((plain.digest, plain.events, &plain.counts), (recorded.digest, recorded.events, &recorded.counts));
        let inputs = entries.iter().filter(|entry| entry.kind.is_input()).count();
        assert_eq!(inputs as u64, plain.events);
        assert!(entries.is_sorted_by_key(|entry| entry.at), "time goes back");
    }
}

#[test]
fn a_plan_is_followed_to_the_same_digest() {
    let scenario = shipped("swarm_paper.toml");
    for seed in 0..4 {
        let first = raft(&scenario, seed, None, Some(&mut Vec::new()));
        let (path, text) = ("plan.toml".to_owned(), first.plan.as_ref().expect("it ran to its end").to_toml());
        let plan = PlanText { path, text, timing: None, workload: None, force: false };
        let again = raft(&scenario, seed, Some(&plan), None);
        assert!(!first.faults().is_empty());
        assert_eq!((first.digest, first.events, first.faults()), (again.digest, again.events, again.faults()));
    }
}

#[test]
fn a_violation_is_the_same_structured_report() {
    let scenario = shipped("bugs/vote_not_persisted.toml#black_box");
    let found = (0..60).map(|seed| raft(&scenario, seed, None, None)).find(|run| run.outcome.violation().is_some());
    let run = found.expect("the bug is found");
    let Outcome::Violated(violation) = &run.outcome else { panic!("{:?}", run.outcome) };
    assert!(violation.node.is_some() && violation.events == run.events && violation.at == run.end);
    let mut entries = Vec::new();
    let again = raft(&scenario, run.seed.0, None, Some(&mut entries));
    assert_eq!(again.outcome, run.outcome);
    assert_eq!(entries.last().map(|entry| entry.kind), Some(EntryKind::Violated));
}

#[test]
fn what_a_crashed_process_waited_for_never_comes() {
    let crash = |from: &str| {
        let fault = format!("duration = \"1s\"\n[[fault]]\nat = \"{from}\"\ncrash = [\"s1\"]\n");
        toy::run(&toy::scenario("many_timers", &fault), 7).counts["fired"]
    };
    // Twenty timers of each of two servers, one a millisecond.
    assert_eq!(crash("500ms"), 40);
    assert_eq!(crash("10500us"), 30);
}

#[test]
fn a_paused_process_finds_what_came_meanwhile() {
    let fault = "duration = \"1s\"\n[[fault]]\nat = \"10500us\"\npause = [\"s1\"]\nfor = \"100ms\"\n";
    let scenario = toy::scenario("many_timers", fault);
    assert_eq!(toy::run(&scenario, 7).counts["fired"], 40);
    let never = fault.replace("for = \"100ms\"\n", "");
    assert_eq!(toy::run(&toy::scenario("many_timers", &never), 7).counts["fired"], 30);
}
