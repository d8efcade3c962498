//! What the kernel and scenarios see of the session system: `impl System for Sessions`.

use std::sync::Arc;

use splitbrain_kernel::id::{Kind, KindId, NodeId, Side};
use splitbrain_kernel::node::Recovered;
use splitbrain_kernel::options::{Options, OptionsError};
use splitbrain_kernel::system::{Gauge, OrderInfo, Setup, System, WorkloadInfo};
use splitbrain_kernel::view::View;
use splitbrain_kernel::vocabulary::Role;
use splitbrain_kernel::workload::{WorkloadCall, options_of};

use super::bug::Bug;
use super::chunk::{Chunk, Surroundings};
use super::client::Client;
use super::ids::{CHUNK, META, Resource, VOLUME};
use super::invariants::{SessionInvariants, tally::Tally};
use super::master::Master;
use super::message::Order;
use super::node::{Record, SessionNode};
use super::options::SessionOptions;
use super::volume::Volume;
use super::workload::{IoOptions, Requests};

/// Session masters, chunks that serve targets under sessions with them, volumes and clients. Target `n` is granted by
/// one master and stored on one volume: they are dealt out in turn.
#[derive(Clone, Debug)]
pub struct Sessions {
    setup: Setup<SessionOptions>,
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

    fn surroundings(&self, chunk: NodeId) -> Surroundings {
        Surroundings {
            number: chunk.number(),
            masters: self.count(META),
            volumes: self.count(VOLUME),
            drift_ppm: self.setup.bounds.drift_ppm,
        }
    }
}

impl System for Sessions {
    const NAME: &'static str = "session";
    const DOC: &'static str = "Session masters and followers: leases, jeopardy, items, and what is done under them.";
    const KINDS: &'static [Kind] = &[
        Kind {
            id: META,
            name: "meta",
            doc: "A session master with its access manager. Several are independent of one another.",
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
        OrderInfo { name: "step_down", doc: "A master leads no longer." },
        OrderInfo { name: "lead", doc: "A master that stepped down leads again, in a new term." },
    ];
    const GAUGES: &'static [Gauge] = Tally::GAUGES;

    type Options = SessionOptions;
    type Node = SessionNode;
    type Invariants = SessionInvariants;
    type Workload = Requests;

    fn new(setup: Setup<SessionOptions>) -> Result<Self, OptionsError> {
        for options in setup.options.all() {
            options.validate(setup.cluster)?;
        }
        Ok(Self { setup })
    }

    fn node(&self, id: NodeId, recovered: Recovered<Record>) -> SessionNode {
        let options = Arc::new(self.setup.options.get(id).clone());
        match id.kind() {
            META => SessionNode::Meta(Box::new(Master::new(id.number(), options, &recovered))),
            CHUNK => SessionNode::Chunk(Box::new(Chunk::new(options, self.surroundings(id)))),
            VOLUME => SessionNode::Volume(Volume::new(options, &recovered)),
            _ => SessionNode::Client(Client::new(options, id.number(), self.count(CHUNK))),
        }
    }

    fn invariants(&self) -> SessionInvariants {
        SessionInvariants::new(&self.setup)
    }

    /// Each master stands for itself, and so does each volume.
    fn core(&self, _: impl View<SessionNode>, candidates: &[NodeId]) -> Vec<NodeId> {
        candidates.to_vec()
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

    fn gauges(invariants: &SessionInvariants) -> Vec<u64> {
        invariants.tally().values()
    }
}

/// The target that an order is about.
fn target(order: &str, argument: &str) -> Result<Resource, String> {
    let number = argument.parse().ok().filter(|number| *number > 0);
    number.map(Resource).ok_or_else(|| format!("{order} takes the number of a target, got {argument:?}"))
}
