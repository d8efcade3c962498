//! What leaves a server, and whom it concerns: promises in messages, roles and commits in observations.

use crate::raft::message::Payload;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::Findings;
use splitbrain_kernel::view::View;

use crate::raft::ids::{Position, Term};
use crate::raft::message::{AppendResult, RaftMessage, VoteRequest};
use crate::raft::node::RaftNode;
use crate::raft::observation::RaftObservation;

use super::denied_vote_keeps_timer::Timer;
use super::election_safety::Reign;
use super::frame::slot;
use super::index::{CANDIDATES_KNOW_NO_LEADER, PERSIST_BEFORE_REPLY, VOTE_SOUNDNESS};
use super::leadership::{TrueTime, server};
use super::{
    RaftInvariants, candidates_know_no_leader, commit_in_term, denied_vote_keeps_timer, learners_never_lead,
    vote_soundness,
};

impl<C: Payload> RaftInvariants<C> {
    #[inline]
    pub(super) fn on_send(
        &mut self,
        view: impl View<RaftNode<C>>,
        node: NodeId,
        target: NodeId,
        message: &RaftMessage<C>,
        findings: &mut Findings,
    ) {
        match message {
            RaftMessage::Append(append) => self.on_promise(view, node, append.term, findings),
            RaftMessage::AppendReply { term, result } => {
                self.on_promise(view, node, *term, findings);
                if let AppendResult::Accepted { matched } = result
                    && findings.is_on(PERSIST_BEFORE_REPLY)
                {
                    self.durables.on_acknowledgement(node, *term, *matched, &view.disk(node), findings);
                }
            }
            RaftMessage::Vote(request) => self.on_request(view, node, *request, findings),
            RaftMessage::VoteReply { term, granted } => {
                self.on_promise(view, node, *term, findings);
                if *granted {
                    self.supporters.vote(node, *term, target);
                    self.on_vote(view, node, *term, target, findings);
                }
            }
            // Pre-votes promise nothing, and clients are no servers.
            RaftMessage::PreVote(_)
            | RaftMessage::PreVoteReply { .. }
            | RaftMessage::Propose { .. }
            | RaftMessage::ProposeReply { .. } => {}
        }
    }

    /// A message that speaks in this term.
    #[inline]
    fn on_promise(&mut self, view: impl View<RaftNode<C>>, node: NodeId, term: Term, findings: &mut Findings) {
        self.terms.send(node, term, view.now(), findings);
        if findings.is_on(PERSIST_BEFORE_REPLY) {
            self.durables.on_term(node, term, &view.disk(node), findings);
        }
    }

    fn on_request(
        &mut self,
        view: impl View<RaftNode<C>>,
        node: NodeId,
        request: VoteRequest,
        findings: &mut Findings,
    ) {
        self.on_promise(view, node, request.term, findings);
        self.on_vote(view, node, request.term, node, findings);
        if let Some(server) = server(&view, node).filter(|_| findings.is_on(VOTE_SOUNDNESS)) {
            vote_soundness::request_is_true(server, request, findings);
        }
    }

    fn on_vote(
        &mut self,
        view: impl View<RaftNode<C>>,
        voter: NodeId,
        term: Term,
        candidate: NodeId,
        findings: &mut Findings,
    ) {
        self.votes.cast(voter, term, candidate, view.now(), findings);
        if findings.is_on(PERSIST_BEFORE_REPLY) {
            self.durables.on_vote(voter, term, candidate, &view.disk(voter), findings);
        }
    }

    pub(super) fn on_observe(
        &mut self,
        view: impl View<RaftNode<C>>,
        node: NodeId,
        observation: &RaftObservation<C>,
        findings: &mut Findings,
    ) {
        if let RaftObservation::Applied { index, entry } = observation {
            return self.chosen.apply(node, *index, entry.clone(), view.now(), findings);
        }
        match *observation {
            RaftObservation::BecameFollower { term } | RaftObservation::TermStarted { term } => {
                self.on_term(view, node, term, findings);
            }
            RaftObservation::BecamePreCandidate { term } => {
                self.on_campaign(view, node, "pre-candidate", term, findings)
            }
            RaftObservation::BecameCandidate { term } => {
                self.tallies.campaign(term, node);
                self.on_campaign(view, node, "candidate", term, findings);
            }
            RaftObservation::LeaderElected { term, last } => self.on_elected(view, node, term, last, findings),
            RaftObservation::SteppedDown { .. } => self.depose(view, node, findings),
            RaftObservation::VoteGranted { term, candidate } if findings.is_on(VOTE_SOUNDNESS) => {
                if let Some(server) = server(&view, node) {
                    self.requests.grant(node, candidate, term, server.log().last(), findings);
                }
            }
            RaftObservation::VoteDenied { candidate, .. } => {
                if let (Some(before), Some(server)) = (self.timer.take(), server(&view, node)) {
                    denied_vote_keeps_timer::denied(node, candidate, before, Timer::of(server), findings);
                }
            }
            RaftObservation::QuorumAdjusted => self.supporters.adjust(node, true),
            RaftObservation::QuorumRestored => self.supporters.adjust(node, false),
            RaftObservation::Left => self.changed = true,
            RaftObservation::Committed { index, term } => {
                let (leads, position) = (self.leads[slot(node)], Position { term, index });
                commit_in_term::commit(node, leads, position, findings);
                self.commits.commit(node, leads, position, view.now(), &self.reigns, findings);
            }
            _ => {}
        }
    }

    fn on_term(&mut self, view: impl View<RaftNode<C>>, node: NodeId, term: Term, findings: &mut Findings) {
        self.tallies.see_term(term);
        self.terms.announce(node, term, view.now(), findings);
    }

    fn on_stand(
        &mut self,
        view: impl View<RaftNode<C>>,
        node: NodeId,
        role: &str,
        term: Term,
        findings: &mut Findings,
    ) {
        self.on_term(view, node, term, findings);
        learners_never_lead::stand(&self.frame, node, role, term, findings);
    }

    fn on_campaign(
        &mut self,
        view: impl View<RaftNode<C>>,
        node: NodeId,
        role: &str,
        term: Term,
        findings: &mut Findings,
    ) {
        self.on_stand(view, node, role, term, findings);
        if let Some(server) = server(&view, node).filter(|_| findings.is_on(CANDIDATES_KNOW_NO_LEADER)) {
            // The server may have gone on since, and lead itself.
            let leader = server.leader().filter(|leader| *leader != node);
            candidates_know_no_leader::stand(node, role, term, leader, findings);
        }
    }

    fn on_elected(
        &mut self,
        view: impl View<RaftNode<C>>,
        node: NodeId,
        term: Term,
        last: Position,
        findings: &mut Findings,
    ) {
        let now = view.now();
        let reign = Reign { leader: node, at: now, last };
        self.on_stand(view, node, "leader", term, findings);
        self.reigns.elect(term, reign, findings);
        self.supporters.elect(&self.frame, node, term, findings);
        self.commits.elect(term, reign, findings);
        self.contacts.elect(&self.frame, node, term, now, &TrueTime(view, std::marker::PhantomData::<C>));
        self.stability.elect(node, term, now, findings);
        self.tallies.elect(term);
        self.leads[slot(node)] = Some(term);
        self.leaders.insert(node);
        self.review(now, findings);
    }
}
