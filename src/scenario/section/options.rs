//! `[<system>]`: preset, options, the options inside (`[session.raft]`), and `[<system>.<node>]`. The keys are the
//! system's own.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};
use splitbrain_kernel::id::{Cluster, Kind, KindId, NodeId};
use splitbrain_kernel::options::{Value, ValueKind};
use toml::de::DeValue;

use crate::scenario::description::{OptionDescription, OptionKind, SystemDescription, joined};
use crate::scenario::draw::{CHOOSE, Drawing};
use crate::scenario::key::{Section, Shape, Table, described};
use crate::scenario::reader::{At, Problem, Reader};
use crate::scenario::shape::Word;
use crate::scenario::shape::drawn::{DrawnShape, OptionValue, Ranged};
use crate::scenario::shape::who::{node_key, node_pattern};
use crate::scenario::{Drawn, OptionChoices, OptionSetting};

use super::{EACH_KEY, Fields, Pairs};

keys! {
    /// The options of the system, under its name. Beside these keys it has those that `splitbrain list` shows for the
    /// system; the options of a system inside stand in a table of their own, [session.raft], which takes a preset too.
    /// An option in a group is named by its path, such as timing.heartbeat of raft: a dotted key here, or a key of the
    /// table [raft.timing].
    /// A range or choice is drawn once a run.
    pub(crate) OPTIONS = "<system>" {
        /// The named set of options to start from; the system's first where absent. A choice is drawn once a run.
        pub(crate) PRESET = "preset": DrawnShape<Word> = DrawnShape(Word {
            what: "preset",
            known: |system| system.presets.iter().map(|one| (one.name.into(), one.doc)).collect(),
        }), optional;
        /// [<system>.servers.s3]: options of single servers, on top of those of all; [<system>.c1] of any node.
        SERVERS = "servers": Servers = Servers, default "{}";
    }
}

impl Ranged for Word {
    fn end(&self, _: &str) -> Option<Result<String, Problem>> {
        None
    }

    fn in_order(&self, _: &String, _: &String) -> bool {
        false
    }

    fn end_pattern(&self) -> Option<&'static str> {
        None
    }
}

/// `[<system>]`.
#[derive(Debug)]
pub(crate) struct OptionFields;

impl Fields for OptionFields {
    type Value = OptionChoices;

    fn section(&self) -> &'static Section {
        &OPTIONS
    }

    fn known(&self, reader: &Reader<'_>, table: &Table<'_>) -> Vec<String> {
        let own = self.section().names().map(str::to_owned).chain(option_names(reader.system, ""));
        // Names of nodes: whether they are right is said where they are read.
        let nodes = table.entries().into_iter().map(|(name, ..)| name).filter(|name| is_node(reader.system, name));
        own.chain(nodes).collect()
    }

    fn problem(&self, reader: &Reader<'_>, key: &str, value: &DeValue<'_>, unknown: Problem) -> Problem {
        problem(reader.system, "", key, value, unknown)
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<OptionChoices> {
        let first = reader.system.presets.first().map_or("", |preset| preset.name);
        let absent = table.at(PRESET.name).is_none();
        let preset = table.get(reader, &PRESET);
        let preset = if absent { Some(Drawn::Constant(first.to_owned())) } else { preset };
        let base = settings(reader, table, "");
        let servers = table.get(reader, &SERVERS);
        let nodes = nodes(reader, table, servers);
        Some(OptionChoices { preset: preset?, base: base?, nodes: nodes? })
    }

    fn pairs(&self, value: &OptionChoices) -> Pairs {
        setting_pairs(Pairs::default().put(&PRESET, &value.preset), &value.base)
    }

    fn schema(&self, system: &SystemDescription) -> Json {
        let mut schema = self.section().schema(system);
        let properties = schema["properties"].as_object_mut().expect("a section has properties");
        properties.extend(option_schemas(system));
        schema["patternProperties"] = json!({ node_pattern(system): Settings.schema(system) });
        schema
    }
}

fn is_node(system: &SystemDescription, name: &str) -> bool {
    Kind::split(system.kinds, name).is_some() && option_names(system, "").iter().all(|key| key != name)
}

/// The options of single nodes: those of `[<system>.<node>]` beside those of `[<system>.servers.<server>]`.
fn nodes(
    reader: &mut Reader<'_>,
    table: &Table<'_>,
    servers: Option<BTreeMap<NodeId, Vec<OptionSetting>>>,
) -> Option<BTreeMap<NodeId, Vec<OptionSetting>>> {
    let mut whole = Some(());
    let mut nodes = servers.unwrap_or_else(|| {
        whole = None;
        BTreeMap::new()
    });
    for (name, span, at) in table.entries().into_iter().filter(|(name, ..)| is_node(reader.system, name)) {
        match (node_key(reader, &name, &span, &at.path), Settings.decode(reader, &at)) {
            (Some(node), Some(settings)) => {
                if nodes.insert(node, settings).is_some() {
                    reader.report(&span, &at.path, Problem::new(format!("the options of {name} are set twice")));
                    whole = None;
                }
            }
            _ => whole = None,
        }
    }
    whole.map(|()| nodes)
}

