//! What a simulated process is: a state machine without IO.
//!
//! ```text
//!   on_start, on_message, on_connection, on_timer,   ┌──────┐   effects in the Context: send, set_timer, write, sync,
//!   on_durable, on_step                            ──▶│ Node │──▶ connect, defer, observe, exit
//!   on_operation (clients), on_order (servers)       └──────┘   of clients also: invoke, complete
//! ```
//!
//! A host fills a [`Context`] before each call and carries out its effects after it, in order. The host is the
//! [world](crate::world) in a run, a [`Host`](crate::host::Host) in a unit test. The front page of this crate has a
//! whole example.

use std::fmt::{self, Debug};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::brief::Datum;
use crate::context::Context;
use crate::id::{NodeId, is_equal};

/// Plain data: everything that a node says, stores or hears. It can be printed, stored, compared and sent.
pub trait Data: Clone + Debug + Serialize + Send + Sync + 'static {}
impl<T: Clone + Debug + Serialize + Send + Sync + 'static> Data for T {}

/// Data of which there is none: the operation, response or order of a system without any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize)]
pub enum Never {}

/// A process of a system: server or client. A system has one node type, an enum over its kinds of process.
///
/// Each input is handled at once, in zero simulated time (a slow node is the world's doing). All output goes through
/// the [`Context`]. A node sees nothing but its context: neither true time nor another node.
pub trait Node: Debug + Send + Sized + 'static {
    /// What nodes say to one another.
    type Message: Message;
    /// The node's timers. Two equal values are the same timer.
    type Timer: Data + Copy + Ord;
    /// What the node stores on its disk.
    type Record: Data + DeserializeOwned;
    /// What the node tells those who watch.
    type Observation: Observation;
    /// What a client is asked to do; [`Never`] if the system has no clients.
    type Operation: Data + DeserializeOwned;
    /// What a client is answered.
    type Response: Data + DeserializeOwned;
    /// What a scenario commands a server to do (set a flag, add a member). It is no part of the history. [`Never`] if
    /// the system knows no orders.
    type Order: Data + DeserializeOwned;
    /// Work that a node defers, so that other inputs may come between.
    type Step: Data;

    /// The kinds of operation of clients, by name: how long operations take is measured for each kind. Of one kind by
    /// default.
    const OPERATIONS: &'static [&'static str] = &["operation"];

    /// The position of an operation's kind in [`Node::OPERATIONS`].
    fn operation_kind(operation: &Self::Operation) -> usize {
        let _ = operation;
        0
    }

    /// The process starts, for the first time or after a crash. [`System::node`](crate::system::System::node) has made
    /// this node from what its disk kept; this is the first call that may have effects.
    fn on_start(&mut self, ctx: &mut Context<Self>);

    /// A message arrives.
    fn on_message(&mut self, ctx: &mut Context<Self>, source: Source, message: Self::Message);

    /// A timer fires. It is no longer set.
    fn on_timer(&mut self, ctx: &mut Context<Self>, timer: Self::Timer);

    /// Something happened to a connection.
    fn on_connection(&mut self, ctx: &mut Context<Self>, event: ConnectionEvent) {
        let _ = (ctx, event);
    }

    /// A write or a sync has completed, or failed.
    fn on_durable(&mut self, ctx: &mut Context<Self>, completion: Completion) {
        let _ = (ctx, completion);
    }

    /// Work that the node deferred comes back.
    fn on_step(&mut self, ctx: &mut Context<Self>, step: Self::Step) {
        let _ = (ctx, step);
    }

    /// The workload asks for an operation. A client invokes each operation that it is asked for once, when it begins
    /// it, and completes it.
    fn on_operation(&mut self, ctx: &mut Context<Self>, operation: Self::Operation) {
        let _ = (ctx, operation);
    }

    /// The scenario gives an order.
    fn on_order(&mut self, ctx: &mut Context<Self>, order: Self::Order) {
        let _ = (ctx, order);
    }

    /// Shows a value of this node to people, in a few words on one line: in timelines, failures and diagrams.
    ///
    /// By default the words are derived from the serialized data ([`Datum::derived`]). A node that contains another
    /// one hands the inner node's values to the inner node's `brief`: see
    /// [`Embedding::inner_datum`](crate::embedding::Embedding::inner_datum).
    ///
    /// # Errors
    /// Those of the formatter.
    fn brief(datum: Datum<'_, Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        datum.derived(f)
    }
}

