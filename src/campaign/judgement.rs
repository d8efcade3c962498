//! From runs to a judgement: what each run is held to, what the campaign is held to, and what was never tested.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::Outcome;

use crate::campaign::CampaignOptions;
use crate::campaign::event::{Event, Evidence, Listener, Reply};
use crate::campaign::figure::{Distribution, Figure};
use crate::campaign::pool::{PoolEnd, overdue};
use crate::campaign::seeds::Seeds;
use crate::campaign::twin::Twin;
use crate::campaign::unnoticed::{CHANGED_NOTHING, Unnoticed};
use crate::engine::{Run, Unsupported};
use crate::exit_code::ExitCode;
use crate::scenario::{Expect, Filter, MetricBound, OutcomeName, Scenario, SourceFile};
use crate::text::{counted, grouped};

/// How a scenario stands after its campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Everything that `[expect]` says holds, and everything that had to happen did.
    AsExpected,
    /// Something that `[expect]` says does not hold.
    NotAsExpected,
    /// Nothing contradicts `[expect]`, but something that had to happen never did.
    Inconclusive,
    /// The user chose so few seeds that nothing which the scenario is there to show could be judged.
    NotJudged,
    /// The engine cannot carry it out.
    NotSupported,
}

/// Why a run or a campaign is not as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The sort of reason: it decides the judgement and the exit code.
    pub kind: ReasonKind,
    /// The line of the scenario that is not met.
    pub line: Option<u32>,
    /// In words.
    pub message: String,
}

impl Reason {
    /// What people are told: a remark says that it is one.
    pub fn text(&self) -> Cow<'_, str> {
        match self.kind {
            ReasonKind::NotJudged => Cow::Owned(format!("not judged: {}", self.message)),
            _ => Cow::Borrowed(&self.message),
        }
    }
}

/// The sort of a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReasonKind {
    /// Two executions of one seed differ.
    Diverged,
    /// A node or splitbrain panicked.
    Panicked,
    /// A run did not end on the real clock.
    Stuck,
    /// An expectation does not hold.
    Unmet,
    /// Something that had to happen never did.
    Untested,
    /// Something that had to happen never did, in fewer seeds than the scenario asks for, as the user chose: a remark.
    NotJudged,
    /// The campaign did not get to its end.
    Interrupted,
    /// The engine cannot do what the scenario asks for.
    Unsupported,
}

impl ReasonKind {
    /// What it makes of the exit code.
    pub const fn exit_code(self) -> ExitCode {
        match self {
            Self::Diverged => ExitCode::Diverged,
            Self::Panicked | Self::Stuck => ExitCode::Panicked,
            Self::Unmet => ExitCode::NotAsExpected,
            Self::Untested | Self::Unsupported => ExitCode::Inconclusive,
            Self::NotJudged => ExitCode::AsExpected,
            Self::Interrupted => ExitCode::Interrupted,
        }
    }
}

/// A run that is not as expected.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The run.
    pub run: Run,
    /// Why. Never empty.
    pub reasons: Vec<Reason>,
    /// What was kept of it; `None` until it was recorded.
    pub evidence: Option<Evidence>,
}

impl Failure {
    /// The folder that `replay` takes, if there is one.
    pub fn artifact(&self) -> Option<&Path> {
        self.evidence.as_ref()?.artifact.as_deref().ok()
    }

    /// The last lines of its recording, in order.
    pub fn tail(&self) -> &[String] {
        self.evidence.as_ref().map_or(&[], |evidence| &evidence.tail)
    }
}

/// The first run that broke what the scenario lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its seed.
    pub seed: Seed,
    /// How many seeds it took, this one included.
    pub seeds: u64,
    /// The invariant.
    pub invariant: String,
}

