//! The words of scenarios, and what is promised of the cluster.

use splitbrain::kernel::prelude::*;
use splitbrain::kernel::system::WorkloadInfo;
use splitbrain_systems::raft::invariants::{
    ElectionKind, Frame, InForce, Membership, RaftInvariants, Replication, Rules, observed,
};

use super::options::RaftRsOptions;
use super::server::{Process, Server};
use super::store::{FILES, LOG, Record, SNAPSHOT};
use super::wire::{Members, Order};
use crate::proposals::{Client, Proposals};
use crate::servers::id_of;

/// Servers of raft-rs and clients that propose numbers.
#[derive(Clone, Debug)]
pub struct RaftRs {
    setup: Setup<RaftRsOptions>,
}

impl System for RaftRs {
    const NAME: &'static str = "raft-rs";
    const DOC: &'static str = "tikv's raft-rs 0.7.0 as it is, with asynchronous ready.";
    const ROLES: &'static [Role] =
        &[Role::ranked("leader"), Role::plain("follower"), Role::plain("candidate"), Role::plain("pre-candidate")];
    const WORKLOADS: &'static [WorkloadInfo] = Proposals::WORKLOADS;
    const ORDERS: &'static [OrderInfo] = &[
        OrderInfo { name: "transfer", doc: "Hands the leadership over, to a server or to the best one." },
        OrderInfo { name: "add", doc: "Proposes a server as a voter." },
        OrderInfo { name: "add_learner", doc: "Proposes a server as a learner." },
        OrderInfo { name: "remove", doc: "Proposes to remove a server, or without an argument the leader itself." },
        OrderInfo {
            name: "change",
            doc: "Proposes what comes next for a server, or without an argument for the leader itself: it becomes a \
                  learner, then gets a vote, and is removed while more than three vote.",
        },
    ];
    const FILES: Option<&'static [FileInfo]> = Some(FILES);
    const GAUGES: &'static [Gauge] = RaftInvariants::<Process>::GAUGES;

    type Options = RaftRsOptions;
    type Node = Process;
    type Invariants = RaftInvariants<Process>;
    type Workload = Proposals;

    fn new(setup: Setup<RaftRsOptions>) -> Result<Self, OptionsError> {
        for options in setup.options.all() {
            options.validate(setup.cluster)?;
        }
        Ok(Self { setup })
    }

    fn node(&self, id: NodeId, recovered: Recovered<Record>) -> Process {
        let Setup { cluster, members, options, .. } = &self.setup;
        let servers = cluster.count(*members) + cluster.spare_count(*members);
        if !id.is(*members) {
            return Process::Client(Client::new(servers));
        }
        let voters = cluster.of(*members).map(id_of).collect();
        match Server::new(id, options.get(id).clone(), voters, servers, &recovered) {
            Ok(server) => Process::Server(Box::new(server)),
            Err(damaged) => Process::Damaged(damaged),
        }
    }

    fn invariants(&self) -> RaftInvariants<Process> {
        RaftInvariants::new(frame(&self.setup))
    }

    fn core(&self, view: impl View<Process>, candidates: &[NodeId]) -> Vec<NodeId> {
        let Setup { cluster, members, .. } = &self.setup;
        let voters: Vec<u64> = cluster.of(*members).map(id_of).collect();
        let seen = cluster.all_of(*members).flat_map(|server| configurations(view, server));
        core_of(Members::from_lists(&voters, &[]), seen, candidates)
    }

    fn workload(&self, call: &WorkloadCall<'_>) -> Result<Proposals, OptionsError> {
        Proposals::of(call)
    }

    fn order(&self, name: &str, argument: &str) -> Result<Order, String> {
        let Setup { cluster, members, .. } = &self.setup;
        let named = || argument.parse().ok().filter(|server| cluster.all_of(*members).any(|it| it == *server));
        let server = || named().ok_or_else(|| format!("{name} takes a server such as s3, not {argument:?}"));
        let optional = || if argument.is_empty() { Ok(None) } else { server().map(Some) };
        match name {
            "transfer" => optional().map(Order::Transfer),
            "add" => server().map(Order::Add),
            "add_learner" => server().map(Order::AddLearner),
            "remove" => optional().map(Order::Remove),
            "change" => optional().map(Order::Change),
            _ => Err(format!("raft-rs knows no order {name}")),
        }
    }

    fn gauges(invariants: &RaftInvariants<Process>) -> Vec<u64> {
        invariants.gauges()
    }
}

