//! What the invariants ask of a node that has Raft inside: a node that answers can be watched by them.
//!
//! | question | asked by |
//! | --- | --- |
//! | [`RaftFacts::said`]: what a message promises | terms, votes, acknowledgements, contact |
//! | [`RaftFacts::told`]: what an observation says | elections, commits, what is applied |
//! | [`RaftFacts::server`]: the state of a server | `vote_soundness`, `pre_vote_purity`, timers, candidates, liveness |
//! | [`RaftFacts::talk`] and the questions after it | what clients are told |
//! | [`RaftFacts::proposes`], [`RaftFacts::answers`], [`RaftFacts::snapshot_items`] | progress of replication |
//! | [`RaftFacts::durable_state`], [`RaftFacts::durable_log`]: what a disk holds | `persist_before_reply` |
//! | [`RaftFacts::held`]: what a disk holds at one place | `committed_is_durable`, `matched_is_true` |
//! | [`RaftFacts::matched`], [`RaftFacts::has`]: what a leader knows of followers | `matched_is_true` |
//! | [`RaftFacts::logged`]: what a write adds to the log | `log_matching` |
//! | [`RaftFacts::configures`]: the configuration that an entry brings | who votes, and how they may change |
//!
//! Implementations differ in what they can say: a library may hide its timers, or keep its log where no record shows
//! it. What it cannot say is a [`Fact`] that is `None`. A rule that needs it is *not evaluated* there, and counted as
//! such ([`Findings::lacks`]): it neither passes nor fails.
//!
//! The facts say what a server believes, never what would be right. Which servers vote, how many make a quorum and
//! which rules hold come from the scenario, through [`Frame`](super::invariants::Frame).
//!
//! [`Findings::lacks`]: splitbrain_kernel::invariant::Findings::lacks

mod configuration;
mod node;
mod server;

use std::fmt::{self, Debug};

use splitbrain_kernel::context::OperationId;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::{Node, Write};
use splitbrain_kernel::time::Instant;
use splitbrain_kernel::view::Records;

use super::ids::{Index, Position, Term};
use super::kv;

pub use configuration::ConfigurationFacts;

/// Something that an implementation may be unable to say: `None` if it is.
pub type Fact<T> = Option<T>;

/// A node type whose servers are Raft servers, of whatever implementation.
///
/// Nothing of it allocates, draws or changes anything: the invariants ask in the middle of a run.
pub trait RaftFacts: Node {
    /// What is applied at a place of the log, as far as two of them can be compared: an entry, or a hash of one.
    type Entry: Clone + Debug + PartialEq + Send + 'static;

    /// The state of the server. `None` if this process is not a server, or has not read its disk yet.
    fn server(&self) -> Option<ServerFacts>;

    /// What a message between servers means.
    fn said(message: &Self::Message) -> Said;

    /// What an observation means.
    fn told(observation: &Self::Observation) -> Told<'_, Self::Entry>;

    /// Term and vote that a crash of the machine would leave.
    fn durable_state(disk: &impl Records<Self::Record>) -> Fact<DurableState>;

    /// The log that a crash of the machine would leave.
    fn durable_log(disk: &impl Records<Self::Record>) -> Fact<DurableLog>;

    /// Whether a write may take something away from the log, so that [`RaftFacts::durable_log`] must be asked again.
    fn shortens_log(write: Write<&Self::Record>) -> bool;

    /// What the server has at a place of its log, in memory.
    fn has(&self, index: Index) -> Fact<Held> {
        let _ = index;
        None
    }

    /// The last place that a leader takes a follower to have; [`Index::ZERO`] if it does not lead, or not this server.
    fn matched(&self, follower: NodeId) -> Fact<Index> {
        let _ = follower;
        None
    }

    /// How many items the snapshot has that it would send to a follower whose log ends before its own begins: as many
    /// parts it takes at most.
    fn snapshot_items(&self) -> Fact<u64> {
        None
    }

    /// What a crash of the machine would leave at a place of the log.
    fn held(disk: &impl Records<Self::Record>, index: Index) -> Fact<Held> {
        let _ = (disk, index);
        None
    }

    /// The entry that a write adds to the log; `Some(None)` if it adds none.
    fn logged(write: Write<&Self::Record>) -> Fact<Option<(Position, &Self::Entry)>> {
        let _ = write;
        None
    }

