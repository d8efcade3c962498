//! The story of a run: of all that happened, what a person reads first.
//!
//! - Faults with their ends, starts after the first, exits, violations and the settle phase are told always: each is a
//!   turn of the story.
//! - What a node says of itself is told when its role has changed since its last line, and once for each name between
//!   two turns.
//! - Everything else notable is counted, and the count stands where it was left out.

use std::collections::{BTreeMap, BTreeSet};

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::time::Instant;

use crate::engine::{Entry, EntryKind};
use crate::text::{grouped, printable};

/// Names that one count tells; further ones are counted together.
const NAMES_MAX: usize = 8;

/// What was told, and what was left out since.
#[derive(Clone, Debug, Default)]
pub(super) struct Story {
    /// The role of each node in its last line.
    roles: BTreeMap<NodeId, Option<String>>,
    /// What each node has said since the last turn.
    said: BTreeSet<(Option<NodeId>, String)>,
    /// How often each name was left out since the last line.
    left_out: BTreeMap<String, u64>,
}

impl Story {
    /// Whether the story needs this entry, which is notable. What it does not need is counted.
    pub(super) fn tells(&mut self, entry: &Entry) -> bool {
        if entry.kind == EntryKind::Start && entry.at == Instant::ZERO {
            // So begins every run.
            return false;
        }
        let is_told = match entry.kind {
            EntryKind::Observed => self.is_news(entry),
            EntryKind::Invoked | EntryKind::Completed => false,
            _ => true,
        };
        if is_told {
            if !matches!(entry.kind, EntryKind::Observed | EntryKind::Logged) {
                self.said.clear();
            }
            if let Some(node) = entry.node {
                self.roles.insert(node, entry.role.clone());
            }
        } else {
            *self.left_out.entry(name_of(entry)).or_default() += 1;
        }
        is_told
    }

    fn is_news(&mut self, entry: &Entry) -> bool {
        let is_first = self.said.insert((entry.node, entry.name.clone()));
        let has_role = |node| self.roles.get(&node).is_none_or(|last| *last != entry.role);
        is_first || entry.node.is_some_and(has_role)
    }

    /// The line that counts what was left out since the last one, if anything was.
    pub(super) fn count(&mut self) -> Option<String> {
        let left_out = std::mem::take(&mut self.left_out);
        if left_out.is_empty() {
            return None;
        }
        let line = |(name, count): (&String, &u64)| format!("{} {name}", grouped(*count));
        let mut parts: Vec<String> = left_out.iter().take(NAMES_MAX).map(line).collect();
        let more: u64 = left_out.values().skip(NAMES_MAX).sum();
        if more > 0 {
            parts.push(format!("{} of other names", grouped(more)));
        }
        Some(printable(&format!("{:>14}  {}", "…", parts.join(", "))))
    }
}

/// What an entry is counted under.
fn name_of(entry: &Entry) -> String {
    match entry.kind {
        EntryKind::Invoked => "operations began".to_owned(),
        EntryKind::Completed => "operations ended".to_owned(),
        _ => entry.name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(at: u64, kind: EntryKind, node: u16, role: &str, name: &str) -> Entry {
        let node = (node > 0).then(|| NodeId::server(node));
        let role = (!role.is_empty()).then(|| role.to_owned());
        Entry { at: Instant::from_nanos(at), node, role, ..Entry::new(kind, name, "") }
    }

    /// The entries that are told, by their place, and the counts between them.
    fn told(entries: &[Entry]) -> Vec<String> {
        let mut story = Story::default();
        let mut lines = Vec::new();
        for (place, entry) in entries.iter().enumerate() {
            if story.tells(entry) {
                // What was left out before it; it is told itself.
                lines.extend(story.count().map(|line| line.trim().to_owned()));
                lines.push(format!("{place} {}", entry.name));
            }
        }
        lines.extend(story.count().map(|line| line.trim().to_owned()));
        lines
    }

    #[test]
    fn repetitions_are_counted_and_roles_are_told() {
        use EntryKind::{Fault, Observed, Start, Violated};
        let entries = [
            entry(0, Start, 1, "", "start"),
            entry(5, Observed, 1, "follower", "candidate"),
            entry(6, Observed, 1, "candidate", "leader"),
            entry(7, Observed, 1, "leader", "committed"),
            entry(8, Observed, 1, "leader", "committed"),
            entry(9, Observed, 1, "leader", "committed"),
            entry(10, Fault, 0, "", "cut"),
            entry(11, Observed, 1, "leader", "committed"),
            entry(12, Start, 1, "leader", "start"),
            entry(13, Observed, 1, "", "candidate"),
            entry(14, Observed, 1, "candidate", "leader"),
            entry(15, Observed, 1, "leader", "candidate"),
            entry(16, Observed, 1, "candidate", "leader"),
            entry(17, Violated, 1, "leader", "safety"),
        ];
        let expected = [
            "1 candidate",
            "2 leader",
            "3 committed",
            "…  2 committed",
            "6 cut",
            "7 committed",
            "8 start",
            "9 candidate",
            "10 leader",
            "11 candidate",
            "12 leader",
            "13 safety",
        ];
        assert_eq!(told(&entries), expected);
    }

    #[test]
    fn operations_are_counted() {
        use EntryKind::{Completed, Invoked, Lifted};
        let entries = [
            entry(1, Invoked, 1, "", "put 1"),
            entry(2, Completed, 1, "", "ok"),
            entry(3, Invoked, 1, "", "put 2"),
            entry(4, Lifted, 0, "", "cut"),
        ];
        assert_eq!(told(&entries), ["…  2 operations began, 1 operations ended", "3 cut"]);
    }

    #[test]
    fn a_count_is_one_line_whatever_the_names_are() {
        let mut story = Story::default();
        let names = (0..20).map(|index| format!("n{index}\n\u{1b}"));
        for name in names {
            let twice = entry(1, EntryKind::Observed, 1, "", &name);
            assert!(story.tells(&twice) && !story.tells(&twice));
        }
        let line = story.count().expect("twenty were left out");
        assert!(line.ends_with("12 of other names") && !line.chars().any(char::is_control), "{line}");
        assert_eq!(story.count(), None);
    }
}
