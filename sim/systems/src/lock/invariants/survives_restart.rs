//! A server that restarts has every lock that it has granted and answered, as far as its append-only file promises it:
//! after a crash of the process with any policy, after one of the machine with `always` (redis-doc, "Redis
//! persistence"). What it answers while its disk refuses to write is promised by none of them.
//!
//! A replica is not held to it: it gets its data from its master. A master with replicas is held to what it has granted
//! since it became the master, unless another one has become the master meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::{Duration, Instant};

use crate::lock::observation::Hold;

use super::book::{Book, Grant};
use super::index::SURVIVES_RESTART;
use super::terms::Terms;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "survives_restart",
    doc: "A server that restarts has every lock that it has answered and whose time is not over, as its file promises.",
    source: "redis-doc, Redis persistence, \"How durable is the append only file?\"",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// A lock that is over by so much later may be missing.
const SLACK: Duration = Duration::from_millis(5);

/// What servers say they have.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    kept: BTreeMap<NodeId, BTreeSet<Hold>>,
    /// The servers that start at this moment.
    starting: BTreeSet<NodeId>,
    /// Whether each was a master when it was last heard of.
    masters: BTreeSet<NodeId>,
    /// Which server became the master last, and when; `None` while the first one is.
    promoted: Option<(NodeId, Instant)>,
}

impl Memory {
    pub(super) fn on_start(&mut self, server: NodeId) {
        self.kept.remove(&server);
        self.starting.insert(server);
    }

    pub(super) fn on_kept(&mut self, server: NodeId, hold: Hold) {
        self.kept.entry(server).or_default().insert(hold);
    }

    /// It is a replica, and will get the data of its master.
    pub(super) fn on_follows(&mut self, server: NodeId) {
        self.starting.remove(&server);
        self.masters.remove(&server);
        self.kept.remove(&server);
    }

    /// It is the master. Returns whether it has just started.
    pub(super) fn on_master(&mut self, server: NodeId) -> bool {
        self.masters.insert(server);
        self.starting.remove(&server)
    }

    /// A server that was not one has become the master.
    pub(super) fn on_promoted(&mut self, now: Instant, server: NodeId) {
        self.promoted = Some((server, now));
    }

    /// Since when a server has been the last one that became a master; `None` if it is not.
    fn master_since(&self, server: NodeId, terms: &Terms) -> Option<Instant> {
        match self.promoted.filter(|_| terms.is_replicated()) {
            _ if !self.masters.contains(&server) => None,
            None => Some(Instant::ZERO),
            Some((last, since)) => (last == server).then_some(since),
        }
    }

    /// The promises of a server's group that this holds of, and the first of them that the server does not have;
    /// `None` if there is no promise.
    pub(super) fn judge(
        &self,
        now: Instant,
        server: NodeId,
        (book, terms): (&Book, &Terms),
        is_promised: impl Fn(&Grant) -> bool,
    ) -> Option<Option<(Hold, Grant)>> {
        let promises = book.promises(now.saturating_add(SLACK), terms.group(server));
        let mut promises = promises.filter(|(_, grant)| is_promised(grant)).peekable();
        promises.peek()?;
        let has = |hold: &Hold| self.kept.get(&server).is_some_and(|kept| kept.contains(hold));
        Some(promises.find(|(hold, _)| !has(hold)))
    }
}

/// A server has told what it has as it starts.
pub(super) fn on_recovered(
    now: Instant,
    server: NodeId,
    memory: &mut Memory,
    book: &Book,
    terms: &Terms,
    findings: &mut Findings,
) {
    let since = memory.master_since(server, terms).filter(|_| terms.wall_is_true(server));
    // With replicas another one may have been the master meanwhile, and granted.
    let Some(since) = since else { return };
    let promised = |grant: &Grant| grant.server == server && since <= grant.at && terms.keeps_data(server, grant.at);
    let Some(missing) = memory.judge(now, server, (book, terms), promised) else { return };
    findings.check(SURVIVES_RESTART, Some(server), missing.is_none(), || {
        let (hold, Grant { until, .. }) = missing.expect("one is missing");
        format!("{server} has restarted without {} of {}, granted until {until}", hold.lock, hold.token)
    });
}

#[cfg(test)]
mod tests {
    use splitbrain_kernel::fault::CrashScope;

    use super::super::testing::{C1, R1, R2, all_on, broken, crash, hold, independent, replicated, seconds};
    use super::*;

