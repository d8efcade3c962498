//! Reads beside the log: what a leader must know before it answers, and how long it knows it.

use splitbrain_kernel::context::OperationId;
use splitbrain_kernel::id::NodeId;

use super::super::bug::Bug;
use super::super::ids::{Index, Term};
use super::super::kv::{Answer, Call, CallResult};
use super::super::message::{Order, RaftMessage};
use super::super::node::RaftTimer;
use super::super::options::{RaftOptions, ReadMethod};
use super::super::presets::paper;
use super::host::{Host, accepted, at, heartbeat, millis, s, vote, vote_reply};

const C1: NodeId = NodeId::client(1);

fn read(operation: u64) -> RaftMessage {
    RaftMessage::Request { operation: OperationId(operation), call: Box::new(Call::Read { key: 7 }) }
}

const fn confirm(term: u64, round: u64) -> RaftMessage {
    RaftMessage::Confirm { term: Term(term), round }
}

const fn confirmed(term: u64, round: u64) -> RaftMessage {
    RaftMessage::ConfirmReply { term: Term(term), round }
}

fn served(operation: u64, index: u64) -> (NodeId, RaftMessage) {
    let result = CallResult::Answered { index: Index(index), answer: Answer::Value(vec![]) };
    (C1, RaftMessage::Reply { operation: OperationId(operation), result })
}

fn options(reads: ReadMethod) -> RaftOptions {
    paper().with(|o| o.reads.method = reads)
}

/// A leader of five that has committed its first entry.
fn leader(options: RaftOptions) -> Host {
    let mut host = Host::new(options);
    host.make_leader();
    host.hear(s(2), accepted(1, 1));
    host.hear(s(3), accepted(1, 1));
    assert_eq!(host.server().commit(), Index(1));
    host.take_sent();
    host
}

#[test]
fn a_read_waits_until_a_quorum_has_confirmed_its_round() {
    let mut host = leader(options(ReadMethod::ReadIndex));
    host.hear(C1, read(5));
    assert_eq!(host.take_sent(), [2, 3, 4, 5].map(|peer| (s(peer), confirm(1, 1))));
    host.hear(s(2), confirmed(1, 1));
    host.hear(s(2), confirmed(1, 1));
    assert_eq!(host.take_sent(), [], "one follower and the leader are two of five");
    host.hear(s(3), confirmed(1, 1));
    assert_eq!(host.take_sent(), [served(5, 1)]);
    assert!(host.saw("read by index"));
}

#[test]
fn a_confirmation_of_an_earlier_round_confirms_no_later_read() {
    let mut host = leader(options(ReadMethod::ReadIndex));
    host.hear(C1, read(5));
    host.wait(millis(1));
    host.hear(C1, read(6));
    host.take_sent();
    host.hear(s(2), confirmed(1, 1));
    host.hear(s(3), confirmed(1, 1));
    assert_eq!(host.take_sent(), [served(5, 1)]);
    host.hear(s(2), confirmed(1, 2));
    host.hear(s(3), confirmed(1, 2));
    assert_eq!(host.take_sent(), [served(6, 1)]);
}

#[test]
fn reads_of_one_instant_share_a_round() {
    let mut host = leader(options(ReadMethod::ReadIndex));
    host.hear(C1, read(5));
    host.hear(C1, read(6));
    assert_eq!(host.take_sent().len(), 4, "one question for each follower");
    host.hear(s(2), confirmed(1, 1));
    host.hear(s(4), confirmed(1, 1));
    assert_eq!(host.take_sent(), [served(5, 1), served(6, 1)]);
}

#[test]
fn a_read_waits_for_the_first_commit_of_the_term() {
    let mut host = Host::new(options(ReadMethod::ReadIndex));
    host.make_leader();
    host.hear(C1, read(5));
    assert_eq!(host.take_sent(), [], "it may not know of all that is committed");
    host.hear(s(2), accepted(1, 1));
    host.hear(s(3), accepted(1, 1));
    let confirms = host.take_sent().into_iter().filter(|(_, message)| *message == confirm(1, 1));
    assert_eq!(confirms.count(), 4);
}

#[test]
fn what_is_lost_is_asked_again_with_the_next_heartbeat() {
    let mut host = leader(options(ReadMethod::ReadIndex));
    host.hear(C1, read(5));
    host.take_sent();
    host.fire(RaftTimer::Heartbeat);
    assert_eq!(host.take_sent().into_iter().filter(|(_, message)| *message == confirm(1, 1)).count(), 4);
    host.hear(s(2), confirmed(1, 1));
    host.hear(s(3), confirmed(1, 1));
    host.take_sent();
    host.fire(RaftTimer::Heartbeat);
    assert!(!host.take_sent().iter().any(|(_, message)| *message == confirm(1, 1)), "nobody waits any more");
}

#[test]
fn who_steps_down_sends_its_readers_away() {
    let mut host = leader(options(ReadMethod::ReadIndex));
    host.hear(C1, read(5));
    host.take_sent();
    host.order(Order::StepDown);
    let result = CallResult::NotLeader { leader: None };
    assert_eq!(host.only_sent(), RaftMessage::Reply { operation: OperationId(5), result });
}

