//! In how many seeds each known bug of the reactor was found: by all invariants, by the one that needs no look into the
//! server, and by each invariant alone; and whether the same without the bug breaks something.

use std::fmt::Write as _;
use std::path::PathBuf;

use splitbrain::scenario::{self, Scenario};
use splitbrain_kernel::invariant::{InvariantSet, Invariants as _, Sight};
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::Outcome;
use splitbrain_kernel::system::System;
use splitbrain_kernel::time::Duration;
use splitbrain_kernel::world::World;
use splitbrain_systems::reactor::Reactor;
use splitbrain_systems::reactor::bug::Bug;

use crate::load;

/// Seeds in which each known bug is looked for.
const SEEDS: u64 = 100;

/// What is added to a run for the invariants of liveness: time without faults and requests, in which answers are due.
const SETTLE: Duration = Duration::from_millis(300);

type List = <Reactor as System>::Invariants;

/// In how many seeds, and in which first.
#[derive(Clone, Copy, Debug, Default)]
struct Hits {
    count: u64,
    first: Option<u64>,
}

impl Hits {
    fn add(&mut self, seed: u64) {
        self.count += 1;
        self.first.get_or_insert(seed);
    }
}

/// A known bug over its seeds.
struct Found {
    bug: Bug,
    all: Hits,
    /// The invariants that ended a run of all invariants.
    by: Vec<String>,
    black_box: Hits,
    /// By each invariant alone, with a settle phase.
    alone: Vec<Hits>,
    twins_broken: u64,
}

/// A run with these invariants, with this bug on all nodes, and with a settle phase if asked. Returns what is broken.
fn broken(scenario: &Scenario, seed: u64, bug: Bug, invariants: &InvariantSet, settle: Duration) -> Option<String> {
    let seed = Seed(seed);
    let mut resolved = scenario::resolve::<Reactor>(scenario, seed).expect("options that stand together");
    resolved.system = resolved.system.with_bug(bug);
    resolved.options.invariants = invariants.clone();
    resolved.options.duration = resolved.options.duration + settle;
    resolved.options.settle = resolved.options.settle + settle;
    match World::new(&resolved.system, &resolved.options, seed).run().outcome {
        Outcome::Passed => None,
        Outcome::Violated(violation) | Outcome::Stalled(violation) => Some(violation.invariant),
        other => Some(other.name().to_owned()),
    }
}

fn only(fits: impl Fn(usize) -> bool) -> InvariantSet {
    InvariantSet::All.filter(List::LIST.len(), fits)
}

fn look_for(bug: Bug, scenario: &Scenario) -> Found {
    let count = List::LIST.len();
    let black_box = only(|index| List::LIST[index].sight == Sight::BlackBox);
    let mut found = Found {
        bug,
        all: Hits::default(),
        by: Vec::new(),
        black_box: Hits::default(),
        alone: vec![Hits::default(); count],
        twins_broken: 0,
    };
    for seed in 0..SEEDS {
        if let Some(invariant) = broken(scenario, seed, bug, &InvariantSet::All, Duration::ZERO) {
            found.all.add(seed);
            found.by.push(invariant);
        }
        if broken(scenario, seed, bug, &black_box, Duration::ZERO).is_some() {
            found.black_box.add(seed);
        }
        for (index, hits) in found.alone.iter_mut().enumerate() {
            if broken(scenario, seed, bug, &only(|at| at == index), SETTLE).is_some() {
                hits.add(seed);
            }
        }
        let twin = broken(scenario, seed, Bug::None, &InvariantSet::All, SETTLE);
        found.twins_broken += u64::from(twin.is_some());
    }
    found.by.sort();
    found.by.dedup();
    found
}

fn all_found() -> Vec<Found> {
    let bugs = Bug::ALL.iter().copied().filter(|bug| *bug != Bug::None);
    let scenario = |bug: Bug| load(&PathBuf::from(format!("scenarios/reactor/bugs/{}.toml", bug.name())));
    bugs.map(|bug| look_for(bug, &scenario(bug))).collect()
}

/// The page, and what is wrong with it.
pub(crate) fn table() -> (String, Vec<String>) {
    let found = all_found();
    let mut page = format!(
        "# Known bugs of the reactor\n\n\
         Each known bug in the scenario of its name in `scenarios/reactor/bugs`, over {SEEDS} seeds, by \
         `just reactor-table`.\n\
         A bug that is not found, a twin (the same seeds without the bug) that breaks something, and an invariant that \
         finds no bug are failures.\n\n\
         ## Seeds to find\n\n\
         *Found in*: in how many of the seeds a run with all invariants ended with a violation; *first*: in which \
         seed, counted from 0; *by*: which invariants ended these runs. *Black box*: the same with \
         `answered_in_order` alone, the invariant that looks at nothing but what clients send and hear.\n\n\
         | bug | found in | first | by | black box | first | twins broken |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n"
    );
    let seed = |hits: &Hits| hits.first.map_or("–".to_owned(), |seed| seed.to_string());
    for it in &found {
        let (all, black_box, twins) = (it.all, it.black_box, it.twins_broken);
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {} | {} | {twins} |",
            it.bug.name(),
            all.count,
            seed(&all),
            it.by.join(", "),
            black_box.count,
            seed(&black_box)
        );
    }
    let _ = write!(
        page,
        "\n## Each invariant alone\n\n\
         In how many of the {SEEDS} seeds each invariant finds the bug when all others are off. The runs are {SETTLE} \
         longer than the scenario says, a settle phase in which answers are due.\n\n"
    );
    for (index, info) in List::LIST.iter().enumerate() {
        let finds: Vec<String> = found
            .iter()
            .filter(|it| it.alone[index].count > 0)
            .map(|it| format!("`{}` {}", it.bug.name(), it.alone[index].count))
            .collect();
        let finds = if finds.is_empty() { "nothing".to_owned() } else { finds.join(", ") };
        let _ = writeln!(page, "- `{}`: {finds}", info.name);
    }
    let mut wrong = Vec::new();
    for it in &found {
        if it.all.count == 0 || it.twins_broken > 0 {
            wrong.push(format!("{}: found in {}, {} twins broken", it.bug.name(), it.all.count, it.twins_broken));
        }
    }
    for (index, info) in List::LIST.iter().enumerate() {
        if found.iter().all(|it| it.alone[index].count == 0) {
            wrong.push(format!("{} finds no bug", info.name));
        }
    }
    (page, wrong)
}
