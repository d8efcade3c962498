//! What a scenario can set in `[foca]`.

use std::num::{NonZeroU8, NonZeroUsize};

use foca::{Config, PeriodicParams};
use splitbrain::kernel::prelude::*;

names! {
    /// A known bug of the adapter, to be switched on.
    pub enum Bug {
        /// None.
        None = "none",
        /// A process joins before the number of its life is durable.
        EarlyIdentity = "early_identity",
        /// A member that knows no active member makes a new Foca, with the identity that it has.
        AnewWhenIdle = "anew_when_idle",
        /// What tells a member that it was declared down does not reach the library.
        NeverTold = "never_told",
        /// The timer after which a suspect is declared down is lost.
        LostSuspicion = "lost_suspicion",
        /// The timer of an indirect probe is lost.
        LostProbe = "lost_probe",
    }
}

names! {
    /// To whom a member announces itself after its start.
    pub enum Join {
        /// To each address of which it knows no active member, and to all until its present identity has been heard.
        Missing = "missing",
        /// To all, if it knows no active member.
        Alone = "alone",
        /// To no member, after its start.
        Once = "once",
    }
}

const PERIOD: ValueKind = ValueKind::Duration { min: Duration::from_millis(10), max: Duration::from_secs(600) };
const LONG: ValueKind = ValueKind::Duration { min: Duration::from_millis(10), max: Duration::from_secs(86_400) };
const COUNT: ValueKind = ValueKind::Integer { min: 1, max: 100 };

options! {
    /// The options of `[foca]`: the library's `Config`, a tick of the adapter, and a mistake.
    pub struct SwimOptions {
        /// `probe_period`: how often a member probes another one.
        pub probe_period: Duration => PERIOD,
        /// `probe_rtt`: how long it waits for the answer before it asks others to probe.
        pub probe_rtt: Duration => PERIOD,
        /// `num_indirect_probes`: how many it asks, and to how many an update is sent at once.
        pub indirect_probes: u64 => COUNT,
        /// `max_transmissions`: how often an update is sent along with other messages.
        pub max_transmissions: u64 => COUNT,
        /// `suspect_to_down_after`: how long a suspect has to answer before it is declared down.
        pub suspect_to_down: Duration => PERIOD,
        /// `remove_down_after`: how long a member that is down is remembered; after that it is taken in under the
        /// identity that it had.
        pub remove_down: Duration => LONG,
        /// `notify_down_members`: whether a member that was declared down gets word of that.
        pub notify_down: bool => ValueKind::Bool,
        /// Whether the three periodic tasks of the library are on.
        pub periodic: bool => ValueKind::Bool,
        /// `periodic_gossip`: how often updates are sent to three members.
        pub gossip_every: Duration => PERIOD,
        /// `periodic_announce`: how often one member is asked for all that it knows.
        pub announce_every: Duration => PERIOD,
        /// `periodic_announce_to_down_members`: how often two members that are down are asked.
        pub announce_to_down_every: Duration => PERIOD,
        /// How often a member looks whether it should announce itself again, which the library leaves to its user.
        pub join_every: Duration => PERIOD,
        /// To whom it does.
        pub join: Join => ValueKind::Name(Join::NAMES),
        /// A known bug.
        pub bug: Bug => ValueKind::Name(Bug::NAMES),
    }
}

impl Options for SwimOptions {
    fn presets() -> &'static [Preset<Self>] {
        const LAN: SwimOptions = SwimOptions {
            probe_period: Duration::from_secs(1),
            probe_rtt: Duration::from_millis(500),
            indirect_probes: 3,
            max_transmissions: 3,
            suspect_to_down: Duration::from_secs(4),
            remove_down: Duration::from_secs(86_400),
            notify_down: true,
            periodic: true,
            gossip_every: Duration::from_millis(200),
            announce_every: Duration::from_secs(30),
            announce_to_down_every: Duration::from_secs(65),
            join_every: Duration::from_secs(1),
            join: Join::Missing,
            bug: Bug::None,
        };
        &[
            Preset { name: "lan", doc: "The library's `Config::new_lan` for 5 members.", make: || LAN },
            Preset {
                name: "simple",
                doc: "The library's `Config::simple`: SWIM without its extensions.",
                make: || Self {
                    probe_period: Duration::from_millis(1_500),
                    max_transmissions: 10,
                    suspect_to_down: Duration::from_secs(3),
                    notify_down: false,
                    periodic: false,
                    ..LAN
                },
            },
        ]
    }

    fn validate(&self, _: Cluster) -> Result<(), OptionsError> {
        if self.probe_rtt < self.probe_period {
            return Ok(());
        }
        Err(OptionsError::new("probe_rtt", format!("expected less than probe_period, {}", self.probe_period)))
    }
}

impl SwimOptions {
    /// The configuration of the library.
    pub(super) fn config(&self) -> Config {
        let periodic = |every: Duration, members: usize| {
            let num_members = NonZeroUsize::new(members).expect("some members");
            self.periodic.then(|| PeriodicParams { frequency: std(every), num_members })
        };
        let transmissions = u8::try_from(self.max_transmissions).ok().and_then(NonZeroU8::new);
        let probes = usize::try_from(self.indirect_probes).ok().and_then(NonZeroUsize::new);
        Config {
            probe_period: std(self.probe_period),
            probe_rtt: std(self.probe_rtt),
            num_indirect_probes: probes.expect("from 1 to 100"),
            max_transmissions: transmissions.expect("from 1 to 100"),
            suspect_to_down_after: std(self.suspect_to_down),
            remove_down_after: Some(std(self.remove_down)),
            notify_down_members: self.notify_down,
            periodic_announce: periodic(self.announce_every, 1),
            periodic_announce_to_down_members: periodic(self.announce_to_down_every, 2),
            periodic_gossip: periodic(self.gossip_every, 3),
            ..Config::simple()
        }
    }

    /// Within this time a member that is not interfered with declares a process down that has ended: it probes every
    /// member at least once in twice as many periods as there are members, and then waits for an answer.
    pub(super) fn detection_within(&self, members: u16) -> Duration {
        let periods = 2 * u64::from(members) + 1;
        self.probe_period.saturating_mul(periods).saturating_add(self.suspect_to_down)
    }
}

fn std(duration: Duration) -> std::time::Duration {
    std::time::Duration::from_nanos(duration.as_nanos())
}