/// What a scenario came to over its seeds.
#[derive(Clone, Debug)]
pub struct ScenarioResult {
    /// The judgement.
    pub judgement: Judgement,
    /// Which seeds were asked for.
    pub seeds: Seeds,
    /// How many of them were left out, because their options are not those that the user asked for.
    pub left_out: u64,
    /// The seeds that were run, where the user asked for some by their options.
    pub matching: Option<Seeds>,
    /// How many runs were folded, in the order of the seeds.
    pub runs: u64,
    /// How many of them were carried out twice.
    pub checked_twice: u64,
    /// Events over all runs.
    pub events: u64,
    /// How many runs ended in each way.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// How often each observation, fault kind and condition came over all runs.
    pub counts: BTreeMap<Cow<'static, str>, u64>,
    /// How often each invariant was evaluated over all runs, in the system's order.
    pub evaluated: Vec<(Cow<'static, str>, u64)>,
    /// The invariants that could not be evaluated because a node cannot say what they ask for, and how often.
    pub lacking: BTreeMap<Cow<'static, str>, u64>,
    /// Faults that were never applied, and nemeses that never acted, in some of the runs that passed, and in how many
    /// of them; without those of which a reason says that there was no such run. Of a run that ended before its end it
    /// says little.
    pub never_applied: BTreeMap<String, u64>,
    /// The invariants that are on and that the engine cannot evaluate.
    pub skipped: Vec<Cow<'static, str>>,
    /// Each figure that is bounded, in the order of the file.
    pub figures: Vec<Figure>,
    /// The figures that are neither bounded nor counts: events, gauges and measures, over all runs.
    pub others: Vec<Figure>,
    /// What was found, where the scenario lists a violation.
    pub found: Option<Found>,
    /// What the twin came to, where the scenario states one and the violation was found.
    pub twin: Option<Twin>,
    /// How many runs were not as expected.
    pub failed: u64,
    /// The seeds of the first of them.
    pub failed_seeds: Vec<Seed>,
    /// Those that are kept with all that is known of them: the first ones, and the first of each further kind.
    pub failures: Vec<Failure>,
    /// Why the campaign as a whole is not as expected, or inconclusive.
    pub reasons: Vec<Reason>,
}

/// How many failing runs are kept with all that is known of them, whatever their kind.
const FAILURES_MAX: usize = 3;

/// How many are kept in all, if each of the others is of a kind of its own.
const KINDS_MAX: usize = 8;

/// How many failing seeds are named.
const SEEDS_MAX: usize = 24;

impl ScenarioResult {
    /// Every reason, those of single runs first.
    pub fn all_reasons(&self) -> impl Iterator<Item = &Reason> {
        self.failures.iter().flat_map(|failure| &failure.reasons).chain(&self.reasons)
    }

    /// The seeds that were run, in their order.
    pub(super) fn seeds_run(&self) -> Seeds {
        self.matching.clone().unwrap_or_else(|| self.seeds.take(self.runs))
    }

