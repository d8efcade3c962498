//! What is drawn once for a run. Each draw has a stream of its own, keyed by the path of its key or by the node, so
//! that adding an option, a server or a client moves no other draw.

use std::collections::BTreeMap;

use splitbrain_kernel::fault::Offset;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::options::Value;
use splitbrain_kernel::rng::{Ppm, Rng, Seed, fnv1a};
use splitbrain_kernel::run::ClockOptions;
use splitbrain_kernel::selector::Span;
use splitbrain_kernel::time::{Duration, Instant};

use crate::scenario::draw::STREAM;
use crate::scenario::section::network::{DUPLICATION, LOSS, REORDERING};
use crate::scenario::section::options::{PRESET, node_header};
use crate::scenario::{ClockSpans, Drawn, OptionSetting, Scenario};

use super::Chosen;

/// Every choice of a scenario, made.
#[derive(Clone, Debug)]
pub(super) struct Choices {
    pub(super) preset: String,
    pub(super) base: Vec<(String, Value)>,
    pub(super) nodes: BTreeMap<NodeId, Vec<(String, Value)>>,
    pub(super) loss: Ppm,
    pub(super) duplication: Ppm,
    pub(super) reordering: Ppm,
    pub(super) chosen: Vec<Chosen>,
}

/// Makes one choice.
pub(super) trait Decide {
    /// Which end of a range, or which item of a list, of the key with this path.
    fn decide<T: Clone + DrawBetween>(&mut self, path: &str, drawn: &Drawn<T>) -> T {
        self.decide_by(path, path, drawn)
    }

    /// The same, where another path keys the draw.
    fn decide_by<T: Clone + DrawBetween>(&mut self, path: &str, stream: &str, drawn: &Drawn<T>) -> T;
}

/// A value between two others.
pub(super) trait DrawBetween: ToString {
    /// Evenly, both included. One word.
    fn between(rng: &mut Rng, low: &Self, high: &Self) -> Self;
}

impl DrawBetween for Ppm {
    fn between(rng: &mut Rng, low: &Self, high: &Self) -> Self {
        let parts = rng.between(u64::from(low.parts()), u64::from(high.parts()));
        Self::new(u32::try_from(parts).expect("at most the higher end"))
    }
}

impl DrawBetween for String {
    fn between(_: &mut Rng, low: &Self, _: &Self) -> Self {
        low.clone()
    }
}

impl DrawBetween for Value {
    fn between(rng: &mut Rng, low: &Self, high: &Self) -> Self {
        match (low, high) {
            (Self::Integer(low), Self::Integer(high)) => Self::Integer(rng.between(*low, *high)),
            (Self::Duration(low), Self::Duration(high)) => Self::Duration(rng.duration(*low, *high)),
            (Self::Probability(low), Self::Probability(high)) => Self::Probability(Ppm::between(rng, low, high)),
            // Other kinds have no order, and the file was refused.
            _ => low.clone(),
        }
    }
}

/// Decides by the run's seed.
struct BySeed {
    seed: Seed,
    chosen: Vec<Chosen>,
}

impl Decide for BySeed {
    fn decide_by<T: Clone + DrawBetween>(&mut self, path: &str, stream: &str, drawn: &Drawn<T>) -> T {
        let mut rng = self.seed.stream(STREAM, fnv1a(stream));
        let value = match drawn {
            Drawn::Constant(value) => return value.clone(),
            Drawn::Range { low, high } => T::between(&mut rng, low, high),
            Drawn::Choose(values) => rng.choose(values).expect("a choice has at least one value").clone(),
        };
        self.chosen.push(Chosen { key: path.to_owned(), value: value.to_string() });
        value
    }
}

impl Choices {
    /// As this seed decides.
    pub(super) fn draw(scenario: &Scenario, seed: Seed) -> Self {
        let mut by = BySeed { seed, chosen: Vec::new() };
        let choices = Self::decide(scenario, &mut by);
        Self { chosen: by.chosen, ..choices }
    }

    /// As `by` decides, in the order of the sections.
    pub(super) fn decide(scenario: &Scenario, by: &mut impl Decide) -> Self {
        let system = &scenario.system;
        let network = &scenario.network;
        let chance = |by: &mut _, name: &str, drawn: &Drawn<Ppm>| Decide::decide(by, &format!("network.{name}"), drawn);
        Self {
            preset: by.decide(&format!("{system}.{}", PRESET.name), &scenario.options.preset),
            base: settings(by, system, &scenario.options.base),
            nodes: scenario
                .options
                .nodes
                .iter()
                .map(|(node, of)| (*node, settings(by, &node_header(system, scenario.cluster, *node), of)))
                .collect(),
            loss: chance(by, LOSS.name, &network.loss),
            duplication: chance(by, DUPLICATION.name, &network.duplication),
            reordering: chance(by, REORDERING.name, &network.reordering),
            chosen: Vec::new(),
        }
    }
}

