//! Who does what, as far as observations tell: roles with ranks, holders of resources, who is up.
//!
//! A plain fold. It holds what nodes believe of themselves: two may believe that they lead.

use std::collections::BTreeMap;

use crate::id::{Cluster, NodeId};
use crate::time::Instant;

/// Roles of which there should be one: of several live nodes in such a role the one with the highest rank counts.
pub const RANKED_ROLES: [&str; 3] = ["leader", "master", "primary"];

/// What the director knows of the cluster.
///
/// - A node that is down has no role and holds nothing; what it says then changes nothing.
/// - A node has one role, the one that it took last.
#[derive(Clone, Debug)]
pub struct Census {
    cluster: Cluster,
    members: Vec<Member>,
    /// Who holds what, with the number of the gain: the highest is the newest.
    holdings: BTreeMap<(&'static str, u64, NodeId), u64>,
    gains: u64,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    up: bool,
    has_been_up: bool,
    tenure: Option<Tenure>,
}

/// A role that a node has, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenure {
    /// Which role.
    pub role: &'static str,
    /// The higher, the newer.
    pub rank: u64,
    /// When the node took the role; a new rank in the same role does not change it.
    pub since: Instant,
}

impl Census {
    /// Nobody is up yet.
    pub(crate) fn new(cluster: Cluster) -> Self {
        let absent = Member { up: false, has_been_up: false, tenure: None };
        Self { cluster, members: vec![absent; cluster.node_count()], holdings: BTreeMap::new(), gains: 0 }
    }

    /// How many nodes there are.
    pub const fn cluster(&self) -> Cluster {
        self.cluster
    }

    /// Whether the node's process runs.
    pub fn is_up(&self, node: NodeId) -> bool {
        self.member(node).up
    }

    /// Whether the node is not absent: it takes part from the start, or has been up.
    pub fn is_present(&self, node: NodeId) -> bool {
        let spare = !self.cluster.starts(node);
        !spare || self.member(node).has_been_up
    }

    /// The nodes that are not absent, servers before clients, in order of number.
    pub fn present(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.cluster.nodes().filter(|node| self.is_present(*node))
    }

    /// The servers that are not absent, in order of number.
    pub fn servers(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.present().filter(|node| self.cluster.is_server(*node))
    }

    /// The role of a live node, where it has reported one.
    pub fn tenure(&self, node: NodeId) -> Option<Tenure> {
        self.member(node).tenure
    }

    /// The live nodes in this role, servers before clients, in order of number.
    pub fn in_role<'a>(&'a self, role: &'a str) -> impl Iterator<Item = NodeId> + 'a {
        self.cluster.nodes().filter(move |node| self.tenure(*node).is_some_and(|it| it.role == role))
    }

    /// The live nodes in this role, the highest rank first; of one rank the latest to take the role, then by number.
    pub fn by_rank(&self, role: &str) -> Vec<NodeId> {
        let mut ranked: Vec<NodeId> = self.in_role(role).collect();
        ranked.sort_by_key(|node| std::cmp::Reverse(self.seniority(*node)));
        ranked
    }

    /// The live node that believes it leads, in whichever of [`RANKED_ROLES`]; of several the one with the highest
    /// rank.
    pub fn leader(&self) -> Option<NodeId> {
        let leads = |node: &NodeId| self.tenure(*node).is_some_and(|tenure| RANKED_ROLES.contains(&tenure.role));
        // In reverse, because of equals `max_by_key` gives the last, and the lowest number is to win.
        let candidates = (0..self.members.len()).rev().map(|at| self.cluster.node(at));
        candidates.filter(leads).max_by_key(|node| self.seniority(*node))
    }

    fn seniority(&self, node: NodeId) -> Option<(u64, Instant)> {
        self.tenure(node).map(|tenure| (tenure.rank, tenure.since))
    }

    /// The live nodes that hold a resource of this kind, or this one of them: the last to gain it first.
    pub fn holders(&self, kind: &str, resource: Option<u64>) -> Vec<NodeId> {
        let mut gains: Vec<(u64, NodeId)> = self
            .holdings
            .iter()
            .filter(|((of, which, _), _)| *of == kind && resource.is_none_or(|it| it == *which))
            .map(|((_, _, node), gain)| (*gain, *node))
            .collect();
        gains.sort_unstable_by(|a, b| b.cmp(a));
        let mut holders = Vec::new();
        for (_, node) in gains {
            if !holders.contains(&node) {
                holders.push(node);
            }
        }
        holders
    }

    /// A process started. It has no role until it says so.
    pub(crate) fn set_up(&mut self, node: NodeId) {
        let member = self.member_mut(node);
        member.up = true;
        member.has_been_up = true;
    }

