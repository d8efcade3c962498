//! A host of threads and channels: a thread for each node, real time for its clocks, memory for its disk.
//!
//! What travels over the channels is bytes, and what a disk kept is bytes between two processes of a node: so a node
//! that runs here can be brought to sockets and files. Nothing is simulated, so nothing is repeatable: this is for
//! trying a protocol in real time, and for showing that it needs nothing of the world.
//!
//! Limits: messages and records have to be what JSON can hold (keys of maps are text or numbers). Datagrams are lost
//! only where no process runs. A connection is reset when a process at its end goes away, and never times out.
//!
//! ```
//! use std::time::Duration as WallDuration;
//!
//! use splitbrain::kernel::prelude::*;
//! use splitbrain_systems::raft::message::{RaftMessage, VoteRequest};
//! use splitbrain_systems::raft::system::Raft;
//! # use splitbrain_systems::raft::{ids::{Position, Term}, options::RaftOptions};
//! use splitbrain::threads::Threads;
//!
//! # let cluster = Cluster::plain(3, 0);
//! # let preset = RaftOptions::presets().iter().find(|preset| preset.name == "paper").expect("it is shipped");
//! # let latency = Duration::from_millis(10);
//! # let bounds = Bounds { skew: None, drift_ppm: None, latency };
//! # let setup = Setup::new(cluster, PerServer::same((preset.make)()), bounds);
//! # let raft: Raft = Raft::new(setup).expect("the options of a preset stand together");
//! let (server, candidate) = (NodeId::server(1), NodeId::server(2));
//! let mut threads = Threads::new([server, candidate]);
//! threads.spawn_of(&raft, server, Seed(1));
//! // This thread plays the candidate.
//! threads.send(candidate, server, &RaftMessage::Vote(VoteRequest { term: Term(7), last: Position::ZERO }));
//! let (_, reply) = threads.receive(candidate, WallDuration::from_secs(60)).expect("the server answers");
//! assert_eq!(reply, RaftMessage::VoteReply { term: Term(7), granted: true });
//! threads.stop();
//! ```

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration as WallDuration, Instant as WallInstant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use splitbrain_kernel::context::{Effect, OperationId, OperationResult};
use splitbrain_kernel::host::Host;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::{ConnectionChange, ConnectionId, Node, Recovered, Source, Stored};
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::system::System;
use splitbrain_kernel::time::Instant;

/// How long a node without a timer waits for mail before it looks again.
const IDLE: WallDuration = WallDuration::from_secs(1);

/// Nodes on threads of their own.
///
/// - A node that was named and not spawned is played by the caller, with [`Threads::send`] and [`Threads::receive`].
/// - Dropping it asks every thread to end; [`Threads::stop`] waits for that.
#[derive(Debug)]
pub struct Threads<N: Node> {
    posts: BTreeMap<NodeId, Sender<Letter<N>>>,
    /// Of those that are not spawned.
    mailboxes: BTreeMap<NodeId, Receiver<Letter<N>>>,
    running: Vec<JoinHandle<()>>,
    news: Receiver<(NodeId, News<N>)>,
    /// Each machine gets one like it.
    tell: Sender<(NodeId, News<N>)>,
    start: WallInstant,
}

/// Something that a node lets those know who watch.
#[derive(Debug)]
pub enum News<N: Node> {
    /// It observed something.
    Observed(N::Observation),
    /// It began an operation of its history.
    Invoked(OperationId, N::Operation),
    /// It ended one.
    Completed(OperationId, OperationResult<N::Response>),
    /// Its process ended by itself, for this reason.
    Exited(String),
}

/// What reaches a thread.
#[derive(Debug)]
enum Letter<N: Node> {
    Message { source: Source, bytes: Vec<u8> },
    Connection { connection: ConnectionId, peer: NodeId, change: ConnectionChange },
    Operation(N::Operation),
    Order(N::Order),
    Crash,
    Start,
    Stop,
}

impl<N: Node> Threads<N> {
    /// The nodes that there are, none of which runs yet.
    pub fn new(nodes: impl IntoIterator<Item = NodeId>) -> Self {
        let (mut posts, mut mailboxes) = (BTreeMap::new(), BTreeMap::new());
        for node in nodes {
            let (post, mailbox) = channel();
            posts.insert(node, post);
            mailboxes.insert(node, mailbox);
        }
        let (tell, news) = channel();
        Self { posts, mailboxes, running: Vec::new(), news, tell, start: WallInstant::now() }
    }

    /// Starts a node on a thread of its own; see [`Host::new`].
    ///
    /// # Panics
    /// If the node was not named in [`Threads::new`] or is spawned already, or if the system gives no thread.
    pub fn spawn(&mut self, id: NodeId, seed: Seed, make: impl FnMut(Recovered<N::Record>) -> N + Send + 'static) {
        let mut make = make;
        self.spawn_host(Host::new(id, seed, move |recovered| make(through_bytes(recovered))));
    }

