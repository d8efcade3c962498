//! The node: a redis, a gate, a status server, a chat server or a client.

use std::fmt;

use splitbrain_kernel::brief::Datum;
use splitbrain_kernel::context::{Context, OperationId};
use splitbrain_kernel::node::{Completion, ConnectionEvent, Never, Node, Source};
use splitbrain_kernel::serde::Serialize;

use crate::lock::LockNode;
use crate::lock::message::RequestId;
use crate::lock::node::{LockTimer, Record};
use crate::lock::system::REDIS;

use super::brief::brief;
use super::client::Client;
use super::gate::Gate;
use super::ids::{CHAT, STATUS, SessionId};
use super::message::{ChatMessage, Operation, Response};
use super::observation::ChatObservation;
use super::redis::Redis;
use super::server::ChatServer;
use super::status::Status;

/// A process of the chat service.
#[derive(Clone, Debug)]
pub enum ChatNode {
    /// `redis1`: locks, tokens, presence and counts.
    Redis(Box<Redis>),
    /// `gate1` and on: clients ask it where to log in.
    Gate(Gate),
    /// `status1` and on: it gives tokens and chooses chat servers.
    Status(Box<Status>),
    /// `chat1` and on.
    Chat(Box<ChatServer>),
    /// `c1` and on: the program of a user.
    Client(Client),
}

/// The timers of all kinds of process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum ChatTimer {
    /// Of the redis, or of a lock library.
    Lock(LockTimer),
    /// Gate, status server: a request has waited long enough.
    Forward(u64),
    /// Chat server: a thread takes its next step.
    Step(u64),
    /// Chat server: a call of the redis has waited long enough.
    Call(RequestId),
    /// Chat server: a kick has waited long enough.
    Kick(u64),
    /// Chat server: a session's lease is over.
    Lease(SessionId),
    /// Chat server: presences are renewed.
    Renew,
    /// Chat server: it looks for silent sessions, and writes its count.
    Scan,
    /// Client: it shows that it is there.
    Heartbeat,
    /// Client: an operation has waited long enough.
    Request(OperationId),
}

splitbrain_kernel::embed! {
    /// The part of the lock system in a process: a redis, or the library of one that uses locks.
    pub struct LockInChat: LockNode, in ChatNode, as "lock" {
        files: 0,
        hosts: |node| [REDIS, STATUS, CHAT].contains(&node.kind()),
        node: ChatNode::lock,
        message: ChatMessage::Lock,
        timer: ChatTimer::Lock,
        record: same,
        observation: ChatObservation::Lock,
        operation: none,
        response: none,
        order: none,
        step: same,
    }
}

impl ChatNode {
    fn lock(&self) -> Option<&LockNode> {
        match self {
            Self::Redis(redis) => Some(redis.node()),
            Self::Status(status) => Some(status.lock()),
            Self::Chat(chat) => Some(chat.lock()),
            Self::Gate(_) | Self::Client(_) => None,
        }
    }

    /// The redis, if it is one.
    pub fn redis(&self) -> Option<&Redis> {
        if let Self::Redis(redis) = self { Some(redis) } else { None }
    }

    /// The chat server, if it is one.
    pub fn chat(&self) -> Option<&ChatServer> {
        if let Self::Chat(chat) = self { Some(chat) } else { None }
    }

    /// The client, if it is one.
    pub const fn client(&self) -> Option<&Client> {
        if let Self::Client(client) = self { Some(client) } else { None }
    }
}

impl Node for ChatNode {
    type Message = ChatMessage;
    type Timer = ChatTimer;
    type Record = Record;
    type Observation = ChatObservation;
    type Operation = Operation;
    type Response = Response;
    type Order = Never;
    type Step = ();

    const OPERATIONS: &'static [&'static str] = &["login", "intrude", "say", "show", "logout"];

    fn operation_kind(operation: &Operation) -> usize {
        match operation {
            Operation::Login { .. } => 0,
            Operation::Intrude { .. } => 1,
            Operation::Say { .. } => 2,
            Operation::Show => 3,
            Operation::Logout => 4,
        }
    }

    fn on_start(&mut self, ctx: &mut Context<Self>) {
        match self {
            Self::Redis(redis) => redis.on_start(ctx),
            Self::Chat(chat) => chat.on_start(ctx),
            Self::Gate(_) | Self::Status(_) | Self::Client(_) => {}
        }
    }

    fn on_message(&mut self, ctx: &mut Context<Self>, source: Source, message: ChatMessage) {
        match (self, message) {
            (Self::Redis(redis), ChatMessage::Lock(wire)) => redis.on_message(ctx, source, wire),
            (Self::Redis(_), _) => {}
            (Self::Gate(gate), message) => gate.on_message(ctx, source, message),
            (Self::Status(status), message) => status.on_message(ctx, source, message),
            (Self::Chat(chat), message) => chat.on_message(ctx, source, message),
            (Self::Client(client), message) => client.on_message(ctx, source, message),
        }
    }

    fn on_timer(&mut self, ctx: &mut Context<Self>, timer: ChatTimer) {
        match (self, timer) {
            (Self::Redis(redis), ChatTimer::Lock(timer)) => redis.on_timer(ctx, timer),
            (Self::Gate(gate), ChatTimer::Forward(request)) => gate.on_timeout(ctx, request),
            (Self::Status(status), timer) => status.on_timer(ctx, timer),
            (Self::Chat(chat), timer) => chat.on_timer(ctx, timer),
            (Self::Client(client), timer) => client.on_timer(ctx, timer),
            _ => {}
        }
    }

    fn on_connection(&mut self, ctx: &mut Context<Self>, event: ConnectionEvent) {
        match self {
            Self::Chat(chat) => chat.on_connection(ctx, event),
            Self::Client(client) => client.on_connection(ctx, event),
            Self::Redis(_) | Self::Gate(_) | Self::Status(_) => {}
        }
    }

    fn on_durable(&mut self, ctx: &mut Context<Self>, completion: Completion) {
        if let Self::Redis(redis) = self {
            redis.on_durable(ctx, completion);
        }
    }

    fn on_operation(&mut self, ctx: &mut Context<Self>, operation: Operation) {
        if let Self::Client(client) = self {
            client.on_operation(ctx, operation);
        }
    }

    fn brief(datum: Datum<'_, Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        brief(datum, f)
    }
}
