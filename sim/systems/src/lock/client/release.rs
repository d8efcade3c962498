//! Giving a lock back.

use crate::lock::bug::Bug;
use crate::lock::ids::Token;
use crate::lock::message::{Answer, Command, Response};
use crate::lock::observation::LockObservation;

use super::acquire::is_owner;
use super::{Alarm, Client, Ctx, End, HandleId, Next, Purpose, Round, Stage, Vote, cancel, observe, set};

impl Client {
    /// Gives a lock back. It ends as released or lost, or is unknown.
    pub fn release(&mut self, ctx: &mut Ctx<'_>, id: HandleId) {
        if self.handles.contains_key(&id) {
            self.on_validity_over(ctx, id);
        }
        let round = self.round(ctx);
        let Some(handle) = self.handles.get_mut(&id) else { return self.end(id, End::Answered(Response::Lost)) };
        let Stage::Held(held) = &handle.stage else { return self.end(id, End::Answered(Response::Lost)) };
        let (was_lost, hold) = (held.is_lost, handle.hold);
        handle.stage = Stage::Releasing { round, was_lost };
        if ctx.rng().chance(self.options.abandon) {
            return self.abandon(ctx, id, was_lost);
        }
        if !was_lost {
            observe(ctx, LockObservation::GivenBack(hold));
        }
        self.stop_watchdog(ctx, id);
        self.ask_release(ctx, id);
        set(ctx, id, Alarm::Round, self.options.request_timeout);
    }

    /// The user goes without giving the lock back.
    fn abandon(&mut self, ctx: &mut Ctx<'_>, id: HandleId, was_lost: bool) {
        if !was_lost {
            observe(ctx, LockObservation::Abandoned(self.handle(id).hold));
        }
        self.stop_watchdog(ctx, id);
        self.end(id, End::Unknown);
        if self.options.bug != Bug::WatchdogOutlivesUser {
            self.drop_handle(ctx, id);
        }
    }

    fn stop_watchdog(&mut self, ctx: &mut Ctx<'_>, id: HandleId) {
        cancel(ctx, id, Alarm::Validity);
        if self.options.bug == Bug::WatchdogOutlivesUser {
            return;
        }
        [Alarm::Extend, Alarm::SendExtension, Alarm::ExtensionRound]
            .into_iter()
            .for_each(|alarm| cancel(ctx, id, alarm));
        self.forget(id, |purpose| purpose == Purpose::Extend);
    }

    fn ask_release(&mut self, ctx: &mut Ctx<'_>, id: HandleId) {
        let hold = self.handle(id).hold;
        let (purpose, command) = match self.options.bug {
            Bug::ReleaseReadsThenDeletes | Bug::ReleaseIfNotOlder => {
                (Purpose::OwnerBeforeDelete, Command::Owner { lock: hold.lock })
            }
            Bug::ReleaseDeletesBlindly => (Purpose::Release, Command::Delete { lock: hold.lock }),
            _ => (Purpose::Release, Command::Release { lock: hold.lock, token: hold.token }),
        };
        (0..self.servers.count()).for_each(|server| self.ask(ctx, id, server, purpose, command));
    }

    /// Known bugs: the client compares, and some time later it deletes.
    pub(super) fn on_owner_before_delete(&mut self, ctx: &mut Ctx<'_>, id: HandleId, server: usize, answer: &Answer) {
        let own = self.handle(id).hold.token;
        let is_own = match (self.options.bug, answer) {
            (Bug::ReleaseIfNotOlder, Answer::Bulk(text)) => Token::of_text(text).is_some_and(|token| token >= own),
            _ => is_owner(answer, own),
        };
        if !is_own {
            return self.count_release(ctx, id, server, Vote::No);
        }
        let gap = self.gap(ctx);
        self.handle_mut(id).next = Some(Next::Delete);
        set(ctx, id, Alarm::Step, gap);
    }

    pub(super) fn delete(&mut self, ctx: &mut Ctx<'_>, id: HandleId) {
        let command = Command::Delete { lock: self.handle(id).hold.lock };
        (0..self.servers.count()).for_each(|server| self.ask(ctx, id, server, Purpose::Release, command));
    }

    pub(super) fn on_release_answer(&mut self, ctx: &mut Ctx<'_>, id: HandleId, server: usize, answer: &Answer) {
        let vote = match answer {
            Answer::Integer(1) => Vote::Yes,
            Answer::Integer(_) | Answer::Nil | Answer::Ok | Answer::Bulk(_) => Vote::No,
            Answer::Error(_) => Vote::Failed,
        };
        self.count_release(ctx, id, server, vote);
    }

    fn count_release(&mut self, ctx: &mut Ctx<'_>, id: HandleId, server: usize, vote: Vote) {
        let Stage::Releasing { round, .. } = &mut self.handle_mut(id).stage else { return };
        round.vote(server, vote);
        if round.is_complete() {
            self.end_release(ctx, id);
        }
    }

    /// Each server has answered, or has had its time.
    pub(super) fn end_release(&mut self, ctx: &mut Ctx<'_>, id: HandleId) {
        if self.handle(id).next.is_some() {
            // The thread that releases is held up in its next step.
            return set(ctx, id, Alarm::Round, self.options.request_timeout);
        }
        let majority = self.servers.majority();
        let Stage::Releasing { round, was_lost } = &self.handle(id).stage else { return };
        let end = release_end(round, *was_lost, majority);
        self.end(id, end);
        if self.options.bug == Bug::WatchdogOutlivesUser {
            return cancel(ctx, id, Alarm::Round);
        }
        self.drop_handle(ctx, id);
    }
}

/// What a release came to.
fn release_end(round: &Round, was_lost: bool, majority: usize) -> End {
    if round.is_won(majority) && !was_lost {
        End::Answered(Response::Released)
    } else if was_lost || round.is_denied(majority) {
        End::Answered(Response::Lost)
    } else {
        End::Unknown
    }
}

#[cfg(test)]
mod tests {
    use splitbrain_kernel::time::Instant;

    use super::*;

    #[test]
    fn a_release_is_known_only_by_a_majority() {
        let mut round = Round::new(Instant::ZERO, Instant::ZERO, 3);
        round.vote(0, Vote::Yes);
        assert_eq!(release_end(&round, false, 2), End::Unknown);
        round.vote(1, Vote::Yes);
        assert_eq!(release_end(&round, false, 2), End::Answered(Response::Released));
        assert_eq!(release_end(&round, true, 2), End::Answered(Response::Lost));
        let mut denied = Round::new(Instant::ZERO, Instant::ZERO, 1);
        denied.vote(0, Vote::No);
        assert_eq!(release_end(&denied, false, 1), End::Answered(Response::Lost));
    }
}
