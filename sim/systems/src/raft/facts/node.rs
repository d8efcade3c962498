//! What a node of this crate answers: everything.

use splitbrain_kernel::context::OperationId;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::{Stored, Write};
use splitbrain_kernel::view::Records;

use crate::raft::durable::{LOG_FILE, Record, SNAPSHOT_FILE, STATE_FILE};
use crate::raft::ids::{Index, Position};
use crate::raft::kv::{self, Call, CallResult};
use crate::raft::message::{AppendResult, Command, Entry, Operation, Payload, ProposeResult, RaftMessage, Response};
use crate::raft::node::RaftNode;
use crate::raft::observation::{RaftObservation, StepDownReason};
use crate::raft::snapshot::PartResult;
use crate::raft::state::Server;

use super::super::brief::{refusal_words, step_down_words};
use super::{
    ConfigurationFacts, DurableLog, DurableState, Fact, Held, ImageKind, RaftFacts, RoleKind, Said, ServerFacts, Talk,
    Told,
};

impl<C: Payload> RaftFacts for RaftNode<C> {
    type Entry = Entry<C>;

    #[inline]
    fn server(&self) -> Option<ServerFacts> {
        Self::server(self).map(Server::facts)
    }

    #[inline]
    fn said(message: &RaftMessage<C>) -> Said {
        match message {
            RaftMessage::Append(append) => Said::Append { term: append.term },
            RaftMessage::AppendReply { term, result: AppendResult::Accepted { matched } } => {
                Said::Accepted { term: *term, matched: *matched }
            }
            RaftMessage::AppendReply { term, .. } => Said::Answered { term: *term },
            RaftMessage::SnapshotPart(part) => Said::Append { term: part.term },
            RaftMessage::PartReply { term, last, result: PartResult::Installed } => {
                Said::Accepted { term: *term, matched: *last }
            }
            RaftMessage::PartReply { term, .. } => Said::Answered { term: *term },
            RaftMessage::Vote(request) | RaftMessage::TransferVote(request) => {
                Said::VoteRequest { term: request.term, last: Some(request.last) }
            }
            RaftMessage::TimeoutNow { term } => Said::Append { term: *term },
            RaftMessage::VoteReply { term, granted } => Said::Vote { term: *term, granted: *granted },
            RaftMessage::PreVote(_) => Said::PreVoteRequest,
            RaftMessage::Confirm { term, .. } => Said::Append { term: *term },
            RaftMessage::ConfirmReply { term, .. } => Said::Answered { term: *term },
            RaftMessage::PreVoteReply { .. }
            | RaftMessage::Propose { .. }
            | RaftMessage::ProposeReply { .. }
            | RaftMessage::Request { .. }
            | RaftMessage::Reply { .. } => Said::Nothing,
        }
    }

