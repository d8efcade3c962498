//! The node: a redis, a sentinel, a resource or a client.

use std::fmt;

use splitbrain_kernel::brief::Datum;
use splitbrain_kernel::context::Context;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::{Completion, Node, Source};
use splitbrain_kernel::serde::{Deserialize, Serialize};

use super::brief::brief;
use super::client::{Alarm, HandleId};
use super::ids::LockId;
use super::message::{Operation, Order, RequestId, Response, Wire};
use super::observation::LockObservation;
use super::redis::Effect;
use super::resource::Resource;
use super::sentinel::Sentinel;
use super::server::Redis;
use super::user::User;

/// A process of the lock system.
#[derive(Clone, Debug)]
pub enum LockNode {
    /// A lock server, `redis1` and on.
    Redis(Box<Redis>),
    /// One that looks after the master, `sentinel1` and on.
    Sentinel(Box<Sentinel>),
    /// What the locks protect, `resource1` and on.
    Resource(Resource),
    /// A client, `c1` and on.
    Client(Box<User>),
}

/// The timers of all kinds of process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum LockTimer {
    /// Client: of a lock.
    Handle(HandleId, Alarm),
    /// Redis: a delayed restart is over.
    Serve,
    /// Redis: a round of active expiry.
    Expire,
    /// Redis: the append-only file is synced.
    Sync,
    /// Redis: a replica acknowledges, and a master looks at its replicas.
    Replicate,
    /// Redis: a client has waited long enough for replicas.
    Wait(u64),
    /// Sentinel: it pings.
    Ping,
    /// Sentinel: its campaign or its failover has lasted long enough.
    Failover,
}

/// What is on the disk of a redis, a sentinel or a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum Record {
    /// Redis: commands that were carried out, as effects.
    Commands {
        /// What they changed.
        effects: Vec<Effect>,
    },
    /// Redis: the configuration, as `CONFIG REWRITE` keeps it.
    Role {
        /// Its master; `None` for a master.
        master: Option<NodeId>,
        /// The epoch of the failover that gave it its role.
        epoch: u64,
    },
    /// Sentinel: its configuration.
    Sentinel {
        /// The master.
        master: NodeId,
        /// The epoch of the failover that made it the master.
        epoch: u64,
        /// The greatest epoch that it has heard of.
        current: u64,
        /// Which sentinel it voted for last, and in which epoch.
        vote: Option<(NodeId, u64)>,
    },
    /// Resource: a fencing token that it has seen.
    Seen {
        /// For which lock.
        lock: LockId,
        /// The token.
        fence: u64,
        /// The request that showed it, which is not carried out again.
        asked: (NodeId, RequestId),
    },
}

impl LockNode {
    /// The client, if it is one.
    pub const fn user(&self) -> Option<&User> {
        match self {
            Self::Client(user) => Some(user),
            _ => None,
        }
    }

    /// The client, if it is one: for a node around it, which asks it for locks.
    pub const fn user_mut(&mut self) -> Option<&mut User> {
        match self {
            Self::Client(user) => Some(user),
            _ => None,
        }
    }

    /// The lock server, if it is one.
    pub fn redis(&self) -> Option<&Redis> {
        match self {
            Self::Redis(redis) => Some(redis),
            _ => None,
        }
    }
}

impl Node for LockNode {
    type Message = Wire;
    type Timer = LockTimer;
    type Record = Record;
    type Observation = LockObservation;
    type Operation = Operation;
    type Response = Response;
    type Order = Order;
    type Step = ();

    const OPERATIONS: &'static [&'static str] = &["acquire", "write", "release"];

    fn operation_kind(operation: &Operation) -> usize {
        match operation {
            Operation::Acquire { .. } => 0,
            Operation::Write { .. } => 1,
            Operation::Release { .. } => 2,
        }
    }

    fn on_start(&mut self, ctx: &mut Context<Self>) {
        match self {
            Self::Redis(redis) => redis.on_start(ctx),
            Self::Sentinel(sentinel) => sentinel.on_start(ctx),
            Self::Resource(_) | Self::Client(_) => {}
        }
    }

    fn on_message(&mut self, ctx: &mut Context<Self>, source: Source, message: Wire) {
        match self {
            Self::Redis(redis) => redis.on_message(ctx, source, message),
            Self::Sentinel(sentinel) => sentinel.on_message(ctx, source, message),
            Self::Resource(resource) => resource.on_message(ctx, source, message),
            Self::Client(user) => user.on_message(ctx, source, message),
        }
    }

    fn on_timer(&mut self, ctx: &mut Context<Self>, timer: LockTimer) {
        match (self, timer) {
            (Self::Client(user), LockTimer::Handle(handle, alarm)) => user.on_alarm(ctx, handle, alarm),
            (Self::Redis(redis), timer) => redis.on_timer(ctx, timer),
            (Self::Sentinel(sentinel), timer) => sentinel.on_timer(ctx, timer),
            _ => {}
        }
    }

    fn on_durable(&mut self, ctx: &mut Context<Self>, completion: Completion) {
        match self {
            Self::Redis(redis) => redis.on_durable(ctx, completion),
            Self::Sentinel(sentinel) => sentinel.on_durable(ctx, completion),
            Self::Resource(_) if matches!(completion, Completion::Failed(..)) => {
                ctx.exit("the disk of the resource has failed");
            }
            _ => {}
        }
    }

    fn on_operation(&mut self, ctx: &mut Context<Self>, operation: Operation) {
        if let Self::Client(user) = self {
            user.on_operation(ctx, operation);
        }
    }

    fn on_order(&mut self, ctx: &mut Context<Self>, order: Order) {
        match (self, order) {
            (Self::Redis(redis), Order::ReplicaOf(master)) => redis.on_replica_of(ctx, master),
            (Self::Sentinel(sentinel), Order::Failover) => sentinel.on_failover_order(ctx),
            _ => {}
        }
    }

    fn brief(datum: Datum<'_, Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        brief(datum, f)
    }
}
