//! Terms, positions in the log, and sets of servers: the small values that everything else is made of.

use std::fmt;

use splitbrain_kernel::id::{KindId, NodeId};
use splitbrain_kernel::serde::{Deserialize, Serialize, Serializer};

/// Raft's logical clock (§5.1): each term has at most one leader.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct Term(pub u64);

impl Term {
    /// Before the first election.
    pub const ZERO: Self = Self(0);

    /// The term that a candidate starts after this one. `step` is 1 in the paper; NuRaft lets the application choose
    /// any increasing function (`inc_term_cb_`).
    pub const fn after(self, step: u64) -> Self {
        assert!(step > 0, "a new term is greater than the old one");
        Self(self.0.saturating_add(step))
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A place in the log, counted from 1; 0 is the place before the first entry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct Index(pub u64);

impl Index {
    /// Before the first entry.
    pub const ZERO: Self = Self(0);

    /// The place after this one.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The place before this one; the place before the first has none before it.
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// An entry's name: its term and its place. The order is Raft's up-to-date order (§5.4.1): the later term wins, and
/// within one term the longer log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct Position {
    /// The term of the entry.
    pub term: Term,
    /// Its place.
    pub index: Index,
}

impl Position {
    /// Before the first entry.
    pub const ZERO: Self = Self { term: Term::ZERO, index: Index::ZERO };
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.index, self.term)
    }
}

/// A set of servers, one bit for each number.
///
/// - All are of one kind of process, that of the first that was put in: a Raft inside another system has members of the
///   kind that the system chose, and there may be other kinds beside it.
#[derive(Clone, Copy)]
pub struct ServerSet {
    bits: u64,
    /// Says nothing while the set is empty.
    kind: KindId,
}

impl ServerSet {
    /// No server.
    pub const EMPTY: Self = Self { bits: 0, kind: KindId::SERVER };

    const fn bit(server: NodeId) -> u64 {
        1 << (server.number() - 1)
    }

    /// The bit of the node, if the set is of its kind.
    #[inline]
    const fn own_bit(self, node: NodeId) -> u64 {
        if node.is(self.kind) { Self::bit(node) } else { 0 }
    }

    /// Adds a server.
    ///
    /// # Panics
    /// If the set has servers of another kind.
    pub const fn insert(&mut self, server: NodeId) {
        if self.bits == 0 {
            self.kind = server.kind();
        }
        assert!(server.is(self.kind), "the servers of a set are of one kind");
        self.bits |= Self::bit(server);
    }

    /// Takes a server out.
    pub const fn remove(&mut self, server: NodeId) {
        self.bits &= !self.own_bit(server);
    }

    /// Whether the server is in it. A node of another kind never is.
    #[inline]
    pub const fn contains(self, node: NodeId) -> bool {
        self.bits & self.own_bit(node) != 0
    }

    /// The set without this server.
    pub const fn without(self, server: NodeId) -> Self {
        Self { bits: self.bits & !self.own_bit(server), kind: self.kind }
    }

    /// Those in both.
    ///
    /// # Panics
    /// If both have servers, of different kinds.
    pub const fn intersection(self, other: Self) -> Self {
        let bits = self.bits & other.bits;
        assert!(bits == 0 || self.kind.same(other.kind), "the servers of two sets are of one kind");
        Self { bits, kind: self.kind }
    }

    /// Those in either.
    ///
    /// # Panics
    /// If both have servers, of different kinds.
    pub const fn union(self, other: Self) -> Self {
        if self.bits == 0 {
            return other;
        }
        assert!(other.bits == 0 || self.kind.same(other.kind), "the servers of two sets are of one kind");
        Self { bits: self.bits | other.bits, kind: self.kind }
    }

    /// Those that are not in the other set.
    pub const fn minus(self, other: Self) -> Self {
        let taken = self.intersection(other).bits;
        Self { bits: self.bits & !taken, kind: self.kind }
    }

    /// How many.
    pub const fn len(self) -> usize {
        self.bits.count_ones() as usize
    }

    /// Whether no server is in it.
    pub const fn is_empty(self) -> bool {
        self.bits == 0
    }

