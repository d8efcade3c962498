//! The simulation kernel of splitbrain: a whole cluster in one thread, from one seed.
//!
//! It knows no protocol, no file and no thread. A [`node::Node`] is a state machine without IO; the
//! [`world::World`] runs a cluster of them over a simulated network, disks and clocks, does to them what a
//! [`plan::Plan`] says, and lets [`invariant::Invariants`] watch.
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
//!   FaultSpec                  stated over selectors, with a trigger and a length; or drawn by a nemesis
//!     │ director               waits for the trigger, then asks the kind to choose nodes or links
//!     ▼
//!   PlannedFault               over nodes and links, with its moment: in the plan, in the digest, in the trace
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
pub mod universe;
pub mod view;
pub mod vocabulary;
pub mod workload;
pub mod world;

pub use serde;
