//! For GitHub: what people read, and an annotation at the line of the scenario for each failure.

use std::io::{self, Write};

use crate::campaign::{Failure, Reason, ReasonKind, ScenarioResult, Subject, Summary};
use crate::engine::Run;
use crate::report::{Human, Reporter, ScenarioDetail};
use crate::scenario::Diagnostics;
use crate::wording::printable;

/// GitHub shows so many errors of one step; more are counted.
const ERRORS_MAX: u64 = 10;

/// Writes the human report, and workflow commands between its lines.
#[derive(Debug)]
pub struct Github<W> {
    human: Human<Vec<u8>>,
    out: W,
    errors: u64,
}

impl<W: Write> Github<W> {
    /// On `out`.
    pub const fn new(out: W) -> Self {
        Self { human: Human::new(Vec::new()), out, errors: 0 }
    }

    /// With these lines more.
    #[must_use]
    pub fn with(self, detail: ScenarioDetail) -> Self {
        Self { human: self.human.with(detail), ..self }
    }

    fn pass_on(&mut self) -> io::Result<()> {
        let text = std::mem::take(self.human.buffer());
        self.out.write_all(&text)
    }

    /// One more annotation, unless there are as many as are shown.
    const fn takes_one(&mut self) -> bool {
        self.errors += 1;
        self.errors <= ERRORS_MAX
    }

    fn count_more(&mut self) -> io::Result<()> {
        match self.errors.saturating_sub(ERRORS_MAX) {
            0 => Ok(()),
            more => writeln!(self.out, "::notice::and {more} more, see the log"),
        }
    }

    /// An annotation for every reason why one run, told by itself, is not as expected.
    ///
    /// # Errors
    /// Output that cannot be written.
    pub fn run_failed(&mut self, subject: &Subject<'_>, failure: &Failure) -> io::Result<()> {
        self.annotate_run(subject, failure)?;
        self.count_more()?;
        self.out.flush()
    }

    fn annotate_run(&mut self, subject: &Subject<'_>, failure: &Failure) -> io::Result<()> {
        let title = format!("{} seed {}", subject.name, failure.run.seed);
        failure.reasons.iter().try_for_each(|reason| self.annotate(subject, &title, reason))
    }

    fn annotate(&mut self, subject: &Subject<'_>, title: &str, reason: &Reason) -> io::Result<()> {
        if !self.takes_one() {
            return Ok(());
        }
        let level =
            if matches!(reason.kind, ReasonKind::Untested | ReasonKind::Unsupported) { "warning" } else { "error" };
        let path = property(&subject.scenario.source.path);
        let line = reason.line.unwrap_or(1);
        let (title, message) = (property(title), data(&reason.message));
        writeln!(self.out, "::{level} file={path},line={line},title={title}::{message}")
    }
}

impl<W: Write> Reporter for Github<W> {
    fn run(&mut self, subject: &Subject<'_>, run: &Run, reasons: &[Reason]) -> io::Result<()> {
        self.human.run(subject, run, reasons)
    }

    fn scenario(&mut self, subject: &Subject<'_>, result: &ScenarioResult) -> io::Result<()> {
        self.human.scenario(subject, result)?;
        self.pass_on()?;
        for failure in &result.failures {
            self.annotate_run(subject, failure)?;
        }
        for reason in &result.reasons {
            self.annotate(subject, subject.name, reason)?;
        }
        Ok(())
    }

    fn invalid(&mut self, invalid: &[Diagnostics], _: &Summary) -> io::Result<()> {
        for diagnostics in invalid {
            let path = property(&diagnostics.source.path);
            for one in &diagnostics.list {
                if self.takes_one() {
                    let (place, text) = (one.position, data(&one.to_string()));
                    let (line, column) = (place.line, place.column);
                    // What --set gave stands in no line of the file.
                    let is_own = diagnostics.file_of(one) == &*diagnostics.source.path;
                    let place = if is_own { format!(",line={line},col={column}") } else { String::new() };
                    writeln!(self.out, "::error file={path}{place},title=invalid scenario::{text}")?;
                }
            }
        }
        self.count_more()?;
        self.out.flush()
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        self.count_more()?;
        self.human.end(summary)?;
        self.pass_on()?;
        self.out.flush()
    }
}

/// Text after the last `::` of a workflow command.
fn data(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(printable).collect();
    lines.join("\n").replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Text between commas of a workflow command.
fn property(text: &str) -> String {
    data(&text.replace(['\r', '\n'], " ")).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_in_a_command_is_escaped() {
        assert_eq!(data("50% of\nit: a, b"), "50%25 of%0Ait: a, b");
        assert_eq!(property("a: b, c"), "a%3A b%2C c");
    }
}
