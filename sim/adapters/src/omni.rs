//! OmniPaxos 0.2.4 (crate `omnipaxos`), as it is.
//!
//! ```text
//!   messages, ticks, proposals ──▶ OmniPaxos ──▶ its storage ──what has changed──▶ one record on the disk
//!                                       ├──▶ messages of the log ──────▶ once that record is durable
//!                                       ├──▶ what is decided ──────────▶ once that record is durable
//!                                       └──▶ heartbeats ───────────────▶ at once
//! ```
//!
//! The library writes to its storage inside a call, and takes what it wrote for durable when the call returns. Here the
//! disk takes time. So the storage is a plain value that notes what has changed; after each call that is written as one
//! record, and everything that leaves waits for it. For the others that is the same as a slow call.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `options` | what a scenario sets |
//! | `wire` | messages and observations, and how people read them |
//! | `storage` | the library's `Storage`, and the records on the disk |
//! | `server` | the node |
//! | `invariants` | what must hold: of Raft's rules those that have a counterpart, with ballots as terms |
//! | `system` | the words of scenarios |
//!
//! # Caveats
//!
//! - No snapshots, no trimming and no reconfiguration: one configuration, and the whole log.
//! - The library's own log lines are left out: its feature `logging` is off.
//! - A leader appends an entry of its own each second, so that something is decided where no client reaches it.

mod invariants;
mod options;
mod server;
mod storage;
mod system;
mod wire;

pub use invariants::OmniInvariants;
pub use options::{Bug, OmniOptions};
pub use server::{Process, Server, Timer};
pub use system::Omni;
pub use wire::{Observed, Round, Wire};
