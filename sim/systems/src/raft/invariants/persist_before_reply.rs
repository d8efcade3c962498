//! Persist before reply (Raft §5.1, figure 2; etcd `Ready`): what a message promises is durable when it
//! leaves.
//!
//! A message in term *t* needs a durable term of at least *t*; a vote, the candidate's own too, needs to be the durable
//! vote of that term; an acknowledgement of entries needs them durable. A server that has durably moved on to a later
//! term can no longer break a promise of an earlier one. Pre-votes promise nothing. A server whose disk lied to it, or
//! lost a record, is not to blame: nothing is asked of it from then on.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::node::Write;
use splitbrain_kernel::view::Records;

use crate::raft::facts::{DurableState, RaftFacts};
use crate::raft::ids::{Index, Term};

use super::frame::slot;
use super::index::PERSIST_BEFORE_REPLY;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "persist_before_reply",
    doc: "The term of a message, a vote and acknowledged entries are durable when the message leaves.",
    source: "Raft §5.1, figure 2; etcd Ready",
    kind: InvariantKind::Safety,
    sight: Sight::WhiteBox,
};

/// What is known of each server's disk, by slot, so that a message in a known term does not look there.
#[derive(Clone, Debug)]
pub(super) struct DurableStates(Vec<Known>);

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    term: Term,
    log: Index,
    /// The disk has broken a promise of its own.
    waived: bool,
}

impl DurableStates {
    pub(super) fn new(server_count: usize) -> Self {
        Self(vec![Known::default(); server_count])
    }

    /// Something may have happened to the disk beside the server's own writes.
    pub(super) fn forget(&mut self, server: NodeId) {
        let known = &mut self.0[slot(server)];
        *known = Known { waived: known.waived, ..Known::default() };
    }

    /// The disk lies, or loses what it had promised to keep.
    pub(super) fn waive(&mut self, server: NodeId) {
        self.0[slot(server)].waived = true;
    }

    /// A server is another one from now on, with the name of one that was removed.
    pub(super) fn renew(&mut self, server: NodeId) {
        self.0[slot(server)] = Known::default();
    }

    /// Whether this server's disk has broken a promise of its own.
    pub(super) fn is_waived(&self, server: NodeId) -> bool {
        self.0[slot(server)].waived
    }

    /// A write leaves a server: if it cuts the log, less of it may be durable soon.
    #[inline]
    pub(super) fn on_write<N: RaftFacts>(&mut self, server: NodeId, write: Write<&N::Record>) {
        if N::shortens_log(write) {
            self.0[slot(server)].log = Index::ZERO;
        }
    }

    /// A message in this term leaves.
    #[inline(always)]
    pub(super) fn on_term<N: RaftFacts>(
        &mut self,
        server: NodeId,
        term: Term,
        disk: &impl Records<N::Record>,
        findings: &mut Findings,
    ) {
        let known = &mut self.0[slot(server)];
        if known.term < term && !known.look_for_term::<N>(disk, findings) {
            return;
        }
        let durable = known.term;
        findings.check(PERSIST_BEFORE_REPLY, Some(server), durable >= term, move || {
            format!("{server} speaks in term {term}; its disk holds term {durable}")
        });
    }

    /// A vote leaves.
    pub(super) fn on_vote<N: RaftFacts>(
        &self,
        server: NodeId,
        term: Term,
        candidate: NodeId,
        disk: &impl Records<N::Record>,
        findings: &mut Findings,
    ) {
        if self.0[slot(server)].waived {
            return;
        }
        let Some(DurableState { term: durable, voted_for }) = N::durable_state(disk) else {
            return findings.lacks(PERSIST_BEFORE_REPLY);
        };
        let holds = durable > term || (durable == term && voted_for == Some(candidate));
        findings.check(PERSIST_BEFORE_REPLY, Some(server), holds, || {
            let vote = voted_for.map_or_else(|| "no vote".to_owned(), |voted| format!("a vote for {voted}"));
            format!("{server} votes for {candidate} in term {term}; its disk holds term {durable} and {vote}")
        });
    }

