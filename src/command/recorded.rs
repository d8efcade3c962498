//! What a replay is compared with: the run that was recorded, and the plan that is followed.

use serde_json::{Value, json};
use splitbrain_kernel::rng::Seed;

use crate::build;
use crate::command::note;
use crate::engine::{AnyPlan, NeverDue, Run};
use crate::exit_code::ExitCode;
use crate::report::artifact::Kept;
use crate::text::{grouped, printable};

/// Entries of a plan that are told of, before the rest is counted.
const SHOWN_MAX: usize = 10;

/// What is known of the recording that a replay is compared with.
pub(super) struct Recorded {
    /// The recording, where the replay is of its seed.
    pub(super) kept: Option<Kept>,
    /// The recording is of this other seed.
    pub(super) other_seed: Option<Seed>,
    /// The plan, and what errors call its file.
    pub(super) plan: Option<(String, AnyPlan)>,
    /// Whether it has to be the same run: scenario, plan and timing are those of the recording.
    pub(super) is_exact: bool,
}

/// What came of the comparison.
pub(super) struct Replayed<'a> {
    kept: Option<&'a Kept>,
    run: &'a Run,
    never_due: Vec<NeverDue>,
    pub(super) code: ExitCode,
}

impl Recorded {
    /// Compares a run with what was recorded.
    pub(super) fn compare<'a>(&'a self, run: &'a Run) -> Replayed<'a> {
        let kept = self.kept.as_ref();
        let differs = kept.is_some_and(|kept| kept.digest != run.digest.to_string() && kept.build == build::ID);
        let code = if differs && self.is_exact { ExitCode::Diverged } else { ExitCode::AsExpected };
        let plans = self.plan.as_ref().zip(run.plan.as_ref());
        let never_due = plans.map_or_else(Vec::new, |((_, given), done)| given.never_due(done));
        Replayed { kept, run, never_due, code }
    }

    /// Says on stderr what came of it.
    pub(super) fn print(&self, replayed: &Replayed<'_>) {
        if let Some(seed) = self.other_seed {
            note(&format!("replayed: not compared, as the recording is of seed {seed}"));
        }
        replayed.print(self.plan.as_ref().map_or("", |(path, _)| path));
    }
}

impl Replayed<'_> {
    fn is_same(&self) -> Option<bool> {
        self.kept.map(|kept| kept.digest == self.run.digest.to_string())
    }

    /// How the recorded run ended, where this one ended otherwise.
    pub(super) fn other_outcome(&self) -> Option<&str> {
        self.kept.map(|kept| kept.outcome.as_str()).filter(|outcome| *outcome != self.run.outcome.name())
    }

    /// Whether the recorded run was not as expected.
    pub(super) fn failed_before(&self) -> bool {
        self.kept.is_some_and(|kept| kept.as_expected == Some(false))
    }

    /// For programs.
    pub(super) fn fields(&self) -> Value {
        let recorded = self.kept.map(|kept| {
            json!({
                "build": kept.build, "digest": kept.digest, "outcome": kept.outcome, "events": kept.events,
                "as_expected": kept.as_expected,
            })
        });
        let never_due = self.never_due.iter().map(|one| json!({ "line": one.line, "message": one.message }));
        json!({ "same": self.is_same(), "recorded": recorded, "never_due": never_due.collect::<Vec<_>>() })
    }

    fn print(&self, plan: &str) {
        for one in self.never_due.iter().take(SHOWN_MAX) {
            note(&format!("warning: {plan}:{}: {}", one.line.unwrap_or(1), printable(&one.message)));
        }
        let more = self.never_due.len().saturating_sub(SHOWN_MAX);
        if more > 0 {
            note(&format!("warning: {plan}: and {} that the run never came to", entries(more)));
        }
        match (self.kept, self.is_same()) {
            (Some(_), Some(true)) => note("replayed: the same run, digest for digest"),
            (Some(kept), _) => {
                note(&format!("replayed: another run: digest {}, recorded {}", self.run.digest, kept.digest));
                note(&format!("  outcome {}, recorded {}", self.run.outcome.name(), kept.outcome));
                note(&format!("  events {}, recorded {}", self.run.events, kept.events));
            }
            (None, _) => {}
        }
    }
}

fn entries(count: usize) -> String {
    if count == 1 { "1 entry".to_owned() } else { format!("{} entries", grouped(count as u64)) }
}
