//! The forms in which histories come: this project's JSON Lines, Jepsen's EDN, and the operations in Jepsen's log.

use std::borrow::Cow;

use serde::Deserialize;

use super::edn::Reader;
use super::record::{End, Function, Pairing, Records};
use super::value::Value;
use super::{HistoryFileError, header};

/// How the values of a file are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Every value is a pair of a key and a value, as Jepsen's `independent` writes it.
    pub independent: bool,
}

/// Reads a history in whatever form it has.
///
/// # Errors
/// The first line that is wrong, and what would be right.
pub fn read(text: &str, reading: Reading) -> Result<Records, HistoryFileError> {
    let start = text.trim_start();
    let next = start.get(1..).map(str::trim_start);
    if start.is_empty() {
        return Err(HistoryFileError { line: 1, message: "the file is empty; expected a history".to_owned() });
    }
    match start.as_bytes()[0] {
        b'{' if next.is_some_and(|next| next.starts_with('"')) => json_lines(text),
        b'{' | b'[' | b'(' | b'#' | b';' => edn(text, reading),
        _ => log(text, reading),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    at_ns: u64,
    #[serde(rename = "event")]
    _event: u64,
    #[serde(borrow)]
    client: Cow<'a, str>,
    process: u32,
    id: u64,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    operation: Option<Value>,
    response: Option<Value>,
}

fn json_lines(text: &str) -> Result<Records, HistoryFileError> {
    let mut pairing = Pairing::default();
    let mut lines = (1..).zip(text.lines());
    let (_, first) = lines.next().unwrap_or((1, ""));
    let header = header(first).map_err(|message| HistoryFileError { line: 1, message })?;
    let model = header.get("model").and_then(|model| model.as_str()).map(str::to_owned);
    let mut last = 0;
    for (number, line) in lines {
        let refuse = |message: String| HistoryFileError { line: number, message };
        let entry: Line<'_> = serde_json::from_str(line).map_err(|error| {
            let cut = if error.is_eof() { ": the file is truncated" } else { "" };
            refuse(format!("{error}{cut}"))
        })?;
        if entry.at_ns < last {
            return Err(refuse("the time goes back: the entry before is later".to_owned()));
        }
        last = entry.at_ns;
        let name = match entry.process {
            0 => entry.client,
            process => Cow::Owned(format!("{}/{process}", entry.client)),
        };
        let whose = (pairing.process(&name), entry.id);
        let end = match (&*entry.kind, entry.operation, entry.response) {
            ("invoke", Some(operation), None) => {
                let (function, key, asked) = operation_of(operation).map_err(refuse)?;
                pairing.invoke(number, whose, function, (key, asked))?;
                continue;
            }
            ("ok", None, response) => (End::Ok, answer_of(response.unwrap_or(Value::Nil))),
            ("fail", None, None) => (End::Fail, Value::Nil),
            ("unknown", None, None) => (End::Unknown, Value::Nil),
            ("invoke" | "ok" | "fail" | "unknown", ..) => {
                let message = "an \"invoke\" has an \"operation\" and no \"response\", an \"ok\" a \"response\" alone, \
                               and \"fail\" and \"unknown\" have neither";
                return Err(refuse(message.to_owned()));
            }
            (other, ..) => {
                return Err(refuse(format!("unknown kind {other:?} (known: invoke, ok, fail, unknown)")));
            }
        };
        pairing.complete(number, whose, None, end)?;
    }
    Ok(pairing.finish(model))
}

/// Function, key and value of an operation as a system serializes it: `"read"`, `{"put":{"key":1,"value":5}}`, or one
/// of these as the only entry of a map, `{"kv":{"get":{"key":1}}}`.
fn operation_of(operation: Value) -> Result<(Function, Value, Value), String> {
    let (name, arguments) = match operation {
        Value::Text(name) => (name, Value::Nil),
        Value::Map(entries) if entries.len() == 1 => match entries.into_iter().next() {
            Some((Value::Text(name), arguments)) => (name, arguments),
            _ => return Err("the name of an operation is no text".to_owned()),
        },
        other => {
            return Err(format!(
                "{other} is no operation; expected its name, or a map of its name to what it is given"
            ));
        }
    };
    let function = match Function::parse(&name) {
        Ok(function) => function,
        Err(unknown) => return operation_of(arguments).map_err(|_| unknown),
    };
    let field = |names: &[&str]| names.iter().find_map(|name| arguments.get(name)).cloned();
    if !matches!(arguments, Value::Map(_)) {
        return Ok((function, Value::Nil, arguments));
    }
    let key = field(&["key"]).unwrap_or(Value::Nil);
    let asked = match function {
        Function::CompareAndSet => {
            let (expected, new) = (field(&["expected", "from"]), field(&["new", "to", "value"]));
            match (expected, new) {
                (Some(expected), Some(new)) => Value::List(vec![expected, new]),
                _ => return Err("a compare_and_set has \"expected\" and \"value\"".to_owned()),
            }
        }
        _ => field(&["value", "element"]).unwrap_or(Value::Nil),
    };
    Ok((function, key, asked))
}