    /// Starts a node of a system.
    ///
    /// # Panics
    /// As [`Threads::spawn`].
    pub fn spawn_of<S: System<Node = N>>(&mut self, system: &S, id: NodeId, seed: Seed) {
        let system = system.clone();
        self.spawn(id, seed, move |recovered| system.node(id, recovered));
    }

    fn spawn_host(&mut self, host: Host<N>) {
        let id = host.id();
        let mailbox = self.mailboxes.remove(&id);
        let mailbox = mailbox.unwrap_or_else(|| panic!("{id} is no node of these, or runs already"));
        let machine = Machine {
            host,
            posts: self.posts.clone(),
            lines: BTreeMap::new(),
            news: self.tell.clone(),
            start: self.start,
        };
        let builder = thread::Builder::new().name(format!("node {id}"));
        let running = builder.spawn(move || machine.run(&mailbox)).expect("the system gives one more thread");
        self.running.push(running);
    }

    /// Sends a datagram in the name of a node that the caller plays.
    pub fn send(&self, source: NodeId, target: NodeId, message: &N::Message) {
        let source = Source { node: source, connection: None };
        self.post(target, Letter::Message { source, bytes: encode(message) });
    }

    /// The next message to a node that the caller plays, with its sender. `None` if none comes in this time.
    /// A connection to such a node is refused.
    ///
    /// # Panics
    /// If the node is spawned or was not named.
    pub fn receive(&self, node: NodeId, patience: WallDuration) -> Option<(Source, N::Message)> {
        let mailbox = self.mailboxes.get(&node).unwrap_or_else(|| panic!("{node} is not played by the caller"));
        let end = WallInstant::now() + patience;
        loop {
            match mailbox.recv_timeout(end.saturating_duration_since(WallInstant::now())).ok()? {
                Letter::Message { source, bytes } => return Some((source, decode(&bytes))),
                Letter::Connection { connection, peer, change: ConnectionChange::Accepted } => {
                    let change = ConnectionChange::Refused;
                    self.post(peer, Letter::Connection { connection, peer: node, change });
                }
                _ => {}
            }
        }
    }

    /// Asks an operation of a node.
    pub fn operation(&self, node: NodeId, operation: N::Operation) {
        self.post(node, Letter::Operation(operation));
    }

    /// Gives an order to a node.
    pub fn order(&self, node: NodeId, order: N::Order) {
        self.post(node, Letter::Order(order));
    }

    /// The machine of a node crashes: what was synced stays.
    pub fn crash(&self, node: NodeId) {
        self.post(node, Letter::Crash);
    }

    /// A node that is down starts again. Nothing happens if it runs.
    pub fn start(&self, node: NodeId) {
        self.post(node, Letter::Start);
    }

    /// What comes next of what nodes let know, in the order of each node. `None` if nothing comes in this time.
    pub fn news(&self, patience: WallDuration) -> Option<(NodeId, News<N>)> {
        self.news.recv_timeout(patience).ok()
    }

    /// Ends every thread, and waits for it. Returns what they let know until then.
    ///
    /// # Panics
    /// If a node panicked: with its panic.
    pub fn stop(mut self) -> Vec<(NodeId, News<N>)> {
        self.ask_to_stop();
        for running in self.running.drain(..) {
            if let Err(panic) = running.join() {
                std::panic::resume_unwind(panic);
            }
        }
        self.news.try_iter().collect()
    }
}

impl<N: Node> Threads<N> {
    /// A node that is not there, or whose thread has ended, hears nothing.
    fn post(&self, target: NodeId, letter: Letter<N>) {
        if let Some(post) = self.posts.get(&target) {
            let _ = post.send(letter);
        }
    }

    fn ask_to_stop(&self) {
        self.posts.keys().for_each(|node| self.post(*node, Letter::Stop));
    }
}

impl<N: Node> Drop for Threads<N> {
    fn drop(&mut self) {
        self.ask_to_stop();
    }
}

/// One thread: a node, and its way to the others.
struct Machine<N: Node> {
    host: Host<N>,
    posts: BTreeMap<NodeId, Sender<Letter<N>>>,
    /// The connections that are open at this end.
    lines: BTreeMap<ConnectionId, NodeId>,
    news: Sender<(NodeId, News<N>)>,
    start: WallInstant,
}

