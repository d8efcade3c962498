//! The election timer, elections and votes (Raft §5.2, §5.4.1; NuRaft `handle_timeout.cxx`, `handle_vote.cxx`).

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::Source;
use splitbrain_kernel::time::{Duration, Instant};

use super::bug::Bug;
use super::ids::Term;
use super::message::{Payload, RaftMessage, VoteRequest};
use super::node::{RaftContext, RaftTimer};
use super::observation::{RaftObservation, Refusal, Skip};
use super::options::{Candidates, ElectionTimer, LostRound, Stickiness, TimeoutDrawn};
use super::roles::Round;
use super::shared::Shared;
use super::state::{Candidate, Role, Server};

/// What the election timer of a server waits for: its timeout depends on that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// A sign of life of a leader.
    Leader,
    /// The outcome of the server's own round of votes or pre-votes.
    Round,
}

// ---- The timer ----

impl<C: Payload> Shared<C> {
    /// Starts the election timer with a fresh timeout: the role or the term is new, or the old one is over.
    pub(super) fn start_election_timer(&mut self, ctx: &mut RaftContext<C>, wait: Wait) {
        self.start_election_timer_after(ctx, wait, Duration::ZERO);
    }

    pub(super) fn start_election_timer_after(&mut self, ctx: &mut RaftContext<C>, wait: Wait, delay: Duration) {
        if self.hard.catching_up {
            return;
        }
        self.clock.timeout = self.draw_timeout(ctx, wait).saturating_add(delay);
        self.arm(ctx);
    }

    /// A sign of life of a leader, or a vote given to one to be: time starts over.
    #[inline]
    pub(super) fn restart_election_timer(&mut self, ctx: &mut RaftContext<C>, wait: Wait) {
        if !self.hard.timer_allowed {
            return self.start_election_timer(ctx, wait);
        }
        if self.hard.catching_up {
            return;
        }
        match (self.options.timing.election_timer, self.options.timing.timeout_drawn) {
            (ElectionTimer::Polled, _) => self.clock.started_at = ctx.now(),
            (ElectionTimer::Restarted, TimeoutDrawn::EachTerm) => self.arm(ctx),
            (ElectionTimer::Restarted, TimeoutDrawn::EachReset) => {
                self.clock.timeout = self.draw_timeout(ctx, wait);
                self.arm(ctx);
            }
        }
    }

    fn arm(&mut self, ctx: &mut RaftContext<C>) {
        if !self.hard.timer_allowed {
            // NuRaft: whatever restarts the timer also allows it again, durably.
            self.hard.timer_allowed = true;
            self.hard_dirty = true;
        }
        self.clock.started_at = ctx.now();
        ctx.set_timer(RaftTimer::Election, self.clock.timeout);
    }

    fn draw_timeout(&self, ctx: &mut RaftContext<C>, wait: Wait) -> Duration {
        let o = &self.options;
        match wait {
            Wait::Round => ctx.rng().duration(o.timing.round_timeout_min, o.timing.round_timeout_max),
            Wait::Leader => ctx.rng().duration(o.timing.election_timeout_min, o.timing.election_timeout_max),
        }
    }

    fn polled_contact_is_fresh(&self, now: Instant) -> bool {
        self.options.timing.election_timer == ElectionTimer::Polled
            && now.since(self.clock.started_at) < self.options.timing.election_timeout_min
    }

    /// Begins to leave: the server goes silent after so many election timeouts.
    pub(super) fn begin_to_leave(&mut self) {
        self.isolation.steps_to_down = self.options.membership.leave_timeouts;
    }

    /// Whoever still gets requests is not gone yet.
    #[inline]
    pub(super) fn postpone_leaving(&mut self) {
        if self.isolation.steps_to_down > 0 {
            self.begin_to_leave();
        }
    }
}

