//! Two recordings, compared: for people and for programs.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use serde_json::{Value, json};
use splitbrain_kernel::id::NodeId;

use crate::engine::{Alike, Deeds, Difference, Entry, Names, Side};
use crate::report::json;
use crate::report::story::Story;
use crate::wording::{grouped, printable};

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
    writeln!(out, "\nby node, in these entries")?;
    let deeds = difference.sides.each_ref().map(Side::nodes);
    let nodes: BTreeSet<NodeId> = deeds.iter().flat_map(BTreeMap::keys).copied().collect();
    for node in nodes {
        for (letter, deeds) in ["A", "B"].into_iter().zip(&deeds) {
            let told = deeds.get(&node).map_or_else(|| "nothing".to_owned(), told);
            writeln!(out, "  {:<width$} {letter}  {}", names.name(node), printable(&told), width = names.width())?;
        }
    }
    Ok(())
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
    json!({
        "sides": compared.sides,
        "by": match compared.alike { Alike::Everything => "all", Alike::Story => "story" },
        "alike": count,
        "equal": difference.is_none(),
        "before": difference.map(|difference| entries(&difference.before)),
        "a": difference.map(|difference| side(&difference.sides[0])),
        "b": difference.map(|difference| side(&difference.sides[1])),
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

/// `leader, epoch 3: 40 message, 38 sent`
fn told(deeds: &Deeds) -> String {
    let mut kinds: Vec<(u64, &str)> = deeds.kinds.iter().map(|(kind, count)| (*count, *kind)).collect();
    kinds.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    let kinds: Vec<String> = kinds.iter().map(|(count, kind)| format!("{} {kind}", grouped(*count))).collect();
    let epoch = deeds.epoch.map(|epoch| format!("epoch {epoch}"));
    let state: Vec<String> = deeds.role.clone().into_iter().chain(epoch).collect();
    match state.is_empty() {
        true => kinds.join(", "),
        false => format!("{}: {}", state.join(", "), kinds.join(", ")),
    }
}
