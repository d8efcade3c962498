//! A session follower: one process's side of a session with one master.
//!
//! ```text
//!   creating ─created─▶ entering ─created cb─▶ alive ─lease over─▶ jeopardy ─keepalive answered─▶ alive
//!      ▲                                                              │ grace over, or no such session
//!      └──────────────────────── expired cb ◀─────────────────────────┘
//!   any ─a stop source asks─▶ stopped
//! ```
//!
//! What it believes rests on its own clock: its lease counts from the send of the request that was answered.

use std::collections::BTreeMap;

use splitbrain_kernel::time::{Duration, Instant};

use crate::session::bug::Bug;
use crate::session::ids::{Instance, SessionId};
use crate::session::message::{CreateRequest, CreateResult, Granted, Refusal, SessionMessage};
use crate::session::node::{CreatedStage, SessionStep, SessionTimer};
use crate::session::observation::SessionObservation;
use crate::session::options::ExpiryScope;

use super::stop::{StopSource, StopState};
use super::{Chunk, Ctx, SessionClient};

/// Where a follower is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// It has not begun.
    #[default]
    Idle,
    /// It asks for a session.
    Creating,
    /// It has one, and its created callback runs.
    Entering,
    /// It has one.
    Alive,
    /// Its lease is over; it has a session, or has not.
    Jeopardy,
    /// A stop source has asked.
    Stopped,
}

/// A session, as its follower knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// What the master said of it.
    pub granted: Granted,
    /// The process that it was created for: the master refuses every other one.
    pub instance: Instance,
    /// The request that was answered with it. What began under another one, though for the same session, has ended.
    pub request: u64,
    /// When the follower's lease is over, on the clock that the chunk measures leases by.
    pub until: Instant,
}

/// A chunk's side of its session with one master.
///
/// - It has a session in the states `Entering`, `Alive` and `Jeopardy`, and in no other but for a known bug.
#[derive(Debug, Default)]
pub struct SessionFollower {
    pub(super) state: State,
    pub(super) held: Option<Held>,
    /// The number of the first request for the session that it asks for.
    wish: Option<u64>,
    /// When each request for a session was sent.
    attempts: BTreeMap<u64, Instant>,
    /// When each keepalive that may still be answered was sent.
    pub(super) rounds: BTreeMap<u64, Instant>,
    /// The version that the last answer named, for the next round of the loop.
    pub(super) answered_version: Option<u64>,
    /// The version that both sides speak, since the created callback.
    pub(super) version: Option<u64>,
    /// The first extent of the next data report, and how many the last keepalive reported.
    pub(super) report: (u64, u64),
    pub(super) stop: StopState,
    /// A session whose expired callback has not run yet: one bug is late with it.
    late_loss: Option<SessionId>,
}

/// Requests and rounds of which a follower still takes an answer.
pub(super) const OPEN_MAX: usize = 16;

impl SessionFollower {
    /// Where it is.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Its session, if it has one, whether or not it counts on it.
    pub const fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }

    /// The version of the protocol that its created callback has agreed on.
    pub const fn version(&self) -> Option<u64> {
        self.version
    }

    /// The first extent of its next data report.
    pub const fn report_start(&self) -> u64 {
        self.report.0
    }

    /// Who has asked its loop to stop.
    pub const fn stopped_by(&self) -> Option<StopSource> {
        self.stop.source()
    }

    /// Its session, while it counts on it.
    pub fn live_session(&self) -> Option<SessionId> {
        self.held.filter(|_| self.state == State::Alive).map(|held| held.granted.session)
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.state == State::Stopped
    }

    pub(super) fn is_with(&self, session: SessionId) -> bool {
        self.held.is_some_and(|held| held.granted.session == session)
    }

    /// Whether it has the session that this request was answered with.
    pub(super) fn is_of(&self, (session, request): (SessionId, u64)) -> bool {
        self.held.is_some_and(|held| (held.granted.session, held.request) == (session, request))
    }
}

impl Chunk {
    // Creating.

    /// The follower begins anew, with a loop that runs.
    pub(super) fn create(&mut self, ctx: &mut Ctx<'_>, master: u16) {
        let follower = self.manager.get_mut(master);
        let late_loss = follower.late_loss.take();
        *follower = SessionFollower { state: State::Creating, late_loss, ..SessionFollower::default() };
        ctx.observe(SessionObservation::Creating { master });
        if !self.options.create_timeout.is_zero() {
            ctx.set_timer(SessionTimer::GiveUp(master), self.options.create_timeout);
        }
        self.ask_for_session(ctx, master);
    }

