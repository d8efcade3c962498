//! The cleanup after a session that is over: its presence is removed under the lock of the user, if it is still its
//! own, and then the process forgets it.

use splitbrain_kernel::context::Context;

use crate::chat::bug::Bug;
use crate::chat::ids::{SessionId, Uid};
use crate::chat::library::Asked;
use crate::chat::node::ChatNode;
use crate::chat::observation::{ChatObservation, Cleanup, Mutex};
use crate::chat::store::{self, Half};
use crate::lock::client::HandleId;
use crate::lock::ids::Token;
use crate::lock::redis::Reply;

use super::ChatServer;
use super::work::{Event, Flow, Me};

/// A cleanup.
#[derive(Clone, Debug)]
pub(super) struct Cleaning {
    session: SessionId,
    uid: Uid,
    stage: Stage,
    lock: Option<(HandleId, Token)>,
    how: Cleanup,
}

/// What a cleanup waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// A thread.
    Begin,
    /// Known bug: the session of the user, before it has the lock.
    Early,
    /// The lock of the user.
    Lock,
    /// Known bug: the session of the user, to be compared.
    Compare,
    /// Known bug: that the first key of the presence is removed.
    RemoveFirst,
    /// That the presence is removed.
    Remove,
    /// Known bug: the count as it is.
    Count,
    /// Known bug: that the count is written.
    Counted,
    /// The first mutex, to forget the session.
    FirstMutex,
    /// The moment between the two.
    Between,
    /// The second one.
    SecondMutex,
}

impl Cleaning {
    pub(super) const fn new(session: SessionId, uid: Uid) -> Self {
        Self { session, uid, stage: Stage::Begin, lock: None, how: Cleanup::Unknown }
    }
}

impl ChatServer {
    /// The next step of a cleanup.
    pub(super) fn clean_up(
        &mut self,
        ctx: &mut Context<ChatNode>,
        me: Me,
        cleaning: &mut Cleaning,
        event: Event,
    ) -> Flow {
        match (cleaning.stage, event) {
            (Stage::Begin, Event::Go) => {
                let Cleaning { session, uid, .. } = *cleaning;
                ctx.observe(ChatObservation::CleanupBegun { session, uid });
                if self.options.bug == Bug::OldReacquires {
                    cleaning.stage = Stage::Early;
                    return self.ask(ctx, me, store::session(uid));
                }
                cleaning.stage = Stage::Lock;
                self.ask_lock(ctx, me, uid)
            }
            (Stage::Lock, Event::Lock(handle, Asked::Had)) => {
                cleaning.lock = self.library.token(handle).map(|token| (handle, token));
                self.remove(ctx, me, cleaning)
            }
            (Stage::Lock, Event::Lock(_, Asked::Busy)) => self.forget(ctx, me, cleaning, Cleanup::WithoutLock),
            (Stage::Lock, Event::Lock(_, Asked::Unanswered)) => self.forget(ctx, me, cleaning, Cleanup::Unknown),
            (_, Event::Reply(None)) => self.forget(ctx, me, cleaning, Cleanup::Unknown),
            (stage, Event::Reply(Some(reply))) => self.on_cleanup_reply(ctx, me, cleaning, stage, &reply),
            (Stage::FirstMutex, Event::Mutex) => {
                cleaning.stage = Stage::Between;
                let gap = self.gap(ctx);
                self.sleep(ctx, me, gap)
            }
            (Stage::Between, Event::Slept) => {
                cleaning.stage = Stage::SecondMutex;
                let [_, second] = self.order(cleaning.session);
                self.take_mutex(ctx, me, second)
            }
            (Stage::SecondMutex, Event::Mutex) => self.erase(ctx, me, cleaning),
            (stage, event) => unreachable!("a cleanup at {stage:?} does not wait for {event:?}"),
        }
    }

    /// It has the lock.
    fn remove(&mut self, ctx: &mut Context<ChatNode>, me: Me, cleaning: &mut Cleaning) -> Flow {
        let Cleaning { session, uid, lock, .. } = *cleaning;
        let Some((_, lock)) = lock else { return self.forget(ctx, me, cleaning, Cleanup::WithoutLock) };
        cleaning.stage = Stage::Remove;
        let words = match self.options.bug {
            Bug::OldReacquires | Bug::NoCompareSession => store::remove_any_presence(uid, lock),
            Bug::PresenceInTwoSteps => {
                cleaning.stage = Stage::Compare;
                store::session(uid)
            }
            _ => store::remove_presence(uid, lock, session),
        };
        self.ask(ctx, me, words)
    }

