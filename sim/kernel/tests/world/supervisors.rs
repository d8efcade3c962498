//! A process that ended by itself is started again, and one that crashed is not: what the policy of a scenario becomes.

use splitbrain_kernel::director::spec::FaultSpec;
use splitbrain_kernel::fault::{Crash, CrashScope, Keep, Start};
use splitbrain_kernel::plan::PlannedOperation;
use splitbrain_kernel::run::{Outcome, RunReport};
use splitbrain_kernel::selector::{Condition, Selector, Span, Trigger};

use crate::stage::{Played, Stage, at, fault, ms, s};
use crate::toy::Op;

fn this() -> Selector {
    Selector::Node(s(1).into())
}

/// Starts s1 again after 10 ms, so often.
fn supervisor(times: u32) -> FaultSpec<Op> {
    let exited = Condition::Observed { name: "node exited".to_owned(), nth: 0 };
    let condition = Condition::Of { nodes: this(), condition: Box::new(exited) };
    let trigger = Trigger::When { condition, delay: Span::constant(ms(10)), times };
    fault("restart.s1", trigger, Start { nodes: vec![this()], free_only: true }, 60)
}

/// s1 crashes at so many milliseconds, for 60.
fn crash(millis: u64) -> FaultSpec<Op> {
    let crash = Crash { nodes: vec![this()], scope: CrashScope::Process, keep: Keep::Prefix };
    fault("crash", Trigger::At(Span::constant(at(millis))), crash, 60)
}

/// A run of two servers, in which s1 does this at these times. It is replayed too, to the same digest.
fn run(ops: &[(u64, Op)], faults: Vec<FaultSpec<Op>>) -> Played {
    let stage = ops.iter().fold(Stage::new(2, 0), |stage, (millis, op)| stage.at(*millis, s(1), op.clone()));
    let operations: Vec<PlannedOperation<Op>> = stage.plan.operations.clone();
    let mut stage = stage.with(|options| (options.operations, options.faults) = (operations, faults));
    let played = Played::of(&stage.toy, &stage.options, stage.seed);
    assert_eq!(played.report.outcome, Outcome::Passed);
    stage.plan = played.report.plan.clone();
    assert_eq!(stage.play().report.digest, played.report.digest);
    played
}

fn counts(report: &RunReport<Op, Op>) -> [u64; 3] {
    ["node exited", "node crashed", "node restarted"].map(|name| report.counts.get(name).copied().unwrap_or_default())
}

const EXITS: [(u64, Op); 3] = [(20, Op::Exit), (40, Op::Exit), (60, Op::Exit)];

#[test]
fn a_process_that_ends_by_itself_is_started_so_often() {
    assert_eq!(counts(&run(&EXITS, vec![supervisor(2)]).report), [3, 0, 2]);
    assert_eq!(counts(&run(&EXITS, vec![supervisor(9)]).report), [3, 0, 3]);
    assert_eq!(counts(&run(&EXITS, Vec::new()).report), [1, 0, 0], "without a supervisor it stays down");
}

#[test]
fn the_next_process_has_the_disk_and_not_the_memory() {
    let ops = [(5, Op::Remember(7)), (5, Op::Persist(8)), (20, Op::Exit), (35, Op::Recall)];
    assert_eq!(run(&ops, vec![supervisor(1)]).lines(s(1))[1..], ["30ms started [8]", "35ms memory []"]);
}

#[test]
fn a_crash_is_no_end_of_its_own() {
    let played = run(&[(5, Op::Persist(8))], vec![crash(20), supervisor(9)]);
    assert_eq!(counts(&played.report), [0, 1, 1]);
    assert_eq!(played.lines(s(1))[1..], ["80ms started [8]"], "it restarts when the crash is lifted");
    assert!(played.report.plan.faults.iter().all(|fault| fault.id.starts_with("crash")), "nobody else started it");
}

#[test]
fn a_supervisor_starts_nothing_that_a_crash_holds_down() {
    let played = run(&[(5, Op::Persist(8)), (20, Op::Exit)], vec![crash(25), supervisor(9)]);
    assert_eq!(counts(&played.report), [1, 0, 1]);
    assert_eq!(played.lines(s(1))[1..], ["85ms started [8]"]);
}
