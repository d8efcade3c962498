//! The folder that a failing run leaves behind, and that `replay` takes.
//!
//! ```text
//! reports/raft/overlap/17/
//!   scenario.toml    as it was given
//!   resolved.toml    with every choice made
//!   options.json     every option of the run
//!   plan.toml        what was done to the world
//!   trace.jsonl      every event, after a header line with a version
//!   history.jsonl    what clients did, where there are any
//!   summary.json     seed, build, hashes, digest, outcome, counts
//! ```

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_128;

use splitbrain_kernel::rng::Seed;

use crate::build;
use crate::campaign::Reason;
use crate::engine::{self, AnyPlan, Entry, Header, Names, Recorder, RecordingKind, RecordingWriter, Run, Settings};
use crate::history;
use crate::report::json;
use crate::report::leftovers::sweep;
use crate::scenario::Scenario;
use crate::text::{is_unprintable, printable};

/// The version of `summary.json`.
pub const FORMAT: u32 = 1;

/// The names of the files.
pub(crate) const FILES: [&str; 7] =
    ["scenario.toml", "resolved.toml", "options.json", "plan.toml", "trace.jsonl", "history.jsonl", "summary.json"];

/// In place of the plan of a run that was lost.
const NO_PLAN: &str = "# The process of this run ended before its plan was known: the run is replayed by its seed.\n";

/// How often a folder tries to take its place while other processes do the same.
const PUBLISH_MAX: u32 = 64;

/// What `replay` reads of `summary.json`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Kept {
    /// [`FORMAT`].
    pub format: u32,
    /// The build that the run was made with.
    pub build: String,
    /// The engine that carried it out.
    #[serde(default = "kernel")]
    pub engine: String,
    /// The path of the scenario, as it was given.
    pub scenario: String,
    /// The hash of its text.
    pub scenario_hash: String,
    /// The hash of `plan.toml`.
    pub plan_hash: String,
    /// The seed.
    pub seed: u64,
    /// The digest.
    pub digest: String,
    /// Inputs delivered to nodes.
    pub events: u64,
    /// How the run ended.
    pub outcome: String,
    /// Whether that was as expected; `None` in a summary that does not say.
    #[serde(default)]
    pub as_expected: Option<bool>,
    /// Why nothing more is known of it, by the name of a [`Lost`](crate::engine::Lost): it has no plan.
    #[serde(default)]
    pub lost: Option<String>,
}

impl Kept {
    /// Reads a summary. What it says is fit to be printed: the folder may come from anywhere.
    ///
    /// # Errors
    /// What is missing, or not as it is written.
    pub fn read(text: &str) -> serde_json::Result<Self> {
        let mut kept: Self = serde_json::from_str(text)?;
        for shown in [
            &mut kept.build,
            &mut kept.engine,
            &mut kept.scenario_hash,
            &mut kept.plan_hash,
            &mut kept.digest,
            &mut kept.outcome,
        ] {
            *shown = printable(shown);
        }
        Ok(kept)
    }
}

/// The engine of a summary that names none.
fn kernel() -> String {
    engine::KERNEL.to_owned()
}

/// The hash of a text as it is shown.
pub fn hash(text: &str) -> String {
    shown_hash(xxh3_128(text.as_bytes()))
}

/// A hash as it is shown.
pub fn shown_hash(hash: u128) -> String {
    format!("{hash:032x}")
}

/// The name of a scenario in reports: its path without the ending, of which what comes after the last folder
/// `scenarios` is enough where there is one.
pub fn name_of(path: &str) -> String {
    let parts = parts_of(path);
    let below = parts.iter().rposition(|part| part == "scenarios").map(|place| place + 1);
    let first = below.filter(|first| *first < parts.len()).unwrap_or(0);
    parts[first..].join("/")
}

