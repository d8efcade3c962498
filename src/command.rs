//! One file for each verb: what was typed becomes what is meant, and a result becomes an exit code.

#[cfg(unix)]
pub(crate) mod apart;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod diff;
mod files;
pub(crate) mod history;
mod last_failed;
pub(crate) mod list;
mod narrow;
mod recorded;
pub(crate) mod replay;
pub(crate) mod run;
pub(crate) mod schema;
mod select;
#[cfg(feature = "systems")]
pub(crate) mod serve;
pub(crate) mod show;
mod single;
pub(crate) mod test;
mod which;

use std::fmt;
use std::io::{self, BufWriter, Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use splitbrain_kernel::rng::Seed;

use crate::campaign::{self, Interrupt, Pool, PoolEnd, Subject, Summary};
#[cfg(unix)]
use crate::engine::apart::{Idle, Starter, Supervised};
use crate::engine::{AnySystem, OpenError};
use crate::exit_code::ExitCode;
use crate::report::artifact::Kept;
use crate::report::style::{BAD, paint};
use crate::report::{Github, Human, Json, Reporter, ScenarioDetail, artifact};
use crate::scenario::{self, Colour, Diagnostics, Picks, Scenario, SystemDescription};
use crate::text::printable;

/// What every command knows.
pub(crate) struct Session<'a> {
    program: &'a str,
    systems: &'a [Box<dyn AnySystem>],
    descriptions: Vec<SystemDescription>,
    #[cfg(unix)]
    starter: Option<Starter>,
    #[cfg(unix)]
    idle: Arc<Idle>,
}

/// How long threads are waited for that are about to finish.
#[cfg(unix)]
const RELEASE_MAX: Duration = Duration::from_millis(100);

/// A scenario with its system.
pub(crate) struct Loaded<'a> {
    /// What reports and folders call it: among the scenarios of one call it is the only one of this name.
    name: String,
    scenario: Arc<Scenario>,
    system: &'a dyn AnySystem,
    description: &'a SystemDescription,
    /// Whether it is all of its file that was asked for, as it is: then what has no effect in it was refused.
    is_whole: bool,
}

impl Loaded<'_> {
    /// Says on stderr what has no effect in it, where that was not refused.
    fn remark_idle(&self) {
        // Its key or its id stands in each.
        let address = printable(&self.scenario.source.address());
        let idle = self.system.notes(&self.scenario).into_iter().filter(|note| note.is_idle && !self.is_whole);
        for one in idle {
            note(&format!("{address}: {}", printable(&one.message)));
        }
    }
}

impl<'a> Session<'a> {
    pub(crate) fn new(program: &'a str, systems: &'a [Box<dyn AnySystem>]) -> Self {
        let descriptions = systems.iter().map(|system| system.description()).collect();
        Self {
            program,
            systems,
            descriptions,
            #[cfg(unix)]
            starter: None,
            #[cfg(unix)]
            idle: Arc::default(),
        }
    }

    /// With a program that can be started to carry out runs.
    #[cfg(unix)]
    pub(crate) fn with_starter(self, starter: Option<Starter>) -> Self {
        Self { starter, ..self }
    }

    /// Ends the processes that carried out runs and waits for them, so that their time is a part of this call's. One
    /// whose run is of no more use ends by itself.
    fn release(&self) {
        #[cfg(unix)]
        {
            let start = Instant::now();
            // Threads that have just finished still hold theirs.
            while Arc::strong_count(&self.idle) > 1 && start.elapsed() < RELEASE_MAX {
                std::thread::sleep(Duration::from_millis(1));
            }
            self.idle.end_all();
        }
    }

    /// The system of a scenario, whose runs are carried out by other processes if they can be and are to be. Where a
    /// run is watched, its entries come at once.
    fn supervised<'b>(&self, loaded: &'b Loaded<'_>, isolate: Isolate, at_once: bool) -> Box<dyn AnySystem + 'b> {
        let system = loaded.system;
        #[cfg(unix)]
        if let Some(starter) = self.starter.filter(|_| isolate == Isolate::Yes) {
            return Box::new(Supervised { system, starter, idle: Arc::clone(&self.idle), at_once });
        }
        let _ = (isolate, at_once);
        Box::new(system)
    }

