//! Measured cells on the disk, so that an interrupted call goes on where it ended.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a cell came to: counts by name.
pub(crate) type Counts = BTreeMap<String, u64>;

/// What can be measured by itself.
pub(crate) trait Job: Sync {
    /// What the result is kept under: everything that it is a function of, beside the program.
    fn key(&self) -> String;

    /// The counts.
    fn measure(&self) -> Counts;
}

/// The cells of this very program: a line for each, its key and its counts.
pub(crate) struct Kept {
    path: PathBuf,
    known: Mutex<BTreeMap<String, Counts>>,
}

impl Kept {
    pub(crate) fn open() -> Self {
        let program = std::env::current_exe().and_then(std::fs::read).expect("the program can be read");
        let folder = Path::new("target/cells");
        std::fs::create_dir_all(folder).expect("the folder can be made");
        let path = folder.join(format!("{:016x}.jsonl", hash(&program)));
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        // The last line may be cut off.
        let known = text.lines().filter_map(|line| serde_json::from_str::<(String, _)>(line).ok()).collect();
        Self { path, known: Mutex::new(known) }
    }

    /// Measures what is not known yet, on all cores.
    pub(crate) fn measure<J: Job>(&self, jobs: &[J]) {
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                let key = job.key();
                if self.get(&key).is_none() {
                    let counts = job.measure();
                    eprintln!("{key}");
                    self.add(key, counts);
                }
            }
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    }

    pub(crate) fn of(&self, job: &impl Job) -> Counts {
        self.get(&job.key()).expect("all jobs are measured")
    }

    fn get(&self, key: &str) -> Option<Counts> {
        self.known.lock().expect("no thread panics with it").get(key).cloned()
    }

    fn add(&self, key: String, counts: Counts) {
        let line = serde_json::to_string(&(&key, &counts)).expect("text and numbers");
        let mut known = self.known.lock().expect("no thread panics with it");
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&self.path);
        let mut file = file.expect("it can be opened");
        file.write_all(format!("{line}\n").as_bytes()).expect("it can be written");
        known.insert(key, counts);
    }
}

/// A number by which a cell knows the bytes that it was measured with.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}