    /// An acknowledgement of the log up to `matched` leaves.
    #[inline(always)]
    pub(super) fn on_acknowledgement<N: RaftFacts>(
        &mut self,
        server: NodeId,
        term: Term,
        matched: Index,
        disk: &impl Records<N::Record>,
        findings: &mut Findings,
    ) {
        let known = &mut self.0[slot(server)];
        if known.log < matched && !known.look_for_log::<N>(disk, findings) {
            return;
        }
        // The place before the first entry needs no disk: that it is there says nothing of one.
        if matched == Index::ZERO {
            return;
        }
        let durable = known.log;
        // Entries of an earlier term may have been dropped since, by the leader of the term that is durable.
        let has_moved_on = || N::durable_state(disk).is_some_and(|state| state.term > term);
        let holds = durable >= matched || has_moved_on();
        findings.check(PERSIST_BEFORE_REPLY, Some(server), holds, move || {
            format!("{server} acknowledges entry {matched} in term {term}; its disk holds the log up to {durable}")
        });
    }
}

impl Known {
    /// Looks at the disk again. Returns whether it can be judged by what is known now.
    #[inline(never)]
    fn look_for_term<N: RaftFacts>(&mut self, disk: &impl Records<N::Record>, findings: &mut Findings) -> bool {
        if self.waived {
            return false;
        }
        let state = N::durable_state(disk);
        match state {
            Some(state) => self.term = state.term,
            None => findings.lacks(PERSIST_BEFORE_REPLY),
        }
        state.is_some()
    }

    /// The same for the log.
    #[inline(never)]
    fn look_for_log<N: RaftFacts>(&mut self, disk: &impl Records<N::Record>, findings: &mut Findings) -> bool {
        if self.waived {
            return false;
        }
        let log = N::durable_log(disk);
        match log {
            Some(log) => self.log = log.last.max(log.base),
            None => findings.lacks(PERSIST_BEFORE_REPLY),
        }
        log.is_some()
    }
}

#[cfg(test)]
mod tests {
    use splitbrain_kernel::disk::Disk;
    use splitbrain_kernel::node::WriteId;
    use splitbrain_kernel::rng::Seed;
    use splitbrain_kernel::run::DiskOptions;
    use splitbrain_kernel::time::{Duration, Instant};

    use super::super::testing::{all_on, broken, s};
    use super::*;
    use crate::raft::RaftNode;
    use crate::raft::durable::{HardState, LOG_FILE, Record, STATE_FILE};
    use crate::raft::facts::DurableLog;
    use crate::raft::message::{Command, Entry};

    type Node = RaftNode<u64>;

    /// A disk on which these writes are durable.
    fn disk(writes: &[Write<Record<u64>>]) -> Disk<Record<u64>> {
        let none = Duration::ZERO;
        let options = DiskOptions { write_min: none, write_max: none, sync_min: none, sync_max: none, capacity: 0 };
        let mut disk = Disk::new(Seed(1), s(1), options);
        for (id, write) in (1..).zip(writes) {
            disk.write(Instant::ZERO, WriteId(id), write.clone(), None);
        }
        disk.finish_sync(Instant::ZERO, WriteId(writes.len() as u64));
        disk
    }

    fn state(term: u64, voted_for: Option<NodeId>) -> Write<Record<u64>> {
        Write::Replace(STATE_FILE, Record::State(HardState { term: Term(term), voted_for, ..HardState::FRESH }))
    }

    fn entry(index: u64) -> Write<Record<u64>> {
        let entry = Entry { term: Term(1), command: Command::Noop };
        Write::Append(LOG_FILE, Record::Entry { index: Index(index), before: Term(1), entry })
    }

