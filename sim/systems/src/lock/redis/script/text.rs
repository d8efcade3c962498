//! The functions over strings.

use super::interpreter::{Evaluated, Interpreter};
use super::library::{Builtin, bad_argument, bytes, number};
use super::value::{Key, Value};

/// Calls a function of `string`.
pub(super) fn call(interpreter: &mut Interpreter<'_, '_>, builtin: Builtin, arguments: &[Value]) -> Evaluated<Value> {
    let function = name(builtin);
    let text = bytes(interpreter, arguments, 0, function)?;
    interpreter.spend(1, text.len())?;
    let changed = match builtin {
        Builtin::Length => return Ok(Value::Number(count(text.len()))),
        Builtin::Find => return find(interpreter, &text, arguments),
        Builtin::Sub => sub(interpreter, &text, arguments)?,
        Builtin::Upper => text.to_ascii_uppercase(),
        Builtin::Lower => text.to_ascii_lowercase(),
        Builtin::Reverse => text.iter().rev().copied().collect(),
        _ => repeat(interpreter, &text, arguments)?,
    };
    Ok(Value::String(changed.into()))
}

fn name(builtin: Builtin) -> &'static str {
    match builtin {
        Builtin::Length => "len",
        Builtin::Sub => "sub",
        Builtin::Upper => "upper",
        Builtin::Lower => "lower",
        Builtin::Reverse => "reverse",
        Builtin::Find => "find",
        _ => "rep",
    }
}

fn count(count: usize) -> i64 {
    i64::try_from(count).expect("memory holds fewer bytes than i64 counts")
}

/// The bytes from one place to another; places count from 1, negative ones from the end.
fn sub(interpreter: &Interpreter<'_, '_>, text: &[u8], arguments: &[Value]) -> Evaluated<Vec<u8>> {
    let length = count(text.len());
    let place = |place: i64| if place < 0 { (length + place + 1).max(0) } else { place };
    let first = place(number(interpreter, arguments, 1, "sub")?).max(1);
    let last = if arguments.len() > 2 { place(number(interpreter, arguments, 2, "sub")?).min(length) } else { length };
    let range = (first - 1)..last.max(first - 1);
    let (Ok(start), Ok(end)) = (usize::try_from(range.start), usize::try_from(range.end)) else {
        return Ok(Vec::new());
    };
    Ok(text.get(start..end).unwrap_or_default().to_vec())
}

fn repeat(interpreter: &mut Interpreter<'_, '_>, text: &[u8], arguments: &[Value]) -> Evaluated<Vec<u8>> {
    let times = usize::try_from(number(interpreter, arguments, 1, "rep")?).unwrap_or(0);
    interpreter.spend(1, text.len().saturating_mul(times))?;
    Ok(text.repeat(times))
}

/// Where plain text stands in another, or `nil`. Patterns are not supported.
fn find(interpreter: &Interpreter<'_, '_>, text: &[u8], arguments: &[Value]) -> Evaluated<Value> {
    let wanted = bytes(interpreter, arguments, 1, "find")?;
    let is_plain = arguments.get(3).is_some_and(Value::is_true);
    if !is_plain && wanted.iter().any(|byte| b"^$*+?.([%-".contains(byte)) {
        return interpreter.unsupported("a pattern");
    }
    if wanted.is_empty() {
        return Ok(Value::Number(1));
    }
    let place = text.windows(wanted.len()).position(|window| *window == *wanted);
    Ok(place.map_or(Value::Nil, |place| Value::Number(count(place) + 1)))
}

/// `table.concat(list, separator)`
pub(super) fn concat(interpreter: &mut Interpreter<'_, '_>, arguments: &[Value]) -> Evaluated<Vec<Value>> {
    let Some(Value::Table(table)) = arguments.first() else {
        return bad_argument(interpreter, arguments, 0, "concat", "table");
    };
    let separator = if arguments.len() > 1 { bytes(interpreter, arguments, 1, "concat")? } else { [].into() };
    let mut joined = Vec::new();
    let length = interpreter.fields(*table).length();
    for place in 1..=length {
        let value = interpreter.fields(*table).get(&Key::Number(place));
        let Some(text) = value.bytes() else {
            return interpreter
                .error(&format!("invalid value ({}) at index {place} in table for 'concat'", value.kind()));
        };
        if place > 1 {
            joined.extend_from_slice(&separator);
        }
        joined.extend_from_slice(&text);
        interpreter.spend(1, text.len() + separator.len())?;
    }
    Ok(vec![Value::String(joined.into())])
}
