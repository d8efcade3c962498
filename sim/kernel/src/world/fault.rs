//! Faults on the world: how each begins, how it is lifted, and how processes end.

use crate::digest::Tag;
use crate::fault::{CrashScope, Fault, InFlight, Keep};
use crate::id::{Link, NodeId};
use crate::invariant::{FaultChange, Invariants};
use crate::node::Node;
use crate::plan::{Decision, PlannedFault, Site};
use crate::system::System;
use crate::trace::{TraceItem, Tracer};
use crate::universe::Machine;
use crate::view::{View as _, Whole};

use super::World;
use super::deliver::{Event, Held};

/// A fault that lasts.
#[derive(Clone, Debug)]
pub(super) struct Active {
    /// Its place in the plan.
    position: usize,
    /// What is left of it.
    fault: Fault,
}

/// How a process ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Down {
    /// By itself.
    Exit(&'static str),
    /// It crashes.
    Crash(CrashScope, Keep),
}

impl<S: System> World<S> {
    pub(super) fn start_fault<T: Tracer<S::Node>>(&mut self, key: u32, planned: PlannedFault, tracer: &mut T) {
        let now = self.universe.now;
        self.order += 1;
        self.universe.disturbed_at = now;
        self.count(planned.fault.kind());
        self.digest.entry(now, Tag::FaultStart, NodeId::server(1), &planned.fault);
        if T::ON {
            let (id, change, fault) = (planned.id.as_str(), FaultChange::Start, &planned.fault);
            tracer.record(self.moment(), TraceItem::Fault { id, change, fault });
        }
        self.count_leader(&planned.fault);
        let fault = planned.fault.clone();
        self.active.insert(key, Active { position: self.plan.faults.len(), fault: fault.clone() });
        self.plan.faults.push(planned);
        self.apply(key, &fault, tracer);
        self.count_leader_cut_off(&fault);
        self.invariants.on_fault(Whole::new(&self.universe), &fault, FaultChange::Start, &mut self.findings);
    }

    pub(super) fn stop_fault<T: Tracer<S::Node>>(&mut self, key: u32, tracer: &mut T) {
        let Some(Active { position, fault }) = self.active.remove(&key) else {
            return;
        };
        let (now, moment) = (self.universe.now, self.moment());
        self.order += 1;
        self.universe.disturbed_at = now;
        let planned = &mut self.plan.faults[position];
        planned.stop = Some(moment);
        self.digest.entry(now, Tag::FaultStop, NodeId::server(1), &planned.fault);
        if T::ON {
            let (id, change, fault) = (planned.id.as_str(), FaultChange::Stop, &planned.fault);
            tracer.record(moment, TraceItem::Fault { id, change, fault });
        }
        self.revert(key, &fault, tracer);
        self.invariants.on_fault(Whole::new(&self.universe), &fault, FaultChange::Stop, &mut self.findings);
    }

    /// The settle phase has undone all that lasts on these nodes: what is lifted later says nothing of them.
    pub(super) fn release(&mut self, healed: &[NodeId]) {
        for active in self.active.values_mut() {
            retain(&mut active.fault, |node| !healed.contains(&node), |_| true);
        }
    }

    fn apply<T: Tracer<S::Node>>(&mut self, key: u32, fault: &Fault, tracer: &mut T) {
        match fault {
            Fault::Cut { links, in_flight, kinds } => self.cut(key, links, *in_flight, Self::kind_mask(kinds)),
            Fault::Clog { links, kinds } => {
                let mask = Self::kind_mask(kinds);
                links.iter().for_each(|link| self.universe.network.clog(key, *link, mask));
            }
            Fault::Weather { links, conditions, kinds } => {
                let mask = Self::kind_mask(kinds);
                links.iter().for_each(|link| self.universe.network.set_weather(key, *link, mask, *conditions));
            }
            Fault::Crash { nodes, scope, keep } => {
                for node in nodes {
                    let index = self.universe.cluster.index(*node);
                    self.universe.slots[index].crashed_by.push(key);
                    self.take_down(index, Down::Crash(*scope, *keep), tracer);
                }
            }
            Fault::Start { nodes } => nodes.iter().for_each(|node| self.start(*node)),
            Fault::Pause { nodes } => {
                for node in nodes {
                    let slot = self.universe.slot_mut(*node);
                    slot.pauses += 1;
                    slot.regate();
                }
            }
            Fault::Slow { nodes, service_time } => {
                for node in nodes {
                    let slot = self.universe.slot_mut(*node);
                    slot.slow.push((key, *service_time));
                    slot.regate();
                }
            }
            Fault::ClockStep { .. }
            | Fault::ClockDrift { .. }
            | Fault::ClockSlew { .. }
            | Fault::ClockFreeze { .. } => {
                self.apply_clock(fault);
            }
            Fault::Disk { nodes, fault } => {
                nodes.iter().for_each(|node| self.universe.slot_mut(*node).disk.start_fault(key, *fault));
            }
        }
    }

