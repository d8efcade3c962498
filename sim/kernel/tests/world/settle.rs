//! The settle phase: a core is healed, all else stays as it is.

use splitbrain_kernel::fault::{ClockDrift, ClockFreeze, CrashScope, Disk, DiskFault, Fault, Pause, Slow, Start};
use splitbrain_kernel::id::{KindId, NodeId};
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::view::View as _;

use crate::stage::{Stage, at, c, clog, crash, cut, ms, s};
use crate::toy::{Cue, Op};

/// Three servers and a client; the core has two servers, and is healed at 500 ms.
fn stage(seed: u64) -> Stage {
    let mut stage = Stage::new(3, 1).with(|options| options.settle = ms(500));
    stage.seed = Seed(seed);
    stage
}

fn everyone() -> Vec<NodeId> {
    vec![s(1), s(2), s(3), c(1)]
}

fn all_links() -> Vec<(NodeId, NodeId)> {
    everyone().into_iter().flat_map(|a| everyone().into_iter().map(move |b| (a, b))).collect()
}

/// Of the nodes in the core and of those outside it, which the test has to tell apart.
fn core_of(seed: u64) -> (Vec<NodeId>, NodeId) {
    let core = stage(seed).pass().log.core;
    let outside = [s(1), s(2), s(3)].into_iter().find(|node| !core.contains(node)).expect("one is outside");
    (core, outside)
}

#[test]
fn a_core_of_its_size_is_drawn_and_differs_between_seeds() {
    let cores: std::collections::BTreeSet<_> = (0..20).map(|seed| core_of(seed).0).collect();
    assert!(cores.iter().all(|core| core.len() == 2 && core.is_sorted()));
    assert_eq!(cores.len(), 3);
}

#[test]
fn the_core_is_chosen_from_the_state_before_anything_is_healed() {
    let (core, outside) = core_of(1);
    let mut stage = stage(1).fault_from(300, crash(core[0], CrashScope::Process));
    stage.toy.core_of_the_living = true;
    let mut living = vec![core[1], outside];
    living.sort_unstable();
    assert_eq!(stage.pass().log.core, living);
}

#[test]
fn links_of_the_core_and_of_clients_are_healed_and_others_are_not() {
    let (core, outside) = core_of(1);
    let held = stage(1).at(450, core[0], Op::Send(core[1], 5)).fault_from(400, clog(all_links(), &[])).pass();
    assert_eq!(held.lines(core[1]), [format!("500ms 5 from {}", core[0])]);
    let mut stage = stage(1).fault_from(400, cut(all_links()));
    for target in everyone() {
        stage = stage.at(600, core[0], Op::Send(target, 1)).at(600, outside, Op::Send(target, 2));
    }
    let played = stage.pass();
    assert_eq!((played.numbers(core[1]), played.numbers(c(1)), played.numbers(outside)), (vec![1], vec![1], vec![]));
}

#[test]
fn processes_clocks_and_disks_of_the_core_are_healed_and_others_stay_as_they_are() {
    let (core, outside) = core_of(1);
    let mut stage = stage(1)
        .fault_from(100, Fault::Pause(Pause { nodes: everyone() }))
        .fault_from(100, Fault::Slow(Slow { nodes: everyone(), service_time: ms(1_000_000) }))
        .fault_from(100, Fault::ClockFreeze(ClockFreeze { nodes: everyone() }))
        .fault_from(100, Fault::ClockDrift(ClockDrift { nodes: everyone(), ppm: 100_000 }))
        .fault_from(100, Fault::Disk(Disk { nodes: everyone(), fault: DiskFault::Io }));
    for node in everyone() {
        stage = stage.at(200, node, Op::Look).at(600, node, Op::Persist(1)).at(600, node, Op::SetTimer(1, ms(100)));
    }
    let played = stage.pass();
    for node in [core[0], core[1], c(1)] {
        // While frozen the clock stood at 100 ms: the look is at 100 + 0, once it goes on.
        let expected = ["500ms clocks 100ms 100000us", "603ms durable 1", "700ms timer 1"];
        assert_eq!(played.lines(node), expected, "{node}");
    }
    assert_eq!(played.lines(outside).len(), 0);
}

