//! A stored history, printed: what clients asked for and what came of it.

use std::io::{self, BufRead, Cursor, Read as _, Write as _};
use std::path::Path;

use serde_json::{Map, Value};
use splitbrain_kernel::context::OperationResult;
use splitbrain_kernel::history::{HistoryEntry, HistoryEvent};

use super::{Arguments, There};
use crate::command::narrow::others;
use crate::command::{CommandError, HISTORY_BYTES_MAX, too_long};
use crate::engine::{LINE_BYTES_MAX, Names};
use crate::exit_code::ExitCode;
use crate::history::HistoryFile;
use crate::report::Detail;
use crate::text::printable;

/// A file from its first line on.
type Input = Box<dyn BufRead>;

/// The file itself as `Ok`, or as `Err` where its first line says that it is a history.
pub(super) fn unless(mut input: Input) -> io::Result<Result<Input, Input>> {
    let mut first = Vec::new();
    (&mut input).take(LINE_BYTES_MAX).read_until(b'\n', &mut first)?;
    let header: Option<Map<String, Value>> = serde_json::from_slice(&first).ok();
    let is_history = header.is_some_and(|header| header.get("type").and_then(Value::as_str) == Some("history"));
    let whole: Input = Box::new(Cursor::new(first).chain(input));
    Ok(if is_history { Err(whole) } else { Ok(whole) })
}

/// Prints it. A damaged one is refused as a whole.
pub(super) fn show(arguments: &Arguments, path: &str, input: Input) -> Result<ExitCode, CommandError> {
    let mut text = String::new();
    let read = input.take(HISTORY_BYTES_MAX + 1).read_to_string(&mut text);
    read.map_err(|error| CommandError::usage(format!("cannot read {path}: {error}")))?;
    if text.len() as u64 > HISTORY_BYTES_MAX {
        return Err(too_long(Path::new(path), HISTORY_BYTES_MAX));
    }
    let file = HistoryFile::<Value, Value>::read(&text)
        .map_err(|error| CommandError::usage(format!("{path}:{}: {}", error.line, printable(&error.message))))?;
    let (names, mut there, mut left_out) = (Names::default(), There::default(), 0);
    let selection = arguments.narrow.selection();
    let mut out = anstream::stdout();
    write_header(&file.header).map_err(CommandError::stdout)?;
    for entry in file.history.entries() {
        there.add(entry.at, [Some(entry.client), None]);
        if !selection.takes_of(entry.at, [Some(entry.client), None], &names) {
            left_out += 1;
        } else if arguments.narrow.detail() != Detail::None {
            writeln!(out, "{}", line(entry)).map_err(CommandError::stdout)?;
        }
    }
    if left_out > 0 {
        write!(out, "{}", others(left_out)).map_err(CommandError::stdout)?;
    }
    arguments.check_there(&there, &names)
}

/// What the header says of the run; a history of another tool may say less.
fn write_header(header: &Map<String, Value>) -> io::Result<()> {
    let mut out = anstream::stdout();
    for key in ["build", "scenario", "system", "seed"] {
        match header.get(key) {
            Some(Value::String(text)) => writeln!(out, "{key}: {}", printable(text))?,
            Some(value) => writeln!(out, "{key}: {}", printable(&value.to_string()))?,
            None => {}
        }
    }
    writeln!(out, "\nhistory")
}

fn line(entry: &HistoryEntry<Value, Value>) -> String {
    let (kind, value) = match &entry.change {
        HistoryEvent::Invoked(operation) => ("invoke", operation.to_string()),
        HistoryEvent::Completed { result: OperationResult::Ok(response), .. } => ("ok", response.to_string()),
        HistoryEvent::Completed { result: OperationResult::Failed, .. } => ("fail", String::new()),
        HistoryEvent::Completed { result: OperationResult::Unknown, .. } => ("unknown", String::new()),
    };
    let line = format!("{:>14}  {:<6} {kind:<7} #{} {value}", entry.at, entry.client.to_string(), entry.id.0);
    printable(line.trim_end())
}
