//! Once the faults are over, a lock without a holder is not withheld from those who ask for it for longer than the
//! time to live of what may be left, and the time that it takes to find a master (redis-doc, "Distributed Locks with
//! Redis", "Liveness arguments").

use std::collections::BTreeMap;

use splitbrain_kernel::context::OperationResult;
use splitbrain_kernel::history::{EntryRef, HistoryEvent};
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::Instant;
use splitbrain_kernel::view::View;

use crate::lock::ids::LockId;
use crate::lock::message::{Operation, Response};
use crate::lock::node::LockNode;

use super::belief_exclusion::Beliefs;
use super::index::LOCK_LIVENESS;
use super::terms::Terms;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "lock_liveness",
    doc: "In the settle phase no client is refused a lock that none has held for two times to live and the time of \
          a failover.",
    source: "redis-doc, Distributed Locks with Redis, \"Liveness arguments\"",
    kind: InvariantKind::Liveness,
    sight: Sight::BlackBox,
};

/// Since when each lock is asked for in vain.
#[derive(Clone, Debug, Default)]
pub(super) struct Hunger {
    since: BTreeMap<LockId, Instant>,
}

impl Hunger {
    /// A client has the lock: what comes after begins anew.
    pub(super) fn on_gained(&mut self, _: Instant, lock: LockId) {
        self.since.remove(&lock);
    }

    /// A client had the lock until now.
    pub(super) fn on_progress(&mut self, now: Instant, lock: LockId) {
        if let Some(since) = self.since.get_mut(&lock) {
            *since = now;
        }
    }

    /// A client asks, or is refused.
    pub(super) fn on_history(
        &mut self,
        view: &impl View<LockNode>,
        entry: EntryRef<'_, LockNode>,
        beliefs: &Beliefs,
        terms: &Terms,
        findings: &mut Findings,
    ) {
        match entry.change {
            HistoryEvent::Invoked(Operation::Acquire { lock }) => self.on_asked(view.now(), *lock),
            HistoryEvent::Completed {
                invoked,
                result: OperationResult::Ok(Response::Busy | Response::Unavailable),
            } => {
                let asked = view.history(invoked).map(|entry| entry.change);
                if let (Some(HistoryEvent::Invoked(operation)), Some(settled)) = (asked, view.settled_at()) {
                    let lock = operation.lock();
                    let is_held = beliefs.has_holder(&|client| view.monotonic(client), lock);
                    self.on_refused(view.now(), settled, lock, is_held, terms, findings);
                }
            }
            _ => {}
        }
    }

    fn on_asked(&mut self, now: Instant, lock: LockId) {
        self.since.entry(lock).or_insert(now);
    }

    fn on_refused(
        &mut self,
        now: Instant,
        settled: Instant,
        lock: LockId,
        is_held: bool,
        terms: &Terms,
        findings: &mut Findings,
    ) {
        if is_held {
            return self.on_progress(now, lock);
        }
        let since = self.since.get(&lock).copied().unwrap_or(now).max(settled);
        let is_in_time = now.since(since) <= terms.patience();
        findings.check(LOCK_LIVENESS, None, is_in_time, || {
            format!("{lock} is refused, although no client has held it since {since}")
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, independent, seconds};
    use super::*;

    const LOCK: LockId = LockId(1);

    fn refused(hunger: &mut Hunger, at: u64, is_held: bool) -> Option<usize> {
        let mut findings = all_on();
        hunger.on_refused(seconds(at), seconds(10), LOCK, is_held, &independent(1), &mut findings);
        broken(&findings)
    }

    #[test]
    fn a_lock_that_is_held_or_was_held_lately_may_be_refused() {
        let mut hunger = Hunger::default();
        hunger.on_asked(seconds(0), LOCK);
        assert_eq!(refused(&mut hunger, 20, false), None, "the faults are over since 10 s");
        assert_eq!(refused(&mut hunger, 60, true), None);
        assert_eq!(refused(&mut hunger, 70, false), None);
        hunger.on_gained(seconds(71), LOCK);
        assert_eq!(refused(&mut hunger, 120, false), None);
    }

    #[test]
    fn a_lock_that_nobody_holds_and_nobody_gets_is_found() {
        let mut hunger = Hunger::default();
        hunger.on_asked(seconds(0), LOCK);
        assert_eq!(refused(&mut hunger, 60, false), Some(LOCK_LIVENESS));
    }
}
