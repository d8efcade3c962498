//! What the tests of the invariants share.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::Findings;

pub(super) const S1: NodeId = NodeId::server(1);

/// Findings with every invariant on.
pub(super) fn all_on() -> Findings {
    Findings::new(u64::MAX)
}

/// The invariant that is broken; `None` if all hold.
pub(super) fn broken(findings: &Findings) -> Option<usize> {
    findings.first().map(|(index, ..)| index)
}
