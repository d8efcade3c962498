//! The resolved options of a run, all of them, as lines for people.

use serde::Serialize;
use serde_json::Value;

use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::system::System;

use crate::engine::{Names, Settings};
use crate::scenario::{Resolved, Scenario};

/// Every option that decides the run, in the order of the scenario file.
/// `pinned` is the scenario with every choice made as for the seed.
pub(super) fn of<S: System>(pinned: &Scenario, resolved: &Resolved<S>, seed: Seed) -> Settings {
    let options = &resolved.options;
    let mut lines = Lines { lines: Vec::new(), names: Names::of(&options.cluster) };
    lines.add("seed", &seed.0);
    lines.add("system", &pinned.system);
    lines.add("cluster", &options.cluster);
    for (key, value) in resolved.facts.options() {
        lines.push(format!("{}.{key}", pinned.system), value.clone());
    }
    for (key, value) in &resolved.own {
        lines.push(format!("{}.{key}", pinned.system), value.clone());
    }
    lines.add("network", &options.network);
    for (node, clock) in &options.clocks {
        lines.add(&format!("clocks.{}", options.cluster.name(*node)), clock);
    }
    lines.add("bounds", &options.bounds);
    lines.add("disk", &options.disk);
    for (node, disk) in &options.disks {
        lines.add(&format!("disk.{}", options.cluster.name(*node)), disk);
    }
    for fault in &options.faults {
        lines.push(
            format!("fault.{}", fault.id),
            format!("line {}: {}", fault.line, lines.names.spell(&fault.selector)),
        );
    }
    for nemesis in &options.nemeses {
        let kinds: Vec<&str> = nemesis.kinds.iter().map(|kind| kind.name()).collect();
        lines.push(format!("nemesis.{}", nemesis.id), format!("line {}: {}", nemesis.line, kinds.join(" ")));
    }
    if let Some(workload) = &pinned.workload {
        lines.push("workload.kind".to_owned(), workload.kind.clone());
    }
    lines.add("run.duration", &options.duration);
    lines.add("run.settle", &options.settle);
    lines.add("run.ties", &options.ties);
    lines.add("run.budget", &options.budget);
    lines.add("check.invariants", &pinned.invariants.join(" "));
    for chosen in &resolved.chosen {
        lines.push(format!("chosen.{}", chosen.key), chosen.value.clone());
    }
    Settings { lines: lines.lines, toml: pinned.to_toml(), facts: resolved.facts.clone() }
}

/// Lines, with tables flattened into one line for each value.
struct Lines {
    lines: Vec<(String, String)>,
    names: Names,
}

impl Lines {
    fn push(&mut self, key: String, value: String) {
        self.lines.push((key, value));
    }

    fn add<T: Serialize>(&mut self, key: &str, value: &T) {
        // Options are plain data; one that JSON could not hold would be a fault of its type, seen as null.
        self.flatten(key, &serde_json::to_value(value).unwrap_or_default());
    }

    fn flatten(&mut self, key: &str, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    self.flatten(&format!("{key}.{name}"), field);
                }
            }
            Value::String(text) => self.push(key.to_owned(), self.names.spell(text).into_owned()),
            Value::Null => self.push(key.to_owned(), "none".to_owned()),
            other => {
                let mut other = other.clone();
                self.spell_within(&mut other);
                self.push(key.to_owned(), other.to_string());
            }
        }
    }

    /// The nodes and links in a list of tables.
    fn spell_within(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.names.spell(text).into_owned(),
            Value::Array(items) => items.iter_mut().for_each(|item| self.spell_within(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.spell_within(field)),
            _ => {}
        }
    }
}
