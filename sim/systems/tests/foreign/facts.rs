//! What the foreign Raft says of itself: everything, or only role and term.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::{Stored, Write};
use splitbrain_kernel::view::Records;
use splitbrain_systems::raft::facts::{
    ConfigurationFacts, DurableLog, DurableState, Fact, Held, RaftFacts, RoleKind, Said, ServerFacts, TimerFacts, Told,
};
use splitbrain_systems::raft::ids::{Index, Position, Term};

use crate::node::{APPEND, APPEND_REPLY, Bytes, Foreign, LOG, Note, PRE_VOTE, Pair, Part, STATE, VOTE, VOTE_REPLY};

fn server(number: u64) -> Option<NodeId> {
    (number > 0).then(|| NodeId::server(number as u16))
}

const fn position((term, index): (u64, u64)) -> Position {
    Position { term: Term(term), index: Index(index) }
}

impl<const OPEN: bool> RaftFacts for Foreign<OPEN> {
    type Entry = (u64, u64);

    fn server(&self) -> Option<ServerFacts> {
        if !self.runs {
            return None;
        }
        let role = match self.part {
            Part::Follows => RoleKind::Follower,
            Part::Asks => RoleKind::PreCandidate,
            Part::Stands => RoleKind::Candidate,
            Part::Leads => RoleKind::Leader,
        };
        let facts = ServerFacts::new(role, Term(self.term));
        if !OPEN {
            return Some(facts);
        }
        let voters = (1..=self.voters()).map(NodeId::server).collect();
        Some(ServerFacts {
            voted_for: Some(server(self.vote)),
            leader: Some(server(self.leader)),
            last: Some(position(self.last())),
            commit: Some(Index(self.commit)),
            timer: Some(TimerFacts { started_at: self.timer_at, contact_at: self.contact_at, heartbeat_seen: false }),
            may_campaign: Some(true),
            configuration: Some(ConfigurationFacts { voters, ..ConfigurationFacts::default() }),
            base: Some(Position::ZERO),
            durable: None,
            ..facts
        })
    }

    fn said(message: &Bytes) -> Said {
        let term = Term(message.word(1));
        match message.word(0) {
            PRE_VOTE => Said::PreVoteRequest,
            VOTE => {
                let last = position((message.word(2), message.word(3)));
                Said::VoteRequest { term, last: OPEN.then_some(last) }
            }
            VOTE_REPLY => Said::Vote { term, granted: message.word(2) == 1 },
            APPEND => Said::Append { term },
            APPEND_REPLY if message.word(2) == 1 => Said::Accepted { term, matched: Index(message.word(3)) },
            APPEND_REPLY => Said::Answered { term },
            _ => Said::Nothing,
        }
    }

    fn told(note: &Note) -> Told<'_, (u64, u64)> {
        match note {
            Note::Term(term) => Told::InTerm(Term(*term)),
            Note::Asks(term) => Told::Campaigns { role: RoleKind::PreCandidate, term: Term(*term) },
            Note::Stands(term) => Told::Campaigns { role: RoleKind::Candidate, term: Term(*term) },
            Note::Leads(term, last) => Told::Elected { term: Term(*term), last: OPEN.then_some(position(*last)) },
            Note::GivesUp => Told::SteppedDown,
            Note::Votes(term, candidate) => {
                Told::Granted { term: Term(*term), candidate: NodeId::server(*candidate as u16) }
            }
            Note::Refuses(candidate) => Told::Denied { candidate: NodeId::server(*candidate as u16) },
            Note::Commits(term, place) => Told::Committed(position((*term, *place))),
            Note::Applies(place, entry) => Told::Applied { index: Index(*place), entry },
        }
    }

    fn durable_state(disk: &impl Records<Pair>) -> Fact<DurableState> {
        OPEN.then(|| match disk.durable_last(STATE) {
            Some(Pair(term, vote)) => DurableState { term: Term(*term), voted_for: server(*vote) },
            None => DurableState::default(),
        })
    }

    fn durable_log(disk: &impl Records<Pair>) -> Fact<DurableLog> {
        let is_whole = |at: &usize| matches!(disk.get(LOG, *at), Some(Stored::Intact(_)));
        OPEN.then(|| DurableLog {
            base: Index::ZERO,
            last: Index((0..disk.len(LOG)).take_while(is_whole).count() as u64),
        })
    }

    fn has(&self, index: Index) -> Fact<Held> {
        let is_there = index.0 <= self.last().1;
        OPEN.then(|| if is_there { Held::Entry(Term(self.term_at(index.0))) } else { Held::Nothing })
    }

    fn matched(&self, follower: NodeId) -> Fact<Index> {
        OPEN.then(|| match self.part {
            Part::Leads => Index(self.matched[usize::from(follower.number())]),
            _ => Index::ZERO,
        })
    }

    fn held(disk: &impl Records<Pair>, index: Index) -> Fact<Held> {
        let record = index.0.checked_sub(1).and_then(|at| disk.get(LOG, at as usize));
        OPEN.then_some(match record {
            Some(Stored::Intact(Pair(term, _))) => Held::Entry(Term(*term)),
            _ => Held::Nothing,
        })
    }

    fn shortens_log(write: Write<&Pair>) -> bool {
        matches!(write, Write::Truncate(LOG, _))
    }
}
