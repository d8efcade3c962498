//! The slips of `slips/list.rs`, and which of them the shipped swarms of Raft find: `reports/gallery/slips.md`.
//!
//! They cost the code nothing. The repository is copied below `target/slips`, all slips are written into the copy, each
//! behind a switch, and the copy is built once. A run of that program has the slip whose number `SPLITBRAIN_SLIP`
//! names; without it, it is the clean system, and has to run as the swarms expect.
//!
//! `cargo bench --bench slips` looks in the first seeds of each swarm of `scenarios/raft`; `-- --seeds N` asks for
//! another number, `--write` keeps the page. An interrupted call goes on where it ended.

#[path = "common/arguments.rs"]
mod arguments;
#[path = "slips/copy.rs"]
mod copy;
#[path = "common/grouped.rs"]
mod grouped;
#[path = "common/kept.rs"]
mod kept;
#[path = "slips/list.rs"]
mod list;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::arguments::number_after;
use crate::copy::Copy;
use crate::grouped::grouped;
use crate::kept::{Counts, Job, Kept, hash};
use crate::list::SLIPS;

/// Seeds of each swarm by default.
const SEEDS: u64 = 2_000;
/// Each swarm runs this number of seeds before any swarm runs more.
const FIRST: u64 = 50;

/// A slip, or none, in the swarms.
struct Search<'a> {
    program: &'a Copy,
    /// From 1; 0 is the clean system.
    slip: usize,
    seeds: u64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let seeds = number_after(&arguments, "--seeds", SEEDS);
    let program = Copy::build(SLIPS);
    let kept = Kept::open();
    let clean = Search { program: &program, slip: 0, seeds: FIRST.min(seeds) };
    let searches: Vec<Search<'_>> =
        (1..=SLIPS.len()).map(|slip| Search { program: &program, slip, seeds }).chain([clean]).collect();
    kept.measure(&searches);
    let found: Vec<Counts> = searches.iter().map(|search| kept.of(search)).collect();
    let text = page(&found, seeds);
    println!("{text}");
    if arguments.iter().any(|argument| argument == "--write") {
        std::fs::write("reports/gallery/slips.md", text).expect("the gallery can be written");
    }
    let alarm = found.last().expect("the clean system is searched last");
    assert!(alarm.is_empty(), "the copy without a slip is the clean system: {alarm:?}");
}

/// The swarms in the order of their names.
fn swarms() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("scenarios/raft").expect("the folder is there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    paths.retain(|path| stem(path).starts_with("swarm"));
    paths.sort();
    paths
}

fn stem(path: &Path) -> String {
    path.file_stem().expect("a scenario has a name").to_string_lossy().into_owned()
}

impl Search<'_> {
    /// The first run of these seeds that is not as the swarm expects: a row of the page.
    fn first_in(&self, swarm: &Path, from: u64, to: u64) -> Option<String> {
        let mut command = Command::new(&self.program.path);
        command.arg("test").arg(swarm).args(["--seeds", &format!("{from}..{to}"), "--max-fail", "1", "--jobs", "1"]);
        command.args(["--message-format", "json", "--out", "target/slips/reports"]);
        command.env("SPLITBRAIN_SLIP", self.slip.to_string());
        let output = command.output().expect("the copy is built");
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("a line of json")).collect();
        let is_ended = lines.last().is_some_and(|line| line["type"] == "end");
        assert!(is_ended, "slip {}: {}", self.slip, String::from_utf8_lossy(&output.stderr));
        let run = lines.iter().find(|line| line["type"] == "run" && line["as_expected"] == false)?;
        let by = match (run["detail"]["invariant"].as_str(), run["outcome"].as_str()) {
            (Some(invariant), _) => format!("`{invariant}`"),
            (None, Some("passed")) => "a figure of the run".to_owned(),
            (None, outcome) => outcome.expect("an outcome has a name").to_owned(),
        };
        let swarm = stem(swarm);
        Some(format!("`{swarm}`, seed {} | {by}", run["seed"]))
    }
}

impl Job for Search<'_> {
    fn key(&self) -> String {
        let bytes = |path: &PathBuf| std::fs::read(path).expect("a shipped scenario can be read");
        let swarms = swarms().iter().flat_map(bytes).collect::<Vec<u8>>();
        let name = self.slip.checked_sub(1).map_or("none", |slip| SLIPS[slip].name);
        format!("slip {name} {:016x} {:016x} {}", self.program.hash, hash(&swarms), self.seeds)
    }

    /// One count, whose name says where and by what it was found; none if it was not.
    fn measure(&self) -> Counts {
        let swarms = swarms();
        let first = FIRST.min(self.seeds);
        let parts = [(0, first), (first, self.seeds)];
        let mut searched = parts
            .into_iter()
            .filter(|(from, to)| from < to)
            .flat_map(|part| swarms.iter().map(move |swarm| (swarm, part)));
        let found = searched.find_map(|(swarm, (from, to))| self.first_in(swarm, from, to));
        found.into_iter().map(|found| (found, 1)).collect()
    }
}

fn page(found: &[Counts], seeds: u64) -> String {
    let count = found[..SLIPS.len()].iter().filter(|found| !found.is_empty()).count();
    let swarms = swarms().len();
    let mut text = format!(
        "# Slips\n\nSmall, honest mistakes in the newer parts of Raft, written down in `benches/slips/list.rs` before \
         anyone looked whether they are found.\nMade by `just slips {seeds}`: each of the {swarms} swarms of \
         `scenarios/raft` is asked for {} seeds, all invariants on, until one of its runs is not as expected; the \
         first {FIRST} seeds of each come first.\n{count} of {} were found. The copy without a slip ran as \
         expected.\n\n\
         | slip | what goes wrong | found in | by |\n| --- | --- | --- | --- |\n",
        grouped(seeds),
        SLIPS.len(),
    );
    for (slip, found) in SLIPS.iter().zip(found) {
        let found = found.keys().next().map_or("**missed** | –", String::as_str);
        let _ = writeln!(text, "| `{}` | {} | {found} |", slip.name, slip.what);
    }
    text
}
