//! The node: one `match` over what can come in; the arms are in the other files.

use splitbrain_kernel::brief::Datum;
use splitbrain_kernel::context::Context;
use splitbrain_kernel::node::{Completion, ConnectionEvent, Node, Source, Write, WriteId};
use splitbrain_kernel::serde::Serialize;

use super::bug::Bug;
use super::client::Client;
use super::durable::{HardState, LOG_FILE, PARTS_FILE, Record, Recovery, Unusable};
use super::election::Wait;
use super::ids::{Index, Term};
use super::kv;
use super::log::Log;
use super::message::{Command, Operation, Order, Payload, RaftMessage, Response};
use super::observation::{RaftObservation, StepDownReason};
use super::roles::{LEADS_ON, Tenure};
use super::shared::Shared;
use super::stall::Input;
use super::state::{Leader, Role, Server};

/// How a process of a Raft cluster acts.
pub(super) type RaftContext<C> = Context<RaftNode<C>>;

/// A process of a Raft cluster.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "servers are most of the nodes, and a box would be a detour for each input"
)]
pub enum RaftNode<C = u64> {
    /// A server, `s1` and on.
    Server(Server<C>),
    /// A client, `c1` and on.
    Client(Client<C>),
}

impl<C: Payload> RaftNode<C> {
    /// The server, where it is one.
    #[inline]
    pub const fn server(&self) -> Option<&Server<C>> {
        match self {
            Self::Server(server) => Some(server),
            Self::Client(_) => None,
        }
    }

    /// The client, where it is one.
    pub const fn client(&self) -> Option<&Client<C>> {
        match self {
            Self::Server(_) => None,
            Self::Client(client) => Some(client),
        }
    }
}

/// The timers of servers and clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum RaftTimer {
    /// A server that does not lead: no leader for so long, or no outcome of its round.
    Election,
    /// A leader: the next heartbeat.
    Heartbeat,
    /// A leader: the next look at its quorum.
    CheckQuorum,
    /// A client: the operation has had no answer for so long.
    Proposal,
    /// A client: the next server is tried.
    Retry,
    /// A client: this attempt has had no answer for so long.
    Request,
    /// A leader: the server that it hands its leadership over to has not taken over for so long.
    Transfer,
    /// A server whose loop has waited for its disk: the next of the inputs that came meanwhile.
    Loop,
}

impl<C: Payload> Node for RaftNode<C> {
    type Message = RaftMessage<C>;
    type Timer = RaftTimer;
    type Record = Record<C>;
    type Observation = RaftObservation<C>;
    type Operation = Operation<C>;
    type Response = Response;
    type Order = Order;
    type Step = ();

