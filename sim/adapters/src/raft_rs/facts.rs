//! What the invariants of Raft are shown of a server of the library.

use raft::StateRole;
use raft::eraftpb::{Entry, Message, MessageType};
use splitbrain::kernel::prelude::*;
use splitbrain_systems::raft::facts::{
    ConfigurationFacts, DurableLog, DurableState, Fact, Held, ImageKind, RaftFacts, RoleKind, Said, ServerFacts, Talk,
    Told,
};
use splitbrain_systems::raft::ids::{Index, Position, ServerSet, Term};

use super::server::{Process, Server};
use super::store::{LOG, Record, SNAPSHOT, STATE, position};
use super::wire::{Members, Observed, Proposal, Wire};
use crate::proposals::{Answer, Placed};
use crate::protobuf::Pb;
use crate::servers::{id_of, node_of};

const fn at((index, term): (u64, u64)) -> Position {
    Position { term: Term(term), index: Index(index) }
}

fn known(server: u64) -> Option<NodeId> {
    (server != 0).then(|| node_of(server))
}

/// The servers of a set of bits.
pub(super) fn set(bits: u64) -> ServerSet {
    (1..=64).filter(|server| bits & Members::bit(*server) != 0).map(node_of).collect()
}

impl From<Members> for ConfigurationFacts {
    fn from(members: Members) -> Self {
        Self { voters: set(members.voters), learners: set(members.learners), ..Self::default() }
    }
}

impl RaftFacts for Process {
    type Entry = Pb<Entry>;

    fn server(&self) -> Option<ServerFacts> {
        match self {
            Self::Server(server) => Some(facts(server)),
            Self::Damaged(_) | Self::Client(_) => None,
        }
    }

    fn said(message: &Wire) -> Said {
        match message {
            Wire::Raft(message) => said(&message.0),
            Wire::Propose { .. } | Wire::Answer { .. } => Said::Nothing,
        }
    }

    fn told(observation: &Observed) -> Told<'_, Pb<Entry>> {
        let image = |kind, index, term, state| Told::Image { kind, last: at((index, term)), state };
        match *observation {
            Observed::BecameFollower { term } | Observed::TermStarted { term } => Told::InTerm(Term(term)),
            Observed::BecamePreCandidate { term } => Told::Campaigns { role: RoleKind::PreCandidate, term: Term(term) },
            Observed::BecameCandidate { term } => Told::Campaigns { role: RoleKind::Candidate, term: Term(term) },
            Observed::LeaderElected { term, last } => Told::Elected { term: Term(term), last: Some(at(last)) },
            Observed::SteppedDown { .. } => Told::SteppedDown,
            Observed::Retired { .. } => Told::Retires,
            Observed::VoteGranted { term, candidate } => Told::Granted { term: Term(term), candidate },
            Observed::VoteDenied { candidate } => Told::Denied { candidate },
            Observed::PreVoteGranted { term, candidate } => Told::PreVoteGranted { term: Term(term), candidate },
            Observed::PreVoteDenied { candidate } => Told::PreVoteDenied { candidate },
            Observed::PreVoteWon { term } => Told::PreVoteWon { term: Term(term) },
            Observed::Counted { index, term } => Told::Counted(at((index, term))),
            Observed::Committed { index, term } => Told::Committed(at((index, term))),
            Observed::Applied { ref entry } => Told::Applied { index: Index(entry.0.index), entry },
            Observed::SnapshotTaken { index, term, state } => image(ImageKind::Taken, index, term, state),
            Observed::SnapshotInstalled { index, term, state } => image(ImageKind::Installed, index, term, state),
            Observed::SnapshotRestored { index, term, state } => image(ImageKind::Restored, index, term, state),
            Observed::LogCompacted { index } => Told::Compacted(Index(index)),
            Observed::LogTruncated { from } => Told::Truncated(Index(from)),
            Observed::TransferStarted { .. } => Told::HandsOver(true),
            Observed::TransferAborted => Told::HandsOver(false),
            Observed::Reconfigured { .. } => Told::Reconfigured,
            Observed::LeaderFollowed { .. }
            | Observed::SnapshotSent { .. }
            | Observed::SnapshotGivenUp { .. }
            | Observed::Refused { .. } => Told::Nothing,
        }
    }

    fn durable_state(disk: &impl Records<Record>) -> Fact<DurableState> {
        Some(match disk.durable_last(STATE) {
            Some(Record::State(Pb(hard))) => DurableState { term: Term(hard.term), voted_for: known(hard.vote) },
            _ => DurableState::default(),
        })
    }

    fn durable_log(disk: &impl Records<Record>) -> Fact<DurableLog> {
        let covered = covered(disk);
        let Some(first) = entry_at(disk, 0) else { return Some(DurableLog { base: covered, last: covered }) };
        let in_place = |at: usize| entry_at(disk, at).filter(|entry| entry.index == first.index + at as u64);
        let last = (0..disk.len(LOG)).rev().find_map(in_place).map_or(Index::ZERO, |entry| Index(entry.index));
        Some(DurableLog { base: covered.max(Index(first.index).previous()), last: last.max(covered) })
    }

    fn shortens_log(write: Write<&Record>) -> bool {
        matches!(write, Write::Truncate(LOG, _) | Write::Discard(LOG, _))
    }

    fn has(&self, index: Index) -> Fact<Held> {
        let Self::Server(server) = self else { return None };
        let log = &server.raw.raft.raft_log;
        let base = log.first_index() - 1;
        Some(match index.0 {
            0 => Held::Nothing,
            place if place > log.last_index() => Held::Nothing,
            place if place < base => Held::Snapshot,
            place => log.term(place).map_or(Held::Snapshot, |term| Held::Entry(Term(term))),
        })
    }

    fn matched(&self, follower: NodeId) -> Fact<Index> {
        let Self::Server(server) = self else { return None };
        let raft = &server.raw.raft;
        if raft.state != StateRole::Leader {
            return Some(Index::ZERO);
        }
        // Of a server that was removed the library has forgotten it.
        raft.prs().get(id_of(follower)).map(|progress| Index(progress.matched))
    }

    fn held(disk: &impl Records<Record>, index: Index) -> Fact<Held> {
        if index <= covered(disk) {
            return Some(Held::Snapshot);
        }
        let first = entry_at(disk, 0).map(|entry| entry.index);
        let place = first.and_then(|first| usize::try_from(index.0.checked_sub(first)?).ok());
        let entry = place.and_then(|place| entry_at(disk, place)).filter(|entry| entry.index == index.0);
        Some(entry.map_or(Held::Nothing, |entry| Held::Entry(Term(entry.term))))
    }

    fn logged(write: Write<&Record>) -> Fact<Option<(Position, &Pb<Entry>)>> {
        Some(match write {
            Write::Append(LOG, Record::Entry { entry, .. }) => Some((at((entry.0.index, entry.0.term)), entry)),
            _ => None,
        })
    }

    fn configures(entry: &Pb<Entry>) -> Fact<Option<ConfigurationFacts>> {
        Some(Members::of(&entry.0).map(ConfigurationFacts::from))
    }

    fn talk(message: &Wire) -> Talk {
        match message {
            Wire::Propose { operation, .. } => Talk::Asks(*operation),
            Wire::Answer { answer: Answer::NotLeader { .. } | Answer::Busy, .. } => Talk::Refuses,
            Wire::Answer { .. } | Wire::Raft(_) => Talk::Nothing,
        }
    }

    fn proposes(message: &Wire) -> Option<OperationId> {
        if let Wire::Propose { operation, .. } = message { Some(*operation) } else { None }
    }

    fn answers(message: &Wire) -> Option<OperationId> {
        if let Wire::Answer { operation, .. } = message { Some(*operation) } else { None }
    }

    /// A snapshot goes in one message.
    fn snapshot_items(&self) -> Fact<u64> {
        Some(1)
    }

    fn carries(entry: &Pb<Entry>, request: &Wire) -> bool {
        let Wire::Propose { operation, value } = request else { return false };
        Proposal::of(&entry.0.data).is_some_and(|proposal| (proposal.operation, proposal.value) == (*operation, *value))
    }

    fn acknowledged(response: &Placed) -> Option<Index> {
        Some(Index(response.index))
    }
}

