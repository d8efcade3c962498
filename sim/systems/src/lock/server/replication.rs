//! Asynchronous replication of effects: a master streams what it changes, replicas acknowledge once a second, and one
//! who has fallen out of the stream gets the whole data.

use std::collections::VecDeque;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::time::{Duration, Instant};

use crate::lock::bug::Bug;
use crate::lock::client::Ctx;
use crate::lock::message::{Answer, RequestId, Wire};
use crate::lock::node::LockTimer;
use crate::lock::observation::LockObservation;
use crate::lock::options::StreamDeadlines;
use crate::lock::redis::value::Value;
use crate::lock::redis::{self, Effect};

use super::{Redis, unix_millis};

/// Effects that a master keeps for replicas that were away.
const BACKLOG_MAX: usize = 256;

/// A stream of effects.
#[derive(Clone, Debug, Default)]
pub(super) struct Stream {
    /// Its name: drawn by the master that began it.
    id: u64,
    /// How many effects it has.
    pub(super) offset: u64,
    /// The last ones.
    backlog: VecDeque<Effect>,
}

impl Stream {
    /// A stream that begins here.
    pub(super) const fn begin(id: u64, offset: u64) -> Self {
        // 0 is no stream.
        Self { id: id | 1, offset, backlog: VecDeque::new() }
    }

    fn push(&mut self, effects: &[Effect]) {
        self.offset += effects.len() as u64;
        self.backlog.extend(effects.iter().cloned());
        let surplus = self.backlog.len().saturating_sub(BACKLOG_MAX);
        self.backlog.drain(..surplus);
    }

    /// The effects from an offset on; `None` if they are no longer kept.
    fn since(&self, offset: u64) -> Option<Vec<Effect>> {
        let missing = usize::try_from(self.offset.checked_sub(offset)?).ok()?;
        let skipped = self.backlog.len().checked_sub(missing)?;
        Some(self.backlog.iter().skip(skipped).cloned().collect())
    }
}

/// A replica, as its master knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Replica {
    /// How much of the stream it has.
    offset: u64,
    /// When it was heard of.
    heard: Instant,
    /// Whether it follows the stream.
    follows: bool,
}

/// A client that waits for replicas.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    client: NodeId,
    request: RequestId,
    /// How many must have this much.
    replicas: u64,
    offset: u64,
}

impl Redis {
    /// What has changed goes to the replicas.
    pub(super) fn propagate(&mut self, ctx: &mut Ctx<'_>, effects: &[Effect]) {
        if effects.is_empty() {
            return;
        }
        let (stream, offset) = (self.stream.id, self.stream.offset);
        let effects = self.for_stream(ctx, effects);
        self.stream.push(&effects);
        for (replica, known) in &self.replicas {
            if known.follows {
                self.send_replica(ctx, *replica, Wire::Effects { stream, offset, effects: effects.clone() });
            }
        }
    }

    /// Sends to a replica what is in the stream. A real server syncs its file before it writes to any client, with
    /// `append_fsync = "always"`, and its replicas are clients too.
    fn send_replica(&self, ctx: &mut Ctx<'_>, replica: NodeId, message: Wire) {
        match self.file.last_synced() {
            Some(write) => ctx.send_after(write, replica, message),
            None => ctx.send(replica, message),
        }
    }

    /// What was changed, in the words of the version.
    fn for_stream(&self, ctx: &Ctx<'_>, effects: &[Effect]) -> Vec<Effect> {
        let now = unix_millis(ctx);
        let in_words = |effect: &Effect| match self.options.stream_deadlines {
            StreamDeadlines::Absolute => effect.clone(),
            StreamDeadlines::Relative => effect.clone().relative(now),
        };
        effects.iter().map(in_words).collect()
    }

    /// A replica says how much it has: it gets what it lacks.
    pub(super) fn on_acknowledge(&mut self, ctx: &mut Ctx<'_>, replica: NodeId, stream: u64, offset: u64) {
        if self.master.is_some() {
            return;
        }
        let follows = stream == self.stream.id && offset <= self.stream.offset;
        let known = Replica { offset: if follows { offset } else { 0 }, heard: ctx.now(), follows };
        self.replicas.insert(replica, known);
        match self.stream.since(offset).filter(|_| follows) {
            Some(effects) if effects.is_empty() => {}
            Some(effects) => {
                self.send_replica(ctx, replica, Wire::Effects { stream, offset, effects });
                if !self.waits.is_empty() {
                    self.ask_for_acknowledgement(ctx, replica);
                }
            }
            None => self.send_snapshot(ctx, replica),
        }
        self.end_satisfied_waits(ctx);
    }

