//! Replication and commit (Raft §5.3, §5.4.2): enough for elections and for a register that clients set.
//!
//! A follower's log is found by probing, one append for each answer; once it agrees, appends go ahead of their answers.
//! What is lost shows at the next heartbeat, which no longer fits, and the rejection leads back.

use splitbrain_kernel::context::{Context, OperationId};
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::{Source, Write};
use splitbrain_kernel::time::Instant;

use super::durable::LOG_FILE;
use super::ids::{Index, Position, Term};
use super::machine::NotLeader;
use super::message::{Append, AppendResult, Entry, Payload, ProposeResult, RaftMessage};
use super::node::{RaftNode, RaftTimer};
use super::observation::RaftObservation;
use super::quorum;
use super::state::{Flow, Leader, Pending, Progress, Role, Server};
use super::transport::{Asked, datagram};

// ---- The leader ----

impl<C: Payload> Server<C> {
    /// It is time for a heartbeat.
    pub(super) fn on_heartbeat_timer(&mut self, ctx: &mut Context<RaftNode<C>>) {
        assert!(self.is_leader(), "only a leader's heartbeat timer is set");
        if self.check_at_heartbeat(ctx) {
            return;
        }
        self.review_pair(ctx);
        self.clock.heartbeat_seen = true;
        self.restore_priority(ctx.now());
        self.broadcast(ctx);
        ctx.set_timer(RaftTimer::Heartbeat, self.options.heartbeat);
    }

    /// Sends every follower what it lacks, or a heartbeat.
    pub(super) fn broadcast(&mut self, ctx: &mut Context<RaftNode<C>>) {
        for peer in self.configuration.members().without(self.id).iter() {
            self.send_append(ctx, peer);
        }
    }

    /// Sends a follower what it lacks, or a heartbeat.
    fn send_append(&mut self, ctx: &mut Context<RaftNode<C>>, peer: NodeId) {
        let entries_max = usize::try_from(self.options.append_entries_max).unwrap_or(usize::MAX);
        let Role::Leader(leader) = &self.role else {
            unreachable!("only a leader appends to others");
        };
        let Some(progress) = leader.progress(peer) else {
            return;
        };
        let previous = progress.next.previous();
        let term = self.log.term_at(previous).expect("next is at most one beyond the last");
        let append = Append {
            term: self.hard.term,
            previous: Position { term, index: previous },
            commit: self.commit,
            entries: self.log.slice(progress.next, entries_max),
        };
        let sent = append.entries.len() as u64;
        if self.ask(ctx, peer, RaftMessage::Append(append)) == Asked::Sent && sent > 0 {
            self.note_sent(peer, sent);
        }
    }

    fn note_sent(&mut self, peer: NodeId, count: u64) {
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        if let Some(progress) = leader.progress_mut(peer).filter(|p| p.flow == Flow::Replicate) {
            progress.next.0 += count;
        }
    }

    /// A follower has answered an append.
    pub(super) fn on_append_reply(
        &mut self,
        ctx: &mut Context<RaftNode<C>>,
        source: Source,
        term: Term,
        result: AppendResult,
    ) {
        self.answered(source);
        if term > self.term() {
            return self.adopt_term(ctx, term);
        }
        // An answer of an earlier term speaks of another leadership, perhaps this server's own (etcd).
        if term < self.term() || !self.is_leader() {
            return;
        }
        let accepted = matches!(result, AppendResult::Accepted { .. });
        self.note_contact(ctx.now(), source.node, accepted);
        match result {
            AppendResult::Accepted { matched } => self.on_accepted(ctx, source.node, matched),
            AppendResult::Rejected { previous, hint } => self.on_rejected(ctx, source.node, previous, hint),
            AppendResult::Stale => {}
        }
    }

    fn on_accepted(&mut self, ctx: &mut Context<RaftNode<C>>, follower: NodeId, matched: Index) {
        let last = self.log.last_index();
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        let Some(progress) = leader.progress_mut(follower) else {
            return;
        };
        let advanced = progress.accept(matched);
        let lacks = progress.next <= last;
        assert!(progress.matched < progress.next, "what agrees is not sent again");
        if advanced {
            self.advance_commit(ctx);
        }
        if lacks && self.is_leader() {
            self.send_append(ctx, follower);
        }
    }

