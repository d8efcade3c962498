//! What is known of a run before it begins: which servers vote, and what the options of each promise.
//!
//! It comes from the scenario alone. Nothing here asks the code that is watched, so that the two can disagree.

use splitbrain_kernel::id::{KindId, NodeId};
use splitbrain_kernel::system::Setup;
use splitbrain_kernel::time::Duration;

use crate::raft::facts::{ConfigurationFacts, ServerFacts};
use crate::raft::ids::ServerSet;
use crate::raft::options::{
    CommitCounts, ConfigurationAt, Contact, PreVoteTerm, RaftOptions, Stickiness, TransportKind, WaitsForSync,
};

use super::bounds;

/// The place of a server in a table.
#[inline]
pub(super) const fn slot(server: NodeId) -> usize {
    server.number() as usize - 1
}

/// The cluster and its promises.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The servers that vote and count, from the start.
    pub voters: ServerSet,
    /// The servers that follow and do not vote, from the start.
    pub learners: ServerSet,
    /// Whether that may change.
    pub membership: Membership,
    /// The kind of process that the servers are of.
    pub members: KindId,
    /// How many servers there are, spare ones included.
    pub server_count: usize,
    /// The most that an undisturbed packet takes.
    pub latency: Duration,
    /// How long a session of the key-value store lasts that is not used, in log time.
    pub session_timeout: Duration,
    /// The most sessions of the key-value store.
    pub sessions_max: u64,
    /// What each server promises, by number from 1.
    pub rules: Vec<Rules>,
}

/// Where the voters of a moment are known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// From the scenario: they never change.
    Fixed,
    /// From the scenario, and once there was a change from the configurations that the servers' logs have.
    Logged,
    /// From the configuration that each server says that it goes by. What is promised of a whole cluster (leaders
    /// within a bound, stable leadership, contact with a quorum) is not promised then.
    Changing,
}

/// How many servers make a quorum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quorum {
    /// More than half of the voters.
    Majority,
    /// This many; a majority if there are not that many voters.
    Custom(u64),
}

impl Quorum {
    /// As options say it: 0 is a majority.
    pub const fn of_option(custom: u64) -> Self {
        if custom == 0 { Self::Majority } else { Self::Custom(custom) }
    }

    /// The number, of so many voters. The arithmetic is this module's own: what is watched has another.
    pub const fn of(self, voters: usize) -> usize {
        match self {
            Self::Custom(size) if size <= voters as u64 => size as usize,
            Self::Custom(_) | Self::Majority => (voters + 2) / 2,
        }
    }
}

/// From when on a server goes by a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InForce {
    /// Once its log has the entry (§6, hashicorp).
    Append,
    /// Once it knows that the entry is committed (NuRaft).
    Commit,
    /// Once it has applied the entry: what it knows to be committed may have to come to its own disk first (raft-rs).
    Apply,
}

impl From<ConfigurationAt> for InForce {
    fn from(at: ConfigurationAt) -> Self {
        match at {
            ConfigurationAt::Append => Self::Append,
            ConfigurationAt::Commit => Self::Commit,
        }
    }
}

/// What one server promises.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Votes that win an election.
    pub election_quorum: Quorum,
    /// Copies that commit an entry.
    pub commit_quorum: Quorum,
    /// Whether it commits entries of earlier terms by counting copies.
    pub counts_any_term: bool,
    /// Whether one of two servers may take itself for a quorum.
    pub may_stand_alone: bool,
    /// Whether a leader whose quorum is all of the voters stays without contact.
    pub spares_full: bool,
    /// From when on it goes by a configuration.
    pub in_force: InForce,
    /// How many entries a learner may lack when it is promoted.
    pub promotion_gap: u64,
    /// Whether it may take in an input later than it comes, as one does whose whole loop waits for its disk.
    pub defers_inputs: bool,
    /// Whether a vote request of a later term may restart the election timer, whatever comes of it.
    pub later_term_restarts_timer: bool,
    /// The longest that it leads without contact to a quorum, on its own clock; `None` if that is not bounded.
    pub contact_bound: Option<Duration>,
    /// For how long it may refuse proposals to hand its leadership over, on its own clock; `None` without a bound.
    pub transfer_bound: Option<Duration>,
    /// Whether only answers that accept are contact.
    pub accepted_only: bool,
    /// Whether a leader that loses its quorum gives up.
    pub checked: bool,
    /// Whether pre-vote protects a leader from servers that do not hear it, too.
    pub guarded: bool,
    /// Whether it gives no pre-vote to a server whose log is behind its own, as that of one that was removed soon is.
    pub pre_votes_need_log: bool,
    /// By how much the term that its pre-votes speak of is ahead of its own.
    pub pre_vote_ahead: u64,
    /// Whether loss of datagrams can hit its requests.
    pub lossy: bool,
    /// Whether it may be elected for good.
    pub electable: bool,
    /// Time between two heartbeats.
    pub heartbeat: Duration,
    /// The least time without a leader before it campaigns.
    pub timeout_min: Duration,
    /// The most time without a leader before it campaigns, or between two of its rounds.
    pub timeout_max: Duration,
    /// Within how long a leader is promised, on its own clock; `None` if liveness is not promised at all.
    pub leader_within: Option<Duration>,
    /// How fast it brings its followers what they lack, at least; `None` if that is not promised.
    pub replication: Option<Replication>,
}

