//! What goes over the wire between clients, redis servers, sentinels and the resource, and what clients are asked for.

use splitbrain_kernel::context::Context;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::{Message, Node};
use splitbrain_kernel::serde::{Deserialize, Serialize};
use splitbrain_kernel::time::Duration;

use super::ids::{LockId, Token};
use super::redis::{Effect, Reply};

/// The number of a request, counted by the client over all its processes.
pub type RequestId = u64;

/// Bits of the number within a process; those above are the process.
const NUMBER_BITS: u32 = 40;

/// The request with this number of the process that runs: no process of the node has it twice.
pub(crate) fn request_of<N: Node>(ctx: &Context<N>, number: u64) -> RequestId {
    u64::from(ctx.incarnation()) << NUMBER_BITS | number
}

/// The process of a request, and its number there.
pub(crate) const fn parts_of(request: RequestId) -> (u64, u64) {
    (request >> NUMBER_BITS, request & ((1 << NUMBER_BITS) - 1))
}

/// Which process of a redis: how many have run on its node before. A real request comes over a connection, which ends
/// with the process: so no later process carries it out, not even a copy that the network delivers late.
pub type ProcessNumber = u32;

/// A message of any of the kinds of process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum Wire {
    /// A client asks a redis.
    Ask {
        /// The process of the server that it is for.
        process: ProcessNumber,
        /// Which request.
        request: RequestId,
        /// For what.
        command: Command,
    },
    /// A redis answers.
    Answer {
        /// Which request.
        request: RequestId,
        /// What.
        answer: Answer,
    },
    /// A client of the data beside the locks asks a redis: any command, such as `GET` or a script.
    Call {
        /// The process of the server that it is for.
        process: ProcessNumber,
        /// Which request.
        request: RequestId,
        /// The name of the command and its arguments.
        words: Vec<Vec<u8>>,
    },
    /// A redis answers that.
    Called {
        /// Which request.
        request: RequestId,
        /// What.
        reply: Reply,
    },
    /// A replica has this much of the master's stream; or it has something else, and wants the rest.
    Acknowledge {
        /// The stream that it follows; 0 for none yet.
        stream: u64,
        /// How many effects of it the replica has.
        offset: u64,
    },
    /// A master's whole data, for a replica that cannot go on with the stream.
    Snapshot {
        /// The stream that begins with it.
        stream: u64,
        /// Where in the stream it stands.
        offset: u64,
        /// Commands that make the data.
        effects: Vec<Effect>,
    },
    /// What a master has changed since.
    Effects {
        /// The stream.
        stream: u64,
        /// How many effects came before these.
        offset: u64,
        /// The effects, in order. None of them asks for an acknowledgement (`REPLCONF GETACK`).
        effects: Vec<Effect>,
    },
    /// A sentinel asks whether a redis is there.
    Ping,
    /// A redis says what it is.
    Pong {
        /// Its master; `None` for a master.
        master: Option<NodeId>,
        /// The epoch of the failover that gave it its role.
        epoch: u64,
        /// How much it has of the stream that it follows or writes.
        offset: u64,
    },
    /// A sentinel makes a redis the master.
    Promote {
        /// The epoch of the failover.
        epoch: u64,
    },
    /// A sentinel makes a redis a replica.
    Follow {
        /// Of which master.
        master: NodeId,
        /// The epoch of the failover that made it the master.
        epoch: u64,
    },
    /// A sentinel says what it takes for the master.
    Hello {
        /// The master.
        master: NodeId,
        /// The epoch of the failover that made it the master.
        epoch: u64,
        /// The greatest epoch that it has heard of.
        current: u64,
    },
    /// A sentinel asks another whether it finds the master down too, and for its vote if it campaigns.
    Poll {
        /// The master.
        master: NodeId,
        /// The epoch of its campaign; `None` if it does not campaign.
        campaign: Option<u64>,
    },
    /// The answer.
    Polled {
        /// The master that was asked about.
        master: NodeId,
        /// Whether it is down for this sentinel.
        is_down: bool,
        /// Which sentinel it voted for last, and in which epoch.
        vote: Option<(NodeId, u64)>,
    },
    /// A client asks a sentinel for the master.
    Find,
    /// The answer.
    Found {
        /// The master.
        master: NodeId,
        /// The epoch of the failover that made it the master.
        epoch: u64,
    },
    /// A client asks the resource for a ticket.
    Claim {
        /// Which request.
        request: RequestId,
        /// For which lock.
        lock: LockId,
        /// Who: the token of the holder.
        token: Token,
    },
    /// A client writes to the resource.
    Put {
        /// Which request.
        request: RequestId,
        /// What.
        put: Put,
    },
    /// The resource answers.
    Done {
        /// Which request.
        request: RequestId,
        /// What.
        outcome: Outcome,
    },
    /// A request is for a process of the redis that has ended: the one that runs now does not carry it out. The process
    /// before it may have done so.
    Reset {
        /// Which request.
        request: RequestId,
        /// The process that runs now.
        process: ProcessNumber,
    },
}