    const OPERATIONS: &'static [&'static str] = &["propose", "get", "put", "append", "compare and set", "delete"];

    fn operation_kind(operation: &Operation<C>) -> usize {
        match operation {
            Operation::Propose { .. } => 0,
            Operation::Kv(kv::Operation::Get { .. }) => 1,
            Operation::Kv(kv::Operation::Put { .. }) => 2,
            Operation::Kv(kv::Operation::Append { .. }) => 3,
            Operation::Kv(kv::Operation::CompareAndSet { .. }) => 4,
            Operation::Kv(kv::Operation::Delete { .. }) => 5,
        }
    }

    fn brief(datum: Datum<'_, Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        super::brief::brief(datum, f)
    }

    fn on_start(&mut self, ctx: &mut Context<Self>) {
        if let Self::Server(server) = self {
            match *server.recovery.take().expect("a process starts once") {
                Ok(recovery) => {
                    server.start(ctx, recovery);
                    server.settle(ctx);
                }
                Err(Unusable(reason)) => ctx.exit(reason),
            }
        }
    }

    #[inline]
    fn on_message(&mut self, ctx: &mut Context<Self>, source: Source, message: RaftMessage<C>) {
        match self {
            Self::Server(server) if server.shared.stall.is_behind() => {
                server.shared.hold(Input::Message(source, message))
            }
            Self::Server(server) => {
                server.on_message(ctx, source, message);
                server.settle(ctx);
            }
            Self::Client(client) => {
                client.on_message(ctx, source, message);
            }
        }
    }

    #[inline]
    fn on_timer(&mut self, ctx: &mut Context<Self>, timer: RaftTimer) {
        match self {
            Self::Server(server) if timer == RaftTimer::Loop => server.take_next(ctx),
            Self::Server(server) if server.shared.stall.holds() => server.shared.lose_tick(ctx, timer),
            Self::Server(server) => {
                server.on_timer(ctx, timer);
                server.settle(ctx);
            }
            Self::Client(client) => client.on_timer(ctx, timer),
        }
    }

    fn on_connection(&mut self, ctx: &mut Context<Self>, event: ConnectionEvent) {
        match self {
            Self::Server(server) if server.shared.stall.is_behind() => server.shared.hold(Input::Connection(event)),
            Self::Server(server) => {
                server.on_connection(ctx, event);
                server.settle(ctx);
            }
            Self::Client(_) => {}
        }
    }

    fn on_durable(&mut self, ctx: &mut Context<Self>, completion: Completion) {
        let Self::Server(server) = self else { return };
        match completion {
            Completion::Written(_) => {}
            Completion::Durable(write) if !server.shared.stall.has_failed() => {
                server.on_durable(ctx, write);
                server.shared.flush(ctx);
                server.shared.resume_loop(ctx, write);
            }
            Completion::Durable(_) => {}
            Completion::Failed(write, _) => server.shared.on_write_failed(ctx, write),
        }
        server.settle(ctx);
    }

    fn on_operation(&mut self, ctx: &mut Context<Self>, operation: Operation<C>) {
        if let Self::Client(client) = self {
            client.on_operation(ctx, operation);
        }
    }

    fn on_order(&mut self, ctx: &mut Context<Self>, order: Order) {
        match self {
            Self::Server(server) if server.shared.stall.is_behind() => server.shared.hold(Input::Order(order)),
            Self::Server(server) => {
                server.on_order(ctx, order);
                server.settle(ctx);
            }
            Self::Client(_) => {}
        }
    }
}

// ---- The server: here its role is asked for, once for each input ----

impl<C: Payload> Server<C> {
    #[inline]
    pub(super) fn on_message(&mut self, ctx: &mut RaftContext<C>, source: Source, message: RaftMessage<C>) {
        let from = source.node;
        match message {
            RaftMessage::Append(append) => self.on_append(ctx, source, append),
            RaftMessage::AppendReply { term, result } => self
                .on_answer(ctx, source, term, |leader, shared, ctx| leader.on_append_reply(shared, ctx, from, result)),
            RaftMessage::PreVote(request) => self.on_pre_vote(ctx, source, request),
            RaftMessage::PreVoteReply { term, verdict } => {
                self.on_pre_vote_reply(ctx, source, term, verdict);
            }
            RaftMessage::Vote(request) => self.on_vote(ctx, source, request),
            RaftMessage::TransferVote(request) => self.on_transfer_vote(ctx, source, request),
            RaftMessage::TimeoutNow { term } => self.on_timeout_now(ctx, source, term),
            RaftMessage::VoteReply { term, granted } => self.on_vote_reply(ctx, source, term, granted),
            RaftMessage::SnapshotPart(part) => self.on_part(ctx, source, &part),
            RaftMessage::PartReply { term, last, result } => {
                self.on_answer(ctx, source, term, |leader, shared, ctx| {
                    leader.on_part_reply(shared, ctx, from, last, result)
                })
            }
            RaftMessage::Propose { operation, value } => self.on_propose(ctx, source, operation, value),
            RaftMessage::Confirm { term, round } => self.on_confirm(ctx, source, term, round),
            RaftMessage::ConfirmReply { term, round } => self
                .on_answer(ctx, source, term, |leader, shared, ctx| leader.on_confirm_reply(shared, ctx, from, round)),
            RaftMessage::Request { operation, call } => self.on_request(ctx, source, operation, *call),
            // For clients.
            RaftMessage::ProposeReply { .. } | RaftMessage::Reply { .. } => {}
        }
    }

