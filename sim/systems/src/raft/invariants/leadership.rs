//! Who leads, and what the world allows: liveness is promised anew with each change of the world.

use std::marker::PhantomData;
use std::sync::Arc;

use splitbrain_kernel::fault::DiskFault;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::Findings;
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::view::View;

use crate::raft::facts::{RaftFacts, ServerFacts};
use crate::raft::ids::ServerSet;

use super::frame::slot;
use super::index::{LEADER_STABILITY, LEADER_WITHIN_BOUND};
use super::quorum_contact::Clocks;
use super::reachability::{Promise, Reachability};
use super::watch::{Cause, Scene, Watch};
use super::{RaftInvariants, reachability};

impl<N: RaftFacts> RaftInvariants<N> {
    /// A server no longer leads, if it did.
    pub(super) fn on_leadership_lost(&mut self, view: impl View<N>, node: NodeId, findings: &mut Findings) {
        if self.leads[slot(node)].take().is_some() {
            self.leaders.remove(node);
            self.contacts.on_leadership_lost(node);
            self.on_leaders_changed(view.now(), findings);
        }
    }

    pub(super) fn on_leaders_changed(&mut self, now: Instant, findings: &mut Findings) {
        self.wait.on_leaders_changed(self.leaders, now, findings);
        self.figures.on_leaders_changed(self.leaders, now);
        self.update_deadline();
    }

    pub(super) fn on_disk_fault(&mut self, nodes: &[NodeId], fault: DiskFault) {
        for node in nodes.iter().filter(|node| self.frame.watches(**node)) {
            match fault {
                DiskFault::Full | DiskFault::Io => self.failing.insert(*node),
                fault if fault.breaks_promises() => self.durable_states.waive(*node),
                _ => {}
            }
            if fault == DiskFault::Wipe {
                self.wiped.insert(*node);
            }
        }
    }

    /// A server starts. One whose disk was wiped and that is no member is another server with an old name: nothing that
    /// the old one promised binds it (thesis §4.1; etcd asks for a new member there).
    pub(super) fn on_restart(&mut self, node: NodeId) {
        let is_new = self.wiped.contains(node) && !self.configurations.are_initial();
        self.wiped.remove(node);
        self.failing.remove(node);
        let ((_, latest), is_last) = self.configurations.latest();
        if is_new && is_last && !latest.members().contains(node) {
            self.terms.renew(node);
            self.votes.renew(node);
            self.durable_states.renew(node);
        }
    }

    pub(super) fn on_world_changed(&mut self, view: impl View<N>, findings: &mut Findings) {
        self.contacts.on_world_changed(&self.frame, view.now(), &TrueTime::<_, N>::of(view));
        self.recompute_promises(view, Cause::Fault, findings);
    }

    /// The world or the membership has changed: what is promised now? A promise that a change of the membership leaves
    /// as it was goes on.
    pub(super) fn recompute_promises(&mut self, view: impl View<N>, cause: Cause, findings: &mut Findings) {
        if self.frame.promises_liveness() {
            self.promise_elections(view, cause, findings);
        }
        tell!(self.on_world(view, cause, findings));
        self.update_deadline();
    }

