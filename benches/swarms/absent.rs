//! What a clean swarm cannot come to, with the reason. What is not listed has to come.

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

pub(crate) const SESSION: &[Absent] = &[
    Absent {
        swarms: &["single_chubby", "single_consul", "single_etcd", "single_kubernetes", "single_zookeeper"],
        what: &["session reused"],
        why: "a session begins anew with each process of a client",
    },
    Absent {
        swarms: &["single_consul", "single_etcd", "single_kubernetes"],
        what: &["jeopardy", "session restored"],
        why: "the preset has no grace period",
    },
    Absent {
        swarms: &["single_consul", "single_kubernetes"],
        what: &["io fenced", "reply too late"],
        why: "no message of the swarm is as late as its leases are long",
    },
    Absent { swarms: &["single_kubernetes"], what: &["item refused"], why: "the lease is renewed long before its end" },
];

pub(crate) const LOCK: &[Absent] = &[
    Absent {
        swarms: &["lock", "redlock"],
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
        swarms: &[],
        what: &["guarded write accepted", "guarded write refused"],
        why: "the swarms write to the resource; `guarded_writes.toml` has writes to the redis",
    },
    Absent {
        swarms: &["failover"],
        what: &["`survives_restart`"],
        why: "a master that restarts may have been replaced, so its file promises nothing",
    },
    Absent {
        swarms: &["lock", "redlock"],
        what: &["majority too late"],
        why: "a client waits for an answer for a small part of the time to live",
    },
    Absent { swarms: &["lock"], what: &["ticket given"], why: "its fencing tokens are a counter of the redis" },
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
            "majority too late",
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
            "lock renewed",
            "loss noticed",
        ],
        why: "the lock of a user is not extended",
    },
    Absent {
        swarms: &[],
        what: &[
            "`lock.effect_exclusion`",
            "`lock.fence_order`",
            "`lock.tokens_rise`",
            "guarded write accepted",
            "guarded write refused",
            "ticket given",
            "write applied",
            "write fenced",
        ],
        why: "there is no resource: what the locks protect is judged by the invariants of the chat",
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
