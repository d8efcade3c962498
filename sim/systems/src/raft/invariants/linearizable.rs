//! Linearizability of the key-value store (Herlihy and Wing, TOPLAS 1990): what clients are told of a key is explained
//! by one order of their operations, each between its invocation and its completion.
//!
//! It looks at the history alone. The other rules on what clients are told go by the log; this one would see a mistake
//! that they share with it.

use splitbrain_kernel::checker::model::{Cell, CellAction, KeyValue, Keyed, PerKey, RegisterAction};
use splitbrain_kernel::checker::monitor::{LINEARIZABLE, Reading};
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::InvariantInfo;

use crate::raft::facts::RaftFacts;
use crate::raft::kv::{Answer, Operation, Value};

pub(super) const INFO: InvariantInfo = LINEARIZABLE;

/// What the operations of the store mean: each key is a value that is read, set, set on a condition and appended to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Store;

impl<N: RaftFacts> Reading<N> for Store {
    type Model = KeyValue<u64, Value>;

    fn model(&self) -> Self::Model {
        PerKey::new(Cell { initial: Value::new() })
    }

    fn action(
        &self,
        _: NodeId,
        operation: &N::Operation,
        answer: Option<&N::Response>,
    ) -> Option<Keyed<u64, CellAction<Value>>> {
        let operation = N::store_operation(operation)?;
        let answer = answer.and_then(N::store_answer).map(|(_, answer)| answer);
        Some(Keyed { key: operation.key(), action: action(operation, answer)? })
    }
}

/// What an operation did that was answered so; without an answer, what it does if it happens.
fn action(operation: &Operation, answer: Option<&Answer>) -> Option<CellAction<Value>> {
    Some(match (operation, answer) {
        (_, Some(Answer::Value(found) | Answer::Mismatch(found))) => {
            CellAction::Register(RegisterAction::Read(found.clone()))
        }
        (Operation::Get { .. }, _) => return None,
        (Operation::Put { value, .. }, _) => CellAction::Register(RegisterAction::Write(vec![*value])),
        (Operation::Append { value, .. }, _) => CellAction::Append(vec![*value]),
        (Operation::CompareAndSet { expected, value, .. }, _) => {
            CellAction::Register(RegisterAction::Set { expected: expected.clone(), new: vec![*value] })
        }
        (Operation::Delete { .. }, _) => CellAction::Register(RegisterAction::Write(Value::new())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_say_what_was_there_and_questions_alone_say_nothing() {
        let set = Operation::CompareAndSet { key: 1, expected: vec![3], value: 4 };
        let read = |value: &[u64]| CellAction::Register(RegisterAction::Read(value.to_vec()));
        assert_eq!(action(&set, Some(&Answer::Mismatch(vec![5]))), Some(read(&[5])));
        assert_eq!(action(&Operation::Get { key: 1 }, Some(&Answer::Value(vec![5, 6]))), Some(read(&[5, 6])));
        assert_eq!(action(&Operation::Get { key: 1 }, None), None);
        let done = CellAction::Register(RegisterAction::Set { expected: vec![3], new: vec![4] });
        assert_eq!(action(&set, Some(&Answer::Done)), Some(done.clone()));
        assert_eq!(action(&set, None), Some(done), "if it happens");
        let gone = CellAction::Register(RegisterAction::Write(vec![]));
        assert_eq!(action(&Operation::Delete { key: 1 }, None), Some(gone));
    }
}
