//! Which ticket was asked for by which request.

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;

use crate::lock::message::{RequestId, Wire};
use crate::lock::observation::Hold;

/// The claims of clients.
#[derive(Clone, Debug, Default)]
pub(super) struct Requests {
    claims: BTreeMap<(NodeId, RequestId), Hold>,
}

impl Requests {
    pub(super) fn on_sent(&mut self, client: NodeId, message: &Wire) {
        if let Wire::Claim { request, lock, token } = *message {
            self.claims.insert((client, request), Hold { lock, token });
        }
    }

    /// Who asked for a ticket by this request.
    pub(super) fn claimed(&self, client: NodeId, request: RequestId) -> Option<Hold> {
        self.claims.get(&(client, request)).copied()
    }

    /// A process has ended: what it asked for is of no interest.
    pub(super) fn on_down(&mut self, client: NodeId) {
        self.claims.retain(|(of, _), _| *of != client);
    }
}
