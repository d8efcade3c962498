//! A client: it asks one chunk after the other until one serves what it wants.
//!
//! A chunk that says that it does not serve a target has not touched it, so the client goes on to the next one. If an
//! answer does not come the client does not know, and asks no other chunk.

use std::collections::BTreeMap;
use std::sync::Arc;

use splitbrain_kernel::context::{Context, OperationId, OperationResult};
use splitbrain_kernel::id::NodeId;

use super::ids::CHUNK;
use super::message::{Answer, Operation, SessionMessage};
use super::node::{SessionNode, SessionTimer};
use super::options::SessionOptions;

/// An operation that was begun.
#[derive(Clone, Copy, Debug)]
struct Open {
    call: Operation,
    /// The number of the chunk that was asked last.
    chunk: u16,
    /// How many were asked.
    tries: u16,
}

/// A client.
#[derive(Debug)]
pub struct Client {
    options: Arc<SessionOptions>,
    chunks: u16,
    /// The chunk to ask first: the one that served last.
    favourite: u16,
    open: BTreeMap<OperationId, Open>,
}

impl Client {
    pub(super) const fn new(options: Arc<SessionOptions>, number: u16, chunks: u16) -> Self {
        Self { options, chunks, favourite: (number - 1) % chunks + 1, open: BTreeMap::new() }
    }

    pub(super) fn on_operation(&mut self, ctx: &mut Context<SessionNode>, call: Operation) {
        let id = ctx.invoke(call);
        self.open.insert(id, Open { call, chunk: self.favourite, tries: 1 });
        self.ask(ctx, id);
    }

    fn ask(&self, ctx: &mut Context<SessionNode>, id: OperationId) {
        let open = &self.open[&id];
        ctx.send(NodeId::new(CHUNK, open.chunk), SessionMessage::Ask { operation: id, call: open.call });
        ctx.set_timer(SessionTimer::Request(id), self.options.request_timeout);
    }

    pub(super) fn on_message(&mut self, ctx: &mut Context<SessionNode>, source: NodeId, message: SessionMessage) {
        let SessionMessage::Answer { operation, answer } = message else { return };
        // A late answer of a chunk that was asked before says nothing about the one that is asked now.
        let Some(open) = self.open.get_mut(&operation).filter(|open| open.chunk == source.number()) else { return };
        match answer {
            Answer::Ok(response) => {
                self.favourite = open.chunk;
                self.end(ctx, operation, OperationResult::Ok(response));
            }
            Answer::Unknown => self.end(ctx, operation, OperationResult::Unknown),
            Answer::NotServed if open.tries == self.chunks => self.end(ctx, operation, OperationResult::Failed),
            Answer::NotServed => {
                open.chunk = open.chunk % self.chunks + 1;
                open.tries += 1;
                self.ask(ctx, operation);
            }
        }
    }

    pub(super) fn on_timer(&mut self, ctx: &mut Context<SessionNode>, timer: SessionTimer) {
        if let SessionTimer::Request(id) = timer {
            self.end(ctx, id, OperationResult::Unknown);
        }
    }

    fn end(
        &mut self,
        ctx: &mut Context<SessionNode>,
        id: OperationId,
        result: OperationResult<super::message::Response>,
    ) {
        if self.open.remove(&id).is_some() {
            ctx.cancel_timer(SessionTimer::Request(id));
            ctx.complete(id, result);
        }
    }
}
