//! How many nodes of each kind there are, and the dense index of each.

use std::fmt;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::kind::{Kind, KindId, NodeName, Side};
use super::nodes::{Nodes, Spares};
use super::{Link, NodeId};

/// The kinds of process that a system has, and how many there are of each: some that take part from the start, and
/// spare ones, which are absent until a fault starts them.
///
/// - The dense index of a node goes by kind, in the order in which the system declares them, then by number.
/// - A small value with tables of a fixed size: an index costs one load, whatever the number of kinds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Cluster {
    kinds: &'static [Kind],
    /// By place in `kinds`.
    counts: [Count; Kind::KINDS_MAX],
    /// By [`KindId::place`]; of a kind that the system has not, there are none.
    ranges: [Range; KindId::TABLE],
}

/// How many nodes of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Count {
    pub(super) start: u16,
    pub(super) spare: u16,
}

/// The indexes of the nodes of a kind.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Range {
    /// The index of the first, less 1, as numbers count from 1. Wraps for the first kind.
    before: u16,
    /// How many, spare ones included.
    len: u16,
}

impl Cluster {
    /// The most nodes of all kinds that a scenario may ask for. There is a link between each two of them.
    pub const NODE_COUNT_MAX: usize = 128;

    /// A cluster without a node.
    ///
    /// # Panics
    /// If the kinds are not what [`Kind::check`] asks for.
    pub const fn new(kinds: &'static [Kind]) -> Self {
        Kind::check(kinds);
        let none = Count { start: 0, spare: 0 };
        Self { kinds, counts: [none; Kind::KINDS_MAX], ranges: [Range { before: 0, len: 0 }; KindId::TABLE] }
    }

    /// A cluster of plain servers `s1`, … and clients `c1`, …
    pub const fn plain(servers: u16, clients: u16) -> Self {
        Self::new(Kind::PLAIN).with(KindId::SERVER, servers).with(KindId::CLIENT, clients)
    }

    /// The same, with this many nodes of a kind from the start.
    ///
    /// # Panics
    /// If the system has no such kind, or there would be more than [`NodeId::COUNT_MAX`] of it.
    #[must_use]
    pub const fn with(mut self, kind: KindId, count: u16) -> Self {
        let at = self.position(kind);
        self.counts[at].start = count;
        self.arranged()
    }

    /// The same, with this many spare nodes of a kind.
    ///
    /// # Panics
    /// If the system has no such kind, or there would be more than [`NodeId::COUNT_MAX`] of it.
    #[must_use]
    pub const fn with_spare(mut self, kind: KindId, count: u16) -> Self {
        let at = self.position(kind);
        self.counts[at].spare = count;
        self.arranged()
    }

    const fn position(&self, kind: KindId) -> usize {
        let mut at = 0;
        while at < self.kinds.len() {
            if self.kinds[at].id.0 == kind.0 {
                return at;
            }
            at += 1;
        }
        panic!("the system has no such kind of process")
    }

    const fn arranged(mut self) -> Self {
        let mut first: u16 = 0;
        let mut at = 0;
        while at < self.kinds.len() {
            let len = self.counts[at].start + self.counts[at].spare;
            assert!(len <= NodeId::COUNT_MAX, "nodes of a kind are numbered from 1 to 64");
            self.ranges[self.kinds[at].id.place()] = Range { before: first.wrapping_sub(1), len };
            first += len;
            at += 1;
        }
        self
    }

