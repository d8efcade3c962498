//! The general search: Wing and Gong's depth-first search (JPDC 1993) with Lowe's memory of visited configurations
//! (Concurrency and Computation 2017), for any model.
//!
//! A configuration is the set of operations that have their place in the order, with the state that they lead to. The
//! next operation is one that was invoked before the first open completion. Three rules keep the search small, and
//! change no verdict:
//!
//! - An operation that reads is taken at once where its answer fits, without a way back: moving it here from a later
//!   place of an order changes nothing for the others.
//! - Unknown operations come after the certain ones, and only where they change the state; the order is complete
//!   without those that are left.
//! - Of unknown operations with one action, the first that was invoked is taken first.

use std::collections::BTreeSet;

use super::{Model, Operation};

/// What a search came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Search {
    /// Whether an order explains every answer; `None` if the budget was used up before.
    pub found: Option<bool>,
    /// How many configurations it visited.
    pub configurations: u64,
}

/// Looks for an order that explains every answer. The operations are in the order of their invocations.
pub fn search<M: Model>(model: &M, operations: &[Operation<M::Action>], budget: u64) -> Search {
    Searcher::new(model, operations).run(budget)
}

/// The operations that are in the order: the first `prefix` certain ones, some of the next, and some unknown ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Taken {
    prefix: usize,
    /// The certain ones after the prefix that are taken, ascending.
    beyond: Vec<u32>,
    /// The unknown ones that are taken: how many of each kind.
    unknown: Vec<u16>,
}

/// A place of the search to go back to.
struct Frame<S> {
    taken: Taken,
    state: S,
    /// The next candidate to try.
    next: usize,
}

struct Searcher<'a, M: Model> {
    model: &'a M,
    /// Operations with an answer, by invocation.
    certain: Vec<&'a Operation<M::Action>>,
    /// The least completion of each certain operation and those after it.
    first_end_from: Vec<usize>,
    /// Unknown operations by action, each with the invocations in order.
    kinds: Vec<(&'a M::Action, Vec<usize>)>,
}

impl<'a, M: Model> Searcher<'a, M> {
    fn new(model: &'a M, operations: &'a [Operation<M::Action>]) -> Self {
        let certain: Vec<_> = operations.iter().filter(|operation| operation.returned.is_some()).collect();
        let mut first_end_from = vec![usize::MAX; certain.len() + 1];
        for (index, operation) in certain.iter().enumerate().rev() {
            first_end_from[index] = operation.end().min(first_end_from[index + 1]);
        }
        Self { model, certain, first_end_from, kinds: kinds(model, operations) }
    }

    fn run(&self, budget: u64) -> Search {
        let mut visited = BTreeSet::new();
        let mut taken = Taken { prefix: 0, beyond: Vec::new(), unknown: vec![0; self.kinds.len()] };
        let mut state = self.model.initial();
        self.take_reads(&mut taken, &state);
        let mut stack = vec![Frame { taken, state, next: 0 }];
        let mut configurations = 1;
        while let Some(frame) = stack.last_mut() {
            if frame.taken.prefix == self.certain.len() {
                return Search { found: Some(true), configurations };
            }
            let Some((candidate, next)) = self.candidate(&frame.taken, frame.next) else {
                stack.pop();
                continue;
            };
            frame.next = next;
            let Some(after) = self.model.step(&frame.state, self.action(candidate)) else { continue };
            if candidate.is_idle_unknown(after == frame.state) {
                continue;
            }
            state = after;
            taken = frame.taken.clone();
            self.take(&mut taken, candidate);
            self.take_reads(&mut taken, &state);
            if !visited.insert((taken.clone(), state.clone())) {
                continue;
            }
            configurations += 1;
            if configurations > budget {
                return Search { found: None, configurations };
            }
            stack.push(Frame { taken, state, next: 0 });
        }
        Search { found: Some(false), configurations }
    }

    /// The first candidate from number `from` on, and the number after it: certain ones first.
    fn candidate(&self, taken: &Taken, from: usize) -> Option<(Candidate, usize)> {
        let end = self.first_end(taken);
        let mut index = taken.prefix + from;
        while let Some(operation) = self.certain.get(index) {
            if operation.invoked > end {
                break;
            }
            if taken.beyond.binary_search(&(index as u32)).is_err() {
                return Some((Candidate::Certain(index), index + 1 - taken.prefix));
            }
            index += 1;
        }
        // Numbers from the count of all operations on are those of unknown kinds.
        let base = self.certain.len();
        let first = from.saturating_sub(base);
        let kind = (first..self.kinds.len()).find(|kind| {
            let next = usize::from(taken.unknown[*kind]);
            self.kinds[*kind].1.get(next).is_some_and(|invoked| *invoked < end)
        })?;
        Some((Candidate::Unknown(kind), base + kind + 1))
    }

    /// The first completion of a certain operation that is not taken.
    fn first_end(&self, taken: &Taken) -> usize {
        let after = taken.beyond.last().map_or(taken.prefix, |last| *last as usize + 1);
        let between = (taken.prefix..after).filter(|index| taken.beyond.binary_search(&(*index as u32)).is_err());
        let first = between.map(|index| self.certain[index].end()).min();
        self.first_end_from[after].min(first.unwrap_or(usize::MAX))
    }

    fn action(&self, candidate: Candidate) -> &'a M::Action {
        match candidate {
            Candidate::Certain(index) => &self.certain[index].action,
            Candidate::Unknown(kind) => self.kinds[kind].0,
        }
    }

    fn take(&self, taken: &mut Taken, candidate: Candidate) {
        match candidate {
            Candidate::Unknown(kind) => taken.unknown[kind] += 1,
            Candidate::Certain(index) => {
                let at = taken.beyond.partition_point(|other| (*other as usize) < index);
                taken.beyond.insert(at, index as u32);
                let run = taken.beyond.iter().zip(taken.prefix..).take_while(|(one, next)| **one as usize == *next);
                let run = run.count();
                taken.beyond.drain(..run);
                taken.prefix += run;
            }
        }
    }

    /// Takes every candidate that only reads and whose answer fits.
    fn take_reads(&self, taken: &mut Taken, state: &M::State) {
        let mut from = 0;
        while let Some((Candidate::Certain(index), next)) = self.candidate(taken, from) {
            let action = &self.certain[index].action;
            if self.model.is_read(action) && self.model.step(state, action).is_some() {
                // What was beyond the first open completion may be a candidate now.
                self.take(taken, Candidate::Certain(index));
                from = 0;
            } else {
                from = next;
            }
        }
    }
}

/// An operation that may be the next of the order.
#[derive(Clone, Copy)]
enum Candidate {
    /// A certain one, by its number.
    Certain(usize),
    /// An unknown one, by its kind.
    Unknown(usize),
}

impl Candidate {
    /// Whether it is an unknown operation that would change nothing here.
    const fn is_idle_unknown(self, changes_nothing: bool) -> bool {
        changes_nothing && matches!(self, Self::Unknown(_))
    }
}

/// Unknown operations that change something, by action.
fn kinds<'a, M: Model>(model: &M, operations: &'a [Operation<M::Action>]) -> Vec<(&'a M::Action, Vec<usize>)> {
    let mut kinds = std::collections::BTreeMap::<&M::Action, Vec<usize>>::new();
    for operation in operations.iter().filter(|operation| operation.returned.is_none()) {
        if !model.is_read(&operation.action) {
            kinds.entry(&operation.action).or_default().push(operation.invoked);
        }
    }
    kinds.into_iter().collect()
}
