//! Proposals are answered (Raft §5.3, §8; etcd-io/raft #54, a window of appends in flight that stays full): what
//! reaches a leader that is linked with a commit quorum is answered by it within a bound, whatever the answer is.
//!
//! The premise and the bound are those of [`super::following`]. The time of an open proposal starts over with each
//! fault and each process that starts or ends, as that of [`super::leader_within_bound`] does. A leader that gives up
//! owes nothing more, and reads that may be served beside the log are not judged: a leader that has not committed
//! anything of its own term lets them wait (thesis §6.4), and forgets the oldest of too many.

use std::collections::BTreeMap;

use splitbrain_kernel::context::OperationId;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::Instant;
use splitbrain_kernel::view::View;

use crate::raft::facts::{RaftFacts, Told};

use super::following::Following;
use super::frame::{Frame, slot};
use super::index::PROPOSALS_ANSWERED;
use super::watch::{Cause, Scene, Watch};

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "proposals_answered",
    doc: "A leader that is linked with a commit quorum answers each proposal that reaches it, within a bound.",
    source: "Raft §5.3, §8; etcd-io/raft #54",
    kind: InvariantKind::Liveness,
    sight: Sight::WhiteBox,
};

/// The proposals that leaders have not answered.
///
/// - `due` is at most when the oldest proposal of the leader that promises something must be answered.
#[derive(Clone, Debug)]
pub(super) struct Proposals {
    /// When each reached its leader: of the leader, of its client, and of its client's name for it.
    open: BTreeMap<(NodeId, NodeId, OperationId), Instant>,
    /// What is promised, and since when.
    promised: Option<(Following, Instant)>,
    due: Instant,
}

impl<N: RaftFacts> Watch<N> for Proposals {
    fn new(_: &Frame) -> Self {
        Self { open: BTreeMap::new(), promised: None, due: Instant::MAX }
    }

    fn on_asked(
        &mut self,
        scene: Scene<'_>,
        view: impl View<N>,
        (server, client): (NodeId, NodeId),
        operation: OperationId,
        findings: &mut Findings,
    ) {
        if scene.leads[slot(server)].is_some() && findings.is_on(PROPOSALS_ANSWERED) {
            self.ask((server, client, operation), view.now());
        }
    }

    fn on_answered(
        &mut self,
        _: Scene<'_>,
        _: impl View<N>,
        (server, client): (NodeId, NodeId),
        operation: OperationId,
        findings: &mut Findings,
    ) {
        self.answer((server, client, operation), findings);
    }

    fn on_told(
        &mut self,
        scene: Scene<'_>,
        view: impl View<N>,
        server: NodeId,
        told: &Told<'_, N::Entry>,
        findings: &mut Findings,
    ) {
        if matches!(told, Told::Elected { .. } | Told::SteppedDown | Told::Retires) {
            self.forget(server);
            self.review(scene, view, None, findings);
        }
    }

    fn on_down(&mut self, _: Scene<'_>, _: impl View<N>, server: NodeId, _: &mut Findings) {
        self.forget(server);
    }

    fn on_world(&mut self, scene: Scene<'_>, view: impl View<N>, cause: Cause, findings: &mut Findings) {
        self.review(scene, view, Some(cause), findings);
    }

    #[inline]
    fn deadline(&self) -> Instant {
        self.due
    }

    fn on_deadline(&mut self, _: Scene<'_>, view: impl View<N>, findings: &mut Findings) {
        if self.due <= view.now() {
            self.judge(view.now(), findings);
        }
    }
}

impl Proposals {
    fn review<N: RaftFacts>(
        &mut self,
        scene: Scene<'_>,
        view: impl View<N>,
        cause: Option<Cause>,
        findings: &mut Findings,
    ) {
        if let Some(following) = Following::asked_by(PROPOSALS_ANSWERED, scene, view, findings) {
            self.promise(following, cause, view.now());
        }
    }

    /// This is promised from now on, unless it is already; `cause` says what has happened to the world.
    fn promise(&mut self, following: Option<Following>, cause: Option<Cause>, now: Instant) {
        let before = self.promised.as_ref().map(|(before, _)| before);
        if !Following::goes_on(before, following.as_ref(), cause) {
            self.promised = following.map(|following| (following, now));
            self.refresh();
        }
    }

    /// A proposal has reached its leader, if not before.
    fn ask(&mut self, proposal: (NodeId, NodeId, OperationId), now: Instant) {
        self.open.entry(proposal).or_insert(now);
        if let Some((following, _)) = self.promised.as_ref().filter(|(following, _)| following.leader == proposal.0) {
            self.due = self.due.min(now.saturating_add(following.within));
        }
    }

    /// A proposal is answered.
    fn answer(&mut self, proposal: (NodeId, NodeId, OperationId), findings: &mut Findings) {
        let is_promised = self.promised.as_ref().is_some_and(|(following, _)| following.leader == proposal.0);
        if self.open.remove(&proposal).is_some() && is_promised {
            findings.check(PROPOSALS_ANSWERED, Some(proposal.0), true, String::new);
        }
    }

    /// A server leads no longer, or anew.
    fn forget(&mut self, server: NodeId) {
        self.open.retain(|(leader, _, _), _| *leader != server);
    }

