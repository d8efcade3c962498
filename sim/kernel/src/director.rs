//! The one who acts: folds observations into a census and turns triggers and selectors into concrete faults.
//!
//! The director is a plain value. Every engine feeds it what nodes say and when processes start and end, asks
//! [`Director::due`] for the next time at which it wants to act, and carries out what [`Director::poll`] hands it. It
//! never sees the world.

pub mod census;
mod draw;
mod forms;
mod joint;
mod nemesis;
mod resolve;
pub mod spec;
mod stated_fault;
mod topology;
mod trigger;

use crate::fault::{Fault, Offset};
use crate::id::{Cluster, NodeId};
use crate::node::{Change, Face};
use crate::rng::Seed;
use crate::selector::Condition;
use crate::system::Bounds;
use crate::time::Instant;
use crate::vocabulary::{ResourceId, RoleId, Vocabulary};

pub use census::Census;
use nemesis::{ClockAccount, Nemesis};
use spec::{FaultSpec, NemesisSpec, OrderKey};
use stated_fault::StatedFault;
use trigger::{Happened, Shift, Watch};

/// What a director is made from.
#[derive(Clone, Debug)]
pub struct DirectorSetup {
    /// Which run.
    pub seed: Seed,
    /// How many nodes.
    pub cluster: Cluster,
    /// The roles and resources of the system.
    pub words: Vocabulary,
    /// The kinds of message of the system.
    pub messages: &'static [&'static str],
    /// Faults, as stated.
    pub faults: Vec<FaultSpec<OrderKey>>,
    /// Nemeses, as stated.
    pub nemeses: Vec<NemesisSpec<OrderKey>>,
    /// How far a random clock fault may go.
    pub bounds: Bounds,
    /// When the settle phase begins; [`Instant::MAX`] for never. Waiting selectors wait until then.
    pub settle_at: Instant,
}

/// Names a concrete fault from its start to its stop. Counted over a run, in the order of the starts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FaultKey(pub u32);

/// What the engine is to do to the world, in the order in which it is handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Directive {
    /// Start a fault. One stated fault may start several, each with a key of its own.
    Start {
        /// What [`Directive::Stop`] will name.
        key: FaultKey,
        /// The id of the fault or nemesis, with an ordinal where it may come again: `overlap`, `weather.3`.
        id: String,
        /// The selector as the scenario wrote it.
        selector: String,
        /// The line of the scenario.
        line: u32,
        /// What is done.
        fault: Fault,
    },
    /// Remember which node a name stands for: a condition that someone waits for speaks of it.
    Bind {
        /// The name.
        name: String,
        /// The node.
        node: NodeId,
    },
    /// Lift a fault.
    Stop {
        /// Which.
        key: FaultKey,
    },
    /// Give an order to a node.
    Order {
        /// The id of the fault.
        id: String,
        /// The line of the scenario.
        line: u32,
        /// The node.
        node: NodeId,
        /// Which.
        order: OrderKey,
    },
}

/// Turns the triggers and selectors of a scenario into concrete faults, by the roles that nodes have.
#[derive(Clone, Debug)]
pub struct Director {
    census: Census,
    clocks: ClockAccount,
    /// In the order of the scenario.
    faults: Vec<StatedFault>,
    /// In the order of the scenario.
    nemeses: Vec<Nemesis>,
    /// Conditions that others wait for.
    awaited: Vec<Await>,
    /// No act comes at this time or later.
    settle_at: Instant,
    due: Instant,
    /// Whether some condition waits for observations.
    listens: bool,
    keys: u32,
}

/// Names a condition that someone waits for: see [`Director::wait_for`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Awaited(usize);

/// A condition that someone waits for.
#[derive(Clone, Debug)]
struct Await {
    condition: Condition,
    watch: Watch,
    /// When it came first.
    came: Option<Instant>,
    /// How often it came.
    times: u64,
    /// Whether each time that it comes counts, or the first alone.
    counts: bool,
}

