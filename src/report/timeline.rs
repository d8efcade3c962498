//! Recordings for people: the story of a run as it is told, and the last lines before its end.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};

use splitbrain_kernel::id::NodeId;

use crate::engine::{Entry, EntryKind, Names, Recorder};

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

/// Writes lines as they come.
#[derive(Debug)]
pub struct Timeline<W> {
    out: W,
    detail: Detail,
    names: Names,
    /// Entries that were left out.
    left_out: u64,
    /// The first error; nothing is written after it.
    error: Option<io::Error>,
}

impl<W: Write> Timeline<W> {
    /// A story on `out`, of nodes with these names.
    pub const fn new(out: W, detail: Detail, names: Names) -> Self {
        Self { out, detail, names, left_out: 0, error: None }
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

    fn is_told(&self, kind: EntryKind) -> bool {
        match self.detail {
            Detail::None => false,
            Detail::Notable => kind.is_notable(),
            Detail::All => true,
        }
    }
}

impl<W: Write> Recorder for Timeline<W> {
    fn record(&mut self, entry: Entry) {
        if !self.is_told(entry.kind) || self.error.is_some() {
            return self.skip(entry.kind);
        }
        self.error = writeln!(self.out, "{}", entry.line(&self.names)).err();
    }

    fn wants(&self, kind: EntryKind) -> bool {
        self.is_told(kind)
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

/// Keeps the last lines of each node.
#[derive(Clone, Debug, Default)]
pub struct Tail {
    count: u64,
    last: BTreeMap<Option<NodeId>, VecDeque<(u64, Entry)>>,
}

impl Tail {
    /// The last lines, in order: several of the node that matters, one of each other.
    pub fn lines(&self, culprit: Option<NodeId>, names: &Names) -> Vec<String> {
        let mut shown: Vec<&(u64, Entry)> = Vec::new();
        for (node, entries) in &self.last {
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
        if !self.wants(entry.kind) {
            return;
        }
        let lines = self.last.entry(entry.node).or_default();
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
