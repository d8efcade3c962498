//! A swarm over a Raft cluster for tests: every kind of fault that leaves the promises of Raft alone, in random order,
//! then a settle phase. What it does is scaled by the timeouts of the preset.

use std::collections::BTreeMap;

use splitbrain_kernel::director::spec::{MessageSpec, NemesisKind, NemesisSpec};
use splitbrain_kernel::fault::Latency;
use splitbrain_kernel::id::{Cluster, NodeId, Side};
use splitbrain_kernel::invariant::{InvariantSet, Invariants, Sight};
use splitbrain_kernel::options::PerServer;
use splitbrain_kernel::plan::{Moment, Plan, PlannedOperation};
use splitbrain_kernel::rng::{Ppm, Seed};
use splitbrain_kernel::run::{Budget, DiskOptions, NetworkOptions, RunOptions, RunReport, Ties};
use splitbrain_kernel::selector::{Among, Selector, Span};
use splitbrain_kernel::system::{Bounds, Setup, System};
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::world::World;
use splitbrain_systems::raft::Raft;
use splitbrain_systems::raft::message::{Operation, Order};
use splitbrain_systems::raft::options::RaftOptions;
use splitbrain_systems::raft::workload::RaftWorkload;

pub(crate) const CLUSTER: Cluster = Cluster::plain(5, 2);

/// Chance that a datagram arrives twice, and that it is overtaken.
pub(crate) const UNRULY: Ppm = Ppm::new(20_000);

const LATENCY: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(10));

const NETWORK: &[NemesisKind] = &[
    NemesisKind::OneWay,
    NemesisKind::PairCut,
    NemesisKind::Isolate,
    NemesisKind::Deaf,
    NemesisKind::Mute,
    NemesisKind::Bridge,
    NemesisKind::Halves,
    NemesisKind::Ring,
    NemesisKind::Partial,
    NemesisKind::Clog,
    NemesisKind::Loss,
    NemesisKind::Delay,
    NemesisKind::Duplicate,
    NemesisKind::Reorder,
];

const PROCESSES: &[NemesisKind] = &[
    NemesisKind::Crash,
    NemesisKind::MachineCrash,
    NemesisKind::Pause,
    NemesisKind::Slow,
    NemesisKind::ClockDrift,
    NemesisKind::ClockFreeze,
    NemesisKind::DiskSlow,
];

/// A swarm over servers with these options.
#[derive(Clone, Debug)]
pub(crate) struct Swarm {
    pub(crate) options: PerServer<RaftOptions>,
    /// With faults.
    pub(crate) disturbed: Duration,
    /// Then, without new ones.
    pub(crate) settle: Duration,
    /// How many nodes.
    pub(crate) cluster: Cluster,
    /// Chance that a datagram arrives twice.
    pub(crate) duplication: Ppm,
    /// The invariants that are on.
    pub(crate) invariants: InvariantSet,
    /// Nemeses beside those of every swarm.
    pub(crate) more: Vec<NemesisSpec<Order>>,
    /// A plan that is followed in place of all these.
    pub(crate) replay: Option<Plan<Operation, Order>>,
}

impl Swarm {
    /// All invariants, over so many of the greatest timeouts with faults and then without.
    pub(crate) fn new(options: RaftOptions, disturbed: u64, settle: u64) -> Self {
        let timeout = options.timing.election_timeout_max;
        Self {
            options: PerServer::same(options),
            disturbed: timeout.saturating_mul(disturbed),
            settle: timeout.saturating_mul(settle),
            cluster: CLUSTER,
            duplication: UNRULY,
            invariants: InvariantSet::All,
            more: Vec::new(),
            replay: None,
        }
    }

    /// Without those that look into servers and disks.
    pub(crate) fn black_box(mut self) -> Self {
        let list = <Raft as System>::Invariants::LIST;
        self.invariants = self.invariants.filter(list.len(), |place| list[place].sight != Sight::WhiteBox);
        self
    }

    /// With a server that campaigns long before the others would.
    pub(crate) fn hasty(mut self, server: NodeId) -> Self {
        let base = &self.options.base;
        let (min, max) = (base.timing.heartbeat.saturating_mul(2), base.timing.heartbeat.saturating_mul(5).div(2));
        let hasty = base.clone().with(|o| {
            o.timing.election_timeout_min = min;
            o.timing.election_timeout_max = max;
            o.timing.round_timeout_min = min;
            o.timing.round_timeout_max = max;
        });
        self.options.of.insert(server, hasty);
        self
    }

