//! One run in full: what `run` and `replay` share.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::Outcome;

use crate::build;
use crate::campaign::{self, Evidence, Failure, Pool, Subject, Summary};
use crate::command::narrow::NarrowArguments;
use crate::command::recorded::{Recorded, Replayed};
use crate::command::{CommandError, Isolate, Loaded, MessageFormat, Session, Signals, complain, shown};
use crate::engine::{AnyPlan, Engine, Job, Names, Run, Settings};
use crate::exit_code::ExitCode;
use crate::report::artifact::{self, Artifact};
use crate::report::{
    Detail, Form, Github, Json, Reporter as _, ScenarioDetail, Tail, Timeline, failure_artifact, failure_block, quoted,
};
use crate::text::{counted, printable};

/// How a single run is told.
#[derive(Debug, clap::Args)]
pub(super) struct ReportArguments {
    #[command(flatten)]
    pub(super) narrow: NarrowArguments,

    /// Show every option of the run, as it was resolved
    #[arg(long)]
    options: bool,

    /// What is printed on stdout
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    message_format: MessageFormat,

    /// Leave the folder of the run below DIR however it ends; one that is not as expected leaves it below
    /// reports in any case
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Whether the run is carried out by another process, so that its story is told up to where it aborts [default: no;
    /// yes for the folder of a run that was lost with its process]
    #[arg(long, value_name = "yes|no", hide_possible_values = true)]
    pub(super) isolate: Option<Isolate>,

    #[command(flatten)]
    pool: super::PoolArguments,
}

/// Where a failing run leaves its folder when nobody says otherwise.
const REPORTS: &str = "reports";

impl ReportArguments {
    /// Tells programs of files that are wrong.
    pub(super) fn reported(&self, failed: CommandError) -> CommandError {
        failed.reported(&mut *self.message_format.reporter(ScenarioDetail::default()), 1)
    }

    /// One thread, which a signal interrupts.
    pub(super) fn pool(&self, signals: &Signals) -> Pool {
        self.pool.pool(1, signals.interrupt.clone())
    }
}

/// One run of a scenario, about to be carried out and reported.
pub(super) struct SingleRun<'a> {
    pub(super) session: &'a Session<'a>,
    pub(super) loaded: &'a Loaded<'a>,
    pub(super) engine: Arc<dyn Engine>,
    pub(super) seed: Seed,
    /// The file that the scenario was read from, if it is not the one that it is called after.
    pub(super) file: Option<&'a Path>,
    /// The plan that is followed.
    pub(super) plan: Option<AnyPlan>,
    pub(super) arguments: &'a ReportArguments,
    pub(super) pool: Pool,
    pub(super) signals: Signals,
    /// Where the folder of a run that is not as expected comes from, when nobody asked for one.
    pub(super) folder: Folder,
    /// What the run is compared with.
    pub(super) recorded: Option<&'a Recorded>,
    /// The command that carries out this run again, where the folder that it comes from holds another run.
    pub(super) again: Option<String>,
}

/// Where the folder of a failing run comes from.
pub(super) enum Folder {
    /// It is made by running once more.
    Made,
    /// It is this one, or there is none.
    Given(Option<PathBuf>),
}

/// What the run came to, and what that means.
pub(super) struct SingleResult {
    pub(super) run: Run,
    pub(super) exit_code: ExitCode,
}

