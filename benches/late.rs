//! The table of `reports/gallery/late.md`: how often the shipped swarms find known bugs of Raft, without and with
//! messages of one kind that are late, lost or doubled (the nemeses `messages_…` of each swarm).
//!
//! A run is that of a shipped swarm up to its settle phase, with a known bug switched on; a hit is a run that breaks an
//! invariant. Without a bug whole runs count, settle phase and bounds included, and each hit would be a false alarm.
//!
//! `cargo bench --bench late` prints a short form; `-- --seeds N` asks for N seeds a cell, `--write` keeps the table.
//! It is a function of the build and N, and no machine makes it another.

#[path = "common/arguments.rs"]
mod arguments;
#[path = "common/share.rs"]
mod share;

use std::fmt::Write as _;
use std::sync::Arc;

use splitbrain::engine::{AnySystem as _, Simulated};
use splitbrain::scenario;
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::Outcome;
use splitbrain_systems::raft::Raft;

use crate::arguments::number_after;
use crate::share::cell;

/// Seeds of a cell if nothing else is asked for.
const SEEDS: u64 = 50;

const SWARMS: [(&str, &str); 4] = [
    ("paper", include_str!("../scenarios/raft/swarm_paper.toml")),
    ("etcd", include_str!("../scenarios/raft/swarm_etcd.toml")),
    ("nuraft", include_str!("../scenarios/raft/swarm_nuraft.toml")),
    ("hashicorp", include_str!("../scenarios/raft/swarm_hashicorp.toml")),
];

/// The known bugs that a swarm finds more or less often. The others concern one preset, or are found by a scenario of
/// their own.
const BUGS: [&str; 5] = [
    "vote_counted_from_older_term",
    "vote_cleared_on_step_down",
    "no_up_to_date_check",
    "votes_counted_by_counter",
    "vote_not_persisted",
];

/// What is done to a swarm before it runs.
#[derive(Clone, Copy)]
struct Arm {
    name: &'static str,
    /// The kinds of message that are late, in place of all of them; `None` takes the nemeses of messages out.
    messages: Option<&'static [&'static str]>,
}

const ARMS: [Arm; 4] = [
    Arm { name: "without", messages: None },
    Arm { name: "late vote_reply", messages: Some(&["vote_reply"]) },
    Arm { name: "late vote", messages: Some(&["vote"]) },
    Arm { name: "as shipped", messages: Some(&[]) },
];

impl Arm {
    /// The swarm with this bug under this arm.
    fn scenario(self, text: &str, bug: &str) -> String {
        let messages = "[[nemesis]]\nid = \"messages_";
        assert!(text.contains(messages), "a swarm has nemeses of messages");
        let mut changed = Vec::new();
        for table in text.split("\n\n") {
            if table.contains(messages) {
                changed.extend(self.nemesis(table));
            } else if bug != "none" && table.starts_with("[run]\n") {
                changed.push(short(table));
            } else if table.lines().any(|line| line == "[raft]") {
                changed.push(format!("{table}\nbug = \"{bug}\""));
            } else if table.starts_with("[expect]\n") && bug != "none" {
                // The bounds of the swarm are those of a whole run.
                changed.push("[expect]\noutcome = \"passed\"".to_owned());
            } else {
                changed.push(table.to_owned());
            }
        }
        let changed = changed.join("\n\n");
        assert!(changed.contains(&format!("\nbug = \"{bug}\"")), "a swarm has options of raft");
        changed
    }

    fn nemesis(self, table: &str) -> Option<String> {
        match self.messages? {
            [] => Some(table.to_owned()),
            some => {
                let is_late = table.contains("kinds = [\"late\"]");
                let stated = table.lines().find(|line| line.starts_with("messages = "));
                is_late.then(|| table.replace(stated.expect("it says which"), &format!("messages = {some:?}")))
            }
        }
    }

    /// How many of the first seeds break an invariant, and the events of all.
    fn measure(self, text: &str, bug: &str, seeds: u64) -> (u64, u64) {
        let system = Simulated::<Raft>::new();
        let text = self.scenario(text, bug);
        let scenario = scenario::load("late.toml", text.as_bytes(), &[system.description()]);
        let scenario = scenario.unwrap_or_else(|wrong| panic!("{wrong}\n{text}"));
        let engine = system.open(Arc::new(scenario)).expect("the kernel runs every scenario");
        let mut worker = engine.worker();
        let runs = (0..seeds).map(|seed| worker.run(Seed(seed).into(), None));
        runs.fold((0, 0), |(hits, events), run| {
            let is_hit = match &run.outcome {
                Outcome::Passed => false,
                Outcome::Violated(_) => true,
                // A stall is a hit as well: of a clean system it would be a false alarm.
                Outcome::Stalled(_) => true,
                other => panic!("{bug}: {other:?}"),
            };
            (hits + u64::from(is_hit), events + run.events)
        })
    }
}

/// The run of a swarm without its settle phase.
fn short(table: &str) -> String {
    let span = |key: &str| {
        let line = table.lines().find(|line| line.starts_with(key)).expect("a swarm says how long it runs");
        let text = line.split('"').nth(1).expect("a span of time is text");
        text.trim_end_matches('s').parse::<u64>().expect("whole seconds")
    };
    format!("[run]\nduration = \"{}s\"", span("duration") - span("settle"))
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let seeds = number_after(&arguments, "--seeds", SEEDS);
    let mut table = format!(
        "# Late messages\n\n\
         How often the shipped swarms find known bugs, without and with the nemeses of messages, by which one kind of \
         message is late, lost or doubled while all others are on time.\n\
         Made by `cargo bench --bench late -- --seeds {seeds} --write` (`just late-table {seeds}`): hits in the first \
         {seeds} seeds of each cell, with the share and its 95 % interval (Wilson), in runs up to the settle phase.\n\
         Without a bug they are whole runs, and a hit would be a false alarm.\n\n"
    );
    let names = ARMS.map(|arm| arm.name).join(" | ");
    let _ = writeln!(
        table,
        "| preset | bug | {names} | events, shipped against without |\n| --- | --- |{}",
        " --- |".repeat(ARMS.len() + 1)
    );
    let mut alarms = 0;
    for bug in BUGS.into_iter().chain(["none"]) {
        for (preset, text) in SWARMS {
            let measured = ARMS.map(|arm| arm.measure(text, bug, seeds));
            if bug == "none" {
                alarms += measured.iter().map(|(hits, _)| hits).sum::<u64>();
            }
            let cells = measured.map(|(hits, _)| cell(hits, seeds)).join(" | ");
            let share = measured[ARMS.len() - 1].1 * 100 / measured[0].1;
            let row = format!("| {preset} | {bug} | {cells} | {share} % |");
            eprintln!("{row}");
            let _ = writeln!(table, "{row}");
        }
    }
    let _ = writeln!(table, "\nFalse alarms: {alarms}.");
    print!("{table}");
    if arguments.iter().any(|argument| argument == "--write") {
        std::fs::create_dir_all("reports/gallery").expect("the gallery can be made");
        std::fs::write("reports/gallery/late.md", table).expect("the gallery can be written");
    }
    assert_eq!(alarms, 0, "the clean swarms are silent");
}
