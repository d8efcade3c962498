//! What a long plan costs: to run, to write, to read, to replay and to compare, for plans of several lengths.
//!
//! `cargo bench --bench plans` prints the table of `reports/gallery/plans.md`, and with `-- --write` it keeps it. Each
//! step takes time linear in the length of the plan. `-- --short` is a tenth of it, to see that it works.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use splitbrain::engine::{AnySystem as _, Engine, Job, PlanText, Simulated};
use splitbrain::report::Tail;
use splitbrain::scenario;
use splitbrain_kernel::rng::Seed;
use splitbrain_systems::raft::Raft;

const KEPT: &str = "reports/gallery/plans.md";

const PATH: &str = "benches/replay.toml";
const TEXT: &str = include_str!("replay.toml");

/// The rate of the scenario, in operations a second.
const RATE: u32 = 1700;

const HEAD: &str = "# Long plans

What it costs to carry out a run of `benches/replay.toml`, to write its plan, to read and check it, to replay it as \
`splitbrain replay --timeline none` does, and to look for entries that the run never came to.
Milliseconds of real time in one thread, the best of three rounds.
Made by `cargo bench --bench plans -- --write` (`just bench-plans --write`).
`just replay-speed` times the whole command on the longest of them.

| operations | kB | run | write | read | replay | compare | all but run |
| --: | --: | --: | --: | --: | --: | --: | --: |
";

fn main() {
    let has = |flag: &str| std::env::args().any(|argument| argument == flag);
    let rate = if has("--short") { RATE / 10 } else { RATE };
    let mut table = HEAD.to_owned();
    for part in [8, 4, 2, 1] {
        let engine = engine(rate / part);
        let rounds = (0..3).map(|_| Row::measure(&engine));
        let row = rounds.reduce(Row::best).expect("there are three rounds");
        // Writing to a text cannot fail.
        let _ = writeln!(table, "{}", row.line());
    }
    print!("{table}");
    if has("--write") {
        std::fs::write(KEPT, table).expect("the gallery can be written");
    }
}

fn engine(rate: u32) -> Arc<dyn Engine> {
    let text = TEXT.replace(&format!("{RATE}/s"), &format!("{rate}/s"));
    let system = Simulated::<Raft>::new();
    let scenario = scenario::load(PATH, text.as_bytes(), &[system.description()]).expect("a valid scenario");
    system.open(Arc::new(scenario)).expect("the kernel runs every scenario")
}

/// One length of plan. Times are milliseconds.
#[derive(Clone, Copy)]
struct Row {
    operations: usize,
    kilobytes: usize,
    /// To run, write, read, replay and compare.
    times: [u128; 5],
}

impl Row {
    fn measure(engine: &Arc<dyn Engine>) -> Self {
        let mut worker = engine.worker();
        let (run, first) = timed(|| worker.run(Seed(1).into(), None));
        let made = run.plan.as_ref().expect("a run knows what was done");
        let (text, written) = timed(|| made.to_toml());
        let kilobytes = text.len() / 1000;
        let text = PlanText { path: "plan.toml".to_owned(), text, timing: None, workload: None, force: false };
        let (plan, read) = timed(|| engine.read_plan(&text).expect("the engine reads what it wrote"));
        let (again, replayed) = timed(|| worker.run(Job::following(Seed(1), &plan), Some(&mut Tail::default())));
        assert_eq!((again.digest, again.events), (run.digest, run.events), "an exact replay is the same run");
        let done = again.plan.as_ref().expect("a run knows what was done");
        let (never, compared) = timed(|| plan.never_due(done));
        assert!(never.is_empty(), "an exact replay comes to every entry");
        Self { operations: plan.operations().len(), kilobytes, times: [first, written, read, replayed, compared] }
    }

    fn best(self, other: Self) -> Self {
        let times = std::array::from_fn(|index| self.times[index].min(other.times[index]));
        Self { times, ..self }
    }

    fn line(&self) -> String {
        let times: String = self.times.iter().map(|time| format!(" {time} |")).collect();
        let but_run: u128 = self.times[1..].iter().sum();
        format!("| {} | {} |{times} {but_run} |", self.operations, self.kilobytes)
    }
}

/// The result, and milliseconds of real time.
fn timed<T>(work: impl FnOnce() -> T) -> (T, u128) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed().as_millis())
}
