//! The election timer, elections and votes (Raft §5.2, §5.4.1; NuRaft `handle_timeout.cxx`, `handle_vote.cxx`).

use splitbrain_kernel::context::Context;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::Source;
use splitbrain_kernel::time::{Duration, Instant};

use super::bug::Bug;
use super::ids::{ServerSet, Term};
use super::message::{Payload, RaftMessage, VoteRequest};
use super::node::{RaftNode, RaftTimer};
use super::observation::{RaftObservation, Refusal, Skip};
use super::options::{ElectionTimer, LostRound, Stickiness, TimeoutDrawn, VotesFor};
use super::state::{Role, Server, Votes};

// ---- The timer ----

impl<C: Payload> Server<C> {
    /// Starts the election timer with a fresh timeout: the role or the term is new, or the old one is over.
    pub(super) fn start_election_timer(&mut self, ctx: &mut Context<RaftNode<C>>) {
        self.start_election_timer_after(ctx, Duration::ZERO);
    }

    pub(super) fn start_election_timer_after(&mut self, ctx: &mut Context<RaftNode<C>>, delay: Duration) {
        if self.hard.catching_up || self.is_leader() {
            return;
        }
        self.clock.timeout = self.draw_timeout(ctx).saturating_add(delay);
        self.arm(ctx);
    }

    /// A sign of life of a leader, or a vote given to one to be: time starts over.
    #[inline]
    pub(super) fn restart_election_timer(&mut self, ctx: &mut Context<RaftNode<C>>) {
        if !self.hard.timer_allowed {
            return self.start_election_timer(ctx);
        }
        if self.hard.catching_up {
            return;
        }
        match (self.options.election_timer, self.options.timeout_drawn) {
            (ElectionTimer::Polled, _) => self.clock.started_at = ctx.now(),
            (ElectionTimer::Restarted, TimeoutDrawn::EachTerm) => self.arm(ctx),
            (ElectionTimer::Restarted, TimeoutDrawn::EachReset) => {
                self.clock.timeout = self.draw_timeout(ctx);
                self.arm(ctx);
            }
        }
    }

    fn arm(&mut self, ctx: &mut Context<RaftNode<C>>) {
        if !self.hard.timer_allowed {
            // NuRaft: whatever restarts the timer also allows it again, durably.
            self.hard.timer_allowed = true;
            self.hard_dirty = true;
        }
        self.clock.started_at = ctx.now();
        ctx.set_timer(RaftTimer::Election, self.clock.timeout);
    }

    fn draw_timeout(&self, ctx: &mut Context<RaftNode<C>>) -> Duration {
        let o = &self.options;
        match self.role {
            Role::PreCandidate(_) | Role::Candidate(_) => ctx.rng().duration(o.round_timeout_min, o.round_timeout_max),
            Role::Follower(_) | Role::Leader(_) => ctx.rng().duration(o.election_timeout_min, o.election_timeout_max),
        }
    }

    /// Hears from the leader that it follows, in a way that counts.
    #[inline]
    pub(super) fn refresh_contact(&mut self, ctx: &mut Context<RaftNode<C>>) {
        self.clock.contact_at = Some(ctx.now());
        self.restart_election_timer(ctx);
    }

    /// The election timer fires.
    pub(super) fn on_election_timer(&mut self, ctx: &mut Context<RaftNode<C>>) {
        assert!(!self.is_leader(), "a leader's election timer is off");
        if self.isolation.steps_to_down > 0 {
            return self.approach_leaving(ctx);
        }
        if self.hard.catching_up {
            return self.skip_election(ctx, Skip::CatchingUp);
        }
        if self.hard.receiving_snapshot {
            return self.skip_election(ctx, Skip::ReceivingSnapshot);
        }
        if ctx.now() < self.clock.resigned_until {
            return self.skip_election(ctx, Skip::Resigned);
        }
        if self.polled_contact_is_fresh(ctx.now()) {
            // Only the timer starts over, not the time since the last contact.
            self.clock.timeout = self.draw_timeout(ctx);
            return ctx.set_timer(RaftTimer::Election, self.clock.timeout);
        }
        if !self.may_stand() && !self.has_bug(Bug::LearnerCampaigns) {
            self.forget_leader();
            return self.skip_election(ctx, Skip::NotVoter);
        }
        ctx.observe(RaftObservation::ElectionTimedOut { term: self.term() });
        if !self.clock.heartbeat_seen {
            self.decay_priority(ctx);
        }
        self.begin_round(ctx);
    }

