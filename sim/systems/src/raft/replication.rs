//! Replication and commit (Raft §5.3, §5.4.2).
//!
//! What a leader knows of each follower, and when it sends what, is in [`super::progress`]. An append carries a batch
//! that is bounded in entries and bytes; a follower acknowledges it once it is durable. The leader writes its own copy
//! beside the appends, or before them (`log.parallel_append`), and counts it once it is durable.
//!
//! A follower that does not have the entry before an append refuses it with a hint, from which the leader knows where
//! to look next: by terms, in as many round trips as there are terms that differ (etcd), or one place back (NuRaft).

use std::sync::Arc;

use splitbrain_kernel::context::OperationId;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::{Source, Write};
use splitbrain_kernel::time::Instant;

use super::bug::Bug;
use super::durable::LOG_FILE;
use super::election::Wait;
use super::ids::{Index, Position, ServerSet, Term};
use super::log::Batch;
use super::machine::NotLeader;
use super::message::{Append, AppendResult, Command, Entry, Payload, ProposeResult, RaftMessage};
use super::node::{RaftContext, RaftTimer};
use super::observation::RaftObservation;
use super::options::{CommitCounts, ConflictHint};
use super::progress::{Progress, ProgressState};
use super::quorum;
use super::roles::{LEADS_ON, Tenure};
use super::shared::Shared;
use super::state::{Follower, Leader, Pending, Role, Server};
use super::transport::{Asked, datagram};

// ---- The leader ----

impl Leader {
    /// It is time for a heartbeat.
    pub(super) fn on_heartbeat_timer<C: Payload>(
        &mut self,
        shared: &mut Shared<C>,
        ctx: &mut RaftContext<C>,
    ) -> Tenure {
        self.check_at_heartbeat(shared, ctx)?;
        self.review_pair(shared, ctx)?;
        shared.clock.heartbeat_seen = true;
        shared.restore_priority(ctx.now());
        self.repeat_round(shared, ctx);
        self.broadcast(shared, ctx);
        ctx.set_timer(RaftTimer::Heartbeat, shared.options.timing.heartbeat);
        LEADS_ON
    }

    /// Sends every follower what it lacks, or a heartbeat.
    pub(super) fn broadcast<C: Payload>(&mut self, shared: &mut Shared<C>, ctx: &mut RaftContext<C>) {
        for peer in shared.peers().iter() {
            self.send_append(shared, ctx, peer);
        }
    }

    /// Sends a follower what it lacks, as far as it may be sent, or a heartbeat.
    pub(super) fn send_append<C: Payload>(&mut self, shared: &mut Shared<C>, ctx: &mut RaftContext<C>, peer: NodeId) {
        let in_flight_max = shared.options.log.appends_in_flight;
        let Some(progress) = self.progress(peer) else {
            return;
        };
        let previous = progress.next.previous();
        let Some(term) = shared.log.term_at(previous) else {
            let is_sent_one = matches!(progress.state, ProgressState::Snapshot { .. });
            if is_sent_one && shared.has_bug(Bug::PartNotRepeated) {
                return;
            }
            return self.send_part(shared, ctx, peer);
        };
        let through = if progress.is_full(in_flight_max) { previous } else { shared.sendable() };
        let append = Append {
            term: shared.term(),
            previous: Position { term, index: previous },
            commit: shared.commit,
            entries: shared.log.slice(progress.next, through, shared.batch()),
        };
        let sent = append.entries.len() as u64;
        let asked = self.ask(shared, ctx, peer, RaftMessage::Append(append));
        if asked != Asked::Busy
            && sent > 0
            && let Some(progress) = self.progress_mut(peer)
        {
            progress.sent(sent, in_flight_max);
        }
    }

    /// Sends a request to a follower. If that gives up a connection, what was sent ahead over it may not have arrived.
    #[inline]
    pub(super) fn ask<C: Payload>(
        &mut self,
        shared: &mut Shared<C>,
        ctx: &mut RaftContext<C>,
        peer: NodeId,
        message: RaftMessage<C>,
    ) -> Asked {
        let asked = shared.ask(ctx, peer, message);
        if asked == Asked::SentAnew {
            self.on_link_lost(peer);
        }
        asked
    }

