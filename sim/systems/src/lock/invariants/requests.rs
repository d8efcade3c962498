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
