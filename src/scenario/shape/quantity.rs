//! Quantities as text with a unit, and ranges of them: durations, offsets, drifts, probabilities, rates.
//!
//! A bare number is never a quantity, so that no unit has to be guessed.

use serde_json::{Value as Json, json};
use splitbrain_kernel::fault::{Latency, Offset};
use splitbrain_kernel::rng::Ppm;
use splitbrain_kernel::selector::Span;
use splitbrain_kernel::time::{Duration, Instant};

use crate::scenario::Rate;
use crate::scenario::description::SystemDescription;
use crate::scenario::key::{Key, Need, Section, Shape, Table};
use crate::scenario::reader::{At, Problem, Reader, quoted};

use super::quote;
use super::scale::Scale;

/// The longest duration that a scenario can say: sums of a few of them still fit.
pub(crate) const LONGEST: Duration = Duration::from_secs(1000 * 3600);
const DURATION: &str = r"[0-9]+(\.[0-9]*)?(ns|us|ms|s|m|h)( *[0-9]+(\.[0-9]*)?(ns|us|ms|s|m|h))*";

/// A quantity that is one text.
pub(crate) trait Quantity {
    /// What it becomes.
    type Value: Copy;

    /// What errors call it.
    fn noun(&self) -> String;

    /// What errors call a range of it; also an example of one.
    fn range_example(&self) -> &'static str {
        "\"1ms..5ms\""
    }

    /// Reads it.
    fn parse(&self, text: &str) -> Result<Self::Value, Problem>;

    /// Writes it, so that [`Quantity::parse`] gives the same value.
    fn show(&self, value: Self::Value) -> String;

    /// A regular expression, without anchors, of all texts that it can be.
    fn pattern(&self) -> &'static str;

    /// What it counts, if a range of it can be drawn once a run.
    fn scale(&self) -> Option<Scale> {
        None
    }
}

/// One quantity.
#[derive(Debug)]
pub(crate) struct Scalar<Q>(pub(crate) Q);

impl<Q: Quantity> Shape for Scalar<Q> {
    type Value = Q::Value;

    fn noun(&self) -> String {
        self.0.noun()
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<Q::Value> {
        let text = reader.text(at, &self.0.noun())?;
        reader.check(at, self.0.parse(text))
    }

    fn encode(&self, value: &Q::Value) -> String {
        quote(&self.0.show(*value))
    }

    fn schema(&self, _: &SystemDescription) -> Json {
        json!({ "type": "string", "pattern": format!("^({})$", self.0.pattern()) })
    }

    fn scale(&self) -> Option<Scale> {
        self.0.scale()
    }
}

/// A quantity, or a range `"a..b"` of it, both ends included.
#[derive(Debug)]
pub(crate) struct OrRange<Q>(pub(crate) Q);

impl<Q: Quantity> Shape for OrRange<Q>
where
    Q::Value: PartialOrd,
{
    type Value = Span<Q::Value>;

    fn noun(&self) -> String {
        format!("{}, or a range such as {}", self.0.noun(), self.0.range_example())
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<Span<Q::Value>> {
        let text = reader.text(at, &self.noun())?;
        let span = match text.split_once("..") {
            None => self.0.parse(text).map(Span::constant),
            Some((low, high)) => ordered(low, high, |end| self.0.parse(end)),
        };
        reader.check(at, span)
    }

    fn encode(&self, value: &Span<Q::Value>) -> String {
        let (low, high) = (self.0.show(value.low), self.0.show(value.high));
        quote(&if value.low < value.high { format!("{low}..{high}") } else { low })
    }

    fn schema(&self, _: &SystemDescription) -> Json {
        let one = self.0.pattern();
        json!({ "type": "string", "pattern": format!(r"^({one})(\.\.({one}))?$") })
    }
}

/// Both ends of a range, where the first is not above the second.
pub(crate) fn ordered<T: PartialOrd>(
    low: &str,
    high: &str,
    parse: impl Fn(&str) -> Result<T, Problem>,
) -> Result<Span<T>, Problem> {
    let span = Span { low: parse(low)?, high: parse(high)? };
    if span.low <= span.high { Ok(span) } else { Err(upside_down(low, high)) }
}

/// A range whose first end is above its second.
pub(crate) fn upside_down(low: &str, high: &str) -> Problem {
    Problem::new(format!("the range starts above its end: {low} is more than {high}"))
}

/// Digits and nothing else, times `scale`, where that fits.
fn scaled(digits: &str, scale: u64) -> Option<u64> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse::<u64>().ok().filter(|_| plain)?.checked_mul(scale)
}

/// The numbers of the kernel may have underscores and spaces around them; a scenario's may not.
fn is_plain(text: &str) -> bool {
    text == text.trim() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b' '))
}