    /// What it makes of the exit code.
    pub fn exit_code(&self) -> ExitCode {
        let nothing = if self.runs == 0 && self.left_out == 0 { ExitCode::NothingRan } else { ExitCode::AsExpected };
        self.all_reasons().fold(nothing, |code, reason| code.and(reason.kind.exit_code()))
    }
}

/// Why a run is not as expected; empty where it is.
pub fn reasons(expect: &Expect, run: &Run) -> Vec<Reason> {
    let mut reasons = Vec::new();
    match &run.outcome {
        // What came of such a run means nothing, so nothing else is held against it.
        Outcome::Diverged(divergence) => {
            let message = format!(
                "two executions of seed {} differ at event {}: {} / {}",
                run.seed, divergence.event, divergence.first, divergence.second
            );
            return vec![Reason { kind: ReasonKind::Diverged, line: None, message }];
        }
        outcome => reasons.extend(outcome_reasons(expect, run, outcome)),
    }
    let bounds = expect.bounds.iter().filter(|bound| bound.percentile.is_none() && bound.filter.matches(&run.facts));
    reasons.extend(bounds.filter_map(|bound| bound_reason(bound, run)));
    reasons
}

fn outcome_reasons(expect: &Expect, run: &Run, outcome: &Outcome) -> Vec<Reason> {
    let kind = if matches!(outcome, Outcome::Panicked(_)) { ReasonKind::Panicked } else { ReasonKind::Unmet };
    let listed = outcome.violation().is_some_and(|violation| is_listed(expect, &violation.invariant));
    let unlisted = outcome.violation().filter(|_| !listed && expect.violates.is_some());
    let mut reasons = Vec::new();
    let mut is_held = false;
    for expected in expect.outcomes.iter().filter(|expected| expected.filter.matches(&run.facts)) {
        is_held = true;
        if expected.outcome.name() != outcome.name() {
            let message = format!("expected outcome {}, {}", expected.outcome.name(), describe_outcome(run));
            reasons.push(Reason { kind, line: Some(expected.line), message });
        } else if let Some(violation) = unlisted {
            let message = format!("{} is broken, which is not listed in violates", violation.invariant);
            reasons.push(Reason { kind, line: expect.violates.as_ref().map(|violates| violates.line), message });
        }
    }
    if !is_held && !listed && outcome.name() != OutcomeName::Passed.name() {
        let line = expect.violates.as_ref().map(|violates| violates.line);
        reasons.push(Reason { kind, line, message: describe_outcome(run) });
    }
    reasons
}

fn is_listed(expect: &Expect, invariant: &str) -> bool {
    expect.violates.as_ref().is_some_and(|violates| violates.invariants.iter().any(|listed| listed == invariant))
}

/// The outcome of a run in one line.
pub(crate) fn describe_outcome(run: &Run) -> String {
    let names = &run.names;
    match &run.outcome {
        Outcome::Passed => "the run passed".to_owned(),
        Outcome::Violated(violation) => {
            format!("{} is broken: {}", violation.invariant, names.spell(&violation.message))
        }
        Outcome::Stalled(violation) => {
            format!("stalled: {}: {}", violation.invariant, names.spell(&violation.message))
        }
        Outcome::Panicked(panic) => match panic.node {
            Some(node) => format!("{} panicked: {}", names.name(node), names.spell(&panic.message)),
            None => format!("panicked: {}", panic.message),
        },
        Outcome::Diverged(divergence) => format!("diverged at event {}", divergence.event),
        Outcome::Exhausted(exhaustion) => {
            let budget = format!("{:?}", exhaustion.budget).to_lowercase();
            format!("the budget of {} ({budget}) was reached", grouped(exhaustion.bound))
        }
    }
}

/// What tells kinds of failure apart: the outcome; the invariant, the place of a panic or the budget; and the line of
/// the scenario that is not met.
fn kind_of<'a>(run: &'a Run, reasons: &[Reason]) -> (&'static str, Cow<'a, str>, Option<u32>) {
    let what = match &run.outcome {
        Outcome::Violated(violation) | Outcome::Stalled(violation) => Cow::Borrowed(violation.invariant.as_str()),
        Outcome::Panicked(panic) => Cow::Borrowed(place_of(&panic.message)),
        Outcome::Exhausted(exhaustion) => Cow::Owned(format!("{:?}", exhaustion.budget)),
        Outcome::Passed | Outcome::Diverged(_) => Cow::Borrowed(""),
    };
    (run.outcome.name(), what, reasons.first().and_then(|reason| reason.line))
}

/// Where a panic came from, as the end of its message says; the whole message if it says no place. A message alone may
/// differ from run to run for one panic: it can show numbers.
fn place_of(message: &str) -> &str {
    let place = message.strip_suffix(')').and_then(|message| message.rsplit_once(" (at "));
    place.map_or(message, |(_, place)| place)
}

/// The bounds on figures that this run does not keep.
pub fn unmet<'a>(expect: &'a Expect, run: &Run) -> impl Iterator<Item = &'a MetricBound> {
    let bounds = expect.bounds.iter().filter(|bound| bound.percentile.is_none() && bound.filter.matches(&run.facts));
    bounds.filter(|bound| bound_reason(bound, run).is_some())
}

fn bound_reason(bound: &MetricBound, run: &Run) -> Option<Reason> {
    let message = out_of_bound(bound, &bound.metric, run.figure(&bound.metric)?)?;
    Some(Reason { kind: ReasonKind::Unmet, line: Some(bound.line), message })
}

/// What is said of a value that is out of its bound.
fn out_of_bound(bound: &MetricBound, name: &str, value: u64) -> Option<String> {
    Some(match (bound.at_least, bound.at_most) {
        (Some(low), Some(high)) if low == high && value != low => format!("{name} is {value}, expected {low}"),
        (Some(low), _) if value < low => format!("{name} is {value}, expected at least {low}"),
        (_, Some(high)) if value > high => format!("{name} is {value}, expected at most {high}"),
        _ => return None,
    })
}

