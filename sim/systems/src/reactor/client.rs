//! A client: it keeps a few connections open, sends requests over them piece by piece, reads slowly, and goes away as
//! its options say.
//!
//! A request that was sent may have been served whatever becomes of its connection, so a client that has no answer does
//! not know: it never sends a request again.

mod link;

use std::collections::VecDeque;
use std::sync::Arc;

use splitbrain_kernel::context::{Context, OperationId, OperationResult};
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::{ConnectionChange, ConnectionEvent, ConnectionId, Source};
use splitbrain_kernel::time::Duration;

use super::message::{Answer, Request, Wire};
use super::node::{ReactorNode, ReactorTimer};
use super::observation::ReactorObservation;
use super::options::ReactorOptions;
use super::protocol::{self, Parsed};

use link::{Link, Pending};

type Ctx<'a> = Context<ReactorNode>;

/// A client.
///
/// - Requests that no connection has room for wait in order, at most [`Client::WAITING_MAX`] of them.
#[derive(Clone, Debug)]
pub struct Client {
    options: Arc<ReactorOptions>,
    server: NodeId,
    links: Vec<Link>,
    waiting: VecDeque<Request>,
    next_link: usize,
}

/// How long a client lets pass before it connects again after a connection failed.
const RETRY: Duration = Duration::from_millis(5);

impl Client {
    /// Requests beyond these are never begun: the workload asks for more than the server can do.
    pub const WAITING_MAX: usize = 64;

    pub(super) fn new(options: Arc<ReactorOptions>, server: NodeId) -> Self {
        let links = (0..options.connections).map(|_| Link::new()).collect();
        Self { options, server, links, waiting: VecDeque::new(), next_link: 0 }
    }

    pub(super) fn on_operation(&mut self, ctx: &mut Ctx<'_>, request: Request) {
        if self.waiting.len() < Self::WAITING_MAX {
            self.waiting.push_back(request);
        }
        self.fill(ctx);
    }

    /// Gives waiting requests to connections with room, in turn; a connection that is not open is opened for that.
    fn fill(&mut self, ctx: &mut Ctx<'_>) {
        for _ in 0..self.links.len() {
            let at = self.next_link % self.links.len();
            self.next_link = at + 1;
            if self.waiting.is_empty() {
                return;
            }
            if self.links[at].is_idle() {
                self.links[at].connection = Some(ctx.connect(self.server));
            }
            while self.links[at].has_room(self.options.pipeline) {
                let Some(request) = self.waiting.pop_front() else { return };
                self.send(ctx, at, request);
            }
        }
    }

    /// A request joins what a connection sends.
    fn send(&mut self, ctx: &mut Ctx<'_>, at: usize, request: Request) {
        let operation = ctx.invoke(request);
        let id = request_id(ctx.id(), operation);
        let link = &mut self.links[at];
        let connection = link.connection.expect("an open link has a connection");
        ctx.observe(ReactorObservation::Sent { connection, id, request });
        if ctx.rng().chance(self.options.urgent) && link.may_send_urgent() {
            ctx.send_on(connection, self.server, Wire::Data { bytes: vec![b'!'], is_urgent: true });
            link.on_urgent_sent();
        }
        link.outgoing.extend(protocol::request(id, request));
        if link.pending.is_empty() {
            ctx.set_timer(ReactorTimer::Timeout(at as u8), self.options.request_timeout);
        }
        link.pending.push_back(Pending { operation, id });
        link.ends |= ctx.rng().chance(self.options.half_close);
        self.schedule_piece(ctx, at);
    }

    fn schedule_piece(&mut self, ctx: &mut Ctx<'_>, at: usize) {
        let link = &mut self.links[at];
        if !std::mem::replace(&mut link.is_sending, true) {
            let gap = ctx.rng().duration(Duration::ZERO, self.options.piece_gap);
            ctx.set_timer(ReactorTimer::Piece(at as u8), gap);
        }
    }