    pub(super) fn ask_for_session(&mut self, ctx: &mut Ctx<'_>, master: u16) {
        if self.manager.get(master).state != State::Creating {
            return;
        }
        let request = self.client.number();
        let now = self.clock(ctx);
        remember(&mut self.manager.get_mut(master).attempts, request, now);
        let wish = *self.manager.get_mut(master).wish.get_or_insert(request);
        let create = CreateRequest {
            request,
            wish,
            identity: self.identity(),
            instance: self.instance,
            lease: self.options.lease,
            version: self.options.version,
            items: SessionClient::items(self.identity()),
            wall: ctx.wall(),
        };
        ctx.send(self.manager.address(master), SessionMessage::Create(Box::new(create)));
        let wait = self.options.rpc_timeout + self.backoff(ctx);
        ctx.set_timer(SessionTimer::Create(master), wait);
    }

    /// A master says where to ask instead.
    pub(super) fn heed(&mut self, refusal: Refusal) {
        if let Refusal::Elsewhere { leader } = refusal {
            self.manager.go_to(leader);
        }
    }

    /// Half of the backoff at least; the rest is drawn, so that chunks do not ask in step.
    pub(super) fn backoff(&self, ctx: &mut Ctx<'_>) -> Duration {
        ctx.rng().duration(self.options.backoff.div(2), self.options.backoff)
    }

    pub(super) fn on_create_reply(&mut self, ctx: &mut Ctx<'_>, master: u16, request: u64, result: CreateResult) {
        let follower = self.manager.get(master);
        let sent = follower.attempts.get(&request).copied().filter(|_| follower.state == State::Creating);
        let Some(sent) = sent else { return };
        match result {
            CreateResult::Created(granted) => self.enter(ctx, master, (request, sent), granted),
            CreateResult::Refused(Refusal::Superseded) => self.stop(ctx, master, StopSource::Superseded),
            CreateResult::Refused(refusal) => {
                self.heed(refusal);
                let wait = self.backoff(ctx);
                ctx.set_timer(SessionTimer::Create(master), wait);
            }
        }
    }

    /// There is a session: its lease counts from the send of the request that was answered.
    fn enter(&mut self, ctx: &mut Ctx<'_>, master: u16, (request, sent): (u64, Instant), granted: Granted) {
        let now = self.clock(ctx);
        let from = if self.has(Bug::ExtendFromReceipt) { now } else { sent };
        let until = from.saturating_add(self.follower_lease());
        if until <= now {
            ctx.observe(SessionObservation::ReplyTooLate { master });
            return;
        }
        let skips = self.has(Bug::CreatedNotOnReuse) && granted.is_reused;
        let instance = self.instance;
        let follower = self.manager.get_mut(master);
        follower.state = State::Entering;
        follower.held = Some(Held { granted, instance, request, until });
        follower.attempts.clear();
        ctx.cancel_timer(SessionTimer::Create(master));
        ctx.cancel_timer(SessionTimer::GiveUp(master));
        ctx.set_timer(SessionTimer::Lease(master), until.since(now));
        let stage = if skips { CreatedStage::NodeServer } else { CreatedStage::Negotiate };
        self.run_later(ctx, SessionStep::Created { master, session: granted.session, request, stage });
    }

    /// A stage of the created callback. The session may have been lost while it waited.
    pub(super) fn run_created(
        &mut self,
        ctx: &mut Ctx<'_>,
        master: u16,
        (session, request): (SessionId, u64),
        stage: CreatedStage,
    ) {
        let (version, size) = (self.options.version, self.options.report_size);
        let goes_on_anyway = self.has(Bug::CreatedGoesOn);
        let follower = self.manager.get_mut(master);
        let is_its_own = follower.is_of((session, request)) && follower.state == State::Entering;
        let Some(held) = follower.held.filter(|_| is_its_own) else {
            if goes_on_anyway && stage == CreatedStage::NodeServer {
                self.on_entered(ctx, master, session);
            }
            return;
        };
        let next = match stage {
            CreatedStage::Negotiate => {
                let version = version.min(held.granted.version);
                follower.version = Some(version);
                ctx.observe(SessionObservation::Negotiated { session, version });
                CreatedStage::Report
            }
            CreatedStage::Report => {
                follower.report = (0, 0);
                ctx.observe(SessionObservation::ReportBegun { session, start: 0, size });
                ctx.observe(SessionObservation::FollowerCreated { session });
                CreatedStage::NodeServer
            }
            CreatedStage::NodeServer => return self.on_entered(ctx, master, session),
        };
        self.run_later(ctx, SessionStep::Created { master, session, request, stage: next });
    }

