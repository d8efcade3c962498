//! Answers follow the order of application (Herlihy and Wing's linearization points, thesis §6.3): what the store says
//! at a place of the log, on any server and to any client, is what the entries up to that place make of it.

use splitbrain_kernel::brief::Derived;
use splitbrain_kernel::context::OperationId;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::raft::ids::Index;
use crate::raft::kv::Answer;

use super::index::ANSWERS_FOLLOW_ORDER;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "answers_follow_order",
    doc: "Each answer of the store is what the entries up to its place make of it.",
    source: "Raft thesis §6.3, §6.4",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// A store answers at this place, on some server. `expected` is what the order says; `None` if nothing is there.
pub(super) fn executed(
    server: NodeId,
    index: Index,
    answer: &Answer,
    expected: Option<&Answer>,
    findings: &mut Findings,
) {
    findings.check(ANSWERS_FOLLOW_ORDER, Some(server), Some(answer) == expected, || match expected {
        Some(expected) => {
            let (answer, expected) = (Derived(answer), Derived(expected));
            format!("the store of {server} says {answer} at place {index}; by the entries up to it it is {expected}")
        }
        None => {
            let answer = Derived(answer);
            format!("the store of {server} says {answer} at place {index}, where no command of it is applied")
        }
    });
}

/// A client is told this answer of this place.
pub(super) fn told(
    (client, id): (NodeId, OperationId),
    index: Index,
    answer: &Answer,
    expected: Option<&Answer>,
    findings: &mut Findings,
) {
    findings.check(ANSWERS_FOLLOW_ORDER, Some(client), Some(answer) == expected, || match expected {
        Some(expected) => format!(
            "operation {} of {client} is told {} of place {index}; by the entries up to it it is {}",
            id.0,
            Derived(answer),
            Derived(expected)
        ),
        None => {
            format!("operation {} of {client} is told {} of place {index}, which is not applied", id.0, Derived(answer))
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, c, s};
    use super::*;

    #[test]
    fn answers_of_the_order_are_right() {
        let mut findings = all_on();
        executed(s(1), Index(4), &Answer::Done, Some(&Answer::Done), &mut findings);
        let value = Answer::Value(vec![7]);
        told((c(1), OperationId(0)), Index(4), &value, Some(&value.clone()), &mut findings);
        assert!(!findings.is_broken());
        assert_eq!(findings.evaluated()[ANSWERS_FOLLOW_ORDER], 2);
    }

    #[test]
    fn other_answers_are_found() {
        let mut findings = all_on();
        executed(s(1), Index(4), &Answer::Done, Some(&Answer::Expired), &mut findings);
        assert!(broken(&findings).1.contains("the store of s1 says done at place 4"));
        let mut findings = all_on();
        let (old, new) = (Answer::Value(vec![7]), Answer::Value(vec![8]));
        told((c(1), OperationId(0)), Index(4), &old, Some(&new), &mut findings);
        assert_eq!(broken(&findings).0, ANSWERS_FOLLOW_ORDER);
        let mut findings = all_on();
        told((c(1), OperationId(0)), Index(4), &old, None, &mut findings);
        assert!(broken(&findings).1.contains("which is not applied"));
    }
}
