//! What the nuraft preset adds, rule by rule.

use splitbrain_kernel::node::ConnectionChange;
use splitbrain_kernel::options::PerServer;
use splitbrain_kernel::time::{Duration, Instant};

use super::super::message::{Order, RaftMessage, Verdict};
use super::super::node::RaftTimer;
use super::super::options::{PriorityDecay, RaftOptions, TransportKind};
use super::super::presets::nuraft;
use super::host::{Host, accepted, append, at, heartbeat, millis, pre_vote, pre_vote_reply, s, vote, vote_reply};

/// The rules without the connections.
fn options() -> RaftOptions {
    nuraft().with(|o| {
        o.transport.kind = TransportKind::Datagram;
        o.transport.requests_in_flight = 0;
    })
}

/// `s1` with this priority among these others.
fn with_priorities(own: u64, others: [u64; 4]) -> Host {
    let mut all = PerServer::same(options());
    for (server, priority) in (1..).zip(std::iter::once(own).chain(others)) {
        all.of.insert(s(server), options().with(|o| o.priority.value = priority));
    }
    Host::of(5, all)
}

#[test]
fn the_first_timeout_comes_after_the_backoff() {
    let host = Host::new(options());
    let due = host.timers[&RaftTimer::Election].since(Instant::ZERO);
    assert!((millis(300)..=millis(550)).contains(&due), "50 ms and 250 to 500: {due}");
}

#[test]
fn a_pre_vote_speaks_of_the_present_term_and_compares_neither_logs_nor_terms() {
    let mut host = Host::new(options());
    host.hear(s(2), append(5, at(0, 0), &[5], 0));
    host.sync();
    host.take_sent();
    host.wait(millis(251));
    host.hear(s(3), pre_vote(2, at(0, 0)));
    assert_eq!(host.only_sent(), pre_vote_reply(2, Verdict::Granted), "the answer echoes the term");
    host.fire(RaftTimer::Election);
    assert_eq!(host.take_sent()[0].1, pre_vote(5, at(5, 1)));
}

#[test]
fn voter_denies_a_pre_vote_while_heartbeats_come() {
    let mut host = Host::new(options());
    host.hear(s(2), heartbeat(1));
    host.sync();
    host.take_sent();
    host.wait(millis(250));
    host.hear(s(3), pre_vote(1, at(0, 0)));
    assert_eq!(host.only_sent(), pre_vote_reply(1, Verdict::Denied));
    assert!(host.saw("pre-vote denied"));
}

#[test]
fn leader_denies_pre_votes_from_its_first_tick_on() {
    let mut host = Host::new(options());
    host.make_leader();
    host.fire(RaftTimer::Heartbeat);
    host.take_sent();
    host.hear(s(5), pre_vote(1, at(9, 9)));
    assert_eq!(host.only_sent(), pre_vote_reply(1, Verdict::Denied));
}

#[test]
fn a_vote_request_is_not_refused_for_a_leaders_sake() {
    let mut host = Host::new(options());
    host.hear(s(2), heartbeat(1));
    host.sync();
    host.take_sent();
    host.hear(s(3), vote(2, at(0, 0)));
    host.sync();
    assert_eq!(host.only_sent(), vote_reply(2, true));
}

#[test]
fn starved_server_exits_after_twenty_refusals_by_quorums() {
    let mut host = Host::new(options());
    for round in 1..=10 {
        assert!(host.exited.is_none(), "round {round}");
        host.fire(RaftTimer::Election);
        for voter in [2, 3, 4, 5] {
            // The third denial makes a quorum; it and the fourth count.
            host.hear(s(voter), pre_vote_reply(0, Verdict::Denied));
        }
    }
    assert!(host.saw("starved exit"));
    assert!(host.exited.is_some());
}

#[test]
fn an_append_clears_the_refusals() {
    let mut host = Host::new(options());
    for _ in 0..12 {
        host.fire(RaftTimer::Election);
        for voter in [2, 3, 4, 5] {
            host.hear(s(voter), pre_vote_reply(host.term(), Verdict::Denied));
        }
        host.hear(s(2), heartbeat(1));
    }
    assert!(host.exited.is_none());
}

