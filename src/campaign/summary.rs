//! What a whole call came to, counted from its events.

use crate::campaign::event::{Event, Listener, Reply};
use crate::campaign::judgement::{Judgement, ScenarioResult};
use crate::exit_code::ExitCode;

/// What a whole call came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Scenarios as expected.
    pub passed: u64,
    /// Scenarios that are not.
    pub failed: u64,
    /// Scenarios that could not be decided: what had to happen never did, the call was interrupted, or the engine
    /// cannot carry them out.
    pub inconclusive: u64,
    /// Scenarios of which nothing was judged, as the user chose fewer seeds than they ask for.
    pub not_judged: u64,
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
    /// Scenarios that were run, or tried.
    pub const fn scenarios(&self) -> u64 {
        self.passed + self.failed + self.inconclusive + self.not_judged
    }

    /// The summary of a call before its first scenario.
    pub const fn of(scenarios: u64) -> Self {
        Self {
            passed: 0,
            failed: 0,
            inconclusive: 0,
            not_judged: 0,
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
            Judgement::Inconclusive | Judgement::NotSupported => self.inconclusive += 1,
            Judgement::NotJudged => self.not_judged += 1,
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
