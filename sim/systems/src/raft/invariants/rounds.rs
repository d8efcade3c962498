//! What people are told of elections when liveness is broken: what each server does, what came of its last round, and
//! which elections there were.
//!
//! A table is a line for each row, its columns apart by tabs: whoever shows it aligns them. It is put together from
//! observations alone, so that what candidates count can be compared with what voters say. It decides nothing.

use std::collections::{BTreeMap, VecDeque};

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::view::View;

use crate::raft::facts::{RaftFacts, RoleKind, ServerFacts, Told};
use crate::raft::ids::{ServerSet, Term};

/// Elections that are remembered.
const ELECTIONS_MAX: usize = 64;

/// The rounds of votes and pre-votes, and the elections that were won.
#[derive(Clone, Debug, Default)]
pub(super) struct Rounds {
    /// The last round of each server.
    last: BTreeMap<NodeId, Round>,
    elections: VecDeque<Election>,
}

/// A round of votes or pre-votes.
#[derive(Clone, Debug)]
struct Round {
    role: RoleKind,
    term: Term,
    at: Instant,
    answers: BTreeMap<NodeId, Reply>,
}

/// What a voter has said of a request, whether that reached the candidate or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reply {
    Granted,
    /// Why, if it says so.
    Refused(Option<&'static str>),
}

/// An election that was won.
#[derive(Clone, Debug)]
struct Election {
    leader: NodeId,
    term: Term,
    at: Instant,
    /// Those who say that they voted for it, itself left out.
    voters: Vec<NodeId>,
    /// When it led no longer, and why.
    ended: Option<(Instant, &'static str)>,
}

impl Rounds {
    /// A server says something; `why` is the reason that it gives.
    pub(super) fn hear<E>(&mut self, node: NodeId, told: &Told<'_, E>, why: Option<&'static str>, now: Instant) {
        match told {
            Told::Campaigns { role, term } => {
                self.last.insert(node, Round { role: *role, term: *term, at: now, answers: BTreeMap::new() });
            }
            Told::Granted { candidate, .. } => self.answer(RoleKind::Candidate, *candidate, node, Reply::Granted),
            Told::Denied { candidate } => self.answer(RoleKind::Candidate, *candidate, node, Reply::Refused(why)),
            Told::PreVoteGranted { candidate, .. } => {
                self.answer(RoleKind::PreCandidate, *candidate, node, Reply::Granted);
            }
            Told::PreVoteDenied { candidate } => {
                self.answer(RoleKind::PreCandidate, *candidate, node, Reply::Refused(why));
            }
            Told::Elected { term, .. } => self.elect(node, *term, now),
            Told::SteppedDown => self.end(node, now, why.unwrap_or("it stepped down")),
            Told::Retires => self.end(node, now, why.unwrap_or("it left")),
            _ => {}
        }
    }

    fn answer(&mut self, role: RoleKind, candidate: NodeId, voter: NodeId, reply: Reply) {
        if let Some(round) = self.last.get_mut(&candidate).filter(|round| round.role == role) {
            round.answers.insert(voter, reply);
        }
    }

    fn elect(&mut self, leader: NodeId, term: Term, at: Instant) {
        let round = self.last.get(&leader).filter(|round| round.term == term);
        let granted = round.into_iter().flat_map(|round| &round.answers);
        let voters = granted.filter(|(_, reply)| **reply == Reply::Granted).map(|(voter, _)| *voter).collect();
        if self.elections.len() == ELECTIONS_MAX {
            self.elections.pop_front();
        }
        self.elections.push_back(Election { leader, term, at, voters, ended: None });
    }

    /// The process of a server has ended.
    pub(super) fn end_process(&mut self, leader: NodeId, now: Instant) {
        self.end(leader, now, "its process ended");
    }

