//! No immortal session: some time after the cluster was healed, no session lives whose owner does not count on it.

use std::collections::{BTreeMap, BTreeSet};

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::{Duration, Instant};

use crate::session::ids::SessionId;
use crate::session::observation::SessionObservation;

use super::callbacks_in_order::FollowerSide;
use super::index::NOTHING_IMMORTAL;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "nothing_immortal",
    doc: "After the cluster is healed, a session that no chunk counts on is gone within a bound.",
    source: "etcd #17470 and #13019",
    kind: InvariantKind::Liveness,
    sight: Sight::WhiteBox,
};

/// The sessions of which it was not heard that they were erased.
#[derive(Clone, Debug, Default)]
pub(super) struct Living {
    sessions: BTreeMap<SessionId, Life>,
}

#[derive(Clone, Copy, Debug)]
struct Life {
    /// When its lease last began.
    started: Instant,
    /// When a chunk last counted on it; its start if none has.
    owned: Instant,
}

impl Living {
    /// A master has said something.
    pub(super) fn on_observation(&mut self, said: &SessionObservation, now: Instant) {
        match said {
            SessionObservation::LeaseStarted { session } => {
                self.sessions.insert(*session, Life { started: now, owned: now });
            }
            SessionObservation::Erased { session } => {
                self.sessions.remove(session);
            }
            _ => {}
        }
    }

    /// Up to now a chunk has counted on this session.
    pub(super) fn on_owned(&mut self, session: SessionId, now: Instant) {
        if let Some(life) = self.sessions.get_mut(&session) {
            life.owned = now;
        }
    }

    /// How many live in all.
    pub(super) fn total(&self) -> u64 {
        self.sessions.len() as u64
    }

    /// How many live at a master.
    pub(super) fn count(&self, master: NodeId) -> u64 {
        self.sessions.keys().filter(|session| session.master_node() == master).count() as u64
    }

    /// The time is over: each session that is older than `age`, and that its master has in its table, has an owner, or
    /// had one until a short while ago. A master that does not lead ends none. Of a session whose start was not heard,
    /// as its master fell just then, it is known that it is there since `settled`.
    pub(super) fn judge(
        &self,
        (now, settled, age): (Instant, Instant, Duration),
        tables: &BTreeSet<SessionId>,
        sides: &FollowerSide,
        findings: &mut Findings,
    ) {
        let is_past = |moment: Instant| age <= now.since(moment);
        for session in tables {
            let life = self.sessions.get(session).copied().unwrap_or(Life { started: settled, owned: settled });
            if !is_past(life.started) {
                continue;
            }
            let holds = sides.claims(*session) || !is_past(life.owned);
            findings.check(NOTHING_IMMORTAL, Some(session.master_node()), holds, || {
                format!("{session} lives, though no chunk has counted on it since {}", life.owned)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{K1, ONE, TWO, all_on, broken};
    use super::*;

    const BOUND: Duration = Duration::from_secs(10);

    fn at(secs: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(secs)
    }

    fn judge(owned: &[SessionId], tables: &[SessionId]) -> (Option<usize>, u64) {
        let (mut living, mut sides, mut findings) = (Living::default(), FollowerSide::default(), all_on());
        living.on_observation(&SessionObservation::LeaseStarted { session: ONE }, at(0));
        living.on_observation(&SessionObservation::LeaseStarted { session: TWO }, at(15));
        for session in owned {
            sides.on_observation(K1, &SessionObservation::Alive { session: *session }, |_| true, &mut Findings::new(0));
        }
        let tables = tables.iter().copied().collect();
        living.judge((at(20), at(5), BOUND), &tables, &sides, &mut findings);
        (broken(&findings), findings.evaluated()[NOTHING_IMMORTAL])
    }

    #[test]
    fn a_session_with_an_owner_or_one_that_ended_is_right() {
        assert_eq!(judge(&[ONE], &[ONE, TWO]), (None, 1), "the other one is young");
        assert_eq!(judge(&[], &[TWO]), (None, 0));
        assert_eq!(judge(&[], &[]), (None, 0), "its master has none");
    }

    #[test]
    fn a_session_that_lost_its_owner_just_now_may_live_a_little() {
        let judge_at = |secs| {
            let (mut living, sides, mut findings) = (Living::default(), FollowerSide::default(), all_on());
            living.on_observation(&SessionObservation::LeaseStarted { session: ONE }, at(0));
            living.on_owned(ONE, at(15));
            living.judge((at(secs), at(0), BOUND), &BTreeSet::from([ONE]), &sides, &mut findings);
            broken(&findings)
        };
        assert_eq!(judge_at(20), None);
        assert_eq!(judge_at(25), Some(NOTHING_IMMORTAL));
    }

    #[test]
    fn an_old_session_without_an_owner_is_found() {
        assert_eq!(judge(&[TWO], &[ONE]).0, Some(NOTHING_IMMORTAL));
    }

    #[test]
    fn one_whose_start_was_not_heard_is_as_old_as_the_settle_phase() {
        let three = SessionId { master: 1, number: 3 };
        assert_eq!(judge(&[], &[three]), (Some(NOTHING_IMMORTAL), 1), "fifteen seconds");
        assert_eq!(judge(&[three], &[three]), (None, 1));
    }
}
