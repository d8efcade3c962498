//! The values of a script.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::library::Builtin;
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
    String(Rc<[u8]>),
    Table(usize),
    Function(Rc<Closure>),
    Builtin(Builtin),
}

/// A function with the local names that it sees.
#[derive(Debug)]
pub(super) struct Closure {
    pub(super) function: Rc<Function>,
    pub(super) scope: Scope,
}

/// Local names with their places in the interpreter's memory, inner ones last.
pub(super) type Scope = Vec<(Rc<str>, usize)>;

/// A key of a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Number(i64),
    String(Rc<[u8]>),
    Boolean(bool),
    Table(usize),
}

/// A table. `pairs` goes by the order of its keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    fields: BTreeMap<Key, Value>,
    /// Names of the library, which a script may not change.
    pub(super) is_fixed: bool,
}

impl Table {
    pub(super) fn get(&self, key: &Key) -> Value {
        self.fields.get(key).cloned().unwrap_or(Value::Nil)
    }

    pub(super) fn text(&self, key: &str) -> Value {
        self.get(&Key::String(key.as_bytes().into()))
    }

    pub(super) fn set(&mut self, key: Key, value: Value) {
        if matches!(value, Value::Nil) {
            self.fields.remove(&key);
        } else {
            self.fields.insert(key, value);
        }
    }

    pub(super) fn set_text(&mut self, key: &str, value: Value) {
        self.set(Key::String(key.as_bytes().into()), value);
    }

    pub(super) fn push(&mut self, value: Value) {
        self.set(Key::Number(self.length() + 1), value);
    }

    /// The number of values from 1 on without a gap.
    pub(super) fn length(&self) -> i64 {
        let positive = self.fields.range(Key::Number(1)..Key::String([].into()));
        let Some((Key::Number(last), _)) = positive.clone().next_back() else { return 0 };
        // As many fields as the largest number, and none before 1 or behind it: no gap.
        let first = self.fields.first_key_value().map(|(key, _)| key);
        let is_list = i64::try_from(self.fields.len()) == Ok(*last) && first == Some(&Key::Number(1));
        if is_list && self.fields.last_key_value().map(|(key, _)| key) == Some(&Key::Number(*last)) {
            return *last;
        }
        let in_order = (1..).zip(positive).take_while(|(place, (key, _))| **key == Key::Number(*place));
        in_order.last().map_or(0, |(place, _)| place)
    }

    /// The field after a key, in the order of the keys.
    pub(super) fn after(&self, key: Option<&Key>) -> Option<(Key, Value)> {
        let (key, value) = match key {
            None => self.fields.first_key_value(),
            Some(key) => self.fields.range((std::ops::Bound::Excluded(key.clone()), std::ops::Bound::Unbounded)).next(),
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
            Self::String(bytes) => number_of(bytes),
            _ => None,
        }
    }

    /// The bytes, or those that write a number.
    pub(super) fn bytes(&self) -> Option<Rc<[u8]>> {
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

/// A text that may be a number for Lua, though not one that is supported here: a fraction, an exponent, too large.
pub(super) fn looks_like_a_number(bytes: &[u8]) -> bool {
    let trimmed = bytes.trim_ascii();
    let digits = trimmed.strip_prefix(b"-").unwrap_or(trimmed);
    let starts = matches!(digits, [b'0'..=b'9', ..] | [b'.', b'0'..=b'9', ..]);
    starts && digits.iter().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b'-' | b'+' | b'x' | b'X'))
}

/// The whole number that a text writes: spaces around it, decimal or hexadecimal, with zeros behind a point.
pub(super) fn number_of(bytes: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(bytes).ok()?.trim_ascii();
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let whole = digits.split_once('.').map_or(Some(digits), |(whole, zeros)| {
        (!whole.is_empty() && zeros.bytes().all(|byte| byte == b'0')).then_some(whole)
    })?;
    let magnitude = match whole.strip_prefix("0x").or_else(|| whole.strip_prefix("0X")) {
        Some(hexadecimal) => digits_of(hexadecimal, 16)?,
        None => digits_of(whole, 10)?,
    };
    exact(if negative { -magnitude } else { magnitude })
}

/// The number that digits write in a base; no sign and nothing else.
pub(super) fn digits_of(digits: &str, base: u32) -> Option<i64> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if plain { i64::from_str_radix(digits, base).ok() } else { None }
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
    fn numbers_are_read_as_lua_does() {
        for (text, number) in
            [("10", Some(10)), (" 10 ", Some(10)), ("-3", Some(-3)), ("0x10", Some(16)), ("3.0", Some(3))]
        {
            assert_eq!(number_of(text.as_bytes()), number, "{text}");
        }
        for text in ["", "abc", "1.5", "1e3", "--1", "9007199254740993", "1 2", "+1"] {
            assert_eq!(number_of(text.as_bytes()), None, "{text}");
        }
    }
}
