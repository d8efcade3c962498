//! A client's lock library: it gets locks, extends them, writes under them and gives them back.
//!
//! ```text
//!   acquire ─▶ Attempting ──majority in time──▶ (Confirming) ─▶ (Claiming) ─▶ Held ──release──▶ Releasing ─▶ outcome
//!                 ▲  │ refused, late, failed                                  │ ▲
//!                 │  ▼                                                        │ └─ extended by the watchdog
//!               Waiting ──deadline──▶ busy                                    └─ lapsed, lost: writes are refused
//! ```
//!
//! Confirming waits for replicas, claiming for a ticket of the resource. With one server this is the plain lock, with
//! several independent ones it is Redlock (redis-doc, "Distributed Locks with Redis"); with replicas it asks the master
//! of the moment.
//!
//! One who uses locks keeps a [`HandleId`] for each, and asks [`Client::poll`] for what became of them. A node that
//! contains such a client does the same: see `user`.
//!
//! **Steps.** Between a look at the clock and the act that relies on it lies a gap, as in a real program: a client can
//! be paused there, and the option `stall` holds it up there.

mod acquire;
mod extend;
mod release;
mod round;
mod servers;
mod timestamp;
mod write;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use splitbrain_kernel::context::Context;
use splitbrain_kernel::id::{Cluster, NodeId};
use splitbrain_kernel::serde::Serialize;
use splitbrain_kernel::time::{Duration, Instant};

use super::bug::Bug;
use super::ids::{LockId, Token};
use super::message::{Answer, Command, Outcome, ProcessNumber, Put, RequestId, Response, Wire, request_of};
use super::node::{LockNode, LockTimer};
use super::observation::{Hold, LockObservation};
use super::options::LockOptions;

pub use round::{Round, Vote};
pub use servers::Servers;

pub(super) type Ctx<'a> = Context<LockNode>;

/// One lock that a client holds or wants, counted by the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct HandleId(pub u64);

/// The timers of one handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum Alarm {
    /// Another attempt.
    Retry,
    /// A round has lasted long enough.
    Round,
    /// An extension has lasted long enough.
    ExtensionRound,
    /// The user's thread takes its next step.
    Step,
    /// The watchdog looks at the lock.
    Extend,
    /// The watchdog sends its extension.
    SendExtension,
    /// The validity is over.
    Validity,
    /// A write has waited long enough for its answer.
    Write,
}

impl Alarm {
    const ALL: [Self; 8] = [
        Self::Retry,
        Self::Round,
        Self::ExtensionRound,
        Self::Step,
        Self::Extend,
        Self::SendExtension,
        Self::Validity,
        Self::Write,
    ];
}

/// What became of what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It ended so.
    Answered(Response),
    /// It may have happened or not.
    Unknown,
}

/// The library.
///
/// - A request is in `requests` as long as its answer is of interest.
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) options: Arc<LockOptions>,
    pub(super) servers: Servers,
    handles: BTreeMap<HandleId, Handle>,
    next_handle: u64,
    requests: BTreeMap<RequestId, Request>,
    next_request: u64,
    ends: VecDeque<(HandleId, End)>,
}

/// A request whose answer is of interest.
#[derive(Clone, Copy, Debug)]
struct Request {
    handle: HandleId,
    /// Which server of the round.
    server: usize,
    purpose: Purpose,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// To get the lock.
    Acquire,
    /// To see whether the owner that a server refused for is this client itself.
    OwnerAfterRefusal,
    /// Known bug: to see whether the moment at which the lock ends is past.
    OwnerBeforeTakeover,
    /// Known bug: to take a lock over whose moment is past.
    Takeover,
    /// To wait for replicas.
    Confirm,
    /// To get a ticket.
    Claim,
    /// To extend the lock.
    Extend,
    /// To write.
    Write,
    /// To see whether the lock is still this client's, before it writes.
    OwnerBeforeWrite,
    /// To see who holds the lock, before it is deleted.
    OwnerBeforeDelete,
    /// To give the lock back.
    Release,
}

