//! The figures of `reports/gallery/performance.md`: the same work, side by side, in one run.
//!
//! Each row is the best of several rounds, and the rounds of all rows are interleaved, so that a busy machine weighs on
//! all alike. `cargo bench --bench table` prints the table, `cargo bench --bench table -- --write` keeps it; with
//! `--short` there is one round. `--instructions` counts instructions instead: see `common/instructions.rs`;
//! `--against` compares with an earlier build: see `common/against.rs`.

#[path = "common/against.rs"]
mod against;
#[path = "common/bare.rs"]
mod bare;
#[path = "common/best.rs"]
mod best;
#[path = "common/instructions.rs"]
mod instructions;
#[path = "common/ping_pong.rs"]
mod ping_pong;
#[path = "common/raft.rs"]
mod raft;
#[path = "common/sections.rs"]
mod sections;
#[path = "../sim/systems/tests/inside/shell.rs"]
mod shell;

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use splitbrain::campaign::{self, CampaignOptions, Interrupt, Judgement, Pool, Seeds, Silent, Subject};
use splitbrain::engine::{AnySystem as _, Engine, Simulated};
use splitbrain::scenario::{self, SystemDescription};
use splitbrain_kernel::rng::{Ppm, Seed};
use splitbrain_kernel::run::Outcome;
use splitbrain_kernel::system::System;
use splitbrain_systems::chat::Chat;
use splitbrain_systems::lock::Lock;
use splitbrain_systems::raft::Raft;
use splitbrain_systems::reactor::Reactor;
use splitbrain_systems::session::Sessions;

use best::Best;
use raft::RaftRuns;

const ROUNDS: usize = 9;
const PING_PONG_SECONDS: u64 = 200;
const SEEDS: u64 = 300;
/// Of a shipped swarm.
const SWARM_SEEDS: u64 = 20;

/// Messages delivered in the ping-pong: all events but the starts and the timers.
fn kernel_messages() -> u64 {
    let report = ping_pong::kernel(PING_PONG_SECONDS, Seed(7));
    report.events - 5 - 5 * PING_PONG_SECONDS * 100
}

/// A campaign as `test --jobs N --check-determinism=0%` carries it out. Returns the events of all runs.
fn campaign(runs: &RaftRuns, jobs: usize) -> u64 {
    let options = CampaignOptions {
        seeds: Some(Seeds::Range(0..SEEDS)),
        max_fail: None,
        fail_fast: false,
        check_determinism: Ppm::NEVER,
        pool: Pool { jobs, timeout: Some(campaign::TIMEOUT), interrupt: Interrupt::default(), until: None },
    };
    let description = SystemDescription::of::<Raft>();
    let subject =
        Subject { scenario: &runs.scenario, name: "raft_election", description: &description, program: "splitbrain" };
    let result = campaign::run(&subject, &runs.engine, &options, &mut Silent);
    assert_eq!((result.judgement, result.runs), (Judgement::AsExpected, SEEDS), "the clean system breaks nothing");
    result.events
}

/// A shipped swarm, every invariant and every fault in it.
struct Swarm {
    name: String,
    engine: Arc<dyn Engine>,
    best: Best,
}

impl Swarm {
    fn of<S: System>(file: &str) -> Self {
        let name = format!("{}/{file}", S::NAME);
        let (system, path) = (Simulated::<S>::new(), format!("scenarios/{name}.toml"));
        let text = std::fs::read(&path).expect("a shipped scenario can be read");
        let scenario = scenario::load(&path, &text, &[system.description()]).unwrap_or_else(|wrong| panic!("{wrong}"));
        let engine = system.open(Arc::new(scenario)).expect("the kernel runs every scenario");
        Self { name, engine, best: Best::NONE }
    }

    /// One round more, on one core.
    fn take(&mut self) {
        let Self { engine, best, .. } = self;
        let mut worker = engine.worker();
        let mut run = |seed| {
            let run = worker.run(Seed(seed).into(), None);
            assert_eq!(run.outcome, Outcome::Passed, "seed {seed}");
            run.events
        };
        best.take(|| (0..SWARM_SEEDS).map(&mut run).sum());
    }
}

/// The swarms of the table: one of each sort.
fn swarms() -> Vec<Swarm> {
    vec![
        Swarm::of::<Raft>("swarm_kv_etcd"),
        Swarm::of::<Raft>("swarm_kv_membership"),
        Swarm::of::<Sessions>("swarm_single_zbs"),
        Swarm::of::<Sessions>("swarm_replicated_zbs"),
        Swarm::of::<Lock>("swarm_lock"),
        Swarm::of::<Lock>("swarm_guarded"),
        Swarm::of::<Lock>("swarm_clocks"),
        Swarm::of::<Lock>("swarm_short_faults"),
        Swarm::of::<Lock>("swarm_redlock"),
        Swarm::of::<Lock>("swarm_failover"),
        Swarm::of::<Lock>("swarm_calm_failover"),
        Swarm::of::<Chat>("swarm_chat"),
        Swarm::of::<Reactor>("swarm"),
    ]
}

