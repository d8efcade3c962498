//! `[disk]`: how long writes and syncs take, and how much fits.

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::run::DiskOptions;
use splitbrain_kernel::selector::Span;
use splitbrain_kernel::time::Duration;

use crate::scenario::shape::Integer;
use crate::scenario::shape::quantity::{ANY_TIME, OrRange};

use super::{Fields as _, NodeTables, Pairs};

const CAPACITY: Integer = Integer { min: 0, max: 1_000_000_000 };

section! {
    /// The disk of every node.
    pub(crate) DISK = "disk", DiskFields -> DiskTable {
        /// How long a write takes until it is in the page cache; drawn for each write.
        write: OrRange(ANY_TIME), default "\"10us..100us\"";
        /// How long a sync takes until what was written is durable; drawn for each sync.
        sync: OrRange(ANY_TIME), default "\"500us..2ms\"";
        /// Records that fit on each disk; 0 is no limit.
        capacity: CAPACITY, default "0";
        /// [disk.nodes.s3]: write, sync and capacity of single nodes.
        nodes: NodeTables(NodeFields), apart "{}";
    }
    impl {
        fn nodes_key(&self) -> Option<&'static str> {
            Some("nodes")
        }
    }
}

section! {
    /// The disk of one node.
    pub(crate) DISK_NODE = "disk.nodes.<node>", NodeFields -> NodeDisk {
        /// How long a write takes on this node; as on the others where absent.
        write: OrRange(ANY_TIME), optional;
        /// How long a sync takes on this node; as on the others where absent.
        sync: OrRange(ANY_TIME), optional;
        /// Records that fit on the disk of this node, 0 is no limit; as on the others where absent.
        capacity: CAPACITY, optional;
    }
}

/// What is said of disks.
#[derive(Clone, Debug)]
pub(crate) struct DiskTable {
    write: Span<Duration>,
    sync: Span<Duration>,
    capacity: u64,
    nodes: BTreeMap<NodeId, NodeDisk>,
}

impl DiskTable {
    /// The disk of every node, and those of the nodes that are set apart.
    pub(crate) fn resolved(self) -> (DiskOptions, BTreeMap<NodeId, DiskOptions>) {
        let base = DiskOptions {
            write_min: self.write.low,
            write_max: self.write.high,
            sync_min: self.sync.low,
            sync_max: self.sync.high,
            capacity: self.capacity,
        };
        (base, self.nodes.into_iter().map(|(node, apart)| (node, apart.over(base))).collect())
    }
}

impl From<DiskOptions> for DiskTable {
    /// A file that sets no node apart.
    fn from(value: DiskOptions) -> Self {
        Self {
            write: Span { low: value.write_min, high: value.write_max },
            sync: Span { low: value.sync_min, high: value.sync_max },
            capacity: value.capacity,
            nodes: BTreeMap::new(),
        }
    }
}

/// What is said of the disk of one node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeDisk {
    write: Option<Span<Duration>>,
    sync: Option<Span<Duration>>,
    capacity: Option<u64>,
}

impl NodeDisk {
    fn over(self, base: DiskOptions) -> DiskOptions {
        let base = DiskTable::from(base);
        let (write, sync) = (self.write.unwrap_or(base.write), self.sync.unwrap_or(base.sync));
        DiskTable { write, sync, capacity: self.capacity.unwrap_or(base.capacity), ..base }.resolved().0
    }
}

/// The pairs of `[disk.nodes.<node>]`.
pub(crate) fn node_pairs(disk: DiskOptions) -> Pairs {
    let DiskTable { write, sync, capacity, .. } = DiskTable::from(disk);
    NodeFields.pairs(&NodeDisk { write: Some(write), sync: Some(sync), capacity: Some(capacity) })
}
