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
    Candidates, CheckQuorumMethod, CheckQuorumOptions, ClientOptions, CommitCounts, ConfigurationAt, ConflictHint,
    Contact, ElectionTimer, JointLeave, LogOptions, LostRound, MatchedAtElection, MembershipOptions, OnRefusal,
    OnWriteFailure, PreVoteOptions, PreVoteTerm, PriorityDecay, PriorityOptions, QuorumOptions, RaftOptions,
    ReadMethod, ReadOptions, ReplyWhen, SnapshotOptions, Stickiness, TimeoutDrawn, TimingOptions, TransferEnd,
    TransferOptions, TransportKind, TransportOptions, VoteCounting, VoteOptions, WaitsForSync,
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
    timing: TimingOptions {
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
        lagging_grace: Duration::ZERO,
    },
    pre_vote: PreVoteOptions {
        enabled: false,
        term: PreVoteTerm::Next,
        log_check: true,
        stickiness: Stickiness::Contact,
        exit_after_rejections: 0,
        exit_after_busy_rounds: 0,
    },
    votes: VoteOptions {
        stickiness: Stickiness::Never,
        leader_alive_reply: ReplyWhen::Always,
        stale_reply: ReplyWhen::Always,
        candidates: Candidates::Anyone,
        counting: VoteCounting::Set,
        lost_round: LostRound::Wait,
        term_step: 1,
    },
    quorum: QuorumOptions {
        election: 0,
        commit: 0,
        auto_adjust: false,
        auto_adjust_rounds: 5,
        auto_adjust_heartbeats: 20,
    },
    check_quorum: CheckQuorumOptions {
        timeout: Duration::ZERO,
        method: CheckQuorumMethod::Window,
        contact: Contact::Any,
        spares_full: false,
    },
    priority: PriorityOptions { value: 1, decay: PriorityDecay::Arithmetic, zero_leader: false },
    transport: TransportOptions {
        kind: TransportKind::Datagram,
        requests_in_flight: 0,
        reconnect_after: Duration::ZERO,
        reconnect_on_pre_vote: false,
    },
    log: LogOptions {
        noop: true,
        append_entries_max: 100,
        append_bytes_max: 0,
        appends_in_flight: 0,
        parallel_append: true,
        stale_append_reply: ReplyWhen::Always,
        conflict_hint: ConflictHint::ByTerm,
        commit_counts: CommitCounts::OwnTerm,
        matched_at_election: MatchedAtElection::Reset,
        waits_for_sync: WaitsForSync::LogWrites,
        on_write_failure: OnWriteFailure::Exit,
    },
    snapshot: SnapshotOptions { distance: 0, trailing: 0, part_bytes: 1 << 20 },
    membership: MembershipOptions {
        learner: false,
        configuration_at: ConfigurationAt::Append,
        joint_leave: JointLeave::Automatic,
        promotion_gap: 100,
        leave_timeouts: 2,
    },
    transfer: TransferOptions { timeout: millis(300), end: TransferEnd::Election },
    clients: ClientOptions {
        operation_timeout: millis(1_000),
        on_refusal: OnRefusal::Fail,
        request_timeout: millis(250),
        retry_min: millis(10),
        retry_max: millis(200),
        session_timeout: millis(60_000),
        sessions_max: 64,
    },
    reads: ReadOptions { method: ReadMethod::Log, lease: millis(150) },
    bug: Bug::None,
};

/// The etcd server: `raft.go` with `PreVote` and `CheckQuorum`, 1000 ms drawn from [T, 2T), heartbeats of 100 ms.
///
/// In the etcd server the loop that ticks and sends waits for each sync too, which `log.waits_for_sync = "whole_loop"`
/// is. It is not set here: a loop that waits does not tick, so CheckQuorum promises nothing, and `quorum_contact` could
/// not be judged. `scenarios/field/etcd_7617.toml` sets it, and shows what it costs.
pub fn etcd() -> RaftOptions {
    RaftOptions {
        timing: TimingOptions {
            heartbeat: millis(100),
            election_timeout_min: millis(1_000),
            election_timeout_max: millis(2_000),
            round_timeout_min: millis(1_000),
            round_timeout_max: millis(2_000),
            timeout_drawn: TimeoutDrawn::EachTerm,
            timer_reset_on_higher_term: true,
            ..PAPER.timing
        },
        pre_vote: PreVoteOptions { enabled: true, stickiness: Stickiness::Lease, ..PAPER.pre_vote },
        votes: VoteOptions {
            stickiness: Stickiness::Lease,
            leader_alive_reply: ReplyWhen::Never,
            stale_reply: ReplyWhen::Never,
            lost_round: LostRound::StepBack,
            ..PAPER.votes
        },
        check_quorum: CheckQuorumOptions { timeout: millis(1_000), ..PAPER.check_quorum },
        log: LogOptions {
            append_bytes_max: 512 * 1024,
            appends_in_flight: 512,
            stale_append_reply: ReplyWhen::Guarded,
            ..PAPER.log
        },
        snapshot: SnapshotOptions { distance: 10_000, trailing: 5_000, ..PAPER.snapshot },
        membership: MembershipOptions { configuration_at: ConfigurationAt::Commit, ..PAPER.membership },
        transfer: TransferOptions { timeout: millis(1_000), ..PAPER.transfer },
        clients: ClientOptions {
            operation_timeout: millis(7_000),
            request_timeout: millis(1_500),
            retry_min: millis(50),
            retry_max: millis(1_000),
            ..PAPER.clients
        },
        reads: ReadOptions { method: ReadMethod::ReadIndex, lease: millis(1_000) },
        ..PAPER
    }
}

