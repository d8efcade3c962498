//! Who acts, and what is written down of it: the director of a first run, or the script of a replay.

use std::collections::{BTreeMap, VecDeque};

use crate::director::Directive;
use crate::id::{Cluster, NodeId};
use crate::node::Node;
use crate::plan::{Asking, Moment, Plan, PlannedFault, PlannedName, PlannedOperation, PlannedOrder, Timing};
use crate::run::RunOptions;
use crate::system::System;
use crate::time::Instant;
use crate::trace::Tracer;
use crate::world_state::Waiting;

use super::World;

/// What is laid down before the run: operations and orders at stated times, and in a replay the faults too.
///
/// Entries are sorted by when they are due, and at one moment by the order in which they were done the first time. What
/// a plan for a larger cluster says of nodes that are not there is passed over.
#[derive(Clone, Debug)]
pub(super) struct Script<O, Q> {
    timing: Timing,
    faults: Vec<PlannedFault>,
    entries: Vec<(Moment, ScriptEntry<O, Q>)>,
    next: usize,
    deferred: Deferred<O>,
}

/// Operations of a replay by time that wait until their client has ended what it was asked for before.
#[derive(Clone, Debug)]
struct Deferred<O> {
    /// How many operations each client was handed and has not ended.
    open: BTreeMap<NodeId, u32>,
    waiting: BTreeMap<NodeId, VecDeque<O>>,
    /// Those whose time has come.
    ready: Vec<(NodeId, O)>,
}

/// One thing that the plan of a replay says.
#[derive(Clone, Debug)]
enum ScriptEntry<O, Q> {
    /// Starts the nth fault of the plan.
    Start(u32),
    /// Lifts the nth fault of the plan.
    Stop(u32),
    /// An operation; whether it waits for the end of the one before.
    Operate(NodeId, O, bool),
    Order(NodeId, Q),
    /// A name that stands for a node from now on.
    Name(String, NodeId),
}

impl<O: Clone, Q: Clone> Script<O, Q> {
    pub(super) fn new<W>(options: &RunOptions<O, Q, W>) -> Self {
        let cluster = options.cluster;
        match &options.replay {
            None => Self::of(Timing::Time, cluster, &Plan::empty(), &options.operations, &options.orders),
            Some(plan) => {
                let operations = if plan.workload == Asking::Live { &[] } else { plan.operations.as_slice() };
                Self::of(plan.timing, cluster, plan, operations, &plan.orders)
            }
        }
    }

    /// The faults and names of the plan, with these operations and orders.
    fn of(
        timing: Timing,
        cluster: Cluster,
        Plan { faults, names, .. }: &Plan<O, Q>,
        operations: &[PlannedOperation<O>],
        orders: &[PlannedOrder<Q>],
    ) -> Self {
        let mut entries = Vec::with_capacity(faults.len() * 2 + operations.len() + orders.len() + names.len());
        let mut faults = faults.to_vec();
        for (key, planned) in (0..).zip(&mut faults) {
            planned.fault.retain(|node| cluster.contains(node), |link| cluster.has_link(link));
            entries.push((planned.start, ScriptEntry::Start(key)));
            // In an edited plan a fault may end before it starts.
            entries.extend(planned.stop.map(|stop| (stop.max(planned.start), ScriptEntry::Stop(key))));
        }
        for planned in operations.iter().filter(|planned| cluster.contains(planned.node)) {
            entries.push((
                planned.start,
                ScriptEntry::Operate(planned.node, planned.operation.clone(), planned.after_completion),
            ));
        }
        for planned in orders.iter().filter(|planned| cluster.contains(planned.node)) {
            entries.push((planned.start, ScriptEntry::Order(planned.node, planned.order.clone())));
        }
        for planned in names.iter().filter(|planned| cluster.contains(planned.node)) {
            entries.push((planned.start, ScriptEntry::Name(planned.name.clone(), planned.node)));
        }
        match timing {
            Timing::Exact => entries.sort_by_key(|(moment, _)| (moment.after_events, moment.at, moment.order)),
            Timing::Time => entries.sort_by_key(|(moment, _)| (moment.at, moment.order)),
        }
        let deferred = Deferred { open: BTreeMap::new(), waiting: BTreeMap::new(), ready: Vec::new() };
        Self { timing, faults, entries, next: 0, deferred }
    }

    /// Whether entries are due by the count of events.
    #[inline]
    pub(super) fn is_exact(&self) -> bool {
        self.timing == Timing::Exact
    }

    /// When the next entry is due, given how many events were handled.
    #[inline]
    pub(super) fn due(&self, events: u64) -> Instant {
        if !self.deferred.ready.is_empty() {
            return Instant::ZERO;
        }
        match self.entries.get(self.next) {
            None => Instant::MAX,
            Some((moment, _)) if self.timing == Timing::Exact && moment.after_events > events => Instant::MAX,
            Some((moment, _)) => moment.at,
        }
    }
}

