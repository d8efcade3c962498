//! What leaves a server, and which rules it concerns: promises in messages, roles and commits in observations.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::Findings;
use splitbrain_kernel::node::Write;
use splitbrain_kernel::view::View;

use crate::raft::facts::{Fact, Held, ImageKind, RaftFacts, RoleKind, Said, Told};
use crate::raft::ids::{Index, Position, Term};

use super::denied_vote_keeps_timer::Timer;
use super::election_safety::Election;
use super::frame::slot;
use super::index::{
    CANDIDATES_KNOW_NO_LEADER, COMMITTED_IS_DURABLE, LEADER_STABILITY, LOG_MATCHING, MATCHED_IS_TRUE,
    PERSIST_BEFORE_REPLY, VOTE_SOUNDNESS,
};
use super::leadership::{TrueTime, server, server as server_of};
use super::matched_is_true::Both;
use super::watch::{Scene, Watch};
use super::{
    RaftInvariants, candidates_know_no_leader, commit_in_term, denied_vote_keeps_timer, learners_never_lead,
    pre_vote_by_quorum, vote_soundness,
};

impl<N: RaftFacts> RaftInvariants<N> {
    #[inline(never)]
    pub(super) fn on_send(
        &mut self,
        view: impl View<N>,
        node: NodeId,
        target: NodeId,
        message: &N::Message,
        findings: &mut Findings,
    ) {
        let said = N::said(message);
        tell!(self.on_send(view, (node, target), said, findings));
        match said {
            Said::Append { term } | Said::Answered { term } => self.on_promise(view, node, term, findings),
            Said::Accepted { term, matched } => {
                self.on_promise(view, node, term, findings);
                if findings.is_on(PERSIST_BEFORE_REPLY) {
                    self.durable_states.on_acknowledgement::<N>(node, term, matched, &view.disk(node), findings);
                }
            }
            Said::VoteRequest { .. } | Said::Vote { .. } => self.on_ballot(view, node, target, message, findings),
            // Pre-votes promise nothing.
            Said::PreVoteRequest => {}
            Said::Nothing => {
                if let Some(operation) = N::answers(message) {
                    tell!(self.on_answered(view, (node, target), operation, findings));
                }
            }
        }
    }

    /// A request for a vote, or the answer to one. Elections are rare: heartbeats need not make way for them.
    #[inline(never)]
    fn on_ballot(
        &mut self,
        view: impl View<N>,
        node: NodeId,
        target: NodeId,
        message: &N::Message,
        findings: &mut Findings,
    ) {
        match N::said(message) {
            Said::VoteRequest { term, last } => self.on_request(view, node, (term, last), findings),
            Said::Vote { term, granted } => {
                self.on_promise(view, node, term, findings);
                if granted && self.frame.watches(target) {
                    self.granted_votes.vote(node, term, target);
                    self.on_vote(view, node, term, target, findings);
                }
            }
            _ => {}
        }
    }

    /// A message that speaks in this term.
    #[inline(always)]
    fn on_promise(&mut self, view: impl View<N>, node: NodeId, term: Term, findings: &mut Findings) {
        self.terms.send(node, term, view.now(), findings);
        if findings.is_on(PERSIST_BEFORE_REPLY) {
            self.durable_states.on_term::<N>(node, term, &view.disk(node), findings);
        }
    }

    fn on_request(
        &mut self,
        view: impl View<N>,
        node: NodeId,
        (term, last): (Term, Fact<Position>),
        findings: &mut Findings,
    ) {
        self.on_promise(view, node, term, findings);
        self.on_vote(view, node, term, node, findings);
        if let Some(server) = server(&view, node).filter(|_| findings.is_on(VOTE_SOUNDNESS)) {
            vote_soundness::request_is_true(node, &server, term, last, findings);
        }
    }

    fn on_vote(&mut self, view: impl View<N>, voter: NodeId, term: Term, candidate: NodeId, findings: &mut Findings) {
        self.votes.cast(voter, term, candidate, view.now(), findings);
        if findings.is_on(PERSIST_BEFORE_REPLY) {
            self.durable_states.on_vote::<N>(voter, term, candidate, &view.disk(voter), findings);
        }
    }

