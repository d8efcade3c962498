//! What servers and clients say to one another.
//!
//! Heartbeats are [`Append`]s without entries: an empty boxed slice, so neither they nor their replies allocate.
//! Every message carries its sender's term or, in a pre-vote, the term that the message is about.

use std::sync::Arc;

use splitbrain_kernel::context::OperationId;
use splitbrain_kernel::digest;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::Message;
use splitbrain_kernel::serde::{Deserialize, Serialize};

use super::brief::CallWords;
use super::configuration::Members;
use super::ids::{Index, Position, Term};
use super::kv;
use super::membership::Change;
use super::snapshot::{PartResult, SnapshotPart};

/// A command of a replicated state machine, as an entry of the log carries it.
///
/// Raft stores it, sends it and compares it, and looks into it nowhere; what it does is the state machine's affair
/// ([`super::machine`]). Every type of plain data is one. The plain [`Raft`](super::Raft) replicates numbers.
pub trait Payload:
    Clone
    + std::fmt::Debug
    + PartialEq
    + Eq
    + Serialize
    + splitbrain_kernel::serde::de::DeserializeOwned
    + Send
    + Sync
    + 'static
{
}

impl<C> Payload for C where
    C: Clone
        + std::fmt::Debug
        + PartialEq
        + Eq
        + Serialize
        + splitbrain_kernel::serde::de::DeserializeOwned
        + Send
        + Sync
        + 'static
{
}

/// Content of a packet.
///
/// A cache line, aligned as the vectors are in which it is moved from effect to packet to input: a processor waits when
/// it reads across two words that it has just written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
#[repr(align(16))]
pub enum RaftMessage<C = u64> {
    /// Asks whether an election could be won, and changes nothing at the voter (thesis §9.6). Its term is the one that
    /// the candidate would start, or with `pre_vote.term = "current"` the one that it is in.
    PreVote(VoteRequest),
    /// Answers a pre-vote. With `pre_vote.term = "next"` the term is the proposed one where granted, otherwise the
    /// voter's own (etcd); with `"current"` it echoes the request's (NuRaft).
    PreVoteReply {
        /// See above.
        term: Term,
        /// What the voter said.
        verdict: Verdict,
    },
    /// Asks for a vote (§5.2).
    Vote(VoteRequest),
    /// Answers a vote request. May arrive late, in a term that is not the one it was asked in.
    VoteReply {
        /// The voter's term.
        term: Term,
        /// Whether it voted for the candidate.
        granted: bool,
    },
    /// Entries from the leader, or none as its heartbeat (§5.3).
    Append(Append<C>),
    /// Answers an append.
    AppendReply {
        /// The follower's term.
        term: Term,
        /// What became of it.
        result: AppendResult,
    },
    /// A client asks the server to append a value.
    Propose {
        /// The client's name for it.
        operation: OperationId,
        /// The value.
        value: C,
    },
    /// Answers a proposal.
    ProposeReply {
        /// The client's name for it.
        operation: OperationId,
        /// What became of it.
        result: ProposeResult,
    },
    /// A leader asks whether it leads still: for reads beside the log.
    Confirm {
        /// The leader's term.
        term: Term,
        /// Which round of questions.
        round: u64,
    },
    /// Answers such a question.
    ConfirmReply {
        /// The follower's term.
        term: Term,
        /// The round of the question.
        round: u64,
    },
    /// A client of the key-value store asks for something.
    Request {
        /// The client's name for the operation that it is a part of. The same for each attempt.
        operation: OperationId,
        /// What it asks for.
        call: Box<kv::Call>,
    },
    /// Answers a request.
    Reply {
        /// The client's name for the operation.
        operation: OperationId,
        /// What became of the request.
        result: kv::CallResult,
    },
    /// A part of a snapshot, for a follower that lacks what is gone from the leader's log (§7).
    SnapshotPart(Box<SnapshotPart<C>>),
    /// Answers a part of a snapshot.
    PartReply {
        /// The follower's term.
        term: Term,
        /// The last place that the snapshot covers.
        last: Index,
        /// What became of it.
        result: PartResult,
    },
    /// The leader of this term wants the receiver to lead: it is to campaign at once (thesis §3.10).
    TimeoutNow {
        /// The leader's term.
        term: Term,
    },
    /// Asks for a vote on a leader's behalf: voters do not refuse for the sake of that leader, nor for a low priority.
    TransferVote(VoteRequest),
}

