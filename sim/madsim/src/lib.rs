//! The nodes of splitbrain on [madsim](https://docs.rs/madsim): the same scenario files, the same commands, another
//! scheduler.
//!
//! `docs/madsim.md` says what this engine can and cannot do. Without `--cfg madsim` there is nothing here: cargo's
//! workspace-wide checks pass, and nothing of madsim is built.
//!
//! Kernel nodes run here by `OnMadsim`, and async code that is written against tokio by `ServiceOnMadsim`:
//!
//! ```rust,ignore
//! fn main() -> std::process::ExitCode {
//!     splitbrain::Cli::new().engine(OnMadsim::<Raft>::new()).engine(ServiceOnMadsim::<Store>::new()).main()
//! }
//! ```
//!
//! `examples/async-template` is a whole service with its scenarios, to be copied out.

#[cfg(all(madsim, not(unix)))]
compile_error!("splitbrain-madsim needs Linux or macOS: each run of a service has a process, reached by a Unix socket");

#[cfg(madsim)]
mod clock;
#[cfg(madsim)]
mod engine;
#[cfg(madsim)]
mod entropy;
#[cfg(madsim)]
mod host;
#[cfg(madsim)]
mod limits;
#[cfg(madsim)]
mod node_host;
#[cfg(madsim)]
mod service;
#[cfg(madsim)]
mod service_host;
#[cfg(madsim)]
mod settings;
#[cfg(madsim)]
mod tokio_seed;

#[cfg(madsim)]
#[doc(hidden)]
pub use engine::measured;
#[cfg(madsim)]
pub use engine::{OnMadsim, ServiceOnMadsim, run};
#[cfg(madsim)]
pub use service::{
    Instance, Nothing, Process, Service, ServiceLoad, ServiceLoadOptions, ServiceSystem, address, observe,
};
