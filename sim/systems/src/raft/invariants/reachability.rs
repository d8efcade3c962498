//! Who could elect a leader as the world is: the predicate under which liveness is promised.
//!
//! ```text
//!   core     a quorum of able voters, each linked with each other in both directions
//!   guarded  pre-vote and check-quorum are on: the core elects a leader, whatever the others do
//!   closed   otherwise: nobody outside the core can reach it, so that it is a whole cluster
//! ```
//!
//! It knows the faults of the world, and of a server only what a scenario ordered: that it must not campaign.
//!
//! A star whose hub alone reaches a quorum is no core: where the hub's log is behind, nobody can be elected (the
//! constrained election of Omni-Paxos §2). Nothing is promised either where a packet takes too long for the timeouts,
//! where the ordinary loss is high, or with clocks so far apart that heartbeats come too late.

use splitbrain_kernel::id::{Link, NodeId};
use splitbrain_kernel::time::Duration;
use splitbrain_kernel::view::View;

use crate::raft::facts::{Fact, RaftFacts};
use crate::raft::ids::ServerSet;

use super::bounds::LOSS_PPM_MAX;
use super::frame::{Frame, slot};

/// Who can elect a leader, and who else may campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Electorate {
    /// The voters.
    pub(super) voters: ServerSet,
    /// Servers that were or may become voters: one that does not know that it is none disturbs like a voter that is cut
    /// off.
    pub(super) others: ServerSet,
}

/// The world as far as elections care. Before any change only voters are in it.
#[derive(Clone, Debug)]
pub(super) struct Reachability {
    /// Who votes.
    pub(super) voters: ServerSet,
    /// Whose process runs.
    pub(super) up: ServerSet,
    /// Who runs at full speed with a healthy disk, and may campaign.
    pub(super) able: ServerSet,
    /// Who is paused: it says nothing.
    pub(super) paused: ServerSet,
    /// With whom each is linked in both directions, by slot.
    pub(super) paired: Vec<ServerSet>,
    /// Whom anything that each sends may reach, by slot.
    pub(super) reaches: Vec<ServerSet>,
    /// Whom it may reach late or not at all, by slot.
    pub(super) hindered: Vec<ServerSet>,
}

/// What is promised as the world is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Promise {
    /// A quorum that can elect one of its own.
    pub(super) core: ServerSet,
    /// Whose leadership counts as one: of these servers.
    pub(super) leaders: ServerSet,
    /// Who is linked with a quorum in both directions.
    pub(super) hubs: ServerSet,
    /// Whether there is a leader within the bound.
    pub(super) leader: bool,
    /// Whether a leader stays.
    pub(super) stability: bool,
}

impl Reachability {
    /// `None` if a server cannot say whether it may campaign.
    pub(super) fn of<N: RaftFacts>(view: impl View<N>, frame: &Frame, electorate: Electorate) -> Fact<Self> {
        let Electorate { voters, others } = electorate;
        let up: ServerSet = voters.union(others).iter().filter(|server| view.is_up(*server)).collect();
        let paused = up.iter().filter(|voter| view.is_paused(*voter)).collect();
        let mut able = ServerSet::EMPTY;
        for voter in up.intersection(voters).iter() {
            if is_able(view, frame, voter)? {
                able.insert(voter);
            }
        }
        let mut paired = vec![ServerSet::EMPTY; frame.server_count];
        let (mut reaches, mut hindered) = (paired.clone(), paired.clone());
        for one in up.iter() {
            let others = || up.without(one).iter();
            reaches[slot(one)] = others().filter(|other| !view.is_severed(Link::new(one, *other))).collect();
            let is_late = |other: &NodeId| !view.is_connected(Link::new(one, *other));
            hindered[slot(one)] = reaches[slot(one)].iter().filter(is_late).collect();
            paired[slot(one)] = others().filter(|other| is_paired(view, frame, one, *other)).collect();
        }
        Some(Self { voters, up, able, paused, paired, reaches, hindered })
    }

    /// What is promised here. `in_time` says whether the clocks and delays of a core allow for an election.
    pub(super) fn promise(&self, frame: &Frame, in_time: impl FnOnce(ServerSet) -> bool) -> Option<Promise> {
        let quorum = frame.quorum_max(self.voters);
        let core = self.largest_clique();
        if core.len() < quorum || !in_time(core) {
            return None;
        }
        let closed = self.is_closed(core);
        let guarded = frame.is_guarded(self.voters.union(self.up));
        let awake = self.up.iter().filter(|voter| !self.paused.contains(*voter)).collect();
        let is_hub = |voter: &NodeId| self.paired[slot(*voter)].intersection(self.able).len() + 1 >= quorum;
        Some(Promise {
            core,
            leaders: if guarded { awake } else { core },
            hubs: self.able.iter().filter(is_hub).collect(),
            leader: closed || (guarded && !self.is_rushed(frame, core)),
            stability: closed || (frame.is_checked(self.voters.union(self.up)) && !self.is_beset(frame, core)),
        })
    }