fn duration(text: &str, min: Duration, max: Duration) -> Result<Duration, Problem> {
    let refuse = || {
        Problem::new(format!(
            "expected a duration such as \"150ms\", \"1.5s\" or \"1m 30s\" (units ns, us, ms, s, m, h), got {}",
            quoted(text)
        ))
    };
    let value = match Duration::parse(text) {
        Ok(value) if is_plain(text) => value,
        _ if is_too_long(text) => Duration::MAX,
        _ => return Err(refuse()),
    };
    if (min..=max).contains(&value) {
        return Ok(value);
    }
    Err(Problem::new(format!("{text} is not between {} and {}", hours(min), hours(max))))
}

/// Whether this would be a duration if its numbers were smaller.
pub(crate) fn is_too_long(text: &str) -> bool {
    let mut run = 0;
    let shorter: String = text
        .chars()
        .filter(|c| {
            run = if c.is_ascii_digit() { run + 1 } else { 0 };
            run <= 3
        })
        .collect();
    is_plain(text) && shorter != text && Duration::parse(&shorter).is_ok()
}

fn hours(duration: Duration) -> String {
    let hour = Duration::from_secs(3600).as_nanos();
    match duration.as_nanos() {
        nanos if nanos >= hour && nanos.is_multiple_of(hour) => format!("{}h", nanos / hour),
        _ => duration.to_string(),
    }
}

/// A span of time.
#[derive(Debug)]
pub(crate) struct Time {
    /// The least.
    pub(crate) min: Duration,
    /// The most.
    pub(crate) max: Duration,
}

/// Any span of time.
pub(crate) const ANY_TIME: Time = Time { min: Duration::ZERO, max: LONGEST };
/// Any span of time but none.
pub(crate) const SOME_TIME: Time = Time { min: Duration::from_nanos(1), max: LONGEST };

/// What a monotonic clock may show at the start of a run.
pub(crate) const ANY_UPTIME: Time =
    Time { min: Duration::ZERO, max: Duration::from_nanos(splitbrain_kernel::clock::ORIGIN_MAX.as_nanos()) };

impl Quantity for Time {
    type Value = Duration;

    fn noun(&self) -> String {
        "a duration such as \"150ms\"".to_owned()
    }

    fn parse(&self, text: &str) -> Result<Duration, Problem> {
        duration(text, self.min, self.max)
    }

    fn show(&self, value: Duration) -> String {
        value.to_string()
    }

    fn pattern(&self) -> &'static str {
        DURATION
    }

    fn scale(&self) -> Option<Scale> {
        Some(Scale::Time)
    }
}

/// A point in time, as the span from the start of the run.
#[derive(Debug)]
pub(crate) struct Moment;

impl Quantity for Moment {
    type Value = Instant;

    fn noun(&self) -> String {
        "a time since the start of the run such as \"2s\"".to_owned()
    }

    fn range_example(&self) -> &'static str {
        "\"1s..4s\""
    }

    fn parse(&self, text: &str) -> Result<Instant, Problem> {
        duration(text, Duration::ZERO, LONGEST).map(|span| Instant::ZERO.saturating_add(span))
    }

    fn show(&self, value: Instant) -> String {
        value.since(Instant::ZERO).to_string()
    }

    fn pattern(&self) -> &'static str {
        DURATION
    }

    fn scale(&self) -> Option<Scale> {
        Some(Scale::Time)
    }
}

/// A signed span of time.
#[derive(Debug)]
pub(crate) struct Signed;

impl Quantity for Signed {
    type Value = Offset;

    fn noun(&self) -> String {
        "an offset such as \"5ms\" or \"-5ms\"".to_owned()
    }

    fn range_example(&self) -> &'static str {
        "\"-5ms..5ms\""
    }

    fn parse(&self, text: &str) -> Result<Offset, Problem> {
        let size = text.strip_prefix('-').unwrap_or(text);
        let nanos = duration(size, Duration::ZERO, LONGEST)?.as_nanos();
        let nanos = i64::try_from(nanos).expect("the longest duration fits");
        Ok(Offset(if size.len() < text.len() { -nanos } else { nanos }))
    }

    fn show(&self, value: Offset) -> String {
        value.to_string()
    }

    fn pattern(&self) -> &'static str {
        const PATTERN: &str = r"-?[0-9]+(\.[0-9]*)?(ns|us|ms|s|m|h)( *[0-9]+(\.[0-9]*)?(ns|us|ms|s|m|h))*";
        PATTERN
    }
}

