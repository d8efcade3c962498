//! Who takes part, and with which part: what an entry of the log says of it, and what a server makes of it.
//!
//! [`Members`] is plain data: it is in the log, in snapshots and on the disk. A [`Configuration`] is the same with what
//! follows from it, so that no handler has to work it out again; `membership.rs` says when one takes the place of
//! another.

use std::fmt;
use std::sync::Arc;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::serde::{Deserialize, Serialize};
use splitbrain_kernel::system::Setup;

use super::ids::{self, ServerSet};
use super::options::RaftOptions;
use super::priority;

/// The members of a cluster, as an entry of the log carries them.
///
/// - A learner is no voter. One that was made a learner in the middle of a joint change is among `learners_next`, as it
///   votes among the outgoing ones until that is over.
/// - `outgoing` and `learners_next` are empty but in a joint configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct Members {
    /// Those that vote and count.
    #[serde(with = "ids::listed")]
    pub voters: ServerSet,
    /// Those that follow, and neither vote nor count.
    #[serde(with = "ids::listed")]
    pub learners: ServerSet,
    /// In a joint configuration the voters before it: each decision takes a quorum of them too (§6).
    #[serde(with = "ids::listed")]
    pub outgoing: ServerSet,
    /// In a joint configuration the voters that will be learners (etcd `LearnersNext`).
    #[serde(with = "ids::listed")]
    pub learners_next: ServerSet,
}

impl Members {
    /// These voters alone.
    pub const fn of_voters(voters: ServerSet) -> Self {
        Self { voters, learners: ServerSet::EMPTY, outgoing: ServerSet::EMPTY, learners_next: ServerSet::EMPTY }
    }

    /// Everybody who is sent the log.
    pub const fn all(&self) -> ServerSet {
        self.electors().union(self.learners)
    }

    /// Those who are asked for votes.
    pub const fn electors(&self) -> ServerSet {
        self.voters.union(self.outgoing)
    }

    /// Whether decisions take a quorum of two sets of voters.
    pub const fn is_joint(&self) -> bool {
        !self.outgoing.is_empty()
    }
}

/// `voters s1 s2 s3, learners s4`, as people read it.
impl fmt::Display for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("voters")?;
        list(self.voters, f)?;
        for (name, servers) in
            [("outgoing", self.outgoing), ("learners", self.learners), ("learners next", self.learners_next)]
        {
            if !servers.is_empty() {
                write!(f, ", {name}")?;
                list(servers, f)?;
            }
        }
        Ok(())
    }
}

fn list(servers: ServerSet, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    servers.iter().try_for_each(|server| write!(f, " {server}"))
}

/// The configuration that a server goes by.
///
/// - A server that is no member follows whoever leads it, and neither campaigns nor counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    members: Members,
    all: ServerSet,
    electors: ServerSet,
    /// By number of the server, from 1; 0 for one that is no member.
    priorities: Vec<u64>,
    highest_priority: u64,
    /// The priority of every server there is, spare ones included, by number from 1.
    of_servers: Arc<[u64]>,
}

impl Configuration {
    /// The servers that take part from the start, with their learner flags and priorities.
    pub fn new(setup: &Setup<RaftOptions>) -> Self {
        let options = &setup.options;
        let is_learner = |server: &NodeId| options.get(*server).membership.learner;
        let (learners, voters) = setup.cluster.of(setup.members).partition::<Vec<_>, _>(is_learner);
        let members =
            Members { learners: learners.into_iter().collect(), ..Members::of_voters(voters.into_iter().collect()) };
        let priorities = setup.cluster.all_of(setup.members).map(|server| options.get(server).priority.value);
        Self::of(members, priorities.collect())
    }

    /// The same cluster with these members.
    pub(super) fn with(&self, members: Members) -> Self {
        Self::of(members, Arc::clone(&self.of_servers))
    }

    fn of(members: Members, of_servers: Arc<[u64]>) -> Self {
        let all = members.all();
        let mut priorities = vec![0; of_servers.len()];
        for member in all.iter() {
            let at = usize::from(member.number()) - 1;
            if let (Some(place), Some(priority)) = (priorities.get_mut(at), of_servers.get(at)) {
                *place = *priority;
            }
        }
        Self {
            members,
            all,
            electors: members.electors(),
            highest_priority: priority::highest(&priorities),
            priorities,
            of_servers,
        }
    }

    /// All members: voters and learners.
    #[inline]
    pub const fn members(&self) -> ServerSet {
        self.all
    }

    /// The same by the parts that they have.
    #[inline]
    pub const fn parts(&self) -> &Members {
        &self.members
    }

    /// The members that vote and count; in a joint configuration those that it leads to.
    #[inline]
    pub const fn voters(&self) -> ServerSet {
        self.members.voters
    }

    /// In a joint configuration the voters before it, of which a quorum is needed too; otherwise none.
    #[inline]
    pub const fn outgoing(&self) -> ServerSet {
        self.members.outgoing
    }

    /// Those who are asked for votes: the voters and the outgoing ones.
    #[inline]
    pub const fn electors(&self) -> ServerSet {
        self.electors
    }

    /// Whether decisions take a quorum of two sets of voters.
    #[inline]
    pub const fn is_joint(&self) -> bool {
        self.members.is_joint()
    }

    /// The priority of a server; 0 for one that is no member.
    pub fn priority(&self, server: NodeId) -> u64 {
        self.priorities.get(usize::from(server.number()) - 1).copied().unwrap_or(0)
    }

    /// The priorities of all members; 0 for servers that are none.
    pub fn priorities(&self) -> &[u64] {
        &self.priorities
    }

    /// The target priority while a leader lives.
    #[inline]
    pub const fn highest_priority(&self) -> u64 {
        self.highest_priority
    }

    /// The size of a table with a place for each server there is, by number.
    pub(super) const fn table_len(&self) -> usize {
        self.priorities.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(servers: &[u16]) -> ServerSet {
        servers.iter().map(|server| NodeId::server(*server)).collect()
    }

    fn joint() -> Members {
        Members { voters: set(&[1, 4]), learners: set(&[5]), outgoing: set(&[1, 2, 3]), learners_next: set(&[3]) }
    }

    #[test]
    fn in_a_joint_configuration_the_old_voters_take_part_too() {
        assert_eq!(joint().electors(), set(&[1, 2, 3, 4]));
        assert_eq!(joint().all(), set(&[1, 2, 3, 4, 5]));
        assert!(joint().is_joint() && !Members::of_voters(set(&[1])).is_joint());
    }

    #[test]
    fn people_read_who_has_which_part() {
        assert_eq!(joint().to_string(), "voters s1 s4, outgoing s1 s2 s3, learners s5, learners next s3");
        assert_eq!(Members::of_voters(set(&[1, 2])).to_string(), "voters s1 s2");
    }

    #[test]
    fn only_members_have_a_priority() {
        let configuration = Configuration::of(Members::of_voters(set(&[1, 2])), [3, 4, 9].into());
        assert_eq!((configuration.priority(NodeId::server(2)), configuration.highest_priority()), (4, 4));
        assert_eq!(configuration.priority(NodeId::server(3)), 0);
        let larger = configuration.with(Members::of_voters(set(&[1, 3])));
        assert_eq!((larger.priorities(), larger.highest_priority()), (&[3, 0, 9][..], 9));
        assert_eq!(larger.table_len(), 3);
    }
}
