//! `[disk]`: how long writes and syncs take, and how much fits.

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::run::DiskOptions;
use splitbrain_kernel::selector::Span;
use splitbrain_kernel::time::Duration;

use crate::scenario::key::{Key, Need, Section, Table};
use crate::scenario::reader::Reader;
use crate::scenario::shape::Whole;
use crate::scenario::shape::quantity::{ANY_TIME, Between, Time};

use super::{Fields, NodeTables, Pairs};

const WRITE: Key<Between<Time>> = Key {
    name: "write",
    shape: Between(ANY_TIME),
    need: Need::Default("\"10us..100us\""),
    doc: "How long a write takes until it is in the page cache; drawn for each write.",
};
const SYNC: Key<Between<Time>> = Key {
    name: "sync",
    shape: Between(ANY_TIME),
    need: Need::Default("\"500us..2ms\""),
    doc: "How long a sync takes until what was written is durable; drawn for each sync.",
};
const CAPACITY: Key<Whole> = Key {
    name: "capacity",
    shape: Whole { min: 0, max: 1_000_000_000 },
    need: Need::Default("0"),
    doc: "Records that fit on each disk; 0 is no limit.",
};

const NODES: Key<NodeTables<NodeFields>> = Key {
    name: "nodes",
    shape: NodeTables(NodeFields),
    need: Need::Default("{}"),
    doc: "[disk.nodes.s3]: write, sync and capacity of single nodes.",
};

/// The keys of `[disk]`.
pub(crate) static DISK: Section =
    Section { name: "disk", doc: "The disk of every node.", keys: &[&WRITE, &SYNC, &CAPACITY, &NODES] };

const NODE_WRITE: Key<Between<Time>> =
    Key { need: Need::Optional, doc: "How long a write takes on this node; as on the others where absent.", ..WRITE };
const NODE_SYNC: Key<Between<Time>> =
    Key { need: Need::Optional, doc: "How long a sync takes on this node; as on the others where absent.", ..SYNC };
const NODE_CAPACITY: Key<Whole> = Key {
    need: Need::Optional,
    doc: "Records that fit on the disk of this node, 0 is no limit; as on the others where absent.",
    ..CAPACITY
};

/// The keys of `[disk.nodes.<node>]`.
pub(crate) static DISK_NODE: Section = Section {
    name: "disk.nodes.<node>",
    doc: "The disk of one node.",
    keys: &[&NODE_WRITE, &NODE_SYNC, &NODE_CAPACITY],
};

/// `[disk]`.
#[derive(Debug)]
pub(crate) struct DiskFields;

impl Fields for DiskFields {
    type Value = (DiskOptions, BTreeMap<NodeId, DiskOptions>);

    fn section(&self) -> &'static Section {
        &DISK
    }

    fn nodes_key(&self) -> Option<&'static str> {
        Some(NODES.name)
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Self::Value> {
        let write = table.get(reader, &WRITE);
        let sync = table.get(reader, &SYNC);
        let capacity = table.get(reader, &CAPACITY);
        let nodes = table.get(reader, &NODES);
        let (write, sync) = (write?, sync?);
        let base = DiskOptions {
            write_min: write.low,
            write_max: write.high,
            sync_min: sync.low,
            sync_max: sync.high,
            capacity: capacity?,
        };
        let nodes = nodes?.into_iter().map(|(node, apart)| (node, apart.over(base))).collect();
        Some((base, nodes))
    }

    fn pairs(&self, (base, _): &Self::Value) -> Pairs {
        disk_pairs(base)
    }
}

/// The pairs of `[disk]` or `[disk.nodes.<node>]`, whose keys have the same names.
pub(crate) fn disk_pairs(value: &DiskOptions) -> Pairs {
    Pairs::default()
        .put(&WRITE, &Span { low: value.write_min, high: value.write_max })
        .put(&SYNC, &Span { low: value.sync_min, high: value.sync_max })
        .put(&CAPACITY, &value.capacity)
}

/// What is said of the disk of one node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Apart {
    write: Option<Span<Duration>>,
    sync: Option<Span<Duration>>,
    capacity: Option<u64>,
}

impl Apart {
    fn over(self, base: DiskOptions) -> DiskOptions {
        let write = self.write.unwrap_or(Span { low: base.write_min, high: base.write_max });
        let sync = self.sync.unwrap_or(Span { low: base.sync_min, high: base.sync_max });
        DiskOptions {
            write_min: write.low,
            write_max: write.high,
            sync_min: sync.low,
            sync_max: sync.high,
            capacity: self.capacity.unwrap_or(base.capacity),
        }
    }
}

#[derive(Debug)]
struct NodeFields;

impl Fields for NodeFields {
    type Value = Apart;

    fn section(&self) -> &'static Section {
        &DISK_NODE
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Apart> {
        let write = table.get(reader, &NODE_WRITE);
        let sync = table.get(reader, &NODE_SYNC);
        let capacity = table.get(reader, &NODE_CAPACITY);
        Some(Apart { write, sync, capacity })
    }

    fn pairs(&self, value: &Apart) -> Pairs {
        Pairs::default()
            .put_some(&NODE_WRITE, value.write.as_ref())
            .put_some(&NODE_SYNC, value.sync.as_ref())
            .put_some(&NODE_CAPACITY, value.capacity.as_ref())
    }
}
