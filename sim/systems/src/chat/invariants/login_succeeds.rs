//! Once faults are over, a user who asks for a login again and again is let in.

use std::collections::BTreeMap;

use splitbrain_kernel::context::OperationResult;
use splitbrain_kernel::history::{HistoryEntryRef, HistoryEvent};
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::view::View;

use crate::chat::ids::Uid;
use crate::chat::message::{Operation, Refusal, Response};
use crate::chat::node::ChatNode;

use super::index::LOGIN_SUCCEEDS;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "login_succeeds",
    doc: "In the settle phase, once locks and presences of before are over, not eight logins of a user in a row fail, \
          or forty if they lose their lock to a slow database.",
    source: "redis-doc, Distributed Locks with Redis, \"Liveness arguments\"",
    kind: InvariantKind::Liveness,
    sight: Sight::BlackBox,
};

/// So many failures in a row are no accident.
const FAILURES: u32 = 8;

/// How many logins that lost their lock count as one failure, if queries of the database may take longer than a lock
/// lasts.
const LOST_LOCKS: u32 = 5;

/// How often each user has failed in a row.
///
/// - Failures are counted in parts: one is [`LOST_LOCKS`] of them.
#[derive(Clone, Debug)]
pub(super) struct Failures {
    /// How long after the begin of the settle phase logins may fail.
    patience: Duration,
    /// How many parts a login counts for that lost its lock.
    lost_lock: u32,
    of: BTreeMap<Uid, u32>,
}

/// How long the queries of a login take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Database {
    /// Longer than a lock lasts, now and then.
    MayOutlastALock,
    /// Never so long.
    IsFast,
}

impl Failures {
    /// Logins may fail for so long. If the database is fast enough, no login loses its lock.
    pub(super) const fn new(patience: Duration, database: Database) -> Self {
        let lost_lock = match database {
            Database::MayOutlastALock => 1,
            Database::IsFast => LOST_LOCKS,
        };
        Self { patience, lost_lock, of: BTreeMap::new() }
    }

    pub(super) fn on_history(
        &mut self,
        view: &impl View<ChatNode>,
        entry: HistoryEntryRef<'_, ChatNode>,
        findings: &mut Findings,
    ) {
        let HistoryEvent::Completed { invoked, result } = entry.change else { return };
        let Some(HistoryEvent::Invoked(Operation::Login { uid })) = view.history(invoked).map(|entry| entry.change)
        else {
            return;
        };
        let (begun, calm) = (view.history(invoked).map_or(Instant::ZERO, |entry| entry.at), self.calm(view));
        if calm.is_some_and(|calm| begun >= calm) {
            self.on_login(*uid, result, findings);
        }
    }

    /// From when on logins should succeed.
    fn calm(&self, view: &impl View<ChatNode>) -> Option<Instant> {
        view.settled_at().map(|at| at.max(view.disturbed_at()).saturating_add(self.patience))
    }

    fn on_login(&mut self, uid: Uid, result: OperationResult<&Response>, findings: &mut Findings) {
        let failures = self.of.entry(uid).or_default();
        *failures = match result {
            OperationResult::Ok(Response::LoggedIn { .. }) => 0,
            OperationResult::Ok(Response::Refused { why: Refusal::LockLost }) => *failures + self.lost_lock,
            _ => *failures + LOST_LOCKS,
        };
        findings.check(LOGIN_SUCCEEDS, None, *failures < FAILURES * LOST_LOCKS, || {
            format!("{uid} has failed to log in again and again, and not once succeeded")
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{U1, all_on, broken, s1};
    use super::*;

    #[test]
    fn a_user_who_is_never_let_in_is_found() {
        let refused = Response::Refused { why: Refusal::UidInvalid };
        let let_in = Response::LoggedIn { session: s1(1) };
        let judged = |success_at: usize| {
            let (mut failures, mut findings) = (Failures::new(Duration::ZERO, Database::IsFast), all_on());
            for attempt in 0..10 {
                let response = if attempt == success_at { &let_in } else { &refused };
                failures.on_login(U1, OperationResult::Ok(response), &mut findings);
            }
            broken(&findings)
        };
        assert_eq!((judged(3), judged(10)), (None, Some(LOGIN_SUCCEEDS)));
    }

    #[test]
    fn silence_is_a_failure_and_a_lock_that_is_lost_to_a_slow_database_is_a_part_of_one() {
        let judged = |database: Database, result: OperationResult<&Response>, attempts: usize| {
            let (mut failures, mut findings) = (Failures::new(Duration::ZERO, database), all_on());
            (0..attempts).for_each(|_| failures.on_login(U1, result, &mut findings));
            broken(&findings)
        };
        let lost = Response::Refused { why: Refusal::LockLost };
        let lost = OperationResult::Ok(&lost);
        assert_eq!(judged(Database::MayOutlastALock, OperationResult::Unknown, 8), Some(LOGIN_SUCCEEDS));
        assert_eq!(judged(Database::MayOutlastALock, lost, 39), None);
        assert_eq!(judged(Database::MayOutlastALock, lost, 40), Some(LOGIN_SUCCEEDS));
        assert_eq!(judged(Database::IsFast, lost, 7), None);
        assert_eq!(judged(Database::IsFast, lost, 8), Some(LOGIN_SUCCEEDS));
    }
}
