//! Goal: `reports/gallery/adapters.md` has a row for each scenario that its first table is made from, and one for each
//! invariant of each library and no other. Method: the names on the page beside the lists.

#![expect(clippy::disallowed_methods, reason = "it reads the scenarios of the rows")]

#[path = "../examples/tables/rows.rs"]
mod rows;

use std::path::Path;

use rows::ROWS;
use splitbrain::engine::{AnySystem, Simulated};
use splitbrain::kernel::invariant::{InvariantInfo, Invariants as _};
use splitbrain::scenario::{self, Picks};
use splitbrain_adapters::omni::{Omni, OmniInvariants};
use splitbrain_adapters::raft_rs::{Process, RaftRs};
use splitbrain_adapters::swim::{Swim, SwimInvariants};
use splitbrain_systems::raft::invariants::RaftInvariants;

const PAGE: &str = include_str!("../../../reports/gallery/adapters.md");

/// The rows that a page does not have, or has twice, in the first of its tables.
fn missing(page: &str) -> Vec<String> {
    let runs = page.split("\n## ").next().unwrap_or_default();
    let times = |name: &str| runs.lines().filter(|line| line.starts_with(&format!("| {name} |"))).count();
    ROWS.iter().map(rows::Row::name).filter(|name| times(name) != 1).collect()
}

#[test]
fn the_page_has_a_row_for_each_scenario() {
    let lines = missing(PAGE);
    assert!(lines.is_empty(), "`just adapters-table` makes these rows:\n{}", lines.join("\n"));
    let first = format!("| {} |", ROWS[0].name());
    let without: String =
        PAGE.lines().filter(|line| !line.starts_with(&first)).map(|line| format!("{line}\n")).collect();
    assert_eq!(missing(&without), [ROWS[0].name()]);
}

#[test]
fn a_row_is_one_scenario_and_its_command_says_which() {
    let systems: [Box<dyn AnySystem>; 3] =
        [Box::new(Simulated::<RaftRs>::new()), Box::new(Simulated::<Omni>::new()), Box::new(Simulated::<Swim>::new())];
    let systems: Vec<_> = systems.iter().map(|system| system.description()).collect();
    for row in ROWS {
        let (file, variant) = row.parts();
        let text = std::fs::read(Path::new("scenarios").join(&file)).expect("the file is there");
        let set = row.set.iter().map(|set| set.parse().expect("a key and a value")).collect();
        let picks = Picks { variant: variant.map(str::to_owned), set };
        let loaded = scenario::load_all(&file, &text, &picks, &systems).unwrap_or_else(|wrong| panic!("{wrong}"));
        assert_eq!(loaded.len(), 1, "{}", row.name());
        assert_eq!(loaded[0].system.replace('-', "_"), row.library());
        assert!(row.command(7).contains(row.library()) && row.command(7).ends_with(" --seed 7"), "{}", row.command(7));
    }
}

/// The names in the table of a section.
fn on_page(title: &str) -> Vec<&'static str> {
    let section = PAGE.split("\n## ").find(|section| section.lines().next() == Some(title));
    let section = section.unwrap_or_else(|| panic!("the page has no section {title}"));
    let names = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    names.collect()
}

fn listed(list: &[InvariantInfo]) -> Vec<&str> {
    let mut names: Vec<&str> = list.iter().map(|info| info.name).collect();
    names.sort_unstable();
    names
}

#[test]
fn the_page_has_a_row_for_each_invariant() {
    assert_eq!(on_page("Invariants of Raft on raft-rs"), listed(RaftInvariants::<Process>::LIST));
    assert_eq!(on_page("Invariants of OmniPaxos"), listed(OmniInvariants::LIST));
    assert_eq!(on_page("Invariants of foca"), listed(SwimInvariants::LIST));
}

#[test]
fn each_zero_on_the_page_has_its_reason() {
    let unexplained: Vec<&str> = PAGE.lines().filter(|line| line.contains("nothing says why")).collect();
    assert!(unexplained.is_empty(), "`zeros` of a section in `swarms.rs` says why:\n{}", unexplained.join("\n"));
}
