//! Scenarios one after another, each over its seeds: what happens is said to the listeners of the call.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use splitbrain_kernel::rng::Seed;

use crate::campaign::determinism::{self, Checked};
use crate::campaign::event::{Event, Listener, Listeners, say};
use crate::campaign::judgement::{Judge, Judgement, ReasonKind, ScenarioResult, reasons};
use crate::campaign::pool::{GuardedWorker, Pool, PoolEnd, Task};
use crate::campaign::twin::hold_to_twin;
use crate::campaign::{CampaignOptions, Seeds, Subject, Summary};
use crate::engine::{AnySystem, Engine, OpenError, Unsupported};
use crate::exit_code::ExitCode;
use crate::scenario::{Filter, Scenario};

/// A scenario that is about to run.
#[derive(Clone)]
pub struct Planned<'a> {
    /// What reports call it.
    pub subject: Subject<'a>,
    /// The scenario, for the engine.
    pub scenario: Arc<Scenario>,
    /// What opens it.
    pub system: &'a dyn AnySystem,
    /// Which of its seeds are run: those whose resolved options match. All where there is none.
    pub only: Option<Filter>,
}

impl std::fmt::Debug for Planned<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Planned").field("subject", &self.subject).finish_non_exhaustive()
    }
}

/// Runs every scenario over its seeds and judges it, until all are done, the user interrupts, a run hangs, or one is
/// not as expected and the call is to end there.
pub fn conduct(all: &[Planned<'_>], options: &CampaignOptions, listener: &mut dyn Listener) -> Summary {
    let mut summary = Summary::of(all.len() as u64);
    let mut replies = Vec::new();
    listener.hear(&Event::CampaignStarted { scenarios: all.len() as u64 }, &mut replies);
    for (index, planned) in all.iter().enumerate() {
        let mut both = Listeners(vec![&mut summary, &mut *listener]);
        let result = judge(planned, &options.shared_among(all.len() - index), &mut both);
        let is_failed = options.fail_fast && result.judgement == Judgement::NotAsExpected;
        let is_last = is_failed || result.reasons.iter().any(|reason| is_final(reason.kind));
        if is_last || options.pool.interrupt.is_set() {
            for Planned { subject, .. } in &all[index + 1..] {
                say(listener, subject, &Event::ScenarioSkipped { subject });
            }
            break;
        }
    }
    if summary.skipped > 0 && options.pool.interrupt.is_set() {
        summary.exit_code = summary.exit_code.and(ExitCode::Interrupted);
    }
    if summary.not_judged > 0 && summary.not_judged == summary.scenarios() {
        summary.exit_code = summary.exit_code.and(ExitCode::Inconclusive);
    }
    if summary.runs == 0 && summary.not_judged == 0 {
        summary.exit_code = summary.exit_code.and(ExitCode::NothingRan);
    }
    listener.hear(&Event::CampaignFinished { summary: &summary }, &mut replies);
    summary
}

/// Whether nothing more should run after this: the user has had enough, or a thread hangs.
const fn is_final(kind: ReasonKind) -> bool {
    matches!(kind, ReasonKind::Stuck | ReasonKind::Interrupted)
}

/// Runs one scenario over its seeds, holds it to its twin if it states one, and judges it.
pub fn judge(planned: &Planned<'_>, options: &CampaignOptions, listener: &mut dyn Listener) -> ScenarioResult {
    let subject = &planned.subject;
    let open = |scenario: Arc<Scenario>| planned.system.open(scenario);
    let result = match open(planned.scenario.clone()) {
        Ok(engine) => {
            let only = planned.only.as_ref();
            // What is run may be fewer than the scenario asks for, as where the user names seeds.
            let seeds = options.seeds.clone().or_else(|| only.map(|_| options.seeds_of(subject.scenario)));
            let options = CampaignOptions { seeds, ..options.clone() };
            let mut result = run_only(only, subject, &engine, &options, listener);
            hold_to_twin(subject, &mut result, &options, open);
            result
        }
        Err(refused) => Judge::new(subject.scenario, options).refuse(&unsupported(refused)),
    };
    say(listener, subject, &Event::ScenarioJudged { subject, result: &result });
    result
}

/// Everything that the engine refuses; without a plan nothing else can be refused.
pub(super) fn unsupported(refused: OpenError) -> Vec<Unsupported> {
    match refused {
        OpenError::Unsupported(all) => all,
        other => vec![Unsupported { line: None, message: other.to_string() }],
    }
}

/// Runs one scenario over its seeds, without its twin. What it came to is not said to the listener.
pub fn run(
    subject: &Subject<'_>,
    engine: &Arc<dyn Engine>,
    options: &CampaignOptions,
    listener: &mut dyn Listener,
) -> ScenarioResult {
    run_only(None, subject, engine, options, listener)
}

/// The same, over those of the seeds whose resolved options match.
fn run_only(
    only: Option<&Filter>,
    subject: &Subject<'_>,
    engine: &Arc<dyn Engine>,
    options: &CampaignOptions,
    listener: &mut dyn Listener,
) -> ScenarioResult {
    let (scenario, seeds) = (subject.scenario, options.seeds_of(subject.scenario));
    say(listener, subject, &Event::ScenarioStarted { subject, engine, seeds: &seeds });
    let mut judge = Judge::new(scenario, options);
    let is_halted = Cell::new(false);
    let (mut left_out, mut matching) = (0, Vec::new());
    let end = {
        // Runs and progress are said by two closures, never both at once.
        let listeners = RefCell::new(Listeners(vec![&mut judge, &mut *listener]));
        let fold = |checked: Option<Checked>| {
            let Some(Checked { run, twice }) = checked else {
                left_out += 1;
                return ControlFlow::Continue(());
            };
            if only.is_some() {
                matching.push(run.seed.0);
            }
            let reasons = reasons(&scenario.expect, &run);
            let event = Event::RunFinished { subject, run: &run, reasons: &reasons, twice };
            let wish = say(&mut *listeners.borrow_mut(), subject, &event);
            is_halted.set(is_halted.get() || wish.halt);
            if wish.enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let total = seeds.len();
        let tick = |done| {
            say(&mut *listeners.borrow_mut(), subject, &Event::Progress { done, total });
        };
        options.pool.each(engine, &seeds, &task(only, engine, options), fold, tick)
    };
    // For the scenarios that come after, as for this one, it is as if the user had interrupted.
    let end = if is_halted.get() { PoolEnd::Interrupted } else { end };
    if is_halted.get() {
        options.pool.interrupt.set();
    }
    let matching = only.map(|_| Seeds::List(matching));
    let result = ScenarioResult { skipped: engine.skipped(), matching, ..judge.finish(end, left_out) };
    if end == PoolEnd::Interrupted && !is_halted.get() {
        say(listener, subject, &Event::Interrupted { subject, runs: result.runs });
    }
    result
}

/// A run with a seed, if it is one of those that are meant.
fn task(only: Option<&Filter>, engine: &Arc<dyn Engine>, options: &CampaignOptions) -> Arc<Task<Option<Checked>>> {
    let share = options.check_determinism;
    let only = only.map(|only| (only.clone(), Arc::clone(engine)));
    Arc::new(move |worker: &mut GuardedWorker<'_>, seed: Seed| {
        // What cannot be resolved is run: the run says what is wrong with it.
        let is_other = only
            .as_ref()
            .is_some_and(|(only, engine)| engine.settings(seed).is_ok_and(|settings| !only.matches(&settings.facts)));
        (!is_other).then(|| determinism::run(worker, seed, share))
    })
}

impl CampaignOptions {
    /// The same for the next of so many scenarios: it has an equal share of the time that is left.
    fn shared_among(&self, scenarios: usize) -> Self {
        let share = |until: Instant| {
            let now = Instant::now();
            let left = until.saturating_duration_since(now);
            now + left / u32::try_from(scenarios).unwrap_or(u32::MAX).max(1)
        };
        Self { pool: Pool { until: self.pool.until.map(share), ..self.pool.clone() }, ..self.clone() }
    }

    /// The seeds that the scenario runs over: those that the user chose, or else the first ones.
    pub(super) fn seeds_of(&self, scenario: &Scenario) -> Seeds {
        self.seeds.clone().unwrap_or_else(|| Seeds::first(scenario.seed_count()))
    }
}