    /// Whether nobody outside can reach the core.
    fn is_closed(&self, core: ServerSet) -> bool {
        self.outside(core).all(|voter| self.reaches[slot(voter)].intersection(core).is_empty())
    }

    /// Whether a server that is no voter reaches the core, and is not kept off by pre-votes: one that does not know
    /// that it is none campaigns again and again, and each campaign ends a leadership.
    fn is_beset(&self, frame: &Frame, core: ServerSet) -> bool {
        let all = self.voters.union(self.up);
        if frame.is_guarded(all) && frame.needs_log(self.voters) {
            return false;
        }
        let reaches_core = |other: NodeId| !self.reaches[slot(other)].intersection(core).is_empty();
        self.outside(core).any(|other| !self.voters.contains(other) && reaches_core(other))
    }

    /// Whether a server outside campaigns before those of the core do, over links that are too slow for it to win: it
    /// may take their votes for ever.
    fn is_rushed(&self, frame: &Frame, core: ServerSet) -> bool {
        let least = |voter: NodeId| frame.rules(voter).timeout_min;
        let patience = core.iter().map(least).min().unwrap_or_default();
        let is_late = |voter: NodeId| !self.hindered[slot(voter)].intersection(core).is_empty();
        self.outside(core).any(|voter| least(voter) < patience && is_late(voter))
    }

    /// Who runs outside the core.
    fn outside(&self, core: ServerSet) -> impl Iterator<Item = NodeId> {
        self.up.iter().filter(move |voter| !core.contains(*voter) && !self.paused.contains(*voter))
    }

    /// A large set of able servers that are all linked with one another, found greedily from each of them.
    fn largest_clique(&self) -> ServerSet {
        let mut best = ServerSet::EMPTY;
        for first in self.able.iter() {
            let clique = self.clique_with(first);
            if clique.len() > best.len() {
                best = clique;
            }
            if best.len() == self.able.len() {
                break;
            }
        }
        best
    }

    fn clique_with(&self, first: NodeId) -> ServerSet {
        let mut clique = ServerSet::EMPTY;
        clique.insert(first);
        let mut rest = self.paired[slot(first)].intersection(self.able);
        while !rest.is_empty() {
            let links = |server: &NodeId| self.paired[slot(*server)].intersection(rest).len();
            let next = rest.iter().max_by_key(links).expect("the rest is not empty");
            clique.insert(next);
            rest = rest.intersection(self.paired[slot(next)]);
        }
        clique
    }
}

/// Whether heartbeats come in time for the timeouts of all, and an election can be over before the next one begins.
pub(super) fn in_time<N: RaftFacts>(view: impl View<N>, frame: &Frame, core: ServerSet) -> bool {
    let span = |voter: NodeId, local: Duration| view.true_span(voter, local);
    let heartbeat = core.iter().map(|voter| span(voter, frame.rules(voter).heartbeat)).max();
    let timeout_min = core.iter().map(|voter| span(voter, frame.rules(voter).timeout_min)).min();
    let timeout_max = core.iter().map(|voter| frame.rules(voter).timeout_max).min();
    let disk = core.iter().map(|voter| view.disk(voter).latency_max()).max().unwrap_or_default();
    let round = frame.latency.saturating_add(disk).saturating_mul(2);
    let heard = heartbeat.unwrap_or_default().saturating_add(frame.latency);
    heard < timeout_min.unwrap_or_default() && round.saturating_mul(2) <= timeout_max.unwrap_or_default()
}

fn is_able<N: RaftFacts>(view: impl View<N>, frame: &Frame, voter: NodeId) -> Fact<bool> {
    let Some(server) = view.node(voter).and_then(N::server) else { return Some(false) };
    let may_campaign = server.may_campaign?;
    Some(may_campaign && frame.rules(voter).electable && view.is_lively(voter) && view.disk(voter).is_healthy())
}

/// Whether what either sends reaches the other as it should.
pub(super) fn is_paired<N: RaftFacts>(view: impl View<N>, frame: &Frame, one: NodeId, other: NodeId) -> bool {
    let reliable = |link| !frame.rules(one).lossy || view.ordinary_loss(link).parts() <= LOSS_PPM_MAX;
    let link = Link::new(one, other);
    view.is_paired(one, other) && reliable(link) && reliable(link.reverse())
}

#[cfg(test)]
mod tests {
    use splitbrain_kernel::options::PerServer;

    use super::super::testing::{frame, frame_of, s};
    use super::*;
    use crate::raft::options::RaftOptions;
    use crate::raft::presets;

    /// Five servers, of which these pairs are linked.
    fn five(links: &[(u16, u16)]) -> Reachability {
        let all: ServerSet = (1..=5).map(s).collect();
        let mut paired = vec![ServerSet::EMPTY; 5];
        for (one, other) in links {
            paired[slot(s(*one))].insert(s(*other));
            paired[slot(s(*other))].insert(s(*one));
        }
        let none = ServerSet::EMPTY;
        let nobody = vec![none; 5];
        Reachability {
            voters: all,
            up: all,
            able: all,
            paused: none,
            reaches: paired.clone(),
            hindered: nobody,
            paired,
        }
    }

