//! Virtual time in integer nanoseconds. There is no other time in the kernel, and no floating point.
//!
//! ```
//! use splitbrain_kernel::time::{Duration, Instant};
//!
//! let lease: Duration = Duration::parse("1m 30s")?;
//! let until = Instant::ZERO.saturating_add(lease);
//! assert_eq!(until.since(Instant::ZERO), Duration::from_secs(90));
//! assert!(Duration::parse("1.5").is_err(), "a number without its unit is no duration");
//! # Ok::<(), splitbrain_kernel::time::DurationError>(())
//! ```

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A span of simulated time, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Duration(u64);

/// A point of simulated time, in nanoseconds since the start of the run (or of a node's own clock).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

/// A text that is not a duration such as `150ms` or `1m 30s`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a duration such as \"150ms\", \"1.5s\" or \"1m 30s\" (units ns, us, ms, s, m, h), got {0:?}")]
pub struct DurationError(pub String);

const UNITS: [(&str, u64); 6] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// The longest span, about 584 years.
    pub const MAX: Self = Self(u64::MAX);

    /// A span of whole nanoseconds.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// A span of whole microseconds.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros * 1_000)
    }

    /// A span of whole milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000_000)
    }

    /// A span of whole seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs * 1_000_000_000)
    }

    /// The span in nanoseconds.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The span in whole milliseconds, rounded down.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Whether the span is empty.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// This span `factor` times over; the longest span where that would be longer.
    pub const fn saturating_mul(self, factor: u64) -> Self {
        Self(self.0.saturating_mul(factor))
    }

    /// This span and `other` together; the longest span where that would be longer.
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// This span without `other`; `None` if `other` is longer.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// A `divisor`th of this span, rounded down.
    pub const fn div(self, divisor: u64) -> Self {
        Self(self.0 / divisor)
    }

    /// Reads `150ms`, `1.5s`, `1m 30s`. A bare number is not a duration.
    ///
    /// # Errors
    /// [`DurationError`] with the text where a part has no unit, more digits than its unit has nanoseconds, or where
    /// the sum does not fit.
    pub fn parse(text: &str) -> Result<Self, DurationError> {
        parse_nanos(text).map(Self).ok_or_else(|| DurationError(text.to_owned()))
    }
}

fn parse_nanos(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    let mut total: u64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let number_len = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_')?;
        let (number, tail) = rest.split_at(number_len);
        let unit_len = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_len);
        let scale = UNITS.iter().find(|(name, _)| *name == unit)?.1;
        total = total.checked_add(scaled(number, scale)?)?;
        rest = tail.trim_start();
    }
    Some(total)
}

/// `number` (digits with at most one point) times `scale`; `None` if that is not a whole number.
fn scaled(number: &str, scale: u64) -> Option<u64> {
    let clean = number.replace('_', "");
    let (whole, fraction) = clean.split_once('.').unwrap_or((&clean, ""));
    let mut value = whole.parse::<u64>().ok()?.checked_mul(scale)?;
    let mut place = scale;
    for digit in fraction.bytes() {
        if !digit.is_ascii_digit() || !place.is_multiple_of(10) {
            return None;
        }
        place /= 10;
        value = value.checked_add(u64::from(digit - b'0').checked_mul(place)?)?;
    }
    Some(value)
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.pad("0s");
        }
        let (unit, scale) = match self.0 {
            1_000_000_000.. => ("s", 1_000_000_000),
            1_000_000.. => ("ms", 1_000_000),
            1_000.. => ("us", 1_000),
            _ => ("ns", 1),
        };
        let (whole, mut fraction) = (self.0 / scale, self.0 % scale);
        if fraction == 0 {
            return f.pad(&format!("{whole}{unit}"));
        }
        let mut width = scale.ilog10() as usize;
        while fraction % 10 == 0 {
            fraction /= 10;
            width -= 1;
        }
        f.pad(&format!("{whole}.{fraction:0width$}{unit}"))
    }
}

impl fmt::Debug for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Add for Duration {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Duration {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Instant {
    /// The start of the run.
    pub const ZERO: Self = Self(0);
    /// The end of all time: a timer set there never fires.
    pub const MAX: Self = Self(u64::MAX);

    /// The point `nanos` nanoseconds after the start.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The span from `earlier` to here; `None` if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }

    /// The point `duration` from here; the end of time where that would be later.
    pub const fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.0))
    }

    /// The point `duration` before here; the start where that would be earlier.
    pub const fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0 + duration.0)
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

/// Seconds with six digits, as in a trace line: `1.204500s`.
impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{:06}s", self.0 / 1_000_000_000, self.0 % 1_000_000_000 / 1_000))
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Duration(self.0))
    }
}

// Text where people read (TOML, JSON), the integer where only machines do (digest, compact traces).
impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_u64(self.0) }
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            Self::parse(&text).map_err(serde::de::Error::custom)
        } else {
            u64::deserialize(deserializer).map(Self)
        }
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Duration(self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Duration::deserialize(deserializer).map(|span| Self(span.0))
    }
}

/// A signed span of time, in nanoseconds: `5ms` or `-5ms`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(pub i64);

impl Offset {
    /// How far it is, whichever way.
    pub const fn size(self) -> Duration {
        Duration::from_nanos(self.0.unsigned_abs())
    }

    /// How far the farther of two is, whichever way.
    pub fn farthest(one: Self, other: Self) -> Duration {
        one.size().max(other.size())
    }

    /// Reads `5ms` or `-5ms`.
    ///
    /// # Errors
    /// The text, where what follows the sign is not a duration below 292 years.
    pub fn parse(text: &str) -> Result<Self, DurationError> {
        let refuse = || DurationError(text.to_owned());
        let (negative, size) = match text.trim().strip_prefix('-') {
            Some(size) => (true, size),
            None => (false, text.trim().strip_prefix('+').unwrap_or(text)),
        };
        let nanos = i64::try_from(Duration::parse(size).map_err(|_| refuse())?.as_nanos()).map_err(|_| refuse())?;
        Ok(Self(if negative { -nanos } else { nanos }))
    }
}

impl std::fmt::Display for Offset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        f.pad(&format!("{sign}{}", Duration::from_nanos(self.0.unsigned_abs())))
    }
}

impl std::fmt::Debug for Offset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl Serialize for Offset {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_i64(self.0) }
    }
}

impl<'de> Deserialize<'de> for Offset {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
        } else {
            i64::deserialize(deserializer).map(Self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        for (text, nanos) in [
            ("150ms", 150_000_000),
            ("1.5s", 1_500_000_000),
            ("250us", 250_000),
            ("7ns", 7),
            ("0s", 0),
            ("1.000000001s", 1_000_000_001),
        ] {
            let parsed = Duration::parse(text).expect("a duration");
            assert_eq!(parsed.as_nanos(), nanos);
            assert_eq!(parsed.to_string(), text);
        }
        assert_eq!(Duration::parse("1m 30s").expect("a duration"), Duration::from_secs(90));
    }

    #[test]
    fn what_is_not_a_duration_is_refused() {
        for text in ["", "5", "ms", "1.5ns", "-3s", "1e3s", "3 parsecs", "99999999999999999999s", "1..5s", "600000h 5"]
        {
            assert!(Duration::parse(text).is_err(), "{text:?} was taken for a duration");
        }
    }
}
