//! A world under a host: in order and on time it is the world alone; late and out of order its promises still hold.

use std::collections::BTreeSet;

use splitbrain_kernel::context::Context;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::plan::{Plan, Timing};
use splitbrain_kernel::rng::{Rng, Seed};
use splitbrain_kernel::run::{Budget, OptionsOf, Outcome, RunOptions, RunReport};
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::view::View as _;
use splitbrain_kernel::world::{Hosted, Wake};

use crate::determinism::{calm, report, stormy};
use crate::stage::{Log, Stage, at, c, ms, s};
use crate::toy::{Actor, FORBIDDEN, Heard, Op, Toy};

/// How a host goes about it.
#[derive(Clone)]
struct Manner {
    /// Every wake comes up to this much late, by chance; on time and in order where zero.
    lag: Duration,
    /// Whether it drops what an ended process waited for.
    drops: bool,
    rng: Rng,
}

impl Manner {
    fn exact() -> Self {
        Self { lag: Duration::ZERO, drops: false, rng: Seed(1).stream("host", 0) }
    }

    fn late(seed: u64) -> Self {
        Self { lag: ms(3), drops: true, rng: Seed(seed).stream("host", 0) }
    }

    /// When the wake comes up, and in which order.
    fn when(&mut self, now: Instant, wake: &Wake) -> Instant {
        if self.lag.is_zero() {
            return wake.at;
        }
        let lag = self.rng.duration(Duration::from_nanos(1), self.lag);
        wake.at.max(now).saturating_add(lag)
    }
}

#[derive(Clone)]
struct Host {
    world: Hosted<Toy, Log>,
    waiting: BTreeSet<(Instant, Wake)>,
    incarnations: Vec<(NodeId, u32)>,
    now: Instant,
    dropped: u64,
}

impl Host {
    fn new((toy, options): &(Toy, OptionsOf<Toy>), seed: u64) -> Self {
        let world = Hosted::traced(toy, options, Seed(seed), Log::default());
        let incarnations = options.cluster.nodes().map(|node| (node, 0)).collect();
        Self { world, waiting: BTreeSet::new(), incarnations, now: Instant::ZERO, dropped: 0 }
    }

    /// To the end, however the host goes about it.
    fn run(mut self, manner: &mut Manner) -> (RunReport<Op, Op>, Self) {
        while !self.world.is_over() {
            self.turn(manner);
        }
        (self.world.report().expect("it has ended"), self)
    }

    fn turn(&mut self, manner: &mut Manner) {
        if manner.drops {
            self.drop_ended();
        }
        for wake in self.world.wakes() {
            self.waiting.insert((manner.when(self.now, &wake), wake));
        }
        let due = self.world.due();
        match self.waiting.pop_first() {
            Some((time, wake)) if time < due => {
                self.now = self.now.max(time);
                self.world.wake(self.now, wake);
            }
            other => {
                self.waiting.extend(other);
                let after_the_end = self.world.end().saturating_add(Duration::from_nanos(1));
                self.now = self.now.max(due.min(after_the_end));
                self.world.catch_up(self.now);
            }
        }
    }

    /// What processes that have ended waited for never comes up. What is asked for later is not among it.
    fn drop_ended(&mut self) {
        for (node, known) in &mut self.incarnations {
            let incarnation = self.world.incarnation(*node);
            if std::mem::replace(known, incarnation) != incarnation {
                let gone = self.waiting.extract_if(.., |(_, wake)| wake.node == Some(*node));
                let gone: Vec<_> = gone.collect();
                self.dropped += gone.len() as u64;
                gone.into_iter().for_each(|(_, wake)| self.world.forget(wake));
            }
        }
    }
}

#[test]
fn on_time_and_in_order_a_hosted_world_is_the_world_alone() {
    for setup in [calm(), stormy()] {
        for seed in 0..10 {
            let alone = report(&setup, seed);
            let (hosted, _) = Host::new(&setup, seed).run(&mut Manner::exact());
            assert_eq!((alone.digest, alone.events, alone.end), (hosted.digest, hosted.events, hosted.end));
            assert_eq!((alone.outcome, alone.counts, alone.plan), (hosted.outcome, hosted.counts, hosted.plan));
        }
    }
}

#[test]
fn a_hosted_world_that_is_cloned_goes_on_like_the_original() {
    let (mut host, mut manner) = (Host::new(&stormy(), 1), Manner::late(1));
    while host.world.view().events() < 500 {
        host.turn(&mut manner);
    }
    let (copy, mut again) = (host.clone(), manner.clone());
    let ((first, _), (second, _)) = (host.run(&mut manner), copy.run(&mut again));
    assert_eq!((first.digest, first.plan), (second.digest, second.plan));
}

