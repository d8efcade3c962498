//! All that a node sees and all that it does: a struct that a host fills before a call and drains after it.
//!
//! It never borrows the world, so the same node runs under the kernel, under madsim and on threads.

use std::borrow::Cow;
use std::cell::Cell;

use crate::id::NodeId;
use crate::node::{ConnectionId, FileId, Node, Source, Write, WriteId};
use crate::rng::Rng;
use crate::time::{Duration, Instant};

/// What a node asks of its host. Nothing has happened yet when a handler returns: the host carries them out in order.
#[derive(Clone, Debug)]
pub enum Effect<N: Node> {
    /// Send a message, as a datagram or over a connection.
    Send {
        /// The target.
        target: NodeId,
        /// Over which connection; `None` for a datagram.
        connection: Option<ConnectionId>,
        /// What.
        message: N::Message,
    },
    /// Set a timer; one that is set already moves.
    SetTimer {
        /// Which.
        timer: N::Timer,
        /// When, on the node's monotonic clock.
        at: Instant,
    },
    /// Cancel a timer; nothing happens where it is not set.
    CancelTimer(N::Timer),
    /// Write to the disk. Completes as [`crate::node::Completion::Written`].
    Write {
        /// The name of this write.
        id: WriteId,
        /// What changes.
        write: Write<N::Record>,
        /// Whether the node wants to hear of `Written`; it always hears of `Durable` and `Failed`.
        notice: Notice,
    },
    /// Make every write so far durable. Completes as [`crate::node::Completion::Durable`].
    Sync,
    /// Come back later as `on_step`; other inputs may come between.
    Defer(N::Step),
    /// Open a connection.
    Connect {
        /// The name of the connection.
        connection: ConnectionId,
        /// The target.
        target: NodeId,
    },
    /// Close a connection; what was sent before still arrives.
    Close(ConnectionId),
    /// A client begins an operation: the invocation goes into the history.
    Invoke {
        /// The name of the operation.
        id: OperationId,
        /// What is asked.
        operation: N::Operation,
    },
    /// A client's operation ends: the completion goes into the history.
    Complete {
        /// The name of the operation.
        id: OperationId,
        /// How it ended.
        result: OperationResult<N::Response>,
    },
    /// Tell those who watch.
    Observe(N::Observation),
    /// Give up: the process ends by itself. Not a panic.
    Exit(Cow<'static, str>),
}

/// An effect by reference: what an invariant is shown, so that the part of an inner node can be shown alone.
#[derive(Debug)]
pub enum EffectRef<'a, N: Node> {
    /// See [`Effect::Send`].
    Send {
        /// The target.
        target: NodeId,
        /// Over which connection; `None` for a datagram.
        connection: Option<ConnectionId>,
        /// What.
        message: &'a N::Message,
    },
    /// See [`Effect::SetTimer`].
    SetTimer {
        /// Which.
        timer: N::Timer,
        /// When.
        at: Instant,
    },
    /// See [`Effect::CancelTimer`].
    CancelTimer(N::Timer),
    /// See [`Effect::Write`].
    Write {
        /// The name of this write.
        id: WriteId,
        /// What changes.
        write: Write<&'a N::Record>,
        /// Whether the node wants to hear of `Written`.
        notice: Notice,
    },
    /// See [`Effect::Sync`].
    Sync,
    /// See [`Effect::Defer`].
    Defer(&'a N::Step),
    /// See [`Effect::Connect`].
    Connect {
        /// The name of the connection.
        connection: ConnectionId,
        /// The target.
        target: NodeId,
    },
    /// See [`Effect::Close`].
    Close(ConnectionId),
    /// See [`Effect::Invoke`].
    Invoke {
        /// The name of the operation.
        id: OperationId,
        /// What is asked.
        operation: &'a N::Operation,
    },
    /// See [`Effect::Complete`].
    Complete {
        /// The name of the operation.
        id: OperationId,
        /// How it ended.
        result: OperationResult<&'a N::Response>,
    },
    /// See [`Effect::Observe`].
    Observe(&'a N::Observation),
    /// See [`Effect::Exit`].
    Exit(&'a str),
}

impl<N: Node> Clone for EffectRef<'_, N> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<N: Node> Copy for EffectRef<'_, N> {}

/// Whether a node hears of the completion of a write before its sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// `on_durable` is called when the write is in the page cache.
    Written,
    /// Only when it is durable, or failed.
    Durable,
}

/// An operation of a client, counted by the client over all its incarnations.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub struct OperationId(pub u64);

/// How a client's operation ended, as far as the client knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum OperationResult<R> {
    /// It took effect, and this was the answer.
    Ok(R),
    /// It certainly did not take effect, and never will.
    Failed,
    /// It may have taken effect, may still at any later time, or never (a timeout).
    Unknown,
}

impl<R> OperationResult<R> {
    /// The same by reference.
    #[inline]
    pub const fn as_ref(&self) -> OperationResult<&R> {
        match self {
            Self::Ok(response) => OperationResult::Ok(response),
            Self::Failed => OperationResult::Failed,
            Self::Unknown => OperationResult::Unknown,
        }
    }

