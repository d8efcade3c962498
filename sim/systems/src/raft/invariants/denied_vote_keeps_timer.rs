//! A denied vote leaves the election timer alone (the students' guide to Raft): else a server whose log
//! is
//! behind, and that can never win, keeps all others from campaigning.
//!
//! Where `timing.timer_reset_on_higher_term` is on (etcd, NuRaft) a request of a later term may restart the timer,
//! whatever comes of it; and a server that was no follower starts a timer of its own as it becomes one.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::Instant;

use crate::raft::facts::{Fact, RoleKind, ServerFacts};
use crate::raft::ids::Term;

use super::frame::Rules;
use super::index::DENIED_VOTE_KEEPS_TIMER;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "denied_vote_keeps_timer",
    doc: "A vote request that is refused does not restart the voter's election timer.",
    source: "Raft §5.2; the students' guide to Raft",
    kind: InvariantKind::Safety,
    sight: Sight::WhiteBox,
};

/// A server's timer, before or after it denied a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timer {
    term: Term,
    started_at: Fact<Instant>,
    follows: bool,
}

impl Timer {
    pub(super) fn of(server: &ServerFacts) -> Self {
        Self {
            term: server.term,
            started_at: server.timer.map(|timer| timer.started_at),
            follows: server.role == RoleKind::Follower,
        }
    }
}

/// A vote request was handled, and denied.
pub(super) fn denied(
    voter: NodeId,
    candidate: NodeId,
    before: Timer,
    after: Timer,
    rules: &Rules,
    findings: &mut Findings,
) {
    let (Some(one), Some(other)) = (before.started_at, after.started_at) else {
        return findings.lacks(DENIED_VOTE_KEEPS_TIMER);
    };
    if rules.defers_inputs {
        // The server may handle the request later than it comes, and the timer may have changed meanwhile.
        return findings.lacks(DENIED_VOTE_KEEPS_TIMER);
    }
    let excused = !before.follows || (rules.later_term_restarts_timer && after.term > before.term);
    findings.check(DENIED_VOTE_KEEPS_TIMER, Some(voter), excused || one == other, || {
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

    const BEFORE: Timer = Timer { term: Term(4), started_at: Some(Instant::ZERO), follows: true };
    const STRICT: Rules = Rules { later_term_restarts_timer: false, ..Rules::SAFETY };
    const LENIENT: Rules = Rules { later_term_restarts_timer: true, ..Rules::SAFETY };

    fn holds(before: Timer, after: Timer, rules: &Rules) -> bool {
        let mut findings = all_on();
        denied(s(1), s(2), before, after, rules, &mut findings);
        assert_eq!(findings.evaluated()[DENIED_VOTE_KEEPS_TIMER], 1);
        !findings.is_broken()
    }

    #[test]
    fn a_timer_that_runs_on_is_right() {
        assert!(holds(BEFORE, BEFORE, &STRICT));
        assert!(holds(BEFORE, Timer { term: Term(5), ..BEFORE }, &STRICT));
    }

    #[test]
    fn a_restart_is_right_for_a_new_follower_or_where_later_terms_do_so() {
        let after = Timer { term: Term(5), started_at: Some(millis(70)), ..BEFORE };
        assert!(holds(Timer { follows: false, ..BEFORE }, after, &STRICT));
        assert!(holds(BEFORE, after, &LENIENT));
    }

    #[test]
    fn a_timer_that_starts_again_is_found() {
        let after = Timer { started_at: Some(millis(70)), ..BEFORE };
        let mut findings = all_on();
        denied(s(1), s(2), BEFORE, after, &STRICT, &mut findings);
        let facts = "s1 denied s2 its vote in term 4; its election timer, started at 0s of its clock, \
                     started again at 70ms";
        assert_eq!(broken(&findings), (DENIED_VOTE_KEEPS_TIMER, facts));
        assert!(!holds(BEFORE, after, &LENIENT), "the term is the same");
    }

    #[test]
    fn a_server_that_takes_requests_in_later_is_not_evaluated() {
        let after = Timer { started_at: Some(millis(70)), ..BEFORE };
        let mut findings = all_on();
        denied(s(1), s(2), BEFORE, after, &Rules { defers_inputs: true, ..STRICT }, &mut findings);
        assert!(!findings.is_broken());
        assert_eq!(findings.evaluated()[DENIED_VOTE_KEEPS_TIMER], 0);
    }

    #[test]
    fn a_timer_that_is_not_known_is_not_evaluated() {
        let mut findings = all_on();
        denied(s(1), s(2), Timer { started_at: None, ..BEFORE }, BEFORE, &STRICT, &mut findings);
        assert_eq!(
            (findings.evaluated()[DENIED_VOTE_KEEPS_TIMER], findings.lacking()[DENIED_VOTE_KEEPS_TIMER]),
            (0, 1)
        );
    }
}
