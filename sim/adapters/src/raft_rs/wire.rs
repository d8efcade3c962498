//! What processes say to one another, what a scenario orders, and what is observed of servers.

use std::fmt;

use raft::eraftpb::{Entry, EntryType, Message, MessageType};
use serde::{Deserialize, Serialize};
use splitbrain::kernel::prelude::{Change, Datum, Face, NodeId, Observation, OperationId};

use super::server::Process;
use super::store::{LOG, Record, SNAPSHOT, STATE};
use crate::names::place;
use crate::proposals::Answer;
use crate::protobuf::Pb;

/// A message: one of the library's, or a word with a client.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Wire {
    /// The library's own, between servers.
    Raft(Box<Pb<Message>>),
    /// A client asks a server to propose a number.
    Propose {
        /// The client's name for it.
        operation: OperationId,
        /// The number.
        value: u64,
    },
    /// A server answers that.
    Answer {
        /// The client's name for it.
        operation: OperationId,
        /// The answer.
        answer: Answer,
    },
}

impl splitbrain::kernel::node::Message for Wire {
    const KINDS: &'static [&'static str] = &[
        "append",
        "append_reply",
        "vote",
        "vote_reply",
        "snapshot",
        "heartbeat",
        "heartbeat_reply",
        "pre_vote",
        "pre_vote_reply",
        "timeout_now",
        "other",
        "propose",
        "propose_reply",
    ];

    fn kind(&self) -> usize {
        match self {
            Self::Raft(message) => match message.0.get_msg_type() {
                MessageType::MsgAppend => const { place(Self::KINDS, "append") },
                MessageType::MsgAppendResponse => const { place(Self::KINDS, "append_reply") },
                MessageType::MsgRequestVote => const { place(Self::KINDS, "vote") },
                MessageType::MsgRequestVoteResponse => const { place(Self::KINDS, "vote_reply") },
                MessageType::MsgSnapshot => const { place(Self::KINDS, "snapshot") },
                MessageType::MsgHeartbeat => const { place(Self::KINDS, "heartbeat") },
                MessageType::MsgHeartbeatResponse => const { place(Self::KINDS, "heartbeat_reply") },
                MessageType::MsgRequestPreVote => const { place(Self::KINDS, "pre_vote") },
                MessageType::MsgRequestPreVoteResponse => const { place(Self::KINDS, "pre_vote_reply") },
                MessageType::MsgTimeoutNow => const { place(Self::KINDS, "timeout_now") },
                _ => const { place(Self::KINDS, "other") },
            },
            Self::Propose { .. } => const { place(Self::KINDS, "propose") },
            Self::Answer { .. } => const { place(Self::KINDS, "propose_reply") },
        }
    }

    fn wire_size(&self) -> u32 {
        match self {
            Self::Raft(message) => u32::try_from(prost::Message::encoded_len(&message.0)).unwrap_or(u32::MAX),
            Self::Propose { .. } | Self::Answer { .. } => 24,
        }
    }

    fn epoch(&self) -> Option<u64> {
        match self {
            Self::Raft(message) => Some(message.0.term).filter(|term| *term > 0),
            Self::Propose { .. } | Self::Answer { .. } => None,
        }
    }
}

/// What a scenario orders a server to do. One that does not lead does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Hand the leadership over: to this server, or to the voter whose log has come furthest.
    #[serde(with = "splitbrain::kernel::id::or_none")]
    Transfer(Option<NodeId>),
    /// Propose this server as a voter.
    Add(NodeId),
    /// Propose this server as a learner.
    AddLearner(NodeId),
    /// Propose to remove this server, or oneself.
    #[serde(with = "splitbrain::kernel::id::or_none")]
    Remove(Option<NodeId>),
    /// Propose what comes next for this server, or for oneself: one that is no member becomes a learner, a learner gets
    /// a vote, and a voter is removed while more than three vote.
    #[serde(with = "splitbrain::kernel::id::or_none")]
    Change(Option<NodeId>),
}

