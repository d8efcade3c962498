//! The connections of a node: a frame for each thing that is said, a thread for each direction.
//!
//! ```text
//! opener                              peer
//!   hello (who, to whom, which one) ──▶   its node is asked
//!   ◀── welcome, or the end               opened here, or refused
//!   message … ◀──▶ message …
//!   bye ──▶                               closed; without it: reset
//! ```
//!
//! A frame is the length of its text in four little-endian bytes, and the text, which is JSON.
//!
//! Each thread that can wait for a peer has its socket in `sockets`, and shutting that down ends the wait. So whatever
//! peers do, a node ends.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::{ConnectionChange, ConnectionId, Node, Source};

use crate::realtime::{Letter, Place, encode};

/// How long a peer may take to answer when a connection is opened, and to take what was said before it is closed.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How many messages may wait for a peer that does not read.
pub const QUEUE_MAX: usize = 10_000;

/// How many messages may wait for a node. Beyond that its connections are read no further, and datagrams are lost.
pub const MAIL_MAX: usize = 10_000;

/// How many sockets a node has at once. What is accepted beyond that is closed.
const SOCKETS_MAX: usize = 1_000;

/// The longest frame, in bytes, and the longest that opens a connection.
const FRAME_BYTES_MAX: usize = 64 << 20;
const HELLO_BYTES_MAX: usize = 1_000;

/// What is said on a connection.
#[derive(Serialize, Deserialize)]
pub(super) enum Frame<M> {
    Hello { source: NodeId, target: NodeId, connection: ConnectionId },
    Welcome,
    Message(M),
    Bye,
}

/// All connections of a node.
pub(super) struct Connections<N: Node> {
    id: NodeId,
    peers: BTreeMap<NodeId, SocketAddr>,
    post: Sender<Letter<N>>,
    /// How many messages wait for the node.
    pub(super) waiting: Arc<AtomicUsize>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Whether the node has ended: nothing is accepted or opened any more.
    is_ended: bool,
    open: BTreeMap<ConnectionId, Connection>,
    sockets: BTreeMap<u64, Socket>,
    next_socket: u64,
    threads: Vec<JoinHandle<()>>,
}

/// One connection at this end.
struct Connection {
    /// Frames that wait for the writer, which ends when this end is dropped.
    queue: SyncSender<Vec<u8>>,
    /// `None` until the peer has been reached.
    socket: Option<u64>,
}

/// A socket that a thread may wait at.
struct Socket {
    stream: TcpStream,
    /// Since when this end is closed.
    closed: Option<Instant>,
}

impl State {
    /// Ends the wait for peers that do not take what was said before a close.
    fn sweep(&mut self) {
        for socket in self.sockets.values() {
            if socket.closed.is_some_and(|since| since.elapsed() > PATIENCE) {
                let _ = socket.stream.shutdown(Shutdown::Both);
            }
        }
        self.threads.retain(|thread| !thread.is_finished());
    }

    fn close(&mut self, connection: ConnectionId) {
        let Some(Connection { queue, socket }) = self.open.remove(&connection) else { return };
        let _ = queue.try_send(bytes_of(&Frame::<()>::Bye));
        if let Some(socket) = socket.and_then(|socket| self.sockets.get_mut(&socket)) {
            socket.closed = Some(Instant::now());
        }
    }

    fn reset(&mut self, connection: ConnectionId) {
        let socket = self.open.remove(&connection).and_then(|connection| connection.socket);
        if let Some(socket) = socket.and_then(|socket| self.sockets.get(&socket)) {
            let _ = socket.stream.shutdown(Shutdown::Both);
        }
    }
}

impl<N: Node> Connections<N> {
    pub(super) fn new(id: NodeId, peers: BTreeMap<NodeId, SocketAddr>, post: Sender<Letter<N>>) -> Self {
        Self { id, peers, post, waiting: Arc::default(), state: Mutex::default() }
    }

