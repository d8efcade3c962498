//! A redis that restarts has the role that it had, or a later one: it does not go back to what a failover has ended
//! (valkey #1322: two masters after restarts).

use std::collections::{BTreeMap, BTreeSet};

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::{Duration, Instant};

use super::index::ROLE_SURVIVES_RESTART;
use super::terms::Terms;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "role_survives_restart",
    doc: "A redis that restarts does not go back to the role that it had before the last failover.",
    source: "valkey #1322; redis-doc, CONFIG REWRITE",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// The time in which a role is on the disk.
const WRITTEN_IN: Duration = Duration::from_secs(1);

/// What roles servers had.
#[derive(Clone, Debug, Default)]
pub(super) struct Roles {
    /// The epoch of the last one, and since when.
    last: BTreeMap<NodeId, (u64, Instant)>,
    /// The servers that start, with the epoch that must not be gone.
    starting: BTreeMap<NodeId, u64>,
    down: BTreeSet<NodeId>,
}

impl Roles {
    /// A server ends: what it was for a while is on its disk.
    pub(super) fn on_down(&mut self, now: Instant, server: NodeId) {
        if let Some((epoch, since)) = self.last.remove(&server)
            && since.saturating_add(WRITTEN_IN) <= now
        {
            self.down.insert(server);
            self.starting.insert(server, epoch);
        }
    }

    pub(super) fn on_start(&mut self, server: NodeId) {
        if !self.down.remove(&server) {
            self.starting.remove(&server);
        }
    }

    /// A server says what it is.
    pub(super) fn on_role(&mut self, now: Instant, server: NodeId, epoch: u64, terms: &Terms, findings: &mut Findings) {
        let kept = self.starting.remove(&server).filter(|_| terms.is_replicated() && terms.disk_is_faithful(server));
        if let Some(kept) = kept {
            findings.check(ROLE_SURVIVES_RESTART, Some(server), kept <= epoch, || {
                format!("{server} restarts in the role of epoch {epoch}, and had that of epoch {kept}")
            });
        }
        self.last.insert(server, (epoch, now));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{R1, all_on, broken, replicated, seconds};
    use super::*;

    /// A server takes a role at second 5, ends, and starts in another one.
    fn judged(ends_at: u64, epoch: u64) -> Option<usize> {
        let (terms, mut roles, mut findings) = (replicated(2), Roles::default(), all_on());
        roles.on_role(seconds(0), R1, 0, &terms, &mut findings);
        roles.on_role(seconds(5), R1, 3, &terms, &mut findings);
        roles.on_down(seconds(ends_at), R1);
        roles.on_start(R1);
        roles.on_role(seconds(20), R1, epoch, &terms, &mut findings);
        broken(&findings)
    }

    #[test]
    fn the_role_or_a_later_one_is_right_and_an_earlier_one_is_found() {
        assert_eq!(judged(10, 3), None);
        assert_eq!(judged(10, 4), None);
        assert_eq!(judged(5, 0), None, "it was not yet on the disk");
        assert_eq!(judged(10, 0), Some(ROLE_SURVIVES_RESTART));
    }
}