/// Content of a packet.
pub trait Message: Data + DeserializeOwned {
    /// The kinds of message, by name; faults can be narrowed to some of them. At most 64.
    const KINDS: &'static [&'static str];

    /// The position of this message's kind in [`Message::KINDS`].
    fn kind(&self) -> usize;

    /// The kinds of request that can be refused: those of which [`Message::refused`] returns an answer. A scenario can
    /// use `refuse` for these alone. They are some of [`Message::KINDS`], or a world of the system does not compile; a
    /// request about which the two disagree panics when it is to be refused.
    const REFUSABLE: &'static [&'static str] = &[];

    /// The error that the sender of this request gets if a proxy in front of the target refuses it: the request does
    /// not come to the target, and the answer seems to come from there. `None` if it cannot be refused. A message that
    /// wraps one of an inner node wraps its error too.
    fn refused(&self) -> Option<Self> {
        None
    }

    /// Bytes on the wire, for links with a bandwidth.
    fn wire_size(&self) -> u32 {
        64
    }

    /// The term, epoch or ballot that the sender says it is in. People see it after the sender's name: `s2@3`.
    fn epoch(&self) -> Option<u64> {
        None
    }
}

/// The error that answers a message which is to be refused; `None` if it is no such request.
///
/// # Panics
/// If the message and what its type declares disagree.
pub(crate) fn refusal_of<M: Message>(message: &M) -> Option<M> {
    let (answer, kind) = (message.refused(), M::KINDS[message.kind()]);
    match (&answer, M::REFUSABLE.contains(&kind)) {
        (None, true) => panic!("Message::REFUSABLE names {kind}, for which Message::refused has no answer"),
        (Some(_), false) => panic!("Message::refused answers {kind}, which Message::REFUSABLE does not name"),
        (Some(_), true) | (None, false) => answer,
    }
}

/// Whether each of the kinds that can be refused is a kind of message.
pub(crate) const fn has_known_refusals<M: Message>() -> bool {
    let mut refusable = 0;
    while refusable < M::REFUSABLE.len() {
        let mut kind = 0;
        while kind < M::KINDS.len() && !is_equal(M::REFUSABLE[refusable], M::KINDS[kind]) {
            kind += 1;
        }
        if kind == M::KINDS.len() {
            return false;
        }
        refusable += 1;
    }
    true
}

/// What a node tells those who watch: checkers, the director, people.
pub trait Observation: Data {
    /// The names that [`Face::name`] can take, so that a scenario's `when` and `reach` can be checked before a run.
    const NAMES: &'static [&'static str];

    /// Those of the names whose faces have a [`Face::place`].
    const PLACED: &'static [&'static str] = &[];

    /// The neutral face, the same for every system.
    fn face(&self) -> Face;

    /// The term, epoch or ballot that the node is in from now on. People see it after the node's name, `s2@3`, until
    /// the next one. By default the rank of a role that is reported with one.
    fn epoch(&self) -> Option<u64> {
        match self.face().change {
            Change::Role { rank, .. } if rank > 0 => Some(rank),
            _ => None,
        }
    }
}

/// An observation as anyone can read it, whatever the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Face {
    /// The group of the system that says it; empty for the system of the node itself.
    pub group: &'static str,
    /// What happened: `leader elected`, `pre-vote denied`. Scenarios name it in `when` and `reach`.
    pub name: &'static str,
    /// What it changes in the census.
    pub change: Change,
    /// How far the log has come by it, if it is about a place in a log that all nodes share, as the commit of an entry
    /// is. `committed >= 100` waits for the place, and not for a hundred observations.
    pub place: Option<u64>,
}

impl Face {
    /// A face of the node's own system.
    pub const fn new(name: &'static str, change: Change) -> Self {
        Self { group: "", name, change, place: None }
    }

    /// The same face, about this place in a log.
    #[must_use]
    pub const fn at_place(self, place: u64) -> Self {
        Self { place: Some(place), ..self }
    }

    /// The same face, as the node around shows what an inner node of this group said: its roles and resources count
    /// under this group. A group that is named already stays.
    #[must_use]
    pub const fn in_group(self, group: &'static str) -> Self {
        Self { group: if self.group.is_empty() { group } else { self.group }, ..self }
    }
}

