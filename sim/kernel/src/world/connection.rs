//! Connections: reliable, in order, and mortal.
//!
//! ```text
//!   opener                         acceptor
//!     │── Open ───────────────────────▶│  Accepted           (Refuse where no process listens, silence where
//!     │◀────────────────────── Answer ─│                      the machine is off or the link is cut)
//!  Opened                              │
//!     │── Data … Data ── Close ───────▶│  …, Closed
//! ```
//!
//! Loss and duplication never act inside a connection. What a cut link does not let through waits at the sender and
//! goes on, in order, when the cut is lifted; an end whose segments, or the answers to them, cannot pass for longer
//! than the time limit closes with `TimedOut`, and the other end does not learn of it (half-open) until it sends.
//!
//! What is simplified: acknowledgements are not packets. An end counts as unanswered while the way back is cut.

use std::collections::BTreeMap;

use crate::id::NodeId;
use crate::network::{ALL_KINDS, Arrival, Lost, Packet, Transport};
use crate::node::{ConnectionChange, ConnectionEvent, ConnectionId, Message, Node, Source};
use crate::system::System;
use crate::time::Instant;
use crate::trace::{TraceItem, Tracer};
use crate::universe::{Machine, Waiting};

use super::World;
use super::deliver::{Event, Held};

/// All connections of which an end still knows.
#[derive(Clone, Debug)]
pub(super) struct Connections<M> {
    by_id: BTreeMap<ConnectionId, Connection<M>>,
    next_ticket: u64,
}

/// A connection: end 0 is the opener's.
#[derive(Clone, Debug)]
struct Connection<M> {
    ends: [End<M>; 2],
}

/// One end of a connection.
///
/// - `waiting` holds segments that a cut stopped, in order of their number; while it is not empty, later ones join it.
/// - `ticket` is set while the end counts the time without an answer.
#[derive(Clone, Debug)]
struct End<M> {
    node: usize,
    state: State,
    next_number: u64,
    last_arrival: Instant,
    waiting: BTreeMap<u64, Body<M>>,
    ticket: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Opening,
    Open,
    Closed,
}

/// Something under way over a connection.
#[derive(Clone, Debug)]
pub(super) struct Segment<M> {
    connection: ConnectionId,
    /// The end that it comes from.
    from: usize,
    number: u64,
    ordinal: u64,
    body: Body<M>,
}

#[derive(Clone, Debug)]
enum Body<M> {
    Open,
    Answer,
    Refuse,
    Reset,
    Close,
    Data(M),
}

impl<M> Connections<M> {
    pub(super) const fn new() -> Self {
        Self { by_id: BTreeMap::new(), next_ticket: 0 }
    }

    /// A machine ends without a word: its ends are closed, the others do not know.
    pub(super) fn forget(&mut self, node: usize) {
        for connection in self.by_id.values_mut() {
            for end in &mut connection.ends {
                if end.node == node {
                    end.close();
                }
            }
        }
        self.sweep();
    }

    fn sweep(&mut self) {
        self.by_id.retain(|_, connection| connection.ends.iter().any(|end| !end.is_done()));
    }
}

impl<M> End<M> {
    const fn new(node: usize, state: State) -> Self {
        Self { node, state, next_number: 0, last_arrival: Instant::ZERO, waiting: BTreeMap::new(), ticket: None }
    }

    fn close(&mut self) {
        self.state = State::Closed;
        self.waiting.clear();
        self.ticket = None;
    }

    fn is_done(&self) -> bool {
        self.state == State::Closed && self.waiting.is_empty()
    }
}

impl<M: Message> Body<M> {
    /// The bit of its kind; all bits for what belongs to the transport.
    fn kind(&self) -> u64 {
        match self {
            Self::Data(message) => 1 << message.kind(),
            Self::Open | Self::Answer | Self::Refuse | Self::Reset | Self::Close => ALL_KINDS,
        }
    }

    fn size(&self) -> u32 {
        match self {
            Self::Data(message) => message.wire_size(),
            Self::Open | Self::Answer | Self::Refuse | Self::Reset | Self::Close => 40,
        }
    }
}

type BodyOf<S> = Body<<<S as System>::Node as Node>::Message>;

