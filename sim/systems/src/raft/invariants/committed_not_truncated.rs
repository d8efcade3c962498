//! What is committed stays in the log (Raft §5.3, §5.4.3; ccfraft `CommittedLogAppendOnly`): nothing at or below a
//! server's commit index is dropped from its log or overwritten there.
//!
//! A server that says where it cuts its log is judged by that: it may write the same entries again at once, but its
//! disk is without them for a while. Of every server the log is looked at after each input with which it said or wrote
//! something: what was the last committed entry is still there, or a snapshot that covers it. What comes before it
//! stands or falls with it, by [`super::log_matching`].

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::view::View;

use crate::raft::facts::{Fact, Held, RaftFacts, Told};
use crate::raft::ids::Index;

use super::frame::{Frame, slot};
use super::index::COMMITTED_NOT_TRUNCATED;
use super::leadership::server as server_of;
use super::watch::{Scene, Watch};

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "committed_not_truncated",
    doc: "Nothing that a server knows to be committed is dropped from its log or overwritten there.",
    source: "Raft §5.3, §5.4.3; ccfraft CommittedLogAppendOnly",
    kind: InvariantKind::Safety,
    sight: Sight::WhiteBox,
};

/// The last committed place of each server's log when it was last looked at, and what was there; by slot.
#[derive(Clone, Debug)]
pub(super) struct Ends(Vec<(Index, Held)>);

const NOTHING: (Index, Held) = (Index::ZERO, Held::Nothing);

impl<N: RaftFacts> Watch<N> for Ends {
    fn new(frame: &Frame) -> Self {
        Self(vec![NOTHING; frame.server_count])
    }

    fn on_start(&mut self, _: Scene<'_>, _: impl View<N>, server: NodeId, _: &mut Findings) {
        self.0[slot(server)] = NOTHING;
    }

    fn on_told(
        &mut self,
        _: Scene<'_>,
        _: impl View<N>,
        server: NodeId,
        told: &Told<'_, N::Entry>,
        findings: &mut Findings,
    ) {
        if let Told::Truncated(from) = told {
            self.cut(server, *from, findings);
        }
    }

    fn on_step(&mut self, _: Scene<'_>, view: impl View<N>, server: NodeId, findings: &mut Findings) {
        let Some(facts) = server_of(&view, server).filter(|_| findings.is_on(COMMITTED_NOT_TRUNCATED)) else { return };
        let has = |index| view.node(server).and_then(|node| node.has(index));
        if self.look(server, facts.commit, has, findings).is_none() {
            findings.lacks(COMMITTED_NOT_TRUNCATED);
        }
    }
}

impl Ends {
    /// A server drops its log from this place on.
    fn cut(&self, server: NodeId, from: Index, findings: &mut Findings) {
        let (committed, _) = self.0[slot(server)];
        findings.check(COMMITTED_NOT_TRUNCATED, Some(server), committed < from, || {
            format!("{server} had committed up to {committed}; it drops its log from place {from} on")
        });
    }

    /// A server has committed up to here, and has this at a place. `None` if it cannot say one of the two.
    fn look(
        &mut self,
        server: NodeId,
        commit: Fact<Index>,
        has: impl Fn(Index) -> Fact<Held>,
        findings: &mut Findings,
    ) -> Fact<()> {
        let known = &mut self.0[slot(server)];
        let (committed, before) = *known;
        if committed > Index::ZERO {
            let now = has(committed)?;
            let is_there = now == Held::Snapshot || now == before || (before == Held::Snapshot && now != Held::Nothing);
            findings.check(COMMITTED_NOT_TRUNCATED, Some(server), is_there, || {
                format!("{server} had committed up to {committed}, and had {before} there; now it has {now}")
            });
        }
        let commit = commit?;
        if commit > committed {
            *known = (commit, has(commit)?);
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, frame, s};
    use super::*;
    use crate::raft::ids::Term;
    use crate::raft::{RaftNode, presets};

    struct Story(Ends, Findings);

    impl Story {
        /// `s1` has committed place 5, an entry of term 2.
        fn committed() -> Self {
            let mut story = Self(<Ends as Watch<RaftNode>>::new(&frame(3, presets::paper())), all_on());
            story.look(5, Held::Entry(Term(2)));
            story
        }

        /// Whether `s1` has broken it: it has committed up to here, and has this at each place.
        fn look(&mut self, commit: u64, held: Held) -> bool {
            self.0.look(s(1), Some(Index(commit)), |_| Some(held), &mut self.1).expect("it says both");
            self.1.is_broken()
        }
    }

    #[test]
    fn a_log_that_keeps_what_is_committed_is_right() {
        let mut story = Story::committed();
        story.0.cut(s(1), Index(6), &mut story.1);
        story.0.cut(s(2), Index(1), &mut story.1);
        assert!(!story.look(5, Held::Entry(Term(2))));
        assert!(!story.look(9, Held::Entry(Term(2))) && !story.look(9, Held::Snapshot), "a snapshot covers it");
        assert_eq!(story.1.evaluated()[COMMITTED_NOT_TRUNCATED], 5);
    }

    #[test]
    fn a_cut_at_or_before_the_commit_index_is_found() {
        for from in [5, 2] {
            let mut story = Story::committed();
            story.0.cut(s(1), Index(from), &mut story.1);
            let facts = format!("s1 had committed up to 5; it drops its log from place {from} on");
            assert_eq!(broken(&story.1), (COMMITTED_NOT_TRUNCATED, facts.as_str()));
        }
    }

    #[test]
    fn an_entry_that_is_gone_is_found() {
        let mut story = Story::committed();
        assert!(story.look(5, Held::Nothing));
        let facts = "s1 had committed up to 5, and had an entry of term 2 there; now it has nothing";
        assert_eq!(broken(&story.1).1, facts);
        let mut covered = Story::committed();
        assert!(!covered.look(7, Held::Snapshot) && covered.look(7, Held::Nothing), "the snapshot is gone");
    }

    #[test]
    fn an_entry_that_was_overwritten_is_found() {
        let mut story = Story::committed();
        assert!(story.look(5, Held::Entry(Term(3))));
        let facts = "s1 had committed up to 5, and had an entry of term 2 there; now it has an entry of term 3";
        assert_eq!(broken(&story.1).1, facts);
    }

    #[test]
    fn what_a_server_cannot_say_is_not_judged() {
        let mut story = Story::committed();
        assert_eq!(story.0.look(s(1), None, |_| Some(Held::Entry(Term(2))), &mut story.1), None);
        assert_eq!(story.0.look(s(1), Some(Index(6)), |_| None, &mut story.1), None);
        assert!(!story.1.is_broken());
    }
}
