//! `splitbrain test`: every scenario over its seeds, each judged against its `[expect]`. What CI calls.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use splitbrain_kernel::rng::{Ppm, Seed};

use crate::campaign::{
    self, CampaignOptions, Event, Interrupt, Listener, Listeners, Planned, Pool, ReasonKind, Reply, Seeds, Summary,
};
use crate::command::last_failed::{self, LastFailed};
use crate::command::select;
use crate::command::which::{SetArguments, WhereArguments};
use crate::command::{
    CommandError, Isolate, Loaded, MessageFormat, PoolArguments, Session, Signals, complain, files, note, parse_seed,
    parse_timeout, shown,
};
use crate::engine::AnySystem;
use crate::exit_code::ExitCode;
use crate::report::failure_artifact::Artifacts;
use crate::report::{
    Aside, Human, Junit, Leftovers, LogDetail, Lost, ProgressDisplay, ProgressKind, Reports, ScenarioDetail,
};
use crate::scenario::Filter;
use crate::text::{counted, printable};

/// What `test` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Scenario files, folders that are searched for *.toml, or - for stdin
    #[arg(default_value = "scenarios", value_name = "PATHS")]
    paths: Vec<PathBuf>,

    /// Only scenarios that the expression selects: name(part), name(=whole), system(raft), tag(slow), failed(), all(),
    /// none(), with not, and, or, and parentheses
    #[arg(short = 'E', long, value_name = "EXPR")]
    filter: Option<select::Filter>,

    /// No scenario whose name holds this; may be repeated
    #[arg(long, value_name = "PART")]
    skip: Vec<String>,

    #[command(flatten)]
    only: WhereArguments,

    #[command(flatten)]
    set: SetArguments,

    /// Only scenarios that were not as expected in the last call with this --out
    #[arg(long)]
    failed: bool,

    /// The seeds from A to just before B, in place of those that each scenario asks for
    #[arg(long, value_name = "A..B", conflicts_with = "seed")]
    seeds: Option<Seeds>,

    /// This seed, decimal or after 0x; may be repeated, and the same one counts once
    #[arg(long, value_name = "S", value_parser = parse_seed)]
    seed: Vec<Seed>,

    /// Run seeds from 0 on for so long on the real clock, shared equally among the scenarios; how far each came is
    /// printed, and --seeds repeats it
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_timeout)]
    #[arg(conflicts_with_all = ["seeds", "seed"])]
    time: Option<Duration>,

    /// Runs at a time; changes no result [default: one a core]
    #[arg(short, long, value_name = "N", value_parser = parse_jobs)]
    jobs: Option<NonZeroUsize>,

    /// End the call after the first scenario that is not as expected; those after it count as skipped
    #[arg(long)]
    fail_fast: bool,

    /// Stop a scenario after so many runs that are not as expected, or `all` for never; the next ones run all the same
    #[arg(long, value_name = "N", default_value = "1", value_parser = parse_max_fail)]
    max_fail: MaxFail,

    /// The share of seeds that are run twice and compared; every seed where no share is given
    #[arg(long, value_name = "SHARE", require_equals = true, num_args = 0..=1)]
    #[arg(default_value = "5%", default_missing_value = "100%", value_parser = parse_share)]
    check_determinism: Ppm,

    /// Where failing runs leave their folders
    #[arg(long, value_name = "DIR", default_value = "reports")]
    out: PathBuf,

    /// What is printed on stdout
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    message_format: MessageFormat,

    /// Show how often each invariant was evaluated; json says it without this flag
    #[arg(short, long)]
    evaluations: bool,

    /// Show how each figure is distributed over the runs; json says it without this flag
    #[arg(long)]
    figures: bool,

    /// Which log lines of the code under test are among the last lines of a failure
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log: LogDetail,

    /// Write a JUnit file too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// How progress is shown on stderr
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    show_progress: ProgressKind,

    /// Whether runs are carried out by processes, one a job: a run that aborts, overflows its stack or does not end is
    /// then a panic of its seed alone
    #[arg(long, value_name = "yes|no", default_value = "yes", hide_possible_values = true)]
    isolate: Isolate,

    #[command(flatten)]
    pool: PoolArguments,
}

