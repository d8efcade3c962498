//! Options of the lock system: the servers, the clients, and the resource that the lock protects.

use splitbrain_kernel::id::Cluster;
use splitbrain_kernel::options::{Idle, Options, OptionsError, PerServer, Preset, Scene, ValueKind};
use splitbrain_kernel::rng::Ppm;
use splitbrain_kernel::time::Duration;

use super::bug::Bug;
use super::presets::PRESETS;
use super::system::{REDIS, RESOURCE, SENTINEL};

splitbrain_kernel::names! {
    /// How the servers belong together.
    pub enum Topology {
        /// Each is a server of its own; a client needs a majority of them (Redlock). One is a plain lock server.
        Independent = "independent",
        /// One master at a time, redis1 at first; the others are its replicas.
        Replicated = "replicated",
    }
}

splitbrain_kernel::names! {
    /// When what a redis has written to its append-only file is synced.
    pub enum AppendFsync {
        /// There is no such file: a restart finds nothing.
        Off = "off",
        /// After each write, before the answer.
        Always = "always",
        /// Once a second.
        EverySecond = "everysec",
        /// Never: the machine does it at some time.
        Never = "no",
    }
}

splitbrain_kernel::names! {
    /// How deadlines travel from a master to its replicas.
    pub enum StreamDeadlines {
        /// As moments of the wall clock: Redis 7.0 and later.
        Absolute = "absolute",
        /// As the time that is left, which begins anew where it arrives: versions before 7.0.
        Relative = "relative",
    }
}

splitbrain_kernel::names! {
    /// Until when a client takes itself for the holder.
    pub enum Validity {
        /// Until the time to live, counted from before it asked and less the drift, is over on its own clock.
        Computed = "computed",
        /// Until it releases the lock: it does not look at a clock.
        UntilRelease = "until_release",
    }
}

splitbrain_kernel::names! {
    /// Where the fencing token of a holder comes from.
    pub enum FenceSource {
        /// There is none.
        None = "none",
        /// From a counter that the redis raises in the step in which it grants the lock.
        Counter = "counter",
        /// From the resource: the client asks for a ticket when it has the lock, and then checks its validity again.
        Ticket = "ticket",
    }
}

splitbrain_kernel::names! {
    /// What a resource does with the fencing token of a write.
    pub enum Fencing {
        /// Nothing: it takes every write.
        Off = "off",
        /// It refuses a token that is less than one that it has seen.
        Tokens = "tokens",
    }
}

splitbrain_kernel::names! {
    /// Where a holder writes.
    pub enum Writes {
        /// To a resource of its own, past the lock server.
        Resource = "resource",
        /// To the redis, by a script that compares the owner of the lock and writes in one step.
        Guarded = "guarded",
        /// To the redis, by a plain SET.
        Plain = "plain",
    }
}

splitbrain_kernel::names! {
    /// Whom a holder asks whether it still has the lock, before it writes.
    pub enum OwnerCheck {
        /// Nobody.
        None = "none",
        /// A replica, each client one of its own as far as there are enough: it may lag, but hides a lock whose time is
        /// over.
        Replica = "replica",
    }
}

const MOMENT: ValueKind = ValueKind::Duration { min: Duration::ZERO, max: Duration::from_secs(600) };
const PERIOD: ValueKind = ValueKind::Duration { min: Duration::from_millis(1), max: Duration::from_secs(600) };

