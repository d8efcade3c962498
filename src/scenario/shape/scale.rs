//! The order of values of which a range `"a..b"` can be drawn once a run: each value is a whole number of something.

use splitbrain_kernel::rng::Ppm;
use splitbrain_kernel::time::Duration;

use super::quantity::{ANY_TIME, Bandwidth, Chance, DriftBound, Quantity as _};
use super::quote;

/// What the values of a key count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Scale {
    /// Themselves: `3`.
    Whole,
    /// Nanoseconds: `"3s"`.
    Time,
    /// Parts per million, as a probability: `"3%"`.
    Chance,
    /// Parts per million of a clock: `"3ppm"`.
    Drift,
    /// Bytes a second: `"3MB/s"`.
    Bandwidth,
}

impl Scale {
    /// The number that one end of a range stands for. Whether the key takes it is not said here.
    pub(in super::super) fn read(self, text: &str) -> Option<u64> {
        match self {
            Self::Whole => text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit())),
            Self::Time => ANY_TIME.parse(text).ok().map(Duration::as_nanos),
            Self::Chance => Chance.parse(text).ok().map(|chance| chance.parts().into()),
            Self::Drift => DriftBound.parse(text).ok().map(u64::from),
            // No limit is more than any number, so that nothing lies between.
            Self::Bandwidth => Bandwidth.parse(text).ok().filter(|bytes| *bytes > 0),
        }
    }

    /// The number as TOML says a value of the key.
    pub(in super::super) fn show(self, number: u64) -> String {
        let parts = || u32::try_from(number).expect("parts per million fit");
        match self {
            Self::Whole => number.to_string(),
            Self::Time => quote(&Duration::from_nanos(number).to_string()),
            Self::Chance => quote(&Ppm::new(parts()).to_string()),
            Self::Drift => quote(&DriftBound.show(parts())),
            Self::Bandwidth => quote(&Bandwidth.show(number)),
        }
    }

    /// A regular expression of one end, without anchors.
    pub(in super::super) fn pattern(self) -> &'static str {
        match self {
            Self::Whole => "[0-9]+",
            Self::Time => ANY_TIME.pattern(),
            Self::Chance => Chance.pattern(),
            Self::Drift => DriftBound.pattern(),
            Self::Bandwidth => "[0-9]+(B|kB|MB|GB)/s",
        }
    }
}
