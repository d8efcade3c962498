//! The leader gate: what a master decides takes effect only if it leads at that moment: a callback of the access
//! manager, the start, extension or end of a lease, the grant of a target.

use std::collections::BTreeSet;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

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
    leading: BTreeSet<NodeId>,
}

impl Leaders {
    /// Whether a master leads.
    pub(super) fn has(&self, master: NodeId) -> bool {
        self.leading.contains(&master)
    }

    /// A process has ended.
    pub(super) fn on_down(&mut self, node: NodeId) {
        self.leading.remove(&node);
    }

    /// A master has said something.
    pub(super) fn on_observation(&mut self, master: NodeId, said: &SessionObservation, findings: &mut Findings) {
        let act = match said {
            SessionObservation::Leads { .. } => {
                self.leading.insert(master);
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
        findings.check(LEADER_ACTS, Some(master), self.has(master), || format!("{master} {act} and does not lead"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{M1, ONE, all_on, broken};
    use super::*;
    use crate::session::ids::Term;
    use crate::session::observation::ExpiredPart;

    const CALLBACK: SessionObservation =
        SessionObservation::ExpiredPartRan { session: ONE, part: ExpiredPart::Chunk, is_found: true };

    fn judge(said: &[SessionObservation]) -> Option<usize> {
        let (mut leaders, mut findings) = (Leaders::default(), all_on());
        said.iter().for_each(|said| leaders.on_observation(M1, said, &mut findings));
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
            assert_eq!(judge(&[SessionObservation::Leads { term: Term(1) }, said]), None);
            assert_eq!(judge(&[said]), Some(LEADER_ACTS));
        }
    }

    #[test]
    fn a_callback_of_the_leader_is_right() {
        assert_eq!(judge(&[SessionObservation::Leads { term: Term(1) }, CALLBACK]), None);
    }

    #[test]
    fn a_callback_of_one_that_stepped_down_or_never_led_is_found() {
        let (led, down) =
            (SessionObservation::Leads { term: Term(1) }, SessionObservation::SteppedDown { term: Term(1) });
        assert_eq!(judge(&[led, down, CALLBACK]), Some(LEADER_ACTS));
        assert_eq!(judge(&[CALLBACK]), Some(LEADER_ACTS));
    }
}
