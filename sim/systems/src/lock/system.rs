//! What the kernel and scenarios see of the lock system: `impl System for Lock`.

use std::sync::Arc;

use splitbrain_kernel::id::{Kind, KindId, NodeId, Side};
use splitbrain_kernel::node::Recovered;
use splitbrain_kernel::options::{Options, OptionsError};
use splitbrain_kernel::system::{FileInfo, Gauge, OrderInfo, Setup, System, WorkloadInfo};
use splitbrain_kernel::view::View;
use splitbrain_kernel::vocabulary::Role;
use splitbrain_kernel::workload::{WorkloadCall, options_of};

use super::bug::Bug;
use super::invariants::LockInvariants;
use super::message::Order;
use super::node::{LockNode, Record};
use super::observation::LockObservation;
use super::options::{LockOptions, Topology};
use super::resource::{self, Resource};
use super::sentinel::{self, Sentinel};
use super::server::{Redis, file};
use super::user::User;
use super::workload::{SectionOptions, Sections};

/// The kind of lock servers.
pub const REDIS: KindId = KindId::of_letter(b'r');
/// The kind of those who look after the master.
pub const SENTINEL: KindId = KindId::of_letter(b'n');
/// The kind of what the locks protect.
pub const RESOURCE: KindId = KindId::of_letter(b'e');

/// The kinds of process.
pub const KINDS: &[Kind] = &[
    Kind {
        id: REDIS,
        name: "redis",
        doc: "Lock servers: one, several independent ones, or a master and its replicas.",
        side: Side::Server,
        count_min: 1,
        count_max: 16,
    },
    Kind {
        id: SENTINEL,
        name: "sentinel",
        doc: "They find a master down and have a replica promoted.",
        side: Side::Server,
        count_min: 0,
        count_max: 9,
    },
    Kind {
        id: RESOURCE,
        name: "resource",
        doc: "What the locks protect: it takes writes, and may check fencing tokens.",
        side: Side::Server,
        count_min: 0,
        count_max: 9,
    },
    Kind::CLIENT,
];

/// What is on the disks.
pub const FILES: &[FileInfo] = &[
    FileInfo::new("appended", file::APPENDED, &[REDIS], "The append-only file: what each command changed."),
    FileInfo::new("configuration", file::CONFIGURATION, &[REDIS], "Whose replica it is, as CONFIG REWRITE keeps it."),
    FileInfo::new("vote", sentinel::FILE, &[SENTINEL], "The master, the epochs and the vote."),
    FileInfo::new("tokens", resource::FILE, &[RESOURCE], "The fencing tokens that it has seen."),
];

/// Lock servers, their clients, and what the locks protect.
#[derive(Clone, Debug)]
pub struct Lock {
    setup: Setup<LockOptions>,
}

impl Lock {
    /// The same with this bug, or without one, on all nodes.
    #[must_use]
    pub fn with_bug(mut self, bug: Bug) -> Self {
        self.setup.options.base.bug = bug;
        self.setup.options.of.values_mut().for_each(|options| options.bug = bug);
        self
    }

    /// What it was made from.
    pub const fn setup(&self) -> &Setup<LockOptions> {
        &self.setup
    }

    /// The master of a redis when nothing else is known.
    fn first_master(&self, id: NodeId) -> Option<NodeId> {
        let first = NodeId::new(REDIS, 1);
        (self.setup.options.base.topology == Topology::Replicated && id != first).then_some(first)
    }
}

/// What clients and servers must agree on.
fn validate_together(setup: &Setup<LockOptions>) -> Result<(), OptionsError> {
    let base = &setup.options.base;
    for options in setup.options.all() {
        let same = [
            ("topology", options.topology == base.topology),
            ("fence", options.fence == base.fence),
            ("writes", options.writes == base.writes),
        ];
        if let Some((option, _)) = same.iter().find(|(_, is_same)| !is_same) {
            return Err(OptionsError::new(*option, "must be the same for all nodes"));
        }
    }
    Ok(())
}

