//! A session: a connection of a client, from its acceptance on.

use splitbrain_kernel::context::Context;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::ConnectionId;
use splitbrain_kernel::time::Instant;

use crate::chat::ids::Uid;
use crate::chat::message::ChatMessage;
use crate::chat::node::ChatNode;

/// A session.
#[derive(Clone, Debug)]
pub struct Session {
    connection: ConnectionId,
    peer: NodeId,
    /// The user, once logged in.
    uid: Option<Uid>,
    /// Until when its presence is valid on the monotonic clock; `None` for ever.
    pub(super) until: Option<Instant>,
    is_over: bool,
    /// Whose presence the redis may have for it.
    pub(super) claims: Option<Uid>,
    /// A login of it waits for a thread, or a thread is at it.
    pub(super) is_in_login: bool,
    /// When it was last heard from, on the monotonic clock and on the wall clock.
    pub(super) heard: (Instant, Instant),
}

impl Session {
    pub(super) const fn new(connection: ConnectionId, peer: NodeId, heard: (Instant, Instant)) -> Self {
        let (uid, until, claims) = (None, None, None);
        Self { connection, peer, uid, until, is_over: false, claims, is_in_login: false, heard }
    }

    /// The user, once it has logged in.
    pub const fn uid(&self) -> Option<Uid> {
        self.uid
    }

    /// Whether it is over.
    pub const fn is_over(&self) -> bool {
        self.is_over
    }

    /// The user, if it is logged in and not over.
    pub fn user(&self) -> Option<Uid> {
        self.uid.filter(|_| !self.is_over)
    }

    pub(super) const fn connection(&self) -> ConnectionId {
        self.connection
    }

    pub(super) const fn log_in(&mut self, uid: Uid, until: Option<Instant>) {
        assert!(!self.is_over && self.uid.is_none(), "a session that goes on logs in once");
        self.uid = Some(uid);
        self.until = until;
    }

    pub(super) const fn end(&mut self) {
        self.is_over = true;
    }

    /// Whether its presence is valid at this time of the monotonic clock.
    pub(super) fn is_valid(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    pub(super) fn send(&self, ctx: &mut Context<ChatNode>, message: ChatMessage) {
        ctx.send_on(self.connection, self.peer, message);
    }
}
