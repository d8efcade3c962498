//! The twin of a scenario that breaks something: with what is to blame taken away, the same seeds break nothing.

use std::sync::Arc;

use splitbrain_kernel::rng::Ppm;

use crate::campaign::conduct::{run, unsupported};
use crate::campaign::event::Silent;
use crate::campaign::judgement::{Judge, Reason, ReasonKind, ScenarioResult, decide};
use crate::campaign::unnoticed::is_about_effects;
use crate::campaign::{CampaignOptions, Pool, Subject};
use crate::engine::{Engine, OpenError};
use crate::scenario::Scenario;

/// What the twin came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Twin {
    /// Its runs: over the seeds that the campaign took.
    pub runs: u64,
    /// Those that did not pass.
    pub failed: u64,
}

/// Runs the twin of a scenario, if it states one, over the seeds that its campaign took, and holds the result to it.
/// A campaign that found nothing or is not as expected needs no twin.
pub fn hold_to_twin(
    subject: &Subject<'_>,
    result: &mut ScenarioResult,
    options: &CampaignOptions,
    open: impl FnOnce(Arc<Scenario>) -> Result<Arc<dyn Engine>, OpenError>,
) {
    let scenario = subject.scenario;
    let is_shown = result.found.is_some() && result.all_reasons().all(|reason| reason.kind == ReasonKind::NotJudged);
    let (Some(violates), Some(mut twin)) = (&scenario.expect.violates, scenario.twin().filter(|_| is_shown)) else {
        return;
    };
    let options = CampaignOptions {
        seeds: Some(result.seeds_run()),
        check_determinism: Ppm::new(0),
        // It gets as many seeds, however long they take.
        pool: Pool { until: None, ..options.pool.clone() },
        ..options.clone()
    };
    // It is asked for no more than these.
    twin.run.seeds = result.runs;
    let twin = Arc::new(twin);
    let result_of_twin = match open(Arc::clone(&twin)) {
        Ok(engine) => run(&Subject { scenario: &twin, ..subject.clone() }, &engine, &options, &mut Silent),
        Err(refused) => Judge::new(&twin, &options).refuse(&unsupported(refused)),
    };
    result.twin = Some(Twin { runs: result_of_twin.runs, failed: result_of_twin.failed });
    let of_twin = |who: String, reason: &Reason| Reason {
        kind: reason.kind,
        line: Some(violates.line),
        message: format!("{who}: {}", reason.message),
    };
    for failure in &result_of_twin.failures {
        let who = format!("the twin, seed {}", failure.run.seed);
        result.reasons.extend(failure.reasons.iter().map(|reason| of_twin(who.clone(), reason)));
    }
    // What has an effect only by what is to blame has none here: a wall clock that nothing else reads.
    let reasons = result_of_twin.reasons.iter().filter(|reason| !is_about_effects(reason));
    result.reasons.extend(reasons.map(|reason| of_twin("the twin".to_owned(), reason)));
    result.judgement = decide(result);
}
