//! What sequences have exercised, so that a comparison of nothing is seen.

use std::collections::BTreeMap;

use super::operation::NAMES;

/// Counts over one sequence or many.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tried {
    pub(crate) calls: u64,
    pub(crate) errors: u64,
    pub(crate) events: u64,
    pub(crate) opened: usize,
    by_operation: BTreeMap<&'static str, u64>,
}

impl Tried {
    /// A call of this kind was made to both.
    pub(crate) fn note(&mut self, name: &'static str) {
        *self.by_operation.entry(name).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.errors += other.errors;
        self.events += other.events;
        self.opened += other.opened;
        other.by_operation.iter().for_each(|(name, count)| *self.by_operation.entry(name).or_default() += count);
    }

    /// The kinds of call that were never made.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        NAMES.iter().copied().filter(|name| !self.by_operation.contains_key(name)).collect()
    }

    /// How often each kind of call was made.
    pub(crate) fn by_operation(&self) -> impl Iterator<Item = (&'static str, u64)> {
        NAMES.iter().map(|name| (*name, self.by_operation.get(name).copied().unwrap_or(0)))
    }
}
