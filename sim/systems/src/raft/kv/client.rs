//! The store's client: it opens a session, sends an operation until it is answered, and follows redirects.
//!
//! | it hears | it does |
//! | --- | --- |
//! | the answer | completes the operation with it |
//! | that another server leads | asks that one; after as many redirects as there are servers it waits first |
//! | that there is no leader, or that a leader stepped down | waits, and asks the next server |
//! | nothing within `clients.request_timeout` | the same |
//! | that the request was refused on its way | the same, or completes as `clients.on_refusal` says |
//! | that its session has expired | completes as unknown: an earlier copy may have been executed |
//! | nothing within `clients.operation_timeout` in all | completes as unknown, or as failed if it was never sent |
//!
//! Waits double from `clients.retry_min` to `clients.retry_max`, and half of each is drawn. A redirect is no
//! result: the network may still deliver a copy of the request to a leader.

use splitbrain_kernel::context::{Context, OperationId, OperationResult};
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::Source;
use splitbrain_kernel::time::Duration;

use crate::raft::bug::Bug;
use crate::raft::client::{Client, Running};
use crate::raft::ids::Index;
use crate::raft::message::{Operation as Asked, Payload, RaftMessage, Response};
use crate::raft::node::{RaftNode, RaftTimer};
use crate::raft::options::OnRefusal;

use super::{Answer, Call, CallResult, Operation, SessionId};

/// Where a client stands with its session and with the operation that runs.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    session: Option<SessionId>,
    /// The number of the last operation of the session.
    sequence: u64,
    /// Waits so far, for the operation that runs.
    waits: u32,
    /// Redirects in a row.
    redirects: u16,
}

impl Retry {
    /// No session, and nothing that runs.
    pub(in crate::raft) const NONE: Self = Self { session: None, sequence: 0, waits: 0, redirects: 0 };

    /// The session, if one is open as far as the client knows.
    pub const fn session(&self) -> Option<SessionId> {
        self.session
    }
}

impl<C: Payload> Client<C> {
    /// An operation begins.
    pub(in crate::raft) fn begin_request(&mut self, ctx: &mut Context<RaftNode<C>>) {
        self.kv = Retry { waits: 0, redirects: 0, sequence: self.kv.sequence + 1, ..self.kv };
        self.attempt(ctx);
    }

    /// Sends what comes next of the operation that runs.
    pub(in crate::raft) fn attempt(&mut self, ctx: &mut Context<RaftNode<C>>) {
        let Some(Running { operation, what: Asked::Kv(what), sent }) = &mut self.running else { return };
        let call = match (what, self.kv.session) {
            (Operation::Get { key }, _) => Call::Read { key: *key },
            (_, None) => Call::Open,
            (what, Some(session)) => {
                if *sent > 0 && self.options.bug == Bug::RetriesAreNewOperations {
                    self.kv.sequence += 1;
                }
                Call::Run { session, sequence: self.kv.sequence, operation: what.clone() }
            }
        };
        *sent += u32::from(call != Call::Open);
        ctx.send(self.leader, RaftMessage::Request { operation: *operation, call: Box::new(call) });
        ctx.set_timer(RaftTimer::Request, self.options.clients.request_timeout);
    }

    /// A server has answered.
    pub(in crate::raft) fn on_call_result(
        &mut self,
        ctx: &mut Context<RaftNode<C>>,
        source: Source,
        operation: OperationId,
        result: CallResult,
    ) {
        let is_open = |running: &Running<C>| running.operation == operation && matches!(running.what, Asked::Kv(_));
        if !self.running.as_ref().is_some_and(is_open) {
            return;
        }
        match result {
            CallResult::Answered { index, answer } => self.on_answer(ctx, index, answer),
            CallResult::NotLeader { .. } | CallResult::Unknown | CallResult::Refused if source.node != self.leader => {}
            CallResult::NotLeader { leader } => self.on_call_redirect(ctx, source.node, leader),
            CallResult::Unknown if self.options.bug == Bug::StepDownIsFailure => {
                self.end_request(ctx, OperationResult::Failed);
            }
            CallResult::Unknown => self.wait(ctx, self.leader),
            CallResult::Refused => self.on_call_refused(ctx, source.node),
        }
    }

    fn on_answer(&mut self, ctx: &mut Context<RaftNode<C>>, index: Index, answer: Answer) {
        match answer {
            Answer::Opened(session) => {
                if self.kv.session.is_none() {
                    self.kv.session = Some(session);
                    self.attempt(ctx);
                }
            }
            Answer::Expired => {
                self.kv.session = None;
                self.end_request(ctx, OperationResult::Unknown);
            }
            // Its client has one operation after the other: a later one of this session would have ended this one.
            Answer::Superseded => self.end_request(ctx, OperationResult::Unknown),
            answer => self.end_request(ctx, OperationResult::Ok(Response::Answered { index, answer })),
        }
    }

    fn on_call_redirect(&mut self, ctx: &mut Context<RaftNode<C>>, from: NodeId, hint: Option<NodeId>) {
        if self.options.bug == Bug::RedirectIsFailure {
            return self.end_request(ctx, OperationResult::Failed);
        }
        self.kv.redirects += 1;
        match hint.filter(|hint| *hint != from && self.kv.redirects <= self.servers) {
            Some(hint) => {
                self.leader = hint;
                self.attempt(ctx);
            }
            None => self.wait(ctx, hint.unwrap_or(from)),
        }
    }

    /// The request did not come to this server. If it was sent to another before, or twice, it may be in a log.
    fn on_call_refused(&mut self, ctx: &mut Context<RaftNode<C>>, from: NodeId) {
        match self.options.clients.on_refusal {
            OnRefusal::Retry => self.wait(ctx, from),
            OnRefusal::Fail if self.sent() <= 1 => self.end_request(ctx, OperationResult::Failed),
            OnRefusal::Fail => self.end_request(ctx, OperationResult::Unknown),
        }
    }

    /// How often the operation that runs was sent: it may be executed from the first time on.
    fn sent(&self) -> u32 {
        self.running.as_ref().map_or(0, |running| running.sent)
    }

    /// No answer within the time of one attempt.
    pub(in crate::raft) fn on_request_timer(&mut self, ctx: &mut Context<RaftNode<C>>) {
        self.wait(ctx, self.leader);
    }

    /// Asks again after a while, the server after this one.
    fn wait(&mut self, ctx: &mut Context<RaftNode<C>>, server: NodeId) {
        self.leader = self.after(server);
        self.kv.redirects = 0;
        let doubled = self.options.clients.retry_min.saturating_mul(1 << self.kv.waits.min(16));
        let most = doubled.min(self.options.clients.retry_max);
        self.kv.waits += 1;
        let wait = ctx.rng().duration(most.div(2), most).max(Duration::from_nanos(1));
        ctx.cancel_timer(RaftTimer::Request);
        ctx.set_timer(RaftTimer::Retry, wait);
    }

    /// No answer within the time of the whole operation.
    pub(in crate::raft) fn give_up_request(&mut self, ctx: &mut Context<RaftNode<C>>) {
        // What was never sent is in no log, and never will be.
        let result = if self.sent() > 0 { OperationResult::Unknown } else { OperationResult::Failed };
        self.leader = self.after(self.leader);
        self.end_request(ctx, result);
    }

    fn end_request(&mut self, ctx: &mut Context<RaftNode<C>>, result: OperationResult<Response>) {
        ctx.cancel_timer(RaftTimer::Request);
        self.finish(ctx, result);
    }
}
