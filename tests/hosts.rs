//! Goal: a node does the same on the host that is driven by hand, on threads and channels, and on sockets and files.
//!
//! Method: one script for a Raft server of three, whose peers the script plays: an election on order, a commit, a
//! crash of the machine, a start from what was synced. Timeouts are far longer than any machine takes, so nothing
//! happens by itself. What the server observed and what each peer received is a golden text, the same for all hosts.

use std::fmt::Write as _;
use std::time::Duration as WallDuration;

use splitbrain::kernel::brief::{Datum, message_name};
use splitbrain::kernel::host::Host;
use splitbrain::kernel::prelude::*;
use splitbrain::sockets::{Endpoint, Peers, Sockets};
use splitbrain::threads::{News, Threads};
use splitbrain_systems::raft::ids::{Index, Position, Term};
use splitbrain_systems::raft::message::{AppendResult, Order, RaftMessage};
use splitbrain_systems::raft::node::RaftNode;
use splitbrain_systems::raft::observation::RaftObservation;
use splitbrain_systems::raft::options::RaftOptions;
use splitbrain_systems::raft::system::Raft;

const SERVER: NodeId = NodeId::server(1);
const PEERS: [NodeId; 2] = [NodeId::server(2), NodeId::server(3)];
/// Longer than any machine takes for a step of the script.
const PATIENCE: WallDuration = WallDuration::from_secs(60);

fn raft() -> Raft {
    let preset = RaftOptions::presets().iter().find(|preset| preset.name == "paper").expect("it is shipped");
    let mut options = (preset.make)();
    options.heartbeat = Duration::from_secs(1_000);
    options.election_timeout_min = Duration::from_secs(2_000);
    options.election_timeout_max = Duration::from_secs(3_000);
    options.round_timeout_min = Duration::from_secs(2_000);
    options.round_timeout_max = Duration::from_secs(3_000);
    let bounds = Bounds { skew: None, drift_ppm: None, latency: Duration::from_millis(10) };
    Raft::new(Setup::new(Cluster::plain(3, 0), PerServer::same(options), bounds)).expect("they stand together")
}

/// What a script does to a server, on any host.
trait Stage {
    fn start(&mut self);
    fn order(&mut self, order: Order);
    fn message(&mut self, source: NodeId, message: RaftMessage);
    fn crash(&mut self);
    /// What it observed since the last look, so many things.
    fn observed(&mut self, count: usize) -> Vec<RaftObservation>;
    /// What it sent to this peer since the last look, so many messages.
    fn sent_to(&mut self, peer: NodeId, count: usize) -> Vec<RaftMessage>;
}

/// By hand: what was sent waits here until the script looks at it.
struct ByHand {
    host: Host<RaftNode>,
    sent: Vec<(NodeId, RaftMessage)>,
}

impl Stage for ByHand {
    fn start(&mut self) {
        self.host.start();
    }
    fn order(&mut self, order: Order) {
        self.host.order(order);
        self.host.sync();
    }
    fn message(&mut self, source: NodeId, message: RaftMessage) {
        self.host.message(source, message);
        self.host.sync();
    }
    fn crash(&mut self) {
        self.host.crash_machine(0);
    }
    fn observed(&mut self, count: usize) -> Vec<RaftObservation> {
        let observed = self.host.take_observed();
        assert_eq!(observed.len(), count, "{observed:?}");
        observed
    }
    fn sent_to(&mut self, peer: NodeId, count: usize) -> Vec<RaftMessage> {
        self.sent.extend(self.host.take_sent());
        let (to_peer, others) = std::mem::take(&mut self.sent).into_iter().partition(|(target, _)| *target == peer);
        self.sent = others;
        let to_peer: Vec<(NodeId, RaftMessage)> = to_peer;
        assert_eq!(to_peer.len(), count, "{to_peer:?}");
        to_peer.into_iter().map(|(_, message)| message).collect()
    }
}

/// On threads: the peers are played by this one.
struct OnThreads {
    threads: Threads<RaftNode>,
    is_spawned: bool,
}

impl Stage for OnThreads {
    fn start(&mut self) {
        if std::mem::replace(&mut self.is_spawned, true) {
            self.threads.start(SERVER);
        } else {
            self.threads.spawn_of(&raft(), SERVER, Seed(1));
        }
    }
    fn order(&mut self, order: Order) {
        self.threads.order(SERVER, order);
    }
    fn message(&mut self, source: NodeId, message: RaftMessage) {
        self.threads.send(source, SERVER, &message);
    }
    fn crash(&mut self) {
        self.threads.crash(SERVER);
    }
    fn observed(&mut self, count: usize) -> Vec<RaftObservation> {
        let one = |_| match self.threads.news(PATIENCE) {
            Some((SERVER, News::Observed(observation))) => observation,
            other => panic!("expected an observation, got {other:?}"),
        };
        (0..count).map(one).collect()
    }
    fn sent_to(&mut self, peer: NodeId, count: usize) -> Vec<RaftMessage> {
        let one = |_| self.threads.receive(peer, PATIENCE).expect("the server sends").1;
        (0..count).map(one).collect()
    }
}

