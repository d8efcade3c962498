//! What a campaign is about, in the words that it is reported in.

use crate::scenario::{Scenario, SystemDescription};
use crate::text::printable;

/// A scenario, with its names.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// Its name in reports: `raft/overlap`.
    pub name: &'a str,
    /// The words of its system.
    pub description: &'a SystemDescription,
    /// The program to copy into a command line.
    pub program: &'a str,
}

impl Subject<'_> {
    /// `scenarios/raft/overlap.toml:12`; without a line if there is none, and then with the variant.
    pub fn place(&self, line: Option<u32>) -> String {
        let source = &self.scenario.source;
        line.map_or_else(|| printable(&source.address()), |line| format!("{}:{line}", printable(&source.path)))
    }
}
