//! Every scenario of the libraries over many seeds: how the runs end, whether they repeat, and how fast they are.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use splitbrain::kernel::rng::Seed;
use splitbrain::kernel::run::Outcome;

use crate::{Loaded, ROOT};

/// What is replaced in the text of a scenario: each part with what stands in its place.
type Replaced = &'static [(&'static str, &'static str)];

/// The rows: a scenario, and what is replaced in its text.
const ROWS: &[(&str, &str, Replaced)] = &[
    ("raft_rs/swarm", "", &[]),
    ("raft_rs/swarm_snapshots", "", &[]),
    ("raft_rs/swarm_membership", "", &[]),
    ("omnipaxos/swarm", "over connections", &[]),
    (
        "omnipaxos/swarm",
        "over datagrams",
        &[("[network]", "[omnipaxos]\ndatagrams = true\n\n[network]"), (", \"connection reset\"", "")],
    ),
    ("omnipaxos/stale_accept_sync", "over connections", &[("datagrams = true", "datagrams = false")]),
    ("omnipaxos/stale_accept_sync", "over datagrams", &[]),
    ("foca/swarm", "", &[]),
    ("foca/swarm", "every invariant", &[(r#"{ except = ["tells_the_down_alone"] }"#, r#""all""#)]),
    ("foca/silent_after_renewal", "announced while alone", &[]),
    ("foca/silent_after_renewal", "announced until heard", &[(r#"join = "alone""#, r#"join = "missing""#)]),
];

/// What came of the runs of a row.
#[derive(Default)]
struct Row {
    events: u64,
    time: Duration,
    /// Runs by their end.
    ends: BTreeMap<String, u64>,
    /// Runs that were executed twice, and those of them that differed.
    twice: u64,
    diverged: u64,
    evaluated: BTreeMap<String, u64>,
    lacking: BTreeMap<String, u64>,
}

impl Row {
    fn of(text: &str, seeds: u64, twice: u64) -> Self {
        let loaded = Loaded::new(text);
        let engine = loaded.system.open(loaded.scenario).expect("the kernel runs every scenario");
        let (mut worker, mut second) = (engine.worker(), engine.worker());
        let mut row = Self::default();
        for seed in (0..seeds).map(Seed) {
            let start = Instant::now();
            let run = worker.run(seed.into(), None);
            row.time += start.elapsed();
            row.events += run.events;
            if seed.0 < twice {
                row.twice += 1;
                row.diverged += u64::from(second.run(seed.into(), None).digest != run.digest);
            }
            let end = match &run.outcome {
                Outcome::Passed => "passed".to_owned(),
                Outcome::Violated(violation) | Outcome::Stalled(violation) => violation.invariant.clone(),
                other => other.name().to_owned(),
            };
            *row.ends.entry(end).or_default() += 1;
            for (counts, seen) in [(&mut row.evaluated, run.evaluated), (&mut row.lacking, run.lacking)] {
                seen.into_iter().for_each(|(name, count)| *counts.entry(name.into_owned()).or_default() += count);
            }
        }
        row
    }

    fn ends(&self) -> String {
        let words = |(end, count): (&String, &u64)| match end.as_str() {
            "passed" => format!("{} passed", grouped(*count)),
            broken => format!("{} `{broken}`", grouped(*count)),
        };
        self.ends.iter().map(words).collect::<Vec<_>>().join(", ")
    }

    fn rate(&self) -> u128 {
        u128::from(self.events) * 1_000_000_000 / self.time.as_nanos().max(1)
    }
}

/// The page with rows of so many seeds. With `only`, the rows of other libraries are those of the page as it is.
pub(crate) fn table(seeds: u64, twice: u64, only: Option<&str>) -> String {
    let made_by = format!("Made by `just adapters-table {seeds} {twice}`:");
    let before = only.map(|_| {
        let page = std::fs::read_to_string(format!("{ROOT}/reports/gallery/adapters.md")).expect("there is a page");
        assert!(page.contains(&made_by), "the page has rows of other numbers of seeds: make all of them anew");
        page
    });
    let mut rows = Vec::new();
    for (scenario, how, edits) in ROWS {
        if only.is_some_and(|only| library(scenario) != only) {
            continue;
        }
        let path = format!("{ROOT}/sim/adapters/scenarios/{scenario}.toml");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let edited = edits.iter().fold(text, |text, (from, to)| {
            assert!(text.contains(from), "{path} has {from}");
            text.replace(from, to)
        });
        eprintln!("{scenario} {how}");
        rows.push((*scenario, *how, Row::of(&edited, seeds, twice)));
    }
    assert!(!rows.is_empty(), "--only takes raft_rs, omnipaxos or foca");
    let before = before.as_deref();
    let sections = [
        runs_table(&rows, &made_by, seeds, twice, before),
        evaluations(&rows, "raft_rs", RAFT_RS, before),
        evaluations(&rows, "foca", FOCA, before),
        lines(),
    ];
    sections.join("\n")
}

/// The library whose scenario this is: the name of its folder.
fn library(scenario: &str) -> &str {
    scenario.split('/').next().unwrap_or_default()
}

fn runs_table(rows: &[(&str, &str, Row)], made_by: &str, seeds: u64, twice: u64, before: Option<&str>) -> String {
    let mut table = format!(
        "# Published libraries under test\n\n\
         {made_by} {} seeds a row, the first {} of them executed twice.\n\
         `just adapters-table-of LIBRARY` makes the rows of one library anew, and leaves those of the others.\n\
         raft-rs is 0.7.0, OmniPaxos 0.2.4, foca 2.0.0, all as they come from the registry.\n\
         Events a second are of one thread, without the second execution, on a machine that may have done other \
         work.\n\n\
         What breaks over datagrams is OmniPaxos: the first lines of `stale_accept_sync.toml` and \
         `late_prepare_request.toml` say how.\n\
         In the swarm the late AcceptSync shows as `persist_before_reply`: it cuts the log of a follower back, and \
         the library goes on to acknowledge the place that it had reached before.\n\
         The late PrepareReq shows as `progress_after_settle`.\n\n\
         What breaks of foca is what the first lines of `refuted_suspicion.toml` and `silent_after_renewal.toml` \
         say: a member that has refuted a suspicion is told all the same that it is down, and members that are all \
         told at once may never speak again.\n\n\
         | scenario | runs | end as | second executions that differ | events | events a second |\n\
         | --- | --- | --- | --- | --- | --- |\n",
        grouped(seeds),
        grouped(twice.min(seeds))
    );
    for (scenario, how, _) in ROWS {
        let name = if how.is_empty() { (*scenario).to_owned() } else { format!("{scenario}, {how}") };
        match rows.iter().find(|(of, with, _)| (of, with) == (scenario, how)) {
            Some((.., row)) => {
                let _ = writeln!(
                    table,
                    "| {name} | {} | {} | {} | {} | {} |",
                    grouped(seeds),
                    row.ends(),
                    format_args!("{} of {}", row.diverged, grouped(row.twice)),
                    grouped(row.events),
                    grouped(u64::try_from(row.rate()).unwrap_or(u64::MAX))
                );
            }
            None => {
                let start = format!("| {name} |");
                let line = before.and_then(|page| page.lines().find(|line| line.starts_with(&start)));
                let _ = writeln!(table, "{}", line.unwrap_or_else(|| panic!("the page has no row of {name}")));
            }
        }
    }
    table
}

const RAFT_RS: &str = "## Invariants of Raft on raft-rs\n\n\
    How often each was evaluated, and in parentheses how often it could not be, in whole or in part, because the \
    library cannot say what it asks for.\n\
    A dash: it is off in that scenario.\n\n";
const FOCA: &str = "## Invariants of foca\n\n\
    How often each was evaluated.\n\n";

/// How often the invariants of a library were evaluated: a section of the page that begins with this.
fn evaluations(rows: &[(&str, &str, Row)], of: &str, head: &str, before: Option<&str>) -> String {
    let is_of = |row: &&(&str, &str, Row)| library(row.0) == of && row.1.is_empty();
    let rows: Vec<&(&str, &str, Row)> = rows.iter().filter(is_of).collect();
    if rows.is_empty() {
        let title = head.lines().next().unwrap_or_default();
        let page = before.unwrap_or_default();
        let section = page.split_once(title).unwrap_or_else(|| panic!("the page has no section {title}")).1;
        let table = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
        return table.fold(head.to_owned(), |text, line| text + line + "\n");
    }
    let names: Vec<&str> = rows.iter().map(|row| row.0.split_once('/').map_or(row.0, |(_, name)| name)).collect();
    let mut table = format!("{head}| invariant | {} |\n| --- |{}\n", names.join(" | "), " --- |".repeat(names.len()));
    let mut invariants: Vec<&String> = rows.iter().flat_map(|row| row.2.evaluated.keys()).collect();
    invariants.sort();
    invariants.dedup();
    for invariant in invariants {
        let cell = |row: &&(&str, &str, Row)| match row.2.evaluated.get(invariant) {
            None => "-".to_owned(),
            Some(count) => match row.2.lacking.get(invariant).filter(|lacking| **lacking > 0) {
                None => grouped(*count),
                Some(lacking) => format!("{} ({})", grouped(*count), grouped(*lacking)),
            },
        };
        let cells: Vec<String> = rows.iter().map(cell).collect();
        let _ = writeln!(table, "| `{invariant}` | {} |", cells.join(" | "));
    }
    table
}

/// How long the adapters are.
fn lines() -> String {
    let source = format!("{ROOT}/sim/adapters/src");
    let shared = count(&source, &["proposals.rs", "protobuf.rs"]);
    let raft_rs = count(&source, &["raft_rs.rs", "raft_rs"]);
    let facts = count(&source, &["raft_rs/facts.rs"]);
    let omni = count(&source, &["omni.rs", "omni"]);
    let swim = count(&source, &["swim.rs", "swim"]);
    format!(
        "## Lines\n\n\
         Lines of code, without blank lines, comments and tests.\n\
         *Before*: adapters to the first interface, when each \
         brought its own invariants.\n\n\
         | what | lines | before |\n| --- | --- | --- |\n\
         | clients, their workload, protobuf as data: for the next three | {shared} | in the next line, and 17 |\n\
         | raft-rs: the node, its storage, options, words, the system | {} | 1,036 |\n\
         | raft-rs: what the 34 invariants of Raft are shown | {facts} | 327, for ten invariants of its own |\n\
         | OmniPaxos: everything, with seven invariants of its own | {omni} | 705, with four |\n\
         | foca: everything, with seven invariants of its own | {swim} | - |\n",
        raft_rs - facts
    )
}

/// Lines of code in these files and folders.
fn count(source: &str, names: &[&str]) -> usize {
    names.iter().map(|name| count_in(&Path::new(source).join(name))).sum()
}

fn count_in(path: &Path) -> usize {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).expect("the sources are there");
        return entries.map(|entry| count_in(&entry.expect("the sources can be listed").path())).sum();
    }
    let text = std::fs::read_to_string(path).expect("the sources can be read");
    let product = text.split("#[cfg(test)]").next().unwrap_or_default();
    product.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

/// `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
