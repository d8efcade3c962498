//! Elected by a quorum (Raft §5.2): a server that is elected has the votes of a quorum of distinct
//! voters, given in that very term.
//!
//! Seen from outside: the votes are the granting replies that have left, each voter counted once, and the leader's own.
//! A custom election quorum takes the place of a majority, and 1 where one of two servers took itself for a quorum and
//! the options allow it. How many votes a quorum takes is the invariants' own arithmetic, not that of the servers.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::raft::facts::{ConfigurationFacts, Fact};
use crate::raft::ids::{ServerSet, Term};

use super::frame::{Frame, slot};
use super::index::ELECTED_BY_QUORUM;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "elected_by_quorum",
    doc: "A server that is elected has the votes of a quorum of distinct voters in that term.",
    source: "Raft §5.2",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// The votes that each candidate was given, by slot and then by term; and which servers took themselves for a quorum.
///
/// - Terms before that of a candidate's last election are forgotten: it can no longer win in one of them.
#[derive(Clone, Debug)]
pub(super) struct GrantedVotes {
    given: Vec<Vec<(Term, ServerSet)>>,
    alone: ServerSet,
}

impl GrantedVotes {
    pub(super) fn new(server_count: usize) -> Self {
        Self { given: vec![Vec::new(); server_count], alone: ServerSet::EMPTY }
    }

    /// A vote leaves a voter.
    pub(super) fn vote(&mut self, voter: NodeId, term: Term, candidate: NodeId) {
        let given = &mut self.given[slot(candidate)];
        let place = given.iter().position(|(of, _)| *of == term).unwrap_or_else(|| {
            given.push((term, ServerSet::EMPTY));
            given.len() - 1
        });
        given[place].1.insert(voter);
    }

    /// A server asks for votes in this term.
    pub(super) fn on_candidacy(&mut self, candidate: NodeId, term: Term) {
        self.given[slot(candidate)].retain(|(of, _)| *of >= term);
    }

    /// One of two servers takes itself for a quorum, or no longer.
    pub(super) fn stand_alone(&mut self, server: NodeId, alone: bool) {
        if alone {
            self.alone.insert(server);
        } else {
            self.alone.remove(server);
        }
    }

    /// Whether this server takes itself for a quorum of two voters, and may.
    pub(super) fn is_alone(&self, frame: &Frame, server: NodeId, configuration: ConfigurationFacts) -> bool {
        frame.rules(server).may_stand_alone && self.alone.contains(server) && configuration.electors().len() == 2
    }

    /// A server is elected, by the voters of this configuration.
    pub(super) fn elect(
        &self,
        frame: &Frame,
        configuration: Fact<ConfigurationFacts>,
        leader: NodeId,
        term: Term,
        findings: &mut Findings,
    ) {
        let Some(configuration) = configuration else { return findings.lacks(ELECTED_BY_QUORUM) };
        let is_alone = self.is_alone(frame, leader, configuration);
        let lacking = self.lacking(frame, configuration, (leader, term), is_alone);
        findings.check(ELECTED_BY_QUORUM, Some(leader), lacking.is_none(), || {
            let (quorum, votes) = lacking.unwrap_or_default();
            format!("{leader} became leader of term {term}, which takes {quorum} votes; only {votes:?} voted for it")
        });
    }

    /// What this candidate lacks for a quorum in this term, its own vote counted: how many it takes, and who gave one.
    /// `None` if it has a quorum of each set of voters.
    pub(super) fn lacking(
        &self,
        frame: &Frame,
        configuration: ConfigurationFacts,
        (candidate, term): (NodeId, Term),
        is_alone: bool,
    ) -> Option<(usize, ServerSet)> {
        let given = self.given[slot(candidate)].iter().find(|(of, _)| *of == term);
        let mut votes = given.map_or(ServerSet::EMPTY, |(_, voters)| *voters);
        votes.insert(candidate);
        let rules = frame.rules(candidate);
        let needed = |voters: ServerSet| if is_alone { 1 } else { rules.election_quorum.of(voters.len()) };
        [configuration.voters, configuration.outgoing]
            .into_iter()
            .filter(|voters| !voters.is_empty())
            .map(|voters| (needed(voters), votes.intersection(voters)))
            .find(|(quorum, votes)| votes.len() < *quorum)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, frame, s};
    use super::*;
    use crate::raft::options::RaftOptions;
    use crate::raft::presets;

