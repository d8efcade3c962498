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
//! Loss and duplication never act inside a connection. What a cut link does not let through, and what comes to a
//! machine that is off or suspended, waits at the sender and goes on when the cut is lifted or the machine runs again;
//! the receiver takes segments in by their numbers. An end without an answer for longer than the time limit closes with
//! `TimedOut`, and the other end does not learn of it (half-open) until it sends. A link that is slow or clogged is not
//! silent.
//!
//! Where the network has a back-off, a node that could not open a connection waits before it tries again: the next one
//! to the same node is opened after a wait that doubles with each failure in a row. A connection that opens resets the
//! wait, and so does the end of the process. The loss of a connection that was open does not count as a failure.
//!
//! What is simplified: acknowledgements are not packets. What arrives is answered at once, if the way back is not cut.
//! An end that only receives never times out. The ends of a suspended machine count no time; from its resume on they
//! count their whole time limit.

use std::collections::BTreeMap;

use crate::id::NodeId;
use crate::network::DropReason;
use crate::node::{ConnectionChange, ConnectionEvent, ConnectionId, Node};
use crate::system::System;
use crate::time::{Duration, Instant};
use crate::trace::Tracer;
use crate::world_state::Waiting;

use super::World;
use super::deliver::Event;
use super::segment::Body;

/// All connections of which an end still knows.
#[derive(Clone, Debug)]
pub(super) struct Connections<M> {
    by_id: BTreeMap<ConnectionId, Connection<M>>,
    /// Whether there was ever one.
    is_used: bool,
    next_ticket: u64,
    /// The back-off after openings that failed, by opener and acceptor.
    dials: BTreeMap<(usize, usize), Dial>,
}

/// A node could not open its last connection to another.
#[derive(Clone, Copy, Debug)]
struct Dial {
    /// The next connection is not opened before this time.
    not_before: Instant,
    /// How long the wait was.
    wait: Duration,
}

/// A connection: end 0 is the opener's.
#[derive(Clone, Debug)]
pub(super) struct Connection<M> {
    pub(super) ends: [End<M>; 2],
}

/// One end of a connection.
///
/// - `unsent` holds what did not get through; while it is not empty, later segments join it. Empty where closed.
/// - `early` holds what came before its turn: only numbers above `expected`.
/// - `ticket` is set while the end counts the time without an answer.
#[derive(Clone, Debug)]
pub(super) struct End<M> {
    pub(super) node: usize,
    pub(super) state: State,
    /// The number of the next segment that it sends.
    pub(super) next_number: u64,
    /// When the last segment that it sent arrives: a later one arrives no earlier.
    pub(super) last_arrival: Instant,
    pub(super) unsent: BTreeMap<u64, Body<M>>,
    /// Whether something arrived and the answer to it could not pass.
    pub(super) is_unanswered: bool,
    pub(super) ticket: Option<u64>,
    /// The number of the next segment that it takes in.
    pub(super) expected: u64,
    pub(super) early: BTreeMap<u64, Body<M>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is to ask for a connection once its back-off is over.
    Waiting,
    /// It asked for a connection.
    Opening,
    Open,
    /// It said that it closes: what it sent before still goes out, nothing comes in.
    Closing,
    Closed,
}

impl<M> Connections<M> {
    pub(super) const fn new() -> Self {
        Self { by_id: BTreeMap::new(), is_used: false, next_ticket: 0, dials: BTreeMap::new() }
    }

    pub(super) const fn is_used(&self) -> bool {
        self.is_used
    }

    pub(super) fn get_mut(&mut self, connection: ConnectionId) -> Option<&mut Connection<M>> {
        self.by_id.get_mut(&connection)
    }

    /// The ends, with their connections, that this holds for.
    pub(super) fn ends_where(&self, holds: impl Fn(&Connection<M>, usize) -> bool) -> Vec<(ConnectionId, usize)> {
        let ends = self.by_id.iter().flat_map(|(id, connection)| [(*id, connection, 0), (*id, connection, 1)]);
        ends.filter(|(_, connection, end)| holds(connection, *end)).map(|(id, _, end)| (id, end)).collect()
    }

    /// A machine ends without a word: its ends are closed, the others do not know.
    pub(super) fn forget_machine(&mut self, node: usize) {
        for connection in self.by_id.values_mut() {
            connection.ends.iter_mut().filter(|end| end.node == node).for_each(End::close);
        }
        self.by_id.retain(|_, connection| !connection.is_done());
        self.forget_dials(node);
    }

