//! The fencing tokens of the effects at a resource never fall, and each belongs to one holder (Kleppmann, "How to do
//! distributed locking": the storage server rejects the write with token 33 once it has seen 34).

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::lock::ids::{LockId, Token};
use crate::lock::observation::Hold;

use super::index::FENCE_ORDER;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "fence_order",
    doc: "The fencing tokens of effects at a resource never fall, and each belongs to one holder.",
    source: "Kleppmann, How to do distributed locking",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// The last fencing token of each lock at each resource, and whose it was.
#[derive(Clone, Debug, Default)]
pub(super) struct Fences {
    last: BTreeMap<(NodeId, LockId), (u64, Token)>,
}

impl Fences {
    /// A write takes effect. One without a fencing token says nothing.
    pub(super) fn on_applied(&mut self, resource: NodeId, hold: Hold, fence: Option<u64>, findings: &mut Findings) {
        let Some(fence) = fence else { return };
        let last = self.last.get(&(resource, hold.lock)).copied();
        let is_right = last.is_none_or(|(last, owner)| last < fence || (last == fence && owner == hold.token));
        findings.check(FENCE_ORDER, Some(resource), is_right, || {
            let (last, owner) = last.expect("there was one before");
            format!("{resource} takes a write of {} with token {fence}, after token {last} of {owner}", hold.token)
        });
        self.last.insert((resource, hold.lock), (fence, hold.token));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{E1, all_on, broken, hold};
    use super::*;

    fn judged(writes: &[(u64, u64)]) -> Option<usize> {
        let (mut fences, mut findings) = (Fences::default(), all_on());
        writes.iter().for_each(|(of, fence)| fences.on_applied(E1, hold(*of), Some(*fence), &mut findings));
        broken(&findings)
    }

    #[test]
    fn tokens_that_rise_or_stay_with_their_holder_are_right() {
        assert_eq!(judged(&[(1, 33), (1, 33), (2, 34), (3, 40)]), None);
    }

    #[test]
    fn a_token_that_falls_or_has_two_owners_is_found() {
        assert_eq!(judged(&[(2, 34), (1, 33)]), Some(FENCE_ORDER));
        assert_eq!(judged(&[(1, 33), (2, 33)]), Some(FENCE_ORDER));
    }
}
