//! The tables of `reports/gallery/adapters.md` and `reports/gallery/raft-rs.md`.
//!
//! `cargo run --release --example tables -- swarms` and `-- partition` print a short form; `--seeds N` asks for N seeds
//! a row, `--twice N` for a second execution of the first N alone, `--only foca` for the rows of one library beside
//! those of others that the page has, `--write` keeps the table. What is counted is a function of the build and N; what
//! is timed is not. `partition` fails if two judgements differ or a run breaks an invariant.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "tables are made outside of runs"
)]

mod clock;
mod partition;
mod rows;
mod swarms;

use std::process::ExitCode;
use std::sync::Arc;

use splitbrain::engine::{AnySystem, Simulated};
use splitbrain::scenario::{self, Picks, Scenario};
use splitbrain_adapters::omni::Omni;
use splitbrain_adapters::raft_rs::RaftRs;
use splitbrain_adapters::swim::Swim;
use splitbrain_systems::raft::Raft;

/// The repository, from the folder of this workspace.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let is_given = |word: &str| arguments.iter().any(|argument| argument == word);
    let (name, table, is_sound) = match arguments.get(1).map(String::as_str) {
        Some("swarms") => {
            let only = arguments.iter().position(|argument| argument == "--only");
            let only = only.and_then(|at| arguments.get(at + 1)).map(String::as_str);
            let table = swarms::table(seeds(&arguments, 20), number(&arguments, "--twice", u64::MAX), only);
            ("adapters.md", table, true)
        }
        Some("partition") => {
            let (table, is_sound) = partition::table(seeds(&arguments, 2));
            ("raft-rs.md", table, is_sound)
        }
        _ => panic!("usage: tables swarms|partition [--seeds N] [--twice N] [--only LIBRARY] [--write]"),
    };
    print!("{table}");
    if is_given("--write") {
        let path = format!("{ROOT}/reports/gallery/{name}");
        std::fs::write(&path, &table).unwrap_or_else(|error| panic!("{path} cannot be written: {error}"));
    }
    if is_sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn seeds(arguments: &[String], default: u64) -> u64 {
    number(arguments, "--seeds", default)
}

/// The number after a flag of the command line; underscores may group its digits.
fn number(arguments: &[String], flag: &str, default: u64) -> u64 {
    let at = arguments.iter().position(|argument| argument == flag);
    let number = at.and_then(|at| arguments.get(at + 1)).map(|number| number.replace('_', ""));
    number.map_or(default, |number| number.parse().unwrap_or_else(|_| panic!("{flag} takes a number")))
}

/// A scenario with its system, ready to run.
struct Loaded {
    system: Box<dyn AnySystem>,
    scenario: Arc<Scenario>,
}

impl Loaded {
    /// # Panics
    /// If the text is no scenario of one of the systems, or leaves open which of several it is.
    fn new(text: &str, picks: &Picks) -> Self {
        let systems: [Box<dyn AnySystem>; 4] = [
            Box::new(Simulated::<RaftRs>::new()),
            Box::new(Simulated::<Omni>::new()),
            Box::new(Simulated::<Swim>::new()),
            Box::new(Simulated::<Raft>::new()),
        ];
        let described: Vec<_> = systems.iter().map(|system| system.description()).collect();
        let scenarios = scenario::load_all("table.toml", text.as_bytes(), picks, &described);
        let mut scenarios = scenarios.unwrap_or_else(|wrong| panic!("{wrong}\n{text}"));
        assert_eq!(scenarios.len(), 1, "one is picked of several variants:\n{text}");
        let scenario = scenarios.remove(0);
        let name = scenario.system.clone();
        let system = systems.into_iter().find(|system| system.description().name == name);
        Self { system: system.expect("a scenario names a system that is there"), scenario: Arc::new(scenario) }
    }
}