#[test]
fn a_later_term_clears_the_refusals() {
    let mut host = Host::new(options());
    for term in 1..=12 {
        host.fire(RaftTimer::Election);
        for voter in [2, 3, 4, 5] {
            host.hear(s(voter), pre_vote_reply(host.term(), Verdict::Denied));
        }
        host.hear(s(2), vote(term, at(0, 0)));
    }
    assert!(host.exited.is_none());
}

#[test]
fn only_a_later_term_restarts_the_timer_of_a_voter() {
    let restarted = |request_term| {
        let mut host = Host::new(options());
        host.hear(s(2), append(1, at(0, 0), &[], 0));
        host.sync();
        host.wait(millis(100));
        let due = host.timers[&RaftTimer::Election];
        host.hear(s(3), vote(request_term, at(0, 0)));
        assert!(host.saw("vote granted"));
        host.timers[&RaftTimer::Election] != due
    };
    assert!(!restarted(1), "granted in its present term");
    assert!(restarted(2));
}

#[test]
fn pre_votes_are_counted_and_late_ones_with_them() {
    let mut host = Host::new(options());
    host.fire(RaftTimer::Election);
    host.fire(RaftTimer::Election);
    host.hear(s(2), pre_vote_reply(0, Verdict::Granted));
    host.hear(s(2), pre_vote_reply(0, Verdict::Granted));
    assert_eq!(host.role(), "candidate", "one of the two was of the first round");
}

#[test]
fn a_candidate_told_by_a_quorum_that_it_is_no_member_leaves() {
    let mut host = Host::new(options());
    host.fire(RaftTimer::Election);
    for voter in [2, 3, 4] {
        host.hear(s(voter), pre_vote_reply(0, Verdict::Abandoned));
    }
    host.fire(RaftTimer::Election);
    host.fire(RaftTimer::Election);
    assert!(host.saw("left"));
    assert!(!host.timers.contains_key(&RaftTimer::Election));
    host.sync();
    host.restart();
    assert!(!host.timers.contains_key(&RaftTimer::Election), "also after a restart");
    host.hear(s(2), heartbeat(1));
    assert!(host.timers.contains_key(&RaftTimer::Election), "an append brings it back");
}

#[test]
fn a_server_that_leaves_stays_while_requests_come() {
    let mut host = Host::new(options());
    host.order(Order::Leave);
    for _ in 0..4 {
        host.fire(RaftTimer::Election);
        host.hear(s(2), heartbeat(1));
    }
    assert!(!host.saw("left"));
}

#[test]
fn how_many_timeouts_a_server_waits_before_it_leaves_is_an_option() {
    for timeouts in [1, 4] {
        let mut host = Host::new(options().with(|o| o.membership.leave_timeouts = timeouts));
        host.order(Order::Leave);
        for _ in 0..timeouts {
            assert!(!host.saw("left"));
            host.fire(RaftTimer::Election);
        }
        assert!(host.saw("left"));
    }
}

#[test]
fn low_priority_waits_until_the_target_has_decayed() {
    let mut host = with_priorities(50, [100, 80, 80, 50]);
    host.hear(s(2), heartbeat(1));
    host.sync();
    assert_eq!(host.server().target_priority(), 100);
    let mut targets = Vec::new();
    while host.role() == "follower" {
        host.fire(RaftTimer::Election);
        targets.push(host.server().target_priority());
    }
    assert_eq!(targets, [100, 80, 64, 52, 42], "the first timeout after a heartbeat decays nothing");
}

#[test]
fn decay_can_go_from_tier_to_tier() {
    let mut all = PerServer::same(options().with(|o| o.priority.decay = PriorityDecay::Tiered));
    all.of.insert(s(1), all.base.clone().with(|o| o.priority.value = 50));
    all.of.insert(s(2), all.base.clone().with(|o| o.priority.value = 100));
    let mut host = Host::of(3, all);
    host.hear(s(2), heartbeat(1));
    host.fire(RaftTimer::Election);
    host.fire(RaftTimer::Election);
    assert_eq!(host.server().target_priority(), 50);
    assert_eq!(host.role(), "pre-candidate");
}

