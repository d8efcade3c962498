//! The login, step by step. At each wait another process may come between.
//!
//! ```text
//!   lock ─▶ token ─▶ row of the user ─▶ requests ─▶ friends ─▶ presence ─┬─▶ none ─────────────────┐
//!                                                                        ├─▶ kick on this server ──┤
//!                                                                        └─▶ kick across servers ──┤
//!                                    answer, then give the lock back ◀─ bind ◀─ write the presence ◀─┘
//! ```

use splitbrain_kernel::context::Context;
use splitbrain_kernel::time::{Duration, Instant};

use crate::chat::bug::Bug;
use crate::chat::ids::{Item, LoginToken, SessionId, Uid};
use crate::chat::library::Asked;
use crate::chat::message::{ChatMessage, Refusal};
use crate::chat::node::{ChatNode, ChatTimer};
use crate::chat::observation::{ChatObservation, EndReason, Mutex, Presence, Query};
use crate::chat::store::{self, Half};
use crate::lock::client::HandleId;
use crate::lock::ids::Token;
use crate::lock::message::request_of;
use crate::lock::redis::Reply;

use super::ChatServer;
use super::work::{Event, Flow, Me};

/// A login.
#[derive(Clone, Debug)]
pub(super) struct Login {
    session: SessionId,
    uid: Uid,
    token: LoginToken,
    stage: Stage,
    /// The lock, once it has it, and the token of it.
    lock: Option<(HandleId, Token)>,
    /// When the presence was written.
    sent: Instant,
    /// What the client is answered, once that is known.
    result: Option<Result<Vec<Item>, Refusal>>,
}

/// What a login waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// A thread.
    Begin,
    /// The lock of the user.
    Lock,
    /// The token that the status server has given.
    Token,
    /// The row of the user, as the redis has it.
    Info,
    /// The row of the user, as the database has it.
    Row,
    /// That the redis keeps the row.
    Kept,
    /// The requests for friendship.
    Applies,
    /// The friends.
    Friends,
    /// The presence.
    Presence,
    /// Known bug: the lock, which this thread has.
    LockAgain(SessionId),
    /// The mutex of the users, for a kick.
    KickUsers(SessionId),
    /// The mutex of the old session.
    KickSession(SessionId),
    /// The moment before the kick.
    KickNow(SessionId),
    /// The answer of another chat server.
    KickAcross,
    /// Known bug: the count as it is.
    Count,
    /// Known bug: that the count is written.
    Counted,
    /// That the presence is written.
    Write,
    /// Known bug: that the second key of it is written.
    WriteSecond,
    /// The mutex of the users, to be put among them.
    Bind,
    /// The moment between the answer and giving the lock back.
    Leave,
}

impl Login {
    pub(super) const fn new(session: SessionId, uid: Uid, token: LoginToken) -> Self {
        Self { session, uid, token, stage: Stage::Begin, lock: None, sent: Instant::ZERO, result: None }
    }
}

