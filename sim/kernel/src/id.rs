//! Names of nodes and the size of a cluster.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

const CLIENT_BIT: u16 = 0x8000;

/// One simulated process: a server `s1`, `s2`, … or a client `c1`, `c2`, …
///
/// Servers and clients are separate spaces: adding a server renames no client, so no stream moves (DESIGN 3.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u16);

/// A text that is not the name of a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a node such as s1 or c2, got {0:?}")]
pub struct NodeIdError(pub String);

impl NodeId {
    /// The most servers, and the most clients, that a cluster may have.
    pub const COUNT_MAX: u16 = 64;

    /// The server with this number, counted from 1.
    ///
    /// # Panics
    /// Where the number is 0 or above [`NodeId::COUNT_MAX`].
    pub const fn server(number: u16) -> Self {
        assert!(number >= 1 && number <= Self::COUNT_MAX, "servers are numbered from 1 to 64");
        Self(number)
    }

    /// The client with this number, counted from 1.
    ///
    /// # Panics
    /// Where the number is 0 or above [`NodeId::COUNT_MAX`].
    pub const fn client(number: u16) -> Self {
        assert!(number >= 1 && number <= Self::COUNT_MAX, "clients are numbered from 1 to 64");
        Self(CLIENT_BIT | number)
    }

    /// Whether this is a client.
    pub const fn is_client(self) -> bool {
        self.0 & CLIENT_BIT != 0
    }

    /// Whether this is a server.
    pub const fn is_server(self) -> bool {
        !self.is_client()
    }

    /// The number in the node's own space, counted from 1.
    pub const fn number(self) -> u16 {
        self.0 & !CLIENT_BIT
    }

    /// The key of this node's streams: never a position, never dependent on a count.
    pub const fn key(self) -> u64 {
        self.0 as u64
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}{}", if self.is_client() { 'c' } else { 's' }, self.number()))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for NodeId {
    type Err = NodeIdError;

    fn from_str(text: &str) -> Result<Self, NodeIdError> {
        let refuse = || NodeIdError(text.to_owned());
        let (kind, number) = text.split_at_checked(1).ok_or_else(refuse)?;
        let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) && !number.starts_with('0');
        let number: u16 = number.parse().map_err(|_| refuse())?;
        match kind {
            "s" if plain && number <= Self::COUNT_MAX => Ok(Self::server(number)),
            "c" if plain && number <= Self::COUNT_MAX => Ok(Self::client(number)),
            _ => Err(refuse()),
        }
    }
}

impl Serialize for NodeId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_u16(self.0) }
    }
}

impl<'de> Deserialize<'de> for NodeId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
        } else {
            let raw = u16::deserialize(deserializer)?;
            match raw & !CLIENT_BIT {
                1..=Self::COUNT_MAX => Ok(Self(raw)),
                _ => Err(serde::de::Error::custom("not a node")),
            }
        }
    }
}

/// A directed pair of nodes. A cut of `s1 -> s2` says nothing of `s2 -> s1`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link {
    /// Who sends.
    pub source: NodeId,
    /// Who receives.
    pub target: NodeId,
}

impl Link {
    /// The link from `source` to `target`.
    pub const fn new(source: NodeId, target: NodeId) -> Self {
        Self { source, target }
    }

    /// The link the other way.
    pub const fn reverse(self) -> Self {
        Self { source: self.target, target: self.source }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{} -> {}", self.source, self.target))
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Link {
    type Err = NodeIdError;

    fn from_str(text: &str) -> Result<Self, NodeIdError> {
        let (source, target) = text.split_once("->").ok_or_else(|| NodeIdError(text.to_owned()))?;
        Ok(Self::new(source.trim().parse()?, target.trim().parse()?))
    }
}

impl Serialize for Link {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            (self.source, self.target).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Link {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            let refuse = |_| serde::de::Error::custom(format!("expected a link such as \"s1 -> s2\", got {text:?}"));
            text.parse().map_err(refuse)
        } else {
            <(NodeId, NodeId)>::deserialize(deserializer).map(|(source, target)| Self { source, target })
        }
    }
}

/// How many nodes there are: `servers` that take part from the start, `spare` ones that are absent at first, `clients`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// Servers present from the start: `s1` to `s{servers}`.
    pub servers: u16,
    /// Servers absent until a `join`: `s{servers + 1}` to `s{servers + spare}`.
    pub spare: u16,
    /// Clients: `c1` to `c{clients}`.
    pub clients: u16,
}

impl Cluster {
    /// The most nodes that a cluster may have.
    pub const NODE_COUNT_MAX: usize = 2 * NodeId::COUNT_MAX as usize;

    /// All nodes, servers (spare ones included) before clients, in order of number.
    pub fn nodes(self) -> impl Iterator<Item = NodeId> + Clone {
        self.all_servers().chain(self.clients())
    }

    /// The servers that take part from the start.
    pub fn servers(self) -> impl Iterator<Item = NodeId> + Clone {
        (1..=self.servers).map(NodeId::server)
    }

    /// All servers, spare ones included.
    pub fn all_servers(self) -> impl Iterator<Item = NodeId> + Clone {
        (1..=self.servers + self.spare).map(NodeId::server)
    }

    /// The clients.
    pub fn clients(self) -> impl Iterator<Item = NodeId> + Clone {
        (1..=self.clients).map(NodeId::client)
    }

    /// How many nodes there are in all.
    #[inline]
    pub const fn node_count(self) -> usize {
        self.server_count() + self.clients as usize
    }

    /// How many servers there are, spare ones included.
    #[inline]
    const fn server_count(self) -> usize {
        self.servers as usize + self.spare as usize
    }

    /// Whether the node belongs to this cluster.
    #[inline]
    pub const fn contains(self, node: NodeId) -> bool {
        let count = if node.is_client() { self.clients as usize } else { self.server_count() };
        node.number() as usize <= count
    }

    /// Whether both ends of a link belong to this cluster.
    pub const fn has_link(self, link: Link) -> bool {
        self.contains(link.source) && self.contains(link.target)
    }

    /// The dense index of a node, for tables. Never the key of a stream: it depends on counts.
    #[inline]
    pub const fn index(self, node: NodeId) -> usize {
        let base = if node.is_client() { self.server_count() } else { 0 };
        base + node.number() as usize - 1
    }

    /// The node with this dense index.
    #[inline]
    pub const fn node(self, index: usize) -> NodeId {
        let servers = self.server_count();
        if index < servers { NodeId::server(index as u16 + 1) } else { NodeId::client((index - servers) as u16 + 1) }
    }
}
