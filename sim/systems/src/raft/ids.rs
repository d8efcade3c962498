//! Terms, positions in the log, and sets of servers: the small values that everything else is made of.

use std::fmt;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::serde::{Deserialize, Serialize};

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
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct ServerSet(u64);

impl ServerSet {
    /// Nobody.
    pub const EMPTY: Self = Self(0);

    const fn bit(server: NodeId) -> u64 {
        assert!(server.is_server(), "a set of servers holds no client");
        1 << (server.number() - 1)
    }

    /// Adds a server.
    pub const fn insert(&mut self, server: NodeId) {
        self.0 |= Self::bit(server);
    }

    /// Takes a server out.
    pub const fn remove(&mut self, server: NodeId) {
        self.0 &= !Self::bit(server);
    }

    /// Whether the server is in it. A client never is.
    #[inline]
    pub const fn contains(self, node: NodeId) -> bool {
        node.is_server() && self.0 & Self::bit(node) != 0
    }

    /// The set without this server.
    pub const fn without(self, server: NodeId) -> Self {
        Self(self.0 & !Self::bit(server))
    }

    /// Those in both.
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// How many.
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether nobody is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// In order of number.
    #[inline]
    pub fn iter(self) -> impl Iterator<Item = NodeId> + Clone {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            if rest == 0 {
                return None;
            }
            let number = rest.trailing_zeros() as u16 + 1;
            rest &= rest - 1;
            Some(NodeId::server(number))
        })
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
