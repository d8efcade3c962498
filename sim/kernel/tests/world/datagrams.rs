//! Datagrams: latency, loss, duplication, reordering, bandwidth, and what cuts, clogs and weather do to them.

use splitbrain_kernel::fault::{
    CrashScope, Fault, InFlight, Latency, LinkConditions, Refuse, Replay, Suspend, Weather,
};
use splitbrain_kernel::id::{KindId, Link};
use splitbrain_kernel::network::DropReason;
use splitbrain_kernel::rng::Ppm;
use splitbrain_kernel::time::{Duration, Instant};

use crate::stage::{NONE, Stage, at, c, clog, constant, crash, cut, cut_with, links_of, ms, names, s};
use crate::toy::Op;

const MANY: u64 = 4_000;

#[test]
fn a_message_takes_between_the_bounds_of_its_latency_and_they_are_reached() {
    let stage = Stage::new(2, 0).at(0, s(1), Op::SendMany(s(2), MANY));
    let bounds = Latency::Uniform { min: Duration::from_nanos(5), max: Duration::from_nanos(8) };
    let played = stage.with(|options| options.network.latency = bounds).pass();
    let took: Vec<u64> = played.log.sent.iter().filter_map(|sent| sent.arrives).map(Instant::as_nanos).collect();
    let count = |nanos: u64| took.iter().filter(|took| **took == nanos).count();
    assert_eq!(took.len(), 4_000);
    assert_eq!((5..=8).map(count).sum::<usize>(), 4_000);
    assert!((5..=8).all(|nanos| (900..1_100).contains(&count(nanos))), "an even distribution");
}

#[test]
fn an_exponential_latency_has_its_least_value_and_its_mean() {
    let stage = Stage::new(2, 0).at(0, s(1), Op::SendMany(s(2), MANY));
    let latency = Latency::Exponential { min: ms(2), mean: ms(4) };
    let played = stage.with(|options| options.network.latency = latency).pass();
    let took: Vec<u64> = played.log.sent.iter().filter_map(|sent| sent.arrives).map(Instant::as_nanos).collect();
    assert!(took.iter().all(|nanos| *nanos >= 2_000_000));
    let mean = took.iter().sum::<u64>() / MANY;
    assert!((5_700_000..6_300_000).contains(&mean), "{mean}");
}

#[test]
fn about_as_many_are_lost_as_the_loss_says_and_none_without() {
    let stage = Stage::new(2, 0).at(0, s(1), Op::SendMany(s(2), MANY));
    assert_eq!(stage.pass().numbers(s(2)).len(), 4_000);
    let played = stage.clone().with(|options| options.network.loss = Ppm::new(250_000)).pass();
    assert!((900..1_100).contains(&played.count("packet lost")), "{}", played.count("packet lost"));
    assert_eq!(played.numbers(s(2)).len() as u64 + played.count("packet lost"), MANY);
    let all = stage.with(|options| options.network.loss = Ppm::ALWAYS).pass();
    assert_eq!(all.count("packet lost"), MANY);
}

#[test]
fn about_as_many_come_twice_as_the_duplication_says() {
    let stage = Stage::new(2, 0).at(0, s(1), Op::SendMany(s(2), MANY));
    let played = stage.with(|options| options.network.duplication = Ppm::new(100_000)).pass();
    let twice = played.count("packet duplicated");
    assert!((320..480).contains(&twice), "{twice}");
    assert_eq!(played.numbers(s(2)).len() as u64, MANY + twice);
}

#[test]
fn messages_keep_their_order_at_one_latency_and_are_overtaken_with_reordering() {
    let mut stage = Stage::new(2, 0);
    for number in 0..100 {
        stage = stage.at(number, s(1), Op::Send(s(2), number));
    }
    assert!(stage.pass().numbers(s(2)).is_sorted());
    let played = stage.with(|options| options.network.reordering = Ppm::new(300_000)).pass();
    let numbers = played.numbers(s(2));
    assert!(!numbers.is_sorted() && numbers.len() == 100, "{numbers:?}");
    let latest = played.log.sent.iter().filter_map(|sent| Some(sent.arrives?.since(sent.at))).max();
    assert!(latest > Some(ms(1)) && latest <= Some(ms(6)), "{latest:?}");
}

