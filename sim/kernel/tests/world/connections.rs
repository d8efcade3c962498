//! Connections: opened, refused, reset, half-open, silent; in order, without loss or duplication, whatever the link
//! does.

use splitbrain_kernel::fault::{CrashScope, Fault, InFlight, Latency, LinkConditions, Pause, Refuse, Suspend, Weather};
use splitbrain_kernel::id::KindId;
use splitbrain_kernel::rng::{Ppm, Seed};
use splitbrain_kernel::run::{Redial, Ties};
use splitbrain_kernel::time::Duration;

use crate::stage::{NONE, Stage, clog, constant, crash, cut, cut_with, links_of, ms, s};
use crate::toy::{Cue, Op};

/// Two servers; the first opens a connection to the second at once.
fn pair() -> Stage {
    Stage::new(2, 0).at(0, s(1), Op::Connect(s(2)))
}

fn both_ways() -> Fault {
    cut([(s(1), s(2)), (s(2), s(1))])
}

#[test]
fn a_connection_opens_and_carries_messages_both_ways() {
    let played = pair().at(10, s(1), Op::Say(0, 1)).at(20, s(2), Op::Say(0, 2)).pass();
    assert_eq!(played.lines(s(1)), ["2ms opened s2", "21ms 2 over s2"]);
    assert_eq!(played.lines(s(2)), ["1ms accepted s1", "11ms 1 over s1"]);
}

#[test]
fn the_acceptor_may_speak_first_and_what_is_sent_before_the_opening_is_lost() {
    let played = pair().start(s(2), [Op::When(Cue::Accepted, vec![Op::Say(0, 5)])]).at(1, s(1), Op::Say(0, 9)).pass();
    assert_eq!(played.lines(s(1)), ["2ms opened s2", "2ms 5 over s2"]);
    assert_eq!(played.numbers(s(2)), NONE);
}

#[test]
fn a_machine_without_the_process_refuses() {
    let played = Stage::new(2, 0).fault_from(1, crash(s(2), CrashScope::Process)).at(5, s(1), Op::Connect(s(2))).pass();
    assert_eq!(played.lines(s(1)), ["7ms refused s2"]);
    assert_eq!(played.count("connection refused"), 1);
    let exited = Stage::new(2, 0).at(1, s(2), Op::Exit).at(5, s(1), Op::Connect(s(2))).pass();
    assert_eq!(exited.lines(s(1)), ["7ms refused s2"]);
}

#[test]
fn a_machine_that_is_off_a_cut_and_a_spare_server_are_silent_until_the_time_limit() {
    let off = Stage::new(2, 0).fault_from(1, crash(s(2), CrashScope::Machine)).at(5, s(1), Op::Connect(s(2)));
    let there = Stage::new(2, 0).fault_from(1, cut([(s(1), s(2))])).at(5, s(1), Op::Connect(s(2)));
    let back = Stage::new(2, 0).fault_from(1, cut([(s(2), s(1))])).at(5, s(1), Op::Connect(s(2)));
    let mut spare = Stage::new(1, 0).at(5, s(1), Op::Connect(s(2)));
    spare.options.cluster = spare.options.cluster.with_spare(KindId::SERVER, 1);
    for stage in [off, there, back, spare] {
        let played = stage.pass();
        assert_eq!(played.lines(s(1)), ["105ms timedout s2"]);
    }
}

#[test]
fn an_opening_survives_a_short_cut_and_a_machine_that_comes_up_in_time() {
    let played = Stage::new(2, 0).fault(1, 50, both_ways()).at(5, s(1), Op::Connect(s(2))).pass();
    assert_eq!(played.lines(s(1)), ["52ms opened s2"]);
    let played = Stage::new(2, 0).fault(1, 50, crash(s(2), CrashScope::Machine)).at(5, s(1), Op::Connect(s(2))).pass();
    assert_eq!(played.lines(s(1)), ["52ms opened s2"]);
}