    fn promise_elections(&mut self, view: impl View<N>, cause: Cause, findings: &mut Findings) {
        let (frame, now) = (Arc::clone(&self.frame), view.now());
        let frame = &*frame;
        let electorate = self.electorate(view);
        let voters = electorate.map_or(frame.voters, |electorate| electorate.voters);
        let reachability = electorate.map(|electorate| Reachability::of(view, frame, electorate));
        if reachability.as_ref().is_some_and(Option::is_none) {
            findings.lacks(LEADER_WITHIN_BOUND);
            findings.lacks(LEADER_STABILITY);
        }
        let in_time = |core| reachability::in_time(view, frame, core);
        let promise = reachability.flatten().and_then(|reachability| reachability.promise(frame, in_time));
        let leader_within = |node| frame.rules(node).leader_within.unwrap_or(Duration::MAX);
        let bound = |promise: Promise| (promise, longest(view, promise.core, leader_within));
        let timeout = longest(view, voters, |node| frame.rules(node).timeout_max);
        let promised = promise.map(bound);
        let goes_on = cause == Cause::Membership && self.stability.is_promised(promise, timeout);
        if !(goes_on && self.wait.is_promised(promised)) {
            self.wait.start_over(promised, self.leaders, now, findings);
            self.stability.start_over(promise, timeout, now, findings);
        }
        // A disk recovers without any event.
        let recoveries = voters.iter().filter_map(|voter| view.disk(voter).healthy_from());
        self.disk_recovers = recoveries.filter(|from| *from > now).min().unwrap_or(Instant::MAX);
    }

    pub(super) fn update_deadline(&mut self) {
        let of_leaders = self.contacts.deadline().min(self.wait.deadline());
        self.next = of_leaders.min(self.disk_recovers);
        self.heed_watches();
    }

    /// A watch may have set another deadline.
    pub(super) fn heed_watches(&mut self) {
        self.next = self.next.min(Watch::<N>::deadline(&self.watched));
    }
}

/// The longest that any of these servers takes for a span of its own time.
fn longest<N: RaftFacts>(view: impl View<N>, servers: ServerSet, span: impl Fn(NodeId) -> Duration) -> Duration {
    servers.iter().map(|server| view.true_span(server, span(server))).max().unwrap_or_default()
}

#[inline]
pub(super) fn server<N: RaftFacts>(view: &impl View<N>, node: NodeId) -> Option<ServerFacts> {
    view.node(node).and_then(N::server)
}

/// The clocks of the world.
pub(super) struct TrueTime<V, N> {
    view: V,
    of: PhantomData<fn() -> N>,
}

impl<V, N> TrueTime<V, N> {
    pub(super) const fn of(view: V) -> Self {
        Self { view, of: PhantomData }
    }
}

impl<N: RaftFacts, V: View<N>> Clocks for TrueTime<V, N> {
    fn true_span(&self, server: NodeId, local: Duration) -> Duration {
        self.view.true_span(server, local)
    }

    fn is_lively(&self, server: NodeId) -> bool {
        self.view.is_lively(server)
    }
}

#[cfg(test)]
mod tests {
    use super::super::configurations::tests::voters;
    use super::super::testing::{all_on, frame, millis, s};
    use super::*;
    use crate::raft::RaftNode;
    use crate::raft::ids::{Index, Position, Term};
    use crate::raft::presets;

    /// Whether `s3`, whose disk was wiped if `is_wiped` says so, may start with term 0 after term 5, with these voters.
    fn may_begin_anew(is_wiped: bool, members: &[u16]) -> bool {
        let mut invariants = RaftInvariants::<RaftNode>::new(frame(3, presets::paper()));
        let mut findings = all_on();
        invariants.terms.announce(s(3), Term(5), millis(10), &mut findings);
        invariants.terms.send(s(3), Term(5), millis(10), &mut findings);
        let at = Position { term: Term(5), index: Index(4) };
        invariants.configurations.write::<RaftNode>(s(1), None, at, voters(members));
        invariants.configurations.apply(s(1), at.index, voters(members));
        if is_wiped {
            invariants.on_disk_fault(&[s(3)], DiskFault::Wipe);
        }
        invariants.on_restart(s(3));
        invariants.terms.restart(s(3));
        invariants.terms.announce(s(3), Term(0), millis(20), &mut findings);
        !findings.is_broken()
    }

    #[test]
    fn a_removed_server_whose_disk_was_wiped_is_another_one() {
        assert!(may_begin_anew(true, &[1, 2]));
        assert!(!may_begin_anew(true, &[1, 2, 3]), "a member has promised something");
        assert!(!may_begin_anew(false, &[1, 2]), "its disk has its term");
    }
}
