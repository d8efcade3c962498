//! Options of Raft: every difference between implementations is one of these, and no code asks for a preset.
//!
//! They stand in groups (`options/groups.rs`), and the names that some of them take in `options/values.rs`. The named
//! sets are in [`super::presets`]. If an option is one implementation's own, its name stands in the option's
//! documentation; sources are cited where the option acts.

mod groups;
mod values;

use splitbrain_kernel::id::Cluster;
use splitbrain_kernel::options::{Idle, Options, OptionsError, PerServer, Preset, Scene, ValueKind};
use splitbrain_kernel::time::Duration;

use super::bug::Bug;

pub use groups::{
    CheckQuorumOptions, ClientOptions, LogOptions, MembershipOptions, PreVoteOptions, PriorityOptions, QuorumOptions,
    ReadOptions, SnapshotOptions, TimingOptions, TransferOptions, TransportOptions, VoteOptions,
};
pub use values::{
    Candidates, CheckQuorumMethod, CommitCounts, ConfigurationAt, ConflictHint, Contact, ElectionTimer, JointLeave,
    LostRound, MatchedAtElection, OnRefusal, OnWriteFailure, PreVoteTerm, PriorityDecay, ReadMethod, ReplyWhen,
    Stickiness, TimeoutDrawn, TransferEnd, TransportKind, VoteCounting, WaitsForSync,
};

splitbrain_kernel::options! {
    /// Options of Raft, for each server. Those of the base also hold for the clients.
    pub struct RaftOptions {
        /// Heartbeats and timeouts, and what restarts the election timer.
        pub timing: TimingOptions => group,
        /// Rounds of pre-votes before elections.
        pub pre_vote: PreVoteOptions => group,
        /// How votes are asked for, given, refused and counted.
        pub votes: VoteOptions => group,
        /// How many servers decide.
        pub quorum: QuorumOptions => group,
        /// Whether and how a leader checks that it still has a quorum.
        pub check_quorum: CheckQuorumOptions => group,
        /// Which servers may lead.
        pub priority: PriorityOptions => group,
        /// Datagrams or connections between servers, and requests over them.
        pub transport: TransportOptions => group,
        /// Entries: how they are sent, written, matched and committed.
        pub log: LogOptions => group,
        /// When snapshots are taken, and how they are sent.
        pub snapshot: SnapshotOptions => group,
        /// Learners, and changes of the configuration.
        pub membership: MembershipOptions => group,
        /// The transfer of a leadership to another server.
        pub transfer: TransferOptions => group,
        /// How long clients wait and when they try again, and their sessions.
        pub clients: ClientOptions => group,
        /// How reads of the key-value store are served.
        pub reads: ReadOptions => group,
        /// A known bug.
        pub bug: Bug => ValueKind::Name(Bug::NAMES),
    }
}