    #[inline(never)]
    pub(super) fn on_observe(
        &mut self,
        view: impl View<N>,
        node: NodeId,
        observation: &N::Observation,
        findings: &mut Findings,
    ) {
        let told = N::told(observation);
        self.news = true;
        self.rounds.hear(node, &told, N::why(observation), view.now());
        match told {
            Told::Applied { index, entry } => {
                self.applied_entries.apply(node, index, entry, view.now(), findings);
                self.configurations.reach(index);
                if let Some(Some(configuration)) = N::configures(entry) {
                    self.configurations.apply(node, index, configuration);
                    self.look_again(node);
                }
                self.clients.on_applied(node, index, entry, findings);
            }
            Told::Executed { index, is_first, answer } => {
                self.clients.on_executed(node, (index, is_first), answer, &self.applied_entries, findings);
            }
            Told::Counted(position) => self.on_counted(view, node, position, findings),
            Told::Committed(position) => {
                let leads = self.leads[slot(node)];
                self.on_counted(view, node, position, findings);
                self.commits.commit(node, leads, position, view.now(), &self.elected, findings);
                self.images.commit(node, position.index);
                self.on_members_committed(node, position.index, leads.is_some());
            }
            Told::InTerm(term) => self.on_term(view, node, term, findings),
            Told::Campaigns { role, term } => {
                if role == RoleKind::Candidate {
                    self.figures.campaign(term, node);
                    self.granted_votes.on_candidacy(node, term);
                }
                self.on_campaign(view, node, role, term, findings);
            }
            Told::Elected { term, last } => self.on_elected(view, node, term, last, findings),
            Told::SteppedDown => self.on_leadership_lost(view, node, findings),
            Told::PreVoteGranted { term, candidate } if self.frame.watches(candidate) => {
                self.pre_votes.vote(node, term, candidate);
            }
            Told::PreVoteWon { term } => self.on_pre_vote_won(view, node, term, findings),
            Told::Granted { term, candidate } => self.on_granted(view, node, candidate, term, findings),
            Told::Denied { candidate } => self.on_denied(view, node, candidate, findings),
            Told::Alone(alone) => self.granted_votes.stand_alone(node, alone),
            Told::Reconsidered => self.note_disturbed(),
            Told::Image { kind, last, state } => {
                if kind != ImageKind::Taken {
                    self.configurations.apply_up_to(node, last.index);
                    self.on_members_committed(node, last.index, false);
                }
                self.images.image(node, kind, (last, state), self.applied_entries.last(), view.now(), findings);
            }
            Told::Compacted(base) => self.on_compacted(node, base),
            Told::Reconfigured | Told::Truncated(_) => self.look_again(node),
            Told::Retires => {
                self.on_retired(view, node, findings);
                self.on_leadership_lost(view, node, findings);
            }
            Told::PreVoteGranted { .. } | Told::PreVoteDenied { .. } | Told::HandsOver(_) | Told::Nothing => {}
        }
        tell!(self.on_told(view, node, &told, findings));
        self.heed_watches();
    }

    fn on_pre_vote_won(&mut self, view: impl View<N>, node: NodeId, term: Term, findings: &mut Findings) {
        let configuration = self.configuration_at(view, node);
        let is_alone = configuration.is_some_and(|of| self.granted_votes.is_alone(&self.frame, node, of));
        let of = (node, term);
        pre_vote_by_quorum::win(&self.pre_votes, &self.frame, configuration, of, is_alone, findings);
        self.pre_votes.on_candidacy(node, term);
    }

    /// A server takes everything up to here for committed, whether it goes by it or not.
    #[inline]
    fn on_counted(&mut self, view: impl View<N>, node: NodeId, position: Position, findings: &mut Findings) {
        if !self.frame.rules(node).counts_any_term {
            commit_in_term::commit(node, self.leads[slot(node)], position, findings);
        }
        if findings.is_on(COMMITTED_IS_DURABLE) {
            self.judge_commit(view, node, position, findings);
        }
    }

    fn judge_commit(&mut self, view: impl View<N>, node: NodeId, position: Position, findings: &mut Findings) {
        let configuration = self.configuration_at(view, node);
        let is_alone = configuration.is_some_and(|of| self.granted_votes.is_alone(&self.frame, node, of));
        let rules = self.frame.rules(node);
        let quorum = |voters| if is_alone { 1 } else { rules.commit_quorum.of(voters) };
        let durable_states = &self.durable_states;
        let held = |voter| (!durable_states.is_waived(voter)).then(|| N::held(&view.disk(voter), position.index));
        self.proven.commit(node, position, configuration, quorum, held, findings);
    }

    /// The front of a server's log is gone: what is gone from all logs need not be remembered here either, so that a
    /// long run takes no more memory than a short one.
    fn on_compacted(&mut self, node: NodeId, base: Index) {
        self.bases[slot(node)] = base;
        let gone = self.bases.iter().copied().min().unwrap_or(Index::ZERO);
        self.applied_entries.forget_before(gone.min(self.clients.asks_after()));
        self.created.forget_before(gone);
        self.images.forget_before(gone);
    }

    #[inline(never)]
    pub(super) fn on_write(
        &mut self,
        view: impl View<N>,
        node: NodeId,
        write: Write<&N::Record>,
        findings: &mut Findings,
    ) {
        self.news = true;
        self.durable_states.on_write::<N>(node, write);
        if findings.is_on(LOG_MATCHING) {
            self.on_log_write(view, node, write, findings);
        }
        if let Some(Some((at, entry))) = N::logged(write)
            && let Some(Some(configuration)) = N::configures(entry)
        {
            self.on_members_written(view, node, at, configuration, findings);
        }
        self.clients.on_write(node, self.leads[slot(node)], write, findings);
        tell!(self.on_write(view, node, write, findings));
    }

