//! A leadership that is handed over.

use super::super::bug::Bug;
use super::super::ids::Term;
use super::super::message::{Order, ProposeResult, RaftMessage, VoteRequest};
use super::super::node::RaftTimer;
use super::super::options::RaftOptions;
use super::super::presets::{etcd, nuraft, paper};
use super::host::{Host, accepted, append, at, heartbeat, s, vote, vote_reply};
use splitbrain_kernel::context::OperationId;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::time::Duration;

const C1: NodeId = NodeId::client(1);

fn timeout_now(term: u64) -> RaftMessage {
    RaftMessage::TimeoutNow { term: Term(term) }
}

fn transfer_vote(term: u64, last: super::super::ids::Position) -> RaftMessage {
    RaftMessage::TransferVote(VoteRequest { term: Term(term), last })
}

/// `s1` leads term 1 with one entry, and `s3` does not have it yet.
fn leader(options: RaftOptions) -> Host {
    let mut host = Host::new(options);
    host.make_leader();
    host.hear(s(2), accepted(1, 1));
    host.take_sent();
    host
}

fn is_refused(host: &mut Host) -> bool {
    host.take_sent();
    host.hear(C1, RaftMessage::Propose { operation: OperationId(7), value: 7 });
    let result = ProposeResult::NotLeader { leader: None };
    host.take_sent().contains(&(C1, RaftMessage::ProposeReply { operation: OperationId(7), result }))
}

#[test]
fn the_target_is_told_once_it_has_the_whole_log_and_proposals_are_refused_meanwhile() {
    let mut host = leader(paper());
    host.order(Order::Transfer(Some(s(3))));
    assert!(host.take_sent().is_empty(), "s3 lacks the entry");
    assert!(is_refused(&mut host));
    host.hear(s(3), accepted(1, 1));
    assert_eq!(host.take_sent(), [(s(3), timeout_now(1))]);
    host.hear(s(3), accepted(1, 1));
    assert_eq!(host.take_sent(), [(s(3), timeout_now(1))], "what is lost is sent again");
    assert_eq!(host.role(), "leader");
}

#[test]
fn without_a_target_the_best_suited_voter_is_chosen() {
    let mut host = leader(paper());
    host.order(Order::Transfer(None));
    assert_eq!(host.take_sent(), [(s(2), timeout_now(1))], "s2 has the whole log");
}

#[test]
fn a_transfer_that_comes_to_nothing_is_given_up() {
    let mut host = leader(paper());
    host.order(Order::Transfer(Some(s(3))));
    host.fire(RaftTimer::Transfer);
    assert!(host.saw("transfer aborted"));
    assert!(!is_refused(&mut host));
    host.hear(s(3), accepted(1, 2));
    assert!(!host.take_sent().contains(&(s(3), timeout_now(1))));
}

#[test]
fn a_leader_of_nuraft_steps_down_whether_the_target_is_ready_or_not() {
    let options = nuraft().with(|o| {
        o.transport.kind = super::super::options::TransportKind::Datagram;
        o.transport.requests_in_flight = 0;
    });
    let mut host = leader(options.clone());
    host.order(Order::Transfer(Some(s(2))));
    assert_eq!((host.take_sent(), host.role()), (vec![(s(2), timeout_now(1))], "follower"));
    let mut host = leader(options);
    host.order(Order::Transfer(Some(s(3))));
    host.fire(RaftTimer::Transfer);
    assert_eq!(host.role(), "follower");
}

#[test]
fn a_target_that_is_none_is_ignored() {
    let mut host = leader(paper());
    for target in [s(1), s(9)] {
        host.order(Order::Transfer(Some(target)));
    }
    assert!(!host.saw("transfer started"));
    let mut follower = Host::new(paper());
    follower.order(Order::Transfer(Some(s(2))));
    assert!(!follower.saw("transfer started"));
}

#[test]
fn the_target_campaigns_at_once_without_pre_votes() {
    let mut host = Host::new(etcd());
    host.hear(s(2), append(3, at(0, 0), &[3], 0));
    host.sync();
    host.take_sent();
    host.hear(s(2), timeout_now(3));
    host.sync();
    assert_eq!(host.term(), 4);
    assert!(host.take_sent().iter().all(|(_, sent)| *sent == transfer_vote(4, at(3, 1))));
}

#[test]
fn an_order_of_an_earlier_term_or_of_somebody_else_is_ignored() {
    let mut host = Host::new(etcd());
    host.hear(s(2), heartbeat(3));
    host.hear(s(2), timeout_now(2));
    host.hear(s(4), timeout_now(3));
    host.hear(s(4), timeout_now(4));
    assert_eq!((host.term(), host.role()), (3, "follower"));
    let mut options = splitbrain_kernel::options::PerServer::same(paper());
    options.of.insert(s(1), paper().with(|o| o.membership.learner = true));
    let mut learner = Host::of(5, options);
    learner.hear(s(2), heartbeat(3));
    learner.hear(s(2), timeout_now(3));
    assert_eq!(learner.role(), "follower");
}

#[test]
fn voters_do_not_refuse_for_the_sake_of_the_leader_that_wants_it() {
    let mut host = Host::new(etcd());
    host.hear(s(2), heartbeat(3));
    host.sync();
    host.take_sent();
    host.hear(s(3), vote(4, at(0, 0)));
    host.sync();
    assert!(host.take_sent().is_empty(), "an ordinary candidate is refused in silence");
    host.hear(s(3), transfer_vote(4, at(0, 0)));
    host.sync();
    assert_eq!(host.only_sent(), vote_reply(4, true));
    host.hear(s(4), transfer_vote(4, at(9, 9)));
    host.sync();
    assert_eq!(host.only_sent(), vote_reply(4, false), "it votes once a term all the same");
}

#[test]
fn a_transfer_that_never_ends_shows_only_with_its_bug() {
    let never_ends = |bug| {
        let mut host = leader(RaftOptions { bug, ..paper() });
        host.order(Order::Transfer(Some(s(3))));
        host.fire(RaftTimer::Transfer);
        is_refused(&mut host)
    };
    assert!(never_ends(Bug::TransferNeverEnds) && !never_ends(Bug::None));
}

#[test]
fn a_leader_that_resigns_does_not_campaign_for_a_while() {
    let mut host = leader(paper());
    host.order(Order::Resign);
    assert_eq!(host.role(), "follower");
    host.wait(Duration::from_millis(449));
    host.fire(RaftTimer::Election);
    assert_eq!((host.role(), host.saw("election skipped")), ("follower", true), "one and a half of 300 ms");
    host.wait(Duration::from_millis(1));
    host.fire(RaftTimer::Election);
    assert_eq!(host.role(), "candidate");
}

#[test]
fn who_resigned_campaigns_where_a_leader_asks_for_it() {
    let mut host = leader(paper());
    host.order(Order::Resign);
    host.hear(s(2), append(2, at(1, 1), &[], 0));
    host.hear(s(2), timeout_now(2));
    assert_eq!(host.role(), "candidate");
}

#[test]
fn an_order_to_resign_is_nothing_to_a_follower() {
    let mut host = Host::new(paper());
    host.order(Order::Resign);
    host.fire(RaftTimer::Election);
    assert_eq!(host.role(), "candidate");
}
