//! A chat server: connections, sessions, logins, kicks, cleanups.
//!
//! | file | subject |
//! | --- | --- |
//! | `session` | a connection of a client |
//! | `work` | threads, their jobs, and what these wait for |
//! | `login` | the login, step by step |
//! | `cleanup` | what is done after a session |
//! | `mutexes`, `pool` | what threads share |
//!
//! **The lease.** A session is served only as long as its presence in the redis is alive for certain: the server counts
//! the time to live from before it asked, less a margin. So who finds no presence may let the user in, whatever has
//! become of the server that had the user before.

mod cleanup;
mod login;
mod mutexes;
mod pool;
mod session;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;

use splitbrain_kernel::context::Context;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::{ConnectionChange, ConnectionEvent, ConnectionId, Source};
use splitbrain_kernel::time::Instant;

use crate::lock::LockNode;
use crate::lock::client::HandleId;
use crate::lock::message::RequestId;
use crate::lock::redis::Reply;

use super::bug::Bug;
use super::ids::{SessionId, Uid};
use super::library::Library;
use super::message::ChatMessage;
use super::node::{ChatNode, ChatTimer};
use super::observation::{ChatObservation, EndReason};
use super::options::ChatOptions;
use super::store;

use mutexes::Mutexes;
use pool::Pool;
use work::{Event, JobId, Task, Threads};

pub use session::Session;

/// A chat server.
///
/// - `connections` has the sessions that are not over.
/// - `users` has each user that logged in last here, until the cleanup.
#[derive(Clone, Debug)]
pub struct ChatServer {
    options: Arc<ChatOptions>,
    id: NodeId,
    library: Library,
    sessions: BTreeMap<SessionId, Session>,
    connections: BTreeMap<ConnectionId, SessionId>,
    next_session: u32,
    users: BTreeMap<Uid, SessionId>,
    work: Threads,
    mutexes: Mutexes,
    pool: Pool,
    /// The job that asks for each lock.
    locks: BTreeMap<HandleId, (JobId, Uid)>,
    calls: BTreeMap<RequestId, Call>,
    /// The job that waits for each kick.
    kicks: BTreeMap<u64, JobId>,
    next_kick: u64,
}

/// What a call of the redis is for.
#[derive(Clone, Copy, Debug)]
enum Call {
    /// For a job.
    Job(JobId),
    /// To renew the presence of a session.
    Renewal { session: SessionId, sent: Instant },
    /// To write the count.
    Count,
}

impl ChatServer {
    pub(super) fn new(options: Arc<ChatOptions>, id: NodeId, lock: LockNode) -> Self {
        let logic = if options.bug == Bug::OneThreadForAll { 1 } else { options.logic_threads };
        let work = Threads::new(logic, options.io_threads);
        Self {
            options,
            id,
            library: Library::new(lock),
            sessions: BTreeMap::new(),
            connections: BTreeMap::new(),
            next_session: 0,
            users: BTreeMap::new(),
            work,
            mutexes: Mutexes::default(),
            pool: Pool::default(),
            locks: BTreeMap::new(),
            calls: BTreeMap::new(),
            kicks: BTreeMap::new(),
            next_kick: 0,
        }
    }

    pub(super) const fn lock(&self) -> &LockNode {
        self.library.node()
    }

    /// Its sessions, those that are over and not yet forgotten among them.
    pub fn sessions(&self) -> impl Iterator<Item = (SessionId, &Session)> {
        self.sessions.iter().map(|(id, session)| (*id, session))
    }

    pub(super) fn on_start(&mut self, ctx: &mut Context<ChatNode>) {
        (0..self.options.pool_size).for_each(|_| self.open_connection(ctx));
        ctx.set_timer(ChatTimer::Renew, self.options.renew_every);
        ctx.set_timer(ChatTimer::Scan, self.options.scan_every);
    }

    pub(super) fn on_connection(&mut self, ctx: &mut Context<ChatNode>, event: ConnectionEvent) {
        match event.change {
            ConnectionChange::Accepted => {
                self.next_session += 1;
                let id = SessionId::new(self.id, ctx.incarnation(), self.next_session);
                let session = Session::new(event.connection, event.peer, (ctx.now(), ctx.wall()));
                self.sessions.insert(id, session);
                self.connections.insert(event.connection, id);
                ctx.observe(ChatObservation::Accepted { session: id, client: event.peer });
            }
            ConnectionChange::Opened => {}
            _ => {
                if let Some(session) = self.connections.get(&event.connection).copied() {
                    self.end_session(ctx, session, EndReason::Gone);
                }
            }
        }
        self.run(ctx);
    }

