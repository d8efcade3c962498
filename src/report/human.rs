//! For people: one line a scenario, a block for each failure, a line that counts.

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::Path;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::measure::Span;
use splitbrain_kernel::plan::PlannedFault;
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::{Divergence, Outcome};
use splitbrain_kernel::time::{Duration, Instant};

use crate::campaign::{Bar, Failure, Figure, Judgement, Reason, ScenarioResult, Subject, Summary, unmet};
use crate::engine::{Names, Run};
use crate::report::Reporter;
use crate::report::failure_artifact::EXHAUSTED_MAX;
use crate::report::style::{BAD, DIM, GOOD, NAME, UNSURE, paint};
use crate::scenario::MetricBound;
use crate::text::{counted, grouped, is_unprintable, printable};

/// Faults that are named in a failure block: the last ones, and those in force.
const FAULTS_MAX: usize = 12;

/// Characters of one line of a failure block.
const WIDTH_MAX: usize = 160;

/// What an entry of a recording has before what is broken.
const VIOLATED: char = '✗';

/// Columns by which the first line of a text may be indented.
const INDENT_MAX: usize = 40;

/// Invariants that are named where they were never evaluated, before they are only counted.
const NEVER_MAX: usize = 3;

/// Faults of a scenario that are named where they were not applied in every run, before the rest is only counted.
const UNAPPLIED_MAX: usize = 8;

/// What is shown of a scenario beside its line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScenarioDetail {
    /// How often each invariant was evaluated; otherwise only which of them never were.
    pub evaluations: bool,
    /// How each figure is distributed; otherwise figures are not shown.
    pub figures: bool,
    /// Which seeds were run; otherwise how many.
    pub seeds: bool,
}

/// Bars of a histogram, and the columns of the longest.
const BARS_MAX: u64 = 8;
/// Bars of a histogram in one line.
const SMALL_BARS_MAX: u64 = 16;
const BAR_COLUMNS: u64 = 40;

/// Writes what a test runner writes.
#[derive(Debug)]
pub struct Human<W> {
    out: W,
    detail: ScenarioDetail,
}

impl<W: Write> Human<W> {
    /// On `out`, a line for each scenario.
    pub const fn new(out: W) -> Self {
        Self { out, detail: ScenarioDetail { evaluations: false, figures: false, seeds: false } }
    }

    /// With these lines more.
    #[must_use]
    pub fn with(self, detail: ScenarioDetail) -> Self {
        Self { detail, ..self }
    }
}

impl Human<Vec<u8>> {
    /// What was written so far, for a report that stands on this one.
    pub(super) const fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }
}

impl<W: Write> Reporter for Human<W> {
    fn scenario(&mut self, subject: &Subject<'_>, result: &ScenarioResult) -> io::Result<()> {
        let never = if self.detail.evaluations { None } else { never_evaluated(result) };
        writeln!(self.out, "{} {}", verdict(result.judgement), scenario_line(subject, result, never))?;
        if self.detail.seeds {
            writeln!(self.out, "             the same again: --seeds {}", result.seeds)?;
        }
        if self.detail.figures {
            write!(self.out, "{}", figure_lines(result))?;
        }
        if self.detail.evaluations {
            write!(self.out, "{}", evaluation_lines(result))?;
        }
        for line in never_applied(result) {
            writeln!(self.out, "             {line}")?;
        }
        for reason in &result.reasons {
            writeln!(self.out, "             {}: {}", subject.place(reason.line), printable(&reason.text()))?;
        }
        for failure in &result.failures {
            write!(self.out, "\n{}", failure_block(subject, failure, None))?;
        }
        let more = result.failed.saturating_sub(result.failures.len() as u64);
        if more > 0 {
            writeln!(self.out, "  and {} more{}", counted(more, "failing run"), seeds_of_the_rest(result))?;
        }
        if result.failures.is_empty() { Ok(()) } else { writeln!(self.out) }
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        let scenarios = counted(summary.scenarios(), "scenario");
        let (runs, events) = (counted(summary.runs, "run"), counted(summary.events, "event"));
        writeln!(self.out, "     summary {scenarios}, {runs}, {events}")?;
        let mut text = format!("{} passed, {} failed", summary.passed, summary.failed);
        for (count, what) in
            [(summary.inconclusive, "inconclusive"), (summary.not_judged, "not judged"), (summary.skipped, "skipped")]
        {
            if count > 0 {
                text += &format!(", {count} {what}");
            }
        }
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }
}

