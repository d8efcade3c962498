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

/// One process of an identity, as it names itself: the chunk `2` in its incarnation `5` is `2.5`, and `2.5.1` after its
/// user has stopped it once and had it go on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Instance {
    chunk: u16,
    incarnation: u32,
    resumed: u16,
}

impl Instance {
    /// The process of this chunk in this incarnation.
    pub const fn of(chunk: u16, incarnation: u32) -> Self {
        Self { chunk, incarnation, resumed: 0 }
    }

    /// The chunk that it is a process of. Of two instances of one chunk the later one is greater.
    pub const fn chunk(self) -> u16 {
        self.chunk
    }

    /// The same process after its user has stopped it and had it go on: to masters it is another one.
    #[must_use]
    pub const fn resumed(self) -> Self {
        Self { resumed: self.resumed.saturating_add(1), ..self }
    }

    const fn word(self) -> u64 {
        (self.chunk as u64) << 48 | (self.incarnation as u64) << 16 | self.resumed as u64
    }

    const fn of_word(word: u64) -> Self {
        Self { chunk: (word >> 48) as u16, incarnation: (word >> 16) as u32, resumed: word as u16 }
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.chunk, self.incarnation)?;
        if self.resumed > 0 {
            write!(f, ".{}", self.resumed)?;
        }
        Ok(())
    }
}

impl Serialize for Instance {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { self.word().serialize(serializer) }
    }
}

impl<'de> Deserialize<'de> for Instance {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use splitbrain_kernel::serde::de::Error;
        if !deserializer.is_human_readable() {
            return u64::deserialize(deserializer).map(Self::of_word);
        }
        let text = String::deserialize(deserializer)?;
        let read = || {
            let (chunk, rest) = text.split_once('.')?;
            let (incarnation, resumed) = rest.split_once('.').unwrap_or((rest, "0"));
            let resumed = resumed.parse().ok()?;
            Some(Self { chunk: chunk.parse().ok()?, incarnation: incarnation.parse().ok()?, resumed })
        };
        read().ok_or_else(|| D::Error::custom(format!("expected 2.5 or 2.5.1, got {text:?}")))
    }
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
