//! The functions that a script may call.

use std::rc::Rc;

use super::interpreter::{Evaluated, Interpreter, Thrown};
use super::value::{Key, Table, Value, digits_of, exact, looks_like_a_number, number_of, number_text};
use super::{bridge, text};

/// A function of the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Builtin {
    Call,
    ProtectedCall,
    ErrorReply,
    StatusReply,
    Sha1,
    Log,
    ToNumber,
    ToString,
    Type,
    Pairs,
    Ipairs,
    Next,
    NextPlace,
    Unpack,
    Pcall,
    Error,
    Assert,
    Maximum,
    Minimum,
    Floor,
    Insert,
    Remove,
    Concat,
    Length,
    Sub,
    Upper,
    Lower,
    Repeat,
    Reverse,
    Find,
}

/// Parts of Lua and of Redis that exist there and not here.
pub(super) const UNSUPPORTED: &[&str] = &[
    "bit",
    "cjson",
    "cmsgpack",
    "struct",
    "coroutine",
    "debug",
    "setmetatable",
    "getmetatable",
    "rawget",
    "rawset",
    "rawequal",
    "select",
    "loadstring",
    "xpcall",
    "getfenv",
    "setfenv",
    "next",
    "_G",
    "_VERSION",
    "collectgarbage",
    "gcinfo",
    "load",
    "newproxy",
    "os",
];

const GLOBALS: &[(&str, Builtin)] = &[
    ("tonumber", Builtin::ToNumber),
    ("tostring", Builtin::ToString),
    ("type", Builtin::Type),
    ("pairs", Builtin::Pairs),
    ("ipairs", Builtin::Ipairs),
    ("unpack", Builtin::Unpack),
    ("pcall", Builtin::Pcall),
    ("error", Builtin::Error),
    ("assert", Builtin::Assert),
];

const LIBRARIES: &[(&str, &[(&str, Builtin)])] = &[
    (
        "redis",
        &[
            ("call", Builtin::Call),
            ("pcall", Builtin::ProtectedCall),
            ("error_reply", Builtin::ErrorReply),
            ("status_reply", Builtin::StatusReply),
            ("sha1hex", Builtin::Sha1),
            ("log", Builtin::Log),
        ],
    ),
    ("math", &[("max", Builtin::Maximum), ("min", Builtin::Minimum), ("floor", Builtin::Floor)]),
    ("table", &[("insert", Builtin::Insert), ("remove", Builtin::Remove), ("concat", Builtin::Concat)]),
    (
        "string",
        &[
            ("len", Builtin::Length),
            ("sub", Builtin::Sub),
            ("upper", Builtin::Upper),
            ("lower", Builtin::Lower),
            ("rep", Builtin::Repeat),
            ("reverse", Builtin::Reverse),
            ("find", Builtin::Find),
        ],
    ),
];

/// Puts the library into the global names.
pub(super) fn open(interpreter: &mut Interpreter<'_, '_>) {
    for (name, builtin) in GLOBALS {
        interpreter.set_global(name, Value::Builtin(*builtin));
    }
    for (name, functions) in LIBRARIES {
        let mut table = Table::default();
        functions.iter().for_each(|(name, builtin)| table.set_text(name, Value::Builtin(*builtin)));
        if *name == "redis" {
            let levels = ["LOG_DEBUG", "LOG_VERBOSE", "LOG_NOTICE", "LOG_WARNING"];
            (0..).zip(levels).for_each(|(number, level)| table.set_text(level, Value::Number(number)));
        }
        table.is_fixed = true;
        let library = interpreter.table(table);
        interpreter.set_global(name, library.clone());
        if *name == "redis" {
            interpreter.set_global("server", library);
        }
    }
}

