//! A queue: first in, first out.

use std::collections::VecDeque;
use std::fmt::Debug;

use crate::checker::{Anomaly, Check, Model, Operation, Verdict, explain, fifo};

/// A queue that is empty before the first operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue<V> {
    value: std::marker::PhantomData<V>,
}

/// What an operation does to a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum QueueAction<V> {
    /// This value is the last from now on.
    Enqueue(V),
    /// This value was the first, and is gone from now on.
    Dequeue(V),
    /// The first value, whatever it was, is gone from now on; or the queue was empty. For a dequeue whose outcome is
    /// unknown.
    DequeueAny,
    /// The queue is empty.
    Empty,
}

impl<V> Queue<V> {
    /// A queue that is empty.
    pub const fn new() -> Self {
        Self { value: std::marker::PhantomData }
    }
}

impl<V> Default for Queue<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V: Clone + Ord + Debug> Model for Queue<V> {
    type State = VecDeque<V>;
    type Action = QueueAction<V>;

    fn initial(&self) -> VecDeque<V> {
        VecDeque::new()
    }

    fn step(&self, state: &VecDeque<V>, action: &QueueAction<V>) -> Option<VecDeque<V>> {
        let mut after = state.clone();
        match action {
            QueueAction::Enqueue(value) => after.push_back(value.clone()),
            QueueAction::Dequeue(value) if state.front() == Some(value) => drop(after.pop_front()),
            QueueAction::DequeueAny => drop(after.pop_front()),
            QueueAction::Empty if state.is_empty() => {}
            QueueAction::Dequeue(_) | QueueAction::Empty => return None,
        }
        Some(after)
    }

    fn is_read(&self, action: &QueueAction<V>) -> bool {
        matches!(action, QueueAction::Empty)
    }

    fn explains(&self, writer: &QueueAction<V>, seen: &QueueAction<V>) -> bool {
        matches!((writer, seen), (QueueAction::Enqueue(came), QueueAction::Dequeue(left)) if came == left)
    }

    fn anomaly(&self, core: &[&QueueAction<V>]) -> Option<Anomaly> {
        let taken = core.iter().filter(|action| matches!(action, QueueAction::Dequeue(_))).count();
        match core {
            [_] | [] => None,
            _ if core.contains(&&QueueAction::Empty) => Some(Anomaly::NotEmpty),
            [one, other] if one == other => Some(Anomaly::TakenTwice),
            _ if taken > 0 => Some(Anomaly::OutOfOrder),
            _ => Some(Anomaly::NoOrder),
        }
    }
}

impl<V: Clone + Ord + Debug> Check for Queue<V> {
    /// By the order of pairs if each value comes once and every dequeue has an answer, by the search otherwise.
    fn check(&self, operations: &[Operation<QueueAction<V>>], budget: u64) -> Verdict {
        fifo::check(operations).unwrap_or_else(|| explain::check(self, operations, budget))
    }
}

#[cfg(test)]
mod tests {
    use super::QueueAction::{Dequeue, DequeueAny, Empty, Enqueue};
    use super::*;
    use crate::checker::tests::{answered, invalid, unknown, valid};

    const QUEUE: Queue<u8> = Queue::new();

    #[test]
    fn values_leave_in_the_order_in_which_they_came() {
        let two = [answered(Enqueue(1), 0, 1), answered(Enqueue(2), 2, 3)];
        valid(&QUEUE, two.into_iter().chain([answered(Dequeue(1), 4, 5), answered(Dequeue(2), 6, 7)]));
        let swapped = two.into_iter().chain([answered(Dequeue(2), 4, 5), answered(Dequeue(1), 6, 7)]);
        invalid(&QUEUE, swapped, Anomaly::OutOfOrder);
        invalid(&QUEUE, two.into_iter().chain([answered(Dequeue(2), 4, 5)]), Anomaly::OutOfOrder);
    }

    #[test]
    fn values_that_came_together_leave_in_either_order() {
        let two = [answered(Enqueue(1), 0, 2), answered(Enqueue(2), 1, 3)];
        valid(&QUEUE, two.into_iter().chain([answered(Dequeue(2), 4, 5), answered(Dequeue(1), 6, 7)]));
        let twice = two.into_iter().chain([answered(Dequeue(2), 4, 5), answered(Dequeue(2), 6, 7)]);
        invalid(&QUEUE, twice, Anomaly::TakenTwice);
    }

    #[test]
    fn it_is_empty_only_between_values() {
        valid(&QUEUE, [answered(Empty, 0, 2), answered(Enqueue(1), 1, 3)]);
        invalid(&QUEUE, [answered(Enqueue(1), 0, 1), answered(Empty, 2, 3)], Anomaly::NotEmpty);
        invalid(&QUEUE, [answered(Dequeue(1), 0, 1)], Anomaly::NeverWritten);
        invalid(&QUEUE, [answered(Dequeue(1), 0, 1), answered(Enqueue(1), 2, 3)], Anomaly::FutureRead);
    }

    #[test]
    fn an_unknown_dequeue_may_have_taken_a_value() {
        let taken = [answered(Enqueue(1), 0, 1), unknown(DequeueAny, 2), answered(Empty, 3, 4)];
        valid(&QUEUE, taken);
        let both =
            [answered(Enqueue(1), 0, 1), answered(Enqueue(2), 2, 3), unknown(DequeueAny, 4), answered(Empty, 5, 6)];
        invalid(&QUEUE, both, Anomaly::NotEmpty);
        valid(&QUEUE, [unknown(Enqueue(1), 0), answered(Empty, 1, 2), answered(Dequeue(1), 3, 4)]);
    }
}
