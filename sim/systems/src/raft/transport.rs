//! How requests and answers leave: as datagrams, or over a connection to each peer; and never before what they promise
//! is durable.
//!
//! Over connections each server opens one to each peer for its own requests, and answers come back over the connection
//! of the request, as in NuRaft. With one request in flight, a peer that has not answered is *busy*: what else would be
//! sent to it is not. A connection that dies frees it.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::{ConnectionChange, ConnectionEvent, ConnectionId, Source, WriteId};
use splitbrain_kernel::time::{Duration, Instant};

use super::ids::ServerSet;
use super::message::{Payload, RaftMessage};
use super::node::RaftContext;
use super::options::TransportKind;
use super::shared::Shared;
use super::state::{Role, Server};

/// The connections to the peers, by number of the member, from 1.
///
/// - `open` or a waiting request only where there is a connection.
#[derive(Clone, Debug)]
pub(super) struct Links<C = u64> {
    peers: Vec<Peer<C>>,
}

/// The connection to one peer.
#[derive(Clone, Debug)]
struct Peer<C = u64> {
    connection: Option<ConnectionId>,
    /// Whether the peer has answered the opening.
    open: bool,
    /// A request that waits for the opening. A newer one takes its place.
    waiting: Option<Box<RaftMessage<C>>>,
    /// When the oldest unanswered request was sent.
    asked_at: Option<Instant>,
    /// No new connection before this.
    retry_at: Instant,
    /// How long to wait after the next failure: doubles up to a heartbeat (NuRaft `recreate_rpc`).
    backoff: Duration,
}

const BACKOFF_MIN: Duration = Duration::from_millis(1);

impl<C: Payload> Peer<C> {
    const UNCONNECTED: Self = Self {
        connection: None,
        open: false,
        waiting: None,
        asked_at: None,
        retry_at: Instant::ZERO,
        backoff: BACKOFF_MIN,
    };

    /// Forgets the connection and whatever was under way.
    fn reset(&mut self) {
        *self = Self { retry_at: self.retry_at, backoff: self.backoff, ..Self::UNCONNECTED };
    }
}

impl<C: Payload> Links<C> {
    /// No connections yet, to so many members.
    pub(super) fn new(members: usize) -> Self {
        Self { peers: vec![Peer::UNCONNECTED; members] }
    }

    fn peer(&mut self, member: NodeId) -> Option<&mut Peer<C>> {
        self.peers.get_mut(usize::from(member.number()) - 1)
    }

    /// Whether a request to this member is unanswered.
    pub(super) fn is_waiting(&self, member: NodeId) -> bool {
        self.peers.get(usize::from(member.number()) - 1).is_some_and(|peer| peer.asked_at.is_some())
    }
}

/// Whether a request left (or waits for its connection to open).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// It did.
    Sent,
    /// It did, over a new connection: the old one was silent for too long and is given up, with what it carried.
    SentAnew,
    /// The peer has not answered the last one, or its connection may not be opened again yet.
    Busy,
}

/// By datagram to this node.
pub(super) const fn datagram(node: NodeId) -> Source {
    Source { node, connection: None }
}

impl<C: Payload> Shared<C> {
    /// Sends as soon as the term that it speaks in, and the vote that it gives, are durable.
    #[inline]
    pub(super) fn send(&mut self, ctx: &mut RaftContext<C>, target: Source, message: RaftMessage<C>) {
        self.send_after(ctx, None, target, message);
    }

    /// Sends once this write is durable too. Writes complete in order, so the later of the two covers both.
    pub(super) fn send_after(
        &mut self,
        ctx: &mut RaftContext<C>,
        write: Option<WriteId>,
        target: Source,
        message: RaftMessage<C>,
    ) {
        self.flush(ctx);
        match self.hard_write.max(write) {
            None => ctx.reply(target, message),
            Some(_) if self.waits_for_nothing() => ctx.reply(target, message),
            // It would wait for good.
            Some(_) if self.stall.has_failed() => {}
            Some(write) => ctx.reply_after(write, target, message),
        }
    }

    /// Sends a request to a peer.
    pub(super) fn ask(&mut self, ctx: &mut RaftContext<C>, peer: NodeId, message: RaftMessage<C>) -> Asked {
        match self.options.transport.kind {
            TransportKind::Datagram => {
                self.send(ctx, datagram(peer), message);
                Asked::Sent
            }
            TransportKind::Connection => self.ask_over_connection(ctx, peer, message),
        }
    }

    /// Tells a peer something that it does not answer: over a connection only where one is open.
    pub(super) fn notify(&mut self, ctx: &mut RaftContext<C>, peer: NodeId, message: RaftMessage<C>) {
        let connection = match self.options.transport.kind {
            TransportKind::Datagram => None,
            TransportKind::Connection => match self.links.peer(peer).filter(|link| link.open) {
                Some(link) => link.connection,
                None => return,
            },
        };
        self.send(ctx, Source { node: peer, connection }, message);
    }

