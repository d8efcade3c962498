//! What one run with a known bug comes to, and the counts over many.

use std::collections::BTreeSet;
use std::ops::Range;

use splitbrain::scenario::{self, Scenario};
use splitbrain_kernel::invariant::{Invariants as _, NamedInvariant, Sight};
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::Outcome;
use splitbrain_kernel::system::System;
use splitbrain_kernel::time::Duration;
use splitbrain_kernel::world::World;

use crate::kept::{Counts, Job, hash};

/// Seeds of a row of the matrix, and of a twin, unless a cell has fewer.
pub(crate) const MATRIX_SEEDS: u64 = 200;

/// Seeds that are measured at once. A divisor of [`MATRIX_SEEDS`].
const CHUNK: u64 = 50;

/// How often the bug was found.
pub(crate) const HITS: &str = "hits";
/// The same by black boxes alone.
pub(crate) const BLACK_BOX: &str = "black box";
/// The runs without the bug that broke something.
pub(crate) const TWINS_BROKEN: &str = "twins broken";
/// The start of a name: the first seed of a hit.
pub(crate) const FIRST: &str = "first ";
/// The start of a name: the invariant that ended a run.
pub(crate) const BY: &str = "by ";
/// The start of a name: an invariant of the matrix.
pub(crate) const FIRED: &str = "fired ";

/// Scenarios that are run in turn.
pub(crate) struct Arm {
    name: &'static str,
    files: Vec<Scenario>,
    /// A hash of their bytes, by which measured cells are kept.
    bytes: u64,
}

impl Arm {
    /// All shipped swarms.
    pub(crate) fn swarms(files: Vec<Scenario>) -> Self {
        Self::new("general swarm", files)
    }

    /// The scenario that is made for a bug.
    pub(crate) fn own(file: Scenario) -> Self {
        Self::new("own scenario", vec![file])
    }

    fn new(name: &'static str, files: Vec<Scenario>) -> Self {
        let bytes = files.iter().map(|file| &*file.source.text).collect::<String>();
        Self { name, files, bytes: hash(bytes.as_bytes()) }
    }

    /// Whether each has a twin.
    pub(crate) fn has_twin(&self) -> bool {
        self.files.iter().all(|file| file.twin().is_some())
    }

    /// How many scenarios take turns.
    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }
}

/// The swarms that are run with every bug.
pub(crate) struct General<S> {
    pub(crate) arm: Arm,
    /// The system with the bug of this name on all nodes.
    pub(crate) with_bug: fn(&S, &str) -> S,
}

/// A bug over some seeds of an arm.
pub(crate) struct Cell<'a, S> {
    pub(crate) bug: &'a str,
    pub(crate) arm: &'a Arm,
    /// How the system gets the bug, where the scenarios do not say it.
    pub(crate) with_bug: Option<fn(&S, &str) -> S>,
    pub(crate) seeds: Range<u64>,
    /// Whether the matrix is measured too, and the twin where the scenario has one.
    pub(crate) has_matrix: bool,
    /// By how much the runs of the matrix and of the twin are longer.
    pub(crate) settle: Duration,
}

impl<'a, S> Cell<'a, S> {
    /// The same cell in pieces.
    pub(crate) fn pieces(self) -> impl Iterator<Item = Self> + use<'a, S> {
        let Range { start, end } = self.seeds;
        let matrix_end = if self.has_matrix { MATRIX_SEEDS } else { 0 };
        (start..end).step_by(CHUNK as usize).map(move |from| Self {
            seeds: from..end.min(from + CHUNK),
            has_matrix: from < matrix_end,
            ..self
        })
    }
}

