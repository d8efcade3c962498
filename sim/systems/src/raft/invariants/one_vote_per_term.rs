//! One vote a term (Raft §5.2): a server gives its vote of a term to one candidate only, across crashes.
//!
//! Seen in what leaves a server: a granting reply is a vote, and a candidate's request is its vote for itself.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::Instant;

use crate::raft::ids::Term;

use super::frame::slot;
use super::index::ONE_VOTE_PER_TERM;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "one_vote_per_term",
    doc: "A server votes for at most one candidate in a term, its vote for itself counted, across crashes.",
    source: "Raft §5.2",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// The last vote of each server, by slot. A server's terms only grow, so older votes cannot be contradicted.
#[derive(Clone, Debug)]
pub(super) struct VotesGiven(Vec<Option<Vote>>);

#[derive(Clone, Copy, Debug)]
struct Vote {
    term: Term,
    candidate: NodeId,
    at: Instant,
}

impl VotesGiven {
    pub(super) fn new(server_count: usize) -> Self {
        Self(vec![None; server_count])
    }

    /// A server is another one from now on, with the name of one that was removed.
    pub(super) fn renew(&mut self, server: NodeId) {
        self.0[slot(server)] = None;
    }

    /// A vote leaves a server.
    pub(super) fn cast(&mut self, voter: NodeId, term: Term, candidate: NodeId, at: Instant, findings: &mut Findings) {
        let last = &mut self.0[slot(voter)];
        match *last {
            Some(first) if first.term == term => {
                findings.check(ONE_VOTE_PER_TERM, Some(voter), first.candidate == candidate, || {
                    let (one, before) = (first.candidate, first.at);
                    format!(
                        "{voter} voted for {one} in term {term} at {before}; \
                         it voted for {candidate} in term {term} at {at}"
                    )
                });
            }
            Some(first) if first.term > term => {}
            _ => {
                *last = Some(Vote { term, candidate, at });
                findings.check(ONE_VOTE_PER_TERM, Some(voter), true, String::new);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, millis, s};
    use super::*;

    #[test]
    fn a_vote_may_be_repeated_and_given_anew_in_a_later_term() {
        let (mut votes, mut findings) = (VotesGiven::new(3), all_on());
        votes.cast(s(1), Term(2), s(2), millis(10), &mut findings);
        votes.cast(s(1), Term(2), s(2), millis(12), &mut findings);
        votes.cast(s(1), Term(3), s(3), millis(20), &mut findings);
        votes.cast(s(3), Term(3), s(3), millis(20), &mut findings);
        assert!(!findings.is_broken());
        assert_eq!(findings.evaluated()[ONE_VOTE_PER_TERM], 4);
    }

    #[test]
    fn a_second_candidate_in_a_term_is_found() {
        let (mut votes, mut findings) = (VotesGiven::new(3), all_on());
        votes.cast(s(1), Term(2), s(1), millis(10), &mut findings);
        votes.cast(s(1), Term(2), s(3), millis(45), &mut findings);
        let (index, facts) = broken(&findings);
        assert_eq!(index, ONE_VOTE_PER_TERM);
        assert_eq!(facts, "s1 voted for s1 in term 2 at 0.010000s; it voted for s3 in term 2 at 0.045000s");
    }
}
