//! The invariants of the reactor.
//!
//! | property | source | file | sight |
//! | --- | --- | --- | --- |
//! | what is ready is reported | epoll(7) | `no_lost_wakeup` | white box |
//! | edge-triggered descriptors are drained | epoll(7), questions | `drained_under_edge` | white box |
//! | one thread at a time has a connection | epoll_ctl(2), EPOLLONESHOT | `one_owner` | white box |
//! | no event for a number that was reused | epoll(7), "If using an event cache" | `no_stale_event` | white box |
//! | each descriptor gets a turn | epoll(7), "Starvation" | `no_starvation` | white box |
//! | each request is answered once, as asked, in order | RFC 9112 §9.3.2 | `answered_in_order` | black box |
//! | each request is served once | RFC 9110 §9.2.2 | `served_once` | white box |
//! | each request that can be is answered | RFC 9110 §3.4 | `every_request_answered` | white box |
//! | a connection is closed after its answers | RFC 9112 §9.6 | `closed_after_answers` | white box |
//! | a connection that has ended is closed | close(2); RFC 9293 §3.3.2 | `ended_is_closed` | white box |
//! | no descriptor is forgotten | close(2) | `no_descriptor_leaked` | white box |
//! | a signal handler waits for nothing | signal-safety(7) | `handler_never_waits` | white box |
//!
//! What is ready, what was read, and whose an event is, is asked of the kernel objects; what is owed to a client
//! follows from what clients have sent and what has left the machine. From the program itself come three things: where
//! its threads are and which events they hold, which numbers it has open for itself, and in `no_descriptor_leaked` its
//! table of connections.
//!
//! # Not checked
//!
//! - *An answer within a bound*: clients are as slow as their options say, so that no bound on the whole is worth much.
//!   What is bounded is how long a connection rests, and a scenario can bound `request timed out`.
//! - *Fair shares*: that none starves is checked, not that all get the same.

mod answered_in_order;
mod closed_after_answers;
mod drained_under_edge;
mod ended_is_closed;
mod every_request_answered;
mod facts;
mod handler_never_waits;
mod no_descriptor_leaked;
mod no_lost_wakeup;
mod no_stale_event;
mod no_starvation;
mod one_owner;
mod served_once;

#[cfg(test)]
mod testing;

use std::collections::BTreeMap;

use splitbrain_kernel::context::EffectRef;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, Input, InvariantInfo, Invariants};
use splitbrain_kernel::system::Setup;
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::view::View;

use super::counters::Counters;
use super::message::{Order, Wire};
use super::node::{ReactorNode, ReactorTimer};
use super::options::{Mode, ReactorOptions, Signals, Trigger};
use super::server::Server;
use super::worker::{At, Task};

use answered_in_order::Conversations;
use closed_after_answers::{Exchanges, Served};
use every_request_answered::Waiting;
use no_lost_wakeup::Sleepers;
use no_starvation::{Ages, Handled};
use served_once::AllServed;

splitbrain_kernel::invariant_list! {
    NO_LOST_WAKEUP = no_lost_wakeup::INFO,
    DRAINED_UNDER_EDGE = drained_under_edge::INFO,
    ONE_OWNER = one_owner::INFO,
    NO_STALE_EVENT = no_stale_event::INFO,
    NO_STARVATION = no_starvation::INFO,
    ANSWERED_IN_ORDER = answered_in_order::INFO,
    NO_DESCRIPTOR_LEAKED = no_descriptor_leaked::INFO,
    HANDLER_NEVER_WAITS = handler_never_waits::INFO,
    EVERY_REQUEST_ANSWERED = every_request_answered::INFO,
    CLOSED_AFTER_ANSWERS = closed_after_answers::INFO,
    SERVED_ONCE = served_once::INFO,
    ENDED_IS_CLOSED = ended_is_closed::INFO,
}

/// A thread that is about to go on, and what it is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Before {
    thread: u16,
    at: At,
    /// The system calls of the process so far.
    calls: u64,
    handled: Handled,
    /// The event that it is about to take up, if that is stale.
    stale: Option<Task>,
    /// The connection that the call is for, if it is for one.
    served: Option<Served>,
}

impl Before {
    fn of(server: &Server, thread: u16) -> Self {
        let handled = no_starvation::handled(server, thread);
        Self {
            thread,
            at: server.workers()[usize::from(thread)].at,
            calls: server.linux().call_count(),
            handled,
            stale: no_stale_event::stale(server, thread),
            served: handled[0].and_then(|item| Served::of(server, item)),
        }
    }
}

/// An input of a server, as far as invariants ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    /// A thread goes on.
    Turn(Before),
    /// A signal arrives.
    Signal,
    /// Something else.
    Other,
}

/// The invariants of the reactor, with all that they have seen.
#[derive(Clone, Debug)]
pub struct ReactorInvariants {
    /// The options of each server: invariants go by what was asked for.
    options: BTreeMap<NodeId, ReactorOptions>,
    conversations: Conversations,
    exchanges: Exchanges,
    served: AllServed,
    waiting: Waiting,
    sleepers: Sleepers,
    ages: BTreeMap<NodeId, Ages>,
    /// What the server is about to handle.
    awaited: Awaited,
    /// What servers have counted: in processes that are gone, and in those that run.
    counters: BTreeMap<NodeId, (Counters, Counters)>,
}

