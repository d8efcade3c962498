//! Faults that change something, and those that change nothing: these were never applied. What a run has used.

use splitbrain_kernel::director::spec::{
    FaultSpec, MessageSpec, NemesisKind, NemesisSpec, OrderChoice, OrderSpec, What,
};
use splitbrain_kernel::fault::{
    ClockStep, Crash, CrashScope, Cut, Disk, DiskFault, Fault, Keep, LinkConditions, Offset, Pause, Replay, Selectors,
    Start, Weather,
};
use splitbrain_kernel::id::{KindId, Link, NodeId};
use splitbrain_kernel::network::{Carried, InFlight};
use splitbrain_kernel::rng::{Ppm, Seed};
use splitbrain_kernel::run::Uses;
use splitbrain_kernel::selector::{LinkForm, LinkSelector, Selector, Span, Trigger};
use splitbrain_kernel::time::Instant;

use crate::stage::{Played, Stage, at, fault, ms, s};
use crate::toy::{LOG, Op};

type Spec = FaultSpec<Op>;

fn nodes(number: u16) -> Vec<Selector> {
    vec![Selector::Node(s(number).into())]
}

fn links(from: u16, to: u16) -> LinkForm {
    let [source, target] = [from, to].map(|number| Selector::Node(s(number).into()));
    LinkForm::Between(vec![LinkSelector { source, target, both: false }])
}

/// A fault under this name, at so many milliseconds and for so many.
fn stated(id: &str, millis: u64, what: impl Into<Fault<Selectors>>, length: u64) -> Spec {
    fault(id, Trigger::At(Span::constant(at(millis))), what, length)
}

fn crash(number: u16) -> Crash<Selectors> {
    Crash { nodes: nodes(number), scope: CrashScope::Process, keep: Keep::Prefix }
}

fn pause(number: u16) -> Pause<Selectors> {
    Pause { nodes: nodes(number) }
}

const fn start(nodes: Vec<Selector>) -> Start<Selectors> {
    Start { nodes, free_only: false }
}

fn wipe(number: u16) -> Disk<Selectors> {
    Disk { nodes: nodes(number), fault: DiskFault::Wipe }
}

fn lose(number: u16, from_end: u64) -> Disk<Selectors> {
    Disk { nodes: nodes(number), fault: DiskFault::Lose { file: LOG, from_end } }
}

fn cut(from: u16, to: u16) -> Cut<Selectors> {
    Cut { links: links(from, to), in_flight: InFlight::Drop, kinds: Vec::new() }
}

fn step(number: u16) -> ClockStep<Selectors> {
    ClockStep { nodes: nodes(number), by: Span::constant(Offset(5)) }
}

fn lossy(from: u16, to: u16, kinds: &[&str]) -> Weather<Selectors> {
    let conditions = LinkConditions { loss: Some(Ppm::new(1)), ..LinkConditions::default() };
    Weather { links: links(from, to), conditions, kinds: crate::stage::names(kinds) }
}

fn replay(from: u16, to: u16) -> Replay<Selectors> {
    Replay { links: links(from, to), older_than: ms(1), kinds: Vec::new() }
}

fn order(id: &str, number: u16) -> Spec {
    let order = OrderSpec { nodes: nodes(number), order: OrderChoice::One(Op::Recall), end: None };
    FaultSpec { what: What::Order(order), duration: None, ..stated(id, 50, pause(number), 0) }
}

/// Three servers and a spare one, s4. s1 writes, sends and looks at its clock at 10, 40 and 70 ms; s2 does nothing.
fn played(faults: Vec<Spec>) -> Played {
    let mut stage = Stage::new(3, 0);
    for millis in [10, 40, 70] {
        let all = vec![Op::Persist(millis), Op::Send(s(3), millis), Op::Look];
        stage = stage.at(millis, s(1), Op::All(all));
    }
    let operations = std::mem::take(&mut stage.plan.operations);
    stage.options.cluster = stage.options.cluster.with_spare(KindId::SERVER, 1);
    (stage.options.operations, stage.options.faults) = (operations, faults);
    let played = Played::of(&stage.toy, &stage.options, stage.seed);
    assert!(!played.report.plan.faults.is_empty() || !played.report.plan.orders.is_empty(), "something was done");
    played
}

fn never(faults: Vec<Spec>) -> Vec<String> {
    played(faults).report.never_applied
}

#[test]
fn what_finds_nothing_to_change_was_never_applied() {
    let down = || stated("down", 20, crash(2), 500);
    let vain = [
        stated("start of one that runs", 50, start(nodes(1)), 0),
        stated("crash of one that is down", 50, crash(2), 20),
        stated("pause of one that is down", 50, pause(2), 20),
        stated("crash of a spare", 50, crash(4), 20),
        stated("pause of a spare", 50, pause(4), 20),
        stated("wipe of a spare", 50, wipe(4), 0),
        stated("wipe of an empty disk", 50, wipe(3), 0),
        stated("a record that is not there", 50, lose(1, 1_000_000), 0),
        stated("cut of a spare", 50, cut(1, 4), 20),
        order("order to a spare", 4),
        order("order to one that is down", 2),
        stated("clock that is not read", 50, step(3), 0),
        stated("clock that is not read again", 80, step(1), 0),
        stated("weather without a packet", 5, lossy(2, 3, &[]), 500),
        stated("weather of other messages", 5, lossy(1, 3, &["loud"]), 500),
        stated("weather between packets", 50, lossy(1, 3, &[]), 10),
        stated("replay of nothing", 50, replay(2, 3), 0),
    ];
    for spec in vain {
        let id = spec.id.clone();
        let report = played(vec![down(), spec]).report;
        assert_eq!((&report.never_applied, report.in_vain), (&vec![id.clone()], vec![id]));
    }
}

