//! Who is logged in has shown the token that the status server gave last.

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::chat::ids::{LoginToken, SessionId, Uid};

use super::index::LOGIN_WITH_LAST_TOKEN;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "login_with_last_token",
    doc: "A login that is done has shown a token that was the last one of its user at some moment of the login.",
    source: "QT chat project, day 20, 3.2, step 5",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// The last tokens of users, and those that were the last ones during each login.
#[derive(Clone, Debug, Default)]
pub(super) struct Tokens {
    last: BTreeMap<Uid, LoginToken>,
    during: BTreeMap<SessionId, (Uid, Vec<LoginToken>)>,
}

impl Tokens {
    pub(super) fn on_stored(&mut self, uid: Uid, token: LoginToken) {
        self.last.insert(uid, token);
        self.during.values_mut().filter(|(of, _)| *of == uid).for_each(|(_, tokens)| tokens.push(token));
    }

    pub(super) fn on_begun(&mut self, session: SessionId, uid: Uid) {
        self.during.insert(session, (uid, self.last.get(&uid).copied().into_iter().collect()));
    }

    pub(super) fn on_over(&mut self, session: SessionId) {
        self.during.remove(&session);
    }

    pub(super) fn on_down(&mut self, server: NodeId) {
        self.during.retain(|session, _| session.server() != server);
    }

    pub(super) fn on_logged_in(&self, session: SessionId, uid: Uid, token: LoginToken, findings: &mut Findings) {
        let is_last = self.during.get(&session).is_some_and(|(of, tokens)| *of == uid && tokens.contains(&token));
        findings.check(LOGIN_WITH_LAST_TOKEN, Some(session.server()), is_last, || {
            format!("{uid} is logged in with {session} and token {token}, which was not the last one during the login")
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{U1, U2, all_on, broken, s1};
    use super::*;

    fn logged_in(tokens: &Tokens, uid: Uid, token: u64) -> Option<usize> {
        let mut findings = all_on();
        tokens.on_logged_in(s1(1), uid, LoginToken(token), &mut findings);
        broken(&findings)
    }

    #[test]
    fn a_token_that_was_the_last_one_is_right_and_an_older_or_foreign_one_is_found() {
        let mut tokens = Tokens::default();
        tokens.on_stored(U1, LoginToken(1));
        tokens.on_stored(U1, LoginToken(2));
        tokens.on_stored(U2, LoginToken(9));
        tokens.on_begun(s1(1), U1);
        assert_eq!((logged_in(&tokens, U1, 2), logged_in(&tokens, U1, 1)), (None, Some(LOGIN_WITH_LAST_TOKEN)));
        assert_eq!(logged_in(&tokens, U1, 9), Some(LOGIN_WITH_LAST_TOKEN));
        tokens.on_stored(U1, LoginToken(3));
        assert_eq!((logged_in(&tokens, U1, 2), logged_in(&tokens, U1, 3)), (None, None), "both were, meanwhile");
        tokens.on_over(s1(1));
        tokens.on_begun(s1(1), U1);
        assert_eq!(logged_in(&tokens, U1, 2), Some(LOGIN_WITH_LAST_TOKEN));
    }

    #[test]
    fn a_user_without_a_token_is_found() {
        let mut tokens = Tokens::default();
        tokens.on_begun(s1(1), U1);
        assert_eq!(logged_in(&tokens, U1, 0), Some(LOGIN_WITH_LAST_TOKEN));
    }
}
