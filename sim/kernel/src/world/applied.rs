//! Which faults and orders have changed something, for what a run never applied.
//!
//! Most change something as soon as they start, if a node or a link that they hit is there. Some come to it later: a
//! pause of a process that is down when that starts, a lossy link when a datagram comes by, a clock that jumped when it
//! is read. Nothing here is part of a run's digest.

use std::collections::BTreeSet;

use crate::fault::{Fault, Target};
use crate::id::{Link, NodeId};
use crate::run::Uses;
use crate::system::System;
use crate::trace::Tracer;

use super::World;

/// What has changed something so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Applied {
    /// Whether each fault of the plan has.
    faults: Vec<bool>,
    /// The orders that came to a process, by the id of their fault or nemesis.
    orders: BTreeSet<String>,
    /// Wall clocks that were led elsewhere and not read since: the place of the fault in the plan, and the node.
    unread: Vec<(usize, NodeId)>,
    /// The nodes that have read their wall clocks.
    readers: BTreeSet<NodeId>,
}

impl Applied {
    /// The fault at this place of the plan has changed something.
    pub(super) fn note(&mut self, position: usize) {
        self.faults[position] = true;
    }

    /// An order came to a process.
    pub(super) fn note_order(&mut self, id: &str) {
        if !self.orders.contains(id) {
            self.orders.insert(id.to_owned());
        }
    }
}

impl<S: System, T: Tracer<S::Node>> World<S, T> {
    /// The fault that comes next in the plan is about to start.
    pub(super) fn note_start(&mut self, fault: &Fault) {
        let position = self.applied.faults.len();
        let changes = self.changes_something(fault);
        self.applied.faults.push(changes);
        if fault.leads_wall_clocks() {
            for node in fault.nodes() {
                self.note_wall_reads(self.state.cluster.index(*node));
                self.applied.unread.push((position, *node));
            }
        }
    }

    fn changes_something(&self, fault: &Fault) -> bool {
        match fault.target() {
            Target::Nodes(nodes) => nodes.iter().any(|node| fault.changes_node(self.state.node(*node), self.state.now)),
            Target::Links(links) => fault.changes_links() && links.iter().any(|link| self.is_there(*link)),
        }
    }

    /// Whether a link is between nodes that are there.
    fn is_there(&self, Link { source, target }: Link) -> bool {
        self.state.node(source).is_present && self.state.node(target).is_present
    }

    /// A process starts: what is in force at it, and on its links, changes something from now on.
    pub(super) fn note_arrival(&mut self, node: NodeId) {
        let waits_for = |fault: &Fault| match fault.target() {
            Target::Nodes(nodes) => fault.waits_for_process() && nodes.contains(&node),
            Target::Links(links) => {
                let is_its = |link: &&Link| link.source == node || link.target == node;
                fault.changes_links() && links.iter().filter(is_its).any(|link| self.is_there(*link))
            }
        };
        let waited: Vec<usize> =
            self.active.values().filter(|active| waits_for(&active.fault)).map(|active| active.position).collect();
        waited.into_iter().for_each(|position| self.applied.note(position));
    }

    /// A process would start if no crash held it down.
    pub(super) fn note_held(&mut self, index: usize) {
        let state = &self.state.nodes[index];
        let holding = state.crashed_by.iter().filter(|_| state.is_present && state.process.is_none());
        for active in holding.filter_map(|key| self.active.get(key)) {
            self.applied.note(active.position);
        }
    }

    /// Notes whether a packet has met the conditions that this fault changes: to be called before they are lifted.
    pub(super) fn note_weather(&mut self, key: u32, position: usize, fault: &Fault) {
        if let (Fault::Weather(_), Target::Links(links)) = (fault, fault.target())
            && links.iter().any(|link| self.state.network.has_met_weather(key, *link))
        {
            self.applied.note(position);
        }
    }

    /// The same of all faults that last.
    pub(super) fn note_all_weather(&mut self) {
        let active = std::mem::take(&mut self.active);
        active.iter().for_each(|(key, active)| self.note_weather(*key, active.position, &active.fault));
        self.active = active;
    }

    /// Asks a node whether it has read its wall clock: what led it before then has changed something.
    fn note_wall_reads(&mut self, index: usize) {
        let state = &mut self.state.nodes[index];
        if !state.context.take_wall_read() {
            return;
        }
        let node = state.id;
        let Applied { faults, unread, readers, .. } = &mut self.applied;
        readers.insert(node);
        unread.retain(|(position, of)| {
            faults[*position] |= *of == node;
            *of != node
        });
    }

    /// The run is over: what the last packets and reads have met is known.
    pub(super) fn note_end(&mut self) {
        self.note_all_weather();
        (0..self.state.nodes.len()).for_each(|index| self.note_wall_reads(index));
    }

    /// The faults and nemeses of the scenario that never started or have changed nothing, then those of them that have
    /// started.
    pub(super) fn never_applied(&self) -> (Vec<String>, Vec<String>) {
        let faults = self.plan.faults.iter().zip(&self.applied.faults).filter(|(_, applied)| **applied);
        let ids = faults.map(|(planned, _)| &planned.id).chain(&self.applied.orders);
        let ids: BTreeSet<&str> = ids.flat_map(|id| [id.as_str(), without_ordinal(id)]).collect();
        let has_changed = |id: &str| ids.contains(id);
        (self.director.never_applied(has_changed), self.director.in_vain(has_changed))
    }

    /// What of the world the run has used.
    pub(super) fn uses(&self) -> Uses {
        Uses {
            datagrams: self.state.network.has_carried_datagrams(),
            connections: self.connections.is_used(),
            wall_clocks: self.applied.readers.iter().copied().collect(),
            links: self.state.network.carried_apart().collect(),
        }
    }
}

/// The id of the fault or nemesis of which this is an occurrence: `weather` of `weather.3`.
fn without_ordinal(id: &str) -> &str {
    let occurrence = id.rsplit_once('.').filter(|(_, ordinal)| ordinal.bytes().all(|byte| byte.is_ascii_digit()));
    occurrence.map_or(id, |(id, _)| id)
}
