//! The transitions between roles, and of the term: the only code that writes [`Server::role`].
//!
//! ```text
//!              times out                won                 quorum of votes
//!  ┌──────────┐ pre_vote  ┌─────────────┐    ┌───────────┐        ┌────────┐
//!  │ follower │──────────▶│pre-candidate│───▶│ candidate │───────▶│ leader │
//!  └──────────┘           └─────────────┘    └───────────┘        └────────┘
//!       ▲  └──── times out, no pre_vote ──────────▲ ▲ │ times out      │
//!       └──── later term, leader of this term, ───┘ └─┘ (without       │
//!             lost round, no quorum, order                pre_vote) ◀──┘
//! ```

use std::collections::VecDeque;

use splitbrain_kernel::context::Context;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::Write;

use super::bug::Bug;
use super::durable::{LOG_FILE, Record, STATE_FILE};
use super::ids::{Index, Position, ServerSet, Term};
use super::kv::{Answer, CallResult};
use super::message::{Command, Entry, Payload, ProposeResult, RaftMessage};
use super::node::{RaftNode, RaftTimer};
use super::observation::{RaftObservation, StepDownReason};
use super::options::MatchedAtElection;
use super::progress::Progress;
use super::read::LeaderReads;
use super::state::{Candidate, Follower, Leader, Pending, PreCandidate, Role, Server, Votes};
use super::transport::datagram;

#[expect(clippy::wrong_self_convention, reason = "a transition changes the role in its place: `into_leader`")]
impl<C: Payload> Server<C> {
    /// Follows `leader`, or nobody yet, in the present term.
    ///
    /// Its election timer starts over, with a timeout of its own; what a leader owed to clients is answered as unknown.
    pub(super) fn into_follower(&mut self, ctx: &mut Context<RaftNode<C>>, leader: Option<NodeId>) {
        let led = matches!(self.role, Role::Leader(_));
        let was_follower = matches!(self.role, Role::Follower(_));
        let before = std::mem::replace(&mut self.role, Role::Follower(Follower { leader: None }));
        if let Role::Leader(leader) = before {
            self.abandon_leadership(ctx, &leader);
        }
        if self.has_bug(Bug::VoteClearedOnStepDown) && !was_follower {
            self.hard.voted_for = None;
            self.hard_dirty = true;
        }
        self.restore_quorum(ctx);
        if !was_follower {
            ctx.observe(RaftObservation::BecameFollower { term: self.term() });
            self.start_election_timer(ctx);
        }
        if let Some(leader) = leader {
            self.follow(ctx, leader);
        }
        assert!(!led || !self.is_leader(), "who follows leads no more");
    }

    fn abandon_leadership(&mut self, ctx: &mut Context<RaftNode<C>>, leader: &Leader) {
        ctx.cancel_timer(RaftTimer::Heartbeat);
        ctx.cancel_timer(RaftTimer::CheckQuorum);
        self.drop_reads(ctx, &leader.reads);
        if leader.successor.is_some() {
            ctx.cancel_timer(RaftTimer::Transfer);
        }
        self.snapshots.sending.clear();
        if self.options.matched_at_election == MatchedAtElection::Kept {
            self.earlier = leader.progress.iter().map(|progress| progress.matched).collect();
        }
        for pending in &leader.pending {
            let reply = self.abandoned(pending);
            self.send(ctx, datagram(pending.client), reply);
        }
    }

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

    /// Believes that this server leads the present term.
    pub(super) fn follow(&mut self, ctx: &mut Context<RaftNode<C>>, leader: NodeId) {
        let Role::Follower(follower) = &mut self.role else {
            unreachable!("only a follower follows");
        };
        if follower.leader != Some(leader) {
            follower.leader = Some(leader);
            ctx.observe(RaftObservation::LeaderFollowed { term: self.hard.term, leader });
        }
    }

    /// No longer believes that anyone leads.
    pub(super) fn forget_leader(&mut self) {
        match &mut self.role {
            Role::Follower(follower) => follower.leader = None,
            Role::PreCandidate(candidate) => candidate.leader = None,
            Role::Candidate(_) => {}
            Role::Leader(_) => unreachable!("a leader steps down before it forgets who leads"),
        }
        self.clock.heartbeat_seen = false;
    }

    /// Gives up leading, for this reason.
    pub(super) fn step_down(&mut self, ctx: &mut Context<RaftNode<C>>, reason: StepDownReason) {
        assert!(self.is_leader(), "only a leader steps down");
        ctx.observe(RaftObservation::SteppedDown { term: self.term(), reason });
        self.clock.heartbeat_seen = false;
        self.isolation.rejections = 0;
        self.into_follower(ctx, None);
    }

    /// Enters a later term, in which it has not voted and knows no leader.
    pub(super) fn adopt_term(&mut self, ctx: &mut Context<RaftNode<C>>, term: Term) {
        assert!(term > self.term(), "terms only grow");
        if self.is_leader() {
            let term = self.term();
            ctx.observe(RaftObservation::SteppedDown { term, reason: StepDownReason::LaterTerm });
        }
        let was_follower = matches!(self.role, Role::Follower(_));
        self.enter_term(ctx, term);
        // NuRaft counts refusals anew with each term that it hears of.
        self.isolation.rejections = 0;
        self.into_follower(ctx, None);
        self.forget_leader_of_old_term();
        if was_follower && self.options.timer_reset_on_higher_term {
            self.start_election_timer(ctx);
        }
    }

