//! The world: runs a cluster of nodes over the simulated network, disks and clocks, from one seed.
//!
//! ```text
//!            ┌────────── deadlines of invariants, settle phase, director or plan (no number of the sequence)
//!   loop ────┤
//!            └────────── the first event of the queue ──▶ one input of one node ──▶ its effects, in order
//! ```
//!
//! At one instant deadlines come first, then the settle phase, then faults and operations, then events.

mod act;
mod applied;
mod connection;
mod counters;
mod deliver;
mod effect;
mod fault;
mod history;
mod hosted;
mod load;
mod memory;
mod segment;
mod settle;
mod story;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::digest::{Digest, Tag};
use crate::director::spec::{FaultSpec, OrderKey, What};
use crate::director::{Awaited, Director, DirectorSetup};
use crate::history::HistoryOf;
use crate::id::NodeId;
use crate::invariant::{Findings, InvariantKind, Invariants, NamedInvariant, Violation};
use crate::measure::Measures;
use crate::node::{Message, Node, has_known_refusals};
use crate::plan::{Asking, Decision, Moment, Override, Plan, PlanOf, Site};
use crate::queue::{EntryRef, Key, Queue, SLOT_COUNT_MAX, Slab};
use crate::rng::{Rng, Seed};
use crate::run::{
    Budget, BudgetKind, Exhaustion, OptionsOf, Outcome, Panic, Redial, ReportOf, RunOptions, RunReport, Ties,
};
use crate::system::System;
use crate::time::{Duration, Instant};
use crate::trace::{NoTrace, TraceItem, Tracer};
use crate::view::Whole;
use crate::vocabulary::Vocabulary;
use crate::world_state::WorldState;

use act::Script;
use applied::Applied;
use connection::Connections;
use counters::{Counters, Incidents};
use deliver::{Datagram, Event, HeldPacket};
use fault::ActiveFault;
use load::{Calls, CallsOf};

pub use hosted::{Hosted, Wake};

/// Packets that wait at clogged links, by dense index.
type HeldAt<M> = BTreeMap<(usize, usize), Vec<HeldPacket<M>>>;

/// A cluster under simulation, from its start to its end.
///
/// Its tracer sees what happens. A world without one is compiled without the code that would ask it: a sweep pays
/// nothing.
#[derive(Clone, Debug)]
pub struct World<S: System, T = NoTrace> {
    /// What is simulated: it makes the processes.
    system: S,
    /// What sees everything that happens.
    tracer: T,
    /// Which run.
    seed: Seed,
    /// Nodes, clocks, disks and network: what invariants may look at.
    state: WorldState<S::Node>,
    /// When each event is due, and in which order.
    queue: Queue,
    /// What the queue points to, beside timers and datagrams.
    events: Slab<Event<S::Node>>,
    /// The datagrams that are under way.
    datagrams: Slab<Datagram<<S::Node as Node>::Message>>,
    /// How many events were queued so far: the order of those that are due at one instant.
    sequence: u64,
    /// All connections of which an end still knows.
    connections: Connections<<S::Node as Node>::Message>,
    /// How long a connection may be silent before it times out.
    connection_timeout: Duration,
    /// How long a node waits before it opens a connection again that could not be opened; `None` for no time.
    redial: Option<Redial>,
    /// Packets that wait at clogged links.
    held: HeldAt<<S::Node as Node>::Message>,
    /// The invariants, with what they have seen.
    invariants: S::Invariants,
    /// What invariants have evaluated and found.
    findings: Findings,
    /// What turns stated faults and nemeses into concrete faults, and keeps the census.
    director: Director,
    /// What the director's keys of orders stand for.
    orders: Vec<<S::Node as Node>::Order>,
    /// The workloads of the clients.
    calls: CallsOf<S>,
    /// Operations and orders at stated times, and in a replay the faults too.
    script: Script<<S::Node as Node>::Operation, <S::Node as Node>::Order>,
    /// Decisions that are taken in place of a draw, by the place and its ordinal.
    overrides: BTreeMap<(Site, u64), Decision>,
    /// Old packets, where a fault may ask for one.
    memory: Option<memory::Memory<<S::Node as Node>::Message>>,
    /// Whether each packet is looked at when it is sent: it may be overridden, or is remembered.
    watches_sends: bool,
    /// The faults that have started and are not lifted, by key.
    active: BTreeMap<u32, ActiveFault>,
    /// The faults and orders that have changed something.
    applied: Applied,
    /// What was done so far, to be replayed.
    plan: PlanOf<S::Node>,
    /// How many things were done so far: their order at one moment.
    order: u64,
    /// How often each condition and observation came.
    counts: Counters,
    /// How often each incident befell the nodes in ranked roles.
    incidents: Incidents,
    /// The figures that every run has.
    measures: Measures,
    /// What a condition that is counted is called in the report.
    counted: Vec<(String, Awaited)>,
    /// Whether a condition waits for something that the world counts.
    notifies_director: bool,
    /// The hash of everything that happened so far.
    digest: Digest,
    /// A stream for each node that draws the order of its events at one instant; `None` if they come in order.
    ties: Option<Vec<Rng>>,
    /// The bounds at which the run ends as exhausted.
    budget: Budget,
    /// Entries of the queue at this instant.
    instant_count: u64,
    /// Deadlines and acts at this instant: a count of its own, so that they take nothing from that of the queue.
    alarm_count: u64,
    /// When the run ends.
    end: Instant,
    /// When the settle phase begins; [`Instant::MAX`] if there is none, or once it has begun.
    settle_at: Instant,
    /// When the director, the script, a workload or the settle phase is next due.
    act_due: Instant,
    /// Why the node that is being called exits, if it does.
    exit: Option<Cow<'static, str>>,
    /// The node that is being called, for the report of a panic.
    current: Option<NodeId>,
    /// How the run ended; `None` while it goes on.
    ended: Option<Outcome>,
    /// What a violation was like, for people.
    story: Vec<String>,
}

