//! A gate: clients ask it where a user logs in, and it asks the status server.

use std::collections::BTreeMap;
use std::sync::Arc;

use splitbrain_kernel::context::Context;
use splitbrain_kernel::id::{Cluster, NodeId};
use splitbrain_kernel::node::Source;

use crate::lock::message::request_of;

use super::ids::STATUS;
use super::message::{Assigned, ChatMessage};
use super::node::{ChatNode, ChatTimer};
use super::options::ChatOptions;

/// A gate. It keeps nothing but what it waits for.
#[derive(Clone, Debug)]
pub struct Gate {
    options: Arc<ChatOptions>,
    /// The status server that it asks: they are dealt out in turn.
    status: NodeId,
    /// The client and the number of each request that is under way.
    waiting: BTreeMap<u64, (NodeId, u64)>,
    next_request: u64,
}

impl Gate {
    pub(super) fn new(options: Arc<ChatOptions>, cluster: Cluster, id: NodeId) -> Self {
        let count = cluster.count(STATUS).max(1);
        let status = NodeId::new(STATUS, (id.number() - 1) % count + 1);
        Self { options, status, waiting: BTreeMap::new(), next_request: 0 }
    }

    pub(super) fn on_message(&mut self, ctx: &mut Context<ChatNode>, source: Source, message: ChatMessage) {
        match message {
            ChatMessage::Enter { request, uid } => {
                self.next_request += 1;
                // A number that no process of this gate has used: an answer to an earlier one is of no interest.
                let own = request_of(ctx, self.next_request);
                self.waiting.insert(own, (source.node, request));
                ctx.send(self.status, ChatMessage::Assign { request: own, uid });
                ctx.set_timer(ChatTimer::Forward(own), self.options.forward_timeout);
            }
            ChatMessage::Assignment { request, assigned } => self.answer(ctx, request, assigned),
            _ => {}
        }
    }

    pub(super) fn on_timeout(&mut self, ctx: &mut Context<ChatNode>, request: u64) {
        self.answer(ctx, request, None);
    }

    fn answer(&mut self, ctx: &mut Context<ChatNode>, own: u64, assigned: Option<Assigned>) {
        let Some((client, request)) = self.waiting.remove(&own) else { return };
        ctx.cancel_timer(ChatTimer::Forward(own));
        ctx.send(client, ChatMessage::Entered { request, assigned });
    }
}
