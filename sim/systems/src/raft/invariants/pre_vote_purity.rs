//! Pre-votes change nothing at the voter (Raft thesis §9.6; hashicorp #609; reference S18): whatever a server answers
//! to
//! a pre-vote, its term, vote, role, leader, election timer and contact with a leader stay as they are.

use crate::raft::message::Payload;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::Instant;

use crate::raft::ids::Term;
use crate::raft::state::Server;

use super::index::PRE_VOTE_PURITY;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    group: "raft",
    name: "pre_vote_purity",
    doc: "Answering a pre-vote changes neither term, vote, role, leader, election timer nor contact of the voter.",
    source: "Raft thesis §9.6; hashicorp/raft #609",
    kind: InvariantKind::Safety,
    sight: Sight::WhiteBox,
};

/// What a pre-vote must leave as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Face {
    term: Term,
    voted_for: Option<NodeId>,
    role: &'static str,
    leader: Option<NodeId>,
    timer_started_at: Instant,
    contact_at: Option<Instant>,
    heartbeat_seen: bool,
}

impl Face {
    pub(super) fn of<C: Payload>(server: &Server<C>) -> Self {
        Self {
            term: server.term(),
            voted_for: server.voted_for(),
            role: server.role().name(),
            leader: server.leader(),
            timer_started_at: server.timer_started_at(),
            contact_at: server.contact_at(),
            heartbeat_seen: server.heartbeat_seen(),
        }
    }

    /// What differs, in words.
    fn difference(&self, after: &Self) -> String {
        let name = |node: Option<NodeId>| node.map_or_else(|| "nobody".to_owned(), |node| node.to_string());
        let changes = [
            (self.term != after.term).then(|| format!("term {} became {}", self.term, after.term)),
            (self.voted_for != after.voted_for)
                .then(|| format!("vote for {} became one for {}", name(self.voted_for), name(after.voted_for))),
            (self.role != after.role).then(|| format!("role {} became {}", self.role, after.role)),
            (self.leader != after.leader)
                .then(|| format!("leader {} became {}", name(self.leader), name(after.leader))),
            (self.timer_started_at != after.timer_started_at)
                .then(|| format!("election timer started again at {:?} of its clock", after.timer_started_at)),
            ((self.contact_at, self.heartbeat_seen) != (after.contact_at, after.heartbeat_seen))
                .then(|| "last contact with a leader moved".to_owned()),
        ];
        changes.into_iter().flatten().collect::<Vec<_>>().join(", its ")
    }
}

/// A pre-vote was handled.
pub(super) fn unchanged(voter: NodeId, candidate: NodeId, before: &Face, after: &Face, findings: &mut Findings) {
    findings.check(PRE_VOTE_PURITY, Some(voter), before == after, || {
        format!("{voter} answered a pre-vote of {candidate}; its {}", before.difference(after))
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, millis, s};
    use super::*;

    const BEFORE: Face = Face {
        term: Term(4),
        voted_for: None,
        role: "follower",
        leader: Some(NodeId::server(2)),
        timer_started_at: Instant::ZERO,
        contact_at: Some(Instant::ZERO),
        heartbeat_seen: true,
    };

    fn facts(after: Face) -> String {
        let mut findings = all_on();
        unchanged(s(1), s(3), &BEFORE, &after, &mut findings);
        broken(&findings).1.to_owned()
    }

    #[test]
    fn an_answer_that_changes_nothing_is_right() {
        let mut findings = all_on();
        unchanged(s(1), s(3), &BEFORE, &BEFORE, &mut findings);
        assert!(!findings.is_broken());
        assert_eq!(findings.evaluated()[PRE_VOTE_PURITY], 1);
    }

    #[test]
    fn each_change_is_found_and_named() {
        let term = Face { term: Term(5), voted_for: Some(s(3)), ..BEFORE };
        assert_eq!(
            facts(term),
            "s1 answered a pre-vote of s3; its term 4 became 5, its vote for nobody became one for s3"
        );
        assert!(facts(Face { role: "leader", ..BEFORE }).contains("role follower became leader"));
        assert!(facts(Face { leader: None, ..BEFORE }).contains("leader s2 became nobody"));
        assert!(facts(Face { timer_started_at: millis(3), ..BEFORE }).contains("timer started again at 3ms"));
        assert!(facts(Face { contact_at: None, ..BEFORE }).contains("contact"));
        assert!(facts(Face { heartbeat_seen: false, ..BEFORE }).contains("contact"));
    }
}
