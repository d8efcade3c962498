//! No session is destroyed while its mutex is held, and none is used after it was destroyed.

use std::collections::BTreeSet;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::chat::ids::SessionId;

use super::index::DESTROYED_UNGUARDED;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "destroyed_unguarded",
    doc: "A session is destroyed once, while no thread holds its mutex, and not used afterwards.",
    source: "QT chat project, day 20, 3.4: the guard of a mutex outlives the session",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// The sessions that were destroyed.
#[derive(Clone, Debug, Default)]
pub(super) struct Destroyed {
    sessions: BTreeSet<SessionId>,
}

impl Destroyed {
    /// A session is destroyed, while a thread holds its mutex or not.
    pub(super) fn on_destroyed(&mut self, node: NodeId, session: SessionId, is_held: bool, findings: &mut Findings) {
        let is_first = self.sessions.insert(session);
        findings.check(DESTROYED_UNGUARDED, Some(node), is_first && !is_held, || match is_held {
            true => format!("{node} destroys {session}, whose mutex is held"),
            false => format!("{node} destroys {session} again"),
        });
    }

    /// A session is used.
    pub(super) fn on_used(&self, node: NodeId, session: SessionId, findings: &mut Findings) {
        findings.check(DESTROYED_UNGUARDED, Some(node), !self.sessions.contains(&session), || {
            format!("{node} uses {session}, which is destroyed")
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{H1, all_on, broken, s1};
    use super::*;

    #[test]
    fn a_guard_that_outlives_its_session_and_a_use_after_the_end_are_found() {
        let judged = |act: &dyn Fn(&mut Destroyed, &mut Findings)| {
            let (mut destroyed, mut findings) = (Destroyed::default(), all_on());
            destroyed.on_used(H1, s1(1), &mut findings);
            act(&mut destroyed, &mut findings);
            broken(&findings)
        };
        assert_eq!(judged(&|destroyed, findings| destroyed.on_destroyed(H1, s1(1), false, findings)), None);
        assert!(judged(&|destroyed, findings| destroyed.on_destroyed(H1, s1(1), true, findings)).is_some());
        let twice = judged(&|destroyed, findings| {
            destroyed.on_destroyed(H1, s1(1), false, findings);
            destroyed.on_destroyed(H1, s1(1), false, findings);
        });
        let used = judged(&|destroyed, findings| {
            destroyed.on_destroyed(H1, s1(1), false, findings);
            destroyed.on_used(H1, s1(1), findings);
        });
        assert_eq!((twice, used), (Some(DESTROYED_UNGUARDED), Some(DESTROYED_UNGUARDED)));
    }
}
