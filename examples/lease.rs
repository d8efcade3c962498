//! A protocol of one's own under splitbrain: a lease server, clients that hold the lease by their own drifting clocks,
//! and a store that they write to. `docs/bring-your-own.md` walks through it.
//!
//! ```text
//!   client ── Ask ──▶ server          the server lets `time_to_live` pass on its clock before it grants again
//!   client ◀─ Grant ─ server          the client holds until `time_to_live - margin` after it *asked*, on its own
//!   client ── Write ▶ store           only while it holds
//! ```
//!
//! Three things are kept apart: what a client believes, what the server has granted, and what was done to the store. No
//! write takes effect after the lease that it was made under, as long as no clock drifts by more than the declared
//! bound `d` and the margin covers it, with the time that a write is under way:
//! `(time_to_live - margin) / (1 - d) + latency <= time_to_live / (1 + d)`. Two clients that believe in the lease at
//! once are counted, and are no violation: one of them may be paused, and never act.
//!
//! ```sh
//! cargo run --release --example lease -- test examples/lease
//! ```

use std::collections::{BTreeMap, BTreeSet};

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
            doc: "A second, of which the holder uses 850 ms.",
            make: || LeaseOptions { time_to_live: Duration::from_secs(1), margin: Duration::from_millis(150) },
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
    const GAUGES: &'static [Gauge] =
        &[Gauge { name: "belief_overlaps", doc: "A client gained the lease while another believed to hold it." }];
    type Options = LeaseOptions;
    type Node = Process;
    type Invariants = NoLateWrite;
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
            SERVER => Process::Server { options, free_at: Instant::ZERO, grants: 0 },
            _ if id.is_server() => Process::Store { writes: 0 },
            _ => Process::Client { options, lease: Holding::Not },
        }
    }

    fn invariants(&self) -> NoLateWrite {
        NoLateWrite {
            time_to_live: self.options.time_to_live,
            leases: BTreeMap::new(),
            believers: BTreeSet::new(),
            overlaps: 0,
        }
    }

    fn core(&self, _: impl View<Self::Node>, candidates: &[NodeId]) -> Vec<NodeId> {
        candidates.iter().copied().take(2).collect()
    }

    fn gauges(invariants: &NoLateWrite) -> Vec<u64> {
        vec![invariants.overlaps]
    }
}

/// One process of the system.
#[derive(Clone, Debug)]
enum Process {
    /// Grants the lease; `free_at` is when it may do so again, on its own clock. Grants are numbered.
    Server { options: LeaseOptions, free_at: Instant, grants: u64 },
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
    Held { until: Instant, number: u64 },
}

/// What processes say.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Message {
    /// A client wants the lease; `at` is its own time, and comes back with the answer.
    Ask { at: Instant },
    /// It is granted, under this number.
    Grant { asked_at: Instant, number: u64 },
    /// A holder writes, under this grant.
    Write { number: u64 },
}

impl splitbrain::kernel::node::Message for Message {
    const KINDS: &'static [&'static str] = &["ask", "grant", "write"];

    fn kind(&self) -> usize {
        match self {
            Self::Ask { .. } => 0,
            Self::Grant { .. } => 1,
            Self::Write { .. } => 2,
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
enum LeaseEvent {
    Granted { to: NodeId, number: u64 },
    Gained,
    Lost,
    Written { by: NodeId, number: u64 },
}

impl Observation for LeaseEvent {
    const NAMES: &'static [&'static str] = &["lease granted", "lease gained", "lease lost", "written"];

    fn face(&self) -> Face {
        let (name, change) = match self {
            Self::Granted { .. } => ("lease granted", Change::None),
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
    type Observation = LeaseEvent;
    type Operation = Never;
    type Response = Never;
    type Order = Never;
    type Step = ();

    fn on_start(&mut self, ctx: &mut Context<Self>) {
        match self {
            // A server that starts again does not know what it granted: it waits for a whole lease to run out.
            Self::Server { options, free_at, grants } => {
                *free_at = ctx.now().saturating_add(options.time_to_live);
                *grants = u64::from(ctx.incarnation()) << 32;
            }
            Self::Store { .. } => {}
            Self::Client { .. } => ask_later(ctx),
        }
    }

    fn on_message(&mut self, ctx: &mut Context<Self>, source: Source, message: Message) {
        match (self, message) {
            (Self::Server { options, free_at, grants }, Message::Ask { at }) if *free_at <= ctx.now() => {
                *free_at = ctx.now().saturating_add(options.time_to_live);
                *grants += 1;
                ctx.observe(LeaseEvent::Granted { to: source.node, number: *grants });
                ctx.send(source.node, Message::Grant { asked_at: at, number: *grants });
            }
            (Self::Store { writes }, Message::Write { number }) => {
                *writes += 1;
                ctx.observe(LeaseEvent::Written { by: source.node, number });
            }
            (Self::Client { options, lease }, Message::Grant { asked_at, number }) => {
                // The lease counts from when it was asked for: the server cannot have started to count before that.
                let until = asked_at.saturating_add(options.time_to_live - options.margin);
                if *lease == (Holding::Asked { at: asked_at }) && ctx.now() < until {
                    *lease = Holding::Held { until, number };
                    ctx.observe(LeaseEvent::Gained);
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
                ctx.observe(LeaseEvent::Lost);
                ask_later(ctx);
            }
            (Timer::Write, Holding::Held { until, number }) if ctx.now() < until => {
                ctx.send(STORE, Message::Write { number });
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

/// No write takes effect after the lease that it was made under. The effect counts, not what clients believe.
#[derive(Clone, Debug)]
struct NoLateWrite {
    time_to_live: Duration,
    /// When each lease is over, on the server's clock: what the server has granted.
    leases: BTreeMap<u64, Instant>,
    /// Who believes to hold the lease.
    believers: BTreeSet<NodeId>,
    overlaps: u64,
}

const NO_LATE_WRITE: usize = 0;

impl Invariants<Process> for NoLateWrite {
    const LIST: &'static [InvariantInfo] = &[InvariantInfo {
        name: "no_late_write",
        doc: "No write takes effect after the lease that it was made under is over.",
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
            EffectRef::Observe(LeaseEvent::Granted { number, .. }) => {
                self.leases.insert(*number, view.monotonic(SERVER).saturating_add(self.time_to_live));
            }
            EffectRef::Observe(LeaseEvent::Written { by, number }) => {
                let (now, until) = (view.monotonic(SERVER), self.leases.get(number).copied());
                let is_in_time = until.is_some_and(|until| now < until);
                findings.check(NO_LATE_WRITE, Some(node), is_in_time, || match until {
                    Some(until) => format!("a write of {by} takes effect at {now}; its lease was over at {until}"),
                    None => format!("a write of {by} takes effect without a lease"),
                });
            }
            EffectRef::Observe(LeaseEvent::Gained) => {
                self.overlaps += u64::from(!self.believers.is_empty());
                self.believers.insert(node);
            }
            EffectRef::Observe(LeaseEvent::Lost) => {
                self.believers.remove(&node);
            }
            _ => {}
        }
    }

    fn on_down(&mut self, _: impl View<Process>, node: NodeId, _: &mut Findings) {
        self.believers.remove(&node);
    }
}
