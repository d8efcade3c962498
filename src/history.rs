//! Histories as files: JSON Lines, a header and then one line for each entry, in order.
//!
//! ```text
//! {"format":1,"seed":7,"system":"raft","type":"history",…}
//! {"at_ns":120000000,"event":31,"client":"c1","process":0,"id":0,"kind":"invoke","operation":{"propose":{"value":5}}}
//! {"at_ns":126500000,"event":44,"client":"c1","process":0,"id":0,"kind":"ok","response":{"committed":{"index":2}}}
//! {"at_ns":910000000,"event":98,"client":"c2","process":0,"id":4,"kind":"unknown"}
//! ```
//!
//! The kinds are `invoke`, and for its end `ok`, `fail` (certainly did not happen) or `unknown` (may take effect at any
//! later time, or never). Entries of one time are in the order of their lines. A history of another tool is read when
//! it has this form: `event` and `process` are 0 where the tool knows of none.
//!
//! [`read`] takes this form and those of Jepsen, whatever the operations are, and [`judge`] compares them with a model.
//!
//! ```
//! use splitbrain::history::{self, HistoryFileError, Reading, Rules, Value};
//! use splitbrain::kernel::checker::{BUDGET, Verdict};
//!
//! // The end of Jepsen's lines: process, type, function and value, with tabs between them.
//! let log = "0\t:invoke\t:write\t5\n0\t:ok\t:write\t5\n1\t:invoke\t:read\tnil\n1\t:ok\t:read\t4\n";
//! let records = history::read(log, Reading::default())?;
//! let rules = Rules { model: None, initial: Value::Nil, failed_cas_differs: false, budget: BUDGET };
//! let judged = history::judge(&records, &rules)?;
//! assert_eq!(judged.model.name(), "register");
//! assert!(matches!(judged.verdict, Verdict::Invalid(_)), "nobody has written 4");
//! # Ok::<(), HistoryFileError>(())
//! ```

mod edn;
mod forms;
mod judge;
mod picture;
mod record;
mod value;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value as Json};
use splitbrain_kernel::context::{OperationId, OperationResult};
use splitbrain_kernel::history::{History, HistoryBuilder, HistoryEvent, Stamp};
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::time::Instant;

pub use forms::{Reading, read};
pub use judge::{Judged, ModelName, Rules, judge};
pub use picture::{describe, draw, process, shown};
pub use record::{End, Ended, Function, Recorded, Records};
pub use splitbrain_kernel::history::FORMAT;
pub use value::Value;

/// A value as EDN writes it.
///
/// # Errors
/// It is none, or more than one.
pub fn parse_value(text: &str) -> Result<Value, HistoryFileError> {
    let mut reader = edn::Reader::new(text, 1);
    let wrong = || HistoryFileError { line: 1, message: format!("{text:?} is not one value") };
    let (_, value) = reader.next()?.ok_or_else(wrong)?;
    if reader.next()?.is_some() { Err(wrong()) } else { Ok(value) }
}

/// A history as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryFile<O, R> {
    /// What its first line says: `type`, `format`, and where it comes from.
    pub header: Map<String, Json>,
    /// The rest.
    pub history: History<O, R>,
}

/// Why a text is no history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct HistoryFileError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "O: Deserialize<'de>, R: Deserialize<'de>"))]
struct Line<O, R> {
    at_ns: u64,
    event: u64,
    client: NodeId,
    process: u32,
    id: OperationId,
    kind: Kind,
    #[serde(default = "none", deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    operation: Option<O>,
    #[serde(default = "none", deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    response: Option<R>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Invoke,
    Ok,
    Fail,
    Unknown,
}

const fn none<T>() -> Option<T> {
    None
}

/// A key that is there has a value, also one that JSON writes as null.
fn some<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// The lines of a history, without a header.
///
/// An entry that JSON cannot hold (a map whose keys are no text) becomes a line that says so, and that no reader takes.
pub fn lines<O: Serialize, R: Serialize>(history: &History<O, R>) -> String {
    let mut text = String::new();
    for entry in history.entries() {
        let (kind, operation, response) = match &entry.change {
            HistoryEvent::Invoked(operation) => (Kind::Invoke, Some(operation), None),
            HistoryEvent::Completed { result: OperationResult::Ok(response), .. } => (Kind::Ok, None, Some(response)),
            HistoryEvent::Completed { result: OperationResult::Failed, .. } => (Kind::Fail, None, None),
            HistoryEvent::Completed { result: OperationResult::Unknown, .. } => (Kind::Unknown, None, None),
        };
        let (at_ns, event) = (entry.at.as_nanos(), entry.event);
        let (client, process, id) = (entry.client, entry.process, entry.id);
        let line = Line { at_ns, event, client, process, id, kind, operation, response };
        let line = serde_json::to_string(&line);
        text += &line.unwrap_or_else(|error| format!("this entry cannot be written: {error}"));
        text.push('\n');
    }
    text
}

impl<O: Serialize, R: Serialize> HistoryFile<O, R> {
    /// The text of the file.
    pub fn write(&self) -> String {
        format!("{}\n{}", Json::Object(self.header.clone()), lines(&self.history))
    }
}

