//! A leader that is no voter of a configuration leads until that is committed, and no longer (Raft §6): before it,
//! no other server may be able to commit it; after it, the leader is no part of the cluster.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use super::configurations::Placed;
use super::index::REMOVED_LEADER_RETIRES;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "removed_leader_retires",
    doc: "A leader that is no voter any more gives up when that is committed, neither before nor later.",
    source: "Raft §6; thesis §4.2.2",
    kind: InvariantKind::Safety,
    sight: Sight::WhiteBox,
};

/// A leader has committed this configuration, and handled what followed from that; `leads` says whether it leads still.
pub(super) fn committed(leader: NodeId, (index, committed): Placed, leads: bool, findings: &mut Findings) {
    let is_over = committed.outgoing.is_empty() && !committed.voters.contains(leader);
    if is_over {
        findings.check(REMOVED_LEADER_RETIRES, Some(leader), !leads, || {
            format!("{leader} has committed {committed} at {index}, where it is no voter, and goes on to lead")
        });
    }
}

/// A leader gives up for its removal; this is the last configuration that it has committed.
pub(super) fn retires(leader: NodeId, (index, committed): Placed, findings: &mut Findings) {
    let may = committed.outgoing.is_empty() && !committed.voters.contains(leader);
    findings.check(REMOVED_LEADER_RETIRES, Some(leader), may, || {
        format!("{leader} gives up as no voter; the last that it has committed is {committed}, at {index}")
    });
}

#[cfg(test)]
mod tests {
    use super::super::configurations::tests::{set, voters};
    use super::super::testing::{all_on, broken, s};
    use super::*;
    use crate::raft::facts::ConfigurationFacts;
    use crate::raft::ids::Index;

    #[test]
    fn a_removed_leader_gives_up_when_its_removal_is_committed() {
        let mut findings = all_on();
        committed(s(1), (Index(7), voters(&[2, 3])), false, &mut findings);
        committed(s(2), (Index(7), voters(&[2, 3])), true, &mut findings);
        retires(s(1), (Index(7), voters(&[2, 3])), &mut findings);
        assert!(!findings.is_broken());
        assert_eq!(findings.evaluated()[REMOVED_LEADER_RETIRES], 2);
    }

    #[test]
    fn one_that_goes_on_is_found() {
        let mut findings = all_on();
        committed(s(1), (Index(7), voters(&[2, 3])), true, &mut findings);
        let facts = "s1 has committed {s2, s3} at 7, where it is no voter, and goes on to lead";
        assert_eq!(broken(&findings), (REMOVED_LEADER_RETIRES, facts));
    }

    #[test]
    fn one_that_gives_up_too_early_is_found() {
        let mut findings = all_on();
        retires(s(1), (Index(2), voters(&[1, 2, 3])), &mut findings);
        let facts = "s1 gives up as no voter; the last that it has committed is {s1, s2, s3}, at 2";
        assert_eq!(broken(&findings), (REMOVED_LEADER_RETIRES, facts));
    }

    #[test]
    fn in_a_joint_configuration_it_is_still_needed() {
        let joint = ConfigurationFacts { outgoing: set(&[1, 2]), ..voters(&[2, 3]) };
        let mut findings = all_on();
        committed(s(1), (Index(7), joint), true, &mut findings);
        assert!(!findings.is_broken());
        retires(s(1), (Index(7), joint), &mut findings);
        assert!(findings.is_broken());
    }
}
