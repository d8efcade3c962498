//! What holds for every kind.

use super::*;
use crate::node::FileId;
use crate::rng::Ppm;

/// One fault of each kind as a plan writes it.
const EVERY: &[(&str, &str)] = &[
    ("cut", r#""links": []"#),
    ("clog", r#""links": []"#),
    ("weather", r#""links": [], "conditions": {}"#),
    ("crash", r#""nodes": [], "scope": "process""#),
    ("start", r#""nodes": []"#),
    ("pause", r#""nodes": []"#),
    ("slow", r#""nodes": [], "service_time": "1ms""#),
    ("clock_step", r#""nodes": [], "by": "1ms""#),
    ("clock_drift", r#""nodes": [], "ppm": 5"#),
    ("clock_slew", r#""nodes": [], "by": "1ms", "over": "1s""#),
    ("clock_freeze", r#""nodes": []"#),
    ("disk", r#""nodes": [], "fault": "full""#),
    ("suspend", r#""nodes": []"#),
    ("replay", r#""links": [], "older_than": "1s""#),
    ("refuse", r#""links": []"#),
];

fn fault(kind: &str, fields: &str) -> Fault {
    let text = format!(r#"{{ "{kind}": {{ {fields} }} }}"#);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn at(millis: u64) -> Instant {
    Instant::ZERO.saturating_add(Duration::from_millis(millis))
}

#[test]
fn the_kinds_are_those_that_a_plan_can_hold_and_each_fault_has_its_own() {
    let error = serde_json::from_str::<Fault>(r#"{ "nonsense": {} }"#).expect_err("there is no such kind");
    let error = error.to_string();
    let known: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
    assert_eq!(known, Fault::KINDS);
    assert_eq!(EVERY.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), Fault::KINDS);
    for (kind, fields) in EVERY {
        let fault = fault(kind, fields);
        assert_eq!(fault.kind(), *kind);
        let words = kind.replace('_', " ");
        assert!(fault.words().starts_with(&words), "{}", fault.words());
        let written = serde_json::to_string(&fault).expect("a fault is JSON");
        assert_eq!(serde_json::from_str::<Fault>(&written).expect("it was written"), fault);
    }
}

#[test]
fn a_key_that_a_kind_does_not_have_is_refused() {
    for (kind, fields) in EVERY {
        let text = format!(r#"{{ "{kind}": {{ {fields}, "nonsense": 1 }} }}"#);
        let error = serde_json::from_str::<Fault>(&text).expect_err("there is no such key").to_string();
        assert!(error.contains("unknown field `nonsense`"), "{error}");
    }
}

#[test]
fn what_lasts_is_in_force_until_it_is_lifted_and_what_happens_once_is_not() {
    let pause = fault("pause", r#""nodes": []"#);
    assert!(pause.lasts());
    assert!(pause.is_in_force(at(1), at(1), None) && pause.is_in_force(at(9), at(1), Some(at(10))));
    assert!(!pause.is_in_force(at(0), at(1), None) && !pause.is_in_force(at(10), at(1), Some(at(10))));
    let step = fault("clock_step", r#""nodes": [], "by": "1ms""#);
    assert!(!step.lasts() && !step.is_in_force(at(1), at(1), None));
}

#[test]
fn a_slew_is_in_force_while_it_goes_on() {
    let slew = fault("clock_slew", r#""nodes": [], "by": "1ms", "over": "1s""#);
    assert!(!slew.lasts());
    assert!(slew.is_in_force(at(1_999), at(1_000), None));
    assert!(!slew.is_in_force(at(2_000), at(1_000), None));
}

#[test]
fn a_disk_fault_lasts_or_happens_once() {
    let record = r#"{ "file": 0, "from_end": 0 }"#;
    for (text, lasts) in [
        (r#"{ "slow": { "by": "1ms" } }"#.to_owned(), true),
        (r#""full""#.to_owned(), true),
        (r#""io""#.to_owned(), true),
        (r#""lying_sync""#.to_owned(), true),
        (r#""hang""#.to_owned(), true),
        (r#""wipe""#.to_owned(), false),
        (format!(r#"{{ "lose": {record} }}"#), false),
        (format!(r#"{{ "corrupt": {record} }}"#), false),
        (format!(r#"{{ "unreadable": {record} }}"#), false),
    ] {
        let fault = fault("disk", &format!(r#""nodes": [], "fault": {text}"#));
        assert_eq!(fault.lasts(), lasts, "{text}");
        assert_eq!(fault.is_in_force(at(2), at(1), None), lasts, "{text}");
    }
}

#[test]
fn both_directions_of_a_link_are_named_once_and_kinds_last() {
    let (a, b, c) = (NodeId::server(1), NodeId::server(2), NodeId::client(1));
    let links = vec![Link::new(b, a), Link::new(a, b), Link::new(c, a)];
    let cut = Cut { links, in_flight: InFlight::Drop, kinds: vec!["Vote".to_owned()] };
    assert_eq!(cut.words(), "cut s1 <-> s2, c1 -> s1 for Vote");
}

#[test]
fn many_nodes_are_counted() {
    let nodes: Vec<NodeId> = (1..=11).map(NodeId::server).collect();
    assert_eq!(Pause { nodes }.words(), "pause s1 s2 s3 s4 s5 s6 s7 s8 and 3 more");
}

#[test]
fn what_a_disk_does_and_how_links_change_is_said_in_words() {
    let on = |fault| Disk { nodes: vec![NodeId::server(1)], fault }.words();
    let file = FileId(0);
    assert_eq!(on(DiskFault::Lose { file, from_end: 0 }), "disk of s1: last record of file 0 lost");
    let corrupt = DiskFault::Corrupt { file, from_end: 2 };
    assert_eq!(on(corrupt), "disk of s1: record of file 0, 2 before the last, corrupt");
    assert_eq!(on(DiskFault::LyingSync), "disk of s1: syncs lie");
    assert_eq!(on(DiskFault::Slow { by: Duration::from_millis(5) }), "disk of s1: slower by 5ms");
    let conditions = LinkConditions { loss: Some(Ppm::new(50_000)), ..LinkConditions::default() };
    let links = vec![Link::new(NodeId::server(1), NodeId::server(2))];
    assert_eq!(Weather { links, conditions, kinds: Vec::new() }.words(), "weather on s1 -> s2: loss 5%");
}