    /// A server with a grant ends and starts.
    fn restarted(terms: &Terms, kept: &[u64], at: u64) -> Findings {
        let (mut memory, mut book, mut findings) = (Memory::default(), Book::default(), all_on());
        memory.on_master(R1);
        book.granted(seconds(0), R1, hold(1), (C1, 1), None, terms);
        book.answered(seconds(0), R1, C1, 1, terms);
        memory.on_start(R1);
        kept.iter().for_each(|of| memory.on_kept(R1, hold(*of)));
        on_recovered(seconds(at), R1, &mut memory, &book, terms, &mut findings);
        findings
    }

    fn judged(terms: &Terms, kept: &[u64], at: u64) -> Option<usize> {
        broken(&restarted(terms, kept, at))
    }

    /// What is judged of a master with a replica that grants, at second 1, and restarts at second 3. These servers
    /// become masters at these seconds.
    fn judged_with_replicas(promoted: &[(u64, NodeId)], kept: &[u64]) -> (Option<usize>, u64) {
        let terms = replicated(2);
        let (mut memory, mut book, mut findings) = (Memory::default(), Book::default(), all_on());
        memory.on_master(R1);
        promoted.iter().for_each(|(at, server)| memory.on_promoted(seconds(*at), *server));
        book.granted(seconds(1), R1, hold(1), (C1, 1), None, &terms);
        book.answered(seconds(1), R1, C1, 1, &terms);
        memory.on_start(R1);
        kept.iter().for_each(|of| memory.on_kept(R1, hold(*of)));
        on_recovered(seconds(3), R1, &mut memory, &book, &terms, &mut findings);
        (broken(&findings), findings.evaluated()[SURVIVES_RESTART])
    }

    #[test]
    fn a_master_with_replicas_is_held_to_it_unless_another_one_was_promoted() {
        assert_eq!(judged_with_replicas(&[], &[1]), (None, 1));
        assert_eq!(judged_with_replicas(&[], &[]).0, Some(SURVIVES_RESTART));
        assert_eq!(judged_with_replicas(&[(0, R1)], &[]).0, Some(SURVIVES_RESTART), "it was promoted before the grant");
        assert_eq!(judged_with_replicas(&[(2, R1)], &[]), (None, 0), "it has the data of the master before");
        assert_eq!(judged_with_replicas(&[(2, R2)], &[]), (None, 0));
    }

    #[test]
    fn a_restart_counts_only_if_something_was_promised() {
        let evaluated = |at| restarted(&independent(1), &[1], at).evaluated()[SURVIVES_RESTART];
        assert_eq!((evaluated(2), evaluated(12)), (1, 0));
    }

    #[test]
    fn what_is_answered_while_the_disk_refuses_is_not_promised() {
        let mut terms = independent(1);
        terms.on_write_failed(seconds(0), R1);
        assert_eq!(judged(&terms, &[], 2), None);
        let mut other = independent(1);
        other.on_write_failed(seconds(1), R1);
        assert_eq!(judged(&other, &[], 2), Some(SURVIVES_RESTART), "it was written before");
    }

    #[test]
    fn a_lock_that_is_there_or_over_is_right_and_one_that_is_missing_is_found() {
        let terms = independent(1);
        assert_eq!(judged(&terms, &[1], 2), None);
        assert_eq!(judged(&terms, &[], 12), None);
        assert_eq!(judged(&terms, &[2], 2), Some(SURVIVES_RESTART));
    }

    #[test]
    fn what_was_not_synced_may_go_with_the_machine_and_not_with_the_process() {
        let mut terms = independent(1);
        crash(&mut terms, seconds(1), R1, CrashScope::Process);
        assert_eq!(judged(&terms, &[], 2), Some(SURVIVES_RESTART));
        crash(&mut terms, seconds(1), R1, CrashScope::Machine);
        assert_eq!(judged(&terms, &[], 2), None, "everysec");
        crash(&mut terms, seconds(2), R1, CrashScope::Process);
        assert_eq!(judged(&terms, &[], 2), None, "what the machine lost does not come back");
    }

    #[test]
    fn what_is_answered_after_the_machine_ended_is_promised_again() {
        let mut terms = independent(1);
        crash(&mut terms, seconds(0), R1, CrashScope::Machine);
        let (mut memory, mut book, mut findings) = (Memory::default(), Book::default(), all_on());
        memory.on_master(R1);
        book.granted(seconds(3), R1, hold(1), (C1, 1), None, &terms);
        book.answered(seconds(3), R1, C1, 1, &terms);
        memory.on_start(R1);
        on_recovered(seconds(5), R1, &mut memory, &book, &terms, &mut findings);
        assert_eq!(broken(&findings), Some(SURVIVES_RESTART));
    }
}