impl<N: Node> Machine<N> {
    fn run(mut self, mailbox: &Receiver<Letter<N>>) {
        self.host.advance_to(self.now());
        self.host.start();
        loop {
            self.finish();
            let due = self.host.next_timer().map(|(at, _)| at.since(self.now()).as_nanos());
            let wait = due.map_or(IDLE, WallDuration::from_nanos);
            let letter = match mailbox.recv_timeout(wait) {
                Ok(Letter::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(letter) => Some(letter),
                Err(RecvTimeoutError::Timeout) => None,
            };
            self.host.advance_to(self.now());
            if let Some(letter) = letter {
                self.take_in(letter);
            }
        }
    }

    fn now(&self) -> Instant {
        Instant::from_nanos(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn take_in(&mut self, letter: Letter<N>) {
        match letter {
            Letter::Message { source, bytes } => {
                if source.connection.is_none_or(|connection| self.lines.contains_key(&connection)) {
                    self.host.message_from(source, decode(&bytes));
                }
            }
            Letter::Connection { connection, peer, change } => self.change(connection, peer, change),
            Letter::Operation(operation) => self.host.operation(operation),
            Letter::Order(order) => self.host.order(order),
            Letter::Crash => {
                self.host.crash_machine(0);
                self.hang_up();
            }
            Letter::Start => {
                if self.host.node().is_none() {
                    self.host.start();
                }
            }
            Letter::Stop => {}
        }
    }

    fn change(&mut self, connection: ConnectionId, peer: NodeId, change: ConnectionChange) {
        match change {
            ConnectionChange::Accepted if self.host.node().is_none() => {
                return self.tell_peer(peer, connection, ConnectionChange::Refused);
            }
            ConnectionChange::Accepted => {
                self.lines.insert(connection, peer);
                self.tell_peer(peer, connection, ConnectionChange::Opened);
            }
            // This end may have closed it meanwhile.
            ConnectionChange::Opened if !self.lines.contains_key(&connection) => return,
            ConnectionChange::Opened => {}
            _ if self.lines.remove(&connection).is_none() => return,
            _ => {}
        }
        self.host.connection(connection, peer, change);
    }

    /// Memory is durable at once, and deferred work comes back at once.
    fn finish(&mut self) {
        loop {
            self.host.sync();
            let effects = self.host.take();
            let is_quiet = effects.is_empty();
            effects.into_iter().for_each(|effect| self.carry_out(effect));
            if !self.host.step() && is_quiet {
                return;
            }
        }
    }

    fn carry_out(&mut self, effect: Effect<N>) {
        match effect {
            Effect::Send { target, connection, message } => {
                if connection.is_none_or(|connection| self.lines.contains_key(&connection)) {
                    let source = Source { node: self.host.id(), connection };
                    self.post(target, Letter::Message { source, bytes: encode(&message) });
                }
            }
            Effect::Connect { connection, target } => {
                self.lines.insert(connection, target);
                self.tell_peer(target, connection, ConnectionChange::Accepted);
            }
            Effect::Close(connection) => {
                if let Some(peer) = self.lines.remove(&connection) {
                    self.tell_peer(peer, connection, ConnectionChange::Closed);
                }
            }
            Effect::Observe(observation) => self.tell(News::Observed(observation)),
            Effect::Invoke { id, operation } => self.tell(News::Invoked(id, operation)),
            Effect::Complete { id, result } => self.tell(News::Completed(id, result)),
            Effect::Exit(reason) => {
                self.hang_up();
                self.tell(News::Exited(reason.to_string()));
            }
            // The host has done its part of these.
            Effect::SetTimer { .. }
            | Effect::CancelTimer(_)
            | Effect::Write { .. }
            | Effect::Sync
            | Effect::Defer(_) => {}
        }
    }

    /// The process is gone: its peers see their connections reset.
    fn hang_up(&mut self) {
        for (connection, peer) in std::mem::take(&mut self.lines) {
            self.tell_peer(peer, connection, ConnectionChange::Reset);
        }
    }

    fn tell_peer(&self, peer: NodeId, connection: ConnectionId, change: ConnectionChange) {
        let known = self.posts.contains_key(&peer);
        if !known && change == ConnectionChange::Accepted {
            // Such a machine answers as one without a process does.
            let change = ConnectionChange::Refused;
            return self.post(self.host.id(), Letter::Connection { connection, peer, change });
        }
        self.post(peer, Letter::Connection { connection, peer: self.host.id(), change });
    }

    fn post(&self, target: NodeId, letter: Letter<N>) {
        if let Some(post) = self.posts.get(&target) {
            // A thread that has ended hears nothing.
            let _ = post.send(letter);
        }
    }

    /// Where the caller is gone, there is no one to let know.
    fn tell(&self, news: News<N>) {
        let _ = self.news.send((self.host.id(), news));
    }
}

fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_else(|error| panic!("JSON cannot hold what a node sends or stores: {error}"))
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> T {
    serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("what a node encoded cannot be decoded: {error}"))
}

/// What a disk kept, as another process reads it.
fn through_bytes<R: Serialize + DeserializeOwned>(recovered: Recovered<R>) -> Recovered<R> {
    let again = |stored| match stored {
        Stored::Intact(record) => Stored::Intact(decode(&encode(&record))),
        other => other,
    };
    let files = recovered.files.into_iter();
    Recovered { files: files.map(|(file, records)| (file, records.into_iter().map(again).collect())).collect() }
}
