//! The groups of the options of Raft, each a key of `[raft]`: `timing.heartbeat`.

use splitbrain_kernel::options::ValueKind;
use splitbrain_kernel::time::Duration;

use super::values::{
    Candidates, CheckQuorumMethod, CommitCounts, ConfigurationAt, ConflictHint, Contact, ElectionTimer, JointLeave,
    LostRound, MatchedAtElection, OnRefusal, OnWriteFailure, PreVoteTerm, PriorityDecay, ReadMethod, ReplyWhen,
    Stickiness, TimeoutDrawn, TransferEnd, TransportKind, VoteCounting, WaitsForSync,
};

const TIMING: ValueKind = ValueKind::Duration { min: Duration::from_micros(100), max: Duration::from_secs(3_600) };
const SPAN: ValueKind = ValueKind::Duration { min: Duration::ZERO, max: Duration::from_secs(3_600) };
const COUNT: ValueKind = ValueKind::Integer { min: 0, max: 1_000_000 };
/// A count of events after which something is given up.
const LIMIT: ValueKind = ValueKind::Integer { min: 1, max: 1_000_000 };
const SERVERS: ValueKind = ValueKind::Integer { min: 0, max: 64 };

splitbrain_kernel::options! {
    /// Heartbeats and timeouts, and what restarts the election timer: `[raft.timing]`.
    pub struct TimingOptions {
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
        /// Once a term, how long a server whose state machine lags behind its log does not campaign; 0: it does not
        /// wait (NuRaft grace_period_of_lagging_state_machine).
        pub lagging_grace: Duration => SPAN,
    }
}

splitbrain_kernel::options! {
    /// Rounds of pre-votes before elections: `[raft.pre_vote]`.
    pub struct PreVoteOptions {
        /// Whether a round of pre-votes comes before an election.
        pub enabled: bool => ValueKind::Bool,
        /// Which term a pre-vote speaks of.
        pub term: PreVoteTerm => ValueKind::Name(PreVoteTerm::NAMES),
        /// Whether a pre-vote is refused to a candidate whose log is behind.
        pub log_check: bool => ValueKind::Bool,
        /// When a pre-vote is refused because a leader is alive.
        pub stickiness: Stickiness => ValueKind::Name(Stickiness::NAMES),
        /// The process exits after this many rejections of its pre-votes by a quorum; 0: never (NuRaft
        /// pre_vote_rejection_limit).
        pub exit_after_rejections: u64 => COUNT,
        /// The process exits after this many rounds of pre-votes since its start in which it could not ask a quorum,
        /// because connections were busy; 0: never (NuRaft busy_connection_limit).
        pub exit_after_busy_rounds: u64 => COUNT,
    }
}

splitbrain_kernel::options! {
    /// How votes are asked for, given, refused and counted: `[raft.votes]`.
    pub struct VoteOptions {
        /// When a vote is refused because a leader is alive; the voter then keeps its term too.
        pub stickiness: Stickiness => ValueKind::Name(Stickiness::NAMES),
        /// Whether a server that refuses a vote or a pre-vote because a leader is alive says so.
        pub leader_alive_reply: ReplyWhen => ValueKind::Name(ReplyWhen::NAMES),
        /// Whether a vote request of an earlier term is answered.
        pub stale_reply: ReplyWhen => ValueKind::Name(ReplyWhen::NAMES),
        /// Which candidates a server answers with votes.
        pub candidates: Candidates => ValueKind::Name(Candidates::NAMES),
        /// How votes and pre-votes are counted.
        pub counting: VoteCounting => ValueKind::Name(VoteCounting::NAMES),
        /// What a candidate does when a quorum has refused.
        pub lost_round: LostRound => ValueKind::Name(LostRound::NAMES),
        /// By how much a candidate raises its term (NuRaft inc_term_cb).
        pub term_step: u64 => ValueKind::Integer { min: 1, max: 1_000_000 },
    }
}

