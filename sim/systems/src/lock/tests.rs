//! Nodes of the lock system by hand: one host each, and the test is the network and the clock.

mod client;
mod redis;
mod resource;
mod sentinel;

use splitbrain_kernel::context::{Effect, OperationResult};
use splitbrain_kernel::host::Host;
use splitbrain_kernel::id::{Cluster, NodeId};
use splitbrain_kernel::options::PerServer;
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::system::{Bounds, Setup, System};
use splitbrain_kernel::time::Duration;

use super::ids::{LockId, Token};
use super::message::{Answer, Command, Response, Wire};
use super::node::LockNode;
use super::observation::{Hold, LockObservation};
use super::options::LockOptions;
use super::system::{KINDS, Lock, REDIS, RESOURCE, SENTINEL};

const C1: NodeId = NodeId::client(1);
const R1: NodeId = NodeId::new(REDIS, 1);
const R2: NodeId = NodeId::new(REDIS, 2);
const R3: NodeId = NodeId::new(REDIS, 3);
const N1: NodeId = NodeId::new(SENTINEL, 1);
const N2: NodeId = NodeId::new(SENTINEL, 2);
const N3: NodeId = NodeId::new(SENTINEL, 3);
const E1: NodeId = NodeId::new(RESOURCE, 1);
const LOCK: LockId = LockId(1);

/// A node on a host, and what came out of it since the last look.
struct Stand {
    host: Host<LockNode>,
    sent: Vec<(NodeId, Wire)>,
    observed: Vec<LockObservation>,
    answered: Vec<OperationResult<Response>>,
    restarts: u32,
}

impl Stand {
    /// One node of a cluster, started.
    fn new(id: NodeId, (redis, sentinels): (u16, u16), options: LockOptions) -> Self {
        let cluster = Cluster::new(KINDS).with(REDIS, redis).with(SENTINEL, sentinels).with(RESOURCE, 1);
        let bounds = Bounds { skew: None, drift_ppm: None, latency: Duration::from_millis(1) };
        let setup = Setup::new(cluster, PerServer::same(options), bounds);
        let system = Lock::new(setup).expect("the options stand together");
        let host = Host::of(&system, id, Seed(1));
        let mut stand = Self { host, sent: Vec::new(), observed: Vec::new(), answered: Vec::new(), restarts: 0 };
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
                _ => {}
            }
        }
    }

    /// How many processes have run before the one that runs.
    fn process(&self) -> u32 {
        self.restarts
    }

    /// The process ends, and the next one starts.
    fn restart(&mut self, crash: impl FnOnce(&mut Host<LockNode>)) {
        crash(&mut self.host);
        self.host.start();
        self.restarts += 1;
        self.note();
    }

    /// A message arrives.
    fn hear(&mut self, source: NodeId, message: Wire) {
        self.host.message(source, message);
        self.note();
    }

    /// Time passes, and timers fire when they are due.
    fn wait(&mut self, span: Duration) {
        self.host.advance(span);
        self.note();
    }

    fn sync(&mut self) {
        self.host.sync();
        self.note();
    }

    fn take_sent(&mut self) -> Vec<(NodeId, Wire)> {
        std::mem::take(&mut self.sent)
    }

    fn take_observed(&mut self) -> Vec<LockObservation> {
        std::mem::take(&mut self.observed)
    }

    /// The requests that were sent since the last look, in order.
    fn take_asked(&mut self) -> Vec<(NodeId, u64, Command)> {
        let asked = self.take_sent().into_iter();
        asked
            .filter_map(|(target, message)| match message {
                Wire::Ask { request, command, .. } => Some((target, request, command)),
                _ => None,
            })
            .collect()
    }

    /// The answers that were sent since the last look, in order.
    fn take_answers(&mut self) -> Vec<Answer> {
        let sent = self.take_sent().into_iter();
        sent.filter_map(|(_, message)| if let Wire::Answer { answer, .. } = message { Some(answer) } else { None })
            .collect()
    }
}

fn hold(token: u64) -> Hold {
    Hold { lock: LOCK, token: Token(token) }
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
