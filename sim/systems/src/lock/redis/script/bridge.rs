//! Between a script and the commands: calls, replies, and the value that a script returns.

use std::borrow::Cow;

use super::budget::BYTES_MAX;
use super::interpreter::{Evaluated, Interpreter, Thrown};
use super::value::{BEYOND, Key, Table, Value, as_double, exact};
use crate::lock::redis::access::{Answer, Refused};
use crate::lock::redis::protocol::ARGUMENT_BYTES;
use crate::lock::redis::reply::{PART_BYTES, Reply};
use crate::lock::redis::server::info::unix_time;
use crate::lock::redis::table::{self, Command, Kind, Run};
use crate::lock::redis::{number, sha1};

/// How many bytes of a text a step digests.
const DIGESTED_A_STEP: usize = 16;

/// How deep a returned table may nest.
const DEPTH_MAX: usize = 100;

/// `redis.call`: an error ends the script.
pub(super) fn call(interpreter: &mut Interpreter<'_, '_>, arguments: &[Value]) -> Evaluated<Value> {
    match carry_out(interpreter, arguments)? {
        Reply::Error(text) => Err(Thrown::Error(error_table(interpreter, &text))),
        reply => Ok(value_of(interpreter, reply)),
    }
}

/// `redis.pcall`: an error is a value.
pub(super) fn protected_call(interpreter: &mut Interpreter<'_, '_>, arguments: &[Value]) -> Evaluated<Value> {
    match carry_out(interpreter, arguments)? {
        Reply::Error(text) => {
            let error = error_table(interpreter, &text);
            if let (Value::Table(table), false) = (&error, NO_COMMAND.iter().any(|no_command| **no_command == *text)) {
                interpreter.fields_mut(*table).set_text("ignore_error_stats_update", Value::Boolean(true));
            }
            Ok(error)
        }
        reply => Ok(value_of(interpreter, reply)),
    }
}

/// The errors for arguments that are no command at all.
const NO_COMMAND: [&[u8]; 2] = [
    b"ERR Please specify at least one argument for this redis lib call",
    b"ERR Lua redis lib command arguments must be strings or integers",
];

fn carry_out(interpreter: &mut Interpreter<'_, '_>, arguments: &[Value]) -> Evaluated<Reply> {
    if arguments.is_empty() {
        return Ok(Reply::Error(NO_COMMAND[0].to_vec()));
    }
    let Some(words) = arguments.iter().map(word).collect::<Option<Vec<Vec<u8>>>>() else {
        return Ok(Reply::Error(NO_COMMAND[1].to_vec()));
    };
    if arguments.iter().any(|value| matches!(value, Value::Number(number) if exact(*number).is_none())) {
        return interpreter.unsupported("an argument beyond 2^53 that is a number and no string");
    }
    // Its effect holds the words, too.
    let size = words.iter().map(|word| word.len() + ARGUMENT_BYTES).sum();
    interpreter.budget.spend(1, size)?;
    interpreter.budget.handle(words.len())?;
    let command = match admitted(&words) {
        Ok(command) => command,
        Err(Refused(text)) => return Ok(Reply::Error(text)),
    };
    if command.access == Kind::Write && !interpreter.may_write {
        return Ok(Reply::error("READONLY You can't write against a read only replica."));
    }
    let answer = match command.run {
        Run::Keys(run) => {
            if command.name == "keys" {
                interpreter.budget.handle(interpreter.access.keyspace.len())?;
            }
            let room = interpreter.access.room;
            interpreter.access.room = room.min(interpreter.budget.bytes_left());
            let answer = run(interpreter.access, &words);
            interpreter.access.room = room;
            if let Ok(reply) = &answer {
                interpreter.budget.spend(0, reply.size())?;
            }
            answer
        }
        Run::Server(_) | Run::Container => return without_server(interpreter, command, &words),
    };
    Ok(answer.unwrap_or_else(|Refused(text)| Reply::Error(text)))
}

