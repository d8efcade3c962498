//! How sessions come to be.

use super::*;
use crate::session::chunk::stop::StopSource;
use crate::session::ids::{Epoch, Identity, Instance, ItemKey};
use crate::session::master::access::ChunkStatus;
use crate::session::message::{CreateResult, KeepAliveResult, Order, Refusal};
use crate::session::options::Reuse;
use splitbrain_kernel::node::DiskError;

const IS_CREATE: fn(NodeId, NodeId, &SessionMessage) -> bool =
    |_, _, message| matches!(message, SessionMessage::Create(_));

#[test]
fn a_chunk_asks_for_its_sessions_as_soon_as_it_starts_and_fills_in_its_items() {
    let town = Town::new(quick(), 2, 1);
    let asked: Vec<NodeId> = town.under_way.iter().filter(|sent| sent.0 == K1).map(|sent| sent.1).collect();
    assert_eq!(asked, [M1, M2], "one session with each master");
    let SessionMessage::Create(create) = &town.under_way[0].2 else { panic!("it asks for a session") };
    let keys: Vec<ItemKey> = create.items.iter().map(|(key, _)| *key).collect();
    assert_eq!(keys, [ItemKey::MachineUuid, ItemKey::DataIp]);
    assert_eq!((create.identity, create.instance), (Identity(1), Instance::of(1, 0)));
}

#[test]
fn callbacks_of_the_master_come_before_those_of_the_follower_each_in_its_order() {
    let mut town = Town::new(quick(), 1, 1);
    town.deliver();
    let names: Vec<&str> =
        town.heard().iter().map(|said| splitbrain_kernel::node::Observation::face(said).name).collect();
    let expected = [
        "session asked for",
        "master leads",
        "session initialized",
        "lease started",
        "session created",
        "capability negotiated",
        "data report begun",
        "follower created",
        "session alive",
        "keepalive loop begun",
    ];
    assert_eq!(names, expected);
    assert_eq!(town.state(K1), State::Alive);
}

#[test]
fn the_reply_waits_for_the_disk() {
    let mut town = Town::new(quick(), 1, 1);
    town.is_disk_held = true;
    town.deliver();
    assert_eq!(town.count(|said| matches!(said, SessionObservation::Initialized { .. })), 1);
    assert_eq!(town.count(|said| matches!(said, SessionObservation::LeaseStarted { .. })), 0);
    town.host(M1).crash_machine(0);
    town.is_disk_held = false;
    town.host(M1).start();
    town.collect();
    assert!(town.master().table().sessions().is_empty(), "the command never reached the disk");
}

#[test]
fn both_sides_use_the_lower_version_whoever_has_it() {
    for (master, chunk) in [(5, 7), (7, 5), (5, 5)] {
        let mut options = PerServer::same(SessionOptions { version: chunk, ..quick() });
        options.of.insert(M1, SessionOptions { version: master, ..quick() });
        let mut town = Town::with(options, 1, 1);
        town.deliver();
        assert_eq!(town.follower(K1).version(), Some(5), "{master} and {chunk}");
        town.heard();
        town.pass(ms(10_000));
        assert_eq!(town.count(|said| matches!(said, SessionObservation::Negotiated { .. })), 0, "nothing changed");
    }
}

#[test]
fn a_master_of_another_version_is_agreed_with_by_the_next_round() {
    let mut town = settled(SessionOptions { version: 7, ..quick() }, 1, 1);
    let is_round = |sent: &(NodeId, NodeId, SessionMessage)| match sent.2 {
        SessionMessage::KeepAlive(keep_alive) => Some((keep_alive.session, keep_alive.round)),
        _ => None,
    };
    let next_round = |town: &mut Town| {
        town.host(K1).advance(ms(2_500));
        town.collect();
        town.under_way.drain(..).find_map(|sent| is_round(&sent)).expect("a keepalive is under way")
    };
    let mut asked = next_round(&mut town);
    // The answer to a round names another version; the next round agrees on the lower one.
    for (version, agreed) in [(3, 3), (9, 7)] {
        let (session, round) = asked;
        let result = KeepAliveResult::Extended { held: ms(0), version };
        let reply = SessionMessage::KeepAliveReply { session, round, result };
        town.host(K1).message_from(Source { node: M1, connection: None }, reply);
        town.heard();
        asked = next_round(&mut town);
        let said = SessionObservation::Negotiated { session, version: agreed };
        assert_eq!(town.count(|heard| *heard == said), 1, "{version}");
        assert_eq!(town.follower(K1).version(), Some(agreed));
    }
}

