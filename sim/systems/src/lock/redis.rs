//! A Redis server as a plain value: requests go in, replies and effects come out.
//!
//! It has no IO and no clock. The host passes the time of its wall clock with each request, and decides when the
//! active expiry cycle runs. So the same server stands in a simulated node and behind a socket.
//!
//! ```text
//!   bytes ──Requests──▶ arguments ──Server::execute──▶ Executed { reply, effects, next }
//!                                                        │         │        └─ close, or wait for replicas
//!                          bytes of RESP2 or RESP3 ◀─────┘         └─▶ replicas and the append-only file
//! ```
//!
//! The model is Redis 7.0.15: replies are equal byte for byte, which a suite of generated commands compares with a
//! real server. `docs/serve-lock.md` lists what is not supported.
//!
//! - Time is a number of milliseconds since 1970 on the wall clock. It does not move within a command, a transaction
//!   or a script.
//! - A key is expired when the time is past its deadline, and alive at the deadline itself.
//! - A master deletes an expired key when a command touches it, and sends the deletion as an effect. A replica hides
//!   it and waits for that effect.

pub mod effect;
pub mod keyspace;
pub mod protocol;
pub mod reply;
pub mod server;
pub mod value;

mod access;
mod command;
mod number;
mod script;
mod sha1;
mod table;

#[cfg(test)]
mod tests;

pub use effect::Effect;
pub use keyspace::Keyspace;
pub use protocol::{ProtocolError, Requests};
pub use reply::{Protocol, Reply};
pub use server::{Executed, Next, Role, Server};
