//! The event loop of a node that runs in real time: what threads and sockets have in common.
//!
//! A node waits for the next letter or the next timer and handles it. What it did is carried out in order, and only
//! then does it hear that its writes are written or durable: so nothing that follows a write leaves before the write is
//! where the node was told it is, and the node's clock is never behind what the disk took.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration as WallDuration, Instant as WallInstant, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde::de::DeserializeOwned;

use splitbrain_kernel::context::{Effect, OperationId, OperationResult};
use splitbrain_kernel::host::Host;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::{ConnectionChange, ConnectionId, Node, Source, Write};
use splitbrain_kernel::time::{Instant, Offset};

/// How long a node without a timer waits for mail before it looks again.
const IDLE: WallDuration = WallDuration::from_secs(1);

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

/// What reaches a node.
#[derive(Debug)]
pub(crate) enum Letter<N: Node> {
    Message { source: Source, message: N::Message, place: Option<Place> },
    Connection { connection: ConnectionId, peer: NodeId, change: ConnectionChange },
    Operation(N::Operation),
    Order(N::Order),
    Crash,
    Start,
    Stop,
}

/// A place among the letters that wait for a node; free again when the letter is taken or dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicUsize>);

impl Place {
    /// One more letter waits. `taken` counts them.
    pub(crate) fn take(taken: &Arc<AtomicUsize>) -> Self {
        taken.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(taken))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What stands between a node and the others, and between a node and its disk.
pub(crate) trait Carrier<N: Node> {
    /// A message leaves; over a connection only where that is open at this end.
    fn send(&mut self, target: NodeId, connection: Option<ConnectionId>, message: N::Message);

    /// The other end of a connection is to see this change. `Accepted` is the first of a connection: the peer's answer
    /// is `Opened` or `Refused`.
    fn notify_peer(&mut self, peer: NodeId, connection: ConnectionId, change: ConnectionChange);

    /// A write reaches the page cache.
    ///
    /// # Errors
    /// What the machine says. The node then goes no further: nothing that was tied to the write leaves.
    fn write(&mut self, write: Write<N::Record>) -> io::Result<()>;

    /// What was written reaches the disk.
    ///
    /// # Errors
    /// As [`Carrier::write`].
    fn sync(&mut self) -> io::Result<()>;

    /// The node ends in good order.
    ///
    /// # Errors
    /// As [`Carrier::write`].
    fn end(&mut self) -> io::Result<()>;
}

/// A node, and its way to the others.
pub(crate) struct EventLoop<N: Node, C> {
    pub(crate) host: Host<N>,
    pub(crate) carrier: C,
    /// The connections that are open at this end.
    connections: BTreeMap<ConnectionId, NodeId>,
    news: Sender<(NodeId, News<N>)>,
    start: WallInstant,
}

impl<N: Node, C: Carrier<N>> EventLoop<N, C> {
    /// A node whose monotonic clock began at `start`.
    pub(crate) const fn new(host: Host<N>, carrier: C, news: Sender<(NodeId, News<N>)>, start: WallInstant) -> Self {
        Self { host, carrier, connections: BTreeMap::new(), news, start }
    }

    /// Starts the node, and carries out what it does until it is asked to stop.
    ///
    /// # Errors
    /// If its disk fails: the node cannot go on, and what depended on the disk has not left.
    pub(crate) fn run(mut self, mailbox: &Receiver<Letter<N>>) -> io::Result<()> {
        let ended = self.handle_all(mailbox);
        if let Err(error) = &ended {
            self.publish(News::Exited(format!("the disk failed: {error}")));
        }
        ended
    }

    fn handle_all(&mut self, mailbox: &Receiver<Letter<N>>) -> io::Result<()> {
        self.set_clocks();
        self.host.start();
        loop {
            self.finish()?;
            let due = self.host.next_timer().map(|(at, _)| at.since(self.now()).as_nanos());
            let wait = due.map_or(IDLE, WallDuration::from_nanos);
            let letter = match mailbox.recv_timeout(wait) {
                Ok(Letter::Stop) | Err(RecvTimeoutError::Disconnected) => return self.carrier.end(),
                Ok(letter) => Some(letter),
                Err(RecvTimeoutError::Timeout) => None,
            };
            self.set_clocks();
            // What is due fires now: the node sees how late it is.
            self.host.advance_to(self.host.now());
            if let Some(letter) = letter {
                self.take_in(letter);
            }
        }
    }

