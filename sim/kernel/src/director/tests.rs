//! The director driven by hand: what it does, when, and to whom.

mod actions;
mod conditions;
mod names;
mod nemeses;
mod orders;
mod triggers;

use super::spec::{OrderChoice, OrderSpec, What};
use super::*;
use crate::fault::{Crash, CrashScope, Cut, Keep, Pause, Start};
use crate::rng::Seed;
use crate::selector::{Condition, LinkForm, Selector, Span, Trigger};
use crate::time::Duration;
use crate::vocabulary::{Part, Role};

const FIVE: Cluster = Cluster::plain(5, 0);

const WORDS: Part = Part {
    group: "toy",
    roles: &[Role::ranked("leader"), Role::plain("follower"), Role::plain("candidate")],
    resources: &["lock"],
    parts: &[],
};

const NO_BOUNDS: Bounds = Bounds { skew: None, drift_ppm: None, latency: Duration::from_millis(10) };

const fn s(number: u16) -> NodeId {
    NodeId::server(number)
}

const fn at(millis: u64) -> Instant {
    Instant::from_nanos(millis * 1_000_000)
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn selector(text: &str) -> Selector {
    let parsed: Selector = text.parse().expect("a selector");
    let roles = ["leader", "follower", "candidate"];
    parsed.bind(&["a", "b", "c", "d", "x"], &roles).expect("roles and names")
}

fn selectors(texts: &[&str]) -> Vec<Selector> {
    texts.iter().map(|text| selector(text)).collect()
}

/// A fault that pauses s1 for a second at two seconds.
fn fault(id: &str) -> FaultSpec<OrderKey> {
    FaultSpec {
        id: id.to_owned(),
        line: 1,
        selector: String::new(),
        trigger: Trigger::At(Span::constant(at(2_000))),
        names: Vec::new(),
        what: What::Fault(Fault::Pause(Pause { nodes: selectors(&["s1"]) })),
        duration: Some(Span::constant(ms(1_000))),
        until: None,
        waits_until: None,
    }
}

fn when(condition: Condition, delay: u64, times: u32) -> Trigger {
    Trigger::When { condition, delay: Span::constant(ms(delay)), times }
}

fn observed(name: &str, nth: u64) -> Condition {
    Condition::Observed { name: name.to_owned(), nth }
}

fn has(role: &str, lasting: u64) -> Condition {
    Condition::Has { role: role.to_owned(), lasting: ms(lasting) }
}

fn lacks(role: &str, lasting: u64) -> Condition {
    Condition::Lacks { role: role.to_owned(), lasting: ms(lasting) }
}

fn setup(seed: u64, cluster: Cluster) -> DirectorSetup {
    DirectorSetup {
        seed: Seed(seed),
        cluster,
        words: Vocabulary::new(WORDS),
        messages: &["ping", "vote", "reply"],
        faults: Vec::new(),
        nemeses: Vec::new(),
        bounds: NO_BOUNDS,
        settle_at: at(60_000),
    }
}

/// A director and everything that it did, with the time.
struct Play {
    director: Director,
    directives: Vec<(Instant, Directive)>,
}

impl Play {
    fn new(setup: DirectorSetup) -> Self {
        let cluster = setup.cluster;
        let mut director = Director::new(setup);
        for node in cluster.starting() {
            director.on_up(Instant::ZERO, node);
        }
        Self { director, directives: Vec::new() }
    }

    fn of(faults: Vec<FaultSpec<OrderKey>>) -> Self {
        Self::new(DirectorSetup { faults, ..setup(1, FIVE) })
    }

    /// Polls each time that something is due, up to this time.
    fn to(&mut self, millis: u64) {
        while self.director.due() <= at(millis) {
            let now = self.director.due();
            self.poll(now);
        }
    }

    fn poll(&mut self, now: Instant) {
        let mut directives = Vec::new();
        self.director.poll(now, &mut directives);
        self.directives.extend(directives.into_iter().map(|directive| (now, directive)));
    }

    fn says(&mut self, millis: u64, node: u16, name: &'static str) {
        self.to(millis);
        let change = Change::None;
        self.director.on_face(at(millis), s(node), Face::new(name, change));
        self.to(millis);
    }

    fn takes(&mut self, millis: u64, node: u16, role: &'static str, rank: u64) {
        self.to(millis);
        let face = Face::new("role", Change::Role { role, rank });
        self.director.on_face(at(millis), s(node), face);
        self.to(millis);
    }

    fn falls(&mut self, millis: u64, node: u16) {
        self.to(millis);
        self.director.on_down(at(millis), s(node));
        self.to(millis);
    }

    /// What was done, one short line each: `2s +a pause s1`, `3s -1`, `2s a s1 7`.
    fn told(&self) -> Vec<String> {
        let line = |(now, directive): &(Instant, Directive)| {
            let now = now.since(Instant::ZERO);
            match directive {
                Directive::Start { id, fault, .. } => format!("{now} +{id} {}", short(fault)),
                Directive::Bind { name, node } => format!("{now} {name} is {node}"),
                Directive::Stop { key } => format!("{now} -{}", key.0),
                Directive::Order { id, node, order, .. } => format!("{now} {id} {node} {}", order.0),
            }
        };
        self.directives.iter().map(line).collect()
    }

    fn faults(&self) -> Vec<Fault> {
        let fault = |(_, directive): &(Instant, Directive)| match directive {
            Directive::Start { fault, .. } => Some(fault.clone()),
            _ => None,
        };
        self.directives.iter().filter_map(fault).collect()
    }
}

fn short(fault: &Fault) -> String {
    match fault {
        Fault::Pause(Pause { nodes }) | Fault::Crash(Crash { nodes, .. }) | Fault::Start(Start { nodes, .. }) => {
            let nodes: Vec<String> = nodes.iter().map(ToString::to_string).collect();
            format!("{} {}", fault.kind(), nodes.join(" "))
        }
        _ => fault.kind().to_owned(),
    }
}

#[test]
fn a_director_without_specs_never_acts() {
    let mut play = Play::new(setup(1, FIVE));
    play.says(10, 1, "leader elected");
    play.takes(20, 1, "leader", 1);
    play.falls(30, 1);
    assert_eq!(play.director.due(), Instant::MAX);
    assert!(play.directives.is_empty());
}

#[test]
fn acts_of_one_time_come_in_the_order_of_the_scenario() {
    let mut play = Play::of(["b", "c", "a"].map(fault).to_vec());
    play.to(9_000);
    let expected = ["2s +b pause s1", "2s +c pause s1", "2s +a pause s1", "3s -1", "3s -2", "3s -3"];
    assert_eq!(play.told(), expected);
    let crash = |id: &str, fault_of: Fault<crate::fault::Selectors>| FaultSpec {
        what: What::Fault(fault_of),
        duration: None,
        ..fault(id)
    };
    let down = Fault::Crash(Crash { nodes: selectors(&["s1"]), scope: CrashScope::Process, keep: Keep::Prefix });
    let up = Fault::Start(Start { nodes: selectors(&["s1"]), free_only: false });
    let mut play = Play::of(vec![crash("z", down), crash("a", up)]);
    play.to(9_000);
    assert_eq!(play.told(), ["2s +z crash s1", "2s +a start s1"]);
}

#[test]
fn a_poll_that_comes_late_does_the_same() {
    let faults = || {
        let mut again = fault("again");
        again.trigger = Trigger::Every(Span { low: ms(10), high: ms(900) });
        vec![again, fault("once")]
    };
    let mut punctual = Play::of(faults());
    punctual.to(20_000);
    let mut late = Play::of(faults());
    late.poll(at(20_000));
    let directives =
        |play: Play| -> Vec<Directive> { play.directives.into_iter().map(|(_, directive)| directive).collect() };
    let punctual = directives(punctual);
    assert!(punctual.len() > 20);
    assert_eq!(punctual, directives(late));
}

#[test]
fn nothing_comes_after_the_settle_phase_began() {
    let mut lasting = fault("lasting");
    lasting.trigger = Trigger::At(Span::constant(at(500)));
    let mut waiting = fault("waiting");
    waiting.what = What::Fault(Fault::Pause(Pause { nodes: selectors(&["leader"]) }));
    let mut late = fault("late");
    late.trigger = when(observed("go", 0), 0, 9);
    let mut play = Play::of(vec![lasting, waiting, late]);
    play.to(1_200);
    play.director.settle(at(1_200));
    play.says(1_300, 1, "go");
    play.takes(1_400, 1, "leader", 1);
    play.to(60_000);
    assert_eq!(play.told(), ["500ms +lasting pause s1"]);
    assert_eq!(play.director.never_applied(|_| true), ["waiting", "late"]);
    assert_eq!(play.director.census().chief(RoleId(0)), Some(s(1)));
}

#[test]
fn what_is_due_when_the_settle_phase_begins_does_not_come() {
    let mut setup = setup(1, FIVE);
    setup.faults = vec![fault("a")];
    setup.settle_at = at(2_000);
    let mut play = Play::new(setup);
    play.to(9_000);
    assert!(play.directives.is_empty());
    assert_eq!(play.director.never_applied(|_| true), ["a"]);
}

#[test]
fn a_copy_goes_the_same_way() {
    let mut again = fault("again");
    again.trigger = Trigger::Every(Span { low: ms(10), high: ms(900) });
    again.what = What::Fault(Fault::Pause(Pause { nodes: selectors(&["any server"]) }));
    let mut play = Play::of(vec![again]);
    play.to(5_000);
    let mut copy = Play { director: play.director.clone(), directives: play.directives.clone() };
    play.to(30_000);
    copy.to(30_000);
    assert_eq!(play.told(), copy.told());
}
