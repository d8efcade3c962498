//! The simulation kernel of splitbrain: a whole cluster in one thread, from one seed.
//!
//! It knows no protocol, no file and no thread. A [`node::Node`] is a state machine without IO; the
//! [`world::World`] runs a cluster of them over a simulated network, disks and clocks, does to them what a
//! [`plan::Plan`] says, and lets [`invariant::Invariants`] watch.

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