    /// The overlapping groups of the seed: 1 and 5, 2 and 4, 3 and 4 do not hear each other.
    fn seed() -> Reachability {
        five(&[(1, 2), (1, 3), (1, 4), (2, 3), (2, 5), (3, 5), (4, 5)])
    }

    fn promise(reachability: &Reachability, options: RaftOptions) -> Option<Promise> {
        reachability.promise(&frame(5, options), |_| true)
    }

    fn set(servers: &[u16]) -> ServerSet {
        servers.iter().map(|server| s(*server)).collect()
    }

    #[test]
    fn a_whole_cluster_is_promised_everything() {
        let all: Vec<(u16, u16)> = (1..=5).flat_map(|a| (a + 1..=5).map(move |b| (a, b))).collect();
        for options in [presets::paper(), presets::etcd(), presets::nuraft(), presets::hashicorp()] {
            let promise = promise(&five(&all), options).expect("all are linked");
            assert_eq!(promise.core, set(&[1, 2, 3, 4, 5]));
            assert!(promise.leader && promise.stability);
        }
    }

    #[test]
    fn overlapping_groups_are_promised_a_leader_only_with_pre_vote_and_check_quorum() {
        let guarded = promise(&seed(), presets::etcd()).expect("three are linked with one another");
        assert!(guarded.leader && guarded.stability);
        assert_eq!(guarded.core.len(), 3);
        assert_eq!(guarded.hubs, set(&[1, 2, 3, 4, 5]));
        let paper = promise(&seed(), presets::paper()).expect("three are linked with one another");
        assert!(!paper.leader && !paper.stability);
        let no_pre_vote = presets::nuraft().with(|o| o.pre_vote.enabled = false);
        let unguarded = promise(&seed(), no_pre_vote).expect("three are linked with one another");
        assert!(!unguarded.leader && unguarded.stability);
    }

    #[test]
    fn a_star_is_no_core() {
        assert_eq!(promise(&five(&[(1, 2), (1, 3), (1, 4), (1, 5)]), presets::etcd()), None);
    }

    #[test]
    fn a_majority_that_nobody_else_reaches_is_closed() {
        let mut reachability = five(&[(1, 2), (1, 3), (2, 3), (4, 5)]);
        assert!(promise(&reachability, presets::paper()).expect("a core").leader);
        reachability.reaches[slot(s(4))].insert(s(1));
        assert!(!promise(&reachability, presets::paper()).expect("a core").leader);
        reachability.paused.insert(s(4));
        assert!(promise(&reachability, presets::paper()).expect("a core").leader, "who is paused sends nothing");
    }

    #[test]
    fn a_hasty_server_behind_a_slow_link_takes_the_promise_away() {
        let mut options = PerServer::same(presets::etcd());
        let hasty = presets::etcd().with(|o| o.timing.election_timeout_min = Duration::from_millis(200));
        options.of.insert(s(4), hasty);
        let mut reachability = seed();
        let leader = |reachability: &Reachability| {
            reachability.promise(&frame_of(5, &options), |_| true).expect("a core").leader
        };
        assert!(leader(&reachability));
        reachability.hindered[slot(s(4))].insert(s(1));
        assert!(!leader(&reachability));
    }

    #[test]
    fn servers_that_cannot_campaign_are_no_core() {
        let mut reachability = five(&[(1, 2), (1, 3), (2, 3), (3, 4)]);
        reachability.able.remove(s(2));
        assert_eq!(promise(&reachability, presets::etcd()), None);
    }

    #[test]
    fn nothing_is_promised_out_of_time() {
        assert_eq!(seed().promise(&frame(5, presets::etcd()), |_| false), None);
    }

    #[test]
    fn a_server_that_was_removed_takes_the_promise_away_unless_pre_vote_protects_the_core() {
        let mut reachability = five(&[(1, 2), (1, 3), (2, 3), (3, 4)]);
        reachability.voters = set(&[1, 2, 3]);
        reachability.able = reachability.voters;
        reachability.up = set(&[1, 2, 3, 4]);
        assert!(!promise(&reachability, presets::paper()).expect("a core").leader);
        assert!(promise(&reachability, presets::etcd()).expect("a core").leader);
        let checked = presets::etcd().with(|o| o.pre_vote.enabled = false);
        assert!(!promise(&reachability, checked.clone()).expect("a core").stability, "it campaigns again and again");
        assert!(!promise(&reachability, presets::nuraft()).expect("a core").stability, "it gets pre-votes");
        assert!(promise(&reachability, presets::etcd()).expect("a core").stability);
        reachability.up = reachability.voters;
        assert!(promise(&reachability, presets::paper()).expect("a core").leader);
        assert!(promise(&reachability, checked).expect("a core").stability);
    }
}
