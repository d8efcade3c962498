//! What becomes of a node's effects.

use crate::context::{Effect, EffectRef, Notice};
use crate::digest::Tag;
use crate::id::{Link, NodeId};
use crate::invariant::Invariants;
use crate::network::{DropReason, FastVerdict, Packet, Transport};
use crate::node::{Change, Completion, Message, Node, Observation, Write, WriteId, refusal_of};
use crate::plan::{Decision, Site};
use crate::queue::{EntryRef, Key};
use crate::run::BudgetKind;
use crate::system::System;
use crate::time::{Duration, Instant};
use crate::timers::Enqueue;
use crate::trace::{TraceItem, Tracer};
use crate::view::Whole;
use crate::world_state::Waiting;

use super::World;
use super::deliver::{Datagram, Event};

impl<S: System, T: Tracer<S::Node>> World<S, T> {
    /// Carries out all effects of the last call, in order.
    #[inline(always)]
    pub(super) fn drain(&mut self, index: usize) {
        let context = &mut self.state.nodes[index].context;
        let is_tied = !context.tied().is_empty();
        if !context.effects().is_empty() {
            let mut effects = std::mem::take(context.effects());
            let mut leaving = effects.drain(..);
            for effect in leaving.by_ref() {
                self.carry_out(index, effect);
            }
            // It is used up: dropping it would only be work.
            std::mem::forget(leaving);
            // The buffer goes back, so that no call allocates.
            let buffer = self.state.nodes[index].context.effects();
            assert!(buffer.capacity() == 0, "no handler of this node runs while its effects are carried out");
            // What has no capacity owns nothing: dropping it would only be work.
            std::mem::forget(std::mem::replace(buffer, effects));
        }
        if is_tied {
            self.tie(index);
        }
    }

    #[inline(always)]
    fn carry_out(&mut self, index: usize, effect: Effect<S::Node>) {
        match effect {
            Effect::Send { target, connection: None, message } => {
                self.show(index, EffectRef::Send { target, connection: None, message: &message });
                self.send(index, target, message);
            }
            Effect::SetTimer { timer, at } => {
                self.show(index, EffectRef::SetTimer { timer, at });
                self.set_timer(index, timer, at);
            }
            other => self.carry_out_apart(index, other),
        }
    }

    /// The invariants see an effect before it is carried out. Shown in the arm of its kind, so that the kind is asked
    /// for once.
    #[inline(always)]
    pub(super) fn show(&mut self, index: usize, effect: EffectRef<'_, S::Node>) {
        let node = self.state.nodes[index].id;
        self.invariants.on_effect(Whole::new(&self.state), node, effect, &mut self.findings);
    }

    /// Any effect, in code that stands in the program once: what does not happen at every heartbeat, and what was tied
    /// to a write.
    #[inline(never)]
    fn carry_out_apart(&mut self, index: usize, effect: Effect<S::Node>) {
        match effect {
            Effect::Send { target, connection, message } => {
                self.show(index, EffectRef::Send { target, connection, message: &message });
                match connection {
                    None => self.send_apart(index, target, message),
                    Some(connection) => self.send_on(index, target, connection, message),
                }
            }
            Effect::SetTimer { timer, at } => {
                self.show(index, EffectRef::SetTimer { timer, at });
                self.set_timer(index, timer, at);
            }
            Effect::CancelTimer(timer) => {
                self.show(index, EffectRef::CancelTimer(timer));
                self.state.nodes[index].timers.cancel(timer);
            }
            Effect::Write { id, write, notice } => {
                self.show(index, EffectRef::Write { id, write: write.as_ref(), notice });
                self.write(index, id, write, notice);
            }
            Effect::Sync => {
                self.show(index, EffectRef::Sync);
                self.sync(index);
            }
            Effect::Defer(step) => {
                self.show(index, EffectRef::Defer(&step));
                let incarnation = self.state.nodes[index].incarnation;
                self.push(self.state.now, index, Event::Step { index, incarnation, step });
            }
            Effect::Connect { connection, target } => {
                self.show(index, EffectRef::Connect { connection, target });
                self.connect(index, connection, target);
            }
            Effect::Close(connection) => {
                self.show(index, EffectRef::Close(connection));
                self.close(index, connection);
            }
            Effect::Invoke { id, operation } => self.invoke(index, id, operation),
            Effect::Complete { id, result } => self.complete_operation(index, id, result),
            Effect::Observe(observation) => {
                self.show(index, EffectRef::Observe(&observation));
                self.observe(self.state.nodes[index].id, &observation);
            }
            Effect::Exit(reason) => {
                self.show(index, EffectRef::Exit(&reason));
                self.exit.get_or_insert(reason);
            }
        }
    }