    #[test]
    fn a_term_must_be_durable() {
        let (mut durable_states, mut findings, disk) = (DurableStates::new(3), all_on(), disk(&[state(4, None)]));
        durable_states.on_term::<Node>(s(1), Term(3), &disk, &mut findings);
        durable_states.on_term::<Node>(s(1), Term(4), &disk, &mut findings);
        assert!(!findings.is_broken());
        durable_states.on_term::<Node>(s(1), Term(5), &disk, &mut findings);
        assert_eq!(broken(&findings), (PERSIST_BEFORE_REPLY, "s1 speaks in term 5; its disk holds term 4"));
    }

    #[test]
    fn a_vote_must_be_durable_or_of_a_term_that_is_over() {
        let (mut findings, disk) = (all_on(), disk(&[state(4, Some(s(2)))]));
        DurableStates::new(3).on_vote::<Node>(s(1), Term(4), s(2), &disk, &mut findings);
        DurableStates::new(3).on_vote::<Node>(s(1), Term(3), s(3), &disk, &mut findings);
        assert!(!findings.is_broken());
        DurableStates::new(3).on_vote::<Node>(s(1), Term(4), s(3), &disk, &mut findings);
        let facts = "s1 votes for s3 in term 4; its disk holds term 4 and a vote for s2";
        assert_eq!(broken(&findings).1, facts);
    }

    #[test]
    fn a_vote_that_is_not_on_the_disk_is_found() {
        let mut findings = all_on();
        DurableStates::new(3).on_vote::<Node>(s(1), Term(4), s(2), &disk(&[state(4, None)]), &mut findings);
        assert_eq!(broken(&findings).1, "s1 votes for s2 in term 4; its disk holds term 4 and no vote");
    }

    #[test]
    fn a_server_with_a_disk_that_lies_is_not_to_blame() {
        let (mut durable_states, mut findings, empty) = (DurableStates::new(3), all_on(), disk(&[]));
        durable_states.waive(s(1));
        durable_states.forget(s(1));
        durable_states.on_term::<Node>(s(1), Term(5), &empty, &mut findings);
        durable_states.on_vote::<Node>(s(1), Term(5), s(2), &empty, &mut findings);
        durable_states.on_acknowledgement::<Node>(s(1), Term(5), Index(3), &empty, &mut findings);
        assert!(!findings.is_broken());
    }

    #[test]
    fn acknowledged_entries_must_be_durable() {
        let (mut durable_states, mut findings) = (DurableStates::new(3), all_on());
        let one = disk(&[state(1, None), entry(1)]);
        durable_states.on_acknowledgement::<Node>(s(1), Term(1), Index(1), &one, &mut findings);
        assert!(!findings.is_broken());
        durable_states.on_acknowledgement::<Node>(s(1), Term(1), Index(2), &one, &mut findings);
        let facts = "s1 acknowledges entry 2 in term 1; its disk holds the log up to 1";
        assert_eq!(broken(&findings).1, facts);
    }

    #[test]
    fn what_is_cut_off_is_looked_up_again() {
        let (mut durable_states, mut findings) = (DurableStates::new(3), all_on());
        let two = disk(&[state(1, None), entry(1), entry(2)]);
        durable_states.on_acknowledgement::<Node>(s(1), Term(1), Index(2), &two, &mut findings);
        durable_states.on_write::<Node>(s(1), Write::Truncate(LOG_FILE, 1));
        let one = disk(&[state(1, None), entry(1)]);
        durable_states.on_acknowledgement::<Node>(s(1), Term(1), Index(2), &one, &mut findings);
        assert!(findings.is_broken());
    }

    #[test]
    fn an_entry_out_of_its_place_is_not_durable() {
        let log = |writes: &[Write<Record<u64>>]| Node::durable_log(&disk(writes)).expect("it can be said");
        assert_eq!(log(&[entry(1), entry(2), entry(4)]), DurableLog { base: Index::ZERO, last: Index(2) });
        assert_eq!(log(&[]), DurableLog::default());
        assert_eq!(log(&[entry(4), entry(5)]), DurableLog { base: Index(3), last: Index(5) });
    }
}