impl<C: Payload> Server<C> {
    /// The election timer of a server that does not lead fires.
    pub(super) fn on_election_timer(&mut self, ctx: &mut RaftContext<C>) {
        let wait = self.role.wait();
        let shared = &mut self.shared;
        if shared.isolation.steps_to_down > 0 {
            return self.approach_leaving(ctx);
        }
        if shared.hard.catching_up {
            return self.skip_election(ctx, Skip::CatchingUp);
        }
        if shared.hard.receiving_snapshot {
            return self.skip_election(ctx, Skip::ReceivingSnapshot);
        }
        if ctx.now() < shared.clock.resigned_until {
            return self.skip_election(ctx, Skip::Resigned);
        }
        if wait == Wait::Leader && shared.polled_contact_is_fresh(ctx.now()) {
            // Only the timer starts over, not the time since the last contact.
            shared.clock.timeout = shared.draw_timeout(ctx, wait);
            return ctx.set_timer(RaftTimer::Election, shared.clock.timeout);
        }
        if !shared.may_stand() && !shared.has_bug(Bug::LearnerCampaigns) {
            self.forget_leader();
            return self.skip_election(ctx, Skip::NotVoter);
        }
        ctx.observe(RaftObservation::ElectionTimedOut { term: shared.term() });
        if !shared.clock.heartbeat_seen {
            shared.decay_priority(ctx);
        }
        self.begin_round(ctx);
    }

    pub(super) fn skip_election(&mut self, ctx: &mut RaftContext<C>, reason: Skip) {
        ctx.observe(RaftObservation::ElectionSkipped { reason });
        self.shared.start_election_timer(ctx, self.role.wait());
    }

    /// A server that was told to leave has one more timeout behind it, and goes silent after the last (NuRaft
    /// `steps_to_down_`).
    fn approach_leaving(&mut self, ctx: &mut RaftContext<C>) {
        self.shared.isolation.steps_to_down -= 1;
        if self.shared.isolation.steps_to_down > 0 {
            return self.skip_election(ctx, Skip::Leaving);
        }
        self.forget_leader();
        self.shared.hard.timer_allowed = false;
        self.shared.hard_dirty = true;
        ctx.observe(RaftObservation::Left);
    }
}

// ---- The candidate ----

impl<C: Payload> Server<C> {
    /// A round of pre-votes, or an election where none is wanted.
    pub(super) fn begin_round(&mut self, ctx: &mut RaftContext<C>) {
        let won = matches!(&self.role, Role::PreCandidate(candidate) if candidate.won);
        if self.shared.options.pre_vote.enabled && !won && self.election_quorum() > 1 {
            self.begin_pre_vote(ctx);
        } else {
            self.campaign(ctx);
        }
    }

    /// Begins an election, unless priority or a lagging state machine forbid it.
    pub(super) fn campaign(&mut self, ctx: &mut RaftContext<C>) {
        if self.shared.lags_within_grace(ctx.now()) {
            return self.skip_election(ctx, Skip::LaggingStateMachine);
        }
        if !self.shared.may_campaign(ctx.now()) {
            self.forget_leader();
            return self.skip_election(ctx, Skip::LowPriority);
        }
        self.stand(ctx, RaftMessage::Vote);
    }

    /// Begins an election on behalf of the leader, whatever its priority and without a round of pre-votes.
    pub(super) fn stand_for_transfer(&mut self, ctx: &mut RaftContext<C>) {
        self.stand(ctx, RaftMessage::TransferVote);
    }

    fn stand(&mut self, ctx: &mut RaftContext<C>, ask: fn(VoteRequest) -> RaftMessage<C>) {
        self.into_candidate(ctx);
        let shared = &mut self.shared;
        let request = VoteRequest { term: shared.term(), last: shared.log.last() };
        for voter in shared.other_electors().iter() {
            // A busy peer is not asked (NuRaft).
            shared.ask(ctx, voter, ask(request));
        }
    }

    /// The candidate's own vote is durable.
    pub(super) fn on_own_vote_durable(&mut self, ctx: &mut RaftContext<C>) {
        match &mut self.role {
            Role::Candidate(candidate) => {
                let round = candidate.on_own_vote_durable(&self.shared);
                let candidate = *candidate;
                self.conclude_election(ctx, candidate, round);
            }
            // A vote for another server, a term or a flag is durable: that changes nothing. Or its own vote, after the
            // election is over.
            Role::Follower(_) | Role::PreCandidate(_) | Role::Leader(_) => {}
        }
    }

