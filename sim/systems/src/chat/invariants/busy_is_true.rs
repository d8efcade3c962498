//! A user is said to log in elsewhere only if the redis has refused the lock of the user. A redis that is silent, or
//! that answers with an error, says nothing of another login.

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::Instant;

use crate::chat::ids::{SessionId, Uid};
use crate::lock::message::{Answer, Command, RequestId, Wire};

use super::index::BUSY_IS_TRUE;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "busy_is_true",
    doc: "A login is refused as busy only if the redis has refused the lock to its server since the login began.",
    source: "QT chat project, day 20: an error of the connection is taken for a lock that another has",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// What the redis has refused to chat servers.
#[derive(Clone, Debug, Default)]
pub(super) struct Refused {
    /// The user whose lock each request asks for.
    asked: BTreeMap<(NodeId, RequestId), Uid>,
    /// When the lock of a user was refused to a server last.
    last: BTreeMap<(NodeId, Uid), Instant>,
    /// When each login began.
    begun: BTreeMap<SessionId, Instant>,
}

impl Refused {
    /// A chat server sends something to the redis.
    pub(super) fn on_sent(&mut self, server: NodeId, wire: &Wire) {
        if let Wire::Ask { request, command: Command::Acquire { lock, .. }, .. } = wire {
            self.asked.insert((server, *request), Uid(lock.0));
        }
    }

    /// The redis answers a chat server.
    pub(super) fn on_answer(&mut self, now: Instant, server: NodeId, wire: &Wire) {
        let Wire::Answer { request, answer } = wire else { return };
        if let (Some(uid), Answer::Nil) = (self.asked.remove(&(server, *request)), answer) {
            self.last.insert((server, uid), now);
        }
    }

    pub(super) fn on_begun(&mut self, now: Instant, session: SessionId) {
        self.begun.insert(session, now);
    }

    /// A login is refused as busy.
    pub(super) fn on_busy(&self, server: NodeId, session: SessionId, uid: Uid, findings: &mut Findings) {
        let begun = self.begun.get(&session).copied().unwrap_or(Instant::ZERO);
        let was_refused = self.last.get(&(server, uid)).is_some_and(|at| *at >= begun);
        findings.check(BUSY_IS_TRUE, Some(server), was_refused, || {
            format!("{server} says that {uid} logs in elsewhere, and no lock was refused to it since {begun}")
        });
    }

    pub(super) fn on_down(&mut self, server: NodeId) {
        self.asked.retain(|(of, _), _| *of != server);
        self.last.retain(|(of, _), _| *of != server);
        self.begun.retain(|session, _| session.server() != server);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{H1, U1, U2, all_on, broken, s1, seconds};
    use super::*;
    use crate::lock::ids::{LockId, Token};

    /// A login of user 1 begins at second 5 and is refused as busy; before, the redis answers a request for the lock of
    /// this user at this second.
    fn judged(uid: Uid, at: u64, answer: Answer) -> Option<usize> {
        let (mut refused, mut findings) = (Refused::default(), all_on());
        let (lock, token) = (LockId(uid.0), Token(1));
        let command = Command::Acquire { lock, token, time_to_live: None, fenced: false, returning: false };
        refused.on_begun(seconds(5), s1(1));
        refused.on_sent(H1, &Wire::Ask { process: 0, request: 7, command });
        refused.on_answer(seconds(at), H1, &Wire::Answer { request: 7, answer });
        refused.on_busy(H1, s1(1), U1, &mut findings);
        broken(&findings)
    }

    #[test]
    fn a_refusal_during_the_login_makes_it_true() {
        assert_eq!(judged(U1, 6, Answer::Nil), None);
        assert_eq!(judged(U1, 4, Answer::Nil), Some(BUSY_IS_TRUE), "that was before the login");
        assert_eq!(judged(U2, 6, Answer::Nil), Some(BUSY_IS_TRUE), "that was another user");
        assert_eq!(judged(U1, 6, Answer::Error("LOADING".to_owned())), Some(BUSY_IS_TRUE));
        assert_eq!(judged(U1, 6, Answer::Ok), Some(BUSY_IS_TRUE));
    }
}
