//! What a chunk says and serves under its sessions, and what clients do with it.

use super::*;
use crate::session::ids::{Instance, ItemKey, Resource, SessionId, Token};
use crate::session::message::{Io, ItemCall, ItemResult, KeepAliveResult, Operation, Order, Refusal};
use crate::session::options::{Claims, ExpiryScope};
use splitbrain_kernel::context::OperationId;

const ONE: SessionId = SessionId { master: 1, number: 1 };
const TARGET: Resource = Resource(1);

/// A chunk asks for a target.
fn claim(town: &mut Town, chunk: NodeId, resource: Resource) {
    town.host(chunk).order(Order::Claim(resource));
    town.collect();
    town.deliver();
}

/// A town in which the first chunk serves the first target.
fn serving(options: SessionOptions) -> Town {
    let mut town = settled(options, 1, 2);
    claim(&mut town, K1, TARGET);
    assert_eq!(town.chunk(K1).served().collect::<Vec<_>>(), [TARGET]);
    town.heard();
    town
}

fn ask(town: &mut Town, operation: Operation) {
    town.host(C1).operation(operation);
    town.collect();
}

fn write(town: &mut Town) {
    ask(town, Operation::Write { resource: TARGET, value: 7 });
}

fn effects(town: &Town) -> usize {
    town.count(|said| matches!(said, SessionObservation::IoApplied { .. }))
}

#[test]
fn a_target_is_served_by_the_first_that_asks() {
    let mut town = serving(quick());
    claim(&mut town, K2, TARGET);
    assert_eq!(town.chunk(K2).served().count(), 0);
    assert!(town.master().table().holder(TARGET).is_some());
}

#[test]
fn a_write_goes_by_way_of_the_chunk_that_serves_the_target() {
    let mut town = serving(quick());
    write(&mut town);
    town.deliver();
    town.pass(ms(100));
    assert_eq!(effects(&town), 1);
    let next = Operation::Read { resource: Resource(2) };
    ask(&mut town, next);
    town.deliver();
    town.pass(ms(100));
    assert_eq!(effects(&town), 1, "nobody serves the other one");
}

#[test]
fn the_iscsi_session_is_not_alive_in_jeopardy_and_comes_back_with_the_session() {
    let mut town = serving(SessionOptions { lease: ms(20_000), ..quick() });
    town.pass_without(ms(5_000), K1);
    assert_eq!((town.state(K1), town.chunk(K1).served().count()), (State::Jeopardy, 0));
    town.pass(ms(3_000));
    assert_eq!((town.state(K1), town.chunk(K1).served().count()), (State::Alive, 1));
}

#[test]
fn a_session_that_is_lost_leaves_its_targets_to_others() {
    let mut town = serving(quick());
    town.pass_without(ms(20_000), K1);
    assert_eq!(town.chunk(K1).served().count(), 0);
    claim(&mut town, K2, TARGET);
    assert_eq!(town.chunk(K2).served().count(), 1);
    town.pass(ms(5_000));
    assert_eq!((town.state(K1), town.chunk(K1).served().count()), (State::Alive, 0));
}

#[test]
fn a_lock_delay_keeps_the_target_of_a_dead_session_for_a_while_but_not_one_that_was_given_back() {
    let mut town = serving(SessionOptions { lock_delay: ms(30_000), ..quick() });
    town.host(K1).order(Order::Release(TARGET));
    town.collect();
    town.deliver();
    claim(&mut town, K2, TARGET);
    assert_eq!(town.chunk(K2).served().count(), 1, "it was given back");
    town.pass_without(ms(12_000), K2);
    assert!(town.master().table().holder(TARGET).is_none(), "the session is gone");
    claim(&mut town, K1, TARGET);
    assert_eq!(town.chunk(K1).served().count(), 0);
    town.pass_without(ms(30_000), K2);
    claim(&mut town, K1, TARGET);
    assert_eq!(town.chunk(K1).served().count(), 1);
}

#[test]
fn a_wait_is_followed_by_another_look() {
    let mut town = serving(SessionOptions { io_max: ms(3_000), ..quick() });
    write(&mut town);
    town.deliver();
    town.host(K1).order(Order::Stop);
    town.collect();
    town.pass(ms(3_100));
    assert_eq!(effects(&town), 0);
    assert_eq!(town.count(|said| matches!(said, SessionObservation::IoRefused { .. })), 1);
}

#[test]
fn a_volume_refuses_a_token_that_is_older_than_the_newest_it_has_seen_after_a_crash_too() {
    let mut town = settled(quick(), 1, 1);
    let apply = |token| SessionMessage::Apply {
        request: token,
        resource: TARGET,
        session: ONE,
        token: Token(token),
        io: Io::Write(token),
    };
    for (token, expected) in [(2, 1), (1, 1), (2, 2)] {
        town.host(V1).message(K1, apply(token));
        town.collect();
        assert_eq!(effects(&town), expected);
    }
    town.host(V1).crash_machine(0);
    town.host(V1).start();
    town.host(V1).message(K1, apply(1));
    town.collect();
    assert_eq!((effects(&town), town.count(|said| matches!(said, SessionObservation::IoFenced { .. }))), (2, 2));
}

