//! The transitions between roles, and of the term: the only code that writes [`Server::role`].
//!
//! ```text
//!              times out                won                 quorum of votes
//!  ┌──────────┐ pre-vote  ┌─────────────┐    ┌───────────┐        ┌────────┐
//!  │ follower │──────────▶│pre-candidate│───▶│ candidate │───────▶│ leader │
//!  └──────────┘           └─────────────┘    └───────────┘        └────────┘
//!       ▲  └──── times out, no pre-vote ──────────▲ ▲ │ times out      │
//!       └──── later term, leader of this term, ───┘ └─┘ (without       │
//!             lost round, no quorum, order                pre-vote) ◀──┘
//! ```
//!
//! What only one role does is a method of its type, with the [`Shared`] part of the server as a parameter: it cannot be
//! called in another role. Such a method changes no role. It returns what the server must do next, a [`Tenure`] or a
//! [`Round`], and the server makes the transition.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::Write;

use super::bug::Bug;
use super::durable::{LOG_FILE, Record, STATE_FILE};
use super::election::Wait;
use super::ids::{Index, Position, ServerSet, Term};
use super::kv::{Answer, CallResult};
use super::message::{Command, Entry, Payload, ProposeResult, RaftMessage};
use super::node::{RaftContext, RaftTimer};
use super::observation::{RaftObservation, StepDownReason};
use super::options::MatchedAtElection;
use super::progress::Progress;
use super::read::LeaderReads;
use super::shared::Shared;
use super::state::{Candidate, Follower, Leader, Pending, PreCandidate, Role, Server, Votes};
use super::transport::datagram;

/// Whether a leader goes on to lead, or gives up for this reason: nothing that only a leader does comes after that.
pub(super) type Tenure = ControlFlow<StepDownReason>;

/// A leader goes on to lead.
pub(super) const LEADS_ON: Tenure = ControlFlow::Continue(());

/// How a round of votes or pre-votes stands after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Round {
    /// The answer changes nothing.
    Open,
    /// This answer made a quorum that grants.
    Won,
    /// A quorum has refused.
    Lost,
}

// ---- The transitions ----

#[expect(clippy::wrong_self_convention, reason = "a transition changes the role in its place: `into_leader`")]
impl<C: Payload> Server<C> {
    /// Follows `leader`, or nobody yet, in the present term.
    ///
    /// Its election timer starts over, with a timeout of its own; what a leader owed to clients is answered as unknown.
    pub(super) fn into_follower(&mut self, ctx: &mut RaftContext<C>, leader: Option<NodeId>) {
        let mut follower = Follower::default();
        let before = std::mem::replace(&mut self.role, Role::Follower(follower));
        let was_follower = matches!(before, Role::Follower(_));
        let shared = &mut self.shared;
        if let Role::Leader(leader) = before {
            leader.abandon(shared, ctx);
        }
        if shared.has_bug(Bug::VoteClearedOnStepDown) && !was_follower {
            shared.hard.voted_for = None;
            shared.hard_dirty = true;
        }
        shared.restore_quorum(ctx);
        if !was_follower {
            ctx.observe(RaftObservation::BecameFollower { term: shared.term() });
            shared.start_election_timer(ctx, Wait::Leader);
        }
        if let Some(leader) = leader {
            follower.follow(shared, ctx, leader);
            self.role = Role::Follower(follower);
        }
    }

    /// Gives up leading, for this reason.
    pub(super) fn step_down(&mut self, ctx: &mut RaftContext<C>, reason: StepDownReason) {
        assert!(self.is_leader(), "only a leader steps down");
        ctx.observe(RaftObservation::SteppedDown { term: self.term(), reason });
        self.shared.clock.heartbeat_seen = false;
        self.shared.isolation.rejections = 0;
        self.into_follower(ctx, None);
    }

    /// A leader has done something: it goes on to lead, or gives up.
    #[inline]
    pub(super) fn conclude_tenure(&mut self, ctx: &mut RaftContext<C>, tenure: Tenure) {
        if let ControlFlow::Break(reason) = tenure {
            self.step_down(ctx, reason);
        }
    }

