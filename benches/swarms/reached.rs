//! What the swarms of Raft reach inside: reasons and refusals, answers, messages, timers, orders.
//!
//! Each is a named point, counted in every run. The system that is measured is Raft with a counter around its
//! invariants, which sees each input and each effect, so that a sweep of splitbrain itself pays nothing.

use splitbrain_kernel::context::EffectRef;
use splitbrain_kernel::fault::Fault;
use splitbrain_kernel::history::HistoryEntryRef;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{FaultChange, Findings, Input, InvariantInfo, Invariants};
use splitbrain_kernel::node::{Completion, ConnectionChange, Recovered, Write};
use splitbrain_kernel::options::OptionsError;
use splitbrain_kernel::system::{Gauge, OrderInfo, Setup, System, WorkloadInfo};
use splitbrain_kernel::time::Instant;
use splitbrain_kernel::view::View;
use splitbrain_kernel::vocabulary::Role;
use splitbrain_kernel::workload::WorkloadCall;
use splitbrain_systems::raft::durable::Record;
use splitbrain_systems::raft::invariants::RaftInvariants;
use splitbrain_systems::raft::kv::CallResult;
use splitbrain_systems::raft::message::{AppendResult, Order, ProposeResult, RaftMessage, Verdict};
use splitbrain_systems::raft::node::RaftTimer;
use splitbrain_systems::raft::observation::{ChangeRefusal, RaftObservation, Refusal, Skip, StepDownReason};
use splitbrain_systems::raft::options::RaftOptions;
use splitbrain_systems::raft::snapshot::PartResult;
use splitbrain_systems::raft::workload::RaftWorkload;
use splitbrain_systems::raft::{Raft, RaftNode};

/// Points by name: a list of the names, and a function that gives the place in that list of what comes first.
macro_rules! points {
    ($list:ident, $place:ident($value:ident: $type:ty), $($name:literal: $pattern:pat,)+) => {
        const $list: &[&str] = &[$($name),+];

        fn $place($value: $type) -> Option<usize> {
            let is_it = [$(matches!($value, $pattern)),+];
            is_it.iter().position(|is_it| *is_it)
        }
    };
}

points! { OBSERVED, observed_at(observation: &RaftObservation),
    "stepped down: later term": RaftObservation::SteppedDown { reason: StepDownReason::LaterTerm, .. },
    "stepped down: no quorum": RaftObservation::SteppedDown { reason: StepDownReason::NoQuorum, .. },
    "stepped down: ordered": RaftObservation::SteppedDown { reason: StepDownReason::Ordered, .. },
    "stepped down: zero priority": RaftObservation::SteppedDown { reason: StepDownReason::ZeroPriority, .. },
    "stepped down: transferred": RaftObservation::SteppedDown { reason: StepDownReason::Transferred, .. },
    "stepped down: removed": RaftObservation::SteppedDown { reason: StepDownReason::Removed, .. },
    "vote denied: leader alive": RaftObservation::VoteDenied { reason: Refusal::LeaderAlive, .. },
    "vote denied: stale term": RaftObservation::VoteDenied { reason: Refusal::StaleTerm, .. },
    "vote denied: voted": RaftObservation::VoteDenied { reason: Refusal::Voted, .. },
    "vote denied: log behind": RaftObservation::VoteDenied { reason: Refusal::LogBehind, .. },
    "vote denied: low priority": RaftObservation::VoteDenied { reason: Refusal::LowPriority, .. },
    "vote denied: not member": RaftObservation::VoteDenied { reason: Refusal::NotMember, .. },
    "pre-vote denied: leader alive": RaftObservation::PreVoteDenied { reason: Refusal::LeaderAlive, .. },
    "pre-vote denied: stale term": RaftObservation::PreVoteDenied { reason: Refusal::StaleTerm, .. },
    "pre-vote denied: voted": RaftObservation::PreVoteDenied { reason: Refusal::Voted, .. },
    "pre-vote denied: log behind": RaftObservation::PreVoteDenied { reason: Refusal::LogBehind, .. },
    "pre-vote denied: not member": RaftObservation::PreVoteDenied { reason: Refusal::NotMember, .. },
    "election skipped: not voter": RaftObservation::ElectionSkipped { reason: Skip::NotVoter },
    "election skipped: catching up": RaftObservation::ElectionSkipped { reason: Skip::CatchingUp },
    "election skipped: receiving snapshot": RaftObservation::ElectionSkipped { reason: Skip::ReceivingSnapshot },
    "election skipped: low priority": RaftObservation::ElectionSkipped { reason: Skip::LowPriority },
    "election skipped: lagging state machine": RaftObservation::ElectionSkipped { reason: Skip::LaggingStateMachine },
    "election skipped: leaving": RaftObservation::ElectionSkipped { reason: Skip::Leaving },
    "election skipped: resigned": RaftObservation::ElectionSkipped { reason: Skip::Resigned },
    "change refused: not leader": RaftObservation::ChangeRefused { reason: ChangeRefusal::NotLeader },
    "change refused: transferring": RaftObservation::ChangeRefused { reason: ChangeRefusal::Transferring },
    "change refused: pending": RaftObservation::ChangeRefused { reason: ChangeRefusal::Pending },
    "change refused: nothing committed": RaftObservation::ChangeRefused { reason: ChangeRefusal::NothingCommitted },
    "change refused: behind": RaftObservation::ChangeRefused { reason: ChangeRefusal::Behind },
    "change refused: no voters": RaftObservation::ChangeRefused { reason: ChangeRefusal::NoVoters },
    "change refused: changes nothing": RaftObservation::ChangeRefused { reason: ChangeRefusal::ChangesNothing },
}