fn parse_jobs(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| format!("expected a number above 0, got {text:?}"))
}

/// After how many failing runs a campaign stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct MaxFail(Option<u64>);

fn parse_max_fail(text: &str) -> Result<MaxFail, String> {
    match text.parse() {
        _ if text == "all" => Ok(MaxFail(None)),
        Ok(number) if number > 0 => Ok(MaxFail(Some(number))),
        _ => Err(format!("expected a number above 0, or all, got {text:?}")),
    }
}

/// `5%`, or `0.05` as others have it.
fn parse_share(text: &str) -> Result<Ppm, String> {
    let refuse = || format!("expected a share such as 5% or 0.05, got {text:?}");
    if text.ends_with('%') {
        return Ppm::parse(text).map_err(|_| refuse());
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_plain = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
    if !is_plain(whole) || !is_plain(fraction) || fraction.len() > 6 || whole.is_empty() {
        return Err(refuse());
    }
    let parts = format!("{whole}{fraction:0<6}").parse::<u32>().map_err(|_| refuse())?;
    if parts > 1_000_000 { Err(refuse()) } else { Ok(Ppm::new(parts)) }
}

impl Arguments {
    fn seeds(&self) -> Option<Seeds> {
        let listed = || Seeds::list(self.seed.iter().copied());
        let all = || self.time.map(|_| Seeds::Range(0..u64::MAX));
        self.seeds.clone().or_else(all).or_else(|| (!self.seed.is_empty()).then(listed))
    }

    fn campaign(&self, interrupt: Interrupt) -> CampaignOptions {
        let jobs = self.jobs.map_or_else(cores, NonZeroUsize::get);
        CampaignOptions {
            seeds: self.seeds(),
            max_fail: self.max_fail.0,
            fail_fast: self.fail_fast,
            check_determinism: self.check_determinism,
            pool: Pool { until: self.time.map(|time| Instant::now() + time), ..self.pool.pool(jobs, interrupt) },
        }
    }

    /// Those of the scenarios that are to run.
    fn selected<'a>(&self, scenarios: Vec<Loaded<'a>>) -> Result<Vec<Loaded<'a>>, CommandError> {
        let asks = self.failed || self.filter.as_ref().is_some_and(select::Filter::asks_for_failed);
        let failed = if asks { last_failed::read(&self.out)? } else { BTreeSet::new() };
        let takes = |loaded: &Loaded<'_>| {
            let skipped = self.skip.iter().any(|part| loaded.name.contains(part.as_str()));
            let has_failed = failed.contains(&last_failed::key(&loaded.scenario));
            let is_asked = !self.failed || has_failed;
            is_asked && !skipped && self.filter.as_ref().is_none_or(|filter| filter.takes(loaded, has_failed))
        };
        Ok(scenarios.into_iter().filter(takes).collect())
    }

    /// Whether people read the report on the terminal that stderr is.
    fn is_told_on_terminal(&self) -> bool {
        self.message_format != MessageFormat::Json && std::io::stdout().is_terminal() && std::io::stderr().is_terminal()
    }

    /// What is written: on stdout, and into a file.
    fn reports(&self) -> Result<Reports<'static>, CommandError> {
        let detail =
            ScenarioDetail { evaluations: self.evaluations, figures: self.figures, seeds: self.time.is_some() };
        let mut reports = Reports::new(self.message_format.reporter(detail));
        if let Some(path) = &self.junit {
            let file = Aside::create(path).map_err(|error| CommandError::output(shown(path), error))?;
            reports.add_file(shown(path), Box::new(Junit::new(file)));
        }
        Ok(reports)
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Does it.
pub(crate) fn run(session: &Session<'_>, arguments: &Arguments) -> Result<ExitCode, CommandError> {
    // Reading stdin may take for ever.
    let signals = Signals::new();
    let files = files::find(&arguments.paths)?;
    let (loaded, reports) = (files::load(session, &files, &arguments.set.set), arguments.reports());
    let (scenarios, mut reports) = match (loaded, reports) {
        (Ok(scenarios), reports) => (scenarios, reports?),
        (Err(failed), Ok(mut reports)) => {
            reports.each(|one| failed.report_to(one, files.len()));
            if let Err(unwritten) = lost(reports) {
                unwritten.print();
            }
            return Err(failed);
        }
        (Err(failed), Err(_)) => return Err(failed),
    };
    let found = scenarios.len();
    let scenarios = arguments.selected(scenarios)?;
    if scenarios.is_empty() && found > 0 {
        complain(&format!("nothing ran: {} found, none selected", counted(found as u64, "scenario")));
    }
    let filters = scenarios.iter().map(|loaded| arguments.only.filter(loaded));
    let filters = filters.collect::<Result<Vec<_>, _>>()?;
    scenarios.iter().for_each(Loaded::remark_idle);
    signals.ask();
    let options = arguments.campaign(signals.interrupt);
    let mut last = LastFailed::new(&arguments.out);
    let mut artifacts = Artifacts::new(&arguments.out, &options.pool).with_log(arguments.log);
    let mut progress = ProgressDisplay::new(arguments.show_progress);
    let mut leftovers = Leftovers::new(&arguments.out);
    let mut complaints = Complaints { is_told_on_terminal: arguments.is_told_on_terminal() };
    // The progress first: its bar is gone before anything else is written to the terminal.
    let all: Vec<&mut dyn Listener> =
        vec![&mut progress, &mut leftovers, &mut artifacts, &mut complaints, &mut last, &mut reports];
    let listeners = Listeners(all);
    let summary = conduct(session, (&scenarios, &filters), &options, arguments.isolate, listeners);
    let code = summary.exit_code.and(lost(reports)?);
    if code == ExitCode::NothingRan && found == 0 {
        complain(&format!("nothing ran: {}", files::none_below(&arguments.paths)));
    }
    Ok(code)
}

