//! The small values of the session system: sessions, the processes that use them, targets and their tokens.

use std::fmt;

use splitbrain_kernel::id::{KindId, NodeId};
use splitbrain_kernel::serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Processes with a session master in them: `meta1`, …
pub const META: KindId = KindId::of_letter(b'm');
/// Processes that serve targets under a session: `chunk1`, …
pub const CHUNK: KindId = KindId::of_letter(b'k');
/// Processes that store what is written to targets: `volume1`, …
pub const VOLUME: KindId = KindId::of_letter(b'v');

/// A session, named for ever: no number of a master is given out twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId {
    /// The number of the master that created it.
    pub master: u16,
    /// Counted by the master, from 1.
    pub number: u32,
}

impl SessionId {
    /// The master's node.
    pub const fn master_node(self) -> NodeId {
        NodeId::new(META, self.master)
    }

    const fn word(self) -> u64 {
        (self.master as u64) << 32 | self.number as u64
    }

    const fn of_word(word: u64) -> Self {
        Self { master: (word >> 32) as u16, number: word as u32 }
    }
}

/// `1#3`: the third session of the first master.
impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}#{}", self.master, self.number))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// Text where people read, one word in digests and binary formats.
impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_u64(self.word())
        }
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use splitbrain_kernel::serde::de::Error;
        if !deserializer.is_human_readable() {
            return u64::deserialize(deserializer).map(Self::of_word);
        }
        let text = String::deserialize(deserializer)?;
        let parts =
            text.split_once('#').and_then(|(master, number)| Some((master.parse().ok()?, number.parse().ok()?)));
        let (master, number) = parts.ok_or_else(|| D::Error::custom(format!("expected 1#3, got {text:?}")))?;
        Ok(Self { master, number })
    }
}

macro_rules! number {
    ($(#[doc = $doc:literal])+ $name:ident($inner:ty)) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
        #[serde(crate = "splitbrain_kernel::serde")]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

number! {
    /// A chunk as its masters know it over all its restarts: a machine's uuid.
    Identity(u16)
}

number! {
    /// One process of an identity: a number that it draws when it starts.
    Instance(u32)
}

number! {
    /// Counts the instances of an identity at one master: each new one gets the next.
    Epoch(u32)
}

number! {
    /// What is served by one chunk at a time: an iSCSI target.
    Resource(u16)
}

number! {
    /// The number of a grant of a target. A later grant of any target of a master has a greater one.
    Token(u64)
}

number! {
    /// Counts the times that a master began to lead.
    Term(u64)
}

impl Resource {
    /// The master that grants it, of this many.
    pub const fn master(self, masters: u16) -> u16 {
        (self.0 - 1) % masters + 1
    }

    /// The volume that stores it, of this many.
    pub const fn volume(self, volumes: u16) -> NodeId {
        NodeId::new(VOLUME, (self.0 - 1) % volumes + 1)
    }
}

/// The name of a session item. Items say what a chunk is and has; they live as long as its session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum ItemKey {
    /// Which machine the chunk runs on.
    MachineUuid,
    /// The address of its data network.
    DataIp,
    /// That it exports by NFS, and where.
    NfsAccessPoint,
    /// That it serves this target. Of each target there is one such item among all sessions.
    Target(Resource),
}

impl fmt::Display for ItemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MachineUuid => f.pad("machine uuid"),
            Self::DataIp => f.pad("data ip"),
            Self::NfsAccessPoint => f.pad("nfs access point"),
            Self::Target(resource) => f.pad(&format!("target {resource}")),
        }
    }
}

/// An item with its value.
pub type Item = (ItemKey, u64);