    /// The time of some proposal may be over.
    fn judge(&mut self, now: Instant, findings: &mut Findings) {
        let Some((following, since)) = self.promised else { return self.refresh() };
        if let Some((proposal, asked_at)) = self.oldest().filter(|_| self.due_of_oldest() <= now) {
            let Following { leader, term, servers, within, .. } = following;
            let (_, client, operation) = proposal;
            findings.check(PROPOSALS_ANSWERED, Some(leader), false, || {
                format!(
                    "{leader} leads term {term} and has been linked with {servers:?} since {since}; operation {} of \
                     {client} reached it at {asked_at}, and is not answered at {now}, {within} later",
                    operation.0
                )
            });
            self.open.remove(&proposal);
        }
        self.refresh();
    }

    /// The proposal of the leader that promises something which has waited for longest.
    fn oldest(&self) -> Option<((NodeId, NodeId, OperationId), Instant)> {
        let (following, _) = self.promised.as_ref()?;
        let own = self.open.iter().filter(|((leader, _, _), _)| *leader == following.leader);
        own.map(|(proposal, at)| (*proposal, *at)).min_by_key(|(_, at)| *at)
    }

    fn due_of_oldest(&self) -> Instant {
        let Some(((following, since), (_, asked_at))) = self.promised.zip(self.oldest()) else { return Instant::MAX };
        since.max(asked_at).saturating_add(following.within)
    }

    fn refresh(&mut self) {
        self.due = self.due_of_oldest();
    }
}

#[cfg(test)]
mod tests {
    use splitbrain_kernel::time::Duration;

    use super::super::configurations::tests::set;
    use super::super::testing::{all_on, broken, c, frame, millis, s};
    use super::*;
    use crate::raft::ids::{Index, Term};
    use crate::raft::{RaftNode, presets};

    struct Story(Proposals, Findings);

    const LED: Following = Following {
        leader: s(1),
        term: Term(3),
        servers: crate::raft::ids::ServerSet::EMPTY,
        commit: Index(5),
        within: Duration::from_millis(3_000),
    };

    impl Story {
        /// `s1` is linked with a quorum since 1 s.
        fn led() -> Self {
            let mut story = Self(<Proposals as Watch<RaftNode>>::new(&frame(3, presets::paper())), all_on());
            story.0.promise(Some(Following { servers: set(&[2, 3]), ..LED }), Some(Cause::Fault), millis(1_000));
            story
        }

        fn asked(mut self, operation: u64, at: u64) -> Self {
            self.0.ask((s(1), c(1), OperationId(operation)), millis(at));
            self
        }

        fn judge(&mut self, at: u64) -> bool {
            self.0.judge(millis(at), &mut self.1);
            self.1.is_broken()
        }
    }

    #[test]
    fn a_proposal_that_is_answered_in_time_is_right_whatever_the_answer_is() {
        let mut story = Story::led().asked(7, 2_000);
        assert_eq!(story.0.due, millis(5_000));
        story.0.answer((s(1), c(1), OperationId(7)), &mut story.1);
        assert!(!story.judge(5_000));
        assert_eq!((story.0.due, story.1.evaluated()[PROPOSALS_ANSWERED]), (Instant::MAX, 1));
    }

    #[test]
    fn a_proposal_that_waits_too_long_is_found_though_later_ones_are_answered() {
        let mut story = Story::led().asked(7, 2_000).asked(8, 2_500);
        story.0.answer((s(1), c(1), OperationId(8)), &mut story.1);
        assert!(story.judge(5_000));
        let facts = "s1 leads term 3 and has been linked with {s2, s3} since 1.000000s; operation 7 of c1 reached it \
                     at 2.000000s, and is not answered at 5.000000s, 3s later";
        assert_eq!(broken(&story.1), (PROPOSALS_ANSWERED, facts));
    }

    #[test]
    fn a_copy_gives_no_more_time_and_a_fault_does() {
        let mut story = Story::led().asked(7, 2_000).asked(7, 4_000);
        assert_eq!(story.0.due, millis(5_000));
        story.0.promise(Some(LED), Some(Cause::Fault), millis(4_500));
        assert_eq!(story.0.due, millis(7_500));
        assert!(!story.judge(5_000) && story.judge(7_500));
    }

    #[test]
    fn a_leader_that_gives_up_or_has_no_quorum_owes_nothing() {
        let mut story = Story::led().asked(7, 2_000);
        story.0.forget(s(2));
        assert_eq!(story.0.open.len(), 1);
        story.0.forget(s(1));
        assert!(!story.judge(9_000));
        let mut alone = Story::led().asked(7, 2_000);
        alone.0.promise(None, Some(Cause::Fault), millis(2_500));
        assert!(!alone.judge(9_000));
        alone.0.promise(Some(LED), Some(Cause::Fault), millis(10_000));
        assert!(!alone.judge(10_500), "from then on it has its time");
        assert!(alone.judge(13_000));
    }

    #[test]
    fn what_another_leader_was_asked_is_not_judged() {
        let mut story = Story::led();
        story.0.ask((s(2), c(1), OperationId(7)), millis(2_000));
        assert_eq!(story.0.due, Instant::MAX);
        assert!(!story.judge(9_000));
    }
}
