//! Servers as both libraries of a log name them: by a number from 1.

use splitbrain::kernel::prelude::NodeId;

/// A server of a library as a node.
pub(crate) fn node_of(server: u64) -> NodeId {
    NodeId::server(u16::try_from(server).expect("servers have small numbers"))
}

/// A node as a server of a library.
pub(crate) fn id_of(node: NodeId) -> u64 {
    u64::from(node.number())
}
