//! Raft: leader election in full, and the log behind it.

pub mod bug;
pub mod client;
pub mod configuration;
pub mod durable;
pub mod ids;
pub mod invariants;
pub mod log;
pub mod message;
pub mod node;
pub mod observation;
pub mod options;
pub mod presets;
pub mod priority;
pub mod quorum;
pub mod state;
pub mod system;

mod check_quorum;
mod election;
mod pre_vote;
mod replication;
mod roles;
mod transport;

pub use node::RaftNode;
pub use system::Raft;
