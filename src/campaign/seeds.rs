//! Which seeds a campaign runs over.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use splitbrain_kernel::rng::Seed;

/// Seeds in the order in which results are folded: a range, or as they were named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seeds {
    /// From the first to just before the last.
    Range(Range<u64>),
    /// Exactly these.
    List(Vec<u64>),
}

/// A text that is no seed, or no range of seeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedError {
    text: String,
    expected: &'static str,
}

impl fmt::Display for SeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}, got {:?}", self.expected, self.text)
    }
}

impl std::error::Error for SeedError {}

/// Reads a seed: decimal, or hexadecimal after `0x`; `_` may stand between digits.
///
/// # Errors
/// The text, where it is neither or does not fit 64 bits.
pub fn parse_seed(text: &str) -> Result<Seed, SeedError> {
    let refuse = || SeedError { text: text.to_owned(), expected: "a seed such as 42 or 0x5eed, below 2^64" };
    let plain = text.replace('_', "");
    let number = match plain.strip_prefix("0x").or_else(|| plain.strip_prefix("0X")) {
        // `from_str_radix` and `parse` take a sign, a seed has none.
        Some(digits) if !digits.starts_with('+') => u64::from_str_radix(digits, 16),
        None if !plain.starts_with('+') => plain.parse(),
        _ => return Err(refuse()),
    };
    number.map(Seed).map_err(|_| refuse())
}

impl FromStr for Seeds {
    type Err = SeedError;

    fn from_str(text: &str) -> Result<Self, SeedError> {
        let refuse = || SeedError { text: text.to_owned(), expected: "a range A..B of seeds with A below B" };
        let (first, last) = text.split_once("..").ok_or_else(refuse)?;
        let first = parse_seed(first.trim())?.0;
        let last = parse_seed(last.trim())?.0;
        if first >= last {
            return Err(refuse());
        }
        Ok(Self::Range(first..last))
    }
}

impl Seeds {
    /// Exactly these, in this order; one that is named again counts once.
    pub fn list(seeds: impl IntoIterator<Item = Seed>) -> Self {
        let mut seen = BTreeSet::new();
        Self::List(seeds.into_iter().map(|seed| seed.0).filter(|seed| seen.insert(*seed)).collect())
    }

    /// The first `count` seeds.
    pub const fn first(count: u64) -> Self {
        Self::Range(0..count)
    }

    /// How many there are.
    pub const fn len(&self) -> u64 {
        match self {
            Self::Range(range) => range.end.saturating_sub(range.start),
            Self::List(list) => list.len() as u64,
        }
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first `count` of them.
    #[must_use]
    pub fn take(&self, count: u64) -> Self {
        match self {
            Self::Range(range) => Self::Range(range.start..range.end.min(range.start.saturating_add(count))),
            Self::List(list) => {
                Self::List(list[..list.len().min(usize::try_from(count).unwrap_or(usize::MAX))].to_vec())
            }
        }
    }

    /// The seed at this position, counted from 0.
    pub fn get(&self, index: u64) -> Option<Seed> {
        match self {
            Self::Range(range) => range.start.checked_add(index).filter(|seed| *seed < range.end).map(Seed),
            Self::List(list) => usize::try_from(index).ok().and_then(|index| list.get(index)).copied().map(Seed),
        }
    }
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range(range) => write!(f, "{}..{}", range.start, range.end),
            Self::List(list) => {
                let texts: Vec<String> = list.iter().map(u64::to_string).collect();
                f.write_str(&texts.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_decimal_or_hexadecimal() {
        assert_eq!(parse_seed("42"), Ok(Seed(42)));
        assert_eq!(parse_seed("0x5eed"), Ok(Seed(0x5eed)));
        assert_eq!(parse_seed("1_000"), Ok(Seed(1000)));
        assert_eq!(parse_seed("18446744073709551615"), Ok(Seed(u64::MAX)));
        for text in ["", "-1", "+1", "0x", "0x+1", "1.5", "seed", "18446744073709551616", "0b1"] {
            assert!(parse_seed(text).is_err(), "{text:?} was taken for a seed");
        }
    }

    #[test]
    fn a_seed_that_is_named_again_counts_once() {
        let seeds = Seeds::list([3, 1, 3, 2, 1].map(Seed));
        assert_eq!(seeds, Seeds::List(vec![3, 1, 2]));
        assert_eq!((seeds.len(), seeds.to_string().as_str()), (3, "3, 1, 2"));
    }

    #[test]
    fn a_range_excludes_its_end() {
        let seeds: Seeds = "3..0x6".parse().expect("a range");
        let all: Vec<u64> = (0..seeds.len()).filter_map(|index| seeds.get(index)).map(|seed| seed.0).collect();
        assert_eq!(all, [3, 4, 5]);
        assert_eq!(seeds.get(3), None);
        assert_eq!((seeds.take(2), seeds.take(9)), (Seeds::Range(3..5), seeds));
        assert_eq!(Seeds::List(vec![7, 1, 9]).take(2), Seeds::List(vec![7, 1]));
        for text in ["3", "3..3", "5..3", "..3", "3..", "a..b"] {
            assert!(text.parse::<Seeds>().is_err(), "{text:?} was taken for a range");
        }
    }
}
