//! A token that the status server has given is not refused before its time is over.

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::{Duration, Instant};

use crate::chat::ids::{LoginToken, Uid};
use crate::chat::message::{ChatMessage, Refusal};

use super::index::ISSUED_TOKEN_WORKS;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "issued_token_works",
    doc: "A client that shows a token within its time to live is not refused for its token.",
    source: "QT chat project, day 20, 3.2, step 5",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// Tokens that were given, and what clients have shown.
#[derive(Clone, Debug)]
pub(super) struct Issued {
    life: Duration,
    given: BTreeMap<(Uid, LoginToken), Instant>,
    shown: BTreeMap<NodeId, (Uid, LoginToken)>,
}

impl Issued {
    /// Tokens live this long at least.
    pub(super) const fn new(life: Duration) -> Self {
        Self { life, given: BTreeMap::new(), shown: BTreeMap::new() }
    }

    pub(super) fn on_assigned(&mut self, now: Instant, uid: Uid, token: LoginToken) {
        self.given.insert((uid, token), now);
    }

    /// A client sends a message.
    pub(super) fn on_sent(&mut self, client: NodeId, message: &ChatMessage) {
        if let ChatMessage::Login { uid, token } = message {
            self.shown.insert(client, (*uid, *token));
        }
    }

    /// A client reads a message.
    pub(super) fn on_read(&self, now: Instant, client: NodeId, message: &ChatMessage, findings: &mut Findings) {
        let ChatMessage::LoginReply { result, .. } = message else { return };
        let Some((uid, token)) = self.shown.get(&client) else { return };
        let given = self.given.get(&(*uid, *token));
        if given.is_some_and(|at| now < at.saturating_add(self.life)) {
            let is_refused = matches!(result, Err(Refusal::TokenInvalid | Refusal::UidInvalid));
            findings.check(ISSUED_TOKEN_WORKS, Some(client), !is_refused, || {
                format!("{client} is refused as {uid} for token {token}, which it was given for {}", self.life)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{C1, U1, all_on, broken, s1, seconds};
    use super::*;

    fn read(at: u64, given: bool, result: Result<(), Refusal>) -> Option<usize> {
        let (mut issued, mut findings) = (Issued::new(Duration::from_secs(60)), all_on());
        if given {
            issued.on_assigned(seconds(1), U1, LoginToken(1));
        }
        issued.on_sent(C1, &ChatMessage::Login { uid: U1, token: LoginToken(1) });
        let reply = ChatMessage::LoginReply { session: s1(1), result: result.map(|()| Vec::new()) };
        issued.on_read(seconds(at), C1, &reply, &mut findings);
        broken(&findings)
    }

    #[test]
    fn a_token_that_was_given_and_is_refused_is_found() {
        assert_eq!(read(2, true, Err(Refusal::TokenInvalid)), Some(ISSUED_TOKEN_WORKS));
        assert_eq!(read(2, true, Err(Refusal::UidInvalid)), Some(ISSUED_TOKEN_WORKS));
        assert_eq!((read(2, true, Ok(())), read(2, true, Err(Refusal::UserExists))), (None, None));
    }

    #[test]
    fn one_that_is_too_old_or_made_up_may_be_refused() {
        assert_eq!(read(62, true, Err(Refusal::TokenInvalid)), None);
        assert_eq!(read(2, false, Err(Refusal::TokenInvalid)), None);
    }
}
