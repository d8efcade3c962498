//! The functions over strings.

use super::interpreter::{Evaluated, Interpreter};
use super::library::{Builtin, bytes, is_absent, number, small, wrong_argument};
use super::list::fits_stack;
use super::value::{Value, count};

/// How many bytes are compared before they are counted.
const COMPARED_AT_ONCE: usize = 4096;

/// Calls a function of `string` that returns one value.
pub(super) fn call(interpreter: &mut Interpreter<'_, '_>, builtin: Builtin, arguments: &[Value]) -> Evaluated<Value> {
    let text = bytes(interpreter, arguments, 0)?;
    interpreter.budget.spend(1, text.len())?;
    let changed = match builtin {
        Builtin::Length => return Ok(Value::Number(count(text.len()))),
        Builtin::Sub => sub(interpreter, &text, arguments)?,
        Builtin::Upper => text.to_ascii_uppercase(),
        Builtin::Lower => text.to_ascii_lowercase(),
        Builtin::Reverse => text.iter().rev().copied().collect(),
        _ => repeat(interpreter, &text, arguments)?,
    };
    Ok(Value::String(changed.into()))
}

/// A place in a text: places count from 1, negative ones from the end. 0 is in front of the text.
fn place(place: i64, length: i64) -> i64 {
    if place < 0 { (length + place + 1).max(0) } else { place }
}

/// The bytes from one place to another, those that there are.
fn between(text: &[u8], first: i64, last: i64) -> &[u8] {
    let (first, last) = (first.max(1), last.min(count(text.len())));
    let (Ok(start), Ok(end)) = (usize::try_from(first - 1), usize::try_from(last)) else { return &[] };
    text.get(start..end).unwrap_or_default()
}

fn sub(interpreter: &Interpreter<'_, '_>, text: &[u8], arguments: &[Value]) -> Evaluated<Vec<u8>> {
    let length = count(text.len());
    let first = number(interpreter, arguments, 1)?;
    let last = if is_absent(arguments, 2) { -1 } else { number(interpreter, arguments, 2)? };
    Ok(between(text, place(first, length), place(last, length)).to_vec())
}

fn repeat(interpreter: &mut Interpreter<'_, '_>, text: &[u8], arguments: &[Value]) -> Evaluated<Vec<u8>> {
    let times = usize::try_from(small(interpreter, arguments, 1)?).unwrap_or(0);
    interpreter.budget.spend(1, text.len().saturating_mul(times))?;
    Ok(text.repeat(times))
}

/// `string.find(text, wanted, start, plain)`: where plain text begins and ends in another, or `nil`. Patterns are not
/// supported.
pub(super) fn find(interpreter: &mut Interpreter<'_, '_>, arguments: &[Value]) -> Evaluated<Vec<Value>> {
    let (text, wanted) = (bytes(interpreter, arguments, 0)?, bytes(interpreter, arguments, 1)?);
    let length = count(text.len());
    let start = if is_absent(arguments, 2) { 1 } else { number(interpreter, arguments, 2)? };
    let start = (place(start, length) - 1).clamp(0, length);
    let is_plain = arguments.get(3).is_some_and(Value::is_true);
    if !is_plain && wanted.iter().any(|byte| b"^$*+?.([%-".contains(byte)) {
        return interpreter.unsupported("a pattern");
    }
    interpreter.budget.spend(1, text.len())?;
    let rest = &text[usize::try_from(start).expect("it is within the text")..];
    let Some(found) = place_of(interpreter, &wanted, rest)? else { return Ok(vec![Value::Nil]) };
    let before = start + count(found);
    Ok([before + 1, before + count(wanted.len())].map(Value::Number).to_vec())
}

/// Where a text stands in another one. What is compared for it counts: of two texts of one letter each place is alike
/// for long.
fn place_of(interpreter: &mut Interpreter<'_, '_>, wanted: &[u8], text: &[u8]) -> Evaluated<Option<usize>> {
    if wanted.is_empty() {
        return Ok(Some(0));
    }
    let mut compared = 0;
    for (place, window) in text.windows(wanted.len()).enumerate() {
        let alike = window.iter().zip(wanted).take_while(|(byte, wanted)| byte == wanted).count();
        if alike == wanted.len() {
            return Ok(Some(place));
        }
        compared += alike;
        if compared >= COMPARED_AT_ONCE {
            interpreter.budget.compare(std::mem::take(&mut compared))?;
        }
    }
    Ok(None)
}

/// `string.byte(text, first, last)`
pub(super) fn byte(interpreter: &mut Interpreter<'_, '_>, arguments: &[Value]) -> Evaluated<Vec<Value>> {
    let text = bytes(interpreter, arguments, 0)?;
    let length = count(text.len());
    let first = if is_absent(arguments, 1) { 1 } else { number(interpreter, arguments, 1)? };
    let first = place(first, length);
    let last = if is_absent(arguments, 2) { first } else { place(number(interpreter, arguments, 2)?, length) };
    let bytes = between(&text, first, last);
    if !fits_stack(arguments, count(bytes.len())) {
        return interpreter.error("stack overflow (string slice too long)");
    }
    interpreter.budget.spend(1, bytes.len())?;
    Ok(bytes.iter().map(|byte| Value::Number(i64::from(*byte))).collect())
}

/// `string.char(byte, …)`
pub(super) fn char(interpreter: &mut Interpreter<'_, '_>, arguments: &[Value]) -> Evaluated<Vec<Value>> {
    let mut text = Vec::new();
    for place in 0..arguments.len() {
        match u8::try_from(small(interpreter, arguments, place)?) {
            Ok(byte) => text.push(byte),
            Err(_) => return wrong_argument(interpreter, place, "invalid value"),
        }
    }
    interpreter.budget.spend(1, text.len())?;
    Ok(vec![Value::String(text.into())])
}
