//! What a clean swarm cannot come to, with the reason. What is not listed has to come.

use splitbrain_kernel::node::Observation;
use splitbrain_systems::raft::observation::RaftObservation;

/// Things that never come.
pub(crate) struct Absent {
    /// In these swarms; in every one if none is named.
    pub(crate) swarms: &'static [&'static str],
    /// The names of their rows; one that ends with `*` stands for all that begin so.
    pub(crate) what: &'static [&'static str],
    /// Why.
    pub(crate) why: &'static str,
}

impl Absent {
    /// Whether it is about this row of this swarm.
    pub(crate) fn is_about(&self, swarm: &str, row: &str) -> bool {
        let is_it = |name: &str| name.strip_suffix('*').map_or(name == row, |start| row.starts_with(start));
        (self.swarms.is_empty() || self.swarms.contains(&swarm)) && self.what.iter().any(|name| is_it(name))
    }
}

/// The swarms of Raft whose clients propose to the register.
const REGISTER: &[&str] = &["etcd", "hashicorp", "membership", "nuraft", "paper", "rules", "snapshots"];

/// The swarms of Raft whose servers have the rules of one preset.
const ALL_BUT_RULES: &[&str] = &[
    "etcd",
    "hashicorp",
    "kv_etcd",
    "kv_hashicorp",
    "kv_membership",
    "kv_nuraft",
    "kv_paper",
    "kv_snapshots",
    "membership",
    "nuraft",
    "paper",
    "snapshots",
];

pub(crate) const RAFT: &[Absent] = &[
    Absent {
        swarms: &[
            "etcd",
            "hashicorp",
            "kv_etcd",
            "kv_hashicorp",
            "kv_nuraft",
            "kv_paper",
            "kv_snapshots",
            "nuraft",
            "paper",
            "rules",
            "snapshots",
        ],
        what: &[
            "`change_follows_own_commit`",
            "`configuration_in_force`",
            "`configurations_overlap`",
            "`one_change_at_a_time`",
            "`promoted_when_caught_up`",
            "`removed_leader_retires`",
            "change refused*",
            "configuration *",
            "election skipped: leaving",
            "joint configuration *",
            "left",
            "order: any change",
            "pre-vote answered: abandoned",
            "pre-vote denied: not member",
            "promoted",
            "removed",
            "stepped down: removed",
            "vote denied: not member",
        ],
        why: "the membership does not change",
    },
    Absent {
        swarms: ALL_BUT_RULES,
        what: &[
            "election skipped: catching up",
            "election skipped: receiving snapshot",
            "election skipped: resigned",
            "order: append",
            "order: campaign",
            "order: catching up",
            "order: receiving snapshot",
            "order: resign",
            "order: step down",
            "stepped down: ordered",
        ],
        why: "the swarm `rules` alone gives such orders",
    },
    Absent {
        swarms: ALL_BUT_RULES,
        what: &[
            "election skipped: low priority",
            "priority decayed",
            "stepped down: zero priority",
            "vote denied: low priority",
        ],
        why: "all servers have one priority; those of `rules` have several",
    },
    Absent {
        swarms: &["etcd", "hashicorp", "kv_etcd", "kv_hashicorp", "kv_nuraft", "kv_paper", "nuraft", "paper", "rules"],
        what: &[
            "`snapshot_soundness`",
            "log compacted",
            "order: snapshot",
            "part answered: *",
            "record: part",
            "record: snapshot",
            "snapshot *",
        ],
        why: "a run has fewer entries than the preset's snapshot.distance, or that is 0",
    },
    Absent {
        swarms: &["etcd", "hashicorp", "kv_etcd", "kv_hashicorp", "kv_nuraft", "kv_paper", "nuraft", "paper"],
        what: &[
            "`transfer_ends`",
            "order: transfer",
            "stepped down: transferred",
            "timer: transfer",
            "transfer aborted",
            "transfer started",
        ],
        why: "no order hands a leadership over",
    },
    Absent {
        swarms: &[
            "etcd",
            "hashicorp",
            "kv_etcd",
            "kv_hashicorp",
            "kv_nuraft",
            "kv_paper",
            "kv_snapshots",
            "nuraft",
            "paper",
            "snapshots",
        ],
        what: &["election skipped", "election skipped: not voter"],
        why: "every server votes, and is as good a leader as another",
    },
    Absent {
        swarms: REGISTER,
        what: &[
            "`answers_follow_order`",
            "`exactly_once`",
            "`failed_stays_out`",
            "`linearizable`",
            "executed",
            "read by index",
            "read by lease",
            "refused",
            "repeated",
            "request answered: *",
            "timer: request",
        ],
        why: "the clients propose to the register, and not to the key-value store",
    },
    Absent {
        swarms: &["kv_etcd", "kv_hashicorp", "kv_membership", "kv_nuraft", "kv_paper", "kv_snapshots"],
        what: &["proposal answered: *"],
        why: "the clients ask the key-value store, and not the register",
    },
    Absent {
        swarms: &["kv_paper", "paper"],
        what: &[
            "`pre_vote_by_quorum`",
            "`pre_vote_purity`",
            "`quorum_contact`",
            "became pre-candidate",
            "pre-vote *",
            "quorum lost",
            "stepped down: no quorum",
            "timer: check quorum",
        ],
        why: "the paper has neither pre-votes nor a check of the quorum",
    },
    Absent {
        swarms: &["etcd", "kv_etcd", "kv_paper", "paper"],
        what: &["connection: *"],
        why: "servers talk by datagrams",
    },
    Absent {
        swarms: &["etcd", "kv_etcd", "kv_paper", "paper"],
        what: &["leadership expired"],
        why: "a leader that checks its quorum by windows says `quorum lost`, and the paper's does not check it",
    },
    Absent {
        swarms: &["hashicorp", "kv_hashicorp", "kv_nuraft", "nuraft"],
        what: &["quorum lost"],
        why: "a leader that does not check its quorum by windows says `leadership expired`",
    },
    Absent {
        swarms: &["kv_nuraft", "nuraft"],
        what: &["pre-vote denied: log behind", "pre-vote denied: stale term", "pre-vote denied: voted"],
        why: "NuRaft's pre-votes compare neither logs nor terms",
    },
    Absent {
        swarms: &["kv_nuraft", "nuraft"],
        what: &["timer: check quorum"],
        why: "NuRaft looks at its quorum with each heartbeat",
    },
    Absent {
        swarms: &["etcd", "hashicorp", "kv_etcd", "kv_hashicorp", "kv_paper", "paper"],
        what: &["starved exit"],
        why: "only NuRaft gives up so",
    },
    Absent {
        swarms: &["nuraft", "paper"],
        what: &["vote denied: leader alive"],
        why: "neither refuses a vote for the sake of a leader",
    },
    Absent {
        swarms: &[],
        what: &["quorum adjusted", "quorum restored"],
        why: "quorum.auto_adjust is off: it gives up `election_safety`, as `two_servers_adjusted.toml` shows",
    },
    Absent { swarms: &[], what: &["rival leader"], why: "two leaders in one term would break `election_safety`" },
    Absent {
        swarms: &[],
        what: &["election skipped: lagging state machine"],
        why: "timing.lagging_grace is 0: each term begins another grace, so no bound on the wait for a leader is \
              promised; `lagging_grace.toml` has it",
    },
    Absent {
        swarms: &[],
        what: &["order: leave"],
        why: "who was asked to leave is silent for good, and the core may need it; `steps_to_down.toml` has it",
    },
    Absent {
        swarms: &[],
        what: &["change refused: changes nothing"],
        why: "the leader draws only changes that change something",
    },
];