/// What a scenario came to, in a word.
pub(super) const fn verdict_word(judgement: Judgement) -> &'static str {
    match judgement {
        Judgement::AsExpected => "PASS",
        Judgement::NotAsExpected => "FAIL",
        Judgement::Inconclusive => "INCONCLUSIVE",
        Judgement::NotJudged => "NOT JUDGED",
        Judgement::NotSupported => "NOT SUPPORTED",
    }
}

fn verdict(judgement: Judgement) -> String {
    let style = match judgement {
        Judgement::AsExpected => GOOD,
        Judgement::NotAsExpected => BAD,
        Judgement::Inconclusive | Judgement::NotJudged | Judgement::NotSupported => UNSURE,
    };
    paint(style, &format!("{:>12}", verdict_word(judgement)))
}

/// `: seeds 3, 4, 7, …` of the failing runs that have no block of their own.
fn seeds_of_the_rest(result: &ScenarioResult) -> String {
    let has_block = |seed: &&Seed| result.failures.iter().any(|failure| failure.run.seed == **seed);
    let rest: Vec<String> = result.failed_seeds.iter().filter(|seed| !has_block(seed)).map(Seed::to_string).collect();
    let named = (rest.len() + result.failures.len()) as u64;
    match (rest.as_slice(), named < result.failed) {
        ([], _) => String::new(),
        ([one], false) => format!(": seed {one}"),
        (_, is_cut) => format!(": seeds {}{}", rest.join(", "), if is_cut { ", …" } else { "" }),
    }
}

fn scenario_line(subject: &Subject<'_>, result: &ScenarioResult, never: Option<String>) -> String {
    let mut parts = vec![paint(NAME, subject.name), counted(result.runs, "seed"), counted(result.events, "event")];
    if result.left_out > 0 {
        parts.push(format!("{} left out by --where", counted(result.left_out, "seed")));
    }
    if let Some(found) = &result.found {
        parts.push(format!("{} found, seeds-to-find {} (seed {})", found.invariant, found.seeds, found.seed));
    }
    parts.extend(result.twin.map(|twin| match twin.failed {
        0 => format!("twin silent on {}", counted(twin.runs, "seed")),
        failed => format!("twin not silent on {failed} of {}", counted(twin.runs, "seed")),
    }));
    if result.failed > 0 {
        parts.push(format!("{} not as expected", counted(result.failed, "run")));
    }
    parts.extend(never);
    parts.extend(lacking(result.lacking.keys()));
    if !result.skipped.is_empty() {
        parts.push(format!("skipped, as there is no node state: {}", result.skipped.join(", ")));
    }
    parts.join(" · ")
}

/// Which invariants no run evaluated. After a violation the run ends, so what was not evaluated by then says little.
fn never_evaluated(result: &ScenarioResult) -> Option<String> {
    let never: Vec<&str> =
        result.evaluated.iter().filter(|(_, count)| *count == 0).map(|(name, _)| name.as_ref()).collect();
    match never.len() {
        _ if result.found.is_some() => None,
        0 => None,
        1..=NEVER_MAX => Some(format!("never evaluated: {}", never.join(", "))),
        many => Some(format!("{many} of {} invariants never evaluated", result.evaluated.len())),
    }
}

/// Which faults and nemeses did nothing in some of the runs, a line each.
pub(super) fn never_applied(result: &ScenarioResult) -> Vec<String> {
    let passed = result.outcomes.get(Outcome::Passed.name()).copied().unwrap_or(0);
    let of = match counted(passed, "run") {
        runs if passed == result.runs => runs,
        runs => format!("the {runs} that passed"),
    };
    let all = result.never_applied.iter();
    let line =
        |(id, runs): (&String, &u64)| format!("{} was never applied in {} of {of}", printable(id), grouped(*runs));
    let more = result.never_applied.len().saturating_sub(UNAPPLIED_MAX) as u64;
    let rest = (more > 0).then(|| format!("and {} more that some runs did not apply", counted(more, "fault")));
    all.take(UNAPPLIED_MAX).map(line).chain(rest).collect()
}