    /// A voter has answered.
    pub(super) fn on_vote_reply(&mut self, ctx: &mut RaftContext<C>, source: Source, term: Term, granted: bool) {
        self.shared.answered(source);
        if term > self.term() {
            return self.adopt_term(ctx, term);
        }
        let current = term == self.term() || self.shared.has_bug(Bug::VoteCountedFromOlderTerm);
        match &mut self.role {
            Role::Candidate(candidate) if current => {
                let round = candidate.on_vote(&self.shared, source.node, granted);
                let candidate = *candidate;
                self.conclude_election(ctx, candidate, round);
            }
            // A vote of an earlier election, or a late one: the election is won, or lost to another server.
            Role::Candidate(_) | Role::Follower(_) | Role::PreCandidate(_) | Role::Leader(_) => {}
        }
    }

    fn conclude_election(&mut self, ctx: &mut RaftContext<C>, candidate: Candidate, round: Round) {
        match round {
            Round::Open => {}
            Round::Won => self.into_leader(ctx, candidate),
            Round::Lost => {
                ctx.observe(RaftObservation::ElectionLost { term: self.term() });
                self.lose_round(ctx);
            }
        }
    }

    /// A quorum has refused.
    pub(super) fn lose_round(&mut self, ctx: &mut RaftContext<C>) {
        match self.shared.options.votes.lost_round {
            LostRound::StepBack => self.into_follower(ctx, None),
            LostRound::Wait => {}
        }
    }
}

impl Candidate {
    fn on_own_vote_durable<C: Payload>(&mut self, shared: &Shared<C>) -> Round {
        if self.own_vote_counted {
            return Round::Open;
        }
        self.own_vote_counted = true;
        if shared.is_voter() {
            self.tally.grant(shared.id);
        }
        self.conclude(shared)
    }

    fn on_vote<C: Payload>(&mut self, shared: &Shared<C>, voter: NodeId, granted: bool) -> Round {
        if !shared.configuration.electors().contains(voter) {
            return Round::Open;
        }
        if granted {
            self.tally.grant(voter);
        } else {
            self.tally.deny(voter);
        }
        self.conclude(shared)
    }

    fn conclude<C: Payload>(&self, shared: &Shared<C>) -> Round {
        if shared.is_granted(&self.tally) {
            Round::Won
        } else if shared.refusals(&self.tally) == 1 {
            Round::Lost
        } else {
            Round::Open
        }
    }
}

impl<C: Payload> Shared<C> {
    /// NuRaft `grace_period_of_lagging_state_machine_`: once a term, so long.
    fn lags_within_grace(&mut self, now: Instant) -> bool {
        let grace = self.options.timing.lagging_grace;
        if grace.is_zero() || self.applied >= self.lagging.target {
            return false;
        }
        if self.lagging.since.0 != self.term() {
            self.lagging.since = (self.term(), now);
        }
        now.since(self.lagging.since.1) < grace
    }
}

// ---- The voter ----

impl<C: Payload> Server<C> {
    /// A candidate asks for a vote.
    pub(super) fn on_vote(&mut self, ctx: &mut RaftContext<C>, source: Source, request: VoteRequest) {
        self.shared.postpone_leaving();
        let sticks = self.believes_in_leader(self.shared.options.votes.stickiness, source.node, ctx.now());
        if sticks || self.shared.is_bound_by_promise(ctx.now()) {
            return self.shared.refuse_for_leader(ctx, source, request.term);
        }
        if request.term > self.term() && !self.shared.clock.heartbeat_seen && self.is_voter() {
            // A vote request restarts this server's timer, so its own timeouts alone would lower nothing.
            self.shared.decay_priority(ctx);
        }
        self.hear_candidate(ctx, request.term);
        let low = (!self.shared.priority_suffices(source.node)).then_some(Refusal::LowPriority);
        self.answer_candidate(ctx, source, request, low);
    }

    /// A candidate asks for a vote on behalf of the leader: that one lives, and wants it so.
    pub(super) fn on_transfer_vote(&mut self, ctx: &mut RaftContext<C>, source: Source, request: VoteRequest) {
        self.shared.postpone_leaving();
        self.hear_candidate(ctx, request.term);
        self.answer_candidate(ctx, source, request, None);
    }

    fn hear_candidate(&mut self, ctx: &mut RaftContext<C>, term: Term) {
        if term > self.term() {
            self.adopt_term(ctx, term);
        }
    }

