//! The simulation kernel of splitbrain: a whole cluster in one thread, from one seed.
//!
//! It knows no protocol, no file and no thread. A [`node::Node`] is a state machine without IO; the
//! [`world::World`] runs a cluster of them over a simulated network, disks and clocks, does to them what a
//! [`plan::Plan`] says, and lets [`invariant::Invariants`] watch.

pub mod id;
pub mod rng;
pub mod time;
pub mod context;
pub mod fault;
pub mod node;
pub mod plan;
pub mod director;
pub mod invariant;
pub mod options;
pub mod run;
pub mod selector;
pub mod system;

pub use serde;
