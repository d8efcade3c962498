//! The reference of the language as Markdown, made from the same table of keys as the decoder.

use std::fmt::Write as _;

use splitbrain_kernel::director::spec::NemesisKind;
use splitbrain_kernel::vocabulary::Incident;
use splitbrain_kernel::world::CONDITIONS;

use super::draw::{Drawing, is_drawn_table};
use super::key::{Need, Section};
use super::section::{action, check, clocks, cluster, disk, expect, fault, nemesis, network, options};
use super::section::{restart, run, top, variant, workload};
use super::shape::quantity;

/// The tables of a file up to those of faults, in the order of the reference.
static BEFORE: &[&Section] = &[
    &top::TOP,
    &cluster::CLUSTER,
    &restart::RESTART,
    &options::OPTIONS,
    &network::NETWORK,
    &quantity::LATENCY,
    &network::REDIAL_TABLE,
    &network::WEATHER,
    &clocks::CLOCKS,
    &clocks::ORIGIN_TABLE,
    &clocks::CLOCKS_NODE,
    &disk::DISK,
    &disk::DISK_NODE,
    &workload::WORKLOAD,
    &fault::FAULT,
];

/// Those after them.
static AFTER: &[&Section] = &[
    &nemesis::NEMESIS,
    &run::RUN,
    &check::CHECK,
    &expect::EXPECT,
    &expect::OUTCOME_TABLE,
    &expect::BOUND_TABLE,
    &variant::VARIANT_TABLE,
    &variant::PICKED_TABLE,
];

/// Every table of a file, in the order of the reference.
pub(super) fn sections() -> impl Iterator<Item = &'static Section> {
    let actions = action::all().filter_map(|action| action.section);
    BEFORE.iter().copied().chain(actions).chain(AFTER.iter().copied())
}

/// What a directed fault can do: each action key with one line on it.
pub fn fault_actions() -> Vec<(&'static str, &'static str)> {
    action::all().map(|action| (action.key.name(), action.summary)).collect()
}

/// The reference as Markdown: one table of keys for each table of a file, and the words that are the same in every
/// system.
pub fn reference() -> String {
    let sections: String = sections().map(section_reference).collect();
    let kinds = NemesisKind::NAMES.iter().map(|(name, doc)| (*name, doc.trim().to_owned()));
    let world = CONDITIONS.iter().map(|(name, doc)| (*name, sentence(doc)));
    sections
        + &words("Kinds of random fault", "What `[[nemesis]] kinds` can name.", kinds)
        + &words("What every world counts", "What `[expect]` can name in every system.", world)
        + &words(
            "What a world counts of ranked roles",
            "What `[expect]` can name of each ranked role of the system, after the name of the role: `leader crashed`, \
             or `raft.leader crashed` where two groups have such a role.",
            Incident::ALL.iter().map(|incident| (incident.name(), sentence(incident.doc()))),
        )
}

fn words<'w>(title: &str, doc: &str, words: impl Iterator<Item = (&'w str, String)>) -> String {
    let rows: String = words.map(|(name, doc)| format!("| `{name}` | {} |\n", cell(&doc))).collect();
    format!("### {title}\n\n{doc}\n\n| name | meaning |\n| --- | --- |\n{rows}\n")
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).chain(['.']).collect()
}

fn section_reference(section: &Section) -> String {
    let header = match section.name.strip_suffix("[]") {
        _ if section.name.is_empty() => "The file".to_owned(),
        Some(name) => format!("`[[{name}]]`"),
        None => format!("`[{}]`", section.name),
    };
    let mut text = format!("### {header}\n\n{}\n\n", section.doc);
    text += "| key | value | default | meaning |\n| --- | --- | --- | --- |\n";
    for key in section.keys {
        let default = match key.need() {
            Need::Required => "required".to_owned(),
            Need::Optional => String::new(),
            Need::Default(value) => format!("`{value}`"),
        };
        let noun = if is_drawn_table(section.name) { key.drawn_noun() } else { key.noun() };
        let doc = match key.drawing() {
            Drawing::Never(why) if is_drawn_table(section.name) => format!("{} Cannot be chosen: {why}.", key.doc()),
            _ => key.doc().to_owned(),
        };
        // Writing into a String cannot fail.
        let _ = writeln!(text, "| `{}` | {} | {default} | {} |", key.name(), cell(&noun), cell(&doc));
    }
    text + "\n"
}

/// A text without what would end the cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