    fn answer_candidate(
        &mut self,
        ctx: &mut RaftContext<C>,
        source: Source,
        request: VoteRequest,
        otherwise: Option<Refusal>,
    ) {
        match self.shared.refusal(source.node, request).or(otherwise) {
            None => self.grant_vote(ctx, source),
            Some(reason) => self.deny_vote(ctx, source, request.term, reason),
        }
    }

    fn grant_vote(&mut self, ctx: &mut RaftContext<C>, source: Source) {
        assert!(!self.is_leader(), "a leader's vote of its term is its own");
        let (shared, wait) = (&mut self.shared, self.role.wait());
        let term = shared.term();
        if shared.hard.voted_for != Some(source.node) {
            shared.hard.voted_for = Some(source.node);
            shared.hard_dirty = true;
        }
        ctx.observe(RaftObservation::VoteGranted { term, candidate: source.node });
        if shared.options.timing.timer_reset_on_granted_vote {
            shared.restart_election_timer(ctx, wait);
        }
        let reply = RaftMessage::VoteReply { term, granted: true };
        if shared.has_bug(Bug::ReplyBeforeVoteDurable) {
            shared.flush(ctx);
            return send_now(ctx, source, reply);
        }
        shared.send(ctx, source, reply);
    }

    fn deny_vote(&mut self, ctx: &mut RaftContext<C>, source: Source, term: Term, reason: Refusal) {
        ctx.observe(RaftObservation::VoteDenied { term, candidate: source.node, reason });
        if self.shared.has_bug(Bug::TimerResetByDeniedVote) && !self.is_leader() {
            self.shared.restart_election_timer(ctx, self.role.wait());
        }
        let shared = &mut self.shared;
        if reason == Refusal::StaleTerm && !shared.options.answers(shared.options.votes.stale_reply) {
            return;
        }
        let reply = RaftMessage::VoteReply { term: shared.term(), granted: false };
        shared.send(ctx, source, reply);
    }

    /// Whether a leader is taken to be alive, by this rule.
    pub(super) fn believes_in_leader(&self, rule: Stickiness, candidate: NodeId, now: Instant) -> bool {
        let Shared { options, clock, .. } = &self.shared;
        if self.shared.has_bug(Bug::VotesDespiteLeader) {
            return false;
        }
        let least = options.timing.election_timeout_min;
        let elapsed = now.since(clock.started_at);
        match rule {
            Stickiness::Never => false,
            Stickiness::Lease => {
                !options.check_quorum.timeout.is_zero()
                    && self.leader().is_some()
                    && (self.is_leader() || elapsed < least)
            }
            Stickiness::Contact => self.is_leader() || clock.contact_at.is_some_and(|at| now.since(at) < least),
            Stickiness::Heartbeat => clock.heartbeat_seen && (self.is_leader() || elapsed <= least),
            Stickiness::LeaderKnown => self.leader().is_some_and(|leader| leader != candidate),
        }
    }
}

impl<C: Payload> Shared<C> {
    /// Why this vote cannot be given, apart from the candidate's priority.
    fn refusal(&self, candidate: NodeId, request: VoteRequest) -> Option<Refusal> {
        if request.term < self.term() {
            return Some(Refusal::StaleTerm);
        }
        if self.options.votes.candidates == Candidates::Members && !self.is_member(candidate) {
            return Some(Refusal::NotMember);
        }
        if self.hard.voted_for.is_some_and(|voted| voted != candidate) {
            return Some(Refusal::Voted);
        }
        if request.last < self.log.last() && !self.has_bug(Bug::NoUpToDateCheck) {
            return Some(Refusal::LogBehind);
        }
        None
    }

    /// Refuses for the sake of a leader: neither term nor vote change.
    fn refuse_for_leader(&mut self, ctx: &mut RaftContext<C>, source: Source, term: Term) {
        let reason = Refusal::LeaderAlive;
        ctx.observe(RaftObservation::VoteDenied { term, candidate: source.node, reason });
        if self.options.answers(self.options.votes.leader_alive_reply) {
            let reply = RaftMessage::VoteReply { term: self.term(), granted: false };
            self.send(ctx, source, reply);
        }
    }
}

/// Past every durable write: only a known bug sends so.
fn send_now<C: Payload>(ctx: &mut RaftContext<C>, target: Source, message: RaftMessage<C>) {
    match target.connection {
        None => ctx.send(target.node, message),
        Some(connection) => ctx.send_on(connection, target.node, message),
    }
}
