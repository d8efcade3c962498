//! When a fault starts, how often, and when it ends.

use super::*;
use crate::id::KindId;

#[test]
fn at_a_time_for_a_while() {
    let mut play = Play::of(vec![fault("a")]);
    assert_eq!(play.director.due(), at(2_000));
    assert_eq!(play.director.never_applied(|_| true), ["a"]);
    play.to(9_000);
    assert_eq!(play.told(), ["2s +a pause s1", "3s -1"]);
    assert!(play.director.never_applied(|_| true).is_empty());
}

#[test]
fn without_a_duration_it_lasts_to_the_end() {
    let mut spec = fault("a");
    spec.duration = None;
    let mut play = Play::of(vec![spec]);
    play.to(59_000);
    assert_eq!(play.told(), ["2s +a pause s1"]);
    assert_eq!(play.director.due(), Instant::MAX);
}

#[test]
fn what_happens_once_is_never_lifted() {
    let mut spec = fault("a");
    spec.what =
        What::Order(OrderSpec { nodes: selectors(&["s2", "s1"]), order: OrderChoice::One(OrderKey(7)), end: None });
    let mut play = Play::of(vec![spec]);
    play.to(59_000);
    assert_eq!(play.told(), ["2s a s1 7", "2s a s2 7"]);
    assert!(play.director.never_applied(|_| true).is_empty());
}

#[test]
fn every_while_counts_from_the_end_of_the_last() {
    let mut spec = fault("a");
    spec.trigger = Trigger::Every(Span::constant(ms(500)));
    let mut play = Play::of(vec![spec]);
    play.to(3_400);
    assert_eq!(play.told(), ["500ms +a.1 pause s1", "1.5s -1", "2s +a.2 pause s1", "3s -2"]);
}

#[test]
fn a_fault_more_changes_nothing_of_the_others() {
    let again = |id: &str| {
        let mut spec = fault(id);
        spec.trigger = Trigger::Every(Span { low: ms(100), high: ms(900) });
        spec.what = What::Fault(Fault::Pause(Pause { nodes: selectors(&["any server", "any server"]) }));
        spec
    };
    let starts = |faults| -> Vec<String> {
        let mut play = Play::of(faults);
        play.to(59_000);
        let told = play.told();
        told.into_iter().filter(|it| it.contains("+b.")).collect()
    };
    let alone = starts(vec![again("b")]);
    assert!(alone.len() > 20);
    assert_eq!(alone, starts(vec![again("a"), again("b"), again("c")]));
}

#[test]
fn occurrences_draw_apart_from_one_another() {
    let mut spec = fault("a");
    spec.trigger = Trigger::Every(Span::constant(ms(100)));
    let servers = FIVE.with(KindId::SERVER, 64);
    spec.what = What::Fault(Fault::Pause(Pause { nodes: selectors(&["any server", "any server"]) }));
    let mut play = Play::new(DirectorSetup { faults: vec![spec], ..setup(1, servers) });
    play.to(59_000);
    let pairs: std::collections::BTreeSet<String> = play.faults().iter().map(short).collect();
    // Of 53 pairs out of 2016 hardly two are equal.
    assert!(pairs.len() > 48, "{} different pairs", pairs.len());
    let shared = play
        .faults()
        .windows(2)
        .filter(|two| {
            let nodes = |fault: &Fault| match fault {
                Fault::Pause(Pause { nodes }) => nodes.clone(),
                _ => Vec::new(),
            };
            nodes(&two[0]).iter().any(|node| nodes(&two[1]).contains(node))
        })
        .count();
    assert!(shared < 10, "{shared} share a node with the one before");
}

#[test]
fn every_moment_still_lets_time_go_on() {
    let mut spec = fault("a");
    spec.trigger = Trigger::Every(Span::constant(Duration::ZERO));
    spec.duration = Some(Span::constant(Duration::ZERO));
    let mut play = Play::of(vec![spec]);
    play.poll(Instant::from_nanos(10_000));
    assert_eq!(play.directives.len(), 20);
}

#[test]
fn the_nth_observation_of_a_name() {
    let mut spec = fault("a");
    spec.trigger = when(observed("go", 3), 0, 1);
    let mut play = Play::of(vec![spec]);
    for (millis, name) in [(10, "go"), (20, "stop"), (30, "go"), (40, "go"), (50, "go")] {
        play.says(millis, 2, name);
    }
    assert_eq!(play.told(), ["40ms +a pause s1"]);
}

