//! The keepalive loop of a follower: a thread of its own, written as a coroutine is. Each of its waits is a step.
//!
//! A round uses the answer of the one before, composes a keepalive with a part of the data report, and sends it. After
//! each wait it looks again whether the session is the same and no owner has asked it to stop.

use splitbrain_kernel::time::{Duration, Instant};

use crate::session::bug::Bug;
use crate::session::ids::SessionId;
use crate::session::lease::least_elsewhere;
use crate::session::message::{KeepAlive, KeepAliveResult, Refusal, Report, SessionMessage};
use crate::session::node::{LoopStage, SessionStep, SessionTimer};
use crate::session::observation::SessionObservation;
use crate::session::options::KeepAliveMode;

use super::follower::{State, remember};
use super::stop::StopSource;
use super::{Chunk, Ctx};

impl Chunk {
    pub(super) fn begin_loop(&self, ctx: &mut Ctx<'_>, master: u16) {
        let wait = match self.options.keep_alive {
            KeepAliveMode::Periodic => self.options.interval,
            KeepAliveMode::Held => Duration::ZERO,
        };
        ctx.set_timer(SessionTimer::KeepAlive(master), wait);
    }

    pub(super) fn begin_round(&self, ctx: &mut Ctx<'_>, master: u16) {
        if let Some(held) = self.manager.get(master).held() {
            let (session, request) = (held.granted.session, held.request);
            self.run_later(ctx, SessionStep::Loop { master, session, request, stage: LoopStage::Consume });
        }
    }

    /// Whether the loop goes on with this session.
    fn goes_on(&self, master: u16, of: (SessionId, u64)) -> bool {
        let follower = self.manager.get(master);
        let is_asked_to_stop = follower.stop.stop_requested() && !self.has(Bug::StopTokenIgnored);
        follower.is_of(of) && !is_asked_to_stop
    }

    pub(super) fn run_loop(
        &mut self,
        ctx: &mut Ctx<'_>,
        master: u16,
        (session, request): (SessionId, u64),
        stage: LoopStage,
    ) {
        if !self.goes_on(master, (session, request)) {
            return;
        }
        match stage {
            LoopStage::Consume => {
                self.consume(ctx, master, session);
                self.run_later(ctx, SessionStep::Loop { master, session, request, stage: LoopStage::Compose });
            }
            LoopStage::Compose => self.send_keep_alive(ctx, master, session),
        }
    }

    /// The answer of the round before says again which version both sides speak.
    fn consume(&mut self, ctx: &mut Ctx<'_>, master: u16, session: SessionId) {
        let own = self.options.version;
        let follower = self.manager.get_mut(master);
        if let Some(version) = follower.answered_version.take().map(|version| version.min(own))
            && follower.version.is_some_and(|before| before != version)
        {
            follower.version = Some(version);
            ctx.observe(SessionObservation::Negotiated { session, version });
        }
    }

    fn send_keep_alive(&mut self, ctx: &mut Ctx<'_>, master: u16, session: SessionId) {
        let (now, version) = (self.clock(ctx), self.options.version);
        let instance = self.instance_of(session);
        let (extents, size) = (self.options.extents, self.options.report_size);
        // A number of its own over all sessions and processes: the answer to an old round is no answer to a new one.
        let round = self.client.number();
        let follower = self.manager.get_mut(master);
        remember(&mut follower.rounds, round, now);
        let start = follower.report.0;
        let count = size.min(extents - start);
        follower.report.1 = count;
        let report = Report { start, count };
        let keep_alive = KeepAlive { session, instance, round, version, report, wall: ctx.wall() };
        ctx.send(self.manager.address(master), SessionMessage::KeepAlive(keep_alive));
        ctx.set_timer(SessionTimer::RpcTimeout(master), self.options.rpc_timeout);
    }

    /// No answer in time: the next round comes after a while that is drawn.
    pub(super) fn retry_round(&self, ctx: &mut Ctx<'_>, master: u16) {
        let wait = self.backoff(ctx);
        ctx.set_timer(SessionTimer::KeepAlive(master), wait);
    }

