//! The page `reports/gallery/figure-16.md`: figure 16 of the Raft paper, with the published values beside ours.
//!
//! `scenarios/raft/figure_16.toml` states the cluster and has a variant for each spread of the election timeouts. Each
//! is run under several make-ups of a round of messages: the paper says that a round takes about 15 ms, and not whether
//! that is network or disk, nor how much it varies. What is measured is the time from the crash of the leader to the
//! next election, from what the servers say.
//!
//! `cargo bench --bench figure_16` prints the page for a few seeds; `-- --seeds N` asks for N of each curve, `--write`
//! keeps the page. It is a function of the build and N.

#[path = "common/arguments.rs"]
mod arguments;
#[path = "common/grouped.rs"]
mod grouped;

use std::fmt::Write as _;
use std::sync::Arc;

use splitbrain::campaign::Distribution;
use splitbrain::engine::Opened;
use splitbrain::scenario::{self, Picks, Scenario, SystemDescription};
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::plan::Moment;
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::Outcome;
use splitbrain_kernel::time::Instant;
use splitbrain_kernel::trace::{TraceItem, Tracer};
use splitbrain_kernel::world::World;
use splitbrain_systems::raft::observation::RaftObservation;
use splitbrain_systems::raft::{Raft, RaftNode};

use crate::arguments::number_after;
use crate::grouped::grouped;

const SCENARIO: &str = "scenarios/raft/figure_16.toml";
const PAGE: &str = "reports/gallery/figure-16.md";

/// Seeds of a curve by default.
const SEEDS: u64 = 20;

/// The crash in the scenario.
const CRASH: &str = "crash";

/// The leader that crashes.
const LEADER: NodeId = NodeId::server(5);

/// A wait that the paper only calls long, in microseconds.
const LONG: u64 = 10_000_000;

/// What makes up a round of messages.
struct MakeUp {
    name: &'static str,
    /// What is set in place of what the scenario says.
    set: &'static [&'static str],
}

const MAKE_UPS: [MakeUp; 5] = [
    MakeUp { name: "15 ms: network 5.2 to 7.2 ms one way", set: &[] },
    MakeUp {
        name: "15 ms: network 3 ms and an exponential tail",
        set: &["network.latency={ min = \"3ms\", mean = \"6200us\" }"],
    },
    MakeUp { name: "10 ms: network 1 to 6 ms one way", set: &["network.latency=1ms..6ms"] },
    MakeUp { name: "6.5 ms: network 1 to 3 ms one way", set: &["network.latency=1ms..3ms"] },
    MakeUp {
        name: "1.5 ms: network 0.1 to 0.5 ms one way",
        set: &["network.latency=100us..500us", "disk.sync=300us..600us"],
    },
];

/// What the paper says of each variant (Ongaro and Ousterhout 2014, section 9.3).
const PUBLISHED: [(&str, &str); 10] = [
    ("150_150", "often above 10 s"),
    ("150_151", "in the figure alone"),
    ("150_155", "median 287 ms"),
    ("150_175", "in the figure alone"),
    ("150_200", "worst of 1,000: 513 ms"),
    ("150_300", "in the figure alone; recommended"),
    ("100_200", "in the figure alone"),
    ("50_100", "in the figure alone"),
    ("25_50", "in the figure alone"),
    ("12_24", "mean 35 ms, worst 152 ms"),
];

/// What the tables show with many seeds.
const READING: &str = "\n## What the make-up does\n\n\
    - A few milliseconds of spread shorten the long waits under every make-up, and 50 ms of spread bound the worst \
    one. Shorter timeouts give shorter waits, as published, only while a round is clearly shorter than the least \
    timeout: with rounds of 15 ms, 12–24 is slower than 25–50.\n\
    - How much a round varies matters more than how long it takes: if timeouts hardly differ, only chance in the \
    network breaks the tie, and a tail of slow messages often elects a leader at once even with equal timeouts.\n\
    - The published median of 287 ms for 150–155 lies between those of the rounds of 1.5 ms and of 6.5 ms, and the \
    published mean of 35 ms for 12–24 is close to that of 6.5 ms: this suggests that most rounds in the paper's \
    cluster were shorter than 15 ms.\n\
    - With short timeouts leaders are lost without a crash (\"left out\"): with 12–24 ms and a round of 15 ms in most \
    runs.\n";