/// The header of the options of one node.
pub(crate) fn node_header(system: &str, cluster: Cluster, node: NodeId) -> String {
    header_of(system, node, &cluster.name(node).to_string())
}

/// The same, for a node of this name.
pub(crate) fn header_of(system: &str, node: NodeId, name: &str) -> String {
    if node.is(KindId::SERVER) { format!("{system}.servers.{name}") } else { format!("{system}.{name}") }
}

/// The keys of the table of a group; of the system's own where the path is empty.
fn option_names(system: &SystemDescription, group: &str) -> Vec<String> {
    let options = system.options_of(group).map(|option| option.key().to_owned());
    options.chain(system.groups_of(group).map(|inner| inner.key().to_owned())).collect()
}

fn shape(option: &OptionDescription) -> DrawnShape<OptionValue> {
    DrawnShape(OptionValue(option.kind.clone()))
}

/// The properties of the table of a group, as `one` gives the schema of an option.
fn properties(system: &SystemDescription, group: &str, one: &impl Fn(&OptionDescription) -> Json) -> Map<String, Json> {
    let options = system.options_of(group).map(|option| (option.key().to_owned(), one(option)));
    let groups = system.groups_of(group).map(|inner| {
        let table = json!({
            "type": "object",
            "properties": properties(system, &inner.path, one),
            "additionalProperties": false,
        });
        (inner.key().to_owned(), described(table, inner.doc))
    });
    options.chain(groups).collect()
}

fn option_schemas(system: &SystemDescription) -> Map<String, Json> {
    properties(system, "", &|option| described(shape(option).schema(system), option.doc))
}

/// The options that the table of a group and the tables inside it set, in the system's order.
fn settings(reader: &mut Reader<'_>, table: &Table<'_>, group: &str) -> Option<Vec<OptionSetting>> {
    let system = reader.system;
    let mut settings = Vec::new();
    let mut whole = Some(());
    for option in system.options_of(group) {
        let Some(at) = table.at(option.key()) else { continue };
        let Some(value) = shape(option).decode(reader, &at) else {
            whole = None;
            continue;
        };
        let (name, stream) = (option.path.clone(), system.first_path(&option.path).to_owned());
        settings.push(OptionSetting { name, stream, value, span: at.span });
    }
    for inner in system.groups_of(group) {
        let Some(at) = table.at(inner.key()) else { continue };
        // An option that has become a group of options under the same name.
        if let Some(renamed) = renamed(system, group, inner.key()).filter(|_| is_option(at.value)) {
            reader.report(&table.key_span(inner.key()), &at.path, renamed);
            whole = None;
            continue;
        }
        match group_settings(reader, &at, &inner.path) {
            Some(inner) => settings.extend(inner),
            None => whole = None,
        }
    }
    whole.map(|()| settings)
}

/// The options that the table of a group sets, with only its keys.
fn group_settings(reader: &mut Reader<'_>, at: &At<'_>, group: &str) -> Option<Vec<OptionSetting>> {
    let table = Table::any(reader, at, "a table of options")?;
    let names = option_names(reader.system, group);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    table.refuse_unknown_as(reader, &names, |reader, key, value, unknown| {
        problem(reader.system, group, key, value, unknown)
    });
    settings(reader, &table, group)
}

/// Whether this is the value of an option, and no table of options.
fn is_option(value: &DeValue<'_>) -> bool {
    value.as_table().is_none_or(|table| table.contains_key(CHOOSE))
}

/// That the option which had this key in the table of a group has another.
fn renamed(system: &SystemDescription, group: &str, key: &str) -> Option<Problem> {
    Some(Problem::renamed(key, new_path(system, group, key)?))
}

/// The path, from the group on, of the option which had this key in its table.
fn new_path<'s>(system: &'s SystemDescription, group: &str, key: &str) -> Option<&'s str> {
    let new = system.renamed(&joined(group, key))?;
    Some(new.strip_prefix(group).map_or(new, |rest| rest.trim_start_matches('.')))
}