/// What a candidate tells of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct VoteRequest {
    /// The candidate's term; for a pre-vote see [`RaftMessage::PreVote`].
    pub term: Term,
    /// The last entry of its log.
    pub last: Position,
}

/// What a voter says to a pre-vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum Verdict {
    /// It would vote for the candidate, or knows of no leader: NuRaft counts these as `dead`.
    Granted,
    /// It would not, or a leader lives: NuRaft counts these as `live`.
    Denied,
    /// The candidate is not a member: NuRaft counts these as `abandoned`.
    Abandoned,
}

/// Entries, with the place where they fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct Append<C = u64> {
    /// The leader's term.
    pub term: Term,
    /// The entry before the first of these.
    pub previous: Position,
    /// What the leader has committed.
    pub commit: Index,
    /// The entries; none in a heartbeat.
    pub entries: Box<[Entry<C>]>,
}

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum AppendResult {
    /// The follower's log agrees with the leader's up to here, durably: `previous` and the entries, never the
    /// follower's own last index.
    Accepted {
        /// The last place that is known to agree.
        matched: Index,
    },
    /// `previous` is not in the follower's log, or with another term.
    Rejected {
        /// The place that was refused, so that a late answer is told from a new one.
        previous: Index,
        /// Where the leader may look next. By term (etcd): the follower's entry at that place, or its last where its
        /// log is shorter. Linear (NuRaft): its last entry.
        hint: Position,
    },
    /// The append came from an earlier term.
    Stale,
}

/// What became of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum ProposeResult {
    /// It is committed.
    Committed {
        /// Where.
        index: Index,
    },
    /// The server does not lead, and nothing was appended.
    NotLeader {
        /// Who does, as far as it knows.
        leader: Option<NodeId>,
    },
    /// The leader stepped down with the entry in its log: it may be committed yet, or never.
    Unknown,
    /// A proxy in front of the server refused the proposal: the server never saw it.
    Refused,
}

/// An entry of the log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct Entry<C = u64> {
    /// The term of the leader that created it.
    pub term: Term,
    /// What it says.
    pub command: Command<C>,
}

/// In a few words, as facts and timelines have it: `set 17 @3`.
impl<C: std::fmt::Debug> std::fmt::Debug for Entry<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.command {
            Command::Set(value) => write!(f, "set {value:?}")?,
            Command::Noop => f.write_str("no-op")?,
            Command::Kv(command) => write!(f, "{}", CallWords(&command.call))?,
            Command::Members(members) => write!(f, "{members}")?,
        }
        write!(f, " @{}", self.term)
    }
}

