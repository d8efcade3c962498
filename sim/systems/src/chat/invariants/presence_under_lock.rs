//! What changes the presence of a user does so while it holds the lock of the user, as the redis has it: the token of
//! the lock is the fencing token of the write.

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::chat::ids::Uid;
use crate::chat::observation::Presence;
use crate::lock::ids::Token;

use super::book::Book;
use super::index::PRESENCE_UNDER_LOCK;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "presence_under_lock",
    doc: "A presence is written under the lock of the login that it is for, and removed under a lock of the one who \
          removes it.",
    source: "Kleppmann 2016, \"Making the lock safe with fencing\"",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// Who has asked for a lock under each token.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    by: BTreeMap<Token, NodeId>,
}

impl Wanted {
    pub(super) fn on_wanted(&mut self, node: NodeId, token: Token) {
        self.by.insert(token, node);
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
        let writer = after.session.filter(|session| before.session != Some(*session));
        let is_own = lock.is_some_and(|token| self.by.get(&token) == Some(&by));
        let is_of_login = writer.is_none_or(|session| book.lock_of(session) == lock);
        findings.check(PRESENCE_UNDER_LOCK, Some(by), is_own && is_of_login, || {
            let lock = lock.map_or_else(|| "no token".to_owned(), |token| format!("token {token}"));
            format!("{by} changes the presence of {uid}, whose lock is held by {lock}, which is not its own")
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{H1, H2, U1, all_on, broken, log_in, s1, seconds};
    use super::*;

    /// The first server has logged in under the lock with token 1; the second one has asked under token 2.
    fn judge(by: NodeId, after: Presence, lock: Option<u64>) -> Option<usize> {
        let (mut book, mut wanted, mut findings) = (Book::default(), Wanted::default(), all_on());
        log_in(&mut book, seconds(1), s1(1), U1);
        wanted.on_wanted(H1, Token(1));
        wanted.on_wanted(H2, Token(2));
        wanted.on_stored((by, U1), (Presence::default(), after), lock.map(Token), &book, &mut findings);
        broken(&findings)
    }

    #[test]
    fn a_write_under_the_own_lock_is_right_and_one_under_none_or_another_is_found() {
        let written = Presence { server: Some(H1), session: Some(s1(1)) };
        assert_eq!(judge(H1, written, Some(1)), None);
        assert_eq!(judge(H1, written, None), Some(PRESENCE_UNDER_LOCK));
        assert_eq!(judge(H1, written, Some(2)), Some(PRESENCE_UNDER_LOCK));
        assert_eq!(judge(H2, written, Some(2)), Some(PRESENCE_UNDER_LOCK), "not the lock of that login");
    }

    #[test]
    fn who_removes_holds_the_lock() {
        assert_eq!(judge(H2, Presence::default(), Some(2)), None);
        assert_eq!(judge(H2, Presence::default(), Some(1)), Some(PRESENCE_UNDER_LOCK));
    }
}
