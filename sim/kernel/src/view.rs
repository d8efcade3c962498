//! The read-only face of the world, for invariants.

use crate::disk::Disk;
use crate::id::{Cluster, Link, NodeId};
use crate::node::Node;
use crate::time::{Duration, Instant};
use crate::universe::Universe;

/// What an invariant may look at. Copying it costs a pointer.
#[derive(Debug)]
pub struct View<'a, N: Node> {
    universe: &'a Universe<N>,
}

impl<N: Node> Clone for View<'_, N> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<N: Node> Copy for View<'_, N> {}

impl<'a, N: Node> View<'a, N> {
    pub(crate) const fn new(universe: &'a Universe<N>) -> Self {
        Self { universe }
    }

    /// True time.
    #[inline]
    pub const fn now(self) -> Instant {
        self.universe.now
    }

    /// Inputs handled so far.
    #[inline]
    pub const fn events(self) -> u64 {
        self.universe.events
    }

    /// How many nodes there are.
    #[inline]
    pub const fn cluster(self) -> Cluster {
        self.universe.cluster
    }

    /// The state of a node whose process runs; nothing where it is down or absent.
    #[inline]
    pub fn node(self, node: NodeId) -> Option<&'a N> {
        self.universe.slot(node).node.as_ref()
    }

    /// Whether the node's process runs. A paused one does.
    #[inline]
    pub fn is_up(self, node: NodeId) -> bool {
        self.node(node).is_some()
    }

    /// Whether the node runs and is scheduled at full speed by clocks that go: neither paused nor slow nor frozen.
    pub fn is_lively(self, node: NodeId) -> bool {
        let slot = self.universe.slot(node);
        slot.node.is_some() && slot.is_open() && !slot.clock.is_frozen()
    }

    /// Whether the node is paused: its process runs but is not scheduled.
    pub fn is_paused(self, node: NodeId) -> bool {
        self.universe.slot(node).pauses > 0
    }

    /// The node's disk: what is durable, and what is written but not yet.
    #[inline]
    pub fn disk(self, node: NodeId) -> &'a Disk<N::Record> {
        &self.universe.slot(node).disk
    }

    /// Whether datagrams of every kind pass: the link is neither cut nor clogged, and its weather is the ordinary one.
    pub fn is_connected(self, link: Link) -> bool {
        self.universe.network.is_clear(link)
    }

    /// Whether nothing at all passes: the link is cut for every kind of packet.
    pub fn is_severed(self, link: Link) -> bool {
        self.universe.network.is_cut(link, crate::network::ALL_KINDS)
    }

    /// Whether every kind of packet is stopped: the link is cut or clogged.
    pub fn is_blocked(self, link: Link) -> bool {
        self.is_severed(link) || self.universe.network.is_clogged(link, crate::network::ALL_KINDS)
    }

    /// The chance that a datagram is lost on a link with which nothing is wrong.
    pub fn ordinary_loss(self, link: Link) -> crate::rng::Ppm {
        self.universe.network.ordinary_loss(link)
    }

    /// Whether datagrams pass in both directions.
    pub fn is_paired(self, a: NodeId, b: NodeId) -> bool {
        let link = Link::new(a, b);
        self.is_connected(link) && self.is_connected(link.reverse())
    }

    /// When a fault last began or ended, a node last started or exited; the start of the run where none did.
    #[inline]
    pub const fn disturbed_at(self) -> Instant {
        self.universe.disturbed_at
    }

    /// The servers of the core, once the settle phase has begun; before that, nobody.
    pub fn core(self) -> &'a [NodeId] {
        &self.universe.core
    }

    /// When the settle phase began.
    pub const fn settled_at(self) -> Option<Instant> {
        self.universe.settled_at
    }

    /// The most that an undisturbed packet takes, and the declared bounds on clocks.
    pub const fn bounds(self) -> crate::system::Bounds {
        self.universe.bounds
    }

    /// How much true time passes at most while this node's clock, as it runs now, counts `local`.
    pub fn true_span(self, node: NodeId, local: Duration) -> Duration {
        self.universe.slot(node).clock.true_span(local)
    }
}
