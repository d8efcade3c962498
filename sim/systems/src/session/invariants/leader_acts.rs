//! The leader gate: what a master decides takes effect only if it leads at that moment: a callback of the access
//! manager, the start, extension or end of a lease, the grant of a target.
//!
//! Of replicas the one that began to lead last is the leader, whatever an earlier one still believes: the lease of the
//! master keeps it from acting.

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::session::ids::Term;
use crate::session::observation::SessionObservation;

use super::index::LEADER_ACTS;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "leader_acts",
    doc: "A master runs callbacks, extends and ends leases, and grants targets only while it leads.",
    source: "Burrows, The Chubby lock service (OSDI 2006), section 2.9",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// The masters that lead.
#[derive(Clone, Debug, Default)]
pub(super) struct Leaders {
    /// The masters that say that they lead, and in which term.
    leading: BTreeMap<NodeId, Term>,
    /// The last term in which one of those that are replicas of one another began to lead.
    newest: BTreeMap<NodeId, Term>,
}

impl Leaders {
    /// Whether a master leads.
    pub(super) fn has(&self, master: NodeId) -> bool {
        self.leading.contains_key(&master)
    }

    /// Whether it leads, and no replica of it (they are the group) began to do so after it.
    pub(super) fn is_newest(&self, master: NodeId, group: NodeId) -> bool {
        self.leading.get(&master).is_some_and(|term| self.newest.get(&group) == Some(term))
    }

    /// The replica of this group that leads, if one does.
    pub(super) fn of_group(&self, group: NodeId) -> Option<NodeId> {
        self.leading.keys().copied().find(|master| self.is_newest(*master, group))
    }

    /// A process has ended.
    pub(super) fn on_down(&mut self, node: NodeId) {
        self.leading.remove(&node);
    }

    /// A master has said something.
    pub(super) fn on_observation(
        &mut self,
        master: NodeId,
        group: NodeId,
        said: &SessionObservation,
        findings: &mut Findings,
    ) {
        let act = match said {
            SessionObservation::Leads { term } => {
                self.leading.insert(master, *term);
                let newest = self.newest.entry(group).or_default();
                *newest = (*newest).max(*term);
                return;
            }
            SessionObservation::SteppedDown { .. } => return self.on_down(master),
            SessionObservation::Initialized { .. } => "runs the initialize callback",
            SessionObservation::Created { .. } => "runs the created callback",
            SessionObservation::ExpiredPartRan { .. } => "runs the expired callback",
            SessionObservation::LeaseStarted { .. } => "starts a lease",
            SessionObservation::Extended { .. } => "extends a lease",
            SessionObservation::Expired { .. } => "lets a session expire",
            SessionObservation::TargetGranted { .. } => "grants a target",
            _ => return,
        };
        findings.check(LEADER_ACTS, Some(master), self.is_newest(master, group), || match self.leading.get(&master) {
            None => format!("{master} {act} and does not lead"),
            Some(term) => format!("{master} {act} in term {term}, after another began to lead"),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{M1, ONE, all_on, broken};
    use super::*;
    use crate::session::observation::ExpiredPart;

    const CALLBACK: SessionObservation =
        SessionObservation::ExpiredPartRan { session: ONE, part: ExpiredPart::Chunk, is_found: true };

    fn judge(said: &[SessionObservation]) -> Option<usize> {
        let (mut leaders, mut findings) = (Leaders::default(), all_on());
        said.iter().for_each(|said| leaders.on_observation(M1, M1, said, &mut findings));
        assert_eq!(findings.evaluated()[LEADER_ACTS], 1);
        broken(&findings)
    }

    #[test]
    fn each_effect_on_a_session_is_the_leaders() {
        let token = crate::session::ids::Token(1);
        for said in [
            SessionObservation::LeaseStarted { session: ONE },
            SessionObservation::Extended { session: ONE },
            SessionObservation::Expired { session: ONE },
            SessionObservation::TargetGranted { resource: crate::session::ids::Resource(1), session: ONE, token },
        ] {
            assert_eq!(judge(&[SessionObservation::Leads { term: Term(1) }, said.clone()]), None);
            assert_eq!(judge(&[said]), Some(LEADER_ACTS));
        }
    }

    #[test]
    fn a_callback_of_the_leader_is_right() {
        assert_eq!(judge(&[SessionObservation::Leads { term: Term(1) }, CALLBACK]), None);
    }

    #[test]
    fn of_replicas_the_one_that_began_to_lead_last_may_act() {
        let m2 = NodeId::new(crate::session::ids::META, 2);
        for (actor, found) in [(m2, None), (M1, Some(LEADER_ACTS))] {
            let (mut leaders, mut findings) = (Leaders::default(), all_on());
            leaders.on_observation(M1, M1, &SessionObservation::Leads { term: Term(1) }, &mut findings);
            leaders.on_observation(m2, M1, &SessionObservation::Leads { term: Term(2) }, &mut findings);
            leaders.on_observation(actor, M1, &CALLBACK, &mut findings);
            assert_eq!(broken(&findings), found, "{actor}");
        }
    }

    #[test]
    fn a_callback_of_one_that_stepped_down_or_never_led_is_found() {
        let (led, down) =
            (SessionObservation::Leads { term: Term(1) }, SessionObservation::SteppedDown { term: Term(1) });
        assert_eq!(judge(&[led, down, CALLBACK]), Some(LEADER_ACTS));
        assert_eq!(judge(&[CALLBACK]), Some(LEADER_ACTS));
    }
}
