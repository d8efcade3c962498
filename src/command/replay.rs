//! `splitbrain replay`: exactly one run again.
//!
//! From the folder that a failing run left behind: by its plan, which must give the same digest. From a scenario and a
//! seed: by the seed, or by a plan that is named.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use splitbrain_kernel::plan::{Asking, Timing};
use splitbrain_kernel::rng::Seed;

use crate::build;
use crate::command::files::Asked;
use crate::command::recorded::Recorded;
use crate::command::single::{Folder, ReportArguments, SingleRun};
use crate::command::which::SetArguments;
use crate::command::{
    CommandError, Isolate, PLAN_BYTES_MAX, SUMMARY, Session, Signals, files, kept, note, parse_seed, read_scenario,
    read_text, shown,
};
use crate::engine::{AnyPlan, PlanText, RecordingReader};
use crate::exit_code::ExitCode;
use crate::report::artifact::{self, Kept};
use crate::report::quoted;
use crate::scenario::Picks;

/// What `replay` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The folder of a run, or a scenario
    #[arg(value_name = "ARTIFACT|FILE")]
    target: PathBuf,

    /// The seed of a scenario, decimal or after 0x; a folder has its own
    #[arg(long, value_name = "S", value_parser = parse_seed)]
    seed: Option<Seed>,

    /// Follow this plan in place of the scenario's faults, or of the folder's plan
    #[arg(long, value_name = "PLAN")]
    plan: Option<PathBuf>,

    /// The plan was edited: go by its times rather than by its counts of events
    #[arg(long)]
    edited: bool,

    /// Where the operations of clients come from: the plan, or the workload of the scenario as in a first run
    #[arg(long, value_name = "plan|live", value_parser = parse_asking)]
    workload: Option<Asking>,

    /// Replay even where scenario, seed, plan or format are not those of the recording; what the plan says of nodes
    /// that are not there is passed over
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    set: SetArguments,

    #[command(flatten)]
    report: ReportArguments,
}

/// What is replayed, before it is decoded.
struct ReplayInput {
    /// What the scenario is called.
    path: String,
    /// The file that it was read from, in the folder of a run.
    file: Option<PathBuf>,
    scenario: Vec<u8>,
    plan: Option<PlanText>,
    /// What is known of the run that is replayed.
    kept: Option<Kept>,
    /// The seed that the recording in its folder is of.
    traced: Option<u64>,
    seed: Seed,
}

/// Does it.
pub(crate) fn run(session: &Session<'_>, arguments: &Arguments) -> Result<ExitCode, CommandError> {
    // Reading a long plan takes its time.
    let signals = Signals::new();
    let input = if arguments.target.is_dir() { from_folder(arguments)? } else { from_file(arguments)? };
    check_format(&input, arguments)?;
    let loaded = session.load_one(&input.path, &input.scenario);
    let file = input.file.as_deref();
    let loaded = loaded.map_err(|invalid| arguments.report.reported(CommandError::invalid_in(invalid, file)))?;
    let refuse = |refused| arguments.report.reported(CommandError::open(refused));
    let is_lost = input.kept.as_ref().is_some_and(|kept| kept.lost.is_some());
    let isolate = arguments.report.isolate.unwrap_or(if is_lost { Isolate::Yes } else { Isolate::No });
    let engine = session.supervised(&loaded, isolate, true).open(loaded.scenario.clone()).map_err(refuse)?;
    let plan = input.plan.as_ref().map(|text| engine.read_plan(text)).transpose().map_err(refuse)?;
    // What is wrong with a plan comes before whether it is the right one.
    check(&input, arguments, engine.name())?;
    let recorded = recorded(&input, plan.as_ref(), arguments, engine.name());
    let folder = Folder::Given(arguments.target.is_dir().then(|| arguments.target.clone()));
    let single = SingleRun {
        session,
        loaded: &loaded,
        engine,
        seed: input.seed,
        file,
        plan,
        arguments: &arguments.report,
        pool: arguments.report.pool(&signals),
        signals,
        folder,
        recorded: Some(&recorded),
        again: (!recorded.is_exact).then(|| again(session.program, arguments)),
    };
    let result = single.run_and_report()?;
    recorded.print(&recorded.compare(&result.run));
    Ok(result.exit_code)
}

