//! Faults of nodes: crashes, restarts, exits, pauses, slowness, and servers that are absent at first.

use splitbrain_kernel::fault::{CrashScope, Fault, Pause, Slow, Start, Suspend};
use splitbrain_kernel::id::KindId;
use splitbrain_kernel::time::Duration;

use crate::stage::{Stage, at, c, crash, ms, s};
use crate::toy::{Cue, Op};

fn pause() -> Fault {
    Fault::Pause(Pause { nodes: vec![s(1)] })
}

fn slow(service_time: Duration) -> Fault {
    Fault::Slow(Slow { nodes: vec![s(1)], service_time })
}

fn starts(node: u16) -> Fault {
    Fault::Start(Start { nodes: vec![s(node)], free_only: false })
}

#[test]
fn a_crash_of_the_process_loses_its_memory_and_keeps_what_was_written() {
    let stage = Stage::new(1, 0).at(0, s(1), Op::Remember(5)).at(0, s(1), Op::Append(1)).at(5, s(1), Op::Recall);
    let played = stage.fault(10, 20, crash(s(1), CrashScope::Process)).at(30, s(1), Op::Recall).pass();
    assert_eq!(played.lines(s(1)), ["1ms written 1", "5ms memory [5]", "20ms started [1]", "30ms memory []"]);
    assert_eq!((played.count("node crashed"), played.count("node restarted")), (1, 1));
}

#[test]
fn a_crash_of_the_machine_keeps_what_was_synced() {
    let stage = Stage::new(1, 0).at(0, s(1), Op::Persist(1)).at(5, s(1), Op::Append(2));
    let played = stage.fault(10, 20, crash(s(1), CrashScope::Machine)).pass();
    assert_eq!(played.lines(s(1)), ["3ms durable 1", "6ms written 2", "20ms started [1]"]);
    assert_eq!(played.count("unsynced write lost"), 1);
}

#[test]
fn a_machine_that_crashes_after_its_process_loses_what_was_not_synced() {
    let stage = Stage::new(1, 0).at(0, s(1), Op::Append(2)).fault(10, 30, crash(s(1), CrashScope::Process));
    assert_eq!(stage.pass().lines(s(1))[1..], ["30ms started [2]"]);
    let both = stage.fault(15, 25, crash(s(1), CrashScope::Machine)).pass();
    assert_eq!(both.lines(s(1)), ["1ms written 1"], "nothing is left");
    assert_eq!((both.count("started"), both.count("node crashed")), (2, 1));
}

#[test]
fn a_node_that_exits_stays_down_until_it_is_started() {
    let stage = Stage::new(1, 0).at(5, s(1), Op::All(vec![Op::Remember(1), Op::Exit, Op::Remember(2)]));
    let stage = stage.at(10, s(1), Op::Recall).fault_from(20, starts(1)).at(30, s(1), Op::Recall);
    let played = stage.pass();
    assert_eq!(played.lines(s(1)), ["30ms memory []"]);
    assert_eq!((played.count("node exited"), played.count("node restarted")), (1, 1));
}

#[test]
fn a_spare_server_is_absent_until_it_is_started() {
    let mut stage = Stage::new(1, 0).at(5, s(2), Op::Recall).fault(6, 8, crash(s(2), CrashScope::Process));
    stage.options.cluster = stage.options.cluster.with_spare(KindId::SERVER, 1);
    let played = stage.at(10, s(2), Op::Recall).fault_from(20, starts(2)).at(30, s(2), Op::Recall).pass();
    assert_eq!(played.lines(s(2)), ["30ms memory []"], "lifting a crash starts nobody who was not there");
    assert_eq!(played.count("started"), 2);
}

#[test]
fn crashes_that_overlap_hold_a_node_down_until_the_last_is_lifted() {
    let stage = Stage::new(1, 0).fault(10, 30, crash(s(1), CrashScope::Process));
    let stage = stage.fault(20, 40, crash(s(1), CrashScope::Process)).at(35, s(1), Op::Recall).at(45, s(1), Op::Recall);
    assert_eq!(stage.pass().lines(s(1)), ["45ms memory []"]);
}