splitbrain_kernel::options! {
    /// Options of the lock system.
    pub struct LockOptions {
        /// How the servers belong together.
        pub topology: Topology => ValueKind::Name(Topology::NAMES),
        /// The time to live of a lock.
        pub time_to_live: Duration => PERIOD,
        /// How long a client tries to get a lock.
        pub acquire_timeout: Duration => PERIOD,
        /// The least time from a refusal to the next try.
        pub retry_min: Duration => PERIOD,
        /// The most; each time is drawn.
        pub retry_max: Duration => PERIOD,
        /// How long a client waits for the answer of one server.
        pub request_timeout: Duration => PERIOD,
        /// Until when a client takes itself for the holder.
        pub validity: Validity => ValueKind::Name(Validity::NAMES),
        /// The part of the time to live that a client gives up for clocks of different speed.
        pub drift: Ppm => ValueKind::Probability,
        /// What a client gives up beside it.
        pub drift_fixed: Duration => MOMENT,
        /// The chance that a user goes without giving its lock back: nothing extends the lock then, and it ends with
        /// its time to live.
        pub abandon: Ppm => ValueKind::Probability,
        /// How often a holder extends its lock; 0s for never.
        pub extend_every: Duration => MOMENT,
        /// Whether an extension sets the lock on a server that does not have it.
        pub rejoin: bool => ValueKind::Bool,
        /// Where the fencing token of a holder comes from.
        pub fence: FenceSource => ValueKind::Name(FenceSource::NAMES),
        /// What a resource does with the fencing token of a write.
        pub fencing: Fencing => ValueKind::Name(Fencing::NAMES),
        /// Where a holder writes.
        pub writes: Writes => ValueKind::Name(Writes::NAMES),
        /// Whom a holder asks whether it still has the lock, before it writes.
        pub owner_check: OwnerCheck => ValueKind::Name(OwnerCheck::NAMES),
        /// The most time from one step of a client to the next, such as from its look at the clock to its write.
        pub gap_max: Duration => MOMENT,
        /// The chance that a client is held up between two steps.
        pub stall: Ppm => ValueKind::Probability,
        /// How long it is held up at most.
        pub stall_max: Duration => MOMENT,
        /// For how many replicas a client waits (WAIT) before it takes a lock as granted.
        pub wait_replicas: u64 => ValueKind::Integer { min: 0, max: 16 },
        /// When a redis syncs its append-only file.
        pub append_fsync: AppendFsync => ValueKind::Name(AppendFsync::NAMES),
        /// How long a redis that has restarted answers nothing.
        pub delayed_restart: Duration => MOMENT,
        /// From one round of active expiry to the next.
        pub expire_every: Duration => PERIOD,
        /// How deadlines travel from a master to its replicas.
        pub stream_deadlines: StreamDeadlines => ValueKind::Name(StreamDeadlines::NAMES),
        /// From one acknowledgement of a replica to the next.
        pub acknowledge_every: Duration => PERIOD,
        /// A master with fewer replicas than this refuses writes (min-replicas-to-write).
        pub min_replicas: u64 => ValueKind::Integer { min: 0, max: 16 },
        /// A replica that has been silent for longer does not count (min-replicas-max-lag).
        pub max_lag: Duration => PERIOD,
        /// From one ping of a sentinel to the next.
        pub ping_every: Duration => PERIOD,
        /// A redis that has been silent for this long is down, as a sentinel sees it.
        pub down_after: Duration => PERIOD,
        /// How many sentinels must find the master down.
        pub quorum: u64 => ValueKind::Integer { min: 1, max: 16 },
        /// A sentinel that has begun a failover or voted for one begins none for twice this time.
        pub failover_timeout: Duration => PERIOD,
        /// A known bug.
        pub bug: Bug => ValueKind::Name(Bug::NAMES),
    }
}

impl LockOptions {
    /// What a client gives up of the time to live for clocks of different speed.
    pub fn drift_margin(&self) -> Duration {
        self.share_of(self.drift).saturating_add(self.drift_fixed)
    }

    fn share_of(&self, share: Ppm) -> Duration {
        let nanos = u128::from(self.time_to_live.as_nanos()) * u128::from(share.parts()) / 1_000_000;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Whether a holder extends its lock by itself.
    pub const fn has_watchdog(&self) -> bool {
        !self.extend_every.is_zero()
    }
}

impl Options for LockOptions {
    fn presets() -> &'static [Preset<Self>] {
        PRESETS
    }

    fn idle(all: &PerServer<Self>, scene: Scene<'_>) -> Vec<(Idle, &'static str)> {
        super::idle::of(all, scene)
    }

    fn validate(&self, cluster: Cluster) -> Result<(), OptionsError> {
        let refuse = |option: &str, message: String| Err(OptionsError::new(option, message));
        if self.retry_max < self.retry_min {
            return refuse("retry_max", format!("{} is less than retry_min, {}", self.retry_max, self.retry_min));
        }
        if self.time_to_live <= self.drift_margin() {
            let margin = self.drift_margin();
            return refuse("time_to_live", format!("{} leaves nothing after a drift of {margin}", self.time_to_live));
        }
        if self.has_watchdog() && self.time_to_live <= self.extend_every {
            let message = format!("{} is no less than time_to_live, {}", self.extend_every, self.time_to_live);
            return refuse("extend_every", message);
        }
        self.validate_kinds(cluster)
    }
}

