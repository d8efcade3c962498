//! Conditions of certain nodes, of counts, of times, and of several parts.

use super::*;
use crate::selector::Bound;

fn of(nodes: &str, condition: Condition) -> Condition {
    Condition::Of { nodes: selector(nodes), condition: Box::new(condition) }
}

fn at_least(name: &str, count: u64) -> Condition {
    Condition::Count { name: name.to_owned(), bound: Bound::AtLeast(count) }
}

fn below(name: &str, count: u64) -> Condition {
    Condition::Count { name: name.to_owned(), bound: Bound::Below(count) }
}

/// A director whose only fault comes each time that the condition does.
fn waiting(condition: Condition) -> Play {
    let mut spec = fault("a");
    spec.trigger = when(condition, 0, 100);
    spec.what = What::Order(OrderSpec { nodes: selectors(&["s1"]), order: OrderChoice::One(OrderKey(0)), end: None });
    let mut binds = fault("binds");
    binds.trigger = Trigger::At(Span::constant(at(5_000)));
    binds.names = vec![("x".to_owned(), selector("s3"))];
    binds.duration = None;
    Play::of(vec![spec, binds])
}

/// When the fault came, in milliseconds.
fn times(play: &Play) -> Vec<u64> {
    let came = play.directives.iter().filter(|(_, directive)| matches!(directive, Directive::Order { .. }));
    came.map(|(now, _)| now.as_nanos() / 1_000_000).collect()
}

impl Play {
    fn commits(&mut self, millis: u64, node: u16, place: u64) {
        self.to(millis);
        self.director.on_face(at(millis), s(node), Face::new("committed", Change::None).at_place(place));
        self.to(millis);
    }

    fn happens(&mut self, millis: u64, node: u16, name: &str) {
        self.to(millis);
        self.director.on_incident(at(millis), s(node), name);
        self.to(millis);
    }
}

#[test]
fn what_the_world_counts_comes_as_an_observation_does() {
    let mut play = waiting(observed("node exited", 0));
    play.happens(10, 4, "node exited");
    play.happens(20, 4, "node restarted");
    play.happens(30, 2, "node exited");
    assert_eq!(times(&play), [10, 30]);
}

#[test]
fn an_observation_of_one_node() {
    let mut play = waiting(of("s2", observed("go", 0)));
    for (millis, node) in [(10, 1), (20, 2), (30, 3), (40, 2)] {
        play.says(millis, node, "go");
    }
    assert_eq!(times(&play), [20, 40]);
    let mut play = waiting(of("s2", observed("go", 2)));
    for (millis, node) in [(10, 2), (20, 1), (30, 2), (40, 2)] {
        play.says(millis, node, "go");
    }
    assert_eq!(times(&play), [30]);
}

#[test]
fn an_observation_of_a_name_comes_only_once_it_is_bound() {
    let mut play = waiting(of("x", observed("go", 0)));
    play.says(1_000, 3, "go");
    play.says(6_000, 2, "go");
    play.says(7_000, 3, "go");
    assert_eq!(times(&play), [7_000]);
}

#[test]
fn an_observation_of_the_node_in_a_role() {
    let mut play = waiting(of("leader", observed("go", 0)));
    play.says(10, 1, "go");
    play.takes(20, 1, "leader", 1);
    play.says(30, 1, "go");
    play.takes(40, 2, "leader", 2);
    play.says(50, 1, "go");
    play.says(60, 2, "go");
    assert_eq!(times(&play), [30, 60]);
}

#[test]
fn a_count_is_of_all_nodes_and_comes_once() {
    let mut play = waiting(at_least("go", 3));
    for (millis, node) in [(10, 1), (20, 2), (30, 3), (40, 1)] {
        play.says(millis, node, "go");
    }
    assert_eq!(times(&play), [30]);
    let mut play = waiting(of("s1", at_least("go", 2)));
    for (millis, node) in [(10, 1), (20, 2), (30, 3), (40, 1)] {
        play.says(millis, node, "go");
    }
    assert_eq!(times(&play), [40]);
}

/// Three servers that commit the first 100 entries make 300 observations; entry 100 is committed by the first of them.
#[test]
fn a_count_of_places_is_how_far_the_log_has_come() {
    let mut play = waiting(at_least("committed", 100));
    let mut counted = waiting(observed("committed", 100));
    for place in 1..=100 {
        for node in [1, 2, 3] {
            play.commits(place * 10, node, place);
            counted.commits(place * 10, node, place);
        }
    }
    assert_eq!(times(&play), [1_000]);
    assert_eq!(times(&counted), [340], "the hundredth observation is of entry 34");
}

#[test]
fn a_state_of_one_node() {
    let mut play = waiting(of("s2", has("leader", 1_000)));
    play.takes(10, 1, "leader", 1);
    play.takes(2_000, 2, "leader", 2);
    play.takes(2_500, 2, "follower", 2);
    play.takes(3_000, 2, "leader", 3);
    play.to(8_000);
    assert_eq!(times(&play), [4_000]);
}

