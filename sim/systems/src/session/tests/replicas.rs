//! Masters that are replicated: elections, failovers, and what a master does that is deposed.

use super::*;
use crate::session::bug::Bug;
use crate::session::command::Command;
use crate::session::ids::{Instance, ItemKey, Resource, SessionId, Term};
use crate::session::invariants::SessionInvariants;
use crate::session::message::{ItemCall, ItemResult, KeepAlive, KeepAliveResult, Order, Refusal, Report};
use splitbrain_kernel::invariant::Invariants as _;
use splitbrain_kernel::run::{Outcome, RunOptions};
use splitbrain_kernel::time::Instant;
use splitbrain_kernel::world::World;

const METAS: [NodeId; 3] = [M1, M2, NodeId::new(META, 3)];
const ONE: SessionId = SessionId { master: 1, number: 1 };

fn replicated() -> SessionOptions {
    SessionOptions { replication: Replication::Raft, ..quick() }
}

/// Three masters of which one leads, and chunks whose sessions are alive.
fn led(options: SessionOptions, chunks: u16) -> Town {
    let mut town = Town::new(options, 3, chunks);
    town.pass(ms(8_000));
    assert!(town.leader().is_some() && town.state(K1) == State::Alive);
    town.heard();
    town
}

impl Town {
    fn of(&self, meta: NodeId) -> &Master {
        self.hosts[&meta].node().and_then(SessionNode::master).expect("it runs")
    }

    fn leader(&self) -> Option<NodeId> {
        let runs = |meta: &NodeId| self.hosts[meta].node().is_some();
        let mut leading = METAS.into_iter().filter(|meta| runs(meta) && self.of(*meta).leads());
        leading.next().filter(|_| leading.next().is_none())
    }

    fn restart(&mut self, node: NodeId) {
        self.host(node).crash_machine(0);
        self.host(node).start();
        self.collect();
    }

    /// What one of the nodes is answered, when a chunk says this to it.
    fn answer_of(&mut self, meta: NodeId, message: SessionMessage) -> Option<SessionMessage> {
        self.under_way.clear();
        self.host(meta).message_from(Source { node: K1, connection: None }, message);
        self.collect();
        let answers = std::mem::take(&mut self.under_way).into_iter();
        answers.filter(|(source, target, _)| (*source, *target) == (meta, K1)).map(|(.., answer)| answer).next()
    }
}

fn keep_alive(town: &Town) -> SessionMessage {
    let held = town.follower(K1).held().expect("it has a session").granted;
    let report = Report { start: 0, count: 1 };
    let (session, instance, wall) = (held.session, Instance::of(1, 0), Instant::ZERO);
    SessionMessage::KeepAlive(KeepAlive { session, instance, round: 77, version: 2, report, wall })
}

const fn is_lost(said: &SessionObservation) -> bool {
    matches!(said, SessionObservation::FollowerExpired { .. })
}

#[test]
fn the_master_that_raft_elects_creates_sessions_and_all_have_them() {
    let town = led(replicated(), 2);
    let leader = town.leader().expect("one leads");
    assert_eq!(town.of(leader).table().sessions().len(), 2);
    for meta in METAS {
        assert_eq!(town.of(meta).table().sessions(), town.of(leader).table().sessions(), "{meta}");
    }
}

#[test]
fn a_failover_keeps_each_session_and_gives_it_a_full_lease() {
    let mut town = led(replicated(), 2);
    let (old, before) = (town.leader().expect("one leads"), town.follower(K1).live_session());
    town.host(old).crash_machine(0);
    town.pass(ms(12_000));
    let new = town.leader().expect("another leads");
    assert!(new != old);
    assert_eq!((town.follower(K1).live_session(), town.count(is_lost)), (before, 0));
    assert_eq!(town.count(|said| matches!(said, SessionObservation::Expired { .. })), 0);
    assert!(town.count(|said| matches!(said, SessionObservation::Extended { .. })) > 2, "by the new one");
}

