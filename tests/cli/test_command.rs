//! `test`: judgements, exit codes, artifacts, formats.

use crate::golden;
use crate::scenarios::{boast, calm, flawed, scenario};
use crate::support::Folder;

#[test]
fn a_campaign_that_is_as_expected_exits_with_0() {
    let folder = Folder::new("passing").with("calm", &calm());
    let shown = folder.run(&["test"]);
    assert_eq!(shown.code, 0);
    golden!("test_passing", shown);
    assert!(!folder.exists("reports"), "what passes leaves nothing behind");
}

#[test]
fn an_unlisted_violation_exits_with_100_and_leaves_its_folder() {
    let folder = Folder::new("failing").with("boast", &boast()).with("calm", &calm());
    let shown = folder.run(&["test", "scenarios"]);
    assert_eq!(shown.code, 100);
    golden!("test_failing", shown);
    for file in ["scenario.toml", "resolved.toml", "options.json", "plan.toml", "trace.jsonl", "summary.json"] {
        assert!(folder.exists(&format!("reports/ring/boast/0/{file}")), "{file} is missing");
    }
    assert_eq!(folder.read("reports/ring/boast/0/scenario.toml"), boast());
}

#[test]
fn a_listed_violation_is_as_expected() {
    let text = flawed("boast", "violates = \"modesty\"\nwithin = 3");
    let shown = Folder::new("found").with("listed", &text).run(&["test"]);
    assert_eq!(shown.code, 0);
    golden!("test_found", shown);
}

#[test]
fn a_listed_violation_that_does_not_come_exits_with_100() {
    let text = flawed("none", "violates = \"modesty\"\nwithin = 3");
    let shown = Folder::new("unfound").with("listed", &text).run(&["test"]);
    assert_eq!(shown.code, 100);
    golden!("test_unfound", shown);
}

#[test]
fn what_was_never_reached_exits_with_3() {
    let text = flawed("none", "reach = [\"boasted\"]");
    let shown = Folder::new("unreached").with("quiet", &text).run(&["test"]);
    assert_eq!(shown.code, 3);
    golden!("test_inconclusive", shown);
}

#[test]
fn no_scenario_exits_with_4() {
    let shown = Folder::new("nothing").run(&["test"]);
    assert_eq!(shown.code, 4);
    golden!("test_nothing", shown);
}

#[test]
fn a_panic_in_a_node_exits_with_103() {
    let shown = Folder::new("panic").with("panic", &flawed("panic", "")).run(&["test"]);
    assert_eq!(shown.code, 103);
    golden!("test_panic", shown);
}

#[test]
fn a_run_that_does_not_end_exits_with_103() {
    let folder = Folder::new("hang").with("calm", &calm()).with("hang", &flawed("hang", ""));
    let shown = folder.run(&["test", "--timeout", "300ms", "--seed", "7"]);
    assert_eq!(shown.code, 103);
    assert_eq!(shown.stderr, "scenarios/ring/hang.toml: watchdog: the run with seed 7 does not end\n");
}

#[test]
fn an_impure_node_exits_with_102_and_is_named() {
    let shown = Folder::new("impure").with("impure", &flawed("impure", "")).run(&["test"]);
    assert_eq!(shown.code, 102);
    assert!(shown.stdout.contains("two executions of seed 0 differ at event "), "{shown}");
    assert!(shown.stdout.contains("s2"), "{shown}");
}

#[test]
fn a_budget_that_is_reached_exits_with_100() {
    let text = scenario("Too many events.", "events_max = 20\n");
    let shown = Folder::new("exhausted").with("many", &text).run(&["test"]);
    assert_eq!(shown.code, 100);
    golden!("test_exhausted", shown);
}

#[test]
fn an_invalid_scenario_exits_with_105_before_any_runs() {
    let wrong = calm().replace("servers = 3", "servers = \"three\"").replace("latency", "latensy");
    let folder = Folder::new("invalid").with("calm", &calm()).with("wrong", &wrong);
    let shown = folder.run(&["test"]);
    assert_eq!(shown.code, 105);
    golden!("test_invalid", shown);
}

#[test]
fn output_that_cannot_be_written_exits_with_110() {
    let folder = Folder::new("unwritable").with("boast", &boast());
    folder.write("taken", "");
    let shown = folder.run(&["test", "--out", "taken"]);
    assert_eq!(shown.code, 110);
    assert!(shown.stdout.contains("replay: toy replay scenarios/ring/boast.toml --seed 0"), "{shown}");
    let shown = folder.run(&["test", "--junit", "taken/junit.xml"]);
    assert_eq!(shown.code, 110);
}

