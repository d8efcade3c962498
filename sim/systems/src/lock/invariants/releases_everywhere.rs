//! A client that gives an attempt up asks every server to release it that may have granted it: also one that did not
//! answer (redis-doc, "Distributed Locks with Redis", step 5: "even the instances it believed it was not able to
//! lock"; redisson #1606).

use std::collections::{BTreeMap, BTreeSet};

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::lock::ids::Token;
use crate::lock::message::{Command, Wire};
use crate::lock::observation::Hold;

use super::index::RELEASES_EVERYWHERE;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "releases_everywhere",
    doc: "A client that gives an attempt up asks every server to release it that may have granted it.",
    source: "redis-doc, Distributed Locks with Redis, step 5; redisson #1606",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// The attempts of clients that go on.
#[derive(Clone, Debug, Default)]
pub(super) struct Attempts {
    open: BTreeMap<(NodeId, Hold), Attempt>,
}

/// An attempt.
#[derive(Clone, Debug, Default)]
struct Attempt {
    /// The servers that may have granted it, and are not asked to release it.
    may_have_it: BTreeSet<NodeId>,
    /// Whether a server was asked to release it that may have granted it. An attempt that every server has refused says
    /// nothing.
    was_given_back: bool,
}

impl Attempts {
    /// A client begins to ask under this token, in place of an attempt that it gives up. A process may ask for a lock
    /// more than once at a time.
    pub(super) fn on_wanted(&mut self, client: NodeId, hold: Hold, instead_of: Option<Token>, findings: &mut Findings) {
        if let Some(token) = instead_of {
            self.end(client, Hold { token, ..hold }, findings);
        }
        self.open.insert((client, hold), Attempt::default());
    }

    /// A client gives up.
    pub(super) fn on_given_up(&mut self, client: NodeId, hold: Hold, findings: &mut Findings) {
        self.end(client, hold, findings);
    }

    /// A client has the lock: its release is another matter.
    pub(super) fn on_gained(&mut self, client: NodeId, hold: Hold) {
        self.open.remove(&(client, hold));
    }

    fn end(&mut self, client: NodeId, hold: Hold, findings: &mut Findings) {
        let Some(Attempt { may_have_it, was_given_back }) = self.open.remove(&(client, hold)) else { return };
        let left = may_have_it.first().copied();
        if left.is_none() && !was_given_back {
            return;
        }
        findings.check(RELEASES_EVERYWHERE, Some(client), left.is_none(), || {
            let server = left.expect("one is left");
            format!("{client} gives {} of {} up, and does not release it at {server}", hold.lock, hold.token)
        });
    }

    /// A client sends something.
    pub(super) fn on_sent(&mut self, client: NodeId, target: NodeId, message: &Wire) {
        let Wire::Ask { command, .. } = message else { return };
        match *command {
            Command::Acquire { lock, token, .. } => {
                if let Some(attempt) = self.open.get_mut(&(client, Hold { lock, token })) {
                    attempt.may_have_it.insert(target);
                }
            }
            Command::Release { lock, token } => {
                if let Some(attempt) = self.open.get_mut(&(client, Hold { lock, token })) {
                    attempt.was_given_back |= attempt.may_have_it.remove(&target);
                }
            }
            _ => {}
        }
    }

    /// A server does not have it: it has refused.
    pub(super) fn on_refused(&mut self, client: NodeId, server: NodeId, hold: Hold) {
        if let Some(attempt) = self.open.get_mut(&(client, hold)) {
            attempt.may_have_it.remove(&server);
        }
    }

    /// A client's process has ended: it gives nothing back.
    pub(super) fn on_down(&mut self, client: NodeId) {
        self.open.retain(|(of, _), _| *of != client);
    }
}

#[cfg(test)]
mod tests {
    use splitbrain_kernel::time::Duration;

    use super::super::testing::{C1, R1, R2, R3, all_on, broken, hold};
    use super::*;

    /// Three servers are asked, one refuses, and these are asked to release.
    fn judged(released: &[NodeId]) -> Option<usize> {
        broken(&given_up(&[R1], released))
    }

    /// Three servers are asked, these refuse, and these are asked to release.
    fn given_up(refused: &[NodeId], released: &[NodeId]) -> Findings {
        let (mut attempts, mut findings) = (Attempts::default(), all_on());
        let Hold { lock, token } = hold(1);
        attempts.on_wanted(C1, hold(1), None, &mut findings);
        let time_to_live = Some(Duration::from_secs(1));
        let acquire = Command::Acquire { lock, token, time_to_live, fenced: false, returning: false };
        for server in [R1, R2, R3] {
            attempts.on_sent(C1, server, &Wire::Ask { process: 0, request: 1, command: acquire });
        }
        refused.iter().for_each(|server| attempts.on_refused(C1, *server, hold(1)));
        let release = Command::Release { lock, token };
        for server in released {
            attempts.on_sent(C1, *server, &Wire::Ask { process: 0, request: 2, command: release });
        }
        attempts.on_wanted(C1, hold(2), Some(hold(1).token), &mut findings);
        findings
    }

    #[test]
    fn an_attempt_counts_only_if_a_server_may_have_granted_it() {
        let evaluated =
            |refused: &[NodeId], released: &[NodeId]| given_up(refused, released).evaluated()[RELEASES_EVERYWHERE];
        assert_eq!(evaluated(&[R1, R2, R3], &[]), 0);
        assert_eq!(evaluated(&[R1, R2, R3], &[R1, R2, R3]), 0);
        assert_eq!(evaluated(&[R1, R2], &[R3]), 1);
    }

    #[test]
    fn a_server_that_has_not_refused_must_be_asked() {
        assert_eq!(judged(&[R2, R3]), None);
        assert_eq!(judged(&[R2]), Some(RELEASES_EVERYWHERE));
        assert_eq!(judged(&[R1, R2]), Some(RELEASES_EVERYWHERE));
    }

    #[test]
    fn another_attempt_of_the_same_client_ends_none() {
        let (mut attempts, mut findings) = (Attempts::default(), all_on());
        attempts.on_wanted(C1, hold(1), None, &mut findings);
        let Hold { lock, token } = hold(1);
        let acquire = Command::Acquire { lock, token, time_to_live: None, fenced: false, returning: false };
        attempts.on_sent(C1, R1, &Wire::Ask { process: 0, request: 1, command: acquire });
        attempts.on_wanted(C1, hold(2), None, &mut findings);
        assert_eq!(broken(&findings), None, "it asks twice at a time");
        attempts.on_given_up(C1, hold(1), &mut findings);
        assert_eq!(broken(&findings), Some(RELEASES_EVERYWHERE));
    }

    #[test]
    fn a_lock_that_was_gained_is_not_given_up() {
        let (mut attempts, mut findings) = (Attempts::default(), all_on());
        attempts.on_wanted(C1, hold(1), None, &mut findings);
        attempts.on_gained(C1, hold(1));
        attempts.on_wanted(C1, hold(2), Some(hold(1).token), &mut findings);
        assert_eq!((broken(&findings), findings.evaluated()[RELEASES_EVERYWHERE]), (None, 0));
    }
}
