//! The functions that a script may call.

use std::sync::Arc;

use super::interpreter::{Called, Evaluated, Interpreter, Thrown};
use super::value::{Key, Value, Written, number_text, written, written_in_base};
use super::{bridge, list, text};
use crate::lock::redis::server::info::VERSION;

/// A function of the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Builtin {
    Call,
    ProtectedCall,
    ErrorReply,
    StatusReply,
    Sha1,
    Log,
    ReplicateCommands,
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
    Ceiling,
    Absolute,
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
    Byte,
    Char,
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

/// A part of the library.
#[derive(Debug)]
pub(super) struct Part {
    name: &'static str,
    functions: &'static [(&'static str, Builtin)],
    numbers: &'static [(&'static str, i64)],
    texts: &'static [(&'static str, &'static str)],
    /// What else Redis has under this name.
    pub(super) unsupported: &'static [&'static str],
}

impl Part {
    /// What has this name in it.
    pub(super) fn get(&self, name: &[u8]) -> Value {
        let is_it = |known: &str| known.as_bytes() == name;
        let function = self.functions.iter().find(|(known, _)| is_it(known));
        let number = || self.numbers.iter().find(|(known, _)| is_it(known)).map(|(_, number)| Value::Number(*number));
        let text = || self.texts.iter().find(|(known, _)| is_it(known)).map(|(_, text)| Value::text(text));
        function.map(|(_, builtin)| Value::Builtin(*builtin)).or_else(number).or_else(text).unwrap_or(Value::Nil)
    }
}

/// The parts of the library. The first tables of an interpreter are these.
pub(super) const PARTS: &[Part] = &[
    Part {
        name: "redis",
        functions: &[
            ("call", Builtin::Call),
            ("pcall", Builtin::ProtectedCall),
            ("error_reply", Builtin::ErrorReply),
            ("status_reply", Builtin::StatusReply),
            ("sha1hex", Builtin::Sha1),
            ("log", Builtin::Log),
            ("replicate_commands", Builtin::ReplicateCommands),
        ],
        numbers: REDIS_NUMBERS,
        texts: &[("REDIS_VERSION", VERSION)],
        unsupported: &["setresp", "set_repl", "breakpoint", "debug", "acl_check_cmd"],
    },
    Part {
        name: "math",
        functions: &[
            ("max", Builtin::Maximum),
            ("min", Builtin::Minimum),
            ("floor", Builtin::Floor),
            ("ceil", Builtin::Ceiling),
            ("abs", Builtin::Absolute),
        ],
        numbers: &[],
        texts: &[],
        unsupported: &[
            "acos",
            "asin",
            "atan",
            "atan2",
            "cos",
            "cosh",
            "deg",
            "exp",
            "fmod",
            "frexp",
            "huge",
            "ldexp",
            "log",
            "log10",
            "mod",
            "modf",
            "pi",
            "pow",
            "rad",
            "random",
            "randomseed",
            "sin",
            "sinh",
            "sqrt",
            "tan",
            "tanh",
        ],
    },
    Part {
        name: "table",
        functions: &[("insert", Builtin::Insert), ("remove", Builtin::Remove), ("concat", Builtin::Concat)],
        numbers: &[],
        texts: &[],
        unsupported: &["foreach", "foreachi", "getn", "maxn", "setn", "sort"],
    },
    Part {
        name: "string",
        functions: &[
            ("len", Builtin::Length),
            ("sub", Builtin::Sub),
            ("upper", Builtin::Upper),
            ("lower", Builtin::Lower),
            ("rep", Builtin::Repeat),
            ("reverse", Builtin::Reverse),
            ("find", Builtin::Find),
            ("byte", Builtin::Byte),
            ("char", Builtin::Char),
        ],
        numbers: &[],
        texts: &[],
        unsupported: &["dump", "format", "gfind", "gmatch", "gsub", "match"],
    },
];

