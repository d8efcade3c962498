//! Lease containment: what a follower counts on lies within what its master granted.
//!
//! When a master lets a session expire, or grants a target, no chunk serves it under the old grant. A chunk whose
//! process is paused, slow or suspended at that moment, or whose clocks stand still, does not count: it cannot act, and
//! whether it acts later is seen by its effects.

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::session::ids::{Resource, SessionId, Token};

use super::index::LEASE_CONTAINED;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "lease_contained",
    doc: "When a master lets a session expire or grants a target, no chunk that can act serves it under the old grant.",
    source: "Gray and Cheriton, Leases (SOSP 1989), section 2",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// Which chunks serve what, as they say: their belief.
#[derive(Clone, Debug, Default)]
pub(super) struct Serving {
    targets: BTreeMap<(Resource, NodeId), (SessionId, Token)>,
}

impl Serving {
    /// A chunk begins to serve a target. Returns whether another one believes to serve it too.
    pub(super) fn start(&mut self, chunk: NodeId, resource: Resource, session: SessionId, token: Token) -> bool {
        self.targets.insert((resource, chunk), (session, token));
        self.targets.keys().any(|(of, other)| *of == resource && *other != chunk)
    }

    /// A chunk serves a target no longer.
    pub(super) fn stop(&mut self, chunk: NodeId, resource: Resource) {
        self.targets.remove(&(resource, chunk));
    }

    /// Whether a chunk serves a target under this session.
    pub(super) fn serves_under(&self, chunk: NodeId, session: SessionId) -> bool {
        self.targets.iter().any(|((_, server), (under, _))| *server == chunk && *under == session)
    }

    /// A process has ended.
    pub(super) fn on_down(&mut self, chunk: NodeId) {
        self.targets.retain(|(_, server), _| *server != chunk);
    }

    /// A session has expired: who can act and serves under it?
    pub(super) fn on_expired(
        &self,
        master: NodeId,
        session: SessionId,
        can_act: impl Fn(NodeId) -> bool,
        findings: &mut Findings,
    ) {
        let found = self.targets.iter().find(|((_, chunk), (under, _))| *under == session && can_act(*chunk));
        findings.check(LEASE_CONTAINED, Some(master), found.is_none(), || {
            let ((resource, chunk), _) = found.expect("one was found");
            format!("{master} lets {session} expire while chunk{} serves target {resource} under it", chunk.number())
        });
    }

    /// A target is granted: who can act and serves it under another grant?
    pub(super) fn on_granted(
        &self,
        master: NodeId,
        resource: Resource,
        (session, token): (SessionId, Token),
        can_act: impl Fn(NodeId) -> bool,
        findings: &mut Findings,
    ) {
        let mut of = self.targets.iter().filter(|((target, _), _)| *target == resource);
        let found = of.find(|((_, chunk), (_, under))| *under != token && can_act(*chunk));
        findings.check(LEASE_CONTAINED, Some(master), found.is_none(), || {
            let ((_, chunk), (old, _)) = found.expect("one was found");
            let number = chunk.number();
            format!("{master} grants target {resource} to {session} while chunk{number} serves it under {old}")
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{K1, K2, M1, ONE, TWO, all_on, broken};
    use super::*;

    const TARGET: Resource = Resource(1);

    fn serving() -> Serving {
        let mut serving = Serving::default();
        assert!(!serving.start(K1, TARGET, ONE, Token(1)));
        serving
    }

    #[test]
    fn who_left_in_time_is_right() {
        let (mut serving, mut findings) = (serving(), all_on());
        serving.stop(K1, TARGET);
        serving.on_expired(M1, ONE, |_| true, &mut findings);
        serving.on_granted(M1, TARGET, (TWO, Token(2)), |_| true, &mut findings);
        assert_eq!((broken(&findings), findings.evaluated()[LEASE_CONTAINED]), (None, 2));
    }

    #[test]
    fn who_serves_when_its_session_expires_or_its_target_is_granted_is_found() {
        let mut findings = all_on();
        serving().on_expired(M1, ONE, |_| true, &mut findings);
        assert_eq!(broken(&findings), Some(LEASE_CONTAINED));
        let mut findings = all_on();
        serving().on_granted(M1, TARGET, (TWO, Token(2)), |_| true, &mut findings);
        assert_eq!(broken(&findings), Some(LEASE_CONTAINED));
    }

    #[test]
    fn who_cannot_act_does_not_count_and_the_same_grant_is_no_other() {
        let mut findings = all_on();
        serving().on_expired(M1, ONE, |chunk| chunk != K1, &mut findings);
        serving().on_granted(M1, TARGET, (ONE, Token(1)), |_| true, &mut findings);
        let mut down = serving();
        down.on_down(K1);
        down.on_expired(M1, ONE, |_| true, &mut findings);
        assert_eq!(broken(&findings), None);
    }

    #[test]
    fn two_that_believe_are_counted() {
        let mut serving = serving();
        assert!(serving.start(K2, TARGET, TWO, Token(2)));
    }
}