#[test]
fn messages_stay_in_order_complete_and_single_under_every_weather() {
    for seed in 0..20 {
        let mut stage = pair().at(100, s(1), Op::SayMany(0, 100)).at(100, s(2), Op::SayMany(0, 100)).with(|options| {
            options.network.latency = Latency::Uniform { min: Duration::ZERO, max: ms(40) };
            options.network.loss = Ppm::new(500_000);
            options.network.duplication = Ppm::new(500_000);
            options.network.reordering = Ppm::new(500_000);
        });
        stage.seed = Seed(seed);
        let expected: Vec<u64> = (0..100).collect();
        let played = stage.pass();
        assert_eq!((played.numbers(s(1)), played.numbers(s(2))), (expected.clone(), expected));
    }
}

#[test]
fn messages_stay_in_order_when_ties_are_explored() {
    let stage = pair().at(100, s(1), Op::SayMany(0, 100)).with(|options| options.ties = Ties::Explore);
    assert_eq!(stage.pass().numbers(s(2)), (0..100).collect::<Vec<u64>>());
}

#[test]
fn a_crash_of_the_process_resets_its_connections() {
    let played = pair().fault(10, 20, crash(s(2), CrashScope::Process)).at(30, s(1), Op::Say(0, 1)).pass();
    assert_eq!(played.lines(s(1)), ["2ms opened s2", "11ms reset s2"]);
    assert_eq!((played.numbers(s(2)), played.count("connection reset")), (vec![], 1));
    let other = pair().fault(10, 20, crash(s(1), CrashScope::Process)).pass();
    assert_eq!(other.lines(s(2)), ["1ms accepted s1", "11ms reset s1"]);
}

#[test]
fn what_is_under_way_from_a_process_that_crashes_arrives_before_its_reset() {
    let played = pair().at(10, s(1), Op::Say(0, 1)).fault_from(10, crash(s(1), CrashScope::Process)).pass();
    assert_eq!(played.lines(s(2)), ["1ms accepted s1", "11ms 1 over s1", "11ms reset s1"]);
}

#[test]
fn a_crash_of_the_machine_leaves_the_peer_half_open_until_it_speaks() {
    let stage = pair().fault(10, 20, crash(s(2), CrashScope::Machine));
    assert_eq!(stage.pass().lines(s(1)), ["2ms opened s2"], "nobody tells");
    let after = stage.clone().at(300, s(1), Op::Say(0, 1)).pass();
    assert_eq!(after.lines(s(1)), ["2ms opened s2", "302ms reset s2"]);
    let meanwhile = stage.at(15, s(1), Op::Say(0, 1)).pass();
    assert_eq!(meanwhile.lines(s(1)), ["2ms opened s2", "22ms reset s2"], "sent again to the machine that is back");
    let never = pair().fault_from(10, crash(s(2), CrashScope::Machine)).at(15, s(1), Op::Say(0, 1)).pass();
    assert_eq!(never.lines(s(1)), ["2ms opened s2", "116ms timedout s2"]);
}

#[test]
fn a_one_way_cut_leaves_a_connection_half_open() {
    let stage = pair().fault_from(10, cut([(s(1), s(2))])).at(20, s(1), Op::Say(0, 1));
    let played = stage.pass();
    assert_eq!(played.lines(s(1)), ["2ms opened s2", "120ms timedout s2"]);
    assert_eq!(played.lines(s(2)), ["1ms accepted s1"], "the other end does not know");
    // It learns when it speaks: the answer cannot pass, so that it times out too.
    let spoken = stage.at(200, s(2), Op::Say(0, 2)).pass();
    assert_eq!(spoken.lines(s(2)), ["1ms accepted s1", "301ms timedout s1"]);
    assert_eq!(spoken.numbers(s(1)), NONE, "the first end is closed");
}