/// The function that `value:name()` calls.
pub(super) fn method(interpreter: &Interpreter<'_, '_>, holder: &Value, name: &str) -> Evaluated<Value> {
    match holder {
        Value::Table(table) => Ok(interpreter.fields(*table).text(name)),
        Value::String(_) => {
            let strings = LIBRARIES.iter().find(|(library, _)| *library == "string").expect("it is in the list").1;
            match strings.iter().find(|(function, _)| *function == name) {
                Some((_, builtin)) => Ok(Value::Builtin(*builtin)),
                None => interpreter.unsupported(&format!("string.{name}")),
            }
        }
        _ => interpreter.error(&format!("attempt to index a {} value", holder.kind())),
    }
}

/// Calls a function of the library.
pub(super) fn call(
    interpreter: &mut Interpreter<'_, '_>,
    builtin: Builtin,
    arguments: Vec<Value>,
) -> Evaluated<Vec<Value>> {
    let first = arguments.first().cloned().unwrap_or(Value::Nil);
    let one = |value: Value| Ok(vec![value]);
    match builtin {
        Builtin::Call => bridge::call(interpreter, &arguments).map(|value| vec![value]),
        Builtin::ProtectedCall => bridge::protected_call(interpreter, &arguments).map(|value| vec![value]),
        Builtin::ErrorReply => bridge::error_reply(interpreter, &arguments).map(|value| vec![value]),
        Builtin::StatusReply => bridge::status_reply(interpreter, &arguments).map(|value| vec![value]),
        Builtin::Sha1 => bridge::sha1(interpreter, &arguments).map(|value| vec![value]),
        Builtin::Log => Ok(Vec::new()),
        Builtin::ToNumber => one(to_number(interpreter, &arguments)?),
        Builtin::ToString => one(to_string(interpreter, &first)?),
        Builtin::Type => one(Value::text(first.kind())),
        Builtin::Pairs => iterator(interpreter, Builtin::Next, &first, Value::Nil),
        Builtin::Ipairs => iterator(interpreter, Builtin::NextPlace, &first, Value::Number(0)),
        Builtin::Next => Ok(next(interpreter, &arguments)),
        Builtin::NextPlace => Ok(next_place(interpreter, &arguments)),
        Builtin::Unpack => unpack(interpreter, &first),
        Builtin::Pcall => pcall(interpreter, arguments),
        Builtin::Error => Err(Thrown::Error(raised(interpreter, first))),
        Builtin::Assert if first.is_true() => Ok(arguments),
        Builtin::Assert => {
            Err(Thrown::Error(arguments.get(1).cloned().unwrap_or_else(|| Value::text("assertion failed!"))))
        }
        Builtin::Maximum => extreme(interpreter, &arguments, "max", i64::max),
        Builtin::Minimum => extreme(interpreter, &arguments, "min", i64::min),
        Builtin::Floor => one(Value::Number(number(interpreter, &arguments, 0, "floor")?)),
        Builtin::Insert => insert(interpreter, &arguments),
        Builtin::Remove => remove(interpreter, &arguments),
        Builtin::Concat => text::concat(interpreter, &arguments),
        Builtin::Length
        | Builtin::Sub
        | Builtin::Upper
        | Builtin::Lower
        | Builtin::Repeat
        | Builtin::Reverse
        | Builtin::Find => text::call(interpreter, builtin, &arguments).map(|value| vec![value]),
    }
}

/// The error for an argument of the wrong kind; places count from 1.
pub(super) fn bad_argument<T>(
    interpreter: &Interpreter<'_, '_>,
    arguments: &[Value],
    place: usize,
    function: &str,
    expected: &str,
) -> Evaluated<T> {
    let found = arguments.get(place).map_or("no value", Value::kind);
    interpreter.error(&format!("bad argument #{} to '{function}' ({expected} expected, got {found})", place + 1))
}