/// Numbers of `redis`: levels of the log, what is replicated, and the version as one number.
const REDIS_NUMBERS: &[(&str, i64)] = &[
    ("LOG_DEBUG", 0),
    ("LOG_VERBOSE", 1),
    ("LOG_NOTICE", 2),
    ("LOG_WARNING", 3),
    ("REPL_NONE", 0),
    ("REPL_AOF", 1),
    ("REPL_SLAVE", 2),
    ("REPL_REPLICA", 2),
    ("REPL_ALL", 3),
    ("REDIS_VERSION_NUM", 0x0007_000f),
];

/// What the library has under a global name.
pub(super) fn global(name: &str) -> Value {
    if let Some((_, builtin)) = GLOBALS.iter().find(|(known, _)| *known == name) {
        return Value::Builtin(*builtin);
    }
    let name = if name == "server" { "redis" } else { name };
    PARTS.iter().position(|part| part.name == name).map_or(Value::Nil, Value::Table)
}

/// The function that `text:name()` calls and that `text.name` is.
pub(super) fn string_function(interpreter: &Interpreter<'_, '_>, name: &str) -> Evaluated<Value> {
    let part = PARTS.iter().find(|part| part.name == "string").expect("it is in the list");
    if part.unsupported.contains(&name) {
        return interpreter.unsupported(&format!("string.{name}"));
    }
    Ok(part.get(name.as_bytes()))
}

/// Calls a function of the library.
pub(super) fn call(
    interpreter: &mut Interpreter<'_, '_>,
    builtin: Builtin,
    arguments: Vec<Value>,
) -> Evaluated<Vec<Value>> {
    let one = |value: Value| Ok(vec![value]);
    match builtin {
        Builtin::Call => bridge::call(interpreter, &arguments).map(|value| vec![value]),
        Builtin::ProtectedCall => bridge::protected_call(interpreter, &arguments).map(|value| vec![value]),
        Builtin::ErrorReply => one(bridge::error_reply(interpreter, &arguments)?),
        Builtin::StatusReply => one(bridge::status_reply(interpreter, &arguments)?),
        Builtin::Sha1 => one(bridge::sha1(interpreter, &arguments)?),
        Builtin::Log => bridge::log(interpreter, &arguments),
        // Effects are replicated in any case.
        Builtin::ReplicateCommands => one(Value::Boolean(true)),
        Builtin::ToNumber => one(to_number(interpreter, &arguments)?),
        Builtin::ToString => one(to_string(interpreter, &any(interpreter, &arguments)?)?),
        Builtin::Type => one(Value::text(any(interpreter, &arguments)?.kind())),
        Builtin::Pairs => iterator(interpreter, Builtin::Next, &arguments, Value::Nil),
        Builtin::Ipairs => iterator(interpreter, Builtin::NextPlace, &arguments, Value::Number(0)),
        Builtin::Next => next(interpreter, &arguments),
        Builtin::NextPlace => Ok(next_place(interpreter, &arguments)),
        Builtin::Unpack => list::unpack(interpreter, &arguments),
        Builtin::Pcall => pcall(interpreter, arguments),
        Builtin::Error => error(interpreter, &arguments),
        Builtin::Assert => assert(interpreter, arguments),
        Builtin::Maximum => extreme(interpreter, &arguments, i64::max),
        Builtin::Minimum => extreme(interpreter, &arguments, i64::min),
        Builtin::Floor | Builtin::Ceiling => one(Value::Number(number(interpreter, &arguments, 0)?)),
        Builtin::Absolute => one(Value::Number(number(interpreter, &arguments, 0)?.abs())),
        Builtin::Insert => list::insert(interpreter, &arguments),
        Builtin::Remove => list::remove(interpreter, &arguments),
        Builtin::Concat => list::concat(interpreter, &arguments),
        Builtin::Find => text::find(interpreter, &arguments),
        Builtin::Byte => text::byte(interpreter, &arguments),
        Builtin::Char => text::char(interpreter, &arguments),
        Builtin::Length | Builtin::Sub | Builtin::Upper | Builtin::Lower | Builtin::Repeat | Builtin::Reverse => {
            one(text::call(interpreter, builtin, &arguments)?)
        }
    }
}

