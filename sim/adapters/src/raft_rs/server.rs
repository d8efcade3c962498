//! The node: what comes in is handed to the library's `RawNode`, and then what it has ready is carried out.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;

use raft::eraftpb::{ConfState, Message, MessageType};
use raft::{Config, ProgressState, RawNode, SnapshotStatus, StateRole};
use serde::Serialize;
use splitbrain::kernel::prelude::*;
use splitbrain_systems::raft::facts::TimerFacts;

use super::logger::logger;
use super::observe::Seen;
use super::options::{Bug, RaftRsOptions, Timeouts};
use super::store::{Record, Store, position};
use super::wire::{self, Members, Observed, Order, Proposal, Wire};
use crate::proposals::{Answer, Client, Placed, Propose, Proposes};
use crate::protobuf::Pb;
use crate::servers::{id_of, node_of};

/// A leader that hears nothing of a snapshot for this long tells the library that it failed: datagrams get lost.
const SNAPSHOT_PATIENCE: Duration = Duration::from_secs(1);

/// A process of the system.
#[derive(Debug)]
pub enum Process {
    /// A server.
    Server(Box<Server>),
    /// A server that cannot use what its disk gave back; it exits as soon as it may.
    Damaged(&'static str),
    /// A client.
    Client(Client),
}

/// The timers of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Timer {
    /// A server calls the library's `tick`.
    Tick,
    /// A leader waits for an answer to a snapshot.
    Snapshot(NodeId),
    /// A client's next attempt.
    Retry,
    /// A client gives up.
    Patience,
}

/// A server.
///
/// - The library and `machine` agree on what is applied, unless a snapshot is on its way to the disk.
/// - `in_flight` is in the order of the writes, and so of the readies.
pub struct Server {
    pub(super) id: NodeId,
    pub(super) options: RaftRsOptions,
    /// How many servers there can be, spare ones included.
    pub(super) servers: u16,
    pub(super) raw: RawNode<Store>,
    pub(super) machine: Machine,
    /// The first write; `None` if the disk was empty.
    first_write: Option<Write<Record>>,
    /// The commit index at the start: what is applied up to there was applied by an earlier process.
    pub(super) old_commit: u64,
    /// The number of the last ready that is durable with each write under way.
    pub(super) in_flight: VecDeque<(WriteId, u64)>,
    /// A leader's snapshot on its way to the disk: nothing of it counts as applied before.
    pub(super) restoring: Option<WriteId>,
    /// An own snapshot on its way to the disk, and how far it lets the log be compacted.
    pub(super) compacting: Option<(WriteId, u64)>,
    /// What clients wait for.
    pub(super) proposals: BTreeSet<Proposal>,
    /// The configuration that the library goes by.
    pub(super) members: Members,
    /// It has applied its own removal, and its process ends.
    pub(super) has_left: bool,
    /// The library's commit index when it was last looked at.
    pub(super) counted: u64,
    pub(super) seen: Seen,
    /// The election timeout, and the term and the role in which it was set last.
    pinned: Option<((u64, StateRole), usize)>,
    /// How many election timeouts were drawn.
    drawn: u64,
    pub(super) timer: TimerFacts,
    elapsed: usize,
}

/// The state machine: a hash over everything that was applied.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Machine {
    pub(super) index: u64,
    pub(super) term: u64,
    pub(super) state: u64,
}

impl Node for Process {
    type Message = Wire;
    type Timer = Timer;
    type Record = Record;
    type Observation = Observed;
    type Operation = Propose;
    type Response = Placed;
    type Order = Order;
    type Step = ();

