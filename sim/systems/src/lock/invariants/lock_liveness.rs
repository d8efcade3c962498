//! Once the faults are over, a lock without a holder is not withheld from those who ask for it for longer than the
//! time to live of what may be left, and the time that it takes to find a master (redis-doc, "Distributed Locks with
//! Redis", "Liveness arguments"). One who is refused, and one who is never answered, has it withheld.

use std::collections::BTreeMap;

use splitbrain_kernel::context::OperationResult;
use splitbrain_kernel::history::{HistoryEntryRef, HistoryEvent};
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::view::View;

use crate::lock::ids::LockId;
use crate::lock::message::{Operation, Response};
use crate::lock::node::LockNode;

use super::belief_exclusion::Beliefs;
use super::index::LOCK_LIVENESS;
use super::is_user;
use super::terms::Terms;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "lock_liveness",
    doc: "Once the settle phase has begun and no disk is slow any more, a client that asks for a lock which none holds \
          has it, or another one has it, within two times to live and the time of a failover.",
    source: "redis-doc, Distributed Locks with Redis, \"Liveness arguments\"",
    kind: InvariantKind::Liveness,
    sight: Sight::BlackBox,
};

/// What clients ask for in vain.
#[derive(Clone, Debug, Default)]
pub(super) struct Hunger {
    /// Since when each lock is asked for in vain. It has none while a client holds it, or nobody asks.
    since: BTreeMap<LockId, Instant>,
    /// How long each lock that nobody asks for at this moment was asked for in vain before. While nobody asks, no time
    /// passes for it.
    before: BTreeMap<LockId, Duration>,
    /// How many clients ask for each lock at this moment.
    asking: BTreeMap<LockId, usize>,
    /// From when on nothing stands in the way any more; it has none before that.
    healed: Option<Instant>,
}

/// From when on nothing stands in the way of those who ask: the settle phase has begun, and what the disks of the
/// servers of its core were asked under a fault has ended. What is slow once keeps what comes behind it waiting.
fn healed_at(view: &impl View<LockNode>) -> Option<Instant> {
    let settled = view.settled_at()?;
    let mut disks = view.core().iter().filter(|node| !is_user(**node)).map(|node| view.disk(*node));
    let healed = disks.try_fold(settled, |latest, disk| Some(latest.max(disk.healthy_from()?)))?;
    (healed <= view.now()).then_some(healed)
}

impl Hunger {
    /// Looks whether the faults are over.
    pub(super) fn look(&mut self, view: &impl View<LockNode>) {
        if self.healed.is_none()
            && let Some(healed) = healed_at(view)
        {
            self.on_healed(healed);
        }
    }

    fn on_healed(&mut self, healed: Instant) {
        self.before.clear();
        self.healed = Some(healed);
    }

    /// A client has the lock: what comes after begins anew.
    pub(super) fn on_gained(&mut self, now: Instant, lock: LockId, terms: &Terms, findings: &mut Findings) {
        self.before.remove(&lock);
        if let (Some(since), Some(healed)) = (self.since.remove(&lock), self.healed) {
            judge((now, lock), since.max(healed), terms, findings);
        }
    }

    /// A client had the lock until now.
    pub(super) fn on_progress(&mut self, now: Instant, lock: LockId) {
        self.before.remove(&lock);
        if self.asking.get(&lock).is_some_and(|count| *count > 0) {
            self.since.insert(lock, now);
        }
    }

    /// A client asks, or is refused.
    pub(super) fn on_history(
        &mut self,
        view: &impl View<LockNode>,
        entry: HistoryEntryRef<'_, LockNode>,
        beliefs: &Beliefs,
        terms: &Terms,
        findings: &mut Findings,
    ) {
        let operation = match entry.change {
            HistoryEvent::Invoked(operation) => Some(operation),
            HistoryEvent::Completed { invoked, .. } => match view.history(invoked).map(|entry| entry.change) {
                Some(HistoryEvent::Invoked(operation)) => Some(operation),
                _ => None,
            },
        };
        let Some(Operation::Acquire { lock }) = operation.copied() else { return };
        let is_held = beliefs.has_holder(&|client| view.monotonic(client), lock);
        match entry.change {
            HistoryEvent::Invoked(_) => self.on_asked(view.now(), lock),
            HistoryEvent::Completed { result, .. } => {
                if matches!(result, OperationResult::Ok(Response::Busy | Response::Unavailable)) {
                    self.on_refused(view.now(), lock, is_held, terms, findings);
                }
                self.on_ended(view.now(), lock);
            }
        }
    }

    fn on_asked(&mut self, now: Instant, lock: LockId) {
        *self.asking.entry(lock).or_default() += 1;
        let before = self.before.remove(&lock).unwrap_or_default();
        self.since.entry(lock).or_insert(now.saturating_sub(before));
    }

    fn on_ended(&mut self, now: Instant, lock: LockId) {
        let Some(count) = self.asking.get_mut(&lock) else { return };
        *count = count.saturating_sub(1);
        if *count == 0
            && let Some(since) = self.since.remove(&lock)
        {
            let since = self.healed.map_or(since, |healed| since.max(healed));
            self.before.insert(lock, now.since(since));
        }
    }

    fn on_refused(&mut self, now: Instant, lock: LockId, is_held: bool, terms: &Terms, findings: &mut Findings) {
        if is_held {
            return self.on_progress(now, lock);
        }
        let Some(healed) = self.healed else { return };
        let since = self.since.get(&lock).copied().unwrap_or(now).max(healed);
        judge((now, lock), since, terms, findings);
    }

