//! What a scenario can set in `[raft-rs]`.

use splitbrain::kernel::prelude::*;

names! {
    /// Where the election timeouts come from, which the library draws by itself.
    pub enum Timeouts {
        /// From the node's stream, by incarnation: a new one when the library becomes a follower, a candidate or a
        /// leader, set after every call of the library.
        Pinned = "pinned",
        /// From the library's own generator, which no seed decides: runs of one seed differ.
        Own = "own",
    }
}

names! {
    /// A known bug of the adapter, to be switched on.
    pub enum Bug {
        /// None.
        None = "none",
        /// Messages that need a durable write leave before it is durable.
        EarlyMessages = "early_messages",
        /// A ready is reported to the library as durable when its writes were only asked for.
        EarlyPersisted = "early_persisted",
        /// What a server reads at its start is taken for durable, though it may have been in the page cache alone.
        UnsyncedRestart = "unsynced_restart",
        /// A refused pre-vote is handed to the library as one that is granted.
        RefusalsCount = "refusals_count",
        /// A client hears nothing of a proposal that the library refuses.
        SilentRefusal = "silent_refusal",
        /// The last snapshot is handed out to whoever needs one, though it may be from before that server was added.
        OldSnapshot = "old_snapshot",
        /// The library's clock goes on while a leader's snapshot is on its way to the disk.
        TicksWhileRestoring = "ticks_while_restoring",
    }
}

const TICKS: ValueKind = ValueKind::Integer { min: 1, max: 1_000 };

options! {
    /// The options of `[raft-rs]`.
    pub struct RaftRsOptions {
        /// `Config::pre_vote`: who times out asks whether it could win before it raises its term.
        pub pre_vote: bool => ValueKind::Bool,
        /// `Config::check_quorum`: a leader without contact to a quorum gives up, and votes wait for its lease.
        pub check_quorum: bool => ValueKind::Bool,
        /// How often the library's `tick` is called, on the node's clock.
        pub tick: Duration => ValueKind::Duration { min: Duration::from_millis(1), max: Duration::from_secs(10) },
        /// `Config::election_tick`: an election timeout is from this many ticks to one less than twice as many.
        pub election_tick: u64 => TICKS,
        /// `Config::heartbeat_tick`: ticks between two heartbeats.
        pub heartbeat_tick: u64 => TICKS,
        /// `Config::max_inflight_msgs`: appends to one follower that are not answered yet.
        pub max_inflight: u64 => ValueKind::Integer { min: 1, max: 1_024 },
        /// `Config::max_size_per_msg`: bytes of entries in one append; 0 is one entry.
        pub max_size: u64 => ValueKind::Integer { min: 0, max: 1_048_576 },
        /// Entries applied from one snapshot to the next; 0 is none, but for a server that the last one does not know.
        pub snapshot_every: u64 => ValueKind::Integer { min: 0, max: 1_000_000 },
        /// Entries that stay in the log before a snapshot.
        pub snapshot_trailing: u64 => ValueKind::Integer { min: 0, max: 1_000_000 },
        /// Whether the process of a server ends when it applies its own removal, as the library's authors ask of
        /// applications.
        pub leave: bool => ValueKind::Bool,
        /// Whether grants of pre-votes about another term than the next one come to the library, which counts them for
        /// its present round: `stale_pre_vote.toml`.
        pub late_grants: bool => ValueKind::Bool,
        /// Where election timeouts come from.
        pub timeouts: Timeouts => ValueKind::Name(Timeouts::NAMES),
        /// A known bug.
        pub bug: Bug => ValueKind::Name(Bug::NAMES),
    }
}

impl Options for RaftRsOptions {
    fn presets() -> &'static [Preset<Self>] {
        const ETCD: Preset<RaftRsOptions> = Preset {
            name: "etcd_like",
            doc: "Ticks of 100 ms, elections after 1 s, pre-vote and check-quorum: what the etcd server sets.",
            make: etcd_like,
        };
        const DEFAULT: Preset<RaftRsOptions> = Preset {
            name: "crate_default",
            doc: "As Config::default(): elections after 20 ticks, neither pre-vote nor check-quorum.",
            make: crate_default,
        };
        &[ETCD, DEFAULT]
    }

    fn validate(&self, _: Cluster) -> Result<(), OptionsError> {
        if self.heartbeat_tick < self.election_tick {
            return Ok(());
        }
        let message = format!("{} must be below election_tick, which is {}", self.heartbeat_tick, self.election_tick);
        Err(OptionsError::new("heartbeat_tick", message))
    }
}

impl RaftRsOptions {
    /// The least election timeout.
    pub const fn timeout_min(&self) -> Duration {
        self.tick.saturating_mul(self.election_tick)
    }

    /// The greatest election timeout, with the tick on which it is noticed.
    pub const fn timeout_max(&self) -> Duration {
        self.tick.saturating_mul(2 * self.election_tick)
    }
}

const fn etcd_like() -> RaftRsOptions {
    RaftRsOptions {
        pre_vote: true,
        check_quorum: true,
        tick: Duration::from_millis(100),
        election_tick: 10,
        heartbeat_tick: 1,
        max_inflight: 256,
        max_size: 4_096,
        snapshot_every: 0,
        snapshot_trailing: 5,
        leave: true,
        late_grants: true,
        timeouts: Timeouts::Pinned,
        bug: Bug::None,
    }
}

const fn crate_default() -> RaftRsOptions {
    RaftRsOptions { pre_vote: false, check_quorum: false, election_tick: 20, heartbeat_tick: 2, ..etcd_like() }
}
