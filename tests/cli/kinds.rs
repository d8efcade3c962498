//! A system with kinds of process of its own: people see and write `redis2` from the scenario to the replay.

use splitbrain::engine::{AnySystem as _, Simulated};
use splitbrain::kernel::prelude::*;
use splitbrain::scenario::{Resolved, load, resolve};
use splitbrain_toy::{Town, asked};

use crate::golden;
use crate::support::{Folder, Shown};

const CLUSTER: &str = "redis = 3\ngate = 1\nstatus = 1\nchat = 2\n";
const FILE: &str = "scenarios/town/fence.toml";
const AT: &str = "reports/town/fence/0";
const PLAN: &str = "reports/town/fence/0/plan.toml";

/// Chats that write by any redis, while links are cut and a redis is slow.
fn fence(cluster: &str) -> String {
    format!(
        "# Tokens of several counters.\nformat = 1\nsystem = \"town\"\n\n[cluster]\n{cluster}\n[network]\nlatency = \
         \"1ms\"\n\n[[network.link]]\nlinks = [\"redis2 -> every chat\"]\nlatency = \"3ms\"\n\n[clocks]\ndrift = \
         \"-50ppm..50ppm\"\n\n[clocks.nodes.redis2]\noffset = \"1ms..9ms\"\n\n[town.redis2]\ndelay = \
         \"4ms..9ms\"\n\n[town.chat1]\nperiod = \"1s..9s\"\n\n[workload]\nkind = \"writes\"\n\n[run]\nduration = \
         \"2s\"\nseeds = 2\n\n[[fault]]\nid = \"quarrel\"\nat = \"20ms\"\ncut = [\"status1 <-> redis1\", \"redis3 -> \
         gate1\"]\n\n[[fault]]\nid = \"rest\"\nat = \"30ms\"\npause = [\"status1\", \"any redis\"]\nfor = \"5ms\"\n\n\
         [[fault]]\nid = \"fall\"\nat = \"40ms\"\ncrash = \"status1\"\nfor = \"5ms\"\n"
    )
}

fn town(test: &str) -> Folder {
    let folder = Folder::new(test);
    folder.make("scenarios/town");
    folder.write(FILE, &fence(CLUSTER));
    folder
}

fn run(folder: &Folder, arguments: &[&str]) -> Shown {
    folder.run_as("town_program", arguments)
}

/// Nodes whose kind has a name never show as a letter and a number, but in values.
#[track_caller]
fn assert_spelt(text: &str) {
    let plain = text.replace("\"r1\"", "");
    let letters = regex_lite::Regex::new(r"\b[rgth][1-9]\b").expect("a pattern");
    let found: Vec<&str> = letters.find_iter(&plain).map(|found| found.as_str()).collect();
    assert!(found.is_empty(), "{found:?} in {text}");
}

#[test]
fn people_see_the_names_of_nodes_throughout() {
    let folder = town("kinds");
    let mut text = String::new();
    for arguments in [
        &["list", "kinds"][..],
        &["check"],
        &["run", FILE],
        &["test"],
        &["replay", AT],
        &["show", AT, "--node", "redis2"],
    ] {
        let shown = run(&folder, arguments);
        assert!(matches!(shown.code, 0 | 100), "{shown}");
        assert_spelt(&shown.to_string());
        text += &format!("$ town {}\n{shown}\n", arguments.join(" "));
    }
    golden!("kinds", text);
    golden!("kinds_plan", folder.read(PLAN));
}

#[test]
fn a_recording_says_what_its_nodes_are_called() {
    let folder = town("kinds_show");
    run(&folder, &["test"]);
    let all = ["--timeline", "all"];
    let shown = run(&folder, &[&["show", AT][..], &all].concat());
    assert_spelt(&shown.to_string());
    // A program that has no such system prints the same.
    assert_eq!(folder.run(&[&["show", AT][..], &all].concat()).stdout, shown.stdout);
    let by_letter = run(&folder, &["show", AT, "--node", "r2"]);
    assert_eq!(by_letter.stdout, run(&folder, &["show", AT, "--node", "redis2"]).stdout);
}