impl ChatServer {
    /// The next step of a login.
    pub(super) fn log_in(&mut self, ctx: &mut Context<ChatNode>, me: Me, login: &mut Login, event: Event) -> Flow {
        match (login.stage, event) {
            (Stage::Begin, Event::Go) => {
                ctx.observe(ChatObservation::LoginBegun { session: login.session, uid: login.uid });
                login.stage = Stage::Lock;
                self.ask_lock(ctx, me, login.uid)
            }
            (Stage::Lock, Event::Lock(handle, asked)) => self.on_login_lock(ctx, me, login, handle, asked),
            (Stage::Kept, Event::Reply(_)) => self.query(ctx, me, login, Query::Requests),
            (_, Event::Reply(None)) => self.leave(ctx, me, login, Err(Refusal::Unavailable)),
            (stage, Event::Reply(Some(reply))) => self.on_login_reply(ctx, me, login, stage, &reply),
            (Stage::Row, Event::Slept) => {
                login.stage = Stage::Kept;
                self.ask(ctx, me, store::keep_info(login.uid))
            }
            (Stage::Applies, Event::Slept) => self.query(ctx, me, login, Query::Friends),
            (Stage::Friends, Event::Slept) => {
                login.stage = Stage::Presence;
                let words = match (login.lock, self.options.bug) {
                    (Some((_, lock)), bug) if bug != Bug::WriteAfterExpiry => store::presence_under(login.uid, lock),
                    _ => store::presence(login.uid),
                };
                self.ask(ctx, me, words)
            }
            (Stage::LockAgain(victim), Event::Lock(handle, asked)) => {
                self.give_back(ctx, me, (asked == Asked::Had).then_some(handle), (login.session, login.uid));
                self.begin_kick(ctx, me, login, victim)
            }
            (Stage::KickUsers(victim), Event::Mutex) if self.sessions.contains_key(&victim) => {
                login.stage = Stage::KickSession(victim);
                self.take_mutex(ctx, me, Mutex::Session(victim))
            }
            (Stage::KickUsers(_), Event::Mutex) => {
                self.free_mutex(ctx, me, Mutex::Users);
                self.write(ctx, me, login)
            }
            (Stage::KickSession(victim), Event::Mutex) => {
                login.stage = Stage::KickNow(victim);
                let gap = self.gap(ctx);
                self.sleep(ctx, me, gap)
            }
            (Stage::KickNow(victim), Event::Slept) => {
                self.kick(ctx, login.uid, victim);
                self.free_mutex(ctx, me, Mutex::Session(victim));
                self.free_mutex(ctx, me, Mutex::Users);
                self.write(ctx, me, login)
            }
            (Stage::KickAcross, Event::Kick(is_done)) => match is_done || self.options.bug == Bug::KickFailureIgnored {
                true => self.write(ctx, me, login),
                false => self.leave(ctx, me, login, Err(Refusal::KickFailed)),
            },
            (Stage::Bind, Event::Mutex) => self.bind(ctx, me, login),
            (Stage::Leave, Event::Slept) => self.finish(ctx, me, login),
            (stage, event) => unreachable!("a login at {stage:?} does not wait for {event:?}"),
        }
    }

    fn on_login_lock(
        &mut self,
        ctx: &mut Context<ChatNode>,
        me: Me,
        login: &mut Login,
        handle: HandleId,
        asked: Asked,
    ) -> Flow {
        let had = self.library.token(handle).filter(|_| asked == Asked::Had);
        let refusal = match asked {
            Asked::Had if had.is_none() => Some(Refusal::LockLost),
            Asked::Had => None,
            Asked::Busy => Some(Refusal::UserExists),
            Asked::Unanswered if self.options.bug == Bug::NoReplyIsBusy => Some(Refusal::UserExists),
            Asked::Unanswered => Some(Refusal::Unavailable),
        };
        if let Some(why) = refusal
            && self.options.bug != Bug::LoginWithoutLock
        {
            return self.leave(ctx, me, login, Err(why));
        }
        login.lock = had.map(|token| (handle, token));
        ctx.observe(ChatObservation::Entered { session: login.session, uid: login.uid, lock: had });
        login.stage = Stage::Token;
        self.ask(ctx, me, store::token(login.uid))
    }

    /// The redis has answered.
    fn on_login_reply(
        &mut self,
        ctx: &mut Context<ChatNode>,
        me: Me,
        login: &mut Login,
        stage: Stage,
        reply: &Reply,
    ) -> Flow {
        match stage {
            Stage::Token => match self.judge_token(login, reply) {
                Ok(()) => {
                    login.stage = Stage::Info;
                    self.ask(ctx, me, store::info(login.uid))
                }
                Err(why) => self.leave(ctx, me, login, Err(why)),
            },
            Stage::Info if store::bytes(reply).is_some() => self.query(ctx, me, login, Query::Requests),
            Stage::Info => self.query(ctx, me, login, Query::Row),
            Stage::Presence if *reply == Reply::Integer(-1) => self.leave(ctx, me, login, Err(Refusal::LockLost)),
            Stage::Presence => self.on_presence(ctx, me, login, store::presence_of(reply)),
            Stage::Count => {
                login.stage = Stage::Counted;
                let words = store::set_count(self.id, store::number(reply) + 1);
                self.ask(ctx, me, words)
            }
            Stage::Counted => self.write_presence(ctx, me, login),
            Stage::Write | Stage::WriteSecond => self.on_written(ctx, me, login, stage, reply),
            _ => unreachable!("a login at {stage:?} asks the redis for nothing"),
        }
    }