pub(super) fn number(
    interpreter: &Interpreter<'_, '_>,
    arguments: &[Value],
    place: usize,
    function: &str,
) -> Evaluated<i64> {
    match arguments.get(place).and_then(Value::number) {
        Some(number) => Ok(number),
        None if matches!(arguments.get(place), Some(Value::String(bytes)) if looks_like_a_number(bytes)) => {
            interpreter.unsupported("arithmetic with fractions or numbers beyond 2^53")
        }
        None => bad_argument(interpreter, arguments, place, function, "number"),
    }
}

fn table(interpreter: &Interpreter<'_, '_>, arguments: &[Value], function: &str) -> Evaluated<usize> {
    match arguments.first() {
        Some(Value::Table(table)) => Ok(*table),
        _ => bad_argument(interpreter, arguments, 0, function, "table"),
    }
}

fn to_number(interpreter: &Interpreter<'_, '_>, arguments: &[Value]) -> Evaluated<Value> {
    let Some(value) = arguments.first() else { return bad_argument(interpreter, arguments, 0, "tonumber", "value") };
    if let (Some(base), Some(text)) = (arguments.get(1).and_then(Value::number), value.bytes()) {
        let text = String::from_utf8_lossy(&text).trim().to_owned();
        let base = u32::try_from(base).ok().filter(|base| (2..=36).contains(base));
        let Some(base) = base else { return interpreter.error("bad argument #2 to 'tonumber' (base out of range)") };
        return Ok(digits_of(&text, base).and_then(exact).map_or(Value::Nil, Value::Number));
    }
    match value {
        Value::Number(_) => Ok(value.clone()),
        Value::String(bytes) => match number_of(bytes) {
            Some(number) => Ok(Value::Number(number)),
            None if looks_like_a_number(bytes) => interpreter.unsupported("a fraction or a number beyond 2^53"),
            None => Ok(Value::Nil),
        },
        _ => Ok(Value::Nil),
    }
}

fn to_string(interpreter: &Interpreter<'_, '_>, value: &Value) -> Evaluated<Value> {
    match value {
        Value::Nil => Ok(Value::text("nil")),
        Value::Boolean(value) => Ok(Value::text(if *value { "true" } else { "false" })),
        Value::Number(number) => Ok(Value::text(&number_text(*number))),
        Value::String(bytes) => Ok(Value::String(bytes.clone())),
        Value::Table(_) | Value::Function(_) | Value::Builtin(_) => {
            interpreter.unsupported("the address of a table or a function")
        }
    }
}

fn iterator(interpreter: &Interpreter<'_, '_>, next: Builtin, table: &Value, control: Value) -> Evaluated<Vec<Value>> {
    let function = if next == Builtin::Next { "pairs" } else { "ipairs" };
    match table {
        Value::Table(_) => Ok(vec![Value::Builtin(next), table.clone(), control]),
        _ => bad_argument(interpreter, std::slice::from_ref(table), 0, function, "table"),
    }
}

fn next(interpreter: &Interpreter<'_, '_>, arguments: &[Value]) -> Vec<Value> {
    let [Value::Table(table), control] = arguments else { return vec![Value::Nil] };
    match interpreter.fields(*table).after(control.key().as_ref()) {
        Some((key, value)) => vec![key.value(), value],
        None => vec![Value::Nil],
    }
}

fn next_place(interpreter: &Interpreter<'_, '_>, arguments: &[Value]) -> Vec<Value> {
    let [Value::Table(table), Value::Number(place)] = arguments else { return vec![Value::Nil] };
    match interpreter.fields(*table).get(&Key::Number(place + 1)) {
        Value::Nil => vec![Value::Nil],
        value => vec![Value::Number(place + 1), value],
    }
}

fn unpack(interpreter: &Interpreter<'_, '_>, table: &Value) -> Evaluated<Vec<Value>> {
    let Value::Table(table) = table else {
        return bad_argument(interpreter, std::slice::from_ref(table), 0, "unpack", "table");
    };
    let fields = interpreter.fields(*table);
    let length = fields.length();
    // Lua's stack holds about this many.
    if length > 7000 {
        return interpreter.error("too many results to unpack");
    }
    Ok((1..=length).map(|place| fields.get(&Key::Number(place))).collect())
}

