//! The partition of five servers in raft-rs and in the Raft of this repository with its preset `etcd`, side by side.

use std::fmt::Write as _;

use splitbrain::engine::Run;
use splitbrain::kernel::rng::Seed;
use splitbrain::kernel::run::Outcome;
use splitbrain::scenario::Picks;

use crate::Loaded;

/// Who can talk: every pair within a group.
const TOPOLOGIES: [(&str, &str); 2] = [
    ("{1 2 3} {2 3 5} {4 5} {1 4}", r#"[["p1", "p2", "p3"], ["p2", "p3", "p5"], ["p4", "p5"], ["p1", "p4"]]"#),
    ("{1 2 3 4} {2 3 4 5}", r#"[["p1", "p2", "p3", "p4"], ["p2", "p3", "p4", "p5"]]"#),
];

const OPTIONS: [(bool, bool); 4] = [(true, true), (true, false), (false, true), (false, false)];

/// The scenario, with the leader in this place.
fn scenario(system: &str, options: &str, partition: &str, leader: usize) -> String {
    let role = |place: usize| if place == leader { "leader" } else { "follower" };
    // The leader is bound first: each other name takes a follower that none before it has.
    let mut places: Vec<usize> = (1..=5).collect();
    places.sort_by_key(|place| *place != leader);
    let names: Vec<String> = places.iter().map(|place| format!("p{place} = \"{}\"", role(*place))).collect();
    format!(
        "format = 1\nsystem = \"{system}\"\n\n[cluster]\nservers = 5\n\n[{system}]\n{options}\n\n\
         [[fault]]\nid = \"partition\"\nwhen = \"leader elected\"\nafter = \"1s\"\nname = {{ {} }}\n\
         partition = {partition}\nfor = \"60s\"\n\n[run]\nduration = \"60s\"\n",
        names.join(", ")
    )
}

/// What came of all seeds.
struct Seen {
    broken: usize,
    changes: (u64, u64),
    term: (u64, u64),
}

impl Seen {
    fn of(text: &str, seeds: u64) -> Self {
        let loaded = Loaded::new(text, &Picks::default());
        let engine = loaded.system.open(loaded.scenario).expect("the kernel runs every scenario");
        let mut worker = engine.worker();
        let runs: Vec<Run> = (0..seeds).map(|seed| worker.run(Seed(seed).into(), None)).collect();
        let span = |figure: &str| {
            let values = || runs.iter().filter_map(|run| run.figure(figure));
            (values().min().expect("a seed"), values().max().expect("a seed"))
        };
        let broken = runs.iter().filter(|run| run.outcome != Outcome::Passed).count();
        Self { broken, changes: span("leader_changes"), term: span("term") }
    }

    /// What a scenario would expect of it.
    fn judgement(&self) -> String {
        let leadership = match self.changes {
            (0, 0) => "stays",
            (1, 1) => "moves once",
            (0, 1) => "stays or moves once",
            (_, most) if most <= 5 => "moves a few times",
            _ => "moves on and on",
        };
        let term = if self.term.1 - self.changes.1 <= 5 { "still" } else { "climbs" };
        let broken = if self.broken > 0 { format!(", {} BROKEN", self.broken) } else { String::new() };
        format!("{leadership}, term {term}{broken}")
    }

    fn cell(&self) -> String {
        let span =
            |(least, most): (u64, u64)| if least == most { least.to_string() } else { format!("{least}..{most}") };
        format!("{}; {}", span(self.changes), span(self.term))
    }
}

/// The table, and whether all judgements are equal and no run broke an invariant.
pub(crate) fn table(seeds: u64) -> (String, bool) {
    let mut table = format!(
        "# The partition of five servers, in raft-rs and in the preset `etcd`\n\n\
         Made by `just raft-rs-table {seeds}`: {seeds} seeds of 60 s a cell. One second after the first election the \
         links between servers that share no group are cut, with the leader in the place that is named; nothing is \
         healed.\n\
         A cell has the elections that were won after the first one and the highest term, as fewest..most over all \
         seeds. Both are watched by the same invariants, all of which are on; a judgement is what a scenario can \
         expect of the cell.\n\n\
         | groups | leader at | pre-vote, check-quorum | raft-rs: changes; term | `etcd`: changes; term | judgement of \
         raft-rs | judgement of `etcd` | equal |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n"
    );
    let (mut equal, mut all, mut broken) = (0, 0, 0);
    for (groups, partition) in TOPOLOGIES {
        for leader in 1..=5 {
            for (pre_vote, check_quorum) in OPTIONS {
                let own = format!("pre_vote = {pre_vote}\ncheck_quorum = {check_quorum}");
                let window = if check_quorum { "1s" } else { "0s" };
                let preset =
                    format!("preset = \"etcd\"\npre_vote.enabled = {pre_vote}\ncheck_quorum.timeout = \"{window}\"");
                let library = Seen::of(&scenario("raft-rs", &own, partition, leader), seeds);
                let model = Seen::of(&scenario("raft", &preset, partition, leader), seeds);
                let (one, other) = (library.judgement(), model.judgement());
                (equal, all) = (equal + usize::from(one == other), all + 1);
                broken += library.broken + model.broken;
                let on = |is_on: bool| if is_on { "on" } else { "off" };
                let verdict = if one == other { "yes" } else { "NO" };
                let _ = writeln!(
                    table,
                    "| {groups} | p{leader} | {}, {} | {} | {} | {one} | {other} | {verdict} |",
                    on(pre_vote),
                    on(check_quorum),
                    library.cell(),
                    model.cell()
                );
            }
        }
    }
    let _ = writeln!(table, "\nEqual judgements: {equal} of {all}. Runs that broke an invariant: {broken}.");
    (table, equal == all && broken == 0)
}