/// One lock.
#[derive(Clone, Debug)]
struct Handle {
    hold: Hold,
    /// When the first attempt began, on the monotonic clock.
    began: Instant,
    /// Until when it is tried, on the monotonic clock.
    deadline: Instant,
    stage: Stage,
    /// Whom the last attempt has asked: with replicas the master may be another one by now.
    asked: Vec<NodeId>,
    /// The servers that may have granted it to this token although no answer came.
    uncertain: Vec<bool>,
    /// The tokens of attempts that failed: a server may still have a lock under one of them.
    former: Vec<Token>,
    /// Whether servers have refused the last attempt, so that it could not succeed.
    was_refused: bool,
    /// What the user's thread does in its next step.
    next: Option<Next>,
}

/// Where a handle is.
#[derive(Clone, Debug)]
enum Stage {
    /// It waits for the next attempt.
    Waiting,
    /// It has asked all servers.
    Attempting { round: Round, fence: Option<u64> },
    /// It has a majority, and waits for replicas, or for its ticket.
    Settling { until: Option<Instant>, fence: Option<u64> },
    /// It has the lock, or had it.
    Held(Held),
    /// It gives the lock back.
    Releasing { round: Round, was_lost: bool },
}

/// A lock that was gained.
#[derive(Clone, Debug)]
struct Held {
    /// Until when it is valid on the monotonic clock; `None` until it is released.
    until: Option<Instant>,
    fence: Option<u64>,
    /// The extension that is under way.
    extension: Option<Round>,
    /// Whether it lapsed, or the client has heard that it is another's.
    is_lost: bool,
}

/// What the user's thread does next, after a gap.
#[derive(Clone, Copy, Debug)]
enum Next {
    /// Send a write.
    Write(Put),
    /// Set the time to live of a lock that was set without one.
    Expire,
    /// Delete the lock, as it was this client's a moment ago.
    Delete,
}

impl Client {
    /// A client that holds nothing.
    pub fn new(options: Arc<LockOptions>, cluster: Cluster, id: NodeId) -> Self {
        let servers = Servers::new(options.topology, cluster, id);
        Self {
            options,
            servers,
            handles: BTreeMap::new(),
            next_handle: 0,
            requests: BTreeMap::new(),
            next_request: 0,
            ends: VecDeque::new(),
        }
    }

    /// What became of something that was asked for; `None` if there is no more to tell.
    pub fn poll(&mut self) -> Option<(HandleId, End)> {
        self.ends.pop_front()
    }

    /// Asks the redis, or the master of the moment, for something beside the locks. The answer comes as
    /// [`Wire::Called`] under the number that is returned, if it comes: the caller waits for it.
    ///
    /// With independent servers it is the first one that has the data.
    pub fn call(&mut self, ctx: &mut Ctx<'_>, words: Vec<Vec<u8>>) -> RequestId {
        let request = self.fresh(ctx);
        let target = self.servers.address(0);
        ctx.send(target, Wire::Call { process: self.servers.process(target), request, words });
        request
    }

    /// The token under which a handle has its lock, or asks for it: what a script compares with the value of the key.
    /// `None` if there is no such handle any more.
    pub fn token(&self, handle: HandleId) -> Option<Token> {
        self.handles.get(&handle).map(|handle| handle.hold.token)
    }