/// A write to the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct Put {
    /// Under which lock.
    pub lock: LockId,
    /// Who: the token of the holder. The resource does not look at it.
    pub token: Token,
    /// The fencing token of the holder, if it has one.
    pub fence: Option<u64>,
    /// The value.
    pub value: u64,
}

/// What a resource answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum Outcome {
    /// A ticket: greater than every one before.
    Ticket(u64),
    /// It is written.
    Written,
    /// The fencing token is too old.
    Fenced,
}

/// What a client asks a redis for. Each is a command of Redis, or a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum Command {
    /// `SET lock token NX PX ttl`; with a fence a script that raises the counter in the same step. Without a time to
    /// live `SETNX`.
    Acquire {
        /// Which lock.
        lock: LockId,
        /// The token of the lock.
        token: Token,
        /// The time to live.
        time_to_live: Option<Duration>,
        /// Whether the answer is a fencing token.
        fenced: bool,
        /// Whether the old value is asked for (`GET`).
        returning: bool,
    },
    /// `PEXPIRE lock ttl`, whichever client holds it.
    Expire {
        /// Which lock.
        lock: LockId,
        /// The time to live from now on.
        time_to_live: Duration,
    },
    /// A script: `PEXPIRE lock ttl` if the token is its value; with `rejoin` it is set if it is absent.
    Extend {
        /// Which lock.
        lock: LockId,
        /// The token of the lock.
        token: Token,
        /// The time to live from now on.
        time_to_live: Duration,
        /// Whether it is set if it is absent.
        rejoin: bool,
    },
    /// `GETSET lock token`: the answer is what was there.
    Takeover {
        /// Which lock.
        lock: LockId,
        /// The token of the lock.
        token: Token,
    },
    /// `SET lock token PX ttl`, whatever is there.
    Overwrite {
        /// Which lock.
        lock: LockId,
        /// The token of the lock.
        token: Token,
        /// The time to live from now on.
        time_to_live: Duration,
    },
    /// A script: `DEL lock` if the token is its value.
    Release {
        /// Which lock.
        lock: LockId,
        /// The token of the lock.
        token: Token,
    },
    /// `DEL lock`.
    Delete {
        /// Which lock.
        lock: LockId,
    },
    /// `GET lock`.
    Owner {
        /// Which lock.
        lock: LockId,
    },
    /// `SET value v`; guarded a script that does so if the token is the value of the lock.
    Write {
        /// Under which lock.
        lock: LockId,
        /// The token of the lock.
        token: Token,
        /// The value.
        value: u64,
        /// Whether the owner is compared.
        guarded: bool,
    },
    /// `WAIT replicas ms`, for the last write of this client.
    Wait {
        /// How many.
        replicas: u64,
        /// How long.
        timeout: Duration,
    },
}

impl Command {
    /// The lock that it is about.
    pub const fn lock(&self) -> Option<LockId> {
        match self {
            Self::Acquire { lock, .. }
            | Self::Expire { lock, .. }
            | Self::Extend { lock, .. }
            | Self::Takeover { lock, .. }
            | Self::Overwrite { lock, .. }
            | Self::Release { lock, .. }
            | Self::Delete { lock }
            | Self::Owner { lock }
            | Self::Write { lock, .. } => Some(*lock),
            Self::Wait { .. } => None,
        }
    }

    /// Whether it may change something.
    pub const fn is_write(&self) -> bool {
        !matches!(self, Self::Owner { .. } | Self::Wait { .. })
    }
}

/// What a redis answers: RESP without its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum Answer {
    /// `+OK`.
    Ok,
    /// `$-1`.
    Nil,
    /// `:n`.
    Integer(i64),
    /// `$…`.
    Bulk(Vec<u8>),
    /// `-…`.
    Error(String),
}

