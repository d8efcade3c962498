//! The program of a user: it logs in by way of a gate, says something, shows its lists, and logs out.
//!
//! ```text
//!   Login ─▶ Enter ─▶ gate …  Entered ─▶ connect ─▶ Login ─▶ LoginReply ─▶ logged in ─▶ heartbeats, Say, Show
//!                                                                  └─ refused        └─ Offline, connection lost
//! ```

use std::sync::Arc;

use splitbrain_kernel::context::{Context, OperationId, OperationResult};
use splitbrain_kernel::id::{Cluster, NodeId};
use splitbrain_kernel::node::{ConnectionChange, ConnectionEvent, ConnectionId, Source};

use crate::lock::message::request_of;

use super::bug::Bug;
use super::ids::{CHAT, GATE, Item, LoginToken, SessionId, Uid};
use super::message::{ChatMessage, Operation, Refusal, Response};
use super::node::{ChatNode, ChatTimer};
use super::observation::ChatObservation;
use super::options::ChatOptions;

/// A client.
///
/// - It has at most one connection, and at most one operation under way.
#[derive(Clone, Debug)]
pub struct Client {
    options: Arc<ChatOptions>,
    /// The gate that it asks: they are dealt out in turn.
    gate: NodeId,
    link: Option<Link>,
    open: Option<Open>,
    /// The lists that it shows.
    shown: Vec<Item>,
    next_request: u64,
}

/// A connection to a chat server.
#[derive(Clone, Copy, Debug)]
struct Link {
    connection: ConnectionId,
    server: NodeId,
    uid: Uid,
    token: LoginToken,
    /// The session, once it has read that it is logged in.
    session: Option<SessionId>,
}

/// An operation under way.
#[derive(Clone, Copy, Debug)]
struct Open {
    id: OperationId,
    uid: Uid,
    phase: Phase,
}

/// What an operation waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The answer of the gate to this request.
    Asking(u64),
    /// The connection.
    Connecting,
    /// The answer to the login.
    LoggingIn,
    /// That this was heard.
    Saying(u64),
}

impl Client {
    pub(super) fn new(options: Arc<ChatOptions>, cluster: Cluster, id: NodeId) -> Self {
        let count = cluster.count(GATE).max(1);
        let gate = NodeId::new(GATE, (id.number() - 1) % count + 1);
        Self { options, gate, link: None, open: None, shown: Vec::new(), next_request: 0 }
    }

    /// As which user and with which session it is logged in, as far as it knows.
    pub fn logged_in(&self) -> Option<(Uid, SessionId)> {
        let link = self.link.as_ref()?;
        Some((link.uid, link.session?))
    }

    /// The lists that it shows.
    pub fn shown(&self) -> &[Item] {
        &self.shown
    }

    pub(super) fn on_operation(&mut self, ctx: &mut Context<ChatNode>, operation: Operation) {
        let id = ctx.invoke(operation);
        if self.open.is_some() {
            return ctx.complete(id, OperationResult::Failed);
        }
        match operation {
            Operation::Login { uid } => {
                self.leave(ctx);
                self.next_request += 1;
                let request = request_of(ctx, self.next_request);
                ctx.send(self.gate, ChatMessage::Enter { request, uid });
                self.begin(ctx, id, uid, Phase::Asking(request));
            }
            Operation::Intrude { uid, server } => {
                self.leave(ctx);
                let token = LoginToken(ctx.rng().word());
                self.connect(ctx, NodeId::new(CHAT, server), uid, token);
                self.begin(ctx, id, uid, Phase::Connecting);
            }
            Operation::Say { text } => match self.link.filter(|link| link.session.is_some()) {
                Some(link) => {
                    ctx.send_on(link.connection, link.server, ChatMessage::Say { text });
                    self.begin(ctx, id, link.uid, Phase::Saying(text));
                }
                None => ctx.complete(id, OperationResult::Ok(Response::Offline)),
            },
            Operation::Show => {
                let shown = self.logged_in().map(|(uid, _)| Response::Shown { uid, items: self.shown.clone() });
                ctx.complete(id, OperationResult::Ok(shown.unwrap_or(Response::Offline)));
            }
            Operation::Logout => {
                self.leave(ctx);
                ctx.complete(id, OperationResult::Ok(Response::LoggedOut));
            }
        }
    }

    fn begin(&mut self, ctx: &mut Context<ChatNode>, id: OperationId, uid: Uid, phase: Phase) {
        self.open = Some(Open { id, uid, phase });
        ctx.set_timer(ChatTimer::Request(id), self.options.request_timeout);
    }

