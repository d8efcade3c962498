//! The leases of a master: when they start, what extends them, when they are over.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::time::{Duration, Instant};

use crate::session::bug::Bug;
use crate::session::command::Command;
use crate::session::ids::{Instance, ItemKey, Resource, SessionId};
use crate::session::message::{KeepAlive, KeepAliveResult, Refusal, SessionMessage};
use crate::session::node::SessionTimer;
use crate::session::observation::SessionObservation;
use crate::session::options::KeepAliveMode;
use crate::session::table::Session;

use super::job::Job;
use super::{Ctx, Master, Then};

/// A lease, on the clock that [`Master::clock`] names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    /// When it was last extended.
    pub(super) from: Instant,
    /// When it is over.
    pub(super) until: Instant,
    /// When what remained of it was last written down, or it began.
    noted: Instant,
}

/// A keepalive that is answered when the lease is nearly over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HeldBack {
    source: NodeId,
    keep_alive: KeepAlive,
    since: Instant,
}

impl HeldBack {
    /// The lease is not extended, for this reason.
    pub(super) fn refuse(self, ctx: &mut Ctx<'_>, result: KeepAliveResult) {
        let KeepAlive { session, round, .. } = self.keep_alive;
        ctx.send(self.source, SessionMessage::KeepAliveReply { session, round, result });
    }
}

impl Master {
    /// What leases are measured on: the monotonic clock, which no one can set.
    pub(super) fn clock(&self, ctx: &Ctx<'_>) -> Instant {
        match self.options.bug {
            Bug::MasterWallClock | Bug::LeaseFromRecordTime => ctx.wall(),
            _ => ctx.now(),
        }
    }

    /// A lease begins, or begins anew. `record` is what the follower's wall clock showed when it asked.
    pub(super) fn start_lease(&mut self, ctx: &Ctx<'_>, session: SessionId, length: Duration, record: Instant) {
        let now = self.clock(ctx);
        let from = if self.has(Bug::LeaseFromRecordTime) { record } else { now };
        self.leases.insert(session, Lease { from: now, until: from.saturating_add(length), noted: now });
    }

    /// The leases of all sessions begin anew.
    pub(super) fn renew_all_leases(&mut self, ctx: &Ctx<'_>) {
        let active = self.table.sessions().iter().filter(|(_, session)| !session.is_expiring);
        let of = |(id, session): (&SessionId, &Session)| (*id, session.lease, session.remaining);
        let active: Vec<(SessionId, Duration, Option<Duration>)> = active.map(of).collect();
        let longest = active.iter().map(|(_, lease, _)| *lease).max();
        self.leases.clear();
        for (session, lease, remaining) in active {
            let length = match self.options.bug {
                Bug::RestartForgetsLeases => Duration::ZERO,
                Bug::TermForgetsRemainder => lease,
                _ => remaining.unwrap_or(lease),
            };
            self.start_lease(ctx, session, length, ctx.wall());
            if self.has(Bug::CheckpointOnce) {
                // What is never noted is never due.
                self.leases.get_mut(&session).expect("it has just begun").noted = Instant::MAX;
            }
        }
        if let Some(longest) = longest.or_else(|| (self.table.last_number() > 0).then_some(self.options.lease)) {
            // A process that was replaced may count on its lease still; a target that was given up has its delay.
            let old = if self.reuses() { longest.max(self.options.lease) } else { Duration::ZERO };
            self.all_free_at = ctx.now().saturating_add(old).saturating_add(self.lock_delay());
        }
    }

    pub(super) fn lock_delay(&self) -> Duration {
        if self.has(Bug::LockDelayIgnored) { Duration::ZERO } else { self.options.lock_delay }
    }

    pub(super) fn is_over(&self, ctx: &Ctx<'_>, session: SessionId) -> bool {
        self.leases.get(&session).is_some_and(|lease| lease.until <= self.clock(ctx))
    }

    /// How long a lease still runs.
    fn remaining(&self, ctx: &Ctx<'_>, session: SessionId) -> Duration {
        self.leases.get(&session).map_or(Duration::ZERO, |lease| lease.until.since(self.clock(ctx)))
    }

