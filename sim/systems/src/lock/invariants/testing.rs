//! What the tests of the invariants share.

use splitbrain_kernel::fault::{ClockFreeze, ClockStep, Crash, CrashScope, Fault, Keep, Offset};
use splitbrain_kernel::id::{Cluster, NodeId};
use splitbrain_kernel::invariant::{FaultChange, Findings};
use splitbrain_kernel::options::PerServer;
use splitbrain_kernel::system::{Bounds, Setup};
use splitbrain_kernel::time::{Duration, Instant};

use crate::lock::ids::{LockId, Token};
use crate::lock::observation::Hold;
use crate::lock::options::{LockOptions, Topology};
use crate::lock::presets;
use crate::lock::system::{KINDS, REDIS, RESOURCE, SENTINEL};

use super::terms::Terms;

pub(super) const C1: NodeId = NodeId::client(1);
pub(super) const C2: NodeId = NodeId::client(2);
pub(super) const R1: NodeId = NodeId::new(REDIS, 1);
pub(super) const R2: NodeId = NodeId::new(REDIS, 2);
pub(super) const R3: NodeId = NodeId::new(REDIS, 3);
pub(super) const N1: NodeId = NodeId::new(SENTINEL, 1);
pub(super) const N2: NodeId = NodeId::new(SENTINEL, 2);
pub(super) const N3: NodeId = NodeId::new(SENTINEL, 3);
pub(super) const E1: NodeId = NodeId::new(RESOURCE, 1);
pub(super) const E2: NodeId = NodeId::new(RESOURCE, 2);

/// Findings with every invariant on.
pub(super) fn all_on() -> Findings {
    Findings::new(u64::MAX)
}

/// The invariant that is broken; `None` if all hold.
pub(super) fn broken(findings: &Findings) -> Option<usize> {
    findings.first().map(|(index, ..)| index)
}

/// A holder of lock 1.
pub(super) fn hold(token: u64) -> Hold {
    Hold { lock: LockId(1), token: Token(token) }
}

pub(super) fn seconds(seconds: u64) -> Instant {
    Instant::ZERO.saturating_add(Duration::from_secs(seconds))
}

/// The terms of this many independent servers with locks of ten seconds, and a file that is synced once a second.
pub(super) fn independent(servers: u16) -> Terms {
    terms(servers, Topology::Independent)
}

/// The terms of a master and its replicas.
pub(super) fn replicated(servers: u16) -> Terms {
    terms(servers, Topology::Replicated)
}

/// The terms of one server whose clients extend their locks.
pub(super) fn watched(extend_every: Duration) -> Terms {
    of(1, PerServer::same(LockOptions { extend_every, ..presets::distlock() }))
}

fn terms(servers: u16, topology: Topology) -> Terms {
    of(servers, PerServer::same(LockOptions { topology, ..presets::distlock() }))
}

/// The terms of sentinels, so many of which must find a master down.
pub(super) fn sentinels(quorum: u64) -> Terms {
    of(1, PerServer::same(LockOptions { quorum, ..presets::distlock() }))
}

/// The terms of this many servers with these options.
pub(super) fn of(servers: u16, options: PerServer<LockOptions>) -> Terms {
    let bounds = Bounds { skew: None, drift_ppm: None, latency: Duration::from_millis(5) };
    Terms::new(&Setup::new(Cluster::new(KINDS).with(REDIS, servers), options, bounds))
}

/// The wall clock of a node jumps.
pub(super) fn step(terms: &mut Terms, node: NodeId) {
    let fault = Fault::ClockStep(ClockStep { nodes: vec![node], by: Offset(1) });
    terms.on_fault(seconds(0), &fault, FaultChange::Start);
}

/// The clocks of a node stand still for a while.
pub(super) fn freeze(terms: &mut Terms, node: NodeId) {
    let fault = Fault::ClockFreeze(ClockFreeze { nodes: vec![node] });
    terms.on_fault(seconds(0), &fault, FaultChange::Start);
}

/// A node ends.
pub(super) fn crash(terms: &mut Terms, now: Instant, node: NodeId, scope: CrashScope) {
    let fault = Fault::Crash(Crash { nodes: vec![node], scope, keep: Keep::Nothing });
    terms.on_fault(now, &fault, FaultChange::Start);
}