/// The names of the scenarios of one call: those that [`name_of`] gives, and where these would be the same, whole
/// paths; a number where even these are.
pub fn names_of(paths: &[&str]) -> Vec<String> {
    let short: Vec<String> = paths.iter().map(|path| name_of(path)).collect();
    let mut taken = BTreeSet::new();
    let mut names = Vec::with_capacity(paths.len());
    for (path, name) in paths.iter().zip(&short) {
        let is_alone = short.iter().filter(|other| *other == name).count() == 1;
        let whole = if is_alone { name.clone() } else { parts_of(path).join("/") };
        let mut candidates = (2u64..).map(|number| format!("{whole}-{number}"));
        let mut name = whole.clone();
        while !taken.insert(name.clone()) {
            name = candidates.next().expect("numbers do not end");
        }
        names.push(name);
    }
    names
}

/// The folders of a path and its name without ending, fit for a folder of our own. `-` is stdin.
fn parts_of(path: &str) -> Vec<String> {
    // The variant stands behind the ending, and stays at the end.
    let (path, variant) = path.split_at(path.rfind(".toml#").map_or(path.len(), |dot| dot + ".toml".len()));
    let plain = if path == "-" { "stdin" } else { path.strip_suffix(".toml").unwrap_or(path) };
    let plain = format!("{plain}{variant}");
    let parts = plain.split(['/', '\\']).filter(|part| !matches!(*part, "" | "." | ".."));
    // What begins a command to GitHub is not fit to be printed either.
    parts.map(|part| part.replace(is_unprintable, "_").replace("::", "__").replace("##[", "##_")).collect()
}

/// The folder of a run below the folder of all reports.
pub fn folder(reports: &Path, name: &str, seed: Seed) -> PathBuf {
    reports.join(name).join(seed.to_string())
}

/// A run that is being recorded for its folder.
///
/// - Until it is finished everything is in a folder beside it, so that a folder under its own name is whole.
/// - What is dropped before it is finished leaves nothing.
#[derive(Debug)]
pub struct Artifact {
    /// As it was named.
    folder: PathBuf,
    /// Where it is: `folder` may be a link.
    place: PathBuf,
    partial: PathBuf,
    is_finished: bool,
    /// The recording that is being written.
    trace: Option<RecordingWriter<BufWriter<File>>>,
    error: Option<io::Error>,
}

impl Artifact {
    /// The beginning of a folder, which takes the place of an old one when it is finished.
    ///
    /// # Errors
    /// What the file system says.
    pub fn create(folder: &Path, scenario: &Scenario, seed: Seed) -> io::Result<Self> {
        // Through a link, to the folder itself.
        let place = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        let partial = beside(&place, "partial");
        if let Some(parent) = place.parent() {
            sweep(parent);
        }
        fs::create_dir_all(&partial)?;
        let folder = folder.to_owned();
        // From here on it takes itself away where something goes wrong.
        let mut artifact = Self { folder, place, partial, is_finished: false, trace: None, error: None };
        artifact.begin(scenario, seed)?;
        Ok(artifact)
    }

    fn begin(&mut self, scenario: &Scenario, seed: Seed) -> io::Result<()> {
        let file = File::create(self.partial.join("trace.jsonl"))?;
        // The lock says that someone writes here, for as long as this process lives. Where there are no locks, what
        // a killed process leaves behind stays.
        let _ = file.try_lock();
        self.trace = Some(RecordingWriter::new(BufWriter::new(file), &trace_header(scenario, seed))?);
        Ok(())
    }

    /// Where it is until it is finished.
    pub fn partial(&self) -> &Path {
        &self.partial
    }