    fn judge_token(&self, login: &Login, reply: &Reply) -> Result<(), Refusal> {
        let stored = store::bytes(reply).and_then(LoginToken::of_text);
        match (stored, self.options.bug) {
            (Some(_), Bug::TestInverted) => Err(Refusal::UidInvalid),
            (None, Bug::TestInverted) => Ok(()),
            (None, _) => Err(Refusal::UidInvalid),
            (Some(stored), _) if stored != login.token => Err(Refusal::TokenInvalid),
            (Some(_), _) => Ok(()),
        }
    }

    /// A query of the database takes its time.
    fn query(&self, ctx: &mut Context<ChatNode>, me: Me, login: &mut Login, query: Query) -> Flow {
        ctx.observe(ChatObservation::Queried { session: login.session, query });
        login.stage = match query {
            Query::Row => Stage::Row,
            Query::Requests => Stage::Applies,
            Query::Friends => Stage::Friends,
        };
        let mut span = ctx.rng().duration(Duration::ZERO, self.options.database_max);
        if ctx.rng().chance(self.options.database_stall) {
            span = span.saturating_add(ctx.rng().duration(Duration::ZERO, self.options.database_stall_max));
        }
        self.sleep(ctx, me, span)
    }

    /// The user may be logged in already.
    fn on_presence(&mut self, ctx: &mut Context<ChatNode>, me: Me, login: &mut Login, seen: Presence) -> Flow {
        let Some(victim) = seen.session else { return self.write(ctx, me, login) };
        let across = victim.server() != self.id;
        ctx.observe(ChatObservation::KickAsked { victim, uid: login.uid, by: login.session, across });
        if across {
            return self.kick_across(ctx, me, login, victim);
        }
        if self.options.bug == Bug::NonReentrant {
            login.stage = Stage::LockAgain(victim);
            return self.ask_lock(ctx, me, login.uid);
        }
        self.begin_kick(ctx, me, login, victim)
    }

    fn begin_kick(&mut self, ctx: &mut Context<ChatNode>, me: Me, login: &mut Login, victim: SessionId) -> Flow {
        login.stage = Stage::KickUsers(victim);
        self.take_mutex(ctx, me, Mutex::Users)
    }

    fn kick_across(&mut self, ctx: &mut Context<ChatNode>, me: Me, login: &mut Login, victim: SessionId) -> Flow {
        self.next_kick += 1;
        let request = request_of(ctx, self.next_kick);
        self.kicks.insert(request, me.job);
        ctx.send(victim.server(), ChatMessage::Kick { request, uid: login.uid, victim, by: login.session });
        if self.options.bug != Bug::KickWithoutDeadline {
            ctx.set_timer(ChatTimer::Kick(request), self.options.kick_deadline);
        }
        login.stage = Stage::KickAcross;
        Flow::Waits
    }

    /// The old session is over.
    fn write(&mut self, ctx: &mut Context<ChatNode>, me: Me, login: &mut Login) -> Flow {
        match self.options.bug {
            Bug::ReadModifyWriteCount => {
                login.stage = Stage::Count;
                let words = store::count(self.id);
                self.ask(ctx, me, words)
            }
            Bug::CountNeverFalls => {
                login.stage = Stage::Counted;
                let words = store::raise_count(self.id);
                self.ask(ctx, me, words)
            }
            _ => self.write_presence(ctx, me, login),
        }
    }

    fn write_presence(&mut self, ctx: &mut Context<ChatNode>, me: Me, login: &mut Login) -> Flow {
        let Some(session) = self.sessions.get_mut(&login.session) else {
            return self.leave(ctx, me, login, Err(Refusal::SessionEnded));
        };
        if session.is_over() {
            return self.leave(ctx, me, login, Err(Refusal::SessionEnded));
        }
        // From now on the redis may have it, whatever is answered.
        session.claims = Some(login.uid);
        login.sent = ctx.now();
        login.stage = Stage::Write;
        let (uid, session, life) = (login.uid, login.session, self.options.presence_life);
        let words = match (login.lock, self.options.bug) {
            (None, _) | (_, Bug::WriteAfterExpiry) => store::set_presence(uid, session, life),
            (Some((_, lock)), Bug::PresenceInTwoSteps) => store::write_half(uid, lock, session, life, Half::Server),
            (Some((_, lock)), Bug::PresenceWithoutExpiry) => store::write_presence(uid, lock, session, None),
            (Some((_, lock)), _) => store::write_presence(uid, lock, session, Some(life)),
        };
        self.ask(ctx, me, words)
    }

