//! The order of values of which a range `"a..b"` can be drawn once a run: each value is a whole number of something.

use splitbrain_kernel::rng::Ppm;
use splitbrain_kernel::time::Duration;

use crate::scenario::Rate;

use super::quantity::{ANY_TIME, Bandwidth, Chance, DriftBound, Frequency, OFTEN_MAX, Quantity as _};
use super::quote;

/// What the values of a key count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// Themselves: `3`.
    Integer,
    /// Nanoseconds: `"3s"`.
    Time,
    /// Parts per million, as a probability: `"3%"`.
    Chance,
    /// Parts per million of a clock: `"3ppm"`.
    Drift,
    /// Bytes a second: `"3MB/s"`.
    Bandwidth,
    /// Operations in this time, of all clients or of each: `"3/s"`, `"3/s each"`.
    Rate {
        /// The time.
        per: Duration,
        /// Whether they are those of each client.
        each: bool,
    },
}

impl Scale {
    /// The scale of a range with these ends. That of rates counts in the longer of the times that the ends name, so
    /// that both are whole numbers of it.
    pub(crate) fn between(self, low: &str, high: &str) -> Self {
        match (self, Frequency.parse(low), Frequency.parse(high)) {
            (Self::Rate { .. }, Ok(low), Ok(high)) => {
                Self::Rate { per: low.per.max(high.per), each: low.each && high.each }
            }
            _ => self,
        }
    }

    /// The number that one end of a range stands for. Whether the key takes it is not said here.
    pub(crate) fn read(self, text: &str) -> Option<u64> {
        match self {
            Self::Integer => text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit())),
            Self::Time => ANY_TIME.parse(text).ok().map(Duration::as_nanos),
            Self::Chance => Chance.parse(text).ok().map(|chance| chance.parts().into()),
            Self::Drift => DriftBound.parse(text).ok().map(u64::from),
            // No limit is more than any number, so that nothing lies between.
            Self::Bandwidth => Bandwidth.parse(text).ok().filter(|bytes| *bytes > 0),
            Self::Rate { per, each } => {
                Frequency.parse(text).ok().filter(|rate| rate.each == each).and_then(|rate| count(rate, per))
            }
        }
    }

    /// The number as TOML says a value of the key.
    pub(crate) fn show(self, number: u64) -> String {
        let parts = || u32::try_from(number).expect("parts per million fit");
        match self {
            Self::Integer => number.to_string(),
            Self::Time => quote(&Duration::from_nanos(number).to_string()),
            Self::Chance => quote(&Ppm::new(parts()).to_string()),
            Self::Drift => quote(&DriftBound.show(parts())),
            Self::Bandwidth => quote(&Bandwidth.show(number)),
            Self::Rate { per, each } => quote(&Frequency.show(Rate { count: number, per, each })),
        }
    }

    /// A regular expression of one end, without anchors.
    pub(crate) fn pattern(self) -> &'static str {
        match self {
            Self::Integer => "[0-9]+",
            Self::Time => ANY_TIME.pattern(),
            Self::Chance => Chance.pattern(),
            Self::Drift => DriftBound.pattern(),
            Self::Bandwidth => "[0-9]+(B|kB|MB|GB)/s",
            Self::Rate { .. } => Frequency.pattern(),
        }
    }
}

/// How many operations come in this time; `None` if that is no whole number, or more than a scenario can say.
fn count(rate: Rate, per: Duration) -> Option<u64> {
    let nanos = u128::from(rate.count) * u128::from(per.as_nanos());
    let is_whole = nanos.is_multiple_of(rate.per.as_nanos().into());
    let count = u64::try_from(nanos / u128::from(rate.per.as_nanos())).ok()?;
    (is_whole && count <= OFTEN_MAX).then_some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_rates_counts_in_the_longer_of_its_times() {
        let rates = Frequency.scale().expect("a rate has a scale");
        let minutes = rates.between("30/m", "2/s");
        assert_eq!(minutes, Scale::Rate { per: Duration::from_secs(60), each: false });
        assert_eq!((minutes.read("30/m"), minutes.read("2/s")), (Some(30), Some(120)));
        assert_eq!(minutes.show(45), r#""45/m""#);
        let each = rates.between("5/s each", "10/s each");
        assert_eq!((each.read("5/s each"), each.read("300/m each")), (Some(5), Some(5)));
        for text in ["5/s", "1/m each", "0/s each", "5", ""] {
            assert_eq!(each.read(text), None, "{text:?} was taken for a rate of each client");
        }
        assert_eq!(rates.between("1/h", "1000000/ms").read("1000000/ms"), None, "more than a scenario can say");
    }
}