    /// A redis answers.
    pub fn on_answer(&mut self, ctx: &mut Ctx<'_>, request: RequestId, answer: &Answer) {
        let Some(Request { handle, server, purpose }) = self.requests.remove(&request) else { return };
        if answer.is_error("READONLY") {
            self.doubt_master(ctx);
        }
        match purpose {
            Purpose::Acquire => self.on_acquire_answer(ctx, handle, server, answer),
            Purpose::OwnerAfterRefusal => self.on_owner_after_refusal(ctx, handle, server, answer),
            Purpose::OwnerBeforeTakeover => self.on_owner_before_takeover(ctx, handle, server, answer),
            Purpose::Takeover => self.on_taken_over(ctx, handle, server, answer),
            Purpose::Confirm => self.on_confirmed(ctx, handle, answer),
            Purpose::Extend => self.on_extension_answer(ctx, handle, server, answer),
            Purpose::Write => self.on_write_answer(ctx, handle, answer),
            Purpose::OwnerBeforeWrite => self.on_owner_before_write(ctx, handle, answer),
            Purpose::OwnerBeforeDelete => self.on_owner_before_delete(ctx, handle, server, answer),
            Purpose::Release => self.on_release_answer(ctx, handle, server, answer),
            Purpose::Claim => unreachable!("a ticket comes from the resource"),
        }
    }

    /// A redis has restarted since this client asked it. The request may have been carried out by the process before.
    pub fn on_reset(&mut self, ctx: &mut Ctx<'_>, server: NodeId, request: RequestId, process: ProcessNumber) {
        self.servers.has_restarted(server, process);
        self.on_answer(ctx, request, &Answer::Error("ERR Connection reset by peer".to_owned()));
    }

    /// The resource answers.
    pub fn on_outcome(&mut self, ctx: &mut Ctx<'_>, request: RequestId, outcome: Outcome) {
        let Some(Request { handle, .. }) = self.requests.remove(&request) else { return };
        match outcome {
            Outcome::Ticket(ticket) => self.on_ticket(ctx, handle, ticket),
            Outcome::Written => self.end_write(ctx, handle, End::Answered(Response::Written)),
            Outcome::Fenced => self.end_write(ctx, handle, End::Answered(Response::Refused)),
        }
    }

    /// A sentinel says who is the master.
    pub fn on_found(&mut self, master: NodeId, epoch: u64) {
        self.servers.found(master, epoch);
    }

    /// A timer of a handle fires.
    pub fn on_alarm(&mut self, ctx: &mut Ctx<'_>, handle: HandleId, alarm: Alarm) {
        if !self.handles.contains_key(&handle) {
            return;
        }
        match alarm {
            Alarm::Retry => self.attempt(ctx, handle),
            Alarm::Round => self.on_round_over(ctx, handle),
            Alarm::ExtensionRound => self.on_extension_over(ctx, handle),
            Alarm::Step => self.step(ctx, handle),
            Alarm::Extend => self.on_extend_due(ctx, handle),
            Alarm::SendExtension => self.send_extension(ctx, handle),
            Alarm::Validity => self.on_validity_over(ctx, handle),
            Alarm::Write => self.end_write(ctx, handle, End::Unknown),
        }
    }

    /// A round has lasted long enough: the servers that are silent have failed.
    fn on_round_over(&mut self, ctx: &mut Ctx<'_>, handle: HandleId) {
        self.doubt_master(ctx);
        match &self.handle(handle).stage {
            Stage::Attempting { .. } | Stage::Settling { .. } => self.fail_attempt(ctx, handle),
            Stage::Releasing { .. } => self.end_release(ctx, handle),
            Stage::Waiting | Stage::Held(_) => {}
        }
    }

    /// The user's thread takes its next step.
    fn step(&mut self, ctx: &mut Ctx<'_>, handle: HandleId) {
        match self.handle_mut(handle).next.take() {
            Some(Next::Write(put)) => self.send_write(ctx, handle, put),
            Some(Next::Expire) => self.set_time_to_live(ctx, handle),
            Some(Next::Delete) => self.delete(ctx, handle),
            None => {}
        }
    }

    fn handle(&self, handle: HandleId) -> &Handle {
        self.handles.get(&handle).expect("callers look first")
    }

    fn handle_mut(&mut self, handle: HandleId) -> &mut Handle {
        self.handles.get_mut(&handle).expect("callers look first")
    }