/// The error for an argument of the wrong kind; places count from 0.
pub(super) fn bad_argument<T>(
    interpreter: &Interpreter<'_, '_>,
    arguments: &[Value],
    place: usize,
    expected: &str,
) -> Evaluated<T> {
    let found = arguments.get(place).map_or("no value", Value::kind);
    wrong_argument(interpreter, place, &format!("{expected} expected, got {found}"))
}

/// The error for an argument that is wrong in this way; places count from 0. With a colon the value in front of it is
/// not counted.
pub(super) fn wrong_argument<T>(interpreter: &Interpreter<'_, '_>, place: usize, why: &str) -> Evaluated<T> {
    let Called { name, is_method } = interpreter.called();
    let name = name.as_deref().unwrap_or("?");
    match (is_method, place) {
        (true, 0) => interpreter.error(&format!("calling '{name}' on bad self ({why})")),
        (true, place) => interpreter.error(&format!("bad argument #{place} to '{name}' ({why})")),
        (false, place) => interpreter.error(&format!("bad argument #{} to '{name}' ({why})", place + 1)),
    }
}

/// The first argument, whatever it is.
fn any(interpreter: &Interpreter<'_, '_>, arguments: &[Value]) -> Evaluated<Value> {
    arguments.first().cloned().map_or_else(|| wrong_argument(interpreter, 0, "value expected"), Ok)
}

/// An argument that has to be a number.
pub(super) fn number(interpreter: &Interpreter<'_, '_>, arguments: &[Value], place: usize) -> Evaluated<i64> {
    match arguments.get(place) {
        Some(Value::Number(number)) => Ok(*number),
        Some(Value::String(bytes)) => match written(bytes) {
            Written::Whole(number) => Ok(number),
            Written::Unsupported => interpreter.unsupported("arithmetic with fractions or numbers beyond 2^53"),
            Written::Nothing => bad_argument(interpreter, arguments, place, "number"),
        },
        _ => bad_argument(interpreter, arguments, place, "number"),
    }
}

/// The same where C takes an `int`.
pub(super) fn small(interpreter: &Interpreter<'_, '_>, arguments: &[Value], place: usize) -> Evaluated<i64> {
    let number = number(interpreter, arguments, place)?;
    if i32::try_from(number).is_err() {
        return interpreter.unsupported("a place or a count beyond 2^31");
    }
    Ok(number)
}

/// Whether an argument is missing or `nil`, so that something else stands for it.
pub(super) fn is_absent(arguments: &[Value], place: usize) -> bool {
    matches!(arguments.get(place), None | Some(Value::Nil))
}

pub(super) fn table(interpreter: &Interpreter<'_, '_>, arguments: &[Value]) -> Evaluated<usize> {
    match arguments.first() {
        Some(Value::Table(table)) => Ok(*table),
        _ => bad_argument(interpreter, arguments, 0, "table"),
    }
}

