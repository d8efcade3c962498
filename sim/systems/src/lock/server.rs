//! A lock server: a Redis server on the node's wall clock, with its append-only file on the simulated disk and its
//! replicas on the simulated network.
//!
//! ```text
//!   Ask ─▶ commands ─▶ redis::Server ─┬─▶ effects ─▶ replicas
//!                                     ├─▶ effects ─▶ the append-only file ─▶ Answer, as the policy says
//!                                     └─▶ observations: granted, renewed, freed, expired
//! ```
//!
//! What is granted is seen by comparing the key before and after a command, so that it does not depend on what the
//! command was meant to do.

mod commands;
pub(super) mod file;
mod replication;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use splitbrain_kernel::context::Context;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::{Completion, Node, Recovered, Source};
use splitbrain_kernel::time::Duration;

use super::bug::Bug;
use super::client::Ctx;
use super::ids::{LockId, Token};
use super::message::{Answer, Command, RequestId, Wire};
use super::node::{LockTimer, Record};
use super::observation::{Hold, LockObservation};
use super::options::{AppendFsync, LockOptions};
use super::redis::{self, Effect};
use super::window::Windows;

use file::AppendFile;
use replication::{Replica, Stream, Wait};

/// A lock server.
///
/// - `keys` are those of a master if `master` is `None`, otherwise those of a replica.
#[derive(Clone, Debug)]
pub struct Redis {
    pub(super) options: Arc<LockOptions>,
    keys: redis::Server,
    /// Its master; `None` for a master.
    master: Option<NodeId>,
    /// The epoch of the failover that gave it its role.
    epoch: u64,
    stream: Stream,
    replicas: BTreeMap<NodeId, Replica>,
    waits: BTreeMap<u64, Wait>,
    next_wait: u64,
    /// Where in the stream the last write of each client is.
    last_writes: BTreeMap<NodeId, u64>,
    windows: Windows,
    file: AppendFile,
    /// It answers nothing before this moment: a delayed restart.
    is_out: bool,
    /// What the disk kept, until the start.
    recovered: Option<file::Recovery>,
}

/// The most keys that one round of active expiry deletes.
const EXPIRED_MAX: usize = 200;

impl Redis {
    pub(super) fn new(options: Arc<LockOptions>, master: Option<NodeId>, recovered: &Recovered<Record>) -> Self {
        let recovery = file::Recovery::read(recovered, &options);
        let (master, epoch) = recovery.role.unwrap_or((master, 0));
        Self {
            options,
            keys: redis::Server::new(),
            master,
            epoch,
            stream: Stream::default(),
            replicas: BTreeMap::new(),
            waits: BTreeMap::new(),
            next_wait: 0,
            last_writes: BTreeMap::new(),
            windows: Windows::default(),
            file: AppendFile::default(),
            is_out: false,
            recovered: Some(recovery),
        }
    }

    /// Its master; `None` for a master.
    pub const fn master(&self) -> Option<NodeId> {
        self.master
    }

    /// The keys of the database that locks are in.
    pub fn keyspace(&self) -> &redis::Keyspace {
        self.keys.keyspace(0).expect("a server has a first database")
    }

    pub(super) fn on_start(&mut self, ctx: &mut Ctx<'_>) {
        let Some(recovery) = self.recovered.take() else { return };
        if let Some(fault) = recovery.fault {
            return ctx.exit(fault);
        }
        self.load(ctx, &recovery);
        self.is_out = ctx.incarnation() > 0 && !self.options.delayed_restart.is_zero();
        if self.is_out {
            ctx.set_timer(LockTimer::Serve, self.options.delayed_restart);
        }
        ctx.set_timer(LockTimer::Expire, self.options.expire_every);
        ctx.set_timer(LockTimer::Replicate, self.options.acknowledge_every);
        if self.options.append_fsync == AppendFsync::EverySecond {
            ctx.set_timer(LockTimer::Sync, file::SYNC_EVERY);
        }
    }

    /// Makes the keys from the append-only file, and takes up the role.
    fn load(&mut self, ctx: &mut Ctx<'_>, recovery: &file::Recovery) {
        let now = unix_millis(ctx);
        if self.keys.apply(&recovery.effects, now).is_err() {
            return ctx.exit("the append-only file holds what is no command");
        }
        drop(self.keys.expire(now, usize::MAX));
        if recovery.torn > 0 {
            self.file.truncate(ctx, recovery.records);
        }
        self.stream = Stream::begin(ctx.rng().word(), 0);
        match self.master {
            None => self.tell_kept(ctx),
            Some(_) => self.keys.set_role(redis::Role::Replica),
        }
        ctx.observe(LockObservation::Recovered { torn: recovery.torn });
        self.tell_role(ctx);
    }