#[test]
fn packets_queue_behind_one_another_where_there_is_a_bandwidth() {
    // A note has 1,000 bytes: at 1,000,000 bytes a second one leaves each millisecond.
    let stage = Stage::new(2, 0).at(0, s(1), Op::SendMany(s(2), 3)).at(10, s(1), Op::Send(s(2), 3));
    let played = stage.with(|options| options.network.bandwidth = 1_000_000).pass();
    assert_eq!(played.lines(s(2)), ["2ms 0 from s1", "3ms 1 from s1", "4ms 2 from s1", "12ms 3 from s1"]);
}

#[test]
fn a_cut_goes_one_way_and_ends_when_it_is_lifted() {
    let mut stage = Stage::new(2, 0).fault(5, 15, cut([(s(1), s(2))]));
    for millis in [0, 10, 20] {
        stage = stage.at(millis, s(1), Op::Send(s(2), millis)).at(millis, s(2), Op::Send(s(1), millis));
    }
    let played = stage.pass();
    assert_eq!(played.numbers(s(2)), [0, 20]);
    assert_eq!(played.numbers(s(1)), [0, 10, 20]);
    assert_eq!(played.log.lost, [(at(10), Link::new(s(1), s(2)), 1, DropReason::Cut)]);
}

#[test]
fn what_is_under_way_at_a_cut_is_lost_or_kept_as_the_cut_says() {
    let stage = |in_flight| {
        let stage = Stage::new(2, 0).at(0, s(1), Op::Send(s(2), 1)).at(7, s(1), Op::Send(s(2), 2));
        stage.with(|options| options.network.latency = constant(ms(10))).fault(
            5,
            6,
            cut_with([(s(1), s(2))], in_flight, &[]),
        )
    };
    // The cut is lifted before the packet that it hit would arrive.
    assert_eq!(stage(InFlight::Drop).pass().lines(s(2)), ["17ms 2 from s1"]);
    assert_eq!(stage(InFlight::Keep).pass().lines(s(2)), ["10ms 1 from s1", "17ms 2 from s1"]);
}

#[test]
fn a_cut_can_be_narrowed_to_kinds_of_message() {
    let cuts = |kinds: &[&str], in_flight| {
        let stage = Stage::new(2, 0).at(0, s(1), Op::Send(s(2), 1)).at(0, s(1), Op::Shout(s(2), 2));
        let stage = stage.at(20, s(1), Op::Send(s(2), 3)).at(20, s(1), Op::Shout(s(2), 4));
        let stage = stage.with(|options| options.network.latency = constant(ms(10)));
        stage.fault(5, 25, cut_with([(s(1), s(2))], in_flight, kinds)).pass().numbers(s(2))
    };
    assert_eq!(cuts(&["loud"], InFlight::Drop), [1, 3]);
    assert_eq!(cuts(&["loud"], InFlight::Keep), [1, 2, 3]);
    assert_eq!(cuts(&["quiet", "loud"], InFlight::Keep), [1, 2]);
    assert_eq!(cuts(&["no such kind"], InFlight::Drop), [1, 2, 3, 4]);
}

#[test]
fn cuts_that_overlap_are_lifted_each_by_itself() {
    let mut stage = Stage::new(2, 0).fault(5, 25, cut([(s(1), s(2))])).fault(15, 35, cut([(s(1), s(2))]));
    for millis in [0, 10, 20, 30, 40] {
        stage = stage.at(millis, s(1), Op::Send(s(2), millis));
    }
    assert_eq!(stage.pass().numbers(s(2)), [0, 40]);
}

