//! The table of judgements.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use splitbrain::campaign::{
    self, CampaignOptions, Interrupt, Judgement, Planned, Pool, ScenarioResult, Seeds, Silent, Subject,
};
use splitbrain::engine::{AnySystem, Simulated};
use splitbrain::scenario::{self, Picks, Scenario};
use splitbrain_kernel::rng::Ppm;
use splitbrain_kernel::system::System;
use splitbrain_madsim::OnMadsim;
use splitbrain_systems::chat::Chat;
use splitbrain_systems::lock::Lock;
use splitbrain_systems::raft::Raft;
use splitbrain_systems::reactor::Reactor;
use splitbrain_systems::session::Sessions;

const SEEDS: u64 = 50;

/// A system whose shipped scenarios are judged on both engines.
struct Compared {
    name: &'static str,
    /// Where its table is kept.
    kept: &'static str,
    rows: fn(&Path, u64) -> Vec<Row>,
}

const SYSTEMS: [Compared; 5] = [
    Compared { name: "raft", kept: "reports/gallery/madsim.md", rows: rows::<Raft> },
    Compared { name: "reactor", kept: "reports/gallery/madsim-reactor.md", rows: rows::<Reactor> },
    Compared { name: "lock", kept: "reports/gallery/madsim-lock.md", rows: rows::<Lock> },
    Compared { name: "session", kept: "reports/gallery/madsim-session.md", rows: rows::<Sessions> },
    Compared { name: "chat", kept: "reports/gallery/madsim-chat.md", rows: rows::<Chat> },
];

/// What was typed.
struct Wanted {
    seeds: u64,
    writes: bool,
    /// All where absent.
    system: Option<String>,
}

/// One scenario on both engines.
struct Row {
    name: String,
    kernel: ScenarioResult,
    madsim: ScenarioResult,
}

impl Row {
    /// As expected on both. Over few seeds much stays open: then neither contradicts what is expected.
    fn agrees(&self, seeds: u64) -> bool {
        [self.kernel.judgement, self.madsim.judgement].iter().all(|judgement| match judgement {
            Judgement::AsExpected => true,
            Judgement::Inconclusive | Judgement::NotJudged => seeds < SEEDS,
            Judgement::NotAsExpected | Judgement::NotSupported => false,
        })
    }
}

pub(crate) fn main() -> ExitCode {
    let wanted = match read_arguments() {
        Ok(wanted) => wanted,
        Err(message) => {
            eprintln!("error: {message}\nusage: compare [--system NAME] [--seeds N] [--write]");
            return ExitCode::from(2);
        }
    };
    let is_wanted = |it: &&Compared| wanted.system.as_ref().is_none_or(|name| name == it.name);
    let agreed: Vec<bool> = SYSTEMS.iter().filter(is_wanted).map(|it| compare(it, &wanted)).collect();
    if agreed.iter().all(|agrees| *agrees) { ExitCode::SUCCESS } else { ExitCode::from(100) }
}

/// Judges every scenario of a system. Returns whether all are as expected on both engines.
fn compare(system: &Compared, wanted: &Wanted) -> bool {
    let mut files = Vec::new();
    collect(&Path::new("scenarios").join(system.name), &mut files);
    files.sort();
    let rows: Vec<Row> = files.iter().flat_map(|file| (system.rows)(file, wanted.seeds)).collect();
    let text = page(system.name, &rows, wanted);
    print!("{text}");
    if wanted.writes {
        std::fs::write(system.kept, &text).expect("the gallery can be written");
    }
    !rows.is_empty() && rows.iter().all(|row| row.agrees(wanted.seeds))
}

fn read_arguments() -> Result<Wanted, String> {
    let mut wanted = Wanted { seeds: SEEDS, writes: false, system: None };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--write" => wanted.writes = true,
            "--seeds" => {
                let number = arguments.next().and_then(|text| text.parse().ok()).filter(|seeds| *seeds > 0);
                wanted.seeds = number.ok_or("--seeds takes a number of seeds, at least 1")?;
            }
            "--system" => {
                let known = || SYSTEMS.iter().map(|it| it.name).collect::<Vec<_>>().join(", ");
                let name = arguments.next().filter(|name| SYSTEMS.iter().any(|it| it.name == name));
                wanted.system = Some(name.ok_or_else(|| format!("--system takes one of {}", known()))?);
            }
            other => return Err(format!("unknown argument {other}")),
        }
    }
    Ok(wanted)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("a folder can be listed").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "toml") {
            files.push(path);
        }
    }
}

