//! The values of a script.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::library::{Builtin, Part};
use super::syntax::Function;

/// Numbers beyond it are not exact in Lua, whose numbers are doubles: they are refused.
pub(super) const EXACT_MAX: i64 = 1 << 53;

/// Two to the 63rd, which a double holds and an `i64` does not. No other number of a script is this one.
pub(super) const BEYOND: i64 = i64::MAX;

/// A value. Tables and functions are places in the interpreter's memory.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Nil,
    Boolean(bool),
    /// A whole number. Fractions are not supported.
    Number(i64),
    String(Arc<[u8]>),
    Table(usize),
    Function(Arc<Closure>),
    Builtin(Builtin),
}

/// A function with the local names that it sees.
#[derive(Debug)]
pub(super) struct Closure {
    pub(super) function: Arc<Function>,
    pub(super) scope: Scope,
}

/// Local names with their places in the interpreter's memory, inner ones last.
pub(super) type Scope = Vec<(Arc<str>, usize)>;

/// A key of a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Number(i64),
    String(Arc<[u8]>),
    Boolean(bool),
    Table(usize),
}

/// The greatest key that is a number: names come behind it.
const LAST_NUMBER: Key = Key::Number(i64::MAX);

/// Among so many fields a name is looked for one by one, which makes no key of it.
const FEW_FIELDS: usize = 16;

/// How many bytes of a text may make a number. A longer one is not read to its end.
const NUMBER_BYTES_MAX: usize = 1_000;

/// A table. `pairs` goes by the order of its keys.
///
/// Invariant: `positive` is how many keys are numbers from 1 on.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    fields: BTreeMap<Key, Value>,
    positive: i64,
    /// The part of the library that it stands for. A script may not change it.
    pub(super) part: Option<&'static Part>,
}

impl Table {
    /// A part of the library.
    pub(super) fn of(part: &'static Part) -> Self {
        Self { part: Some(part), ..Self::default() }
    }

    pub(super) fn get(&self, key: &Key) -> Value {
        match (self.fields.get(key), self.part, key) {
            (Some(value), _, _) => value.clone(),
            (None, Some(part), Key::String(name)) => part.get(name),
            _ => Value::Nil,
        }
    }

    /// The field with this name of a table that the script made.
    pub(super) fn text(&self, name: &str) -> Value {
        if self.fields.len() > FEW_FIELDS {
            return self.fields.get(&Key::String(name.as_bytes().into())).cloned().unwrap_or(Value::Nil);
        }
        let names = self.fields.range((Bound::Excluded(LAST_NUMBER), Bound::Unbounded));
        let found = names
            .map_while(|(key, value)| if let Key::String(known) = key { Some((known, value)) } else { None })
            .find(|(known, _)| ***known == *name.as_bytes());
        found.map_or(Value::Nil, |(_, value)| value.clone())
    }

    /// Sets a field, and returns whether it is new; `nil` removes it.
    pub(super) fn set(&mut self, key: Key, value: Value) -> bool {
        let counts = i64::from(matches!(key, Key::Number(1..)));
        if matches!(value, Value::Nil) {
            self.positive -= if self.fields.remove(&key).is_some() { counts } else { 0 };
            return false;
        }
        let is_new = self.fields.insert(key, value).is_none();
        self.positive += if is_new { counts } else { 0 };
        is_new
    }

    /// How many fields it has.
    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    pub(super) fn set_text(&mut self, key: &str, value: Value) {
        self.set(Key::String(key.as_bytes().into()), value);
    }

    /// The number of values from 1 on, or `None` if there is a gap: Lua's length then depends on how the table came
    /// about.
    pub(super) fn length(&self) -> Option<i64> {
        let last = self.fields.range(..=LAST_NUMBER).next_back();
        let last = last.map_or(0, |(key, _)| if let Key::Number(last @ 1..) = key { *last } else { 0 });
        (last == self.positive).then_some(last)
    }

    /// The field after a key, in the order of the keys.
    pub(super) fn after(&self, key: Option<&Key>) -> Option<(Key, Value)> {
        let (key, value) = match key {
            None => self.fields.first_key_value(),
            Some(key) => self.fields.range((Bound::Excluded(key.clone()), Bound::Unbounded)).next(),
        }?;
        Some((key.clone(), value.clone()))
    }
}

impl Value {
    pub(super) fn text(text: &str) -> Self {
        Self::String(text.as_bytes().into())
    }

    /// Everything but `nil` and `false` counts as true.
    pub(super) fn is_true(&self) -> bool {
        !matches!(self, Self::Nil | Self::Boolean(false))
    }

