//! What is seen of changes of the membership, and which rules it concerns.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::Findings;
use splitbrain_kernel::view::View;

use crate::raft::facts::{ConfigurationFacts, Fact, RaftFacts};
use crate::raft::ids::{Index, Position, ServerSet};

use super::configurations::Placed;
use super::frame::{Membership, slot};
use super::index::MATCHED_IS_TRUE;
use super::leadership::{TrueTime, server};
use super::reachability::Electorate;
use super::watch::Scene;
use super::{
    RaftInvariants, change_follows_own_commit, configuration_in_force, configurations_overlap, one_change_at_a_time,
    promoted_when_caught_up, removed_leader_retires,
};

impl<N: RaftFacts> RaftInvariants<N> {
    /// The configuration in force at a server. `None` if it can change and nothing says how.
    pub(super) fn configuration_at(&self, view: impl View<N>, node: NodeId) -> Fact<ConfigurationFacts> {
        scene!(self).configuration_at(view, node)
    }

    fn in_force(&self, view: impl View<N>, node: NodeId) -> Placed {
        self.configurations.in_force(node, view.node(node), self.frame.rules(node).in_force)
    }

    /// The same, with those that may campaign though a change that is not committed takes their vote from them.
    pub(super) fn standing_at(&self, view: impl View<N>, node: NodeId) -> Fact<ConfigurationFacts> {
        match self.frame.membership {
            Membership::Logged if !self.configurations.are_initial() => {
                let at = self.frame.rules(node).in_force;
                let voters = self.configurations.standing(node, view.node(node), at);
                Some(ConfigurationFacts { voters, ..ConfigurationFacts::default() })
            }
            _ => self.frame.configuration_at(server(&view, node)),
        }
    }

    /// Who can elect a leader. `None` while the membership changes: an election may then need servers that do not know
    /// of it yet, and nothing is promised.
    pub(super) fn electorate(&self, view: impl View<N>) -> Option<Electorate> {
        if self.configurations.are_initial() {
            return Some(Electorate { voters: self.frame.voters, others: ServerSet::EMPTY });
        }
        if self.frame.membership != Membership::Logged {
            return None;
        }
        let ((index, latest), is_last) = self.configurations.latest();
        let goes_by = |node| self.in_force(view, node).0;
        let up = || latest.voters.iter().filter(|voter| view.is_up(*voter));
        let is_settled = is_last && latest.outgoing.is_empty() && up().all(|voter| goes_by(voter) == index);
        let others = self.frame.servers().filter(|server| !latest.voters.contains(*server)).collect();
        is_settled.then_some(Electorate { voters: latest.voters, others })
    }

    /// A server writes an entry that brings a configuration.
    #[inline(never)]
    pub(super) fn on_members_written(
        &mut self,
        view: impl View<N>,
        node: NodeId,
        at: Position,
        configuration: ConfigurationFacts,
        findings: &mut Findings,
    ) {
        let before = self.configurations.write(node, view.node(node), at, configuration);
        self.look_again(node);
        if self.leads[slot(node)] == Some(at.term) {
            self.on_members_appended(view, node, at, before, configuration, findings);
        }
    }

    /// The leader of the term creates it.
    fn on_members_appended(
        &self,
        view: impl View<N>,
        leader: NodeId,
        at: Position,
        (index, before): Placed,
        after: ConfigurationFacts,
        findings: &mut Findings,
    ) {
        let committed = self.configurations.committed(leader);
        one_change_at_a_time::append(leader, at, index, committed, findings);
        let held = view.node(leader).and_then(|node| node.has(committed));
        change_follows_own_commit::append(leader, at, committed, held, findings);
        configurations_overlap::append(leader, at, before, after, findings);
        for learner in after.voters.intersection(before.learners).iter() {
            if !self.durable_states.is_waived(learner) {
                let log = N::durable_log(&view.disk(learner));
                let gap = self.frame.rules(leader).promotion_gap;
                promoted_when_caught_up::promote(leader, learner, at, gap, log, findings);
            }
        }
    }

    /// A server has committed up to here; `leads` says whether as a leader.
    #[inline]
    pub(super) fn on_members_committed(&mut self, node: NodeId, index: Index, leads: bool) {
        let before = self.configurations.committed(node);
        self.configurations.commit(node, index);
        self.look_again(node);
        if !self.configurations.are_initial() {
            self.retiring = Some(node).filter(|_| leads && index > before);
        }
    }

    /// The configuration of this server may be another once it has handled its input. Before any change it is not.
    #[inline]
    pub(super) fn look_again(&mut self, node: NodeId) {
        if !self.configurations.are_initial() {
            self.reconfigured = Some(node);
            (self.news, self.changed) = (true, true);
        }
    }

    /// A leader gives up for its removal.
    pub(super) fn on_retired(&mut self, view: impl View<N>, node: NodeId, findings: &mut Findings) {
        let committed = self.configurations.committed(node);
        let last = self.configurations.last_before(view.node(node), committed.next());
        removed_leader_retires::retires(node, last, findings);
    }

    /// A server has handled an input after which its configuration may be another.
    #[inline(never)]
    pub(super) fn on_reconfigured(&mut self, view: impl View<N>, node: NodeId, findings: &mut Findings) {
        if self.configurations.are_initial() {
            return;
        }
        if self.frame.membership != Membership::Logged {
            return;
        }
        let Some(facts) = server(&view, node) else { return };
        self.configurations.note_certain(node, view.node(node));
        let placed = self.in_force(view, node);
        configuration_in_force::judge(node, facts.configuration, placed, findings);
        self.contacts.reconfigure(&self.frame, node, placed.1, view.now(), &TrueTime::<_, N>::of(view));
        let newcomers = self.configurations.enter(node, placed.1);
        newcomers.iter().filter(|it| self.frame.watches(*it)).for_each(|it| self.matches.forget(node, it));
        if self.leads[slot(node)].is_some() && findings.is_on(MATCHED_IS_TRUE) {
            // Of a server that was a member before, a leader may still believe what is no longer true.
            let newcomers = newcomers.without(node);
            newcomers.iter().for_each(|newcomer| self.judge_match(view, node, newcomer, findings));
        }
        self.update_deadline();
    }

    /// A leader has handled an input with which it committed something.
    #[inline(never)]
    pub(super) fn on_retiring(&self, view: impl View<N>, node: NodeId, findings: &mut Findings) {
        let committed = self.configurations.committed(node);
        let last = self.configurations.last_before(view.node(node), committed.next());
        removed_leader_retires::committed(node, last, self.leads[slot(node)].is_some(), findings);
    }
}