/// The swarms of a single master.
const SINGLE: &[&str] =
    &["single_chubby", "single_consul", "single_etcd", "single_kubernetes", "single_zbs", "single_zookeeper"];

pub(crate) const SESSION: &[Absent] = &[
    Absent {
        swarms: &[],
        what: &[
            "`raft.change_follows_own_commit`",
            "`raft.configuration_in_force`",
            "`raft.configurations_overlap`",
            "`raft.one_change_at_a_time`",
            "`raft.promoted_when_caught_up`",
            "`raft.removed_leader_retires`",
            "change refused",
            "configuration *",
            "joint configuration *",
            "left",
            "promoted",
            "removed",
        ],
        why: "the membership of the masters does not change",
    },
    Absent {
        swarms: &[],
        what: &["`raft.transfer_ends`", "transfer aborted", "transfer started"],
        why: "no order of sessions hands a leadership over",
    },
    Absent {
        swarms: &[],
        what: &[
            "`raft.acknowledged_is_applied`",
            "`raft.answers_follow_order`",
            "`raft.exactly_once`",
            "`raft.failed_stays_out`",
            "`raft.linearizable`",
            "`raft.no_stale_answer`",
            "`raft.proposals_answered`",
            "`raft.redirect_is_no_result`",
            "executed",
            "read by index",
            "read by lease",
            "refused",
            "repeated",
        ],
        why: "clients of the raft inside there are none: a master appends for them, and reads its own table",
    },
    Absent {
        swarms: &[],
        what: &["leadership expired", "priority decayed", "quorum adjusted", "quorum restored", "starved exit"],
        why: "the raft inside has the rules of etcd, and these are of NuRaft and hashicorp",
    },
    Absent {
        swarms: &[],
        what: &["election skipped"],
        why: "every master votes, none has a priority, and none is told that it catches up",
    },
    Absent { swarms: &[], what: &["rival leader"], why: "two leaders in one term would break `raft.election_safety`" },
    Absent {
        swarms: SINGLE,
        what: &["`raft.*", "`session.counted_over_terms`", "lease written down"],
        why: "a single master has no raft inside, and no other goes on with its leases",
    },
    Absent {
        swarms: SINGLE,
        what: <RaftObservation as Observation>::NAMES,
        why: "a single master has no raft inside, which would say it",
    },
    Absent {
        swarms: &[
            "replicated_consul",
            "replicated_etcd",
            "replicated_kubernetes",
            "single_consul",
            "single_etcd",
            "single_kubernetes",
        ],
        what: &["jeopardy", "session restored"],
        why: "the preset has no grace period",
    },
    Absent {
        swarms: &["replicated_consul", "replicated_kubernetes", "single_consul", "single_kubernetes"],
        what: &["io fenced"],
        why: "the volumes of the preset do not look at tokens",
    },
];

