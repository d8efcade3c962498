//! No early expiry: a session lives for its lease, in true time, after it was last extended.
//!
//! Within the declared bound on drift, true time counts; without one, the monotonic clock of the master.

use std::collections::{BTreeMap, BTreeSet};

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::{Duration, Instant};

use crate::session::ids::{Instance, SessionId};
use crate::session::lease::least_true;
use crate::session::message::SessionMessage;
use crate::session::observation::SessionObservation;

use super::index::NO_EARLY_EXPIRY;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "no_early_expiry",
    doc: "A session that its process did not close expires no sooner than its lease after it was last extended.",
    source: "etcd documentation, Lease: the time to live is a minimum; etcd #13019",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// The times that count at one moment: true time, and the master's monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) true_time: Instant,
    pub(super) monotonic: Instant,
}

/// Whether a session is new: one that is taken over keeps its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    New,
    Reused,
}

/// The leases of sessions, as their masters must count them.
#[derive(Clone, Debug, Default)]
pub(super) struct Extensions {
    /// The lease that each process asked for.
    asked: BTreeMap<Instance, Duration>,
    /// The process that a session is created for, or that is about to take it over.
    creating: BTreeMap<SessionId, (Instance, Origin)>,
    /// The process that uses each session.
    users: BTreeMap<SessionId, Instance>,
    /// The length of each lease, and when it was last extended.
    leases: BTreeMap<SessionId, (Duration, Times)>,
    /// When the replica that leads began to: it gives each session a full lease.
    failover: Option<Times>,
    /// Those that have expired.
    judged: BTreeSet<SessionId>,
    /// Which process has closed a session. That of another process says nothing of the one that uses it.
    closed: BTreeSet<(SessionId, Instance)>,
}

impl Extensions {
    /// A master hears something.
    pub(super) fn on_heard(&mut self, message: &SessionMessage) {
        match message {
            SessionMessage::Create(create) => {
                self.asked.insert(create.instance, create.lease);
            }
            SessionMessage::Close { session, instance } => {
                self.closed.insert((*session, *instance));
            }
            _ => {}
        }
    }

    /// A master has said something.
    pub(super) fn on_observation(
        &mut self,
        master: NodeId,
        said: &SessionObservation,
        now: Times,
        drift: Option<u32>,
        findings: &mut Findings,
    ) {
        match said {
            SessionObservation::Initialized { session, instance, is_reused, .. } => {
                let origin = if *is_reused { Origin::Reused } else { Origin::New };
                self.creating.insert(*session, (*instance, origin));
            }
            SessionObservation::LeaseStarted { session } => self.start(*session, now),
            SessionObservation::Extended { session } => {
                if let Some((_, last)) = self.leases.get_mut(session) {
                    *last = now;
                }
            }
            SessionObservation::Expired { session } => {
                let since = self.failover;
                self.judge(master, *session, since, now, drift, findings);
            }
            // It was decided by a master that did not live to say so, by the lease that it had given.
            SessionObservation::ExpiredPartRan { session, .. } => {
                self.judge(master, *session, None, now, drift, findings);
            }
            _ => {}
        }
    }

    /// Another replica leads from now on.
    pub(super) const fn on_failover(&mut self, now: Times) {
        self.failover = Some(now);
    }

    /// The lease of a session starts, or starts anew with a process that takes it over.
    fn start(&mut self, session: SessionId, now: Times) {
        let begun = self.creating.remove(&session);
        if let Some((user, _)) = begun {
            self.users.insert(session, user);
        }
        let created = begun.filter(|(_, origin)| *origin == Origin::New);
        let asked = created.and_then(|(instance, _)| self.asked.get(&instance).copied());
        let known = self.leases.get(&session).map(|(length, _)| *length);
        if let Some(length) = asked.or(known) {
            self.leases.insert(session, (length, now));
        }
    }

    fn is_closed(&self, session: SessionId) -> bool {
        self.users.get(&session).is_some_and(|user| self.closed.contains(&(session, *user)))
    }