    #[inline(always)]
    fn send(&mut self, source: usize, target: NodeId, message: <S::Node as Node>::Message) {
        let (now, target) = (self.state.now, self.target_of(target));
        if !self.tracer.is_on() && !self.watches_sends {
            // The hot path: nothing is recorded, and nothing is wrong with the link.
            match self.state.network.send_plain(now, (source, target)) {
                FastVerdict::Arrives(at, ordinal) => return self.post(at, 0, (source, target), ordinal, message),
                FastVerdict::Lost(ordinal) => return self.lose((source, target), ordinal, DropReason::Loss),
                FastVerdict::Undecided => {}
            }
        }
        self.send_watched((source, target), message);
    }

    #[inline(never)]
    fn send_apart(&mut self, source: usize, target: NodeId, message: <S::Node as Node>::Message) {
        self.send(source, target, message);
    }

    /// The dense index of a message's target.
    #[inline(always)]
    fn target_of(&self, target: NodeId) -> usize {
        assert!(self.state.cluster.contains(target), "a message goes to a node of the cluster");
        self.state.cluster.index(target)
    }

    #[inline(never)]
    pub(super) fn send_watched(&mut self, (source, target): (usize, usize), message: <S::Node as Node>::Message) {
        let (now, kind, size) = (self.state.now, Self::kind_of(&message), message.wire_size());
        let packet = Packet { transport: Transport::Datagram, kind, size };
        let forced = self.forced_packet(source, target);
        let fate = self.state.network.send(now, (source, target), packet, forced);
        if self.tracer.is_on() {
            let (link, ordinal) = (self.link_of((source, target)), fate.ordinal);
            let (arrives, again) = (fate.first.ok(), fate.second);
            let sent = TraceItem::Sent { link, connection: None, message: &message, ordinal, arrives, again };
            self.tracer.record(self.moment(), sent);
        }
        if let (Some(memory), Ok(_)) = (&mut self.memory, fate.first) {
            // What never comes to the target does not come again.
            let is_refused = self.state.network.refuses((source, target), kind) && refusal_of(&message).is_some();
            if !is_refused {
                memory.keep(now, (source, target), &message);
            }
        }
        if let Some(again) = fate.second {
            self.count_at(self.state.nodes[source].id, "packet duplicated");
            self.post(again, fate.priority, (source, target), fate.ordinal, message.clone());
        }
        match fate.first {
            Ok(at) => self.post(at, fate.priority, (source, target), fate.ordinal, message),
            Err(why) => self.lose((source, target), fate.ordinal, why),
        }
    }

    /// An old packet of the link arrives again, if there is one and the link lets it pass. Returns whether it does.
    pub(super) fn replay(&mut self, link: Link, age: Duration, mask: u64) -> bool {
        let now = self.state.now;
        let path = (self.state.cluster.index(link.source), self.state.cluster.index(link.target));
        let Some(message) = self.memory.as_ref().and_then(|memory| memory.recall(now, path, age, mask)) else {
            return false;
        };
        let ordinal = self.state.network.next_ordinal(path.0, path.1);
        if self.state.network.is_cut(link, Self::kind_of(&message)) {
            self.lose(path, ordinal, DropReason::Cut);
            return false;
        }
        self.count_at(link.source, "packet replayed");
        self.post(now, 0, path, ordinal, message);
        true
    }

    #[inline]
    pub(super) fn forced_packet(&self, source: usize, target: usize) -> Option<Decision> {
        self.forced(|| Site::Packet(self.link_of((source, target))), || self.state.network.next_ordinal(source, target))
    }

    #[inline(always)]
    fn post(
        &mut self,
        at: Instant,
        forced_priority: u8,
        (source, target): (usize, usize),
        ordinal: u64,
        message: <S::Node as Node>::Message,
    ) {
        let (priority, sequence) = self.next_order(target);
        let priority = if forced_priority == 0 { priority } else { forced_priority };
        let (source, target) = (source as u16, target as u16);
        self.push_datagram(at, priority, sequence, || Datagram { message, ordinal, source, target });
    }

    #[inline(always)]
    pub(super) fn push_datagram(
        &mut self,
        at: Instant,
        priority: u8,
        sequence: u64,
        datagram: impl FnOnce() -> Datagram<<S::Node as Node>::Message>,
    ) {
        if self.has_room() {
            let entry = EntryRef::Datagram(self.datagrams.insert(datagram));
            self.queue.push(Key::new(at, priority, sequence, entry));
        }
    }

    #[inline]
    fn set_timer(&mut self, index: usize, timer: <S::Node as Node>::Timer, at: Instant) {
        let order = self.next_order(index);
        let now = self.state.now;
        let state = &mut self.state.nodes[index];
        match state.timers.set(timer, at, &state.clock, now, order) {
            Ok(None) => {}
            Ok(Some(enqueue)) => self.enqueue_timer(index, enqueue),
            Err(_) => self.exhaust(BudgetKind::Queue, crate::timers::TIMER_COUNT_MAX as u64),
        }
    }

