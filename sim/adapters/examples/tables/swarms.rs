//! Every scenario of the libraries over many seeds: how the runs end, whether they repeat, and how fast they are.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use splitbrain::kernel::invariant::Invariants as _;
use splitbrain::kernel::rng::Seed;
use splitbrain::kernel::run::Outcome;
use splitbrain_adapters::omni::OmniInvariants;
use splitbrain_adapters::raft_rs::Process;
use splitbrain_adapters::swim::SwimInvariants;
use splitbrain_systems::raft::invariants::RaftInvariants;

use crate::clock::cpu_time;
use crate::{Loaded, ROOT};

/// What is replaced in the text of a scenario: each part with what stands in its place.
type Replaced = &'static [(&'static str, &'static str)];

/// The rows: a scenario, and what is replaced in its text.
const ROWS: &[(&str, &str, Replaced)] = &[
    ("raft_rs/swarm", "", &[]),
    ("raft_rs/swarm", "every invariant", &[EVERY]),
    (
        "raft_rs/swarm",
        "every invariant, late grants withheld",
        &[EVERY, ("[raft-rs]", "[raft-rs]\nlate_grants = false")],
    ),
    ("raft_rs/swarm_snapshots", "", &[]),
    ("raft_rs/swarm_membership", "", &[]),
    ("omnipaxos/swarm", "over connections", &[]),
    (
        "omnipaxos/swarm",
        "over datagrams",
        &[("[omnipaxos]", "[omnipaxos]\ndatagrams = true"), (", \"connection reset\"", "")],
    ),
    ("omnipaxos/stale_accept_sync", "over connections", &[("datagrams = true", "datagrams = false")]),
    ("omnipaxos/stale_accept_sync", "over datagrams", &[]),
    ("foca/swarm", "", &[]),
    ("foca/swarm", "every invariant", &[(r#"{ except = ["tells_the_down_alone"] }"#, r#""all""#)]),
    ("foca/silent_after_renewal", "announced while alone", &[]),
    ("foca/silent_after_renewal", "announced until heard", &[(r#"join = "alone""#, r#"join = "missing""#)]),
];

const EVERY: (&str, &str) = (r#"{ except = ["pre_vote_by_quorum"] }"#, r#""all""#);

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
            let start = cpu_time();
            let run = worker.run(seed.into(), None);
            row.time += cpu_time().saturating_sub(start);
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

    /// How often an invariant was evaluated, and how often it could not be. A dash: it is off.
    fn evaluations(&self, invariant: &str) -> String {
        let Some(count) = self.evaluated.get(invariant) else { return "-".to_owned() };
        match self.lacking.get(invariant).filter(|lacking| **lacking > 0) {
            None => grouped(*count),
            Some(lacking) => format!("{} ({})", grouped(*count), grouped(*lacking)),
        }
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
        SECTIONS.iter().map(|section| section.text(&rows, before)).collect::<Vec<_>>().join("\n"),
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
         Both executions are in one process and on one thread, and their digests are compared; \
         `test --check-determinism=100%` is another check, which has several processes, compares events and \
         outcomes too, and names the first difference.\n\
         `just adapters-table-of LIBRARY` makes the rows of one library anew, and leaves those of the others.\n\
         raft-rs is 0.7.0, OmniPaxos 0.2.4, foca 2.0.0, all as they come from the registry.\n\
         Events a second are by the CPU time of the thread that runs them, without the second execution.\n\n\
         The swarms of raft-rs leave out `pre_vote_by_quorum`, which is no matter of safety: a server that stands for \
         pre-votes counts every grant about its own term or a later one, so a late grant from before its term rose is \
         taken for one of its present round (`stale_pre_vote.toml`). The row *every invariant* has it on, and \
         in the next one the adapter keeps such grants back from the library.\n\n\
         What breaks over datagrams is OmniPaxos: the first lines of `stale_accept_sync.toml` and \
         `late_prepare_request.toml` say how.\n\
         In the swarm the late AcceptSync shows as `persist_before_reply`: it cuts the log of a follower back, and \
         the library goes on to acknowledge the place that it had reached before.\n\
         The late PrepareReq shows as `progress_after_settle`.\n\n\
         What breaks of foca is what the first lines of `refuted_suspicion.toml` and `silent_after_renewal.toml` \
         say: a member that has refuted a suspicion is told all the same that it is down, and members that are all \
         told at once may not speak for the 190 s within which they are to know one another.\n\n\
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

/// A section on how often the invariants of a library were evaluated.
struct Section {
    library: &'static str,
    title: &'static str,
    /// What stands below the title.
    head: &'static str,
    /// The rows that are columns here, each with its heading.
    columns: &'static [(&'static str, &'static str, &'static str)],
    /// Why an invariant is not evaluated in a column where it is on.
    zeros: &'static [(&'static str, &'static str)],
}

const SECTIONS: &[Section] = &[
    Section {
        library: "raft_rs",
        title: "## Invariants of Raft on raft-rs",
        head: "How often each was evaluated, and in parentheses how often it could not be, in whole or in part, \
               because the library cannot say what it asks for.\nA dash: it is off in that scenario.\n",
        columns: &[
            ("raft_rs/swarm", "", "swarm"),
            ("raft_rs/swarm_snapshots", "", "swarm_snapshots"),
            ("raft_rs/swarm_membership", "", "swarm_membership"),
            ("raft_rs/swarm", "every invariant", "swarm, every invariant"),
        ],
        zeros: &[
            ("answers_follow_order", "It is about clients that ask a key-value store; those of the adapter propose."),
            ("exactly_once", "It is about the sessions of a key-value store, which the adapter does not have."),
            ("linearizable", "It judges the history of a key-value store; what is proposed here is never read."),
            ("change_follows_own_commit", CHANGES),
            ("configuration_in_force", CHANGES),
            ("configurations_overlap", CHANGES),
            ("one_change_at_a_time", CHANGES),
            ("promoted_when_caught_up", CHANGES),
            ("removed_leader_retires", CHANGES),
            ("transfer_ends", "Leaderships are handed over in `swarm_membership` alone."),
            ("snapshot_soundness", "Without `snapshot_every` there are no snapshots."),
        ],
    },
    Section {
        library: "omnipaxos",
        title: "## Invariants of OmniPaxos",
        head: "How often each was evaluated in the swarm.\n",
        columns: &[
            ("omnipaxos/swarm", "over connections", "over connections"),
            ("omnipaxos/swarm", "over datagrams", "over datagrams"),
        ],
        zeros: &[],
    },
    Section {
        library: "foca",
        title: "## Invariants of foca",
        head: "How often each was evaluated in the swarm.\nA dash: it is off there.\n",
        columns: &[("foca/swarm", "", "swarm"), ("foca/swarm", "every invariant", "every invariant")],
        zeros: &[],
    },
];

const CHANGES: &str = "The membership changes in `swarm_membership` alone.";

impl Section {
    /// With `before`, a library without rows keeps its table of that page.
    fn text(&self, rows: &[(&str, &str, Row)], before: Option<&str>) -> String {
        let has_rows = rows.iter().any(|row| library(row.0) == self.library);
        let table = if has_rows { self.table(rows) } else { self.of_page(before.unwrap_or_default()) };
        format!("{}\n\n{}\n{table}", self.title, self.head)
    }

    fn of_page(&self, page: &str) -> String {
        let found = page.split_once(self.title).unwrap_or_else(|| panic!("the page has no section {}", self.title));
        let rest = found.1.split_once("\n## ").map_or(found.1, |(section, _)| section);
        let table = rest.lines().skip_while(|line| !line.starts_with('|'));
        table.collect::<Vec<_>>().join("\n").trim_end().to_owned() + "\n"
    }

    fn table(&self, rows: &[(&str, &str, Row)]) -> String {
        let row = |(scenario, how)| rows.iter().find(|row| (row.0, row.1) == (scenario, how));
        let columns: Vec<(&str, &Row)> = self
            .columns
            .iter()
            .map(|(scenario, how, heading)| {
                (*heading, &row((*scenario, *how)).expect("the rows of a library are made together").2)
            })
            .collect();
        let headings: Vec<&str> = columns.iter().map(|(heading, _)| *heading).collect();
        let mut table =
            format!("| invariant | {} |\n| --- |{}\n", headings.join(" | "), " --- |".repeat(headings.len()));
        let mut reasons = String::new();
        for invariant in invariants(self.library) {
            let cells: Vec<String> = columns.iter().map(|(_, row)| row.evaluations(invariant)).collect();
            let _ = writeln!(table, "| `{invariant}` | {} |", cells.join(" | "));
            if cells.iter().any(|cell| cell == "0") {
                let reason = self.zeros.iter().find(|(name, _)| *name == invariant);
                let reason = reason.unwrap_or_else(|| panic!("{invariant} is never evaluated, and nothing says why")).1;
                let _ = writeln!(reasons, "- `{invariant}`: {reason}");
            }
        }
        if reasons.is_empty() { table } else { format!("{table}\nWhy a figure is zero:\n\n{reasons}") }
    }
}

/// The invariants of a library, in the order of their names.
fn invariants(library: &str) -> Vec<&'static str> {
    let list = match library {
        "raft_rs" => RaftInvariants::<Process>::LIST,
        "omnipaxos" => OmniInvariants::LIST,
        _ => SwimInvariants::LIST,
    };
    let mut names: Vec<&str> = list.iter().map(|info| info.name).collect();
    names.sort_unstable();
    names
}

/// How long the adapters are.
fn lines() -> String {
    let source = format!("{ROOT}/sim/adapters/src");
    let shared = count(&source, &["names.rs", "proposals.rs", "protobuf.rs"]);
    let raft_rs = count(&source, &["raft_rs.rs", "raft_rs"]);
    let facts = count(&source, &["raft_rs/facts.rs"]);
    let omni = count(&source, &["omni.rs", "omni"]);
    let swim = count(&source, &["swim.rs", "swim"]);
    let (of_raft, of_omni, of_swim) =
        (invariants("raft_rs").len(), invariants("omnipaxos").len(), invariants("foca").len());
    format!(
        "## Lines\n\n\
         Lines of code, without blank lines, comments and tests.\n\
         *Before*: adapters to the first interface, when each \
         brought its own invariants.\n\n\
         | what | lines | before |\n| --- | --- | --- |\n\
         | clients, their workload, protobuf as data, names: for the next three | {shared} | in the next line, \
         and 17 |\n\
         | raft-rs: the node, its storage, options, words, the system | {} | 1,036 |\n\
         | raft-rs: what the {of_raft} invariants of Raft are shown | {facts} | 327, for ten invariants of its own |\n\
         | OmniPaxos: everything, with {of_omni} invariants of its own | {omni} | 705, with four |\n\
         | foca: everything, with {of_swim} invariants of its own | {swim} | - |\n",
        raft_rs - facts
    )
}

/// Lines of code in these files and folders.
fn count(source: &str, names: &[&str]) -> usize {
    names.iter().map(|name| count_in(&Path::new(source).join(name))).sum()
}

fn count_in(path: &Path) -> usize {
    // Tests in files of their own.
    if path.file_name().is_some_and(|name| name == "tests.rs") {
        return 0;
    }
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
