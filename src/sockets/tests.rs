//! What a node hears of peers that are gone, that close, and that are no peers.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::path::PathBuf;
use std::sync::mpsc::RecvTimeoutError;

use serde::{Deserialize, Serialize};
use splitbrain_kernel::context::Context;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::{Change, ConnectionEvent, Face, Message, Never, Observation};
use splitbrain_kernel::time::Duration;

use super::connections::{Frame, bytes_of};
use super::*;

const FIRST: NodeId = NodeId::server(1);
const SECOND: NodeId = NodeId::server(2);
const LONG: WallDuration = WallDuration::from_secs(60);

/// Tells what it hears, and does what it is ordered.
#[derive(Debug, Default)]
struct Ear {
    last: Option<ConnectionId>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Word(String);

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Act {
    Dial,
    Say(String),
    SayOften(u32),
    Close,
    Exit,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
enum Told {
    Line(ConnectionChange),
    Heard(String),
    Wall(u64),
}

impl Message for Word {
    const KINDS: &'static [&'static str] = &["word"];
    fn kind(&self) -> usize {
        0
    }
}

impl Observation for Told {
    const NAMES: &'static [&'static str] = &["told"];
    fn face(&self) -> Face {
        Face::new("told", Change::None)
    }
}

impl Node for Ear {
    type Message = Word;
    type Timer = ();
    type Record = u64;
    type Observation = Told;
    type Operation = Never;
    type Response = Never;
    type Order = Act;
    type Step = Never;

    fn on_start(&mut self, ctx: &mut Context<Self>) {
        ctx.set_timer((), Duration::from_millis(1));
    }

    fn on_timer(&mut self, ctx: &mut Context<Self>, (): ()) {
        ctx.observe(Told::Wall(ctx.wall().as_nanos()));
    }

    fn on_connection(&mut self, ctx: &mut Context<Self>, event: ConnectionEvent) {
        self.last = Some(event.connection);
        ctx.observe(Told::Line(event.change));
    }

    fn on_message(&mut self, ctx: &mut Context<Self>, _: Source, Word(word): Word) {
        ctx.observe(Told::Heard(word));
    }

    fn on_order(&mut self, ctx: &mut Context<Self>, act: Act) {
        let peer = if ctx.id() == FIRST { SECOND } else { FIRST };
        match (act, self.last) {
            (Act::Dial, _) => self.last = Some(ctx.connect(peer)),
            (Act::Say(word), None) => ctx.send(peer, Word(word)),
            (Act::Say(word), Some(line)) => ctx.send_on(line, peer, Word(word)),
            (Act::SayOften(times), Some(line)) => {
                (0..times).for_each(|_| ctx.send_on(line, peer, Word("a".repeat(1000))));
            }
            (Act::Close, Some(line)) => ctx.close(line),
            (Act::Exit, _) => ctx.exit("ordered"),
            (Act::SayOften(_) | Act::Close, None) => {}
        }
    }
}

/// Two nodes at their endpoints, each with a disk.
struct Stage {
    folder: PathBuf,
    peers: Peers,
    endpoints: BTreeMap<NodeId, Endpoint>,
}