pub(crate) const LOCK: &[Absent] = &[
    Absent {
        swarms: &["clocks", "guarded", "lock", "redlock", "short_faults"],
        what: &[
            "`failover_by_quorum`",
            "`one_leader_per_epoch`",
            "`role_survives_restart`",
            "`survives_failover`",
            "failover begun",
            "failover done",
            "master objectively down",
            "master subjectively down",
            "replica follows",
            "replica resynchronised",
            "too few replicas",
        ],
        why: "the servers are independent: no replicas and no sentinels",
    },
    Absent {
        swarms: &["calm_failover", "clocks", "failover", "lock", "redlock", "short_faults"],
        what: &["guarded write accepted", "guarded write refused"],
        why: "the swarm writes to the resource; `guarded` writes to the redis",
    },
    Absent {
        swarms: &[],
        what: &["plain write accepted"],
        why: "a write without a look at the lock breaks `effect_exclusion`, as `plain_writes.toml` shows",
    },
    Absent {
        swarms: &["guarded"],
        what: &["`fence_order`", "write applied", "write fenced"],
        why: "there is no resource: the value lies in the redis",
    },
    Absent {
        swarms: &["clocks", "guarded", "lock", "short_faults"],
        what: &["ticket given"],
        why: "its fencing tokens are a counter of the redis",
    },
    Absent {
        swarms: &["guarded", "lock"],
        what: &["loss noticed"],
        why: "one server that keeps its locks refuses an extension or a write only when the validity of the lock is \
              over by its client's clock, so the lock has lapsed before; the scenario expects none",
    },
    Absent {
        swarms: &["redlock"],
        what: &["`not_refused_own`"],
        why: "an attempt ends with the third refusal, before the other servers are known to have refused, and the next \
              one has a token of its own: no server is asked twice under one token",
    },
    Absent {
        swarms: &["short_faults"],
        what: &["lock abandoned", "lock lapsed", "loss noticed", "majority too late"],
        why: "every fault is shorter than a lock lives, so none is over while its client has it or asks for it, and \
              each client gives back what it has: the history is to be that of a mutex",
    },
    Absent {
        swarms: &["calm_failover"],
        what: &["`survives_restart`", "torn tail dropped"],
        why: "the processes of masters crash, never their machines, and each is away for longer than a lock lives",
    },
    Absent {
        swarms: &["calm_failover"],
        what: &["loss noticed", "majority too late", "write fenced"],
        why: "nothing is lost or late and no client is held up, so a holder has its lock for as long as it believes",
    },
];

pub(crate) const CHAT: &[Absent] = &[
    Absent {
        swarms: &[],
        what: &[
            "`lock.failover_by_quorum`",
            "`lock.one_leader_per_epoch`",
            "`lock.role_survives_restart`",
            "`lock.survives_failover`",
            "failover begun",
            "failover done",
            "master objectively down",
            "master subjectively down",
            "replica follows",
            "replica resynchronised",
            "too few replicas",
        ],
        why: "one redis, no sentinels",
    },
    Absent {
        swarms: &[],
        what: &[
            "`lock.no_extension_after_release`",
            "`lock.no_write_after_refusal`",
            "extension failed",
            "lock extended",
            "lock abandoned",
            "lock renewed",
            "loss noticed",
        ],
        why: "the lock of a user is not extended, and a login gives it back",
    },
    Absent {
        swarms: &[],
        what: &[
            "`lock.effect_exclusion`",
            "`lock.fence_order`",
            "`lock.tokens_rise`",
            "guarded write accepted",
            "guarded write refused",
            "plain write accepted",
            "ticket given",
            "write applied",
            "write fenced",
        ],
        why: "there is no resource: what the locks protect is judged by the invariants of the chat",
    },
    Absent {
        swarms: &[],
        what: &["presence half stored", "presence half removed"],
        why: "only a known bug stores or removes the two keys of a presence by a command each",
    },
    Absent {
        swarms: &[],
        what: &["`lock.mutex`", "`lock.fenced_mutex`", "`lock.lock_liveness`"],
        why: "they judge the history of clients of locks, and those of the chat are its servers",
    },
];

pub(crate) const REACTOR: &[Absent] = &[
    Absent { swarms: &[], what: &["answer malformed"], why: "only a known bug makes one" },
    Absent { swarms: &[], what: &["signal handler waits"], why: "only a known bug makes it wait" },
];