/// NuRaft: `handle_timeout.cxx`, `handle_vote.cxx`, `handle_priority.cxx` and the limits of `raft_server.hxx`.
pub fn nuraft() -> RaftOptions {
    RaftOptions {
        timing: TimingOptions {
            heartbeat: millis(125),
            election_timeout_min: millis(250),
            election_timeout_max: millis(500),
            round_timeout_min: millis(250),
            round_timeout_max: millis(500),
            startup_backoff: millis(50),
            timer_reset_on_higher_term: true,
            timer_reset_on_rejected_append: false,
            timer_reset_on_granted_vote: false,
            ..PAPER.timing
        },
        pre_vote: PreVoteOptions {
            enabled: true,
            term: PreVoteTerm::Current,
            log_check: false,
            stickiness: Stickiness::Heartbeat,
            exit_after_rejections: 20,
            exit_after_busy_rounds: 20,
        },
        votes: VoteOptions {
            candidates: Candidates::MembersInPreVotes,
            counting: VoteCounting::Counter,
            ..PAPER.votes
        },
        check_quorum: CheckQuorumOptions {
            timeout: millis(2_500),
            method: CheckQuorumMethod::EachHeartbeat,
            contact: Contact::Accepted,
            spares_full: true,
        },
        priority: PriorityOptions { zero_leader: true, ..PAPER.priority },
        transport: TransportOptions {
            kind: TransportKind::Connection,
            requests_in_flight: 1,
            reconnect_after: millis(50 * 125),
            reconnect_on_pre_vote: true,
        },
        log: LogOptions {
            parallel_append: false,
            conflict_hint: ConflictHint::Linear,
            commit_counts: CommitCounts::AnyTerm,
            matched_at_election: MatchedAtElection::Kept,
            ..PAPER.log
        },
        snapshot: SnapshotOptions { trailing: 100_000, ..PAPER.snapshot },
        membership: MembershipOptions { configuration_at: ConfigurationAt::Commit, ..PAPER.membership },
        transfer: TransferOptions { timeout: millis(500), end: TransferEnd::StepDown },
        clients: ClientOptions {
            operation_timeout: millis(3_000),
            request_timeout: millis(750),
            retry_min: millis(25),
            retry_max: millis(500),
            ..PAPER.clients
        },
        reads: ReadOptions { lease: millis(250), ..PAPER.reads },
        ..PAPER
    }
}

/// hashicorp/raft: `raft.go` and `config.go`; heartbeat timeout, election timeout and leader lease are options apart.
/// It counts by a counter, but each round has a channel of its own for its answers, so that none counts twice: a set.
pub fn hashicorp() -> RaftOptions {
    RaftOptions {
        timing: TimingOptions {
            heartbeat: millis(100),
            election_timeout_min: millis(1_000),
            election_timeout_max: millis(2_000),
            round_timeout_min: millis(1_000),
            round_timeout_max: millis(2_000),
            election_timer: ElectionTimer::Polled,
            timer_reset_on_rejected_append: false,
            ..PAPER.timing
        },
        pre_vote: PreVoteOptions { enabled: true, stickiness: Stickiness::LeaderKnown, ..PAPER.pre_vote },
        votes: VoteOptions { stickiness: Stickiness::LeaderKnown, candidates: Candidates::Members, ..PAPER.votes },
        check_quorum: CheckQuorumOptions {
            timeout: millis(500),
            method: CheckQuorumMethod::LeaseTimer,
            ..PAPER.check_quorum
        },
        transport: TransportOptions { kind: TransportKind::Connection, ..PAPER.transport },
        log: LogOptions {
            append_entries_max: 64,
            appends_in_flight: 128,
            parallel_append: false,
            conflict_hint: ConflictHint::Linear,
            ..PAPER.log
        },
        snapshot: SnapshotOptions { distance: 8_192, trailing: 10_240, ..PAPER.snapshot },
        transfer: TransferOptions { timeout: millis(1_000), ..PAPER.transfer },
        clients: ClientOptions {
            operation_timeout: millis(2_000),
            request_timeout: millis(750),
            retry_min: millis(25),
            retry_max: millis(500),
            ..PAPER.clients
        },
        reads: ReadOptions { method: ReadMethod::ReadIndex, lease: millis(1_000) },
        ..PAPER
    }
}
