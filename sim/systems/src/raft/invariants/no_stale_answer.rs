//! No stale answers (linearizability in constant time; etcd #7331, thesis §6.4): what an operation is told is not older
//! than what any client had been told before the operation began.
//!
//! A read beside the log says which place it was served at. It is stale if a later value of its key was known to a
//! client when the read began. A change must come after every place that a client had been told of.

use splitbrain_kernel::context::OperationId;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::raft::ids::Index;

use super::index::NO_STALE_ANSWER;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "no_stale_answer",
    doc: "No operation is told something older than what a client knew when it began.",
    source: "Herlihy and Wing 1990; Raft thesis §6.4",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// A client reads the value of a key that was made at one place, from a store that has applied up to another. When it
/// began, a value made at `known` was known.
pub(super) fn read(
    (client, id): (NodeId, OperationId),
    key: u64,
    (index, made): (Index, Index),
    known: Index,
    findings: &mut Findings,
) {
    findings.check(NO_STALE_ANSWER, Some(client), made >= known, || {
        format!(
            "operation {} of {client} reads key {key} as of place {index}, its value made at place {made}; when it \
             began, a client knew of the value made at place {known}",
            id.0
        )
    });
}

/// A client is told that its change is at this place. When it began, clients had been told of places up to `told`.
pub(super) fn change((client, id): (NodeId, OperationId), index: Index, told: Index, findings: &mut Findings) {
    findings.check(NO_STALE_ANSWER, Some(client), index > told, || {
        format!("operation {} of {client} is at place {index}; when it began, a client knew of place {told}", id.0)
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, c};
    use super::*;

    const READ: (NodeId, OperationId) = (c(1), OperationId(2));

    #[test]
    fn what_is_as_new_as_what_was_known_is_right() {
        let mut findings = all_on();
        read(READ, 3, (Index(9), Index(5)), Index(5), &mut findings);
        read(READ, 3, (Index(4), Index::ZERO), Index::ZERO, &mut findings);
        change(READ, Index(9), Index(8), &mut findings);
        assert!(!findings.is_broken());
        assert_eq!(findings.evaluated()[NO_STALE_ANSWER], 3);
    }

    #[test]
    fn a_stale_read_is_found() {
        let mut findings = all_on();
        read(READ, 3, (Index(6), Index(4)), Index(7), &mut findings);
        let (index, facts) = broken(&findings);
        assert_eq!(index, NO_STALE_ANSWER);
        assert!(facts.contains("made at place 7"), "{facts}");
    }

    #[test]
    fn a_change_before_what_was_known_is_found() {
        let mut findings = all_on();
        change(READ, Index(8), Index(8), &mut findings);
        assert!(findings.is_broken());
    }
}
