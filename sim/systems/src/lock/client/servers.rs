//! Where a client finds the servers: all of them, or the master of the moment.

use std::collections::BTreeMap;

use splitbrain_kernel::id::{Cluster, NodeId};

use crate::lock::message::ProcessNumber;
use crate::lock::options::Topology;
use crate::lock::system::{REDIS, RESOURCE, SENTINEL};

/// The servers that a client knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Servers {
    topology: Topology,
    redis: Vec<NodeId>,
    sentinels: Vec<NodeId>,
    resource: Option<NodeId>,
    /// The place of the master among them.
    master: usize,
    /// The epoch of the failover that made it the master.
    epoch: u64,
    /// The sentinel that is asked next.
    next_sentinel: usize,
    /// Which of several replicas is this client's.
    turn: usize,
    /// The last process of each server that is known; 0 for one that is not here.
    processes: BTreeMap<NodeId, ProcessNumber>,
}

impl Servers {
    /// All nodes of a cluster. Client `n` writes to one of the resources, which are dealt out in turn.
    pub fn new(topology: Topology, cluster: Cluster, client: NodeId) -> Self {
        let resources: Vec<NodeId> = cluster.of(RESOURCE).collect();
        let turn = usize::from(client.number().saturating_sub(1));
        Self {
            topology,
            redis: cluster.of(REDIS).collect(),
            sentinels: cluster.of(SENTINEL).collect(),
            resource: resources.get(turn % resources.len().max(1)).copied(),
            master: 0,
            epoch: 0,
            next_sentinel: turn,
            turn,
            processes: BTreeMap::new(),
        }
    }

    /// How many must be asked.
    pub fn count(&self) -> usize {
        match self.topology {
            Topology::Independent => self.redis.len(),
            Topology::Replicated => 1,
        }
    }

    /// How many must say yes.
    pub fn majority(&self) -> usize {
        self.count() / 2 + 1
    }

    /// The node behind a place in a round.
    pub fn address(&self, place: usize) -> NodeId {
        match self.topology {
            Topology::Independent => self.redis[place],
            Topology::Replicated => self.redis[self.master],
        }
    }

    /// The replica that this client reads: the replicas are dealt out in turn. With one redis it is that one.
    pub fn replica(&self) -> NodeId {
        let replicas = (self.redis.len() - 1).max(1);
        self.redis[(self.master + 1 + self.turn % replicas) % self.redis.len()]
    }

    /// The resource, if there is one.
    pub const fn resource(&self) -> Option<NodeId> {
        self.resource
    }

    /// The process of a server that a request is for, as far as the client knows.
    pub fn process(&self, server: NodeId) -> ProcessNumber {
        self.processes.get(&server).copied().unwrap_or(0)
    }

    /// A server says which process runs there. An earlier one than is known is old news.
    pub fn has_restarted(&mut self, server: NodeId, process: ProcessNumber) {
        let known = self.processes.entry(server).or_default();
        *known = process.max(*known);
    }

    /// The master does not serve. Returns the sentinel to ask; without sentinels the next redis is tried.
    pub fn doubt_master(&mut self) -> Option<NodeId> {
        if self.topology == Topology::Independent {
            return None;
        }
        if self.sentinels.is_empty() {
            self.master = (self.master + 1) % self.redis.len();
            return None;
        }
        self.next_sentinel += 1;
        Some(self.sentinels[self.next_sentinel % self.sentinels.len()])
    }

    /// A sentinel says who is the master. One that knows less than the client is not believed.
    pub fn found(&mut self, master: NodeId, epoch: u64) {
        if epoch < self.epoch {
            return;
        }
        if let Some(place) = self.redis.iter().position(|redis| *redis == master) {
            self.master = place;
            self.epoch = epoch;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::system::KINDS;

    const C1: NodeId = NodeId::client(1);

    fn servers(topology: Topology, redis: u16, sentinels: u16) -> Servers {
        Servers::new(topology, Cluster::new(KINDS).with(REDIS, redis).with(SENTINEL, sentinels), C1)
    }

    #[test]
    fn independent_servers_are_all_asked_and_a_majority_decides() {
        let mut servers = servers(Topology::Independent, 5, 0);
        assert_eq!((servers.count(), servers.majority()), (5, 3));
        assert_eq!(servers.doubt_master(), None);
        assert_eq!(servers.address(4), NodeId::new(REDIS, 5));
    }

    #[test]
    fn the_newest_sentinel_is_believed() {
        let mut servers = servers(Topology::Replicated, 2, 3);
        assert_eq!((servers.count(), servers.majority()), (1, 1));
        assert!(servers.doubt_master().is_some_and(|node| node.is(SENTINEL)));
        servers.found(NodeId::new(REDIS, 2), 4);
        servers.found(NodeId::new(REDIS, 1), 3);
        assert_eq!((servers.address(0), servers.replica()), (NodeId::new(REDIS, 2), NodeId::new(REDIS, 1)));
    }

    #[test]
    fn clients_read_replicas_in_turn_and_never_the_master() {
        let cluster = Cluster::new(KINDS).with(REDIS, 3);
        let read = |client: u16, masters: usize| {
            let mut servers = Servers::new(Topology::Replicated, cluster, NodeId::client(client));
            (0..masters).for_each(|_| assert_eq!(servers.doubt_master(), None));
            servers.replica().number()
        };
        assert_eq!([1, 2, 3].map(|client| read(client, 0)), [2, 3, 2], "redis1 is the master");
        assert_eq!([1, 2, 3].map(|client| read(client, 1)), [3, 1, 3], "redis2 is");
        assert_eq!(servers(Topology::Replicated, 1, 0).replica(), NodeId::new(REDIS, 1), "there is but one");
    }

    #[test]
    fn the_latest_process_of_a_server_is_asked() {
        let mut servers = servers(Topology::Independent, 2, 0);
        let (first, second) = (NodeId::new(REDIS, 1), NodeId::new(REDIS, 2));
        assert_eq!(servers.process(first), 0);
        servers.has_restarted(first, 2);
        servers.has_restarted(first, 1);
        assert_eq!((servers.process(first), servers.process(second)), (2, 0));
    }

    #[test]
    fn without_sentinels_the_next_one_is_tried() {
        let mut servers = servers(Topology::Replicated, 2, 0);
        assert_eq!(servers.doubt_master(), None);
        assert_eq!(servers.address(0), NodeId::new(REDIS, 2));
    }
}
