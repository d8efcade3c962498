//! Goal: `reports/gallery/adapters.md` has a row for each invariant of each library, and no other, and a figure where
//! one belongs. Method: the names of its tables beside the lists, and no mark of what is yet to be measured.

use splitbrain::kernel::invariant::{InvariantInfo, Invariants as _};
use splitbrain_adapters::omni::OmniInvariants;
use splitbrain_adapters::raft_rs::Process;
use splitbrain_adapters::swim::SwimInvariants;
use splitbrain_systems::raft::invariants::RaftInvariants;

const PAGE: &str = include_str!("../../../reports/gallery/adapters.md");

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

/// The lines that wait for a figure.
fn unmeasured(page: &str) -> Vec<&str> {
    page.lines().filter(|line| line.contains("not measured yet")).collect()
}

#[test]
fn everything_on_the_page_is_measured() {
    assert_eq!(unmeasured("| `agreement` | 1,020 | not measured yet |\n| `decided_in_order` | 0 | - |").len(), 1);
    let lines = unmeasured(PAGE);
    assert!(lines.is_empty(), "`just adapters-table` makes these rows:\n{}", lines.join("\n"));
}
