//! From a verdict of the search to the few operations that contradict one another.
//!
//! The history is cut at the completion that makes it contradictory. Then one answer after the other is forgotten: the
//! operation becomes one with an unknown outcome, which only weakens what is asked of an order. What cannot be
//! forgotten is what contradicts. A write is never left out altogether, as its value may be what a read shows.

use super::{Anomaly, Contradiction, Model, Operation, Verdict, search};

/// Judges a history by the search.
pub(super) fn check<M: Model>(model: &M, operations: &[Operation<M::Action>], budget: u64) -> Verdict {
    match search(model, operations, budget).found {
        Some(true) => Verdict::Valid,
        None => Verdict::Unknown,
        Some(false) => Verdict::Invalid(contradiction(model, operations, budget)),
    }
}

fn contradiction<M: Model>(model: &M, operations: &[Operation<M::Action>], budget: u64) -> Box<Contradiction> {
    let mut left = budget.saturating_mul(4);
    let mut fails = |operations: &[Operation<M::Action>]| {
        let search = search(model, operations, budget.min(left));
        left = left.saturating_sub(search.configurations);
        search.found == Some(false)
    };
    let mut part = shortest(operations, &mut fails);
    forget(&mut part, &mut fails);
    let core: Vec<_> = part.iter().filter(|operation| operation.returned.is_some()).collect();
    let actions: Vec<&M::Action> = core.iter().map(|operation| &operation.action).collect();
    let anomaly = model.anomaly(&actions).unwrap_or_else(|| match core[..] {
        [one] => lonely(model, operations, one, budget),
        _ => Anomaly::NoOrder,
    });
    let writers = core.iter().filter_map(|seen| {
        let wrote = |other: &&Operation<_>| other.invoked < seen.end() && model.explains(&other.action, &seen.action);
        operations.iter().rev().find(wrote).map(|writer| writer.invoked)
    });
    Contradiction::new(anomaly, core.iter().map(|operation| operation.invoked)).with_writers(writers)
}

/// The history up to the completion from which on no order explains it.
fn shortest<A: Clone>(
    operations: &[Operation<A>],
    fails: &mut impl FnMut(&[Operation<A>]) -> bool,
) -> Vec<Operation<A>> {
    let mut ends: Vec<usize> = operations.iter().filter_map(|operation| operation.returned).collect();
    ends.sort_unstable();
    let (mut passing, mut failing) = (0, ends.len());
    while passing + 1 < failing {
        let middle = usize::midpoint(passing, failing);
        if fails(&until(operations, ends[middle - 1])) {
            failing = middle
        } else {
            passing = middle
        };
    }
    until(operations, ends[failing.max(1) - 1])
}

/// The history up to this place, which is the last one in it.
fn until<A: Clone>(operations: &[Operation<A>], place: usize) -> Vec<Operation<A>> {
    let begun = operations.iter().take_while(|operation| operation.invoked < place);
    begun
        .map(|operation| Operation {
            returned: operation.returned.filter(|returned| *returned <= place),
            ..operation.clone()
        })
        .collect()
}

/// Forgets answers while the history still fails, in blocks that get smaller, the last first: a write says more than
/// the reads of its value.
fn forget<A: Clone>(operations: &mut Vec<Operation<A>>, fails: &mut impl FnMut(&[Operation<A>]) -> bool) {
    let mut size = (operations.len() / 16).max(1).next_power_of_two();
    while size > 0 {
        let mut end = operations.len();
        while end > 0 {
            let begin = end.saturating_sub(size);
            let is_known = operations[begin..end].iter().any(|operation| operation.returned.is_some());
            let mut weaker = operations.clone();
            weaker[begin..end].iter_mut().for_each(|operation| operation.returned = None);
            if is_known && fails(&weaker) {
                *operations = weaker;
            }
            end = begin;
        }
        size /= 2;
    }
}

/// The name of an answer that contradicts all others, whatever their answers were.
fn lonely<M: Model>(
    model: &M,
    operations: &[Operation<M::Action>],
    one: &Operation<M::Action>,
    budget: u64,
) -> Anomaly {
    let mut any_time: Vec<_> = operations
        .iter()
        .map(|operation| match operation.invoked == one.invoked {
            true => one.clone(),
            false => Operation { invoked: 0, returned: None, action: operation.action.clone() },
        })
        .collect();
    any_time.sort_by_key(|operation| operation.invoked);
    match search(model, &any_time, budget).found {
        Some(true) => Anomaly::FutureRead,
        Some(false) => Anomaly::NeverWritten,
        None => Anomaly::NoOrder,
    }
}