impl LockOptions {
    /// What needs a node of some kind.
    fn validate_kinds(&self, cluster: Cluster) -> Result<(), OptionsError> {
        let refuse = |option: &str, message: &str| Err(OptionsError::new(option, message));
        let is_alone = self.topology == Topology::Replicated || cluster.count(REDIS) == 1;
        if self.fence == FenceSource::Counter && !is_alone {
            return refuse(
                "fence",
                "\"counter\" needs one server or topology = \"replicated\": others do not count together",
            );
        }
        if self.writes != Writes::Resource && !is_alone {
            return refuse("writes", "a redis can keep the value only as one server or with topology = \"replicated\"");
        }
        if self.fence == FenceSource::Ticket && cluster.count(RESOURCE) == 0 {
            return refuse("fence", "\"ticket\" needs a resource that gives tickets: [cluster] resource = 1");
        }
        if self.owner_check == OwnerCheck::Replica && self.topology == Topology::Independent {
            return refuse(
                "owner_check",
                "\"replica\" needs topology = \"replicated\": independent servers have no replicas",
            );
        }
        let replicas = match self.topology {
            Topology::Independent => 0,
            Topology::Replicated => u64::from(cluster.count(REDIS)).saturating_sub(1),
        };
        let counts = [("wait_replicas", self.wait_replicas), ("min_replicas", self.min_replicas)];
        if let Some((option, count)) = counts.into_iter().find(|(_, count)| *count > replicas) {
            let message = format!("{count} is more than there are replicas, {replicas}: no lock would ever be had");
            return Err(OptionsError::new(option, message));
        }
        if self.topology == Topology::Independent && cluster.count(SENTINEL) > 0 {
            return refuse("topology", "sentinels look after one master: use \"replicated\", or no sentinel");
        }
        if self.quorum > u64::from(cluster.count(SENTINEL)).max(1) {
            return refuse("quorum", "is more than there are sentinels");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::presets::{careful, distlock};
    use super::super::system::KINDS;
    use super::*;

    fn cluster(redis: u16, sentinels: u16, resources: u16) -> Cluster {
        Cluster::new(KINDS).with(REDIS, redis).with(SENTINEL, sentinels).with(RESOURCE, resources)
    }

    #[test]
    fn every_preset_stands_with_one_server() {
        for preset in PRESETS {
            (preset.make)().validate(cluster(1, 0, 0)).expect(preset.name);
        }
    }

    #[test]
    fn what_cannot_stand_together_is_refused() {
        let blamed = |options: LockOptions, of: Cluster| options.validate(of).expect_err("it is refused").option;
        let seconds = Duration::from_secs;
        let one = cluster(1, 0, 0);
        assert_eq!(blamed(LockOptions { retry_min: seconds(1), ..distlock() }, one), "retry_max");
        assert_eq!(blamed(LockOptions { drift_fixed: seconds(10), ..distlock() }, one), "time_to_live");
        assert_eq!(blamed(LockOptions { extend_every: seconds(10), ..distlock() }, one), "extend_every");
        assert_eq!(blamed(careful(), cluster(3, 0, 0)), "fence", "independent servers do not count together");
        assert_eq!(blamed(LockOptions { fence: FenceSource::Ticket, ..distlock() }, one), "fence");
        assert_eq!(blamed(LockOptions { writes: Writes::Guarded, ..distlock() }, cluster(3, 0, 0)), "writes");
        assert_eq!(blamed(LockOptions { owner_check: OwnerCheck::Replica, ..distlock() }, one), "owner_check");
        assert_eq!(blamed(distlock(), cluster(3, 3, 0)), "topology", "sentinels look after one master");
        let replicated = || LockOptions { topology: Topology::Replicated, ..distlock() };
        assert_eq!(blamed(LockOptions { quorum: 4, ..replicated() }, cluster(3, 3, 0)), "quorum");
    }

    #[test]
    fn no_more_replicas_are_asked_for_than_there_are() {
        let replicated = |wait_replicas, min_replicas| {
            let options = LockOptions { topology: Topology::Replicated, wait_replicas, min_replicas, ..distlock() };
            options.validate(cluster(3, 0, 0)).map_err(|error| error.to_string())
        };
        assert_eq!(replicated(2, 2), Ok(()));
        let wait = "wait_replicas: 3 is more than there are replicas, 2: no lock would ever be had";
        assert_eq!(replicated(3, 0), Err(wait.into()));
        let min = "min_replicas: 3 is more than there are replicas, 2: no lock would ever be had";
        assert_eq!(replicated(0, 3), Err(min.into()));
        let independent = LockOptions { min_replicas: 1, ..distlock() };
        assert_eq!(independent.validate(cluster(3, 0, 0)).expect_err("it has none").option, "min_replicas");
    }
}