    /// Tells of each lock that it has.
    fn tell_kept(&self, ctx: &mut Ctx<'_>) {
        let now = unix_millis(ctx);
        let alive = self.keyspace().iter().filter(|(_, entry)| !entry.is_expired(now));
        for hold in alive.filter_map(|(key, entry)| hold_of(key, entry)) {
            ctx.observe(LockObservation::Kept(hold));
        }
    }

    fn tell_role(&self, ctx: &mut Ctx<'_>) {
        ctx.observe(match self.master {
            None => LockObservation::Promoted { epoch: self.epoch },
            Some(master) => LockObservation::Follows { master, epoch: self.epoch },
        });
    }

    pub(super) fn on_message(&mut self, ctx: &mut Ctx<'_>, source: Source, message: Wire) {
        if self.is_out {
            return;
        }
        let source = source.node;
        if let Some(asked) = message.asked()
            && !self.windows.admit(ctx, source, asked)
        {
            return;
        }
        match message {
            Wire::Ask { request, command, .. } => self.serve(ctx, source, request, command),
            Wire::Call { request, words, .. } => self.serve_call(ctx, source, request, &words),
            Wire::Acknowledge { stream, offset } => self.on_acknowledge(ctx, source, stream, offset),
            Wire::Snapshot { stream, offset, effects } => self.on_snapshot(ctx, source, (stream, offset), &effects),
            Wire::Effects { stream, offset, effects } => self.on_effects(ctx, source, (stream, offset), &effects),
            Wire::Ping => ctx.send(source, self.pong()),
            Wire::Promote { epoch } if epoch >= self.epoch => self.promote(ctx, epoch),
            Wire::Follow { master, epoch } if epoch >= self.epoch => self.follow(ctx, master, epoch),
            _ => {}
        }
    }

    pub(super) fn on_timer(&mut self, ctx: &mut Ctx<'_>, timer: LockTimer) {
        match timer {
            LockTimer::Serve => self.is_out = false,
            LockTimer::Expire => {
                self.expire(ctx);
                self.file.retry(ctx);
                ctx.set_timer(LockTimer::Expire, self.options.expire_every);
            }
            LockTimer::Sync => {
                self.file.sync(ctx);
                ctx.set_timer(LockTimer::Sync, file::SYNC_EVERY);
            }
            LockTimer::Replicate => {
                self.acknowledge(ctx);
                ctx.set_timer(LockTimer::Replicate, self.options.acknowledge_every);
            }
            LockTimer::Wait(wait) => self.end_wait(ctx, wait),
            LockTimer::Handle(..) | LockTimer::Ping | LockTimer::Failover => {}
        }
    }

    pub(super) fn on_durable(&mut self, ctx: &mut Ctx<'_>, completion: Completion) {
        if let Completion::Failed(_, error) = completion
            && self.options.append_fsync == AppendFsync::Always
        {
            return ctx.exit(format!("the append-only file cannot be written: {error}"));
        }
        self.file.on_durable(ctx, completion);
    }

    /// Carries a request out and answers it.
    fn serve(&mut self, ctx: &mut Ctx<'_>, client: NodeId, request: RequestId, command: Command) {
        if let Command::Wait { replicas, timeout } = command {
            return self.wait(ctx, client, request, (replicas, timeout));
        }
        if let Some(refusal) = self.refusal(ctx, command.is_write()) {
            return ctx.send(client, Wire::Answer { request, answer: Answer::Error(refusal) });
        }
        let now = unix_millis(ctx);
        let lock = command.lock().expect("all other commands are about a lock");
        let before = self.state(lock);
        let value_before = matches!(command, Command::Write { .. }).then(|| self.value(lock)).flatten();
        let command = if self.options.bug == Bug::ExpiryInSeconds { in_seconds(command, now) } else { command };
        let (answer, effects) = match self.shown_although_expired(command) {
            Some(answer) => (answer, Vec::new()),
            None => commands::carry_out(&mut self.keys, command, now),
        };
        self.tell_change(ctx, lock, before, (client, request, fence_of(command, &answer)));
        if let Command::Write { token, value, guarded, .. } = command {
            let hold = Hold { lock, token };
            // By what is stored: an answer alone is no write. It decides where the same value was there before.
            let value_after = self.value(lock);
            let is_granted = matches!(answer, Answer::Ok | Answer::Integer(1));
            let is_stored = value_after == Some(value.to_string().into_bytes());
            let is_written = is_stored && (is_granted || value_after != value_before);
            match (guarded, is_written) {
                (true, true) => ctx.observe(LockObservation::GuardedWrite { hold, value }),
                (true, false) => ctx.observe(LockObservation::GuardedRefusal(hold)),
                (false, true) => ctx.observe(LockObservation::PlainWrite { hold, value }),
                (false, false) => {}
            }
        }
        self.answer(ctx, client, Wire::Answer { request, answer }, effects.clone());
        self.send_on(ctx, client, &effects);
    }

