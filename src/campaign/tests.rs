//! Campaigns over a scripted engine: judgement, order, early stop, determinism check, watchdog, exit codes.

mod unnoticed;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use splitbrain_kernel::invariant::{Groups, InvariantInfo, InvariantKind, Sight, Violation};
use splitbrain_kernel::measure::MeasureInfo;
use splitbrain_kernel::options::{Value, ValueKind};
use splitbrain_kernel::plan::Plan;
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::{BudgetKind, Digest128, Exhaustion, Outcome, Panic};
use splitbrain_kernel::time::Instant;
use splitbrain_kernel::vocabulary::{Part, Role, Vocabulary};

use super::*;
use crate::engine::{
    AnyPlan, AnySystem, Engine, Entry, EntryKind, Job, Measure, OpenError, PlanText, Recorder, Run, Settings, Worker,
};
use crate::exit_code::ExitCode;
use crate::scenario::{
    Diagnostics, Facts, OptionDescription, OptionKind, PresetDescription, Scenario, SystemDescription, load,
};

/// An engine whose runs are what a function of the seed says. The function may block, panic or be impure.
struct Scripted<F>(F);

impl<F: Fn(Seed) -> Run + Send + Sync> Engine for Scripted<F> {
    fn worker(&self) -> Box<dyn Worker + '_> {
        Box::new(ScriptedWorker(&self.0))
    }

    fn read_plan(&self, _: &PlanText) -> Result<AnyPlan, OpenError> {
        Ok(AnyPlan::of(Plan::<(), ()>::empty()))
    }

    fn settings(&self, _: Seed) -> Result<Settings, Diagnostics> {
        Ok(Settings::default())
    }
}

struct ScriptedWorker<'a, F>(&'a F);

impl<F: Fn(Seed) -> Run> Worker for ScriptedWorker<'_, F> {
    fn run(&mut self, job: Job<'_>, recorder: Option<&mut dyn Recorder>) -> Run {
        let run = (self.0)(job.seed);
        if let Some(recorder) = recorder {
            for event in 1..=run.events {
                recorder.record(entry(event, run.digest));
            }
        }
        run
    }
}

/// The fourth event of a run shows its digest, so that recordings of unequal runs differ there.
fn entry(event: u64, digest: Digest128) -> Entry {
    let text = if event == 4 { digest.to_string() } else { String::new() };
    Entry { at: Instant::from_nanos(event), event, ..Entry::new(EntryKind::Timer, "tick", text) }
}

fn passed(seed: Seed) -> Run {
    let digest = Digest128(u128::from(seed.0));
    Run {
        events: 10,
        counts: BTreeMap::from([("leader elected".into(), 1 + seed.0 % 2)]),
        evaluated: vec![("election_safety".into(), 5)],
        lacking: vec![("vote_soundness".into(), 2)],
        ..Run::without_counts(seed, Outcome::Passed, digest)
    }
}

fn violated(seed: Seed, invariant: &str) -> Run {
    let violation = Violation {
        invariant: invariant.to_owned(),
        message: "two leaders in term 3".to_owned(),
        node: None,
        at: Instant::from_nanos(7),
        events: 7,
    };
    Run { outcome: Outcome::Violated(violation), ..passed(seed) }
}

const INVARIANTS: &[InvariantInfo] =
    &[invariant("election_safety"), invariant("leader_completeness"), invariant("learners_never_lead")];

const fn invariant(name: &'static str) -> InvariantInfo {
    InvariantInfo { name, doc: "", source: "", kind: InvariantKind::Safety, sight: Sight::BlackBox }
}

