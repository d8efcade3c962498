//! Session liveness: some time after the cluster was healed, each chunk has a session with each master that was not
//! ordered to step down, or lost one a short while ago.

use std::collections::{BTreeMap, BTreeSet};

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::{Duration, Instant};

use crate::session::chunk::stop::StopSource;
use crate::session::ids::{Identity, Instance, SessionId};
use crate::session::message::Order;
use crate::session::observation::SessionObservation;
use crate::session::options::SessionOptions;

use super::index::SESSION_RESTORED;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "session_restored",
    doc: "After the cluster is healed, each chunk has a session with each master that leads, within a bound.",
    source: "Burrows, The Chubby lock service (OSDI 2006), section 2.8",
    kind: InvariantKind::Liveness,
    sight: Sight::BlackBox,
};

/// What followers say of themselves: which want no session, which have one, and when each lost its last one.
///
/// A healed network still loses a message now and then, so a session may be in jeopardy or end there as well. It is to
/// be restored, or its follower to have another one, some time later.
///
/// That a follower wants no session is believed if its user has stopped it, if another process of its machine came
/// after it, or if it may give up.
#[derive(Clone, Debug, Default)]
pub(super) struct Wishes {
    stopped: BTreeMap<(NodeId, u16), StopSource>,
    /// The chunks whose user has stopped them.
    ordered: BTreeSet<NodeId>,
    /// As which process of which machine each chunk last asked for a session.
    processes: BTreeMap<NodeId, (Identity, Instance)>,
    /// The process of each machine that a master took for the newest, by the number of the master.
    newest: BTreeMap<(u16, Identity), Instance>,
    alive: BTreeMap<(NodeId, u16), SessionId>,
    lost: BTreeMap<(NodeId, u16), Instant>,
}

impl Wishes {
    /// A follower has said something.
    pub(super) fn on_observation(&mut self, chunk: NodeId, said: &SessionObservation, now: Instant) {
        match said {
            SessionObservation::Stopped { master, source } => {
                self.stopped.insert((chunk, *master), *source);
                self.alive.remove(&(chunk, *master));
            }
            SessionObservation::Creating { master } => {
                self.stopped.remove(&(chunk, *master));
            }
            SessionObservation::Alive { session } | SessionObservation::Restored { session } => {
                self.alive.insert((chunk, session.master_node().number()), *session);
            }
            SessionObservation::Jeopardy { session } | SessionObservation::FollowerExpired { session } => {
                let of = (chunk, session.master_node().number());
                // A session that never came alive is none that was lost.
                if self.alive.get(&of) == Some(session) {
                    self.alive.remove(&of);
                    self.lost.insert(of, now);
                }
            }
            _ => {}
        }
    }

    /// A user stops a chunk, or has it go on.
    pub(super) fn on_order(&mut self, chunk: NodeId, order: Order) {
        match order {
            Order::Stop => _ = self.ordered.insert(chunk),
            Order::Resume => _ = self.ordered.remove(&chunk),
            Order::Claim(_) | Order::Release(_) | Order::StepDown | Order::Lead => {}
        }
    }

    /// A chunk asks for a session as this process.
    pub(super) fn on_asked(&mut self, chunk: NodeId, identity: Identity, instance: Instance) {
        self.processes.insert(chunk, (identity, instance));
    }

    /// A master takes this process of a machine for the newest.
    pub(super) fn on_initialized(&mut self, master: u16, identity: Identity, instance: Instance) {
        self.newest.insert((master, identity), instance);
    }

    /// A process has ended: the next one begins anew.
    pub(super) fn on_down(&mut self, chunk: NodeId) {
        self.stopped.retain(|(of, _), _| *of != chunk);
        self.ordered.remove(&chunk);
        self.alive.retain(|(of, _), _| *of != chunk);
    }

