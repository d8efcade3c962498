//! One scenario over many seeds: runs on threads, folded in the order of the seeds into one judgement.
//!
//! Nothing here knows a system or a terminal, and only [`evidence`] writes files. The number of jobs changes no result,
//! and wall time decides nothing but the watchdog, which is no part of a result.

mod determinism;
pub mod evidence;
mod judgement;
mod pool;
mod quiet;
mod seeds;
#[cfg(test)]
mod tests;
mod twin;

use std::sync::Arc;
use std::time::Duration;

use splitbrain_kernel::rng::{Ppm, Seed};

use crate::engine::{Engine, Run, Unsupported};
use crate::scenario::Scenario;

pub(crate) use judgement::told;
pub use judgement::{Failure, Figure, Found, Judgement, Reason, ReasonKind, ScenarioResult, reasons};
use pool::Bench;
pub use pool::{Interrupt, Pool, PoolEnd};
pub use quiet::THREAD as RUN_THREAD;
pub(crate) use quiet::install as quiet_panics;
pub use seeds::{SeedError, Seeds, parse_seed};
pub use twin::{Twin, hold_to_twin};

/// The share of seeds that are run twice where nobody says otherwise: one in twenty.
pub const CHECK_DETERMINISM: Ppm = Ppm::new(50_000);

/// How long one run may take on the real clock where nobody says otherwise.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// How a campaign is carried out. None of it changes what a run is.
#[derive(Clone, Debug)]
pub struct CampaignOptions {
    /// Which seeds; those that the scenario asks for where there are none.
    pub seeds: Option<Seeds>,
    /// A campaign stops after so many runs that are not as expected; never where there is no number.
    pub max_fail: Option<u64>,
    /// The share of seeds that are run twice and compared.
    pub check_determinism: Ppm,
    /// The threads.
    pub pool: Pool,
}

/// Hears of a campaign as it goes on.
pub trait Watcher {
    /// The next run in the order of the seeds, and why it is not as expected, where it is not.
    fn run(&mut self, run: &Run, reasons: &[Reason]);

    /// So many runs of so many are done. Told now and then, in no exact place.
    fn progress(&mut self, done: u64, total: u64);
}

/// Hears nothing.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Watcher for Silent {
    fn run(&mut self, run: &Run, reasons: &[Reason]) {
        let _ = (run, reasons);
    }

    fn progress(&mut self, done: u64, total: u64) {
        let _ = (done, total);
    }
}

/// The judgement of a scenario that the engine cannot carry out: not one run, and never as expected.
pub fn not_supported(scenario: &Scenario, options: &CampaignOptions, all: &[Unsupported]) -> ScenarioResult {
    let seeds = options.seeds.clone().unwrap_or_else(|| Seeds::first(scenario.seed_count()));
    judgement::Judge::new(scenario, &seeds, options).refuse(all)
}

/// Runs a scenario over its seeds and judges it.
pub fn run(
    scenario: &Scenario,
    engine: &Arc<dyn Engine>,
    options: &CampaignOptions,
    watcher: &mut dyn Watcher,
) -> ScenarioResult {
    let seeds = options.seeds.clone().unwrap_or_else(|| Seeds::first(scenario.seed_count()));
    let share = options.check_determinism;
    let task = move |bench: &mut Bench<'_>, seed: Seed| determinism::run(bench, seed, share);
    let task: Arc<pool::Task<determinism::Checked>> = Arc::new(task);
    let mut judge = judgement::Judge::new(scenario, &seeds, options);
    // Both closures tell the watcher, and never at once.
    let watcher = std::cell::RefCell::new(watcher);
    let fold = |checked: determinism::Checked| {
        let reasons = reasons(&scenario.expect, &checked.run);
        watcher.borrow_mut().run(&checked.run, &reasons);
        judge.add(checked, reasons)
    };
    let total = seeds.len();
    let tick = |done| watcher.borrow_mut().progress(done, total);
    let end = options.pool.each(engine, &seeds, &task, fold, tick);
    ScenarioResult { skipped: engine.skipped(), ..judge.finish(end) }
}