#[test]
fn what_arrives_without_an_answer_times_out_too() {
    let stage = pair().at(20, s(1), Op::Say(0, 1));
    let played = stage.clone().fault_from(10, cut([(s(2), s(1))])).pass();
    assert_eq!(played.numbers(s(2)), [1]);
    assert_eq!(played.lines(s(1)), ["2ms opened s2", "121ms timedout s2"]);
    let short = stage.fault(10, 60, cut([(s(2), s(1))])).pass();
    assert_eq!(short.lines(s(1)), ["2ms opened s2"]);
}

#[test]
fn a_half_open_connection_is_reset_once_the_cut_is_lifted() {
    let stage = pair().fault(10, 150, cut([(s(1), s(2))])).at(20, s(1), Op::Say(0, 1)).at(200, s(2), Op::Say(0, 2));
    let played = stage.pass();
    assert_eq!(played.lines(s(2)), ["1ms accepted s1", "202ms reset s1"]);
}

#[test]
fn a_connection_stalls_at_a_short_cut_and_goes_on_in_order_without_loss() {
    let mut stage = pair().fault(15, 60, both_ways());
    for number in 0..40 {
        stage = stage.at(10 + number * 2, s(1), Op::Say(0, number));
    }
    let played = stage.pass();
    assert_eq!(played.numbers(s(2)), (0..40).collect::<Vec<_>>());
    assert_eq!(played.lines(s(1)), ["2ms opened s2"]);
    // What was sent meanwhile comes at once after the cut.
    assert_eq!(played.lines(s(2)).iter().filter(|line| line.starts_with("61ms ")).count(), 24);
}

#[test]
fn what_is_under_way_at_a_cut_that_is_over_before_it_would_arrive_is_not_lost() {
    for in_flight in [InFlight::Drop, InFlight::Keep] {
        let stage = pair().with(|options| options.network.latency = constant(ms(20)));
        let stage = [100, 105, 110, 125, 200]
            .into_iter()
            .fold(stage, |stage, millis| stage.at(millis, s(1), Op::Say(0, millis)));
        let played = stage.fault(107, 109, cut_with([(s(1), s(2))], in_flight, &[])).pass();
        assert_eq!(played.numbers(s(2)), [100, 105, 110, 125, 200]);
        assert_eq!(played.lines(s(1)), ["40ms opened s2"]);
    }
}

#[test]
fn a_connection_times_out_at_a_long_cut() {
    let stage = pair().fault(10, 500, both_ways()).at(20, s(1), Op::Say(0, 1)).at(50, s(2), Op::Say(0, 2));
    let played = stage.at(600, s(1), Op::Say(0, 3)).pass();
    assert_eq!(played.lines(s(1)), ["2ms opened s2", "120ms timedout s2"]);
    assert_eq!(played.lines(s(2)), ["1ms accepted s1", "150ms timedout s1"]);
    assert_eq!(played.count("connection timed out"), 2);
}

#[test]
fn a_fault_lifted_elsewhere_on_the_link_does_not_set_the_time_limit_back() {
    let stage = pair().fault_from(10, both_ways()).at(20, s(1), Op::Say(0, 1));
    let calm = Fault::Weather(Weather {
        links: links_of([(s(1), s(2))]),
        conditions: LinkConditions::default(),
        kinds: Vec::new(),
    });
    let played = stage.fault(30, 60, calm).fault(40, 90, cut([(s(2), s(1))])).pass();
    assert_eq!(played.lines(s(1)), ["2ms opened s2", "120ms timedout s2"]);
}

#[test]
fn an_idle_connection_survives_any_cut() {
    let played = pair().fault(10, 500, both_ways()).at(600, s(1), Op::Say(0, 1)).pass();
    assert_eq!((played.lines(s(1)), played.numbers(s(2))), (vec!["2ms opened s2".to_owned()], vec![1]));
}