/// How fast a leader brings a follower what that lacks, at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replication {
    /// Within how long it goes on, whatever answer it waits for in vain, on its own clock.
    pub patience: Duration,
    /// How many entries it sends at a time, if it has as many.
    pub entries: u64,
    /// How many items of a snapshot it sends at a time, if it has as many.
    pub items: u64,
}

impl Frame {
    /// The cluster with these options of this crate's Raft.
    pub fn new(setup: &Setup<RaftOptions>) -> Self {
        let Setup { cluster, members, options, bounds } = setup;
        let servers = || cluster.of(*members);
        let voters: ServerSet = servers().filter(|server| !options.get(*server).membership.learner).collect();
        let learners = servers().filter(|server| options.get(*server).membership.learner).collect();
        let priorities = || servers().map(|server| options.get(server).priority.value);
        let highest = priorities().max().unwrap_or(0);
        let decay_from = if priorities().any(|priority| priority != highest) { highest } else { 1 };
        // Of all sizes that changes can make, the longest wait is promised; without spare servers there is one size.
        let largest = if cluster.spare_count(*members) > 0 { cluster.all_of(*members).count() } else { voters.len() };
        let rules = cluster.all_of(*members).map(|server| Rules::of(options.get(server), largest, decay_from));
        let rules = rules.collect();
        Self {
            voters,
            learners,
            membership: Membership::Logged,
            latency: bounds.latency,
            session_timeout: options.base.clients.session_timeout,
            sessions_max: options.base.clients.sessions_max,
            ..Self::with_rules(*members, rules)
        }
    }

    /// Servers of another implementation, all of which vote, by majorities. Safety is promised, and nothing else: who
    /// knows more of the implementation says so in its rules.
    pub fn of_majorities<O>(setup: &Setup<O>) -> Self {
        let rules = setup.cluster.all_of(setup.members).map(|_| Rules::SAFETY).collect();
        let voters = setup.cluster.of(setup.members).collect();
        Self { voters, latency: setup.bounds.latency, ..Self::with_rules(setup.members, rules) }
    }

    fn with_rules(members: KindId, rules: Vec<Rules>) -> Self {
        Self {
            members,
            voters: ServerSet::EMPTY,
            learners: ServerSet::EMPTY,
            membership: Membership::Fixed,
            server_count: rules.len(),
            latency: Duration::ZERO,
            session_timeout: Duration::ZERO,
            sessions_max: 0,
            rules,
        }
    }

    /// Whether this is one of the servers: a cluster may hold nodes that are none.
    #[inline]
    pub(super) const fn watches(&self, node: NodeId) -> bool {
        node.is(self.members) && node.number() as usize <= self.server_count
    }

    /// The servers, those that are absent at first included.
    pub(super) fn servers(&self) -> impl Iterator<Item = NodeId> + use<> {
        let members = self.members;
        (1..=self.server_count).map(move |number| NodeId::new(members, number as u16))
    }

    /// What this server promises.
    #[inline]
    pub(super) fn rules(&self, server: NodeId) -> &Rules {
        &self.rules[slot(server)]
    }

    /// Which servers vote, as far as it is known at this server. `None` if it can change and the server cannot say.
    pub(super) fn configuration_at(&self, server: Option<ServerFacts>) -> Option<ConfigurationFacts> {
        match self.membership {
            Membership::Fixed | Membership::Logged => Some(self.initial()),
            Membership::Changing => server?.configuration,
        }
    }

    /// The configuration that all begin with.
    pub(super) const fn initial(&self) -> ConfigurationFacts {
        ConfigurationFacts { voters: self.voters, learners: self.learners, outgoing: ServerSet::EMPTY }
    }