fn system() -> SystemDescription {
    let pre_vote = OptionDescription {
        path: "pre_vote".to_owned(),
        doc: "",
        kind: OptionKind::Value(ValueKind::Bool),
        defaults: vec![Value::Bool(false)],
    };
    SystemDescription {
        name: "scripted",
        doc: "",
        kinds: splitbrain_kernel::id::Kind::PLAIN,
        words: Vocabulary::new(Part {
            group: "scripted",
            roles: const { &[Role::ranked("leader")] },
            resources: &[],
            parts: &[],
        }),
        workloads: &[],
        orders: &[],
        files: None,
        gauges: &[],
        measures: vec![MeasureInfo { name: "wait_max_ms".to_owned(), doc: String::new() }],
        observations: &["leader elected", "pre-vote denied"],
        placed: &[],
        messages: &[],
        refusable: &[],
        invariants: Groups::Own(INVARIANTS).named("scripted"),
        presets: vec![PresetDescription { name: "plain", doc: "" }],
        options: vec![pre_vote],
        groups: Vec::new(),
        renamed: Vec::new(),
    }
}

/// A scenario over so many seeds with this `[expect]`, which begins at line 7.
fn with_seeds(count: u64, expect: &str) -> Scenario {
    let text = format!(
        "# A script.\nformat = 1\nsystem = \"scripted\"\ncluster = {{ servers = 1 }}\n\
         run = {{ duration = \"1s\", seeds = {count} }}\n[expect]\n{expect}\n"
    );
    match load("scenarios/test/scripted.toml", text.as_bytes(), &[system()]) {
        Ok(scenario) => scenario,
        Err(diagnostics) => panic!("{diagnostics}"),
    }
}

const PLAIN: &str = "";

const VIOLATES: &str = "violates = \"election_safety\"\nwithin = 20";

fn options(jobs: usize) -> CampaignOptions {
    CampaignOptions {
        seeds: None,
        max_fail: Some(1),
        fail_fast: false,
        check_determinism: Ppm::NEVER,
        pool: Pool { jobs, timeout: None, interrupt: Interrupt::default(), until: None },
    }
}

fn conduct<F: Fn(Seed) -> Run + Send + Sync + 'static>(
    scenario: &Scenario,
    options: &CampaignOptions,
    script: F,
) -> ScenarioResult {
    install_panic_hook();
    let engine: Arc<dyn Engine> = Arc::new(Scripted(script));
    with_subject(scenario, |subject| run(subject, &engine, options, &mut Silent))
}

