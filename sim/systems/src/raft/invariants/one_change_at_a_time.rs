//! One change of the membership at a time (thesis §4.1; Raft §6): a leader appends a configuration only when the one
//! before it in its log is committed. So a joint configuration is left only once it is committed, too.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::raft::ids::{Index, Position};

use super::index::ONE_CHANGE_AT_A_TIME;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "one_change_at_a_time",
    doc: "A leader appends a configuration only when it has committed the one before.",
    source: "Raft thesis §4.1; camunda #60086, etcd #12582",
    kind: InvariantKind::Safety,
    sight: Sight::WhiteBox,
};

/// A leader that has committed this much appends a configuration; the last one in its log is at `before`.
pub(super) fn append(leader: NodeId, at: Position, before: Index, committed: Index, findings: &mut Findings) {
    findings.check(ONE_CHANGE_AT_A_TIME, Some(leader), before <= committed, || {
        format!("{leader} appends a configuration at {at}, behind one at {before}; it has committed {committed}")
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, s};
    use super::*;
    use crate::raft::ids::Term;

    const AT: Position = Position { term: Term(2), index: Index(7) };

    #[test]
    fn a_change_behind_a_committed_one_is_right() {
        let mut findings = all_on();
        append(s(1), AT, Index(5), Index(5), &mut findings);
        append(s(1), AT, Index::ZERO, Index(3), &mut findings);
        assert!(!findings.is_broken());
    }

    #[test]
    fn a_change_behind_one_that_is_not_committed_is_found() {
        let mut findings = all_on();
        append(s(1), AT, Index(6), Index(5), &mut findings);
        let facts = "s1 appends a configuration at 7@2, behind one at 6; it has committed 5";
        assert_eq!(broken(&findings), (ONE_CHANGE_AT_A_TIME, facts));
    }
}