points! { ANSWERED, answered_at(message: &RaftMessage),
    "pre-vote answered: granted": RaftMessage::PreVoteReply { verdict: Verdict::Granted, .. },
    "pre-vote answered: denied": RaftMessage::PreVoteReply { verdict: Verdict::Denied, .. },
    "pre-vote answered: abandoned": RaftMessage::PreVoteReply { verdict: Verdict::Abandoned, .. },
    "vote answered: granted": RaftMessage::VoteReply { granted: true, .. },
    "vote answered: denied": RaftMessage::VoteReply { granted: false, .. },
    "append answered: accepted": RaftMessage::AppendReply { result: AppendResult::Accepted { .. }, .. },
    "append answered: rejected": RaftMessage::AppendReply { result: AppendResult::Rejected { .. }, .. },
    "append answered: stale": RaftMessage::AppendReply { result: AppendResult::Stale, .. },
    "part answered: installed": RaftMessage::PartReply { result: PartResult::Installed, .. },
    "part answered: received": RaftMessage::PartReply { result: PartResult::Received { .. }, .. },
    "part answered: stale": RaftMessage::PartReply { result: PartResult::Stale, .. },
    "proposal answered: committed": RaftMessage::ProposeReply { result: ProposeResult::Committed { .. }, .. },
    "proposal answered: not leader": RaftMessage::ProposeReply { result: ProposeResult::NotLeader { .. }, .. },
    "proposal answered: unknown": RaftMessage::ProposeReply { result: ProposeResult::Unknown, .. },
    "request answered: done": RaftMessage::Reply { result: CallResult::Answered { .. }, .. },
    "request answered: not leader": RaftMessage::Reply { result: CallResult::NotLeader { .. }, .. },
    "request answered: unknown": RaftMessage::Reply { result: CallResult::Unknown, .. },
}