fn facts(server: &Server) -> ServerFacts {
    let raft = &server.raw.raft;
    let log = &raft.raft_log;
    let role = match raft.state {
        StateRole::Follower => RoleKind::Follower,
        StateRole::PreCandidate => RoleKind::PreCandidate,
        StateRole::Candidate => RoleKind::Candidate,
        StateRole::Leader => RoleKind::Leader,
    };
    let base = log.first_index() - 1;
    ServerFacts {
        voted_for: Some(known(raft.vote)),
        leader: Some(known(raft.leader_id)),
        last: Some(at((log.last_index(), log.last_term()))),
        commit: Some(Index(log.committed)),
        timer: Some(server.timer),
        may_campaign: Some(server.may_campaign()),
        configuration: Some(server.members().into()),
        base: Some(at((base, log.term(base).unwrap_or(0)))),
        durable: Some(Index(log.persisted)),
        ..ServerFacts::new(role, Term(raft.term))
    }
}

fn said(message: &Message) -> Said {
    let (term, index) = (Term(message.term), message.index);
    match message.get_msg_type() {
        MessageType::MsgAppend | MessageType::MsgHeartbeat | MessageType::MsgSnapshot | MessageType::MsgTimeoutNow => {
            Said::Append { term }
        }
        MessageType::MsgAppendResponse if message.reject || index == 0 => Said::Answered { term },
        MessageType::MsgAppendResponse => Said::Accepted { term, matched: Index(index) },
        MessageType::MsgHeartbeatResponse => Said::Answered { term },
        MessageType::MsgRequestVote => Said::VoteRequest { term, last: Some(at((index, message.log_term))) },
        MessageType::MsgRequestVoteResponse => Said::Vote { term, granted: !message.reject },
        MessageType::MsgRequestPreVote => Said::PreVoteRequest,
        _ => Said::Nothing,
    }
}

fn entry_at(disk: &impl Records<Record>, place: usize) -> Option<&Entry> {
    match disk.get(LOG, place) {
        Some(Stored::Intact(Record::Entry { entry, .. })) => Some(&entry.0),
        _ => None,
    }
}

/// The last place that the snapshot on a disk covers.
fn covered(disk: &impl Records<Record>) -> Index {
    match disk.durable_last(SNAPSHOT) {
        Some(Record::Snapshot(snapshot)) => Index(position(&snapshot.0).0),
        _ => Index::ZERO,
    }
}