    fn end(&mut self, leader: NodeId, now: Instant, why: &'static str) {
        let last = self.elections.iter_mut().rev().find(|election| election.leader == leader);
        if let Some(election) = last.filter(|election| election.ended.is_none()) {
            election.ended = Some((now, why));
        }
    }

    /// What each of these servers does.
    pub(super) fn table<N: RaftFacts>(&self, view: impl View<N>, servers: ServerSet) -> Vec<String> {
        let heads = ["server", "is", "term", "log", "timer restarted", "heard a leader", "last round", "answers"];
        let rows = servers.iter().map(|server| self.row(view, server, servers).join("\t"));
        std::iter::once(heads.join("\t")).chain(rows).collect()
    }

    fn row<N: RaftFacts>(&self, view: impl View<N>, server: NodeId, all: ServerSet) -> Vec<String> {
        let Some(facts) = view.node(server).and_then(N::server) else {
            return vec![server.to_string(), "down".to_owned()];
        };
        let mut row = vec![server.to_string(), role_of(view, server, &facts), facts.term.to_string()];
        row.push(facts.last.map_or_else(|| UNKNOWN.to_owned(), |last| last.to_string()));
        let local = view.monotonic(server);
        row.push(facts.timer.map_or_else(|| UNKNOWN.to_owned(), |timer| ago(local, timer.started_at)));
        let contact = |at: Option<Instant>| at.map_or_else(|| "never".to_owned(), |at| ago(local, at));
        row.push(facts.timer.map_or_else(|| UNKNOWN.to_owned(), |timer| contact(timer.contact_at)));
        match self.last.get(&server) {
            None => row.push("none".to_owned()),
            Some(round) => {
                let what = if round.role == RoleKind::PreCandidate { "pre-votes" } else { "votes" };
                row.push(format!("{what} of term {}, {}", round.term, ago(view.now(), round.at)));
                row.push(round.answers_of(all.without(server)));
            }
        }
        row
    }