/// The last moment that can come.
const LAST: Instant = Instant::from_nanos(u64::MAX - 1);

/// Conditions of the world that are counted by name, beside the observations of nodes: what `reach` may ask for. They
/// happen at the node that sends a packet, at the one whose connection it is, at the process, disk or client. What
/// befalls nodes in ranked roles is counted too: [`Vocabulary::incidents`](crate::vocabulary::Vocabulary::incidents).
pub const CONDITIONS: &[(&str, &str)] = &[
    ("packet lost", "a datagram was lost by chance"),
    ("packet cut", "a packet was lost at a cut link"),
    ("packet dropped", "a datagram was lost as its link had no room for it"),
    ("packet held", "a packet was held at a clogged link"),
    ("packet duplicated", "a datagram arrived twice"),
    ("packet replayed", "an old datagram arrived again"),
    ("request refused", "a request was answered by an error in place of its target"),
    ("connection refused", "a connection was refused"),
    ("connection reset", "a connection was reset"),
    ("connection timed out", "a connection fell silent for too long"),
    ("node crashed", "a process or machine crashed"),
    ("node restarted", "a process started again"),
    ("node exited", "a process ended by itself"),
    ("unsynced write lost", "a crash of a machine lost writes that were not synced"),
    ("write failed", "a disk refused a write or a sync"),
    ("operation failed", "an operation of a client ended, and certainly did not happen"),
];

impl<S: System> World<S> {
    /// A world at time zero, in which nothing has happened yet.
    pub fn new(system: &S, options: &OptionsOf<S>, seed: Seed) -> Self {
        Self::traced(system, options, seed, NoTrace)
    }
}

impl<S: System, T: Tracer<S::Node>> World<S, T> {
    /// The same world with a tracer, which [`into_tracer`](Self::into_tracer) gives back.
    pub fn traced(system: &S, options: &OptionsOf<S>, seed: Seed, tracer: T) -> Self {
        Self::over(Queue::new(), system, options, seed, tracer)
    }