    /// Looks for leases that are over.
    pub(super) fn on_scan(&mut self, ctx: &mut Ctx<'_>) {
        ctx.set_timer(SessionTimer::Scan, self.options.expiry_scan);
        if !self.leads {
            if self.has(Bug::ExpiryOfEarlierTerm) {
                self.forward_expiries(ctx);
            }
            // Unless it was ordered not to lead, it has tried, and its disk refused.
            if !self.journal.is_shared() && !self.is_retired && !self.is_about_to_lead() {
                self.lead(ctx);
            }
            return self.review_leadership(ctx);
        }
        let over: Vec<SessionId> = self.leases.keys().copied().filter(|session| self.is_over(ctx, *session)).collect();
        over.into_iter().for_each(|session| self.push(ctx, Job::Expire(session)));
        let undone = |(id, session): (&SessionId, &Session)| session.is_expiring.then_some(*id);
        let undone: Vec<SessionId> = self.table.sessions().iter().filter_map(undone).collect();
        undone.into_iter().for_each(|session| self.push(ctx, Job::Expire(session)));
        self.serve_lines(ctx);
        self.write_down(ctx);
    }

    /// Writes down what remains of leases that have run for a while since that was last done.
    fn write_down(&mut self, ctx: &mut Ctx<'_>) {
        let (every, now) = (self.options.checkpoint, self.clock(ctx));
        if every.is_zero() || !self.leads_now(ctx) {
            return;
        }
        // What is under way for a session comes first: its lease may be extended, or begin anew with another process.
        let is_adopted = |session: SessionId| {
            let is_of = |command: &Command| matches!(command, Command::Adopt { session: of, .. } if *of == session);
            self.journal.pending().any(|(command, _)| is_of(command))
        };
        let is_left_out = |session: SessionId| {
            if self.is_being_written_down(session) || is_adopted(session) {
                return true;
            }
            let known = self.table.session(session).filter(|found| !found.is_expiring);
            known.is_none()
        };
        let is_due = |lease: &Lease| every <= now.since(lease.noted) && now < lease.until;
        let due = self.leases.iter().filter(|(session, lease)| is_due(lease) && !is_left_out(**session));
        let due: Vec<(SessionId, Duration)> = due.map(|(session, lease)| (*session, lease.until.since(now))).collect();
        for (session, remaining) in due {
            self.leases.get_mut(&session).expect("it was just found").noted = now;
            self.propose(ctx, Command::Checkpoint { session, remaining: Some(remaining) }, Then::Checkpoint);
        }
    }

    pub(super) fn on_checkpoint(ctx: &mut Ctx<'_>, command: &Command) {
        if let Command::Checkpoint { session, remaining: Some(remaining) } = command {
            ctx.observe(SessionObservation::Checkpointed { session: *session, remaining: *remaining });
        }
    }

    /// Whether it is, or is about to be, written down that less than the whole lease remains.
    fn is_written_down(&self, session: SessionId) -> bool {
        let is_kept = self.table.session(session).is_some_and(|found| found.remaining.is_some());
        is_kept || self.is_being_written_down(session)
    }

    fn is_being_written_down(&self, session: SessionId) -> bool {
        let is_of = |command: &Command| matches!(command, Command::Checkpoint { session: of, .. } if *of == session);
        !self.options.checkpoint.is_zero() && self.journal.pending().any(|(command, _)| is_of(command))
    }

    /// One bug: a master that leads no longer goes by its old leases, and has the one that leads end the sessions.
    fn forward_expiries(&self, ctx: &mut Ctx<'_>) {
        let Some(leader) = self.journal.leader().filter(|leader| *leader != ctx.id()) else { return };
        let over: Vec<SessionId> = self.leases.keys().copied().filter(|session| self.is_over(ctx, *session)).collect();
        for session in over {
            ctx.send(leader, SessionMessage::Forward(Box::new(Command::Expire { session, term: self.term })));
        }
    }

    pub(super) fn on_keep_alive(&mut self, ctx: &mut Ctx<'_>, source: NodeId, keep_alive: KeepAlive) {
        let KeepAlive { session, instance, .. } = keep_alive;
        let held = HeldBack { source, keep_alive, since: ctx.now() };
        if let Err(result) = self.check_keep_alive(ctx, session, instance) {
            return held.refuse(ctx, result);
        }
        self.access.report(session, keep_alive.report);
        match self.options.keep_alive {
            KeepAliveMode::Periodic => self.extend(ctx, held),
            KeepAliveMode::Held => {
                let wait = self.remaining(ctx, session).saturating_sub(self.options.held_margin);
                self.held_back.insert(session, held);
                ctx.set_timer(SessionTimer::HeldBack(session), wait);
            }
        }
    }

