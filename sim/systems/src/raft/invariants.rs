//! The invariants of Raft.
//!
//! | property | source | file | sight |
//! | --- | --- | --- | --- |
//! | one leader a term, ever | Raft §5.2 | `election_safety` | black box |
//! | one vote a term, across crashes | Raft §5.2 | `one_vote_per_term` | black box |
//! | terms never fall | Raft §5.1, ccfraft | `term_monotone` | black box |
//! | a leader was given a quorum of votes | Raft §5.2 | `elected_by_quorum` | black box |
//! | a round of pre-votes is won by a quorum's | thesis §9.6 | `pre_vote_by_quorum` | black box |
//! | learners never lead | thesis §4.2.1, hashicorp #483 | `learners_never_lead` | black box |
//! | one entry at a place | Raft §5.4.3 | `state_machine_safety` | black box |
//! | later leaders have what is committed | Raft §5.4.3 | `leader_completeness` | black box |
//! | a leader commits in its own term | Raft §5.4.2 | `commit_in_term` | black box |
//! | no leader without a quorum's answers | thesis §6.2, etcd, NuRaft, hashicorp | `quorum_contact` | black box |
//! | logs with the same entry agree up to it | Raft §5.3, ccfraft | `log_matching` | white box |
//! | what is committed is on a quorum of disks | Raft §5.4.2, etcdraft | `committed_is_durable` | white box |
//! | what a leader counts is there | Raft §5.3, ccfraft | `matched_is_true` | white box |
//! | snapshots are what the log makes | Raft §7, RedisRaft | `snapshot_soundness` | black box |
//! | a transfer of leadership ends | thesis §3.10, hashicorp #493 | `transfer_ends` | black box |
//! | one change of the membership at a time | thesis §4.1, camunda #60086 | `one_change_at_a_time` | white box |
//! | a change follows a commit of the own term | Ongaro 2015 | `change_follows_own_commit` | white box |
//! | quorums of configurations in a row meet | thesis §4.1, §6 | `configurations_overlap` | white box |
//! | a configuration takes effect as declared | §6, etcd, NuRaft | `configuration_in_force` | white box |
//! | a removed leader gives up in time | §6, thesis §4.2.2 | `removed_leader_retires` | white box |
//! | learners are promoted when their log is there | thesis §4.2.1 | `promoted_when_caught_up` | white box |
//! | what is promised is durable first | Raft figure 2, etcd `Ready` | `persist_before_reply` | white box |
//! | votes only for logs as good | Raft §5.4.1 | `vote_soundness` | white box |
//! | pre-votes change nothing at the voter | thesis §9.6, hashicorp #609 | `pre_vote_purity` | white box |
//! | denied votes leave the timer alone | students' guide | `denied_vote_keeps_timer` | white box |
//! | candidates believe in no leader | etcd #8334, raft-rs #84 | `candidates_know_no_leader` | white box |
//! | what is acknowledged is applied | Raft §8 | `acknowledged_is_applied` | black box |
//! | what has failed is in no log | RedisRaft #23 | `failed_stays_out` | black box |
//! | a redirect is no result | Raft §8 | `redirect_is_no_result` | black box |
//! | an operation is executed once | thesis §6.3 | `exactly_once` | black box |
//! | answers follow the order of application | thesis §6.3, §6.4 | `answers_follow_order` | black box |
//! | answers are not older than what was known | thesis §6.4, etcd #7331 | `no_stale_answer` | black box |
//! | some order explains the answers of the store | Herlihy and Wing 1990 | `linearizable` | black box |
//! | a leader within a bound | Raft §9.3, ccfraft | `leader_within_bound` | black box |
//! | leadership is stable | thesis §9.6, Howard and Abraham | `leader_stability` | black box |
//!
//! They watch every node type that answers [`RaftFacts`], this crate's Raft or another. What an implementation cannot
//! say is not evaluated there, and counted as such.
//!
//! Each knows from the [`Frame`] where it is promised: without `check_quorum` no leader has to give up, without
//! pre-vote and check-quorum a partial partition may starve a cluster, and with `commit_counts = "any_term"` a leader
//! may commit by an entry of an earlier term. What that loses is another matter: the safety properties are promised
//! always. Options that give them up (election quorums that do not meet, votes in a counter where replies come twice)
//! break them, and a scenario with such options expects that. So does `auto_adjust_quorum`: each of two servers that do
//! not hear one another elects itself and commits alone, which gives up `election_safety`, `state_machine_safety`,
//! `leader_completeness` and all that clients are told.
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

