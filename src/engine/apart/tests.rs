//! A child by its lines: the process itself is tested where there is a program (`sim/madsim/tests`).

use splitbrain_kernel::run::Outcome;
use splitbrain_systems::raft::Raft;

use super::*;
use crate::engine::{AnyPlan, Run, Simulated};

const SCENARIO: &str = "# Two servers that elect a leader, and a client.\nformat = 1\nsystem = \"raft\"\n\
    [cluster]\nservers = 3\nclients = 1\n[workload]\nkind = \"kv\"\nrate = \"20/s\"\n\
    [[nemesis]]\nkinds = [\"crash\"]\non = [\"any server\"]\nevery = \"200ms..1s\"\nfor = \"100ms\"\n\
    [run]\nduration = \"3s\"\n";

fn systems() -> Vec<Box<dyn AnySystem>> {
    vec![Box::new(Simulated::<Raft>::new())]
}

fn engine() -> Arc<dyn Engine> {
    let system = Simulated::<Raft>::new();
    let scenario = scenario::load("a.toml", SCENARIO.as_bytes(), &[system.description()]);
    system.open(Arc::new(scenario.unwrap_or_else(|error| panic!("{error}")))).expect("the kernel runs it")
}

fn request(seed: u64, plan: Option<&AnyPlan>, recorded: Option<Recorded>) -> Request {
    Request {
        path: "a.toml".to_owned(),
        text: SCENARIO.to_owned(),
        written: Written::AsRead,
        seed,
        plan: plan.map(AnyPlan::to_toml),
        recorded,
    }
}

fn asked(request: &Request) -> Vec<Answer> {
    let mut answers = Vec::new();
    let line = serde_json::to_string(request).expect("plain data");
    let mut say = |line: &str| answers.push(serde_json::from_str(line).expect("an answer"));
    answer(&systems(), &line, &mut say).expect("a request");
    answers
}

fn ended(answers: Vec<Answer>) -> Run {
    let Some(Answer::Run(run)) = answers.into_iter().last() else { panic!("no run") };
    run.into_run(&*engine(), Simulated::<Raft>::new().description().gauges)
}

#[test]
fn a_run_comes_through_as_it_is() {
    let here = engine().worker().run(Seed(7).into(), None);
    let there = ended(asked(&request(7, None, None)));
    // All but the plan, which knows the lines of its text, and the history, which only a recorded run has.
    let told = |run: &Run| format!("{:?}", Run { plan: None, history: None, ..run.clone() });
    assert_eq!(told(&here), told(&there));
    assert!(there.plan.is_none(), "no one asks for the plan of a run that passed");
    let recorded = ended(asked(&request(7, None, Some(Recorded { log: false, data: false }))));
    assert_eq!(told(&here), told(&recorded));
    assert!(!here.faults().is_empty());
    let plans = [&here, &recorded].map(|run| run.plan.as_ref().expect("it has one").to_toml());
    assert_eq!(plans[0], plans[1]);
}

#[test]
fn a_recording_comes_through_entry_by_entry() {
    let mut entries: Vec<Entry> = Vec::new();
    let here = engine().worker().run(Seed(7).into(), Some(&mut entries));
    let mut answers = asked(&request(7, None, Some(Recorded { log: true, data: true })));
    let there = ended(answers.split_off(answers.len() - 1));
    let heard: Vec<Entry> = answers
        .into_iter()
        .map(|answer| match answer {
            Answer::Entry(entry) => entry,
            _ => panic!("an answer after the last"),
        })
        .collect();
    assert_eq!(heard, entries);
    assert_eq!(here.history, there.history);
    let bare = asked(&request(7, None, Some(Recorded { log: false, data: false })));
    assert!(bare.iter().all(|answer| !matches!(answer, Answer::Entry(entry) if !entry.data.is_null())));
}

#[test]
fn a_plan_is_followed_in_a_child_too() {
    let first = engine().worker().run(Seed(7).into(), None);
    let there = ended(asked(&request(7, first.plan.as_ref(), None)));
    assert_eq!((first.digest, first.outcome), (there.digest, there.outcome));
}

#[test]
fn every_outcome_comes_through() {
    use splitbrain_kernel::invariant::Violation;
    use splitbrain_kernel::run::{BudgetKind, Digest128, Divergence, Exhaustion};
    let at = splitbrain_kernel::time::Instant::from_nanos(u64::MAX);
    let text = || "a \"text\"\nof two lines".to_owned();
    let violation = || Violation { invariant: text(), message: text(), node: None, at, events: 1 };
    let outcomes = [
        Outcome::Passed,
        Outcome::Violated(violation()),
        Outcome::Stalled(violation()),
        Outcome::Panicked(Panic { node: None, message: text(), at, events: 2 }),
        Outcome::Diverged(Divergence { event: 3, first: text(), second: text() }),
        Outcome::Exhausted(Exhaustion { budget: BudgetKind::Events, bound: 4, at, events: 5 }),
    ];
    for outcome in outcomes {
        let run = Run::without_counts(Seed(1), outcome.clone(), Digest128(u128::MAX - 1));
        let line = Answer::Run(Box::new(WireRun::of(run, false))).line();
        let Answer::Run(run) = serde_json::from_str(&line).expect("an answer") else { panic!("no run") };
        let run = run.into_run(&*engine(), &[]);
        assert_eq!((run.outcome, run.digest), (outcome, Digest128(u128::MAX - 1)));
    }
}

#[test]
fn what_cannot_be_carried_out_is_told_to_the_parent() {
    let broken = Request { text: "format = 1\n".to_owned(), ..request(7, None, None) };
    let answers = asked(&broken);
    let [Answer::Panicked(message)] = &answers[..] else { panic!("it ran") };
    assert!(message.contains("cannot be read again"), "{message}");
    let refused = answer(&systems(), "hello", &mut |_| panic!("nothing is to be said")).expect_err("no request");
    assert!(refused.starts_with("no request: "), "{refused}");
}

#[test]
fn a_twin_is_found_in_its_text() {
    let text = "# A bug and its twin.\nformat = 1\nsystem = \"raft\"\n[cluster]\nservers = 3\n\
        [raft]\nbug = \"vote_not_persisted\"\n[run]\nduration = \"1s\"\n\
        [expect]\nviolates = \"one_vote_per_term\"\ntwin = { bug = \"none\" }\nwithin = 5\n";
    let system = Simulated::<Raft>::new();
    let read = scenario::load("a.toml", text.as_bytes(), &[system.description()]);
    let read = read.unwrap_or_else(|error| panic!("{error}"));
    let twin = read.twin().expect("it states one");
    let description = system.description();
    assert_eq!(written(&read, &description), Written::AsRead);
    assert_eq!(written(&twin, &description), Written::Twin);
}