#[test]
fn a_close_in_good_order_comes_after_all_that_was_sent() {
    let stage = pair().at(30, s(1), Op::SayMany(0, 3)).at(30, s(1), Op::Close(0)).at(60, s(2), Op::Say(0, 9));
    let latency = Latency::Uniform { min: ms(1), max: ms(8) };
    let played = stage.clone().with(|options| options.network.latency = latency).pass();
    let told = played.lines(s(2));
    let what: Vec<&str> = told.iter().map(|line| line.split_once(' ').expect("a time").1).collect();
    assert_eq!(what, ["accepted s1", "0 over s1", "1 over s1", "2 over s1", "closed s1"]);
    assert_eq!(played.numbers(s(1)), NONE, "a connection that is closed carries nothing");
    // Neither a cut right after it nor the end of the process takes back what was said before.
    let cut_short = stage.clone().fault(30, 80, both_ways()).fault_from(31, crash(s(1), CrashScope::Process)).pass();
    assert_eq!(cut_short.numbers(s(2)), [0, 1, 2]);
    let cut_long = stage.fault(30, 500, both_ways()).pass();
    assert_eq!(cut_long.numbers(s(2)), NONE, "beyond the time limit the closed end gives up");
}

#[test]
fn closing_while_opening_resets_the_acceptor_or_never_reaches_it() {
    let played = pair().at(0, s(1), Op::Close(0)).pass();
    assert_eq!((played.lines(s(1)), played.lines(s(2))), (vec![], vec![]));
    let later = pair().with(|options| options.network.latency = constant(ms(10))).at(15, s(1), Op::Close(0)).pass();
    assert_eq!(later.lines(s(2)), ["10ms accepted s1", "30ms reset s1"]);
}

#[test]
fn a_clog_holds_a_connection_and_lets_it_go_in_order_however_long() {
    for kinds in [&[][..], &["quiet"], &["loud"]] {
        let mut stage = pair().fault(15, 500, clog([(s(1), s(2))], kinds));
        for number in 0..20 {
            let op = if number % 2 == 0 { Op::Say(0, number) } else { Op::SayLoud(0, number) };
            stage = stage.at(10 + number, s(1), op);
        }
        let played = stage.at(100, s(1), Op::Close(0)).pass();
        assert_eq!(played.numbers(s(2)), (0..20).collect::<Vec<_>>(), "{kinds:?}");
        assert_eq!(played.lines(s(2)).last().expect("it heard"), "500ms closed s1");
    }
}

#[test]
fn a_narrow_cut_stops_its_kind_and_all_behind_it() {
    let stage = pair().fault(10, 50, cut_with([(s(1), s(2))], InFlight::Drop, &["loud"]));
    let stage = stage.at(20, s(1), Op::Say(0, 1)).at(21, s(1), Op::SayLoud(0, 2)).at(22, s(1), Op::Say(0, 3));
    assert_eq!(stage.pass().lines(s(2))[1..], ["21ms 1 over s1", "51ms 2 over s1", "51ms 3 over s1"]);
}

#[test]
fn two_nodes_that_open_at_once_have_two_connections() {
    let played = pair().at(0, s(2), Op::Connect(s(1))).at(10, s(1), Op::Say(0, 1)).at(10, s(1), Op::Say(1, 2)).pass();
    assert_eq!(played.lines(s(2)), ["1ms accepted s1", "2ms opened s1", "11ms 1 over s1", "11ms 2 over s1"]);
    assert_eq!(played.lines(s(1)), ["1ms accepted s2", "2ms opened s2"]);
}

#[test]
fn a_restarted_node_opens_connections_under_new_names() {
    let stage = pair().fault(10, 20, crash(s(1), CrashScope::Machine)).at(30, s(1), Op::Connect(s(2)));
    let played = stage.at(40, s(1), Op::Say(0, 1)).at(50, s(2), Op::Say(0, 2)).pass();
    // The acceptor's first connection is of the incarnation that crashed: its peer does not know it.
    assert_eq!(played.lines(s(1)), ["2ms opened s2", "32ms opened s2"]);
    assert_eq!(played.lines(s(2)), ["1ms accepted s1", "31ms accepted s1", "41ms 1 over s1", "52ms reset s1"]);
}