    pub(super) fn on_timer(&mut self, ctx: &mut Ctx<'_>, timer: ReactorTimer) {
        match timer {
            ReactorTimer::Piece(at) => self.send_piece(ctx, usize::from(at)),
            ReactorTimer::Read(at) => self.read(ctx, usize::from(at)),
            ReactorTimer::Timeout(at) => self.give_up(ctx, usize::from(at)),
            ReactorTimer::Retry(at) => {
                self.links[usize::from(at)].is_resting = false;
                self.fill(ctx);
            }
            ReactorTimer::Run(_) | ReactorTimer::WaitOver(_) | ReactorTimer::Signal => {
                unreachable!("a client sets no timer of a server")
            }
        }
    }

    /// The next piece, as far as the window allows; or the client goes away instead.
    fn send_piece(&mut self, ctx: &mut Ctx<'_>, at: usize) {
        let link = &mut self.links[at];
        link.is_sending = false;
        let Some(connection) = link.connection.filter(|_| link.is_open && !link.outgoing.is_empty()) else { return };
        if ctx.rng().chance(self.options.abandon) {
            ctx.observe(ReactorObservation::Abandoned { connection });
            ctx.send_on(connection, self.server, Wire::Reset);
            ctx.close(connection);
            return self.on_over(ctx, at);
        }
        let window = self.options.socket_buffer.saturating_sub(link.unread);
        let most = self.options.piece.min(window).min(link.outgoing.len() as u64);
        if most == 0 {
            // The server will say when it has read something.
            return;
        }
        let count = ctx.rng().between(1, most);
        let bytes: Vec<u8> = link.outgoing.drain(..count as usize).collect();
        link.unread += count;
        ctx.send_on(connection, self.server, Wire::Data { bytes, is_urgent: false });
        if !link.outgoing.is_empty() {
            self.schedule_piece(ctx, at);
        } else if link.ends {
            link.has_ended = true;
            ctx.observe(ReactorObservation::HalfClosed { connection });
            ctx.send_on(connection, self.server, Wire::Fin);
        }
    }

    /// No answer came in time: the client gives the connection up, and does not know.
    fn give_up(&mut self, ctx: &mut Ctx<'_>, at: usize) {
        let Some(connection) = self.links[at].connection else { return };
        ctx.observe(ReactorObservation::TimedOut { connection });
        ctx.send_on(connection, self.server, Wire::Reset);
        ctx.close(connection);
        self.on_over(ctx, at);
    }

    fn link_of(&self, connection: ConnectionId) -> Option<usize> {
        self.links.iter().position(|link| link.connection == Some(connection))
    }

    pub(super) fn on_message(&mut self, ctx: &mut Ctx<'_>, source: Source, message: Wire) {
        let Some(connection) = source.connection else { return };
        let Some(at) = self.link_of(connection) else { return };
        let link = &mut self.links[at];
        match message {
            Wire::Data { bytes, .. } => {
                link.incoming.extend(bytes);
                self.schedule_read(ctx, at);
            }
            Wire::Taken { count } => {
                link.on_taken(u64::from(count));
                if !link.outgoing.is_empty() {
                    self.schedule_piece(ctx, at);
                }
            }
            Wire::Fin => {
                link.is_ending = true;
                self.schedule_read(ctx, at);
            }
            Wire::Reset => {
                ctx.close(connection);
                self.on_over(ctx, at);
            }
        }
    }

    fn schedule_read(&mut self, ctx: &mut Ctx<'_>, at: usize) {
        let link = &mut self.links[at];
        if !std::mem::replace(&mut link.is_reading, true) {
            let gap = ctx.rng().duration(Duration::ZERO, self.options.read_gap);
            ctx.set_timer(ReactorTimer::Read(at as u8), gap);
        }
    }