fn with_subject<T>(scenario: &Scenario, then: impl FnOnce(&Subject<'_>) -> T) -> T {
    let description = system();
    then(&Subject { scenario, name: "test/scripted", description: &description, program: "splitbrain" })
}

fn messages(result: &ScenarioResult) -> Vec<&str> {
    result.all_reasons().map(|reason| reason.message.as_str()).collect()
}

#[test]
fn runs_that_pass_are_as_expected() {
    let result = conduct(&with_seeds(50, PLAIN), &options(3), passed);
    assert_eq!(result.judgement, Judgement::AsExpected);
    assert_eq!(result.exit_code(), ExitCode::AsExpected);
    assert_eq!((result.runs, result.events), (50, 500));
    assert_eq!(result.evaluated, [("election_safety".into(), 250)]);
    assert_eq!(result.lacking, BTreeMap::from([("vote_soundness".into(), 100)]));
    assert_eq!(result.counts["leader elected"], 75);
}

#[test]
fn an_unlisted_violation_is_not_as_expected() {
    let script = |seed| if seed == Seed(3) { violated(seed, "election_safety") } else { passed(seed) };
    let result = conduct(&with_seeds(10, PLAIN), &options(2), script);
    assert_eq!(result.judgement, Judgement::NotAsExpected);
    assert_eq!(result.exit_code(), ExitCode::NotAsExpected);
    assert_eq!(messages(&result), ["election_safety is broken: two leaders in term 3"]);
    assert_eq!(result.runs, 4, "the campaign stops at the first failing seed");
}

/// Seed 1 fails late, seed 2 at once: seed 1 comes first all the same.
#[test]
fn an_early_stop_is_decided_in_the_order_of_the_seeds() {
    let (go, wait) = mpsc::channel();
    let (go, wait) = (std::sync::Mutex::new(go), std::sync::Mutex::new(wait));
    let script = move |seed: Seed| match seed.0 {
        1 => {
            wait.lock().expect("one thread waits").recv().expect("seed 2 sends");
            violated(seed, "late")
        }
        2 => {
            go.lock().expect("one thread sends").send(()).expect("seed 1 waits");
            violated(seed, "early")
        }
        _ => passed(seed),
    };
    let result = conduct(&with_seeds(8, PLAIN), &options(3), script);
    assert_eq!(messages(&result), ["late is broken: two leaders in term 3"]);
    assert_eq!(result.runs, 2);
}

#[test]
fn the_number_of_jobs_changes_no_result() {
    let script = |seed: Seed| if seed.0 % 7 == 5 { violated(seed, "election_safety") } else { passed(seed) };
    let scenario = with_seeds(100, PLAIN);
    let told = |jobs| {
        let options = CampaignOptions { max_fail: Some(3), check_determinism: Ppm::new(100_000), ..options(jobs) };
        format!("{:?}", conduct(&scenario, &options, script))
    };
    let alone = told(1);
    assert!(alone.contains("runs: 20"), "three failing seeds are 5, 12, 19: {alone}");
    for jobs in [2, 5, 16] {
        assert_eq!(told(jobs), alone);
    }
}

#[test]
fn a_listed_violation_is_found_and_ends_the_campaign() {
    let script = |seed| if seed == Seed(6) { violated(seed, "election_safety") } else { passed(seed) };
    let result = conduct(&with_seeds(1, VIOLATES), &options(3), script);
    assert_eq!(result.judgement, Judgement::AsExpected);
    let found = result.found.expect("it is found");
    assert_eq!((found.seed, found.seeds, result.runs), (Seed(6), 7, 7));
}

#[test]
fn a_listed_violation_that_does_not_come_is_not_as_expected() {
    let scenario = with_seeds(1, VIOLATES);
    let result = conduct(&scenario, &options(2), passed);
    assert_eq!(result.exit_code(), ExitCode::NotAsExpected);
    assert_eq!(messages(&result), ["election_safety was not broken within 20 seeds"]);
    assert_eq!(result.reasons[0].line, Some(7));
    // Of seeds that the user chose it may not be one.
    let few = CampaignOptions { seeds: Some(Seeds::first(5)), ..options(2) };
    let result = conduct(&scenario, &few, passed);
    assert_eq!((result.judgement, result.exit_code()), (Judgement::NotJudged, ExitCode::AsExpected));
    assert_eq!(messages(&result), ["election_safety was not broken within 5 seeds, of the 20 that it may take"]);
}

/// A campaign that finds a violation with seed 6, held to a twin.
fn with_twin<F: Fn(Seed) -> Run + Send + Sync + 'static>(twin: F) -> ScenarioResult {
    let scenario = with_seeds(1, &format!("{VIOLATES}\ntwin = {{ pre_vote = true }}"));
    let script = |seed| if seed == Seed(6) { violated(seed, "election_safety") } else { passed(seed) };
    let mut result = conduct(&scenario, &options(2), script);
    let open = |_| -> Result<Arc<dyn Engine>, OpenError> { Ok(Arc::new(Scripted(twin))) };
    with_subject(&scenario, |subject| hold_to_twin(subject, &mut result, &options(2), open));
    result
}

#[test]
fn a_twin_runs_over_the_seeds_that_the_campaign_took() {
    let result = with_twin(|seed| if seed.0 < 7 { passed(seed) } else { violated(seed, "election_safety") });
    assert_eq!(result.judgement, Judgement::AsExpected);
    assert_eq!(result.twin, Some(Twin { runs: 7, failed: 0 }));
}

#[test]
fn a_twin_that_breaks_something_is_not_as_expected() {
    let result = with_twin(|seed| if seed.0 == 2 { violated(seed, "election_safety") } else { passed(seed) });
    assert_eq!(result.exit_code(), ExitCode::NotAsExpected);
    assert_eq!(result.judgement, Judgement::NotAsExpected);
    assert_eq!(messages(&result), ["the twin, seed 2: election_safety is broken: two leaders in term 3"]);
    assert_eq!(result.reasons[0].line, Some(7));
    assert_eq!(result.twin, Some(Twin { runs: 3, failed: 1 }));
}