/// Which invariants ask for what the system cannot say.
fn lacking<'a>(names: impl Iterator<Item = &'a Cow<'static, str>>) -> Option<String> {
    let names: Vec<&str> = names.map(AsRef::as_ref).collect();
    let is_any = !names.is_empty();
    is_any.then(|| format!("not evaluated in full, for want of facts: {}", names.join(", ")))
}

/// A line for each invariant that is on, with how often it was evaluated over all runs.
fn evaluation_lines(result: &ScenarioResult) -> String {
    let width = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
    let names = width(&mut result.evaluated.iter().map(|(name, _)| name.len()));
    let counts = width(&mut result.evaluated.iter().map(|(_, count)| grouped(*count).len()));
    let line = |(name, count): &(Cow<'static, str>, u64)| {
        format!("             evaluated {name:<names$} {:>counts$}\n", grouped(*count))
    };
    result.evaluated.iter().map(line).collect()
}

/// For each figure its distribution over the runs: of those that `[expect]` bounds with a histogram where there is more
/// than one value, of the others in a line, where there is more than zeros.
fn figure_lines(result: &ScenarioResult) -> String {
    let mut text = String::new();
    for figure in &result.figures {
        let runs = &figure.distribution;
        text += &format!("             {} · {}\n", figure.name, values(figure, result.runs));
        let bars = runs.histogram(BARS_MAX);
        let spans: Vec<String> = bars.iter().map(span).collect();
        let width = spans.iter().map(String::len).max().unwrap_or(0);
        let longest = bars.iter().map(|bar| bar.count).max().unwrap_or(0).max(1);
        for (bar, span) in bars.iter().zip(&spans).filter(|_| bars.len() > 1) {
            // A bar that counts a run is seen.
            let columns = (bar.count * BAR_COLUMNS).div_ceil(longest) as usize;
            let line = format!("               {span:>width$} {} {}", "█".repeat(columns), grouped(bar.count));
            text += &format!("{line}\n");
        }
    }
    let has_values = |figure: &&Figure| figure.distribution.range().is_some_and(|(_, most)| most > 0);
    for figure in result.others.iter().filter(has_values) {
        let small = small_histogram(&figure.distribution.histogram(SMALL_BARS_MAX));
        text += &format!("             {} · {}{small}\n", figure.name, values(figure, result.runs));
    }
    text
}

/// `mean 3 · median 2 · p90 7 · p99 9 · most 12`, and over how many of the runs, if not over all.
fn values(figure: &Figure, runs: u64) -> String {
    let of = |value: Option<u64>| value.map_or_else(|| "never".to_owned(), grouped);
    let distribution = &figure.distribution;
    let [median, p90, p99] = [50, 90, 99].map(|percent| of(distribution.percentile(percent)));
    let (mean, most) = (of(distribution.mean()), of(distribution.range().map(|(_, most)| most)));
    let values = format!("mean {mean} · median {median} · p90 {p90} · p99 {p99} · most {most}");
    match distribution.count() {
        count if count == runs => values,
        count => format!("{values} · in {} of {}", grouped(count), counted(runs, "run")),
    }
}

/// ` · 3..90 █▃▁ ▁`: the bars of a histogram as high as their counts; empty for a single value.
fn small_histogram(bars: &[Bar]) -> String {
    const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let (Some(first), Some(last)) = (bars.first(), bars.last()) else { return String::new() };
    if first.low == last.high {
        return String::new();
    }
    let highest = bars.iter().map(|bar| bar.count).max().unwrap_or(0).max(1);
    // A bar that counts a run is seen.
    let height = |bar: &Bar| match bar.count {
        0 => ' ',
        count => HEIGHTS[(count * 8).div_ceil(highest) as usize - 1],
    };
    let shown: String = bars.iter().map(height).collect();
    format!(" · {}..{} {shown}", grouped(first.low), grouped(last.high))
}

