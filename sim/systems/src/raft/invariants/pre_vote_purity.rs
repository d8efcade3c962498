//! Pre-votes change nothing at the voter (Raft thesis §9.6; hashicorp #609): whatever a server answers
//! to a pre-vote, its term, vote, role, leader, election timer and contact with a leader stay as they are.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::raft::facts::{Fact, RoleKind, ServerFacts, TimerFacts};
use crate::raft::ids::Term;

use super::index::PRE_VOTE_PURITY;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "pre_vote_purity",
    doc: "Answering a pre-vote changes neither term, vote, role, leader, election timer nor contact of the voter.",
    source: "Raft thesis §9.6; hashicorp/raft #609",
    kind: InvariantKind::Safety,
    sight: Sight::WhiteBox,
};

/// What a pre-vote must leave as it is, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct VoterState {
    term: Term,
    role: RoleKind,
    voted_for: Fact<Option<NodeId>>,
    leader: Fact<Option<NodeId>>,
    timer: Fact<TimerFacts>,
}

impl VoterState {
    pub(super) const fn of(server: &ServerFacts) -> Self {
        let ServerFacts { term, role, voted_for, leader, timer, .. } = *server;
        Self { term, role, voted_for, leader, timer }
    }

    /// Whether all of it is known.
    const fn is_whole(&self) -> bool {
        self.voted_for.is_some() && self.leader.is_some() && self.timer.is_some()
    }

    /// What differs, in words.
    fn difference(&self, after: &Self) -> String {
        let name = |node: Fact<Option<NodeId>>| match node.flatten() {
            Some(node) => node.to_string(),
            None => "nobody".to_owned(),
        };
        let started_at = |state: &Self| state.timer.map(|timer| timer.started_at);
        let contact = |state: &Self| state.timer.map(|timer| (timer.contact_at, timer.heartbeat_seen));
        let restarted = started_at(after).filter(|after| Some(*after) != started_at(self));
        let changes = [
            (self.term != after.term).then(|| format!("term {} became {}", self.term, after.term)),
            (self.voted_for != after.voted_for)
                .then(|| format!("vote for {} became one for {}", name(self.voted_for), name(after.voted_for))),
            (self.role != after.role).then(|| format!("role {} became {}", self.role.name(), after.role.name())),
            (self.leader != after.leader)
                .then(|| format!("leader {} became {}", name(self.leader), name(after.leader))),
            restarted.map(|at| format!("election timer started again at {at:?} of its clock")),
            (contact(self) != contact(after)).then(|| "last contact with a leader moved".to_owned()),
        ];
        changes.into_iter().flatten().collect::<Vec<_>>().join(", its ")
    }
}

/// A pre-vote was handled. What is known is checked; if that is not all of it, the rest is not evaluated.
pub(super) fn unchanged(
    voter: NodeId,
    candidate: NodeId,
    before: &VoterState,
    after: &VoterState,
    findings: &mut Findings,
) {
    findings.check(PRE_VOTE_PURITY, Some(voter), before == after, || {
        format!("{voter} answered a pre-vote of {candidate}; its {}", before.difference(after))
    });
    if !before.is_whole() {
        findings.lacks(PRE_VOTE_PURITY);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, millis, s};
    use super::*;
    use splitbrain_kernel::time::Instant;

    const TIMER: TimerFacts =
        TimerFacts { started_at: Instant::ZERO, contact_at: Some(Instant::ZERO), heartbeat_seen: true };
    const BEFORE: VoterState = VoterState {
        term: Term(4),
        role: RoleKind::Follower,
        voted_for: Some(None),
        leader: Some(Some(NodeId::server(2))),
        timer: Some(TIMER),
    };

    fn facts(after: VoterState) -> String {
        let mut findings = all_on();
        unchanged(s(1), s(3), &BEFORE, &after, &mut findings);
        broken(&findings).1.to_owned()
    }

    #[test]
    fn an_answer_that_changes_nothing_is_right() {
        let mut findings = all_on();
        unchanged(s(1), s(3), &BEFORE, &BEFORE, &mut findings);
        assert!(!findings.is_broken());
        assert_eq!((findings.evaluated()[PRE_VOTE_PURITY], findings.lacking()[PRE_VOTE_PURITY]), (1, 0));
    }

    #[test]
    fn what_is_known_is_checked_and_the_rest_is_not_evaluated() {
        let known = VoterState { timer: None, leader: None, ..BEFORE };
        let mut findings = all_on();
        unchanged(s(1), s(3), &known, &known, &mut findings);
        assert!(!findings.is_broken());
        assert_eq!(findings.lacking()[PRE_VOTE_PURITY], 1);
        unchanged(s(1), s(3), &known, &VoterState { term: Term(5), ..known }, &mut findings);
        assert_eq!(broken(&findings).1, "s1 answered a pre-vote of s3; its term 4 became 5");
    }

    #[test]
    fn each_change_is_found_and_named() {
        let timer = |timer| facts(VoterState { timer: Some(timer), ..BEFORE });
        let term = VoterState { term: Term(5), voted_for: Some(Some(s(3))), ..BEFORE };
        assert_eq!(
            facts(term),
            "s1 answered a pre-vote of s3; its term 4 became 5, its vote for nobody became one for s3"
        );
        assert!(facts(VoterState { role: RoleKind::Leader, ..BEFORE }).contains("role follower became leader"));
        assert!(facts(VoterState { leader: Some(None), ..BEFORE }).contains("leader s2 became nobody"));
        assert!(timer(TimerFacts { started_at: millis(3), ..TIMER }).contains("timer started again at 3ms"));
        assert!(timer(TimerFacts { contact_at: None, ..TIMER }).contains("contact"));
        assert!(timer(TimerFacts { heartbeat_seen: false, ..TIMER }).contains("contact"));
    }
}