#[test]
fn a_crash_at_the_instant_of_a_restart_and_one_at_time_zero_hold_the_node_down() {
    let stage = Stage::new(1, 0).fault(10, 20, crash(s(1), CrashScope::Process));
    let stage = stage.fault(20, 30, crash(s(1), CrashScope::Process)).at(25, s(1), Op::Recall).at(35, s(1), Op::Recall);
    assert_eq!(stage.pass().lines(s(1)), ["35ms memory []"]);
    let first = Stage::new(1, 0).fault(0, 30, crash(s(1), CrashScope::Process)).at(25, s(1), Op::Recall);
    assert_eq!(first.at(35, s(1), Op::Recall).pass().lines(s(1)), ["35ms memory []"]);
}

#[test]
fn a_start_brings_up_a_node_that_a_crash_holds_down() {
    let stage = Stage::new(1, 0).fault(10, 50, crash(s(1), CrashScope::Process)).fault_from(20, starts(1));
    let stage = stage.at(30, s(1), Op::Remember(1)).at(60, s(1), Op::Recall);
    let played = stage.pass();
    assert_eq!(played.lines(s(1)), ["60ms memory [1]"], "and its end changes nothing");
}

#[test]
fn nothing_of_an_incarnation_reaches_the_next() {
    let before = [
        Op::SetTimer(1, ms(15)),
        Op::SetTimer(2, ms(300)),
        Op::Persist(1),
        Op::PersistThenSend(2, s(2)),
        Op::Connect(s(2)),
    ];
    let stage = Stage::new(2, 0).at(8, s(1), Op::All(before.to_vec())).at(10, s(1), Op::Defer(7));
    let played = stage.fault(10, 12, crash(s(1), CrashScope::Machine)).pass();
    // At 10 ms the crash comes before the deferred step, and while the opening is under way.
    assert_eq!((played.lines(s(1)).len(), played.numbers(s(2)), played.count("started")), (0, vec![], 3));
}

#[test]
fn a_pause_holds_inputs_and_they_come_in_order_when_it_ends() {
    let stage = Stage::new(2, 1).start(s(1), [Op::SetTimer(1, ms(20)), Op::SetTimer(2, ms(25))]);
    let stage = stage.fault(10, 50, pause()).at(15, s(2), Op::Send(s(1), 1)).at(22, s(2), Op::Send(s(1), 2));
    let stage = stage.at(30, s(1), Op::Recall).at(45, c(1), Op::Connect(s(1)));
    let played = stage.pass();
    let expected = ["1 from s2", "timer 1", "2 from s2", "timer 2", "memory []", "accepted c1"];
    assert_eq!(played.lines(s(1)), expected.map(|line| format!("50ms {line}")));
}

#[test]
fn an_input_at_the_end_of_a_pause_does_not_overtake_those_that_wait() {
    // The second note arrives at the very instant at which the pause ends.
    let stage = Stage::new(2, 0).fault(10, 50, pause()).at(15, s(2), Op::Send(s(1), 1)).at(16, s(2), Op::Send(s(1), 2));
    let played = stage.at(49, s(2), Op::Send(s(1), 3)).pass();
    assert_eq!(played.numbers(s(1)), [1, 2, 3]);
}

#[test]
fn clocks_go_on_in_a_pause_and_what_was_cancelled_while_it_waited_does_not_fire() {
    let reacts = Op::When(Cue::Note(1), vec![Op::CancelTimer(1), Op::SetTimer(2, ms(5)), Op::Look]);
    let stage = Stage::new(2, 0).start(s(1), [Op::SetTimer(1, ms(20)), Op::SetTimer(2, ms(30)), reacts]);
    let played = stage.fault(10, 50, pause()).at(12, s(2), Op::Send(s(1), 1)).pass();
    assert_eq!(played.lines(s(1)), ["50ms 1 from s2", "50ms clocks 50ms 50000us", "55ms timer 2"]);
}

#[test]
fn pauses_that_overlap_end_with_the_last() {
    let stage = Stage::new(1, 0).fault(10, 30, pause()).fault(20, 40, pause()).at(25, s(1), Op::Recall);
    assert_eq!(stage.pass().lines(s(1)), ["40ms memory []"]);
}