    fn now(&self) -> Instant {
        Instant::from_nanos(nanos(self.start.elapsed()))
    }

    /// The node's clocks are those of the machine.
    fn set_clocks(&mut self) {
        let now = self.now();
        self.host.pass(now.since(self.host.now()));
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, nanos);
        let behind = i128::from(wall) - i128::from(self.host.wall().as_nanos());
        self.host.step_wall(Offset(i64::try_from(behind).unwrap_or(0)));
    }

    fn take_in(&mut self, letter: Letter<N>) {
        match letter {
            Letter::Message { source, message, place } => {
                drop(place);
                if source.connection.is_none_or(|connection| self.connections.contains_key(&connection)) {
                    self.host.message_from(source, message);
                }
            }
            Letter::Connection { connection, peer, change } => self.change(connection, peer, change),
            Letter::Operation(operation) => self.host.operation(operation),
            Letter::Order(order) => self.host.order(order),
            Letter::Crash => {
                self.host.crash_machine(0);
                self.reset_all();
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
                return self.carrier.notify_peer(peer, connection, ConnectionChange::Refused);
            }
            ConnectionChange::Accepted => {
                self.connections.insert(connection, peer);
                self.carrier.notify_peer(peer, connection, ConnectionChange::Opened);
            }
            // This end may have closed it meanwhile.
            ConnectionChange::Opened if !self.connections.contains_key(&connection) => return,
            ConnectionChange::Opened => {}
            _ if self.connections.remove(&connection).is_none() => return,
            _ => {}
        }
        self.host.connection(connection, peer, change);
    }

    /// Carries out what the node did, and what comes of it, until there is nothing more to do now.
    fn finish(&mut self) -> io::Result<()> {
        loop {
            let effects = self.host.take();
            let is_quiet = effects.is_empty();
            for effect in effects {
                self.carry_out(effect)?;
            }
            self.set_clocks();
            if !self.host.sync_asked() && !self.host.step() && is_quiet {
                return Ok(());
            }
        }
    }

    fn carry_out(&mut self, effect: Effect<N>) -> io::Result<()> {
        match effect {
            Effect::Send { target, connection, message } => {
                if connection.is_none_or(|connection| self.connections.contains_key(&connection)) {
                    self.carrier.send(target, connection, message);
                }
            }
            Effect::Connect { connection, target } => {
                self.connections.insert(connection, target);
                self.carrier.notify_peer(target, connection, ConnectionChange::Accepted);
            }
            Effect::Close(connection) => {
                if let Some(peer) = self.connections.remove(&connection) {
                    self.carrier.notify_peer(peer, connection, ConnectionChange::Closed);
                }
            }
            // The host keeps the effects in their order, so a write stands before all that was tied to it.
            Effect::Write { write, .. } => self.carrier.write(write)?,
            Effect::Sync => self.carrier.sync()?,
            Effect::Observe(observation) => self.publish(News::Observed(observation)),
            Effect::Invoke { id, operation } => self.publish(News::Invoked(id, operation)),
            Effect::Complete { id, result } => self.publish(News::Completed(id, result)),
            Effect::Exit(reason) => {
                self.reset_all();
                self.publish(News::Exited(reason.to_string()));
            }
            // The host has done its part of these.
            Effect::SetTimer { .. } | Effect::CancelTimer(_) | Effect::Defer(_) => {}
        }
        Ok(())
    }

    /// The process is gone: its peers see their connections reset.
    fn reset_all(&mut self) {
        for (connection, peer) in std::mem::take(&mut self.connections) {
            self.carrier.notify_peer(peer, connection, ConnectionChange::Reset);
        }
    }

    /// Where the caller is gone, there is no one to let know.
    fn publish(&self, news: News<N>) {
        let _ = self.news.send((self.host.id(), news));
    }
}

fn nanos(span: WallDuration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// The bytes of what a node sends or stores.
///
/// # Panics
/// If JSON cannot hold it.
pub(crate) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_else(|error| panic!("JSON cannot hold what a node sends or stores: {error}"))
}

/// What a node of this process encoded.
///
/// # Panics
/// If it cannot be decoded.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> T {
    serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("what a node encoded cannot be decoded: {error}"))
}

#[cfg(test)]
mod tests;