    /// The same with another response, or `None` if there is none.
    #[inline]
    pub fn filter_map<S>(self, response_of: impl FnOnce(R) -> Option<S>) -> Option<OperationResult<S>> {
        Some(match self {
            Self::Ok(response) => OperationResult::Ok(response_of(response)?),
            Self::Failed => OperationResult::Failed,
            Self::Unknown => OperationResult::Unknown,
        })
    }
}

/// What a node sees, and where its effects go.
#[derive(Clone, Debug)]
pub struct Context<N: Node> {
    id: NodeId,
    now: Instant,
    wall: Instant,
    /// Whether the node has read its wall clock since the host asked last.
    wall_read: Cell<bool>,
    rng: Rng,
    /// How many processes of this node have ended: what draws inside this one draws from streams of its own.
    incarnation: u32,
    /// How many words nodes inside this one have drawn.
    inner_drawn: u64,
    next_write: u64,
    next_connection: u32,
    next_operation: u64,
    effects: Vec<Effect<N>>,
    tied: Vec<(WriteId, Effect<N>)>,
}

impl<N: Node> Context<N> {
    /// This node's name.
    #[inline]
    pub const fn id(&self) -> NodeId {
        self.id
    }

    /// The node's monotonic clock. Timers run on it.
    #[inline]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// The node's wall clock: it may jump, also backwards. No timer runs on it.
    #[inline]
    pub fn wall(&self) -> Instant {
        self.wall_read.set(true);
        self.wall
    }

    /// Which process of this node runs: 0 for the first, one more after each crash or exit. It is what a real process
    /// could take from a number that its supervisor counts, or from the time at its start.
    #[inline]
    pub const fn incarnation(&self) -> u32 {
        self.incarnation
    }

    /// The node's own randomness.
    #[inline]
    pub fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    /// Sends a datagram: it may be lost, delayed, duplicated, overtaken.
    #[inline]
    pub fn send(&mut self, target: NodeId, message: N::Message) {
        self.effects.push(Effect::Send { target, connection: None, message });
    }

    /// Sends over an open connection.
    pub fn send_on(&mut self, connection: ConnectionId, target: NodeId, message: N::Message) {
        self.effects.push(Effect::Send { target, connection: Some(connection), message });
    }

    /// Sends a datagram once `write` is durable. A crash before that drops it.
    pub fn send_after(&mut self, write: WriteId, target: NodeId, message: N::Message) {
        self.tied.push((write, Effect::Send { target, connection: None, message }));
    }

    /// Sends over a connection once `write` is durable. A crash before that drops it.
    pub fn send_on_after(&mut self, write: WriteId, connection: ConnectionId, target: NodeId, message: N::Message) {
        self.tied.push((write, Effect::Send { target, connection: Some(connection), message }));
    }

    /// Sends the way that a message came: over its connection, or as a datagram.
    #[inline]
    pub fn reply(&mut self, source: Source, message: N::Message) {
        let Source { node: target, connection } = source;
        self.effects.push(Effect::Send { target, connection, message });
    }

    /// The same once `write` is durable. A crash before that drops it.
    #[inline]
    pub fn reply_after(&mut self, write: WriteId, source: Source, message: N::Message) {
        let Source { node: target, connection } = source;
        self.tied.push((write, Effect::Send { target, connection, message }));
    }

    /// Sets a timer to fire `after` from now on the monotonic clock. One that is set already moves.
    #[inline]
    pub fn set_timer(&mut self, timer: N::Timer, after: Duration) {
        self.effects.push(Effect::SetTimer { timer, at: self.now.saturating_add(after) });
    }

    /// Cancels a timer.
    #[inline]
    pub fn cancel_timer(&mut self, timer: N::Timer) {
        self.effects.push(Effect::CancelTimer(timer));
    }

    /// Writes without making it durable; the node hears of `Written`.
    pub fn write(&mut self, write: Write<N::Record>) -> WriteId {
        self.push_write(write, Notice::Written)
    }

    /// Makes every write so far durable.
    pub fn sync(&mut self) {
        self.effects.push(Effect::Sync);
    }

    /// Writes and syncs. The node hears of `Durable` (or `Failed`), and whatever is tied to the write leaves just
    /// before.
    pub fn persist(&mut self, write: Write<N::Record>) -> WriteId {
        let id = self.push_write(write, Notice::Durable);
        self.sync();
        id
    }

    /// Replaces a file by one record and makes it durable.
    pub fn save(&mut self, file: FileId, record: N::Record) -> WriteId {
        self.persist(Write::Replace(file, record))
    }

    fn push_write(&mut self, write: Write<N::Record>, notice: Notice) -> WriteId {
        let id = WriteId(self.next_write);
        self.next_write += 1;
        self.effects.push(Effect::Write { id, write, notice });
        id
    }

    /// Puts work off: it comes back as `on_step` at this same instant, after whatever else is due before it.
    pub fn defer(&mut self, step: N::Step) {
        self.effects.push(Effect::Defer(step));
    }

