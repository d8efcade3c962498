//! A sentinel: when it finds the master down, which one it votes for, and which replica it has promoted.

use super::*;
use crate::lock::bug::Bug;
use crate::lock::message::Order;
use crate::lock::options::Topology;
use crate::lock::presets;

fn sentinel(bug: Bug) -> Stand {
    let options = LockOptions { topology: Topology::Replicated, quorum: 2, bug, ..presets::distlock() };
    Stand::new(N1, (3, 3), options)
}

fn pong(stand: &mut Stand, redis: NodeId, master: Option<NodeId>, offset: u64) {
    stand.hear(redis, Wire::Pong { master, epoch: 0, offset });
}

/// The replicas answer for this many seconds, and the master does not.
fn without_master(stand: &mut Stand, seconds: u64) {
    for _ in 0..seconds {
        pong(stand, R2, Some(R1), 5);
        pong(stand, R3, Some(R1), 9);
        stand.wait(Duration::from_secs(1));
    }
}

/// One that knows its replicas and was ordered to begin a failover; its vote is not on the disk yet.
fn ordered() -> Stand {
    let mut one = sentinel(Bug::None);
    without_master(&mut one, 1);
    one.host.order(Order::Failover);
    one.note();
    one
}

fn agree(stand: &mut Stand, sentinel: NodeId, vote: Option<(NodeId, u64)>) {
    stand.hear(sentinel, Wire::Polled { master: R1, is_down: true, vote });
}

fn promoted(stand: &Stand) -> Vec<NodeId> {
    stand.sent.iter().filter(|(_, wire)| matches!(wire, Wire::Promote { .. })).map(|(to, _)| *to).collect()
}

#[test]
fn a_quorum_and_a_majority_promote_the_replica_that_has_most() {
    let mut one = sentinel(Bug::None);
    without_master(&mut one, 7);
    assert!(one.observed.contains(&LockObservation::SubjectivelyDown(R1)));
    assert!(!one.observed.contains(&LockObservation::ObjectivelyDown(R1)), "it is alone with that");
    agree(&mut one, N2, None);
    assert!(one.observed.contains(&LockObservation::ObjectivelyDown(R1)));
    agree(&mut one, N2, Some((N1, 1)));
    assert!(promoted(&one).is_empty(), "it has one vote of three: its own is not on the disk");
    one.sync();
    assert_eq!(promoted(&one), [R3]);
    one.hear(R3, Wire::Pong { master: None, epoch: 1, offset: 9 });
    assert!(one.observed.contains(&LockObservation::FailoverDone { epoch: 1, master: R3 }));
    let follows: Vec<NodeId> =
        one.sent.iter().filter(|(_, wire)| matches!(wire, Wire::Follow { .. })).map(|(to, _)| *to).collect();
    assert_eq!(follows, [R1, R2]);
}

#[test]
fn the_replica_that_has_most_is_passed_over_by_a_known_bug() {
    for (bug, successor) in [(Bug::None, R3), (Bug::SuccessorByNumber, R2)] {
        let mut one = sentinel(bug);
        without_master(&mut one, 7);
        agree(&mut one, N2, Some((N1, 1)));
        agree(&mut one, N2, Some((N1, 1)));
        one.sync();
        assert_eq!(promoted(&one), [successor], "{}", bug.name());
    }
}

#[test]
fn without_a_quorum_there_is_no_failover_unless_it_is_forgotten() {
    for (bug, has_begun) in [(Bug::None, false), (Bug::NoQuorum, true)] {
        let mut one = sentinel(bug);
        without_master(&mut one, 8);
        assert_eq!(one.observed.contains(&LockObservation::ObjectivelyDown(R1)), has_begun, "{}", bug.name());
    }
}

/// Which one it votes for when both others ask in one epoch.
fn votes(bug: Bug) -> Vec<Option<(NodeId, u64)>> {
    let mut one = sentinel(bug);
    one.take_sent();
    for other in [N2, N3] {
        one.hear(other, Wire::Poll { master: R1, campaign: Some(1) });
    }
    one.sync();
    let sent = one.take_sent().into_iter();
    sent.filter_map(|(_, wire)| if let Wire::Polled { vote, .. } = wire { Some(vote) } else { None }).collect()
}

#[test]
fn it_votes_once_in_an_epoch() {
    assert_eq!(votes(Bug::None), [Some((N2, 1)), Some((N2, 1))]);
    assert_eq!(votes(Bug::VotesTwice), [Some((N2, 1)), Some((N3, 1))]);
}

/// What it answers to a campaign whose vote it has not synced when the machine ends, and to another one's afterwards.
fn votes_around_a_crash(bug: Bug) -> [Vec<(NodeId, Wire)>; 2] {
    let mut one = sentinel(bug);
    one.take_sent();
    one.hear(N2, Wire::Poll { master: R1, campaign: Some(1) });
    let before = one.take_sent();
    one.host.crash_machine(0);
    one.host.start();
    one.note();
    one.take_sent();
    one.hear(N3, Wire::Poll { master: R1, campaign: Some(1) });
    one.sync();
    [before, one.take_sent()]
}