    /// A follower has answered its leader, which takes the answer in.
    #[inline]
    fn on_answer(
        &mut self,
        ctx: &mut RaftContext<C>,
        source: Source,
        term: Term,
        take: impl FnOnce(&mut Leader, &mut Shared<C>, &mut RaftContext<C>) -> Tenure,
    ) {
        self.shared.answered(source);
        if term > self.term() {
            return self.adopt_term(ctx, term);
        }
        match &mut self.role {
            Role::Leader(leader) if term == self.shared.term() => {
                let tenure = take(leader, &mut self.shared, ctx);
                self.conclude_tenure(ctx, tenure);
            }
            // An answer of an earlier term speaks of another leadership, perhaps this server's own (etcd); one of this
            // term may come after the leader has given up.
            Role::Leader(_) | Role::Follower(_) | Role::PreCandidate(_) | Role::Candidate(_) => {}
        }
    }

    #[inline]
    fn on_timer(&mut self, ctx: &mut RaftContext<C>, timer: RaftTimer) {
        let tenure = match (timer, &mut self.role) {
            (RaftTimer::Heartbeat, Role::Leader(leader)) => leader.on_heartbeat_timer(&mut self.shared, ctx),
            (RaftTimer::CheckQuorum, Role::Leader(leader)) => leader.on_check_quorum_timer(&self.shared, ctx),
            (RaftTimer::Transfer, Role::Leader(leader)) => leader.on_transfer_timer(&mut self.shared, ctx),
            (RaftTimer::Election, Role::Follower(_) | Role::PreCandidate(_) | Role::Candidate(_)) => {
                return self.on_election_timer(ctx);
            }
            (RaftTimer::Election | RaftTimer::Heartbeat | RaftTimer::CheckQuorum | RaftTimer::Transfer, _) => {
                unreachable!("a timer of a role ends with it")
            }
            (RaftTimer::Loop, _) => unreachable!("its inputs are taken in one by one"),
            (RaftTimer::Proposal | RaftTimer::Retry | RaftTimer::Request, _) => {
                unreachable!("a server sets no timer of a client")
            }
        };
        self.conclude_tenure(ctx, tenure);
    }

    pub(super) fn on_durable(&mut self, ctx: &mut RaftContext<C>, write: WriteId) {
        if self.shared.log.on_durable(write) {
            match &mut self.role {
                Role::Leader(leader) => {
                    let tenure = leader.on_log_durable(&mut self.shared, ctx);
                    self.conclude_tenure(ctx, tenure);
                }
                // What it acknowledges is tied to the write.
                Role::Follower(_) | Role::PreCandidate(_) | Role::Candidate(_) => {}
            }
        }
        if self.shared.snapshots.awaits_disk() {
            self.shared.on_snapshot_durable(ctx, write, self.role.as_leader_mut());
        }
        if self.shared.hard_write.is_some_and(|pending| pending <= write) {
            self.shared.hard_write = None;
            self.on_own_vote_durable(ctx);
        }
    }

    /// A scenario orders something.
    pub(super) fn on_order(&mut self, ctx: &mut RaftContext<C>, order: Order) {
        let shared = &mut self.shared;
        let tenure = match (order, &mut self.role) {
            (Order::StepDown, Role::Leader(_)) => Tenure::Break(StepDownReason::Ordered),
            (Order::Resign, Role::Leader(leader)) => leader.resign(shared, ctx.now()),
            (Order::Transfer(target), Role::Leader(leader)) => leader.transfer(shared, ctx, target),
            (Order::Append(count), Role::Leader(leader)) => {
                leader.append_empty(shared, ctx, count);
                LEADS_ON
            }
            // They are for a leader.
            (Order::StepDown | Order::Resign | Order::Transfer(_) | Order::Append(_), _) => LEADS_ON,
            (Order::Campaign, Role::Leader(_)) => LEADS_ON,
            (Order::Campaign, _) => return self.on_order_to_campaign(ctx),
            (Order::Leave, _) => return self.on_order_to_leave(ctx),
            (Order::CatchingUp(on), _) => return self.set_catching_up(ctx, on),
            (Order::ReceivingSnapshot(on), _) => return shared.set_receiving_snapshot(on),
            (Order::Snapshot, _) => return shared.take_snapshot(ctx),
            (Order::Change(change), _) => return self.on_change(ctx, change),
            (Order::AnyChange, _) => return self.on_any_change(ctx),
        };
        self.conclude_tenure(ctx, tenure);
    }