    /// Whether a keepalive may extend its lease.
    fn check_keep_alive(
        &self,
        ctx: &mut Ctx<'_>,
        session: SessionId,
        instance: Instance,
    ) -> Result<(), KeepAliveResult> {
        let believes = self.leads && self.has(Bug::ExtendsWithoutQuorum);
        if !self.leads_now(ctx) && !believes {
            return Err(KeepAliveResult::Refused(self.not_leader(ctx)));
        }
        let revives = self.has(Bug::ExpiringExtended);
        let lives = |found: &&Session| revives || !(found.is_expiring || self.is_decided(session));
        let Some(found) = self.table.session(session).filter(lives) else {
            return Err(KeepAliveResult::NoSuchSession);
        };
        if found.instance != instance && !self.has(Bug::InstanceNotChecked) {
            ctx.observe(SessionObservation::Superseded { instance });
            return Err(KeepAliveResult::Refused(Refusal::Superseded));
        }
        Ok(())
    }

    /// The lease is nearly over: the keepalive that was held back is answered.
    pub(super) fn answer_held_back(&mut self, ctx: &mut Ctx<'_>, session: SessionId) {
        let Some(held) = self.held_back.remove(&session) else { return };
        match self.check_keep_alive(ctx, session, held.keep_alive.instance) {
            Ok(()) => self.extend(ctx, held),
            Err(result) => held.refuse(ctx, result),
        }
    }

    /// Extends a lease, once it is no longer written down that less of it remains: the next leader goes by that.
    fn extend(&mut self, ctx: &mut Ctx<'_>, asked: HeldBack) {
        let session = asked.keep_alive.session;
        if self.is_written_down(session) {
            return self.propose(ctx, Command::Checkpoint { session, remaining: None }, Then::Extend(asked));
        }
        self.extend_now(ctx, asked);
    }

    /// It is written down no longer. The session may have ended meanwhile.
    pub(super) fn extend_again(&mut self, ctx: &mut Ctx<'_>, asked: HeldBack) {
        match self.check_keep_alive(ctx, asked.keep_alive.session, asked.keep_alive.instance) {
            Ok(()) => self.extend_now(ctx, asked),
            Err(result) => asked.refuse(ctx, result),
        }
    }

    fn extend_now(&mut self, ctx: &mut Ctx<'_>, asked: HeldBack) {
        let KeepAlive { session, round, version, wall, .. } = asked.keep_alive;
        let length = self.table.session(session).expect("it was just checked").lease;
        self.start_lease(ctx, session, length, wall);
        ctx.observe(SessionObservation::Extended { session });
        let held = ctx.now().since(asked.since);
        let result = KeepAliveResult::Extended { held, version: version.min(self.options.version) };
        ctx.send(asked.source, SessionMessage::KeepAliveReply { session, round, result });
    }

    /// A chunk will not use its session any more: its lease is over by its own will.
    pub(super) fn on_close(&mut self, ctx: &mut Ctx<'_>, session: SessionId, instance: Instance) {
        if self.leads_now(ctx) && self.table.active(session).is_some_and(|found| found.instance == instance) {
            self.closed.insert(session, instance);
            self.push(ctx, Job::Expire(session));
        }
    }

    /// Whether the process that uses a session has closed it. One that has taken it over meanwhile has not.
    pub(super) fn is_closed(&self, session: SessionId) -> bool {
        let closed_by = self.closed.get(&session);
        let counts = |by: Instance| self.has(Bug::CloseEndsAdopted) || self.is_used_by(session, by);
        closed_by.is_some_and(|by| counts(*by))
    }

    fn is_used_by(&self, session: SessionId, instance: Instance) -> bool {
        self.table.session(session).is_some_and(|found| found.instance == instance)
    }

    /// The targets that a command gives up, and when each may be granted again: after the lock-delay, and when the
    /// process that served it cannot count on its lease any more.
    pub(super) fn targets_freed_by(&self, ctx: &Ctx<'_>, command: &Command) -> Vec<(Resource, Instant)> {
        let (session, lease_left) = match command {
            Command::Adopt { session, .. } => (*session, self.remaining(ctx, *session)),
            Command::Erase { session } => (*session, Duration::ZERO),
            _ => return Vec::new(),
        };
        let at = ctx.now().saturating_add(lease_left).saturating_add(self.lock_delay());
        let keys = self.table.session(session).into_iter().flat_map(|found| found.items.keys());
        let targets = keys.filter_map(|key| if let ItemKey::Target(resource) = key { Some(*resource) } else { None });
        targets.map(|resource| (resource, at)).collect()
    }

    /// The items that go with a session.
    pub(super) fn items_dropped_by(&self, command: &Command) -> Vec<SessionObservation> {
        let Command::Erase { session } = command else { return Vec::new() };
        let keys = self.table.session(*session).into_iter().flat_map(|found| found.items.keys());
        keys.map(|key| SessionObservation::ItemDropped { session: *session, key: *key }).collect()
    }
}
