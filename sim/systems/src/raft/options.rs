//! Options of Raft: every difference between implementations is one of these, and no code asks for a preset.
//!
//! The named sets are in [`super::presets`]. Where an option is one implementation's own, its name stands in the
//! option's documentation; sources are cited where the option acts.

use splitbrain_kernel::id::Cluster;
use splitbrain_kernel::options::{Idle, Options, OptionsError, PerServer, Preset, Scene, ValueKind};
use splitbrain_kernel::time::Duration;

use super::bug::Bug;

splitbrain_kernel::names! {
    /// When a timeout is drawn anew.
    pub enum TimeoutDrawn {
        /// Each time that the timer restarts (paper, NuRaft).
        EachReset = "each_reset",
        /// When the role or the term changes; a heartbeat restarts the same timeout (etcd).
        EachTerm = "each_term",
    }
}

splitbrain_kernel::names! {
    /// How a follower notices that its leader is silent.
    pub enum ElectionTimer {
        /// The timer restarts with each contact.
        Restarted = "restarted",
        /// The timer runs through, and asks when it fires how old the last contact is (hashicorp).
        Polled = "polled",
    }
}

splitbrain_kernel::names! {
    /// Which term a pre-vote speaks of.
    pub enum PreVoteTerm {
        /// The one that the candidate would start; a refusal carries the voter's own (thesis §9.6, etcd, hashicorp).
        Next = "next",
        /// The one that the candidate is in; the answer echoes it, and terms are not compared (NuRaft).
        Current = "current",
    }
}

splitbrain_kernel::names! {
    /// When a voter refuses because it takes a leader to be alive.
    pub enum Stickiness {
        /// Never.
        Never = "never",
        /// While it knows a leader and its election timer has run for less than the least timeout, and only with
        /// check_quorum; a leader always (etcd).
        Lease = "lease",
        /// While its last contact with a leader is younger than the least timeout; a leader always (thesis §4.2.3).
        Contact = "contact",
        /// While an append has come since its own last election timeout, and its timer has run for at most the least
        /// timeout; a leader while its heartbeats go on (NuRaft).
        Heartbeat = "heartbeat",
        /// While it knows a leader other than the candidate (hashicorp).
        LeaderKnown = "leader_known",
    }
}

splitbrain_kernel::names! {
    /// What a candidate does when a quorum has refused.
    pub enum LostRound {
        /// It becomes a follower and restarts its timer (etcd).
        StepBack = "step_back",
        /// It waits for its timer (NuRaft, hashicorp, paper).
        Wait = "wait",
    }
}

splitbrain_kernel::names! {
    /// Whether a request is answered.
    pub enum Answer {
        /// It is.
        Always = "always",
        /// It is not.
        Never = "never",
        /// It is with check_quorum or pre_vote: only then must the sender learn the later term this way (etcd).
        Guarded = "guarded",
    }
}

splitbrain_kernel::names! {
    /// What a client does when its proposal is refused.
    pub enum OnRefusal {
        /// It fails.
        Fail = "fail",
        /// The client tries the next server after a heartbeat, until the proposal times out.
        Retry = "retry",
    }
}

splitbrain_kernel::names! {
    /// How votes and pre-votes are counted.
    pub enum VoteCounting {
        /// By the set of servers that gave them.
        Set = "set",
        /// By a counter: safe only where no reply comes twice (NuRaft).
        Counter = "counter",
    }
}

splitbrain_kernel::names! {
    /// When a leader looks whether it still has a quorum.
    pub enum CheckQuorumMethod {
        /// At the end of each window of check_quorum: has a quorum answered within it? (etcd)
        Window = "window",
        /// At each heartbeat: is the last contact with a quorum older than check_quorum? (NuRaft leadership_expiry)
        EachHeartbeat = "each_heartbeat",
        /// When the oldest of the contacts would grow older than check_quorum (hashicorp LeaderLeaseTimeout).
        LeaseTimer = "lease_timer",
    }
}

splitbrain_kernel::names! {
    /// Which answers of a follower are contact with it.
    pub enum Contact {
        /// Every answer to an append.
        Any = "any",
        /// Only accepting ones (NuRaft).
        Accepted = "accepted",
    }
}

splitbrain_kernel::names! {
    /// How the target priority falls while there is no leader (NuRaft).
    pub enum PriorityDecay {
        /// By a fifth, at least 10, down to 1.
        Arithmetic = "arithmetic",
        /// To the next lower priority that a member has, down to 1.
        Tiered = "tiered",
    }
}