#[test]
fn a_campaign_that_found_nothing_has_no_twin() {
    let scenario = with_seeds(1, &format!("{VIOLATES}\ntwin = {{ pre_vote = true }}"));
    let mut result = conduct(&scenario, &options(2), passed);
    let open = |_| -> Result<Arc<dyn Engine>, OpenError> { panic!("it was opened") };
    with_subject(&scenario, |subject| hold_to_twin(subject, &mut result, &options(2), open));
    assert_eq!(result.twin, None);
    assert_eq!(messages(&result), ["election_safety was not broken within 20 seeds"]);
}

#[test]
fn another_violation_than_the_listed_one_is_not_as_expected() {
    let script = |seed| violated(seed, "leader_completeness");
    let result = conduct(&with_seeds(1, VIOLATES), &options(1), script);
    assert_eq!(result.exit_code(), ExitCode::NotAsExpected);
    assert_eq!(result.runs, 1);
}

#[test]
fn an_expected_outcome_holds_for_every_run() {
    let expect = "outcome = \"exhausted\"";
    let exhausted = |seed| {
        let exhaustion = Exhaustion { budget: BudgetKind::Events, bound: 10, at: Instant::ZERO, events: 10 };
        Run { outcome: Outcome::Exhausted(exhaustion), ..passed(seed) }
    };
    assert_eq!(conduct(&with_seeds(4, expect), &options(1), exhausted).judgement, Judgement::AsExpected);
    let result = conduct(&with_seeds(4, expect), &options(1), passed);
    assert_eq!(messages(&result), ["expected outcome exhausted, the run passed"]);
    let result = conduct(&with_seeds(4, PLAIN), &options(1), exhausted);
    assert_eq!(messages(&result), ["the budget of 10 (events) was reached"]);
}

#[test]
fn a_bound_holds_for_every_run() {
    let bounded = "\"leader elected\" = { at_least = 1, at_most = 2 }";
    let result = conduct(&with_seeds(10, bounded), &options(1), passed);
    assert_eq!(result.judgement, Judgement::AsExpected);
    let figures: Vec<_> = result.figures.iter().map(|one| (one.name.as_str(), one.distribution.range())).collect();
    assert_eq!(figures, [("leader elected", Some((1, 2)))]);
    let bounded = "\"leader elected\" = { at_most = 1 }";
    let result = conduct(&with_seeds(10, bounded), &options(1), passed);
    assert_eq!(messages(&result), ["leader elected is 2, expected at most 1"]);
    assert_eq!(result.failures[0].run.seed, Seed(1));
}

/// Half of the runs have two elections, the others one.
#[test]
fn a_percentile_is_bounded_over_the_runs() {
    let judged = |bound: &str, options: &CampaignOptions| {
        let result = conduct(&with_seeds(10, &format!("\"leader elected\" = {bound}")), options, passed);
        let said: Vec<String> = messages(&result).into_iter().map(str::to_owned).collect();
        (result.judgement, said, result.failed)
    };
    let all = options(1);
    for bound in
        ["{ at_most = 1, percentile = 50 }", "{ at_least = 2, percentile = 51 }", "{ at_most = 2, percentile = 100 }"]
    {
        assert_eq!(judged(bound, &all), (Judgement::AsExpected, vec![], 0), "{bound}");
    }
    let (judgement, said, failed) = judged("{ at_most = 1, percentile = 51 }", &all);
    assert_eq!((judgement, failed), (Judgement::NotAsExpected, 0), "no single run is to blame");
    assert_eq!(said, ["the 51st percentile of leader elected is 2, expected at most 1, over 10 runs"]);
    let (_, said, _) = judged("{ at_least = 2, percentile = 12 }", &all);
    assert_eq!(said, ["the 12th percentile of leader elected is 1, expected at least 2, over 10 runs"]);
    // Of fewer seeds than the scenario asks for it is a remark, in and out of its bound.
    let few = CampaignOptions { seeds: Some(Seeds::first(2)), ..options(1) };
    for most in [0, 9] {
        let (judgement, said, _) = judged(&format!("{{ at_most = {most}, percentile = 99 }}"), &few);
        assert_eq!(judgement, Judgement::AsExpected);
        assert_eq!(said, ["the 99th percentile of leader elected is 2, over 2 runs"]);
    }
}

