//! What the etcd preset adds: pre-votes that speak of the next term, leases, check-quorum.

use splitbrain_kernel::time::Duration;

use super::super::message::{RaftMessage, Verdict};
use super::super::node::RaftTimer;
use super::super::options::{RaftOptions, ReplyWhen};
use super::super::presets::etcd;
use super::host::{Host, accepted, append, at, heartbeat, millis, pre_vote, pre_vote_reply, s, vote, vote_reply};

#[test]
fn a_round_of_pre_votes_leaves_the_term() {
    let mut host = Host::new(etcd());
    host.fire(RaftTimer::Election);
    assert_eq!((host.term(), host.role()), (0, "pre-candidate"));
    assert_eq!(host.sent.len(), 4, "nothing durable changes, so nothing waits");
    assert_eq!(host.take_sent()[0].1, pre_vote(1, at(0, 0)));
    host.hear(s(2), pre_vote_reply(1, Verdict::Granted));
    host.hear(s(2), pre_vote_reply(1, Verdict::Granted));
    assert_eq!(host.role(), "pre-candidate", "one voter counts once");
    host.hear(s(3), pre_vote_reply(1, Verdict::Granted));
    assert_eq!((host.term(), host.role()), (1, "candidate"));
}

#[test]
fn a_pre_vote_changes_nothing_at_the_voter() {
    let mut host = Host::new(etcd());
    let (hard, timers) = (*host.server().hard_state(), host.timers.clone());
    host.wait(millis(5));
    host.hear(s(2), pre_vote(9, at(0, 0)));
    assert_eq!(host.only_sent(), pre_vote_reply(9, Verdict::Granted), "with the proposed term");
    assert_eq!(*host.server().hard_state(), hard);
    assert_eq!(host.timers, timers);
    assert_eq!(host.server().contact_at(), None);
}

#[test]
fn a_refused_pre_vote_carries_the_voters_term() {
    let mut host = Host::new(etcd());
    host.hear(s(2), append(4, at(0, 0), &[4], 0));
    host.sync();
    host.take_sent();
    host.wait(millis(2_500));
    host.hear(s(3), pre_vote(5, at(0, 0)));
    assert_eq!(host.only_sent(), pre_vote_reply(4, Verdict::Denied), "its log is behind");
    host.hear(s(3), pre_vote(2, at(9, 9)));
    assert_eq!(host.only_sent(), pre_vote_reply(4, Verdict::Denied), "its term is over");
}

#[test]
fn a_refusal_with_a_later_term_is_learned_from() {
    let mut host = Host::new(etcd());
    host.fire(RaftTimer::Election);
    host.hear(s(2), pre_vote_reply(7, Verdict::Denied));
    assert_eq!((host.term(), host.role()), (7, "follower"));
}

#[test]
fn pre_candidate_steps_back_when_a_quorum_refuses() {
    let mut host = Host::new(etcd());
    host.fire(RaftTimer::Election);
    for voter in [2, 3, 4] {
        host.hear(s(voter), pre_vote_reply(0, Verdict::Denied));
    }
    assert_eq!(host.role(), "follower");
    assert!(host.saw("pre-vote lost"));
}

#[test]
fn pre_candidate_forgets_its_leader() {
    let mut host = Host::new(etcd());
    host.hear(s(2), heartbeat(1));
    host.sync();
    host.fire(RaftTimer::Election);
    assert_eq!(host.server().leader(), None);
    host.take_sent();
    host.hear(s(3), pre_vote(2, at(0, 0)));
    assert_eq!(host.only_sent(), pre_vote_reply(2, Verdict::Granted));
}

#[test]
fn a_lease_ignores_votes_and_pre_votes_silently() {
    let mut host = Host::new(etcd());
    host.hear(s(2), heartbeat(1));
    host.sync();
    host.take_sent();
    host.wait(millis(999));
    host.hear(s(3), vote(5, at(9, 9)));
    host.hear(s(3), pre_vote(5, at(9, 9)));
    assert!(host.take_sent().is_empty());
    assert_eq!(host.term(), 1, "nor is the later term adopted");
    host.wait(millis(1));
    host.hear(s(3), vote(5, at(9, 9)));
    host.sync();
    assert_eq!(host.only_sent(), vote_reply(5, true), "the lease is over");
}

