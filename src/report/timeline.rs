//! Recordings for people: the story of a run as it is told.

use std::io::{self, Write};

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::time::Instant;

use crate::engine::{Entry, EntryKind, LogLevel, Names, Recorder};
use crate::report::json;
use crate::report::story::Story;

/// How much of a run is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Detail {
    /// Nothing but how it ended.
    None,
    /// Faults, roles, violations, and what nodes say once between two of these; the rest is counted.
    Story,
    /// All that nodes say, what is done to them, what clients do.
    Notable,
    /// Every event and every effect.
    All,
}

/// Which log lines of the code under test are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogDetail {
    /// None of them.
    Off,
    /// Errors.
    Error,
    /// Warnings and errors.
    Warn,
    /// All but those of level debug.
    #[default]
    Info,
    /// All that are recorded.
    Debug,
}

impl LogDetail {
    /// What is shown by default: the more of a run, the more of its log.
    const fn of(detail: Detail) -> Self {
        match detail {
            Detail::None => Self::Off,
            Detail::Story | Detail::Notable => Self::Info,
            Detail::All => Self::Debug,
        }
    }

    /// The least grave level that is shown.
    const fn level(self) -> Option<LogLevel> {
        match self {
            Self::Off => None,
            Self::Error => Some(LogLevel::Error),
            Self::Warn => Some(LogLevel::Warn),
            Self::Info => Some(LogLevel::Info),
            Self::Debug => Some(LogLevel::Debug),
        }
    }

    pub(super) fn tells(self, level: LogLevel) -> bool {
        self.level().is_some_and(|least| level <= least)
    }
}

/// Which entries are asked for, whatever the detail.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Not before this time.
    pub from: Option<Instant>,
    /// Not after this time.
    pub until: Option<Instant>,
    /// What one of these nodes does, or what happens between it and another one, by the names that people use; all if
    /// there is none.
    pub nodes: Vec<String>,
    /// Of these sorts; all if there is none.
    pub kinds: Vec<EntryKind>,
}

impl Selection {
    /// Whether an entry is asked for.
    pub fn takes(&self, entry: &Entry, names: &Names) -> bool {
        let is_of_kind = self.kinds.is_empty() || self.kinds.contains(&entry.kind);
        is_of_kind && self.takes_of(entry.at, [entry.node, entry.peer], names)
    }

    /// Whether what happens to these nodes at this time is asked for.
    pub fn takes_of(&self, at: Instant, nodes: [Option<NodeId>; 2], names: &Names) -> bool {
        let is_named = |name: &String| nodes.into_iter().flatten().any(|node| is_called(node, name, names));
        let is_of_node = self.nodes.is_empty() || self.nodes.iter().any(is_named);
        is_of_node && self.from.is_none_or(|from| at >= from) && self.until.is_none_or(|until| at <= until)
    }
}

/// Whether people call a node by this name.
pub(crate) fn is_called(node: NodeId, name: &str, names: &Names) -> bool {
    names.name(node) == name || node.to_string() == name
}

/// The form of what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A line for people.
    Text,
    /// A JSON object a line, of the type `entry`.
    Json,
}

/// Entries that a timeline did not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// As the detail has it.
    pub of_detail: u64,
    /// Of other nodes, times or sorts.
    pub of_selection: u64,
}

/// Writes lines as they come.
#[derive(Debug)]
pub struct Timeline<W> {
    out: W,
    form: Form,
    detail: Detail,
    selection: Selection,
    story: Story,
    log: LogDetail,
    names: Names,
    left_out: LeftOut,
    /// The first error; nothing is written after it.
    error: Option<io::Error>,
}

impl<W: Write> Timeline<W> {
    /// A story on `out`, of nodes with these names.
    pub fn new(out: W, detail: Detail, names: Names) -> Self {
        Self {
            out,
            form: Form::Text,
            detail,
            selection: Selection::default(),
            story: Story::default(),
            log: LogDetail::of(detail),
            names,
            left_out: LeftOut::default(),
            error: None,
        }
    }

    /// The same of these entries alone.
    #[must_use]
    pub fn with_selection(self, selection: Selection) -> Self {
        Self { selection, ..self }
    }

    /// The same in this form.
    #[must_use]
    pub fn with_form(self, form: Form) -> Self {
        Self { form, ..self }
    }

    /// The same with these log lines, if they are asked for.
    #[must_use]
    pub fn with_log(self, log: Option<LogDetail>) -> Self {
        Self { log: log.unwrap_or(self.log), ..self }
    }

    /// How many entries were not told.
    ///
    /// # Errors
    /// A line that could not be written.
    pub fn finish(mut self) -> io::Result<LeftOut> {
        self.write_count();
        match self.error {
            Some(error) => Err(error),
            None => Ok(self.left_out),
        }
    }

    /// Whether a line could not be written: what comes after it is lost, and [`Timeline::finish`] says why.
    pub const fn is_broken(&self) -> bool {
        self.error.is_some()
    }

    fn tells(&self, entry: &Entry) -> bool {
        match LogLevel::of(entry) {
            Some(level) => self.log.tells(level),
            None => self.tells_of(entry.kind),
        }
    }

    fn tells_of(&self, kind: EntryKind) -> bool {
        if kind == EntryKind::Logged {
            return self.log != LogDetail::Off;
        }
        match self.detail {
            Detail::None => false,
            Detail::Story | Detail::Notable => kind.is_notable(),
            Detail::All => true,
        }
    }
}

impl<W: Write> Timeline<W> {
    /// What the story left out since the last line; it is no entry.
    fn write_count(&mut self) {
        let count = self.story.count().filter(|_| self.form == Form::Text && self.error.is_none());
        if let Some(line) = count {
            self.error = writeln!(self.out, "{line}").err();
        }
    }

    fn write(&mut self, entry: &Entry) {
        let line = match self.form {
            Form::Text => entry.line(&self.names),
            Form::Json => json::entry(entry),
        };
        self.error = writeln!(self.out, "{line}").err();
    }
}

impl<W: Write> Recorder for Timeline<W> {
    fn record(&mut self, entry: Entry) {
        if self.error.is_some() {
            return;
        }
        if !self.selection.takes(&entry, &self.names) {
            self.left_out.of_selection += 1;
            return;
        }
        let is_told = self.tells(&entry) && (self.detail != Detail::Story || self.story.tells(&entry));
        if !is_told {
            return self.skip(entry.kind);
        }
        self.write_count();
        if self.error.is_none() {
            self.write(&entry);
        }
    }

    fn wants(&self, kind: EntryKind) -> bool {
        self.tells_of(kind)
    }

    fn wants_data(&self) -> bool {
        self.form == Form::Json
    }

    fn skip(&mut self, _: EntryKind) {
        self.left_out.of_detail += 1;
    }
}
