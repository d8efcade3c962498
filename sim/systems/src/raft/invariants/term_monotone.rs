//! Terms only grow (Raft §5.1; ccfraft `MonotonicTerm`, `MonoTermInv`).
//!
//! Seen from outside: a server announces terms that never fall, it does not come back from a restart behind a term that
//! it has spoken in, and no message carries a later term than its sender has announced. An earlier one may: a request
//! can
//! wait for its connection.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::Instant;

use crate::raft::ids::Term;

use super::frame::slot;
use super::index::TERM_MONOTONE;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "term_monotone",
    doc: "A server's term never falls, across restarts too, and no message carries a later term than its sender's.",
    source: "Raft §5.1; ccfraft MonotonicTerm, MonoTermInv",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// The terms of each server, by slot.
#[derive(Clone, Debug)]
pub(super) struct Terms(Vec<Known>);

#[derive(Clone, Copy, Debug)]
struct Known {
    /// The latest term that it has sent, in all its lives.
    sent: Term,
    sent_at: Instant,
    /// The latest term that it has announced in this life.
    announced: Term,
}

impl Terms {
    pub(super) fn new(server_count: usize) -> Self {
        let nothing = Known { sent: Term::ZERO, sent_at: Instant::ZERO, announced: Term::ZERO };
        Self(vec![nothing; server_count])
    }

    /// A server is another one from now on, with the name of one that was removed.
    pub(super) fn renew(&mut self, server: NodeId) {
        let nothing = Known { sent: Term::ZERO, sent_at: Instant::ZERO, announced: Term::ZERO };
        self.0[slot(server)] = nothing;
    }

    /// A server starts: its first words tell the term that it starts with.
    pub(super) fn restart(&mut self, server: NodeId) {
        self.0[slot(server)].announced = Term::ZERO;
    }

    /// A server says which term it is in.
    pub(super) fn announce(&mut self, server: NodeId, term: Term, at: Instant, findings: &mut Findings) {
        let known = &mut self.0[slot(server)];
        let before = *known;
        known.announced = before.announced.max(term);
        findings.check(TERM_MONOTONE, Some(server), term >= before.announced.max(before.sent), || {
            if term < before.sent {
                format!("{server} spoke in term {} at {}; it is in term {term} at {at}", before.sent, before.sent_at)
            } else {
                format!("{server} was in term {} before; it is in term {term} at {at}", before.announced)
            }
        });
    }

    /// A message with this term leaves a server.
    #[inline(always)]
    pub(super) fn send(&mut self, server: NodeId, term: Term, at: Instant, findings: &mut Findings) {
        let known = &mut self.0[slot(server)];
        let before = *known;
        if term > before.sent {
            known.sent = term;
            known.sent_at = at;
        }
        findings.check(TERM_MONOTONE, Some(server), term <= before.announced, move || {
            format!("{server} is in term {}; it speaks in term {term} at {at}", before.announced)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, millis, s};
    use super::*;

    #[test]
    fn terms_that_grow_are_right_even_where_a_crash_loses_one_that_was_never_spoken() {
        let (mut terms, mut findings) = (Terms::new(3), all_on());
        terms.announce(s(1), Term(4), millis(1), &mut findings);
        terms.send(s(1), Term(4), millis(2), &mut findings);
        terms.announce(s(1), Term(6), millis(3), &mut findings);
        terms.restart(s(1));
        terms.announce(s(1), Term(4), millis(9), &mut findings);
        terms.announce(s(1), Term(5), millis(10), &mut findings);
        terms.send(s(1), Term(5), millis(11), &mut findings);
        assert!(!findings.is_broken());
        assert_eq!(findings.evaluated()[TERM_MONOTONE], 6);
    }

    #[test]
    fn a_term_that_was_spoken_and_is_forgotten_is_found() {
        let (mut terms, mut findings) = (Terms::new(3), all_on());
        terms.announce(s(1), Term(4), millis(1), &mut findings);
        terms.send(s(1), Term(4), millis(2), &mut findings);
        terms.restart(s(1));
        terms.announce(s(1), Term(3), millis(9), &mut findings);
        let (index, facts) = broken(&findings);
        assert_eq!(index, TERM_MONOTONE);
        assert_eq!(facts, "s1 spoke in term 4 at 0.002000s; it is in term 3 at 0.009000s");
    }

    #[test]
    fn a_term_that_falls_within_one_life_is_found() {
        let (mut terms, mut findings) = (Terms::new(3), all_on());
        terms.announce(s(2), Term(4), millis(1), &mut findings);
        terms.announce(s(2), Term(3), millis(2), &mut findings);
        assert!(findings.is_broken());
    }

    #[test]
    fn a_message_ahead_of_its_sender_is_found_and_one_that_waited_is_right() {
        let (mut terms, mut findings) = (Terms::new(3), all_on());
        terms.announce(s(1), Term(4), millis(1), &mut findings);
        terms.send(s(1), Term(4), millis(2), &mut findings);
        terms.send(s(1), Term(3), millis(3), &mut findings);
        assert!(!findings.is_broken());
        terms.send(s(1), Term(5), millis(4), &mut findings);
        assert_eq!(broken(&findings).1, "s1 is in term 4; it speaks in term 5 at 0.004000s");
    }
}
