//! The leader gate: what a master decides takes effect only if it leads at that moment: a callback of the access
//! manager, the start, extension or end of a lease, the grant of a target, what is said of items.
//!
//! That a session leaves the table is not judged: the master decided it while it led, and it takes effect when it is
//! durable, whoever leads then.
//!
//! Of replicas the one that was elected last is the leader, whatever an earlier one still believes: the lease of the
//! master keeps it from acting from the moment on at which another one may be elected.

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::raft::observation::RaftObservation;
use crate::session::ids::Term;
use crate::session::observation::SessionObservation;

use super::index::LEADER_ACTS;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "leader_acts",
    doc: "A master runs callbacks, extends and ends leases, grants targets and sets, removes and lists items only \
          while it leads.",
    source: "Burrows, The Chubby lock service (OSDI 2006), section 2.9",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// The masters that lead.
#[derive(Clone, Debug, Default)]
pub(super) struct Leaders {
    /// The masters that say that they lead, and in which term.
    leading: BTreeMap<NodeId, Term>,
    /// The last term in which one of those that are replicas of one another was elected or began to lead.
    newest: BTreeMap<NodeId, Term>,
}

impl Leaders {
    /// Whether a master leads.
    pub(super) fn has(&self, master: NodeId) -> bool {
        self.leading.contains_key(&master)
    }

    /// Whether it leads, and no replica of it (they are the group) was elected after it.
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
                return self.note(group, *term);
            }
            SessionObservation::Raft(RaftObservation::LeaderElected { term, .. }) => {
                return self.note(group, Term(term.0));
            }
            SessionObservation::SteppedDown { .. } => return self.on_down(master),
            SessionObservation::Initialized { .. } => "runs the initialize callback",
            SessionObservation::Created { .. } => "runs the created callback",
            SessionObservation::ExpiredPartRan { .. } => "runs the expired callback",
            SessionObservation::LeaseStarted { .. } => "starts a lease",
            SessionObservation::Extended { .. } => "extends a lease",
            SessionObservation::Expired { .. } => "lets a session expire",
            SessionObservation::TargetGranted { .. } => "grants a target",
            SessionObservation::ItemSet { .. } => "sets an item",
            SessionObservation::ItemRemoved { .. } => "removes an item",
            _ => return,
        };
        self.judge(master, group, act, findings);
    }

    /// In this term a replica of the group was elected, or began to lead.
    fn note(&mut self, group: NodeId, term: Term) {
        let newest = self.newest.entry(group).or_default();
        *newest = (*newest).max(term);
    }

    /// A master says which items there are.
    pub(super) fn on_listed(&self, master: NodeId, group: NodeId, findings: &mut Findings) {
        self.judge(master, group, "lists items", findings);
    }

    fn judge(&self, master: NodeId, group: NodeId, act: &str, findings: &mut Findings) {
        findings.check(LEADER_ACTS, Some(master), self.is_newest(master, group), || match self.leading.get(&master) {
            None => format!("{master} {act} and does not lead"),
            Some(term) => format!("{master} {act} in term {term}, after another was elected"),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{M1, ONE, all_on, broken};
    use super::*;
    use crate::raft::ids::{self, Position};
    use crate::session::ids::ItemKey;
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
            SessionObservation::ItemSet { session: ONE, key: ItemKey::DataIp },
            SessionObservation::ItemRemoved { session: ONE, key: ItemKey::DataIp },
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
    fn a_master_acts_no_more_once_another_is_elected_though_that_one_does_not_lead_yet() {
        let m2 = NodeId::new(crate::session::ids::META, 2);
        for (term, found) in [(1, None), (2, Some(LEADER_ACTS))] {
            let (mut leaders, mut findings) = (Leaders::default(), all_on());
            leaders.on_observation(M1, M1, &SessionObservation::Leads { term: Term(1) }, &mut findings);
            let elected = RaftObservation::LeaderElected { term: ids::Term(term), last: Position::ZERO };
            leaders.on_observation(m2, M1, &SessionObservation::Raft(elected), &mut findings);
            leaders.on_listed(M1, M1, &mut findings);
            assert_eq!((broken(&findings), findings.evaluated()[LEADER_ACTS]), (found, 1), "elected in {term}");
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
