//! What the kernel and scenarios see of Raft: `impl System for Raft`.

use std::sync::Arc;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::Recovered;
use splitbrain_kernel::options::{Options, OptionsError};
use splitbrain_kernel::system::{FileInfo, Gauge, OrderInfo, Setup, System, WorkloadInfo};
use splitbrain_kernel::view::View;
use splitbrain_kernel::vocabulary::Role;
use splitbrain_kernel::workload::WorkloadCall;

use super::client::Client;
use super::configuration::Configuration;
use super::durable::{FILES, Record, Recovery};
use super::ids::{Index, ServerSet};
use super::invariants::{Frame, RaftInvariants};
use super::membership::{Change, Memberships, Parts};
use super::message::{Order, Payload};
use super::node::RaftNode;
use super::observation::RaftObservation;
use super::options::{RaftOptions, ReadMethod};
use super::quorum;
use super::registers::Registers;
use super::state::Server;
use super::workload::RaftWorkload;

/// A Raft cluster that replicates numbers: a register that clients set.
pub type Raft = RaftOf<u64>;

/// A Raft cluster that replicates commands of this type.
///
/// It is a system of its own for whoever draws commands at random; a system that holds a server in each of its nodes
/// makes them by [`RaftOf::process`], and watches them by [`RaftOf::frame`].
#[derive(Clone, Debug)]
pub struct RaftOf<C> {
    setup: Setup<RaftOptions>,
    configuration: Arc<Configuration>,
    /// The options of the servers, by number from 1, spare ones included.
    of_servers: Vec<Arc<RaftOptions>>,
    of: std::marker::PhantomData<fn() -> C>,
}

impl<C: Payload> RaftOf<C> {
    /// A cluster with these options.
    ///
    /// # Errors
    /// If options contradict one another, or no server votes.
    pub fn over(setup: Setup<RaftOptions>) -> Result<Self, OptionsError> {
        for options in setup.options.all() {
            options.validate(setup.cluster)?;
        }
        Self::validate_together(&setup)?;
        let configuration = Arc::new(Configuration::new(&setup));
        if configuration.voters().is_empty() {
            return Err(OptionsError::new("membership.learner", "at least one server must vote"));
        }
        let options = |node| Arc::new(setup.options.get(node).clone());
        let of_servers = setup.cluster.all_of(setup.members).map(options).collect();
        Ok(Self { configuration, of_servers, setup, of: std::marker::PhantomData })
    }

    /// What servers can only do together.
    fn validate_together(setup: &Setup<RaftOptions>) -> Result<(), OptionsError> {
        let base = &setup.options.base;
        for options in setup.options.all() {
            let same = [
                ("clients.session_timeout", options.clients.session_timeout == base.clients.session_timeout),
                ("clients.sessions_max", options.clients.sessions_max == base.clients.sessions_max),
                ("reads.lease", options.reads.lease == base.reads.lease),
            ];
            if let Some((option, _)) = same.iter().find(|(_, is_same)| !is_same) {
                return Err(OptionsError::new(*option, "must be the same for all servers"));
            }
            if (options.reads.method == ReadMethod::Lease) != (base.reads.method == ReadMethod::Lease) {
                return Err(OptionsError::new("reads.method", "must be \"lease\" at all servers or at none"));
            }
        }
        if base.reads.method == ReadMethod::Lease && setup.bounds.drift_ppm.is_none() {
            let message = "\"lease\" needs a drift_bound in [clocks]: a lease is as long as clocks can be trusted";
            return Err(OptionsError::new("reads.method", message));
        }
        Ok(())
    }

    /// A process of this node, with what its disk kept.
    pub fn process(&self, id: NodeId, recovered: &Recovered<Record<C>>) -> RaftNode<C> {
        if !id.is(self.setup.members) {
            let options = Arc::new(self.options(id).clone());
            let servers = self.setup.cluster.count(self.setup.members);
            return RaftNode::Client(Client::new(options, NodeId::new(self.setup.members, 1), servers));
        }
        let options = Arc::clone(&self.of_servers[usize::from(id.number()) - 1]);
        let lease = options.lease_within(self.setup.bounds.drift_ppm.unwrap_or(0));
        let mut server = Server::new(id, options, Arc::clone(&self.configuration), Recovery::read(recovered));
        server.shared.promise.lease = lease;
        RaftNode::Server(server)
    }

    /// What its invariants go by.
    pub fn frame(&self) -> Frame {
        Frame::new(&self.setup)
    }

    /// Which of the candidates make the core of the settle phase. Once the membership has changed: all that vote by any
    /// configuration that a log still has, as which of these will stand is not known.
    fn core_in(&self, view: impl View<RaftNode<C>>, candidates: &[NodeId]) -> Vec<NodeId> {
        let servers = || self.setup.cluster.all_of(self.setup.members);
        let memberships = || servers().filter_map(|id| Some(view.node(id)?.server()?.memberships()));
        if memberships().all(|memberships| memberships.last_index() == Index::ZERO) {
            return self.core_of(candidates);
        }
        let electors = memberships().map(Memberships::electors).fold(ServerSet::EMPTY, ServerSet::union);
        candidates.iter().copied().filter(|server| electors.contains(*server)).collect()
    }

