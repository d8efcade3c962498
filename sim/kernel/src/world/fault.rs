//! Faults on the world: how each begins, how it is lifted, and how processes end.

use std::borrow::Cow;

use crate::digest::Tag;
use crate::fault::{After, CrashScope, Fault, Keep, Target};
use crate::id::{Link, NodeId};
use crate::invariant::{FaultChange, Invariants};
use crate::node::Node;
use crate::plan::{Decision, PlannedFault, Site};
use crate::system::System;
use crate::trace::{TraceItem, Tracer};
use crate::view::{View as _, Whole};
use crate::vocabulary::{Incident, RoleId};
use crate::world_state::Machine;

use super::World;
use super::deliver::{Event, HeldPacket};

/// A fault that lasts.
#[derive(Clone, Debug)]
pub(super) struct ActiveFault {
    /// Its place in the plan.
    pub(super) position: usize,
    /// What is left of it.
    pub(super) fault: Fault,
}

/// How a process ends.
#[derive(Clone, Debug)]
pub(super) enum Down {
    /// By itself.
    Exit(Cow<'static, str>),
    /// It crashes.
    Crash(CrashScope, Keep),
}

impl<S: System, T: Tracer<S::Node>> World<S, T> {
    pub(super) fn start_fault(&mut self, key: u32, planned: PlannedFault) {
        let now = self.state.now;
        self.order += 1;
        self.state.disturbed_at = now;
        self.count(planned.fault.kind());
        self.digest.entry(now, Tag::FaultStart, NodeId::server(1), &planned.fault);
        if self.tracer.is_on() {
            let (id, change, fault) = (planned.id.as_str(), FaultChange::Start, &planned.fault);
            self.tracer.record(self.moment(), TraceItem::Fault { id, change, fault });
        }
        self.count_incidents(&planned.fault);
        let fault = planned.fault.clone();
        self.active.insert(key, ActiveFault { position: self.plan.faults.len(), fault: fault.clone() });
        self.plan.faults.push(planned);
        self.note_start(&fault);
        self.apply(key, &fault);
        self.count_cut_off(&fault);
        self.invariants.on_fault(Whole::new(&self.state), &fault, FaultChange::Start, &mut self.findings);
    }

    pub(super) fn stop_fault(&mut self, key: u32) {
        let Some(ActiveFault { position, fault }) = self.active.remove(&key) else {
            return;
        };
        let (now, moment) = (self.state.now, self.moment());
        self.order += 1;
        self.state.disturbed_at = now;
        let planned = &mut self.plan.faults[position];
        planned.stop = Some(moment);
        self.digest.entry(now, Tag::FaultStop, NodeId::server(1), &planned.fault);
        if self.tracer.is_on() {
            let (id, change, fault) = (planned.id.as_str(), FaultChange::Stop, &planned.fault);
            self.tracer.record(moment, TraceItem::Fault { id, change, fault });
        }
        self.note_weather(key, position, &fault);
        self.revert(key, &fault);
        self.invariants.on_fault(Whole::new(&self.state), &fault, FaultChange::Stop, &mut self.findings);
    }

    /// A request of this kind was refused on a link: by each fault so far that refuses such ones there.
    #[cold]
    pub(super) fn note_refusal(&mut self, path: (usize, usize), kind: u64) {
        let link = self.link_of(path);
        let is_on = |fault: &Fault| matches!(fault.target(), Target::Links(links) if links.contains(&link));
        for (position, PlannedFault { fault, .. }) in self.plan.faults.iter().enumerate() {
            if fault.refuses() && Self::kind_mask(fault.kinds()) & kind != 0 && is_on(fault) {
                self.applied.note(position);
            }
        }
    }

    /// The settle phase has undone all that lasts on these nodes: what is lifted later says nothing of them.
    pub(super) fn release(&mut self, healed: &[NodeId]) {
        for active in self.active.values_mut() {
            active.fault.retain(|node| !healed.contains(&node), |_| true);
        }
    }