#[test]
fn a_process_starts_no_earlier_than_the_last_pause_or_suspension_is_over() {
    let suspend = || Fault::Suspend(Suspend { nodes: vec![s(1)] });
    let wrote = || Stage::new(1, 0).at(0, s(1), Op::Persist(1));
    let crashed = |from, to, fault| wrote().fault(20, 30, crash(s(1), CrashScope::Process)).fault(from, to, fault);
    let starts = |stage: Stage| stage.pass().lines(s(1))[1..].to_vec();
    assert_eq!(starts(crashed(10, 60, pause())), ["60ms started [1]"]);
    assert_eq!(starts(crashed(10, 60, suspend())), ["60ms started [1]"]);
    assert_eq!(starts(crashed(10, 60, pause()).fault(15, 80, suspend())), ["80ms started [1]"], "the last counts");
    assert_eq!(starts(crashed(10, 25, pause())), ["30ms started [1]"], "the crash still holds it down");
    let again = crashed(10, 60, pause()).fault(40, 70, crash(s(1), CrashScope::Process));
    assert_eq!(starts(again), ["70ms started [1]"], "a second crash came before the end of the pause");
    let settled = crashed(10, 2_000, pause()).with(|options| options.settle = ms(500));
    assert_eq!(starts(settled), ["500ms started [1]"], "the settle phase ends the pause");
    let never = wrote().fault(20, 30, crash(s(1), CrashScope::Process)).fault_from(10, pause());
    assert!(starts(never).is_empty());
}

#[test]
fn a_slow_node_serves_one_input_in_its_service_time() {
    let stage = Stage::new(2, 0).fault(0, 100, slow(ms(10))).at(0, s(2), Op::SendMany(s(1), 3));
    let played = stage.at(50, s(2), Op::Send(s(1), 5)).at(101, s(2), Op::SendMany(s(1), 2)).pass();
    assert_eq!(
        played.lines(s(1)),
        ["1ms 0 from s2", "11ms 1 from s2", "21ms 2 from s2", "51ms 5 from s2", "102ms 0 from s2", "102ms 1 from s2",]
    );
}

#[test]
fn of_two_slownesses_the_greater_counts_and_the_rest_is_served_when_the_last_ends() {
    let stage = Stage::new(2, 0).fault(0, 30, slow(Duration::MAX)).fault(0, 60, slow(ms(20)));
    let played = stage.at(0, s(2), Op::SendMany(s(1), 3)).at(59, s(2), Op::Send(s(1), 3)).pass();
    // The first input would take for ever; both are forgotten at the end, and no input overtakes another.
    assert_eq!(played.lines(s(1)), ["1ms 0 from s2", "60ms 1 from s2", "60ms 2 from s2", "60ms 3 from s2"]);
}

#[test]
fn deferred_work_lets_other_inputs_come_between() {
    let stage = Stage::new(2, 0).at(0, s(2), Op::SendMany(s(1), 2));
    let stage = stage.start(s(1), [Op::When(Cue::Note(0), vec![Op::Defer(9)])]);
    assert_eq!(stage.pass().lines(s(1)), ["1ms 0 from s2", "1ms 1 from s2", "1ms step 9"]);
}

#[test]
fn operations_reach_only_who_runs_and_are_written_down_all_the_same() {
    let stage = Stage::new(1, 0).at(5, s(1), Op::Exit).at(6, s(1), Op::Recall);
    let played = stage.pass();
    assert_eq!((played.lines(s(1)).len(), played.report.plan.operations.len()), (0, 2));
}

#[test]
fn the_largest_cluster_runs() {
    let mut stage = Stage::new(64, 64).with(|options| options.duration = ms(20));
    for server in 1..=64 {
        stage = stage.at(1, s(server), Op::Send(c(server), 1)).at(1, c(server), Op::SetTimer(1, ms(1)));
        stage = stage.at(3, c(server), Op::Connect(s(server)));
    }
    let played = stage.pass();
    assert!((1..=64).all(|number| played.lines(c(number))
        == [format!("2ms 1 from s{number}"), "2ms timer 1".to_owned(), format!("5ms opened s{number}")]));
}

#[test]
fn a_run_to_the_end_of_time_ends() {
    let stage = Stage::new(1, 0).start(s(1), [Op::SetTimer(1, Duration::MAX), Op::SetTimer(2, ms(5))]);
    let played = stage.with(|options| options.duration = Duration::MAX).pass();
    assert_eq!(played.lines(s(1)), ["5ms timer 2"]);
    assert_eq!(played.log.observed.last().map(|(now, ..)| *now), Some(at(5)));
}
