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

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_128;

use splitbrain_kernel::rng::Seed;

use crate::build;
use crate::campaign::Reason;
use crate::engine::{self, Entry, Recorder, Run, Settings};
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
}

/// The hash of a text as it is shown.
pub fn hash(text: &str) -> String {
    shown_hash(xxh3_128(text.as_bytes()))
}

/// A hash as it is shown.
pub fn shown_hash(hash: u128) -> String {
    format!("{hash:032x}")
}

/// The name of a scenario in reports: its path below the last folder `scenarios`, without the ending. Where there is
/// no such folder: the folder and the name of the file.
pub fn name_of(path: &str) -> String {
    let plain = path.strip_suffix(".toml").unwrap_or(path);
    let parts: Vec<&str> = plain.split(['/', '\\']).filter(|part| !matches!(*part, "" | "." | "..")).collect();
    let below = parts.iter().rposition(|part| *part == "scenarios").map(|place| place + 1);
    let first = below.filter(|first| *first < parts.len()).unwrap_or_else(|| parts.len().saturating_sub(2));
    parts[first..].join("/")
}

/// The folder of a run below the folder of all reports.
pub fn folder(reports: &Path, name: &str, seed: Seed) -> PathBuf {
    reports.join(name).join(seed.to_string())
}

/// A run that is being recorded into its folder.
#[derive(Debug)]
pub struct Artifact {
    folder: PathBuf,
    trace: BufWriter<File>,
    history: Option<BufWriter<File>>,
    error: Option<io::Error>,
}

impl Artifact {
    /// A new folder, or an old one whose files are replaced.
    ///
    /// # Errors
    /// What the file system says.
    pub fn create(folder: &Path, scenario: &Scenario, seed: Seed) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        for name in FILES {
            match fs::remove_file(folder.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let mut trace = BufWriter::new(File::create(folder.join("trace.jsonl"))?);
        writeln!(trace, "{}", header("trace", scenario, seed))?;
        let mut artifact = Self { folder: folder.to_owned(), trace, history: None, error: None };
        if scenario.cluster.clients > 0 {
            let mut history = BufWriter::new(File::create(folder.join("history.jsonl"))?);
            writeln!(history, "{}", header("history", scenario, seed))?;
            artifact.history = Some(history);
        }
        Ok(artifact)
    }

    /// Writes what is known at the end of the run.
    ///
    /// # Errors
    /// What the file system says, now or for any line before.
    pub fn finish(
        mut self,
        scenario: &Scenario,
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
        let plan = run.plan.clone().unwrap_or_default();
        let options: serde_json::Map<String, Value> =
            settings.lines.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        self.write("scenario.toml", &scenario.source.text)?;
        self.write("resolved.toml", &settings.toml)?;
        self.write("options.json", &pretty(&Value::Object(options)))?;
        self.write("plan.toml", &plan)?;
        self.write("summary.json", &pretty(&summary(scenario, &plan, run, reasons)))?;
        Ok(self.folder)
    }

    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        fs::write(self.folder.join(name), text)
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

fn summary(scenario: &Scenario, plan: &str, run: &Run, reasons: &[Reason]) -> Value {
    let mut summary = json!({
        "format": FORMAT,
        "build": build::ID,
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
        assert_eq!(name_of("one/two/three.toml"), "two/three");
        assert_eq!(name_of("./three.toml"), "three");
        assert_eq!(name_of("scenarios"), "scenarios");
    }
}