#[test]
fn clients_are_cut_like_servers() {
    let stage = Stage::new(2, 1).fault(5, 15, cut([(c(1), s(1)), (s(2), c(1))]));
    let stage = stage.at(10, c(1), Op::Send(s(1), 1)).at(10, c(1), Op::Send(s(2), 2));
    let played = stage.at(10, s(1), Op::Send(c(1), 3)).at(10, s(2), Op::Send(c(1), 4)).pass();
    assert_eq!([played.numbers(s(1)), played.numbers(s(2)), played.numbers(c(1))], [vec![], vec![2], vec![3]]);
}

#[test]
fn a_clog_holds_packets_and_lets_them_go_in_order() {
    let mut stage = Stage::new(2, 0).fault(5, 50, clog([(s(1), s(2))], &[]));
    for number in 0..20 {
        stage = stage.at(number, s(1), Op::Send(s(2), number));
    }
    let played = stage.pass();
    assert!(played.numbers(s(2)).is_sorted());
    // Those sent in the last millisecond before the clog are held too: it acts on what comes out of the link.
    assert_eq!((played.count("packet held"), played.lines(s(2))[3].as_str()), (16, "4ms 3 from s1"));
    assert_eq!(played.lines(s(2))[4..].iter().filter(|line| line.starts_with("50ms ")).count(), 16);
}

#[test]
fn a_clog_can_be_narrowed_and_two_clogs_are_lifted_each_by_itself() {
    let stage = Stage::new(2, 0).fault(0, 30, clog([(s(1), s(2))], &["loud"])).fault(5, 60, clog([(s(1), s(2))], &[]));
    let stage = stage.at(1, s(1), Op::Send(s(2), 1)).at(1, s(1), Op::Shout(s(2), 2)).at(10, s(1), Op::Send(s(2), 3));
    let played = stage.pass();
    assert_eq!(played.lines(s(2)), ["2ms 1 from s1", "60ms 2 from s1", "60ms 3 from s1"]);
    assert_eq!(played.count("packet held"), 2, "what stays held is not held twice");
}

#[test]
fn what_a_clog_holds_is_lost_at_a_cut_that_drops_what_is_under_way() {
    let stage = |in_flight| {
        let stage = Stage::new(2, 0).fault(0, 30, clog([(s(1), s(2))], &[])).at(1, s(1), Op::Send(s(2), 1));
        stage.fault(10, 20, cut_with([(s(1), s(2))], in_flight, &[])).pass().numbers(s(2))
    };
    assert_eq!((stage(InFlight::Drop), stage(InFlight::Keep)), (vec![], vec![1]));
}

#[test]
fn weather_changes_only_its_links_kinds_and_what_it_names() {
    let weather = |conditions, kinds: &[&str]| {
        let fault = Fault::Weather(Weather { links: links_of([(s(1), s(2))]), conditions, kinds: names(kinds) });
        let stage = Stage::new(3, 0).fault(5, 15, fault);
        let stage = [0, 10, 20].into_iter().fold(stage, |stage, millis| {
            let ops = [Op::Send(s(2), 1), Op::Shout(s(2), 2), Op::Send(s(3), 3)];
            ops.into_iter().fold(stage, |stage, op| stage.at(millis, s(1), op))
        });
        let played = stage.at(10, s(2), Op::Send(s(1), 4)).pass();
        assert_eq!(played.lines(s(1)), ["11ms 4 from s2"], "the way back is as it was");
        assert_eq!(played.lines(s(3)), ["1ms 3 from s1", "11ms 3 from s1", "21ms 3 from s1"], "other links too");
        played.lines(s(2))
    };
    let slow = LinkConditions { latency: Some(constant(ms(3))), ..LinkConditions::default() };
    let all =
        ["1ms 1 from s1", "1ms 2 from s1", "13ms 1 from s1", "13ms 2 from s1", "21ms 1 from s1", "21ms 2 from s1"];
    assert_eq!(weather(slow, &[]), all);
    assert_eq!(weather(slow, &["loud"])[2..4], ["11ms 1 from s1", "13ms 2 from s1"]);
    let lossy = LinkConditions { loss: Some(Ppm::ALWAYS), ..LinkConditions::default() };
    assert_eq!(weather(lossy, &["quiet"])[2..], ["11ms 2 from s1", "21ms 1 from s1", "21ms 2 from s1"]);
    let twice = LinkConditions { duplication: Some(Ppm::ALWAYS), ..LinkConditions::default() };
    assert_eq!(weather(twice, &["quiet"]).len(), 7);
    let narrow = LinkConditions { bandwidth: Some(500_000), ..LinkConditions::default() };
    assert_eq!(weather(narrow, &[])[2..4], ["13ms 1 from s1", "15ms 2 from s1"]);
}