fn span(bar: &Bar) -> String {
    if bar.low == bar.high { grouped(bar.low) } else { format!("{}..{}", grouped(bar.low), grouped(bar.high)) }
}

/// Everything about one failing run that fits on a page, the lines to copy last. `again` is the command that carries it
/// out once more, where its folder holds another run.
pub fn failure_block(subject: &Subject<'_>, failure: &Failure, again: Option<&str>) -> String {
    let run = &failure.run;
    let mut lines = vec![format!("{} {} seed {}", paint(BAD, "FAIL"), paint(NAME, subject.name), run.seed)];
    for reason in &failure.reasons {
        lines.extend(wrapped(&format!("  {}", reason.message)));
    }
    lines.extend(meaning(subject, run));
    lines.push(format!("  scenario  {}", subject.place(first_line(&failure.reasons))));
    lines.extend(moment(failure));
    let moments = moments_of_figures(subject, failure);
    lines.extend(moments.iter().flat_map(|(_, text)| wrapped(&format!("  figure    {text}"))));
    if !run.story.is_empty() {
        lines.push("  in detail".to_owned());
        lines.extend(dim(aligned(&run.story, &run.names).iter().flat_map(|line| wrapped(&format!("    {line}")))));
    }
    lines.extend(faults(failure, moments.iter().map(|(at, _)| *at).min()));
    if !run.surroundings.is_empty() {
        lines.push("  differ    before it, in the first execution, in the second".to_owned());
        lines.extend(dim(run.surroundings.iter().flat_map(|line| wrapped(line))));
    }
    if !failure.tail().is_empty() {
        lines.push(trace_head(run));
        lines.extend(dim(failure.tail().iter().flat_map(|line| excerpt(line))));
    }
    if run.lost.is_none() {
        lines.push(format!("  digest: {}", run.digest));
    }
    match again {
        Some(command) => lines.push(format!("  replay: {command}")),
        None => lines.extend(commands(subject, failure)),
    }
    lines.join("\n") + "\n"
}

fn dim(lines: impl Iterator<Item = String>) -> impl Iterator<Item = String> {
    lines.map(|line| paint(DIM, &line))
}

/// A line of a recording. What broke is shown in full, of anything else the recording has the rest.
fn excerpt(line: &str) -> Vec<String> {
    if line.contains(VIOLATED) { wrapped(line) } else { vec![cut(line)] }
}

/// What the broken invariant means, and who says so.
fn meaning(subject: &Subject<'_>, run: &Run) -> Option<String> {
    let violation = run.outcome.violation()?;
    let broken = subject.description.invariants.iter().find(|invariant| invariant.name == violation.invariant)?;
    let info = broken.info;
    Some(format!("  means     {} ({})", info.doc.trim(), info.source.trim()))
}

fn first_line(reasons: &[Reason]) -> Option<u32> {
    reasons.iter().find_map(|reason| reason.line)
}

fn moment(failure: &Failure) -> Option<String> {
    let run = &failure.run;
    if run.lost.is_some() {
        let (at, events) = failure.evidence.as_ref()?.reached?;
        return Some(format!("  reached   {at}, event {}, in its recording", grouped(events)));
    }
    if let Outcome::Diverged(divergence) = &run.outcome {
        let at = time_of(divergence).map_or_else(String::new, |at| format!("{at}, "));
        return Some(format!("  at        {at}event {}", grouped(divergence.event)));
    }
    let (node, at, events) = culprit(run);
    let node = node.map_or_else(String::new, |node| format!(", node {}", run.names.name(node)));
    Some(format!("  at        {at}{node}, event {}", grouped(events)))
}