impl Await {
    fn waits(&self) -> bool {
        self.counts || self.came.is_none()
    }

    fn due(&self) -> Instant {
        if self.waits() { self.watch.due() } else { Instant::MAX }
    }

    fn listens(&self) -> bool {
        self.waits() && self.watch.is_for_names()
    }

    /// It came so many times now.
    fn note(&mut self, now: Instant, times: usize) {
        if times > 0 {
            self.came.get_or_insert(now);
            self.times += times as u64;
        }
    }
}

/// Where faults and nemeses put what the engine is to do, and where a fault that starts gets its key.
pub(crate) struct DirectiveSink<'a> {
    /// What is to be done, in order.
    pub(crate) directives: &'a mut Vec<Directive>,
    keys: &'a mut u32,
    awaited: &'a [Await],
}

impl DirectiveSink<'_> {
    /// Hands over what these names stand for, where others than faults wait for conditions that speak of them.
    pub(crate) fn bind(&mut self, names: &[(String, NodeId)]) {
        let is_awaited = |name: &String| self.awaited.iter().any(|it| it.condition.bound_names().any(|of| of == name));
        let bound = names.iter().filter(|(name, _)| is_awaited(name));
        self.directives.extend(bound.map(|(name, node)| Directive::Bind { name: name.clone(), node: *node }));
    }

    /// Starts a fault under the next key.
    pub(crate) fn start(&mut self, id: &str, selector: &str, line: u32, fault: Fault) -> FaultKey {
        *self.keys += 1;
        let key = FaultKey(*self.keys);
        self.directives.push(Directive::Start { key, id: id.to_owned(), selector: selector.to_owned(), line, fault });
        key
    }
}

impl Director {
    /// A director at the start of a run. No node is up until the engine says so.
    pub fn new(setup: DirectorSetup) -> Self {
        let DirectorSetup { seed, cluster, words, messages, faults, nemeses, bounds, settle_at } = setup;
        let faults = faults.into_iter().map(|spec| StatedFault::new(seed, spec)).collect();
        let nemeses = nemeses.into_iter().map(|spec| Nemesis::new(seed, spec, messages)).collect();
        let mut director = Self {
            census: Census::new(cluster, words),
            clocks: ClockAccount::new(cluster, bounds),
            faults,
            nemeses,
            awaited: Vec::new(),
            settle_at,
            due: Instant::MAX,
            listens: false,
            keys: 0,
        };
        director.refresh();
        director
    }

    /// The same director, with what a node's clocks are like by themselves. One that is not named is taken for perfect.
    /// Nemeses need it to keep within the declared bounds.
    pub fn with_clocks(mut self, node: NodeId, offset: Offset, drift_ppm: i32) -> Self {
        self.clocks.set(node, offset, drift_ppm);
        self
    }

    /// Waits for a condition: [`Director::came`] says when it came first, in the settle phase too.
    pub fn wait_for(&mut self, condition: Condition) -> Awaited {
        self.add_awaited(condition, false)
    }

    /// Counts how often a condition comes, in the settle phase too: [`Director::times`].
    pub fn count(&mut self, condition: Condition) -> Awaited {
        self.add_awaited(condition, true)
    }

    fn add_awaited(&mut self, condition: Condition, counts: bool) -> Awaited {
        self.awaited.push(Await { watch: Watch::new(condition.clone()), condition, came: None, times: 0, counts });
        self.refresh();
        Awaited(self.awaited.len() - 1)
    }

    /// When a condition came first; `None` if it has not yet.
    pub fn came(&self, awaited: Awaited) -> Option<Instant> {
        self.awaited[awaited.0].came
    }

    /// How often a condition came that is counted.
    pub fn times(&self, awaited: Awaited) -> u64 {
        self.awaited[awaited.0].times
    }

    /// The next true time at which [`Director::poll`] has something to do; [`Instant::MAX`] for never.
    #[inline]
    pub const fn due(&self) -> Instant {
        self.due
    }

