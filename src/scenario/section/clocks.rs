//! `[clocks]`: what each node's clocks are drawn from, and the bounds that a system may rely on.

use splitbrain_kernel::clock::WALL_EPOCH;
use splitbrain_kernel::fault::Offset;
use splitbrain_kernel::selector::Span;
use splitbrain_kernel::time::{Duration, Instant};

use crate::scenario::key::{Key, Need, Section, Table};
use crate::scenario::reader::Reader;
use crate::scenario::shape::calendar::Date;
use crate::scenario::shape::quantity::{ANY_TIME, ANY_UPTIME, Between, Drift, DriftBound, One, Signed, Time};
use crate::scenario::{ClockBounds, ClockChoices, ClockSpans};

use super::{Fields, NodeTables, Pairs, SubTable};

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
const MONOTONIC: Key<Between<Time>> = Key {
    name: "monotonic",
    shape: Between(ANY_UPTIME),
    need: Need::Default("\"0s\""),
    doc: "What the monotonic clock of a node shows at the start: the time since its machine started. A 32-bit counter \
          of milliseconds wraps at \"1193h 2m 47s 296ms\", and turns negative at \"596h 31m 23s 648ms\". Drawn once \
          for each node.",
};
const WALL: Key<Between<Date>> = Key {
    name: "wall",
    shape: Between(Date),
    need: Need::Default("\"2023-11-14T22:13:20Z\""),
    doc: "What the wall clock of a node shows at the start if its offset is 0. A 32-bit counter of seconds wraps at \
          \"2106-02-07T06:28:16Z\", and turns negative at \"2038-01-19T03:14:08Z\". Drawn once for each node.",
};
const ORIGIN: Key<SubTable<OriginFields>> = Key {
    name: "origin",
    shape: SubTable(OriginFields { keys: &ORIGIN_TABLE }),
    need: Need::Default("{}"),
    doc: "What the clocks show at the start.",
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
    doc: "[clocks.nodes.s3]: drift, offset and origin of single nodes.",
};

/// The keys of `[clocks]`.
pub(crate) static CLOCKS: Section = Section {
    name: "clocks",
    doc: "Each node has a monotonic clock and a wall clock of its own.",
    keys: &[&DRIFT, &OFFSET, &ORIGIN, &SKEW_BOUND, &DRIFT_BOUND, &NODES],
};
/// The keys of `[clocks.origin]`.
pub(crate) static ORIGIN_TABLE: Section = Section {
    name: "clocks.origin",
    doc: "What the clocks show at the start of a run, so that one can be about to wrap.",
    keys: &[&MONOTONIC, &WALL],
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

const NODE_MONOTONIC: Key<Between<Time>> = Key {
    need: Need::Optional,
    doc: "What the monotonic clock of this node shows at the start; as on the others where absent.",
    ..MONOTONIC
};
const NODE_WALL: Key<Between<Date>> = Key {
    need: Need::Optional,
    doc: "What the wall clock of this node shows at the start; as on the others where absent.",
    ..WALL
};
static NODE_ORIGIN_TABLE: Section = Section { keys: &[&NODE_MONOTONIC, &NODE_WALL], ..ORIGIN_TABLE };
const NODE_ORIGIN: Key<SubTable<OriginFields>> = Key {
    shape: SubTable(OriginFields { keys: &NODE_ORIGIN_TABLE }),
    doc: "What the clocks of this node show at the start: { monotonic = \"1193h 2m 37s\" }; what is not named is as on \
          the others.",
    ..ORIGIN
};

/// The keys of `[clocks.nodes.<node>]`.
pub(crate) static CLOCKS_NODE: Section = Section {
    name: "clocks.nodes.<node>",
    doc: "The clocks of one node.",
    keys: &[&NODE_DRIFT, &NODE_OFFSET, &NODE_ORIGIN],
};

/// `[clocks]`.
#[derive(Debug)]
pub(crate) struct ClockFields;

impl Fields for ClockFields {
    type Value = (ClockChoices, ClockBounds);

    fn section(&self) -> &'static Section {
        &CLOCKS
    }

    fn nodes_key(&self) -> Option<&'static str> {
        Some(NODES.name)
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Self::Value> {
        let drift_ppm = table.get(reader, &DRIFT);
        let offset = table.get(reader, &OFFSET);
        let origin = table.get(reader, &ORIGIN);
        let skew = table.get(reader, &SKEW_BOUND);
        let drift_bound = table.get(reader, &DRIFT_BOUND);
        let nodes = table.get(reader, &NODES);
        let base = Apart { drift_ppm, offset, origin: origin? }.over(ORDINARY);
        let nodes = nodes?.into_iter().map(|(node, spans)| (node, spans.over(base))).collect();
        Some((ClockChoices { base, nodes }, ClockBounds { skew, drift_ppm: drift_bound }))
    }

    fn pairs(&self, (clocks, bounds): &Self::Value) -> Pairs {
        node_pairs(&clocks.base)
            .put_some(&SKEW_BOUND, bounds.skew.as_ref())
            .put_some(&DRIFT_BOUND, bounds.drift_ppm.as_ref())
    }
}

