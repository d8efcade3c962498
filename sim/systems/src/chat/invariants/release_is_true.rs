//! A chat server reports that it gave a lock back only if it had it.

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::chat::ids::Uid;

use super::index::RELEASE_IS_TRUE;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "release_is_true",
    doc: "For each report that the lock of a user was given back, the server has gained that lock once before.",
    source: "QT chat project, day 20, 3.1: giving back an empty identifier is reported as a success",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// How often each server has gained a lock more often than it reported to have given it back.
#[derive(Clone, Debug, Default)]
pub(super) struct Gains {
    of: BTreeMap<(NodeId, Uid), u32>,
}

impl Gains {
    pub(super) fn on_gained(&mut self, node: NodeId, uid: Uid) {
        *self.of.entry((node, uid)).or_default() += 1;
    }

    pub(super) fn on_down(&mut self, server: NodeId) {
        self.of.retain(|(node, _), _| *node != server);
    }

    pub(super) fn on_given_back(&mut self, node: NodeId, uid: Uid, findings: &mut Findings) {
        let had = self.of.entry((node, uid)).or_default();
        findings.check(RELEASE_IS_TRUE, Some(node), *had > 0, || {
            format!("{node} reports that it gave back the lock of {uid}, which it had not")
        });
        *had = had.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{H1, U1, U2, all_on, broken};
    use super::*;

    #[test]
    fn each_report_needs_a_gain() {
        let (mut gains, mut findings) = (Gains::default(), all_on());
        gains.on_gained(H1, U1);
        gains.on_given_back(H1, U1, &mut findings);
        assert_eq!(broken(&findings), None);
        gains.on_gained(H1, U2);
        gains.on_given_back(H1, U1, &mut findings);
        assert_eq!(broken(&findings), Some(RELEASE_IS_TRUE));
    }
}
