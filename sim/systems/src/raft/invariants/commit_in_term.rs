//! A leader commits by counting only in its own term (Raft §5.4.2, figure 8; ccfraft `NeverCommitEntryPrevTerms`):
//! the last entry that it commits is one of its own.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::raft::ids::{Position, Term};

use super::index::COMMIT_IN_TERM;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "commit_in_term",
    doc: "The last entry that a leader commits is one of its own term.",
    source: "Raft §5.4.2, figure 8; ccfraft NeverCommitEntryPrevTerms",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// A server commits up to here; `leads` is the term that it leads.
pub(super) fn commit(server: NodeId, leads: Option<Term>, position: Position, findings: &mut Findings) {
    let Some(term) = leads else { return };
    findings.check(COMMIT_IN_TERM, Some(server), position.term == term, || {
        format!(
            "{server} leads term {term}; it commits by counting up to {position}, an entry of term {}",
            position.term
        )
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, s};
    use super::*;
    use crate::raft::ids::Index;

    #[test]
    fn only_an_entry_of_the_own_term_may_be_the_last() {
        let at = |term| Position { term: Term(term), index: Index(3) };
        let mut findings = all_on();
        commit(s(1), Some(Term(4)), at(4), &mut findings);
        commit(s(2), None, at(2), &mut findings);
        assert!(!findings.is_broken());
        commit(s(1), Some(Term(4)), at(2), &mut findings);
        let facts = "s1 leads term 4; it commits by counting up to 3@2, an entry of term 2";
        assert_eq!(broken(&findings), (COMMIT_IN_TERM, facts));
    }
}
