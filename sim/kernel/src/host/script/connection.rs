//! Connections of a script: the states of their ends, as the world has them, without its time limit.

use std::collections::BTreeMap;

use crate::id::NodeId;
use crate::node::ConnectionId;

use super::flight::Packet;

/// All connections of which an end still knows. End 0 is the opener's.
#[derive(Debug)]
pub(super) struct Connections<M>(BTreeMap<ConnectionId, [End<M>; 2]>);

/// One end of a connection.
#[derive(Debug)]
pub(super) struct End<M> {
    pub(super) node: NodeId,
    pub(super) state: State,
    /// The number of the next part that it sends.
    next_number: u64,
    /// The number of the next part that it takes in.
    expected: u64,
    /// What came before its turn: only numbers above `expected`.
    early: BTreeMap<u64, Packet<M>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It asked for a connection.
    Opening,
    Open,
    /// It said that it closes: what it sent before still goes out, nothing comes in.
    Closing,
    Closed,
}

/// A part of a connection, under way.
#[derive(Clone, Debug)]
pub(super) struct Part<M> {
    pub(super) connection: ConnectionId,
    /// The end that it comes from.
    pub(super) from: usize,
    pub(super) number: u64,
    pub(super) body: Body<M>,
}

/// What a part says.
#[derive(Clone, Debug)]
pub(super) enum Body<M> {
    Open,
    Answer,
    Refuse,
    Reset,
    Close,
    Data(M),
}

impl<M> Body<M> {
    /// Whether it is said once, has no number, and counts as soon as it is there.
    pub(super) const fn is_loose(&self) -> bool {
        matches!(self, Self::Refuse | Self::Reset)
    }

    pub(super) const fn is_data(&self) -> bool {
        matches!(self, Self::Data(_))
    }
}

impl<M> End<M> {
    const fn new(node: NodeId, state: State) -> Self {
        Self { node, state, next_number: 0, expected: 0, early: BTreeMap::new() }
    }

    /// Whether it hears and says: an end that opens or is open.
    pub(super) const fn is_alive(&self) -> bool {
        matches!(self.state, State::Opening | State::Open)
    }

    /// Keeps a part that came before its turn. Gives back one whose turn it is.
    pub(super) fn in_turn(&mut self, number: u64, packet: Packet<M>) -> Result<Packet<M>, Packet<M>>
    where
        M: Clone,
    {
        if number <= self.expected || self.state == State::Closed {
            return Ok(packet);
        }
        self.early.insert(number, packet.clone());
        Err(packet)
    }

    /// The part that was just there is taken in. Returns the next one, if it came before its turn.
    pub(super) fn next_in_turn(&mut self) -> Option<Packet<M>> {
        self.expected += 1;
        self.early.remove(&self.expected)
    }

    pub(super) fn close(&mut self) {
        self.state = State::Closed;
        self.early.clear();
    }
}

impl<M> Connections<M> {
    pub(super) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    pub(super) fn dial(&mut self, id: ConnectionId, opener: NodeId, acceptor: NodeId) {
        self.0.insert(id, [End::new(opener, State::Opening), End::new(acceptor, State::Closed)]);
    }

    pub(super) fn end(&self, id: ConnectionId, end: usize) -> Option<&End<M>> {
        Some(&self.0.get(&id)?[end])
    }

    pub(super) fn end_mut(&mut self, id: ConnectionId, end: usize) -> Option<&mut End<M>> {
        Some(&mut self.0.get_mut(&id)?[end])
    }

    /// The end of this node, with its state.
    pub(super) fn end_of(&self, id: ConnectionId, node: NodeId) -> Option<(usize, State)> {
        let ends = self.0.get(&id)?;
        let end = ends.iter().position(|end| end.node == node)?;
        Some((end, ends[end].state))
    }

    /// The ends of a node that this holds for.
    pub(super) fn ends_where(&self, node: NodeId, holds: impl Fn(&End<M>) -> bool) -> Vec<(ConnectionId, usize)> {
        let ends = self.0.iter().flat_map(|(id, [first, second])| [(*id, 0, first), (*id, 1, second)]);
        ends.filter(|(_, _, it)| it.node == node && holds(it)).map(|(id, end, _)| (id, end)).collect()
    }

    /// The number of the next part that an end sends.
    pub(super) fn number(&mut self, id: ConnectionId, end: usize, body: &Body<M>) -> Option<u64> {
        let end = self.end_mut(id, end)?;
        let number = end.next_number;
        end.next_number += u64::from(!body.is_loose());
        Some(number)
    }

    /// A connection of which both ends have finished is forgotten: what is under way changes nothing any more.
    pub(super) fn forget_if_done(&mut self, id: ConnectionId) {
        if self.0.get(&id).is_some_and(|ends| ends.iter().all(|end| !end.is_alive())) {
            self.0.remove(&id);
        }
    }
}
