//! Known bugs: a lock whose value is the moment at which it ends, on the wall clock of the client that set it. Whoever
//! finds the moment past takes the lock over (redis-doc, "SETNX", "Design pattern: Locking with SETNX"; redis-py before
//! its pull request #384).
//!
//! The token of the lock is the moment in nanoseconds, so that invariants can tell whose lock it is.

use splitbrain_kernel::time::Duration;

use crate::lock::bug::Bug;
use crate::lock::ids::Token;
use crate::lock::message::{Answer, Command};
use crate::lock::observation::{Hold, LockObservation};

use super::{Client, Ctx, HandleId, Purpose, Stage, Vote, observe};

/// What is added to the time to live: the pattern counts in whole seconds.
const ROUNDING: Duration = Duration::from_secs(1);

impl Client {
    pub(super) fn is_timestamp(&self) -> bool {
        matches!(self.options.bug, Bug::LockIsTimestamp | Bug::ReleaseIfNotOlder)
    }

    /// The next attempt asks under the moment at which its lock would end.
    pub(super) fn stamp(&mut self, ctx: &mut Ctx<'_>, id: HandleId) {
        let life = self.options.time_to_live.saturating_add(ROUNDING);
        let token = Token(ctx.wall().saturating_add(life).as_nanos());
        let handle = self.handle_mut(id);
        let failed = handle.hold.token;
        handle.hold = Hold { token, ..handle.hold };
        observe(ctx, LockObservation::Wanted { hold: handle.hold, instead_of: Some(failed) });
    }

    /// The lock is another's: until when?
    pub(super) fn on_owner_before_takeover(&mut self, ctx: &mut Ctx<'_>, id: HandleId, server: usize, answer: &Answer) {
        if !is_past(ctx, answer) || !matches!(self.handle(id).stage, Stage::Attempting { .. }) {
            return self.count(ctx, id, server, Vote::No);
        }
        let Hold { lock, token } = self.handle(id).hold;
        self.ask(ctx, id, server, Purpose::Takeover, Command::Takeover { lock, token });
    }

    /// It is taken over, unless another client was faster: then its moment is overwritten all the same.
    pub(super) fn on_taken_over(&mut self, ctx: &mut Ctx<'_>, id: HandleId, server: usize, answer: &Answer) {
        let vote = if is_past(ctx, answer) || *answer == Answer::Nil { Vote::Yes } else { Vote::No };
        self.count(ctx, id, server, vote);
    }
}

/// Whether a lock is there whose moment is past.
fn is_past(ctx: &Ctx<'_>, answer: &Answer) -> bool {
    let moment = if let Answer::Bulk(text) = answer { Token::of_text(text) } else { None };
    moment.is_some_and(|moment| moment.0 < ctx.wall().as_nanos())
}
