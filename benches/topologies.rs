//! The tables of `reports/gallery/topologies.md`: Raft in every connectivity graph of five servers.
//!
//! A *graph* says which pairs of servers can talk, in both directions. Up to renaming of followers there are 90 in
//! which the leader is marked. The first table has what each preset does in each graph: it is in force for a while
//! once a leader is there, then it is lifted and the settle phase follows. The second table says in how many graphs
//! known bugs are found: there the graph comes and goes around the leader of the moment, machines crash, and packets
//! overtake one another.
//!
//! `cargo bench --bench topologies` prints a short form; `-- --seeds N` asks for N seeds a graph, `--write` keeps the
//! tables. They are a function of the build and N.

#[path = "common/arguments.rs"]
mod arguments;

use std::fmt::Write as _;
use std::sync::Arc;

use splitbrain::engine::{AnySystem as _, Run, Simulated};
use splitbrain::scenario;
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::Outcome;
use splitbrain_systems::raft::Raft;

use crate::arguments::number_after;

/// Seeds of a graph by default.
const SEEDS: u64 = 1;

const PRESETS: [&str; 4] = ["paper", "etcd", "nuraft", "hashicorp"];

/// The known bugs of elections that the presets have in common.
const BUGS: [&str; 9] = [
    "vote_counted_from_older_term",
    "vote_not_persisted",
    "reply_before_vote_durable",
    "votes_counted_by_counter",
    "no_up_to_date_check",
    "vote_cleared_on_step_down",
    "timer_reset_by_denied_vote",
    "pre_candidate_keeps_leader",
    "granted_pre_vote_refreshes_contact",
];

/// The leader, and its followers.
const SERVERS: [&str; 5] = ["x", "a", "b", "c", "d"];

/// All pairs of servers, by index; a set of them is a mask.
const PAIRS: [(usize, usize); 10] = [(0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4)];

/// How long a graph is in force in the first table, in seconds.
const SPAN: u64 = 20;

/// Which pairs of servers can talk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Graph(u16);

impl Graph {
    /// One of each class, those with the most links first.
    fn all() -> Vec<Self> {
        let mut graphs: Vec<Self> =
            (0..1 << PAIRS.len()).map(Self).filter(|graph| *graph == graph.canonical()).collect();
        graphs.sort_by_key(|graph| (std::cmp::Reverse(graph.0.count_ones()), graph.0));
        graphs
    }

    /// The least graph that differs from this one by the names of followers alone.
    fn canonical(self) -> Self {
        let renamed = orders(&[1, 2, 3, 4]).into_iter().map(|order| self.renamed(&order));
        renamed.min().expect("there is an order")
    }

    /// With followers 1 to 4 under these numbers.
    fn renamed(self, order: &[usize]) -> Self {
        let name = |server: usize| if server == 0 { 0 } else { order[server - 1] };
        let pair = |a: usize, b: usize| PAIRS.iter().position(|pair| *pair == (a.min(b), a.max(b))).expect("a pair");
        let links = self.links().map(|(a, b)| 1 << pair(name(a), name(b)));
        Self(links.sum())
    }

    fn links(self) -> impl Iterator<Item = (usize, usize)> {
        (0..PAIRS.len()).filter(move |at| self.0 >> at & 1 == 1).map(|at| PAIRS[at])
    }

    fn cuts(self) -> impl Iterator<Item = (usize, usize)> {
        Self(!self.0 & ((1 << PAIRS.len()) - 1)).links()
    }

    /// How many servers can talk with a quorum, themselves included.
    fn servers_with_a_quorum(self) -> usize {
        let neighbours = |server| self.links().filter(|(a, b)| *a == server || *b == server).count();
        (0..SERVERS.len()).filter(|server| neighbours(*server) >= 2).count()
    }

    /// `x-c a-b`.
    fn words(self) -> String {
        let words: Vec<String> = self.cuts().map(|(a, b)| format!("{}-{}", SERVERS[a], SERVERS[b])).collect();
        if words.is_empty() { "none".to_owned() } else { words.join(" ") }
    }

    /// The fault that brings it about, if it is one.
    fn fault(self, trigger: &str, span: &str) -> String {
        let cuts: Vec<String> = self.cuts().map(|(a, b)| format!("\"{} <-> {}\"", SERVERS[a], SERVERS[b])).collect();
        if cuts.is_empty() {
            return String::new();
        }
        format!(
            "\n[[fault]]\nid = \"graph\"\n{trigger}\n\
             name = {{ x = \"leader\", a = \"follower\", b = \"follower\", c = \"follower\", d = \"follower\" }}\n\
             cut = [{}]\nfor = \"{span}\"\n",
            cuts.join(", ")
        )
    }
}

