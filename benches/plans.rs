//! What a long plan costs: to run, to write, to read, to replay and to compare, for plans of several lengths.
//!
//! `cargo bench --bench plans` prints a table; each step takes time linear in the length of the plan, so four times the
//! operations should take about four times the time. `-- --short` is a tenth of it, to see that it works.

use std::sync::Arc;
use std::time::Instant;

use splitbrain::engine::{AnySystem as _, Engine, Job, PlanText, Simulated};
use splitbrain::scenario;
use splitbrain_kernel::rng::Seed;
use splitbrain_systems::raft::Raft;

const PATH: &str = "benches/replay.toml";
const TEXT: &str = include_str!("replay.toml");

/// The rate of the scenario, in operations a second.
const RATE: u32 = 1700;

fn main() {
    let is_short = std::env::args().any(|argument| argument == "--short");
    let rate = if is_short { RATE / 10 } else { RATE };
    println!("| operations | kB | run ms | write ms | read ms | replay ms | compare ms |");
    println!("| --: | --: | --: | --: | --: | --: | --: |");
    for part in [4, 2, 1] {
        row(&engine(rate / part));
    }
}

fn engine(rate: u32) -> Arc<dyn Engine> {
    let text = TEXT.replace(&format!("{RATE}/s"), &format!("{rate}/s"));
    let system = Simulated::<Raft>::new();
    let scenario = scenario::load(PATH, text.as_bytes(), &[system.description()]).expect("a valid scenario");
    system.open(Arc::new(scenario)).expect("the kernel runs every scenario")
}

fn row(engine: &Arc<dyn Engine>) {
    let mut worker = engine.worker();
    let (run, first) = timed(|| worker.run(Seed(1).into(), None));
    let made = run.plan.as_ref().expect("a run knows what was done");
    let (text, written) = timed(|| made.to_toml());
    let kilobytes = text.len() / 1000;
    let text = PlanText { path: "plan.toml".to_owned(), text, timing: None, force: false };
    let (plan, read) = timed(|| engine.read_plan(&text).expect("the engine reads what it wrote"));
    let (again, replayed) = timed(|| worker.run(Job::following(Seed(1), &plan), None));
    assert_eq!((again.digest, again.events), (run.digest, run.events), "an exact replay is the same run");
    let done = again.plan.as_ref().expect("a run knows what was done");
    let (never, compared) = timed(|| plan.never_due(done));
    assert!(never.is_empty(), "an exact replay comes to every entry");
    let operations = plan.operations().len();
    println!("| {operations} | {kilobytes} | {first} | {written} | {read} | {replayed} | {compared} |");
}

/// The result, and milliseconds of real time.
fn timed<T>(work: impl FnOnce() -> T) -> (T, u128) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed().as_millis())
}