    pub(super) fn on_keep_alive_reply(
        &mut self,
        ctx: &mut Ctx<'_>,
        master: u16,
        session: SessionId,
        round: u64,
        result: KeepAliveResult,
    ) {
        let follower = self.manager.get(master);
        if !follower.is_with(session) {
            return;
        }
        if let KeepAliveResult::Extended { held, version } = result {
            return self.on_extended(ctx, master, session, round, held, version);
        }
        // A refusal may be of a process before this one, which had the same session.
        if self.manager.get_mut(master).rounds.remove(&round).is_none() {
            return;
        }
        let follower = self.manager.get(master);
        match result {
            KeepAliveResult::Extended { .. } => {}
            KeepAliveResult::NoSuchSession if follower.state == State::Entering => self.create(ctx, master),
            KeepAliveResult::NoSuchSession => self.expire(ctx, master),
            KeepAliveResult::Refused(Refusal::Superseded) => self.stop(ctx, master, StopSource::Superseded),
            // As if there were no answer, but sooner.
            KeepAliveResult::Refused(refusal) => {
                self.heed(refusal);
                self.manager.move_on();
                ctx.cancel_timer(SessionTimer::RpcTimeout(master));
                self.retry_round(ctx, master);
            }
        }
    }

    /// The lease is extended: from the send of the keepalive, and for as long as the master held it back at least.
    fn on_extended(
        &mut self,
        ctx: &mut Ctx<'_>,
        master: u16,
        session: SessionId,
        round: u64,
        held_back: Duration,
        version: u64,
    ) {
        let now = self.clock(ctx);
        let Some(sent) = self.sent_at(master, round, now) else { return };
        let (lease, begun) =
            (self.follower_lease(), sent.saturating_add(least_elsewhere(held_back, self.around.drift_ppm)));
        let from = match self.options.bug {
            Bug::ExtendFromReceipt => now,
            Bug::LateReplyExtends if begun.saturating_add(lease) <= now => now,
            _ => begun,
        };
        let until = from.saturating_add(lease);
        self.count_report(ctx, master, session);
        let follower = self.manager.get_mut(master);
        follower.answered_version = Some(version);
        let held = follower.held.as_mut().expect("it is with this session");
        if held.until < until {
            held.until = until;
            ctx.set_timer(SessionTimer::Lease(master), until.since(now));
        }
        let runs = now < held.until;
        if runs && follower.state == State::Jeopardy {
            self.restore(ctx, master, session);
        }
        self.next_round(ctx, master, now.since(sent));
    }

    /// When a keepalive that was just answered for the first time was sent.
    fn sent_at(&mut self, master: u16, round: u64, now: Instant) -> Option<Instant> {
        let again = self.has(Bug::DuplicateReplyExtends).then_some(now);
        self.manager.get_mut(master).rounds.remove(&round).or(again)
    }

    fn next_round(&self, ctx: &mut Ctx<'_>, master: u16, passed: Duration) {
        ctx.cancel_timer(SessionTimer::RpcTimeout(master));
        let wait = match self.options.keep_alive {
            KeepAliveMode::Periodic => self.options.interval.saturating_sub(passed),
            KeepAliveMode::Held => Duration::ZERO,
        };
        ctx.set_timer(SessionTimer::KeepAlive(master), wait.max(Duration::from_millis(1)));
    }

    /// The part of the data report that the last keepalive brought is done.
    fn count_report(&mut self, ctx: &mut Ctx<'_>, master: u16, session: SessionId) {
        let extents = self.options.extents;
        let follower = self.manager.get_mut(master);
        let (start, count) = follower.report;
        if start + count >= extents && count > 0 {
            ctx.observe(SessionObservation::ReportComplete { session });
            follower.report = (0, 0);
        } else {
            follower.report = (start + count, 0);
        }
    }
}