splitbrain_kernel::names! {
    /// What servers talk over.
    pub enum Transport {
        /// Datagrams.
        Datagram = "datagram",
        /// A connection to each peer for one's own requests; the answers come back over it.
        Connection = "connection",
    }
}

splitbrain_kernel::names! {
    /// What of a server waits for a sync of its disk.
    pub enum WaitsForSync {
        /// Nothing: what is being written counts as durable at once, as with a server that runs without fsync (etcd
        /// --unsafe-no-fsync). A crash of the machine can break every promise.
        Nothing = "nothing",
        /// What promises something: acknowledgements, votes, and the leader's own copy.
        LogWrites = "log_writes",
        /// Everything: one loop ticks, takes in messages, sends and syncs (etcd). While a sync is under way the server
        /// is silent and its timers do not run.
        WholeLoop = "whole_loop",
    }
}

splitbrain_kernel::names! {
    /// What a server does when a write or a sync fails.
    pub enum OnWriteFailure {
        /// It exits: what the disk holds is no longer known.
        Exit = "exit",
        /// It stays, and writes nothing more until it starts anew. It sends and answers still, but for what would have
        /// to be durable first: a leader goes on with its heartbeats.
        Stay = "stay",
    }
}

splitbrain_kernel::names! {
    /// What a follower says of its log where it refuses an append, and how far the leader steps back then.
    pub enum ConflictHint {
        /// The term at the place that was refused: the leader steps back over all that cannot agree (etcd).
        ByTerm = "by_term",
        /// Its last place: the leader steps back to behind it, or by one place (NuRaft, hashicorp).
        Linear = "linear",
    }
}

splitbrain_kernel::names! {
    /// Which entries a leader commits by counting copies.
    pub enum CommitCounts {
        /// Those of its own term, and what comes before them (§5.4.2).
        OwnTerm = "own_term",
        /// Those of any term (NuRaft): what is committed so can be lost, as in the paper's figure 8.
        AnyTerm = "any_term",
    }
}

splitbrain_kernel::names! {
    /// What a new leader takes its followers to have.
    pub enum MatchedAtElection {
        /// Nothing, until they answer (§5.3).
        Reset = "reset",
        /// What it knew when it led before, until they answer or their connection dies (NuRaft): it commits what they
        /// have lost since.
        Kept = "kept",
    }
}

splitbrain_kernel::names! {
    /// How a leader serves a read of the key-value store.
    pub enum Reads {
        /// Through the log, as a command.
        Log = "log",
        /// When a quorum has confirmed that it leads still (thesis §6.4, etcd ReadIndex).
        ReadIndex = "read_index",
        /// The same, and for read_lease after it without a confirmation: as right as the clocks are (thesis §6.4.1).
        Lease = "lease",
    }
}

splitbrain_kernel::names! {
    /// What ends the transfer of a leadership.
    pub enum TransferEnd {
        /// The election of the target; if that does not come in time, the leader goes on (etcd, hashicorp).
        Election = "election",
        /// The leader steps down once the target has its log, or the time is over (NuRaft).
        StepDown = "step_down",
    }
}

splitbrain_kernel::names! {
    /// From when on a server goes by a configuration.
    pub enum ConfigurationAt {
        /// When its log has the entry (§6, hashicorp).
        Append = "append",
        /// When it knows that the entry is committed (etcd, NuRaft).
        Commit = "commit",
    }
}

splitbrain_kernel::names! {
    /// How a joint configuration ends.
    pub enum JointLeave {
        /// The leader leaves it once it is committed (etcd AutoLeave).
        Automatic = "automatic",
        /// By order.
        Ordered = "ordered",
    }
}

splitbrain_kernel::names! {
    /// Which candidates a server answers with votes.
    pub enum VotesFor {
        /// All: a voter goes by the candidate's configuration, as it may not know it yet (thesis §4.1).
        Anyone = "anyone",
        /// A server refuses pre-votes to a candidate that is no member of the server's own configuration (NuRaft).
        MembersInPreVotes = "members_in_pre_votes",
        /// It refuses votes and pre-votes to such a candidate (hashicorp).
        Members = "members",
    }
}

