//! tikv's raft-rs 0.7.0 (crate `raft`), as it is.
//!
//! ```text
//!   messages, ticks, proposals ──▶ RawNode ──Ready──▶ state, entries, snapshot ──▶ disk ──durable──▶ on_persist_ready
//!                                               ├───▶ messages ───────────────────────────▶ at once
//!                                               ├───▶ persisted messages ─────▶ once the last write is durable
//!                                               └───▶ committed entries ──▶ state machine ──▶ answers
//! ```
//!
//! | file | what is in it |
//! | --- | --- |
//! | `options` | what a scenario sets: the library's `Config`, the cadence of ticks, planted mistakes |
//! | `wire` | messages, orders, observations, and how people read them |
//! | `store` | the library's `Storage`, and the records that it is made from |
//! | `server` | the node: inputs go into `RawNode`, what is ready comes out of it |
//! | `observe` | what has changed in the library, as observations |
//! | `orders` | what a scenario orders a leader to do |
//! | `ready` | what becomes of one `Ready` |
//! | `logger` | the way of the library's log lines into the recording |
//! | `facts` | what the invariants of Raft are shown |
//! | `system` | the words of scenarios |
//!
//! # Caveats
//!
//! - Nothing reads without the log (`ReadIndex` and leases), no entry is fetched asynchronously, and changes of the
//!   membership are of one server at a time, without joint configurations.
//! - The state machine is a hash over everything that was applied. A snapshot is that hash.
//! - Election timeouts are the adapter's own, from the node's stream. The library draws one in `Raft::reset`, whenever
//!   it becomes a follower, a candidate or a leader. `become_pre_candidate` does not call that: a pre-candidate keeps
//!   the timeout that it has, here too.

mod facts;
mod logger;
mod observe;
mod options;
mod orders;
mod ready;
mod server;
mod store;
mod system;
mod wire;

pub use options::{Bug, RaftRsOptions, Timeouts};
pub use server::{Process, Server, Timer};
pub use store::{Record, Store};
pub use system::RaftRs;
pub use wire::{Observed, Order, Wire};
