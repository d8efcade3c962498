//! The history of the clients, alone, is that of a mutex; with fencing tokens, that of a mutex whose tokens rise
//! (Herlihy and Wing, TOPLAS 1990; Kleppmann, "How to do distributed locking").
//!
//! A lease that runs out frees the lock without an operation of its holder, and a mutex knows no such thing. So only a
//! scenario in which no lease runs out and no holder ends is held to it.

use splitbrain_kernel::checker::model::{FencedMutex, FencedMutexAction, Keyed, Mutex, MutexAction, PerKey};
use splitbrain_kernel::checker::monitor::Reading;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{InvariantInfo, InvariantKind, Sight};

use crate::lock::ids::LockId;
use crate::lock::message::{Operation, Response};
use crate::lock::node::LockNode;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "mutex",
    doc: "What clients hear of a lock is explained by one order of a mutex's acquisitions and releases.",
    source: "Herlihy and Wing, TOPLAS 1990",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

pub(super) const FENCED_INFO: InvariantInfo = InvariantInfo {
    name: "fenced_mutex",
    doc: "The same with fencing tokens, which rise from holder to holder.",
    source: "Herlihy and Wing, TOPLAS 1990; Kleppmann, How to do distributed locking",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// What the operations mean for a mutex.
#[derive(Clone, Copy, Debug)]
pub(super) struct AsMutex;

/// What they mean for a mutex with tokens.
#[derive(Clone, Copy, Debug)]
pub(super) struct AsFencedMutex;

impl Reading<LockNode> for AsMutex {
    type Model = PerKey<LockId, Mutex<NodeId>>;

    fn model(&self) -> Self::Model {
        PerKey::new(Mutex::new())
    }

    fn action(
        &self,
        client: NodeId,
        operation: &Operation,
        answer: Option<&Response>,
    ) -> Option<Keyed<LockId, MutexAction<NodeId>>> {
        let action = match act(*operation, answer)? {
            Act::Acquire(_) => MutexAction::Acquire(client),
            Act::Release => MutexAction::Release(client),
        };
        Some(Keyed { key: operation.lock(), action })
    }
}

impl Reading<LockNode> for AsFencedMutex {
    type Model = PerKey<LockId, FencedMutex<NodeId>>;

    fn model(&self) -> Self::Model {
        PerKey::new(FencedMutex::new())
    }

    fn action(
        &self,
        client: NodeId,
        operation: &Operation,
        answer: Option<&Response>,
    ) -> Option<Keyed<LockId, FencedMutexAction<NodeId>>> {
        let action = match act(*operation, answer)? {
            Act::Acquire(fence) => FencedMutexAction::Acquire(client, fence),
            Act::Release => FencedMutexAction::Release(client),
        };
        Some(Keyed { key: operation.lock(), action })
    }
}

/// What an operation did that was answered so; without an answer, what it does if it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Acquire(Option<u64>),
    Release,
}

fn act(operation: Operation, answer: Option<&Response>) -> Option<Act> {
    match (operation, answer) {
        (Operation::Acquire { .. }, Some(Response::Acquired { fence })) => Some(Act::Acquire(*fence)),
        (Operation::Acquire { .. }, None) => Some(Act::Acquire(None)),
        (Operation::Release { .. }, None | Some(Response::Released)) => Some(Act::Release),
        // A refusal may be the fault of a lock that its owner does not know of, and so says nothing.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use splitbrain_kernel::checker::{Check, Operation as Checked, Verdict};

    use super::super::testing::{C1, C2};
    use super::*;

    const LOCK: LockId = LockId(1);

    /// Judges operations, each with its answer and the places of its beginning and end.
    fn judged(history: &[(NodeId, Operation, Response, usize, usize)]) -> Verdict {
        let operations = history.iter().filter_map(|(client, operation, answer, invoked, returned)| {
            let action = AsFencedMutex.action(*client, operation, Some(answer))?;
            Some(Checked { action, invoked: *invoked, returned: Some(*returned) })
        });
        AsFencedMutex.model().check(&operations.collect::<Vec<_>>(), 1_000)
    }

    fn acquired(client: NodeId, fence: u64, at: usize) -> (NodeId, Operation, Response, usize, usize) {
        let answer = Response::Acquired { fence: Some(fence) };
        (client, Operation::Acquire { lock: LOCK }, answer, at, at + 1)
    }

    fn released(client: NodeId, at: usize) -> (NodeId, Operation, Response, usize, usize) {
        (client, Operation::Release { lock: LOCK }, Response::Released, at, at + 1)
    }

    #[test]
    fn one_after_the_other_with_rising_tokens_is_a_fenced_mutex() {
        assert_eq!(judged(&[acquired(C1, 1, 0), released(C1, 2), acquired(C2, 2, 4)]), Verdict::Valid);
        let same = [acquired(C1, 2, 0), released(C1, 2), acquired(C2, 2, 4)];
        assert!(matches!(judged(&same), Verdict::Invalid(_)));
        assert!(matches!(judged(&[acquired(C1, 1, 0), acquired(C2, 2, 4)]), Verdict::Invalid(_)));
    }

    #[test]
    fn refusals_and_writes_say_nothing() {
        let acquire = Operation::Acquire { lock: LOCK };
        assert_eq!(act(acquire, Some(&Response::Busy)), None);
        assert_eq!(act(acquire, None), Some(Act::Acquire(None)));
        assert_eq!(act(Operation::Release { lock: LOCK }, Some(&Response::Lost)), None);
        assert_eq!(act(Operation::Write { lock: LOCK, value: 1 }, Some(&Response::Written)), None);
        let plain = AsMutex.action(C1, &acquire, None).map(|keyed| keyed.action);
        assert_eq!(plain, Some(MutexAction::Acquire(C1)));
    }
}
