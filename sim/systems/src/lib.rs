//! The systems that splitbrain simulates, each with known bugs that can be switched on.
//!
//! | module | system | stands on |
//! | --- | --- | --- |
//! | [`raft`] | Raft: elections, replication, snapshots, membership, reads, and a key-value store with sessions | |
//! | [`session`] | session masters, single or replicated, and the followers that serve targets | [`raft`] |
//! | [`lock`] | locks on Redis servers: one, replicas with sentinels, or Redlock | |
//! | [`chat`] | a chat service with logins under locks | [`lock`] |
//! | [`reactor`] | event-driven servers over epoll, on a model of Linux | |
//!
//! The front page of each module tells its design, has a table of its files, and ends with *Caveats*: what is simpler
//! than in the real thing. In each, `system.rs` says what scenarios see, `node.rs` takes the inputs apart, `options.rs`
//! and `presets.rs` hold what can be set, `bug.rs` the known bugs, `workload.rs` what clients ask for, and
//! `invariants.rs` what must hold, with one file for each property.
//!
//! # Example
//!
//! Three Raft servers for ten seconds of virtual time, with every invariant on:
//!
//! ```
//! use splitbrain_kernel::prelude::*;
//! use splitbrain_kernel::run::{Outcome, RunOptions};
//! use splitbrain_kernel::world::World;
//! use splitbrain_systems::raft::{Raft, presets};
//!
//! let cluster = Cluster::plain(3, 0);
//! let options = RunOptions::ordinary(cluster, Duration::from_secs(10));
//! let setup = Setup::new(cluster, PerServer::same(presets::etcd()), options.bounds);
//! let raft: Raft = Raft::new(setup)?;
//!
//! let report = World::new(&raft, &options, Seed(1)).run();
//! assert_eq!(report.outcome, Outcome::Passed);
//! assert_eq!(report.counts["leader elected"], 1, "nothing is wrong, so the first leader stays");
//! # Ok::<(), OptionsError>(())
//! ```

pub mod chat;
#[cfg(debug_assertions)]
pub mod compiled;
pub mod lock;
pub mod raft;
pub mod reactor;
pub mod session;