    /// When the next lock has been asked for in vain for too long.
    pub(super) fn deadline(&self, terms: &Terms) -> Instant {
        let Some(healed) = self.healed else { return Instant::MAX };
        let asked = self.since.iter().filter(|(lock, _)| self.asking.get(lock).is_some_and(|count| *count > 0));
        asked.map(|(_, since)| due(*since.max(&healed), terms)).min().unwrap_or(Instant::MAX)
    }

    /// These locks were asked for in vain for long: nobody was refused, and nobody had them.
    pub(super) fn on_deadline(
        &mut self,
        now: Instant,
        is_held: impl Fn(LockId) -> bool,
        terms: &Terms,
        findings: &mut Findings,
    ) {
        let Some(healed) = self.healed else { return };
        for (lock, since) in &mut self.since {
            let is_asked_for = self.asking.get(lock).is_some_and(|count| *count > 0);
            if !is_asked_for || now < due((*since).max(healed), terms) {
                continue;
            }
            if !is_held(*lock) {
                judge((now, *lock), (*since).max(healed), terms, findings);
            }
            *since = now;
        }
    }
}

/// From when on a lock has been withheld for too long.
fn due(since: Instant, terms: &Terms) -> Instant {
    since.saturating_add(terms.patience()).saturating_add(Duration::from_nanos(1))
}

fn judge((now, lock): (Instant, LockId), since: Instant, terms: &Terms, findings: &mut Findings) {
    findings.check(LOCK_LIVENESS, None, now < due(since, terms), || {
        format!("{lock} is asked for in vain, although no client has held it since {since}")
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, independent, seconds};
    use super::*;

    const LOCK: LockId = LockId(1);

    fn settled() -> Hunger {
        let mut hunger = Hunger::default();
        hunger.on_healed(seconds(10));
        hunger
    }

    fn refused(hunger: &mut Hunger, at: u64, is_held: bool) -> Option<usize> {
        let mut findings = all_on();
        hunger.on_refused(seconds(at), LOCK, is_held, &independent(1), &mut findings);
        broken(&findings)
    }

    /// What is judged when a client has the lock at this second: whether it is too late, and whether it counts.
    fn gained(hunger: &mut Hunger, at: u64) -> (Option<usize>, u64) {
        let mut findings = all_on();
        hunger.on_gained(seconds(at), LOCK, &independent(1), &mut findings);
        (broken(&findings), findings.evaluated()[LOCK_LIVENESS])
    }

    #[test]
    fn a_lock_that_is_held_or_was_held_lately_may_be_refused() {
        let mut hunger = settled();
        hunger.on_asked(seconds(0), LOCK);
        assert_eq!(refused(&mut hunger, 20, false), None, "the faults are over since 10 s");
        assert_eq!(refused(&mut hunger, 60, true), None);
        assert_eq!(refused(&mut hunger, 70, false), None);
        assert_eq!(gained(&mut hunger, 71), (None, 1));
        assert_eq!(refused(&mut hunger, 120, false), None);
    }

    #[test]
    fn a_lock_that_nobody_holds_and_nobody_gets_is_found() {
        let mut hunger = settled();
        hunger.on_asked(seconds(0), LOCK);
        assert_eq!(refused(&mut hunger, 60, false), Some(LOCK_LIVENESS));
    }

    #[test]
    fn a_lock_that_is_had_in_time_counts_in_the_settle_phase_alone() {
        let mut early = Hunger::default();
        early.on_asked(seconds(0), LOCK);
        assert_eq!(gained(&mut early, 60), (None, 0));
        let mut late = settled();
        late.on_asked(seconds(0), LOCK);
        assert_eq!(gained(&mut late, 60), (Some(LOCK_LIVENESS), 1));
    }

    /// What is found of clients that ask one after the other from these seconds on, for five each, and are refused.
    fn refused_in_turn(starts: &[u64]) -> Option<usize> {
        let (mut hunger, terms, mut findings) = (settled(), independent(1), all_on());
        for start in starts {
            hunger.on_asked(seconds(*start), LOCK);
            hunger.on_deadline(seconds(*start), |_| false, &terms, &mut findings);
            hunger.on_refused(seconds(start + 5), LOCK, false, &terms, &mut findings);
            hunger.on_ended(seconds(start + 5), LOCK);
        }
        broken(&findings)
    }

    #[test]
    fn no_time_passes_while_nobody_asks() {
        assert_eq!(refused_in_turn(&[0, 100, 200]), None, "ten seconds since the faults are over");
        let often: Vec<u64> = (2..20).map(|turn| turn * 10).collect();
        assert_eq!(refused_in_turn(&often), Some(LOCK_LIVENESS), "each in vain");
    }

    /// What is found at its deadline of a client that asks and is never answered.
    fn unanswered(ends: bool, is_held: bool) -> Option<usize> {
        let (mut hunger, terms, mut findings) = (settled(), independent(1), all_on());
        hunger.on_asked(seconds(0), LOCK);
        if ends {
            hunger.on_ended(seconds(11), LOCK);
        }
        let at = hunger.deadline(&terms);
        assert_eq!(at == Instant::MAX, ends);
        hunger.on_deadline(seconds(10).max(at), |_| is_held, &terms, &mut findings);
        broken(&findings)
    }

    #[test]
    fn a_client_that_is_never_answered_is_found() {
        assert_eq!(unanswered(false, false), Some(LOCK_LIVENESS));
        assert_eq!(unanswered(false, true), None);
        assert_eq!(unanswered(true, false), None, "its process has ended, or it was told");
    }
}
