//! What is wrong with a scenario file: where, what, what is known, what is nearest; several at a time.

use std::fmt::Write as _;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::reader::FOUND_MAX;
use super::source::{Position, SourceFile};
use crate::text::{is_unprintable, printable};

/// Known words are listed up to so many characters.
const LISTED_MAX: usize = 1600;
/// More errors than this are not shown with their lines.
const SHOWN_MAX: usize = 20;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The bytes to blame.
    pub span: Range<usize>,
    /// Where they start.
    pub position: Position,
    /// The variant in which it is wrong; none where it is in all of the file.
    pub variant: Option<String>,
    /// The path of the key: `nemesis[0].kinds`. Empty where the file as a whole is meant.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What would have been right, where that is a list of words.
    pub known: Vec<String>,
    /// The known word that is nearest to what was written.
    pub nearest: Option<String>,
}

/// Everything that is wrong with one file, in order of position. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics {
    /// The file.
    pub source: SourceFile,
    /// What is wrong with it.
    pub list: Vec<Diagnostic>,
    /// How many more there were than the list holds.
    pub more: usize,
}

/// Why there is no scenario.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// Which.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// The text is no scenario.
    #[error(transparent)]
    Invalid(Diagnostics),
}

/// Whether to write escape sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// For a terminal.
    Always,
    /// For a file or a log.
    Never,
}

impl Diagnostics {
    /// Sorts what was found and finds its lines and columns.
    pub(super) fn new(source: SourceFile, mut list: Vec<Diagnostic>, more: usize) -> Self {
        assert!(!list.is_empty(), "a refused file has something wrong");
        for one in &mut list {
            one.span.end = one.span.end.min(source.text.len());
            one.span.start = one.span.start.min(one.span.end);
            one.position = match source.given(one.span.start) {
                Some((start, line)) => Position { line: 1, column: characters(line, one.span.start - start) + 1 },
                None => source.position(one.span.start),
            };
        }
        list.sort_by(|a, b| (a.span.start, &a.path).cmp(&(b.span.start, &b.path)));
        list.dedup_by(|a, b| (&a.span, &a.message) == (&b.span, &b.message));
        Self { source, list, more }
    }

    /// One thing that is wrong.
    pub(super) fn one(source: &SourceFile, span: Range<usize>, path: &str, message: &str) -> Self {
        let one = Diagnostic {
            span,
            position: Position { line: 0, column: 0 },
            variant: source.variant.as_deref().map(str::to_owned),
            path: path.to_owned(),
            message: message.to_owned(),
            known: Vec::new(),
            nearest: None,
        };
        Self::new(source.clone(), vec![one], 0)
    }

    /// What is wrong by either.
    pub(super) fn and(self, other: Self) -> Self {
        Self::new(self.source, [self.list, other.list].concat(), self.more + other.more)
    }

    /// The same, with this behind each message.
    pub(super) fn with(mut self, when: &str) -> Self {
        self.list.iter_mut().for_each(|one| one.message = format!("{} ({when})", one.message));
        self
    }

    /// Everything that is wrong with the variants of one file, of which there are `count`. What is wrong in all of them
    /// is wrong with the file, and stands here once.
    pub(super) fn of_variants(all: Vec<Self>, count: usize) -> Self {
        let same = |a: &Diagnostic, b: &Diagnostic| (&a.span, &a.path, &a.message) == (&b.span, &b.path, &b.message);
        let (source, more) = (all[0].source.clone(), all.iter().map(|one| one.more).max().unwrap_or_default());
        let mut list: Vec<Diagnostic> = Vec::new();
        for one in all.iter().flat_map(|one| &one.list) {
            if list.iter().any(|known| same(known, one)) {
                continue;
            }
            let found = all.iter().filter(|all| all.list.iter().any(|other| same(other, one))).count();
            let variant = one.variant.clone().filter(|_| found < count || count == 1);
            list.push(Diagnostic { variant, ..one.clone() });
        }
        // What is given stands at another byte in each.
        list.sort_by(|a, b| (a.span.start, &a.path).cmp(&(b.span.start, &b.path)));
        list.truncate(FOUND_MAX);
        Self { source, list, more }
    }

    /// What the place of an error is called: the path of the file, or `--set` where a command line gave what is wrong.
    pub fn file_of(&self, one: &Diagnostic) -> &str {
        if self.source.given(one.span.start).is_some() { "--set" } else { &self.source.path }
    }

    /// One line for each, without colour:
    /// `a.toml:12:9: nemesis[0].kinds: unknown "partion" (known: …; did you mean "partition"?)`.
    pub fn plain(&self) -> String {
        let mut lines = String::new();
        for one in &self.list {
            let Position { line, column } = one.position;
            // Writing into a String cannot fail.
            let shown = printable(&format!("{}:{line}:{column}: {one}", self.file_of(one)));
            let _ = writeln!(lines, "{shown}");
        }
        if self.more > 0 {
            let _ = writeln!(lines, "{}: and {} more errors", printable(&self.source.path), self.more);
        }
        lines
    }

