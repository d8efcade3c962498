//! Placeholder: the invariants of Raft come with their own files.

use splitbrain_kernel::invariant::{InvariantInfo, Invariants};

use super::node::RaftNode;
use super::system::Raft;

/// The invariants of Raft.
#[derive(Clone, Debug)]
pub struct RaftInvariants;

impl RaftInvariants {
    /// Fresh invariants for this system.
    pub fn new(_system: &Raft) -> Self {
        Self
    }
}

impl Invariants<RaftNode> for RaftInvariants {
    const LIST: &'static [InvariantInfo] = &[];
}
