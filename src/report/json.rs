//! One JSON object a line, each with a version, for programs.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::Outcome;

use crate::build;
use crate::campaign::{Judgement, Reason, ReasonKind, ScenarioResult, Subject, Summary};
use crate::engine::{Entry, Measure, Run};
use crate::report::human::aligned;
use crate::report::{Reporter, artifact};
use crate::scenario::{Diagnostics, Note, Scenario};
use crate::text::printable_json;

/// The version that every line names in `v`.
pub const FORMAT: u32 = 1;

/// Writes JSON Lines: `begin`, then for each scenario its `run`s and itself, then `end`. Where a file is wrong:
/// `begin`, an `invalid` for each error, `end`.
#[derive(Debug)]
pub struct Json<W> {
    out: W,
}

impl<W: Write> Json<W> {
    /// On `out`.
    pub const fn new(out: W) -> Self {
        Self { out }
    }

    /// The options of a run that is about to start.
    ///
    /// # Errors
    /// Output that cannot be written.
    pub fn options(&mut self, scenario: &str, hash: &str, seed: Seed, options: &Value) -> io::Result<()> {
        let fields = json!({ "scenario": scenario, "scenario_hash": hash, "seed": seed.0, "options": options });
        self.line("options", fields)
    }

    /// What came of a replay.
    ///
    /// # Errors
    /// Output that cannot be written.
    pub fn replayed(&mut self, fields: Value) -> io::Result<()> {
        self.line("replayed", fields)
    }

    /// A scenario that is checked and not run, and what may not be meant in it.
    ///
    /// # Errors
    /// Output that cannot be written.
    pub fn valid(&mut self, scenario: &Scenario, notes: &[Note]) -> io::Result<()> {
        let notes = notes.iter();
        let notes = notes.map(|note| json!({ "line": note.line, "message": note.message }));
        let fields = json!({
            "scenario": scenario.source.address(),
            "system": scenario.system,
            "scenario_hash": artifact::shown_hash(scenario.source.hash),
            "seeds": scenario.seed_count(),
            "drawn": scenario.drawn_keys().collect::<Vec<_>>(),
            "notes": notes.collect::<Vec<_>>(),
        });
        self.line("valid", fields)
    }

    pub(super) fn line(&mut self, kind: &str, fields: Value) -> io::Result<()> {
        let mut line = json!({ "v": FORMAT, "type": kind });
        if let (Value::Object(line), Value::Object(fields)) = (&mut line, fields) {
            line.extend(fields);
        }
        writeln!(self.out, "{}", printable_json(&line.to_string()))
    }
}

impl<W: Write> Reporter for Json<W> {
    fn begin(&mut self, scenarios: u64) -> io::Result<()> {
        self.line("begin", json!({ "build": build::ID, "scenarios": scenarios }))?;
        self.out.flush()
    }

    fn run(&mut self, subject: &Subject<'_>, run: &Run, reasons: &[Reason]) -> io::Result<()> {
        let mut fields = run_fields(run, reasons);
        fields["scenario"] = json!(subject.scenario.source.address());
        self.line("run", fields)
    }

    fn scenario(&mut self, subject: &Subject<'_>, result: &ScenarioResult) -> io::Result<()> {
        let mut fields = scenario_fields(result);
        fields["scenario"] = json!(subject.scenario.source.address());
        fields["name"] = json!(subject.name);
        fields["system"] = json!(subject.scenario.system);
        fields["scenario_hash"] = json!(artifact::shown_hash(subject.scenario.source.hash));
        let folders = result.failures.iter().map(|one| json!({ "seed": one.run.seed.0, "artifact": one.artifact() }));
        fields["failures"] = folders.collect();
        self.line("scenario", fields)?;
        self.out.flush()
    }

    fn invalid(&mut self, invalid: &[Diagnostics], summary: &Summary) -> io::Result<()> {
        for diagnostics in invalid {
            for one in &diagnostics.list {
                let fields = json!({
                    "scenario": diagnostics.file_of(one),
                    "variant": one.variant,
                    "line": one.position.line,
                    "column": one.position.column,
                    "key": one.path,
                    "message": one.message,
                    "known": one.known,
                    "nearest": one.nearest,
                });
                self.line("invalid", fields)?;
            }
        }
        self.end(summary)
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        let fields = json!({
            "passed": summary.passed,
            "failed": summary.failed,
            "inconclusive": summary.inconclusive,
            "not_judged": summary.not_judged,
            "skipped": summary.skipped,
            "runs": summary.runs,
            "events": summary.events,
            "exit_code": summary.exit_code.code(),
        });
        self.line("end", fields)?;
        self.out.flush()
    }
}

/// An entry of a recording as a line: the keys are those of `trace.jsonl`.
pub(super) fn entry(entry: &Entry) -> String {
    let mut line = json!({ "v": FORMAT, "type": "entry" });
    if let (Value::Object(line), Value::Object(fields)) = (&mut line, json!(entry)) {
        line.extend(fields);
    }
    printable_json(&line.to_string())
}

