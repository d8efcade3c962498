//! A host for one node, without a world: for unit tests of a protocol, and as the inside of hosts that have real time,
//! real peers and real disks.
//!
//! ```text
//!   start, message, connection, operation … ──▶ ┌──────┐ ──▶ take: the effects, in order
//!   advance, fire: the node's own clock     ──▶ │ Host │
//!   sync, fail_write, crash, start again    ──▶ └──────┘ ──▶ node, files, timers: to look at
//! ```
//!
//! Nothing happens by itself: time stands still, writes stay under way, and deferred work waits, until the caller says
//! so. There is no network: the caller is every peer.
//!
//! ```
//! use splitbrain_kernel::host::Host;
//! use splitbrain_kernel::prelude::*;
//! # use serde::{Deserialize, Serialize};
//!
//! /// Counts what it is asked to, and acknowledges what is durable.
//! #[derive(Debug)]
//! struct Counter(u64);
//! # #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
//! # enum Talk { Add(u64), Added(u64) }
//! # impl Message for Talk {
//! #     const KINDS: &'static [&'static str] = &["add", "added"];
//! #     fn kind(&self) -> usize { matches!(self, Self::Added(_)).into() }
//! # }
//! # #[derive(Clone, Debug, Serialize)]
//! # enum Nothing {}
//! # impl Observation for Nothing {
//! #     const NAMES: &'static [&'static str] = &[];
//! #     fn face(&self) -> Face { match *self {} }
//! # }
//! # impl Node for Counter {
//! #     type Message = Talk; type Timer = (); type Record = u64; type Observation = Nothing;
//! #     type Operation = (); type Response = (); type Order = (); type Step = ();
//! #     fn on_start(&mut self, _: &mut Context<Self>) {}
//! #     fn on_message(&mut self, ctx: &mut Context<Self>, source: Source, message: Talk) {
//! #         let Talk::Add(more) = message else { return };
//! #         self.0 += more;
//! #         let write = ctx.save(FileId(0), self.0);
//! #         ctx.send_after(write, source.node, Talk::Added(self.0));
//! #     }
//! #     fn on_timer(&mut self, _: &mut Context<Self>, (): ()) {}
//! # }
//! // `impl Node for Counter` is left out here.
//!
//! let peer = NodeId::client(1);
//! let kept = |disk: Recovered<u64>| disk.last(FileId(0)).and_then(Stored::intact).copied().unwrap_or(0);
//! let mut host = Host::new(NodeId::server(1), Seed(1), move |disk| Counter(kept(disk)));
//! host.start();
//! host.message(peer, Talk::Add(3));
//! assert!(host.take_sent().is_empty(), "it is not durable yet");
//! host.sync();
//! assert_eq!(host.take_sent(), [(peer, Talk::Added(3))]);
//!
//! host.message(peer, Talk::Add(4));
//! host.crash_machine(0);
//! host.start();
//! assert_eq!(host.node().expect("it runs").0, 3, "the second write was not synced");
//! ```

pub mod script;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use crate::context::{Context, Effect, Notice};

use crate::files::Files;
use crate::id::NodeId;
use crate::node::{
    Completion, ConnectionChange, ConnectionEvent, ConnectionId, DiskError, Node, Recovered, Source, Write, WriteId,
};
use crate::rng::Seed;
use crate::system::System;
use crate::time::{Duration, Instant, Offset};

/// Timers that fire at one instant before it is taken for a loop without end.
const FIRED_MAX: u32 = 100_000;

type Make<N> = Box<dyn FnMut(Recovered<<N as Node>::Record>) -> N + Send>;

/// One node with its clocks, its timers and its disk.
///
/// - Effects are kept in the order in which they leave the node. One that is tied to a write leaves when the write is
///   durable, just before the node hears of that.
/// - A process that is down takes no input: what is meant for it is lost.
/// - Wherever the world does something by itself (latencies, a prefix that a crash keeps), the caller says it here.
pub struct Host<N: Node> {
    id: NodeId,
    make: Make<N>,
    node: Option<N>,
    ctx: Context<N>,
    starts: u32,
    now: Instant,
    wall: Offset,
    timers: BTreeMap<N::Timer, Instant>,
    steps: VecDeque<N::Step>,
    /// Writes that were asked for and are not in the cache yet.
    in_flight: VecDeque<(WriteId, Write<N::Record>, Notice)>,
    /// Writes that survive the process, not the machine.
    cache: VecDeque<(WriteId, Write<N::Record>)>,
    /// Syncs that were asked for, each with the last write that it covers.
    syncs: VecDeque<WriteId>,
    last_write: WriteId,
    files: Files<N::Record>,
    tied: Vec<(WriteId, Effect<N>)>,
    effects: Vec<Effect<N>>,
}

