//! What must hold.
//!
//! OmniPaxos has ballots where Raft has terms, and a server leads in a ballot that has its name. So there is no vote
//! that could be given twice, and election safety holds by construction. What remains of Raft's rules is here: what is
//! decided, ballots that never fall, and promises that are durable before they are spoken.

use std::collections::BTreeMap;

use omnipaxos::messages::sequence_paxos::PaxosMsg;
use splitbrain::kernel::history::{HistoryEntryRef, HistoryEvent};
use splitbrain::kernel::prelude::*;

use super::options::OmniOptions;
use super::server::Process;
use super::storage::{Command, LOG, Record, Store};
use super::wire::{Observed, PaxosMessage, Round, Wire};
use crate::listed::{liveness, safety};

invariant_list! {
    AGREEMENT =
        safety("agreement", "One command is decided at a place.", "OmniPaxos (EuroSys 2023) SC2", Sight::BlackBox),
    DECIDED_IN_ORDER =
        safety("decided_in_order", "A server decides one place after the other.", "OmniPaxos SC3", Sight::BlackBox),
    ACKNOWLEDGED_IS_DECIDED =
        safety("acknowledged_is_decided", "What answers a client is decided.", "OmniPaxos SC1", Sight::BlackBox),
    ROUNDS_NEVER_FALL = safety(
        "rounds_never_fall",
        "A server never promises an earlier round, and answers in none.",
        "OmniPaxos 4.1",
        Sight::BlackBox,
    ),
    LEADS_OWN_ROUND =
        safety("leads_own_round", "A server leads in rounds of its own name.", "OmniPaxos LE3", Sight::BlackBox),
    PERSIST_BEFORE_REPLY = safety(
        "persist_before_reply",
        "The promise and the entries that a message stands for are durable when it leaves.",
        "OmniPaxos 4.1.2",
        Sight::WhiteBox,
    ),
    PROGRESS_AFTER_SETTLE = liveness(
        "progress_after_settle",
        "A healed core decides something within a bound from its options.",
        "OmniPaxos 5.2, quorum-connected servers",
        Sight::BlackBox,
    ),
}

/// How many rounds of heartbeats a healed core may take until something more is decided: an election takes a few, and
/// each must come while no other is under way.
const ROUNDS_MAX: u64 = 100;
/// How often it may have to send a message again, or to wait for a sync, until then.
const RESENDS_MAX: u64 = 20;

/// The invariants, with all that they have seen.
#[derive(Clone, Debug)]
pub struct OmniInvariants {
    chosen: Vec<Command>,
    /// How much of each server was observed as decided since its start.
    decided: BTreeMap<NodeId, u64>,
    /// The latest round that each server has promised, in all its lives.
    rounds: BTreeMap<NodeId, Round>,
    /// What is durable at each server, as far as it was read: so many records.
    durable: BTreeMap<NodeId, (usize, Store)>,
    elections: u64,
    highest: u32,
    at_settle: usize,
    /// How long a healed core may take until something more is decided, but for its disks.
    within: Duration,
    settled: Instant,
    deadline: Instant,
}

impl OmniInvariants {
    pub(super) fn new(setup: &Setup<OmniOptions>) -> Self {
        let of = |options: &OmniOptions| {
            let round = options.tick.saturating_mul(options.election_ticks);
            let resend = options.tick.saturating_mul(options.resend_ticks);
            round.saturating_mul(ROUNDS_MAX).saturating_add(resend.saturating_mul(RESENDS_MAX))
        };
        Self::within(setup.options.all().map(of).max().unwrap_or_default())
    }

    const fn within(within: Duration) -> Self {
        Self {
            chosen: Vec::new(),
            decided: BTreeMap::new(),
            rounds: BTreeMap::new(),
            durable: BTreeMap::new(),
            elections: 0,
            highest: 0,
            at_settle: 0,
            within,
            settled: Instant::ZERO,
            deadline: Instant::MAX,
        }
    }

    pub(super) fn gauges(&self) -> Vec<u64> {
        vec![u64::from(self.highest), self.elections.saturating_sub(1), self.chosen.len() as u64]
    }

