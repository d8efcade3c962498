//! A client reads that it is logged in before it reads that its session is over.

use std::collections::BTreeSet;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::chat::ids::SessionId;
use crate::chat::message::ChatMessage;

use super::index::REPLY_BEFORE_OFFLINE;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "reply_before_offline",
    doc: "What a client reads of a session begins with the answer to its login; the word that it is over comes later.",
    source: "QT chat project, day 20, 3.2: the guards of the login end in the wrong order",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// The sessions whose clients have read that they are logged in.
#[derive(Clone, Debug, Default)]
pub(super) struct Answered {
    sessions: BTreeSet<SessionId>,
}

impl Answered {
    /// A client reads a message.
    pub(super) fn on_read(&mut self, client: NodeId, message: &ChatMessage, findings: &mut Findings) {
        match message {
            ChatMessage::LoginReply { session, result: Ok(_) } => drop(self.sessions.insert(*session)),
            ChatMessage::Offline { session } => {
                findings.check(REPLY_BEFORE_OFFLINE, Some(client), self.sessions.contains(session), || {
                    format!("{client} reads that {session} is over before it reads that it is logged in")
                });
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{C1, all_on, broken, s1};
    use super::*;

    #[test]
    fn the_word_that_a_session_is_over_comes_after_the_answer() {
        let (mut answered, mut findings) = (Answered::default(), all_on());
        let reply = ChatMessage::LoginReply { session: s1(1), result: Ok(Vec::new()) };
        answered.on_read(C1, &reply, &mut findings);
        answered.on_read(C1, &ChatMessage::Offline { session: s1(1) }, &mut findings);
        assert_eq!(broken(&findings), None);
        answered.on_read(C1, &ChatMessage::Offline { session: s1(2) }, &mut findings);
        assert_eq!(broken(&findings), Some(REPLY_BEFORE_OFFLINE));
    }
}
