//! What the kernel and scenarios see of the reactor: `impl System for Reactor`.

use std::sync::Arc;

use splitbrain_kernel::id::{KindId, NodeId};
use splitbrain_kernel::node::Recovered;
use splitbrain_kernel::options::{Options, OptionsError};
use splitbrain_kernel::system::{FileInfo, Gauge, OrderInfo, Setup, System, WorkloadInfo};
use splitbrain_kernel::view::View;
use splitbrain_kernel::workload::{WorkloadCall, options_of};

use super::bug::Bug;
use super::client::Client;
use super::counters::Counters;
use super::invariants::ReactorInvariants;
use super::message::Order;
use super::node::ReactorNode;
use super::options::ReactorOptions;
use super::server::Server;
use super::workload::{RequestOptions, Requests};

/// Servers over epoll, and clients that talk to them. Client `n` talks to one server: they are dealt out in turn.
#[derive(Clone, Debug)]
pub struct Reactor {
    setup: Setup<ReactorOptions>,
}

impl Reactor {
    /// The same with this bug, or without one, on all nodes.
    #[must_use]
    pub fn with_bug(mut self, bug: Bug) -> Self {
        self.setup.options.base.bug = bug;
        self.setup.options.of.values_mut().for_each(|options| options.bug = bug);
        self
    }

    /// What it was made from.
    pub const fn setup(&self) -> &Setup<ReactorOptions> {
        &self.setup
    }
}

impl System for Reactor {
    const NAME: &'static str = "reactor";
    const DOC: &'static str = "Servers over epoll, their threads call by call, on a model checked against Linux.";
    const WORKLOADS: &'static [WorkloadInfo] = &[WorkloadInfo {
        name: "requests",
        doc: "Each client sends GET and POST over connections that stay open.",
        options: options_of::<RequestOptions>,
    }];
    const ORDERS: &'static [OrderInfo] =
        &[OrderInfo { name: "signal", doc: "A signal arrives at the server's process." }];
    const FILES: Option<&'static [FileInfo]> = Some(&[]);
    const GAUGES: &'static [Gauge] = Counters::GAUGES;

    type Options = ReactorOptions;
    type Node = ReactorNode;
    type Invariants = ReactorInvariants;
    type Workload = Requests;

    fn new(setup: Setup<ReactorOptions>) -> Result<Self, OptionsError> {
        for options in setup.options.all() {
            options.validate(setup.cluster)?;
        }
        Ok(Self { setup })
    }

    fn node(&self, id: NodeId, _: Recovered<()>) -> ReactorNode {
        let options = Arc::new(self.setup.options.get(id).clone());
        if id.is_server() {
            return ReactorNode::Server(Box::new(Server::new(options)));
        }
        let servers = self.setup.cluster.count(KindId::SERVER);
        ReactorNode::Client(Client::new(options, NodeId::server((id.number() - 1) % servers + 1)))
    }

    fn invariants(&self) -> ReactorInvariants {
        ReactorInvariants::new(&self.setup)
    }

    /// Each server stands for itself, and each has its clients.
    fn core(&self, _: impl View<ReactorNode>, candidates: &[NodeId]) -> Vec<NodeId> {
        candidates.to_vec()
    }

    fn workload(&self, call: &WorkloadCall<'_>) -> Result<Requests, OptionsError> {
        Requests::of(call)
    }

    fn order(&self, name: &str, argument: &str) -> Result<Order, String> {
        match (name, argument) {
            ("signal", "") => Ok(Order::Signal),
            ("signal", _) => Err(format!("signal takes no argument, got {argument:?}")),
            _ => Err(format!("reactor knows no order {name}")),
        }
    }

    fn gauges(invariants: &ReactorInvariants) -> Vec<u64> {
        invariants.counters().values()
    }
}
