//! When the figures of a run that is recorded go beyond the most that `[expect]` allows.
//!
//! A measure has its span of time by itself. Of gauges and counts there is only the value, so it is looked at after
//! each input.

use std::collections::BTreeMap;

use splitbrain_kernel::system::System;
use splitbrain_kernel::time::Instant;
use splitbrain_kernel::trace::Tracer;
use splitbrain_kernel::view::View as _;
use splitbrain_kernel::world::World;

use crate::scenario::{Expect, Facts};

/// The moments of a run so far.
#[derive(Debug)]
pub(super) struct Moments<'a> {
    /// Figures with their upper bounds that are not exceeded yet.
    watched: Vec<(&'a str, u64)>,
    /// Time and events at which the others were, by name.
    pub(super) found: BTreeMap<String, (Instant, u64)>,
}

impl<'a> Moments<'a> {
    /// Of the figures that this run is held to.
    pub(super) fn of(expect: &'a Expect, facts: &Facts) -> Self {
        let bounds = expect.bounds.iter().filter(|bound| bound.percentile.is_none() && bound.filter.matches(facts));
        let watched = bounds.filter_map(|bound| Some((bound.metric.as_str(), bound.at_most?)));
        Self { watched: watched.collect(), found: BTreeMap::new() }
    }

    /// Whether there is nothing to look at.
    pub(super) const fn is_empty(&self) -> bool {
        self.watched.is_empty()
    }

    /// Looks at the figures after an input.
    pub(super) fn update<S: System, T: Tracer<S::Node>>(&mut self, world: &World<S, T>) {
        if self.watched.is_empty() {
            return;
        }
        let view = world.view();
        let (now, events, gauges) = (view.now(), view.events(), S::gauges(world.invariants()));
        let gauge = |name: &str| S::GAUGES.iter().position(|gauge| gauge.name == name).map(|place| gauges[place]);
        let value = |name: &str| match name {
            "events" => events,
            name => gauge(name).unwrap_or_else(|| world.count_of(name)),
        };
        let found = &mut self.found;
        self.watched.retain(|(name, most)| {
            let is_beyond = value(name) > *most;
            if is_beyond {
                found.entry((*name).to_owned()).or_insert((now, events));
            }
            !is_beyond
        });
    }
}
