//! Segments: how what is said over a connection gets to the other end, once and in order.

use crate::network::{ALL_KINDS, ArrivalVerdict, DropReason, Packet, Transport};
use crate::node::{ConnectionChange, ConnectionId, Message, Node, Source, refusal_of};
use crate::system::System;
use crate::trace::{TraceItem, Tracer};
use crate::world_state::Waiting;

use super::World;
use super::connection::{Connection, State};
use super::deliver::{Event, HeldPacket};

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

/// What a segment says.
#[derive(Clone, Debug)]
pub(super) enum Body<M> {
    Open,
    Answer,
    Refuse,
    Reset,
    Close,
    Data(M),
    /// A request was refused on its way: the answer to it.
    Refused(M),
}

type BodyOf<S> = Body<<<S as System>::Node as Node>::Message>;
type SegmentOf<S> = Segment<<<S as System>::Node as Node>::Message>;

impl<M: Message> Segment<M> {
    /// The bit of its kind; all bits for what belongs to the transport.
    pub(super) fn kind(&self) -> u64 {
        self.body.kind()
    }
}

impl<M: Message> Body<M> {
    fn kind(&self) -> u64 {
        match self {
            Self::Data(message) | Self::Refused(message) => 1 << message.kind(),
            Self::Open | Self::Answer | Self::Refuse | Self::Reset | Self::Close => ALL_KINDS,
        }
    }

    fn size(&self) -> u32 {
        match self {
            Self::Data(message) | Self::Refused(message) => message.wire_size(),
            Self::Open | Self::Answer | Self::Refuse | Self::Reset | Self::Close => 40,
        }
    }

    /// The same, refused if it is a request that can be.
    fn into_refused(self) -> Self {
        match self {
            Self::Data(message) => refusal_of(&message).map_or(Self::Data(message), Self::Refused),
            other => other,
        }
    }

    /// Whether it is said once, has no number, and counts as soon as it is there.
    const fn is_loose(&self) -> bool {
        matches!(self, Self::Refuse | Self::Reset)
    }
}

impl<S: System, T: Tracer<S::Node>> World<S, T> {
    /// Numbers a segment and sends it.
    pub(super) fn transmit(&mut self, connection: ConnectionId, from: usize, body: BodyOf<S>) {
        let Some(end) = self.end_mut(connection, from) else {
            return;
        };
        let number = end.next_number;
        end.next_number += u64::from(!body.is_loose());
        self.attempt(connection, from, number, body);
    }

    /// Sends a segment, or lets it wait behind what the link does not let through.
    fn attempt(&mut self, id: ConnectionId, from: usize, number: u64, body: BodyOf<S>) {
        let Some(path) = self.connections.get_mut(id).map(|connection| connection.path(from)) else {
            return;
        };
        let packet = Packet { transport: Transport::Connection, kind: body.kind(), size: body.size() };
        let forced = self.forced_packet(path.0, path.1);
        let fate = self.state.network.send(self.state.now, path, packet, forced);
        let end = self.end_mut(id, from).expect("the connection is known");
        let is_free = end.unsent.is_empty() || body.is_loose();
        let arrives = fate.first.ok().filter(|_| is_free).map(|at| at.max(end.last_arrival));
        end.last_arrival = arrives.unwrap_or(end.last_arrival);
        if self.tracer.is_on()
            && let Body::Data(message) = &body
        {
            let (link, connection, ordinal) = (self.link_of(path), Some(id), fate.ordinal);
            let item = TraceItem::Sent { link, connection, message, ordinal, arrives, again: None };
            self.tracer.record(self.moment(), item);
        }
        if fate.first.is_err() {
            self.count_at(self.state.nodes[path.0].id, "packet cut");
        }
        match arrives {
            Some(at) => {
                let (priority, sequence) = self.next_order(path.1);
                let priority = if fate.priority == 0 { priority } else { fate.priority };
                let segment = Segment { connection: id, from, number, ordinal: fate.ordinal, body };
                self.push_ordered(at, priority, sequence, Event::Segment(segment));
            }
            None => self.keep_unsent(id, from, number, body),
        }
    }

    /// A segment did not get through: its sender keeps it, unless it has nothing more to say.
    fn keep_unsent(&mut self, connection: ConnectionId, from: usize, number: u64, body: BodyOf<S>) {
        let Some(end) = self.end_mut(connection, from) else {
            return;
        };
        if end.state != State::Closed && !body.is_loose() {
            end.unsent.insert(number, body);
            self.watch_silence(connection, from);
        }
    }

    /// A link may have become passable: what waits goes on, and answers come through.
    pub(super) fn resend(&mut self, (source, target): (usize, usize)) {
        let on_link = |connection: &Connection<_>, from: usize| {
            let path = connection.path(from);
            path == (source, target) || path == (target, source)
        };
        for (connection, from) in self.connections.ends_where(on_link) {
            self.resend_end(connection, from);
        }
    }

    /// A machine is on again, or suspended no longer: what waited for it is sent once more.
    pub(super) fn resend_to(&mut self, node: usize) {
        for (connection, from) in self.connections.ends_where(|it, from| it.path(from).1 == node) {
            self.resend_end(connection, from);
        }
    }

