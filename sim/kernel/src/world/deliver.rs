//! Events: what is in the queue, and how it becomes an input of a node.

use crate::digest::Tag;
use crate::id::{Link, NodeId};
use crate::invariant::{Input, Invariants};
use crate::network::{ArrivalVerdict, DropReason};
use crate::node::{Completion, ConnectionEvent, ConnectionId, Message, Node, Source, refusal_of};
use crate::queue::{EntryRef, Key};
use crate::run::BudgetKind;
use crate::system::System;
use crate::timers::Fired;
use crate::trace::{TraceItem, Tracer};
use crate::view::Whole;
use crate::world_state::{Machine, Waiting};

use super::World;
use super::fault::Down;
use super::segment::Segment;

/// A datagram under way. It has a slab of its own: most events are datagrams, and one layout for all of their way
/// through the world spares the copies between one layout and another.
#[derive(Clone, Debug)]
pub(super) struct Datagram<M> {
    pub(super) message: M,
    pub(super) ordinal: u64,
    pub(super) source: u16,
    pub(super) target: u16,
}

/// What is in the queue, beside timers and datagrams.
#[derive(Clone, Debug)]
pub(super) enum Event<N: Node> {
    /// A process starts.
    Start { index: usize, incarnation: u32 },
    /// Something arrives over a connection.
    Segment(Segment<N::Message>),
    /// A connection has been silent for too long.
    Silence { connection: ConnectionId, end: usize, ticket: u64 },
    /// A write or sync ends.
    Durable { index: usize, incarnation: u32, completion: Completion, is_sync: bool },
    /// Deferred work comes back.
    Step { index: usize, incarnation: u32, step: N::Step },
    /// A node that was paused or slow takes its next input.
    Wake { index: usize, incarnation: u32 },
}

/// A packet that waits at a clogged link.
#[derive(Clone, Debug)]
pub(super) enum HeldPacket<M> {
    /// A datagram.
    Datagram(Datagram<M>),
    /// A part of a connection.
    Segment(Segment<M>),
}

impl<M: Message> HeldPacket<M> {
    /// The bit of its kind; all bits for what belongs to the transport.
    pub(super) fn kind(&self) -> u64 {
        match self {
            Self::Datagram(datagram) => 1 << datagram.message.kind(),
            Self::Segment(segment) => segment.kind(),
        }
    }
}

impl<S: System, T: Tracer<S::Node>> World<S, T> {
    /// An entry of the queue comes up.
    #[inline(always)]
    pub(super) fn on_event(&mut self, key: Key) {
        let called = match key.entry() {
            EntryRef::Timer { node, slot } => self.on_timer_entry(node, slot, key),
            EntryRef::Datagram(place) => {
                let datagram = self.datagrams.take(place);
                self.on_datagram(datagram)
            }
            EntryRef::Event(place) => {
                self.on_other_event(place);
                None
            }
        };
        // Timers and datagrams share this: a copy for each would not fit into the cache of instructions.
        if let Some(index) = called {
            self.finish_call(index);
        }
    }

    /// Neither a timer nor a datagram.
    #[inline(never)]
    fn on_other_event(&mut self, place: u32) {
        match self.events.take(place) {
            Event::Segment(segment) => self.on_segment(segment),
            Event::Start { index, incarnation } => self.on_start(index, incarnation),
            Event::Silence { connection, end, ticket } => self.on_silence(connection, end, ticket),
            Event::Durable { index, incarnation, completion, is_sync } => {
                if self.state.nodes[index].incarnation == incarnation {
                    self.on_completion(index, completion, is_sync);
                }
            }
            Event::Step { index, incarnation, step } => {
                if self.state.nodes[index].incarnation == incarnation {
                    self.accept(index, Waiting::Step(step));
                }
            }
            Event::Wake { index, incarnation } => self.on_wake(index, incarnation),
        }
    }

