//! A world whose events are woken by another scheduler: a host with tasks and a time of its own.
//!
//! ```text
//!   world ──wakes──▶ host: lets time pass, in its own order ──wake──▶ world: one input of one node ──▶ its effects
//! ```
//!
//! What happens to a packet, a write and a clock is decided here as ever, and looked at again when the wake comes up.
//! When it comes up, and in which order among several, is the host's: never early, mostly a little late.

use std::collections::{BTreeMap, BTreeSet};

use crate::context::Context;
use crate::digest::Tag;
use crate::history::HistoryOf;
use crate::id::NodeId;
use crate::queue::{EntryRef, Key, Queue};
use crate::rng::Seed;
use crate::run::{BudgetKind, OptionsOf, Outcome, Panic, ReportOf};
use crate::system::System;
use crate::time::Instant;
use crate::trace::{NoTrace, Tracer};
use crate::view::Whole;

use super::World;
use super::deliver::Event;

/// A world whose events wait for a host to bring them back.
///
/// - What the director, a plan and deadlines want is done at its exact time, before whatever the host brings next.
/// - What the host brings comes at the host's time. Time never goes back: what comes late is handled now.
/// - Completions of one disk come up in the order in which the disk tells them, whatever the host does.
#[derive(Debug)]
pub struct Hosted<S: System, T = NoTrace> {
    world: World<S, T>,
    /// The completions that each node's disk has still to tell, by dense index and by the process that waits for them.
    completions: Vec<BTreeMap<u32, BTreeSet<Key>>>,
}

// By hand, as a derive would not ask it of the nodes.
impl<S: System, T: Clone> Clone for Hosted<S, T>
where
    S::Node: Clone,
{
    fn clone(&self) -> Self {
        Self { world: self.world.clone(), completions: self.completions.clone() }
    }
}

/// Something that the host must come back for. The order among wakes is that in which the world alone would go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wake {
    key: Key,
    place: Place,
    /// When it is due.
    pub at: Instant,
    /// The node whose process waits for it; `None` for what is under way in the network.
    pub node: Option<NodeId>,
}

/// Whose an entry of the queue is, by dense index of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Network,
    Process(usize),
    /// With the process that waits, by the count of those before it.
    Disk(usize, u32),
}

impl<S: System> Hosted<S> {
    /// A world at time zero. Its nodes start with the first wakes.
    pub fn new(system: &S, options: &OptionsOf<S>, seed: Seed) -> Self {
        Self::traced(system, options, seed, NoTrace)
    }
}

impl<S: System, T: Tracer<S::Node>> Hosted<S, T> {
    /// The same world with a tracer.
    pub fn traced(system: &S, options: &OptionsOf<S>, seed: Seed, tracer: T) -> Self {
        let world = World::over(Queue::handed_out(), system, options, seed, tracer);
        let completions = vec![BTreeMap::new(); world.state.nodes.len()];
        Self { world, completions }
    }

    /// What has come to be waited for since the last call, in order of time.
    pub fn wakes(&mut self) -> Vec<Wake> {
        let Self { world, completions } = self;
        let keys: Vec<Key> = world.queue.hand_out().collect();
        let wake = |key: Key| {
            let place = world.place_of(key);
            if let Place::Disk(index, incarnation) = place {
                completions[index].entry(incarnation).or_default().insert(key);
            }
            let owner = match place {
                Place::Network => None,
                Place::Process(index) | Place::Disk(index, _) => Some(world.state.nodes[index].id),
            };
            Wake { key, place, at: key.at(), node: owner }
        };
        keys.into_iter().map(wake).collect()
    }

    /// A wake comes up, at the host's time.
    pub fn wake(&mut self, now: Instant, wake: Wake) {
        let key = match wake.place {
            Place::Disk(index, incarnation) => {
                self.waiting(index, incarnation).pop_first().expect("a completion comes up once")
            }
            Place::Process(_) | Place::Network => wake.key,
        };
        self.world.queue.done();
        self.at(now, Some(|world: &mut World<S, T>| world.on_event(key)));
    }

    /// A wake never comes up: the host has dropped it with the process that waited for it.
    pub fn forget(&mut self, wake: Wake) {
        let key = match wake.place {
            Place::Disk(index, incarnation) => {
                self.waiting(index, incarnation).pop_last().expect("a completion is dropped once")
            }
            Place::Process(_) | Place::Network => wake.key,
        };
        self.world.queue.done();
        self.world.forget(key);
    }

    /// The completions that this process waits for.
    fn waiting(&mut self, index: usize, incarnation: u32) -> &mut BTreeSet<Key> {
        self.completions[index].entry(incarnation).or_default()
    }

