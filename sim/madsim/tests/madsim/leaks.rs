//! Each way by which something from outside reaches a run on madsim: closed, or shown for what it is.

use std::sync::{Mutex, PoisonError};

use madsim::Config;
use madsim::runtime::Runtime;
use splitbrain::campaign::{
    self, CampaignOptions, Interrupt, Planned, Pool, ReasonKind, ScenarioResult, Seeds, Silent, Subject,
};
use splitbrain::engine::AnySystem as _;
use splitbrain::kernel::prelude::Ppm;
use splitbrain_kernel::run::Outcome;
use splitbrain_madsim::OnMadsim;

use crate::toy::{self, Toy};

const SECOND: &str = "duration = \"1s\"";

/// Every seed twice, as `test --check-determinism 100%` does.
fn checked(deed: &str) -> ScenarioResult {
    let scenario = toy::load(&toy::scenario(deed, SECOND));
    let system = OnMadsim::<Toy>::new();
    let description = system.description();
    let pool = Pool { jobs: 1, timeout: None, interrupt: Interrupt::default(), until: None };
    let options = CampaignOptions {
        seeds: Some(Seeds::first(3)),
        max_fail: None,
        fail_fast: false,
        check_determinism: Ppm::new(1_000_000),
        pool,
    };
    let subject = Subject { scenario: &scenario, name: deed, description: &description, program: "splitbrain-madsim" };
    campaign::judge(
        &Planned { subject, scenario: scenario.clone(), system: &system, only: None },
        &options,
        &mut Silent,
    )
}

fn diverged(result: &ScenarioResult) -> bool {
    result.all_reasons().any(|reason| reason.kind == ReasonKind::Diverged)
}

#[test]
fn the_order_of_hash_maps_is_the_seeds() {
    let scenario = toy::scenario("hash_order", SECOND);
    let runs: Vec<_> = (0..8).map(|seed| toy::run(&scenario, seed).digest).collect();
    let again: Vec<_> = (0..8).rev().map(|seed| toy::run(&scenario, seed).digest).collect();
    assert!(runs.iter().eq(again.iter().rev()), "what ran before reaches a run");
    assert!(!diverged(&checked("hash_order")));
}

/// Why each run has a thread of its own. Where this fails, madsim has mended it.
#[test]
fn a_second_runtime_on_one_thread_has_another_order_for_the_same_seed() {
    let orders = std::thread::spawn(|| {
        let order = || Runtime::with_seed_and_config(7, Config::default()).block_on(async { toy::hash_order() });
        (order(), order())
    });
    let (first, second) = orders.join().expect("no panic");
    assert_ne!(first, second);
}

#[test]
fn the_clocks_of_the_machine_are_madsims() {
    let scenario = toy::scenario("clocks", SECOND);
    assert_eq!(toy::run(&scenario, 7).digest, toy::run(&scenario, 7).digest);
    assert_ne!(toy::run(&scenario, 7).digest, toy::run(&scenario, 8).digest, "the seed chooses the day");
    assert!(!diverged(&checked("clocks")));
}

/// Documented, not closed: statics outlive a run. The check of determinism tells.
#[test]
fn a_static_reaches_a_run_and_is_told_as_diverged() {
    // Nobody else may count in between.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(diverged(&checked("statics")));
}

/// Documented, not closed: what goes around the C library is not madsim's. The check of determinism tells.
#[test]
fn entropy_from_around_the_c_library_is_told_as_diverged() {
    assert!(diverged(&checked("raw_entropy")));
}

#[test]
fn a_thread_is_a_panic_of_its_node() {
    let run = toy::run(&toy::scenario("threads", SECOND), 7);
    assert!(matches!(&run.outcome, Outcome::Panicked(panic) if panic.node.is_some()), "{:?}", run.outcome);
}

#[test]
fn a_cluster_with_nothing_to_do_comes_to_its_end() {
    let run = toy::run(&toy::scenario("idle", "duration = \"10s\""), 7);
    assert_eq!((run.outcome, run.events), (Outcome::Passed, 2));
}

/// madsim lengthens a sleep to a millisecond.
#[test]
fn timers_below_a_millisecond_are_kept() {
    let run = toy::run(&toy::scenario("short_timers", SECOND), 7);
    // Two servers, 10 ms, 10 µs a timer and some hundred nanoseconds for each turn of madsim.
    assert!((1_600..=2_002).contains(&run.counts["fired"]), "{:?}", run.counts);
}

/// madsim decides at sending what becomes of a packet. Here it is decided again at arrival.
#[test]
fn a_cut_stops_what_is_under_way_and_a_clog_holds_it() {
    let sends = |fault: &str| {
        let rest = format!("duration = \"1s\"\n[network]\nlatency = \"100ms\"\n[[fault]]\nat = \"50ms\"\n{fault}");
        toy::run(&toy::scenario("sends", &rest), 7).counts.get("heard").copied().unwrap_or(0)
    };
    assert_eq!(sends("cut = [\"s1 -> s2\"]\nfor = \"500ms\""), 1);
    assert_eq!(sends("cut = [\"s1 <-> s2\"]\nfor = \"500ms\""), 0);
    assert_eq!(sends("cut = [\"s1 <-> s2\"]\nin_flight = \"keep\"\nfor = \"500ms\""), 2);
    assert_eq!(sends("clog = [\"s1 <-> s2\"]\nfor = \"500ms\""), 2);
    assert_eq!(sends("clog = [\"s1 <-> s2\"]"), 0);
}
