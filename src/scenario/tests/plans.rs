//! Plans as files, over the toy: what is read, and what is said of what is wrong.

use proptest::prelude::*;
use splitbrain_kernel::id::{Cluster, KindId, NodeId};
use splitbrain_kernel::plan::{Moment, Plan, PlannedOperation, Timing};
use splitbrain_kernel::time::Instant;
use splitbrain_toy::{Deed, Toy};

use crate::scenario::{Colour, Names, PlanCheck, PlanError, PlanLines, ReadPlan, read_plan, write_plan};

use super::{Diagnostics, SystemDescription};

/// A plan in which everything is right: each kind of fault, and each site.
const EVERY: &str = include_str!("plan.toml");

fn read(text: &str, force: bool) -> Result<ReadPlan<Deed, Deed>, PlanError> {
    let system = SystemDescription::of::<Toy>();
    let cluster = Cluster::plain(5, 2).with_spare(KindId::SERVER, 1);
    read_plan("plan.toml", text, PlanCheck { system: &system, cluster, force })
}

fn refused(text: &str) -> Diagnostics {
    match read(text, false) {
        Err(PlanError::Invalid(diagnostics)) => diagnostics,
        other => panic!("{other:?} came of\n{text}"),
    }
}

/// A fault of this kind, with these fields.
fn fault(fault: &str) -> String {
    format!("[[fault]]\nid = \"a\"\nstart = {{ at = \"1ms\", after_events = 0 }}\nfault = {{ {fault} }}\n")
}

fn decided(site: &str, decision: &str) -> String {
    format!("[[override]]\nsite = {{ {site} }}\nordinal = 0\ndecision = {decision}\n")
}

fn empty() -> ReadPlan<Deed, Deed> {
    ReadPlan { plan: Plan::empty(), lines: PlanLines::default() }
}

/// A value that TOML has no word for is an error of the writer, and the other entries can be written.
#[test]
fn what_toml_cannot_hold_is_an_error() {
    let operation = |operation| PlannedOperation {
        start: Moment { at: Instant::ZERO, after_events: 0, order: 0 },
        node: NodeId::client(1),
        operation,
        after_completion: false,
    };
    let plan = |operations| Plan { operations, ..Plan::<serde_json::Value, Deed>::empty() };
    assert!(write_plan(&plan(vec![operation(serde_json::json!({ "a": [1, null] }))]), &Names::default()).is_err());
    assert!(write_plan(&plan(vec![operation(serde_json::json!({ "a": [1] }))]), &Names::default()).is_ok());
}

#[test]
fn a_plan_reads_what_it_wrote() {
    let ReadPlan { plan, lines } = read(EVERY, false).expect("nothing is wrong with it");
    assert_eq!((plan.timing, plan.faults.len()), (Timing::Time, 15));
    assert_eq!((plan.operations.len(), plan.orders.len(), plan.names.len()), (1, 1, 1));
    let kinds: Vec<&str> = plan.faults.iter().map(|planned| planned.fault.kind()).collect();
    assert_eq!(kinds, splitbrain_kernel::fault::Fault::KINDS);
    assert_eq!(lines.faults[..2], [4, 12]);
    assert_eq!((lines.operations, lines.orders, lines.overrides), (vec![77], vec![82], vec![67, 72, 87]));
    let written = write_plan(&plan, &Names::default()).expect("a plan is TOML");
    assert_eq!(toml::from_str(&written).as_ref(), Ok(&plan), "the kernel's own form");
    assert_eq!(read(&written, false).map(|read| read.plan), Ok(plan));
    assert_eq!(read("format = 1", false), Ok(empty()));
}

#[test]
fn another_format_is_told_before_anything_else() {
    assert_eq!(read("format = 2\nnothing = 1", false), Err(PlanError::Format(2)));
    assert_eq!(read("format = 2", true), Ok(empty()));
}

