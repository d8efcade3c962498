//! A client: one caller that does one operation after another, with the server that it believes to lead.
//!
//! Operations of the key-value store are retried and have an answer ([`super::kv`]); proposals are neither. A proposal
//! that was sent may be appended, also twice and also after the server said that it does not lead (the network may
//! deliver a copy later). So a client never takes a server's word that a proposal failed: it is committed, or the
//! client does not know. Only a proposal that was sent once, and refused on its way, has certainly failed.

use std::collections::VecDeque;
use std::sync::Arc;

use splitbrain_kernel::context::{Context, OperationId, OperationResult};
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::Source;

use super::bug::Bug;
use super::kv::Retry;
use super::message::{Operation, Payload, ProposeResult, RaftMessage, Response};
use super::node::{RaftNode, RaftTimer};
use super::options::{OnRefusal, RaftOptions};

/// A client.
///
/// - At most one operation runs; further ones wait in order, at most [`Client::WAITING_MAX`] of them.
#[derive(Clone, Debug)]
pub struct Client<C = u64> {
    pub(super) options: Arc<RaftOptions>,
    /// How many servers there are to try.
    pub(super) servers: u16,
    /// Whom it believes to lead.
    pub(super) leader: NodeId,
    pub(super) running: Option<Running<C>>,
    waiting: VecDeque<Operation<C>>,
    pub(super) kv: Retry,
}

/// An operation that has begun.
#[derive(Clone, Debug)]
pub(super) struct Running<C = u64> {
    pub(super) operation: OperationId,
    pub(super) what: Operation<C>,
    /// How often it was sent.
    pub(super) sent: u32,
}

impl<C: Payload> Client<C> {
    /// Operations beyond these are never begun: the workload asks for more than the cluster can do.
    pub const WAITING_MAX: usize = 64;

    /// A client of this many servers, which asks the first of them first.
    pub(super) const fn new(options: Arc<RaftOptions>, leader: NodeId, servers: u16) -> Self {
        Self { options, servers, leader, running: None, waiting: VecDeque::new(), kv: Retry::NONE }
    }

    /// Whom it believes to lead.
    pub const fn leader(&self) -> NodeId {
        self.leader
    }

    pub(super) fn on_operation(&mut self, ctx: &mut Context<RaftNode<C>>, operation: Operation<C>) {
        if self.running.is_none() {
            self.begin(ctx, operation);
        } else if self.waiting.len() < Self::WAITING_MAX {
            self.waiting.push_back(operation);
        }
    }

    fn begin(&mut self, ctx: &mut Context<RaftNode<C>>, what: Operation<C>) {
        assert!(self.running.is_none(), "a client does one thing at a time");
        let is_proposal = matches!(what, Operation::Propose { .. });
        let operation = ctx.invoke(what.clone());
        self.running = Some(Running { operation, what, sent: 0 });
        ctx.set_timer(RaftTimer::Proposal, self.options.clients.operation_timeout);
        if is_proposal {
            self.propose(ctx);
        } else {
            self.begin_request(ctx);
        }
    }

    fn propose(&mut self, ctx: &mut Context<RaftNode<C>>) {
        if let Some(Running { operation, what: Operation::Propose { value }, sent }) = &mut self.running {
            *sent += 1;
            ctx.send(self.leader, RaftMessage::Propose { operation: *operation, value: value.clone() });
        }
    }

    pub(super) fn on_message(&mut self, ctx: &mut Context<RaftNode<C>>, source: Source, message: RaftMessage<C>) {
        match message {
            RaftMessage::ProposeReply { operation, result } => self.on_reply(ctx, source, operation, result),
            RaftMessage::Reply { operation, result } => self.on_call_result(ctx, source, operation, result),
            // For servers.
            _ => {}
        }
    }

    fn on_reply(
        &mut self,
        ctx: &mut Context<RaftNode<C>>,
        source: Source,
        operation: OperationId,
        result: ProposeResult,
    ) {
        if self.running.as_ref().is_none_or(|running| running.operation != operation) {
            return;
        }
        match result {
            ProposeResult::Committed { index } => {
                self.finish(ctx, OperationResult::Ok(Response::Committed { index }));
            }
            ProposeResult::Unknown if self.options.bug == Bug::StepDownIsFailure => {
                self.finish(ctx, OperationResult::Failed);
            }
            ProposeResult::Unknown => self.finish(ctx, OperationResult::Unknown),
            ProposeResult::NotLeader { .. } if self.options.bug == Bug::RedirectIsFailure => {
                self.finish(ctx, OperationResult::Failed);
            }
            ProposeResult::NotLeader { leader } => self.on_redirect(ctx, source.node, leader),
            ProposeResult::Refused => self.on_refusal(ctx, source.node),
        }
    }

    /// The proposal did not come to this server. If it was sent to another before, or twice, it may be in a log.
    fn on_refusal(&mut self, ctx: &mut Context<RaftNode<C>>, from: NodeId) {
        let was_sent_once = self.running.as_ref().is_some_and(|running| running.sent == 1);
        match self.options.clients.on_refusal {
            OnRefusal::Retry => self.on_redirect(ctx, from, None),
            OnRefusal::Fail if was_sent_once => self.finish(ctx, OperationResult::Failed),
            OnRefusal::Fail => self.finish(ctx, OperationResult::Unknown),
        }
    }

    /// A hint is followed at once; without one the next server is tried after a while.
    fn on_redirect(&mut self, ctx: &mut Context<RaftNode<C>>, from: NodeId, hint: Option<NodeId>) {
        if from != self.leader {
            return;
        }
        match hint.filter(|hint| *hint != from) {
            Some(hint) => {
                self.leader = hint;
                self.propose(ctx);
            }
            None => {
                self.leader = self.after(from);
                ctx.set_timer(RaftTimer::Retry, self.options.timing.heartbeat);
            }
        }
    }

    pub(super) fn after(&self, server: NodeId) -> NodeId {
        NodeId::new(server.kind(), server.number() % self.servers + 1)
    }

    pub(super) fn on_timer(&mut self, ctx: &mut Context<RaftNode<C>>, timer: RaftTimer) {
        match timer {
            RaftTimer::Retry if self.is_asking_store() => self.attempt(ctx),
            RaftTimer::Retry => self.propose(ctx),
            RaftTimer::Request => self.on_request_timer(ctx),
            RaftTimer::Proposal if self.is_asking_store() => self.give_up_request(ctx),
            RaftTimer::Proposal => {
                self.leader = self.after(self.leader);
                self.finish(ctx, OperationResult::Unknown);
            }
            RaftTimer::Election
            | RaftTimer::Heartbeat
            | RaftTimer::CheckQuorum
            | RaftTimer::Transfer
            | RaftTimer::Loop => {
                unreachable!("a client sets no timer of a server")
            }
        }
    }

    fn is_asking_store(&self) -> bool {
        matches!(&self.running, Some(Running { what: Operation::Kv(_), .. }))
    }

    pub(super) fn finish(&mut self, ctx: &mut Context<RaftNode<C>>, result: OperationResult<Response>) {
        let running = self.running.take().expect("only what runs is finished");
        ctx.cancel_timer(RaftTimer::Proposal);
        ctx.cancel_timer(RaftTimer::Retry);
        ctx.complete(running.operation, result);
        if let Some(operation) = self.waiting.pop_front() {
            self.begin(ctx, operation);
        }
    }
}