    /// A process ended. Gives back the role that it had.
    pub(crate) fn set_down(&mut self, node: NodeId) -> Option<&'static str> {
        self.holdings.retain(|(_, _, holder), _| *holder != node);
        let member = self.member_mut(node);
        member.up = false;
        member.tenure.take().map(|tenure| tenure.role)
    }

    /// A node takes a role. Gives back the tenure before.
    pub(crate) fn set_role(&mut self, now: Instant, node: NodeId, role: &'static str, rank: u64) -> Option<Tenure> {
        let member = self.member_mut(node);
        let before = member.tenure;
        if member.up {
            let since = before.filter(|it| it.role == role).map_or(now, |it| it.since);
            member.tenure = Some(Tenure { role, rank, since });
        }
        before
    }

    /// A node gains a resource, perhaps once more.
    pub(crate) fn gain(&mut self, node: NodeId, kind: &'static str, resource: u64) {
        if self.is_up(node) {
            self.gains += 1;
            self.holdings.insert((kind, resource, node), self.gains);
        }
    }

    /// A node loses a resource.
    pub(crate) fn lose(&mut self, node: NodeId, kind: &'static str, resource: u64) {
        self.holdings.remove(&(kind, resource, node));
    }

    fn member(&self, node: NodeId) -> &Member {
        &self.members[self.cluster.index(node)]
    }

    fn member_mut(&mut self, node: NodeId) -> &mut Member {
        &mut self.members[self.cluster.index(node)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::KindId;

    const fn s(number: u16) -> NodeId {
        NodeId::server(number)
    }

    fn five() -> Census {
        let cluster = Cluster::plain(5, 2).with_spare(KindId::SERVER, 1);
        let mut census = Census::new(cluster);
        for node in cluster.starting() {
            census.set_up(node);
        }
        census
    }

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn the_leader_is_the_live_one_with_the_highest_rank() {
        let mut census = five();
        assert_eq!(census.leader(), None);
        census.set_role(at(1), s(1), "leader", 3);
        census.set_role(at(2), s(2), "leader", 5);
        census.set_role(at(3), s(3), "leader", 4);
        assert_eq!(census.leader(), Some(s(2)));
        assert_eq!(census.by_rank("leader"), [s(2), s(3), s(1)]);
        census.set_down(s(2));
        assert_eq!(census.leader(), Some(s(3)));
        census.set_up(s(2));
        assert_eq!(census.leader(), Some(s(3)), "a restart brings no role back");
    }

    #[test]
    fn of_one_rank_the_latest_leads_and_then_the_lowest_number() {
        let mut census = five();
        census.set_role(at(1), s(4), "master", 1);
        census.set_role(at(2), s(3), "master", 1);
        census.set_role(at(2), s(5), "master", 1);
        assert_eq!(census.leader(), Some(s(3)));
        assert_eq!(census.by_rank("master"), [s(3), s(5), s(4)]);
    }

    #[test]
    fn a_new_rank_keeps_the_tenure() {
        let mut census = five();
        census.set_role(at(1), s(1), "follower", 1);
        census.set_role(at(9), s(1), "follower", 2);
        let tenure = census.tenure(s(1)).expect("s1 said so");
        assert_eq!((tenure.since, tenure.rank), (at(1), 2));
    }

    #[test]
    fn holders_are_told_newest_first_and_only_while_up() {
        let mut census = five();
        census.gain(s(1), "lock", 7);
        census.gain(s(2), "lock", 7);
        census.gain(s(3), "lock", 8);
        census.gain(s(1), "lease", 7);
        assert_eq!(census.holders("lock", Some(7)), [s(2), s(1)]);
        assert_eq!(census.holders("lock", None), [s(3), s(2), s(1)]);
        census.gain(s(1), "lock", 7);
        assert_eq!(census.holders("lock", Some(7)), [s(1), s(2)]);
        census.lose(s(1), "lock", 7);
        census.set_down(s(3));
        assert_eq!(census.holders("lock", None), [s(2)]);
        assert_eq!(census.holders("lease", None), [s(1)]);
    }

    #[test]
    fn a_spare_server_is_absent_until_it_was_up() {
        let mut census = five();
        assert!(!census.is_present(s(6)));
        census.set_up(s(6));
        census.set_down(s(6));
        assert!(census.is_present(s(6)) && !census.is_up(s(6)));
    }

    #[test]
    fn what_a_dead_node_says_changes_nothing() {
        let mut census = five();
        census.set_down(s(1));
        census.set_role(at(1), s(1), "leader", 9);
        census.gain(s(1), "lock", 1);
        assert_eq!(census.leader(), None);
        assert_eq!(census.holders("lock", None), []);
    }
}