#[test]
fn items_are_set_once_listed_and_removed_and_a_dead_session_sets_none() {
    let mut town = settled(quick(), 1, 1);
    let key = ItemKey::NfsAccessPoint;
    for (operation, items) in [
        (Operation::SetItem { key, value: 1 }, 3),
        (Operation::SetItem { key, value: 1 }, 3),
        (Operation::ListItems, 3),
        (Operation::RemoveItem { key }, 2),
        (Operation::RemoveItem { key }, 2),
    ] {
        ask(&mut town, operation);
        town.deliver();
        assert_eq!(town.master().table().items().len(), items, "{operation:?}");
    }
    let late = SessionMessage::Item {
        request: 99,
        session: ONE,
        instance: Instance::of(1, 0),
        lease: ms(7_000),
        call: ItemCall::Set { key, value: 1 },
    };
    town.pass_without(ms(20_000), K1);
    town.host(M1).message(K1, late);
    town.collect();
    let is_refused = |message: &SessionMessage| {
        matches!(message, SessionMessage::ItemReply { request: 99, result: ItemResult::NoSuchSession, .. })
    };
    assert!(town.under_way.iter().any(|(.., message)| is_refused(message)));
    assert!(town.master().table().items().is_empty());
}

#[test]
fn a_late_copy_of_a_release_gives_back_no_later_grant() {
    let mut town = serving(quick());
    town.host(K1).order(Order::Release(TARGET));
    town.collect();
    let copies: Vec<_> = town.under_way.clone();
    town.deliver();
    claim(&mut town, K1, TARGET);
    assert_eq!(town.chunk(K1).served().count(), 1);
    town.under_way = copies;
    town.deliver();
    assert!(town.master().table().holder(TARGET).is_some(), "the chunk serves it under a later grant");
}

#[test]
fn a_grant_that_comes_after_the_target_was_given_back_is_not_used() {
    let mut town = settled(quick(), 1, 1);
    town.host(K1).order(Order::Claim(TARGET));
    town.collect();
    town.deliver_if(|_, target, _| target == M1);
    town.host(K1).order(Order::Stop);
    town.collect();
    let reply = SessionMessage::ItemReply { request: 2, session: ONE, result: ItemResult::Granted(Token(1)) };
    town.host(K1).message(M1, reply);
    town.collect();
    assert_eq!(town.chunk(K1).served().count(), 0);
}

#[test]
fn with_the_scope_any_the_loss_of_one_session_ends_all_service() {
    for (scope, served) in [(ExpiryScope::Own, 1), (ExpiryScope::Any, 0)] {
        let mut town = settled(SessionOptions { expiry_scope: scope, ..quick() }, 2, 1);
        claim(&mut town, K1, TARGET);
        assert_eq!(town.chunk(K1).served().count(), 1);
        town.pass_if(ms(15_000), |source, target, _| source != M2 && target != M2);
        assert_eq!(town.chunk(K1).served().count(), served, "{scope:?}");
        town.pass(ms(5_000));
        assert_eq!(town.chunk(K1).served().count(), 1, "{scope:?}");
    }
}

#[test]
fn with_the_scope_any_a_process_that_one_master_has_replaced_leaves_all_targets_to_others() {
    let mut town = settled(SessionOptions { expiry_scope: ExpiryScope::Any, ..quick() }, 2, 2);
    claim(&mut town, K1, TARGET);
    let session = town.chunk(K1).followers().get(2).held().expect("it has one").granted.session;
    let round = town.next_round(session);
    town.under_way.clear();
    let result = KeepAliveResult::Refused(Refusal::Superseded);
    town.host(K1).message(M2, SessionMessage::KeepAliveReply { session, round, result });
    town.collect();
    assert_eq!((town.state(K1), town.chunk(K1).served().count()), (State::Stopped, 0));
    town.pass(ms(10_000));
    claim(&mut town, K2, TARGET);
    assert_eq!(town.chunk(K2).served().count(), 1);
}

#[test]
fn a_client_asks_the_next_chunk_if_one_does_not_serve() {
    let mut town = settled(quick(), 1, 2);
    claim(&mut town, K2, TARGET);
    write(&mut town);
    town.deliver();
    town.pass(ms(100));
    assert_eq!(effects(&town), 1);
    let answer =
        SessionMessage::Answer { operation: OperationId(0), answer: crate::session::message::Answer::NotServed };
    town.host(C1).message(K1, answer);
    town.collect();
    assert!(town.under_way.is_empty(), "the operation has ended");
}

#[test]
fn who_waits_in_line_gets_the_target_when_it_is_free_and_its_session_lives() {
    let mut town = settled(SessionOptions { claims: Claims::Queue, ..quick() }, 1, 3);
    [K1, K2, K3].into_iter().for_each(|chunk| claim(&mut town, chunk, TARGET));
    // A claim that is sent again keeps its place.
    claim(&mut town, K2, TARGET);
    assert_eq!([K1, K2, K3].map(|chunk| town.chunk(chunk).served().count()), [1, 0, 0]);
    town.host(K1).order(Order::Release(TARGET));
    town.collect();
    town.deliver();
    assert_eq!([K1, K2, K3].map(|chunk| town.chunk(chunk).served().count()), [0, 1, 0]);
    // The second one gives it back when the third one has lost its session, and the first waits behind that.
    claim(&mut town, K1, TARGET);
    town.pass_without(ms(20_000), K3);
    town.host(K2).order(Order::Release(TARGET));
    town.collect();
    town.deliver();
    assert_eq!([K1, K2, K3].map(|chunk| town.chunk(chunk).served().count()), [1, 0, 0]);
}