mod acknowledged_is_applied;
mod answers_follow_order;
mod bounds;
mod candidates_know_no_leader;
mod change_follows_own_commit;
mod clients;
mod commit_in_term;
mod committed_is_durable;
mod configuration_in_force;
mod configurations;
mod configurations_overlap;
mod denied_vote_keeps_timer;
mod effects;
mod elected_by_quorum;
mod election_safety;
mod exactly_once;
mod failed_stays_out;
mod frame;
mod gauges;
mod leader_completeness;
mod leader_stability;
mod leader_within_bound;
mod leadership;
mod learners_never_lead;
mod linearizable;
mod log_matching;
mod matched_is_true;
mod membership;
mod no_stale_answer;
mod one_change_at_a_time;
mod one_vote_per_term;
mod order;
mod persist_before_reply;
mod pre_vote_by_quorum;
mod pre_vote_purity;
mod promoted_when_caught_up;
mod quorum_contact;
mod reachability;
mod redirect_is_no_result;
mod removed_leader_retires;
mod rounds;
mod snapshot_soundness;
mod state_machine_safety;
mod term_monotone;
mod transfer_ends;
mod vote_soundness;

#[cfg(test)]
mod testing;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use splitbrain_kernel::checker::monitor::Linearizable;
use splitbrain_kernel::context::EffectRef;
use splitbrain_kernel::fault::{Disk, Fault};
use splitbrain_kernel::history::HistoryEntryRef;
use splitbrain_kernel::id::{KindId, NodeId};
use splitbrain_kernel::invariant::{FaultChange, Findings, Input, InvariantInfo, Invariants};
use splitbrain_kernel::system::Gauge;
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::view::View;

use super::facts::{RaftFacts, Said};
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
use leader_within_bound::Wait;
use leadership::{Cause, TrueTime, server};
use log_matching::Created;
use matched_is_true::Matches;
use one_vote_per_term::VotesGiven;
use order::Order;
use persist_before_reply::DurableStates;
use pre_vote_purity::Face;
use quorum_contact::Contacts;
use rounds::Rounds;
use snapshot_soundness::Images;
use state_machine_safety::AppliedEntries;
use term_monotone::Terms;
use transfer_ends::Transfers;
use vote_soundness::Requests;

pub use bounds::{ElectionKind, MARGIN, Observed, TABLE, kind, observed};
pub use frame::{Frame, InForce, Membership, Quorum, Rules};

