//! The store on a server: requests become commands, commands are executed when they are committed, and the leader that
//! appended a command answers it.

use std::sync::Arc;

use splitbrain_kernel::context::OperationId;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::Source;
use splitbrain_kernel::time::{Duration, Instant};

use crate::raft::bug::Bug;
use crate::raft::ids::Index;
use crate::raft::message::{Command as LogCommand, Payload, RaftMessage};
use crate::raft::node::RaftContext;
use crate::raft::observation::RaftObservation;
use crate::raft::options::{RaftOptions, ReadMethod};
use crate::raft::shared::Shared;
use crate::raft::state::{Leader, Pending, Role, Server};
use crate::raft::transport::datagram;

use super::store::Limits;
use super::{Answer, Call, CallResult, Command, Outcome, Store};

/// The store of a server, and the log time while it leads.
#[derive(Clone, Debug, Default)]
pub struct Host {
    store: Store,
    /// The log time at which its leadership began, and when that was on its own clock.
    led_since: (Duration, Instant),
}

impl Host {
    /// The store.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// A snapshot takes the place of the store.
    pub(in crate::raft) fn restore(&mut self, store: Store) {
        self.store = store;
    }

    /// Its server begins to lead: log time goes on from the latest that it knows.
    pub(in crate::raft) const fn begin_to_lead(&mut self, now: Instant) {
        self.led_since = (self.store.time(), now);
    }

    /// The log time, as its server says it while it leads.
    fn log_time(&self, now: Instant) -> Duration {
        let (time, since) = self.led_since;
        time.saturating_add(now.since(since)).max(self.store.time())
    }
}

impl RaftOptions {
    /// What bounds the sessions of the store.
    pub(super) const fn session_limits(&self) -> Limits {
        Limits { timeout: self.clients.session_timeout, sessions_max: self.clients.sessions_max }
    }
}

impl<C: Payload> Server<C> {
    /// A client asks for something.
    pub(in crate::raft) fn on_request(
        &mut self,
        ctx: &mut RaftContext<C>,
        source: Source,
        operation: OperationId,
        call: Call,
    ) {
        let hint = self.leader();
        match &mut self.role {
            Role::Leader(leader) => leader.on_request(&mut self.shared, ctx, source, operation, call),
            Role::Follower(_) | Role::PreCandidate(_) | Role::Candidate(_) => {
                let hint = hint.filter(|leader| *leader != self.shared.id);
                self.shared.redirect_request(ctx, source, operation, hint);
            }
        }
    }
}

impl Leader {
    fn on_request<C: Payload>(
        &mut self,
        shared: &mut Shared<C>,
        ctx: &mut RaftContext<C>,
        source: Source,
        operation: OperationId,
        call: Call,
    ) {
        if self.is_transferring() {
            // Who leads after a transfer is not known yet.
            return shared.redirect_request(ctx, source, operation, None);
        }
        if let (Call::Read { key }, false) = (&call, shared.options.reads.method == ReadMethod::Log) {
            return self.on_read(shared, ctx, source.node, operation, *key);
        }
        let command = Command { time: shared.kv.log_time(ctx.now()), call };
        let index = self.append(shared, ctx, LogCommand::Kv(Arc::new(command)));
        self.broadcast_fresh(shared, ctx);
        if shared.has_bug(Bug::AnsweredBeforeCommit) {
            return shared.answer_early(ctx, source, operation, index);
        }
        self.pending.push_back(Pending { index, client: source.node, operation });
    }
}

impl<C: Payload> Shared<C> {
    /// A request comes to a server that does not take it.
    fn redirect_request(
        &mut self,
        ctx: &mut RaftContext<C>,
        source: Source,
        operation: OperationId,
        leader: Option<NodeId>,
    ) {
        let result = CallResult::NotLeader { leader };
        self.send(ctx, source, RaftMessage::Reply { operation, result });
    }

    /// A known bug: the answer does not wait for the commit.
    fn answer_early(&mut self, ctx: &mut RaftContext<C>, source: Source, operation: OperationId, index: Index) {
        let Some(LogCommand::Kv(command)) = self.log.get(index).map(|entry| entry.command.clone()) else { return };
        let (time, limits) = (command.time, self.options.session_limits());
        let (_, answer) = self.kv.store.clone().execute(index, time, &command.call, limits);
        let result = CallResult::Answered { index, answer };
        self.send(ctx, source, RaftMessage::Reply { operation, result });
    }

    /// The command at this place is committed.
    pub(in crate::raft) fn execute(
        &mut self,
        ctx: &mut RaftContext<C>,
        index: Index,
        command: &Command,
        leader: Option<&mut Leader>,
    ) {
        let limits = self.options.session_limits();
        let time =
            if self.has_bug(Bug::SessionsExpireByLocalClock) { ctx.now().since(Instant::ZERO) } else { command.time };
        let call = match &command.call {
            Call::Run { operation, .. } if self.has_bug(Bug::SessionsIgnored) => {
                let answer = self.kv.store.carry_out(operation);
                return self.answer_executed(ctx, index, (Outcome::Executed, answer), leader);
            }
            call => call,
        };
        let result = self.kv.store.execute(index, time, call, limits);
        self.answer_executed(ctx, index, result, leader);
    }

    fn answer_executed(
        &mut self,
        ctx: &mut RaftContext<C>,
        index: Index,
        result: (Outcome, Answer),
        leader: Option<&mut Leader>,
    ) {
        let (outcome, answer) = result;
        ctx.observe(RaftObservation::Executed { index, outcome, answer: answer.clone() });
        // Only the leader that appended the command answers.
        let Some(leader) = leader else { return };
        let Some(at) = leader.pending.iter().position(|pending| pending.index == index) else { return };
        let Pending { client, operation, .. } = leader.pending.remove(at).expect("it was just found");
        let result = CallResult::Answered { index, answer };
        self.send(ctx, datagram(client), RaftMessage::Reply { operation, result });
    }

    /// Whether the entry at this place is a command of the store.
    pub(in crate::raft) fn is_of_store(&self, index: Index) -> bool {
        self.log.get(index).is_some_and(|entry| matches!(entry.command, LogCommand::Kv(_)))
    }
}
