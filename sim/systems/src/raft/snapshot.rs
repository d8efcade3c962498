//! Snapshots: what a state machine was after one entry of the log, in place of that entry and all before it (§7).
//!
//! A snapshot is a sequence of items, and travels in parts of a bounded size:
//!
//! ```text
//!   leader     part 0: items 0..7 ──▶              part 1: items 7..12 ──▶                 goes on behind `last`
//!   follower                         writes it, ──▶ next: 7               … ──▶ installed
//! ```
//!
//! The follower keeps the parts on its disk, and says which item it wants next: after a crash, after lost packets and
//! under another leader with the same snapshot it goes on where it was. `installation.rs` has the rules.

use std::sync::Arc;

use splitbrain_kernel::digest;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::WriteId;
use splitbrain_kernel::serde::{Deserialize, Serialize};

use super::configuration::Members;
use super::ids::{Index, Position, Term};
use super::kv::Piece;
use super::message::Payload;

/// A piece of the state of a state machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum Item<C = u64> {
    /// The fingerprint of all entries that were applied.
    Chain(u64),
    /// A register that is set.
    Register {
        /// Which one.
        at: u8,
        /// Its value.
        value: C,
    },
    /// A piece of the key-value store.
    Kv(Piece),
    /// The configuration, and the place of the entry that brought it. Absent before the first change.
    Members {
        /// The place.
        index: Index,
        /// The configuration.
        members: Box<Members>,
    },
    /// A piece of a state machine around the server, as one of its own commands ([`super::machine`]).
    Outside(C),
}

/// A snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct Snapshot<C = u64> {
    /// The last entry that it covers.
    pub last: Position,
    /// The state of the state machine after that entry.
    pub items: Vec<Item<C>>,
}

impl<C: Payload> Snapshot<C> {
    /// A fingerprint of its content: two snapshots of one place have the same.
    pub fn fingerprint(&self) -> u64 {
        digest::fingerprint(0, self)
    }

    /// The configuration that it carries, if there was a change before it, with the place of its entry.
    pub(super) fn members(&self) -> Option<(Index, Members)> {
        self.items.iter().find_map(|item| match item {
            Item::Members { index, members } => Some((*index, **members)),
            _ => None,
        })
    }

    /// The part from this item on, of at most this many bytes and at least one item.
    pub(super) fn part(&self, term: Term, offset: u64, bytes_max: u64) -> SnapshotPart<C> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.items.get(at..)).unwrap_or_default();
        let mut bytes = 0;
        let fits = |item: &&Item<C>| {
            bytes += item.size();
            bytes <= bytes_max
        };
        let count = rest.iter().take_while(fits).count().max(1).min(rest.len());
        SnapshotPart { term, last: self.last, offset, total: self.items.len() as u64, items: rest[..count].into() }
    }
}

impl<C: Payload> Item<C> {
    /// The piece of the key-value store that this is.
    pub(super) const fn piece(&self) -> Option<&Piece> {
        if let Self::Kv(piece) = self { Some(piece) } else { None }
    }

    fn size(&self) -> u64 {
        digest::encoded_len(self).unwrap_or(0) as u64
    }
}

/// A part of a snapshot, on its way to a follower.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct SnapshotPart<C = u64> {
    /// The leader's term.
    pub term: Term,
    /// The last entry that the snapshot covers.
    pub last: Position,
    /// Which item is the first of these.
    pub offset: u64,
    /// How many items the whole snapshot has.
    pub total: u64,
    /// The items.
    pub items: Box<[Item<C>]>,
}

impl<C: Payload> SnapshotPart<C> {
    /// Bytes of its items.
    pub(super) fn size(&self) -> u32 {
        u32::try_from(self.items.iter().map(Item::size).sum::<u64>()).unwrap_or(u32::MAX)
    }
}

/// What became of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum PartResult {
    /// It is durable, or does not follow what is there.
    Received {
        /// The part that this answers, by its first item: a late answer is told from a new one.
        at: u64,
        /// The item that the follower wants next.
        next: u64,
    },
    /// The follower has everything that the snapshot covers, durably.
    Installed,
    /// The part came from an earlier term.
    Stale,
}

/// What a follower has of a snapshot that it is being sent.
///
/// - `items.len() < total`: a whole one is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiving<C = u64> {
    /// The term of the leader that began to send it.
    pub term: Term,
    /// The last entry that the snapshot covers.
    pub last: Position,
    /// How many items it has.
    pub total: u64,
    /// Those that are there.
    pub items: Vec<Item<C>>,
}

impl<C: Payload> Receiving<C> {
    /// Nothing yet, of the snapshot that this is a part of.
    pub(super) const fn of(part: &SnapshotPart<C>) -> Self {
        Self { term: part.term, last: part.last, total: part.total, items: Vec::new() }
    }

    /// Whether this is a part of the same snapshot.
    pub(super) fn is_of(&self, part: &SnapshotPart<C>) -> bool {
        (self.last, self.total) == (part.last, part.total)
    }

    /// Whether this is a late part of a snapshot that the same leader has replaced by this one. Another leader may have
    /// an older one.
    pub(super) fn is_newer_than(&self, part: &SnapshotPart<C>) -> bool {
        self.term >= part.term && self.last.index > part.last.index
    }

    /// The item that comes next.
    pub(super) const fn next(&self) -> u64 {
        self.items.len() as u64
    }

