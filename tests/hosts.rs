//! Goal: a node does the same on the host that is driven by hand, on threads and channels, and on sockets and files.
//!
//! Method: one script for a server whose peers the script plays. For a Raft server of three: an election on order, a
//! commit, a crash of the machine, a start from what was synced. For a redis: a lock, one that is refused, a crash of
//! the machine, a start from its file. Timeouts are far longer than any machine takes, so nothing happens by itself.
//! What the server observed and what each peer received is a golden text, the same for all hosts.

use std::fmt::Write as _;
use std::time::Duration as WallDuration;

use splitbrain::kernel::brief::{Datum, message_name};
use splitbrain::kernel::host::Host;
use splitbrain::kernel::prelude::*;
use splitbrain::sockets::{Endpoint, Peers, Sockets};
use splitbrain::threads::{News, Threads};
use splitbrain_systems::lock::LockNode;
use splitbrain_systems::lock::ids::{LockId, Token};
use splitbrain_systems::lock::message::{Command, Wire};
use splitbrain_systems::lock::options::{AppendFsync, LockOptions};
use splitbrain_systems::lock::presets::distlock;
use splitbrain_systems::lock::system::{KINDS, Lock, REDIS};
use splitbrain_systems::raft::ids::{Index, Position, Term};
use splitbrain_systems::raft::message::{AppendResult, Order, RaftMessage, VoteRequest};
use splitbrain_systems::raft::node::RaftNode;
use splitbrain_systems::raft::options::RaftOptions;
use splitbrain_systems::raft::system::Raft;

/// Longer than any machine takes for a step of a script.
const PATIENCE: WallDuration = WallDuration::from_secs(60);

const BOUNDS: Bounds = Bounds { skew: None, drift_ppm: None, latency: Duration::from_millis(10) };

/// What a script does to a server, on any host.
trait Stage<N: Node> {
    fn start(&mut self);
    fn order(&mut self, order: N::Order);
    fn message(&mut self, source: NodeId, message: N::Message);
    fn crash(&mut self);
    /// What it observed since the last look, so many things.
    fn observed(&mut self, count: usize) -> Vec<N::Observation>;
    /// What it sent to this peer since the last look, so many messages.
    fn sent_to(&mut self, peer: NodeId, count: usize) -> Vec<N::Message>;
}

/// By hand: what was sent waits here until the script looks at it.
struct ByHand<N: Node> {
    host: Host<N>,
    sent: Vec<(NodeId, N::Message)>,
}

impl<N: Node> Stage<N> for ByHand<N> {
    fn start(&mut self) {
        self.host.start();
    }
    fn order(&mut self, order: N::Order) {
        self.host.order(order);
        self.host.sync();
    }
    fn message(&mut self, source: NodeId, message: N::Message) {
        self.host.message(source, message);
        self.host.sync();
    }
    fn crash(&mut self) {
        self.host.crash_machine(0);
    }
    fn observed(&mut self, count: usize) -> Vec<N::Observation> {
        let observed = self.host.take_observed();
        assert_eq!(observed.len(), count, "{observed:?}");
        observed
    }
    fn sent_to(&mut self, peer: NodeId, count: usize) -> Vec<N::Message> {
        self.sent.extend(self.host.take_sent());
        let (to_peer, others) = std::mem::take(&mut self.sent).into_iter().partition(|(target, _)| *target == peer);
        self.sent = others;
        let to_peer: Vec<(NodeId, N::Message)> = to_peer;
        assert_eq!(to_peer.len(), count, "{to_peer:?}");
        to_peer.into_iter().map(|(_, message)| message).collect()
    }
}

/// On threads: the peers are played by this one.
struct OnThreads<S: System> {
    system: S,
    server: NodeId,
    threads: Threads<S::Node>,
    is_spawned: bool,
}

impl<S: System> Stage<S::Node> for OnThreads<S> {
    fn start(&mut self) {
        if std::mem::replace(&mut self.is_spawned, true) {
            self.threads.start(self.server);
        } else {
            self.threads.spawn_of(&self.system, self.server, Seed(1));
        }
    }
    fn order(&mut self, order: <S::Node as Node>::Order) {
        self.threads.order(self.server, order);
    }
    fn message(&mut self, source: NodeId, message: <S::Node as Node>::Message) {
        self.threads.send(source, self.server, &message);
    }
    fn crash(&mut self) {
        self.threads.crash(self.server);
    }
    fn observed(&mut self, count: usize) -> Vec<<S::Node as Node>::Observation> {
        let one = |_| match self.threads.news(PATIENCE) {
            Some((server, News::Observed(observation))) if server == self.server => observation,
            other => panic!("expected an observation, got {other:?}"),
        };
        (0..count).map(one).collect()
    }
    fn sent_to(&mut self, peer: NodeId, count: usize) -> Vec<<S::Node as Node>::Message> {
        let one = |_| self.threads.receive(peer, PATIENCE).expect("the server sends").1;
        (0..count).map(one).collect()
    }
}