/// How much a clock runs fast (or, negative, slow), in parts per million.
#[derive(Debug)]
pub(crate) struct Drift;

/// A clock that is wrong by more than half is no clock.
const DRIFT_MAX: i64 = 500_000;

impl Quantity for Drift {
    type Value = i32;

    fn noun(&self) -> String {
        "a drift such as \"50ppm\", \"-50ppm\" or \"1%\"".to_owned()
    }

    fn range_example(&self) -> &'static str {
        "\"-50ppm..50ppm\""
    }

    fn parse(&self, text: &str) -> Result<i32, Problem> {
        let size = text.strip_prefix('-').unwrap_or(text);
        let refuse = || Problem::new(format!("expected {}, got {}", self.noun(), quoted(text)));
        let ppm = ppm(size).ok_or_else(refuse)?;
        if ppm > DRIFT_MAX {
            return Err(Problem::new(format!("{text} is not between -50% and 50%")));
        }
        let ppm = i32::try_from(ppm).map_err(|_| refuse())?;
        Ok(if size.len() < text.len() { -ppm } else { ppm })
    }

    fn show(&self, value: i32) -> String {
        format!("{value}ppm")
    }

    fn pattern(&self) -> &'static str {
        r"-?[0-9]+(ppm|(\.[0-9]{1,4})?%)"
    }
}

fn ppm(text: &str) -> Option<i64> {
    match text.strip_suffix("ppm") {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok(),
        Some(_) => None,
        None => chance(text).ok().map(|ppm| i64::from(ppm.parts())),
    }
}

/// A bound on drift, in either direction.
#[derive(Debug)]
pub(crate) struct DriftBound;

impl Quantity for DriftBound {
    type Value = u32;

    fn noun(&self) -> String {
        "a bound on drift such as \"50ppm\" or \"1%\"".to_owned()
    }

    fn parse(&self, text: &str) -> Result<u32, Problem> {
        let ppm = Drift.parse(text)?;
        u32::try_from(ppm).map_err(|_| Problem::new(format!("expected {}, got {}", self.noun(), quoted(text))))
    }

    fn show(&self, value: u32) -> String {
        format!("{value}ppm")
    }

    fn pattern(&self) -> &'static str {
        r"-?[0-9]+(ppm|(\.[0-9]{1,4})?%)"
    }

    fn scale(&self) -> Option<Scale> {
        Some(Scale::Drift)
    }
}

/// A probability.
#[derive(Debug)]
pub(crate) struct Chance;

impl Quantity for Chance {
    type Value = Ppm;

    fn noun(&self) -> String {
        "a probability such as \"0.5%\"".to_owned()
    }

    fn range_example(&self) -> &'static str {
        "\"0%..5%\""
    }

    fn parse(&self, text: &str) -> Result<Ppm, Problem> {
        chance(text)
    }

    fn show(&self, value: Ppm) -> String {
        value.to_string()
    }

    fn pattern(&self) -> &'static str {
        r"[0-9]+(\.[0-9]{1,4})?%"
    }

    fn scale(&self) -> Option<Scale> {
        Some(Scale::Chance)
    }
}

fn chance(text: &str) -> Result<Ppm, Problem> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'%'));
    let value = Ppm::parse(text).ok().filter(|_| plain);
    value.ok_or_else(|| {
        Problem::new(format!(
            "expected a probability such as \"0.5%\" (from 0% to 100%, at most four decimals), got {}",
            quoted(text)
        ))
    })
}

/// Bytes a second.
#[derive(Debug)]
pub(crate) struct Bandwidth;

const SIZES: [(&str, u64); 4] = [("GB/s", 1_000_000_000), ("MB/s", 1_000_000), ("kB/s", 1_000), ("B/s", 1)];

impl Quantity for Bandwidth {
    type Value = u64;

    fn noun(&self) -> String {
        "a bandwidth such as \"10MB/s\" (units B/s, kB/s, MB/s, GB/s) or \"unlimited\"".to_owned()
    }

    fn parse(&self, text: &str) -> Result<u64, Problem> {
        if text == "unlimited" {
            return Ok(0);
        }
        let parts = SIZES.iter().find_map(|(unit, size)| Some((text.strip_suffix(unit)?, size)));
        let bytes = parts.and_then(|(number, size)| scaled(number, *size));
        let bytes = bytes.filter(|bytes| (1..=1_000_000_000_000).contains(bytes));
        bytes.ok_or_else(|| Problem::new(format!("expected {}, got {}", self.noun(), quoted(text))))
    }

