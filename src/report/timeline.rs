//! Recordings for people: the story of a run as it is told, and the last lines before its end.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};

use splitbrain_kernel::id::NodeId;

use crate::engine::{Entry, EntryKind, LogLevel, Names, Recorder};

/// How much of a run is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Detail {
    /// Nothing but how it ended.
    None,
    /// The story: what nodes say, what is done to them, what clients do.
    Notable,
    /// Every event and every effect.
    All,
}

/// Which log lines of the code under test are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogDetail {
    /// None of them.
    Off,
    /// Errors.
    Error,
    /// Warnings and errors.
    Warn,
    /// All but those of level debug.
    Info,
    /// All that are recorded.
    Debug,
}

impl LogDetail {
    /// What is shown by default: the more of a run, the more of its log.
    const fn of(detail: Detail) -> Self {
        match detail {
            Detail::None => Self::Off,
            Detail::Notable => Self::Info,
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

    fn tells(self, level: LogLevel) -> bool {
        self.level().is_some_and(|least| level <= least)
    }
}

/// Writes lines as they come.
#[derive(Debug)]
pub struct Timeline<W> {
    out: W,
    detail: Detail,
    log: LogDetail,
    names: Names,
    /// Entries that were left out.
    left_out: u64,
    /// The first error; nothing is written after it.
    error: Option<io::Error>,
}

impl<W: Write> Timeline<W> {
    /// A story on `out`, of nodes with these names.
    pub const fn new(out: W, detail: Detail, names: Names) -> Self {
        Self { out, detail, log: LogDetail::of(detail), names, left_out: 0, error: None }
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
    pub fn finish(self) -> io::Result<u64> {
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
            Detail::Notable => kind.is_notable(),
            Detail::All => true,
        }
    }
}

impl<W: Write> Recorder for Timeline<W> {
    fn record(&mut self, entry: Entry) {
        if !self.tells(&entry) || self.error.is_some() {
            return self.skip(entry.kind);
        }
        self.error = writeln!(self.out, "{}", entry.line(&self.names)).err();
    }

    fn wants(&self, kind: EntryKind) -> bool {
        self.tells_of(kind)
    }

    fn wants_data(&self) -> bool {
        false
    }

    fn skip(&mut self, _: EntryKind) {
        self.left_out += 1;
    }
}

/// Lines that are kept of each node, and of the world.
const KEPT_MAX: usize = 4;

/// Lines that are shown in all.
const SHOWN_MAX: usize = 12;

/// Entries with their ordinals.
type Numbered = VecDeque<(u64, Entry)>;

/// Keeps the last lines of each node.
#[derive(Clone, Debug, Default)]
pub struct Tail {
    count: u64,
    /// By node; log lines by themselves, so that they displace nothing else.
    last: BTreeMap<(Option<NodeId>, bool), Numbered>,
}

impl Tail {
    /// The last lines, in order: several of the node that matters, one of each other.
    pub fn lines(&self, culprit: Option<NodeId>, names: &Names) -> Vec<String> {
        let mut shown: Vec<&(u64, Entry)> = Vec::new();
        for ((node, _), entries) in &self.last {
            let most = if *node == culprit || culprit.is_none() { KEPT_MAX } else { 1 };
            shown.extend(entries.iter().rev().take(most));
        }
        shown.sort_by_key(|(number, _)| *number);
        let first = shown.len().saturating_sub(SHOWN_MAX);
        shown[first..].iter().map(|(_, entry)| entry.line(names)).collect()
    }
}

impl Recorder for Tail {
    fn record(&mut self, entry: Entry) {
        self.count += 1;
        if !self.wants(entry.kind) || LogLevel::of(&entry) == Some(LogLevel::Debug) {
            return;
        }
        let is_log = entry.kind == EntryKind::Logged;
        let lines = self.last.entry((entry.node, is_log)).or_default();
        lines.push_back((self.count, entry));
        if lines.len() > KEPT_MAX {
            lines.pop_front();
        }
    }

    fn wants(&self, kind: EntryKind) -> bool {
        kind.is_input() || kind.is_notable()
    }

    fn wants_data(&self) -> bool {
        false
    }

    fn skip(&mut self, _: EntryKind) {
        self.count += 1;
    }
}
