//! What clients ask and are told, for the invariants on it: which operation of each client is open, what was sent for
//! it, and what had been acknowledged when it began.

use std::collections::BTreeMap;

use splitbrain_kernel::context::{OperationId, OperationResult};
use splitbrain_kernel::history::{HistoryEntryRef, HistoryEvent};
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, Input};
use splitbrain_kernel::node::Write;

use crate::raft::facts::{RaftFacts, Talk};
use crate::raft::ids::{Index, Term};
use crate::raft::kv::{Answer, Call, Operation};

use super::order::Order;
use super::state_machine_safety::AppliedEntries;
use super::{
    acknowledged_is_applied, answers_follow_order, exactly_once, failed_stays_out, no_stale_answer,
    redirect_is_no_result,
};

/// What is known of the clients.
pub(super) struct Clients<N: RaftFacts> {
    open: BTreeMap<NodeId, Open<N>>,
    order: Order,
    /// The clients whose last input was a refusal.
    refused: Vec<NodeId>,
    /// What was sent for operations that have failed for certain.
    failed: Vec<(NodeId, OperationId, N::Message)>,
    /// The last place that a client was told of.
    told: Index,
    /// Per key of the store: where the latest value was made that a client knows of.
    known: BTreeMap<u64, Index>,
}

/// An operation that runs.
#[derive(Debug)]
pub(super) struct Open<N: RaftFacts> {
    id: OperationId,
    /// What it asks the key-value store for; `None` if it asks for something else.
    store: Option<Operation>,
    /// What was sent for it that may come into a log.
    requests: Vec<N::Message>,
    /// The first log that an entry for it came into, and where: its server created it as a leader.
    logged: Option<(NodeId, Index)>,
    /// The last place that was applied when it began.
    applied: Index,
    /// The last place that a client had been told of when it began.
    told: Index,
    /// For an operation on a key: where the latest value of the key had been made that a client knew of.
    known: Index,
}

impl<N: RaftFacts> Clone for Open<N> {
    fn clone(&self) -> Self {
        let Self { id, logged, applied, told, known, .. } = *self;
        Self { id, store: self.store.clone(), requests: self.requests.clone(), logged, applied, told, known }
    }
}

impl<N: RaftFacts> Clone for Clients<N> {
    fn clone(&self) -> Self {
        Self {
            open: self.open.clone(),
            order: self.order.clone(),
            refused: self.refused.clone(),
            failed: self.failed.clone(),
            told: self.told,
            known: self.known.clone(),
        }
    }
}

impl<N: RaftFacts> Clients<N> {
    pub(super) const fn new(order: Order) -> Self {
        Self {
            open: BTreeMap::new(),
            order,
            refused: Vec::new(),
            failed: Vec::new(),
            told: Index::ZERO,
            known: BTreeMap::new(),
        }
    }

    /// A client sends something.
    pub(super) fn on_send(&mut self, client: NodeId, message: &N::Message) {
        let Talk::Asks(id) = N::talk(message) else { return };
        if let Some(open) = self.open.get_mut(&client).filter(|open| open.id == id) {
            open.requests.push(message.clone());
        }
    }

    /// A client is about to handle an input.
    pub(super) fn on_input(&mut self, client: NodeId, input: Input<'_, N>) {
        self.refused.retain(|other| *other != client);
        if let Input::Message(_, message) = input
            && matches!(N::talk(message), Talk::Refuses)
        {
            self.refused.push(client);
        }
    }

    /// A server writes; `leads` is the term that it leads. An entry comes into logs by way of the leader that creates
    /// it.
    #[inline]
    pub(super) fn on_write(
        &mut self,
        server: NodeId,
        leads: Option<Term>,
        write: Write<&N::Record>,
        findings: &mut Findings,
    ) {
        let may_create = leads.is_some() && !self.open.is_empty();
        if self.failed.is_empty() && !may_create {
            return;
        }
        let Some(Some((at, entry))) = N::logged(write) else { return };
        if !self.failed.is_empty() {
            failed_stays_out::met::<N>(server, (entry, None), &self.failed, findings);
        }
        if leads == Some(at.term) {
            self.on_created(server, at.index, entry);
        }
    }

    fn on_created(&mut self, server: NodeId, index: Index, entry: &N::Entry) {
        let is_its = |open: &&mut Open<N>| open.requests.iter().any(|request| N::carries(entry, request));
        if let Some(open) = self.open.values_mut().find(is_its) {
            open.logged.get_or_insert((server, index));
        }
    }

    /// The last place before which no open operation can have been applied: what comes after it is still asked for.
    pub(super) fn asks_after(&self) -> Index {
        self.open.values().map(|open| open.applied).min().unwrap_or(Index(u64::MAX))
    }

