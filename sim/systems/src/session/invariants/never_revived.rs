//! Never revived: a session whose expiry is decided is extended, created and granted to no more.

use std::collections::BTreeSet;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::session::ids::SessionId;
use crate::session::observation::SessionObservation;

use super::index::NEVER_REVIVED;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "never_revived",
    doc: "A session that has expired is never created again, extended or granted a target.",
    source: "ZooKeeper programmer's guide, ZooKeeper sessions; redlock-rb #36",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// The sessions that have expired.
#[derive(Clone, Debug, Default)]
pub(super) struct Dead {
    sessions: BTreeSet<SessionId>,
}

impl Dead {
    /// Whether a session has expired.
    pub(super) fn has(&self, session: SessionId) -> bool {
        self.sessions.contains(&session)
    }

    /// A master has said something. Returns a session that has just expired.
    ///
    /// That it expires may have been decided by a master that did not live to say so: then the expired callback is the
    /// first that is heard of it.
    pub(super) fn on_observation(
        &mut self,
        master: NodeId,
        said: &SessionObservation,
        findings: &mut Findings,
    ) -> Option<SessionId> {
        let (session, what) = match said {
            SessionObservation::Expired { session } | SessionObservation::ExpiredPartRan { session, .. } => {
                return self.sessions.insert(*session).then_some(*session);
            }
            SessionObservation::LeaseStarted { session } => (*session, "starts the lease of"),
            SessionObservation::Created { session, .. } => (*session, "creates"),
            SessionObservation::Extended { session } => (*session, "extends"),
            SessionObservation::TargetGranted { session, .. } => (*session, "grants a target to"),
            _ => return None,
        };
        findings.check(NEVER_REVIVED, Some(master), !self.has(session), || {
            format!("{master} {what} {session}, which has expired")
        });
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{M1, ONE, TWO, all_on, broken};
    use super::*;
    use SessionObservation::{Expired, Extended};

    fn judge(said: &[SessionObservation]) -> Option<usize> {
        let (mut dead, mut findings) = (Dead::default(), all_on());
        said.iter().for_each(|said| {
            dead.on_observation(M1, said, &mut findings);
        });
        assert!(findings.evaluated()[NEVER_REVIVED] > 0);
        broken(&findings)
    }

    #[test]
    fn a_session_that_ends_for_good_is_right() {
        assert_eq!(judge(&[Extended { session: ONE }, Expired { session: ONE }, Extended { session: TWO }]), None);
    }

    #[test]
    fn a_session_that_comes_back_is_found() {
        assert_eq!(judge(&[Expired { session: ONE }, Extended { session: ONE }]), Some(NEVER_REVIVED));
        assert_eq!(
            judge(&[Expired { session: ONE }, SessionObservation::LeaseStarted { session: ONE }]),
            Some(NEVER_REVIVED)
        );
    }

    #[test]
    fn the_expired_callback_says_as_much_as_the_decision() {
        let part = SessionObservation::ExpiredPartRan {
            session: ONE,
            part: crate::session::observation::ExpiredPart::Chunk,
            is_found: true,
        };
        assert_eq!(judge(&[part.clone(), Extended { session: ONE }]), Some(NEVER_REVIVED));
        let (mut dead, mut findings) = (Dead::default(), all_on());
        assert_eq!(dead.on_observation(M1, &part, &mut findings), Some(ONE));
        assert_eq!(dead.on_observation(M1, &Expired { session: ONE }, &mut findings), None, "it is known");
    }
}
