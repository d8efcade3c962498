//! The order of application as a witness: what the key-value store must have answered at each place of the log.
//!
//! It is made of the entries alone, as the first server applies them, by rules of its own: nothing here asks a store.
//! Each question takes logarithmic time.

use std::collections::BTreeMap;

use splitbrain_kernel::time::Duration;

use crate::raft::ids::Index;
use crate::raft::kv::{Answer, Call, Command, Operation, SessionId, Value};

/// One operation of one session.
type Numbered = (SessionId, u64);

/// What the rules make of the entries so far.
#[derive(Clone, Debug)]
pub(super) struct Order {
    session_timeout: Duration,
    sessions_max: usize,
    /// The last place that any server has applied.
    applied: Index,
    time: Duration,
    /// Per session: the number of the last operation, and when the session was last used.
    sessions: BTreeMap<SessionId, (u64, Duration)>,
    /// Per key: its values, each from the place on at which it was made.
    versions: BTreeMap<u64, Vec<(Index, Value)>>,
    /// Where each operation was executed.
    executed: BTreeMap<Numbered, Index>,
    /// By the place of each command of the store.
    answers: BTreeMap<Index, Answer>,
}

impl Order {
    pub(super) const fn new(session_timeout: Duration, sessions_max: u64) -> Self {
        Self {
            session_timeout,
            sessions_max: sessions_max as usize,
            applied: Index::ZERO,
            time: Duration::ZERO,
            sessions: BTreeMap::new(),
            versions: BTreeMap::new(),
            executed: BTreeMap::new(),
            answers: BTreeMap::new(),
        }
    }

    /// Some server applies the entry at this place; `None` if it is no command of the store.
    pub(super) fn apply(&mut self, index: Index, command: Option<&Command>) {
        if index <= self.applied {
            return;
        }
        self.applied = index;
        let Some(Command { time, call }) = command else { return };
        self.time = self.time.max(*time);
        let oldest = self.time.saturating_sub(self.session_timeout);
        self.sessions.retain(|_, (_, used)| *used >= oldest);
        let answer = match call {
            Call::Open => self.open(index),
            Call::Read { key } => Answer::Value(self.value_at(*key, index).clone()),
            Call::Run { session, sequence, operation } => self.run(index, (*session, *sequence), operation),
        };
        self.answers.insert(index, answer);
    }

    fn open(&mut self, index: Index) -> Answer {
        let mut by_use: Vec<_> = self.sessions.iter().map(|(session, (_, used))| (*used, *session)).collect();
        by_use.sort_unstable();
        let too_many = (by_use.len() + 1).saturating_sub(self.sessions_max);
        for (_, session) in &by_use[..too_many] {
            self.sessions.remove(session);
        }
        self.sessions.insert(SessionId(index.0), (0, self.time));
        Answer::Opened(SessionId(index.0))
    }

    fn run(&mut self, index: Index, numbered: Numbered, operation: &Operation) -> Answer {
        let (session, sequence) = numbered;
        let Some((last, used)) = self.sessions.get_mut(&session) else { return Answer::Expired };
        *used = self.time;
        if sequence < *last {
            return Answer::Superseded;
        }
        *last = sequence;
        match self.executed.get(&numbered) {
            Some(first) => self.answers[first].clone(),
            None => {
                self.executed.insert(numbered, index);
                self.carry_out(index, operation)
            }
        }
    }

    fn carry_out(&mut self, index: Index, operation: &Operation) -> Answer {
        let before = self.value_at(operation.key(), index).clone();
        let after = match operation {
            Operation::Get { .. } => return Answer::Value(before),
            Operation::CompareAndSet { expected, .. } if *expected != before => return Answer::Mismatch(before),
            Operation::Put { value, .. } | Operation::CompareAndSet { value, .. } => vec![*value],
            Operation::Append { value, .. } => before.into_iter().chain([*value]).collect(),
            Operation::Delete { .. } => Value::new(),
        };
        self.versions.entry(operation.key()).or_default().push((index, after));
        Answer::Done
    }

