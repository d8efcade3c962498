//! The session client: it numbers requests, fills in the items of a session, and knows what each answer is about.

use std::collections::BTreeMap;

use splitbrain_kernel::context::OperationId;
use splitbrain_kernel::id::NodeId;

use crate::session::ids::{Identity, Item, ItemKey, Resource};

/// Why a chunk asked something about items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It wants to serve a target.
    Claim(Resource),
    /// It gives a target back.
    Release(Resource),
    /// A client wants it.
    Client(NodeId, OperationId),
}

/// Numbers the requests of a chunk, and remembers what each open one is about.
#[derive(Debug, Default)]
pub(super) struct SessionClient {
    next: u64,
    open: BTreeMap<u64, Purpose>,
}

impl SessionClient {
    pub(super) const fn start_at(&mut self, number: u64) {
        self.next = number;
    }

    /// The number of the next request.
    pub(super) const fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// A request that waits for its answer.
    pub(super) fn begin(&mut self, purpose: Purpose) -> u64 {
        let number = self.number();
        self.open.insert(number, purpose);
        number
    }

    /// What an answer is about; `None` if nothing waits for it any more.
    pub(super) fn end(&mut self, number: u64) -> Option<Purpose> {
        self.open.remove(&number)
    }

    /// Answers to these wishes are not wanted any more.
    pub(super) fn forget(&mut self, purpose: Purpose) {
        self.open.retain(|_, open| *open != purpose);
    }

    pub(super) fn has(&self, purpose: Purpose) -> bool {
        self.open.values().any(|open| *open == purpose)
    }

    /// The items that a session has from its beginning: which machine it is, and where its data network is.
    pub(super) fn items(identity: Identity) -> Vec<Item> {
        vec![(ItemKey::MachineUuid, u64::from(identity.0)), (ItemKey::DataIp, 0x0a00_0000 + u64::from(identity.0))]
    }
}
