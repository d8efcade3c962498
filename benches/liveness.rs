//! The liveness table of `reports/gallery/liveness.md`: how long a cluster that can elect a leader is without one, by
//! preset, number of servers, election timeouts and latency. The bounds of the raft invariants stand on it.
//!
//! A heal is a moment from which a quorum could elect a leader and nobody leads, as `leader_within_bound` has it; it is
//! over when somebody does. A run has many: leaders and minorities crash, are cut off and come back, and the next fault
//! waits until somebody has led for a while, so that long waits are seen to their end.
//!
//! `cargo bench --bench liveness` prints a short form; `-- --heals N` asks for N heals a cell, `--write` keeps the
//! table. Times are virtual: the table is a function of the build and N, and no machine makes it another.

use std::fmt::Write as _;

use splitbrain::scenario::{self, Scenario, SystemDescription};
use splitbrain_kernel::invariant::InvariantSet;
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::Outcome;
use splitbrain_kernel::system::System as _;
use splitbrain_kernel::time::Duration;
use splitbrain_kernel::view::View as _;
use splitbrain_kernel::world::World;
use splitbrain_systems::raft::Raft;
use splitbrain_systems::raft::options::RaftOptions;
use splitbrain_systems::raft::presets::PRESETS;

/// Heals a cell where nobody asks for another number.
const HEALS: u64 = 200;

/// The length of a run, in greatest timeouts.
const LENGTH: u64 = 2_000;

/// Looks for a leader after so many events.
const LOOK: u64 = 16;

const SERVERS: [u16; 3] = [3, 5, 7];

/// The greatest election timeout, in percent of the least.
const SPREADS: [u64; 2] = [200, 120];

/// What a packet takes, in percent of the least election timeout.
const LATENCIES: [(u64, u64); 2] = [(1, 4), (4, 12)];

/// One cell: a cluster and its conditions.
struct Cell {
    preset: &'static str,
    servers: u16,
    timeout: (Duration, Duration),
    latency: (Duration, Duration),
}

/// What was seen in a cell.
struct Seen {
    /// Events of all runs.
    events: u64,
    /// How long each wait was, in order of length.
    waits: Vec<Duration>,
    /// The longest in milliseconds, one that a run ends in included.
    longest: u64,
}

impl Cell {
    fn new(preset: &'static str, options: &RaftOptions, servers: u16, spread: u64, latency: (u64, u64)) -> Self {
        let least = options.timing.election_timeout_min;
        let percent = |part: u64| least.saturating_mul(part).div(100);
        let latency = (percent(latency.0), percent(latency.1));
        Self { preset, servers, timeout: (least, percent(spread)), latency }
    }

    /// All cells, in the order of the table.
    fn all() -> Vec<Self> {
        let mut cells = Vec::new();
        for preset in PRESETS {
            let options = (preset.make)();
            for servers in SERVERS {
                for spread in SPREADS {
                    let of = |latency| Self::new(preset.name, &options, servers, spread, latency);
                    cells.extend(LATENCIES.map(of));
                }
            }
        }
        cells
    }

    /// Leaders and minorities that crash, are cut off and come back; nobody is disturbed while nobody has led for long.
    fn scenario(&self) -> Scenario {
        let Self { preset, servers, timeout: (min, max), latency: (fast, slow) } = self;
        let of_timeout = |times: u64, parts: u64| max.saturating_mul(times).div(parts);
        let (short, long, delay) = (of_timeout(1, 4), of_timeout(3, 1), of_timeout(2, 1));
        let fault = |lasting: Duration, action: &str, until: Duration| {
            format!(
                "[[fault]]\nwhen = \"leader for {lasting}\"\ntimes = 1000000\nafter = \"0s..{delay}\"\n\
                 {action}\nfor = \"{short}..{until}\"\n"
            )
        };
        let half = of_timeout(1, 2);
        let faults = [
            fault(half, "crash = \"leader\"", long),
            fault(*max, "isolate = \"leader\"", long),
            fault(*max, "partition = [[\"minority with leader\"], [\"majority without leader\"]]", long),
            fault(delay, "isolate = \"every server\"", long),
            fault(delay, "machine_crash = \"every server\"", *max),
            // So that for a while just a quorum is left, whose votes must all go to one.
            fault(half, "crash = \"minority\"", of_timeout(12, 1)),
            fault(half, "cut = \"any follower <-> any follower\"", long),
            format!(
                "[[fault]]\nevery = \"{delay}..{}\"\ncrash = \"leader\"\nfor = \"{short}..{long}\"\n",
                of_timeout(12, 1)
            ),
        ];
        let text = format!(
            "# Heals.\nformat = 1\nsystem = \"raft\"\n[cluster]\nservers = {servers}\nclients = 1\n\
             [raft]\npreset = \"{preset}\"\nvotes.counting = \"set\"\n\
             timing.election_timeout_min = \"{min}\"\ntiming.election_timeout_max = \"{max}\"\n\
             timing.round_timeout_min = \"{min}\"\ntiming.round_timeout_max = \"{max}\"\n\
             [network]\nlatency = \"{fast}..{slow}\"\nloss = \"0.5%\"\nduplication = \"2%\"\n\
             connection_timeout = \"{connection}\"\n\
             [workload]\nkind = \"propose\"\nrate = \"{proposals}/h\"\n{faults}\
             [run]\nduration = \"{duration}\"\n",
            connection = of_timeout(2, 1),
            // About one in each timeout, so that logs differ.
            proposals = 3_600_000 / max.as_millis(),
            faults = faults.concat(),
            duration = of_timeout(LENGTH, 1),
        );
        let systems = [SystemDescription::of::<Raft>()];
        scenario::load("liveness", text.as_bytes(), &systems).unwrap_or_else(|wrong| panic!("{wrong}\n{text}"))
    }

