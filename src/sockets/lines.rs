//! The connections of a node: a frame for each thing that is said, a thread for each direction.
//!
//! ```text
//! opener                         peer
//!   hello (who, which connection) ──▶   its node is asked
//!   ◀── welcome, or the end             opened here, or refused
//!   message … ◀──▶ message …
//!   bye ──▶                             closed; without it: reset
//! ```
//!
//! A frame is the length of its text in four little-endian bytes, and the text, which is JSON.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::{ConnectionChange, ConnectionId, Node, Source};

use crate::realtime::{Letter, encode};

/// How long a peer may take to answer when a connection is opened.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How many messages may wait for a peer that does not read.
pub const QUEUE_MAX: usize = 10_000;

/// The longest frame that is read, in bytes.
const FRAME_BYTES_MAX: u32 = 64 << 20;

/// What is said on a connection.
#[derive(Serialize, Deserialize)]
enum Frame<M> {
    Hello { source: NodeId, connection: ConnectionId },
    Welcome,
    Message(M),
    Bye,
}

/// All connections of a node.
pub(super) struct Lines<N: Node> {
    id: NodeId,
    peers: BTreeMap<NodeId, SocketAddr>,
    post: Sender<Letter<N>>,
    open: Mutex<BTreeMap<ConnectionId, Line>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// One connection at this end.
struct Line {
    /// Frames that wait for the writer, which ends when this end is dropped.
    queue: SyncSender<Vec<u8>>,
    /// `None` until the peer has been reached.
    stream: Option<TcpStream>,
}

/// What a mutex guards; no thread leaves it half-changed.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<N: Node> Lines<N> {
    pub(super) const fn new(id: NodeId, peers: BTreeMap<NodeId, SocketAddr>, post: Sender<Letter<N>>) -> Self {
        Self { id, peers, post, open: Mutex::new(BTreeMap::new()), threads: Mutex::new(Vec::new()) }
    }

    pub(super) fn knows(&self, node: NodeId) -> bool {
        self.peers.contains_key(&node)
    }

    pub(super) fn address(&self, node: NodeId) -> Option<SocketAddr> {
        self.peers.get(&node).copied()
    }

    /// Opens a connection to a peer; the node hears what comes of it.
    pub(super) fn dial(self: &Arc<Self>, peer: NodeId, connection: ConnectionId) {
        let (queue, frames) = sync_channel(QUEUE_MAX);
        held(&self.open).insert(connection, Line { queue, stream: None });
        let lines = Arc::clone(self);
        self.spawn(move || match lines.reach(peer, connection) {
            Ok((reader, writer)) if lines.connected(connection, &writer) => {
                lines.tell(connection, peer, ConnectionChange::Opened);
                lines.carry(connection, peer, reader, writer, frames);
            }
            // The node has closed it meanwhile: what it said before still arrives.
            Ok((_, writer)) => write_frames(&writer, &frames),
            Err(error) => {
                tracing::debug!(node = %peer, %error, "a connection is refused");
                held(&lines.open).remove(&connection);
                lines.tell(connection, peer, ConnectionChange::Refused);
            }
        });
    }