#[test]
fn what_is_wrong_with_a_plan_is_told_with_its_place() {
    let texts = [
        "",
        "format = 1\n[[fault]\n",
        "format = \"1\"",
        "format = 1\nfautl = []\ntiming = \"excat\"",
        "format = 1\nfault = 5",
        "format = 1\n[[fault]]",
    ];
    let syntax: String = texts.iter().map(|text| refused(text).plain() + "\n").collect();
    let entries = [
        fault("cutt = { links = [] }"),
        fault("cut = { link = [] }"),
        fault(
            "cut = { links = [\"s1 -> s1\", \"s1 -> s9\", \"c1 -> s2\", \"c3 -> s2\"], kinds = [\"vot\", \"ping\"] }",
        ),
        fault("cut = { links = [\"s1\"] }"),
        fault("pause = { nodes = [\"s1\", \"s7\", \"c9\"] }"),
        fault("pause = { nodes = [\"x1\"] }"),
        fault("crash = { nodes = [\"s1\"], scope = \"machin\" }"),
        fault("weather = { links = [], conditions = { latency = { uniform = { min = \"2ms\", max = \"1ms\" } } } }"),
        fault("weather = { links = [], conditions = { loss = \"101%\" } }"),
        fault("slow = { nodes = [], service_time = \"2000h\" }"),
        fault("clock_step = { nodes = [\"s1\"], by = \"-2000h\" }"),
        fault("disk = { nodes = [\"s1\"], fault = { slow = { by = \"2000h\" } } }"),
        fault("refuse = { links = [\"c1 -> s1\"], kinds = [\"ping\", \"vote\", \"pign\"] }"),
        fault("pause = { nodes = [] }").replace("1ms", "soon"),
        fault("pause = { nodes = [] }").replace("after_events = 0", "after_events = -1"),
        "[[operation]]\nstart = { at = \"1ms\", after_events = 0 }\nnode = \"c3\"\noperation = { Write = 1 }\n"
            .to_owned(),
        "[[operation]]\nstart = { at = \"1ms\", after_events = 0 }\nnode = \"c1\"\noperation = { Wrte = 1 }\n"
            .to_owned(),
        decided("packet = \"s1 -> s1\"", "\"drop\""),
        decided("packt = \"s1 -> s2\"", "\"drop\""),
        decided("packet = \"s1 -> s2\"", "{ keep = 1 }"),
        decided("disk = \"s1\"", "\"drop\""),
        decided("crash = \"s9\"", "{ delay = \"1ms\" }"),
        decided("disk = \"s1\"", "{ delay = \"2000h\" }"),
        decided("disk = \"s1\"", "{ delay = \"1ms\" }").repeat(2),
    ];
    let one_by_one = entries.iter().map(|entry| refused(&format!("format = 1\n{entry}")).plain() + "\n");
    insta::assert_snapshot!(syntax + &one_by_one.collect::<String>());
    let together = refused(&format!("format = 1\n{}", entries.concat()));
    assert!(together.list.len() >= entries.len(), "{together}");
    let pretty = refused(&format!("format = 1\n{}{}", entries[2], entries[0])).pretty(Colour::Never);
    insta::assert_snapshot!("a_plan_with_two_broken_faults", pretty);
}

#[test]
fn a_forced_plan_may_speak_of_nodes_that_are_not_there() {
    let text = format!("format = 1\n{}", fault("pause = { nodes = [\"s9\"] }"));
    assert!(read(&text, false).is_err());
    assert!(read(&text, true).is_ok());
    assert!(read(&text.replace("s9", "9s"), true).is_err(), "what names no node in any cluster is wrong in each");
}

proptest! {
    #[test]
    fn no_text_is_too_odd_for_a_plan(text in "\\PC{0,200}", at in 0usize..2000, cut in 0usize..40) {
        let _ = read(&text, false);
        let at = at.min(EVERY.len());
        if let (Some(before), Some(after)) = (EVERY.get(..at), EVERY.get((at + cut).min(EVERY.len())..)) {
            let _ = read(&format!("{before}{after}"), false);
            let _ = read(&format!("{before}{text}{after}"), true);
        }
    }
}
