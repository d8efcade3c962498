//! Which scenarios were not as expected in the last call: a file below `--out`, a name a line.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::campaign::{Event, Judgement, Listener, Reply};
use crate::command::{Failed, complain, shown};

/// The name of the file. Hidden, as it is no folder of a run.
const FILE: &str = ".failed";

/// Keeps what `--failed` reads in a later call.
pub(super) struct LastFailed {
    path: PathBuf,
    failed: BTreeSet<String>,
    passed: BTreeSet<String>,
}

impl LastFailed {
    /// Below this folder.
    pub(super) fn new(out: &Path) -> Self {
        Self { path: out.join(FILE), failed: BTreeSet::new(), passed: BTreeSet::new() }
    }

    /// Scenarios that did not run keep what was known of them: after a call for a few the others still count.
    fn keep(&self) -> io::Result<()> {
        let mut known = names(&self.path)?.unwrap_or_default();
        known.retain(|name| !self.passed.contains(name));
        known.extend(self.failed.iter().cloned());
        if known.is_empty() {
            return match fs::remove_file(&self.path) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&self.path, known.iter().map(|name| format!("{name}\n")).collect::<String>())
    }
}

impl Listener for LastFailed {
    fn hear(&mut self, event: &Event<'_>, _: &mut Vec<Reply>) {
        match event {
            Event::ScenarioJudged { subject, result } => {
                match result.judgement {
                    Judgement::AsExpected => self.passed.insert(subject.name.to_owned()),
                    Judgement::NotAsExpected | Judgement::Inconclusive => self.failed.insert(subject.name.to_owned()),
                    Judgement::NotJudged | Judgement::NotSupported => false,
                };
            }
            Event::CampaignFinished { .. } => {
                if let Err(error) = self.keep() {
                    complain(&format!("{}: {error}: --failed will not know this call", shown(&self.path)));
                }
            }
            _ => {}
        }
    }
}

/// The names that are kept below this folder.
///
/// # Errors
/// No call has left any, or the file cannot be read.
pub(super) fn read(out: &Path) -> Result<BTreeSet<String>, Failed> {
    let path = out.join(FILE);
    match names(&path) {
        Ok(Some(names)) => Ok(names),
        Ok(None) => Err(Failed::usage(format!("no scenario failed in the last call with --out {}", shown(out)))),
        Err(error) => Err(Failed::usage(format!("cannot read {}: {error}", shown(&path)))),
    }
}

fn names(path: &Path) -> io::Result<Option<BTreeSet<String>>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.lines().map(str::to_owned).collect())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