splitbrain_kernel::invariant_list! {
    ELECTION_SAFETY = election_safety::INFO,
    ONE_VOTE_PER_TERM = one_vote_per_term::INFO,
    TERM_MONOTONE = term_monotone::INFO,
    ELECTED_BY_QUORUM = elected_by_quorum::INFO,
    LEARNERS_NEVER_LEAD = learners_never_lead::INFO,
    STATE_MACHINE_SAFETY = state_machine_safety::INFO,
    LEADER_COMPLETENESS = leader_completeness::INFO,
    COMMIT_IN_TERM = commit_in_term::INFO,
    QUORUM_CONTACT = quorum_contact::INFO,
    PERSIST_BEFORE_REPLY = persist_before_reply::INFO,
    VOTE_SOUNDNESS = vote_soundness::INFO,
    PRE_VOTE_PURITY = pre_vote_purity::INFO,
    LEADER_WITHIN_BOUND = leader_within_bound::INFO,
    LEADER_STABILITY = leader_stability::INFO,
    DENIED_VOTE_KEEPS_TIMER = denied_vote_keeps_timer::INFO,
    CANDIDATES_KNOW_NO_LEADER = candidates_know_no_leader::INFO,
    LOG_MATCHING = log_matching::INFO,
    COMMITTED_IS_DURABLE = committed_is_durable::INFO,
    MATCHED_IS_TRUE = matched_is_true::INFO,
    ACKNOWLEDGED_IS_APPLIED = acknowledged_is_applied::INFO,
    FAILED_STAYS_OUT = failed_stays_out::INFO,
    REDIRECT_IS_NO_RESULT = redirect_is_no_result::INFO,
    EXACTLY_ONCE = exactly_once::INFO,
    ANSWERS_FOLLOW_ORDER = answers_follow_order::INFO,
    NO_STALE_ANSWER = no_stale_answer::INFO,
    LINEARIZABLE = linearizable::INFO,
    SNAPSHOT_SOUNDNESS = snapshot_soundness::INFO,
    TRANSFER_ENDS = transfer_ends::INFO,
    ONE_CHANGE_AT_A_TIME = one_change_at_a_time::INFO,
    CHANGE_FOLLOWS_OWN_COMMIT = change_follows_own_commit::INFO,
    CONFIGURATIONS_OVERLAP = configurations_overlap::INFO,
    CONFIGURATION_IN_FORCE = configuration_in_force::INFO,
    REMOVED_LEADER_RETIRES = removed_leader_retires::INFO,
    PROMOTED_WHEN_CAUGHT_UP = promoted_when_caught_up::INFO,
    PRE_VOTE_BY_QUORUM = pre_vote_by_quorum::INFO,
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
        transfers: Transfers = Transfers::new(servers),
        configurations: Configurations = Configurations::new(frame.initial(), servers),
        /// The configuration of this server may have changed with the input that it handles.
        reconfigured: Option<NodeId> = None,
        /// This leader has committed something with the input that it handles.
        retiring: Option<NodeId> = None,
        /// Those whose disk was wiped since they last started.
        wiped: ServerSet = ServerSet::EMPTY,
        /// The last place that is gone from each server's log, by slot.
        bases: Vec<Index> = vec![Index::ZERO; servers],
        /// An acknowledgement that is being handled: who sent it.
        acknowledged: Option<NodeId> = None,
        /// A pre-vote that is being handled: who asked, and the voter before.
        asked: Option<(NodeId, Face)> = None,
        /// The voter's timer before the vote request that it handles.
        timer: Option<Timer> = None,
        wait: Wait = Wait::new(),
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
        findings: &Findings,
    ) {
        match N::said(message) {
            Said::Accepted { term, matched } => {
                if self.frame.watches(source) && !self.matches.knows(node, source, (term, matched)) {
                    self.acknowledged = Some(source);
                }
                self.on_contact(node, source, term, true, view.now());
            }
            Said::Answered { term } => self.on_contact(node, source, term, false, view.now()),
            Said::VoteRequest { .. } | Said::PreVoteRequest => {
                self.on_question(view, node, source, message, findings);
            }
            _ => {}
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
                self.asked = server(&view, node).map(|server| (source, Face::of(&server)));
            }
            _ => {}
        }
    }

    /// A server has handled an input that something had to be asked before, or that changed what it may do.
    #[inline(never)]
    fn on_news(&mut self, view: impl View<N>, node: NodeId, findings: &mut Findings) {
        if let Some((candidate, before)) = self.asked.take()
            && let Some(server) = server(&view, node)
        {
            pre_vote_purity::unchanged(node, candidate, &before, &Face::of(&server), findings);
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
            let cause = if std::mem::take(&mut self.disturbed) { Cause::World } else { Cause::Membership };
            self.survey(view, cause, findings);
        }
    }

    /// What a server may do changes with the input that it handles.
    const fn note_disturbed(&mut self) {
        (self.changed, self.disturbed) = (true, true);
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

    fn on_start(&mut self, _view: impl View<N>, node: NodeId, _findings: &mut Findings) {
        if self.frame.watches(node) {
            self.on_restart(node);
            self.terms.restart(node);
            self.images.restart(node);
            self.durable_states.forget(node);
            self.granted_votes.stand_alone(node, false);
            self.configurations.restart(node);
            self.look_again(node);
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
        if self.changed || self.acknowledged.is_some() || self.asked.is_some() {
            self.on_news(view, node, findings);
        }
    }

    fn on_down(&mut self, view: impl View<N>, node: NodeId, findings: &mut Findings) {
        if self.frame.watches(node) {
            self.rounds.end(node, view.now(), None);
            self.depose(view, node, findings);
            self.survey(view, Cause::World, findings);
        }
    }

    fn on_fault(&mut self, view: impl View<N>, fault: &Fault, _change: FaultChange, findings: &mut Findings) {
        if let Fault::Disk(Disk { nodes, fault }) = fault {
            self.on_disk_fault(nodes, *fault);
        }
        self.disturb(view, findings);
    }

    fn on_settle(&mut self, view: impl View<N>, findings: &mut Findings) {
        self.disturb(view, findings);
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
        if self.transfers.deadline() <= now {
            self.transfers.on_deadline(&self.frame, now, &TrueTime::<_, N>::of(view), findings);
        }
        if self.disk_recovers <= now {
            self.survey(view, Cause::World, findings);
        }
        self.wait.on_deadline(now, findings);
        findings.explain(LEADER_WITHIN_BOUND, || self.rounds.table(view, self.wait.core()));
        self.refresh();
    }

    fn on_history(&mut self, view: impl View<N>, entry: HistoryEntryRef<'_, N>, findings: &mut Findings) {
        self.clients.on_history(entry, &self.applied_entries, findings);
        self.history.watch(LINEARIZABLE, &view, entry, findings);
    }

    fn on_end(&mut self, view: impl View<N>, findings: &mut Findings) {
        self.history.end(LINEARIZABLE, &view, findings);
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