/// Hears of elections.
#[derive(Default)]
struct Elections {
    won: Vec<(Instant, NodeId)>,
    /// When the leader that is to crash gave up.
    gave_up: Option<Instant>,
}

impl Tracer<RaftNode> for Elections {
    fn is_on(&self) -> bool {
        true
    }

    fn record(&mut self, moment: Moment, item: TraceItem<'_, RaftNode>) {
        let TraceItem::Observed { node, observation } = item else { return };
        match observation {
            RaftObservation::LeaderElected { .. } => self.won.push((moment.at, node)),
            RaftObservation::SteppedDown { .. } if node == LEADER => {
                self.gave_up.get_or_insert(moment.at);
            }
            _ => {}
        }
    }
}

/// What one run came to.
enum Came {
    /// The time from the crash to the next election in microseconds, or to the end of the run.
    Elected(u64),
    /// The leader did not last until the crash.
    LostBefore,
}

fn run(opened: &Opened<Raft>, seed: Seed) -> Came {
    let resolved = opened.resolve_to_run(seed.into());
    let mut elections = Elections::default();
    let tracer: &mut dyn Tracer<RaftNode> = &mut elections;
    let report = World::traced(&resolved.system, &resolved.options, seed, tracer).run();
    assert_eq!(report.outcome, Outcome::Passed, "seed {seed}: nothing may break");
    let crash = report.plan.faults.iter().find(|fault| fault.id == CRASH).map(|fault| fault.start.at);
    let Some(crash) = crash else { return Came::LostBefore };
    let others = |at: Instant| elections.won.iter().any(|(won, node)| *won < at && *node != LEADER);
    if others(crash) || elections.gave_up.is_some_and(|at| at < crash) {
        return Came::LostBefore;
    }
    let next = elections.won.iter().map(|(at, _)| *at).find(|at| *at > crash);
    Came::Elected(next.unwrap_or(report.end).since(crash).as_nanos() / 1_000)
}

/// A variant under a make-up, over all seeds.
struct Curve {
    /// In microseconds.
    waits: Distribution,
    lost_before: u64,
    long: u64,
}

impl Curve {
    fn measure(scenario: &Scenario, seeds: u64) -> Self {
        let opened = Opened::<Raft>::new(Arc::new(scenario.clone()));
        let mut curve = Self { waits: Distribution::default(), lost_before: 0, long: 0 };
        for seed in 0..seeds {
            match run(&opened, Seed(seed)) {
                Came::LostBefore => curve.lost_before += 1,
                Came::Elected(wait) => {
                    curve.waits.add(wait);
                    curve.long += u64::from(wait > LONG);
                }
            }
        }
        curve
    }

    fn percentile(&self, percent: u64) -> String {
        self.waits.percentile(percent).map_or_else(|| "–".to_owned(), millis)
    }

    /// `median 165, mean 180, worst 449`; of what often takes long, how often.
    fn cell(&self) -> String {
        let worst = self.waits.range().map_or_else(|| "–".to_owned(), |(_, most)| millis(most));
        let mean = self.waits.mean().map_or_else(|| "–".to_owned(), millis);
        let mut cell = format!("median {}, mean {mean}, worst {worst}", self.percentile(50));
        if self.long > 0 {
            let percent = self.long * 100 / self.waits.count();
            cell = format!(
                "{} % above 10 s, median {}",
                if percent == 0 { "below 1".to_owned() } else { percent.to_string() },
                self.percentile(50)
            );
        }
        if self.lost_before > 0 {
            let _ = write!(cell, " ({} left out)", grouped(self.lost_before));
        }
        cell
    }
}

