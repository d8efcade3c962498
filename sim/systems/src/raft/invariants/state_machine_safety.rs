//! State Machine Safety (Raft §5.4.3): no two servers apply different entries at one place, nor does one
//! server, in two of its lives.

use std::collections::VecDeque;
use std::fmt::Debug;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::Instant;

use crate::raft::ids::Index;

use super::index::STATE_MACHINE_SAFETY;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "state_machine_safety",
    doc: "No two servers ever apply different entries at one place of the log.",
    source: "Raft §5.4.3",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// What was applied first at each place. Servers apply in order, so there is no hole.
#[derive(Clone, Debug)]
pub(super) struct AppliedEntries<E> {
    applied: VecDeque<Applied<E>>,
    /// How many places from the first on are forgotten, as no server can apply them any more.
    forgotten: u64,
}

#[derive(Clone, Debug)]
struct Applied<E> {
    entry: E,
    server: NodeId,
    at: Instant,
}

impl<E: Clone + Debug + PartialEq> AppliedEntries<E> {
    pub(super) const fn new() -> Self {
        Self { applied: VecDeque::new(), forgotten: 0 }
    }

    /// The last place that any server has applied.
    pub(super) fn last(&self) -> Index {
        Index(self.forgotten + self.applied.len() as u64)
    }

    /// Every server has this place behind it: it is covered by all of their snapshots.
    pub(super) fn forget_before(&mut self, index: Index) {
        let count = index.0.saturating_sub(self.forgotten).saturating_sub(1);
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(self.applied.len());
        self.applied.drain(..count);
        self.forgotten += count as u64;
    }

    /// What was applied first at a place.
    pub(super) fn get(&self, index: Index) -> Option<&E> {
        let place = usize::try_from(index.0.checked_sub(self.forgotten + 1)?).ok()?;
        self.applied.get(place).map(|first| &first.entry)
    }

    /// What was applied first at each place after this one.
    pub(super) fn after(&self, index: Index) -> impl Iterator<Item = (Index, &E)> {
        let skipped = index.0.max(self.forgotten);
        let count = usize::try_from(skipped - self.forgotten).unwrap_or(usize::MAX);
        (skipped + 1..).map(Index).zip(self.applied.iter().skip(count).map(|first| &first.entry))
    }

    /// A server applies an entry.
    pub(super) fn apply(&mut self, server: NodeId, index: Index, entry: &E, at: Instant, findings: &mut Findings) {
        if index.0 <= self.forgotten {
            return;
        }
        let place = usize::try_from(index.0 - self.forgotten - 1).unwrap_or(usize::MAX);
        if place >= self.applied.len() {
            self.applied.push_back(Applied { entry: entry.clone(), server, at });
        }
        let first = self.applied.get(place);
        let holds = first.is_some_and(|first| first.entry == *entry);
        findings.check(STATE_MACHINE_SAFETY, Some(server), holds, || match first {
            None => format!("{server} applies entry {index} at {at}; nobody has applied the one before it"),
            Some(Applied { entry: theirs, server: other, at: before }) => {
                format!(
                    "{other} applied {theirs:?} at place {index} at {before}; {server} applied {entry:?} there at {at}"
                )
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, millis, s};
    use super::*;
    use crate::raft::ids::Term;
    use crate::raft::message::{Command, Entry};

    const fn set(value: u64) -> Entry<u64> {
        Entry { term: Term(2), command: Command::Set(value) }
    }

    #[test]
    fn equal_entries_are_right_and_so_is_applying_anew_after_a_crash() {
        let (mut applied_entries, mut findings) = (AppliedEntries::new(), all_on());
        for server in [s(1), s(2), s(1)] {
            applied_entries.apply(server, Index(1), &set(7), millis(10), &mut findings);
            applied_entries.apply(server, Index(2), &set(8), millis(11), &mut findings);
        }
        assert!(!findings.is_broken());
        assert_eq!(findings.evaluated()[STATE_MACHINE_SAFETY], 6);
    }

    #[test]
    fn different_entries_at_one_place_are_found() {
        let (mut applied_entries, mut findings) = (AppliedEntries::new(), all_on());
        applied_entries.apply(s(1), Index(1), &set(7), millis(10), &mut findings);
        applied_entries.apply(s(2), Index(1), &set(8), millis(30), &mut findings);
        let (index, facts) = broken(&findings);
        assert_eq!(index, STATE_MACHINE_SAFETY);
        assert!(facts.contains("s1 applied") && facts.contains("s2 applied"), "{facts}");
    }

    #[test]
    fn what_no_server_can_apply_any_more_is_forgotten_and_the_rest_is_kept() {
        let (mut applied_entries, mut findings) = (AppliedEntries::new(), all_on());
        for index in 1..=9 {
            applied_entries.apply(s(1), Index(index), &set(index), millis(10), &mut findings);
        }
        applied_entries.forget_before(Index(6));
        assert_eq!((applied_entries.applied.len(), applied_entries.last()), (4, Index(9)));
        applied_entries.apply(s(2), Index(6), &set(6), millis(20), &mut findings);
        applied_entries.apply(s(2), Index(10), &set(10), millis(20), &mut findings);
        assert!(!findings.is_broken());
        applied_entries.apply(s(3), Index(7), &set(8), millis(20), &mut findings);
        assert!(findings.is_broken());
    }

    #[test]
    fn a_place_that_is_skipped_is_found() {
        let (mut applied_entries, mut findings) = (AppliedEntries::new(), all_on());
        applied_entries.apply(s(1), Index(2), &set(7), millis(10), &mut findings);
        assert!(findings.is_broken());
    }
}