    /// Writes what is known at the end of the run.
    ///
    /// # Errors
    /// What the file system says, now or for any line before.
    pub fn finish(
        mut self,
        (scenario, engine): (&Scenario, &str),
        settings: &Settings,
        run: &Run,
        reasons: &[Reason],
    ) -> io::Result<PathBuf> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        // It stays open, and so locked, until the folder has its name.
        let _open = self.trace.take().map(RecordingWriter::finish).transpose()?;
        let plan = run.plan.as_ref().map_or_else(|| NO_PLAN.to_owned(), AnyPlan::to_toml);
        let options: serde_json::Map<String, Value> =
            settings.lines.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        self.write("scenario.toml", &scenario.source.text)?;
        self.write("resolved.toml", &settings.toml)?;
        self.write("options.json", &pretty(&Value::Object(options)))?;
        self.write("plan.toml", &plan)?;
        if scenario.cluster_of(run.seed).client_count() > 0 {
            let lines = run.history.as_deref().unwrap_or_default();
            self.write("history.jsonl", &format!("{}\n{lines}", history_header(scenario, run.seed)))?;
        }
        self.write("summary.json", &pretty(&summary((scenario, engine), &plan, run, reasons)))?;
        self.publish()?;
        self.is_finished = true;
        Ok(self.folder.clone())
    }

    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        fs::write(self.partial.join(name), text)
    }

    /// Puts the folder in its place. What a user has put into the old one stays. Other processes may do the same at
    /// the same time: the last of them wins, and each of them sees a whole folder.
    fn publish(&self) -> io::Result<()> {
        // One process after the other. Where a folder cannot be locked, each tries again until no one is in its way.
        let parent = self.place.parent().and_then(|parent| File::open(parent).ok());
        let _turn = parent.filter(|parent| parent.lock().is_ok());
        let mut error = None;
        for _ in 0..PUBLISH_MAX {
            match fs::rename(&self.partial, &self.place) {
                Ok(()) => return Ok(()),
                Err(taken) if self.place.is_dir() => error = Some(taken),
                Err(other) => return Err(other),
            }
            let old = self.old();
            match fs::rename(&self.place, &old) {
                Ok(()) => {}
                // Another process was faster, and has taken it away already.
                Err(gone) if gone.kind() == io::ErrorKind::NotFound => continue,
                Err(other) => return Err(other),
            }
            let placed = fs::rename(&self.partial, &self.place);
            if placed.is_err() && !self.place.is_dir() {
                fs::rename(&old, &self.place)?;
                return placed;
            }
            self.bring_from(&old)?;
            if placed.is_ok() {
                return Ok(());
            }
        }
        Err(error.unwrap_or_else(|| io::Error::other("other processes keep taking the folder's place")))
    }

    /// Where a folder goes whose place is taken. As hidden and as much our own as the partial folder.
    fn old(&self) -> PathBuf {
        let name = self.partial.file_name().unwrap_or_default().to_string_lossy();
        self.partial.with_file_name(name.replacen(".partial.", ".old.", 1))
    }

    /// Moves what is not ours from an old folder into the new one, and takes the old one away.
    fn bring_from(&self, old: &Path) -> io::Result<()> {
        let mut last = None;
        for _ in 0..PUBLISH_MAX {
            match move_into(&self.place, old) {
                Ok(()) => return Ok(()),
                Err(error) => last = Some(error),
            }
            // Another process has taken the new folder away, and puts its own there next.
            std::thread::yield_now();
        }
        Err(last.unwrap_or_else(|| io::Error::other("other processes keep taking the folder's place")))
    }

    fn add(&mut self, entry: &Entry) -> io::Result<()> {
        self.trace.as_mut().map_or(Ok(()), |trace| trace.write(entry))
    }
}

impl Drop for Artifact {
    fn drop(&mut self) {
        if !self.is_finished {
            discard(&self.partial);
        }
    }
}

/// Moves what is not ours from an old folder of a run into another one, and takes the old one away.
pub(super) fn move_into(folder: &Path, old: &Path) -> io::Result<()> {
    for entry in fs::read_dir(old)? {
        let name = entry?.file_name();
        if FILES.iter().any(|ours| name == *ours) {
            fs::remove_file(old.join(&name))?;
        } else {
            fs::rename(old.join(&name), folder.join(&name))?;
        }
    }
    fs::remove_dir(old)
}

