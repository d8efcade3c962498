//! The invariants of the chat service, beside those of its locks.
//!
//! | property | source | file | sight |
//! | --- | --- | --- | --- |
//! | a user has one session at a time | QT chat project, 3 and 4 | `one_session` | black box |
//! | the presence of a session stays as long as the session | QT chat project, 2.2 | `presence_kept` | black box |
//! | both keys of a presence or neither | QT chat project, 3.2 | `presence_pairs` | black box |
//! | a presence changes under the lock alone | Kleppmann 2016 | `presence_under_lock` | black box |
//! | at rest the presence is right | QT chat project, 2.2 and 3.2 | `presence_at_rest` | white box |
//! | at rest the count is right, and it is never negative | QT chat project, 3.2 | `count_at_rest` | white box |
//! | a kick is for a later login | QT chat project, 4 | `kick_by_later_login` | black box |
//! | a session that is to end ends | QT chat project, 3.3 | `kicked_closes` | black box |
//! | a client reads that it is in before that it is out | QT chat project, 3.2 | `reply_before_offline` | black box |
//! | who is in has shown the last token | QT chat project, 3.2 | `login_with_last_token` | black box |
//! | a token that was given is good | QT chat project, 3.2 | `issued_token_works` | black box |
//! | a client shows nothing of another user | QT chat project, 4.4 | `own_items_alone` | history |
//! | connections of the pool are given back once | QT chat project, 3.4 | `pool_conserved` | black box |
//! | no session is destroyed under its mutex or used later | QT chat project, 3.4 | `destroyed_unguarded` | black box |
//! | no threads wait in a circle | Coffman, Elphick and Shoshani 1971 | `no_wait_cycle` | black box |
//! | who is heard from is kept | redis #416 | `heard_is_kept` | black box |
//! | no presence outlives its session for long | etcd #17470 | `nothing_immortal` | white box |
//! | a login ends | gRPC, "Deadlines" | `login_ends` | black box |
//! | a login succeeds in the end | redis-doc, Redlock, "Liveness arguments" | `login_succeeds` | history |
//! | a report that a lock was given back is true | QT chat project, 3.1 | `release_is_true` | black box |
//! | a lock is that of a user | QT chat project, 2.2 | `locks_of_users` | black box |
//! | who waits for a lock is patient | redis-doc, Redlock, "Retry on failure" | `patient_retries` | black box |
//! | a lock that is said to be busy was refused | QT chat project | `busy_is_true` | black box |
//!
//! **At rest.** Presence and counts are written after what they tell of, so they are judged when something has come to
//! rest: faults are over, and nothing was done to the world or has happened to the user or the server for longer than
//! every lease and every wait.
//!
//! **Where the answers come from.** What the redis has is seen by its keys before and after a command; what clients
//! read, by the messages that come to them; which sessions there are, by what chat servers say, and for how long these
//! may serve them by the lease that they claim, in true time. The mutual exclusion of the locks is judged by the
//! invariants of the lock system.
//!
//! "QT chat project" in a source is a series of public notes, here its day 20 by sections: lryc.cn/news/626493.
//!
//! # Not checked
//!
//! - *That what users say arrives elsewhere*: it goes nowhere.
//! - *Fairness between users who wait for one lock*: the one that asks at the right moment gets it.

mod book;
mod busy_is_true;
mod count_at_rest;
mod destroyed_unguarded;
mod heard_is_kept;
mod issued_token_works;
mod kick_by_later_login;
mod kicked_closes;
mod locks_of_users;
mod login_ends;
mod login_succeeds;
mod login_with_last_token;
mod no_wait_cycle;
mod nothing_immortal;
mod one_session;
mod own_items_alone;
mod patient_retries;
mod pool_conserved;
mod presence_at_rest;
mod presence_kept;
mod presence_pairs;
mod presence_under_lock;
mod release_is_true;
mod reply_before_offline;
mod rest;

#[cfg(test)]
mod testing;

use std::collections::BTreeSet;

use splitbrain_kernel::context::{EffectRef, OperationResult};
use splitbrain_kernel::fault::{Fault, Target};
use splitbrain_kernel::history::{HistoryEntryRef, HistoryEvent};
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{FaultChange, Findings, Input, InvariantInfo, Invariants};
use splitbrain_kernel::node::{ConnectionChange, Source};
use splitbrain_kernel::system::{Gauge, Setup};
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::view::View;

use crate::lock::observation::LockObservation;
use crate::lock::system::REDIS;

use super::ids::{CHAT, SessionId, Uid};
use super::message::{ChatMessage, Refusal, Response};
use super::node::ChatNode;
use super::observation::{ChatObservation, EndReason};
use super::options::ChatOptions;
use super::redis;