    /// More of its own log is durable: that may commit it, and lets it be sent.
    pub(super) fn on_log_durable<C: Payload>(&mut self, shared: &mut Shared<C>, ctx: &mut RaftContext<C>) -> Tenure {
        self.advance_commit(shared, ctx)?;
        if !shared.options.log.parallel_append {
            self.broadcast_fresh(shared, ctx);
        }
        LEADS_ON
    }

    /// New entries may be sent: those who follow closely get them at once.
    pub(super) fn broadcast_fresh<C: Payload>(&mut self, shared: &mut Shared<C>, ctx: &mut RaftContext<C>) {
        for peer in shared.peers().iter() {
            self.send_fresh(shared, ctx, peer);
        }
    }

    /// A follower that is being probed gets the new entries when it answers.
    fn send_fresh<C: Payload>(&mut self, shared: &mut Shared<C>, ctx: &mut RaftContext<C>, peer: NodeId) {
        let Some(progress) = self.progress(peer) else {
            return;
        };
        let is_due = progress.state == ProgressState::Replicate && shared.has_more_for(progress);
        if is_due && !shared.is_waiting_for(peer) {
            self.send_append(shared, ctx, peer);
        }
    }

    /// A follower has answered an append.
    pub(super) fn on_append_reply<C: Payload>(
        &mut self,
        shared: &mut Shared<C>,
        ctx: &mut RaftContext<C>,
        follower: NodeId,
        result: AppendResult,
    ) -> Tenure {
        let accepted = matches!(result, AppendResult::Accepted { .. });
        self.note_contact(shared, ctx.now(), follower, accepted);
        match result {
            AppendResult::Accepted { matched } => return self.on_accepted(shared, ctx, follower, matched),
            AppendResult::Rejected { previous, hint } => self.on_rejected(shared, ctx, follower, previous, hint),
            AppendResult::Stale => {}
        }
        LEADS_ON
    }

    pub(super) fn on_accepted<C: Payload>(
        &mut self,
        shared: &mut Shared<C>,
        ctx: &mut RaftContext<C>,
        follower: NodeId,
        matched: Index,
    ) -> Tenure {
        // Nobody has more of this term than its leader: a follower that claims it is not believed.
        let matched = matched.min(shared.log.last_index());
        let Some(progress) = self.progress_mut(follower) else {
            return LEADS_ON;
        };
        let advanced = progress.accept(matched, shared.log.base().index);
        if shared.has_bug(Bug::MatchedFalls) {
            progress.matched = matched;
        }
        assert!(progress.matched < progress.next, "what agrees is not sent again");
        let is_sent_a_snapshot = matches!(progress.state, ProgressState::Snapshot { .. });
        if !is_sent_a_snapshot {
            shared.snapshots.done_with(follower);
        }
        if advanced {
            self.advance_commit(shared, ctx)?;
        }
        if let Some(progress) = self.progress(follower)
            && shared.has_more_for(progress)
            && shared.is_member(follower)
        {
            self.send_append(shared, ctx, follower);
        }
        self.advance_transfer(shared, ctx, follower)
    }

    fn on_rejected<C: Payload>(
        &mut self,
        shared: &mut Shared<C>,
        ctx: &mut RaftContext<C>,
        follower: NodeId,
        previous: Index,
        hint: Position,
    ) {
        let agreeing = match shared.options.log.conflict_hint {
            ConflictHint::ByTerm => shared.log.agreeing(hint).index,
            ConflictHint::Linear => hint.index,
        };
        let Some(progress) = self.progress_mut(follower) else {
            return;
        };
        let before = shared.has_bug(Bug::InFlightLeaks).then(|| progress.clone());
        let is_news = progress.reject(previous, agreeing);
        if let Some(before) = before {
            progress.leak(before);
        }
        if is_news && shared.is_member(follower) {
            self.send_append(shared, ctx, follower);
        }
    }

    /// A connection died: what was sent ahead over it may not have arrived.
    pub(super) fn on_link_lost(&mut self, peer: NodeId) {
        if let Some(progress) = self.progress_mut(peer) {
            progress.disconnect();
        }
    }

