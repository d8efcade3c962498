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
pub mod serve;
pub mod sockets;
pub mod threads;
mod verbosity;
mod wording;

pub use cli::{Cli, check};
pub use exit_code::ExitCode;
pub use splitbrain_kernel as kernel;