    /// Returns the node, if it was called.
    #[inline]
    fn on_timer_entry(&mut self, index: usize, slot: u32, key: Key) -> Option<usize> {
        let node = &mut self.state.nodes[index];
        match node.timers.fire(slot, key) {
            Fired::Stale => {}
            Fired::Later(enqueue) => self.enqueue_timer(index, enqueue),
            Fired::Now(timer) if node.is_free() => {
                self.call_timer(index, timer);
                return Some(index);
            }
            Fired::Now(timer) => {
                node.timers.hold(timer);
                self.accept(index, Waiting::Timer(timer));
            }
        }
        None
    }

    /// Returns the target, if it was called.
    #[inline(always)]
    fn on_datagram(&mut self, datagram: Datagram<<S::Node as Node>::Message>) -> Option<usize> {
        let Datagram { source, target, ordinal, .. } = datagram;
        let link = (usize::from(source), usize::from(target));
        match self.state.network.arrive(link, ordinal, Self::kind_of(&datagram.message)) {
            ArrivalVerdict::Deliver => {}
            ArrivalVerdict::Lost => {
                self.lose(link, ordinal, DropReason::Cut);
                return None;
            }
            ArrivalVerdict::Hold => {
                self.hold(link, ordinal, HeldPacket::Datagram(datagram));
                return None;
            }
            ArrivalVerdict::Refuse => {
                if let Some(answer) = refusal_of(&datagram.message) {
                    self.note_refusal(link, Self::kind_of(&datagram.message));
                    self.refuse(link, ordinal, answer);
                    return None;
                }
            }
        }
        let from = Source { node: self.state.nodes[link.0].id, connection: None };
        let state = &self.state.nodes[link.1];
        if state.process.is_none() {
            self.lose(link, ordinal, DropReason::Down);
        } else if state.is_free() {
            self.call_message(link.1, from, datagram.message);
            return Some(link.1);
        } else {
            self.accept(link.1, Waiting::Message(from, datagram.message));
        }
        None
    }

    #[cold]
    pub(super) fn lose(&mut self, link: (usize, usize), ordinal: u64, why: DropReason) {
        let source = self.state.nodes[link.0].id;
        match why {
            DropReason::Loss => self.count_at(source, "packet lost"),
            DropReason::Cut => self.count_at(source, "packet cut"),
            DropReason::Full => self.count_at(source, "packet dropped"),
            DropReason::Refused => self.count_at(source, "request refused"),
            DropReason::Override | DropReason::Down | DropReason::NoConnection => {}
        }
        if self.tracer.is_on() {
            let link = self.link_of(link);
            self.tracer.record(self.moment(), TraceItem::Lost { link, ordinal, why });
        }
    }

    /// A request that is refused is lost. The error goes back if the target's machine runs.
    #[cold]
    fn refuse(&mut self, (source, target): (usize, usize), ordinal: u64, answer: <S::Node as Node>::Message) {
        self.lose((source, target), ordinal, DropReason::Refused);
        if self.state.nodes[target].has_network() {
            self.send_watched((target, source), answer);
        }
    }

    #[cold]
    pub(super) fn hold(&mut self, link: (usize, usize), ordinal: u64, packet: HeldPacket<<S::Node as Node>::Message>) {
        self.count_at(self.state.nodes[link.0].id, "packet held");
        if self.tracer.is_on() {
            let link = self.link_of(link);
            self.tracer.record(self.moment(), TraceItem::Held { link, ordinal });
        }
        self.held.entry(link).or_default().push(packet);
    }

    pub(super) fn link_of(&self, (source, target): (usize, usize)) -> Link {
        Link::new(self.state.nodes[source].id, self.state.nodes[target].id)
    }

    /// An input comes to a node: it is handled at once, or waits where the node is paused or slow.
    pub(super) fn accept(&mut self, index: usize, waiting: Waiting<S::Node>) {
        let state = &mut self.state.nodes[index];
        if state.process.is_none() {
            return;
        }
        if state.is_free() {
            return self.handle(index, waiting);
        }
        if state.inbox.len() as u64 >= self.budget.inbox_max {
            return self.exhaust(BudgetKind::Inbox, self.budget.inbox_max);
        }
        state.inbox.push_back(waiting);
        state.update_queueing();
        self.wake_when_free(index);
    }

