//! `[clocks]`: what each node's clocks are drawn from, and the bounds that a system may rely on.

use super::super::key::{Key, Need, Section, Table};
use super::super::reader::Reader;
use super::super::shape::quantity::{ANY_TIME, Between, Drift, DriftBound, One, Signed, Time};
use super::super::{ClockBounds, ClockChoices, ClockSpans};
use super::{Fields, NodeTables, Pairs};

const DRIFT: Key<Between<Drift>> = Key {
    name: "drift",
    shape: Between(Drift),
    need: Need::Default("\"0ppm\""),
    doc: "How much the clocks of a node run fast; drawn once for each node.",
};
const OFFSET: Key<Between<Signed>> = Key {
    name: "offset",
    shape: Between(Signed),
    need: Need::Default("\"0s\""),
    doc: "How far the wall clock of a node is ahead at the start; drawn once for each node.",
};
const SKEW_BOUND: Key<One<Time>> = Key {
    name: "skew_bound",
    shape: One(ANY_TIME),
    need: Need::Optional,
    doc: "Two wall clocks differ by at most this. The system may rely on it, and random clock faults stay within. A \
          scenario that leaves it otherwise expects the violation.",
};
const DRIFT_BOUND: Key<One<DriftBound>> = Key {
    name: "drift_bound",
    shape: One(DriftBound),
    need: Need::Optional,
    doc: "A clock runs fast or slow by at most this. The system may rely on it, and random clock faults stay within. \
          A scenario that leaves it otherwise expects the violation.",
};
const NODES: Key<NodeTables<NodeFields>> = Key {
    name: "nodes",
    shape: NodeTables(NodeFields),
    need: Need::Default("{}"),
    doc: "[clocks.nodes.s3]: drift and offset of single nodes.",
};

/// The keys of `[clocks]`.
pub(in super::super) static CLOCKS: Section = Section {
    name: "clocks",
    doc: "Each node has a monotonic clock and a wall clock of its own.",
    keys: &[&DRIFT, &OFFSET, &SKEW_BOUND, &DRIFT_BOUND, &NODES],
};

const NODE_DRIFT: Key<Between<Drift>> = Key {
    need: Need::Optional,
    doc: "How much the clocks of this node run fast; that of the others where absent.",
    ..DRIFT
};
const NODE_OFFSET: Key<Between<Signed>> = Key {
    need: Need::Optional,
    doc: "How far the wall clock of this node is ahead; that of the others where absent.",
    ..OFFSET
};

/// The keys of `[clocks.nodes.<node>]`.
pub(in super::super) static CLOCKS_NODE: Section =
    Section { name: "clocks.nodes.<node>", doc: "The clocks of one node.", keys: &[&NODE_DRIFT, &NODE_OFFSET] };

/// `[clocks]`.
#[derive(Debug)]
pub(in super::super) struct ClockFields;

impl Fields for ClockFields {
    type Value = (ClockChoices, ClockBounds);

    fn section(&self) -> &'static Section {
        &CLOCKS
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Self::Value> {
        let drift_ppm = table.get(reader, &DRIFT);
        let offset = table.get(reader, &OFFSET);
        let skew = table.get(reader, &SKEW_BOUND);
        let drift_bound = table.get(reader, &DRIFT_BOUND);
        let nodes = table.get(reader, &NODES);
        let base = ClockSpans { drift_ppm: drift_ppm?, offset: offset? };
        let nodes = nodes?.into_iter().map(|(node, spans)| (node, spans.over(base))).collect();
        Some((ClockChoices { base, nodes }, ClockBounds { skew, drift_ppm: drift_bound }))
    }

    fn pairs(&self, (clocks, bounds): &Self::Value) -> Pairs {
        Pairs::default()
            .put(&DRIFT, &clocks.base.drift_ppm)
            .put(&OFFSET, &clocks.base.offset)
            .put_some(&SKEW_BOUND, bounds.skew.as_ref())
            .put_some(&DRIFT_BOUND, bounds.drift_ppm.as_ref())
    }
}

/// The pairs of `[clocks.nodes.<node>]`.
pub(in super::super) fn node_pairs(spans: &ClockSpans) -> Pairs {
    Pairs::default().put(&NODE_DRIFT, &spans.drift_ppm).put(&NODE_OFFSET, &spans.offset)
}

/// What is said of one node.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Apart {
    drift_ppm: Option<splitbrain_kernel::selector::Span<i32>>,
    offset: Option<splitbrain_kernel::selector::Span<splitbrain_kernel::fault::Offset>>,
}

impl Apart {
    fn over(self, base: ClockSpans) -> ClockSpans {
        ClockSpans { drift_ppm: self.drift_ppm.unwrap_or(base.drift_ppm), offset: self.offset.unwrap_or(base.offset) }
    }
}

#[derive(Debug)]
struct NodeFields;

impl Fields for NodeFields {
    type Value = Apart;

    fn section(&self) -> &'static Section {
        &CLOCKS_NODE
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Apart> {
        let drift_ppm = table.get(reader, &NODE_DRIFT);
        let offset = table.get(reader, &NODE_OFFSET);
        Some(Apart { drift_ppm, offset })
    }

    fn pairs(&self, value: &Apart) -> Pairs {
        Pairs::default().put_some(&NODE_DRIFT, value.drift_ppm.as_ref()).put_some(&NODE_OFFSET, value.offset.as_ref())
    }
}
