//! Long plans: what is done with one takes time linear in its length. Each of these steps once looked through the whole
//! plan for each of its entries.

use std::sync::Arc;
use std::time::{Duration, Instant};

use splitbrain::engine::{AnySystem as _, Engine, PlanText, Simulated};
use splitbrain::scenario;
use splitbrain_kernel::rng::Seed;
use splitbrain_systems::raft::Raft;

/// Operations of the short plan, and how many times as long the other one is.
const SHORT: usize = 5_000;
const FACTOR: usize = 16;

/// How much longer than by its length the long one may take: a machine has other things to do.
const SLACK: u32 = 3;

fn engine() -> Arc<dyn Engine> {
    let text = "format = 1\nsystem = \"raft\"\ncluster = { servers = 1, clients = 4 }\n\
         workload = { kind = \"kv\", rate = \"2000/s\" }\nrun = { duration = \"1s\", seeds = 1 }\n";
    let system = Simulated::<Raft>::new();
    let scenario = scenario::load("long.toml", text.as_bytes(), &[system.description()]).expect("a valid scenario");
    system.open(Arc::new(scenario)).expect("the kernel runs every scenario")
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

/// How long it takes to read such a plan, to write it, and to find the lines of what a run never came to.
fn times(engine: &dyn Engine, operations: usize) -> [Duration; 3] {
    let run = engine.worker().run(Seed(1).into(), None);
    let done = run.plan.expect("a run knows what was done");
    let text = done.to_toml();
    let start = text.find("[[operation]]").expect("there are operations");
    let count = done.operations().len();
    let (head, entries) = text.split_at(start);
    let text = format!("{head}{}", entries.repeat(operations.div_ceil(count)));
    let file = PlanText { path: "plan.toml".to_owned(), text, timing: None, workload: None, force: false };
    let (plan, read) = timed(|| engine.read_plan(&file).expect("the engine reads what it wrote"));
    assert!(plan.operations().len() >= operations, "{} of {count}", plan.operations().len());
    let (written, write) = timed(|| plan.to_toml());
    assert!(written.len() >= file.text.len() / 2, "it is written as a whole");
    let nothing = plan.filtered(|_| false);
    let (never, compare) = timed(|| plan.never_due(&nothing));
    assert!(never.len() >= operations && never.iter().all(|one| one.line.is_some()));
    [read, write, compare]
}

#[test]
fn a_long_plan_is_read_written_and_compared_in_time_linear_in_its_length() {
    let engine = engine();
    let short = times(&*engine, SHORT);
    let long = times(&*engine, SHORT * FACTOR);
    let factor = SLACK * u32::try_from(FACTOR).expect("it is small");
    for (what, (short, long)) in ["read", "write", "compare"].into_iter().zip(short.into_iter().zip(long)) {
        let most = short * factor + Duration::from_secs(1);
        assert!(long < most, "{what}: {long:?} for a plan {FACTOR} times as long, {short:?} for the short one");
    }
}