    #[inline]
    fn told(observation: &RaftObservation<C>) -> Told<'_, Entry<C>> {
        match observation {
            RaftObservation::Applied { index, entry } => Told::Applied { index: *index, entry },
            RaftObservation::Committed { index, term } => Told::Committed(Position { term: *term, index: *index }),
            RaftObservation::BecameFollower { term } | RaftObservation::TermStarted { term } => Told::InTerm(*term),
            RaftObservation::BecamePreCandidate { term } => {
                Told::Campaigns { role: RoleKind::PreCandidate, term: *term }
            }
            RaftObservation::BecameCandidate { term } => Told::Campaigns { role: RoleKind::Candidate, term: *term },
            RaftObservation::LeaderElected { term, last } => Told::Elected { term: *term, last: Some(*last) },
            RaftObservation::SteppedDown { reason: StepDownReason::Removed, .. } => Told::Retires,
            RaftObservation::SteppedDown { .. } => Told::SteppedDown,
            RaftObservation::VoteGranted { term, candidate } => Told::Granted { term: *term, candidate: *candidate },
            RaftObservation::VoteDenied { candidate, .. } => Told::Denied { candidate: *candidate },
            RaftObservation::PreVoteGranted { term, candidate } => {
                Told::PreVoteGranted { term: *term, candidate: *candidate }
            }
            RaftObservation::PreVoteDenied { candidate, .. } => Told::PreVoteDenied { candidate: *candidate },
            RaftObservation::PreVoteWon { term } => Told::PreVoteWon { term: *term },
            RaftObservation::Executed { index, outcome, answer } => {
                Told::Executed { index: *index, is_first: *outcome == kv::Outcome::Executed, answer }
            }
            RaftObservation::QuorumAdjusted => Told::Alone(true),
            RaftObservation::QuorumRestored => Told::Alone(false),
            RaftObservation::Left => Told::Reconsidered,
            RaftObservation::SnapshotTaken { last, state } => image(ImageKind::Taken, *last, *state),
            RaftObservation::SnapshotInstalled { last, state } => image(ImageKind::Installed, *last, *state),
            RaftObservation::SnapshotRestored { last, state } => image(ImageKind::Restored, *last, *state),
            RaftObservation::LogCompacted { base } => Told::Compacted(base.index),
            RaftObservation::TransferStarted { .. } => Told::HandsOver(true),
            RaftObservation::TransferAborted { .. } => Told::HandsOver(false),
            RaftObservation::LogTruncated { from } => Told::Truncated(*from),
            RaftObservation::ConfigurationEntered { .. } | RaftObservation::ConfigurationAppended { .. } => {
                Told::Reconfigured
            }
            _ => Told::Nothing,
        }
    }

    fn why(observation: &RaftObservation<C>) -> Option<&'static str> {
        match observation {
            RaftObservation::VoteDenied { reason, .. } | RaftObservation::PreVoteDenied { reason, .. } => {
                Some(refusal_words(*reason))
            }
            RaftObservation::SteppedDown { reason, .. } => Some(step_down_words(*reason)),
            _ => None,
        }
    }

    #[inline]
    fn durable_state(disk: &impl Records<Record<C>>) -> Fact<DurableState> {
        Some(match disk.durable_last(STATE_FILE) {
            Some(Record::State(hard)) => DurableState { term: hard.term, voted_for: hard.voted_for },
            _ => DurableState::default(),
        })
    }

    fn durable_log(disk: &impl Records<Record<C>>) -> Fact<DurableLog> {
        let index_of = |at: usize| match disk.get(LOG_FILE, at) {
            Some(Stored::Intact(Record::Entry { index, .. })) => Some(*index),
            _ => None,
        };
        let covered = covered(disk);
        let Some(first) = index_of(0) else { return Some(DurableLog { base: covered, last: covered }) };
        let in_place = |at: usize| index_of(at).filter(|index| index.0 == first.0 + at as u64);
        let last = (0..disk.len(LOG_FILE)).rev().find_map(in_place).unwrap_or(Index::ZERO);
        Some(DurableLog { base: covered.max(first.previous()), last: last.max(covered) })
    }

    #[inline]
    fn shortens_log(write: Write<&Record<C>>) -> bool {
        matches!(write, Write::Truncate(LOG_FILE, _) | Write::Discard(LOG_FILE, _))
    }

    #[inline]
    fn has(&self, index: Index) -> Fact<Held> {
        let log = Self::server(self)?.log();
        Some(match log.term_at(index) {
            Some(term) => Held::Entry(term),
            None if index < log.base().index => Held::Snapshot,
            None => Held::Nothing,
        })
    }

    #[inline]
    fn matched(&self, follower: NodeId) -> Fact<Index> {
        let progress = Self::server(self)?.as_leader().and_then(|leader| leader.progress(follower));
        Some(progress.map_or(Index::ZERO, |progress| progress.matched))
    }

    fn snapshot_items(&self) -> Fact<u64> {
        Some(Self::server(self)?.snapshot_items())
    }

    fn held(disk: &impl Records<Record<C>>, index: Index) -> Fact<Held> {
        let entry_at = |at: usize| match disk.get(LOG_FILE, at) {
            Some(Stored::Intact(Record::Entry { index, entry, .. })) => Some((*index, entry.term)),
            _ => None,
        };
        // A log that contradicts the snapshot beside it is dropped at the next start.
        if index <= covered(disk) {
            return Some(Held::Snapshot);
        }
        let first = entry_at(0).map(|(first, _)| first);
        let place = first.and_then(|first| usize::try_from(index.0.checked_sub(first.0)?).ok());
        let entry = place.and_then(entry_at).filter(|(at, _)| *at == index);
        Some(entry.map_or(Held::Nothing, |(_, term)| Held::Entry(term)))
    }

    #[inline]
    fn logged(write: Write<&Record<C>>) -> Fact<Option<(Position, &Entry<C>)>> {
        Some(match write {
            Write::Append(LOG_FILE, Record::Entry { index, entry, .. }) => {
                Some((Position { term: entry.term, index: *index }, entry))
            }
            _ => None,
        })
    }

    #[inline]
    fn configures(entry: &Entry<C>) -> Fact<Option<ConfigurationFacts>> {
        Some(match &entry.command {
            Command::Members(members) => Some(ConfigurationFacts::from(&**members)),
            _ => None,
        })
    }

    fn talk(message: &RaftMessage<C>) -> Talk {
        match message {
            RaftMessage::Propose { operation, .. } | RaftMessage::Request { operation, .. } => Talk::Asks(*operation),
            RaftMessage::ProposeReply { result: ProposeResult::NotLeader { .. }, .. }
            | RaftMessage::Reply { result: CallResult::NotLeader { .. }, .. } => Talk::Refuses,
            _ => Talk::Nothing,
        }
    }

    fn proposes(message: &RaftMessage<C>) -> Option<OperationId> {
        match message {
            RaftMessage::Propose { operation, .. } => Some(*operation),
            // A read may be served beside the log.
            RaftMessage::Request { operation, call } if !matches!(**call, Call::Read { .. }) => Some(*operation),
            _ => None,
        }
    }

    fn answers(message: &RaftMessage<C>) -> Option<OperationId> {
        match message {
            RaftMessage::ProposeReply { operation, .. } | RaftMessage::Reply { operation, .. } => Some(*operation),
            _ => None,
        }
    }

    fn carries(entry: &Entry<C>, request: &RaftMessage<C>) -> bool {
        match (&entry.command, request) {
            (Command::Set(own), RaftMessage::Propose { value, .. }) => own == value,
            (Command::Kv(command), RaftMessage::Request { call, .. }) => match (&command.call, &**call) {
                (
                    Call::Run { session, sequence, .. },
                    Call::Run { session: other_session, sequence: other_sequence, .. },
                ) => (session, sequence) == (other_session, other_sequence),
                // Reads and new sessions do nothing that could be done twice.
                _ => false,
            },
            _ => false,
        }
    }

    fn acknowledged(response: &Response) -> Option<Index> {
        match response {
            Response::Committed { index } | Response::Answered { index, .. } => Some(*index),
        }
    }

    fn store_command(entry: &Entry<C>) -> Option<&kv::Command> {
        match &entry.command {
            Command::Kv(command) => Some(command),
            _ => None,
        }
    }

    fn store_operation(operation: &Operation<C>) -> Option<&kv::Operation> {
        match operation {
            Operation::Kv(operation) => Some(operation),
            Operation::Propose { .. } => None,
        }
    }

    fn store_answer(response: &Response) -> Option<(Index, &kv::Answer)> {
        match response {
            Response::Answered { index, answer } => Some((*index, answer)),
            Response::Committed { .. } => None,
        }
    }
}

const fn image<'a, E>(kind: ImageKind, last: Position, state: u64) -> Told<'a, E> {
    Told::Image { kind, last, state }
}

/// The last place that the snapshot on a disk covers.
fn covered<C: Payload>(disk: &impl Records<Record<C>>) -> Index {
    match disk.durable_last(SNAPSHOT_FILE) {
        Some(Record::Snapshot(snapshot)) => snapshot.last.index,
        _ => Index::ZERO,
    }
}
