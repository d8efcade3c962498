//! A scenario as TOML again, every key spelled out. [`load`](super::load) reads it back as the same scenario.

use std::fmt::Write as _;

use super::key::Shape as _;
use super::section::clocks::ClockTable;
use super::section::network::link_pairs;
use super::section::options::{node_header, setting_pairs};
use super::section::top::{CHECK, CLOCKS, CLUSTER, DISK, EXPECT, FAULT, NEMESIS, NETWORK, RUN, TAGS, WORKLOAD};
use super::section::{Fields as _, Pairs, clocks, disk, options::OptionFields};
use super::{FORMAT, Scenario};

impl Scenario {
    /// The scenario as TOML, with every default spelled out, every id given, and nothing left of its comments but the
    /// first.
    pub fn to_toml(&self) -> String {
        let mut out = String::new();
        for line in wrapped(&self.goal) {
            // Writing into a String cannot fail.
            let _ = writeln!(out, "# {line}");
        }
        let _ = write!(out, "format = {FORMAT}\nsystem = \"{}\"\n", self.system);
        if !self.tags.is_empty() {
            let _ = writeln!(out, "{} = {}", TAGS.name, TAGS.shape.encode(&self.tags));
        }
        table(&mut out, CLUSTER.name, &CLUSTER.shape.0.pairs(&(self.cluster, self.restart.clone())));
        self.write_options(&mut out);
        self.write_network(&mut out);
        self.write_clocks(&mut out);
        self.write_disks(&mut out);
        if let Some(workload) = &self.workload {
            table(&mut out, WORKLOAD.name, &WORKLOAD.shape.0.pairs(workload));
        }
        for fault in &self.faults {
            table(&mut out, "[fault]", &FAULT.shape.0.0.pairs(fault));
        }
        for nemesis in &self.nemeses {
            table(&mut out, "[nemesis]", &NEMESIS.shape.0.0.pairs(nemesis));
        }
        table(&mut out, RUN.name, &RUN.shape.0.pairs(&self.run));
        table(&mut out, CHECK.name, &CHECK.shape.0.pairs(&self.invariants));
        table(&mut out, EXPECT.name, &EXPECT.shape.0.pairs(&self.expect));
        debug_assert_eq!(FAULT.name, "fault");
        debug_assert_eq!(NEMESIS.name, "nemesis");
        out
    }

    fn write_options(&self, out: &mut String) {
        table(out, &self.system, &OptionFields.pairs(&self.options));
        for (node, settings) in &self.options.nodes {
            let header = node_header(&self.system, self.cluster, *node);
            table(out, &header, &setting_pairs(Pairs::default(), settings));
        }
    }

    fn write_network(&self, out: &mut String) {
        table(out, NETWORK.name, &NETWORK.shape.0.pairs(&self.network));
        for link in &self.network.links {
            table(out, "[network.link]", &link_pairs(link, |node| self.cluster.name(node)));
        }
    }

    fn write_clocks(&self, out: &mut String) {
        let clocks = ClockTable::of(&self.clocks.base, self.bounds);
        table(out, CLOCKS.name, &CLOCKS.shape.0.pairs(&clocks));
        for (node, spans) in &self.clocks.nodes {
            table(out, &format!("clocks.nodes.{}", self.cluster.name(*node)), &clocks::node_pairs(spans));
        }
    }

    fn write_disks(&self, out: &mut String) {
        table(out, DISK.name, &DISK.shape.0.pairs(&self.disk.into()));
        for (node, disk) in &self.disks {
            table(out, &format!("disk.nodes.{}", self.cluster.name(*node)), &disk::node_pairs(*disk));
        }
    }
}

fn table(out: &mut String, header: &str, pairs: &Pairs) {
    // A table without keys says nothing, but for one of an array, which always has some.
    if !pairs.is_empty() {
        let _ = write!(out, "\n[{header}]\n{}", pairs.lines());
    }
}

/// Lines of at most 100 characters, so that a goal stays readable.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < 100 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
