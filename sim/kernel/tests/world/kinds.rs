//! Four kinds of process in one cluster: links, faults, the settle phase and random faults, of each kind.

use std::collections::BTreeSet;

use splitbrain_kernel::director::spec::{MessageSpec, NemesisKind, NemesisSpec};
use splitbrain_kernel::fault::{
    ClockDrift, ClockFreeze, ClockStep, Crash, CrashScope, Disk, DiskFault, Fault, Offset, Pause, Slow, Start,
};
use splitbrain_kernel::id::{Cluster, Kind, KindId, NodeId};
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::RunOptions;
use splitbrain_kernel::selector::{Among, Selector, Span};
use splitbrain_kernel::time::Instant;
use splitbrain_kernel::world::World;

use crate::stage::{Stage, at, c, crash, cut, ms, options, s};
use crate::toy::{Op, Toy};

const REDIS: Kind = Kind { id: KindId::of_letter(b'r'), name: "redis", ..Kind::SERVER };
const CHAT: Kind = Kind { id: KindId::of_letter(b't'), name: "chat", ..Kind::CLIENT };
const KINDS: &[Kind] = &[Kind::SERVER, REDIS, CHAT, Kind::CLIENT];

/// Two servers, three redis and a spare one, two chats, one client.
pub(crate) const FOUR: Cluster = Cluster::new(KINDS)
    .with(KindId::SERVER, 2)
    .with(REDIS.id, 3)
    .with_spare(REDIS.id, 1)
    .with(CHAT.id, 2)
    .with(KindId::CLIENT, 1);

const fn redis(number: u16) -> NodeId {
    NodeId::new(REDIS.id, number)
}

const fn chat(number: u16) -> NodeId {
    NodeId::new(CHAT.id, number)
}

fn stage() -> Stage {
    Stage { toy: Toy::of(FOUR), options: options(FOUR), ..Stage::new(1, 0) }
}

/// One node of each kind; the server is not the one that the tests send from.
const ONE_OF_EACH: [NodeId; 4] = [s(1), redis(2), chat(2), c(1)];

#[test]
fn each_directed_link_between_kinds_is_cut_alone() {
    for one in ONE_OF_EACH {
        for other in ONE_OF_EACH.into_iter().filter(|other| *other != one) {
            let stage = stage().fault(50, 200, cut([(one, other)]));
            let played = stage.at(100, one, Op::Send(other, 1)).at(100, other, Op::Send(one, 2)).pass();
            assert_eq!((played.numbers(other), played.numbers(one)), (vec![], vec![2]), "{one} -> {other}");
        }
    }
}

#[test]
fn every_fault_is_the_same_for_every_kind() {
    let faults: [fn(NodeId) -> Fault; 9] = [
        |node| crash(node, CrashScope::Process),
        |node| crash(node, CrashScope::Machine),
        |node| Fault::Pause(Pause { nodes: vec![node] }),
        |node| Fault::Slow(Slow { nodes: vec![node], service_time: ms(40) }),
        |node| Fault::ClockStep(ClockStep { nodes: vec![node], by: Offset(1_000_000) }),
        |node| Fault::ClockDrift(ClockDrift { nodes: vec![node], ppm: 100_000 }),
        |node| Fault::ClockFreeze(ClockFreeze { nodes: vec![node] }),
        |node| Fault::Disk(Disk { nodes: vec![node], fault: DiskFault::Io }),
        |node| Fault::Disk(Disk { nodes: vec![node], fault: DiskFault::Full }),
    ];
    let script = |node: NodeId, fault: Option<Fault>| {
        let stage = fault.into_iter().fold(stage(), |stage, fault| stage.fault(100, 300, fault));
        let stage = stage.at(50, node, Op::Persist(1)).at(150, node, Op::Persist(2)).at(160, node, Op::Look);
        stage.at(170, s(2), Op::Send(node, 3)).at(400, node, Op::Recall).pass().lines(node)
    };
    for fault in faults {
        let expected = script(s(1), Some(fault(s(1))));
        assert_ne!(expected, script(s(1), None), "{:?} does nothing", fault(s(1)));
        for node in ONE_OF_EACH {
            assert_eq!(script(node, Some(fault(node))), expected, "{:?}", fault(node));
        }
    }
}

#[test]
fn a_spare_node_of_a_kind_is_absent_until_it_starts() {
    let stage = stage().fault_from(200, Fault::Start(Start { nodes: vec![redis(4)], free_only: false }));
    let played = stage.at(100, s(1), Op::Send(redis(4), 1)).at(300, s(1), Op::Send(redis(4), 2)).pass();
    assert_eq!(played.numbers(redis(4)), [2]);
}

#[test]
fn the_core_is_of_the_servers_side_and_clients_of_every_kind_are_healed() {
    let all: Vec<NodeId> = FOUR.nodes().collect();
    let links: Vec<_> = all.iter().flat_map(|one| all.iter().map(|other| (*one, *other))).collect();
    let mut kinds = BTreeSet::new();
    for seed in 0..20 {
        let mut stage = stage().with(|options| options.settle = ms(500)).fault_from(400, cut(links.clone()));
        stage.seed = Seed(seed);
        let core = stage.play().log.core;
        assert!(core.iter().all(|node| FOUR.is_server(*node)), "{core:?}");
        kinds.extend(core.iter().map(|node| node.kind()));
        let healed = [core[1], chat(1), chat(2), c(1)];
        let stage = healed.into_iter().fold(stage, |stage, node| stage.at(600, core[0], Op::Send(node, 1)));
        let outside = FOUR.servers().find(|node| !core.contains(node)).expect("the core is not all");
        let played = stage.at(600, core[0], Op::Send(outside, 1)).pass();
        assert!(healed.into_iter().all(|node| played.numbers(node) == [1]));
        assert_eq!(played.numbers(outside), [0; 0]);
    }
    assert_eq!(kinds.len(), 2, "both kinds of the server's side are drawn from");
}

#[test]
fn a_nemesis_hits_the_kind_that_it_is_on() {
    for kind in KINDS {
        let nemesis = NemesisSpec {
            id: "n".to_owned(),
            line: 0,
            kinds: vec![NemesisKind::Crash, NemesisKind::Pause],
            on: vec![Selector::Any(Among::Kind(*kind))],
            every: Span { low: ms(2), high: ms(30) },
            duration: Span { low: ms(1), high: ms(20) },
            swarm: false,
            from: Instant::ZERO,
            until: Some(at(900)),
            messages: MessageSpec::default(),
            orders: Vec::new(),
        };
        let options = RunOptions { nemeses: vec![nemesis], ..options(FOUR) };
        let report = World::new(&Toy::of(FOUR), &options, Seed(5)).run();
        let mut hit = BTreeSet::new();
        for planned in &report.plan.faults {
            let (Fault::Crash(Crash { nodes, .. }) | Fault::Pause(Pause { nodes })) = &planned.fault else {
                panic!("{:?} was not asked for", planned.fault)
            };
            hit.extend(nodes.iter().copied());
        }
        assert_eq!(hit, FOUR.of(kind.id).collect(), "{}", kind.name);
    }
}