/// The command that was typed, with all that decides which run it is.
fn again(program: &str, arguments: &Arguments) -> String {
    let mut command = format!("{program} replay {}", quoted(&arguments.target));
    if let Some(seed) = arguments.seed {
        command += &format!(" --seed {seed}");
    }
    if let Some(plan) = &arguments.plan {
        command += &format!(" --plan {}", quoted(plan));
    }
    if arguments.edited {
        command += " --edited";
    }
    match arguments.workload {
        Some(Asking::Plan) => command += " --workload plan",
        Some(Asking::Live) => command += " --workload live",
        None => {}
    }
    if arguments.force {
        command += " --force";
    }
    for one in &arguments.set.set {
        command += &format!(" --set {}", quoted(Path::new(&one.to_string())));
    }
    command
}

fn from_folder(arguments: &Arguments) -> Result<ReplayInput, CommandError> {
    let folder = &arguments.target;
    let kept = kept(folder)?;
    let picks = Picks { variant: None, set: arguments.set.set.clone() };
    // A run that was lost with its process has none.
    let own = || kept.lost.is_none().then(|| own_plan(folder, PLAN_BYTES_MAX)).flatten();
    let file = folder.join("scenario.toml");
    let plan = arguments.plan.clone().or_else(own);
    Ok(ReplayInput {
        path: kept.scenario.clone(),
        scenario: picks.applied_to(&read_scenario(&file)?),
        file: Some(file),
        plan: plan.map(|plan| plan_text(&plan, arguments)).transpose()?,
        seed: arguments.seed.unwrap_or(Seed(kept.seed)),
        kept: Some(kept),
        traced: seed_of_trace(folder),
    })
}

/// The plan in the folder of a run. One that is too long to be read is not needed: the seed gives the same run.
fn own_plan(folder: &Path, bytes_max: u64) -> Option<PathBuf> {
    let plan = folder.join("plan.toml");
    let is_long = plan.metadata().is_ok_and(|file| file.len() > bytes_max);
    if is_long {
        let most = bytes_max >> 20;
        note(&format!("{} has more than {most} MiB: the run is replayed by its seed", quoted(&plan)));
    }
    (!is_long).then_some(plan)
}

fn from_file(arguments: &Arguments) -> Result<ReplayInput, CommandError> {
    if let Some(folder) = files::of_a_run(&arguments.target) {
        let folder = quoted(&folder);
        return Err(CommandError::usage(format!("to replay the run in {folder}, name the folder: replay {folder}")));
    }
    let asked = Asked::new(&arguments.target);
    let scenario = asked.picks(&arguments.set.set).applied_to(&read_scenario(&asked.path)?);
    // A plan that still lies in its folder knows its seed and its scenario.
    let folder = arguments.plan.as_deref().and_then(Path::parent).filter(|folder| folder.join(SUMMARY).is_file());
    let traced = folder.and_then(seed_of_trace);
    let kept = folder.map(kept).transpose()?;
    let seed = arguments.seed.or_else(|| kept.as_ref().map(|kept| Seed(kept.seed)));
    let seed = seed.ok_or_else(|| match arguments.target.parent().filter(|folder| folder.join(SUMMARY).is_file()) {
        Some(folder) => {
            CommandError::usage(format!("to replay the run in {0}, name the folder: replay {0}", quoted(folder)))
        }
        None => CommandError::usage("a scenario is replayed for a seed: add --seed S"),
    })?;
    Ok(ReplayInput {
        path: asked.path.display().to_string(),
        file: None,
        scenario,
        plan: arguments.plan.as_deref().map(|plan| plan_text(plan, arguments)).transpose()?,
        kept,
        traced,
        seed,
    })
}

/// The seed in the header of the recording of a run; `None` if there is no recording that can be read.
fn seed_of_trace(folder: &Path) -> Option<u64> {
    let path = folder.join("trace.jsonl");
    let file = path.is_file().then(|| File::open(&path).ok()).flatten()?;
    let reader = RecordingReader::new(shown(&path), BufReader::new(file)).ok()?;
    Some(reader.header().seed)
}

fn plan_text(path: &Path, arguments: &Arguments) -> Result<PlanText, CommandError> {
    let timing = arguments.edited.then_some(Timing::Time);
    Ok(PlanText {
        path: shown(path),
        text: read_text(path, PLAN_BYTES_MAX)?,
        timing,
        workload: arguments.workload,
        force: arguments.force,
    })
}

