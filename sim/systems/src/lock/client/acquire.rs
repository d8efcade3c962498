//! Getting a lock: attempts on all servers, until one succeeds or the time is over.

use splitbrain_kernel::time::Instant;

use crate::lock::bug::Bug;
use crate::lock::ids::{LockId, Token};
use crate::lock::message::{Answer, Command, Response, Wire};
use crate::lock::observation::LockObservation;
use crate::lock::options::{FenceSource, Validity};

use super::{
    Alarm, Client, Ctx, End, Handle, HandleId, Held, Next, Purpose, Request, Round, Stage, Vote, cancel, new_hold,
    observe, set,
};

impl Client {
    /// Begins to ask for a lock. It ends as acquired, busy or unavailable.
    pub fn acquire(&mut self, ctx: &mut Ctx<'_>, lock: LockId) -> HandleId {
        let id = HandleId(self.next_handle);
        self.next_handle += 1;
        let hold = new_hold(ctx, lock);
        let handle = Handle {
            hold,
            began: ctx.now(),
            deadline: ctx.now().saturating_add(self.options.acquire_timeout),
            stage: Stage::Waiting,
            asked: Vec::new(),
            uncertain: vec![false; self.servers.count()],
            former: Vec::new(),
            was_refused: false,
            next: None,
        };
        self.handles.insert(id, handle);
        observe(ctx, LockObservation::Wanted { hold, instead_of: None });
        self.attempt(ctx, id);
        id
    }

    /// Asks all servers at once.
    pub(super) fn attempt(&mut self, ctx: &mut Ctx<'_>, id: HandleId) {
        if self.handle(id).deadline <= ctx.now() {
            return self.give_up(ctx, id);
        }
        if self.is_timestamp() {
            self.stamp(ctx, id);
        }
        let round = self.round(ctx);
        let command = self.acquire_command(id);
        let asked = (0..self.servers.count()).map(|server| self.servers.address(server)).collect();
        let handle = self.handle_mut(id);
        handle.asked = asked;
        handle.stage = Stage::Attempting { round, fence: None };
        for server in 0..self.servers.count() {
            self.ask(ctx, id, server, Purpose::Acquire, command);
        }
        set(ctx, id, Alarm::Round, self.options.request_timeout);
    }

    fn acquire_command(&self, id: HandleId) -> Command {
        let hold = self.handle(id).hold;
        let is_bare = self.options.bug == Bug::AcquireInTwoCommands || self.is_timestamp();
        Command::Acquire {
            lock: hold.lock,
            token: hold.token,
            time_to_live: (!is_bare).then_some(self.options.time_to_live),
            fenced: self.options.fence == FenceSource::Counter,
            returning: self.options.bug == Bug::NilOfGetMisread,
        }
    }

    pub(super) fn on_acquire_answer(&mut self, ctx: &mut Ctx<'_>, id: HandleId, server: usize, answer: &Answer) {
        let handle = self.handle_mut(id);
        let is_uncertain = handle.uncertain[server];
        let Stage::Attempting { fence, .. } = &mut handle.stage else { return };
        let vote = match answer {
            Answer::Ok => Vote::Yes,
            Answer::Integer(raised) => {
                *fence = u64::try_from(*raised).ok();
                Vote::Yes
            }
            // With `GET` it would be a success: there was nothing before.
            Answer::Nil | Answer::Bulk(_) => Vote::No,
            Answer::Error(_) => Vote::Failed,
        };
        let lock = self.handle(id).hold.lock;
        if vote == Vote::No && self.is_timestamp() {
            return self.ask(ctx, id, server, Purpose::OwnerBeforeTakeover, Command::Owner { lock });
        }
        if vote == Vote::No && is_uncertain && self.options.bug != Bug::OwnTokenIsForeign {
            let target = match self.options.bug {
                Bug::OwnerReadAtReplica => self.servers.replica(),
                _ => self.servers.address(server),
            };
            let request = Request { handle: id, server, purpose: Purpose::OwnerAfterRefusal };
            return self.ask_at(ctx, target, request, Command::Owner { lock });
        }
        self.count(ctx, id, server, vote);
    }

    /// A server has refused, and an earlier attempt may be what it refuses for. That lock is given back once more: its
    /// release was lost, or is still under way.
    pub(super) fn on_owner_after_refusal(&mut self, ctx: &mut Ctx<'_>, id: HandleId, server: usize, answer: &Answer) {
        let Handle { hold, former, .. } = self.handle(id);
        let lock = hold.lock;
        if let Some(token) = former.iter().copied().find(|token| is_owner(answer, *token)) {
            if self.options.bug == Bug::OwnerReadAtReplica {
                self.handle_mut(id).hold.token = token;
                return self.count(ctx, id, server, Vote::Yes);
            }
            let target = self.handle(id).asked[server];
            self.tell(ctx, target, Command::Release { lock, token });
        }
        self.count(ctx, id, server, Vote::No);
    }