    fn polled_contact_is_fresh(&self, now: Instant) -> bool {
        self.options.election_timer == ElectionTimer::Polled
            && matches!(self.role, Role::Follower(_))
            && now.since(self.clock.started_at) < self.options.election_timeout_min
    }

    pub(super) fn skip_election(&mut self, ctx: &mut Context<RaftNode<C>>, reason: Skip) {
        ctx.observe(RaftObservation::ElectionSkipped { reason });
        self.start_election_timer(ctx);
    }

    /// NuRaft `steps_to_down_`: a server that was told to leave goes silent after two more timeouts.
    fn approach_leaving(&mut self, ctx: &mut Context<RaftNode<C>>) {
        self.isolation.steps_to_down -= 1;
        if self.isolation.steps_to_down > 0 {
            return self.skip_election(ctx, Skip::Leaving);
        }
        self.forget_leader();
        self.hard.timer_allowed = false;
        self.hard_dirty = true;
        ctx.observe(RaftObservation::Left);
    }

    /// Whoever still gets requests is not gone yet.
    #[inline]
    pub(super) fn postpone_leaving(&mut self) {
        if self.isolation.steps_to_down > 0 {
            self.isolation.steps_to_down = Self::STEPS_TO_DOWN;
        }
    }

    pub(super) const STEPS_TO_DOWN: u32 = 2;
}

// ---- The candidate ----

impl<C: Payload> Server<C> {
    /// A round of pre-votes, or an election where none is wanted.
    pub(super) fn begin_round(&mut self, ctx: &mut Context<RaftNode<C>>) {
        let won = matches!(&self.role, Role::PreCandidate(candidate) if candidate.won);
        if self.options.pre_vote && !won && self.election_quorum() > 1 {
            self.begin_pre_vote(ctx);
        } else {
            self.campaign(ctx);
        }
    }

    /// Begins an election, unless priority or a lagging state machine forbid it.
    pub(super) fn campaign(&mut self, ctx: &mut Context<RaftNode<C>>) {
        if self.lags_within_grace(ctx.now()) {
            return self.skip_election(ctx, Skip::LaggingStateMachine);
        }
        if !self.may_campaign(ctx.now()) {
            self.forget_leader();
            return self.skip_election(ctx, Skip::LowPriority);
        }
        self.stand(ctx, RaftMessage::Vote);
    }

    /// Begins an election on behalf of the leader, whatever its priority and without a round of pre-votes.
    pub(super) fn stand_for_transfer(&mut self, ctx: &mut Context<RaftNode<C>>) {
        self.stand(ctx, RaftMessage::TransferVote);
    }

    fn stand(&mut self, ctx: &mut Context<RaftNode<C>>, ask: fn(VoteRequest) -> RaftMessage<C>) {
        self.into_candidate(ctx);
        let request = VoteRequest { term: self.term(), last: self.log.last() };
        for voter in self.configuration.electors().without(self.id).iter() {
            // A busy peer is not asked (NuRaft).
            self.ask(ctx, voter, ask(request));
        }
    }

    /// NuRaft `grace_period_of_lagging_state_machine_`: once a term, so long.
    fn lags_within_grace(&mut self, now: Instant) -> bool {
        let grace = self.options.lagging_grace;
        if grace.is_zero() || self.applied >= self.lagging.target {
            return false;
        }
        if self.lagging.since.0 != self.term() {
            self.lagging.since = (self.term(), now);
        }
        now.since(self.lagging.since.1) < grace
    }

    /// The candidate's own vote is durable.
    pub(super) fn on_own_vote_durable(&mut self, ctx: &mut Context<RaftNode<C>>) {
        let (id, voter) = (self.id, self.is_voter());
        let Role::Candidate(candidate) = &mut self.role else {
            return;
        };
        if candidate.own_vote_counted {
            return;
        }
        candidate.own_vote_counted = true;
        if voter {
            candidate.tally.grant(id);
        }
        self.conclude_election(ctx);
    }

