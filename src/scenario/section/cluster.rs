//! `[cluster]`: how many nodes of each kind.

use serde_json::{Map, Value as Json, json};
use splitbrain_kernel::id::{Cluster, Kind, KindId, NodeId};
use toml::de::DeValue;

use crate::scenario::RestartPolicy;
use crate::scenario::description::SystemDescription;
use crate::scenario::draw;
use crate::scenario::key::{AnyKey as _, Key, Need, Section, Shape, Table};
use crate::scenario::reader::{At, Problem, Reader};
use crate::scenario::shape::Integer;
use crate::scenario::shape::scale::Scale;

use super::restart::RestartFields;
use super::{Fields, Pairs, SubTable};

const MOST: u64 = NodeId::COUNT_MAX as u64;

keys! {
    /// How many nodes there are. A system with kinds of process of its own has a key of each of them, by its name, in
    /// place of `servers` and `clients`: `splitbrain list kinds`.
    pub(crate) CLUSTER = "cluster" {
        /// Servers that take part from the start: s1, s2, …
        SERVERS = "servers": Integer = Integer { min: 1, max: MOST }, required;
        /// Servers beyond those, absent until a fault starts them; of other kinds { redis = 1 }.
        SPARE = "spare": Spare = Spare, default "0";
        /// Clients: c1, c2, …
        CLIENTS = "clients": Integer = Integer { min: 0, max: MOST }, default "0";
        /// A supervisor: processes that end by themselves are started again. Without it they stay down.
        RESTART = "restart": SubTable<RestartFields> = SubTable(RestartFields), optional;
    }
}

/// The key of a kind.
fn key(kind: &Kind) -> Key<Integer> {
    match kind.id {
        KindId::SERVER => SERVERS,
        KindId::CLIENT => CLIENTS,
        _ => Key {
            name: kind.key(),
            shape: Integer { min: kind.count_min.into(), max: kind.count_max.into() },
            need: if kind.count_min == 0 { Need::Default("0") } else { Need::Required },
            doc: kind.doc,
        },
    }
}

/// The names of the keys in the order in which they are written: the spare ones stand after the servers.
fn names(kinds: &[Kind]) -> Vec<&'static str> {
    let mut names: Vec<&str> = kinds.iter().map(Kind::key).collect();
    let servers = kinds.iter().position(|kind| kind.id == KindId::SERVER);
    names.insert(servers.map_or(kinds.len(), |at| at + 1), SPARE.name);
    names
}

/// `[cluster]`.
#[derive(Debug)]
pub(crate) struct ClusterFields;

impl Fields for ClusterFields {
    type Value = (Cluster, Option<RestartPolicy>);

    fn section(&self) -> &'static Section {
        &CLUSTER
    }

    fn known(&self, reader: &Reader<'_>, _: &Table<'_>) -> Vec<String> {
        names(reader.system.kinds).into_iter().chain([RESTART.name]).map(str::to_owned).collect()
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Self::Value> {
        let cluster = read_nodes(reader, table);
        reader.cluster = cluster;
        let restart = table.get(reader, &RESTART);
        Some((cluster?, restart))
    }

    fn pairs(&self, (cluster, restart): &Self::Value) -> Pairs {
        let kinds = cluster.kinds();
        let count = |name: &str| kinds.iter().find(|kind| kind.key() == name).map(|kind| cluster.count(kind.id));
        let spares: Vec<(&Kind, u64)> =
            kinds.iter().map(|kind| (kind, u64::from(cluster.spare_count(kind.id)))).collect();
        let nodes = names(kinds).into_iter().fold(Pairs::default(), |pairs, name| match count(name) {
            Some(count) => pairs.put_text(name, count.to_string()),
            None => pairs.put_text(name, spare_text(&spares)),
        });
        nodes.put_some(&RESTART, restart.as_ref())
    }

    fn schema(&self, system: &SystemDescription) -> Json {
        let keys: Vec<Key<Integer>> = system.kinds.iter().map(key).collect();
        let one = |key: &Key<Integer>| (key.name.to_owned(), key.drawn_schema(system));
        let mut properties: Map<String, Json> = keys.iter().map(one).collect();
        properties.insert(SPARE.name.to_owned(), SPARE.drawn_schema(system));
        properties.insert(RESTART.name.to_owned(), RESTART.drawn_schema(system));
        let required: Vec<&str> = keys.iter().filter(|key| key.need == Need::Required).map(|key| key.name).collect();
        json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
    }
}

