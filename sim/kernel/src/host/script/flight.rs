//! What is under way between the nodes of a script: datagrams, and the parts of connections.

use std::collections::BTreeSet;

use crate::id::{Link, NodeId};
use crate::node::ConnectionId;

use super::connection::{Body, Connections, Part, State};

/// A packet that has been sent and has not arrived.
#[derive(Clone, Debug)]
pub(super) struct Packet<M> {
    /// Counted over the whole script.
    pub(super) number: u64,
    pub(super) link: Link,
    /// The term or epoch that the sender was in.
    pub(super) epoch: Option<u64>,
    pub(super) content: Content<M>,
    /// Whether its link was cut while it was under way, and it is not sent again.
    pub(super) is_lost: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Content<M> {
    Datagram(M),
    Part(Part<M>),
}

impl<M> Content<M> {
    pub(super) const fn message(&self) -> Option<&M> {
        match self {
            Self::Datagram(message) | Self::Part(Part { body: Body::Data(message), .. }) => Some(message),
            Self::Part(_) => None,
        }
    }

    pub(super) const fn is_datagram(&self) -> bool {
        matches!(self, Self::Datagram(_))
    }
}

/// Packets in the order in which they were sent, and what decides whether they arrive.
#[derive(Debug)]
pub(super) struct Flight<M> {
    packets: Vec<Packet<M>>,
    sent: u64,
    cut: BTreeSet<Link>,
    /// Machines that do not run: they were never started, or have crashed.
    off: BTreeSet<NodeId>,
    pub(super) connections: Connections<M>,
}

impl<M> Flight<M> {
    pub(super) const fn new(off: BTreeSet<NodeId>) -> Self {
        Self { packets: Vec::new(), sent: 0, cut: BTreeSet::new(), off, connections: Connections::new() }
    }

    pub(super) fn packets(&self) -> &[Packet<M>] {
        &self.packets
    }

    pub(super) fn send(&mut self, link: Link, epoch: Option<u64>, content: Content<M>) {
        self.sent += 1;
        let mut packet = Packet { number: self.sent, link, epoch, content, is_lost: false };
        packet.is_lost = self.cut.contains(&link) && self.is_mortal(&packet);
        self.packets.push(packet);
    }

    /// Takes a packet out, if it is still there.
    pub(super) fn take(&mut self, number: u64) -> Option<Packet<M>> {
        let place = self.packets.iter().position(|packet| packet.number == number)?;
        Some(self.packets.remove(place))
    }

    /// What is under way over this link is lost, unless its sender has it still.
    pub(super) fn cut(&mut self, link: Link) {
        self.cut.insert(link);
        let mut packets = std::mem::take(&mut self.packets);
        for packet in packets.iter_mut().filter(|packet| packet.link == link) {
            packet.is_lost |= self.is_mortal(packet);
        }
        self.packets = packets;
    }

    pub(super) fn heal(&mut self) {
        self.cut.clear();
    }

    /// Whether a packet waits at its sender: the link is cut or the target's machine is off, and a connection loses
    /// nothing.
    pub(super) fn waits(&self, packet: &Packet<M>) -> bool {
        !packet.is_lost
            && !self.is_mortal(packet)
            && (self.cut.contains(&packet.link) || self.is_off(packet.link.target))
    }

    /// Whether nothing sends a packet again if it does not get through.
    fn is_mortal(&self, packet: &Packet<M>) -> bool {
        match &packet.content {
            Content::Datagram(_) => true,
            Content::Part(part) => {
                let end = self.connections.end(part.connection, part.from);
                part.body.is_loose() || end.is_none_or(|end| end.state == State::Closed)
            }
        }
    }

    pub(super) fn is_off(&self, node: NodeId) -> bool {
        self.off.contains(&node)
    }

    pub(super) fn turn_on(&mut self, node: NodeId) {
        self.off.remove(&node);
    }

    // Connections.

    /// A node dials another.
    pub(super) fn dial(&mut self, id: ConnectionId, link: Link) {
        self.connections.dial(id, link.source, link.target);
        self.transmit(id, 0, None, Body::Open);
    }

    /// An end sends a part.
    pub(super) fn transmit(&mut self, connection: ConnectionId, from: usize, epoch: Option<u64>, body: Body<M>) {
        let Some(number) = self.connections.number(connection, from, &body) else { return };
        let ends = [from, 1 - from].map(|end| self.connections.end(connection, end).map(|end| end.node));
        let [Some(source), Some(target)] = ends else { return };
        self.send(Link::new(source, target), epoch, Content::Part(Part { connection, from, number, body }));
    }

    /// A node closes its end. The other one learns of it after all that was sent before.
    pub(super) fn close(&mut self, id: ConnectionId, node: NodeId) {
        match self.connections.end_of(id, node) {
            Some((end, State::Open)) => {
                self.transmit(id, end, None, Body::Close);
                self.connections.end_mut(id, end).expect("the connection is known").state = State::Closing;
                self.connections.forget_if_done(id);
            }
            Some((end, State::Opening)) => self.close_end(id, end),
            Some((_, State::Closing | State::Closed)) | None => {}
        }
    }

    /// An end is closed from outside. What waits at it is lost.
    pub(super) fn close_end(&mut self, id: ConnectionId, end: usize) {
        self.shut(id, end);
        self.connections.forget_if_done(id);
    }

    fn shut(&mut self, id: ConnectionId, end: usize) {
        let mut packets = std::mem::take(&mut self.packets);
        packets.retain(|packet| {
            let is_of_end = matches!(&packet.content, Content::Part(part) if part.connection == id && part.from == end);
            !(is_of_end && self.waits(packet))
        });
        self.packets = packets;
        if let Some(end) = self.connections.end_mut(id, end) {
            end.close();
        }
    }

    /// A process ends: its machine resets its connections. What it sent before still arrives.
    pub(super) fn hang_up(&mut self, node: NodeId) {
        for (id, end) in self.connections.ends_where(node, |end| end.is_alive()) {
            self.shut(id, end);
            self.transmit(id, end, None, Body::Reset);
            self.connections.forget_if_done(id);
        }
    }

    /// A machine ends without a word: its ends are closed, the others do not know.
    pub(super) fn turn_off(&mut self, node: NodeId) {
        for (id, end) in self.connections.ends_where(node, |end| end.state != State::Closed) {
            self.close_end(id, end);
        }
        self.off.insert(node);
    }
}
