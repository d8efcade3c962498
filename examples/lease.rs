//! A protocol of one's own under splitbrain: a lease server, clients that hold the lease by their own drifting clocks,
//! and a store that they write to. `docs/bring-your-own.md` walks through it.
//!
//! ```text
//!   client ── Ask ──▶ server          the server lets `time_to_live` pass on its clock before it grants again
//!   client ◀─ Grant ─ server          the client holds until `time_to_live - margin` after it *asked*, on its own
//!   client ── Write ▶ store           only while it holds
//! ```
//!
//! Two clients never hold at once as long as no clock drifts by more than the declared bound `d`, and the margin covers
//! it: `(time_to_live - margin) / (1 - d) <= time_to_live / (1 + d)`.
//!
//! ```sh
//! cargo run --release --example lease -- test examples/lease
//! ```

use serde::{Deserialize, Serialize};
use splitbrain::Cli;
use splitbrain::kernel::prelude::*;

fn main() -> std::process::ExitCode {
    Cli::new().name("lease").system::<Lease>().main()
}

options! {
    /// What can be set in `[lease]`.
    pub struct LeaseOptions {
        /// How long the server lets a lease run.
        pub time_to_live: Duration =>
            ValueKind::Duration { min: Duration::from_millis(10), max: Duration::from_secs(60) },
        /// How long before that a holder stops.
        pub margin: Duration => ValueKind::Duration { min: Duration::ZERO, max: Duration::from_secs(60) },
    }
}

impl Options for LeaseOptions {
    fn presets() -> &'static [Preset<Self>] {
        const PLAIN: Preset<LeaseOptions> = Preset {
            name: "plain",
            doc: "A second, of which the holder uses nine tenths.",
            make: || LeaseOptions { time_to_live: Duration::from_secs(1), margin: Duration::from_millis(100) },
        };
        &[PLAIN]
    }

    fn validate(&self, _: Cluster) -> Result<(), OptionsError> {
        if self.margin < self.time_to_live {
            return Ok(());
        }
        Err(OptionsError::new("margin", format!("{} leaves nothing of {}", self.margin, self.time_to_live)))
    }
}

/// The system: `s1` grants the lease, `s2` is the store, every client wants the lease.
#[derive(Clone, Debug)]
struct Lease {
    options: LeaseOptions,
}

const SERVER: NodeId = NodeId::server(1);
const STORE: NodeId = NodeId::server(2);
const PAUSE_MAX: Duration = Duration::from_millis(200);
const WRITE_PERIOD: Duration = Duration::from_millis(20);

impl System for Lease {
    const NAME: &'static str = "lease";
    const DOC: &'static str = "A lease with a time to live, held by clients with clocks of their own.";
    const RESOURCES: &'static [&'static str] = &["lease"];
    type Options = LeaseOptions;
    type Node = Process;
    type Invariants = OneHolder;
    type Workload = Idle;

    fn new(setup: Setup<LeaseOptions>) -> Result<Self, OptionsError> {
        if setup.cluster.count(KindId::SERVER) < 2 {
            return Err(OptionsError::new("servers", "expected at least 2: s1 grants the lease, s2 is the store"));
        }
        Ok(Self { options: setup.options.base })
    }

    fn node(&self, id: NodeId, _: Recovered<()>) -> Process {
        let options = self.options.clone();
        match id {
            SERVER => Process::Server { options, free_at: Instant::ZERO },
            _ if id.is_server() => Process::Store { writes: 0 },
            _ => Process::Client { options, lease: Holding::Not },
        }
    }

    fn invariants(&self) -> OneHolder {
        OneHolder::default()
    }

    fn core(&self, _: impl View<Self::Node>, candidates: &[NodeId]) -> Vec<NodeId> {
        candidates.iter().copied().take(2).collect()
    }
}

/// One process of the system.
#[derive(Clone, Debug)]
enum Process {
    /// Grants the lease; `free_at` is when it may do so again, on its own clock.
    Server { options: LeaseOptions, free_at: Instant },
    /// Takes writes.
    Store { writes: u64 },
    /// Wants the lease.
    Client { options: LeaseOptions, lease: Holding },
}

/// What a client thinks of the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holding {
    Not,
    Asked { at: Instant },
    Held { until: Instant },
}

/// What processes say.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Message {
    /// A client wants the lease; `at` is its own time, and comes back with the answer.
    Ask { at: Instant },
    /// It is granted.
    Grant { asked_at: Instant },
    /// A holder writes.
    Write,
}

impl splitbrain::kernel::node::Message for Message {
    const KINDS: &'static [&'static str] = &["ask", "grant", "write"];

    fn kind(&self) -> usize {
        match self {
            Self::Ask { .. } => 0,
            Self::Grant { .. } => 1,
            Self::Write => 2,
        }
    }
}

/// The timers of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
enum Timer {
    Ask,
    Expire,
    Write,
}

