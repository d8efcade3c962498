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
    /// Bytes that the server has read.
    taken: u64,
    /// Where the last urgent byte is in what was sent: after this many bytes.
    urgent_end: u64,
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
            taken: 0,
            urgent_end: 0,
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

    /// The server has read this much more.
    pub(super) fn on_taken(&mut self, count: u64) {
        self.taken += count;
        self.unread = self.unread.saturating_sub(count);
    }

    /// Whether an urgent byte may be sent: the server has passed the one before. Of two that it has not passed the
    /// first would become a byte of the stream, among the requests.
    pub(super) const fn may_send_urgent(&self) -> bool {
        self.taken >= self.urgent_end
    }

    /// An urgent byte is sent.
    pub(super) const fn on_urgent_sent(&mut self) {
        self.unread += 1;
        self.urgent_end = self.taken + self.unread;
    }

    /// Whether another request may be sent over it.
    pub(super) fn has_room(&self, pipeline: u64) -> bool {
        let is_usable = self.is_open && !self.ends && !self.has_ended && !self.is_ending;
        is_usable && (self.pending.len() as u64) < pipeline
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_urgent_byte_waits_until_the_server_has_passed_the_first() {
        let mut link = Link::new();
        link.unread += 10;
        assert!(link.may_send_urgent());
        link.on_urgent_sent();
        link.unread += 5;
        link.on_taken(10);
        assert!(!link.may_send_urgent());
        link.on_taken(1);
        assert!(link.may_send_urgent());
    }
}
