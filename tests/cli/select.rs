//! Which scenarios a call runs: by name, system and tag, and those that failed last. And what a few seeds can judge.

use crate::scenarios::{boast, calm, flawed, scenario};
use crate::support::Folder;

/// The scenarios that a call ran, by name.
fn ran(folder: &Folder, arguments: &[&str]) -> Vec<String> {
    let arguments: Vec<&str> =
        ["test", "--message-format", "json"].into_iter().chain(arguments.iter().copied()).collect();
    let shown = folder.run(&arguments);
    let lines = shown.stdout.lines().filter(|line| line.contains("\"type\":\"scenario\""));
    let name = |line: &str| {
        let (_, rest) = line.split_once("scenarios/ring/").expect("it is named by its path");
        rest.split_once(".toml").expect("the path ends").0.to_owned()
    };
    lines.map(name).collect()
}

fn folder(test: &str) -> Folder {
    let tagged = calm().replace("system = \"ring\"", "system = \"ring\"\ntags = [\"slow\", \"calm\"]");
    Folder::new(test).with("calm", &calm()).with("calmer", &tagged).with("boast", &boast())
}

#[test]
fn scenarios_are_selected_by_name_and_tag() {
    let folder = folder("select");
    for (arguments, expected) in [
        (&["-E", "name(calm)"][..], &["calm", "calmer"][..]),
        (&["-E", "name(=ring/calm)"], &["calm"]),
        (&["-E", "tag(slow) or name(boast)"], &["boast", "calmer"]),
        (&["-E", "system(ring) and not tag(slow)", "--skip", "boast"], &["calm"]),
        (&["--skip", "calm"], &["boast"]),
        (&["-E", "system(raft)"], &[]),
    ] {
        assert_eq!(ran(&folder, arguments), expected, "{arguments:?}");
    }
    let shown = folder.run(&["test", "-E", "tag(none)"]);
    assert_eq!((shown.code, shown.stderr.as_str()), (4, "error: nothing ran: 3 scenarios found, none selected\n"));
    let shown = folder.run(&["test", "-E", "calm"]);
    assert!(shown.code == 2 && shown.stderr.contains("a part of a name is name(calm)"), "{shown}");
}

#[test]
fn what_failed_last_is_run_again_until_it_passes() {
    let folder = folder("failed");
    let shown = folder.run(&["test", "--failed"]);
    assert!(shown.code == 2 && shown.stderr.contains("no scenario failed in the last call"), "{shown}");
    assert_eq!(ran(&folder, &[]).len(), 3);
    assert_eq!(ran(&folder, &["--failed"]), ["boast"]);
    // A call for others takes nothing away.
    assert_eq!(ran(&folder, &["-E", "name(calmer)"]), ["calmer"]);
    assert_eq!(ran(&folder, &["-E", "failed() or tag(slow)"]), ["boast", "calmer"]);
    folder.write("scenarios/ring/boast.toml", &calm());
    assert_eq!(ran(&folder, &["--failed"]), ["boast"]);
    assert_eq!(folder.run(&["test", "--failed"]).code, 2, "it has passed");
}

#[test]
fn with_fewer_seeds_what_never_happened_is_not_judged() {
    let found = flawed("boast", "violates = [\"modesty\"]\nwithin = 8");
    let reach = calm().replace("reach = [\"heard\"]", "reach = [\"boasted\"]");
    let folder =
        Folder::new("few").with("found", &found.replace("flaw = \"boast\"", "flaw = \"none\"")).with("reach", &reach);
    let shown = folder.run(&["test"]);
    assert_eq!(shown.code, 100, "a violation that does not come, and what is never reached: {shown}");
    let shown = folder.run(&["test", "--seed", "2"]);
    assert_eq!(shown.code, 0, "{shown}");
    assert!(shown.stdout.contains("  NOT JUDGED ring/found"), "{shown}");
    assert!(shown.stdout.contains("not judged: modesty was not broken within 1 seed, of the 8"), "{shown}");
    assert!(shown.stdout.contains("not judged: never reached: boasted"), "{shown}");
    assert!(shown.stdout.ends_with("\n1 passed, 0 failed, 1 not judged\n"), "{shown}");
    let shown = folder.run(&["test", "--seed", "2", "-E", "name(found)"]);
    assert_eq!(shown.code, 3, "nothing at all was judged: {shown}");
}

