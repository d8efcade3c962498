//! One file for each verb: what was typed becomes what is meant, and a result becomes an exit code.

pub(crate) mod check;
pub(crate) mod completions;
mod files;
pub(crate) mod list;
pub(crate) mod replay;
pub(crate) mod run;
pub(crate) mod schema;
mod single;
pub(crate) mod test;

use std::fmt;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use splitbrain_kernel::rng::Seed;

use crate::campaign::{self, Interrupt, Pool, PoolEnd};
use crate::engine::{AnySystem, OpenError};
use crate::exit_code::ExitCode;
use crate::report::Subject;
use crate::report::style::{BAD, paint};
use crate::scenario::{Colour, Diagnostics, Scenario, SystemDescription};

/// What every command knows.
pub(crate) struct Session<'a> {
    program: &'a str,
    systems: &'a [Box<dyn AnySystem>],
    descriptions: Vec<SystemDescription>,
}

/// A scenario with its system.
pub(crate) struct Loaded<'a> {
    scenario: Arc<Scenario>,
    system: &'a dyn AnySystem,
    description: &'a SystemDescription,
}

impl<'a> Session<'a> {
    pub(crate) fn new(program: &'a str, systems: &'a [Box<dyn AnySystem>]) -> Self {
        let descriptions = systems.iter().map(|system| system.description()).collect();
        Self { program, systems, descriptions }
    }

    /// Decodes a scenario and checks it with its system.
    fn load(&self, path: &str, bytes: &[u8]) -> Result<Loaded<'_>, Diagnostics> {
        let scenario = crate::scenario::load(path, bytes, &self.descriptions)?;
        let index = self.descriptions.iter().position(|one| one.name == scenario.system);
        let index = index.expect("a scenario that was decoded names a system that is known");
        let system = &*self.systems[index];
        system.verify(&scenario)?;
        Ok(Loaded { scenario: Arc::new(scenario), system, description: &self.descriptions[index] })
    }

    fn subject<'b>(&'b self, loaded: &'b Loaded<'_>) -> Subject<'b> {
        Subject::new(&loaded.scenario, loaded.description, self.program)
    }
}

/// Why a command ends before its result.
#[derive(Debug)]
pub(crate) struct Failed {
    code: ExitCode,
    error: anyhow::Error,
}

impl Failed {
    fn usage(message: impl fmt::Display) -> Self {
        Self { code: ExitCode::Usage, error: anyhow::anyhow!("{message}") }
    }

    /// A plan that cannot be followed, or a scenario that the engine cannot carry out.
    fn open(refused: &OpenError) -> Self {
        let code = match refused {
            OpenError::Unsupported(_) => ExitCode::Inconclusive,
            OpenError::Plan(_) | OpenError::Format { .. } => ExitCode::Usage,
        };
        Self { code, error: anyhow::anyhow!("{refused}") }
    }

    /// Output that could not be written.
    pub(crate) fn output(what: impl fmt::Display, error: io::Error) -> Self {
        Self { code: ExitCode::Output, error: anyhow::Error::new(error).context(format!("cannot write {what}")) }
    }

    fn stdout(error: io::Error) -> Self {
        Self::output("stdout", error)
    }

    fn invalid(diagnostics: &Diagnostics) -> Self {
        let text = diagnostics.pretty(Colour::Always);
        Self { code: ExitCode::InvalidScenario, error: anyhow::anyhow!("{}", text.trim_end()) }
    }

    /// A run that came to no result.
    fn ended(place: &str, seed: Seed, end: PoolEnd, timeout: Option<Duration>) -> Self {
        let (code, message) = match end {
            PoolEnd::Interrupted => (ExitCode::Interrupted, "interrupted".to_owned()),
            PoolEnd::Stuck(_) => (ExitCode::Panicked, overdue(place, seed, timeout)),
            _ => (ExitCode::Panicked, format!("{place} seed {seed}: the thread of the run died")),
        };
        Self { code, error: anyhow::anyhow!(message) }
    }

    /// Says it on stderr.
    pub(crate) fn tell(&self) -> ExitCode {
        match self.code {
            // Diagnostics say by themselves that they are errors.
            ExitCode::InvalidScenario => note(&format!("{:#}", self.error)),
            _ => complain(&format!("{:#}", self.error)),
        }
        self.code
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:#}", self.error);
        f.write_str(&anstream::adapter::strip_str(&text).to_string())
    }
}

fn overdue(place: &str, seed: Seed, timeout: Option<Duration>) -> String {
    // As it was typed: in the words of the scenarios.
    let nanos = timeout.map_or(u64::MAX, |timeout| u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX));
    let limit = splitbrain_kernel::time::Duration::from_nanos(nanos);
    format!("watchdog: {place} seed {seed}: the run takes longer than {limit} on the real clock")
}

/// Says what is wrong, on stderr.
fn complain(message: &str) {
    note(&format!("{} {message}", paint(BAD, "error:")));
}

/// Says what is worth knowing, on stderr. Where stderr is gone there is nobody left to tell.
fn note(message: &str) {
    let _ = writeln!(anstream::stderr(), "{message}");
}

/// How runs are carried out, for every command that runs something.
#[derive(Debug, clap::Args)]
pub(crate) struct PoolArguments {
    /// How long one run may take on the real clock; 0s for as long as it likes
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse_timeout)]
    timeout: Duration,
}

impl PoolArguments {
    fn pool(&self, jobs: usize, interrupt: Interrupt) -> Pool {
        Pool { jobs, timeout: (!self.timeout.is_zero()).then_some(self.timeout), interrupt }
    }
}

fn parse_timeout(text: &str) -> Result<Duration, splitbrain_kernel::time::DurationError> {
    splitbrain_kernel::time::Duration::parse(text).map(|span| Duration::from_nanos(span.as_nanos()))
}

fn parse_seed(text: &str) -> Result<Seed, campaign::SeedError> {
    campaign::parse_seed(text)
}

/// Ctrl-C asks to stop; a second one stops at once.
fn interrupt_on_signal() -> Interrupt {
    let interrupt = Interrupt::default();
    let handle = interrupt.clone();
    let stop = move || {
        if handle.is_set() {
            std::process::exit(i32::from(ExitCode::Interrupted.code()));
        }
        handle.set();
    };
    // Without a handler, an interrupt ends the process as the system has it, which is 130 for a shell.
    let _ = ctrlc::set_handler(stop);
    interrupt
}

/// The machine-readable and the human forms of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum MessageFormat {
    /// For people
    Human,
    /// One JSON object a line, each with a version
    Json,
    /// For people, with annotations at the lines of scenarios
    Github,
}

/// A file that is read whole.
fn read(path: &Path) -> Result<Vec<u8>, Failed> {
    std::fs::read(path).map_err(|error| Failed::usage(format!("cannot read {}: {error}", path.display())))
}