impl<N: Node> fmt::Debug for Host<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Host");
        shown.field("id", &self.id).field("now", &self.now).field("node", &self.node);
        shown.field("timers", &self.timers).field("files", &self.files).finish_non_exhaustive()
    }
}

impl<N: Node> Host<N> {
    /// A host for the node with this id, which is made from what its disk kept at each start. It is down until
    /// [`Host::start`]. Its random stream is the one that the world gives a node of this id and seed.
    pub fn new(id: NodeId, seed: Seed, make: impl FnMut(Recovered<N::Record>) -> N + Send + 'static) -> Self {
        Self {
            id,
            make: Box::new(make),
            node: None,
            ctx: Context::new(id, seed.stream("node", id.key())),
            starts: 0,
            now: Instant::ZERO,
            wall: Offset(0),
            timers: BTreeMap::new(),
            steps: VecDeque::new(),
            in_flight: VecDeque::new(),
            cache: VecDeque::new(),
            syncs: VecDeque::new(),
            last_write: WriteId(0),
            files: Files::new(),
            tied: Vec::new(),
            effects: Vec::new(),
        }
    }

    /// A host for a node of a system.
    pub fn of<S: System<Node = N>>(system: &S, id: NodeId, seed: Seed) -> Self {
        let system = system.clone();
        Self::new(id, seed, move |recovered| system.node(id, recovered))
    }

    /// The same host in another process of its machine: its disk keeps these files, and the node was started this many
    /// times before. Its random stream is another one for each start.
    #[must_use]
    pub fn resumed(mut self, files: Files<N::Record>, starts: u32) -> Self {
        self.ctx.resume(starts);
        Self { files, starts, ..self }
    }

    /// Which node.
    pub const fn id(&self) -> NodeId {
        self.id
    }

    /// The node's value. `None` if its process is down.
    pub const fn node(&self) -> Option<&N> {
        self.node.as_ref()
    }

    // Inputs. Each is handled at once, and what it led to is in `take`.

    /// The process starts, for the first time or after a crash.
    ///
    /// # Panics
    /// If it runs already.
    pub fn start(&mut self) {
        assert!(self.node.is_none(), "{} runs already: crash it first", self.id);
        let recovered = self.recovered();
        self.node = Some((self.make)(recovered));
        self.ctx.set_incarnation(self.starts);
        self.starts += 1;
        self.call(|node, ctx| node.on_start(ctx));
    }

    /// A message arrives as a datagram.
    pub fn message(&mut self, source: NodeId, message: N::Message) {
        self.message_from(Source { node: source, connection: None }, message);
    }

    /// A message arrives, as a datagram or over a connection.
    pub fn message_from(&mut self, source: Source, message: N::Message) {
        self.call(|node, ctx| node.on_message(ctx, source, message));
    }

    /// A connection changes, as this node sees it.
    pub fn connection(&mut self, connection: ConnectionId, peer: NodeId, change: ConnectionChange) {
        self.call(|node, ctx| node.on_connection(ctx, ConnectionEvent { connection, peer, change }));
    }

    /// The workload asks for an operation.
    pub fn operation(&mut self, operation: N::Operation) {
        self.call(|node, ctx| node.on_operation(ctx, operation));
    }

    /// The scenario gives an order.
    pub fn order(&mut self, order: N::Order) {
        self.call(|node, ctx| node.on_order(ctx, order));
    }

    /// The oldest work that the node deferred comes back. Returns whether there was any.
    pub fn step(&mut self) -> bool {
        let step = self.steps.pop_front();
        step.map(|step| self.call(|node, ctx| node.on_step(ctx, step))).is_some()
    }

    // Time: the node's monotonic clock, which timers run on.

    /// The monotonic clock.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// The timers that are set, each with when it is due.
    pub const fn timers(&self) -> &BTreeMap<N::Timer, Instant> {
        &self.timers
    }