#[test]
fn a_nemesis_that_never_acts_is_inconclusive() {
    let nemesis = |every: &str| {
        let lines = format!(
            "[[nemesis]]\nid = \"chaos\"\nkinds = [\"pause\"]\non = \"any server\"\n\
             every = \"{every}\"\nfor = \"1ms\"\n"
        );
        scenario("A nemesis.", &lines)
    };
    let folder = Folder::new("idle_nemesis").with("idle", &nemesis("100s")).with("busy", &nemesis("100ms"));
    let shown = folder.run(&["test"]);
    assert_eq!(shown.code, 3, "{shown}");
    assert!(shown.stdout.contains("idle.toml: chaos was never applied in any run\n"), "{shown}");
    assert!(shown.stdout.ends_with("\n1 passed, 0 failed, 1 inconclusive\n"), "{shown}");
}

/// How many seeds a time is enough for depends on the machine; what they come to does not.
#[test]
fn a_call_for_some_time_says_how_to_repeat_it() {
    let folder = Folder::new("for").with("calm", &calm()).with("calmer", &calm());
    let shown = folder.run(&["test", "--for", "400ms", "-j", "2"]);
    assert_eq!(shown.code, 0, "{shown}");
    let lines: Vec<&str> = shown.stdout.lines().collect();
    for (line, again) in lines.iter().zip(&lines[1..]).filter(|(line, _)| line.contains("PASS")) {
        let seeds = again.trim().strip_prefix("the same again: --seeds ").expect("it follows the scenario");
        let name = if line.contains("ring/calmer") { "name(=ring/calmer)" } else { "name(=ring/calm)" };
        let repeated = folder.run(&["test", "-E", name, "--seeds", seeds]);
        assert_eq!(repeated.stdout.lines().next(), Some(*line), "{repeated}");
    }
    assert_eq!(lines.iter().filter(|line| line.contains("the same again")).count(), 2, "{shown}");
    let shown = folder.run(&["test", "--for", "1s", "--seed", "1"]);
    assert_eq!(shown.code, 2, "a time or seeds: {shown}");
}

/// In the order of the scenarios, whatever the number of jobs; one that could not be decided is no failure.
#[test]
fn a_call_can_end_at_the_first_scenario_that_fails() {
    let folder = folder("fail_fast").with("a_vague", &scenario("Never so.", "[expect]\nreach = [\"boasted\"]\n"));
    for jobs in ["-j1", "-j3"] {
        let all = folder.run(&["test", jobs]);
        assert!(all.code == 100 && all.stdout.ends_with("\n2 passed, 1 failed, 1 inconclusive\n"), "{all}");
        let shown = folder.run(&["test", jobs, "--fail-fast"]);
        assert_eq!(shown.code, 100, "{shown}");
        assert!(shown.stdout.ends_with("\n0 passed, 1 failed, 1 inconclusive, 2 skipped\n"), "{shown}");
        assert_eq!(ran(&folder, &[jobs, "--fail-fast"]), ["a_vague", "boast"]);
        // What `--max-fail` says is of each scenario.
        let shown = folder.run(&["test", jobs, "--fail-fast", "--max-fail", "all"]);
        assert!(shown.stdout.contains("ring/boast · 4 seeds") && shown.stdout.contains("2 skipped"), "{shown}");
    }
    assert_eq!(ran(&folder, &["--fail-fast", "--skip", "boast"]), ["a_vague", "calm", "calmer"]);
}
