//! Failures are final (RedisRaft #23): an operation that a client was told has failed is in no log, then or later.
//!
//! An entry that is in a log when its operation fails may be committed without another write, so logs are remembered
//! and not only looked at. It may also be dropped again, but nobody can tell a client that every copy is gone: a client
//! that says so has guessed.

use splitbrain_kernel::context::OperationId;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::raft::facts::RaftFacts;
use crate::raft::ids::Index;

use super::index::FAILED_STAYS_OUT;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "failed_stays_out",
    doc: "An operation that has failed for certain comes into no log.",
    source: "RedisRaft #23; Jepsen's :fail",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// An operation fails. These requests were sent for it, `logged` is the first log that one of them came into, and
/// `applied` is what was applied since it began.
pub(super) fn failed<'a, N: RaftFacts>(
    (client, id): (NodeId, OperationId),
    requests: &[N::Message],
    logged: Option<(NodeId, Index)>,
    mut applied: impl Iterator<Item = (Index, &'a N::Entry)>,
    findings: &mut Findings,
) {
    let is_its = |entry: &N::Entry| requests.iter().any(|request| N::carries(entry, request));
    let applied = applied.find(|(_, entry)| is_its(entry));
    findings.check(FAILED_STAYS_OUT, Some(client), applied.is_none() && logged.is_none(), || {
        let what = match (applied, logged) {
            (Some((index, entry)), _) => format!("it is applied at place {index}: {entry:?}"),
            (None, Some((server, index))) => format!("{server} had put it into its log at place {index}"),
            (None, None) => unreachable!("one of them was found"),
        };
        format!("operation {} of {client} has failed; {what}", id.0)
    });
}

/// A server writes an entry to its log, or is the first to apply it at this place; these requests belong to operations
/// that have failed.
pub(super) fn met<N: RaftFacts>(
    server: NodeId,
    (entry, applied_at): (&N::Entry, Option<Index>),
    failed: &[(NodeId, OperationId, N::Message)],
    findings: &mut Findings,
) {
    let found = failed.iter().find(|(_, _, request)| N::carries(entry, request));
    findings.check(FAILED_STAYS_OUT, Some(server), found.is_none(), || {
        let (client, id, _) = found.expect("it was found");
        let what = match applied_at {
            None => "writes it to its log".to_owned(),
            Some(index) => format!("applies it at place {index}"),
        };
        format!("operation {} of {client} has failed; {server} {what}: {entry:?}", id.0)
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, c, entry, request, s};
    use super::*;
    use crate::raft::RaftNode;

    const ID: OperationId = OperationId(3);

    #[test]
    fn what_never_came_into_a_log_has_failed() {
        let mut findings = all_on();
        let other = entry(8);
        failed::<RaftNode>((c(1), ID), &[request(7)], None, [(Index(1), &other)].into_iter(), &mut findings);
        met::<RaftNode>(s(1), (&other, None), &[(c(1), ID, request(7))], &mut findings);
        assert!(!findings.is_broken());
        assert_eq!(findings.evaluated()[FAILED_STAYS_OUT], 2);
    }

    #[test]
    fn a_failure_of_what_is_applied_is_found() {
        let mut findings = all_on();
        let applied = entry(7);
        failed::<RaftNode>((c(1), ID), &[request(7)], None, [(Index(1), &applied)].into_iter(), &mut findings);
        let (index, facts) = broken(&findings);
        assert_eq!(index, FAILED_STAYS_OUT);
        assert!(facts.contains("it is applied at place 1"), "{facts}");
    }

    #[test]
    fn a_failure_that_comes_into_a_log_later_is_found() {
        let mut findings = all_on();
        met::<RaftNode>(s(2), (&entry(7), None), &[(c(1), ID, request(7))], &mut findings);
        assert!(broken(&findings).1.contains("s2 writes it to its log"));
    }

    #[test]
    fn a_failure_of_what_is_applied_later_is_found() {
        let mut findings = all_on();
        met::<RaftNode>(s(2), (&entry(7), Some(Index(4))), &[(c(1), ID, request(7))], &mut findings);
        assert!(broken(&findings).1.contains("s2 applies it at place 4"));
    }
}
