//! A session that a login has asked to end is over when the login is done, or soon after.

use std::collections::BTreeMap;

use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::Instant;

use crate::chat::ids::SessionId;

use super::book::Book;
use super::index::KICKED_CLOSES;
use super::rest::Rest;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "kicked_closes",
    doc: "A session that a later login asked to end is over once that login is done and the world was left alone for \
          as long as a silent session may last.",
    source: "QT chat project, day 20, 3.3",
    kind: InvariantKind::Liveness,
    sight: Sight::BlackBox,
};

/// Which session each login has asked to end, and which of these are to be over soon.
#[derive(Clone, Debug)]
pub(super) struct Victims {
    of: BTreeMap<SessionId, SessionId>,
    going: Rest<SessionId>,
}

impl Victims {
    pub(super) const fn new(going: Rest<SessionId>) -> Self {
        Self { of: BTreeMap::new(), going }
    }

    pub(super) fn on_asked(&mut self, victim: SessionId, by: SessionId) {
        self.of.insert(by, victim);
    }

    /// A login is done.
    pub(super) fn on_logged_in(&mut self, now: Instant, by: SessionId, book: &Book, findings: &mut Findings) {
        let Some(victim) = self.of.remove(&by) else { return };
        if book.is_live(now, victim) {
            self.going.stir(now, victim);
        } else {
            findings.check(KICKED_CLOSES, Some(victim.server()), true, String::new);
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.going.deadline()
    }

    pub(super) fn on_deadline(&mut self, now: Instant, disturbed: Instant, book: &Book, findings: &mut Findings) {
        for victim in self.going.take(now, disturbed) {
            findings.check(KICKED_CLOSES, Some(victim.server()), !book.is_live(now, victim), || {
                format!("{victim} goes on, although a later login of its user has asked it to end")
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use splitbrain_kernel::time::Duration;

    use super::super::testing::{U1, all_on, broken, log_in, s1, s2, seconds};
    use super::*;

    /// A login that has asked for the end of another session, and what is judged 4 s later.
    fn judged(end: impl FnOnce(&mut Book)) -> (Option<usize>, u64) {
        let (mut book, mut findings) = (Book::default(), all_on());
        let mut victims = Victims::new(Rest::new(Duration::from_secs(4)));
        log_in(&mut book, seconds(1), s1(1), U1);
        book.renewed(s1(1), seconds(100));
        victims.on_asked(s1(1), s2(1));
        log_in(&mut book, seconds(2), s2(1), U1);
        victims.on_logged_in(seconds(2), s2(1), &book, &mut findings);
        end(&mut book);
        victims.on_deadline(seconds(6), seconds(1), &book, &mut findings);
        (broken(&findings), findings.evaluated()[KICKED_CLOSES])
    }

    #[test]
    fn a_session_that_goes_on_after_its_kick_is_found() {
        assert_eq!(judged(|_| {}), (Some(KICKED_CLOSES), 1));
        assert_eq!(judged(|book| book.ended(s1(1))), (None, 1));
    }

    #[test]
    fn one_that_was_over_before_the_login_counts_at_once() {
        let (mut book, mut findings) = (Book::default(), all_on());
        let mut victims = Victims::new(Rest::new(Duration::from_secs(4)));
        log_in(&mut book, seconds(1), s1(1), U1);
        book.ended(s1(1));
        victims.on_asked(s1(1), s2(1));
        victims.on_logged_in(seconds(2), s2(1), &book, &mut findings);
        assert_eq!((broken(&findings), findings.evaluated()[KICKED_CLOSES]), (None, 1));
        assert_eq!(victims.deadline(), Instant::MAX);
    }
}