/// A majority of the voters; once the membership has changed, all that vote by any configuration that a log or a
/// snapshot has, as which of these will stand is not known.
fn core_of(initial: Members, seen: impl Iterator<Item = Members>, candidates: &[NodeId]) -> Vec<NodeId> {
    let (mut electors, mut size) = (initial.voters, initial.voters.count_ones() as usize / 2 + 1);
    for of in seen.filter(|of| *of != initial) {
        electors |= of.voters;
        size = usize::MAX;
    }
    let votes = |server: &NodeId| electors & Members::bit(id_of(*server)) != 0;
    candidates.iter().copied().filter(votes).take(size).collect()
}

/// The configurations that a server goes by or has on its disk.
fn configurations(view: impl View<Process>, server: NodeId) -> Vec<Members> {
    let disk = view.disk(server);
    let logged = (0..disk.len(LOG)).filter_map(|at| match disk.get(LOG, at) {
        Some(Stored::Intact(Record::Entry { entry, .. })) => Members::of(&entry.0),
        _ => None,
    });
    let snapshot = match disk.durable_last(SNAPSHOT) {
        Some(Record::Snapshot(snapshot)) => {
            let conf = snapshot.0.get_metadata().get_conf_state();
            Some(Members::from_lists(&conf.voters, &conf.learners))
        }
        _ => None,
    };
    let own = match view.node(server) {
        Some(Process::Server(server)) => Some(server.members()),
        _ => None,
    };
    logged.chain(snapshot).chain(own).collect()
}

/// What the cluster promises: from the scenario, never from the library.
fn frame(setup: &Setup<RaftRsOptions>) -> Frame {
    let Setup { cluster, members, options, .. } = setup;
    let servers = usize::from(cluster.count(*members) + cluster.spare_count(*members));
    let rules = cluster.all_of(*members).map(|server| rules(options.get(server), servers));
    Frame { membership: Membership::Logged, rules: rules.collect(), ..Frame::of_majorities(setup) }
}

fn rules(options: &RaftRsOptions, servers: usize) -> Rules {
    let timeout = options.timeout_max();
    let kind = if options.pre_vote { ElectionKind::PreVote } else { ElectionKind::Plain };
    // A leader looks once in each election timeout whether it has heard of a quorum since it last looked. An order to
    // hand the leadership over begins that time anew, once.
    let window = options.timeout_min().saturating_add(options.tick);
    Rules {
        in_force: InForce::Apply,
        contact_bound: options.check_quorum.then(|| window.saturating_mul(3)),
        transfer_bound: Some(window),
        checked: options.check_quorum,
        guarded: options.pre_vote && options.check_quorum,
        heartbeat: options.tick.saturating_mul(options.heartbeat_tick),
        timeout_min: options.timeout_min(),
        timeout_max: timeout,
        leader_within: Some(timeout.saturating_mul(observed(kind, servers, 200).timeouts_max())),
        // A snapshot of which nothing is heard is given up after a second.
        replication: Some(Replication { patience: timeout.saturating_mul(10), entries: 1, items: 1 }),
        ..Rules::SAFETY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_has_all_voters_once_the_membership_has_changed() {
        let nodes: Vec<NodeId> = (1..=7).map(NodeId::server).collect();
        let of = |voters: &[u64], learners: &[u64]| Members::from_lists(voters, learners);
        let initial = of(&[1, 2, 3, 4, 5], &[]);
        let core = |seen: &[Members]| core_of(initial, seen.iter().copied(), &nodes);
        assert_eq!(core(&[initial, initial]), nodes[..3], "a majority of those of the beginning");
        assert_eq!(core(&[initial, of(&[1, 2, 3, 4], &[5])]), nodes[..5], "the removal of s5 may not stand");
        assert_eq!(
            core(&[of(&[1, 2, 3, 4, 5, 7], &[6])]),
            [&nodes[..5], &nodes[6..]].concat(),
            "a learner is no voter"
        );
    }
}
