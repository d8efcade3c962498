//! Exactly once (thesis §6.3): an operation of a session is executed at one place of the log, however often its command
//! comes.

use splitbrain_kernel::context::OperationId;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::raft::ids::Index;
use crate::raft::kv::SessionId;

use super::index::EXACTLY_ONCE;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "exactly_once",
    doc: "Each operation of a session is executed at one place of the log, the same on all servers.",
    source: "Raft thesis §6.3",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// A store takes the command at this place of an operation, and says whether it has executed it there. `first` is where
/// it must have been executed, if at all.
pub(super) fn executed(
    server: NodeId,
    (session, sequence): (SessionId, u64),
    (index, is_executed): (Index, bool),
    first: Option<Index>,
    findings: &mut Findings,
) {
    let holds = is_executed == (first == Some(index));
    findings.check(EXACTLY_ONCE, Some(server), holds, || {
        let what = format!("operation {sequence} of session {}", session.0);
        match (is_executed, first) {
            (true, Some(first)) => {
                format!("{server} executes {what} at place {index}; it was executed at place {first}")
            }
            (true, None) => format!("{server} executes {what} at place {index}, where its session is not open"),
            (false, _) => format!("{server} does not execute {what} at place {index}, where it comes first"),
        }
    });
}

/// A client is told that its operation is done, whose requests were executed at these places.
pub(super) fn told(client: NodeId, id: OperationId, places: &[Index], findings: &mut Findings) {
    findings.check(EXACTLY_ONCE, Some(client), places.len() <= 1, || {
        let places: Vec<u64> = places.iter().map(|place| place.0).collect();
        format!("operation {} of {client} was executed more than once: at the places {places:?}", id.0)
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, c, s};
    use super::*;

    fn found(index: u64, is_executed: bool, first: Option<u64>) -> Option<String> {
        let mut findings = all_on();
        let operation = (SessionId(3), 2);
        executed(s(1), operation, (Index(index), is_executed), first.map(Index), &mut findings);
        assert_eq!(findings.evaluated()[EXACTLY_ONCE], 1);
        findings.is_broken().then(|| broken(&findings).1.to_owned())
    }

    #[test]
    fn an_operation_at_one_place_and_its_copies_are_right() {
        assert_eq!(found(9, true, Some(9)), None);
        assert_eq!(found(11, false, Some(9)), None);
        assert_eq!(found(11, false, None), None);
    }

    #[test]
    fn an_operation_under_two_numbers_is_found() {
        let mut findings = all_on();
        told(c(1), OperationId(4), &[], &mut findings);
        told(c(1), OperationId(4), &[Index(7)], &mut findings);
        assert!(!findings.is_broken());
        told(c(1), OperationId(4), &[Index(7), Index(9)], &mut findings);
        assert!(broken(&findings).1.contains("more than once: at the places [7, 9]"));
    }

    #[test]
    fn an_operation_that_is_executed_twice_never_or_without_its_session_is_found() {
        assert!(found(11, true, Some(9)).is_some_and(|facts| facts.contains("it was executed at place 9")));
        assert!(found(9, false, Some(9)).is_some_and(|facts| facts.contains("does not execute")));
        assert!(found(9, true, None).is_some_and(|facts| facts.contains("is not open")));
    }
}
