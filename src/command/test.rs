//! `splitbrain test`: every scenario over its seeds, each judged against its `[expect]`. What CI calls.

use std::fs::File;
use std::io::{self, BufWriter};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use splitbrain_kernel::rng::{Ppm, Seed};

use crate::campaign::{self, CampaignOptions, Interrupt, Pool, Reason, ReasonKind, ScenarioResult, Seeds, evidence};
use crate::command::{
    Failed, Loaded, MessageFormat, PoolArguments, Session, Unwritten, complain, files, interrupt_on_signal, note,
    parse_seed, shown,
};
use crate::engine::{Engine, OpenError, Run};
use crate::exit_code::ExitCode;
use crate::report::{Evaluations, Evidence, Human, Junit, Progress, ProgressKind, Reporter, Subject, Summary};
use crate::scenario::Diagnostics;

/// What `test` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Scenario files, folders that are searched for *.toml, or - for stdin
    #[arg(default_value = "scenarios", value_name = "PATHS")]
    paths: Vec<PathBuf>,

    /// The seeds from A to just before B, in place of those that each scenario asks for
    #[arg(long, value_name = "A..B", conflicts_with = "seed")]
    seeds: Option<Seeds>,

    /// This seed, decimal or after 0x; may be repeated, and the same one counts once
    #[arg(long, value_name = "S", value_parser = parse_seed)]
    seed: Vec<Seed>,

    /// Runs at a time; changes no result [default: one a core]
    #[arg(short, long, value_name = "N", value_parser = parse_jobs)]
    jobs: Option<NonZeroUsize>,

    /// Stop a scenario after so many runs that are not as expected, or `all` for never
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

    /// Tell people how often each invariant was evaluated; programs are told in any case
    #[arg(short, long)]
    evaluations: bool,

    /// Write a JUnit file too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// How progress is shown on stderr
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    show_progress: ProgressKind,

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
        self.seeds.clone().or_else(|| (!self.seed.is_empty()).then(listed))
    }

    fn campaign(&self, interrupt: Interrupt) -> CampaignOptions {
        let jobs = self.jobs.map_or_else(cores, NonZeroUsize::get);
        CampaignOptions {
            seeds: self.seeds(),
            max_fail: self.max_fail.0,
            check_determinism: self.check_determinism,
            pool: self.pool.pool(jobs, interrupt),
        }
    }

    /// Everyone who is told: who reads stdout, and a file.
    fn reporters(&self) -> Result<Reporters, Failed> {
        let evaluations = if self.evaluations { Evaluations::Told } else { Evaluations::Untold };
        let mut reporters = Reporters(vec![(None, self.message_format.reporter(evaluations))]);
        if let Some(path) = &self.junit {
            let file = File::create(path).map_err(|error| Failed::output(shown(path), error))?;
            reporters.0.push((Some(shown(path)), Box::new(Junit::new(BufWriter::new(file)))));
        }
        Ok(reporters)
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Does it.
pub(crate) fn run(session: &Session<'_>, arguments: &Arguments) -> Result<ExitCode, Failed> {
    let files = files::find(&arguments.paths)?;
    let (loaded, reporters) = (files::load(session, &files), arguments.reporters());
    let (scenarios, mut reporters) = match (loaded, reporters) {
        (Ok(scenarios), reporters) => (scenarios, reporters?),
        (Err(failed), Ok(mut reporters)) => return Err(failed.reported(&mut reporters, files.len())),
        (Err(failed), Err(_)) => return Err(failed),
    };
    let options = arguments.campaign(interrupt_on_signal());
    let conduct = Conduct { session, options: &options, out: &arguments.out, progress: arguments.show_progress };
    let summary = conduct.all(&scenarios, &mut reporters).map_err(Failed::stdout)?;
    if summary.exit_code == ExitCode::NothingRan && scenarios.is_empty() {
        let paths: Vec<String> = arguments.paths.iter().map(|path| shown(path)).collect();
        complain(&format!("nothing ran: no *.toml below {}", paths.join(", ")));
    }
    Ok(summary.exit_code)
}

/// Runs what is below a path with the ordinary options; the report, where something is not as expected.
pub(crate) fn check(session: &Session<'_>, path: &Path) -> Result<Option<String>, Failed> {
    let scenarios = files::load(session, &files::find(&[path.to_owned()])?)?;
    let options = CampaignOptions {
        seeds: None,
        max_fail: Some(1),
        check_determinism: campaign::CHECK_DETERMINISM,
        pool: Pool { jobs: cores(), timeout: Some(campaign::TIMEOUT), interrupt: Interrupt::default() },
    };
    let conduct = Conduct { session, options: &options, out: Path::new("reports"), progress: ProgressKind::None };
    let mut text = Vec::new();
    let summary = conduct.all(&scenarios, &mut Human::new(&mut text)).map_err(Failed::stdout)?;
    if summary.exit_code == ExitCode::AsExpected {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    Ok(Some(anstream::adapter::strip_str(&text).to_string()))
}

/// Carries out campaigns one after another, and tells the reporter.
struct Conduct<'a> {
    session: &'a Session<'a>,
    options: &'a CampaignOptions,
    out: &'a Path,
    progress: ProgressKind,
}

impl Conduct<'_> {
    fn all(&self, scenarios: &[Loaded<'_>], reporter: &mut dyn Reporter) -> io::Result<Summary> {
        let count = scenarios.len() as u64;
        let mut summary = Summary::of(count);
        reporter.begin(count)?;
        for loaded in scenarios {
            let result = self.one(loaded, reporter, &mut summary)?;
            let is_last = result.reasons.iter().any(|reason| is_final(reason.kind));
            if is_last || self.options.pool.interrupt.is_set() {
                break;
            }
        }
        if summary.skipped > 0 && self.options.pool.interrupt.is_set() {
            summary.exit_code = summary.exit_code.and(ExitCode::Interrupted);
        }
        if summary.runs == 0 {
            summary.exit_code = summary.exit_code.and(ExitCode::NothingRan);
        }
        reporter.end(&summary)?;
        Ok(summary)
    }

    fn one(
        &self,
        loaded: &Loaded<'_>,
        reporter: &mut dyn Reporter,
        summary: &mut Summary,
    ) -> io::Result<ScenarioResult> {
        let subject = self.session.subject(loaded);
        let engine = match loaded.system.open(loaded.scenario.clone()) {
            Ok(engine) => engine,
            Err(OpenError::Unsupported(all)) => {
                let result = campaign::not_supported(&loaded.scenario, self.options, &all);
                summary.add(&result);
                reporter.scenario(&subject, &result, &[])?;
                return Ok(result);
            }
            Err(refused) => return Err(io::Error::other(refused)),
        };
        let seeds = self.options.seeds.as_ref().map_or_else(|| loaded.scenario.seed_count(), Seeds::len);
        let progress = Progress::new(self.progress, &subject.name, seeds);
        let interrupt = &self.options.pool.interrupt;
        let mut watcher = Watcher { subject: &subject, reporter, progress, interrupt, error: None };
        let mut result = campaign::run(&loaded.scenario, &engine, self.options, &mut watcher);
        campaign::hold_to_twin(&loaded.scenario, &mut result, self.options, |twin| loaded.system.open(twin))
            .map_err(io::Error::other)?;
        watcher.progress.finish();
        if let Some(error) = watcher.error {
            return Err(error);
        }
        for reason in result.reasons.iter().filter(|reason| is_final(reason.kind)) {
            note(&format!("{}: {}", subject.place(None), reason.message));
        }
        let evidence = self.evidence(&subject, &engine, &result, summary);
        summary.add(&result);
        reporter.scenario(&subject, &result, &evidence)?;
        Ok(result)
    }

    /// Records every failing run that is kept. A folder that cannot be written takes nothing from the failure.
    fn evidence<'b>(
        &self,
        subject: &Subject<'_>,
        engine: &Arc<dyn Engine>,
        result: &'b ScenarioResult,
        summary: &mut Summary,
    ) -> Vec<Evidence<'b>> {
        let mut all = Vec::new();
        // What failed before an interrupt is saved all the same.
        let pool = Pool { interrupt: Interrupt::default(), ..self.options.pool.clone() };
        for failure in &result.failures {
            let one = evidence::gather(subject, engine, &pool, failure, self.out);
            all.push(one.unwrap_or_else(|error| {
                complain(&format!("cannot write below {}: {error}", shown(self.out)));
                summary.exit_code = summary.exit_code.and(ExitCode::Output);
                Evidence { failure, artifact: None, tail: Vec::new() }
            }));
        }
        all
    }
}

