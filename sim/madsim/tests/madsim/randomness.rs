//! Services that ask for randomness, in one process: what their seed decides there, and what only a process for each
//! run can close (`tests/apart`).

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use splitbrain::engine::{AnySystem as _, EntryKind, Run};
use splitbrain::kernel::prelude::Seed;
use splitbrain::scenario;
use splitbrain_kernel::run::Outcome;
use splitbrain_madsim::ServiceOnMadsim;

#[path = "../apart/chance.rs"]
mod chance;

fn run_recorded(source: &str, seed: u64, entries: Option<&mut Vec<splitbrain::engine::Entry>>) -> Run {
    let system = ServiceOnMadsim::<chance::Chance>::new();
    let text = chance::scenario(source, 1_000_000);
    let loaded = scenario::load("chance.toml", text.as_bytes(), &[system.description()]);
    let loaded = loaded.unwrap_or_else(|error| panic!("{error}"));
    let engine = system.open(Arc::new(loaded)).expect("madsim runs it");
    let recorder = entries.map(|entries| entries as &mut dyn splitbrain::engine::Recorder);
    engine.worker().run(Seed(seed).into(), recorder)
}

fn run(source: &str, seed: u64) -> Run {
    run_recorded(source, seed, None)
}

/// In any order, and however many runs came before.
fn is_the_seeds(source: &str) -> bool {
    let digests: Vec<_> = (0..8).map(|seed| run(source, seed).digest).collect();
    let again: Vec<_> = (0..8).rev().map(|seed| run(source, seed).digest).collect();
    digests.iter().eq(again.iter().rev())
}

#[test]
fn the_generators_of_tokio_and_rand_and_the_order_of_hash_maps_are_the_seeds() {
    for source in ["tokio", "hash", "made", "rand"] {
        assert!(is_the_seeds(source), "{source}: what ran before reaches a run");
        assert_ne!(run(source, 1).digest, run(source, 2).digest, "{source}: another seed is another run");
    }
}

/// Why each run has a process of its own in a program.
#[test]
fn a_static_and_the_generator_of_futures_are_the_processs() {
    // No other test may count in between.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    for source in ["static", "futures"] {
        assert!(!is_the_seeds(source), "{source}");
    }
}

#[test]
fn a_task_on_the_real_tokio_is_refused_with_a_word() {
    let Outcome::Panicked(panic) = run("stray", 1).outcome else { panic!("it went on") };
    assert!(panic.message.contains("a task was spawned on the real tokio"), "{panic:?}");
}

/// Also one that is spawned right before the end: the run passes only if there was none.
#[test]
fn a_late_task_on_the_real_tokio_is_refused_too() {
    let spawned = || chance::LATE_STRAYS.load(Ordering::Relaxed);
    for seed in 0..20 {
        let before = spawned();
        let outcome = run("late_stray", seed).outcome;
        assert_eq!(spawned() > before, outcome != Outcome::Passed, "seed {seed}: {outcome:?}");
    }
    assert!(spawned() > 0, "no task was spawned in any run");
}

/// Recorded or not: the lines of a log are entries, and nothing else changes.
#[test]
fn log_lines_are_entries_with_time_and_node_and_change_nothing() {
    let mut entries = Vec::new();
    let recorded = run_recorded("tokio", 5, Some(&mut entries));
    assert_eq!(recorded.digest, run("tokio", 5).digest);
    assert!(entries.is_sorted_by_key(|entry| entry.at), "time goes back");
    let lines = || entries.iter().filter(|entry| entry.kind == EntryKind::Logged);
    assert_eq!(lines().filter(|entry| entry.name == "info").count() as u64, recorded.counts["chose"]);
    assert!(lines().all(|entry| entry.node.is_some() && entry.text.contains("chance: ")));
    // Said right before what is told: at the same time, by the same process.
    let told = entries.iter().filter(|entry| entry.kind == EntryKind::Observed && entry.name == "chose");
    let lines = lines().filter(|entry| entry.name == "info").map(|entry| (entry.at, entry.node));
    assert!(told.map(|entry| (entry.at, entry.node)).eq(lines));
}