impl<O, Q> Script<O, Q> {
    /// Whether an operation that was asked for after an end waits for one: the client is busy, or others wait before.
    /// An exact replay goes by its counts.
    fn must_wait(&self, node: NodeId) -> bool {
        if self.timing == Timing::Exact {
            return false;
        }
        let Deferred { open, waiting, ready } = &self.deferred;
        let is_open = open.get(&node).is_some_and(|open| *open > 0);
        let is_due = ready.iter().any(|(ready, _)| *ready == node);
        is_open || is_due || waiting.get(&node).is_some_and(|waiting| !waiting.is_empty())
    }
}

impl<S: System, T: Tracer<S::Node>> World<S, T> {
    /// Everything that is due now: what the director wants, then what the script says.
    pub(super) fn act(&mut self) {
        let now = self.state.now;
        let mut directives = Vec::new();
        if self.director.due() <= now {
            self.director.poll(now, &mut directives);
        }
        for directive in directives {
            if self.is_over() {
                return;
            }
            match directive {
                Directive::Start { key, id, selector, line, fault } => {
                    let planned = PlannedFault { id, start: self.moment(), stop: None, selector, line, fault };
                    self.start_fault(key.0, planned);
                }
                Directive::Bind { name, node } => self.note_name(name, node),
                Directive::Stop { key } => self.stop_fault(key.0),
                Directive::Order { id, node, order, .. } => {
                    if self.state.node(node).process.is_some() {
                        self.applied.note_order(&id);
                    }
                    self.order(node, self.orders[order.0].clone());
                }
            }
        }
        self.act_for_clients();
        while !self.is_over() && self.script.due(self.state.events) <= now {
            if let Some((node, operation)) = self.script.deferred.ready.pop() {
                self.hand_planned(node, operation, true);
                continue;
            }
            let entry = self.script.entries[self.script.next].1.clone();
            self.script.next += 1;
            match entry {
                ScriptEntry::Start(key) => {
                    let planned = self.script.faults[key as usize].clone();
                    let planned = PlannedFault { start: self.moment(), stop: None, ..planned };
                    self.start_fault(key, planned);
                }
                ScriptEntry::Stop(key) => self.stop_fault(key),
                ScriptEntry::Operate(node, operation, true) if self.script.must_wait(node) => {
                    self.script.deferred.waiting.entry(node).or_default().push_back(operation);
                }
                ScriptEntry::Operate(node, operation, after) => self.hand_planned(node, operation, after),
                ScriptEntry::Order(node, order) => self.order(node, order),
                ScriptEntry::Name(name, node) => {
                    self.director.bind(now, &name, node);
                    self.note_name(name, node);
                }
            }
        }
    }

    /// Writes down which node a name stands for from now on.
    fn note_name(&mut self, name: String, node: NodeId) {
        let planned = PlannedName { start: self.moment(), name, node };
        self.order += 1;
        self.plan.names.push(planned);
    }

    fn hand_planned(&mut self, node: NodeId, operation: <S::Node as Node>::Operation, after_completion: bool) {
        // Counted before it is handed over: the client may end it at once.
        if self.script.timing == Timing::Time && self.state.node(node).process.is_some() {
            *self.script.deferred.open.entry(node).or_default() += 1;
        }
        self.operate(node, operation, after_completion);
    }

    /// A client has ended an operation, or with `all` its process has ended: the next one of the plan may start.
    pub(super) fn release_deferred(&mut self, node: NodeId, all: bool) {
        let Some(open) = self.script.deferred.open.get_mut(&node) else { return };
        *open = if all { 0 } else { open.saturating_sub(1) };
        if *open == 0
            && let Some(operation) = self.script.deferred.waiting.get_mut(&node).and_then(VecDeque::pop_front)
        {
            self.script.deferred.ready.push((node, operation));
            self.act_due = self.next_act();
        }
    }

    /// Hands an operation to a node. Nothing happens where its process is down.
    pub(super) fn operate(&mut self, node: NodeId, operation: <S::Node as Node>::Operation, after_completion: bool) {
        let planned = PlannedOperation { start: self.moment(), node, operation: operation.clone(), after_completion };
        self.order += 1;
        self.plan.operations.push(planned);
        let index = self.state.cluster.index(node);
        self.accept(index, Waiting::Operation(operation));
    }

    /// Gives an order to a node. Nothing happens where its process is down.
    fn order(&mut self, node: NodeId, order: <S::Node as Node>::Order) {
        let planned = PlannedOrder { start: self.moment(), node, order: order.clone() };
        self.order += 1;
        self.plan.orders.push(planned);
        let index = self.state.cluster.index(node);
        self.accept(index, Waiting::Order(order));
    }
}