/// `99th percentile of events`
fn percentile_name(percentile: u64, metric: &str) -> String {
    let suffix = match (percentile % 10, percentile % 100) {
        (1, tens) if tens != 11 => "st",
        (2, tens) if tens != 12 => "nd",
        (3, tens) if tens != 13 => "rd",
        _ => "th",
    };
    format!("{percentile}{suffix} percentile of {metric}")
}

/// Folds what a campaign says of its runs, in the order of the seeds.
pub(super) struct Judge<'a> {
    expect: &'a Expect,
    source: &'a SourceFile,
    max_fail: Option<u64>,
    /// How many seeds the scenario asks for, where the user chose others: with fewer, what never happened in them was
    /// not looked for everywhere.
    asked: Option<u64>,
    /// Whether the seeds go as far as the time does.
    is_timed: bool,
    /// In how many runs each fault and each nemesis did not act, or changed nothing.
    unapplied: BTreeMap<String, u64>,
    /// Those that acted in a run and changed nothing there.
    vain: BTreeSet<String>,
    /// The keys that no run so far could notice.
    unnoticed: Unnoticed,
    /// How long one run may take on the real clock.
    timeout: Option<Duration>,
    /// There is a workload, and in no run so far did a client get an operation.
    is_idle: bool,
    /// The filters that matched a run so far, by position: those of outcomes, then those of bounds.
    matched: Vec<bool>,
    result: ScenarioResult,
}

impl<'a> Judge<'a> {
    pub(super) fn new(scenario: &'a Scenario, options: &CampaignOptions) -> Self {
        let expect = &scenario.expect;
        let figures = expect
            .bounds
            .iter()
            .map(|bound| Figure { name: figure_name(bound), distribution: Distribution::default() })
            .collect();
        Self {
            expect,
            source: &scenario.source,
            max_fail: options.max_fail,
            is_timed: options.pool.until.is_some(),
            asked: options.seeds.is_some().then(|| scenario.seed_count()),
            unapplied: BTreeMap::new(),
            vain: BTreeSet::new(),
            unnoticed: Unnoticed::default(),
            timeout: options.pool.timeout,
            is_idle: scenario.workload.is_some(),
            matched: vec![false; expect.outcomes.len() + expect.bounds.len()],
            result: ScenarioResult {
                judgement: Judgement::AsExpected,
                seeds: options.seeds_of(scenario),
                left_out: 0,
                matching: None,
                runs: 0,
                checked_twice: 0,
                events: 0,
                outcomes: BTreeMap::new(),
                counts: BTreeMap::new(),
                evaluated: Vec::new(),
                lacking: BTreeMap::new(),
                never_applied: BTreeMap::new(),
                skipped: Vec::new(),
                figures,
                others: Vec::new(),
                found: None,
                twin: None,
                failed: 0,
                failed_seeds: Vec::new(),
                failures: Vec::new(),
                reasons: Vec::new(),
            },
        }
    }

    fn add(&mut self, run: &Run, reasons: &[Reason], twice: bool, replies: &mut Vec<Reply>) {
        self.result.runs += 1;
        self.result.checked_twice += u64::from(twice);
        self.result.events += run.events;
        self.note_counts(run);
        self.unnoticed.add(run);
        self.vain.extend(run.in_vain.iter().cloned());
        self.note_filters(run);
        if run.lost.is_none() {
            self.note_others(run);
        }
        self.note_found(run);
        if !reasons.is_empty() {
            self.result.failed += 1;
            if self.result.failed_seeds.len() < SEEDS_MAX {
                self.result.failed_seeds.push(run.seed);
            }
            if self.is_kept(run, reasons) {
                let failure = Failure { run: run.clone(), reasons: reasons.to_vec(), evidence: None };
                self.result.failures.push(failure.clone());
                replies.push(Reply::Failure(Box::new(failure)));
            }
        }
        if self.has_enough() {
            replies.push(Reply::Enough);
        }
    }