/// How an observation changes the census of roles and holders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Not at all.
    None,
    /// The node takes a role, with a rank to tell the newest of several (Raft's term).
    Role {
        /// One of [`System::ROLES`](crate::system::System::ROLES), of the system of the face's group.
        role: &'static str,
        /// The higher, the newer.
        rank: u64,
    },
    /// The node now holds a resource, or believes so.
    Gained {
        /// The kind of resource: `lease`, `lock`, `session`.
        kind: &'static str,
        /// Which one.
        resource: u64,
    },
    /// The node no longer holds it.
    Lost {
        /// The kind of resource.
        kind: &'static str,
        /// Which one.
        resource: u64,
    },
}

/// Who sent a message, and by which transport it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// The sender.
    pub node: NodeId,
    /// The connection that it came over; `None` for a datagram.
    pub connection: Option<ConnectionId>,
}

/// A connection between two nodes: reliable and in order for as long as it lives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, serde::Deserialize)]
pub struct ConnectionId {
    /// Who opened it.
    pub opener: NodeId,
    /// Counted by the opener, over all its incarnations.
    pub number: u32,
}

/// What can happen to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ConnectionEvent {
    /// Which connection.
    pub connection: ConnectionId,
    /// The node at the other end.
    pub peer: NodeId,
    /// What happened.
    pub change: ConnectionChange,
}

/// The life of a connection, seen from one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ConnectionChange {
    /// The peer answered: the opener may send.
    Opened,
    /// A peer opened a connection to this node.
    Accepted,
    /// The machine answers but no process listens there.
    Refused,
    /// No answer within the time limit, to an opening or to what was sent: a black hole. This end is closed; the other
    /// may not know (half-open).
    TimedOut,
    /// The peer's process is gone or has forgotten the connection. What was in flight is lost.
    Reset,
    /// The peer closed it in good order: everything that it sent before has arrived.
    Closed,
}

/// A write, counted by the node over all its incarnations.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, serde::Deserialize)]
pub struct WriteId(pub u64);

/// A file of a node's disk. A node numbers its files as it likes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, serde::Deserialize)]
pub struct FileId(pub u16);

/// One change to a file. Each is applied whole or not at all, unless a fault tears it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub enum Write<R> {
    /// Adds a record at the end.
    Append(FileId, R),
    /// Replaces the whole file by this one record, atomically (write to a new file, then rename).
    Replace(FileId, R),
    /// Keeps the first records of the file, drops the rest.
    Truncate(FileId, u64),
    /// Drops the first records of the file.
    Discard(FileId, u64),
}

impl<R> Write<R> {
    /// The same write by reference.
    #[inline]
    pub const fn as_ref(&self) -> Write<&R> {
        match self {
            Self::Append(file, record) => Write::Append(*file, record),
            Self::Replace(file, record) => Write::Replace(*file, record),
            Self::Truncate(file, count) => Write::Truncate(*file, *count),
            Self::Discard(file, count) => Write::Discard(*file, *count),
        }
    }

    /// The same write of another file's record, where it has one.
    #[inline]
    pub fn filter_map<S>(
        self,
        file_of: impl Fn(FileId) -> Option<FileId>,
        record_of: impl Fn(R) -> Option<S>,
    ) -> Option<Write<S>> {
        Some(match self {
            Self::Append(file, record) => Write::Append(file_of(file)?, record_of(record)?),
            Self::Replace(file, record) => Write::Replace(file_of(file)?, record_of(record)?),
            Self::Truncate(file, count) => Write::Truncate(file_of(file)?, count),
            Self::Discard(file, count) => Write::Discard(file_of(file)?, count),
        })
    }
}

/// How a write or a sync ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Completion {
    /// The write is in the page cache: it survives a crash of the process, not of the machine.
    Written(WriteId),
    /// This write and every one before it are durable: they survive a crash of the machine (unless the disk lies).
    Durable(WriteId),
    /// The write did not happen.
    Failed(WriteId, DiskError),
}

impl fmt::Display for ConnectionChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Opened => "opened",
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::TimedOut => "timed out",
            Self::Reset => "reset",
            Self::Closed => "closed",
        })
    }
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Full => "no space left",
            Self::Io => "input/output error",
        })
    }
}