    /// A session expires, which was extended last by a keepalive or at `failover`.
    fn judge(
        &mut self,
        master: NodeId,
        session: SessionId,
        failover: Option<Times>,
        now: Times,
        drift: Option<u32>,
        findings: &mut Findings,
    ) {
        if !self.judged.insert(session) {
            return;
        }
        let Some((length, last)) = self.leases.get(&session).filter(|_| !self.is_closed(session)) else {
            return;
        };
        let last = failover.filter(|failover| last.true_time < failover.true_time).unwrap_or(*last);
        let (passed, least) = match drift {
            Some(drift) => (now.true_time.since(last.true_time), least_true(*length, drift)),
            None => (now.monotonic.since(last.monotonic), *length),
        };
        findings.check(NO_EARLY_EXPIRY, Some(master), least <= passed, || {
            format!("{master} lets {session} expire {passed} after it was last extended; its lease is {length}")
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{M1, ONE, all_on, broken};
    use super::*;
    use crate::session::ids::Identity;
    use crate::session::message::CreateRequest;
    use SessionObservation::{Expired, Extended};

    fn at(true_ms: u64, local_ms: u64) -> Times {
        let instant = |ms| Instant::ZERO + Duration::from_millis(ms);
        Times { true_time: instant(true_ms), monotonic: instant(local_ms) }
    }

    /// A session with a lease of ten seconds, extended at second 5, that expires then.
    fn judge(then: Times, drift: Option<u32>, is_closed: bool) -> (Option<usize>, u64) {
        let (mut extensions, mut findings) = (Extensions::default(), all_on());
        let (instance, identity, lease) = (Instance::of(1, 1), Identity(1), Duration::from_secs(10));
        let create = CreateRequest {
            request: 1,
            wish: 1,
            identity,
            instance,
            lease,
            version: 1,
            items: Vec::new(),
            wall: Instant::ZERO,
        };
        extensions.on_heard(&SessionMessage::Create(Box::new(create)));
        if is_closed {
            extensions.on_heard(&SessionMessage::Close { session: ONE, instance });
        }
        for (said, now) in [
            (SessionObservation::Initialized { session: ONE, identity, instance, is_reused: false }, at(0, 0)),
            (SessionObservation::LeaseStarted { session: ONE }, at(0, 0)),
            (Extended { session: ONE }, at(5_000, 5_000)),
            (Expired { session: ONE }, then),
        ] {
            extensions.on_observation(M1, &said, now, drift, &mut findings);
        }
        (broken(&findings), findings.evaluated()[NO_EARLY_EXPIRY])
    }

    #[test]
    fn a_session_that_lives_for_its_lease_is_right() {
        assert_eq!(judge(at(15_000, 15_000), None, false), (None, 1));
        assert_eq!(judge(at(14_000, 15_000), None, false), (None, 1), "the master's clock alone counts");
        assert_eq!(judge(at(14_910, 15_000), Some(10_000), false), (None, 1), "within the bound on drift");
        assert_eq!(judge(at(6_000, 6_000), None, true), (None, 0), "its chunk closed it");
    }

    /// A session that process 2 has taken over from process 1 at second 5, and that ends a second later; `closed_by`
    /// has closed it.
    fn judge_taken_over(closed_by: u32) -> Option<usize> {
        let (mut extensions, mut findings) = (Extensions::default(), all_on());
        let (identity, lease) = (Identity(1), Duration::from_secs(10));
        for (instance, is_reused, now) in
            [(Instance::of(1, 1), false, at(0, 0)), (Instance::of(1, 2), true, at(5_000, 5_000))]
        {
            let (items, wall) = (Vec::new(), Instant::ZERO);
            let create = CreateRequest { request: 1, wish: 1, identity, instance, lease, version: 1, items, wall };
            extensions.on_heard(&SessionMessage::Create(Box::new(create)));
            let initialized = SessionObservation::Initialized { session: ONE, identity, instance, is_reused };
            for said in [initialized, SessionObservation::LeaseStarted { session: ONE }] {
                extensions.on_observation(M1, &said, now, None, &mut findings);
            }
        }
        extensions.on_heard(&SessionMessage::Close { session: ONE, instance: Instance::of(1, closed_by) });
        extensions.on_observation(M1, &Expired { session: ONE }, at(6_000, 6_000), None, &mut findings);
        broken(&findings)
    }

    #[test]
    fn a_close_counts_if_it_is_of_the_process_that_uses_the_session() {
        assert_eq!(judge_taken_over(2), None);
        assert_eq!(judge_taken_over(1), Some(NO_EARLY_EXPIRY));
    }

    #[test]
    fn a_session_that_expires_early_is_found() {
        assert_eq!(judge(at(14_999, 14_999), None, false).0, Some(NO_EARLY_EXPIRY));
        assert_eq!(judge(at(14_000, 15_000), Some(10_000), false).0, Some(NO_EARLY_EXPIRY));
    }

    #[test]
    fn after_a_failover_a_session_has_a_full_lease_but_for_an_expiry_that_was_decided_before() {
        let part = SessionObservation::ExpiredPartRan {
            session: ONE,
            part: crate::session::observation::ExpiredPart::Chunk,
            is_found: true,
        };
        // Extended at second 5, a failover at second 12: the lease of ten seconds is over at 15, or at 22.
        for (said, second, expected) in [
            (Expired { session: ONE }, 16, Some(NO_EARLY_EXPIRY)),
            (Expired { session: ONE }, 22, None),
            (part.clone(), 16, None),
            (part, 14, Some(NO_EARLY_EXPIRY)),
        ] {
            let (mut extensions, mut findings) = (Extensions::default(), all_on());
            extensions.leases.insert(ONE, (Duration::from_secs(10), at(5_000, 5_000)));
            extensions.on_failover(at(12_000, 0));
            extensions.on_observation(M1, &said, at(second * 1_000, 0), Some(0), &mut findings);
            assert_eq!(broken(&findings), expected, "{said:?} at {second}");
        }
    }
}