    /// Decodes the scenarios of a file and checks them with their system. What has no effect in any of them is refused,
    /// unless something was picked on the command line: then it may have one without that.
    fn load(&self, path: &str, bytes: &[u8], picks: &Picks) -> Result<Vec<Loaded<'_>>, Diagnostics> {
        let all = scenario::load_all(path, bytes, picks, &self.descriptions)?;
        let is_whole = picks.variant.is_none() && picks.set.is_empty();
        let all: Vec<Loaded<'_>> = all.into_iter().map(|one| self.verified(one, is_whole)).collect::<Result<_, _>>()?;
        if is_whole {
            let noted: Vec<_> = all.iter().map(|one| (&*one.scenario, one.system.notes(&one.scenario))).collect();
            scenario::refuse_idle(&noted)?;
        }
        Ok(all)
    }

    /// Decodes the one scenario of a text and checks it with its system.
    fn load_one(&self, path: &str, bytes: &[u8]) -> Result<Loaded<'_>, Diagnostics> {
        self.verified(scenario::load(path, bytes, &self.descriptions)?, false)
    }

    fn verified(&self, scenario: Scenario, is_whole: bool) -> Result<Loaded<'_>, Diagnostics> {
        let index = self.descriptions.iter().position(|one| one.name == scenario.system);
        let index = index.expect("a scenario that was decoded names a system that is known");
        let system = &*self.systems[index];
        system.verify(&scenario)?;
        let name = artifact::name_of(&scenario.source.address());
        let description = &self.descriptions[index];
        Ok(Loaded { name, scenario: Arc::new(scenario), system, description, is_whole })
    }

    fn subject<'b>(&'b self, loaded: &'b Loaded<'_>) -> Subject<'b> {
        Subject {
            scenario: &loaded.scenario,
            name: &loaded.name,
            description: loaded.description,
            program: self.program,
        }
    }
}

/// Why a command ends before its result.
#[derive(Debug)]
pub(crate) struct CommandError {
    code: ExitCode,
    text: ErrorText,
    /// The files that are wrong, for those who read no text.
    invalid: Vec<Diagnostics>,
}

/// What is said of a failure on stderr.
#[derive(Debug)]
enum ErrorText {
    /// An error.
    Error(anyhow::Error),
    /// A text that says by itself what is an error in it.
    Text(String),
    /// Nothing: nobody is left to hear it.
    Nothing,
}

impl CommandError {
    fn new(code: ExitCode, error: anyhow::Error) -> Self {
        Self { code, text: ErrorText::Error(error), invalid: Vec::new() }
    }

    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::new(ExitCode::Usage, anyhow::anyhow!("{message}"))
    }

    /// Nothing that could be judged.
    fn not_judged(message: impl fmt::Display) -> Self {
        Self::new(ExitCode::Inconclusive, anyhow::anyhow!("{message}"))
    }

    /// A plan that cannot be followed, or a scenario that the engine cannot carry out.
    fn open(refused: OpenError) -> Self {
        match refused {
            OpenError::Plan(diagnostics) => Self::invalid(diagnostics),
            OpenError::Unsupported(_) => Self::new(ExitCode::Inconclusive, anyhow::anyhow!("{refused}")),
            OpenError::Format { .. } => Self::usage(refused),
        }
    }

    /// A panic outside of a run, which the hook has told of.
    pub(crate) fn panicked() -> Self {
        Self::new(
            ExitCode::Panicked,
            anyhow::anyhow!("splitbrain panicked outside of a run, or the system under test did"),
        )
    }

    /// Output that could not be written.
    pub(crate) fn output(what: impl fmt::Display, error: io::Error) -> Self {
        Self::new(ExitCode::Output, anyhow::Error::new(error).context(format!("cannot write {what}")))
    }

    /// A stdout that takes nothing more. Where its reader went away (`| head`) there is nothing to say.
    pub(crate) fn stdout(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self { code: ExitCode::Output, text: ErrorText::Nothing, invalid: Vec::new() };
        }
        Self::output("stdout", error)
    }

    fn invalid(diagnostics: Diagnostics) -> Self {
        let text = diagnostics.pretty(Colour::Always);
        Self::of_files(ExitCode::InvalidScenario, text.trim_end().to_owned(), vec![diagnostics])
    }

    /// The same of a scenario that was read from this file: what it is called after may be another one by now.
    fn invalid_in(mut diagnostics: Diagnostics, file: Option<&Path>) -> Self {
        if let Some(file) = file {
            diagnostics.source.path = file.display().to_string().into();
        }
        Self::invalid(diagnostics)
    }

    /// Files that are wrong, in a text of several paragraphs.
    const fn of_files(code: ExitCode, text: String, invalid: Vec<Diagnostics>) -> Self {
        Self { code, text: ErrorText::Text(text), invalid }
    }

    /// A run that came to no result.
    fn ended(place: &str, seed: Seed, end: PoolEnd, timeout: Option<Duration>) -> Self {
        let (code, message) = match end {
            PoolEnd::Interrupted => (ExitCode::Interrupted, "interrupted".to_owned()),
            PoolEnd::Stuck(_) => (ExitCode::Panicked, overdue(place, seed, timeout)),
            _ => (ExitCode::Panicked, format!("{place} seed {seed}: the thread of the run died")),
        };
        Self::new(code, anyhow::anyhow!(message))
    }

    /// Tells programs of the files that are wrong, in the form that they asked for; people read of it on stderr.
    fn reported(self, reporter: &mut dyn Reporter, scenarios: usize) -> Self {
        if let Err(error) = self.report_to(reporter, scenarios) {
            Self::stdout(error).print();
        }
        self
    }

    fn report_to(&self, reporter: &mut dyn Reporter, scenarios: usize) -> io::Result<()> {
        if self.invalid.is_empty() {
            return Ok(());
        }
        let summary = Summary { exit_code: self.code, ..Summary::of(scenarios as u64) };
        reporter.begin(scenarios as u64)?;
        reporter.invalid(&self.invalid, &summary)
    }

    /// Says it on stderr.
    pub(crate) fn print(&self) -> ExitCode {
        match &self.text {
            ErrorText::Error(error) => complain(&format!("{error:#}")),
            ErrorText::Text(text) => note(text),
            ErrorText::Nothing => {}
        }
        self.code
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match &self.text {
            ErrorText::Error(error) => harmless(&format!("{error:#}")),
            ErrorText::Text(text) => text.clone(),
            ErrorText::Nothing => String::new(),
        };
        f.write_str(&anstream::adapter::strip_str(&text).to_string())
    }
}