    /// With a server that does not vote.
    pub(crate) fn learner(mut self, server: NodeId) -> Self {
        let learner = self.options.base.clone().with(|o| o.membership.learner = true);
        self.options.of.insert(server, learner);
        self
    }

    pub(crate) fn run(&self, seed: u64) -> RunReport<Operation, Order> {
        let bounds = Bounds { skew: None, drift_ppm: Some(10_000), latency: LATENCY.1 };
        let setup = Setup::new(self.cluster, self.options.clone(), bounds);
        let system = Raft::new(setup).expect("the options stand together");
        World::new(&system, &self.run_options(bounds), Seed(seed)).run()
    }

    fn run_options(&self, bounds: Bounds) -> RunOptions<Operation, Order, RaftWorkload> {
        let duration = self.disturbed + self.settle;
        RunOptions {
            cluster: self.cluster,
            network: self.network(),
            clocks: BTreeMap::new(),
            disk: DISK,
            faults: Vec::new(),
            nemeses: self.nemeses().into_iter().chain(self.more.clone()).collect(),
            workload: None,
            operations: self.proposals(),
            orders: Vec::new(),
            counted: Vec::new(),
            disks: BTreeMap::new(),
            duration,
            settle: self.settle,
            budget: Budget::ORDINARY,
            invariants: self.invariants.clone(),
            bounds,
            ties: Ties::Sequence,
            replay: self.replay.clone(),
        }
    }

    /// The greatest timeout.
    pub(crate) fn timeout(&self) -> Duration {
        self.options.base.timing.election_timeout_max
    }

    fn network(&self) -> NetworkOptions {
        NetworkOptions {
            latency: Latency::Uniform { min: LATENCY.0, max: LATENCY.1 },
            loss: Ppm::new(5_000),
            duplication: self.duplication,
            reordering: UNRULY,
            reordering_delay: self.timeout(),
            bandwidth: 0,
            connection_timeout: self.timeout().saturating_mul(2),
            redial: None,
            links: Vec::new(),
        }
    }

    fn nemeses(&self) -> Vec<NemesisSpec<Order>> {
        let leader = Selector::Role("leader".to_owned());
        vec![
            self.nemesis("network", NETWORK, Selector::Any(Among::Side(Side::Server))),
            self.nemesis("network of the leader", NETWORK, leader.clone()),
            self.nemesis("processes", PROCESSES, Selector::Any(Among::Side(Side::Server))),
            self.nemesis("process of the leader", PROCESSES, leader),
            self.restarts(),
        ]
    }

    /// Short restarts: the process is back before others notice.
    fn restarts(&self) -> NemesisSpec<Order> {
        let kinds = [NemesisKind::Crash, NemesisKind::MachineCrash];
        let mut restarts = self.nemesis("restarts", &kinds, Selector::Any(Among::Side(Side::Server)));
        restarts.every.high = self.timeout().saturating_mul(3);
        restarts.duration = Span { low: Duration::from_millis(1), high: self.timeout().div(2) };
        restarts
    }

    fn nemesis(&self, id: &str, kinds: &[NemesisKind], on: Selector) -> NemesisSpec<Order> {
        let timeout = self.timeout();
        NemesisSpec {
            id: id.to_owned(),
            line: 1,
            kinds: kinds.to_vec(),
            on: vec![on],
            every: Span { low: timeout.div(4), high: timeout.saturating_mul(6) },
            duration: Span { low: timeout.div(4), high: timeout.saturating_mul(6) },
            swarm: true,
            from: Instant::ZERO,
            until: None,
            messages: MessageSpec::default(),
            orders: Vec::new(),
        }
    }

    /// Each client proposes four times in each of the greatest timeouts.
    fn proposals(&self) -> Vec<PlannedOperation<Operation>> {
        let step = self.timeout().div(4);
        let count = self.disturbed.as_nanos() / step.as_nanos();
        let times = (1..count).map(|number| Instant::ZERO.saturating_add(step.saturating_mul(number)));
        let propose = |at: Instant, node: NodeId| PlannedOperation {
            start: Moment { at, after_events: 0, order: 0 },
            node,
            operation: Operation::Propose { value: at.as_nanos() },
            after_completion: false,
        };
        times.flat_map(|at| CLUSTER.clients().map(move |node| propose(at, node))).collect()
    }
}

const DISK: DiskOptions = DiskOptions {
    write_min: Duration::from_micros(10),
    write_max: Duration::from_micros(50),
    sync_min: Duration::from_micros(100),
    sync_max: Duration::from_millis(5),
    capacity: 0,
};
