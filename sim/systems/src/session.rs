//! Sessions: masters that grant them for a time, followers that keep them alive, and what is done under them.
//!
//! # Design
//!
//! A chunk serves targets. Which chunk serves which target is decided by masters: a chunk has a session with each of
//! them, sets an item for each target that it wants, and keeps the session alive. A client's write goes by way of the
//! chunk to a volume, and only there something is done. So three things are kept apart throughout:
//!
//! - **belief**: what a follower takes for true, by its own clock ([`chunk`]);
//! - **grant**: what a master has in its table ([`master`], [`table`]);
//! - **effect**: what was done to a target ([`volume`]).
//!
//! Two beliefs may overlap without harm, for instance while a process is suspended: they are counted. An effect under a
//! grant that another has replaced is a violation.
//!
//! ```text
//!   chunk                              meta                                    volume
//!     create ─────────────────────────▶  initialize cb, on disk, lease starts, created cb
//!     created cb: capability, report ◀── create_reply
//!     iSCSI session alive
//!     keep_alive ─────────────────────▶  lease extended
//!     item: target ───────────────────▶  granted, with a token
//!     apply, with the token ────────────────────────────────────────────────▶  effect
//!     jeopardy: iSCSI not alive          lease over: on disk, expired cb, erased
//! ```
//!
//! | file | subject |
//! | --- | --- |
//! | [`ids`] | sessions, identities, instances, epochs, targets, tokens |
//! | [`lease`] | the arithmetic of leases, in closed form |
//! | [`command`], [`table`] | the table of sessions: a state machine over commands |
//! | [`master`] | the session master: callbacks, leases, items |
//! | [`chunk`] | the access handler: followers, keepalive loops, session client, node server, stop sources |
//! | [`volume`], [`client`], [`workload`] | where effects are, and who wants them |
//! | [`options`], [`presets`], [`bug`] | what a scenario can set |
//! | [`message`], [`observation`] | what is said, and what watchers hear |
//! | [`invariants`] | what must hold |
//!
//! **Order of what a master does.** Initialize, on disk, lease, created, reply; and at the end: decided on disk, chunk,
//! extent, common, which erases and is the last. Each is a step of its own; a crash may come between.
//!
//! **Clocks.** Leases run on monotonic clocks. A follower counts its lease from the send of the request that was
//! answered, a master from its receipt; with clocks within a declared bound the one lies within the other.
//!
//! **Replicas.** With `replication = "raft"` all masters are one: each has a raft server inside, and commands are
//! entries of its log. The master's code is the same; only where commands become durable differs
//! ([`master::journal`]). Leases are the leader's own and are not in the log: a master that begins to lead gives each
//! session a full one. It acts under the lease of the raft leader, as Chubby's does, so that there is one that acts at
//! most. An expiry names the term in which it was decided, and is void in a later one. Followers go where they are
//! sent, and keep their sessions.
//!
//! **Reuse.** A master gives a chunk that starts again the session that has not expired, and a new epoch: the old
//! process is refused from then on, and its targets are free when it cannot count on its lease any more.
//!
//! # Caveats
//!
//! - Several masters are either all independent of one another, or all replicas of one.
//! - The log of a master that is not replicated is never compacted. That of replicas is, behind snapshots of the table.
//! - Data reports are numbers of extents; capabilities are one version.

mod brief;
pub mod bug;
pub mod chunk;
pub mod client;
pub mod command;
pub mod ids;
pub mod invariants;
pub mod lease;
pub mod master;
pub mod message;
pub mod node;
pub mod observation;
pub mod options;
pub mod presets;
pub mod system;
pub mod table;
pub mod volume;
pub mod workload;

#[cfg(test)]
mod tests;

pub use node::SessionNode;
pub use system::Sessions;