fn overdue(place: &str, seed: Seed, timeout: Option<Duration>) -> String {
    format!("watchdog: {place} seed {seed}: {}", campaign::overdue(timeout.unwrap_or(Duration::MAX)))
}

/// Says what is wrong, on stderr.
fn complain(message: &str) {
    note(&format!("{} {}", paint(BAD, "error:"), harmless(message)));
}

/// A text of one or more lines in which no terminal and no CI log finds anything to obey, whatever it was made of.
pub(crate) fn harmless(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(printable).collect();
    lines.join("\n")
}

/// Says what is worth knowing, on stderr. Where stderr is gone there is nobody left to tell.
fn note(message: &str) {
    let _ = writeln!(anstream::stderr(), "{message}");
}

/// Whether runs are carried out by other processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Isolate {
    /// By processes: one that dies, or does not end, takes no other run with it
    Yes,
    /// By threads of this process
    No,
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
        Pool { jobs, timeout: (!self.timeout.is_zero()).then_some(self.timeout), interrupt, until: None }
    }
}

fn parse_timeout(text: &str) -> Result<Duration, splitbrain_kernel::time::DurationError> {
    splitbrain_kernel::time::Duration::parse(text).map(|span| Duration::from_nanos(span.as_nanos()))
}

fn parse_seed(text: &str) -> Result<Seed, campaign::SeedError> {
    campaign::parse_seed(text)
}

/// What Ctrl-C, SIGTERM and SIGHUP do: they end the process at once, or ask to stop. What comes within a second of the
/// first is the same wish, as GNU `timeout` and terminals send a signal to a process and to its group; a later one ends
/// the process at once.
pub(crate) struct Signals {
    interrupt: Interrupt,
    at_once: Arc<AtomicBool>,
}

/// How long after the first signal another one is the same wish.
const SAME_WISH: Duration = Duration::from_secs(1);

impl Signals {
    /// A signal ends the process at once, with the code of an interrupt: as long as there is nothing to save.
    fn new() -> Self {
        let signals = Self { interrupt: Interrupt::default(), at_once: Arc::new(AtomicBool::new(true)) };
        let (interrupt, at_once) = (signals.interrupt.clone(), signals.at_once.clone());
        // Without a handler a signal ends the process as the system has it.
        if let Ok(mut delivered) = signal_hook::iterator::Signals::new(asks_to_stop()) {
            let watch = move || {
                let mut first: Option<Instant> = None;
                for _ in delivered.forever() {
                    let again = first.is_some_and(|first| first.elapsed() >= SAME_WISH);
                    if again || at_once.load(Ordering::SeqCst) {
                        signal_hook::low_level::exit(i32::from(ExitCode::Interrupted.code()));
                    }
                    first.get_or_insert_with(Instant::now);
                    interrupt.set();
                }
            };
            let _ = std::thread::Builder::new().name("signals".to_owned()).spawn(watch);
        }
        signals
    }

    /// From here on the first signal asks to stop.
    fn ask(&self) {
        self.at_once.store(false, Ordering::SeqCst);
    }

