//! `diff`: two runs, and the first thing in which they differ.

use crate::golden;
use crate::scenarios::{boast, calm, flawed};
use crate::support::Folder;

fn folder(test: &str) -> Folder {
    Folder::new(test).with("calm", &calm()).with("boast", &boast()).with("late", &flawed("boast", ""))
}

const CALM: &str = "scenarios/ring/calm.toml";
const BOAST: &str = "scenarios/ring/boast.toml";

#[test]
fn two_executions_of_a_seed_are_alike() {
    let folder = folder("diff_alike");
    let shown = folder.run(&["diff", CALM, "--seed", "3"]);
    assert_eq!(shown.code, 0, "{shown}");
    golden!("diff_alike", shown);
}

/// The fault of the one is the first thing in which they differ, as both have one seed.
#[test]
fn two_scenarios_differ_first_in_what_is_done_in_one_of_them() {
    let folder = folder("diff_scenarios");
    let shown = folder.run(&["diff", BOAST, "scenarios/ring/late.toml", "--seed", "1"]);
    assert_eq!(shown.code, 100, "{shown}");
    let difference = shown.stdout.split("first difference").nth(1).expect("they differ");
    assert!(difference.lines().nth(1).is_some_and(|line| line.contains("▼ quarrel")), "{shown}");
    golden!("diff_scenarios", shown);
}

/// One value makes the difference: the second run has it where one path is given, and both scenarios of two.
#[test]
fn a_key_that_is_set_makes_the_second_run_another() {
    let folder = folder("diff_set");
    let diff = |arguments: &[&str]| folder.run(&[&["diff"], arguments, &["--seed", "1"]].concat());
    let set = ["--set", "network.latency=3ms"];
    let shown = diff(&[&[CALM], &set[..]].concat());
    assert_eq!(shown.code, 100, "{shown}");
    let head: Vec<&str> = shown.stdout.lines().take(2).collect();
    assert!(head[0].ends_with("calm.toml --seed 1") && head[1].ends_with("--set 'network.latency=\"3ms\"'"), "{shown}");
    let shown = diff(&[&[CALM, CALM], &set[..]].concat());
    assert_eq!(shown.code, 0, "{shown}");
    let shown = diff(&[CALM, "--set", "network.latencie=3ms"]);
    assert!(shown.code == 105 && shown.stderr.contains("did you mean \"latency\""), "{shown}");
}

#[test]
fn two_seeds_are_compared_by_their_stories() {
    let folder = folder("diff_seeds");
    let uneven = calm().replace("latency = \"1ms\"", "latency = \"1ms..9ms\"");
    folder.write("uneven.toml", &uneven);
    let shown = folder.run(&["diff", "uneven.toml", "--seed", "0", "--seed", "1"]);
    assert!(shown.stdout.contains("compared: faults, starts and exits"), "{shown}");
    let all = folder.run(&["diff", "uneven.toml", "--seed", "0", "--seed", "1", "--by", "all"]);
    assert!(all.stdout.contains("compared: every event and every effect"), "{all}");
    // The latencies are drawn: the times differ.
    assert_eq!(all.code, 100, "{all}");
}

#[test]
fn a_recording_is_compared_with_its_run_and_with_another_recording() {
    let folder = folder("diff_recordings");
    assert_eq!(folder.run(&["test"]).code, 100);
    let at = "reports/ring/boast/0";
    let shown = folder.run(&["diff", at]);
    assert_eq!(shown.code, 0, "{shown}");
    assert!(shown.stdout.contains("alike: to the end"), "{shown}");

    let trace = folder.read(&format!("{at}/trace.jsonl"));
    let lines: Vec<&str> = trace.lines().collect();
    let changed = lines[20].replacen("\"event\":", "\"event\":9", 1);
    let other = [&lines[..20], &[changed.as_str()], &lines[21..]].concat().join("\n");
    folder.write("other.jsonl", &(other + "\n"));
    let shown = folder.run(&["diff", at, "other.jsonl"]);
    assert_eq!(shown.code, 100, "{shown}");
    // The header is no entry.
    assert!(shown.stdout.contains("\nalike: 19 entries\n"), "{shown}");

    folder.write("short.jsonl", &(lines[..30].join("\n") + "\n"));
    let shown = folder.run(&["diff", "short.jsonl", at]);
    assert!(
        shown.stdout.contains("alike: 29 entries\n") && shown.stdout.contains("  A  the end of the run"),
        "{shown}"
    );
}

/// What is right before a damaged line is worth showing, as `show` does.
#[test]
fn a_difference_before_the_damage_is_shown_and_the_damage_exits_with_2() {
    let folder = folder("diff_damaged");
    assert_eq!(folder.run(&["test"]).code, 100);
    let at = "reports/ring/boast/0";
    let trace = folder.read(&format!("{at}/trace.jsonl"));
    let lines: Vec<&str> = trace.lines().collect();
    let changed = lines[20].replacen("\"event\":", "\"event\":9", 1);
    folder.write("damaged.jsonl", &[&lines[..20], &[&*changed, lines[21], "{\"at_ns\":5"]].concat().join("\n"));
    let shown = folder.run(&["diff", at, "damaged.jsonl"]);
    assert_eq!(shown.code, 2, "{shown}");
    assert!(shown.stdout.contains("\nalike: 19 entries\n"), "{shown}");
    assert!(shown.stderr.starts_with("error: damaged.jsonl:23: "), "{shown}");
    // Where they are alike up to the damage, nothing is known of a difference.
    folder.write("damaged.jsonl", &(lines[..20].join("\n") + "\n{\"at_ns\":5"));
    let shown = folder.run(&["diff", at, "damaged.jsonl"]);
    assert_eq!((shown.code, shown.stdout.as_str()), (2, ""), "{shown}");
}

#[test]
fn programs_get_a_line_with_both_sides() {
    let folder = folder("diff_json");
    let shown = folder.run(&["diff", BOAST, "scenarios/ring/late.toml", "--message-format", "json"]);
    assert_eq!(shown.code, 100, "{shown}");
    let lines: Vec<serde_json::Value> =
        shown.stdout.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    let kinds: Vec<&str> = lines.iter().filter_map(|line| line["type"].as_str()).collect();
    assert_eq!(kinds, ["begin", "difference", "end"]);
    assert_eq!((&lines[1]["equal"], &lines[1]["by"]), (&serde_json::json!(false), &serde_json::json!("all")));
    assert_eq!(lines[1]["a"]["entries"][0]["kind"], "fault");
    assert!(lines[1]["b"]["nodes"]["s2"]["kinds"].is_object(), "{shown}");
    assert_eq!(lines[2]["exit_code"], 100);
}

#[test]
fn what_cannot_be_compared_exits_with_2() {
    let folder = folder("diff_wrong");
    assert_eq!(folder.run(&["test"]).code, 100);
    for (arguments, message) in [
        (&["diff", CALM, "--seed", "1", "--seed", "2", "--seed", "3"][..], "two runs have two seeds at most"),
        (&["diff", "reports/ring/boast/0", "reports/ring/boast/0", "--seed", "3"], "a recording has its own seed"),
        (
            &["diff", "reports/ring/boast/0", "reports/ring/boast/0", "--set", "run.seeds=3"],
            "a recording is what it is",
        ),
        (&["diff", "scenarios", CALM], "cannot read scenarios/trace.jsonl"),
        (&["diff", "absent.toml"], "cannot read absent.toml"),
    ] {
        let shown = folder.run(arguments);
        assert_eq!(shown.code, 2, "{arguments:?}: {shown}");
        assert!(shown.stderr.contains(message), "{arguments:?}: {shown}");
    }
}