    /// Opens a connection. The node hears `Opened`, `Refused` or `TimedOut`.
    pub fn connect(&mut self, target: NodeId) -> ConnectionId {
        let connection = ConnectionId { opener: self.id, number: self.next_connection };
        self.next_connection += 1;
        self.effects.push(Effect::Connect { connection, target });
        connection
    }

    /// Closes a connection in good order.
    pub fn close(&mut self, connection: ConnectionId) {
        self.effects.push(Effect::Close(connection));
    }

    /// Begins a client operation: its invocation goes into the history.
    pub fn invoke(&mut self, operation: N::Operation) -> OperationId {
        let id = OperationId(self.next_operation);
        self.next_operation += 1;
        self.effects.push(Effect::Invoke { id, operation });
        id
    }

    /// Ends a client operation that this process has begun. Each ends at most once; those that are open when the
    /// process ends are completed as unknown by the world.
    pub fn complete(&mut self, id: OperationId, result: OperationResult<N::Response>) {
        self.effects.push(Effect::Complete { id, result });
    }

    /// Tells those who watch.
    #[inline]
    pub fn observe(&mut self, observation: N::Observation) {
        self.effects.push(Effect::Observe(observation));
    }

    /// Tells those who watch once `write` is durable. A crash before that drops it.
    pub fn observe_after(&mut self, write: WriteId, observation: N::Observation) {
        self.tied.push((write, Effect::Observe(observation)));
    }

    /// Gives up: the process ends by itself after this handler. Not a panic.
    pub fn exit(&mut self, reason: impl Into<Cow<'static, str>>) {
        self.effects.push(Effect::Exit(reason.into()));
    }
}

/// What a host does with a context. A node has no use for these.
impl<N: Node> Context<N> {
    /// A context for this node with this stream.
    pub const fn new(id: NodeId, rng: Rng) -> Self {
        Self {
            id,
            now: Instant::ZERO,
            wall: Instant::ZERO,
            wall_read: Cell::new(false),
            rng,
            incarnation: 0,
            inner_drawn: 0,
            // A sync before the first write makes durable whatever comes up to write 0: nothing.
            next_write: 1,
            next_connection: 0,
            next_operation: 0,
            effects: Vec::new(),
            tied: Vec::new(),
        }
    }

    /// Sets both clocks before a call.
    #[inline]
    pub const fn set_clocks(&mut self, now: Instant, wall: Instant) {
        self.now = now;
        self.wall = wall;
    }

    /// Whether the node has read its wall clock since this was asked last.
    #[inline]
    pub fn take_wall_read(&mut self) -> bool {
        std::mem::take(self.wall_read.get_mut())
    }

    /// The effects of the last call, in order, for the host to drain.
    #[inline]
    pub const fn effects(&mut self) -> &mut Vec<Effect<N>> {
        &mut self.effects
    }

    /// The effects that wait for a write, in order, for the host to drain.
    #[inline]
    pub const fn tied(&mut self) -> &mut Vec<(WriteId, Effect<N>)> {
        &mut self.tied
    }

    /// A new process of this node starts, and this many have ended before it.
    pub const fn set_incarnation(&mut self, incarnation: u32) {
        self.incarnation = incarnation;
    }

    /// The node goes on in another process of the host, after this many starts: it draws from a stream of its own, and
    /// its connections, writes and operations begin with numbers that earlier processes have not used (those of
    /// connections come round after 4,096 starts).
    pub fn resume(&mut self, starts: u32) {
        if starts > 0 {
            self.rng = self.rng.fork("start", starts.into());
        }
        self.next_connection = starts.wrapping_shl(20);
        self.next_write = u64::from(starts) << 40;
        self.next_operation = u64::from(starts) << 40;
    }

    /// How many words the node has drawn, with all nodes inside it.
    pub const fn drawn(&self) -> u64 {
        self.rng.drawn() + self.inner_drawn
    }

    /// A context for a node inside this one, with a stream of its own for each incarnation.
    pub(crate) fn inner<I: Node>(&self, label: &str, index: u32) -> Context<I> {
        Context::new(self.id, self.rng.fork(label, u64::from(index) << 32 | u64::from(self.incarnation)))
    }

    /// Lends the clocks and the counters to a node inside this one, for one call. Returns what the call returns.
    #[inline]
    pub(crate) fn lend<I: Node, T>(&mut self, inner: &mut Context<I>, call: impl FnOnce(&mut Context<I>) -> T) -> T {
        let drawn = inner.drawn();
        inner.set_clocks(self.now, self.wall);
        inner.incarnation = self.incarnation;
        inner.next_write = self.next_write;
        inner.next_connection = self.next_connection;
        inner.next_operation = self.next_operation;
        let result = call(inner);
        *self.wall_read.get_mut() |= inner.take_wall_read();
        self.inner_drawn += inner.drawn() - drawn;
        self.next_write = inner.next_write;
        self.next_connection = inner.next_connection;
        self.next_operation = inner.next_operation;
        result
    }
}