/// Every order of these numbers.
fn orders(numbers: &[usize]) -> Vec<Vec<usize>> {
    if numbers.is_empty() {
        return vec![Vec::new()];
    }
    let first = |at: usize| {
        let rest: Vec<usize> = numbers.iter().copied().filter(|number| *number != numbers[at]).collect();
        orders(&rest).into_iter().map(move |order| [vec![numbers[at]], order].concat())
    };
    (0..numbers.len()).flat_map(first).collect()
}

/// The options of a preset. The two rules by which NuRaft loses what is committed are left out, as in its swarm.
fn options(preset: &str) -> String {
    let mended = "log.commit_counts = \"own_term\"\nlog.matched_at_election = \"reset\"";
    format!("preset = \"{preset}\"\n{}", if preset == "nuraft" { mended } else { "" })
}

/// A preset in a graph that lasts.
fn lasting(graph: Graph, preset: &str) -> String {
    let fault = graph.fault("when = \"leader elected\"\nafter = \"1s\"", &format!("{SPAN}s"));
    format!(
        "format = 1\nsystem = \"raft\"\n\n[cluster]\nservers = 5\nclients = 1\n\n[raft]\n{}\n\n\
         [workload]\nkind = \"propose\"\nrate = \"20/s\"\nuntil = \"{}s\"\n{fault}\n\
         [run]\nduration = \"{}s\"\nsettle = \"40s\"\n",
        options(preset),
        SPAN + 20,
        SPAN + 60
    )
}

/// A preset with a known bug, around whose leader the graph comes and goes.
fn recurring(graph: Graph, preset: &str, bug: &str) -> String {
    format!(
        "format = 1\nsystem = \"raft\"\n\n[cluster]\nservers = 5\nclients = 1\n\n\
         [raft]\n{}\nbug = \"{bug}\"\n\n\
         [network]\nduplication = \"2%\"\nreordering = \"5%\"\nreordering_delay = \"300ms\"\n\n\
         [workload]\nkind = \"propose\"\nrate = \"20/s\"\n{}\n\
         [[nemesis]]\nid = \"machines\"\nkinds = [\"machine_crash\"]\non = [\"any server\"]\nevery = \"1s..8s\"\n\
         for = \"100ms..3s\"\n\n[run]\nduration = \"60s\"\n",
        options(preset),
        graph.fault("every = \"1s..8s\"", "1s..8s")
    )
}

fn runs(text: &str, seeds: u64) -> Vec<Run> {
    let system = Simulated::<Raft>::new();
    let scenario = scenario::load("topology.toml", text.as_bytes(), &[system.description()]);
    let scenario = scenario.unwrap_or_else(|wrong| panic!("{wrong}\n{text}"));
    let engine = system.open(Arc::new(scenario)).expect("the kernel runs every scenario");
    let mut worker = engine.worker();
    (0..seeds).map(|seed| worker.run(Seed(seed).into(), None)).collect()
}

/// Whether the run broke something. A run that ends in another way is none that this table asks for.
fn is_broken(run: &Run) -> bool {
    match &run.outcome {
        Outcome::Passed => false,
        Outcome::Violated(_) | Outcome::Stalled(_) => true,
        other => panic!("{other:?}"),
    }
}

/// What a preset did in a graph, over all seeds.
struct Held {
    broken: usize,
    /// Of elections that were won after the first one: the fewest and the most.
    changes: (u64, u64),
    /// The longest time without a leader, in milliseconds.
    leaderless: u64,
}

impl Held {
    fn measure(graph: Graph, preset: &str, seeds: u64) -> Self {
        let runs = runs(&lasting(graph, preset), seeds);
        let changes = || runs.iter().filter_map(|run| run.figure("leader_changes"));
        Self {
            broken: runs.iter().filter(|run| is_broken(run)).count(),
            changes: (changes().min().expect("a seed"), changes().max().expect("a seed")),
            leaderless: runs.iter().filter_map(|run| run.figure("leaderless_longest_ms")).max().expect("a seed"),
        }
    }