    fn elect(votes: &[(u16, u64)], options: RaftOptions) -> Findings {
        let (mut granted_votes, mut findings) = (GrantedVotes::new(5), all_on());
        for (voter, term) in votes {
            granted_votes.vote(s(*voter), Term(*term), s(1));
        }
        let frame = frame(5, options);
        granted_votes.elect(&frame, frame.configuration_at(None), s(1), Term(7), &mut findings);
        findings
    }

    #[test]
    fn a_quorum_with_the_own_vote_elects() {
        assert!(!elect(&[(2, 7), (3, 7)], presets::paper()).is_broken());
    }

    #[test]
    fn a_vote_that_came_twice_counts_once() {
        let findings = elect(&[(2, 7), (2, 7)], presets::paper());
        let facts = "s1 became leader of term 7, which takes 3 votes; only {s1, s2} voted for it";
        assert_eq!(broken(&findings), (ELECTED_BY_QUORUM, facts));
    }

    #[test]
    fn votes_of_an_older_term_count_nothing() {
        assert!(elect(&[(2, 6), (3, 6), (2, 7)], presets::paper()).is_broken());
        assert!(elect(&[(2, 6), (3, 6)], presets::paper()).is_broken());
    }

    #[test]
    fn a_custom_quorum_takes_the_place_of_a_majority() {
        let custom = |size| presets::nuraft().with(|o| o.quorum.election = size);
        assert!(!elect(&[(2, 7)], custom(2)).is_broken());
        assert!(elect(&[(2, 7), (3, 7)], custom(4)).is_broken());
    }

    #[test]
    fn a_vote_of_a_later_term_hides_none_of_the_votes_that_elected() {
        let findings = elect(&[(2, 7), (1, 8), (2, 8)], presets::paper());
        let facts = "s1 became leader of term 7, which takes 3 votes; only {s1, s2} voted for it";
        assert_eq!(broken(&findings), (ELECTED_BY_QUORUM, facts));
        assert!(!elect(&[(2, 7), (5, 7), (1, 8)], presets::paper()).is_broken());
    }

    #[test]
    fn votes_of_terms_before_the_last_election_are_forgotten() {
        let mut granted_votes = GrantedVotes::new(3);
        for term in 1..=100 {
            granted_votes.on_candidacy(s(1), Term(term));
            granted_votes.vote(s(2), Term(term), s(1));
            granted_votes.vote(s(3), Term(term + 1), s(1));
        }
        assert_eq!(granted_votes.given[slot(s(1))].len(), 2);
    }

    #[test]
    fn a_server_that_may_stand_alone_needs_no_other_vote() {
        let elect = |alone, auto_adjust_quorum| {
            let (mut granted_votes, mut findings) = (GrantedVotes::new(2), all_on());
            granted_votes.stand_alone(s(1), true);
            granted_votes.stand_alone(s(1), alone);
            let frame = frame(2, presets::nuraft().with(|o| o.quorum.auto_adjust = auto_adjust_quorum));
            granted_votes.elect(&frame, frame.configuration_at(None), s(1), Term(7), &mut findings);
            findings.is_broken()
        };
        assert!(!elect(true, true));
        assert!(elect(false, true), "it needs the other one again");
        assert!(elect(true, false), "what it takes itself for is not what the options allow");
    }

    #[test]
    fn in_a_joint_change_both_configurations_must_agree() {
        let set = |servers: &[u16]| servers.iter().map(|server| s(*server)).collect::<ServerSet>();
        let joint =
            ConfigurationFacts { voters: set(&[1, 4, 5]), outgoing: set(&[1, 2, 3]), learners: ServerSet::EMPTY };
        let elect = |votes: &[u16]| {
            let (mut granted_votes, mut findings) = (GrantedVotes::new(5), all_on());
            votes.iter().for_each(|voter| granted_votes.vote(s(*voter), Term(7), s(1)));
            granted_votes.elect(&frame(5, presets::etcd()), Some(joint), s(1), Term(7), &mut findings);
            findings
        };
        assert!(!elect(&[4, 2]).is_broken());
        let facts = "s1 became leader of term 7, which takes 2 votes; only {s1} voted for it";
        assert_eq!(broken(&elect(&[4, 5])), (ELECTED_BY_QUORUM, facts));
        assert!(elect(&[2, 3]).is_broken());
    }

    #[test]
    fn without_a_configuration_nothing_is_evaluated() {
        let mut findings = all_on();
        GrantedVotes::new(3).elect(&frame(3, presets::etcd()), None, s(1), Term(7), &mut findings);
        assert!(!findings.is_broken());
        assert_eq!((findings.evaluated()[ELECTED_BY_QUORUM], findings.lacking()[ELECTED_BY_QUORUM]), (0, 1));
    }
}
