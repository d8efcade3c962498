//! The operations of a contradiction as a small picture: one line each, with the time that it took.
//!
//! ```text
//!   line 3   process 2  write 4       ├─────────┤
//!   line 7   process 0  write 3 ?        ├─ ─ ─ ─ ─ ─ ─
//!   line 11  process 1  read 4                    ├─────┤
//! ```
//!
//! Only the order of beginnings and ends is shown: a step to the right is the next of them.

use splitbrain_kernel::checker::Contradiction;

use super::record::{End, Function, Recorded, Records};
use super::value::Value;
use crate::text::printable;

/// The most operations that are drawn beside the writers.
const DRAWN_MAX: usize = 4;

/// Columns for each beginning or end.
const STEP: usize = 4;

/// The most letters of an operation.
const WORDS_MAX: usize = 48;

/// The operations that are shown of a contradiction, in the order of their invocations.
pub fn shown<'a>(records: &'a Records, found: &Contradiction) -> Vec<&'a Recorded> {
    // If there are more, the last ones are closest to what went wrong.
    let dropped = found.operations.len().saturating_sub(DRAWN_MAX);
    let mut places: Vec<usize> = found.operations.iter().skip(dropped).chain(&found.writers).copied().collect();
    places.sort_unstable();
    let by_place = |place| records.operations.binary_search_by_key(&place, |one| one.invoked).ok();
    places.into_iter().filter_map(by_place).map(|index| &records.operations[index]).collect()
}

/// The picture, a line for each operation.
pub fn draw(records: &Records, shown: &[&Recorded]) -> Vec<String> {
    let end_of = |one: &Recorded| one.end.as_ref().filter(|ended| ended.end != End::Unknown).map(|ended| ended.place);
    let mut moments: Vec<usize> = shown.iter().flat_map(|one| [Some(one.invoked), end_of(one)]).flatten().collect();
    moments.sort_unstable();
    let column = |moment: usize| moments.partition_point(|other| *other < moment) * STEP;
    let heads: Vec<[String; 3]> =
        shown.iter().map(|one| [format!("line {}", one.line), process(records, one), describe(one)]).collect();
    let width = |part: usize| heads.iter().map(|head| head[part].chars().count()).max().unwrap_or_default();
    let widths = [width(0), width(1), width(2)];
    shown
        .iter()
        .zip(&heads)
        .map(|(one, head)| {
            let mut line = String::new();
            for (part, width) in head.iter().zip(widths) {
                line += &format!("{part:<width$}  ");
            }
            let begin = column(one.invoked);
            line += &" ".repeat(begin);
            line.push('├');
            match end_of(one) {
                Some(end) => {
                    line += &"─".repeat(column(end) - begin - 1);
                    line.push('┤');
                }
                None => line += &"─ ".repeat((moments.len() * STEP - begin) / 2),
            }
            line.trim_end().to_owned()
        })
        .collect()
}

/// Whose operation: `process 3`, or the name of a client.
pub fn process(records: &Records, one: &Recorded) -> String {
    let name = &records.processes[one.process];
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
    printable(&if is_number { format!("process {name}") } else { name.clone() })
}

/// What an operation asked for, and what it was answered: `read k → 4`, `write 4`, `cas 3 → 4 fails`.
pub fn describe(one: &Recorded) -> String {
    let mut words = one.function.name().to_owned();
    if !one.key.is_nil() {
        words += &format!(" {}", one.key);
    }
    match (&one.asked, one.function) {
        (Value::List(pair), Function::CompareAndSet) if pair.len() == 2 => {
            words += &format!(" {} to {}", pair[0], pair[1]);
        }
        (Value::Nil, _) => {}
        (_, Function::Read | Function::Dequeue) => {}
        (asked, _) => words += &format!(" {asked}"),
    }
    match &one.end {
        None => words += " ?",
        Some(ended) => match (ended.end, one.function) {
            (End::Unknown, _) => words += " ?",
            (End::Fail, _) => words += " fails",
            (End::Ok, Function::Read | Function::Dequeue | Function::Contains) => {
                words += &format!(" → {}", ended.answer);
            }
            (End::Ok, Function::Acquire) if !ended.answer.is_nil() => words += &format!(" → {}", ended.answer),
            (End::Ok, _) => {}
        },
    }
    let words = printable(&words);
    match words.char_indices().nth(WORDS_MAX) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}
