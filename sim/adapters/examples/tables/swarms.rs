//! Every scenario of the libraries over many seeds: how the runs end, whether they repeat, and how fast they are.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use splitbrain::kernel::invariant::Invariants as _;
use splitbrain::kernel::rng::Seed;
use splitbrain::kernel::run::Outcome;
use splitbrain::scenario::Picks;
use splitbrain_adapters::omni::OmniInvariants;
use splitbrain_adapters::raft_rs::Process;
use splitbrain_adapters::swim::SwimInvariants;
use splitbrain_systems::raft::invariants::RaftInvariants;

use crate::clock::cpu_time;
use crate::rows::{ROWS, Row};
use crate::{Loaded, ROOT};

/// What came of the runs of a row.
#[derive(Default)]
struct Seen {
    events: u64,
    time: Duration,
    /// Runs by their end, each with the first seed.
    ends: BTreeMap<String, (u64, Seed)>,
    /// Runs that were executed twice, and those of them that differed.
    twice: u64,
    diverged: u64,
    evaluated: BTreeMap<String, u64>,
    lacking: BTreeMap<String, u64>,
}

impl Seen {
    fn of(row: &Row, seeds: u64, twice: u64) -> Self {
        let loaded = row.loaded();
        let engine = loaded.system.open(loaded.scenario).expect("the kernel runs every scenario");
        let (mut worker, mut second) = (engine.worker(), engine.worker());
        let mut seen = Self::default();
        for seed in (0..seeds).map(Seed) {
            let start = cpu_time();
            let run = worker.run(seed.into(), None);
            seen.time += cpu_time().saturating_sub(start);
            seen.events += run.events;
            if seed.0 < twice {
                seen.twice += 1;
                seen.diverged += u64::from(second.run(seed.into(), None).digest != run.digest);
            }
            let end = match &run.outcome {
                Outcome::Passed => "passed".to_owned(),
                Outcome::Violated(violation) | Outcome::Stalled(violation) => violation.invariant.clone(),
                other => other.name().to_owned(),
            };
            seen.ends.entry(end).or_insert((0, seed)).0 += 1;
            for (counts, counted) in [(&mut seen.evaluated, run.evaluated), (&mut seen.lacking, run.lacking)] {
                counted.into_iter().for_each(|(name, count)| *counts.entry(name.into_owned()).or_default() += count);
            }
        }
        seen
    }