/// What came of output that could not be written: a file is complained of, and without stdout there is no result.
fn lost(reports: Reports<'_>) -> Result<ExitCode, CommandError> {
    let mut code = ExitCode::AsExpected;
    for Lost { file, error } in reports.lost() {
        match file {
            Some(file) => code = code.and(CommandError::output(file, error).print()),
            None => return Err(CommandError::stdout(error)),
        }
    }
    Ok(code)
}

/// Runs what is below a path with the ordinary options; the report, if something is not as expected.
pub(crate) fn check(session: &Session<'_>, path: &Path) -> Result<Option<String>, CommandError> {
    let scenarios = files::load(session, &files::find(&[path.to_owned()])?, &[])?;
    let options = CampaignOptions {
        seeds: None,
        max_fail: Some(1),
        fail_fast: false,
        check_determinism: campaign::CHECK_DETERMINISM,
        pool: Pool { jobs: cores(), timeout: Some(campaign::TIMEOUT), interrupt: Interrupt::default(), until: None },
    };
    let mut text = Vec::new();
    let mut reports = Reports::new(Box::new(Human::new(&mut text)));
    let mut artifacts = Artifacts::new(Path::new("reports"), &options.pool);
    let mut leftovers = Leftovers::new(Path::new("reports"));
    let mut complaints = Complaints { is_told_on_terminal: false };
    let listeners = Listeners(vec![&mut leftovers, &mut artifacts, &mut complaints, &mut reports]);
    let summary = conduct(session, (&scenarios, &vec![None; scenarios.len()]), &options, Isolate::No, listeners);
    lost(reports)?;
    if summary.exit_code == ExitCode::AsExpected {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    Ok(Some(anstream::adapter::strip_str(&text).to_string()))
}

fn conduct(
    session: &Session<'_>,
    (scenarios, filters): (&[Loaded<'_>], &[Option<Filter>]),
    options: &CampaignOptions,
    isolate: Isolate,
    mut listeners: Listeners<'_>,
) -> Summary {
    let systems: Vec<Box<dyn AnySystem + '_>> =
        scenarios.iter().map(|loaded| session.supervised(loaded, isolate, false)).collect();
    let planned = scenarios.iter().zip(&systems).zip(filters).map(|((loaded, system), only)| Planned {
        subject: session.subject(loaded),
        scenario: loaded.scenario.clone(),
        system: &**system,
        only: only.clone(),
    });
    let planned: Vec<Planned<'_>> = planned.collect();
    let summary = campaign::conduct(&planned, options, &mut listeners);
    drop(planned);
    drop(systems);
    session.release();
    summary
}

/// Says on stderr what should not wait for the report, or has no place in it.
struct Complaints {
    /// Who reads stderr reads the report too, so what stands there need not be said here.
    is_told_on_terminal: bool,
}

impl Complaints {
    /// What is worth knowing now.
    fn remarks(&self, event: &Event<'_>) -> Vec<String> {
        match event {
            _ if self.is_told_on_terminal => Vec::new(),
            Event::Interrupted { subject, runs } => {
                vec![format!("{}: interrupted after {}", subject.place(None), counted(*runs, "run"))]
            }
            Event::ScenarioJudged { subject, result } => {
                let stuck = result.reasons.iter().filter(|reason| reason.kind == ReasonKind::Stuck);
                stuck.map(|reason| format!("{}: {}", subject.place(None), printable(&reason.message))).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl Listener for Complaints {
    fn hear(&mut self, event: &Event<'_>, _: &mut Vec<Reply>) {
        if let Event::ArtifactKept { subject, evidence } = event
            && let Err(why) = &evidence.artifact
        {
            let (place, seed) = (subject.place(None), evidence.seed);
            complain(&format!("{place}: seed {seed} could not be kept: {}", printable(why)));
        }
        self.remarks(event).iter().for_each(|remark| note(remark));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::Subject;
    use crate::scenario::SystemDescription;

    /// The report has it, so on one terminal it would be told twice.
    #[test]
    fn what_the_report_says_on_the_same_terminal_is_not_said_beside_it() {
        let systems = [SystemDescription::of::<splitbrain_systems::raft::Raft>()];
        let text = "format = 1\nsystem = \"raft\"\ncluster = { servers = 3 }\nrun = { duration = \"1s\" }\n";
        let scenario = crate::scenario::load("a.toml", text.as_bytes(), &systems).expect("it is right");
        let subject = Subject { scenario: &scenario, name: "a", description: &systems[0], program: "splitbrain" };
        let remarks = |is_told_on_terminal| {
            let event = Event::Interrupted { subject: &subject, runs: 7 };
            Complaints { is_told_on_terminal }.remarks(&event)
        };
        assert_eq!(remarks(false), ["a.toml: interrupted after 7 runs"]);
        assert!(remarks(true).is_empty());
    }

    #[test]
    fn a_share_is_a_percentage_or_a_fraction() {
        assert_eq!(parse_share("5%"), Ok(Ppm::new(50_000)));
        assert_eq!(parse_share("0.05"), Ok(Ppm::new(50_000)));
        assert_eq!(parse_share("1"), Ok(Ppm::new(1_000_000)));
        assert_eq!(parse_share("0"), Ok(Ppm::new(0)));
        for text in ["", ".", "1.5", "101%", "-1", "five", "0.0000001", "1e-2"] {
            assert!(parse_share(text).is_err(), "{text:?} was taken for a share");
        }
    }
}
