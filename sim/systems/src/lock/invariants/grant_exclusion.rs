//! A lock is granted to one client at a time: while enough servers have promised it to one, they promise it to no other
//! (redis-doc, "Distributed Locks with Redis": "the same lock cannot be acquired by two clients at the same time").
//!
//! A server that forgets, or whose clock jumps, breaks its promise: the promise stands for its time to live in true
//! time, less what clocks may drift.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::Instant;

use crate::lock::observation::Hold;

use super::book::Book;
use super::index::GRANT_EXCLUSION;
use super::terms::Terms;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "grant_exclusion",
    doc: "While a majority of the servers has promised a lock to one client, no majority promises it to another.",
    source: "redis-doc, Distributed Locks with Redis, \"Safety arguments\"",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// A server has answered, and so promised a lock.
pub(super) fn on_promise(
    now: Instant,
    server: NodeId,
    hold: Hold,
    book: &mut Book,
    terms: &Terms,
    findings: &mut Findings,
) {
    let holders = book.holders(now, hold.lock, terms);
    let is_one = holders.len() <= 1;
    if !is_one {
        book.count_overlap();
    }
    findings.check(GRANT_EXCLUSION, Some(server), is_one, || {
        let each: Vec<String> =
            holders.iter().map(|holder| format!("{} until {}", holder.token, holder.until)).collect();
        format!("{} is promised to {}", hold.lock, each.join(" and to "))
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{C1, C2, R1, R2, R3, all_on, broken, hold, independent, replicated, seconds};
    use super::*;

    /// Each server answers a grant at a time, for a client.
    fn judged(terms: &Terms, grants: &[(u64, NodeId, NodeId, Hold)]) -> Option<usize> {
        let (mut book, mut findings) = (Book::default(), all_on());
        for (number, (at, server, client, hold)) in grants.iter().enumerate() {
            let (at, request) = (seconds(*at), number as u64);
            book.granted(at, *server, *hold, (*client, request), None, terms);
            if let Some(promise) = book.answered(at, *server, *client, request, terms) {
                on_promise(at, *server, promise.hold, &mut book, terms, &mut findings);
            }
        }
        broken(&findings)
    }

    #[test]
    fn a_lock_of_ten_seconds_is_granted_again_after_ten_seconds() {
        let terms = independent(1);
        assert_eq!(judged(&terms, &[(0, R1, C1, hold(1)), (11, R1, C2, hold(2))]), None);
        let early = [(0, R1, C1, hold(1)), (9, R1, C2, hold(2))];
        assert_eq!(judged(&terms, &early), Some(GRANT_EXCLUSION));
    }

    #[test]
    fn of_three_servers_two_decide() {
        let terms = independent(3);
        let first = [(0, R1, C1, hold(1)), (0, R2, C1, hold(1))];
        let minority = [&first[..], &[(1, R3, C2, hold(2))]].concat();
        assert_eq!(judged(&terms, &minority), None);
        let forgotten = [&minority[..], &[(2, R2, C2, hold(2))]].concat();
        assert_eq!(judged(&terms, &forgotten), Some(GRANT_EXCLUSION));
    }

    #[test]
    fn replicas_stand_for_one_server() {
        let failover = [(0, R1, C1, hold(1)), (3, R2, C2, hold(2))];
        assert_eq!(judged(&replicated(2), &failover), Some(GRANT_EXCLUSION));
    }

    #[test]
    fn a_lock_that_its_client_gave_back_is_free_and_one_that_another_took_away_is_not() {
        let terms = independent(1);
        let after_release_by = |client| {
            let (mut book, mut findings) = (Book::default(), all_on());
            book.granted(seconds(0), R1, hold(1), (C1, 1), None, &terms);
            book.answered(seconds(0), R1, C1, 1, &terms);
            book.freed(R1, hold(1), client, &terms);
            book.granted(seconds(1), R1, hold(2), (C2, 2), None, &terms);
            book.answered(seconds(1), R1, C2, 2, &terms);
            on_promise(seconds(1), R1, hold(2), &mut book, &terms, &mut findings);
            broken(&findings)
        };
        assert_eq!(after_release_by(C1), None);
        assert_eq!(after_release_by(C2), Some(GRANT_EXCLUSION));
    }

    #[test]
    fn what_was_never_answered_was_never_promised() {
        let terms = independent(1);
        let (mut book, mut findings) = (Book::default(), all_on());
        book.granted(seconds(0), R1, hold(1), (C1, 1), None, &terms);
        book.on_down(R1);
        book.granted(seconds(1), R1, hold(2), (C2, 2), None, &terms);
        book.answered(seconds(1), R1, C2, 2, &terms);
        on_promise(seconds(1), R1, hold(2), &mut book, &terms, &mut findings);
        assert_eq!(broken(&findings), None);
    }
}
