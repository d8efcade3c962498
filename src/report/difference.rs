//! Two recordings, compared: for people and for programs.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::engine::{Alike, Difference, Entry, Names, Side};
use crate::report::json;
use crate::report::story::Story;
use crate::text::{grouped, printable};

/// Lines of a story that are shown of each side.
const STORY_MAX: usize = 8;

/// What is compared.
#[derive(Clone, Debug)]
pub struct Compared {
    /// What each side is called.
    pub sides: [String; 2],
    /// The names of the nodes.
    pub names: Names,
    /// What counts as alike.
    pub alike: Alike,
}

/// Tells people where two recordings differ, and what follows from it on each side.
///
/// # Errors
/// Output that cannot be written.
pub fn write_difference(
    mut out: impl Write,
    compared: &Compared,
    (count, difference): (u64, Option<&Difference>),
) -> io::Result<()> {
    let names = &compared.names;
    for (letter, side) in ["A", "B"].into_iter().zip(&compared.sides) {
        writeln!(out, "{letter}: {}", printable(side))?;
    }
    writeln!(out, "compared: {}", basis(compared.alike))?;
    let entries = if count == 1 { "entry" } else { "entries" };
    let Some(difference) = difference else {
        return writeln!(out, "alike: to the end, {} {entries}", grouped(count));
    };
    writeln!(out, "alike: {} {entries}", grouped(count))?;
    for entry in &difference.before {
        writeln!(out, "  {}", entry.line(names))?;
    }
    writeln!(out, "\nfirst difference")?;
    for (letter, line) in ["A", "B"].into_iter().zip(difference.lines(names)) {
        writeln!(out, "  {letter}  {line}")?;
    }
    for (letter, side) in ["A", "B"].into_iter().zip(&difference.sides) {
        writeln!(out, "\nwhat follows in {letter}, the next {} entries", grouped(side.entries.len() as u64))?;
        story(side, names).iter().try_for_each(|line| writeln!(out, "{line}"))?;
    }
    writeln!(out, "\nby node, the first thing in these entries that it does otherwise, times apart")?;
    let mut same = Vec::new();
    for (node, parting) in difference.partings() {
        let Some(entries) = parting else {
            same.push(names.name(node));
            continue;
        };
        for (letter, entry) in ["A", "B"].into_iter().zip(entries) {
            let line = entry.map_or_else(|| format!("{:>14}", "nothing more"), |entry| entry.line(names));
            writeln!(out, "  {letter}  {line}")?;
        }
    }
    if same.is_empty() { Ok(()) } else { writeln!(out, "  the same: {}", printable(&same.join(", "))) }
}

/// A difference as a table of fields.
fn fields(compared: &Compared, count: u64, difference: Option<&Difference>) -> Value {
    let entries = |all: &[Entry]| all.iter().map(|entry| json!(entry)).collect::<Vec<_>>();
    let side = |side: &Side| {
        let nodes = side.nodes();
        let nodes = nodes.iter().map(|(node, deeds)| (compared.names.name(*node), json!(deeds)));
        let nodes: serde_json::Map<String, Value> = nodes.collect();
        json!({ "entries": entries(&side.entries), "nodes": nodes })
    };
    let partings = |difference: &Difference| {
        let all = difference.partings().into_iter();
        let parting = all.map(|(node, entries)| (compared.names.name(node), json!(entries)));
        Value::Object(parting.collect())
    };
    json!({
        "sides": compared.sides,
        "by": match compared.alike { Alike::Everything => "all", Alike::Story => "story" },
        "alike": count,
        "equal": difference.is_none(),
        "before": difference.map(|difference| entries(&difference.before)),
        "a": difference.map(|difference| side(&difference.sides[0])),
        "b": difference.map(|difference| side(&difference.sides[1])),
        "partings": difference.map(partings),
    })
}

impl<W: Write> json::Json<W> {
    /// Where two recordings differ.
    ///
    /// # Errors
    /// Output that cannot be written.
    pub fn difference(&mut self, compared: &Compared, count: u64, difference: Option<&Difference>) -> io::Result<()> {
        self.line("difference", fields(compared, count, difference))
    }
}

const fn basis(alike: Alike) -> &'static str {
    match alike {
        Alike::Everything => "every event and every effect, with its time",
        Alike::Story => "faults, starts and exits, and what nodes say of themselves, without times",
    }
}

/// What follows, as the story of a run has it.
fn story(side: &Side, names: &Names) -> Vec<String> {
    let mut story = Story::default();
    let mut lines = Vec::new();
    let mut entries = side.entries.iter().filter(|entry| entry.kind.is_notable());
    for entry in &mut entries {
        if !story.tells(entry) {
            continue;
        }
        lines.extend(story.count());
        lines.push(entry.line(names));
        if lines.len() >= STORY_MAX {
            break;
        }
    }
    let rest = entries.count();
    if rest > 0 {
        lines.push(format!("{:>14}  {} notable entries more", "…", grouped(rest as u64)));
    } else {
        lines.extend(story.count());
    }
    if lines.is_empty() {
        lines.push(format!("{:>14}  {}", "…", if side.entries.is_empty() { "the end" } else { "nothing notable" }));
    }
    lines
}
