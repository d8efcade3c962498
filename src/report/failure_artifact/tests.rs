//! What is kept of a failing run where recording it does not go well.

use std::fs;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::Digest128;
use splitbrain_systems::raft::Raft;

use super::*;
use crate::campaign::{Interrupt, ReasonKind};
use crate::engine::{AnyPlan, Job, OpenError, PlanText, Recorder, Settings, Worker};
use crate::scenario::{Diagnostics, Scenario, SystemDescription, load};

/// An engine whose recorded runs last until nothing is left to send.
struct Slow(Mutex<Receiver<()>>);

impl Engine for Slow {
    fn worker(&self) -> Box<dyn Worker + '_> {
        Box::new(SlowWorker(self))
    }

    fn settings(&self, _: Seed) -> Result<Settings, Diagnostics> {
        Ok(Settings::default())
    }

    fn read_plan(&self, _: &PlanText) -> Result<AnyPlan, OpenError> {
        unreachable!("no test has a plan")
    }
}

struct SlowWorker<'a>(&'a Slow);

impl Worker for SlowWorker<'_> {
    fn run(&mut self, job: Job<'_>, _: Option<&mut dyn Recorder>) -> Run {
        let _ = self.0.0.lock().expect("one thread waits").recv();
        failed(job.seed)
    }
}

fn failed(seed: Seed) -> Run {
    Run::without_counts(seed, Outcome::Passed, Digest128(7))
}

fn scenario() -> Scenario {
    let text = "format = 1\nsystem = \"raft\"\ncluster = { servers = 3 }\nrun = { duration = \"1s\", seeds = 1 }\n";
    load("slow.toml", text.as_bytes(), &[SystemDescription::of::<Raft>()]).unwrap_or_else(|error| panic!("{error}"))
}

/// What is kept of a run, and the names below the folder of reports.
fn gathered(test: &str, pool: &Pool, engine: Receiver<()>) -> (Result<PathBuf, String>, Vec<String>) {
    let reports = std::env::temp_dir().join(format!("splitbrain-evidence-{test}-{}", std::process::id()));
    let (scenario, description) = (scenario(), SystemDescription::of::<Raft>());
    let subject = Subject { scenario: &scenario, name: "slow", description: &description, program: "splitbrain" };
    let engine: Arc<dyn Engine> = Arc::new(Slow(Mutex::new(engine)));
    let reasons = [Reason { kind: ReasonKind::Unmet, line: None, message: "it fails".to_owned() }];
    let kept = gather(&subject, &engine, pool, (&failed(Seed(3)), &reasons), (&reports, LogDetail::default()));
    let entries = fs::read_dir(reports.join("slow")).expect("it was made");
    let names = entries.map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned());
    let names = names.collect();
    fs::remove_dir_all(&reports).expect("a folder can be removed");
    assert_eq!(kept.seed, Seed(3));
    (kept.artifact, names)
}

fn pool(timeout: Option<Duration>) -> Pool {
    Pool { jobs: 1, timeout, interrupt: Interrupt::default(), until: None }
}

#[test]
fn a_run_that_is_recorded_leaves_its_folder() {
    let (sender, engine) = channel();
    drop(sender);
    let (artifact, names) = gathered("whole", &pool(None), engine);
    assert!(artifact.is_ok_and(|folder| folder.ends_with("slow/3")));
    assert_eq!(names, ["3"]);
}

/// The failure stands, and the reason why there is no folder says what would help.
#[test]
fn a_recording_that_takes_too_long_says_so_and_leaves_nothing() {
    let (keep, engine): (Sender<()>, _) = channel();
    let (artifact, names) = gathered("late", &pool(Some(Duration::from_millis(20))), engine);
    let why = artifact.expect_err("it never ends");
    assert_eq!(why, "recording the run takes longer than 200ms on the real clock: give it more with --timeout");
    assert_eq!(names, [""; 0]);
    drop(keep);
}

#[test]
fn an_interrupt_ends_a_recording_after_a_while() {
    let (keep, engine): (Sender<()>, _) = channel();
    let interrupted = pool(None);
    interrupted.interrupt.set();
    let (artifact, names) = gathered("interrupted", &interrupted, engine);
    assert_eq!(artifact, Err("interrupted before the run was recorded".to_owned()));
    assert_eq!(names, [""; 0]);
    drop(keep);
    // What is done in time is kept: the interrupt came after the failure.
    let (sender, engine) = channel();
    drop(sender);
    assert!(gathered("in-time", &interrupted, engine).0.is_ok());
}
