//! Items die with their session: none is set after it expired, and none is listed after it was erased.

use std::collections::BTreeSet;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::session::ids::{ItemKey, SessionId};

use super::index::ITEMS_DIE_WITH_SESSION;
use super::never_revived::Dead;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "items_die_with_session",
    doc: "No item is set in a session that has expired, and no list shows an item of one that was erased.",
    source: "ZooKeeper programmer's guide, ephemeral nodes",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// The sessions that have left their table.
#[derive(Clone, Debug, Default)]
pub(super) struct Erased {
    sessions: BTreeSet<SessionId>,
}

impl Erased {
    pub(super) fn on_erased(&mut self, session: SessionId) {
        self.sessions.insert(session);
    }

    /// An item is set.
    pub(super) fn on_set(master: NodeId, session: SessionId, key: ItemKey, dead: &Dead, findings: &mut Findings) {
        findings.check(ITEMS_DIE_WITH_SESSION, Some(master), !dead.has(session), || {
            format!("{master} sets the {key} of {session}, which has expired")
        });
    }

    /// Items are listed.
    pub(super) fn on_listed(&self, master: NodeId, items: &[(SessionId, ItemKey)], findings: &mut Findings) {
        if self.sessions.is_empty() {
            return;
        }
        let found = items.iter().find(|(session, _)| self.sessions.contains(session));
        findings.check(ITEMS_DIE_WITH_SESSION, Some(master), found.is_none(), || {
            let (session, key) = found.expect("one was found");
            format!("{master} lists the {key} of {session}, which was erased")
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{M1, ONE, TWO, all_on, broken};
    use super::*;
    use crate::session::observation::SessionObservation;

    #[test]
    fn items_of_sessions_that_live_are_right_and_those_of_an_erased_one_are_found() {
        let (mut erased, mut findings) = (Erased::default(), all_on());
        let items = [(ONE, ItemKey::DataIp), (TWO, ItemKey::DataIp)];
        erased.on_listed(M1, &items, &mut findings);
        assert_eq!((broken(&findings), findings.evaluated()[ITEMS_DIE_WITH_SESSION]), (None, 0), "none is gone");
        erased.on_erased(TWO);
        erased.on_listed(M1, &items[..1], &mut findings);
        assert_eq!((broken(&findings), findings.evaluated()[ITEMS_DIE_WITH_SESSION]), (None, 1));
        erased.on_listed(M1, &items, &mut findings);
        assert_eq!(broken(&findings), Some(ITEMS_DIE_WITH_SESSION));
    }

    #[test]
    fn an_item_that_is_set_after_the_end_is_found() {
        let (mut dead, mut findings) = (Dead::default(), all_on());
        Erased::on_set(M1, ONE, ItemKey::DataIp, &dead, &mut findings);
        assert_eq!(broken(&findings), None);
        dead.on_observation(M1, &SessionObservation::Expired { session: ONE }, &mut findings);
        Erased::on_set(M1, ONE, ItemKey::DataIp, &dead, &mut findings);
        assert_eq!(broken(&findings), Some(ITEMS_DIE_WITH_SESSION));
    }
}