#[test]
fn a_bound_holds_only_where_its_filter_matches() {
    let script = |seed: Seed| {
        let pre_vote = if seed.0.is_multiple_of(2) { "true" } else { "false" };
        Run { facts: Facts::from([("pre_vote", pre_vote)]), ..passed(seed) }
    };
    let bounded = "\"leader elected\" = { at_most = 1, where = \"pre_vote\" }";
    let result = conduct(&with_seeds(10, bounded), &options(1), script);
    assert_eq!(result.judgement, Judgement::AsExpected, "only odd seeds elect twice: {:?}", messages(&result));
}

/// A run in which what a measure is about did not happen is neither held to its bound nor counted.
#[test]
fn a_measure_is_judged_in_the_runs_that_have_it() {
    let with = |value: Option<u64>| Measure { name: "wait_max_ms".to_owned(), value, span: None };
    let script = move |seed: Seed| Run { measures: vec![with((seed.0 % 2 == 1).then_some(seed.0))], ..passed(seed) };
    let expect = "wait_max_ms = { at_least = 1 }";
    let result = conduct(&with_seeds(6, expect), &options(1), script);
    assert_eq!((result.judgement, result.figures[0].distribution.count()), (Judgement::AsExpected, 3));
    let result = conduct(&with_seeds(6, "wait_max_ms = { at_most = 3 }"), &options(1), script);
    assert_eq!(messages(&result), ["wait_max_ms is 5, expected at most 3"]);
    let result =
        conduct(&with_seeds(6, expect), &options(1), move |seed| Run { measures: vec![with(None)], ..passed(seed) });
    assert_eq!(messages(&result), ["wait_max_ms was never tested: no run has it"]);
    // What is not bounded is noted as well.
    let result = conduct(&with_seeds(6, ""), &options(1), script);
    let noted = result.others.iter().map(|figure| (figure.name.as_str(), figure.distribution.range()));
    assert_eq!(noted.collect::<Vec<_>>(), [("events", Some((10, 10))), ("wait_max_ms", Some((1, 5)))]);
}

/// Anti-vacuity: what never happened, never tested anything.
#[test]
fn what_never_happened_is_inconclusive() {
    let expect = "events = { at_least = 1, where = \"pre_vote\" }\nreach = [\"pre-vote denied\"]";
    let script = |seed: Seed| {
        let never_applied = if seed.0 == 0 { vec!["a", "b"] } else { vec!["b"] };
        Run {
            evaluated: vec![("election_safety".into(), 0), ("learners_never_lead".into(), 0)],
            never_applied: never_applied.into_iter().map(str::to_owned).collect(),
            ..passed(seed)
        }
    };
    let result = conduct(&with_seeds(3, expect), &options(1), script);
    assert_eq!(result.judgement, Judgement::Inconclusive);
    assert_eq!(result.exit_code(), ExitCode::Inconclusive);
    assert_eq!(
        messages(&result),
        [
            "never reached: pre-vote denied",
            "b was never applied in any run",
            "no invariant was ever evaluated",
            "events was never tested: no run has pre_vote = true",
        ]
    );
    assert_eq!(result.never_applied, BTreeMap::from([("a".to_owned(), 1)]), "and not that of which a reason says so");
    // With fewer seeds than the scenario asks for, as the user chose, all of this is a remark.
    let few = CampaignOptions { seeds: Some(Seeds::first(2)), ..options(1) };
    let result = conduct(&with_seeds(3, expect), &few, script);
    assert_eq!((result.judgement, result.exit_code()), (Judgement::AsExpected, ExitCode::AsExpected));
    assert!(result.reasons.iter().all(|reason| reason.kind == ReasonKind::NotJudged) && result.reasons.len() == 4);
}

