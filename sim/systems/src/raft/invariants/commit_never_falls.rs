//! The commit index never falls (Raft §5.3, figure 2; ccfraft `MonotonicCommitIndex`; raft.tla #19, whose followers
//! took over the commit index of a late append): while a server's process runs, it only grows. What is applied is
//! committed, and what is committed is in the log (canonical/raft #355).
//!
//! It is asked after each input with which a server said or wrote something. A process that starts begins anew: which
//! part of its log is committed it learns again.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::view::View;

use crate::raft::facts::{ImageKind, RaftFacts, Told};
use crate::raft::ids::{Index, Position};

use super::frame::{Frame, slot};
use super::index::COMMIT_NEVER_FALLS;
use super::leadership::server as server_of;
use super::watch::{Scene, Watch};

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "commit_never_falls",
    doc: "A server's commit index never falls while its process runs; what is applied is committed, and in the log.",
    source: "Raft §5.3; ccfraft MonotonicCommitIndex, raft.tla #19",
    kind: InvariantKind::Safety,
    sight: Sight::WhiteBox,
};

/// How far each server has come since its start, by slot.
#[derive(Clone, Debug)]
pub(super) struct CommitIndexes(Vec<Known>);

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    commit: Index,
    applied: Index,
}

impl<N: RaftFacts> Watch<N> for CommitIndexes {
    fn new(frame: &Frame) -> Self {
        Self(vec![Known::default(); frame.server_count])
    }

    fn on_start(&mut self, _: Scene<'_>, _: impl View<N>, server: NodeId, _: &mut Findings) {
        self.restart(server);
    }

    fn on_told(&mut self, _: Scene<'_>, _: impl View<N>, server: NodeId, told: &Told<'_, N::Entry>, _: &mut Findings) {
        match told {
            Told::Applied { index, .. } => self.apply(server, *index),
            Told::Image { kind: ImageKind::Installed | ImageKind::Restored, last, .. } => {
                self.apply(server, last.index);
            }
            _ => {}
        }
    }

    fn on_step(&mut self, _: Scene<'_>, view: impl View<N>, server: NodeId, findings: &mut Findings) {
        let Some(facts) = server_of(&view, server).filter(|_| findings.is_on(COMMIT_NEVER_FALLS)) else { return };
        match facts.commit.zip(facts.last) {
            Some((commit, last)) => self.look(server, commit, last, findings),
            None => findings.lacks(COMMIT_NEVER_FALLS),
        }
    }
}

impl CommitIndexes {
    fn restart(&mut self, server: NodeId) {
        self.0[slot(server)] = Known::default();
    }

    /// A server has applied everything up to here.
    fn apply(&mut self, server: NodeId, index: Index) {
        let known = &mut self.0[slot(server)];
        known.applied = known.applied.max(index);
    }

    /// A server takes everything up to `commit` for committed, and its log ends with `last`.
    fn look(&mut self, server: NodeId, commit: Index, last: Position, findings: &mut Findings) {
        let known = &mut self.0[slot(server)];
        let Known { commit: before, applied } = *known;
        known.commit = before.max(commit);
        let holds = before.max(applied) <= commit && commit <= last.index;
        findings.check(COMMIT_NEVER_FALLS, Some(server), holds, || {
            if commit < before {
                format!("{server} had committed up to {before}, and now only up to {commit}")
            } else if commit < applied {
                format!("{server} has applied up to {applied}, and committed only up to {commit}")
            } else {
                format!("{server} has committed up to {commit}; its log ends with {last}")
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, frame, s};
    use super::*;
    use crate::raft::ids::Term;
    use crate::raft::{RaftNode, presets};

    struct Story(CommitIndexes, Findings);

    impl Story {
        fn new() -> Self {
            Self(<CommitIndexes as Watch<RaftNode>>::new(&frame(3, presets::paper())), all_on())
        }

        fn look(&mut self, server: u16, commit: u64, last: u64) -> bool {
            let last = Position { term: Term(2), index: Index(last) };
            self.0.look(s(server), Index(commit), last, &mut self.1);
            self.1.is_broken()
        }
    }

    #[test]
    fn an_index_that_grows_within_the_log_is_right() {
        let mut story = Story::new();
        assert!(!story.look(1, 3, 5) && !story.look(1, 3, 5) && !story.look(2, 2, 2));
        story.0.apply(s(1), Index(4));
        assert!(!story.look(1, 4, 4), "the log was cut behind it");
        assert_eq!(story.1.evaluated()[COMMIT_NEVER_FALLS], 4);
    }

    #[test]
    fn an_index_that_falls_is_found() {
        let mut story = Story::new();
        story.look(1, 5, 9);
        assert!(!story.look(2, 3, 9), "that is another server's");
        assert!(story.look(1, 3, 9));
        let facts = "s1 had committed up to 5, and now only up to 3";
        assert_eq!(broken(&story.1), (COMMIT_NEVER_FALLS, facts));
    }

    #[test]
    fn what_is_applied_and_not_committed_is_found() {
        let mut story = Story::new();
        story.0.apply(s(2), Index(6));
        assert!(story.look(2, 5, 9));
        assert_eq!(broken(&story.1).1, "s2 has applied up to 6, and committed only up to 5");
    }

    #[test]
    fn what_is_committed_and_not_in_the_log_is_found() {
        let mut story = Story::new();
        assert!(story.look(3, 7, 6));
        assert_eq!(broken(&story.1).1, "s3 has committed up to 7; its log ends with 6@2");
    }

    #[test]
    fn a_process_that_starts_learns_it_anew() {
        let mut story = Story::new();
        story.0.apply(s(1), Index(5));
        story.look(1, 5, 9);
        story.0.restart(s(1));
        assert!(!story.look(1, 0, 9) && !story.look(1, 2, 9));
    }
}
