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
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_128;

use splitbrain_kernel::rng::Seed;

use crate::build;
use crate::campaign::Reason;
use crate::engine::{self, AnyPlan, Entry, Recorder, Run, Settings};
use crate::report::json;
use crate::scenario::Scenario;

/// The version of `summary.json`.
pub const FORMAT: u32 = 1;

/// The names of the files.
const FILES: [&str; 7] =
    ["scenario.toml", "resolved.toml", "options.json", "plan.toml", "trace.jsonl", "history.jsonl", "summary.json"];

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
    /// Whether that was as expected; nothing in a summary that does not say.
    #[serde(default)]
    pub as_expected: Option<bool>,
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
    let plain = if path == "-" { "stdin" } else { path.strip_suffix(".toml").unwrap_or(path) };
    let parts = plain.split(['/', '\\']).filter(|part| !matches!(*part, "" | "." | ".."));
    parts.map(|part| part.replace(char::is_control, "_")).collect()
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
    folder: PathBuf,
    partial: PathBuf,
    is_finished: bool,
    trace: BufWriter<File>,
    history: Option<BufWriter<File>>,
    error: Option<io::Error>,
}

impl Artifact {
    /// The beginning of a folder, which takes the place of an old one when it is finished.
    ///
    /// # Errors
    /// What the file system says.
    pub fn create(folder: &Path, scenario: &Scenario, seed: Seed) -> io::Result<Self> {
        let partial = beside(folder, "partial");
        fs::create_dir_all(&partial)?;
        let trace = File::create(partial.join("trace.jsonl")).map(BufWriter::new);
        let trace = trace.inspect_err(|_| discard(&partial))?;
        let folder = folder.to_owned();
        let mut artifact = Self { folder, partial, is_finished: false, trace, history: None, error: None };
        writeln!(artifact.trace, "{}", header("trace", scenario, seed))?;
        if scenario.cluster.clients > 0 {
            let mut history = BufWriter::new(File::create(artifact.partial.join("history.jsonl"))?);
            writeln!(history, "{}", header("history", scenario, seed))?;
            artifact.history = Some(history);
        }
        Ok(artifact)
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
        self.trace.flush()?;
        if let Some(history) = &mut self.history {
            history.flush()?;
        }
        let plan = run.plan.as_ref().map_or_else(String::new, AnyPlan::to_toml);
        let options: serde_json::Map<String, Value> =
            settings.lines.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        self.write("scenario.toml", &scenario.source.text)?;
        self.write("resolved.toml", &settings.toml)?;
        self.write("options.json", &pretty(&Value::Object(options)))?;
        self.write("plan.toml", &plan)?;
        self.write("summary.json", &pretty(&summary((scenario, engine), &plan, run, reasons)))?;
        self.publish()?;
        self.is_finished = true;
        Ok(self.folder.clone())
    }

    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        fs::write(self.partial.join(name), text)
    }

    /// Puts the folder in its place. What a user has put into the old one stays.
    fn publish(&self) -> io::Result<()> {
        if !self.folder.is_dir() {
            return fs::rename(&self.partial, &self.folder);
        }
        let old = beside(&self.folder, "old");
        fs::rename(&self.folder, &old)?;
        if let Err(error) = fs::rename(&self.partial, &self.folder) {
            fs::rename(&old, &self.folder)?;
            return Err(error);
        }
        for entry in fs::read_dir(&old)? {
            let name = entry?.file_name();
            if !FILES.iter().any(|ours| name == *ours) {
                fs::rename(old.join(&name), self.folder.join(&name))?;
            }
        }
        fs::remove_dir_all(&old)
    }

    fn add(&mut self, entry: &Entry) -> io::Result<()> {
        let history = self.history.as_mut().filter(|_| entry.kind.is_history());
        for file in [Some(&mut self.trace), history].into_iter().flatten() {
            serde_json::to_writer(&mut *file, entry)?;
            file.write_all(b"\n")?;
        }
        Ok(())
    }
}

impl Drop for Artifact {
    fn drop(&mut self) {
        if !self.is_finished {
            discard(&self.partial);
        }
    }
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

fn header(what: &str, scenario: &Scenario, seed: Seed) -> Value {
    json!({
        "type": what,
        "format": engine::FORMAT,
        "build": build::ID,
        "system": scenario.system,
        "scenario": &*scenario.source.path,
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
    use super::*;

    #[test]
    fn a_scenario_is_named_by_its_path_below_scenarios() {
        assert_eq!(name_of("scenarios/raft/overlap.toml"), "raft/overlap");
        assert_eq!(name_of("../x/scenarios/raft/a/b.toml"), "raft/a/b");
        assert_eq!(name_of("one/two/three.toml"), "one/two/three");
        assert_eq!(name_of("./three.toml"), "three");
        assert_eq!(name_of("scenarios"), "scenarios");
        assert_eq!(name_of("a\nb/\u{1b}[1m.toml"), "a_b/_[1m");
        assert_eq!(name_of("-"), "stdin");
    }

    #[test]
    fn the_scenarios_of_a_call_have_names_of_their_own() {
        let paths = ["p/scenarios/f.toml", "scenarios/g.toml", "q/scenarios/f.toml", "../q/scenarios/f.toml", "f.toml"];
        let names = ["p/scenarios/f", "g", "q/scenarios/f", "q/scenarios/f-2", "f"];
        assert_eq!(names_of(&paths), names);
        assert_eq!(names_of(&["a", "a-2", "./a", "../a"]), ["a", "a-2", "a-3", "a-4"]);
    }
}
