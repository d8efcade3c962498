//! A child by its lines, and the parent with children that are no splitbrain. Both together are tested where there is a
//! program (`sim/madsim/tests`), and so is a child that never answers.

use std::process::Command;
use std::time::{Duration, Instant};

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
        asked: Asked::Run { plan: plan.map(AnyPlan::to_toml), recorded },
    }
}

/// Every sort of entry.
fn all(data: bool) -> Recorded {
    Recorded { after: 0, kinds: wire::Kinds::of(|_| true), data, at_once: false }
}

fn asked(request: &Request) -> Vec<Answer> {
    let mut answers = Vec::new();
    let line = serde_json::to_string(request).expect("plain data");
    let mut say = |line: &str, _: bool| answers.push(serde_json::from_str(line).expect("an answer"));
    Responder::new(&systems()).answer(&line, &mut say).expect("a request");
    answers
}

fn ended(answers: Vec<Answer>) -> Run {
    let Some(Answer::Run(run)) = answers.into_iter().last() else { panic!("no run") };
    run.into_run(&*engine(), Simulated::<Raft>::new().description().gauges).expect("it can be read")
}

#[test]
fn a_run_comes_through_as_it_is() {
    let here = engine().worker().run(Seed(7).into(), None);
    let there = ended(asked(&request(7, None, None)));
    // All but the plan, which knows the lines of its text, and the history, which only a recorded run has.
    let shown = |run: &Run| format!("{:?}", Run { plan: None, history: None, ..run.clone() });
    assert_eq!(shown(&here), shown(&there));
    assert!(there.plan.is_none(), "no one asks for the plan of a run that passed");
    let recorded = ended(asked(&request(7, None, Some(all(false)))));
    assert_eq!(shown(&here), shown(&recorded));
    assert!(!here.faults().is_empty());
    let plans = [&here, &recorded].map(|run| run.plan.as_ref().expect("it has one").to_toml());
    assert_eq!(plans[0], plans[1]);
}

#[test]
fn a_recording_comes_through_entry_by_entry() {
    let mut entries: Vec<Entry> = Vec::new();
    let here = engine().worker().run(Seed(7).into(), Some(&mut entries));
    let mut answers = asked(&request(7, None, Some(all(true))));
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
    let bare = asked(&request(7, None, Some(all(false))));
    assert!(bare.iter().all(|answer| !matches!(answer, Answer::Entry(entry) if !entry.data.is_null())));
}

/// A run that ended at a budget is recorded for its last inputs alone: the child leaves out the others, and the parent
/// makes use of what comes after them.
#[test]
fn the_end_of_a_recording_comes_through_as_it_is_here() {
    let mut here = After::new(300, Vec::<Entry>::new());
    engine().worker().run(Seed(7).into(), Some(&mut here));
    let wanted = Recorded::by(&After::new(300, Vec::<Entry>::new()));
    let mut there = After::new(300, Vec::<Entry>::new());
    for answer in asked(&request(7, None, Some(wanted))) {
        match answer {
            Answer::Entry(entry) => there.record(entry),
            Answer::Skipped(all) => {
                all.into_iter().for_each(|(kind, count)| (0..count).for_each(|_| there.skip(kind)));
            }
            _ => {}
        }
    }
    assert!(here.recorder.len() > 100, "{}", here.recorder.len());
    assert_eq!(there.recorder, here.recorder);
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
        let run = run.into_run(&*engine(), &[]).expect("it can be read");
        assert_eq!((run.outcome, run.digest), (outcome, Digest128(u128::MAX - 1)));
    }
}

#[test]
fn what_cannot_be_carried_out_is_told_to_the_parent() {
    let broken = Request { text: "format = 1\n".to_owned(), ..request(7, None, None) };
    let answers = asked(&broken);
    let [Answer::Panicked(message)] = &answers[..] else { panic!("it ran") };
    assert!(message.contains("cannot be read again"), "{message}");
    let systems = systems();
    let refused = Responder::new(&systems).answer("hello", &mut |_, _| panic!("nothing is to be said"));
    let refused = refused.expect_err("no request");
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
    assert_eq!(written(&read, &description), Some(Written::AsRead));
    assert_eq!(written(&twin, &description), Some(Written::Twin));
    // As a campaign asks for it: over the seeds that found the violation.
    let mut shorter = twin;
    shorter.run.seeds = 3;
    assert_eq!(written(&shorter, &description), Some(Written::Twin));
}