#[test]
fn a_link_can_have_conditions_of_its_own() {
    let slow = LinkConditions { latency: Some(constant(ms(40))), ..LinkConditions::default() };
    let stage = Stage::new(2, 0).at(0, s(1), Op::Send(s(2), 1)).at(0, s(2), Op::Send(s(1), 2));
    let played = stage.with(|options| options.network.links = vec![(Link::new(s(1), s(2)), slow)]).pass();
    assert_eq!((played.lines(s(1)), played.lines(s(2))), (vec!["1ms 2 from s2".into()], vec!["40ms 1 from s1".into()]));
}

#[test]
fn a_message_to_a_node_that_is_down_is_lost_and_one_to_itself_arrives() {
    let mut stage = Stage::new(1, 0).at(5, s(1), Op::Send(s(2), 1)).at(5, s(1), Op::Send(s(1), 2));
    stage.options.cluster = stage.options.cluster.with_spare(KindId::SERVER, 1);
    let played = stage.pass();
    assert_eq!(played.log.lost, [(at(6), Link::new(s(1), s(2)), 0, DropReason::Down)]);
    assert_eq!(played.lines(s(1)), ["6ms 2 from s1"]);
}

#[test]
fn latencies_of_any_size_saturate() {
    let longest = Latency::Uniform { min: Duration::ZERO, max: Duration::MAX };
    let endless = Latency::Exponential { min: Duration::MAX, mean: Duration::MAX };
    let backwards = Latency::Uniform { min: ms(3), max: ms(2) };
    for (latency, arrived) in [(longest, 0), (endless, 0), (constant(Duration::MAX), 0), (backwards, 10)] {
        let stage = Stage::new(2, 0).at(0, s(1), Op::SendMany(s(2), 10));
        let stage = stage.with(|options| {
            options.network.latency = latency;
            options.network.reordering = Ppm::ALWAYS;
            options.network.reordering_delay = Duration::MAX;
            options.network.duplication = Ppm::ALWAYS;
        });
        let calm = stage.clone().with(|options| options.network.reordering = Ppm::NEVER);
        assert_eq!(calm.pass().numbers(s(2)).len(), arrived * 2, "{latency:?}");
        stage.pass();
        stage.with(|options| options.network.bandwidth = 1).pass();
    }
}

#[test]
fn a_link_with_a_capacity_drops_what_it_has_no_room_for_and_has_room_again_later() {
    let weather =
        |conditions| Fault::Weather(Weather { links: vec![Link::new(s(1), s(2))], conditions, kinds: Vec::new() });
    let five = Op::All((1..=5).map(|number| Op::Send(s(2), number)).collect());
    let stage = Stage::new(2, 0).at(10, s(1), five.clone()).at(20, s(1), five);
    let narrow = LinkConditions { capacity: Some(2), ..LinkConditions::default() };
    let played = stage.clone().fault_from(0, weather(narrow)).pass();
    assert_eq!(played.lines(s(2)), ["11ms 1 from s1", "11ms 2 from s1", "21ms 1 from s1", "21ms 2 from s1"]);
    assert_eq!(played.count("packet dropped"), 6);
    assert!(played.log.lost.iter().all(|(_, _, _, why)| *why == DropReason::Full));
    let lifted = stage.clone().fault(0, 15, weather(narrow)).pass();
    assert_eq!((lifted.numbers(s(2)).len(), lifted.count("packet dropped")), (7, 3));
    let slow = LinkConditions { bandwidth: Some(500_000), ..narrow };
    let waiting = stage.clone().fault_from(0, weather(slow)).pass();
    assert_eq!(waiting.count("packet dropped"), 6, "what waits for bandwidth takes room");
    let wide = LinkConditions { capacity: Some(5), ..narrow };
    assert_eq!(stage.fault_from(0, weather(wide)).pass().count("packet dropped"), 0);
}