    fn ask_over_connection(&mut self, ctx: &mut RaftContext<C>, member: NodeId, message: RaftMessage<C>) -> Asked {
        let now = ctx.now();
        let asked = self.free(ctx, member);
        let Some(peer) = self.links.peer(member).filter(|_| asked != Asked::Busy) else {
            return Asked::Busy;
        };
        if peer.connection.is_none() {
            if now < peer.retry_at {
                return Asked::Busy;
            }
            peer.connection = Some(ctx.connect(member));
        }
        peer.asked_at.get_or_insert(now);
        if peer.open {
            let connection = peer.connection;
            self.send(ctx, Source { node: member, connection }, message);
        } else {
            peer.waiting = Some(Box::new(message));
        }
        asked
    }

    /// How a request to this peer would leave. Gives up a connection that has been silent too long; the next one may be
    /// opened at once, as it did not fail.
    fn free(&mut self, ctx: &mut RaftContext<C>, member: NodeId) -> Asked {
        let (limit, patience) = (self.options.transport.requests_in_flight, self.options.transport.reconnect_after);
        let Some(peer) = self.links.peer(member) else {
            return Asked::Busy;
        };
        let Some(asked_at) = peer.asked_at else {
            return Asked::Sent;
        };
        if !patience.is_zero() && ctx.now().since(asked_at) > patience {
            self.disconnect(ctx, member);
            return Asked::SentAnew;
        }
        if limit > 0 { Asked::Busy } else { Asked::Sent }
    }

    /// An answer came: if it came over the present connection, the peer may be asked again.
    #[inline]
    pub(super) fn answered(&mut self, source: Source) {
        let Some(connection) = source.connection else {
            return;
        };
        let Some(peer) = self.links.peer(source.node) else {
            return;
        };
        if peer.connection == Some(connection) {
            peer.asked_at = None;
            peer.backoff = BACKOFF_MIN;
        }
    }

    /// Closes the connections to these peers; the next requests open new ones. A leader goes on with its followers from
    /// what they have: this is for others.
    pub(super) fn reconnect(&mut self, ctx: &mut RaftContext<C>, peers: ServerSet) {
        for peer in peers.iter() {
            self.disconnect(ctx, peer);
        }
    }

    fn disconnect(&mut self, ctx: &mut RaftContext<C>, member: NodeId) {
        let Some(peer) = self.links.peer(member) else {
            return;
        };
        if let Some(connection) = peer.connection {
            ctx.close(connection);
        }
        peer.reset();
    }
}

impl<C: Payload> Server<C> {
    /// Something happened to a connection. Those that peers opened need no care: answers go where requests came from.
    pub(super) fn on_connection(&mut self, ctx: &mut RaftContext<C>, event: ConnectionEvent) {
        let heartbeat = self.shared.options.timing.heartbeat;
        let Some(peer) = self.shared.links.peer(event.peer) else {
            return;
        };
        if peer.connection != Some(event.connection) {
            return;
        }
        match event.change {
            ConnectionChange::Opened => {
                peer.open = true;
                self.send_waiting(ctx, event.peer, event.connection);
            }
            ConnectionChange::Accepted => {}
            ConnectionChange::Refused
            | ConnectionChange::TimedOut
            | ConnectionChange::Reset
            | ConnectionChange::Closed => {
                peer.reset();
                peer.retry_at = ctx.now().saturating_add(peer.backoff);
                peer.backoff = peer.backoff.saturating_mul(2).min(heartbeat);
                match &mut self.role {
                    Role::Leader(leader) => leader.on_link_lost(event.peer),
                    // It sends nothing ahead of its answers.
                    Role::Follower(_) | Role::PreCandidate(_) | Role::Candidate(_) => {}
                }
            }
        }
    }

    /// The connection is open: what waited for it leaves, if it is still what this server would say.
    fn send_waiting(&mut self, ctx: &mut RaftContext<C>, member: NodeId, connection: ConnectionId) {
        let Some(peer) = self.shared.links.peer(member) else { return };
        let Some(message) = peer.waiting.take() else { return };
        if self.would_ask(&message) {
            return self.shared.send(ctx, Source { node: member, connection: Some(connection) }, *message);
        }
        if let Some(peer) = self.shared.links.peer(member) {
            peer.asked_at = None;
        }
    }

    /// Whether this request is of the present term and role.
    fn would_ask(&self, message: &RaftMessage<C>) -> bool {
        let asked_in = match (message, &self.role) {
            (RaftMessage::PreVote(request), Role::PreCandidate(_)) => {
                return request.term == self.shared.pre_vote_term();
            }
            (RaftMessage::Vote(request) | RaftMessage::TransferVote(request), Role::Candidate(_)) => request.term,
            (RaftMessage::Append(append), Role::Leader(_)) => append.term,
            (RaftMessage::Confirm { term, .. }, Role::Leader(_)) => *term,
            (RaftMessage::SnapshotPart(part), Role::Leader(_)) => part.term,
            // The role in which it was asked is over.
            (
                RaftMessage::PreVote(_)
                | RaftMessage::Vote(_)
                | RaftMessage::TransferVote(_)
                | RaftMessage::Append(_)
                | RaftMessage::Confirm { .. }
                | RaftMessage::SnapshotPart(_),
                _,
            ) => return false,
            _ => unreachable!("only requests wait for a connection"),
        };
        asked_in == self.term()
    }
}
