//! A lock is gone when its time to live is over and active expiry has had its time: none is immortal (redis-doc,
//! "EXPIRE"; a SETNX whose EXPIRE never came).

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::view::View;

use crate::lock::node::LockNode;
use crate::lock::observation::Hold;

use super::expiry::Stored;
use super::index::NO_LATE_EXPIRY;
use super::terms::Terms;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "no_late_expiry",
    doc: "A lock that is neither renewed nor freed is gone once its time to live is over: none is immortal.",
    source: "redis-doc, EXPIRE, \"How Redis expires keys\"",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// A lock is gone: in time, or later because something was in the way of its server, which says nothing.
pub(super) fn on_expired(
    now: Instant,
    server: NodeId,
    hold: Hold,
    stored: &Stored,
    terms: &Terms,
    findings: &mut Findings,
) {
    let set_at = stored.since(server, hold);
    if let Some(set_at) = set_at.filter(|set_at| now <= set_at.saturating_add(terms.life_max())) {
        judge(server, hold, set_at, Expired::InTime, findings);
    }
}

/// Locks should be gone by now: if their servers had nothing in their way, they are.
pub(super) fn on_deadline(view: &impl View<LockNode>, stored: &mut Stored, terms: &Terms, findings: &mut Findings) {
    let now = view.now();
    let calm_since = view.disturbed_at().saturating_add(terms.calm());
    let next = calm_since.max(now.saturating_add(Duration::from_secs(1)));
    for (server, hold, set_at) in stored.overdue(now, next, terms) {
        if view.is_lively(server) && calm_since <= now && terms.walls_are_true() {
            judge(server, hold, set_at, Expired::Never, findings);
        }
    }
}

/// Whether a lock was gone in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expired {
    InTime,
    Never,
}

fn judge(server: NodeId, hold: Hold, set_at: Instant, expired: Expired, findings: &mut Findings) {
    findings.check(NO_LATE_EXPIRY, Some(server), expired == Expired::InTime, || {
        format!("{} of {} is still at {server}, and got its time to live at {set_at}", hold.lock, hold.token)
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{R1, R2, all_on, broken, hold, independent, replicated, seconds};
    use super::*;

    #[test]
    fn a_lock_that_expires_is_right_and_one_that_stays_is_found() {
        let mut findings = all_on();
        let mut stored = Stored::default();
        stored.on_set(seconds(0), R1, hold(1));
        let terms = independent(1);
        on_expired(seconds(11), R1, hold(1), &stored, &terms, &mut findings);
        assert_eq!((broken(&findings), findings.evaluated()[NO_LATE_EXPIRY]), (None, 1));
        on_expired(seconds(60), R1, hold(1), &stored, &terms, &mut findings);
        assert_eq!(findings.evaluated()[NO_LATE_EXPIRY], 1, "its server was held up");
        judge(R1, hold(1), seconds(0), Expired::Never, &mut findings);
        assert_eq!(broken(&findings), Some(NO_LATE_EXPIRY));
    }

    #[test]
    fn a_lock_is_overdue_after_its_time_whether_or_not_its_server_was_away() {
        let terms = independent(1);
        let mut stored = Stored::default();
        stored.on_set(seconds(0), R1, hold(1));
        stored.on_server_gone(R1);
        assert_eq!(stored.deadline(&terms), Instant::MAX);
        stored.on_kept(seconds(8), R1, hold(1), &terms);
        assert!(stored.overdue(seconds(9), seconds(20), &terms).is_empty());
        assert_eq!(stored.overdue(seconds(13), seconds(20), &terms), [(R1, hold(1), seconds(0))]);
        assert_eq!(stored.deadline(&terms), seconds(20), "it is looked at again later");
        stored.on_gone(R1, hold(1), &terms);
        assert_eq!(stored.deadline(&terms), Instant::MAX);
    }

    /// The new master had heard of the renewal, and not that the lock was freed after it.
    #[test]
    fn what_the_old_master_freed_may_live_on_at_the_new_one() {
        for (terms, set_at) in [(replicated(2), seconds(6)), (independent(2), seconds(0))] {
            let mut stored = Stored::default();
            stored.on_set(seconds(0), R1, hold(1));
            stored.on_server_gone(R1);
            stored.on_set(seconds(6), R2, hold(1));
            stored.on_gone(R2, hold(1), &terms);
            stored.on_kept(seconds(8), R1, hold(1), &terms);
            assert_eq!(stored.since(R1, hold(1)), Some(set_at));
        }
    }

    #[test]
    fn the_time_of_another_server_counts_only_if_that_was_the_master_before() {
        for (terms, due_after) in [(independent(2), seconds(0)), (replicated(2), seconds(6))] {
            let mut stored = Stored::default();
            stored.on_set(seconds(0), R1, hold(1));
            stored.on_set(seconds(6), R2, hold(1));
            [R2, R1].into_iter().for_each(|server| stored.on_server_gone(server));
            stored.on_kept(seconds(8), R1, hold(1), &terms);
            assert_eq!(stored.since(R1, hold(1)), Some(due_after));
        }
    }
}
