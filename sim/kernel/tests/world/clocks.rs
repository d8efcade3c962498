//! Clocks in the world: timers follow the monotonic clock through drift and freeze, and no step fires one.

use splitbrain_kernel::clock::DRIFT_PPM_MAX;
use splitbrain_kernel::fault::{ClockDrift, ClockFreeze, ClockSlew, ClockStep, Fault, Offset, Pause, Suspend};
use splitbrain_kernel::run::ClockOptions;

use crate::stage::{Stage, at, ms, s};
use crate::toy::Op;

fn drift(ppm: i32) -> Fault {
    Fault::ClockDrift(ClockDrift { nodes: vec![s(1)], ppm })
}

fn freeze() -> Fault {
    Fault::ClockFreeze(ClockFreeze { nodes: vec![s(1)] })
}

fn step(millis: i64) -> Fault {
    Fault::ClockStep(ClockStep { nodes: vec![s(1)], by: Offset(millis * 1_000_000) })
}

/// A server with timers 1 and 2 at 100 ms and 200 ms of its clock.
fn timers() -> Stage {
    Stage::new(1, 0).start(s(1), [Op::SetTimer(1, ms(100)), Op::SetTimer(2, ms(200))])
}

#[test]
fn a_timer_fires_at_its_time_once_and_not_after_it_was_cancelled() {
    assert_eq!(timers().pass().lines(s(1)), ["100ms timer 1", "200ms timer 2"]);
    let played = timers().at(50, s(1), Op::CancelTimer(1)).at(150, s(1), Op::SetTimer(2, ms(100))).pass();
    assert_eq!(played.lines(s(1)), ["250ms timer 2"]);
}

#[test]
fn a_timer_of_no_time_fires_at_once_after_what_is_due_before_it() {
    let played = Stage::new(1, 0).at(5, s(1), Op::All(vec![Op::SetTimer(1, ms(0)), Op::Recall])).pass();
    assert_eq!(played.lines(s(1)), ["5ms memory []", "5ms timer 1"]);
}

#[test]
fn timers_follow_the_drift_of_their_clock() {
    let clock = |ppm| {
        let options = ClockOptions { drift_ppm: ppm, ..ClockOptions::default() };
        timers().with(|run| run.clocks = [(s(1), options)].into()).pass().lines(s(1))
    };
    assert_eq!(clock(250_000), ["80ms timer 1", "160ms timer 2"]);
    assert_eq!(clock(-200_000), ["125ms timer 1", "250ms timer 2"]);
    assert_eq!(clock(i32::MIN), ["200ms timer 1", "400ms timer 2"], "half speed is the least");
    // Timers are rounded up to a whole nanosecond: never early.
    assert_eq!(clock(300_000), ["76.923077ms timer 1", "153.846154ms timer 2"]);
}

#[test]
fn a_drift_that_comes_and_goes_moves_timers_that_are_set() {
    let played = timers().fault(40, 120, drift(250_000)).at(150, s(1), Op::Look).pass();
    // 40 ms as they are, then 80 ms that count 100.
    assert_eq!(played.lines(s(1)), ["88ms timer 1", "150ms clocks 170ms 170000us", "180ms timer 2"]);
}

#[test]
fn drifts_add_up_within_the_bound_and_each_is_taken_back_whole() {
    let stage = timers().fault(0, 50, drift(400_000)).fault(0, 100, drift(400_000));
    let stage = [50, 100, 110].into_iter().fold(stage, |stage, millis| stage.at(millis, s(1), Op::Look));
    let played = stage.pass();
    assert_eq!(DRIFT_PPM_MAX, 500_000);
    // One and a half times as fast, then 1.4 times, then as it was.
    let clocks = ["50ms clocks 75ms 75000us", "100ms clocks 145ms 145000us", "110ms clocks 155ms 155000us"];
    assert_eq!(played.lines(s(1)).into_iter().filter(|line| line.contains("clocks")).collect::<Vec<_>>(), clocks);
}

#[test]
fn no_timer_fires_while_the_clocks_stand_still_though_the_process_runs() {
    let stage = timers().fault(50, 150, freeze()).at(120, s(1), Op::Look).at(120, s(1), Op::SetTimer(3, ms(10)));
    let played = stage.pass();
    assert_eq!(played.lines(s(1)), ["120ms clocks 50ms 50000us", "160ms timer 3", "200ms timer 1", "300ms timer 2",]);
}