    /// A process ends, and what it knows of failures with it.
    fn forget_dials(&mut self, node: usize) {
        self.dials.retain(|(opener, _), _| *opener != node);
    }

    fn take_ticket(&mut self) -> u64 {
        self.next_ticket += 1;
        self.next_ticket - 1
    }

    fn forget_if_done(&mut self, connection: ConnectionId) {
        if self.by_id.get(&connection).is_some_and(Connection::is_done) {
            self.by_id.remove(&connection);
        }
    }
}

impl<M> Connection<M> {
    /// The source and the target of a segment of this end.
    pub(super) const fn path(&self, from: usize) -> (usize, usize) {
        (self.ends[from].node, self.ends[1 - from].node)
    }

    fn is_done(&self) -> bool {
        self.ends.iter().all(|end| match end.state {
            State::Waiting | State::Opening | State::Open => false,
            State::Closing => end.unsent.is_empty(),
            State::Closed => true,
        })
    }
}

impl<M> End<M> {
    const fn new(node: usize, state: State) -> Self {
        Self {
            node,
            state,
            next_number: 0,
            last_arrival: Instant::ZERO,
            unsent: BTreeMap::new(),
            is_unanswered: false,
            ticket: None,
            expected: 0,
            early: BTreeMap::new(),
        }
    }

    /// Nothing goes out or comes in any more.
    fn close(&mut self) {
        self.state = State::Closed;
        self.unsent.clear();
        self.early.clear();
        self.is_unanswered = false;
        self.ticket = None;
    }

    /// Whether it is open, is being opened, or waits to be opened.
    const fn is_alive(&self) -> bool {
        matches!(self.state, State::Waiting | State::Opening | State::Open)
    }

    /// Whether it waits for an answer that may not come.
    pub(super) fn is_silent(&self) -> bool {
        matches!(self.state, State::Waiting | State::Opening) || self.is_unanswered || !self.unsent.is_empty()
    }
}

impl<S: System, T: Tracer<S::Node>> World<S, T> {
    pub(super) fn connect(&mut self, index: usize, connection: ConnectionId, target: NodeId) {
        assert!(self.state.cluster.contains(target), "a connection goes to a node of the cluster");
        let acceptor = self.state.cluster.index(target);
        let ends = [End::new(index, State::Waiting), End::new(acceptor, State::Closed)];
        self.connections.by_id.insert(connection, Connection { ends });
        self.connections.is_used = true;
        let dial = self.connections.dials.get(&(index, acceptor));
        match dial.map(|dial| dial.not_before).filter(|at| *at > self.state.now) {
            None => self.dial(connection),
            Some(at) => {
                let ticket = self.connections.take_ticket();
                self.end_mut(connection, 0).expect("it was just made").ticket = Some(ticket);
                self.push(at, index, Event::Silence { connection, end: 0, ticket });
            }
        }
    }

    fn dial(&mut self, connection: ConnectionId) {
        let end = self.end_mut(connection, 0).expect("the connection is known");
        end.state = State::Opening;
        end.ticket = None;
        self.transmit(connection, 0, Body::Open);
        self.watch_silence(connection, 0);
    }

    /// A connection could not be opened: the next one to the same node has to wait.
    fn note_failure(&mut self, opener: usize, acceptor: usize) {
        let Some(redial) = self.redial else { return };
        let before = self.connections.dials.get(&(opener, acceptor));
        let wait = before.map_or(redial.min, |dial| dial.wait.saturating_mul(2).min(redial.max));
        let not_before = self.state.now.saturating_add(wait);
        self.connections.dials.insert((opener, acceptor), Dial { not_before, wait });
    }

    /// The connection is open: the next failure is the first.
    pub(super) fn note_opening(&mut self, connection: ConnectionId) {
        if self.redial.is_some()
            && let Some(path) = self.connections.by_id.get(&connection).map(|it| it.path(0))
        {
            self.connections.dials.remove(&path);
        }
    }

    pub(super) fn send_on(
        &mut self,
        index: usize,
        target: NodeId,
        connection: ConnectionId,
        message: <S::Node as Node>::Message,
    ) {
        match self.end_of(connection, index) {
            Some((end, State::Open)) => self.transmit(connection, end, Body::Data(message)),
            _ => {
                assert!(self.state.cluster.contains(target), "a message goes to a node of the cluster");
                self.lose((index, self.state.cluster.index(target)), 0, DropReason::NoConnection);
            }
        }
    }

