//! Locks on Redis servers: one server, a master with replicas and sentinels, or several independent ones (Redlock);
//! their clients; and the resource that the locks protect.
//!
//! # Design
//!
//! ```text
//!   client ── acquire, extend, release ──▶ redis1 … redisN      a lock: a key with the client's token and a deadline
//!      │                                     ▲  ▲ replication
//!      │ who is the master?                  │  └─ ping, promote
//!      ├──────────────▶ sentinel1 … ─────────┘
//!      └── write, with a fencing token ────▶ resource1 …
//! ```
//!
//! | file | subject |
//! | --- | --- |
//! | [`redis`] | the Redis server as a plain value: commands, expiry, effects |
//! | [`server`] | a redis as a node: the wall clock, the append-only file, replication |
//! | [`sentinel`] | down, quorum, epochs, failover |
//! | [`client`] | the lock library: acquire, extend, write, release |
//! | [`user`] | a program that uses it, operation by operation |
//! | [`resource`] | what the locks protect; fencing tokens and tickets |
//! | [`options`], [`presets`], [`bug`] | what a scenario can set |
//! | [`workload`] | sections under a lock |
//! | [`observation`] | what watchers hear |
//! | [`invariants`] | what must hold: belief, grant and effect apart |
//!
//! **One library for all.** A lock on one server is a round with one vote, Redlock is a round with several, and with
//! replicas the one vote is that of the master of the moment. The presets are option sets of real clients.
//!
//! **Time.** A redis goes by its wall clock, which may jump; a client by its monotonic clock. Between a client's look
//! at its clock and its next act lies a gap, where it can be paused.
//!
//! **Composition.** A node that needs locks contains a [`LockNode`] by an
//! [`Embedding`](splitbrain_kernel::embedding::Embedding), and talks to its library: [`client::Client::acquire`],
//! [`client::Client::poll`].
//!
//! # Caveats
//!
//! - Requests are datagrams: those of one client may overtake one another, as over a pool of connections. One to a
//!   redis is for one process of it, and is carried out at most once, by that process: a later one resets it, as it
//!   would a connection to the earlier one. The resource has no connections: it keeps which requests it has carried out
//!   beside their tokens, the last ones of each client, but not which it has refused.
//! - With `append_fsync = "everysec"` and `"no"` replicas hear of a change at once, and not when it is in the page
//!   cache of the master: one that crashes in between has not answered it, and its replicas may have it.
//! - A crash ends what a client holds: nothing of it is kept.
//! - There is no pub/sub: who waits for a lock asks again.
//! - Locks are strings. The reentrant locks of Redisson, which are hashes, are the same to one thread.

pub(crate) mod brief;
pub mod bug;
pub mod client;
mod idle;
pub mod ids;
pub mod invariants;
pub mod message;
pub mod node;
pub mod observation;
pub mod options;
pub mod presets;
pub mod redis;
pub mod resource;
pub mod sentinel;
pub mod server;
pub mod system;
pub mod user;
mod window;
pub mod workload;

#[cfg(test)]
mod tests;

pub use node::LockNode;
pub use system::Lock;