#[test]
fn a_data_report_begins_anew_with_each_session() {
    let mut town = settled(quick(), 1, 1);
    town.pass(ms(5_000));
    assert!(town.follower(K1).report_start() > 0);
    town.pass_without(ms(30_000), K1);
    assert_eq!(town.state(K1), State::Creating, "lease and grace are over");
    town.heard();
    for _ in 0..50 {
        if town.state(K1) != State::Alive {
            town.pass(ms(100));
        }
    }
    assert_eq!(town.state(K1), State::Alive);
    assert_eq!(town.count(|said| matches!(said, SessionObservation::FollowerCreated { .. })), 1);
    assert_eq!(town.follower(K1).report_start(), 0);
    town.pass(ms(20_000));
    assert!(town.count(|said| matches!(said, SessionObservation::ReportComplete { .. })) > 0);
}

#[test]
fn a_lost_reply_leaves_a_session_that_the_next_try_reuses() {
    let mut town = Town::new(quick(), 1, 1);
    town.deliver_if(IS_CREATE);
    assert_eq!(town.master().table().sessions().len(), 1);
    assert_eq!(town.state(K1), State::Creating);
    town.pass(ms(3_000));
    assert_eq!(town.state(K1), State::Alive);
    assert_eq!(town.master().table().sessions().len(), 1, "it is the same session");
    assert_eq!(town.count(|said| matches!(said, SessionObservation::Reused { .. })), 1);
    assert_eq!(town.count(|said| matches!(said, SessionObservation::FollowerCreated { .. })), 1);
}

#[test]
fn without_reuse_the_next_try_gets_the_session_of_the_first_but_another_process_another() {
    let mut town = Town::new(SessionOptions { reuse: Reuse::Never, ..quick() }, 1, 1);
    town.deliver_if(IS_CREATE);
    town.pass(ms(3_000));
    assert_eq!(town.master().table().sessions().len(), 1, "it is the same wish");
    assert_eq!(town.state(K1), State::Alive);
    town.host(K1).crash_machine(0);
    town.host(K1).start();
    town.collect();
    town.deliver();
    assert_eq!((town.state(K1), town.master().table().sessions().len()), (State::Alive, 2));
    town.pass(ms(9_000));
    assert_eq!(town.master().table().sessions().len(), 1, "the lease of the other one is over");
}

#[test]
fn a_reply_that_comes_after_the_lease_it_begins_is_not_used() {
    let mut town = Town::new(SessionOptions { rpc_timeout: ms(60_000), ..quick() }, 1, 1);
    town.deliver_if(IS_CREATE);
    // The reply is not lost but late.
    town.under_way.clear();
    let request = 1;
    let granted = crate::session::message::Granted {
        session: crate::session::ids::SessionId { master: 1, number: 1 },
        epoch: Epoch(1),
        version: 2,
        is_reused: false,
    };
    town.host(K1).advance(ms(5_000));
    town.host(K1).message(M1, SessionMessage::CreateReply { request, result: CreateResult::Created(granted) });
    town.collect();
    assert_eq!(town.state(K1), State::Creating);
    assert_eq!(town.count(|said| matches!(said, SessionObservation::ReplyTooLate { .. })), 1);
}

#[test]
fn a_refusal_is_answered_by_another_try_after_a_while() {
    let mut town = Town::new(quick(), 1, 1);
    town.under_way.clear();
    let refused = SessionMessage::CreateReply { request: 1, result: CreateResult::Refused(Refusal::Overloaded) };
    town.host(K1).message(M1, refused);
    town.collect();
    assert!(town.under_way.is_empty());
    town.pass(ms(500));
    assert_eq!(town.state(K1), State::Alive, "half a backoff at least, and a whole one at most");
}

#[test]
fn a_disk_that_refuses_refuses_the_session() {
    let mut town = Town::new(quick(), 1, 1);
    town.is_disk_held = true;
    town.deliver();
    town.host(M1).fail_write(DiskError::Full);
    town.collect();
    let refused = town.under_way.iter().any(|(.., message)| {
        matches!(message, SessionMessage::CreateReply { result: CreateResult::Refused(Refusal::Disk), .. })
    });
    assert!(refused, "{:?}", town.under_way);
}