const TIMING: ValueKind = ValueKind::Duration { min: Duration::from_micros(100), max: Duration::from_secs(3_600) };
const SPAN: ValueKind = ValueKind::Duration { min: Duration::ZERO, max: Duration::from_secs(3_600) };
const COUNT: ValueKind = ValueKind::Integer { min: 0, max: 1_000_000 };
/// A count of events after which something is given up.
const LIMIT: ValueKind = ValueKind::Integer { min: 1, max: 1_000_000 };
const SERVERS: ValueKind = ValueKind::Integer { min: 0, max: 64 };

splitbrain_kernel::options! {
    /// Options of Raft, for each server. Those of the base also hold for the clients.
    pub struct RaftOptions {
        /// Time between two heartbeats of a leader.
        pub heartbeat: Duration => TIMING,
        /// The least time without a leader before a follower campaigns.
        pub election_timeout_min: Duration => TIMING,
        /// The most time without a leader before a follower campaigns.
        pub election_timeout_max: Duration => TIMING,
        /// The least time that a candidate waits for the outcome of its round.
        pub round_timeout_min: Duration => TIMING,
        /// The most time that a candidate waits for the outcome of its round.
        pub round_timeout_max: Duration => TIMING,
        /// Added to the first election timeout after a start.
        pub startup_backoff: Duration => SPAN,
        /// Whether a server that starts waits for its first append before its election timer runs (NuRaft
        /// skip_initial_election_timeout).
        pub skip_first_timeout: bool => ValueKind::Bool,
        /// When a timeout is drawn anew.
        pub timeout_drawn: TimeoutDrawn => ValueKind::Name(TimeoutDrawn::NAMES),
        /// How a follower notices that its leader is silent.
        pub election_timer: ElectionTimer => ValueKind::Name(ElectionTimer::NAMES),
        /// Whether a follower that hears of a later term restarts its timer, even where it refuses its vote (etcd,
        /// NuRaft).
        pub timer_reset_on_higher_term: bool => ValueKind::Bool,
        /// Whether an append of the current leader that does not fit restarts the timer.
        pub timer_reset_on_rejected_append: bool => ValueKind::Bool,
        /// Whether a vote that is granted restarts the voter's timer (§5.2). NuRaft restarts it only for a later term.
        pub timer_reset_on_granted_vote: bool => ValueKind::Bool,
        /// By how much a candidate raises its term (NuRaft inc_term_cb).
        pub term_step: u64 => ValueKind::Integer { min: 1, max: 1_000_000 },

        /// Whether a round of pre-votes comes before an election.
        pub pre_vote: bool => ValueKind::Bool,
        /// Which term a pre-vote speaks of.
        pub pre_vote_term: PreVoteTerm => ValueKind::Name(PreVoteTerm::NAMES),
        /// Whether a pre-vote is refused to a candidate whose log is behind.
        pub pre_vote_log_check: bool => ValueKind::Bool,
        /// When a pre-vote is refused because a leader is alive.
        pub pre_vote_stickiness: Stickiness => ValueKind::Name(Stickiness::NAMES),
        /// When a vote is refused because a leader is alive; the voter then keeps its term too.
        pub vote_stickiness: Stickiness => ValueKind::Name(Stickiness::NAMES),
        /// Whether a server that refuses because a leader is alive says so.
        pub sticky_reply: Answer => ValueKind::Name(Answer::NAMES),
        /// Whether a vote request of an earlier term is answered.
        pub stale_vote_reply: Answer => ValueKind::Name(Answer::NAMES),
        /// Whether an append of an earlier term is answered.
        pub stale_append_reply: Answer => ValueKind::Name(Answer::NAMES),
        /// What a candidate does when a quorum has refused.
        pub lost_round: LostRound => ValueKind::Name(LostRound::NAMES),
        /// How votes and pre-votes are counted.
        pub vote_counting: VoteCounting => ValueKind::Name(VoteCounting::NAMES),
        /// How many votes win an election, the own one included; a majority of the voters where 0 or above their
        /// number. Safe only where each election quorum meets each commit quorum and each other one.
        pub election_quorum: u64 => SERVERS,
        /// How many copies commit an entry, the own one included; a majority of the voters where 0 or above their
        /// number.
        pub commit_quorum: u64 => SERVERS,
        /// Whether one of two servers takes itself for a quorum once the other has been silent for long (NuRaft
        /// auto_adjust_quorum_for_small_cluster): both may, and then both lead.
        pub auto_adjust_quorum: bool => ValueKind::Bool,
        /// With auto_adjust_quorum: one of two servers takes itself for a quorum when no quorum has answered in more
        /// than this many rounds of pre-votes in a row (NuRaft vote_limit).
        pub auto_adjust_rounds: u64 => LIMIT,
        /// With auto_adjust_quorum: a leader of two servers goes on alone when its follower has not answered for more
        /// than this many heartbeats (NuRaft response_limit).
        pub auto_adjust_heartbeats: u64 => LIMIT,

        /// A leader steps down when it has had no contact with a quorum for this long; never if 0.
        pub check_quorum: Duration => SPAN,
        /// When a leader looks whether it still has a quorum.
        pub check_quorum_method: CheckQuorumMethod => ValueKind::Name(CheckQuorumMethod::NAMES),
        /// Which answers of a follower are contact with it.
        pub check_quorum_contact: Contact => ValueKind::Name(Contact::NAMES),
        /// Whether a leader stays where a quorum is all of the voters, as with one or two of them (NuRaft).
        pub check_quorum_spares_full: bool => ValueKind::Bool,

        /// The server's priority. A server campaigns while its own is at least the target, which starts as the highest
        /// of all and falls while there is no leader; one of priority 0 does not campaign (NuRaft).
        pub priority: u64 => COUNT,
        /// How the target falls.
        pub priority_decay: PriorityDecay => ValueKind::Name(PriorityDecay::NAMES),
        /// Whether a server of priority 0 may campaign when no other server has done so for a long time; it then gives
        /// up its leadership at once.
        pub zero_priority_leader: bool => ValueKind::Bool,
        /// How long a server whose state machine lags behind its log does not campaign, once a term; without a limit if
        /// 0 (NuRaft grace_period_of_lagging_state_machine).
        pub lagging_grace: Duration => SPAN,
        /// The process exits after this many refusals of its pre-votes by a quorum; never if 0 (NuRaft
        /// pre_vote_rejection_limit).
        pub starved_exit: u64 => COUNT,
        /// The process exits after this many rounds of pre-votes since its start in which it could not ask a quorum,
        /// because connections were busy; never if 0 (NuRaft busy_connection_limit).
        pub busy_exit: u64 => COUNT,
        /// A server that is asked to leave goes silent after this many election timeouts without a request (NuRaft
        /// steps_to_down, which is always 2 there).
        pub leave_timeouts: u64 => LIMIT,

        /// What servers talk over.
        pub transport: Transport => ValueKind::Name(Transport::NAMES),
        /// How many requests to one peer may wait for their answers: no limit where 0. At most 1 otherwise; a request
        /// that finds its peer busy is not sent (NuRaft).
        pub requests_in_flight: u64 => ValueKind::Integer { min: 0, max: 1 },
        /// A connection whose request has waited this long for its answer is given up and opened anew; never if 0.
        pub reconnect_after: Duration => SPAN,
        /// Whether the first round of pre-votes after a live leader opens every connection anew (NuRaft).
        pub reconnect_on_pre_vote: bool => ValueKind::Bool,

        /// Whether a new leader appends an empty entry of its term at once (§8).
        pub noop: bool => ValueKind::Bool,
        /// The most entries in one append.
        pub append_entries_max: u64 => ValueKind::Integer { min: 1, max: 1_000_000 },
        /// The most bytes of entries in one append; no bound where 0. An entry that is larger goes alone (etcd
        /// MaxSizePerMsg).
        pub append_bytes_max: u64 => ValueKind::Integer { min: 0, max: 1_000_000_000 },
        /// How many appends with entries may be on their way to a follower whose log agrees; no bound where 0 (etcd
        /// MaxInflightMsgs, hashicorp rpcMaxPipeline).
        pub appends_in_flight: u64 => COUNT,
        /// Whether a leader sends entries while it writes them (thesis §10.2.1), or once its own disk has them.
        pub parallel_append: bool => ValueKind::Bool,
        /// What of a server waits for a sync of its disk.
        pub waits_for_sync: WaitsForSync => ValueKind::Name(WaitsForSync::NAMES),
        /// What a server does when a write or a sync fails.
        pub on_write_failure: OnWriteFailure => ValueKind::Name(OnWriteFailure::NAMES),
        /// What a follower says of its log where it refuses an append, and how far the leader steps back then.
        pub conflict_hint: ConflictHint => ValueKind::Name(ConflictHint::NAMES),
        /// Which entries a leader commits by counting copies.
        pub commit_counts: CommitCounts => ValueKind::Name(CommitCounts::NAMES),
        /// What a new leader takes its followers to have.
        pub matched_at_election: MatchedAtElection => ValueKind::Name(MatchedAtElection::NAMES),
        /// For how long a leader that hands its leadership over refuses proposals, if the other does not take over.
        pub transfer_timeout: Duration => TIMING,
        /// What ends the transfer of a leadership.
        pub transfer_end: TransferEnd => ValueKind::Name(TransferEnd::NAMES),
        /// After so many applied entries a server takes a snapshot; never where 0 (NuRaft snapshot_distance, etcd
        /// snapshot-count). A server inside another node takes one when that node hands it its state.
        pub snapshot_distance: u64 => COUNT,
        /// How many entries of the log stay behind a snapshot, for followers that lag a little (NuRaft
        /// reserved_log_items, hashicorp TrailingLogs).
        pub snapshot_trailing: u64 => COUNT,
        /// The most bytes of a snapshot in one message; a larger item goes alone.
        pub snapshot_part_bytes: u64 => ValueKind::Integer { min: 1, max: 1_000_000_000 },
        /// Whether the server is a learner: it follows, but neither campaigns nor counts. A change of the membership
        /// can promote it.
        pub learner: bool => ValueKind::Bool,
        /// From when on a server goes by a configuration.
        pub configuration_at: ConfigurationAt => ValueKind::Name(ConfigurationAt::NAMES),
        /// How a joint configuration ends.
        pub joint_leave: JointLeave => ValueKind::Name(JointLeave::NAMES),
        /// How many entries a learner may lack when it is promoted, alone or by way of a joint configuration.
        pub promotion_gap: u64 => COUNT,
        /// Which candidates a server answers with votes.
        pub votes_for: VotesFor => ValueKind::Name(VotesFor::NAMES),
        /// How long a client waits for the answer to an operation, over all attempts.
        pub proposal_timeout: Duration => TIMING,
        /// What a client does when a proxy or an overloaded server refuses its proposal.
        pub on_refusal: OnRefusal => ValueKind::Name(OnRefusal::NAMES),
        /// How long a client of the key-value store waits for the answer to one attempt.
        pub request_timeout: Duration => TIMING,
        /// The least wait of such a client before it asks the next server; doubles with each wait of an operation.
        pub retry_min: Duration => TIMING,
        /// The most that such a client waits before it asks the next server.
        pub retry_max: Duration => TIMING,
        /// A client's session expires when it was not used for longer than this, in log time. The same for all servers.
        pub session_timeout: Duration => TIMING,
        /// The most sessions: one more takes the place of the one that was not used for longest. The same for all
        /// servers.
        pub sessions_max: u64 => ValueKind::Integer { min: 1, max: 1_000_000 },

        /// How a leader serves a read of the key-value store. Either all servers use leases or none does.
        pub reads: Reads => ValueKind::Name(Reads::NAMES),
        /// With reads = "lease": how long after a confirmation, and after its start, a voter gives no vote. The lease
        /// of the leader is as long, less the declared bound on drift. At most election_timeout_min, and the same for
        /// all servers.
        pub read_lease: Duration => TIMING,

        /// A known bug.
        pub bug: Bug => ValueKind::Name(Bug::NAMES),
    }
}