impl SingleRun<'_> {
    /// Runs and reports.
    pub(super) fn run_and_report(&self) -> Result<SingleResult, CommandError> {
        let subject = self.session.subject(self.loaded);
        let settings = self.engine.settings(self.seed).map_err(|error| CommandError::invalid_in(error, self.file))?;
        self.check_narrow()?;
        self.print_start(&subject, &settings).map_err(CommandError::stdout)?;
        self.signals.ask();
        let (run, tail, folder) = self.record(&subject)?;
        let reasons = campaign::reasons(&self.loaded.scenario.expect, &run);
        let folder = folder.map(|artifact| failure_artifact::save(artifact, &subject, &self.engine, &run, &reasons));
        // What is left is to compare and to write: a signal need not wait for that.
        self.signals.end_at_once();
        // A folder that cannot be written takes nothing from the run.
        let (folder, saved) = match folder.transpose() {
            Ok(folder) => (folder, ExitCode::AsExpected),
            Err(error) => (None, CommandError::output("the folder of the run", error).print()),
        };
        let code = reasons.iter().fold(saved, |code, reason| code.and(reason.kind.exit_code()));
        let failure = Failure { run, reasons, evidence: None };
        let replayed = self.recorded.map(|recorded| recorded.compare(&failure.run));
        let code = replayed.as_ref().map_or(code, |replayed| code.and(replayed.code));
        let end = self.print_end(&subject, failure.clone(), &tail, folder, (code, replayed.as_ref()));
        let code = code.and(end.map_err(CommandError::stdout)?);
        Ok(SingleResult { run: failure.run, exit_code: code })
    }

    /// Refuses times between which nothing is, and nodes that the cluster does not have.
    fn check_narrow(&self) -> Result<(), CommandError> {
        let (narrow, cluster) = (&self.arguments.narrow, self.loaded.scenario.cluster_of(self.seed));
        narrow.check_times()?;
        let known = cluster.all_servers().chain(cluster.all_clients()).collect();
        narrow.check_nodes(&known, &Names::of(&cluster), "there is no such node, there are")
    }

    fn job(&self) -> Job<'_> {
        Job { seed: self.seed, plan: self.plan.as_ref() }
    }

    fn record(&self, subject: &Subject<'_>) -> Result<(Run, Tail, Option<Artifact>), CommandError> {
        let folder =
            self.arguments.out.as_deref().map(|out| self.apart(artifact::folder(out, subject.name, self.seed)));
        let create = |folder: PathBuf| {
            let artifact = Artifact::create(&folder, subject.scenario, self.seed);
            artifact.map_err(|error| CommandError::output(shown(&folder), error))
        };
        let target = folder.map(create).transpose()?;
        let partial = target.as_ref().map(|target| target.partial().to_owned());
        let narrow = &self.arguments.narrow;
        let (detail, form) = match self.arguments.message_format {
            // Programs get entries where they ask for some.
            MessageFormat::Json if narrow.is_given() => (narrow.detail(), Form::Json),
            MessageFormat::Json => (Detail::None, Form::Json),
            MessageFormat::Human | MessageFormat::Github => (narrow.detail(), Form::Text),
        };
        let log = narrow.log.filter(|_| form == Form::Text || narrow.is_given());
        let names = Names::of(&subject.scenario.cluster_of(self.seed));
        let timeline = Timeline::new(anstream::stdout(), detail, names).with_log(log).with_form(form);
        let timeline = timeline.with_selection(narrow.selection());
        let tail = Tail::new(narrow.log.unwrap_or_default());
        let recorded = self.pool.record(&self.engine, self.job(), (target, (tail, timeline)));
        let (run, (target, (tail, timeline))) = recorded.map_err(|end| {
            // The thread that writes there goes on, and will never finish it.
            partial.as_deref().map(artifact::discard);
            let failed = CommandError::ended(&subject.place(None), self.seed, end, self.pool.timeout);
            self.print_ended(&failed).map_or_else(CommandError::stdout, |()| failed)
        })?;
        let left_out = timeline.finish().map_err(CommandError::stdout)?;
        if form == Form::Text {
            write!(anstream::stdout(), "{}", narrow.left_out(left_out)).map_err(CommandError::stdout)?;
        }
        Ok((run, tail, target))
    }

    /// Programs are told that nothing more comes.
    fn print_ended(&self, failed: &CommandError) -> io::Result<()> {
        match self.arguments.message_format {
            MessageFormat::Json => {
                Json::new(anstream::stdout()).end(&Summary { exit_code: failed.code, ..Summary::of(1) })
            }
            MessageFormat::Human | MessageFormat::Github => Ok(()),
        }
    }

    fn print_start(&self, subject: &Subject<'_>, settings: &Settings) -> io::Result<()> {
        let mut out = anstream::stdout();
        let source = &subject.scenario.source;
        if self.arguments.message_format == MessageFormat::Json {
            let mut json = Json::new(out);
            json.begin(1)?;
            return json.options(&source.address(), &artifact::shown_hash(source.hash), self.seed, &options(settings));
        }
        writeln!(out, "build: {}", build::ID)?;
        writeln!(out, "scenario: {} (hash {})", subject.place(None), artifact::shown_hash(source.hash))?;
        writeln!(out, "seed: {}", self.seed)?;
        if self.arguments.options {
            writeln!(out, "\noptions")?;
            for (key, value) in &settings.lines {
                writeln!(out, "  {key} = {value}")?;
            }
        } else {
            writeln!(out, "options: {}, shown with --options", counted(settings.lines.len() as u64, "value"))?;
            for (key, value) in settings.lines.iter().filter(|(key, _)| key.starts_with("chosen.")) {
                writeln!(out, "  {key} = {value}")?;
            }
        }
        writeln!(out, "\ntimeline")
    }

    fn print_end(
        &self,
        subject: &Subject<'_>,
        failure: Failure,
        tail: &Tail,
        folder: Option<PathBuf>,
        (code, replayed): (ExitCode, Option<&Replayed<'_>>),
    ) -> io::Result<ExitCode> {
        if self.arguments.message_format == MessageFormat::Json {
            let mut json = Json::new(anstream::stdout());
            json.run(subject, &failure.run, &failure.reasons)?;
            if let Some(replayed) = replayed {
                json.replayed(replayed.fields())?;
            }
            json.end(&summary(&failure, code))?;
            return Ok(ExitCode::AsExpected);
        }
        let mut out = anstream::stdout();
        write!(out, "\n{}", figures(&failure.run, replayed))?;
        if failure.reasons.is_empty() {
            writeln!(out, "judgement: {}", mere(subject, &failure.run, replayed))?;
            let replay = folder.map(|folder| quoted(&folder));
            return match replay {
                Some(folder) => writeln!(out, "replay: {} replay {folder}", subject.program),
                None => Ok(()),
            }
            .map(|()| ExitCode::AsExpected);
        }
        let again = self.again.as_deref().filter(|_| folder.is_none());
        let evidence = self.evidence(subject, &failure, tail, folder);
        let code = if evidence.is_lost { ExitCode::Output } else { ExitCode::AsExpected };
        let failure = Failure { evidence: Some(evidence.kept), ..failure };
        write!(out, "\n{}", failure_block(subject, &failure, again))?;
        if self.arguments.message_format == MessageFormat::Github {
            Github::new(out).run_failed(subject, &failure)?;
        }
        Ok(code)
    }

    /// The folder to write to: never the one that is being replayed, whose recording must stay what it was.
    fn apart(&self, folder: PathBuf) -> PathBuf {
        let is_same =
            |given: &PathBuf| folder.canonicalize().is_ok_and(|path| given.canonicalize().is_ok_and(|it| it == path));
        match &self.folder {
            Folder::Given(Some(given)) if is_same(given) => folder.with_file_name(format!("{}-replayed", self.seed)),
            Folder::Given(_) | Folder::Made => folder,
        }
    }

    fn evidence(&self, subject: &Subject<'_>, failure: &Failure, tail_of: &Tail, folder: Option<PathBuf>) -> Kept {
        let seed = self.seed;
        let tail = || tail_of.lines(failure_artifact::culprit(&failure.run.outcome), &failure.run.names);
        let moments = || failure.run.moments.clone();
        let reached = || tail_of.reached().filter(|_| failure.run.lost.is_some());
        let given = match (&self.folder, folder) {
            (_, Some(made)) => Some(Some(made)),
            (Folder::Given(given), None) => Some(given.clone()),
            (Folder::Made, None) => None,
        };
        if let Some(given) = given {
            let artifact = given.ok_or_else(|| "the run comes from no folder".to_owned());
            return Kept {
                kept: Evidence {
                    seed,
                    artifact,
                    tail: tail(),
                    moments: moments(),
                    faults: Vec::new(),
                    reached: reached(),
                },
                is_lost: false,
            };
        }
        // It is carried out once more, and can be interrupted.
        self.signals.ask();
        let found = (&failure.run, failure.reasons.as_slice());
        let log = self.arguments.narrow.log.unwrap_or_default();
        let kept = failure_artifact::gather(subject, &self.engine, &self.pool, found, (Path::new(REPORTS), log));
        match &kept.artifact {
            Ok(_) => Kept { kept, is_lost: false },
            Err(why) => {
                complain(&format!("{}: seed {seed} could not be kept: {why}", subject.place(None)));
                Kept {
                    kept: Evidence { tail: tail(), moments: moments(), faults: Vec::new(), reached: reached(), ..kept },
                    is_lost: true,
                }
            }
        }
    }
}

