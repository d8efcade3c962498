//! What the processes say to one another, what clients are asked for, and what a scenario orders.
//!
//! ```text
//!   meta   ── what raft says ──▶ meta                       masters that are replicated
//!   chunk  ── create, keep_alive, item, close ──▶ meta      datagrams: lost, late, twice
//!   chunk  ◀─ create_reply, keep_alive_reply, item_reply ── meta
//!   client ── ask ──▶ chunk ── apply ──▶ volume             a write or read of a target
//!   client ◀─ answer ── chunk ◀─ applied ── volume
//! ```

use splitbrain_kernel::context::OperationId;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::joined;
use splitbrain_kernel::node::Message;
use splitbrain_kernel::serde::{Deserialize, Serialize};
use splitbrain_kernel::time::{Duration, Instant};

use crate::raft::message::RaftMessage;

use super::command::Command;
use super::ids::{Epoch, Identity, Instance, Item, ItemKey, Resource, SessionId, Token};

/// Content of a packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum SessionMessage {
    /// A chunk wants a session. Sent again, with a new number, if there is no answer.
    Create(Box<CreateRequest>),
    /// Answers it. It may be lost after the session was created: the chunk asks again.
    CreateReply {
        /// The number of the request.
        request: u64,
        /// What became of it.
        result: CreateResult,
    },
    /// A follower keeps its session alive, and reports the state of some extents.
    KeepAlive(KeepAlive),
    /// Answers it. It may arrive late or twice.
    KeepAliveReply {
        /// The session.
        session: SessionId,
        /// The round that it answers.
        round: u64,
        /// What became of it.
        result: KeepAliveResult,
    },
    /// A chunk asks something about session items.
    Item {
        /// The chunk's number of the request.
        request: u64,
        /// Under which session.
        session: SessionId,
        /// By which process.
        instance: Instance,
        /// The length of the lease that the chunk asks for.
        lease: Duration,
        /// What it asks.
        call: ItemCall,
    },
    /// Answers it.
    ItemReply {
        /// The number of the request.
        request: u64,
        /// The session that it was asked under.
        session: SessionId,
        /// What became of it.
        result: ItemResult,
    },
    /// A chunk will not use its session any more. If it is lost the session ends with its lease.
    Close {
        /// Which.
        session: SessionId,
        /// By which process.
        instance: Instance,
    },
    /// A client asks a chunk for something.
    Ask {
        /// The client's operation.
        operation: OperationId,
        /// What.
        call: Operation,
    },
    /// Answers it.
    Answer {
        /// The client's operation.
        operation: OperationId,
        /// What became of it.
        answer: Answer,
    },
    /// A chunk that serves a target writes or reads it. This is where the session has its effect.
    Apply {
        /// The chunk's number of the request.
        request: u64,
        /// Which target.
        resource: Resource,
        /// Under which session it was granted.
        session: SessionId,
        /// By which grant.
        token: Token,
        /// What is done.
        io: Io,
    },
    /// Answers it.
    Applied {
        /// The number of the request.
        request: u64,
        /// What became of it.
        result: ApplyResult,
    },
    /// A master has the one that leads make a command durable. Only a known bug does.
    Forward(Box<Command>),
    /// What the servers of the replicated log say to one another.
    Raft(RaftMessage<Command>),
}

/// See [`SessionMessage::Create`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct CreateRequest {
    /// The chunk's number of the request.
    pub request: u64,
    /// The number of the first request for the same session: one that is sent again gets the session of the first.
    pub wish: u64,
    /// Whose session.
    pub identity: Identity,
    /// Which process of it.
    pub instance: Instance,
    /// The length of the lease that the chunk wants.
    pub lease: Duration,
    /// The version of the protocol that the chunk speaks.
    pub version: u64,
    /// The items that the session has from the beginning.
    pub items: Vec<Item>,
    /// What the chunk's wall clock showed. For people; to measure by it is a known bug.
    pub wall: Instant,
}

/// See [`SessionMessage::KeepAlive`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct KeepAlive {
    /// Which session.
    pub session: SessionId,
    /// By which process.
    pub instance: Instance,
    /// The chunk's number of the request.
    pub round: u64,
    /// The version of the protocol that the chunk speaks.
    pub version: u64,
    /// The state of some extents.
    pub report: Report,
    /// What the chunk's wall clock showed. For people; to measure by it is a known bug.
    pub wall: Instant,
}

/// Which extents a keepalive reports: `count` of them, from `start` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct Report {
    /// The first.
    pub start: u64,
    /// How many.
    pub count: u64,
}

/// What becomes of a wish for a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum CreateResult {
    /// There is one.
    Created(Granted),
    /// There is none, for this reason.
    Refused(Refusal),
}

/// A session as its chunk hears of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct Granted {
    /// Its name.
    pub session: SessionId,
    /// Which instance of the identity this process is.
    pub epoch: Epoch,
    /// The version of the protocol that both sides speak.
    pub version: u64,
    /// Whether it existed before.
    pub is_reused: bool,
}