    /// A server has said what it says.
    pub(super) fn count(&mut self, ctx: &mut Ctx<'_>, id: HandleId, server: usize, vote: Vote) {
        let majority = self.majority();
        let Stage::Attempting { round, fence } = &mut self.handle_mut(id).stage else { return };
        round.vote(server, vote);
        if round.is_won(majority) {
            let (round, fence) = (round.clone(), *fence);
            self.on_majority(ctx, id, &round, fence);
        } else if round.is_lost(majority) {
            self.fail_attempt(ctx, id);
        }
    }

    /// Enough servers have granted: is there anything left of the time to live?
    fn on_majority(&mut self, ctx: &mut Ctx<'_>, id: HandleId, round: &Round, fence: Option<u64>) {
        let mut counted = round.clone();
        if self.options.bug == Bug::ValidityFromFirstAttempt {
            counted.started = self.handle(id).began;
        }
        let until = self.valid_until(ctx, &counted);
        if self.is_over(ctx, until) {
            return self.fail_too_late(ctx, id);
        }
        self.forget(id, |purpose| {
            use Purpose::{Acquire, OwnerAfterRefusal, OwnerBeforeTakeover, Takeover};
            matches!(purpose, Acquire | OwnerAfterRefusal | OwnerBeforeTakeover | Takeover)
        });
        self.handle_mut(id).stage = Stage::Settling { until, fence };
        if self.options.bug == Bug::AcquireInTwoCommands {
            let gap = self.gap(ctx);
            self.handle_mut(id).next = Some(Next::Expire);
            return set(ctx, id, Alarm::Step, gap);
        }
        self.confirm(ctx, id);
    }

    /// Until when a lock that was asked for in this round is the client's own, by its monotonic clock.
    pub(super) fn valid_until(&self, ctx: &Ctx<'_>, round: &Round) -> Option<Instant> {
        let (life, margin) = (self.options.time_to_live, self.options.drift_margin());
        if self.options.validity == Validity::UntilRelease {
            return None;
        }
        let honest = round.started.saturating_add(life.saturating_sub(margin));
        match self.options.bug {
            Bug::DriftAdded => Some(round.started.saturating_add(life.saturating_add(margin))),
            Bug::ValidityFromAnswer => Some(ctx.now().saturating_add(life.saturating_sub(margin))),
            Bug::ValidityByWallClock => {
                let elapsed = ctx.wall().since(round.started_wall);
                Some(ctx.now().saturating_add(life.saturating_sub(margin).saturating_sub(elapsed)))
            }
            _ => Some(honest),
        }
    }

    /// Whether a validity is over; one bug does not look.
    fn is_over(&self, ctx: &Ctx<'_>, until: Option<Instant>) -> bool {
        until.is_some_and(|until| until <= ctx.now()) && self.options.bug != Bug::NoValidityCheck
    }

    /// The lock was granted, and nothing is left of its time.
    fn fail_too_late(&mut self, ctx: &mut Ctx<'_>, id: HandleId) {
        observe(ctx, LockObservation::TooLate(self.handle(id).hold));
        self.fail_attempt(ctx, id);
    }

    /// The second of two commands: from here on the lock ends by itself.
    pub(super) fn set_time_to_live(&mut self, ctx: &mut Ctx<'_>, id: HandleId) {
        let command = Command::Expire { lock: self.handle(id).hold.lock, time_to_live: self.options.time_to_live };
        (0..self.servers.count()).for_each(|server| self.tell(ctx, self.servers.address(server), command));
        self.confirm(ctx, id);
    }

    /// Waits for replicas, if it should.
    fn confirm(&mut self, ctx: &mut Ctx<'_>, id: HandleId) {
        if self.options.wait_replicas == 0 {
            return self.claim(ctx, id);
        }
        let command = Command::Wait { replicas: self.options.wait_replicas, timeout: self.options.request_timeout };
        set(ctx, id, Alarm::Round, self.options.request_timeout.saturating_mul(2));
        self.ask(ctx, id, 0, Purpose::Confirm, command);
    }

    pub(super) fn on_confirmed(&mut self, ctx: &mut Ctx<'_>, id: HandleId, answer: &Answer) {
        let wanted = i64::try_from(self.options.wait_replicas).unwrap_or(i64::MAX);
        match answer {
            Answer::Integer(count) if *count >= wanted => self.claim(ctx, id),
            _ => self.fail_attempt(ctx, id),
        }
    }

    /// Asks the resource for a ticket, if it should.
    fn claim(&mut self, ctx: &mut Ctx<'_>, id: HandleId) {
        let resource = self.servers.resource().filter(|_| self.options.fence == FenceSource::Ticket);
        let Some(resource) = resource else { return self.gain(ctx, id) };
        let hold = self.handle(id).hold;
        let request = self.number(ctx, Request { handle: id, server: 0, purpose: Purpose::Claim });
        set(ctx, id, Alarm::Round, self.options.request_timeout);
        ctx.send(resource, Wire::Claim { request, lock: hold.lock, token: hold.token });
    }

    pub(super) fn on_ticket(&mut self, ctx: &mut Ctx<'_>, id: HandleId, ticket: u64) {
        let Stage::Settling { fence, .. } = &mut self.handle_mut(id).stage else { return };
        *fence = Some(ticket);
        self.gain(ctx, id);
    }

