//! The yardstick of the kernel: five nodes, each pings the other four every 10 ms, each ping is answered; latency 1 to
//! 10 ms, loss 1 %. Once through the public interface of the kernel, once as a bare loop, and once through an engine,
//! with nodes that log.

use splitbrain_kernel::context::Context;
use splitbrain_kernel::fault::Latency;
use splitbrain_kernel::id::{Cluster, NodeId};
use splitbrain_kernel::invariant::InvariantSet;
use splitbrain_kernel::node::{Change, Face, Message, Never, Node, Observation, Recovered, Source};
use splitbrain_kernel::options::OptionsError;
use splitbrain_kernel::rng::{Ppm, Seed};
use splitbrain_kernel::run::{Budget, DiskOptions, NetworkOptions, RunOptions, RunReport, Ties};
use splitbrain_kernel::system::{Bounds, Setup, System};
use splitbrain_kernel::time::Duration;
use splitbrain_kernel::view::View;
use splitbrain_kernel::workload::Idle;
use splitbrain_kernel::world::World;
use splitbrain_toy::{NoOptions, Unwatched};

const PERIOD: Duration = Duration::from_millis(10);

/// The system of pinging nodes. With `LOGS` they log each ping.
#[derive(Clone, Debug)]
pub(crate) struct PingPong<const LOGS: bool = false> {
    cluster: Cluster,
}

/// A node that pings.
#[derive(Clone, Debug)]
pub(crate) struct Pinger<const LOGS: bool> {
    cluster: Cluster,
    answers: u64,
}

/// What pingers say; as large as the bare loop's.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) enum Ball {
    /// A question.
    Ping([u64; 6]),
    /// Its answer.
    Pong([u64; 6]),
}

/// Pingers tell nothing.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) enum Silence {}

impl Observation for Silence {
    const NAMES: &'static [&'static str] = &[];
    fn face(&self) -> Face {
        Face::new("", Change::None)
    }
}

impl Message for Ball {
    const KINDS: &'static [&'static str] = &["ping", "pong"];
    fn kind(&self) -> usize {
        match self {
            Self::Ping(_) => 0,
            Self::Pong(_) => 1,
        }
    }
}

impl<const LOGS: bool> Node for Pinger<LOGS> {
    type Message = Ball;
    type Timer = ();
    type Record = ();
    type Observation = Silence;
    type Operation = Never;
    type Response = Never;
    type Order = Never;
    type Step = ();

    fn on_start(&mut self, ctx: &mut Context<Self>) {
        ctx.set_timer((), PERIOD);
    }

    fn on_message(&mut self, ctx: &mut Context<Self>, source: Source, message: Ball) {
        match message {
            Ball::Ping(body) => {
                if LOGS {
                    tracing::debug!(from = %source.node, "pinged");
                }
                ctx.send(source.node, Ball::Pong(body));
            }
            Ball::Pong(_) => self.answers += 1,
        }
    }

    fn on_timer(&mut self, ctx: &mut Context<Self>, (): ()) {
        let id = ctx.id();
        for peer in self.cluster.servers().filter(|peer| *peer != id) {
            ctx.send(peer, Ball::Ping([0; 6]));
        }
        ctx.set_timer((), PERIOD);
    }
}

impl<const LOGS: bool> System for PingPong<LOGS> {
    const NAME: &'static str = "ping_pong";
    const DOC: &'static str = "Five nodes that ping one another.";
    type Options = NoOptions;
    type Node = Pinger<LOGS>;
    type Invariants = Unwatched;
    type Workload = Idle;

    fn new(setup: Setup<NoOptions>) -> Result<Self, OptionsError> {
        Ok(Self { cluster: setup.cluster })
    }
    fn node(&self, _: NodeId, _: Recovered<()>) -> Pinger<LOGS> {
        Pinger { cluster: self.cluster, answers: 0 }
    }
    fn invariants(&self) -> Unwatched {
        Unwatched
    }
    fn core(&self, _: impl View<Self::Node>, candidates: &[NodeId]) -> Vec<NodeId> {
        candidates.iter().copied().take(5).collect()
    }
}

/// Runs the work for so many virtual seconds through the kernel.
pub(crate) fn kernel(seconds: u64, seed: Seed) -> RunReport<Never, Never> {
    let (system, options) = setup(seconds);
    World::new(&system, &options, seed).run()
}

/// The work for so many virtual seconds.
pub(crate) fn setup(seconds: u64) -> (PingPong, RunOptions<Never, Never>) {
    let cluster = Cluster::plain(5, 0);
    let options = RunOptions {
        cluster,
        network: NetworkOptions {
            latency: Latency::Uniform { min: Duration::from_millis(1), max: Duration::from_millis(10) },
            loss: Ppm::new(10_000),
            duplication: Ppm::NEVER,
            reordering: Ppm::NEVER,
            reordering_delay: Duration::ZERO,
            bandwidth: 0,
            connection_timeout: Duration::from_secs(1),
            redial: None,
            links: Vec::new(),
        },
        clocks: std::collections::BTreeMap::new(),
        disk: DiskOptions {
            write_min: Duration::ZERO,
            write_max: Duration::ZERO,
            sync_min: Duration::ZERO,
            sync_max: Duration::ZERO,
            capacity: 0,
        },
        faults: Vec::new(),
        nemeses: Vec::new(),
        workload: None,
        operations: Vec::new(),
        orders: Vec::new(),
        counted: Vec::new(),
        disks: std::collections::BTreeMap::new(),
        duration: Duration::from_secs(seconds),
        settle: Duration::ZERO,
        budget: Budget::ORDINARY,
        invariants: InvariantSet::All,
        bounds: Bounds { skew: None, drift_ppm: None, latency: Duration::from_millis(10) },
        ties: Ties::Sequence,
        replay: None,
    };
    (PingPong { cluster }, options)
}