    /// Time passes and no timer fires: the process is busy elsewhere. What is due meanwhile is late.
    pub fn pass(&mut self, span: Duration) {
        self.now = self.now.saturating_add(span);
    }

    /// Time passes, and timers fire as they come due: the earliest first, at one instant in their order.
    pub fn advance(&mut self, span: Duration) {
        self.advance_to(self.now.saturating_add(span));
    }

    /// The same, up to this instant; nothing happens if it is past.
    ///
    /// # Panics
    /// If timers are set again and again for one instant.
    pub fn advance_to(&mut self, end: Instant) {
        let mut fired = 0;
        while let Some((at, timer)) = self.next_timer().filter(|(at, _)| *at <= end) {
            fired = if at > self.now { 0 } else { fired + 1 };
            assert!(fired < FIRED_MAX, "the timer {timer:?} of {} comes back without end at {at}", self.id);
            self.fire(timer);
        }
        self.now = self.now.max(end);
    }

    /// Time passes until this timer is due, and it alone fires.
    ///
    /// # Panics
    /// If the timer is not set.
    pub fn fire(&mut self, timer: N::Timer) {
        let at = self.timers.remove(&timer);
        let at = at.unwrap_or_else(|| panic!("the timer {timer:?} of {} is not set: {:?}", self.id, self.timers));
        self.now = self.now.max(at);
        self.call(|node, ctx| node.on_timer(ctx, timer));
    }

    /// When the next timer is due, and which one. `None` if none is set.
    pub fn next_timer(&self) -> Option<(Instant, N::Timer)> {
        self.timers.iter().map(|(timer, at)| (*at, *timer)).min()
    }

    /// The wall clock jumps. The monotonic one, and so timers, do not.
    pub const fn step_wall(&mut self, by: Offset) {
        self.wall.0 = self.wall.0.saturating_add(by.0);
    }

    /// The wall clock.
    pub fn wall(&self) -> Instant {
        let span = Duration::from_nanos(self.wall.0.unsigned_abs());
        match self.wall.0 < 0 {
            true => Instant::ZERO.saturating_add(self.now.since(Instant::ZERO.saturating_add(span))),
            false => self.now.saturating_add(span),
        }
    }

    // The disk: in flight, then in the cache, then in the files.

    /// Every write that is under way reaches the page cache: it survives a crash of the process from now on.
    pub fn complete_writes(&mut self) {
        while self.complete_write() {}
    }

    /// Every write and every sync that was asked for completes, and those that the node asks for meanwhile.
    pub fn sync(&mut self) {
        loop {
            self.complete_writes();
            if !self.complete_sync() {
                return;
            }
        }
    }

    /// Every write and every sync that was asked for so far completes, and none that the node asks for meanwhile.
    /// Returns whether there was any.
    pub fn sync_asked(&mut self) -> bool {
        let (writes, syncs) = (self.in_flight.len(), self.syncs.len());
        for _ in 0..writes {
            self.complete_write();
        }
        for _ in 0..syncs {
            self.complete_sync();
        }
        writes + syncs > 0
    }

    /// The oldest write that is under way reaches the page cache. Returns whether there was one.
    fn complete_write(&mut self) -> bool {
        let Some((id, write, notice)) = self.in_flight.pop_front() else { return false };
        self.cache.push_back((id, write));
        if notice == Notice::Written {
            self.durable(Completion::Written(id));
        }
        true
    }

    /// The oldest sync completes. Returns whether there was one.
    fn complete_sync(&mut self) -> bool {
        let Some(through) = self.syncs.pop_front() else { return false };
        while self.cache.front().is_some_and(|(id, _)| *id <= through) {
            let (_, write) = self.cache.pop_front().expect("there is a first write in the cache");
            self.files.apply(write);
        }
        self.release(through);
        self.durable(Completion::Durable(through));
        true
    }

    /// The oldest write that is under way fails. What is tied to it never leaves.
    ///
    /// # Panics
    /// If no write is under way.
    pub fn fail_write(&mut self, error: DiskError) {
        let (id, _, _) = self.in_flight.pop_front().expect("a write is under way");
        self.tied.retain(|(write, _)| *write != id);
        self.durable(Completion::Failed(id, error));
    }

    /// The node hears of a completion that the caller makes up; the disk does nothing.
    pub fn completion(&mut self, completion: Completion) {
        self.durable(completion);
    }

