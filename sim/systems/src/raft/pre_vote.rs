//! Rounds of pre-votes: would a quorum vote for this server, or does a leader live? (thesis §9.6; etcd `campaign` with
//! `campaignPreElection`; NuRaft `handle_vote.cxx`)
//!
//! A pre-vote changes nothing at the voter: neither term, nor vote, nor timer, nor contact.

use splitbrain_kernel::context::Context;
use splitbrain_kernel::node::Source;
use splitbrain_kernel::time::Instant;

use super::bug::Bug;
use super::ids::Term;
use super::message::{Payload, RaftMessage, Verdict, VoteRequest};
use super::node::RaftNode;
use super::observation::{RaftObservation, Refusal, Skip};
use super::options::{PreVoteTerm, VotesFor};
use super::state::{Role, Server};
use super::transport::Asked;

// ---- The pre-candidate ----

impl<C: Payload> Server<C> {
    /// Begins a round, unless the priority is too low.
    pub(super) fn begin_pre_vote(&mut self, ctx: &mut Context<RaftNode<C>>) {
        self.review_last_round(ctx);
        if self.options.reconnect_on_pre_vote && self.clock.heartbeat_seen {
            self.reconnect(ctx, self.configuration.electors().without(self.id));
        }
        if !self.may_campaign(ctx.now()) {
            self.forget_leader();
            return self.skip_election(ctx, Skip::LowPriority);
        }
        self.into_pre_candidate(ctx);
        let request = VoteRequest { term: self.pre_vote_term(), last: self.log.last() };
        let mut busy = 0;
        for voter in self.configuration.electors().without(self.id).iter() {
            if self.ask(ctx, voter, RaftMessage::PreVote(request)) == Asked::Busy {
                busy += 1;
            }
        }
        self.count_busy_round(ctx, busy);
    }

    /// The term that a pre-vote speaks of.
    pub(super) fn pre_vote_term(&self) -> Term {
        match self.options.pre_vote_term {
            PreVoteTerm::Next => self.term().after(self.options.term_step),
            PreVoteTerm::Current => self.term(),
        }
    }

    /// NuRaft: one of two servers that nobody answers for more than `vote_limit_` rounds takes itself for a quorum.
    fn review_last_round(&mut self, ctx: &mut Context<RaftNode<C>>) {
        const VOTE_LIMIT: u64 = 5;
        let (counting, quorum) = (self.counting(), self.election_quorum());
        let Role::PreCandidate(candidate) = &self.role else {
            return;
        };
        let answers = candidate.tally.granted_count(counting) + candidate.tally.denied_count(counting);
        self.isolation.silent_rounds = if answers < quorum { self.isolation.silent_rounds + 1 } else { 0 };
        let two = self.configuration.electors().len() == 2;
        if self.options.auto_adjust_quorum && two && self.isolation.silent_rounds > VOTE_LIMIT {
            self.adjust_quorum(ctx);
        }
    }

    /// NuRaft `busy_connection_limit_`: a server that could not even ask a quorum in so many rounds gives up. The
    /// rounds need not be in a row: NuRaft never resets `busy_connection_failure_count_`.
    fn count_busy_round(&mut self, ctx: &mut Context<RaftNode<C>>, busy: usize) {
        let voters = self.configuration.electors().len();
        let cannot_win = busy + self.election_quorum() > voters;
        self.isolation.busy_rounds += u64::from(cannot_win);
        let limit = self.options.busy_exit;
        if limit > 0 && self.isolation.busy_rounds > limit {
            self.exit_starved(ctx, "too many pre-votes failed because connections were busy");
        }
    }

    /// A voter has answered.
    pub(super) fn on_pre_vote_reply(
        &mut self,
        ctx: &mut Context<RaftNode<C>>,
        source: Source,
        term: Term,
        verdict: Verdict,
    ) {
        self.answered(source);
        let asked = self.pre_vote_term();
        let voter = self.configuration.electors().contains(source.node);
        if verdict != Verdict::Granted && term > self.term() {
            return self.adopt_term(ctx, term);
        }
        let any_term = self.has_bug(Bug::PreVoteCountedFromOlderTerm);
        let Role::PreCandidate(candidate) = &mut self.role else {
            return;
        };
        let counts = match verdict {
            Verdict::Granted => term == asked || any_term,
            Verdict::Denied | Verdict::Abandoned => term >= self.hard.term,
        };
        if !counts || !voter {
            return;
        }
        match verdict {
            Verdict::Granted => candidate.tally.grant(source.node),
            Verdict::Denied => candidate.tally.deny(source.node),
            Verdict::Abandoned => candidate.tally.abandonments += 1,
        }
        self.conclude_pre_vote(ctx, verdict);
    }

