//! Which lock or ticket was asked for by which request.

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;

use crate::lock::message::{Command, RequestId, Wire};
use crate::lock::observation::Hold;

/// What clients have asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Requests {
    claims: BTreeMap<(NodeId, RequestId), Hold>,
    acquisitions: BTreeMap<(NodeId, RequestId), Hold>,
    /// The first request for each lock that a client has sent to each server.
    first: BTreeMap<(NodeId, NodeId, Hold), RequestId>,
}

impl Requests {
    pub(super) fn on_sent(&mut self, client: NodeId, server: NodeId, message: &Wire) {
        match *message {
            Wire::Claim { request, lock, token, .. } => {
                self.claims.insert((client, request), Hold { lock, token });
            }
            Wire::Ask { request, command: Command::Acquire { lock, token, .. }, .. } => {
                let hold = Hold { lock, token };
                self.acquisitions.insert((client, request), hold);
                self.first.entry((client, server, hold)).or_insert(request);
            }
            _ => {}
        }
    }

    /// The lock that was asked for by this request.
    pub(super) fn acquired(&self, client: NodeId, request: RequestId) -> Option<Hold> {
        self.acquisitions.get(&(client, request)).copied()
    }

    /// Whether a client has asked this server for the lock before, under the same token.
    pub(super) fn is_retry(&self, client: NodeId, server: NodeId, request: RequestId, hold: Hold) -> bool {
        self.first.get(&(client, server, hold)).is_some_and(|first| *first < request)
    }

    /// Who asked for a ticket by this request.
    pub(super) fn claimed(&self, client: NodeId, request: RequestId) -> Option<Hold> {
        self.claims.get(&(client, request)).copied()
    }

    /// A process has ended: what it asked for is of no interest.
    pub(super) fn on_down(&mut self, client: NodeId) {
        self.claims.retain(|(of, _), _| *of != client);
        self.acquisitions.retain(|(of, _), _| *of != client);
        self.first.retain(|(of, ..), _| *of != client);
    }
}

#[cfg(test)]
mod tests {
    use splitbrain_kernel::time::Duration;

    use super::super::testing::{C1, C2, R1, R2, hold};
    use super::*;

    fn ask(request: RequestId, of: Hold) -> Wire {
        let time_to_live = Some(Duration::from_secs(10));
        let (lock, token) = (of.lock, of.token);
        Wire::Ask {
            process: 0,
            request,
            command: Command::Acquire { lock, token, time_to_live, fenced: false, returning: false },
        }
    }

    #[test]
    fn a_retry_is_for_the_same_lock_under_the_same_token_at_the_same_server() {
        let mut requests = Requests::default();
        requests.on_sent(C1, R1, &ask(1, hold(1)));
        requests.on_sent(C1, R1, &ask(2, hold(1)));
        assert!(!requests.is_retry(C1, R1, 1, hold(1)), "it is the first");
        assert!(requests.is_retry(C1, R1, 2, hold(1)));
        for (client, server, of) in [(C2, R1, hold(1)), (C1, R2, hold(1)), (C1, R1, hold(2))] {
            assert!(!requests.is_retry(client, server, 2, of), "{client} {server} {of:?}");
        }
        assert_eq!((requests.acquired(C1, 2), requests.acquired(C2, 2)), (Some(hold(1)), None));
        requests.on_down(C1);
        assert_eq!((requests.acquired(C1, 2), requests.is_retry(C1, R1, 2, hold(1))), (None, false));
    }
}