#[test]
fn a_panic_of_the_simulator_is_an_outcome() {
    let script = |seed: Seed| {
        assert_ne!(seed, Seed(2), "the planted panic");
        passed(seed)
    };
    let all = CampaignOptions { max_fail: None, ..options(2) };
    let result = conduct(&with_seeds(6, PLAIN), &all, script);
    assert_eq!(result.exit_code(), ExitCode::Panicked);
    assert_eq!((result.runs, result.failed), (6, 1), "the other seeds run all the same");
    let message = messages(&result)[0];
    assert!(message.contains("the planted panic") && message.contains("tests.rs:"), "{message}");
}

#[test]
fn a_run_that_does_not_end_is_named_by_the_watchdog() {
    // Nobody ever sends.
    let (keep, never) = mpsc::channel::<()>();
    let never = std::sync::Mutex::new(never);
    let script = move |seed| {
        if seed == Seed(0) {
            let _ = never.lock().expect("one thread hangs").recv();
        }
        passed(seed)
    };
    let mut watched = options(2);
    watched.pool.timeout = Some(Duration::from_millis(50));
    let result = conduct(&with_seeds(6, PLAIN), &watched, script);
    assert_eq!(
        messages(&result),
        ["watchdog: seed 0: the run takes longer than 50ms on the real clock; only with --isolate yes is it known \
             how far it came"]
    );
    assert_eq!(result.exit_code(), ExitCode::Panicked);
    assert_eq!(result.runs, 0, "what comes after the seed in order is no part of the result");
    drop(keep);
}

#[test]
fn two_executions_that_differ_are_named_by_their_first_event() {
    let executions = AtomicU64::new(0);
    let script = move |seed| {
        let impure = if seed == Seed(20) { executions.fetch_add(1, Ordering::SeqCst) } else { 0 };
        Run { digest: Digest128(u128::from(impure)), ..passed(seed) }
    };
    let checked = CampaignOptions { check_determinism: CHECK_DETERMINISM, ..options(1) };
    let result = conduct(&with_seeds(30, PLAIN), &checked, script);
    assert_eq!(result.exit_code(), ExitCode::Diverged);
    assert_eq!(result.checked_twice, 2, "seeds 0 and 20");
    let Outcome::Diverged(divergence) = &result.failures[0].run.outcome else {
        panic!("seed 20 diverges: {:?}", result.failures);
    };
    assert_eq!(divergence.event, 4);
    assert_ne!(divergence.first, divergence.second);
}

#[test]
fn an_interrupt_keeps_what_was_finished() {
    let interrupt = Interrupt::default();
    let mut stopped = options(1);
    stopped.pool.interrupt = interrupt.clone();
    let (keep, never) = mpsc::channel::<()>();
    let never = std::sync::Mutex::new(never);
    let script = move |seed| {
        if seed == Seed(3) {
            interrupt.set();
            let _ = never.lock().expect("one thread hangs").recv();
        }
        passed(seed)
    };
    let result = conduct(&with_seeds(9, PLAIN), &stopped, script);
    assert_eq!(result.exit_code(), ExitCode::Interrupted);
    assert_eq!(result.runs, 3);
    assert_eq!(messages(&result), ["interrupted after 3 runs"]);
    drop(keep);
}

#[test]
fn no_seed_is_no_run() {
    let none = CampaignOptions { seeds: Some(Seeds::List(Vec::new())), ..options(2) };
    let result = conduct(&with_seeds(1, PLAIN), &none, passed);
    assert_eq!(result.judgement, Judgement::Inconclusive);
    assert_eq!(result.exit_code(), ExitCode::NothingRan);
}

