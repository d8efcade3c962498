//! A plan keeps what a seed found: exact replay is the same run, and a replay by time goes the same way.

use splitbrain_kernel::director::spec::{FaultSpec, NemesisKind, OrderChoice, OrderSpec, What};
use splitbrain_kernel::fault::{Crash, CrashScope, Cut, Fault, Keep, Pause};
use splitbrain_kernel::id::Side;
use splitbrain_kernel::plan::{Plan, Timing};
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::{OptionsOf, Outcome, RunOptions, RunReport};
use splitbrain_kernel::selector::{Among, Condition, LinkForm, Selector, Span, Trigger};
use splitbrain_kernel::world::World;

use crate::determinism::{report, stormy};
use crate::stage::{Stage, crash, cut, ms, s};
use crate::toy::{FORBIDDEN, Op, Toy};

fn replay(toy: &Toy, options: &OptionsOf<Toy>, plan: Plan<Op, Op>, seed: u64) -> RunReport<Op, Op> {
    let options = RunOptions { replay: Some(plan), ..options.clone() };
    World::new(toy, &options, Seed(seed)).run()
}

/// The plan as it comes back from a file.
fn stored(plan: &Plan<Op, Op>) -> Plan<Op, Op> {
    let text = serde_json::to_string(plan).expect("a plan is plain data");
    serde_json::from_str(&text).expect("a plan reads what it wrote")
}

#[test]
fn the_plan_of_a_run_replays_to_the_same_digest() {
    let (toy, options) = stormy();
    for seed in 0..200 {
        let first = report(&(toy.clone(), options.clone()), seed);
        assert!(first.plan.faults.len() > 10, "seed {seed} was a calm day");
        let plan = stored(&first.plan);
        assert_eq!(plan, first.plan);
        let again = replay(&toy, &options, plan, seed);
        assert_eq!((again.digest, again.events, again.end), (first.digest, first.events, first.end), "seed {seed}");
        assert_eq!((again.outcome, again.plan, again.counts), (first.outcome, first.plan, first.counts));
    }
}

/// The same, with faults and orders that observations trigger, at once or a little later.
fn triggered() -> (Toy, OptionsOf<Toy>) {
    let (toy, mut options) = stormy();
    let when = |id: &str, name: &str, times, delay, what| FaultSpec {
        id: id.to_owned(),
        line: 0,
        selector: String::new(),
        trigger: Trigger::When {
            condition: Condition::Observed { name: name.to_owned(), nth: 0 },
            delay: Span { low: ms(0), high: ms(delay) },
            times,
        },
        names: Vec::new(),
        what,
        duration: Some(Span { low: ms(0), high: ms(30) }),
        until: None,
        waits_until: None,
    };
    let anyone = || vec![Selector::Any(Among::Side(Side::Server))];
    let order = Op::All(vec![Op::Draw, Op::Defer(1), Op::Recall]);
    options.faults = vec![
        when("cuts", "heard", 20, 0, What::Fault(Fault::Cut(Cut::of(LinkForm::Isolate(anyone()))))),
        when(
            "orders",
            "heard",
            200,
            0,
            What::Order(OrderSpec { nodes: anyone(), order: OrderChoice::One(order), end: None }),
        ),
        when("later", "heard", 100, 4, What::Fault(Fault::Pause(Pause { nodes: anyone() }))),
        when(
            "crashes",
            "started",
            10,
            0,
            What::Fault(Fault::Crash(Crash { nodes: anyone(), scope: CrashScope::Process, keep: Keep::Torn })),
        ),
    ];
    (toy, options)
}

#[test]
fn the_plan_of_a_run_with_triggers_replays_to_the_same_digest() {
    let (toy, options) = triggered();
    for seed in 0..50 {
        let first = report(&(toy.clone(), options.clone()), seed);
        assert!(first.plan.orders.len() > 50, "{} orders", first.plan.orders.len());
        let again = replay(&toy, &options, stored(&first.plan), seed);
        assert_eq!(
            (again.digest, &again.outcome, &again.plan),
            (first.digest, &first.outcome, &first.plan),
            "seed {seed}"
        );
        let by_time = replay(&toy, &options, Plan { timing: Timing::Time, ..first.plan }, seed);
        assert_eq!(by_time.outcome, first.outcome);
    }
}