/// An argument of a command: numbers with all their digits.
fn word(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Number(number) => Some(number::format(*number)),
        Value::String(bytes) => Some(bytes.to_vec()),
        _ => None,
    }
}

fn admitted(words: &[Vec<u8>]) -> Result<&'static Command, Refused> {
    let command = table::find(words);
    let command = command.ok_or_else(|| Refused::new("ERR Unknown Redis command called from script"))?;
    if !command.takes(words.len()) {
        return Err(Refused::new("ERR Wrong number of args calling Redis command from script"));
    }
    if !command.is_for_scripts() {
        return Err(Refused::new("ERR This Redis command is not allowed from script"));
    }
    Ok(command)
}

/// Commands of the server that need nothing of it when a script calls them.
fn without_server(interpreter: &mut Interpreter<'_, '_>, command: &Command, words: &[Vec<u8>]) -> Evaluated<Reply> {
    match (command.name, words) {
        ("ping", [_]) => Ok(Reply::Status("PONG".into())),
        ("ping" | "echo", [_, text]) => Ok(Reply::Bulk(text.clone())),
        ("ping", _) => Ok(Reply::Error(Refused::arity("ping").0)),
        ("time", _) => Ok(unix_time(interpreter.access.now)),
        // Nothing subscribes to a channel of this server.
        ("publish", _) => {
            interpreter.access.note_verbatim(words);
            Ok(Reply::Integer(0))
        }
        _ => interpreter.unsupported(command.name),
    }
}

/// A reply as a value: no value is `false`.
fn value_of(interpreter: &mut Interpreter<'_, '_>, reply: Reply) -> Value {
    match reply {
        Reply::Integer(number) => Value::Number(as_double(number)),
        Reply::Bulk(bytes) => Value::String(bytes.into()),
        Reply::Verbatim(text) => Value::text(&text),
        Reply::Null | Reply::NullArray => Value::Boolean(false),
        Reply::Boolean(value) => Value::Boolean(value),
        Reply::Double(number) => Value::Number(number),
        Reply::BigNumber(bytes) | Reply::Labelled(_, bytes) => Value::String(bytes.into()),
        Reply::Status(text) => field_table(interpreter, "ok", text.as_bytes()),
        Reply::As(_, reply) => value_of(interpreter, *reply),
        Reply::Error(text) => error_table(interpreter, &text),
        Reply::Array(replies) | Reply::Set(replies) => {
            let values = replies.into_iter().map(|reply| value_of(interpreter, reply)).collect();
            interpreter.list(values)
        }
        Reply::Map(pairs) => {
            let flat = pairs.into_iter().flat_map(|(key, value)| [key, value]);
            let values = flat.map(|reply| value_of(interpreter, reply)).collect();
            interpreter.list(values)
        }
    }
}

fn field_table(interpreter: &mut Interpreter<'_, '_>, field: &str, text: &[u8]) -> Value {
    let mut table = Table::default();
    table.set_text(field, Value::String(text.into()));
    interpreter.table(table)
}

fn error_table(interpreter: &mut Interpreter<'_, '_>, text: &[u8]) -> Value {
    field_table(interpreter, "err", text)
}

/// `redis.error_reply(text)`: what stands before the first space is the code; one word gets the code `ERR`.
pub(super) fn error_reply(interpreter: &mut Interpreter<'_, '_>, arguments: &[Value]) -> Evaluated<Value> {
    let [Value::String(text)] = arguments else {
        return Ok(error_table(interpreter, b"ERR wrong number or type of arguments"));
    };
    interpreter.budget.spend(1, text.len())?;
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let text = if text.contains(&b' ') { text.to_vec() } else { [b"ERR ", text].concat() };
    Ok(error_table(interpreter, &text))
}

/// `redis.status_reply(text)`
pub(super) fn status_reply(interpreter: &mut Interpreter<'_, '_>, arguments: &[Value]) -> Evaluated<Value> {
    let [Value::String(text)] = arguments else {
        return Ok(error_table(interpreter, b"ERR wrong number or type of arguments"));
    };
    interpreter.budget.spend(1, text.len())?;
    Ok(field_table(interpreter, "ok", text))
}