#[test]
fn each_observation_so_many_times_after_a_delay() {
    let mut spec = fault("a");
    spec.trigger = when(observed("go", 0), 100, 2);
    let mut play = Play::of(vec![spec]);
    for millis in [10, 50, 90] {
        play.says(millis, 2, "go");
    }
    play.to(9_000);
    assert_eq!(play.told(), ["110ms +a.1 pause s1", "150ms +a.2 pause s1", "1.11s -1", "1.15s -2"]);
}

#[test]
fn a_drawn_delay_is_within_its_range_and_differs_between_seeds() {
    let start = |seed| {
        let mut spec = fault("a");
        spec.trigger = when(observed("go", 1), 0, 1);
        if let Trigger::When { delay, .. } = &mut spec.trigger {
            delay.high = ms(1_000);
        }
        let mut play = Play::new(DirectorSetup { faults: vec![spec], ..setup(seed, FIVE) });
        play.says(100, 1, "go");
        play.to(5_000);
        play.directives[0].0
    };
    let starts: std::collections::BTreeSet<Instant> = (0..20).map(start).collect();
    assert_eq!(starts.len(), 20);
    assert!(starts.iter().all(|it| (at(100)..=at(1_100)).contains(it)));
}

#[test]
fn a_role_held_for_so_long() {
    let mut spec = fault("a");
    spec.trigger = when(has("leader", 1_000), 0, 2);
    spec.what = What::Fault(Fault::Pause(Pause { nodes: selectors(&["leader"]) }));
    spec.duration = None;
    let mut play = Play::of(vec![spec]);
    play.takes(100, 1, "leader", 1);
    play.takes(900, 1, "follower", 1);
    play.takes(1_000, 2, "leader", 2);
    play.takes(1_500, 2, "leader", 3);
    play.falls(1_600, 1);
    play.to(3_000);
    assert_eq!(play.told(), ["2s +a.1 pause s2"], "a new rank is no new role");
    play.takes(4_000, 3, "leader", 4);
    play.falls(4_500, 3);
    play.takes(5_000, 4, "leader", 5);
    play.to(9_000);
    assert_eq!(play.told(), ["2s +a.1 pause s2", "6s +a.2 pause s4"]);
}

#[test]
fn a_role_held_by_nobody_for_so_long() {
    let mut spec = fault("a");
    spec.trigger = when(lacks("leader", 1_000), 0, 9);
    spec.duration = None;
    let mut play = Play::of(vec![spec]);
    play.takes(900, 1, "leader", 1);
    play.takes(1_000, 2, "leader", 2);
    play.falls(1_500, 1);
    play.takes(2_000, 2, "follower", 2);
    play.takes(2_500, 3, "leader", 3);
    play.falls(4_000, 3);
    play.to(9_000);
    assert_eq!(play.told(), ["5s +a.1 pause s1"]);
}

#[test]
fn nobody_leads_from_the_start() {
    let mut spec = fault("a");
    spec.trigger = when(lacks("leader", 700), 0, 1);
    let mut play = Play::of(vec![spec]);
    play.to(1_000);
    assert_eq!(play.told(), ["700ms +a pause s1"]);
}

#[test]
fn until_lifts_what_lasts() {
    let mut spec = fault("a");
    spec.trigger = when(observed("go", 0), 0, 3);
    spec.duration = None;
    spec.until = Some(observed("enough", 0));
    let mut play = Play::of(vec![spec]);
    for (millis, name) in [(5, "enough"), (10, "go"), (20, "go"), (30, "enough"), (40, "go")] {
        play.says(millis, 2, name);
    }
    play.to(9_000);
    assert_eq!(play.told(), ["10ms +a.1 pause s1", "20ms +a.2 pause s1", "30ms -1", "30ms -2", "40ms +a.3 pause s1"]);
}

#[test]
fn until_a_role_was_held_counts_whoever_holds_it() {
    let mut spec = fault("a");
    spec.trigger = when(has("leader", 500), 0, 1);
    spec.what = What::Fault(Fault::Cut(Cut::of(LinkForm::Isolate(selectors(&["leader"])))));
    spec.duration = None;
    spec.until = Some(has("leader", 1_000));
    let mut play = Play::of(vec![spec]);
    play.takes(1_000, 1, "leader", 1);
    play.takes(3_000, 2, "leader", 2);
    play.to(9_000);
    // It is the isolated one that has led for a second by then: a role is what a node believes.
    assert_eq!(play.told(), ["1.5s +a cut", "2s -1"]);
}

