//! What killed processes left in the folders of scenarios: runs that they began to write, and folders that they had
//! moved out of their places.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use splitbrain_kernel::rng::Seed;

use crate::campaign::{Event, Listener, Reply};
use crate::report::artifact::{self, FILES, discard, move_into};

/// How long a folder that was begun is left alone, whatever its lock says: its process may be about to take it.
pub(super) const STALE_AFTER: Duration = Duration::from_secs(60);

/// Looks through the folder of each scenario before its runs begin, whichever seeds they have.
#[derive(Debug)]
pub struct Leftovers {
    reports: PathBuf,
}

impl Leftovers {
    /// Those below `reports`.
    pub fn new(reports: &Path) -> Self {
        Self { reports: reports.to_owned() }
    }
}

impl Listener for Leftovers {
    fn hear(&mut self, event: &Event<'_>, _: &mut Vec<Reply>) {
        if let Event::ScenarioStarted { subject, .. } = event
            && let Some(folder) = artifact::folder(&self.reports, subject.name, Seed(0)).parent()
        {
            sweep(folder);
        }
    }
}

/// What a hidden folder beside the folders of runs is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A run that is being written.
    Partial,
    /// The folder of a run, out of its place while another one takes it.
    Old,
}

/// The kind of a hidden folder, and the folder whose place it has or had: `.17.partial.4711`, `.17.old.4711`.
fn kind_of(name: &str) -> Option<(Kind, &str)> {
    let (rest, process) = name.strip_prefix('.')?.rsplit_once('.')?;
    process.parse::<u32>().ok()?;
    let (run, kind) = rest.rsplit_once('.').filter(|(run, _)| !run.is_empty())?;
    match kind {
        "partial" => Some((Kind::Partial, run)),
        "old" => Some((Kind::Old, run)),
        _ => None,
    }
}

/// Takes away what killed processes left in the folder of a scenario. What cannot be taken away stays.
pub(super) fn sweep(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut old = Vec::new();
    for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        let (name, path) = (entry.file_name(), entry.path());
        match kind_of(&name.to_string_lossy()) {
            Some((Kind::Partial, _)) if is_stale(&path) && holds_a_run_alone(&path) => discard(&path),
            Some((Kind::Old, run)) => old.push((path, folder.join(run))),
            _ => {}
        }
    }
    if old.is_empty() {
        return;
    }
    // Who moves a folder out of its place has this lock until the next one stands there.
    let turn = File::open(folder).ok().filter(|folder| folder.try_lock().is_ok());
    for (old, place) in old.iter().filter(|_| turn.is_some()) {
        let _ = restore(old, place);
    }
}

/// Puts a folder back, or if another one has taken its place by now, what is a user's in it.
fn restore(old: &Path, place: &Path) -> io::Result<()> {
    if place.is_dir() { move_into(place, old) } else { fs::rename(old, place) }
}

/// Whether no process writes to it any more: it was left a while ago, and its lock is free.
fn is_stale(partial: &Path) -> bool {
    let trace = File::open(partial.join("trace.jsonl"));
    let modified = match &trace {
        Ok(trace) => trace.metadata().and_then(|known| known.modified()),
        // Its process was killed before it could begin.
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::metadata(partial).and_then(|it| it.modified()),
        Err(_) => return false,
    };
    let age = modified.ok().and_then(|modified| modified.elapsed().ok());
    age.is_some_and(|age| age > STALE_AFTER) && trace.map_or(true, |trace| trace.try_lock().is_ok())
}

/// Whether all that is in it is of a run: nothing of a user's is lost with it.
fn holds_a_run_alone(partial: &Path) -> bool {
    let mut entries = fs::read_dir(partial).into_iter().flatten().flatten();
    entries.all(|entry| FILES.iter().any(|ours| entry.file_name() == *ours))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn folder(test: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("splitbrain-leftovers-{test}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder can be made");
        folder
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("it is there");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn write(folder: &Path, file: &str) -> File {
        fs::create_dir_all(folder).expect("a folder can be made");
        File::create(folder.join(file)).expect("a file can be made")
    }

    #[test]
    fn only_our_own_names_are_known() {
        assert_eq!(kind_of(".17.partial.4711"), Some((Kind::Partial, "17")));
        assert_eq!(kind_of(".17-replayed.old.4711"), Some((Kind::Old, "17-replayed")));
        for name in ["17", ".17", ".17.partial", ".partial.3", "..partial.3", "17.partial.3", ".17.partial.x", ".a.b.3"]
        {
            assert_eq!(kind_of(name), None, "{name}");
        }
    }

    /// Of whichever seeds they are; what somebody writes at present, or has put there, stays.
    #[test]
    fn what_no_process_will_finish_is_taken_away_for_all_seeds() {
        let folder = folder("partial");
        let past = SystemTime::now() - STALE_AFTER * 2;
        let aged = |name: &str| {
            let trace = write(&folder.join(name), "trace.jsonl");
            trace.set_modified(past).expect("a file can be aged");
            trace
        };
        drop(aged(".1.partial.4"));
        drop(aged(".70.partial.5"));
        let busy = aged(".3.partial.6");
        busy.try_lock().expect("no other process has it");
        drop(write(&folder.join(".4.partial.7"), "trace.jsonl"));
        drop(aged(".5.partial.8"));
        drop(write(&folder.join(".5.partial.8"), "mine"));
        fs::create_dir_all(folder.join(".6.partial.9")).expect("a folder can be made");
        sweep(&folder);
        assert_eq!(names(&folder), [".3.partial.6", ".4.partial.7", ".5.partial.8", ".6.partial.9"]);
        drop(busy);
        sweep(&folder);
        assert_eq!(names(&folder), [".4.partial.7", ".5.partial.8", ".6.partial.9"]);
        fs::remove_dir_all(folder).expect("a folder can be removed");
    }

    /// A process was killed between the two steps by which a folder is replaced, or after them.
    #[test]
    fn what_was_out_of_its_place_comes_back_or_gives_what_is_a_users() {
        let folder = folder("old");
        for file in ["trace.jsonl", "mine"] {
            drop(write(&folder.join(".1.old.4"), file));
            drop(write(&folder.join(".2.old.4"), file));
        }
        drop(write(&folder.join("2"), "trace.jsonl"));
        let busy = File::open(&folder).expect("it is there");
        if busy.try_lock().is_ok() {
            sweep(&folder);
            assert_eq!(names(&folder), [".1.old.4", ".2.old.4", "2"], "somebody is about to replace one");
            busy.unlock().expect("it was taken");
            sweep(&folder);
            assert_eq!(names(&folder), ["1", "2"]);
            assert_eq!(names(&folder.join("1")), ["mine", "trace.jsonl"]);
            assert_eq!(names(&folder.join("2")), ["mine", "trace.jsonl"]);
        }
        fs::remove_dir_all(folder).expect("a folder can be removed");
    }
}
