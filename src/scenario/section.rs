//! The tables of a scenario, one file each: their keys, how they are read, how they are written.

#[macro_use]
mod keys;

pub(super) mod action;
mod bounds;
pub(super) mod check;
pub(super) mod clocks;
pub(super) mod cluster;
pub(super) mod disk;
pub(super) mod expect;
pub(super) mod fault;
pub(super) mod nemesis;
pub(super) mod network;
pub(super) mod options;
pub(super) mod restart;
pub(super) mod run;
pub(super) mod top;
pub(super) mod variant;
pub(super) mod workload;

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use splitbrain_kernel::id::NodeId;
use toml::de::DeValue;

use super::description::SystemDescription;
use super::draw::Drawing;
use super::key::{Key, Section, Shape, Table};
use super::reader::{At, Problem, Reader};
use super::shape::who::{meant_node, node_key, node_pattern};

/// The keys of a table and what they become together.
pub(super) trait Fields: Sync {
    /// What they become.
    type Value;

    /// The keys that it has in every system.
    fn section(&self) -> &'static Section;

    /// What errors and the reference call it; also an example of one.
    fn noun(&self) -> String {
        "a table".to_owned()
    }

    /// The keys that this table may have in this system: those of its section, if nothing else is said.
    fn known(&self, reader: &Reader<'_>, table: &Table<'_>) -> Vec<String> {
        let _ = (reader, table);
        self.section().names().map(str::to_owned).collect()
    }

    /// The key under which the tables of single nodes stand, if they stand in this table under one.
    fn nodes_key(&self) -> Option<&'static str> {
        None
    }

    /// What is said of a key that this table may not have, beside that it is unknown.
    fn problem(&self, reader: &Reader<'_>, key: &str, value: &DeValue<'_>, unknown: Problem) -> Problem {
        let _ = value;
        let node = self.nodes_key().and_then(|nodes| Some((nodes, meant_node(reader.system.kinds, key)?)));
        match node {
            Some((nodes, node)) => unknown.with_nearest(format!("{nodes}.{node}")),
            None => unknown,
        }
    }

    /// Reads the table; its keys are known.
    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Self::Value>;

    /// Writes every key that has a value.
    fn pairs(&self, value: &Self::Value) -> Pairs;

    /// The JSON Schema of the table.
    fn schema(&self, system: &SystemDescription) -> Json {
        self.section().schema(system)
    }
}

/// A table under a key.
#[derive(Debug)]
pub(super) struct SubTable<F>(pub(super) F);

impl<F: Fields> Fields for &F {
    type Value = F::Value;

    fn section(&self) -> &'static Section {
        (**self).section()
    }

    fn noun(&self) -> String {
        (**self).noun()
    }

    fn known(&self, reader: &Reader<'_>, table: &Table<'_>) -> Vec<String> {
        (**self).known(reader, table)
    }

    fn nodes_key(&self) -> Option<&'static str> {
        (**self).nodes_key()
    }

    fn problem(&self, reader: &Reader<'_>, key: &str, value: &DeValue<'_>, unknown: Problem) -> Problem {
        (**self).problem(reader, key, value, unknown)
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<F::Value> {
        (**self).read(reader, table)
    }

    fn pairs(&self, value: &F::Value) -> Pairs {
        (**self).pairs(value)
    }

    fn schema(&self, system: &SystemDescription) -> Json {
        (**self).schema(system)
    }
}

impl<F: Fields> Shape for SubTable<F> {
    type Value = F::Value;

    fn noun(&self) -> String {
        self.0.noun()
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<F::Value> {
        if at.value.is_array() && self.noun() == "a table" {
            let message = format!("expected one table [{}], got a list", at.path);
            reader.refuse(at, Problem::new(message));
            return None;
        }
        let table = Table::any(reader, at, &self.noun())?;
        let known = self.0.known(reader, &table);
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        table.refuse_unknown_as(reader, &known, |reader, key, value, unknown| {
            self.0.problem(reader, key, value, unknown)
        });
        self.0.read(reader, &table)
    }

    fn encode(&self, value: &F::Value) -> String {
        self.0.pairs(value).inline()
    }

    fn schema(&self, system: &SystemDescription) -> Json {
        self.0.schema(system)
    }
}

/// Of several tables each key is drawn, and not all of them at once.
pub(super) const EACH_KEY: Drawing = Drawing::Never("these are tables, each of whose keys can be chosen by itself");

/// Tables under the names of nodes: `[clocks.nodes.s1]`.
#[derive(Debug)]
pub(super) struct NodeTables<F>(pub(super) F);

impl<F: Fields> Shape for NodeTables<F> {
    type Value = BTreeMap<NodeId, F::Value>;