#[test]
fn a_lease_needs_check_quorum() {
    let options = etcd().with(|o| o.check_quorum.timeout = Duration::ZERO);
    let mut host = Host::new(options);
    host.hear(s(2), heartbeat(1));
    host.sync();
    host.take_sent();
    host.hear(s(3), pre_vote(2, at(9, 9)));
    assert_eq!(host.only_sent(), pre_vote_reply(2, Verdict::Granted), "although a leader lives");
}

#[test]
fn a_stale_append_is_answered_with_pre_vote_or_check_quorum_only() {
    let ask = |options: RaftOptions| {
        let mut host = Host::new(options);
        host.hear(s(2), heartbeat(5));
        host.sync();
        host.take_sent();
        host.hear(s(3), heartbeat(4));
        host.take_sent().len()
    };
    assert_eq!(ask(etcd()), 1);
    assert_eq!(ask(etcd().with(|o| o.pre_vote.enabled = false)), 1);
    let neither = etcd().with(|o| {
        o.pre_vote.enabled = false;
        o.check_quorum.timeout = Duration::ZERO;
    });
    assert_eq!(ask(neither.clone()), 0);
    assert_eq!(ask(neither.with(|o| o.log.stale_append_reply = ReplyWhen::Always)), 1);
}

#[test]
fn leader_without_answers_in_a_window_steps_down() {
    let mut host = Host::new(etcd());
    host.make_leader();
    host.hear(s(2), accepted(1, 1));
    host.hear(s(3), accepted(1, 1));
    host.fire(RaftTimer::CheckQuorum);
    assert_eq!(host.role(), "leader");
    host.hear(s(2), accepted(1, 1));
    host.fire(RaftTimer::CheckQuorum);
    assert_eq!(host.role(), "follower", "one answer and its own are no quorum of five");
    assert!(host.saw("quorum lost"));
    assert_eq!(host.term(), 1);
    assert_eq!(host.server().leader(), None);
}

#[test]
fn a_later_term_restarts_the_timer_even_of_one_who_refuses() {
    let mut host = Host::new(etcd());
    host.hear(s(2), append(1, at(0, 0), &[1], 0));
    host.sync();
    host.wait(millis(1_500));
    host.hear(s(3), vote(2, at(0, 0)));
    host.sync();
    assert!(host.saw("vote denied"));
    assert!(host.timers[&RaftTimer::Election] >= host.now() + millis(1_000));
}

#[test]
fn a_timeout_is_drawn_once_a_term() {
    let mut host = Host::new(etcd());
    host.hear(s(2), heartbeat(1));
    let first = host.timers[&RaftTimer::Election].since(host.now());
    for _ in 0..5 {
        host.wait(millis(100));
        host.hear(s(2), heartbeat(1));
        assert_eq!(host.timers[&RaftTimer::Election].since(host.now()), first);
    }
}

#[test]
fn a_vote_of_an_earlier_term_gets_no_answer() {
    let mut host = Host::new(etcd());
    host.hear(s(2), heartbeat(5));
    host.sync();
    host.take_sent();
    host.wait(millis(5_000));
    host.hear(s(3), vote(4, at(9, 9)));
    assert!(host.take_sent().is_empty());
    assert!(matches!(host.observed.last(), Some(told) if format!("{told:?}").contains("StaleTerm")));
}

#[test]
fn a_single_voter_needs_no_pre_votes() {
    let mut host = Host::of(1, splitbrain_kernel::options::PerServer::same(etcd()));
    host.fire(RaftTimer::Election);
    host.sync();
    assert_eq!(host.role(), "leader");
    assert!(host.take_sent().iter().all(|(_, message)| !matches!(message, RaftMessage::PreVote(_))));
}
