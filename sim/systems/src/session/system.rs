//! What the kernel and scenarios see of the session system: `impl System for Sessions`.

use std::sync::Arc;

use splitbrain_kernel::embedding::{Both, Embedding as _, Inside};
use splitbrain_kernel::id::{Kind, KindId, NodeId, Side};
use splitbrain_kernel::node::Recovered;
use splitbrain_kernel::options::{Options, OptionsError};
use splitbrain_kernel::rng::Ppm;
use splitbrain_kernel::system::{FileInfo, Gauge, OrderInfo, Setup, System, WorkloadInfo};
use splitbrain_kernel::view::View;
use splitbrain_kernel::vocabulary::{Part, Role};
use splitbrain_kernel::workload::{WorkloadCall, options_of};

use crate::raft::invariants::{Frame, RaftInvariants};
use crate::raft::observation::RaftObservation;
use crate::raft::options::RaftOptions;
use crate::raft::{self, RaftNode, RaftOf};

use super::bug::Bug;
use super::chunk::{Chunk, Surroundings};
use super::client::Client;
use super::command::Command;
use super::ids::{CHUNK, META, Resource, VOLUME};
use super::invariants::{SessionInvariants, gauges::RunFigures};
use super::lease::longest_within;
use super::master::Master;
use super::master::journal::{self, Disk, Journal, RaftInMeta, Replica};
use super::message::Order;
use super::node::{Record, SessionNode};
use super::options::{Replication, SessionOptions};
use super::table::Table;
use super::volume::{self, Volume};
use super::workload::{IoOptions, Requests};

/// Session masters, chunks that serve targets under sessions with them, volumes and clients. Target `n` is granted by
/// one master and stored on one volume: they are dealt out in turn.
#[derive(Clone, Debug)]
pub struct Sessions {
    setup: Setup<SessionOptions>,
    /// The log of masters that are replicated. There is none if they are not.
    log: Option<RaftOf<Command>>,
}

impl Sessions {
    /// The same with this bug, or without one, on all nodes.
    #[must_use]
    pub fn with_bug(mut self, bug: Bug) -> Self {
        self.setup.options.base.bug = bug;
        self.setup.options.of.values_mut().for_each(|options| options.bug = bug);
        self
    }

    /// What it was made from.
    pub const fn setup(&self) -> &Setup<SessionOptions> {
        &self.setup
    }

    fn count(&self, kind: KindId) -> u16 {
        self.setup.cluster.count(kind) + self.setup.cluster.spare_count(kind)
    }

    fn master(&self, id: NodeId, options: Arc<SessionOptions>, recovered: &Recovered<Record>) -> Master {
        match &self.log {
            None => {
                let (disk, table) = Disk::recover(recovered, options.bug);
                Master::new(id.number(), options, Journal::Disk(disk), table)
            }
            Some(log) => {
                let replica = Replica::new(log.process(id, &RaftInMeta.recovered(recovered)));
                Master::new(1, options, Journal::Replica(Box::new(replica)), Table::default())
            }
        }
    }

    fn surroundings(&self, chunk: NodeId) -> Surroundings {
        let metas = self.count(META);
        let (masters, replicas) = if self.log.is_some() { (1, metas) } else { (metas, 1) };
        Surroundings {
            number: chunk.number(),
            masters,
            replicas,
            volumes: self.count(VOLUME),
            drift_ppm: self.setup.bounds.drift_ppm,
        }
    }
}

/// What is on the disks: of a master that is not replicated its commands, of one that is the files of its raft server.
const FILES: &[FileInfo] = {
    const RAFT: &[FileInfo] = raft::durable::FILES;
    &[
        FileInfo::new("commands", journal::LOG, &[META], "Of a master that is not replicated: what it carried out."),
        RAFT[0].inside(journal::FILES, &[META]),
        RAFT[1].inside(journal::FILES, &[META]),
        RAFT[2].inside(journal::FILES, &[META]),
        RAFT[3].inside(journal::FILES, &[META]),
        FileInfo::row("target", volume::FILES, &[VOLUME], "The newest token of this target and its value."),
    ]
};

/// With a declared bound on drift the follower's lease lies within the one that its chunk asks the master for.
fn check_leases(options: &SessionOptions, drift_ppm: Option<u32>) -> Result<(), OptionsError> {
    let Some(drift) = drift_ppm.filter(|drift| *drift < 1_000_000) else { return Ok(()) };
    let most = longest_within(options.lease, drift);
    if options.follower_lease <= most {
        return Ok(());
    }
    let message = format!(
        "must be at most {most}: with a lease of {} and a drift_bound of {} a follower counts on its session for \
         longer than its master",
        options.lease,
        Ppm::new(drift)
    );
    Err(OptionsError::new("follower_lease", message))
}