    pub(super) fn knows(&self, node: NodeId) -> bool {
        self.peers.contains_key(&node)
    }

    pub(super) fn address(&self, node: NodeId) -> Option<SocketAddr> {
        self.peers.get(&node).copied()
    }

    /// Opens a connection to a peer; the node hears what comes of it.
    pub(super) fn connect(self: &Arc<Self>, peer: NodeId, connection: ConnectionId) {
        let (queue, frames) = sync_channel(QUEUE_MAX);
        self.state().open.insert(connection, Connection { queue, socket: None });
        let all = Arc::clone(self);
        let spawned = self.spawn(move || match all.reach(peer, connection) {
            Ok((stream, socket)) => {
                if all.reached(connection, socket) {
                    all.notify(connection, peer, ConnectionChange::Opened);
                }
                // If the node has closed it meanwhile, what it said before still arrives.
                all.carry(connection, peer, &stream, frames);
                all.forget(socket);
            }
            Err(error) => {
                tracing::debug!(node = %peer, %error, "a connection is refused");
                all.refused(connection, peer);
            }
        });
        if !spawned {
            self.refused(connection, peer);
        }
    }

    fn refused(&self, connection: ConnectionId, peer: NodeId) {
        self.state().open.remove(&connection);
        self.notify(connection, peer, ConnectionChange::Refused);
    }

    /// A socket to the peer's process, which has answered.
    fn reach(&self, peer: NodeId, connection: ConnectionId) -> io::Result<(TcpStream, u64)> {
        let address = self.address(peer).ok_or_else(|| io::Error::other("there is no address of this peer"))?;
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        let socket = self.register(&stream)?;
        let hello = Frame::<N::Message>::Hello { source: self.id, target: peer, connection };
        let answer = (&stream).write_all(&bytes_of(&hello)).and_then(|()| first_frame::<N::Message>(&stream));
        match answer {
            Ok(Frame::Welcome) => Ok((stream, socket)),
            answer => {
                self.forget(socket);
                Err(answer.err().unwrap_or_else(|| io::Error::other("the peer says something else than welcome")))
            }
        }
    }

    /// What was accepted; the node decides whether it is welcome.
    pub(super) fn accept(self: &Arc<Self>, stream: TcpStream) {
        let all = Arc::clone(self);
        self.spawn(move || {
            let socket = match all.register(&stream) {
                Ok(socket) => socket,
                Err(error) => return tracing::warn!(%error, "a connection is closed"),
            };
            if let Err(error) = all.greet(&stream, socket) {
                tracing::warn!(%error, "a connection of no peer");
            }
            all.forget(socket);
        });
    }

    fn greet(self: &Arc<Self>, stream: &TcpStream, socket: u64) -> io::Result<()> {
        let (peer, connection) = match first_frame::<N::Message>(stream)? {
            Frame::Hello { source, target, connection }
                if target == self.id && self.knows(source) && connection.opener == source =>
            {
                (source, connection)
            }
            _ => return Err(io::Error::other("it does not begin with the hello of a peer to this node")),
        };
        let (queue, frames) = sync_channel(QUEUE_MAX);
        {
            let mut state = self.state();
            if state.is_ended {
                return Ok(());
            }
            match state.open.entry(connection) {
                Entry::Vacant(place) => place.insert(Connection { queue, socket: Some(socket) }),
                Entry::Occupied(_) => return Err(io::Error::other("there is a connection of this number")),
            };
        }
        self.notify(connection, peer, ConnectionChange::Accepted);
        self.carry(connection, peer, stream, frames);
        Ok(())
    }

    /// The node takes a connection that a peer opened.
    pub(super) fn welcome(&self, connection: ConnectionId) {
        self.put(connection, &Frame::<N::Message>::Welcome);
    }

    pub(super) fn send(&self, connection: ConnectionId, message: &N::Message) {
        self.put(connection, &Frame::Message(message));
    }

