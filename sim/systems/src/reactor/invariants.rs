//! The invariants of the reactor.
//!
//! | property | source | file | sight |
//! | --- | --- | --- | --- |
//! | what is ready is reported | epoll(7) | `no_lost_wakeup` | white box |
//! | edge-triggered descriptors are drained | epoll(7), questions | `drained_under_edge` | white box |
//! | one thread at a time has a connection | epoll_ctl(2), EPOLLONESHOT | `one_owner` | white box |
//! | no event for a number that was reused | epoll(7), questions 6 and 9 | `no_stale_event` | white box |
//! | everybody gets a turn | epoll(7), "Starvation" | `no_starvation` | white box |
//! | each request is answered once, in order | RFC 9112 §9.3.2 | `answered_in_order` | black box |
//! | no descriptor is forgotten | close(2) | `no_descriptor_leaked` | white box |
//! | a signal handler waits for nothing | signal-safety(7) | `handler_never_waits` | black box |
//!
//! What is ready, and whose an event is, is asked of the kernel objects, never of the program. What the program wants
//! (to read until the client has ended, to write what waits) is derived here once more, not taken from the interest
//! that it registered.
//!
//! # Not checked
//!
//! - *An answer within a bound*: clients are as slow as their options say, so that no bound is worth much. A server
//!   that forgets a connection breaks `no_lost_wakeup`, and a scenario can bound `request timed out`.
//! - *Fair shares*: that none starves is checked, not that all get the same.

mod answered_in_order;
mod drained_under_edge;
mod facts;
mod handler_never_waits;
mod no_descriptor_leaked;
mod no_lost_wakeup;
mod no_stale_event;
mod no_starvation;
mod one_owner;

#[cfg(test)]
mod testing;

use std::collections::BTreeMap;

use splitbrain_kernel::context::EffectRef;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, Input, InvariantInfo, Invariants};
use splitbrain_kernel::system::Setup;
use splitbrain_kernel::view::View;

use super::node::{ReactorNode, ReactorTimer};
use super::observation::ReactorObservation;
use super::options::{Mode, ReactorOptions, Trigger};
use super::server::Server;
use super::tally::Tally;
use super::worker::At;

use answered_in_order::Conversations;
use no_starvation::Ages;

/// The place of each invariant in [`ReactorInvariants::LIST`].
mod index {
    pub(super) const NO_LOST_WAKEUP: usize = 0;
    pub(super) const DRAINED_UNDER_EDGE: usize = 1;
    pub(super) const ONE_OWNER: usize = 2;
    pub(super) const NO_STALE_EVENT: usize = 3;
    pub(super) const NO_STARVATION: usize = 4;
    pub(super) const ANSWERED_IN_ORDER: usize = 5;
    pub(super) const NO_DESCRIPTOR_LEAKED: usize = 6;
    pub(super) const HANDLER_NEVER_WAITS: usize = 7;
}

/// The invariants of the reactor, with all that they have seen.
#[derive(Clone, Debug)]
pub struct ReactorInvariants {
    /// What each node was told to do: invariants go by what was asked for.
    options: BTreeMap<NodeId, ReactorOptions>,
    conversations: Conversations,
    ages: BTreeMap<NodeId, Ages>,
    /// The thread that is about to make a call, and where it was.
    before: Option<(u16, At)>,
    /// What servers have counted: in processes that are gone, and in those that run.
    tallies: BTreeMap<NodeId, (Tally, Tally)>,
}

impl ReactorInvariants {
    /// Fresh invariants over a cluster with these options.
    pub fn new(setup: &Setup<ReactorOptions>) -> Self {
        let servers = setup.cluster.servers();
        Self {
            options: servers.map(|server| (server, setup.options.get(server).clone())).collect(),
            conversations: Conversations::default(),
            ages: BTreeMap::new(),
            before: None,
            tallies: BTreeMap::new(),
        }
    }

    /// What all servers have counted.
    pub fn tally(&self) -> Tally {
        self.tallies.values().fold(Tally::default(), |sum, (gone, runs)| sum.plus(*gone).plus(*runs))
    }

