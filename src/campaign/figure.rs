//! What a figure came to over the runs of a campaign: its distribution, exact.

use std::collections::BTreeMap;

/// What a figure that `[expect]` bounds came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// Its name, with the filter of its bound.
    pub name: String,
    /// Over the runs that the bound is about.
    pub distribution: Distribution,
}

/// How often each value came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distribution {
    values: BTreeMap<u64, u64>,
    count: u64,
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
    /// Takes in the value of one run.
    pub fn add(&mut self, value: u64) {
        *self.values.entry(value).or_default() += 1;
        self.count += 1;
    }

    /// How many runs there were.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The least and the most; nothing where there was no run.
    pub fn range(&self) -> Option<(u64, u64)> {
        Some((*self.values.first_key_value()?.0, *self.values.last_key_value()?.0))
    }

    /// The mean, rounded down.
    pub fn mean(&self) -> Option<u64> {
        let sum: u128 = self.values.iter().map(|(value, count)| u128::from(*value) * u128::from(*count)).sum();
        u64::try_from(sum.checked_div(u128::from(self.count))?).ok()
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
            let place = ((value - low) / width) as usize;
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
