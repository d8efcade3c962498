//! Other values for keys of scenarios, and which of their seeds are run: `--set` and `--where`.

use splitbrain_kernel::rng::Seed;

use crate::command::{CommandError, Loaded};
use crate::engine::Engine;
use crate::scenario::{Assignment, Filter};

/// Keys of scenarios with other values.
#[derive(Debug, Default, clap::Args)]
pub(super) struct SetArguments {
    /// Another value for a key of the scenario, by its path in the file, such as raft.pre_vote.enabled=false or
    /// cluster.servers=5; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) set: Vec<Assignment>,
}

/// Which seeds are run.
#[derive(Debug, Default, clap::Args)]
pub(super) struct WhereArguments {
    /// Only seeds whose resolved options are these, such as "pre_vote.enabled and preset = nuraft"; may be repeated
    #[arg(long = "where", value_name = "CONDITION")]
    conditions: Vec<String>,
}

impl WhereArguments {
    /// The condition in the words of the system of a scenario; `None` if every seed is meant.
    pub(super) fn filter(&self, loaded: &Loaded<'_>) -> Result<Option<Filter>, CommandError> {
        if self.conditions.is_empty() {
            return Ok(None);
        }
        let read = Filter::read(&self.conditions.join(" and "), loaded.description, &loaded.scenario.draws);
        read.map(Some).map_err(|error| CommandError::usage(format!("--where: {error}, in {}", loaded.name)))
    }

    /// Refuses a run whose options are others.
    pub(super) fn check(&self, loaded: &Loaded<'_>, engine: &dyn Engine, seed: Seed) -> Result<(), CommandError> {
        let Some(filter) = self.filter(loaded)? else { return Ok(()) };
        let settings = engine.settings(seed).map_err(CommandError::invalid)?;
        if filter.matches(&settings.facts) {
            return Ok(());
        }
        Err(CommandError::not_judged(format!("seed {seed} has other options: nothing was run")))
    }
}
