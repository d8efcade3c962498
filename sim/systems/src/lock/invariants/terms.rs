//! What was promised of clocks, disks and servers, and which faults have broken it.

use std::collections::{BTreeMap, BTreeSet};

use splitbrain_kernel::fault::{CrashScope, Fault, Target};
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::FaultChange;
use splitbrain_kernel::options::PerServer;
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
    options: PerServer<LockOptions>,
    servers: usize,
    spans: Spans,
    /// Nodes whose wall clock jumped or stood still.
    misled: BTreeSet<NodeId>,
    /// Nodes whose monotonic clock stood still.
    stopped: BTreeSet<NodeId>,
    /// Nodes whose disk may have lost what was durable.
    unfaithful: BTreeSet<NodeId>,
    /// When the machine of each node ended last: what its file did not have synced by then is gone for good.
    machine_ended: BTreeMap<NodeId, Instant>,
    /// From when to when the disk of each redis refused appends.
    refused: BTreeMap<NodeId, Vec<(Instant, Instant)>>,
}

/// Times that follow from the options. Where nodes have options of their own, each is the one that holds for all.
#[derive(Clone, Copy, Debug)]
struct Spans {
    life_min: Duration,
    validity_min: Duration,
    life_max: Duration,
    calm: Duration,
    patience: Duration,
}

impl Spans {
    fn new(setup: &Setup<LockOptions>) -> Self {
        let most = |part: fn(&LockOptions) -> Duration| setup.options.all().map(part).max().unwrap_or_default();
        let least = |part: fn(&LockOptions) -> Duration| setup.options.all().map(part).min().unwrap_or_default();
        let drift_ppm = setup.bounds.drift_ppm.map_or(DRIFT_PPM, u64::from);
        let drift_of = |span: Duration| {
            let nanos = u128::from(span.as_nanos()) * u128::from(drift_ppm) / 1_000_000;
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        };
        let surely = |span: Duration| span.saturating_sub(drift_of(span)).saturating_sub(ROUNDING);
        let life = most(|it| it.time_to_live);
        let rounds = most(|it| it.expire_every).saturating_mul(3);
        let calm = rounds.saturating_add(Duration::from_secs(1));
        let slack = drift_of(life.saturating_mul(2)).saturating_add(rounds).saturating_add(calm);
        let mut patience = life.saturating_mul(2).saturating_add(most(|it| it.acquire_timeout));
        patience = patience.saturating_add(most(|it| it.delayed_restart)).saturating_add(Duration::from_secs(2));
        if setup.cluster.count(SENTINEL) > 0 {
            patience = patience.saturating_add(most(|it| it.down_after));
            patience = patience.saturating_add(most(|it| it.ping_every).saturating_mul(4));
            patience = patience.saturating_add(most(|it| it.failover_timeout).saturating_mul(6));
        }
        Self {
            life_min: surely(least(|it| it.time_to_live)),
            validity_min: surely(least(|it| it.time_to_live.saturating_sub(it.drift_margin()))),
            life_max: life.saturating_add(slack).saturating_add(setup.bounds.skew.unwrap_or(Duration::ZERO)),
            calm,
            patience,
        }
    }
}

impl Terms {
    pub(super) fn new(setup: &Setup<LockOptions>) -> Self {
        Self {
            options: setup.options.clone(),
            servers: usize::from(setup.cluster.count(REDIS)),
            spans: Spans::new(setup),
            misled: BTreeSet::new(),
            stopped: BTreeSet::new(),
            unfaithful: BTreeSet::new(),
            machine_ended: BTreeMap::new(),
            refused: BTreeMap::new(),
        }
    }

    /// The group of servers that a grant of this one stands for: itself, or all of them.
    pub(super) fn group(&self, server: NodeId) -> u16 {
        match self.options.base.topology {
            Topology::Independent => server.number(),
            Topology::Replicated => 0,
        }
    }

    /// How many groups must grant.
    pub(super) fn majority(&self) -> usize {
        match self.options.base.topology {
            Topology::Independent => self.servers / 2 + 1,
            Topology::Replicated => 1,
        }
    }

    /// What decides which of two holders is the later one.
    pub(super) fn order(&self) -> HolderOrder {
        if self.options.base.fence == FenceSource::Ticket { HolderOrder::Claims } else { HolderOrder::Grants }
    }

    pub(super) fn is_replicated(&self) -> bool {
        self.options.base.topology == Topology::Replicated
    }

    /// Whether clients are given fencing tokens by the lock server.
    pub(super) fn is_fenced(&self) -> bool {
        self.options.base.fence != FenceSource::None
    }

    /// For how long in true time a lock is granted at least.
    pub(super) const fn life_min(&self) -> Duration {
        self.spans.life_min
    }

    /// For how long in true time after it has asked a client may take the lock, at least.
    pub(super) const fn validity_min(&self) -> Duration {
        self.spans.validity_min
    }

    /// How often a client extends its locks; `None` for never.
    pub(super) fn extends_every(&self, client: NodeId) -> Option<Duration> {
        let options = self.options.get(client);
        options.has_watchdog().then_some(options.extend_every)
    }

    /// How many sentinels must find the master down, as this one counts.
    pub(super) fn quorum(&self, sentinel: NodeId) -> u64 {
        self.options.get(sentinel).quorum
    }