#[test]
fn freezes_that_overlap_end_with_the_last() {
    let played = timers().fault(50, 150, freeze()).fault(100, 180, freeze()).pass();
    assert_eq!(played.lines(s(1)), ["230ms timer 1", "330ms timer 2"]);
}

#[test]
fn a_step_and_a_slew_move_the_wall_clock_alone_and_fire_nothing() {
    let slew = Fault::ClockSlew(ClockSlew { nodes: vec![s(1)], by: Offset(-20_000_000), over: ms(40) });
    let stage = timers().fault_from(10, step(5_000)).fault_from(60, step(-7_000)).fault_from(100, slew);
    let stage = [20, 70, 120, 190].into_iter().fold(stage, |stage, millis| stage.at(millis, s(1), Op::Look));
    assert_eq!(
        stage.pass().lines(s(1)),
        [
            "20ms clocks 20ms 5020000us",
            "70ms clocks 70ms -1930000us",
            "100ms timer 1",
            "120ms clocks 120ms -1890000us",
            "190ms clocks 190ms -1830000us",
            "200ms timer 2",
        ]
    );
}

#[test]
fn a_frozen_node_that_is_paused_hears_its_timers_after_both() {
    let played = timers().fault(50, 150, freeze()).fault(190, 260, Fault::Pause(Pause { nodes: vec![s(1)] })).pass();
    assert_eq!(played.lines(s(1)), ["260ms timer 1", "300ms timer 2"]);
}

#[test]
fn steps_of_any_size_saturate() {
    let stage = timers().fault_from(1, Fault::ClockStep(ClockStep { nodes: vec![s(1)], by: Offset(i64::MIN) }));
    let stage = stage.fault_from(2, Fault::ClockStep(ClockStep { nodes: vec![s(1)], by: Offset(i64::MIN) })).at(
        3,
        s(1),
        Op::Look,
    );
    let slew = Fault::ClockSlew(ClockSlew { nodes: vec![s(1)], by: Offset(i64::MAX), over: ms(0) });
    let played = stage.fault_from(4, slew.clone()).fault_from(5, slew).at(6, s(1), Op::Look).pass();
    assert_eq!(played.lines(s(1)).len(), 4);
    assert_eq!(played.log.observed.last().map(|(now, ..)| *now), Some(at(200)));
}

fn suspend() -> Fault {
    Fault::Suspend(Suspend { nodes: vec![s(1)] })
}

#[test]
fn a_suspended_machine_goes_on_as_if_no_time_had_passed_but_for_its_wall_clock() {
    let played = timers().fault(50, 550, suspend()).at(300, s(1), Op::Look).at(800, s(1), Op::Look).pass();
    assert_eq!(
        played.lines(s(1)),
        ["550ms clocks 50ms 550000us", "600ms timer 1", "700ms timer 2", "800ms clocks 300ms 800000us",]
    );
    let paused = timers().fault(50, 550, Fault::Pause(Pause { nodes: vec![s(1)] })).pass();
    assert_eq!(paused.lines(s(1)), ["550ms timer 1", "550ms timer 2"], "after a pause both are overdue");
}

#[test]
fn a_machine_that_is_suspended_and_paused_runs_when_both_are_over() {
    let pause = || Fault::Pause(Pause { nodes: vec![s(1)] });
    let stage = timers().fault(50, 300, suspend()).fault(60, 400, pause()).at(100, s(1), Op::Look);
    let lines = ["400ms clocks 150ms 400000us", "400ms timer 1", "450ms timer 2"];
    assert_eq!(stage.pass().lines(s(1)), lines);
}

#[test]
fn the_settle_phase_resumes_a_suspended_machine_of_the_core() {
    let stage = Stage::new(1, 0).with(|options| options.settle = ms(500)).fault_from(100, suspend());
    let played = stage.at(200, s(1), Op::Look).at(600, s(1), Op::Look).pass();
    assert_eq!(played.lines(s(1)), ["500ms clocks 100ms 500000us", "600ms clocks 200ms 600000us"]);
}

#[test]
fn timers_do_not_ask_what_their_clock_showed_at_the_start() {
    let (monotonic, wall) = (at(4_294_967_150), at(2_147_483_647_000));
    let options = ClockOptions { monotonic, wall, ..ClockOptions::default() };
    let stage = timers().at(150, s(1), Op::Look).with(|run| run.clocks = [(s(1), options)].into());
    let lines = stage.pass().lines(s(1));
    assert_eq!([&lines[0], &lines[2]], ["100ms timer 1", "200ms timer 2"]);
    assert_eq!(lines[1], "150ms clocks 4294967.3s 447483647150000us");
}
