//! The read-only face of the world, for invariants.

use std::fmt::Debug;
use std::marker::PhantomData;

use crate::disk::Disk;
use crate::embedding::Embedding;
use crate::fault;
use crate::history::{HistoryEntry, HistoryEntryRef, HistoryEvent};
use crate::id::{Cluster, Link, NodeId};
use crate::network::{ALL_KINDS, Network};
use crate::node::{FileId, Node, Stored};
use crate::system::Bounds;
use crate::time::{Duration, Instant};
use crate::world_state::WorldState;

/// Durable records by file: a disk, or what of one is an inner node's.
pub trait Records<R> {
    /// How many durable records a file has.
    fn len(&self, file: FileId) -> usize;
    /// A durable record of a file.
    fn get(&self, file: FileId, at: usize) -> Option<Stored<&R>>;
    /// The last durable record of a file, where it is intact.
    fn durable_last(&self, file: FileId) -> Option<&R> {
        match self.get(file, self.len(file).checked_sub(1)?)? {
            Stored::Intact(record) => Some(record),
            _ => None,
        }
    }
}

impl<R: Clone> Records<R> for Disk<R> {
    fn len(&self, file: FileId) -> usize {
        self.durable(file).len()
    }
    fn get(&self, file: FileId, at: usize) -> Option<Stored<&R>> {
        self.durable(file).get(at).map(Stored::as_ref)
    }
}

/// What an invariant may look at: the world, or the inner nodes of one. Copying it costs a pointer.
pub trait View<N: Node>: Copy + Debug {
    /// True time.
    fn now(&self) -> Instant;
    /// Inputs handled so far.
    fn events(&self) -> u64;
    /// How many nodes there are.
    fn cluster(&self) -> Cluster;
    /// The state of a node whose process runs; `None` if it is down or absent.
    fn node(&self, node: NodeId) -> Option<&N>;
    /// How many durable records a file of a node has.
    fn record_count(&self, node: NodeId, file: FileId) -> usize;
    /// A durable record.
    fn record(&self, node: NodeId, file: FileId, at: usize) -> Option<Stored<&N::Record>>;
    /// Whether the node runs and is scheduled at full speed by clocks that go: neither paused nor slow nor frozen.
    fn is_lively(&self, node: NodeId) -> bool;
    /// Whether the node is paused: its process runs but is not scheduled.
    fn is_paused(&self, node: NodeId) -> bool;
    /// When no operation is left that a fault of the node's disk made slow, or that waits behind one; `None` while a
    /// fault is on it.
    fn disk_healthy_from(&self, node: NodeId) -> Option<Instant>;
    /// The most that a write and its sync take on the node's disk.
    fn disk_latency_max(&self, node: NodeId) -> Duration;
    /// The network.
    fn network(&self) -> &Network;
    /// When a fault last began or ended, a node last started or exited; the start of the run where none did.
    fn disturbed_at(&self) -> Instant;
    /// The servers of the core, once the settle phase has begun; before that, none.
    fn core(&self) -> &[NodeId];
    /// How many entries the history of clients has so far, those of nodes around or beside an inner one included.
    fn history_len(&self) -> usize;
    /// An entry of the history, by its place; `None` for one that is not this system's.
    fn history(&self, place: usize) -> Option<HistoryEntryRef<'_, N>>;
    /// When the settle phase began.
    fn settled_at(&self) -> Option<Instant>;
    /// The most that an undisturbed packet takes, and the declared bounds on clocks.
    fn bounds(&self) -> Bounds;
    /// How much true time passes at most while this node's clock, as it runs now, counts `local`.
    fn true_span(&self, node: NodeId, local: Duration) -> Duration;
    /// What the node's monotonic clock shows.
    fn monotonic(&self, node: NodeId) -> Instant;