    fn show(&self, value: u64) -> String {
        let unit = SIZES.iter().find(|(_, size)| value.is_multiple_of(*size));
        match unit {
            Some((unit, size)) if value > 0 => format!("{}{unit}", value / size),
            _ => "unlimited".to_owned(),
        }
    }

    fn pattern(&self) -> &'static str {
        "[0-9]+(B|kB|MB|GB)/s|unlimited"
    }

    fn scale(&self) -> Option<Scale> {
        Some(Scale::Bandwidth)
    }
}

/// How often operations come.
#[derive(Debug)]
pub(crate) struct Frequency;

/// The most operations in a period that a rate can say.
pub(crate) const OFTEN_MAX: u64 = 1_000_000;
const PERIODS: [(&str, Duration); 4] = [
    ("ms", Duration::from_millis(1)),
    ("s", Duration::from_secs(1)),
    ("m", Duration::from_secs(60)),
    ("h", Duration::from_secs(3600)),
];

impl Quantity for Frequency {
    type Value = Rate;

    fn noun(&self) -> String {
        "a rate such as \"200/s\", or \"10/s each\" for each client".to_owned()
    }

    fn parse(&self, text: &str) -> Result<Rate, Problem> {
        let refuse = || Problem::new(format!("expected {}, got {}", self.noun(), quoted(text)));
        let all = text.strip_suffix(" each").unwrap_or(text);
        let (count, unit) = all.split_once('/').ok_or_else(refuse)?;
        let period = PERIODS.iter().find(|(name, _)| *name == unit).ok_or_else(refuse)?;
        let count = scaled(count, 1).filter(|count| (1..=OFTEN_MAX).contains(count));
        Ok(Rate { count: count.ok_or_else(refuse)?, per: period.1, each: all.len() < text.len() })
    }

    fn show(&self, value: Rate) -> String {
        let unit = PERIODS.iter().find(|(_, period)| *period == value.per);
        let unit = unit.map_or("s", |(name, _)| name);
        format!("{}/{unit}{}", value.count, if value.each { " each" } else { "" })
    }

    fn pattern(&self) -> &'static str {
        "[0-9]+/(ms|s|m|h)( each)?"
    }

    fn scale(&self) -> Option<Scale> {
        // A range says its own period and whose operations they are.
        Some(Scale::Rate { per: Duration::from_secs(1), each: false })
    }
}

/// How long a packet takes: a range, drawn evenly for each packet, or `{ min, mean }`, exponential above the least.
#[derive(Debug)]
pub(crate) struct LatencyShape;

const MIN: Key<Scalar<Time>> =
    Key { name: "min", shape: Scalar(ANY_TIME), need: Need::Default("\"0s\""), doc: "The least that a packet takes." };
const MEAN: Key<Scalar<Time>> = Key {
    name: "mean",
    shape: Scalar(SOME_TIME),
    need: Need::Required,
    doc: "The mean of what comes on top, exponentially distributed, cut off at 16 times the mean.",
};
/// `{ min, mean }`.
pub(crate) static LATENCY: Section =
    Section { name: "network.latency", doc: "A latency with a long tail.", keys: &[&MIN, &MEAN] };
const EVEN: OrRange<Time> = OrRange(ANY_TIME);

impl Shape for LatencyShape {
    type Value = Latency;

    fn noun(&self) -> String {
        "a latency such as \"1ms..5ms\" or { min = \"1ms\", mean = \"2ms\" }".to_owned()
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<Latency> {
        if let Some(text) = at.value.as_str() {
            if ["±", "+-", "+/-", " - ", "~"].into_iter().any(|sign| text.contains(sign)) {
                reader.refuse(at, Problem::expected(&self.noun(), at.value));
                return None;
            }
            let Span { low: min, high: max } = EVEN.decode(reader, at)?;
            return Some(Latency::Uniform { min, max });
        }
        if !at.value.is_table() {
            reader.refuse(at, Problem::expected(&self.noun(), at.value));
            return None;
        }
        let table = Table::open(reader, &LATENCY, at)?;
        let (min, mean) = (table.get(reader, &MIN), table.get(reader, &MEAN));
        Some(Latency::Exponential { min: min?, mean: mean? })
    }

    fn encode(&self, value: &Latency) -> String {
        match value {
            Latency::Uniform { min, max } => EVEN.encode(&Span { low: *min, high: *max }),
            Latency::Exponential { min, mean } => {
                format!("{{ min = \"{min}\", mean = \"{mean}\" }}")
            }
        }
    }

    fn schema(&self, system: &SystemDescription) -> Json {
        json!({ "anyOf": [EVEN.schema(system), LATENCY.schema(system)] })
    }
}