/// What processes tell those who watch.
#[derive(Clone, Debug, Serialize)]
enum Told {
    Gained,
    Lost,
    Written { by: NodeId },
}

impl Observation for Told {
    const NAMES: &'static [&'static str] = &["lease gained", "lease lost", "written"];

    fn face(&self) -> Face {
        let (name, change) = match self {
            Self::Gained => ("lease gained", Change::Gained { kind: "lease", resource: 1 }),
            Self::Lost => ("lease lost", Change::Lost { kind: "lease", resource: 1 }),
            Self::Written { .. } => ("written", Change::None),
        };
        Face::new(name, change)
    }
}

impl Node for Process {
    type Message = Message;
    type Timer = Timer;
    type Record = ();
    type Observation = Told;
    type Operation = Never;
    type Response = Never;
    type Order = Never;
    type Step = ();

    fn on_start(&mut self, ctx: &mut Context<Self>) {
        match self {
            // A server that starts again does not know what it granted: it waits for a whole lease to run out.
            Self::Server { options, free_at } => *free_at = ctx.now().saturating_add(options.time_to_live),
            Self::Store { .. } => {}
            Self::Client { .. } => ask_later(ctx),
        }
    }

    fn on_message(&mut self, ctx: &mut Context<Self>, source: Source, message: Message) {
        match (self, message) {
            (Self::Server { options, free_at }, Message::Ask { at }) if *free_at <= ctx.now() => {
                *free_at = ctx.now().saturating_add(options.time_to_live);
                ctx.send(source.node, Message::Grant { asked_at: at });
            }
            (Self::Store { writes }, Message::Write) => {
                *writes += 1;
                ctx.observe(Told::Written { by: source.node });
            }
            (Self::Client { options, lease }, Message::Grant { asked_at }) => {
                // The lease counts from when it was asked for: the server cannot have started to count before that.
                let until = asked_at.saturating_add(options.time_to_live - options.margin);
                if *lease == (Holding::Asked { at: asked_at }) && ctx.now() < until {
                    *lease = Holding::Held { until };
                    ctx.observe(Told::Gained);
                    ctx.set_timer(Timer::Expire, until.since(ctx.now()));
                    ctx.set_timer(Timer::Write, WRITE_PERIOD);
                }
            }
            _ => {}
        }
    }

    fn on_timer(&mut self, ctx: &mut Context<Self>, timer: Timer) {
        let Self::Client { lease, .. } = self else { return };
        match (timer, *lease) {
            (Timer::Ask, Holding::Not | Holding::Asked { .. }) => {
                *lease = Holding::Asked { at: ctx.now() };
                ctx.send(SERVER, Message::Ask { at: ctx.now() });
                ask_later(ctx);
            }
            (Timer::Expire, Holding::Held { .. }) => {
                *lease = Holding::Not;
                ctx.observe(Told::Lost);
                ask_later(ctx);
            }
            (Timer::Write, Holding::Held { until }) if ctx.now() < until => {
                ctx.send(STORE, Message::Write);
                ctx.set_timer(Timer::Write, WRITE_PERIOD);
            }
            _ => {}
        }
    }
}

fn ask_later(ctx: &mut Context<Process>) {
    let pause = ctx.rng().duration(Duration::from_millis(20), PAUSE_MAX);
    ctx.set_timer(Timer::Ask, pause);
}

/// At most one client holds the lease, at any moment of true time.
#[derive(Clone, Debug, Default)]
struct OneHolder {
    holder: Option<(NodeId, Instant)>,
}

const ONE_HOLDER: usize = 0;

impl Invariants<Process> for OneHolder {
    const LIST: &'static [InvariantInfo] = &[InvariantInfo {
        name: "one_holder",
        doc: "At most one client holds the lease at any moment of true time.",
        source: "Gray and Cheriton, Leases (SOSP 1989), section 2",
        kind: InvariantKind::Safety,
        sight: Sight::BlackBox,
    }];

    fn on_effect(
        &mut self,
        view: impl View<Process>,
        node: NodeId,
        effect: EffectRef<'_, Process>,
        findings: &mut Findings,
    ) {
        match effect {
            EffectRef::Observe(Told::Gained) => {
                let holder = self.holder.replace((node, view.now()));
                findings.check(ONE_HOLDER, Some(node), holder.is_none(), || {
                    let (other, since) = holder.expect("somebody else holds it");
                    format!("{node} holds the lease since {}; {other} holds it since {since}", view.now())
                });
            }
            EffectRef::Observe(Told::Lost) => self.release(node),
            _ => {}
        }
    }

    fn on_down(&mut self, _: impl View<Process>, node: NodeId, _: &mut Findings) {
        self.release(node);
    }
}

impl OneHolder {
    fn release(&mut self, node: NodeId) {
        self.holder = self.holder.filter(|(holder, _)| *holder != node);
    }
}