fn settings(by: &mut impl Decide, path: &str, settings: &[OptionSetting]) -> Vec<(String, Value)> {
    let decide = |one: &OptionSetting| {
        let of_table = |key: &str| format!("{path}.{key}");
        (one.name.clone(), by.decide_by(&of_table(&one.name), &of_table(&one.stream), &one.value))
    };
    settings.iter().map(decide).collect()
}

/// The clocks of every node.
pub(super) fn clocks(scenario: &Scenario, seed: Seed) -> BTreeMap<NodeId, ClockOptions> {
    let clocks = &scenario.clocks;
    let spans = |node: &NodeId| clocks.nodes.get(node).copied().unwrap_or(clocks.base);
    scenario.cluster.nodes().map(|node| (node, clock(seed, node, spans(&node)))).collect()
}

/// One word for each of its draws, from a stream of its own, whether or not there is anything to draw.
fn clock(seed: Seed, node: NodeId, spans: ClockSpans) -> ClockOptions {
    let mut drift = seed.stream("clocks.drift", node.key());
    let mut offset = seed.stream("clocks.offset", node.key());
    let Span { low, high } = spans.offset;
    let nanos = signed(&mut offset, low.0, high.0);
    let ppm = signed(&mut drift, spans.drift_ppm.low.into(), spans.drift_ppm.high.into());
    let origin = |label: &str, span: Span<Instant>| {
        let mut rng = seed.stream(label, node.key());
        Instant::from_nanos(rng.between(span.low.as_nanos(), span.high.as_nanos()))
    };
    ClockOptions {
        offset: Offset(nanos),
        drift_ppm: i32::try_from(ppm).expect("between two numbers of this type"),
        monotonic: origin("clocks.origin.monotonic", spans.monotonic),
        wall: origin("clocks.origin.wall", spans.wall),
    }
}

fn signed(rng: &mut Rng, low: i64, high: i64) -> i64 {
    let above = rng.between(0, high.abs_diff(low));
    low.checked_add_unsigned(above).expect("at most the higher end")
}

/// The scenario with every choice made.
pub(super) fn pin(scenario: &Scenario, seed: Seed) -> Scenario {
    let choices = Choices::draw(scenario, seed);
    let mut pinned = scenario.clone();
    pinned.options.preset = Drawn::Constant(choices.preset);
    pin_settings(&mut pinned.options.base, choices.base);
    for (node, values) in choices.nodes {
        let settings = pinned.options.nodes.entry(node).or_default();
        pin_settings(settings, values);
    }
    pinned.network.loss = Drawn::Constant(choices.loss);
    pinned.network.duplication = Drawn::Constant(choices.duplication);
    pinned.network.reordering = Drawn::Constant(choices.reordering);
    let clocks = clocks(scenario, seed).into_iter();
    let constant = |options: ClockOptions| ClockSpans {
        drift_ppm: Span::constant(options.drift_ppm),
        offset: Span::constant(options.offset),
        monotonic: Span::constant(options.monotonic),
        wall: Span::constant(options.wall),
    };
    let drawn = clocks.filter(|(_, options)| *options != ClockOptions::default());
    pinned.clocks.nodes = drawn.map(|(node, options)| (node, constant(options))).collect();
    pinned.clocks.base = constant(ClockOptions::default());
    pinned
}

fn pin_settings(settings: &mut [OptionSetting], values: Vec<(String, Value)>) {
    for (setting, (name, value)) in settings.iter_mut().zip(values) {
        assert_eq!(setting.name, name, "choices keep the order of the settings");
        setting.value = Drawn::Constant(value);
    }
}

/// How many values a choice has that are worth trying: the ends of a range, every item of a list.
pub(super) const fn alternatives<T>(drawn: &Drawn<T>) -> u64 {
    match drawn {
        Drawn::Constant(_) => 1,
        Drawn::Range { .. } => 2,
        Drawn::Choose(values) => values.len() as u64,
    }
}

/// The most that a duration of a scenario adds up to; a sum of two fits.
const _: () = assert!(crate::scenario::shape::quantity::LONGEST.as_nanos() < Duration::MAX.as_nanos() / 1000);
