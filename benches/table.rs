//! The figures of `reports/gallery/performance.md`: the same work, side by side, in one run.
//!
//! Each row is the best of several rounds, and the rounds of all rows are interleaved, so that a busy machine weighs on
//! all alike. `cargo bench --bench table` prints the table, `cargo bench --bench table -- --write` keeps it.

#[path = "common/bare.rs"]
mod bare;
#[path = "common/election.rs"]
mod election;
#[path = "common/ping_pong.rs"]
mod ping_pong;

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use splitbrain_kernel::rng::Seed;

const KEPT: &str = "reports/gallery/performance.md";
const ROUNDS: usize = 9;
const PING_PONG_SECONDS: u64 = 200;
const SEEDS: u64 = 60;

/// The best time of a row, and how much work it stands for.
#[derive(Clone, Copy)]
struct Best {
    nanos: u128,
    work: u64,
}

impl Best {
    const NONE: Self = Self { nanos: u128::MAX, work: 0 };

    fn take(&mut self, work: impl FnOnce() -> u64) {
        let start = Instant::now();
        let work = std::hint::black_box(work());
        let nanos = start.elapsed().as_nanos();
        if nanos < self.nanos {
            *self = Self { nanos, work };
        }
    }

    /// Tenths of a nanosecond for each piece of work.
    fn tenths(self) -> u128 {
        self.nanos * 10 / u128::from(self.work)
    }

    /// Pieces of work a second.
    fn rate(self) -> u128 {
        u128::from(self.work) * 1_000_000_000 / self.nanos
    }
}

/// Messages delivered in the ping-pong: all events but the starts and the timers.
fn kernel_messages() -> u64 {
    let report = ping_pong::kernel(PING_PONG_SECONDS, Seed(7));
    report.events - 5 - 5 * PING_PONG_SECONDS * 100
}

/// Runs the election scenario over its seeds with so many threads. Returns the events of all runs.
fn campaign(election: &election::Election, jobs: usize) -> u64 {
    let (next, events) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= SEEDS {
                        return;
                    }
                    events.fetch_add(election.run(Seed(seed)).events, Ordering::Relaxed);
                }
            });
        }
    });
    events.into_inner()
}

fn main() {
    let election = election::Election::load();
    let [mut bare, mut kernel, mut one, mut two] = [Best::NONE; 4];
    for round in 0..ROUNDS {
        eprintln!("round {} of {ROUNDS}", round + 1);
        bare.take(|| bare::bare(PING_PONG_SECONDS, 7).0);
        kernel.take(kernel_messages);
        one.take(|| campaign(&election, 1));
        two.take(|| campaign(&election, 2));
    }
    let table = table(bare, kernel, one, two);
    println!("{table}");
    if std::env::args().any(|argument| argument == "--write") {
        std::fs::create_dir_all("reports/gallery").expect("the gallery can be made");
        // What `just madsim-table` has written stays.
        let kept = std::fs::read_to_string(KEPT).unwrap_or_default();
        let after = kept.find("\n## On madsim").map_or("", |from| &kept[from..]);
        std::fs::write(KEPT, format!("{table}{after}")).expect("the gallery can be written");
    }
}

fn table(bare: Best, kernel: Best, one: Best, two: Best) -> String {
    let hundredths = |a: u128, b: u128| format!("{}.{:02}", a / b, a % b * 100 / b);
    let tenths = |best: Best| format!("{}.{}", best.tenths() / 10, best.tenths() % 10);
    let million = |best: Best| format!("{}.{:02}", best.rate() / 1_000_000, best.rate() % 1_000_000 / 10_000);
    let mut text = String::from("# Performance\n\n");
    text +=
        "Made by `cargo bench --bench table -- --write` (`just bench-table`): the best of nine interleaved rounds.\n";
    text += "Tests never assert a time; these figures are of the machine that last ran the command.\n\n";
    text += "| figure | measured | to reach |\n| --- | --- | --- |\n";
    let _ = writeln!(text, "| ping-pong, bare loop | {} ns a message | |", tenths(bare));
    let _ = writeln!(text, "| ping-pong, kernel, digest on | {} ns a message | |", tenths(kernel));
    let _ =
        writeln!(text, "| kernel against bare | {} times | at most 1.5 |", hundredths(kernel.tenths(), bare.tenths()));
    let _ =
        writeln!(text, "| raft election, every invariant, one core | {} million events/s | at least 5 |", million(one));
    let _ = writeln!(
        text,
        "| raft election, one core | {} seeds/s of 30 virtual seconds | |",
        u128::from(SEEDS) * 1_000_000_000 / one.nanos
    );
    let _ = writeln!(text, "| two jobs against one | {} times | at least 1.9 |", hundredths(one.nanos, two.nanos));
    text += "\nThe ping-pong: five nodes, each pings the other four every 10 ms, each ping is answered; ";
    text += "latency 1 to 10 ms, loss 1 %.\n";
    text += "The raft election run is `benches/raft_election.toml`.\n";
    text
}
