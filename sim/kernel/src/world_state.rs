//! The state of the world that invariants may look at: nodes, their clocks and disks, the network.

use std::collections::VecDeque;

use crate::clock::Clock;
use crate::context::{Context, Effect, OperationId};
use crate::disk::Disk;
use crate::history::HistoryOf;
use crate::id::{Cluster, NodeId};
use crate::network::Network;
use crate::node::{Completion, ConnectionEvent, Node, Source, WriteId};
use crate::rng::Seed;
use crate::run::RunOptions;
use crate::system::Bounds;
use crate::time::{Duration, Instant};
use crate::timers::Timers;

/// Nodes, disks, clocks and network, at one instant of true time.
#[derive(Clone, Debug)]
pub struct WorldState<N: Node> {
    /// True time.
    pub(crate) now: Instant,
    /// Inputs handled so far, by all nodes.
    pub(crate) events: u64,
    /// How many nodes there are of each kind.
    pub(crate) cluster: Cluster,
    /// The declared bounds on clocks.
    pub(crate) bounds: Bounds,
    /// Every node of the cluster, by dense index.
    pub(crate) nodes: Vec<NodeState<N>>,
    /// The links, with what is wrong with each.
    pub(crate) network: Network,
    /// When a fault last started or was lifted, a process started or ended, or the settle phase began.
    pub(crate) disturbed_at: Instant,
    /// When the settle phase began; `None` before.
    pub(crate) settled_at: Option<Instant>,
    /// The servers that the settle phase heals; none before it begins.
    pub(crate) core: Vec<NodeId>,
    /// What clients asked and how it ended, so far.
    pub(crate) history: HistoryOf<N>,
}

/// A node with all that is its own: its process, and what stays when the process ends.
///
/// - `incarnation` counts the processes that have ended: what belongs to an earlier one is dropped when it comes up.
/// - `queues_inputs` is kept by [`NodeState::update_queueing`]: while it is set, inputs go through `inbox`, so that
///   none overtakes another.
/// - A node in `crashed_by` does not start.
#[derive(Clone, Debug)]
pub(crate) struct NodeState<N: Node> {
    /// Which node.
    pub(crate) id: NodeId,
    /// What runs there; `None` while the process is down or absent.
    pub(crate) process: Option<N>,
    /// What the process sees, and the buffer of its effects.
    pub(crate) context: Context<N>,
    /// Its monotonic clock and its wall clock.
    pub(crate) clock: Clock,
    /// The drift without any fault.
    pub(crate) own_drift_ppm: i32,
    /// The timers that its process has set.
    pub(crate) timers: Timers<N::Timer>,
    /// What its process has written.
    pub(crate) disk: Disk<N::Record>,
    /// Effects that wait until a write is durable, in the order in which they were asked for.
    pub(crate) tied: VecDeque<(WriteId, Effect<N>)>,
    /// How many of its processes have ended.
    pub(crate) incarnation: u32,
    /// What its process runs on.
    pub(crate) machine: Machine,
    /// Whether the node was to start at least once: a spare server is not there before.
    pub(crate) is_present: bool,
    /// Faults that hold its process down.
    pub(crate) crashed_by: Vec<u32>,
    /// How many faults pause it now.
    pub(crate) pauses: u32,
    /// Whether its process was to start while it was paused: it starts when the last pause is over.
    pub(crate) start_waits: bool,
    /// Faults that make the node slow: key and service time of one input.
    pub(crate) slow: Vec<(u32, Duration)>,
    /// When it is done with the input that it serves: not before then does it take the next one from the inbox.
    pub(crate) busy_until: Instant,
    /// Inputs that wait for the node to be scheduled.
    pub(crate) inbox: VecDeque<Waiting<N>>,
    /// Whether inputs wait: the node is paused or slow, or earlier inputs still wait.
    queues_inputs: bool,
    /// When the inbox is served next; an event for another time is stale.
    pub(crate) wakes_at: Option<Instant>,
    /// Operations that its process has begun and not completed, with the place of their invocation in the history.
    pub(crate) open: Vec<(OperationId, usize)>,
    /// The last write that its processes have asked for.
    pub(crate) last_write: WriteId,
    /// Every write up to this one is durable, as far as the node knows.
    pub(crate) durable: Option<WriteId>,
}

/// An input that waits.
#[derive(Clone, Debug)]
pub(crate) enum Waiting<N: Node> {
    Message(Source, N::Message),
    Connection(ConnectionEvent),
    Timer(N::Timer),
    Durable(Completion),
    Step(N::Step),
    Operation(N::Operation),
    Order(N::Order),
}

/// Whether anyone answers at a node's address when its process is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Machine {
    /// It runs: a packet for a process that is down is refused.
    Up,
    /// It is off, or was never there: silence.
    Off,
}

impl<N: Node> NodeState<N> {
    /// Whether an input can be handled at once.
    #[inline]
    pub(crate) const fn is_free(&self) -> bool {
        !self.queues_inputs
    }

    /// Whether the machine hears and answers packets: it is on and not suspended.
    pub(crate) fn has_network(&self) -> bool {
        self.machine != Machine::Off && !self.clock.is_suspended()
    }

    /// To be called after each change of `pauses`, `slow` or `inbox`.
    pub(crate) fn update_queueing(&mut self) {
        self.queues_inputs = self.pauses > 0 || !self.slow.is_empty() || !self.inbox.is_empty();
    }

    /// The node is slow no longer: it is done with the input that it was serving.
    pub(crate) fn free_when_fast(&mut self, now: Instant) {
        if self.slow.is_empty() {
            self.busy_until = self.busy_until.min(now);
        }
    }
}

impl<N: Node> WorldState<N> {
    pub(crate) fn new<O, Q, W>(options: &RunOptions<O, Q, W>, seed: Seed) -> Self {
        let cluster = options.cluster;
        let nodes = cluster.nodes().map(|id| {
            let clock = options.clocks.get(&id).copied().unwrap_or_default();
            NodeState {
                id,
                process: None,
                context: Context::new(id, seed.stream("node", id.key())),
                clock: Clock::new(clock),
                own_drift_ppm: clock.drift_ppm,
                timers: Timers::new(),
                disk: Disk::new(seed, id, options.disks.get(&id).copied().unwrap_or(options.disk)),
                tied: VecDeque::new(),
                incarnation: 0,
                machine: Machine::Off,
                is_present: cluster.starts(id),
                crashed_by: Vec::new(),
                pauses: 0,
                start_waits: false,
                slow: Vec::new(),
                busy_until: Instant::ZERO,
                inbox: VecDeque::new(),
                queues_inputs: false,
                wakes_at: None,
                open: Vec::new(),
                last_write: WriteId(0),
                durable: None,
            }
        });
        Self {
            now: Instant::ZERO,
            events: 0,
            cluster,
            bounds: options.bounds,
            nodes: nodes.collect(),
            network: Network::new(seed, cluster, &options.network),
            disturbed_at: Instant::ZERO,
            settled_at: None,
            core: Vec::new(),
            history: HistoryOf::<N>::new(),
        }
    }

    /// All that is the node's own.
    #[inline]
    pub(crate) fn node(&self, node: NodeId) -> &NodeState<N> {
        &self.nodes[self.cluster.index(node)]
    }

    /// The same, to be changed.
    #[inline]
    pub(crate) fn node_mut(&mut self, node: NodeId) -> &mut NodeState<N> {
        let index = self.cluster.index(node);
        &mut self.nodes[index]
    }
}
