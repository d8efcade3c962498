//! splitbrain's own log lines about a campaign: one for each of its events that is worth one.

use crate::campaign::Event;
use crate::text::printable;

/// Says an event through `tracing`. Without a subscriber it costs a comparison.
pub(super) fn log(event: &Event<'_>) {
    match event {
        Event::ScenarioStarted { subject, engine, seeds } => {
            tracing::info!(scenario = subject.name, engine = engine.name(), %seeds, "scenario starts");
        }
        Event::RunFinished { subject, run, twice, .. } => {
            let (seed, outcome, digest) = (run.seed, run.outcome.name(), run.digest);
            tracing::debug!(scenario = subject.name, %seed, outcome, events = run.events, %digest, twice, "run ends");
        }
        Event::FailureFound { subject, failure } => {
            tracing::info!(scenario = subject.name, seed = %failure.run.seed, "failure, recorded by another run");
        }
        Event::ArtifactKept { subject, evidence } => match &evidence.artifact {
            Ok(folder) => {
                let folder = printable(&folder.display().to_string());
                tracing::info!(scenario = subject.name, folder = %folder, "recording kept");
            }
            Err(error) => {
                tracing::warn!(scenario = subject.name, error = %printable(error), "recording not kept");
            }
        },
        Event::Interrupted { subject, runs } => tracing::info!(scenario = subject.name, runs, "interrupted"),
        Event::ScenarioJudged { subject, result } => {
            let judgement = result.judgement;
            tracing::info!(scenario = subject.name, runs = result.runs, ?judgement, "scenario judged");
        }
        Event::ScenarioSkipped { subject } => tracing::info!(scenario = subject.name, "scenario skipped"),
        Event::CampaignStarted { .. } | Event::Progress { .. } | Event::CampaignFinished { .. } => {}
    }
}
