//! What was typed: the commands and their flags, for the shipped systems or for one's own.

use std::ffi::OsString;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use splitbrain_kernel::system::System;
#[cfg(feature = "systems")]
use splitbrain_systems::{chat::Chat, lock::Lock, raft::Raft, reactor::Reactor, session::Sessions};

use crate::build;
use crate::campaign;
use crate::command::{self, CommandError, Session};
#[cfg(unix)]
use crate::engine::Isolation;
#[cfg(unix)]
use crate::engine::apart::{self, ProcessPerRun};
use crate::engine::{AnySystem, Simulated};
use crate::exit_code::ExitCode;
use crate::verbosity;

/// The command line over a set of systems.
///
/// ```no_run
/// # use splitbrain::Cli;
/// # fn with<Lease: splitbrain::kernel::system::System>() -> std::process::ExitCode {
/// Cli::new().name("lease").system::<Lease>().main()
/// # }
/// ```
pub struct Cli {
    name: String,
    version: String,
    systems: Vec<Box<dyn AnySystem>>,
    /// How this program is started to carry out runs; `None` where it does not begin with [`Cli::main`].
    #[cfg(unix)]
    starter: Option<apart::Starter>,
}

impl std::fmt::Debug for Cli {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let systems: Vec<&str> = self.systems.iter().map(|system| system.description().name).collect();
        f.debug_struct("Cli").field("name", &self.name).field("systems", &systems).finish_non_exhaustive()
    }
}

impl Default for Cli {
    fn default() -> Self {
        Self::new()
    }
}

/// Runs the scenario file, or every one in the folder, over the shipped systems; for a cargo test.
///
/// # Panics
/// Where one is not as expected, with the report that the command line would have printed.
#[cfg(feature = "systems")]
#[track_caller]
pub fn check(path: impl AsRef<Path>) {
    Cli::shipped().check(path);
}

impl Cli {
    /// No system yet.
    pub fn new() -> Self {
        Self {
            name: "splitbrain".to_owned(),
            version: build::ID.to_owned(),
            systems: Vec::new(),
            #[cfg(unix)]
            starter: None,
        }
    }

    /// The systems that ship with splitbrain.
    #[cfg(feature = "systems")]
    pub fn shipped() -> Self {
        Self::new().system::<Raft>().system::<Reactor>().system::<Lock>().system::<Sessions>().system::<Chat>()
    }

    /// The name of the program, for help and for the lines to copy.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// The version of the program, shown before that of splitbrain.
    #[must_use]
    pub fn version(mut self, version: &str) -> Self {
        self.version = format!("{version} (splitbrain {})", build::ID);
        self
    }

    /// One more system, under the kernel.
    #[must_use]
    pub fn system<S: System>(self) -> Self {
        self.engine(Simulated::<S>::new())
    }

    /// One more system, under an engine of its own.
    #[must_use]
    pub fn engine(mut self, system: impl AnySystem + 'static) -> Self {
        self.systems.push(Box::new(system));
        self
    }

    /// Does what the arguments of this process say.
    ///
    /// Runs are carried out by processes, so that one that dies takes no other with it: this program, started again, so
    /// what stands before this call in `main` happens there too.
    pub fn main(self) -> std::process::ExitCode {
        #[cfg(unix)]
        return self.main_as(std::env::args_os(), apart::this_program).into();
        #[cfg(not(unix))]
        self.run(std::env::args_os()).into()
    }

    /// The same with other arguments, for a program whose arguments come from elsewhere; `starter` makes the command
    /// that starts it once more with the only argument `run-apart`.
    #[cfg(unix)]
    #[doc(hidden)]
    pub fn main_as(
        self,
        arguments: impl IntoIterator<Item = OsString>,
        starter: fn() -> std::io::Result<std::process::Command>,
    ) -> ExitCode {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        if arguments.iter().skip(1).eq([apart::ARGUMENT]) {
            campaign::install_panic_hook();
            return command::apart::run(&self.systems).unwrap_or_else(|failed| failed.print());
        }
        self.isolated(starter).run(arguments)
    }

    /// With processes for runs: those of systems that may share none have one for each.
    #[cfg(unix)]
    fn isolated(self, starter: apart::Starter) -> Self {
        let apart = |system: Box<dyn AnySystem>| -> Box<dyn AnySystem> {
            match system.isolation() {
                Isolation::Nothing => system,
                Isolation::Process => Box::new(ProcessPerRun { system, starter }),
            }
        };
        Self { systems: self.systems.into_iter().map(apart).collect(), starter: Some(starter), ..self }
    }

    /// Does what these arguments say; the first is the name of the program.
    pub fn run(&self, arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
        let parsed = self.clap().try_get_matches_from(arguments);
        let parsed = match parsed.and_then(|matches| Arguments::from_arg_matches(&matches)) {
            Ok(parsed) => parsed,
            Err(error) => return print_clap_error(&error),
        };
        parsed.color.write_global();
        if let Err(error) = verbosity::begin(parsed.verbose) {
            return CommandError::usage(error).print();
        }
        campaign::install_panic_hook();
        // A panic of the code of a system outside of a run, such as in `System::new`, has been told by the hook.
        let result = catch_unwind(AssertUnwindSafe(|| self.carry_out(&parsed.verb)));
        result.unwrap_or_else(|_| CommandError::panicked().print())
    }

