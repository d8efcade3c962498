//! A session is kicked for a later login of its user alone.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::chat::ids::SessionId;

use super::book::Book;
use super::index::KICK_BY_LATER_LOGIN;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "kick_by_later_login",
    doc: "A session is kicked only if another login of its user went under the lock after its own.",
    source: "QT chat project, day 20, 4: kick across servers",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// A chat server kicks a session.
pub(super) fn on_kicked(node: NodeId, victim: SessionId, book: &Book, findings: &mut Findings) {
    findings.check(KICK_BY_LATER_LOGIN, Some(node), book.has_later_login(victim), || {
        format!("{node} kicks {victim}, and its user has not logged in since")
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{H1, U1, all_on, broken, log_in, s1, s2, seconds};
    use super::*;

    fn kicked(book: &Book, victim: SessionId) -> Option<usize> {
        let mut findings = all_on();
        on_kicked(H1, victim, book, &mut findings);
        broken(&findings)
    }

    #[test]
    fn an_older_session_may_be_kicked_and_the_newest_may_not() {
        let mut book = Book::default();
        log_in(&mut book, seconds(1), s1(1), U1);
        log_in(&mut book, seconds(2), s2(1), U1);
        assert_eq!((kicked(&book, s1(1)), kicked(&book, s2(1))), (None, Some(KICK_BY_LATER_LOGIN)));
        book.begun(s1(2), U1);
        assert_eq!(kicked(&book, s2(1)), Some(KICK_BY_LATER_LOGIN), "it waits for the lock");
        book.entered(s1(2), None);
        assert_eq!(kicked(&book, s2(1)), None);
    }
}