    pub(super) fn is_callable(&self) -> bool {
        matches!(self, Self::Function(_) | Self::Builtin(_))
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Boolean(_) => "boolean",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Table(_) => "table",
            Self::Function(_) | Self::Builtin(_) => "function",
        }
    }

    /// The number, or the number that a string writes.
    pub(super) fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::String(bytes) => match written(bytes) {
                Written::Whole(number) => Some(number),
                Written::Nothing | Written::Unsupported => None,
            },
            _ => None,
        }
    }

    /// Whether it is a text that Lua takes for a number, and one that is not supported.
    pub(super) fn is_unsupported_number(&self) -> bool {
        matches!(self, Self::String(bytes) if written(bytes) == Written::Unsupported)
    }

    /// The bytes, or those that write a number.
    pub(super) fn bytes(&self) -> Option<Arc<[u8]>> {
        match self {
            Self::String(bytes) => Some(bytes.clone()),
            Self::Number(number) => Some(number_text(*number).into_bytes().into()),
            _ => None,
        }
    }

    pub(super) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nil, Self::Nil) => true,
            (Self::Boolean(left), Self::Boolean(right)) => left == right,
            (Self::Number(left), Self::Number(right)) => left == right,
            (Self::String(left), Self::String(right)) => left == right,
            (Self::Table(left), Self::Table(right)) => left == right,
            (Self::Builtin(left), Self::Builtin(right)) => left == right,
            _ => false,
        }
    }

    /// The key that it is in a table; `nil` is none, and functions are not supported as keys.
    pub(super) fn key(&self) -> Option<Key> {
        match self {
            Self::Number(number) => Some(Key::Number(*number)),
            Self::String(bytes) => Some(Key::String(bytes.clone())),
            Self::Boolean(value) => Some(Key::Boolean(*value)),
            Self::Table(table) => Some(Key::Table(*table)),
            Self::Nil | Self::Function(_) | Self::Builtin(_) => None,
        }
    }
}

impl Key {
    pub(super) fn value(&self) -> Value {
        match self {
            Self::Number(number) => Value::Number(*number),
            Self::String(bytes) => Value::String(bytes.clone()),
            Self::Boolean(value) => Value::Boolean(*value),
            Self::Table(table) => Value::Table(*table),
        }
    }
}

/// What a text is to Lua when it wants a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// No number.
    Nothing,
    /// A whole number.
    Whole(i64),
    /// A number that is not supported here: a fraction, one beyond 2^53, an infinity, or none at all by IEEE 754.
    Unsupported,
}

/// What a text is as a number: spaces around it, a sign, then decimal with point and exponent, or hexadecimal.
///
/// Nothing behind a zero byte is read, as Lua has C read it.
pub(super) fn written(bytes: &[u8]) -> Written {
    let Some(text) = short(bytes) else { return written_long(bytes) };
    let text = trimmed(text).to_ascii_lowercase();
    let (negative, digits) = signed(&text);
    let value = match digits {
        [b'0', b'x', hexadecimal @ ..] => hexadecimal_value(hexadecimal),
        b"inf" | b"infinity" | b"nan" => Written::Unsupported,
        [b'n', b'a', b'n', b'(', .., b')'] => Written::Unsupported,
        decimal => decimal_value(decimal),
    };
    match value {
        Written::Whole(magnitude) => {
            exact(if negative { -magnitude } else { magnitude }).map_or(Written::Unsupported, Written::Whole)
        }
        other => other,
    }
}

/// The front of a text up to its first zero, or `None` if that is too long for a number.
fn short(bytes: &[u8]) -> Option<&[u8]> {
    let front = &bytes[..bytes.len().min(NUMBER_BYTES_MAX + 1)];
    let text = &front[..front.iter().position(|byte| *byte == 0).unwrap_or(front.len())];
    (text.len() <= NUMBER_BYTES_MAX).then_some(text)
}

/// What a long text is as a number: none, if its first letter begins none.
fn written_long(bytes: &[u8]) -> Written {
    match trimmed(&bytes[..NUMBER_BYTES_MAX]).first() {
        None | Some(b'0'..=b'9' | b'+' | b'-' | b'.' | b'i' | b'I' | b'n' | b'N') => Written::Unsupported,
        Some(_) => Written::Nothing,
    }
}