use book::Book;
use busy_is_true::Refused;
use destroyed_unguarded::Destroyed;
use heard_is_kept::Heard;
use issued_token_works::Issued;
use kicked_closes::Victims;
use login_ends::Logins;
use login_succeeds::{Database, Failures};
use login_with_last_token::Tokens;
use no_wait_cycle::Waits;
use one_session::Overlaps;
use patient_retries::Asked;
use pool_conserved::Pools;
use presence_under_lock::{Purpose, Wanted};
use release_is_true::Gains;
use reply_before_offline::Answered;
use rest::Rest;

splitbrain_kernel::invariant_list! {
    ONE_SESSION = one_session::INFO,
    PRESENCE_KEPT = presence_kept::INFO,
    PRESENCE_PAIRS = presence_pairs::INFO,
    PRESENCE_UNDER_LOCK = presence_under_lock::INFO,
    PRESENCE_AT_REST = presence_at_rest::INFO,
    COUNT_AT_REST = count_at_rest::INFO,
    KICK_BY_LATER_LOGIN = kick_by_later_login::INFO,
    KICKED_CLOSES = kicked_closes::INFO,
    REPLY_BEFORE_OFFLINE = reply_before_offline::INFO,
    LOGIN_WITH_LAST_TOKEN = login_with_last_token::INFO,
    ISSUED_TOKEN_WORKS = issued_token_works::INFO,
    OWN_ITEMS_ALONE = own_items_alone::INFO,
    POOL_CONSERVED = pool_conserved::INFO,
    DESTROYED_UNGUARDED = destroyed_unguarded::INFO,
    NO_WAIT_CYCLE = no_wait_cycle::INFO,
    HEARD_IS_KEPT = heard_is_kept::INFO,
    NOTHING_IMMORTAL = nothing_immortal::INFO,
    LOGIN_ENDS = login_ends::INFO,
    LOGIN_SUCCEEDS = login_succeeds::INFO,
    RELEASE_IS_TRUE = release_is_true::INFO,
    LOCKS_OF_USERS = locks_of_users::INFO,
    PATIENT_RETRIES = patient_retries::INFO,
    BUSY_IS_TRUE = busy_is_true::INFO,
}

/// The invariants of the chat service, with all that they have seen.
#[derive(Clone, Debug)]
pub struct ChatInvariants {
    book: Book,
    overlaps: Overlaps,
    wanted: Wanted,
    users: Rest<Uid>,
    servers: Rest<NodeId>,
    gone: Rest<(Uid, SessionId)>,
    victims: Victims,
    answered: Answered,
    tokens: Tokens,
    issued: Issued,
    pools: Pools,
    destroyed: Destroyed,
    waits: Waits,
    heard: Heard,
    logins: Logins,
    failures: Failures,
    gains: Gains,
    asked: Asked,
    refused: Refused,
    /// Faults were done: what is at rest is judged in the settle phase.
    is_disturbed: bool,
    /// Redis servers whose clock was tampered with, or whose disk may have lost what was durable.
    unfaithful: BTreeSet<NodeId>,
}