    /// Enters a later term, in which it has not voted and knows no leader. Whether heartbeats were seen says something
    /// of time, not of terms, so that stays (NuRaft keeps `hb_alive_`).
    pub(super) fn adopt_term(&mut self, ctx: &mut RaftContext<C>, term: Term) {
        assert!(term > self.term(), "terms only grow");
        if self.is_leader() {
            let term = self.term();
            ctx.observe(RaftObservation::SteppedDown { term, reason: StepDownReason::LaterTerm });
        }
        let was_follower = matches!(self.role, Role::Follower(_));
        self.shared.enter_term(ctx, term);
        // NuRaft counts refusals anew with each term that it hears of.
        self.shared.isolation.rejections = 0;
        self.into_follower(ctx, None);
        if was_follower && self.shared.options.timing.timer_reset_on_higher_term {
            self.shared.start_election_timer(ctx, Wait::Leader);
        }
    }

    /// Begins a round of pre-votes: nothing durable changes.
    pub(super) fn into_pre_candidate(&mut self, ctx: &mut RaftContext<C>) {
        assert!(!self.is_leader(), "a leader does not campaign");
        let keeps = self.shared.has_bug(Bug::PreCandidateKeepsLeader);
        let leader = if keeps { self.leader() } else { None };
        if !keeps {
            self.shared.clock.heartbeat_seen = false;
        }
        let was_pre_candidate = matches!(self.role, Role::PreCandidate(_));
        let mut tally = Votes::default();
        if self.is_voter() {
            tally.grant(self.shared.id);
        }
        self.role = Role::PreCandidate(PreCandidate { tally, won: false, leader });
        if !was_pre_candidate {
            ctx.observe(RaftObservation::BecamePreCandidate { term: self.term() });
        }
        self.shared.start_election_timer(ctx, Wait::Round);
    }

    /// Begins an election in a new term, with a vote for itself that counts once it is durable.
    pub(super) fn into_candidate(&mut self, ctx: &mut RaftContext<C>) {
        assert!(!self.is_leader(), "a leader does not campaign");
        let shared = &mut self.shared;
        let term = shared.term().after(shared.options.votes.term_step);
        shared.enter_term(ctx, term);
        shared.hard.voted_for = Some(shared.id);
        shared.clock.heartbeat_seen = false;
        self.role = Role::Candidate(Candidate { tally: Votes::default(), own_vote_counted: false });
        ctx.observe(RaftObservation::BecameCandidate { term });
        shared.start_election_timer(ctx, Wait::Round);
        shared.flush(ctx);
        assert!(shared.hard_write.is_some(), "a candidate's vote is on its way to the disk");
    }

    /// Leads the present term: this candidate has the votes of a quorum.
    pub(super) fn into_leader(&mut self, ctx: &mut RaftContext<C>, candidate: Candidate) {
        let mut leader = candidate.into_leader(&mut self.shared, ctx);
        let tenure = leader.begin(&mut self.shared, ctx);
        self.role = Role::Leader(leader);
        self.conclude_tenure(ctx, tenure);
    }

    /// No longer believes that anyone leads.
    pub(super) fn forget_leader(&mut self) {
        match &mut self.role {
            Role::Follower(follower) => follower.leader = None,
            Role::PreCandidate(candidate) => candidate.leader = None,
            Role::Candidate(_) => {}
            Role::Leader(_) => unreachable!("a leader steps down before it forgets who leads"),
        }
        self.shared.clock.heartbeat_seen = false;
    }
}

// ---- What each role does at a transition ----

impl Follower {
    /// Believes that this server leads the present term.
    #[inline]
    pub(super) fn follow<C: Payload>(&mut self, shared: &Shared<C>, ctx: &mut RaftContext<C>, leader: NodeId) {
        if self.leader != Some(leader) {
            self.leader = Some(leader);
            ctx.observe(RaftObservation::LeaderFollowed { term: shared.term(), leader });
        }
    }
}

impl Candidate {
    fn into_leader<C: Payload>(self, shared: &mut Shared<C>, ctx: &mut RaftContext<C>) -> Leader {
        let (last, now) = (shared.log.last(), ctx.now());
        let leader = Leader {
            elected_by: self.tally.granted,
            elected_at: now,
            progress: shared.fresh_progress(ctx),
            active: ServerSet::EMPTY,
            successor: None,
            lease_given_up: false,
            pending: VecDeque::new(),
            reads: LeaderReads::new(shared.configuration.table_len()),
        };
        shared.kv.begin_to_lead(now);
        ctx.cancel_timer(RaftTimer::Election);
        ctx.observe(RaftObservation::LeaderElected { term: shared.term(), last });
        leader
    }
}

