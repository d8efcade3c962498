//! A denied vote leaves the election timer alone (the students' guide to Raft; reference Z17): else a server whose log
//! is
//! behind, and that can never win, keeps all others from campaigning.
//!
//! Where `timer_reset_on_higher_term` is on (etcd, NuRaft) a request of a later term may restart the timer, whatever
//! comes of it; and a server that was no follower starts a timer of its own as it becomes one.

use crate::raft::message::Payload;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::Instant;

use crate::raft::ids::Term;
use crate::raft::state::{Role, Server};

use super::index::DENIED_VOTE_KEEPS_TIMER;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    group: "raft",
    name: "denied_vote_keeps_timer",
    doc: "A vote request that is refused does not restart the voter's election timer.",
    source: "Raft §5.2; the students' guide to Raft",
    kind: InvariantKind::Safety,
    sight: Sight::WhiteBox,
};

/// A server's timer, before and after it denied a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timer {
    term: Term,
    started_at: Instant,
    follows: bool,
    /// Whether a later term may restart it.
    later_term_restarts: bool,
}

impl Timer {
    pub(super) fn of<C: Payload>(server: &Server<C>) -> Self {
        Self {
            term: server.term(),
            started_at: server.timer_started_at(),
            follows: matches!(server.role(), Role::Follower(_)),
            later_term_restarts: server.options().timer_reset_on_higher_term,
        }
    }
}

/// A vote request was handled, and denied.
pub(super) fn denied(voter: NodeId, candidate: NodeId, before: Timer, after: Timer, findings: &mut Findings) {
    let excused = !before.follows || (before.later_term_restarts && after.term > before.term);
    let holds = excused || before.started_at == after.started_at;
    findings.check(DENIED_VOTE_KEEPS_TIMER, Some(voter), holds, || {
        let (one, other) = (before.started_at, after.started_at);
        format!(
            "{voter} denied {candidate} its vote in term {}; its election timer, started at {one:?} of its \
             clock, started again at {other:?}",
            after.term
        )
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, millis, s};
    use super::*;

    const BEFORE: Timer = Timer { term: Term(4), started_at: Instant::ZERO, follows: true, later_term_restarts: false };

    fn holds(before: Timer, after: Timer) -> bool {
        let mut findings = all_on();
        denied(s(1), s(2), before, after, &mut findings);
        assert_eq!(findings.evaluated()[DENIED_VOTE_KEEPS_TIMER], 1);
        !findings.is_broken()
    }

    #[test]
    fn a_timer_that_runs_on_is_right() {
        assert!(holds(BEFORE, BEFORE));
        assert!(holds(BEFORE, Timer { term: Term(5), ..BEFORE }));
    }

    #[test]
    fn a_restart_is_right_for_a_new_follower_or_where_later_terms_do_so() {
        let after = Timer { term: Term(5), started_at: millis(70), ..BEFORE };
        assert!(holds(Timer { follows: false, ..BEFORE }, after));
        assert!(holds(Timer { later_term_restarts: true, ..BEFORE }, after));
    }

    #[test]
    fn a_timer_that_starts_again_is_found() {
        let after = Timer { started_at: millis(70), ..BEFORE };
        let mut findings = all_on();
        denied(s(1), s(2), BEFORE, after, &mut findings);
        let facts = "s1 denied s2 its vote in term 4; its election timer, started at 0s of its clock, \
                     started again at 70ms";
        assert_eq!(broken(&findings), (DENIED_VOTE_KEEPS_TIMER, facts));
        assert!(!holds(Timer { later_term_restarts: true, ..BEFORE }, after), "the term is the same");
    }
}