#[test]
fn a_chunk_that_gives_up_creating_is_stopped_by_its_time_out() {
    let mut town = Town::new(SessionOptions { create_timeout: ms(5_000), ..quick() }, 1, 1);
    town.pass_without(ms(5_100), K1);
    assert_eq!((town.state(K1), town.follower(K1).stopped_by()), (State::Stopped, Some(StopSource::Timeout)));
    town.pass(ms(20_000));
    assert_eq!(town.state(K1), State::Stopped);
}

#[test]
fn a_chunk_that_starts_again_takes_its_session_over_under_a_new_epoch() {
    let mut town = settled(quick(), 1, 1);
    town.host(K1).crash_process();
    town.host(K1).start();
    town.collect();
    town.deliver();
    let held = town.follower(K1).held().expect("it has a session").granted;
    assert_eq!((held.session.number, held.epoch, held.is_reused), (1, Epoch(2), true));
    let lineage = town.master().table().lineage(Identity(1)).expect("it is known");
    assert_eq!((lineage.current, lineage.past.len()), (Instance::of(1, 1), 1));
}

#[test]
fn the_process_that_was_replaced_is_refused_and_stops() {
    let options = SessionOptions { identity: 1, ..quick() };
    let mut town = Town::new(options, 1, 2);
    town.deliver_if(|source, target, _| source != K2 && target != K2);
    assert_eq!(town.state(K1), State::Alive);
    // The second process of the same identity comes later.
    town.pass(ms(5_000));
    assert_eq!(town.state(K2), State::Alive);
    assert_eq!((town.state(K1), town.follower(K1).stopped_by()), (State::Stopped, Some(StopSource::Superseded)));
    assert!(town.count(|said| matches!(said, SessionObservation::Superseded { .. })) > 0);
}

#[test]
fn a_master_that_does_not_lead_creates_nothing_and_leads_again_in_a_new_term() {
    let mut town = Town::new(quick(), 1, 1);
    town.host(M1).order(Order::StepDown);
    town.deliver();
    assert!(town.master().table().sessions().is_empty());
    town.host(M1).order(Order::Lead);
    town.collect();
    town.pass(ms(3_000));
    assert_eq!(town.state(K1), State::Alive);
    assert_eq!(town.master().table().term().0, 2);
}

#[test]
fn a_master_that_ceases_to_lead_between_two_stages_goes_no_further() {
    let mut town = Town::new(SessionOptions { callback_max: ms(2_000), ..quick() }, 1, 1);
    town.deliver();
    town.pass(ms(100));
    town.host(M1).order(Order::StepDown);
    town.pass(ms(5_000));
    assert_eq!(town.count(|said| matches!(said, SessionObservation::Created { .. })), 0);
    assert_eq!(town.state(K1), State::Creating);
}

#[test]
fn the_access_manager_has_the_chunk_connected() {
    let town = settled(quick(), 1, 1);
    assert_eq!(town.master().access().status(Identity(1)), Some(ChunkStatus::Connected));
}

#[test]
fn a_chunk_that_was_never_stopped_goes_on_as_the_same_process() {
    let mut town = settled(quick(), 1, 1);
    town.host(K1).order(Order::Resume);
    town.collect();
    town.pass(ms(20_000));
    assert_eq!(town.state(K1), State::Alive);
    assert_eq!(town.count(|said| matches!(said, SessionObservation::Superseded { .. })), 0);
}

#[test]
fn a_lease_that_clocks_may_make_too_long_is_refused() {
    let make = |follower, drift_ppm| {
        let options = SessionOptions { lease: ms(7_000), follower_lease: ms(follower), ..quick() };
        let cluster = Cluster::new(Sessions::KINDS).with(META, 1).with(CHUNK, 1).with(VOLUME, 1);
        let bounds = Bounds { skew: None, drift_ppm, latency: ms(1) };
        Sessions::new(Setup::new(cluster, PerServer::same(options), bounds)).map_err(|error| error.to_string())
    };
    assert!(make(6_860, Some(10_000)).is_ok(), "7 s * 0.99 / 1.01 is a little more");
    assert!(make(9_000, None).is_ok(), "no bound is declared");
    let error = make(6_870, Some(10_000)).expect_err("it is longer");
    assert!(error.contains("must be at most 6.861386138s"), "{error}");
}