    fn over(queue: Queue, system: &S, options: &OptionsOf<S>, seed: Seed, tracer: T) -> Self {
        const { assert!(S::Invariants::GROUPS.are_distinct(S::NAME), "two groups of invariants have the same name") };
        const { assert!(has_known_refusals::<<S::Node as Node>::Message>(), "REFUSABLE names what KINDS does not") };
        const {
            let largest = S::Invariants::GROUPS.largest();
            assert!(largest <= Findings::COUNT_MAX, "a group has at most 64 invariants: split it in two with `Both`");
        }
        // What is set to the end of all time never comes.
        let end = Instant::ZERO.saturating_add(options.duration).min(LAST);
        let settle_at = if options.settle.is_zero() { Instant::MAX } else { end.saturating_sub(options.settle) };
        let overrides = options.replay.as_ref().map_or_else(Vec::new, |plan| plan.overrides.clone());
        let (mut director, orders) =
            director_of((Vocabulary::of::<S>(), <S::Node as Node>::Message::KINDS), options, seed, settle_at);
        let is_live = options.replay.as_ref().is_none_or(|plan| plan.workload == Asking::Live);
        let load = options.workload.as_ref().filter(|_| is_live);
        let calls = Calls::new(load, options.cluster, &mut director);
        let counted: Vec<_> =
            options.counted.iter().map(|(name, it)| (name.clone(), director.count(it.clone()))).collect();
        let notifies_director = waits_for_world(&director);
        let remembers = remembers(options);
        let mut world = Self {
            system: system.clone(),
            tracer,
            seed,
            state: WorldState::new(options, seed),
            queue,
            events: Slab::new(),
            datagrams: Slab::new(),
            sequence: 0,
            connections: Connections::new(),
            connection_timeout: options.network.connection_timeout,
            redial: options.network.redial,
            held: BTreeMap::new(),
            invariants: system.invariants(),
            findings: Findings::over(&S::Invariants::GROUPS, &options.invariants),
            director,
            orders,
            calls,
            script: Script::new(options),
            overrides: overrides.iter().map(|entry| ((entry.site, entry.ordinal), entry.decision)).collect(),
            active: BTreeMap::new(),
            applied: Applied::default(),
            memory: remembers.then(memory::Memory::new),
            watches_sends: remembers || !overrides.is_empty(),
            plan: Plan { overrides, ..Plan::empty() },
            order: 0,
            counts: Counters::default(),
            incidents: Incidents::default(),
            measures: Measures::new::<S>(),
            counted,
            notifies_director,
            digest: Digest::new(),
            ties: ties_of(options, seed),
            budget: Budget { queue_max: options.budget.queue_max.min(SLOT_COUNT_MAX), ..options.budget },
            instant_count: 0,
            alarm_count: 0,
            end,
            settle_at,
            act_due: Instant::ZERO,
            exit: None,
            current: None,
            ended: None,
            story: Vec::new(),
        };
        for node in options.cluster.starting() {
            world.enqueue_start(node);
        }
        world
    }

    /// Runs to the end: the first violation, a panic, a budget, or the end of time.
    pub fn run(&mut self) -> ReportOf<S::Node> {
        self.guard(|world| {
            while world.ended.is_none() {
                world.handle_next();
            }
        });
        self.report()
    }

    /// Runs until this many inputs were handled in all, or to the end if that comes first: then there is a report. A
    /// world that is cloned in between goes on like the original.
    pub fn run_until(&mut self, events: u64) -> Option<ReportOf<S::Node>> {
        self.guard(|world| {
            while world.ended.is_none() && world.state.events < events {
                world.handle_next();
            }
        });
        self.ended.is_some().then(|| self.report())
    }

    /// One entry of the queue, or what is due before it.
    #[inline(always)]
    fn handle_next(&mut self) {
        let next = self.queue.first().map_or(Instant::MAX, Key::at);
        let alarm = self.alarm();
        if alarm <= next && alarm <= self.end {
            self.on_alarm(alarm);
        } else if next <= self.end {
            let key = self.queue.pop().expect("there is a first event");
            self.advance(next);
            self.instant_count += 1;
            if self.instant_count > self.budget.instant_max {
                self.exhaust(BudgetKind::Instant, self.budget.instant_max);
            }
            self.on_event(key);
        } else {
            self.finish();
        }
        if self.findings.is_broken() {
            self.end_broken();
        }
    }