/// `redis.sha1hex(text)`
pub(super) fn sha1(interpreter: &mut Interpreter<'_, '_>, arguments: &[Value]) -> Evaluated<Value> {
    let [value] = arguments else { return raise(interpreter, b"ERR wrong number of arguments") };
    // What is no text counts as an empty one.
    let text = value.bytes().unwrap_or_default();
    interpreter.budget.spend((text.len() / DIGESTED_A_STEP) as u64, sha1::DIGITS)?;
    Ok(Value::text(&sha1::hexadecimal(&text)))
}

/// `redis.log(level, text, …)`: there is no log.
pub(super) fn log(interpreter: &mut Interpreter<'_, '_>, arguments: &[Value]) -> Evaluated<Vec<Value>> {
    let [level, _, ..] = arguments else {
        return raise(interpreter, b"ERR redis.log() requires two arguments or more.");
    };
    match level.number() {
        None => raise(interpreter, b"ERR First argument must be a number (log level)."),
        Some(0..=3) => Ok(Vec::new()),
        Some(_) => raise(interpreter, b"ERR Invalid debug level."),
    }
}

fn raise<T>(interpreter: &mut Interpreter<'_, '_>, text: &[u8]) -> Evaluated<T> {
    Err(Thrown::Error(error_table(interpreter, text)))
}

/// The reply for the value that a script returns. One value may be in it many times, so that it is longer than all that
/// the script has.
pub(super) fn reply_of(interpreter: &Interpreter<'_, '_>, value: &Value) -> Answer {
    let mut room = Some(most(interpreter));
    let reply = reply_at(interpreter, value, 0, &mut room);
    if room.is_some() { Ok(reply) } else { Err(Refused::too_long(most(interpreter))) }
}

/// How much memory a reply may take.
fn most(interpreter: &Interpreter<'_, '_>) -> usize {
    interpreter.access.room.min(BYTES_MAX)
}

/// Takes room for so many bytes, and returns whether there was enough.
fn takes(room: &mut Option<usize>, bytes: usize) -> bool {
    *room = room.and_then(|room| room.checked_sub(bytes));
    room.is_some()
}

/// The reply for a value. The room that is left for it is `None` once there was too little: what is returned then is of
/// no use.
fn reply_at(interpreter: &Interpreter<'_, '_>, value: &Value, depth: usize, room: &mut Option<usize>) -> Reply {
    let length = if let Value::String(bytes) = value { bytes.len() } else { 0 };
    if !takes(room, length + PART_BYTES) {
        return Reply::Null;
    }
    match value {
        Value::Nil | Value::Function(_) | Value::Builtin(_) | Value::Boolean(false) => Reply::Null,
        Value::Boolean(true) => Reply::Integer(1),
        // What a processor of the x86 family makes of it.
        Value::Number(BEYOND) => Reply::Integer(i64::MIN),
        Value::Number(number) => Reply::Integer(*number),
        Value::String(bytes) => Reply::Bulk(bytes.to_vec()),
        Value::Table(_) if depth > DEPTH_MAX => Reply::error("ERR reached lua stack limit"),
        Value::Table(table) => table_reply(interpreter, interpreter.fields(*table), depth, room),
    }
}