impl ReactorInvariants {
    /// Fresh invariants over a cluster with these options.
    pub fn new(setup: &Setup<ReactorOptions>) -> Self {
        let servers = setup.cluster.servers();
        let nodes = setup.cluster.servers().chain(setup.cluster.clients());
        let bounds = nodes.map(|node| every_request_answered::bound(setup.options.get(node), setup.bounds.latency));
        Self {
            waiting: Waiting::new(bounds.max().unwrap_or(Duration::ZERO)),
            sleepers: Sleepers::default(),
            options: servers.map(|server| (server, setup.options.get(server).clone())).collect(),
            conversations: Conversations::default(),
            ages: BTreeMap::new(),
            awaited: Awaited::Other,
            exchanges: Exchanges::default(),
            served: AllServed::default(),
            counters: BTreeMap::new(),
        }
    }

    /// What all servers have counted.
    pub fn counters(&self) -> Counters {
        self.counters.values().fold(Counters::default(), |sum, (gone, runs)| sum.plus(*gone).plus(*runs))
    }

    /// A thread has gone on.
    fn on_turn(&mut self, node: NodeId, server: &Server, before: Before, findings: &mut Findings) {
        let Before { thread, at: before, calls, handled, stale, served } = before;
        let worker = &server.workers()[usize::from(thread)];
        let options = &self.options[&node];
        if before.is_signalled() {
            handler_never_waits::after_signal(node, server, findings);
        }
        if matches!(before, At::Wait | At::Woken(_)) {
            no_lost_wakeup::after_wait(node, server, &self.exchanges, worker.epoll, findings);
        }
        if options.trigger == Trigger::Edge && worker.at == At::Next && before != At::Next {
            drained_under_edge::on_return(node, server, &self.exchanges, (thread, before), findings);
        }
        if options.mode == Mode::Shared {
            one_owner::after_call(node, server, thread, findings);
        }
        no_stale_event::after_step(node, server, thread, stale, findings);
        if let Some(served) = served {
            self.exchanges.after_call(node, server, served, findings);
        }
        if server.linux().call_count() > calls {
            self.ages.entry(node).or_default().on_call(node, server, options, (thread, handled), findings);
        }
        no_descriptor_leaked::after_call(node, server, findings);
        if let (Some(item), Some(served)) = (handled[0], served) {
            ended_is_closed::after_step(node, server, &self.exchanges, (item, served), findings);
        }
    }
}

impl Invariants<ReactorNode> for ReactorInvariants {
    const LIST: &'static [InvariantInfo] = LIST;

    fn on_start(&mut self, _: impl View<ReactorNode>, node: NodeId, _: &mut Findings) {
        if node.is_server() {
            let (gone, runs) = self.counters.entry(node).or_default();
            *gone = gone.plus(std::mem::take(runs));
            self.ages.remove(&node);
        }
    }

    fn on_effect(
        &mut self,
        view: impl View<ReactorNode>,
        node: NodeId,
        effect: EffectRef<'_, ReactorNode>,
        findings: &mut Findings,
    ) {
        match effect {
            EffectRef::Observe(observation) => {
                self.conversations.on_observation(node, observation, findings);
                self.served.on_observation(node, observation, findings);
                self.waiting.on_observation(node, observation, view.now(), findings);
                self.exchanges.on_observation(observation);
            }
            EffectRef::Send { connection: Some(connection), message, .. } => {
                self.waiting.on_sent(connection, view.now());
                if let Wire::Data { bytes, is_urgent: false } = message
                    && node.is_server()
                {
                    self.exchanges.on_sent(connection, bytes);
                }
            }
            _ => {}
        }
    }

    fn on_input(
        &mut self,
        view: impl View<ReactorNode>,
        node: NodeId,
        input: Input<'_, ReactorNode>,
        _: &mut Findings,
    ) {
        let server = view.node(node).and_then(ReactorNode::server);
        self.awaited = match (input, server) {
            (Input::Timer(ReactorTimer::Run(thread)), Some(server)) => {
                self.ages.entry(node).or_default().before_call(server, thread.0);
                Awaited::Turn(Before::of(server, thread.0))
            }
            (Input::Timer(ReactorTimer::Signal) | Input::Order(Order::Signal), Some(_)) => Awaited::Signal,
            _ => Awaited::Other,
        };
    }

    fn on_step(&mut self, view: impl View<ReactorNode>, node: NodeId, findings: &mut Findings) {
        let Some(server) = view.node(node).and_then(ReactorNode::server) else { return };
        match std::mem::replace(&mut self.awaited, Awaited::Other) {
            Awaited::Turn(before) => self.on_turn(node, server, before, findings),
            Awaited::Signal if self.options[&node].signals == Signals::SelfPipe => {
                handler_never_waits::after_signal(node, server, findings);
            }
            _ => {}
        }
        self.sleepers.after_step((node, server), &self.exchanges, view.now(), findings);
        self.counters.entry(node).or_default().1 = server.counters();
    }

    fn on_down(&mut self, _: impl View<ReactorNode>, node: NodeId, _: &mut Findings) {
        self.conversations.on_down(node);
        self.exchanges.on_down(node);
        self.waiting.on_down(node);
        self.sleepers.on_down(node);
    }

    fn on_settle(&mut self, view: impl View<ReactorNode>, _: &mut Findings) {
        self.waiting.on_settle(view.now());
    }

    fn deadline(&self) -> Instant {
        self.sleepers.deadline().min(self.waiting.deadline())
    }

    fn on_deadline(&mut self, view: impl View<ReactorNode>, findings: &mut Findings) {
        let server = |node| view.node(node).and_then(ReactorNode::server);
        self.sleepers.on_deadline(view.now(), server, &self.exchanges, findings);
        let has = |connection| view.cluster().servers().filter_map(server).any(|server| server.has(connection));
        self.waiting.on_deadline(view.now(), has, findings);
    }
}