    fn on_cleanup_reply(
        &mut self,
        ctx: &mut Context<ChatNode>,
        me: Me,
        cleaning: &mut Cleaning,
        stage: Stage,
        reply: &Reply,
    ) -> Flow {
        let is_own = store::bytes(reply).and_then(SessionId::of_text) == Some(cleaning.session);
        match stage {
            Stage::Early | Stage::Compare if !is_own => self.forget(ctx, me, cleaning, Cleanup::NotOwn),
            Stage::Early => {
                cleaning.stage = Stage::Lock;
                self.ask_lock(ctx, me, cleaning.uid)
            }
            Stage::Compare => {
                cleaning.stage = Stage::RemoveFirst;
                self.ask(ctx, me, store::remove_half(cleaning.uid, Half::Session))
            }
            Stage::RemoveFirst => {
                cleaning.stage = Stage::Remove;
                self.ask(ctx, me, store::remove_half(cleaning.uid, Half::Server))
            }
            Stage::Remove => {
                let how = match reply {
                    Reply::Integer(1) => Cleanup::Removed,
                    Reply::Integer(0) => Cleanup::NotOwn,
                    Reply::Integer(_) => Cleanup::WithoutLock,
                    _ => Cleanup::Unknown,
                };
                self.forget(ctx, me, cleaning, how)
            }
            Stage::Count => {
                cleaning.stage = Stage::Counted;
                let words = store::set_count(self.id, store::number(reply).saturating_sub(1));
                self.ask(ctx, me, words)
            }
            Stage::Counted => self.begin_to_forget(ctx, me, cleaning),
            _ => unreachable!("a cleanup at {stage:?} asks the redis for nothing"),
        }
    }

    /// What the redis has is as it should be, as far as that can be done.
    fn forget(&mut self, ctx: &mut Context<ChatNode>, me: Me, cleaning: &mut Cleaning, how: Cleanup) -> Flow {
        cleaning.how = how;
        let was_in = self.sessions.get(&cleaning.session).is_some_and(|session| session.uid().is_some());
        let is_counted = self.options.bug == Bug::ReadModifyWriteCount && was_in && how != Cleanup::Unknown;
        if is_counted && !matches!(cleaning.stage, Stage::Count | Stage::Counted) {
            cleaning.stage = Stage::Count;
            let words = store::count(self.id);
            return self.ask(ctx, me, words);
        }
        self.begin_to_forget(ctx, me, cleaning)
    }

    fn begin_to_forget(&mut self, ctx: &mut Context<ChatNode>, me: Me, cleaning: &mut Cleaning) -> Flow {
        cleaning.stage = Stage::FirstMutex;
        let [first, _] = self.order(cleaning.session);
        self.take_mutex(ctx, me, first)
    }

    /// In which order the mutexes are taken: that of a kick.
    fn order(&self, session: SessionId) -> [Mutex; 2] {
        match self.options.bug {
            Bug::LockOrder => [Mutex::Session(session), Mutex::Users],
            _ => [Mutex::Users, Mutex::Session(session)],
        }
    }

    fn erase(&mut self, ctx: &mut Context<ChatNode>, me: Me, cleaning: &mut Cleaning) -> Flow {
        let Cleaning { session, uid, how, .. } = *cleaning;
        let is_own = self.users.get(&uid) == Some(&session);
        if is_own || self.options.bug == Bug::CleanInRaii {
            self.users.remove(&uid);
        }
        if self.options.bug == Bug::DestroyedWhileLocked {
            self.destroy(ctx, session);
            self.free_mutex(ctx, me, Mutex::Session(session));
        } else {
            self.free_mutex(ctx, me, Mutex::Session(session));
            self.destroy(ctx, session);
        }
        self.free_mutex(ctx, me, Mutex::Users);
        let lock = cleaning.lock.take().map(|(handle, _)| handle);
        self.give_back(ctx, me, lock, (session, uid));
        ctx.observe(ChatObservation::CleanedUp { session, how });
        Flow::Done
    }
}
