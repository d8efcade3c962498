//! Which connection of the simulator carries which stream, and what goes over it.

use std::collections::BTreeMap;

use splitbrain_kernel::context::Context;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::ConnectionId;

use crate::reactor::linux::Linux;
use crate::reactor::linux::descriptor::DescriptionId;
use crate::reactor::linux::stream::Segment;
use crate::reactor::message::Wire;
use crate::reactor::node::ReactorNode;

/// The connections that are open, both ways.
///
/// A stream that was closed in good order is an orphan: it has a connection for as long as the client has not closed
/// its own end, so that what the client still acknowledges reaches a socket, as over TCP.
#[derive(Clone, Debug, Default)]
pub(super) struct Wires {
    by_connection: BTreeMap<ConnectionId, DescriptionId>,
    /// Without orphans.
    by_description: BTreeMap<DescriptionId, (ConnectionId, NodeId)>,
}

impl Wires {
    pub(super) fn add(&mut self, connection: ConnectionId, peer: NodeId, id: DescriptionId) {
        self.by_connection.insert(connection, id);
        self.by_description.insert(id, (connection, peer));
    }

    pub(super) fn description(&self, connection: ConnectionId) -> Option<DescriptionId> {
        self.by_connection.get(&connection).copied()
    }

    pub(super) fn connection(&self, id: DescriptionId) -> Option<ConnectionId> {
        self.by_description.get(&id).map(|(connection, _)| *connection)
    }

    pub(super) fn remove(&mut self, connection: ConnectionId) -> Option<DescriptionId> {
        let id = self.by_connection.remove(&connection)?;
        self.by_description.remove(&id);
        Some(id)
    }

    /// Sends what the streams have to say. A reset ends the connection; a stream that is closed becomes an orphan.
    pub(super) fn carry(&mut self, ctx: &mut Context<ReactorNode>, linux: &mut Linux) {
        let mut sent = Vec::new();
        for (id, segment) in linux.take_wire() {
            // Clients do not watch their sockets, so an edge with nothing new has no effect there.
            if segment == Segment::FinAcknowledged {
                continue;
            }
            if let Some((connection, peer)) = self.by_description.get(&id).copied() {
                sent.push((id, connection, segment == Segment::Reset));
                ctx.send_on(connection, peer, wire(segment));
            }
        }
        for (id, connection, is_reset) in sent {
            if is_reset && self.remove(connection).is_some() {
                ctx.close(connection);
            } else if linux.stream(id).is_none() {
                self.by_description.remove(&id);
            }
        }
    }
}

fn wire(segment: Segment) -> Wire {
    match segment {
        Segment::Data { bytes, is_urgent } => Wire::Data { bytes, is_urgent },
        Segment::Taken(count) => Wire::Taken { count },
        Segment::Fin => Wire::Fin,
        Segment::Reset => Wire::Reset,
        Segment::FinAcknowledged => unreachable!("it is not sent"),
        Segment::Shut(_) | Segment::Gone { .. } => unreachable!("a Unix socket has no end on another machine"),
    }
}

pub(super) fn segment(wire: Wire) -> Segment {
    match wire {
        Wire::Data { bytes, is_urgent } => Segment::Data { bytes, is_urgent },
        Wire::Taken { count } => Segment::Taken(count),
        Wire::Fin => Segment::Fin,
        Wire::Reset => Segment::Reset,
    }
}