    /// The most that any of these voters takes for a quorum of them, of either kind.
    pub(super) fn quorum_max(&self, voters: ServerSet) -> usize {
        let sizes = voters.iter().map(|voter| self.rules(voter));
        let size = |quorum: Quorum| quorum.of(voters.len());
        let larger = |rules: &Rules| size(rules.election_quorum).max(size(rules.commit_quorum));
        sizes.map(larger).max().unwrap_or(usize::MAX)
    }

    /// Whether anything is promised of the cluster as a whole.
    pub(super) fn promises_liveness(&self) -> bool {
        let promises = |server| self.rules(server).leader_within.is_some();
        self.membership != Membership::Changing && self.servers().all(promises)
    }

    /// Whether each of these that loses its quorum gives up.
    pub(super) fn is_checked(&self, voters: ServerSet) -> bool {
        voters.iter().all(|voter| self.rules(voter).checked)
    }

    /// Whether pre-vote protects every leader of these, too.
    pub(super) fn is_guarded(&self, voters: ServerSet) -> bool {
        voters.iter().all(|voter| self.rules(voter).guarded)
    }

    /// Whether none of these gives a pre-vote to a server whose log is behind its own.
    pub(super) fn needs_log(&self, voters: ServerSet) -> bool {
        voters.iter().all(|voter| self.rules(voter).pre_votes_need_log)
    }
}

impl Rules {
    /// Majorities, and nothing promised but safety.
    pub const SAFETY: Self = Self {
        election_quorum: Quorum::Majority,
        commit_quorum: Quorum::Majority,
        counts_any_term: false,
        may_stand_alone: false,
        spares_full: false,
        in_force: InForce::Append,
        promotion_gap: u64::MAX,
        defers_inputs: false,
        later_term_restarts_timer: true,
        contact_bound: None,
        transfer_bound: None,
        accepted_only: false,
        checked: false,
        guarded: false,
        pre_votes_need_log: false,
        pre_vote_ahead: 1,
        lossy: true,
        electable: true,
        heartbeat: Duration::ZERO,
        timeout_min: Duration::ZERO,
        timeout_max: Duration::ZERO,
        leader_within: None,
        replication: None,
    };

    fn of(options: &RaftOptions, voters: usize, decay_from: u64) -> Self {
        Self {
            election_quorum: Quorum::of_option(options.quorum.election),
            commit_quorum: Quorum::of_option(options.quorum.commit),
            counts_any_term: options.log.commit_counts == CommitCounts::AnyTerm,
            may_stand_alone: options.quorum.auto_adjust,
            spares_full: options.check_quorum.spares_full,
            in_force: options.membership.configuration_at.into(),
            promotion_gap: options.membership.promotion_gap,
            defers_inputs: options.log.waits_for_sync == WaitsForSync::WholeLoop,
            later_term_restarts_timer: options.timing.timer_reset_on_higher_term,
            contact_bound: options.contact_bound().filter(|_| !options.quorum.auto_adjust),
            transfer_bound: Some(options.transfer.timeout),
            accepted_only: options.check_quorum.contact == Contact::Accepted,
            checked: !options.check_quorum.timeout.is_zero(),
            pre_votes_need_log: options.pre_vote.log_check,
            pre_vote_ahead: match options.pre_vote.term {
                PreVoteTerm::Next => options.votes.term_step,
                PreVoteTerm::Current => 0,
            },
            guarded: options.pre_vote.enabled
                && options.pre_vote.stickiness != Stickiness::Never
                && !options.check_quorum.timeout.is_zero(),
            lossy: options.transport.kind == TransportKind::Datagram,
            electable: options.priority.value > 0,
            heartbeat: options.timing.heartbeat,
            timeout_min: options.timing.election_timeout_min,
            timeout_max: options.timing.election_timeout_max.max(options.timing.round_timeout_max),
            leader_within: Some(bounds::leader_within(options, voters, decay_from)),
            replication: bounds::replication(options),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_majority_is_the_least_number_of_which_two_always_meet() {
        for voters in 1..=64 {
            let least = (1..=voters).find(|size| 2 * size > voters).expect("all of them meet");
            assert_eq!(Quorum::Majority.of(voters), least);
            assert_eq!(Quorum::of_option(0).of(voters), least);
            assert_eq!(Quorum::of_option(voters as u64 + 1).of(voters), least);
            assert_eq!(Quorum::of_option(1).of(voters), 1);
        }
    }
}