    /// Reads some of what came, which opens the server's window, and takes the answers that are whole.
    fn read(&mut self, ctx: &mut Ctx<'_>, at: usize) {
        let link = &mut self.links[at];
        link.is_reading = false;
        let Some(connection) = link.connection else { return };
        if !link.incoming.is_empty() {
            let count = ctx.rng().between(1, link.incoming.len() as u64) as usize;
            link.input.extend(link.incoming.drain(..count));
            if link.is_open && !link.is_ending {
                ctx.send_on(connection, self.server, Wire::Taken { count: count as u32 });
            }
        }
        if !self.take_answers(ctx, at) {
            return;
        }
        let link = &self.links[at];
        if !link.incoming.is_empty() {
            self.schedule_read(ctx, at);
        } else if link.is_ending {
            ctx.close(connection);
            self.on_over(ctx, at);
        }
        self.fill(ctx);
    }

    /// Returns whether the connection goes on.
    fn take_answers(&mut self, ctx: &mut Ctx<'_>, at: usize) -> bool {
        loop {
            let link = &mut self.links[at];
            let connection = link.connection.expect("who reads has a connection");
            match protocol::parse_answer(&link.input) {
                Parsed::Part => return true,
                Parsed::Malformed => {
                    ctx.observe(ReactorObservation::Malformed { connection });
                    ctx.send_on(connection, self.server, Wire::Reset);
                    ctx.close(connection);
                    self.on_over(ctx, at);
                    return false;
                }
                Parsed::Whole((id, size), length) => {
                    link.input.drain(..length);
                    ctx.observe(ReactorObservation::Answered { connection, id, size });
                    self.complete(ctx, at, id, size);
                }
            }
        }
    }

    fn complete(&mut self, ctx: &mut Ctx<'_>, at: usize, id: u64, size: u32) {
        let link = &mut self.links[at];
        // Whether it is the first in the queue is for the invariant to say.
        let Some(place) = link.pending.iter().position(|pending| pending.id == id) else { return };
        let pending = link.pending.remove(place).expect("it was just found");
        ctx.complete(pending.operation, OperationResult::Ok(Answer { size }));
        if link.pending.is_empty() {
            ctx.cancel_timer(ReactorTimer::Timeout(at as u8));
        } else {
            ctx.set_timer(ReactorTimer::Timeout(at as u8), self.options.request_timeout);
        }
    }

    pub(super) fn on_connection(&mut self, ctx: &mut Ctx<'_>, event: ConnectionEvent) {
        let Some(at) = self.link_of(event.connection) else { return };
        match event.change {
            ConnectionChange::Opened => {
                self.links[at].is_open = true;
                self.fill(ctx);
            }
            // Everything that the server sent before has arrived, and is still to be read.
            ConnectionChange::Closed => {
                self.links[at].is_ending = true;
                self.links[at].is_open = false;
                self.schedule_read(ctx, at);
            }
            ConnectionChange::Accepted => unreachable!("a client does not listen"),
            ConnectionChange::Refused | ConnectionChange::TimedOut | ConnectionChange::Reset => self.on_over(ctx, at),
        }
    }

    /// A connection is over: of what it owes the client does not know.
    fn on_over(&mut self, ctx: &mut Ctx<'_>, at: usize) {
        let link = std::mem::replace(&mut self.links[at], Link::new());
        let connection = link.connection.expect("what is over was a connection");
        ctx.observe(ReactorObservation::Over { connection });
        for Pending { operation, id } in link.pending {
            ctx.observe(ReactorObservation::Unanswered { connection, id });
            ctx.complete(operation, OperationResult::<Answer>::Unknown);
        }
        for timer in [ReactorTimer::Piece, ReactorTimer::Read, ReactorTimer::Timeout] {
            ctx.cancel_timer(timer(at as u8));
        }
        self.links[at].is_resting = true;
        ctx.set_timer(ReactorTimer::Retry(at as u8), RETRY);
    }
}

/// The number of a request on the wire: which client, and which of its operations.
fn request_id(client: NodeId, operation: OperationId) -> u64 {
    u64::from(client.number()) << 32 | operation.0
}
