//! Writers over one model of a result: for people, for programs, for CI.
//!
//! A report reads results and recordings; it runs nothing and decides nothing. Wall times appear in none of them.

pub mod artifact;
mod github;
mod human;
mod json;
mod junit;
mod progress;
pub(crate) mod style;
mod timeline;

use std::io;
use std::path::PathBuf;

use crate::campaign::{Failure, Judgement, Reason, ScenarioResult};
use crate::engine::Run;
use crate::exit_code::ExitCode;
use crate::scenario::{Diagnostics, Scenario, SystemDescription};
use crate::wording::printable;

pub use github::Github;
pub(crate) use human::quoted;
pub use human::{Evaluations, Human, failure_block};
pub use json::{FORMAT as JSON_FORMAT, Json};
pub use junit::Junit;
pub use progress::{Progress, ProgressKind};
pub use timeline::{Detail, Tail, Timeline};

/// What a report is about: a scenario, with the words that it is told in.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// Its name in reports: `raft/overlap`.
    pub name: String,
    /// The words of its system.
    pub description: &'a SystemDescription,
    /// The program to copy into a command line.
    pub program: &'a str,
}

impl<'a> Subject<'a> {
    /// The scenario under its own name.
    pub fn new(scenario: &'a Scenario, description: &'a SystemDescription, program: &'a str) -> Self {
        Self { scenario, name: artifact::name_of(&scenario.source.path), description, program }
    }

    /// The scenario under a name that tells it from the others of a call.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self }
    }

    /// `scenarios/raft/overlap.toml:12`, or without a line where there is none.
    pub fn place(&self, line: Option<u32>) -> String {
        let path = printable(&self.scenario.source.path);
        line.map_or_else(|| path.clone(), |line| format!("{path}:{line}"))
    }
}

/// What is known of a failing run beyond its result.
#[derive(Clone, Debug)]
pub struct Evidence<'a> {
    /// The run, and why it fails.
    pub failure: &'a Failure,
    /// The folder that `replay` takes; nothing where none was written.
    pub artifact: Option<PathBuf>,
    /// The last lines of the trace, in order.
    pub tail: Vec<String>,
}

/// What a whole call came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Scenarios as expected.
    pub passed: u64,
    /// Scenarios that are not, or inconclusive.
    pub failed: u64,
    /// Those of the failed that are inconclusive.
    pub inconclusive: u64,
    /// Scenarios that were not run, because the call ended before.
    pub skipped: u64,
    /// Runs.
    pub runs: u64,
    /// Events over all runs.
    pub events: u64,
    /// How the call ends.
    pub exit_code: ExitCode,
}

impl Summary {
    /// Nothing yet, of so many scenarios.
    pub const fn of(scenarios: u64) -> Self {
        Self {
            passed: 0,
            failed: 0,
            inconclusive: 0,
            skipped: scenarios,
            runs: 0,
            events: 0,
            exit_code: ExitCode::AsExpected,
        }
    }

    /// One more scenario is done.
    pub fn add(&mut self, result: &ScenarioResult) {
        self.skipped = self.skipped.saturating_sub(1);
        self.runs += result.runs;
        self.events += result.events;
        match result.judgement {
            Judgement::AsExpected => self.passed += 1,
            Judgement::NotAsExpected => self.failed += 1,
            Judgement::Inconclusive | Judgement::NotSupported => {
                self.failed += 1;
                self.inconclusive += 1;
            }
        }
        self.exit_code = self.exit_code.and(result.exit_code());
    }
}

/// Hears of the scenarios of a call, in order, and writes.
pub trait Reporter {
    /// So many scenarios are about to run.
    ///
    /// # Errors
    /// As all of its functions: output that cannot be written.
    fn begin(&mut self, scenarios: u64) -> io::Result<()> {
        let _ = scenarios;
        Ok(())
    }

    /// The next run of a scenario, in the order of the seeds.
    ///
    /// # Errors
    /// Output that cannot be written.
    fn run(&mut self, subject: &Subject<'_>, run: &Run, reasons: &[Reason]) -> io::Result<()> {
        let _ = (subject, run, reasons);
        Ok(())
    }

    /// A scenario is judged.
    ///
    /// # Errors
    /// Output that cannot be written.
    fn scenario(&mut self, subject: &Subject<'_>, result: &ScenarioResult, evidence: &[Evidence<'_>])
    -> io::Result<()>;

    /// These files are wrong, so nothing runs and nothing else is told. People read of it on stderr.
    ///
    /// # Errors
    /// Output that cannot be written.
    fn invalid(&mut self, invalid: &[Diagnostics], summary: &Summary) -> io::Result<()> {
        let _ = (invalid, summary);
        Ok(())
    }

    /// All is done.
    ///
    /// # Errors
    /// Output that cannot be written.
    fn end(&mut self, summary: &Summary) -> io::Result<()>;
}
