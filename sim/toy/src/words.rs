//! One of each kind of word that a scenario can say, and nodes that do nothing: what the language is about.

use serde::{Deserialize, Serialize};
use splitbrain_kernel::prelude::*;
use splitbrain_kernel::workload::{Loop, Pace, PaceOptions, options_of};

names! {
    /// How it goes about things.
    pub enum Mode {
        /// At once.
        Eager = "eager",
        /// When it must.
        Lazy = "lazy",
    }
}

names! {
    /// Known bugs.
    pub enum Bug {
        /// None.
        None = "none",
        /// Forgets what it wrote.
        Forgets = "forgets",
    }
}

options! {
    /// Options.
    pub struct ToyOptions {
        /// Whether it asks first.
        pub pre_vote: bool => ValueKind::Bool,
        /// How long it waits.
        pub timeout: Duration => ValueKind::Duration { min: Duration::from_millis(1), max: Duration::from_secs(10) },
        /// Who goes first.
        pub priority: u64 => ValueKind::Integer { min: 0, max: 100 },
        /// How it goes about things.
        pub mode: Mode => ValueKind::Name(Mode::NAMES),
        /// How often it fails.
        pub odds: Ppm => ValueKind::Probability,
        /// A known bug.
        pub bug: Bug => ValueKind::Name(Bug::NAMES),
    }
}

impl Options for ToyOptions {
    fn presets() -> &'static [Preset<Self>] {
        const fn plain(pre_vote: bool) -> ToyOptions {
            let timeout = Duration::from_millis(150);
            ToyOptions { pre_vote, timeout, priority: 1, mode: Mode::Eager, odds: Ppm::NEVER, bug: Bug::None }
        }
        &[
            Preset { name: "plain", doc: "As it comes.", make: || plain(false) },
            Preset { name: "fancy", doc: "With pre-vote.", make: || plain(true) },
        ]
    }

    fn validate(&self, cluster: Cluster) -> Result<(), OptionsError> {
        let most = u64::from(cluster.count(KindId::SERVER)) * 10;
        if self.priority > most {
            return Err(OptionsError::new("priority", format!("must be at most {most} here")));
        }
        Ok(())
    }
}

/// What a client is asked for, and what a server is ordered to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deed {
    /// Asks for the register.
    Read(u64),
    /// Sets it.
    Write(u64),
    /// Is on or off.
    Flag(bool),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ping;

impl Message for Ping {
    const KINDS: &'static [&'static str] = &["ping", "vote"];
    const REFUSABLE: &'static [&'static str] = &["ping"];

    fn kind(&self) -> usize {
        0
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct Seen;

impl Observation for Seen {
    const NAMES: &'static [&'static str] = &["leader elected", "pre-vote denied"];

    fn face(&self) -> Face {
        Face::new("leader elected", Change::None)
    }
}

#[derive(Clone, Debug)]
pub struct Mute;

impl Node for Mute {
    type Message = Ping;
    type Timer = u8;
    type Record = u8;
    type Observation = Seen;
    type Operation = Deed;
    type Response = ();
    type Order = Deed;
    type Step = u8;

    fn on_start(&mut self, _: &mut Context<Self>) {}
    fn on_message(&mut self, _: &mut Context<Self>, _: Source, _: Ping) {}
    fn on_timer(&mut self, _: &mut Context<Self>, _: u8) {}
}

#[derive(Clone, Debug)]
pub struct Watch;

const fn info(name: &'static str, sight: Sight) -> InvariantInfo {
    InvariantInfo { name, doc: "It holds.", source: "here", kind: InvariantKind::Safety, sight }
}

impl Invariants<Mute> for Watch {
    const LIST: &'static [InvariantInfo] = &[
        info("election_safety", Sight::BlackBox),
        info("term_monotone", Sight::WhiteBox),
        info("leader_in_time", Sight::BlackBox),
    ];
}

/// The system.
#[derive(Clone, Debug)]
pub struct Toy {
    /// What it was made from.
    pub setup: Setup<ToyOptions>,
}

const MS: Duration = Duration::from_millis(1);

options! {
    /// Options of the register's workload.
    pub struct RegisterOptions {
        /// The share of reads; drawn for each operation.
        pub reads: Ppm => ValueKind::Probability,
    }
}

impl Options for RegisterOptions {
    fn presets() -> &'static [Preset<Self>] {
        &[Preset { name: "even", doc: "As many reads as writes.", make: || Self { reads: Ppm::new(500_000) } }]
    }
}

/// Reads and writes of one client.
#[derive(Clone, Debug)]
pub struct Register {
    reads: Ppm,
    pace: Pace,
    contents: Rng,
}

impl Workload<Deed, ()> for Register {
    fn next(&mut self, now: Instant) -> Next<Deed> {
        let (reads, contents) = (self.reads, &mut self.contents);
        self.pace.next(now, || {
            let reads = contents.chance(reads);
            let word = contents.word();
            if reads { Deed::Read(word) } else { Deed::Write(word) }
        })
    }
}

impl System for Toy {
    const NAME: &'static str = "toy";
    const DOC: &'static str = "Does nothing.";
    const ROLES: &'static [Role] = &[Role::ranked("leader"), Role::plain("follower")];
    const RESOURCES: &'static [&'static str] = &["lock"];
    const WORKLOADS: &'static [WorkloadInfo] =
        &[WorkloadInfo { name: "register", doc: "Reads and writes.", options: options_of::<RegisterOptions> }];
    const ORDERS: &'static [OrderInfo] =
        &[OrderInfo { name: "flag", doc: "on or off." }, OrderInfo { name: "mark", doc: "A server." }];
    const GAUGES: &'static [Gauge] = &[Gauge { name: "leader_changes", doc: "How often." }];

    type Options = ToyOptions;
    type Node = Mute;
    type Invariants = Watch;
    type Workload = Register;

    fn new(setup: Setup<ToyOptions>) -> Result<Self, OptionsError> {
        Ok(Self { setup })
    }

    fn node(&self, _: NodeId, _: Recovered<u8>) -> Mute {
        Mute
    }

    fn invariants(&self) -> Watch {
        Watch
    }

    fn core(&self, _: impl View<Self::Node>, candidates: &[NodeId]) -> Vec<NodeId> {
        candidates.iter().copied().take(3).collect()
    }

    fn workload(&self, call: &WorkloadCall<'_>) -> Result<Register, OptionsError> {
        let RegisterOptions { reads } = call.options();
        let pace = PaceOptions { pacing: Loop::Open, think: MS, burst_every: Duration::ZERO, burst_length: MS };
        let contents = call.stream.fork("operation", 0);
        Ok(Register { reads, pace: Pace::of(call, pace, call.stream.clone())?, contents })
    }

    fn order(&self, name: &str, argument: &str) -> Result<Deed, String> {
        match (name, argument) {
            ("flag", "on") => Ok(Deed::Flag(true)),
            ("flag", "off") => Ok(Deed::Flag(false)),
            ("mark", server) => {
                let number = server.strip_prefix('s').and_then(|number| number.parse().ok());
                number.map(Deed::Write).ok_or_else(|| format!("expected a server, got {server:?}"))
            }
            _ => Err(format!("expected on or off, got {argument:?}")),
        }
    }
}