    fn send_snapshot(&mut self, ctx: &mut Ctx<'_>, replica: NodeId) {
        let (stream, offset) = (self.stream.id, self.stream.offset);
        self.send_replica(ctx, replica, Wire::Snapshot { stream, offset, effects: self.data() });
        if let Some(known) = self.replicas.get_mut(&replica) {
            // What comes next follows the snapshot, if that arrives.
            known.follows = true;
        }
    }

    /// All data, as commands that make it.
    fn data(&self) -> Vec<Effect> {
        let mut effects = Vec::new();
        for (key, entry) in self.keyspace().iter() {
            let mut arguments = match &entry.value {
                Value::String(text) => vec![b"SET".to_vec(), key.to_vec(), text.clone()],
                Value::Hash(hash) => {
                    let fields = hash.iter().flat_map(|(field, value)| [field.to_vec(), value.to_vec()]);
                    [b"HSET".to_vec(), key.to_vec()].into_iter().chain(fields).collect()
                }
            };
            let deadline = entry.deadline.map(|deadline| deadline.to_string().into_bytes());
            match (&entry.value, deadline) {
                (Value::String(_), Some(deadline)) => arguments.extend([b"PXAT".to_vec(), deadline]),
                (Value::Hash(_), Some(deadline)) => {
                    effects.push(Effect { database: 0, arguments: std::mem::take(&mut arguments) });
                    arguments = vec![b"PEXPIREAT".to_vec(), key.to_vec(), deadline];
                }
                (_, None) => {}
            }
            effects.push(Effect { database: 0, arguments });
        }
        effects
    }

    /// A replica says how much it has, once a second, and at once if it has fallen out of the stream.
    pub(super) fn acknowledge(&mut self, ctx: &mut Ctx<'_>) {
        if let Some(master) = self.master {
            ctx.send(master, Wire::Acknowledge { stream: self.stream.id, offset: self.stream.offset });
        }
    }

    pub(super) fn on_snapshot(&mut self, ctx: &mut Ctx<'_>, source: NodeId, (id, at): (u64, u64), effects: &[Effect]) {
        let is_old = id == self.stream.id && at <= self.stream.offset;
        if self.master != Some(source) || is_old {
            return;
        }
        self.keys = redis::Server::new();
        self.keys.set_role(redis::Role::Replica);
        let applied = self.keys.apply(effects, unix_millis(ctx));
        debug_assert!(applied.is_ok(), "a snapshot is made of commands");
        self.stream = Stream::begin(id, at);
        self.file.rewrite(ctx, effects.to_vec());
        ctx.observe(LockObservation::Resynchronised);
        self.acknowledge(ctx);
    }

    pub(super) fn on_effects(&mut self, ctx: &mut Ctx<'_>, source: NodeId, (id, at): (u64, u64), effects: &[Effect]) {
        if self.master != Some(source) {
            return;
        }
        let known = self.stream.offset.saturating_sub(at) as usize;
        if id != self.stream.id || at > self.stream.offset || (known == 0 && effects.is_empty()) {
            return self.acknowledge(ctx);
        }
        // What it has already may come once more.
        let Some(fresh) = effects.get(known..).filter(|fresh| !fresh.is_empty()) else { return };
        let applied = self.keys.apply(fresh, unix_millis(ctx));
        debug_assert!(applied.is_ok(), "a stream is made of commands");
        self.stream.push(fresh);
        self.append(ctx, fresh.to_vec());
    }

    /// How many replicas were heard of lately.
    pub(super) fn good_replicas(&self, ctx: &Ctx<'_>) -> u64 {
        let is_good = |replica: &&Replica| replica.follows && ctx.now().since(replica.heard) <= self.options.max_lag;
        self.replicas.values().filter(is_good).count() as u64
    }

    /// `WAIT`: the answer waits for replicas, which are asked to acknowledge at once.
    pub(super) fn wait(
        &mut self,
        ctx: &mut Ctx<'_>,
        client: NodeId,
        request: RequestId,
        (replicas, timeout): (u64, Duration),
    ) {
        if self.master.is_some() {
            let text = "ERR WAIT cannot be used with replica instances.".to_owned();
            return ctx.send(client, Wire::Answer { request, answer: Answer::Error(text) });
        }
        let offset = self.last_writes.get(&client).copied().unwrap_or(0);
        let number = self.next_wait;
        self.next_wait += 1;
        self.waits.insert(number, Wait { client, request, replicas, offset });
        ctx.set_timer(LockTimer::Wait(number), timeout);
        self.replicas.keys().for_each(|replica| self.ask_for_acknowledgement(ctx, *replica));
        self.end_satisfied_waits(ctx);
    }