    fn on_written(
        &mut self,
        ctx: &mut Context<ChatNode>,
        me: Me,
        login: &mut Login,
        stage: Stage,
        reply: &Reply,
    ) -> Flow {
        if *reply != Reply::Integer(1) {
            let why = if *reply == Reply::Integer(-1) { Refusal::LockLost } else { Refusal::Unavailable };
            return self.leave(ctx, me, login, Err(why));
        }
        let (uid, session, life) = (login.uid, login.session, self.options.presence_life);
        let second = match (login.lock, self.options.bug) {
            (Some((_, lock)), Bug::PresenceInTwoSteps) if stage == Stage::Write => {
                Some(store::write_half(uid, lock, session, life, Half::Session))
            }
            _ => None,
        };
        match second {
            Some(words) => {
                login.stage = Stage::WriteSecond;
                self.ask(ctx, me, words)
            }
            None => {
                login.stage = Stage::Bind;
                self.take_mutex(ctx, me, Mutex::Users)
            }
        }
    }

    /// The session becomes that of the user, if it is not over by now.
    fn bind(&mut self, ctx: &mut Context<ChatNode>, me: Me, login: &mut Login) -> Flow {
        let result = self.try_bind(ctx, login);
        self.free_mutex(ctx, me, Mutex::Users);
        self.leave(ctx, me, login, result)
    }

    fn try_bind(&mut self, ctx: &mut Context<ChatNode>, login: &Login) -> Result<Vec<Item>, Refusal> {
        let now = ctx.now();
        let until = self.lease_from(login.sent);
        let session = self.sessions.get_mut(&login.session).filter(|session| !session.is_over());
        let session = session.ok_or(Refusal::SessionEnded)?;
        if until.is_some_and(|until| until <= now) {
            return Err(Refusal::LockLost);
        }
        session.log_in(login.uid, until);
        self.users.insert(login.uid, login.session);
        let lease = until.map(|until| until.since(now));
        if let Some(lease) = lease {
            ctx.set_timer(ChatTimer::Lease(login.session), lease);
        }
        let Login { session, uid, token, .. } = *login;
        ctx.observe(ChatObservation::LoggedIn { session, uid, token, lease });
        self.publish(ctx);
        Ok(Item::all_of(uid))
    }

    /// What the client is answered is known: the answer leaves, and then the lock is given back.
    fn leave(
        &mut self,
        ctx: &mut Context<ChatNode>,
        me: Me,
        login: &mut Login,
        result: Result<Vec<Item>, Refusal>,
    ) -> Flow {
        if let Err(why) = result {
            ctx.observe(ChatObservation::LoginRefused { session: login.session, uid: login.uid, why });
        }
        login.result = Some(result);
        match self.options.bug {
            Bug::ReleaseBeforeReply => self.give_lock_back(ctx, me, login),
            _ => self.reply(ctx, login),
        }
        login.stage = Stage::Leave;
        let gap = self.gap(ctx);
        self.sleep(ctx, me, gap)
    }

    fn finish(&mut self, ctx: &mut Context<ChatNode>, me: Me, login: &mut Login) -> Flow {
        match self.options.bug {
            Bug::ReleaseBeforeReply => self.reply(ctx, login),
            _ => self.give_lock_back(ctx, me, login),
        }
        ctx.observe(ChatObservation::LoginOver(login.session));
        if matches!(login.result, Some(Err(_))) {
            self.end_session(ctx, login.session, EndReason::Refused);
        }
        self.on_login_over(ctx, login.session);
        Flow::Done
    }

    fn give_lock_back(&mut self, ctx: &mut Context<ChatNode>, me: Me, login: &mut Login) {
        let lock = login.lock.take().map(|(handle, _)| handle);
        self.give_back(ctx, me, lock, (login.session, login.uid));
    }

    fn reply(&self, ctx: &mut Context<ChatNode>, login: &Login) {
        let result = login.result.clone().expect("it is known");
        let session = self.sessions.get(&login.session).filter(|session| !session.is_over());
        if let Some(session) = session {
            session.send(ctx, ChatMessage::LoginReply { session: login.session, result });
        }
    }
}