    /// A line for each election from this moment on.
    pub(super) fn elections_since(&self, since: Instant) -> Vec<String> {
        let elections = self.elections.iter().filter(|election| election.at >= since);
        let rows = elections.enumerate().map(|(place, election)| election.row(place).join("\t"));
        let heads = ["election", "at", "leader", "term", "votes", "until", "why it ended"].join("\t");
        std::iter::once(heads).chain(rows).collect()
    }
}

/// What an implementation does not say.
const UNKNOWN: &str = "?";

fn role_of<N: RaftFacts>(view: impl View<N>, server: NodeId, facts: &ServerFacts) -> String {
    let role = facts.role.name();
    match () {
        () if view.is_paused(server) => format!("{role}, paused"),
        () if !view.is_lively(server) => format!("{role}, slow"),
        () => role.to_owned(),
    }
}

/// `350ms ago`, to the millisecond.
fn ago(now: Instant, then: Instant) -> String {
    format!("{} ago", Duration::from_millis(now.since(then).as_millis()))
}

impl Round {
    /// What each of these has said: `granted: s2, log behind: s3 s4, no answer: s5`.
    fn answers_of(&self, voters: ServerSet) -> String {
        let mut groups: Vec<(&str, Vec<String>)> = Vec::new();
        for voter in voters.iter() {
            let said = match self.answers.get(&voter) {
                None => "no answer",
                Some(Reply::Granted) => "granted",
                Some(Reply::Refused(why)) => why.unwrap_or("refused"),
            };
            match groups.iter_mut().find(|(known, _)| *known == said) {
                Some((_, named)) => named.push(voter.to_string()),
                None => groups.push((said, vec![voter.to_string()])),
            }
        }
        let shown = groups.iter().map(|(said, named)| format!("{said}: {}", named.join(" ")));
        shown.collect::<Vec<_>>().join(", ")
    }
}

impl Election {
    fn row(&self, place: usize) -> Vec<String> {
        let mut votes = vec![self.leader.to_string()];
        votes.extend(self.voters.iter().map(NodeId::to_string));
        let mut row =
            vec![(place + 1).to_string(), self.at.to_string(), self.leader.to_string(), self.term.to_string()];
        row.push(votes.join(" "));
        match self.ended {
            None => row.push("now".to_owned()),
            Some((at, why)) => row.extend([at.to_string(), why.to_owned()]),
        }
        row
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{millis, s};
    use super::*;
    use crate::raft::ids::Position;

    type Heard = Told<'static, ()>;

    const ELECTED: fn(u64) -> Heard = |term| Told::Elected { term: Term(term), last: Some(Position::ZERO) };

    fn campaigns(role: RoleKind, term: u64) -> Heard {
        Told::Campaigns { role, term: Term(term) }
    }

    #[test]
    fn a_round_shows_who_answered_what_and_who_did_not() {
        let mut rounds = Rounds::default();
        rounds.hear(s(1), &campaigns(RoleKind::PreCandidate, 4), None, millis(100));
        rounds.hear(s(2), &Heard::PreVoteDenied { candidate: s(1) }, Some("leader alive"), millis(101));
        rounds.hear(s(3), &Heard::PreVoteGranted { term: Term(5), candidate: s(1) }, None, millis(102));
        // An answer to a round of votes is none to this one.
        rounds.hear(s(4), &Heard::Denied { candidate: s(1) }, Some("log behind"), millis(103));
        let others = (2..=4).map(s).collect();
        let answers = rounds.last[&s(1)].answers_of(others);
        assert_eq!(answers, "leader alive: s2, granted: s3, no answer: s4");
        rounds.hear(s(1), &campaigns(RoleKind::Candidate, 5), None, millis(200));
        assert_eq!(rounds.last[&s(1)].answers_of(others), "no answer: s2 s3 s4", "a new round");
        rounds.hear(s(2), &Heard::Denied { candidate: s(1) }, None, millis(201));
        assert_eq!(rounds.last[&s(1)].answers_of(others), "refused: s2, no answer: s3 s4");
    }

    #[test]
    fn each_election_has_a_line_with_its_votes_and_its_end() {
        let mut rounds = Rounds::default();
        for (at, leader, term) in [(1_000, 1, 2), (1_300, 2, 3), (1_600, 1, 4)] {
            let granted = Heard::Granted { term: Term(term), candidate: s(leader) };
            rounds.hear(s(leader), &campaigns(RoleKind::Candidate, term), None, millis(at - 20));
            rounds.hear(s(3), &granted, None, millis(at - 10));
            rounds.hear(s(leader), &ELECTED(term), None, millis(at));
        }
        rounds.hear(s(2), &Heard::SteppedDown, Some("later term"), millis(1_590));
        rounds.end_process(s(1), millis(1_700));
        let lines = rounds.elections_since(millis(1_300));
        assert_eq!(
            lines,
            [
                "election\tat\tleader\tterm\tvotes\tuntil\twhy it ended",
                "1\t1.300000s\ts2\t3\ts2 s3\t1.590000s\tlater term",
                "2\t1.600000s\ts1\t4\ts1 s3\t1.700000s\tits process ended",
            ]
        );
        assert_eq!(rounds.elections_since(millis(5_000)).len(), 1, "the heading alone");
        rounds.hear(s(1), &ELECTED(5), None, millis(6_000));
        rounds.hear(s(1), &Heard::SteppedDown, None, millis(6_500));
        let last = rounds.elections_since(millis(6_000));
        assert!(last[1].ends_with("\tit stepped down"), "{last:?}: not every implementation says why");
    }

    #[test]
    fn elections_are_forgotten_before_they_are_many() {
        let mut rounds = Rounds::default();
        (0..200).for_each(|term| rounds.hear(s(1), &ELECTED(term), None, millis(term)));
        assert_eq!(rounds.elections.len(), ELECTIONS_MAX);
    }
}
