//! A lock does not expire before its time to live is over in true time, less what clocks may drift (redis-doc,
//! "EXPIRE": the time to live is kept as a moment of the wall clock).
//!
//! A server whose clock was stepped, slewed, frozen or suspended is not held to it; nor one that has ended or followed
//! another server since it granted or renewed the lock: it may have lost the renewal, which is for others to judge.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::Instant;

use crate::lock::observation::Hold;

use super::book::Book;
use super::index::NO_EARLY_EXPIRY;
use super::terms::Terms;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "no_early_expiry",
    doc: "A lock does not expire before its time to live is over in true time, less what clocks may drift.",
    source: "redis-doc, EXPIRE, \"How Redis expires keys\"",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// A lock has expired at a server.
pub(super) fn on_expired(
    now: Instant,
    server: NodeId,
    hold: Hold,
    book: &Book,
    terms: &Terms,
    findings: &mut Findings,
) {
    let Some(grant) = book.grant(server, hold, terms) else { return };
    if grant.server != server || !grant.is_unbroken || !terms.wall_is_true(server) {
        return;
    }
    let is_over = grant.until <= now;
    findings.check(NO_EARLY_EXPIRY, Some(server), is_over, || {
        format!("{} of {} expires at {server}, which was granted until {}", hold.lock, hold.token, grant.until)
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{C1, R1, R2, all_on, broken, hold, independent, replicated, seconds, step};
    use super::*;

    fn judged(terms: &Terms, server: NodeId, at: u64, after: impl FnOnce(&mut Book)) -> Option<usize> {
        let (mut book, mut findings) = (Book::default(), all_on());
        book.granted(seconds(0), R1, hold(1), (C1, 1), None, terms);
        book.answered(seconds(0), R1, C1, 1, terms);
        after(&mut book);
        on_expired(seconds(at), server, hold(1), &book, terms, &mut findings);
        broken(&findings)
    }

    #[test]
    fn ten_seconds_are_ten_seconds() {
        assert_eq!(judged(&independent(1), R1, 10, |_| ()), None);
        assert_eq!(judged(&independent(1), R1, 9, |_| ()), Some(NO_EARLY_EXPIRY));
    }

    #[test]
    fn clocks_that_are_not_as_promised_and_what_a_failover_lost_excuse_it() {
        let mut stepped = independent(1);
        step(&mut stepped, R1);
        assert_eq!(judged(&stepped, R1, 9, |_| ()), None);
        assert_eq!(judged(&replicated(2), R2, 9, |_| ()), None, "it has the lock from another server");
        assert_eq!(judged(&replicated(2), R1, 9, |book| book.on_broken(R1)), None, "it followed another one");
        assert_eq!(judged(&replicated(2), R1, 9, |book| book.on_broken(R2)), Some(NO_EARLY_EXPIRY));
        // A renewal that was carried out before it followed another one, and answered afterwards.
        let renewed_between = |is_broken: bool| {
            judged(&replicated(2), R1, 12, |book| {
                book.renewed(seconds(4), R1, hold(1), (C1, 2), &replicated(2));
                if is_broken {
                    book.on_broken(R1);
                }
                book.answered(seconds(5), R1, C1, 2, &replicated(2));
            })
        };
        assert_eq!((renewed_between(true), renewed_between(false)), (None, Some(NO_EARLY_EXPIRY)));
    }
}
