//! The node: a master, a chunk, a volume or a client.

use std::fmt;

use splitbrain_kernel::brief::Datum;
use splitbrain_kernel::context::{Context, OperationId};
use splitbrain_kernel::node::{Completion, ConnectionEvent, Node, Source};
use splitbrain_kernel::serde::{Deserialize, Serialize};

use crate::raft;
use crate::raft::node::RaftTimer;

use super::brief;
use super::chunk::Chunk;
use super::client::Client;
use super::command::Command;
use super::ids::{Resource, SessionId, Token};
use super::master::Master;
use super::message::{Operation, Order, Response, SessionMessage};
use super::observation::SessionObservation;
use super::volume::Volume;

/// A process of the session system.
#[derive(Debug)]
pub enum SessionNode {
    /// `meta1` and on: a session master with its access manager.
    Meta(Box<Master>),
    /// `chunk1` and on: an access handler with its followers and its node server.
    Chunk(Box<Chunk>),
    /// `volume1` and on: what targets are stored on.
    Volume(Volume),
    /// `c1` and on.
    Client(Client),
}

impl SessionNode {
    /// The master, if it is one.
    pub fn master(&self) -> Option<&Master> {
        if let Self::Meta(master) = self { Some(master) } else { None }
    }

    /// The chunk, if it is one.
    pub fn chunk(&self) -> Option<&Chunk> {
        if let Self::Chunk(chunk) = self { Some(chunk) } else { None }
    }
}

/// The timers of all kinds of process. A number names the master that a follower of a chunk is with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum SessionTimer {
    /// A master looks for leases that are over.
    Scan,
    /// A callback of the access manager has taken its time.
    Job,
    /// A keepalive that was held back is answered.
    HeldBack(SessionId),
    /// A follower asks for a session again.
    Create(u16),
    /// A follower gives up asking.
    GiveUp(u16),
    /// A follower's keepalive loop begins its next round.
    KeepAlive(u16),
    /// A follower has waited long enough for the answer to a keepalive.
    RpcTimeout(u16),
    /// A follower's lease is over.
    Lease(u16),
    /// A follower has hoped for its session long enough.
    Grace(u16),
    /// A chunk asks for a target.
    Claim(Resource),
    /// A chunk has served a target long enough, or asks again to give it back.
    Release(Resource),
    /// A chunk has waited long enough for the answer to a request about items.
    Item(u64),
    /// A chunk has worked on a client's request.
    Io(u64),
    /// A chunk's stage has taken its time: it runs.
    Stage(SessionStep),
    /// A client has waited long enough.
    Request(OperationId),
    /// A master has a quorum confirm that it leads, if it does.
    MasterLease,
    /// A timer of the replicated log.
    Raft(RaftTimer),
}

/// The places at which a process waits as a coroutine does, and other inputs may come between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum SessionStep {
    /// The next stage of a master's job.
    Job,
    /// A stage of a follower's created callback.
    Created {
        /// With which master.
        master: u16,
        /// For which session.
        session: SessionId,
        /// The request whose answer it goes back to: the same session may be given twice.
        request: u64,
        /// Which stage.
        stage: CreatedStage,
    },
    /// A stage of a round of the keepalive loop.
    Loop {
        /// With which master.
        master: u16,
        /// For which session.
        session: SessionId,
        /// The request whose answer it goes back to.
        request: u64,
        /// Which stage.
        stage: LoopStage,
    },
}

/// The stages of a follower's created callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum CreatedStage {
    /// The access handler agrees with the master on a version.
    Negotiate,
    /// The access handler's data report begins anew.
    Report,
    /// The node server's callback: iSCSI sessions may come alive.
    NodeServer,
}

/// The stages of a round of the keepalive loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum LoopStage {
    /// The answer of the round before is used.
    Consume,
    /// The keepalive of this round is composed and sent.
    Compose,
}

/// What is on a disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum Record {
    /// Of a master: a command.
    Command(Command),
    /// Of a volume: a target's newest token and its value.
    Target {
        /// The newest token that it has seen.
        token: Token,
        /// The value.
        value: u64,
    },
    /// Of the replicated log.
    Raft(raft::durable::Record<Command>),
}

impl Node for SessionNode {
    type Message = SessionMessage;
    type Timer = SessionTimer;
    type Record = Record;
    type Observation = SessionObservation;
    type Operation = Operation;
    type Response = Response;
    type Order = Order;
    type Step = SessionStep;

    const OPERATIONS: &'static [&'static str] = &["write", "read", "set item", "remove item", "list items"];

    fn operation_kind(operation: &Operation) -> usize {
        match operation {
            Operation::Write { .. } => 0,
            Operation::Read { .. } => 1,
            Operation::SetItem { .. } => 2,
            Operation::RemoveItem { .. } => 3,
            Operation::ListItems => 4,
        }
    }

    fn on_start(&mut self, ctx: &mut Context<Self>) {
        match self {
            Self::Meta(master) => master.on_start(ctx),
            Self::Chunk(chunk) => chunk.on_start(ctx),
            Self::Volume(_) | Self::Client(_) => {}
        }
    }

    fn on_message(&mut self, ctx: &mut Context<Self>, source: Source, message: SessionMessage) {
        match self {
            Self::Meta(master) => master.on_message(ctx, source, message),
            Self::Chunk(chunk) => chunk.on_message(ctx, source.node, message),
            Self::Volume(volume) => volume.on_message(ctx, source.node, message),
            Self::Client(client) => client.on_message(ctx, source.node, message),
        }
    }

    fn on_timer(&mut self, ctx: &mut Context<Self>, timer: SessionTimer) {
        match self {
            Self::Meta(master) => master.on_timer(ctx, timer),
            Self::Chunk(chunk) => chunk.on_timer(ctx, timer),
            Self::Volume(_) => unreachable!("a volume sets no timer"),
            Self::Client(client) => client.on_timer(ctx, timer),
        }
    }

    fn on_connection(&mut self, ctx: &mut Context<Self>, event: ConnectionEvent) {
        if let Self::Meta(master) = self {
            master.on_connection(ctx, event);
        }
    }

    fn on_durable(&mut self, ctx: &mut Context<Self>, completion: Completion) {
        match self {
            Self::Meta(master) => master.on_durable(ctx, completion),
            Self::Volume(volume) => volume.on_durable(ctx, completion),
            Self::Chunk(_) | Self::Client(_) => {}
        }
    }

    fn on_step(&mut self, ctx: &mut Context<Self>, step: SessionStep) {
        match (self, step) {
            (Self::Meta(master), SessionStep::Job) => master.run_stage(ctx),
            (Self::Chunk(chunk), step) => chunk.on_step(ctx, step),
            _ => unreachable!("no other process puts work off"),
        }
    }

    fn on_operation(&mut self, ctx: &mut Context<Self>, operation: Operation) {
        if let Self::Client(client) = self {
            client.on_operation(ctx, operation);
        }
    }

    fn on_order(&mut self, ctx: &mut Context<Self>, order: Order) {
        match self {
            Self::Meta(master) => master.on_order(ctx, order),
            Self::Chunk(chunk) => chunk.on_order(ctx, order),
            Self::Volume(_) | Self::Client(_) => {}
        }
    }

    fn brief(datum: Datum<'_, Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        brief::brief(datum, f)
    }
}
