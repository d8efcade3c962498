//! Options of the chat service.

use splitbrain_kernel::id::Cluster;
use splitbrain_kernel::options::{Options, OptionsError, Preset, ValueKind};
use splitbrain_kernel::rng::Ppm;
use splitbrain_kernel::time::Duration;

use crate::lock::options::{FenceSource, LockOptions, Topology};

use super::bug::Bug;
use super::presets::PRESETS;

const MOMENT: ValueKind = ValueKind::Duration { min: Duration::ZERO, max: Duration::from_secs(600) };
const PERIOD: ValueKind = ValueKind::Duration { min: Duration::from_millis(1), max: Duration::from_secs(600) };
const THREADS: ValueKind = ValueKind::Integer { min: 1, max: 64 };

splitbrain_kernel::options! {
    /// Options of the chat service.
    pub struct ChatOptions {
        /// How many threads of a chat server handle logins.
        pub logic_threads: u64 => THREADS,
        /// How many threads of a chat server clean up after connections.
        pub io_threads: u64 => THREADS,
        /// How many connections to the redis a chat server has. A login or a cleanup uses one from begin to end.
        pub pool_size: u64 => THREADS,
        /// The most time from one step of a thread to the next.
        pub gap_max: Duration => MOMENT,
        /// How long a chat server waits for an answer of the redis.
        pub call_timeout: Duration => PERIOD,
        /// The most time that a query of the database takes; drawn. A login makes up to three.
        pub database_max: Duration => MOMENT,
        /// The chance that a query is held up.
        pub database_stall: Ppm => ValueKind::Probability,
        /// How long it is held up at most.
        pub database_stall_max: Duration => MOMENT,
        /// How long a login waits for another chat server to end the user's old session.
        pub kick_deadline: Duration => PERIOD,
        /// The time to live of the presence of a user in the redis.
        pub presence_life: Duration => PERIOD,
        /// How much earlier the chat server takes it for over: for clocks of different speed.
        pub presence_margin: Duration => MOMENT,
        /// From one renewal of the presence to the next.
        pub renew_every: Duration => PERIOD,
        /// From one heartbeat of a client to the next.
        pub heartbeat_every: Duration => PERIOD,
        /// A chat server ends a session that has been silent for longer.
        pub heartbeat_timeout: Duration => PERIOD,
        /// From one look for silent sessions to the next. It also writes the count of users anew.
        pub scan_every: Duration => PERIOD,
        /// The time to live of a login token from when it was last given.
        pub token_life: Duration => PERIOD,
        /// How long a client waits for one operation.
        pub request_timeout: Duration => PERIOD,
        /// How long a gate waits for the status server, and the status server for the redis.
        pub forward_timeout: Duration => PERIOD,
        /// For how long two sessions of a user may overlap: `one_session` asks for no more.
        pub overlap_max: Duration => MOMENT,
        /// The lock of a user, and the redis.
        pub lock: LockOptions => nested,
        /// A known bug.
        pub bug: Bug => ValueKind::Name(Bug::NAMES),
    }
}

impl ChatOptions {
    /// The options of the lock inside, with what a known bug changes in them.
    pub fn inner_lock(&self) -> LockOptions {
        let mut lock = self.lock.clone();
        match self.bug {
            Bug::LostReplyBlocksItself => lock.bug = crate::lock::bug::Bug::OwnTokenIsForeign,
            Bug::SpinsEveryMillisecond => {
                (lock.retry_min, lock.retry_max) = (Duration::from_millis(1), Duration::from_millis(1));
            }
            _ => {}
        }
        lock
    }
}

impl Options for ChatOptions {
    fn presets() -> &'static [Preset<Self>] {
        PRESETS
    }

    fn validate(&self, _: Cluster) -> Result<(), OptionsError> {
        let refuse = |option: &str, message: String| Err(OptionsError::new(option, message));
        let life = self.presence_life.saturating_sub(self.presence_margin);
        if life <= self.renew_every {
            let message = format!("{} is not less than presence_life less presence_margin, {life}", self.renew_every);
            return refuse("renew_every", message);
        }
        if self.heartbeat_timeout <= self.heartbeat_every {
            let message =
                format!("{} is no more than heartbeat_every, {}", self.heartbeat_timeout, self.heartbeat_every);
            return refuse("heartbeat_timeout", message);
        }
        if self.lock.topology != Topology::Independent {
            return refuse("lock.topology", "the data of the chat service is on one redis: use \"independent\"".into());
        }
        if self.lock.fence != FenceSource::None || self.lock.has_watchdog() {
            let message = "the service writes under a lock by comparing its token, and extends none: \
                           use fence = \"none\" and extend_every = \"0s\"";
            return refuse("lock.fence", message.into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::presets;
    use super::super::system::KINDS;
    use super::*;

    #[test]
    fn presets_stand_and_what_cannot_stand_together_is_refused() {
        let cluster = Cluster::new(KINDS).with(crate::lock::system::REDIS, 1);
        for preset in PRESETS {
            (preset.make)().validate_all(cluster).expect("a preset stands");
        }
        let blamed = |options: ChatOptions| options.validate(cluster).expect_err("it is refused").option;
        let careful = presets::careful;
        assert_eq!(blamed(ChatOptions { renew_every: Duration::from_secs(6), ..careful() }), "renew_every");
        let heartbeat_timeout = Duration::from_secs(3);
        assert_eq!(blamed(ChatOptions { heartbeat_timeout, ..careful() }), "heartbeat_timeout");
        let lock = LockOptions { topology: Topology::Replicated, ..careful().lock };
        assert_eq!(blamed(ChatOptions { lock, ..careful() }), "lock.topology");
        let lock = LockOptions { fence: FenceSource::Counter, ..careful().lock };
        assert_eq!(blamed(ChatOptions { lock, ..careful() }), "lock.fence");
    }
}