/// On sockets: the peers are endpoints that this program plays. After a crash another process starts from the folder.
struct OnSockets<S: System> {
    system: S,
    id: NodeId,
    folder: std::path::PathBuf,
    peers: Vec<Endpoint>,
    addresses: Peers,
    server: Option<Sockets<S::Node>>,
}

impl<S: System> OnSockets<S> {
    fn new(system: S, id: NodeId, peers: &[NodeId]) -> Self {
        let folder = std::env::temp_dir().join(format!("splitbrain-hosts-{}-{}", S::NAME, std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let bind = |peer: &NodeId| Endpoint::bind(*peer, "127.0.0.1:0").expect("a free port");
        let peers: Vec<Endpoint> = peers.iter().map(bind).collect();
        let addresses = peers.iter().map(|peer| (peer.id(), peer.address())).collect();
        Self { system, id, folder, peers, addresses, server: None }
    }

    fn server(&self) -> &Sockets<S::Node> {
        self.server.as_ref().expect("it runs")
    }
}

impl<S: System> Stage<S::Node> for OnSockets<S> {
    fn start(&mut self) {
        let endpoint = Endpoint::bind(self.id, "127.0.0.1:0").expect("a free port");
        self.addresses.insert(self.id, endpoint.address());
        let started = Sockets::start_of(&self.system, endpoint, &self.addresses, &self.folder, Seed(1));
        self.server = Some(started.expect("the folder can be used"));
    }
    fn order(&mut self, order: <S::Node as Node>::Order) {
        self.server().order(order);
    }
    fn message(&mut self, source: NodeId, message: <S::Node as Node>::Message) {
        let peer = self.peers.iter().find(|peer| peer.id() == source).expect("a peer");
        peer.send(&self.addresses, self.id, &message).expect("it leaves");
    }
    fn crash(&mut self) {
        // What is on the disk before the end in good order is all that counts.
        let journal = self.folder.join("journal");
        let kept = std::fs::read(&journal).expect("there is a journal");
        let left = self.server.take().expect("it runs").stop().expect("the disk works");
        assert!(left.is_empty(), "nothing more happened: {left:?}");
        std::fs::write(&journal, kept).expect("the folder can be written");
    }
    fn observed(&mut self, count: usize) -> Vec<<S::Node as Node>::Observation> {
        let one = |_| match self.server().news(PATIENCE) {
            Some(News::Observed(observation)) => observation,
            other => panic!("expected an observation, got {other:?}"),
        };
        (0..count).map(one).collect()
    }
    fn sent_to(&mut self, peer: NodeId, count: usize) -> Vec<<S::Node as Node>::Message> {
        let peer = self.peers.iter().find(|one| one.id() == peer).expect("a peer");
        let one = |_| peer.receive(PATIENCE).expect("it can be read").expect("the server sends").1;
        (0..count).map(one).collect()
    }
}

impl<S: System> Drop for OnSockets<S> {
    fn drop(&mut self) {
        drop(self.server.take());
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A server that is played on some stage.
struct Play<'a, N: Node> {
    stage: &'a mut dyn Stage<N>,
    peers: &'a [NodeId],
    text: String,
}

impl<N: Node> Play<'_, N> {
    /// What a step led to: so many observations, so many messages to each peer.
    fn look(&mut self, step: &str, observed: usize, sent: &[usize]) {
        let _ = writeln!(self.text, "{step}");
        for observation in self.stage.observed(observed) {
            let brief = Datum::<N>::Observation(&observation);
            let _ = writeln!(self.text, "  {}", format!("{} {brief}", observation.face().name).trim_end());
        }
        for (peer, count) in self.peers.iter().zip(sent) {
            for message in self.stage.sent_to(*peer, *count) {
                let epoch = message.epoch().map_or_else(String::new, |epoch| format!("@{epoch} "));
                let brief = Datum::<N>::Message(&message);
                let _ = writeln!(self.text, "  → {peer} {} {epoch}{brief}", message_name(&message));
            }
        }
    }
}

/// Plays a script on every host, and compares what it comes to; returns that.
fn on_every_host<S: System>(
    system: &S,
    server: NodeId,
    peers: &[NodeId],
    script: impl Fn(&mut Play<'_, S::Node>),
) -> String {
    let play = |stage: &mut dyn Stage<S::Node>| {
        let mut play = Play { stage, peers, text: String::new() };
        script(&mut play);
        play.text
    };
    let by_hand = play(&mut ByHand { host: Host::of(system, server, Seed(1)), sent: Vec::new() });
    let threads = Threads::new([server].into_iter().chain(peers.iter().copied()));
    let mut stage = OnThreads { system: system.clone(), server, threads, is_spawned: false };
    assert_eq!(play(&mut stage), by_hand);
    assert!(stage.threads.stop().is_empty(), "nothing more happened");
    assert_eq!(play(&mut OnSockets::new(system.clone(), server, peers)), by_hand);
    by_hand
}

fn raft() -> Raft {
    let preset = RaftOptions::presets().iter().find(|preset| preset.name == "paper").expect("it is shipped");
    let mut options = (preset.make)();
    options.timing.heartbeat = Duration::from_secs(1_000);
    options.timing.election_timeout_min = Duration::from_secs(2_000);
    options.timing.election_timeout_max = Duration::from_secs(3_000);
    options.timing.round_timeout_min = Duration::from_secs(2_000);
    options.timing.round_timeout_max = Duration::from_secs(3_000);
    Raft::new(Setup::new(Cluster::plain(3, 0), PerServer::same(options), BOUNDS)).expect("they stand together")
}

#[test]
fn a_raft_server_does_the_same_on_every_host() {
    let peers = [NodeId::server(2), NodeId::server(3)];
    let term = Term(1);
    let script = |play: &mut Play<'_, RaftNode>| {
        play.stage.start();
        play.look("start", 1, &[0, 0]);
        play.stage.order(Order::Campaign);
        play.look("campaign", 2, &[1, 1]);
        play.stage.message(peers[0], RaftMessage::VoteReply { term, granted: true });
        play.look("s2 grants its vote", 1, &[1, 1]);
        let result = AppendResult::Accepted { matched: Index(1) };
        play.stage.message(peers[0], RaftMessage::AppendReply { term, result });
        play.look("s2 accepts the entry", 2, &[0, 0]);
        play.stage.crash();
        play.stage.start();
        play.look("the machine crashes and starts again", 1, &[0, 0]);
        play.stage.message(peers[1], RaftMessage::Vote(VoteRequest { term: Term(2), last: Position::ZERO }));
        play.look("s3 asks for a vote with an empty log", 2, &[0, 1]);
    };
    insta::assert_snapshot!("script", on_every_host(&raft(), NodeId::server(1), &peers, script));
}

fn lock() -> Lock {
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    let options = LockOptions {
        append_fsync: AppendFsync::Always,
        expire_every: minutes(10),
        acknowledge_every: minutes(10),
        ..distlock()
    };
    let cluster = Cluster::new(KINDS).with(REDIS, 1);
    Lock::new(Setup::new(cluster, PerServer::same(options), BOUNDS)).expect("they stand together")
}

#[test]
fn a_redis_does_the_same_on_every_host() {
    let clients = [NodeId::client(1), NodeId::client(2)];
    let lock_id = LockId(1);
    let acquire = |token| {
        let time_to_live = Some(Duration::from_secs(1_000));
        Command::Acquire { lock: lock_id, token: Token(token), time_to_live, fenced: false, returning: false }
    };
    let ask = |process, request, command| Wire::Ask { process, request, command };
    let (first, second) = (0x1111 << 48, 0x2222 << 48);
    let script = |play: &mut Play<'_, LockNode>| {
        play.stage.start();
        play.look("start", 2, &[0, 0]);
        play.stage.message(clients[0], ask(0, 1, acquire(first)));
        play.look("c1 asks for the lock", 1, &[1, 0]);
        play.stage.message(clients[1], ask(0, 1, acquire(second)));
        play.look("c2 asks for it", 0, &[0, 1]);
        play.stage.crash();
        play.stage.start();
        play.look("the machine crashes and starts again", 3, &[0, 0]);
        play.stage.message(clients[1], ask(0, 2, acquire(second)));
        play.look("c2 asks the process that has ended", 0, &[0, 1]);
        play.stage.message(clients[1], ask(1, 3, acquire(second)));
        play.look("c2 asks the one that runs", 0, &[0, 1]);
        play.stage.message(clients[0], ask(1, 2, Command::Release { lock: lock_id, token: Token(first) }));
        play.look("c1 gives the lock back", 1, &[1, 0]);
        play.stage.message(clients[1], ask(1, 4, acquire(second)));
        play.look("c2 asks once more", 1, &[0, 1]);
    };
    insta::assert_snapshot!("redis", on_every_host(&lock(), NodeId::new(REDIS, 1), &clients, script));
}
