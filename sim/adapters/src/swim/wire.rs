//! Who members are, what they say to one another, and what is observed of them.

use std::fmt;

use foca::{Codec as _, Header, Notification, PostcardCodec};
use serde::{Deserialize, Serialize};
use splitbrain::kernel::prelude::{Change, Datum, Face, Message, NodeId, Observation};

use super::member::{Life, Member};
use crate::names::place;

/// What the library says of another member.
type Update = foca::Member<Identity>;

/// Who a member is. No two processes ever have the same one, and a process that was declared down takes the next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identity {
    /// The address.
    pub node: NodeId,
    /// The number of the process at this address, from 1; 0 if it is not known.
    pub life: u32,
    /// How often this process has renewed its identity.
    pub renewal: u32,
}

impl foca::Identity for Identity {
    type Addr = NodeId;

    fn renew(&self) -> Option<Self> {
        Some(Self { renewal: self.renewal + 1, ..*self })
    }

    fn addr(&self) -> NodeId {
        self.node
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self > adversary
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}.{}", self.node, self.life, self.renewal)
    }
}

// The library's log lines have the debug form.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A datagram of the library, decoded: faults can be narrowed to a kind, invariants see who speaks, and people can read
/// it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Packet {
    /// From whom, to whom, and what.
    pub header: Header<Identity>,
    /// What it says about others along with that; `None` for kinds that never do.
    pub updates: Option<Vec<Update>>,
}

impl Packet {
    /// The packet that the library has encoded.
    ///
    /// # Panics
    /// If it has not.
    pub(super) fn decode(bytes: &[u8]) -> Self {
        let mut rest = bytes;
        let header = PostcardCodec.decode_header(&mut rest).expect("the library begins with a header");
        let updates = rest.split_first_chunk().map(|(count, mut rest)| {
            let next = |_| PostcardCodec.decode_member(&mut rest).expect("the library counts the members that follow");
            let updates = (0..u16::from_be_bytes(*count)).map(next).collect();
            assert!(rest.is_empty(), "there are no custom broadcasts");
            updates
        });
        Self { header, updates }
    }

    /// The same bytes as the library made.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        PostcardCodec.encode_header(&self.header, &mut bytes).expect("memory has no end");
        if let Some(updates) = &self.updates {
            let count = u16::try_from(updates.len()).expect("it was counted by a u16");
            bytes.extend(count.to_be_bytes());
            for update in updates {
                PostcardCodec.encode_member(update, &mut bytes).expect("memory has no end");
            }
        }
        bytes
    }
}

impl Message for Packet {
    const KINDS: &'static [&'static str] = &[
        "ping",
        "ack",
        "ping_req",
        "indirect_ping",
        "indirect_ack",
        "forwarded_ack",
        "announce",
        "feed",
        "gossip",
        "broadcast",
        "turn_undead",
    ];

    fn kind(&self) -> usize {
        match self.header.message {
            foca::Message::Ping(_) => const { place(Self::KINDS, "ping") },
            foca::Message::Ack(_) => const { place(Self::KINDS, "ack") },
            foca::Message::PingReq { .. } => const { place(Self::KINDS, "ping_req") },
            foca::Message::IndirectPing { .. } => const { place(Self::KINDS, "indirect_ping") },
            foca::Message::IndirectAck { .. } => const { place(Self::KINDS, "indirect_ack") },
            foca::Message::ForwardedAck { .. } => const { place(Self::KINDS, "forwarded_ack") },
            foca::Message::Announce => const { place(Self::KINDS, "announce") },
            foca::Message::Feed => const { place(Self::KINDS, "feed") },
            foca::Message::Gossip => const { place(Self::KINDS, "gossip") },
            foca::Message::Broadcast => const { place(Self::KINDS, "broadcast") },
            foca::Message::TurnUndead => const { place(Self::KINDS, "turn_undead") },
        }
    }

    fn wire_size(&self) -> u32 {
        u32::try_from(self.encode().len()).expect("the library keeps to `max_packet_size`")
    }
}

/// What is observed of a member: notifications and errors of the library.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are what their names say")]
pub enum Observed {
    /// It has a new Foca, with this identity.
    Made { identity: Identity },
    /// It has learned of this member.
    Up { member: Identity },
    /// It knows now that this member is down.
    Down { member: Identity },
    /// A member has a new identity.
    Renamed { before: Identity, after: Identity },
    /// Some member is active.
    Active,
    /// No member is active.
    Idle,
    /// It was declared down, and has no other identity.
    Defunct,
    /// It was declared down, and goes on with this identity.
    Renewed { identity: Identity },
    /// The library returned an error.
    Failed { error: String },
}

