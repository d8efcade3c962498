//! The callbacks of a master, session by session.

use std::collections::BTreeMap;

use splitbrain_kernel::brief::Derived;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::Findings;

use crate::session::ids::SessionId;
use crate::session::invariants::index::CALLBACKS_IN_ORDER;
use crate::session::observation::{ExpiredPart, SessionObservation};

/// What came last for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Initialized,
    Started,
    Created,
    /// Its end is decided; this many parts of the expired callback have run.
    Expiring(usize),
    Erased,
}

impl Stage {
    const fn words(self) -> &'static str {
        match self {
            Self::Initialized => "that it is initialized",
            Self::Started => "that its lease started",
            Self::Created => "that it is created",
            Self::Expiring(_) => "its end, of which a part has run",
            Self::Erased => "that it is erased",
        }
    }
}

/// A session, as far as its callbacks go.
#[derive(Clone, Copy, Debug)]
struct Life {
    stage: Stage,
    /// Whether it was ever created: then its follower may know of it.
    was_created: bool,
    /// Whether its master has restarted since its last callback: what was on the disk may be further.
    may_be_further: bool,
}

const PARTS: [ExpiredPart; 3] = [ExpiredPart::Chunk, ExpiredPart::Extent, ExpiredPart::Common];

/// The sessions of all masters.
#[derive(Clone, Debug, Default)]
pub(in crate::session::invariants) struct MasterSide {
    lives: BTreeMap<SessionId, Life>,
}

impl MasterSide {
    /// Whether a master has created a session.
    pub(in crate::session::invariants) fn has_created(&self, session: SessionId) -> bool {
        self.lives.get(&session).is_some_and(|life| life.was_created)
    }

    /// A master has said something.
    pub(in crate::session::invariants) fn on_observation(
        &mut self,
        master: NodeId,
        said: &SessionObservation,
        findings: &mut Findings,
    ) {
        let Some(session) = session_of(said) else { return };
        let before = self.lives.get(&session).copied();
        let after = next(before, said);
        findings.check(CALLBACKS_IN_ORDER, Some(master), after.is_some(), || {
            let before = before.map_or("nothing", |life| life.stage.words());
            format!("{master} says {}, which cannot follow {before}", Derived(said))
        });
        if let Some(stage) = after {
            let was_created = stage == Stage::Created || before.is_some_and(|life| life.was_created);
            self.lives.insert(session, Life { stage, was_created, may_be_further: false });
        }
    }

    /// A master's process has ended, or it leads anew.
    pub(in crate::session::invariants) fn on_restart(&mut self, master: NodeId) {
        for (session, life) in &mut self.lives {
            if session.master_node() == master {
                life.may_be_further = true;
                if let Stage::Expiring(parts) = &mut life.stage {
                    *parts = 0;
                }
            }
        }
    }
}

const fn session_of(said: &SessionObservation) -> Option<SessionId> {
    match said {
        SessionObservation::Initialized { session, .. }
        | SessionObservation::LeaseStarted { session }
        | SessionObservation::Created { session, .. }
        | SessionObservation::Extended { session }
        | SessionObservation::Expired { session }
        | SessionObservation::ExpiredPartRan { session, .. }
        | SessionObservation::Erased { session } => Some(*session),
        _ => None,
    }
}