    /// A node said something. May make [`Director::due`] `now`. Returns whether it means something here: if not,
    /// nothing has changed.
    #[inline]
    pub fn on_face(&mut self, now: Instant, node: NodeId, face: Face) -> bool {
        let is_news = self.listens || face.change != Change::None;
        if is_news {
            self.take_in(now, node, face);
        }
        is_news
    }

    fn take_in(&mut self, now: Instant, node: NodeId, face: Face) {
        let Face { group, name, change, place } = face;
        match change {
            Change::None => {}
            Change::Role { role, rank } => {
                let reported = self.census.words().reported_role(group, role);
                self.take_role(now, node, reported.unwrap_or_else(|| undeclared("ROLES", group, role)), rank);
            }
            Change::Gained { kind, resource } => {
                self.census.gain(node, self.resource(group, kind), resource);
                self.retry(now);
            }
            Change::Lost { kind, resource } => {
                self.census.lose(node, self.resource(group, kind), resource);
                self.retry(now);
            }
        }
        if self.listens {
            self.hear(now, Happened { name, node, place });
        }
    }

    /// Something happened that the world counts under this name, and not a node. Its observations are
    /// [`Director::on_face`]'s.
    pub fn on_incident(&mut self, now: Instant, node: NodeId, name: &str) {
        if self.listens {
            self.hear(now, Happened { name, node, place: None });
        }
    }

    /// Tells those who wait for names.
    fn hear(&mut self, now: Instant, happened: Happened<'_>) {
        for fault in &mut self.faults {
            fault.on_name(now, happened, &self.census);
        }
        for awaited in self.awaited.iter_mut().filter(|it| it.listens()) {
            if awaited.watch.on_name(now, happened, &self.census) {
                awaited.note(now, 1);
            }
        }
        self.refresh();
    }

    /// A plan says that a name stands for a node from now on. A director that has the faults of the scenario knows by
    /// itself.
    pub fn bind(&mut self, now: Instant, name: &str, node: NodeId) {
        if self.census.bind(name, node) {
            self.on_bound(now);
        }
    }

    fn on_bound(&mut self, now: Instant) {
        for fault in &mut self.faults {
            fault.on_bound(now);
        }
        for awaited in &mut self.awaited {
            awaited.watch.on_bound(now);
        }
        self.refresh();
    }

    /// Whether a condition waits for something with one of these names.
    pub fn waits_for(&self, is_meant: impl FnMut(&str) -> bool) -> bool {
        let stated = self.faults.iter().flat_map(StatedFault::conditions);
        let awaited = self.awaited.iter().map(|it| &it.condition);
        stated.chain(awaited).flat_map(Condition::observed).any(is_meant)
    }

    fn resource(&self, group: &str, kind: &str) -> ResourceId {
        let reported = self.census.words().reported_resource(group, kind);
        reported.unwrap_or_else(|| undeclared("RESOURCES", group, kind))
    }

    fn take_role(&mut self, now: Instant, node: NodeId, role: RoleId, rank: u64) {
        let (before, after) = self.census.set_role(now, node, role, rank);
        if before == after {
            return;
        }
        self.shift(
            now,
            Shift { node, before: before.map(|tenure| tenure.role), after: after.map(|tenure| tenure.role) },
        );
        self.retry(now);
    }

    /// A process started. To be called before the process says anything.
    pub fn on_up(&mut self, now: Instant, node: NodeId) {
        self.census.set_up(node);
        self.retry(now);
    }

    /// A process ended: it crashed or exited. It has no role and holds nothing.
    pub fn on_down(&mut self, now: Instant, node: NodeId) {
        for role in self.census.set_down(node) {
            self.shift(now, Shift { node, before: Some(role), after: None });
        }
        self.retry(now);
    }

    /// Tells those who watch roles.
    fn shift(&mut self, now: Instant, shift: Shift) {
        if shift.before == shift.after {
            return;
        }
        for fault in &mut self.faults {
            fault.on_shift(now, shift, &self.census);
        }
        for awaited in &mut self.awaited {
            awaited.watch.on_shift(now, shift, &self.census);
        }
        self.refresh();
    }