#[test]
fn voter_refuses_a_candidate_below_the_target() {
    let mut host = with_priorities(100, [100, 80, 0, 50]);
    host.hear(s(2), heartbeat(1));
    host.sync();
    host.take_sent();
    host.hear(s(3), vote(2, at(0, 0)));
    host.sync();
    assert_eq!(host.only_sent(), vote_reply(2, false));
    assert_eq!(host.server().voted_for(), None, "the vote of this term is still free");
    host.hear(s(4), vote(2, at(0, 0)));
    host.sync();
    assert_eq!(host.only_sent(), vote_reply(2, true), "one of priority 0 is not refused");
}

#[test]
fn vote_requests_lower_the_target_too() {
    let mut host = with_priorities(100, [100, 80, 80, 50]);
    host.hear(s(2), heartbeat(1));
    host.fire(RaftTimer::Election);
    host.hear(s(3), vote(2, at(0, 0)));
    assert_eq!(host.server().target_priority(), 80);
    assert!(host.saw("vote granted"));
}

#[test]
fn a_leader_of_priority_zero_gives_up_at_once() {
    let mut host = with_priorities(0, [100, 100, 100, 100]);
    let mut rounds = 0;
    while host.role() == "follower" {
        host.fire(RaftTimer::Election);
        rounds += 1;
    }
    assert!(host.now().since(Instant::ZERO) > millis(2_500), "only after 20 heartbeats: {rounds}");
    host.hear(s(2), pre_vote_reply(0, Verdict::Granted));
    host.hear(s(3), pre_vote_reply(0, Verdict::Granted));
    host.sync();
    host.hear(s(2), vote_reply(1, true));
    host.hear(s(3), vote_reply(1, true));
    assert_eq!(host.role(), "follower");
    assert!(host.saw("leader elected") && host.saw("stepped down"));
}

#[test]
fn leadership_expires_without_a_quorum() {
    let mut host = Host::new(options());
    host.make_leader();
    host.hear(s(2), accepted(1, 1));
    while host.role() == "leader" {
        host.fire(RaftTimer::Heartbeat);
    }
    let led = host.now().since(Instant::ZERO);
    assert!(led > millis(2_500) && led < millis(3_500), "{led}");
    assert!(host.saw("leadership expired"));
}

#[test]
fn leadership_of_two_never_expires() {
    let mut host = Host::of(2, PerServer::same(options()));
    host.fire(RaftTimer::Election);
    host.hear(s(2), pre_vote_reply(0, Verdict::Granted));
    host.sync();
    host.hear(s(2), vote_reply(1, true));
    for _ in 0..100 {
        host.fire(RaftTimer::Heartbeat);
    }
    assert_eq!(host.role(), "leader");
}

#[test]
fn one_of_two_takes_itself_for_a_quorum_after_a_while() {
    let adjusting = options().with(|o| o.quorum.auto_adjust = true);
    let mut host = Host::of(2, PerServer::same(adjusting));
    let mut rounds = 0;
    while host.role() != "candidate" {
        host.fire(RaftTimer::Election);
        rounds += 1;
    }
    assert_eq!(rounds, 8, "six silent rounds are seen at the seventh; the next is an election");
    host.sync();
    assert_eq!(host.role(), "leader");
    host.hear(s(2), heartbeat(9));
    assert!(host.saw("quorum restored"));
    assert_eq!(host.server().election_quorum(), 2);
}