    /// What is durable.
    pub const fn files(&self) -> &Files<N::Record> {
        &self.files
    }

    /// What is durable, to be damaged.
    pub const fn files_mut(&mut self) -> &mut Files<N::Record> {
        &mut self.files
    }

    /// What a process that starts now would be given.
    pub fn recovered(&self) -> Recovered<N::Record> {
        let mut files = self.files.clone();
        self.cache.iter().for_each(|(_, write)| files.apply(write.clone()));
        files.into_recovered()
    }

    // Crashes.

    /// The process ends: its value, its timers, deferred work, tied effects and writes under way are lost.
    pub fn crash_process(&mut self) {
        self.node = None;
        self.timers.clear();
        self.steps.clear();
        self.in_flight.clear();
        self.syncs.clear();
        self.tied.clear();
    }

    /// The machine ends: of the writes in the page cache the first `kept` stay, and what was synced.
    pub fn crash_machine(&mut self, kept: usize) {
        self.crash_process();
        let kept = kept.min(self.cache.len());
        self.cache.drain(..kept).for_each(|(_, write)| self.files.apply(write));
        self.cache.clear();
    }

    // What the node did.

    /// The effects since the last look, in the order in which they left.
    pub fn take(&mut self) -> Vec<Effect<N>> {
        std::mem::take(&mut self.effects)
    }

    /// The messages since the last look, each with its target. The other effects stay.
    pub fn take_sent(&mut self) -> Vec<(NodeId, N::Message)> {
        self.take_some(|effect| match effect {
            Effect::Send { target, message, .. } => Ok((target, message)),
            other => Err(other),
        })
    }

    /// The observations since the last look. The other effects stay.
    pub fn take_observed(&mut self) -> Vec<N::Observation> {
        self.take_some(|effect| match effect {
            Effect::Observe(observation) => Ok(observation),
            other => Err(other),
        })
    }

    fn take_some<T>(&mut self, pick: impl Fn(Effect<N>) -> Result<T, Effect<N>>) -> Vec<T> {
        let mut taken = Vec::new();
        for effect in std::mem::take(&mut self.effects) {
            match pick(effect) {
                Ok(one) => taken.push(one),
                Err(other) => self.effects.push(other),
            }
        }
        taken
    }

    fn call(&mut self, input: impl FnOnce(&mut N, &mut Context<N>)) {
        self.ctx.set_clocks(self.now, self.wall());
        let Some(node) = &mut self.node else { return };
        input(node, &mut self.ctx);
        let effects = std::mem::take(self.ctx.effects());
        self.tied.append(self.ctx.tied());
        let exits = effects.iter().any(|effect| matches!(effect, Effect::Exit(_)));
        effects.into_iter().for_each(|effect| self.carry_out(effect));
        if exits {
            // After all else that the node asked for: a timer that is set after the exit dies with the process.
            self.crash_process();
        }
    }

    fn durable(&mut self, completion: Completion) {
        self.call(|node, ctx| node.on_durable(ctx, completion));
    }

    /// What is tied to writes up to this one leaves, in order.
    fn release(&mut self, through: WriteId) {
        let tied = std::mem::take(&mut self.tied);
        let (ready, waiting) = tied.into_iter().partition(|(write, _)| *write <= through);
        self.tied = waiting;
        let ready: Vec<(WriteId, Effect<N>)> = ready;
        ready.into_iter().for_each(|(_, effect)| self.carry_out(effect));
    }

    fn carry_out(&mut self, effect: Effect<N>) {
        match &effect {
            Effect::SetTimer { timer, at } => {
                self.timers.insert(*timer, *at);
            }
            Effect::CancelTimer(timer) => {
                self.timers.remove(timer);
            }
            Effect::Defer(step) => self.steps.push_back(step.clone()),
            Effect::Write { id, write, notice } => {
                self.last_write = *id;
                self.in_flight.push_back((*id, write.clone(), *notice));
            }
            Effect::Sync => self.syncs.push_back(self.last_write),
            Effect::Send { .. }
            | Effect::Connect { .. }
            | Effect::Close(_)
            | Effect::Invoke { .. }
            | Effect::Complete { .. }
            | Effect::Observe(_)
            | Effect::Exit(_) => {}
        }
        self.effects.push(effect);
    }
}

#[cfg(test)]
mod tests;
