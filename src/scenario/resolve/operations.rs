//! The workloads of the clients. Each client has a stream of its own: adding a client moves no draw of another, and a
//! change of rate moves times but not contents.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::options::{OptionsError, Value};
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::system::System;
use splitbrain_kernel::time::Instant;
use splitbrain_kernel::workload::{Cue, Load, WorkloadCall};

use crate::scenario::{Diagnostics, Scenario, WorkloadChoice};

/// What the clients of a run are asked for.
///
/// # Errors
/// Settings that have no effect or contradict one another, at their place in the file.
pub(super) fn load<S: System>(
    scenario: &Scenario,
    system: &S,
    seed: Seed,
) -> Result<Option<Load<S::Workload>>, Diagnostics> {
    let Some(choice) = &scenario.workload else { return Ok(None) };
    let settings: Vec<(String, Value)> =
        choice.settings.iter().map(|one| (one.name.clone(), one.value.clone())).collect();
    let of_client = |client: NodeId| {
        let call = WorkloadCall {
            name: &choice.kind,
            rate: choice.rate,
            settings: &settings,
            client_count: scenario.cluster.client_count(),
            stream: seed.stream("workload", client.key()),
        };
        Ok((client, system.workload(&call)?))
    };
    let clients: Result<_, OptionsError> = scenario.cluster.clients().map(of_client).collect();
    let end = Instant::ZERO.saturating_add(scenario.run.duration);
    let until = choice.until.clone().unwrap_or(Cue::At(end));
    match clients {
        Ok(clients) => Ok(Some(Load { clients, from: choice.from.clone(), until })),
        Err(error) => Err(blame(scenario, choice, &error)),
    }
}

/// At the place in the file that sets the option to blame.
fn blame(scenario: &Scenario, choice: &WorkloadChoice, error: &OptionsError) -> Diagnostics {
    let text = &scenario.source.text;
    let setting = choice.settings.iter().find(|one| one.name == error.option);
    let span = setting.map(|one| one.span.clone()).unwrap_or_else(|| {
        let table = text.find("workload").unwrap_or(0);
        let key = text[table..].find(&error.option).map_or(table, |at| table + at);
        key..key + error.option.len()
    });
    Diagnostics::one(&scenario.source, span, &format!("workload.{}", error.option), &error.message)
}
