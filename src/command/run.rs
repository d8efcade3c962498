//! `splitbrain run`: one run, with its story.

use std::path::PathBuf;

use splitbrain_kernel::rng::Seed;

use crate::command::single::{Folder, ReportArguments, SingleRun};
use crate::command::which::{SetArguments, WhereArguments};
use crate::command::{CommandError, Isolate, Session, Signals, files, parse_seed};
use crate::exit_code::ExitCode;

/// What `run` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The scenario, or - for stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The seed, decimal or after 0x
    #[arg(long, value_name = "S", default_value = "0", value_parser = parse_seed)]
    seed: Seed,

    #[command(flatten)]
    set: SetArguments,

    #[command(flatten)]
    only: WhereArguments,

    #[command(flatten)]
    report: ReportArguments,
}

/// Does it.
pub(crate) fn run(session: &Session<'_>, arguments: &Arguments) -> Result<ExitCode, CommandError> {
    let signals = Signals::new();
    let loaded = files::load_one(session, &arguments.file, &arguments.set.set)
        .map_err(|failed| arguments.report.reported(failed))?;
    loaded.remark_idle();
    let isolate = arguments.report.isolate.unwrap_or(Isolate::No);
    let engine =
        session.supervised(&loaded, isolate, true).open(loaded.scenario.clone()).map_err(CommandError::open)?;
    arguments.only.check(&loaded, &*engine, arguments.seed)?;
    let single = SingleRun {
        session,
        loaded: &loaded,
        engine,
        file: None,
        plan: None,
        seed: arguments.seed,
        arguments: &arguments.report,
        pool: arguments.report.pool(&signals),
        signals,
        folder: Folder::Made,
        recorded: None,
        again: None,
    };
    single.run_and_report().map(|result| result.exit_code)
}