    /// In order of number.
    #[inline]
    pub fn iter(self) -> impl Iterator<Item = NodeId> + Clone {
        let Self { mut bits, kind } = self;
        std::iter::from_fn(move || {
            if bits == 0 {
                return None;
            }
            let number = bits.trailing_zeros() as u16 + 1;
            bits &= bits - 1;
            Some(NodeId::new(kind, number))
        })
    }
}

impl Default for ServerSet {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl PartialEq for ServerSet {
    fn eq(&self, other: &Self) -> bool {
        self.bits == other.bits && (self.bits == 0 || self.kind == other.kind)
    }
}

impl Eq for ServerSet {}

/// As its bits, whatever the kind.
impl Serialize for ServerSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.bits)
    }
}

/// A set as the list of its servers, so that it can be read again whatever their kind: for
/// `#[serde(with = "ids::listed")]`.
pub(super) mod listed {
    use splitbrain_kernel::id::NodeId;
    use splitbrain_kernel::serde::{Deserialize, Deserializer, Serializer};

    use super::ServerSet;

    pub(in crate::raft) fn serialize<S: Serializer>(set: &ServerSet, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(set.iter())
    }

    pub(in crate::raft) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<ServerSet, D::Error> {
        let servers = Vec::<NodeId>::deserialize(from)?;
        Ok(servers.into_iter().collect())
    }
}

impl FromIterator<NodeId> for ServerSet {
    fn from_iter<I: IntoIterator<Item = NodeId>>(servers: I) -> Self {
        let mut set = Self::EMPTY;
        for server in servers {
            set.insert(server);
        }
        set
    }
}

impl fmt::Debug for ServerSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_later_term_beats_a_longer_log() {
        let at = |term, index| Position { term: Term(term), index: Index(index) };
        assert!(at(2, 1) > at(1, 9));
        assert!(at(2, 3) > at(2, 2));
        assert!(at(0, 0) == Position::ZERO);
    }

    #[test]
    fn a_set_lists_its_servers_in_order() {
        let servers = [64, 3, 1].map(NodeId::server);
        let set: ServerSet = servers.into_iter().collect();
        let listed: Vec<_> = set.iter().collect();
        assert_eq!(listed, [1, 3, 64].map(NodeId::server));
        assert_eq!(set.without(NodeId::server(3)).len(), 2);
        assert!(!set.contains(NodeId::client(1)), "clients are in no set of servers");
    }

    #[test]
    fn a_set_is_of_the_kind_of_its_servers() {
        let meta = |number| NodeId::new(KindId::of_letter(b'm'), number);
        let set: ServerSet = [meta(2), meta(5)].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [meta(2), meta(5)]);
        assert!(set.contains(meta(2)) && !set.contains(NodeId::server(2)), "another kind with the same number");
        assert_eq!(set.without(NodeId::server(2)), set);
        assert_eq!(set.without(meta(2)).without(meta(5)), ServerSet::EMPTY);
        assert_ne!(set, [2, 5].map(NodeId::server).into_iter().collect());
        assert_eq!(set.intersection([meta(5)].into_iter().collect()).len(), 1);
    }

    #[test]
    fn sets_are_joined_and_taken_apart() {
        let set = |servers: &[u16]| servers.iter().map(|server| NodeId::server(*server)).collect::<ServerSet>();
        assert_eq!(set(&[1, 3]).union(set(&[3, 5])), set(&[1, 3, 5]));
        assert_eq!(ServerSet::EMPTY.union(set(&[2])), set(&[2]));
        assert_eq!(set(&[2]).union(ServerSet::EMPTY), set(&[2]));
        assert_eq!(set(&[1, 3, 5]).minus(set(&[3, 4])), set(&[1, 5]));
        assert_eq!(set(&[1]).minus(ServerSet::EMPTY), set(&[1]));
    }

    proptest! {
        #[test]
        fn a_log_is_as_good_as_another_or_the_other_way(a in (0u64..4, 0u64..4), b in (0u64..4, 0u64..4)) {
            let at = |(term, index)| Position { term: Term(term), index: Index(index) };
            // As §5.4.1 words it.
            let as_good = a.0 > b.0 || (a.0 == b.0 && a.1 >= b.1);
            prop_assert_eq!(at(a) >= at(b), as_good);
            prop_assert!(at(a) >= at(b) || at(b) >= at(a), "of two candidates one can always be voted for");
        }
    }
}
