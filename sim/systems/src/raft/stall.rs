//! What of a server waits for a sync of its disk, and what becomes of it when a write fails.
//!
//! By default only what promises something waits: an acknowledgement, a vote, the leader's own copy. In a server that
//! is one loop (etcd) everything does: while a sync is under way it takes in nothing, sends nothing and does not tick.
//!
//! ```text
//!   input ──▶ write, sync … … … … durable ──▶ what came meanwhile, in order
//!                  └── ticks are lost: a timer that is due fires a heartbeat later ──┘
//! ```

use std::collections::VecDeque;

use splitbrain_kernel::node::{ConnectionEvent, Source, Write, WriteId};
use splitbrain_kernel::time::Duration;

use super::durable::Record;
use super::message::{Order, Payload, RaftMessage};
use super::node::{RaftContext, RaftTimer};
use super::options::{OnWriteFailure, WaitsForSync};
use super::shared::Shared;
use super::state::Server;

/// How many inputs wait at most; of messages beyond, the newest are lost (etcd `recvBufSize`).
const HELD_MAX: usize = 4_096;

/// Where a server stands with its disk.
///
/// - `pending` only if the whole loop waits, `taken` only if nothing waits.
#[derive(Clone, Debug)]
pub(super) struct Stall<C = u64> {
    /// The last write whose sync is under way.
    pending: Option<WriteId>,
    /// What came meanwhile, in order.
    held: VecDeque<Input<C>>,
    /// A write that is taken for durable without waiting, until this server has acted on it.
    taken: Option<WriteId>,
    /// The first write that failed. Nothing is written after it, and nothing is durable any more.
    failed: Option<WriteId>,
}

/// What comes to a server from outside.
#[derive(Clone, Debug)]
pub(super) enum Input<C> {
    /// A message.
    Message(Source, RaftMessage<C>),
    /// A change of a connection.
    Connection(ConnectionEvent),
    /// An order.
    Order(Order),
}

impl<C> Stall<C> {
    /// Nothing is under way.
    pub(super) const NONE: Self = Self { pending: None, held: VecDeque::new(), taken: None, failed: None };

    /// Whether the loop waits for a sync.
    #[inline]
    pub(super) const fn holds(&self) -> bool {
        self.pending.is_some()
    }

    /// Whether an input has to wait, for the sync or for those that came before it.
    #[inline]
    pub(super) fn is_behind(&self) -> bool {
        self.pending.is_some() || !self.held.is_empty()
    }

    /// Whether a write has failed, so that nothing that needs the disk comes about any more.
    #[inline]
    pub(super) const fn has_failed(&self) -> bool {
        self.failed.is_some()
    }
}

impl<C: Payload> Shared<C> {
    /// Writes and syncs. If a write has failed before, nothing is written, and what waits for it waits for good.
    pub(super) fn persist(&mut self, ctx: &mut RaftContext<C>, write: Write<Record<C>>) -> WriteId {
        let id = self.stall.failed.unwrap_or_else(|| ctx.persist(write));
        match self.options.log.waits_for_sync {
            WaitsForSync::Nothing => self.stall.taken = Some(id),
            WaitsForSync::LogWrites => {}
            WaitsForSync::WholeLoop => self.stall.pending = Some(id).filter(|_| !self.stall.has_failed()),
        }
        id
    }

    /// Writes without a sync.
    pub(super) fn write(&self, ctx: &mut RaftContext<C>, write: Write<Record<C>>) {
        if !self.stall.has_failed() {
            ctx.write(write);
        }
    }

    /// An input comes, and waits if the loop does.
    pub(super) fn hold(&mut self, input: Input<C>) {
        let is_lost = self.stall.held.len() >= HELD_MAX && matches!(input, Input::Message(..));
        if !is_lost {
            self.stall.held.push_back(input);
        }
    }

    /// A timer is due while the loop waits: this tick is lost.
    pub(super) fn lose_tick(&self, ctx: &mut RaftContext<C>, timer: RaftTimer) {
        ctx.set_timer(timer, self.options.timing.heartbeat);
    }

    /// A sync is over, well or not: if the loop waited for that one, it goes on with what came meanwhile.
    pub(super) fn resume_loop(&mut self, ctx: &mut RaftContext<C>, write: WriteId) {
        self.stall.pending = self.stall.pending.filter(|pending| *pending > write);
        self.go_round(ctx);
    }

    fn go_round(&self, ctx: &mut RaftContext<C>) {
        if self.stall.is_behind() && !self.stall.holds() {
            ctx.set_timer(RaftTimer::Loop, Duration::ZERO);
        }
    }

    /// A write has failed: what the disk holds is no longer known, and going on as before could break a promise.
    pub(super) fn on_write_failed(&mut self, ctx: &mut RaftContext<C>, write: WriteId) {
        match self.options.log.on_write_failure {
            OnWriteFailure::Exit => ctx.exit("the disk failed"),
            OnWriteFailure::Stay => {
                self.stall.failed.get_or_insert(write);
                self.stall.pending = None;
                self.resume_loop(ctx, write);
            }
        }
    }

    /// Whether nothing waits for a sync.
    #[inline]
    pub(super) fn waits_for_nothing(&self) -> bool {
        self.options.log.waits_for_sync == WaitsForSync::Nothing
    }
}

impl<C: Payload> Server<C> {
    /// After each input: writes what has changed, and goes on with what is taken for durable.
    #[inline]
    pub(super) fn settle(&mut self, ctx: &mut RaftContext<C>) {
        self.shared.flush(ctx);
        if self.shared.stall.taken.is_some() {
            self.take_for_durable(ctx);
        }
    }

    #[cold]
    fn take_for_durable(&mut self, ctx: &mut RaftContext<C>) {
        while let Some(write) = self.shared.stall.taken.take() {
            self.on_durable(ctx, write);
            self.shared.flush(ctx);
        }
    }

    /// The next of the inputs that came while the loop waited, as an event of its own.
    pub(super) fn take_next(&mut self, ctx: &mut RaftContext<C>) {
        if self.shared.stall.holds() {
            return;
        }
        match self.shared.stall.held.pop_front() {
            Some(Input::Message(source, message)) => self.on_message(ctx, source, message),
            Some(Input::Connection(event)) => self.on_connection(ctx, event),
            Some(Input::Order(order)) => self.on_order(ctx, order),
            None => {}
        }
        self.settle(ctx);
        self.shared.go_round(ctx);
    }
}
