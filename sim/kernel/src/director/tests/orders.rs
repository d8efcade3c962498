//! Orders that last, orders about a node, and what a trigger was about.

use std::collections::{BTreeMap, BTreeSet};

use super::nemeses::nemesis;
use super::spec::{NemesisKind, OrderChoice};
use super::*;

fn order(nodes: &[&str], order: OrderChoice<OrderKey>, end: Option<OrderChoice<OrderKey>>) -> FaultSpec<OrderKey> {
    FaultSpec { what: What::Order(OrderSpec { nodes: selectors(nodes), order, end }), ..fault("a") }
}

const fn one(key: usize) -> OrderChoice<OrderKey> {
    OrderChoice::One(OrderKey(key))
}

/// An order for each of these servers; the key is ten times a number, and that of the server.
fn about(node: &str, tens: usize, servers: &[u16]) -> OrderChoice<OrderKey> {
    let key = |number: &u16| (s(*number), OrderKey(tens * 10 + usize::from(*number)));
    OrderChoice::About { node: selector(node), orders: servers.iter().map(key).collect::<BTreeMap<_, _>>() }
}

fn told(faults: Vec<FaultSpec<OrderKey>>) -> Vec<String> {
    let mut play = Play::of(faults);
    play.takes(500, 2, "leader", 1);
    play.to(59_000);
    play.told()
}

#[test]
fn an_order_with_an_end_lasts() {
    assert_eq!(
        told(vec![order(&["s1", "s2"], one(7), Some(one(8)))]),
        ["2s a s1 7", "2s a s2 7", "3s a s1 8", "3s a s2 8"]
    );
    let mut until = order(&["leader"], one(7), Some(one(8)));
    until.duration = None;
    until.until = Some(Condition::Time(at(9_000)));
    assert_eq!(told(vec![until]), ["2s a s2 7", "9s a s2 8"]);
    assert_eq!(told(vec![order(&["s1"], one(7), None)]), ["2s a s1 7"]);
}

#[test]
fn the_end_goes_to_the_nodes_that_got_the_order() {
    let mut drawn = BTreeSet::new();
    for seed in 0..40 {
        let faults = vec![order(&["any server"], one(7), Some(one(8)))];
        let mut play = Play::new(DirectorSetup { faults, ..setup(seed, FIVE) });
        play.to(59_000);
        let told = play.told();
        let node = told[0].strip_prefix("2s a ").and_then(|rest| rest.strip_suffix(" 7")).expect("an order");
        assert_eq!(told[1..], [format!("3s a {node} 8")]);
        drawn.insert(node.to_owned());
    }
    assert_eq!(drawn.len(), 5);
}

#[test]
fn an_order_is_about_the_node_that_a_selector_stands_for() {
    let all = [1, 2, 3, 4, 5];
    assert_eq!(told(vec![order(&["s1"], about("leader", 1, &all), None)]), ["2s a s1 12"]);
    let mut named = order(&["leader"], about("x", 1, &all), Some(about("x", 2, &all)));
    named.names = vec![("x".to_owned(), selector("s4"))];
    assert_eq!(told(vec![named]), ["2s a s2 14", "3s a s2 24"]);
}

#[test]
fn the_end_is_about_the_node_that_the_order_was_about() {
    for seed in 0..20 {
        let all = [1, 2, 3, 4, 5];
        let faults = vec![order(&["s1"], about("any server", 1, &all), Some(about("any server", 2, &all)))];
        let mut play = Play::new(DirectorSetup { faults, ..setup(seed, FIVE) });
        play.to(59_000);
        let told = play.told();
        let key = |line: &str| line.rsplit(' ').next().and_then(|key| key.parse::<usize>().ok()).expect("a key");
        assert_eq!(key(&told[0]) + 10, key(&told[1]), "{told:?}");
    }
}

#[test]
fn an_order_about_a_node_that_has_none_waits() {
    let mut play = Play::of(vec![order(&["s1"], about("leader", 1, &[3]), None)]);
    play.takes(500, 2, "leader", 1);
    play.to(5_000);
    assert!(play.directives.is_empty());
    play.takes(6_000, 3, "leader", 2);
    assert_eq!(play.told(), ["6s a s1 13"]);
}

fn when_it(condition: Condition) -> FaultSpec<OrderKey> {
    let mut spec = fault("a");
    spec.trigger = when(condition, 100, 9);
    spec.what = What::Fault(Fault::Start(Start { nodes: vec![Selector::Named("it".to_owned())], free_only: false }));
    spec.duration = None;
    spec
}

#[test]
fn it_is_the_node_at_which_it_happened() {
    let mut play = Play::of(vec![when_it(observed("node exited", 0))]);
    for (millis, node) in [(10, 3), (20, 5), (300, 3)] {
        play.to(millis);
        play.director.on_incident(at(millis), s(node), "node exited");
    }
    play.to(9_000);
    assert_eq!(play.told(), ["110ms +a.1 start s3", "120ms +a.2 start s5", "400ms +a.3 start s3"]);
}

