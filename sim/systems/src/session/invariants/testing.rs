//! What the tests of the invariants share.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::Findings;

use crate::session::ids::{CHUNK, META, SessionId};

pub(super) const M1: NodeId = NodeId::new(META, 1);
pub(super) const K1: NodeId = NodeId::new(CHUNK, 1);
pub(super) const K2: NodeId = NodeId::new(CHUNK, 2);
pub(super) const ONE: SessionId = SessionId { master: 1, number: 1 };
pub(super) const TWO: SessionId = SessionId { master: 1, number: 2 };

/// Findings with every invariant on.
pub(super) fn all_on() -> Findings {
    Findings::new(u64::MAX)
}

/// The invariant that is broken; `None` if all hold.
pub(super) fn broken(findings: &Findings) -> Option<usize> {
    findings.first().map(|(index, ..)| index)
}