/// The stage after this; `None` if it is out of order.
fn next(before: Option<Life>, said: &SessionObservation) -> Option<Stage> {
    use Stage::{Created, Erased, Expiring, Initialized, Started};
    let stage = before.map(|life| life.stage);
    let was_created = before.is_some_and(|life| life.was_created);
    let may_be_further = before.is_some_and(|life| life.may_be_further);
    match (said, stage) {
        (SessionObservation::Initialized { is_reused, .. }, None) => (!is_reused).then_some(Initialized),
        // A number whose session never reached the disk, or a session that is reused.
        (SessionObservation::Initialized { .. }, Some(Initialized | Started | Created)) => Some(Initialized),
        (SessionObservation::LeaseStarted { .. }, Some(Initialized)) => Some(Started),
        (SessionObservation::Created { .. }, Some(Started)) => Some(Created),
        (SessionObservation::Extended { .. }, Some(stage @ (Initialized | Started | Created))) if was_created => {
            Some(stage)
        }
        (SessionObservation::Expired { .. }, Some(Initialized | Started | Created)) => Some(Expiring(0)),
        (SessionObservation::ExpiredPartRan { part, is_found, .. }, Some(stage)) => {
            let parts = match stage {
                Expiring(parts) => parts,
                Initialized | Started | Created if may_be_further => 0,
                _ => return None,
            };
            (*is_found && PARTS.get(parts) == Some(part)).then_some(Expiring(parts + 1))
        }
        (SessionObservation::Erased { .. }, Some(Expiring(parts))) => (parts == PARTS.len()).then_some(Erased),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{M1, ONE, all_on, broken};
    use super::*;
    use crate::session::ids::{Epoch, Identity, Instance};

    const EXTENDED: SessionObservation = SessionObservation::Extended { session: ONE };
    const EXPIRED: SessionObservation = SessionObservation::Expired { session: ONE };
    const ERASED: SessionObservation = SessionObservation::Erased { session: ONE };

    fn created(is_reused: bool) -> Vec<SessionObservation> {
        let (identity, instance, session) = (Identity(1), Instance::of(1, 1), ONE);
        vec![
            SessionObservation::Initialized { session, identity, instance, is_reused },
            SessionObservation::LeaseStarted { session },
            SessionObservation::Created { session, identity, instance, epoch: Epoch(1) },
        ]
    }

    fn part(part: ExpiredPart) -> SessionObservation {
        SessionObservation::ExpiredPartRan { session: ONE, part, is_found: true }
    }

    fn parts() -> Vec<SessionObservation> {
        PARTS.map(part).to_vec()
    }

    fn judge(said: &[Vec<SessionObservation>]) -> Option<usize> {
        let (mut side, mut findings) = (MasterSide::default(), all_on());
        said.concat().iter().for_each(|said| side.on_observation(M1, said, &mut findings));
        assert_eq!(findings.evaluated()[CALLBACKS_IN_ORDER], said.concat().len() as u64);
        broken(&findings)
    }

    #[test]
    fn a_life_in_order_is_right() {
        let life = [created(false), vec![EXTENDED], created(true), vec![EXTENDED, EXPIRED], parts(), vec![ERASED]];
        assert_eq!(judge(&life), None);
        assert_eq!(judge(&[created(false)[..2].to_vec(), vec![EXPIRED]]), None, "nobody heard of it");
    }

    #[test]
    fn what_is_out_of_order_is_found() {
        let found = Some(CALLBACKS_IN_ORDER);
        assert_eq!(judge(&[created(false)[1..].to_vec()]), found, "created and never initialized");
        assert_eq!(judge(&[created(true)]), found, "reused and never created");
        assert_eq!(judge(&[created(false)[..2].to_vec(), vec![EXTENDED]]), found, "extended before it was created");
        assert_eq!(judge(&[created(false), vec![EXPIRED, EXPIRED]]), found, "expired twice");
        assert_eq!(judge(&[created(false), vec![EXPIRED, part(ExpiredPart::Common)]]), found, "erases first");
        assert_eq!(judge(&[created(false), parts()]), found, "parts without a decision");
        assert_eq!(judge(&[created(false), vec![EXPIRED], parts(), vec![ERASED, ERASED]]), found, "erased twice");
        assert_eq!(judge(&[created(false), vec![EXPIRED], parts(), vec![ERASED, EXTENDED]]), found, "extended after");
        let not_found = SessionObservation::ExpiredPartRan { session: ONE, part: ExpiredPart::Chunk, is_found: false };
        assert_eq!(judge(&[created(false), vec![EXPIRED, not_found]]), found, "the session is gone already");
    }

    #[test]
    fn after_a_restart_the_expired_callback_runs_from_the_beginning() {
        let (mut side, mut findings) = (MasterSide::default(), all_on());
        let before = [created(false), vec![EXPIRED, part(ExpiredPart::Chunk)]].concat();
        before.iter().for_each(|said| side.on_observation(M1, said, &mut findings));
        side.on_restart(M1);
        parts().iter().chain([&ERASED]).for_each(|said| side.on_observation(M1, said, &mut findings));
        assert_eq!(broken(&findings), None);
    }
}
