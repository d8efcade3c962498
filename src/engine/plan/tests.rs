//! Plans as values: what an edit keeps, what a run follows, and what a run never came to.

use splitbrain_kernel::id::Cluster;
use splitbrain_kernel::rng::Seed;
use splitbrain_systems::raft::Raft;

use super::*;
use crate::engine::{AnySystem as _, Engine, Job, Run, Simulated};
use crate::scenario::{PlanCheck, SystemDescription, load, read_plan};

/// A crash, a cut and a decision at each of two links, and two clients that write.
const BUSY: &str = r#"# Clients that write while servers crash and links are cut.
format = 1
system = "raft"
cluster = { servers = 3, clients = 2 }
raft = { preset = "paper" }
workload = { kind = "propose", rate = "50/s" }
run = { duration = "4s", seeds = 1 }

[[nemesis]]
kinds = ["one_way", "crash"]
every = "200ms..500ms"
for = "100ms..400ms"
"#;

fn busy() -> Arc<dyn Engine> {
    let scenario = load("busy.toml", BUSY.as_bytes(), &[SystemDescription::of::<Raft>()]);
    let scenario = scenario.unwrap_or_else(|error| panic!("{error}"));
    Simulated::<Raft>::new().open(Arc::new(scenario)).expect("the kernel runs every scenario")
}

fn run(engine: &dyn Engine, seed: u64, plan: Option<&AnyPlan>) -> Run {
    engine.worker().run(Job { seed: Seed(seed), plan }, None)
}

fn text_of(plan: &AnyPlan) -> PlanText {
    PlanText { path: "plan.toml".to_owned(), text: plan.to_toml(), timing: None, workload: None, force: false }
}

#[test]
fn one_engine_and_one_worker_follow_many_plans() {
    let engine = busy();
    let mut worker = engine.worker();
    let mut go = |job: Job<'_>| worker.run(job, None);
    let first = go(Seed(3).into());
    let made = first.plan.as_ref().expect("a run knows what was done");
    assert!(made.faults().len() > 3 && made.operations().len() > 50, "{made:?}");
    let plan = engine.read_plan(&text_of(made)).expect("the engine reads what it wrote");
    for _ in 0..2 {
        let again = go(Job::following(Seed(3), &plan));
        assert_eq!((again.digest, again.events, again.faults()), (first.digest, first.events, first.faults()));
    }
    let other = go(Seed(4).into());
    assert_ne!(other.digest, first.digest);
    let calm = plan.timed(Timing::Time).filtered(|entry| !matches!(entry, PlanEntry::Fault(_)));
    let calm_run = go(Job::following(Seed(3), &calm));
    assert_ne!(calm_run.digest, first.digest);
    assert_eq!(calm_run.faults(), []);
    assert_eq!(go(Job::following(Seed(3), &plan)).digest, first.digest, "an edit leaves the original as it was");
    assert_eq!(go(Seed(4).into()).digest, other.digest, "a run without a plan makes its own again");
}

#[test]
fn a_plan_is_written_as_it_was_read() {
    let engine = busy();
    let made = run(&*engine, 3, None).plan.expect("a run knows what was done");
    let read = engine.read_plan(&text_of(&made)).expect("the engine reads what it wrote");
    assert_eq!(read.to_toml(), made.to_toml());
    let timed = engine.read_plan(&PlanText { timing: Some(Timing::Time), ..text_of(&made) });
    assert_eq!(timed.expect("the timing is the caller's").timing(), Timing::Time);
}

#[test]
#[should_panic(expected = "the plan is not one of the system raft")]
fn a_plan_of_another_system_is_not_followed() {
    let _ = run(&*busy(), 3, Some(&AnyPlan::of(Plan::<u8, u8>::empty())));
}

const GIVEN: &str = r#"format = 1

[[fault]]
id = "early"
start = { at = "1ms", after_events = 1 }
stop = { at = "9ms", after_events = 9 }
fault = { pause = { nodes = ["s1"] } }

