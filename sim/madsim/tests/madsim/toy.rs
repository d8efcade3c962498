//! Nodes that do one odd thing each, by option.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use splitbrain::engine::{AnySystem, Run};
use splitbrain::kernel::prelude::*;
use splitbrain::scenario::{self, Scenario};
use splitbrain_madsim::OnMadsim;
use splitbrain_toy::Unwatched;

splitbrain::kernel::names! {
    /// What every node does when it starts.
    pub enum Deed {
        /// Nothing, ever.
        Idle = "idle",
        /// Sets a timer of 500 µs again and again.
        Ticking = "ticking",
        /// Tells in which order a hash map has its keys.
        HashOrder = "hash_order",
        /// Tells what the machine's clocks say.
        Clocks = "clocks",
        /// Tells how often it was asked in this process.
        Statics = "statics",
        /// Tells what the system's entropy is, read around the C library.
        RawEntropy = "raw_entropy",
        /// Starts a thread.
        Threads = "threads",
        /// Sets a timer of 10 µs again and again, for 10 ms.
        ShortTimers = "short_timers",
        /// Sends one message to its neighbour.
        Sends = "sends",
        /// Sets a timer for each of 20 ms.
        ManyTimers = "many_timers",
    }
}

options! {
    /// What can be set.
    pub struct ToyOptions {
        /// What every node does when it starts.
        pub deed: Deed => ValueKind::Name(Deed::NAMES),
    }
}

impl Options for ToyOptions {
    fn presets() -> &'static [Preset<Self>] {
        &[Preset { name: "plain", doc: "Idle.", make: || Self { deed: Deed::Idle } }]
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Toy {
    deed: Deed,
}

#[derive(Clone, Debug)]
pub(crate) struct Actor {
    deed: Deed,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) enum ToyObservation {
    Word(u64),
    Heard,
    Fired,
}

impl Observation for ToyObservation {
    const NAMES: &'static [&'static str] = &["word", "heard", "fired"];

    fn face(&self) -> Face {
        let name = match self {
            Self::Word(_) => "word",
            Self::Heard => "heard",
            Self::Fired => "fired",
        };
        Face::new(name, Change::None)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Note;

impl Message for Note {
    const KINDS: &'static [&'static str] = &["note"];

    fn kind(&self) -> usize {
        0
    }
}

/// How often anyone asked, in this process.
static ASKED: AtomicU64 = AtomicU64::new(0);

impl Node for Actor {
    type Message = Note;
    type Timer = u64;
    type Record = ();
    type Observation = ToyObservation;
    type Operation = Never;
    type Response = Never;
    type Order = Never;
    type Step = ();

    fn on_start(&mut self, ctx: &mut Context<Self>) {
        match self.deed {
            Deed::Idle => {}
            Deed::Ticking => ctx.set_timer(0, Duration::from_micros(500)),
            Deed::ShortTimers => ctx.set_timer(0, Duration::from_micros(10)),
            Deed::ManyTimers => (0..20).for_each(|name| ctx.set_timer(name, Duration::from_millis(1 + name))),
            Deed::HashOrder => ctx.observe(ToyObservation::Word(hash_order())),
            Deed::Clocks => ctx.observe(ToyObservation::Word(clocks())),
            Deed::Statics => ctx.observe(ToyObservation::Word(ASKED.fetch_add(1, Ordering::Relaxed))),
            Deed::RawEntropy => ctx.observe(ToyObservation::Word(raw_entropy())),
            Deed::Threads => std::thread::spawn(|| {}).join().expect("a thread that does nothing"),
            Deed::Sends => {
                let neighbour = NodeId::server(ctx.id().number() % 2 + 1);
                ctx.send(neighbour, Note);
            }
        }
    }

    fn on_message(&mut self, ctx: &mut Context<Self>, _: Source, _: Note) {
        ctx.observe(ToyObservation::Heard);
    }

    fn on_timer(&mut self, ctx: &mut Context<Self>, timer: u64) {
        match self.deed {
            Deed::Ticking => ctx.set_timer(timer, Duration::from_micros(500)),
            Deed::ShortTimers if ctx.now() < Instant::ZERO.saturating_add(Duration::from_millis(10)) => {
                ctx.observe(ToyObservation::Fired);
                ctx.set_timer(timer, Duration::from_micros(10));
            }
            _ => ctx.observe(ToyObservation::Fired),
        }
    }
}

/// A number for the order of the keys of a hash map.
pub(crate) fn hash_order() -> u64 {
    let keys: std::collections::HashMap<u64, ()> = (0..64).map(|key| (key, ())).collect();
    keys.keys().fold(0, |order, key| order.wrapping_mul(67).wrapping_add(*key))
}

fn clocks() -> u64 {
    let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    // What an instant is counted from is not told: two of them tell how time passes.
    let (one, two) = (std::time::Instant::now(), std::time::Instant::now());
    wall.as_secs().wrapping_mul(1_000_003) ^ u64::from(wall.subsec_nanos()) ^ u64::from((two - one).subsec_nanos())
}

fn raw_entropy() -> u64 {
    use std::io::Read as _;

    let mut bytes = [0; 8];
    let mut source = std::fs::File::open("/dev/urandom").expect("a Linux machine");
    source.read_exact(&mut bytes).expect("it never runs out");
    u64::from_le_bytes(bytes)
}

impl System for Toy {
    const NAME: &'static str = "toy";
    const DOC: &'static str = "Nodes that do one odd thing.";
    type Options = ToyOptions;
    type Node = Actor;
    type Invariants = Unwatched;
    type Workload = Idle;

    fn new(setup: Setup<ToyOptions>) -> Result<Self, OptionsError> {
        Ok(Self { deed: setup.options.base.deed })
    }

    fn node(&self, _: NodeId, _: Recovered<()>) -> Actor {
        Actor { deed: self.deed }
    }

    fn invariants(&self) -> Unwatched {
        Unwatched
    }

    fn core(&self, _: impl View<Self::Node>, candidates: &[NodeId]) -> Vec<NodeId> {
        candidates.iter().copied().take(1).collect()
    }
}

/// Two servers that do this, with more keys below `[run]`.
pub(crate) fn scenario(deed: &str, rest: &str) -> String {
    format!("# A toy.\nformat = 1\nsystem = \"toy\"\n[cluster]\nservers = 2\n[toy]\ndeed = \"{deed}\"\n[run]\n{rest}\n")
}

pub(crate) fn load(text: &str) -> Arc<Scenario> {
    let system = OnMadsim::<Toy>::new();
    let loaded = scenario::load("toy.toml", text.as_bytes(), &[system.description()]);
    Arc::new(loaded.unwrap_or_else(|error| panic!("{error}")))
}

/// The run with this seed.
pub(crate) fn run(text: &str, seed: u64) -> Run {
    let engine = OnMadsim::<Toy>::new().open(load(text)).expect("there is no plan to refuse");
    engine.worker().run(Seed(seed).into(), None)
}
