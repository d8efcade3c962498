//! Objects by key that do not depend on one another; and a key-value store whose values can be appended to.

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::register::{Register, RegisterAction};
use crate::checker::{Anomaly, Check, Model, Operation, Verdict, check_parts, explain, sequence, split};

/// One object of a kind for each key, all of them equal before the first operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PerKey<K, M> {
    each: M,
    key: std::marker::PhantomData<K>,
}

/// A key-value store: for each key one value, which may be appended to.
pub type KeyValue<K, V> = PerKey<K, Cell<V>>;

/// What an operation does to the object of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Keyed<K, A> {
    /// Which object.
    pub key: K,
    /// What it does to it.
    pub action: A,
}

impl<K, M> PerKey<K, M> {
    /// One such object for each key.
    pub const fn new(each: M) -> Self {
        Self { each, key: std::marker::PhantomData }
    }

    /// The object of a key before the first operation.
    pub const fn each(&self) -> &M {
        &self.each
    }
}

impl<K: Clone + Ord + Debug, M: Model> Model for PerKey<K, M> {
    type State = BTreeMap<K, M::State>;
    type Action = Keyed<K, M::Action>;

    fn initial(&self) -> Self::State {
        BTreeMap::new()
    }

    fn step(&self, state: &Self::State, action: &Self::Action) -> Option<Self::State> {
        let initial = self.each.initial();
        let after = self.each.step(state.get(&action.key).unwrap_or(&initial), &action.action)?;
        let mut all = state.clone();
        // A key without an entry and one with the first state are one state.
        if after == initial {
            all.remove(&action.key)
        } else {
            all.insert(action.key.clone(), after)
        };
        Some(all)
    }

    fn is_read(&self, action: &Self::Action) -> bool {
        self.each.is_read(&action.action)
    }

    fn explains(&self, writer: &Self::Action, seen: &Self::Action) -> bool {
        writer.key == seen.key && self.each.explains(&writer.action, &seen.action)
    }

    fn anomaly(&self, core: &[&Self::Action]) -> Option<Anomaly> {
        self.each.anomaly(&core.iter().map(|keyed| &keyed.action).collect::<Vec<_>>())
    }
}

impl<K: Clone + Ord + Debug, M: Check> Check for PerKey<K, M> {
    /// Key by key: such a history is linearizable if that of each key is (Herlihy and Wing, section 3.3).
    fn check(&self, operations: &[Operation<Self::Action>], budget: u64) -> Verdict {
        let parts = split(operations, |action| (&action.key, action.action.clone()));
        check_parts(parts.into_values(), |part| self.each.check(part, budget))
    }
}

/// A value that consists of units, and to which another one can be appended.
pub trait Append {
    /// What it consists of.
    type Unit: Ord + Clone + Debug + Send + 'static;

    /// Its units, in order.
    fn units(&self) -> &[Self::Unit];

    /// Appends the units of another one.
    fn append(&mut self, more: &Self);
}

impl Append for String {
    type Unit = u8;

    fn units(&self) -> &[u8] {
        self.as_bytes()
    }

    fn append(&mut self, more: &Self) {
        self.push_str(more);
    }
}

impl<T: Clone + Ord + Debug + Send + 'static> Append for Vec<T> {
    type Unit = T;

    fn units(&self) -> &[T] {
        self
    }

    fn append(&mut self, more: &Self) {
        self.extend_from_slice(more);
    }
}

/// A register whose value can be appended to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell<V> {
    /// What it holds before the first operation.
    pub initial: V,
}

/// What an operation does to a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CellAction<V> {
    /// What a register can do.
    Register(RegisterAction<V>),
    /// The value is longer by this one.
    Append(V),
}

impl<V: Clone + Ord + Debug + Append> Model for Cell<V> {
    type State = V;
    type Action = CellAction<V>;

    fn initial(&self) -> V {
        self.initial.clone()
    }

    fn step(&self, state: &V, action: &CellAction<V>) -> Option<V> {
        match action {
            CellAction::Register(action) => Register { initial: self.initial() }.step(state, action),
            CellAction::Append(more) => {
                let mut longer = state.clone();
                longer.append(more);
                Some(longer)
            }
        }
    }

    fn is_read(&self, action: &CellAction<V>) -> bool {
        matches!(action, CellAction::Register(action) if action.written().is_none())
    }

    fn explains(&self, writer: &CellAction<V>, seen: &CellAction<V>) -> bool {
        let CellAction::Register(seen) = seen else { return false };
        match writer {
            CellAction::Register(writer) => Register { initial: self.initial() }.explains(writer, seen),
            CellAction::Append(piece) => seen.seen().is_some_and(|value| value.units().ends_with(piece.units())),
        }
    }

