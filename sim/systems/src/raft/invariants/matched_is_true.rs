//! What a leader takes a follower to have, the follower has (Raft §5.3; ccfraft `MonotonicMatchIndex`, PySyncObj #167).
//!
//! `matched` never falls while a server leads a term, and the entry there is the leader's, durable at the follower.
//! It is asked when an answer with news has been handled, and when a server is elected. A follower that has moved on to
//! a later term may have dropped the entry since: its old leader does not know yet, and can no longer commit by it.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::raft::facts::{Fact, Held};
use crate::raft::ids::{Index, Term};

use super::frame::slot;
use super::index::MATCHED_IS_TRUE;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "matched_is_true",
    doc: "What a leader takes a follower to have is durable there, and never falls while it leads.",
    source: "Raft §5.3; ccfraft MonotonicMatchIndex, PySyncObj #167",
    kind: InvariantKind::Safety,
    sight: Sight::WhiteBox,
};

/// What each leader took each follower to have when it was last asked: by slot of the leader, then of the follower.
#[derive(Clone, Debug)]
pub(super) struct Matches {
    servers: usize,
    known: Vec<(Term, Index)>,
}

/// A place, at the leader and at the follower.
#[derive(Clone, Copy, Debug)]
pub(super) struct Both {
    /// What the leader has there.
    pub(super) leader: Held,
    /// What the follower's disk has there.
    pub(super) follower: Held,
}

impl Matches {
    pub(super) fn new(servers: usize) -> Self {
        Self { servers, known: vec![(Term::ZERO, Index::ZERO); servers * servers] }
    }

    /// Whether an acknowledgement says what the leader was last seen to know: most are of heartbeats, and need no look.
    #[inline(always)]
    pub(super) fn knows(&self, leader: NodeId, follower: NodeId, acknowledged: (Term, Index)) -> bool {
        self.known[slot(leader) * self.servers + slot(follower)] == acknowledged
    }

    /// A follower is a member of the leader's configuration that was none before: the leader begins with it anew, and
    /// what it still believes is looked at again.
    pub(super) fn forget(&mut self, leader: NodeId, follower: NodeId) {
        self.known[slot(leader) * self.servers + slot(follower)] = (Term::ZERO, Index::ZERO);
    }

    /// A leader of this term takes a follower to have `matched`. `both` tells what is there; `None` if the follower
    /// need not have it. Its inner `None` is a fact that cannot be said.
    #[inline]
    pub(super) fn judge(
        &mut self,
        leader: NodeId,
        follower: NodeId,
        (term, matched): (Term, Index),
        both: impl FnOnce() -> Option<Fact<Both>>,
        findings: &mut Findings,
    ) {
        let known = &mut self.known[slot(leader) * self.servers + slot(follower)];
        if *known == (term, matched) {
            return;
        }
        let before = if known.0 == term { known.1 } else { Index::ZERO };
        *known = (term, matched);
        findings.check(MATCHED_IS_TRUE, Some(leader), matched >= before, || {
            format!("{leader}, the leader of term {term}, took {follower} to have entry {before}, and now {matched}")
        });
        if matched > before {
            Self::look(leader, follower, (term, matched), both(), findings);
        }
    }