    /// Which of the candidates make the core of the settle phase before any change: a quorum of both kinds, of voters;
    /// if enough of them can lead, of those that can. The order is that of the candidates.
    pub fn core_of(&self, candidates: &[NodeId]) -> Vec<NodeId> {
        let size = self.core_size();
        let can_lead = |server| self.configuration.priority(server) > 0 || self.electable() < size;
        let serves = |server: &NodeId| self.configuration.voters().contains(*server) && can_lead(*server);
        candidates.iter().copied().filter(serves).take(size).collect()
    }

    /// How many servers make a quorum of both kinds.
    pub fn core_size(&self) -> usize {
        let voters = self.configuration.voters().len();
        let sizes = self.setup.options.all().flat_map(|o| [o.quorum.election, o.quorum.commit]);
        sizes.map(|custom| quorum::size(voters, custom)).max().expect("there are base options")
    }

    /// What it was made from.
    pub const fn setup(&self) -> &Setup<RaftOptions> {
        &self.setup
    }

    /// Who takes part.
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// The options of a node.
    pub fn options(&self, node: NodeId) -> &RaftOptions {
        self.setup.options.get(node)
    }

    /// The server that an order to hand a leadership over names; `None` for none.
    fn successor(&self, argument: &str) -> Result<Option<NodeId>, String> {
        if argument.is_empty() {
            return Ok(None);
        }
        let named = self.server(argument).map(Some);
        named.ok_or_else(|| format!("transfer takes a server such as s3 or nothing, not {argument:?}"))
    }

    /// A server by its name, spare ones included.
    fn server(&self, name: &str) -> Option<NodeId> {
        name.parse().ok().filter(|server| self.setup.cluster.all_of(self.setup.members).any(|it| it == *server))
    }

    /// An order to change the membership by one server.
    fn change(&self, name: &str, argument: &str, change: fn(NodeId) -> Change) -> Result<Order, String> {
        let server = self.server(argument).map(change);
        server.map(Order::Change).ok_or_else(|| format!("{name} takes a server such as s3, not {argument:?}"))
    }

    /// An order to change several servers at once: `+s4 -s1 ~s5`.
    fn parts(&self, argument: &str) -> Result<Order, String> {
        let mut parts = Parts::default();
        let mut named = ServerSet::EMPTY;
        for word in argument.split_whitespace() {
            let refused = || {
                let example = "\"+s4 -s1 ~s5\" (+ votes, ~ is a learner, - is removed)";
                format!("change_members takes each server once, such as {example}, not {argument:?}")
            };
            let of = match word.chars().next() {
                Some('+') => &mut parts.voters,
                Some('~') => &mut parts.learners,
                Some('-') => &mut parts.removed,
                _ => return Err(refused()),
            };
            let server = self.server(&word[1..]).filter(|server| !named.contains(*server)).ok_or_else(refused)?;
            named.insert(server);
            of.insert(server);
        }
        if named.is_empty() {
            return Err("change_members takes changes such as \"+s4 -s1\", and got none".to_owned());
        }
        Ok(Order::Change(Change::Joint(parts)))
    }

    /// How many servers of positive priority vote.
    fn electable(&self) -> usize {
        self.configuration.voters().iter().filter(|voter| self.configuration.priority(*voter) > 0).count()
    }
}

impl<C: Payload + From<u64>> System for RaftOf<C> {
    const NAME: &'static str = "raft";
    const DOC: &'static str = "Raft: elections as in the paper, etcd, NuRaft and hashicorp, and the log behind them.";
    const ROLES: &'static [Role] = RaftObservation::<C>::ROLES;
    const WORKLOADS: &'static [WorkloadInfo] = RaftWorkload::ALL;
    const ORDERS: &'static [OrderInfo] = ORDERS;
    const FILES: Option<&'static [FileInfo]> = Some(FILES);
    const GAUGES: &'static [Gauge] = RaftInvariants::<RaftNode<C>>::GAUGES;

    type Options = RaftOptions;
    type Node = RaftNode<C>;
    type Invariants = RaftInvariants<RaftNode<C>>;
    type Workload = RaftWorkload;

    fn new(setup: Setup<RaftOptions>) -> Result<Self, OptionsError> {
        Self::over(setup)
    }

    fn node(&self, id: NodeId, recovered: Recovered<Record<C>>) -> RaftNode<C> {
        let mut process = self.process(id, &recovered);
        let takes_snapshots = self.setup.options.all().any(|options| options.snapshot.distance > 0);
        if let RaftNode::Server(server) = &mut process {
            server.shared.machine = takes_snapshots.then_some(Registers::EMPTY);
        }
        process
    }