impl<S: System> World<S> {
    pub(super) fn connect<T: Tracer<S::Node>>(
        &mut self,
        index: usize,
        connection: ConnectionId,
        target: NodeId,
        tracer: &mut T,
    ) {
        let acceptor = self.universe.cluster.index(target);
        let ends = [End::new(index, State::Opening), End::new(acceptor, State::Closed)];
        self.connections.by_id.insert(connection, Connection { ends });
        self.transmit(connection, 0, Body::Open, tracer);
        self.arm(connection, 0);
    }

    pub(super) fn send_on<T: Tracer<S::Node>>(
        &mut self,
        index: usize,
        target: NodeId,
        connection: ConnectionId,
        message: <S::Node as Node>::Message,
        tracer: &mut T,
    ) {
        let end = self.end_of(connection, index);
        let is_open = end.is_some_and(|end| self.connections.by_id[&connection].ends[end].state == State::Open);
        match end {
            Some(end) if is_open => self.transmit(connection, end, Body::Data(message), tracer),
            _ => self.lose((index, self.universe.cluster.index(target)), 0, Lost::NoConnection, tracer),
        }
    }

    pub(super) fn close<T: Tracer<S::Node>>(&mut self, index: usize, connection: ConnectionId, tracer: &mut T) {
        let Some(end) = self.end_of(connection, index) else {
            return;
        };
        let state = self.connections.by_id[&connection].ends[end].state;
        if state == State::Closed {
            return;
        }
        if state == State::Open {
            self.transmit(connection, end, Body::Close, tracer);
        }
        let end = &mut self.end_mut(connection, end).expect("the connection is known");
        end.state = State::Closed;
        end.ticket = None;
        self.connections.sweep();
    }

    fn end_of(&self, connection: ConnectionId, index: usize) -> Option<usize> {
        self.connections.by_id.get(&connection)?.ends.iter().position(|end| end.node == index)
    }

    fn end_mut(&mut self, connection: ConnectionId, end: usize) -> Option<&mut End<<S::Node as Node>::Message>> {
        Some(&mut self.connections.by_id.get_mut(&connection)?.ends[end])
    }

    fn path(&self, connection: ConnectionId, from: usize) -> Option<(usize, usize)> {
        let ends = &self.connections.by_id.get(&connection)?.ends;
        Some((ends[from].node, ends[1 - from].node))
    }

    /// Numbers a segment and sends it.
    fn transmit<T: Tracer<S::Node>>(&mut self, connection: ConnectionId, from: usize, body: BodyOf<S>, tracer: &mut T) {
        let Some(end) = self.end_mut(connection, from) else {
            return;
        };
        let number = end.next_number;
        end.next_number += 1;
        let blocked = !end.waiting.is_empty();
        self.attempt(connection, from, number, body, blocked, tracer);
    }

    /// Sends a segment, or lets it wait where the link is cut.
    fn attempt<T: Tracer<S::Node>>(
        &mut self,
        connection: ConnectionId,
        from: usize,
        number: u64,
        body: BodyOf<S>,
        blocked: bool,
        tracer: &mut T,
    ) {
        let now = self.universe.now;
        let Some(path) = self.path(connection, from) else {
            return;
        };
        let packet = Packet { transport: Transport::Connection, kind: body.kind(), size: body.size() };
        let forced = self.forced_packet(path.0, path.1);
        let fate = self.universe.network.send(now, path, packet, forced);
        let end = self.end_mut(connection, from).expect("the connection is known");
        let arrives = fate.first.ok().filter(|_| !blocked).map(|at| at.max(end.last_arrival));
        if T::ON
            && let Body::Data(message) = &body
        {
            let (link, connection, ordinal) = (self.link_of(path), Some(connection), fate.ordinal);
            let item = TraceItem::Sent { link, connection, message, ordinal, arrives, again: None };
            tracer.record(self.moment(), item);
        }
        let end = self.end_mut(connection, from).expect("the connection is known");
        match arrives {
            Some(at) => {
                end.last_arrival = at;
                let segment = Segment { connection, from, number, ordinal: fate.ordinal, body };
                self.push(at, path.1, Event::Segment(segment));
                if self.universe.network.is_cut(self.link_of((path.1, path.0)), ALL_KINDS) {
                    self.arm(connection, from);
                }
            }
            // A reset is told once.
            None if matches!(body, Body::Reset | Body::Refuse) => {}
            None => {
                end.waiting.insert(number, body);
                self.arm(connection, from);
            }
        }
    }

