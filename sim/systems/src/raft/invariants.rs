//! The invariants of Raft.
//!
//! `invariants!` below has a line for each, with its property in a few words; its file says more, where it comes from
//! and what it looks at, and `splitbrain list invariants` prints that. A new one is a file and a line: `watch` says
//! what it may hear of.
//!
//! They watch every node type that answers [`RaftFacts`], this crate's Raft or another. What an implementation cannot
//! say is not evaluated there, and counted as such.
//!
//! Each knows from the [`Frame`] where it is promised: without `check_quorum.timeout` no leader has to give up, without
//! pre-vote and check-quorum a partial partition may starve a cluster, and with `log.commit_counts = "any_term"` a
//! leader may commit by an entry of an earlier term. What that loses is another matter: the safety properties are
//! promised always. Options that give them up (election quorums that do not meet, votes in a counter where replies come
//! twice) break them, and a scenario with such options expects that. So does `quorum.auto_adjust`: each of two servers
//! that do not hear one another elects itself and commits alone, which gives up `election_safety`,
//! `state_machine_safety`, `leader_completeness` and all that clients are told.
//!
//! Which servers vote at a moment is worked out from the entries of the server's log, and not asked of the server
//! (`configurations`). While the membership changes no leader is promised within a bound; once every voter that is up
//! goes by the last configuration, it is again.
//!
//! # Not checked
//!
//! - *Leader append-only* (§5.3): a leader that overwrites its log creates an entry twice, which is `log_matching`.
//! - *Stickiness and leases*: what a lease protects is watched where it is read, by `no_stale_answer`; a
//!   vote that ignores a live leader shows as unstable leadership.

#[macro_use]
mod watch;

mod bounds;
mod clients;
mod configurations;
mod effects;
mod following;
mod frame;
mod gauges;
mod leadership;
mod membership;
mod order;
mod reachability;
mod rounds;

#[cfg(test)]
mod testing;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use splitbrain_kernel::checker::monitor::Linearizable;
use splitbrain_kernel::context::{EffectRef, OperationId};
use splitbrain_kernel::fault::{Disk, Fault};
use splitbrain_kernel::history::HistoryEntryRef;
use splitbrain_kernel::id::{KindId, NodeId};
use splitbrain_kernel::invariant::{FaultChange, Findings, Input, InvariantInfo, Invariants};
use splitbrain_kernel::node::Write;
use splitbrain_kernel::system::Gauge;
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::view::View;

use super::facts::{RaftFacts, Said, Told};
use super::ids::{Index, ServerSet, Term};

use committed_is_durable::Proven;

use clients::Clients;
use configurations::Configurations;
use denied_vote_keeps_timer::Timer;
use elected_by_quorum::GrantedVotes;
use election_safety::ElectedLeaders;
use gauges::RunFigures;
use index::{DENIED_VOTE_KEEPS_TIMER, LEADER_WITHIN_BOUND, LINEARIZABLE, MATCHED_IS_TRUE, PRE_VOTE_PURITY};
use leader_completeness::Commits;
use leader_stability::Stability;
use leader_within_bound::ElectionWait;
use leadership::{TrueTime, server};
use log_matching::Created;
use matched_is_true::Matches;
use one_vote_per_term::VotesGiven;
use order::Order;
use persist_before_reply::DurableStates;
use pre_vote_purity::VoterState;
use quorum_contact::Contacts;
use rounds::Rounds;
use snapshot_soundness::Images;
use state_machine_safety::AppliedEntries;
use term_monotone::Terms;
use vote_soundness::Requests;
use watch::{Cause, Scene, Watch};

pub use bounds::{ElectionKind, MARGIN, Observed, TABLE, kind, observed};
pub use frame::{Frame, InForce, Membership, Quorum, Replication, Rules};