    /// The last place that any server has applied.
    pub(super) const fn applied(&self) -> Index {
        self.applied
    }

    /// What the store must have answered at this place. `None` if no command of the store is there.
    pub(super) fn answer(&self, index: Index) -> Option<&Answer> {
        self.answers.get(&index)
    }

    /// Where an operation was executed, if it was.
    pub(super) fn executed_at(&self, session: SessionId, sequence: u64) -> Option<Index> {
        self.executed.get(&(session, sequence)).copied()
    }

    /// The value of a key once everything up to this place is applied.
    pub(super) fn value_at(&self, key: u64, index: Index) -> &Value {
        const ABSENT: &Value = &Value::new();
        self.version(key, index).map_or(ABSENT, |(_, value)| value)
    }

    /// Where that value was made: [`Index::ZERO`] if nothing has made one.
    pub(super) fn made_at(&self, key: u64, index: Index) -> Index {
        self.version(key, index).map_or(Index::ZERO, |(made, _)| *made)
    }

    fn version(&self, key: u64, index: Index) -> Option<&(Index, Value)> {
        let versions = self.versions.get(&key)?;
        versions[..versions.partition_point(|(made, _)| *made <= index)].last()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::kv::{Limits, Store};
    use super::*;

    fn call() -> impl Strategy<Value = Call> {
        let operation = (0u64..2, 0u64..6, 0u8..5).prop_map(|(key, value, kind)| match kind {
            0 => Operation::Get { key },
            1 => Operation::Put { key, value },
            2 => Operation::Append { key, value },
            3 => Operation::CompareAndSet { key, expected: vec![value % 3], value },
            _ => Operation::Delete { key },
        });
        prop_oneof![
            1 => Just(Call::Open),
            1 => (0u64..2).prop_map(|key| Call::Read { key }),
            6 => (1u64..12, 1u64..5, operation).prop_map(|(session, sequence, operation)| {
                Call::Run { session: SessionId(session), sequence, operation }
            }),
        ]
    }

    proptest! {
        /// Two programs of one specification: where they differ, one of them is wrong.
        #[test]
        fn the_store_and_the_order_agree(calls in proptest::collection::vec((call(), 0u64..4), 1..40)) {
            let limits = Limits { timeout: Duration::from_secs(6), sessions_max: 3 };
            let (mut store, mut order) = (Store::default(), Order::new(limits.timeout, limits.sessions_max));
            let mut time = Duration::ZERO;
            for (at, (call, gap)) in calls.into_iter().enumerate() {
                let index = Index(at as u64 + 1);
                time = time.saturating_add(Duration::from_secs(gap));
                let (_, answer) = store.execute(index, time, &call, limits);
                order.apply(index, Some(&Command { time, call }));
                prop_assert_eq!(order.answer(index), Some(&answer));
            }
            for key in 0..2 {
                prop_assert_eq!(order.value_at(key, order.applied()), &store.get(key));
            }
        }
    }

    #[test]
    fn earlier_values_are_known_by_their_place() {
        let mut order = Order::new(Duration::from_secs(60), 4);
        let mut apply = |index, call| order.apply(Index(index), Some(&Command { time: Duration::ZERO, call }));
        apply(1, Call::Open);
        let put = |value| Operation::Put { key: 7, value };
        apply(2, Call::Run { session: SessionId(1), sequence: 1, operation: put(5) });
        apply(4, Call::Run { session: SessionId(1), sequence: 2, operation: put(6) });
        assert_eq!(order.value_at(7, Index(1)), &Value::new());
        assert_eq!(order.value_at(7, Index(3)), &[5]);
        assert_eq!(order.value_at(7, Index(4)), &[6]);
        assert_eq!((order.made_at(7, Index(3)), order.made_at(8, Index(3))), (Index(2), Index::ZERO));
    }
}
