//! A register with compare-and-set.

use std::fmt::Debug;

use crate::checker::chains::{self, Chains};
use crate::checker::{Anomaly, Check, Model, Operation, Verdict, explain};

/// A register that holds one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Register<V> {
    /// What it holds before the first write.
    pub initial: V,
}

/// What an operation does to a register.
///
/// A compare-and-set that failed changes nothing: it is a [`Read`](Self::Read) if it returned the value that it saw,
/// and otherwise [`Differs`](Self::Differs).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RegisterAction<V> {
    /// The register holds this value.
    Read(V),
    /// It holds another value than this one.
    Differs(V),
    /// It holds this value from now on.
    Write(V),
    /// It held the first value, and holds the second from now on.
    Set {
        /// What it held.
        expected: V,
        /// What it holds from now on.
        new: V,
    },
}

impl<V> RegisterAction<V> {
    /// The value that the register holds because of it.
    pub const fn written(&self) -> Option<&V> {
        match self {
            Self::Write(new) | Self::Set { new, .. } => Some(new),
            Self::Read(_) | Self::Differs(_) => None,
        }
    }

    /// The value that it found in the register.
    pub const fn seen(&self) -> Option<&V> {
        match self {
            Self::Read(value) | Self::Set { expected: value, .. } => Some(value),
            Self::Write(_) | Self::Differs(_) => None,
        }
    }
}

impl<V: Clone + Ord + Debug> Model for Register<V> {
    type State = V;
    type Action = RegisterAction<V>;

    fn initial(&self) -> V {
        self.initial.clone()
    }

    fn step(&self, state: &V, action: &RegisterAction<V>) -> Option<V> {
        match action {
            RegisterAction::Read(value) => (state == value).then(|| state.clone()),
            RegisterAction::Differs(value) => (state != value).then(|| state.clone()),
            RegisterAction::Write(new) => Some(new.clone()),
            RegisterAction::Set { expected, new } => (state == expected).then(|| new.clone()),
        }
    }

    fn is_read(&self, action: &RegisterAction<V>) -> bool {
        action.written().is_none()
    }

    fn explains(&self, writer: &RegisterAction<V>, seen: &RegisterAction<V>) -> bool {
        writer.written().is_some() && writer.written() == seen.seen()
    }

    fn anomaly(&self, core: &[&RegisterAction<V>]) -> Option<Anomaly> {
        let [.., last] = core else { return None };
        let same_set = |one: &RegisterAction<V>, other: &RegisterAction<V>| match (one, other) {
            (RegisterAction::Set { expected: one, .. }, RegisterAction::Set { expected: other, .. }) => one == other,
            _ => false,
        };
        let has_both = (1..core.len()).any(|end| core[..end].iter().any(|one| same_set(one, core[end])));
        let seers = core.iter().filter(|action| action.seen().is_some()).count();
        match core.len() {
            0 | 1 => None,
            _ if has_both => Some(Anomaly::LostUpdate),
            _ if last.seen().is_some() && seers < 3 => Some(Anomaly::StaleRead),
            _ => Some(Anomaly::SplitOrder),
        }
    }
}

impl<V: Clone + Ord + Debug> Check for Register<V> {
    /// By chains and zones if each value is written once and no operation says only that a value was another one.
    fn check(&self, operations: &[Operation<RegisterAction<V>>], budget: u64) -> Verdict {
        let chains = Chains::new(self.initial.clone());
        chains::check(chains, operations).unwrap_or_else(|| explain::check(self, operations, budget))
    }
}

#[cfg(test)]
mod tests {
    use super::RegisterAction::{Differs, Read, Set, Write};
    use super::*;
    use crate::checker::BUDGET;
    use crate::checker::tests::{answered, invalid, unknown, valid};

    const EMPTY: Register<u8> = Register { initial: 0 };

    #[test]
    fn reads_show_what_was_written_last() {
        valid(&EMPTY, [answered(Read(0), 0, 1), answered(Write(1), 2, 3), answered(Read(1), 4, 5)]);
        let old = [answered(Write(1), 0, 1), answered(Write(2), 2, 3), answered(Read(1), 4, 5)];
        invalid(&EMPTY, old, Anomaly::StaleRead);
        invalid(&EMPTY, [answered(Read(7), 0, 1)], Anomaly::NeverWritten);
        invalid(&EMPTY, [answered(Read(1), 0, 1), answered(Write(1), 2, 3)], Anomaly::FutureRead);
    }

    #[test]
    fn a_read_may_show_either_side_of_a_write_that_it_overlaps() {
        for seen in [0, 1] {
            valid(&EMPTY, [answered(Write(1), 0, 3), answered(Read(seen), 1, 2)]);
        }
        let back = [answered(Write(1), 0, 5), answered(Read(1), 1, 2), answered(Read(0), 3, 4)];
        invalid(&EMPTY, back, Anomaly::StaleRead);
    }

    #[test]
    fn one_of_two_sets_against_one_value_fails() {
        let set = |new| Set { expected: 0, new };
        valid(&EMPTY, [answered(set(1), 0, 2), answered(Differs(0), 1, 3)]);
        invalid(&EMPTY, [answered(set(1), 0, 2), answered(set(2), 1, 3)], Anomaly::LostUpdate);
        let chain = [answered(set(1), 0, 1), answered(Set { expected: 1, new: 2 }, 2, 3), answered(Read(1), 4, 5)];
        invalid(&EMPTY, chain, Anomaly::StaleRead);
    }

    #[test]
    fn an_unknown_write_may_come_at_any_time_or_never() {
        for (first, second) in [(0, 0), (0, 1), (1, 1)] {
            valid(&EMPTY, [unknown(Write(1), 0), answered(Read(first), 1, 2), answered(Read(second), 3, 4)]);
        }
        let back = [unknown(Write(1), 0), answered(Read(1), 1, 2), answered(Read(0), 3, 4)];
        invalid(&EMPTY, back, Anomaly::StaleRead);
        // The value is written twice: this is for the search.
        valid(&EMPTY, [unknown(Write(1), 0), unknown(Write(1), 1), answered(Read(1), 2, 3)]);
        let early = [unknown(Write(1), 3), unknown(Write(1), 4), answered(Read(1), 0, 1)];
        invalid(
            &EMPTY,
            {
                let mut all = early;
                all.sort_by_key(|one| one.invoked);
                all
            },
            Anomaly::FutureRead,
        );
    }

    #[test]
    fn what_the_budget_does_not_reach_is_unknown() {
        let writes = (0..8).map(|place| answered(Write(place as u8 % 2), place, 20 + place));
        let all: Vec<_> = writes.chain([answered(Read(7), 8, 40)]).collect();
        assert_eq!(EMPTY.check(&all, 3), Verdict::Unknown);
        assert!(matches!(EMPTY.check(&all, BUDGET), Verdict::Invalid(_)));
    }
}
