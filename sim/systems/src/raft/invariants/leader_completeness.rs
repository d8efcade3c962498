//! Leader Completeness (Raft §5.4.3): what is committed in a term is in the log of every leader of a
//! later term.
//!
//! Seen from outside, by the last entry of a leader's log when it was elected: it must be at or after the committed
//! place, with a term that is not earlier. That the entries themselves agree is for [`super::state_machine_safety`].
//! What counts is the term in which a place was *first* committed, and a leader of a later term may have been elected
//! before: an acknowledgement can be on its way while the next election is won.

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::Instant;

use crate::raft::ids::{Index, Position, Term};

use super::election_safety::{ElectedLeaders, Election};
use super::index::LEADER_COMPLETENESS;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "leader_completeness",
    doc: "What is committed in a term is in the log of the leaders of all later terms.",
    source: "Raft §5.4.3; CCF #7970",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// What was first committed in each term.
#[derive(Clone, Debug, Default)]
pub(super) struct Commits {
    highest: Index,
    of: BTreeMap<Term, Commit>,
}

#[derive(Clone, Copy, Debug)]
struct Commit {
    position: Position,
    server: NodeId,
    at: Instant,
}

impl Commits {
    /// A server commits up to here; `leads` is the term that it leads. Who commits first is a leader.
    pub(super) fn commit(
        &mut self,
        server: NodeId,
        leads: Option<Term>,
        position: Position,
        at: Instant,
        elected: &ElectedLeaders,
        findings: &mut Findings,
    ) {
        let Some(term) = leads.filter(|_| position.index > self.highest) else { return };
        self.highest = position.index;
        let commit = Commit { position, server, at };
        self.of.insert(term, commit);
        for (later, election) in elected.after(term) {
            commit.check(term, later, election, findings);
        }
    }

    /// A server is elected.
    pub(super) fn elect(&self, term: Term, election: Election, findings: &mut Findings) {
        if let Some((earlier, commit)) = self.of.range(..term).next_back() {
            commit.check(*earlier, term, election, findings);
        }
    }
}

impl Commit {
    fn check(self, term: Term, later: Term, election: Election, findings: &mut Findings) {
        let Some(have) = election.last else { return findings.lacks(LEADER_COMPLETENESS) };
        let must = self.position;
        let holds = have.index >= must.index && have.term >= must.term;
        findings.check(LEADER_COMPLETENESS, Some(election.leader), holds, || {
            let (leader, elected_at) = (election.leader, election.at);
            let committed = format!("{} committed {must} in term {term} at {}", self.server, self.at);
            format!(
                "{committed}; {leader} became leader of term {later} at {elected_at} with a log that ends with {have}"
            )
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, millis, s};
    use super::*;

    fn at(term: u64, index: u64) -> Position {
        Position { term: Term(term), index: Index(index) }
    }

    fn election(server: u16, last: Position) -> Election {
        Election { leader: s(server), at: millis(500), last: Some(last) }
    }

    fn committed(position: Position) -> Commits {
        let mut commits = Commits::default();
        commits.commit(s(1), Some(Term(2)), position, millis(90), &ElectedLeaders::default(), &mut all_on());
        commits
    }

    #[test]
    fn a_leader_that_has_what_is_committed_is_right() {
        let mut findings = all_on();
        committed(at(2, 5)).elect(Term(3), election(2, at(2, 5)), &mut findings);
        committed(at(2, 5)).elect(Term(4), election(2, at(3, 6)), &mut findings);
        assert!(!findings.is_broken());
        assert_eq!(findings.evaluated()[LEADER_COMPLETENESS], 2);
    }

    #[test]
    fn a_leader_with_a_shorter_or_an_older_log_is_found() {
        let mut findings = all_on();
        committed(at(2, 5)).elect(Term(3), election(2, at(2, 4)), &mut findings);
        let facts = "s1 committed 5@2 in term 2 at 0.090000s; \
                     s2 became leader of term 3 at 0.500000s with a log that ends with 4@2";
        assert_eq!(broken(&findings), (LEADER_COMPLETENESS, facts));
        let mut findings = all_on();
        committed(at(2, 5)).elect(Term(3), election(2, at(1, 9)), &mut findings);
        assert!(findings.is_broken());
    }

    #[test]
    fn a_late_leader_of_an_earlier_term_need_not_have_it() {
        let mut findings = all_on();
        committed(at(2, 5)).elect(Term(1), election(2, at(1, 1)), &mut findings);
        assert!(!findings.is_broken());
    }

    #[test]
    fn a_commit_that_comes_after_the_next_election_is_checked_too() {
        let (mut elected, mut commits, mut findings) = (ElectedLeaders::default(), Commits::default(), all_on());
        elected.elect(Term(3), election(2, at(1, 4)), &mut findings);
        commits.commit(s(1), Some(Term(2)), at(2, 5), millis(600), &elected, &mut findings);
        assert_eq!(broken(&findings).0, LEADER_COMPLETENESS);
    }

    #[test]
    fn followers_repeat_what_is_committed_already() {
        let (mut commits, mut findings) = (committed(at(2, 5)), all_on());
        commits.commit(s(2), None, at(2, 5), millis(95), &ElectedLeaders::default(), &mut findings);
        commits.commit(s(2), Some(Term(4)), at(2, 5), millis(95), &ElectedLeaders::default(), &mut findings);
        commits.elect(Term(3), election(3, at(2, 5)), &mut findings);
        assert!(!findings.is_broken());
    }

    #[test]
    fn a_leader_whose_log_is_not_known_is_not_evaluated() {
        let mut findings = all_on();
        let unknown = Election { leader: s(2), at: millis(500), last: None };
        committed(at(2, 5)).elect(Term(3), unknown, &mut findings);
        assert!(!findings.is_broken());
        assert_eq!((findings.evaluated()[LEADER_COMPLETENESS], findings.lacking()[LEADER_COMPLETENESS]), (0, 1));
    }
}