/// Orders that a nemesis draws stand in the plan as those of a scenario do, and a replay gives them without it.
#[test]
fn the_plan_of_a_run_with_drawn_orders_replays_to_the_same_digest() {
    let (toy, mut options) = stormy();
    let mut drawing = options.nemeses[0].clone();
    drawing.id = "orders".to_owned();
    drawing.kinds = vec![NemesisKind::Order];
    drawing.orders = [Op::All(vec![Op::Draw, Op::Defer(1), Op::Recall]), Op::Draw].map(OrderChoice::One).to_vec();
    options.nemeses.push(drawing);
    for seed in 0..50 {
        let first = report(&(toy.clone(), options.clone()), seed);
        assert!(first.plan.orders.len() > 5, "{} orders", first.plan.orders.len());
        let again = replay(&toy, &options, stored(&first.plan), seed);
        assert_eq!((again.digest, &again.plan), (first.digest, &first.plan), "seed {seed}");
    }
}

#[test]
fn a_replay_by_time_of_a_plan_that_was_not_edited_does_the_same_at_the_same_times() {
    let (toy, options) = stormy();
    for seed in 0..50 {
        let first = report(&(toy.clone(), options.clone()), seed);
        let plan = Plan { timing: Timing::Time, ..first.plan.clone() };
        let again = replay(&toy, &options, plan, seed);
        // Here nothing is triggered by an event, so that even the digest is the same.
        assert_eq!((again.digest, again.outcome), (first.digest, first.outcome), "seed {seed}");
    }
}

#[test]
fn a_violation_is_found_again_by_its_plan_and_by_an_edit_that_leaves_its_cause() {
    let stage = Stage::new(2, 0).fault(10, 20, crash(s(2), CrashScope::Process)).fault(30, 40, cut([(s(2), s(1))]));
    let stage = stage.at(35, s(1), Op::Send(s(2), FORBIDDEN));
    let first = stage.play().report;
    let Outcome::Violated(_) = first.outcome else { panic!("expected a violation") };
    let exact = Plan { timing: Timing::Exact, ..first.plan.clone() };
    let mut replayed = stage.clone();
    replayed.plan = exact;
    assert_eq!((replayed.play().report.digest, &replayed.play().report.outcome), (first.digest, &first.outcome));
    let mut edited = stage;
    edited.plan.faults.remove(0);
    let Outcome::Violated(_) = edited.play().report.outcome else { panic!("expected a violation") };
}

#[test]
fn faults_of_an_edited_plan_are_lifted_each_by_itself_whatever_their_order() {
    let mut stage = Stage::new(3, 0).fault(10, 20, cut([(s(1), s(2))])).fault(5, 50, cut([(s(1), s(3))]));
    for millis in [15, 30, 60] {
        stage = stage.at(millis, s(1), Op::Send(s(2), millis)).at(millis, s(1), Op::Send(s(3), millis));
    }
    let played = stage.pass();
    assert_eq!((played.numbers(s(2)), played.numbers(s(3))), (vec![30, 60], vec![60]));
}

#[test]
fn a_fault_that_an_edit_lets_end_before_it_starts_does_not_last() {
    let stage = Stage::new(2, 0).fault(30, 20, cut([(s(1), s(2))])).at(40, s(1), Op::Send(s(2), 1));
    assert_eq!(stage.pass().numbers(s(2)), [1]);
}

#[test]
fn what_a_plan_says_of_nodes_that_are_not_there_is_passed_over() {
    let stage = Stage::new(2, 0)
        .fault(5, 50, cut([(s(1), s(2)), (s(1), s(3))]))
        .fault_from(5, crash(s(9), CrashScope::Machine));
    let stage = stage.at(10, s(3), Op::Recall).at(10, s(1), Op::Send(s(2), 1)).at(60, s(1), Op::Send(s(2), 2));
    let played = stage.pass();
    assert_eq!((played.numbers(s(2)), played.report.plan.operations.len()), (vec![2], 2));
}

#[test]
fn entries_of_one_moment_keep_their_order() {
    let stage = Stage::new(1, 0).at(10, s(1), Op::Remember(1)).fault(10, 10, crash(s(1), CrashScope::Process));
    let stage = stage.at(10, s(1), Op::Remember(2)).at(11, s(1), Op::Remember(3)).at(12, s(1), Op::Recall);
    let first = stage.pass();
    assert_eq!(first.lines(s(1)), ["12ms memory [3]"]);
    let mut exact = stage;
    exact.plan = Plan { timing: Timing::Exact, ..first.report.plan };
    assert_eq!(exact.pass().report.digest, first.report.digest);
    let mut shorter = exact.with(|options| options.duration = ms(11));
    shorter.plan.timing = Timing::Time;
    assert_eq!(shorter.pass().report.plan.operations.len(), 3);
}