    /// This end closes in good order: what it has said before arrives, if the peer takes it in [`PATIENCE`].
    pub(super) fn close(&self, connection: ConnectionId) {
        self.state().close(connection);
    }

    /// This end goes away at once.
    pub(super) fn reset(&self, connection: ConnectionId) {
        self.state().reset(connection);
    }

    /// The node has ended: every connection goes away at once, and none comes after.
    pub(super) fn reset_all(&self) {
        let mut state = self.state();
        state.is_ended = true;
        state.open.clear();
        state.sockets.values().for_each(|socket| drop(socket.stream.shutdown(Shutdown::Both)));
    }

    /// Closes every connection in good order, and waits until the peers have heard it, or have had [`PATIENCE`].
    pub(super) fn close_all(&self) {
        {
            let mut state = self.state();
            state.is_ended = true;
            let all: Vec<ConnectionId> = state.open.keys().copied().collect();
            all.into_iter().for_each(|connection| state.close(connection));
        }
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end && !self.state().threads.iter().all(JoinHandle::is_finished) {
            thread::sleep(Duration::from_millis(1));
        }
        self.reset_all();
        loop {
            // The lock is free while a thread is waited for, which may need it to end.
            let Some(thread) = self.state().threads.pop() else { return };
            let _ = thread.join();
        }
    }

    /// Puts a frame before the writer of a connection. If it has no room, or the frame is too long, the connection is
    /// reset; the reader sees the end, and tells the node.
    fn put<M: Serialize>(&self, connection: ConnectionId, frame: &Frame<M>) {
        let bytes = bytes_of(frame);
        let mut state = self.state();
        let Some(open) = state.open.get(&connection) else { return };
        let is_too_long = bytes.len() > FRAME_BYTES_MAX;
        if is_too_long || open.queue.try_send(bytes).is_err() {
            tracing::warn!(node = %self.id, is_too_long, "a connection is reset: it has no room for a message");
            state.reset(connection);
        }
    }

    /// Reads until the connection ends; another thread writes, and ends with it.
    fn carry(&self, connection: ConnectionId, peer: NodeId, stream: &TcpStream, frames: Receiver<Vec<u8>>) {
        let change = thread::scope(|scope| {
            let writer = thread::Builder::new().name(format!("connection of {}", self.id));
            if writer.spawn_scoped(scope, move || write_frames(stream, &frames)).is_err() {
                let _ = stream.shutdown(Shutdown::Both);
            }
            let change = self.read(connection, peer, stream);
            // The writer ends when no one can put anything before it.
            self.state().open.remove(&connection);
            let _ = stream.shutdown(Shutdown::Both);
            change
        });
        self.notify(connection, peer, change);
    }

    /// Hands what the peer says to the node; returns how it ended.
    fn read(&self, connection: ConnectionId, peer: NodeId, stream: &TcpStream) -> ConnectionChange {
        let mut reader = BufReader::new(stream);
        loop {
            match read_frame::<N::Message>(&mut reader, FRAME_BYTES_MAX) {
                Ok(Frame::Message(message)) => {
                    while self.waiting.load(Ordering::Relaxed) >= MAIL_MAX && !self.state().is_ended {
                        thread::sleep(Duration::from_millis(1));
                    }
                    let source = Source { node: peer, connection: Some(connection) };
                    let place = Some(Place::take(&self.waiting));
                    let _ = self.post.send(Letter::Message { source, message, place });
                }
                Ok(Frame::Bye) => return ConnectionChange::Closed,
                Ok(Frame::Hello { .. } | Frame::Welcome) | Err(_) => return ConnectionChange::Reset,
            }
        }
    }

    fn notify(&self, connection: ConnectionId, peer: NodeId, change: ConnectionChange) {
        let _ = self.post.send(Letter::Connection { connection, peer, change });
    }

