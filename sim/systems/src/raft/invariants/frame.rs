//! What is fixed for a run: who takes part, and what each server's options promise.

use splitbrain_kernel::id::{Cluster, NodeId};
use splitbrain_kernel::options::PerServer;
use splitbrain_kernel::system::Bounds;
use splitbrain_kernel::time::Duration;

use crate::raft::configuration::Configuration;
use crate::raft::ids::ServerSet;
use crate::raft::options::{Contact, RaftOptions, Stickiness, Transport};
use crate::raft::quorum;

use super::bounds;

/// The place of a server in a table.
#[inline]
pub(super) const fn slot(server: NodeId) -> usize {
    server.number() as usize - 1
}

/// The cluster and its promises.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// The members that vote and count.
    pub(super) voters: ServerSet,
    /// How many servers there are, spare ones included.
    pub(super) server_count: usize,
    /// The most that an undisturbed packet takes.
    pub(super) latency: Duration,
    /// What each server's options promise, by slot.
    pub(super) rules: Vec<Rules>,
}

/// What the options of one server promise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Votes that win an election.
    pub(super) election_quorum: usize,
    /// Copies that commit an entry.
    pub(super) commit_quorum: usize,
    /// The longest that it leads without contact to a quorum, on its own clock; nothing where it may for ever.
    pub(super) contact_bound: Option<Duration>,
    /// Whether only answers that accept are contact.
    pub(super) accepted_only: bool,
    /// Whether a leader that loses its quorum gives up.
    pub(super) checked: bool,
    /// Whether pre-vote protects a leader from servers that do not hear it, too.
    pub(super) guarded: bool,
    /// Whether loss of datagrams can hit its requests.
    pub(super) lossy: bool,
    /// Whether it may be elected for good.
    pub(super) electable: bool,
    /// Time between two heartbeats.
    pub(super) heartbeat: Duration,
    /// The least time without a leader before it campaigns.
    pub(super) timeout_min: Duration,
    /// The most time without a leader before it campaigns, or between two of its rounds.
    pub(super) timeout_max: Duration,
    /// Within how long a leader is promised, on its own clock.
    pub(super) leader_within: Duration,
}

impl Frame {
    /// The cluster with these options.
    pub(super) fn new(cluster: Cluster, options: &PerServer<RaftOptions>, bounds: Bounds) -> Self {
        let configuration = Configuration::new(cluster, options);
        let voters = configuration.voters();
        let highest = configuration.priorities().iter().copied().max().unwrap_or(0);
        let decays = configuration.priorities().iter().any(|priority| *priority != highest);
        let decay_from = if decays { highest } else { 1 };
        let rules = cluster.all_servers().map(|server| Rules::of(options.get(server), voters.len(), decay_from));
        let server_count = cluster.all_servers().count();
        Self { voters, server_count, latency: bounds.latency, rules: rules.collect() }
    }

    /// What this server's options promise.
    #[inline]
    pub(super) fn rules(&self, server: NodeId) -> &Rules {
        &self.rules[slot(server)]
    }

    /// The most that any voter takes for a quorum, of either kind.
    pub(super) fn quorum_max(&self) -> usize {
        let sizes = self.voters.iter().map(|voter| self.rules(voter));
        sizes.map(|rules| rules.election_quorum.max(rules.commit_quorum)).max().unwrap_or(usize::MAX)
    }

    /// Whether every voter that loses its quorum gives up.
    pub(super) fn is_checked(&self) -> bool {
        self.voters.iter().all(|voter| self.rules(voter).checked)
    }

    /// Whether pre-vote protects every leader, too.
    pub(super) fn is_guarded(&self) -> bool {
        self.voters.iter().all(|voter| self.rules(voter).guarded)
    }
}

impl Rules {
    fn of(options: &RaftOptions, voters: usize, decay_from: u64) -> Self {
        let commit_quorum = quorum::size(voters, options.commit_quorum);
        let spared = options.check_quorum_spares_full && commit_quorum >= voters;
        Self {
            election_quorum: quorum::size(voters, options.election_quorum),
            commit_quorum,
            contact_bound: options.contact_bound().filter(|_| !spared && !options.auto_adjust_quorum),
            accepted_only: options.check_quorum_contact == Contact::Accepted,
            checked: !options.check_quorum.is_zero(),
            guarded: options.pre_vote
                && options.pre_vote_stickiness != Stickiness::Never
                && !options.check_quorum.is_zero(),
            lossy: options.transport == Transport::Datagram,
            electable: options.priority > 0,
            heartbeat: options.heartbeat,
            timeout_min: options.election_timeout_min,
            timeout_max: options.election_timeout_max.max(options.round_timeout_max),
            leader_within: bounds::leader_within(options, voters, decay_from),
        }
    }
}
