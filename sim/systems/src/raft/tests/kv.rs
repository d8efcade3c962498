//! The key-value store between a client and a leader: sessions, retries, and what is certain.

use splitbrain_kernel::context::{OperationId, OperationResult};
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::options::PerServer;

use super::super::ids::Index;
use super::super::kv::{Answer, Call, CallResult, Operation as Asked, SessionId};
use super::super::message::{Operation, Order, RaftMessage, Response};
use super::super::node::RaftTimer;
use super::super::options::{OnRefusal, RaftOptions};
use super::super::presets::paper;
use super::host::{Host, accepted, s, system};

const C1: NodeId = NodeId::client(1);
const PUT: Asked = Asked::Put { key: 7, value: 8 };

const fn run(sequence: u64) -> Call {
    Call::Run { session: SessionId(2), sequence, operation: PUT }
}

fn request(call: Call) -> RaftMessage {
    RaftMessage::Request { operation: OperationId(0), call: Box::new(call) }
}

const fn reply(result: CallResult) -> RaftMessage {
    RaftMessage::Reply { operation: OperationId(0), result }
}

fn answered(index: u64, answer: Answer) -> RaftMessage {
    reply(CallResult::Answered { index: Index(index), answer })
}

fn opened() -> RaftMessage {
    answered(2, Answer::Opened(SessionId(2)))
}

/// A client that was asked to put a value, and has asked `s1` for a session.
fn client(options: RaftOptions) -> Host {
    let mut host = Host::node(C1, system(5, PerServer::same(options)));
    host.ask(Operation::Kv(PUT));
    assert_eq!(host.take_sent(), [(s(1), request(Call::Open))]);
    host
}

/// The same, with its session open and the operation under way.
fn client_in_session(options: RaftOptions) -> Host {
    let mut host = client(options);
    host.hear(s(1), opened());
    assert_eq!(host.take_sent(), [(s(1), request(run(1)))]);
    host
}

// ---- The leader ----

#[test]
fn a_leader_answers_what_the_store_made_of_a_command_once_it_is_committed() {
    let mut host = Host::new(paper());
    host.make_leader();
    host.hear(C1, request(Call::Open));
    host.hear(C1, request(run(1)));
    host.hear(C1, request(run(1)));
    host.sync();
    host.take_sent();
    host.hear(s(2), accepted(1, 4));
    assert!(!host.sent.iter().any(|(to, _)| *to == C1), "two of five");
    host.hear(s(3), accepted(1, 4));
    let told: Vec<_> = host.take_sent().into_iter().filter(|(to, _)| *to == C1).map(|(_, message)| message).collect();
    assert_eq!(told, [opened(), answered(3, Answer::Done), answered(4, Answer::Done)]);
    assert_eq!(host.server().store().get(7), [8]);
    let names = host.take_observed();
    assert_eq!(names.iter().filter(|name| **name == "executed").count(), 2);
    assert_eq!(names.iter().filter(|name| **name == "repeated").count(), 1);
}

#[test]
fn a_leader_that_steps_down_does_not_know() {
    let mut host = Host::new(paper());
    host.make_leader();
    host.hear(C1, request(run(1)));
    host.sync();
    host.take_sent();
    host.order(Order::StepDown);
    assert_eq!(host.only_sent(), reply(CallResult::Unknown));
}

#[test]
fn a_server_that_starts_again_has_its_store_from_the_log() {
    let mut host = Host::new(paper());
    host.make_leader();
    host.hear(C1, request(Call::Open));
    host.hear(C1, request(run(1)));
    host.sync();
    host.hear(s(2), accepted(1, 3));
    host.hear(s(3), accepted(1, 3));
    let store = host.server().store().clone();
    host.restart();
    assert!(host.server().store().get(7).is_empty());
    host.hear(s(2), super::host::append(2, super::host::at(1, 3), &[], 3));
    assert_eq!(*host.server().store(), store);
}

// ---- The client ----