    /// Starts to count the time without an answer.
    fn arm(&mut self, connection: ConnectionId, end: usize) {
        let ticket = self.connections.next_ticket;
        let at = self.universe.now.saturating_add(self.connection_timeout);
        let Some(state) = self.end_mut(connection, end) else {
            return;
        };
        if state.ticket.is_some() {
            return;
        }
        state.ticket = Some(ticket);
        let node = state.node;
        self.connections.next_ticket += 1;
        self.push(at, node, Event::Silence { connection, end, ticket });
    }

    pub(super) fn on_silence<T: Tracer<S::Node>>(
        &mut self,
        connection: ConnectionId,
        end: usize,
        ticket: u64,
        tracer: &mut T,
    ) {
        let Some(state) = self.end_mut(connection, end) else {
            return;
        };
        if state.ticket != Some(ticket) {
            return;
        }
        let was_alive = state.state != State::Closed;
        state.close();
        if was_alive {
            self.count("connection timed out");
            self.tell_end(connection, end, ConnectionChange::TimedOut, tracer);
        }
        self.connections.sweep();
    }

    /// A link may have become passable: what waits goes on, in order, and the clocks of answered ends stop.
    pub(super) fn resend(&mut self, (source, target): (usize, usize)) {
        let on_link = |connection: &Connection<_>, from: usize| {
            let [a, b] = [connection.ends[from].node, connection.ends[1 - from].node];
            (a, b) == (source, target) || (b, a) == (source, target)
        };
        let touched: Vec<(ConnectionId, usize)> = self
            .connections
            .by_id
            .iter()
            .flat_map(|(id, connection)| {
                (0..2).filter(move |from| on_link(connection, *from)).map(move |from| (*id, from))
            })
            .collect();
        for (connection, from) in touched {
            self.resend_end(connection, from);
        }
        self.connections.sweep();
    }

    fn resend_end(&mut self, connection: ConnectionId, from: usize) {
        let Some((source, target)) = self.path(connection, from) else {
            return;
        };
        let end = self.end_mut(connection, from).expect("the connection is known");
        if end.state == State::Opening && end.waiting.is_empty() {
            return;
        }
        let waiting = std::mem::take(&mut end.waiting);
        end.ticket = end.ticket.filter(|_| end.state == State::Opening);
        for (number, body) in waiting {
            let blocked = !self.end_mut(connection, from).expect("the connection is known").waiting.is_empty();
            self.attempt(connection, from, number, body, blocked, &mut crate::trace::NoTrace);
        }
        if self.universe.network.is_cut(self.link_of((target, source)), ALL_KINDS) {
            self.arm(connection, from);
        }
    }

    pub(super) fn on_segment<T: Tracer<S::Node>>(
        &mut self,
        segment: Segment<<S::Node as Node>::Message>,
        tracer: &mut T,
    ) {
        let Some(path) = self.path(segment.connection, segment.from) else {
            return;
        };
        let sender = &self.connections.by_id[&segment.connection].ends[segment.from];
        let overtakes = sender.waiting.first_key_value().is_some_and(|(first, _)| *first < segment.number);
        let arrival = self.universe.network.arrive(path, segment.ordinal, segment.body.kind());
        let held = self.held.get(&path).is_some_and(|held| held.iter().any(|packet| is_before(packet, &segment)));
        match arrival {
            Arrival::Lost => self.wait_again(segment),
            Arrival::Deliver | Arrival::Hold if overtakes => self.wait_again(segment),
            Arrival::Hold => self.hold(path, segment.ordinal, Held::Segment(segment), tracer),
            Arrival::Deliver if held => self.hold(path, segment.ordinal, Held::Segment(segment), tracer),
            Arrival::Deliver => self.arrive(path, segment, tracer),
        }
    }

    /// A segment that was under way at a cut is sent again when the cut is lifted.
    fn wait_again(&mut self, segment: Segment<<S::Node as Node>::Message>) {
        let Segment { connection, from, number, body, .. } = segment;
        if matches!(body, Body::Reset | Body::Refuse) {
            return;
        }
        self.count("packet cut");
        let end = self.end_mut(connection, from).expect("the connection is known");
        end.waiting.insert(number, body);
        self.arm(connection, from);
    }

