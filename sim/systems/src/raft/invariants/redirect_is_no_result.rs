//! A redirect is no result: a server that does not lead, or takes nothing for now, has said nothing of an operation, of
//! which a copy may still reach a leader. A client must not end an operation as done or failed because of it.

use splitbrain_kernel::context::OperationId;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use super::index::REDIRECT_IS_NO_RESULT;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "redirect_is_no_result",
    doc: "No client ends an operation as done or failed because a server does not lead or takes nothing for now.",
    source: "Raft §8; RedisRaft #23",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// An operation ends for certain, as an effect of a redirect or of something else.
pub(super) fn completed(client: NodeId, id: OperationId, of_redirect: bool, findings: &mut Findings) {
    findings.check(REDIRECT_IS_NO_RESULT, Some(client), !of_redirect, || {
        format!("{client} took the refusal of one server for the end of operation {}", id.0)
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, c};
    use super::*;

    #[test]
    fn only_the_end_by_a_redirect_is_found() {
        let mut findings = all_on();
        completed(c(1), OperationId(0), false, &mut findings);
        assert!(!findings.is_broken());
        completed(c(1), OperationId(1), true, &mut findings);
        assert_eq!(broken(&findings).0, REDIRECT_IS_NO_RESULT);
    }
}