impl Answer {
    /// Whether it is the error with this code: `READONLY`.
    pub fn is_error(&self, code: &str) -> bool {
        matches!(self, Self::Error(text) if text.split(' ').next() == Some(code))
    }
}

impl Wire {
    /// The request to a redis that it is, and the process that it is for; `None` if it is none.
    pub(super) const fn asked(&self) -> Option<(RequestId, ProcessNumber)> {
        match self {
            Self::Ask { request, process, .. } | Self::Call { request, process, .. } => Some((*request, *process)),
            _ => None,
        }
    }
}

impl Message for Wire {
    const KINDS: &'static [&'static str] = &[
        "acquire",
        "extend",
        "release",
        "owner",
        "guarded write",
        "wait",
        "answer",
        "acknowledge",
        "snapshot",
        "effects",
        "ping",
        "pong",
        "promote",
        "follow",
        "hello",
        "poll",
        "polled",
        "find",
        "found",
        "claim",
        "write",
        "done",
        "call",
        "called",
        "reset",
    ];

    fn kind(&self) -> usize {
        match self {
            Self::Ask { command, .. } => match command {
                Command::Acquire { .. } | Command::Takeover { .. } | Command::Expire { .. } => 0,
                Command::Extend { .. } | Command::Overwrite { .. } => 1,
                Command::Release { .. } | Command::Delete { .. } => 2,
                Command::Owner { .. } => 3,
                Command::Write { .. } => 4,
                Command::Wait { .. } => 5,
            },
            Self::Answer { .. } => 6,
            Self::Acknowledge { .. } => 7,
            Self::Snapshot { .. } => 8,
            Self::Effects { .. } => 9,
            Self::Ping => 10,
            Self::Pong { .. } => 11,
            Self::Promote { .. } => 12,
            Self::Follow { .. } => 13,
            Self::Hello { .. } => 14,
            Self::Poll { .. } => 15,
            Self::Polled { .. } => 16,
            Self::Find => 17,
            Self::Found { .. } => 18,
            Self::Claim { .. } => 19,
            Self::Put { .. } => 20,
            Self::Done { .. } => 21,
            Self::Call { .. } => 22,
            Self::Called { .. } => 23,
            Self::Reset { .. } => 24,
        }
    }

    fn epoch(&self) -> Option<u64> {
        match self {
            Self::Promote { epoch } | Self::Follow { epoch, .. } | Self::Found { epoch, .. } => Some(*epoch),
            Self::Hello { current, .. } => Some(*current),
            Self::Poll { campaign, .. } => *campaign,
            _ => None,
        }
    }
}

/// What a client is asked to do. Acquire, writes and release follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde", rename_all = "snake_case", deny_unknown_fields)]
pub enum Operation {
    /// Get a lock.
    Acquire {
        /// Which.
        lock: LockId,
    },
    /// Write under a lock.
    Write {
        /// Which.
        lock: LockId,
        /// The value.
        value: u64,
    },
    /// Give a lock back.
    Release {
        /// Which.
        lock: LockId,
    },
}

impl Operation {
    /// Which lock.
    pub const fn lock(self) -> LockId {
        match self {
            Self::Acquire { lock } | Self::Write { lock, .. } | Self::Release { lock } => lock,
        }
    }
}

/// What a client is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde", rename_all = "snake_case", deny_unknown_fields)]
pub enum Response {
    /// It has the lock.
    Acquired {
        /// Its fencing token, if there is one.
        fence: Option<u64>,
    },
    /// It did not get the lock in time: the last thing that it heard is that another one has it.
    Busy,
    /// It did not get the lock in time, and too few servers have answered its last attempt: it does not know of another
    /// one that has it.
    Unavailable,
    /// The value is written.
    Written,
    /// The write was refused: the lock or the fencing token is another's by now.
    Refused,
    /// The lock is given back: a majority of the servers had it.
    Released,
    /// The lock was not held any more.
    Lost,
}

/// What a scenario commands a redis or a sentinel to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum Order {
    /// Redis: `REPLICAOF host port`, or with `None` `REPLICAOF NO ONE`.
    #[serde(with = "splitbrain_kernel::id::or_none")]
    ReplicaOf(Option<NodeId>),
    /// Sentinel: `SENTINEL FAILOVER`.
    Failover,
}