    fn carry_out(&self, verb: &Verb) -> ExitCode {
        let session = self.session();
        let result = match verb {
            Verb::Test(arguments) => command::test::run(&session, arguments),
            Verb::Run(arguments) => command::run::run(&session, arguments),
            Verb::Replay(arguments) => command::replay::run(&session, arguments),
            Verb::Show(arguments) => command::show::run(arguments),
            Verb::Diff(arguments) => command::diff::run(&session, arguments),
            Verb::History(arguments) => command::history::run(arguments),
            Verb::Check(arguments) => command::check::run(&session, arguments),
            Verb::List(arguments) => command::list::run(&session, arguments),
            Verb::Schema(arguments) => command::schema::run(&session, arguments),
            #[cfg(feature = "systems")]
            Verb::Serve(arguments) => command::serve::run(arguments),
            Verb::Completions(arguments) => command::completions::run(arguments, &mut self.clap(), &self.name),
        };
        // What is still in the buffer of stdout counts too.
        let result = result.and_then(|code| std::io::stdout().flush().map(|()| code).map_err(CommandError::stdout));
        result.unwrap_or_else(|failed| failed.print())
    }

    /// Runs the scenario file, or every one in the folder; for a cargo test.
    ///
    /// # Panics
    /// Where one is not as expected, with the report that the command line would have printed.
    #[track_caller]
    pub fn check(&self, path: impl AsRef<Path>) {
        campaign::install_panic_hook();
        let session = self.session();
        match command::test::check(&session, path.as_ref()) {
            Ok(None) => {}
            Ok(Some(report)) => panic!("{}\n{report}", path.as_ref().display()),
            Err(failed) => panic!("{}: {failed}", path.as_ref().display()),
        }
    }

    fn session(&self) -> Session<'_> {
        let session = Session::new(&self.name, &self.systems);
        #[cfg(unix)]
        let session = session.with_starter(self.starter);
        session
    }

    fn clap(&self) -> clap::Command {
        Arguments::command().name(self.name.clone()).version(self.version.clone()).after_help(exit_codes())
    }
}

#[derive(Debug, Parser)]
#[command(about = "Runs a whole cluster in one thread, from one seed, and tries to break it", long_about = None)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,

    /// When to use colour; NO_COLOR is honoured
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", display_order = 900)]
    color: Color,

    /// Say on stderr what is done: -v for scenarios and failures, -vv for every run; or SPLITBRAIN_LOG=LEVEL
    #[arg(short, long, global = true, action = clap::ArgAction::Count, display_order = 899)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run every scenario over its seeds and judge each against its [expect]
    Test(command::test::Arguments),
    /// One run: its story, its outcome and its digest
    Run(command::run::Arguments),
    /// Exactly one run again, from the folder that a failure left behind or from a seed
    Replay(command::replay::Arguments),
    /// Print the recording of a run, from the folder that it left behind; runs nothing
    Show(command::show::Arguments),
    /// Compare two runs: the first thing in which they differ, and what follows from it
    Diff(command::diff::Arguments),
    /// Judge recorded histories of clients: is there an order that explains every answer?
    History(command::history::Arguments),
    /// Validate scenario files without running them
    Check(command::check::Arguments),
    /// What scenarios can say: systems, options, faults, invariants, …
    List(command::list::Arguments),
    /// The JSON Schema of scenario files
    Schema(command::schema::Arguments),
    /// Put a shipped server behind a real socket: `serve lock` speaks the protocol of Redis
    #[cfg(feature = "systems")]
    Serve(command::serve::Arguments),
    /// Completions for a shell
    Completions(command::completions::Arguments),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

impl Color {
    fn write_global(self) {
        let choice = match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
}

/// Help and version go to stdout, usage errors to stderr, as clap has it. What was typed may hold anything.
fn print_clap_error(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    let harmless = command::harmless(&text);
    let printed = match error.use_stderr() && harmless != text {
        true => std::io::stderr().write_all(harmless.as_bytes()),
        false => error.print().and_then(|()| std::io::stdout().flush()),
    };
    match printed {
        // Where stderr is gone there is nobody left to tell.
        _ if error.use_stderr() => ExitCode::Usage,
        Err(failed) => CommandError::stdout(failed).print(),
        Ok(()) => ExitCode::AsExpected,
    }
}

fn exit_codes() -> String {
    let lines = ExitCode::TABLE.iter().map(|(code, meaning)| format!("\n  {:>3}  {meaning}", code.code()));
    format!("Exit codes:{}", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_do_not_contradict_one_another() {
        Cli::new().clap().debug_assert();
    }
}
