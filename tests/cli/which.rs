//! Keys with other values, and which seeds are run: `--set` and `--where`.

use crate::golden;
use crate::scenarios::{calm, flawed, scenario};
use crate::support::Folder;

/// In half of the runs something is wrong with s2.
fn half() -> String {
    let lines = "[ring]\nflaw = { choose = [\"none\", \"boast\"] }\n";
    scenario("Half of the runs are flawed.", lines).replace("seeds = 4", "seeds = 40")
}

#[test]
fn a_key_that_is_set_takes_the_place_of_the_files() {
    let folder = Folder::new("set").with("boast", &flawed("boast", "")).with("calm", &calm());
    let codes = |set: &[&str]| folder.run(&[&["test", "--max-fail", "all"], set].concat()).code;
    assert_eq!(codes(&[]), 100);
    assert_eq!(codes(&["--set", "ring.flaw=none"]), 0);
    assert_eq!(codes(&["--set", "expect.violates=[\"modesty\"]", "scenarios/ring/boast.toml"]), 0);
    // In every scenario of the call, and the last one counts.
    let shown = folder.run(&["test", "--set", "ring.flaw=boast", "--set", "run.seeds=1", "--max-fail", "all"]);
    let failed = shown.stdout.lines().filter(|line| line.starts_with("FAIL ring/") && line.ends_with(" seed 0"));
    assert_eq!(failed.count(), 2, "{shown}");
    assert_eq!(codes(&["--set", "ring.flaw=boast", "--set", "ring.flaw=none"]), 0);
    golden!("set_wrong", folder.run(&["test", "--set", "ring.flaww=none", "--set", "run.seeds=many"]));
    let shown = folder.run(&["test", "--set", "seeds"]);
    assert!(shown.code == 2 && shown.stderr.contains("as in raft.pre_vote.enabled=false"), "{shown}");
}

/// The folder of a run says what was set, so that the run is replayed without the flag.
#[test]
fn what_was_set_is_kept_with_the_run() {
    let folder = Folder::new("set_kept").with("calm", &calm());
    let set = ["--set", "ring.flaw=boast", "--set", "network.latency=2ms"];
    let shown = folder.run(&[&["run", "scenarios/ring/calm.toml", "--seed", "1"], &set[..]].concat());
    assert_eq!(shown.code, 100, "{shown}");
    let kept = "reports/ring/calm/1";
    let text = folder.read(&format!("{kept}/scenario.toml"));
    assert!(text.ends_with("\n[[picked]]\nset.ring.flaw = \"boast\"\n\n[[picked]]\nset.network.latency = \"2ms\"\n"));
    assert!(folder.read(&format!("{kept}/resolved.toml")).contains("flaw = \"boast\""));
    let same = "the same run, digest for digest";
    let shown = folder.run(&["replay", kept]);
    assert!(shown.code == 100 && shown.stderr.contains(same), "{shown}");
    let plan = format!("{kept}/plan.toml");
    let of_file = ["replay", "scenarios/ring/calm.toml", "--plan", &plan];
    let shown = folder.run(&[&of_file, &set[..]].concat());
    assert!(shown.stderr.contains(same), "{shown}");
    let shown = folder.run(&of_file);
    assert!(shown.code == 2 && shown.stderr.contains("the recording is of another scenario"), "{shown}");
    // What is set on top of what is kept is another scenario too.
    let shown = folder.run(&["replay", kept, "--set", "ring.flaw=none"]);
    assert!(shown.code == 2 && shown.stderr.contains("the recording is of another scenario"), "{shown}");
    let shown = folder.run(&["replay", kept, "--set", "ring.flaw=none", "--force"]);
    assert!(shown.code == 0 && shown.stderr.contains("replayed: another run"), "{shown}");
}

#[test]
fn only_seeds_with_these_options_are_run() {
    let folder = Folder::new("where").with("half", &half());
    let test = |condition: &str| folder.run(&["test", "--max-fail", "all", "--where", condition]);
    golden!("where_matches", test("flaw = none"));
    let shown = test("flaw = boast");
    assert!(shown.code == 100 && shown.stdout.contains("seeds left out by --where"), "{shown}");
    let json = folder.run(&["test", "--message-format", "json", "--where", "flaw = none"]);
    let flaws = |flaw: &str| json.stdout.matches(&format!("\"flaw\":\"{flaw}\"")).count();
    assert_eq!(flaws("boast"), 0, "{json}");
    assert!(flaws("none") > 10, "{json}");
    golden!("where_wrong", test("flow = none"));
}