    /// Whether the node's process runs. A paused one does.
    #[inline]
    fn is_up(&self, node: NodeId) -> bool {
        self.node(node).is_some()
    }
    /// The node's disk: what is durable.
    #[inline]
    fn disk(&self, node: NodeId) -> DiskView<N, Self> {
        DiskView { view: *self, node, of: PhantomData }
    }
    /// Whether datagrams of every kind pass: the link is neither cut nor clogged, and its weather is the ordinary one.
    fn is_connected(&self, link: Link) -> bool {
        self.network().is_clear(link)
    }
    /// Whether nothing at all passes: the link is cut for every kind of packet.
    fn is_severed(&self, link: Link) -> bool {
        self.network().is_cut(link, ALL_KINDS)
    }
    /// Whether every kind of packet is stopped: the link is cut or clogged.
    fn is_blocked(&self, link: Link) -> bool {
        self.is_severed(link) || self.network().is_clogged(link, ALL_KINDS)
    }
    /// The chance that a datagram is lost on a link with which nothing is wrong.
    fn ordinary_loss(&self, link: Link) -> crate::rng::Ppm {
        self.network().ordinary_loss(link)
    }
    /// Whether datagrams pass in both directions.
    fn is_paired(&self, a: NodeId, b: NodeId) -> bool {
        let link = Link::new(a, b);
        self.is_connected(link) && self.is_connected(link.reverse())
    }
}

/// The whole world.
#[derive(Debug)]
pub struct Whole<'a, N: Node> {
    state: &'a WorldState<N>,
}

impl<N: Node> Clone for Whole<'_, N> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}
impl<N: Node> Copy for Whole<'_, N> {}

impl<'a, N: Node> Whole<'a, N> {
    #[inline]
    pub(crate) const fn new(state: &'a WorldState<N>) -> Self {
        Self { state }
    }
}

impl<N: Node> View<N> for Whole<'_, N> {
    #[inline]
    fn now(&self) -> Instant {
        self.state.now
    }
    #[inline]
    fn events(&self) -> u64 {
        self.state.events
    }
    #[inline]
    fn cluster(&self) -> Cluster {
        self.state.cluster
    }
    #[inline]
    fn node(&self, node: NodeId) -> Option<&N> {
        self.state.node(node).process.as_ref()
    }
    #[inline]
    fn record_count(&self, node: NodeId, file: FileId) -> usize {
        self.state.node(node).disk.durable(file).len()
    }
    #[inline]
    fn record(&self, node: NodeId, file: FileId, at: usize) -> Option<Stored<&N::Record>> {
        self.state.node(node).disk.durable(file).get(at).map(Stored::as_ref)
    }
    fn is_lively(&self, node: NodeId) -> bool {
        let state = self.state.node(node);
        state.process.is_some() && state.is_free() && !fault::hampers(state)
    }
    fn is_paused(&self, node: NodeId) -> bool {
        self.state.node(node).pauses > 0
    }
    fn disk_healthy_from(&self, node: NodeId) -> Option<Instant> {
        self.state.node(node).disk.healthy_from()
    }
    fn disk_latency_max(&self, node: NodeId) -> Duration {
        self.state.node(node).disk.latency_max()
    }
    #[inline]
    fn network(&self) -> &Network {
        &self.state.network
    }
    #[inline]
    fn disturbed_at(&self) -> Instant {
        self.state.disturbed_at
    }
    fn core(&self) -> &[NodeId] {
        &self.state.core
    }
    fn history_len(&self) -> usize {
        self.state.history.entries().len()
    }
    fn history(&self, place: usize) -> Option<HistoryEntryRef<'_, N>> {
        self.state.history.entries().get(place).map(HistoryEntry::as_ref)
    }
    fn settled_at(&self) -> Option<Instant> {
        self.state.settled_at
    }
    fn bounds(&self) -> Bounds {
        self.state.bounds
    }
    fn true_span(&self, node: NodeId, local: Duration) -> Duration {
        self.state.node(node).clock.true_span(local)
    }
    fn monotonic(&self, node: NodeId) -> Instant {
        self.state.node(node).clock.monotonic(self.state.now)
    }
}

/// The inner nodes of a world.
#[derive(Clone, Copy, Debug)]
pub struct Projected<V, E> {
    pub(crate) outer: V,
    pub(crate) embedding: E,
}

impl<V, E> Projected<V, E> {
    /// The inner nodes of what `outer` shows.
    pub const fn new(outer: V, embedding: E) -> Self {
        Self { outer, embedding }
    }
}