    /// Only the leader: whether heartbeats were seen says something of time, not of terms (NuRaft keeps `hb_alive_`).
    fn forget_leader_of_old_term(&mut self) {
        if let Role::Follower(follower) = &mut self.role {
            follower.leader = None;
        }
    }

    fn enter_term(&mut self, ctx: &mut Context<RaftNode<C>>, term: Term) {
        self.hard.term = term;
        self.hard.voted_for = None;
        self.hard_dirty = true;
        ctx.observe(RaftObservation::TermStarted { term });
    }

    /// Begins a round of pre-votes: nothing durable changes.
    pub(super) fn into_pre_candidate(&mut self, ctx: &mut Context<RaftNode<C>>) {
        assert!(!self.is_leader(), "a leader does not campaign");
        let keeps = self.has_bug(Bug::PreCandidateKeepsLeader);
        let leader = if keeps { self.leader() } else { None };
        if !keeps {
            self.clock.heartbeat_seen = false;
        }
        let was_pre_candidate = matches!(self.role, Role::PreCandidate(_));
        let mut tally = Votes::default();
        if self.is_voter() {
            tally.grant(self.id);
        }
        self.role = Role::PreCandidate(PreCandidate { tally, won: false, leader });
        if !was_pre_candidate {
            ctx.observe(RaftObservation::BecamePreCandidate { term: self.term() });
        }
        self.start_election_timer(ctx);
    }

    /// Begins an election in a new term, with a vote for itself that counts once it is durable.
    pub(super) fn into_candidate(&mut self, ctx: &mut Context<RaftNode<C>>) {
        assert!(!self.is_leader(), "a leader does not campaign");
        let term = self.term().after(self.options.term_step);
        self.enter_term(ctx, term);
        self.hard.voted_for = Some(self.id);
        self.clock.heartbeat_seen = false;
        self.role = Role::Candidate(Candidate { tally: Votes::default(), own_vote_counted: false });
        ctx.observe(RaftObservation::BecameCandidate { term });
        self.start_election_timer(ctx);
        self.flush(ctx);
        assert!(self.hard_write.is_some(), "a candidate's vote is on its way to the disk");
    }

    /// Leads the present term: it has the votes of a quorum.
    pub(super) fn into_leader(&mut self, ctx: &mut Context<RaftNode<C>>) {
        let Role::Candidate(Candidate { tally, .. }) = self.role else {
            unreachable!("only a candidate is elected");
        };
        let (last, now) = (self.log.last(), ctx.now());
        self.role = Role::Leader(Leader {
            elected_by: tally.granted,
            elected_at: now,
            progress: self.fresh_progress(ctx),
            active: ServerSet::EMPTY,
            successor: None,
            lease_given_up: false,
            pending: VecDeque::new(),
            reads: LeaderReads::new(self.configuration.table_len()),
        });
        self.kv.begin_to_lead(now);
        ctx.cancel_timer(RaftTimer::Election);
        ctx.observe(RaftObservation::LeaderElected { term: self.term(), last });
        if self.options.noop {
            self.append_as_leader(ctx, Command::Noop);
        }
        self.broadcast(ctx);
        ctx.set_timer(RaftTimer::Heartbeat, self.options.heartbeat);
        self.start_check_quorum(ctx);
        self.leave_recovered(ctx);
    }

    fn fresh_progress(&self, ctx: &Context<RaftNode<C>>) -> Vec<Progress> {
        let fresh = Progress::new(self.log.last_index().next(), ctx.now());
        let mut all = vec![fresh; self.configuration.table_len()];
        for (progress, matched) in all.iter_mut().zip(&self.earlier) {
            *progress = progress.clone().keep(*matched);
        }
        all
    }

    /// Adds an entry of its own term to its log; it counts its own copy once that is durable.
    pub(super) fn append_as_leader(&mut self, ctx: &mut Context<RaftNode<C>>, command: Command<C>) -> Index {
        let entry = Entry { term: self.term(), command };
        self.append_to_log(ctx, &[entry]);
        let last = self.log.last();
        assert!(last.term == self.term(), "a leader's last entry is of its own term");
        last.index
    }

    /// Adds entries to the log and to the disk.
    pub(super) fn append_to_log(&mut self, ctx: &mut Context<RaftNode<C>>, entries: &[Entry<C>]) {
        let Position { term: mut before, mut index } = self.log.last();
        self.log.append(entries);
        self.note_members(ctx, index.next(), entries);
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
    pub(super) fn flush(&mut self, ctx: &mut Context<RaftNode<C>>) {
        if self.hard_dirty {
            self.write_hard_state(ctx);
        }
    }

    fn write_hard_state(&mut self, ctx: &mut Context<RaftNode<C>>) {
        let mut record = self.hard;
        if self.has_bug(Bug::VoteNotPersisted) {
            record.voted_for = None;
        }
        self.hard_write = Some(self.persist(ctx, Write::Replace(STATE_FILE, Record::State(record))));
        self.hard_dirty = false;
    }
}
