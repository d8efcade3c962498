//! What a run looks like from outside, event for event: the input of reports and of a comparison of two runs.
//!
//! Nothing is formatted here. A [`Tracer`] gets references to typed data, and makes of them what it likes.

use crate::context::{OperationId, OperationResult};
use crate::fault::Fault;
use crate::id::{Link, NodeId};
use crate::invariant::{FaultChange, Input, Violation};
use crate::network::DropReason;
use crate::node::{ConnectionId, Node, Write, WriteId};
use crate::plan::Moment;
use crate::time::Instant;

/// The version of the recorded form. A recording of another version is refused.
pub const FORMAT: u32 = 3;

/// One thing that happened.
#[derive(Debug)]
pub enum TraceItem<'a, N: Node> {
    /// A node handles an input. This is what counts as an event.
    Input {
        /// The node.
        node: NodeId,
        /// The input.
        input: Input<'a, N>,
    },
    /// A node sends. A message that is lost at once is followed by [`TraceItem::Lost`].
    Sent {
        /// The source and the target.
        link: Link,
        /// Over which connection.
        connection: Option<ConnectionId>,
        /// What.
        message: &'a N::Message,
        /// Its ordinal on the link.
        ordinal: u64,
        /// When it will arrive, if nothing comes between.
        arrives: Option<Instant>,
        /// When its second copy will.
        again: Option<Instant>,
    },
    /// A packet is lost.
    Lost {
        /// The source and the target.
        link: Link,
        /// Its ordinal on the link.
        ordinal: u64,
        /// Why.
        why: DropReason,
    },
    /// A packet is held at a clogged link.
    Held {
        /// The source and the target.
        link: Link,
        /// Its ordinal on the link.
        ordinal: u64,
    },
    /// A node writes.
    Wrote {
        /// The node.
        node: NodeId,
        /// The write.
        id: WriteId,
        /// What changes.
        write: &'a Write<N::Record>,
    },
    /// A node tells something.
    Observed {
        /// The node.
        node: NodeId,
        /// What.
        observation: &'a N::Observation,
    },
    /// A client begins an operation.
    Invoked {
        /// The client.
        node: NodeId,
        /// The operation.
        id: OperationId,
        /// What is asked.
        operation: &'a N::Operation,
    },
    /// A client's operation ends.
    Completed {
        /// The client.
        node: NodeId,
        /// The operation.
        id: OperationId,
        /// How.
        result: OperationResult<&'a N::Response>,
    },
    /// A node's process ends by itself.
    Exited {
        /// The node.
        node: NodeId,
        /// Why.
        reason: &'a str,
    },
    /// A fault starts or is lifted.
    Fault {
        /// The id that it has in the plan.
        id: &'a str,
        /// Whether it starts.
        change: FaultChange,
        /// What it is.
        fault: &'a Fault,
    },
    /// The settle phase begins.
    Settled {
        /// The servers of the core.
        core: &'a [NodeId],
    },
    /// An invariant is broken.
    Violated(&'a Violation),
}

/// Takes note of what happens.
pub trait Tracer<N: Node> {
    /// Whether it takes note at all. If not, nothing is prepared for it.
    fn is_on(&self) -> bool;

    /// One thing happened.
    fn record(&mut self, moment: Moment, item: TraceItem<'_, N>);

    /// This node is about to be made by [`crate::system::System::node`]: what happens until its first input belongs to
    /// it. It is no item, as nothing of it can be seen from outside.
    fn before_node(&mut self, moment: Moment, node: NodeId) {
        let _ = (moment, node);
    }
}

/// Takes no note. What would be prepared for it is not even compiled, as the compiler knows its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoTrace;

impl<N: Node> Tracer<N> for NoTrace {
    #[inline(always)]
    fn is_on(&self) -> bool {
        false
    }

    fn record(&mut self, _: Moment, _: TraceItem<'_, N>) {}
}

/// A tracer that is lent. As `&mut dyn Tracer` it is one type whatever records, so one compiled world serves all.
impl<N: Node, T: Tracer<N> + ?Sized> Tracer<N> for &mut T {
    fn is_on(&self) -> bool {
        (**self).is_on()
    }

    fn record(&mut self, moment: Moment, item: TraceItem<'_, N>) {
        (**self).record(moment, item);
    }

    fn before_node(&mut self, moment: Moment, node: NodeId) {
        (**self).before_node(moment, node);
    }
}