impl<S: System> Cell<'_, S> {
    fn scenario(&self, seed: u64) -> &Scenario {
        &self.arm.files[seed as usize % self.arm.files.len()]
    }

    /// A run of the scenario with those of its invariants on that `keep` wants. Returns what it broke.
    fn run(
        &self,
        scenario: &Scenario,
        seed: u64,
        settle: Duration,
        keep: impl Fn(&NamedInvariant) -> bool,
    ) -> Option<String> {
        let mut resolved = scenario::resolve::<S>(scenario, Seed(seed)).expect("options that stand together");
        let list = invariants::<S>();
        let options = &mut resolved.options;
        options.invariants = options.invariants.filter(list.len(), |index| keep(&list[index]));
        options.duration = options.duration + settle;
        options.settle = options.settle + settle;
        let system = self.with_bug.map_or(resolved.system.clone(), |with_bug| with_bug(&resolved.system, self.bug));
        broken(&World::new(&system, options, Seed(seed)).run().outcome)
    }

    /// Adds what the run of this seed came to.
    fn add(&self, seed: u64, counts: &mut Counts) {
        let mut add = |name: &str| *counts.entry(name.to_owned()).or_default() += 1;
        let scenario = self.scenario(seed);
        let found = self.run(scenario, seed, Duration::ZERO, |_| true);
        let by_black_box = match &found {
            None => false,
            // Invariants change nothing in a run, so it ends at the same place without the others.
            Some(name) if invariants::<S>().iter().any(|one| one.name == *name && is_black_box(one)) => true,
            Some(_) => self.run(scenario, seed, Duration::ZERO, is_black_box).is_some(),
        };
        if let Some(name) = &found {
            add(HITS);
            add(&format!("{BY}{name}"));
        }
        if by_black_box {
            add(BLACK_BOX);
        }
        if self.has_matrix {
            self.fired(seed, found.clone()).iter().for_each(|name| add(&format!("{FIRED}{name}")));
            let twin = scenario.twin().and_then(|twin| self.run(&twin, seed, self.settle, |_| true));
            if twin.is_some() {
                add(TWINS_BROKEN);
            }
        }
        for (is_hit, name) in [(found.is_some(), HITS), (by_black_box, BLACK_BOX)] {
            if is_hit {
                counts.entry(format!("{FIRST}{name}")).or_insert(seed);
            }
        }
    }

    /// Every invariant that fires in this run if those before it are off.
    fn fired(&self, seed: u64, found: Option<String>) -> BTreeSet<String> {
        let mut fired = BTreeSet::new();
        let mut next = if self.settle == Duration::ZERO { found } else { self.run_without(seed, &fired) };
        while let Some(name) = next {
            if !fired.insert(name) {
                // A panic or a budget, which no switch takes away.
                break;
            }
            next = self.run_without(seed, &fired);
        }
        fired
    }

    fn run_without(&self, seed: u64, fired: &BTreeSet<String>) -> Option<String> {
        self.run(self.scenario(seed), seed, self.settle, |one| !fired.contains(one.name.as_ref()))
    }
}

impl<S: System> Job for Cell<'_, S> {
    fn key(&self) -> String {
        let Self { bug, arm, seeds, has_matrix, settle, .. } = self;
        let matrix = if *has_matrix { "with matrix" } else { "without" };
        format!("{} {} {:016x} {bug} {seeds:?} {matrix} {settle}", S::NAME, arm.name, arm.bytes)
    }

    fn measure(&self) -> Counts {
        let mut counts = Counts::new();
        self.seeds.clone().for_each(|seed| self.add(seed, &mut counts));
        counts
    }
}

/// The invariants of a system and of what is inside it.
pub(crate) fn invariants<S: System>() -> Vec<NamedInvariant> {
    S::Invariants::GROUPS.named(S::NAME)
}

fn is_black_box(invariant: &NamedInvariant) -> bool {
    invariant.info.sight == Sight::BlackBox
}

/// What ended a run: an invariant, or a panic or a budget.
fn broken(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Passed => None,
        Outcome::Violated(violation) | Outcome::Stalled(violation) => Some(violation.invariant.clone()),
        Outcome::Panicked(_) | Outcome::Diverged(_) | Outcome::Exhausted(_) => Some(outcome.name().to_owned()),
    }
}