fn pcall(interpreter: &mut Interpreter<'_, '_>, mut arguments: Vec<Value>) -> Evaluated<Vec<Value>> {
    if arguments.is_empty() {
        return bad_argument(interpreter, &arguments, 0, "pcall", "value");
    }
    let callee = arguments.remove(0);
    match interpreter.call(&callee, arguments, "") {
        Ok(mut values) => {
            values.insert(0, Value::Boolean(true));
            Ok(values)
        }
        // The error of a command comes as its text.
        Err(Thrown::Error(Value::Table(table)))
            if matches!(interpreter.fields(table).text("err"), Value::String(_)) =>
        {
            Ok(vec![Value::Boolean(false), interpreter.fields(table).text("err")])
        }
        Err(Thrown::Error(error)) => Ok(vec![Value::Boolean(false), error]),
        Err(stopped) => Err(stopped),
    }
}

/// What `error` raises: a text gets its place in front.
fn raised(interpreter: &Interpreter<'_, '_>, value: Value) -> Value {
    match value {
        Value::String(bytes) => {
            let place = format!("user_script:{}: ", interpreter.line);
            Value::String([place.as_bytes(), &bytes].concat().into())
        }
        other => other,
    }
}

fn extreme(
    interpreter: &Interpreter<'_, '_>,
    arguments: &[Value],
    function: &str,
    choose: fn(i64, i64) -> i64,
) -> Evaluated<Vec<Value>> {
    let mut best = number(interpreter, arguments, 0, function)?;
    for place in 1..arguments.len() {
        best = choose(best, number(interpreter, arguments, place, function)?);
    }
    Ok(vec![Value::Number(best)])
}

fn insert(interpreter: &mut Interpreter<'_, '_>, arguments: &[Value]) -> Evaluated<Vec<Value>> {
    let table = table(interpreter, arguments, "insert")?;
    interpreter.spend(1, 64)?;
    match arguments {
        [_, value] => interpreter.fields_mut(table).push(value.clone()),
        [_, _, value] => {
            let place = number(interpreter, arguments, 1, "insert")?;
            let length = interpreter.fields(table).length();
            interpreter.spend(u64::try_from(length).unwrap_or(0), 0)?;
            let fields = interpreter.fields_mut(table);
            for at in (place..=length).rev() {
                let moved = fields.get(&Key::Number(at));
                fields.set(Key::Number(at + 1), moved);
            }
            fields.set(Key::Number(place), value.clone());
        }
        _ => return interpreter.error("wrong number of arguments to 'insert'"),
    }
    Ok(Vec::new())
}

fn remove(interpreter: &mut Interpreter<'_, '_>, arguments: &[Value]) -> Evaluated<Vec<Value>> {
    let table = table(interpreter, arguments, "remove")?;
    let length = interpreter.fields(table).length();
    let place = if arguments.len() > 1 { number(interpreter, arguments, 1, "remove")? } else { length };
    if !(1..=length).contains(&place) {
        return Ok(Vec::new());
    }
    interpreter.spend(u64::try_from(length).unwrap_or(0), 0)?;
    let fields = interpreter.fields_mut(table);
    let removed = fields.get(&Key::Number(place));
    for at in place..length {
        let moved = fields.get(&Key::Number(at + 1));
        fields.set(Key::Number(at), moved);
    }
    fields.set(Key::Number(length), Value::Nil);
    Ok(vec![removed])
}

/// The bytes of an argument.
pub(super) fn bytes(
    interpreter: &Interpreter<'_, '_>,
    arguments: &[Value],
    place: usize,
    function: &str,
) -> Evaluated<Rc<[u8]>> {
    match arguments.get(place).and_then(Value::bytes) {
        Some(bytes) => Ok(bytes),
        None => bad_argument(interpreter, arguments, place, function, "string"),
    }
}
