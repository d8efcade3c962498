//! Log Matching (Raft §5.3; ccfraft `LogInv`): two logs that have an entry of the same place and term agree in it and
//! in everything before it; and entries of a term are created by its leader alone, one behind the other.
//!
//! Each entry is compared as a server writes it: it is the one that the leader of its term wrote there, and the entry
//! before it has the same term as at the leader. What comes before that was compared when it was written. A log whose
//! front is covered by a snapshot is compared from the entry behind it, whose predecessor is the snapshot's last.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::raft::facts::Fact;
use crate::raft::ids::{Index, Position, Term};

use super::index::LOG_MATCHING;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "log_matching",
    doc: "Logs with an entry of the same place and term agree up to it, and only the term's leader creates entries.",
    source: "Raft §5.3; ccfraft LogInv",
    kind: InvariantKind::Safety,
    sight: Sight::WhiteBox,
};

/// The entries that were ever created, by term.
#[derive(Clone, Debug)]
pub(super) struct Created<E>(BTreeMap<Term, Run<E>>);

/// The entries of one term, one behind the other.
#[derive(Clone, Debug)]
struct Run<E> {
    leader: NodeId,
    first: Index,
    /// The term of the entry before the first.
    before: Fact<Term>,
    entries: VecDeque<E>,
    /// Whether the front of the term is forgotten: no server can be sent it any more.
    is_cut: bool,
}

impl<E: Clone + Debug + PartialEq> Created<E> {
    pub(super) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Every server has this place behind it: it is gone from all of their logs.
    pub(super) fn forget_before(&mut self, index: Index) {
        for run in self.0.values_mut() {
            let count = usize::try_from(index.0.saturating_sub(run.first.0)).unwrap_or(usize::MAX);
            let count = count.min(run.entries.len());
            run.entries.drain(..count);
            run.first.0 += count as u64;
            run.is_cut |= count > 0;
        }
    }

    /// A server writes an entry behind one of term `before`; `leads` is the term that it leads.
    pub(super) fn write(
        &mut self,
        server: NodeId,
        leads: Option<Term>,
        at: Position,
        before: Fact<Term>,
        entry: &E,
        findings: &mut Findings,
    ) {
        let creates = leads == Some(at.term);
        let run = self.0.entry(at.term).or_insert_with(|| Run {
            leader: server,
            first: at.index,
            before,
            entries: VecDeque::new(),
            is_cut: false,
        });
        if run.is_cut && at.index < run.first {
            return;
        }
        let place = at.index.0.checked_sub(run.first.0).and_then(|place| usize::try_from(place).ok());
        let len = run.entries.len();
        if place == Some(len) && creates {
            run.entries.push_back(entry.clone());
        }
        let leader = run.leader;
        let theirs = place.and_then(|place| run.entries.get(place));
        findings.check(LOG_MATCHING, Some(server), theirs == Some(entry), || match theirs {
            Some(theirs) => format!("{server} writes {entry:?} as {at}; {leader} had created {theirs:?} there"),
            None => format!("{server} writes {entry:?} as {at}, which no leader of term {} has created", at.term),
        });
        let expected = if place == Some(0) && !run.is_cut { run.before } else { Some(at.term) };
        if let (Some(before), Some(expected)) = (before, expected) {
            findings.check(LOG_MATCHING, Some(server), before == expected, || {
                format!(
                    "{server} writes {at} behind an entry of term {before}; \
                     at {leader} it follows one of term {expected}"
                )
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, s};
    use super::*;

    const fn at(term: u64, index: u64) -> Position {
        Position { term: Term(term), index: Index(index) }
    }

    struct Logs {
        created: Created<u64>,
        findings: Findings,
    }

    impl Logs {
        /// `s1` leads term 2 and has created places 5 and 6, behind an entry of term 1.
        fn of_term_2() -> Self {
            let mut logs = Self { created: Created::new(), findings: all_on() };
            logs.lead(at(2, 5), 1, 50);
            logs.lead(at(2, 6), 2, 60);
            logs
        }

        fn lead(&mut self, at: Position, before: u64, entry: u64) {
            let leads = Some(at.term);
            self.created.write(s(1), leads, at, Some(Term(before)), &entry, &mut self.findings);
        }

        fn follow(&mut self, at: Position, before: u64, entry: u64) -> bool {
            self.created.write(s(2), None, at, Some(Term(before)), &entry, &mut self.findings);
            self.findings.is_broken()
        }
    }

    #[test]
    fn a_follower_that_writes_what_its_leader_created_is_right() {
        let mut logs = Logs::of_term_2();
        assert!(!logs.follow(at(2, 5), 1, 50));
        assert!(!logs.follow(at(2, 6), 2, 60));
        assert!(!logs.follow(at(2, 6), 2, 60), "again, after it was cut off");
        assert_eq!(logs.findings.evaluated()[LOG_MATCHING], 10);
    }

    #[test]
    fn another_entry_under_the_same_name_is_found() {
        let mut logs = Logs::of_term_2();
        assert!(logs.follow(at(2, 5), 1, 51));
        assert_eq!(broken(&logs.findings), (LOG_MATCHING, "s2 writes 51 as 5@2; s1 had created 50 there"));
    }

    #[test]
    fn another_entry_before_it_is_found() {
        let mut logs = Logs::of_term_2();
        assert!(logs.follow(at(2, 6), 1, 60));
        let facts = "s2 writes 6@2 behind an entry of term 1; at s1 it follows one of term 2";
        assert_eq!(broken(&logs.findings).1, facts);
        assert!(Logs::of_term_2().follow(at(2, 5), 0, 50));
    }

    #[test]
    fn an_entry_that_no_leader_created_is_found() {
        let mut logs = Logs::of_term_2();
        assert!(logs.follow(at(2, 7), 2, 70));
        assert_eq!(broken(&logs.findings).1, "s2 writes 70 as 7@2, which no leader of term 2 has created");
        assert!(Logs::of_term_2().follow(at(3, 7), 2, 70));
        assert!(Logs::of_term_2().follow(at(2, 4), 1, 40));
    }

    #[test]
    fn what_no_server_can_be_sent_any_more_is_forgotten_and_the_rest_is_kept() {
        let mut logs = Logs::of_term_2();
        logs.created.forget_before(Index(6));
        assert!(!logs.follow(at(2, 5), 1, 51), "nobody knows any more");
        assert!(!logs.follow(at(2, 6), 2, 60));
        logs.lead(at(2, 7), 2, 70);
        assert!(!logs.findings.is_broken());
        assert!(logs.follow(at(2, 7), 2, 71));
    }

    #[test]
    fn what_comes_before_a_snapshot_is_not_asked() {
        let mut logs = Logs::of_term_2();
        let Logs { created, findings } = &mut logs;
        created.write(s(3), None, at(2, 6), None, &60, findings);
        assert!(!findings.is_broken());
    }
}