    fn ends(&self) -> String {
        let words = |(end, (count, _)): (&String, &(u64, Seed))| match end.as_str() {
            "passed" => format!("{} passed", grouped(*count)),
            broken => format!("{} `{broken}`", grouped(*count)),
        };
        let (passed, broken): (Vec<_>, Vec<_>) = self.ends.iter().partition(|(end, _)| *end == "passed");
        passed.into_iter().chain(broken).map(words).collect::<Vec<_>>().join(", ")
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
    for row in ROWS.iter().filter(|row| only.is_none_or(|only| row.library() == only)) {
        eprintln!("{}", row.name());
        rows.push((row, Seen::of(row, seeds, twice)));
    }
    assert!(!rows.is_empty(), "--only takes raft_rs, omnipaxos or foca");
    let before = before.as_deref();
    let sections = [
        runs_table(&rows, &made_by, seeds, twice, before),
        broken_table(&rows, before),
        SECTIONS.iter().map(|section| section.text(&rows, before)).collect::<Vec<_>>().join("\n"),
        lines(),
    ];
    sections.join("\n")
}

impl Row {
    /// # Panics
    /// If there is no such scenario.
    fn loaded(&self) -> Loaded {
        let (file, variant) = self.parts();
        let path = format!("{ROOT}/sim/adapters/scenarios/{file}");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let set = self.set.iter().map(|set| set.parse().unwrap_or_else(|wrong| panic!("{set}: {wrong}")));
        Loaded::new(&text, &Picks { variant: variant.map(str::to_owned), set: set.collect() })
    }
}

fn runs_table(rows: &[(&Row, Seen)], made_by: &str, seeds: u64, twice: u64, before: Option<&str>) -> String {
    let mut table = format!(
        "# Published libraries under test\n\n\
         {made_by} {} seeds a row, {} executed twice.\n\
         Both executions are in one process and on one thread, and their digests are compared; \
         `test --check-determinism=100%` is another check, which has several processes, compares events and \
         outcomes too, and names the first difference.\n\
         `just adapters-table-of LIBRARY` makes the rows of one library anew, and leaves those of the others.\n\
         raft-rs is 0.7.0, OmniPaxos 0.2.4, foca 2.0.0, all as they come from the registry.\n\
         Events a second are by the CPU time of the thread that runs them, without the second execution.\n\n\
         The swarms of raft-rs leave out `pre_vote_by_quorum`, which is no matter of safety: a server that stands for \
         pre-votes counts every grant about its own term or a later one, so a late grant from before its term rose is \
         taken for one of its present round (`stale_pre_vote.toml`). The row *every invariant* has it on, and in \
         `late_grants_withheld` the adapter keeps such grants back from the library. `swarm_membership` leaves out two \
         more, with the reasons at its `[check]`.\n\n\
         What breaks over datagrams is OmniPaxos: the first lines of `stale_accept_sync.toml` and \
         `late_prepare_request.toml` say how.\n\
         In the swarm the late AcceptSync shows as `persist_before_reply`: it cuts the log of a follower back, and \
         the library goes on to acknowledge the place that it had reached before.\n\
         The late PrepareReq shows as `progress_after_settle`.\n\n\
         What breaks of foca is what the first lines of `refuted_suspicion.toml` and `silent_after_renewal.toml` \
         say: a member that has refuted a suspicion gets word all the same that it is down, and members that all get \
         that at once may not speak for the 190 s within which they are to know one another.\n\n\
         | scenario | runs | end as | second executions that differ | events | events a second |\n\
         | --- | --- | --- | --- | --- | --- |\n",
        grouped(seeds),
        if twice >= seeds { "each".to_owned() } else { format!("the first {} of them", grouped(twice)) }
    );
    for row in ROWS {
        let name = row.name();
        match rows.iter().find(|(of, _)| of.name() == name) {
            Some((_, seen)) => {
                let _ = writeln!(
                    table,
                    "| {name} | {} | {} | {} | {} | {} |",
                    grouped(seeds),
                    seen.ends(),
                    format_args!("{} of {}", seen.diverged, grouped(seen.twice)),
                    grouped(seen.events),
                    grouped(u64::try_from(seen.rate()).unwrap_or(u64::MAX))
                );
            }
            None => {
                let line = before.and_then(|page| lines_of(page, &name).next());
                let _ = writeln!(table, "{}", line.unwrap_or_else(|| panic!("the page has no row of {name}")));
            }
        }
    }
    table
}

/// The lines of tables that begin with this name.
fn lines_of<'p>(page: &'p str, name: &str) -> impl Iterator<Item = &'p str> + use<'p> {
    let start = format!("| {name} |");
    page.lines().filter(move |line| line.starts_with(&start))
}

const BROKEN: &str = "## Runs that break";

/// The first run of each kind of end, with the command that shows it.
fn broken_table(rows: &[(&Row, Seen)], before: Option<&str>) -> String {
    let mut table = format!(
        "{BROKEN}\n\nThe first seed of each kind of end but `passed`, and what shows that run, in `sim/adapters`.\n\n\
         | scenario | ends as | command |\n| --- | --- | --- |\n"
    );
    let section = before.and_then(|page| page.split_once(BROKEN)).map_or("", |(_, rest)| rest);
    for row in ROWS {
        let name = row.name();
        let Some((_, seen)) = rows.iter().find(|(of, _)| of.name() == name) else {
            lines_of(section, &name).for_each(|line| table.extend([line, "\n"]));
            continue;
        };
        for (end, (_, seed)) in seen.ends.iter().filter(|(end, _)| *end != "passed") {
            let _ = writeln!(table, "| {name} | `{end}` | `{}` |", row.command(seed.0));
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
    columns: &'static [(&'static str, &'static str)],
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
            ("raft_rs/swarm#as_it_is", "swarm"),
            ("raft_rs/swarm_snapshots", "swarm_snapshots"),
            ("raft_rs/swarm_membership", "swarm_membership"),
            ("raft_rs/swarm#as_it_is, every invariant", "swarm, every invariant"),
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
            ("omnipaxos/swarm#over_connections", "over connections"),
            ("omnipaxos/swarm#over_datagrams", "over datagrams"),
        ],
        zeros: &[],
    },
    Section {
        library: "foca",
        title: "## Invariants of foca",
        head: "How often each was evaluated in the swarm.\nA dash: it is off there.\n",
        columns: &[("foca/swarm#as_it_is", "swarm"), ("foca/swarm#every_invariant", "every invariant")],
        zeros: &[],
    },
];

