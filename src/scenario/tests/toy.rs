//! A system with one of each kind of word, and nodes that do nothing.

use serde::{Deserialize, Serialize};
use splitbrain_kernel::context::Context;
use splitbrain_kernel::id::{Cluster, KindId, NodeId};
use splitbrain_kernel::invariant::{InvariantInfo, InvariantKind, Invariants, Sight};
use splitbrain_kernel::node::{Change, Face, Message, Node, Observation, Recovered, Source};
use splitbrain_kernel::options::{Options, OptionsError, Preset, ValueKind};
use splitbrain_kernel::rng::{Ppm, Rng};
use splitbrain_kernel::system::{Gauge, OrderInfo, Setup, System, WorkloadInfo};
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::view::View;
use splitbrain_kernel::vocabulary::Role;
use splitbrain_kernel::workload::{Cue, Loop, Next, Pace, PaceOptions, Workload, WorkloadCall, options_of};

splitbrain_kernel::names! {
    /// How it goes about things.
    pub enum Mode {
        /// At once.
        Eager = "eager",
        /// When it must.
        Lazy = "lazy",
    }
}

splitbrain_kernel::names! {
    /// Known bugs.
    pub enum Bug {
        /// None.
        None = "none",
        /// Forgets what it wrote.
        Forgets = "forgets",
    }
}

splitbrain_kernel::options! {
    /// Options.
    pub struct ToyOptions {
        /// Whether it asks first.
        pub pre_vote: bool => ValueKind::Bool,
        /// How long it waits.
        pub timeout: Duration => ValueKind::Duration {
            min: Duration::from_millis(1),
            max: Duration::from_secs(10),
        },
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

const fn plain() -> ToyOptions {
    ToyOptions {
        pre_vote: false,
        timeout: Duration::from_millis(150),
        priority: 1,
        mode: Mode::Eager,
        odds: Ppm::NEVER,
        bug: Bug::None,
    }
}

const fn fancy() -> ToyOptions {
    ToyOptions { pre_vote: true, ..plain() }
}

const PRESETS: &[Preset<ToyOptions>] = &[
    Preset { name: "plain", doc: "As it comes.", make: plain },
    Preset { name: "fancy", doc: "With pre-vote.", make: fancy },
];

impl Options for ToyOptions {
    fn presets() -> &'static [Preset<Self>] {
        PRESETS
    }

    fn validate(&self, cluster: Cluster) -> Result<(), OptionsError> {
        let most = u64::from(cluster.count(KindId::SERVER)) * 10;
        if self.priority > most {
            return Err(OptionsError::new("priority", format!("must be at most {most} here")));
        }
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Deed {
    Read(u64),
    Write(u64),
    Flag(bool),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Ping;

impl Message for Ping {
    const KINDS: &'static [&'static str] = &["ping", "vote"];
    const REFUSABLE: &'static [&'static str] = &["ping"];

    fn kind(&self) -> usize {
        0
    }
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Seen;

impl Observation for Seen {
    const NAMES: &'static [&'static str] = &["leader elected", "pre-vote rejected"];

    fn face(&self) -> Face {
        Face::new("leader elected", Change::None)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Idle;

impl Node for Idle {
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
pub(super) struct Watch;

const fn info(name: &'static str, sight: Sight) -> InvariantInfo {
    InvariantInfo { name, doc: "It holds.", source: "here", kind: InvariantKind::Safety, sight }
}

impl Invariants<Idle> for Watch {
    const LIST: &'static [InvariantInfo] = &[
        info("election_safety", Sight::BlackBox),
        info("term_monotone", Sight::WhiteBox),
        info("leader_in_time", Sight::BlackBox),
    ];
}

#[derive(Clone, Debug)]
pub(super) struct Toy {
    pub(super) setup: Setup<ToyOptions>,
}

const MS: Duration = Duration::from_millis(1);

splitbrain_kernel::options! {
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
pub(super) struct Register {
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
    type Node = Idle;
    type Invariants = Watch;
    type Workload = Register;

    fn new(setup: Setup<ToyOptions>) -> Result<Self, OptionsError> {
        Ok(Self { setup })
    }

    fn node(&self, _: NodeId, _: Recovered<u8>) -> Idle {
        Idle
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

/// Everything that the clients of a run are asked for, if they answer at once: in order of time and client.
pub(super) fn operations(run: &crate::scenario::Resolved<Toy>) -> Vec<(Instant, NodeId, Deed)> {
    let mut operations = Vec::new();
    let load = run.options.workload.as_ref();
    let time = |cue: &Cue| if let Cue::At(at) = cue { *at } else { panic!("{cue:?} is no time") };
    let until = load.map_or(Instant::ZERO, |load| time(&load.until));
    for (client, workload) in load.iter().flat_map(|load| &load.clients) {
        let (mut workload, mut now) = (workload.clone(), load.map_or(Instant::ZERO, |load| time(&load.from)));
        while let Next::At(at, operation) = workload.next(now) {
            if at >= until {
                break;
            }
            now = at;
            operations.push((at, *client, operation));
        }
    }
    operations.sort_by_key(|(at, client, _)| (*at, *client));
    operations
}
