//! Rounds of pre-votes: would a quorum vote for this server, or does a leader live? (thesis §9.6; etcd `campaign` with
//! `campaignPreElection`; NuRaft `handle_vote.cxx`)
//!
//! A pre-vote changes nothing at the voter: neither term, nor vote, nor timer, nor contact.

use splitbrain_kernel::node::Source;
use splitbrain_kernel::time::Instant;

use super::bug::Bug;
use super::ids::Term;
use super::message::{Payload, RaftMessage, Verdict, VoteRequest};
use super::node::RaftContext;
use super::observation::{RaftObservation, Refusal, Skip};
use super::options::{Candidates, PreVoteTerm};
use super::roles::Round;
use super::shared::Shared;
use super::state::{PreCandidate, Role, Server};
use super::transport::Asked;

// ---- The pre-candidate ----

impl<C: Payload> Server<C> {
    /// Begins a round, unless the priority is too low.
    pub(super) fn begin_pre_vote(&mut self, ctx: &mut RaftContext<C>) {
        let shared = &mut self.shared;
        match &self.role {
            Role::PreCandidate(candidate) => candidate.review_last_round(shared, ctx),
            // There was no round of pre-votes just before this one.
            Role::Follower(_) | Role::Candidate(_) | Role::Leader(_) => {}
        }
        if shared.options.transport.reconnect_on_pre_vote && shared.clock.heartbeat_seen {
            shared.reconnect(ctx, shared.other_electors());
        }
        if !shared.may_campaign(ctx.now()) {
            self.forget_leader();
            return self.skip_election(ctx, Skip::LowPriority);
        }
        self.into_pre_candidate(ctx);
        let shared = &mut self.shared;
        let request = VoteRequest { term: shared.pre_vote_term(), last: shared.log.last() };
        let mut busy = 0;
        for voter in shared.other_electors().iter() {
            if shared.ask(ctx, voter, RaftMessage::PreVote(request)) == Asked::Busy {
                busy += 1;
            }
        }
        shared.count_busy_round(ctx, busy);
    }

    /// A voter has answered.
    pub(super) fn on_pre_vote_reply(&mut self, ctx: &mut RaftContext<C>, source: Source, term: Term, verdict: Verdict) {
        self.shared.answered(source);
        if verdict != Verdict::Granted && term > self.term() {
            return self.adopt_term(ctx, term);
        }
        let round = match &mut self.role {
            Role::PreCandidate(candidate) => candidate.on_reply(&mut self.shared, ctx, source, term, verdict),
            // A late answer: the round is over.
            Role::Follower(_) | Role::Candidate(_) | Role::Leader(_) => Round::Open,
        };
        match round {
            Round::Open => {}
            Round::Won => self.campaign(ctx),
            Round::Lost => self.lose_round(ctx),
        }
    }
}

impl PreCandidate {
    /// One of two servers that gets no answers for too many rounds takes itself for a quorum (NuRaft `vote_limit_`).
    fn review_last_round<C: Payload>(&self, shared: &mut Shared<C>, ctx: &mut RaftContext<C>) {
        let counting = shared.counting();
        let answers = self.tally.granted_count(counting) + self.tally.denied_count(counting);
        let is_silent = answers < shared.election_quorum();
        shared.isolation.silent_rounds = if is_silent { shared.isolation.silent_rounds + 1 } else { 0 };
        let two = shared.configuration.electors().len() == 2;
        let is_alone = shared.isolation.silent_rounds > shared.options.quorum.auto_adjust_rounds;
        if shared.options.quorum.auto_adjust && two && is_alone {
            shared.adjust_quorum(ctx);
        }
    }

    fn on_reply<C: Payload>(
        &mut self,
        shared: &mut Shared<C>,
        ctx: &mut RaftContext<C>,
        source: Source,
        term: Term,
        verdict: Verdict,
    ) -> Round {
        let counts = match verdict {
            Verdict::Granted => term == shared.pre_vote_term() || shared.has_bug(Bug::PreVoteCountedFromOlderTerm),
            Verdict::Denied | Verdict::Abandoned => term >= shared.term(),
        };
        if !counts || !shared.configuration.electors().contains(source.node) {
            return Round::Open;
        }
        match verdict {
            Verdict::Granted => self.tally.grant(source.node),
            Verdict::Denied => self.tally.deny(source.node),
            Verdict::Abandoned => self.tally.abandonments += 1,
        }
        self.conclude(shared, ctx, verdict)
    }

    fn conclude<C: Payload>(&mut self, shared: &mut Shared<C>, ctx: &mut RaftContext<C>, last: Verdict) -> Round {
        let refusals = shared.refusals(&self.tally);
        if shared.is_granted(&self.tally) {
            return self.win(shared, ctx);
        }
        if last == Verdict::Denied && refusals > 0 {
            return shared.lose_pre_vote(ctx, refusals);
        }
        if self.tally.abandonments as usize >= shared.election_quorum() {
            shared.begin_to_leave();
        }
        Round::Open
    }

