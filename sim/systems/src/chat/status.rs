//! The status server: it sends a user to the chat server with the fewest users, and gives a token for it.
//!
//! ```text
//!   Assign ─▶ HGETALL logincount ─▶ choose ─▶ give a token ─▶ Assignment
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use splitbrain_kernel::context::Context;
use splitbrain_kernel::id::{Cluster, NodeId};
use splitbrain_kernel::node::Source;
use splitbrain_kernel::rng::Rng;

use crate::lock::LockNode;
use crate::lock::message::RequestId;
use crate::lock::redis::Reply;

use super::bug::Bug;
use super::ids::{CHAT, LoginToken, Uid};
use super::library::Library;
use super::message::{Assigned, ChatMessage};
use super::node::{ChatNode, ChatTimer};
use super::observation::ChatObservation;
use super::options::ChatOptions;
use super::store;

/// A status server.
#[derive(Clone, Debug)]
pub struct Status {
    options: Arc<ChatOptions>,
    cluster: Cluster,
    library: Library,
    /// What is under way, by the request to the redis that it waits for.
    waiting: BTreeMap<RequestId, Ask>,
}

/// A request of a gate.
#[derive(Clone, Copy, Debug)]
struct Ask {
    gate: NodeId,
    request: u64,
    uid: Uid,
    /// The chat server, once it is chosen, and the token that is offered.
    chosen: Option<(NodeId, LoginToken)>,
}

impl Status {
    pub(super) fn new(options: Arc<ChatOptions>, cluster: Cluster, lock: LockNode) -> Self {
        Self { options, cluster, library: Library::new(lock), waiting: BTreeMap::new() }
    }

    pub(super) const fn lock(&self) -> &LockNode {
        self.library.node()
    }

    pub(super) fn on_message(&mut self, ctx: &mut Context<ChatNode>, source: Source, message: ChatMessage) {
        match message {
            ChatMessage::Assign { request, uid } => {
                let ask = Ask { gate: source.node, request, uid, chosen: None };
                self.call(ctx, store::counts(), ask);
            }
            ChatMessage::Lock(wire) => {
                let Some((request, reply)) = self.library.on_message(ctx, source, wire) else { return };
                let Some(ask) = self.waiting.remove(&request) else { return };
                ctx.cancel_timer(ChatTimer::Forward(request));
                match reply {
                    Some(reply) => self.go_on(ctx, ask, &reply),
                    None => Self::give_up(ctx, ask),
                }
            }
            _ => {}
        }
    }

    pub(super) fn on_timer(&mut self, ctx: &mut Context<ChatNode>, timer: ChatTimer) {
        match timer {
            ChatTimer::Forward(request) => {
                if let Some(ask) = self.waiting.remove(&request) {
                    Self::give_up(ctx, ask);
                }
            }
            ChatTimer::Lock(timer) => self.library.on_timer(ctx, timer),
            _ => {}
        }
    }

    /// The redis has not answered.
    fn give_up(ctx: &mut Context<ChatNode>, ask: Ask) {
        ctx.send(ask.gate, ChatMessage::Assignment { request: ask.request, assigned: None });
    }

    fn call(&mut self, ctx: &mut Context<ChatNode>, words: store::Words, ask: Ask) {
        let request = self.library.call(ctx, words);
        self.waiting.insert(request, ask);
        ctx.set_timer(ChatTimer::Forward(request), self.options.forward_timeout);
    }

    /// The redis has answered.
    fn go_on(&mut self, ctx: &mut Context<ChatNode>, mut ask: Ask, reply: &Reply) {
        let Some((server, offered)) = ask.chosen else {
            let server = self.choose(&store::counts_of(reply), ctx.rng());
            let fresh = LoginToken(ctx.rng().word());
            ask.chosen = Some((server, fresh));
            let words = match self.options.bug {
                Bug::TokenOverwritten => store::set_token(ask.uid, fresh, self.options.token_life),
                _ => store::give_token(ask.uid, fresh, self.options.token_life),
            };
            return self.call(ctx, words, ask);
        };
        let token = match reply {
            Reply::Bulk(text) => LoginToken::of_text(text),
            Reply::Status(_) => Some(offered),
            _ => None,
        };
        let assigned = token.map(|token| Assigned { server, token });
        if let Some(Assigned { server, token }) = assigned {
            ctx.observe(ChatObservation::Assigned { uid: ask.uid, server, token });
        }
        ctx.send(ask.gate, ChatMessage::Assignment { request: ask.request, assigned });
    }

    /// The chat server with the fewest users; one of several such is drawn.
    fn choose(&self, counts: &[(NodeId, u64)], rng: &mut Rng) -> NodeId {
        let of = |server: &NodeId| counts.iter().find(|(one, _)| one == server).map_or(0, |(_, count)| *count);
        let servers = self.cluster.of(CHAT);
        let fewest = servers.clone().map(|server| of(&server)).min().unwrap_or(0);
        let equal: Vec<NodeId> = servers.filter(|server| of(server) == fewest).collect();
        *rng.choose(&equal).expect("there is a chat server")
    }
}
