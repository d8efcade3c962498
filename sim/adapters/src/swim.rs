//! foca 2.0.0 (crate `foca`), as it is: SWIM, a protocol by which members find out who is there and who has failed.
//!
//! ```text
//!   datagrams, timers ──▶ Foca ──▶ datagrams, timers of its own, what it has noticed
//!                           ▲
//!   an identity ────────────┘      made at the start, once the number of this life is on the disk
//! ```
//!
//! The library keeps nothing on a disk, and is handed its clock, its network and its randomness. What it asks of its
//! user is an identity that no other process has ever had: here the address, the number of the life of the process,
//! which is durable before the process joins, and the number of the renewal within that life.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `options` | what a scenario sets |
//! | `wire` | identities, datagrams and observations, and how people read them |
//! | `member` | the node |
//! | `invariants` | what must hold |
//! | `system` | the words of scenarios |
//!
//! # Caveats
//!
//! - Every member is configured with the addresses of all others. It announces itself to them at the start, and again
//!   to those that it misses: the library leaves that to its user, and does not come back by itself from everything
//!   (`silent_after_renewal.toml`).
//! - No custom broadcasts, and no orders: no member leaves on purpose.

mod invariants;
mod member;
mod options;
mod system;
mod wire;

pub use invariants::SwimInvariants;
pub use member::{Life, Member, Timer};
pub use options::{Bug, Join, SwimOptions};
pub use system::Swim;
pub use wire::{Identity, Observed, Packet};
