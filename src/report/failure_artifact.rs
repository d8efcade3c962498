//! What is kept of a failing run: it is run once more with everything recorded, into a folder, as soon as it is found.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::Outcome;
use splitbrain_kernel::time::Instant;

use crate::campaign::{Event, Evidence, Failure, Listener, Pool, PoolEnd, Reason, Reply, Subject, unmet};
use crate::engine::{After, Engine, Lost, Names, Run};
use crate::report::artifact::{self, Artifact};
use crate::report::tail::Tail;
use crate::report::timeline::LogDetail;
use crate::text::printable;

/// How much longer than a run its recording may take on the real clock, before the watchdog ends it.
const TIMEOUT_FACTOR: u32 = 10;

/// How long a run that did not end is recorded, at most: its folder shows how it came there.
const OVERDUE: Duration = Duration::from_secs(5);

/// How long a recording goes on after the user asked to stop: what failed before should be kept.
const GRACE: Duration = Duration::from_millis(500);

/// The most inputs that are recorded of a run that ended at a budget: it may have millions of them, and how it came to
/// repeat itself shows in the last.
pub(super) const EXHAUSTED_MAX: u64 = 10_000;

/// Keeps every failure that is found in a folder of its own, before the campaign goes on.
#[derive(Debug)]
pub struct Artifacts {
    /// The folder of all reports.
    reports: PathBuf,
    pool: Pool,
    /// Which log lines are among the last lines of a run.
    log: LogDetail,
    engine: EngineOfScenario,
    /// Whether an interrupt ended a recording: then no other one is begun.
    is_late: bool,
}

/// What runs the scenario whose runs are heard of.
#[derive(Default)]
struct EngineOfScenario(Option<Arc<dyn Engine>>);

impl std::fmt::Debug for EngineOfScenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("EngineOfScenario").field(&self.0.as_ref().map(|engine| engine.name())).finish()
    }
}

impl Artifacts {
    /// Folders below `reports`; runs are recorded as this pool has it.
    pub fn new(reports: &Path, pool: &Pool) -> Self {
        Self {
            reports: reports.to_owned(),
            pool: pool.clone(),
            log: LogDetail::default(),
            engine: EngineOfScenario::default(),
            is_late: false,
        }
    }

    /// The same with these log lines among the last lines of a run.
    #[must_use]
    pub fn with_log(self, log: LogDetail) -> Self {
        Self { log, ..self }
    }

    fn keep(&mut self, subject: &Subject<'_>, failure: &Failure) -> Option<Evidence> {
        let engine = self.engine.0.as_ref()?;
        if self.is_late {
            return Some(unkept(failure.run.seed, unrecorded(PoolEnd::Interrupted, None), Vec::new()));
        }
        let found = (&failure.run, failure.reasons.as_slice());
        let evidence = gather(subject, engine, &self.pool, found, (&self.reports, self.log));
        self.is_late = evidence.artifact.is_err() && self.pool.interrupt.is_set();
        Some(evidence)
    }
}

impl Listener for Artifacts {
    fn hear(&mut self, event: &Event<'_>, replies: &mut Vec<Reply>) {
        match event {
            Event::ScenarioStarted { engine, .. } => self.engine = EngineOfScenario(Some(Arc::clone(engine))),
            Event::FailureFound { subject, failure } => {
                replies.extend(self.keep(subject, failure).map(Reply::Evidence));
            }
            Event::ScenarioJudged { .. } => self.engine = EngineOfScenario::default(),
            _ => {}
        }
    }
}