    fn conclude_pre_vote(&mut self, ctx: &mut Context<RaftNode<C>>, last: Verdict) {
        let Role::PreCandidate(candidate) = &self.role else {
            unreachable!("only a pre-candidate counts pre-votes");
        };
        let (tally, won) = (candidate.tally, candidate.won);
        let refusals = self.refusals(&tally);
        if self.is_granted(&tally) {
            if !won {
                self.win_pre_vote(ctx);
            }
        } else if last == Verdict::Denied && refusals > 0 {
            self.lose_pre_vote(ctx, refusals == 1);
        } else if tally.abandonments as usize >= self.election_quorum() {
            self.isolation.steps_to_down = Self::STEPS_TO_DOWN;
        }
    }

    fn win_pre_vote(&mut self, ctx: &mut Context<RaftNode<C>>) {
        if let Role::PreCandidate(candidate) = &mut self.role {
            candidate.won = true;
        }
        ctx.observe(RaftObservation::PreVoteWon { term: self.hard.term });
        self.campaign(ctx);
    }

    /// NuRaft counts each refusal from the quorum's on, and gives up at its limit: it asks the leader, which a
    /// pre-candidate no longer knows, to connect again, and exits because it does not find it.
    fn lose_pre_vote(&mut self, ctx: &mut Context<RaftNode<C>>, just_now: bool) {
        if just_now {
            ctx.observe(RaftObservation::PreVoteLost { term: self.term() });
        }
        self.isolation.rejections += 1;
        let limit = self.options.starved_exit;
        if limit > 0 && self.isolation.rejections >= limit {
            return self.exit_starved(ctx, "quorums refused too many pre-votes");
        }
        self.lose_round(ctx);
    }

    fn exit_starved(&mut self, ctx: &mut Context<RaftNode<C>>, reason: &'static str) {
        ctx.observe(RaftObservation::StarvedExit);
        ctx.exit(reason);
    }
}

// ---- The voter ----

impl<C: Payload> Server<C> {
    /// A server asks whether it could win.
    pub(super) fn on_pre_vote(&mut self, ctx: &mut Context<RaftNode<C>>, source: Source, request: VoteRequest) {
        let candidate = source.node;
        let refusal = self.pre_vote_refusal(source, request, ctx.now());
        let term = match (self.options.pre_vote_term, refusal) {
            (PreVoteTerm::Current, _) | (PreVoteTerm::Next, None) => request.term,
            (PreVoteTerm::Next, Some(_)) => self.term(),
        };
        let Some(reason) = refusal else {
            ctx.observe(RaftObservation::PreVoteGranted { term: request.term, candidate });
            if self.has_bug(Bug::GrantedPreVoteRefreshesContact) && !self.is_leader() {
                self.refresh_contact(ctx);
            }
            let reply = RaftMessage::PreVoteReply { term, verdict: Verdict::Granted };
            return self.send(ctx, source, reply);
        };
        ctx.observe(RaftObservation::PreVoteRejected { term: request.term, candidate, reason });
        let silent = reason == Refusal::LeaderAlive && !self.options.answers(self.options.sticky_reply);
        if !silent {
            let removed = reason == Refusal::NotMember;
            let verdict = if removed { Verdict::Abandoned } else { Verdict::Denied };
            self.send(ctx, source, RaftMessage::PreVoteReply { term, verdict });
        }
    }

    fn pre_vote_refusal(&self, source: Source, request: VoteRequest, now: Instant) -> Option<Refusal> {
        let candidate = source.node;
        if self.options.votes_for != VotesFor::Anyone && !self.configuration.members().contains(candidate) {
            return Some(Refusal::NotMember);
        }
        let sticky = self.believes_in_leader(self.options.pre_vote_stickiness, candidate, now);
        if sticky && !self.hard.catching_up {
            return Some(Refusal::LeaderAlive);
        }
        if self.options.pre_vote_term == PreVoteTerm::Next {
            if request.term < self.term() {
                return Some(Refusal::StaleTerm);
            }
            if request.term == self.term() && !self.could_vote_for(source) {
                return Some(Refusal::Voted);
            }
        }
        let behind = request.last < self.log.last() && !self.has_bug(Bug::NoUpToDateCheck);
        (self.options.pre_vote_log_check && behind).then_some(Refusal::LogBehind)
    }

    /// etcd `canVote`, in the voter's own term.
    fn could_vote_for(&self, source: Source) -> bool {
        match self.voted_for() {
            Some(voted) => voted == source.node,
            None => self.leader().is_none(),
        }
    }
}
