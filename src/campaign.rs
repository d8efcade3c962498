//! Scenarios over many seeds: runs on threads, folded in the order of the seeds into one judgement each.
//!
//! Whatever happens is an [`Event`], which the listeners of a call hear in order: the judge is one of them, and so are
//! the writers of artifacts, reports and progress, which live above. Nothing here knows a system, a file or a terminal.
//! The number of jobs changes no result, and wall time decides nothing but the watchdog, which is no part of a result.

mod conduct;
mod determinism;
mod event;
mod figure;
mod judgement;
mod log;
mod pool;
mod seeds;
mod subject;
mod summary;
#[cfg(test)]
mod tests;
mod twin;
mod unnoticed;

use std::time::Duration;

use splitbrain_kernel::rng::Ppm;

pub(crate) use crate::engine::install_panic_hook;
pub use crate::engine::{RUN_THREAD, take_panic_place};
pub use conduct::{Planned, conduct, judge, run};
pub use event::{Event, Evidence, Listener, Listeners, Reply, Silent};
pub use figure::{Bar, Distribution, Figure};
pub(crate) use judgement::describe_outcome;
pub use judgement::{Failure, Found, Judgement, Reason, ReasonKind, ScenarioResult, reasons, unmet};
pub use pool::STACK_SIZE as RUN_STACK_SIZE;
pub(crate) use pool::overdue;
pub use pool::{Interrupt, Pool, PoolEnd};
pub use seeds::{SeedError, Seeds, parse_seed};
pub use subject::Subject;
pub use summary::Summary;
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
    /// The call ends after the first scenario that is not as expected: those after it are skipped.
    pub fail_fast: bool,
    /// The share of seeds that are run twice and compared.
    pub check_determinism: Ppm,
    /// The threads.
    pub pool: Pool,
}