    pub(super) fn close(&mut self, index: usize, connection: ConnectionId) {
        match self.end_of(connection, index) {
            Some((end, State::Open)) => {
                self.transmit(connection, end, Body::Close);
                self.end_mut(connection, end).expect("the connection is known").state = State::Closing;
            }
            Some((end, State::Waiting | State::Opening)) => {
                self.end_mut(connection, end).expect("the connection is known").close()
            }
            Some((_, State::Closing | State::Closed)) | None => return,
        }
        self.connections.forget_if_done(connection);
    }

    fn end_of(&self, connection: ConnectionId, index: usize) -> Option<(usize, State)> {
        let ends = &self.connections.by_id.get(&connection)?.ends;
        let end = ends.iter().position(|end| end.node == index)?;
        Some((end, ends[end].state))
    }

    pub(super) fn end_mut(
        &mut self,
        connection: ConnectionId,
        end: usize,
    ) -> Option<&mut End<<S::Node as Node>::Message>> {
        Some(&mut self.connections.by_id.get_mut(&connection)?.ends[end])
    }

    /// Counts the time from now on, if the end waits for an answer and does not count yet.
    pub(super) fn watch_silence(&mut self, connection: ConnectionId, end: usize) {
        let at = self.state.now.saturating_add(self.connection_timeout);
        let Some(state) = self.end_mut(connection, end) else {
            return;
        };
        if state.ticket.is_some() || !state.is_silent() {
            return;
        }
        let node = state.node;
        let ticket = self.connections.take_ticket();
        self.end_mut(connection, end).expect("the connection is known").ticket = Some(ticket);
        if at < Instant::MAX {
            self.push(at, node, Event::Silence { connection, end, ticket });
        }
    }

    pub(super) fn on_silence(&mut self, connection: ConnectionId, end: usize, ticket: u64) {
        let Some(state) = self.end_mut(connection, end) else {
            return;
        };
        if state.ticket != Some(ticket) {
            return;
        }
        let node = state.node;
        if self.state.nodes[node].clock.is_suspended() {
            // No time passes for it: it counts anew from its resume on.
            return;
        }
        let Some(state) = self.end_mut(connection, end) else {
            return;
        };
        if state.state == State::Waiting {
            return self.dial(connection);
        }
        if state.is_alive() {
            self.count_at(self.state.nodes[node].id, "connection timed out");
            self.end_connection(connection, end, ConnectionChange::TimedOut);
        } else {
            state.close();
            self.connections.forget_if_done(connection);
        }
    }

    /// A machine is suspended no longer: its ends count from now on, and what waited for it is sent once more.
    pub(super) fn resume_connections(&mut self, index: usize) {
        let counts = |it: &Connection<_>, end: usize| it.ends[end].node == index && it.ends[end].ticket.is_some();
        for (connection, end) in self.connections.ends_where(counts) {
            self.end_mut(connection, end).expect("the connection is known").ticket = None;
            self.watch_silence(connection, end);
        }
        self.resend_to(index);
    }

    /// An end is closed from outside, and its node hears of it.
    pub(super) fn end_connection(&mut self, connection: ConnectionId, end: usize, change: ConnectionChange) {
        let state = self.end_mut(connection, end).expect("the connection is known");
        let was_opening = state.state == State::Opening;
        state.close();
        if was_opening && let Some((opener, acceptor)) = self.connections.by_id.get(&connection).map(|it| it.path(end))
        {
            self.note_failure(opener, acceptor);
        }
        self.notify_end(connection, end, change);
        self.connections.forget_if_done(connection);
    }

    pub(super) fn notify_end(&mut self, connection: ConnectionId, end: usize, change: ConnectionChange) {
        let Some((node, peer)) = self.connections.by_id.get(&connection).map(|it| it.path(end)) else {
            return;
        };
        let peer = self.state.nodes[peer].id;
        self.accept(node, Waiting::Connection(ConnectionEvent { connection, peer, change }));
    }

    /// A process ends: its machine resets its connections. What it sent before it closed one still goes out.
    pub(super) fn hang_up(&mut self, index: usize) {
        let is_alive = |connection: &Connection<_>, end: usize| {
            connection.ends[end].node == index && connection.ends[end].is_alive()
        };
        for (connection, end) in self.connections.ends_where(is_alive) {
            let state = self.end_mut(connection, end).expect("the connection is known");
            let is_known = state.state != State::Waiting;
            state.close();
            if is_known {
                self.transmit(connection, end, Body::Reset);
            }
            self.connections.forget_if_done(connection);
        }
        self.connections.forget_dials(index);
    }
}