    /// The peer's process, when it has answered.
    fn reach(&self, peer: NodeId, connection: ConnectionId) -> io::Result<(BufReader<TcpStream>, TcpStream)> {
        let address = self.address(peer).ok_or_else(|| io::Error::other("there is no address of this peer"))?;
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream.try_clone()?);
        (&stream).write_all(&bytes_of(&Frame::<N::Message>::Hello { source: self.id, connection }))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        match read_frame::<N::Message>(&mut reader)? {
            Frame::Welcome => {}
            _ => return Err(io::Error::other("the peer says something else than welcome")),
        }
        stream.set_read_timeout(None)?;
        Ok((reader, stream))
    }

    /// What a peer opened; the node decides whether it is welcome.
    pub(super) fn accept(self: &Arc<Self>, stream: TcpStream) {
        let lines = Arc::clone(self);
        self.spawn(move || {
            if let Err(error) = lines.greet(stream) {
                tracing::warn!(%error, "a connection of no peer");
            }
        });
    }

    fn greet(self: &Arc<Self>, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let (peer, connection) = match read_frame::<N::Message>(&mut reader)? {
            Frame::Hello { source, connection } if self.knows(source) && connection.opener == source => {
                (source, connection)
            }
            _ => return Err(io::Error::other("it does not begin with the hello of a peer")),
        };
        stream.set_read_timeout(None)?;
        let (queue, frames) = sync_channel(QUEUE_MAX);
        match held(&self.open).entry(connection) {
            Entry::Vacant(place) => place.insert(Line { queue, stream: Some(stream.try_clone()?) }),
            Entry::Occupied(_) => return Err(io::Error::other("there is a connection of this number")),
        };
        self.tell(connection, peer, ConnectionChange::Accepted);
        self.carry(connection, peer, reader, stream, frames);
        Ok(())
    }

    /// The node takes a connection that a peer opened.
    pub(super) fn welcome(&self, connection: ConnectionId) {
        self.put(connection, &Frame::<N::Message>::Welcome);
    }

    pub(super) fn send(&self, connection: ConnectionId, message: &N::Message) {
        self.put(connection, &Frame::Message(message));
    }

    /// This end closes in good order: what it has said before arrives.
    pub(super) fn close(&self, connection: ConnectionId) {
        self.put(connection, &Frame::<N::Message>::Bye);
        held(&self.open).remove(&connection);
    }

    /// This end goes away at once.
    pub(super) fn reset(&self, connection: ConnectionId) {
        if let Some(stream) = held(&self.open).remove(&connection).and_then(|line| line.stream) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Closes every connection, and waits until the peers have heard it, or have had [`PATIENCE`] for it.
    pub(super) fn close_all(&self) {
        let open = std::mem::take(&mut *held(&self.open));
        let streams: Vec<TcpStream> = open.values().filter_map(|line| line.stream.as_ref()?.try_clone().ok()).collect();
        for line in open.into_values() {
            let _ = line.queue.try_send(bytes_of(&Frame::<N::Message>::Bye));
        }
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end && !held(&self.threads).iter().all(JoinHandle::is_finished) {
            thread::sleep(Duration::from_millis(1));
        }
        for stream in streams {
            let _ = stream.shutdown(Shutdown::Both);
        }
        loop {
            let Some(thread) = held(&self.threads).pop() else { return };
            let _ = thread.join();
        }
    }

    /// Puts a frame before the writer of a connection.
    fn put<M: Serialize>(&self, connection: ConnectionId, frame: &Frame<M>) {
        let full = held(&self.open).get(&connection).is_some_and(|line| line.queue.try_send(bytes_of(frame)).is_err());
        if full {
            // The reader sees the end, and tells the node.
            self.reset(connection);
        }
    }

    /// The peer of a connection that this end opened has answered. `false` if this end has closed it meanwhile.
    fn connected(&self, connection: ConnectionId, stream: &TcpStream) -> bool {
        let Ok(stream) = stream.try_clone() else { return false };
        held(&self.open).get_mut(&connection).map(|line| line.stream = Some(stream)).is_some()
    }

    /// Reads until the connection ends; another thread writes.
    fn carry(
        self: &Arc<Self>,
        connection: ConnectionId,
        peer: NodeId,
        mut reader: BufReader<TcpStream>,
        writer: TcpStream,
        frames: Receiver<Vec<u8>>,
    ) {
        self.spawn(move || write_frames(&writer, &frames));
        let change = loop {
            match read_frame::<N::Message>(&mut reader) {
                Ok(Frame::Message(message)) => {
                    let source = Source { node: peer, connection: Some(connection) };
                    let _ = self.post.send(Letter::Message { source, message });
                }
                Ok(Frame::Bye) => break ConnectionChange::Closed,
                Ok(Frame::Hello { .. } | Frame::Welcome) | Err(_) => break ConnectionChange::Reset,
            }
        };
        self.reset(connection);
        self.tell(connection, peer, change);
    }

    fn tell(&self, connection: ConnectionId, peer: NodeId, change: ConnectionChange) {
        let _ = self.post.send(Letter::Connection { connection, peer, change });
    }

    fn spawn(&self, work: impl FnOnce() + Send + 'static) {
        match thread::Builder::new().name(format!("connection of {}", self.id)).spawn(work) {
            Ok(thread) => {
                let mut threads = held(&self.threads);
                threads.retain(|thread| !thread.is_finished());
                threads.push(thread);
            }
            // What the thread held is dropped, so its socket is closed.
            Err(error) => tracing::warn!(%error, "the system gives no thread for a connection"),
        }
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

fn bytes_of<M: Serialize>(frame: &Frame<M>) -> Vec<u8> {
    let text = encode(frame);
    let length = u32::try_from(text.len()).expect("a message has less than 4 GiB");
    [&length.to_le_bytes()[..], &text].concat()
}

fn read_frame<M: DeserializeOwned>(reader: &mut impl Read) -> io::Result<Frame<M>> {
    let mut length = [0; 4];
    reader.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > FRAME_BYTES_MAX {
        return Err(io::Error::other(format!("a frame of {length} bytes, more than {FRAME_BYTES_MAX}")));
    }
    let mut text = Vec::new();
    reader.take(length.into()).read_to_end(&mut text)?;
    serde_json::from_slice(&text).map_err(|error| {
        tracing::warn!(%error, "what a peer said cannot be decoded");
        io::Error::other(error)
    })
}
