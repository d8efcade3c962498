//! The callbacks of a follower, session by session.

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::Findings;

use crate::session::ids::SessionId;
use crate::session::invariants::index::CALLBACKS_IN_ORDER;
use crate::session::observation::SessionObservation;

/// A follower, as far as its callbacks go.
#[derive(Clone, Copy, Debug, Default)]
struct Side {
    negotiated: Option<SessionId>,
    reported: Option<SessionId>,
    created: Option<SessionId>,
    alive: Option<SessionId>,
}

/// The followers of all chunks.
#[derive(Clone, Debug, Default)]
pub(in crate::session::invariants) struct FollowerSide {
    /// By chunk and number of the master.
    sides: BTreeMap<(NodeId, u16), Side>,
}

impl FollowerSide {
    /// Whether a chunk counts on this session, or may do so again.
    pub(in crate::session::invariants) fn claims(&self, session: SessionId) -> bool {
        self.sides.values().any(|side| side.alive == Some(session))
    }

    /// The sessions that this chunk counts on.
    pub(in crate::session::invariants) fn claimed_by(&self, chunk: NodeId) -> impl Iterator<Item = SessionId> {
        self.sides.range((chunk, 0)..=(chunk, u16::MAX)).filter_map(|(_, side)| side.alive)
    }

    /// A follower has said something. `has_created` says whether the master's callback has run for a session.
    pub(in crate::session::invariants) fn on_observation(
        &mut self,
        chunk: NodeId,
        said: &SessionObservation,
        has_created: impl Fn(SessionId) -> bool,
        findings: &mut Findings,
    ) {
        match said {
            SessionObservation::Creating { master } => {
                let side = self.sides.entry((chunk, *master)).or_default();
                (side.negotiated, side.reported, side.created) = (None, None, None);
            }
            SessionObservation::Negotiated { session, .. } => self.side(chunk, *session).negotiated = Some(*session),
            SessionObservation::ReportBegun { session, .. } => self.side(chunk, *session).reported = Some(*session),
            SessionObservation::FollowerCreated { session } => {
                self.on_created(chunk, *session, has_created(*session), findings);
            }
            SessionObservation::Alive { session } => self.on_alive(chunk, *session, findings),
            SessionObservation::LoopBegun { session } => {
                let is_alive = self.side(chunk, *session).alive == Some(*session);
                let wrong = (!is_alive).then(|| "which is not alive".to_owned());
                judge(chunk, *session, "enters the keepalive loop for", wrong, findings);
            }
            SessionObservation::FollowerExpired { session } => {
                let side = self.side(chunk, *session);
                if side.alive == Some(*session) {
                    side.alive = None;
                }
            }
            SessionObservation::Stopped { master, .. } => {
                self.sides.remove(&(chunk, *master));
            }
            _ => {}
        }
    }

    fn side(&mut self, chunk: NodeId, session: SessionId) -> &mut Side {
        self.sides.entry((chunk, session.master)).or_default()
    }

    fn on_created(&mut self, chunk: NodeId, session: SessionId, has_created: bool, findings: &mut Findings) {
        let side = self.side(chunk, session);
        let before = *side;
        side.created = Some(session);
        let wrong = if !has_created {
            Some("before the master's has run".to_owned())
        } else if before.negotiated != Some(session) {
            Some("before both sides have agreed on a version".to_owned())
        } else if before.reported != Some(session) {
            Some("before its data report begins anew".to_owned())
        } else {
            before.alive.map(|old| format!("before the expired callback of {old} has run"))
        };
        judge(chunk, session, "runs the created callback of", wrong, findings);
    }

    fn on_alive(&mut self, chunk: NodeId, session: SessionId, findings: &mut Findings) {
        let side = self.side(chunk, session);
        side.alive = Some(session);
        let wrong = (side.created != Some(session)).then(|| "and its created callback has not run".to_owned());
        judge(chunk, session, "takes for alive", wrong, findings);
    }

    /// A process has ended.
    pub(in crate::session::invariants) fn on_down(&mut self, chunk: NodeId) {
        self.sides.retain(|(of, _), _| *of != chunk);
    }
}

fn judge(chunk: NodeId, session: SessionId, does: &str, wrong: Option<String>, findings: &mut Findings) {
    findings.check(CALLBACKS_IN_ORDER, Some(chunk), wrong.is_none(), || {
        format!("chunk{} {does} {session} {}", chunk.number(), wrong.unwrap_or_default())
    });
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{K1, ONE, TWO, all_on, broken};
    use super::*;
    use SessionObservation::{Alive, FollowerCreated, FollowerExpired, LoopBegun, ReportBegun};

    const fn negotiated(session: SessionId) -> SessionObservation {
        SessionObservation::Negotiated { session, version: 1 }
    }

    const fn life(session: SessionId) -> [SessionObservation; 5] {
        let report = ReportBegun { session, start: 0, size: 1 };
        [negotiated(session), report, FollowerCreated { session }, Alive { session }, LoopBegun { session }]
    }

    fn judged(said: &[&[SessionObservation]], has_created: bool) -> Option<usize> {
        let (mut side, mut findings) = (FollowerSide::default(), all_on());
        for said in said.concat() {
            side.on_observation(K1, &said, |_| has_created, &mut findings);
        }
        assert!(findings.evaluated()[CALLBACKS_IN_ORDER] > 0);
        broken(&findings)
    }

    #[test]
    fn one_session_after_the_other_is_right() {
        let lost = [FollowerExpired { session: ONE }, SessionObservation::Creating { master: 1 }];
        assert_eq!(judged(&[&life(ONE), &lost, &life(TWO)], true), None);
    }

    #[test]
    fn what_is_out_of_order_is_found() {
        let found = Some(CALLBACKS_IN_ORDER);
        assert_eq!(judged(&[&life(ONE)], false), found, "before the master's");
        assert_eq!(judged(&[&life(ONE)[1..]], true), found, "nothing was negotiated");
        assert_eq!(judged(&[&life(ONE)[..1], &life(ONE)[2..]], true), found, "no data report begins");
        assert_eq!(judged(&[&life(ONE)[3..]], true), found, "alive without a created callback");
        assert_eq!(judged(&[&life(ONE)[..3], &life(ONE)[4..]], true), found, "a loop for what is not alive");
        assert_eq!(judged(&[&life(ONE), &life(TWO)], true), found, "the old session was not reported lost");
    }

    #[test]
    fn it_is_known_who_has_which_session() {
        let (mut side, mut findings) = (FollowerSide::default(), all_on());
        life(ONE).iter().for_each(|said| side.on_observation(K1, said, |_| true, &mut findings));
        assert!(side.claims(ONE) && !side.claims(TWO));
        side.on_down(K1);
        assert!(!side.claims(ONE));
    }
}
