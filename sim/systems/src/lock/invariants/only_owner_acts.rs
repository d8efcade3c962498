//! A lock that lives is renewed and freed by its owner alone (redis-doc, "SET": release by a script that compares, "to
//! avoid that a client will try to release the lock after the expire time deleting the key created by another client").

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::lock::observation::Hold;

use super::index::ONLY_OWNER_ACTS;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "only_owner_acts",
    doc: "A lock that lives is renewed, freed or replaced only at the request of the client that it was granted to.",
    source: "redis-doc, SET, \"Patterns\"",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// A server renews or frees a lock because a client asked for it. Nothing is known of a lock whose grant was not seen.
pub(super) fn on_act(
    server: NodeId,
    hold: Hold,
    client: NodeId,
    owner: Option<NodeId>,
    act: &str,
    findings: &mut Findings,
) {
    let Some(owner) = owner else { return };
    findings.check(ONLY_OWNER_ACTS, Some(server), owner == client, || {
        format!("{client} {act} {} at {server}, which was granted to {owner}", hold.lock)
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{C1, C2, R1, all_on, broken, hold};
    use super::*;

    /// Which invariant breaks, and how often it was judged.
    fn judged(client: NodeId, owner: Option<NodeId>) -> (Option<usize>, u64) {
        let mut findings = all_on();
        on_act(R1, hold(1), client, owner, "frees", &mut findings);
        (broken(&findings), findings.evaluated()[ONLY_OWNER_ACTS])
    }

    #[test]
    fn the_owner_may_and_others_may_not() {
        assert_eq!(judged(C1, Some(C1)), (None, 1));
        assert_eq!(judged(C1, None), (None, 0), "no grant of it was seen");
        assert_eq!(judged(C2, Some(C1)).0, Some(ONLY_OWNER_ACTS));
    }
}
