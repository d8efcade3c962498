//! A session from which the server has heard lately is not ended for silence.

use std::collections::{BTreeMap, BTreeSet};

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::node::ConnectionId;
use splitbrain_kernel::time::{Duration, Instant};

use crate::chat::ids::SessionId;

use super::index::HEARD_IS_KEPT;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "heard_is_kept",
    doc: "A session ends for silence only if nothing of its client has come to the server for as long as a session may \
          be silent.",
    source: "the service's heartbeats, as in its public repository; redis #416 for the clock",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// When something of each session came last.
///
/// What comes counts for the session of the connection that it comes over. A client that connects again may have two
/// connections for a while, and what is late on the old one says nothing about the new session.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    silence_min: Duration,
    /// The connection that each server has just accepted.
    accepted: BTreeMap<NodeId, ConnectionId>,
    /// The session of each connection.
    of: BTreeMap<ConnectionId, SessionId>,
    last: BTreeMap<SessionId, Instant>,
    /// Servers whose clocks were tampered with.
    misled: BTreeSet<NodeId>,
}

impl Heard {
    /// A session may be silent for at least this long in true time.
    pub(super) const fn new(silence_min: Duration) -> Self {
        Self {
            silence_min,
            accepted: BTreeMap::new(),
            of: BTreeMap::new(),
            last: BTreeMap::new(),
            misled: BTreeSet::new(),
        }
    }

    /// A server accepts a connection.
    pub(super) fn on_connected(&mut self, server: NodeId, connection: ConnectionId) {
        self.accepted.insert(server, connection);
    }

    /// It says as which session.
    pub(super) fn on_accepted(&mut self, now: Instant, session: SessionId) {
        if let Some(connection) = self.accepted.remove(&session.server()) {
            self.of.insert(connection, session);
        }
        self.last.insert(session, now);
    }

    /// A message comes to a server over a connection.
    pub(super) fn on_message(&mut self, now: Instant, connection: ConnectionId) {
        if let Some(session) = self.of.get(&connection) {
            self.last.insert(*session, now);
        }
    }

    /// The monotonic clock of a server stood still: it cannot know how long a session was silent.
    pub(super) fn on_frozen(&mut self, server: NodeId) {
        self.misled.insert(server);
    }

    pub(super) fn on_silent(&self, now: Instant, node: NodeId, session: SessionId, findings: &mut Findings) {
        if self.misled.contains(&node) {
            return;
        }
        let Some(last) = self.last.get(&session) else { return };
        findings.check(HEARD_IS_KEPT, Some(node), now.since(*last) >= self.silence_min, || {
            format!("{node} ends {session} for silence, {} after it was heard from", now.since(*last))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{C1, H1, all_on, broken, s1, seconds};
    use super::*;

    const fn connection(number: u32) -> ConnectionId {
        ConnectionId { opener: C1, number }
    }

    /// Sessions 1 and 2 of one client, over a connection each, the second from second 9 on.
    fn twice() -> Heard {
        let mut heard = Heard::new(Duration::from_secs(9));
        for (session, at) in [(1, 1), (2, 9)] {
            heard.on_connected(H1, connection(session));
            heard.on_accepted(seconds(at), s1(session));
        }
        heard
    }

    fn silent(heard: &Heard, session: u32, at: u64) -> Option<usize> {
        let mut findings = all_on();
        heard.on_silent(seconds(at), H1, s1(session), &mut findings);
        broken(&findings)
    }

    #[test]
    fn a_session_that_was_heard_from_is_kept_and_a_silent_one_may_end() {
        let mut heard = twice();
        assert_eq!((silent(&heard, 1, 9), silent(&heard, 1, 10)), (Some(HEARD_IS_KEPT), None));
        heard.on_message(seconds(8), connection(1));
        assert_eq!(silent(&heard, 1, 10), Some(HEARD_IS_KEPT));
        heard.on_frozen(H1);
        assert_eq!(silent(&heard, 1, 10), None);
    }

    #[test]
    fn what_is_late_on_the_old_connection_says_nothing_of_the_new_session() {
        let mut heard = twice();
        heard.on_message(seconds(16), connection(1));
        assert_eq!((silent(&heard, 2, 18), silent(&heard, 1, 17)), (None, Some(HEARD_IS_KEPT)));
        heard.on_message(seconds(16), connection(2));
        assert_eq!(silent(&heard, 2, 18), Some(HEARD_IS_KEPT));
    }
}
