//! The systems that splitbrain simulates.

pub mod raft;