    #[inline(never)]
    fn look(
        leader: NodeId,
        follower: NodeId,
        (term, matched): (Term, Index),
        both: Option<Fact<Both>>,
        findings: &mut Findings,
    ) {
        let Some(both) = both else { return };
        let Some(both) = both else { return findings.lacks(MATCHED_IS_TRUE) };
        findings.check(MATCHED_IS_TRUE, Some(leader), both.leader.agrees(both.follower), || {
            format!(
                "{leader}, the leader of term {term}, takes {follower} to have entry {matched}; \
                 it has {} there itself, and the disk of {follower} has {}",
                both.leader, both.follower
            )
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, s};
    use super::*;

    fn both(leader: u64, follower: Held) -> Option<Fact<Both>> {
        Some(Some(Both { leader: Held::Entry(Term(leader)), follower }))
    }

    const SAME: Held = Held::Entry(Term(2));

    #[test]
    fn with_a_server_that_joins_again_a_leader_begins_anew() {
        let (mut matches, mut findings) = (Matches::new(3), all_on());
        matches.judge(s(1), s(2), (Term(3), Index(5)), || both(2, SAME), &mut findings);
        matches.forget(s(1), s(2));
        matches.judge(s(1), s(2), (Term(3), Index(0)), || both(2, SAME), &mut findings);
        assert!(!findings.is_broken(), "it may know less than before");
        matches.judge(s(1), s(2), (Term(3), Index(5)), || both(2, SAME), &mut findings);
        matches.forget(s(1), s(2));
        matches.judge(s(1), s(2), (Term(3), Index(5)), || both(2, Held::Nothing), &mut findings);
        assert!(findings.is_broken(), "what it still believes is no longer there");
    }

    #[test]
    fn an_entry_that_is_there_may_be_counted() {
        let (mut matches, mut findings) = (Matches::new(3), all_on());
        matches.judge(s(1), s(2), (Term(3), Index(5)), || both(2, SAME), &mut findings);
        matches.judge(s(1), s(3), (Term(3), Index(5)), || both(2, Held::Snapshot), &mut findings);
        assert!(!findings.is_broken());
        matches.judge(s(1), s(2), (Term(3), Index(5)), || panic!("it was looked up before"), &mut findings);
    }

    #[test]
    fn an_acknowledgement_of_what_is_known_needs_no_look() {
        let (mut matches, mut findings) = (Matches::new(3), all_on());
        matches.judge(s(1), s(2), (Term(3), Index(5)), || both(2, SAME), &mut findings);
        assert!(matches.knows(s(1), s(2), (Term(3), Index(5))));
        for news in [(Term(3), Index(4)), (Term(3), Index(6)), (Term(4), Index(5))] {
            assert!(!matches.knows(s(1), s(2), news), "{news:?}");
        }
    }

    #[test]
    fn an_entry_that_is_not_there_is_found() {
        let judge = |held| {
            let (mut matches, mut findings) = (Matches::new(3), all_on());
            matches.judge(s(1), s(2), (Term(3), Index(5)), || both(2, held), &mut findings);
            findings
        };
        let facts = "s1, the leader of term 3, takes s2 to have entry 5; \
                     it has an entry of term 2 there itself, and the disk of s2 has nothing";
        assert_eq!(broken(&judge(Held::Nothing)), (MATCHED_IS_TRUE, facts));
        assert!(judge(Held::Entry(Term(3))).is_broken(), "another entry is there");
    }

    #[test]
    fn a_place_beyond_the_leaders_own_log_is_found() {
        let (mut matches, mut findings) = (Matches::new(3), all_on());
        let beyond = || Some(Some(Both { leader: Held::Nothing, follower: SAME }));
        matches.judge(s(1), s(2), (Term(3), Index(5)), beyond, &mut findings);
        assert!(findings.is_broken());
    }

    #[test]
    fn it_never_falls_while_a_server_leads() {
        let (mut matches, mut findings) = (Matches::new(3), all_on());
        matches.judge(s(1), s(2), (Term(3), Index(5)), || both(2, SAME), &mut findings);
        matches.judge(s(1), s(2), (Term(4), Index(2)), || both(2, SAME), &mut findings);
        assert!(!findings.is_broken(), "a new leadership knows nothing");
        matches.judge(s(1), s(2), (Term(4), Index(1)), || both(2, SAME), &mut findings);
        let facts = "s1, the leader of term 4, took s2 to have entry 2, and now 1";
        assert_eq!(broken(&findings), (MATCHED_IS_TRUE, facts));
    }

    #[test]
    fn who_need_not_have_it_or_cannot_say_is_not_judged() {
        let (mut matches, mut findings) = (Matches::new(3), all_on());
        matches.judge(s(1), s(2), (Term(3), Index(5)), || None, &mut findings);
        matches.judge(s(1), s(3), (Term(3), Index(5)), || Some(None), &mut findings);
        assert!(!findings.is_broken());
        assert_eq!(findings.lacking()[MATCHED_IS_TRUE], 1);
    }
}
