//! What processes say to one another, and what is observed of servers.

use std::fmt;

use omnipaxos::ballot_leader_election::Ballot;
use omnipaxos::messages::ballot_leader_election::HeartbeatMsg;
use omnipaxos::messages::sequence_paxos::PaxosMsg;
use serde::{Deserialize, Serialize};
use splitbrain::kernel::prelude::{Change, Datum, Face, NodeId, Observation, OperationId};

use super::server::Process;
use super::storage::{Command, StoreChange};
use crate::names::place;
use crate::proposals::Answer;

/// A message of the library.
pub(super) type PaxosMessage = omnipaxos::messages::Message<Command>;

/// A message: one of the library's, or a word with a client.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Wire {
    /// The library's own, between servers.
    Paxos(Box<PaxosMessage>),
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
        "heartbeat",
        "heartbeat_reply",
        "prepare_request",
        "prepare",
        "promise",
        "accept_sync",
        "accept_decide",
        "accepted",
        "not_accepted",
        "decide",
        "proposal_forward",
        "other",
        "propose",
        "propose_reply",
    ];

    fn kind(&self) -> usize {
        match self {
            Self::Paxos(message) => match &**message {
                PaxosMessage::BLE(message) => match message.msg {
                    HeartbeatMsg::Request(_) => const { place(Self::KINDS, "heartbeat") },
                    HeartbeatMsg::Reply(_) => const { place(Self::KINDS, "heartbeat_reply") },
                },
                PaxosMessage::SequencePaxos(message) => match message.msg {
                    PaxosMsg::PrepareReq(_) => const { place(Self::KINDS, "prepare_request") },
                    PaxosMsg::Prepare(_) => const { place(Self::KINDS, "prepare") },
                    PaxosMsg::Promise(_) => const { place(Self::KINDS, "promise") },
                    PaxosMsg::AcceptSync(_) => const { place(Self::KINDS, "accept_sync") },
                    PaxosMsg::AcceptDecide(_) => const { place(Self::KINDS, "accept_decide") },
                    PaxosMsg::Accepted(_) => const { place(Self::KINDS, "accepted") },
                    PaxosMsg::NotAccepted(_) => const { place(Self::KINDS, "not_accepted") },
                    PaxosMsg::Decide(_) => const { place(Self::KINDS, "decide") },
                    PaxosMsg::ProposalForward(_) => const { place(Self::KINDS, "proposal_forward") },
                    PaxosMsg::Compaction(_) | PaxosMsg::AcceptStopSign(_) | PaxosMsg::ForwardStopSign(_) => {
                        const { place(Self::KINDS, "other") }
                    }
                },
            },
            Self::Propose { .. } => const { place(Self::KINDS, "propose") },
            Self::Answer { .. } => const { place(Self::KINDS, "propose_reply") },
        }
    }

    /// The library leaves the encoding to its user: 48 bytes for what each message has, and 20 for each command.
    fn wire_size(&self) -> u32 {
        let commands = match self {
            Self::Paxos(message) => match &**message {
                PaxosMessage::SequencePaxos(message) => commands_of(&message.msg),
                PaxosMessage::BLE(_) => 0,
            },
            Self::Propose { .. } | Self::Answer { .. } => return 24,
        };
        u32::try_from(commands).map_or(u32::MAX, |commands| commands.saturating_mul(20).saturating_add(48))
    }
}

/// How many commands a message carries.
fn commands_of(message: &PaxosMsg<Command>) -> usize {
    match message {
        PaxosMsg::Promise(promise) => promise.log_sync.as_ref().map_or(0, |sync| sync.suffix.len()),
        PaxosMsg::AcceptSync(accept) => accept.log_sync.suffix.len(),
        PaxosMsg::AcceptDecide(accept) => accept.entries.len(),
        PaxosMsg::ProposalForward(commands) => commands.len(),
        _ => 0,
    }
}

/// A ballot, without what is the same in all of them. They are compared in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Round {
    /// The number.
    pub n: u32,
    /// The server that leads in it, if any does: servers are compared where numbers are equal.
    pub server: u64,
}

impl From<Ballot> for Round {
    fn from(ballot: Ballot) -> Self {
        Self { n: ballot.n, server: ballot.pid }
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.n, self.server)
    }
}

/// What is observed of a server, once what it rests on is durable.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are what their names say")]
pub enum Observed {
    /// It leads in this round, and its log has what the others have accepted.
    Elected { round: Round },
    /// It no longer leads; it has promised this round.
    SteppedDown { round: Round },
    /// It has promised this round to another server.
    Promised { round: Round },
    /// It knows that this command is decided at a place, from 1.
    Decided { index: u64, command: Command },
    /// A connection to this server is open again.
    Reconnected { peer: NodeId },
}

