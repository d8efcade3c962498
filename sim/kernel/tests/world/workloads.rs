//! Workloads: pulled one operation at a time, in a first run and in replays.

use splitbrain_kernel::director::spec::FaultSpec;
use splitbrain_kernel::fault::{Crash, CrashScope, Keep};
use splitbrain_kernel::history::HistoryEvent;
use splitbrain_kernel::plan::{Asking, Plan, Timing};
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::Outcome;
use splitbrain_kernel::selector::{Condition, Selector, Span, Trigger};
use splitbrain_kernel::time::Instant;
use splitbrain_kernel::workload::{Cue, Load, Pace};

use crate::stage::{Played, Stage, at, c, crash, fault, ms, s};
use crate::toy::{Asks, Op};

/// A server and two clients, each asked with this pace from 10 ms until 900 ms.
fn stage(pace: fn(splitbrain_kernel::rng::Rng) -> Pace) -> Stage {
    Stage::new(1, 2).with(|options| {
        let asks = |client: splitbrain_kernel::id::NodeId| {
            let pace = pace(Seed(7).stream("workload", client.key()));
            (client, Asks { pace, left: u64::MAX, ended: [0; 3] })
        };
        options.workload = Some(Load {
            clients: vec![(c(1), asks(c(1)).1), asks(c(2))],
            from: Cue::At(at(10)),
            until: Cue::At(at(900)),
        });
    })
}

fn open() -> Stage {
    stage(|rng| Pace::open(ms(2), rng))
}

fn closed() -> Stage {
    stage(|rng| Pace::closed(ms(2), rng))
}

/// The stage as a first run: its plan is what the run makes.
fn first(stage: &Stage) -> Played {
    Played::of(&stage.toy, &stage.options, stage.seed)
}

/// The greatest number of operations that one client had open at once.
fn open_most(played: &Played) -> usize {
    let mut open = std::collections::BTreeMap::<_, usize>::new();
    let mut most = 0;
    for entry in played.world.history().entries() {
        let count = open.entry(entry.client).or_default();
        match entry.change {
            HistoryEvent::Invoked(_) => *count += 1,
            HistoryEvent::Completed { .. } => *count -= 1,
        }
        most = most.max(*count);
    }
    most
}

#[test]
fn a_closed_loop_never_has_two_operations_open_and_an_open_one_does() {
    let (closed, open) = (first(&closed()), first(&open()));
    assert_eq!((open_most(&closed), open_most(&open) > 1), (1, true));
    let count = |played: &Played| played.report.plan.operations.len();
    assert!(count(&closed) > 200 && count(&open) > count(&closed), "{} {}", count(&closed), count(&open));
    let is_after = |planned: &splitbrain_kernel::plan::PlannedOperation<Op>| planned.after_completion;
    assert!(closed.report.plan.operations[2..].iter().all(is_after));
    assert!(!open.report.plan.operations.iter().any(is_after));
}

#[test]
fn operations_come_between_the_bounds_and_each_client_has_its_own() {
    let played = first(&open());
    let times: Vec<Instant> = played.report.plan.operations.iter().map(|planned| planned.start.at).collect();
    assert!(times[0] >= at(10) && *times.last().expect("there are some") < at(900));
    let alone = first(&open().with(|options| {
        options.workload.as_mut().expect("there is one").clients.truncate(1);
    }));
    let of_first = |played: &Played| -> Vec<Instant> {
        let mine = played.report.plan.operations.iter().filter(|planned| planned.node == c(1));
        mine.map(|planned| planned.start.at).collect()
    };
    assert_eq!(of_first(&alone), of_first(&played));
}

/// The process of a node crashes at this time, and starts again so long after.
fn crashes(id: &str, node: splitbrain_kernel::id::NodeId, millis: u64, down: u64) -> FaultSpec<Op> {
    let nodes = vec![Selector::Node(node.into())];
    let crash = Crash { nodes, scope: CrashScope::Process, keep: Keep::Prefix };
    fault(id, Trigger::At(Span::constant(at(millis))), crash, down)
}

#[test]
fn a_workload_survives_the_crash_of_its_client_and_hears_what_became_of_its_operations() {
    let mut stage = closed();
    stage.options.faults = vec![crashes("crash", c(1), 100, 50)];
    let played = first(&stage);
    assert_eq!(played.report.outcome, Outcome::Passed);
    let entries = played.world.history().entries();
    let mine = entries.iter().filter(|entry| entry.client == c(1));
    let unknown = mine.clone().filter(|entry| {
        matches!(
            entry.change,
            HistoryEvent::Completed { result: splitbrain_kernel::context::OperationResult::Unknown, .. }
        )
    });
    assert!(unknown.count() <= 1);
    assert!(mine.clone().any(|entry| entry.process == 1 && entry.at > at(150)), "it goes on after the restart");
    assert_eq!(open_most(&played), 1);
    // While the process is down, what is handed over fails, and nothing of it is in the history.
    let down = |at_: Instant| at_ > at(100) && at_ < at(150);
    assert!(played.report.plan.operations.iter().filter(|it| it.node == c(1) && down(it.start.at)).count() > 5);
    assert_eq!(mine.filter(|entry| down(entry.at)).count(), 0);
}

