//! Names that faults bind, and who uses them later.

use std::collections::BTreeSet;

use super::*;

/// A fault at this time that pauses these nodes for 100 ms, with these names bound.
fn pause(id: &str, millis: u64, names: &[(&str, &str)], nodes: &str) -> FaultSpec<OrderKey> {
    FaultSpec {
        trigger: Trigger::At(Span::constant(at(millis))),
        names: names.iter().map(|(name, text)| ((*name).to_owned(), selector(text))).collect(),
        what: What::Fault(Fault::Pause(Pause { nodes: selectors(&[nodes]) })),
        duration: Some(Span::constant(ms(100))),
        ..fault(id)
    }
}

/// The nodes of each fault, as text.
fn hit(setup: DirectorSetup) -> Vec<String> {
    let mut play = Play::new(setup);
    play.to(59_000);
    play.faults().iter().map(short).collect()
}

#[test]
fn a_name_outlives_the_fault_that_bound_it() {
    let mut drawn = BTreeSet::new();
    for seed in 0..40 {
        let faults = vec![pause("a", 1_000, &[("x", "any server")], "x"), pause("b", 5_000, &[], "x")];
        let hit = hit(DirectorSetup { faults, ..setup(seed, FIVE) });
        let [first, second] = hit.as_slice() else { panic!("seed {seed}: {hit:?}") };
        assert_eq!(first, second, "seed {seed}");
        drawn.insert(first.clone());
    }
    assert_eq!(drawn.len(), 5, "every server is drawn at some seed");
}

#[test]
fn several_faults_of_one_instant_act_on_one_drawn_node_whatever_their_order() {
    for seed in 0..20 {
        let binds = pause("a", 1_000, &[("x", "any server")], "x");
        let uses = pause("b", 1_000, &[], "x");
        for faults in [vec![binds.clone(), uses.clone()], vec![uses, binds]] {
            let mut play = Play::new(DirectorSetup { faults, ..setup(seed, FIVE) });
            play.to(1_050);
            let hit: Vec<String> = play.faults().iter().map(short).collect();
            assert_eq!(hit.len(), 2, "seed {seed}");
            assert_eq!(hit[0], hit[1], "seed {seed}");
            let told = play.told();
            assert!(told[0].starts_with("1s +a") && told[1].starts_with("1s +b"), "{told:?}");
        }
    }
}

#[test]
fn the_old_leader_is_still_meant_when_another_leads() {
    let mut play = Play::of(vec![
        pause("first", 1_000, &[("b", "leader")], "b"),
        pause("old", 3_000, &[], "b"),
        pause("new", 4_000, &[], "leader"),
    ]);
    play.takes(500, 2, "leader", 1);
    play.takes(2_000, 4, "leader", 2);
    play.to(9_000);
    let hit: Vec<String> = play.faults().iter().map(short).collect();
    assert_eq!(hit, ["pause s2", "pause s2", "pause s4"]);
}

#[test]
fn of_a_name_that_is_bound_again_the_last_binding_counts() {
    let faults = vec![
        pause("a", 1_000, &[("x", "s1")], "x"),
        pause("b", 2_000, &[("x", "s2")], "x"),
        pause("c", 3_000, &[], "x"),
        pause("d", 4_000, &[("x", "s4")], "x"),
        pause("e", 5_000, &[], "not x"),
    ];
    let expected = ["pause s1", "pause s2", "pause s2", "pause s4", "pause s1 s2 s3 s5"];
    assert_eq!(hit(DirectorSetup { faults, ..setup(1, FIVE) }), expected);
}

#[test]
fn a_fault_without_a_node_binds_nothing() {
    let faults = vec![pause("a", 1_000, &[("x", "s1"), ("b", "leader")], "x"), pause("c", 2_000, &[], "x")];
    let mut play = Play::of(faults);
    play.to(59_000);
    assert!(play.directives.is_empty());
    assert_eq!(play.director.never_applied(|_| true), ["a", "c"]);
}

#[test]
fn what_waits_for_a_name_starts_when_it_is_bound() {
    let mut play = Play::of(vec![pause("uses", 1_000, &[], "x"), pause("binds", 4_000, &[("x", "s3")], "x")]);
    play.to(9_000);
    assert_eq!(play.told(), ["4s +binds pause s3", "4s +uses pause s3", "4.1s -2", "4.1s -1"]);
}

#[test]
fn an_order_binds_names_too() {
    let mut order = pause("order", 1_000, &[("x", "any server")], "x");
    order.what = What::Order(OrderSpec { nodes: selectors(&["x"]), order: OrderChoice::One(OrderKey(7)), end: None });
    let mut play = Play::of(vec![order, pause("b", 2_000, &[], "x")]);
    play.to(9_000);
    let told = play.told();
    let node = told[0].strip_prefix("1s order ").and_then(|rest| rest.strip_suffix(" 7")).expect("an order");
    assert_eq!(told[1], format!("2s +b pause {node}"));
}

#[test]
fn a_nemesis_may_choose_a_name() {
    let nemesis = NemesisSpec {
        id: "n".to_owned(),
        line: 1,
        kinds: vec![spec::NemesisKind::Pause],
        on: selectors(&["x"]),
        every: Span::constant(ms(100)),
        duration: Span::constant(ms(100)),
        swarm: false,
        from: Instant::ZERO,
        until: None,
        messages: spec::MessageSpec::default(),
        orders: Vec::new(),
    };
    let setup = DirectorSetup {
        faults: vec![pause("a", 10_000, &[("x", "s4")], "x")],
        nemeses: vec![nemesis],
        ..setup(1, FIVE)
    };
    let mut play = Play::new(setup);
    play.to(9_900);
    assert!(play.directives.is_empty(), "before the name is bound there is no one to hit");
    play.to(20_000);
    let hit: BTreeSet<String> = play.faults().iter().map(short).collect();
    assert_eq!(hit, BTreeSet::from(["pause s4".to_owned()]));
}

#[test]
fn a_name_is_handed_over_only_if_someone_else_waits_for_it() {
    let faults = || vec![pause("a", 1_000, &[("x", "s3"), ("b", "s4")], "x")];
    let mut play = Play::of(faults());
    play.to(2_000);
    assert_eq!(play.told(), ["1s +a pause s3", "1.1s -1"]);
    let mut play = Play::of(faults());
    let of_x = Condition::Of { nodes: selector("x"), condition: Box::new(observed("go", 0)) };
    let counted = play.director.count(of_x);
    play.says(500, 3, "go");
    play.says(2_000, 3, "go");
    play.says(2_100, 4, "go");
    play.says(2_200, 3, "go");
    assert_eq!(play.told(), ["1s x is s3", "1s +a pause s3", "1.1s -1"]);
    assert_eq!(play.director.times(counted), 2);
    // A replay is told what the name stands for, and counts the same.
    let mut replay = Play::new(setup(1, FIVE));
    let of_x = Condition::Of { nodes: selector("x"), condition: Box::new(observed("go", 0)) };
    let counted = replay.director.count(of_x);
    replay.says(500, 3, "go");
    replay.director.bind(at(1_000), "x", s(3));
    replay.says(2_000, 3, "go");
    replay.says(2_100, 4, "go");
    replay.says(2_200, 3, "go");
    assert_eq!(replay.director.times(counted), 2);
}
