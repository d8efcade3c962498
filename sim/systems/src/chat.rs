//! A chat service on a redis: users log in by way of a gate, have one session at a time, and are kicked by their next
//! login, on whatever server it is.
//!
//! # Design
//!
//! ```text
//!   client ── Enter ─▶ gate ── Assign ─▶ status ── token, counts ─▶ redis
//!     │                                                              ▲
//!     └──── connection: Login, Heartbeat, Say ─▶ chat1 ── lock, token, presence, count
//!                                                 │ ▲
//!                                               Kick KickDone
//!                                                 ▼ │
//!                                                chat2
//! ```
//!
//! | file | subject |
//! | --- | --- |
//! | [`gate`], [`status`] | where a user logs in, and with which token |
//! | [`server`] | a chat server: threads, logins, kicks, cleanups, leases |
//! | [`client`] | the program of a user |
//! | [`store`] | what is asked of the redis beside the locks |
//! | [`redis`] | the redis of the lock system, which tells what commands change |
//! | [`options`], [`presets`], [`bug`] | what a scenario can set |
//! | [`workload`] | users |
//! | [`observation`] | what watchers hear |
//! | [`invariants`] | what must hold |
//!
//! **Composition.** The redis is that of [`crate::lock`], and a chat server has its client inside. The invariants of
//! the locks watch it too, under the group `lock`.
//!
//! **What keeps a user to one session.** The lock of the user orders logins and cleanups. It is a lease, so what is
//! written under it is a script that compares its token. The presence has a time to live, and a chat server serves a
//! session only as long as it is certain that the presence is alive. So a login that finds none may go on, and one that
//! finds another session goes on only when that one is over for certain.
//!
//! # Caveats
//!
//! - Calls of the redis and of other servers are datagrams: each is carried out at most once, and one that gets no
//!   answer in time is given up. A call that a login waits for is not repeated: the login is refused.
//! - The database is a delay. What it has of a user follows from the number of the user.
//! - What a user says is taken and goes nowhere.

mod brief;
pub mod bug;
pub mod client;
pub mod gate;
pub mod ids;
pub mod invariants;
mod library;
pub mod message;
pub mod node;
pub mod observation;
pub mod options;
pub mod presets;
pub mod redis;
pub mod server;
pub mod status;
pub mod store;
pub mod system;
pub mod workload;

#[cfg(test)]
mod tests;

pub use node::ChatNode;
pub use system::Chat;