const CHANGES: &str = "The membership changes in `swarm_membership` alone.";

impl Section {
    /// With `before`, a library without rows keeps its table of that page.
    fn text(&self, rows: &[(&Row, Seen)], before: Option<&str>) -> String {
        let has_rows = rows.iter().any(|(row, _)| row.library() == self.library);
        let table = if has_rows { self.table(rows) } else { self.of_page(before.unwrap_or_default()) };
        format!("{}\n\n{}\n{table}", self.title, self.head)
    }

    fn of_page(&self, page: &str) -> String {
        let found = page.split_once(self.title).unwrap_or_else(|| panic!("the page has no section {}", self.title));
        let rest = found.1.split_once("\n## ").map_or(found.1, |(section, _)| section);
        let table = rest.lines().skip_while(|line| !line.starts_with('|'));
        table.collect::<Vec<_>>().join("\n").trim_end().to_owned() + "\n"
    }

    fn table(&self, rows: &[(&Row, Seen)]) -> String {
        let seen = |name: &str| rows.iter().find(|(row, _)| row.name() == name).map(|(_, seen)| seen);
        let columns: Vec<(&str, &Seen)> = self
            .columns
            .iter()
            .map(|(name, heading)| (*heading, seen(name).expect("the rows of a library are made together")))
            .collect();
        let headings: Vec<&str> = columns.iter().map(|(heading, _)| *heading).collect();
        let mut table =
            format!("| invariant | {} |\n| --- |{}\n", headings.join(" | "), " --- |".repeat(headings.len()));
        let mut reasons = String::new();
        for invariant in invariants(self.library) {
            let cells: Vec<String> = columns.iter().map(|(_, seen)| seen.evaluations(invariant)).collect();
            let _ = writeln!(table, "| `{invariant}` | {} |", cells.join(" | "));
            if cells.iter().any(|cell| cell == "0") {
                let reason = self.zeros.iter().find(|(name, _)| *name == invariant);
                let reason = reason.map_or("nothing says why; more seeds may reach it.", |(_, reason)| *reason);
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
    let clients = count(&source, &["proposals.rs"]);
    let shared = count(&source, &["listed.rs", "names.rs", "protobuf.rs", "servers.rs"]);
    let raft_rs = count(&source, &["raft_rs.rs", "raft_rs"]);
    let facts = count(&source, &["raft_rs/facts.rs"]);
    let omni = count(&source, &["omni.rs", "omni"]);
    let swim = count(&source, &["swim.rs", "swim"]);
    let (of_raft, of_omni, of_swim) =
        (invariants("raft_rs").len(), invariants("omnipaxos").len(), invariants("foca").len());
    format!(
        "## Lines\n\n\
         Lines of code, without blank lines, comments and tests.\n\
         *Before*: adapters to the first interface, when each brought its own invariants and its own clients.\n\n\
         | what | lines | before |\n| --- | --- | --- |\n\
         | clients and their workload, of raft-rs and OmniPaxos | {clients} | - |\n\
         | protobuf as data, names, numbers of servers | {shared} | 17 |\n\
         | raft-rs: the node, its storage, options, words, the system | {} | 1,036, with clients |\n\
         | raft-rs: what the {of_raft} invariants of Raft are shown | {facts} | 327, for ten invariants of its own |\n\
         | **raft-rs in all**, with what is shared | {} | 1,380 |\n\
         | **OmniPaxos in all**, with {of_omni} invariants of its own and what is shared | {} | 705, with four |\n\
         | **foca in all**, with {of_swim} invariants of its own and names | {} | - |\n\n\
         raft-rs has grown although its invariants are no longer its own: orders that change the membership, learners, \
         planted mistakes, short forms for people, a log that recovers from a crash while it is overwritten, and what \
         {of_raft} invariants ask for in place of ten.\n\
         OmniPaxos has grown by short forms, sizes of messages and three invariants.\n",
        raft_rs - facts,
        raft_rs + clients + shared,
        omni + clients + shared,
        swim + shared
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
