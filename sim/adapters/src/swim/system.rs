//! The words of scenarios.

use splitbrain::kernel::prelude::*;

use super::invariants::SwimInvariants;
use super::member::{FILES, Life, Member};
use super::options::SwimOptions;

/// Members that find out about one another.
#[derive(Clone, Debug)]
pub struct Swim {
    setup: Setup<SwimOptions>,
}

impl System for Swim {
    const NAME: &'static str = "foca";
    const DOC: &'static str = "foca 2.0.0 as it is: SWIM, who is there and who has failed, over datagrams.";
    const KINDS: &'static [Kind] = &[Kind::SERVER];
    const ROLES: &'static [Role] = &[Role::plain("active"), Role::plain("idle"), Role::plain("defunct")];
    const FILES: Option<&'static [FileInfo]> = Some(FILES);
    const GAUGES: &'static [Gauge] = &[
        Gauge {
            name: "false_downs",
            doc: "Times that a member noted another one as down, and both ran unhampered and reached a majority.",
        },
        Gauge { name: "renewals", doc: "Times that a member took another identity, as it was declared down." },
    ];

    type Options = SwimOptions;
    type Node = Member;
    type Invariants = SwimInvariants;
    type Workload = Idle;

    fn new(setup: Setup<SwimOptions>) -> Result<Self, OptionsError> {
        if setup.cluster.count(setup.members) < 2 {
            return Err(OptionsError::new("servers", "expected at least 2: a member by itself finds no other"));
        }
        Ok(Self { setup })
    }

    fn node(&self, id: NodeId, recovered: Recovered<Life>) -> Member {
        Member::new(id, self.setup.options.get(id).clone(), addresses(&self.setup), &recovered)
    }

    fn invariants(&self) -> SwimInvariants {
        SwimInvariants::new(&self.setup)
    }

    /// All that run, so that nothing interferes with them any more. Who is down stays down, to be found out, unless
    /// fewer than two would run.
    fn core(&self, view: impl View<Member>, candidates: &[NodeId]) -> Vec<NodeId> {
        let (up, down): (Vec<NodeId>, Vec<NodeId>) = candidates.iter().partition(|node| view.is_up(**node));
        let count = up.len().max(2);
        up.into_iter().chain(down).take(count).collect()
    }

    fn gauges(invariants: &SwimInvariants) -> Vec<u64> {
        invariants.gauges()
    }
}

/// How many addresses there are, spare servers included.
pub(super) fn addresses(setup: &Setup<SwimOptions>) -> u16 {
    setup.cluster.count(setup.members) + setup.cluster.spare_count(setup.members)
}