    /// The client has the lock, as far as it can know. It may have waited for replicas or for a ticket since the grant:
    /// that proves nothing if the lock was lost meanwhile.
    fn gain(&mut self, ctx: &mut Ctx<'_>, id: HandleId) {
        let now = ctx.now();
        let handle = self.handle(id);
        let Stage::Settling { until, fence } = handle.stage else { unreachable!("what is gained was settled before") };
        if self.is_over(ctx, until) {
            return self.fail_too_late(ctx, id);
        }
        let handle = self.handle_mut(id);
        handle.stage = Stage::Held(Held { until, fence, extension: None, is_lost: false });
        let hold = handle.hold;
        cancel(ctx, id, Alarm::Round);
        let validity = until.map(|until| until.since(now));
        observe(ctx, LockObservation::Gained { hold, fence, validity });
        if let Some(validity) = validity {
            set(ctx, id, Alarm::Validity, validity);
        }
        if self.options.has_watchdog() {
            set(ctx, id, Alarm::Extend, self.options.extend_every);
        }
        self.end(id, End::Answered(Response::Acquired { fence }));
    }

    /// No majority, or too late: what was granted is given back, and after a while the next attempt begins.
    pub(super) fn fail_attempt(&mut self, ctx: &mut Ctx<'_>, id: HandleId) {
        cancel(ctx, id, Alarm::Round);
        self.forget(id, |_| true);
        let majority = self.majority();
        self.handle_mut(id).was_refused = self.attempted(id).is_some_and(|round| round.is_denied(majority));
        self.give_back_what_was_granted(ctx, id);
        self.handle_mut(id).stage = Stage::Waiting;
        let delay = ctx.rng().duration(self.options.retry_min, self.options.retry_max);
        set(ctx, id, Alarm::Retry, delay);
    }

    /// Every server that has not refused may have granted: one that said nothing, too (redis-doc, Redlock, step 5).
    fn give_back_what_was_granted(&mut self, ctx: &mut Ctx<'_>, id: HandleId) {
        let (hold, round) = (self.handle(id).hold, self.attempted(id));
        let is_out = |server: usize, vote: Vote| round.as_ref().is_none_or(|round| round.of(server) == vote);
        let count = self.servers.count();
        let silent: Vec<bool> =
            (0..count).map(|server| is_out(server, Vote::Pending) || is_out(server, Vote::Failed)).collect();
        self.note_uncertain(id, &silent, round.as_ref());
        let mut may_remain = false;
        for (server, is_silent) in silent.iter().enumerate() {
            let asks = is_out(server, Vote::Yes) || (*is_silent && self.options.bug != Bug::ReleaseAcknowledgedOnly);
            if asks && self.options.bug != Bug::OwnTokenIsForeign {
                let target = self.handle(id).asked[server];
                self.tell(ctx, target, Command::Release { lock: hold.lock, token: hold.token });
            }
            may_remain |= is_out(server, Vote::Yes) || *is_silent;
        }
        if may_remain && self.options.bug != Bug::OwnTokenIsForeign {
            self.renew_token(ctx, id);
        }
    }

    /// The next attempt has a token of its own: a release of this one that is late must not end what the next one gets.
    fn renew_token(&mut self, ctx: &mut Ctx<'_>, id: HandleId) {
        let lock = self.handle(id).hold.lock;
        let hold = new_hold(ctx, lock);
        let handle = self.handle_mut(id);
        let failed = handle.hold.token;
        handle.former.push(failed);
        handle.hold = hold;
        observe(ctx, LockObservation::Wanted { hold, instead_of: Some(failed) });
    }

    /// The round of the attempt that has just failed; `None` if it had been decided.
    fn attempted(&self, id: HandleId) -> Option<Round> {
        match &self.handle(id).stage {
            Stage::Attempting { round, .. } => Some(round.clone()),
            _ => None,
        }
    }

    /// What is given back may stay where it is: the release can be lost.
    fn note_uncertain(&mut self, id: HandleId, silent: &[bool], round: Option<&Round>) {
        let handle = self.handle_mut(id);
        for (server, uncertain) in handle.uncertain.iter_mut().enumerate() {
            *uncertain |= silent[server] || round.is_some_and(|round| round.of(server) == Vote::Yes);
        }
    }

    /// The time is over.
    fn give_up(&mut self, ctx: &mut Ctx<'_>, id: HandleId) {
        if self.options.bug == Bug::RefusalIgnored {
            self.handle_mut(id).stage = Stage::Settling { until: None, fence: None };
            return self.gain(ctx, id);
        }
        let Handle { hold, was_refused, .. } = *self.handle(id);
        observe(ctx, LockObservation::GaveUp(hold));
        self.end(id, End::Answered(if was_refused { Response::Busy } else { Response::Unavailable }));
        self.drop_handle(ctx, id);
    }
}

/// Whether the answer to `GET` is this token.
pub(super) fn is_owner(answer: &Answer, token: Token) -> bool {
    matches!(answer, Answer::Bulk(text) if Token::of_text(text) == Some(token))
}
