//! Named sets of options: the usual times of systems with sessions. They set options and do nothing else.
//!
//! | preset | lease | follower | keepalive | jeopardy | lock-delay | fencing | after |
//! | --- | --- | --- | --- | --- | --- | --- | --- |
//! | `zbs` | 7 s | 4.9 s | each 2.3 s | 7 s | none | tokens | the access sessions of a storage cluster |
//! | `chubby` | 12 s | 9 s | held by the master | 45 s | 60 s | sequencers | Burrows, OSDI 2006, §2.8 and §2.9 |
//! | `etcd` | 60 s | 54 s | each 20 s | none | none | revisions | clientv3/concurrency, `defaultSessionTTL` |
//! | `kubernetes` | 15 s | 10 s | each 2 s | none | none | none | client-go leaderelection, LeaseDuration and on |
//! | `zookeeper` | 10 s | 6.6 s | each 3.3 s | 40 s | none | zxids | ZooKeeper programmer's guide, sessions |
//! | `consul` | 15 s | 10 s | each 5 s | none | 15 s | none | Consul documentation, sessions |

use splitbrain_kernel::options::Preset;
use splitbrain_kernel::rng::Ppm;
use splitbrain_kernel::time::Duration;

use crate::raft;
use crate::raft::options::{RaftOptions, ReadMethod};

use super::bug::Bug;
use super::options::{Claims, ExpiryScope, KeepAliveMode, Replication, Reuse, SessionOptions};

/// All of them; `zbs` is the one taken by default.
pub const PRESETS: &[Preset<SessionOptions>] = &[
    Preset { name: "zbs", doc: "A lease of 7 s and a reuse of sessions, as storage clusters have.", make: zbs },
    Preset {
        name: "chubby",
        doc: "12 s, keepalives that the master holds, 45 s of jeopardy (OSDI 2006).",
        make: chubby,
    },
    Preset { name: "etcd", doc: "60 s, a keepalive each third, scans each 500 ms, no jeopardy.", make: etcd },
    Preset { name: "kubernetes", doc: "15 s, renewed for 10 s, each 2 s; no fencing (client-go).", make: kubernetes },
    Preset { name: "zookeeper", doc: "10 s in ticks of 2 s; gives up after 40 s without an answer.", make: zookeeper },
    Preset { name: "consul", doc: "15 s, and a lock-delay of 15 s in place of fencing.", make: consul },
];

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Sessions of the processes of a storage cluster with their manager. The follower counts on 0.7 of the lease.
pub fn zbs() -> SessionOptions {
    SessionOptions {
        lease: ms(7_000),
        follower_lease: ms(4_900),
        interval: ms(2_333),
        keep_alive: KeepAliveMode::Periodic,
        held_margin: Duration::ZERO,
        rpc_timeout: ms(2_000),
        backoff: ms(400),
        create_timeout: Duration::ZERO,
        grace: ms(7_000),
        expiry_scan: ms(500),
        checkpoint: Duration::ZERO,
        lock_delay: Duration::ZERO,
        reuse: Reuse::Session,
        expiry_scope: ExpiryScope::Own,
        fencing: true,
        callback_max: ms(5),
        stage_max: Duration::ZERO,
        callback_failure: Ppm::NEVER,
        io_max: ms(20),
        resources: 2,
        claim_retry: ms(1_000),
        claims: Claims::Poll,
        serve_max: Duration::ZERO,
        extents: 100,
        report_size: 30,
        version: 2,
        identity: 0,
        request_timeout: ms(3_000),
        replication: Replication::None,
        raft: replicated_log(),
        bug: Bug::None,
    }
}

/// The log of masters that are replicated, in all presets: raft as etcd has it, under the lease of its leader (Burrows,
/// OSDI 2006, §2.2: the replicas promise not to elect a different master for an interval of a few seconds).
fn replicated_log() -> RaftOptions {
    raft::presets::etcd().with(|o| {
        o.reads.method = ReadMethod::Lease;
        o.snapshot.distance = 200;
        o.snapshot.trailing = 20;
    })
}

/// Chubby: the lease is extended when the master answers, which it does shortly before the end. "The client maintains
/// a local lease timeout that is a conservative approximation of the master's"; jeopardy lasts for a grace period of
/// 45 s; a lock whose holder died is free after a lock-delay of at most a minute (Burrows, OSDI 2006, §2.4 and §2.8).
pub fn chubby() -> SessionOptions {
    SessionOptions {
        lease: ms(12_000),
        follower_lease: ms(9_000),
        interval: ms(4_000),
        keep_alive: KeepAliveMode::Held,
        held_margin: ms(6_000),
        rpc_timeout: ms(7_000),
        backoff: ms(500),
        grace: ms(45_000),
        expiry_scan: ms(250),
        lock_delay: ms(60_000),
        reuse: Reuse::Never,
        ..zbs()
    }
}

/// etcd: a session has 60 s by default, is kept alive each third of it, and the lessor looks for expired leases each
/// 500 ms; a lease is whole again after a change of leader (etcd #2660).
pub fn etcd() -> SessionOptions {
    SessionOptions {
        lease: ms(60_000),
        follower_lease: ms(54_000),
        interval: ms(20_000),
        rpc_timeout: ms(5_000),
        backoff: ms(500),
        grace: Duration::ZERO,
        expiry_scan: ms(500),
        reuse: Reuse::Never,
        ..zbs()
    }
}

/// Kubernetes' leader election: LeaseDuration 15 s, RenewDeadline 10 s, RetryPeriod 2 s. "This implementation does not
/// guarantee that only one client is acting as a leader (a.k.a. fencing)" (client-go, package leaderelection).
pub fn kubernetes() -> SessionOptions {
    SessionOptions {
        lease: ms(15_000),
        follower_lease: ms(10_000),
        interval: ms(2_000),
        rpc_timeout: ms(2_000),
        backoff: ms(2_000),
        grace: Duration::ZERO,
        expiry_scan: ms(1_000),
        reuse: Reuse::Never,
        fencing: false,
        claim_retry: ms(2_000),
        ..zbs()
    }
}

/// ZooKeeper: the server's ticks are 2 s long and sessions end with a tick; a client is disconnected after two thirds
/// of its timeout, and learns that its session expired only when it reaches a server again.
pub fn zookeeper() -> SessionOptions {
    SessionOptions {
        lease: ms(10_000),
        follower_lease: ms(6_600),
        interval: ms(3_300),
        rpc_timeout: ms(3_000),
        backoff: ms(1_000),
        grace: ms(40_000),
        expiry_scan: ms(2_000),
        reuse: Reuse::Never,
        ..zbs()
    }
}

/// Consul: a time to live that is renewed well before its end, and a lock-delay of 15 s by default, during which a lock
/// whose session was invalidated is granted to no other.
pub fn consul() -> SessionOptions {
    SessionOptions {
        lease: ms(15_000),
        follower_lease: ms(10_000),
        interval: ms(5_000),
        rpc_timeout: ms(3_000),
        backoff: ms(1_000),
        grace: Duration::ZERO,
        expiry_scan: ms(500),
        lock_delay: ms(15_000),
        reuse: Reuse::Never,
        fencing: false,
        ..zbs()
    }
}
