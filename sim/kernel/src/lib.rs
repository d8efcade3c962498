//! The simulation kernel of splitbrain: a whole cluster in one thread, from one seed.
//!
//! It knows no protocol, no file and no thread. A [`node::Node`] is a state machine without IO; the
//! [`world::World`] runs a cluster of them over a simulated network, disks and clocks, does to them what a
//! [`plan::Plan`] says, and lets [`invariant::Invariants`] watch.
//!
//! # Example
//!
//! `s1` sends a message to `s2` every 10 ms, over a network that loses some of them. The same seed gives the same run.
//!
//! ```
//! use splitbrain_kernel::prelude::*;
//! use splitbrain_kernel::run::{Outcome, RunOptions};
//! use splitbrain_kernel::world::World;
//! # use serde::{Deserialize, Serialize};
//! # #[derive(Clone, Debug, Serialize, Deserialize)]
//! # struct Ping;
//! # impl Message for Ping {
//! #     const KINDS: &'static [&'static str] = &["ping"];
//! #     fn kind(&self) -> usize { 0 }
//! # }
//! # #[derive(Clone, Debug, Serialize)]
//! # struct Heard;
//! # impl Observation for Heard {
//! #     const NAMES: &'static [&'static str] = &["heard"];
//! #     fn face(&self) -> Face { Face::new("heard", Change::None) }
//! # }
//! # options! {
//! #     /// None is used.
//! #     pub struct PingOptions {
//! #         /// Unused.
//! #         pub unused: bool => ValueKind::Bool,
//! #     }
//! # }
//! # impl Options for PingOptions {
//! #     fn presets() -> &'static [Preset<Self>] { &[] }
//! # }
//! # #[derive(Clone, Debug)]
//! # struct Nothing;
//! # impl Invariants<Pinger> for Nothing {
//! #     const LIST: &'static [InvariantInfo] = &[];
//! # }
//!
//! const PERIOD: Duration = Duration::from_millis(10);
//!
//! #[derive(Debug)]
//! struct Pinger;
//!
//! impl Node for Pinger {
//!     type Message = Ping;
//!     type Timer = ();
//!     type Observation = Heard;
//! #     type Record = (); type Operation = Never; type Response = Never; type Order = Never; type Step = ();
//!     // …
//!
//!     fn on_start(&mut self, ctx: &mut Context<Self>) {
//!         if ctx.id() == NodeId::server(1) {
//!             ctx.set_timer((), PERIOD);
//!         }
//!     }
//!
//!     fn on_timer(&mut self, ctx: &mut Context<Self>, (): ()) {
//!         ctx.send(NodeId::server(2), Ping);
//!         ctx.set_timer((), PERIOD);
//!     }
//!
//!     fn on_message(&mut self, ctx: &mut Context<Self>, _: Source, _: Ping) {
//!         ctx.observe(Heard);
//!     }
//! }
//!
//! #[derive(Clone, Debug)]
//! struct Pingers;
//!
//! impl System for Pingers {
//!     const NAME: &'static str = "pingers";
//!     type Node = Pinger;
//! #     const DOC: &'static str = "Nodes that ping one another.";
//! #     type Options = PingOptions; type Invariants = Nothing; type Workload = Idle;
//! #     fn new(_: Setup<PingOptions>) -> Result<Self, OptionsError> { Ok(Self) }
//! #     fn invariants(&self) -> Nothing { Nothing }
//! #     fn core(&self, _: impl View<Pinger>, candidates: &[NodeId]) -> Vec<NodeId> { candidates.to_vec() }
//!     // …
//!
//!     fn node(&self, _: NodeId, _: Recovered<()>) -> Pinger {
//!         Pinger
//!     }
//! }
//!
//! let mut options = RunOptions::ordinary(Cluster::plain(2, 0), Duration::from_secs(1));
//! options.network.loss = Ppm::new(100_000); // a tenth
//! let run = |seed| World::new(&Pingers, &options, Seed(seed)).run();
//!
//! let report = run(7);
//! assert_eq!(report.outcome, Outcome::Passed);
//! assert!(report.counts["heard"] > 0 && report.counts["packet lost"] > 0);
//! assert_eq!(report.digest, run(7).digest);
//! assert_ne!(report.digest, run(8).digest);
//! ```
//!
//! # Where to begin
//!
//! | to read about | begin with |
//! | --- | --- |
//! | what a protocol implements | [`node::Node`], [`context::Context`], [`system::System`]; [`prelude`] has the names |
//! | the loop, and what happens at one instant | [`world::World`] |
//! | what is done to the world | [`fault`], [`director`], [`plan`] |
//! | what watches | [`invariant`], [`view`]; over the answers to clients [`history`], [`checker`] |
//! | what clients do | [`workload`] |
//! | the models, which are plain values | [`network`], [`disk`], [`clock`], [`timers`], [`queue`] |
//! | why one seed is one run | [`rng`], [`digest`], [`run`] |
//! | the words of scenarios | [`selector`], [`vocabulary`], [`mod@options`] |
//! | one system inside another | [`embedding`] |
//! | one node without a world, as in unit tests | [`host`]; for a whole protocol told by a text [`host::script`] |
//! | what people read | [`trace`], [`brief`], [`measure`] |
//!
//! # The life of a message
//!
//! ```text
//!   a handler of the sender    Context::send: the message is an effect, and leaves when the handler returns
//!     │                        (send_after: when the write is durable)
//!     ▼
//!   world/effect.rs            invariants see the effect; a cut link loses it; else one drawn word says whether it is
//!     │                        lost, when it arrives, and whether a copy follows
//!     ▼
//!   queue                      by time of arrival, then in the order in which it was sent
//!     ▼
//!   world/deliver.rs           looked at again: a cut may lose it, a clogged link holds it, a process may be down
//!     ▼
//!   inbox of the target        only while the target is paused or slow
//!     ▼
//!   Node::on_message           digest, then invariants (on_input), then the handler; its effects, in order
//! ```
//!
//! A message over a connection goes the same way as a segment (`world/segment.rs`): what a cut link keeps back is sent
//! again, and arrives once and in order.
//!
//! # The life of a fault
//!
//! ```text
//!   FaultSpec                  Fault<Selectors>, `pause = "leader"`, with trigger and length; or a nemesis draws it
//!     │ director               waits for the trigger, then asks the kind to choose nodes or links: a Directive
//!     ▼
//!   PlannedFault               Fault<Nodes>, with its moment: pause s2, in the plan, in the digest, in the trace
//!     │ world/fault.rs         the kind starts it, and says what follows: timers move, a process starts or ends
//!     ▼
//!   in force                   until its length or its condition is over: the kind takes back what it changed;
//!                              or until the settle phase, which heals it on the nodes of the core
//! ```

pub mod brief;
pub mod checker;
pub mod clock;
pub mod context;
pub mod decision;
pub mod digest;
pub mod director;
pub mod disk;
pub mod embedding;
pub mod fault;
pub mod files;
pub mod history;
pub mod host;
pub mod id;
pub mod invariant;
pub mod measure;
pub mod network;
pub mod node;
pub mod options;
pub mod plan;
pub mod prelude;
pub mod queue;
pub mod rng;
pub mod run;
pub mod selector;
pub mod system;
pub mod time;
pub mod timers;
pub mod trace;
pub mod view;
pub mod vocabulary;
pub mod workload;
pub mod world;
pub mod world_state;

pub use serde;