    fn connect(&mut self, ctx: &mut Context<ChatNode>, server: NodeId, uid: Uid, token: LoginToken) {
        let connection = ctx.connect(server);
        self.link = Some(Link { connection, server, uid, token, session: None });
    }

    /// The connection is closed, and nothing of the user stays.
    fn leave(&mut self, ctx: &mut Context<ChatNode>) {
        if let Some(link) = self.link {
            ctx.close(link.connection);
        }
        self.on_lost(ctx);
    }

    /// There is no connection any more.
    fn on_lost(&mut self, ctx: &mut Context<ChatNode>) {
        self.link = None;
        ctx.cancel_timer(ChatTimer::Heartbeat);
        if self.options.bug != Bug::ClientStateKept {
            self.shown.clear();
        }
    }

    fn end(&mut self, ctx: &mut Context<ChatNode>, result: OperationResult<Response>) {
        if let Some(open) = self.open.take() {
            ctx.cancel_timer(ChatTimer::Request(open.id));
            ctx.complete(open.id, result);
        }
    }

    fn phase(&self) -> Option<Phase> {
        self.open.map(|open| open.phase)
    }

    fn enter(&mut self, phase: Phase) {
        if let Some(open) = &mut self.open {
            open.phase = phase;
        }
    }

    pub(super) fn on_message(&mut self, ctx: &mut Context<ChatNode>, source: Source, message: ChatMessage) {
        if let (ChatMessage::Entered { request, assigned }, Some(open)) = (&message, self.open)
            && open.phase == Phase::Asking(*request)
        {
            let Some(assigned) = assigned else { return self.refused(ctx, Refusal::Unavailable) };
            self.connect(ctx, assigned.server, open.uid, assigned.token);
            return self.enter(Phase::Connecting);
        }
        let is_current = self.link.is_some_and(|link| source.connection == Some(link.connection));
        if is_current {
            self.on_server(ctx, message);
        }
    }

    /// Something comes over the connection.
    fn on_server(&mut self, ctx: &mut Context<ChatNode>, message: ChatMessage) {
        match message {
            ChatMessage::LoginReply { session, result: Ok(items) } => {
                if let Some(link) = &mut self.link {
                    link.session = Some(session);
                }
                self.shown.extend(items);
                ctx.observe(ChatObservation::LoginSeen(session));
                ctx.set_timer(ChatTimer::Heartbeat, self.options.heartbeat_every);
                self.end(ctx, OperationResult::Ok(Response::LoggedIn { session }));
            }
            ChatMessage::LoginReply { result: Err(why), .. } => {
                self.leave(ctx);
                self.refused(ctx, why);
            }
            ChatMessage::Offline { session } => {
                ctx.observe(ChatObservation::OfflineSeen(session));
                self.leave(ctx);
                self.end(ctx, OperationResult::Ok(Response::Offline));
            }
            ChatMessage::Heard { text, accepted } if self.phase() == Some(Phase::Saying(text)) => {
                if !accepted {
                    self.leave(ctx);
                }
                self.end(ctx, OperationResult::Ok(if accepted { Response::Said } else { Response::Offline }));
            }
            _ => {}
        }
    }

    fn refused(&mut self, ctx: &mut Context<ChatNode>, why: Refusal) {
        self.end(ctx, OperationResult::Ok(Response::Refused { why }));
    }

    pub(super) fn on_connection(&mut self, ctx: &mut Context<ChatNode>, event: ConnectionEvent) {
        let Some(link) = self.link.filter(|link| link.connection == event.connection) else { return };
        if event.change == ConnectionChange::Opened {
            let (uid, token) = (link.uid, link.token);
            ctx.send_on(link.connection, link.server, ChatMessage::Login { uid, token });
            return self.enter(Phase::LoggingIn);
        }
        self.on_lost(ctx);
        match self.phase() {
            Some(Phase::Connecting) => self.refused(ctx, Refusal::Unavailable),
            // The server may have done what was asked.
            Some(Phase::LoggingIn | Phase::Saying(_)) => self.end(ctx, OperationResult::Unknown),
            Some(Phase::Asking(_)) | None => {}
        }
    }

    pub(super) fn on_timer(&mut self, ctx: &mut Context<ChatNode>, timer: ChatTimer) {
        match timer {
            ChatTimer::Heartbeat => {
                if let Some(link) = self.link {
                    ctx.send_on(link.connection, link.server, ChatMessage::Heartbeat);
                    ctx.set_timer(ChatTimer::Heartbeat, self.options.heartbeat_every);
                }
            }
            ChatTimer::Request(id) if self.open.is_some_and(|open| open.id == id) => {
                self.leave(ctx);
                self.end(ctx, OperationResult::Unknown);
            }
            _ => {}
        }
    }
}