#[test]
fn what_never_came_was_not_in_vain() {
    let report = played(vec![stated("a", 20, crash(2), 20), stated("late", 9_000, crash(2), 20)]).report;
    assert_eq!((report.never_applied, report.in_vain), (vec!["late".to_owned()], Vec::new()));
}

#[test]
fn what_changes_something_was_applied() {
    let down = || stated("down", 20, crash(2), 20);
    let applied = [
        stated("crash", 50, crash(2), 20),
        stated("pause", 50, pause(2), 20),
        stated("start of a spare", 50, start(nodes(4)), 0),
        stated("wipe", 50, wipe(1), 0),
        stated("lose", 50, lose(1, 1), 0),
        stated("cut", 50, cut(2, 3), 20),
        order("order", 2),
        stated("step", 50, step(1), 0),
        stated("weather", 60, lossy(1, 3, &["quiet"]), 500),
        stated("weather to the end", 60, lossy(1, 3, &[]), 5_000),
        stated("replay", 50, replay(1, 3), 0),
        // These come to a process that starts later, or keep it from starting.
        stated("pause of one that starts", 30, pause(2), 20),
        stated("crash of one that would start", 30, crash(2), 50),
        stated("step before a look", 5, step(1), 0),
    ];
    for spec in applied {
        let id = spec.id.clone();
        assert_eq!(never(vec![down(), spec]), Vec::<String>::new(), "{id}");
    }
}

#[test]
fn a_spare_server_that_starts_is_hit_by_what_lasts_and_not_by_what_is_over() {
    let starts = || stated("start", 30, start(nodes(4)), 0);
    for spec in [stated("a", 20, cut(1, 4), 50), stated("a", 20, pause(4), 50)] {
        assert_eq!(never(vec![starts(), spec]), Vec::<String>::new());
    }
    for spec in [stated("a", 20, cut(1, 4), 5), stated("a", 20, pause(4), 5), stated("a", 20, crash(4), 50)] {
        assert_eq!(never(vec![starts(), spec]), ["a"]);
    }
}

/// One of its occurrences is enough, and its ordinal does not hide it.
#[test]
fn what_comes_again_was_applied_if_it_changed_something_once() {
    let again = |what: Fault<Selectors>| fault("again", Trigger::Every(Span::constant(ms(25))), what, 1);
    assert_eq!(never(vec![again(crash(2).into())]), Vec::<String>::new());
    assert_eq!(never(vec![again(lossy(1, 3, &[]).into())]), ["again"], "it ends before each packet");
    assert_eq!(never(vec![again(crash(4).into())]), ["again"]);
}

fn nemesis(kind: NemesisKind, on: Vec<Selector>) -> NemesisSpec<Op> {
    NemesisSpec {
        id: "nemesis".to_owned(),
        line: 0,
        kinds: vec![kind],
        on,
        every: Span::constant(ms(5)),
        duration: Span::constant(ms(30)),
        swarm: false,
        from: Instant::ZERO,
        until: None,
        messages: MessageSpec::default(),
        orders: Vec::new(),
    }
}

#[test]
fn a_nemesis_of_which_no_fault_changed_anything_was_never_applied() {
    let never = |kind, number: u16, operation: fn(NodeId) -> Op| {
        let mut stage = Stage::new(2, 0).at(20, s(1), operation(s(2))).at(500, s(1), operation(s(2)));
        stage.options.operations = std::mem::take(&mut stage.plan.operations);
        stage.options.nemeses = vec![nemesis(kind, nodes(number))];
        let played = Played::of(&stage.toy, &stage.options, Seed(1));
        assert!(played.report.plan.faults.len() > 1, "it acted");
        played.report.never_applied
    };
    let send = |to| Op::Send(to, 1);
    assert_eq!(never(NemesisKind::Loss, 1, send), Vec::<String>::new());
    assert_eq!(never(NemesisKind::Loss, 1, Op::Connect), ["nemesis"], "nothing is lost in a connection");
    assert_eq!(never(NemesisKind::Delay, 1, Op::Connect), Vec::<String>::new(), "it takes longer there");
    assert_eq!(never(NemesisKind::ClockStep, 1, |_| Op::Look), Vec::<String>::new());
    assert_eq!(never(NemesisKind::ClockStep, 1, send), ["nemesis"], "nobody reads the clock");
}

#[test]
fn a_run_knows_what_it_used() {
    let uses = |operation: Op| {
        let mut stage = Stage::new(3, 0).at(10, s(1), operation);
        let loss = LinkConditions { loss: Some(Ppm::NEVER), ..LinkConditions::default() };
        stage.options.network.links = vec![(Link::new(s(1), s(2)), loss), (Link::new(s(2), s(3)), loss)];
        stage.pass().report.uses
    };
    let nothing = Carried { packets: false, datagrams: false };
    let none = Uses { links: vec![nothing; 2], ..Uses::default() };
    assert_eq!(uses(Op::Draw), none);
    assert_eq!(uses(Op::Look), Uses { wall_clocks: vec![s(1)], ..none.clone() });
    let datagram = Carried { packets: true, datagrams: true };
    assert_eq!(uses(Op::Send(s(2), 1)), Uses { datagrams: true, links: vec![datagram, nothing], ..none.clone() });
    assert_eq!(uses(Op::Send(s(3), 1)), Uses { datagrams: true, ..none.clone() });
    let segment = Carried { packets: true, datagrams: false };
    let connected = Uses { connections: true, links: vec![segment, nothing], ..none };
    assert_eq!(uses(Op::Connect(s(2))), connected);
}