    /// A panic in a node, or in the world while it handled one, ends the run.
    fn guard(&mut self, act: impl FnOnce(&mut Self)) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| act(self))) {
            self.ended = Some(Outcome::Panicked(Panic {
                node: self.current,
                message: Panic::said(payload.as_ref()),
                at: self.state.now,
                events: self.state.events,
            }));
        }
    }

    /// Whether nothing more is to happen.
    const fn is_over(&self) -> bool {
        self.ended.is_some() || self.findings.is_broken()
    }

    /// The next time at which something other than an event is due.
    #[inline]
    fn alarm(&self) -> Instant {
        let acts = if self.script.is_exact() { self.next_act() } else { self.act_due };
        self.invariants.deadline().min(acts)
    }

    /// When the director, the script or the settle phase is next due. Kept in `act_due`, as it seldom changes; only an
    /// exact replay goes by the count of events.
    #[inline(never)]
    fn next_act(&self) -> Instant {
        let calls = self.calls.due(&self.director);
        self.director.due().min(self.script.due(self.state.events)).min(self.settle_at).min(calls)
    }

    #[inline]
    fn advance(&mut self, to: Instant) {
        // An alarm may be overdue: a condition that came true with the event before.
        if to > self.state.now {
            self.state.now = to;
            self.instant_count = 0;
            self.alarm_count = 0;
        }
    }

    fn on_alarm(&mut self, alarm: Instant) {
        self.advance(alarm);
        self.alarm_count += 1;
        if self.alarm_count > self.budget.instant_max {
            return self.exhaust(BudgetKind::Instant, self.budget.instant_max);
        }
        let now = self.state.now;
        self.current = None;
        if self.invariants.deadline() <= now {
            self.invariants.on_deadline(Whole::new(&self.state), &mut self.findings);
        } else if self.settle_at <= now {
            self.settle();
        } else {
            self.act();
        }
        self.act_due = self.next_act();
    }

    fn finish(&mut self) {
        self.advance(self.end);
        self.current = None;
        self.invariants.on_end(Whole::new(&self.state), &mut self.findings);
        if !self.findings.is_broken() {
            self.ended = Some(Outcome::Passed);
        }
    }

    #[cold]
    fn end_broken(&mut self) {
        let (index, node, facts) = self.findings.first().expect("something is broken");
        let NamedInvariant { name, info } = S::Invariants::GROUPS.named(S::NAME).swap_remove(index);
        let violation = Violation {
            invariant: name.into_owned(),
            message: facts.to_owned(),
            node,
            at: self.state.now,
            events: self.state.events,
        };
        if self.tracer.is_on() {
            self.tracer.record(self.moment(), TraceItem::Violated(&violation));
        }
        self.story = self.findings.story().to_vec();
        if self.story.is_empty() && info.kind == InvariantKind::Liveness {
            self.story = story::of(&Whole::new(&self.state), self.director.census());
        }
        self.ended = Some(match info.kind {
            InvariantKind::Safety => Outcome::Violated(violation),
            InvariantKind::Liveness => Outcome::Stalled(violation),
        });
    }

    #[cold]
    fn exhaust(&mut self, budget: BudgetKind, bound: u64) {
        let (at, events) = (self.state.now, self.state.events);
        self.ended.get_or_insert(Outcome::Exhausted(Exhaustion { budget, bound, at, events }));
    }

    fn report(&mut self) -> ReportOf<S::Node> {
        let outcome = self.ended.take().expect("a run ends with an outcome");
        self.digest_streams();
        self.note_end();
        let ((never_applied, in_vain), uses) = (self.never_applied(), self.uses());
        let mut plan = std::mem::replace(&mut self.plan, Plan::empty());
        plan.overrides.retain(|entry| self.is_taken(entry));
        RunReport {
            seed: self.seed,
            outcome,
            digest: self.digest.value(),
            events: self.state.events,
            end: self.state.now,
            counts: self.counts_by_name(),
            gauges: S::gauges(&self.invariants),
            measures: self.measures.values(self.state.now),
            evaluated: self.findings.evaluated_in(&S::Invariants::GROUPS),
            lacking: self.findings.lacking_in(&S::Invariants::GROUPS),
            plan,
            story: std::mem::take(&mut self.story),
            never_applied,
            in_vain,
            uses,
        }
    }

    fn counts_by_name(&self) -> BTreeMap<Cow<'static, str>, u64> {
        let mut counts = self.counts.by_name();
        counts.extend(self.incidents.by_name(self.director.census().words()));
        let counted = self.counted.iter().map(|(name, it)| (Cow::Owned(name.clone()), self.director.times(*it)));
        counts.extend(counted.filter(|(_, times)| *times > 0));
        counts
    }

    /// How often something with this name was counted so far: what [`RunReport::counts`] will have.
    pub fn count_of(&self, name: &str) -> u64 {
        let words = self.director.census().words();
        let of_roles = || self.incidents.by_name(words).find(|(known, _)| known == name).map(|(_, count)| count);
        let counted = || self.counted.iter().find(|(known, _)| known == name).map(|(_, it)| self.director.times(*it));
        counted().or_else(of_roles).unwrap_or_else(|| self.counts.of(name))
    }

    /// Whether the run came to this decision.
    fn is_taken(&self, entry: &Override) -> bool {
        let cluster = self.state.cluster;
        let next = match entry.site {
            Site::Packet(link) if cluster.has_link(link) => {
                self.state.network.next_ordinal(cluster.index(link.source), cluster.index(link.target))
            }
            Site::Disk(node) if cluster.contains(node) => self.state.node(node).disk.operation_count(),
            Site::Crash(node) if cluster.contains(node) => self.state.node(node).disk.crash_count(),
            Site::Packet(_) | Site::Disk(_) | Site::Crash(_) => 0,
        };
        entry.ordinal < next
    }

    /// The position of every stream: a draw that changed nothing yet is seen too.
    fn digest_streams(&mut self) {
        for drawn in self.state.network.drawn() {
            self.digest.content(&drawn);
        }
        for node in &self.state.nodes {
            let drawn = (node.context.drawn(), node.disk.drawn());
            self.digest.entry(self.state.now, Tag::Stream, node.id, &drawn);
        }
        for ties in self.ties.iter().flatten() {
            self.digest.content(&ties.drawn());
        }
    }

    /// The tracer, with all that it has seen.
    pub const fn tracer(&self) -> &T {
        &self.tracer
    }

    /// Gives the tracer back: for the end of a run.
    pub fn into_tracer(self) -> T {
        self.tracer
    }

    /// The invariants, with all that they have seen.
    pub const fn invariants(&self) -> &S::Invariants {
        &self.invariants
    }

    /// What clients asked and how it was answered, so far.
    pub const fn history(&self) -> &HistoryOf<S::Node> {
        &self.state.history
    }

    /// What invariants may look at.
    pub const fn view(&self) -> Whole<'_, S::Node> {
        Whole::new(&self.state)
    }

    fn moment(&self) -> Moment {
        Moment { at: self.state.now, after_events: self.state.events, order: self.order }
    }

    #[inline]
    fn count(&mut self, name: &'static str) {
        self.counts.add(name);
    }

    /// Counts one of the [`CONDITIONS`] at a node, which conditions may wait for.
    #[inline]
    fn count_at(&mut self, node: NodeId, name: &'static str) {
        self.counts.add(name);
        if self.notifies_director {
            self.notify_director(node, name);
        }
    }

    #[cold]
    fn notify_director(&mut self, node: NodeId, name: &str) {
        self.director.on_incident(self.state.now, node, name);
        self.act_due = self.next_act();
    }

    /// The order of a new event for this node at its instant.
    #[inline]
    fn next_order(&mut self, target: usize) -> (u8, u64) {
        self.sequence += 1;
        let priority = match &mut self.ties {
            None => 0,
            Some(streams) => (streams[target].word() >> 56) as u8,
        };
        (priority, self.sequence)
    }

    #[inline]
    fn push(&mut self, at: Instant, target: usize, event: Event<S::Node>) {
        let (priority, sequence) = self.next_order(target);
        self.push_ordered(at, priority, sequence, event);
    }

    #[inline]
    fn push_ordered(&mut self, at: Instant, priority: u8, sequence: u64, event: Event<S::Node>) {
        if self.has_room() {
            let entry = EntryRef::Event(self.events.insert(|| event));
            self.queue.push(Key::new(at, priority, sequence, entry));
        }
    }

    /// Whether another entry may be added to the queue. The run ends if not.
    #[inline(always)]
    fn has_room(&mut self) -> bool {
        let has_room = (self.queue.len() as u64) < self.budget.queue_max;
        if !has_room {
            self.exhaust(BudgetKind::Queue, self.budget.queue_max);
        }
        has_room
    }

    fn enqueue_start(&mut self, node: NodeId) {
        let index = self.state.cluster.index(node);
        let incarnation = self.state.nodes[index].incarnation;
        self.push(self.state.now, index, Event::Start { index, incarnation });
    }

    #[inline]
    fn forced(&self, site: impl FnOnce() -> Site, ordinal: impl FnOnce() -> u64) -> Option<Decision> {
        if self.overrides.is_empty() { None } else { self.overrides.get(&(site(), ordinal())).copied() }
    }

    fn kind_mask(kinds: &[String]) -> u64 {
        if kinds.is_empty() {
            return crate::network::ALL_KINDS;
        }
        let names = <S::Node as Node>::Message::KINDS;
        let position = |kind: &String| names.iter().position(|name| name == kind);
        kinds.iter().filter_map(position).fold(0, |mask, position| mask | 1 << position)
    }

    fn kind_of(message: &<S::Node as Node>::Message) -> u64 {
        1 << message.kind()
    }
}