impl From<Notification<'_, Identity>> for Observed {
    fn from(notification: Notification<'_, Identity>) -> Self {
        match notification {
            Notification::MemberUp(member) => Self::Up { member: *member },
            Notification::MemberDown(member) => Self::Down { member: *member },
            Notification::Rename(before, after) => Self::Renamed { before: *before, after: *after },
            Notification::Active => Self::Active,
            Notification::Idle => Self::Idle,
            Notification::Defunct => Self::Defunct,
            Notification::Rejoin(identity) => Self::Renewed { identity: *identity },
        }
    }
}

impl Observation for Observed {
    const NAMES: &'static [&'static str] = &[
        "foca made",
        "member up",
        "member down",
        "member renamed",
        "active",
        "idle",
        "defunct",
        "identity renewed",
        "foca failed",
    ];

    fn face(&self) -> Face {
        let plain = |name| Face::new(name, Change::None);
        let role = |name, role| Face::new(name, Change::Role { role, rank: 0 });
        match self {
            Self::Made { .. } => role("foca made", "idle"),
            Self::Up { .. } => plain("member up"),
            Self::Down { .. } => plain("member down"),
            Self::Renamed { .. } => plain("member renamed"),
            Self::Active => role("active", "active"),
            Self::Idle => role("idle", "idle"),
            Self::Defunct => role("defunct", "defunct"),
            Self::Renewed { .. } => plain("identity renewed"),
            Self::Failed { .. } => plain("foca failed"),
        }
    }
}

/// The short form of a value: identities are written `address/life.renewal`.
pub(super) fn brief(datum: Datum<'_, Member>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match datum {
        Datum::Message(packet) => packet_brief(packet, f),
        Datum::Record(Life(life)) => write!(f, "life {life}"),
        Datum::Observation(Observed::Made { identity } | Observed::Renewed { identity }) => write!(f, "{identity}"),
        Datum::Observation(Observed::Up { member } | Observed::Down { member }) => write!(f, "{member}"),
        Datum::Observation(Observed::Renamed { before, after }) => write!(f, "{before} is {after}"),
        Datum::Observation(Observed::Active | Observed::Idle | Observed::Defunct) => Ok(()),
        Datum::Observation(Observed::Failed { error }) => f.write_str(error),
        Datum::File(_) => f.write_str("life"),
        other => other.derived(f),
    }
}

fn packet_brief(packet: &Packet, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Header { src, src_incarnation, dst, message } = &packet.header;
    match message {
        foca::Message::PingReq { target, .. } => write!(f, "for {target} ")?,
        foca::Message::IndirectPing { origin, .. } | foca::Message::ForwardedAck { origin, .. } => {
            write!(f, "of {origin} ")?;
        }
        foca::Message::IndirectAck { target, .. } => write!(f, "for {target} ")?,
        _ => {}
    }
    write!(f, "{src} at {src_incarnation} to {dst}")?;
    for (at, update) in packet.updates.iter().flatten().enumerate() {
        let state = match update.state() {
            foca::State::Alive => "alive",
            foca::State::Suspect => "suspect",
            foca::State::Down => "down",
        };
        write!(f, "{} {} {state} at {}", if at > 0 { "," } else { ":" }, update.id(), update.incarnation())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(server: u16) -> Identity {
        Identity { node: NodeId::server(server), life: 300, renewal: 2 }
    }

    fn packet(message: foca::Message<Identity>, updates: Option<Vec<Update>>) -> Packet {
        let header = Header { src: identity(1), src_incarnation: 7, dst: identity(2), message };
        Packet { header, updates }
    }

    #[test]
    fn a_packet_is_encoded_as_it_was() {
        let updates = vec![Update::alive(identity(3)), Update::new(identity(4), 513, foca::State::Down)];
        for packet in [
            packet(foca::Message::TurnUndead, None),
            packet(foca::Message::Ping(9), Some(Vec::new())),
            packet(foca::Message::PingReq { target: identity(5), probe_number: 1 }, Some(updates)),
        ] {
            assert_eq!(Packet::decode(&packet.encode()), packet);
        }
    }

    #[test]
    fn each_name_has_one_variant() {
        let identity = identity(1);
        let all = [
            Observed::Made { identity },
            Observed::Up { member: identity },
            Observed::Down { member: identity },
            Observed::Renamed { before: identity, after: identity },
            Observed::Active,
            Observed::Idle,
            Observed::Defunct,
            Observed::Renewed { identity },
            Observed::Failed { error: String::new() },
        ];
        assert_eq!(all.map(|observed| observed.face().name), Observed::NAMES);
    }

    #[test]
    fn a_later_life_wins_over_every_renewal_of_an_earlier_one() {
        use foca::Identity as _;
        let (renewed, later) =
            (identity(1).renew().expect("always"), Identity { life: 301, renewal: 0, ..identity(1) });
        assert!(renewed.win_addr_conflict(&identity(1)) && later.win_addr_conflict(&renewed));
        assert!(!renewed.win_addr_conflict(&later));
    }
}