    /// The reason that an observation gives, in a word or two, for people: why a vote or a pre-vote was refused, or why
    /// a leader stepped down.
    fn why(observation: &Self::Observation) -> Option<&'static str> {
        let _ = observation;
        None
    }

    // ---- What clients are told: without these nothing of it is watched ----

    /// What a message between a client and a server means.
    fn talk(message: &Self::Message) -> Talk {
        let _ = message;
        Talk::Nothing
    }

    /// The operation for which this request of a client must come into the log of a leader before it is answered;
    /// `None` if it need not.
    fn proposes(message: &Self::Message) -> Option<OperationId> {
        let _ = message;
        None
    }

    /// The operation whose request this message of a server answers, whatever it says.
    fn answers(message: &Self::Message) -> Option<OperationId> {
        let _ = message;
        None
    }

    /// The configuration that an entry brings; `Some(None)` if it brings none.
    fn configures(entry: &Self::Entry) -> Fact<Option<ConfigurationFacts>> {
        let _ = entry;
        None
    }

    /// Whether an entry carries what this request of a client asks for.
    fn carries(entry: &Self::Entry, request: &Self::Message) -> bool {
        let _ = (entry, request);
        false
    }

    /// The place of the log that the answer to a client names, if it names one.
    fn acknowledged(response: &Self::Response) -> Option<Index> {
        let _ = response;
        None
    }

    /// The command of the key-value store that an entry carries, if it carries one.
    fn store_command(entry: &Self::Entry) -> Option<&kv::Command> {
        let _ = entry;
        None
    }

    /// What an operation asks the key-value store for, if it does.
    fn store_operation(operation: &Self::Operation) -> Option<&kv::Operation> {
        let _ = operation;
        None
    }

    /// What the key-value store answered, and as of which place.
    fn store_answer(response: &Self::Response) -> Option<(Index, &kv::Answer)> {
        let _ = response;
        None
    }
}

/// What a client and a server say to one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Talk {
    /// A client asks for something that may come into a log, as a part of this operation.
    Asks(OperationId),
    /// A server has done nothing of it: it does not lead, or takes nothing for now.
    Refuses,
    /// Something else.
    Nothing,
}

/// The state of a server.
///
/// [`ServerFacts::new`] has all that cannot be said, so that an implementation names what it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerFacts {
    /// Its term.
    pub term: Term,
    /// What it does at present.
    pub role: RoleKind,
    /// The server that its vote of this term went to, if any.
    pub voted_for: Fact<Option<NodeId>>,
    /// The server that it believes to lead, if any.
    pub leader: Fact<Option<NodeId>>,
    /// The last entry of its log, or the base of its log if there is none.
    pub last: Fact<Position>,
    /// The last place that it knows to be committed.
    pub commit: Fact<Index>,
    /// Its election timer and its contact with a leader.
    pub timer: Fact<TimerFacts>,
    /// Whether it may campaign when its election timer fires, apart from its place in the configuration.
    pub may_campaign: Fact<bool>,
    /// The configuration that it goes by.
    pub configuration: Fact<ConfigurationFacts>,
    /// The last entry that is covered by its snapshot; [`Position::ZERO`] without one.
    pub base: Fact<Position>,
    /// The last place of its log that it takes to be durable on its own disk.
    pub durable: Fact<Index>,
}

impl ServerFacts {
    /// A server of which only role and term are known.
    pub const fn new(role: RoleKind, term: Term) -> Self {
        Self {
            term,
            role,
            voted_for: None,
            leader: None,
            last: None,
            commit: None,
            timer: None,
            may_campaign: None,
            configuration: None,
            base: None,
            durable: None,
        }
    }
}

/// What a server does at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleKind {
    /// It answers others.
    Follower,
    /// It asks whether it could win an election.
    PreCandidate,
    /// It asks for votes.
    Candidate,
    /// It leads.
    Leader,
}

impl RoleKind {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Follower => "follower",
            Self::PreCandidate => "pre-candidate",
            Self::Candidate => "candidate",
            Self::Leader => "leader",
        }
    }
}

/// A server's election timer, on its own monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerFacts {
    /// When it was last restarted.
    pub started_at: Instant,
    /// When the server last heard from a leader that it followed; `None` if it has not since its start.
    pub contact_at: Option<Instant>,
    /// Whether it has heard from one since its last election timeout. `false` if it keeps no such mark.
    pub heartbeat_seen: bool,
}

/// What a message means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It asks for a vote, and so tells that the sender has voted for itself.
    VoteRequest {
        /// The sender's term.
        term: Term,
        /// The last entry of its log.
        last: Fact<Position>,
    },
    /// It answers such a request.
    Vote {
        /// The term that the answer speaks in.
        term: Term,
        /// Whether the vote is given.
        granted: bool,
    },
    /// It asks for a pre-vote, which must change nothing at the voter.
    PreVoteRequest,
    /// It brings entries, a heartbeat, a snapshot or the like in the leader's term.
    Append {
        /// The leader's term.
        term: Term,
    },
    /// It acknowledges the log up to a place.
    Accepted {
        /// The follower's term.
        term: Term,
        /// The last place that is durable there and agrees with the leader's log.
        matched: Index,
    },
    /// It answers what a leader sent, and acknowledges nothing: a refusal, or the answer to a plain heartbeat.
    Answered {
        /// The follower's term.
        term: Term,
    },
    /// It promises nothing: an answer to a pre-vote, a word with a client.
    Nothing,
}

