//! A host of threads and channels: a thread for each node, real time for its clocks, memory for its disk.
//!
//! What travels over the channels is bytes, and what a disk kept is bytes between two processes of a node: so a node
//! that runs here can be brought to [sockets and files](crate::sockets). Nothing is simulated, so nothing is
//! repeatable: this is for trying a protocol in real time, and for showing that it needs nothing of the world.
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
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration as WallDuration, Instant as WallInstant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use splitbrain_kernel::host::Host;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::{ConnectionChange, ConnectionId, Node, Recovered, Source, Stored, Write};
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::system::System;

use crate::realtime::{Carrier, EventLoop, Letter, decode, encode};

pub use crate::realtime::News;

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
    news_sender: Sender<(NodeId, News<N>)>,
    start: WallInstant,
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
        let (news_sender, news) = channel();
        Self { posts, mailboxes, running: Vec::new(), news, news_sender, start: WallInstant::now() }
    }

    /// Starts a node on a thread of its own; see [`Host::new`].
    ///
    /// # Panics
    /// If the node was not named in [`Threads::new`] or is spawned already, or if the system gives no thread.
    pub fn spawn(&mut self, id: NodeId, seed: Seed, make: impl FnMut(Recovered<N::Record>) -> N + Send + 'static) {
        let mut make = make;
        self.spawn_host(Host::new(id, seed, move |recovered| make(as_read_again(recovered))));
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
        let events =
            EventLoop::new(host, Channels { id, posts: self.posts.clone() }, self.news_sender.clone(), self.start);
        let builder = thread::Builder::new().name(format!("node {id}"));
        let run = move || events.run(&mailbox).expect("memory does not fail");
        let running = builder.spawn(run).expect("the system gives one more thread");
        self.running.push(running);
    }

    /// Sends a datagram in the name of a node that the caller plays.
    pub fn send(&self, source: NodeId, target: NodeId, message: &N::Message) {
        let source = Source { node: source, connection: None };
        post(&self.posts, target, Letter::Message { source, message: through_bytes(message), place: None });
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
                Letter::Message { source, message, .. } => return Some((source, message)),
                Letter::Connection { connection, peer, change: ConnectionChange::Accepted } => {
                    let change = ConnectionChange::Refused;
                    post(&self.posts, peer, Letter::Connection { connection, peer: node, change });
                }
                _ => {}
            }
        }
    }

    /// Asks an operation of a node.
    pub fn operation(&self, node: NodeId, operation: N::Operation) {
        post(&self.posts, node, Letter::Operation(operation));
    }

    /// Gives an order to a node.
    pub fn order(&self, node: NodeId, order: N::Order) {
        post(&self.posts, node, Letter::Order(order));
    }

    /// The machine of a node crashes: what was synced stays.
    pub fn crash(&self, node: NodeId) {
        post(&self.posts, node, Letter::Crash);
    }

    /// A node that is down starts again. Nothing happens if it runs.
    pub fn start(&self, node: NodeId) {
        post(&self.posts, node, Letter::Start);
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
    fn ask_to_stop(&self) {
        self.posts.keys().for_each(|node| post(&self.posts, *node, Letter::Stop));
    }
}

impl<N: Node> Drop for Threads<N> {
    fn drop(&mut self) {
        self.ask_to_stop();
    }
}

/// The way of a node to the others, which is channels, and to its disk, which is memory: durable at once, and kept by
/// the host.
struct Channels<N: Node> {
    id: NodeId,
    posts: BTreeMap<NodeId, Sender<Letter<N>>>,
}

impl<N: Node> Carrier<N> for Channels<N> {
    fn send(&mut self, target: NodeId, connection: Option<ConnectionId>, message: N::Message) {
        let source = Source { node: self.id, connection };
        post(&self.posts, target, Letter::Message { source, message: through_bytes(&message), place: None });
    }

    fn notify_peer(&mut self, peer: NodeId, connection: ConnectionId, change: ConnectionChange) {
        let known = self.posts.contains_key(&peer);
        if !known && change == ConnectionChange::Accepted {
            // Such a machine answers as one without a process does.
            let change = ConnectionChange::Refused;
            return post(&self.posts, self.id, Letter::Connection { connection, peer, change });
        }
        post(&self.posts, peer, Letter::Connection { connection, peer: self.id, change });
    }

    fn write(&mut self, _: Write<N::Record>) -> io::Result<()> {
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A node that is not there, or whose thread has ended, hears nothing.
fn post<N: Node>(posts: &BTreeMap<NodeId, Sender<Letter<N>>>, target: NodeId, letter: Letter<N>) {
    if let Some(post) = posts.get(&target) {
        let _ = post.send(letter);
    }
}

/// What is sent, as the receiver reads it.
fn through_bytes<T: Serialize + DeserializeOwned>(value: &T) -> T {
    decode(&encode(value))
}

/// What a disk kept, as another process reads it.
fn as_read_again<R: Serialize + DeserializeOwned>(recovered: Recovered<R>) -> Recovered<R> {
    let again = |stored| match stored {
        Stored::Intact(record) => Stored::Intact(through_bytes(&record)),
        other => other,
    };
    let files = recovered.files.into_iter();
    Recovered { files: files.map(|(file, records)| (file, records.into_iter().map(again).collect())).collect() }
}
