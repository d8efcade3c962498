//! Reads beside the log (thesis §6.4): by a round of confirmations, or by a lease.
//!
//! ```text
//!   reads.method
//!     "log"         the read is a command, with a place of its own
//!     "read_index"  a quorum confirms, after the read has come, that the server leads still   (etcd ReadIndex)
//!     "lease"       the same, and for a while no confirmation is needed                       (etcd LeaseBased)
//! ```
//!
//! In all three the leader answers only once it has committed an entry of its own term: before that it may not know of
//! all that is committed (etcd #7331).
//!
//! # Confirmations
//!
//! A round is a number. A read starts one, or joins one that starts at the same instant; an answer of a follower names
//! the round, so one that was sent before the read came confirms nothing (etcd #20418). What is lost is sent again with
//! the next heartbeats. A confirmation counts at the follower as a sign of life of its leader.
//!
//! # Leases
//!
//! A confirmed round is a promise of a quorum: none of them votes for another server until `reads.lease` after it heard
//! of the round, by its own clock. The leader counts from when it *sent* the round, on its monotonic clock, and
//! shortens the lease by the declared bound on drift: its own clock may be slow by that much, and a voter's fast. That
//! is the stickiness of thesis §4.2.3, for as long as a lease may last. A voter that restarts does not know what it had
//! promised, so it gives no vote for as long as a promise may last. A clock beyond the bound, or one that stands still
//! with its machine, breaks all this.

use std::collections::VecDeque;

use splitbrain_kernel::context::OperationId;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::Source;
use splitbrain_kernel::time::{Duration, Instant};

use super::bug::Bug;
use super::election::Wait;
use super::ids::{Index, ServerSet, Term};
use super::kv::{Answer, CallResult};
use super::message::{Payload, RaftMessage};
use super::node::RaftContext;
use super::observation::RaftObservation;
use super::options::ReadMethod;
use super::quorum;
use super::roles::{LEADS_ON, Tenure};
use super::shared::Shared;
use super::state::{Leader, Server};
use super::transport::datagram;

/// The lease that a server may take, and since when it runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Promise {
    /// How long a lease lasts on its own clock, shortened by the bound on drift.
    pub(super) lease: Duration,
    /// When its process started.
    pub(super) started_at: Instant,
}

/// The reads of a leader.
#[derive(Clone, Debug, Default)]
pub(super) struct LeaderReads {
    /// They wait for the first commit of its term.
    unready: VecDeque<Read>,
    /// They wait for their round, in order of round.
    unconfirmed: VecDeque<(u64, Read)>,
    /// The rounds that are not confirmed, with when they were sent on its own clock. The last is the present one.
    rounds: VecDeque<(u64, Instant)>,
    /// How many rounds were started.
    round: u64,
    /// The last round that each member has confirmed, by number of the member, from 1.
    confirmed: Vec<u64>,
    /// Until when no confirmation is needed, on its own clock.
    lease_until: Option<Instant>,
}

/// A read that waits.
#[derive(Clone, Copy, Debug)]
struct Read {
    client: NodeId,
    operation: OperationId,
    key: u64,
}

impl LeaderReads {
    /// More reads than this do not wait: the oldest gets no answer, and its client asks again.
    const WAITING_MAX: usize = 256;

    /// Rounds whose answers are still of use. One that is older is confirmed with the next.
    const ROUNDS_MAX: usize = 64;

    pub(super) fn new(members: usize) -> Self {
        Self { confirmed: vec![0; members], ..Self::default() }
    }

    fn wait(&mut self, read: Read) {
        if self.unconfirmed.len() == Self::WAITING_MAX {
            self.unconfirmed.pop_front();
        }
        self.unconfirmed.push_back((self.round, read));
    }

    /// Its server no longer leads: who asks to read must ask another.
    pub(super) fn drop_all<C: Payload>(&self, shared: &mut Shared<C>, ctx: &mut RaftContext<C>) {
        let waiting = self.unready.iter().chain(self.unconfirmed.iter().map(|(_, read)| read));
        for Read { client, operation, .. } in waiting {
            let result = CallResult::NotLeader { leader: None };
            shared.send(ctx, datagram(*client), RaftMessage::Reply { operation: *operation, result });
        }
    }
}

