//! The state machine of the plain system: sixteen registers that the entries of the log set in turn, and a chain over
//! all that was applied.
//!
//! Two servers that have applied the same entries have the same chain, and no others: a snapshot that is wrong shows.

use splitbrain_kernel::digest;

use super::ids::Index;
use super::message::{Command, Entry, Payload};
use super::snapshot::Item;

/// The registers of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registers<C = u64> {
    chain: u64,
    values: [Option<C>; COUNT],
}

const COUNT: usize = 16;

impl<C: Payload> Registers<C> {
    /// Before the first entry.
    pub const EMPTY: Self = Self { chain: 0, values: [const { None }; COUNT] };

    /// Applies the entry at this place.
    pub(super) fn apply(&mut self, index: Index, entry: &Entry<C>) {
        self.chain = digest::fingerprint(self.chain, &(index, entry));
        if let Command::Set(value) = &entry.command {
            self.values[index.0 as usize % COUNT] = Some(value.clone());
        }
    }

    /// A fingerprint of all entries that were applied, and of their order.
    pub const fn chain(&self) -> u64 {
        self.chain
    }

    /// All of it, as a snapshot carries it.
    pub(super) fn items(&self) -> Vec<Item<C>> {
        let set = self.values.iter().enumerate();
        let registers = set.filter_map(|(at, value)| Some(Item::Register { at: at as u8, value: value.clone()? }));
        std::iter::once(Item::Chain(self.chain)).chain(registers).collect()
    }

    /// What a snapshot carries.
    pub(super) fn of(items: &[Item<C>]) -> Self {
        let mut registers = Self::EMPTY;
        for item in items {
            match item {
                Item::Chain(chain) => registers.chain = *chain,
                Item::Kv(_) | Item::Members { .. } | Item::Outside(_) => {}
                Item::Register { at, value } => registers.values[usize::from(*at) % COUNT] = Some(value.clone()),
            }
        }
        registers
    }
}

#[cfg(test)]
mod tests {
    use super::super::ids::Term;
    use super::*;

    fn applied(values: &[u64]) -> Registers {
        let mut registers = Registers::EMPTY;
        for (index, value) in (1..).zip(values) {
            registers.apply(Index(index), &Entry { term: Term(1), command: Command::Set(*value) });
        }
        registers
    }

    #[test]
    fn the_items_are_all_of_it() {
        let registers = applied(&(0..40).collect::<Vec<_>>());
        let items = registers.items();
        assert_eq!(items.len(), 1 + COUNT);
        assert_eq!(Registers::of(&items), registers);
        assert_eq!(Registers::<u64>::of(&Registers::<u64>::EMPTY.items()), Registers::EMPTY);
    }

    #[test]
    fn the_chain_tells_every_history_from_another() {
        let chain = |values: &[u64]| applied(values).chain();
        assert_eq!(chain(&[1, 2, 3]), chain(&[1, 2, 3]));
        for other in [&[1, 2][..], &[1, 3, 2], &[1, 2, 4], &[2, 2, 3]] {
            assert_ne!(chain(&[1, 2, 3]), chain(other));
        }
    }
}
