//! What the tests of the invariants share.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::Findings;
use splitbrain_kernel::time::{Duration, Instant};

use crate::chat::ids::{CHAT, SessionId, Uid};
use crate::lock::ids::Token;

use super::book::Book;

pub(super) const C1: NodeId = NodeId::client(1);
pub(super) const H1: NodeId = NodeId::new(CHAT, 1);
pub(super) const H2: NodeId = NodeId::new(CHAT, 2);
pub(super) const U1: Uid = Uid(1);
pub(super) const U2: Uid = Uid(2);

/// A session of the first chat server.
pub(super) const fn s1(number: u32) -> SessionId {
    SessionId::new(H1, 0, number)
}

/// A session of the second one.
pub(super) fn s2(number: u32) -> SessionId {
    SessionId::new(H2, 0, number)
}

/// Findings with every invariant on.
pub(super) fn all_on() -> Findings {
    Findings::new(u64::MAX)
}

/// The invariant that is broken; `None` if all hold.
pub(super) fn broken(findings: &Findings) -> Option<usize> {
    findings.first().map(|(index, ..)| index)
}

pub(super) fn seconds(seconds: u64) -> Instant {
    Instant::ZERO.saturating_add(Duration::from_secs(seconds))
}

pub(super) fn millis(millis: u64) -> Instant {
    Instant::ZERO.saturating_add(Duration::from_millis(millis))
}

/// A whole login under the lock with token 1, with a lease of 5 s.
pub(super) fn log_in(book: &mut Book, at: Instant, session: SessionId, uid: Uid) {
    book.begun(session, uid);
    book.entered(session, Some(Token(1)));
    book.logged_in(at, session, Some(at.saturating_add(Duration::from_secs(5))));
    book.login_over(session);
}