    fn measure(&self, heals: u64) -> Seen {
        let scenario = self.scenario();
        let mut seen = Seen { events: 0, waits: Vec::new(), longest: 0 };
        for seed in (0..).map(Seed) {
            if seen.waits.len() as u64 >= heals {
                break;
            }
            seen.run(&scenario, seed);
        }
        seen.waits.sort_unstable();
        seen
    }
}

impl Seen {
    /// One run, with many heals.
    fn run(&mut self, scenario: &Scenario, seed: Seed) {
        let mut resolved = scenario::resolve::<Raft>(scenario, seed).expect("options that stand together");
        // It is measured, not judged: the bounds are what comes of it.
        resolved.options.invariants = InvariantSet::NONE;
        let mut world = World::new(&resolved.system, &resolved.options, seed);
        let mut known = 0;
        let report = loop {
            let ended = world.run_until(world.view().events() + LOOK);
            let (count, last) = world.invariants().leader_waits();
            if count > known {
                known = count;
                self.waits.push(last);
            }
            if let Some(report) = ended {
                break report;
            }
        };
        assert_eq!(report.outcome, Outcome::Passed, "{seed}");
        self.events += report.events;
        let gauge = Raft::GAUGES.iter().position(|gauge| gauge.name == "leader_wait_max_ms");
        self.longest = self.longest.max(report.gauges[gauge.expect("raft has this gauge")]);
    }
}

impl Seen {
    /// So many of a million waits are at most this long.
    fn quantile(&self, parts: usize) -> Duration {
        let last = self.waits.len() - 1;
        self.waits[last * parts / 1_000_000]
    }
}

fn row(cell: &Cell, seen: &Seen) -> String {
    let Cell { preset, servers, timeout: (min, max), latency: (fast, slow) } = cell;
    let quantiles = [500_000, 990_000, 999_900].map(|parts| seen.quantile(parts).as_millis().to_string());
    let longest = seen.longest;
    let tenths = longest * 10 / max.as_millis();
    format!(
        "| {preset} | {servers} | {min}..{max} | {fast}..{slow} | {} | {} | {longest} | {}.{} |",
        seen.waits.len(),
        quantiles.join(" | "),
        tenths / 10,
        tenths % 10,
    )
}

fn heals_asked(arguments: &[String]) -> u64 {
    let at = arguments.iter().position(|argument| argument == "--heals");
    let number = at.and_then(|at| arguments.get(at + 1)).map(|number| number.replace('_', ""));
    number.map_or(HEALS, |number| number.parse().expect("--heals takes a number"))
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let heals = heals_asked(&arguments);
    let mut table = format!(
        "# Liveness\n\n\
         How long a cluster that can elect a leader is without one, in milliseconds of virtual time: half of the \
         waits, 99 % and 99.99 % of them take at most so long.\n\
         Made by `cargo bench --bench liveness -- --heals {heals} --write` (`just liveness-table {heals}`): at least \
         so many heals a cell, of the clean system under crashes and partitions that heal.\n\
         `sim/systems/src/raft/invariants/bounds.rs` takes three times the longest for a bound.\n\n"
    );
    table += "| preset | servers | election timeout | latency | heals | half | 99 % | 99.99 % | longest | \
              in greatest timeouts |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";
    let (mut waits, mut events) = (0, 0);
    for cell in Cell::all() {
        let seen = cell.measure(heals);
        let row = row(&cell, &seen);
        eprintln!("{row}");
        let _ = writeln!(table, "{row}");
        waits += seen.waits.len();
        events += seen.events;
    }
    let _ = writeln!(table, "\nIn all {waits} heals, {events} events.");
    print!("{table}");
    if arguments.iter().any(|argument| argument == "--write") {
        std::fs::create_dir_all("reports/gallery").expect("the gallery can be made");
        std::fs::write("reports/gallery/liveness.md", table).expect("the gallery can be written");
    }
}