impl ChatInvariants {
    /// What `[expect]` can bound.
    pub const GAUGES: &'static [Gauge] = &[Gauge {
        name: "session_overlaps",
        doc: "Logins that were done while another session of the user was served.",
    }];

    /// Fresh invariants over a cluster with these options.
    pub fn new(setup: &Setup<ChatOptions>) -> Self {
        let spans = Spans::new(setup);
        Self {
            book: Book::default(),
            overlaps: Overlaps::new(setup.options.base.overlap_max),
            wanted: Wanted::default(),
            users: Rest::new(spans.rest),
            servers: Rest::new(spans.rest),
            gone: Rest::new(spans.gone),
            victims: Victims::new(Rest::new(spans.silence_max)),
            answered: Answered::default(),
            tokens: Tokens::default(),
            issued: Issued::new(spans.token),
            pools: Pools::default(),
            destroyed: Destroyed::default(),
            waits: Waits::default(),
            heard: Heard::new(spans.silence_min),
            logins: Logins::new(Rest::new(spans.login)),
            failures: Failures::new(spans.rest, spans.database),
            gains: Gains::default(),
            asked: Asked::default(),
            refused: Refused::default(),
            is_disturbed: false,
            unfaithful: BTreeSet::new(),
        }
    }

    /// The values of [`ChatInvariants::GAUGES`].
    pub fn gauges(&self) -> Vec<u64> {
        vec![self.overlaps.seen()]
    }

    /// The redis says something.
    fn on_redis(&mut self, now: Instant, observation: &ChatObservation, findings: &mut Findings) {
        match *observation {
            ChatObservation::Stored { uid, by, before, after, lock } => {
                presence_kept::on_stored(now, by, uid, (before, after), &self.book, findings);
                presence_pairs::on_stored(by, uid, after, findings);
                self.wanted.on_stored((by, uid), (before, after), lock, &self.book, findings);
                self.users.stir(now, uid);
            }
            ChatObservation::TokenStored { uid, token } => self.tokens.on_stored(uid, token),
            ChatObservation::CountStored { server, count } => count_at_rest::on_stored(server, count, findings),
            _ => {}
        }
    }

    /// A chat server says something of a session.
    fn on_session(
        &mut self,
        view: &impl View<ChatNode>,
        node: NodeId,
        said: &ChatObservation,
        findings: &mut Findings,
    ) {
        let now = view.now();
        let until = |lease| now.saturating_add(view.true_span(node, lease));
        match *said {
            ChatObservation::Accepted { session, .. } => self.heard.on_accepted(now, session),
            ChatObservation::LoginBegun { session, uid } => {
                self.book.begun(session, uid);
                self.wanted.on_begun(node, Purpose::Login(session));
                self.tokens.on_begun(session, uid);
                self.logins.on_begun(now, session);
                self.refused.on_begun(now, session);
                self.users.stir(now, uid);
            }
            ChatObservation::CleanupBegun { session, .. } => self.wanted.on_begun(node, Purpose::Cleanup(session)),
            ChatObservation::LoginRefused { session, uid, why: Refusal::UserExists } => {
                self.refused.on_busy(node, session, uid, findings);
            }
            ChatObservation::Entered { session, lock, .. } => self.book.entered(session, lock),
            ChatObservation::LoggedIn { session, uid, token, lease } => {
                self.destroyed.on_used(node, session, findings);
                self.book.logged_in(now, session, lease.map(until));
                self.tokens.on_logged_in(session, uid, token, findings);
                self.overlaps.on_logged_in(now, (session, uid), &self.book, findings);
                self.victims.on_logged_in(now, session, &self.book, findings);
                self.servers.stir(now, node);
            }
            ChatObservation::LoginOver(session) => {
                self.book.login_over(session);
                self.tokens.on_over(session);
                self.logins.on_over(session, findings);
            }
            ChatObservation::KickAsked { victim, by, .. } => self.victims.on_asked(victim, by),
            ChatObservation::Kicked { victim, .. } => {
                self.destroyed.on_used(node, victim, findings);
                kick_by_later_login::on_kicked(node, victim, &self.book, findings);
            }
            ChatObservation::Renewed { session, lease } => {
                self.destroyed.on_used(node, session, findings);
                self.book.renewed(session, until(lease));
            }
            ChatObservation::Heard { session, .. } => {
                self.destroyed.on_used(node, session, findings);
                self.overlaps.on_heard(now, node, session, &self.book, findings);
            }
            ChatObservation::Ended { session, uid, why } => self.on_ended(now, node, (session, uid, why), findings),
            ChatObservation::Destroyed(session) => {
                let is_held = self.waits.is_held(node, session);
                self.destroyed.on_destroyed(node, session, is_held, findings);
            }
            _ => {}
        }
    }

    fn on_ended(
        &mut self,
        now: Instant,
        node: NodeId,
        (session, uid, why): (SessionId, Option<Uid>, EndReason),
        findings: &mut Findings,
    ) {
        if why == EndReason::Silent {
            self.heard.on_silent(now, node, session, findings);
        }
        self.book.ended(session);
        self.servers.stir(now, node);
        if let Some(uid) = uid.or_else(|| self.book.user_of(session)) {
            self.users.stir(now, uid);
            self.gone.stir(now, (uid, session));
        }
    }

    /// A chat server says something of a thread, of a lock or of its pool.
    fn on_thread(&mut self, node: NodeId, observation: &ChatObservation, findings: &mut Findings) {
        match *observation {
            ChatObservation::Waits { thread, guard } => self.waits.on_waits((node, thread), guard, findings),
            ChatObservation::Has { thread, guard } => self.waits.on_has((node, thread), guard),
            ChatObservation::Frees { thread, guard } => self.waits.on_frees((node, thread), guard),
            ChatObservation::GivenBack { uid, .. } => self.gains.on_given_back(node, uid, findings),
            ChatObservation::Lock(LockObservation::Wanted { hold, instead_of }) => {
                locks_of_users::on_wanted(node, hold.lock, findings);
                self.wanted.on_wanted(node, hold.token, instead_of);
            }
            ChatObservation::Lock(LockObservation::Gained { hold, .. }) => {
                self.gains.on_gained(node, Uid(hold.lock.0));
            }
            _ => self.pools.on_observed(node, observation, findings),
        }
    }

    /// What is at rest is judged by the keys of the redis.
    fn judge_rest(&mut self, view: &impl View<ChatNode>, findings: &mut Findings) {
        let now = view.now();
        let Some(since) = self.calm_since(view) else {
            // It is put off: what would be due is due again in a while.
            let _ = self.users.take(now, now);
            let _ = self.servers.take(now, now);
            let _ = self.gone.take(now, now);
            return;
        };
        let redis = NodeId::new(REDIS, 1);
        let keys = view.node(redis).and_then(ChatNode::redis).map(redis::Redis::keys);
        for uid in self.users.take(now, since) {
            let (Some(keys), false) = (keys, self.book.has_login(uid)) else {
                self.users.stir(now, uid);
                continue;
            };
            let live: Vec<SessionId> = self.book.live_of(now, uid).collect();
            presence_at_rest::judge(uid, redis::presence(keys, uid, 0), &live, findings);
        }
        for server in self.servers.take(now, since) {
            let (Some(keys), false) = (keys, self.book.has_login_at(server)) else {
                self.servers.stir(now, server);
                continue;
            };
            count_at_rest::judge(server, redis::count(keys, server), self.book.live_at(now, server), findings);
        }
        for (uid, session) in self.gone.take(now, since) {
            match keys {
                Some(keys) => nothing_immortal::judge(uid, session, redis::presence(keys, uid, 0), findings),
                None => self.gone.stir(now, (uid, session)),
            }
        }
    }

    /// Since when nothing is wrong with the world; `None` while something may be.
    fn calm_since(&self, view: &impl View<ChatNode>) -> Option<Instant> {
        if !self.is_disturbed {
            return Some(view.disturbed_at());
        }
        view.settled_at().map(|at| at.max(view.disturbed_at()))
    }
}

