//! The time of this build beside an earlier one: the same work in two programs, in turn.
//!
//! `cargo bench --bench table -- --against PROGRAM NAME` runs nine rounds. In each round both programs do each workload
//! once, each in a process of its own, so that a busy machine weighs on both alike. PROGRAM is the benchmark `table` of
//! the earlier build, NAME what to call it in the table. `just bench-against COMMIT` builds it first.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Instant;

use crate::sections;

/// The heading of the section in `reports/gallery/performance.md`.
const HEADING: &str = "## Against an earlier build";

/// Each workload with how much of it is one measurement: about a second of work.
const WORKLOADS: &[(&str, u64)] = &[("ping_pong", 3000), ("raft_election", 1000), ("raft_clients", 300)];

/// Picoseconds an event, in each round.
#[derive(Default)]
struct Times(Vec<u128>);

impl Times {
    fn best(&self) -> u128 {
        *self.0.iter().min().expect("there is a round")
    }
}

/// Runs all rounds and prints the table; with `keeps` it goes into the gallery too.
pub(crate) fn compare(earlier: &str, name: &str, rounds: usize, keeps: bool) {
    let current = std::env::current_exe().expect("this program has a path");
    let current = current.to_str().expect("the path of this program is UTF-8");
    let mut times: Vec<(Times, Times)> = WORKLOADS.iter().map(|_| Default::default()).collect();
    for round in 0..rounds {
        eprintln!("round {} of {rounds}", round + 1);
        for ((workload, amount), (before, now)) in WORKLOADS.iter().zip(&mut times) {
            before.0.push(picoseconds(earlier, workload, *amount));
            now.0.push(picoseconds(current, workload, *amount));
        }
    }
    let text = table(name, rounds, &times);
    println!("{text}");
    if keeps {
        sections::replace(HEADING, &text);
    }
}

fn table(name: &str, rounds: usize, times: &[(Times, Times)]) -> String {
    let mut text = format!("{HEADING}\n\n");
    let _ = writeln!(
        text,
        "Made by `just bench-against {name}`: {rounds} rounds, in each of which both programs do the same work in turn."
    );
    let _ = writeln!(text, "The ratio is the median over the rounds of this build's time to the earlier one's.\n");
    let _ = writeln!(text, "| work | {name}, best, ns an event | this build, best | ratio | to reach |");
    let _ = writeln!(text, "| --- | --- | --- | --- | --- |");
    for ((workload, _), (before, now)) in WORKLOADS.iter().zip(times) {
        let ratio = median_ratio(before, now);
        let _ = writeln!(
            text,
            "| {workload} | {} | {} | {}.{:03} | at most 1.05 |",
            nanoseconds(before.best()),
            nanoseconds(now.best()),
            ratio / 1000,
            ratio % 1000
        );
    }
    text
}

/// The median over the rounds, in thousandths.
fn median_ratio(before: &Times, now: &Times) -> u128 {
    let mut ratios: Vec<u128> = before.0.iter().zip(&now.0).map(|(before, now)| now * 1000 / before).collect();
    ratios.sort_unstable();
    ratios[ratios.len() / 2]
}

fn nanoseconds(picoseconds: u128) -> String {
    format!("{}.{}", picoseconds / 1000, picoseconds % 1000 / 100)
}

/// One measurement: the time of a process that does so much of a workload, over its events.
fn picoseconds(program: &str, workload: &str, amount: u64) -> u128 {
    let start = Instant::now();
    let output = Command::new(program).args(["--work", workload, &amount.to_string()]).output();
    let elapsed = start.elapsed().as_nanos();
    let output = output.unwrap_or_else(|error| panic!("{program} cannot be run: {error}"));
    let events: u128 = String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .unwrap_or_else(|_| panic!("{program} does not know `--work {workload}`"));
    elapsed * 1000 / events
}