#[test]
fn a_vote_leaves_when_it_is_on_the_disk() {
    let polled = |vote| Wire::Polled { master: R1, is_down: false, vote: Some((vote, 1)) };
    assert_eq!(votes_around_a_crash(Bug::None), [vec![], vec![(N3, polled(N3))]], "the first is as if not given");
    let twice = [vec![(N2, polled(N2))], vec![(N3, polled(N3))]];
    assert_eq!(votes_around_a_crash(Bug::VoteBeforeSync), twice);
}

#[test]
fn its_vote_survives_a_restart() {
    let mut one = sentinel(Bug::None);
    one.hear(N2, Wire::Poll { master: R1, campaign: Some(1) });
    one.sync();
    one.host.crash_machine(0);
    one.host.start();
    one.note();
    one.take_sent();
    one.hear(N3, Wire::Poll { master: R1, campaign: Some(1) });
    one.sync();
    let polled = Wire::Polled { master: R1, is_down: false, vote: Some((N2, 1)) };
    assert_eq!(one.take_sent(), [(N3, polled)]);
}

#[test]
fn a_later_epoch_wins_and_an_earlier_one_is_not_heard() {
    let mut one = sentinel(Bug::None);
    one.hear(N2, Wire::Hello { master: R2, epoch: 4, current: 4 });
    one.hear(N3, Wire::Hello { master: R3, epoch: 3, current: 4 });
    one.take_sent();
    one.hear(C1, Wire::Find);
    assert_eq!(one.take_sent(), [(C1, Wire::Found { master: R2, epoch: 4 })]);
    pong(&mut one, R1, None, 0);
    assert_eq!(one.take_sent(), [(R1, Wire::Follow { master: R2, epoch: 4 })], "an old master that is back");
}

/// Whether the opinion of another one that came at this second counts at the seventh, at which the master is down.
fn counts_an_opinion_of(second: u64) -> bool {
    let mut one = sentinel(Bug::None);
    without_master(&mut one, second);
    agree(&mut one, N2, None);
    without_master(&mut one, 8 - second);
    assert!(one.observed.contains(&LockObservation::SubjectivelyDown(R1)));
    one.observed.contains(&LockObservation::ObjectivelyDown(R1))
}

#[test]
fn what_another_one_said_before_the_master_was_down_does_not_count() {
    assert!(!counts_an_opinion_of(3));
    assert!(counts_an_opinion_of(8));
}

#[test]
fn a_failover_whose_successor_is_silent_ends_even_if_it_was_ordered() {
    let mut one = ordered();
    one.sync();
    one.take_sent();
    pong(&mut one, R3, Some(R1), 9);
    assert_eq!(promoted(&one), [R3], "it asks once more");
    one.take_sent();
    one.wait(presets::distlock().failover_timeout);
    one.take_sent();
    pong(&mut one, R3, Some(R1), 9);
    assert!(promoted(&one).is_empty(), "its time is over");
    one.host.order(Order::Failover);
    one.note();
    one.sync();
    assert_eq!(promoted(&one), [R3], "and another one can begin");
}

#[test]
fn an_order_needs_no_vote_but_its_own() {
    let mut one = ordered();
    assert!(promoted(&one).is_empty(), "its vote is not on the disk");
    one.sync();
    assert_eq!(promoted(&one), [R3]);
    let begun = LockObservation::FailoverBegun { epoch: 1, successor: R3, is_ordered: true };
    assert!(one.observed.contains(&begun));
    one.take_sent();
    one.hear(N2, Wire::Poll { master: R1, campaign: Some(1) });
    let polled = Wire::Polled { master: R1, is_down: false, vote: Some((N1, 1)) };
    assert_eq!(one.take_sent(), [(N2, polled)], "it has voted for itself");
}

/// Its leader gave the failover up before it heard that the successor had its role: nobody told the others.
#[test]
fn a_promotion_that_nobody_told_of_is_heard_from_the_redis_itself() {
    let mut one = sentinel(Bug::None);
    one.take_sent();
    one.hear(R2, Wire::Pong { master: None, epoch: 4, offset: 5 });
    let sent = one.take_sent();
    let follows = |redis| sent.contains(&(redis, Wire::Follow { master: R2, epoch: 4 }));
    assert!(follows(R1) && follows(R3), "{sent:?}");
    assert!(sent.contains(&(N2, Wire::Hello { master: R2, epoch: 4, current: 4 })), "{sent:?}");
    one.hear(R1, Wire::Pong { master: None, epoch: 3, offset: 5 });
    assert!(one.take_sent().contains(&(R1, Wire::Follow { master: R2, epoch: 4 })), "an earlier epoch is no news");
}