    fn apply(&mut self, key: u32, fault: &Fault) {
        match fault.target() {
            Target::Links(links) => {
                let mask = Self::kind_mask(fault.kinds());
                links.iter().for_each(|link| fault.start_link(key, &mut self.state.network, *link, mask));
                if let Some(age) = fault.replays() {
                    let replayed = links.iter().filter(|link| self.replay(**link, age, mask)).count();
                    if replayed > 0 {
                        self.applied.note(self.plan.faults.len() - 1);
                    }
                }
            }
            Target::Nodes(nodes) => {
                for node in nodes {
                    if matches!(fault, Fault::Start(start) if start.free_only) {
                        self.note_held(self.state.cluster.index(*node));
                    }
                    let now = self.state.now;
                    let after = fault.start_node(key, self.state.node_mut(*node), now);
                    self.follow(*node, after);
                }
            }
        }
    }

    fn revert(&mut self, key: u32, fault: &Fault) {
        match fault.target() {
            Target::Links(links) => {
                links.iter().for_each(|link| self.state.network.lift(key, *link));
                links.iter().for_each(|link| self.on_link_changed(*link));
            }
            Target::Nodes(nodes) => {
                for node in nodes {
                    let now = self.state.now;
                    let after = fault.stop_node(key, self.state.node_mut(*node), now);
                    if matches!(fault, Fault::Crash(_)) {
                        self.note_held(self.state.cluster.index(*node));
                    }
                    self.follow(*node, after);
                }
            }
        }
    }

    /// Sees to what follows from a change of a node.
    fn follow(&mut self, node: NodeId, after: After) {
        let index = self.state.cluster.index(node);
        match after {
            After::Nothing => {}
            After::Changed => self.go_on(node),
            After::Resumes => {
                self.go_on(node);
                self.resume_connections(index);
            }
            After::Starts => self.enqueue_start(node),
            After::Crashes(scope, keep) => self.take_down(index, &Down::Crash(scope, keep)),
        }
    }

    /// A node's clocks, its turn or its disk have changed: its timers are due at other times, it may start or take its
    /// next input, and what its disk kept back ends.
    pub(super) fn go_on(&mut self, node: NodeId) {
        let (now, index) = (self.state.now, self.state.cluster.index(node));
        self.rekey(node);
        let state = &mut self.state.nodes[index];
        if state.pauses == 0 && std::mem::take(&mut state.start_waits) {
            self.enqueue_start(node);
        }
        self.wake_when_free(index);
        for pending in self.state.nodes[index].disk.take_held(now) {
            self.push_completion(index, pending);
        }
    }

    fn rekey(&mut self, node: NodeId) {
        let (now, index) = (self.state.now, self.state.cluster.index(node));
        let state = &mut self.state.nodes[index];
        for enqueue in state.timers.rekey(&state.clock, now) {
            self.enqueue_timer(index, enqueue);
        }
    }

    /// A link may have become passable: what was held goes on, in order, and connections send again.
    pub(super) fn on_link_changed(&mut self, link: Link) {
        let pair = (self.state.cluster.index(link.source), self.state.cluster.index(link.target));
        let held = self.held.remove(&pair).unwrap_or_default();
        let (held, released): (Vec<_>, Vec<_>) =
            held.into_iter().partition(|packet| self.state.network.is_clogged(link, packet.kind()));
        if !held.is_empty() {
            self.held.insert(pair, held);
        }
        for packet in released {
            self.push_released(pair.1, packet);
        }
        self.resend(pair);
    }

    fn push_released(&mut self, target: usize, packet: HeldPacket<<S::Node as Node>::Message>) {
        let now = self.state.now;
        match packet {
            HeldPacket::Datagram(datagram) => {
                let (priority, sequence) = self.next_order(target);
                self.push_datagram(now, priority, sequence, || datagram);
            }
            HeldPacket::Segment(segment) => self.push(now, target, Event::Segment(segment)),
        }
    }

