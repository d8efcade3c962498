//! A redis that restarts has the role that it had, or a later one: it does not go back to what a failover has ended
//! (valkey #1322: two masters after restarts).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

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

/// What a server says that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Role {
    /// Of which failover.
    pub(super) epoch: u64,
    /// Its master; `None` for a master.
    pub(super) master: Option<NodeId>,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.master {
            Some(master) => write!(f, "a replica of {master} in epoch {}", self.epoch),
            None => write!(f, "the master of epoch {}", self.epoch),
        }
    }
}

impl Role {
    /// Whether a server that had this role may start in that one: the same, or one of a later failover.
    fn may_become(self, other: Self) -> bool {
        self == other || self.epoch < other.epoch
    }
}

/// What roles servers had.
#[derive(Clone, Debug, Default)]
pub(super) struct Roles {
    /// The last one, and since when.
    last: BTreeMap<NodeId, (Role, Instant)>,
    /// The servers that start, with the role that must not be gone.
    starting: BTreeMap<NodeId, Role>,
    down: BTreeSet<NodeId>,
}

impl Roles {
    /// A server ends: what it was for a while is on its disk.
    pub(super) fn on_down(&mut self, now: Instant, server: NodeId) {
        if let Some((role, since)) = self.last.remove(&server)
            && since.saturating_add(WRITTEN_IN) <= now
        {
            self.down.insert(server);
            self.starting.insert(server, role);
        }
    }

    pub(super) fn on_start(&mut self, server: NodeId) {
        if !self.down.remove(&server) {
            self.starting.remove(&server);
        }
    }

    /// A server says what it is.
    pub(super) fn on_role(&mut self, now: Instant, server: NodeId, role: Role, terms: &Terms, findings: &mut Findings) {
        let kept = self.starting.remove(&server).filter(|_| terms.is_replicated() && terms.disk_is_faithful(server));
        if let Some(kept) = kept {
            findings.check(ROLE_SURVIVES_RESTART, Some(server), kept.may_become(role), || {
                format!("{server} restarts as {role}, and was {kept}")
            });
        }
        self.last.insert(server, (role, now));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{R1, R2, all_on, broken, replicated, seconds};
    use super::*;

    const fn role(epoch: u64, master: Option<NodeId>) -> Role {
        Role { epoch, master }
    }

    /// A server becomes the master of epoch 3 at second 5, ends, and starts in another role.
    fn judged(ends_at: u64, after: Role) -> Option<usize> {
        let (terms, mut roles, mut findings) = (replicated(2), Roles::default(), all_on());
        roles.on_role(seconds(0), R1, role(0, Some(R2)), &terms, &mut findings);
        roles.on_role(seconds(5), R1, role(3, None), &terms, &mut findings);
        roles.on_down(seconds(ends_at), R1);
        roles.on_start(R1);
        roles.on_role(seconds(20), R1, after, &terms, &mut findings);
        broken(&findings)
    }

    #[test]
    fn the_role_or_a_later_one_is_right_and_an_earlier_one_is_found() {
        assert_eq!(judged(10, role(3, None)), None);
        assert_eq!(judged(10, role(4, Some(R2))), None);
        assert_eq!(judged(5, role(0, Some(R2))), None, "it was not yet on the disk");
        assert_eq!(judged(10, role(0, Some(R2))), Some(ROLE_SURVIVES_RESTART));
    }

    #[test]
    fn the_other_role_of_the_same_epoch_is_found() {
        assert_eq!(judged(10, role(3, Some(R2))), Some(ROLE_SURVIVES_RESTART));
    }
}