/// A hidden folder beside this one, which no other process uses.
fn beside(folder: &Path, what: &str) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!(".{name}.{what}.{}", std::process::id()))
}

/// Takes away what will never be finished. Where that cannot be done, its name says what it is.
pub fn discard(partial: &Path) {
    let _ = fs::remove_dir_all(partial);
}

impl Recorder for Artifact {
    fn record(&mut self, entry: Entry) {
        if self.error.is_none() {
            self.error = self.add(&entry).err();
        }
    }
}

fn trace_header(scenario: &Scenario, seed: Seed) -> Header {
    Header {
        kind: RecordingKind::Trace,
        format: engine::FORMAT,
        build: build::ID.to_owned(),
        system: scenario.system.clone(),
        scenario: scenario.source.address(),
        scenario_hash: shown_hash(scenario.source.hash),
        seed: seed.0,
        names: Names::of(&scenario.cluster_of(seed)),
    }
}

fn history_header(scenario: &Scenario, seed: Seed) -> Value {
    json!({
        "type": "history",
        "format": history::FORMAT,
        "build": build::ID,
        "system": scenario.system,
        "scenario": scenario.source.address(),
        "scenario_hash": shown_hash(scenario.source.hash),
        "seed": seed.0,
    })
}

fn summary((scenario, engine): (&Scenario, &str), plan: &str, run: &Run, reasons: &[Reason]) -> Value {
    let mut summary = json!({
        "format": FORMAT,
        "build": build::ID,
        "engine": engine,
        "system": scenario.system,
        "scenario": &*scenario.source.path,
        "scenario_hash": shown_hash(scenario.source.hash),
        "plan_hash": hash(plan),
    });
    if let (Value::Object(all), Value::Object(more)) = (&mut summary, json::run_fields(run, reasons)) {
        all.extend(more);
    }
    summary
}

fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use splitbrain_kernel::run::{Digest128, Outcome};

    use super::*;
    use crate::report::leftovers::STALE_AFTER;

    #[test]
    fn a_scenario_is_named_by_its_path_below_scenarios() {
        assert_eq!(name_of("scenarios/raft/overlap.toml"), "raft/overlap");
        assert_eq!(name_of("../x/scenarios/raft/a/b.toml"), "raft/a/b");
        assert_eq!(name_of("one/two/three.toml"), "one/two/three");
        assert_eq!(name_of("./three.toml"), "three");
        assert_eq!(name_of("scenarios"), "scenarios");
        assert_eq!(name_of("scenarios/raft/overlap.toml#quick"), "raft/overlap#quick");
        assert_eq!(name_of("a\nb/\u{1b}[1m.toml"), "a_b/_[1m");
        assert_eq!(name_of("::error::x/##[y]\u{202e}z.toml"), "__error__x/##_y]_z");
        assert_eq!(name_of("-"), "stdin");
    }

    #[test]
    fn a_summary_from_elsewhere_is_fit_to_be_printed() {
        let strange = "\\u001b]2;title\\u0007\\n::error::x";
        let text = format!(
            r#"{{ "format": 1, "build": "{strange}", "scenario": "a.toml", "scenario_hash": "1", "plan_hash": "2",
                "seed": 1, "digest": "{strange}", "events": 1, "outcome": "{strange}" }}"#
        );
        let kept = Kept::read(&text).expect("a summary");
        for shown in [kept.build, kept.digest, kept.outcome] {
            assert_eq!(shown, r"\u{1b}]2;title\u{7}\n::error::x");
        }
    }

    #[test]
    fn the_scenarios_of_a_call_have_names_of_their_own() {
        let paths = ["p/scenarios/f.toml", "scenarios/g.toml", "q/scenarios/f.toml", "../q/scenarios/f.toml", "f.toml"];
        let names = ["p/scenarios/f", "g", "q/scenarios/f", "q/scenarios/f-2", "f"];
        assert_eq!(names_of(&paths), names);
        assert_eq!(names_of(&["a", "a-2", "./a", "../a"]), ["a", "a-2", "a-3", "a-4"]);
    }

    fn scenario() -> Scenario {
        let text = "format = 1\nsystem = \"raft\"\ncluster = { servers = 3 }\nrun = { duration = \"1s\" }\n";
        let known = [crate::scenario::SystemDescription::of::<splitbrain_systems::raft::Raft>()];
        crate::scenario::load("a.toml", text.as_bytes(), &known).unwrap_or_else(|error| panic!("{error}"))
    }

    fn reports(test: &str) -> PathBuf {
        std::env::temp_dir().join(format!("splitbrain-artifact-{test}-{}", std::process::id()))
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("it is there");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn finish(artifact: Artifact, scenario: &Scenario) -> io::Result<PathBuf> {
        let run = Run::without_counts(Seed(3), Outcome::Passed, Digest128(0));
        artifact.finish((scenario, "kernel"), &Settings::default(), &run, &[])
    }

    /// What a killed process began is taken away by a later call, and what another one writes at present is not.
    #[test]
    fn what_no_process_will_finish_is_taken_away() {
        let (scenario, reports) = (scenario(), reports("stale"));
        let folder = reports.join("3");
        let old = std::time::SystemTime::now() - STALE_AFTER * 2;
        let begun = |pid: u32| {
            let partial = reports.join(format!(".3.partial.{pid}"));
            fs::create_dir_all(&partial).expect("a folder can be made");
            File::create(partial.join("trace.jsonl")).expect("a file can be made")
        };
        let (killed, fresh, busy) = (begun(1), begun(2), begun(3));
        for aged in [&killed, &busy] {
            aged.set_modified(old).expect("a file can be aged");
        }
        busy.try_lock().expect("no other process has it");
        drop((killed, fresh));
        let artifact = Artifact::create(&folder, &scenario, Seed(3)).expect("it can be begun");
        assert_eq!(finish(artifact, &scenario).expect("it can be finished"), folder);
        assert_eq!(names(&reports), [".3.partial.2", ".3.partial.3", "3"]);
        fs::remove_dir_all(reports).expect("a folder can be removed");
    }

    /// Another process may take the place between any two steps: here it has, before the first and after it.
    #[test]
    fn a_place_that_is_taken_is_taken_over_and_what_is_not_ours_stays() {
        let (scenario, reports) = (scenario(), reports("taken"));
        let folder = reports.join("3");
        for round in 0..3 {
            let artifact = Artifact::create(&folder, &scenario, Seed(3)).expect("it can be begun");
            assert!(names(&reports).iter().any(|name| name.starts_with(".3.partial.")));
            finish(artifact, &scenario).expect("it can be finished");
            fs::write(folder.join(format!("note{round}")), "mine").expect("a file can be written");
        }
        assert_eq!(names(&reports), ["3"]);
        let kept = names(&folder);
        assert!(["note0", "note1", "note2"].iter().all(|note| kept.iter().any(|name| name == note)), "{kept:?}");
        // Many at once, each with a partial folder of its own.
        std::thread::scope(|scope| {
            for number in 0..4 {
                let (folder, scenario) = (&folder, &scenario);
                scope.spawn(move || {
                    for _ in 0..20 {
                        let partial = folder.with_file_name(format!(".3.partial.{number}"));
                        fs::create_dir_all(&partial).expect("a folder can be made");
                        let mut artifact = Artifact {
                            folder: folder.clone(),
                            place: folder.clone(),
                            partial,
                            is_finished: false,
                            trace: None,
                            error: None,
                        };
                        let begun = artifact.begin(scenario, Seed(3));
                        begun.expect("a file can be made");
                        finish(artifact, scenario).expect("one of them is the last");
                    }
                });
            }
        });
        assert!(folder.join("summary.json").is_file(), "{:?}", names(&folder));
        fs::remove_dir_all(reports).expect("a folder can be removed");
    }
}
