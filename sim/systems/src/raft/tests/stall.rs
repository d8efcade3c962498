//! What waits for a sync, and what becomes of a server whose disk fails.

use splitbrain_kernel::context::OperationId;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::{Completion, DiskError, WriteId};

use super::super::message::RaftMessage;
use super::super::node::RaftTimer;
use super::super::options::{OnWriteFailure, RaftOptions, WaitsForSync};
use super::super::presets::paper;
use super::host::{Host, accepted, append, at, heartbeat, s, vote, vote_reply};

const C1: NodeId = NodeId::client(1);

fn with(waits_for_sync: WaitsForSync) -> RaftOptions {
    paper().with(|o| o.log.waits_for_sync = waits_for_sync)
}

fn propose(value: u64) -> RaftMessage {
    RaftMessage::Propose { operation: OperationId(value), value }
}

/// A leader whose entry is on its way to the disk.
fn leader_that_writes(options: RaftOptions) -> Host {
    let mut host = Host::new(options);
    host.make_leader();
    host.hear(C1, propose(7));
    host.take_sent();
    host
}

#[test]
fn the_whole_loop_is_silent_while_it_syncs_and_then_takes_in_what_came_in_order() {
    let mut host = leader_that_writes(with(WaitsForSync::WholeLoop));
    host.fire(RaftTimer::Heartbeat);
    assert_eq!(host.take_sent(), [], "it does not tick");
    assert_eq!(host.timers[&RaftTimer::Heartbeat], host.now() + paper().timing.heartbeat, "the tick is lost");
    host.hear(s(2), vote(9, at(9, 9)));
    host.hear(s(3), heartbeat(10));
    assert_eq!((host.term(), host.role()), (1, "leader"), "it takes in nothing");
    host.sync();
    host.hear(s(4), heartbeat(11));
    host.fire(RaftTimer::Loop);
    // The vote is written and synced, and what came after it waits for that.
    assert_eq!((host.term(), host.role()), (9, "follower"));
    assert!(!host.timers.contains_key(&RaftTimer::Loop));
    host.sync();
    host.fire(RaftTimer::Loop);
    assert_eq!((host.term(), host.server().leader()), (10, Some(s(3))));
    host.sync();
    host.fire(RaftTimer::Loop);
    assert_eq!((host.term(), host.server().leader()), (11, Some(s(4))), "what came last is taken in last");
    host.sync();
    host.hear(s(5), heartbeat(12));
    assert_eq!(host.term(), 12, "nothing waits any more");
}

#[test]
fn a_loop_that_waits_for_nothing_but_promises_goes_on() {
    let mut host = leader_that_writes(with(WaitsForSync::LogWrites));
    host.fire(RaftTimer::Heartbeat);
    assert_eq!(host.take_sent().len(), 4, "its heartbeats do not wait");
    host.hear(s(2), vote(9, at(9, 9)));
    assert_eq!((host.term(), host.role()), (9, "follower"));
    assert_eq!(host.take_sent(), [], "its vote does");
}

#[test]
fn where_nothing_waits_promises_leave_before_they_are_kept() {
    let answer = |options| {
        let mut host = Host::new(options);
        host.hear(s(2), append(1, at(0, 0), &[1], 0));
        host.take_sent()
    };
    assert_eq!(answer(with(WaitsForSync::Nothing)), [(s(2), accepted(1, 1))]);
    assert_eq!(answer(paper()), []);
}

#[test]
fn where_nothing_waits_the_own_vote_and_copy_count_at_once() {
    let mut host = Host::new(with(WaitsForSync::Nothing));
    host.fire(RaftTimer::Election);
    host.hear(s(2), vote_reply(1, true));
    host.hear(s(3), vote_reply(1, true));
    assert_eq!((host.role(), host.server().log().durable().0), ("leader", 1));
    let mut host = Host::new(paper());
    host.fire(RaftTimer::Election);
    host.hear(s(2), vote_reply(1, true));
    host.hear(s(3), vote_reply(1, true));
    assert_eq!(host.role(), "candidate", "its own vote is on its way to the disk");
}

fn fail(host: &mut Host) {
    host.durable(Completion::Failed(WriteId(99), DiskError::Full));
}

#[test]
fn a_leader_that_stays_goes_on_with_its_heartbeats_and_with_nothing_else() {
    let options = with(WaitsForSync::WholeLoop).with(|o| {
        o.log.on_write_failure = OnWriteFailure::Stay;
        o.log.parallel_append = false;
    });
    let mut host = leader_that_writes(options);
    let durable = host.server().log().durable();
    fail(&mut host);
    assert_eq!(host.exited, None);
    host.fire(RaftTimer::Heartbeat);
    assert_eq!(host.take_sent().len(), 4);
    host.hear(C1, propose(8));
    host.sync();
    assert_eq!(host.server().log().durable(), durable, "nothing is durable any more");
    host.hear(s(2), vote(9, at(9, 9)));
    host.sync();
    assert_eq!((host.term(), host.take_sent()), (9, vec![]), "a vote would have to be written");
}

#[test]
fn a_server_that_stayed_keeps_its_promises_once_it_starts_anew() {
    let options = paper().with(|o| o.log.on_write_failure = OnWriteFailure::Stay);
    let mut host = leader_that_writes(options);
    fail(&mut host);
    host.restart();
    host.take_sent();
    host.hear(s(2), vote(9, at(9, 9)));
    host.sync();
    assert_eq!(host.only_sent(), vote_reply(9, true));
}