    /// Ends a process. Its value, timers, deferred work and waiting inputs are lost, and what was tied to a write.
    pub(super) fn take_down(&mut self, index: usize, down: &Down) {
        let now = self.state.now;
        let node = self.state.nodes[index].id;
        if self.state.nodes[index].process.is_none() {
            if let Down::Crash(CrashScope::Machine, keep) = down
                && self.state.nodes[index].machine == Machine::Up
            {
                self.crash_machine(index, *keep);
            }
            return;
        }
        if self.tracer.is_on()
            && let Down::Exit(reason) = down
        {
            self.tracer.record(self.moment(), TraceItem::Exited { node, reason });
        }
        // Before its role is forgotten: `node exited at leader`.
        self.count_at(node, if matches!(down, Down::Exit(_)) { "node exited" } else { "node crashed" });
        self.abandon(index);
        self.forget_process(index);
        match down {
            Down::Crash(CrashScope::Machine, keep) => self.crash_machine(index, *keep),
            Down::Crash(CrashScope::Process, _) | Down::Exit(_) => {
                self.state.nodes[index].disk.crash_process(now);
                self.hang_up(index);
            }
        }
        self.state.disturbed_at = now;
        self.director.on_down(now, node);
        self.measures.on_roles(now, self.director.census());
        self.act_due = self.next_act();
        self.invariants.on_down(Whole::new(&self.state), node, &mut self.findings);
    }

    fn forget_process(&mut self, index: usize) {
        let state = &mut self.state.nodes[index];
        state.process = None;
        state.incarnation += 1;
        state.timers.clear();
        state.tied.clear();
        state.inbox.clear();
        state.update_queueing();
        state.wakes_at = None;
        state.busy_until = self.state.now;
        state.context.effects().clear();
        state.context.tied().clear();
    }

    fn crash_machine(&mut self, index: usize, keep: Keep) {
        let now = self.state.now;
        let state = &self.state.nodes[index];
        let forced = match self.forced(|| Site::Crash(state.id), || state.disk.crash_count()) {
            Some(Decision::Keep(count)) => Some(count),
            _ => None,
        };
        let state = &mut self.state.nodes[index];
        state.machine = Machine::Off;
        let node = state.id;
        if state.disk.crash_machine(now, keep, forced) > 0 {
            self.count_at(node, "unsynced write lost");
        }
        self.connections.forget_machine(index);
    }

    /// Counts what befalls the nodes in ranked roles: `reach` asks for it.
    fn count_incidents(&mut self, fault: &Fault) {
        let (Some(incident), Target::Nodes(nodes)) = (fault.incident(), fault.target()) else { return };
        for (role, chief) in self.chiefs() {
            if nodes.contains(&chief) {
                self.add_incident(role, incident, chief);
            }
        }
    }

    fn add_incident(&mut self, role: RoleId, incident: Incident, chief: NodeId) {
        self.incidents.add(role, incident);
        if self.notifies_director {
            let name = format!("{} {}", self.director.census().words().role_name(role), incident.name());
            self.notify_director(chief, &name);
        }
    }

    fn count_cut_off(&mut self, fault: &Fault) {
        if fault.incident() != Some(Incident::CutOff) {
            return;
        }
        for (role, chief) in self.chiefs() {
            let view = Whole::new(&self.state);
            // Among those of its kind: with others it does not share the role.
            let peers = || self.state.cluster.of(chief.kind());
            let paired = |peer: &NodeId| *peer != chief && view.is_paired(chief, *peer);
            if peers().filter(paired).count() < peers().count() / 2 {
                self.add_incident(role, Incident::CutOff, chief);
            }
        }
    }

    /// The nodes that count in ranked roles.
    fn chiefs(&self) -> Vec<(RoleId, NodeId)> {
        let census = self.director.census();
        census.words().ranked().filter_map(|role| Some((role, census.chief(role)?))).collect()
    }
}
