//! A leader changes the membership only once it has committed an entry of its own term (Ongaro 2015, raft-dev): before
//! that it may not know that another leader has changed it since, and the two changes need not share a quorum.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::raft::facts::{Fact, Held};
use crate::raft::ids::{Index, Position};

use super::index::CHANGE_FOLLOWS_OWN_COMMIT;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "change_follows_own_commit",
    doc: "A leader changes the membership only once it has committed an entry of its own term.",
    source: "Ongaro 2015, raft-dev; jgroups-raft #38, hydro #3192",
    kind: InvariantKind::Safety,
    sight: Sight::WhiteBox,
};

/// A leader appends a configuration; `committed` is the last place that it has committed, and `held` what it has there.
pub(super) fn append(leader: NodeId, at: Position, committed: Index, held: Fact<Held>, findings: &mut Findings) {
    let Some(held) = held else { return findings.lacks(CHANGE_FOLLOWS_OWN_COMMIT) };
    findings.check(CHANGE_FOLLOWS_OWN_COMMIT, Some(leader), held == Held::Entry(at.term), || {
        format!("{leader} appends a configuration at {at}; the last that it has committed, at {committed}, is {held}")
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, s};
    use super::*;
    use crate::raft::ids::Term;

    const AT: Position = Position { term: Term(3), index: Index(7) };

    #[test]
    fn a_change_after_an_own_commit_is_right() {
        let mut findings = all_on();
        append(s(1), AT, Index(6), Some(Held::Entry(Term(3))), &mut findings);
        assert!(!findings.is_broken());
    }

    #[test]
    fn a_change_before_it_is_found() {
        let mut findings = all_on();
        append(s(1), AT, Index(5), Some(Held::Entry(Term(2))), &mut findings);
        let facts = "s1 appends a configuration at 7@3; the last that it has committed, at 5, is an entry of term 2";
        assert_eq!(broken(&findings), (CHANGE_FOLLOWS_OWN_COMMIT, facts));
    }

    #[test]
    fn what_cannot_be_read_is_not_evaluated() {
        let mut findings = all_on();
        append(s(1), AT, Index(5), None, &mut findings);
        assert_eq!((findings.is_broken(), findings.lacking()[CHANGE_FOLLOWS_OWN_COMMIT]), (false, 1));
    }
}