/// What is said of a key that the table of a group does not have: its new name, or where it may stand.
fn problem(system: &SystemDescription, group: &str, key: &str, value: &DeValue<'_>, unknown: Problem) -> Problem {
    if let Some(renamed) = renamed(system, group, key) {
        return renamed;
    }
    let names = option_names(system, group);
    if unknown.has_nearest() {
        // A group that was an option once is no place for a value.
        let once = names.iter().filter(|name| is_option(value) && unknown.proposes(name));
        let path = once.filter_map(|name| new_path(system, group, name)).next().map(str::to_owned);
        return match path {
            Some(path) => unknown.with_nearest(path),
            None => unknown,
        };
    }
    let inside: Vec<(&str, &str)> = options_inside(system, group).collect();
    let known = names.iter().map(String::as_str).chain(inside.iter().map(|(key, _)| *key));
    let meant = Problem::unknown_key(key, value, known);
    let mut paths = inside.iter().filter(|(key, _)| meant.proposes(key)).map(|(_, path)| *path);
    // What several groups have may be any of them.
    match (paths.next(), paths.next()) {
        (Some(path), None) if !names.iter().any(|name| meant.proposes(name)) => {
            meant.with_nearest(path.to_owned()).with_known(&unknown)
        }
        _ => unknown,
    }
}

/// The options of the groups inside a group: the key of each, and its path from the group on.
fn options_inside<'s>(system: &'s SystemDescription, group: &'s str) -> impl Iterator<Item = (&'s str, &'s str)> {
    let below = move |path: &'s str| match group {
        "" => Some(path),
        _ => path.strip_prefix(group)?.strip_prefix('.'),
    };
    let inside = system.options.iter().filter_map(move |option| Some((option.key(), below(&option.path)?)));
    inside.filter(|(key, path)| path.contains('.') && *key != PRESET.name)
}

/// The pairs of the options that a table sets.
pub(crate) fn setting_pairs(pairs: Pairs, settings: &[OptionSetting]) -> Pairs {
    settings.iter().fold(pairs, |pairs, setting| pairs.put_path(&setting.name, encode_drawn(&setting.value)))
}

fn encode_drawn(value: &Drawn<Value>) -> String {
    // Writing does not ask for the kind.
    DrawnShape(OptionValue(OptionKind::Value(ValueKind::Bool))).encode(value)
}

/// Tables under the names of servers.
#[derive(Debug)]
pub(crate) struct Servers;

impl Shape for Servers {
    type Value = BTreeMap<NodeId, Vec<OptionSetting>>;

    fn noun(&self) -> String {
        "tables under the names of servers".to_owned()
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<Self::Value> {
        let table = Table::any(reader, at, &self.noun())?;
        let mut servers = BTreeMap::new();
        let mut whole = Some(());
        for (name, span, at) in table.entries() {
            let node = server_key(reader, &name, &span, &at.path);
            match (node, Settings.decode(reader, &at)) {
                (Some(node), Some(settings)) => _ = servers.insert(node, settings),
                _ => whole = None,
            }
        }
        whole.map(|()| servers)
    }

    fn encode(&self, value: &Self::Value) -> String {
        let pairs = value.iter().fold(Pairs::default(), |pairs, (node, settings)| {
            pairs.put_text(&node.to_string(), Settings.encode(settings))
        });
        pairs.inline()
    }

    fn schema(&self, system: &SystemDescription) -> Json {
        json!({
            "type": "object",
            "patternProperties": { "^s[1-9][0-9]?$": Settings.schema(system) },
            "additionalProperties": false,
        })
    }

    fn drawing(&self) -> Drawing {
        EACH_KEY
    }
}

/// A table of options of the system, without a preset.
#[derive(Debug)]
pub(crate) struct Settings;

impl Shape for Settings {
    type Value = Vec<OptionSetting>;

    fn noun(&self) -> String {
        "a table of options of the system".to_owned()
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<Self::Value> {
        group_settings(reader, at, "")
    }

    fn encode(&self, value: &Self::Value) -> String {
        setting_pairs(Pairs::default(), value).inline()
    }

    fn schema(&self, system: &SystemDescription) -> Json {
        // The same options once more, by reference: they are most of the schema.
        let one = |option: &OptionDescription| {
            let path = option.path.replace('.', "/properties/");
            json!({ "$ref": format!("#/$defs/{0}/properties/{0}/properties/{path}", system.name) })
        };
        json!({ "type": "object", "properties": properties(system, "", &one), "additionalProperties": false })
    }
}

fn server_key(reader: &mut Reader<'_>, name: &str, span: &std::ops::Range<usize>, path: &str) -> Option<NodeId> {
    let node = node_key(reader, name, span, path)?;
    if !node.is(KindId::SERVER) {
        let message =
            format!("{name} is no plain server such as s1: its options stand under [{}.{name}]", reader.system.name);
        reader.report(span, path, Problem::new(message));
        return None;
    }
    Some(node)
}