    /// The node server's callback: iSCSI sessions may come alive, and the keepalive loop begins.
    fn on_entered(&mut self, ctx: &mut Ctx<'_>, master: u16, session: SessionId) {
        let follower = self.manager.get_mut(master);
        follower.state = State::Alive;
        let late_loss = follower.late_loss.take();
        ctx.observe(SessionObservation::Alive { session });
        if let Some(session) = late_loss {
            ctx.observe(SessionObservation::FollowerExpired { session });
            self.drop_targets(ctx, master);
        }
        self.begin_loop(ctx, master);
        ctx.observe(SessionObservation::LoopBegun { session });
        self.serve_again(ctx);
    }

    // The end of the lease.

    pub(super) fn on_lease_timer(&mut self, ctx: &mut Ctx<'_>, master: u16) {
        let now = self.clock(ctx);
        let follower = self.manager.get(master);
        let Some(held) = follower.held else { return };
        if now < held.until {
            ctx.set_timer(SessionTimer::Lease(master), held.until.since(now));
            return;
        }
        match follower.state {
            State::Alive if self.has(Bug::RenewalNeverGivesUp) => {}
            State::Alive if self.options.grace.is_zero() => self.expire(ctx, master),
            State::Alive => self.fall_into_jeopardy(ctx, master, held.granted.session),
            // Its created callback took longer than its lease: it asks again, and may get the same session.
            State::Entering => self.create(ctx, master),
            State::Idle | State::Creating | State::Jeopardy | State::Stopped => {}
        }
    }

    fn fall_into_jeopardy(&mut self, ctx: &mut Ctx<'_>, master: u16, session: SessionId) {
        self.manager.get_mut(master).state = State::Jeopardy;
        ctx.observe(SessionObservation::Jeopardy { session });
        ctx.set_timer(SessionTimer::Grace(master), self.options.grace);
        if !self.has(Bug::JeopardyServes) {
            self.suspend_targets(ctx, master);
        }
    }

    /// The session lives after all.
    pub(super) fn restore(&mut self, ctx: &mut Ctx<'_>, master: u16, session: SessionId) {
        self.manager.get_mut(master).state = State::Alive;
        ctx.cancel_timer(SessionTimer::Grace(master));
        ctx.observe(SessionObservation::Restored { session });
        self.serve_again(ctx);
    }

    /// The expired callback: the session is lost, and the follower asks for another.
    pub(super) fn expire(&mut self, ctx: &mut Ctx<'_>, master: u16) {
        let is_late = self.has(Bug::CreatedBeforeExpired);
        let follower = self.manager.get_mut(master);
        let Some(held) = follower.held.take() else { return };
        follower.stop.request_stop(StopSource::Expiry);
        let session = held.granted.session;
        if is_late {
            follower.late_loss = Some(session);
        } else {
            ctx.observe(SessionObservation::FollowerExpired { session });
            self.drop_targets(ctx, master);
        }
        self.cancel_timers(ctx, master);
        self.create(ctx, master);
    }

    fn cancel_timers(&self, ctx: &mut Ctx<'_>, master: u16) {
        for timer in [
            SessionTimer::Create,
            SessionTimer::GiveUp,
            SessionTimer::KeepAlive,
            SessionTimer::RpcTimeout,
            SessionTimer::Lease,
            SessionTimer::Grace,
        ] {
            ctx.cancel_timer(timer(master));
        }
    }

    /// A stop source asks: nothing is served any more, and the loop ends.
    pub(super) fn stop(&mut self, ctx: &mut Ctx<'_>, master: u16, source: StopSource) {
        let ignores = self.has(Bug::StopTokenIgnored);
        let follower = self.manager.get_mut(master);
        if follower.is_stopped() || !follower.stop.request_stop(source) {
            return;
        }
        follower.state = State::Stopped;
        ctx.observe(SessionObservation::Stopped { master, source });
        let held = if ignores { follower.held } else { follower.held.take() };
        self.drop_targets(ctx, master);
        if ignores {
            return;
        }
        self.cancel_timers(ctx, master);
        if let Some(held) = held.filter(|_| source == StopSource::User) {
            let (session, instance) = (held.granted.session, held.instance);
            ctx.send(self.manager.address(master), SessionMessage::Close { session, instance });
        }
        if self.options.expiry_scope == ExpiryScope::Any {
            // It will serve no target again: what it holds under its other sessions is for others.
            self.manager.masters().for_each(|other| self.stop(ctx, other, source));
        }
    }
}

/// Notes when something was sent, and forgets the oldest of too many.
pub(super) fn remember(sent: &mut BTreeMap<u64, Instant>, number: u64, at: Instant) {
    sent.insert(number, at);
    if sent.len() > OPEN_MAX {
        sent.pop_first();
    }
}