    fn arrive<T: Tracer<S::Node>>(
        &mut self,
        path: (usize, usize),
        segment: Segment<<S::Node as Node>::Message>,
        tracer: &mut T,
    ) {
        let Segment { connection, from, body, .. } = segment;
        let to = 1 - from;
        let (is_up, machine) = (self.universe.slots[path.1].node.is_some(), self.universe.slots[path.1].machine);
        if machine == Machine::Off {
            // Nobody answers: what was sent stays without an answer.
            if !matches!(body, Body::Reset | Body::Refuse) {
                self.arm(connection, from);
            }
            return;
        }
        let state = self.connections.by_id[&connection].ends[to].state;
        match (body, state) {
            (Body::Open, _) if is_up => self.accept_connection(connection, tracer),
            (Body::Open, _) => self.transmit(connection, to, Body::Refuse, tracer),
            (Body::Answer, State::Opening) => {
                let end = self.end_mut(connection, to).expect("the connection is known");
                end.state = State::Open;
                end.ticket = None;
                self.tell_end(connection, to, ConnectionChange::Opened, tracer);
            }
            (Body::Refuse, State::Opening) => self.end_connection(connection, to, ConnectionChange::Refused, tracer),
            (Body::Reset, State::Opening | State::Open) => {
                self.end_connection(connection, to, ConnectionChange::Reset, tracer);
            }
            (Body::Close, State::Open) => self.end_connection(connection, to, ConnectionChange::Closed, tracer),
            (Body::Data(message), State::Open) => {
                let node = self.universe.cluster.node(path.0);
                let source = Source { node, connection: Some(connection) };
                self.accept(path.1, Waiting::Message(source, message), tracer);
            }
            (Body::Data(_) | Body::Answer, _) => self.transmit(connection, to, Body::Reset, tracer),
            (Body::Refuse | Body::Reset | Body::Close, _) => {}
        }
    }

    fn accept_connection<T: Tracer<S::Node>>(&mut self, connection: ConnectionId, tracer: &mut T) {
        let end = self.end_mut(connection, 1).expect("the connection is known");
        end.state = State::Open;
        self.transmit(connection, 1, Body::Answer, tracer);
        self.tell_end(connection, 1, ConnectionChange::Accepted, tracer);
    }

    fn end_connection<T: Tracer<S::Node>>(
        &mut self,
        connection: ConnectionId,
        end: usize,
        change: ConnectionChange,
        tracer: &mut T,
    ) {
        match change {
            ConnectionChange::Refused => self.count("connection refused"),
            ConnectionChange::Reset => self.count("connection reset"),
            _ => {}
        }
        self.end_mut(connection, end).expect("the connection is known").close();
        self.tell_end(connection, end, change, tracer);
        self.connections.sweep();
    }

    fn tell_end<T: Tracer<S::Node>>(
        &mut self,
        connection: ConnectionId,
        end: usize,
        change: ConnectionChange,
        tracer: &mut T,
    ) {
        let Some((node, peer)) = self.path(connection, end) else {
            return;
        };
        let peer = self.universe.cluster.node(peer);
        self.accept(node, Waiting::Connection(ConnectionEvent { connection, peer, change }), tracer);
    }

    /// A process ends: its machine resets its connections.
    pub(super) fn hang_up<T: Tracer<S::Node>>(&mut self, index: usize, tracer: &mut T) {
        let open: Vec<(ConnectionId, usize)> = self
            .connections
            .by_id
            .iter()
            .filter_map(|(id, connection)| {
                let end = connection.ends.iter().position(|end| end.node == index)?;
                (connection.ends[end].state != State::Closed).then_some((*id, end))
            })
            .collect();
        for (connection, end) in open {
            self.end_mut(connection, end).expect("the connection is known").close();
            self.transmit(connection, end, Body::Reset, tracer);
        }
        self.connections.sweep();
    }
}

/// Whether a held packet is an earlier segment of the same direction.
fn is_before<M>(packet: &Held<M>, segment: &Segment<M>) -> bool {
    match packet {
        Held::Segment(held) => {
            held.connection == segment.connection && held.from == segment.from && held.number < segment.number
        }
        Held::Datagram(_) => false,
    }
}
