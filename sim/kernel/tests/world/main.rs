//! The world's promises, each in a test of its own, over a toy system that does what the test tells it.
//!
//! `toy.rs` is the system, `stage.rs` sets it up and records what it hears. Times in the expected lines are exact: the
//! toy's network takes 1 ms, its disk 1 ms for a write and 2 ms for a sync, unless a test says otherwise.

mod budgets;
mod chatter;
mod clocks;
mod composed;
mod connections;
mod datagrams;
mod determinism;
mod disks;
mod edits;
mod golden_digests;
mod history;
mod hosted;
mod in_vain;
mod kinds;
mod linearizable;
mod names;
mod nested;
mod nodes;
mod overrides;
mod refusals;
mod replay;
mod scripts;
mod settle;
mod stage;
mod supervisors;
mod ties;
mod toy;
mod workloads;