impl RaftOptions {
    /// The longest that a leader goes on without contact to a quorum, on its own clock; nothing where it may for ever.
    /// Where [`RaftOptions::check_quorum_spares_full`] applies, there is no bound either; nor where the whole loop
    /// waits for syncs, as it does not tick meanwhile.
    pub const fn contact_bound(&self) -> Option<Duration> {
        if self.check_quorum.is_zero() || matches!(self.waits_for_sync, WaitsForSync::WholeLoop) {
            return None;
        }
        Some(match self.check_quorum_method {
            CheckQuorumMethod::Window => self.check_quorum.saturating_mul(2),
            CheckQuorumMethod::EachHeartbeat => self.check_quorum.saturating_add(self.heartbeat),
            CheckQuorumMethod::LeaseTimer => self.check_quorum.saturating_add(Self::LEASE_CHECK_MIN),
        })
    }

    /// The least time between two looks at the lease (hashicorp `minCheckInterval`).
    pub const LEASE_CHECK_MIN: Duration = Duration::from_millis(10);

    /// Whether a request is answered under this rule.
    pub(super) const fn answers(&self, answer: Answer) -> bool {
        match answer {
            Answer::Always => true,
            Answer::Never => false,
            Answer::Guarded => self.pre_vote || !self.check_quorum.is_zero(),
        }
    }
}