/// A clock of which nothing is said.
const ORDINARY: ClockSpans = ClockSpans {
    drift_ppm: Span { low: 0, high: 0 },
    offset: Span { low: Offset(0), high: Offset(0) },
    monotonic: Span { low: Instant::ZERO, high: Instant::ZERO },
    wall: Span { low: WALL_EPOCH, high: WALL_EPOCH },
};

/// The pairs of `[clocks]` or `[clocks.nodes.<node>]`, whose keys have the same names.
pub(crate) fn node_pairs(spans: &ClockSpans) -> Pairs {
    let uptime = |at: Instant| at.since(Instant::ZERO);
    let monotonic = Span { low: uptime(spans.monotonic.low), high: uptime(spans.monotonic.high) };
    Pairs::default()
        .put(&DRIFT, &spans.drift_ppm)
        .put(&OFFSET, &spans.offset)
        .put(&ORIGIN, &Origin { monotonic: Some(monotonic), wall: Some(spans.wall) })
}

/// What is said of the clocks of one node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Apart {
    drift_ppm: Option<Span<i32>>,
    offset: Option<Span<Offset>>,
    origin: Origin,
}

impl Apart {
    fn over(self, base: ClockSpans) -> ClockSpans {
        let at = |uptime: Duration| Instant::ZERO.saturating_add(uptime);
        let monotonic = self.origin.monotonic.map(|Span { low, high }| Span { low: at(low), high: at(high) });
        ClockSpans {
            drift_ppm: self.drift_ppm.unwrap_or(base.drift_ppm),
            offset: self.offset.unwrap_or(base.offset),
            monotonic: monotonic.unwrap_or(base.monotonic),
            wall: self.origin.wall.unwrap_or(base.wall),
        }
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
        let origin = table.get(reader, &NODE_ORIGIN);
        Some(Apart { drift_ppm, offset, origin: origin? })
    }

    fn pairs(&self, value: &Apart) -> Pairs {
        Pairs::default()
            .put_some(&NODE_DRIFT, value.drift_ppm.as_ref())
            .put_some(&NODE_OFFSET, value.offset.as_ref())
            .put(&NODE_ORIGIN, &value.origin)
    }
}

/// `origin`: what clocks show at the start, as far as it is said.
#[derive(Clone, Copy, Debug)]
struct Origin {
    monotonic: Option<Span<Duration>>,
    wall: Option<Span<Instant>>,
}

/// `[clocks.origin]`, or that of one node.
struct OriginFields {
    keys: &'static Section,
}

impl std::fmt::Debug for OriginFields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.keys.name)
    }
}

impl Fields for OriginFields {
    type Value = Origin;

    fn section(&self) -> &'static Section {
        self.keys
    }

    fn noun(&self) -> String {
        r#"a table such as { monotonic = "1193h 2m 37s", wall = "2038-01-19T03:14:00Z" }"#.to_owned()
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Origin> {
        let monotonic = table.get(reader, &NODE_MONOTONIC);
        let wall = table.get(reader, &NODE_WALL);
        Some(Origin { monotonic, wall })
    }

    fn pairs(&self, value: &Origin) -> Pairs {
        Pairs::default().put_some(&NODE_MONOTONIC, value.monotonic.as_ref()).put_some(&NODE_WALL, value.wall.as_ref())
    }
}