/// What is kept of the run.
struct Kept {
    kept: Evidence,
    /// Whether a folder was to be written, and is not there.
    is_lost: bool,
}

fn options(settings: &Settings) -> Value {
    settings.lines.iter().map(|(key, value)| (key.clone(), json!(value))).collect::<serde_json::Map<_, _>>().into()
}

fn summary(failure: &Failure, code: ExitCode) -> Summary {
    let passed = u64::from(failure.reasons.is_empty());
    Summary {
        passed,
        failed: 1 - passed,
        inconclusive: 0,
        not_judged: 0,
        skipped: 0,
        runs: 1,
        events: failure.run.events,
        exit_code: code,
    }
}

/// What a single run says about its scenario. It is one of many, so it can contradict, and never prove.
fn mere(subject: &Subject<'_>, run: &Run, replayed: Option<&Replayed<'_>>) -> String {
    match &subject.scenario.expect.violates {
        _ if replayed.is_some_and(Replayed::failed_before) => "as expected, which the recorded run is not".to_owned(),
        Some(violates) if run.outcome.violation().is_none() => {
            format!("as expected; {} is to be broken by another run", violates.invariants.join(" or "))
        }
        _ => "as expected".to_owned(),
    }
}

fn figures(run: &Run, replayed: Option<&Replayed<'_>>) -> String {
    let mut text = format!("outcome: {}", run.outcome.name());
    if let Some(recorded) = replayed.and_then(Replayed::other_outcome) {
        text += &format!(", recorded: {recorded}");
    }
    text += "\n";
    if run.outcome != Outcome::Passed {
        text += &format!("  {}\n", printable(&campaign::describe_outcome(run)));
    }
    text += &format!("end: {}\nevents: {}\n", run.end, run.events);
    for (name, value) in &run.gauges {
        text += &format!("gauge: {name} = {value}\n");
    }
    for (name, value) in run.measures.iter().filter_map(|one| Some((&one.name, one.value?))) {
        text += &format!("measure: {name} = {value}\n");
    }
    for (name, value) in &run.counts {
        text += &format!("count: {name} = {value}\n");
    }
    for (name, value) in &run.evaluated {
        text += &format!("evaluated: {name} = {value}\n");
    }
    for (name, value) in &run.lacking {
        text += &format!("not evaluated for want of facts: {name} = {value}\n");
    }
    for id in &run.never_applied {
        text += &format!("never applied: {}\n", printable(id));
    }
    text + &format!("digest: {}\n", run.digest)
}
