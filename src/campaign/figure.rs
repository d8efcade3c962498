//! What a figure came to over the runs of a campaign: its distribution.
//!
//! That of a figure which `[expect]` bounds is exact. Others take no more memory than a few thousand values do: beyond
//! that many different ones, values are rounded down by less than one part in 64.

use std::collections::BTreeMap;

/// How many different values a distribution keeps that need not be exact.
pub(super) const VALUES_MAX: usize = 4096;

/// The bits of a value that is rounded down.
const BITS: u32 = 7;

/// What a figure came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// Its name, with the filter of its bound.
    pub name: String,
    /// Over the runs that it is about and that have it.
    pub distribution: Distribution,
}

/// How often each value came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distribution {
    values: BTreeMap<u64, u64>,
    count: u64,
    sum: u128,
    range: Option<(u64, u64)>,
    rounding: Rounding,
}

/// Whether values are rounded down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Rounding {
    /// Never.
    #[default]
    Never,
    /// Once there are more than [`VALUES_MAX`].
    Later,
    /// From now on.
    Now,
}

impl Rounding {
    fn of(self, value: u64) -> u64 {
        let low_bits = (u64::BITS - value.leading_zeros()).saturating_sub(BITS);
        if self == Self::Now { value >> low_bits << low_bits } else { value }
    }
}

/// One bar of a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// The least value that it counts.
    pub low: u64,
    /// The most.
    pub high: u64,
    /// How many runs have such a value.
    pub count: u64,
}

impl Distribution {
    /// One that takes no more memory than a few thousand values do.
    pub fn small() -> Self {
        Self { rounding: Rounding::Later, ..Self::default() }
    }

    /// Takes in the value of one run.
    pub fn add(&mut self, value: u64) {
        let (least, most) = self.range.unwrap_or((value, value));
        self.range = Some((least.min(value), most.max(value)));
        self.sum += u128::from(value);
        self.count += 1;
        *self.values.entry(self.rounding.of(value)).or_default() += 1;
        if self.rounding == Rounding::Later && self.values.len() > VALUES_MAX {
            self.rounding = Rounding::Now;
            for (value, count) in std::mem::take(&mut self.values) {
                *self.values.entry(self.rounding.of(value)).or_default() += count;
            }
        }
    }

    /// How many runs there were.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The least and the most; `None` if there was no run.
    pub const fn range(&self) -> Option<(u64, u64)> {
        self.range
    }

    /// The mean, rounded down.
    pub fn mean(&self) -> Option<u64> {
        u64::try_from(self.sum.checked_div(u128::from(self.count))?).ok()
    }

    /// The least value that at least this many percent of the runs do not exceed (the nearest rank).
    ///
    /// # Panics
    /// Above 100.
    pub fn percentile(&self, percent: u64) -> Option<u64> {
        assert!(percent <= 100, "a percentile is at most the hundredth");
        let rank = (u128::from(self.count) * u128::from(percent)).div_ceil(100).max(1);
        let mut seen = 0;
        self.values.iter().find_map(|(value, count)| {
            seen += u128::from(*count);
            (seen >= rank).then_some(*value)
        })
    }

    /// The runs by value, in at most `most` bars of equal width, without empty ones at the ends.
    pub fn histogram(&self, most: u64) -> Vec<Bar> {
        let Some((low, high)) = self.range() else { return Vec::new() };
        let width = ((high - low) / most.max(1)).saturating_add(1);
        let mut bars: Vec<Bar> = Vec::new();
        for (value, count) in &self.values {
            // The least one may have been rounded down.
            let place = (value.saturating_sub(low) / width) as usize;
            while bars.len() <= place {
                let low = low + width * bars.len() as u64;
                bars.push(Bar { low, high: low.saturating_add(width - 1).min(high), count: 0 });
            }
            bars[place].count += count;
        }
        bars
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = u64>) -> Distribution {
        let mut distribution = Distribution::default();
        values.into_iter().for_each(|value| distribution.add(value));
        distribution
    }

    #[test]
    fn percentiles_are_values_that_came() {
        let hundred = of(1..=100);
        assert_eq!(
            [0, 1, 50, 90, 99, 100].map(|percent| hundred.percentile(percent)),
            [1, 1, 50, 90, 99, 100].map(Some)
        );
        let few = of([7, 3, 3]);
        assert_eq!([50, 67, 100].map(|percent| few.percentile(percent)), [3, 7, 7].map(Some));
        assert_eq!((few.mean(), few.range(), few.count()), (Some(4), Some((3, 7)), 3));
        let none = Distribution::default();
        assert_eq!((none.percentile(50), none.mean(), none.range()), (None, None, None));
    }

    #[test]
    fn one_that_need_not_be_exact_stays_small_and_close() {
        let (mut exact, mut small) = (Distribution::default(), Distribution::small());
        for index in 0..50_000_u64 {
            let value = index * index % 1_000_003 + index;
            exact.add(value);
            small.add(value);
            if index == 3_000 {
                assert_eq!(small.values, exact.values, "few values are exact");
            }
        }
        assert!(small.values.len() <= VALUES_MAX, "{}", small.values.len());
        assert_eq!((small.mean(), small.range(), small.count()), (exact.mean(), exact.range(), exact.count()));
        for percent in 0..=100 {
            let [rounded, value] = [&small, &exact].map(|one| one.percentile(percent).expect("there are runs"));
            assert!(rounded <= value && (value - rounded) * 64 <= value, "{percent}: {rounded} for {value}");
        }
        assert_eq!(small.histogram(8).iter().map(|bar| bar.count).sum::<u64>(), 50_000);
        let mut huge = Distribution::small();
        (0..64).for_each(|bit| (0..200).for_each(|low| huge.add((1 << bit) + low)));
        assert!(huge.values.len() <= VALUES_MAX && huge.range() == Some((1, (1 << 63) + 199)));
    }

    /// By sorting, over many sizes.
    #[test]
    fn percentiles_are_those_of_the_sorted_list() {
        for length in 1..60_u64 {
            let mut values: Vec<u64> = (0..length).map(|index| index * 7919 % 41).collect();
            let distribution = of(values.iter().copied());
            values.sort_unstable();
            for percent in 0..=100 {
                let covered = |value: &&u64| {
                    values.iter().filter(|other| other <= value).count() as u64 * 100 >= percent * length
                };
                let expected = values.iter().find(covered).copied();
                assert_eq!(distribution.percentile(percent), expected, "{percent} of {length}");
            }
        }
    }

    #[test]
    fn a_histogram_counts_every_run_once() {
        let bars = of([0, 1, 1, 5, 9]).histogram(5);
        let shown: Vec<(u64, u64, u64)> = bars.iter().map(|bar| (bar.low, bar.high, bar.count)).collect();
        assert_eq!(shown, [(0, 1, 3), (2, 3, 0), (4, 5, 1), (6, 7, 0), (8, 9, 1)]);
        assert_eq!(of([4, 4]).histogram(5), [Bar { low: 4, high: 4, count: 2 }]);
        let wide = of([0, u64::MAX]).histogram(8);
        assert_eq!(wide.iter().map(|bar| bar.count).sum::<u64>(), 2);
        assert!(wide.len() <= 8 && of([]).histogram(8).is_empty());
    }
}