    /// Commits what a quorum has, as far as its last entry is of this leader's own term (§5.4.2, Figure 8).
    pub(super) fn advance_commit<C: Payload>(&mut self, shared: &mut Shared<C>, ctx: &mut RaftContext<C>) -> Tenure {
        let reached = shared.halves().map(|half| self.reached_by(shared, half)).min().unwrap_or_default();
        if reached > shared.commit && shared.counts_at(reached) {
            let (before, members) = (shared.commit, shared.configuration.members());
            shared.commit_to(ctx, reached.min(shared.log.last_index()), Some(self));
            self.answer_committed(shared, ctx);
            self.release_reads(shared, ctx);
            if shared.memberships.last_index() > before || shared.configuration.is_joint() {
                return self.review_members(shared, ctx, members);
            }
        }
        LEADS_ON
    }

    /// The last place that a quorum of these voters has.
    #[inline]
    fn reached_by<C: Payload>(&self, shared: &Shared<C>, voters: ServerSet) -> Index {
        const NOWHERE: Index = Index::ZERO;
        let quorum = shared.quorum(shared.options.quorum.commit, voters);
        let mut places = [NOWHERE; NodeId::COUNT_MAX as usize];
        let mut count = 0;
        let learners_count = shared.has_bug(Bug::LearnersCounted);
        let mut counted = if learners_count { shared.configuration.members() } else { voters };
        if shared.has_bug(Bug::RemovedLeaderCountsItself) {
            counted.insert(shared.id);
        }
        for voter in counted.iter() {
            places[count] = if voter == shared.id {
                shared.own_matched()
            } else {
                self.progress(voter).map_or(NOWHERE, |progress| progress.matched)
            };
            count += 1;
        }
        quorum::reached(&mut places[..count], quorum)
    }

    fn answer_committed<C: Payload>(&mut self, shared: &mut Shared<C>, ctx: &mut RaftContext<C>) {
        let commit = shared.commit;
        while let Some(pending) = self.pending.pop_front_if(|pending| pending.index <= commit) {
            let result = ProposeResult::Committed { index: pending.index };
            let reply = RaftMessage::ProposeReply { operation: pending.operation, result };
            shared.send(ctx, datagram(pending.client), reply);
        }
    }

    fn on_propose<C: Payload>(
        &mut self,
        shared: &mut Shared<C>,
        ctx: &mut RaftContext<C>,
        source: Source,
        operation: OperationId,
        value: C,
    ) {
        match self.append_command(shared, ctx, value) {
            Ok(place) if shared.has_bug(Bug::AnsweredBeforeCommit) => {
                let result = ProposeResult::Committed { index: place.index };
                shared.send(ctx, source, RaftMessage::ProposeReply { operation, result });
            }
            Ok(place) => self.pending.push_back(Pending { index: place.index, client: source.node, operation }),
            Err(NotLeader { leader }) => shared.redirect(ctx, source, operation, leader),
        }
    }

    /// A follower has answered something else than an append. With one request in flight, an append may have had to
    /// wait for that.
    pub(super) fn resume<C: Payload>(&mut self, shared: &mut Shared<C>, ctx: &mut RaftContext<C>, follower: NodeId) {
        let last = shared.log.last_index();
        let is_behind = self.progress(follower).is_some_and(|progress| progress.next <= last);
        if shared.options.transport.requests_in_flight > 0 && is_behind && shared.is_member(follower) {
            self.send_append(shared, ctx, follower);
        }
    }
}

impl<C: Payload> Shared<C> {
    /// The last place that a leader may send: where it writes first (`log.parallel_append` off), what its own disk has.
    #[inline]
    fn sendable(&self) -> Index {
        if self.options.log.parallel_append { self.log.last_index() } else { self.log.durable() }
    }

    fn batch(&self) -> Batch {
        Batch { entries_max: self.options.log.append_entries_max, bytes_max: self.options.log.append_bytes_max }
    }

    /// Whether there are entries for this follower that may be sent now.
    #[inline]
    fn has_more_for(&self, progress: &Progress) -> bool {
        let is_sent_a_snapshot = matches!(progress.state, ProgressState::Snapshot { .. });
        !is_sent_a_snapshot && progress.next <= self.sendable() && !progress.is_full(self.options.log.appends_in_flight)
    }