/// Why a request is refused. It had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum Refusal {
    /// The master does not lead, or does not lead yet.
    NotLeader,
    /// Another process of the same identity has taken over.
    Superseded,
    /// A callback of the access manager failed.
    CallbackFailed,
    /// The master's disk refused.
    Disk,
    /// A proxy before the master refused (the fault `refuse`).
    Overloaded,
    /// The master is one of several that are replicated, and another leads.
    Elsewhere {
        /// Which, as far as it knows.
        leader: NodeId,
    },
}

/// What becomes of a keepalive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum KeepAliveResult {
    /// The lease is extended.
    Extended {
        /// How long the master held the keepalive back before it extended the lease.
        held: Duration,
        /// The version of the protocol that both sides speak.
        version: u64,
    },
    /// The master knows no such session, or no longer.
    NoSuchSession,
    /// The lease is not extended, for this reason.
    Refused(Refusal),
}

/// What a chunk asks about items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum ItemCall {
    /// Sets an item. Doing it twice is doing it once.
    Set {
        /// Which.
        key: ItemKey,
        /// To what.
        value: u64,
    },
    /// Removes an item that is no target, if it is there.
    Remove {
        /// Which.
        key: ItemKey,
    },
    /// Gives a target back. The token tells a late copy of this from one that is about a later grant.
    Release {
        /// Which target.
        resource: Resource,
        /// By which grant it is held.
        token: Token,
    },
    /// Lists the items of all sessions.
    List,
}

/// What becomes of that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum ItemResult {
    /// It is done.
    Done,
    /// The target is granted, under this token.
    Granted(Token),
    /// The target is another's, or is not free yet.
    Taken,
    /// The items of all sessions that live.
    Items(Vec<(SessionId, ItemKey)>),
    /// The session that it was asked under does not live.
    NoSuchSession,
    /// It is refused, for this reason.
    Refused(Refusal),
}

/// What is done to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum Io {
    /// Writes a value.
    Write(u64),
    /// Reads it.
    Read,
}

/// What becomes of that at the volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum ApplyResult {
    /// It is done; the value afterwards.
    Done(u64),
    /// The volume has seen a newer token.
    Fenced,
}

/// What a client is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum Operation {
    /// Writes to a target.
    Write {
        /// Which.
        resource: Resource,
        /// What.
        value: u64,
    },
    /// Reads a target.
    Read {
        /// Which.
        resource: Resource,
    },
    /// Has a chunk set an item of its session.
    SetItem {
        /// Which.
        key: ItemKey,
        /// To what.
        value: u64,
    },
    /// Has a chunk remove an item of its session.
    RemoveItem {
        /// Which.
        key: ItemKey,
    },
    /// Has a chunk list the items of all sessions.
    ListItems,
}

/// What a client is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum Response {
    /// The value of the target, afterwards.
    Value(u64),
    /// The items are as asked for.
    Done,
    /// So many items.
    Items(u64),
}

/// What a chunk answers a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum Answer {
    /// It is done.
    Ok(Response),
    /// It was not done, and will not be: the chunk does not serve the target, or has no session.
    NotServed,
    /// It may have been done.
    Unknown,
}

/// What a scenario commands a server to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum Order {
    /// A chunk closes its sessions, as its user asks, and creates none until `resume`.
    Stop,
    /// A chunk creates sessions again.
    Resume,
    /// A chunk asks for a target.
    Claim(Resource),
    /// A chunk gives a target back.
    Release(Resource),
    /// A master leads no longer.
    StepDown,
    /// A master leads again, in a new term.
    Lead,
}

/// Those of raft come after them.
const OWN_KINDS: &[&str] = &[
    "create",
    "create_reply",
    "keep_alive",
    "keep_alive_reply",
    "item",
    "item_reply",
    "close",
    "ask",
    "answer",
    "apply",
    "applied",
    "forward",
];

impl Message for SessionMessage {
    const KINDS: &'static [&'static str] = joined!(OWN_KINDS, RaftMessage::<Command>::KINDS);

    const REFUSABLE: &'static [&'static str] = &["create", "keep_alive", "item"];

    fn kind(&self) -> usize {
        match self {
            Self::Create(_) => 0,
            Self::CreateReply { .. } => 1,
            Self::KeepAlive(_) => 2,
            Self::KeepAliveReply { .. } => 3,
            Self::Item { .. } => 4,
            Self::ItemReply { .. } => 5,
            Self::Close { .. } => 6,
            Self::Ask { .. } => 7,
            Self::Answer { .. } => 8,
            Self::Apply { .. } => 9,
            Self::Applied { .. } => 10,
            Self::Forward(_) => 11,
            Self::Raft(message) => OWN_KINDS.len() + message.kind(),
        }
    }

    fn refused(&self) -> Option<Self> {
        let by = Refusal::Overloaded;
        match self {
            Self::Create(create) => {
                Some(Self::CreateReply { request: create.request, result: CreateResult::Refused(by) })
            }
            Self::KeepAlive(KeepAlive { session, round, .. }) => {
                Some(Self::KeepAliveReply { session: *session, round: *round, result: KeepAliveResult::Refused(by) })
            }
            Self::Item { request, session, .. } => {
                Some(Self::ItemReply { request: *request, session: *session, result: ItemResult::Refused(by) })
            }
            _ => None,
        }
    }
}
