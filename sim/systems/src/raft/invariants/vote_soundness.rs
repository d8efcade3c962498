//! Vote soundness (Raft §5.4.1): a server votes only for a candidate whose log is at least as up to date
//! as its own, and only if that candidate asked for it; and a candidate's request tells the truth about its log.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::raft::facts::{Fact, RoleKind, ServerFacts};
use crate::raft::ids::{Position, Term};

use super::frame::slot;
use super::index::VOTE_SOUNDNESS;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "vote_soundness",
    doc: "A vote goes only to a candidate whose log is as up to date as the voter's, and requests tell the truth.",
    source: "Raft §5.4.1",
    kind: InvariantKind::Safety,
    sight: Sight::WhiteBox,
};

/// The latest request of each candidate that reached each voter: by slot of the voter, then of the candidate.
#[derive(Clone, Debug)]
pub(super) struct Requests {
    servers: usize,
    latest: Vec<Request>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Request {
    term: Term,
    last: Fact<Position>,
}

impl Requests {
    pub(super) fn new(servers: usize) -> Self {
        Self { servers, latest: vec![Request::default(); servers * servers] }
    }

    const fn place(&self, voter: NodeId, candidate: NodeId) -> usize {
        slot(voter) * self.servers + slot(candidate)
    }

    /// A server is about to handle a request.
    pub(super) fn ask(&mut self, voter: NodeId, candidate: NodeId, term: Term, last: Fact<Position>) {
        let place = self.place(voter, candidate);
        let latest = &mut self.latest[place];
        // An older one may be overtaken.
        if term >= latest.term {
            *latest = Request { term, last };
        }
    }

