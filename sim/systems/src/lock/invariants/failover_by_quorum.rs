//! A sentinel takes the master for objectively down only if a quorum of sentinels finds it down, itself among them
//! (redis-doc, "High availability with Redis Sentinel", "SDOWN and ODOWN failure state").
//!
//! What others find is what they have sent, not what the sentinel has heard.

use std::collections::{BTreeMap, BTreeSet};

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use super::index::FAILOVER_BY_QUORUM;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "failover_by_quorum",
    doc: "A sentinel takes the master for objectively down only if a quorum of sentinels has found it down.",
    source: "redis-doc, High availability with Redis Sentinel, \"SDOWN and ODOWN failure state\"",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// What sentinels have said to one another since each found the master down.
#[derive(Clone, Debug)]
pub(super) struct Polls {
    quorum: u64,
    agreed: BTreeMap<NodeId, BTreeSet<NodeId>>,
}

impl Polls {
    /// So many sentinels must agree.
    pub(super) const fn new(quorum: u64) -> Self {
        Self { quorum, agreed: BTreeMap::new() }
    }

    /// The master is down for a sentinel: what it was told before is old.
    pub(super) fn on_down_for(&mut self, sentinel: NodeId) {
        self.agreed.insert(sentinel, BTreeSet::new());
    }

    /// A sentinel answers another one.
    pub(super) fn on_polled(&mut self, asker: NodeId, sentinel: NodeId, is_down: bool) {
        if is_down {
            self.agreed.entry(asker).or_default().insert(sentinel);
        }
    }

    /// A sentinel finds that enough agree.
    pub(super) fn on_agreed(&mut self, sentinel: NodeId, master: NodeId, findings: &mut Findings) {
        let agreed = 1 + self.agreed.get(&sentinel).map_or(0, BTreeSet::len) as u64;
        let quorum = self.quorum;
        findings.check(FAILOVER_BY_QUORUM, Some(sentinel), agreed >= quorum, || {
            format!("{sentinel} takes {master} for objectively down: {agreed} find it down, and it takes {quorum}")
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{N1, N2, N3, R1, all_on, broken};
    use super::*;

    fn judged(said: &[(NodeId, bool)]) -> Option<usize> {
        let (mut polls, mut findings) = (Polls::new(2), all_on());
        polls.on_polled(N1, N2, true);
        polls.on_down_for(N1);
        said.iter().for_each(|(by, is_down)| polls.on_polled(N1, *by, *is_down));
        polls.on_agreed(N1, R1, &mut findings);
        broken(&findings)
    }

    #[test]
    fn another_one_must_have_said_so_since() {
        assert_eq!(judged(&[(N3, true)]), None);
        assert_eq!(judged(&[(N3, false)]), Some(FAILOVER_BY_QUORUM));
        assert_eq!(judged(&[]), Some(FAILOVER_BY_QUORUM), "what was said before is old");
    }
}