fn parse_asking(text: &str) -> Result<Asking, String> {
    match text {
        "plan" => Ok(Asking::Plan),
        "live" => Ok(Asking::Live),
        _ => Err("expected \"plan\" or \"live\"".to_owned()),
    }
}

/// Refuses what cannot be replayed, unless it is forced.
fn refuse(arguments: &Arguments, message: &str) -> Result<(), CommandError> {
    if arguments.force {
        note(&format!("warning: {message}"));
        return Ok(());
    }
    Err(CommandError::usage(format!("{message} (--force replays it all the same)")))
}

fn check_format(input: &ReplayInput, arguments: &Arguments) -> Result<(), CommandError> {
    match input.kept.as_ref().map(|kept| kept.format) {
        Some(format) if format != artifact::FORMAT => {
            let known = artifact::FORMAT;
            refuse(arguments, &format!("the recording is of format {format}, this build reads format {known}"))
        }
        _ => Ok(()),
    }
}

/// Refuses what would be another run, and warns where it may be.
fn check(input: &ReplayInput, arguments: &Arguments, engine: &str) -> Result<(), CommandError> {
    let Some(kept) = &input.kept else { return Ok(()) };
    if let Some(traced) = input.traced.filter(|traced| *traced != kept.seed) {
        let kept = kept.seed;
        let message = format!("{SUMMARY} says that the run is of seed {kept}, the recording beside it is of {traced}");
        refuse(arguments, &message)?;
    }
    if kept.seed != input.seed.0 {
        let (kept, seed) = (kept.seed, input.seed);
        let message =
            format!("the recording is of seed {kept}, not {seed}: another seed is replayed from its scenario");
        refuse(arguments, &message)?;
    }
    let hash = scenario_hash(input);
    if hash != kept.scenario_hash {
        let before = &kept.scenario_hash;
        refuse(arguments, &format!("the recording is of another scenario: hash {before}, this one has {hash}"))?;
    }
    if kept.engine != engine && !arguments.edited {
        let recorded = &kept.engine;
        let message = format!(
            "the recording is of the engine {recorded}, this is {engine}: --edited replays its plan by its times"
        );
        refuse(arguments, &message)?;
    }
    if is_edited(input, kept) && !arguments.edited {
        refuse(arguments, "the plan is not the one that was recorded: --edited replays it by its times")?;
    }
    if kept.build != build::ID {
        note(&format!("warning: recorded with build {}, this is {}: it may be another run", kept.build, build::ID));
    }
    Ok(())
}

fn scenario_hash(input: &ReplayInput) -> String {
    artifact::hash(&String::from_utf8_lossy(&input.scenario))
}

fn is_edited(input: &ReplayInput, kept: &Kept) -> bool {
    input.plan.as_ref().is_some_and(|plan| artifact::hash(&plan.text) != kept.plan_hash)
}

fn recorded(input: &ReplayInput, plan: Option<&AnyPlan>, arguments: &Arguments, engine: &str) -> Recorded {
    let is_exact = input.kept.as_ref().is_some_and(|kept| {
        !arguments.edited
            && arguments.workload != Some(Asking::Live)
            && kept.engine == engine
            && !is_edited(input, kept)
            && scenario_hash(input) == kept.scenario_hash
    });
    let is_same_seed = |kept: &&Kept| kept.seed == input.seed.0;
    // Of a run that was lost nothing is known to compare with.
    let is_comparable = |kept: &&Kept| is_same_seed(kept) && kept.lost.is_none();
    Recorded {
        kept: input.kept.as_ref().filter(is_comparable).cloned(),
        other_seed: input.kept.as_ref().filter(|kept| !is_same_seed(kept)).map(|kept| Seed(kept.seed)),
        plan: input.plan.as_ref().zip(plan).map(|(text, plan)| (text.path.clone(), plan.clone())),
        is_exact,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_that_is_too_long_gives_way_to_the_seed() {
        let folder = std::env::temp_dir().join(format!("splitbrain-own-plan-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        std::fs::write(folder.join("plan.toml"), "timing = \"events\"\n").expect("a file can be written");
        assert_eq!(own_plan(&folder, 1 << 20), Some(folder.join("plan.toml")));
        assert_eq!(own_plan(&folder, 4), None);
        std::fs::remove_dir_all(&folder).expect("a folder can be removed");
    }
}