    fn resend_end(&mut self, id: ConnectionId, from: usize) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        let (source, target) = connection.path(from);
        let end = &mut connection.ends[from];
        if end.is_unanswered && !self.state.network.is_cut_at((target, source), ALL_KINDS) {
            end.is_unanswered = false;
            end.ticket = end.ticket.filter(|_| end.is_silent());
        }
        // What waits behind a segment that still cannot pass draws nothing.
        let first = end.unsent.first_key_value().map(|(_, body)| body.kind());
        if first.is_none_or(|kind| self.state.network.is_cut_at((source, target), kind)) {
            return;
        }
        for (number, body) in std::mem::take(&mut end.unsent) {
            self.attempt(id, from, number, body);
        }
    }

    pub(super) fn on_segment(&mut self, segment: SegmentOf<S>) {
        let Some(path) = self.connections.get_mut(segment.connection).map(|it| it.path(segment.from)) else {
            return;
        };
        match self.state.network.arrive(path, segment.ordinal, segment.kind()) {
            ArrivalVerdict::Deliver => self.arrive(path, segment),
            // No answer comes from a machine that is off or suspended, nor an error.
            ArrivalVerdict::Refuse if self.state.nodes[path.1].has_network() => {
                let kind = segment.body.kind();
                let body = segment.body.into_refused();
                if matches!(body, Body::Refused(_)) {
                    self.note_refusal(path, kind);
                    self.lose(path, segment.ordinal, DropReason::Refused);
                }
                self.arrive(path, Segment { body, ..segment });
            }
            ArrivalVerdict::Refuse => self.arrive(path, segment),
            ArrivalVerdict::Hold => self.hold(path, segment.ordinal, HeldPacket::Segment(segment)),
            ArrivalVerdict::Lost => {
                // The cut may be over by now.
                let Segment { connection, from, number, body, .. } = segment;
                self.count_at(self.state.nodes[path.0].id, "packet cut");
                self.keep_unsent(connection, from, number, body);
                self.resend_end(connection, from);
            }
        }
    }

    fn arrive(&mut self, path: (usize, usize), segment: SegmentOf<S>) {
        let Segment { connection, from, number, body, .. } = segment;
        let to = 1 - from;
        if !self.state.nodes[path.1].has_network() {
            // No answer comes.
            return self.keep_unsent(connection, from, number, body);
        }
        if body.is_loose() {
            return self.take_in(path, connection, to, body);
        }
        let end = self.end_mut(connection, to).expect("the connection is known");
        if number > end.expected && end.state != State::Closed {
            end.early.insert(number, body);
            return;
        }
        self.answer(path, connection, from);
        let mut next = Some(body);
        while let Some(body) = next {
            if let Some(end) = self.end_mut(connection, to) {
                end.expected += 1;
            }
            self.take_in(path, connection, to, body);
            let is_over = self.is_over();
            next = self.end_mut(connection, to).filter(|_| !is_over).and_then(|end| end.early.remove(&end.expected));
        }
    }

    /// What arrived is answered: the sender counts no longer, unless the answer cannot pass or more is unsent.
    fn answer(&mut self, (source, target): (usize, usize), connection: ConnectionId, from: usize) {
        let is_cut = self.state.network.is_cut_at((target, source), ALL_KINDS);
        let Some(end) = self.end_mut(connection, from) else {
            return;
        };
        if matches!(end.state, State::Open | State::Closing) {
            end.is_unanswered = is_cut;
            end.ticket = end.ticket.filter(|_| is_cut);
            self.watch_silence(connection, from);
        }
    }

    /// A segment comes in, in its turn.
    fn take_in(&mut self, path: (usize, usize), connection: ConnectionId, to: usize, body: BodyOf<S>) {
        let is_up = self.state.nodes[path.1].process.is_some();
        let Some(end) = self.end_mut(connection, to) else {
            return;
        };
        match (body, end.state) {
            (Body::Open, _) if is_up => self.accept_connection(connection),
            (Body::Open, _) => self.transmit(connection, to, Body::Refuse),
            (Body::Answer, State::Opening) => {
                end.state = State::Open;
                end.ticket = None;
                self.note_opening(connection);
                self.notify_end(connection, to, ConnectionChange::Opened);
            }
            (Body::Refuse, State::Opening) => {
                self.count_at(self.state.nodes[path.1].id, "connection refused");
                self.end_connection(connection, to, ConnectionChange::Refused);
            }
            (Body::Reset, State::Opening | State::Open) => {
                self.count_at(self.state.nodes[path.1].id, "connection reset");
                self.end_connection(connection, to, ConnectionChange::Reset);
            }
            (Body::Close, State::Open) => self.end_connection(connection, to, ConnectionChange::Closed),
            (Body::Data(message), State::Open) => {
                let source = Source { node: self.state.nodes[path.0].id, connection: Some(connection) };
                self.accept(path.1, Waiting::Message(source, message));
            }
            // The error takes the turn of the request, so that the order of what is said holds.
            (Body::Refused(answer), State::Open) => self.transmit(connection, to, Body::Data(answer)),
            (Body::Data(_) | Body::Refused(_) | Body::Answer, _) => self.transmit(connection, to, Body::Reset),
            (Body::Refuse | Body::Reset | Body::Close, _) => {}
        }
    }

    fn accept_connection(&mut self, connection: ConnectionId) {
        let end = self.end_mut(connection, 1).expect("the connection is known");
        end.state = State::Open;
        self.transmit(connection, 1, Body::Answer);
        self.notify_end(connection, 1, ConnectionChange::Accepted);
    }
}
