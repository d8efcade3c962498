//! Who does what, as far as observations tell: roles with ranks, holders of resources, who is up.
//!
//! A plain fold. It holds what nodes believe of themselves: two may believe that they lead.

use std::collections::BTreeMap;

use crate::id::{Cluster, NodeId};
use crate::selector::Selector;
use crate::time::Instant;
use crate::vocabulary::{ResourceId, RoleId, Vocabulary};

/// What the director knows of the cluster.
///
/// - A node that is down has no role and holds nothing; what it says then changes nothing.
/// - A node has one role in each group, the one that it took last.
#[derive(Clone, Debug)]
pub struct Census {
    cluster: Cluster,
    words: Vocabulary,
    members: Vec<Member>,
    /// Who holds what, with the number of the gain: the highest is the newest.
    holdings: BTreeMap<(ResourceId, u64, NodeId), u64>,
    gains: u64,
    /// The nodes that faults have bound names to, the last binding of each.
    names: BTreeMap<String, NodeId>,
}

#[derive(Clone, Debug)]
struct Member {
    up: bool,
    has_been_up: bool,
    /// By group.
    tenures: Vec<Option<Tenure>>,
}

/// A role that a node has, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenure {
    /// Which role.
    pub role: RoleId,
    /// The higher, the newer.
    pub rank: u64,
    /// When the node took the role; a new rank in the same role does not change it.
    pub since: Instant,
}

impl Census {
    /// No node is up yet.
    pub(crate) fn new(cluster: Cluster, words: Vocabulary) -> Self {
        let absent = Member { up: false, has_been_up: false, tenures: vec![None; words.group_count()] };
        let members = vec![absent; cluster.node_count()];
        Self { cluster, words, members, holdings: BTreeMap::new(), gains: 0, names: BTreeMap::new() }
    }

    /// How many nodes there are.
    pub const fn cluster(&self) -> Cluster {
        self.cluster
    }

    /// The words of the system.
    pub const fn words(&self) -> &Vocabulary {
        &self.words
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

    /// The role of a live node in the group of this role, if it has reported one.
    pub(crate) fn tenure(&self, node: NodeId, role: RoleId) -> Option<Tenure> {
        self.member(node).tenures[self.words.group_of(role)]
    }

    /// The live nodes in this role, servers before clients, in order of number.
    pub fn in_role(&self, role: RoleId) -> impl Iterator<Item = NodeId> + '_ {
        self.cluster.nodes().filter(move |node| self.tenure(*node, role).is_some_and(|it| it.role == role))
    }

    /// The live nodes in this role, the highest rank first; of one rank the latest to take the role, then by number.
    pub fn by_rank(&self, role: RoleId) -> Vec<NodeId> {
        let mut ranked: Vec<NodeId> = self.in_role(role).collect();
        let seniority = |node: &NodeId| self.tenure(*node, role).map(|tenure| (tenure.rank, tenure.since));
        ranked.sort_by_key(|node| std::cmp::Reverse(seniority(node)));
        ranked
    }

    /// The live node that counts in a ranked role: of several the one with the highest rank.
    pub fn chief(&self, role: RoleId) -> Option<NodeId> {
        self.by_rank(role).first().copied()
    }

    /// The node that a fault has bound this name to; of several bindings the last.
    pub fn named(&self, name: &str) -> Option<NodeId> {
        self.names.get(name).copied()
    }

    /// Binds a name for the rest of the run. Returns whether it stood for another node, or none, before.
    pub(crate) fn bind(&mut self, name: &str, node: NodeId) -> bool {
        self.names.insert(name.to_owned(), node) != Some(node)
    }

    /// Whether a node is one of those that a selector names by itself, by its name, its role or its kind. Of a ranked
    /// role it is the one that counts. Selectors that draw or choose a share have no such nodes.
    pub(crate) fn is_one_of(&self, selector: &Selector, node: NodeId) -> bool {
        let in_role = |word: &str| {
            let role = self.words.find_role(word).ok()?;
            let has_it = self.tenure(node, role).is_some_and(|tenure| tenure.role == role);
            Some(if self.words.role(role).is_ranked { self.chief(role) == Some(node) } else { has_it })
        };
        match selector {
            Selector::Node(named) => named.id() == node,
            Selector::Named(name) => self.named(name) == Some(node),
            Selector::Role(word) => in_role(word).unwrap_or(false),
            Selector::Any(among) | Selector::Every(among) => among.has(&self.cluster, node),
            Selector::EveryRole(_) | Selector::Holder { .. } | Selector::Share { .. } | Selector::Not(_) => false,
        }
    }