impl Stage {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("splitbrain-sockets-{}-{name}", std::process::id()));
        let bound = [FIRST, SECOND].map(|id| (id, Endpoint::bind(id, "127.0.0.1:0").expect("a free port")));
        let peers = bound.iter().map(|(id, endpoint)| (*id, endpoint.address())).collect();
        Self { folder, peers, endpoints: bound.into() }
    }

    fn start(&mut self, id: NodeId) -> Sockets<Ear> {
        let endpoint = self.endpoints.remove(&id).expect("it is started once");
        let folder = self.folder.join(id.to_string());
        Sockets::start(endpoint, &self.peers, &folder, Seed(1), |_| Ear::default()).expect("it starts")
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// What a node tells next, its clock left out.
fn told(node: &Sockets<Ear>) -> Told {
    loop {
        match node.news(LONG) {
            Some(News::Observed(Told::Wall(_))) => {}
            Some(News::Observed(told)) => return told,
            other => panic!("expected something that was told, got {other:?}"),
        }
    }
}

fn say(word: &str) -> Act {
    Act::Say(word.to_owned())
}

/// Two nodes with a connection between them.
fn connected(stage: &mut Stage) -> [Sockets<Ear>; 2] {
    let nodes = [stage.start(FIRST), stage.start(SECOND)];
    nodes[0].order(Act::Dial);
    assert_eq!(told(&nodes[0]), Told::Line(ConnectionChange::Opened));
    assert_eq!(told(&nodes[1]), Told::Line(ConnectionChange::Accepted));
    nodes
}

#[test]
fn what_was_said_before_a_close_arrives_in_order() {
    let mut stage = Stage::new("close");
    let [first, second] = connected(&mut stage);
    for word in ["one", "two", "three"] {
        first.order(say(word));
    }
    first.order(Act::Close);
    for word in ["one", "two", "three"] {
        assert_eq!(told(&second), Told::Heard(word.to_owned()));
    }
    assert_eq!(told(&second), Told::Line(ConnectionChange::Closed));
}

#[test]
fn a_stop_closes_and_an_exit_resets() {
    let mut stage = Stage::new("end");
    let [first, second] = connected(&mut stage);
    first.stop().expect("the disk works");
    assert_eq!(told(&second), Told::Line(ConnectionChange::Closed));

    let mut stage = Stage::new("exit");
    let [first, second] = connected(&mut stage);
    first.order(Act::Exit);
    assert_eq!(told(&second), Told::Line(ConnectionChange::Reset));
    second.order(Act::Dial);
    assert_eq!(told(&second), Told::Line(ConnectionChange::Refused), "no process answers there");
}

#[test]
fn where_no_one_listens_a_connection_is_refused() {
    let mut stage = Stage::new("refused");
    let first = stage.start(FIRST);
    stage.endpoints.clear();
    first.order(Act::Dial);
    assert_eq!(told(&first), Told::Line(ConnectionChange::Refused));
}

/// The caller plays the second node: it takes the connection that the first opens, and reads no more.
fn dialled_by_first(stage: &mut Stage, first: &Sockets<Ear>) -> TcpStream {
    let listener = &stage.endpoints[&SECOND].listener;
    first.order(Act::Dial);
    let (mut stream, _) = listener.accept().expect("it is dialled");
    let mut length = [0; 4];
    stream.read_exact(&mut length).expect("a hello comes");
    stream.write_all(&bytes_of(&Frame::<Word>::Welcome)).expect("it is there");
    assert_eq!(told(first), Told::Line(ConnectionChange::Opened));
    stream
}

#[test]
fn a_peer_that_does_not_read_is_reset() {
    let mut stage = Stage::new("full");
    let first = stage.start(FIRST);
    let _stream = dialled_by_first(&mut stage, &first);
    first.order(Act::SayOften(u32::try_from(QUEUE_MAX).unwrap() * 3));
    assert_eq!(told(&first), Told::Line(ConnectionChange::Reset));
}

/// Whatever the peers do: one says nothing, one never reads what was said before a close, one never reads.
#[test]
fn a_stop_ends() {
    let mut stage = Stage::new("stop");
    let first = stage.start(FIRST);
    let _silent = TcpStream::connect(stage.peers[&FIRST]).expect("it listens");
    let _closed = dialled_by_first(&mut stage, &first);
    first.order(Act::SayOften(5_000));
    first.order(Act::Close);
    let _open = dialled_by_first(&mut stage, &first);
    first.order(Act::SayOften(5_000));
    let (done, ended) = channel();
    thread::spawn(move || done.send(first.stop().is_ok()));
    assert_ne!(ended.recv_timeout(LONG), Err(RecvTimeoutError::Timeout), "it waits for ever");
}

/// Each is dropped, and the next word of a peer is heard.
#[test]
fn what_is_no_word_of_a_peer_is_dropped() {
    let mut stage = Stage::new("strange");
    let node = stage.start(FIRST);
    let (peers, address) = (stage.peers.clone(), stage.peers[&FIRST]);
    let stranger = Endpoint::bind(NodeId::server(9), "127.0.0.1:0").expect("a free port");
    stranger.send(&peers, FIRST, &Word("of no peer".to_owned())).expect("it leaves");
    let peer = stage.endpoints.remove(&SECOND).expect("it is bound");
    let elsewhere = Peers::from([(NodeId::server(3), address)]);
    peer.send(&elsewhere, NodeId::server(3), &Word("to another".to_owned())).expect("it leaves");
    for bytes in [&b"hello"[..], b"", &[0xff; 2000], br#"{"source":"s2","message":7}"#] {
        stranger.socket.send_to(bytes, address).expect("it leaves");
    }
    let hello = |source, target, opener| {
        let connection = ConnectionId { opener, number: 1 };
        bytes_of(&Frame::<Word>::Hello { source, target, connection })
    };
    let framed = |text: &[u8]| [&u32::try_from(text.len()).unwrap().to_le_bytes()[..], text].concat();
    let beginnings = [
        hello(NodeId::server(9), FIRST, NodeId::server(9)),
        hello(SECOND, NodeId::server(3), SECOND),
        hello(SECOND, FIRST, NodeId::server(3)),
        bytes_of(&Frame::Message(Word("of no one".to_owned()))),
        bytes_of(&Frame::<Word>::Welcome),
        framed(b"hello"),
        framed(&[b' '; 2000]),
        vec![0xff; 2000],
        Vec::new(),
    ];
    for bytes in beginnings {
        let mut stream = TcpStream::connect(address).expect("it listens");
        // The node may have closed the connection by now: then there is nothing to write to or to end.
        let _ = stream.write_all(&bytes).and_then(|()| stream.shutdown(Shutdown::Write));
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty(), "no one is welcome: {answer:?}");
    }
    peer.send(&peers, FIRST, &Word("of a peer".to_owned())).expect("it leaves");
    assert_eq!(told(&node), Told::Heard("of a peer".to_owned()));
}

#[test]
fn a_datagram_that_is_too_large_is_lost_and_others_are_not() {
    let mut stage = Stage::new("large");
    let node = stage.start(FIRST);
    let peer = stage.endpoints.remove(&SECOND).expect("it is bound");
    node.order(say(&"a".repeat(70_000)));
    node.order(say(&"a".repeat(60_000)));
    node.order(say("short"));
    let lengths = [(); 2].map(|()| peer.receive::<Word>(LONG).expect("it can be read").expect("it comes").1.0.len());
    assert_eq!(lengths, [60_000, 5]);
    let refused = peer.send(&stage.peers, FIRST, &Word("a".repeat(70_000))).expect_err("it is too large");
    assert!(refused.to_string().contains("more than 65000"), "{refused}");
}

#[test]
fn the_wall_clock_is_the_machines() {
    let mut stage = Stage::new("wall");
    let node = stage.start(FIRST);
    let nanos = || u64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos()).unwrap();
    let before = nanos();
    node.order(Act::Dial);
    let Some(News::Observed(Told::Wall(told))) = node.news(LONG) else { panic!("the timer comes first") };
    // A clock that is set meanwhile may step; by a day it does not.
    let day = 24 * 3600 * 1_000_000_000;
    assert!(told.abs_diff(before) < day, "{told} and {before}");
}