// The line is the place, in reports and in the evaluations: a new one comes last.
invariants! {
    ELECTION_SAFETY = election_safety,                     // one leader a term, ever
    ONE_VOTE_PER_TERM = one_vote_per_term,                 // one vote a term, across crashes
    TERM_MONOTONE = term_monotone,                         // terms never fall
    ELECTED_BY_QUORUM = elected_by_quorum,                 // a leader was given a quorum of votes
    LEARNERS_NEVER_LEAD = learners_never_lead,             // learners never lead
    STATE_MACHINE_SAFETY = state_machine_safety,           // one entry at a place
    LEADER_COMPLETENESS = leader_completeness,             // later leaders have what is committed
    COMMIT_IN_TERM = commit_in_term,                       // a leader commits in its own term
    QUORUM_CONTACT = quorum_contact,                       // no leader without a quorum's answers
    PERSIST_BEFORE_REPLY = persist_before_reply,           // what is promised is durable first
    VOTE_SOUNDNESS = vote_soundness,                       // votes only for logs as good
    PRE_VOTE_PURITY = pre_vote_purity,                     // pre-votes change nothing at the voter
    LEADER_WITHIN_BOUND = leader_within_bound,             // a leader within a bound
    LEADER_STABILITY = leader_stability,                   // leadership is stable
    DENIED_VOTE_KEEPS_TIMER = denied_vote_keeps_timer,     // denied votes leave the timer alone
    CANDIDATES_KNOW_NO_LEADER = candidates_know_no_leader, // candidates believe in no leader
    LOG_MATCHING = log_matching,                           // logs with the same entry agree up to it
    COMMITTED_IS_DURABLE = committed_is_durable,           // what is committed is on a quorum of disks
    MATCHED_IS_TRUE = matched_is_true,                     // what a leader counts is there
    ACKNOWLEDGED_IS_APPLIED = acknowledged_is_applied,     // what is acknowledged is applied
    FAILED_STAYS_OUT = failed_stays_out,                   // what has failed is in no log
    REDIRECT_IS_NO_RESULT = redirect_is_no_result,         // a redirect is no result
    EXACTLY_ONCE = exactly_once,                           // an operation is executed once
    ANSWERS_FOLLOW_ORDER = answers_follow_order,           // answers follow the order of application
    NO_STALE_ANSWER = no_stale_answer,                     // answers are not older than what was known
    LINEARIZABLE = linearizable,                           // some order explains the answers of the store
    SNAPSHOT_SOUNDNESS = snapshot_soundness,               // snapshots are what the log makes
    TRANSFER_ENDS = transfer_ends::Transfers,              // a transfer of leadership ends
    ONE_CHANGE_AT_A_TIME = one_change_at_a_time,           // one change of the membership at a time
    CHANGE_FOLLOWS_OWN_COMMIT = change_follows_own_commit, // a change follows a commit of the own term
    CONFIGURATIONS_OVERLAP = configurations_overlap,       // quorums of configurations in a row meet
    CONFIGURATION_IN_FORCE = configuration_in_force,       // a configuration takes effect as declared
    REMOVED_LEADER_RETIRES = removed_leader_retires,       // a removed leader gives up in time
    PROMOTED_WHEN_CAUGHT_UP = promoted_when_caught_up,     // learners are promoted when their log is there
    PRE_VOTE_BY_QUORUM = pre_vote_by_quorum,               // a round of pre-votes is won by a quorum's
    COMMIT_NEVER_FALLS = commit_never_falls::CommitIndexes,      // a commit index never falls
    COMMITTED_NOT_TRUNCATED = committed_not_truncated::Ends, // what is committed stays in the log
    PROPOSALS_ANSWERED = proposals_answered::Proposals,    // proposals are answered within a bound
    FOLLOWERS_CATCH_UP = followers_catch_up::Lookout,      // followers catch up within a bound
}