    fn on_decided(&mut self, node: NodeId, index: u64, command: Command, findings: &mut Findings) {
        let count = self.decided.entry(node).or_default();
        *count += 1;
        let next = *count;
        findings.check(index::DECIDED_IN_ORDER, Some(node), index == next, || {
            format!("{node} decides {index}, and not {next}")
        });
        let place = usize::try_from(index - 1).expect("a log fits into memory");
        if place >= self.chosen.len() {
            self.chosen.push(command);
        }
        let known = self.chosen.get(place).copied();
        findings.check(index::AGREEMENT, Some(node), known == Some(command), || {
            let before = known.map_or_else(|| "nothing".to_owned(), words);
            format!("{node} decides {} at {index}; decided there was {before}", words(command))
        });
    }

    fn on_elected(&mut self, node: NodeId, round: Round, findings: &mut Findings) {
        self.elections += 1;
        self.highest = self.highest.max(round.n);
        let is_own = round.server == u64::from(node.number());
        findings.check(index::LEADS_OWN_ROUND, Some(node), is_own, || format!("{node} leads in {round}"));
        self.on_round(node, round, findings);
    }

    fn on_round(&mut self, node: NodeId, round: Round, findings: &mut Findings) {
        let last = self.rounds.entry(node).or_default();
        let before = *last;
        *last = round.max(before);
        findings.check(index::ROUNDS_NEVER_FALL, Some(node), round >= before, || {
            format!("{node} promises {round}, and promised {before} before")
        });
    }

    /// A message of the log leaves a server: what it promises is on its disk, and takes back no earlier promise.
    fn on_promise(
        &mut self,
        disk: &impl Records<Record>,
        node: NodeId,
        message: &PaxosMsg<Command>,
        findings: &mut Findings,
    ) {
        let (round, accepted) = match message {
            PaxosMsg::Promise(promise) => (Round::from(promise.n), promise.accepted_idx),
            PaxosMsg::Accepted(accepted) => (Round::from(accepted.n), accepted.accepted_idx),
            _ => return,
        };
        self.on_round(node, round, findings);
        self.read(disk, node);
        let store = &self.durable[&node].1;
        let promised = store.promise.map_or(Round::default(), Round::from);
        // A server that has durably promised a later round may have dropped what it accepted before: the answer was
        // given earlier and left later. An answer that is given after the promise is no longer right, see `on_round`.
        let holds = promised > round || (promised == round && store.log.len() >= accepted);
        findings.check(index::PERSIST_BEFORE_REPLY, Some(node), holds, || {
            let length = store.log.len();
            format!(
                "{node} answers for {accepted} entries in {round}; its disk has {length} and a promise of {promised}"
            )
        });
    }

    /// Reads what has become durable since.
    fn read(&mut self, disk: &impl Records<Record>, node: NodeId) {
        let (count, store) = self.durable.entry(node).or_default();
        if *count > disk.len(LOG) {
            (*count, *store) = (0, Store::default());
        }
        while let Some(Stored::Intact(record)) = disk.get(LOG, *count) {
            store.add(record);
            *count += 1;
        }
    }
}

fn words(command: Command) -> String {
    format!("{} of {}", command.value, command.by)
}

impl Invariants<Process> for OmniInvariants {
    const LIST: &'static [InvariantInfo] = LIST;

    fn on_start(&mut self, _: impl View<Process>, node: NodeId, _: &mut Findings) {
        self.decided.insert(node, 0);
        self.durable.remove(&node);
    }

    fn on_effect(
        &mut self,
        view: impl View<Process>,
        node: NodeId,
        effect: EffectRef<'_, Process>,
        findings: &mut Findings,
    ) {
        match effect {
            EffectRef::Observe(Observed::Decided { index, command }) => {
                self.on_decided(node, *index, *command, findings)
            }
            EffectRef::Observe(Observed::Elected { round }) => self.on_elected(node, *round, findings),
            EffectRef::Observe(Observed::Promised { round } | Observed::SteppedDown { round }) => {
                self.on_round(node, *round, findings);
            }
            EffectRef::Send { message: Wire::Paxos(message), .. } => {
                if let PaxosMessage::SequencePaxos(message) = &**message {
                    self.on_promise(&view.disk(node), node, &message.msg, findings);
                }
            }
            _ => {}
        }
    }