/// Three of any kind, then one of each kind that is new.
#[test]
fn each_kind_of_failure_is_kept_once_at_least() {
    let script = |seed: Seed| match seed.0 {
        0..=9 => violated(seed, "election_safety"),
        10..=19 => violated(seed, "leader_completeness"),
        20..=29 => passed(seed),
        _ => violated(seed, &format!("kind {seed}")),
    };
    let all = CampaignOptions { max_fail: None, ..options(3) };
    let result = conduct(&with_seeds(60, PLAIN), &all, script);
    let kept: Vec<u64> = result.failures.iter().map(|failure| failure.run.seed.0).collect();
    assert_eq!(kept, [0, 1, 2, 10, 30, 31, 32, 33], "and no more than eight");
    assert_eq!((result.failed, result.failed_seeds.len()), (50, 24));
    assert_eq!(result.failed_seeds[20..], [Seed(30), Seed(31), Seed(32), Seed(33)]);
}

/// What a panic says may differ from run to run; where it came from does not. One without a place is told by its text.
#[test]
fn panics_from_different_places_are_different_kinds_of_failure() {
    let script = |seed: Seed| {
        let message = match seed.0 {
            0..=9 => format!("index {seed} of 3 (at a.rs:7)"),
            10..=19 => format!("index {seed} of 3 (at b.rs:7)"),
            20..=29 => "the process was killed".to_owned(),
            _ => return passed(seed),
        };
        let panic = Panic { node: None, message, at: Instant::ZERO, events: 0 };
        Run { outcome: Outcome::Panicked(panic), ..passed(seed) }
    };
    let all = CampaignOptions { max_fail: None, ..options(3) };
    let result = conduct(&with_seeds(40, PLAIN), &all, script);
    let kept: Vec<u64> = result.failures.iter().map(|failure| failure.run.seed.0).collect();
    assert_eq!(kept, [0, 1, 2, 10, 20]);
}

/// Of runs that ended before their end it says little.
#[test]
fn what_some_runs_did_not_apply_is_counted_over_those_that_passed() {
    let script = |seed: Seed| {
        let run = if seed.0 < 4 { violated(seed, "election_safety") } else { passed(seed) };
        let never_applied = if seed.0.is_multiple_of(2) { vec!["cut".to_owned()] } else { Vec::new() };
        Run { never_applied, ..run }
    };
    let all = CampaignOptions { max_fail: None, ..options(3) };
    let result = conduct(&with_seeds(10, PLAIN), &all, script);
    assert_eq!(result.never_applied, BTreeMap::from([("cut".to_owned(), 3)]));
    assert!(conduct(&with_seeds(10, PLAIN), &all, passed).never_applied.is_empty());
}

/// As soon as the violation was found and what has to be reached was, wherever both came first.
#[test]
fn a_campaign_ends_when_all_that_it_has_to_show_was_seen() {
    let script = |seed: Seed| {
        let run = if seed == Seed(2) { violated(seed, "election_safety") } else { passed(seed) };
        let counts = if seed.0 >= 5 { BTreeMap::from([("pre-vote denied".into(), 1)]) } else { BTreeMap::new() };
        Run { counts, ..run }
    };
    let runs = |reach: &str| {
        let result = conduct(&with_seeds(1, &format!("{VIOLATES}\n{reach}")), &options(2), script);
        (result.judgement, result.runs)
    };
    assert_eq!(runs(""), (Judgement::AsExpected, 3));
    assert_eq!(runs("reach = [\"pre-vote denied\"]"), (Judgement::AsExpected, 6));
    assert_eq!(runs("reach = [\"leader elected\"]"), (Judgement::Inconclusive, 20));
    assert_eq!(runs("events = { at_least = 1 }"), (Judgement::AsExpected, 20), "a bound is of every run");
}

/// Writes down what it hears, and keeps every failure at once, as the writer of artifacts does.
#[derive(Default)]
struct Scribe {
    heard: Vec<String>,
    /// Asks for the end of the call when it hears this.
    halt_at: Option<&'static str>,
}