/// The options as they were called before they stood in groups.
const RENAMED: &[(&str, &str)] = &[
    ("heartbeat", "timing.heartbeat"),
    ("election_timeout_min", "timing.election_timeout_min"),
    ("election_timeout_max", "timing.election_timeout_max"),
    ("round_timeout_min", "timing.round_timeout_min"),
    ("round_timeout_max", "timing.round_timeout_max"),
    ("startup_backoff", "timing.startup_backoff"),
    ("skip_first_timeout", "timing.skip_first_timeout"),
    ("timeout_drawn", "timing.timeout_drawn"),
    ("election_timer", "timing.election_timer"),
    ("timer_reset_on_higher_term", "timing.timer_reset_on_higher_term"),
    ("timer_reset_on_rejected_append", "timing.timer_reset_on_rejected_append"),
    ("timer_reset_on_granted_vote", "timing.timer_reset_on_granted_vote"),
    ("lagging_grace", "timing.lagging_grace"),
    ("pre_vote", "pre_vote.enabled"),
    ("pre_vote_term", "pre_vote.term"),
    ("pre_vote_log_check", "pre_vote.log_check"),
    ("pre_vote_stickiness", "pre_vote.stickiness"),
    ("starved_exit", "pre_vote.exit_after_rejections"),
    ("busy_exit", "pre_vote.exit_after_busy_rounds"),
    ("vote_stickiness", "votes.stickiness"),
    ("sticky_reply", "votes.leader_alive_reply"),
    ("stale_vote_reply", "votes.stale_reply"),
    ("votes_for", "votes.candidates"),
    ("vote_counting", "votes.counting"),
    ("lost_round", "votes.lost_round"),
    ("term_step", "votes.term_step"),
    ("election_quorum", "quorum.election"),
    ("commit_quorum", "quorum.commit"),
    ("auto_adjust_quorum", "quorum.auto_adjust"),
    ("auto_adjust_rounds", "quorum.auto_adjust_rounds"),
    ("auto_adjust_heartbeats", "quorum.auto_adjust_heartbeats"),
    ("check_quorum", "check_quorum.timeout"),
    ("check_quorum_method", "check_quorum.method"),
    ("check_quorum_contact", "check_quorum.contact"),
    ("check_quorum_spares_full", "check_quorum.spares_full"),
    ("priority", "priority.value"),
    ("priority_decay", "priority.decay"),
    ("zero_priority_leader", "priority.zero_leader"),
    ("transport", "transport.kind"),
    ("requests_in_flight", "transport.requests_in_flight"),
    ("reconnect_after", "transport.reconnect_after"),
    ("reconnect_on_pre_vote", "transport.reconnect_on_pre_vote"),
    ("noop", "log.noop"),
    ("append_entries_max", "log.append_entries_max"),
    ("append_bytes_max", "log.append_bytes_max"),
    ("appends_in_flight", "log.appends_in_flight"),
    ("parallel_append", "log.parallel_append"),
    ("stale_append_reply", "log.stale_append_reply"),
    ("conflict_hint", "log.conflict_hint"),
    ("commit_counts", "log.commit_counts"),
    ("matched_at_election", "log.matched_at_election"),
    ("waits_for_sync", "log.waits_for_sync"),
    ("on_write_failure", "log.on_write_failure"),
    ("snapshot_distance", "snapshot.distance"),
    ("snapshot_trailing", "snapshot.trailing"),
    ("snapshot_part_bytes", "snapshot.part_bytes"),
    ("learner", "membership.learner"),
    ("configuration_at", "membership.configuration_at"),
    ("joint_leave", "membership.joint_leave"),
    ("promotion_gap", "membership.promotion_gap"),
    ("leave_timeouts", "membership.leave_timeouts"),
    ("transfer_timeout", "transfer.timeout"),
    ("transfer_end", "transfer.end"),
    ("proposal_timeout", "clients.operation_timeout"),
    ("on_refusal", "clients.on_refusal"),
    ("request_timeout", "clients.request_timeout"),
    ("retry_min", "clients.retry_min"),
    ("retry_max", "clients.retry_max"),
    ("session_timeout", "clients.session_timeout"),
    ("sessions_max", "clients.sessions_max"),
    ("reads", "reads.method"),
    ("read_lease", "reads.lease"),
];

impl RaftOptions {
    /// These with a change: `paper().with(|o| o.log.noop = false)`.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The longest that a leader goes on without contact to a quorum, on its own clock; `None` if it may for ever, or
    /// if the whole loop waits for syncs, as it does not tick meanwhile. [`CheckQuorumOptions::spares_full`] is not
    /// looked at here: the invariant asks for it.
    pub const fn contact_bound(&self) -> Option<Duration> {
        if self.check_quorum.timeout.is_zero() || matches!(self.log.waits_for_sync, WaitsForSync::WholeLoop) {
            return None;
        }
        Some(match self.check_quorum.method {
            CheckQuorumMethod::Window => self.check_quorum.timeout.saturating_mul(2),
            CheckQuorumMethod::EachHeartbeat => self.check_quorum.timeout.saturating_add(self.timing.heartbeat),
            CheckQuorumMethod::LeaseTimer => self.check_quorum.timeout.saturating_add(Self::LEASE_CHECK_MIN),
        })
    }

    /// The least time between two looks at the lease (hashicorp `minCheckInterval`).
    pub const LEASE_CHECK_MIN: Duration = Duration::from_millis(10);