splitbrain_kernel::options! {
    /// How many servers decide: `[raft.quorum]`.
    pub struct QuorumOptions {
        /// How many votes win an election, the own one included; 0, or more than there are voters: a majority of them.
        /// Safe only if each election quorum meets each commit quorum and each other one.
        pub election: u64 => SERVERS,
        /// How many copies commit an entry, the own one included; 0, or more than there are voters: a majority of them.
        pub commit: u64 => SERVERS,
        /// Whether one of two servers takes itself for a quorum once the other has been silent for long (NuRaft
        /// auto_adjust_quorum_for_small_cluster): both may, and then both lead.
        pub auto_adjust: bool => ValueKind::Bool,
        /// With auto_adjust: one of two servers takes itself for a quorum when no quorum has answered in more than this
        /// many rounds of pre-votes in a row (NuRaft vote_limit).
        pub auto_adjust_rounds: u64 => LIMIT,
        /// With auto_adjust: a leader of two servers goes on alone when its follower has not answered for more than
        /// this many heartbeats (NuRaft response_limit).
        pub auto_adjust_heartbeats: u64 => LIMIT,
    }
}

splitbrain_kernel::options! {
    /// Whether and how a leader checks that it still has a quorum: `[raft.check_quorum]`.
    pub struct CheckQuorumOptions {
        /// A leader steps down when it has had no contact with a quorum for this long; 0: never.
        pub timeout: Duration => SPAN,
        /// When a leader looks whether it still has a quorum.
        pub method: CheckQuorumMethod => ValueKind::Name(CheckQuorumMethod::NAMES),
        /// Which answers of a follower are contact with it.
        pub contact: Contact => ValueKind::Name(Contact::NAMES),
        /// Whether a leader stays where a quorum is all of the voters, as with one or two of them (NuRaft).
        pub spares_full: bool => ValueKind::Bool,
    }
}

splitbrain_kernel::options! {
    /// Which servers may lead: `[raft.priority]`.
    pub struct PriorityOptions {
        /// The server's priority. A server campaigns, and gets votes, while its own is at least the target. The target
        /// is 1 at the start, the highest of all once a leader has been heard, and falls while there is none. A server
        /// of priority 0 does not campaign (NuRaft).
        pub value: u64 => COUNT,
        /// How the target falls.
        pub decay: PriorityDecay => ValueKind::Name(PriorityDecay::NAMES),
        /// Whether a server of priority 0 may campaign when no other server has done so for 20 heartbeats; it then
        /// gives up its leadership at once.
        pub zero_leader: bool => ValueKind::Bool,
    }
}

splitbrain_kernel::options! {
    /// Datagrams or connections between servers, and requests over them: `[raft.transport]`.
    pub struct TransportOptions {
        /// What servers talk over.
        pub kind: TransportKind => ValueKind::Name(TransportKind::NAMES),
        /// How many requests to one peer may wait for their answers; 0: no limit. With 1, a request that finds its peer
        /// busy is not sent (NuRaft).
        pub requests_in_flight: u64 => ValueKind::Integer { min: 0, max: 1 },
        /// A connection whose request has waited this long for its answer is given up and opened anew; 0: never.
        pub reconnect_after: Duration => SPAN,
        /// Whether the first round of pre-votes after a live leader opens every connection anew (NuRaft).
        pub reconnect_on_pre_vote: bool => ValueKind::Bool,
    }
}