/// Runs a failing seed again, with everything recorded into a folder below `reports`. These log lines are among its
/// last lines.
pub fn gather(
    subject: &Subject<'_>,
    engine: &Arc<dyn Engine>,
    pool: &Pool,
    (run, reasons): (&Run, &[Reason]),
    (reports, log): (&Path, LogDetail),
) -> Evidence {
    let seed = run.seed;
    // A violation has the names that the kernel gives to nodes; reasons have those that people use.
    let violation = run.outcome.violation().map(|violation| violation.message.as_str());
    let facts = || violation.into_iter().chain(reasons.iter().map(|reason| reason.message.as_str()));
    let new_tail = || Tail::new(log).with_facts(facts());
    let names = Names::of(&subject.scenario.cluster_of(seed));
    let folder = artifact::folder(reports, subject.name, seed);
    let timeout = pool.timeout.map(|timeout| match run.lost {
        Some(Lost::Overdue) => timeout.min(OVERDUE),
        _ => timeout.saturating_mul(TIMEOUT_FACTOR),
    });
    let pool = Pool { timeout, ..pool.clone() };
    let unwritten =
        |error: std::io::Error| format!("cannot write {}: {error}", printable(&folder.display().to_string()));
    let target = match Artifact::create(&folder, subject.scenario, seed) {
        Ok(target) => target,
        Err(error) => {
            let tail = pool.record_within(GRACE, engine, seed.into(), new_tail());
            let tail = tail.map_or_else(|_| Vec::new(), |(_, tail)| shown(&tail, &names, run));
            return unkept(seed, unwritten(error), tail);
        }
    };
    let partial = target.partial().to_owned();
    let tail = new_tail().until(span_end(subject, run));
    let before = match &run.outcome {
        Outcome::Exhausted(_) => run.events.saturating_sub(EXHAUSTED_MAX),
        _ => 0,
    };
    let recorded = pool.record_within(GRACE, engine, seed.into(), After::new(before, (target, tail)));
    let (recorded, (target, tail)) = match recorded {
        Ok((recorded, After { recorder, .. })) => (recorded, recorder),
        Err(end) => {
            // The thread that writes there goes on, and will never finish it.
            artifact::discard(&partial);
            return unkept(seed, unrecorded(end, pool.timeout), Vec::new());
        }
    };
    if recorded.lost == Some(Lost::Overdue) && run.lost.is_none() {
        return unkept(seed, unrecorded(PoolEnd::Stuck(seed), pool.timeout), Vec::new());
    }
    let (moments, faults) = (recorded.moments.clone(), recorded.faults().to_vec());
    let saved = save(target, subject, engine, &merged(recorded, run), reasons);
    let reached = tail.reached().filter(|_| run.lost.is_some());
    let moment = moments.values().map(|(at, _)| *at).min().filter(|_| run.outcome == Outcome::Passed);
    // When it was is known only now.
    let again = moment.map(|at| pool.record_within(GRACE, engine, seed.into(), new_tail().until(Some(at))));
    let tail = again.and_then(Result::ok).map_or(tail, |(_, tail)| tail);
    let tail = shown(&tail, &names, run);
    Evidence { seed, artifact: saved.map_err(unwritten), tail, moments, faults, reached }
}

/// Why there is no folder, and the last lines, if the run could be recorded without one.
const fn unkept(seed: Seed, why: String, tail: Vec<String>) -> Evidence {
    Evidence { seed, artifact: Err(why), tail, moments: BTreeMap::new(), faults: Vec::new(), reached: None }
}

/// When the span of time ended that broke a bound on a measure, if nothing else is wrong with the run.
fn span_end(subject: &Subject<'_>, run: &Run) -> Option<Instant> {
    let ends = unmet(&subject.scenario.expect, run).filter_map(|bound| run.span(&bound.metric).map(|span| span.until));
    ends.min().filter(|_| run.outcome == Outcome::Passed)
}

/// The last lines of the recording of a run.
fn shown(tail: &Tail, names: &Names, run: &Run) -> Vec<String> {
    tail.lines(culprit(&run.outcome), names)
}

/// Why a run that failed was not recorded.
fn unrecorded(end: PoolEnd, timeout: Option<Duration>) -> String {
    match end {
        PoolEnd::Interrupted => "interrupted before the run was recorded".to_owned(),
        PoolEnd::Stuck(_) => {
            let limit = timeout.unwrap_or_default();
            format!("recording the run takes longer than {limit:?} on the real clock: give it more with --timeout")
        }
        _ => "the thread that recorded the run died".to_owned(),
    }
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
) -> std::io::Result<PathBuf> {
    // A seed that cannot be resolved has no options; its scenario says why.
    let settings = engine.settings(run.seed).unwrap_or_default();
    artifact.finish((subject.scenario, engine.name()), &settings, run, reasons)
}

/// The recorded run; if the first one diverged or was lost, that is what it came to.
fn merged(recorded: Run, first: &Run) -> Run {
    match &first.outcome {
        _ if recorded.lost.is_some() && first.lost.is_none() => first.clone(),
        outcome if first.lost.is_some() => Run { outcome: outcome.clone(), lost: first.lost, ..recorded },
        outcome @ Outcome::Diverged(_) => {
            Run { outcome: outcome.clone(), surroundings: first.surroundings.clone(), ..recorded }
        }
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

#[cfg(test)]
mod tests;