    /// Whether all of a failing run is kept. Decided by the runs before it, so in the order of the seeds.
    fn is_kept(&self, run: &Run, reasons: &[Reason]) -> bool {
        let (kept, kind) = (&self.result.failures, kind_of(run, reasons));
        let is_new = || kept.iter().all(|failure| kind_of(&failure.run, &failure.reasons) != kind);
        kept.len() < FAILURES_MAX || (kept.len() < KINDS_MAX && is_new())
    }

    fn keep(&mut self, evidence: &Evidence) {
        let failure = self.result.failures.iter_mut().find(|failure| failure.run.seed == evidence.seed);
        if let Some(failure) = failure {
            failure.evidence = Some(evidence.clone());
        }
    }

    fn note_counts(&mut self, run: &Run) {
        *self.result.outcomes.entry(run.outcome.name()).or_default() += 1;
        for (name, count) in &run.counts {
            *self.result.counts.entry(name.clone()).or_default() += count;
        }
        for (index, (name, count)) in run.evaluated.iter().enumerate() {
            match self.result.evaluated.get_mut(index) {
                Some((known, total)) if known == name => *total += count,
                _ => self.result.evaluated.push((name.clone(), *count)),
            }
        }
        for (name, count) in &run.lacking {
            *self.result.lacking.entry(name.clone()).or_default() += count;
        }
        let never: BTreeSet<&String> = run.never_applied.iter().collect();
        for id in never {
            *self.unapplied.entry(id.clone()).or_default() += 1;
            if run.outcome == Outcome::Passed {
                *self.result.never_applied.entry(id.clone()).or_default() += 1;
            }
        }
        // Of a run that was lost it is not known.
        self.is_idle = self.is_idle && run.operations == 0 && run.lost.is_none();
    }

    fn note_filters(&mut self, run: &Run) {
        for (index, expected) in self.expect.outcomes.iter().enumerate() {
            self.matched[index] |= expected.filter.matches(&run.facts);
        }
        for (index, bound) in self.expect.bounds.iter().enumerate() {
            if let Some(value) = run.figure(&bound.metric).filter(|_| bound.filter.matches(&run.facts)) {
                self.matched[self.expect.outcomes.len() + index] = true;
                self.result.figures[index].distribution.add(value);
            }
        }
    }

    /// Figures that are bounded for all runs are noted as such.
    fn note_others(&mut self, run: &Run) {
        let is_noted = |name: &str| self.result.figures.iter().any(|figure| figure.name == name);
        let figures = run.figures().filter(|(name, _)| !is_noted(name));
        for (place, (name, value)) in figures.enumerate() {
            let others = &mut self.result.others;
            if others.get(place).is_none_or(|known| known.name != name) {
                others.insert(place, Figure { name: name.to_owned(), distribution: Distribution::small() });
            }
            if let Some(value) = value {
                others[place].distribution.add(value);
            }
        }
    }

    fn note_found(&mut self, run: &Run) {
        let broken = run.outcome.violation().filter(|violation| is_listed(self.expect, &violation.invariant));
        if let (None, Some(violation)) = (&self.result.found, broken) {
            let invariant = violation.invariant.clone();
            self.result.found = Some(Found { seed: run.seed, seeds: self.result.runs, invariant });
        }
    }

    /// Whether more runs would tell nothing new. Decided by the runs folded so far, so in the order of the seeds.
    fn has_enough(&self) -> bool {
        let failed = self.max_fail.is_some_and(|most| self.result.failed >= most);
        failed || self.is_shown()
    }

    /// Whether all there is to show is a violation and what has to be reached, and all of it was seen.
    fn is_shown(&self) -> bool {
        let expect = self.expect;
        let is_all = expect.outcomes.is_empty() && expect.bounds.is_empty();
        is_all && self.result.found.is_some() && expect.reach.iter().all(|reach| self.has_reached(&reach.name))
    }