    /// `REPLCONF GETACK`.
    fn ask_for_acknowledgement(&self, ctx: &mut Ctx<'_>, replica: NodeId) {
        let (stream, offset) = (self.stream.id, self.stream.offset);
        self.send_replica(ctx, replica, Wire::Effects { stream, offset, effects: Vec::new() });
    }

    fn acknowledged(&self, offset: u64) -> u64 {
        self.replicas.values().filter(|replica| replica.follows && replica.offset >= offset).count() as u64
    }

    fn end_satisfied_waits(&mut self, ctx: &mut Ctx<'_>) {
        let satisfied = |wait: &Wait| self.acknowledged(wait.offset) >= wait.replicas;
        let ended: Vec<u64> =
            self.waits.iter().filter(|(_, wait)| satisfied(wait)).map(|(number, _)| *number).collect();
        for number in ended {
            ctx.cancel_timer(LockTimer::Wait(number));
            self.end_wait(ctx, number);
        }
    }

    pub(super) fn end_wait(&mut self, ctx: &mut Ctx<'_>, number: u64) {
        let Some(wait) = self.waits.remove(&number) else { return };
        let count = i64::try_from(self.acknowledged(wait.offset)).unwrap_or(i64::MAX);
        ctx.send(wait.client, Wire::Answer { request: wait.request, answer: Answer::Integer(count) });
    }

    pub(super) const fn pong(&self) -> Wire {
        Wire::Pong { master: self.master, epoch: self.epoch, offset: self.stream.offset }
    }

    /// It becomes the master, with what it has.
    pub(super) fn promote(&mut self, ctx: &mut Ctx<'_>, epoch: u64) {
        if self.master.is_none() && self.epoch == epoch {
            return;
        }
        self.master = None;
        self.epoch = epoch;
        self.keys.set_role(redis::Role::Master);
        self.stream = Stream::begin(ctx.rng().word(), self.stream.offset);
        self.replicas.clear();
        self.keep_role(ctx);
        self.tell_kept(ctx);
        self.tell_role(ctx);
    }

    /// It becomes a replica, and will drop what its master does not have.
    pub(super) fn follow(&mut self, ctx: &mut Ctx<'_>, master: NodeId, epoch: u64) {
        let is_known = self.master == Some(master) && self.epoch == epoch;
        if is_known || master == ctx.id() {
            return;
        }
        self.master = Some(master);
        self.epoch = epoch;
        self.keys.set_role(redis::Role::Replica);
        self.replicas.clear();
        std::mem::take(&mut self.waits).into_keys().for_each(|number| ctx.cancel_timer(LockTimer::Wait(number)));
        self.keep_role(ctx);
        self.tell_role(ctx);
        self.acknowledge(ctx);
    }

    /// The order `replicaof`.
    pub(in crate::lock) fn on_replica_of(&mut self, ctx: &mut Ctx<'_>, master: Option<NodeId>) {
        let epoch = self.epoch + 1;
        match master {
            None => self.promote(ctx, epoch),
            Some(master) => self.follow(ctx, master, epoch),
        }
    }

    fn keep_role(&mut self, ctx: &mut Ctx<'_>) {
        if self.options.bug != Bug::RoleNotKept {
            self.file.keep_role(ctx, self.master, self.epoch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effects(numbers: std::ops::Range<u64>) -> Vec<Effect> {
        numbers.map(|number| Effect { database: 0, arguments: vec![number.to_string().into_bytes()] }).collect()
    }

    #[test]
    fn a_stream_gives_what_comes_after_an_offset_as_long_as_it_is_kept() {
        let mut stream = Stream::begin(5, 10);
        stream.push(&effects(10..13));
        assert_eq!(stream.since(11), Some(effects(11..13)));
        assert_eq!(stream.since(13), Some(Vec::new()));
        assert_eq!(stream.since(9), None, "from before the stream");
        assert_eq!(stream.since(14), None, "it is not there yet");
        stream.push(&effects(13..13 + BACKLOG_MAX as u64));
        assert_eq!(stream.since(12), None, "no longer kept");
        assert_eq!(stream.since(13), Some(effects(13..13 + BACKLOG_MAX as u64)));
    }
}
