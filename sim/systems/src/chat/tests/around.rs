//! What stands around the chat servers: a gate, a status server and a client.

use super::*;
use crate::chat::ids::LoginToken;
use crate::chat::message::{Assigned, Operation, Refusal};
use crate::chat::store;

const ASSIGNED: Assigned = Assigned { server: H2, token: LoginToken(7) };

/// The last word of a gate or a status server on a request.
fn assignment(stand: &mut Stand, to: NodeId) -> Option<Option<Assigned>> {
    let words = stand.take_sent().into_iter().filter(|(target, _)| *target == to);
    let mut words = words.filter_map(|(_, message)| match message {
        ChatMessage::Entered { assigned, .. } | ChatMessage::Assignment { assigned, .. } => Some(assigned),
        _ => None,
    });
    words.next_back()
}

#[test]
fn a_gate_hands_on_what_the_status_server_says_and_once() {
    let mut gate = Stand::new(G1, quick());
    gate.hear(C1, ChatMessage::Enter { request: 5, uid: U1 });
    assert_eq!(gate.take_sent(), [(T1, ChatMessage::Assign { request: 1, uid: U1 })]);
    let answer = ChatMessage::Assignment { request: 1, assigned: Some(ASSIGNED) };
    gate.hear(T1, answer.clone());
    assert_eq!(gate.take_sent(), [(C1, ChatMessage::Entered { request: 5, assigned: Some(ASSIGNED) })]);
    gate.hear(T1, answer);
    assert!(gate.take_sent().is_empty());
}

#[test]
fn a_gate_whose_status_server_is_silent_says_so_and_takes_no_late_answer() {
    let mut gate = Stand::new(G1, quick());
    gate.hear(C1, ChatMessage::Enter { request: 5, uid: U1 });
    gate.wait(quick().forward_timeout);
    assert_eq!(assignment(&mut gate, C1), Some(None));
    gate.hear(T1, ChatMessage::Assignment { request: 1, assigned: Some(ASSIGNED) });
    assert_eq!(assignment(&mut gate, C1), None);
}

#[test]
fn a_status_server_chooses_the_server_with_the_fewest_users_and_gives_one_token() {
    let (mut status, mut store) = (Stand::new(T1, quick()), Store::new(quick()));
    let _ = store.ask(store::set_count(H1, 2));
    let mut given = Vec::new();
    for request in 1..=2 {
        status.hear(G1, ChatMessage::Assign { request, uid: U1 });
        store.serve(&mut status);
        given.extend(assignment(&mut status, G1).flatten());
    }
    assert!(given.len() == 2 && given[0] == given[1], "the token that is there is given again: {given:?}");
    assert_eq!(given[0].server, H2);
}

#[test]
fn a_status_server_whose_redis_is_silent_assigns_nobody() {
    let (mut status, mut store) = (Stand::new(T1, quick()), Store::new(quick()));
    store.is_silent = true;
    status.hear(G1, ChatMessage::Assign { request: 1, uid: U1 });
    store.serve(&mut status);
    assert_eq!(assignment(&mut status, G1), None);
    status.wait(quick().forward_timeout);
    assert_eq!(assignment(&mut status, G1), Some(None));
}

/// A client that has asked to log in and was sent to the second chat server.
fn sent_on() -> (Stand, ConnectionId) {
    let mut client = Stand::new(C1, quick());
    client.host.operation(Operation::Login { uid: U1 });
    client.note();
    client.hear(G1, ChatMessage::Entered { request: 1, assigned: Some(ASSIGNED) });
    let link = client.connected[0];
    (client, link)
}

/// A client that is logged in.
fn logged_in() -> (Stand, ConnectionId) {
    let (mut client, link) = sent_on();
    client.connection(link, H2, ConnectionChange::Opened);
    let result = Ok(crate::chat::ids::Item::all_of(U1));
    client.hear_over(link, H2, ChatMessage::LoginReply { session: session(H2, 1), result });
    (client, link)
}

fn user(client: &Stand) -> &crate::chat::client::Client {
    client.host.node().and_then(ChatNode::client).expect("it runs")
}

#[test]
fn a_client_shows_the_token_to_the_server_that_it_is_sent_to() {
    let (mut client, link) = sent_on();
    client.take_sent();
    client.connection(link, H2, ConnectionChange::Opened);
    assert_eq!(client.take_sent(), [(H2, ChatMessage::Login { uid: U1, token: ASSIGNED.token })]);
    let (client, _) = logged_in();
    assert_eq!(user(&client).logged_in(), Some((U1, session(H2, 1))));
    assert_eq!(client.answered, [OperationResult::Ok(Response::LoggedIn { session: session(H2, 1) })]);
}

#[test]
fn a_client_that_no_server_takes_is_refused() {
    let unavailable = [OperationResult::Ok(Response::Refused { why: Refusal::Unavailable })];
    let mut client = Stand::new(C1, quick());
    client.host.operation(Operation::Login { uid: U1 });
    client.note();
    client.hear(G1, ChatMessage::Entered { request: 1, assigned: None });
    assert_eq!(client.take_answered(), unavailable, "the gate knows of none");
    let (mut client, link) = sent_on();
    client.connection(link, H2, ConnectionChange::Refused);
    assert_eq!(client.take_answered(), unavailable, "no process listens there");
}

#[test]
fn a_client_does_not_know_what_became_of_a_login_without_an_answer() {
    let (mut client, link) = sent_on();
    client.connection(link, H2, ConnectionChange::Opened);
    client.connection(link, H2, ConnectionChange::Reset);
    assert_eq!(client.take_answered(), [OperationResult::Unknown], "its connection has broken");
    let (mut client, link) = sent_on();
    client.connection(link, H2, ConnectionChange::Opened);
    client.wait(quick().request_timeout);
    assert_eq!(client.take_answered(), [OperationResult::Unknown], "its time is over");
    assert_eq!(client.closed, [link]);
}

#[test]
fn a_client_that_is_refused_or_kicked_closes_and_shows_nothing() {
    let (mut client, link) = sent_on();
    client.connection(link, H2, ConnectionChange::Opened);
    let result = Err(Refusal::TokenInvalid);
    client.hear_over(link, H2, ChatMessage::LoginReply { session: session(H2, 1), result });
    assert_eq!(client.take_answered(), [OperationResult::Ok(Response::Refused { why: Refusal::TokenInvalid })]);
    assert_eq!(client.closed, [link]);
    let (mut client, link) = logged_in();
    assert_eq!(user(&client).shown().len(), 3);
    client.hear_over(link, H2, ChatMessage::Offline { session: session(H2, 1) });
    assert_eq!((user(&client).logged_in(), user(&client).shown().len()), (None, 0));
    assert_eq!(client.closed, [link]);
}