impl Listener for Scribe {
    fn hear(&mut self, event: &Event<'_>, replies: &mut Vec<Reply>) {
        let line = match event {
            Event::CampaignStarted { scenarios } => format!("campaign of {scenarios}"),
            Event::ScenarioStarted { subject, seeds, .. } => format!("{} over {seeds}", subject.name),
            Event::Progress { .. } => return,
            Event::RunFinished { run, reasons, .. } => format!("run {}, {} reasons", run.seed, reasons.len()),
            Event::FailureFound { failure, .. } => {
                let evidence = Evidence {
                    seed: failure.run.seed,
                    artifact: Ok("kept".into()),
                    tail: Vec::new(),
                    moments: BTreeMap::new(),
                    faults: Vec::new(),
                    reached: None,
                };
                replies.push(Reply::Evidence(evidence));
                format!("failure {}", failure.run.seed)
            }
            Event::ArtifactKept { evidence, .. } => format!("kept {}", evidence.seed),
            Event::Interrupted { runs, .. } => format!("interrupted after {runs}"),
            Event::ScenarioJudged { subject, result } => {
                let kept = result.failures.iter().filter(|failure| failure.artifact().is_some()).count();
                format!("{}: {:?}, {} failed, {kept} kept", subject.name, result.judgement, result.failed)
            }
            Event::ScenarioSkipped { subject } => format!("{} skipped", subject.name),
            Event::CampaignFinished { summary } => format!("finished with {}", summary.exit_code.code()),
        };
        if self.halt_at == Some(line.as_str()) {
            replies.push(Reply::Halt);
        }
        self.heard.push(line);
    }
}

/// A system that every scenario is opened with.
struct ScriptedSystem(fn(Seed) -> Run);

impl AnySystem for ScriptedSystem {
    fn description(&self) -> SystemDescription {
        system()
    }

    fn verify(&self, _: &Scenario) -> Result<(), Diagnostics> {
        Ok(())
    }

    fn open(&self, _: Arc<Scenario>) -> Result<Arc<dyn Engine>, OpenError> {
        Ok(Arc::new(Scripted(self.0)))
    }
}

fn heard_of(script: fn(Seed) -> Run, options: &CampaignOptions, halt_at: Option<&'static str>) -> Vec<String> {
    install_panic_hook();
    let (system, description) = (ScriptedSystem(script), system());
    let scenarios = [with_seeds(5, PLAIN), with_seeds(2, PLAIN)].map(Arc::new);
    let planned: Vec<Planned<'_>> = ["first", "second"]
        .into_iter()
        .zip(&scenarios)
        .map(|(name, scenario)| Planned {
            subject: Subject { scenario, name, description: &description, program: "splitbrain" },
            scenario: scenario.clone(),
            system: &system,
            only: None,
        })
        .collect();
    let mut scribe = Scribe { halt_at, ..Scribe::default() };
    super::conduct(&planned, options, &mut scribe);
    scribe.heard
}

fn third_fails(seed: Seed) -> Run {
    if seed.0 >= 2 { violated(seed, "election_safety") } else { passed(seed) }
}

/// A failure is kept before the next run is told of, whatever the number of jobs.
#[test]
fn the_stream_of_events_is_that_of_the_seeds() {
    let all = |jobs| CampaignOptions { max_fail: Some(2), ..options(jobs) };
    let alone = heard_of(third_fails, &all(1), None);
    assert_eq!(
        alone,
        [
            "campaign of 2",
            "first over 0..5",
            "run 0, 0 reasons",
            "run 1, 0 reasons",
            "run 2, 1 reasons",
            "failure 2",
            "kept 2",
            "run 3, 1 reasons",
            "failure 3",
            "kept 3",
            "first: NotAsExpected, 2 failed, 2 kept",
            "second over 0..2",
            "run 0, 0 reasons",
            "run 1, 0 reasons",
            "second: AsExpected, 0 failed, 0 kept",
            "finished with 100",
        ]
    );
    for jobs in [2, 5, 16] {
        assert_eq!(heard_of(third_fails, &all(jobs), None), alone, "{jobs} jobs");
    }
}

#[test]
fn a_listener_that_can_tell_no_one_ends_the_call() {
    let heard = heard_of(third_fails, &options(2), Some("run 1, 0 reasons"));
    assert_eq!(
        heard[3..],
        ["run 1, 0 reasons", "first: Inconclusive, 0 failed, 0 kept", "second skipped", "finished with 130"]
    );
}
