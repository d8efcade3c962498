//! What is under way between the nodes of a script: datagrams, and the parts of connections.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{Link, NodeId};
use crate::node::{ConnectionChange, ConnectionId};

/// A packet that has been sent and has not arrived.
#[derive(Clone, Debug)]
pub(super) struct Packet<M> {
    /// Counted over the whole script.
    pub(super) number: u64,
    pub(super) link: Link,
    /// The term or epoch that the sender was in.
    pub(super) epoch: Option<u64>,
    pub(super) content: Content<M>,
}

#[derive(Clone, Debug)]
pub(super) enum Content<M> {
    Datagram(M),
    /// A message over a connection.
    Data(ConnectionId, M),
    /// A node wants to open a connection.
    Open(ConnectionId),
    /// What the node at the other end is told of a connection.
    Change(ConnectionId, ConnectionChange),
}

impl<M> Content<M> {
    pub(super) const fn message(&self) -> Option<&M> {
        match self {
            Self::Datagram(message) | Self::Data(_, message) => Some(message),
            Self::Open(_) | Self::Change(..) => None,
        }
    }

    const fn connection(&self) -> Option<ConnectionId> {
        match self {
            Self::Datagram(_) => None,
            Self::Data(id, _) | Self::Open(id) | Self::Change(id, _) => Some(*id),
        }
    }

    /// Whether it can be lost by itself: what belongs to a connection cannot.
    pub(super) const fn is_datagram(&self) -> bool {
        matches!(self, Self::Datagram(_))
    }
}

/// Packets in the order in which they were sent, and the ends of connections that are open.
#[derive(Debug)]
pub(super) struct Flight<M> {
    packets: Vec<Packet<M>>,
    sent: u64,
    cut: BTreeSet<Link>,
    acceptors: BTreeMap<ConnectionId, NodeId>,
    open: BTreeSet<(ConnectionId, NodeId)>,
}

impl<M> Flight<M> {
    pub(super) const fn new() -> Self {
        Self { packets: Vec::new(), sent: 0, cut: BTreeSet::new(), acceptors: BTreeMap::new(), open: BTreeSet::new() }
    }

    pub(super) fn packets(&self) -> &[Packet<M>] {
        &self.packets
    }

    pub(super) fn send(&mut self, link: Link, epoch: Option<u64>, content: Content<M>) {
        self.sent += 1;
        self.packets.push(Packet { number: self.sent, link, epoch, content });
    }

    /// Takes a packet out, if it is still there.
    pub(super) fn take(&mut self, number: u64) -> Option<Packet<M>> {
        let place = self.packets.iter().position(|packet| packet.number == number)?;
        Some(self.packets.remove(place))
    }

    pub(super) fn cut(&mut self, link: Link) {
        self.cut.insert(link);
    }

    pub(super) fn heal(&mut self) {
        self.cut.clear();
    }

    pub(super) fn is_cut(&self, link: Link) -> bool {
        self.cut.contains(&link)
    }

    /// Whether a packet waits: its link is cut, and a connection loses nothing.
    pub(super) fn waits(&self, packet: &Packet<M>) -> bool {
        self.is_cut(packet.link) && !packet.content.is_datagram()
    }

    /// A node dials another.
    pub(super) fn dial(&mut self, id: ConnectionId, link: Link) {
        self.acceptors.insert(id, link.target);
        self.send(link, None, Content::Open(id));
    }

    pub(super) fn open_end(&mut self, id: ConnectionId, node: NodeId) {
        self.open.insert((id, node));
    }

    /// Closes the end of this node. Returns whether it was open.
    pub(super) fn close_end(&mut self, id: ConnectionId, node: NodeId) -> bool {
        self.open.remove(&(id, node))
    }

    pub(super) fn is_open(&self, id: ConnectionId, node: NodeId) -> bool {
        self.open.contains(&(id, node))
    }

    /// A node closes its end, and the other one will hear of it.
    pub(super) fn close(&mut self, id: ConnectionId, node: NodeId) {
        if self.close_end(id, node) {
            self.send(self.link_from(id, node), None, Content::Change(id, ConnectionChange::Closed));
        }
    }

    /// The process of a node has ended: what it sent over its connections is lost, and the other ends will hear so.
    pub(super) fn hang_up(&mut self, node: NodeId) {
        self.packets.retain(|packet| packet.link.source != node || packet.content.connection().is_none());
        let ends: Vec<ConnectionId> = self.open.iter().filter(|(_, end)| *end == node).map(|(id, _)| *id).collect();
        for id in ends {
            self.close_end(id, node);
            self.send(self.link_from(id, node), None, Content::Change(id, ConnectionChange::Reset));
        }
    }

    /// From one end of a connection to the other.
    fn link_from(&self, id: ConnectionId, node: NodeId) -> Link {
        let acceptor = self.acceptors.get(&id).copied().expect("an open connection was dialled");
        Link::new(node, if node == id.opener { acceptor } else { id.opener })
    }
}