/// Whether nothing more should run after this: the user has had enough, or a thread hangs.
const fn is_final(kind: ReasonKind) -> bool {
    matches!(kind, ReasonKind::Stuck | ReasonKind::Interrupted)
}

/// Passes runs on to the reporter, and keeps the first error.
struct Watcher<'a, 'b> {
    subject: &'a Subject<'b>,
    reporter: &'a mut dyn Reporter,
    progress: Progress,
    /// Set where nobody can be told of more runs.
    interrupt: &'a Interrupt,
    error: Option<io::Error>,
}

impl campaign::Watcher for Watcher<'_, '_> {
    fn run(&mut self, run: &Run, reasons: &[Reason]) {
        if self.error.is_none() {
            self.error = self.reporter.run(self.subject, run, reasons).err();
        }
        if self.error.is_some() {
            self.interrupt.set();
        }
    }

    fn progress(&mut self, done: u64, total: u64) {
        self.progress.set(done, total);
    }
}

/// Several reporters as one, each with the file that it writes; stdout where there is none.
struct Reporters(Vec<(Option<String>, Box<dyn Reporter>)>);

impl Reporters {
    fn each(&mut self, mut tell: impl FnMut(&mut dyn Reporter) -> io::Result<()>) -> io::Result<()> {
        for (file, reporter) in &mut self.0 {
            let told = tell(&mut **reporter);
            told.map_err(|error| match file {
                Some(file) => io::Error::other(Unwritten { file: file.clone(), error }),
                None => error,
            })?;
        }
        Ok(())
    }
}

impl Reporter for Reporters {
    fn begin(&mut self, scenarios: u64) -> io::Result<()> {
        self.each(|one| one.begin(scenarios))
    }

    fn run(&mut self, subject: &Subject<'_>, run: &Run, reasons: &[Reason]) -> io::Result<()> {
        self.each(|one| one.run(subject, run, reasons))
    }

    fn scenario(
        &mut self,
        subject: &Subject<'_>,
        result: &ScenarioResult,
        evidence: &[Evidence<'_>],
    ) -> io::Result<()> {
        self.each(|one| one.scenario(subject, result, evidence))
    }

    fn invalid(&mut self, invalid: &[Diagnostics], summary: &Summary) -> io::Result<()> {
        self.each(|one| one.invalid(invalid, summary))
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        self.each(|one| one.end(summary))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
