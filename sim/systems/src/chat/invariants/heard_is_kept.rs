//! A session from which the server has heard lately is not ended for silence.

use std::collections::{BTreeMap, BTreeSet};

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
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
#[derive(Clone, Debug)]
pub(super) struct Heard {
    silence_min: Duration,
    /// The newest session of each client at each server: what comes is counted as its own.
    newest: BTreeMap<(NodeId, NodeId), SessionId>,
    last: BTreeMap<SessionId, Instant>,
    /// Servers whose clocks were tampered with.
    misled: BTreeSet<NodeId>,
}

impl Heard {
    /// A session may be silent for at least this long in true time.
    pub(super) const fn new(silence_min: Duration) -> Self {
        Self { silence_min, newest: BTreeMap::new(), last: BTreeMap::new(), misled: BTreeSet::new() }
    }

    pub(super) fn on_accepted(&mut self, now: Instant, session: SessionId, client: NodeId) {
        self.newest.insert((session.server(), client), session);
        self.last.insert(session, now);
    }

    /// A message of a client comes to a server.
    pub(super) fn on_message(&mut self, now: Instant, server: NodeId, client: NodeId) {
        if let Some(session) = self.newest.get(&(server, client)) {
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

    #[test]
    fn a_session_that_was_heard_from_is_kept_and_a_silent_one_may_end() {
        let mut heard = Heard::new(Duration::from_secs(9));
        heard.on_accepted(seconds(1), s1(1), C1);
        let silent = |heard: &Heard, at| {
            let mut findings = all_on();
            heard.on_silent(seconds(at), H1, s1(1), &mut findings);
            broken(&findings)
        };
        assert_eq!((silent(&heard, 9), silent(&heard, 10)), (Some(HEARD_IS_KEPT), None));
        heard.on_message(seconds(8), H1, C1);
        assert_eq!(silent(&heard, 10), Some(HEARD_IS_KEPT));
        heard.on_accepted(seconds(9), s1(2), C1);
        heard.on_message(seconds(16), H1, C1);
        assert_eq!(silent(&heard, 17), None, "the message was of the newer session");
        heard.on_frozen(H1);
        assert_eq!(silent(&heard, 10), None);
    }
}