    /// A server applies an entry. What others apply at the place after it is the same, which is
    /// [`super::state_machine_safety`].
    pub(super) fn on_applied(&mut self, server: NodeId, index: Index, entry: &N::Entry, findings: &mut Findings) {
        if index > self.order.applied() && !self.failed.is_empty() {
            failed_stays_out::met::<N>(server, (entry, Some(index)), &self.failed, findings);
        }
        self.order.apply(index, N::store_command(entry));
    }

    /// A server's store has executed the command at this place.
    pub(super) fn on_executed(
        &self,
        server: NodeId,
        (index, is_first): (Index, bool),
        answer: &Answer,
        applied_entries: &AppliedEntries<N::Entry>,
        findings: &mut Findings,
    ) {
        if let Some(Call::Run { session, sequence, .. }) =
            applied_entries.get(index).and_then(N::store_command).map(|command| &command.call)
        {
            let first = self.order.executed_at(*session, *sequence);
            exactly_once::executed(server, (*session, *sequence), (index, is_first), first, findings);
        }
        answers_follow_order::executed(server, index, answer, self.order.answer(index), findings);
    }

    /// An operation begins or ends.
    pub(super) fn on_history(
        &mut self,
        entry: HistoryEntryRef<'_, N>,
        applied_entries: &AppliedEntries<N::Entry>,
        findings: &mut Findings,
    ) {
        let (client, id) = (entry.client, entry.id);
        match entry.change {
            HistoryEvent::Invoked(operation) => {
                let store = N::store_operation(operation).cloned();
                let known = store.as_ref().map_or(Index::ZERO, |store| self.known_of(store.key()));
                let (applied, told) = (self.order.applied(), self.told);
                let open = Open { id, store, requests: Vec::new(), logged: None, applied, told, known };
                self.open.insert(client, open);
            }
            HistoryEvent::Completed { result, .. } => {
                let Some(open) = self.open.remove(&client).filter(|open| open.id == id) else { return };
                self.on_completed(client, open, result, applied_entries, findings);
            }
        }
    }

    fn on_completed(
        &mut self,
        client: NodeId,
        open: Open<N>,
        result: OperationResult<&N::Response>,
        applied_entries: &AppliedEntries<N::Entry>,
        findings: &mut Findings,
    ) {
        if !matches!(result, OperationResult::Unknown) {
            redirect_is_no_result::completed(client, open.id, self.refused.contains(&client), findings);
        }
        match result {
            OperationResult::Ok(response) => self.on_acknowledged(client, &open, response, applied_entries, findings),
            OperationResult::Failed => {
                let Open { id, requests, logged, applied, .. } = open;
                let applied = applied_entries.after(applied);
                failed_stays_out::failed::<N>((client, id), &requests, logged, applied, findings);
                self.failed.extend(requests.into_iter().map(|request| (client, id, request)));
            }
            OperationResult::Unknown => {}
        }
    }

    /// A client is told that its operation took effect.
    fn on_acknowledged(
        &mut self,
        client: NodeId,
        open: &Open<N>,
        response: &N::Response,
        applied_entries: &AppliedEntries<N::Entry>,
        findings: &mut Findings,
    ) {
        match (&open.store, N::store_answer(response)) {
            (Some(operation), Some((index, answer))) if operation.is_read() => {
                self.on_read(client, open, operation.key(), (index, answer), findings);
            }
            (Some(operation), Some((index, answer))) => {
                self.on_change(client, open, index, applied_entries, findings);
                exactly_once::told(client, open.id, &self.places_of(open, applied_entries), findings);
                answers_follow_order::told((client, open.id), index, answer, self.order.answer(index), findings);
                let place = self.run_at(index, applied_entries).flatten().unwrap_or(index);
                self.know(operation.key(), self.order.made_at(operation.key(), place));
            }
            _ => {
                if let Some(index) = N::acknowledged(response) {
                    self.on_change(client, open, index, applied_entries, findings);
                }
            }
        }
    }

    /// A change is acknowledged.
    fn on_change(
        &mut self,
        client: NodeId,
        open: &Open<N>,
        index: Index,
        applied_entries: &AppliedEntries<N::Entry>,
        findings: &mut Findings,
    ) {
        acknowledged_is_applied::told::<N>(
            (client, open.id),
            index,
            &open.requests,
            applied_entries.get(index),
            findings,
        );
        no_stale_answer::change((client, open.id), index, open.told, findings);
        self.told = self.told.max(index);
    }

    /// A value is read.
    fn on_read(
        &mut self,
        client: NodeId,
        open: &Open<N>,
        key: u64,
        (index, answer): (Index, &Answer),
        findings: &mut Findings,
    ) {
        let is_applied = index <= self.order.applied();
        let expected = is_applied.then(|| Answer::Value(self.order.value_at(key, index).clone()));
        answers_follow_order::told((client, open.id), index, answer, expected.as_ref(), findings);
        let made = self.order.made_at(key, index);
        no_stale_answer::read((client, open.id), key, (index, made), open.known, findings);
        self.know(key, made);
    }

