//! Pre-votes of a quorum (thesis §9.6): a server that wins a round of pre-votes was granted those of a quorum of
//! distinct voters, for the very term that its round asks about.
//!
//! Seen from outside: the grants that voters say they give, each voter counted once, and the candidate's own. Messages
//! do not tell two rounds about one term apart, in etcd and NuRaft neither: a late grant of the earlier one counts.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::raft::facts::{ConfigurationFacts, Fact};
use crate::raft::ids::Term;

use super::elected_by_quorum::GrantedVotes;
use super::frame::Frame;
use super::index::PRE_VOTE_BY_QUORUM;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "pre_vote_by_quorum",
    doc: "A server that wins a round of pre-votes was granted them by a quorum of distinct voters, for that term.",
    source: "Raft thesis §9.6",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// A server of this term has won a round, among the voters of this configuration. `granted` are pre-votes, by the term
/// that was asked about.
pub(super) fn win(
    granted: &GrantedVotes,
    frame: &Frame,
    configuration: Fact<ConfigurationFacts>,
    (candidate, term): (NodeId, Term),
    is_alone: bool,
    findings: &mut Findings,
) {
    let Some(configuration) = configuration else { return findings.lacks(PRE_VOTE_BY_QUORUM) };
    let asked = Term(term.0.saturating_add(frame.rules(candidate).pre_vote_ahead));
    let lacking = granted.lacking(frame, configuration, (candidate, asked), is_alone);
    findings.check(PRE_VOTE_BY_QUORUM, Some(candidate), lacking.is_none(), || {
        let (quorum, voters) = lacking.unwrap_or_default();
        format!(
            "{candidate} won a round of pre-votes about term {asked}, which takes {quorum} of them; only {voters:?} \
             granted one"
        )
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, frame, s};
    use super::*;
    use crate::raft::options::RaftOptions;
    use crate::raft::presets;

    /// `s1`, of term 7, wins with these pre-votes: who granted one about which term.
    fn win_with(grants: &[(u16, u64)], options: RaftOptions) -> Findings {
        let (mut granted, mut findings) = (GrantedVotes::new(5), all_on());
        for (voter, term) in grants {
            granted.vote(s(*voter), Term(*term), s(1));
        }
        let frame = frame(5, options);
        win(&granted, &frame, frame.configuration_at(None), (s(1), Term(7)), false, &mut findings);
        findings
    }

    #[test]
    fn a_quorum_about_the_next_term_wins() {
        assert!(!win_with(&[(2, 8), (3, 8)], presets::etcd()).is_broken());
    }

    #[test]
    fn pre_votes_about_an_earlier_term_count_nothing_and_twice_is_once() {
        let findings = win_with(&[(2, 8), (2, 8), (3, 7)], presets::etcd());
        let facts = "s1 won a round of pre-votes about term 8, which takes 3 of them; only {s1, s2} granted one";
        assert_eq!(broken(&findings), (PRE_VOTE_BY_QUORUM, facts));
    }

    #[test]
    fn pre_votes_of_nuraft_are_about_the_term_that_the_candidate_is_in() {
        assert!(!win_with(&[(2, 7), (3, 7)], presets::nuraft()).is_broken());
        assert!(win_with(&[(2, 8), (3, 8)], presets::nuraft()).is_broken());
    }
}