/// A run as a table of fields.
pub(super) fn run_fields(run: &Run, reasons: &[Reason]) -> Value {
    let span = |one: &Measure| one.span.map(|span| (one.name.clone(), json!([span.from, span.until])));
    let spans = run.measures.iter().filter_map(span);
    let chosen = run.chosen.iter().map(|chosen| (chosen.key.clone(), json!(chosen.value)));
    let mut fields = json!({
        "seed": run.seed.0,
        "outcome": run.outcome.name(),
        "detail": detail(run),
        "digest": run.digest,
        "events": run.events,
        "end_ns": run.end.as_nanos(),
        "as_expected": reasons.is_empty(),
        "reasons": reasons.iter().map(reason_fields).collect::<Vec<_>>(),
        "counts": run.counts,
        "gauges": pairs(&run.gauges),
        "measures": run.measures.iter().map(|one| (one.name.clone(), json!(one.value))).collect::<Map<_, _>>(),
        "spans": spans.collect::<Map<_, _>>(),
        "evaluated": pairs(&run.evaluated),
        "lacking": pairs(&run.lacking),
        "never_applied": run.never_applied,
        "options": run.facts.options(),
        "chosen": chosen.collect::<serde_json::Map<String, Value>>(),
    });
    if !run.story.is_empty() {
        fields["story"] = json!(aligned(&run.story, &run.names));
    }
    if let Some(lost) = run.lost {
        fields["lost"] = json!(lost.name());
    }
    fields
}

fn pairs<N: AsRef<str>>(pairs: &[(N, u64)]) -> Value {
    pairs.iter().map(|(name, value)| (name.as_ref().to_owned(), json!(value))).collect::<serde_json::Map<_, _>>().into()
}

fn detail(run: &Run) -> Value {
    let names = &run.names;
    let name = |node: Option<NodeId>| node.map(|node| names.name(node));
    match &run.outcome {
        Outcome::Passed => Value::Null,
        Outcome::Violated(violation) | Outcome::Stalled(violation) => json!({
            "invariant": violation.invariant, "message": names.spell(&violation.message),
            "node": name(violation.node),
            "at_ns": violation.at.as_nanos(), "event": violation.events,
        }),
        Outcome::Panicked(panic) => json!({
            "message": names.spell(&panic.message), "node": name(panic.node),
            "at_ns": panic.at.as_nanos(), "event": panic.events,
        }),
        Outcome::Diverged(divergence) => json!(divergence),
        Outcome::Exhausted(exhaustion) => json!({
            "budget": exhaustion.budget, "bound": exhaustion.bound,
            "at_ns": exhaustion.at.as_nanos(), "event": exhaustion.events,
        }),
    }
}

fn reason_fields(reason: &Reason) -> Value {
    let kind = match reason.kind {
        ReasonKind::Diverged => "diverged",
        ReasonKind::Panicked => "panicked",
        ReasonKind::Stuck => "stuck",
        ReasonKind::Unmet => "unmet",
        ReasonKind::Untested => "untested",
        ReasonKind::NotJudged => "not judged",
        ReasonKind::Interrupted => "interrupted",
        ReasonKind::Unsupported => "unsupported",
    };
    json!({ "kind": kind, "line": reason.line, "message": reason.message })
}

/// Bars of a histogram.
const HISTOGRAM_BARS: u64 = 32;

fn scenario_fields(result: &ScenarioResult) -> Value {
    let judgement = match result.judgement {
        Judgement::AsExpected => "as expected",
        Judgement::NotAsExpected => "not as expected",
        Judgement::Inconclusive => "inconclusive",
        Judgement::NotJudged => "not judged",
        Judgement::NotSupported => "not supported",
    };
    let bounded = result.figures.iter().map(|figure| (figure, true));
    let figures = bounded.chain(result.others.iter().map(|figure| (figure, false))).map(|(figure, is_bounded)| {
        let runs = &figure.distribution;
        let bars = runs.histogram(HISTOGRAM_BARS).into_iter();
        json!({
            "name": figure.name,
            "bounded": is_bounded,
            "range": runs.range(),
            "runs": runs.count(),
            "mean": runs.mean(),
            "most": runs.range().map(|(_, most)| most),
            "p50": runs.percentile(50),
            "p90": runs.percentile(90),
            "p99": runs.percentile(99),
            "histogram": bars.map(|bar| json!([bar.low, bar.high, bar.count])).collect::<Vec<_>>(),
        })
    });
    json!({
        "judgement": judgement,
        "seeds": result.seeds.to_string(),
        "left_out": result.left_out,
        "runs": result.runs,
        "failed": result.failed,
        "checked_twice": result.checked_twice,
        "events": result.events,
        "outcomes": result.outcomes,
        "counts": result.counts,
        "evaluated": pairs(&result.evaluated),
        "lacking": result.lacking,
        "never_applied": result.never_applied,
        "skipped": result.skipped,
        "figures": figures.collect::<Vec<_>>(),
        "found": result.found.as_ref().map(|found| {
            json!({ "seed": found.seed.0, "seeds": found.seeds, "invariant": found.invariant })
        }),
        "twin": result.twin.map(|twin| json!({ "runs": twin.runs, "failed": twin.failed })),
        "reasons": result.reasons.iter().map(reason_fields).collect::<Vec<_>>(),
    })
}
