//! Which servers vote, as facts.

use std::fmt;

use crate::raft::configuration::Members;
use crate::raft::ids::ServerSet;

/// Which servers vote, as a server knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConfigurationFacts {
    /// The voters.
    pub voters: ServerSet,
    /// In the middle of a joint change: the voters before it. A quorum of both is needed then. Otherwise empty.
    pub outgoing: ServerSet,
    /// Those that follow and do not vote.
    pub learners: ServerSet,
}

impl ConfigurationFacts {
    /// Those who vote in it: its voters, and in a joint change those before it.
    pub const fn electors(&self) -> ServerSet {
        self.voters.union(self.outgoing)
    }

    /// Those who are sent the log.
    pub const fn members(&self) -> ServerSet {
        self.electors().union(self.learners)
    }

    /// The sets of voters of which each needs a quorum.
    pub(in crate::raft) fn halves(&self) -> impl Iterator<Item = ServerSet> + use<> {
        let outgoing = (!self.outgoing.is_empty()).then_some(self.outgoing);
        std::iter::once(self.voters).chain(outgoing)
    }
}

impl fmt::Display for ConfigurationFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.voters)?;
        for (name, servers) in [("outgoing", self.outgoing), ("learners", self.learners)] {
            if !servers.is_empty() {
                write!(f, " {name} {servers:?}")?;
            }
        }
        Ok(())
    }
}

impl From<&Members> for ConfigurationFacts {
    fn from(members: &Members) -> Self {
        let Members { voters, outgoing, learners, .. } = *members;
        Self { voters, outgoing, learners }
    }
}
