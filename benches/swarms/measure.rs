//! What the runs of a swarm came to.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use splitbrain::campaign;
use splitbrain::engine::{AnySystem as _, Engine, Run, Simulated};
use splitbrain::scenario::{Drawn, Scenario, SystemDescription};
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::system::System;

use crate::kept::{Counts, Job, hash};
use crate::shipped::{file_stem, load};

/// Seeds that are measured at once.
const CHUNK: u64 = 50;

/// All events.
pub(crate) const EVENTS: &str = "events";
/// The start of a name: a value of an option that was drawn.
pub(crate) const DRAWN: &str = "drawn ";
/// The start of a name: an invariant that was evaluated with its premise true.
pub(crate) const EVALUATED: &str = "evaluated ";
/// The start of a name: what nodes said.
pub(crate) const SAID: &str = "said ";
/// The start of a name: a gauge of the system.
pub(crate) const GAUGE: &str = "gauge ";
/// The start of a name: a point in the code.
pub(crate) const POINT: &str = "point ";
/// The start of a name: a fault, or what happened to the world.
pub(crate) const WORLD: &str = "world ";
/// The start of a name: why a run is not as expected.
pub(crate) const WRONG: &str = "wrong ";

/// A shipped swarm.
pub(crate) struct Swarm {
    /// The name of its file, without `swarm_`.
    pub(crate) name: String,
    scenario: Arc<Scenario>,
    description: SystemDescription,
    engine: Arc<dyn Engine>,
    /// Those of the gauges that are points in the code.
    points: &'static [&'static str],
}

impl Swarm {
    pub(crate) fn load<S: System>(path: &Path, points: &'static [&'static str]) -> Self {
        let scenario = Arc::new(load::<S>(path));
        let engine = Simulated::<S>::new().open(Arc::clone(&scenario)).expect("the kernel runs every scenario");
        let stem = file_stem(path);
        let name = stem.trim_start_matches("swarm").trim_start_matches('_');
        let name = if name.is_empty() { "swarm" } else { name }.to_owned();
        Self { name, scenario, description: SystemDescription::of::<S>(), engine, points }
    }

    /// The first seeds, in pieces.
    pub(crate) fn pieces(&self, seeds: u64) -> impl Iterator<Item = Piece<'_>> {
        (0..seeds).step_by(CHUNK as usize).map(move |from| Piece { swarm: self, seeds: from..seeds.min(from + CHUNK) })
    }

    /// Every name that has to come: what can be drawn, what nodes can say, every gauge, and the invariants that are on.
    pub(crate) fn names(&self) -> Counts {
        let drawn = self.choices().flat_map(|(option, values)| {
            values.iter().map(move |value| format!("{DRAWN}`{option} = {value}`")).collect::<Vec<_>>()
        });
        let said = self.description.observations.iter().map(|name| format!("{SAID}{name}"));
        let gauges = self.description.gauges.iter().map(|gauge| self.gauge(gauge.name));
        let evaluated = self.scenario.invariants.iter().map(|name| format!("{EVALUATED}`{name}`"));
        drawn.chain(said).chain(gauges).chain(evaluated).map(|name| (name, 0)).collect()
    }

    /// The name of a gauge, or of the point that it counts.
    fn gauge(&self, name: &str) -> String {
        format!("{}{name}", if self.points.contains(&name) { POINT } else { GAUGE })
    }

    /// The options of the system that one of a few values is drawn for.
    fn choices(&self) -> impl Iterator<Item = (&str, Vec<String>)> {
        self.scenario.options.base.iter().filter_map(|option| match &option.value {
            Drawn::Choose(values) => Some((option.name.as_str(), values.iter().map(ToString::to_string).collect())),
            Drawn::Constant(_) | Drawn::Range { .. } => None,
        })
    }

    fn add(&self, run: &Run, counts: &mut Counts) {
        let mut add = |name: String, count: u64| *counts.entry(name).or_default() += count;
        add(EVENTS.to_owned(), run.events);
        for (option, _) in self.choices() {
            let value = run.facts.get(option).expect("a run knows its options");
            add(format!("{DRAWN}`{option} = {value}`"), 1);
        }
        for (invariant, count) in &run.evaluated {
            add(format!("{EVALUATED}`{invariant}`"), *count);
        }
        for (name, count) in &run.gauges {
            add(self.gauge(name), *count);
        }
        for (name, count) in &run.counts {
            let is_said = self.description.observations.contains(&name.as_ref());
            add(format!("{}{name}", if is_said { SAID } else { WORLD }), *count);
        }
        for reason in campaign::reasons(&self.scenario.expect, run) {
            add(format!("{WRONG}{}, seed {}: {}", self.name, run.seed, reason.message), 1);
        }
    }
}

/// Some seeds of a swarm.
pub(crate) struct Piece<'a> {
    swarm: &'a Swarm,
    seeds: Range<u64>,
}

impl Job for Piece<'_> {
    fn key(&self) -> String {
        let Swarm { name, scenario, description, .. } = self.swarm;
        let bytes = hash(scenario.source.text.as_bytes());
        format!("clean {} {name} {bytes:016x} {:?}", description.name, self.seeds)
    }

    fn measure(&self) -> Counts {
        let mut counts = Counts::new();
        let mut worker = self.swarm.engine.worker();
        for seed in self.seeds.clone() {
            let run = worker.run(Seed(seed).into(), None);
            self.swarm.add(&run, &mut counts);
        }
        counts
    }
}