    #[inline]
    pub(super) fn enqueue_timer(&mut self, index: usize, enqueue: Enqueue) {
        if self.has_room() {
            let entry = EntryRef::Timer { node: index, slot: enqueue.slot };
            let key = Key::new(enqueue.at, enqueue.priority, enqueue.sequence, entry);
            self.queue.push(key);
            self.state.nodes[index].timers.note_queued(enqueue.slot, key);
        }
    }

    fn forced_disk(&self, index: usize) -> Option<Duration> {
        let state = &self.state.nodes[index];
        match self.forced(|| Site::Disk(state.id), || state.disk.operation_count()) {
            Some(Decision::Delay(delay)) => Some(delay),
            _ => None,
        }
    }

    fn write(&mut self, index: usize, id: WriteId, write: Write<<S::Node as Node>::Record>, notice: Notice) {
        if self.tracer.is_on() {
            let node = self.state.nodes[index].id;
            self.tracer.record(self.moment(), TraceItem::Wrote { node, id, write: &write });
        }
        let forced = self.forced_disk(index);
        let state = &mut self.state.nodes[index];
        state.last_write = id;
        let pending = state.disk.write(self.state.now, id, write, forced);
        let wanted = notice == Notice::Written || matches!(pending.completion, Completion::Failed(..));
        if wanted {
            self.push_completion(index, pending);
        }
    }

    fn sync(&mut self, index: usize) {
        let forced = self.forced_disk(index);
        let state = &mut self.state.nodes[index];
        let pending = state.disk.sync(self.state.now, state.last_write, forced);
        self.push_completion(index, pending);
    }

    pub(super) fn push_completion(&mut self, index: usize, pending: crate::disk::Pending) {
        let incarnation = self.state.nodes[index].incarnation;
        let event = Event::Durable { index, incarnation, completion: pending.completion, is_sync: pending.is_sync };
        self.push(pending.at, index, event);
    }

    /// A write or sync ends at the disk. The node hears of it when it is scheduled.
    pub(super) fn on_completion(&mut self, index: usize, completion: Completion, is_sync: bool) {
        if self.state.nodes[index].disk.holds(completion, is_sync) {
            return;
        }
        match completion {
            Completion::Written(_) => {}
            Completion::Durable(through) if is_sync => {
                self.state.nodes[index].disk.finish_sync(self.state.now, through);
            }
            Completion::Durable(_) => {}
            Completion::Failed(..) => self.count_at(self.state.nodes[index].id, "write failed"),
        }
        self.accept(index, Waiting::Durable(completion));
    }

    /// What was tied to a write leaves just before the node hears that it is durable, or never where it failed.
    pub(super) fn settle_tied(&mut self, index: usize, completion: Completion) {
        let state = &mut self.state.nodes[index];
        match completion {
            Completion::Written(_) => {}
            Completion::Failed(write, _) => state.tied.retain(|(tied, _)| *tied != write),
            Completion::Durable(through) => {
                state.durable = state.durable.max(Some(through));
                while let Some(effect) = self.next_released(index, through) {
                    self.carry_out_apart(index, effect);
                }
            }
        }
    }

    fn next_released(&mut self, index: usize, through: WriteId) -> Option<Effect<S::Node>> {
        let tied = &mut self.state.nodes[index].tied;
        let position = tied.iter().position(|(write, _)| *write <= through)?;
        tied.remove(position).map(|(_, effect)| effect)
    }

    /// Effects of the last call that are tied to a write: they wait, unless it is durable already.
    #[inline(never)]
    fn tie(&mut self, index: usize) {
        let mut tied = std::mem::take(self.state.nodes[index].context.tied());
        for (write, effect) in tied.drain(..) {
            if self.state.nodes[index].durable >= Some(write) {
                self.carry_out_apart(index, effect);
            } else {
                self.state.nodes[index].tied.push_back((write, effect));
            }
        }
        // The buffer goes back, so that no call allocates.
        *self.state.nodes[index].context.tied() = tied;
    }

    fn observe(&mut self, node: NodeId, observation: &<S::Node as Node>::Observation) {
        let (now, face) = (self.state.now, observation.face());
        self.digest.entry(now, Tag::Observation, node, observation);
        self.count(face.name);
        if self.tracer.is_on() {
            self.tracer.record(self.moment(), TraceItem::Observed { node, observation });
        }
        if self.director.on_face(now, node, face) {
            self.act_due = self.next_act();
        }
        if let Some(place) = face.place {
            self.measures.on_place(now, face.name, place);
        }
        if matches!(face.change, Change::Role { .. }) {
            self.measures.on_roles(now, self.director.census());
        }
    }
}
