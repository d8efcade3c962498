//! Election Safety (Raft §5.2): at most one server is elected in a term, over the whole history.
//!
//! The history form: two leaders of one term are found even where the first is long gone when the second is elected. A
//! server that is elected twice in one term breaks it too.

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::Instant;

use crate::raft::facts::Fact;
use crate::raft::ids::{Position, Term};

use super::index::ELECTION_SAFETY;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "election_safety",
    doc: "At most one server is ever elected in a term.",
    source: "Raft §5.2",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// Who was elected, in which term: all leaders of the run.
#[derive(Clone, Debug, Default)]
pub(super) struct ElectedLeaders(BTreeMap<Term, Election>);

/// An election that was won.
#[derive(Clone, Copy, Debug)]
pub(super) struct Election {
    /// By whom.
    pub(super) leader: NodeId,
    /// When.
    pub(super) at: Instant,
    /// The last entry of its log at that moment.
    pub(super) last: Fact<Position>,
}

impl ElectedLeaders {
    /// A server is elected. Keeps the first of a term.
    pub(super) fn elect(&mut self, term: Term, election: Election, findings: &mut Findings) {
        let first = *self.0.entry(term).or_insert(election);
        let holds = first.at == election.at && first.leader == election.leader;
        findings.check(ELECTION_SAFETY, Some(election.leader), holds, || {
            let (one, other) = (first.leader, election.leader);
            format!(
                "{one} became leader of term {term} at {}; {other} became leader of term {term} at {}",
                first.at, election.at
            )
        });
    }

    /// The leaders of later terms, in order of term.
    pub(super) fn after(&self, term: Term) -> impl Iterator<Item = (Term, Election)> {
        let later = (std::ops::Bound::Excluded(term), std::ops::Bound::Unbounded);
        self.0.range(later).map(|(term, election)| (*term, *election))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, millis};
    use super::*;

    fn elect(elected: &mut ElectedLeaders, findings: &mut Findings, server: u16, term: u64, at: u64) {
        let election = Election { leader: NodeId::server(server), at: millis(at), last: Some(Position::ZERO) };
        elected.elect(Term(term), election, findings);
    }

    #[test]
    fn one_leader_a_term_is_right() {
        let (mut elected, mut findings) = (ElectedLeaders::default(), all_on());
        elect(&mut elected, &mut findings, 1, 1, 200);
        elect(&mut elected, &mut findings, 2, 2, 900);
        elect(&mut elected, &mut findings, 1, 4, 1_500);
        assert!(!findings.is_broken());
        assert_eq!(findings.evaluated()[ELECTION_SAFETY], 3);
    }

    #[test]
    fn two_leaders_of_a_term_at_different_times_are_found() {
        let (mut elected, mut findings) = (ElectedLeaders::default(), all_on());
        elect(&mut elected, &mut findings, 2, 7, 1_204);
        elect(&mut elected, &mut findings, 3, 8, 1_250);
        elect(&mut elected, &mut findings, 4, 7, 1_311);
        let (index, facts) = broken(&findings);
        assert_eq!(index, ELECTION_SAFETY);
        assert_eq!(facts, "s2 became leader of term 7 at 1.204000s; s4 became leader of term 7 at 1.311000s");
    }

    #[test]
    fn a_server_elected_twice_in_a_term_is_found() {
        let (mut elected, mut findings) = (ElectedLeaders::default(), all_on());
        elect(&mut elected, &mut findings, 2, 7, 1_204);
        elect(&mut elected, &mut findings, 2, 7, 1_311);
        assert!(findings.is_broken());
    }
}
