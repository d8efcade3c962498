//! Who takes part, and with which part. Fixed for a run; membership changes will make it an entry of the log.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::system::Setup;

use super::ids::ServerSet;
use super::options::RaftOptions;
use super::priority;

/// The members of a cluster.
///
/// - Every voter is a member.
/// - A server that is no member follows whoever leads it, and neither campaigns nor counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    members: ServerSet,
    voters: ServerSet,
    /// By number of the server, from 1.
    priorities: Vec<u64>,
    highest_priority: u64,
}

impl Configuration {
    /// The servers that take part from the start, with their learner flags and priorities.
    pub fn new(setup: &Setup<RaftOptions>) -> Self {
        let (options, servers) = (&setup.options, || setup.cluster.of(setup.members));
        let voters = servers().filter(|server| !options.get(*server).learner);
        let priorities: Vec<u64> = servers().map(|server| options.get(server).priority).collect();
        Self {
            members: servers().collect(),
            voters: voters.collect(),
            highest_priority: priority::highest(&priorities),
            priorities,
        }
    }

    /// All members: voters and learners.
    #[inline]
    pub const fn members(&self) -> ServerSet {
        self.members
    }

    /// The members that vote and count.
    #[inline]
    pub const fn voters(&self) -> ServerSet {
        self.voters
    }

    /// The priority of a server; 0 for one that is no member.
    pub fn priority(&self, server: NodeId) -> u64 {
        self.priorities.get(usize::from(server.number()) - 1).copied().unwrap_or(0)
    }

    /// The priorities of all members.
    pub fn priorities(&self) -> &[u64] {
        &self.priorities
    }

    /// The target priority while a leader lives.
    #[inline]
    pub const fn highest_priority(&self) -> u64 {
        self.highest_priority
    }

    /// The size of a table with a place for each member, by number.
    pub(super) const fn table_len(&self) -> usize {
        self.priorities.len()
    }
}