    fn cell(&self) -> String {
        let (least, most) = self.changes;
        let changes = if least == most { least.to_string() } else { format!("{least}..{most}") };
        let broken = if self.broken == 0 { String::new() } else { format!(", BROKEN {}", self.broken) };
        format!("{changes}, {}.{} s{broken}", self.leaderless / 1_000, self.leaderless % 1_000 / 100)
    }
}

fn presets_table(seeds: u64) -> (String, usize) {
    let mut table = format!(
        "# Connectivity graphs\n\n\
         Raft in each of the 90 graphs of five servers, by `cargo bench --bench topologies -- --seeds {seeds} --write` \
         (`just topologies {seeds}`).\n\n\
         `x` leads when the links are cut, `a` to `d` follow; the graph is in force for {SPAN} s, then all is healed.\n\
         A cell has the elections that were won after the first one (fewest..most over {seeds} seeds) and the longest \
         time without a leader; all invariants are on.\n\n\
         | cut | servers with a quorum | {} |\n| --- | --- |{}\n",
        PRESETS.join(" | "),
        " --- |".repeat(PRESETS.len())
    );
    let (mut broken, mut kept) = (0, [0; PRESETS.len()]);
    let graphs = Graph::all();
    for graph in &graphs {
        let held = PRESETS.map(|preset| Held::measure(*graph, preset, seeds));
        broken += held.iter().map(|held| held.broken).sum::<usize>();
        kept.iter_mut().zip(&held).for_each(|(kept, held)| *kept += usize::from(held.changes.1 == 0));
        let cells: Vec<String> = held.iter().map(Held::cell).collect();
        let (words, quorums) = (graph.words(), graph.servers_with_a_quorum());
        let _ = writeln!(table, "| {words} | {quorums} | {} |", cells.join(" | "));
        eprintln!("{words}");
    }
    let kept: Vec<String> = PRESETS.iter().zip(kept).map(|(preset, kept)| format!("{preset} {kept}")).collect();
    let all = graphs.len();
    let _ = writeln!(table, "\nGraphs of {all} in which the leader stays with every seed: {}.", kept.join(", "));
    let _ = writeln!(table, "Runs that broke an invariant: {broken}.");
    table += "In graphs without a quorum a server of `nuraft` gives up and exits (`starved exit`); it starts again \
              when the settle phase begins, 19 s after the graph has gone.\n";
    (table, broken)
}

fn bugs_table(seeds: u64) -> (String, u64) {
    let mut table = format!(
        "## Known bugs\n\n\
         The graph is in force for 1 to 8 s around the leader of the moment, again and again over 60 s; machines \
         crash, packets arrive twice and overtake one another by up to 300 ms.\n\
         A cell has the graphs of 90 in which a bug is found, and the hits in all runs ({seeds} a graph).\n\n\
         | bug | {} |\n| --- |{}\n",
        PRESETS.join(" | "),
        " --- |".repeat(PRESETS.len())
    );
    let graphs = Graph::all();
    let mut alarms = 0;
    for bug in std::iter::once("none").chain(BUGS) {
        let cells = PRESETS.map(|preset| {
            let hits = graphs.iter().map(|graph| {
                runs(&recurring(*graph, preset, bug), seeds).iter().filter(|run| is_broken(run)).count() as u64
            });
            let hits: Vec<u64> = hits.collect();
            let all = hits.iter().sum::<u64>();
            alarms += if bug == "none" { all } else { 0 };
            format!("{}, {all} in {}", hits.iter().filter(|hits| **hits > 0).count(), graphs.len() as u64 * seeds)
        });
        let row = format!("| `{bug}` | {} |", cells.join(" | "));
        eprintln!("{row}");
        let _ = writeln!(table, "{row}");
    }
    (table, alarms)
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let seeds = number_after(&arguments, "--seeds", SEEDS);
    assert_eq!(Graph::all().len(), 90, "classes of graphs, by Burnside's lemma");
    let (presets, broken) = presets_table(seeds);
    let (bugs, alarms) = bugs_table(seeds);
    let text = format!("{presets}\n{bugs}");
    print!("{text}");
    if arguments.iter().any(|argument| argument == "--write") {
        std::fs::create_dir_all("reports/gallery").expect("the gallery can be made");
        std::fs::write("reports/gallery/topologies.md", &text).expect("the gallery can be written");
    }
    assert_eq!((broken, alarms), (0, 0), "the clean system breaks nothing in any graph");
}