#[test]
fn a_paused_end_hears_in_order_once_it_goes_on_and_nothing_times_out() {
    let stage = pair().fault(10, 500, Fault::Pause(Pause { nodes: vec![s(2)] })).at(20, s(1), Op::SayMany(0, 3));
    let played = stage.at(30, s(1), Op::Close(0)).pass();
    let expected = ["1ms accepted s1", "500ms 0 over s1", "500ms 1 over s1", "500ms 2 over s1", "500ms closed s1"];
    assert_eq!(played.lines(s(2)), expected);
}

fn suspend(node: u16) -> Fault {
    Fault::Suspend(Suspend { nodes: vec![s(node)] })
}

#[test]
fn a_suspended_machine_acknowledges_nothing() {
    let opening = Stage::new(2, 0).fault(1, 500, suspend(2)).at(5, s(1), Op::Connect(s(2))).pass();
    assert_eq!(opening.lines(s(1)), ["105ms timedout s2"]);
    assert_eq!(opening.count("connection timed out"), 1);
    let open = pair().fault(10, 500, suspend(2)).at(20, s(1), Op::Say(0, 1)).pass();
    assert_eq!(open.lines(s(1)), ["2ms opened s2", "121ms timedout s2"]);
    assert_eq!(open.numbers(s(2)), NONE);
    let paused = Stage::new(2, 0).fault(1, 50, Fault::Pause(Pause { nodes: vec![s(2)] }));
    assert_eq!(paused.at(5, s(1), Op::Connect(s(2))).pass().lines(s(1)), ["7ms opened s2"], "a paused one does");
}

#[test]
fn a_connection_outlives_a_short_suspension_of_either_end() {
    let played = pair().fault(10, 60, suspend(2)).at(20, s(1), Op::SayMany(0, 2)).pass();
    assert_eq!(played.lines(s(1)), ["2ms opened s2"]);
    assert_eq!(played.lines(s(2)), ["1ms accepted s1", "61ms 0 over s1", "61ms 1 over s1"]);
    let twice = pair().fault(10, 60, suspend(2)).fault(15, 80, suspend(2)).at(20, s(1), Op::Say(0, 1)).pass();
    assert_eq!(twice.lines(s(2)), ["1ms accepted s1", "81ms 1 over s1"]);
    let settled =
        pair().with(|options| options.settle = ms(950)).fault_from(10, suspend(2)).at(20, s(1), Op::Say(0, 1));
    assert_eq!(settled.pass().lines(s(2)), ["1ms accepted s1", "51ms 1 over s1"]);
}

#[test]
fn the_time_limit_of_a_suspended_end_counts_from_its_resume() {
    let stage = pair().fault_from(10, both_ways()).at(20, s(1), Op::Say(0, 1)).fault(30, 500, suspend(1));
    assert_eq!(stage.pass().lines(s(1)), ["2ms opened s2", "600ms timedout s2"]);
}

#[test]
fn a_node_can_connect_to_itself() {
    let played = Stage::new(1, 0)
        .at(0, s(1), Op::Connect(s(1)))
        .at(10, s(1), Op::Say(0, 1))
        .fault_from(20, crash(s(1), CrashScope::Process));
    assert_eq!(played.pass().lines(s(1)), ["1ms accepted s1", "2ms opened s1", "11ms 1 over s1"]);
}

#[test]
fn a_time_limit_of_nothing_and_one_without_end_are_both_possible() {
    let none = pair().with(|options| options.network.connection_timeout = Duration::ZERO).pass();
    assert_eq!(none.lines(s(1)), ["0s timedout s2"]);
    let endless = pair().fault_from(10, both_ways()).at(20, s(1), Op::Say(0, 1));
    let endless = endless.with(|options| options.network.connection_timeout = Duration::MAX).pass();
    assert_eq!(endless.lines(s(1)), ["2ms opened s2"]);
}