// ---- The leader ----

impl Leader {
    /// A client asks for a value, not through the log.
    pub(super) fn on_read<C: Payload>(
        &mut self,
        shared: &mut Shared<C>,
        ctx: &mut RaftContext<C>,
        client: NodeId,
        operation: OperationId,
        key: u64,
    ) {
        let read = Read { client, operation, key };
        if shared.has_bug(Bug::ReadWithoutQuorum) {
            return shared.serve(ctx, read, ReadMethod::ReadIndex);
        }
        if !shared.has_committed_in_term() && !shared.has_bug(Bug::ReadBeforeOwnCommit) {
            if self.reads.unready.len() < LeaderReads::WAITING_MAX {
                self.reads.unready.push_back(read);
            }
            return;
        }
        if shared.options.reads.method == ReadMethod::Lease && self.holds_lease_at(shared, shared.lease_clock(ctx)) {
            return shared.serve(ctx, read, ReadMethod::Lease);
        }
        self.start_round(shared, ctx);
        self.reads.wait(read);
        self.conclude_rounds(shared, ctx);
    }

    /// Its commit index has grown: reads may have waited for that.
    pub(super) fn release_reads<C: Payload>(&mut self, shared: &mut Shared<C>, ctx: &mut RaftContext<C>) {
        if self.reads.unready.is_empty() || !shared.has_committed_in_term() {
            return;
        }
        for Read { client, operation, key } in std::mem::take(&mut self.reads.unready) {
            self.on_read(shared, ctx, client, operation, key);
        }
    }

    /// Whether its lease runs, at this time of the clock that leases are measured on.
    pub(super) fn holds_lease_at<C: Payload>(&self, shared: &Shared<C>, now: Instant) -> bool {
        let may_hold = !self.lease_given_up || shared.has_bug(Bug::LeaseKeptOnTransfer);
        may_hold && self.reads.lease_until.is_some_and(|until| now < until)
    }

    /// Asks the followers whether it leads still. Reads of one instant share a round.
    pub(super) fn start_round<C: Payload>(&mut self, shared: &mut Shared<C>, ctx: &mut RaftContext<C>) {
        let now = shared.lease_clock(ctx);
        let reads = &mut self.reads;
        if reads.rounds.back().is_some_and(|(_, sent_at)| *sent_at == now) {
            return;
        }
        reads.round += 1;
        if reads.rounds.len() == LeaderReads::ROUNDS_MAX {
            reads.rounds.pop_front();
        }
        reads.rounds.push_back((reads.round, now));
        self.send_round(shared, ctx);
    }

    fn send_round<C: Payload>(&mut self, shared: &mut Shared<C>, ctx: &mut RaftContext<C>) {
        let (term, round) = (shared.term(), self.reads.round);
        for peer in shared.peers().iter() {
            // One that is busy is asked again with the next heartbeat.
            self.ask(shared, ctx, peer, RaftMessage::Confirm { term, round });
        }
    }

    /// A heartbeat is due: a round without answers may be lost.
    pub(super) fn repeat_round<C: Payload>(&mut self, shared: &mut Shared<C>, ctx: &mut RaftContext<C>) {
        if !self.reads.unconfirmed.is_empty() {
            self.send_round(shared, ctx);
        }
    }

    /// A follower has answered a round.
    pub(super) fn on_confirm_reply<C: Payload>(
        &mut self,
        shared: &mut Shared<C>,
        ctx: &mut RaftContext<C>,
        follower: NodeId,
        round: u64,
    ) -> Tenure {
        self.note_contact(shared, ctx.now(), follower, false);
        let reads = &mut self.reads;
        let round = if shared.has_bug(Bug::StaleConfirmationCounts) { reads.round } else { round };
        if let Some(confirmed) = reads.confirmed.get_mut(usize::from(follower.number()) - 1) {
            *confirmed = round.max(*confirmed);
        }
        self.conclude_rounds(shared, ctx);
        self.resume(shared, ctx, follower);
        LEADS_ON
    }