impl Options for RaftOptions {
    fn presets() -> &'static [Preset<Self>] {
        super::presets::PRESETS
    }

    fn idle(all: &PerServer<Self>, scene: Scene<'_>) -> Vec<(Idle, &'static str)> {
        super::idle::of(all, scene)
    }

    fn validate(&self, _cluster: Cluster) -> Result<(), OptionsError> {
        self.validate_timing()?;
        if !self.check_quorum.is_zero() && self.check_quorum <= self.heartbeat {
            let message = format!("must be 0 or more than heartbeat ({})", self.heartbeat);
            return Err(OptionsError::new("check_quorum", message));
        }
        if self.requests_in_flight > 0 && self.transport == Transport::Datagram {
            let message = "needs transport = \"connection\": a lost datagram would never be answered";
            return Err(OptionsError::new("requests_in_flight", message));
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
        self.read_lease.saturating_mul(ALL - drift).div(ALL + drift)
    }

    /// A voter whose timer fires is bound by no promise.
    fn validate_lease(&self) -> Result<(), OptionsError> {
        if self.reads == Reads::Lease && self.read_lease > self.election_timeout_min {
            let message = format!("must be at most election_timeout_min ({})", self.election_timeout_min);
            return Err(OptionsError::new("read_lease", message));
        }
        Ok(())
    }

    /// With one request in flight, a request that is never answered blocks its peer.
    fn validate_answers(&self) -> Result<(), OptionsError> {
        let rules = [
            ("sticky_reply", self.sticky_reply),
            ("stale_vote_reply", self.stale_vote_reply),
            ("stale_append_reply", self.stale_append_reply),
        ];
        let unanswered = rules.iter().find(|(_, answer)| !self.answers(*answer));
        match unanswered {
            Some((option, _)) if self.requests_in_flight > 0 => {
                let message = "must be \"always\" with requests_in_flight: an unanswered request blocks its peer";
                Err(OptionsError::new(*option, message))
            }
            _ => Ok(()),
        }
    }

    fn validate_timing(&self) -> Result<(), OptionsError> {
        if self.heartbeat >= self.election_timeout_min {
            let message = format!("must be less than election_timeout_min ({})", self.election_timeout_min);
            return Err(OptionsError::new("heartbeat", message));
        }
        if self.election_timeout_min > self.election_timeout_max {
            let message = format!("must be at least election_timeout_min ({})", self.election_timeout_min);
            return Err(OptionsError::new("election_timeout_max", message));
        }
        if self.retry_min > self.retry_max {
            let message = format!("must be at least retry_min ({})", self.retry_min);
            return Err(OptionsError::new("retry_max", message));
        }
        if self.round_timeout_min > self.round_timeout_max {
            let message = format!("must be at least round_timeout_min ({})", self.round_timeout_min);
            return Err(OptionsError::new("round_timeout_max", message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE: Cluster = Cluster::plain(5, 0);

    fn refused(change: impl FnOnce(&mut RaftOptions)) -> String {
        let mut options = super::super::presets::paper();
        change(&mut options);
        options.validate(FIVE).expect_err("these cannot stand together").option
    }

    #[test]
    fn relations_are_checked() {
        assert_eq!(refused(|o| o.heartbeat = o.election_timeout_min), "heartbeat");
        assert_eq!(refused(|o| o.election_timeout_max = Duration::from_millis(1)), "election_timeout_max");
        assert_eq!(refused(|o| o.round_timeout_max = Duration::from_millis(1)), "round_timeout_max");
        let long = Duration::from_secs(1);
        assert_eq!(refused(|o| (o.reads, o.read_lease) = (Reads::Lease, long)), "read_lease");
        assert_eq!(refused(|o| o.retry_max = Duration::from_micros(100)), "retry_max");
        assert_eq!(refused(|o| o.check_quorum = o.heartbeat), "check_quorum");
        assert_eq!(refused(|o| o.requests_in_flight = 1), "requests_in_flight");
    }

    #[test]
    fn a_lease_is_shorter_than_the_promise_by_the_drift_of_two_clocks() {
        let options = RaftOptions { read_lease: Duration::from_millis(1_010), ..super::super::presets::paper() };
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
}
