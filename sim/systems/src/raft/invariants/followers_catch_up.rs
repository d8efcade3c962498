//! Followers catch up (Raft §5.3, §7; ccfraft `LogMatchingProp`; etcd #10225, a follower that is waited for for ever):
//! every server that is linked with a leader which can commit, learners too, has committed what that leader had
//! committed a bound ago.
//!
//! The premise and the bound are those of [`super::following`]. A look is taken whenever a bound is over, and the next
//! one begins there; it begins anew with each fault, each process that starts or ends, and each change of the leader or
//! of its followers.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::Instant;
use splitbrain_kernel::view::View;

use crate::raft::facts::{RaftFacts, ServerFacts, Told};
use crate::raft::ids::Index;

use super::following::Following;
use super::frame::Frame;
use super::index::FOLLOWERS_CATCH_UP;
use super::leadership::server as server_of;
use super::watch::{Cause, Scene, Watch};

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "followers_catch_up",
    doc: "Who is linked with a leader that can commit has committed what the leader had, within a bound; learners too.",
    source: "Raft §5.3, §7; ccfraft LogMatchingProp, etcd #10225",
    kind: InvariantKind::Liveness,
    sight: Sight::WhiteBox,
};

/// What the followers of the present leader must have when the bound is over.
#[derive(Clone, Debug)]
pub(super) struct Lookout(Option<Look>);

#[derive(Clone, Copy, Debug)]
struct Look {
    following: Following,
    since: Instant,
    due: Instant,
}

/// What the leader takes a follower to have, and what that has.
#[derive(Clone, Copy, Debug)]
struct Standing {
    matched: Option<Index>,
    facts: Option<ServerFacts>,
}

impl<N: RaftFacts> Watch<N> for Lookout {
    fn new(_: &Frame) -> Self {
        Self(None)
    }

    fn on_told(
        &mut self,
        scene: Scene<'_>,
        view: impl View<N>,
        _: NodeId,
        told: &Told<'_, N::Entry>,
        findings: &mut Findings,
    ) {
        if matches!(told, Told::Elected { .. } | Told::SteppedDown | Told::Retires) {
            self.review(scene, view, None, findings);
        }
    }

    fn on_world(&mut self, scene: Scene<'_>, view: impl View<N>, cause: Cause, findings: &mut Findings) {
        self.review(scene, view, Some(cause), findings);
    }

    #[inline]
    fn deadline(&self) -> Instant {
        self.0.as_ref().map_or(Instant::MAX, |look| look.due)
    }

    fn on_deadline(&mut self, scene: Scene<'_>, view: impl View<N>, findings: &mut Findings) {
        let Some(look) = self.0.filter(|look| look.due <= view.now()) else { return };
        let leader = view.node(look.following.leader);
        let standing = |server| Standing {
            matched: leader.and_then(|leader| leader.matched(server)),
            facts: server_of(&view, server),
        };
        look.judge(view.now(), standing, findings);
        self.0 = None;
        self.review(scene, view, None, findings);
    }
}

impl Lookout {
    fn review<N: RaftFacts>(
        &mut self,
        scene: Scene<'_>,
        view: impl View<N>,
        cause: Option<Cause>,
        findings: &mut Findings,
    ) {
        if let Some(following) = Following::asked_by(FOLLOWERS_CATCH_UP, scene, view, findings) {
            self.promise(following, cause, view.now());
        }
    }

    /// This is promised from now on, unless it is already; `cause` says what has happened to the world.
    fn promise(&mut self, following: Option<Following>, cause: Option<Cause>, now: Instant) {
        let before = self.0.as_ref().map(|look| &look.following);
        if !Following::goes_on(before, following.as_ref(), cause) {
            let look = |following: Following| Look { following, since: now, due: now.saturating_add(following.within) };
            self.0 = following.map(look);
        }
    }
}

