//! Acknowledged operations are applied (Raft §8; Jepsen's lost writes): when a client is told that its operation took
//! effect at a place of the log, some server has applied that very operation there.

use splitbrain_kernel::context::OperationId;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::raft::facts::RaftFacts;
use crate::raft::ids::Index;

use super::index::ACKNOWLEDGED_IS_APPLIED;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "acknowledged_is_applied",
    doc: "An operation that a client was told of is applied, at the place that it was told.",
    source: "Raft §8",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// A client is told that its operation is at this place, where `applied` was applied first. These requests were sent
/// for it.
pub(super) fn told<N: RaftFacts>(
    (client, id): (NodeId, OperationId),
    index: Index,
    requests: &[N::Message],
    applied: Option<&N::Entry>,
    findings: &mut Findings,
) {
    if applied.is_some() && requests.is_empty() {
        // Of a client inside another node, what it sends may not be seen.
        return findings.lacks(ACKNOWLEDGED_IS_APPLIED);
    }
    let is_its = applied.is_some_and(|entry| requests.iter().any(|request| N::carries(entry, request)));
    findings.check(ACKNOWLEDGED_IS_APPLIED, Some(client), is_its, || match applied {
        None => format!(
            "{client} was told that its operation {} is done at place {index}, which no server has applied",
            id.0
        ),
        Some(entry) => format!(
            "{client} was told that its operation {} is done at place {index}; what is applied there is {entry:?}",
            id.0
        ),
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, c, entry, request};
    use super::*;
    use crate::raft::RaftNode;

    fn tell(applied: Option<u64>, findings: &mut Findings) {
        let applied = applied.map(entry);
        told::<RaftNode>((c(1), OperationId(0)), Index(4), &[request(7)], applied.as_ref(), findings);
    }

    #[test]
    fn an_operation_at_its_place_is_right() {
        let mut findings = all_on();
        tell(Some(7), &mut findings);
        assert!(!findings.is_broken());
        assert_eq!(findings.evaluated()[ACKNOWLEDGED_IS_APPLIED], 1);
    }

    #[test]
    fn an_acknowledgement_of_what_nobody_applied_is_found() {
        let mut findings = all_on();
        tell(None, &mut findings);
        let (index, facts) = broken(&findings);
        assert_eq!(index, ACKNOWLEDGED_IS_APPLIED);
        assert!(facts.contains("which no server has applied"), "{facts}");
    }

    #[test]
    fn what_was_not_seen_is_not_judged() {
        let mut findings = all_on();
        let applied = entry(7);
        told::<RaftNode>((c(1), OperationId(0)), Index(4), &[], Some(&applied), &mut findings);
        assert!(!findings.is_broken());
        assert_eq!(findings.lacking()[ACKNOWLEDGED_IS_APPLIED], 1);
    }

    #[test]
    fn an_acknowledgement_of_another_operation_is_found() {
        let mut findings = all_on();
        tell(Some(8), &mut findings);
        assert!(broken(&findings).1.contains("what is applied there"));
    }
}