    fn noun(&self) -> String {
        "tables under the names of nodes".to_owned()
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<Self::Value> {
        let table = Table::any(reader, at, &self.noun())?;
        let mut nodes = BTreeMap::new();
        let mut whole = Some(());
        for (name, span, at) in table.entries() {
            let node = node_key(reader, &name, &span, &at.path);
            match (node, SubTable(&self.0).decode(reader, &at)) {
                (Some(node), Some(apart)) => _ = nodes.insert(node, apart),
                _ => whole = None,
            }
        }
        whole.map(|()| nodes)
    }

    fn encode(&self, value: &Self::Value) -> String {
        let pairs = value.iter().fold(Pairs::default(), |pairs, (node, apart)| {
            pairs.put_text(&node.to_string(), self.0.pairs(apart).inline())
        });
        pairs.inline()
    }

    fn schema(&self, system: &SystemDescription) -> Json {
        json!({
            "type": "object",
            "patternProperties": { node_pattern(system): self.0.schema(system) },
            "additionalProperties": false,
        })
    }

    fn drawing(&self) -> Drawing {
        EACH_KEY
    }
}

/// An array of tables: `[[fault]]`.
#[derive(Debug)]
pub(super) struct TableList<F>(pub(super) SubTable<F>);

impl<F: Fields> Shape for TableList<F> {
    type Value = Vec<F::Value>;

    fn noun(&self) -> String {
        "tables".to_owned()
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<Vec<F::Value>> {
        let Some(items) = at.items() else {
            let message = format!("expected tables under [[{}]], with two brackets", at.path);
            reader.refuse(at, Problem::new(message));
            return None;
        };
        let values: Vec<Option<F::Value>> = items.iter().map(|item| self.0.decode(reader, item)).collect();
        values.into_iter().collect()
    }

    fn encode(&self, value: &Vec<F::Value>) -> String {
        let tables: Vec<String> = value.iter().map(|table| self.0.encode(table)).collect();
        format!("[{}]", tables.join(", "))
    }

    fn schema(&self, system: &SystemDescription) -> Json {
        json!({ "type": "array", "items": self.0.schema(system) })
    }

    fn drawing(&self) -> Drawing {
        EACH_KEY
    }
}

/// Keys with their values as TOML says them.
#[derive(Clone, Debug, Default)]
pub(super) struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// Adds a key.
    pub(super) fn put<S: Shape>(mut self, key: &Key<S>, value: &S::Value) -> Self {
        self.0.push((key.name.to_owned(), key.shape.encode(value)));
        self
    }

    /// Adds a key, where it has a value.
    pub(super) fn put_some<S: Shape>(self, key: &Key<S>, value: Option<&S::Value>) -> Self {
        match value {
            Some(value) => self.put(key, value),
            None => self,
        }
    }

    /// Adds a key, where its value is not the default of its type.
    pub(super) fn put_unless_default<S: Shape>(self, key: &Key<S>, value: &S::Value) -> Self
    where
        S::Value: Default + PartialEq,
    {
        if *value == S::Value::default() { self } else { self.put(key, value) }
    }

    /// Adds these keys.
    pub(super) fn and(mut self, more: Self) -> Self {
        self.0.extend(more.0);
        self
    }

    /// Adds a key whose name the system gives.
    pub(super) fn put_text(mut self, name: &str, value: String) -> Self {
        self.0.push((bare_or_quoted(name), value));
        self
    }

    /// Adds a key of a table inside, by its path: `timing.heartbeat = "50ms"`.
    pub(super) fn put_path(mut self, path: &str, value: String) -> Self {
        let keys: Vec<String> = path.split('.').map(bare_or_quoted).collect();
        self.0.push((keys.join("."), value));
        self
    }

    /// `{ a = 1, b = 2 }`.
    pub(super) fn inline(&self) -> String {
        let pairs: Vec<String> = self.0.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        format!("{{ {} }}", pairs.join(", "))
    }

    /// One line for each.
    pub(super) fn lines(&self) -> String {
        self.0.iter().map(|(key, value)| format!("{key} = {value}\n")).collect()
    }

    /// Whether there is none.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn bare_or_quoted(name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if bare { name.to_owned() } else { super::shape::quote(name) }
}
