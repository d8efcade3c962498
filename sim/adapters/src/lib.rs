//! Published libraries under splitbrain, as they come from the registry: tikv's raft-rs, OmniPaxos and foca.
//!
//! | system | library | what is of note |
//! | --- | --- | --- |
//! | [`raft_rs`] | `raft` 0.7.0 | asynchronous ready, snapshots, changes of the membership, hand-over of leadership |
//! | [`omni`] | `omnipaxos` 0.2.4 | synchronous storage, over connections or datagrams |
//! | [`swim`] | `foca` 2.0.0 | membership by SWIM: no log, no clients, timers and log lines of its own |
//!
//! `docs/wrapping-a-library.md` goes through the adapter of raft-rs. What the first two share is [`proposals`] (clients
//! and their workload) and [`protobuf`].
//!
//! Their scenarios are cargo tests in one line, as for any system:
//!
//! ```no_run
//! splitbrain_adapters::cli().check("scenarios/raft_rs/calm.toml");
//! ```

mod listed;
mod names;
pub mod omni;
pub mod proposals;
pub mod protobuf;
pub mod raft_rs;
mod servers;
pub mod swim;
#[cfg(test)]
mod testing;

use splitbrain::Cli;

/// The program: every command of splitbrain, over these systems.
pub fn cli() -> Cli {
    Cli::new().name("splitbrain-adapters").system::<raft_rs::RaftRs>().system::<omni::Omni>().system::<swim::Swim>()
}