#[test]
fn until_or_the_duration_whichever_is_first() {
    let mut spec = fault("a");
    spec.until = Some(observed("enough", 1));
    let mut play = Play::of(vec![spec]);
    play.to(9_000);
    play.says(9_500, 1, "enough");
    assert_eq!(play.told(), ["2s +a pause s1", "3s -1"]);
}

#[test]
fn one_observation_lifts_and_starts() {
    let mut spec = fault("a");
    spec.trigger = when(observed("leader elected", 0), 0, 3);
    spec.duration = None;
    spec.until = Some(observed("leader elected", 0));
    let mut play = Play::of(vec![spec]);
    play.says(10, 1, "leader elected");
    play.says(20, 2, "leader elected");
    assert_eq!(play.told(), ["10ms +a.1 pause s1", "20ms -1", "20ms +a.2 pause s1"]);
}

#[test]
fn a_selector_that_matches_nobody_waits_for_somebody() {
    let mut spec = fault("a");
    spec.what = What::Fault(Fault::Pause(Pause { nodes: selectors(&["leader"]) }));
    let mut play = Play::of(vec![spec]);
    play.to(2_500);
    assert_eq!(play.told(), [""; 0]);
    play.takes(3_000, 2, "follower", 1);
    play.takes(4_000, 3, "leader", 1);
    play.takes(4_500, 4, "leader", 2);
    play.to(9_000);
    assert_eq!(play.told(), ["4s +a pause s3", "5s -1"]);
}

#[test]
fn waiting_ends_at_its_time() {
    let mut spec = fault("a");
    spec.what = What::Fault(Fault::Pause(Pause { nodes: selectors(&["leader"]) }));
    spec.waits_until = Some(at(3_000));
    let mut play = Play::of(vec![spec]);
    play.to(3_500);
    play.takes(4_000, 3, "leader", 1);
    assert!(play.directives.is_empty());
    assert_eq!(play.director.never_applied(|_| true), ["a"]);
}

#[test]
fn waiting_ends_when_until_comes() {
    let mut spec = fault("a");
    spec.what = What::Fault(Fault::Pause(Pause { nodes: selectors(&["leader"]) }));
    spec.until = Some(observed("enough", 1));
    let mut play = Play::of(vec![spec]);
    play.says(3_000, 1, "enough");
    play.takes(4_000, 3, "leader", 1);
    assert!(play.directives.is_empty());
}

#[test]
fn a_limit_before_the_start_leaves_one_attempt() {
    let mut spec = fault("a");
    spec.waits_until = Some(at(1_000));
    let mut play = Play::of(vec![spec]);
    play.to(9_000);
    assert_eq!(play.told(), ["2s +a pause s1", "3s -1"]);
}

#[test]
fn one_that_gave_up_is_followed_by_the_next() {
    let mut spec = fault("a");
    spec.trigger = Trigger::Every(Span::constant(ms(1_000)));
    spec.what = What::Fault(Fault::Pause(Pause { nodes: selectors(&["leader"]) }));
    spec.waits_until = Some(at(1_000));
    let mut play = Play::of(vec![spec]);
    play.takes(2_500, 3, "leader", 1);
    play.to(3_500);
    assert_eq!(play.told(), ["3s +a.3 pause s3"]);
}

#[test]
fn names_wait_for_all_of_them() {
    let mut spec = fault("a");
    spec.names = [("a", "follower"), ("b", "follower"), ("x", "leader")]
        .map(|(name, text)| (name.to_owned(), selector(text)))
        .into();
    spec.what = What::Fault(Fault::Pause(Pause { nodes: selectors(&["x"]) }));
    let mut play = Play::of(vec![spec]);
    play.takes(1_000, 4, "leader", 1);
    play.takes(1_500, 1, "follower", 1);
    play.takes(3_000, 2, "follower", 1);
    play.to(9_000);
    assert_eq!(play.told(), ["3s +a pause s4", "4s -1"]);
}

#[test]
fn a_spare_server_that_starts_can_be_chosen() {
    let mut spec = fault("a");
    spec.what = What::Fault(Fault::Pause(Pause { nodes: selectors(&["any server", "any server"]) }));
    let mut play =
        Play::new(DirectorSetup { faults: vec![spec], ..setup(1, Cluster::plain(1, 0).with_spare(KindId::SERVER, 1)) });
    play.to(3_000);
    play.director.on_up(at(3_000), s(2));
    play.to(3_000);
    assert_eq!(play.told(), ["3s +a pause s1 s2"]);
}
