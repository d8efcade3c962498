//! The commands as a shell sees them: what they print, what they leave behind, how they exit.
//!
//! Most of it is shown on a toy system, whose program is this very test binary: [`toy_program`] is what runs when the
//! environment says so. The shipped binary is tested for what it adds.

mod diff;
mod edges;
mod history;
mod hostile;
mod isolation;
mod kinds;
mod plans;
mod reactor;
mod replay;
mod scenarios;
mod select;
mod session;
mod shipped;
mod show;
mod single;
mod story;
mod support;
mod test_command;
mod variants;
mod which;

use splitbrain::Cli;
use splitbrain_toy::{Ring, Town};

/// Not a test: the program of the system with kinds of its own, as [`toy_program`] is the toy's.
#[test]
fn town_program() {
    let Some(arguments) = support::toy_arguments() else { return };
    let cli = Cli::new().name("town").version("town 1.0").system::<Town>();
    std::process::exit(i32::from(cli.run(arguments).code()));
}

/// Not a test: the toy's program, when [`support::toy`] starts this binary for it.
#[test]
fn toy_program() {
    let Some(arguments) = support::toy_arguments() else { return };
    let cli = Cli::new().name("toy").version("toy 1.0").system::<Ring>();
    std::process::exit(i32::from(cli.main_as(arguments, support::toy_again).code()));
}
