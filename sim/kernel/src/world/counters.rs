//! Counts by name, of names that come again and again.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::vocabulary::{Incident, RoleId, Vocabulary};

/// How often each name came.
///
/// A name is looked for by where it lies, which is one comparison; one text may lie in several places, and then has
/// several entries. So places decide the order of entries and how many there are, and nothing that leaves this file.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters {
    entries: Vec<(&'static str, u64)>,
}

impl Counters {
    /// Counts a name once more.
    #[inline]
    pub(super) fn add(&mut self, name: &'static str) {
        match self.entries.iter().position(|(known, _)| std::ptr::eq(*known, name)) {
            Some(place) => {
                self.entries[place].1 += 1;
                // What comes often moves to the front, where it is found at once.
                self.entries.swap(place, place.saturating_sub(1));
            }
            None => self.entries.push((name, 1)),
        }
    }

    /// How often this name was counted.
    pub(super) fn of(&self, name: &str) -> u64 {
        self.entries.iter().filter(|(known, _)| *known == name).map(|(_, count)| count).sum()
    }

    /// The counts, by text.
    pub(super) fn by_name(&self) -> BTreeMap<Cow<'static, str>, u64> {
        let mut counts = BTreeMap::new();
        for (name, count) in &self.entries {
            *counts.entry(Cow::Borrowed(*name)).or_default() += count;
        }
        counts
    }
}

/// How often something happened to the node that counts in a ranked role.
#[derive(Clone, Debug, Default)]
pub(super) struct Incidents(BTreeMap<(RoleId, &'static str), u64>);

impl Incidents {
    /// Counts an incident once more.
    pub(super) fn add(&mut self, role: RoleId, incident: Incident) {
        *self.0.entry((role, incident.name())).or_default() += 1;
    }

    /// The counts, by the name that people see.
    pub(super) fn by_name(&self, words: &Vocabulary) -> impl Iterator<Item = (Cow<'static, str>, u64)> {
        self.0.iter().map(|((role, name), count)| (Cow::Owned(format!("{} {name}", words.role_name(*role))), *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_lies_in_two_places_has_one_count() {
        let (once, again): (&'static str, &'static str) = ("leader elected", String::from("leader elected").leak());
        let mut counters = Counters::default();
        for name in [once, "vote cast", again, once, again] {
            counters.add(name);
        }
        assert_eq!(counters.entries.len(), 3);
        assert_eq!(["leader elected", "vote cast", "never"].map(|name| counters.of(name)), [4, 1, 0]);
        assert_eq!(counters.by_name(), BTreeMap::from([("leader elected".into(), 4), ("vote cast".into(), 1)]));
    }
}
