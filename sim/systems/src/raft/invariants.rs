//! Placeholder: the invariants of Raft come with their own files.

use splitbrain_kernel::invariant::{InvariantInfo, Invariants};
use splitbrain_kernel::system::Gauge;

use super::node::RaftNode;
use super::system::Raft;

/// The invariants of Raft.
#[derive(Clone, Debug)]
pub struct RaftInvariants;

impl RaftInvariants {
    /// The figures that [`RaftInvariants::gauges`] gives, in its order.
    pub const GAUGES: &'static [Gauge] = &[];

    /// Fresh invariants for this system.
    pub const fn new(_system: &Raft) -> Self {
        Self
    }

    /// Figures of the run so far.
    pub const fn gauges(&self) -> Vec<u64> {
        Vec::new()
    }
}

impl Invariants<RaftNode> for RaftInvariants {
    const LIST: &'static [InvariantInfo] = &[];
}
