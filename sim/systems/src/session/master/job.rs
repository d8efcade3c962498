//! What a master does under the lock of its access manager, one thing at a time: it creates sessions, and ends them.
//!
//! Each stage is a step of its own: between two of them other inputs come, a crash may, and the master may cease to
//! lead. So each stage looks at the world anew.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::time::Duration;

use crate::session::bug::Bug;
use crate::session::command::{Applied, Command};
use crate::session::ids::{SessionId, Term};
use crate::session::message::{CreateRequest, CreateResult, Granted, KeepAliveResult, Refusal, SessionMessage};
use crate::session::node::{SessionStep, SessionTimer};
use crate::session::observation::{ExpiredPart, SessionObservation};
use crate::session::table::Session;

use super::access::Guard;
use super::{Ctx, Master, Then};

/// Work that waits for the lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Job {
    /// Create a session for this chunk.
    Create(NodeId, Box<CreateRequest>),
    /// End this session.
    Expire(SessionId),
}

/// How far a job is: which stage comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Create: the initialize callback.
    Initialize,
    /// Create: the created callback, when the session is on the disk.
    Created,
    /// Expire: is the lease over still?
    Check,
    /// Expire: it was decided on the disk when the master did not lead any more; now it takes effect.
    Effect,
    /// Expire: the parts of the expired callback.
    Part(ExpiredPart),
    /// Expire: the session leaves the table.
    Erase,
}

/// The job at work.
#[derive(Debug)]
pub(super) struct Active {
    job: Job,
    stage: Stage,
    /// The session that a creation is about, once it is known, and whether it existed before.
    session: Option<(SessionId, bool)>,
    /// Whether the master led when the job began; what one bug goes by.
    led: bool,
    /// The term in which it had its first effect: `None` before that.
    term: Option<Term>,
    guard: Guard,
}

/// The order of the parts; the last one erases.
const PARTS: [ExpiredPart; 3] = [ExpiredPart::Chunk, ExpiredPart::Extent, ExpiredPart::Common];
const PARTS_ERASING_FIRST: [ExpiredPart; 3] = [ExpiredPart::Common, ExpiredPart::Chunk, ExpiredPart::Extent];

impl Master {
    /// A job joins the queue, unless the same work waits there.
    pub(super) fn push(&mut self, ctx: &mut Ctx<'_>, job: Job) {
        let may_repeat = self.has(Bug::ExpiredTwice) && matches!(job, Job::Expire(_));
        let is_active = self.active.as_ref().is_some_and(|active| active.job == job);
        if (is_active || self.jobs.contains(&job)) && !may_repeat {
            return;
        }
        self.jobs.push_back(job);
        self.start_next(ctx);
    }

    pub(super) fn on_create(&mut self, ctx: &mut Ctx<'_>, source: NodeId, request: Box<CreateRequest>) {
        if self.journal.is_shared() && !self.leads_now(ctx) {
            // Where the leader is known at once, nobody waits for the lock.
            let (request, result) = (request.request, CreateResult::Refused(self.not_leader(ctx)));
            return ctx.send(source, SessionMessage::CreateReply { request, result });
        }
        let is_same = |job: &Job| matches!(job, Job::Create(_, other) if other.instance == request.instance);
        if self.active.as_ref().is_some_and(|active| is_same(&active.job)) {
            return;
        }
        // The newest try counts: its lease runs for longest.
        if let Some(Job::Create(_, waiting)) = self.jobs.iter_mut().find(|job| is_same(job)) {
            if waiting.request < request.request {
                *waiting = request;
            }
            return;
        }
        self.push(ctx, Job::Create(source, request));
    }

    fn start_next(&mut self, ctx: &mut Ctx<'_>) {
        if self.active.is_some() || self.jobs.is_empty() {
            return;
        }
        let Some(guard) = self.access.lock() else { return };
        let job = self.jobs.pop_front().expect("one waits");
        let stage = self.first_stage(&job);
        self.active = Some(Active { job, stage, session: None, led: self.leads, term: None, guard });
        self.schedule(ctx);
    }

    fn first_stage(&self, job: &Job) -> Stage {
        match job {
            Job::Create(..) => Stage::Initialize,
            Job::Expire(session) if self.not_erased.contains(session) => Stage::Erase,
            Job::Expire(session) if self.without_effect.contains(session) => Stage::Effect,
            Job::Expire(session) if self.table.session(*session).is_some_and(|found| found.is_expiring) => {
                Stage::Part(self.part_due(*session))
            }
            Job::Expire(_) => Stage::Check,
        }
    }

