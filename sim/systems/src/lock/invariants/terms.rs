//! What was promised of clocks, disks and servers, and which faults have broken it.

use std::collections::{BTreeMap, BTreeSet};

use splitbrain_kernel::fault::{CrashScope, Fault, Target};
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::FaultChange;
use splitbrain_kernel::system::Setup;
use splitbrain_kernel::time::{Duration, Instant};

use crate::lock::options::{AppendFsync, FenceSource, LockOptions, Topology};
use crate::lock::system::{REDIS, SENTINEL};

use super::effect_exclusion::HolderOrder;

/// How much clocks may run fast or slow if a scenario declares nothing, in parts per million.
const DRIFT_PPM: u64 = 1_000;

/// A deadline is in whole milliseconds, and an answer takes no time in between.
const ROUNDING: Duration = Duration::from_millis(2);

/// What invariants may rely on.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    options: LockOptions,
    servers: usize,
    has_sentinels: bool,
    drift_ppm: u64,
    skew: Option<Duration>,
    /// Nodes whose clocks jumped or stood still.
    misled: BTreeSet<NodeId>,
    /// Nodes whose disk may have lost what was durable.
    unfaithful: BTreeSet<NodeId>,
    /// When the machine of each node ended last: what its file did not have synced by then is gone for good.
    machine_ended: BTreeMap<NodeId, Instant>,
    /// From when to when the disk of each redis refused appends.
    refused: BTreeMap<NodeId, Vec<(Instant, Instant)>>,
}

impl Terms {
    pub(super) fn new(setup: &Setup<LockOptions>) -> Self {
        Self {
            options: setup.options.base.clone(),
            servers: usize::from(setup.cluster.count(REDIS)),
            has_sentinels: setup.cluster.count(SENTINEL) > 0,
            drift_ppm: setup.bounds.drift_ppm.map_or(DRIFT_PPM, u64::from),
            skew: setup.bounds.skew,
            misled: BTreeSet::new(),
            unfaithful: BTreeSet::new(),
            machine_ended: BTreeMap::new(),
            refused: BTreeMap::new(),
        }
    }

    /// The group of servers that a grant of this one stands for: itself, or all of them.
    pub(super) fn group(&self, server: NodeId) -> u16 {
        match self.options.topology {
            Topology::Independent => server.number(),
            Topology::Replicated => 0,
        }
    }

    /// How many groups must grant.
    pub(super) fn majority(&self) -> usize {
        match self.options.topology {
            Topology::Independent => self.servers / 2 + 1,
            Topology::Replicated => 1,
        }
    }

    /// What decides which of two holders is the later one.
    pub(super) fn order(&self) -> HolderOrder {
        if self.options.fence == FenceSource::Ticket { HolderOrder::Claims } else { HolderOrder::Grants }
    }

    pub(super) fn is_replicated(&self) -> bool {
        self.options.topology == Topology::Replicated
    }

    /// Whether clients are given fencing tokens by the lock server.
    pub(super) fn is_fenced(&self) -> bool {
        self.options.fence != FenceSource::None
    }