points! { HAPPENED, happened_at(input: &Input<'_, RaftNode>),
    "timer: election": Input::Timer(RaftTimer::Election),
    "timer: heartbeat": Input::Timer(RaftTimer::Heartbeat),
    "timer: check quorum": Input::Timer(RaftTimer::CheckQuorum),
    "timer: proposal": Input::Timer(RaftTimer::Proposal),
    "timer: retry": Input::Timer(RaftTimer::Retry),
    "timer: request": Input::Timer(RaftTimer::Request),
    "timer: transfer": Input::Timer(RaftTimer::Transfer),
    "write: durable": Input::Durable(Completion::Durable(_)),
    "order: catching up": Input::Order(Order::CatchingUp(_)),
    "order: receiving snapshot": Input::Order(Order::ReceivingSnapshot(_)),
    "order: step down": Input::Order(Order::StepDown),
    "order: campaign": Input::Order(Order::Campaign),
    "order: resign": Input::Order(Order::Resign),
    "order: leave": Input::Order(Order::Leave),
    "order: append": Input::Order(Order::Append(_)),
    "order: snapshot": Input::Order(Order::Snapshot),
    "order: transfer": Input::Order(Order::Transfer(_)),
    "order: any change": Input::Order(Order::AnyChange),
}

points! { CONNECTED, connected_at(change: ConnectionChange),
    "connection: opened": ConnectionChange::Opened,
    "connection: accepted": ConnectionChange::Accepted,
    "connection: refused": ConnectionChange::Refused,
    "connection: timed out": ConnectionChange::TimedOut,
    "connection: reset": ConnectionChange::Reset,
}

points! { WRITTEN, written_at(record: &Record),
    "record: state": Record::State(_),
    "record: entry": Record::Entry { .. },
    "record: snapshot": Record::Snapshot(_),
    "record: part": Record::Part(_),
}

/// The lists one after another.
const LISTS: [&[&str]; 5] = [OBSERVED, ANSWERED, HAPPENED, CONNECTED, WRITTEN];
/// How many points there are.
const COUNT: usize = before(LISTS.len());
/// The gauges of Raft, which come before the points.
const OWN: &[Gauge] = Raft::GAUGES;

/// How many points come before this list.
const fn before(list: usize) -> usize {
    let (mut at, mut count) = (0, 0);
    while at < list {
        count += LISTS[at].len();
        at += 1;
    }
    count
}

/// Every point by name.
pub(crate) const POINTS: &[&str] = &{
    let mut points = [""; COUNT];
    let mut at = 0;
    let mut list = 0;
    while list < LISTS.len() {
        let mut place = 0;
        while place < LISTS[list].len() {
            points[at] = LISTS[list][place];
            at += 1;
            place += 1;
        }
        list += 1;
    }
    points
};

const GAUGES: &[Gauge] = &{
    let mut gauges = [Gauge { name: "", doc: "A point in the code." }; OWN.len() + COUNT];
    let mut at = 0;
    while at < gauges.len() {
        if at < OWN.len() {
            gauges[at] = OWN[at];
        } else {
            gauges[at].name = POINTS[at - OWN.len()];
        }
        at += 1;
    }
    gauges
};

/// The invariants of Raft, and how often each point was reached.
#[derive(Clone, Debug)]
pub(crate) struct Counting {
    inner: RaftInvariants<RaftNode>,
    counts: [u64; COUNT],
}

impl Counting {
    fn count(&mut self, list: usize, place: Option<usize>) {
        if let Some(place) = place {
            self.counts[before(list) + place] += 1;
        }
    }
}

impl Invariants<RaftNode> for Counting {
    const LIST: &'static [InvariantInfo] = RaftInvariants::<RaftNode>::LIST;

    fn on_start(&mut self, view: impl View<RaftNode>, node: NodeId, findings: &mut Findings) {
        self.inner.on_start(view, node, findings);
    }

    fn on_effect(
        &mut self,
        view: impl View<RaftNode>,
        node: NodeId,
        effect: EffectRef<'_, RaftNode>,
        findings: &mut Findings,
    ) {
        match effect {
            EffectRef::Observe(observation) => self.count(0, observed_at(observation)),
            EffectRef::Send { message, .. } => self.count(1, answered_at(message)),
            EffectRef::Write { write: Write::Append(_, record) | Write::Replace(_, record), .. } => {
                self.count(4, written_at(record));
            }
            _ => {}
        }
        self.inner.on_effect(view, node, effect, findings);
    }

    fn on_input(
        &mut self,
        view: impl View<RaftNode>,
        node: NodeId,
        input: Input<'_, RaftNode>,
        findings: &mut Findings,
    ) {
        self.count(2, happened_at(&input));
        if let Input::Connection(event) = input {
            self.count(3, connected_at(event.change));
        }
        self.inner.on_input(view, node, input, findings);
    }

    fn on_step(&mut self, view: impl View<RaftNode>, node: NodeId, findings: &mut Findings) {
        self.inner.on_step(view, node, findings);
    }

    fn on_down(&mut self, view: impl View<RaftNode>, node: NodeId, findings: &mut Findings) {
        self.inner.on_down(view, node, findings);
    }

    fn on_fault(&mut self, view: impl View<RaftNode>, fault: &Fault, change: FaultChange, findings: &mut Findings) {
        self.inner.on_fault(view, fault, change, findings);
    }

    fn on_settle(&mut self, view: impl View<RaftNode>, findings: &mut Findings) {
        self.inner.on_settle(view, findings);
    }

    fn deadline(&self) -> Instant {
        self.inner.deadline()
    }

    fn on_deadline(&mut self, view: impl View<RaftNode>, findings: &mut Findings) {
        self.inner.on_deadline(view, findings);
    }

    fn on_history(&mut self, view: impl View<RaftNode>, entry: HistoryEntryRef<'_, RaftNode>, findings: &mut Findings) {
        self.inner.on_history(view, entry, findings);
    }

    fn on_end(&mut self, view: impl View<RaftNode>, findings: &mut Findings) {
        self.inner.on_end(view, findings);
    }
}

/// Raft, with every point counted.
#[derive(Clone, Debug)]
pub(crate) struct Counted(Raft);

impl System for Counted {
    const NAME: &'static str = Raft::NAME;
    const DOC: &'static str = Raft::DOC;
    const ROLES: &'static [Role] = Raft::ROLES;
    const WORKLOADS: &'static [WorkloadInfo] = Raft::WORKLOADS;
    const ORDERS: &'static [OrderInfo] = Raft::ORDERS;
    const GAUGES: &'static [Gauge] = GAUGES;

    type Options = RaftOptions;
    type Node = RaftNode;
    type Invariants = Counting;
    type Workload = RaftWorkload;

    fn new(setup: Setup<RaftOptions>) -> Result<Self, OptionsError> {
        Raft::new(setup).map(Self)
    }

    fn node(&self, id: NodeId, recovered: Recovered<Record>) -> RaftNode {
        self.0.node(id, recovered)
    }

    fn invariants(&self) -> Counting {
        Counting { inner: self.0.invariants(), counts: [0; COUNT] }
    }

    fn core(&self, view: impl View<RaftNode>, candidates: &[NodeId]) -> Vec<NodeId> {
        self.0.core(view, candidates)
    }

    fn workload(&self, call: &WorkloadCall<'_>) -> Result<RaftWorkload, OptionsError> {
        self.0.workload(call)
    }

    fn order(&self, name: &str, argument: &str) -> Result<Order, String> {
        self.0.order(name, argument)
    }

    fn gauges(invariants: &Counting) -> Vec<u64> {
        let own = Raft::gauges(&invariants.inner);
        own.into_iter().chain(invariants.counts).collect()
    }
}