    /// Whether this follower wants no session, for a reason that is known. `options` are those of its chunk.
    pub(super) fn wants_none(&self, chunk: NodeId, master: u16, options: &SessionOptions) -> bool {
        // That a master knows an earlier process of the same chunk is no reason.
        let replaces = |newest: Instance, own: Instance| newest.chunk() != own.chunk() || own < newest;
        let is_replaced = || {
            let of = |machine| self.newest.iter().filter(move |((_, of), _)| *of == machine);
            let own = self.processes.get(&chunk);
            own.is_some_and(|(machine, own)| of(*machine).any(|(_, newest)| replaces(*newest, *own)))
        };
        match self.stopped.get(&(chunk, master)) {
            Some(StopSource::User) => self.ordered.contains(&chunk),
            Some(StopSource::Superseded) => is_replaced(),
            Some(StopSource::Timeout) => !options.create_timeout.is_zero(),
            Some(StopSource::Expiry) | None => false,
        }
    }

    /// The time is over: this chunk has a session with this master, or lost one less than `again` ago.
    pub(super) fn judge(&self, chunk: NodeId, master: u16, now: Instant, again: Duration, findings: &mut Findings) {
        let lost = self.lost.get(&(chunk, master)).copied();
        let is_right = self.alive.contains_key(&(chunk, master)) || lost.is_some_and(|lost| now.since(lost) < again);
        findings.check(SESSION_RESTORED, Some(chunk), is_right, || {
            let chunk = chunk.number();
            match lost {
                Some(lost) => format!(
                    "chunk{chunk} has had no session with meta{master} since {lost}, long after the cluster was healed"
                ),
                None => format!("chunk{chunk} has no session with meta{master}, long after the cluster was healed"),
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{K1, ONE, TWO, all_on, broken};
    use super::*;
    use crate::session::presets;

    fn at(secs: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(secs)
    }

    /// Each is said one second after the other, from the first second on; it is judged at second 20, with 5 to come
    /// back.
    fn judge(said: &[SessionObservation]) -> (Option<usize>, u64) {
        judge_from(1, said)
    }

    fn judge_from(first: u64, said: &[SessionObservation]) -> (Option<usize>, u64) {
        let (mut wishes, mut findings) = (Wishes::default(), all_on());
        for (second, said) in (first..).zip(said) {
            wishes.on_observation(K1, said, at(second));
        }
        wishes.judge(K1, 1, at(20), Duration::from_secs(5), &mut findings);
        (broken(&findings), findings.evaluated()[SESSION_RESTORED])
    }

    fn alive() -> SessionObservation {
        SessionObservation::Alive { session: ONE }
    }

    fn lost(session: SessionId) -> SessionObservation {
        SessionObservation::FollowerExpired { session }
    }

    const CREATING: SessionObservation = SessionObservation::Creating { master: 1 };
    const JEOPARDY: SessionObservation = SessionObservation::Jeopardy { session: ONE };

    #[test]
    fn a_chunk_with_a_session_is_right_and_one_without_is_found() {
        assert_eq!(judge(&[alive()]), (None, 1));
        assert_eq!(judge(&[alive(), lost(ONE), CREATING]), (Some(SESSION_RESTORED), 1));
        assert_eq!(judge(&[]), (Some(SESSION_RESTORED), 1));
        let stopped = SessionObservation::Stopped { master: 1, source: StopSource::User };
        assert_eq!(judge(&[alive(), stopped, CREATING]), (Some(SESSION_RESTORED), 1), "it went on without one");
    }

    #[test]
    fn a_session_that_stays_in_jeopardy_is_none_and_one_that_is_restored_is_one() {
        assert_eq!(judge(&[alive(), JEOPARDY]), (Some(SESSION_RESTORED), 1));
        assert_eq!(judge(&[alive(), JEOPARDY, SessionObservation::Restored { session: ONE }]), (None, 1));
    }

    /// Whether it is believed that a follower wants none, after this was said and done.
    fn wants_none(source: StopSource, orders: &[Order], newest: u32, create_timeout: Duration) -> bool {
        let mut wishes = Wishes::default();
        wishes.on_asked(K1, Identity(1), Instance::of(1, 0));
        wishes.on_initialized(1, Identity(1), Instance::of(1, newest));
        orders.iter().for_each(|order| wishes.on_order(K1, *order));
        wishes.on_observation(K1, &SessionObservation::Stopped { master: 1, source }, at(1));
        wishes.wants_none(K1, 1, &SessionOptions { create_timeout, ..presets::zbs() })
    }

    #[test]
    fn that_a_follower_wants_none_is_believed_for_a_reason_only() {
        use StopSource::{Expiry, Superseded, Timeout, User};
        let (never, bounded) = (Duration::ZERO, Duration::from_secs(1));
        assert!(wants_none(User, &[Order::Stop], 0, never));
        assert!(!wants_none(User, &[], 0, never), "nobody has stopped it");
        assert!(!wants_none(User, &[Order::Stop, Order::Resume], 0, never));
        assert!(wants_none(Superseded, &[], 1, never));
        assert!(!wants_none(Superseded, &[], 0, never), "it is the newest");
        assert!(wants_none(Timeout, &[], 0, bounded));
        assert!(!wants_none(Timeout, &[], 0, never), "it may not give up");
        assert!(!wants_none(Expiry, &[], 0, bounded), "it asks for another");
        let mut wishes = Wishes::default();
        wishes.on_order(K1, Order::Stop);
        wishes.on_observation(K1, &SessionObservation::Stopped { master: 1, source: User }, at(1));
        wishes.on_observation(K1, &CREATING, at(2));
        assert!(!wishes.wants_none(K1, 1, &presets::zbs()), "it asks again");
    }

    #[test]
    fn a_session_that_was_lost_a_moment_ago_is_being_replaced() {
        assert_eq!(judge_from(15, &[alive(), lost(ONE), CREATING]), (None, 1), "four seconds ago");
        assert_eq!(judge_from(14, &[alive(), lost(ONE), CREATING]), (Some(SESSION_RESTORED), 1), "five seconds ago");
        assert_eq!(judge_from(15, &[CREATING, lost(TWO)]), (Some(SESSION_RESTORED), 1), "that one never came alive");
    }

    #[test]
    fn a_process_that_one_master_replaced_stays_replaced_though_another_master_hears_of_it_later() {
        let (mut wishes, old, new) = (Wishes::default(), Instance::of(1, 0), Instance::of(2, 0));
        wishes.on_asked(K1, Identity(1), old);
        wishes.on_initialized(1, Identity(1), new);
        wishes.on_initialized(2, Identity(1), old);
        wishes.on_observation(K1, &SessionObservation::Stopped { master: 1, source: StopSource::Superseded }, at(1));
        assert!(wishes.wants_none(K1, 1, &presets::zbs()));
    }

    #[test]
    fn a_process_is_not_replaced_by_one_that_came_before_it() {
        let (mut wishes, own) = (Wishes::default(), Instance::of(1, 1));
        wishes.on_asked(K1, Identity(1), own);
        wishes.on_initialized(1, Identity(1), own);
        wishes.on_initialized(2, Identity(1), Instance::of(1, 0));
        wishes.on_observation(K1, &SessionObservation::Stopped { master: 1, source: StopSource::Superseded }, at(1));
        assert!(!wishes.wants_none(K1, 1, &presets::zbs()));
        wishes.on_initialized(2, Identity(1), Instance::of(1, 2));
        assert!(wishes.wants_none(K1, 1, &presets::zbs()));
    }

    #[test]
    fn a_process_that_ended_has_no_session() {
        let mut wishes = Wishes::default();
        wishes.on_observation(K1, &alive(), at(1));
        wishes.on_down(K1);
        let mut findings = all_on();
        wishes.judge(K1, 1, at(20), Duration::from_secs(5), &mut findings);
        assert_eq!(broken(&findings), Some(SESSION_RESTORED));
    }
}
