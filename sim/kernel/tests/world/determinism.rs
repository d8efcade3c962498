//! A run is a pure function of its options, plan and seed; who watches changes nothing.

use splitbrain_kernel::director::spec::{MessageSpec, NemesisKind, NemesisSpec};
use splitbrain_kernel::fault::Latency;
use splitbrain_kernel::id::{Cluster, KindId};
use splitbrain_kernel::invariant::InvariantSet;
use splitbrain_kernel::rng::{Ppm, Seed};
use splitbrain_kernel::run::{OptionsOf, Outcome, RunOptions, RunReport, Ties};
use splitbrain_kernel::selector::{Among, Selector, Span};
use splitbrain_kernel::time::Instant;
use splitbrain_kernel::view::View as _;
use splitbrain_kernel::world::World;

use crate::stage::{Played, c, ms, options, s};
use crate::toy::{Op, Toy};

/// Random faults at a brisk pace: of every kind that there was when the golden digests were written down.
pub(crate) fn every_nemesis<Q: Clone>() -> Vec<NemesisSpec<Q>> {
    let kinds: Vec<NemesisKind> =
        NemesisKind::ALL.iter().copied().filter(|kind| *kind < NemesisKind::HarshCrash).collect();
    ["a", "b", "c"].map(|id| nemesis(id, &kinds)).to_vec()
}

fn nemesis<Q>(id: &str, kinds: &[NemesisKind]) -> NemesisSpec<Q> {
    NemesisSpec {
        id: id.to_owned(),
        line: 0,
        kinds: kinds.to_vec(),
        on: vec![Selector::Any(Among::Nodes)],
        every: Span { low: ms(2), high: ms(60) },
        duration: Span { low: ms(0), high: ms(120) },
        swarm: false,
        from: Instant::ZERO,
        until: None,
        messages: MessageSpec::default(),
        orders: Vec::new(),
    }
}

/// Talkative nodes under every fault, with a settle phase.
pub(crate) fn stormy() -> (Toy, OptionsOf<Toy>) {
    let cluster = Cluster::plain(4, 2).with_spare(KindId::SERVER, 1);
    let mut options = options(cluster);
    options.network.latency = Latency::Uniform { min: ms(0), max: ms(9) };
    options.network.loss = Ppm::new(20_000);
    options.network.duplication = Ppm::new(20_000);
    options.network.reordering = Ppm::new(20_000);
    options.disk.sync_max = ms(6);
    options.nemeses = every_nemesis();
    options.settle = ms(250);
    (Toy { chatters: true, ..Toy::of(cluster) }, options)
}

/// Talkative nodes to whom nothing is done.
pub(crate) fn calm() -> (Toy, OptionsOf<Toy>) {
    let (toy, stormy) = stormy();
    (toy, RunOptions { nemeses: Vec::new(), settle: ms(0), ..stormy })
}

pub(crate) fn report((toy, options): &(Toy, OptionsOf<Toy>), seed: u64) -> RunReport<Op, Op> {
    World::new(toy, options, Seed(seed)).run()
}

fn agree(a: &RunReport<Op, Op>, b: &RunReport<Op, Op>) {
    assert_eq!((a.digest, a.events, a.end, &a.counts), (b.digest, b.events, b.end, &b.counts));
    assert_eq!((&a.outcome, &a.plan), (&b.outcome, &b.plan));
}

#[test]
fn one_seed_is_one_run_and_two_seeds_are_two() {
    for setup in [calm(), stormy()] {
        let reports: Vec<_> = (0..20).map(|seed| report(&setup, seed)).collect();
        assert!(reports.iter().all(|report| report.outcome == Outcome::Passed && report.events > 2_000));
        (0..20).zip(&reports).for_each(|(seed, first)| agree(first, &report(&setup, seed)));
        let digests: std::collections::BTreeSet<_> = reports.iter().map(|report| report.digest).collect();
        assert_eq!(digests.len(), 20);
    }
}

