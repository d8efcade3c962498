//! A host of sockets and files: one node in real time, UDP for its datagrams, TCP for its connections, and a journal
//! for its disk.
//!
//! The node is the one that runs under the kernel, unchanged. Nothing is simulated, so nothing is repeatable.
//!
//! - **Network.** A node has one port, for both transports. Whoever can reach it can speak for any peer: this is for
//!   loopback and for networks that are trusted. What cannot be decoded, comes from no peer, or is for another node is
//!   dropped with a warning.
//! - **Connections.** One opens when the peer's process has answered, and is refused where none answers in
//!   [`PATIENCE`]. A peer that closes in good order says so before it ends; any other end is a reset. A peer that does
//!   not read is reset when [`QUEUE_MAX`] messages wait for it. There is no other time limit.
//! - **Disk.** A message that follows a write leaves when the write is in the file; one that follows a sync leaves when
//!   it is on the disk (`fdatasync`). If the disk fails, the node ends: [`News::Exited`] and [`Sockets::stop`] say why.
//! - **End.** [`Sockets::stop`] closes every connection in good order and syncs the disk. A node that ends by itself
//!   keeps its port, and refuses. To start a node again, stop it, bind a new [`Endpoint`], and give the same folder.
//!
//! Limits:
//!
//! - Messages and records have to be what JSON can hold: keys of maps are text or numbers, no number is NaN, nothing is
//!   nested deeper than 100 levels.
//! - A datagram has at most 65,000 bytes, a message of a connection 64 MiB. A longer datagram is lost, a longer message
//!   resets its connection, both with a warning.
//! - When [`MAIL_MAX`] messages wait for the node, its connections are read no further and datagrams are lost. What the
//!   node lets know waits without a limit for [`Sockets::news`].
//!
//! ```
//! use std::time::Duration as WallDuration;
//!
//! use splitbrain::kernel::prelude::*;
//! use splitbrain::sockets::{Endpoint, Peers, Sockets};
//! use splitbrain_systems::raft::message::{RaftMessage, VoteRequest};
//! use splitbrain_systems::raft::system::Raft;
//! # use splitbrain_systems::raft::{ids::{Position, Term}, options::RaftOptions};
//!
//! # let cluster = Cluster::plain(3, 0);
//! # let preset = RaftOptions::presets().iter().find(|preset| preset.name == "paper").expect("it is shipped");
//! # let latency = Duration::from_millis(10);
//! # let bounds = Bounds { skew: None, drift_ppm: None, latency };
//! # let setup = Setup::new(cluster, PerServer::same((preset.make)()), bounds);
//! # let raft: Raft = Raft::new(setup).expect("the options of a preset stand together");
//! # let folder = std::env::temp_dir().join(format!("splitbrain-doc-{}", std::process::id()));
//! // This program plays the candidate.
//! let server = Endpoint::bind(NodeId::server(1), "127.0.0.1:0")?;
//! let candidate = Endpoint::bind(NodeId::server(2), "127.0.0.1:0")?;
//! let peers = Peers::from([(server.id(), server.address()), (candidate.id(), candidate.address())]);
//! let sockets = Sockets::start_of(&raft, server, &peers, &folder, Seed(1))?;
//! let request: RaftMessage = RaftMessage::Vote(VoteRequest { term: Term(7), last: Position::ZERO });
//! candidate.send(&peers, NodeId::server(1), &request)?;
//! let (_, reply): (_, RaftMessage) =
//!     candidate.receive(WallDuration::from_secs(60))?.expect("the server answers");
//! assert_eq!(reply, RaftMessage::VoteReply { term: Term(7), granted: true });
//! sockets.stop()?;
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), std::io::Error>(())
//! ```

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration as WallDuration, Instant as WallInstant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use splitbrain_kernel::host::Host;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::{ConnectionChange, ConnectionId, Node, Recovered, Source, Write};
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::system::System;

use crate::realtime::{Carrier, EventLoop, Letter, Place, encode};
use connections::Connections;
use journal::Journal;

mod connections;
mod journal;
#[cfg(test)]
mod tests;

pub use crate::realtime::News;
pub use connections::{MAIL_MAX, PATIENCE, QUEUE_MAX};

/// The address of every node.
pub type Peers = BTreeMap<NodeId, SocketAddr>;