    fn is_waiting_for(&self, peer: NodeId) -> bool {
        self.options.transport.requests_in_flight > 0 && self.links.is_waiting(peer)
    }

    /// Its own copy counts once it is durable.
    fn own_matched(&self) -> Index {
        if self.has_bug(Bug::OwnCopyCountedBeforeDurable) { self.log.last_index() } else { self.log.durable() }
    }

    /// Whether a quorum at this place commits it.
    fn counts_at(&self, reached: Index) -> bool {
        let any_term = self.options.log.commit_counts == CommitCounts::AnyTerm || self.has_bug(Bug::OlderTermCommitted);
        any_term || self.log.term_at(reached) == Some(self.term())
    }

    /// A proposal comes to a server that does not take it.
    fn redirect(&mut self, ctx: &mut RaftContext<C>, source: Source, operation: OperationId, leader: Option<NodeId>) {
        let result = ProposeResult::NotLeader { leader };
        self.send(ctx, source, RaftMessage::ProposeReply { operation, result });
    }
}

impl<C: Payload> Server<C> {
    /// A client asks for a value to be appended.
    pub(super) fn on_propose(&mut self, ctx: &mut RaftContext<C>, source: Source, operation: OperationId, value: C) {
        let hint = self.leader();
        match &mut self.role {
            Role::Leader(leader) => leader.on_propose(&mut self.shared, ctx, source, operation, value),
            Role::Follower(_) | Role::PreCandidate(_) | Role::Candidate(_) => {
                self.shared.redirect(ctx, source, operation, hint);
            }
        }
    }
}

// ---- The follower ----

impl<C: Payload> Server<C> {
    /// Entries or a heartbeat from a leader.
    pub(super) fn on_append(&mut self, ctx: &mut RaftContext<C>, source: Source, append: Append<C>) {
        if append.term < self.term() {
            return self.shared.refuse_stale_append(ctx, source);
        }
        self.end_refused_rounds();
        self.hear_from(ctx, source, append.term, |follower, shared, ctx| {
            follower.on_append(shared, ctx, source, &append);
        });
    }

    /// A leader of this term, which is not over, has sent something: this server follows it, and does this.
    #[inline]
    pub(super) fn hear_from(
        &mut self,
        ctx: &mut RaftContext<C>,
        source: Source,
        term: Term,
        act: impl FnOnce(&Follower, &mut Shared<C>, &mut RaftContext<C>),
    ) {
        if term > self.term() {
            self.adopt_term(ctx, term);
        }
        if matches!(self.role, Role::PreCandidate(_) | Role::Candidate(_)) {
            self.into_follower(ctx, Some(source.node));
        }
        let shared = &mut self.shared;
        match &mut self.role {
            Role::Follower(follower) => {
                follower.follow(shared, ctx, source.node);
                shared.hear_leader(ctx.now());
                act(follower, shared, ctx);
            }
            // Only a known bug, or quorums that do not meet, bring about two leaders of one term.
            Role::Leader(_) => shared.on_rival(ctx, source),
            Role::PreCandidate(_) | Role::Candidate(_) => unreachable!("it follows who leads its term"),
        }
    }

    /// A leader of its term sends entries or a snapshot: refused rounds are counted from 0 again.
    #[inline]
    pub(super) fn end_refused_rounds(&mut self) {
        if matches!(self.role, Role::PreCandidate(_) | Role::Candidate(_)) {
            self.shared.isolation.rejections = 0;
        }
    }
}

impl<C: Payload> Shared<C> {
    #[inline]
    fn hear_leader(&mut self, now: Instant) {
        self.postpone_leaving();
        self.clock.contact_at = Some(now);
        self.clock.heartbeat_seen = true;
        self.restore_priority(now);
        self.isolation.silent_rounds = 0;
    }

    fn refuse_stale_append(&mut self, ctx: &mut RaftContext<C>, source: Source) {
        if self.options.answers(self.options.log.stale_append_reply) {
            let reply = RaftMessage::AppendReply { term: self.term(), result: AppendResult::Stale };
            self.send(ctx, source, reply);
        }
    }

