//! A configuration takes effect as declared (Raft §6; etcd, NuRaft): a server goes by the last one in its log, or with
//! `membership.configuration_at = "commit"` by the last one that it knows to be committed; also after its log was
//! truncated, after a snapshot took its place, and after a restart.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::raft::facts::{ConfigurationFacts, Fact};

use super::configurations::Placed;
use super::index::CONFIGURATION_IN_FORCE;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "configuration_in_force",
    doc: "A server goes by the last configuration of its log, or the last that it knows to be committed, as declared.",
    source: "Raft §6; thesis §4.1; camunda #57386",
    kind: InvariantKind::Safety,
    sight: Sight::WhiteBox,
};

/// A server has handled something that may have changed its configuration; it ought to go by this one.
pub(super) fn judge(
    server: NodeId,
    goes_by: Fact<ConfigurationFacts>,
    (index, expected): Placed,
    findings: &mut Findings,
) {
    let Some(goes_by) = goes_by else { return findings.lacks(CONFIGURATION_IN_FORCE) };
    findings.check(CONFIGURATION_IN_FORCE, Some(server), goes_by == expected, || {
        format!("{server} goes by {goes_by}; in force for it is {expected}, of place {index}")
    });
}

#[cfg(test)]
mod tests {
    use super::super::configurations::tests::voters;
    use super::super::testing::{all_on, broken, s};
    use super::*;
    use crate::raft::ids::Index;

    #[test]
    fn the_configuration_in_force_is_right_and_another_is_found() {
        let (old, new) = (voters(&[1, 2, 3]), voters(&[1, 2, 3, 4]));
        let mut findings = all_on();
        judge(s(1), Some(new), (Index(7), new), &mut findings);
        assert!(!findings.is_broken());
        judge(s(1), Some(old), (Index(7), new), &mut findings);
        let facts = "s1 goes by {s1, s2, s3}; in force for it is {s1, s2, s3, s4}, of place 7";
        assert_eq!(broken(&findings), (CONFIGURATION_IN_FORCE, facts));
    }

    #[test]
    fn learners_belong_to_it() {
        let mut findings = all_on();
        let with = |learner| ConfigurationFacts { learners: [s(learner)].into_iter().collect(), ..voters(&[1, 2]) };
        judge(s(1), Some(with(3)), (Index(7), with(4)), &mut findings);
        assert!(findings.is_broken());
    }

    #[test]
    fn a_server_that_cannot_say_is_not_evaluated() {
        let mut findings = all_on();
        judge(s(1), None, (Index(7), voters(&[1])), &mut findings);
        assert_eq!((findings.is_broken(), findings.lacking()[CONFIGURATION_IN_FORCE]), (false, 1));
    }
}
