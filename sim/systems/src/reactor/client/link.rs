//! A connection of a client, with what goes and comes over it.

use std::collections::VecDeque;

use splitbrain_kernel::context::OperationId;
use splitbrain_kernel::node::ConnectionId;

/// A request that has no answer yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub(super) operation: OperationId,
    pub(super) id: u64,
}

/// A connection, or the place of one.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) connection: Option<ConnectionId>,
    /// The server's machine has answered.
    pub(super) is_open: bool,
    /// Some time passes before it is opened again.
    pub(super) is_resting: bool,
    /// Bytes that are to be sent.
    pub(super) outgoing: VecDeque<u8>,
    /// Bytes that were sent and that the server has not read.
    pub(super) unread: u64,
    /// A piece is about to be sent.
    pub(super) is_sending: bool,
    /// Bytes that came and that the client has not read.
    pub(super) incoming: VecDeque<u8>,
    /// Bytes that were read and are no whole answer yet.
    pub(super) input: Vec<u8>,
    /// A read is about to happen.
    pub(super) is_reading: bool,
    /// In the order in which they were sent.
    pub(super) pending: VecDeque<Pending>,
    /// The client will end after what it has begun to send.
    pub(super) ends: bool,
    /// It has shut its sending side.
    pub(super) has_ended: bool,
    /// The server will send no more.
    pub(super) is_ending: bool,
}

impl Link {
    pub(super) const fn new() -> Self {
        Self {
            connection: None,
            is_open: false,
            is_resting: false,
            outgoing: VecDeque::new(),
            unread: 0,
            is_sending: false,
            incoming: VecDeque::new(),
            input: Vec::new(),
            is_reading: false,
            pending: VecDeque::new(),
            ends: false,
            has_ended: false,
            is_ending: false,
        }
    }

    /// Whether it may be opened.
    pub(super) const fn is_idle(&self) -> bool {
        self.connection.is_none() && !self.is_resting
    }

    /// Whether another request may be sent over it.
    pub(super) fn has_room(&self, pipeline: u64) -> bool {
        let is_usable = self.is_open && !self.ends && !self.has_ended && !self.is_ending;
        is_usable && (self.pending.len() as u64) < pipeline
    }
}
