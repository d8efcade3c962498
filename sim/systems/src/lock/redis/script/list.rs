//! The functions over lists.

use super::interpreter::{Evaluated, Interpreter};
use super::library::{bytes, is_absent, small, table};
use super::value::{Key, Value, count};

/// How many values Lua's stack holds for one function.
const STACK_MAX: i64 = 8000;

/// Whether so many values fit behind the arguments of a function.
pub(super) fn fits_stack(arguments: &[Value], values: i64) -> bool {
    count(arguments.len()) + values <= STACK_MAX
}

/// `unpack(list, first, last)`
pub(super) fn unpack(interpreter: &mut Interpreter<'_, '_>, arguments: &[Value]) -> Evaluated<Vec<Value>> {
    let list = table(interpreter, arguments)?;
    let first = if is_absent(arguments, 1) { 1 } else { small(interpreter, arguments, 1)? };
    let last = if is_absent(arguments, 2) { interpreter.list_length(list)? } else { small(interpreter, arguments, 2)? };
    if first > last {
        return Ok(Vec::new());
    }
    if !fits_stack(arguments, last - first + 1) {
        return interpreter.error("too many results to unpack");
    }
    interpreter.budget.spend(u64::try_from(last - first).unwrap_or(0), 0)?;
    let fields = interpreter.fields(list);
    Ok((first..=last).map(|place| fields.get(&Key::Number(place))).collect())
}

/// `table.insert(list, [place,] value)`
pub(super) fn insert(interpreter: &mut Interpreter<'_, '_>, arguments: &[Value]) -> Evaluated<Vec<Value>> {
    let list = table(interpreter, arguments)?;
    let length = interpreter.list_length(list)?;
    interpreter.budget.spend(1, 64)?;
    let (place, value) = match arguments {
        [_, value] => (length + 1, value),
        [_, _, value] => (small(interpreter, arguments, 1)?, value),
        _ => return interpreter.error("wrong number of arguments to 'insert'"),
    };
    interpreter.budget.spend(u64::try_from(length - place).unwrap_or(0), 0)?;
    let fields = interpreter.fields_mut(list);
    for at in (place..=length).rev() {
        let moved = fields.get(&Key::Number(at));
        fields.set(Key::Number(at + 1), moved);
    }
    fields.set(Key::Number(place), value.clone());
    Ok(Vec::new())
}

/// `table.remove(list, [place])`
pub(super) fn remove(interpreter: &mut Interpreter<'_, '_>, arguments: &[Value]) -> Evaluated<Vec<Value>> {
    let list = table(interpreter, arguments)?;
    let length = interpreter.list_length(list)?;
    let place = if is_absent(arguments, 1) { length } else { small(interpreter, arguments, 1)? };
    if !(1..=length).contains(&place) {
        return Ok(Vec::new());
    }
    interpreter.budget.spend(u64::try_from(length - place).unwrap_or(0), 0)?;
    let fields = interpreter.fields_mut(list);
    let removed = fields.get(&Key::Number(place));
    for at in place..length {
        let moved = fields.get(&Key::Number(at + 1));
        fields.set(Key::Number(at), moved);
    }
    fields.set(Key::Number(length), Value::Nil);
    Ok(vec![removed])
}

/// `table.concat(list, separator, first, last)`
pub(super) fn concat(interpreter: &mut Interpreter<'_, '_>, arguments: &[Value]) -> Evaluated<Vec<Value>> {
    // In this order Lua finds what is wrong.
    let separator = if is_absent(arguments, 1) { [].into() } else { bytes(interpreter, arguments, 1)? };
    let list = table(interpreter, arguments)?;
    let first = if is_absent(arguments, 2) { 1 } else { small(interpreter, arguments, 2)? };
    let last = if is_absent(arguments, 3) { interpreter.list_length(list)? } else { small(interpreter, arguments, 3)? };
    let mut joined = Vec::new();
    for place in first..=last {
        let value = interpreter.fields(list).get(&Key::Number(place));
        let Some(text) = value.bytes() else {
            return interpreter
                .error(&format!("invalid value ({}) at index {place} in table for 'concat'", value.kind()));
        };
        if place > first {
            joined.extend_from_slice(&separator);
        }
        joined.extend_from_slice(&text);
        interpreter.budget.spend(1, text.len() + separator.len())?;
    }
    Ok(vec![Value::String(joined.into())])
}