/// A text without the spaces around it, of which C has one more than Rust.
pub(super) fn trimmed(text: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| byte.is_ascii_whitespace() || *byte == 11;
    let start = text.iter().position(|byte| !is_space(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
    &text[start..end]
}

/// Whether there is a minus, and what is behind the sign.
pub(super) fn signed(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    }
}

fn hexadecimal_value(text: &[u8]) -> Written {
    let (mantissa, exponent) = split_at_first(text, b'p');
    let (whole, fraction) = split_at_first(mantissa, b'.');
    let fraction_digits = fraction.unwrap_or_default();
    let are_digits = |digits: &[u8]| digits.iter().all(u8::is_ascii_hexdigit);
    let has_digits = !whole.is_empty() || !fraction_digits.is_empty();
    if !has_digits || !are_digits(whole) || !are_digits(fraction_digits) || exponent.is_some_and(|it| !is_integer(it)) {
        return Written::Nothing;
    }
    if fraction.is_some() || exponent.is_some() {
        return Written::Unsupported;
    }
    let text = std::str::from_utf8(whole).expect("digits are ASCII");
    i64::from_str_radix(text, 16).map_or(Written::Unsupported, Written::Whole)
}

fn decimal_value(text: &[u8]) -> Written {
    let (mantissa, exponent) = split_at_first(text, b'e');
    let (whole, fraction) = split_at_first(mantissa, b'.');
    let digits = [whole, fraction.unwrap_or_default()].concat();
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    if !is_number || exponent.is_some_and(|exponent| !is_integer(exponent)) {
        return Written::Nothing;
    }
    let kept = digits.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
    if kept == 0 {
        return Written::Whole(0);
    }
    // The digits without the zeros at their end, times this power of ten.
    let point = count(whole.len()) - count(kept);
    let power = exponent.map_or(Some(0), integer).and_then(|exponent| exponent.checked_add(point));
    let power = power.and_then(|power| u32::try_from(power).ok());
    let text = std::str::from_utf8(&digits[..kept]).expect("digits are ASCII");
    let value = power.and_then(|power| text.parse::<i64>().ok()?.checked_mul(10_i64.checked_pow(power)?));
    value.map_or(Written::Unsupported, Written::Whole)
}

fn split_at_first(text: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|byte| *byte == separator) {
        Some(place) => (&text[..place], Some(&text[place + 1..])),
        None => (text, None),
    }
}

