//! No client is refused a lock that the server has granted to it under the same token (node-redlock #369: a retry that
//! runs into the lock of its own first try blocks itself until the time to live is over).
//!
//! A refusal is judged if the client has asked this server before under the same token.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::Instant;

use crate::lock::observation::Hold;

use super::book::Book;
use super::index::NOT_REFUSED_OWN;
use super::terms::Terms;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "not_refused_own",
    doc: "No client is refused a lock that the server has granted to it under the same token.",
    source: "node-redlock #369",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// A server refuses a lock to one that has asked for it before.
pub(super) fn on_refused(
    now: Instant,
    server: NodeId,
    hold: Hold,
    book: &Book,
    terms: &Terms,
    findings: &mut Findings,
) {
    let own = book.grant(server, hold, terms).filter(|grant| grant.until > now);
    findings.check(NOT_REFUSED_OWN, Some(server), own.is_none(), || {
        format!("{server} refuses {} to {}, which it has granted it to", hold.lock, hold.token)
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{C1, R1, all_on, broken, hold, independent, seconds};
    use super::*;

    fn judged(refused: u64, at: u64) -> Option<usize> {
        let (terms, mut book, mut findings) = (independent(1), Book::default(), all_on());
        book.granted(seconds(0), R1, hold(1), (C1, 1), None, &terms);
        book.answered(seconds(0), R1, C1, 1, &terms);
        on_refused(seconds(at), R1, hold(refused), &book, &terms, &mut findings);
        broken(&findings)
    }

    #[test]
    fn another_ones_lock_may_be_refused_and_ones_own_not() {
        assert_eq!(judged(2, 1), None);
        assert_eq!(judged(1, 12), None, "it is over");
        assert_eq!(judged(1, 1), Some(NOT_REFUSED_OWN));
    }
}