impl Invariants<ChatNode> for ChatInvariants {
    const LIST: &'static [InvariantInfo] = LIST;

    fn on_effect(
        &mut self,
        view: impl View<ChatNode>,
        node: NodeId,
        effect: EffectRef<'_, ChatNode>,
        findings: &mut Findings,
    ) {
        match effect {
            EffectRef::Observe(said) if node.is(REDIS) => self.on_redis(view.now(), said, findings),
            EffectRef::Observe(said) if node.is(CHAT) => {
                self.on_session(&view, node, said, findings);
                self.on_thread(node, said, findings);
            }
            EffectRef::Observe(ChatObservation::Assigned { uid, token, .. }) => {
                self.issued.on_assigned(view.now(), *uid, *token);
            }
            EffectRef::Send { message: ChatMessage::Lock(wire), .. } if node.is(CHAT) => {
                self.asked.on_sent(view.now(), node, wire, findings);
                self.refused.on_sent(node, wire);
            }
            EffectRef::Send { message, .. } if node.is_client() => self.issued.on_sent(node, message),
            _ => {}
        }
    }

    fn on_input(
        &mut self,
        view: impl View<ChatNode>,
        node: NodeId,
        input: Input<'_, ChatNode>,
        findings: &mut Findings,
    ) {
        match input {
            Input::Message(_, message) if node.is_client() => {
                self.answered.on_read(node, message, findings);
                if self.unfaithful.is_empty() {
                    self.issued.on_read(view.now(), node, message, findings);
                }
            }
            Input::Message(_, ChatMessage::Lock(wire)) if node.is(CHAT) => {
                self.refused.on_answer(view.now(), node, wire);
            }
            Input::Message(Source { connection: Some(connection), .. }, _) if node.is(CHAT) => {
                self.heard.on_message(view.now(), connection);
            }
            Input::Connection(event) if node.is(CHAT) && event.change == ConnectionChange::Accepted => {
                self.heard.on_connected(node, event.connection);
            }
            _ => {}
        }
    }

    fn on_start(&mut self, view: impl View<ChatNode>, node: NodeId, _: &mut Findings) {
        if node.is(CHAT) {
            self.servers.stir(view.now(), node);
        }
    }

    fn on_down(&mut self, view: impl View<ChatNode>, node: NodeId, _: &mut Findings) {
        let now = view.now();
        if !node.is(CHAT) {
            return;
        }
        for (session, uid) in self.book.down(node) {
            self.users.stir(now, uid);
            self.gone.stir(now, (uid, session));
        }
        self.servers.stir(now, node);
        self.tokens.on_down(node);
        self.pools.on_down(node);
        self.waits.on_down(node);
        self.logins.on_down(node);
        self.gains.on_down(node);
        self.refused.on_down(node);
    }

