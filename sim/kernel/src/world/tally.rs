//! Counts by name, of names that come again and again.

use std::collections::BTreeMap;

/// How often each name came.
///
/// A name is looked for by where it lies, which is one comparison; one text may lie in several places, and then has
/// several entries. So places decide the order of entries and how many there are, and nothing that leaves this file.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    entries: Vec<(&'static str, u64)>,
}

impl Tally {
    /// Counts a name once more.
    #[inline]
    pub(super) fn add(&mut self, name: &'static str) {
        match self.entries.iter_mut().find(|(known, _)| std::ptr::eq(*known, name)) {
            Some((_, count)) => *count += 1,
            None => self.entries.push((name, 1)),
        }
    }

    /// The counts, by text.
    pub(super) fn by_name(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        for (name, count) in &self.entries {
            *counts.entry(*name).or_default() += count;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_lies_in_two_places_has_one_count() {
        let (once, again): (&'static str, &'static str) = ("leader elected", String::from("leader elected").leak());
        let mut tally = Tally::default();
        for name in [once, "vote cast", again, once, again] {
            tally.add(name);
        }
        assert_eq!(tally.entries.len(), 3);
        assert_eq!(tally.by_name(), BTreeMap::from([("leader elected", 4), ("vote cast", 1)]));
    }
}