splitbrain_kernel::options! {
    /// Entries: how they are sent, written, matched and committed: `[raft.log]`.
    pub struct LogOptions {
        /// Whether a new leader appends an empty entry of its term at once (§8).
        pub noop: bool => ValueKind::Bool,
        /// The most entries in one append.
        pub append_entries_max: u64 => ValueKind::Integer { min: 1, max: 1_000_000 },
        /// The most bytes of entries in one append; 0: no limit. A larger entry goes alone (etcd MaxSizePerMsg).
        pub append_bytes_max: u64 => ValueKind::Integer { min: 0, max: 1_000_000_000 },
        /// How many appends with entries may be on their way to a follower whose log agrees; 0: no limit (etcd
        /// MaxInflightMsgs, hashicorp rpcMaxPipeline).
        pub appends_in_flight: u64 => COUNT,
        /// Whether a leader sends entries while it writes them (thesis §10.2.1), or once its own disk has them.
        pub parallel_append: bool => ValueKind::Bool,
        /// Whether an append of an earlier term is answered.
        pub stale_append_reply: ReplyWhen => ValueKind::Name(ReplyWhen::NAMES),
        /// What a follower says of its log when it refuses an append, and how far the leader steps back then.
        pub conflict_hint: ConflictHint => ValueKind::Name(ConflictHint::NAMES),
        /// Which entries a leader commits by counting copies.
        pub commit_counts: CommitCounts => ValueKind::Name(CommitCounts::NAMES),
        /// What a new leader assumes of its followers' logs.
        pub matched_at_election: MatchedAtElection => ValueKind::Name(MatchedAtElection::NAMES),
        /// What waits for a sync of the disk.
        pub waits_for_sync: WaitsForSync => ValueKind::Name(WaitsForSync::NAMES),
        /// What a server does when a write or a sync fails.
        pub on_write_failure: OnWriteFailure => ValueKind::Name(OnWriteFailure::NAMES),
    }
}

splitbrain_kernel::options! {
    /// When snapshots are taken, and how they are sent: `[raft.snapshot]`.
    pub struct SnapshotOptions {
        /// A server takes a snapshot after this many applied entries; 0: never (NuRaft snapshot_distance, etcd
        /// snapshot-count). A server inside another node takes one when that node hands it its state.
        pub distance: u64 => COUNT,
        /// How many entries of the log stay behind a snapshot, for followers that lag a little (NuRaft
        /// reserved_log_items, hashicorp TrailingLogs).
        pub trailing: u64 => COUNT,
        /// The most bytes of a snapshot in one message; a larger item goes alone.
        pub part_bytes: u64 => ValueKind::Integer { min: 1, max: 1_000_000_000 },
    }
}

splitbrain_kernel::options! {
    /// Learners, and changes of the configuration: `[raft.membership]`.
    pub struct MembershipOptions {
        /// Whether the server is a learner: it follows, but neither campaigns nor counts. A change of the membership
        /// can promote it.
        pub learner: bool => ValueKind::Bool,
        /// When a configuration takes effect at a server.
        pub configuration_at: ConfigurationAt => ValueKind::Name(ConfigurationAt::NAMES),
        /// How a joint configuration ends.
        pub joint_leave: JointLeave => ValueKind::Name(JointLeave::NAMES),
        /// How many entries a learner may lack when it is promoted, alone or by way of a joint configuration.
        pub promotion_gap: u64 => COUNT,
        /// A server that is asked to leave goes silent after this many election timeouts without a request (NuRaft
        /// steps_to_down, which is always 2 there).
        pub leave_timeouts: u64 => LIMIT,
    }
}

splitbrain_kernel::options! {
    /// The transfer of a leadership to another server: `[raft.transfer]`.
    pub struct TransferOptions {
        /// For how long a leader that hands its leadership over refuses proposals, if the other does not take over.
        pub timeout: Duration => TIMING,
        /// What ends the transfer of a leadership.
        pub end: TransferEnd => ValueKind::Name(TransferEnd::NAMES),
    }
}

splitbrain_kernel::options! {
    /// How long clients wait and when they try again, and their sessions: `[raft.clients]`.
    pub struct ClientOptions {
        /// How long a client waits for the answer to an operation, proposal or read, over all attempts.
        pub operation_timeout: Duration => TIMING,
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
    }
}

splitbrain_kernel::options! {
    /// How reads of the key-value store are served: `[raft.reads]`.
    pub struct ReadOptions {
        /// How a leader serves a read of the key-value store. Either all servers use leases or none does.
        pub method: ReadMethod => ValueKind::Name(ReadMethod::NAMES),
        /// With method = "lease": how long after it last heard from its leader, and after its start, a voter gives no
        /// vote. The lease of the leader is as long, less the declared bound on drift. At most
        /// timing.election_timeout_min, and the same for all servers.
        pub lease: Duration => TIMING,
    }
}
