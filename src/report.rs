//! Writers over one model of a result: for people, for programs, for CI.
//!
//! A report reads results and recordings and decides nothing; only [`failure_artifact`] runs something, a failing run
//! once more to record it. Wall times appear in none of them.

pub mod artifact;
mod aside;
mod difference;
pub mod failure_artifact;
mod github;
mod human;
mod json;
mod junit;
mod leftovers;
mod progress;
mod reports;
mod story;
pub(crate) mod style;
mod tail;
mod timeline;

use std::io;

use crate::campaign::{Reason, ScenarioResult, Subject, Summary};
use crate::engine::Run;
use crate::scenario::Diagnostics;

pub use aside::Aside;
pub use difference::{Compared, write_difference};
pub use github::Github;
pub(crate) use human::quoted;
pub use human::{Human, ScenarioDetail, failure_block};
pub use json::{FORMAT as JSON_FORMAT, Json};
pub use junit::Junit;
pub use leftovers::Leftovers;
pub use progress::{ProgressDisplay, ProgressKind};
pub use reports::{Lost, Reports};
pub use tail::Tail;
pub(crate) use timeline::is_called;
pub use timeline::{Detail, Form, LeftOut, LogDetail, Selection, Timeline};

/// Writes what a call comes to, scenario after scenario. [`Reports`] brings it the events.
pub trait Reporter {
    /// So many scenarios are about to run.
    ///
    /// # Errors
    /// As all of its functions: output that cannot be written.
    fn begin(&mut self, scenarios: u64) -> io::Result<()> {
        let _ = scenarios;
        Ok(())
    }

    /// The next run of a scenario, in the order of the seeds.
    ///
    /// # Errors
    /// Output that cannot be written.
    fn run(&mut self, subject: &Subject<'_>, run: &Run, reasons: &[Reason]) -> io::Result<()> {
        let _ = (subject, run, reasons);
        Ok(())
    }

    /// A scenario is judged.
    ///
    /// # Errors
    /// Output that cannot be written.
    fn scenario(&mut self, subject: &Subject<'_>, result: &ScenarioResult) -> io::Result<()>;

    /// A scenario is not run, as the call ended before.
    ///
    /// # Errors
    /// Output that cannot be written.
    fn skipped(&mut self, subject: &Subject<'_>) -> io::Result<()> {
        let _ = subject;
        Ok(())
    }

    /// These files are wrong, so nothing runs and nothing else is told. People read of it on stderr.
    ///
    /// # Errors
    /// Output that cannot be written.
    fn invalid(&mut self, invalid: &[Diagnostics], summary: &Summary) -> io::Result<()> {
        let _ = (invalid, summary);
        Ok(())
    }

    /// All is done.
    ///
    /// # Errors
    /// Output that cannot be written.
    fn end(&mut self, summary: &Summary) -> io::Result<()>;
}