    /// Asks one server.
    fn ask(&mut self, ctx: &mut Ctx<'_>, handle: HandleId, server: usize, purpose: Purpose, command: Command) {
        self.ask_at(ctx, self.servers.address(server), Request { handle, server, purpose }, command);
    }

    /// Asks this server, in the place of the one that the request names.
    fn ask_at(&mut self, ctx: &mut Ctx<'_>, target: NodeId, request: Request, command: Command) {
        let request = self.number(ctx, request);
        ctx.send(target, Wire::Ask { process: self.servers.process(target), request, command });
    }

    /// Asks one server and does not wait for the answer.
    fn tell(&mut self, ctx: &mut Ctx<'_>, target: NodeId, command: Command) {
        let request = self.fresh(ctx);
        ctx.send(target, Wire::Ask { process: self.servers.process(target), request, command });
    }

    /// Keeps a request, under a number.
    fn number(&mut self, ctx: &Ctx<'_>, request: Request) -> RequestId {
        let id = self.fresh(ctx);
        self.requests.insert(id, request);
        id
    }

    /// A number that no process of this client has used.
    fn fresh(&mut self, ctx: &Ctx<'_>) -> RequestId {
        self.next_request += 1;
        request_of(ctx, self.next_request)
    }

    /// The answers of a handle's requests for this purpose are no longer of interest.
    fn forget(&mut self, handle: HandleId, is_past: impl Fn(Purpose) -> bool) {
        self.requests.retain(|_, request| request.handle != handle || !is_past(request.purpose));
    }

    /// Something has ended.
    fn end(&mut self, handle: HandleId, end: End) {
        self.ends.push_back((handle, end));
    }

    /// A handle is no more.
    fn drop_handle(&mut self, ctx: &mut Ctx<'_>, handle: HandleId) {
        self.forget(handle, |_| true);
        self.handles.remove(&handle);
        Alarm::ALL.iter().for_each(|alarm| ctx.cancel_timer(LockTimer::Handle(handle, *alarm)));
    }

    /// The master does not serve: a sentinel knows another one, or the next redis is tried.
    fn doubt_master(&mut self, ctx: &mut Ctx<'_>) {
        if let Some(sentinel) = self.servers.doubt_master() {
            ctx.send(sentinel, Wire::Find);
        }
    }

    /// The time from one step to the next, drawn.
    fn gap(&self, ctx: &mut Ctx<'_>) -> Duration {
        let gap = ctx.rng().duration(Duration::ZERO, self.options.gap_max);
        match ctx.rng().chance(self.options.stall) {
            true => gap.saturating_add(ctx.rng().duration(Duration::ZERO, self.options.stall_max)),
            false => gap,
        }
    }

    /// How many must say yes.
    fn majority(&self) -> usize {
        match self.options.bug {
            Bug::HalfIsMajority => (self.servers.count() / 2).max(1),
            _ => self.servers.majority(),
        }
    }

    fn round(&self, ctx: &Ctx<'_>) -> Round {
        Round::new(ctx.now(), ctx.wall(), self.servers.count())
    }
}

fn observe(ctx: &mut Ctx<'_>, observation: LockObservation) {
    ctx.observe(observation);
}

/// A token that no other client has, as far as 64 random bits can say so.
fn new_hold(ctx: &mut Ctx<'_>, lock: LockId) -> Hold {
    Hold { lock, token: Token(ctx.rng().word()) }
}

/// Sets a timer of a handle.
fn set(ctx: &mut Ctx<'_>, handle: HandleId, alarm: Alarm, after: Duration) {
    ctx.set_timer(LockTimer::Handle(handle, alarm), after);
}

/// Cancels a timer of a handle.
fn cancel(ctx: &mut Ctx<'_>, handle: HandleId, alarm: Alarm) {
    ctx.cancel_timer(LockTimer::Handle(handle, alarm));
}