    /// A voter has answered.
    pub(super) fn on_vote_reply(&mut self, ctx: &mut Context<RaftNode<C>>, source: Source, term: Term, granted: bool) {
        self.answered(source);
        if term > self.term() {
            return self.adopt_term(ctx, term);
        }
        let current = term == self.term() || self.has_bug(Bug::VoteCountedFromOlderTerm);
        let voter = self.configuration.electors().contains(source.node);
        let Role::Candidate(candidate) = &mut self.role else {
            return;
        };
        if !current || !voter {
            return;
        }
        if granted {
            candidate.tally.grant(source.node);
        } else {
            candidate.tally.deny(source.node);
        }
        self.conclude_election(ctx);
    }

    /// Whether a quorum has granted, of each set of voters. Votes that a counter counts twice are for the plain case:
    /// where two sets decide, a voter is counted in its set.
    pub(super) fn is_granted(&self, tally: &Votes) -> bool {
        if !self.configuration.is_joint() {
            return tally.granted_count(self.counting()) >= self.election_quorum();
        }
        self.halves().all(|half| self.is_quorum_of(half, tally.granted))
    }

    /// How often a quorum that refuses has refused: 1 when the last refusal made it one.
    pub(super) fn refusals(&self, tally: &Votes) -> usize {
        if !self.configuration.is_joint() {
            let (denied, quorum) = (tally.denied_count(self.counting()), self.election_quorum());
            return (denied + 1).saturating_sub(quorum);
        }
        usize::from(self.halves().any(|half| self.is_quorum_of(half, tally.denied)))
    }

    fn is_quorum_of(&self, voters: ServerSet, some: ServerSet) -> bool {
        some.intersection(voters).len() >= self.quorum(self.options.election_quorum, voters)
    }

    fn conclude_election(&mut self, ctx: &mut Context<RaftNode<C>>) {
        let Role::Candidate(candidate) = &self.role else {
            unreachable!("only a candidate counts votes");
        };
        let tally = candidate.tally;
        if self.is_granted(&tally) {
            self.into_leader(ctx);
            self.yield_zero_priority(ctx);
        } else if self.refusals(&tally) == 1 {
            ctx.observe(RaftObservation::ElectionLost { term: self.term() });
            self.lose_round(ctx);
        }
    }

    /// A quorum has refused.
    pub(super) fn lose_round(&mut self, ctx: &mut Context<RaftNode<C>>) {
        match self.options.lost_round {
            LostRound::StepBack => self.into_follower(ctx, None),
            LostRound::Wait => {}
        }
    }
}

// ---- The voter ----

impl<C: Payload> Server<C> {
    /// A candidate asks for a vote.
    pub(super) fn on_vote(&mut self, ctx: &mut Context<RaftNode<C>>, source: Source, request: VoteRequest) {
        self.postpone_leaving();
        let sticks = self.believes_in_leader(self.options.vote_stickiness, source.node, ctx.now());
        if sticks || self.is_bound_by_promise(ctx.now()) {
            return self.refuse_for_leader(ctx, source, request.term);
        }
        if request.term > self.term() && !self.clock.heartbeat_seen && self.is_voter() {
            // A vote request restarts this server's timer, so its own timeouts alone would lower nothing.
            self.decay_priority(ctx);
        }
        self.hear_candidate(ctx, request.term);
        let low = (!self.priority_suffices(source.node)).then_some(Refusal::LowPriority);
        self.answer_candidate(ctx, source, request, low);
    }

    /// A candidate asks for a vote on behalf of the leader: that one lives, and wants it so.
    pub(super) fn on_transfer_vote(&mut self, ctx: &mut Context<RaftNode<C>>, source: Source, request: VoteRequest) {
        self.postpone_leaving();
        self.hear_candidate(ctx, request.term);
        self.answer_candidate(ctx, source, request, None);
    }

    fn hear_candidate(&mut self, ctx: &mut Context<RaftNode<C>>, term: Term) {
        if term > self.term() {
            self.adopt_term(ctx, term);
        }
    }

