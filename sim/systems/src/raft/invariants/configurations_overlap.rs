//! Configurations that follow one another in a log share a member of each two quorums (thesis §4.1; Raft §6): they
//! differ by one voter, or one of them is the joint configuration of both.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::raft::facts::ConfigurationFacts;
use crate::raft::ids::Position;

use super::index::CONFIGURATIONS_OVERLAP;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "configurations_overlap",
    doc: "A configuration differs from the one before it in the log by one voter, or one of them is joint of both.",
    source: "Raft thesis §4.1; Raft §6",
    kind: InvariantKind::Safety,
    sight: Sight::WhiteBox,
};

/// A leader appends a configuration behind another one.
pub(super) fn append(
    leader: NodeId,
    at: Position,
    before: ConfigurationFacts,
    after: ConfigurationFacts,
    findings: &mut Findings,
) {
    findings.check(CONFIGURATIONS_OVERLAP, Some(leader), overlap(before, after), || {
        format!("{leader} appends {at}: {after} behind {before}; a quorum of one need not meet a quorum of the other")
    });
}

fn overlap(before: ConfigurationFacts, after: ConfigurationFacts) -> bool {
    match (before.outgoing.is_empty(), after.outgoing.is_empty()) {
        (true, true) => {
            let gone = before.voters.minus(after.voters).len();
            gone + after.voters.minus(before.voters).len() <= 1
        }
        (true, false) => after.outgoing == before.voters,
        (false, true) => after.voters == before.voters,
        // A joint configuration is left, and not changed.
        (false, false) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::configurations::tests::{set, voters};
    use super::super::testing::{all_on, broken, s};
    use super::*;
    use crate::raft::ids::{Index, Term};

    const AT: Position = Position { term: Term(2), index: Index(7) };

    fn joint(new: &[u16], old: &[u16]) -> ConfigurationFacts {
        ConfigurationFacts { outgoing: set(old), ..voters(new) }
    }

    #[test]
    fn one_voter_more_or_less_or_a_joint_configuration_between_is_right() {
        let mut findings = all_on();
        for (before, after) in [
            (voters(&[1, 2, 3]), voters(&[1, 2, 3, 4])),
            (voters(&[1, 2, 3]), voters(&[2, 3])),
            (voters(&[1, 2, 3]), voters(&[1, 2, 3])),
            (voters(&[1, 2, 3]), joint(&[4, 5], &[1, 2, 3])),
            (joint(&[4, 5], &[1, 2, 3]), voters(&[4, 5])),
        ] {
            append(s(1), AT, before, after, &mut findings);
        }
        assert!(!findings.is_broken());
        assert_eq!(findings.evaluated()[CONFIGURATIONS_OVERLAP], 5);
    }

    #[test]
    fn anything_else_is_found() {
        for (before, after) in [
            (voters(&[1, 2, 3]), voters(&[1, 2, 4])),
            (voters(&[1, 2, 3]), voters(&[1, 2, 3, 4, 5])),
            (voters(&[1, 2, 3]), joint(&[4], &[1, 2])),
            (joint(&[4, 5], &[1, 2, 3]), voters(&[1, 2, 3])),
            (joint(&[4, 5], &[1, 2, 3]), joint(&[4], &[4, 5])),
        ] {
            let mut findings = all_on();
            append(s(1), AT, before, after, &mut findings);
            assert!(findings.is_broken(), "{before} and {after}");
        }
        let mut findings = all_on();
        append(s(1), AT, voters(&[1, 2]), voters(&[3]), &mut findings);
        let facts = "s1 appends 7@2: {s3} behind {s1, s2}; a quorum of one need not meet a quorum of the other";
        assert_eq!(broken(&findings), (CONFIGURATIONS_OVERLAP, facts));
    }
}