    /// With the lines of the file, as rustc shows them. Ends with a line that counts.
    pub fn pretty(&self, colour: Colour) -> String {
        let renderer = match colour {
            Colour::Always => Renderer::styled(),
            Colour::Never => Renderer::plain(),
        };
        let text = display_text(&self.source.text);
        let path = printable(&self.source.path);
        let mut shown = String::new();
        let mut listed: &[String] = &[];
        for one in self.list.iter().take(SHOWN_MAX) {
            // The words of one table are listed once, and not under each of its keys.
            let known = if one.known == listed { &[] } else { one.known.as_slice() };
            shown += &renderer.render(&[self.group(one, known, &path, &text)]);
            shown += "\n\n";
            if !one.known.is_empty() {
                listed = &one.known;
            }
        }
        shown + &self.count_line()
    }

    fn group<'d>(&'d self, one: &'d Diagnostic, known: &[String], path: &'d str, text: &'d str) -> Group<'d> {
        let title = printable(&one.title());
        let label = one.nearest.as_ref().map(|word| format!("did you mean \"{word}\"?"));
        let given = self.source.given(one.span.start);
        let (start, path) = given.map_or((0, path), |(start, _)| (start, self.file_of(one)));
        // What is given is one line, and the last ones of the text.
        let text = &text[start..];
        let text = if given.is_some() { text.lines().next().unwrap_or_default() } else { text };
        let span = one.span.start - start..one.span.end - start;
        let blamed = AnnotationKind::Primary.span(visible(&span, text)).label(label);
        let snippet = Snippet::source(text).path(path).annotation(blamed);
        let group = Level::ERROR.primary_title(title).element(snippet);
        if known.is_empty() {
            return group;
        }
        group.element(Level::NOTE.message(format!("known: {}", listed(known))))
    }

    fn count_line(&self) -> String {
        let all = self.list.len() + self.more;
        let hidden = all - self.list.len().min(SHOWN_MAX);
        let plural = if all == 1 { "" } else { "s" };
        let rest = if hidden > 0 { format!(", {hidden} of them not shown") } else { String::new() };
        format!("{}: {all} error{plural}{rest}\n", printable(&self.source.path))
    }
}

impl Diagnostic {
    /// What is wrong, with what it is about: `variant quick: raft.pre_vot: unknown key "pre_vot"`.
    fn title(&self) -> String {
        // What is about no key is about the choice of the variant.
        let variant = self.variant.as_ref().filter(|_| !self.path.is_empty());
        let variant = variant.map(|name| format!("variant {name}: ")).unwrap_or_default();
        let path = if self.path.is_empty() { String::new() } else { format!("{}: ", self.path) };
        format!("{variant}{path}{}", self.message)
    }
}

/// How many characters stand before this byte.
fn characters(line: &str, offset: usize) -> u32 {
    let count = line.char_indices().take_while(|(at, _)| *at < offset).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The text with everything but newline and tab replaced that a terminal or GitHub would obey. Offsets stay.
fn display_text(text: &str) -> String {
    text.replace("##[", "?#[")
        .chars()
        .map(|c| match (c, c.len_utf8()) {
            ('\n' | '\t', _) => c,
            _ if !is_unprintable(c) => c,
            (_, 1) => '?',
            (_, 2) => '¿',
            (_, 3) => '\u{fffd}',
            _ => '\u{1f6ab}',
        })
        .collect()
}

/// At most the first line of what is blamed, and at least one character where there is one.
fn visible(span: &Range<usize>, text: &str) -> Range<usize> {
    let rest = &text[floor(span.start, text)..];
    let start = text.len() - rest.len();
    let line = rest.find('\n').unwrap_or(rest.len());
    let end = floor(span.end.min(start + line), text);
    let one = rest.chars().next().map_or(0, char::len_utf8);
    start..end.max(start + one.min(line))
}

/// The start of the character that holds this byte.
fn floor(offset: usize, text: &str) -> usize {
    (0..=offset.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

fn listed(known: &[String]) -> String {
    let mut length = 0;
    let fits = |word: &&String| {
        length += word.len() + 2;
        length <= LISTED_MAX
    };
    let shown: Vec<&str> = known.iter().take_while(fits).map(String::as_str).collect();
    match known.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{}, and {more} more", shown.join(", ")),
    }
}

/// Without the place: `nemesis[0].kinds: unknown "partion" (known: …; did you mean "partition"?)`.
impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.title())?;
        let known = (!self.known.is_empty()).then(|| format!("known: {}", listed(&self.known)));
        let nearest = self.nearest.as_ref().map(|word| format!("did you mean \"{word}\"?"));
        let help: Vec<String> = known.into_iter().chain(nearest).collect();
        if help.is_empty() {
            return Ok(());
        }
        write!(f, " ({})", help.join("; "))
    }
}

impl std::fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.plain().trim_end())
    }
}

impl std::error::Error for Diagnostics {}
