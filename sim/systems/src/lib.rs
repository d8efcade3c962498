//! The systems that splitbrain simulates.

pub mod chat;
#[cfg(debug_assertions)]
pub mod compiled;
pub mod lock;
pub mod raft;
pub mod reactor;
pub mod session;