/// The rows of the table.
struct Rows {
    bare: Best,
    kernel: Best,
    election: Best,
    two_jobs: Best,
    clients: Best,
    nested: Best,
    swarms: Vec<Swarm>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if let [_, flag, name, amount] = &arguments[..]
        && flag == "--work"
    {
        println!("{}", instructions::work(name, amount.parse().expect("an amount is a number")));
        return ExitCode::SUCCESS;
    }
    if let Some(at) = arguments.iter().position(|argument| argument == "--instructions") {
        let filter = arguments.get(at + 1).filter(|word| !word.starts_with("--")).map_or("", String::as_str);
        return instructions::count(filter, has("--write"));
    }
    if let Some(at) = arguments.iter().position(|argument| argument == "--against") {
        let [program, name] = [at + 1, at + 2].map(|at| arguments.get(at).expect("--against PROGRAM NAME").as_str());
        against::compare(program, name, if has("--short") { 1 } else { ROUNDS }, has("--write"));
        return ExitCode::SUCCESS;
    }
    let table = measure(if has("--short") { 1 } else { ROUNDS }).table();
    println!("{table}");
    if has("--write") {
        sections::replace_first(&table);
    }
    ExitCode::SUCCESS
}

fn measure(rounds: usize) -> Rows {
    let (election, clients, nested) = (RaftRuns::election(), RaftRuns::clients(), RaftRuns::nested());
    // What a process does once is done before the clock runs.
    election.one(&mut *election.engine.worker(), 0);
    let mut rows = Rows {
        bare: Best::NONE,
        kernel: Best::NONE,
        election: Best::NONE,
        two_jobs: Best::NONE,
        clients: Best::NONE,
        nested: Best::NONE,
        swarms: swarms(),
    };
    for round in 0..rounds {
        eprintln!("round {} of {rounds}", round + 1);
        rows.bare.take(|| bare::bare(PING_PONG_SECONDS, 7).0);
        rows.kernel.take(kernel_messages);
        rows.election.take(|| campaign(&election, 1));
        rows.two_jobs.take(|| campaign(&election, 2));
        rows.clients.take(|| campaign(&clients, 1));
        rows.nested.take(|| campaign(&nested, 1));
        rows.swarms.iter_mut().for_each(Swarm::take);
    }
    rows
}

impl Rows {
    fn table(&self) -> String {
        let Self { bare, kernel, election, two_jobs, clients, nested, ref swarms } = *self;
        let hundredths = |a: u128, b: u128| format!("{}.{:02}", a / b, a % b * 100 / b);
        let tenths = |best: Best| format!("{}.{} ns a message", best.tenths() / 10, best.tenths() % 10);
        let million = |best: Best| {
            format!(
                "{}.{:02} million events/s",
                best.rate_of(best.work) / 1_000_000,
                best.rate_of(best.work) % 1_000_000 / 10_000
            )
        };
        let seeds = |best: Best| format!("{} seeds/s", best.rate_of(SEEDS));
        let against = |a: u128, b: u128| format!("{} times", hundredths(a, b));
        let rows = [
            ("ping-pong, bare loop", tenths(bare), ""),
            ("ping-pong, kernel, digest on", tenths(kernel), ""),
            ("kernel against bare", against(kernel.tenths(), bare.tenths()), "at most 1.5"),
            ("raft election, every invariant, one job", million(election), "at least 5"),
            ("the same", seeds(election), ""),
            ("raft election, two jobs against one", against(election.nanos, two_jobs.nanos), "at least 1.9"),
            ("raft with 20 proposals a second, every invariant, one job", seeds(clients), "at least 350"),
            ("the same", million(clients), ""),
            ("raft election inside another node, every invariant, one job", million(nested), ""),
        ];
        let mut text = String::from(HEAD);
        for (figure, measured, bar) in rows {
            let _ = writeln!(text, "| {figure} | {measured} | {bar} |");
        }
        for swarm in swarms {
            let figure = format!("`{}`, every fault and invariant, one core", swarm.name);
            let _ = writeln!(text, "| {figure} | {} | |", million(swarm.best));
        }
        text + FOOT
    }
}

const HEAD: &str = "# Performance

Made by `cargo bench --bench table -- --write` (`just bench-table`): the best of nine interleaved rounds.
Tests never assert a time; these figures are of the machine that last ran the command.

| figure | measured | to reach |
| --- | --- | --- |
";

const FOOT: &str = "
The ping-pong: five nodes, each pings the other four every 10 ms, each ping is answered; latency 1 to 10 ms, loss 1 %.
The raft rows are campaigns of 300 seeds of 30 virtual seconds, as `test --check-determinism=0%` carries them out:
`benches/raft_election.toml`, `benches/raft_clients.toml` with two clients, and `benches/raft_nested.toml`, where each
server lies inside another node.
The last rows are 20 seeds of a shipped swarm each, whole runs with all faults; those of the key-value store check the
history of their clients.
";