impl<C: Payload> Entry<C> {
    /// Bytes on the wire: term, place and kind, and the command.
    pub fn wire_size(&self) -> u32 {
        const FRAME: u32 = 16;
        let command = match &self.command {
            Command::Noop => 0,
            Command::Set(command) => digest::encoded_len(command).unwrap_or(0),
            Command::Kv(command) => digest::encoded_len(&**command).unwrap_or(0),
            Command::Members(members) => digest::encoded_len(&**members).unwrap_or(0),
        };
        FRAME.saturating_add(u32::try_from(command).unwrap_or(u32::MAX))
    }
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum Command<C = u64> {
    /// Nothing: a leader's first entry, so that it has one of its own term to commit (§8).
    Noop,
    /// Sets the register.
    Set(C),
    /// A command of the key-value store. Shared, as each follower and each record gets the same one.
    Kv(#[serde(with = "kv::shared")] Arc<kv::Command>),
    /// The configuration from here on.
    Members(#[serde(with = "kv::shared")] Arc<Members>),
}

/// What a client is asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde", rename_all = "snake_case", deny_unknown_fields)]
pub enum Operation<C = u64> {
    /// Appends a value.
    Propose {
        /// The value.
        value: C,
    },
    /// Asks the key-value store for something.
    Kv(kv::Operation),
}

/// What a client is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde", rename_all = "snake_case", deny_unknown_fields)]
pub enum Response {
    /// The value is committed.
    Committed {
        /// Its place in the log.
        index: Index,
    },
    /// The key-value store has answered.
    Answered {
        /// For an operation in the log its place there; for a read beside the log the last place that had been applied.
        index: Index,
        /// What it said.
        answer: kv::Answer,
    },
}

/// What a scenario orders a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde", rename_all = "snake_case", deny_unknown_fields)]
pub enum Order {
    /// It takes itself for one that catches up (durable), or no longer.
    CatchingUp(bool),
    /// It takes itself for one that receives a snapshot (durable), or no longer.
    ReceivingSnapshot(bool),
    /// It gives up its leadership at once, if it leads.
    StepDown,
    /// Its election timer fires now.
    Campaign,
    /// It is asked to leave: it goes silent after `membership.leave_timeouts` more election timeouts.
    Leave,
    /// It appends so many empty entries at once, if it leads, as a burst of proposals would.
    Append(u64),
    /// It takes a snapshot of what it has applied.
    Snapshot,
    /// It hands its leadership over, if it leads, to this server or to the best suited one.
    #[serde(with = "splitbrain_kernel::id::or_none")]
    Transfer(Option<NodeId>),
    /// It changes the membership, if it leads.
    Change(Change),
    /// It changes the membership, if it leads, in some way that it draws.
    AnyChange,
    /// It gives up its leadership, if it leads, and does not campaign for a while.
    Resign,
}

impl<C: Payload> Message for RaftMessage<C> {
    const KINDS: &'static [&'static str] = &[
        "pre_vote",
        "pre_vote_reply",
        "vote",
        "vote_reply",
        "append",
        "append_reply",
        "propose",
        "propose_reply",
        "confirm",
        "confirm_reply",
        "request",
        "reply",
        "snapshot_part",
        "part_reply",
        "timeout_now",
        "transfer_vote",
    ];

    const REFUSABLE: &'static [&'static str] = &["propose", "request"];

    fn refused(&self) -> Option<Self> {
        match self {
            Self::Propose { operation, .. } => {
                Some(Self::ProposeReply { operation: *operation, result: ProposeResult::Refused })
            }
            Self::Request { operation, .. } => {
                Some(Self::Reply { operation: *operation, result: kv::CallResult::Refused })
            }
            _ => None,
        }
    }

    #[inline]
    fn kind(&self) -> usize {
        match self {
            Self::PreVote(_) => 0,
            Self::PreVoteReply { .. } => 1,
            Self::Vote(_) => 2,
            Self::VoteReply { .. } => 3,
            Self::Append(_) => 4,
            Self::AppendReply { .. } => 5,
            Self::Propose { .. } => 6,
            Self::ProposeReply { .. } => 7,
            Self::Confirm { .. } => 8,
            Self::ConfirmReply { .. } => 9,
            Self::Request { .. } => 10,
            Self::Reply { .. } => 11,
            Self::SnapshotPart(_) => 12,
            Self::PartReply { .. } => 13,
            Self::TimeoutNow { .. } => 14,
            Self::TransferVote(_) => 15,
        }
    }

    fn wire_size(&self) -> u32 {
        const HEADER: u32 = 64;
        match self {
            Self::Append(append) => {
                append.entries.iter().fold(HEADER, |bytes, entry| bytes.saturating_add(entry.wire_size()))
            }
            Self::SnapshotPart(part) => HEADER.saturating_add(part.size()),
            _ => HEADER,
        }
    }

    /// That of a pre-vote and of its reply is not always the sender's.
    fn epoch(&self) -> Option<u64> {
        match self {
            Self::Vote(VoteRequest { term, .. })
            | Self::VoteReply { term, .. }
            | Self::Append(Append { term, .. })
            | Self::AppendReply { term, .. }
            | Self::Confirm { term, .. }
            | Self::ConfirmReply { term, .. }
            | Self::PartReply { term, .. }
            | Self::TimeoutNow { term }
            | Self::TransferVote(VoteRequest { term, .. }) => Some(term.0),
            Self::SnapshotPart(part) => Some(part.term.0),
            Self::PreVote(_)
            | Self::PreVoteReply { .. }
            | Self::Propose { .. }
            | Self::ProposeReply { .. }
            | Self::Request { .. }
            | Self::Reply { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_fits_into_a_cache_line() {
        assert!(size_of::<RaftMessage>() <= 64, "{} bytes", size_of::<RaftMessage>());
    }
}