#[test]
fn a_plan_is_read_by_names_and_by_letters() {
    let folder = town("kinds_plan");
    run(&folder, &["test"]);
    let plan = folder.read(PLAN);
    assert!(plan.contains("\"redis3 -> gate1\"") && plan.contains("node = \"chat1\""), "{plan}");
    assert!(plan.contains("text = \"r1\""), "what clients are asked for stays as it is: {plan}");
    let mut letters = plan.clone();
    for (name, letter) in [("redis", "r"), ("gate", "g"), ("status", "t"), ("chat", "h")] {
        for number in 1..=3 {
            letters = letters.replace(&format!("{name}{number}"), &format!("{letter}{number}"));
        }
    }
    folder.write("letters.toml", &letters);
    let digest = |plan: &str| {
        let shown = run(&folder, &["replay", FILE, "--seed", "0", "--plan", plan, "--message-format", "json"]);
        let line = shown.stdout.lines().find(|line| line.contains("\"type\":\"run\"")).map(str::to_owned);
        line.unwrap_or_else(|| panic!("{shown}"))
    };
    assert_eq!(digest("letters.toml"), digest(PLAN));
}

#[test]
fn what_is_wrong_with_a_plan_is_said_by_names() {
    let folder = town("kinds_wrong_plan");
    run(&folder, &["test"]);
    let plan = folder.read(PLAN);
    let wrong = plan
        .replace("redis3 -> gate1", "redis3 -> redis3")
        .replacen("node = \"chat1\"", "node = \"chat7\"", 1)
        .replacen("node = \"chat2\"", "node = \"cat2\"", 1)
        .replace("status1 -> redis1", "status1 -> red1");
    folder.write(PLAN, &wrong);
    golden!("kinds_wrong_plan", run(&folder, &["replay", AT, "--edited"]));
    let more = "\n[[override]]\nsite = { packet = \"redis1 -> chat2\" }\nordinal = 500\ndecision = \"drop\"\n\n\
                [[override]]\nsite = { crash = \"status1\" }\nordinal = 7\ndecision = { keep = 3 }\n";
    folder.write(PLAN, &(plan + more));
    golden!("kinds_never_due", run(&folder, &["replay", AT, "--edited", "--timeline", "none"]));
}

/// What the scenario comes to for a seed.
fn resolved(cluster: &str, seed: u64) -> Resolved<Town> {
    let description = Simulated::<Town>::new().description();
    let scenario = load("fence.toml", fence(cluster).as_bytes(), &[description]);
    let scenario = scenario.unwrap_or_else(|errors| panic!("{errors}"));
    resolve::<Town>(&scenario, Seed(seed)).unwrap_or_else(|errors| panic!("{errors}"))
}

/// All that a client is asked for.
fn operations(run: &Resolved<Town>, chat: NodeId) -> Vec<impl PartialEq + std::fmt::Debug + use<>> {
    let load = run.options.workload.as_ref().expect("the scenario has a workload");
    let asked: Vec<_> = asked(load).into_iter().filter(|(_, client, _)| *client == chat).collect();
    assert!(asked.len() > 3);
    asked
}

#[test]
fn a_node_more_of_any_kind_moves_no_draw_of_another() {
    for seed in 0..8 {
        let before = resolved(CLUSTER, seed);
        for more in ["redis = 4", "gate = 2", "status = 2", "chat = 3", "spare = { redis = 2, gate = 1 }"] {
            let key = more.split(' ').next().expect("a key");
            let lines = CLUSTER.lines().filter(|line| line.split(' ').next() != Some(key));
            let cluster: String = lines.chain([more]).map(|line| format!("{line}\n")).collect();
            let after = resolved(&cluster, seed);
            assert!(after.options.cluster.node_count() > before.options.cluster.node_count());
            assert_eq!(after.chosen, before.chosen, "{more}");
            assert_eq!(after.system.setup.options, before.system.setup.options, "{more}");
            for (node, clock) in &before.options.clocks {
                let name = before.options.cluster.name(*node);
                assert_eq!(after.options.clocks.get(node), Some(clock), "the clock of {name} with {more}");
            }
            for chat in before.options.cluster.clients() {
                assert_eq!(operations(&after, chat), operations(&before, chat), "{chat} with {more}");
            }
        }
    }
    // There is something to move: seeds differ in each of these.
    let (one, other) = (resolved(CLUSTER, 0), resolved(CLUSTER, 1));
    let chat = one.options.cluster.clients().next().expect("there are chats");
    assert_ne!(one.system.setup.options, other.system.setup.options);
    assert_ne!(one.options.clocks, other.options.clocks);
    assert_ne!(operations(&one, chat), operations(&other, chat));
}