    /// Serves the reads whose round a quorum has confirmed, and takes the lease that comes with it.
    pub(super) fn conclude_rounds<C: Payload>(&mut self, shared: &mut Shared<C>, ctx: &mut RaftContext<C>) {
        let reads = &mut self.reads;
        let reached = shared.halves().map(|half| shared.confirmed_by(reads, half)).min().unwrap_or(0);
        shared.renew_lease(ctx, reads, reached);
        while let Some((_, read)) = reads.unconfirmed.pop_front_if(|(round, _)| *round <= reached) {
            shared.serve(ctx, read, ReadMethod::ReadIndex);
        }
    }
}

impl<C: Payload> Shared<C> {
    pub(super) fn has_committed_in_term(&self) -> bool {
        self.log.term_at(self.commit) == Some(self.term())
    }

    fn lease_clock(&self, ctx: &RaftContext<C>) -> Instant {
        if self.has_bug(Bug::LeaseOnWallClock) { ctx.wall() } else { ctx.now() }
    }

    /// The last round that a quorum of these voters has confirmed.
    fn confirmed_by(&self, reads: &LeaderReads, voters: ServerSet) -> u64 {
        let mut rounds = [Index::ZERO; NodeId::COUNT_MAX as usize];
        let mut count = 0;
        for voter in voters.iter() {
            let confirmed = reads.confirmed.get(usize::from(voter.number()) - 1).copied().unwrap_or(0);
            rounds[count] = Index(if voter == self.id { reads.round } else { confirmed });
            count += 1;
        }
        quorum::reached(&mut rounds[..count], self.quorum(self.options.quorum.commit, voters)).0
    }

    fn renew_lease(&self, ctx: &RaftContext<C>, reads: &mut LeaderReads, reached: u64) {
        let lease = if self.has_bug(Bug::LeaseIgnoresDrift) { self.options.reads.lease } else { self.promise.lease };
        let now = self.lease_clock(ctx);
        let from_receipt = self.has_bug(Bug::LeaseFromReceipt);
        while let Some((_, sent_at)) = reads.rounds.pop_front_if(|(round, _)| *round <= reached) {
            let from = if from_receipt { now } else { sent_at };
            reads.lease_until = reads.lease_until.max(Some(from.saturating_add(lease)));
        }
    }

    fn serve(&mut self, ctx: &mut RaftContext<C>, read: Read, by: ReadMethod) {
        let index = self.applied;
        ctx.observe(match by {
            ReadMethod::Lease => RaftObservation::ReadByLease { index },
            ReadMethod::ReadIndex | ReadMethod::Log => RaftObservation::ReadByIndex { index },
        });
        let result = CallResult::Answered { index, answer: Answer::Value(self.kv.store().get(read.key)) };
        self.send(ctx, datagram(read.client), RaftMessage::Reply { operation: read.operation, result });
    }
}

// ---- The follower ----

impl<C: Payload> Server<C> {
    /// A leader asks whether it leads still.
    pub(super) fn on_confirm(&mut self, ctx: &mut RaftContext<C>, source: Source, term: Term, round: u64) {
        if term < self.term() {
            return self.shared.refuse_stale_confirm(ctx, source, round);
        }
        self.hear_from(ctx, source, term, |_, shared, ctx| {
            shared.restart_election_timer(ctx, Wait::Leader);
            let reply = RaftMessage::ConfirmReply { term: shared.term(), round };
            shared.send(ctx, source, reply);
        });
    }
}

impl<C: Payload> Shared<C> {
    fn refuse_stale_confirm(&mut self, ctx: &mut RaftContext<C>, source: Source, round: u64) {
        if self.options.answers(self.options.log.stale_append_reply) {
            let reply = RaftMessage::ConfirmReply { term: self.term(), round };
            self.send(ctx, source, reply);
        }
    }

    /// Whether a leader may hold a lease that this server has promised: it gives no vote then, and asks for none.
    pub(super) fn is_bound_by_promise(&self, now: Instant) -> bool {
        if self.options.reads.method != ReadMethod::Lease {
            return false;
        }
        let lease = self.options.reads.lease;
        if self.has_bug(Bug::LeaseWithoutPromise) {
            return false;
        }
        let has_restarted = now.since(self.promise.started_at) < lease && !self.has_bug(Bug::RestartForgetsPromise);
        has_restarted || self.clock.contact_at.is_some_and(|at| now.since(at) < lease)
    }
}