    fn invariants(&self) -> RaftInvariants<RaftNode<C>> {
        RaftInvariants::new(self.frame())
    }

    fn core(&self, view: impl View<RaftNode<C>>, candidates: &[NodeId]) -> Vec<NodeId> {
        self.core_in(view, candidates)
    }

    fn workload(&self, call: &WorkloadCall<'_>) -> Result<RaftWorkload, OptionsError> {
        RaftWorkload::of(call)
    }

    fn order(&self, name: &str, argument: &str) -> Result<Order, String> {
        match name {
            "catching_up" => switch(name, argument).map(Order::CatchingUp),
            "receiving_snapshot" => switch(name, argument).map(Order::ReceivingSnapshot),
            "step_down" => plain(name, argument, Order::StepDown),
            "resign" => plain(name, argument, Order::Resign),
            "campaign" => plain(name, argument, Order::Campaign),
            "leave" => plain(name, argument, Order::Leave),
            "append" => count(name, argument).map(Order::Append),
            "snapshot" => plain(name, argument, Order::Snapshot),
            "transfer" => self.successor(argument).map(Order::Transfer),
            "add_voter" => self.change(name, argument, Change::AddVoter),
            "add_learner" => self.change(name, argument, Change::AddLearner),
            "promote" => self.change(name, argument, Change::Promote),
            "remove" => self.change(name, argument, Change::Remove),
            "change_members" => self.parts(argument),
            "leave_joint" => plain(name, argument, Order::Change(Change::LeaveJoint)),
            "any_change" => plain(name, argument, Order::AnyChange),
            _ => Err(format!("raft knows no order {name}")),
        }
    }

    fn gauges(invariants: &RaftInvariants<RaftNode<C>>) -> Vec<u64> {
        invariants.gauges()
    }
}

const ORDERS: &[OrderInfo] = &[
    OrderInfo {
        name: "catching_up",
        doc: "on or off: the server knows that its log is still behind, and does not campaign. Durable.",
    },
    OrderInfo {
        name: "receiving_snapshot",
        doc: "on or off: the server knows that it is receiving a snapshot, and does not campaign. Durable.",
    },
    OrderInfo { name: "step_down", doc: "The server gives up its leadership at once, where it leads." },
    OrderInfo {
        name: "resign",
        doc: "The server gives up its leadership, where it leads, and lets its election timer pass for one and a half \
              of its greatest timeouts, so that another server comes first. A restart forgets it.",
    },
    OrderInfo { name: "campaign", doc: "The server begins a round now, as if its election timer had fired." },
    OrderInfo {
        name: "leave",
        doc: "The server is asked to leave: without further requests it goes silent after membership.leave_timeouts \
              election timeouts.",
    },
    OrderInfo {
        name: "append",
        doc: "A number from 1 to 10000: the server appends so many empty entries at once, where it leads.",
    },
    OrderInfo {
        name: "snapshot",
        doc: "The server takes a snapshot of what it has applied, if snapshot.distance is above 0 at any server.",
    },
    OrderInfo {
        name: "transfer",
        doc: "A server such as s3, or nothing: the server hands its leadership over to that one, or to the best suited \
              one, where it leads.",
    },
    OrderInfo {
        name: "add_voter",
        doc: "A server such as s4: it votes and counts from now on, whether it has caught up or not. Orders of changes \
              go to the leader, which refuses them while another change is not committed.",
    },
    OrderInfo { name: "add_learner", doc: "A server such as s4: it is sent the log, and neither votes nor counts." },
    OrderInfo {
        name: "promote",
        doc: "A server such as s4: a learner that lacks at most membership.promotion_gap entries votes and counts from \
              now on.",
    },
    OrderInfo { name: "remove", doc: "A server such as s4, the leader too: it is no member any more." },
    OrderInfo {
        name: "change_members",
        doc: "Changes such as \"+s4 -s1 ~s5\" at once, by way of a joint configuration: s4 votes, s1 is no member any \
              more, s5 is a learner.",
    },
    OrderInfo { name: "leave_joint", doc: "A joint configuration is left, if membership.joint_leave is \"ordered\"." },
    OrderInfo { name: "any_change", doc: "Some change of the membership, which the leader draws." },
];

fn switch(name: &str, argument: &str) -> Result<bool, String> {
    match argument {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("{name} is \"on\" or \"off\", not {argument:?}")),
    }
}

fn count(name: &str, argument: &str) -> Result<u64, String> {
    let number = argument.parse().ok().filter(|count| (1..=10_000).contains(count));
    number.ok_or_else(|| format!("{name} takes a number from 1 to 10000, not {argument:?}"))
}

fn plain(name: &str, argument: &str, order: Order) -> Result<Order, String> {
    if argument.is_empty() { Ok(order) } else { Err(format!("{name} takes no argument, got {argument:?}")) }
}