impl<O: DeserializeOwned, R: DeserializeOwned> HistoryFile<O, R> {
    /// Reads a file.
    ///
    /// # Errors
    /// The first line that is wrong: no header, another format, no entry, or an entry that no run could have made (the
    /// time goes back, an operation ends that is not open).
    pub fn read(text: &str) -> Result<Self, HistoryFileError> {
        let mut lines = (1..).zip(text.lines());
        let (_, first) = lines.next().unwrap_or((1, ""));
        let header = header(first).map_err(|message| HistoryFileError { line: 1, message })?;
        let mut builder = HistoryBuilder::new();
        for (number, line) in lines {
            let added = entry(&mut builder, line);
            added.map_err(|message| HistoryFileError { line: number, message })?;
        }
        Ok(Self { header, history: builder.finish() })
    }
}

fn header(line: &str) -> Result<Map<String, Json>, String> {
    let expected = format!("expected the header of a history, {{\"type\":\"history\",\"format\":{FORMAT},…}}");
    let header: Map<String, Json> = serde_json::from_str(line).map_err(|_| expected.clone())?;
    if header.get("type").and_then(Json::as_str) != Some("history") {
        return Err(expected);
    }
    match header.get("format").and_then(Json::as_u64) {
        Some(format) if format == u64::from(FORMAT) => Ok(header),
        Some(format) => Err(format!("a history of format {format}, this build reads format {FORMAT}")),
        None => Err(expected),
    }
}

fn entry<O: DeserializeOwned, R: DeserializeOwned>(
    builder: &mut HistoryBuilder<O, R>,
    line: &str,
) -> Result<(), String> {
    let line: Line<O, R> = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let stamp = Stamp {
        at: Instant::from_nanos(line.at_ns),
        event: line.event,
        client: line.client,
        process: line.process,
        id: line.id,
    };
    let added = match (line.kind, line.operation, line.response) {
        (Kind::Invoke, Some(operation), None) => builder.invoke(stamp, operation),
        (Kind::Ok, None, Some(response)) => builder.complete(stamp, OperationResult::Ok(response)),
        (Kind::Fail, None, None) => builder.complete(stamp, OperationResult::Failed),
        (Kind::Unknown, None, None) => builder.complete(stamp, OperationResult::Unknown),
        (Kind::Invoke, ..) => return Err("an \"invoke\" has an \"operation\" and no \"response\"".to_owned()),
        (Kind::Ok, ..) => return Err("an \"ok\" has a \"response\" and no \"operation\"".to_owned()),
        (Kind::Fail | Kind::Unknown, ..) => {
            return Err("only \"invoke\" has an \"operation\", and only \"ok\" a \"response\"".to_owned());
        }
    };
    added.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "{\"format\":1,\"seed\":7,\"type\":\"history\"}\n";

    fn read(lines: &str) -> Result<HistoryFile<Vec<u8>, ()>, HistoryFileError> {
        HistoryFile::read(&format!("{HEADER}{lines}"))
    }

    fn line(at: u64, id: u64, rest: &str) -> String {
        format!("{{\"at_ns\":{at},\"event\":{at},\"client\":\"c1\",\"process\":0,\"id\":{id},{rest}}}\n")
    }

    #[test]
    fn what_is_read_is_written_as_it_was() {
        let lines = [
            line(1, 0, "\"kind\":\"invoke\",\"operation\":[1,2]"),
            line(1, 1, "\"kind\":\"invoke\",\"operation\":[]"),
            line(2, 2, "\"kind\":\"invoke\",\"operation\":[3]"),
            line(2, 0, "\"kind\":\"ok\",\"response\":null"),
            line(3, 1, "\"kind\":\"fail\""),
            line(4, 2, "\"kind\":\"unknown\""),
        ];
        let lines = lines.concat();
        let file = read(&lines).expect("a history");
        assert_eq!(file.history.entries().len(), 6);
        assert_eq!(file.write(), format!("{HEADER}{lines}"));
        assert_eq!(HistoryFile::read(&file.write()), Ok(file));
    }

    #[track_caller]
    fn refuse(text: &str, line: usize, message: &str) {
        let error = HistoryFile::<Vec<u8>, ()>::read(text).expect_err("it is no history");
        assert_eq!((error.line, error.message.as_str()), (line, message));
    }

    #[test]
    fn what_is_no_history_is_refused_with_its_line() {
        let expected = "expected the header of a history, {\"type\":\"history\",\"format\":1,…}";
        refuse("", 1, expected);
        refuse("{\"type\":\"trace\",\"format\":1}", 1, expected);
        refuse("{\"type\":\"history\",\"format\":9}", 1, "a history of format 9, this build reads format 1");
        let begun = format!("{HEADER}{}", line(5, 0, "\"kind\":\"invoke\",\"operation\":[]"));
        let after = |rest: &str| format!("{begun}{rest}");
        let end = line(4, 0, "\"kind\":\"fail\"");
        refuse(&after(&end), 3, "the time goes back: the entry before is later");
        let other = line(5, 9, "\"kind\":\"fail\"");
        refuse(&after(&other), 3, "operation 9 of c1 is not open in this process");
        let bare = line(5, 0, "\"kind\":\"ok\"");
        refuse(&after(&bare), 3, "an \"ok\" has a \"response\" and no \"operation\"");
        let double = line(5, 0, "\"kind\":\"fail\",\"response\":null");
        refuse(&after(&double), 3, "only \"invoke\" has an \"operation\", and only \"ok\" a \"response\"");
        let unknown = HistoryFile::<Vec<u8>, ()>::read(&after(&line(5, 0, "\"kind\":\"fail\",\"more\":1")));
        assert!(unknown.expect_err("an unknown key").message.starts_with("unknown field `more`"));
    }
}