#[test]
fn the_core_is_up_whoever_crashed_exited_or_never_came_up() {
    let (core, outside) = core_of(1);
    let stage = stage(1).fault_from(0, crash(core[0], CrashScope::Machine)).at(300, core[1], Op::Exit);
    let stage = stage.fault_from(300, crash(outside, CrashScope::Process));
    let stage = [core[0], core[1], outside].into_iter().fold(stage, |stage, node| stage.at(700, node, Op::Recall));
    let played = stage.pass();
    assert_eq!(played.lines(core[0]), ["700ms memory []"]);
    assert_eq!(played.lines(core[1]), ["700ms memory []"]);
    assert_eq!(played.lines(outside).len(), 0);
}

#[test]
fn a_fault_that_is_lifted_after_the_healing_takes_nothing_back() {
    let (core, _) = core_of(1);
    let node = vec![core[0]];
    let stage = stage(1)
        .fault(100, 700, Fault::Pause(Pause { nodes: node.clone() }))
        .fault(100, 700, Fault::ClockFreeze(ClockFreeze { nodes: node.clone() }))
        .fault(100, 700, Fault::ClockDrift(ClockDrift { nodes: node.clone(), ppm: 100_000 }))
        .fault(600, 800, Fault::Pause(Pause { nodes: node.clone() }))
        .fault(600, 800, Fault::ClockFreeze(ClockFreeze { nodes: node }));
    let played = stage.at(750, core[0], Op::Look).at(900, core[0], Op::Look).pass();
    // From 500 ms to 600 ms, and from 800 ms on, the clock goes at its own pace.
    assert_eq!(played.lines(core[0]), ["800ms clocks 200ms 200000us", "900ms clocks 300ms 300000us"]);
}

#[test]
fn connections_of_the_core_go_on() {
    let (core, _) = core_of(1);
    let stage =
        stage(1).at(1, core[0], Op::Connect(core[1])).at(450, core[0], Op::Say(0, 1)).fault_from(400, cut(all_links()));
    assert_eq!(stage.pass().lines(core[1]).last().expect("it heard"), &format!("501ms 1 over {}", core[0]));
}

#[test]
fn a_settle_phase_as_long_as_the_run_has_a_core_too() {
    let played = stage(1).with(|options| options.settle = ms(5_000)).pass();
    assert_eq!(played.log.core.len(), 2);
    assert_eq!(played.count("started"), 4);
}

#[test]
fn spare_servers_belong_to_the_core_only_once_they_were_started() {
    let with_spare = |stage: Stage| {
        let mut stage = stage;
        stage.options.cluster = stage.options.cluster.with_spare(KindId::SERVER, 5);
        stage
    };
    for seed in 0..10 {
        assert_eq!(with_spare(stage(seed)).pass().log.core, core_of(seed).0, "absent servers change no choice");
    }
    let all = (4..=8).map(s).collect();
    let started = |seed| {
        with_spare(stage(seed)).fault_from(100, Fault::Start(Start { nodes: Vec::clone(&all), free_only: false }))
    };
    assert!((0..10).any(|seed| started(seed).pass().log.core.iter().any(|node| node.number() > 3)));
}

#[test]
fn the_settle_phase_begins_before_the_events_and_acts_of_its_instant() {
    let (core, _) = core_of(1);
    let stage = stage(1).fault_from(100, cut([(core[0], core[1])])).start(core[0], [Op::SetTimer(1, ms(500))]);
    let stage = stage.start(core[0], [Op::When(Cue::Timer(1), vec![Op::Send(core[1], 1)])]);
    let played = stage.at(500, core[0], Op::Send(core[1], 2)).pass();
    assert_eq!(played.numbers(core[1]), [2, 1]);
    assert_eq!(played.log.lost, []);
    assert_eq!(played.world.view().settled_at(), Some(at(500)));
}

#[test]
fn a_disk_of_the_core_that_hangs_goes_on() {
    let (core, outside) = core_of(1);
    let mut stage = stage(1).fault_from(100, Fault::Disk(Disk { nodes: everyone(), fault: DiskFault::Hang }));
    for node in [core[0], outside] {
        stage = stage.at(200, node, Op::Persist(1));
    }
    let played = stage.pass();
    assert_eq!(played.lines(core[0]), ["500ms durable 1"]);
    assert_eq!(played.lines(outside).len(), 0);
}
