//! A readiness loop: servers over epoll, as event-driven servers are built, on a model of the part of Linux that they
//! stand on.
//!
//! # Design
//!
//! [`linux`] is the model: a plain value, checked call by call against the real kernel. A server's machine is one node:
//! the model, and a program on it whose threads run one system call at a time ([`server`], [`worker`]). Clients
//! ([`client`]) speak [`protocol`] over the simulator's connections, which carry the segments of TCP ([`message`]).
//!
//! | file | subject |
//! | --- | --- |
//! | [`linux`] | descriptors, sockets, pipes, signals, epoll |
//! | [`server`] | the machine: threads in time, what arrives, accepting, serving connections |
//! | [`worker`] | a thread: where it is, what it has in hand; the lock of the connection table |
//! | [`client`] | a caller that sends in pieces, reads slowly and goes away |
//! | [`protocol`] | GET and POST over connections that stay open |
//! | [`options`], [`presets`], [`bug`] | what a scenario can set |
//! | [`observation`], `brief`, [`counters`] | what is observed, how people read it, and what is counted |
//! | [`invariants`] | what must hold |
//!
//! **Three ways to share the work** are the option `mode`: one loop; an acceptor and loops with an epoll instance each,
//! or loops that all accept, with `EPOLLEXCLUSIVE` or without; threads that take from one instance, with
//! `EPOLLONESHOT`. Each is level- or edge-triggered.
//!
//! **Order.** Between any two calls of a thread others run, segments arrive and signals come: the gaps are drawn, and
//! `stall` makes some of them long. Events of one instant come in the order of Linux, or with `shuffle` in any.
//!
//! # Caveats
//!
//! - The memory of sockets is counted in bytes, and TCP says of each read how much was taken: there is no Nagle, no
//!   delayed acknowledgement, no loss. Cuts of the simulator's network delay and end connections.
//! - A connection that finds the accept queue full is reset, as with `tcp_abort_on_overflow`.
//! - A call takes no time by itself; the time lies between calls. All threads run in parallel, on as many processors.
//! - A signal is handled at once in a thread that is drawn. Its handler is one step.

mod brief;
pub mod bug;
pub mod client;
pub mod counters;
pub mod invariants;
pub mod linux;
pub mod message;
pub mod node;
pub mod observation;
pub mod options;
pub mod presets;
pub mod protocol;
pub mod server;
pub mod system;
pub mod worker;
pub mod workload;

#[cfg(test)]
mod tests;

pub use node::ReactorNode;
pub use system::Reactor;
