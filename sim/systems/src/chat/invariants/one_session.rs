//! A user is served in one session at a time, on all chat servers together, and nothing is taken from a session once a
//! later login of its user is done.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::{Duration, Instant};

use crate::chat::ids::{SessionId, Uid};

use super::book::Book;
use super::index::ONE_SESSION;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "one_session",
    doc: "A user has one session at a time, but for overlap_max, and no message is taken from an older one.",
    source: "QT chat project, day 20, 3 and 4: kicks on one server and across servers",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// Overlaps that may last for a while.
#[derive(Clone, Debug, Default)]
pub(super) struct Overlaps {
    overlap_max: Duration,
    /// Until when each older session must be over.
    due: Vec<(Instant, Uid, SessionId)>,
    seen: u64,
}

impl Overlaps {
    pub(super) fn new(overlap_max: Duration) -> Self {
        Self { overlap_max, ..Self::default() }
    }

    /// How many overlaps there were.
    pub(super) const fn seen(&self) -> u64 {
        self.seen
    }

    pub(super) fn deadline(&self) -> Instant {
        self.due.iter().map(|(at, ..)| *at).min().unwrap_or(Instant::MAX)
    }

    /// A user is logged in, and the book has it.
    pub(super) fn on_logged_in(
        &mut self,
        now: Instant,
        (session, uid): (SessionId, Uid),
        book: &Book,
        findings: &mut Findings,
    ) {
        let older: Vec<SessionId> = book.live_of(now, uid).filter(|other| *other != session).collect();
        self.seen += u64::from(!older.is_empty());
        if self.overlap_max.is_zero() {
            findings.check(ONE_SESSION, Some(session.server()), older.is_empty(), || overlap(uid, session, &older));
        } else {
            let at = now.saturating_add(self.overlap_max);
            self.due.extend(older.iter().map(|older| (at, uid, *older)));
            findings.check(ONE_SESSION, Some(session.server()), true, String::new);
        }
    }

    /// Something that a user said is taken.
    pub(super) fn on_heard(
        &self,
        now: Instant,
        node: NodeId,
        session: SessionId,
        book: &Book,
        findings: &mut Findings,
    ) {
        let superseded = book.superseded(session);
        let holds = superseded.is_none_or(|at| now <= at.saturating_add(self.overlap_max));
        findings.check(ONE_SESSION, Some(node), holds, || {
            let at = superseded.unwrap_or(now);
            format!("{node} takes a message from {session}, although its user has logged in again at {at}")
        });
    }

    pub(super) fn on_deadline(&mut self, now: Instant, book: &Book, findings: &mut Findings) {
        let due: Vec<_> = self.due.extract_if(.., |(at, ..)| *at <= now).collect();
        for (_, uid, older) in due {
            findings.check(ONE_SESSION, Some(older.server()), !book.is_live(now, older), || {
                format!("{uid} still has {older}, {} after a later login", self.overlap_max)
            });
        }
    }
}

fn overlap(uid: Uid, session: SessionId, older: &[SessionId]) -> String {
    let older: Vec<String> = older.iter().map(ToString::to_string).collect();
    format!("{uid} has {session} and still {}", older.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{H1, U1, all_on, broken, log_in, s1, s2, seconds};
    use super::*;

    fn second_login(book: &Book, overlap_max: u64, later: u64) -> Option<usize> {
        let (mut overlaps, mut findings) = (Overlaps::new(Duration::from_secs(overlap_max)), all_on());
        overlaps.on_logged_in(seconds(2), (s2(1), U1), book, &mut findings);
        overlaps.on_deadline(seconds(later), book, &mut findings);
        broken(&findings)
    }

    #[test]
    fn two_sessions_at_a_time_are_found_and_one_after_the_other_are_not() {
        let mut book = Book::default();
        log_in(&mut book, seconds(1), s1(1), U1);
        log_in(&mut book, seconds(2), s2(1), U1);
        assert_eq!(second_login(&book, 0, 2), Some(ONE_SESSION));
        book.ended(s1(1));
        assert_eq!(second_login(&book, 0, 2), None);
    }

    #[test]
    fn an_overlap_is_allowed_for_a_while() {
        let mut book = Book::default();
        log_in(&mut book, seconds(1), s1(1), U1);
        log_in(&mut book, seconds(2), s2(1), U1);
        assert_eq!(second_login(&book, 2, 3), None);
        assert_eq!(second_login(&book, 2, 4), Some(ONE_SESSION));
    }

    #[test]
    fn a_message_from_an_older_session_is_found() {
        let mut book = Book::default();
        let heard = |book: &Book, session| {
            let mut findings = all_on();
            Overlaps::new(Duration::ZERO).on_heard(seconds(3), H1, session, book, &mut findings);
            broken(&findings)
        };
        log_in(&mut book, seconds(1), s1(1), U1);
        assert_eq!(heard(&book, s1(1)), None);
        log_in(&mut book, seconds(2), s2(1), U1);
        assert_eq!((heard(&book, s1(1)), heard(&book, s2(1))), (Some(ONE_SESSION), None));
    }
}
