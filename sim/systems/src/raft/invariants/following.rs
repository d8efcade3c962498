//! What a leader can bring to whom as the world is: the premise of progress, judged by links and never by a core.
//!
//! ```text
//!   leader     the one of the latest term: it runs at full speed, on a healthy disk
//!   followers  the members of its configuration, learners too, that do the same and are linked with it both ways
//!   backed     it and the voters among them commit: a quorum of the configuration, in a joint change of both
//! ```
//!
//! Within how long something has arrived is derived from the options: a number of round trips, each with time for what
//! is lost on the way, and before them the patience of a leader that waits for an answer which never comes. The number
//! follows from the logs: the leader looks for the place where they agree, sends what comes after it in batches, and
//! before that a snapshot part by part if its own log begins later. All of it is generous: no bound is measured.
//!
//! A server whose disk broke a promise may lack what its leader knows that it has, and one whose write has failed does
//! nothing more until it starts again: nothing is promised to either.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::Findings;
use splitbrain_kernel::time::Duration;
use splitbrain_kernel::view::View;

use crate::raft::facts::{ConfigurationFacts, Fact, RaftFacts};
use crate::raft::ids::{Index, ServerSet, Term};

use super::frame::{Frame, Replication};
use super::leadership::server as server_of;
use super::reachability::{in_time, is_paired};
use super::watch::{Cause, Scene};

/// A leader, and those that it can bring what it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Following {
    /// The leader.
    pub(super) leader: NodeId,
    /// The term that it leads.
    pub(super) term: Term,
    /// The followers.
    pub(super) servers: ServerSet,
    /// Up to where it has committed now.
    pub(super) commit: Index,
    /// Within how long they have what it has now.
    pub(super) within: Duration,
}

/// What a follower lacks, and what stands in the way of bringing it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Gap {
    /// Entries of its log that the leader's contradicts: a leader may step back over each of them.
    wrong: u64,
    /// Entries to send.
    entries: u64,
    /// Items of a snapshot to send before them.
    items: u64,
}

impl Following {
    /// Who is promised to follow now, as the invariant at this place of the list asks for it: what nobody can say is
    /// counted. `None` if that invariant is off.
    pub(super) fn asked_by<N: RaftFacts>(
        place: usize,
        scene: Scene<'_>,
        view: impl View<N>,
        findings: &mut Findings,
    ) -> Option<Option<Self>> {
        if !findings.is_on(place) {
            return None;
        }
        let following = Self::of(scene, view);
        if following.as_ref().is_some_and(Option::is_none) {
            findings.lacks(place);
        }
        Some(following.flatten())
    }

    /// The outer `None` means that nothing is promised, the inner one that some server cannot say what it has.
    fn of<N: RaftFacts>(scene: Scene<'_>, view: impl View<N>) -> Option<Fact<Self>> {
        let frame = scene.frame;
        let (term, leader) = scene.latest_leader().filter(|_| frame.promises_liveness())?;
        let replication = frame.rules(leader).replication?;
        let configuration = scene.configuration_at(view, leader)?;
        let is_ready =
            |server: &NodeId| scene.is_fit(*server) && view.is_lively(*server) && view.disk(*server).is_healthy();
        let is_linked = |server: &NodeId| is_paired(view, frame, leader, *server);
        let members = configuration.members().without(leader);
        let servers: ServerSet = members.iter().filter(is_ready).filter(is_linked).collect();
        let all = servers.union(std::iter::once(leader).collect());
        if !is_ready(&leader) || !is_backed(frame, leader, configuration, all) || !in_time(view, frame, all) {
            return None;
        }
        let commit = server_of(&view, leader).and_then(|facts| facts.commit);
        let within = || within(scene, view, leader, servers, replication);
        Some(commit.and_then(|commit| Some(Self { leader, term, servers, commit, within: within()? })))
    }

    /// Whether the other one is of the same leader and the same followers.
    fn is_like(&self, other: &Self) -> bool {
        (self.leader, self.term, self.servers) == (other.leader, other.term, other.servers)
    }

    /// Whether what was promised at first goes on, now that the world may be another. `None` means that nothing is
    /// promised.
    pub(super) fn goes_on(before: Option<&Self>, now: Option<&Self>, cause: Option<Cause>) -> bool {
        let is_disturbed = matches!(cause, Some(Cause::Fault | Cause::Process));
        match (before, now) {
            (None, None) => true,
            (Some(before), Some(now)) => !is_disturbed && before.is_like(now),
            _ => false,
        }
    }
}

/// Whether a leader can commit with these servers, itself included.
fn is_backed(frame: &Frame, leader: NodeId, configuration: ConfigurationFacts, servers: ServerSet) -> bool {
    let quorum = frame.rules(leader).commit_quorum;
    configuration.halves().all(|half| servers.intersection(half).len() >= quorum.of(half.len()))
}

/// Within how long all of these have what the leader has. `None` if some server cannot say what it has.
fn within<N: RaftFacts>(
    scene: Scene<'_>,
    view: impl View<N>,
    leader: NodeId,
    servers: ServerSet,
    replication: Replication,
) -> Fact<Duration> {
    let frame = scene.frame;
    let patience = view.true_span(leader, replication.patience);
    let heartbeat = view.true_span(leader, frame.rules(leader).heartbeat);
    let disk = view.disk(leader).latency_max();
    let mut longest = Duration::ZERO;
    for server in servers.iter() {
        let trip = frame.latency.saturating_mul(2).saturating_add(disk).saturating_add(view.disk(server).latency_max());
        let rounds = replication.rounds(gap(view, leader, server)?);
        longest = longest.max(round(trip, heartbeat).saturating_mul(rounds));
    }
    Some(patience.saturating_add(longest))
}