/// What is observed of a server. Places and terms are those of the library.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are what their names say")]
pub enum Observed {
    /// It follows, at its start or after it campaigned in vain.
    BecameFollower { term: u64 },
    /// It asks whether it could win.
    BecamePreCandidate { term: u64 },
    /// A quorum has granted it their pre-votes; its term stays until it asks for votes.
    PreVoteWon { term: u64 },
    /// It asks for votes.
    BecameCandidate { term: u64 },
    /// It leads. `last` is its last entry before any of its own: place and term.
    LeaderElected { term: u64, last: (u64, u64) },
    /// It no longer leads.
    SteppedDown { term: u64 },
    /// It no longer leads, as it has applied its own removal.
    Retired { term: u64 },
    /// Its term is another one now.
    TermStarted { term: u64 },
    /// It voted for another server.
    VoteGranted { term: u64, candidate: NodeId },
    /// It refused another server its vote.
    VoteDenied { candidate: NodeId },
    /// It grants another server a pre-vote, about this term.
    PreVoteGranted { term: u64, candidate: NodeId },
    /// It refuses another server a pre-vote.
    PreVoteDenied { candidate: NodeId },
    /// It follows this leader.
    LeaderFollowed { term: u64, leader: NodeId },
    /// As a leader it has counted a quorum up to here; what its own disk lacks of that it is handed later.
    Counted { index: u64, term: u64 },
    /// It knows that everything up to here is committed, and has been handed it.
    Committed { index: u64, term: u64 },
    /// It has applied an entry.
    Applied { entry: Pb<Entry> },
    /// It has taken a snapshot. `state` is a hash over everything that was applied up to there.
    SnapshotTaken { index: u64, term: u64, state: u64 },
    /// It has installed a leader's snapshot.
    SnapshotInstalled { index: u64, term: u64, state: u64 },
    /// It starts from a snapshot.
    SnapshotRestored { index: u64, term: u64, state: u64 },
    /// The log up to here is gone.
    LogCompacted { index: u64 },
    /// The log from here on is gone: it contradicts that of a leader.
    LogTruncated { from: u64 },
    /// A snapshot leaves for a follower.
    SnapshotSent { to: NodeId, index: u64 },
    /// No answer came to a snapshot: it is reported to the library as failed.
    SnapshotGivenUp { to: NodeId },
    /// It begins to hand its leadership over.
    TransferStarted { to: NodeId },
    /// It takes proposals again.
    TransferAborted,
    /// It goes by another configuration.
    Reconfigured { voters: Vec<u64>, learners: Vec<u64> },
    /// The library refused something.
    Refused { error: String },
}

impl Observation for Observed {
    const NAMES: &'static [&'static str] = &[
        "became follower",
        "became pre-candidate",
        "pre-vote won",
        "became candidate",
        "leader elected",
        "stepped down",
        "retired",
        "term started",
        "vote granted",
        "vote denied",
        "pre-vote granted",
        "pre-vote denied",
        "leader followed",
        "counted",
        "committed",
        "applied",
        "snapshot taken",
        "snapshot installed",
        "snapshot restored",
        "log compacted",
        "log truncated",
        "snapshot sent",
        "snapshot given up",
        "transfer started",
        "transfer aborted",
        "reconfigured",
        "refused",
    ];
    const PLACED: &'static [&'static str] = &["counted", "committed", "applied"];

    fn face(&self) -> Face {
        let plain = |name| Face::new(name, Change::None);
        let role = |name, role, rank| Face::new(name, Change::Role { role, rank });
        match *self {
            Self::BecameFollower { term } => role("became follower", "follower", term),
            Self::BecamePreCandidate { term } => role("became pre-candidate", "pre-candidate", term),
            Self::PreVoteWon { .. } => plain("pre-vote won"),
            Self::BecameCandidate { term } => role("became candidate", "candidate", term),
            Self::LeaderElected { term, .. } => role("leader elected", "leader", term),
            Self::SteppedDown { term } => role("stepped down", "follower", term),
            Self::Retired { term } => role("retired", "follower", term),
            Self::TermStarted { .. } => plain("term started"),
            Self::VoteGranted { .. } => plain("vote granted"),
            Self::VoteDenied { .. } => plain("vote denied"),
            Self::PreVoteGranted { .. } => plain("pre-vote granted"),
            Self::PreVoteDenied { .. } => plain("pre-vote denied"),
            Self::LeaderFollowed { .. } => plain("leader followed"),
            Self::Counted { index, .. } => plain("counted").at_place(index),
            Self::Committed { index, .. } => plain("committed").at_place(index),
            Self::Applied { ref entry } => plain("applied").at_place(entry.0.index),
            Self::SnapshotTaken { .. } => plain("snapshot taken"),
            Self::SnapshotInstalled { .. } => plain("snapshot installed"),
            Self::SnapshotRestored { .. } => plain("snapshot restored"),
            Self::LogCompacted { .. } => plain("log compacted"),
            Self::LogTruncated { .. } => plain("log truncated"),
            Self::SnapshotSent { .. } => plain("snapshot sent"),
            Self::SnapshotGivenUp { .. } => plain("snapshot given up"),
            Self::TransferStarted { .. } => plain("transfer started"),
            Self::TransferAborted => plain("transfer aborted"),
            Self::Reconfigured { .. } => plain("reconfigured"),
            Self::Refused { .. } => plain("refused"),
        }
    }

    fn epoch(&self) -> Option<u64> {
        match *self {
            Self::TermStarted { term } => Some(term),
            _ => match self.face().change {
                Change::Role { rank, .. } => Some(rank).filter(|term| *term > 0),
                _ => None,
            },
        }
    }
}