/// The lines of a story with the names of nodes, and with each column as wide as its widest text.
pub(super) fn aligned(story: &[String], names: &Names) -> Vec<String> {
    let rows: Vec<Vec<String>> =
        story.iter().map(|line| names.spell(line).split('\t').map(printable).collect()).collect();
    let widths = (0..rows.iter().map(Vec::len).max().unwrap_or(0)).map(|column| {
        let texts = rows.iter().filter(|row| row.len() > 1).filter_map(|row| row.get(column));
        texts.map(|text| text.chars().count()).max().unwrap_or(0)
    });
    let widths: Vec<usize> = widths.collect();
    let line = |row: &Vec<String>| {
        let texts = row.iter().zip(&widths).map(|(text, width)| format!("{text:<width$}"));
        texts.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// When figures were out of their bounds, as far as that is one moment, and what is said of it.
fn moments_of_figures(subject: &Subject<'_>, failure: &Failure) -> Vec<(Instant, String)> {
    let run = &failure.run;
    let moments = failure.evidence.as_ref().map(|evidence| &evidence.moments);
    let line = |bound: &MetricBound| {
        let name = &bound.metric;
        let of_span = run.span(name).map(|Span { from, until }| (until, format!("{name}: from {from} until {until}")));
        of_span.or_else(|| {
            let (at, events) = moments?.get(name)?;
            let most = bound.at_most.filter(|most| run.figure(name).is_some_and(|value| value > *most))?;
            Some((*at, format!("{name}: more than {} from {at} on, event {}", grouped(most), grouped(*events))))
        })
    };
    let mut lines: Vec<(Instant, String)> = unmet(&subject.scenario.expect, run).filter_map(line).collect();
    lines.dedup();
    lines
}

/// What stands above the lines of the recording.
fn trace_head(run: &Run) -> String {
    let is_cut = matches!(run.outcome, Outcome::Exhausted(_)) && run.events > EXHAUSTED_MAX;
    if is_cut {
        format!("  trace     of the last {} inputs alone", grouped(EXHAUSTED_MAX))
    } else {
        "  trace".to_owned()
    }
}

/// Who broke it, when, and at which event.
pub(super) fn culprit(run: &Run) -> (Option<NodeId>, Instant, u64) {
    match &run.outcome {
        Outcome::Violated(violation) | Outcome::Stalled(violation) => (violation.node, violation.at, violation.events),
        Outcome::Panicked(panic) => (panic.node, panic.at, panic.events),
        Outcome::Exhausted(exhaustion) => (None, exhaustion.at, exhaustion.events),
        Outcome::Passed => (None, run.end, run.events),
        Outcome::Diverged(divergence) => (None, time_of(divergence).unwrap_or(run.end), divergence.event),
    }
}

/// When two executions began to differ: each of the two entries begins with its time, unless its run had ended.
fn time_of(divergence: &Divergence) -> Option<Instant> {
    let time = |line: &String| Duration::parse(line.split_whitespace().next()?).ok();
    [&divergence.first, &divergence.second].into_iter().filter_map(time).min().map(|since| Instant::ZERO + since)
}

/// The faults that led there, in the order in which they started: all where they are few, otherwise the last ones and
/// those in force at the end. Of a run that passed and has a figure out of its bound, the end is the moment of the
/// figure.
fn faults(failure: &Failure, moment: Option<Instant>) -> Vec<String> {
    let run = &failure.run;
    let (_, end, _) = culprit(run);
    let end = moment.filter(|_| run.outcome == Outcome::Passed).unwrap_or(end);
    let kept = failure.evidence.as_ref().map_or(&[][..], |evidence| &evidence.faults);
    let all = if run.faults().is_empty() { kept } else { run.faults() };
    let is_in_force =
        |planned: &PlannedFault| planned.fault.is_in_force(end, planned.start.at, planned.stop.map(|stop| stop.at));
    let started: Vec<&PlannedFault> = all.iter().filter(|fault| fault.start.at <= end).collect();
    let in_force = started.iter().filter(|fault| is_in_force(fault)).count();
    let mut room = FAULTS_MAX.saturating_sub(in_force);
    let mut shown: Vec<&PlannedFault> = Vec::new();
    for fault in started.iter().rev() {
        let has_room = is_in_force(fault) || room > 0;
        if has_room && shown.len() < FAULTS_MAX {
            shown.push(fault);
            room -= usize::from(!is_in_force(fault));
        }
    }
    let left_out = started.len() - shown.len();
    let earlier = match left_out {
        0 => None,
        1 => Some("  faults    1 earlier one is not listed".to_owned()),
        some => Some(format!("  faults    {} earlier ones are not listed", grouped(some as u64))),
    };
    let lines = shown.iter().rev().flat_map(|fault| {
        let label = if is_in_force(fault) { "in force" } else { "fault" };
        fault_line(label, fault, &run.names)
    });
    earlier.into_iter().chain(lines).collect()
}

/// Times come first: the words may be many.
fn fault_line(label: &str, fault: &PlannedFault, names: &Names) -> Vec<String> {
    let line = if fault.line == 0 { String::new() } else { format!(" (line {})", fault.line) };
    let at = match (fault.fault.lasts(), fault.stop) {
        (false, _) => format!("at {}", fault.start.at),
        (true, None) => format!("from {}", fault.start.at),
        (true, Some(stop)) => format!("from {} until {}", fault.start.at, stop.at),
    };
    let words = fault.fault.words();
    let text = names.spell(&words);
    wrapped(&format!("  {label:<9} {}{line}, {at}: {text}", fault.id))
}

/// The lines to copy.
fn commands(subject: &Subject<'_>, failure: &Failure) -> Vec<String> {
    let program = subject.program;
    match failure.artifact() {
        Some(folder) => {
            vec![
                format!("  replay: {program} replay {}", quoted(folder)),
                format!("  open:   {program} show {}", quoted(folder)),
            ]
        }
        None => {
            let source = &subject.scenario.source;
            let path = quoted(Path::new(&source.address()));
            let set = source.set().into_iter().map(|one| format!(" --set {}", quoted(Path::new(&one))));
            vec![format!("  replay: {program} replay {path} --seed {}{}", failure.run.seed, set.collect::<String>())]
        }
    }
}

/// A path as a shell takes it, in one line. What cannot be shown is escaped as bash, zsh and POSIX 2024 read it.
pub(crate) fn quoted(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes();
    // A program would take it for a flag.
    let flagged = if bytes.first() == Some(&b'-') && bytes.len() > 1 { "./" } else { "" };
    let text = match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(is_unprintable) => text,
        _ => return format!("$'{flagged}{}'", bytes.escape_ascii()),
    };
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+=:@%,".contains(letter);
    if !text.is_empty() && text.chars().all(is_plain) {
        return format!("{flagged}{text}");
    }
    format!("'{flagged}{}'", text.replace('\'', r"'\''"))
}

/// A line that is not too long to be read, and that holds nothing which a terminal would obey.
fn cut(line: &str) -> String {
    let line = printable(line);
    match line.char_indices().nth(WIDTH_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// A text in lines that are not too long to be read, broken between words, and within a word that is longer than a
/// line. Nothing of it is left out. The lines after the first are indented by two columns more than the first.
fn wrapped(text: &str) -> Vec<String> {
    let text = printable(text);
    let body = text.trim_start_matches(' ');
    let first = " ".repeat((text.len() - body.len()).min(INDENT_MAX));
    let further = format!("{first}  ");
    let mut lines: Vec<String> = Vec::new();
    let mut line = first;
    let mut is_begun = false;
    for mut word in body.split(' ') {
        loop {
            let room = WIDTH_MAX.saturating_sub(line.chars().count() + usize::from(is_begun));
            let end = word.char_indices().nth(room).map(|(end, _)| end);
            let Some(end) = end else {
                line += if is_begun { " " } else { "" };
                line += word;
                is_begun = true;
                break;
            };
            if !is_begun {
                line += &word[..end];
                word = &word[end..];
            }
            lines.push(std::mem::replace(&mut line, further.clone()));
            is_begun = false;
        }
    }
    lines.push(line);
    // A command to GitHub may begin a line now that stood within one.
    lines.iter().map(|line| printable(line.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_wrapped_between_words() {
        assert_eq!(wrapped("  short"), ["  short"]);
        let long = format!("  {}", vec!["word"; 40].join(" "));
        let lines = wrapped(&long);
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("  word") && lines[1].starts_with("    word"), "{lines:?}");
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH_MAX), "{lines:?}");
        assert_eq!(wrapped("  a  column   of a table "), ["  a  column   of a table"]);
    }

    #[test]
    fn no_part_of_a_reason_is_left_out() {
        let words = vec!["word"; 4_000].join(" ");
        let of_lines = |lines: Vec<String>| lines.iter().map(|line| line.trim().to_owned()).collect::<Vec<_>>();
        assert_eq!(of_lines(wrapped(&words)).join(" "), words);
        let word = "x".repeat(WIDTH_MAX * 3);
        for text in [word.clone(), format!("  a {word} b"), format!("{}{word}", " ".repeat(WIDTH_MAX * 2))] {
            let lines = wrapped(&text);
            assert!(lines.iter().all(|line| line.chars().count() <= WIDTH_MAX), "{lines:?}");
            assert_eq!(of_lines(lines).concat().matches('x').count(), word.len());
        }
        let hidden = format!("{} ::error::x", "y".repeat(WIDTH_MAX - 4));
        let lines = wrapped(&hidden);
        assert!(lines.len() == 2 && !lines[1].trim_start().starts_with("::"), "{lines:?}");
    }

    #[test]
    fn what_is_broken_is_shown_in_full_among_the_last_lines() {
        let facts = "fact ".repeat(100);
        let shown = |mark: &str| excerpt(&format!("  0.1s  s1  {mark} {facts}")).concat();
        assert_eq!(shown("✗").matches("fact").count(), 100);
        assert!(shown("sent").ends_with('…'));
    }

    /// However long its words are, a fault says first when it was.
    #[test]
    fn a_fault_never_loses_its_times() {
        let text = "for a kind of message: ".repeat(20);
        let lines = wrapped(&format!("  fault     w.9, from 13.473447s until 14.500000s: {text}"));
        assert!(lines[0].starts_with("  fault     w.9, from 13.473447s until 14.500000s: for"), "{lines:?}");
        assert_eq!(lines.concat().matches("message").count(), 20);
    }

    #[test]
    fn a_divergence_is_at_the_time_of_its_entries() {
        let of = |first: &str, second: &str| {
            let [first, second] = [first, second].map(str::to_owned);
            time_of(&Divergence { event: 6, first, second }).map(|at| at.to_string())
        };
        assert_eq!(of("0.040712s  s2  timer greet", "0.040713s  s2  timer greet").as_deref(), Some("0.040712s"));
        assert_eq!(of("the end of the run", "1.500000s  s1  started").as_deref(), Some("1.500000s"));
        assert_eq!(of("digest 00, 4 events, passed", "digest 01, 4 events, passed"), None);
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_text() {
        let story = ["server\tis", "s1\tfollower\ta", "s2", "a sentence that is no row"].map(str::to_owned);
        let expected = ["server  is", "s1      follower  a", "s2", "a sentence that is no row"];
        assert_eq!(aligned(&story, &Names::default()), expected);
        assert!(aligned(&[], &Names::default()).is_empty());
    }

    #[test]
    fn a_path_is_quoted_where_a_shell_needs_it() {
        assert_eq!(quoted(Path::new("reports/raft/a_b/17")), "reports/raft/a_b/17");
        assert_eq!(quoted(Path::new("my reports/it's")), r"'my reports/it'\''s'");
        assert_eq!(quoted(Path::new("grüße/a")), "'grüße/a'");
        assert_eq!(quoted(Path::new("two\nlines, it's")), r"$'two\nlines, it\'s'");
        assert_eq!(quoted(Path::new("--out/a")), "./--out/a");
        assert_eq!(quoted(Path::new("- a")), "'./- a'");
        assert_eq!(quoted(Path::new("-")), "-");
        assert_eq!(quoted(Path::new("")), "''");
    }

    #[test]
    fn long_lines_are_cut_at_a_character() {
        let long = "→".repeat(WIDTH_MAX + 1);
        assert_eq!(cut(&long).chars().count(), WIDTH_MAX + 1);
        assert_eq!(cut("short"), "short");
        assert_eq!(cut("a\n::error::b\u{1b}"), "a\\n::error::b\\u{1b}", "it stays one line");
    }

    #[test]
    fn what_cannot_be_evaluated_is_named() {
        let names = ["vote_soundness", "pre_vote_purity"].map(Cow::Borrowed);
        let line = "not evaluated in full, for want of facts: vote_soundness, pre_vote_purity";
        assert_eq!(lacking(names.iter()).as_deref(), Some(line));
        assert_eq!(lacking([].iter()), None);
    }
}