impl<V: View<E::Outer>, E: Embedding> Projected<V, E> {
    /// The part of an entry that is the inner system's. A completion is the system's whose operation it is: one without
    /// a response says nothing about that by itself.
    pub(crate) fn entry<'a>(&self, entry: HistoryEntryRef<'a, E::Outer>) -> Option<HistoryEntryRef<'a, E::Inner>> {
        if let HistoryEvent::Completed { invoked, .. } = entry.change {
            self.history(invoked)?;
        }
        entry.filter_map(
            |operation| self.embedding.inner_operation(operation),
            |response| self.embedding.inner_response(response),
        )
    }
}

impl<V: View<E::Outer>, E: Embedding> View<E::Inner> for Projected<V, E> {
    #[inline]
    fn now(&self) -> Instant {
        self.outer.now()
    }
    #[inline]
    fn events(&self) -> u64 {
        self.outer.events()
    }
    #[inline]
    fn cluster(&self) -> Cluster {
        self.embedding.cluster(self.outer.cluster())
    }
    #[inline]
    fn node(&self, node: NodeId) -> Option<&E::Inner> {
        self.embedding.node(self.outer.node(node)?)
    }
    #[inline]
    fn record_count(&self, node: NodeId, file: FileId) -> usize {
        self.outer.record_count(node, self.embedding.wrap_file(file))
    }
    #[inline]
    fn record(&self, node: NodeId, file: FileId, at: usize) -> Option<Stored<&<E::Inner as Node>::Record>> {
        let stored = self.outer.record(node, self.embedding.wrap_file(file), at)?;
        stored.filter_map(|record| self.embedding.inner_record(record))
    }
    fn is_lively(&self, node: NodeId) -> bool {
        self.outer.is_lively(node)
    }
    fn is_paused(&self, node: NodeId) -> bool {
        self.outer.is_paused(node)
    }
    fn disk_healthy_from(&self, node: NodeId) -> Option<Instant> {
        self.outer.disk_healthy_from(node)
    }
    fn disk_latency_max(&self, node: NodeId) -> Duration {
        self.outer.disk_latency_max(node)
    }
    #[inline]
    fn network(&self) -> &Network {
        self.outer.network()
    }
    fn disturbed_at(&self) -> Instant {
        self.outer.disturbed_at()
    }
    fn core(&self) -> &[NodeId] {
        self.outer.core()
    }
    fn history_len(&self) -> usize {
        self.outer.history_len()
    }
    fn history(&self, place: usize) -> Option<HistoryEntryRef<'_, E::Inner>> {
        self.entry(self.outer.history(place)?)
    }
    fn settled_at(&self) -> Option<Instant> {
        self.outer.settled_at()
    }
    fn bounds(&self) -> Bounds {
        self.outer.bounds()
    }
    fn true_span(&self, node: NodeId, local: Duration) -> Duration {
        self.outer.true_span(node, local)
    }
    fn monotonic(&self, node: NodeId) -> Instant {
        self.outer.monotonic(node)
    }
}

/// A node's disk, as far as it is this node's.
#[derive(Debug)]
pub struct DiskView<N, V> {
    view: V,
    node: NodeId,
    of: PhantomData<fn() -> N>,
}

impl<N, V: Copy> Clone for DiskView<N, V> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}
impl<N, V: Copy> Copy for DiskView<N, V> {}

impl<N: Node, V: View<N>> Records<N::Record> for DiskView<N, V> {
    #[inline]
    fn len(&self, file: FileId) -> usize {
        self.view.record_count(self.node, file)
    }
    #[inline]
    fn get(&self, file: FileId, at: usize) -> Option<Stored<&N::Record>> {
        self.view.record(self.node, file, at)
    }
}

impl<N: Node, V: View<N>> DiskView<N, V> {
    /// Whether no fault is on the disk, and nothing that it was asked under one is still under way.
    pub fn is_healthy(&self) -> bool {
        self.healthy_from().is_some_and(|from| from <= self.view.now())
    }
    /// When no operation is left that a fault made slow, or that waits behind one; `None` while a fault is on the disk.
    pub fn healthy_from(&self) -> Option<Instant> {
        self.view.disk_healthy_from(self.node)
    }
    /// The most that a write and its sync take while the disk is idle and healthy.
    pub fn latency_max(&self) -> Duration {
        self.view.disk_latency_max(self.node)
    }
}