impl Look {
    /// The bound is over.
    fn judge(&self, now: Instant, standing: impl Fn(NodeId) -> Standing, findings: &mut Findings) {
        let Following { leader, term, servers, commit: must, within } = self.following;
        for server in servers.iter() {
            let Standing { matched, facts } = standing(server);
            let Some((commit, last)) = facts.and_then(|facts| facts.commit.zip(facts.last)) else {
                findings.lacks(FOLLOWERS_CATCH_UP);
                continue;
            };
            findings.check(FOLLOWERS_CATCH_UP, Some(server), commit >= must, || {
                let since = self.since;
                let known = matched.map_or_else(String::new, |known| format!("; {leader} takes it to have {known}"));
                format!(
                    "{server} has been linked with {leader}, the leader of term {term}, since {since}, when that had \
                     committed up to {must}; at {now}, {within} later, {server} has committed up to {commit}, and its \
                     log ends with {last}{known}"
                )
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use splitbrain_kernel::time::Duration;

    use super::super::configurations::tests::set;
    use super::super::testing::{all_on, broken, frame, millis, s};
    use super::*;
    use crate::raft::facts::RoleKind;
    use crate::raft::ids::{Position, Term};
    use crate::raft::{RaftNode, presets};

    fn following(servers: &[u16], commit: u64) -> Following {
        let within = Duration::from_millis(3_000);
        Following { leader: s(1), term: Term(3), servers: set(servers), commit: Index(commit), within }
    }

    /// `s1` leads `s2` and `s3`, and has committed up to 40, at 1 s.
    fn led() -> Lookout {
        let mut lookout = <Lookout as Watch<RaftNode>>::new(&frame(3, presets::paper()));
        lookout.promise(Some(following(&[2, 3], 40)), Some(Cause::Fault), millis(1_000));
        lookout
    }

    /// What is found at 4 s, if the followers have committed so much.
    fn judged(lookout: &Lookout, commit: impl Fn(u16) -> Option<u64>) -> Findings {
        let mut findings = all_on();
        let standing = |server: NodeId| {
            let last = Position { term: Term(3), index: Index(41) };
            let commit = commit(server.number()).map(Index);
            let facts = ServerFacts { commit, last: Some(last), ..ServerFacts::new(RoleKind::Follower, Term(3)) };
            Standing { matched: Some(Index(12)), facts: Some(facts) }
        };
        lookout.0.expect("something is promised").judge(millis(4_000), standing, &mut findings);
        findings
    }

    #[test]
    fn followers_that_have_what_their_leader_had_are_right() {
        let lookout = led();
        assert_eq!(<Lookout as Watch<RaftNode>>::deadline(&lookout), millis(4_000));
        let findings = judged(&lookout, |server| Some(if server == 2 { 40 } else { 57 }));
        assert_eq!((findings.is_broken(), findings.evaluated()[FOLLOWERS_CATCH_UP]), (false, 2));
    }

    #[test]
    fn a_follower_that_stays_behind_is_found() {
        let findings = judged(&led(), |server| Some(if server == 2 { 40 } else { 39 }));
        let facts = "s3 has been linked with s1, the leader of term 3, since 1.000000s, when that had committed up to \
                     40; at 4.000000s, 3s later, s3 has committed up to 39, and its log ends with 41@3; s1 takes it to \
                     have 12";
        assert_eq!(broken(&findings), (FOLLOWERS_CATCH_UP, facts));
    }

    #[test]
    fn a_fault_and_another_set_of_followers_give_the_time_anew() {
        let mut lookout = led();
        lookout.promise(Some(following(&[2, 3], 45)), Some(Cause::Membership), millis(2_000));
        assert_eq!(lookout.0.expect("it goes on").following.commit, Index(40));
        lookout.promise(Some(following(&[2, 3], 45)), Some(Cause::Process), millis(2_000));
        assert_eq!(<Lookout as Watch<RaftNode>>::deadline(&lookout), millis(5_000));
        lookout.promise(Some(following(&[2], 50)), None, millis(3_000));
        assert!(!judged(&lookout, |server| (server == 2).then_some(50)).is_broken(), "s3 is no longer linked");
        lookout.promise(None, None, millis(3_500));
        assert_eq!(<Lookout as Watch<RaftNode>>::deadline(&lookout), Instant::MAX);
    }

    #[test]
    fn who_cannot_say_what_is_committed_is_not_judged() {
        let findings = judged(&led(), |_| None);
        assert_eq!((findings.is_broken(), findings.lacking()[FOLLOWERS_CATCH_UP]), (false, 2));
    }
}