    /// The census changed: a fault that waits for a node may find one now.
    fn retry(&mut self, now: Instant) {
        let mut waits = false;
        for fault in &mut self.faults {
            waits |= fault.on_census(now);
        }
        if waits {
            self.refresh();
        }
    }

    /// Everything due at or before `now`, appended in a fixed order: by the time when it was due; of one time the
    /// stated faults before the nemeses, both in the order of the scenario. A fault first lifts, then starts. One that
    /// waited for a name that another binds at that time comes after all of these.
    ///
    /// A time that is read late changes nothing: what was due at two times is done as at these two times.
    pub fn poll(&mut self, now: Instant, directives: &mut Vec<Directive>) {
        while self.due <= now && self.due < Instant::MAX {
            let at = self.due;
            let (census, clocks) = (&mut self.census, &mut self.clocks);
            let mut sink = DirectiveSink { directives, keys: &mut self.keys, awaited: &self.awaited };
            let may_act = at < self.settle_at;
            let mut binds = false;
            for fault in self.faults.iter_mut().filter(|fault| may_act && fault.due() <= at) {
                binds |= fault.act(at, census, &mut sink);
            }
            for nemesis in self.nemeses.iter_mut().filter(|it| may_act && it.due() <= at) {
                nemesis.act(at, census, clocks, &mut sink);
            }
            for awaited in self.awaited.iter_mut().filter(|it| it.due() <= at) {
                let times = awaited.watch.take(at, &self.census).len();
                awaited.note(at, times);
            }
            if binds {
                self.on_bound(at);
            } else {
                self.refresh();
                assert!(self.due > at, "what was due is done");
            }
        }
    }

    /// The settle phase: no fault starts from now on, and those that last freeze as they are.
    pub fn settle(&mut self, now: Instant) {
        self.settle_at = self.settle_at.min(now);
        self.refresh();
    }

    /// The ids of stated faults that never started or have changed nothing, which the engine knows; then those of such
    /// nemeses. In the order of the scenario.
    pub fn never_applied(&self, has_changed: impl Fn(&str) -> bool) -> Vec<String> {
        let missed = self.starts().filter(|(id, has_started)| !has_started || !has_changed(id));
        missed.map(|(id, _)| id.to_owned()).collect()
    }

    /// Those of them that have started.
    pub fn in_vain(&self, has_changed: impl Fn(&str) -> bool) -> Vec<String> {
        let vain = self.starts().filter(|(id, has_started)| *has_started && !has_changed(id));
        vain.map(|(id, _)| id.to_owned()).collect()
    }

    /// The ids of all stated faults and nemeses, each with whether it has started.
    fn starts(&self) -> impl Iterator<Item = (&str, bool)> {
        let faults = self.faults.iter().map(|fault| (fault.id(), fault.was_applied()));
        faults.chain(self.nemeses.iter().map(|nemesis| (nemesis.id(), nemesis.was_applied())))
    }

    /// What the director knows of the cluster.
    pub const fn census(&self) -> &Census {
        &self.census
    }

    fn refresh(&mut self) {
        let faults = self.faults.iter().map(StatedFault::due);
        let nemeses = self.nemeses.iter().map(Nemesis::due);
        let due = faults.chain(nemeses).min().unwrap_or(Instant::MAX);
        let may_act = due < self.settle_at;
        let ripe = self.awaited.iter().map(Await::due).min().unwrap_or(Instant::MAX);
        self.due = ripe.min(if may_act { due } else { Instant::MAX });
        self.listens = self.faults.iter().any(StatedFault::listens) || self.awaited.iter().any(Await::listens);
    }
}

/// A node reports a word that no selector could name.
#[cold]
fn undeclared(list: &str, group: &str, word: &str) -> ! {
    let of = if group.is_empty() { "the system".to_owned() } else { format!("the part {group} of the system") };
    panic!("a node reports {word}, which is not in {list} of {of}")
}

#[cfg(test)]
mod tests;
