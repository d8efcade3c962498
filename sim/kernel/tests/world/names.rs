//! Names and conditions in a world: what is counted of them, in a first run and in replays of its plan.

use std::collections::BTreeSet;

use splitbrain_kernel::fault::{Crash, CrashScope, Fault, Keep, Pause};
use splitbrain_kernel::id::Side;
use splitbrain_kernel::plan::{Plan, Timing};
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::RunReport;
use splitbrain_kernel::selector::{Among, Bound, Condition, Selector, Span, Trigger};

use crate::stage::{Played, Stage, at, fault, ms};
use crate::toy::Op;

fn observed(name: &str) -> Condition {
    Condition::Observed { name: name.to_owned(), nth: 0 }
}

fn of_x(name: &str) -> Condition {
    Condition::Of { nodes: Selector::Named("x".to_owned()), condition: Box::new(observed(name)) }
}

fn at_least(count: u64) -> Condition {
    Condition::Count { name: "node restarted".to_owned(), bound: Bound::AtLeast(count) }
}

fn when(condition: Condition) -> Trigger {
    Trigger::When { condition, delay: Span::constant(ms(10)), times: 9 }
}

/// A drawn server x crashes, and each time that x is back it is paused.
fn stage(seed: u64) -> Stage {
    let x = || vec![Selector::Named("x".to_owned())];
    let mut binds = fault(
        "binds",
        Trigger::At(Span::constant(at(100))),
        Crash { nodes: x(), scope: CrashScope::Process, keep: Keep::Prefix },
        50,
    );
    binds.names = vec![("x".to_owned(), Selector::Any(Among::Side(Side::Server)))];
    let all = vec![Selector::Every(Among::Side(Side::Server))];
    let mut stage = Stage::new(3, 0).with(|options| {
        options.faults = vec![
            binds,
            fault("back", when(of_x("node restarted")), Pause { nodes: x() }, 50),
            fault(
                "again",
                Trigger::At(Span::constant(at(400))),
                Crash { nodes: all, scope: CrashScope::Process, keep: Keep::Prefix },
                50,
            ),
        ];
        options.counted = vec![
            ("x restarted".to_owned(), of_x("node restarted")),
            ("node crashed".to_owned(), observed("node crashed")),
            ("two restarts".to_owned(), at_least(2)),
            ("never".to_owned(), at_least(99)),
        ];
    });
    stage.seed = Seed(seed);
    stage
}

fn counts(report: &RunReport<Op, Op>) -> [u64; 4] {
    ["x restarted", "node crashed", "two restarts", "never"]
        .map(|name| report.counts.get(name).copied().unwrap_or_default())
}

#[test]
fn what_the_world_counts_starts_faults_and_is_counted_at_a_name() {
    let mut drawn = BTreeSet::new();
    for seed in 0..20 {
        let stage = stage(seed);
        let first = Played::of(&stage.toy, &stage.options, stage.seed).report;
        assert_eq!(counts(&first), [2, 4, 1, 0], "seed {seed}");
        let [named] = first.plan.names.as_slice() else { panic!("x is bound once: {:?}", first.plan.names) };
        assert_eq!((named.name.as_str(), named.start.at), ("x", at(100)));
        let paused: Vec<_> = first.plan.faults.iter().filter(|planned| planned.id.starts_with("back")).collect();
        assert_eq!(paused.len(), 2, "seed {seed}");
        for planned in paused {
            assert_eq!(planned.fault, Fault::Pause(Pause { nodes: vec![named.node] }));
        }
        drawn.insert(named.node);
    }
    assert_eq!(drawn.len(), 3, "every server is drawn at some seed");
}

#[test]
fn a_replay_counts_the_same() {
    for seed in 0..20 {
        let mut stage = stage(seed);
        let first = Played::of(&stage.toy, &stage.options, stage.seed).report;
        for timing in [Timing::Exact, Timing::Time] {
            stage.plan = Plan { timing, ..first.plan.clone() };
            let again = stage.play().report;
            assert_eq!(counts(&again), counts(&first), "seed {seed}, {timing:?}");
            assert_eq!(again.plan.names.len(), 1);
            if timing == Timing::Exact {
                assert_eq!((again.digest, &again.plan), (first.digest, &first.plan), "seed {seed}");
            }
        }
    }
}

/// What is counted changes nothing of a run.
#[test]
fn the_digest_is_the_same_whatever_is_counted() {
    for seed in 0..20 {
        let stage = stage(seed);
        let all = Played::of(&stage.toy, &stage.options, stage.seed).report;
        let none = stage.clone().with(|options| options.counted.clear());
        let none = Played::of(&none.toy, &none.options, none.seed).report;
        assert_eq!((all.digest, all.events), (none.digest, none.events), "seed {seed}");
    }
}