/// How many nodes there are of each kind.
fn read_nodes(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Cluster> {
    let kinds = reader.system.kinds;
    let counts: Vec<Option<u64>> = kinds.iter().map(|kind| table.get(reader, &key(kind))).collect();
    let spares = table.get(reader, &SPARE);
    let counts: Option<Vec<u64>> = counts.into_iter().collect();
    let (counts, spares) = (counts?, spares?);
    let mut cluster = Cluster::new(kinds);
    for (kind, count) in kinds.iter().zip(counts) {
        let spare = spares.iter().find(|(of, _)| of.id == kind.id).map_or(0, |(_, spare)| *spare);
        let most = u64::from(kind.count_max);
        if count + spare > most {
            let (key, name) = (kind.key(), plural(kind));
            let message =
                format!("{key} and spare together are {}; a cluster has at most {most} {name}", count + spare);
            table.refuse_key(reader, SPARE.name, message);
            return None;
        }
        let fits = |count: u64| u16::try_from(count).expect("at most 64");
        cluster = cluster.with(kind.id, fits(count)).with_spare(kind.id, fits(spare));
    }
    match cluster.node_count() {
        0 => {
            reader.report(&table.span, &table.path, Problem::new("there is no node: at least one is needed"));
            None
        }
        1..=Cluster::NODE_COUNT_MAX => Some(cluster),
        count => {
            let message = format!("{count} nodes; a cluster has at most {} of all kinds", Cluster::NODE_COUNT_MAX);
            reader.report(&table.span, &table.path, Problem::new(message));
            None
        }
    }
}

fn plural(kind: &Kind) -> String {
    match kind.id {
        KindId::SERVER | KindId::CLIENT => kind.key().to_owned(),
        _ => format!("of {}", kind.name),
    }
}

/// `0`, `2` for plain servers, or `{ redis = 1 }`.
fn spare_text(spares: &[(&Kind, u64)]) -> String {
    let some: Vec<&(&Kind, u64)> = spares.iter().filter(|(_, spare)| *spare > 0).collect();
    match some.as_slice() {
        [] => "0".to_owned(),
        [(kind, spare)] if kind.id == KindId::SERVER => spare.to_string(),
        several => {
            several.iter().fold(Pairs::default(), |pairs, (kind, n)| pairs.put_text(kind.key(), n.to_string())).inline()
        }
    }
}

/// How many spare nodes: a number of plain servers, or a table by kind.
#[derive(Debug)]
struct Spare;

const COUNT: Integer = Integer { min: 0, max: MOST };

impl Shape for Spare {
    type Value = Vec<(&'static Kind, u64)>;

    fn noun(&self) -> String {
        "a whole number from 0 to 64".to_owned()
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<Self::Value> {
        let kinds = reader.system.kinds;
        if matches!(at.value, DeValue::Table(_)) {
            let table = Table::any(reader, at, &self.noun())?;
            table.refuse_unknown(reader, &kinds.iter().map(Kind::key).collect::<Vec<_>>());
            let of_kind = |kind: &'static Kind| Some((kind, draw::read(reader, &COUNT, &table.at(kind.key())?)));
            let counts: Vec<(&Kind, Option<u64>)> = kinds.iter().filter_map(of_kind).collect();
            return counts.into_iter().map(|(kind, count)| count.map(|count| (kind, count))).collect();
        }
        let count = COUNT.decode(reader, at)?;
        let servers = kinds.iter().find(|kind| kind.id == KindId::SERVER);
        if count > 0 && servers.is_none() {
            let example = kinds[0].key();
            let message = format!("of which kind? Expected a table such as {{ {example} = {count} }}");
            reader.refuse(at, Problem::new(message));
            return None;
        }
        Some(servers.into_iter().map(|servers| (servers, count)).collect())
    }

    fn encode(&self, value: &Self::Value) -> String {
        spare_text(value)
    }

    fn schema(&self, system: &SystemDescription) -> Json {
        let count = COUNT.schema(system);
        if system.kinds == Kind::PLAIN {
            return count;
        }
        let of_kind: Map<String, Json> =
            system.kinds.iter().map(|kind| (kind.key().to_owned(), draw::schema(&COUNT, system))).collect();
        json!({ "oneOf": [count, { "type": "object", "properties": of_kind, "additionalProperties": false }] })
    }

    fn scale(&self) -> Option<Scale> {
        Some(Scale::Integer)
    }
}