    fn on_fault(&mut self, _: impl View<ChatNode>, fault: &Fault, _: FaultChange, _: &mut Findings) {
        self.is_disturbed = true;
        let Target::Nodes(nodes) = fault.target() else { return };
        match fault {
            Fault::ClockFreeze(_) | Fault::Suspend(_) => nodes.iter().for_each(|node| self.heard.on_frozen(*node)),
            Fault::ClockStep(_) | Fault::ClockSlew(_) => self.unfaithful.extend(nodes.iter().filter(|it| it.is(REDIS))),
            Fault::Disk(disk) if disk.fault.breaks_promises() => self.unfaithful.extend(nodes),
            _ => {}
        }
    }

    fn deadline(&self) -> Instant {
        let rest = self.users.deadline().min(self.servers.deadline()).min(self.gone.deadline());
        let due = self.overlaps.deadline().min(self.victims.deadline()).min(self.logins.deadline());
        rest.min(due)
    }

    fn on_deadline(&mut self, view: impl View<ChatNode>, findings: &mut Findings) {
        let (now, disturbed) = (view.now(), view.disturbed_at());
        let quiet = self.calm_since(&view).unwrap_or(now).max(disturbed);
        self.overlaps.on_deadline(now, &self.book, findings);
        self.victims.on_deadline(now, quiet, &self.book, findings);
        self.logins.on_deadline(now, quiet, findings);
        self.judge_rest(&view, findings);
    }

    fn on_history(&mut self, view: impl View<ChatNode>, entry: HistoryEntryRef<'_, ChatNode>, findings: &mut Findings) {
        if let HistoryEvent::Completed { result: OperationResult::Ok(Response::Shown { uid, items }), .. } =
            entry.change
        {
            own_items_alone::on_shown(entry.client, *uid, items, findings);
        }
        self.failures.on_history(&view, entry, findings);
    }
}

/// How long things may take, in true time.
#[derive(Clone, Copy, Debug)]
struct Spans {
    /// After this long without a stir everything is as it stays.
    rest: Duration,
    /// After this long the presence of a session that is over is gone.
    gone: Duration,
    /// A silent session is over after this long,
    silence_max: Duration,
    /// and goes on for this long.
    silence_min: Duration,
    /// A login takes no longer.
    login: Duration,
    /// A token is good for this long.
    token: Duration,
    /// Whether the queries of a login may take longer than its lock lasts.
    database: Database,
}

impl Spans {
    fn new(setup: &Setup<ChatOptions>) -> Self {
        let most = |part: fn(&ChatOptions) -> Duration| setup.options.all().map(part).max().unwrap_or_default();
        let slack = Duration::from_secs(2) + setup.bounds.latency.saturating_mul(20);
        // Clocks run fast or slow by a fiftieth, or by what was declared if that is more.
        let drift_ppm = u64::from(setup.bounds.drift_ppm.unwrap_or(0)).max(20_000);
        let drift_of = |span: Duration| span.div(1_000_000).saturating_mul(drift_ppm);
        let slow = |span: Duration| span + drift_of(span);
        let (life, silence) = (most(|it| it.presence_life), most(|it| it.heartbeat_timeout));
        let (lock, acquire) = (most(|it| it.lock.time_to_live), most(|it| it.lock.acquire_timeout));
        let (call, scan) = (most(|it| it.call_timeout), most(|it| it.scan_every));
        let database = most(|it| it.database_max + it.database_stall_max).saturating_mul(3);
        let gaps = most(|it| it.gap_max).saturating_mul(20);
        let kick = most(|it| it.kick_deadline);
        let request = most(|it| it.lock.request_timeout);
        let shortest = setup.options.all().map(|it| it.lock.time_to_live).min().unwrap_or_default();
        let is_fast = slow(database + gaps + call.saturating_mul(4)) < shortest;
        let login = acquire + request + call.saturating_mul(10) + database + gaps + kick;
        Self {
            rest: slow(login + life.saturating_mul(2) + lock + acquire + scan.saturating_mul(2) + call) + slack,
            gone: slow(life.saturating_mul(2) + call) + slack,
            silence_max: slow(silence + scan) + slack,
            silence_min: silence.saturating_sub(drift_of(silence)),
            login: slow(login) + slack,
            database: if is_fast { Database::IsFast } else { Database::MayOutlastALock },
            token: most(|it| it.token_life).saturating_sub(slack + drift_of(most(|it| it.token_life))),
        }
    }
}
