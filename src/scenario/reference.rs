//! The reference of the language as Markdown, made from the same table of keys as the decoder.

use std::fmt::Write as _;

use super::key::{Need, Section};
use super::section::{action, check, clocks, cluster, disk, expect, fault, nemesis, network, options};
use super::section::{run, top, workload};
use super::shape::quantity;

/// Every table of a file, in the order of the reference.
pub(super) static SECTIONS: [&Section; 23] = [
    &top::TOP,
    &cluster::CLUSTER,
    &options::OPTIONS,
    &network::NETWORK,
    &quantity::LATENCY,
    &network::WEATHER,
    &clocks::CLOCKS,
    &clocks::CLOCKS_NODE,
    &disk::DISK,
    &workload::WORKLOAD,
    &fault::FAULT,
    &action::SLOW,
    &action::CLOCK_STEP,
    &action::CLOCK_DRIFT,
    &action::CLOCK_SLEW,
    &action::DISK,
    &action::ORDER,
    &nemesis::NEMESIS,
    &run::RUN,
    &check::CHECK,
    &expect::EXPECT,
    &expect::OUTCOME_TABLE,
    &expect::BOUND_TABLE,
];

/// The reference as Markdown: one table of keys for each table of a file.
pub fn reference() -> String {
    SECTIONS.iter().map(|section| section_reference(section)).collect()
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
        // Writing into a String cannot fail.
        let _ = writeln!(text, "| `{}` | {} | {default} | {} |", key.name(), cell(&key.noun()), cell(key.doc()));
    }
    text + "\n"
}

/// A text without what would end the cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
