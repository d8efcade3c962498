//! A queue whose values are distinct.
//!
//! Such a history is linearizable exactly if it has none of four patterns (Henzinger, Sezgin and Vafeiadis, CONCUR
//! 2013; Bouajjani, Emmi, Enea and Hamza, ICALP 2015): a value that is taken and never came, or was taken before it
//! came; a value that is taken twice; a value that came certainly before another one and left certainly after it; and
//! an answer that the queue is empty during a time that is covered by the times at which values were certainly in it.

use std::collections::BTreeMap;

use super::model::QueueAction;
use super::{Anomaly, Contradiction, Operation, Verdict};

/// A value: its operations, and its times.
#[derive(Clone, Copy, Debug)]
struct Item {
    /// Invocation and end of the enqueue.
    came: (usize, usize),
    /// Invocation and end of the dequeue, both after everything if it was never taken.
    left: (usize, usize),
}

impl Item {
    fn operations(self) -> impl Iterator<Item = usize> {
        [self.came.0, self.left.0].into_iter().filter(|place| *place != usize::MAX)
    }
}

/// Judges a history; `None` if a value comes twice, or if it is unknown whether or what a dequeue took.
pub(super) fn check<V: Ord>(operations: &[Operation<QueueAction<V>>]) -> Option<Verdict> {
    let mut came: BTreeMap<&V, &Operation<QueueAction<V>>> = BTreeMap::new();
    let mut left: BTreeMap<&V, (usize, usize)> = BTreeMap::new();
    let mut empty = Vec::new();
    let mut twice = None;
    for operation in operations {
        match &operation.action {
            QueueAction::Enqueue(value) => {
                if came.insert(value, operation).is_some() {
                    return None;
                }
            }
            QueueAction::Dequeue(value) if operation.returned.is_some() => {
                if let Some((other, _)) = left.insert(value, (operation.invoked, operation.end())) {
                    twice = twice.or(Some([other, operation.invoked]));
                }
            }
            QueueAction::Empty => empty.extend(operation.returned.map(|end| (operation.invoked, end))),
            QueueAction::Dequeue(_) | QueueAction::DequeueAny => return None,
        }
    }
    if let Some(both) = twice {
        return Some(invalid(Anomaly::TakenTwice, both));
    }
    for (value, (invoked, end)) in &left {
        match came.get(value) {
            None => return Some(invalid(Anomaly::NeverWritten, [*invoked])),
            Some(enqueue) if *end < enqueue.invoked => {
                return Some(invalid(Anomaly::FutureRead, [*invoked, enqueue.invoked]));
            }
            Some(_) => {}
        }
    }
    let never = (usize::MAX, usize::MAX);
    let counts = |value: &&V, enqueue: &Operation<_>| enqueue.returned.is_some() || left.contains_key(*value);
    let counted = came.iter().filter(|(value, enqueue)| counts(value, enqueue));
    let mut items: Vec<Item> = counted
        .map(|(value, enqueue)| Item {
            came: (enqueue.invoked, enqueue.end()),
            left: left.get(value).copied().unwrap_or(never),
        })
        .collect();
    Some(check_order(&mut items).or_else(|| check_empty(&items, &empty)).unwrap_or(Verdict::Valid))
}

/// Whether some value came certainly before another one and left certainly after it.
fn check_order(items: &mut [Item]) -> Option<Verdict> {
    let mut by_end = items.to_vec();
    by_end.sort_unstable_by_key(|item| item.came.1);
    items.sort_unstable_by_key(|item| item.came.0);
    let mut earlier = by_end.into_iter().peekable();
    // Of those that came certainly before, the one that began to leave last.
    let mut last: Option<Item> = None;
    for item in &*items {
        while let Some(one) = earlier.next_if(|one| one.came.1 < item.came.0) {
            if last.is_none_or(|last| last.left.0 < one.left.0) {
                last = Some(one);
            }
        }
        if let Some(last) = last
            && item.left.1 < last.left.0
        {
            return Some(invalid(Anomaly::OutOfOrder, last.operations().chain(item.operations())));
        }
    }
    None
}

/// Whether the queue was called empty while it certainly held values.
fn check_empty(items: &[Item], empty: &[(usize, usize)]) -> Option<Verdict> {
    if empty.is_empty() {
        return None;
    }
    let mut held: Vec<Item> = items.iter().copied().filter(|item| item.came.1 < item.left.0).collect();
    held.sort_unstable_by_key(|item| item.came.1);
    // Times that are covered without a gap: begin, end, and the range of values that cover them.
    let mut spans: Vec<(usize, usize, usize, usize)> = Vec::new();
    for (index, item) in held.iter().enumerate() {
        match spans.last_mut() {
            Some((_, end, _, last)) if item.came.1 < *end => {
                *end = (*end).max(item.left.0);
                *last = index;
            }
            _ => spans.push((item.came.1, item.left.0, index, index)),
        }
    }
    for (invoked, end) in empty {
        let after = spans.partition_point(|(begin, ..)| begin < invoked);
        let Some((_, until, first, last)) = after.checked_sub(1).map(|index| spans[index]) else { continue };
        if *end < until {
            let covering = covering(&held[first..=last], *invoked, *end);
            return Some(invalid(Anomaly::NotEmpty, covering.into_iter().map(|item| item.came.0).chain([*invoked])));
        }
    }
    None
}

/// The fewest values that are in the queue all the time between two moments.
fn covering(held: &[Item], begin: usize, end: usize) -> Vec<Item> {
    let mut covered = begin;
    let mut chosen: Vec<Item> = Vec::new();
    while chosen.is_empty() || covered < end {
        let next = held.iter().filter(|item| item.came.1 < covered).max_by_key(|item| item.left.0);
        match next {
            Some(item) if item.left.0 > covered || chosen.is_empty() => {
                covered = item.left.0;
                chosen.push(*item);
            }
            _ => break,
        }
    }
    chosen
}

fn invalid(anomaly: Anomaly, operations: impl IntoIterator<Item = usize>) -> Verdict {
    Verdict::Invalid(Contradiction::new(anomaly, operations))
}