/// A round trip, with room for what else is on the way, and for the heartbeat that repeats what is lost now and then.
const fn round(trip: Duration, heartbeat: Duration) -> Duration {
    trip.saturating_mul(4).saturating_add(heartbeat.div(4))
}

impl Replication {
    /// In how many round trips a follower has what it lacks, at most. A snapshot may have been begun anew meanwhile.
    fn rounds(&self, gap: Gap) -> u64 {
        let parts = gap.items.div_ceil(self.items).saturating_mul(2);
        let batches = gap.entries.div_ceil(self.entries);
        gap.wrong.saturating_add(batches).saturating_add(parts).saturating_add(2)
    }
}

/// What a follower lacks of what its leader has. `None` if one of the two cannot say what it has.
fn gap<N: RaftFacts>(view: impl View<N>, leader: NodeId, follower: NodeId) -> Fact<Gap> {
    let (own, theirs) = (view.node(leader)?, view.node(follower)?);
    let (facts, last) = (own.server()?, theirs.server()?.last?.index);
    let own_last = facts.last?.index;
    let mut agreed = own_last.min(last);
    while agreed > Index::ZERO && !own.has(agreed)?.agrees(theirs.has(agreed)?) {
        agreed = agreed.previous();
    }
    // What was acknowledged before a connection died may be sent once more from there.
    let known = own.matched(follower)?;
    let from = if known > Index::ZERO { agreed.min(known) } else { agreed };
    let items = if from < facts.base?.index { own.snapshot_items()? } else { 0 };
    Some(Gap { wrong: last.0 - agreed.0, entries: own_last.0 - from.0, items })
}

#[cfg(test)]
mod tests {
    use super::super::configurations::tests::{set, voters};
    use super::super::testing::{frame, s};
    use super::*;
    use crate::raft::presets;

    const SLOW: Replication = Replication { patience: Duration::from_secs(1), entries: 10, items: 3 };

    fn following(servers: &[u16], commit: u64) -> Following {
        let within = Duration::from_secs(1);
        Following { leader: s(1), term: Term(2), servers: set(servers), commit: Index(commit), within }
    }

    #[test]
    fn a_leader_is_backed_by_a_quorum_of_voters_and_of_both_halves_of_a_joint_change() {
        let frame = frame(5, presets::paper());
        let backed = |of: ConfigurationFacts, servers: &[u16]| is_backed(&frame, s(1), of, set(servers));
        let five = voters(&[1, 2, 3, 4, 5]);
        assert!(backed(five, &[1, 2, 3]) && !backed(five, &[1, 2]));
        let learners = ConfigurationFacts { learners: set(&[4, 5]), ..voters(&[1, 2, 3]) };
        assert!(!backed(learners, &[1, 4, 5]), "learners do not count");
        let joint = ConfigurationFacts { outgoing: set(&[1, 2, 3]), ..voters(&[1, 4, 5]) };
        assert!(!backed(joint, &[1, 4, 5]) && backed(joint, &[1, 2, 4]));
        assert!(!backed(voters(&[2, 3, 4]), &[1, 2]), "a leader that is no voter does not count itself");
    }

    #[test]
    fn the_quorum_is_that_of_the_options() {
        let four_of_five = frame(5, presets::paper().with(|o| o.quorum.commit = 4));
        let backed = |servers: &[u16]| is_backed(&four_of_five, s(1), voters(&[1, 2, 3, 4, 5]), set(servers));
        assert!(backed(&[1, 2, 3, 4]) && !backed(&[1, 2, 3]));
    }

    #[test]
    fn round_trips_are_counted_by_batches_parts_and_entries_that_are_wrong() {
        assert_eq!(SLOW.rounds(Gap::default()), 2);
        assert_eq!(SLOW.rounds(Gap { wrong: 4, entries: 21, items: 0 }), 2 + 4 + 3);
        assert_eq!(SLOW.rounds(Gap { wrong: 0, entries: 0, items: 7 }), 2 + 2 * 3);
        assert_eq!(round(Duration::from_millis(30), Duration::from_millis(100)), Duration::from_millis(145));
    }

    #[test]
    fn a_promise_goes_on_until_the_world_or_the_followers_change() {
        let (two, later) = (following(&[2, 3], 4), following(&[2, 3], 9));
        let goes_on = |now: Option<&Following>, cause| Following::goes_on(Some(&two), now, cause);
        assert!(goes_on(Some(&later), None) && goes_on(Some(&later), Some(Cause::Membership)));
        assert!(!goes_on(Some(&later), Some(Cause::Fault)) && !goes_on(Some(&later), Some(Cause::Process)));
        assert!(!goes_on(Some(&following(&[2, 3, 4], 4)), Some(Cause::Membership)) && !goes_on(None, None));
        assert!(!goes_on(Some(&Following { term: Term(3), ..two }), None));
        assert!(Following::goes_on(None, None, Some(Cause::Fault)));
    }
}
