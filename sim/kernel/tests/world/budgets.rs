//! Budgets, panics and deadlines: every run ends, and says why.

use splitbrain_kernel::fault::{CrashScope, Fault, Pause};
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::InvariantSet;
use splitbrain_kernel::queue::SLOT_COUNT_MAX;
use splitbrain_kernel::run::{BudgetKind, Exhaustion, Outcome, Panic};
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::timers::TIMER_COUNT_MAX;

use crate::stage::{Played, Stage, at, constant, crash, ms, s};
use crate::toy::{Cue, FORBIDDEN, Op};

fn exhausted(stage: &Stage) -> Exhaustion {
    match stage.play().report.outcome {
        Outcome::Exhausted(exhaustion) => exhaustion,
        other => panic!("expected an exhausted run, got {other:?}"),
    }
}

/// Two servers that send a note to and fro for ever.
fn rally(latency: Duration) -> Stage {
    let ops = [Op::When(Cue::Note(1), vec![Op::Reply(1)])];
    let stage = Stage::new(2, 0).start(s(1), ops.clone()).start(s(2), ops).at(5, s(1), Op::Send(s(2), 1));
    stage.with(|options| options.network.latency = constant(latency))
}

#[test]
fn events_run_out() {
    let stage = rally(ms(1)).with(|options| options.budget.events_max = 100);
    let expected = Exhaustion { budget: BudgetKind::Events, bound: 100, at: at(102), events: 100 };
    assert_eq!(exhausted(&stage), expected);
    rally(ms(1)).pass();
}

#[test]
fn work_at_one_instant_runs_out() {
    let defers = [Op::When(Cue::Step(1), vec![Op::Defer(1)]), Op::Defer(1)];
    let times = [Op::When(Cue::Timer(1), vec![Op::SetTimer(1, Duration::ZERO)]), Op::SetTimer(1, Duration::ZERO)];
    let instant = Duration::ZERO;
    let loops = [rally(instant), Stage::new(1, 0).start(s(1), defers), Stage::new(1, 0).start(s(1), times)];
    for stage in loops {
        let found = exhausted(&stage.with(|options| options.budget.instant_max = 1_000));
        assert_eq!((found.budget, found.bound), (BudgetKind::Instant, 1_000));
    }
}

#[test]
fn the_queue_runs_out() {
    let stage = Stage::new(2, 0).at(1, s(1), Op::SendMany(s(2), 1_000));
    stage.pass();
    let found = exhausted(&stage.clone().with(|options| options.budget.queue_max = 500));
    assert_eq!((found.budget, found.bound, found.at), (BudgetKind::Queue, 500, at(1)));
    let found = exhausted(&stage.with(|options| options.budget.queue_max = 1));
    assert_eq!((found.budget, found.events), (BudgetKind::Queue, 0), "not even both nodes can start");
}

#[test]
fn a_queue_is_never_larger_than_its_slots() {
    let stage = Stage::new(2, 0).at(1, s(1), Op::SendMany(s(2), SLOT_COUNT_MAX + 1));
    let stage = stage.with(|options| options.budget.queue_max = u64::MAX);
    let Outcome::Exhausted(found) = stage.report().outcome else { panic!("expected an exhausted run") };
    assert_eq!((found.budget, found.bound), (BudgetKind::Queue, SLOT_COUNT_MAX));
}

#[test]
fn timers_of_one_node_run_out_and_cancelled_ones_do_not_count() {
    let count = u32::try_from(TIMER_COUNT_MAX).expect("few timers");
    let set = |count| Op::All((0..count).map(|name| Op::SetTimer(name, ms(50))).collect());
    let played = Stage::new(1, 0).at(1, s(1), set(count)).pass();
    assert_eq!(played.lines(s(1)).len(), TIMER_COUNT_MAX);
    let found = exhausted(&Stage::new(1, 0).at(1, s(1), set(count + 1)));
    assert_eq!((found.budget, found.bound), (BudgetKind::Queue, u64::from(count)));
    let churn = (0..count * 3).flat_map(|name| [Op::SetTimer(name, ms(50)), Op::CancelTimer(name)]);
    assert_eq!(Stage::new(1, 0).at(1, s(1), Op::All(churn.collect())).pass().lines(s(1)).len(), 0);
}

#[test]
fn the_inbox_of_a_paused_node_runs_out() {
    let stage =
        Stage::new(2, 0).fault(1, 500, Fault::Pause(Pause { nodes: vec![s(1)] })).at(5, s(2), Op::SendMany(s(1), 11));
    stage.pass();
    let found = exhausted(&stage.with(|options| options.budget.inbox_max = 10));
    assert_eq!((found.budget, found.bound, found.at), (BudgetKind::Inbox, 10, at(6)));
}

#[test]
fn deadlines_take_nothing_from_the_work_at_one_instant() {
    let mut stage = rally(ms(1)).with(|options| options.budget.instant_max = 4);
    let without = stage.pass().report.digest;
    stage.toy.watch.deadline = Some(at(10));
    assert_eq!(stage.pass().report.digest, without);
}

fn panicked(stage: &Stage) -> Panic {
    let Played { report, .. } = stage.play();
    assert_eq!(report.plan.operations.len(), stage.plan.operations.len(), "the world reports its plan");
    match report.outcome {
        Outcome::Panicked(panic) => panic,
        other => panic!("expected a panic, got {other:?}"),
    }
}

