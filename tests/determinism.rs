//! Goal: a run is a function of build, options, plan and seed alone, and stays the same function.
//!
//! Method: the digests of two seeds of every shipped scenario are committed. The program must print them with one job
//! and with several, in one process and in another; this test does so in the profile of the tests, and `.ci/run` in
//! release, by naming the program in `SPLITBRAIN_PROGRAM`. What changes a digest on purpose is seed-breaking, and is
//! told in the changelog.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

const SEEDS: &str = "0..2";

/// Digest and count of events of each run of each shipped scenario, as the program prints them.
fn digests(jobs: &str) -> String {
    let program = std::env::var("SPLITBRAIN_PROGRAM").unwrap_or(env!("CARGO_BIN_EXE_splitbrain").to_owned());
    let output = Command::new(program)
        .args(["test", "scenarios", "--seeds", SEEDS, "--message-format", "json", "--check-determinism=0%", "-j", jobs])
        .args(["--out", concat!(env!("CARGO_TARGET_TMPDIR"), "/determinism")])
        .output()
        .expect("the program starts");
    let text = String::from_utf8(output.stdout).expect("the program prints UTF-8");
    let runs: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("one JSON object a line")).collect();
    let runs = runs.iter().filter(|run| run["type"] == "run");
    let table: BTreeMap<(String, u64), String> = runs.map(row).collect();
    assert!(!table.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    table.values().fold(String::new(), |mut all, row| {
        let _ = writeln!(all, "{row}");
        all
    })
}

fn row(run: &serde_json::Value) -> ((String, u64), String) {
    let scenario = run["scenario"].as_str().expect("a run has a scenario").to_owned();
    let seed = run["seed"].as_u64().expect("a run has a seed");
    let (digest, events) = (run["digest"].as_str().expect("a run has a digest"), &run["events"]);
    let row = format!("{scenario} {seed} {digest} {events}");
    ((scenario, seed), row)
}

#[test]
fn every_shipped_scenario_has_the_digests_that_are_committed() {
    insta::assert_snapshot!("digests", digests("1"));
}

#[test]
fn several_jobs_in_another_process_give_the_same_digests() {
    insta::assert_snapshot!("digests", digests("3"));
}
