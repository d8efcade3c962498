//! A small cluster by hand: messages arrive when a test says so, timers fire when it lets time pass.
//!
//! `creation` tells how sessions come to be, `ending` how they end, `items` what a chunk says and serves under them,
//! `replicas` what masters do that raft replicates.

mod creation;
mod ending;
mod items;
mod replicas;

use std::collections::BTreeMap;

use splitbrain_kernel::context::Effect;
use splitbrain_kernel::host::Host;
use splitbrain_kernel::id::{Cluster, NodeId};
use splitbrain_kernel::node::Source;
use splitbrain_kernel::options::PerServer;
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::system::{Bounds, Setup, System};
use splitbrain_kernel::time::Duration;

use super::chunk::Chunk;
use super::chunk::follower::{SessionFollower, State};
use super::ids::{CHUNK, META, SessionId, VOLUME};
use super::master::Master;
use super::message::SessionMessage;
use super::node::SessionNode;
use super::observation::SessionObservation;
use super::options::{Replication, SessionOptions};
use super::presets;
use super::system::Sessions;

const M1: NodeId = NodeId::new(META, 1);
const M2: NodeId = NodeId::new(META, 2);
const K1: NodeId = NodeId::new(CHUNK, 1);
const K2: NodeId = NodeId::new(CHUNK, 2);
const K3: NodeId = NodeId::new(CHUNK, 3);
const V1: NodeId = NodeId::new(VOLUME, 1);
const C1: NodeId = NodeId::client(1);

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Options of `zbs` whose callbacks and requests take no time, and which ask for targets only when a test does.
fn quick() -> SessionOptions {
    let never = Duration::from_secs(3_000);
    SessionOptions { callback_max: ms(0), io_max: ms(0), claim_retry: never, resources: 2, ..presets::zbs() }
}

/// Nodes and what is under way between them.
struct Town {
    hosts: BTreeMap<NodeId, Host<SessionNode>>,
    under_way: Vec<(NodeId, NodeId, SessionMessage)>,
    observed: Vec<(NodeId, SessionObservation)>,
    is_disk_held: bool,
}

impl Town {
    /// This many masters and chunks, a volume and a client, all started.
    fn new(options: SessionOptions, masters: u16, chunks: u16) -> Self {
        Self::with(PerServer::same(options), masters, chunks)
    }

    /// The same with options of their own for some.
    fn with(options: PerServer<SessionOptions>, masters: u16, chunks: u16) -> Self {
        let cluster = Cluster::new(Sessions::KINDS).with(META, masters).with(CHUNK, chunks).with(VOLUME, 1);
        let cluster = cluster.with(splitbrain_kernel::id::KindId::CLIENT, 1);
        // The lease of a master that is replicated needs a bound on drift.
        let drift_ppm = (options.base.replication == Replication::Raft).then_some(0);
        let bounds = Bounds { skew: None, drift_ppm, latency: ms(1) };
        let system = Sessions::new(Setup::new(cluster, options, bounds)).expect("the options fit");
        let host = |node: NodeId| (node, Host::of(&system, node, Seed(1)));
        let hosts = cluster.nodes().map(host).collect();
        let mut town = Self { hosts, under_way: Vec::new(), observed: Vec::new(), is_disk_held: false };
        town.hosts.values_mut().for_each(Host::start);
        town.collect();
        town
    }

    fn host(&mut self, node: NodeId) -> &mut Host<SessionNode> {
        self.hosts.get_mut(&node).expect("it is there")
    }

    fn master(&self) -> &Master {
        self.hosts[&M1].node().and_then(SessionNode::master).expect("it runs")
    }

    fn chunk(&self, chunk: NodeId) -> &Chunk {
        self.hosts[&chunk].node().and_then(SessionNode::chunk).expect("it runs")
    }

    fn follower(&self, chunk: NodeId) -> &SessionFollower {
        self.chunk(chunk).followers().get(1)
    }

    fn state(&self, chunk: NodeId) -> State {
        self.follower(chunk).state()
    }

    /// Steps and writes end, and what was sent is under way.
    fn collect(&mut self) {
        for _ in 0..100 {
            let mut is_quiet = true;
            for (node, host) in &mut self.hosts {
                while host.step() {
                    is_quiet = false;
                }
                if !self.is_disk_held && host.node().is_some() {
                    host.sync();
                }
                for effect in host.take() {
                    is_quiet = false;
                    match effect {
                        Effect::Send { target, message, .. } => self.under_way.push((*node, target, message)),
                        Effect::Observe(said) => self.observed.push((*node, said)),
                        _ => {}
                    }
                }
            }
            if is_quiet {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    /// What is under way and wanted arrives; the rest is lost.
    fn deliver_if(&mut self, wanted: impl Fn(NodeId, NodeId, &SessionMessage) -> bool) {
        for _ in 0..100 {
            if self.under_way.is_empty() {
                return;
            }
            for (source, target, message) in std::mem::take(&mut self.under_way) {
                if wanted(source, target, &message) {
                    self.host(target).message_from(Source { node: source, connection: None }, message);
                }
            }
            self.collect();
        }
        panic!("they never cease to talk");
    }

    fn deliver(&mut self) {
        self.deliver_if(|_, _, _| true);
    }

    /// Time passes everywhere, step by step; what is sent meanwhile arrives if it is wanted.
    fn pass_if(&mut self, span: Duration, wanted: impl Fn(NodeId, NodeId, &SessionMessage) -> bool + Copy) {
        let step = ms(100);
        for _ in 0..span.as_millis() / step.as_millis() {
            self.hosts.values_mut().filter(|host| host.node().is_some()).for_each(|host| host.advance(step));
            self.collect();
            self.deliver_if(wanted);
        }
    }

    fn pass(&mut self, span: Duration) {
        self.pass_if(span, |_, _, _| true);
    }

    /// Time passes, and nothing arrives at this node or from it.
    fn pass_without(&mut self, span: Duration, node: NodeId) {
        self.pass_if(span, move |source, target, _| source != node && target != node);
    }

    /// Time passes until a keepalive of this session is under way, and stays there: its number.
    fn next_round(&mut self, session: SessionId) -> u64 {
        for _ in 0..100 {
            self.deliver();
            self.hosts.values_mut().for_each(|host| host.advance(ms(100)));
            self.collect();
            let round = |message: &SessionMessage| match message {
                SessionMessage::KeepAlive(keep_alive) if keep_alive.session == session => Some(keep_alive.round),
                _ => None,
            };
            if let Some(round) = self.under_way.iter().find_map(|(_, _, message)| round(message)) {
                return round;
            }
        }
        panic!("it sends no keepalive");
    }

    /// What was observed since the last look.
    fn heard(&mut self) -> Vec<SessionObservation> {
        std::mem::take(&mut self.observed).into_iter().map(|(_, said)| said).collect()
    }

    /// How often something was observed since the last look.
    fn count(&self, is_it: impl Fn(&SessionObservation) -> bool) -> usize {
        self.observed.iter().filter(|(_, said)| is_it(said)).count()
    }
}

/// A quiet town after its sessions are created.
fn settled(options: SessionOptions, masters: u16, chunks: u16) -> Town {
    let mut town = Town::new(options, masters, chunks);
    town.deliver();
    town.heard();
    town
}
