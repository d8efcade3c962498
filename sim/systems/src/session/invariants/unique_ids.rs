//! Unique names: a number is given to one session, an epoch to one process of an identity, a token to one grant.

use std::collections::{BTreeMap, BTreeSet};

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::session::ids::{Epoch, Identity, Instance, Resource, SessionId, Token};
use crate::session::observation::SessionObservation;

use super::index::UNIQUE_IDS;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "unique_ids",
    doc: "No session has the name of an earlier one, each new process of an identity has a greater epoch, and \
          a token names one grant and is greater than those before it of the same target.",
    source: "Burrows, The Chubby lock service (OSDI 2006), section 2.4; Gray and Cheriton 1989, section 5",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// The names that were given.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// Sessions that are about to be created, by name, with whether the master says that they exist.
    initialized: BTreeMap<SessionId, bool>,
    known: BTreeSet<SessionId>,
    /// The newest process of each identity, by master.
    newest: BTreeMap<(NodeId, Identity), (Epoch, Instance)>,
    /// What each token of a master was given for, and the last token of each target.
    tokens: BTreeMap<(NodeId, Token), (Resource, SessionId)>,
    last: BTreeMap<Resource, Token>,
}

impl Names {
    /// A master has said something.
    pub(super) fn on_observation(&mut self, master: NodeId, said: &SessionObservation, findings: &mut Findings) {
        match said {
            SessionObservation::Initialized { session, is_reused, .. } => {
                self.initialized.insert(*session, *is_reused);
            }
            SessionObservation::LeaseStarted { session } => self.on_started(master, *session, findings),
            SessionObservation::Created { identity, instance, epoch, .. } => {
                self.on_created(master, *identity, (*epoch, *instance), findings);
            }
            SessionObservation::TargetGranted { resource, session, token } => {
                self.on_granted(master, *resource, (*session, *token), findings);
            }
            _ => {}
        }
    }

    /// The session is on the disk. Before that its number may be given again.
    fn on_started(&mut self, master: NodeId, session: SessionId, findings: &mut Findings) {
        let is_reused = self.initialized.remove(&session).unwrap_or(false);
        let is_new = self.known.insert(session);
        findings.check(UNIQUE_IDS, Some(master), is_reused || is_new, || {
            format!("{master} creates {session} anew; there was a session of this name")
        });
    }

    fn on_created(
        &mut self,
        master: NodeId,
        identity: Identity,
        (epoch, instance): (Epoch, Instance),
        findings: &mut Findings,
    ) {
        let before = self.newest.insert((master, identity), (epoch, instance));
        let is_right = before.is_none_or(|(old, of)| if of == instance { epoch == old } else { epoch > old });
        findings.check(UNIQUE_IDS, Some(master), is_right, || {
            let (old, of) = before.expect("there was one before");
            format!("{master} gives instance {instance} of {identity} epoch {epoch}, after {of} had epoch {old}")
        });
    }

    fn on_granted(
        &mut self,
        master: NodeId,
        resource: Resource,
        (session, token): (SessionId, Token),
        findings: &mut Findings,
    ) {
        let grant = (resource, session);
        let first = *self.tokens.entry((master, token)).or_insert(grant);
        findings.check(UNIQUE_IDS, Some(master), first == grant, || {
            let (other, to) = first;
            format!("{master} grants target {resource} to {session} under token {token}, as target {other} to {to}")
        });
        let last = self.last.get(&resource).copied().unwrap_or_default();
        findings.check(UNIQUE_IDS, Some(master), last <= token, || {
            format!("{master} grants target {resource} to {session} under token {token}; it was given {last} before")
        });
        self.last.insert(resource, last.max(token));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{M1, ONE, TWO, all_on, broken};
    use super::*;

    fn session(session: SessionId, instance: u32, epoch: u32, is_reused: bool) -> [SessionObservation; 3] {
        let (identity, instance, epoch) = (Identity(1), Instance::of(1, instance), Epoch(epoch));
        [
            SessionObservation::Initialized { session, identity, instance, is_reused },
            SessionObservation::LeaseStarted { session },
            SessionObservation::Created { session, identity, instance, epoch },
        ]
    }

    fn granted(resource: u16, session: SessionId, token: u64) -> SessionObservation {
        SessionObservation::TargetGranted { resource: Resource(resource), session, token: Token(token) }
    }

    fn judge(said: &[SessionObservation]) -> Option<usize> {
        let (mut names, mut findings) = (Names::default(), all_on());
        said.iter().for_each(|said| names.on_observation(M1, said, &mut findings));
        assert!(findings.evaluated()[UNIQUE_IDS] > 0);
        broken(&findings)
    }

    #[test]
    fn new_names_and_sessions_that_are_reused_are_right() {
        let parts = [session(ONE, 10, 1, false), session(ONE, 11, 2, true), session(TWO, 11, 2, false)];
        assert_eq!(judge(&parts.concat()), None);
        assert_eq!(judge(&[granted(1, ONE, 1), granted(2, ONE, 2), granted(2, ONE, 2), granted(1, TWO, 3)]), None);
    }

    #[test]
    fn a_number_that_never_reached_the_disk_may_be_given_again() {
        let [initialized, ..] = session(ONE, 10, 1, false);
        assert_eq!(judge(&[&[initialized][..], &session(ONE, 11, 1, false)].concat()), None);
    }

    #[test]
    fn a_name_that_was_given_is_found() {
        assert_eq!(judge(&[session(ONE, 10, 1, false), session(ONE, 11, 2, false)].concat()), Some(UNIQUE_IDS));
    }

    #[test]
    fn an_epoch_or_a_token_that_does_not_grow_is_found() {
        assert_eq!(judge(&[session(ONE, 10, 1, false), session(ONE, 11, 1, true)].concat()), Some(UNIQUE_IDS));
        assert_eq!(judge(&[granted(1, ONE, 2), granted(2, TWO, 2)]), Some(UNIQUE_IDS));
        assert_eq!(judge(&[granted(1, ONE, 2), granted(1, TWO, 1)]), Some(UNIQUE_IDS));
    }
}
