//! Replication and commit (Raft §5.3, §5.4.2).
//!
//! What a leader knows of each follower, and when it sends what, is in [`super::progress`]. An append carries a batch
//! that is bounded in entries and bytes; a follower acknowledges it once it is durable. The leader writes its own copy
//! beside the appends, or before them (`parallel_append`), and counts it once it is durable.
//!
//! A follower that does not have the entry before an append refuses it with a hint, from which the leader knows where
//! to look next: by terms, in as many round trips as there are terms that differ (etcd), or one place back (NuRaft).

use std::sync::Arc;

use splitbrain_kernel::context::{Context, OperationId};
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::{Source, Write};
use splitbrain_kernel::time::Instant;

use super::bug::Bug;
use super::durable::LOG_FILE;
use super::ids::{Index, Position, ServerSet, Term};
use super::log::Batch;
use super::machine::NotLeader;
use super::message::{Append, AppendResult, Command, Entry, Payload, ProposeResult, RaftMessage};
use super::node::{RaftNode, RaftTimer};
use super::observation::RaftObservation;
use super::options::{CommitCounts, ConflictHint};
use super::progress::{Progress, ProgressState};
use super::quorum;
use super::state::{Leader, Pending, Role, Server};
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
        if !self.is_leader() {
            return;
        }
        self.clock.heartbeat_seen = true;
        self.restore_priority(ctx.now());
        self.repeat_round(ctx);
        self.broadcast(ctx);
        ctx.set_timer(RaftTimer::Heartbeat, self.options.heartbeat);
    }

    /// Sends every follower what it lacks, or a heartbeat.
    pub(super) fn broadcast(&mut self, ctx: &mut Context<RaftNode<C>>) {
        for peer in self.configuration.members().without(self.id).iter() {
            self.send_append(ctx, peer);
        }
    }

    /// Sends a follower what it lacks, as far as it may be sent, or a heartbeat.
    pub(super) fn send_append(&mut self, ctx: &mut Context<RaftNode<C>>, peer: NodeId) {
        let through = self.sendable();
        let (batch, in_flight_max) = (self.batch(), self.options.appends_in_flight);
        let Role::Leader(leader) = &self.role else {
            unreachable!("only a leader appends to others");
        };
        let Some(progress) = leader.progress(peer) else {
            return;
        };
        let previous = progress.next.previous();
        let Some(term) = self.log.term_at(previous) else {
            return self.send_part(ctx, peer);
        };
        let through = if progress.is_full(in_flight_max) { previous } else { through };
        let append = Append {
            term: self.hard.term,
            previous: Position { term, index: previous },
            commit: self.commit,
            entries: self.log.slice(progress.next, through, batch),
        };
        let sent = append.entries.len() as u64;
        if self.ask(ctx, peer, RaftMessage::Append(append)) == Asked::Sent && sent > 0 {
            self.note_sent(peer, sent);
        }
    }

    fn note_sent(&mut self, peer: NodeId, count: u64) {
        let in_flight_max = self.options.appends_in_flight;
        if let Role::Leader(leader) = &mut self.role
            && let Some(progress) = leader.progress_mut(peer)
        {
            progress.sent(count, in_flight_max);
        }
    }

    /// The last place that a leader may send: where it writes first (`parallel_append` off), what its own disk has.
    #[inline]
    fn sendable(&self) -> Index {
        if self.options.parallel_append { self.log.last_index() } else { self.log.durable() }
    }

    fn batch(&self) -> Batch {
        Batch { entries_max: self.options.append_entries_max, bytes_max: self.options.append_bytes_max }
    }

    /// Whether there are entries for this follower that may be sent now.
    #[inline]
    fn has_more_for(&self, progress: &Progress) -> bool {
        let is_sent_a_snapshot = matches!(progress.state, ProgressState::Snapshot { .. });
        !is_sent_a_snapshot && progress.next <= self.sendable() && !progress.is_full(self.options.appends_in_flight)
    }

    /// More of a leader's own log is durable: that may commit it, and lets it be sent.
    pub(super) fn on_log_durable(&mut self, ctx: &mut Context<RaftNode<C>>) {
        if !self.is_leader() {
            return;
        }
        self.advance_commit(ctx);
        if !self.options.parallel_append {
            self.broadcast_fresh(ctx);
        }
    }

    /// New entries may be sent: those who follow closely get them at once.
    pub(super) fn broadcast_fresh(&mut self, ctx: &mut Context<RaftNode<C>>) {
        for peer in self.configuration.members().without(self.id).iter() {
            self.send_fresh(ctx, peer);
        }
    }

    /// A follower that is being probed gets the new entries when it answers.
    fn send_fresh(&mut self, ctx: &mut Context<RaftNode<C>>, peer: NodeId) {
        let Some(progress) = self.as_leader().and_then(|leader| leader.progress(peer)) else {
            return;
        };
        let is_due = progress.state == ProgressState::Replicate && self.has_more_for(progress);
        if is_due && !self.is_waiting_for(peer) {
            self.send_append(ctx, peer);
        }
    }

    fn is_waiting_for(&self, peer: NodeId) -> bool {
        self.options.requests_in_flight > 0 && self.links.is_waiting(peer)
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

    pub(super) fn on_accepted(&mut self, ctx: &mut Context<RaftNode<C>>, follower: NodeId, matched: Index) {
        // Nobody has more of this term than its leader: a follower that claims it is not believed.
        let matched = matched.min(self.log.last_index());
        let (base, falls) = (self.log.base().index, self.has_bug(Bug::MatchedFalls));
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        let Some(progress) = leader.progress_mut(follower) else {
            return;
        };
        let advanced = progress.accept(matched, base);
        if falls {
            progress.matched = matched;
        }
        assert!(progress.matched < progress.next, "what agrees is not sent again");
        let is_sent_a_snapshot = matches!(progress.state, ProgressState::Snapshot { .. });
        if !is_sent_a_snapshot {
            self.snapshots.done_with(follower);
        }
        if advanced {
            self.advance_commit(ctx);
        }
        if let Some(progress) = self.as_leader().and_then(|leader| leader.progress(follower))
            && self.has_more_for(progress)
            && self.is_member(follower)
        {
            self.send_append(ctx, follower);
        }
        self.advance_transfer(ctx, follower);
    }

    fn on_rejected(&mut self, ctx: &mut Context<RaftNode<C>>, follower: NodeId, previous: Index, hint: Position) {
        let agreeing = match self.options.conflict_hint {
            ConflictHint::ByTerm => self.log.agreeing(hint).index,
            ConflictHint::Linear => hint.index,
        };
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        let Some(progress) = leader.progress_mut(follower) else {
            return;
        };
        if progress.reject(previous, agreeing) && self.is_member(follower) {
            self.send_append(ctx, follower);
        }
    }

    /// Whether it is sent the log: a server that was removed answers still.
    #[inline]
    fn is_member(&self, follower: NodeId) -> bool {
        self.configuration.members().contains(follower)
    }

    /// A connection died: what was sent ahead over it may not have arrived.
    pub(super) fn on_link_lost(&mut self, peer: NodeId) {
        if let Role::Leader(leader) = &mut self.role
            && let Some(progress) = leader.progress_mut(peer)
        {
            progress.disconnect();
        }
    }

    /// Commits what a quorum has, as far as its last entry is of this leader's own term (§5.4.2, Figure 8).
    pub(super) fn advance_commit(&mut self, ctx: &mut Context<RaftNode<C>>) {
        let Role::Leader(leader) = &self.role else {
            return;
        };
        let reached = self.halves().map(|half| self.reached_by(leader, half)).min().unwrap_or_default();
        if reached > self.commit && self.counts_at(reached) {
            let (before, members) = (self.commit, self.configuration.members());
            self.commit_to(ctx, reached.min(self.log.last_index()));
            self.answer_committed(ctx);
            self.release_reads(ctx);
            if self.memberships.last_index() > before || self.configuration.is_joint() {
                self.review_as_leader(ctx, members);
            }
        }
    }

    /// The last place that a quorum of these voters has.
    #[inline]
    fn reached_by(&self, leader: &Leader, voters: ServerSet) -> Index {
        const NOWHERE: Index = Index::ZERO;
        let quorum = self.quorum(self.options.commit_quorum, voters);
        let mut places = [NOWHERE; NodeId::COUNT_MAX as usize];
        let mut count = 0;
        let learners_count = self.has_bug(Bug::LearnersCounted);
        let mut counted = if learners_count { self.configuration.members() } else { voters };
        if self.has_bug(Bug::RemovedLeaderCountsItself) {
            counted.insert(self.id);
        }
        for voter in counted.iter() {
            places[count] = if voter == self.id {
                self.own_matched()
            } else {
                leader.progress(voter).map_or(NOWHERE, |progress| progress.matched)
            };
            count += 1;
        }
        quorum::reached(&mut places[..count], quorum)
    }

    /// Its own copy counts once it is durable.
    fn own_matched(&self) -> Index {
        if self.has_bug(Bug::OwnCopyCountedBeforeDurable) { self.log.last_index() } else { self.log.durable() }
    }

    /// Whether a quorum at this place commits it.
    fn counts_at(&self, reached: Index) -> bool {
        let any_term = self.options.commit_counts == CommitCounts::AnyTerm || self.has_bug(Bug::OlderTermCommitted);
        any_term || self.log.term_at(reached) == Some(self.term())
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
            Ok(place) if self.has_bug(Bug::AnsweredBeforeCommit) => {
                let result = ProposeResult::Committed { index: place.index };
                self.send(ctx, source, RaftMessage::ProposeReply { operation, result });
            }
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

    /// A follower has answered something else than an append. With one request in flight, an append may have had to
    /// wait for that.
    pub(super) fn resume(&mut self, ctx: &mut Context<RaftNode<C>>, follower: NodeId) {
        let last = self.log.last_index();
        let progress = self.as_leader().and_then(|leader| leader.progress(follower));
        let lacks = progress.is_some_and(|progress| progress.next <= last) && self.is_member(follower);
        if self.options.requests_in_flight > 0 && lacks {
            self.send_append(ctx, follower);
        }
    }
}

// ---- The follower ----

impl<C: Payload> Server<C> {
    /// Entries or a heartbeat from a leader.
    pub(super) fn on_append(&mut self, ctx: &mut Context<RaftNode<C>>, source: Source, append: Append<C>) {
        if append.term < self.term() {
            return self.refuse_stale_append(ctx, source);
        }
        if !self.hear_from(ctx, source, append.term) {
            return;
        }
        let result = self.try_append(ctx, &append);
        let accepted = matches!(result, AppendResult::Accepted { .. });
        if accepted || self.options.timer_reset_on_rejected_append {
            self.restart_election_timer(ctx);
        }
        let write = self.log.unsynced().filter(|_| accepted);
        let reply = RaftMessage::AppendReply { term: self.term(), result };
        self.send_after(ctx, write, source, reply);
    }

    /// A leader of this term, which is not over, has sent something: this server follows it. Returns whether it does.
    #[inline]
    pub(super) fn hear_from(&mut self, ctx: &mut Context<RaftNode<C>>, source: Source, term: Term) -> bool {
        if term > self.term() {
            self.adopt_term(ctx, term);
        }
        match &self.role {
            Role::Leader(_) => {
                self.on_rival(ctx, source);
                return false;
            }
            Role::Follower(follower) if follower.leader == Some(source.node) => {}
            Role::Follower(_) => self.follow(ctx, source.node),
            Role::PreCandidate(_) | Role::Candidate(_) => {
                self.isolation.rejections = 0;
                self.into_follower(ctx, Some(source.node));
            }
        }
        self.hear_leader(ctx.now());
        true
    }

    #[inline]
    pub(super) fn hear_leader(&mut self, now: Instant) {
        self.postpone_leaving();
        self.clock.contact_at = Some(now);
        self.clock.heartbeat_seen = true;
        self.restore_priority(now);
        self.isolation.silent_rounds = 0;
    }

    fn refuse_stale_append(&mut self, ctx: &mut Context<RaftNode<C>>, source: Source) {
        if self.options.answers(self.options.stale_append_reply) {
            let reply = RaftMessage::AppendReply { term: self.term(), result: AppendResult::Stale };
            self.send(ctx, source, reply);
        }
    }

    /// Another leader of its own term: only a known bug or quorums that do not meet bring it about.
    pub(super) fn on_rival(&mut self, ctx: &mut Context<RaftNode<C>>, source: Source) {
        ctx.observe(RaftObservation::RivalLeader { term: self.term(), rival: source.node });
        let reply = RaftMessage::AppendReply { term: self.term(), result: AppendResult::Stale };
        self.send(ctx, source, reply);
    }

    #[inline]
    fn try_append(&mut self, ctx: &mut Context<RaftNode<C>>, append: &Append<C>) -> AppendResult {
        let previous = append.previous;
        // What its snapshot covers is committed, and so in the log of every later leader.
        let is_covered = previous.index < self.log.base().index;
        if !is_covered && !self.log.contains(previous) {
            let hint = match self.options.conflict_hint {
                ConflictHint::ByTerm => self.log.at_most(previous.index),
                ConflictHint::Linear => self.log.last(),
            };
            return AppendResult::Rejected { previous: previous.index, hint };
        }
        if self.has_bug(Bug::TruncatedWithoutConflict) && previous.index < self.log.last_index() {
            self.truncate_log(ctx, previous.index.next());
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
        let base = self.log.base().index;
        for (at, entry) in entries.iter().enumerate() {
            index = index.next();
            if index <= base {
                continue;
            }
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
        let keep = self.log.records_before(from);
        self.log.truncate_from(from);
        self.forget_members(ctx, from);
        self.write(ctx, Write::Truncate(LOG_FILE, keep));
    }

    /// Commits and applies up to here.
    pub(super) fn commit_to(&mut self, ctx: &mut Context<RaftNode<C>>, index: Index) {
        assert!(index > self.commit, "the commit index only grows");
        let term = self.log.term_at(index).expect("only what is in the log is committed");
        let before = self.commit;
        self.commit = index;
        self.lagging.target = self.lagging.target.max(index);
        ctx.observe(RaftObservation::Committed { index, term });
        while self.applied < self.commit {
            self.applied = self.applied.next();
            let entry = self.log.get(self.applied).expect("only what is in the log is applied").clone();
            let command = if let Command::Kv(command) = &entry.command { Some(Arc::clone(command)) } else { None };
            if let Some(machine) = &mut self.machine {
                machine.apply(self.applied, &entry);
            }
            ctx.observe(RaftObservation::Applied { index: self.applied, entry });
            if let Some(command) = command {
                self.execute(ctx, self.applied, &command);
            }
        }
        if self.memberships.last_index() > before {
            self.on_members_committed(ctx, before);
        }
        self.review_snapshot(ctx);
    }
}