    /// Known bug: what a replica answers to `GET` without a look at the deadline.
    fn shown_although_expired(&self, command: Command) -> Option<Answer> {
        let Command::Owner { lock } = command else { return None };
        if self.options.bug != Bug::ReplicaShowsExpired || self.master.is_none() {
            return None;
        }
        match &self.keyspace().entry(&lock.key())?.value {
            redis::value::Value::String(text) => Some(Answer::Bulk(text.clone())),
            redis::value::Value::Hash(_) => None,
        }
    }

    /// Carries out a command about the data beside the locks, and answers it. It may touch locks too: what it does to
    /// those that it names is told.
    fn serve_call(&mut self, ctx: &mut Ctx<'_>, client: NodeId, request: RequestId, words: &[Vec<u8>]) {
        let refusal = match words.is_empty() {
            true => Some("ERR Protocol error: a command has a name".to_owned()),
            false => self.refusal(ctx, redis::Server::may_write(words)),
        };
        if let Some(refusal) = refusal {
            return ctx.send(client, Wire::Called { request, reply: redis::Reply::error(&refusal) });
        }
        let locks: BTreeSet<LockId> = words.iter().filter_map(|word| LockId::of_key(word)).collect();
        let before: Vec<_> = locks.into_iter().map(|lock| (lock, self.state(lock))).collect();
        let redis::Executed { reply, effects, .. } = self.keys.ask(words, unix_millis(ctx));
        for (lock, before) in before {
            self.tell_change(ctx, lock, before, (client, request, None));
        }
        self.answer(ctx, client, Wire::Called { request, reply }, effects.clone());
        self.send_on(ctx, client, &effects);
    }

    /// What a client has changed goes to the replicas, after the append-only file has it as far as the policy asks.
    fn send_on(&mut self, ctx: &mut Ctx<'_>, client: NodeId, effects: &[Effect]) {
        if !effects.is_empty() {
            self.propagate(ctx, effects);
            self.last_writes.insert(client, self.stream.offset);
        }
    }

    /// Why a command is refused before it is looked at.
    fn refusal(&mut self, ctx: &mut Ctx<'_>, is_write: bool) -> Option<String> {
        if !is_write || self.master.is_some() {
            return None;
        }
        if self.good_replicas(ctx) < self.options.min_replicas {
            ctx.observe(LockObservation::TooFewReplicas);
            return Some("NOREPLICAS Not enough good replicas to write.".to_owned());
        }
        if self.file.has_failed() {
            return Some("MISCONF Errors writing to the AOF file: No space left on device".to_owned());
        }
        None
    }

    /// An answer leaves when the append-only file has what led to it, as far as the policy asks for it.
    fn answer(&mut self, ctx: &mut Ctx<'_>, client: NodeId, answer: Wire, effects: Vec<Effect>) {
        let effects = self.for_file(ctx, effects);
        match self.options.append_fsync {
            AppendFsync::Off => ctx.send(client, answer),
            _ if effects.is_empty() => ctx.send(client, answer),
            AppendFsync::Always if self.options.bug == Bug::AnswerBeforeSync => {
                ctx.send(client, answer);
                self.file.persist(ctx, effects);
            }
            AppendFsync::Always => {
                let write = self.file.persist(ctx, effects);
                ctx.send_after(write, client, answer);
            }
            AppendFsync::EverySecond | AppendFsync::Never => {
                self.file.append(ctx, effects, Some((client, answer)));
            }
        }
    }

    /// Effects that no client waits for.
    fn append(&mut self, ctx: &mut Ctx<'_>, effects: Vec<Effect>) {
        let effects = self.for_file(ctx, effects);
        match self.options.append_fsync {
            _ if effects.is_empty() => {}
            AppendFsync::Off => {}
            AppendFsync::Always => drop(self.file.persist(ctx, effects)),
            AppendFsync::EverySecond | AppendFsync::Never => drop(self.file.append(ctx, effects, None)),
        }
    }