#[test]
fn a_request_over_a_connection_is_refused_in_its_turn_and_the_connection_lives_on() {
    let says = Op::All(vec![Op::Say(0, 1), Op::SayLoud(0, 2), Op::Say(0, 3)]);
    let refuse = Fault::Refuse(Refuse { links: links_of([(s(1), s(2))]), kinds: Vec::new() });
    let played = pair().at(10, s(1), says).at(30, s(1), Op::SayLoud(0, 4)).fault(5, 20, refuse).pass();
    assert_eq!(played.lines(s(2)), ["1ms accepted s1", "11ms 1 over s1", "11ms 3 over s1", "31ms 4 over s1"]);
    assert_eq!(played.lines(s(1)), ["2ms opened s2", "12ms 102 over s2"]);
    assert_eq!(played.count("request refused"), 1);
}

/// With a back-off of 10 ms at first and of 30 ms at most.
fn redialing(stage: Stage) -> Stage {
    stage.with(|options| options.network.redial = Some(Redial { min: ms(10), max: ms(30) }))
}

/// The first server opens connections to the second at these times.
fn dials(stage: Stage, times: &[u64]) -> Stage {
    times.iter().fold(stage, |stage, at| stage.at(*at, s(1), Op::Connect(s(2))))
}

#[test]
fn a_node_that_was_not_reached_is_dialled_again_after_a_wait_that_doubles_to_its_most() {
    let stage = Stage::new(2, 0).fault(1, 200, crash(s(2), CrashScope::Process));
    let stage = dials(stage, &[5, 8, 20, 42, 150, 201]);
    let waits = ["7ms refused s2", "19ms refused s2", "41ms refused s2", "73ms refused s2", "152ms refused s2"];
    let played = redialing(stage.clone()).pass();
    assert_eq!(
        played.lines(s(1)),
        [&waits[..], &["203ms opened s2"]].concat(),
        "what has waited already waits no more"
    );
    let at_once = ["7ms refused s2", "10ms refused s2", "22ms refused s2", "44ms refused s2", "152ms refused s2"];
    assert_eq!(stage.pass().lines(s(1)), [&at_once[..], &["203ms opened s2"]].concat());
}

#[test]
fn a_connection_that_opens_ends_the_row_of_failures() {
    let stage = Stage::new(2, 0).fault(1, 15, crash(s(2), CrashScope::Process));
    let stage = dials(stage, &[5, 8]).fault(30, 90, crash(s(2), CrashScope::Process));
    let lines = redialing(dials(stage, &[40, 43])).pass().lines(s(1));
    let expected = ["7ms refused s2", "19ms opened s2", "31ms reset s2", "42ms refused s2", "54ms refused s2"];
    assert_eq!(lines, expected, "the wait is 10 ms again");
}

#[test]
fn a_process_that_ends_forgets_its_failures_and_what_waits() {
    let stage = Stage::new(2, 0).fault(1, 200, crash(s(2), CrashScope::Process));
    for scope in [CrashScope::Process, CrashScope::Machine] {
        let played = redialing(dials(stage.clone(), &[5, 8])).fault(9, 10, crash(s(1), scope));
        let played = dials(played, &[11]).pass();
        assert_eq!(played.lines(s(1)), ["7ms refused s2", "13ms refused s2"]);
        assert_eq!(played.count("connection refused"), 2, "the one that waited was never opened");
    }
}

#[test]
fn an_opening_that_times_out_is_a_failure_and_an_open_connection_that_dies_is_none() {
    let stage = redialing(Stage::new(2, 0).fault(1, 200, both_ways()));
    let played = dials(stage, &[5, 106]).pass();
    assert_eq!(played.lines(s(1))[..1], ["105ms timedout s2"]);
    let reset = redialing(pair().fault(10, 12, crash(s(2), CrashScope::Process)));
    assert_eq!(dials(reset, &[13]).pass().lines(s(1)), ["2ms opened s2", "11ms reset s2", "15ms opened s2"]);
}
