//! splitbrain: a deterministic cluster simulator and its test harness.
//!
//! This is the part that touches the outside world: it reads scenarios, runs campaigns over threads, and writes
//! reports. The simulation itself is in `splitbrain_kernel`, the shipped systems in `splitbrain_systems`.
//!
//! A system of one's own gets every command through [`Cli`]:
//!
//! ```no_run
//! use splitbrain::Cli;
//!
//! fn main() -> std::process::ExitCode {
//!     Cli::shipped().main()
//! }
//! ```
//!
//! and its scenarios become cargo tests through [`Cli::check`], those of the shipped systems through [`check`].
//!
//! # A run from a program
//!
//! ```
//! use std::sync::Arc;
//!
//! use splitbrain::engine::{AnySystem, Job, Simulated};
//! use splitbrain::kernel::rng::Seed;
//! use splitbrain::scenario;
//! use splitbrain_systems::raft::Raft;
//!
//! let text = r#"
//! ## Goal: a leader that crashes is replaced.
//! format = 1
//! system = "raft"
//! cluster = { servers = 3 }
//!
//! [[fault]]
//! at = "5s"
//! crash = ["leader"]
//! for = "5s"
//!
//! [run]
//! duration = "15s"
//! "#;
//! let system = Simulated::<Raft>::new();
//! let scenario = scenario::load("replaced.toml", text.as_bytes(), &[system.description()]).expect("it is right");
//! let engine = system.open(Arc::new(scenario)).expect("the kernel can do all of it");
//! let run = engine.worker().run(Job::from(Seed(1)), None);
//! assert_eq!(run.outcome.name(), "passed");
//! assert_eq!(run.counts["leader elected"], 2);
//! ```
//!
//! # Where to begin
//!
//! | module | what it is |
//! | --- | --- |
//! | [`scenario`] | the language: from text to a checked scenario, and for a seed to options and a plan |
//! | [`engine`] | carries out one run of a scenario, on the kernel or elsewhere |
//! | [`campaign`] | runs a scenario over many seeds and judges it |
//! | [`report`] | writes results for people, for programs and for CI |
//! | [`history`] | histories of clients as files, and their verdicts |
//! | [`threads`], [`sockets`] | nodes in real time |
//! | [`kernel`] | the simulation; begin there to write a system |

pub mod build;
pub mod campaign;
mod cli;
mod command;
pub mod engine;
mod exit_code;
pub mod history;
mod realtime;
pub mod report;
pub mod scenario;
#[cfg(feature = "systems")]
pub mod serve;
pub mod sockets;
mod text;
pub mod threads;
mod verbosity;

pub use cli::Cli;
#[cfg(feature = "systems")]
pub use cli::check;
pub use exit_code::ExitCode;
pub use splitbrain_kernel as kernel;
