//! What clients asked and what they were told.

use splitbrain_kernel::context::OperationResult::{self, Ok, Unknown};
use splitbrain_kernel::fault::CrashScope;
use splitbrain_kernel::history::HistoryEvent;
use splitbrain_kernel::invariant::Violation;
use splitbrain_kernel::run::Outcome;

use crate::stage::{Played, Stage, at, c, crash, ms};
use crate::toy::Op;

/// Process, name and end of each entry, as the invariants were shown them.
fn shown(played: &Played) -> &[(u32, u64, Option<OperationResult<u64>>)] {
    &played.world.invariants().history
}

/// One operation that is answered, one that a crash at 4 ms leaves open, and one of the next process.
fn crashed() -> Stage {
    let stage = Stage::new(1, 1).at(1, c(1), Op::Invoke(5)).at(2, c(1), Op::Complete(0)).at(3, c(1), Op::Invoke(6));
    stage.fault(4, 5, crash(c(1), CrashScope::Process)).at(6, c(1), Op::Invoke(7))
}

#[test]
fn it_has_what_clients_asked_and_what_they_know() {
    let played = crashed().pass();
    assert_eq!(
        played.log.history,
        [
            "c1 0 invokes Invoke(5)",
            "c1 0 ends 0",
            "c1 1 invokes Invoke(6)",
            "c1 1 ends unknown",
            "c1 2 invokes Invoke(7)",
        ]
    );
    let entries = played.world.history().entries();
    let times: Vec<_> = entries.iter().map(|entry| (entry.at, entry.process, entry.id.0)).collect();
    assert_eq!(times, [(at(1), 0, 0), (at(2), 0, 0), (at(3), 0, 1), (at(4), 0, 1), (at(6), 1, 2)]);
    assert_eq!(entries[3].change, HistoryEvent::Completed { invoked: 2, result: Unknown });
    assert_eq!(*played.world.history().operation_at(3), Op::Invoke(6));
    assert!(entries.is_sorted_by_key(|entry| entry.event), "events are counted on");
}

#[test]
fn invariants_are_shown_each_entry_as_it_comes() {
    let expected = [(0, 0, None), (0, 0, Some(Ok(0))), (0, 1, None), (0, 1, Some(Unknown)), (1, 2, None)];
    assert_eq!(shown(&crashed().pass()), expected);
    let exits = Stage::new(1, 1).at(1, c(1), Op::All(vec![Op::Invoke(1), Op::Invoke(2), Op::Exit]));
    let expected = [(0, 0, None), (0, 1, None), (0, 0, Some(Unknown)), (0, 1, Some(Unknown))];
    assert_eq!(shown(&exits.pass()), expected, "the process of who exits ends too");
}

#[test]
fn an_invariant_over_the_history_ends_the_run_at_the_entry_that_breaks_it() {
    let mut stage = crashed();
    stage.toy.watch.forbids_unknown = true;
    let outcome = stage.play().report.outcome;
    let Outcome::Violated(Violation { at: time, node, .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!((time, node), (at(4), Some(c(1))));
}

#[test]
fn what_was_not_begun_or_has_ended_is_not_completed() {
    let twice = [Op::Invoke(1), Op::Complete(0), Op::Complete(0)];
    for operations in [vec![Op::Complete(3)], twice.to_vec()] {
        let outcome = Stage::new(1, 1).at(1, c(1), Op::All(operations)).play().report.outcome;
        assert!(matches!(&outcome, Outcome::Panicked(panic) if panic.node == Some(c(1))), "{outcome:?}");
    }
}

#[test]
fn an_operation_that_is_open_at_the_end_stays_open() {
    let played = Stage::new(1, 1).at(1, c(1), Op::Invoke(1)).with(|options| options.duration = ms(5)).pass();
    assert_eq!(shown(&played), [(0, 0, None)]);
}

#[test]
fn orders_are_given_at_their_time_and_are_no_part_of_the_history() {
    use splitbrain_kernel::plan::{Moment, PlannedOrder};
    let mut stage = Stage::new(1, 1);
    let order =
        |millis, order| PlannedOrder { start: Moment { at: at(millis), after_events: 0, order: 0 }, node: c(1), order };
    stage.plan.orders = vec![order(3, Op::Recall), order(5, Op::Look)];
    let played = stage.pass();
    assert_eq!(played.lines(c(1)), ["3ms memory []", "5ms clocks 5ms 5000us"]);
    assert_eq!((shown(&played).len(), played.report.plan.orders.len()), (0, 2));
}
