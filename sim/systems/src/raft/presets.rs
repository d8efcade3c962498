//! Named sets of options. They set options and do nothing else.
//!
//! | preset | models | source of the values |
//! | --- | --- | --- |
//! | `paper` | the extended Raft paper | §5.2, §9.3: 150 to 300 ms |
//! | `etcd` | the etcd server | `ElectionMs` 1000, `TickMs` 100, pre-vote on since 3.5, check-quorum on |
//! | `nuraft` | NuRaft at its head of August 2026 | `raft_params.hxx`, limits of `raft_server.hxx` |
//! | `hashicorp` | hashicorp/raft 1.7 | `DefaultConfig` |

use splitbrain_kernel::options::Preset;
use splitbrain_kernel::time::Duration;

use super::bug::Bug;
use super::options::{
    Answer, CheckQuorumMethod, CommitCounts, ConfigurationAt, ConflictHint, Contact, ElectionTimer, JointLeave,
    LostRound, MatchedAtElection, OnRefusal, OnWriteFailure, PreVoteTerm, PriorityDecay, RaftOptions, Reads,
    Stickiness, TimeoutDrawn, TransferEnd, Transport, VoteCounting, VotesFor, WaitsForSync,
};

/// All of them; `paper` is the one taken where a scenario names none.
pub const PRESETS: &[Preset<RaftOptions>] = &[
    Preset { name: "paper", doc: "Raft as in the extended paper, without extensions.", make: paper },
    Preset {
        name: "etcd",
        doc: "The etcd server's defaults: pre-vote, check-quorum and leader leases for votes.",
        make: etcd,
    },
    Preset {
        name: "nuraft",
        doc: "NuRaft: its pre-vote, priorities, leadership expiry, and one request a peer over connections.",
        make: nuraft,
    },
    Preset {
        name: "hashicorp",
        doc: "hashicorp/raft: polled heartbeat timeout, leader lease, pre-vote, over connections.",
        make: hashicorp,
    },
];

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The extended paper (Ongaro, Ousterhout 2014): no pre-vote, no check-quorum, votes as of §5.2 and §5.4.
pub const fn paper() -> RaftOptions {
    PAPER
}

const PAPER: RaftOptions = RaftOptions {
    heartbeat: millis(50),
    election_timeout_min: millis(150),
    election_timeout_max: millis(300),
    round_timeout_min: millis(150),
    round_timeout_max: millis(300),
    startup_backoff: Duration::ZERO,
    skip_first_timeout: false,
    timeout_drawn: TimeoutDrawn::EachReset,
    election_timer: ElectionTimer::Restarted,
    timer_reset_on_higher_term: false,
    timer_reset_on_rejected_append: true,
    timer_reset_on_granted_vote: true,
    term_step: 1,
    pre_vote: false,
    pre_vote_term: PreVoteTerm::Next,
    pre_vote_log_check: true,
    pre_vote_stickiness: Stickiness::Contact,
    vote_stickiness: Stickiness::Never,
    sticky_reply: Answer::Always,
    stale_vote_reply: Answer::Always,
    stale_append_reply: Answer::Always,
    lost_round: LostRound::Wait,
    vote_counting: VoteCounting::Set,
    election_quorum: 0,
    commit_quorum: 0,
    auto_adjust_quorum: false,
    auto_adjust_rounds: 5,
    auto_adjust_heartbeats: 20,
    check_quorum: Duration::ZERO,
    check_quorum_method: CheckQuorumMethod::Window,
    check_quorum_contact: Contact::Any,
    check_quorum_spares_full: false,
    priority: 1,
    priority_decay: PriorityDecay::Arithmetic,
    zero_priority_leader: false,
    lagging_grace: Duration::ZERO,
    starved_exit: 0,
    busy_exit: 0,
    leave_timeouts: 2,
    transport: Transport::Datagram,
    requests_in_flight: 0,
    reconnect_after: Duration::ZERO,
    reconnect_on_pre_vote: false,
    noop: true,
    append_entries_max: 100,
    append_bytes_max: 0,
    appends_in_flight: 0,
    parallel_append: true,
    waits_for_sync: WaitsForSync::LogWrites,
    on_write_failure: OnWriteFailure::Exit,
    conflict_hint: ConflictHint::ByTerm,
    commit_counts: CommitCounts::OwnTerm,
    matched_at_election: MatchedAtElection::Reset,
    transfer_timeout: millis(300),
    transfer_end: TransferEnd::Election,
    snapshot_distance: 0,
    snapshot_trailing: 0,
    snapshot_part_bytes: 1 << 20,
    learner: false,
    configuration_at: ConfigurationAt::Append,
    joint_leave: JointLeave::Automatic,
    promotion_gap: 100,
    votes_for: VotesFor::Anyone,
    proposal_timeout: millis(1_000),
    on_refusal: OnRefusal::Fail,
    request_timeout: millis(250),
    retry_min: millis(10),
    retry_max: millis(200),
    session_timeout: millis(60_000),
    sessions_max: 64,
    reads: Reads::Log,
    read_lease: millis(150),
    bug: Bug::None,
};