#[test]
fn a_host_that_is_late_and_drops_what_has_ended_comes_to_the_end_too() {
    let setup = stormy();
    let mut dropped = 0;
    for seed in 0..20 {
        let (first, host) = Host::new(&setup, seed).run(&mut Manner::late(seed));
        let (again, _) = Host::new(&setup, seed).run(&mut Manner::late(seed));
        assert_eq!((&first.outcome, first.end), (&Outcome::Passed, at(1_000)));
        assert_eq!((first.digest, &first.plan), (again.digest, &again.plan), "the same host is the same run");
        assert_ne!(first.digest, report(&setup, seed).digest, "it was not late");
        assert!(first.events > 2_000, "{}", first.events);
        dropped += host.dropped;
    }
    assert!(dropped > 50, "{dropped}");
}

#[test]
fn what_a_late_host_did_is_replayed_under_the_same_host() {
    let (toy, options) = stormy();
    for seed in 0..10 {
        let (first, _) = Host::new(&(toy.clone(), options.clone()), seed).run(&mut Manner::late(seed));
        let plan = Plan { timing: Timing::Exact, ..first.plan.clone() };
        let replay = RunOptions { replay: Some(plan), ..options.clone() };
        let (again, _) = Host::new(&(toy.clone(), replay), seed).run(&mut Manner::late(seed));
        assert_eq!((first.digest, first.events, first.plan), (again.digest, again.events, again.plan));
    }
}

#[test]
fn completions_of_a_disk_come_in_order_however_late_each_is() {
    let setup = Stage::new(1, 0).at(100, s(1), Op::All((1..=30).map(Op::Append).collect()));
    let replay = RunOptions { replay: Some(setup.plan.clone()), ..setup.options.clone() };
    let mut host = Host::new(&(setup.toy, replay), 7);
    let mut manner = Manner { lag: ms(50), ..Manner::late(7) };
    while !host.world.is_over() {
        for wake in host.world.wakes() {
            host.waiting.insert((manner.when(host.now, &wake), wake));
        }
        let first = host.waiting.pop_first();
        host.now = first.as_ref().map_or(host.world.due().min(at(1_001)), |(time, _)| host.now.max(*time));
        match first {
            Some((_, wake)) => host.world.wake(host.now, wake),
            None => host.world.catch_up(host.now),
        }
    }
    let expected: Vec<String> = (1..=30).map(|id| format!("written {id}")).collect();
    let heard: Vec<String> =
        host.world.tracer().observed.iter().skip(1).map(|(_, _, heard)| heard.to_string()).collect();
    assert_eq!(heard, expected);
}

#[test]
fn a_host_speaks_for_a_node_while_its_process_runs() {
    let stage = Stage::new(2, 1);
    let mut world = Hosted::new(&stage.toy, &stage.options, Seed(7));
    let look = |ctx: &mut Context<Actor>| ctx.observe(Heard::Step(ctx.now().as_nanos()));
    world.speak(at(1), s(1), look);
    assert_eq!(world.view().events(), 0, "no process runs yet");
    for wake in world.wakes() {
        world.wake(at(2), wake);
    }
    let events = world.view().events();
    world.speak(at(3), s(1), look);
    world.speak(at(4), c(1), |ctx| ctx.send(s(2), crate::toy::Note { number: FORBIDDEN, loud: false, size: 1 }));
    assert_eq!(world.view().events(), events + 2);
    for wake in world.wakes() {
        assert_eq!((wake.at, wake.node), (at(5), None));
        world.wake(at(6), wake);
    }
    let report = world.report().expect("a broken invariant ends the run");
    assert!(matches!(report.outcome, Outcome::Violated(ref it) if it.at == at(6)), "{:?}", report.outcome);
    assert_eq!(report.counts.get("heard"), Some(&2), "what was spoken, and what broke");
}

#[test]
fn a_hosted_world_has_the_budgets_of_the_world_and_catches_panics() {
    let endless = Stage::new(1, 0).start(s(1), [Op::When(crate::toy::Cue::Step(1), vec![Op::Defer(1)]), Op::Defer(1)]);
    let options = RunOptions { budget: Budget { events_max: 100, ..Budget::ORDINARY }, ..endless.options };
    let (report, _) = Host::new(&(endless.toy, options), 7).run(&mut Manner::late(7));
    assert!(matches!(report.outcome, Outcome::Exhausted(_)), "{:?}", report.outcome);
    let panics = Stage::new(1, 0).start(s(1), [Op::Panic]);
    let (report, _) = Host::new(&(panics.toy, panics.options), 7).run(&mut Manner::exact());
    assert!(matches!(report.outcome, Outcome::Panicked(ref it) if it.node == Some(s(1))), "{:?}", report.outcome);
    let stage = Stage::new(1, 0);
    let mut world = Hosted::new(&stage.toy, &stage.options, Seed(7));
    world.fail(at(5), None, "outside".to_owned());
    world.fail(at(6), None, "again".to_owned());
    let outcome = world.report().expect("it has ended").outcome;
    assert!(matches!(outcome, Outcome::Panicked(ref it) if it.message == "outside" && it.at == at(5)), "{outcome:?}");
}