impl Leader {
    /// What a leader does first.
    fn begin<C: Payload>(&mut self, shared: &mut Shared<C>, ctx: &mut RaftContext<C>) -> Tenure {
        if shared.options.log.noop {
            self.append(shared, ctx, Command::Noop);
        }
        self.broadcast(shared, ctx);
        ctx.set_timer(RaftTimer::Heartbeat, shared.options.timing.heartbeat);
        shared.start_check_quorum(ctx);
        self.leave_recovered(shared, ctx)?;
        shared.yield_zero_priority()
    }

    /// Adds an entry of its own term to its log; it counts its own copy once that is durable.
    pub(super) fn append<C: Payload>(
        &mut self,
        shared: &mut Shared<C>,
        ctx: &mut RaftContext<C>,
        command: Command<C>,
    ) -> Index {
        let entry = Entry { term: shared.term(), command };
        shared.append_to_log(ctx, &[entry], Some(self));
        let last = shared.log.last();
        assert!(last.term == shared.term(), "a leader's last entry is of its own term");
        last.index
    }

    /// It leads no more.
    fn abandon<C: Payload>(self, shared: &mut Shared<C>, ctx: &mut RaftContext<C>) {
        ctx.cancel_timer(RaftTimer::Heartbeat);
        ctx.cancel_timer(RaftTimer::CheckQuorum);
        self.reads.drop_all(shared, ctx);
        if self.successor.is_some() {
            ctx.cancel_timer(RaftTimer::Transfer);
        }
        shared.snapshots.sending.clear();
        if shared.options.log.matched_at_election == MatchedAtElection::Kept {
            shared.earlier = self.progress.iter().map(|progress| progress.matched).collect();
        }
        for pending in &self.pending {
            let reply = shared.abandoned(pending);
            shared.send(ctx, datagram(pending.client), reply);
        }
    }
}

// ---- The log and the durable state ----

impl<C: Payload> Shared<C> {
    /// What a client is told whose entry is in the log of a leader that steps down.
    fn abandoned(&self, pending: &Pending) -> RaftMessage<C> {
        let Pending { index, operation, .. } = *pending;
        let is_answered = self.has_bug(Bug::AnsweredOnStepDown);
        match (self.is_of_store(index), is_answered) {
            (true, true) => {
                let result = CallResult::Answered { index, answer: Answer::Done };
                RaftMessage::Reply { operation, result }
            }
            (true, false) => RaftMessage::Reply { operation, result: CallResult::Unknown },
            (false, true) => RaftMessage::ProposeReply { operation, result: ProposeResult::Committed { index } },
            (false, false) => RaftMessage::ProposeReply { operation, result: ProposeResult::Unknown },
        }
    }

    fn enter_term(&mut self, ctx: &mut RaftContext<C>, term: Term) {
        self.hard.term = term;
        self.hard.voted_for = None;
        self.hard_dirty = true;
        ctx.observe(RaftObservation::TermStarted { term });
    }

    fn fresh_progress(&self, ctx: &RaftContext<C>) -> Vec<Progress> {
        let fresh = Progress::new(self.log.last_index().next(), ctx.now());
        let mut all = vec![fresh; self.configuration.table_len()];
        for (progress, matched) in all.iter_mut().zip(&self.earlier) {
            *progress = progress.clone().keep(*matched);
        }
        all
    }

    /// Adds entries to the log and to the disk.
    pub(super) fn append_to_log(
        &mut self,
        ctx: &mut RaftContext<C>,
        entries: &[Entry<C>],
        leader: Option<&mut Leader>,
    ) {
        let Position { term: mut before, mut index } = self.log.last();
        self.log.append(entries);
        self.note_members(ctx, index.next(), entries, leader);
        let Some((last, others)) = entries.split_last() else {
            return;
        };
        for entry in others {
            index = index.next();
            self.write(ctx, Write::Append(LOG_FILE, Record::Entry { index, before, entry: entry.clone() }));
            before = entry.term;
        }
        let record = Record::Entry { index: index.next(), before, entry: last.clone() };
        let write = self.persist(ctx, Write::Append(LOG_FILE, record));
        self.log.written(write);
    }

    /// Writes the state where it has changed. Everything that is sent from here on waits for it.
    #[inline]
    pub(super) fn flush(&mut self, ctx: &mut RaftContext<C>) {
        if self.hard_dirty {
            self.write_hard_state(ctx);
        }
    }

    fn write_hard_state(&mut self, ctx: &mut RaftContext<C>) {
        let mut record = self.hard;
        if self.has_bug(Bug::VoteNotPersisted) {
            record.voted_for = None;
        }
        self.hard_write = Some(self.persist(ctx, Write::Replace(STATE_FILE, Record::State(record))));
        self.hard_dirty = false;
    }
}