    /// The kinds of process that the system has, in its order.
    pub const fn kinds(&self) -> &'static [Kind] {
        self.kinds
    }

    /// The kind with this id, if the system has it.
    pub fn kind(&self, kind: KindId) -> Option<&'static Kind> {
        self.kinds.iter().find(|one| one.id == kind)
    }

    /// How many nodes of a kind take part from the start.
    pub fn count(&self, kind: KindId) -> u16 {
        self.kind_count(kind).start
    }

    /// How many spare nodes of a kind there are.
    pub fn spare_count(&self, kind: KindId) -> u16 {
        self.kind_count(kind).spare
    }

    fn kind_count(&self, kind: KindId) -> Count {
        let at = self.kinds.iter().position(|one| one.id == kind);
        at.map_or(Count::default(), |at| self.counts[at])
    }

    /// All nodes, spare ones included, in order of their index.
    #[inline]
    pub const fn nodes(self) -> Nodes {
        Nodes::new(self.kinds, self.counts, None, Spares::Included)
    }

    /// The nodes that take part from the start, in order of their index.
    #[inline]
    pub const fn starting(self) -> Nodes {
        Nodes::new(self.kinds, self.counts, None, Spares::LeftOut)
    }

    /// The nodes of a kind that take part from the start.
    pub fn of(self, kind: KindId) -> impl Iterator<Item = NodeId> + Clone {
        (1..=self.count(kind)).map(move |number| NodeId::new(kind, number))
    }

    /// The nodes of a kind, spare ones included.
    pub fn all_of(self, kind: KindId) -> impl Iterator<Item = NodeId> + Clone {
        (1..=self.ranges[kind.place()].len).map(move |number| NodeId::new(kind, number))
    }

    /// The nodes on the server's side that take part from the start.
    #[inline]
    pub const fn servers(self) -> Nodes {
        Nodes::new(self.kinds, self.counts, Some(Side::Server), Spares::LeftOut)
    }

    /// The nodes on the server's side, spare ones included.
    #[inline]
    pub const fn all_servers(self) -> Nodes {
        Nodes::new(self.kinds, self.counts, Some(Side::Server), Spares::Included)
    }

    /// The nodes on the client's side that take part from the start.
    #[inline]
    pub const fn clients(self) -> Nodes {
        Nodes::new(self.kinds, self.counts, Some(Side::Client), Spares::LeftOut)
    }

    /// How many nodes on the client's side take part from the start.
    pub fn client_count(self) -> u16 {
        let clients = self.kinds.iter().filter(|kind| kind.side == Side::Client);
        clients.map(|kind| self.count(kind.id)).sum()
    }

    /// The nodes on the client's side, spare ones included.
    #[inline]
    pub const fn all_clients(self) -> Nodes {
        Nodes::new(self.kinds, self.counts, Some(Side::Client), Spares::Included)
    }

    /// Whether the node's kind is on the server's side.
    pub fn is_server(&self, node: NodeId) -> bool {
        self.side(node) == Some(Side::Server)
    }

    /// Whether the node's kind is on the client's side.
    pub fn is_client(&self, node: NodeId) -> bool {
        self.side(node) == Some(Side::Client)
    }

    /// On which side the node's kind is, if the system has it.
    pub fn side(&self, node: NodeId) -> Option<Side> {
        self.kind(node.kind()).map(|kind| kind.side)
    }

    /// Whether the node takes part from the start.
    pub fn starts(&self, node: NodeId) -> bool {
        node.number() <= self.count(node.kind())
    }

    /// How many nodes there are in all, spare ones included.
    pub const fn node_count(&self) -> usize {
        let mut count = 0;
        let mut at = 0;
        while at < self.kinds.len() {
            count += self.counts[at].start as usize + self.counts[at].spare as usize;
            at += 1;
        }
        count
    }

    /// Whether the node belongs to this cluster.
    #[inline]
    pub const fn contains(&self, node: NodeId) -> bool {
        node.number() <= self.ranges[node.kind().place()].len
    }

    /// Whether both ends of a link belong to this cluster.
    pub const fn has_link(&self, link: Link) -> bool {
        self.contains(link.source) && self.contains(link.target)
    }

    /// The dense index of a node of this cluster, for tables. Never the key of a stream: it depends on counts.
    #[inline]
    pub const fn index(&self, node: NodeId) -> usize {
        self.ranges[node.kind().place()].before.wrapping_add(node.number()) as usize
    }

    /// The node with this dense index.
    ///
    /// # Panics
    /// If there is none.
    pub const fn node(&self, index: usize) -> NodeId {
        let mut rest = index;
        let mut at = 0;
        while at < self.kinds.len() {
            let len = self.counts[at].start as usize + self.counts[at].spare as usize;
            if rest < len {
                return NodeId::new(self.kinds[at].id, rest as u16 + 1);
            }
            rest -= len;
            at += 1;
        }
        panic!("a dense index is below the number of nodes")
    }

    /// The node as people write it: `redis2`.
    pub fn name(&self, node: NodeId) -> NodeName {
        // A node of another system has no name here: its letter stands for its kind.
        self.kind(node.kind()).map_or_else(|| node.into(), |kind| kind.name_of(node.number()))
    }

    /// The link as people write it: `redis2 -> chat1`.
    pub fn link_name(&self, link: Link) -> String {
        format!("{} -> {}", self.name(link.source), self.name(link.target))
    }

    /// The node with this name, whether or not the cluster has that many of its kind.
    pub fn read(&self, name: &str) -> Option<NodeId> {
        Kind::read(self.kinds, name).map(NodeName::id)
    }
}

/// As `[cluster]` states it: `{servers: 5, spare: 0, clients: 2}`; the spare ones of another kind under its name.
impl Serialize for Cluster {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (kind, count) in self.kinds.iter().zip(&self.counts) {
            map.serialize_entry(kind.key(), &count.start)?;
            if kind.id == KindId::SERVER {
                map.serialize_entry("spare", &count.spare)?;
            } else if count.spare > 0 {
                map.serialize_entry(&format!("spare.{}", kind.name), &count.spare)?;
            }
        }
        map.end()
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (kind, count) in self.kinds.iter().zip(&self.counts) {
            map.entry(&kind.name, &(count.start, count.spare));
        }
        map.finish()
    }
}
