//! `[clocks]`: what each node's clocks are drawn from, and the bounds that a system may rely on.

use std::collections::BTreeMap;

use splitbrain_kernel::fault::Offset;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::selector::Span;
use splitbrain_kernel::time::{Duration, Instant};

use crate::scenario::shape::calendar::Date;
use crate::scenario::shape::quantity::{ANY_TIME, ANY_UPTIME, Drift, DriftBound, OrRange, Scalar, Signed};
use crate::scenario::{ClockBounds, ClockChoices, ClockSpans};

use super::{Fields as _, NodeTables, Pairs, SubTable};

section! {
    /// Each node has a monotonic clock and a wall clock of its own.
    pub(crate) CLOCKS = "clocks", ClockFields -> ClockTable {
        /// How much the clocks of a node run fast; drawn once for each node.
        drift: OrRange(Drift), default "\"0ppm\"";
        /// How far the wall clock of a node is ahead at the start; drawn once for each node.
        offset: OrRange(Signed), default "\"0s\"";
        /// What the clocks show at the start.
        origin: SubTable(OriginFields), default "{}";
        in bounds: ClockBounds {
            /// Two wall clocks differ by at most this. The system may rely on it, and random clock faults stay within.
            /// A scenario that leaves it otherwise expects the violation.
            skew as "skew_bound": Scalar(ANY_TIME), optional;
            /// A clock runs fast or slow by at most this. The system may rely on it, and random clock faults stay
            /// within. A scenario that leaves it otherwise expects the violation.
            drift_ppm as "drift_bound": Scalar(DriftBound), optional;
        }
        /// [clocks.nodes.s3]: drift, offset and origin of single nodes.
        nodes: NodeTables(NodeFields), apart "{}";
    }
    impl {
        fn nodes_key(&self) -> Option<&'static str> {
            Some("nodes")
        }
    }
}

section! {
    /// What the clocks show at the start of a run, so that one can be about to wrap.
    pub(crate) ORIGIN_TABLE = "clocks.origin", OriginFields -> OriginTable {
        /// What the monotonic clock of a node shows at the start: the time since its machine started. A 32-bit counter
        /// of milliseconds wraps at "1193h 2m 47s 296ms", and turns negative at "596h 31m 23s 648ms". Drawn once for
        /// each node.
        monotonic: OrRange(ANY_UPTIME), default "\"0s\"";
        /// What the wall clock of a node shows at the start if its offset is 0. A 32-bit counter of seconds wraps at
        /// "2106-02-07T06:28:16Z", and turns negative at "2038-01-19T03:14:08Z". Drawn once for each node.
        wall: OrRange(Date), default "\"2023-11-14T22:13:20Z\"";
    }
    noun r#"a table such as { monotonic = "1193h 2m 37s", wall = "2038-01-19T03:14:00Z" }"#;
}

section! {
    /// The clocks of one node.
    pub(crate) CLOCKS_NODE = "clocks.nodes.<node>", NodeFields -> NodeClocks {
        /// How much the clocks of this node run fast; that of the others where absent.
        drift: OrRange(Drift), optional;
        /// How far the wall clock of this node is ahead; that of the others where absent.
        offset: OrRange(Signed), optional;
        /// What the clocks of this node show at the start: { monotonic = "1193h 2m 37s" }; what is not named is as on
        /// the others.
        origin: SubTable(NodeOriginFields), default "{}";
    }
}

section! {
    /// What the clocks show at the start of a run, so that one can be about to wrap.
    NODE_ORIGIN = "clocks.origin", NodeOriginFields -> NodeOrigin {
        /// What the monotonic clock of this node shows at the start; as on the others where absent.
        monotonic: OrRange(ANY_UPTIME), optional;
        /// What the wall clock of this node shows at the start; as on the others where absent.
        wall: OrRange(Date), optional;
    }
    noun r#"a table such as { monotonic = "1193h 2m 37s", wall = "2038-01-19T03:14:00Z" }"#;
}

/// What is said of clocks.
#[derive(Clone, Debug)]
pub(crate) struct ClockTable {
    drift: Span<i32>,
    offset: Span<Offset>,
    origin: OriginTable,
    bounds: ClockBounds,
    nodes: BTreeMap<NodeId, NodeClocks>,
}

/// What clocks show at the start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OriginTable {
    monotonic: Span<Duration>,
    wall: Span<Instant>,
}

impl ClockTable {
    /// A file that sets no node apart.
    pub(crate) fn of(spans: &ClockSpans, bounds: ClockBounds) -> Self {
        let uptime = |at: Instant| at.since(Instant::ZERO);
        let monotonic = Span { low: uptime(spans.monotonic.low), high: uptime(spans.monotonic.high) };
        let origin = OriginTable { monotonic, wall: spans.wall };
        Self { drift: spans.drift_ppm, offset: spans.offset, origin, bounds, nodes: BTreeMap::new() }
    }

    /// The clocks of every node, and the bounds.
    pub(crate) fn resolved(self) -> (ClockChoices, ClockBounds) {
        let at = |uptime: Duration| Instant::ZERO.saturating_add(uptime);
        let Span { low, high } = self.origin.monotonic;
        let base = ClockSpans {
            drift_ppm: self.drift,
            offset: self.offset,
            monotonic: Span { low: at(low), high: at(high) },
            wall: self.origin.wall,
        };
        let nodes = self.nodes.into_iter().map(|(node, apart)| (node, apart.over(base))).collect();
        (ClockChoices { base, nodes }, self.bounds)
    }
}

/// What is said of the clocks of one node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeClocks {
    drift: Option<Span<i32>>,
    offset: Option<Span<Offset>>,
    origin: NodeOrigin,
}

#[derive(Clone, Copy, Debug)]
struct NodeOrigin {
    monotonic: Option<Span<Duration>>,
    wall: Option<Span<Instant>>,
}

impl NodeClocks {
    fn over(self, base: ClockSpans) -> ClockSpans {
        let base = ClockTable::of(&base, ClockBounds::default());
        let origin = OriginTable {
            monotonic: self.origin.monotonic.unwrap_or(base.origin.monotonic),
            wall: self.origin.wall.unwrap_or(base.origin.wall),
        };
        let (drift, offset) = (self.drift.unwrap_or(base.drift), self.offset.unwrap_or(base.offset));
        ClockTable { drift, offset, origin, ..base }.resolved().0.base
    }
}

/// The pairs of `[clocks.nodes.<node>]`.
pub(crate) fn node_pairs(spans: &ClockSpans) -> Pairs {
    let ClockTable { drift, offset, origin: OriginTable { monotonic, wall }, .. } =
        ClockTable::of(spans, ClockBounds::default());
    let origin = NodeOrigin { monotonic: Some(monotonic), wall: Some(wall) };
    NodeFields.pairs(&NodeClocks { drift: Some(drift), offset: Some(offset), origin })
}