#[test]
fn a_capacity_drops_nothing_inside_a_connection() {
    let conditions = LinkConditions { capacity: Some(1), ..LinkConditions::default() };
    let links = vec![Link::new(s(1), s(2)), Link::new(s(2), s(1))];
    let stage = Stage::new(2, 0).fault_from(0, Fault::Weather(Weather { links, conditions, kinds: Vec::new() }));
    let says = (1..=4).map(|number| Op::Say(0, number)).collect();
    let played = stage.at(1, s(1), Op::Connect(s(2))).at(50, s(1), Op::All(says)).pass();
    assert_eq!((played.numbers(s(2)), played.count("packet dropped")), (vec![1, 2, 3, 4], 0));
}

fn replay(millis: u64, kinds: &[&str]) -> Fault {
    let links = vec![Link::new(s(1), s(2))];
    Fault::Replay(Replay { links, older_than: ms(millis), kinds: names(kinds) })
}

/// s1 says 1 at 10 ms, 2 at 20 ms and 3 at 300 ms.
fn said() -> Stage {
    [(10, 1), (20, 2), (300, 3)]
        .into_iter()
        .fold(Stage::new(2, 0), |stage, (at, number)| stage.at(at, s(1), Op::Send(s(2), number)))
}

#[test]
fn an_old_packet_arrives_again_the_last_that_is_old_enough() {
    let played = said().fault_from(400, replay(200, &[])).pass();
    assert_eq!(played.numbers(s(2)), [1, 2, 3, 2]);
    assert_eq!(played.lines(s(2)).last().expect("it heard"), "400ms 2 from s1");
    assert_eq!(played.count("packet replayed"), 1);
    let again = said()
        .fault_from(400, replay(200, &[]))
        .fault_from(500, replay(1, &[]))
        .fault_from(600, replay(585, &[]))
        .pass();
    assert_eq!(again.numbers(s(2)), [1, 2, 3, 2, 3, 1]);
}

#[test]
fn nothing_comes_again_where_nothing_is_old_enough_or_of_the_kind_or_the_link_is_cut() {
    for stage in [
        said().fault_from(15, replay(200, &[])),
        said().fault_from(5, replay(1, &[])),
        said().fault_from(400, replay(200, &["loud"])).fault_from(350, cut([(s(1), s(2))])),
    ] {
        let played = stage.pass();
        assert_eq!((played.numbers(s(2)), played.count("packet replayed")), (vec![1, 2, 3], 0));
    }
}

#[test]
fn a_packet_that_was_lost_never_arrives_later() {
    let stage = said().fault(5, 15, cut([(s(1), s(2))])).fault_from(400, replay(385, &[]));
    let played = stage.pass();
    assert_eq!((played.numbers(s(2)), played.count("packet replayed")), (vec![2, 3], 0));
}

#[test]
fn a_replay_that_is_lifted_takes_nothing_back() {
    assert_eq!(said().fault(400, 500, replay(200, &[])).pass().numbers(s(2)), [1, 2, 3, 2]);
}

fn refuse(kinds: &[&str]) -> Fault {
    Fault::Refuse(Refuse { links: vec![Link::new(s(1), s(2))], kinds: names(kinds) })
}