    /// A learner and a voter that is bound by a promise do not begin a round.
    fn on_order_to_campaign(&mut self, ctx: &mut RaftContext<C>) {
        if self.shared.may_stand() && !self.shared.is_bound_by_promise(ctx.now()) {
            self.begin_round(ctx);
        }
    }

    fn on_order_to_leave(&mut self, ctx: &mut RaftContext<C>) {
        if self.is_leader() {
            self.step_down(ctx, StepDownReason::Ordered);
        }
        self.shared.begin_to_leave();
    }

    fn set_catching_up(&mut self, ctx: &mut RaftContext<C>, on: bool) {
        if self.shared.hard.catching_up == on {
            return;
        }
        self.shared.hard.catching_up = on;
        self.shared.hard_dirty = true;
        // While it catches up no timer runs. That of a leader is off anyway.
        if !on && !self.is_leader() {
            self.shared.start_election_timer(ctx, self.role.wait());
        }
    }

    /// Starts from what the disk kept.
    fn start(&mut self, ctx: &mut RaftContext<C>, recovery: Recovery<C>) {
        self.shared.recover(ctx, recovery);
        if self.shared.hard.timer_allowed {
            let backoff = self.shared.options.timing.startup_backoff;
            self.shared.start_election_timer_after(ctx, Wait::Leader, backoff);
        }
        self.shared.flush(ctx);
    }
}

impl Leader {
    fn append_empty<C: Payload>(&mut self, shared: &mut Shared<C>, ctx: &mut RaftContext<C>, count: u64) {
        for _ in 0..count {
            self.append(shared, ctx, Command::Noop);
        }
        self.broadcast_fresh(shared, ctx);
    }
}

impl<C: Payload> Shared<C> {
    fn recover(&mut self, ctx: &mut RaftContext<C>, recovery: Recovery<C>) {
        assert!(self.log.last_index() == Index::ZERO, "a server starts once");
        let now = ctx.now();
        // A process that crashed may have left this in the page cache only: it is synced before anything is said.
        let log = recovery.log;
        let is_fresh = recovery.hard == HardState::FRESH && recovery.snapshot.is_none() && log.entries.is_empty();
        self.hard_dirty = !is_fresh && !self.has_bug(Bug::RecoveredNotSynced);
        if let Some(keep) = log.cut {
            self.persist(ctx, Write::Truncate(LOG_FILE, keep));
        }
        if let Some(keep) = recovery.parts_cut {
            self.write(ctx, Write::Truncate(PARTS_FILE, keep));
        }
        self.hard = recovery.hard;
        self.log = Log::behind(log.base, log.file_start, log.entries);
        self.snapshots.receiving = recovery.receiving;
        self.clock.started_at = now;
        self.promise.started_at = now;
        self.priority.changed_at = now;
        self.lagging.target = self.log.last_index();
        self.lagging.since = (self.term(), now);
        ctx.observe(RaftObservation::BecameFollower { term: self.term() });
        if let Some(snapshot) = recovery.snapshot {
            self.restore(ctx, snapshot);
        }
        self.recover_members(ctx);
        if self.options.timing.skip_first_timeout {
            self.hard.timer_allowed = false;
            self.hard_dirty = true;
        }
    }

    fn set_receiving_snapshot(&mut self, on: bool) {
        self.hard_dirty |= self.hard.receiving_snapshot != on;
        self.hard.receiving_snapshot = on;
    }
}