    fn on_history(&mut self, view: impl View<Process>, entry: HistoryEntryRef<'_, Process>, findings: &mut Findings) {
        let HistoryEvent::Completed { invoked, result: OperationResult::Ok(placed), .. } = entry.change else { return };
        let Some(HistoryEvent::Invoked(operation)) = view.history(invoked).map(|entry| entry.change) else { return };
        let known = usize::try_from(placed.index - 1).ok().and_then(|place| self.chosen.get(place)).copied();
        let is_it = known.is_some_and(|known| (known.by, known.value) == (entry.client, operation.value));
        findings.check(index::ACKNOWLEDGED_IS_DECIDED, Some(entry.client), is_it, || {
            let known = known.map_or_else(|| "nothing".to_owned(), words);
            let (client, value, index) = (entry.client, operation.value, placed.index);
            format!("{client} gets the answer that its {value} is at {index}; decided there is {known}")
        });
    }

    fn on_settle(&mut self, view: impl View<Process>, _: &mut Findings) {
        self.at_settle = self.chosen.len();
        let disk = view.core().iter().map(|server| view.disk(*server).latency_max()).max().unwrap_or_default();
        self.settled = view.now();
        self.deadline = self.settled.saturating_add(self.within).saturating_add(disk.saturating_mul(RESENDS_MAX));
    }

    fn deadline(&self) -> Instant {
        self.deadline
    }

    fn on_deadline(&mut self, view: impl View<Process>, findings: &mut Findings) {
        self.deadline = Instant::MAX;
        let (before, now) = (self.at_settle, self.chosen.len());
        findings.check(index::PROGRESS_AFTER_SETTLE, None, now > before, || {
            let state = |node: &NodeId| match view.node(*node) {
                Some(Process::Server(server)) => server.state(),
                _ => format!("{node} is down"),
            };
            let core: Vec<String> = view.core().iter().map(state).collect();
            let since = view.now().since(self.settled);
            format!("{now} places are decided as {since} ago; the core: {}", core.join("; "))
        });
    }
}

#[cfg(test)]
mod tests {
    use omnipaxos::ballot_leader_election::Ballot;
    use omnipaxos::messages::sequence_paxos::{Accepted, Promise};

    use super::super::storage::StoreChange;
    use super::*;

    const S1: NodeId = NodeId::server(1);
    const S2: NodeId = NodeId::server(2);

    fn command(value: u64) -> Command {
        Command { by: NodeId::client(1), operation: OperationId(value), value }
    }

    fn findings() -> Findings {
        Findings::new(u64::MAX)
    }

    /// The invariant that breaks when this server decides this after `s1` has decided 7 and 8 at the first two places.
    fn breaks(node: NodeId, index: u64, value: u64) -> Option<usize> {
        let (mut invariants, mut findings) = (OmniInvariants::within(Duration::ZERO), findings());
        invariants.on_decided(S1, 1, command(7), &mut findings);
        invariants.on_decided(S1, 2, command(8), &mut findings);
        assert!(findings.first().is_none());
        invariants.on_decided(node, index, command(value), &mut findings);
        findings.first().map(|(index, ..)| index)
    }

    #[test]
    fn what_is_decided_at_a_place_is_one_command() {
        assert_eq!(breaks(S2, 1, 7), None);
        assert_eq!(breaks(S2, 1, 8), Some(index::AGREEMENT));
    }

    #[test]
    fn places_are_decided_one_after_the_other() {
        assert_eq!(breaks(S1, 3, 9), None);
        assert_eq!(breaks(S1, 4, 9), Some(index::DECIDED_IN_ORDER));
        assert_eq!(breaks(S2, 2, 8), Some(index::DECIDED_IN_ORDER));
    }