    fn on_rejected(&mut self, ctx: &mut Context<RaftNode<C>>, follower: NodeId, previous: Index, hint: Position) {
        let agreeing = self.log.agreeing(hint).index;
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        let Some(progress) = leader.progress_mut(follower) else {
            return;
        };
        if progress.reject(previous, agreeing) {
            self.send_append(ctx, follower);
        }
    }

    /// A connection died: what was sent ahead over it may not have arrived.
    pub(super) fn on_link_lost(&mut self, peer: NodeId) {
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        if let Some(progress) = leader.progress_mut(peer) {
            progress.flow = Flow::Probe;
            if progress.matched > Index::ZERO {
                progress.next = progress.matched.next();
            }
        }
    }

    /// Commits what a quorum has, as far as its last entry is of this leader's own term (§5.4.2, Figure 8).
    pub(super) fn advance_commit(&mut self, ctx: &mut Context<RaftNode<C>>) {
        const NOWHERE: Index = Index::ZERO;
        let quorum = self.commit_quorum();
        let Role::Leader(leader) = &self.role else {
            return;
        };
        let mut places = [NOWHERE; NodeId::COUNT_MAX as usize];
        let mut count = 0;
        for voter in self.configuration.voters().iter() {
            places[count] = if voter == self.id {
                // Its own copy counts once it is durable.
                self.log.durable()
            } else {
                leader.progress(voter).map_or(NOWHERE, |progress| progress.matched)
            };
            count += 1;
        }
        let reached = quorum::reached(&mut places[..count], quorum);
        if reached > self.commit && self.log.term_at(reached) == Some(self.term()) {
            self.commit_to(ctx, reached);
            self.answer_committed(ctx);
        }
    }

    fn answer_committed(&mut self, ctx: &mut Context<RaftNode<C>>) {
        let commit = self.commit;
        while let Some(pending) = self.next_committed(commit) {
            let result = ProposeResult::Committed { index: pending.index };
            let reply = RaftMessage::ProposeReply { operation: pending.operation, result };
            self.send(ctx, datagram(pending.client), reply);
        }
    }

    fn next_committed(&mut self, commit: Index) -> Option<Pending> {
        let Role::Leader(leader) = &mut self.role else {
            return None;
        };
        leader.pending.pop_front_if(|pending| pending.index <= commit)
    }

    /// A client asks for a value to be appended.
    pub(super) fn on_propose(
        &mut self,
        ctx: &mut Context<RaftNode<C>>,
        source: Source,
        operation: OperationId,
        value: C,
    ) {
        match self.append_command(ctx, value) {
            Ok(place) => {
                if let Role::Leader(Leader { pending, .. }) = &mut self.role {
                    pending.push_back(Pending { index: place.index, client: source.node, operation });
                }
            }
            Err(NotLeader { leader }) => {
                let result = ProposeResult::NotLeader { leader };
                self.send(ctx, source, RaftMessage::ProposeReply { operation, result });
            }
        }
    }

    /// A follower that is being probed gets the new entry when it answers.
    pub(super) fn send_fresh(&mut self, ctx: &mut Context<RaftNode<C>>, peer: NodeId) {
        let flow = self.as_leader().and_then(|leader| leader.progress(peer)).map(|p| p.flow);
        if flow == Some(Flow::Replicate) && !self.is_waiting_for(peer) {
            self.send_append(ctx, peer);
        }
    }

    fn is_waiting_for(&self, peer: NodeId) -> bool {
        self.options.requests_in_flight > 0 && self.links.is_waiting(peer)
    }
}

impl Progress {
    /// The follower has this and everything before it. Returns whether that is new.
    fn accept(&mut self, matched: Index) -> bool {
        let advanced = matched > self.matched;
        self.matched = self.matched.max(matched);
        self.next = self.next.max(self.matched.next());
        self.flow = Flow::Replicate;
        advanced
    }

    /// The follower does not have `previous`. Returns whether that is news, and not a late answer.
    fn reject(&mut self, previous: Index, agreeing: Index) -> bool {
        let late = previous <= self.matched || (self.flow == Flow::Probe && previous != self.next.previous());
        if late {
            return false;
        }
        self.flow = Flow::Probe;
        self.next = previous.min(agreeing.next()).max(self.matched.next());
        true
    }
}

// ---- The follower ----