    /// Where the operation was executed whose command is at this place: here, before, or not at all. `None` if no
    /// operation of a session is there.
    fn run_at(&self, index: Index, applied_entries: &AppliedEntries<N::Entry>) -> Option<Option<Index>> {
        let command = applied_entries.get(index).and_then(N::store_command)?;
        let Call::Run { session, sequence, .. } = &command.call else { return None };
        Some(self.order.executed_at(*session, *sequence))
    }

    /// Where the requests of an operation were executed so far.
    fn places_of(&self, open: &Open<N>, applied_entries: &AppliedEntries<N::Entry>) -> Vec<Index> {
        let is_its = |entry: &N::Entry| open.requests.iter().any(|request| N::carries(entry, request));
        let its = applied_entries.after(open.applied).filter(|(_, entry)| is_its(entry));
        let is_executed = |index: Index| self.run_at(index, applied_entries).is_some_and(|first| first == Some(index));
        its.map(|(index, _)| index).filter(|index| is_executed(*index)).collect()
    }

    fn known_of(&self, key: u64) -> Index {
        self.known.get(&key).copied().unwrap_or(Index::ZERO)
    }

    fn know(&mut self, key: u64, made: Index) {
        let known = self.known.entry(key).or_insert(Index::ZERO);
        *known = made.max(*known);
    }
}

#[cfg(test)]
mod tests {
    use splitbrain_kernel::history::HistoryEntry;
    use splitbrain_kernel::time::{Duration, Instant};

    use super::super::index::FAILED_STAYS_OUT;
    use super::super::testing::{all_on, broken, c, entry, request, s};
    use super::*;
    use crate::raft::RaftNode;
    use crate::raft::durable::{LOG_FILE, Record};
    use crate::raft::message::Operation as Asked;

    const ID: OperationId = OperationId(0);
    const LEADS: Option<Term> = Some(Term(1));

    /// `c1` has asked for 7, and nobody has answered.
    struct Story {
        clients: Clients<RaftNode>,
        applied_entries: AppliedEntries<<RaftNode as RaftFacts>::Entry>,
        findings: Findings,
    }

    impl Story {
        fn asked() -> Self {
            let clients = Clients::new(Order::new(Duration::from_secs(60), 64));
            let mut story = Self { clients, applied_entries: AppliedEntries::new(), findings: all_on() };
            story.history(HistoryEvent::Invoked(&Asked::Propose { value: 7 }));
            story.clients.on_send(c(1), &request(7));
            story
        }

        fn fails(&mut self) -> bool {
            self.history(HistoryEvent::Completed { invoked: 0, result: OperationResult::Failed });
            self.findings.is_broken()
        }

        fn history(&mut self, change: HistoryEvent<&Asked, &crate::raft::message::Response>) {
            let entry = HistoryEntry { at: Instant::ZERO, event: 0, client: c(1), process: 0, id: ID, change };
            self.clients.on_history(entry, &self.applied_entries, &mut self.findings);
        }

        fn writes(&mut self, server: u16, leads: Option<Term>, value: u64) -> bool {
            let record = Record::Entry { index: Index(1), before: Term::ZERO, entry: entry(value) };
            self.clients.on_write(s(server), leads, Write::Append(LOG_FILE, &record), &mut self.findings);
            self.findings.is_broken()
        }

        fn applies(&mut self, server: u16, index: u64, value: u64) -> bool {
            let entry = entry(value);
            self.applied_entries.apply(s(server), Index(index), &entry, Instant::ZERO, &mut self.findings);
            self.clients.on_applied(s(server), Index(index), &entry, &mut self.findings);
            self.findings.is_broken()
        }
    }

    #[test]
    fn what_is_applied_after_its_failure_is_found_without_another_write() {
        let mut story = Story::asked();
        assert!(!story.fails());
        assert!(!story.applies(1, 1, 8), "that is another's");
        assert!(story.applies(2, 2, 7));
        let facts = "operation 0 of c1 has failed; s2 applies it at place 2: ";
        let (index, found) = broken(&story.findings);
        assert!(index == FAILED_STAYS_OUT && found.starts_with(facts), "{found}");
    }

    #[test]
    fn a_failure_of_what_lies_in_a_log_is_found_before_it_is_committed() {
        let mut story = Story::asked();
        assert!(!story.writes(2, LEADS, 7));
        assert!(story.fails());
        let facts = "operation 0 of c1 has failed; s2 had put it into its log at place 1";
        assert_eq!(broken(&story.findings), (FAILED_STAYS_OUT, facts));
    }

    #[test]
    fn a_failure_of_what_no_leader_took_is_right_and_stays_watched() {
        let mut story = Story::asked();
        assert!(!story.writes(2, LEADS, 8));
        assert!(!story.fails() && !story.writes(1, LEADS, 8) && !story.applies(1, 1, 8));
        assert_eq!(story.findings.evaluated()[FAILED_STAYS_OUT], 3);
        assert!(story.writes(3, None, 7), "the copy of a follower is as good as any");
    }
}