    /// Whether a request is answered under this rule.
    pub(super) const fn answers(&self, answer: ReplyWhen) -> bool {
        match answer {
            ReplyWhen::Always => true,
            ReplyWhen::Never => false,
            ReplyWhen::Guarded => self.pre_vote.enabled || !self.check_quorum.timeout.is_zero(),
        }
    }
}

impl Options for RaftOptions {
    const RENAMED: &'static [(&'static str, &'static str)] = RENAMED;

    fn presets() -> &'static [Preset<Self>] {
        super::presets::PRESETS
    }

    fn idle(all: &PerServer<Self>, scene: Scene<'_>) -> Vec<(Idle, &'static str)> {
        super::idle::of(all, scene)
    }

    fn validate(&self, _cluster: Cluster) -> Result<(), OptionsError> {
        self.validate_timing()?;
        if !self.check_quorum.timeout.is_zero() && self.check_quorum.timeout <= self.timing.heartbeat {
            let message = format!("must be 0 or more than timing.heartbeat ({})", self.timing.heartbeat);
            return Err(OptionsError::new("check_quorum.timeout", message));
        }
        if self.transport.requests_in_flight > 0 && self.transport.kind == TransportKind::Datagram {
            let message = "needs kind = \"connection\": a lost datagram would never be answered";
            return Err(OptionsError::new("transport.requests_in_flight", message));
        }
        self.validate_lease()?;
        self.validate_answers()
    }
}

impl RaftOptions {
    /// The lease of a leader: a part of what voters promise, so that it ends first even if the leader's clock is slow
    /// by this many parts per million, and a voter's as fast.
    pub(super) fn lease_within(&self, drift_ppm: u32) -> Duration {
        const ALL: u64 = 1_000_000;
        let drift = u64::from(drift_ppm).min(ALL);
        self.reads.lease.saturating_mul(ALL - drift).div(ALL + drift)
    }

    /// A voter whose timer fires is bound by no promise.
    fn validate_lease(&self) -> Result<(), OptionsError> {
        if self.reads.method == ReadMethod::Lease && self.reads.lease > self.timing.election_timeout_min {
            let message = format!("must be at most timing.election_timeout_min ({})", self.timing.election_timeout_min);
            return Err(OptionsError::new("reads.lease", message));
        }
        Ok(())
    }

    /// With one request in flight, a request that is never answered blocks its peer.
    fn validate_answers(&self) -> Result<(), OptionsError> {
        let rules = [
            ("votes.leader_alive_reply", self.votes.leader_alive_reply),
            ("votes.stale_reply", self.votes.stale_reply),
            ("log.stale_append_reply", self.log.stale_append_reply),
        ];
        let unanswered = rules.iter().find(|(_, answer)| !self.answers(*answer));
        match unanswered {
            Some((option, _)) if self.transport.requests_in_flight > 0 => {
                let message =
                    "must be \"always\" with transport.requests_in_flight: an unanswered request blocks its peer";
                Err(OptionsError::new(*option, message))
            }
            _ => Ok(()),
        }
    }