/// What is remembered: each thing with its type and with how it begins, over so many servers.
macro_rules! remembered {
    ($(#[$meta:meta])* pub struct $name:ident over ($frame:ident, $servers:ident) {
        $($(#[doc = $doc:literal])* $field:ident: $of:ty = $begin:expr,)+
    }) => {
        $(#[$meta])*
        pub struct $name<N: RaftFacts> {
            $($(#[doc = $doc])* $field: $of,)+
            of: PhantomData<fn() -> N>,
        }

        impl<N: RaftFacts> $name<N> {
            /// Fresh invariants over a cluster that promises this.
            pub fn new($frame: Frame) -> Self {
                let $frame = Arc::new($frame);
                let $servers = $frame.server_count;
                Self { $($field: $begin,)+ of: PhantomData }
            }
        }

        // Derived, it would ask for nodes that can be cloned.
        impl<N: RaftFacts> Clone for $name<N> {
            fn clone(&self) -> Self {
                Self { $($field: self.$field.clone(),)+ of: PhantomData }
            }
        }
    };
}

remembered! {
    /// The invariants of Raft over a node type, with all that they have seen.
    pub struct RaftInvariants over (frame, servers) {
        frame: Arc<Frame> = Arc::clone(&frame),
        elected: ElectedLeaders = ElectedLeaders::default(),
        votes: VotesGiven = VotesGiven::new(servers),
        terms: Terms = Terms::new(servers),
        granted_votes: GrantedVotes = GrantedVotes::new(servers),
        /// Pre-votes, by the term that was asked about.
        pre_votes: GrantedVotes = GrantedVotes::new(servers),
        applied_entries: AppliedEntries<N::Entry> = AppliedEntries::new(),
        clients: Clients<N> = Clients::new(Order::new(frame.session_timeout, frame.sessions_max)),
        history: Linearizable<N, linearizable::Store> = Linearizable::new(linearizable::Store),
        commits: Commits = Commits::default(),
        contacts: Contacts = Contacts::new(servers),
        durable_states: DurableStates = DurableStates::new(servers),
        requests: Requests = Requests::new(servers),
        created: Created<N::Entry> = Created::new(),
        proven: Proven = Proven::default(),
        matches: Matches = Matches::new(servers),
        images: Images = Images::new(servers),
        watched: Watched = Watch::<N>::new(&frame),
        configurations: Configurations = Configurations::new(frame.initial(), servers),
        /// The configuration of this server may have changed with the input that it handles.
        reconfigured: Option<NodeId> = None,
        /// This leader has committed something with the input that it handles.
        retiring: Option<NodeId> = None,
        /// Those whose disk was wiped since they last started.
        wiped: ServerSet = ServerSet::EMPTY,
        /// Those whose disk may have failed a write since they last started.
        failing: ServerSet = ServerSet::EMPTY,
        /// The last place that is gone from each server's log, by slot.
        bases: Vec<Index> = vec![Index::ZERO; servers],
        /// An acknowledgement that is being handled: who sent it.
        acknowledged: Option<NodeId> = None,
        /// A pre-vote that is being handled: who asked, and the voter before.
        asked: Option<(NodeId, VoterState)> = None,
        /// The voter's timer before the vote request that it handles.
        timer: Option<Timer> = None,
        wait: ElectionWait = ElectionWait::new(),
        stability: Stability = Stability::new(),
        figures: RunFigures = RunFigures::new(),
        rounds: Rounds = Rounds::default(),
        /// The kind of process that the servers are of.
        members: KindId = frame.members,
        /// The term that each server leads, by slot, and all who lead.
        leads: Vec<Option<Term>> = vec![None; servers],
        leaders: ServerSet = ServerSet::EMPTY,
        /// When the next disk of a voter is healthy again, though no event tells of it.
        disk_recovers: Instant = Instant::MAX,
        /// The least of the deadlines.
        next: Instant = Instant::MAX,
        /// Something is to be looked at when the input is handled that a server handles now.
        news: bool = false,
        /// What a server may do has changed with the input that it handles, or which servers vote.
        changed: bool = false,
        /// A server has started, or was given an order, with that input: elections that follow may come of it.
        disturbed: bool = false,
    }
}

impl<N: RaftFacts> fmt::Debug for RaftInvariants<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("RaftInvariants");
        shown.field("frame", &self.frame).field("leads", &self.leads).field("next", &self.next);
        shown.finish_non_exhaustive()
    }
}

impl<N: RaftFacts> RaftInvariants<N> {
    /// The figures that [`RaftInvariants::gauges`] gives, in its order.
    pub const GAUGES: &'static [Gauge] = gauges::GAUGES;

    /// Whether this is one of the servers, as [`Frame::watches`] says, without a way to the frame.
    #[inline(always)]
    const fn watches(&self, node: NodeId) -> bool {
        node.is(self.members) && node.number() as usize <= self.leads.len()
    }

    /// A message is about to be handled.
    #[inline(never)]
    fn on_receive(
        &mut self,
        view: impl View<N>,
        node: NodeId,
        source: NodeId,
        message: &N::Message,
        findings: &mut Findings,
    ) {
        let said = N::said(message);
        tell!(self.on_receive(view, (node, source), said, findings));
        match said {
            Said::Accepted { term, matched } => {
                if self.frame.watches(source) && !self.matches.knows(node, source, (term, matched)) {
                    (self.acknowledged, self.news) = (Some(source), true);
                }
                self.on_contact(node, source, term, true, view.now());
            }
            Said::Answered { term } => self.on_contact(node, source, term, false, view.now()),
            Said::VoteRequest { .. } | Said::PreVoteRequest => {
                self.on_question(view, node, source, message, findings);
            }
            Said::Nothing => {
                if let Some(operation) = N::proposes(message) {
                    tell!(self.on_asked(view, (node, source), operation, findings));
                    self.heed_watches();
                }
            }
            Said::Append { .. } | Said::Vote { .. } => {}
        }
    }

    /// An answer to an append is contact with its sender, if it speaks in the term that the server leads.
    #[inline(always)]
    fn on_contact(&mut self, node: NodeId, source: NodeId, term: Term, accepted: bool, now: Instant) {
        if self.leads[frame::slot(node)] == Some(term) {
            self.contacts.hear(&self.frame, node, source, accepted, now);
        }
    }

    /// A server is about to handle a question for its vote or pre-vote.
    #[inline(never)]
    fn on_question(
        &mut self,
        view: impl View<N>,
        node: NodeId,
        source: NodeId,
        message: &N::Message,
        findings: &Findings,
    ) {
        match N::said(message) {
            Said::VoteRequest { term, last } if self.frame.watches(source) => {
                self.requests.ask(node, source, term, last);
                let watched = findings.is_on(DENIED_VOTE_KEEPS_TIMER);
                self.timer = server(&view, node).filter(|_| watched).map(|server| Timer::of(&server));
            }
            Said::PreVoteRequest if findings.is_on(PRE_VOTE_PURITY) => {
                self.asked = server(&view, node).map(|server| (source, VoterState::of(&server)));
                self.news = true;
            }
            _ => {}
        }
    }

    /// A server has handled an input after which something is to be looked at.
    #[inline(never)]
    fn on_news(&mut self, view: impl View<N>, node: NodeId, findings: &mut Findings) {
        self.news = false;
        if let Some((candidate, before)) = self.asked.take()
            && let Some(server) = server(&view, node)
        {
            pre_vote_purity::unchanged(node, candidate, &before, &VoterState::of(&server), findings);
        }
        if let Some(follower) = self.acknowledged.take()
            && findings.is_on(MATCHED_IS_TRUE)
        {
            self.judge_match(view, node, follower, findings);
        }
        if let Some(node) = self.retiring.take() {
            self.on_retiring(view, node, findings);
        }
        if let Some(node) = self.reconfigured.take() {
            self.on_reconfigured(view, node, findings);
        }
        if self.changed {
            self.changed = false;
            let cause = if std::mem::take(&mut self.disturbed) { Cause::Process } else { Cause::Membership };
            self.recompute_promises(view, cause, findings);
        }
        tell!(self.on_step(view, node, findings));
        self.heed_watches();
    }

    /// What a server may do changes with the input that it handles.
    const fn note_disturbed(&mut self) {
        (self.news, self.changed, self.disturbed) = (true, true, true);
    }

    /// How many waits for a leader one ended so far, and how long the last of them took.
    pub const fn leader_waits(&self) -> (u64, Duration) {
        self.wait.ended()
    }

    /// Figures of the run so far.
    pub fn gauges(&self) -> Vec<u64> {
        let figures = &self.figures;
        vec![
            figures.term.0,
            figures.elections.saturating_sub(1),
            figures.terms_started(),
            figures.split_votes(),
            figures.leaderless_longest().as_millis(),
            self.wait.longest().as_millis(),
            self.stability.most(),
        ]
    }
}

impl<N: RaftFacts> Invariants<N> for RaftInvariants<N> {
    const LIST: &'static [InvariantInfo] = LIST;

    fn on_start(&mut self, view: impl View<N>, node: NodeId, findings: &mut Findings) {
        if self.frame.watches(node) {
            self.on_restart(node);
            self.terms.restart(node);
            self.images.restart(node);
            self.durable_states.forget(node);
            self.granted_votes.stand_alone(node, false);
            self.configurations.restart(node);
            self.look_again(node);
            tell!(self.on_start(view, node, findings));
            // What it may do shows only once it has started.
            self.note_disturbed();
        }
    }

    // The world shows each kind of effect and input at a place of its own. Inlined there, a kind that no rule asks for
    // costs nothing, and one that is asked for is a call.
    #[inline(always)]
    fn on_effect(&mut self, view: impl View<N>, node: NodeId, effect: EffectRef<'_, N>, findings: &mut Findings) {
        match effect {
            EffectRef::Send { target, message, .. } if self.watches(node) => {
                self.on_send(view, node, target, message, findings);
            }
            EffectRef::Observe(observation) if self.watches(node) => {
                self.on_observe(view, node, observation, findings);
            }
            EffectRef::Write { write, .. } if self.watches(node) => self.on_write(view, node, write, findings),
            EffectRef::Send { message, .. } => self.clients.on_send(node, message),
            _ => {}
        }
    }

    #[inline(always)]
    fn on_input(&mut self, view: impl View<N>, node: NodeId, input: Input<'_, N>, findings: &mut Findings) {
        match input {
            Input::Message(source, message) if self.watches(node) => {
                self.on_receive(view, node, source.node, message, findings);
            }
            Input::Order(_) if self.frame.watches(node) => self.note_disturbed(),
            input if !self.watches(node) => self.clients.on_input(node, input),
            _ => {}
        }
    }

    #[inline(always)]
    fn on_step(&mut self, view: impl View<N>, node: NodeId, findings: &mut Findings) {
        if self.news {
            self.on_news(view, node, findings);
        }
    }

    fn on_down(&mut self, view: impl View<N>, node: NodeId, findings: &mut Findings) {
        if self.frame.watches(node) {
            self.rounds.end_process(node, view.now());
            self.on_leadership_lost(view, node, findings);
            tell!(self.on_down(view, node, findings));
            self.recompute_promises(view, Cause::Process, findings);
        }
    }

    fn on_fault(&mut self, view: impl View<N>, fault: &Fault, _change: FaultChange, findings: &mut Findings) {
        if let Fault::Disk(Disk { nodes, fault }) = fault {
            self.on_disk_fault(nodes, *fault);
        }
        self.on_world_changed(view, findings);
    }

    fn on_settle(&mut self, view: impl View<N>, findings: &mut Findings) {
        self.on_world_changed(view, findings);
    }

    #[inline]
    fn deadline(&self) -> Instant {
        self.next
    }

    fn on_deadline(&mut self, view: impl View<N>, findings: &mut Findings) {
        let now = view.now();
        if self.contacts.deadline() <= now {
            self.contacts.on_deadline(&self.frame, now, &TrueTime::<_, N>::of(view), findings);
        }
        tell!(self.on_deadline(view, findings));
        if self.disk_recovers <= now {
            self.recompute_promises(view, Cause::Process, findings);
        }
        self.wait.on_deadline(now, findings);
        findings.explain(LEADER_WITHIN_BOUND, || self.rounds.table(view, self.wait.core()));
        self.update_deadline();
    }

    fn on_history(&mut self, view: impl View<N>, entry: HistoryEntryRef<'_, N>, findings: &mut Findings) {
        self.clients.on_history(entry, &self.applied_entries, findings);
        self.history.watch(LINEARIZABLE, &view, entry, findings);
    }

    fn on_end(&mut self, view: impl View<N>, findings: &mut Findings) {
        self.history.end(LINEARIZABLE, &view, findings);
        tell!(self.on_end(view, findings));
        self.stability.close(view.now(), findings);
        self.wait.end(view.now());
        self.figures.end(view.now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::RaftNode;

    type Watched = RaftInvariants<RaftNode<u64>>;

    #[test]
    fn each_gauge_has_a_value() {
        let options = super::super::presets::etcd();
        let invariants = Watched::new(testing::frame(3, options));
        assert_eq!(invariants.gauges().len(), Watched::GAUGES.len());
    }
}