    fn for_file(&self, ctx: &Ctx<'_>, effects: Vec<Effect>) -> Vec<Effect> {
        if self.options.bug != Bug::RelativeExpiryInFile {
            return effects;
        }
        let now = unix_millis(ctx);
        effects.into_iter().map(|effect| effect.relative(now)).collect()
    }

    /// A round of active expiry. A replica waits for its master.
    fn expire(&mut self, ctx: &mut Ctx<'_>) {
        let now = unix_millis(ctx);
        if self.master.is_some() {
            return;
        }
        let due = self.keyspace().expired(now, EXPIRED_MAX);
        let held = |key: Vec<u8>| hold_of(&key, self.keyspace().entry(&key)?).map(|hold| (key, hold));
        let held: Vec<(Vec<u8>, Hold)> = due.into_iter().filter_map(held).collect();
        let effects = self.keys.expire(now, EXPIRED_MAX);
        for (key, hold) in held {
            if self.keyspace().entry(&key).is_none() {
                ctx.observe(LockObservation::Expired(hold));
            }
        }
        self.append(ctx, effects.clone());
        self.propagate(ctx, &effects);
    }

    /// What is stored for a lock.
    fn state(&self, lock: LockId) -> Option<State> {
        let key = lock.key();
        let entry = self.keyspace().entry(&key)?;
        Some(State { hold: hold_of(&key, entry)?, deadline: entry.deadline })
    }

    /// What was last written under a lock.
    fn value(&self, lock: LockId) -> Option<Vec<u8>> {
        match &self.keyspace().entry(&lock.value_key())?.value {
            redis::value::Value::String(text) => Some(text.clone()),
            redis::value::Value::Hash(_) => None,
        }
    }

    /// Tells what a command has done to a lock, by what was there before and what is there now.
    fn tell_change(
        &self,
        ctx: &mut Ctx<'_>,
        lock: LockId,
        before: Option<State>,
        (client, request, fence): (NodeId, RequestId, Option<u64>),
    ) {
        if self.master.is_some() {
            return;
        }
        let now = unix_millis(ctx);
        let after = self.state(lock);
        let is_expired = |state: &State| state.deadline.is_some_and(|deadline| now > deadline);
        let lived = before.filter(|state| !is_expired(state));
        if let Some(state) = before.filter(|state| is_expired(state) && Some(state) != after.as_ref()) {
            ctx.observe(LockObservation::Expired(state.hold));
        }
        match (lived, after) {
            (Some(before), Some(after)) if before.hold == after.hold => {
                if before.deadline != after.deadline {
                    ctx.observe(LockObservation::Renewed { hold: after.hold, client, request });
                }
            }
            (lived, after) => {
                if let Some(before) = lived {
                    ctx.observe(LockObservation::Freed { hold: before.hold, client });
                }
                if let Some(State { hold, .. }) = after.filter(|state| !is_expired(state)) {
                    ctx.observe(LockObservation::Granted { hold, client, request, fence });
                }
            }
        }
    }
}

/// What is stored for a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    hold: Hold,
    deadline: Option<i64>,
}

/// Known bug: what a command sets ends with a whole second of the wall clock.
fn in_seconds(mut command: Command, now: i64) -> Command {
    if let Command::Acquire { time_to_live: Some(life), .. }
    | Command::Expire { time_to_live: life, .. }
    | Command::Extend { time_to_live: life, .. }
    | Command::Overwrite { time_to_live: life, .. } = &mut command
    {
        let into_second = (now.unsigned_abs() + life.as_millis()) % 1_000;
        *life = life.saturating_sub(Duration::from_millis(into_second));
    }
    command
}

/// The fencing token that came with a grant.
fn fence_of(command: Command, answer: &Answer) -> Option<u64> {
    match (command, answer) {
        (Command::Acquire { fenced: true, .. }, Answer::Integer(fence)) => u64::try_from(*fence).ok(),
        _ => None,
    }
}

/// The lock and the holder that a key and its value stand for; `None` if it is no lock.
fn hold_of(key: &[u8], entry: &redis::keyspace::Entry) -> Option<Hold> {
    let redis::value::Value::String(text) = &entry.value else { return None };
    Some(Hold { lock: LockId::of_key(key)?, token: Token::of_text(text)? })
}

/// Milliseconds since 1970 on the node's wall clock.
pub(crate) fn unix_millis<N: Node>(ctx: &Context<N>) -> i64 {
    i64::try_from(ctx.wall().as_nanos() / 1_000_000).expect("a wall clock is far from the end of time")
}
