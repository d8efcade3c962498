//! For GitHub: what people read, and an annotation at the line of the scenario for each failure.

use std::io::{self, Write};

use crate::campaign::{Failure, Reason, ReasonKind, ScenarioResult, Subject, Summary};
use crate::engine::Run;
use crate::report::{Human, Reporter, ScenarioDetail};
use crate::scenario::Diagnostics;
use crate::text::printable;

/// How grave an annotation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Error,
    Warning,
    Notice,
}

impl Level {
    /// Of a reason: what was not judged is a remark, and what could not be decided is no failure.
    const fn of(kind: ReasonKind) -> Self {
        match kind {
            ReasonKind::Diverged | ReasonKind::Panicked | ReasonKind::Stuck | ReasonKind::Unmet => Self::Error,
            ReasonKind::Untested | ReasonKind::Unsupported | ReasonKind::Interrupted => Self::Warning,
            ReasonKind::NotJudged => Self::Notice,
        }
    }

    const fn command(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }

    /// GitHub shows ten of each level of one step; of those that are more the last notice gives the number.
    const fn most(self) -> u64 {
        match self {
            Self::Error | Self::Warning => 10,
            Self::Notice => 9,
        }
    }
}

/// Writes the human report, and workflow commands between its lines.
#[derive(Debug)]
pub struct Github<W> {
    human: Human<Vec<u8>>,
    out: W,
    /// Annotations so far, those that are not shown too, by their levels.
    counts: [u64; 3],
}

impl<W: Write> Github<W> {
    /// On `out`.
    pub const fn new(out: W) -> Self {
        Self { human: Human::new(Vec::new()), out, counts: [0; 3] }
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

    /// One more annotation of this level, unless there are as many as are shown.
    const fn takes_one(&mut self, level: Level) -> bool {
        let count = &mut self.counts[level as usize];
        *count += 1;
        *count <= level.most()
    }

    fn count_more(&mut self) -> io::Result<()> {
        let levels = [Level::Error, Level::Warning, Level::Notice];
        match levels.iter().map(|level| self.counts[*level as usize].saturating_sub(level.most())).sum() {
            0u64 => Ok(()),
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
        let level = Level::of(reason.kind);
        if !self.takes_one(level) {
            return Ok(());
        }
        let path = property(&subject.scenario.source.path);
        let line = reason.line.unwrap_or(1);
        let (title, message) = (property(title), data(&reason.text()));
        let level = level.command();
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
                if self.takes_one(Level::Error) {
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

    /// Ten warnings take no place from an error, and what is not shown of any level is counted.
    #[test]
    fn each_level_has_annotations_of_its_own() {
        let mut github = Github::new(Vec::new());
        for _ in 0..12 {
            github.takes_one(Level::Warning);
            github.takes_one(Level::Notice);
        }
        assert!(github.takes_one(Level::Error));
        assert!(!github.takes_one(Level::Warning));
        github.count_more().expect("a text takes everything");
        assert_eq!(String::from_utf8_lossy(&github.out), "::notice::and 6 more, see the log\n");
    }

    #[test]
    fn only_what_failed_is_an_error() {
        let level = |kind| Level::of(kind).command();
        for kind in [ReasonKind::Unmet, ReasonKind::Panicked, ReasonKind::Diverged, ReasonKind::Stuck] {
            assert_eq!(level(kind), "error");
        }
        for kind in [ReasonKind::Untested, ReasonKind::Interrupted, ReasonKind::Unsupported] {
            assert_eq!(level(kind), "warning");
        }
        assert_eq!(level(ReasonKind::NotJudged), "notice");
    }
}
