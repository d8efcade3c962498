//! Which scenarios were not as expected in the last call: a file below `--out`, an address a line.
//!
//! The name of a scenario depends on which others are in the call; where it stands does not.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Component, Path, PathBuf};

use crate::campaign::{Event, Judgement, Listener, Reply};
use crate::command::{CommandError, complain, shown};
use crate::report::Aside;
use crate::scenario::Scenario;
use crate::text::printable;

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
        if !self.failed.is_empty() {
            self.path.parent().map_or(Ok(()), fs::create_dir_all)?;
        }
        // One process after the other, or what the first adds the second may write over. Not every folder can be
        // locked.
        let _turn = self.path.parent().and_then(|out| File::open(out).ok()).filter(|out| out.lock().is_ok());
        let mut known = names(&self.path)?.unwrap_or_default();
        known.retain(|name| !self.passed.contains(name));
        known.extend(self.failed.iter().cloned());
        if known.is_empty() {
            return match fs::remove_file(&self.path) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        let mut file = Aside::create(&self.path)?;
        known.iter().try_for_each(|name| writeln!(file, "{name}"))?;
        file.flush()
    }
}

impl Listener for LastFailed {
    fn hear(&mut self, event: &Event<'_>, _: &mut Vec<Reply>) {
        match event {
            Event::ScenarioJudged { subject, result } => {
                match result.judgement {
                    Judgement::AsExpected => self.passed.insert(key(subject.scenario)),
                    Judgement::NotAsExpected | Judgement::Inconclusive => self.failed.insert(key(subject.scenario)),
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

/// What a scenario is called in the file, a line whatever its path is made of: the path from the current folder, if it
/// is below it, and the variant.
pub(super) fn key(scenario: &Scenario) -> String {
    let source = &scenario.source;
    let here = std::env::current_dir().unwrap_or_default();
    let path = Path::new(&*source.path);
    let path = path.strip_prefix(&here).unwrap_or(path);
    // `./a//b` is `a/b`.
    let path: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
    let variant = source.variant.as_ref().map(|variant| format!("#{variant}")).unwrap_or_default();
    shown(&path) + &printable(&variant)
}

/// The keys that are kept below this folder.
///
/// # Errors
/// No call has left any, or the file cannot be read.
pub(super) fn read(out: &Path) -> Result<BTreeSet<String>, CommandError> {
    let path = out.join(FILE);
    match names(&path) {
        Ok(Some(names)) => Ok(names),
        Ok(None) => Err(CommandError::usage(format!("no scenario failed in the last call with --out {}", shown(out)))),
        Err(error) => Err(CommandError::usage(format!("cannot read {}: {error}", shown(&path)))),
    }
}

fn names(path: &Path) -> io::Result<Option<BTreeSet<String>>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.lines().map(str::to_owned).collect())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out(test: &str) -> PathBuf {
        let out = std::env::temp_dir().join(format!("splitbrain-failed-{test}-{}", std::process::id()));
        fs::create_dir_all(&out).expect("a folder can be made");
        out
    }

    fn call(out: &Path, failed: &[&str], passed: &[&str]) {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let call = LastFailed { failed: set(failed), passed: set(passed), ..LastFailed::new(out) };
        call.keep().expect("a place where files can be written");
    }

    #[test]
    fn scenarios_that_did_not_run_stay_and_an_empty_list_is_no_file() {
        let out = out("stay");
        call(&out, &["a", "b"], &["c"]);
        call(&out, &["c"], &["a"]);
        assert_eq!(names(&out.join(FILE)).expect("it can be read"), Some(["b", "c"].map(str::to_owned).into()));
        call(&out, &[], &["b", "c"]);
        assert_eq!(fs::read_dir(&out).expect("it is there").count(), 0, "nor what it was written to");
        fs::remove_dir(&out).expect("a folder can be removed");
        call(&out, &[], &["a"]);
        assert!(!out.exists(), "there is nothing to keep");
    }

    /// Calls that end at the same time each add what they know: none of it is written over.
    #[test]
    fn calls_at_the_same_time_lose_nothing_of_one_another() {
        let out = out("same");
        // Where folders cannot be locked, nothing is promised.
        let Some(turn) = File::open(&out).ok().filter(|out| out.lock().is_ok()) else { return };
        drop(turn);
        std::thread::scope(|scope| {
            for caller in 0..8 {
                let out = &out;
                scope.spawn(move || (0..8).for_each(|call_no| call(out, &[&format!("{caller}/{call_no}")], &[])));
            }
        });
        let known = names(&out.join(FILE)).expect("it can be read").expect("there is one");
        assert_eq!(known.len(), 64, "{known:?}");
        fs::remove_dir_all(&out).expect("a folder can be removed");
    }

    /// A disk that takes nothing more leaves what was known.
    #[cfg(unix)]
    #[test]
    fn what_cannot_be_written_leaves_the_old_list() {
        use std::os::unix::fs::PermissionsExt as _;

        let out = out("full");
        call(&out, &["a"], &[]);
        fs::set_permissions(&out, fs::Permissions::from_mode(0o555)).expect("it is ours");
        let later = LastFailed { failed: ["b".to_owned()].into(), ..LastFailed::new(&out) };
        let kept = later.keep();
        fs::set_permissions(&out, fs::Permissions::from_mode(0o755)).expect("it is ours");
        let known = names(&out.join(FILE)).expect("it can be read").expect("there is one");
        // A user who may write everywhere writes here too.
        assert!(known.contains("a") && known.contains("b") == kept.is_ok(), "{known:?}");
        fs::remove_dir_all(&out).expect("a folder can be removed");
    }
}