    #[test]
    fn a_promise_is_never_of_an_earlier_round() {
        let (mut invariants, mut findings) = (OmniInvariants::within(Duration::ZERO), findings());
        for round in [Round { n: 1, server: 2 }, Round { n: 1, server: 3 }, Round { n: 2, server: 1 }] {
            invariants.on_round(S1, round, &mut findings);
        }
        assert!(findings.first().is_none());
        invariants.on_round(S1, Round { n: 1, server: 3 }, &mut findings);
        assert_eq!(findings.first().map(|(index, ..)| index), Some(index::ROUNDS_NEVER_FALL));
    }

    /// The records of a log, all of them durable.
    struct Durable(Vec<Record>);

    impl Records<Record> for Durable {
        fn len(&self, _: FileId) -> usize {
            self.0.len()
        }

        fn get(&self, _: FileId, at: usize) -> Option<Stored<&Record>> {
            self.0.get(at).map(Stored::Intact)
        }
    }

    fn ballot(n: u32) -> Ballot {
        Ballot { n, pid: 2, ..Ballot::default() }
    }

    fn promise(n: u32) -> PaxosMsg<Command> {
        let n = ballot(n);
        PaxosMsg::Promise(Promise { n, n_accepted: n, decided_idx: 0, accepted_idx: 1, log_sync: None })
    }

    fn accepted(n: u32) -> PaxosMsg<Command> {
        PaxosMsg::Accepted(Accepted { n: ballot(n), accepted_idx: 1 })
    }

    /// The invariants that break, in order, when these messages leave a server whose disk has one entry and a promise
    /// of round 2.
    fn broken_by(messages: &[PaxosMsg<Command>]) -> Vec<usize> {
        let changes = vec![StoreChange::Promise(ballot(2)), StoreChange::Append(vec![command(7)])];
        let disk = Durable(vec![Record { number: 0, changes }]);
        let mut invariants = OmniInvariants::within(Duration::ZERO);
        let broken = messages.iter().filter_map(|message| {
            let mut findings = findings();
            invariants.on_promise(&disk, S1, message, &mut findings);
            findings.first().map(|(index, ..)| index)
        });
        broken.collect()
    }

    #[test]
    fn an_answer_is_never_of_a_round_before_one_that_was_answered() {
        assert!(broken_by(&[promise(1), accepted(1), promise(2), accepted(2)]).is_empty());
        assert_eq!(broken_by(&[promise(2), accepted(1)]), [index::ROUNDS_NEVER_FALL]);
        assert_eq!(broken_by(&[accepted(2), promise(1)]), [index::ROUNDS_NEVER_FALL]);
    }

    #[test]
    fn an_answer_is_never_of_a_round_before_one_that_was_observed() {
        let (mut invariants, mut findings) = (OmniInvariants::within(Duration::ZERO), findings());
        invariants.on_round(S1, Round::from(ballot(2)), &mut findings);
        let disk = Durable(vec![Record { number: 0, changes: vec![StoreChange::Promise(ballot(2))] }]);
        invariants.on_promise(&disk, S2, &accepted(1), &mut findings);
        assert!(findings.first().is_none(), "another server has promised nothing");
        invariants.on_promise(&disk, S1, &accepted(1), &mut findings);
        assert_eq!(findings.first().map(|(index, ..)| index), Some(index::ROUNDS_NEVER_FALL));
    }

    #[test]
    fn an_answer_is_durable_when_it_leaves() {
        assert_eq!(broken_by(&[promise(3)]), [index::PERSIST_BEFORE_REPLY], "its promise is not");
        let longer = PaxosMsg::Accepted(Accepted { n: ballot(2), accepted_idx: 2 });
        assert_eq!(broken_by(&[longer]), [index::PERSIST_BEFORE_REPLY], "its second entry is not");
    }

    #[test]
    fn a_server_leads_in_rounds_of_its_own_name() {
        let leads = |round| {
            let (mut invariants, mut findings) = (OmniInvariants::within(Duration::ZERO), findings());
            invariants.on_elected(S2, round, &mut findings);
            findings.first().map(|(index, ..)| index)
        };
        assert_eq!(leads(Round { n: 4, server: 2 }), None);
        assert_eq!(leads(Round { n: 4, server: 1 }), Some(index::LEADS_OWN_ROUND));
    }
}
