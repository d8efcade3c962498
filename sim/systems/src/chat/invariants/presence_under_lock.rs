//! What changes the presence of a user does so while it holds the lock of the user, as the redis has it: the token of
//! the lock is the fencing token of the write. The lock is that of the login or of the cleanup, and not of another job
//! of the same server.

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::chat::ids::{SessionId, Uid};
use crate::chat::observation::Presence;
use crate::lock::ids::Token;

use super::book::Book;
use super::index::PRESENCE_UNDER_LOCK;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "presence_under_lock",
    doc: "A presence is written under the lock of the login that it is for, and removed under the lock of the cleanup \
          of its session.",
    source: "Kleppmann 2016, \"Making the lock safe with fencing\"",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// What a lock is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The login of a session.
    Login(SessionId),
    /// The cleanup after a session.
    Cleanup(SessionId),
}

/// Who has asked for a lock under each token, and what for.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    by: BTreeMap<Token, (NodeId, Option<Purpose>)>,
    /// What each server has begun in this moment: it asks for the lock of it at once.
    begun: BTreeMap<NodeId, Purpose>,
}

impl Wanted {
    pub(super) fn on_begun(&mut self, node: NodeId, purpose: Purpose) {
        self.begun.insert(node, purpose);
    }

    /// A server asks for a lock, maybe in place of an attempt that it gives up.
    pub(super) fn on_wanted(&mut self, node: NodeId, token: Token, instead_of: Option<Token>) {
        let purpose = match instead_of {
            Some(before) => self.by.get(&before).and_then(|(_, purpose)| *purpose),
            None => self.begun.remove(&node),
        };
        self.by.insert(token, (node, purpose));
    }

    /// A command has changed the presence of a user while its lock was held under this token.
    pub(super) fn on_stored(
        &self,
        (by, uid): (NodeId, Uid),
        (before, after): (Presence, Presence),
        lock: Option<Token>,
        book: &Book,
        findings: &mut Findings,
    ) {
        let (owner, purpose) = lock.and_then(|token| self.by.get(&token)).copied().unzip();
        let writer = after.session.filter(|session| before.session != Some(*session));
        let is_right = match (writer, purpose.flatten()) {
            (Some(writer), Some(purpose)) => purpose == Purpose::Login(writer) && book.lock_of(writer) == lock,
            (Some(writer), None) => book.lock_of(writer) == lock,
            (None, Some(Purpose::Cleanup(session))) => before.session.is_none_or(|removed| removed == session),
            (None, Some(Purpose::Login(_))) => after.session.is_none() && after.server.is_some(),
            // It was begun some time before it asked: a known bug does so.
            (None, None) => true,
        };
        findings.check(PRESENCE_UNDER_LOCK, Some(by), owner == Some(by) && is_right, || {
            let lock = lock.map_or_else(|| "no token".to_owned(), |token| format!("token {token}"));
            format!("{by} changes the presence of {uid}, whose lock is held by {lock}, which is not its own")
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{H1, H2, U1, all_on, broken, log_in, s1, s2, seconds};
    use super::*;

    const WRITTEN: Presence = Presence { server: Some(H1), session: Some(s1(1)) };

    /// The first server logs a session in under token 1 and cleans another one up under token 2; the second server has
    /// asked under token 3.
    fn judge(by: NodeId, (before, after): (Presence, Presence), lock: Option<u64>) -> Option<usize> {
        let (mut book, mut wanted, mut findings) = (Book::default(), Wanted::default(), all_on());
        log_in(&mut book, seconds(1), s1(1), U1);
        for (server, purpose, token) in
            [(H1, Purpose::Login(s1(1)), 1), (H1, Purpose::Cleanup(s1(2)), 2), (H2, Purpose::Cleanup(s2(1)), 3)]
        {
            wanted.on_begun(server, purpose);
            wanted.on_wanted(server, Token(token), None);
        }
        wanted.on_wanted(H1, Token(4), Some(Token(2)));
        wanted.on_stored((by, U1), (before, after), lock.map(Token), &book, &mut findings);
        broken(&findings)
    }

    #[test]
    fn a_write_under_the_own_lock_is_right_and_one_under_none_or_another_is_found() {
        let write = (Presence::default(), WRITTEN);
        assert_eq!(judge(H1, write, Some(1)), None);
        assert_eq!(judge(H1, write, None), Some(PRESENCE_UNDER_LOCK));
        assert_eq!(judge(H1, write, Some(2)), Some(PRESENCE_UNDER_LOCK), "another job of the same server");
        assert_eq!(judge(H2, write, Some(3)), Some(PRESENCE_UNDER_LOCK), "not the lock of that login");
    }

    #[test]
    fn a_presence_is_removed_under_the_lock_of_the_cleanup_of_its_session() {
        let of = |number| (Presence { server: Some(H1), session: Some(s1(number)) }, Presence::default());
        assert_eq!(judge(H1, of(2), Some(2)), None);
        assert_eq!(judge(H1, of(2), Some(4)), None, "a later attempt of the same cleanup");
        assert_eq!(judge(H1, of(2), Some(1)), Some(PRESENCE_UNDER_LOCK), "the lock of a login");
        assert_eq!(judge(H1, of(1), Some(2)), Some(PRESENCE_UNDER_LOCK), "the cleanup of another session");
        assert_eq!(judge(H1, of(2), Some(3)), Some(PRESENCE_UNDER_LOCK), "the lock of another server");
    }
}