#[test]
fn a_state_that_lasts_when_the_name_is_bound_comes_at_once() {
    let mut play = waiting(of("x", has("leader", 1_000)));
    play.takes(10, 3, "leader", 1);
    play.to(8_000);
    assert_eq!(times(&play), [5_000]);
}

#[test]
fn a_node_without_a_role_for_a_while() {
    let mut play = waiting(of("s2", lacks("leader", 1_000)));
    play.to(2_000);
    assert_eq!(times(&play), [1_000], "from the start");
    play.takes(2_000, 2, "leader", 1);
    play.takes(3_000, 1, "leader", 2);
    play.takes(3_500, 2, "follower", 2);
    play.to(9_000);
    assert_eq!(times(&play), [1_000, 4_500]);
    let mut unbound = waiting(of("x", lacks("leader", 0)));
    unbound.to(4_000);
    assert!(times(&unbound).is_empty());
    unbound.to(6_000);
    assert_eq!(times(&unbound), [5_000]);
}

#[test]
fn and_waits_for_all_of_its_parts() {
    let mut play = waiting(Condition::All(vec![has("leader", 1_000), at_least("committed", 10)]));
    play.takes(100, 1, "leader", 1);
    play.to(2_000);
    assert!(times(&play).is_empty());
    play.commits(3_000, 1, 10);
    assert_eq!(times(&play), [3_000]);
    play.takes(4_000, 1, "follower", 1);
    play.takes(5_000, 2, "leader", 2);
    play.to(9_000);
    assert_eq!(times(&play), [3_000, 6_000], "it comes again once it holds again");
}

#[test]
fn and_of_an_observation_waits_for_it_anew() {
    let mut play = waiting(Condition::All(vec![observed("go", 0), at_least("committed", 10)]));
    play.says(100, 1, "go");
    play.says(200, 1, "go");
    play.commits(300, 1, 10);
    play.commits(400, 1, 11);
    play.says(500, 2, "go");
    assert_eq!(times(&play), [300, 500]);
}

#[test]
fn and_of_a_low_count_holds_until_it_is_reached() {
    let mut play = waiting(Condition::All(vec![observed("go", 0), below("committed", 10)]));
    play.says(100, 1, "go");
    play.commits(200, 1, 9);
    play.says(300, 1, "go");
    play.commits(400, 1, 10);
    play.says(500, 1, "go");
    assert_eq!(times(&play), [100, 300]);
}

#[test]
fn until_a_time_lifts_a_fault_and_keeps_later_ones_from_starting() {
    let mut lasting = fault("a");
    lasting.duration = None;
    lasting.until = Some(Condition::Time(at(4_000)));
    let mut late = fault("b");
    late.trigger = when(observed("go", 0), 0, 9);
    late.until = Some(Condition::Time(at(4_000)));
    late.duration = None;
    let mut play = Play::of(vec![lasting, late]);
    play.says(3_000, 1, "go");
    play.says(4_500, 1, "go");
    play.to(9_000);
    assert_eq!(play.told(), ["2s +a pause s1", "3s +b.1 pause s1", "4s -1", "4s -2"]);
}

#[test]
fn until_a_condition_of_a_name() {
    let mut lasting = fault("a");
    lasting.names = vec![("x".to_owned(), selector("s3"))];
    lasting.duration = None;
    lasting.until = Some(of("x", observed("node restarted", 0)));
    let mut play = Play::of(vec![lasting]);
    play.happens(3_000, 1, "node restarted");
    play.happens(4_000, 3, "node restarted");
    play.to(9_000);
    assert_eq!(play.told(), ["2s +a pause s1", "4s -1"]);
}

#[test]
fn what_is_counted_goes_on_in_the_settle_phase() {
    let mut play = Play::new(DirectorSetup { settle_at: at(1_000), ..setup(1, FIVE) });
    let both = play.director.count(Condition::All(vec![observed("go", 0), has("leader", 500)]));
    let first = play.director.wait_for(of("s2", observed("go", 0)));
    play.takes(800, 2, "leader", 1);
    for millis in [900, 1_500, 1_600] {
        play.says(millis, 2, "go");
    }
    play.to(9_000);
    assert_eq!(play.director.times(both), 3);
    assert_eq!(play.director.came(first), Some(at(900)));
}

#[test]
fn a_condition_says_itself_in_the_words_of_a_scenario() {
    for (condition, text) in [
        (observed("leader elected", 3), "leader elected #3"),
        (at_least("committed", 100), "committed >= 100"),
        (of("x", has("leader", 1_000)), "leader for 1s at x"),
        (Condition::All(vec![lacks("leader", 10), below("go", 2)]), "no leader for 10ms and go < 2"),
        (Condition::Time(at(20_000)), "20s"),
    ] {
        assert_eq!(condition.to_string(), text);
    }
}