/// A row for each scenario of a file.
fn rows<S: System>(file: &Path, seeds: u64) -> Vec<Row> {
    let bytes = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let systems = [Simulated::<S>::new().description()];
    let scenarios = scenario::load_all(&file.display().to_string(), &bytes, &Picks::default(), &systems);
    let scenarios = scenarios.unwrap_or_else(|error| panic!("{error}"));
    scenarios.into_iter().map(|scenario| row::<S>(name_of(file), Arc::new(scenario), seeds)).collect()
}

fn row<S: System>(name: String, scenario: Arc<Scenario>, seeds: u64) -> Row {
    let (kernel, madsim) = (Simulated::<S>::new(), OnMadsim::<S>::new());
    let variant = scenario.source.variant.as_ref().map_or_else(String::new, |variant| format!("#{variant}"));
    let (name, description) = (name + &variant, kernel.description());
    let judge = |system: &dyn AnySystem| {
        let subject =
            Subject { scenario: &scenario, name: &name, description: &description, program: "splitbrain-madsim" };
        let planned = Planned { subject, scenario: Arc::clone(&scenario), system, only: None };
        campaign::judge(&planned, &options(&scenario, seeds), &mut Silent)
    };
    let row = Row { name: name.clone(), kernel: judge(&kernel), madsim: judge(&madsim) };
    eprintln!("{}: kernel {}, madsim {}", row.name, cell(&row.kernel), cell(&row.madsim));
    row
}

/// A violation is looked for as long as the file says; anything else over so many seeds.
fn options(scenario: &Scenario, seeds: u64) -> CampaignOptions {
    let within = scenario.expect.violates.as_ref().and_then(|violates| violates.within).unwrap_or(0);
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    CampaignOptions {
        seeds: Some(Seeds::first(seeds.max(within))),
        max_fail: Some(1),
        fail_fast: false,
        check_determinism: Ppm::NEVER,
        pool: Pool { jobs, timeout: Some(campaign::TIMEOUT), interrupt: Interrupt::default(), until: None },
    }
}

fn name_of(file: &Path) -> String {
    let below = file.strip_prefix("scenarios").unwrap_or(file);
    below.with_extension("").display().to_string()
}

fn cell(result: &ScenarioResult) -> String {
    let judgement = match result.judgement {
        Judgement::AsExpected => "as expected",
        Judgement::NotAsExpected => "**not as expected**",
        Judgement::Inconclusive => "**inconclusive**",
        Judgement::NotJudged => "not judged",
        Judgement::NotSupported => "not supported",
    };
    let twin = result.twin.map_or_else(String::new, |twin| match twin.failed {
        0 => ", twin silent".to_owned(),
        failed => format!(", **twin not silent on {failed}**"),
    });
    match &result.found {
        Some(found) => format!("{judgement}: {} within {}{twin}", found.invariant, found.seeds),
        None => format!("{judgement} over {}", result.runs),
    }
}

fn page(system: &str, rows: &[Row], wanted: &Wanted) -> String {
    let agreed = rows.iter().filter(|row| row.agrees(SEEDS)).count();
    let mut text = String::from("# Judgements of both engines\n\n");
    let _ = writeln!(text, "Every shipped {system} scenario on the kernel and on madsim.");
    text += "Made by `just madsim-compare --write`: ";
    let _ = writeln!(
        text,
        "{} seeds or, where a violation is expected, the file's `within`, if that is more.",
        wanted.seeds
    );
    text += "`within` in the table is seeds-to-find: the first violation of what the file lists; ";
    text += "its twin, the same file without what is to blame, is held to the same seeds.\n";
    text += "A seed is another run on either engine: madsim orders what is due by its own randomness.\n\n";
    let _ = writeln!(text, "{agreed} of {} scenarios are as expected on both.\n", rows.len());
    text += "| scenario | kernel | madsim |\n| --- | --- | --- |\n";
    for row in rows {
        let _ = writeln!(text, "| {} | {} | {} |", row.name, cell(&row.kernel), cell(&row.madsim));
    }
    text
}