#[test]
fn a_panic_in_each_kind_of_handler_is_an_outcome_that_names_the_node() {
    let on = |cue, op: Op| Stage::new(2, 0).start(s(2), [Op::When(cue, vec![Op::Panic])]).at(5, s(2), op);
    let stages = [
        (Stage::new(2, 0).start(s(2), [Op::Panic]), at(0)),
        (on(Cue::Note(1), Op::Send(s(2), 1)), at(6)),
        (on(Cue::Timer(1), Op::SetTimer(1, ms(1))), at(6)),
        (on(Cue::Opened, Op::Connect(s(1))), at(7)),
        (on(Cue::Durable, Op::Append(1)), at(6)),
        (on(Cue::Step(1), Op::Defer(1)), at(5)),
        (Stage::new(2, 0).at(5, s(2), Op::Panic), at(5)),
    ];
    for (stage, when) in stages {
        let panic = panicked(&stage);
        assert_eq!((panic.node, panic.message.as_str(), panic.at), (Some(s(2)), "told to panic", when));
    }
}

#[test]
fn a_panic_while_a_node_is_made_names_that_node() {
    let mut stage = Stage::new(3, 0);
    stage.toy.broken_factory = Some(s(3));
    let panic = panicked(&stage);
    assert_eq!(panic.node, Some(s(3)));
    assert!(panic.message.contains("the factory is broken"));
}

#[test]
fn a_message_to_nobody_is_a_panic_of_its_sender() {
    let nobody = |op| panicked(&Stage::new(2, 0).at(5, s(1), op));
    for op in [Op::Send(s(3), 1), Op::Connect(NodeId::client(1))] {
        assert_eq!(nobody(op).node, Some(s(1)));
    }
}

#[test]
fn a_run_ends_at_its_first_violation() {
    let played = Stage::new(2, 0).at(5, s(1), Op::Send(s(2), FORBIDDEN)).at(5, s(1), Op::Send(s(2), 1)).play();
    let Outcome::Violated(violation) = &played.report.outcome else { panic!("expected a violation") };
    assert_eq!((violation.invariant.as_str(), violation.node, violation.at), ("never_forbidden", Some(s(2)), at(6)));
    assert_eq!((played.numbers(s(2)), played.world.invariants().ended), (vec![FORBIDDEN], None));
    let off = Stage::new(2, 0)
        .at(5, s(1), Op::Send(s(2), FORBIDDEN))
        .with(|options| options.invariants = InvariantSet::NONE)
        .pass();
    assert_eq!(off.report.evaluated, [0, 0]);
}

#[test]
fn nothing_more_is_done_to_a_world_whose_run_is_over() {
    let stage = Stage::new(1, 0).at(5, s(1), Op::Panic).fault_from(5, crash(s(1), CrashScope::Process));
    assert_eq!(stage.play().report.plan.faults, []);
    let stage = Stage::new(1, 0).at(5, s(1), Op::Recall).fault_from(5, crash(s(1), CrashScope::Process));
    let played = stage.with(|options| options.budget.events_max = 2).play();
    assert_eq!((played.report.plan.operations.len(), played.report.plan.faults.len()), (1, 0));
}

fn watched(deadline: Instant) -> Stage {
    let mut stage = Stage::new(2, 0).with(|options| options.duration = ms(100));
    stage.toy.watch.deadline = Some(deadline);
    stage
}

#[test]
fn a_deadline_is_judged_in_true_time_before_the_events_at_its_instant() {
    let stage = watched(at(10))
        .at(9, s(1), Op::Send(s(2), FORBIDDEN))
        .with(|options| options.invariants = InvariantSet::Only([1].into()));
    let played = stage.pass();
    assert_eq!((played.world.invariants().came.as_slice(), played.report.evaluated), (&[at(10)][..], vec![0, 1]));
    let mut failing = watched(at(10)).at(9, s(1), Op::Send(s(2), 1));
    failing.toy.watch.fails = true;
    let played = failing.play();
    let Outcome::Stalled(violation) = &played.report.outcome else { panic!("expected a stalled run") };
    assert_eq!((violation.at, violation.invariant.as_str(), played.numbers(s(2))), (at(10), "in_time", vec![]));
}

#[test]
fn a_deadline_at_the_end_is_judged_and_one_beyond_it_is_not() {
    let came = |deadline| watched(deadline).pass().world.invariants().came.clone();
    assert_eq!((came(at(100)), came(at(101)), came(Instant::MAX)), (vec![at(100)], vec![], vec![]));
    let ended = watched(at(100)).pass();
    assert_eq!((ended.world.invariants().ended, ended.report.end), (Some(at(100)), at(100)));
    let endless = watched(Instant::MAX).with(|options| options.duration = Duration::MAX).pass();
    assert_eq!(endless.world.invariants().came, []);
}

#[test]
fn a_deadline_that_stays_where_it_is_exhausts_the_run() {
    let mut stage = watched(at(10)).with(|options| options.budget.instant_max = 50);
    stage.toy.watch.is_stuck = true;
    let found = exhausted(&stage);
    assert_eq!((found.budget, found.at), (BudgetKind::Instant, at(10)));
}

#[test]
fn a_run_of_no_length_ends_after_what_happens_at_once() {
    let played = Stage::new(2, 0).at(0, s(1), Op::Recall).with(|options| options.duration = Duration::ZERO).pass();
    assert_eq!((played.count("started"), played.report.end), (2, at(0)));
}
