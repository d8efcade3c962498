//! The log behind elections: replication, commit, and what clients are told.

use splitbrain_kernel::context::OperationId;
use splitbrain_kernel::id::NodeId;

use super::super::ids::{Index, Term};
use super::super::message::{AppendResult, Command, Entry, Operation, Order, ProposeResult, RaftMessage, Response};
use super::super::node::RaftTimer;
use super::super::options::{CommitCounts, ConflictHint, MatchedAtElection, RaftOptions};
use super::super::presets::paper;
use super::host::{Host, accepted, append, at, heartbeat, s, system, vote_reply};

const C1: NodeId = NodeId::client(1);

fn propose(value: u64) -> RaftMessage {
    RaftMessage::Propose { operation: OperationId(value), value }
}

fn entries(message: &RaftMessage) -> usize {
    match message {
        RaftMessage::Append(append) => append.entries.len(),
        other => panic!("an append, not {other:?}"),
    }
}

#[test]
fn an_append_is_acknowledged_once_it_is_durable() {
    let mut host = Host::new(paper());
    host.hear(s(2), heartbeat(1));
    host.sync();
    host.take_sent();
    host.hear(s(2), append(1, at(0, 0), &[1, 1], 0));
    assert!(host.sent.is_empty());
    host.sync();
    assert_eq!(host.only_sent(), accepted(1, 2));
}

#[test]
fn follower_refuses_what_does_not_fit_and_says_where_it_is() {
    let mut host = Host::new(paper());
    host.hear(s(2), append(1, at(0, 0), &[1], 0));
    host.sync();
    host.take_sent();
    host.hear(s(2), append(1, at(1, 5), &[], 0));
    let hint = at(1, 1);
    let result = AppendResult::Rejected { previous: Index(5), hint };
    assert_eq!(host.only_sent(), RaftMessage::AppendReply { term: super::super::ids::Term(1), result });
}

#[test]
fn follower_drops_only_what_contradicts() {
    let mut host = Host::new(paper());
    host.hear(s(2), append(1, at(0, 0), &[1, 1, 1], 0));
    host.hear(s(2), append(1, at(0, 0), &[1, 1], 0));
    assert_eq!(host.server().log().last(), at(1, 3), "a late append takes nothing away");
    host.hear(s(3), append(2, at(1, 1), &[2], 0));
    assert_eq!(host.server().log().last(), at(2, 2));
    assert!(host.saw("log truncated"));
    host.sync();
    host.restart();
    assert_eq!(host.server().log().last(), at(2, 2), "the disk has the same");
}

#[test]
fn follower_commits_no_further_than_what_the_append_shows() {
    let mut host = Host::new(paper());
    host.hear(s(2), append(1, at(0, 0), &[1, 1, 1], 0));
    host.hear(s(3), append(2, at(1, 1), &[], 3));
    assert_eq!(host.server().commit(), Index(1), "2 and 3 may contradict the new leader");
}

#[test]
fn leader_commits_its_first_entry_and_applies_it() {
    let mut host = Host::new(paper());
    host.make_leader();
    host.hear(s(2), accepted(1, 1));
    assert_eq!(host.server().commit(), Index(0), "two of five");
    host.hear(s(3), accepted(1, 1));
    assert_eq!(host.server().commit(), Index(1));
    assert_eq!(host.take_observed(), ["committed", "applied"]);
}

#[test]
fn leader_counts_itself_once_its_entry_is_durable() {
    let mut host = Host::of(3, splitbrain_kernel::options::PerServer::same(paper()));
    host.make_candidate();
    host.hear(s(2), vote_reply(1, true));
    assert_eq!(host.role(), "leader");
    host.hear(s(2), accepted(1, 1));
    assert_eq!(host.server().commit(), Index(0), "s2 has it durably, the leader not yet");
    host.sync();
    assert_eq!(host.server().commit(), Index(1));
}

#[test]
fn leader_commits_only_in_its_own_term() {
    // Figure 8: an entry of an older term on a majority is not committed by counting.
    let mut host = Host::new(paper().with(|o| o.log.noop = false));
    host.hear(s(2), append(1, at(0, 0), &[1], 0));
    host.sync();
    host.make_leader();
    assert_eq!(host.term(), 2);
    for follower in [2, 3, 4] {
        host.hear(s(follower), accepted(2, 1));
    }
    assert_eq!(host.server().commit(), Index(0));
    host.hear(C1, propose(7));
    host.sync();
    for follower in [2, 3] {
        host.hear(s(follower), accepted(2, 2));
    }
    assert_eq!(host.server().commit(), Index(2), "its own entry commits the older one with it");
}

/// `s1` leads term 1, `s2` follows closely, and nothing is under way.
fn replicating(options: RaftOptions) -> Host {
    let mut host = Host::new(options);
    host.make_leader();
    host.hear(s(2), accepted(1, 1));
    host.sync();
    host.take_sent();
    host
}