    fn anomaly(&self, core: &[&CellAction<V>]) -> Option<Anomaly> {
        // An append that the last answer lacks altogether is lost, one that it could have had is stale.
        let last = core.last().copied()?;
        let CellAction::Register(RegisterAction::Read(shown)) = last else {
            return (core.len() > 1).then_some(Anomaly::NoOrder);
        };
        let is_shown = |value: &V| {
            let units = value.units();
            units.is_empty() || shown.units().windows(units.len()).any(|window| window == units)
        };
        let is_lost = core.iter().any(|action| matches!(action, CellAction::Append(piece) if !is_shown(piece)));
        match core.len() {
            1 => None,
            _ if is_lost => Some(Anomaly::LostUpdate),
            _ => Some(Anomaly::StaleRead),
        }
    }
}

impl<V: Clone + Ord + Debug + Append> Check for Cell<V> {
    /// As a register if nothing is appended, as a list if nothing is written, by the search if both happen.
    fn check(&self, operations: &[Operation<CellAction<V>>], budget: u64) -> Verdict {
        let as_register: Option<Vec<_>> = operations.iter().map(register_of).collect();
        if let Some(operations) = as_register {
            return Register { initial: self.initial() }.check(&operations, budget);
        }
        sequence::check_list(&self.initial, operations).unwrap_or_else(|| explain::check(self, operations, budget))
    }
}

fn register_of<V: Clone>(operation: &Operation<CellAction<V>>) -> Option<Operation<RegisterAction<V>>> {
    match &operation.action {
        CellAction::Register(action) => {
            let Operation { invoked, returned, .. } = *operation;
            Some(Operation { action: action.clone(), invoked, returned })
        }
        CellAction::Append(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::tests::{answered, invalid, unknown, valid};

    fn get(key: u8, value: &str) -> Keyed<u8, CellAction<String>> {
        Keyed { key, action: CellAction::Register(RegisterAction::Read(value.to_owned())) }
    }

    fn put(key: u8, value: &str) -> Keyed<u8, CellAction<String>> {
        Keyed { key, action: CellAction::Register(RegisterAction::Write(value.to_owned())) }
    }

    fn append(key: u8, value: &str) -> Keyed<u8, CellAction<String>> {
        Keyed { key, action: CellAction::Append(value.to_owned()) }
    }

    fn store() -> KeyValue<u8, String> {
        PerKey::new(Cell { initial: String::new() })
    }

    #[test]
    fn a_key_holds_what_was_put_and_appended() {
        let begin = [answered(put(1, "a"), 0, 1), answered(append(1, "b"), 2, 3)];
        valid(&store(), begin.clone().into_iter().chain([answered(get(1, "ab"), 4, 5), answered(get(2, ""), 6, 7)]));
        invalid(&store(), begin.clone().into_iter().chain([answered(get(1, "a"), 4, 5)]), Anomaly::LostUpdate);
        invalid(&store(), begin.into_iter().chain([answered(get(1, "abc"), 4, 5)]), Anomaly::NeverWritten);
    }

    #[test]
    fn keys_are_judged_apart() {
        // Of two keys each one is right, whatever the order between them was.
        let apart = [answered(put(1, "a"), 0, 3), answered(put(2, "a"), 1, 4), answered(get(2, ""), 2, 5)];
        valid(&store(), apart);
        let other = [answered(put(1, "a"), 0, 1), answered(get(2, "a"), 2, 3)];
        invalid(&store(), other, Anomaly::NeverWritten);
    }

    #[test]
    fn an_unknown_append_is_there_or_not() {
        let two = [unknown(append(1, "a"), 0), answered(append(1, "b"), 1, 2)];
        for seen in ["b", "ab"] {
            valid(&store(), two.clone().into_iter().chain([answered(get(1, seen), 3, 4)]));
        }
        invalid(&store(), two.into_iter().chain([answered(get(1, "a"), 3, 4)]), Anomaly::LostUpdate);
    }

    #[test]
    fn lists_are_judged_as_texts_are() {
        let lists = Cell { initial: Vec::new() };
        let append = |element: u8| CellAction::Append(vec![element]);
        let read = |elements: &[u8]| CellAction::Register(RegisterAction::Read(elements.to_vec()));
        let begin = [answered(append(1), 0, 2), answered(append(2), 1, 3)];
        valid(&lists, begin.clone().into_iter().chain([answered(read(&[2, 1]), 4, 5), answered(read(&[2, 1]), 6, 7)]));
        let split = [answered(read(&[1, 2]), 4, 5), answered(read(&[2, 1]), 6, 7)];
        invalid(&lists, begin.into_iter().chain(split), Anomaly::SplitOrder);
    }
}