    /// What the scenario came to. So many of the seeds were left out on purpose; where they were all, nothing was
    /// judged.
    pub(super) fn finish(mut self, end: PoolEnd, left_out: u64) -> ScenarioResult {
        self.result.left_out = left_out;
        let looked_at = self.result.runs + left_out;
        self.result.seeds = self.result.seeds.take(if self.is_timed { looked_at } else { u64::MAX });
        let reasons = match end {
            PoolEnd::Complete => self.campaign_reasons(),
            PoolEnd::Stopped => Vec::new(),
            PoolEnd::Interrupted => {
                let message = format!("interrupted after {}", counted(self.result.runs, "run"));
                vec![Reason { kind: ReasonKind::Interrupted, line: None, message }]
            }
            PoolEnd::Stuck(seed) => {
                let late = self.timeout.map_or_else(|| "the run does not end".to_owned(), overdue);
                let message =
                    format!("watchdog: seed {seed}: {late}; only with --isolate yes is it known how far it came");
                vec![Reason { kind: ReasonKind::Stuck, line: None, message }]
            }
            PoolEnd::Lost => {
                let message = format!("the threads of splitbrain died after {}", counted(self.result.runs, "run"));
                vec![Reason { kind: ReasonKind::Panicked, line: None, message }]
            }
        };
        let is_told = |id: &String| reasons.iter().any(|reason| reason.message == unapplied_anywhere(id, &self.vain));
        self.result.never_applied.retain(|id, _| !is_told(id));
        self.result.reasons = reasons;
        self.result.judgement = decide(&self.result);
        let shows_a_violation = self.expect.violates.is_some() && self.result.found.is_none();
        if shows_a_violation && self.is_partial() && self.result.judgement == Judgement::AsExpected {
            self.result.judgement = Judgement::NotJudged;
        }
        let is_none = self.result.runs == 0 && left_out > 0;
        if is_none && self.result.all_reasons().all(|reason| reason.kind == ReasonKind::NotJudged) {
            self.result.judgement = Judgement::NotJudged;
        }
        self.result
    }

    /// Nothing is run.
    pub(super) fn refuse(mut self, all: &[Unsupported]) -> ScenarioResult {
        let reason = |one: &Unsupported| {
            let message = format!("not supported: {}", one.message);
            Reason { kind: ReasonKind::Unsupported, line: one.line, message }
        };
        self.result.reasons = all.iter().map(reason).collect();
        self.result.judgement = Judgement::NotSupported;
        self.result
    }

    /// Whether the user chose fewer seeds than the scenario asks for.
    fn is_partial(&self) -> bool {
        self.asked.is_some_and(|asked| self.result.runs < asked)
    }

    /// What the campaign as a whole is held to.
    fn campaign_reasons(&self) -> Vec<Reason> {
        let mut reasons: Vec<Reason> = self.unfound().into_iter().collect();
        reasons.extend(self.unreached());
        if !self.is_shown() {
            reasons.extend(self.unapplied());
            reasons.extend(self.unnoticed.messages(self.source).map(|(line, message)| self.untested(line, message)));
            reasons.extend(self.idle());
            reasons.extend(self.unevaluated());
            reasons.extend(self.unmatched());
        }
        reasons.extend(self.percentiles());
        reasons
    }

    /// Percentiles that are out of their bounds; of too few runs they say nothing. One that no run matches is told of
    /// as never tested.
    fn percentiles(&self) -> impl Iterator<Item = Reason> {
        let of_all = self.expect.bounds.iter().zip(&self.result.figures);
        of_all.filter_map(|(bound, figure)| {
            let percentile = bound.percentile?;
            let value = figure.distribution.percentile(percentile)?;
            let name = percentile_name(percentile, &bound.metric);
            let (line, runs) = (Some(bound.line), counted(figure.distribution.count(), "run"));
            if self.is_partial() {
                let message = format!("the {name} is {value}, over {runs}");
                return Some(Reason { kind: ReasonKind::NotJudged, line, message });
            }
            let message = out_of_bound(bound, &name, value)?;
            Some(Reason { kind: ReasonKind::Unmet, line, message: format!("the {message}, over {runs}") })
        })
    }

    fn unfound(&self) -> Option<Reason> {
        let violates = self.expect.violates.as_ref().filter(|_| self.result.found.is_none())?;
        let (names, seeds) = (violates.invariants.join(" or "), counted(self.result.runs, "seed"));
        let message = format!("{names} was not broken within {seeds}");
        Some(match self.asked.filter(|_| self.is_partial()) {
            Some(asked) => self.untested(Some(violates.line), format!("{message}, of the {asked} that it may take")),
            None => Reason { kind: ReasonKind::Unmet, line: Some(violates.line), message },
        })
    }