    /// Queues the next turn of a node with inputs waiting, unless it is paused.
    pub(super) fn wake_when_free(&mut self, index: usize) {
        let now = self.state.now;
        let state = &mut self.state.nodes[index];
        let (at, incarnation) = (state.busy_until.max(now), state.incarnation);
        if state.pauses > 0 || state.inbox.is_empty() || state.wakes_at.is_some_and(|queued| queued <= at) {
            return;
        }
        state.wakes_at = Some(at);
        self.push(at, index, Event::Wake { index, incarnation });
    }

    fn on_wake(&mut self, index: usize, incarnation: u32) {
        let now = self.state.now;
        let state = &mut self.state.nodes[index];
        if state.incarnation != incarnation || state.wakes_at.is_none_or(|at| at > now) {
            return;
        }
        state.wakes_at = None;
        if state.pauses > 0 {
            return;
        }
        let service = state.slow.iter().map(|(_, service)| *service).max().unwrap_or_default();
        state.busy_until = now.saturating_add(service);
        if let Some(waiting) = state.inbox.pop_front() {
            state.update_queueing();
            self.handle(index, waiting);
        }
        self.wake_when_free(index);
    }

    fn handle(&mut self, index: usize, waiting: Waiting<S::Node>) {
        match waiting {
            Waiting::Message(source, message) => self.handle_message(index, source, message),
            Waiting::Timer(timer) => {
                if self.state.nodes[index].timers.release(timer) {
                    self.handle_timer(index, timer);
                }
            }
            Waiting::Connection(event) => self.handle_connection(index, event),
            Waiting::Durable(completion) => self.handle_durable(index, completion),
            Waiting::Step(step) => self.handle_step(index, step),
            Waiting::Operation(operation) => self.handle_operation(index, operation),
            Waiting::Order(order) => self.handle_order(index, order),
        }
    }

    fn on_start(&mut self, index: usize, incarnation: u32) {
        let (now, node) = (self.state.now, self.state.nodes[index].id);
        let state = &self.state.nodes[index];
        if state.incarnation != incarnation || state.process.is_some() {
            return;
        }
        if !state.crashed_by.is_empty() {
            return self.note_held(index);
        }
        self.note_arrival(node);
        let state = &mut self.state.nodes[index];
        if state.pauses > 0 {
            state.start_waits = true;
            return;
        }
        self.current = Some(node);
        let recovered = state.disk.recover();
        state.context.set_incarnation(incarnation);
        if self.tracer.is_on() {
            self.tracer.before_node(self.moment(), node);
        }
        let process = self.system.node(node, recovered);
        let state = &mut self.state.nodes[index];
        state.process = Some(process);
        if std::mem::replace(&mut state.machine, Machine::Up) == Machine::Off {
            self.resend_to(index);
        }
        self.state.disturbed_at = now;
        if incarnation > 0 {
            self.count_at(node, "node restarted");
        }
        self.director.on_up(now, node);
        self.act_due = self.next_act();
        self.invariants.on_start(Whole::new(&self.state), node, &mut self.findings);
        self.begin(index, Tag::Start, &incarnation, Input::Start);
        let state = &mut self.state.nodes[index];
        let process = state.process.as_mut().expect("the process has just started");
        process.on_start(&mut state.context);
        self.complete(index);
    }

    pub(super) fn handle_message(&mut self, index: usize, source: Source, message: <S::Node as Node>::Message) {
        self.call_message(index, source, message);
        self.complete(index);
    }

    #[inline(always)]
    fn call_message(&mut self, index: usize, source: Source, message: <S::Node as Node>::Message) {
        let input = Input::Message(source, &message);
        match source.connection {
            // The bytes of `source`, written so that the compiler knows how many they are.
            None => self.begin(index, Tag::Message, &(source.node, 0_u8, &message), input),
            Some(_) => self.begin(index, Tag::Message, &(source, &message), input),
        }
        let state = &mut self.state.nodes[index];
        state.process.as_mut().expect("only a live node has inputs").on_message(&mut state.context, source, message);
    }

