//! Extending a lock while it is held: the watchdog.

use splitbrain_kernel::time::Instant;

use crate::lock::bug::Bug;
use crate::lock::message::{Answer, Command};
use crate::lock::observation::LockObservation;

use super::{Alarm, Client, Ctx, HandleId, Held, Purpose, Round, Stage, Vote, cancel, observe, set};

impl Client {
    /// The lock that a handle holds, or had.
    fn held(&mut self, id: HandleId) -> Option<&mut Held> {
        match &mut self.handle_mut(id).stage {
            Stage::Held(held) => Some(held),
            _ => None,
        }
    }

    /// It is time to extend.
    pub(super) fn on_extend_due(&mut self, ctx: &mut Ctx<'_>, id: HandleId) {
        let is_ghost = self.options.bug == Bug::WatchdogOutlivesUser;
        let round = self.round(ctx);
        match self.held(id) {
            Some(held) if held.is_lost => return,
            // The moment is noted before the request leaves: the new validity counts from here.
            Some(held) => held.extension = Some(round),
            None if is_ghost => {}
            None => return,
        }
        let gap = self.gap(ctx);
        set(ctx, id, Alarm::SendExtension, gap);
    }

    pub(super) fn send_extension(&mut self, ctx: &mut Ctx<'_>, id: HandleId) {
        let is_ghost = self.options.bug == Bug::WatchdogOutlivesUser;
        if self.held(id).is_none() && !is_ghost {
            return;
        }
        let command = self.extend_command(id);
        (0..self.servers.count()).for_each(|server| self.ask(ctx, id, server, Purpose::Extend, command));
        set(ctx, id, Alarm::ExtensionRound, self.options.request_timeout);
    }

    fn extend_command(&self, id: HandleId) -> Command {
        let (hold, time_to_live) = (self.handle(id).hold, self.options.time_to_live);
        let (lock, token) = (hold.lock, hold.token);
        match self.options.bug {
            Bug::ExtendSets => Command::Overwrite { lock, token, time_to_live },
            Bug::ExtendWithoutOwner => Command::Expire { lock, time_to_live },
            _ => Command::Extend { lock, token, time_to_live, rejoin: self.options.rejoin },
        }
    }

    pub(super) fn on_extension_answer(&mut self, ctx: &mut Ctx<'_>, id: HandleId, server: usize, answer: &Answer) {
        let majority = self.majority();
        let Some(held) = self.held(id) else { return };
        let Some(round) = &mut held.extension else { return };
        round.vote(server, extension_vote(answer));
        if round.is_won(majority) {
            self.on_extended(ctx, id);
        } else if round.is_lost(majority) {
            self.on_extension_over(ctx, id);
        }
    }

    /// A majority has extended.
    fn on_extended(&mut self, ctx: &mut Ctx<'_>, id: HandleId) {
        let round = self.end_extension(ctx, id).expect("a round was won");
        let until = self.valid_until(ctx, &round);
        self.extend_to(ctx, id, until);
        set(ctx, id, Alarm::Extend, self.options.extend_every);
    }

    /// The validity reaches further. A lock that had lapsed before stays so.
    fn extend_to(&mut self, ctx: &mut Ctx<'_>, id: HandleId, until: Option<Instant>) {
        // A client that was paused takes its inputs in the order in which they came: its own timer may come later.
        self.on_validity_over(ctx, id);
        let (hold, now) = (self.handle(id).hold, ctx.now());
        let Some(held) = self.held(id).filter(|held| !held.is_lost) else { return };
        held.until = until;
        let validity = until.map(|until| until.since(now));
        observe(ctx, LockObservation::Extended { hold, validity });
        if let Some(validity) = validity {
            set(ctx, id, Alarm::Validity, validity);
        }
    }

    /// The extension under way is over, one way or the other.
    fn end_extension(&mut self, ctx: &mut Ctx<'_>, id: HandleId) -> Option<Round> {
        cancel(ctx, id, Alarm::ExtensionRound);
        self.forget(id, |purpose| purpose == Purpose::Extend);
        self.held(id)?.extension.take()
    }

    /// There was no majority, or not in time.
    pub(super) fn on_extension_over(&mut self, ctx: &mut Ctx<'_>, id: HandleId) {
        if self.options.bug == Bug::WatchdogOutlivesUser && self.held(id).is_none() {
            return set(ctx, id, Alarm::Extend, self.options.extend_every);
        }
        let majority = self.majority();
        let Some(round) = self.end_extension(ctx, id) else { return };
        let hold = self.handle(id).hold;
        observe(ctx, LockObservation::ExtensionFailed(hold));
        if round.count(Vote::Failed) + round.count(Vote::Pending) > 0 {
            self.doubt_master(ctx);
        }
        if round.is_denied(majority) && self.options.bug != Bug::LossNotTold {
            return self.notice_loss(ctx, id);
        }
        if self.options.bug == Bug::FailedExtensionCounts {
            let until = self.valid_until(ctx, &round);
            self.extend_to(ctx, id, until);
        }
        if self.options.bug != Bug::WatchdogStopsAfterError {
            let delay = ctx.rng().duration(self.options.retry_min, self.options.retry_max);
            set(ctx, id, Alarm::Extend, delay.min(self.options.extend_every));
        }
    }

    /// Servers have said that the lock is not this client's any more.
    pub(super) fn notice_loss(&mut self, ctx: &mut Ctx<'_>, id: HandleId) {
        let hold = self.handle(id).hold;
        let Some(held) = self.held(id).filter(|held| !held.is_lost) else { return };
        held.is_lost = true;
        observe(ctx, LockObservation::LossNoticed(hold));
        cancel(ctx, id, Alarm::Extend);
        cancel(ctx, id, Alarm::Validity);
    }

    /// The validity is over by the client's own clock.
    pub(super) fn on_validity_over(&mut self, ctx: &mut Ctx<'_>, id: HandleId) {
        let (hold, now) = (self.handle(id).hold, ctx.now());
        let Some(held) = self.held(id).filter(|held| !held.is_lost) else { return };
        if held.until.is_some_and(|until| until <= now) {
            held.is_lost = true;
            observe(ctx, LockObservation::Lapsed(hold));
            cancel(ctx, id, Alarm::Extend);
        }
    }
}

/// What a server says to an extension.
fn extension_vote(answer: &Answer) -> Vote {
    match answer {
        Answer::Ok | Answer::Integer(1) => Vote::Yes,
        Answer::Integer(_) | Answer::Nil | Answer::Bulk(_) => Vote::No,
        Answer::Error(_) => Vote::Failed,
    }
}