#[test]
fn how_long_one_of_two_waits_before_it_goes_on_alone_is_an_option() {
    let of_two = |rounds, heartbeats| {
        let limits = options().with(|o| {
            o.quorum.auto_adjust_rounds = rounds;
            o.quorum.auto_adjust_heartbeats = heartbeats;
        });
        Host::of(2, PerServer::same(limits.with(|o| o.quorum.auto_adjust = true)))
    };
    let mut host = of_two(1, 20);
    for round in 1..=4 {
        assert_eq!(host.saw("quorum adjusted"), round > 3, "round {round}: two silent rounds are seen at the third");
        host.fire(RaftTimer::Election);
    }
    let mut host = of_two(5, 3);
    host.fire(RaftTimer::Election);
    host.hear(s(2), pre_vote_reply(0, Verdict::Granted));
    host.sync();
    host.hear(s(2), vote_reply(1, true));
    for heartbeat in 1..=4 {
        assert!(!host.saw("quorum adjusted"), "heartbeat {heartbeat}");
        host.fire(RaftTimer::Heartbeat);
    }
    assert!(host.saw("quorum adjusted"), "four heartbeats are more than three");
}

#[test]
fn a_lagging_state_machine_waits_for_its_grace_period() {
    let mut host = Host::new(options().with(|o| o.timing.lagging_grace = Duration::from_secs(2)));
    host.hear(s(2), append(1, at(0, 0), &[1, 1], 0));
    host.sync();
    host.restart();
    let restarted = host.now();
    while host.role() != "candidate" {
        host.fire(RaftTimer::Election);
        for voter in [2, 3] {
            host.hear(s(voter), pre_vote_reply(1, Verdict::Granted));
        }
    }
    assert!(host.now().since(restarted) >= Duration::from_secs(2));
    assert!(host.saw("election skipped"));
}

#[test]
fn a_server_that_catches_up_does_not_campaign_and_grants() {
    let mut host = Host::new(options());
    host.order(Order::CatchingUp(true));
    host.sync();
    host.restart();
    assert!(host.server().hard_state().catching_up, "the flag is durable");
    assert!(!host.timers.contains_key(&RaftTimer::Election));
    host.hear(s(2), heartbeat(1));
    host.sync();
    host.take_sent();
    host.hear(s(3), pre_vote(1, at(0, 0)));
    assert_eq!(host.only_sent(), pre_vote_reply(1, Verdict::Granted));
    host.order(Order::CatchingUp(false));
    host.fire(RaftTimer::Election);
    assert_eq!(host.role(), "pre-candidate");
}

#[test]
fn a_server_that_receives_a_snapshot_does_not_campaign() {
    let mut host = Host::new(options());
    host.order(Order::ReceivingSnapshot(true));
    host.sync();
    host.restart();
    for _ in 0..5 {
        host.fire(RaftTimer::Election);
    }
    assert_eq!(host.role(), "follower");
    host.order(Order::ReceivingSnapshot(false));
    host.fire(RaftTimer::Election);
    assert_eq!(host.role(), "pre-candidate");
}

#[test]
fn a_start_can_wait_for_the_first_append() {
    let mut host = Host::new(options().with(|o| o.timing.skip_first_timeout = true));
    assert!(!host.timers.contains_key(&RaftTimer::Election));
    host.hear(s(2), heartbeat(1));
    assert!(host.timers.contains_key(&RaftTimer::Election));
}

#[test]
fn an_append_that_does_not_fit_counts_as_a_heartbeat_but_leaves_the_timer() {
    let mut host = Host::new(options());
    host.hear(s(2), heartbeat(1));
    let due = host.timers[&RaftTimer::Election];
    host.wait(millis(100));
    host.hear(s(2), append(1, at(1, 7), &[], 0));
    assert_eq!(host.timers[&RaftTimer::Election], due);
    assert_eq!(host.server().contact_at(), Some(host.now()));
}

// ---- Connections ----

/// Every connection that was asked for since the last look is open.
fn open_all(host: &mut Host) -> Vec<splitbrain_kernel::node::ConnectionId> {
    let opened = std::mem::take(&mut host.connected);
    for (connection, peer) in opened.iter().zip(2..) {
        host.connection(*connection, s(peer), ConnectionChange::Opened);
    }
    opened
}