    pub(super) fn on_message(&mut self, ctx: &mut Context<ChatNode>, source: Source, message: ChatMessage) {
        match (source.connection, message) {
            (Some(connection), message) => {
                if let Some(session) = self.connections.get(&connection).copied() {
                    self.on_client(ctx, session, &message);
                }
            }
            (None, ChatMessage::Lock(wire)) => {
                if let Some((request, reply)) = self.library.on_message(ctx, source, wire) {
                    self.on_reply(ctx, request, reply);
                }
            }
            (None, ChatMessage::Kick { request, uid, victim, .. }) => {
                self.kick(ctx, uid, victim);
                ctx.send(source.node, ChatMessage::KickDone { request });
            }
            (None, ChatMessage::KickDone { request }) => self.on_kick_done(ctx, request, true),
            (None, _) => {}
        }
        self.run(ctx);
    }

    pub(super) fn on_timer(&mut self, ctx: &mut Context<ChatNode>, timer: ChatTimer) {
        match timer {
            ChatTimer::Lock(timer) => self.library.on_timer(ctx, timer),
            ChatTimer::Step(job) => self.work.wake(job, Event::Slept),
            ChatTimer::Call(request) => self.on_reply(ctx, request, None),
            ChatTimer::Kick(request) => self.on_kick_done(ctx, request, false),
            ChatTimer::Lease(session) => self.end_session(ctx, session, EndReason::LeaseOver),
            ChatTimer::Renew => self.renew(ctx),
            ChatTimer::Scan => self.scan(ctx),
            ChatTimer::Forward(_) | ChatTimer::Heartbeat | ChatTimer::Request(_) => {}
        }
        self.run(ctx);
    }

    fn on_kick_done(&mut self, ctx: &mut Context<ChatNode>, request: u64, is_done: bool) {
        if let Some(job) = self.kicks.remove(&request) {
            ctx.cancel_timer(ChatTimer::Kick(request));
            self.work.wake(job, Event::Kick(is_done));
        }
    }

    /// Something comes over the connection of a session.
    fn on_client(&mut self, ctx: &mut Context<ChatNode>, id: SessionId, message: &ChatMessage) {
        match *message {
            ChatMessage::Heartbeat if self.options.bug == Bug::OneThreadForAll => {
                return self.work.queue(Task::Heartbeat(id));
            }
            ChatMessage::Login { uid, token } => {
                let session = self.sessions.get_mut(&id).expect("a session that goes on is there");
                if session.uid().is_none() && !session.is_in_login {
                    session.is_in_login = true;
                    self.work.queue(Task::Login(id, uid, token));
                }
            }
            ChatMessage::Say { text } => self.on_say(ctx, id, text),
            _ => {}
        }
        self.note_heard(ctx, id);
    }

