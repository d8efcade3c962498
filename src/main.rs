//! The shipped binary: every command over the shipped systems.

use std::process::ExitCode;

use splitbrain::Cli;

fn main() -> ExitCode {
    Cli::shipped().main()
}