/// The most bytes of a datagram: what UDP over IPv4 carries is 65,507.
const DATAGRAM_BYTES_MAX: usize = 65_000;

/// How many ports are tried until one is free for both TCP and UDP.
const BIND_TRIES: u32 = 100;

/// How often the thread that reads datagrams looks whether it is to end, if nothing wakes it.
const LOOK_AROUND: WallDuration = WallDuration::from_secs(1);

/// A datagram as it travels.
#[derive(Serialize, Deserialize)]
struct Datagram<M> {
    source: NodeId,
    target: NodeId,
    message: M,
}

/// The port of a node, at which nothing runs yet: a node that the caller plays.
#[derive(Debug)]
pub struct Endpoint {
    id: NodeId,
    listener: TcpListener,
    socket: UdpSocket,
}

impl Endpoint {
    /// Takes this address for a node, for both transports; with port 0 a port that is free for both.
    ///
    /// # Errors
    /// If the address cannot be taken.
    pub fn bind(id: NodeId, address: impl ToSocketAddrs) -> io::Result<Self> {
        let mut tries = 0;
        loop {
            tries += 1;
            let listener = TcpListener::bind(&address)?;
            match UdpSocket::bind(listener.local_addr()?) {
                Ok(socket) => return Ok(Self { id, listener, socket }),
                // The port was free for one transport alone; another one may be drawn.
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries < BIND_TRIES => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Which node.
    pub const fn id(&self) -> NodeId {
        self.id
    }

    /// The address that it has taken.
    ///
    /// # Panics
    /// If the system does not know the address of a socket that it has bound.
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("a bound socket has an address")
    }

    /// Sends a datagram in the name of the node.
    ///
    /// # Errors
    /// If the target has no address, or the socket refuses the datagram, as one of more than 65,000 bytes.
    pub fn send<M: Serialize>(&self, peers: &Peers, target: NodeId, message: &M) -> io::Result<()> {
        send_datagram(&self.socket, self.id, target, peers.get(&target).copied(), message)
    }

    /// The next datagram to the node, with its sender. `None` if none comes in this time. What is no datagram of these
    /// messages to this node is passed over.
    ///
    /// # Errors
    /// If the socket cannot be read.
    pub fn receive<M: DeserializeOwned>(&self, patience: WallDuration) -> io::Result<Option<(NodeId, M)>> {
        let start = WallInstant::now();
        let mut bytes = vec![0; DATAGRAM_BYTES_MAX];
        loop {
            let left = patience.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Ok(None);
            }
            self.socket.set_read_timeout(Some(left))?;
            match self.socket.recv_from(&mut bytes) {
                Ok((length, _)) => {
                    if let Ok(Datagram { source, target, message }) = serde_json::from_slice(&bytes[..length])
                        && target == self.id
                    {
                        return Ok(Some((source, message)));
                    }
                }
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Whether the next try may bring something: the time of a read is over, or a signal came.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

fn send_datagram<M: Serialize>(
    socket: &UdpSocket,
    source: NodeId,
    target: NodeId,
    address: Option<SocketAddr>,
    message: &M,
) -> io::Result<()> {
    let address = address.ok_or_else(|| io::Error::other(format!("there is no address of {target}")))?;
    let bytes = encode(&Datagram { source, target, message });
    if bytes.len() > DATAGRAM_BYTES_MAX {
        return Err(io::Error::other(format!("a datagram of {} bytes, more than {DATAGRAM_BYTES_MAX}", bytes.len())));
    }
    socket.send_to(&bytes, address).map(drop)
}

/// A node that runs.
///
/// Dropping it asks the node to end in good order; [`Sockets::stop`] waits for that.
#[derive(Debug)]
pub struct Sockets<N: Node> {
    post: Sender<Letter<N>>,
    news: Receiver<(NodeId, News<N>)>,
    events: Option<JoinHandle<io::Result<()>>>,
    listeners: Listeners,
}

impl<N: Node> Sockets<N> {
    /// Starts a node at this endpoint, from what the folder keeps; see [`Host::new`]. The folder is made if it is not
    /// there. `peers` has every node that this one speaks to.
    ///
    /// # Errors
    /// If the folder cannot be used, is used by another node, or keeps a damaged journal; or if the system gives no
    /// thread or no more sockets.
    pub fn start(
        endpoint: Endpoint,
        peers: &Peers,
        folder: &Path,
        seed: Seed,
        make: impl FnMut(Recovered<N::Record>) -> N + Send + 'static,
    ) -> io::Result<Self> {
        let Endpoint { id, listener, socket } = endpoint;
        let journal = Journal::<N::Record>::open(folder)?;
        let host = Host::new(id, seed, make).resumed(journal.files().clone(), journal.starts() - 1);
        let (post, mailbox) = channel();
        let (news_sender, news) = channel();
        let connections = Arc::new(Connections::new(id, peers.clone(), post.clone()));
        let listeners = Listeners::open(id, listener, socket.try_clone()?, &connections, &post)?;
        let carrier = Network { id, socket, connections, journal };
        let events = EventLoop::new(host, carrier, news_sender, WallInstant::now());
        let events = thread::Builder::new().name(format!("node {id}")).spawn(move || events.run(&mailbox))?;
        Ok(Self { post, news, events: Some(events), listeners })
    }

    /// Starts a node of a system.
    ///
    /// # Errors
    /// As [`Sockets::start`].
    pub fn start_of<S: System<Node = N>>(
        system: &S,
        endpoint: Endpoint,
        peers: &Peers,
        folder: &Path,
        seed: Seed,
    ) -> io::Result<Self> {
        let (system, id) = (system.clone(), endpoint.id());
        Self::start(endpoint, peers, folder, seed, move |recovered| system.node(id, recovered))
    }

    /// Asks an operation of the node.
    pub fn operation(&self, operation: N::Operation) {
        self.post(Letter::Operation(operation));
    }

    /// Gives an order to the node.
    pub fn order(&self, order: N::Order) {
        self.post(Letter::Order(order));
    }

    /// What comes next of what the node lets know. `None` if nothing comes in this time, and at once when the node has
    /// ended with its thread: its disk failed, or it panicked.
    pub fn news(&self, patience: WallDuration) -> Option<News<N>> {
        self.news.recv_timeout(patience).ok().map(|(_, news)| news)
    }

    /// Ends the node in good order, and waits for that. Returns what it let know until then.
    ///
    /// # Errors
    /// If its disk failed.
    ///
    /// # Panics
    /// If the node panicked: with its panic.
    pub fn stop(mut self) -> io::Result<Vec<News<N>>> {
        self.listeners.close();
        self.post(Letter::Stop);
        let events = self.events.take().expect("it is taken here alone");
        match events.join() {
            Ok(ended) => ended.map(|()| self.news.try_iter().map(|(_, news)| news).collect()),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// A node that has ended hears nothing.
    fn post(&self, letter: Letter<N>) {
        let _ = self.post.send(letter);
    }
}

impl<N: Node> Drop for Sockets<N> {
    fn drop(&mut self) {
        self.post(Letter::Stop);
    }
}

/// The threads that listen at a port. They end with this value.
#[derive(Debug)]
struct Listeners {
    /// By which they are woken when they are to end.
    address: SocketAddr,
    socket: UdpSocket,
    is_closed: Arc<AtomicBool>,
    datagrams: Option<JoinHandle<()>>,
    connections: Option<JoinHandle<()>>,
}

impl Listeners {
    fn open<N: Node>(
        id: NodeId,
        listener: TcpListener,
        socket: UdpSocket,
        connections: &Arc<Connections<N>>,
        post: &Sender<Letter<N>>,
    ) -> io::Result<Self> {
        let address = loopback_if_any(listener.local_addr()?);
        let is_closed = Arc::new(AtomicBool::new(false));
        socket.set_read_timeout(Some(LOOK_AROUND))?;
        let mut listeners = Self {
            address,
            socket: socket.try_clone()?,
            is_closed: Arc::clone(&is_closed),
            datagrams: None,
            connections: None,
        };
        let named = |what: &str| thread::Builder::new().name(format!("{what} of {id}"));
        let (peers, post, closed) = (Arc::clone(connections), post.clone(), Arc::clone(&is_closed));
        let hear = move || hear_datagrams(id, &socket, &peers, &post, &closed);
        listeners.datagrams = Some(named("datagrams").spawn(hear)?);
        let connections = Arc::clone(connections);
        let accept = move || {
            for stream in listener.incoming() {
                if is_closed.load(Ordering::SeqCst) {
                    return;
                }
                match stream {
                    Ok(stream) => connections.accept(stream),
                    // Out of files, or an end that has gone before it was accepted: the next one may come through.
                    Err(error) => {
                        tracing::warn!(%error, "a connection cannot be accepted");
                        thread::sleep(WallDuration::from_millis(50));
                    }
                }
            }
        };
        listeners.connections = Some(named("connections").spawn(accept)?);
        Ok(listeners)
    }

    /// Ends both threads, and waits for them.
    fn close(&mut self) {
        self.is_closed.store(true, Ordering::SeqCst);
        if let Some(datagrams) = self.datagrams.take() {
            // It looks at the flag when something comes, and now and then.
            let _ = self.socket.send_to(&[], self.address);
            let _ = datagrams.join();
        }
        if let Some(connections) = self.connections.take()
            // If the address is no longer there, nothing comes to that thread any more, and it is left to the process.
            && TcpStream::connect_timeout(&self.address, PATIENCE).is_ok()
        {
            let _ = connections.join();
        }
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        self.close();
    }
}

/// An address by which this machine reaches what is bound to it.
fn loopback_if_any(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    address
}

fn hear_datagrams<N: Node>(
    id: NodeId,
    socket: &UdpSocket,
    connections: &Connections<N>,
    post: &Sender<Letter<N>>,
    is_closed: &AtomicBool,
) {
    let mut bytes = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        let heard = socket.recv_from(&mut bytes);
        if is_closed.load(Ordering::SeqCst) {
            return;
        }
        let (length, from) = match heard {
            Ok(heard) => heard,
            Err(error) if is_passing(&error) => continue,
            Err(error) => {
                tracing::warn!(%error, "datagrams cannot be read");
                thread::sleep(WallDuration::from_millis(50));
                continue;
            }
        };
        match serde_json::from_slice::<Datagram<N::Message>>(&bytes[..length]) {
            Ok(Datagram { source, target, message }) if target == id && connections.knows(source) => {
                if connections.waiting.load(Ordering::Relaxed) >= MAIL_MAX {
                    tracing::warn!(node = %source, "a datagram is lost: too many messages wait");
                    continue;
                }
                let source = Source { node: source, connection: None };
                let _ = post.send(Letter::Message { source, message, place: Some(Place::take(&connections.waiting)) });
            }
            Ok(Datagram { source, target, .. }) => {
                tracing::warn!(%from, %source, %target, "a datagram of no peer, or to another node");
            }
            Err(error) => tracing::warn!(%from, %error, "a datagram that cannot be decoded"),
        }
    }
}

/// The way of a node to the others and to its disk.
struct Network<N: Node> {
    id: NodeId,
    socket: UdpSocket,
    connections: Arc<Connections<N>>,
    journal: Journal<N::Record>,
}

impl<N: Node> Carrier<N> for Network<N> {
    fn send(&mut self, target: NodeId, connection: Option<ConnectionId>, message: N::Message) {
        if let Some(connection) = connection {
            return self.connections.send(connection, &message);
        }
        let address = self.connections.address(target);
        if let Err(error) = send_datagram(&self.socket, self.id, target, address, &message) {
            tracing::warn!(node = %target, %error, "a datagram is lost");
        }
    }

    fn notify_peer(&mut self, peer: NodeId, connection: ConnectionId, change: ConnectionChange) {
        match change {
            ConnectionChange::Accepted => self.connections.connect(peer, connection),
            ConnectionChange::Opened => self.connections.welcome(connection),
            ConnectionChange::Closed => self.connections.close(connection),
            ConnectionChange::Refused | ConnectionChange::Reset | ConnectionChange::TimedOut => {
                self.connections.reset(connection);
            }
        }
    }

    fn write(&mut self, write: Write<N::Record>) -> io::Result<()> {
        self.journal.write(write)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.journal.sync()
    }

    fn end(&mut self) -> io::Result<()> {
        self.connections.close_all();
        self.journal.sync()
    }
}

/// After a disk that failed, or a panic, peers see their connections reset.
impl<N: Node> Drop for Network<N> {
    fn drop(&mut self) {
        self.connections.reset_all();
    }
}