/// What an observation means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Told<'a, E> {
    /// The server is in this term: at its start, and whenever the term changes, before it speaks in that term.
    InTerm(Term),
    /// It becomes a candidate of some kind.
    Campaigns {
        /// [`RoleKind::PreCandidate`] or [`RoleKind::Candidate`].
        role: RoleKind,
        /// Its term.
        term: Term,
    },
    /// It becomes leader.
    Elected {
        /// The term that it leads.
        term: Term,
        /// The last entry of its log before any of its own.
        last: Fact<Position>,
    },
    /// It no longer leads.
    SteppedDown,
    /// It voted for another server.
    Granted {
        /// The term of the vote.
        term: Term,
        /// The server that the vote went to.
        candidate: NodeId,
    },
    /// It refused another server its vote.
    Denied {
        /// The server that asked.
        candidate: NodeId,
    },
    /// It granted another server a pre-vote.
    PreVoteGranted {
        /// The term that the request speaks of.
        term: Term,
        /// The server that asked.
        candidate: NodeId,
    },
    /// It refused another server a pre-vote.
    PreVoteDenied {
        /// The server that asked.
        candidate: NodeId,
    },
    /// A quorum has granted it their pre-votes.
    PreVoteWon {
        /// The term that it is in, which its pre-votes are ahead of by [`Rules::pre_vote_ahead`].
        ///
        /// [`Rules::pre_vote_ahead`]: super::invariants::Rules::pre_vote_ahead
        term: Term,
    },
    /// One of two servers takes itself for a quorum (`true`), or no longer.
    Alone(bool),
    /// Whether it may campaign has changed.
    Reconsidered,
    /// As a leader, it has counted a quorum of copies up to here. A leader that goes by that at once says
    /// [`Told::Committed`] alone; one that goes by it later, when its own disk has the entry too, says this first:
    /// followers may hear of the commit before it says the other.
    Counted(Position),
    /// Its commit index grew: it goes by everything up to here.
    Committed(Position),
    /// It applied an entry to its state machine.
    Applied {
        /// The place.
        index: Index,
        /// What it found there.
        entry: &'a E,
    },
    /// Its key-value store executed the command that it has just applied.
    Executed {
        /// The place.
        index: Index,
        /// Whether it did something there, for the first time.
        is_first: bool,
        /// What the store said.
        answer: &'a kv::Answer,
    },
    /// It has a snapshot in place of the log up to an entry.
    Image {
        /// How it came by it.
        kind: ImageKind,
        /// The last entry that it covers.
        last: Position,
        /// A fingerprint of its content: two of one place have the same.
        state: u64,
    },
    /// The log up to this place is gone.
    Compacted(Index),
    /// The log from this place on is gone, and with it the configurations that it had there.
    Truncated(Index),
    /// As a leader, it hands its leadership over and refuses proposals (`true`), or no longer.
    HandsOver(bool),
    /// The configuration that it goes by may have changed.
    Reconfigured,
    /// As a leader, it gives up because it is no voter of the configuration that it has committed.
    Retires,
    /// Nothing that concerns the invariants.
    Nothing,
}

/// How a server came by a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageKind {
    /// It took it of what it had applied.
    Taken,
    /// A leader sent it.
    Installed,
    /// It was on its disk at the start.
    Restored,
}

impl fmt::Display for ImageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Taken => "takes",
            Self::Installed => "installs",
            Self::Restored => "starts from",
        })
    }
}

/// Term and vote on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct DurableState {
    /// The term.
    pub term: Term,
    /// The vote of that term.
    pub voted_for: Option<NodeId>,
}

/// The log on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct DurableLog {
    /// The last place that a snapshot covers; [`Index::ZERO`] without one.
    pub base: Index,
    /// The last entry that is in its place, or the base if there is none.
    pub last: Index,
}

/// What a log has at a place, on a disk or in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Nothing.
    Nothing,
    /// An entry of this term.
    Entry(Term),
    /// A snapshot that covers the place.
    Snapshot,
}

impl Held {
    /// Whether both have the same at a place, as far as it can be told: a snapshot covers any entry.
    pub fn agrees(self, other: Self) -> bool {
        match other {
            Self::Nothing => false,
            Self::Entry(term) => self.has(term),
            Self::Snapshot => self != Self::Nothing,
        }
    }

    /// Whether the entry of this term is there, or a snapshot that covers it.
    pub fn has(self, term: Term) -> bool {
        match self {
            Self::Nothing => false,
            Self::Entry(held) => held == term,
            Self::Snapshot => true,
        }
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Entry(term) => write!(f, "an entry of term {term}"),
            Self::Snapshot => f.write_str("a snapshot"),
        }
    }
}
