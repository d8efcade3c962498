//! `splitbrain replay`: exactly one run again.
//!
//! From the folder that a failing run left behind: by its plan, which must give the same digest. From a scenario and a
//! seed: by the seed, or by a plan that is named.

use std::path::{Path, PathBuf};

use splitbrain_kernel::plan::Timing;
use splitbrain_kernel::rng::Seed;

use crate::build;
use crate::command::single::{Folder, TellArguments, Telling, Told};
use crate::command::{Failed, Session, note, parse_seed, read};
use crate::engine::PlanText;
use crate::exit_code::ExitCode;
use crate::report::artifact::{self, Kept};

/// What `replay` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The folder of a run, or a scenario
    #[arg(value_name = "ARTIFACT|FILE")]
    target: PathBuf,

    /// The seed, decimal or after 0x; a folder has its own
    #[arg(long, value_name = "S", value_parser = parse_seed)]
    seed: Option<Seed>,

    /// Follow this plan in place of the scenario's faults, or of the folder's plan
    #[arg(long, value_name = "PLAN")]
    plan: Option<PathBuf>,

    /// The plan was edited: go by its times rather than by its counts of events
    #[arg(long)]
    edited: bool,

    /// Replay even where scenario, plan or format are not those of the recording
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    tell: TellArguments,
}

/// What is replayed, before it is decoded.
struct Source {
    /// What the scenario is called.
    path: String,
    scenario: Vec<u8>,
    plan: Option<String>,
    /// What is known of the run that is replayed.
    kept: Option<Kept>,
    seed: Seed,
}

/// Does it.
pub(crate) fn run(session: &Session<'_>, arguments: &Arguments) -> Result<ExitCode, Failed> {
    let source = if arguments.target.is_dir() { from_folder(arguments)? } else { from_file(arguments)? };
    check(&source, arguments)?;
    let loaded = session.load(&source.path, &source.scenario).map_err(|diagnostics| Failed::invalid(&diagnostics))?;
    let timing = arguments.edited.then_some(Timing::Time);
    let plan = source.plan.as_ref().map(|text| PlanText { text: text.clone(), timing, force: arguments.force });
    let engine =
        loaded.system.open(loaded.scenario.clone(), plan.as_ref()).map_err(|refused| Failed::open(&refused))?;
    let folder = Folder::Given(arguments.target.is_dir().then(|| arguments.target.clone()));
    let telling = Telling {
        session,
        loaded: &loaded,
        engine,
        seed: source.seed,
        arguments: &arguments.tell,
        pool: arguments.tell.pool(),
        folder,
    };
    let told = telling.tell()?;
    Ok(compare(&source, arguments, &told))
}

fn from_folder(arguments: &Arguments) -> Result<Source, Failed> {
    let folder = &arguments.target;
    let kept = kept(folder)?;
    let plan = arguments.plan.clone().unwrap_or_else(|| folder.join("plan.toml"));
    Ok(Source {
        path: kept.scenario.clone(),
        scenario: read(&folder.join("scenario.toml"))?,
        plan: Some(text(&plan)?),
        seed: arguments.seed.unwrap_or(Seed(kept.seed)),
        kept: Some(kept),
    })
}

fn from_file(arguments: &Arguments) -> Result<Source, Failed> {
    let scenario = read(&arguments.target)?;
    // A plan that still lies in its folder knows its seed and its scenario.
    let folder = arguments.plan.as_deref().and_then(Path::parent).filter(|folder| folder.join(SUMMARY).is_file());
    let kept = folder.map(kept).transpose()?;
    let seed = arguments.seed.or_else(|| kept.as_ref().map(|kept| Seed(kept.seed)));
    let seed = seed.ok_or_else(|| Failed::usage("a scenario is replayed for a seed: add --seed S"))?;
    Ok(Source {
        path: arguments.target.display().to_string(),
        scenario,
        plan: arguments.plan.as_deref().map(text).transpose()?,
        kept,
        seed,
    })
}

const SUMMARY: &str = "summary.json";

fn kept(folder: &Path) -> Result<Kept, Failed> {
    let path = folder.join(SUMMARY);
    let bytes = read(&path)
        .map_err(|failed| Failed::usage(format!("{} is not the folder of a run: {failed}", folder.display())))?;
    serde_json::from_slice(&bytes).map_err(|error| Failed::usage(format!("{}: {error}", path.display())))
}

fn text(path: &Path) -> Result<String, Failed> {
    String::from_utf8(read(path)?).map_err(|_| Failed::usage(format!("{}: expected a plan in TOML", path.display())))
}

/// Refuses what would be another run, and warns where it may be.
fn check(source: &Source, arguments: &Arguments) -> Result<(), Failed> {
    let Some(kept) = &source.kept else { return Ok(()) };
    let refuse = |message: String| {
        if arguments.force {
            note(&format!("warning: {message}"));
            return Ok(());
        }
        Err(Failed::usage(format!("{message} (--force replays it all the same)")))
    };
    if kept.format != artifact::FORMAT {
        refuse(format!("the recording is of format {}, this build reads format {}", kept.format, artifact::FORMAT))?;
    }
    let hash = artifact::hash(&String::from_utf8_lossy(&source.scenario));
    if hash != kept.scenario_hash {
        refuse(format!("the recording is of another scenario: hash {}, this one has {hash}", kept.scenario_hash))?;
    }
    if is_edited(source, kept) && !arguments.edited {
        refuse("the plan is not the one that was recorded: --edited replays it by its times".to_owned())?;
    }
    if kept.build != build::ID {
        note(&format!("warning: recorded with build {}, this is {}: it may be another run", kept.build, build::ID));
    }
    Ok(())
}

fn is_edited(source: &Source, kept: &Kept) -> bool {
    source.plan.as_deref().is_some_and(|plan| artifact::hash(plan) != kept.plan_hash)
}

/// Whether it was the same run. Only a replay by exactly what was recorded has to be.
fn compare(source: &Source, arguments: &Arguments, told: &Told) -> ExitCode {
    let Some(kept) = &source.kept else { return told.exit_code };
    let digest = told.run.digest.to_string();
    let is_exact = !arguments.edited
        && Seed(kept.seed) == source.seed
        && !is_edited(source, kept)
        && artifact::hash(&String::from_utf8_lossy(&source.scenario)) == kept.scenario_hash;
    if digest == kept.digest {
        note("replayed: the same run, digest for digest");
        return told.exit_code;
    }
    note(&format!("replayed: another run: digest {digest}, recorded {}", kept.digest));
    note(&format!("  outcome {}, recorded {}", told.run.outcome.name(), kept.outcome));
    note(&format!("  events {}, recorded {}", told.run.events, kept.events));
    if is_exact && kept.build == build::ID { told.exit_code.and(ExitCode::Diverged) } else { told.exit_code }
}