    /// A session was heard from.
    fn note_heard(&mut self, ctx: &Context<ChatNode>, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.heard = (ctx.now(), ctx.wall());
        }
    }

    /// A user says something: it is taken as long as the session is the user's for certain.
    fn on_say(&mut self, ctx: &mut Context<ChatNode>, id: SessionId, text: u64) {
        let now = ctx.now();
        let session = &self.sessions[&id];
        let user = session.user();
        if user.is_some() && !session.is_valid(now) {
            return self.end_session(ctx, id, EndReason::LeaseOver);
        }
        if let Some(uid) = user {
            ctx.observe(ChatObservation::Heard { session: id, uid });
        }
        session.send(ctx, ChatMessage::Heard { text, accepted: user.is_some() });
    }

    /// The session that a kick is for.
    fn find(&self, uid: Uid, victim: SessionId) -> Option<SessionId> {
        match self.options.bug {
            Bug::KickByUser => self.users.get(&uid).copied(),
            Bug::CleanInRaii => self.users.get(&uid).copied().filter(|session| *session == victim),
            _ => Some(victim),
        }
    }

    /// The user has logged in again: the client is told, and the session ends.
    fn kick(&mut self, ctx: &mut Context<ChatNode>, uid: Uid, victim: SessionId) {
        let Some(victim) = self.find(uid, victim) else { return };
        let Some(session) = self.sessions.get(&victim).filter(|session| !session.is_over()) else { return };
        let uid = session.user();
        ctx.observe(ChatObservation::Kicked { victim, uid });
        if uid.is_some() {
            session.send(ctx, ChatMessage::Offline { session: victim });
        }
        if self.options.bug != Bug::KickNotifiesOnly {
            self.end_session(ctx, victim, EndReason::Kicked);
        }
    }

    /// A session is over: nothing more is taken from it or sent to it.
    fn end_session(&mut self, ctx: &mut Context<ChatNode>, id: SessionId, why: EndReason) {
        let Some(session) = self.sessions.get_mut(&id).filter(|session| !session.is_over()) else { return };
        let uid = session.user();
        session.end();
        let (connection, is_in_login) = (session.connection(), session.is_in_login);
        ctx.observe(ChatObservation::Ended { session: id, uid, why });
        ctx.cancel_timer(ChatTimer::Lease(id));
        self.connections.remove(&connection);
        if why != EndReason::Gone {
            ctx.close(connection);
        }
        if uid.is_some() {
            self.publish(ctx);
        }
        if !is_in_login {
            self.dispose(ctx, id);
        }
    }

    /// The login of a session is over. If the session is too, it can be cleaned up now.
    fn on_login_over(&mut self, ctx: &mut Context<ChatNode>, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.is_in_login = false;
        if session.is_over() {
            self.dispose(ctx, id);
        }
    }

    /// What a session has left behind is cleaned up by a thread; one that has left nothing is forgotten.
    fn dispose(&mut self, ctx: &mut Context<ChatNode>, id: SessionId) {
        match (self.sessions[&id].claims, self.options.bug) {
            (Some(uid), _) => self.work.queue(Task::CleanUp(id, uid)),
            (None, Bug::LockOfNoUser) => self.work.queue(Task::CleanUp(id, Uid::NONE)),
            (None, _) => self.destroy(ctx, id),
        }
    }

    fn destroy(&mut self, ctx: &mut Context<ChatNode>, id: SessionId) {
        if self.sessions.remove(&id).is_some() {
            ctx.observe(ChatObservation::Destroyed(id));
        }
    }

    /// Until when a presence that was written or renewed at this moment is valid.
    fn lease_from(&self, sent: Instant) -> Option<Instant> {
        let life = self.options.presence_life.saturating_sub(self.options.presence_margin);
        (self.options.bug != Bug::PresenceWithoutExpiry).then(|| sent.saturating_add(life))
    }

    /// The presence of each user here lives on.
    fn renew(&mut self, ctx: &mut Context<ChatNode>) {
        ctx.set_timer(ChatTimer::Renew, self.options.renew_every);
        if self.options.bug == Bug::PresenceWithoutExpiry {
            return;
        }
        let sent = ctx.now();
        let users: Vec<_> = self.sessions.iter().filter_map(|(id, session)| Some((*id, session.user()?))).collect();
        for (session, uid) in users {
            let words = store::renew_presence(uid, session, self.options.presence_life);
            self.call(ctx, words, Call::Renewal { session, sent });
        }
    }

    /// The redis has renewed a presence, or has another one.
    fn on_renewed(&mut self, ctx: &mut Context<ChatNode>, id: SessionId, sent: Instant, reply: Option<&Reply>) {
        let (now, until) = (ctx.now(), self.lease_from(sent));
        let session = self.sessions.get_mut(&id).filter(|session| session.user().is_some());
        let (Some(session), Some(until)) = (session, until) else { return };
        match reply {
            Some(Reply::Integer(1)) if session.is_valid(now) && now < until => {
                let until = session.until.map_or(until, |earlier| earlier.max(until));
                session.until = Some(until);
                let lease = until.since(now);
                ctx.observe(ChatObservation::Renewed { session: id, lease });
                ctx.set_timer(ChatTimer::Lease(id), lease);
            }
            Some(Reply::Integer(0)) => self.end_session(ctx, id, EndReason::LeaseOver),
            _ => {}
        }
    }

    /// Sessions that are silent end, and the count is written anew.
    fn scan(&mut self, ctx: &mut Context<ChatNode>) {
        ctx.set_timer(ChatTimer::Scan, self.options.scan_every);
        let (now, wall) = (ctx.now(), ctx.wall());
        let is_silent = |session: &Session| match self.options.bug {
            Bug::WallClockHeartbeat => wall.since(session.heard.1) > self.options.heartbeat_timeout,
            _ => now.since(session.heard.0) > self.options.heartbeat_timeout,
        };
        let going = self.sessions.iter().filter(|(_, session)| !session.is_over() && is_silent(session));
        let silent: Vec<SessionId> = going.map(|(id, _)| *id).collect();
        for id in silent {
            self.end_session(ctx, id, EndReason::Silent);
        }
        self.publish(ctx);
    }

    /// Writes how many users are logged in here. It is a number of this server's alone: no other one writes it.
    fn publish(&mut self, ctx: &mut Context<ChatNode>) {
        if matches!(self.options.bug, Bug::ReadModifyWriteCount | Bug::CountNeverFalls) {
            return;
        }
        let count = self.sessions.values().filter(|session| session.user().is_some()).count();
        let words = store::set_count(self.id, u64::try_from(count).expect("memory holds fewer sessions"));
        self.call(ctx, words, Call::Count);
    }
}