impl System for Lock {
    const NAME: &'static str = "lock";
    const DOC: &'static str = "Locks on Redis servers: one, replicated with sentinels, or Redlock; fencing tokens.";
    const KINDS: &'static [Kind] = KINDS;
    const ROLES: &'static [Role] = LockObservation::ROLES;
    const RESOURCES: &'static [&'static str] = &["lock"];
    const WORKLOADS: &'static [WorkloadInfo] = &[WorkloadInfo {
        name: "sections",
        doc: "Each client gets a lock, writes a few times, gives the lock back, and rests.",
        options: options_of::<SectionOptions>,
    }];
    const ORDERS: &'static [OrderInfo] = &[
        OrderInfo {
            name: "replicaof",
            doc: "A redis becomes a replica of the one in the argument, or with \"no one\" a master.",
        },
        OrderInfo { name: "failover", doc: "A sentinel promotes a replica at once, without a vote." },
    ];
    const FILES: Option<&'static [FileInfo]> = Some(FILES);
    const GAUGES: &'static [Gauge] = LockInvariants::GAUGES;

    type Options = LockOptions;
    type Node = LockNode;
    type Invariants = LockInvariants;
    type Workload = Sections;

    fn new(setup: Setup<LockOptions>) -> Result<Self, OptionsError> {
        for options in setup.options.all() {
            options.validate(setup.cluster)?;
        }
        validate_together(&setup)?;
        Ok(Self { setup })
    }

    fn node(&self, id: NodeId, recovered: Recovered<Record>) -> LockNode {
        let options = Arc::new(self.setup.options.get(id).clone());
        let cluster = self.setup.cluster;
        match id.kind() {
            REDIS => LockNode::Redis(Box::new(Redis::new(options, self.first_master(id), &recovered))),
            SENTINEL => LockNode::Sentinel(Box::new(Sentinel::new(options, cluster, id, &recovered))),
            RESOURCE => LockNode::Resource(Resource::new(options, &recovered)),
            _ => LockNode::Client(Box::new(User::new(options, cluster, id))),
        }
    }

    fn invariants(&self) -> LockInvariants {
        LockInvariants::new(&self.setup)
    }

    /// A majority of independent servers serves. Of a master and its replicas and their sentinels all are needed, as
    /// nothing but the master of the moment serves; and each resource stands for itself.
    fn core(&self, _: impl View<LockNode>, candidates: &[NodeId]) -> Vec<NodeId> {
        let needed = match self.setup.options.base.topology {
            Topology::Independent => usize::from(self.setup.cluster.count(REDIS)) / 2 + 1,
            Topology::Replicated => usize::MAX,
        };
        let redis = candidates.iter().filter(|node| node.is(REDIS)).take(needed);
        redis.chain(candidates.iter().filter(|node| !node.is(REDIS))).copied().collect()
    }

    fn workload(&self, call: &WorkloadCall<'_>) -> Result<Sections, OptionsError> {
        Sections::of(call)
    }

    fn order(&self, name: &str, argument: &str) -> Result<Order, String> {
        match (name, argument) {
            ("failover", "") => Ok(Order::Failover),
            ("failover", _) => Err(format!("failover takes no argument, not {argument:?}")),
            ("replicaof", "no one") => Ok(Order::ReplicaOf(None)),
            ("replicaof", _) => {
                let redis = self.setup.cluster.read(argument).filter(|node| node.is(REDIS));
                let redis = redis.filter(|node| self.setup.cluster.contains(*node));
                let right = "replicaof takes a redis such as redis2, or \"no one\"";
                redis.map(|redis| Order::ReplicaOf(Some(redis))).ok_or_else(|| format!("{right}, not {argument:?}"))
            }
            _ => Err(format!("lock knows no order {name} (known: replicaof, failover)")),
        }
    }

    fn gauges(invariants: &LockInvariants) -> Vec<u64> {
        invariants.gauges()
    }
}

#[cfg(test)]
mod tests {
    use splitbrain_kernel::id::Cluster;
    use splitbrain_kernel::options::PerServer;
    use splitbrain_kernel::system::Bounds;
    use splitbrain_kernel::time::Duration;

    use super::super::options::{FenceSource, Writes};
    use super::super::presets::distlock;
    use super::*;

    const BOUNDS: Bounds = Bounds { skew: None, drift_ppm: None, latency: Duration::from_millis(5) };

    /// Two replicated servers and a resource; the second server has options of its own.
    fn made(own: LockOptions) -> Result<Lock, OptionsError> {
        let cluster = Cluster::new(KINDS).with(REDIS, 2).with(RESOURCE, 1);
        let base = LockOptions { topology: Topology::Replicated, ..distlock() };
        let options = PerServer { base, of: [(NodeId::new(REDIS, 2), own)].into() };
        Lock::new(Setup::new(cluster, options, BOUNDS))
    }

    fn replicated() -> LockOptions {
        LockOptions { topology: Topology::Replicated, ..distlock() }
    }

    #[test]
    fn what_servers_and_clients_must_agree_on_is_the_same_for_all() {
        let blamed = |own| made(own).expect_err("it is refused").option;
        assert_eq!(blamed(distlock()), "topology");
        assert_eq!(blamed(LockOptions { fence: FenceSource::Ticket, ..replicated() }), "fence");
        assert_eq!(blamed(LockOptions { writes: Writes::Plain, ..replicated() }), "writes");
        made(LockOptions { time_to_live: Duration::from_secs(3), ..replicated() }).expect("each has its own times");
    }

    #[test]
    fn orders_are_read_and_wrong_ones_say_what_would_be_right() {
        let lock = made(replicated()).expect("it stands");
        let order = |name: &str, argument: &str| lock.order(name, argument);
        assert_eq!(order("failover", ""), Ok(Order::Failover));
        assert_eq!(order("replicaof", "no one"), Ok(Order::ReplicaOf(None)));
        assert_eq!(order("replicaof", "redis2"), Ok(Order::ReplicaOf(Some(NodeId::new(REDIS, 2)))));
        assert_eq!(order("failover", "redis2"), Err("failover takes no argument, not \"redis2\"".into()));
        for wrong in ["redis3", "resource1", "nobody"] {
            let message = format!("replicaof takes a redis such as redis2, or \"no one\", not {wrong:?}");
            assert_eq!(order("replicaof", wrong), Err(message));
        }
        assert_eq!(order("promote", ""), Err("lock knows no order promote (known: replicaof, failover)".into()));
    }
}