    fn cut(&mut self, key: u32, links: &[Link], in_flight: InFlight, mask: u64) {
        for link in links {
            self.universe.network.cut(key, *link, mask, in_flight);
        }
    }

    fn apply_clock(&mut self, fault: &Fault) {
        let now = self.universe.now;
        match fault {
            Fault::ClockStep { nodes, by } => {
                nodes.iter().for_each(|node| self.universe.slot_mut(*node).clock.step(*by));
            }
            Fault::ClockSlew { nodes, by, over } => {
                nodes.iter().for_each(|node| self.universe.slot_mut(*node).clock.slew(now, *by, *over));
            }
            Fault::ClockDrift { nodes, ppm } => {
                for node in nodes {
                    self.universe.slot_mut(*node).clock.add_drift(now, *ppm);
                    self.rekey(*node);
                }
            }
            Fault::ClockFreeze { nodes } => {
                for node in nodes {
                    self.universe.slot_mut(*node).clock.freeze(now);
                    self.rekey(*node);
                }
            }
            _ => unreachable!("only faults of clocks come here"),
        }
    }

    /// The rate of a node's clock has changed: its timers fire at other times.
    pub(super) fn rekey(&mut self, node: NodeId) {
        let (now, index) = (self.universe.now, self.universe.cluster.index(node));
        let slot = &mut self.universe.slots[index];
        for enqueue in slot.timers.rekey(&slot.clock, now) {
            self.enqueue_timer(index, enqueue);
        }
    }

    fn revert<T: Tracer<S::Node>>(&mut self, key: u32, fault: &Fault, tracer: &mut T) {
        let now = self.universe.now;
        match fault {
            Fault::Cut { links, .. } | Fault::Clog { links, .. } | Fault::Weather { links, .. } => {
                links.iter().for_each(|link| self.universe.network.lift(key, *link));
                links.iter().for_each(|link| self.on_link_changed(*link, tracer));
            }
            Fault::Crash { nodes, .. } => nodes.iter().for_each(|node| self.restart(key, *node)),
            Fault::Pause { nodes } => nodes.iter().for_each(|node| self.resume(*node)),
            Fault::Slow { nodes, .. } => {
                for node in nodes {
                    let slot = self.universe.slot_mut(*node);
                    slot.slow.retain(|(slow, _)| *slow != key);
                    slot.free_when_fast(now);
                    slot.regate();
                    self.wake_when_free(self.universe.cluster.index(*node));
                }
            }
            Fault::ClockDrift { nodes, ppm } => {
                for node in nodes {
                    self.universe.slot_mut(*node).clock.remove_drift(now, *ppm);
                    self.rekey(*node);
                }
            }
            Fault::ClockFreeze { nodes } => {
                for node in nodes {
                    self.universe.slot_mut(*node).clock.thaw(now);
                    self.rekey(*node);
                }
            }
            Fault::Disk { nodes, .. } => {
                nodes.iter().for_each(|node| self.universe.slot_mut(*node).disk.stop_fault(key));
            }
            Fault::Start { .. } | Fault::ClockStep { .. } | Fault::ClockSlew { .. } => {}
        }
    }

    /// Whatever held the node down does so no longer.
    fn start(&mut self, node: NodeId) {
        let slot = self.universe.slot_mut(node);
        slot.is_present = true;
        slot.crashed_by.clear();
        self.enqueue_start(node);
    }

    /// A crash is lifted: the node starts, unless another crash still holds it. A spare server stays absent.
    fn restart(&mut self, key: u32, node: NodeId) {
        let slot = self.universe.slot_mut(node);
        let held = slot.crashed_by.contains(&key);
        slot.crashed_by.retain(|crash| *crash != key);
        if held && slot.is_present && slot.node.is_none() && slot.crashed_by.is_empty() {
            self.enqueue_start(node);
        }
    }

    fn resume(&mut self, node: NodeId) {
        let slot = self.universe.slot_mut(node);
        slot.pauses = slot.pauses.saturating_sub(1);
        slot.regate();
        self.wake_when_free(self.universe.cluster.index(node));
    }

    /// A link may have become passable: what was held goes on, in order, and connections send again.
    pub(super) fn on_link_changed<T: Tracer<S::Node>>(&mut self, link: Link, tracer: &mut T) {
        let pair = (self.universe.cluster.index(link.source), self.universe.cluster.index(link.target));
        let held = self.held.remove(&pair).unwrap_or_default();
        let (held, released): (Vec<_>, Vec<_>) =
            held.into_iter().partition(|packet| self.universe.network.is_clogged(link, packet.kind()));
        if !held.is_empty() {
            self.held.insert(pair, held);
        }
        for packet in released {
            self.push_released(pair.1, packet);
        }
        self.resend(pair, tracer);
    }

