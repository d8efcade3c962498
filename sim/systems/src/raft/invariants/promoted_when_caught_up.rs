//! A learner is promoted once its log is there (thesis §4.2.1; etcd `isLearnerReady`): a voter that lacks much of the
//! log can leave a cluster without a quorum until it has caught up.
//!
//! Asked of the learner's own disk at the moment when the leader appends the configuration. A server that is added as a
//! voter at once is not concerned, nor one whose disk has lost what it had.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::raft::facts::{DurableLog, Fact};
use crate::raft::ids::Position;

use super::index::PROMOTED_WHEN_CAUGHT_UP;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "promoted_when_caught_up",
    doc: "A learner that is promoted lacks at most membership.promotion_gap entries of the leader's log.",
    source: "Raft thesis §4.2.1; etcd isLearnerReady",
    kind: InvariantKind::Safety,
    sight: Sight::WhiteBox,
};

/// A leader appends a configuration in which a learner of the one before votes.
pub(super) fn promote(
    leader: NodeId,
    learner: NodeId,
    at: Position,
    gap: u64,
    log: Fact<DurableLog>,
    findings: &mut Findings,
) {
    let Some(log) = log else { return findings.lacks(PROMOTED_WHEN_CAUGHT_UP) };
    let before = at.index.previous();
    let holds = log.last.0.saturating_add(gap) >= before.0;
    findings.check(PROMOTED_WHEN_CAUGHT_UP, Some(leader), holds, || {
        format!("{leader} promotes {learner} at {at}; the log of {learner} ends at {}, {gap} may be missing", log.last)
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, s};
    use super::*;
    use crate::raft::ids::{Index, Term};

    const AT: Position = Position { term: Term(2), index: Index(21) };

    fn promoted(last: u64, gap: u64) -> Findings {
        let mut findings = all_on();
        let log = DurableLog { base: Index::ZERO, last: Index(last) };
        promote(s(1), s(4), AT, gap, Some(log), &mut findings);
        findings
    }

    #[test]
    fn a_learner_that_has_caught_up_is_right() {
        assert!(!promoted(20, 0).is_broken());
        assert!(!promoted(15, 5).is_broken());
    }

    #[test]
    fn one_that_is_behind_is_found() {
        let findings = promoted(14, 5);
        let facts = "s1 promotes s4 at 21@2; the log of s4 ends at 14, 5 may be missing";
        assert_eq!(broken(&findings), (PROMOTED_WHEN_CAUGHT_UP, facts));
    }

    #[test]
    fn a_disk_that_cannot_be_read_is_not_judged() {
        let mut findings = all_on();
        promote(s(1), s(4), AT, 0, None, &mut findings);
        assert_eq!((findings.is_broken(), findings.lacking()[PROMOTED_WHEN_CAUGHT_UP]), (false, 1));
    }
}