    /// The live nodes that hold a resource of this kind, or this one of them: the last to gain it first.
    pub fn holders(&self, kind: ResourceId, resource: Option<u64>) -> Vec<NodeId> {
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

    /// A process ended. Returns the roles that it had.
    pub(crate) fn set_down(&mut self, node: NodeId) -> Vec<RoleId> {
        self.holdings.retain(|(_, _, holder), _| *holder != node);
        let member = self.member_mut(node);
        member.up = false;
        member.tenures.iter_mut().filter_map(|tenure| tenure.take().map(|it| it.role)).collect()
    }

    /// A node takes a role. Returns its tenures in the group of the role, before and now.
    pub(crate) fn set_role(
        &mut self,
        now: Instant,
        node: NodeId,
        role: RoleId,
        rank: u64,
    ) -> (Option<Tenure>, Option<Tenure>) {
        let group = self.words.group_of(role);
        let member = self.member_mut(node);
        let before = member.tenures[group];
        if member.up {
            let since = before.filter(|it| it.role == role).map_or(now, |it| it.since);
            member.tenures[group] = Some(Tenure { role, rank, since });
        }
        (before, member.tenures[group])
    }

    /// A node gains a resource, perhaps once more.
    pub(crate) fn gain(&mut self, node: NodeId, kind: ResourceId, resource: u64) {
        if self.is_up(node) {
            self.gains += 1;
            self.holdings.insert((kind, resource, node), self.gains);
        }
    }

    /// A node loses a resource.
    pub(crate) fn lose(&mut self, node: NodeId, kind: ResourceId, resource: u64) {
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
    use crate::vocabulary::{Part, Role};

    const RAFT: Part = Part {
        group: "raft",
        roles: &[Role::ranked("leader"), Role::plain("follower")],
        resources: &["lease"],
        parts: &[],
    };
    const SESSION: Part =
        Part { group: "session", roles: &[Role::ranked("master")], resources: &["lock"], parts: &[RAFT] };

    fn role(word: &str) -> RoleId {
        Vocabulary::new(SESSION).find_role(word).expect("a role")
    }

    fn kind(word: &str) -> ResourceId {
        Vocabulary::new(SESSION).find_resource(word).expect("a kind of resource")
    }

    const fn s(number: u16) -> NodeId {
        NodeId::server(number)
    }

    fn five() -> Census {
        let cluster = Cluster::plain(5, 2).with_spare(KindId::SERVER, 1);
        let mut census = Census::new(cluster, Vocabulary::new(SESSION));
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
        assert_eq!(census.chief(role("leader")), None);
        census.set_role(at(1), s(1), role("leader"), 3);
        census.set_role(at(2), s(2), role("leader"), 5);
        census.set_role(at(3), s(3), role("leader"), 4);
        assert_eq!(census.chief(role("leader")), Some(s(2)));
        assert_eq!(census.by_rank(role("leader")), [s(2), s(3), s(1)]);
        census.set_down(s(2));
        assert_eq!(census.chief(role("leader")), Some(s(3)));
        census.set_up(s(2));
        assert_eq!(census.chief(role("leader")), Some(s(3)), "a restart brings no role back");
    }

    #[test]
    fn of_one_rank_the_latest_leads_and_then_the_lowest_number() {
        let mut census = five();
        census.set_role(at(1), s(4), role("master"), 1);
        census.set_role(at(2), s(3), role("master"), 1);
        census.set_role(at(2), s(5), role("master"), 1);
        assert_eq!(census.chief(role("master")), Some(s(3)));
        assert_eq!(census.by_rank(role("master")), [s(3), s(5), s(4)]);
    }

    #[test]
    fn a_new_rank_keeps_the_tenure() {
        let mut census = five();
        census.set_role(at(1), s(1), role("follower"), 1);
        census.set_role(at(9), s(1), role("follower"), 2);
        let tenure = census.tenure(s(1), role("follower")).expect("s1 said so");
        assert_eq!((tenure.since, tenure.rank), (at(1), 2));
    }

    #[test]
    fn a_node_has_a_role_in_each_group() {
        let mut census = five();
        census.set_role(at(1), s(1), role("leader"), 3);
        census.set_role(at(2), s(1), role("master"), 1);
        assert_eq!((census.chief(role("leader")), census.chief(role("master"))), (Some(s(1)), Some(s(1))));
        census.set_role(at(3), s(1), role("follower"), 4);
        assert_eq!((census.chief(role("leader")), census.chief(role("master"))), (None, Some(s(1))));
        assert_eq!(census.set_down(s(1)), [role("master"), role("follower")]);
        assert_eq!(census.chief(role("master")), None);
    }

    #[test]
    fn holders_are_told_newest_first_and_only_while_up() {
        let mut census = five();
        census.gain(s(1), kind("lock"), 7);
        census.gain(s(2), kind("lock"), 7);
        census.gain(s(3), kind("lock"), 8);
        census.gain(s(1), kind("lease"), 7);
        assert_eq!(census.holders(kind("lock"), Some(7)), [s(2), s(1)]);
        assert_eq!(census.holders(kind("lock"), None), [s(3), s(2), s(1)]);
        census.gain(s(1), kind("lock"), 7);
        assert_eq!(census.holders(kind("lock"), Some(7)), [s(1), s(2)]);
        census.lose(s(1), kind("lock"), 7);
        census.set_down(s(3));
        assert_eq!(census.holders(kind("lock"), None), [s(2)]);
        assert_eq!(census.holders(kind("lease"), None), [s(1)]);
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
        census.set_role(at(1), s(1), role("leader"), 9);
        census.gain(s(1), kind("lock"), 1);
        assert_eq!(census.chief(role("leader")), None);
        assert_eq!(census.holders(kind("lock"), None), []);
    }
}