    fn drift_of(&self, span: Duration) -> Duration {
        let nanos = u128::from(span.as_nanos()) * u128::from(self.drift_ppm) / 1_000_000;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// For how long in true time a lock is granted at least.
    pub(super) fn life_min(&self) -> Duration {
        let life = self.options.time_to_live;
        life.saturating_sub(self.drift_of(life)).saturating_sub(ROUNDING)
    }

    /// For how long in true time after it has asked a client may take the lock, at least.
    pub(super) fn validity_min(&self) -> Duration {
        let validity = self.options.time_to_live.saturating_sub(self.options.drift_margin());
        validity.saturating_sub(self.drift_of(validity)).saturating_sub(ROUNDING)
    }

    /// How often a holder extends its lock; `None` for never.
    pub(super) fn extends_every(&self) -> Option<Duration> {
        self.options.has_watchdog().then_some(self.options.extend_every)
    }

    /// After how long in true time a lock is gone, expired and deleted, at the latest.
    pub(super) fn life_max(&self) -> Duration {
        let life = self.options.time_to_live;
        let rounds = self.options.expire_every.saturating_mul(3);
        let slack = self.drift_of(life.saturating_mul(2)).saturating_add(rounds).saturating_add(self.calm());
        life.saturating_add(slack).saturating_add(self.skew.unwrap_or(Duration::ZERO))
    }

    /// How long nothing must have been wrong with a server before it is held to what it should have done by now.
    pub(super) fn calm(&self) -> Duration {
        self.options.expire_every.saturating_mul(3).saturating_add(Duration::from_secs(1))
    }

    /// Whether the clocks of a node were always as promised.
    pub(super) fn keeps_time(&self, node: NodeId) -> bool {
        !self.misled.contains(&node)
    }

    /// Whether the clocks of all nodes were.
    pub(super) fn all_keep_time(&self) -> bool {
        self.misled.is_empty()
    }

    /// Whether a restart of this server has to find what it has answered at this moment.
    pub(super) fn keeps_data(&self, server: NodeId, answered_at: Instant) -> bool {
        let is_kept = match self.options.append_fsync {
            AppendFsync::Always => true,
            AppendFsync::Off => false,
            AppendFsync::EverySecond | AppendFsync::Never => {
                let is_after_end = self.machine_ended.get(&server).is_none_or(|ended| *ended < answered_at);
                is_after_end && !self.was_refusing(server, answered_at)
            }
        };
        is_kept && self.disk_is_faithful(server)
    }

    /// Whether the disk of a server refused appends at this moment, or so shortly before that it may not yet have
    /// what it refused: the server answers all the same, and tries again.
    fn was_refusing(&self, server: NodeId, at: Instant) -> bool {
        let mut spans = self.refused.get(&server).into_iter().flatten();
        spans.any(|(from, until)| *from <= at && at <= until.saturating_add(self.calm()))
    }

    /// A write of a server has failed.
    pub(super) fn on_write_failed(&mut self, now: Instant, server: NodeId) {
        let calm = self.calm();
        let spans = self.refused.entry(server).or_default();
        match spans.last_mut().filter(|(_, until)| now <= until.saturating_add(calm)) {
            Some((_, until)) => *until = now,
            None => spans.push((now, now)),
        }
    }

    /// Whether the disk of a node has never lost what was durable.
    pub(super) fn disk_is_faithful(&self, node: NodeId) -> bool {
        !self.unfaithful.contains(&node)
    }

    /// How long a client may be refused while no client has the lock: until every lock that may be left is over, and as
    /// long as it takes to find a master.
    pub(super) fn patience(&self) -> Duration {
        let LockOptions { time_to_live, acquire_timeout, delayed_restart, .. } = self.options;
        let mut patience = time_to_live.saturating_mul(2).saturating_add(acquire_timeout);
        patience = patience.saturating_add(delayed_restart).saturating_add(Duration::from_secs(2));
        if self.has_sentinels {
            let LockOptions { down_after, ping_every, failover_timeout, .. } = self.options;
            patience = patience.saturating_add(down_after).saturating_add(ping_every.saturating_mul(4));
            patience = patience.saturating_add(failover_timeout.saturating_mul(6));
        }
        patience
    }

    pub(super) fn on_fault(&mut self, now: Instant, fault: &Fault, change: FaultChange) {
        let Target::Nodes(nodes) = fault.target() else { return };
        match fault {
            Fault::ClockStep(_) | Fault::ClockSlew(_) | Fault::ClockFreeze(_) | Fault::Suspend(_) => {
                self.misled.extend(nodes);
            }
            Fault::Disk(disk) if disk.fault.breaks_promises() => self.unfaithful.extend(nodes),
            Fault::Crash(crash) if change == FaultChange::Start && crash.scope == CrashScope::Machine => {
                self.machine_ended.extend(nodes.iter().map(|node| (*node, now)));
            }
            _ => {}
        }
    }
}
