//! What a failing run is told with: it is run once more with everything recorded, into a folder.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::run::Outcome;

use crate::campaign::pool::Pool;
use crate::campaign::{Failure, Reason};
use crate::engine::{Engine, Run};
use crate::report::artifact::Artifact;
use crate::report::{Evidence, Subject, Tail, artifact};

/// Runs a failing seed again, with everything recorded into a folder below `reports`.
///
/// # Errors
/// A folder that cannot be written.
pub fn gather<'a>(
    subject: &Subject<'_>,
    engine: &Arc<dyn Engine>,
    pool: &Pool,
    failure: &'a Failure,
    reports: &Path,
) -> io::Result<Evidence<'a>> {
    let folder = artifact::folder(reports, &subject.name, failure.run.seed);
    let target = Artifact::create(&folder, subject.scenario, failure.run.seed)?;
    let partial = target.partial().to_owned();
    let recorded = pool.record(engine, failure.run.seed.into(), (target, Tail::default()));
    // A run that ended once and now does not is the machine's doing; the failure stands without its recording.
    let Ok((run, (target, tail))) = recorded else {
        artifact::discard(&partial);
        return Ok(Evidence { failure, artifact: None, tail: Vec::new() });
    };
    let artifact = save(target, subject, engine, &merged(run, failure), &failure.reasons)?;
    Ok(Evidence { failure, artifact: Some(artifact), tail: tail.lines(culprit(&failure.run.outcome)) })
}

/// Finishes the folder of a run.
///
/// # Errors
/// A folder that cannot be written.
pub fn save(
    artifact: Artifact,
    subject: &Subject<'_>,
    engine: &Arc<dyn Engine>,
    run: &Run,
    reasons: &[Reason],
) -> io::Result<PathBuf> {
    // A seed that cannot be resolved has no options; its scenario says why.
    let settings = engine.settings(run.seed).unwrap_or_default();
    artifact.finish((subject.scenario, engine.name()), &settings, run, reasons)
}

/// The recorded run; where the first one diverged, that is what it came to.
fn merged(recorded: Run, failure: &Failure) -> Run {
    match &failure.run.outcome {
        outcome @ Outcome::Diverged(_) => Run { outcome: outcome.clone(), ..recorded },
        _ => recorded,
    }
}

/// The node that a failing run is about.
pub(crate) fn culprit(outcome: &Outcome) -> Option<NodeId> {
    match outcome {
        Outcome::Panicked(panic) => panic.node,
        other => other.violation().and_then(|violation| violation.node),
    }
}
