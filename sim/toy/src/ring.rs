//! A system without chance: servers in a ring that greet one another, and flaws to switch on.
//!
//! It draws nothing, so what the commands print about it moves with the commands alone.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use splitbrain_kernel::prelude::*;

/// Whatever a terminal, a reader of XML or GitHub would obey: C0 with its newlines, C1, what turns the direction of
/// writing, and commands at the start of a line, of a word that is wrapped, and anywhere.
pub const HOSTILE: &str = "::error::first \u{1b}]2;PWN\u{7}\r\n::error::second\u{85}\u{2028}\
    ::error::third \u{9b}31m\u{202e}\u{200b}\u{2066} ##[error]fourth <&\"'%0A--> \
    aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa \
    ::error::fifth ::error::sixth ::error::seventh ::error::eighth";

names! {
    /// What is wrong with the second server, from its third greeting on.
    pub enum Flaw {
        /// Nothing.
        None = "none",
        /// It claims what is not so.
        Boast = "boast",
        /// It panics.
        Panic = "panic",
        /// It says something else each time that it is run.
        Impure = "impure",
        /// It never comes back from a greeting.
        Hang = "hang",
        /// It claims what is not so, and a library below all servers logs.
        Logs = "logs",
        /// It aborts its process.
        Abort = "abort",
        /// It aborts its process in every run but the first that goes so far there.
        Litter = "litter",
        /// Its stack overflows.
        Overflow = "overflow",
        /// It panics with a text that a terminal and GitHub would obey.
        Rude = "rude",
        /// The system cannot be made, and says so with such a text.
        Unmakeable = "unmakeable",
    }
}

options! {
    /// What can be set in `[ring]`.
    pub struct RingOptions {
        /// How often each server greets the next.
        pub period: Duration => ValueKind::Duration { min: Duration::from_millis(1), max: Duration::from_secs(60) },
        /// What is wrong with the second server.
        pub flaw: Flaw => ValueKind::Name(Flaw::NAMES),
    }
}

impl Options for RingOptions {
    fn presets() -> &'static [Preset<Self>] {
        const fn greeting(millis: u64) -> RingOptions {
            RingOptions { period: Duration::from_millis(millis), flaw: Flaw::None }
        }
        &[
            Preset { name: "brisk", doc: "A greeting every 100 ms.", make: || greeting(100) },
            Preset { name: "slow", doc: "A greeting every second.", make: || greeting(1_000) },
        ]
    }
}

/// The system.
#[derive(Clone, Debug)]
pub struct Ring {
    options: RingOptions,
    servers: u16,
}

impl System for Ring {
    const NAME: &'static str = "ring";
    const DOC: &'static str = "Servers in a ring, each of which greets the next.";
    const ROLES: &'static [Role] = &[Role::plain("first"), Role::plain("other")];
    const GAUGES: &'static [Gauge] = &[Gauge { name: "boasts", doc: "how often a server claimed what is not so" }];
    type Options = RingOptions;
    type Node = Server;
    type Invariants = Modesty;
    type Workload = Idle;

    fn new(setup: Setup<RingOptions>) -> Result<Self, OptionsError> {
        assert!(setup.options.base.flaw != Flaw::Unmakeable, "the planted panic of the system\n{HOSTILE}");
        Ok(Self { options: setup.options.base, servers: setup.cluster.count(KindId::SERVER) })
    }

    fn node(&self, id: NodeId, _: Recovered<()>) -> Server {
        let next = NodeId::server(id.number() % self.servers + 1);
        if self.options.flaw == Flaw::Logs {
            library::make(id.number());
        }
        Server { options: self.options.clone(), next, heard: 0 }
    }

    fn invariants(&self) -> Modesty {
        Modesty::default()
    }

    fn core(&self, _: impl View<Self::Node>, candidates: &[NodeId]) -> Vec<NodeId> {
        candidates.iter().copied().take(1).collect()
    }

    fn gauges(invariants: &Modesty) -> Vec<u64> {
        vec![invariants.boasts]
    }
}

/// One server.
#[derive(Clone, Debug)]
pub struct Server {
    options: RingOptions,
    next: NodeId,
    heard: u64,
}

/// A greeting.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hello {
    text: u64,
}

impl Message for Hello {
    const KINDS: &'static [&'static str] = &["hello"];

    fn kind(&self) -> usize {
        0
    }
}

/// The one timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Greet;

/// What servers tell.
#[derive(Clone, Debug, Serialize)]
pub enum RingEvent {
    Ready { first: bool },
    Heard { count: u64 },
    Boasted,
}