fn to_number(interpreter: &Interpreter<'_, '_>, arguments: &[Value]) -> Evaluated<Value> {
    let base = if is_absent(arguments, 1) { 10 } else { small(interpreter, arguments, 1)? };
    let written = if base == 10 {
        match any(interpreter, arguments)? {
            Value::Number(number) => return Ok(Value::Number(number)),
            Value::String(bytes) => written(&bytes),
            _ => Written::Nothing,
        }
    } else {
        let text = bytes(interpreter, arguments, 0)?;
        let base = u32::try_from(base).ok().filter(|base| (2..=36).contains(base));
        let Some(base) = base else { return wrong_argument(interpreter, 1, "base out of range") };
        written_in_base(&text, base)
    };
    match written {
        Written::Whole(number) => Ok(Value::Number(number)),
        Written::Nothing => Ok(Value::Nil),
        Written::Unsupported => interpreter.unsupported("a fraction or a number beyond 2^53"),
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

fn iterator(
    interpreter: &Interpreter<'_, '_>,
    next: Builtin,
    arguments: &[Value],
    control: Value,
) -> Evaluated<Vec<Value>> {
    Ok(vec![Value::Builtin(next), Value::Table(table(interpreter, arguments)?), control])
}

fn next(interpreter: &mut Interpreter<'_, '_>, arguments: &[Value]) -> Evaluated<Vec<Value>> {
    let [Value::Table(table), control] = arguments else { return Ok(vec![Value::Nil]) };
    if interpreter.fields(*table).part.is_some() {
        return interpreter.unsupported("a loop over the library");
    }
    let before = control.key();
    if let Some(before) = &before {
        interpreter.spend_on_key(*table, before)?;
    }
    Ok(match interpreter.fields(*table).after(before.as_ref()) {
        Some((key, value)) => vec![key.value(), value],
        None => vec![Value::Nil],
    })
}

fn next_place(interpreter: &Interpreter<'_, '_>, arguments: &[Value]) -> Vec<Value> {
    let [Value::Table(table), Value::Number(place)] = arguments else { return vec![Value::Nil] };
    match interpreter.fields(*table).get(&Key::Number(place + 1)) {
        Value::Nil => vec![Value::Nil],
        value => vec![Value::Number(place + 1), value],
    }
}

fn pcall(interpreter: &mut Interpreter<'_, '_>, mut arguments: Vec<Value>) -> Evaluated<Vec<Value>> {
    if arguments.is_empty() {
        // Lua finds its own `false` in the place of the function.
        return Ok(vec![Value::Boolean(false), Value::text("attempt to call a boolean value")]);
    }
    let callee = arguments.remove(0);
    let line = interpreter.line;
    let result = interpreter.call(&callee, arguments, Called::default());
    interpreter.line = line;
    match result {
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

/// `error(value, level)`: a text gets the place of this level in front.
fn error(interpreter: &mut Interpreter<'_, '_>, arguments: &[Value]) -> Evaluated<Vec<Value>> {
    let value = arguments.first().cloned().unwrap_or(Value::Nil);
    let level = if is_absent(arguments, 1) { 1 } else { small(interpreter, arguments, 1)? };
    Err(match (value.bytes(), usize::try_from(level)) {
        (Some(text), Ok(level @ 1..)) => placed(interpreter, level, &text),
        _ => Thrown::Error(value),
    })
}

/// An error with the place of its level in front.
fn placed(interpreter: &mut Interpreter<'_, '_>, level: usize, text: &[u8]) -> Thrown {
    match interpreter.budget.spend(1, text.len()) {
        Ok(()) => Thrown::Error(Value::String([interpreter.place(level).as_bytes(), text].concat().into())),
        Err(stopped) => stopped,
    }
}

/// `assert(value, text)`
fn assert(interpreter: &mut Interpreter<'_, '_>, arguments: Vec<Value>) -> Evaluated<Vec<Value>> {
    if any(interpreter, &arguments)?.is_true() {
        return Ok(arguments);
    }
    let text = if is_absent(&arguments, 1) {
        b"assertion failed!".as_slice().into()
    } else {
        bytes(interpreter, &arguments, 1)?
    };
    Err(placed(interpreter, 1, &text))
}

fn extreme(
    interpreter: &Interpreter<'_, '_>,
    arguments: &[Value],
    choose: fn(i64, i64) -> i64,
) -> Evaluated<Vec<Value>> {
    let mut best = number(interpreter, arguments, 0)?;
    for place in 1..arguments.len() {
        best = choose(best, number(interpreter, arguments, place)?);
    }
    Ok(vec![Value::Number(best)])
}

/// The bytes of an argument.
pub(super) fn bytes(interpreter: &Interpreter<'_, '_>, arguments: &[Value], place: usize) -> Evaluated<Arc<[u8]>> {
    match arguments.get(place).and_then(Value::bytes) {
        Some(bytes) => Ok(bytes),
        None => bad_argument(interpreter, arguments, place, "string"),
    }
}
