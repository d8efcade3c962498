//! A new master has every lock that the old one has granted and answered. Asynchronous replication does not promise
//! this (redis-doc, "Redis replication"; redis #6062), so a scenario with failovers leaves it out, or expects its
//! violation.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::Instant;

use super::book::Book;
use super::index::SURVIVES_FAILOVER;
use super::survives_restart::Memory;
use super::terms::Terms;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "survives_failover",
    doc: "A redis that becomes the master has every lock that was granted and answered before and is not over.",
    source: "redis-doc, Redis replication; redis #6062",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// A redis has told what it has, and becomes the master.
pub(super) fn on_promoted(
    now: Instant,
    server: NodeId,
    memory: &mut Memory,
    book: &Book,
    terms: &Terms,
    findings: &mut Findings,
) {
    let has_started = memory.on_master(server);
    if has_started || !terms.is_replicated() {
        return;
    }
    memory.on_promoted(now, server);
    let Some(missing) = memory.judge(now, server, (book, terms), |_| true) else { return };
    findings.check(SURVIVES_FAILOVER, Some(server), missing.is_none(), || {
        let (hold, until) = missing.map(|(hold, grant)| (hold, grant.until)).expect("one is missing");
        format!("{server} becomes the master without {} of {}, granted until {until}", hold.lock, hold.token)
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{C1, R1, R2, all_on, broken, hold, replicated, seconds};
    use super::*;

    fn judged(kept: &[u64], starts: bool) -> Option<usize> {
        let terms = replicated(2);
        let (mut memory, mut book, mut findings) = (Memory::default(), Book::default(), all_on());
        book.granted(seconds(0), R1, hold(1), (C1, 1), None, &terms);
        book.answered(seconds(0), R1, C1, 1, &terms);
        if starts {
            memory.on_start(R2);
        }
        kept.iter().for_each(|of| memory.on_kept(R2, hold(*of)));
        on_promoted(seconds(3), R2, &mut memory, &book, &terms, &mut findings);
        broken(&findings)
    }

    #[test]
    fn a_failover_counts_only_if_something_was_promised() {
        let (terms, mut memory, mut book, mut findings) = (replicated(2), Memory::default(), Book::default(), all_on());
        on_promoted(seconds(0), R2, &mut memory, &book, &terms, &mut findings);
        assert_eq!(findings.evaluated()[SURVIVES_FAILOVER], 0);
        book.granted(seconds(0), R1, hold(1), (C1, 1), None, &terms);
        book.answered(seconds(0), R1, C1, 1, &terms);
        memory.on_kept(R2, hold(1));
        on_promoted(seconds(1), R2, &mut memory, &book, &terms, &mut findings);
        assert_eq!(findings.evaluated()[SURVIVES_FAILOVER], 1);
    }

    #[test]
    fn a_new_master_with_the_lock_is_right_and_one_without_is_found() {
        assert_eq!(judged(&[1], false), None);
        assert_eq!(judged(&[], false), Some(SURVIVES_FAILOVER));
    }

    #[test]
    fn a_master_that_only_starts_is_no_failover() {
        assert_eq!(judged(&[], true), None);
    }
}