impl Observation for RingEvent {
    const NAMES: &'static [&'static str] = &["ready", "heard", "boasted"];

    fn face(&self) -> Face {
        match self {
            Self::Ready { first } => {
                let role = if *first { "first" } else { "other" };
                Face::new("ready", Change::Role { role, rank: 0 })
            }
            Self::Heard { .. } => Face::new("heard", Change::None),
            Self::Boasted => Face::new("boasted", Change::None),
        }
    }
}

/// What a run leaves behind for the next one in its process.
static LITTER: AtomicU64 = AtomicU64::new(0);

/// What makes an impure node impure: it outlives the run.
static GREETINGS: AtomicU64 = AtomicU64::new(0);

impl Node for Server {
    type Message = Hello;
    type Timer = Greet;
    type Record = ();
    type Observation = RingEvent;
    type Operation = Never;
    type Response = Never;
    type Order = Never;
    type Step = ();

    fn on_start(&mut self, ctx: &mut Context<Self>) {
        ctx.observe(RingEvent::Ready { first: ctx.id() == NodeId::server(1) });
        ctx.set_timer(Greet, self.options.period);
    }

    fn on_message(&mut self, ctx: &mut Context<Self>, _: Source, _: Hello) {
        self.heard += 1;
        if self.options.flaw == Flaw::Logs {
            library::count(self.heard);
        }
        ctx.observe(RingEvent::Heard { count: self.heard });
        if ctx.id() == NodeId::server(2) && self.heard >= 3 {
            self.go_wrong(ctx);
        }
    }

    fn on_timer(&mut self, ctx: &mut Context<Self>, _: Greet) {
        ctx.send(self.next, Hello { text: 0 });
        ctx.set_timer(Greet, self.options.period);
    }
}

impl Server {
    fn go_wrong(&self, ctx: &mut Context<Self>) {
        match self.options.flaw {
            Flaw::None => {}
            Flaw::Boast | Flaw::Logs => ctx.observe(RingEvent::Boasted),
            Flaw::Panic => panic!("the planted panic"),
            Flaw::Rude => panic!("{HOSTILE}"),
            Flaw::Impure => {
                ctx.send(self.next, Hello { text: GREETINGS.fetch_add(1, Ordering::SeqCst) });
            }
            Flaw::Hang => loop {
                std::hint::spin_loop();
            },
            Flaw::Abort => std::process::abort(),
            Flaw::Litter => {
                if self.heard == 3 && LITTER.fetch_add(1, Ordering::SeqCst) > 0 {
                    std::process::abort();
                }
            }
            Flaw::Overflow => assert!(deeper(self.heard) > 0, "it has no end"),
            Flaw::Unmakeable => unreachable!("there is no such system"),
        }
    }
}

/// Never comes back: each call needs room on the stack.
fn deeper(depth: u64) -> u64 {
    let room = std::hint::black_box([depth; 64]);
    if depth == 0 { 0 } else { deeper(depth + 1) + room[0] }
}

/// Stands for a published library, which knows nothing of splitbrain and logs in its own ways.
mod library {
    pub(super) fn make(number: u16) {
        tracing::info!(target: "parrot", number, "hatched");
    }

    pub(super) fn count(greetings: u64) {
        tracing::debug!(target: "parrot", greetings, "counted");
        tracing::trace!(target: "parrot", "never recorded");
        if greetings == 2 {
            tracing::info!(target: "parrot", greetings, by = "hand", "enough");
        } else if greetings > 2 {
            log::warn!(target: "parrot::old", "{greetings} greetings are too many");
        }
    }
}

/// What must hold.
#[derive(Clone, Debug, Default)]
pub struct Modesty {
    boasts: u64,
}

impl Invariants<Server> for Modesty {
    const LIST: &'static [InvariantInfo] = &[
        InvariantInfo {
            name: "modesty",
            doc: "No server claims what is not so.",
            source: "common decency",
            kind: InvariantKind::Safety,
            sight: Sight::BlackBox,
        },
        InvariantInfo {
            name: "good_ending",
            doc: "Every run that ends, ends well.",
            source: "the theatre",
            kind: InvariantKind::Liveness,
            sight: Sight::WhiteBox,
        },
    ];

    fn on_effect(
        &mut self,
        _: impl View<Server>,
        node: NodeId,
        effect: EffectRef<'_, Server>,
        findings: &mut Findings,
    ) {
        if let EffectRef::Observe(told) = effect {
            let boasts = matches!(told, RingEvent::Boasted);
            self.boasts += u64::from(boasts);
            findings.check(0, Some(node), !boasts, || format!("{node} boasts"));
        }
    }

    fn on_end(&mut self, _: impl View<Server>, findings: &mut Findings) {
        findings.check(1, None, true, String::new);
    }
}
