//! JUnit XML: a test case for each scenario, without times, so that one commit gives one file.

use std::fmt::Write as _;
use std::io::{self, Write};

use crate::campaign::{Judgement, Reason, ReasonKind, ScenarioResult, Subject, Summary};
use crate::report::human::never_applied;
use crate::report::{Reporter, artifact};
use crate::scenario::Diagnostics;
use crate::text::{counted, printable};

/// Collects test cases and writes the file at the end.
#[derive(Debug)]
pub struct Junit<W> {
    out: W,
    cases: String,
}

impl<W: Write> Junit<W> {
    /// On `out`.
    pub const fn new(out: W) -> Self {
        Self { out, cases: String::new() }
    }
}

impl<W: Write> Reporter for Junit<W> {
    fn scenario(&mut self, subject: &Subject<'_>, result: &ScenarioResult) -> io::Result<()> {
        let (class, file) = (escape(&subject.scenario.system), escape(&subject.scenario.source.path));
        let name = escape(subject.name);
        let case = &mut self.cases;
        // Writing to a text cannot fail.
        let _ = writeln!(case, r#"    <testcase classname="{class}" name="{name}" file="{file}">"#);
        for failure in &result.failures {
            let _ = write!(
                case,
                "{}",
                element(result.judgement, &format!("seed {}: ", failure.run.seed), &failure.reasons)
            );
        }
        let _ = write!(case, "{}", element(result.judgement, "", &result.reasons));
        let counts = format!("{}, {}", counted(result.runs, "run"), counted(result.events, "event"));
        let out = [vec![counts], never_applied(result)].concat().join("; ");
        let out = escape(&out);
        let _ = writeln!(case, "      <system-out>{out}</system-out>\n    </testcase>");
        Ok(())
    }

    fn skipped(&mut self, subject: &Subject<'_>) -> io::Result<()> {
        let (class, file) = (escape(&subject.scenario.system), escape(&subject.scenario.source.path));
        let name = escape(subject.name);
        let case = &mut self.cases;
        // Writing to a text cannot fail.
        let _ = writeln!(case, r#"    <testcase classname="{class}" name="{name}" file="{file}">"#);
        let _ = writeln!(case, "      <skipped message=\"{NOT_RUN}\"/>\n    </testcase>");
        Ok(())
    }

    fn invalid(&mut self, invalid: &[Diagnostics], _: &Summary) -> io::Result<()> {
        for diagnostics in invalid {
            let path = &diagnostics.source.path;
            let (file, name) = (escape(path), escape(&artifact::name_of(path)));
            let case = &mut self.cases;
            // Writing to a text cannot fail.
            let _ = writeln!(case, r#"    <testcase classname="scenario" name="{name}" file="{file}">"#);
            for line in diagnostics.plain().lines() {
                let _ = writeln!(case, r#"      <error message="{}"/>"#, escape(line));
            }
            let _ = writeln!(case, "    </testcase>");
        }
        let count = invalid.len();
        self.write(&format!(r#"tests="{count}" failures="0" errors="{count}""#), 0)
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        let Summary { failed, inconclusive, not_judged, skipped, .. } = *summary;
        let tests = summary.scenarios() + skipped;
        self.write(&format!(r#"tests="{tests}" failures="{failed}" errors="{inconclusive}""#), not_judged + skipped)
    }
}

impl<W: Write> Junit<W> {
    fn write(&mut self, counts: &str, skipped: u64) -> io::Result<()> {
        writeln!(self.out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
        writeln!(self.out, r#"<testsuites name="splitbrain" {counts}>"#)?;
        writeln!(self.out, r#"  <testsuite name="splitbrain" {counts} skipped="{skipped}">"#)?;
        write!(self.out, "{}", self.cases)?;
        writeln!(self.out, "  </testsuite>\n</testsuites>")?;
        self.out.flush()
    }
}

/// Why a scenario counts as skipped.
const NOT_JUDGED: &str = "not judged: fewer seeds than the scenario asks for";

const NOT_RUN: &str = "not run: the call ended before";

/// A failed scenario has failures, an inconclusive one has errors: it could not be decided. One of which nothing was
/// judged was skipped.
fn element(judgement: Judgement, before: &str, reasons: &[Reason]) -> String {
    let reasons = reasons.iter().filter(|reason| reason.kind != ReasonKind::NotJudged);
    if judgement == Judgement::NotJudged {
        return format!("      <skipped message=\"{NOT_JUDGED}\"/>\n");
    }
    let is_undecided = matches!(judgement, Judgement::Inconclusive | Judgement::NotSupported);
    let tag = if is_undecided { "error" } else { "failure" };
    let one =
        |reason: &Reason| format!("      <{tag} message=\"{}\"/>\n", escape(&format!("{before}{}", reason.message)));
    reasons.map(one).collect()
}

/// A text in XML. Control characters, which XML 1.0 cannot hold in any form, are told as they are on a terminal.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for letter in printable(text).chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_for_xml() {
        assert_eq!(escape("a < b & \"c\"\u{1}\n"), "a &lt; b &amp; &quot;c&quot;\\u{1}\\n");
    }
}