/// An answer as a system serializes it: itself, or the `answer` in `{"answered":{"index":7,"answer":…}}`.
fn answer_of(response: Value) -> Value {
    let inner = match &response {
        Value::Map(entries) if entries.len() == 1 => entries[0].1.get("answer"),
        _ => None,
    };
    inner.cloned().unwrap_or(response)
}

fn edn(text: &str, reading: Reading) -> Result<Records, HistoryFileError> {
    let mut pairing = Pairing::default();
    let mut reader = Reader::new(text, 1);
    let is_vector = reader.enter()?;
    loop {
        if is_vector && reader.leave()? {
            break;
        }
        let Some((line, form)) = reader.next()? else {
            if is_vector {
                let line = text.lines().count();
                return Err(HistoryFileError {
                    line,
                    message: "the file ends before its \"]\": it is truncated".to_owned(),
                });
            }
            break;
        };
        let refuse = |message: String| HistoryFileError { line, message };
        let Value::Map(entries) = form else {
            return Err(refuse(format!("{form} is no operation; expected a map such as {EXAMPLE}")));
        };
        let (mut process, mut kind, mut function, mut value, mut key) = (None, None, None, Value::Nil, Value::Nil);
        for (name, field) in entries {
            match name.text() {
                Some("process") => process = Some(field),
                Some("type") => kind = Some(field),
                Some("f") => function = Some(field),
                Some("value") => value = field,
                Some("key") => key = field,
                // Time, index, errors and whatever a test adds.
                _ => {}
            }
        }
        let missing = |name: &str| refuse(format!("the operation has no :{name}; expected a map such as {EXAMPLE}"));
        let process = process.ok_or_else(|| missing("process"))?;
        let kind = kind.ok_or_else(|| missing("type"))?;
        let function = function.ok_or_else(|| missing("f"))?;
        let process = process.text().map_or_else(|| process.to_string(), str::to_owned);
        let (kind, function) = (kind.text().unwrap_or_default(), function.text().unwrap_or_default());
        add(&mut pairing, line, (&process, kind, function), (key, value), reading)?;
    }
    Ok(pairing.finish(None))
}

const EXAMPLE: &str = "{:process 0, :type :invoke, :f :read, :value nil}";

/// Lines of Jepsen's log: `INFO  jepsen.util - 3\t:invoke\t:write\t4`, among others that say something else.
fn log(text: &str, reading: Reading) -> Result<Records, HistoryFileError> {
    let mut pairing = Pairing::default();
    let mut any = false;
    for (number, line) in (1..).zip(text.lines()) {
        let mut columns = line.split('\t');
        let process = columns.next().and_then(|prefix| prefix.split_whitespace().next_back()).unwrap_or_default();
        let (kind, function, value) = (columns.next(), columns.next(), columns.next());
        let (Some(kind), Some(function), Some(value)) = (kind, function, value) else {
            if line.contains("jepsen.util") {
                let message = "it ends within an operation: the file is truncated; expected process, type, function \
                               and value, with tabs between them"
                    .to_owned();
                return Err(HistoryFileError { line: number, message });
            }
            continue;
        };
        any = true;
        let mut form = Reader::new(value, number);
        let (_, value) = form.next()?.unwrap_or((number, Value::Nil));
        let bare = |keyword: &str| keyword.strip_prefix(':').unwrap_or(keyword).to_owned();
        add(&mut pairing, number, (&bare(process), &bare(kind), &bare(function)), (Value::Nil, value), reading)?;
    }
    match any {
        true => Ok(pairing.finish(None)),
        false => {
            let message = format!(
                "no operation in the whole file; expected JSON Lines with a header, EDN such as {EXAMPLE}, \
                 or lines of Jepsen's log"
            );
            Err(HistoryFileError { line: 1, message })
        }
    }
}

/// One entry of Jepsen's.
fn add(
    pairing: &mut Pairing,
    line: usize,
    (process, kind, function): (&str, &str, &str),
    (key, value): (Value, Value),
    reading: Reading,
) -> Result<(), HistoryFileError> {
    // Faults are no operations of a client.
    if process == "nemesis" {
        return Ok(());
    }
    let refuse = |message: String| HistoryFileError { line, message };
    let end = match kind {
        "invoke" => None,
        "ok" => Some(End::Ok),
        "fail" => Some(End::Fail),
        "info" => Some(End::Unknown),
        other => return Err(refuse(format!("unknown type {other:?} (known: :invoke, :ok, :fail, :info)"))),
    };
    let function = Function::parse(function).map_err(refuse)?;
    let is_certain = matches!(end, None | Some(End::Ok));
    let (key, value) = match value {
        Value::List(pair) if reading.independent && is_certain && pair.len() == 2 => {
            let mut pair = pair.into_iter();
            (pair.next().unwrap_or(Value::Nil), pair.next().unwrap_or(Value::Nil))
        }
        value if reading.independent && is_certain => {
            return Err(refuse(format!("the value {value} is no pair of a key and a value")));
        }
        value => (key, value),
    };
    let whose = (pairing.process(process), 0);
    match end {
        None => pairing.invoke(line, whose, function, (key, value)),
        Some(end) => pairing.complete(line, whose, Some(function), (end, value)),
    }
}