impl<C: Payload> Server<C> {
    /// Entries or a heartbeat from a leader.
    pub(super) fn on_append(&mut self, ctx: &mut Context<RaftNode<C>>, source: Source, append: Append<C>) {
        if append.term < self.term() {
            return self.refuse_stale_append(ctx, source);
        }
        if append.term > self.term() {
            self.adopt_term(ctx, append.term);
        }
        match &self.role {
            Role::Leader(_) => return self.on_rival(ctx, source),
            Role::Follower(follower) if follower.leader == Some(source.node) => {}
            Role::Follower(_) => self.follow(ctx, source.node),
            Role::PreCandidate(_) | Role::Candidate(_) => self.into_follower(ctx, Some(source.node)),
        }
        self.hear_leader(ctx.now());
        let result = self.try_append(ctx, &append);
        let accepted = matches!(result, AppendResult::Accepted { .. });
        if accepted || self.options.timer_reset_on_rejected_append {
            self.restart_election_timer(ctx);
        }
        let write = self.log.unsynced().filter(|_| accepted);
        let reply = RaftMessage::AppendReply { term: self.term(), result };
        self.send_after(ctx, write, source, reply);
    }

    #[inline]
    fn hear_leader(&mut self, now: Instant) {
        self.postpone_leaving();
        self.clock.contact_at = Some(now);
        self.clock.heartbeat_seen = true;
        self.restore_priority(now);
        self.isolation.rejections = 0;
        self.isolation.silent_rounds = 0;
        self.isolation.busy_rounds = 0;
    }

    fn refuse_stale_append(&mut self, ctx: &mut Context<RaftNode<C>>, source: Source) {
        if self.options.answers(self.options.stale_append_reply) {
            let reply = RaftMessage::AppendReply { term: self.term(), result: AppendResult::Stale };
            self.send(ctx, source, reply);
        }
    }

    /// Another leader of its own term: only a known bug or quorums that do not meet bring it about.
    fn on_rival(&mut self, ctx: &mut Context<RaftNode<C>>, source: Source) {
        ctx.observe(RaftObservation::RivalLeader { term: self.term(), rival: source.node });
        let reply = RaftMessage::AppendReply { term: self.term(), result: AppendResult::Stale };
        self.send(ctx, source, reply);
    }

    #[inline]
    fn try_append(&mut self, ctx: &mut Context<RaftNode<C>>, append: &Append<C>) -> AppendResult {
        let previous = append.previous;
        if !self.log.contains(previous) {
            let hint = self.log.at_most(previous.index);
            return AppendResult::Rejected { previous: previous.index, hint };
        }
        let matched = Index(previous.index.0 + append.entries.len() as u64);
        if !append.entries.is_empty() {
            self.take_entries(ctx, previous.index, &append.entries);
        }
        // Never its own last index: what lies beyond these entries may contradict the leader.
        let commit = append.commit.min(matched);
        if commit > self.commit {
            self.commit_to(ctx, commit);
        }
        AppendResult::Accepted { matched }
    }

    /// Skips what is there, drops a contradicting rest, adds what is new (§5.3).
    fn take_entries(&mut self, ctx: &mut Context<RaftNode<C>>, previous: Index, entries: &[Entry<C>]) {
        let mut index = previous;
        for (at, entry) in entries.iter().enumerate() {
            index = index.next();
            match self.log.term_at(index) {
                Some(term) if term == entry.term => {}
                Some(_) => {
                    self.truncate_log(ctx, index);
                    return self.append_to_log(ctx, &entries[at..]);
                }
                None => return self.append_to_log(ctx, &entries[at..]),
            }
        }
    }

    fn truncate_log(&mut self, ctx: &mut Context<RaftNode<C>>, from: Index) {
        ctx.observe(RaftObservation::LogTruncated { from });
        self.log.truncate_from(from);
        ctx.write(Write::Truncate(LOG_FILE, from.previous().0));
    }

    /// Commits and applies up to here.
    fn commit_to(&mut self, ctx: &mut Context<RaftNode<C>>, index: Index) {
        assert!(index > self.commit, "the commit index only grows");
        let term = self.log.term_at(index).expect("only what is in the log is committed");
        self.commit = index;
        self.lagging.target = self.lagging.target.max(index);
        ctx.observe(RaftObservation::Committed { index, term });
        while self.applied < self.commit {
            self.applied = self.applied.next();
            let entry = self.log.get(self.applied).expect("only what is in the log is applied").clone();
            ctx.observe(RaftObservation::Applied { index: self.applied, entry });
        }
    }
}