/// On sockets: the peers are endpoints that this program plays. After a crash another process starts from the folder.
struct OnSockets {
    folder: std::path::PathBuf,
    peers: [Endpoint; 2],
    addresses: Peers,
    server: Option<Sockets<RaftNode>>,
}

impl OnSockets {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("splitbrain-hosts-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let peers = PEERS.map(|peer| Endpoint::bind(peer, "127.0.0.1:0").expect("a free port"));
        let addresses = peers.iter().map(|peer| (peer.id(), peer.address())).collect();
        Self { folder, peers, addresses, server: None }
    }

    fn server(&self) -> &Sockets<RaftNode> {
        self.server.as_ref().expect("it runs")
    }
}

impl Stage for OnSockets {
    fn start(&mut self) {
        let endpoint = Endpoint::bind(SERVER, "127.0.0.1:0").expect("a free port");
        self.addresses.insert(SERVER, endpoint.address());
        let started = Sockets::start_of(&raft(), endpoint, &self.addresses, &self.folder, Seed(1));
        self.server = Some(started.expect("the folder can be used"));
    }
    fn order(&mut self, order: Order) {
        self.server().order(order);
    }
    fn message(&mut self, source: NodeId, message: RaftMessage) {
        let peer = self.peers.iter().find(|peer| peer.id() == source).expect("a peer");
        peer.send(&self.addresses, SERVER, &message).expect("it leaves");
    }
    fn crash(&mut self) {
        // What is on the disk before the end in good order is all that counts.
        let journal = self.folder.join("journal");
        let kept = std::fs::read(&journal).expect("there is a journal");
        let left = self.server.take().expect("it runs").stop().expect("the disk works");
        assert!(left.is_empty(), "nothing more happened: {left:?}");
        std::fs::write(&journal, kept).expect("the folder can be written");
    }
    fn observed(&mut self, count: usize) -> Vec<RaftObservation> {
        let one = |_| match self.server().news(PATIENCE) {
            Some(News::Observed(observation)) => observation,
            other => panic!("expected an observation, got {other:?}"),
        };
        (0..count).map(one).collect()
    }
    fn sent_to(&mut self, peer: NodeId, count: usize) -> Vec<RaftMessage> {
        let peer = self.peers.iter().find(|one| one.id() == peer).expect("a peer");
        let one = |_| peer.receive(PATIENCE).expect("it can be read").expect("the server sends").1;
        (0..count).map(one).collect()
    }
}

impl Drop for OnSockets {
    fn drop(&mut self) {
        drop(self.server.take());
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Plays the script; returns what it came to and the stage.
fn play<S: Stage>(mut stage: S) -> (String, S) {
    let mut text = String::new();
    let term = Term(1);
    let granted = RaftMessage::VoteReply { term, granted: true };
    let accepted = RaftMessage::AppendReply { term, result: AppendResult::Accepted { matched: Index(1) } };
    stage.start();
    look(&mut text, "start", &mut stage, 1, [0, 0]);
    stage.order(Order::Campaign);
    look(&mut text, "campaign", &mut stage, 2, [1, 1]);
    stage.message(PEERS[0], granted);
    look(&mut text, "s2 grants its vote", &mut stage, 1, [1, 1]);
    stage.message(PEERS[0], accepted);
    look(&mut text, "s2 accepts the entry", &mut stage, 2, [0, 0]);
    stage.crash();
    stage.start();
    look(&mut text, "the machine crashes and starts again", &mut stage, 1, [0, 0]);
    let request = splitbrain_systems::raft::message::VoteRequest { term: Term(2), last: Position::ZERO };
    stage.message(PEERS[1], RaftMessage::Vote(request));
    look(&mut text, "s3 asks for a vote with an empty log", &mut stage, 2, [0, 1]);
    (text, stage)
}

/// What the step led to: so many observations, so many messages to each peer.
fn look(text: &mut String, step: &str, stage: &mut impl Stage, observed: usize, sent: [usize; 2]) {
    let _ = writeln!(text, "{step}");
    for observation in stage.observed(observed) {
        let brief = Datum::<RaftNode>::Observation(&observation);
        let _ = writeln!(text, "  {}", format!("{} {brief}", observation.face().name).trim_end());
    }
    for (peer, count) in PEERS.into_iter().zip(sent) {
        for message in stage.sent_to(peer, count) {
            let _ = writeln!(text, "  → {peer} {}", shown(&message));
        }
    }
}

fn shown(message: &RaftMessage) -> String {
    let epoch = message.epoch().map_or_else(String::new, |epoch| format!("@{epoch} "));
    format!("{} {epoch}{}", message_name(message), Datum::<RaftNode>::Message(message))
}

#[test]
fn a_server_does_the_same_on_every_host() {
    let (by_hand, _) = play(ByHand { host: Host::of(&raft(), SERVER, Seed(1)), sent: Vec::new() });
    insta::assert_snapshot!("script", by_hand);
    let nodes = [SERVER, PEERS[0], PEERS[1]];
    let (on_threads, stage) = play(OnThreads { threads: Threads::new(nodes), is_spawned: false });
    assert_eq!(on_threads, by_hand);
    assert!(stage.threads.stop().is_empty(), "nothing more happened");
    let (on_sockets, _) = play(OnSockets::new());
    assert_eq!(on_sockets, by_hand);
}
