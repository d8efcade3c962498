//! What of a recording is shown: what `run`, `replay` and `show` share.

use std::collections::BTreeSet;
use std::fmt::Display;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::time::{Duration, Instant};

use crate::command::CommandError;
use crate::engine::{EntryKind, Names};
use crate::report::{Detail, LeftOut, LogDetail, Selection, is_called};
use crate::text::{grouped, printable};

/// What of a recording is shown.
#[derive(Debug, clap::Args)]
pub(super) struct NarrowArguments {
    /// How much is shown [default: story; notable with --node, --from or --until; all with --kind]
    #[arg(long, value_name = "DETAIL")]
    timeline: Option<Detail>,

    /// Every entry, as --timeline all
    #[arg(long, conflicts_with = "timeline")]
    all: bool,

    /// Which log lines of the code under test are shown [default: info; debug with all entries]
    #[arg(long, value_name = "LEVEL")]
    pub(super) log: Option<LogDetail>,

    /// Only what a node does, or what happens between it and another one, such as s1; may be repeated
    #[arg(long = "node", value_name = "NODE")]
    nodes: Vec<String>,

    /// Only entries of this sort, such as fault, observed or sent; may be repeated
    #[arg(long = "kind", value_name = "KIND", value_parser = parse_kind)]
    kinds: Vec<EntryKind>,

    /// Nothing before this time, such as 1.5s
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    from: Option<Instant>,

    /// Nothing after this time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    until: Option<Instant>,
}

impl NarrowArguments {
    /// How much is shown.
    pub(super) fn detail(&self) -> Detail {
        let is_part = !self.nodes.is_empty() || self.from.is_some() || self.until.is_some();
        let by_part = if is_part { Detail::Notable } else { Detail::Story };
        let all = self.all || !self.kinds.is_empty();
        self.timeline.unwrap_or(if all { Detail::All } else { by_part })
    }

    /// Whether anything was asked for.
    pub(super) fn is_given(&self) -> bool {
        self.timeline.is_some() || self.detail() != Detail::Story
    }

    /// Which entries are asked for.
    pub(super) fn selection(&self) -> Selection {
        Selection { from: self.from, until: self.until, nodes: self.nodes.clone(), kinds: self.kinds.clone() }
    }

    /// Refuses times between which nothing is.
    pub(super) fn check_times(&self) -> Result<(), CommandError> {
        match (self.from, self.until) {
            (Some(from), Some(until)) if from > until => {
                Err(CommandError::usage(format!("--from {from} is after --until {until}: nothing is between them")))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a node that is none of these.
    pub(super) fn check_nodes(
        &self,
        known: &BTreeSet<NodeId>,
        names: &Names,
        what: impl Display,
    ) -> Result<(), CommandError> {
        let is_known = |name: &String| known.iter().any(|node| is_called(*node, name, names));
        let Some(absent) = self.nodes.iter().find(|name| !is_known(name)) else { return Ok(()) };
        let known: Vec<String> = known.iter().map(|node| names.name(*node)).collect();
        let known = if known.is_empty() { "no node".to_owned() } else { known.join(", ") };
        Err(CommandError::usage(format!("--node {}: {what} {known}", printable(absent))))
    }

    /// Refuses times that lie outside of a recording.
    pub(super) fn check_span(&self, span: Option<(Instant, Instant)>) -> Result<(), CommandError> {
        match span {
            Some((first, last)) if self.from.is_some_and(|from| from > last) => {
                Err(CommandError::usage(format!("no entry is that late: the first is at {first}, the last at {last}")))
            }
            Some((first, last)) if self.until.is_some_and(|until| until < first) => {
                Err(CommandError::usage(format!("no entry is that early: the first is at {first}, the last at {last}")))
            }
            _ => Ok(()),
        }
    }

    /// The lines that say what is not shown.
    pub(super) fn left_out(&self, left_out: LeftOut) -> String {
        let mut text = String::new();
        if left_out.of_detail > 0 && self.detail() != Detail::None {
            text += &format!("  ({} entries more with --all)\n", grouped(left_out.of_detail));
        }
        if left_out.of_selection > 0 {
            text += &others(left_out.of_selection);
        }
        text
    }
}

/// The line about entries that were not asked for.
pub(super) fn others(count: u64) -> String {
    format!("  ({} entries of other nodes, times or kinds)\n", grouped(count))
}

fn parse_time(text: &str) -> Result<Instant, splitbrain_kernel::time::DurationError> {
    Duration::parse(text).map(|span| Instant::ZERO.saturating_add(span))
}

fn parse_kind(text: &str) -> Result<EntryKind, String> {
    let found = EntryKind::ALL.into_iter().find(|kind| kind.name() == text);
    let known = || EntryKind::ALL.map(EntryKind::name).join(", ");
    found.ok_or_else(|| format!("expected one of {}", known()))
}
