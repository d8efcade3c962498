//! Who leads, and what the world allows: liveness is promised anew with each change of the world.

use crate::raft::message::Payload;
use splitbrain_kernel::fault::DiskFault;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::Findings;
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::view::View;

use crate::raft::ids::ServerSet;
use crate::raft::node::RaftNode;
use crate::raft::state::Server;

use super::frame::slot;
use super::quorum_contact::Clocks;
use super::terrain::{Promise, Terrain};
use super::{RaftInvariants, terrain};

impl<C: Payload> RaftInvariants<C> {
    /// A server no longer leads, if it did.
    pub(super) fn depose(&mut self, view: impl View<RaftNode<C>>, node: NodeId, findings: &mut Findings) {
        if self.leads[slot(node)].take().is_some() {
            self.leaders.remove(node);
            self.contacts.depose(node);
            self.review(view.now(), findings);
        }
    }

    pub(super) fn review(&mut self, now: Instant, findings: &mut Findings) {
        self.wait.review(self.leaders, now, findings);
        self.tallies.review(self.leaders, now);
        self.refresh();
    }

    pub(super) fn on_disk_fault(&mut self, nodes: &[NodeId], fault: DiskFault) {
        let breaks_promises = !matches!(fault, DiskFault::Slow { .. } | DiskFault::Full | DiskFault::Io);
        for node in nodes.iter().filter(|node| breaks_promises && node.is_server()) {
            self.durables.waive(*node);
        }
    }

    pub(super) fn disturb(&mut self, view: impl View<RaftNode<C>>, findings: &mut Findings) {
        self.contacts.disturb(&self.frame, view.now(), &TrueTime(view, std::marker::PhantomData::<C>));
        self.survey(view, findings);
    }

    /// The world has changed: what is promised now?
    pub(super) fn survey(&mut self, view: impl View<RaftNode<C>>, findings: &mut Findings) {
        let (frame, now) = (&self.frame, view.now());
        let promise = Terrain::of(view, frame).promise(frame, |core| terrain::in_time(view, frame, core));
        let bound = |promise: Promise| (promise, longest(view, promise.core, |node| frame.rules(node).leader_within));
        let timeout = longest(view, frame.voters, |node| frame.rules(node).timeout_max);
        self.wait.start_over(promise.map(bound), self.leaders, now, findings);
        self.stability.start_over(promise, timeout, now, findings);
        self.refresh();
    }

    pub(super) fn refresh(&mut self) {
        self.next = self.contacts.deadline().min(self.wait.deadline());
    }
}

/// The longest that any of these servers takes for a span of its own time.
fn longest<C: Payload>(
    view: impl View<RaftNode<C>>,
    servers: ServerSet,
    span: impl Fn(NodeId) -> Duration,
) -> Duration {
    servers.iter().map(|server| view.true_span(server, span(server))).max().unwrap_or_default()
}

pub(super) fn server<C: Payload>(view: &impl View<RaftNode<C>>, node: NodeId) -> Option<&Server<C>> {
    view.node(node).and_then(RaftNode::server)
}

/// The clocks of the world.
pub(super) struct TrueTime<V, C>(pub(super) V, pub(super) std::marker::PhantomData<C>);

impl<C: Payload, V: View<RaftNode<C>>> Clocks for TrueTime<V, C> {
    fn true_span(&self, server: NodeId, local: Duration) -> Duration {
        self.0.true_span(server, local)
    }

    fn is_lively(&self, server: NodeId) -> bool {
        self.0.is_lively(server)
    }
}
