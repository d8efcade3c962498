//! Snapshot soundness (Raft §7; RedisRaft #43 to #53): what a snapshot holds is what the log up to its last entry
//! makes.
//!
//! Two snapshots of one place are equal, whoever took them and whoever received them; nobody takes one of what was
//! never applied; and one that is installed takes nothing back: it covers more than what the server had committed.

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::Instant;

use crate::raft::facts::ImageKind;
use crate::raft::ids::{Index, Position};

use super::frame::slot;
use super::index::SNAPSHOT_SOUNDNESS;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "snapshot_soundness",
    doc: "Snapshots of one place are equal, cover only what was applied, and take nothing back.",
    source: "Raft §7; RedisRaft #43, #44, #45",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// The first snapshot of each place, and how far each server has committed.
#[derive(Clone, Debug)]
pub(super) struct Images {
    first: BTreeMap<Index, Image>,
    committed: Vec<Index>,
}

#[derive(Clone, Copy, Debug)]
struct Image {
    last: Position,
    state: u64,
    server: NodeId,
    at: Instant,
}

impl Images {
    pub(super) fn new(servers: usize) -> Self {
        Self { first: BTreeMap::new(), committed: vec![Index::ZERO; servers] }
    }

    /// A server starts: it knows nothing to be committed.
    pub(super) fn restart(&mut self, server: NodeId) {
        self.committed[slot(server)] = Index::ZERO;
    }

    /// A server commits up to here.
    pub(super) fn commit(&mut self, server: NodeId, index: Index) {
        self.committed[slot(server)] = index;
    }

    /// A server has a snapshot; `applied` is the last place that any server has applied.
    pub(super) fn image(
        &mut self,
        server: NodeId,
        kind: ImageKind,
        (last, state): (Position, u64),
        applied: Index,
        at: Instant,
        findings: &mut Findings,
    ) {
        findings.check(SNAPSHOT_SOUNDNESS, Some(server), last.index <= applied, || {
            format!("{server} {kind} a snapshot up to {last} at {at}; nobody has applied more than {applied}")
        });
        let committed = &mut self.committed[slot(server)];
        let before = *committed;
        // One that is taken covers what is applied, which may be less than what is committed.
        *committed = before.max(last.index);
        if kind == ImageKind::Installed {
            findings.check(SNAPSHOT_SOUNDNESS, Some(server), last.index > before, || {
                format!("{server} installs a snapshot up to {last} at {at}; it had committed up to {before}")
            });
        }
        let first = *self.first.entry(last.index).or_insert(Image { last, state, server, at });
        findings.check(SNAPSHOT_SOUNDNESS, Some(server), (first.last, first.state) == (last, state), || {
            let Image { last: theirs, server: other, at: before, .. } = first;
            let own = format!("{server} {kind} a snapshot up to {last} at {at}");
            format!("{own}; it is not the one up to {theirs} that {other} had at {before}")
        });
    }

    /// No server has need of the log before this place any more.
    pub(super) fn forget_before(&mut self, index: Index) {
        self.first = self.first.split_off(&index);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, millis, s};
    use super::*;
    use crate::raft::ids::Term;

    const fn at(term: u64, index: u64) -> Position {
        Position { term: Term(term), index: Index(index) }
    }

    struct Story(Images, Findings);

    impl Story {
        fn new() -> Self {
            Self(Images::new(3), all_on())
        }

        fn image(&mut self, server: u16, kind: ImageKind, last: Position, state: u64) -> bool {
            self.0.image(s(server), kind, (last, state), Index(50), millis(10), &mut self.1);
            self.1.is_broken()
        }
    }

    #[test]
    fn equal_snapshots_of_one_place_are_right() {
        let mut story = Story::new();
        assert!(!story.image(1, ImageKind::Taken, at(2, 40), 7));
        assert!(!story.image(2, ImageKind::Taken, at(2, 40), 7));
        assert!(!story.image(3, ImageKind::Installed, at(2, 40), 7));
        story.0.restart(s(3));
        assert!(!story.image(3, ImageKind::Restored, at(2, 40), 7));
        assert!(!story.image(1, ImageKind::Taken, at(2, 45), 9));
    }

    #[test]
    fn a_snapshot_with_another_state_or_another_last_entry_is_found() {
        for (last, state) in [(at(2, 40), 8), (at(3, 40), 7)] {
            let mut story = Story::new();
            story.image(1, ImageKind::Taken, at(2, 40), 7);
            assert!(story.image(2, ImageKind::Taken, last, state));
        }
        let mut story = Story::new();
        story.image(1, ImageKind::Taken, at(2, 40), 7);
        story.image(2, ImageKind::Restored, at(2, 40), 8);
        let facts = "s2 starts from a snapshot up to 40@2 at 0.010000s; \
                     it is not the one up to 40@2 that s1 had at 0.010000s";
        assert_eq!(broken(&story.1), (SNAPSHOT_SOUNDNESS, facts));
    }

    #[test]
    fn a_snapshot_of_what_nobody_applied_is_found() {
        let mut story = Story::new();
        assert!(story.image(1, ImageKind::Taken, at(2, 51), 7));
        let facts = "s1 takes a snapshot up to 51@2 at 0.010000s; nobody has applied more than 50";
        assert_eq!(broken(&story.1).1, facts);
    }

    #[test]
    fn a_snapshot_that_takes_back_what_was_committed_is_found() {
        let mut story = Story::new();
        story.0.commit(s(2), Index(44));
        assert!(story.image(2, ImageKind::Installed, at(2, 40), 7));
        let facts = "s2 installs a snapshot up to 40@2 at 0.010000s; it had committed up to 44";
        assert_eq!(broken(&story.1).1, facts);
    }

    #[test]
    fn a_snapshot_that_is_taken_lowers_nothing() {
        let mut story = Story::new();
        story.0.commit(s(2), Index(44));
        assert!(!story.image(2, ImageKind::Taken, at(2, 38), 7), "it has not applied more yet");
        assert!(story.image(2, ImageKind::Installed, at(2, 40), 9));
        let facts = "s2 installs a snapshot up to 40@2 at 0.010000s; it had committed up to 44";
        assert_eq!(broken(&story.1).1, facts);
    }

    #[test]
    fn what_nobody_needs_is_forgotten() {
        let mut story = Story::new();
        for index in 1..=50 {
            story.image(1, ImageKind::Taken, at(2, index), index);
        }
        story.0.forget_before(Index(48));
        assert_eq!(story.0.first.len(), 3);
    }
}
