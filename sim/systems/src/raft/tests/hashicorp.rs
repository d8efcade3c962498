//! What the hashicorp preset adds: a polled heartbeat timeout, refusal while a leader is known, a leader lease.

use super::super::message::Verdict;
use super::super::node::RaftTimer;
use super::super::options::{RaftOptions, TransportKind};
use super::super::presets::hashicorp;
use super::host::{Host, accepted, at, heartbeat, millis, pre_vote, pre_vote_reply, s, vote, vote_reply};

/// The rules without the connections.
fn options() -> RaftOptions {
    hashicorp().with(|o| o.transport.kind = TransportKind::Datagram)
}

#[test]
fn a_polled_timer_runs_through_and_asks_for_the_last_contact() {
    let mut host = Host::new(options());
    let due = host.timers[&RaftTimer::Election];
    host.wait(millis(900));
    host.hear(s(2), heartbeat(1));
    host.sync();
    assert_eq!(host.timers[&RaftTimer::Election], due, "a heartbeat moves no timer");
    host.fire(RaftTimer::Election);
    if host.now().since(host.server().timer_started_at()) < millis(1_000) {
        assert_eq!(host.role(), "follower", "the contact is fresh");
        host.fire(RaftTimer::Election);
    }
    assert_eq!(host.role(), "pre-candidate", "the contact is at least a timeout old");
}

#[test]
fn a_known_leader_is_reason_enough_to_refuse() {
    let mut host = Host::new(options());
    host.hear(s(2), heartbeat(1));
    host.sync();
    host.take_sent();
    host.wait(millis(900));
    host.hear(s(3), vote(5, at(9, 9)));
    assert_eq!(host.only_sent(), vote_reply(1, false), "and the term stays");
    host.hear(s(3), pre_vote(5, at(9, 9)));
    assert_eq!(host.only_sent(), pre_vote_reply(1, Verdict::Denied));
    host.hear(s(2), pre_vote(2, at(9, 9)));
    assert_eq!(
        host.only_sent(),
        pre_vote_reply(2, Verdict::Granted),
        "the leader itself is no reason (hashicorp #606)"
    );
}

#[test]
fn a_leader_whose_lease_is_over_steps_down() {
    let mut host = Host::new(options());
    host.make_leader();
    host.wait(millis(300));
    host.hear(s(2), accepted(1, 1));
    host.hear(s(3), accepted(1, 1));
    let contact = host.now();
    host.fire(RaftTimer::CheckQuorum);
    host.fire(RaftTimer::CheckQuorum);
    assert_eq!(host.role(), "leader", "only s4 and s5 have been silent since the election");
    assert_eq!(host.timers[&RaftTimer::CheckQuorum], contact + millis(500), "when the oldest contact that counts ends");
    host.fire(RaftTimer::CheckQuorum);
    host.fire(RaftTimer::CheckQuorum);
    assert_eq!(host.role(), "follower");
    assert!(host.saw("leadership expired"));
}

#[test]
fn a_leader_that_hears_from_a_quorum_goes_on() {
    let mut host = Host::new(options());
    host.make_leader();
    for _ in 0..20 {
        host.wait(millis(100));
        host.hear(s(2), accepted(1, 1));
        host.hear(s(3), accepted(1, 1));
        while host.timers[&RaftTimer::CheckQuorum] <= host.now() {
            host.fire(RaftTimer::CheckQuorum);
        }
    }
    assert_eq!(host.role(), "leader");
}
