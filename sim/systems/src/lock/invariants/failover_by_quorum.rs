//! A sentinel takes the master for objectively down only if a quorum of sentinels finds it down, itself among them
//! (redis-doc, "High availability with Redis Sentinel", "SDOWN and ODOWN failure state").
//!
//! What others find is what they have sent and what has reached the sentinel, by the messages alone. An opinion that is
//! withdrawn counts no longer, and neither does one about another master.

use std::collections::{BTreeMap, BTreeSet};

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use super::index::FAILOVER_BY_QUORUM;
use super::terms::Terms;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "failover_by_quorum",
    doc: "A sentinel takes the master for objectively down only if a quorum of sentinels has found it down.",
    source: "redis-doc, High availability with Redis Sentinel, \"SDOWN and ODOWN failure state\"",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// What each sentinel has heard from the others since it found the master down.
#[derive(Clone, Debug, Default)]
pub(super) struct Polls {
    /// By sentinel and master: the others that find that master down.
    agreed: BTreeMap<(NodeId, NodeId), BTreeSet<NodeId>>,
}

impl Polls {
    /// The master is down for a sentinel: what it heard before is old.
    pub(super) fn on_down_for(&mut self, sentinel: NodeId, master: NodeId) {
        self.agreed.insert((sentinel, master), BTreeSet::new());
    }

    /// A process has ended: it has forgotten what it heard.
    pub(super) fn on_down(&mut self, sentinel: NodeId) {
        self.agreed.retain(|(of, _), _| *of != sentinel);
    }

    /// The opinion of another sentinel reaches one that has asked. The last one counts.
    pub(super) fn on_polled(&mut self, asker: NodeId, sentinel: NodeId, master: NodeId, is_down: bool) {
        let agreed = self.agreed.entry((asker, master)).or_default();
        if is_down {
            agreed.insert(sentinel)
        } else {
            agreed.remove(&sentinel)
        };
    }

    /// A sentinel finds that enough agree.
    pub(super) fn on_agreed(&mut self, sentinel: NodeId, master: NodeId, terms: &Terms, findings: &mut Findings) {
        let agreed = 1 + self.agreed.get(&(sentinel, master)).map_or(0, BTreeSet::len) as u64;
        let quorum = terms.quorum(sentinel);
        findings.check(FAILOVER_BY_QUORUM, Some(sentinel), agreed >= quorum, || {
            format!("{sentinel} takes {master} for objectively down: {agreed} find it down, and it takes {quorum}")
        });
    }
}

#[cfg(test)]
mod tests {
    use splitbrain_kernel::options::PerServer;

    use crate::lock::options::LockOptions;
    use crate::lock::presets;

    use super::super::testing::{N1, N2, N3, R1, R2, all_on, broken, of, sentinels};
    use super::*;

    /// Whether sentinel 1 may take the master for down, of which it hears this; two sentinels must find so.
    fn judged(said: &[(NodeId, bool)]) -> Option<usize> {
        judged_under(&sentinels(2), said)
    }

    fn judged_under(terms: &Terms, said: &[(NodeId, bool)]) -> Option<usize> {
        let (mut polls, mut findings) = (Polls::default(), all_on());
        polls.on_polled(N1, N2, R1, true);
        polls.on_down_for(N1, R1);
        polls.on_polled(N1, N2, R2, true);
        said.iter().for_each(|(by, is_down)| polls.on_polled(N1, *by, R1, *is_down));
        polls.on_agreed(N1, R1, terms, &mut findings);
        broken(&findings)
    }

    #[test]
    fn another_one_must_have_said_so_since() {
        assert_eq!(judged(&[(N3, true)]), None);
        assert_eq!(judged(&[(N3, false)]), Some(FAILOVER_BY_QUORUM));
        assert_eq!(judged(&[]), Some(FAILOVER_BY_QUORUM), "what was said before, or of another master, does not count");
    }

    #[test]
    fn a_sentinel_counts_up_to_its_own_quorum() {
        let base = LockOptions { quorum: 2, ..presets::distlock() };
        let own = LockOptions { quorum: 1, ..base.clone() };
        let options = PerServer { base, of: BTreeMap::from([(N1, own)]) };
        assert_eq!(judged_under(&of(1, options), &[]), None);
    }

    #[test]
    fn an_opinion_that_is_withdrawn_does_not_count() {
        assert_eq!(judged(&[(N3, true), (N3, false)]), Some(FAILOVER_BY_QUORUM));
        assert_eq!(judged(&[(N3, true), (N2, true), (N3, false)]), None);
    }
}