[[fault]]
id = "late"
start = { at = "2s", after_events = 20 }
fault = { pause = { nodes = ["s1"] } }

[[operation]]
start = { at = "1ms", after_events = 1 }
node = "c1"
operation = { read = 1 }

[[operation]]
start = { at = "3s", after_events = 30 }
node = "c1"
operation = { read = 1 }

[[override]]
site = { packet = "s1 -> s2" }
ordinal = 3
decision = "drop"
"#;

/// A plan over operations of any form.
fn plan(text: &str) -> AnyPlan {
    let system = SystemDescription::of::<Raft>();
    let cluster = Cluster::plain(3, 1);
    let read =
        read_plan::<toml::Value, toml::Value>("plan.toml", text, PlanCheck { system: &system, cluster, force: false });
    AnyPlan::of_file(read.unwrap_or_else(|error| panic!("{error:?}")))
}

fn never(given: &AnyPlan, done: &str) -> Vec<String> {
    let line = |line: Option<u32>| line.map_or_else(|| "-".to_owned(), |line| line.to_string());
    given.never_due(&plan(done)).into_iter().map(|one| format!("{}: {}", line(one.line), one.message)).collect()
}

#[test]
fn a_plan_that_was_done_to_its_end_has_no_entry_that_never_came() {
    assert_eq!(never(&plan(GIVEN), GIVEN), [""; 0]);
    assert_eq!(never(&plan("format = 1"), GIVEN), [""; 0], "what was done beside it is no entry of it");
}

#[test]
fn every_entry_that_the_run_did_not_come_to_has_its_line() {
    assert_eq!(
        never(&plan(GIVEN), "format = 1"),
        [
            "3: fault early never started, due at 0.001000s after event 1",
            "9: fault late never started, due at 2.000000s after event 20",
            "14: the operation of c1 never came, due at 0.001000s after event 1",
            "19: the operation of c1 never came, due at 3.000000s after event 30",
            "24: the decision on packet s1 -> s2 #3 never came",
        ]
    );
    let (begun, _) = GIVEN.split_once("[[fault]]\nid = \"late\"").expect("it is there");
    let begun = begun.replace("stop = { at = \"9ms\", after_events = 9 }\n", "");
    let one = "[[operation]]\nstart = { at = \"1ms\", after_events = 1 }\nnode = \"c1\"\noperation = { read = 1 }\n";
    let late = never(&plan(GIVEN).timed(Timing::Time), &format!("{begun}{one}"));
    assert_eq!(late.len(), 4, "{late:?}");
    assert_eq!(late[0], "3: fault early was never lifted, due at 0.009000s");
    assert_eq!(late[2], "19: the operation of c1 never came, due at 3.000000s");
    let other = GIVEN.replace("\"drop\"", "{ delay = \"1ms\" }");
    assert_eq!(never(&plan(GIVEN), &other), ["24: the decision on packet s1 -> s2 #3 never came"]);
}

#[test]
fn an_edit_keeps_the_lines_of_what_it_keeps() {
    let given = plan(GIVEN);
    let second = given.filtered(|entry| match entry {
        PlanEntry::Fault(fault) => fault.id == "late",
        PlanEntry::Operation(start, node) => {
            assert_eq!(node.to_string(), "c1");
            start.after_events == 30
        }
        PlanEntry::Order(..) | PlanEntry::Override(_) => false,
    });
    assert_eq!(
        never(&second, "format = 1"),
        [
            "9: fault late never started, due at 2.000000s after event 20",
            "19: the operation of c1 never came, due at 3.000000s after event 30",
        ]
    );
    assert_eq!((given.faults().len(), given.operations().len(), given.overrides().len()), (2, 2, 1));
    let moved: Vec<PlannedFault> = given.faults()[1..].to_vec();
    let edited = given.with_faults(moved).with_overrides(Vec::new());
    assert_eq!((edited.faults().len(), edited.operations().len(), edited.overrides().len()), (1, 2, 0));
    assert_eq!(never(&edited, "format = 1")[0], "-: fault late never started, due at 2.000000s after event 20");
}