#[test]
fn a_request_waits_for_its_connection_and_one_is_in_flight() {
    let mut host = Host::new(nuraft());
    host.fire(RaftTimer::Election);
    assert!(host.sent.is_empty());
    let opened = open_all(&mut host);
    assert_eq!(host.take_sent().len(), 4);
    for (peer, connection) in [(2, opened[0]), (3, opened[1])] {
        host.hear_over(s(peer), Some(connection), pre_vote_reply(0, Verdict::Granted));
    }
    host.sync();
    let asked: Vec<_> = host.take_sent().iter().map(|(target, _)| *target).collect();
    assert_eq!(asked, [2, 3].map(s), "s4 and s5 have not answered: they are not asked for votes");
}

#[test]
fn a_request_that_waited_too_long_is_not_sent() {
    let mut host = Host::new(nuraft());
    host.fire(RaftTimer::Election);
    host.hear(s(2), heartbeat(3));
    host.sync();
    host.take_sent();
    open_all(&mut host);
    assert!(host.take_sent().is_empty(), "it follows in term 3, and asks nobody in term 0");
}

#[test]
fn a_lost_connection_frees_its_peer_after_a_backoff() {
    let mut host = Host::new(nuraft());
    host.fire(RaftTimer::Election);
    let opened = std::mem::take(&mut host.connected);
    host.connection(opened[0], s(2), ConnectionChange::Refused);
    host.fire(RaftTimer::Election);
    assert_eq!(host.connected.len(), 1, "the others are still opening");
}

#[test]
fn a_server_that_cannot_ask_a_quorum_exits() {
    let mut host = Host::new(nuraft().with(|o| o.transport.reconnect_after = Duration::ZERO));
    host.fire(RaftTimer::Election);
    open_all(&mut host);
    let mut rounds = 1;
    while host.exited.is_none() {
        host.fire(RaftTimer::Election);
        rounds += 1;
        assert!(rounds < 50, "it exits");
    }
    assert_eq!(rounds, 22, "the first round was asked, 21 more were not");
}

#[test]
fn rounds_in_which_a_quorum_could_not_be_asked_are_counted_for_ever() {
    let stuck = nuraft().with(|o| {
        o.pre_vote.exit_after_busy_rounds = 3;
        o.transport.reconnect_after = Duration::ZERO;
        o.transport.reconnect_on_pre_vote = false;
    });
    let mut host = Host::new(stuck);
    host.fire(RaftTimer::Election);
    open_all(&mut host);
    let busy_rounds = |host: &mut Host| (0..2).for_each(|_| host.fire(RaftTimer::Election));
    busy_rounds(&mut host);
    host.hear(s(2), heartbeat(0));
    assert!(host.exited.is_none());
    busy_rounds(&mut host);
    assert!(host.exited.is_some(), "an append in between takes nothing back");
}

#[test]
fn the_first_round_after_a_leader_opens_every_connection_anew() {
    let mut host = Host::new(nuraft());
    host.fire(RaftTimer::Election);
    open_all(&mut host);
    host.hear(s(2), heartbeat(1));
    host.sync();
    host.take_sent();
    host.fire(RaftTimer::Election);
    assert_eq!(host.connected.len(), 4);
}

#[test]
fn heartbeats_go_over_the_connections() {
    let mut host = Host::new(nuraft());
    host.fire(RaftTimer::Election);
    let opened = open_all(&mut host);
    let reply = |host: &mut Host, message: RaftMessage| {
        for (peer, connection) in (2..).zip(&opened) {
            host.hear_over(s(peer), Some(*connection), message.clone());
        }
    };
    reply(&mut host, pre_vote_reply(0, Verdict::Granted));
    host.sync();
    reply(&mut host, vote_reply(1, true));
    host.sync();
    reply(&mut host, accepted(1, 1));
    assert_eq!(host.server().commit().0, 1);
    host.take_sent();
    host.fire(RaftTimer::Heartbeat);
    assert_eq!(host.take_sent().len(), 4);
    host.fire(RaftTimer::Heartbeat);
    assert!(host.take_sent().is_empty(), "nobody has answered the last one");
}
