//! `splitbrain run`: one run, with its story.

use std::path::PathBuf;

use splitbrain_kernel::rng::Seed;

use crate::command::single::{Folder, TellArguments, Telling};
use crate::command::which::{SetArguments, WhereArguments};
use crate::command::{Failed, Isolate, Session, Signals, files, parse_seed};
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
    tell: TellArguments,
}

/// Does it.
pub(crate) fn run(session: &Session<'_>, arguments: &Arguments) -> Result<ExitCode, Failed> {
    let signals = Signals::new();
    let loaded = files::load_one(session, &arguments.file, &arguments.set.set)
        .map_err(|failed| arguments.tell.reported(failed))?;
    loaded.remark_idle();
    let isolate = arguments.tell.isolate.unwrap_or(Isolate::No);
    let engine = session.supervised(&loaded, isolate, true).open(loaded.scenario.clone()).map_err(Failed::open)?;
    arguments.only.check(&loaded, &*engine, arguments.seed)?;
    let telling = Telling {
        session,
        loaded: &loaded,
        engine,
        file: None,
        plan: None,
        seed: arguments.seed,
        arguments: &arguments.tell,
        pool: arguments.tell.pool(&signals),
        signals,
        folder: Folder::Made,
        recorded: None,
        again: None,
    };
    telling.tell().map(|told| told.exit_code)
}