    fn win<C: Payload>(&mut self, shared: &Shared<C>, ctx: &mut RaftContext<C>) -> Round {
        if self.won {
            return Round::Open;
        }
        self.won = true;
        ctx.observe(RaftObservation::PreVoteWon { term: shared.term() });
        Round::Won
    }
}

impl<C: Payload> Shared<C> {
    /// The term that a pre-vote speaks of.
    pub(super) fn pre_vote_term(&self) -> Term {
        match self.options.pre_vote.term {
            PreVoteTerm::Next => self.term().after(self.options.votes.term_step),
            PreVoteTerm::Current => self.term(),
        }
    }

    /// NuRaft `busy_connection_limit_`: a server that could not even ask a quorum in so many rounds gives up. The
    /// rounds need not be in a row: NuRaft never resets `busy_connection_failure_count_`.
    fn count_busy_round(&mut self, ctx: &mut RaftContext<C>, busy: usize) {
        let voters = self.configuration.electors().len();
        let cannot_win = busy + self.election_quorum() > voters;
        self.isolation.busy_rounds += u64::from(cannot_win);
        let limit = self.options.pre_vote.exit_after_busy_rounds;
        if limit > 0 && self.isolation.busy_rounds > limit {
            exit_starved(ctx, "too many pre-votes failed because connections were busy");
        }
    }

    /// NuRaft counts each refusal from the quorum's on, and gives up at its limit: it asks the leader, which a
    /// pre-candidate no longer knows, to connect again, and exits because it does not find it.
    fn lose_pre_vote(&mut self, ctx: &mut RaftContext<C>, refusals: usize) -> Round {
        if refusals == 1 {
            ctx.observe(RaftObservation::PreVoteLost { term: self.term() });
        }
        self.isolation.rejections += 1;
        let limit = self.options.pre_vote.exit_after_rejections;
        if limit > 0 && self.isolation.rejections >= limit {
            exit_starved(ctx, "quorums refused too many pre-votes");
            return Round::Open;
        }
        Round::Lost
    }
}

fn exit_starved<C: Payload>(ctx: &mut RaftContext<C>, reason: &'static str) {
    ctx.observe(RaftObservation::StarvedExit);
    ctx.exit(reason);
}

// ---- The voter ----

impl<C: Payload> Server<C> {
    /// A server asks whether it could win.
    pub(super) fn on_pre_vote(&mut self, ctx: &mut RaftContext<C>, source: Source, request: VoteRequest) {
        let candidate = source.node;
        let refusal = self.pre_vote_refusal(source, request, ctx.now());
        let term = match (self.shared.options.pre_vote.term, refusal) {
            (PreVoteTerm::Current, _) | (PreVoteTerm::Next, None) => request.term,
            (PreVoteTerm::Next, Some(_)) => self.term(),
        };
        let Some(reason) = refusal else {
            ctx.observe(RaftObservation::PreVoteGranted { term: request.term, candidate });
            if self.shared.has_bug(Bug::GrantedPreVoteRefreshesContact) && !self.is_leader() {
                self.shared.clock.contact_at = Some(ctx.now());
                self.shared.restart_election_timer(ctx, self.role.wait());
            }
            let reply = RaftMessage::PreVoteReply { term, verdict: Verdict::Granted };
            return self.shared.send(ctx, source, reply);
        };
        ctx.observe(RaftObservation::PreVoteDenied { term: request.term, candidate, reason });
        let shared = &mut self.shared;
        let silent = reason == Refusal::LeaderAlive && !shared.options.answers(shared.options.votes.leader_alive_reply);
        if !silent {
            let removed = reason == Refusal::NotMember;
            let verdict = if removed { Verdict::Abandoned } else { Verdict::Denied };
            shared.send(ctx, source, RaftMessage::PreVoteReply { term, verdict });
        }
    }

    fn pre_vote_refusal(&self, source: Source, request: VoteRequest, now: Instant) -> Option<Refusal> {
        let (candidate, shared) = (source.node, &self.shared);
        let options = &shared.options;
        if options.votes.candidates != Candidates::Anyone && !shared.is_member(candidate) {
            return Some(Refusal::NotMember);
        }
        let sticky = self.believes_in_leader(options.pre_vote.stickiness, candidate, now);
        if sticky && !shared.hard.catching_up {
            return Some(Refusal::LeaderAlive);
        }
        if options.pre_vote.term == PreVoteTerm::Next {
            if request.term < self.term() {
                return Some(Refusal::StaleTerm);
            }
            if request.term == self.term() && !self.could_vote_for(source) {
                return Some(Refusal::Voted);
            }
        }
        let behind = request.last < shared.log.last() && !shared.has_bug(Bug::NoUpToDateCheck);
        (options.pre_vote.log_check && behind).then_some(Refusal::LogBehind)
    }

    /// etcd `canVote`, in the voter's own term.
    fn could_vote_for(&self, source: Source) -> bool {
        match self.voted_for() {
            Some(voted) => voted == source.node,
            None => self.leader().is_none(),
        }
    }
}