    /// From here on a signal ends the process at once again.
    fn end_at_once(&self) {
        self.at_once.store(true, Ordering::SeqCst);
    }
}

/// The signals that ask to stop: SIGHUP is not one of them under `nohup`, which ignores it.
fn asks_to_stop() -> Vec<i32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    let hangup = (ignored >> (SIGHUP - 1) & 1 == 0).then_some(SIGHUP);
    [SIGINT, SIGTERM].into_iter().chain(hangup).collect()
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

impl MessageFormat {
    /// What is written on stdout; for people, with the evaluations where they ask for them.
    fn reporter(self, detail: ScenarioDetail) -> Box<dyn Reporter> {
        let out = anstream::stdout();
        match self {
            Self::Human => Box::new(Human::new(out).with(detail)),
            Self::Json => Box::new(Json::new(BufWriter::new(out))),
            Self::Github => Box::new(Github::new(out).with(detail)),
        }
    }
}

/// Stands for stdin where a file is named.
const STDIN: &str = "-";

/// The most bytes that are read of a plan: some hundred thousand operations. Decoding takes forty times as much memory.
const PLAN_BYTES_MAX: u64 = 16 << 20;

/// The most bytes that are read of a summary.
const SUMMARY_BYTES_MAX: u64 = 16 << 20;

/// The most bytes that are read of a history: far more than a million operations.
const HISTORY_BYTES_MAX: u64 = 1 << 30;

/// A scenario, of which one byte more than it may have is enough to see that it is too long.
fn read_scenario(path: &Path) -> Result<Vec<u8>, CommandError> {
    let most = scenario::BYTES_MAX as u64 + 1;
    if path.as_os_str() != STDIN {
        return read(path, most, "a regular file, or - for stdin");
    }
    let mut bytes = Vec::new();
    let read = io::stdin().lock().take(most).read_to_end(&mut bytes);
    read.map(|_| bytes).map_err(|error| CommandError::usage(format!("cannot read stdin: {error}")))
}

/// The text of a file from a folder of a run, of at most so many bytes.
fn read_text(path: &Path, most: u64) -> Result<String, CommandError> {
    let bytes = read(path, most + 1, "a regular file")?;
    if bytes.len() as u64 > most {
        return Err(too_long(path, most));
    }
    String::from_utf8(bytes).map_err(|_| CommandError::usage(format!("{}: not UTF-8 text", shown(path))))
}

fn too_long(path: &Path, most: u64) -> CommandError {
    CommandError::usage(format!("{} has more than {} MiB, the most that is read", shown(path), most >> 20))
}

/// The first `most` bytes of a regular file.
fn read(path: &Path, most: u64, expected: &str) -> Result<Vec<u8>, CommandError> {
    regular(path, expected)?;
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes));
    read.map(|_| bytes).map_err(|error| unreadable(path, &error))
}

/// Refuses what is no regular file: a pipe or a device may never end, or never begin.
fn regular(path: &Path, expected: &str) -> Result<(), CommandError> {
    let kind = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?.file_type();
    if kind.is_file() {
        return Ok(());
    }
    let what = if kind.is_dir() { "a folder" } else { "a pipe or a device" };
    Err(unreadable(path, &format!("it is {what}, expected {expected}")))
}

fn unreadable(path: &Path, why: &dyn fmt::Display) -> CommandError {
    CommandError::usage(format!("cannot read {}: {why}", shown(path)))
}

/// The summary in the folder of a run.
const SUMMARY: &str = "summary.json";

/// What is known of the run that left this folder behind.
fn kept(folder: &Path) -> Result<Kept, CommandError> {
    let path = folder.join(SUMMARY);
    let text = read_text(&path, SUMMARY_BYTES_MAX)
        .map_err(|failed| CommandError::usage(format!("{} is not the folder of a run: {failed}", shown(folder))))?;
    Kept::read(&text).map_err(|error| CommandError::usage(format!("{}: {error}", shown(&path))))
}

/// A path in one line.
fn shown(path: &Path) -> String {
    printable(&path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_of_files_are_those_of_the_documentation() {
        let docs = include_str!("../docs/commands.md");
        let (history, plan) = (HISTORY_BYTES_MAX >> 30, PLAN_BYTES_MAX >> 20);
        let summary = SUMMARY_BYTES_MAX >> 20;
        for limit in [
            format!("A **history** is a regular file of at most {history} GiB"),
            format!("`plan.toml` may have {plan} MiB"),
            format!("`summary.json` {summary} MiB"),
        ] {
            assert!(docs.contains(&limit), "{limit}");
        }
    }
}