/// Whether a text is digits behind an optional sign.
fn is_integer(text: &[u8]) -> bool {
    let (_, digits) = signed(text);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

fn integer(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// What a text is as a number in a base that is not ten, as `strtoul` of C reads it: spaces and a sign, no point.
pub(super) fn written_in_base(bytes: &[u8], base: u32) -> Written {
    let Some(text) = short(bytes) else { return Written::Unsupported };
    let (negative, digits) = signed(trimmed(text));
    let digits = match digits {
        [b'0', b'x' | b'X', rest @ ..] if base == 16 && !rest.is_empty() => rest,
        digits => digits,
    };
    let is_digit = |byte: &u8| char::from(*byte).is_digit(base);
    if digits.is_empty() || !digits.iter().all(is_digit) {
        return Written::Nothing;
    }
    let text = std::str::from_utf8(digits).expect("digits are ASCII");
    match i64::from_str_radix(text, base).ok().and_then(exact) {
        Some(number) if number == 0 || !negative => Written::Whole(number),
        // C takes a negative number from two to the 64th.
        _ => Written::Unsupported,
    }
}

/// A number of things in memory.
pub(super) fn count(count: usize) -> i64 {
    i64::try_from(count).expect("memory holds fewer bytes than i64 counts")
}

/// The number, if Lua would hold it exactly.
pub(super) fn exact(number: i64) -> Option<i64> {
    (-EXACT_MAX..=EXACT_MAX).contains(&number).then_some(number)
}

/// The number that is left once Lua has held it as a double: of its bits the first 53.
///
/// Two to the 63rd is no `i64`: [`BEYOND`] stands for it.
pub(super) fn as_double(number: i64) -> i64 {
    let magnitude = number.unsigned_abs();
    let surplus = 11_u32.saturating_sub(magnitude.leading_zeros());
    let unit = 1_u64 << surplus;
    let (kept, rest) = (magnitude >> surplus, magnitude % unit);
    let up = rest * 2 > unit || (rest * 2 == unit && kept % 2 == 1);
    let rounded = i128::from(kept + u64::from(up)) << surplus;
    i64::try_from(if number < 0 { -rounded } else { rounded }).unwrap_or(BEYOND)
}

/// A number as Lua writes it: with fourteen digits at most, then with an exponent.
pub(super) fn number_text(number: i64) -> String {
    let magnitude = number.unsigned_abs();
    let digits = magnitude.to_string().len();
    if digits <= 14 {
        return number.to_string();
    }
    let unit = 10_u64.pow(u32::try_from(digits - 14).expect("few digits"));
    let (kept, rest) = (magnitude / unit, magnitude % unit);
    let half = unit / 2;
    let rounded = kept + u64::from(rest > half || (rest == half && kept % 2 == 1));
    let carried = rounded == 10_u64.pow(14);
    let (shown, exponent) = if carried { (rounded / 10, digits) } else { (rounded, digits - 1) };
    let shown = shown.to_string();
    let (first, behind) = shown.split_at(1);
    let behind = behind.trim_end_matches('0');
    let point = if behind.is_empty() { "" } else { "." };
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{first}{point}{behind}e+{exponent}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_lua_does() {
        for (number, text) in [
            (0, "0"),
            (-5, "-5"),
            (99_999_999_999_999, "99999999999999"),
            (100_000_000_000_000, "1e+14"),
            (123_456_789_012_345, "1.2345678901234e+14"),
            (123_456_789_012_355, "1.2345678901236e+14"),
            (999_999_999_999_999, "1e+15"),
            (-1_234_567_890_123_456, "-1.2345678901235e+15"),
        ] {
            assert_eq!(number_text(number), text);
        }
    }

    #[test]
    fn large_numbers_lose_their_last_bits() {
        for (number, left) in [
            (7, 7),
            (EXACT_MAX, EXACT_MAX),
            (EXACT_MAX + 1, EXACT_MAX),
            (EXACT_MAX + 3, EXACT_MAX + 4),
            (-EXACT_MAX - 3, -EXACT_MAX - 4),
            (i64::MAX - 1000, i64::MAX - 1023),
            (i64::MAX, BEYOND),
            (i64::MIN, i64::MIN),
        ] {
            assert_eq!(as_double(number), left, "{number}");
        }
    }

    #[test]
    fn a_list_with_a_gap_has_no_length() {
        let mut table = Table::default();
        assert_eq!(table.length(), Some(0));
        table.set(Key::Number(-1), Value::Nil);
        table.set(Key::Number(0), Value::Boolean(true));
        table.set(Key::Boolean(true), Value::Boolean(true));
        table.set_text("name", Value::Boolean(true));
        assert_eq!(table.length(), Some(0));
        for (place, length) in [(1, Some(1)), (2, Some(2)), (2, Some(2)), (4, None), (3, Some(4))] {
            table.set(Key::Number(place), Value::Boolean(true));
            assert_eq!(table.length(), length, "{place}");
        }
        for (place, length) in [(5, Some(4)), (2, None), (2, None), (4, None), (3, Some(1)), (1, Some(0))] {
            table.set(Key::Number(place), Value::Nil);
            assert_eq!(table.length(), length, "{place}");
        }
    }

    #[test]
    fn a_name_is_found_among_few_fields_and_among_many() {
        let mut table = Table::default();
        for place in 0..40 {
            assert!(matches!(table.text("err"), Value::Nil));
            table.set_text(&format!("name{place}"), Value::Boolean(true));
            table.set(Key::Number(place), Value::Boolean(true));
        }
        table.set_text("err", Value::Number(1));
        assert!(matches!(table.text("err"), Value::Number(1)));
    }

    #[test]
    fn a_long_text_is_not_read_to_its_end() {
        let long = |front: &str| format!("{front}{}", "5".repeat(NUMBER_BYTES_MAX));
        assert_eq!(written(long("x").as_bytes()), Written::Nothing);
        for front in ["", "  -", "0x", "inf", &" ".repeat(2 * NUMBER_BYTES_MAX)] {
            assert_eq!(written(long(front).as_bytes()), Written::Unsupported, "{front}");
        }
        assert_eq!(written_in_base(long("z").as_bytes(), 8), Written::Unsupported);
        assert_eq!(written(format!("7\0{}", long("x")).as_bytes()), Written::Whole(7));
        assert_eq!(written(format!("{}7", "0".repeat(NUMBER_BYTES_MAX - 1)).as_bytes()), Written::Whole(7));
    }

    #[test]
    fn numbers_are_read_as_lua_does() {
        for (text, number) in [
            ("10", 10),
            (" 10 ", 10),
            ("\u{b}7\u{c}", 7),
            ("-3", -3),
            ("+7", 7),
            ("+0x10", 16),
            ("0x1F", 31),
            ("3.0", 3),
            ("5.", 5),
            (".0", 0),
            ("1e2", 100),
            ("1.5e1", 15),
            ("120e-1", 12),
            ("0e999", 0),
            ("1\0x", 1),
            ("9007199254740992", EXACT_MAX),
        ] {
            assert_eq!(written(text.as_bytes()), Written::Whole(number), "{text:?}");
        }
        for text in
            ["", "abc", "--1", "+-1", "- 1", "1 2", "1e", "1e+", "0x", "0x-1", ".", "0b1", "e5", "1x", "in", "0xg"]
        {
            assert_eq!(written(text.as_bytes()), Written::Nothing, "{text:?}");
        }
        for text in ["1.5", ".5", "1e-1", "1e99", "9007199254740993", "0x1p4", "0x1.8", "inf", "-Infinity", "NaN"] {
            assert_eq!(written(text.as_bytes()), Written::Unsupported, "{text:?}");
        }
    }
}
