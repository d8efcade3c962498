//! Named sets of options, after clients that are in use. They set options and do nothing else.
//!
//! | preset | time to live | renewal | waiting | until when the client believes |
//! | --- | --- | --- | --- | --- |
//! | `distlock` | 10 s | none | every 1 ms, for 5 s | until it releases |
//! | `redis_py` | 10 s | none | every 100 ms, for 10 s | until it releases |
//! | `redisson` | 30 s | every 10 s | 50 to 150 ms, for 30 s | until it releases, or hears of a loss |
//! | `redsync` | 8 s | none, or by `extend_every` with `SET NX` | 50 to 250 ms, for 6 s | computed, drift 1 % |
//! | `node_redlock` | 10 s | none | 100 to 300 ms, for 4 s | computed, drift 1 % and 2 ms |
//! | `redbeat` | 25 s | every 5 s | every 5 s, for 60 s | until it releases |
//! | `careful` | 10 s | every 3 s | 20 to 80 ms, for 20 s | computed, drift 1 % and 2 ms; fencing tokens |
//!
//! `distlock` is the lock of many tutorials: a value of its own, SET NX EX in a loop, release by a script. `careful` is
//! what the others become with everything that is known to be missing in them.

use splitbrain_kernel::options::Preset;
use splitbrain_kernel::rng::Ppm;
use splitbrain_kernel::time::Duration;

use super::bug::Bug;
use super::options::{
    AppendFsync, FenceSource, Fencing, LockOptions, OwnerCheck, StreamDeadlines, Topology, Validity, Writes,
};

/// All of them; `distlock` is the one taken by default.
pub const PRESETS: &[Preset<LockOptions>] = &[
    Preset { name: "distlock", doc: "SET NX EX in a loop of 1 ms, release by a script.", make: distlock },
    Preset { name: "redis_py", doc: "The lock class of redis-py.", make: redis_py },
    Preset { name: "redisson", doc: "A watchdog renews a lease of 30 s every 10 s.", make: redisson },
    Preset { name: "redsync", doc: "Redlock as in redsync for Go.", make: redsync },
    Preset { name: "node_redlock", doc: "Redlock as in node-redlock.", make: node_redlock },
    Preset { name: "redbeat", doc: "The lock of a scheduler, extended every 5 s.", make: redbeat },
    Preset { name: "careful", doc: "Computed validity, renewal, fencing tokens, a synced file.", make: careful },
];

/// One server and the plainest client.
pub fn distlock() -> LockOptions {
    LockOptions {
        topology: Topology::Independent,
        time_to_live: Duration::from_secs(10),
        acquire_timeout: Duration::from_secs(5),
        retry_min: Duration::from_millis(1),
        retry_max: Duration::from_millis(1),
        request_timeout: Duration::from_secs(1),
        validity: Validity::UntilRelease,
        drift: Ppm::NEVER,
        drift_fixed: Duration::ZERO,
        abandon: Ppm::NEVER,
        extend_every: Duration::ZERO,
        rejoin: false,
        fence: FenceSource::None,
        fencing: Fencing::Off,
        writes: Writes::Resource,
        owner_check: OwnerCheck::None,
        gap_max: Duration::from_micros(200),
        stall: Ppm::NEVER,
        stall_max: Duration::ZERO,
        wait_replicas: 0,
        append_fsync: AppendFsync::EverySecond,
        delayed_restart: Duration::ZERO,
        expire_every: Duration::from_millis(100),
        stream_deadlines: StreamDeadlines::Absolute,
        acknowledge_every: Duration::from_secs(1),
        min_replicas: 0,
        max_lag: Duration::from_secs(10),
        ping_every: Duration::from_secs(1),
        down_after: Duration::from_secs(5),
        quorum: 1,
        failover_timeout: Duration::from_secs(10),
        bug: Bug::None,
    }
}

/// `Lock(timeout=10, sleep=0.1, blocking_timeout=10)`.
pub fn redis_py() -> LockOptions {
    LockOptions {
        acquire_timeout: Duration::from_secs(10),
        retry_min: Duration::from_millis(100),
        retry_max: Duration::from_millis(100),
        ..distlock()
    }
}

/// `RLock.lock()`: lockWatchdogTimeout = 30 s, renewed after each third of it.
pub fn redisson() -> LockOptions {
    LockOptions {
        time_to_live: Duration::from_secs(30),
        acquire_timeout: Duration::from_secs(30),
        retry_min: Duration::from_millis(50),
        retry_max: Duration::from_millis(150),
        request_timeout: Duration::from_secs(3),
        extend_every: Duration::from_secs(10),
        ..distlock()
    }
}

/// 32 tries, 8 s, a delay of 50 to 250 ms, a factor of 0.01 for drift and of 0.05 for the time of one server.
///
/// `rejoin` is what redsync does with `WithSetNXOnExtend`, which a program must ask for (redsync #147, #149): without
/// it an extension does not set the lock on a server that came back empty. It has an effect with `extend_every` alone.
pub fn redsync() -> LockOptions {
    LockOptions {
        time_to_live: Duration::from_secs(8),
        acquire_timeout: Duration::from_secs(6),
        retry_min: Duration::from_millis(50),
        retry_max: Duration::from_millis(250),
        request_timeout: Duration::from_millis(400),
        validity: Validity::Computed,
        drift: Ppm::new(10_000),
        rejoin: true,
        ..distlock()
    }
}

/// A delay of 200 ms give or take 100 ms, a factor of 0.01 and 2 ms for drift.
pub fn node_redlock() -> LockOptions {
    LockOptions {
        time_to_live: Duration::from_secs(10),
        acquire_timeout: Duration::from_secs(4),
        retry_min: Duration::from_millis(100),
        retry_max: Duration::from_millis(300),
        request_timeout: Duration::from_millis(200),
        validity: Validity::Computed,
        drift: Ppm::new(10_000),
        drift_fixed: Duration::from_millis(2),
        ..distlock()
    }
}

/// A schedule's lock of five loop intervals, extended in each.
pub fn redbeat() -> LockOptions {
    LockOptions {
        time_to_live: Duration::from_secs(25),
        acquire_timeout: Duration::from_secs(60),
        retry_min: Duration::from_secs(5),
        retry_max: Duration::from_secs(5),
        extend_every: Duration::from_secs(5),
        ..distlock()
    }
}

/// What a careful client and a careful administrator do.
pub fn careful() -> LockOptions {
    LockOptions {
        acquire_timeout: Duration::from_secs(20),
        retry_min: Duration::from_millis(20),
        retry_max: Duration::from_millis(80),
        request_timeout: Duration::from_millis(200),
        validity: Validity::Computed,
        drift: Ppm::new(10_000),
        drift_fixed: Duration::from_millis(2),
        extend_every: Duration::from_secs(3),
        fence: FenceSource::Counter,
        fencing: Fencing::Tokens,
        append_fsync: AppendFsync::Always,
        ..distlock()
    }
}