/// The short form of a value: places are written `index@term`.
pub(super) fn brief(datum: Datum<'_, Process>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match datum {
        Datum::Message(Wire::Raft(message)) => message_brief(&message.0, f),
        Datum::Record(Record::Entry { entry, .. }) | Datum::Observation(Observed::Applied { entry }) => {
            entry_brief(&entry.0, f)
        }
        Datum::Record(Record::State(Pb(state))) => {
            write!(f, "term {}, vote {}, commit {}", state.term, state.vote, state.commit)
        }
        Datum::Record(Record::Snapshot(Pb(snapshot))) => {
            let last = snapshot.get_metadata();
            write!(f, "snapshot up to {}@{}", last.index, last.term)
        }
        Datum::Observation(Observed::Counted { index, term } | Observed::Committed { index, term }) => {
            write!(f, "{index}@{term}")
        }
        Datum::File(LOG) => f.write_str("log"),
        Datum::File(STATE) => f.write_str("state"),
        Datum::File(SNAPSHOT) => f.write_str("snapshot"),
        other => other.derived(f),
    }
}

fn message_brief(message: &Message, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let place = |f: &mut fmt::Formatter<'_>| write!(f, "{}@{}", message.index, message.log_term);
    match message.get_msg_type() {
        MessageType::MsgAppend => {
            place(f)?;
            write!(f, " +{} commit {}", message.entries.len(), message.commit)
        }
        MessageType::MsgAppendResponse if message.reject => {
            write!(f, "rejects {}, hint {}", message.index, message.reject_hint)
        }
        MessageType::MsgAppendResponse => write!(f, "has {}", message.index),
        MessageType::MsgRequestVote | MessageType::MsgRequestPreVote => {
            f.write_str("last ")?;
            place(f)
        }
        MessageType::MsgRequestVoteResponse | MessageType::MsgRequestPreVoteResponse => {
            f.write_str(if message.reject { "rejected" } else { "granted" })
        }
        MessageType::MsgSnapshot => {
            let last = message.get_snapshot().get_metadata();
            write!(f, "up to {}@{}", last.index, last.term)
        }
        MessageType::MsgHeartbeat => write!(f, "commit {}", message.commit),
        _ => Ok(()),
    }
}

fn entry_brief(entry: &Entry, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{}@{} ", entry.index, entry.term)?;
    match (entry.get_entry_type(), Proposal::of(&entry.data)) {
        (EntryType::EntryNormal, Some(Proposal { client, value, .. })) => write!(f, "{value} of {client}"),
        (EntryType::EntryNormal, None) => f.write_str("no-op"),
        (EntryType::EntryConfChange | EntryType::EntryConfChangeV2, _) => match Members::of(entry) {
            Some(Members { voters, learners: 0 }) => write!(f, "voters {}", Numbers(voters)),
            Some(Members { voters, learners }) => {
                write!(f, "voters {} learners {}", Numbers(voters), Numbers(learners))
            }
            None => f.write_str("change"),
        },
    }
}

/// The numbers of the servers of a set of bits.
struct Numbers(u64);

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = (0..64).filter(|bit| self.0 & (1 << bit) != 0).map(|bit| (bit + 1).to_string());
        write!(f, "{{{}}}", numbers.collect::<Vec<_>>().join(" "))
    }
}

/// The data of an entry that a client asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Proposal {
    /// The client that asked.
    pub(super) client: NodeId,
    /// Its name for what it asked.
    pub(super) operation: OperationId,
    /// The number.
    pub(super) value: u64,
}

impl Proposal {
    /// As the data of an entry: three words.
    pub(super) fn data(self) -> Vec<u8> {
        [u64::from(self.client.number()), self.operation.0, self.value].map(u64::to_le_bytes).concat()
    }

