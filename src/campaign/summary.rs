//! What a whole call came to, counted from its events.

use crate::campaign::event::{Event, Listener, Reply};
use crate::campaign::judgement::{Judgement, ScenarioResult};
use crate::exit_code::ExitCode;

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
    /// The summary of a call before its first scenario.
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

    fn add(&mut self, result: &ScenarioResult) {
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

impl Listener for Summary {
    fn hear(&mut self, event: &Event<'_>, _: &mut Vec<Reply>) {
        match event {
            Event::ScenarioJudged { result, .. } => self.add(result),
            Event::ArtifactKept { evidence, .. } if evidence.artifact.is_err() => {
                self.exit_code = self.exit_code.and(ExitCode::Output);
            }
            _ => {}
        }
    }
}
