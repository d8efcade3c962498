//! `[<system>]`: preset, options, and `[<system>.<node>]`. The keys are the system's own.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};
use splitbrain_kernel::id::{Cluster, Kind, KindId, NodeId};

use super::super::description::{OptionDescription, SystemDescription};
use super::super::key::{Key, Need, Section, Shape, Table, described};
use super::super::reader::{At, Problem, Reader};
use super::super::shape::Word;
use super::super::shape::drawn::{DrawnShape, OptionValue, Ranged};
use super::super::shape::who::{node_key, node_pattern};
use super::super::{Drawn, OptionChoices, OptionSetting};
use super::{Fields, Pairs};

/// Its path keys the draw.
pub(in super::super) const PRESET: Key<DrawnShape<Word>> = Key {
    name: "preset",
    shape: DrawnShape(Word {
        what: "preset",
        known: |system| system.presets.iter().map(|one| (one.name.into(), one.doc)).collect(),
    }),
    need: Need::Optional,
    doc: "The named set of options to start from; the system's first where absent. A choice is drawn once a run.",
};
const SERVERS: Key<Servers> = Key {
    name: "servers",
    shape: Servers,
    need: Need::Default("{}"),
    doc: "[<system>.servers.s3]: options of single servers, on top of those of all; [<system>.c1] of any node.",
};

/// The keys of `[<system>]` that every system has.
pub(in super::super) static OPTIONS: Section = Section {
    name: "<system>",
    doc: "The options of the system, under its name. Beside these keys it has those that `splitbrain list` shows for \
          the system. A range or choice is drawn once a run.",
    keys: &[&PRESET, &SERVERS],
};

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
pub(in super::super) struct OptionFields;

impl Fields for OptionFields {
    type Value = OptionChoices;

    fn section(&self) -> &'static Section {
        &OPTIONS
    }

    fn known(&self, reader: &Reader<'_>, table: &Table<'_>) -> Vec<String> {
        let own = self.section().names().map(str::to_owned).chain(option_names(reader.system));
        // Names of nodes: whether they are right is said where they are read.
        let nodes = table.entries().into_iter().map(|(name, ..)| name).filter(|name| is_node(reader.system, name));
        own.chain(nodes).collect()
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<OptionChoices> {
        let first = reader.system.presets.first().map_or("", |preset| preset.name);
        let absent = table.at(PRESET.name).is_none();
        let preset = table.get(reader, &PRESET);
        let preset = if absent { Some(Drawn::Constant(first.to_owned())) } else { preset };
        let base = settings(reader, table);
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
    Kind::split(system.kinds, name).is_some() && system.option(name).is_none()
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
pub(in super::super) fn node_header(system: &str, cluster: Cluster, node: NodeId) -> String {
    let name = cluster.name(node);
    if node.is(KindId::SERVER) { format!("{system}.servers.{name}") } else { format!("{system}.{name}") }
}

fn option_names(system: &SystemDescription) -> Vec<String> {
    system.options.iter().map(|option| option.name.to_owned()).collect()
}

fn shape(option: &OptionDescription) -> DrawnShape<OptionValue> {
    DrawnShape(OptionValue(option.kind))
}

fn option_schemas(system: &SystemDescription) -> Map<String, Json> {
    let one = |option: &OptionDescription| {
        let schema = described(shape(option).schema(system), option.doc);
        (option.name.to_owned(), schema)
    };
    system.options.iter().map(one).collect()
}

/// The options that a table sets, in the system's order.
fn settings(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Vec<OptionSetting>> {
    let system = reader.system;
    let mut settings = Vec::new();
    let mut whole = Some(());
    for option in &system.options {
        let Some(at) = table.at(option.name) else { continue };
        match shape(option).decode(reader, &at) {
            Some(value) => settings.push(OptionSetting { name: option.name.to_owned(), value, span: at.span }),
            None => whole = None,
        }
    }
    whole.map(|()| settings)
}

/// The pairs of the options that a table sets.
pub(in super::super) fn setting_pairs(pairs: Pairs, settings: &[OptionSetting]) -> Pairs {
    settings.iter().fold(pairs, |pairs, setting| pairs.put_text(&setting.name, encode_drawn(&setting.value)))
}

fn encode_drawn(value: &Drawn<splitbrain_kernel::options::Value>) -> String {
    // Writing does not ask for the kind.
    DrawnShape(OptionValue(splitbrain_kernel::options::ValueKind::Bool)).encode(value)
}

/// Tables under the names of servers.
#[derive(Debug)]
pub(in super::super) struct Servers;

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
}

/// A table of options of the system, without a preset.
#[derive(Debug)]
pub(in super::super) struct Settings;

impl Shape for Settings {
    type Value = Vec<OptionSetting>;

    fn noun(&self) -> String {
        "a table of options of the system".to_owned()
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<Self::Value> {
        let table = Table::any(reader, at, "a table of options")?;
        let names = option_names(reader.system);
        table.refuse_unknown(reader, &names.iter().map(String::as_str).collect::<Vec<_>>());
        settings(reader, &table)
    }

    fn encode(&self, value: &Self::Value) -> String {
        setting_pairs(Pairs::default(), value).inline()
    }

    fn schema(&self, system: &SystemDescription) -> Json {
        // The same options once more, by reference: they are most of the schema.
        let one = |option: &OptionDescription| {
            let place = format!("#/$defs/{0}/properties/{0}/properties/{1}", system.name, option.name);
            (option.name.to_owned(), json!({ "$ref": place }))
        };
        let options: Map<String, Json> = system.options.iter().map(one).collect();
        json!({ "type": "object", "properties": options, "additionalProperties": false })
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