    /// A thread has made a call.
    fn on_call(&mut self, node: NodeId, server: &Server, thread: u16, before: At, findings: &mut Findings) {
        let worker = &server.workers()[usize::from(thread)];
        let options = &self.options[&node];
        if before == At::Wait {
            no_lost_wakeup::after_wait(node, server, worker.epoll, findings);
        }
        if options.trigger == Trigger::Edge && worker.at == At::Next && before != At::Next {
            drained_under_edge::on_return(node, server, thread, before, findings);
        }
        if let Some(work) = worker.at.work() {
            if options.mode == Mode::Shared {
                one_owner::at_work(node, server, thread, work, findings);
            }
            no_stale_event::at_work(node, server, work, findings);
        }
        self.ages.entry(node).or_default().on_call(node, server, options, thread, findings);
        no_descriptor_leaked::after_call(node, server, findings);
    }
}

impl Invariants<ReactorNode> for ReactorInvariants {
    const LIST: &'static [InvariantInfo] = &[
        no_lost_wakeup::INFO,
        drained_under_edge::INFO,
        one_owner::INFO,
        no_stale_event::INFO,
        no_starvation::INFO,
        answered_in_order::INFO,
        no_descriptor_leaked::INFO,
        handler_never_waits::INFO,
    ];

    fn on_start(&mut self, _: impl View<ReactorNode>, node: NodeId, _: &mut Findings) {
        if node.is_server() {
            let (gone, runs) = self.tallies.entry(node).or_default();
            *gone = gone.plus(std::mem::take(runs));
            self.ages.remove(&node);
        }
    }

    fn on_effect(
        &mut self,
        _: impl View<ReactorNode>,
        node: NodeId,
        effect: EffectRef<'_, ReactorNode>,
        findings: &mut Findings,
    ) {
        let EffectRef::Observe(observation) = effect else { return };
        match observation {
            ReactorObservation::SignalDelivered { .. } | ReactorObservation::HandlerWaits { .. } => {
                handler_never_waits::on_signal(node, observation, findings);
            }
            _ => self.conversations.on_observation(node, observation, findings),
        }
    }

    fn on_input(
        &mut self,
        view: impl View<ReactorNode>,
        node: NodeId,
        input: Input<'_, ReactorNode>,
        _: &mut Findings,
    ) {
        self.before = match input {
            Input::Timer(ReactorTimer::Run(thread)) => {
                let server = view.node(node).and_then(ReactorNode::server);
                server.map(|server| (thread.0, server.workers()[usize::from(thread.0)].at))
            }
            _ => None,
        };
    }

    fn on_step(&mut self, view: impl View<ReactorNode>, node: NodeId, findings: &mut Findings) {
        let Some(server) = view.node(node).and_then(ReactorNode::server) else { return };
        if let Some((thread, before)) = self.before.take() {
            self.on_call(node, server, thread, before, findings);
        }
        self.tallies.entry(node).or_default().1 = server.tally();
    }

    fn on_down(&mut self, _: impl View<ReactorNode>, node: NodeId, _: &mut Findings) {
        self.conversations.on_down(node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_invariant_is_in_its_place() {
        let places = [
            (index::NO_LOST_WAKEUP, "no_lost_wakeup"),
            (index::DRAINED_UNDER_EDGE, "drained_under_edge"),
            (index::ONE_OWNER, "one_owner"),
            (index::NO_STALE_EVENT, "no_stale_event"),
            (index::NO_STARVATION, "no_starvation"),
            (index::ANSWERED_IN_ORDER, "answered_in_order"),
            (index::NO_DESCRIPTOR_LEAKED, "no_descriptor_leaked"),
            (index::HANDLER_NEVER_WAITS, "handler_never_waits"),
        ];
        assert_eq!(places.len(), ReactorInvariants::LIST.len());
        assert!(places.iter().all(|(place, name)| ReactorInvariants::LIST[*place].name == *name));
    }
}