    /// The peer of a connection that this end opened has answered. `false` if this end has closed it meanwhile.
    fn reached(&self, connection: ConnectionId, socket: u64) -> bool {
        let mut state = self.state();
        match state.open.get_mut(&connection) {
            Some(open) => open.socket = Some(socket),
            None => {
                if let Some(socket) = state.sockets.get_mut(&socket) {
                    socket.closed = Some(Instant::now());
                }
                return false;
            }
        }
        true
    }

    /// From now on the socket can be shut down by others.
    fn register(&self, stream: &TcpStream) -> io::Result<u64> {
        stream.set_nodelay(true)?;
        let stream = stream.try_clone()?;
        let mut state = self.state();
        state.sweep();
        if state.is_ended {
            return Err(io::Error::other("the node has ended"));
        }
        if state.sockets.len() >= SOCKETS_MAX {
            return Err(io::Error::other(format!("a node has {SOCKETS_MAX} sockets at most")));
        }
        let socket = state.next_socket;
        state.next_socket += 1;
        state.sockets.insert(socket, Socket { stream, closed: None });
        Ok(socket)
    }

    fn forget(&self, socket: u64) {
        self.state().sockets.remove(&socket);
    }

    /// Returns whether the system gave a thread. If not, what it would have held is dropped, and a socket closed.
    fn spawn(&self, work: impl FnOnce() + Send + 'static) -> bool {
        match thread::Builder::new().name(format!("connection of {}", self.id)).spawn(work) {
            Ok(thread) => self.state().threads.push(thread),
            Err(error) => {
                tracing::warn!(%error, "the system gives no thread for a connection");
                return false;
            }
        }
        true
    }

    /// No thread leaves it half-changed.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes what is put before it, together where there is more, until no one can put any more.
fn write_frames(stream: &TcpStream, frames: &Receiver<Vec<u8>>) {
    let mut writer = BufWriter::new(stream);
    let mut work = || -> io::Result<()> {
        while let Ok(frame) = frames.recv() {
            writer.write_all(&frame)?;
            loop {
                match frames.try_recv() {
                    Ok(frame) => writer.write_all(&frame)?,
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return writer.flush(),
                }
            }
            writer.flush()?;
        }
        Ok(())
    };
    let how = if work().is_ok() { Shutdown::Write } else { Shutdown::Both };
    let _ = stream.shutdown(how);
}

/// A frame as it travels.
pub(super) fn bytes_of<M: Serialize>(frame: &Frame<M>) -> Vec<u8> {
    let text = encode(frame);
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    [&length.to_le_bytes()[..], &text].concat()
}

/// The first frame of a connection, which has to come whole in [`PATIENCE`]. Nothing beyond it is read.
fn first_frame<M: DeserializeOwned>(stream: &TcpStream) -> io::Result<Frame<M>> {
    let frame = read_frame(&mut InTime { stream, end: Instant::now() + PATIENCE }, HELLO_BYTES_MAX);
    stream.set_read_timeout(None)?;
    frame
}

/// A stream that is read up to this time.
struct InTime<'a> {
    stream: &'a TcpStream,
    end: Instant,
}

impl Read for InTime<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        self.stream.read(bytes)
    }
}

fn read_frame<M: DeserializeOwned>(reader: &mut impl Read, bytes_max: usize) -> io::Result<Frame<M>> {
    let mut length = [0; 4];
    reader.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if usize::try_from(length).is_ok_and(|length| length > bytes_max) {
        return Err(io::Error::other(format!("a frame of {length} bytes, more than {bytes_max}")));
    }
    let mut text = Vec::new();
    // Room is made as the text comes, and not as the peer says.
    if reader.take(length.into()).read_to_end(&mut text)? < length as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    serde_json::from_slice(&text).map_err(|error| {
        tracing::warn!(%error, "what a peer said cannot be decoded");
        io::Error::other(error)
    })
}