/// What is asked for is looked for as long as there is time, and the seeds that were looked at repeat it.
#[test]
fn seeds_with_these_options_are_run_for_some_time() {
    let folder = Folder::new("where_for").with("half", &half());
    let shown = folder.run(&["test", "--for", "300ms", "--where", "flaw = none"]);
    assert!(shown.code == 0 && shown.stdout.contains("seeds left out by --where"), "{shown}");
    let (line, again) = shown.stdout.split_once('\n').expect("two lines at least");
    let seeds = again.trim_start().strip_prefix("the same again: --seeds ").and_then(|rest| rest.lines().next());
    let repeated = folder.run(&["test", "--where", "flaw = none", "--seeds", seeds.expect("it follows the scenario")]);
    assert_eq!(repeated.stdout.lines().next(), Some(line), "{repeated}");
}

#[test]
fn where_nothing_matches_nothing_is_judged() {
    let folder = Folder::new("where_none").with("half", &half());
    golden!("where_none", folder.run(&["test", "--where", "flaw = none", "--where", "flaw = boast"]));
    let other = ["none", "boast"].map(|flaw| {
        let condition = format!("flaw = {flaw}");
        folder.run(&["run", "scenarios/ring/half.toml", "--seed", "3", "--where", &condition])
    });
    let codes = other.each_ref().map(|shown| shown.code);
    assert!(codes == [0, 3] || codes == [3, 100], "{codes:?}");
    let refused = other.iter().find(|shown| shown.code == 3).expect("one of them");
    assert!(refused.stderr.contains("seed 3 has other options: nothing was run"), "{refused}");
}

/// Keys of most tables, each drawn once a run.
fn drawn() -> String {
    let lines = "[clocks.nodes.s1]\ndrift = { choose = [\"10ppm\", \"20ppm\"] }\n\n[disk]\ncapacity = \"10..12\"\n\n\
        [ring]\nflaw = \"boast\"\n\n\
        [[nemesis]]\nid = \"storm\"\nkinds = [\"crash\"]\nevery = \"100ms\"\nfor = { choose = [\"1ms\", \"2ms\"] }\n";
    let text = scenario("Most of it is drawn.", lines).replace("servers = 3", "servers = { choose = [3, 5] }");
    text.replace("latency = \"1ms\"", "latency = { choose = [\"1ms\", \"1ms..3ms\"] }")
}

/// The value of a key in the JSON lines of the runs: how often each came.
fn counts(shown: &str, key: &str, values: &[&str]) -> Vec<usize> {
    values.iter().map(|value| shown.matches(&format!("\"{key}\":\"{value}\"")).count()).collect()
}

#[test]
fn what_is_drawn_is_found_and_replayed() {
    let folder = Folder::new("drawn").with("drawn", &drawn());
    let json = |more: &[&str]| {
        let arguments = ["test", "--seeds", "0..24", "--max-fail", "all", "--message-format", "json"];
        folder.run(&[&arguments, more].concat()).stdout
    };
    let all = json(&[]);
    for (key, values) in [
        ("cluster.servers", &["3", "5"][..]),
        ("network.latency", &["1ms", "1ms..3ms"]),
        ("clocks.nodes.s1.drift", &["10ppm", "20ppm"]),
        ("disk.capacity", &["10", "11", "12"]),
        ("nemesis.storm.for", &["1ms", "2ms"]),
    ] {
        let came = counts(&all, key, values);
        assert!(came.iter().all(|count| *count > 0) && came.iter().sum::<usize>() == 24, "{key}: {came:?}");
        let chosen = json(&["--where", &format!("{key} = {}", values[0])]);
        let mut only = vec![0; values.len()];
        only[0] = came[0];
        assert_eq!(counts(&chosen, key, values), only, "{key}");
        let set = json(&["--set", &format!("{key}={}", values[1])]);
        assert_eq!(counts(&set, key, values), vec![0; values.len()], "{key} is constant");
    }
    for seed in ["0", "1", "2", "3"] {
        let shown = folder.run(&["run", "scenarios/ring/drawn.toml", "--seed", seed]);
        assert!(shown.stdout.contains("  chosen.cluster.servers = "), "{shown}");
        let kept = format!("reports/ring/drawn/{seed}");
        let servers = if shown.stdout.contains("chosen.cluster.servers = 5") { "servers = 5" } else { "servers = 3" };
        assert!(folder.read(&format!("{kept}/resolved.toml")).contains(servers));
        assert!(folder.read(&format!("{kept}/scenario.toml")).contains("choose = [3, 5]"));
        let again = folder.run(&["replay", &kept]);
        assert!(again.stderr.contains("the same run, digest for digest"), "{again}");
    }
}