#[test]
fn appends_ahead_of_their_answers_are_bounded() {
    let mut host = replicating(paper().with(|o| o.log.appends_in_flight = 2));
    for value in [7, 8, 9] {
        host.hear(C1, propose(value));
    }
    let sent = host.take_sent();
    assert_eq!(sent.iter().map(|(_, append)| entries(append)).collect::<Vec<_>>(), [1, 1], "the third one waits");
    host.fire(RaftTimer::Heartbeat);
    let (_, beat) = host.take_sent().into_iter().find(|(target, _)| *target == s(2)).expect("heartbeats go on");
    assert_eq!(entries(&beat), 0);
    host.hear(s(2), accepted(1, 2));
    assert_eq!(entries(&host.only_sent()), 1, "an answer makes room");
}

#[test]
fn an_append_holds_no_more_bytes_than_it_may() {
    let three = 3 * u64::from(Entry { term: Term(1), command: Command::Set(0_u64) }.wire_size());
    let mut host = Host::new(paper().with(|o| o.log.append_bytes_max = three));
    host.make_leader();
    for value in 1..=9 {
        host.hear(C1, propose(value));
    }
    host.sync();
    host.take_sent();
    host.hear(s(2), accepted(1, 1));
    assert_eq!(entries(&host.only_sent()), 3);
}

#[test]
fn without_parallel_append_nothing_is_sent_before_the_own_disk_has_it() {
    let mut host = replicating(paper().with(|o| o.log.parallel_append = false));
    host.hear(C1, propose(7));
    assert!(host.take_sent().is_empty(), "it is written first");
    host.fire(RaftTimer::Heartbeat);
    let (_, beat) = host.take_sent().into_iter().find(|(target, _)| *target == s(2)).expect("heartbeats go on");
    assert_eq!(entries(&beat), 0, "they do not wait for the disk");
    host.sync();
    assert_eq!(entries(&host.only_sent()), 1);
    let mut host = replicating(paper());
    host.hear(C1, propose(7));
    assert_eq!(entries(&host.only_sent()), 1, "both at once");
}

#[test]
fn a_linear_hint_is_the_followers_last_place_and_leads_back_one_by_one() {
    let linear = paper().with(|o| o.log.conflict_hint = ConflictHint::Linear);
    let mut host = Host::new(linear);
    host.hear(s(2), append(1, at(0, 0), &[1, 1, 1], 0));
    host.hear(s(3), append(2, at(2, 2), &[], 0));
    host.sync();
    let (_, reply) = host.take_sent().pop().expect("it answers");
    let hint = at(1, 3);
    let refused = |previous, hint| AppendResult::Rejected { previous: Index(previous), hint };
    assert_eq!(reply, RaftMessage::AppendReply { term: Term(2), result: refused(2, hint) });
    host.make_leader();
    let term = host.server().term();
    let previous = |message: RaftMessage| match message {
        RaftMessage::Append(append) => append.previous.index,
        other => panic!("an append, not {other:?}"),
    };
    for at_place in [3, 2] {
        let result = refused(at_place, at(2, 9));
        host.hear(s(4), RaftMessage::AppendReply { term, result });
        assert_eq!(previous(host.only_sent()), Index(at_place - 1), "one back, though the terms say more");
    }
    let result = refused(3, at(1, 0));
    host.hear(s(5), RaftMessage::AppendReply { term, result });
    assert_eq!(previous(host.only_sent()), Index(0), "a shorter log is jumped to");
}

#[test]
fn with_any_term_copies_of_older_terms_are_committed() {
    let options = paper().with(|o| {
        o.log.noop = false;
        o.log.commit_counts = CommitCounts::AnyTerm;
    });
    let mut host = Host::new(options);
    host.hear(s(2), append(1, at(0, 0), &[1], 0));
    host.sync();
    host.make_leader();
    for follower in [2, 3] {
        host.hear(s(follower), accepted(2, 1));
    }
    assert_eq!(host.server().commit(), Index(1));
}

#[test]
fn what_an_earlier_leadership_knew_counts_only_if_it_is_kept() {
    let commits = |matched_at_election| {
        let mut host = Host::new(paper().with(|o| o.log.matched_at_election = matched_at_election));
        host.make_leader();
        host.order(Order::Append(4));
        host.sync();
        host.hear(s(2), accepted(1, 5));
        host.hear(s(3), heartbeat(2));
        host.make_leader();
        host.hear(s(4), accepted(3, 6));
        // The entry at 6 is of its own term; s2 is known to have had place 5.
        host.server().commit()
    };
    assert_eq!(commits(MatchedAtElection::Reset), Index(0));
    assert_eq!(commits(MatchedAtElection::Kept), Index(0), "place 5 is of an older term");
    let kept = paper().with(|o| {
        o.log.matched_at_election = MatchedAtElection::Kept;
        o.log.commit_counts = CommitCounts::AnyTerm;
    });
    let mut host = Host::new(kept);
    host.make_leader();
    host.order(Order::Append(4));
    host.sync();
    host.hear(s(2), accepted(1, 5));
    host.hear(s(3), heartbeat(2));
    host.make_leader();
    host.hear(s(4), accepted(3, 6));
    assert_eq!(host.server().commit(), Index(5), "s1, s4 and what s2 once had");
}