#[test]
fn it_is_the_node_whose_state_lasted() {
    let mut play = Play::of(vec![when_it(has("leader", 1_000))]);
    play.takes(10, 4, "leader", 1);
    play.takes(20, 1, "leader", 2);
    play.to(9_000);
    assert_eq!(play.told(), ["1.11s +a.1 start s4", "1.12s +a.2 start s1"]);
    let of_two = Condition::Of { nodes: selector("s2"), condition: Box::new(has("leader", 1_000)) };
    let mut play = Play::of(vec![when_it(of_two)]);
    play.takes(10, 4, "leader", 1);
    play.takes(20, 2, "leader", 2);
    play.to(9_000);
    assert_eq!(play.told(), ["1.12s +a.1 start s2"]);
}

#[test]
fn it_can_be_bound_to_a_name() {
    let mut binds = when_it(observed("go", 1));
    binds.names = vec![("x".to_owned(), Selector::Named("it".to_owned())), ("b".to_owned(), selector("any server"))];
    let mut uses = fault("later");
    uses.what = What::Fault(Fault::Pause(Pause { nodes: selectors(&["x"]) }));
    let mut play = Play::of(vec![binds, uses]);
    play.says(10, 4, "go");
    play.to(2_500);
    assert_eq!(play.told(), ["110ms +a.1 start s4", "2s +later pause s4"]);
}

/// A nemesis of these kinds that draws from these orders.
fn drawing(kinds: &[NemesisKind], orders: Vec<OrderChoice<OrderKey>>) -> NemesisSpec<OrderKey> {
    NemesisSpec { on: selectors(&["any server"]), orders, ..nemesis("n", kinds) }
}

/// What a nemesis orders in a minute: of each order the node that gets it, and the key.
fn ordered(seed: u64, nemesis: NemesisSpec<OrderKey>) -> Vec<(NodeId, usize)> {
    let mut play = Play::new(DirectorSetup { nemeses: vec![nemesis], ..setup(seed, FIVE) });
    play.takes(500, 2, "leader", 1);
    play.to(59_000);
    let orders = play.directives.iter().filter_map(|(_, directive)| match directive {
        Directive::Order { node, order, .. } => Some((*node, order.0)),
        _ => None,
    });
    orders.collect()
}

#[test]
fn a_nemesis_draws_an_order_and_the_node_that_gets_it() {
    let nemesis = || drawing(&[NemesisKind::Order], vec![one(1), one(2), one(3)]);
    let orders = ordered(1, nemesis());
    assert!(orders.len() > 60, "each happens once, so that the pause alone lies between two: {}", orders.len());
    assert_eq!(orders, ordered(1, nemesis()));
    assert_ne!(orders, ordered(2, nemesis()));
    for key in [1, 2, 3] {
        assert!(orders.iter().filter(|(_, order)| *order == key).count() > 10, "{orders:?}");
    }
    assert_eq!(orders.iter().map(|(node, _)| *node).collect::<BTreeSet<_>>().len(), 5);
}

#[test]
fn the_node_that_a_drawn_order_is_about_is_drawn_and_another_one() {
    let orders = ordered(1, drawing(&[NemesisKind::Order], vec![about("any server", 1, &[1, 2, 3, 4, 5])]));
    assert!(orders.len() > 60);
    assert!(orders.iter().all(|(node, key)| usize::from(node.number()) + 10 != *key), "{orders:?}");
    assert_eq!(orders.iter().map(|(_, key)| *key).collect::<BTreeSet<_>>(), BTreeSet::from([11, 12, 13, 14, 15]));
}

#[test]
fn a_drawn_order_about_nobody_gives_way_to_the_next_and_to_other_kinds() {
    // There is no candidate, and no order about the leader.
    let orders = vec![about("candidate", 1, &[1, 2, 3, 4, 5]), about("leader", 2, &[1]), one(7)];
    let given = ordered(1, drawing(&[NemesisKind::Order], orders.clone()));
    assert!(given.len() > 60 && given.iter().all(|(_, key)| *key == 7), "{given:?}");
    let both = [NemesisKind::Order, NemesisKind::Pause];
    let paused = |orders: &[OrderChoice<OrderKey>]| {
        let mut play = Play::new(DirectorSetup { nemeses: vec![drawing(&both, orders.to_vec())], ..setup(1, FIVE) });
        play.to(59_000);
        play.faults().len()
    };
    let (alone, beside) = (paused(&orders[..2]), paused(&orders));
    assert!(alone > 40 && (15..alone).contains(&beside), "{alone} and {beside}");
}

/// What a nemesis does to the world is the same beside a kind that finds nothing to do.
#[test]
fn without_orders_the_kind_changes_nothing() {
    let faults = |kinds: &[NemesisKind]| {
        let mut play = Play::new(DirectorSetup { nemeses: vec![drawing(kinds, Vec::new())], ..setup(3, FIVE) });
        play.to(59_000);
        play.directives
    };
    let common: Vec<NemesisKind> = NemesisKind::common().collect();
    assert_eq!(faults(&common), faults(NemesisKind::ALL));
    assert!(!common.contains(&NemesisKind::Order) && common.len() + 1 == NemesisKind::ALL.len());
}