    fn has_reached(&self, name: &str) -> bool {
        self.result.counts.contains_key(name)
    }

    fn unreached(&self) -> impl Iterator<Item = Reason> {
        let never = self.expect.reach.iter().filter(|reach| !self.has_reached(&reach.name));
        never.map(|reach| self.untested(Some(reach.line), format!("never reached: {}", reach.name)))
    }

    fn unapplied(&self) -> impl Iterator<Item = Reason> {
        let never = self.unapplied.iter().filter(|(_, runs)| **runs == self.result.runs);
        never.map(|(id, _)| self.untested(None, unapplied_anywhere(id, &self.vain)))
    }

    fn idle(&self) -> Option<Reason> {
        self.is_idle.then(|| self.untested(None, "no client was given an operation in any run".to_owned()))
    }

    /// An invariant that was never evaluated is told with the result, whatever the judgement: many apply under some
    /// options only. Where none was, the campaign tested nothing.
    fn unevaluated(&self) -> Option<Reason> {
        let evaluated = &self.result.evaluated;
        let is_vacuous = !evaluated.is_empty() && evaluated.iter().all(|(_, count)| *count == 0);
        is_vacuous.then(|| self.untested(None, "no invariant was ever evaluated".to_owned()))
    }

    fn unmatched(&self) -> impl Iterator<Item = Reason> {
        let outcomes = self.expect.outcomes.iter().map(|expected| (&expected.filter, expected.line, "outcome"));
        let bounds = self.expect.bounds.iter().map(|bound| (&bound.filter, bound.line, bound.metric.as_str()));
        let all = outcomes.chain(bounds).zip(&self.matched).filter(|(_, matched)| !**matched);
        all.map(|((filter, line, name), _)| {
            let what = if filter.terms.is_empty() { "it".to_owned() } else { filter_text(filter) };
            self.untested(Some(line), format!("{name} was never tested: no run has {what}"))
        })
    }
}

/// What is said of a fault or a nemesis that did not act, or changed nothing, in any run.
fn unapplied_anywhere(id: &str, vain: &BTreeSet<String>) -> String {
    if vain.contains(id) { format!("{id}{CHANGED_NOTHING}") } else { format!("{id} was never applied in any run") }
}

impl Judge<'_> {
    /// Something never happened: with fewer seeds than the scenario asks for that is no more than a remark.
    fn untested(&self, line: Option<u32>, message: String) -> Reason {
        let kind = if self.is_partial() { ReasonKind::NotJudged } else { ReasonKind::Untested };
        Reason { kind, line, message }
    }
}

impl Listener for Judge<'_> {
    fn hear(&mut self, event: &Event<'_>, replies: &mut Vec<Reply>) {
        match event {
            Event::RunFinished { run, reasons, twice, .. } => self.add(run, reasons, *twice, replies),
            Event::ArtifactKept { evidence, .. } => self.keep(evidence),
            _ => {}
        }
    }
}

pub(super) fn decide(result: &ScenarioResult) -> Judgement {
    let graver =
        |kind: ReasonKind| !matches!(kind, ReasonKind::Untested | ReasonKind::NotJudged | ReasonKind::Interrupted);
    if result.all_reasons().any(|reason| graver(reason.kind)) {
        Judgement::NotAsExpected
    } else if result.runs == 0 || result.all_reasons().any(|reason| reason.kind != ReasonKind::NotJudged) {
        Judgement::Inconclusive
    } else {
        Judgement::AsExpected
    }
}

fn figure_name(bound: &MetricBound) -> String {
    match bound.filter.terms.is_empty() {
        true => bound.metric.clone(),
        false => format!("{} where {}", bound.metric, filter_text(&bound.filter)),
    }
}

fn filter_text(filter: &Filter) -> String {
    let terms = filter.terms.iter();
    let texts: Vec<String> =
        terms.map(|term| format!("{} {} {}", term.key, if term.equal { "=" } else { "!=" }, term.value)).collect();
    texts.join(", ")
}
