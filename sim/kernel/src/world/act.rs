//! Who acts, and what is written down of it: the director of a first run, or the script of a replay.

use crate::director::Act;
use crate::id::{Cluster, NodeId};
use crate::node::Node;
use crate::plan::{Moment, PlannedFault, PlannedOperation, PlannedOrder, Timing};
use crate::run::RunOptions;
use crate::system::System;
use crate::time::Instant;
use crate::trace::Tracer;
use crate::universe::Waiting;

use super::World;

/// What is laid down before the run: operations and orders at stated times, and in a replay the faults too.
///
/// Entries are sorted by when they are due, and at one moment by the order in which they were done the first time. What
/// a plan for a larger cluster says of nodes that are not there is passed over.
#[derive(Clone, Debug)]
pub(super) struct Script<O, Q> {
    timing: Timing,
    faults: Vec<PlannedFault>,
    entries: Vec<(Moment, Entry<O, Q>)>,
    next: usize,
}

#[derive(Clone, Debug)]
enum Entry<O, Q> {
    /// Starts the nth fault of the plan.
    Start(u32),
    /// Lifts the nth fault of the plan.
    Stop(u32),
    Operate(NodeId, O),
    Order(NodeId, Q),
}

impl<O: Clone, Q: Clone> Script<O, Q> {
    pub(super) fn new(options: &RunOptions<O, Q>) -> Self {
        let cluster = options.cluster;
        match &options.replay {
            None => Self::of(Timing::Time, cluster, &[], &options.operations, &options.orders),
            Some(plan) => Self::of(plan.timing, cluster, &plan.faults, &plan.operations, &plan.orders),
        }
    }

    fn of(
        timing: Timing,
        cluster: Cluster,
        faults: &[PlannedFault],
        operations: &[PlannedOperation<O>],
        orders: &[PlannedOrder<Q>],
    ) -> Self {
        let mut entries = Vec::with_capacity(faults.len() * 2 + operations.len() + orders.len());
        let mut faults = faults.to_vec();
        for (key, planned) in (0..).zip(&mut faults) {
            planned.fault.retain(|node| cluster.contains(node), |link| cluster.has_link(link));
            entries.push((planned.start, Entry::Start(key)));
            // In an edited plan a fault may end before it starts.
            entries.extend(planned.stop.map(|stop| (stop.max(planned.start), Entry::Stop(key))));
        }
        for planned in operations.iter().filter(|planned| cluster.contains(planned.node)) {
            entries.push((planned.start, Entry::Operate(planned.node, planned.operation.clone())));
        }
        for planned in orders.iter().filter(|planned| cluster.contains(planned.node)) {
            entries.push((planned.start, Entry::Order(planned.node, planned.order.clone())));
        }
        match timing {
            Timing::Exact => entries.sort_by_key(|(moment, _)| (moment.after_events, moment.at, moment.order)),
            Timing::Time => entries.sort_by_key(|(moment, _)| (moment.at, moment.order)),
        }
        Self { timing, faults, entries, next: 0 }
    }

    /// Whether entries are due by the count of events.
    #[inline]
    pub(super) fn is_exact(&self) -> bool {
        self.timing == Timing::Exact
    }

    /// When the next entry is due, given how many events were handled.
    #[inline]
    pub(super) fn due(&self, events: u64) -> Instant {
        match self.entries.get(self.next) {
            None => Instant::MAX,
            Some((moment, _)) if self.timing == Timing::Exact && moment.after_events > events => Instant::MAX,
            Some((moment, _)) => moment.at,
        }
    }
}

impl<S: System> World<S> {
    /// Everything that is due now: what the director wants, then what the script says.
    pub(super) fn act<T: Tracer<S::Node>>(&mut self, tracer: &mut T) {
        let now = self.universe.now;
        let mut acts = Vec::new();
        if self.director.due() <= now {
            self.director.poll(now, &mut acts);
        }
        for act in acts {
            if self.is_over() {
                return;
            }
            match act {
                Act::Start { key, id, selector, line, fault } => {
                    let planned = PlannedFault { id, start: self.moment(), stop: None, selector, line, fault };
                    self.start_fault(key.0, planned, tracer);
                }
                Act::Stop { key } => self.stop_fault(key.0, tracer),
                Act::Order { node, order, .. } => self.order(node, self.orders[order.0].clone(), tracer),
            }
        }
        while !self.is_over() && self.script.due(self.universe.events) <= now {
            let entry = self.script.entries[self.script.next].1.clone();
            self.script.next += 1;
            match entry {
                Entry::Start(key) => {
                    let planned = self.script.faults[key as usize].clone();
                    let planned = PlannedFault { start: self.moment(), stop: None, ..planned };
                    self.start_fault(key, planned, tracer);
                }
                Entry::Stop(key) => self.stop_fault(key, tracer),
                Entry::Operate(node, operation) => self.operate(node, operation, tracer),
                Entry::Order(node, order) => self.order(node, order, tracer),
            }
        }
    }

    /// Hands an operation to a node. Nothing happens where its process is down.
    fn operate<T: Tracer<S::Node>>(&mut self, node: NodeId, operation: <S::Node as Node>::Operation, tracer: &mut T) {
        let planned = PlannedOperation { start: self.moment(), node, operation: operation.clone() };
        self.order += 1;
        self.plan.operations.push(planned);
        let index = self.universe.cluster.index(node);
        self.accept(index, Waiting::Operation(operation), tracer);
    }

    /// Gives an order to a node. Nothing happens where its process is down.
    fn order<T: Tracer<S::Node>>(&mut self, node: NodeId, order: <S::Node as Node>::Order, tracer: &mut T) {
        let planned = PlannedOrder { start: self.moment(), node, order: order.clone() };
        self.order += 1;
        self.plan.orders.push(planned);
        let index = self.universe.cluster.index(node);
        self.accept(index, Waiting::Order(order), tracer);
    }
}