    fn validate_timing(&self) -> Result<(), OptionsError> {
        if self.timing.heartbeat >= self.timing.election_timeout_min {
            let message = format!("must be less than election_timeout_min ({})", self.timing.election_timeout_min);
            return Err(OptionsError::new("timing.heartbeat", message));
        }
        if self.timing.election_timeout_min > self.timing.election_timeout_max {
            let message = format!("must be at least election_timeout_min ({})", self.timing.election_timeout_min);
            return Err(OptionsError::new("timing.election_timeout_max", message));
        }
        if self.clients.retry_min > self.clients.retry_max {
            let message = format!("must be at least retry_min ({})", self.clients.retry_min);
            return Err(OptionsError::new("clients.retry_max", message));
        }
        if self.timing.round_timeout_min > self.timing.round_timeout_max {
            let message = format!("must be at least round_timeout_min ({})", self.timing.round_timeout_min);
            return Err(OptionsError::new("timing.round_timeout_max", message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use splitbrain_kernel::invariant::Invariants as _;
    use splitbrain_kernel::options::OptionShape;
    use splitbrain_kernel::system::System as _;

    use super::*;
    use crate::raft::RaftNode;
    use crate::raft::invariants::RaftInvariants;
    use crate::raft::system::Raft;

    const FIVE: Cluster = Cluster::plain(5, 0);

    fn refused(change: impl FnOnce(&mut RaftOptions)) -> String {
        let mut options = super::super::presets::paper();
        change(&mut options);
        options.validate(FIVE).expect_err("these cannot stand together").option
    }

    #[test]
    fn relations_are_checked() {
        assert_eq!(refused(|o| o.timing.heartbeat = o.timing.election_timeout_min), "timing.heartbeat");
        assert_eq!(
            refused(|o| o.timing.election_timeout_max = Duration::from_millis(1)),
            "timing.election_timeout_max"
        );
        assert_eq!(refused(|o| o.timing.round_timeout_max = Duration::from_millis(1)), "timing.round_timeout_max");
        let long = Duration::from_secs(1);
        assert_eq!(refused(|o| (o.reads.method, o.reads.lease) = (ReadMethod::Lease, long)), "reads.lease");
        assert_eq!(refused(|o| o.clients.retry_max = Duration::from_micros(100)), "clients.retry_max");
        assert_eq!(refused(|o| o.check_quorum.timeout = o.timing.heartbeat), "check_quorum.timeout");
        assert_eq!(refused(|o| o.transport.requests_in_flight = 1), "transport.requests_in_flight");
        let silent = |o: &mut RaftOptions| {
            (o.transport.kind, o.transport.requests_in_flight) = (TransportKind::Connection, 1);
            o.votes.stale_reply = ReplyWhen::Never;
        };
        assert_eq!(refused(silent), "votes.stale_reply");
    }

    #[test]
    fn a_lease_is_shorter_than_the_promise_by_the_drift_of_two_clocks() {
        let options = super::super::presets::paper().with(|o| o.reads.lease = Duration::from_millis(1_010));
        assert_eq!(options.lease_within(0), Duration::from_millis(1_010));
        assert_eq!(options.lease_within(10_000), Duration::from_millis(990));
        assert_eq!(options.lease_within(2_000_000), Duration::ZERO);
    }

    #[test]
    fn every_preset_stands() {
        for preset in RaftOptions::presets() {
            (preset.make)().validate(FIVE).expect(preset.name);
        }
    }

    /// What the options are, and what they were, leaves no doubt.
    #[test]
    fn each_old_path_is_gone_and_leads_to_one_option() {
        let shape = OptionShape::of::<RaftOptions>();
        let options: Vec<String> = shape.options().into_iter().map(|(path, _)| path).collect();
        for (old, new) in RENAMED {
            assert!(!options.iter().any(|path| path == old), "{old}");
            assert!(options.iter().any(|path| path == new), "{new}");
        }
        for list in
            [RENAMED.iter().map(|(old, _)| *old).collect::<Vec<_>>(), RENAMED.iter().map(|(_, new)| *new).collect()]
        {
            let different: std::collections::BTreeSet<&str> = list.iter().copied().collect();
            assert_eq!(different.len(), list.len());
        }
    }

    /// Where an old name stands in a sentence without the group that it has now.
    fn old_names(doc: &str) -> Vec<&'static str> {
        let is_name = |letter: char| letter.is_alphanumeric() || "_.".contains(letter);
        let words = doc.split(|letter| !is_name(letter)).map(|word| word.trim_end_matches('.'));
        let words: Vec<&str> = words.collect();
        let old = RENAMED.iter().map(|(old, _)| *old).filter(|old| old.contains('_'));
        old.filter(|old| words.contains(old)).collect()
    }

    #[test]
    fn documents_name_options_by_their_paths() {
        let orders = Raft::ORDERS.iter().map(|order| order.doc);
        let invariants = RaftInvariants::<RaftNode>::LIST.iter().map(|invariant| invariant.doc);
        for doc in orders.chain(invariants) {
            assert!(old_names(doc).is_empty(), "{:?} in {doc:?}", old_names(doc));
        }
        assert_eq!(old_names("within transfer_timeout."), ["transfer_timeout"]);
        assert!(old_names("within transfer.timeout and check_quorum.timeout").is_empty());
    }
}