#[test]
fn a_storm_has_every_kind_of_fault_and_every_condition_of_the_world() {
    let setup = stormy();
    let mut counts = std::collections::BTreeMap::new();
    for seed in 0..60 {
        for (name, count) in report(&setup, seed).counts {
            *counts.entry(name).or_insert(0) += count;
        }
    }
    let expected =
        ["cut", "clog", "weather", "crash", "pause", "slow", "clock_step", "clock_drift", "clock_freeze", "disk"];
    let conditions = splitbrain_kernel::world::CONDITIONS.iter().map(|(name, _)| *name);
    // No nemesis narrows a link, replays a packet or refuses a request, and no toy fails: tests of their own have them.
    let directed = ["packet dropped", "packet replayed", "request refused", "operation failed"];
    let unlikely = |name: &&str| *name == "node exited" || directed.contains(name);
    let missing = expected.into_iter().chain(conditions.filter(|name| !unlikely(name)));
    assert_eq!(missing.filter(|name| !counts.contains_key(*name)).collect::<Vec<_>>(), [] as [&str; 0]);
}

#[test]
fn neither_invariants_nor_a_trace_change_the_digest() {
    for (toy, options) in [calm(), stormy()] {
        for seed in 0..10 {
            let plain = report(&(toy.clone(), options.clone()), seed);
            let off = RunOptions { invariants: InvariantSet::NONE, ..options.clone() };
            let mut watched = toy.clone();
            watched.watch.deadline = Some(Instant::from_nanos(123_456_789));
            agree(&plain, &report(&(toy.clone(), off), seed));
            agree(&plain, &report(&(watched, options.clone()), seed));
            agree(&plain, &Played::of(&toy, &options, Seed(seed)).report);
        }
    }
}

#[test]
fn a_cloned_world_goes_on_like_the_original() {
    let (toy, options) = stormy();
    for seed in 0..10 {
        let whole = report(&(toy.clone(), options.clone()), seed);
        let mut world = World::new(&toy, &options, Seed(seed));
        for share in 0..4 {
            let mut copy = world.clone();
            assert_eq!(world.run_until(whole.events * share / 4).map(|report| report.events), None);
            assert_eq!(world.view().events(), whole.events * share / 4);
            agree(&whole, &copy.run());
        }
        let last = world.run_until(u64::MAX).expect("it came to its end");
        agree(&whole, &last);
    }
}

#[test]
fn a_pause_at_the_last_event_is_not_the_end() {
    let (toy, options) = calm();
    let whole = report(&(toy.clone(), options.clone()), 1);
    let mut world = World::new(&toy, &options, Seed(1));
    assert!(world.run_until(whole.events).is_none());
    agree(&whole, &world.run_until(whole.events + 1).expect("there is no other event"));
}

#[test]
fn explored_ties_are_part_of_the_run() {
    let (toy, options) = stormy();
    let explored = (toy.clone(), RunOptions { ties: Ties::Explore, ..options.clone() });
    for seed in 0..5 {
        agree(&report(&explored, seed), &report(&explored, seed));
        assert_ne!(report(&explored, seed).digest, report(&(toy.clone(), options.clone()), seed).digest);
    }
}

#[test]
fn a_draw_that_changed_nothing_is_seen_in_the_digest() {
    let stage = crate::stage::Stage::new(1, 0);
    let draws = |op| stage.clone().at(5, s(1), op).pass().report.digest;
    let twice = Op::All(vec![Op::Draw, Op::Draw]);
    assert_ne!(draws(Op::Draw), draws(twice));
    assert_ne!(draws(Op::Remember(1)), draws(Op::Remember(2)), "an operation is an input");
    // One more packet on a link that loses all: nobody hears of it.
    let lossy = crate::stage::Stage::new(1, 1).with(|options| options.network.loss = Ppm::ALWAYS);
    let sends = |count| lossy.clone().start(c(1), [Op::SendMany(s(1), count)]).pass().report.digest;
    assert_ne!(sends(1), sends(2));
}

#[test]
fn crashes_that_draw_what_they_keep_replay_from_their_plan() {
    let (toy, mut options) = stormy();
    options.nemeses = vec![
        nemesis("harsh", &[NemesisKind::HarshCrash]),
        nemesis("power", &[NemesisKind::PowerLoss]),
        nemesis("twice", &[NemesisKind::CrashTwice]),
    ];
    for seed in 0..10 {
        let first = report(&(toy.clone(), options.clone()), seed);
        assert!(first.plan.faults.len() > 20, "{} faults", first.plan.faults.len());
        let replay = RunOptions { replay: Some(first.plan.clone()), ..options.clone() };
        agree(&report(&(toy.clone(), replay), seed), &first);
    }
}