#[test]
fn a_lease_needs_no_confirmation_until_it_ends() {
    // 150 ms less the drift of two clocks, 1 % each: 147 ms, from when the round was sent.
    let mut host = leader(options(ReadMethod::Lease));
    host.hear(C1, read(5));
    host.wait(millis(100));
    host.hear(s(2), confirmed(1, 1));
    host.hear(s(3), confirmed(1, 1));
    host.take_sent();
    host.wait(millis(46));
    host.hear(C1, read(6));
    assert_eq!(host.take_sent(), [served(6, 1)]);
    assert!(host.saw("read by lease"));
    host.wait(millis(2));
    host.hear(C1, read(7));
    assert_eq!(host.take_sent().len(), 4, "it asks again");
}

#[test]
fn a_leader_that_told_another_to_campaign_has_no_lease_any_more() {
    let mut host = leader(options(ReadMethod::Lease));
    host.hear(C1, read(5));
    host.hear(s(2), confirmed(1, 1));
    host.hear(s(3), confirmed(1, 1));
    host.take_sent();
    host.hear(C1, read(6));
    assert_eq!(host.take_sent(), [served(6, 1)], "it holds a lease");
    host.order(Order::Transfer(Some(s(2))));
    assert_eq!(host.only_sent(), RaftMessage::TimeoutNow { term: Term(1) });
    host.hear(C1, read(7));
    let result = CallResult::NotLeader { leader: None };
    assert_eq!(host.only_sent(), RaftMessage::Reply { operation: OperationId(7), result });
    // The other may campaign at any time, and voters that have promised not to vote for it will.
    host.order(Order::Transfer(Some(s(3))));
    host.fire(RaftTimer::Transfer);
    host.take_sent();
    host.hear(C1, read(8));
    assert!(host.take_sent().iter().all(|(_, sent)| matches!(sent, RaftMessage::Confirm { .. })));
}

#[test]
fn the_known_bugs_make_a_lease_longer() {
    for bug in [Bug::LeaseIgnoresDrift, Bug::LeaseFromReceipt] {
        let mut host = leader(RaftOptions { bug, ..options(ReadMethod::Lease) });
        host.hear(C1, read(5));
        host.wait(millis(5));
        host.hear(s(2), confirmed(1, 1));
        host.hear(s(3), confirmed(1, 1));
        host.take_sent();
        host.wait(millis(144));
        host.hear(C1, read(6));
        assert_eq!(host.take_sent(), [served(6, 1)], "{bug:?}");
    }
}

#[test]
fn a_voter_keeps_its_promise_and_then_votes() {
    let mut host = Host::new(options(ReadMethod::Lease));
    host.wait(millis(150));
    host.hear(s(2), confirm(1, 1));
    host.sync();
    assert_eq!(host.only_sent(), confirmed(1, 1));
    host.wait(millis(149));
    host.hear(s(3), vote(2, at(1, 1)));
    assert_eq!((host.term(), host.only_sent()), (1, vote_reply(1, false)));
    host.order(Order::Campaign);
    assert_eq!(host.role(), "follower", "nor does it ask for votes itself");
    host.wait(millis(1));
    host.hear(s(3), vote(2, at(1, 1)));
    host.sync();
    assert_eq!(host.only_sent(), vote_reply(2, true));
}

#[test]
fn a_voter_that_has_restarted_keeps_what_it_may_have_promised() {
    let grants = |bug| {
        let mut host = Host::new(RaftOptions { bug, ..options(ReadMethod::Lease) });
        host.wait(millis(200));
        host.hear(s(2), confirm(1, 1));
        host.sync();
        host.restart();
        host.take_sent();
        host.wait(millis(100));
        host.hear(s(3), vote(2, at(1, 1)));
        host.sync();
        host.only_sent() == vote_reply(2, true)
    };
    assert!(!grants(Bug::None));
    assert!(grants(Bug::RestartForgetsPromise));
}

#[test]
fn a_question_is_a_sign_of_life_and_names_the_leader() {
    let mut host = Host::new(options(ReadMethod::ReadIndex));
    host.make_candidate();
    host.take_sent();
    host.hear(s(2), confirm(1, 3));
    assert_eq!((host.role(), host.server().leader()), ("follower", Some(s(2))));
    assert_eq!(host.only_sent(), confirmed(1, 3));
    host.hear(s(3), confirm(0, 9));
    assert_eq!(host.only_sent(), confirmed(1, 9), "of an earlier term: the sender learns the later one");
}

#[test]
fn an_answer_of_a_later_term_ends_the_leadership() {
    let mut host = leader(options(ReadMethod::ReadIndex));
    host.hear(C1, read(5));
    host.take_sent();
    host.hear(s(2), confirmed(2, 1));
    host.sync();
    assert_eq!((host.role(), host.term()), ("follower", 2));
    let result = CallResult::NotLeader { leader: None };
    assert_eq!(host.only_sent(), RaftMessage::Reply { operation: OperationId(5), result });
}

#[test]
fn a_follower_sends_a_reader_to_the_leader() {
    let mut host = Host::new(options(ReadMethod::ReadIndex));
    host.hear(s(2), heartbeat(1));
    host.sync();
    host.take_sent();
    host.hear(C1, read(5));
    let result = CallResult::NotLeader { leader: Some(s(2)) };
    assert_eq!(host.only_sent(), RaftMessage::Reply { operation: OperationId(5), result });
}