/// Why a disk refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum DiskError {
    /// No space left.
    Full,
    /// The device failed.
    Io,
}

/// What a node's disk kept, read at the start.
#[derive(Clone, Debug, Default)]
pub struct Recovered<R> {
    /// The files that exist, in order of number, each with its records in order.
    pub files: Vec<(FileId, Vec<Stored<R>>)>,
}

/// A record as the disk gives it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Stored<R> {
    /// As it was written.
    Intact(R),
    /// Only a part reached the disk; its checksum does not fit.
    Torn,
    /// It was changed on the disk; its checksum does not fit.
    Corrupt,
    /// The disk does not give it back.
    Unreadable,
}

impl<R> Stored<R> {
    /// The same by reference.
    pub const fn as_ref(&self) -> Stored<&R> {
        match self {
            Self::Intact(record) => Stored::Intact(record),
            Self::Torn => Stored::Torn,
            Self::Corrupt => Stored::Corrupt,
            Self::Unreadable => Stored::Unreadable,
        }
    }

    /// The same of another record, where there is one.
    pub fn filter_map<S>(self, record_of: impl FnOnce(R) -> Option<S>) -> Option<Stored<S>> {
        Some(match self {
            Self::Intact(record) => Stored::Intact(record_of(record)?),
            Self::Torn => Stored::Torn,
            Self::Corrupt => Stored::Corrupt,
            Self::Unreadable => Stored::Unreadable,
        })
    }

    /// The record, if it is as it was written.
    pub fn intact(&self) -> Option<&R> {
        match self {
            Self::Intact(record) => Some(record),
            Self::Torn | Self::Corrupt | Self::Unreadable => None,
        }
    }
}

impl<R> Recovered<R> {
    /// Nothing: the first start of a node.
    pub const fn empty() -> Self {
        Self { files: Vec::new() }
    }

    /// The records of one file; none where it does not exist.
    pub fn file(&self, file: FileId) -> &[Stored<R>] {
        self.files.iter().find(|(id, _)| *id == file).map_or(&[], |(_, records)| records)
    }

    /// The last record of a file, as [`Write::Replace`] leaves it.
    pub fn last(&self, file: FileId) -> Option<&Stored<R>> {
        self.file(file).last()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request, if `DECLARED` among those that can be refused; and whether it has an answer for that.
    #[derive(Clone, Debug, Serialize, serde::Deserialize)]
    struct Word<const DECLARED: bool>(bool);

    impl<const DECLARED: bool> Message for Word<DECLARED> {
        const KINDS: &'static [&'static str] = &["ask", "answer"];
        const REFUSABLE: &'static [&'static str] = if DECLARED { &["ask"] } else { &[] };
        fn kind(&self) -> usize {
            0
        }
        fn refused(&self) -> Option<Self> {
            self.0.then_some(Self(false))
        }
    }

    /// A message type that declares a kind which it does not have.
    #[derive(Clone, Debug, Serialize, serde::Deserialize)]
    struct Boast;

    impl Message for Boast {
        const KINDS: &'static [&'static str] = &["ask"];
        const REFUSABLE: &'static [&'static str] = &["ask", "demand"];
        fn kind(&self) -> usize {
            0
        }
    }

    #[test]
    fn what_is_declared_and_answered_can_be_refused_and_what_is_neither_cannot() {
        assert!(refusal_of(&Word::<true>(true)).is_some());
        assert!(refusal_of(&Word::<false>(false)).is_none());
    }

    #[test]
    #[should_panic(expected = "Message::refused answers ask, which Message::REFUSABLE does not name")]
    fn an_answer_to_what_is_not_declared_is_a_mistake_of_the_system() {
        refusal_of(&Word::<false>(true));
    }

    #[test]
    #[should_panic(expected = "Message::REFUSABLE names ask, for which Message::refused has no answer")]
    fn a_declaration_without_an_answer_is_a_mistake_of_the_system() {
        refusal_of(&Word::<true>(false));
    }

    #[test]
    fn only_kinds_of_message_can_be_declared() {
        assert!(has_known_refusals::<Word<true>>() && has_known_refusals::<Word<false>>());
        assert!(!has_known_refusals::<Boast>());
    }
}