#[test]
fn a_master_that_is_cut_off_acts_no_more_before_another_leads() {
    let mut town = led(replicated(), 1);
    let old = town.leader().expect("one leads");
    let message = keep_alive(&town);
    let extended = |answer: Option<SessionMessage>| {
        matches!(answer, Some(SessionMessage::KeepAliveReply { result: KeepAliveResult::Extended { .. }, .. }))
    };
    assert!(extended(town.answer_of(old, message.clone())));
    // Longer than the lease of the raft leader, shorter than the time in which another may be elected.
    town.pass_without(ms(1_000), old);
    let answer = town.answer_of(old, message);
    let SessionMessage::KeepAliveReply { result, .. } = answer.expect("it answers") else { panic!("another answer") };
    assert!(matches!(result, KeepAliveResult::Refused(_)), "{result:?}");
    assert_eq!(town.count(|said| matches!(said, SessionObservation::Leads { .. })), 0);
    town.pass_without(ms(5_000), old);
    assert!(!town.of(old).leads());
    assert_eq!(town.count(|said| matches!(said, SessionObservation::Leads { .. })), 1);
}

#[test]
fn who_asks_a_replica_that_does_not_lead_is_sent_to_the_one_that_does() {
    let mut town = led(replicated(), 1);
    let leader = town.leader().expect("one leads");
    let other = METAS.into_iter().find(|meta| *meta != leader).expect("there are three");
    let message = keep_alive(&town);
    let answer = town.answer_of(other, message);
    let expected = KeepAliveResult::Refused(Refusal::Elsewhere { leader });
    let SessionMessage::KeepAliveReply { result, .. } = answer.expect("it answers") else { panic!("another answer") };
    assert_eq!(result, expected);
}

#[test]
fn a_follower_that_is_cut_from_the_leader_alone_loses_its_session_and_no_other_does() {
    let mut town = led(replicated(), 2);
    let leader = town.leader().expect("one leads");
    let is_cut = |source, target| (source, target) == (K1, leader) || (source, target) == (leader, K1);
    town.pass_if(ms(16_000), |source, target, _| !is_cut(source, target));
    assert_eq!(town.leader(), Some(leader));
    assert_eq!(town.count(|said| matches!(said, SessionObservation::Expired { .. })), 1);
    assert_eq!(town.state(K2), State::Alive);
}

#[test]
fn the_next_leader_completes_an_expiry_that_is_durable() {
    let slow = SessionOptions { callback_max: ms(4_000), ..replicated() };
    let mut town = Town::new(slow, 3, 1);
    town.pass(ms(20_000));
    assert_eq!(town.state(K1), State::Alive);
    town.heard();
    let is_expired = |said: &SessionObservation| matches!(said, SessionObservation::Expired { .. });
    let is_erased = |said: &SessionObservation| matches!(said, SessionObservation::Erased { .. });
    for _ in 0..400 {
        town.pass_without(ms(100), K1);
        if town.count(is_expired) > 0 {
            break;
        }
    }
    assert_eq!((town.count(is_expired), town.count(is_erased)), (1, 0));
    let old = town.leader().expect("one leads");
    town.host(old).crash_machine(0);
    let parts = |said: &SessionObservation| matches!(said, SessionObservation::ExpiredPartRan { .. });
    town.heard();
    town.pass_without(ms(30_000), K1);
    assert_eq!((town.count(is_expired), town.count(parts), town.count(is_erased)), (0, 3, 1));
    let new = town.leader().expect("another leads");
    assert!(new != old && town.of(new).table().sessions().is_empty());
}