/// What one of its fields says it is, in this order, or else the values from 1 up to the first gap.
fn table_reply(interpreter: &Interpreter<'_, '_>, table: &Table, depth: usize, room: &mut Option<usize>) -> Reply {
    if let Value::String(text) = table.text("err") {
        return if takes(room, text.len()) { Reply::Error(text.to_vec()) } else { Reply::Null };
    }
    if let Value::String(text) = table.text("ok") {
        let fits = takes(room, text.len());
        let status = || Reply::Status(Cow::Owned(String::from_utf8_lossy(&text).into_owned()));
        return if fits { status() } else { Reply::Null };
    }
    if let Value::Number(number) = table.text("double") {
        let text = || format!("ERR a double beyond 2^53 is not supported in scripts, line {}", interpreter.line);
        return exact(number).map_or_else(|| Reply::error(&text()), Reply::Double);
    }
    let of_library = ["map", "set"].map(|name| table.text(name)).into_iter().any(|value| match value {
        Value::Table(table) => interpreter.fields(table).part.is_some(),
        _ => false,
    });
    if of_library {
        let line = interpreter.line;
        return Reply::error(&format!("ERR a reply with the library is not supported in scripts, line {line}"));
    }
    if let Value::Table(map) = table.text("map") {
        let mut pairs = Vec::new();
        for (key, value) in fields(interpreter.fields(map)) {
            let key = reply_at(interpreter, &key.value(), depth + 1, room);
            pairs.push((key, reply_at(interpreter, &value, depth + 1, room)));
            if room.is_none() {
                break;
            }
        }
        return Reply::Map(pairs);
    }
    if let Value::Table(set) = table.text("set") {
        let keys = fields(interpreter.fields(set)).map(|(key, _)| key.value());
        return Reply::Set(replies_at(interpreter, keys, depth + 1, room));
    }
    if let Value::String(digits) = table.text("big_number") {
        let in_one_line = |&byte: &u8| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte };
        let fits = takes(room, digits.len());
        return if fits { Reply::BigNumber(digits.iter().map(in_one_line).collect()) } else { Reply::Null };
    }
    if let Value::Table(verbatim) = table.text("verbatim_string") {
        let verbatim = interpreter.fields(verbatim);
        if let (Value::String(text), Value::String(format)) = (verbatim.text("string"), verbatim.text("format")) {
            let letter = |place: usize| format.get(place).copied().unwrap_or(b' ');
            let fits = takes(room, text.len());
            return if fits { Reply::Labelled([0, 1, 2].map(letter), text.to_vec()) } else { Reply::Null };
        }
    }
    let values = (1..).map(|place| table.get(&Key::Number(place)));
    let values = values.take_while(|value| !matches!(value, Value::Nil));
    Reply::Array(replies_at(interpreter, values, depth + 1, room))
}

/// The replies for values, as long as there is room for them.
fn replies_at(
    interpreter: &Interpreter<'_, '_>,
    values: impl Iterator<Item = Value>,
    depth: usize,
    room: &mut Option<usize>,
) -> Vec<Reply> {
    let mut replies = Vec::new();
    for value in values {
        replies.push(reply_at(interpreter, &value, depth, room));
        if room.is_none() {
            break;
        }
    }
    // There may be very many short ones.
    replies.shrink_to_fit();
    replies
}

/// The fields of a table in the order of their keys.
fn fields(table: &Table) -> impl Iterator<Item = (Key, Value)> {
    std::iter::successors(table.after(None), |(key, _)| table.after(Some(key)))
}

/// What a script that ended with an error answers.
pub(super) fn refusal(interpreter: &Interpreter<'_, '_>, error: &Value, digest: &str) -> Refused {
    let place = format!(" script: {digest}, on @user_script:{}.", interpreter.line);
    let text = [error_text(interpreter, error), place.into_bytes()].concat();
    if text.len() > most(interpreter) { Refused::too_long(most(interpreter)) } else { Refused(text) }
}

fn error_text(interpreter: &Interpreter<'_, '_>, error: &Value) -> Vec<u8> {
    match error {
        Value::Table(table) => match interpreter.fields(*table).text("err") {
            Value::String(text) => text.to_vec(),
            _ => b"ERR unknown error".to_vec(),
        },
        Value::Boolean(value) => format!("ERR {value}").into_bytes(),
        Value::Function(_) | Value::Builtin(_) => {
            format!("ERR the address of a function is not supported in scripts, line {}", interpreter.line).into_bytes()
        }
        Value::Nil => b"ERR nil".to_vec(),
        other => [b"ERR ".as_slice(), &other.bytes().unwrap_or_default()].concat(),
    }
}
