//! Elected by a quorum (Raft §5.2; reference S14): who is elected has the votes of a quorum of distinct voters, given
//! in
//! that very term.
//!
//! Seen from outside: the votes are the granting replies that have left, each voter counted once, and the leader's own.
//! A custom election quorum takes the place of a majority, and 1 where one of two servers took itself for a quorum.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::raft::ids::{ServerSet, Term};

use super::frame::{Frame, slot};
use super::index::ELECTED_BY_QUORUM;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    group: "raft",
    name: "elected_by_quorum",
    doc: "Who is elected has been given the votes of a quorum of distinct voters in that term.",
    source: "Raft §5.2",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// The votes that each candidate was given in its latest term, by slot; and who took itself for a quorum.
#[derive(Clone, Debug)]
pub(super) struct Supporters {
    given: Vec<(Term, ServerSet)>,
    adjusted: ServerSet,
}

impl Supporters {
    pub(super) fn new(server_count: usize) -> Self {
        Self { given: vec![(Term::ZERO, ServerSet::EMPTY); server_count], adjusted: ServerSet::EMPTY }
    }

    /// A vote leaves a voter.
    pub(super) fn vote(&mut self, voter: NodeId, term: Term, candidate: NodeId) {
        let (latest, voters) = &mut self.given[slot(candidate)];
        if term > *latest {
            (*latest, *voters) = (term, ServerSet::EMPTY);
        }
        if term == *latest {
            voters.insert(voter);
        }
    }

    /// One of two servers takes itself for a quorum, or no longer.
    pub(super) fn adjust(&mut self, server: NodeId, adjusted: bool) {
        if adjusted {
            self.adjusted.insert(server);
        } else {
            self.adjusted.remove(server);
        }
    }

    /// A server is elected.
    pub(super) fn elect(&self, frame: &Frame, leader: NodeId, term: Term, findings: &mut Findings) {
        let (latest, given) = self.given[slot(leader)];
        let mut voters = if latest == term { given } else { ServerSet::EMPTY };
        voters.insert(leader);
        let voters = voters.intersection(frame.voters);
        let quorum = if self.adjusted.contains(leader) { 1 } else { frame.rules(leader).election_quorum };
        findings.check(ELECTED_BY_QUORUM, Some(leader), voters.len() >= quorum, || {
            format!("{leader} became leader of term {term}, which takes {quorum} votes; only {voters:?} voted for it")
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, frame, s};
    use super::*;
    use crate::raft::options::RaftOptions;
    use crate::raft::presets;

    fn elect(votes: &[(u16, u64)], options: RaftOptions) -> Findings {
        let (mut supporters, mut findings) = (Supporters::new(5), all_on());
        for (voter, term) in votes {
            supporters.vote(s(*voter), Term(*term), s(1));
        }
        supporters.elect(&frame(5, options), s(1), Term(7), &mut findings);
        findings
    }

    #[test]
    fn a_quorum_with_the_own_vote_elects() {
        assert!(!elect(&[(2, 7), (3, 7)], presets::paper()).is_broken());
    }

    #[test]
    fn a_vote_that_came_twice_counts_once() {
        let findings = elect(&[(2, 7), (2, 7)], presets::paper());
        let facts = "s1 became leader of term 7, which takes 3 votes; only {s1, s2} voted for it";
        assert_eq!(broken(&findings), (ELECTED_BY_QUORUM, facts));
    }

    #[test]
    fn votes_of_an_older_term_count_nothing() {
        assert!(elect(&[(2, 6), (3, 6), (2, 7)], presets::paper()).is_broken());
        assert!(elect(&[(2, 6), (3, 6)], presets::paper()).is_broken());
    }

    #[test]
    fn a_custom_quorum_takes_the_place_of_a_majority() {
        let custom = |size| RaftOptions { election_quorum: size, ..presets::nuraft() };
        assert!(!elect(&[(2, 7)], custom(2)).is_broken());
        assert!(elect(&[(2, 7), (3, 7)], custom(4)).is_broken());
    }

    #[test]
    fn who_took_itself_for_a_quorum_needs_nobody_else() {
        let (mut supporters, mut findings) = (Supporters::new(2), all_on());
        supporters.adjust(s(1), true);
        supporters.elect(&frame(2, presets::nuraft()), s(1), Term(7), &mut findings);
        assert!(!findings.is_broken());
        supporters.adjust(s(1), false);
        supporters.elect(&frame(2, presets::nuraft()), s(1), Term(8), &mut findings);
        assert!(findings.is_broken());
    }
}