#[test]
fn a_decision_that_comes_from_an_earlier_term_ends_no_session() {
    let end = |options: SessionOptions| {
        let mut town = led(options, 1);
        let leader = town.leader().expect("one leads");
        let command = Command::Expire { session: ONE, term: Term(0) };
        town.host(leader)
            .message_from(Source { node: M2, connection: None }, SessionMessage::Forward(Box::new(command)));
        town.collect();
        town.pass(ms(1_000));
        town.of(leader).table().active(ONE).is_none()
    };
    assert!(!end(replicated()));
    assert!(end(SessionOptions { bug: Bug::ExpiryOfEarlierTerm, ..replicated() }));
}

#[test]
fn the_log_is_compacted_and_a_replica_that_was_away_gets_the_table() {
    let mut options = replicated();
    (options.raft.snapshot.distance, options.raft.snapshot.trailing) = (10, 2);
    options.raft.snapshot.part_bytes = 64;
    let mut town = led(options, 2);
    let leader = town.leader().expect("one leads");
    let away = METAS.into_iter().find(|meta| *meta != leader).expect("there are three");
    town.host(away).crash_machine(0);
    for round in 0..20 {
        let resource = Resource(1 + round % 2);
        town.host(K1).order(if round % 4 < 2 { Order::Claim(resource) } else { Order::Release(resource) });
        town.collect();
        town.pass(ms(200));
    }
    let installed = |said: &SessionObservation| {
        matches!(said, SessionObservation::Raft(crate::raft::observation::RaftObservation::SnapshotInstalled { .. }))
    };
    assert_eq!(town.count(installed), 0);
    town.host(away).start();
    town.collect();
    town.pass(ms(3_000));
    assert!(town.count(installed) > 0, "its log ends before the leader's begins");
    assert_eq!(town.of(away).table(), town.of(leader).table());
    town.restart(away);
    town.pass(ms(2_000));
    assert_eq!(town.of(away).table(), town.of(leader).table());
}

#[test]
fn an_item_that_is_set_is_durable_at_a_quorum_before_it_is_answered() {
    let mut town = led(replicated(), 1);
    let leader = town.leader().expect("one leads");
    let call = ItemCall::Set { key: ItemKey::NfsAccessPoint, value: 7 };
    let (session, instance) = (ONE, Instance::of(1, 0));
    let item = SessionMessage::Item { request: 9, session, instance, lease: ms(7_000), call };
    town.under_way.clear();
    town.host(leader).message_from(Source { node: K1, connection: None }, item);
    town.collect();
    let answers = |town: &Town| {
        let done = |(.., message): &&(NodeId, NodeId, SessionMessage)| {
            matches!(message, SessionMessage::ItemReply { request: 9, result: ItemResult::Done, .. })
        };
        town.under_way.iter().filter(done).count()
    };
    assert_eq!(answers(&town), 0);
    // The append arrives, and its acknowledgement comes back.
    for _ in 0..2 {
        for (source, target, message) in std::mem::take(&mut town.under_way) {
            town.host(target).message_from(Source { node: source, connection: None }, message);
        }
        town.collect();
    }
    assert!(answers(&town) > 0);
}

#[test]
fn the_invariants_of_raft_watch_masters_that_are_replicated_and_no_others() {
    for replication in [Replication::None, Replication::Raft] {
        let cluster = Cluster::new(Sessions::KINDS).with(META, 3).with(CHUNK, 1).with(VOLUME, 1);
        let options = RunOptions::ordinary(cluster, Duration::from_secs(10));
        let bounds = Bounds { skew: None, drift_ppm: Some(0), latency: ms(10) };
        let of_nodes = PerServer::same(SessionOptions { replication, ..quick() });
        let system = Sessions::new(Setup::new(cluster, of_nodes, bounds)).expect("the options fit");
        let report = World::new(&system, &options, Seed(1)).run();
        assert_eq!(report.outcome, Outcome::Passed);
        let (own, inside) = report.evaluated.split_at(SessionInvariants::LIST.len());
        let (own, inside): (u64, u64) = (own.iter().sum(), inside.iter().sum());
        assert!(own > 0 && (inside > 0) == (replication == Replication::Raft), "{replication:?}: {own} and {inside}");
    }
}