impl System for Sessions {
    const NAME: &'static str = "session";
    const DOC: &'static str = "Session masters and followers: leases, jeopardy, items, and what is done under them.";
    const KINDS: &'static [Kind] = &[
        Kind {
            id: META,
            name: "meta",
            doc: "A session master with its access manager. Several are independent, or replicas of one.",
            side: Side::Server,
            count_min: 1,
            count_max: 8,
        },
        Kind {
            id: CHUNK,
            name: "chunk",
            doc: "Serves targets under a session with each master.",
            side: Side::Server,
            count_min: 1,
            count_max: 32,
        },
        Kind {
            id: VOLUME,
            name: "volume",
            doc: "Stores what is written to targets.",
            side: Side::Server,
            count_min: 1,
            count_max: 8,
        },
        Kind::CLIENT,
    ];
    const ROLES: &'static [Role] = &[Role::plain("master"), Role::plain("idle")];
    const RESOURCES: &'static [&'static str] = &["session", "target"];
    const PARTS: &'static [Part] =
        &[Part { group: RaftInMeta::GROUP, roles: RaftObservation::<Command>::ROLES, resources: &[], parts: &[] }];
    const WORKLOADS: &'static [WorkloadInfo] = &[WorkloadInfo {
        name: "io",
        doc: "Each client writes and reads targets by way of the chunk that serves them, and has items set and listed.",
        options: options_of::<IoOptions>,
    }];
    const ORDERS: &'static [OrderInfo] = &[
        OrderInfo { name: "stop", doc: "A chunk closes its sessions, as its user asks, and creates none." },
        OrderInfo { name: "resume", doc: "A chunk that was stopped creates sessions again." },
        OrderInfo { name: "claim", doc: "A chunk asks for a target; the argument is the target's number." },
        OrderInfo { name: "release", doc: "A chunk gives a target back; the argument is the target's number." },
        OrderInfo { name: "step_down", doc: "A master leads no longer; of replicas raft may elect it again." },
        OrderInfo { name: "lead", doc: "A master that stepped down leads again, in a new term; a replica campaigns." },
    ];
    const FILES: Option<&'static [FileInfo]> = Some(FILES);
    const GAUGES: &'static [Gauge] = RunFigures::GAUGES;

    type Options = SessionOptions;
    type Node = SessionNode;
    type Invariants = Both<SessionInvariants, Inside<RaftInMeta, RaftInvariants<RaftNode<Command>>>>;
    type Workload = Requests;

    fn new(setup: Setup<SessionOptions>) -> Result<Self, OptionsError> {
        for options in setup.options.all() {
            options.validate(setup.cluster)?;
        }
        for chunk in setup.cluster.all_of(CHUNK) {
            check_leases(setup.options.get(chunk), setup.bounds.drift_ppm)?;
        }
        let replication = setup.options.base.replication;
        if setup.options.all().any(|options| options.replication != replication) {
            return Err(OptionsError::new("replication", "must be the same for all nodes"));
        }
        let log = match replication {
            Replication::None => None,
            Replication::Raft => Some(replicated_log(&setup).map_err(|error| error.within(RaftInMeta::GROUP))?),
        };
        Ok(Self { setup, log })
    }

    fn node(&self, id: NodeId, recovered: Recovered<Record>) -> SessionNode {
        let options = Arc::new(self.setup.options.get(id).clone());
        match id.kind() {
            META => SessionNode::Meta(Box::new(self.master(id, options, &recovered))),
            CHUNK => SessionNode::Chunk(Box::new(Chunk::new(options, self.surroundings(id)))),
            VOLUME => SessionNode::Volume(Volume::new(options, &recovered)),
            _ => SessionNode::Client(Client::new(options, id.number(), self.count(CHUNK))),
        }
    }

    fn invariants(&self) -> Self::Invariants {
        let inside = match &self.log {
            Some(log) => Inside::new(RaftInMeta, RaftInvariants::new(log.frame())),
            None => Inside::absent(RaftInMeta, RaftInvariants::new(Frame::new(&raft_setup(&self.setup)))),
        };
        Both(SessionInvariants::new(&self.setup), inside)
    }

    /// Each volume stands for itself, and each master that is not replicated. Of replicas a quorum is enough.
    fn core(&self, _: impl View<SessionNode>, candidates: &[NodeId]) -> Vec<NodeId> {
        let Some(log) = &self.log else { return candidates.to_vec() };
        // Members never change.
        let masters = log.core_of(candidates);
        candidates.iter().copied().filter(|node| !node.is(META)).chain(masters).collect()
    }

    fn workload(&self, call: &WorkloadCall<'_>) -> Result<Requests, OptionsError> {
        Requests::of(call, self.setup.options.base.resources)
    }

    fn order(&self, name: &str, argument: &str) -> Result<Order, String> {
        let plain = |order: Order| match argument {
            "" => Ok(order),
            _ => Err(format!("{name} takes no argument, got {argument:?}")),
        };
        match name {
            "stop" => plain(Order::Stop),
            "resume" => plain(Order::Resume),
            "step_down" => plain(Order::StepDown),
            "lead" => plain(Order::Lead),
            "claim" => target(name, argument).map(Order::Claim),
            "release" => target(name, argument).map(Order::Release),
            _ => Err(format!("session knows no order {name}")),
        }
    }

    fn gauges(invariants: &Self::Invariants) -> Vec<u64> {
        invariants.0.figures().values()
    }
}

/// What the raft inside the masters is made from.
fn raft_setup(setup: &Setup<SessionOptions>) -> Setup<RaftOptions> {
    let options = setup.options.map(|options| options.raft.clone());
    Setup { cluster: setup.cluster, members: META, options, bounds: setup.bounds }
}

fn replicated_log(setup: &Setup<SessionOptions>) -> Result<RaftOf<Command>, OptionsError> {
    RaftOf::over(raft_setup(setup))
}

/// The target that an order is about.
fn target(order: &str, argument: &str) -> Result<Resource, String> {
    let number = argument.parse().ok().filter(|number| *number > 0);
    number.map(Resource).ok_or_else(|| format!("{order} takes the number of a target, got {argument:?}"))
}