    fn handle_timer(&mut self, index: usize, timer: <S::Node as Node>::Timer) {
        self.call_timer(index, timer);
        self.complete(index);
    }

    #[inline]
    fn call_timer(&mut self, index: usize, timer: <S::Node as Node>::Timer) {
        self.begin(index, Tag::Timer, &timer, Input::Timer(timer));
        let state = &mut self.state.nodes[index];
        state.process.as_mut().expect("only a live node has inputs").on_timer(&mut state.context, timer);
    }

    fn handle_connection(&mut self, index: usize, event: ConnectionEvent) {
        self.begin(index, Tag::Connection, &event, Input::Connection(&event));
        let state = &mut self.state.nodes[index];
        state.process.as_mut().expect("only a live node has inputs").on_connection(&mut state.context, event);
        self.complete(index);
    }

    fn handle_durable(&mut self, index: usize, completion: Completion) {
        self.settle_tied(index, completion);
        self.begin(index, Tag::Durable, &completion, Input::Durable(completion));
        let state = &mut self.state.nodes[index];
        state.process.as_mut().expect("only a live node has inputs").on_durable(&mut state.context, completion);
        self.complete(index);
    }

    fn handle_step(&mut self, index: usize, step: <S::Node as Node>::Step) {
        self.begin(index, Tag::Step, &step, Input::Step(&step));
        let state = &mut self.state.nodes[index];
        state.process.as_mut().expect("only a live node has inputs").on_step(&mut state.context, step);
        self.complete(index);
    }

    fn handle_operation(&mut self, index: usize, operation: <S::Node as Node>::Operation) {
        self.begin(index, Tag::Operation, &operation, Input::Operation(&operation));
        let state = &mut self.state.nodes[index];
        state.process.as_mut().expect("only a live node has inputs").on_operation(&mut state.context, operation);
        self.complete(index);
    }

    fn handle_order(&mut self, index: usize, order: <S::Node as Node>::Order) {
        self.begin(index, Tag::Order, &order, Input::Order(&order));
        let state = &mut self.state.nodes[index];
        state.process.as_mut().expect("only a live node has inputs").on_order(&mut state.context, order);
        self.complete(index);
    }

    /// What comes before every call of a handler.
    #[inline(always)]
    fn begin<C: serde::Serialize>(&mut self, index: usize, tag: Tag, content: &C, input: Input<'_, S::Node>) {
        let now = self.state.now;
        let node = self.set_clocks(index);
        self.digest.entry(now, tag, node, content);
        self.invariants.on_input(Whole::new(&self.state), node, input, &mut self.findings);
        self.state.events += 1;
        if self.tracer.is_on() {
            self.tracer.record(self.moment(), TraceItem::Input { node, input });
        }
        if self.state.events >= self.budget.events_max {
            self.exhaust(BudgetKind::Events, self.budget.events_max);
        }
    }

    /// What a node sees of the time before it is called.
    #[inline(always)]
    pub(super) fn set_clocks(&mut self, index: usize) -> NodeId {
        let now = self.state.now;
        let state = &mut self.state.nodes[index];
        let monotonic = state.clock.monotonic(now);
        let wall = state.clock.wall(now, monotonic);
        state.context.set_clocks(monotonic, wall);
        self.current = Some(state.id);
        state.id
    }

    /// What comes after every call of a handler. Apart from the loop: each handler would have a copy of its own.
    #[inline(never)]
    pub(super) fn complete(&mut self, index: usize) {
        self.finish_call(index);
    }

    /// A handler of the node has returned: its effects leave, and the invariants look.
    #[inline(always)]
    fn finish_call(&mut self, index: usize) {
        self.drain(index);
        let node = self.state.nodes[index].id;
        self.invariants.on_step(Whole::new(&self.state), node, &mut self.findings);
        if let Some(reason) = self.exit.take() {
            self.take_down(index, &Down::Exit(reason));
        }
    }
}