#[test]
fn leader_steps_back_to_where_the_logs_can_agree() {
    let mut host = Host::new(paper());
    host.hear(s(2), append(1, at(0, 0), &[1, 1, 1], 0));
    host.sync();
    host.make_leader();
    let hint = at(0, 0);
    let result = AppendResult::Rejected { previous: Index(3), hint };
    host.hear(s(4), RaftMessage::AppendReply { term: host.server().term(), result });
    assert_eq!(entries(&host.only_sent()), 4, "everything from the first entry on");
    host.hear(s(4), RaftMessage::AppendReply { term: host.server().term(), result });
    assert!(host.take_sent().is_empty(), "a late rejection is not acted upon twice");
}

#[test]
fn lost_appends_show_at_the_next_heartbeat() {
    let mut host = Host::new(paper());
    host.make_leader();
    host.hear(s(2), accepted(1, 1));
    host.hear(C1, propose(7));
    host.sync();
    let sent = host.take_sent();
    assert_eq!(sent.len(), 1, "only s2 is known to agree: {sent:?}");
    // It was lost; the next heartbeat goes ahead of it and is refused.
    host.fire(RaftTimer::Heartbeat);
    let (_, ahead) = host.take_sent().remove(0);
    assert_eq!(entries(&ahead), 0);
    let result = AppendResult::Rejected { previous: Index(2), hint: at(1, 1) };
    host.hear(s(2), RaftMessage::AppendReply { term: host.server().term(), result });
    assert_eq!(entries(&host.only_sent()), 1);
}

#[test]
fn a_proposal_is_answered_when_it_is_committed() {
    let mut host = Host::new(paper());
    host.make_leader();
    host.hear(C1, propose(7));
    host.sync();
    host.hear(s(2), accepted(1, 2));
    host.take_sent();
    host.hear(s(3), accepted(1, 2));
    let result = ProposeResult::Committed { index: Index(2) };
    let reply = RaftMessage::ProposeReply { operation: OperationId(7), result };
    assert_eq!(host.take_sent()[0], (C1, reply));
    assert_eq!(host.server().log().get(Index(2)).expect("it is there").command, Command::Set(7));
}

#[test]
fn a_leader_that_steps_down_does_not_know_what_becomes_of_its_proposals() {
    let mut host = Host::new(paper());
    host.make_leader();
    host.hear(C1, propose(7));
    host.sync();
    host.take_sent();
    host.order(Order::StepDown);
    let result = ProposeResult::Unknown;
    assert_eq!(host.only_sent(), RaftMessage::ProposeReply { operation: OperationId(7), result });
}

#[test]
fn a_follower_names_its_leader_to_clients() {
    let mut host = Host::new(paper());
    host.hear(s(4), heartbeat(1));
    host.sync();
    host.take_sent();
    host.hear(C1, propose(7));
    let result = ProposeResult::NotLeader { leader: Some(s(4)) };
    assert_eq!(host.only_sent(), RaftMessage::ProposeReply { operation: OperationId(7), result });
}

#[test]
fn a_client_follows_hints_and_gives_up_unknowing() {
    let five = system(5, splitbrain_kernel::options::PerServer::same(paper()));
    let mut client = Host::node(C1, five);
    client.ask(Operation::Propose { value: 7 });
    assert_eq!(client.take_sent()[0].0, s(1));
    let redirect =
        |leader| RaftMessage::ProposeReply { operation: OperationId(0), result: ProposeResult::NotLeader { leader } };
    client.hear(s(1), redirect(Some(s(4))));
    assert_eq!(client.take_sent()[0].0, s(4));
    client.hear(s(4), redirect(None));
    assert!(client.sent.is_empty(), "without a hint it waits");
    client.fire(RaftTimer::Retry);
    assert_eq!(client.take_sent()[0].0, s(5));
    client.fire(RaftTimer::Proposal);
    assert_eq!(client.completed, [None]);
}

#[test]
fn a_client_does_one_thing_at_a_time() {
    let five = system(5, splitbrain_kernel::options::PerServer::same(paper()));
    let mut client = Host::node(C1, five);
    for value in [7, 8] {
        client.ask(Operation::Propose { value });
    }
    assert_eq!(client.take_sent().len(), 1);
    let result = ProposeResult::Committed { index: Index(3) };
    client.hear(s(1), RaftMessage::ProposeReply { operation: OperationId(0), result });
    assert_eq!(client.completed, [Some(Response::Committed { index: Index(3) })]);
    assert_eq!(client.only_sent(), RaftMessage::Propose { operation: OperationId(1), value: 8 });
}
