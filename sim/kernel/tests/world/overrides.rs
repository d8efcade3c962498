//! Overrides: one decision of the kernel is taken rather than drawn, and no other changes.

use splitbrain_kernel::fault::{Crash, CrashScope, Fault, InFlight, Keep, Latency};
use splitbrain_kernel::id::Link;
use splitbrain_kernel::plan::{Decision, Override, Site, Timing};

use crate::stage::{Played, Stage, cut_with, ms, s};
use crate::toy::Op;

/// The third of five packets of one link is decided on.
fn decided(decision: Option<Decision>) -> Played {
    stage(decision).pass()
}

fn stage(decision: Option<Decision>) -> Stage {
    let mut stage = Stage::new(3, 0);
    stage.options.network.latency = Latency::Uniform { min: ms(1), max: ms(4) };
    for number in 0..5 {
        stage = stage.at(number * 10, s(1), Op::Send(s(2), number)).at(number * 10, s(1), Op::Send(s(3), number));
    }
    let site = Site::Packet(Link::new(s(1), s(2)));
    stage.plan.overrides = decision.map(|decision| Override { site, ordinal: 2, decision }).into_iter().collect();
    stage
}

fn without_third(played: &Played) -> Vec<String> {
    played.lines(s(2)).into_iter().filter(|line| !line.contains(" 2 from")).collect()
}

#[test]
fn a_packet_can_be_dropped_delayed_or_doubled_and_no_other_changes() {
    let plain = decided(None);
    let drop = decided(Some(Decision::Drop));
    assert_eq!(drop.numbers(s(2)), [0, 1, 3, 4]);
    let delay = decided(Some(Decision::Delay(ms(500))));
    assert_eq!(delay.lines(s(2)).last().expect("it heard"), "520ms 2 from s1");
    let double = decided(Some(Decision::Duplicate(ms(7), ms(300))));
    assert!(double.lines(s(2)).contains(&"27ms 2 from s1".to_owned()));
    assert_eq!(double.lines(s(2)).last().expect("it heard"), "320ms 2 from s1");
    for played in [drop, delay, double] {
        assert_eq!((without_third(&played), played.lines(s(3))), (without_third(&plain), plain.lines(s(3))));
    }
}

#[test]
fn a_decision_that_never_comes_is_no_part_of_what_was_done() {
    let site = Site::Packet(Link::new(s(1), s(2)));
    for (ordinal, comes) in [(4, 1), (5, 0)] {
        let mut stage = stage(Some(Decision::Drop));
        stage.plan.overrides = vec![Override { site, ordinal, decision: Decision::Drop }];
        assert_eq!(stage.pass().report.plan.overrides.len(), comes, "packet {ordinal} of 5");
    }
    let absent = [Site::Packet(Link::new(s(1), s(9))), Site::Disk(s(9)), Site::Crash(s(1))];
    let mut stage = stage(None);
    stage.plan.overrides = absent.map(|site| Override { site, ordinal: 0, decision: Decision::Keep(0) }).to_vec();
    assert_eq!(stage.pass().report.plan.overrides, []);
}

#[test]
fn a_packet_can_be_put_behind_others_of_its_instant() {
    let mut stage = Stage::new(3, 0).at(5, s(1), Op::Send(s(3), 1)).at(5, s(2), Op::Send(s(3), 2));
    assert_eq!(stage.pass().numbers(s(3)), [1, 2]);
    let site = Site::Packet(Link::new(s(1), s(3)));
    stage.plan.overrides = vec![Override { site, ordinal: 0, decision: Decision::Order(1) }];
    assert_eq!(stage.pass().numbers(s(3)), [2, 1]);
}

#[test]
fn a_delayed_packet_passes_a_cut_and_a_dropped_segment_is_not_lost() {
    let site = Site::Packet(Link::new(s(1), s(2)));
    let mut stage = Stage::new(2, 0).at(5, s(1), Op::Send(s(2), 1));
    stage.plan.overrides = vec![Override { site, ordinal: 0, decision: Decision::Delay(ms(3)) }];
    let cut = cut_with([(s(1), s(2))], InFlight::Keep, &[]);
    assert_eq!(stage.fault(2, 20, cut).pass().lines(s(2)), ["8ms 1 from s1"]);
    let mut stage = Stage::new(2, 0).at(0, s(1), Op::Connect(s(2))).at(10, s(1), Op::SayMany(0, 3));
    stage.plan.overrides = vec![Override { site, ordinal: 2, decision: Decision::Drop }];
    assert_eq!(stage.pass().numbers(s(2)), [0, 1, 2], "loss never acts inside a connection");
    stage.plan.overrides = vec![Override { site, ordinal: 1, decision: Decision::Delay(ms(50)) }];
    assert_eq!(stage.pass().lines(s(2))[1..], ["60ms 0 over s1", "60ms 1 over s1", "60ms 2 over s1"]);
}

#[test]
fn a_write_and_a_sync_can_be_delayed() {
    let mut stage = Stage::new(1, 0).at(0, s(1), Op::Persist(1)).at(100, s(1), Op::Persist(2));
    let delay = |ordinal, millis| Override { site: Site::Disk(s(1)), ordinal, decision: Decision::Delay(ms(millis)) };
    stage.plan.overrides = vec![delay(1, 30), delay(2, 50)];
    assert_eq!(stage.pass().lines(s(1)), ["31ms durable 1", "152ms durable 2"]);
}

#[test]
fn a_crash_can_be_told_how_much_it_keeps() {
    for keep in [Keep::Prefix, Keep::Subset, Keep::Nothing, Keep::Torn] {
        let fault = Fault::Crash(Crash { nodes: vec![s(1)], scope: CrashScope::Machine, keep });
        let mut stage = Stage::new(1, 0).at(0, s(1), Op::All((1..=4).map(Op::Append).collect())).fault(50, 60, fault);
        let site = Site::Crash(s(1));
        stage.plan.overrides = vec![Override { site, ordinal: 0, decision: Decision::Keep(2) }];
        let torn = if keep == Keep::Torn { " torn" } else { "" };
        assert_eq!(stage.pass().lines(s(1)).pop().expect("it started"), format!("60ms started [1 2{torn}]"));
    }
}

#[test]
fn overrides_are_part_of_the_plan_that_is_told_and_replay_exactly() {
    let mut stage = stage(Some(Decision::Duplicate(ms(7), ms(300))));
    let played = stage.pass();
    assert_eq!(played.report.plan.overrides.len(), 1);
    stage.plan = played.report.plan;
    assert_eq!(stage.plan.timing, Timing::Exact);
    assert_eq!(stage.pass().report.digest, played.report.digest);
}
