//! The settle phase: a core of the servers is healed, all else freezes as it is, and the core must make progress.

use crate::digest::Tag;
use crate::fault;
use crate::id::{Link, NodeId};
use crate::invariant::Invariants;
use crate::system::System;
use crate::time::Instant;
use crate::trace::{TraceItem, Tracer};
use crate::view::Whole;

use super::World;

impl<S: System, T: Tracer<S::Node>> World<S, T> {
    /// Heals a core: its links with one another and with the clients, its processes, clocks and disks.
    pub(super) fn settle(&mut self) {
        let now = self.state.now;
        self.settle_at = Instant::MAX;
        self.director.settle(now);
        let core = self.choose_core();
        self.state.settled_at = Some(now);
        self.state.disturbed_at = now;
        self.state.core.clone_from(&core);
        self.digest.entry(now, Tag::Settle, core.first().copied().unwrap_or(NodeId::server(1)), &core);
        if self.tracer.is_on() {
            self.tracer.record(self.moment(), TraceItem::Settled { core: &core });
        }
        let healed: Vec<NodeId> = core.iter().copied().chain(self.state.cluster.clients()).collect();
        self.note_all_weather();
        self.heal_links(&healed);
        self.release(&healed);
        healed.iter().for_each(|node| self.heal_node(*node));
        self.invariants.on_settle(Whole::new(&self.state), &mut self.findings);
    }

    /// Asks the system. It is offered the servers in the order of the first words of streams of their own, so that a
    /// server more seldom changes the choice.
    fn choose_core(&self) -> Vec<NodeId> {
        let present = |server: &NodeId| self.state.node(*server).is_present;
        let mut ranked: Vec<(u64, NodeId)> = self
            .state
            .cluster
            .all_servers()
            .filter(present)
            .map(|server| (self.seed.stream("core", server.key()).word(), server))
            .collect();
        ranked.sort_unstable();
        let candidates: Vec<NodeId> = ranked.into_iter().map(|(_, server)| server).collect();
        let mut core = self.system.core(Whole::new(&self.state), &candidates);
        core.sort_unstable();
        core.dedup();
        assert!(core.iter().all(|server| candidates.contains(server)), "the core is chosen among the candidates");
        core
    }

    fn heal_links(&mut self, nodes: &[NodeId]) {
        let pairs = nodes.iter().flat_map(|source| nodes.iter().map(|target| Link::new(*source, *target)));
        let pairs: Vec<Link> = pairs.collect();
        pairs.iter().for_each(|link| self.state.network.heal(*link));
        pairs.iter().for_each(|link| self.on_link_changed(*link));
    }

    fn heal_node(&mut self, node: NodeId) {
        let (now, index) = (self.state.now, self.state.cluster.index(node));
        let state = &mut self.state.nodes[index];
        let was_suspended = state.clock.is_suspended();
        fault::heal(state, now);
        let is_down = state.process.is_none();
        state.start_waits = false;
        self.go_on(node);
        if was_suspended {
            self.resume_connections(index);
        }
        if is_down {
            self.enqueue_start(node);
        }
    }
}