impl Observation for Observed {
    const NAMES: &'static [&'static str] = &["leader elected", "stepped down", "promised", "decided", "reconnected"];
    const PLACED: &'static [&'static str] = &["decided"];

    fn face(&self) -> Face {
        let plain = |name| Face::new(name, Change::None);
        let role = |name, role, round: &Round| {
            let rank = u64::from(round.n) << 16 | round.server;
            Face::new(name, Change::Role { role, rank })
        };
        match self {
            Self::Elected { round } => role("leader elected", "leader", round),
            Self::SteppedDown { round } => role("stepped down", "follower", round),
            Self::Promised { round } => role("promised", "follower", round),
            Self::Decided { index, .. } => plain("decided").at_place(*index),
            Self::Reconnected { .. } => plain("reconnected"),
        }
    }

    fn epoch(&self) -> Option<u64> {
        match self {
            Self::Elected { round } | Self::SteppedDown { round } | Self::Promised { round } => Some(round.n.into()),
            Self::Decided { .. } | Self::Reconnected { .. } => None,
        }
    }
}

/// The short form of a value: rounds are written `number.server`.
pub(super) fn brief(datum: Datum<'_, Process>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match datum {
        Datum::Message(Wire::Paxos(message)) => match &**message {
            PaxosMessage::SequencePaxos(message) => message_brief(&message.msg, f),
            PaxosMessage::BLE(message) => match &message.msg {
                HeartbeatMsg::Request(request) => write!(f, "round {}", request.round),
                HeartbeatMsg::Reply(reply) => {
                    let happy = if reply.happy { "happy" } else { "unhappy" };
                    write!(f, "round {} leader {} {happy}", reply.round, Round::from(reply.leader))
                }
            },
        },
        Datum::Record(record) => {
            for (at, change) in record.changes.iter().enumerate() {
                f.write_str(if at > 0 { ", " } else { "" })?;
                change_brief(change, f)?;
            }
            Ok(())
        }
        Datum::Observation(
            Observed::Elected { round } | Observed::SteppedDown { round } | Observed::Promised { round },
        ) => {
            write!(f, "{round}")
        }
        Datum::Observation(Observed::Decided { index, command }) => {
            write!(f, "{index}: {} of {}", command.value, command.by)
        }
        Datum::File(_) => f.write_str("log"),
        other => other.derived(f),
    }
}

fn change_brief(change: &StoreChange, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match change {
        StoreChange::Append(entries) => write!(f, "+{}", entries.len()),
        StoreChange::AppendOn(length, entries) => write!(f, "cut to {length} +{}", entries.len()),
        StoreChange::Promise(round) => write!(f, "promise {}", Round::from(*round)),
        StoreChange::Decided(length) => write!(f, "decided {length}"),
        StoreChange::Accepted(round) => write!(f, "accepted in {}", Round::from(*round)),
    }
}

fn message_brief(message: &PaxosMsg<Command>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match message {
        PaxosMsg::PrepareReq(message) => write!(f, "{}", Round::from(message.n)),
        PaxosMsg::Prepare(message) => {
            write!(f, "{} decided {} accepted {}", Round::from(message.n), message.decided_idx, message.accepted_idx)
        }
        PaxosMsg::Promise(message) => {
            write!(f, "{} decided {} accepted {}", Round::from(message.n), message.decided_idx, message.accepted_idx)
        }
        PaxosMsg::AcceptSync(message) => {
            let (sync, session) = (&message.log_sync, message.seq_num.session);
            let (from, count) = (sync.sync_idx, sync.suffix.len());
            write!(f, "{} session {session}: from {from} +{count}", Round::from(message.n))?;
            write!(f, " decided {}", message.decided_idx)
        }
        PaxosMsg::AcceptDecide(message) => {
            let (session, counter) = (message.seq_num.session, message.seq_num.counter);
            write!(f, "{} session {session}.{counter}: +{}", Round::from(message.n), message.entries.len())?;
            write!(f, " decided {}", message.decided_idx)
        }
        PaxosMsg::Accepted(message) => write!(f, "{} up to {}", Round::from(message.n), message.accepted_idx),
        PaxosMsg::NotAccepted(message) => write!(f, "{}", Round::from(message.n)),
        PaxosMsg::Decide(message) => write!(f, "{} up to {}", Round::from(message.n), message.decided_idx),
        PaxosMsg::ProposalForward(entries) => write!(f, "+{}", entries.len()),
        PaxosMsg::Compaction(_) | PaxosMsg::AcceptStopSign(_) | PaxosMsg::ForwardStopSign(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_one_variant() {
        let (round, peer) = (Round { n: 3, server: 1 }, NodeId::server(2));
        let command = Command { by: NodeId::client(1), operation: OperationId(1), value: 1 };
        let all = [
            Observed::Elected { round },
            Observed::SteppedDown { round },
            Observed::Promised { round },
            Observed::Decided { index: 7, command },
            Observed::Reconnected { peer },
        ];
        let names: Vec<&str> = all.iter().map(|observed| observed.face().name).collect();
        assert_eq!(names, Observed::NAMES);
        let placed: Vec<&str> =
            all.iter().map(Observation::face).filter(|face| face.place == Some(7)).map(|face| face.name).collect();
        assert_eq!(placed, Observed::PLACED);
    }
}
