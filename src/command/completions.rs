//! `splitbrain completions`: what a shell needs to complete a command line.

use std::io::Write as _;

use clap_complete::Shell;

use crate::command::CommandError;
use crate::exit_code::ExitCode;

/// What `completions` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The shell
    shell: Shell,
}

/// Does it.
pub(crate) fn run(arguments: &Arguments, clap: &mut clap::Command, name: &str) -> Result<ExitCode, CommandError> {
    // The generator panics where it cannot write, so it writes to memory.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, clap, name, &mut script);
    std::io::stdout().write_all(&script).map_err(CommandError::stdout)?;
    Ok(ExitCode::AsExpected)
}