    const OPERATIONS: &'static [&'static str] = &["propose"];

    fn on_start(&mut self, ctx: &mut Context<Self>) {
        match self {
            Self::Server(server) => server.on_start(ctx),
            Self::Damaged(what) => ctx.exit(*what),
            Self::Client(_) => {}
        }
    }

    fn on_message(&mut self, ctx: &mut Context<Self>, source: Source, message: Wire) {
        match (self, message) {
            (Self::Server(server), Wire::Raft(message)) => server.on_message(ctx, message.0),
            (Self::Server(server), Wire::Propose { operation, value }) => {
                server.on_proposal(ctx, Proposal { client: source.node, operation, value });
            }
            (Self::Client(client), Wire::Answer { operation, answer }) => {
                client.on_answer(ctx, source.node, operation, answer);
            }
            _ => {}
        }
    }

    fn on_timer(&mut self, ctx: &mut Context<Self>, timer: Timer) {
        match (self, timer) {
            (Self::Server(server), timer) => server.on_timer(ctx, timer),
            (Self::Client(client), Timer::Retry) => client.on_retry(ctx),
            (Self::Client(client), Timer::Patience) => client.on_patience(ctx),
            _ => {}
        }
    }

    fn on_durable(&mut self, ctx: &mut Context<Self>, completion: Completion) {
        match (self, completion) {
            (Self::Server(server), Completion::Durable(write)) => server.on_durable(ctx, write),
            (_, Completion::Failed(_, error)) => ctx.exit(format!("the disk failed: {error}")),
            _ => {}
        }
    }

    fn on_operation(&mut self, ctx: &mut Context<Self>, operation: Propose) {
        if let Self::Client(client) = self {
            client.on_operation(ctx, operation);
        }
    }

    fn on_order(&mut self, ctx: &mut Context<Self>, order: Order) {
        if let Self::Server(server) = self {
            server.on_order(ctx, order);
        }
    }

    fn brief(datum: Datum<'_, Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        wire::brief(datum, f)
    }
}

impl Proposes for Process {
    const RETRY: Timer = Timer::Retry;
    const PATIENCE: Timer = Timer::Patience;

    fn request(operation: OperationId, value: u64) -> Wire {
        Wire::Propose { operation, value }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let raft = &self.raw.raft;
        let mut out = f.debug_struct("Server");
        out.field("id", &self.id).field("role", &raft.state).field("term", &raft.term);
        out.field("commit", &raft.raft_log.committed).field("applied", &self.machine.index);
        out.finish_non_exhaustive()
    }
}

