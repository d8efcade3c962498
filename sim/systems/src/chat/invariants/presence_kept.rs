//! The presence of a session is there as long as its user is served in it: no command removes or replaces it before.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::Instant;

use crate::chat::ids::Uid;
use crate::chat::observation::Presence;

use super::book::Book;
use super::index::PRESENCE_KEPT;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "presence_kept",
    doc: "No command removes or replaces the presence of a session in which its user is served.",
    source: "QT chat project, day 20, 2.2: the user goes offline",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// A command has changed the presence of a user.
pub(super) fn on_stored(
    now: Instant,
    by: NodeId,
    uid: Uid,
    (before, after): (Presence, Presence),
    book: &Book,
    findings: &mut Findings,
) {
    let Some(session) = before.session.filter(|session| after.session != Some(*session)) else { return };
    findings.check(PRESENCE_KEPT, Some(by), !book.is_live(now, session), || {
        format!("{by} takes the presence of {uid} away from {session}, which goes on")
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{H1, H2, U1, all_on, broken, log_in, s1, s2, seconds};
    use super::*;

    #[test]
    fn the_presence_of_a_session_that_goes_on_is_missed_and_that_of_one_that_is_over_is_not() {
        let mut book = Book::default();
        log_in(&mut book, seconds(1), s1(1), U1);
        let before = Presence { server: Some(H1), session: Some(s1(1)) };
        let judge = |book: &Book, after| {
            let mut findings = all_on();
            on_stored(seconds(2), H2, U1, (before, after), book, &mut findings);
            broken(&findings)
        };
        let replaced = Presence { server: Some(H2), session: Some(s2(1)) };
        assert_eq!(judge(&book, replaced), Some(PRESENCE_KEPT));
        assert_eq!(judge(&book, Presence::default()), Some(PRESENCE_KEPT));
        assert_eq!(judge(&book, before), None);
        book.ended(s1(1));
        assert_eq!(judge(&book, replaced), None);
    }
}