#[test]
fn a_refused_request_does_not_arrive_and_its_error_does() {
    let asks = |millis, number| (millis, s(1), Op::Shout(s(2), number));
    let stage = [asks(1, 1), asks(10, 2), asks(30, 3)]
        .into_iter()
        .fold(Stage::new(2, 0), |stage, (at, node, op)| stage.at(at, node, op));
    let stage = stage.at(10, s(1), Op::Send(s(2), 4)).at(10, s(2), Op::Shout(s(1), 5));
    for kinds in [&[][..], &["loud"]] {
        let played = stage.clone().fault(5, 20, refuse(kinds)).pass();
        assert_eq!(played.lines(s(2)), ["2ms 1 from s1", "11ms 4 from s1", "31ms 3 from s1"]);
        assert_eq!(played.lines(s(1)), ["11ms 5 from s2", "12ms 102 from s2"]);
        assert_eq!(played.count("request refused"), 1);
        assert_eq!(played.log.lost, [(at(11), Link::new(s(1), s(2)), 1, DropReason::Refused)]);
    }
    let other = stage.fault(5, 20, refuse(&["quiet"])).pass();
    assert_eq!((other.numbers(s(2)), other.count("request refused")), (vec![1, 2, 4, 3], 0));
}

#[test]
fn what_is_refused_is_decided_when_it_is_sent_for_both_copies() {
    let stage = Stage::new(2, 0).with(|options| {
        options.network.duplication = Ppm::ALWAYS;
        options.network.latency = Latency::Uniform { min: ms(1), max: ms(100) };
    });
    let stage = (0..20).fold(stage, |stage, number| stage.at(10 * number, s(1), Op::Shout(s(2), number)));
    // Of 100 ms: some of what was sent before it and within it arrives after its end.
    let played = stage.fault(45, 145, refuse(&[])).pass();
    let mut passed = played.numbers(s(2));
    passed.sort_unstable();
    let both: Vec<u64> = (0..5).chain(15..20).flat_map(|number| [number, number]).collect();
    assert_eq!(passed, both);
    assert_eq!(played.count("request refused"), 20);
}

#[test]
fn an_error_travels_as_any_packet_and_comes_from_no_machine_that_is_off_or_suspended() {
    let stage = Stage::new(2, 0).at(10, s(1), Op::Shout(s(2), 1)).fault(5, 20, refuse(&[]));
    let cut_back = stage.clone().fault(5, 20, cut([(s(2), s(1))]));
    assert_eq!((cut_back.pass().numbers(s(1)), cut_back.pass().count("packet cut")), (NONE.to_vec(), 1));
    let off = stage.clone().fault(5, 20, crash(s(2), CrashScope::Machine));
    let suspended = stage.clone().fault(5, 20, Fault::Suspend(Suspend { nodes: vec![s(2)] }));
    for stage in [off, suspended] {
        let played = stage.pass();
        assert_eq!((played.numbers(s(1)), played.numbers(s(2))), (NONE.to_vec(), NONE.to_vec()));
    }
    let down = stage.fault(5, 20, crash(s(2), CrashScope::Process));
    assert_eq!(down.pass().lines(s(1)), ["12ms 101 from s2"], "a proxy answers for a process that is down");
}

#[test]
fn what_was_refused_never_arrives_later() {
    let stage =
        Stage::new(2, 0).at(10, s(1), Op::Shout(s(2), 1)).fault(5, 20, refuse(&[])).fault_from(400, replay(1, &[]));
    let played = stage.pass();
    assert_eq!((played.numbers(s(2)), played.count("packet replayed")), (NONE.to_vec(), 0));
    // What waits at a clog was sent before: it is delivered.
    let held = Stage::new(2, 0).at(1, s(1), Op::Shout(s(2), 1)).fault(0, 10, clog([(s(1), s(2))], &[]));
    assert_eq!(held.fault(5, 20, refuse(&[])).pass().numbers(s(2)), [1]);
}

#[test]
fn the_settle_phase_heals_a_refusal() {
    let stage = Stage::new(2, 0).at(10, s(1), Op::Shout(s(2), 1)).at(60, s(1), Op::Shout(s(2), 2));
    let played = stage.fault_from(5, refuse(&[])).with(|options| options.settle = ms(950));
    assert_eq!(played.pass().numbers(s(2)), [2]);
}
