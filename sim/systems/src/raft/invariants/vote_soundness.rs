//! Vote soundness (Raft §5.4.1; reference S14): a server votes only for a candidate whose log is at least as up to date
//! as its own, and a candidate's request tells the truth about its log.

use crate::raft::message::Payload;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::raft::ids::{Position, Term};
use crate::raft::message::VoteRequest;
use crate::raft::state::{Role, Server};

use super::frame::slot;
use super::index::VOTE_SOUNDNESS;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    group: "raft",
    name: "vote_soundness",
    doc: "A vote goes only to a candidate whose log is as up to date as the voter's, and requests tell the truth.",
    source: "Raft §5.4.1",
    kind: InvariantKind::Safety,
    sight: Sight::WhiteBox,
};

/// The last request that each server was given, by slot.
#[derive(Clone, Debug)]
pub(super) struct Requests(Vec<Option<(NodeId, VoteRequest)>>);

impl Requests {
    pub(super) fn new(server_count: usize) -> Self {
        Self(vec![None; server_count])
    }

    /// A server is about to handle a request.
    pub(super) fn ask(&mut self, voter: NodeId, candidate: NodeId, request: VoteRequest) {
        self.0[slot(voter)] = Some((candidate, request));
    }

    /// A server has granted its vote; `last` is the last entry of its log.
    pub(super) fn grant(&self, voter: NodeId, candidate: NodeId, term: Term, last: Position, findings: &mut Findings) {
        let Some((asker, request)) = self.0[slot(voter)] else { return };
        if asker != candidate || request.term != term {
            return;
        }
        findings.check(VOTE_SOUNDNESS, Some(voter), last <= request.last, || {
            let theirs = request.last;
            format!(
                "{voter} voted for {candidate} in term {term}, whose log ends with {theirs}; its own ends with {last}"
            )
        });
    }
}

/// A candidate's request leaves. It may have stepped down while its vote for itself was on its way to the disk.
pub(super) fn request_is_true<C: Payload>(candidate: &Server<C>, request: VoteRequest, findings: &mut Findings) {
    let campaigns = candidate.term() == request.term && matches!(candidate.role(), Role::Candidate(_));
    let (node, last) = (candidate.id(), candidate.log().last());
    if campaigns {
        findings.check(VOTE_SOUNDNESS, Some(node), last == request.last, || {
            format!(
                "{node} asks for votes in term {} with a log that ends with {}; its log ends with {last}",
                request.term, request.last
            )
        });
    }
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
        requests.ask(s(1), s(2), VoteRequest { term: Term(5), last });
        requests
    }

    #[test]
    fn a_vote_for_a_log_as_good_is_right() {
        let mut findings = all_on();
        asked(at(3, 4)).grant(s(1), s(2), Term(5), at(3, 4), &mut findings);
        asked(at(3, 4)).grant(s(1), s(2), Term(5), at(2, 9), &mut findings);
        assert!(!findings.is_broken());
        assert_eq!(findings.evaluated()[VOTE_SOUNDNESS], 2);
    }

    #[test]
    fn a_vote_for_a_log_that_is_behind_is_found() {
        let mut findings = all_on();
        asked(at(3, 4)).grant(s(1), s(2), Term(5), at(3, 5), &mut findings);
        let facts = "s1 voted for s2 in term 5, whose log ends with 4@3; its own ends with 5@3";
        assert_eq!(broken(&findings), (VOTE_SOUNDNESS, facts));
    }

    #[test]
    fn a_longer_log_of_an_earlier_term_is_behind() {
        let mut findings = all_on();
        asked(at(2, 9)).grant(s(1), s(2), Term(5), at(3, 4), &mut findings);
        assert!(findings.is_broken());
    }
}
