//! The words of scenarios.

use splitbrain::kernel::prelude::*;
use splitbrain::kernel::system::WorkloadInfo;

use super::invariants::OmniInvariants;
use super::options::OmniOptions;
use super::server::{Process, Server};
use super::storage::{FILES, Record};
use crate::proposals::{Client, Proposals};

/// Servers of OmniPaxos and clients that propose numbers.
#[derive(Clone, Debug)]
pub struct Omni {
    setup: Setup<OmniOptions>,
}

impl System for Omni {
    const NAME: &'static str = "omnipaxos";
    const DOC: &'static str = "OmniPaxos 0.2.4 as it is, over connections or datagrams.";
    const ROLES: &'static [Role] = &[Role::ranked("leader"), Role::plain("follower")];
    const WORKLOADS: &'static [WorkloadInfo] = Proposals::WORKLOADS;
    const FILES: Option<&'static [FileInfo]> = Some(FILES);
    const GAUGES: &'static [Gauge] = &[
        Gauge { name: "ballot", doc: "The highest number of a ballot in which a server led." },
        Gauge { name: "leader_changes", doc: "Times that a server became leader, after the first." },
        Gauge { name: "decided_max", doc: "Places that are decided." },
    ];

    type Options = OmniOptions;
    type Node = Process;
    type Invariants = OmniInvariants;
    type Workload = Proposals;

    fn new(setup: Setup<OmniOptions>) -> Result<Self, OptionsError> {
        if setup.cluster.count(setup.members) < 2 {
            return Err(OptionsError::new("servers", "OmniPaxos takes at least 2"));
        }
        if setup.cluster.spare_count(setup.members) > 0 {
            let message = "this adapter does not reconfigure: leave out cluster.spare, or count them among the servers";
            return Err(OptionsError::new("servers", message));
        }
        Ok(Self { setup })
    }

    fn node(&self, id: NodeId, recovered: Recovered<Record>) -> Process {
        let Setup { cluster, members, options, .. } = &self.setup;
        let servers = cluster.count(*members);
        if !id.is(*members) {
            return Process::Client(Client::new(servers));
        }
        match Server::new(id, options.get(id).clone(), servers, &recovered) {
            Ok(server) => Process::Server(Box::new(server)),
            Err(damaged) => Process::Damaged(damaged),
        }
    }

    fn invariants(&self) -> OmniInvariants {
        OmniInvariants::new(&self.setup)
    }

    fn core(&self, _: impl View<Process>, candidates: &[NodeId]) -> Vec<NodeId> {
        let majority = usize::from(self.setup.cluster.count(self.setup.members)) / 2 + 1;
        candidates.iter().copied().take(majority).collect()
    }

    fn workload(&self, call: &WorkloadCall<'_>) -> Result<Proposals, OptionsError> {
        Proposals::of(call)
    }

    fn gauges(invariants: &OmniInvariants) -> Vec<u64> {
        invariants.gauges()
    }
}
