//! Who campaigns believes in no leader (etcd #8334, #9586; raft-rs #84): a pre-candidate or candidate
//! that
//! still does refuses the others for the sake of a leader that it has given up itself.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::raft::ids::Term;

use super::index::CANDIDATES_KNOW_NO_LEADER;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "candidates_know_no_leader",
    doc: "A server that asks for pre-votes or votes believes in no leader any more.",
    source: "etcd #8334; raft-rs #84",
    kind: InvariantKind::Safety,
    sight: Sight::WhiteBox,
};

/// A server becomes a candidate of some kind; `leader` is whom it believes to lead.
pub(super) fn on_candidacy(server: NodeId, role: &str, term: Term, leader: Option<NodeId>, findings: &mut Findings) {
    findings.check(CANDIDATES_KNOW_NO_LEADER, Some(server), leader.is_none(), || {
        let leader = leader.map(|leader| leader.to_string()).unwrap_or_default();
        format!("{server} became {role} in term {term}; it still believes that {leader} leads")
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, s};
    use super::*;

    #[test]
    fn a_candidate_without_a_leader_is_right_and_one_with_a_leader_is_found() {
        let mut findings = all_on();
        on_candidacy(s(1), "pre-candidate", Term(3), None, &mut findings);
        assert!(!findings.is_broken());
        on_candidacy(s(1), "pre-candidate", Term(3), Some(s(2)), &mut findings);
        let facts = "s1 became pre-candidate in term 3; it still believes that s2 leads";
        assert_eq!(broken(&findings), (CANDIDATES_KNOW_NO_LEADER, facts));
    }
}
