//! The configurations of one log: that of its base, and those that its entries bring.

use crate::raft::configuration::Members;
use crate::raft::ids::{Index, ServerSet};

/// The configurations that a server's log has.
///
/// - There is always one: that of the base of the log, which the snapshot brings, or the one that all began with, at
///   place 0.
/// - They are in order of place.
/// - The one behind the place `certain` and those before it are committed, whatever the commit index says: a leader
///   appends one only once the one before is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memberships {
    initial: Members,
    entries: Vec<(Index, Members)>,
    certain: Index,
}

impl Memberships {
    /// Before any change.
    pub(in crate::raft) fn new(initial: Members) -> Self {
        Self { initial, entries: vec![(Index::ZERO, initial)], certain: Index::ZERO }
    }

    /// A snapshot takes the place of the log: it carries this one, or none if nothing was ever changed.
    pub(in crate::raft) fn restart_with(&mut self, carried: Option<(Index, Members)>) {
        let base = carried.unwrap_or((Index::ZERO, self.initial));
        self.entries.clear();
        self.entries.push(base);
        self.certain = base.0;
    }

    /// The log has one more entry that brings a configuration.
    pub(in crate::raft) fn append(&mut self, index: Index, members: Members) {
        let (last, _) = self.last();
        assert!(index > last, "configurations are appended in order");
        self.certain = self.certain.max(last);
        self.entries.push((index, members));
    }

    /// The log has no entries from this place on any more. Returns whether a configuration went with them.
    pub(in crate::raft) fn truncate_from(&mut self, from: Index) -> bool {
        let before = self.entries.len();
        self.entries.retain(|(index, _)| *index < from || *index == Index::ZERO);
        assert!(!self.entries.is_empty(), "the configuration of the base of the log stays");
        self.entries.len() < before
    }

    /// The log begins behind this place now.
    pub(in crate::raft) fn compact(&mut self, base: Index) {
        let (first, _) = self.at(base);
        self.entries.retain(|(index, _)| *index >= first);
    }

    /// The last one at or before this place.
    pub(in crate::raft) fn at(&self, index: Index) -> (Index, Members) {
        let earlier = self.entries.iter().rev().find(|(at, _)| *at <= index);
        *earlier.unwrap_or(&self.entries[0])
    }

    /// The last one of the log.
    pub fn last(&self) -> (Index, Members) {
        *self.entries.last().expect("there is always one")
    }

    /// The place of the last one; [`Index::ZERO`] if nothing was ever changed.
    #[inline]
    pub fn last_index(&self) -> Index {
        self.last().0
    }

    /// Who votes by the last one, or by the one before while that may still be taken back.
    pub fn electors(&self) -> ServerSet {
        let behind = self.entries.iter().filter(|(index, _)| *index >= self.certain);
        behind.map(|(_, members)| members.electors()).fold(ServerSet::EMPTY, ServerSet::union)
    }

    /// Those behind one place up to another.
    pub(in crate::raft) fn between(&self, after: Index, through: Index) -> Vec<(Index, Members)> {
        self.entries.iter().filter(|(index, _)| *index > after && *index <= through).copied().collect()
    }

    /// The last one that is known to be committed, by a server that has committed this much.
    pub(in crate::raft) fn committed(&self, commit: Index) -> (Index, Members) {
        self.at(commit.max(self.certain))
    }

    /// Whether the last one is not known to be committed.
    pub(in crate::raft) fn is_pending(&self, commit: Index) -> bool {
        self.last_index() > commit
    }
}

#[cfg(test)]
mod tests {
    use splitbrain_kernel::id::NodeId;

    use super::*;

    fn voters(servers: &[u16]) -> Members {
        Members::of_voters(servers.iter().map(|server| NodeId::server(*server)).collect())
    }

    fn history() -> Memberships {
        let mut memberships = Memberships::new(voters(&[1, 2, 3]));
        memberships.append(Index(4), voters(&[1, 2, 3, 4]));
        memberships.append(Index(9), voters(&[2, 3, 4]));
        memberships
    }

    #[test]
    fn the_configuration_of_a_place_is_the_last_one_before_it() {
        let history = history();
        let at = |index| history.at(Index(index)).0.0;
        assert_eq!([at(0), at(3), at(4), at(8), at(9), at(99)], [0, 0, 4, 4, 9, 9]);
        assert_eq!(history.between(Index(0), Index(8)), [(Index(4), voters(&[1, 2, 3, 4]))]);
    }

    #[test]
    fn a_truncated_log_reverts_to_the_configuration_before() {
        let mut history = history();
        assert!(!history.truncate_from(Index(10)));
        assert!(history.truncate_from(Index(9)));
        assert_eq!(history.last(), (Index(4), voters(&[1, 2, 3, 4])));
        assert!(history.truncate_from(Index(1)));
        assert_eq!(history.last(), (Index(0), voters(&[1, 2, 3])));
    }

    #[test]
    fn a_configuration_that_another_follows_is_committed_for_certain() {
        let mut history = history();
        assert_eq!(history.committed(Index(0)).0, Index(4));
        assert_eq!(history.committed(Index(9)).0, Index(9));
        history.truncate_from(Index(9));
        assert_eq!(history.committed(Index(0)).0, Index(4), "what was certain stays so");
    }

    #[test]
    fn a_compacted_log_keeps_the_configuration_of_its_base() {
        let mut history = history();
        history.compact(Index(6));
        assert_eq!(history.at(Index(6)).0, Index(4));
        assert_eq!(history.between(Index(0), Index(99)).len(), 2);
        history.compact(Index(9));
        assert_eq!(history.between(Index(0), Index(99)), [(Index(9), voters(&[2, 3, 4]))]);
    }

    #[test]
    fn a_snapshot_takes_the_place_of_all() {
        let mut history = history();
        history.restart_with(Some((Index(20), voters(&[4]))));
        assert_eq!((history.last(), history.committed(Index(0)).0), ((Index(20), voters(&[4])), Index(20)));
        history.restart_with(None);
        assert_eq!(history.last(), (Index(0), voters(&[1, 2, 3])));
    }
}
