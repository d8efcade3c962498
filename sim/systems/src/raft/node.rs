//! The node: one `match` over what can come in; the arms are in the other files.

use splitbrain_kernel::brief::Datum;
use splitbrain_kernel::context::Context;
use splitbrain_kernel::node::{Completion, ConnectionEvent, Node, Source, Write, WriteId};
use splitbrain_kernel::serde::Serialize;
use splitbrain_kernel::time::Instant;

use super::bug::Bug;
use super::client::Client;
use super::durable::{HardState, LOG_FILE, PARTS_FILE, Record, Recovery, Unusable};
use super::ids::Index;
use super::kv;
use super::log::Log;
use super::message::{Command, Operation, Order, Payload, RaftMessage, Response};
use super::observation::{RaftObservation, StepDownReason};
use super::stall::Input;
use super::state::Server;

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
            Self::Server(server) if server.stall.is_behind() => server.hold(Input::Message(source, message)),
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
            Self::Server(server) if server.stall.holds() => server.lose_tick(ctx, timer),
            Self::Server(server) => {
                server.on_timer(ctx, timer);
                server.settle(ctx);
            }
            Self::Client(client) => client.on_timer(ctx, timer),
        }
    }

    fn on_connection(&mut self, ctx: &mut Context<Self>, event: ConnectionEvent) {
        match self {
            Self::Server(server) if server.stall.is_behind() => server.hold(Input::Connection(event)),
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
            Completion::Durable(write) if !server.stall.has_failed() => {
                server.on_durable(ctx, write);
                server.flush(ctx);
                server.resume_loop(ctx, write);
            }
            Completion::Durable(_) => {}
            Completion::Failed(write, _) => server.on_write_failed(ctx, write),
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
            Self::Server(server) if server.stall.is_behind() => server.hold(Input::Order(order)),
            Self::Server(server) => {
                server.on_order(ctx, order);
                server.settle(ctx);
            }
            Self::Client(_) => {}
        }
    }
}

impl<C: Payload> Server<C> {
    #[inline]
    pub(super) fn on_message(&mut self, ctx: &mut Context<RaftNode<C>>, source: Source, message: RaftMessage<C>) {
        match message {
            RaftMessage::Append(append) => self.on_append(ctx, source, append),
            RaftMessage::AppendReply { term, result } => self.on_append_reply(ctx, source, term, result),
            RaftMessage::PreVote(request) => self.on_pre_vote(ctx, source, request),
            RaftMessage::PreVoteReply { term, verdict } => {
                self.on_pre_vote_reply(ctx, source, term, verdict);
            }
            RaftMessage::Vote(request) => self.on_vote(ctx, source, request),
            RaftMessage::TransferVote(request) => self.on_transfer_vote(ctx, source, request),
            RaftMessage::TimeoutNow { term } => self.on_timeout_now(ctx, source, term),
            RaftMessage::VoteReply { term, granted } => self.on_vote_reply(ctx, source, term, granted),
            RaftMessage::SnapshotPart(part) => self.on_part(ctx, source, &part),
            RaftMessage::PartReply { term, last, result } => self.on_part_reply(ctx, source, term, last, result),
            RaftMessage::Propose { operation, value } => self.on_propose(ctx, source, operation, value),
            RaftMessage::Confirm { term, round } => self.on_confirm(ctx, source, term, round),
            RaftMessage::ConfirmReply { term, round } => self.on_confirm_reply(ctx, source, term, round),
            RaftMessage::Request { operation, call } => self.on_request(ctx, source, operation, *call),
            // For clients.
            RaftMessage::ProposeReply { .. } | RaftMessage::Reply { .. } => {}
        }
    }

    #[inline]
    fn on_timer(&mut self, ctx: &mut Context<RaftNode<C>>, timer: RaftTimer) {
        match timer {
            RaftTimer::Election => self.on_election_timer(ctx),
            RaftTimer::Heartbeat => self.on_heartbeat_timer(ctx),
            RaftTimer::CheckQuorum => self.on_check_quorum_timer(ctx),
            RaftTimer::Transfer => self.on_transfer_timer(ctx),
            RaftTimer::Loop => unreachable!("its inputs are taken in one by one"),
            RaftTimer::Proposal | RaftTimer::Retry | RaftTimer::Request => {
                unreachable!("a server sets no timer of a client")
            }
        }
    }

    /// Starts from what the disk kept.
    fn start(&mut self, ctx: &mut Context<RaftNode<C>>, recovery: Recovery<C>) {
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
        if self.options.skip_first_timeout {
            self.hard.timer_allowed = false;
            self.hard_dirty = true;
        }
        if self.hard.timer_allowed {
            self.start_election_timer_after(ctx, self.options.startup_backoff);
        }
        self.flush(ctx);
    }

    pub(super) fn on_durable(&mut self, ctx: &mut Context<RaftNode<C>>, write: WriteId) {
        if self.log.on_durable(write) {
            self.on_log_durable(ctx);
        }
        if self.snapshots.awaits_disk() {
            self.on_snapshot_durable(ctx, write);
        }
        if self.hard_write.is_some_and(|pending| pending <= write) {
            self.hard_write = None;
            self.on_own_vote_durable(ctx);
        }
    }

    /// A scenario orders something.
    pub(super) fn on_order(&mut self, ctx: &mut Context<RaftNode<C>>, order: Order) {
        match order {
            Order::CatchingUp(on) => self.set_catching_up(ctx, on),
            Order::ReceivingSnapshot(on) => {
                self.hard_dirty |= self.hard.receiving_snapshot != on;
                self.hard.receiving_snapshot = on;
            }
            Order::StepDown if self.is_leader() => self.step_down(ctx, StepDownReason::Ordered),
            Order::Resign if self.is_leader() => self.resign(ctx),
            Order::Campaign if self.may_campaign_now(ctx.now()) => self.begin_round(ctx),
            Order::Leave => {
                if self.is_leader() {
                    self.step_down(ctx, StepDownReason::Ordered);
                }
                self.isolation.steps_to_down = Self::STEPS_TO_DOWN;
            }
            Order::Append(count) if self.is_leader() => self.append_empty(ctx, count),
            Order::Snapshot => self.take_snapshot(ctx),
            Order::Transfer(target) if self.is_leader() => self.transfer_leadership(ctx, target),
            Order::Change(change) => self.on_change(ctx, change),
            Order::AnyChange => self.on_any_change(ctx),
            Order::StepDown | Order::Resign | Order::Campaign | Order::Append(_) | Order::Transfer(_) => {}
        }
    }

    fn append_empty(&mut self, ctx: &mut Context<RaftNode<C>>, count: u64) {
        for _ in 0..count {
            self.append_as_leader(ctx, Command::Noop);
        }
        self.broadcast_fresh(ctx);
    }

    /// Whether it can begin a round: a leader, a learner and a voter that is bound by a promise cannot.
    fn may_campaign_now(&self, now: Instant) -> bool {
        !self.is_leader() && self.may_stand() && !self.is_bound_by_promise(now)
    }

    fn set_catching_up(&mut self, ctx: &mut Context<RaftNode<C>>, on: bool) {
        if self.hard.catching_up == on {
            return;
        }
        self.hard.catching_up = on;
        self.hard_dirty = true;
        // While it catches up no timer runs.
        if !on {
            self.start_election_timer(ctx);
        }
    }
}