#[test]
fn a_client_opens_a_session_and_completes_with_the_answer() {
    let mut host = client_in_session(paper());
    host.hear(s(1), answered(3, Answer::Done));
    let response = Response::Answered { index: Index(3), answer: Answer::Done };
    assert_eq!(host.ended, [OperationResult::Ok(response)]);
    assert!(!host.timers.contains_key(&RaftTimer::Request) && !host.timers.contains_key(&RaftTimer::Proposal));
}

#[test]
fn a_read_needs_no_session() {
    let mut host = Host::node(C1, system(5, PerServer::same(paper())));
    host.ask(Operation::Kv(Asked::Get { key: 7 }));
    assert_eq!(host.take_sent(), [(s(1), request(Call::Read { key: 7 }))]);
}

#[test]
fn a_retry_has_the_same_number_and_goes_to_the_next_server_after_a_while() {
    let mut host = client_in_session(paper());
    let mut waits = Vec::new();
    for server in [2, 3, 4] {
        host.fire(RaftTimer::Request);
        let from = host.now();
        assert!(host.take_sent().is_empty(), "it waits first");
        host.fire(RaftTimer::Retry);
        waits.push(host.now().since(from).as_millis());
        assert_eq!(host.take_sent(), [(s(server), request(run(1)))]);
    }
    assert!(
        (5..=10).contains(&waits[0]) && (10..=20).contains(&waits[1]) && (20..=40).contains(&waits[2]),
        "{waits:?}"
    );
}

#[test]
fn a_redirect_is_followed_at_once_but_not_for_ever() {
    let mut host = client_in_session(paper());
    for round in 0..5 {
        let (from, to) = (s(1 + round % 2), s(2 - round % 2));
        host.hear(from, reply(CallResult::NotLeader { leader: Some(to) }));
        assert_eq!(host.take_sent(), [(to, request(run(1)))]);
    }
    host.hear(s(2), reply(CallResult::NotLeader { leader: Some(s(1)) }));
    assert!(host.take_sent().is_empty(), "six redirects among five servers lead nowhere");
    assert!(host.timers.contains_key(&RaftTimer::Retry));
    assert!(host.ended.is_empty());
}

#[test]
fn an_operation_that_was_never_sent_has_failed() {
    let mut host = client(paper());
    host.fire(RaftTimer::Proposal);
    assert_eq!(host.ended, [OperationResult::Failed]);
}

#[test]
fn an_operation_that_was_sent_is_unknown_at_its_time_out() {
    let mut host = client_in_session(paper());
    host.fire(RaftTimer::Proposal);
    assert_eq!(host.ended, [OperationResult::Unknown]);
}

#[test]
fn a_session_that_has_expired_leaves_the_operation_unknown_and_a_new_one_is_opened() {
    let mut host = client_in_session(paper());
    host.hear(s(1), answered(9, Answer::Expired));
    assert_eq!(host.ended, [OperationResult::Unknown]);
    host.ask(Operation::Kv(PUT));
    let open = RaftMessage::Request { operation: OperationId(1), call: Box::new(Call::Open) };
    assert_eq!(host.take_sent(), [(s(1), open)]);
}

#[test]
fn only_what_was_sent_once_and_refused_has_certainly_failed() {
    let mut host = client_in_session(paper());
    host.hear(s(1), reply(CallResult::Refused));
    assert_eq!(host.ended, [OperationResult::Failed]);
    let mut host = client_in_session(paper());
    host.fire(RaftTimer::Request);
    host.fire(RaftTimer::Retry);
    host.hear(s(2), reply(CallResult::Refused));
    assert_eq!(host.ended, [OperationResult::Unknown], "s1 may have taken the first copy");
    let mut host = client_in_session(paper().with(|o| o.clients.on_refusal = OnRefusal::Retry));
    host.hear(s(1), reply(CallResult::Refused));
    assert!(host.ended.is_empty() && host.timers.contains_key(&RaftTimer::Retry));
}

#[test]
fn a_late_answer_to_another_operation_changes_nothing() {
    let mut host = client_in_session(paper());
    let late = RaftMessage::Reply { operation: OperationId(9), result: CallResult::Unknown };
    host.hear(s(1), late);
    host.hear(s(1), opened());
    assert!(host.ended.is_empty() && host.take_sent().is_empty());
}