    /// After how long in true time a lock is gone, expired and deleted, at the latest.
    pub(super) const fn life_max(&self) -> Duration {
        self.spans.life_max
    }

    /// How long nothing must have been wrong with a server before it is held to what it should have done by now.
    pub(super) const fn calm(&self) -> Duration {
        self.spans.calm
    }

    /// How long a client may be refused while no client has the lock: until every lock that may be left is over, and as
    /// long as it takes to find a master.
    pub(super) const fn patience(&self) -> Duration {
        self.spans.patience
    }

    /// Whether the wall clock of a node was always as promised.
    pub(super) fn wall_is_true(&self, node: NodeId) -> bool {
        !self.misled.contains(&node)
    }

    /// Whether the wall clocks of all servers were: what lives on one of them may come from another.
    pub(super) fn walls_are_true(&self) -> bool {
        !self.misled.iter().any(|node| node.is(REDIS))
    }

    /// Whether the monotonic clock of a node has always gone. It never jumps.
    pub(super) fn monotonic_is_true(&self, node: NodeId) -> bool {
        !self.stopped.contains(&node)
    }

    /// Whether a restart of this server has to find what it has answered at this moment.
    pub(super) fn keeps_data(&self, server: NodeId, answered_at: Instant) -> bool {
        let is_kept = match self.options.get(server).append_fsync {
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

    pub(super) fn on_fault(&mut self, now: Instant, fault: &Fault, change: FaultChange) {
        let Target::Nodes(nodes) = fault.target() else { return };
        match fault {
            Fault::ClockStep(_) | Fault::ClockSlew(_) => self.misled.extend(nodes),
            Fault::ClockFreeze(_) | Fault::Suspend(_) => {
                self.misled.extend(nodes);
                self.stopped.extend(nodes);
            }
            Fault::Disk(disk) if disk.fault.breaks_promises() => self.unfaithful.extend(nodes),
            Fault::Crash(crash) if change == FaultChange::Start && crash.scope == CrashScope::Machine => {
                self.machine_ended.extend(nodes.iter().map(|node| (*node, now)));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use splitbrain_kernel::fault::CrashScope;

    use super::super::testing::{C1, R1, R2, crash, freeze, independent, of, seconds, step};
    use super::*;
    use crate::lock::presets;

    /// One server has options of its own.
    fn mixed(own: LockOptions) -> Terms {
        of(2, PerServer { base: presets::distlock(), of: BTreeMap::from([(R2, own)]) })
    }

    #[test]
    fn what_holds_for_all_is_the_longest_or_the_shortest_of_their_times() {
        let base = independent(2);
        let life = presets::distlock().time_to_live;
        let longer = mixed(LockOptions { time_to_live: life.saturating_mul(2), ..presets::distlock() });
        assert_eq!((longer.life_min(), longer.validity_min()), (base.life_min(), base.validity_min()));
        assert!(longer.life_max() > base.life_max().saturating_add(life));
        assert_eq!(longer.patience(), base.patience().saturating_add(life.saturating_mul(2)));
        let shorter = mixed(LockOptions { time_to_live: life.div(2), ..presets::distlock() });
        assert!(shorter.life_min() < base.life_min() && shorter.validity_min() < base.validity_min());
        assert_eq!((shorter.life_max(), shorter.patience()), (base.life_max(), base.patience()));
    }

    #[test]
    fn a_server_keeps_what_its_own_file_promises() {
        let terms = mixed(LockOptions { append_fsync: AppendFsync::Off, ..presets::distlock() });
        assert_eq!((terms.keeps_data(R1, seconds(1)), terms.keeps_data(R2, seconds(1))), (true, false));
    }

    #[test]
    fn what_was_answered_before_the_machine_ended_may_be_lost_and_what_came_after_may_not() {
        let mut terms = independent(2);
        crash(&mut terms, seconds(5), R1, CrashScope::Machine);
        assert_eq!((terms.keeps_data(R1, seconds(4)), terms.keeps_data(R1, seconds(6))), (false, true));
        assert!(terms.keeps_data(R2, seconds(4)));
    }

    #[test]
    fn what_a_disk_refuses_within_a_moment_is_one_span() {
        let mut terms = independent(1);
        let calm = terms.calm();
        terms.on_write_failed(seconds(10), R1);
        terms.on_write_failed(seconds(10).saturating_add(calm), R1);
        terms.on_write_failed(seconds(60), R1);
        assert_eq!(terms.refused[&R1], [(seconds(10), seconds(10).saturating_add(calm)), (seconds(60), seconds(60))]);
        assert_eq!((terms.keeps_data(R1, seconds(9)), terms.keeps_data(R1, seconds(11))), (true, false));
        assert_eq!((terms.keeps_data(R1, seconds(40)), terms.keeps_data(R1, seconds(60))), (true, false));
    }

    #[test]
    fn a_jump_misleads_the_wall_clock_of_its_node_alone_and_a_halt_both_clocks() {
        let mut terms = independent(1);
        step(&mut terms, C1);
        assert!(!terms.wall_is_true(C1) && terms.monotonic_is_true(C1));
        assert!(terms.wall_is_true(R1) && terms.walls_are_true(), "locks live by the clocks of servers");
        freeze(&mut terms, R1);
        assert!(!terms.monotonic_is_true(R1) && !terms.wall_is_true(R1) && !terms.walls_are_true());
    }
}