    /// Another leader of its own term has sent something.
    fn on_rival(&mut self, ctx: &mut RaftContext<C>, source: Source) {
        ctx.observe(RaftObservation::RivalLeader { term: self.term(), rival: source.node });
        let reply = RaftMessage::AppendReply { term: self.term(), result: AppendResult::Stale };
        self.send(ctx, source, reply);
    }
}

impl Follower {
    fn on_append<C: Payload>(
        &self,
        shared: &mut Shared<C>,
        ctx: &mut RaftContext<C>,
        source: Source,
        append: &Append<C>,
    ) {
        let result = self.try_append(shared, ctx, append);
        let accepted = matches!(result, AppendResult::Accepted { .. });
        if accepted || shared.options.timing.timer_reset_on_rejected_append {
            shared.restart_election_timer(ctx, Wait::Leader);
        }
        let write = shared.log.unsynced().filter(|_| accepted);
        let reply = RaftMessage::AppendReply { term: shared.term(), result };
        shared.send_after(ctx, write, source, reply);
    }

    #[inline]
    fn try_append<C: Payload>(
        &self,
        shared: &mut Shared<C>,
        ctx: &mut RaftContext<C>,
        append: &Append<C>,
    ) -> AppendResult {
        let previous = append.previous;
        // What its snapshot covers is committed, and so in the log of every later leader.
        let is_covered = previous.index < shared.log.base().index;
        if !is_covered && !shared.log.contains(previous) {
            let hint = match shared.options.log.conflict_hint {
                ConflictHint::ByTerm => shared.log.at_most(previous.index),
                ConflictHint::Linear => shared.log.last(),
            };
            return AppendResult::Rejected { previous: previous.index, hint };
        }
        if shared.has_bug(Bug::TruncatedWithoutConflict) && previous.index < shared.log.last_index() {
            self.truncate_log(shared, ctx, previous.index.next());
        }
        let matched = Index(previous.index.0 + append.entries.len() as u64);
        if !append.entries.is_empty() {
            self.take_entries(shared, ctx, previous.index, &append.entries);
        }
        // Never its own last index: what lies beyond these entries may contradict the leader.
        let commit = append.commit.min(matched);
        if commit > shared.commit {
            shared.commit_to(ctx, commit, None);
        } else if shared.has_bug(Bug::CommitTakenBack) {
            shared.commit = commit;
        }
        AppendResult::Accepted { matched }
    }

    /// Skips what is there, drops a contradicting rest, adds what is new (§5.3).
    fn take_entries<C: Payload>(
        &self,
        shared: &mut Shared<C>,
        ctx: &mut RaftContext<C>,
        previous: Index,
        entries: &[Entry<C>],
    ) {
        let mut index = previous;
        let base = shared.log.base().index;
        for (at, entry) in entries.iter().enumerate() {
            index = index.next();
            if index <= base {
                continue;
            }
            match shared.log.term_at(index) {
                Some(term) if term == entry.term => {}
                Some(_) => {
                    self.truncate_log(shared, ctx, index);
                    return shared.append_to_log(ctx, &entries[at..], None);
                }
                None => return shared.append_to_log(ctx, &entries[at..], None),
            }
        }
    }

    /// Only a follower drops entries: a leader never does (§5.3).
    fn truncate_log<C: Payload>(&self, shared: &mut Shared<C>, ctx: &mut RaftContext<C>, from: Index) {
        ctx.observe(RaftObservation::LogTruncated { from });
        let keep = shared.log.records_before(from);
        shared.log.truncate_from(from);
        shared.forget_members(ctx, from);
        shared.write(ctx, Write::Truncate(LOG_FILE, keep));
    }
}

// ---- Every server ----

impl<C: Payload> Shared<C> {
    /// Commits and applies up to here. A leader answers who asked.
    pub(super) fn commit_to(&mut self, ctx: &mut RaftContext<C>, index: Index, mut leader: Option<&mut Leader>) {
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
                self.execute(ctx, self.applied, &command, leader.as_deref_mut());
            }
        }
        if self.memberships.last_index() > before {
            self.on_members_committed(ctx, before, leader);
        }
        self.review_snapshot(ctx);
    }
}