    /// A server writes: if that adds an entry to its log, it is the one that the leader of its term created.
    fn on_log_write(&mut self, view: impl View<N>, node: NodeId, write: Write<&N::Record>, findings: &mut Findings) {
        let Some(logged) = N::logged(write) else { return findings.lacks(LOG_MATCHING) };
        let Some((at, entry)) = logged else { return };
        let before = match view.node(node).and_then(|server| server.has(at.index.previous())) {
            Some(Held::Entry(term)) => Some(term),
            _ => None,
        };
        self.created.write(node, self.leads[slot(node)], at, before, entry, findings);
    }

    /// A server that leads has handled an acknowledgement of this follower, or has just been elected.
    pub(super) fn judge_match(&mut self, view: impl View<N>, node: NodeId, follower: NodeId, findings: &mut Findings) {
        let Some(term) = self.leads[slot(node)].filter(|_| self.frame.watches(follower)) else { return };
        let Some(server) = view.node(node) else { return };
        let Some(matched) = server.matched(follower) else { return findings.lacks(MATCHED_IS_TRUE) };
        let durable_states = &self.durable_states;
        let both = || {
            let disk = view.disk(follower);
            // Its new term may be on its way to the disk behind what it has dropped.
            let is_later = server_of(&view, follower).is_some_and(|server| server.term > term);
            let has_moved_on = is_later || N::durable_state(&disk).is_some_and(|state| state.term > term);
            if durable_states.is_waived(follower) || has_moved_on {
                return None;
            }
            let (leader, follower) = (server.has(matched), N::held(&disk, matched));
            Some(leader.zip(follower).map(|(leader, follower)| Both { leader, follower }))
        };
        self.matches.judge(node, follower, (term, matched), both, findings);
    }

    fn on_granted(
        &mut self,
        view: impl View<N>,
        voter: NodeId,
        candidate: NodeId,
        term: Term,
        findings: &mut Findings,
    ) {
        if !findings.is_on(VOTE_SOUNDNESS) || !self.frame.watches(candidate) {
            return;
        }
        if let Some(server) = server(&view, voter) {
            self.requests.grant(voter, candidate, term, server.last, findings);
        }
    }

    fn on_denied(&mut self, view: impl View<N>, voter: NodeId, candidate: NodeId, findings: &mut Findings) {
        if let (Some(before), Some(after)) = (self.timer.take(), server(&view, voter)) {
            let (after, rules) = (Timer::of(&after), self.frame.rules(voter));
            denied_vote_keeps_timer::denied(voter, candidate, before, after, rules, findings);
        }
    }

    fn on_term(&mut self, view: impl View<N>, node: NodeId, term: Term, findings: &mut Findings) {
        self.figures.see_term(term);
        self.terms.announce(node, term, view.now(), findings);
    }

    fn on_stand(&mut self, view: impl View<N>, node: NodeId, role: RoleKind, term: Term, findings: &mut Findings) {
        self.on_term(view, node, term, findings);
        let configuration = self.standing_at(view, node);
        learners_never_lead::on_candidacy(configuration, node, role.name(), term, findings);
    }

    fn on_campaign(&mut self, view: impl View<N>, node: NodeId, role: RoleKind, term: Term, findings: &mut Findings) {
        self.on_stand(view, node, role, term, findings);
        let Some(server) = server(&view, node).filter(|_| findings.is_on(CANDIDATES_KNOW_NO_LEADER)) else { return };
        match server.leader {
            Some(leader) => {
                // The server may have gone on since, and lead itself.
                let leader = leader.filter(|leader| *leader != node);
                candidates_know_no_leader::on_candidacy(node, role.name(), term, leader, findings);
            }
            None => findings.lacks(CANDIDATES_KNOW_NO_LEADER),
        }
    }

    fn on_elected(
        &mut self,
        view: impl View<N>,
        node: NodeId,
        term: Term,
        last: Fact<Position>,
        findings: &mut Findings,
    ) {
        let now = view.now();
        let election = Election { leader: node, at: now, last };
        self.on_stand(view, node, RoleKind::Leader, term, findings);
        self.elected.elect(term, election, findings);
        let configuration = self.configuration_at(view, node);
        self.granted_votes.elect(&self.frame, configuration, node, term, findings);
        self.commits.elect(term, election, findings);
        self.contacts.elect(&self.frame, node, (term, configuration), now, &TrueTime::<_, N>::of(view));
        self.stability.elect(node, term, now, findings);
        findings.explain(LEADER_STABILITY, || self.rounds.elections_since(self.stability.window_at(now)));
        self.figures.elect(term);
        self.leads[slot(node)] = Some(term);
        self.leaders.insert(node);
        if findings.is_on(MATCHED_IS_TRUE) {
            for follower in self.frame.servers().filter(|follower| *follower != node) {
                self.judge_match(view, node, follower, findings);
            }
        }
        self.on_leaders_changed(now, findings);
    }
}
