//! Invariants by group: those of a node, and those of the nodes inside it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::id::is_equal;

use super::InvariantInfo;

/// The invariants of a system by group, as the tree in which they were put together. It is a constant, of any size.
///
/// A system states its own invariants and no group. [`Inside`](crate::embedding::Inside) names the group of an inner
/// system; what has no name in the end is the outermost system's own, and bears the name of that system.
#[derive(Clone, Copy, Debug)]
pub enum Groups {
    /// One group, not yet named.
    Own(&'static [InvariantInfo]),
    /// These groups, with a name for the one that has none.
    Inside {
        /// The name.
        name: &'static str,
        /// The groups.
        groups: &'static Self,
    },
    /// The groups of the first, then those of the second.
    Both {
        /// The first.
        first: &'static Self,
        /// The second.
        second: &'static Self,
    },
}

/// An invariant under the name that people see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedInvariant {
    /// `election_safety`, or with its group where there are several groups: `raft.election_safety`.
    pub name: Cow<'static, str>,
    /// What it is.
    pub info: &'static InvariantInfo,
}

impl Groups {
    /// How many groups.
    pub const fn count(&self) -> usize {
        match self {
            Self::Own(_) => 1,
            Self::Inside { groups, .. } => groups.count(),
            Self::Both { first, second } => first.count() + second.count(),
        }
    }

    /// How many invariants, over all groups.
    pub const fn invariant_count(&self) -> usize {
        match self {
            Self::Own(list) => list.len(),
            Self::Inside { groups, .. } => groups.invariant_count(),
            Self::Both { first, second } => first.invariant_count() + second.invariant_count(),
        }
    }

    /// How many invariants the largest group has.
    pub const fn largest(&self) -> usize {
        match self {
            Self::Own(list) => list.len(),
            Self::Inside { groups, .. } => groups.largest(),
            Self::Both { first, second } => {
                let (first, second) = (first.largest(), second.largest());
                if first > second { first } else { second }
            }
        }
    }

    /// The name and the invariants of a group; `own` is the name of a group that has no other.
    ///
    /// # Panics
    /// Where there are not as many groups.
    pub const fn group(&self, index: usize, own: &'static str) -> (&'static str, &'static [InvariantInfo]) {
        match self {
            Self::Own(list) => {
                assert!(index == 0, "there are not as many groups");
                (own, list)
            }
            Self::Inside { name, groups } => groups.group(index, name),
            Self::Both { first, second } => {
                let count = first.count();
                if index < count { first.group(index, own) } else { second.group(index - count, own) }
            }
        }
    }

    /// Whether no two groups have the same name.
    pub const fn are_distinct(&self, own: &'static str) -> bool {
        let count = self.count();
        let mut one = 0;
        while one < count {
            let mut other = one + 1;
            while other < count {
                if is_equal(self.group(one, own).0, self.group(other, own).0) {
                    return false;
                }
                other += 1;
            }
            one += 1;
        }
        true
    }

    /// The groups in order; `own` is the name of a group that has no other.
    pub fn iter(&self, own: &'static str) -> impl Iterator<Item = (&'static str, &'static [InvariantInfo])> {
        let groups = *self;
        (0..self.count()).map(move |index| groups.group(index, own))
    }

    /// All invariants by index, under the names that people see; `own` is the name of a group that has no other.
    pub fn named(&self, own: &'static str) -> Vec<NamedInvariant> {
        let is_one = self.count() == 1;
        let name = |group: &str, info: &'static InvariantInfo| {
            if is_one { Cow::Borrowed(info.name) } else { Cow::Owned(format!("{group}.{}", info.name)) }
        };
        let of = |(group, list): (&'static str, &'static [InvariantInfo])| {
            list.iter().map(move |info| NamedInvariant { name: name(group, info), info })
        };
        self.iter(own).flat_map(of).collect()
    }
}

/// Some of the invariants of a system, by index over all groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvariantSet {
    /// All of them.
    All,
    /// These.
    Only(BTreeSet<usize>),
}

impl InvariantSet {
    /// None of them.
    pub const NONE: Self = Self::Only(BTreeSet::new());

    /// Whether the invariant with this index is one of them.
    pub fn contains(&self, index: usize) -> bool {
        match self {
            Self::All => true,
            Self::Only(indexes) => indexes.contains(&index),
        }
    }

    /// Those of them, of this many in all, that `keep` wants.
    #[must_use]
    pub fn filter(&self, count: usize, mut keep: impl FnMut(usize) -> bool) -> Self {
        Self::Only((0..count).filter(|index| self.contains(*index) && keep(*index)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{InvariantKind, Sight};
    use super::*;

    const fn info(name: &'static str) -> InvariantInfo {
        InvariantInfo { name, doc: "", source: "", kind: InvariantKind::Safety, sight: Sight::BlackBox }
    }

    const LEAF: Groups = Groups::Own(&[info("a"), info("b")]);
    const MIDDLE: Groups =
        Groups::Both { first: &Groups::Own(&[info("a")]), second: &Groups::Inside { name: "leaf", groups: &LEAF } };
    const WHOLE: Groups = Groups::Both {
        first: &Groups::Own(&[info("a"), info("c"), info("d")]),
        second: &Groups::Inside { name: "middle", groups: &MIDDLE },
    };

    fn names(groups: &Groups) -> Vec<String> {
        groups.named("whole").into_iter().map(|it| it.name.into_owned()).collect()
    }

    #[test]
    fn a_system_of_one_group_has_short_names() {
        assert_eq!(names(&LEAF), ["a", "b"]);
    }

    #[test]
    fn each_level_has_the_name_of_its_embedding_and_the_outermost_that_of_the_system() {
        assert_eq!(names(&WHOLE), ["whole.a", "whole.c", "whole.d", "middle.a", "leaf.a", "leaf.b"]);
        assert_eq!((WHOLE.count(), WHOLE.invariant_count(), WHOLE.largest()), (3, 6, 3));
    }

    #[test]
    fn two_groups_of_one_name_are_seen() {
        const TWICE: Groups = Groups::Both { first: &MIDDLE, second: &Groups::Inside { name: "leaf", groups: &LEAF } };
        assert!(WHOLE.are_distinct("whole"));
        assert!(!WHOLE.are_distinct("leaf"));
        assert!(!TWICE.are_distinct("whole"));
    }

    #[test]
    fn a_set_has_what_was_put_into_it_and_no_end() {
        assert!(InvariantSet::All.contains(1_000));
        assert!(!InvariantSet::NONE.contains(0));
        let odd = InvariantSet::All.filter(300, |index| index % 2 == 1);
        assert!(odd.contains(299) && !odd.contains(298) && !odd.contains(301));
        assert_eq!(InvariantSet::NONE.filter(300, |_| true), InvariantSet::NONE);
    }
}