    /// Adds a part, if it is what comes next.
    pub(super) fn add(&mut self, part: &SnapshotPart<C>) -> bool {
        let follows = self.is_of(part) && part.offset == self.next() && !part.items.is_empty();
        if follows {
            self.items.extend_from_slice(&part.items);
        }
        follows
    }

    /// Whether nothing is missing.
    pub(super) const fn is_whole(&self) -> bool {
        self.next() >= self.total
    }
}

/// What a server knows of snapshots.
#[derive(Clone, Debug)]
pub(super) struct Snapshots<C = u64> {
    /// Its own last one, which its log is behind.
    pub(super) latest: Option<Arc<Snapshot<C>>>,
    /// One that is on its way to the disk: taken, or received as a whole.
    pub(super) saving: Option<(WriteId, Arc<Snapshot<C>>)>,
    /// One that it is being sent.
    pub(super) receiving: Option<Receiving<C>>,
    /// The write of the last part, until it is durable.
    pub(super) parts_write: Option<WriteId>,
    /// Those that it sends, by follower: a newer one does not begin anew what is half there.
    pub(super) sending: Vec<(NodeId, Arc<Snapshot<C>>)>,
}

impl<C: Payload> Snapshots<C> {
    pub(super) const NONE: Self =
        Self { latest: None, saving: None, receiving: None, parts_write: None, sending: Vec::new() };

    /// The one that this follower is sent: the last one, if it was sent none before.
    pub(super) fn for_follower(&mut self, follower: NodeId) -> Option<Arc<Snapshot<C>>> {
        if let Some((_, snapshot)) = self.sending.iter().find(|(to, _)| *to == follower) {
            return Some(Arc::clone(snapshot));
        }
        let latest = Arc::clone(self.latest.as_ref()?);
        self.sending.push((follower, Arc::clone(&latest)));
        Some(latest)
    }

    /// Whether a write of it is under way.
    #[inline]
    pub(super) const fn awaits_disk(&self) -> bool {
        self.saving.is_some() || self.parts_write.is_some()
    }

    /// Whether this follower is sent the one that covers the log up to this place.
    pub(super) fn sends(&self, follower: NodeId, last: Index) -> bool {
        self.sending.iter().any(|(to, sent)| *to == follower && sent.last.index == last)
    }

    /// This follower needs no more of it.
    #[inline]
    pub(super) fn done_with(&mut self, follower: NodeId) {
        if !self.sending.is_empty() {
            self.sending.retain(|(to, _)| *to != follower);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(registers: u8) -> Snapshot {
        let items = (0..registers).map(|at| Item::Register { at, value: u64::from(at) }).collect();
        Snapshot { last: Position { term: Term(2), index: Index(40) }, items }
    }

    #[test]
    fn parts_are_bounded_and_have_at_least_one_item() {
        let snapshot = snapshot(10);
        let size = snapshot.items[0].size();
        let part = |offset, bytes_max| snapshot.part(Term(3), offset, bytes_max).items.len();
        assert_eq!(part(0, 3 * size), 3);
        assert_eq!(part(9, 3 * size), 1, "what is left");
        assert_eq!(part(0, 1), 1);
        assert_eq!(part(10, 3 * size), 0, "there is no more");
        assert_eq!(part(0, 1 << 40), 10);
    }

    #[test]
    fn the_parts_are_the_snapshot_again() {
        let snapshot = snapshot(10);
        let mut receiving = Receiving::of(&snapshot.part(Term(3), 0, 30));
        while !receiving.is_whole() {
            assert!(receiving.add(&snapshot.part(Term(3), receiving.next(), 30)));
        }
        assert_eq!(Snapshot { last: receiving.last, items: receiving.items }, snapshot);
    }

    #[test]
    fn only_what_comes_next_is_added() {
        let snapshot = snapshot(10);
        let mut receiving = Receiving::of(&snapshot.part(Term(3), 0, 30));
        assert!(!receiving.add(&snapshot.part(Term(3), 2, 30)), "there is a hole before it");
        assert!(receiving.add(&snapshot.part(Term(3), 0, 30)));
        assert!(!receiving.add(&snapshot.part(Term(3), 0, 30)), "it is there");
        let other = Snapshot { last: Position { term: Term(2), index: Index(41) }, ..snapshot };
        let next = receiving.next();
        assert!(!receiving.add(&other.part(Term(3), next, 30)), "it is of another snapshot");
    }

    #[test]
    fn a_late_part_of_the_same_leader_is_told_from_an_older_snapshot_of_another() {
        let (newer, older) =
            (snapshot(3), Snapshot { last: Position { term: Term(2), index: Index(30) }, ..snapshot(3) });
        let receiving = Receiving::of(&newer.part(Term(5), 0, 30));
        assert!(receiving.is_newer_than(&older.part(Term(5), 0, 30)));
        assert!(!receiving.is_newer_than(&older.part(Term(6), 0, 30)));
        assert!(!receiving.is_newer_than(&newer.part(Term(5), 0, 30)));
    }

    #[test]
    fn a_follower_is_sent_one_snapshot_to_its_end() {
        let mut snapshots = Snapshots { latest: Some(Arc::new(snapshot(1))), ..Snapshots::NONE };
        let (s2, s3) = (NodeId::server(2), NodeId::server(3));
        let first = snapshots.for_follower(s2).expect("there is one");
        snapshots.latest = Some(Arc::new(snapshot(2)));
        assert_eq!(snapshots.for_follower(s2), Some(first));
        assert_eq!(snapshots.for_follower(s3), snapshots.latest);
        snapshots.done_with(s2);
        assert_eq!(snapshots.for_follower(s2), snapshots.latest);
    }
}