    /// A server has granted its vote; `own` is the last entry of its log.
    pub(super) fn grant(
        &self,
        voter: NodeId,
        candidate: NodeId,
        term: Term,
        own: Fact<Position>,
        findings: &mut Findings,
    ) {
        let request = self.latest[self.place(voter, candidate)];
        if request.term < term {
            return findings.check(VOTE_SOUNDNESS, Some(voter), false, || {
                format!("{voter} voted for {candidate} in term {term}, in which it was not asked for a vote")
            });
        }
        let (Some(theirs), Some(own), true) = (request.last, own, request.term == term) else {
            return findings.lacks(VOTE_SOUNDNESS);
        };
        findings.check(VOTE_SOUNDNESS, Some(voter), own <= theirs, || {
            format!(
                "{voter} voted for {candidate} in term {term}, whose log ends with {theirs}; its own ends with {own}"
            )
        });
    }
}

/// A candidate's request leaves. It may have stepped down while its vote for itself was on its way to the disk.
pub(super) fn request_is_true(
    node: NodeId,
    candidate: &ServerFacts,
    term: Term,
    told: Fact<Position>,
    findings: &mut Findings,
) {
    if candidate.term != term || candidate.role != RoleKind::Candidate {
        return;
    }
    let (Some(told), Some(last)) = (told, candidate.last) else { return findings.lacks(VOTE_SOUNDNESS) };
    // While the request waited for the disk, a snapshot may have taken the place of the log.
    let is_older = candidate.base == Some(last) && told < last;
    findings.check(VOTE_SOUNDNESS, Some(node), told == last || is_older, || {
        format!("{node} asks for votes in term {term} with a log that ends with {told}; its log ends with {last}")
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, s};
    use super::*;
    use crate::raft::ids::Index;

    fn at(term: u64, index: u64) -> Position {
        Position { term: Term(term), index: Index(index) }
    }

    fn asked(last: Position) -> Requests {
        let mut requests = Requests::new(3);
        requests.ask(s(1), s(2), Term(5), Some(last));
        requests
    }

    #[test]
    fn a_vote_for_a_log_as_good_is_right() {
        let mut findings = all_on();
        asked(at(3, 4)).grant(s(1), s(2), Term(5), Some(at(3, 4)), &mut findings);
        asked(at(3, 4)).grant(s(1), s(2), Term(5), Some(at(2, 9)), &mut findings);
        assert!(!findings.is_broken());
        assert_eq!(findings.evaluated()[VOTE_SOUNDNESS], 2);
    }

    #[test]
    fn a_vote_for_a_log_that_is_behind_is_found() {
        let mut findings = all_on();
        asked(at(3, 4)).grant(s(1), s(2), Term(5), Some(at(3, 5)), &mut findings);
        let facts = "s1 voted for s2 in term 5, whose log ends with 4@3; its own ends with 5@3";
        assert_eq!(broken(&findings), (VOTE_SOUNDNESS, facts));
    }

    #[test]
    fn a_longer_log_of_an_earlier_term_is_behind() {
        let mut findings = all_on();
        asked(at(2, 9)).grant(s(1), s(2), Term(5), Some(at(3, 4)), &mut findings);
        assert!(findings.is_broken());
    }

    #[test]
    fn a_vote_that_was_not_asked_for_is_found() {
        let mut findings = all_on();
        asked(at(3, 4)).grant(s(1), s(2), Term(6), Some(at(1, 1)), &mut findings);
        let facts = "s1 voted for s2 in term 6, in which it was not asked for a vote";
        assert_eq!(broken(&findings), (VOTE_SOUNDNESS, facts));
        let mut findings = all_on();
        asked(at(3, 4)).grant(s(1), s(3), Term(5), Some(at(1, 1)), &mut findings);
        assert!(findings.is_broken());
    }

    #[test]
    fn what_is_not_known_of_a_log_is_not_evaluated() {
        let mut findings = all_on();
        let mut requests = asked(at(3, 4));
        requests.grant(s(1), s(2), Term(5), None, &mut findings);
        requests.ask(s(1), s(2), Term(6), None);
        requests.grant(s(1), s(2), Term(6), Some(at(3, 9)), &mut findings);
        // A later request has come since: what the earlier one said is gone.
        requests.grant(s(1), s(2), Term(5), Some(at(3, 9)), &mut findings);
        assert!(!findings.is_broken());
        assert_eq!((findings.evaluated()[VOTE_SOUNDNESS], findings.lacking()[VOTE_SOUNDNESS]), (0, 3));
    }

    #[test]
    fn an_older_request_that_was_overtaken_changes_nothing() {
        let (mut requests, mut findings) = (asked(at(3, 4)), all_on());
        requests.ask(s(1), s(2), Term(4), Some(at(1, 1)));
        requests.grant(s(1), s(2), Term(5), Some(at(3, 4)), &mut findings);
        assert!(!findings.is_broken());
    }

    #[test]
    fn a_request_must_tell_the_truth_while_its_sender_campaigns() {
        let candidate = |role| ServerFacts { last: Some(at(3, 4)), ..ServerFacts::new(role, Term(5)) };
        let (standing, following) = (candidate(RoleKind::Candidate), candidate(RoleKind::Follower));
        let mut findings = all_on();
        request_is_true(s(1), &standing, Term(5), Some(at(3, 4)), &mut findings);
        request_is_true(s(1), &following, Term(5), Some(at(4, 4)), &mut findings);
        request_is_true(s(1), &standing, Term(4), Some(at(4, 4)), &mut findings);
        request_is_true(s(1), &standing, Term(5), None, &mut findings);
        assert!(!findings.is_broken());
        assert_eq!((findings.evaluated()[VOTE_SOUNDNESS], findings.lacking()[VOTE_SOUNDNESS]), (1, 1));
        let installed = ServerFacts { base: Some(at(3, 4)), ..standing };
        request_is_true(s(1), &installed, Term(5), Some(at(2, 9)), &mut findings);
        assert!(!findings.is_broken(), "a snapshot came while the request waited");
        request_is_true(s(1), &standing, Term(5), Some(at(4, 4)), &mut findings);
        let facts = "s1 asks for votes in term 5 with a log that ends with 4@4; its log ends with 4@3";
        assert_eq!(broken(&findings), (VOTE_SOUNDNESS, facts));
    }
}
