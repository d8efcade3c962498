//! A redis that restarts has the role that it had, or a later one: it does not go back to what a failover has ended
//! (valkey #1322: two masters after restarts).
//!
//! A role is held against it once the write of it was seen durable, or if it was never written at all: a disk may hang,
//! be full or slow.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::node::{Completion, WriteId};

use super::index::ROLE_SURVIVES_RESTART;
use super::terms::Terms;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "role_survives_restart",
    doc: "A redis that restarts does not go back to the role that it had before the last failover.",
    source: "valkey #1322; redis-doc, CONFIG REWRITE",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

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

/// What roles servers have.
#[derive(Clone, Debug, Default)]
pub(super) struct Roles {
    /// The last role of each that must not be gone after a restart: the one that its first process began with, one that
    /// is durable, or one that it has not even tried to write. What a later process finds on its disk may not be
    /// synced, and does not count.
    kept: BTreeMap<NodeId, Role>,
    /// The role that each writes, and by which write.
    writing: BTreeMap<NodeId, (Role, WriteId)>,
    /// The servers that have started and not yet said what they are.
    starting: BTreeSet<NodeId>,
}

impl Roles {
    pub(super) fn on_start(&mut self, server: NodeId) {
        self.starting.insert(server);
    }

    /// A server writes what it is.
    pub(super) fn on_writing(&mut self, server: NodeId, role: Role, write: WriteId) {
        self.writing.insert(server, (role, write));
    }

    /// A write of a server has ended.
    pub(super) fn on_written(&mut self, server: NodeId, completion: Completion) {
        let Some((role, write)) = self.writing.get(&server).copied() else { return };
        match completion {
            Completion::Durable(through) if write <= through => {
                self.writing.remove(&server);
                self.kept.insert(server, role);
            }
            // A later sync may make it durable all the same: nothing is known of it.
            Completion::Failed(failed, _) if write <= failed => drop(self.writing.remove(&server)),
            _ => {}
        }
    }

    /// A server ends: what it was writing may be there or not.
    pub(super) fn on_down(&mut self, server: NodeId) {
        self.writing.remove(&server);
    }

    /// A server says what it is.
    pub(super) fn on_role(&mut self, server: NodeId, role: Role, terms: &Terms, findings: &mut Findings) {
        if self.starting.remove(&server) {
            return self.on_first_role(server, role, terms, findings);
        }
        if self.writing.get(&server).is_none_or(|(writing, _)| *writing != role) {
            self.kept.insert(server, role);
        }
    }

    /// A server that has started says what it is.
    fn on_first_role(&mut self, server: NodeId, role: Role, terms: &Terms, findings: &mut Findings) {
        let kept = *self.kept.entry(server).or_insert(role);
        let is_promised = kept.epoch > 0 && terms.is_replicated() && terms.disk_is_faithful(server);
        if is_promised {
            findings.check(ROLE_SURVIVES_RESTART, Some(server), kept.may_become(role), || {
                format!("{server} restarts as {role}, and was {kept}")
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use splitbrain_kernel::node::DiskError;

    use super::super::testing::{R1, R2, all_on, broken, replicated};
    use super::*;

    const fn role(epoch: u64, master: Option<NodeId>) -> Role {
        Role { epoch, master }
    }

    /// How the write of a role ends.
    #[derive(Clone, Copy)]
    enum Writing {
        Durable,
        Open,
        Failed,
        Never,
    }

    /// A server becomes the master of epoch 3, ends, and starts in another role.
    fn judged(how: Writing, after: Role) -> Findings {
        let (terms, mut roles, mut findings) = (replicated(2), Roles::default(), all_on());
        let (write, master) = (WriteId(7), role(3, None));
        roles.on_start(R1);
        roles.on_role(R1, role(0, Some(R2)), &terms, &mut findings);
        if !matches!(how, Writing::Never) {
            roles.on_writing(R1, master, write);
        }
        roles.on_role(R1, master, &terms, &mut findings);
        match how {
            Writing::Durable => roles.on_written(R1, Completion::Durable(WriteId(8))),
            Writing::Failed => roles.on_written(R1, Completion::Failed(write, DiskError::Full)),
            Writing::Open => roles.on_written(R1, Completion::Durable(WriteId(6))),
            Writing::Never => {}
        }
        roles.on_down(R1);
        roles.on_start(R1);
        roles.on_role(R1, after, &terms, &mut findings);
        findings
    }

    #[test]
    fn the_role_or_a_later_one_is_right_and_an_earlier_one_is_found() {
        let judged = |after| broken(&judged(Writing::Durable, after));
        assert_eq!((judged(role(3, None)), judged(role(4, Some(R2)))), (None, None));
        assert_eq!(judged(role(0, Some(R2))), Some(ROLE_SURVIVES_RESTART));
        assert_eq!(judged(role(3, Some(R2))), Some(ROLE_SURVIVES_RESTART), "the other role of the same epoch");
    }

    #[test]
    fn a_role_that_was_not_durable_may_be_gone_and_one_that_was_never_written_is_missed() {
        let before = role(0, Some(R2));
        for how in [Writing::Open, Writing::Failed] {
            let findings = judged(how, before);
            assert_eq!((broken(&findings), findings.evaluated()[ROLE_SURVIVES_RESTART]), (None, 0));
        }
        assert_eq!(broken(&judged(Writing::Never, before)), Some(ROLE_SURVIVES_RESTART));
    }
}