#[test]
fn an_exact_replay_hands_out_the_operations_of_the_plan() {
    for stage in [open(), closed()] {
        let made = first(&stage).report;
        let mut again = stage.clone();
        again.plan = Plan { timing: Timing::Exact, ..made.plan.clone() };
        let replayed = again.play().report;
        assert_eq!(replayed.digest, made.digest);
        assert!(replayed.plan.operations == made.plan.operations, "the plan is made again");
        again.plan.workload = Asking::Live;
        again.plan.operations.clear();
        assert_eq!(again.play().report.digest, made.digest, "asked again, the workload says the same");
    }
}

#[test]
fn an_operation_of_an_edited_plan_waits_for_the_end_of_the_one_before() {
    let stage = closed();
    let made = first(&stage).report;
    let mut edited = stage;
    edited.plan = Plan { timing: Timing::Time, ..made.plan };
    // The second operation of a client comes while the first is open.
    let second = edited.plan.operations.iter().enumerate().filter(|(_, it)| it.node == c(1)).nth(1).expect("a second");
    let (place, start) = (second.0, edited.plan.operations.iter().find(|it| it.node == c(1)).expect("a first").start);
    edited.plan.operations[place].start.at = start.at.saturating_add(ms(1));
    let waits = edited.play();
    assert_eq!(open_most(&waits), 1);
    assert_eq!(waits.report.plan.operations.len(), edited.plan.operations.len());
    edited.plan.operations[place].after_completion = false;
    assert_eq!(open_most(&edited.play()), 2, "one that was not asked for after an end does not wait");
}

#[test]
fn a_live_replay_asks_the_workload_and_an_edited_one_the_plan() {
    let stage = closed();
    let made = first(&stage).report;
    let mut edited = stage;
    edited.plan = Plan { timing: Timing::Time, ..made.plan.clone() };
    edited = edited.fault(100, 300, crash(c(1), CrashScope::Process)).at(500, s(1), Op::Recall);
    let contents = |played: &Played| -> Vec<Op> {
        let mine = played.report.plan.operations.iter().filter(|planned| planned.node == c(1));
        mine.map(|planned| planned.operation.clone()).collect()
    };
    let planned = edited.play();
    let first_plan: Vec<Op> =
        made.plan.operations.iter().filter(|it| it.node == c(1)).map(|it| it.operation.clone()).collect();
    assert_eq!(contents(&planned), first_plan);
    edited.plan.workload = Asking::Live;
    assert_ne!(contents(&edited.play()), first_plan, "it reacts to what it was answered now");
}

/// The same from this cue until that one. Three processes start at once; the server starts again, as the fourth, at 100
/// ms and, as the fifth, at 300 ms.
fn between(from: Cue, until: Cue) -> Stage {
    open().with(|options| {
        let load = options.workload.take().expect("it has a workload");
        options.workload = Some(Load { from, until, ..load });
        options.faults = vec![crashes("a", s(1), 90, 10), crashes("b", s(1), 290, 10)];
    })
}

fn started(nth: u64) -> Cue {
    Cue::When(Condition::Observed { name: "started".to_owned(), nth })
}

/// When the clients were asked for something, the first and the last time.
fn asked(played: &Played) -> (Instant, Instant) {
    let times = || played.report.plan.operations.iter().map(|one| one.start.at);
    (times().min().expect("operations"), times().max().expect("operations"))
}

#[test]
fn a_workload_begins_and_ends_by_a_condition() {
    let (first_ask, last_ask) = asked(&first(&between(started(4), started(5))));
    assert!(first_ask >= at(100) && first_ask < at(110), "{first_ask}");
    assert!(last_ask < at(300) && last_ask > at(290), "{last_ask}");
    let (first_ask, last_ask) = asked(&first(&between(Cue::At(at(10)), started(4))));
    assert!(first_ask < at(20) && last_ask < at(100) && last_ask > at(90), "{first_ask} {last_ask}");
}

#[test]
fn a_workload_whose_first_condition_never_comes_asks_for_nothing_and_one_whose_last_never_comes_goes_on() {
    assert!(first(&between(started(6), Cue::At(at(900)))).report.plan.operations.is_empty());
    let (_, last_ask) = asked(&first(&between(Cue::At(at(10)), started(6))));
    assert!(last_ask > at(980), "{last_ask}");
}

#[test]
fn a_live_replay_waits_for_the_same_conditions() {
    let mut stage = between(started(4), started(5));
    let made = first(&stage).report;
    stage.plan = Plan { timing: Timing::Exact, workload: Asking::Live, operations: Vec::new(), ..made.plan };
    assert_eq!(stage.play().report.digest, made.digest);
}