impl Server {
    /// A server of a cluster that began with these voters, with what its disk kept.
    ///
    /// # Errors
    /// What on the disk is damaged.
    pub(super) fn new(
        id: NodeId,
        options: RaftRsOptions,
        voters: Vec<u64>,
        servers: u16,
        recovered: &Recovered<Record>,
    ) -> Result<Self, &'static str> {
        let (mut store, cut) = Store::recover(recovered, voters)?;
        store.hands_out_old = options.bug == Bug::OldSnapshot;
        let first_write = (!recovered.files.is_empty()).then(|| store.first_write(cut));
        let machine = Machine::of(&store);
        let config = Config {
            id: id_of(id),
            election_tick: options.election_tick as usize,
            heartbeat_tick: options.heartbeat_tick as usize,
            applied: machine.index,
            max_size_per_msg: options.max_size,
            max_inflight_msgs: options.max_inflight as usize,
            check_quorum: options.check_quorum,
            pre_vote: options.pre_vote,
            ..Config::default()
        };
        let (old_commit, members) = (store.hard.commit, members_of(&store.conf));
        let raw = RawNode::new(&config, store, &logger()).expect("options and disk are valid");
        Ok(Self {
            id,
            options,
            servers,
            seen: Seen::of(&raw),
            raw,
            machine,
            first_write,
            old_commit,
            in_flight: VecDeque::new(),
            restoring: None,
            compacting: None,
            proposals: BTreeSet::new(),
            members,
            has_left: false,
            counted: old_commit,
            pinned: None,
            drawn: 0,
            timer: TimerFacts { started_at: Instant::ZERO, contact_at: None, heartbeat_seen: false },
            elapsed: 0,
        })
    }

    fn on_start(&mut self, ctx: &mut Context<Process>) {
        ctx.observe(Observed::BecameFollower { term: self.seen.term });
        if self.machine.index > 0 {
            let Machine { index, term, state } = self.machine;
            ctx.observe(Observed::SnapshotRestored { index, term, state });
        }
        if let Some(write) = self.first_write.take() {
            // What was read may be in the page cache alone: what the library promises because of it waits for this.
            if self.options.bug == Bug::UnsyncedRestart {
                ctx.write(write);
            } else {
                let write = ctx.persist(write);
                self.in_flight.push_back((write, 0));
            }
        }
        self.timer.started_at = ctx.now();
        let phase = ctx.rng().duration(Duration::from_nanos(1), self.options.tick);
        ctx.set_timer(Timer::Tick, phase);
        self.drive(ctx);
    }

    fn on_message(&mut self, ctx: &mut Context<Process>, message: Message) {
        let (from, kind) = (message.from, message.get_msg_type());
        let Some(message) = self.let_in(message) else { return };
        if let Err(error) = self.raw.step(message) {
            ctx.observe(Observed::Refused { error: error.to_string() });
        }
        self.note_contact(ctx, from, kind);
        self.watch_timer(ctx, 0);
        self.drive(ctx);
    }

    /// Whether the library may campaign. While a leader's snapshot is on its way to the disk it must not: it looks for
    /// changes of the membership behind the last entry that it knows as applied, which are in no log any more, and
    /// panics. It does not say so; TiKV skips the ticks of such a server too.
    pub(super) fn may_campaign(&self) -> bool {
        self.restoring.is_none() || self.options.bug == Bug::TicksWhileRestoring
    }

    /// The message as the library gets it, `None` if it does not. That is the message itself, but for one that asks it
    /// to campaign at once when it must not, and for two options about answers to requests for pre-votes: `late_grants`
    /// and the known bug `refusals_count`.
    fn let_in(&self, mut message: Message) -> Option<Message> {
        if message.get_msg_type() == MessageType::MsgTimeoutNow && !self.may_campaign() {
            return None;
        }
        if message.get_msg_type() == MessageType::MsgRequestPreVoteResponse {
            let is_late_grant = !message.reject && message.term != self.raw.raft.term + 1;
            if is_late_grant && !self.options.late_grants {
                return None;
            }
            message.reject &= self.options.bug != Bug::RefusalsCount;
        }
        Some(message)
    }

    /// Notes for the invariants when the leader was last heard of.
    fn note_contact(&mut self, ctx: &Context<Process>, from: u64, kind: MessageType) {
        let is_of_leader =
            matches!(kind, MessageType::MsgAppend | MessageType::MsgHeartbeat | MessageType::MsgSnapshot);
        if is_of_leader && self.raw.raft.leader_id == from {
            self.timer.contact_at = Some(ctx.now());
        }
    }

    fn on_proposal(&mut self, ctx: &mut Context<Process>, proposal: Proposal) {
        let raft = &self.raw.raft;
        let Proposal { client, operation, .. } = proposal;
        if raft.state != StateRole::Leader {
            let leader = (raft.leader_id != 0).then(|| node_of(raft.leader_id));
            return ctx.send(client, Wire::Answer { operation, answer: Answer::NotLeader { leader } });
        }
        if self.proposals.contains(&proposal) {
            return;
        }
        match self.raw.propose(vec![], proposal.data()) {
            Ok(()) => {
                self.proposals.insert(proposal);
            }
            // It hands its leadership over, or is no member any more: the client may try again.
            Err(error) => {
                ctx.observe(Observed::Refused { error: error.to_string() });
                if self.options.bug != Bug::SilentRefusal {
                    ctx.send(client, Wire::Answer { operation, answer: Answer::Busy });
                }
            }
        }
        self.drive(ctx);
    }

    fn on_timer(&mut self, ctx: &mut Context<Process>, timer: Timer) {
        match timer {
            Timer::Tick => {
                if self.may_campaign() {
                    self.raw.tick();
                    self.watch_timer(ctx, 1);
                }
                ctx.set_timer(Timer::Tick, self.options.tick);
            }
            Timer::Snapshot(to) => {
                let progress = self.raw.raft.prs().get(id_of(to));
                if progress.is_some_and(|progress| progress.state == ProgressState::Snapshot) {
                    self.raw.report_snapshot(id_of(to), SnapshotStatus::Failure);
                    ctx.observe(Observed::SnapshotGivenUp { to });
                }
            }
            Timer::Retry | Timer::Patience => {}
        }
        self.drive(ctx);
    }

    fn on_durable(&mut self, ctx: &mut Context<Process>, write: WriteId) {
        let mut persisted = 0;
        while let Some((_, number)) = self.in_flight.pop_front_if(|(id, _)| *id <= write) {
            persisted = number;
        }
        if persisted > 0 {
            self.raw.on_persist_ready(persisted);
        }
        if self.restoring.take_if(|id| *id <= write).is_some() {
            self.raw.advance_apply_to(self.machine.index);
        }
        if let Some((_, index)) = self.compacting.take_if(|(id, _)| *id <= write)
            && let Some(write) = self.raw.mut_store().compact(index)
        {
            ctx.write(write);
            ctx.observe(Observed::LogCompacted { index });
        }
        self.drive(ctx);
    }

    /// A server that does not lead has nothing to carry out.
    fn on_order(&mut self, ctx: &mut Context<Process>, order: Order) {
        if self.raw.raft.state == StateRole::Leader {
            self.carry_out(ctx, order);
            self.drive(ctx);
        }
    }

    /// Carries out what the library has ready, until there is nothing more.
    fn drive(&mut self, ctx: &mut Context<Process>) {
        loop {
            self.pin_timeout(ctx);
            self.observe_changes(ctx);
            self.observe_counted(ctx);
            if self.has_left || !self.raw.has_ready() {
                break;
            }
            self.handle_ready(ctx);
        }
        self.maybe_snapshot(ctx);
    }

    /// Sets the election timeout. The library draws it from `rand::thread_rng` whenever it becomes a follower, a
    /// candidate or a leader; a pre-candidate keeps the one that it has.
    ///
    /// It is set after every call: whether the library has drawn again cannot be seen, as it may draw the same number.
    fn pin_timeout(&mut self, ctx: &mut Context<Process>) {
        if self.options.timeouts == Timeouts::Own {
            return;
        }
        let (term, role) = (self.raw.raft.term, self.raw.raft.state);
        let timeout = match self.pinned {
            Some((of, timeout)) if of == (term, role) || role == StateRole::PreCandidate => timeout,
            _ => {
                let life = u64::from(ctx.incarnation());
                self.drawn += 1;
                let mut stream = ctx.rng().fork("election timeout", life << 48 | self.drawn);
                stream.between(self.options.election_tick, 2 * self.options.election_tick - 1) as usize
            }
        };
        self.pinned = Some(((term, role), timeout));
        self.raw.raft.set_randomized_election_timeout(timeout);
    }

    /// The library counts ticks from the last restart of its election timer: it was restarted if it counts others than
    /// those that passed.
    fn watch_timer(&mut self, ctx: &Context<Process>, ticks: usize) {
        let elapsed = self.raw.raft.election_elapsed;
        if elapsed != self.elapsed + ticks {
            self.timer.started_at = ctx.now();
        }
        self.elapsed = elapsed;
    }

    /// Sends what the library has to say: at once, or once a write is durable.
    pub(super) fn send(ctx: &mut Context<Process>, gate: Option<WriteId>, message: Message) {
        let target = node_of(message.to);
        match message.get_msg_type() {
            MessageType::MsgSnapshot => {
                ctx.set_timer(Timer::Snapshot(target), SNAPSHOT_PATIENCE);
                let index = message.get_snapshot().get_metadata().index;
                ctx.observe(Observed::SnapshotSent { to: target, index });
            }
            MessageType::MsgRequestVoteResponse if message.reject => {
                ctx.observe(Observed::VoteDenied { candidate: target });
            }
            MessageType::MsgRequestPreVoteResponse if !message.reject => {
                ctx.observe(Observed::PreVoteGranted { term: message.term, candidate: target });
            }
            MessageType::MsgRequestPreVoteResponse => ctx.observe(Observed::PreVoteDenied { candidate: target }),
            _ => {}
        }
        let message = Wire::Raft(Box::new(Pb(message)));
        match gate {
            Some(write) => ctx.send_after(write, target, message),
            None => ctx.send(target, message),
        }
    }
}

/// The configuration of these lists of the library.
pub(super) fn members_of(conf: &ConfState) -> Members {
    Members::from_lists(&conf.voters, &conf.learners)
}

impl Machine {
    /// What the snapshot of a store holds.
    pub(super) fn of(store: &Store) -> Self {
        let (index, term) = position(&store.snapshot);
        let state = store.snapshot.data[..].try_into().map_or(0, u64::from_le_bytes);
        Self { index, term, state }
    }

    /// Applies an entry.
    pub(super) fn apply(&mut self, index: u64, term: u64, data: &[u8]) {
        let hash = data.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| mix(hash, u64::from(*byte)));
        (self.index, self.term) = (index, term);
        self.state = mix(mix(self.state, term), hash);
    }
}

const fn mix(a: u64, b: u64) -> u64 {
    (a.rotate_left(23) ^ b).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests;
