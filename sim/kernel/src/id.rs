//! Names of nodes, their kinds, and the size of a cluster.

mod cluster;
mod kind;
mod nodes;
pub mod or_none;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use cluster::Cluster;
pub(crate) use kind::is_equal;
pub use kind::{Kind, KindId, NodeName, Side};
pub use nodes::Nodes;

/// One simulated process: the second `redis`, the first client.
///
/// - 16 bits: the kind above, the number in the space of its kind below. Kinds are separate spaces: adding a node of
///   one renames none of another, so no stream moves.
/// - It prints by itself as the letter of its kind and its number: `s1`, `c1`, `r2`. People read and write the name of
///   its kind (`redis2`), for which [`Cluster::name`] has the table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u16);

/// A text that is not the name of a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a node such as s1 or c2, got {0:?}")]
pub struct NodeIdError(pub String);

impl NodeId {
    /// The most nodes of one kind that a cluster may have.
    pub const COUNT_MAX: u16 = 64;

    /// The kind stands above these bits.
    const NUMBER_BITS: u32 = 8;

    /// The node of this kind with this number, counted from 1.
    ///
    /// # Panics
    /// If the number is 0 or above [`NodeId::COUNT_MAX`].
    #[inline]
    pub const fn new(kind: KindId, number: u16) -> Self {
        assert!(number >= 1 && number <= Self::COUNT_MAX, "nodes of a kind are numbered from 1 to 64");
        Self((kind.0 as u16) << Self::NUMBER_BITS | number)
    }

    /// The server with this number, counted from 1.
    ///
    /// # Panics
    /// If the number is 0 or above [`NodeId::COUNT_MAX`].
    pub const fn server(number: u16) -> Self {
        Self::new(KindId::SERVER, number)
    }

    /// The client with this number, counted from 1.
    ///
    /// # Panics
    /// If the number is 0 or above [`NodeId::COUNT_MAX`].
    pub const fn client(number: u16) -> Self {
        Self::new(KindId::CLIENT, number)
    }

    /// The kind of process.
    #[inline]
    pub const fn kind(self) -> KindId {
        KindId((self.0 >> Self::NUMBER_BITS) as u8)
    }

    /// Whether the node is of this kind.
    #[inline]
    pub const fn is(self, kind: KindId) -> bool {
        self.kind().0 == kind.0
    }

    /// Whether this is a client: of the kind [`Kind::CLIENT`]. A system with kinds of its own asks for the kind, or,
    /// for the side, [`Cluster::is_client`].
    #[inline]
    pub const fn is_client(self) -> bool {
        self.is(KindId::CLIENT)
    }

    /// Whether this is a server: of the kind [`Kind::SERVER`]. A system with kinds of its own asks for the kind, or,
    /// for the side, [`Cluster::is_server`].
    #[inline]
    pub const fn is_server(self) -> bool {
        self.is(KindId::SERVER)
    }

    /// The number in the space of its kind, counted from 1.
    #[inline]
    pub const fn number(self) -> u16 {
        self.0 & ((1 << Self::NUMBER_BITS) - 1)
    }

    /// The key of this node's streams: never a position, never dependent on a count. It fits into 16 bits.
    #[inline]
    pub const fn key(self) -> u64 {
        self.word() as u64
    }

    /// The id in digests and binary formats. The highest bit alone stands for clients.
    #[inline]
    const fn word(self) -> u16 {
        if self.is_client() { CLIENT_WORD | self.number() } else { self.0 }
    }

    fn of_word(word: u16) -> Option<Self> {
        let number = word & ((1 << Self::NUMBER_BITS) - 1);
        let kind = match word - number {
            CLIENT_WORD => KindId::CLIENT,
            0 => KindId::SERVER,
            other => {
                let letter = u8::try_from(other >> Self::NUMBER_BITS).ok().filter(|code| *code <= 26)?;
                KindId::of_letter(b'a' + letter - 1)
            }
        };
        let id = (1..=Self::COUNT_MAX).contains(&number).then(|| Self::new(kind, number))?;
        // The letters of servers and clients have no second code.
        (id.word() == word).then_some(id)
    }
}

/// What stands above the number of a client in digests and keys.
const CLIENT_WORD: u16 = 0x8000;

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}{}", self.kind().letter(), self.number()))
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
        let (letter, number) = text.split_at_checked(1).ok_or_else(refuse)?;
        let letter = letter.bytes().next().filter(u8::is_ascii_lowercase).ok_or_else(refuse)?;
        let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) && !number.starts_with('0');
        let number: u16 = number.parse().map_err(|_| refuse())?;
        match plain && number <= Self::COUNT_MAX {
            true => Ok(Self::new(KindId::of_letter(letter), number)),
            false => Err(refuse()),
        }
    }
}

impl Serialize for NodeId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_u16(self.word())
        }
    }
}

impl<'de> Deserialize<'de> for NodeId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
        } else {
            Self::of_word(u16::deserialize(deserializer)?).ok_or_else(|| serde::de::Error::custom("not a node"))
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