/// The director of a first run, and what its keys of orders stand for. In a replay nothing is left to it but to keep
/// the census.
fn director_of<O, Q: Clone, W>(
    (words, messages): (Vocabulary, &'static [&'static str]),
    options: &RunOptions<O, Q, W>,
    seed: Seed,
    settle_at: Instant,
) -> (Director, Vec<Q>) {
    let replays = options.replay.is_some();
    let mut orders = Vec::new();
    let mut key = |order: Q| {
        orders.push(order);
        Ok::<_, std::convert::Infallible>(OrderKey(orders.len() - 1))
    };
    let faults: Result<Vec<_>, _> =
        options.faults.iter().map(|spec| spec.clone().try_map_order(|order| order.try_map(&mut key))).collect();
    let Ok(faults) = faults;
    let nemeses: Result<Vec<_>, _> =
        options.nemeses.iter().map(|spec| spec.clone().try_map_order(|order| order.try_map(&mut key))).collect();
    let Ok(nemeses) = nemeses;
    let director = Director::new(DirectorSetup {
        seed,
        cluster: options.cluster,
        words,
        messages,
        faults: if replays { Vec::new() } else { faults },
        nemeses: if replays { Vec::new() } else { nemeses },
        bounds: options.bounds,
        settle_at,
    });
    (with_clocks(director, options), orders)
}

