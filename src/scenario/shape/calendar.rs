//! Points of the calendar in UTC, as RFC 3339 writes them: what a wall clock shows.

use splitbrain_kernel::clock::ORIGIN_MAX;
use splitbrain_kernel::time::Instant;

use crate::scenario::reader::{Problem, quoted};

use super::quantity::Quantity;

const SECOND: u64 = 1_000_000_000;
const DAY: u64 = 86_400;

/// A date and a time in UTC, from 1970 on.
#[derive(Debug)]
pub(crate) struct Date;

impl Quantity for Date {
    type Value = Instant;

    fn noun(&self) -> String {
        "a date with a time in UTC such as \"2038-01-19T03:14:00Z\"".to_owned()
    }

    fn range_example(&self) -> &'static str {
        "\"2038-01-19T03:14:00Z..2038-01-19T03:14:07Z\""
    }

    fn parse(&self, text: &str) -> Result<Instant, Problem> {
        let nanos = nanos_of(text);
        let nanos = nanos.ok_or_else(|| Problem::new(format!("expected {}, got {}", self.noun(), quoted(text))))?;
        let at = nanos.map(Instant::from_nanos).filter(|at| *at <= ORIGIN_MAX);
        at.ok_or_else(|| {
            Problem::new(format!("{text} is not between {} and {}", show(Instant::ZERO), show(ORIGIN_MAX)))
        })
    }

    fn show(&self, value: Instant) -> String {
        show(value)
    }

    fn pattern(&self) -> &'static str {
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z"
    }
}

/// Nanoseconds since 1970. `None` if this is no date, `Some(None)` if it is one that is too early or too late.
fn nanos_of(text: &str) -> Option<Option<u64>> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let (whole, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(whole, ':', [2, 2, 2])?;
    let is_day = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    if !is_day || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let is_fraction = (1..=9).contains(&fraction.len()) && fraction.bytes().all(|b| b.is_ascii_digit());
    let fraction: u64 = format!("{fraction:0<9}").parse().ok().filter(|_| is_fraction)?;
    let Some(days) = days_since_1970(year, month, day) else { return Some(None) };
    let seconds = days * DAY + hour * 3600 + minute * 60 + second;
    Some(seconds.checked_mul(SECOND).and_then(|nanos| nanos.checked_add(fraction)))
}

/// Three numbers with so many digits each.
fn numbers(text: &str, between: char, digits: [usize; 3]) -> Option<[u64; 3]> {
    let mut parts = text.split(between);
    let mut next = |len: usize| {
        let part = parts.next().filter(|part| part.len() == len && part.bytes().all(|b| b.is_ascii_digit()))?;
        part.parse().ok()
    };
    let found = [next(digits[0])?, next(digits[1])?, next(digits[2])?];
    parts.next().is_none().then_some(found)
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_in(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

const fn days_of(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    let years = (1970..year).map(days_of);
    let months = (1..month).map(|month| days_in(year, month));
    (year >= 1970).then(|| years.chain(months).sum::<u64>() + day - 1)
}

fn show(at: Instant) -> String {
    let (seconds, fraction) = (at.as_nanos() / SECOND, at.as_nanos() % SECOND);
    let (mut days, second) = (seconds / DAY, seconds % DAY);
    let (mut year, mut month) = (1970, 1);
    while days >= days_of(year) {
        days -= days_of(year);
        year += 1;
    }
    while days >= days_in(year, month) {
        days -= days_in(year, month);
        month += 1;
    }
    let fraction = match fraction {
        0 => String::new(),
        nanos => format!(".{}", format!("{nanos:09}").trim_end_matches('0')),
    };
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z", days + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(text: &str) -> Option<u64> {
        Date.parse(text).ok().map(|at| at.as_nanos() / SECOND)
    }

    #[test]
    fn dates_are_seconds_since_1970() {
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(seconds("2000-02-29T00:00:00Z"), Some(951_782_400));
        assert_eq!(seconds("2023-11-14T22:13:20Z"), Some(1_700_000_000));
        assert_eq!(seconds("2038-01-19T03:14:07Z"), Some((1 << 31) - 1));
        assert_eq!(seconds("2106-02-07T06:28:15Z"), Some((1 << 32) - 1));
        assert_eq!(show(splitbrain_kernel::clock::WALL_EPOCH), "2023-11-14T22:13:20Z");
    }

    #[test]
    fn what_is_no_date_in_utc_is_refused() {
        let texts = [
            "",
            "2038",
            "2038-01-19",
            "2038-01-19T03:14Z",
            "2038-01-19 03:14:07Z",
            "2038-01-19T03:14:07",
            "2038-01-19T03:14:07+01:00",
            "2038-02-30T00:00:00Z",
            "2038-13-01T00:00:00Z",
            "2038-00-01T00:00:00Z",
            "2038-01-00T00:00:00Z",
            "2038-01-19T24:00:00Z",
            "2038-01-19T23:60:00Z",
            "2038-01-19T23:59:60Z",
            "2038-1-19T03:14:07Z",
            "2038-01-19T03:14:07.Z",
            "2038-01-19T03:14:07.1234567890Z",
            "1969-12-31T23:59:59Z",
            "9999-01-01T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "+038-01-19T03:14:07Z",
            "2038-01-19-01T03:14:07Z",
        ];
        assert_eq!(texts.map(seconds), texts.map(|_| None));
    }

    proptest! {
        #[test]
        fn dates_round_trip(nanos in 0..=ORIGIN_MAX.as_nanos()) {
            let at = Instant::from_nanos(nanos);
            prop_assert_eq!(Date.parse(&show(at)), Ok(at));
        }
    }
}
