//! The table of speeds.

use std::fmt::Write as _;

use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::Outcome;

use crate::best::Best;
use crate::grouped::grouped;
use crate::{election, ping_pong};

const KEPT: &str = "reports/gallery/performance.md";
const HEAD: &str = "## On madsim\n";
const ROUNDS: usize = 5;
const PING_PONG_SECONDS: u64 = 20;
const SEEDS: u64 = 10;

/// All events but the starts and the timers are messages.
const fn messages(events: u64) -> u64 {
    events - 5 - 5 * PING_PONG_SECONDS * 100
}

pub(crate) fn main() {
    let election = election::Election::load();
    let (system, options) = ping_pong::setup(PING_PONG_SECONDS);
    let [mut ping, mut ping_on_madsim, mut raft, mut raft_on_madsim] = [Best::NONE; 4];
    for round in 0..ROUNDS {
        eprintln!("round {} of {ROUNDS}", round + 1);
        ping.take(|| messages(ping_pong::kernel(PING_PONG_SECONDS, Seed(7)).events));
        ping_on_madsim.take(|| messages(splitbrain_madsim::run(&system, &options, Seed(7)).events));
        raft.take(|| (0..SEEDS).map(|seed| election.run(Seed(seed)).events).sum());
        raft_on_madsim.take(|| (0..SEEDS).map(|seed| on_madsim(&election, Seed(seed))).sum());
    }
    let table = told([(ping, raft), (ping_on_madsim, raft_on_madsim)]);
    print!("{table}");
    if std::env::args().any(|argument| argument == "--write") {
        let kept = std::fs::read_to_string(KEPT).expect("the gallery can be read");
        let before = kept.split(HEAD).next().unwrap_or_default().trim_end();
        std::fs::write(KEPT, format!("{before}\n\n{table}")).expect("the gallery can be written");
    }
}

fn on_madsim(election: &election::Election, seed: Seed) -> u64 {
    let resolved = election.resolve(seed);
    let report = splitbrain_madsim::run(&resolved.system, &resolved.options, seed);
    assert_eq!(report.outcome, Outcome::Passed, "the clean system breaks nothing");
    report.events
}

fn told([kernel, madsim]: [(Best, Best); 2]) -> String {
    let mut text = String::from(HEAD);
    text += "\nMade by `just madsim-table --write`: ";
    text += "the same work on both engines, the best of five interleaved rounds.\n\n";
    text += "| figure | kernel | madsim |\n| --- | --- | --- |\n";
    let mut row = |name: &str, figure: fn((Best, Best)) -> u128| {
        let _ = writeln!(text, "| {name} | {} | {} |", grouped(figure(kernel)), grouped(figure(madsim)));
    };
    row("ping-pong, ns a message", |(ping, _)| ping.tenths() / 10);
    row("raft election, events/s on one core", |(_, raft)| raft.rate_of(raft.work));
    row("raft election, seeds/s of 30 virtual seconds", |(_, raft)| raft.rate_of(SEEDS));
    text
}
