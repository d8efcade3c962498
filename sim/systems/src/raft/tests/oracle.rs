//! Goal: what is watched and what watches disagree where they should. An oracle that took its answers from the servers
//! would be silent here.

use splitbrain_kernel::id::{Cluster, NodeId};
use splitbrain_kernel::node::Recovered;
use splitbrain_kernel::options::{OptionsError, PerServer};
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::{Outcome, RunOptions};
use splitbrain_kernel::system::{Setup, System};
use splitbrain_kernel::time::Duration;
use splitbrain_kernel::view::View;
use splitbrain_kernel::vocabulary::Role;
use splitbrain_kernel::workload::Idle;
use splitbrain_kernel::world::World;

use super::super::durable::Record;
use super::super::invariants::{Frame, RaftInvariants};
use super::super::options::RaftOptions;
use super::super::presets::paper;
use super::super::{Raft, RaftNode};

const CLUSTER: Cluster = Cluster::plain(5, 0);

/// Servers with options that the invariants do not know of: they go by those of the paper.
#[derive(Clone, Debug)]
struct Misled(Raft);

impl System for Misled {
    const NAME: &'static str = "misled";
    const DOC: &'static str = "Raft under the promises of other options.";
    const ROLES: &'static [Role] = Raft::ROLES;
    type Options = RaftOptions;
    type Node = RaftNode;
    type Invariants = RaftInvariants<RaftNode>;
    type Workload = Idle;

    fn new(setup: Setup<RaftOptions>) -> Result<Self, OptionsError> {
        Raft::over(setup).map(Self)
    }
    fn node(&self, id: NodeId, recovered: Recovered<Record>) -> RaftNode {
        self.0.process(id, &recovered)
    }
    fn invariants(&self) -> Self::Invariants {
        let setup = self.0.setup();
        RaftInvariants::new(Frame::new(&Setup::new(setup.cluster, PerServer::same(paper()), setup.bounds)))
    }
    fn core(&self, _: impl View<RaftNode>, candidates: &[NodeId]) -> Vec<NodeId> {
        self.0.core_of(candidates)
    }
}

/// The first invariant that breaks in one of twenty seeds.
fn broken(options: RaftOptions) -> Option<String> {
    (0..20).find_map(|seed| {
        let run = RunOptions::ordinary(CLUSTER, Duration::from_secs(20));
        let setup = Setup::new(CLUSTER, PerServer::same(options.clone()), run.bounds);
        let system = Misled::new(setup).expect("the options stand together");
        match World::new(&system, &run, Seed(seed)).run().outcome {
            Outcome::Violated(violation) | Outcome::Stalled(violation) => Some(violation.invariant),
            _ => None,
        }
    })
}

#[test]
fn servers_with_too_small_a_quorum_are_held_to_a_majority() {
    assert_eq!(broken(paper().with(|o| o.quorum.election = 2)).as_deref(), Some("elected_by_quorum"));
}

#[test]
fn servers_that_do_as_the_invariants_expect_are_right() {
    assert_eq!(broken(paper()), None);
    assert_eq!(broken(paper().with(|o| o.quorum.election = 4)), None, "more than a majority is no less");
}