    /// Nothing comes up, but time has passed: what the director, a plan or a deadline wanted by now is done.
    pub fn catch_up(&mut self, now: Instant) {
        self.at(now, None::<fn(&mut World<S, T>)>);
    }

    /// When the director, a plan or a deadline next wants something, as far as it is known now.
    pub fn due(&self) -> Instant {
        self.world.alarm()
    }

    /// The host speaks for a node: what it does through the context is the node's doing, as if it had handled an input.
    /// Nothing happens where its process is down.
    pub fn speak(&mut self, now: Instant, node: NodeId, say: impl FnOnce(&mut Context<S::Node>)) {
        self.at(now, Some(|world: &mut World<S, T>| world.speak(node, say)));
    }

    /// What is due by now comes first, each thing at its own time. Then the act, now; after the end nothing comes.
    fn at(&mut self, now: Instant, act: Option<impl FnOnce(&mut World<S, T>)>) {
        if self.is_over() {
            return;
        }
        self.world.guard(|world| {
            while !world.is_over() && world.alarm() <= now.min(world.end) {
                world.on_alarm(world.alarm());
            }
            if !world.is_over() && now > world.end {
                world.finish();
            } else if !world.is_over()
                && let Some(act) = act
            {
                world.advance(now);
                act(world);
            }
            if world.findings.is_broken() {
                world.end_broken();
            }
        });
    }

    /// The host has caught a panic: of this node, or of no node in particular. A run that is over ended as it ended.
    pub fn fail(&mut self, now: Instant, node: Option<NodeId>, message: String) {
        if !self.is_over() {
            self.world.advance(now);
            let (at, events) = (self.world.state.now, self.world.state.events);
            self.world.ended = Some(Outcome::Panicked(Panic { node, message, at, events }));
        }
    }

    /// Whether the run has ended: nothing that comes up changes anything.
    pub const fn is_over(&self) -> bool {
        self.world.ended.is_some()
    }

    /// What the run came to; `None` if it has not ended.
    pub fn report(&mut self) -> Option<ReportOf<S::Node>> {
        self.is_over().then(|| self.world.report())
    }

    /// When the run ends at the latest.
    pub const fn end(&self) -> Instant {
        self.world.end
    }

    /// How many processes of this node have ended: a host drops what they waited for when it changes.
    pub fn incarnation(&self, node: NodeId) -> u32 {
        self.world.state.node(node).incarnation
    }

    /// How often something was done to the world: a host that mirrors it looks again when this changes.
    pub const fn acts(&self) -> u64 {
        self.world.order
    }

    /// Takes the history of clients out, which begins anew: for the end of a run.
    pub fn take_history(&mut self) -> HistoryOf<S::Node> {
        std::mem::take(&mut self.world.state.history)
    }

    /// The tracer, with all that it has seen.
    pub const fn tracer(&self) -> &T {
        self.world.tracer()
    }

    /// What invariants may look at.
    pub const fn view(&self) -> Whole<'_, S::Node> {
        self.world.view()
    }
}

impl<S: System, T: Tracer<S::Node>> World<S, T> {
    fn speak(&mut self, node: NodeId, say: impl FnOnce(&mut Context<S::Node>)) {
        let index = self.state.cluster.index(node);
        if self.state.nodes[index].process.is_none() {
            return;
        }
        self.set_clocks(index);
        self.digest.entry(self.state.now, Tag::Host, node, &());
        self.state.events += 1;
        if self.state.events >= self.budget.events_max {
            self.exhaust(BudgetKind::Events, self.budget.events_max);
        }
        say(&mut self.state.nodes[index].context);
        self.complete(index);
    }

    fn place_of(&self, key: Key) -> Place {
        let event = match key.entry() {
            EntryRef::Timer { node, .. } => return Place::Process(node),
            EntryRef::Datagram(_) => return Place::Network,
            EntryRef::Event(place) => self.events.get(place),
        };
        match event {
            Event::Durable { index, incarnation, .. } => Place::Disk(*index, *incarnation),
            Event::Start { index, .. } | Event::Step { index, .. } | Event::Wake { index, .. } => {
                Place::Process(*index)
            }
            Event::Segment(_) | Event::Silence { .. } => Place::Network,
        }
    }

    /// An entry that never comes up leaves nothing behind.
    fn forget(&mut self, key: Key) {
        match key.entry() {
            // The node's timers see by themselves that the entry is stale.
            EntryRef::Timer { .. } => {}
            EntryRef::Datagram(place) => drop(self.datagrams.take(place)),
            EntryRef::Event(place) => drop(self.events.take(place)),
        }
    }
}
