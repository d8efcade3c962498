//! `splitbrain check`: validates scenario files without running them.

use std::io::Write as _;
use std::path::PathBuf;

use crate::command::{Failed, Session, files};
use crate::exit_code::ExitCode;
use crate::wording::counted;

/// What `check` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Scenario files, or folders that are searched for *.toml
    #[arg(default_value = "scenarios", value_name = "FILES")]
    files: Vec<PathBuf>,
}

/// Does it.
pub(crate) fn run(session: &Session<'_>, arguments: &Arguments) -> Result<ExitCode, Failed> {
    let files = files::find(&arguments.files)?;
    let scenarios = files::load(session, &files)?;
    let mut out = anstream::stdout();
    for loaded in &scenarios {
        let scenario = &loaded.scenario;
        let seeds = counted(scenario.seed_count(), "seed");
        let path = &scenario.source.path;
        writeln!(out, "valid {path}: {}, {seeds} of {}", scenario.system, scenario.run.duration)
            .map_err(Failed::stdout)?;
    }
    writeln!(out, "{}", counted(scenarios.len() as u64, "valid scenario")).map_err(Failed::stdout)?;
    Ok(if scenarios.is_empty() { ExitCode::NothingRan } else { ExitCode::AsExpected })
}