#[test]
fn usage_errors_exit_with_2() {
    let folder = Folder::new("usage").with("calm", &calm());
    for arguments in [
        &["test", "nowhere"][..],
        &["test", "--seeds", "5..3"],
        &["test", "--seeds", "1..3", "--seed", "1"],
        &["test", "--seed", "0xx"],
        &["test", "-j", "0"],
        &["test", "--max-fail", "0"],
        &["test", "--check-determinism=often"],
        &["test", "--timeout", "5"],
        &["test", "--message-format", "poem"],
        &["run"],
        &["run", "nowhere.toml"],
        &["replay", "scenarios/ring/calm.toml"],
        &["replay", "scenarios"],
        &["list", "everything"],
        &["list", "--system", "raft"],
        &["sing"],
        &[],
    ] {
        let shown = folder.run(arguments);
        assert_eq!(shown.code, 2, "{arguments:?}: {shown}");
        assert!(!shown.stderr.is_empty(), "{arguments:?} says what is wrong");
        assert_eq!(shown.stdout, "", "{arguments:?} has no result");
    }
}

#[test]
fn jobs_change_nothing_on_stdout() {
    let folder = Folder::new("jobs").with("calm", &calm()).with("boast", &boast());
    let told = |jobs: &str| folder.run(&["test", "--message-format", "json", "--max-fail", "2", "-j", jobs]).stdout;
    let alone = told("1");
    assert!(alone.contains("\"type\":\"run\""), "{alone}");
    assert_eq!(told("4"), alone);
}

#[test]
fn seeds_can_be_named_and_failures_counted() {
    let folder = Folder::new("seeds").with("boast", &boast());
    let shown = folder.run(&["test", "--seeds", "0x10..0x18", "--max-fail", "all"]);
    golden!("test_seeds", shown);
    assert!(folder.exists("reports/ring/boast/16/summary.json"));
    let shown = folder.run(&["test", "--seed", "3", "--seed", "1", "--max-fail", "all", "--message-format", "json"]);
    let seeds: Vec<&str> = shown.stdout.lines().filter(|line| line.contains("\"type\":\"run\"")).collect();
    assert_eq!(seeds.len(), 2);
    assert!(seeds[0].contains("\"seed\":3") && seeds[1].contains("\"seed\":1"), "{shown}");
}

#[test]
fn machines_read_one_object_a_line() {
    let folder = Folder::new("json").with("boast", &boast()).with("calm", &calm());
    let shown = folder.run(&["test", "--message-format", "json"]);
    for line in shown.stdout.lines() {
        let value: serde_json::Value = serde_json::from_str(line).expect("each line is JSON");
        assert_eq!(value["v"], 1, "{line}");
    }
    golden!("test_json", shown);
}

#[test]
fn github_gets_annotations_and_junit_gets_cases() {
    let folder = Folder::new("github").with("boast", &boast()).with("calm", &calm());
    let shown = folder.run(&["test", "--message-format", "github", "--junit", "junit.xml"]);
    golden!("test_github", shown);
    golden!("test_junit", folder.read("junit.xml"));
}

/// A signal while a run hangs: what was finished is told, and the exit code says why it is not all.
#[cfg(unix)]
#[test]
fn an_interrupt_exits_with_130_and_tells_what_was_finished() {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};

    let folder = Folder::new("interrupt").with("a_calm", &calm()).with("b_hang", &flawed("hang", ""));
    let mut toy = folder.toy(&["test", "--message-format", "json", "--timeout", "0s", "-j1"]);
    let mut child = toy.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the toy starts");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout is a pipe")).lines();
    let mut next = || lines.next().map(|line| line.expect("stdout is text"));
    while next().is_some_and(|line| !line.contains("\"type\":\"scenario\"")) {}
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill is there");
    assert!(sent.success());
    let rest: Vec<String> = std::iter::from_fn(next).collect();
    assert_eq!(child.wait().expect("the toy ends").code(), Some(130));
    let end = rest.last().expect("there is a last line");
    assert!(end.contains("\"exit_code\":130") && end.contains("\"passed\":1"), "{rest:?}");
}
