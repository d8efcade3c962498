//! Who does what, as far as observations tell: roles with ranks, holders of resources, who is up.

use crate::id::{Cluster, NodeId};

/// What the director knows of the cluster.
#[derive(Clone, Debug)]
pub struct Census {
    cluster: Cluster,
    up: Vec<bool>,
}

impl Census {
    pub(crate) fn new(cluster: Cluster) -> Self {
        Self {
            cluster,
            up: vec![false; cluster.node_count()],
        }
    }

    /// Whether the node's process runs.
    pub fn is_up(&self, node: NodeId) -> bool {
        self.up[self.cluster.index(node)]
    }

    pub(crate) fn set_up(&mut self, node: NodeId, up: bool) {
        self.up[self.cluster.index(node)] = up;
    }
}
