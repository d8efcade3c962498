//! In an epoch one sentinel is elected to lead a failover (redis-doc, "High availability with Redis Sentinel",
//! "Configuration epochs": each failover has a version of its own).
//!
//! One that leads by order asks for no votes, and its epoch is not judged: Redis promises nothing of it.

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use super::index::ONE_LEADER_PER_EPOCH;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "one_leader_per_epoch",
    doc: "In an epoch one sentinel is elected to lead a failover.",
    source: "redis-doc, High availability with Redis Sentinel, \"Configuration epochs\"",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// Who has led in each epoch.
#[derive(Clone, Debug, Default)]
pub(super) struct Leaders {
    of: BTreeMap<u64, NodeId>,
}

impl Leaders {
    /// A sentinel was elected, and leads a failover.
    pub(super) fn on_begun(&mut self, sentinel: NodeId, epoch: u64, findings: &mut Findings) {
        let leader = *self.of.entry(epoch).or_insert(sentinel);
        findings.check(ONE_LEADER_PER_EPOCH, Some(sentinel), leader == sentinel, || {
            format!("{sentinel} leads a failover in epoch {epoch}, and so did {leader}")
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{N1, N2, all_on, broken};
    use super::*;

    fn judged(begun: &[(NodeId, u64)]) -> Option<usize> {
        let (mut leaders, mut findings) = (Leaders::default(), all_on());
        begun.iter().for_each(|(sentinel, epoch)| leaders.on_begun(*sentinel, *epoch, &mut findings));
        broken(&findings)
    }

    #[test]
    fn one_leads_an_epoch_and_another_the_next() {
        assert_eq!(judged(&[(N1, 1), (N1, 1), (N2, 2)]), None);
        assert_eq!(judged(&[(N1, 1), (N2, 1)]), Some(ONE_LEADER_PER_EPOCH));
    }
}