/// The director with the clocks of the nodes: wall clocks by how far they are ahead of the earliest one's origin.
fn with_clocks<O, Q, W>(director: Director, options: &RunOptions<O, Q, W>) -> Director {
    let of = |node: NodeId| options.clocks.get(&node).copied().unwrap_or_default();
    let earliest = options.cluster.nodes().map(|node| of(node).wall).min().unwrap_or_default();
    options.cluster.nodes().map(|node| (node, of(node))).fold(director, |director, (node, clock)| {
        director.with_clocks(node, clock.wall_lead(earliest), clock.drift_ppm)
    })
}

/// Whether a condition waits for something that the world counts, and no node says.
fn waits_for_world(director: &Director) -> bool {
    let incidents: Vec<String> = director.census().words().incidents().map(|(name, _)| name).collect();
    let is_of_world = |name: &str| CONDITIONS.iter().any(|(known, _)| *known == name);
    director.waits_for(|name| is_of_world(name) || incidents.iter().any(|known| known == name))
}

/// Whether a fault of the run asks for old packets.
fn remembers<O, Q, W>(options: &RunOptions<O, Q, W>) -> bool {
    let stated = |spec: &FaultSpec<Q>| matches!(&spec.what, What::Fault(fault) if fault.replays().is_some());
    match &options.replay {
        None => options.faults.iter().any(stated),
        Some(plan) => plan.faults.iter().any(|planned| planned.fault.replays().is_some()),
    }
}

fn ties_of<O, Q, W>(options: &RunOptions<O, Q, W>, seed: Seed) -> Option<Vec<Rng>> {
    match options.ties {
        Ties::Sequence => None,
        Ties::Explore => Some(options.cluster.nodes().map(|node| seed.stream("ties", node.key())).collect()),
    }
}