    fn answer_candidate(
        &mut self,
        ctx: &mut Context<RaftNode<C>>,
        source: Source,
        request: VoteRequest,
        otherwise: Option<Refusal>,
    ) {
        match self.refusal(source.node, request).or(otherwise) {
            None => self.grant_vote(ctx, source),
            Some(reason) => self.deny_vote(ctx, source, request.term, reason),
        }
    }

    /// Why this vote cannot be given, apart from the candidate's priority.
    fn refusal(&self, candidate: NodeId, request: VoteRequest) -> Option<Refusal> {
        if request.term < self.term() {
            return Some(Refusal::StaleTerm);
        }
        if self.options.votes_for == VotesFor::Members && !self.configuration.members().contains(candidate) {
            return Some(Refusal::NotMember);
        }
        if self.voted_for().is_some_and(|voted| voted != candidate) {
            return Some(Refusal::Voted);
        }
        if request.last < self.log.last() && !self.has_bug(Bug::NoUpToDateCheck) {
            return Some(Refusal::LogBehind);
        }
        None
    }

    fn grant_vote(&mut self, ctx: &mut Context<RaftNode<C>>, source: Source) {
        assert!(!self.is_leader(), "a leader's vote of its term is its own");
        let term = self.term();
        if self.voted_for() != Some(source.node) {
            self.hard.voted_for = Some(source.node);
            self.hard_dirty = true;
        }
        ctx.observe(RaftObservation::VoteGranted { term, candidate: source.node });
        if self.options.timer_reset_on_granted_vote {
            self.restart_election_timer(ctx);
        }
        let reply = RaftMessage::VoteReply { term, granted: true };
        if self.has_bug(Bug::ReplyBeforeVoteDurable) {
            self.flush(ctx);
            return send_now(ctx, source, reply);
        }
        self.send(ctx, source, reply);
    }

    fn deny_vote(&mut self, ctx: &mut Context<RaftNode<C>>, source: Source, term: Term, reason: Refusal) {
        ctx.observe(RaftObservation::VoteDenied { term, candidate: source.node, reason });
        if self.has_bug(Bug::TimerResetByDeniedVote) && !self.is_leader() {
            self.restart_election_timer(ctx);
        }
        if reason == Refusal::StaleTerm && !self.options.answers(self.options.stale_vote_reply) {
            return;
        }
        let reply = RaftMessage::VoteReply { term: self.term(), granted: false };
        self.send(ctx, source, reply);
    }

    /// Refuses for the sake of a leader: neither term nor vote change.
    fn refuse_for_leader(&mut self, ctx: &mut Context<RaftNode<C>>, source: Source, term: Term) {
        let reason = Refusal::LeaderAlive;
        ctx.observe(RaftObservation::VoteDenied { term, candidate: source.node, reason });
        if self.options.answers(self.options.sticky_reply) {
            let reply = RaftMessage::VoteReply { term: self.term(), granted: false };
            self.send(ctx, source, reply);
        }
    }

    /// Whether a leader is taken to be alive, by this rule.
    pub(super) fn believes_in_leader(&self, rule: Stickiness, candidate: NodeId, now: Instant) -> bool {
        if self.has_bug(Bug::VotesDespiteLeader) {
            return false;
        }
        let least = self.options.election_timeout_min;
        let elapsed = now.since(self.clock.started_at);
        match rule {
            Stickiness::Never => false,
            Stickiness::Lease => {
                !self.options.check_quorum.is_zero() && self.leader().is_some() && (self.is_leader() || elapsed < least)
            }
            Stickiness::Contact => self.is_leader() || self.clock.contact_at.is_some_and(|at| now.since(at) < least),
            Stickiness::Heartbeat => self.clock.heartbeat_seen && (self.is_leader() || elapsed <= least),
            Stickiness::LeaderKnown => self.leader().is_some_and(|leader| leader != candidate),
        }
    }
}

/// Past every durable write: only a known bug sends so.
fn send_now<C: Payload>(ctx: &mut Context<RaftNode<C>>, target: Source, message: RaftMessage<C>) {
    match target.connection {
        None => ctx.send(target.node, message),
        Some(connection) => ctx.send_on(connection, target.node, message),
    }
}
