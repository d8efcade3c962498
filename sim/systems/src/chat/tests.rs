//! Nodes of the chat service by hand: one host each, and the test is the network and the clock.

mod around;
mod server;

use splitbrain_kernel::context::{Effect, OperationResult};
use splitbrain_kernel::host::Host;
use splitbrain_kernel::id::{Cluster, NodeId};
use splitbrain_kernel::node::{ConnectionChange, ConnectionId, Source};
use splitbrain_kernel::options::PerServer;
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::system::{Bounds, Setup, System};
use splitbrain_kernel::time::Duration;

use crate::lock::message::Wire;
use crate::lock::redis::Reply;
use crate::lock::system::REDIS;

use super::ids::{CHAT, GATE, STATUS, SessionId, Uid};
use super::message::{ChatMessage, Response};
use super::node::ChatNode;
use super::observation::ChatObservation;
use super::options::ChatOptions;
use super::presets;
use super::store::Words;
use super::system::{Chat, KINDS};

const R1: NodeId = NodeId::new(REDIS, 1);
const G1: NodeId = NodeId::new(GATE, 1);
const T1: NodeId = NodeId::new(STATUS, 1);
const H1: NodeId = NodeId::new(CHAT, 1);
const H2: NodeId = NodeId::new(CHAT, 2);
const C1: NodeId = NodeId::client(1);
const U1: Uid = Uid(1);

/// The preset `quick` without waits of the database and without gaps.
fn quick() -> ChatOptions {
    ChatOptions { gap_max: Duration::ZERO, database_max: Duration::ZERO, ..presets::quick() }
}

/// A node on a host, and what came out of it since the last look.
struct Stand {
    host: Host<ChatNode>,
    sent: Vec<(NodeId, ChatMessage)>,
    observed: Vec<ChatObservation>,
    answered: Vec<OperationResult<Response>>,
    connected: Vec<ConnectionId>,
    closed: Vec<ConnectionId>,
}

impl Stand {
    /// One node of a cluster with two chat servers, started.
    fn new(id: NodeId, options: ChatOptions) -> Self {
        let one_each =
            [REDIS, GATE, STATUS].into_iter().fold(Cluster::new(KINDS), |cluster, kind| cluster.with(kind, 1));
        let bounds = Bounds { skew: None, drift_ppm: None, latency: Duration::from_millis(1) };
        let setup = Setup::new(one_each.with(CHAT, 2), PerServer::same(options), bounds);
        let system = Chat::new(setup).expect("the options stand together");
        let (sent, observed, answered) = (Vec::new(), Vec::new(), Vec::new());
        let (connected, closed) = (Vec::new(), Vec::new());
        let mut stand = Self { host: Host::of(&system, id, Seed(1)), sent, observed, answered, connected, closed };
        stand.host.start();
        stand.note();
        stand
    }

    fn note(&mut self) {
        for effect in self.host.take() {
            match effect {
                Effect::Send { target, message, .. } => self.sent.push((target, message)),
                Effect::Observe(observation) => self.observed.push(observation),
                Effect::Complete { result, .. } => self.answered.push(result),
                Effect::Connect { connection, .. } => self.connected.push(connection),
                Effect::Close(connection) => self.closed.push(connection),
                _ => {}
            }
        }
    }

    /// A message arrives, as a datagram.
    fn hear(&mut self, source: NodeId, message: ChatMessage) {
        self.host.message(source, message);
        self.note();
    }

    /// A message arrives over a connection.
    fn hear_over(&mut self, connection: ConnectionId, node: NodeId, message: ChatMessage) {
        self.host.message_from(Source { node, connection: Some(connection) }, message);
        self.note();
    }

    fn connection(&mut self, connection: ConnectionId, peer: NodeId, change: ConnectionChange) {
        self.host.connection(connection, peer, change);
        self.note();
    }

    fn wait(&mut self, span: Duration) {
        self.host.advance(span);
        self.note();
    }

    fn take_sent(&mut self) -> Vec<(NodeId, ChatMessage)> {
        std::mem::take(&mut self.sent)
    }

    fn take_answered(&mut self) -> Vec<OperationResult<Response>> {
        std::mem::take(&mut self.answered)
    }

    /// Whether it has said such a thing.
    fn has_said(&self, is_it: impl Fn(&ChatObservation) -> bool) -> bool {
        self.observed.iter().any(is_it)
    }
}

/// A redis that can fall silent.
struct Store {
    redis: Stand,
    is_silent: bool,
    next_request: u64,
}

impl Store {
    fn new(options: ChatOptions) -> Self {
        Self { redis: Stand::new(R1, options), is_silent: false, next_request: 0 }
    }

    /// What another client would be answered.
    fn ask(&mut self, words: Words) -> Reply {
        self.next_request += 1;
        let call = Wire::Call { process: 0, request: self.next_request, words };
        self.redis.hear(NodeId::client(9), ChatMessage::Lock(call));
        self.redis.host.sync();
        self.redis.note();
        let mut replies = self.redis.take_sent().into_iter().filter_map(|(_, message)| match message {
            ChatMessage::Lock(Wire::Called { reply, .. }) => Some(reply),
            _ => None,
        });
        replies.next_back().expect("it answers")
    }

    /// What a node has sent to it arrives, and its answers arrive there; the rest stays. No time passes.
    fn serve(&mut self, node: &mut Stand) {
        for _ in 0..50 {
            node.wait(Duration::ZERO);
            let (own, rest): (Vec<_>, Vec<_>) = node.take_sent().into_iter().partition(|(target, _)| *target == R1);
            node.sent = rest;
            if own.is_empty() {
                return;
            }
            if !self.is_silent {
                own.into_iter().for_each(|(_, message)| self.redis.hear(node.host.id(), message));
                self.redis.host.sync();
                self.redis.note();
                self.redis.take_sent().into_iter().for_each(|(_, message)| node.hear(R1, message));
            }
        }
        panic!("a node asks the redis again and again");
    }

    /// The same for as long as this lasts.
    fn serve_for(&mut self, node: &mut Stand, span: Duration) {
        let steps = span.as_millis() / 10;
        for _ in 0..steps {
            self.redis.wait(Duration::from_millis(10));
            node.wait(Duration::from_millis(10));
            self.serve(node);
        }
    }
}

/// A session of a chat server, of its first process.
const fn session(server: NodeId, number: u32) -> SessionId {
    SessionId::new(server, 0, number)
}