/// What the parent says of a child that is this shell script, with the socket as its stdin.
fn refused(script: &str, answer_bytes_max: u64) -> String {
    let mut process = parent::Process::start(Command::new("sh").args(["-c", script])).expect("there is a shell");
    process.answer_bytes_max = answer_bytes_max;
    let start = Instant::now();
    let said = process.carry_out(&request(7, None, None), None).err().expect("this is no run");
    // The scripts that live on would do so for a minute.
    assert!(start.elapsed() < Duration::from_secs(30), "{script}: {said}");
    said
}

/// The child may live on, take nothing, or stop anywhere: the parent says what is wrong, and ends it.
#[test]
fn a_child_that_says_something_else_is_ended_with_a_clear_error() {
    let cases = [
        ("read line; echo hello >&0; sleep 60", "the process of the run said something else: hello: expected value"),
        ("echo hello >&0; sleep 60", "the process of the run said something else: hello: "),
        ("printf '\\377\\033[2J\\n' >&0; sleep 60", "the process of the run said something else: \u{fffd}\\u{1b}[2J: "),
        (
            "echo '{\"Run\":{}}' >&0; sleep 60",
            "the process of the run said something else: {\"Run\":{}}: missing field",
        ),
        (
            "exec 3>&0; yes | tr -d '\\n' >&3",
            "the process of the run said something else: a line of more than 10000 bytes",
        ),
        ("printf '{\"Run\":' >&0", "the process of the run ended in the middle of an answer: exit status: 0"),
        ("printf '{\"Run\":' >&0; exit 3", "the process of the run ended in the middle of an answer: exit status: 3"),
        ("exit 4", "the process of the run ended before it answered: exit status: 4"),
        ("kill -9 $$", "the process of the run ended before it answered: signal: 9"),
        ("exec 0<&-; sleep 60", "the process of the run closed its stdin before it answered, lived on, and was killed"),
    ];
    for (script, expected) in cases {
        let said = refused(script, 10_000);
        assert!(said.starts_with(expected), "{script}: {said}");
    }
}

#[test]
fn a_shortage_is_waited_for_and_no_other_error() {
    use std::io;
    let shortages =
        [io::Error::from_raw_os_error(24), io::ErrorKind::WouldBlock.into(), io::ErrorKind::OutOfMemory.into()];
    let mut answers = shortages.into_iter().map(Err).chain([Ok("started"), Err(io::ErrorKind::Other.into())]);
    assert_eq!(parent::start_patiently(|| answers.next().expect("five tries at most")).expect("it starts"), "started");
    let mut tries = 0;
    let refused = parent::start_patiently(|| -> io::Result<()> {
        tries += 1;
        Err(io::ErrorKind::NotFound.into())
    });
    assert_eq!((tries, refused.expect_err("there is no such program").kind()), (1, io::ErrorKind::NotFound));
}

#[test]
fn a_run_stands_without_a_plan_that_cannot_be_handed_over() {
    use splitbrain_kernel::invariant::Violation;
    let read = |plan: &str| {
        let at = splitbrain_kernel::time::Instant::ZERO;
        let violation =
            Violation { invariant: "one_vote".to_owned(), message: "two votes".to_owned(), node: None, at, events: 1 };
        let run = Run::without_counts(Seed(1), Outcome::Violated(violation), splitbrain_kernel::run::Digest128(0));
        let line = Answer::Run(Box::new(WireRun::of(run, false))).line();
        let line = line.replace("\"plan\":\"None\"", &format!("\"plan\":{plan}"));
        let Answer::Run(run) = serde_json::from_str(&line).expect("an answer") else { panic!("no run") };
        run.into_run(&*engine(), &[])
    };
    let unreadable =
        ["{\"Unwritable\":\"unsupported unit type\"}", "{\"Toml\":\"hello\"}", "{\"Toml\":\"format = 99\"}"];
    for plan in ["\"None\""].into_iter().chain(unreadable) {
        let run = read(plan).unwrap_or_else(|error| panic!("{plan}: {error}"));
        assert!(run.plan.is_none() && run.outcome.violation().is_some_and(|it| it.invariant == "one_vote"), "{plan}");
    }
}