/// Microseconds as milliseconds, rounded; what is above 10 s is no more than that.
fn millis(micros: u64) -> String {
    if micros > LONG { "> 10 s".to_owned() } else { grouped((micros + 500) / 1_000) }
}

/// The variants of the scenario under a make-up.
fn scenarios(make_up: &MakeUp) -> Vec<Scenario> {
    let text = std::fs::read(SCENARIO).expect("the scenario can be read");
    let set = make_up.set.iter().map(|one| one.parse().unwrap_or_else(|wrong| panic!("{one}: {wrong}")));
    let picks = Picks { variant: None, set: set.collect() };
    let loaded = scenario::load_all(SCENARIO, &text, &picks, &[SystemDescription::of::<Raft>()]);
    loaded.unwrap_or_else(|wrong| panic!("{wrong}"))
}

/// The name of a variant, without that of the file: `150_155`.
fn variant_of(scenario: &Scenario) -> String {
    let address = scenario.source.address();
    address.rsplit_once('#').expect("each is a variant").1.to_owned()
}

fn page(seeds: u64) -> String {
    let curves: Vec<Vec<(String, Curve)>> = MAKE_UPS
        .iter()
        .map(|make_up| {
            eprintln!("{}", make_up.name);
            let all = scenarios(make_up);
            all.iter().map(|scenario| (variant_of(scenario), Curve::measure(scenario, seeds))).collect()
        })
        .collect();
    let mut page = format!(
        "# Figure 16 of the Raft paper\n\n\
         How long a cluster of five servers is without a leader after its leader has crashed, by the election \
         timeouts: {} runs a cell, by `cargo bench --bench figure_16 -- --seeds {seeds} --write` (`just figure-16`).\n\
         The scenario is [`{SCENARIO}`](../../{SCENARIO}); times are in milliseconds.\n\n\
         As in the paper the logs have different lengths, so that two of the four servers that are left can win, and \
         the leader crashes at a random moment between two heartbeats, which is half of the least timeout.\n\
         Runs in which the leader does not even last until then are left out.\n\n\
         The paper says that a round of messages takes about 15 ms, and not what makes it up.\n\
         So each curve was measured under five make-ups: a round is the way there and back, and a sync at both \
         ends.\n\n\
         | timeout (ms) | published | {} |\n| --- | --- |{}\n",
        grouped(seeds),
        MAKE_UPS.map(|make_up| make_up.name).join(" | "),
        " --- |".repeat(MAKE_UPS.len())
    );
    for (variant, published) in PUBLISHED {
        let cells: Vec<String> = curves.iter().map(|curves| find(curves, variant).cell()).collect();
        let _ = writeln!(page, "| {} | {published} | {} |", variant.replace('_', "–"), cells.join(" | "));
    }
    page += "\n## The curves\n\n\
             For the two make-ups of 15 ms: the time within which this share of the runs had a new leader.\n";
    for (make_up, curves) in MAKE_UPS.iter().zip(&curves).take(2) {
        let _ = write!(
            page,
            "\n{}:\n\n| timeout (ms) | 10 % | 25 % | 50 % | 75 % | 90 % | 99 % | all |\n\
             | --- | --- | --- | --- | --- | --- | --- | --- |\n",
            make_up.name
        );
        for (variant, _) in PUBLISHED {
            let curve = find(curves, variant);
            let cells = [10, 25, 50, 75, 90, 99, 100].map(|percent| curve.percentile(percent));
            let _ = writeln!(page, "| {} | {} |", variant.replace('_', "–"), cells.join(" | "));
        }
    }
    page + READING
}

fn find<'a>(curves: &'a [(String, Curve)], variant: &str) -> &'a Curve {
    let found = curves.iter().find(|(name, _)| name == variant);
    &found.unwrap_or_else(|| panic!("the scenario has no variant {variant}")).1
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let page = page(number_after(&arguments, "--seeds", SEEDS));
    if arguments.iter().any(|argument| argument == "--write") {
        std::fs::write(PAGE, page).expect("the page can be written");
    } else {
        print!("{page}");
    }
}
