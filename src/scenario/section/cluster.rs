//! `[cluster]`: how many nodes.

use splitbrain_kernel::id::{Cluster, NodeId};

use super::super::key::{Key, Need, Section, Table};
use super::super::reader::{Problem, Reader};
use super::super::shape::Whole;
use super::{Fields, Pairs};

const MOST: u64 = NodeId::COUNT_MAX as u64;

const SERVERS: Key<Whole> = Key {
    name: "servers",
    shape: Whole { min: 1, max: MOST },
    need: Need::Required,
    doc: "Servers that take part from the start: s1, s2, …",
};
const SPARE: Key<Whole> = Key {
    name: "spare",
    shape: Whole { min: 0, max: MOST },
    need: Need::Default("0"),
    doc: "Servers beyond those, absent until a fault starts them.",
};
const CLIENTS: Key<Whole> =
    Key { name: "clients", shape: Whole { min: 0, max: MOST }, need: Need::Default("0"), doc: "Clients: c1, c2, …" };

/// The keys of `[cluster]`.
pub(in super::super) static CLUSTER: Section =
    Section { name: "cluster", doc: "How many nodes there are.", keys: &[&SERVERS, &SPARE, &CLIENTS] };

/// `[cluster]`.
#[derive(Debug)]
pub(in super::super) struct ClusterFields;

impl Fields for ClusterFields {
    type Value = Cluster;

    fn section(&self) -> &'static Section {
        &CLUSTER
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Cluster> {
        let servers = table.get(reader, &SERVERS);
        let spare = table.get(reader, &SPARE);
        let clients = table.get(reader, &CLIENTS);
        let (servers, spare, clients) = (servers?, spare?, clients?);
        if servers + spare > MOST {
            let message =
                format!("servers and spare together are {}; a cluster has at most {MOST} servers", servers + spare);
            reader.report(&table.key_span("spare"), &table.path_of("spare"), Problem::new(message));
            return None;
        }
        let fits = |count: u64| u16::try_from(count).expect("at most 64");
        Some(Cluster { servers: fits(servers), spare: fits(spare), clients: fits(clients) })
    }

    fn pairs(&self, value: &Cluster) -> Pairs {
        Pairs::default()
            .put(&SERVERS, &u64::from(value.servers))
            .put(&SPARE, &u64::from(value.spare))
            .put(&CLIENTS, &u64::from(value.clients))
    }
}
