//! Arithmetic of quorums: pure functions over counts and indexes.

use super::ids::Index;

/// How many make a majority.
pub const fn majority(voters: usize) -> usize {
    voters / 2 + 1
}

/// How many make a quorum where the options say `custom`: a majority where that is 0 or more than there are voters
/// (NuRaft `get_quorum_for_election`, which leaves the caller out of its count; here it is in).
pub const fn size(voters: usize, custom: u64) -> usize {
    if custom == 0 || custom > voters as u64 { majority(voters) } else { custom as usize }
}

/// The highest place that a quorum has reached: the `quorum`th largest of `matched`. Sorts its argument.
pub fn reached(matched: &mut [Index], quorum: usize) -> Index {
    assert!(quorum > 0, "nobody is no quorum");
    if matched.len() < quorum {
        return Index::ZERO;
    }
    matched.sort_unstable_by(|a, b| b.cmp(a));
    matched[quorum - 1]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_majority_is_more_than_half() {
        let sizes: Vec<usize> = (1..=7).map(majority).collect();
        assert_eq!(sizes, [1, 2, 2, 3, 3, 4, 4]);
    }

    #[test]
    fn a_custom_size_that_cannot_be_is_ignored() {
        assert_eq!(size(5, 0), 3);
        assert_eq!(size(5, 6), 3);
        assert_eq!(size(5, 2), 2);
        assert_eq!(size(5, 5), 5);
    }

    #[test]
    fn a_place_is_reached_when_a_quorum_is_there() {
        let at = |places: &[u64], quorum| {
            let mut matched: Vec<Index> = places.iter().map(|place| Index(*place)).collect();
            reached(&mut matched, quorum).0
        };
        assert_eq!(at(&[9, 4, 7, 2, 4], 3), 4);
        assert_eq!(at(&[9, 4], 2), 4);
        assert_eq!(at(&[9], 2), 0);
    }

    proptest! {
        #[test]
        fn two_majorities_meet(voters in 1usize..64) {
            prop_assert!(2 * majority(voters) > voters);
        }

        #[test]
        fn exactly_a_quorum_has_reached_the_place(
            places in proptest::collection::vec(0u64..20, 1..9),
            quorum in 1usize..9,
        ) {
            prop_assume!(quorum <= places.len());
            let mut matched: Vec<Index> = places.iter().map(|place| Index(*place)).collect();
            let place = reached(&mut matched, quorum);
            prop_assert!(places.iter().filter(|at| **at >= place.0).count() >= quorum);
            prop_assert!(places.iter().filter(|at| **at > place.0).count() < quorum);
        }
    }
}