    /// From the data of an entry; `None` if a leader made the entry by itself.
    pub(super) fn of(data: &[u8]) -> Option<Self> {
        let [client, operation, value] = words(data)?;
        let client = NodeId::client(u16::try_from(client).ok()?);
        Some(Self { client, operation: OperationId(operation), value })
    }
}

/// What a change makes of the membership: a set of bits each, the first of which is `s1`.
///
/// An entry of the library holds only what changes. The adapter puts what comes of it into the entry's context, which
/// the library carries and never reads: so a log says by itself which configurations it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Members {
    pub(super) voters: u64,
    pub(super) learners: u64,
}

impl Members {
    /// As the context of an entry.
    pub(super) fn context(self) -> Vec<u8> {
        [self.voters, self.learners].map(u64::to_le_bytes).concat()
    }

    /// From an entry; `None` if it changes nothing.
    pub(super) fn of(entry: &Entry) -> Option<Self> {
        let changes = entry.get_entry_type() != EntryType::EntryNormal;
        let [voters, learners] = words(&entry.context).filter(|_| changes)?;
        Some(Self { voters, learners })
    }

    /// The bit of a server of the library.
    pub(super) const fn bit(server: u64) -> u64 {
        1 << (server - 1)
    }

    /// From the library's lists.
    pub(super) fn from_lists(voters: &[u64], learners: &[u64]) -> Self {
        let bits = |servers: &[u64]| servers.iter().fold(0, |bits, server| bits | Self::bit(*server));
        Self { voters: bits(voters), learners: bits(learners) }
    }
}

fn words<const COUNT: usize>(data: &[u8]) -> Option<[u64; COUNT]> {
    if data.len() != 8 * COUNT {
        return None;
    }
    let mut words = [0; COUNT];
    for (word, bytes) in words.iter_mut().zip(data.chunks_exact(8)) {
        *word = u64::from_le_bytes(bytes.try_into().ok()?);
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each.
    fn all() -> [Observed; Observed::NAMES.len()] {
        let (index, term, state) = (3, 2, 1);
        let candidate = NodeId::server(2);
        [
            Observed::BecameFollower { term },
            Observed::BecamePreCandidate { term },
            Observed::PreVoteWon { term },
            Observed::BecameCandidate { term },
            Observed::LeaderElected { term, last: (index, term) },
            Observed::SteppedDown { term },
            Observed::Retired { term },
            Observed::TermStarted { term },
            Observed::VoteGranted { term, candidate },
            Observed::VoteDenied { candidate },
            Observed::PreVoteGranted { term, candidate },
            Observed::PreVoteDenied { candidate },
            Observed::LeaderFollowed { term, leader: candidate },
            Observed::Counted { index, term },
            Observed::Committed { index, term },
            Observed::Applied { entry: Pb(Entry::default()) },
            Observed::SnapshotTaken { index, term, state },
            Observed::SnapshotInstalled { index, term, state },
            Observed::SnapshotRestored { index, term, state },
            Observed::LogCompacted { index },
            Observed::LogTruncated { from: index },
            Observed::SnapshotSent { to: candidate, index },
            Observed::SnapshotGivenUp { to: candidate },
            Observed::TransferStarted { to: candidate },
            Observed::TransferAborted,
            Observed::Reconfigured { voters: vec![1], learners: vec![] },
            Observed::Refused { error: String::new() },
        ]
    }

    /// The name of a variant in words: `PreVoteWon` is `pre vote won`.
    fn words(observed: &Observed) -> String {
        let shown = format!("{observed:?}");
        let name = shown.split([' ', '{']).next().unwrap_or_default();
        let spaced = name.chars().flat_map(|letter| [letter.is_uppercase().then_some(' '), Some(letter)]);
        spaced.flatten().collect::<String>().trim_start().to_lowercase()
    }

    #[test]
    fn what_is_observed_is_called_as_its_variant() {
        let called: Vec<&str> = all().iter().map(|observed| observed.face().name).collect();
        assert_eq!(called, Observed::NAMES, "each name has one variant");
        for observed in all() {
            assert_eq!(observed.face().name.replace('-', " "), words(&observed));
        }
    }

    #[test]
    fn what_is_about_a_place_of_the_log_says_which() {
        let all = all();
        let placed = all.iter().map(Observation::face).filter(|face| face.place.is_some());
        assert_eq!(placed.map(|face| face.name).collect::<Vec<_>>(), Observed::PLACED);
        let applied = Observed::Applied { entry: Pb(Entry { index: 7, ..Entry::default() }) };
        assert_eq!(applied.face().place, Some(7));
    }
}
