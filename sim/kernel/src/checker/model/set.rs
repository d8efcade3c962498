//! A set.

use std::collections::BTreeSet;
use std::fmt::Debug;

use crate::checker::{Anomaly, Check, Model, Operation, Verdict, check_parts, explain, presence, sequence, split};

/// A set that is empty before the first operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Set<E> {
    element: std::marker::PhantomData<E>,
}

/// What an operation does to a set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SetAction<E> {
    /// The element is in the set from now on, whether it was before or not.
    Add(E),
    /// The element was in the set, and is not from now on. A removal that found nothing is [`Lacks`](Self::Lacks).
    Remove(E),
    /// The element is in the set.
    Has(E),
    /// The element is not in the set.
    Lacks(E),
    /// These are all elements of the set.
    Read(BTreeSet<E>),
}

impl<E> SetAction<E> {
    /// The one element that it is about, or `None` if it is about all of them.
    pub const fn element(&self) -> Option<&E> {
        match self {
            Self::Add(element) | Self::Remove(element) | Self::Has(element) | Self::Lacks(element) => Some(element),
            Self::Read(_) => None,
        }
    }
}

impl<E> Set<E> {
    /// A set that is empty.
    pub const fn new() -> Self {
        Self { element: std::marker::PhantomData }
    }
}

impl<E> Default for Set<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Clone + Ord + Debug> Model for Set<E> {
    type State = BTreeSet<E>;
    type Action = SetAction<E>;

    fn initial(&self) -> BTreeSet<E> {
        BTreeSet::new()
    }

    fn step(&self, state: &BTreeSet<E>, action: &SetAction<E>) -> Option<BTreeSet<E>> {
        let mut after = state.clone();
        let fits = match action {
            SetAction::Add(element) => {
                after.insert(element.clone());
                true
            }
            SetAction::Remove(element) => after.remove(element),
            SetAction::Has(element) => state.contains(element),
            SetAction::Lacks(element) => !state.contains(element),
            SetAction::Read(all) => state == all,
        };
        fits.then_some(after)
    }

    fn is_read(&self, action: &SetAction<E>) -> bool {
        matches!(action, SetAction::Has(_) | SetAction::Lacks(_) | SetAction::Read(_))
    }

    fn explains(&self, writer: &SetAction<E>, seen: &SetAction<E>) -> bool {
        match (writer, seen) {
            (SetAction::Add(added), SetAction::Has(element) | SetAction::Remove(element)) => added == element,
            (SetAction::Remove(removed), SetAction::Lacks(element)) => removed == element,
            (SetAction::Add(added), SetAction::Read(all)) => all.contains(added),
            _ => false,
        }
    }

    fn anomaly(&self, core: &[&SetAction<E>]) -> Option<Anomaly> {
        (core.len() > 1).then_some(Anomaly::StaleRead)
    }
}

impl<E: Clone + Ord + Debug> Check for Set<E> {
    /// Element by element if no answer shows the whole set; by the order of what was read if elements are only added.
    /// Otherwise, and for an element that is added or removed twice, by the search.
    fn check(&self, operations: &[Operation<SetAction<E>>], budget: u64) -> Verdict {
        if operations.iter().any(|operation| operation.action.element().is_none()) {
            return sequence::check_set(operations).unwrap_or_else(|| explain::check(self, operations, budget));
        }
        let parts = split(operations, |action| (action.element(), action.clone()));
        check_parts(parts.into_values(), |part| {
            presence::check(part).unwrap_or_else(|| explain::check(self, part, budget))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::SetAction::{Add, Has, Lacks, Read, Remove};
    use super::*;
    use crate::checker::tests::{answered, invalid, unknown, valid};

    const SET: Set<u8> = Set::new();

    fn read(elements: &[u8]) -> SetAction<u8> {
        Read(elements.iter().copied().collect())
    }

    #[test]
    fn an_element_is_there_between_its_addition_and_its_removal() {
        let life =
            [answered(Lacks(1), 0, 1), answered(Add(1), 2, 3), answered(Has(1), 4, 5), answered(Remove(1), 6, 7)];
        valid(&SET, life.iter().cloned().chain([answered(Lacks(1), 8, 9)]));
        invalid(&SET, life.iter().cloned().chain([answered(Has(1), 8, 9)]), Anomaly::StaleRead);
        invalid(&SET, [answered(Add(1), 0, 1), answered(Lacks(1), 2, 3)], Anomaly::StaleRead);
        invalid(&SET, [answered(Has(1), 0, 1)], Anomaly::NeverWritten);
        invalid(&SET, [answered(Has(1), 0, 1), answered(Add(1), 2, 3)], Anomaly::FutureRead);
    }

    #[test]
    fn whole_reads_grow() {
        let two = [answered(Add(1), 0, 2), answered(Add(2), 1, 3)];
        valid(&SET, two.iter().cloned().chain([answered(read(&[1, 2]), 4, 5)]));
        invalid(&SET, two.iter().cloned().chain([answered(read(&[1]), 4, 5)]), Anomaly::LostUpdate);
        let long = [answered(Add(1), 0, 20), answered(Add(2), 1, 21)];
        let split = [answered(read(&[1]), 4, 5), answered(read(&[2]), 6, 7)];
        invalid(&SET, long.iter().cloned().chain(split), Anomaly::SplitOrder);
        valid(&SET, long.into_iter().chain([answered(read(&[2]), 4, 5), answered(read(&[1, 2]), 6, 7)]));
    }

    #[test]
    fn unknown_changes_are_there_or_not() {
        for seen in [Has(1), Lacks(1)] {
            valid(&SET, [unknown(Add(1), 0), answered(seen.clone(), 1, 2)]);
            valid(&SET, [answered(Add(1), 0, 1), unknown(Remove(1), 2), answered(seen, 3, 4)]);
        }
        valid(&SET, [unknown(Add(1), 0), answered(read(&[]), 1, 2), answered(read(&[1]), 3, 4)]);
        let gone = [unknown(Add(1), 0), answered(Has(1), 1, 2), answered(Lacks(1), 3, 4)];
        invalid(&SET, gone, Anomaly::StaleRead);
    }
}