/// The etcd server: `raft.go` with `PreVote` and `CheckQuorum`, 1000 ms drawn from [T, 2T), heartbeats of 100 ms.
///
/// In the etcd server the loop that ticks and sends waits for each sync too, which `waits_for_sync = "whole_loop"` is.
/// It is not set here: a loop that waits does not tick, so CheckQuorum promises nothing, and `quorum_contact` could
/// not be judged. `scenarios/field/etcd_7617.toml` sets it, and shows what it costs.
pub fn etcd() -> RaftOptions {
    RaftOptions {
        heartbeat: millis(100),
        election_timeout_min: millis(1_000),
        election_timeout_max: millis(2_000),
        round_timeout_min: millis(1_000),
        round_timeout_max: millis(2_000),
        timeout_drawn: TimeoutDrawn::EachTerm,
        timer_reset_on_higher_term: true,
        pre_vote: true,
        pre_vote_stickiness: Stickiness::Lease,
        vote_stickiness: Stickiness::Lease,
        sticky_reply: Answer::Never,
        stale_vote_reply: Answer::Never,
        stale_append_reply: Answer::Guarded,
        lost_round: LostRound::StepBack,
        check_quorum: millis(1_000),
        check_quorum_method: CheckQuorumMethod::Window,
        append_bytes_max: 512 * 1024,
        appends_in_flight: 512,
        transfer_timeout: millis(1_000),
        snapshot_distance: 10_000,
        snapshot_trailing: 5_000,
        configuration_at: ConfigurationAt::Commit,
        proposal_timeout: millis(7_000),
        on_refusal: OnRefusal::Fail,
        request_timeout: millis(1_500),
        reads: Reads::ReadIndex,
        read_lease: millis(1_000),
        retry_min: millis(50),
        retry_max: millis(1_000),
        ..paper()
    }
}

/// NuRaft: `handle_timeout.cxx`, `handle_vote.cxx`, `handle_priority.cxx` and the limits of `raft_server.hxx`.
pub fn nuraft() -> RaftOptions {
    RaftOptions {
        heartbeat: millis(125),
        election_timeout_min: millis(250),
        election_timeout_max: millis(500),
        round_timeout_min: millis(250),
        round_timeout_max: millis(500),
        startup_backoff: millis(50),
        timer_reset_on_higher_term: true,
        timer_reset_on_rejected_append: false,
        timer_reset_on_granted_vote: false,
        pre_vote: true,
        pre_vote_term: PreVoteTerm::Current,
        pre_vote_log_check: false,
        pre_vote_stickiness: Stickiness::Heartbeat,
        vote_counting: VoteCounting::Counter,
        check_quorum: millis(2_500),
        check_quorum_method: CheckQuorumMethod::EachHeartbeat,
        check_quorum_contact: Contact::Accepted,
        check_quorum_spares_full: true,
        zero_priority_leader: true,
        starved_exit: 20,
        busy_exit: 20,
        transport: Transport::Connection,
        requests_in_flight: 1,
        reconnect_after: millis(50 * 125),
        reconnect_on_pre_vote: true,
        parallel_append: false,
        conflict_hint: ConflictHint::Linear,
        commit_counts: CommitCounts::AnyTerm,
        matched_at_election: MatchedAtElection::Kept,
        transfer_timeout: millis(500),
        transfer_end: TransferEnd::StepDown,
        snapshot_trailing: 100_000,
        configuration_at: ConfigurationAt::Commit,
        votes_for: VotesFor::MembersInPreVotes,
        proposal_timeout: millis(3_000),
        on_refusal: OnRefusal::Fail,
        request_timeout: millis(750),
        read_lease: millis(250),
        retry_min: millis(25),
        retry_max: millis(500),
        ..paper()
    }
}

/// hashicorp/raft: `raft.go` and `config.go`; heartbeat timeout, election timeout and leader lease are options apart.
/// It counts by a counter, but each round has a channel of its own for its answers, so that none counts twice: a set.
pub fn hashicorp() -> RaftOptions {
    RaftOptions {
        heartbeat: millis(100),
        election_timeout_min: millis(1_000),
        election_timeout_max: millis(2_000),
        round_timeout_min: millis(1_000),
        round_timeout_max: millis(2_000),
        election_timer: ElectionTimer::Polled,
        timer_reset_on_rejected_append: false,
        pre_vote: true,
        pre_vote_stickiness: Stickiness::LeaderKnown,
        vote_stickiness: Stickiness::LeaderKnown,
        check_quorum: millis(500),
        check_quorum_method: CheckQuorumMethod::LeaseTimer,
        transport: Transport::Connection,
        append_entries_max: 64,
        appends_in_flight: 128,
        transfer_timeout: millis(1_000),
        snapshot_distance: 8_192,
        snapshot_trailing: 10_240,
        parallel_append: false,
        conflict_hint: ConflictHint::Linear,
        votes_for: VotesFor::Members,
        proposal_timeout: millis(2_000),
        on_refusal: OnRefusal::Fail,
        request_timeout: millis(750),
        reads: Reads::ReadIndex,
        read_lease: millis(1_000),
        retry_min: millis(25),
        retry_max: millis(500),
        ..paper()
    }
}