    /// The next stage begins after the callback before it has taken its time.
    fn schedule(&self, ctx: &mut Ctx<'_>) {
        if self.options.callback_max.is_zero() {
            ctx.defer(SessionStep::Job);
        } else {
            let takes = ctx.rng().duration(Duration::ZERO, self.options.callback_max);
            ctx.set_timer(SessionTimer::Job, takes);
        }
    }

    fn finish(&mut self, ctx: &mut Ctx<'_>) {
        let active = self.active.take().expect("a job is at work");
        self.access.unlock(active.guard);
        self.start_next(ctx);
    }

    fn parts(&self) -> &'static [ExpiredPart; 3] {
        if self.has(Bug::ExpiredErasesFirst) { &PARTS_ERASING_FIRST } else { &PARTS }
    }

    /// The part of the expired callback that comes next for a session that no job is about: the one that failed, or the
    /// first.
    fn part_due(&self, session: SessionId) -> ExpiredPart {
        self.failed_at.get(&session).copied().unwrap_or(self.parts()[0])
    }

    /// The check-leader callback, at the moment of the effect, for the job at work: it belongs to the term in which it
    /// had its first effect.
    fn may_act(&self, ctx: &Ctx<'_>) -> bool {
        match &self.active {
            Some(active) if self.has(Bug::CheckThenAct) => active.led,
            Some(active) => active.term.is_none_or(|term| term == self.term) && self.leads_now(ctx),
            None => self.leads_now(ctx),
        }
    }

    /// Whether the job may act later, though it may not now: the master leads, and has yet to hear from a quorum.
    fn waits_for_quorum(&self) -> bool {
        let is_of_term = |active: &Active| active.term.is_none_or(|term| term == self.term);
        self.leads && self.active.as_ref().is_some_and(is_of_term) && self.journal.is_shared()
    }

    /// The stage at work may not act. It is tried again if the master may act soon, and otherwise given up: who leads
    /// next goes on.
    fn put_off(&mut self, ctx: &mut Ctx<'_>, stage: Stage) {
        if !self.waits_for_quorum() {
            return self.finish(ctx);
        }
        self.active.as_mut().expect("this job is at work").stage = stage;
        ctx.set_timer(SessionTimer::Job, self.options.raft.timing.heartbeat);
    }

    /// Whether it is decided that a session expires, though that is not durable yet.
    pub(super) fn is_decided(&self, session: SessionId) -> bool {
        let is_of = |command: &Command| matches!(command, Command::Expire { session: of, .. } if *of == session);
        self.journal.pending().any(|(command, _)| is_of(command))
    }

    pub(in crate::session) fn run_stage(&mut self, ctx: &mut Ctx<'_>) {
        let Some(active) = &self.active else { return };
        match (active.stage, &active.job) {
            (Stage::Initialize, Job::Create(source, request)) => self.initialize(ctx, *source, request.clone()),
            (Stage::Created, Job::Create(source, request)) => self.created(ctx, *source, (**request).clone()),
            (Stage::Check, Job::Expire(session)) => self.decide(ctx, *session),
            (Stage::Effect, Job::Expire(session)) => self.on_expired(ctx, *session),
            (Stage::Part(part), Job::Expire(session)) => self.run_part(ctx, *session, part),
            (Stage::Erase, Job::Expire(session)) => self.erase(ctx, *session),
            _ => unreachable!("a stage belongs to its job"),
        }
    }

    // Creating.

    fn refuse(&mut self, ctx: &mut Ctx<'_>, source: NodeId, request: u64, refusal: Refusal) {
        let result = CreateResult::Refused(refusal);
        ctx.send(source, SessionMessage::CreateReply { request, result });
        self.finish(ctx);
    }

    fn callback_fails(&self, ctx: &mut Ctx<'_>) -> bool {
        ctx.rng().chance(self.options.callback_failure)
    }

    fn refuse_as_failed(&mut self, ctx: &mut Ctx<'_>, source: NodeId, request: u64) {
        ctx.observe(SessionObservation::CallbackFailed);
        self.refuse(ctx, source, request, Refusal::CallbackFailed);
    }

    fn initialize(&mut self, ctx: &mut Ctx<'_>, source: NodeId, request: Box<CreateRequest>) {
        if !self.may_act(ctx) {
            let refusal = self.not_leader(ctx);
            return self.refuse(ctx, source, request.request, refusal);
        }
        if self.is_past(&request) {
            ctx.observe(SessionObservation::Superseded { instance: request.instance });
            return self.refuse(ctx, source, request.request, Refusal::Superseded);
        }
        if self.callback_fails(ctx) {
            return self.refuse_as_failed(ctx, source, request.request);
        }
        let found = self.reusable(ctx, &request);
        let session = found.unwrap_or_else(|| self.next_session());
        let CreateRequest { identity, instance, wish, lease, items, .. } = *request;
        let is_reused = found.is_some();
        ctx.observe(SessionObservation::Initialized { session, identity, instance, is_reused });
        let command = match found {
            Some(_) => Command::Adopt { session, instance, items },
            None => Command::Create { session, identity, instance, wish, lease, items },
        };
        let term = self.term;
        let active = self.active.as_mut().expect("this job is at work");
        (active.stage, active.session, active.term) = (Stage::Created, Some((session, is_reused)), Some(term));
        self.propose(ctx, command, Then::Job);
    }

    /// Whether another process of the same identity came after this one.
    fn is_past(&self, request: &CreateRequest) -> bool {
        let lineage = self.table.lineage(request.identity);
        lineage.is_some_and(|lineage| lineage.is_past(request.instance)) && !self.has(Bug::InstanceNotChecked)
    }

    /// A session of the same identity whose lease runs: the one that an earlier try has created, or any if sessions are
    /// reused.
    fn reusable(&self, ctx: &Ctx<'_>, request: &CreateRequest) -> Option<SessionId> {
        let mut sessions = self.table.sessions().iter().filter(|(_, found)| found.identity == request.identity);
        let is_tried = |found: &Session| (found.instance, found.wish) == (request.instance, request.wish);
        let ends = |session: SessionId| self.is_over(ctx, session) || self.is_closed(session);
        let fits = |id: SessionId, found: &Session| !found.is_expiring && !ends(id);
        sessions.find(|(id, found)| fits(**id, found) && (self.reuses() || is_tried(found))).map(|(id, _)| *id)
    }

    fn next_session(&mut self) -> SessionId {
        self.number_in_memory += 1;
        let remembered = self.has(Bug::NumbersFromMemory);
        let number = if remembered { self.number_in_memory } else { self.table.last_number() + 1 };
        SessionId { master: self.number, number }
    }

    fn created(&mut self, ctx: &mut Ctx<'_>, source: NodeId, request: CreateRequest) {
        let (session, is_reused) = self.active.as_ref().and_then(|active| active.session).expect("it is initialized");
        // The session is on the disk already: if no follower hears of it, it ends with its lease.
        if !self.may_act(ctx) {
            let refusal = self.not_leader(ctx);
            return self.refuse(ctx, source, request.request, refusal);
        }
        if self.callback_fails(ctx) {
            return self.refuse_as_failed(ctx, source, request.request);
        }
        self.access.created(session, request.identity);
        let epoch = self.table.lineage(request.identity).expect("it has a process").epoch;
        let (identity, instance) = (request.identity, request.instance);
        ctx.observe(SessionObservation::Created { session, identity, instance, epoch });
        if is_reused {
            ctx.observe(SessionObservation::Reused { session, instance });
        }
        let granted = Granted { session, epoch, version: request.version.min(self.options.version), is_reused };
        let result = CreateResult::Created(granted);
        ctx.send(source, SessionMessage::CreateReply { request: request.request, result });
        self.finish(ctx);
    }

    // Ending.

    /// The lease was over when the session was put on the list: is it still?
    fn decide(&mut self, ctx: &mut Ctx<'_>, session: SessionId) {
        let is_over = self.is_closed(session) || self.is_over(ctx, session);
        let ends = self.table.active(session).is_some() && is_over;
        if !self.may_act(ctx) || !(ends || self.has(Bug::ExpiredTwice)) {
            return self.finish(ctx);
        }
        self.active.as_mut().expect("this job is at work").term = Some(self.term);
        let command = Command::Expire { session, term: self.term };
        if self.has(Bug::ExpiryNotDurable) {
            self.commit(ctx, &command, Some(Then::Job));
        } else {
            self.propose(ctx, command, Then::Job);
        }
    }

    fn on_expired(&mut self, ctx: &mut Ctx<'_>, session: SessionId) {
        if !self.may_act(ctx) {
            // It is durable that the session ends: it takes effect when this master leads again, or another one does.
            self.without_effect.insert(session);
            return self.put_off(ctx, Stage::Effect);
        }
        self.active.as_mut().expect("this job is at work").term = Some(self.term);
        self.without_effect.remove(&session);
        self.leases.remove(&session);
        self.closed.remove(&session);
        ctx.observe(SessionObservation::Expired { session });
        if let Some(held) = self.held_back.remove(&session) {
            held.refuse(ctx, KeepAliveResult::NoSuchSession);
        }
        self.active.as_mut().expect("this job is at work").stage = Stage::Part(self.parts()[0]);
        self.schedule(ctx);
    }

    fn run_part(&mut self, ctx: &mut Ctx<'_>, session: SessionId, part: ExpiredPart) {
        if !self.may_act(ctx) {
            // It is durable that the session ends: who leads next goes on with it.
            return self.put_off(ctx, Stage::Part(part));
        }
        let active = self.active.as_mut().expect("this job is at work");
        // A job that has done nothing yet may have been put on the list in an earlier term.
        let is_fresh = active.term.replace(self.term).is_none();
        let part = if is_fresh { self.part_due(session) } else { part };
        self.failed_at.remove(&session);
        if self.callback_fails(ctx) {
            ctx.observe(SessionObservation::ExpiredPartFailed { session, part });
            if self.has(Bug::FailedPartSkipped) && part != ExpiredPart::Common {
                return self.next_part(ctx, part);
            }
            // The parts before it have run. The next scan goes on with this one.
            self.failed_at.insert(session, part);
            return self.finish(ctx);
        }
        let found = self.table.session(session).map(|found| found.identity);
        ctx.observe(SessionObservation::ExpiredPartRan { session, part, is_found: found.is_some() });
        match part {
            ExpiredPart::Chunk => {
                if let Some(identity) = found {
                    let mut sessions = self.table.sessions().values();
                    let has_another = sessions.any(|other| other.identity == identity && !other.is_expiring);
                    self.access.chunk_expired(identity, has_another);
                }
            }
            ExpiredPart::Extent => {
                if self.has(Bug::CallbackUnderLock) && self.access.lock().is_none() {
                    // The callback waits for the lock that its caller holds: for ever.
                    return;
                }
                self.access.extent_expired(session);
            }
            ExpiredPart::Common => return self.erase(ctx, session),
        }
        self.next_part(ctx, part);
    }

    fn erase(&mut self, ctx: &mut Ctx<'_>, session: SessionId) {
        if !self.may_act(ctx) {
            return self.put_off(ctx, Stage::Erase);
        }
        self.active.as_mut().expect("this job is at work").stage = Stage::Erase;
        self.propose(ctx, Command::Erase { session }, Then::Job);
    }

    fn next_part(&mut self, ctx: &mut Ctx<'_>, part: ExpiredPart) {
        let at = self.parts().iter().position(|one| *one == part).expect("it is one of them");
        match self.parts().get(at + 1) {
            Some(next) => {
                self.active.as_mut().expect("this job is at work").stage = Stage::Part(*next);
                self.schedule(ctx);
            }
            None => self.finish(ctx),
        }
    }

    // Commands of jobs.

    pub(super) fn on_job_committed(&mut self, ctx: &mut Ctx<'_>, command: &Command, applied: Applied) {
        match command {
            Command::Create { .. } | Command::Adopt { .. } if !self.may_act(ctx) => self.refuse_deposed(ctx),
            Command::Create { session, .. } | Command::Adopt { session, .. } if Self::is_done(applied) => {
                let length = self.table.session(*session).expect("it was just created").lease;
                self.start_lease(ctx, *session, length, ctx.wall());
                ctx.observe(SessionObservation::LeaseStarted { session: *session });
                self.schedule(ctx);
            }
            Command::Create { .. } | Command::Adopt { .. } => self.on_job_failed(ctx),
            Command::Expire { .. } if applied == Applied::Outdated => self.finish(ctx),
            Command::Expire { session, .. } => self.on_expired(ctx, *session),
            Command::Erase { session } => {
                self.not_erased.remove(session);
                if self.may_act(ctx) || !self.journal.is_shared() {
                    ctx.observe(SessionObservation::Erased { session: *session });
                }
                self.next_part(ctx, ExpiredPart::Common);
            }
            _ => unreachable!("it is no command of a job"),
        }
    }

    /// A session is on the disk, and the master leads no longer: its lease starts when a master leads again.
    fn refuse_deposed(&mut self, ctx: &mut Ctx<'_>) {
        let active = self.active.as_ref().expect("this job is at work");
        let Job::Create(source, request) = &active.job else { unreachable!("only a creation creates") };
        let (source, request) = (*source, request.request);
        let refusal = self.not_leader(ctx);
        self.refuse(ctx, source, request, refusal);
    }

    /// The disk refused, or another master has begun to lead: a creation is refused too; a session that was to end is
    /// found again by the next scan.
    pub(super) fn on_job_failed(&mut self, ctx: &mut Ctx<'_>) {
        let active = self.active.as_ref().map(|active| (active.job.clone(), active.stage));
        match active {
            Some((Job::Create(source, request), _)) => {
                let refusal = if self.journal.is_shared() { self.not_leader(ctx) } else { Refusal::Disk };
                self.refuse(ctx, source, request.request, refusal);
            }
            Some((Job::Expire(session), stage)) => {
                // Its callbacks have run: they do not run again.
                if stage == Stage::Erase {
                    self.not_erased.insert(session);
                }
                self.finish(ctx);
            }
            None => {}
        }
    }
}
