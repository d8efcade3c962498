//! What the kernel and scenarios see of the chat service: `impl System for Chat`.

use std::sync::Arc;

use splitbrain_kernel::embedding::{Both, Embedding as _, Inside};
use splitbrain_kernel::id::{Kind, NodeId, Side};
use splitbrain_kernel::node::Recovered;
use splitbrain_kernel::options::{Options as _, OptionsError};
use splitbrain_kernel::system::{FileInfo, Gauge, Setup, System, WorkloadInfo};
use splitbrain_kernel::view::View;
use splitbrain_kernel::vocabulary::Part;
use splitbrain_kernel::workload::{WorkloadCall, options_of};

use crate::lock::invariants::LockInvariants;
use crate::lock::node::Record;
use crate::lock::system::REDIS;
use crate::lock::{self, Lock};

use super::bug::Bug;
use super::client::Client;
use super::gate::Gate;
use super::ids::{CHAT, GATE, STATUS};
use super::invariants::ChatInvariants;
use super::node::{ChatNode, LockInChat};
use super::options::ChatOptions;
use super::redis::Redis;
use super::server::ChatServer;
use super::status::Status;
use super::workload::{UserOptions, Users};

/// The kinds of process.
pub const KINDS: &[Kind] = &[
    Kind {
        id: REDIS,
        name: "redis",
        doc: "Locks, login tokens, presence and counts.",
        side: Side::Server,
        count_min: 1,
        count_max: 1,
    },
    Kind {
        id: GATE,
        name: "gate",
        doc: "Clients ask it where to log in.",
        side: Side::Server,
        count_min: 1,
        count_max: 8,
    },
    Kind {
        id: STATUS,
        name: "status",
        doc: "It chooses the chat server of a user and gives the login token.",
        side: Side::Server,
        count_min: 1,
        count_max: 8,
    },
    Kind {
        id: CHAT,
        name: "chat",
        doc: "Has the connections of users.",
        side: Side::Server,
        count_min: 1,
        count_max: 16,
    },
    Kind::CLIENT,
];

/// A chat service: gates, status servers, chat servers and a redis.
#[derive(Clone, Debug)]
pub struct Chat {
    setup: Setup<ChatOptions>,
    lock: Lock,
}

impl Chat {
    /// The same with this bug, or without one, on all nodes.
    ///
    /// # Errors
    /// Options of the lock that cannot stand together.
    pub fn with_bug(&self, bug: Bug) -> Result<Self, OptionsError> {
        let mut setup = self.setup.clone();
        setup.options.base.bug = bug;
        setup.options.of.values_mut().for_each(|options| options.bug = bug);
        Self::new(setup)
    }

    /// What it was made from.
    pub const fn setup(&self) -> &Setup<ChatOptions> {
        &self.setup
    }
}

/// What all nodes must agree on.
fn validate_together(setup: &Setup<ChatOptions>) -> Result<(), OptionsError> {
    let base = &setup.options.base;
    for options in setup.options.all() {
        let same = [
            ("presence_life", options.presence_life == base.presence_life),
            ("presence_margin", options.presence_margin == base.presence_margin),
            ("heartbeat_timeout", options.heartbeat_timeout == base.heartbeat_timeout),
            ("token_life", options.token_life == base.token_life),
            ("bug", options.bug == base.bug),
        ];
        if let Some((option, _)) = same.iter().find(|(_, is_same)| !is_same) {
            return Err(OptionsError::new(*option, "must be the same for all nodes"));
        }
    }
    Ok(())
}

impl System for Chat {
    const NAME: &'static str = "chat";
    const DOC: &'static str = "A chat service on a redis: logins under a lock, kicks, cleanups, presence.";
    const KINDS: &'static [Kind] = KINDS;
    const RESOURCES: &'static [&'static str] = &["session"];
    const PARTS: &'static [Part] = &[Part::of::<Lock>(LockInChat::GROUP)];
    const WORKLOADS: &'static [WorkloadInfo] = &[WorkloadInfo {
        name: "users",
        doc: "Each client logs in as one of a few users, talks, stays for a while, and logs out or in again.",
        options: options_of::<UserOptions>,
    }];
    const FILES: Option<&'static [FileInfo]> = Some(const { &[lock::system::FILES[0], lock::system::FILES[1]] });
    const GAUGES: &'static [Gauge] = ChatInvariants::GAUGES;

    type Options = ChatOptions;
    type Node = ChatNode;
    type Invariants = Both<ChatInvariants, Inside<LockInChat, LockInvariants>>;
    type Workload = Users;

    fn new(setup: Setup<ChatOptions>) -> Result<Self, OptionsError> {
        for options in setup.options.all() {
            options.validate(setup.cluster)?;
        }
        validate_together(&setup)?;
        let inner = Setup::new(setup.cluster, setup.options.map(ChatOptions::inner_lock), setup.bounds);
        let lock = Lock::new(inner).map_err(|error| error.within(LockInChat::GROUP))?;
        Ok(Self { setup, lock })
    }

    fn node(&self, id: NodeId, recovered: Recovered<Record>) -> ChatNode {
        let options = Arc::new(self.setup.options.get(id).clone());
        let cluster = self.setup.cluster;
        let lock = || self.lock.node(id, LockInChat.recovered(&recovered));
        match id.kind() {
            REDIS => ChatNode::Redis(Box::new(Redis::new(lock()))),
            GATE => ChatNode::Gate(Gate::new(options, cluster, id)),
            STATUS => ChatNode::Status(Box::new(Status::new(options, cluster, lock()))),
            CHAT => ChatNode::Chat(Box::new(ChatServer::new(options, id, lock()))),
            _ => ChatNode::Client(Client::new(options, cluster, id)),
        }
    }

    fn invariants(&self) -> Self::Invariants {
        Both(ChatInvariants::new(&self.setup), Inside::new(LockInChat, self.lock.invariants()))
    }

    /// Every server is needed: there is one redis, and each gate, status server and chat server has users of its own.
    fn core(&self, _: impl View<ChatNode>, candidates: &[NodeId]) -> Vec<NodeId> {
        candidates.to_vec()
    }

    fn workload(&self, call: &WorkloadCall<'_>) -> Result<Users, OptionsError> {
        Users::of(call, self.setup.cluster.count(CHAT))
    }

    fn gauges(invariants: &Self::Invariants) -> Vec<u64> {
        invariants.0.gauges()
    }
}