#[test]
fn a_choice_can_be_set() {
    let folder = Folder::new("set_choice").with("calm", &calm());
    let set =
        ["--set", "cluster.servers={ choose = [3, 4] }", "--set", "disk.capacity=90..99", "--set", "ring.flaw=boast"];
    let arguments = ["test", "--seeds", "0..24", "--max-fail", "all", "--message-format", "json"];
    let shown = folder.run(&[&arguments, &set[..]].concat()).stdout;
    let came = counts(&shown, "cluster.servers", &["3", "4"]);
    assert!(came[0] > 0 && came[1] > 0, "{came:?}");
    let shown = folder.run(&[&["run", "scenarios/ring/calm.toml", "--seed", "1"], &set[..]].concat());
    let again = folder.run(&["replay", "reports/ring/calm/1"]);
    assert!(shown.stdout.contains("chosen.disk.capacity = 9"), "{shown}");
    assert!(again.stderr.contains("the same run, digest for digest"), "{again}");
    golden!("set_choice_wrong", folder.run(&["test", "--set", "disk.capacity={ choose = [1, -1] }"]));
}

#[test]
fn check_takes_what_is_set() {
    let folder = Folder::new("set_check").with("calm", &calm());
    let check = |set: &str| folder.run(&["check", "--set", set]);
    let shown = check("run.seeds=7");
    assert!(shown.code == 0 && shown.stdout.contains("7 seeds"), "{shown}");
    let shown = check("cluster.servers={ choose = [3, 5] }");
    assert!(shown.code == 0 && shown.stdout.contains("drawn once a run: cluster.servers"), "{shown}");
    let shown = check("run.seeds=many");
    assert!(shown.code == 105 && shown.stderr.contains("--set"), "{shown}");
}

/// With keys that are set, what has no effect is no error, as it may have one in the file as it is; it is told all the
/// same.
#[test]
fn what_has_no_effect_with_a_key_that_is_set_is_told() {
    let folder = Folder::new("set_idle").with("calm", &calm());
    let set = ["--set", "network.reordering_delay=5ms"];
    let remark = "scenarios/ring/calm.toml: network.reordering_delay has no effect: no datagram is reordered";
    for command in [&["test"][..], &["test", "--message-format", "json"], &["run", "scenarios/ring/calm.toml"]] {
        let shown = folder.run(&[command, &set].concat());
        assert_eq!(shown.code, 0, "{shown}");
        assert_eq!(shown.stderr.matches(remark).count(), 1, "{shown}");
    }
    // The same in a variant that is named.
    let stated = calm().replace("latency = \"1ms\"", "latency = \"1ms\"\nreordering_delay = \"5ms\"");
    let variants = "\n[[variant]]\nname = \"idle\"\n[[variant]]\nname = \"some\"\nnetwork.reordering = \"1%\"\n";
    folder.write("scenarios/ring/two.toml", &(stated + variants));
    let remark = |name: &str| {
        let shown = folder.run(&["test", &format!("scenarios/ring/two.toml{name}")]);
        shown.stderr.contains("scenarios/ring/two.toml#idle: network.reordering_delay has no effect")
    };
    assert!(remark("#idle") && !remark("#some") && !remark(""));
}