    fn push_released(&mut self, target: usize, packet: Held<<S::Node as Node>::Message>) {
        let now = self.universe.now;
        match packet {
            Held::Datagram(datagram) => {
                let (priority, sequence) = self.next_order(target);
                self.push_datagram(now, priority, sequence, datagram);
            }
            Held::Segment(segment) => self.push(now, target, Event::Segment(segment)),
        }
    }

    /// Ends a process. Its value, timers, deferred work and waiting inputs are lost, and what was tied to a write.
    pub(super) fn take_down<T: Tracer<S::Node>>(&mut self, index: usize, down: Down, tracer: &mut T) {
        let now = self.universe.now;
        let node = self.universe.slots[index].id;
        if self.universe.slots[index].node.is_none() {
            if let Down::Crash(CrashScope::Machine, keep) = down
                && self.universe.slots[index].machine == Machine::Up
            {
                self.crash_machine(index, keep);
            }
            return;
        }
        if T::ON
            && let Down::Exit(reason) = down
        {
            tracer.record(self.moment(), TraceItem::Exited { node, reason });
        }
        self.count(if matches!(down, Down::Exit(_)) { "node exited" } else { "node crashed" });
        self.forget_process(index);
        match down {
            Down::Crash(CrashScope::Machine, keep) => self.crash_machine(index, keep),
            Down::Crash(CrashScope::Process, _) | Down::Exit(_) => {
                self.universe.slots[index].disk.crash_process(now);
                self.hang_up(index, tracer);
            }
        }
        self.universe.disturbed_at = now;
        self.director.on_down(now, node);
        self.act_due = self.next_act();
        self.invariants.on_down(Whole::new(&self.universe), node, &mut self.findings);
    }

    fn forget_process(&mut self, index: usize) {
        let slot = &mut self.universe.slots[index];
        slot.node = None;
        slot.incarnation += 1;
        slot.timers.clear();
        slot.tied.clear();
        slot.inbox.clear();
        slot.regate();
        slot.wakes_at = None;
        slot.busy_until = self.universe.now;
        slot.context.effects().clear();
        slot.context.tied().clear();
    }

    fn crash_machine(&mut self, index: usize, keep: Keep) {
        let now = self.universe.now;
        let slot = &self.universe.slots[index];
        let forced = match self.forced(|| Site::Crash(slot.id), || slot.disk.crash_count()) {
            Some(Decision::Keep(count)) => Some(count),
            _ => None,
        };
        let slot = &mut self.universe.slots[index];
        slot.machine = Machine::Off;
        if slot.disk.crash_machine(now, keep, forced) > 0 {
            self.count("unsynced write lost");
        }
        self.connections.forget_machine(index);
    }

    /// Counts what befalls the leader: `reach` asks for it.
    fn count_leader(&mut self, fault: &Fault) {
        let Some(leader) = self.director.census().leader() else {
            return;
        };
        match fault {
            Fault::Crash { nodes, .. } if nodes.contains(&leader) => self.count("leader crashed"),
            Fault::Pause { nodes } if nodes.contains(&leader) => self.count("leader paused"),
            _ => {}
        }
    }

    fn count_leader_cut_off(&mut self, fault: &Fault) {
        let Some(leader) = self.director.census().leader() else {
            return;
        };
        if !matches!(fault, Fault::Cut { .. }) {
            return;
        }
        let view = Whole::new(&self.universe);
        let servers = self.universe.cluster.servers().count();
        let paired = |server: &NodeId| *server != leader && view.is_paired(leader, *server);
        if self.universe.cluster.servers().filter(paired).count() < servers / 2 {
            self.count("leader cut off");
        }
    }
}

/// Takes nodes and links out of a fault.
pub(super) fn retain(fault: &mut Fault, node: impl Fn(NodeId) -> bool, link: impl Fn(Link) -> bool) {
    match fault {
        Fault::Cut { links, .. } | Fault::Clog { links, .. } | Fault::Weather { links, .. } => {
            links.retain(|it| link(*it));
        }
        Fault::Crash { nodes, .. }
        | Fault::Start { nodes }
        | Fault::Pause { nodes }
        | Fault::Slow { nodes, .. }
        | Fault::ClockStep { nodes, .. }
        | Fault::ClockDrift { nodes, .. }
        | Fault::ClockSlew { nodes, .. }
        | Fault::ClockFreeze { nodes }
        | Fault::Disk { nodes, .. } => nodes.retain(|it| node(*it)),
    }
}
