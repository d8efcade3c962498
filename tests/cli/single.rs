//! `run`, `replay`, `check`, `list`, `schema`, `completions`.

use splitbrain::Cli;
use splitbrain_toy::Ring;

use crate::golden;
use crate::scenarios::{boast, calm, flawed};
use crate::support::Folder;

/// What a cargo test of one's own does.
#[test]
fn a_scenario_is_a_cargo_test() {
    let folder = Folder::new("check_function").with("calm", &calm());
    Cli::new().system::<Ring>().check(folder.path("scenarios"));
}

#[test]
#[should_panic(expected = "modesty is broken: s2 boasts")]
fn a_scenario_that_is_not_as_expected_is_a_failing_cargo_test() {
    let folder = Folder::new("check_function_fails").with("boast", &boast());
    Cli::new().system::<Ring>().check(folder.path("scenarios/ring/boast.toml"));
}

#[test]
fn a_run_is_told_in_full() {
    let folder = Folder::new("run").with("boast", &boast());
    let shown = folder.run(&["run", "scenarios/ring/boast.toml", "--seed", "0x2a"]);
    assert_eq!(shown.code, 100);
    golden!("run_failing", shown);
    let shown = folder.run(&["run", "scenarios/ring/boast.toml", "--timeline", "all"]);
    golden!("run_all", shown);
}

/// What a library below the nodes logs stands at its time and node, can be filtered, and is no part of the run.
#[test]
fn log_lines_of_a_library_are_in_the_timeline_and_not_in_the_digest() {
    let folder = Folder::new("run_logs").with("logs", &flawed("logs", "")).with("boast", &flawed("boast", ""));
    folder.write("scenarios/ring/calm.toml", &flawed("none", ""));
    let run = |more: &[&str]| folder.run(&[&["run", "scenarios/ring/logs.toml", "--seed", "7"], more].concat());
    let shown = run(&[]);
    assert_eq!(shown.code, 100);
    golden!("run_logs", shown);
    let timeline = |shown: &str| shown.split("\noutcome: ").next().unwrap_or_default().to_owned();
    let all = run(&["--log", "debug"]);
    assert_eq!(timeline(&all.stdout).matches("debug parrot: counted greetings=").count(), 7, "{all}");
    assert!(!all.stdout.contains("never recorded"), "{all}");
    let last_lines = |shown: &str| shown.split("\n  trace\n").nth(1).unwrap_or_default().to_owned();
    assert!(last_lines(&all.stdout).contains("debug parrot: counted greetings="), "{all}");
    assert!(!last_lines(&shown.stdout).contains("debug parrot: "), "{shown}");
    let warnings = timeline(&run(&["--log", "warn"]).stdout);
    assert!(warnings.contains("warn parrot::old: ") && !warnings.contains("info parrot: "), "{warnings}");
    let off = run(&["--log", "off"]);
    assert!(!off.stdout.contains("parrot"), "{off}");

    // What `folder.run` gives has its digests taken out.
    let json = |arguments: &[&str]| {
        let output = folder.toy(&[arguments, &["--message-format", "json"]].concat()).output().expect("the toy starts");
        let stdout = String::from_utf8(output.stdout).expect("programs print text");
        let digest = stdout.split("\"digest\":\"").nth(1).and_then(|rest| rest.split('"').next());
        let digest = digest.unwrap_or_else(|| panic!("no digest: {stdout}")).to_owned();
        assert!(digest.len() == 32 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{digest}");
        digest
    };
    let recorded = json(&["run", "scenarios/ring/logs.toml", "--seed", "7"]);
    assert_eq!(recorded, json(&["run", "scenarios/ring/logs.toml", "--seed", "7", "--log", "off"]));
    assert_eq!(recorded, json(&["test", "scenarios/ring/logs.toml", "--seeds", "7..8"]), "without a recorder");
    // The same system without the library is the same run, and a run that differs has another digest.
    assert_eq!(recorded, json(&["run", "scenarios/ring/boast.toml", "--seed", "7"]));
    assert_ne!(recorded, json(&["run", "scenarios/ring/calm.toml", "--seed", "7"]));
}

/// What a library logs while its node is made, at the start of the run and of a later process, stands at that node and
/// at that time.
#[test]
fn log_lines_of_a_constructor_stand_at_its_node() {
    let fault = "[[fault]]\nid = \"again\"\nat = \"120ms\"\ncrash = \"s3\"\nfor = \"30ms\"\n";
    let folder = Folder::new("run_logs_made").with("logs", &format!("{}\n{fault}", flawed("logs", "")));
    let shown = folder.run(&["run", "scenarios/ring/logs.toml", "--seed", "7", "--kind", "logged", "--until", "180ms"]);
    let timeline = shown.stdout.split("\noutcome: ").next().unwrap_or_default();
    let made = timeline.lines().filter(|line| line.contains("hatched"));
    let made: Vec<Vec<&str>> = made.map(|line| line.split_whitespace().collect()).collect();
    let expected = ["0.000000s s1 1", "0.000000s s2 2", "0.000000s s3 3", "0.150000s s3 3"].map(|line| {
        let [at, node, number] = line.split(' ').collect::<Vec<_>>().try_into().expect("three words");
        [at, node, "info", "parrot:", "hatched", &format!("number={number}")].map(str::to_owned)
    });
    assert_eq!(made, expected, "{shown}");
}

#[test]
fn a_run_for_programs_has_options_digest_and_outcome() {
    let folder = Folder::new("run_json").with("calm", &calm());
    let shown = folder.run(&["run", "scenarios/ring/calm.toml", "--message-format", "json"]);
    assert_eq!(shown.code, 0);
    golden!("run_json", shown);
}

#[test]
fn a_run_that_does_not_end_is_named_after_what_it_told() {
    let folder = Folder::new("run_hang").with("hang", &flawed("hang", ""));
    let shown =
        folder.run(&["run", "scenarios/ring/hang.toml", "--seed", "7", "--timeout", "300ms", "--timeline", "notable"]);
    assert_eq!(shown.code, 103);
    assert!(shown.stderr.contains("scenarios/ring/hang.toml seed 7: the run takes longer than 300ms"), "{shown}");
    assert!(shown.stdout.contains("heard count 2"), "{shown}");
    let json = ["--timeout", "300ms", "--message-format", "json"];
    let shown = folder.run(&[&["run", "scenarios/ring/hang.toml"][..], &json].concat());
    assert!(shown.stdout.lines().last().is_some_and(|line| line.contains("\"exit_code\":103")), "{shown}");
}

#[test]
fn a_folder_replays_to_the_same_digest() {
    let folder = Folder::new("replay").with("boast", &boast());
    assert_eq!(folder.run(&["test"]).code, 100);
    let shown = folder.run(&["replay", "reports/ring/boast/0"]);
    assert_eq!(shown.code, 100, "the failure is still there: {shown}");
    golden!("replay", shown);
}

#[test]
fn any_run_can_leave_a_folder() {
    let folder = Folder::new("run_out").with("calm", &calm());
    let shown = folder.run(&["run", "scenarios/ring/calm.toml", "--out", "kept", "--timeline", "none"]);
    assert!(shown.stdout.ends_with("replay: toy replay kept/ring/calm/0\n"), "{shown}");
    let shown = folder.run(&["replay", "kept/ring/calm/0"]);
    assert_eq!((shown.code, shown.stderr.as_str()), (0, "replayed: the same run, digest for digest\n"));
}

#[test]
fn a_folder_of_another_scenario_plan_or_build_is_refused_or_warned_of() {
    let folder = Folder::new("replay_other").with("boast", &boast());
    folder.run(&["test"]);
    let at = "reports/ring/boast/0";
    let (summary, plan) = (folder.read(&format!("{at}/summary.json")), folder.read(&format!("{at}/plan.toml")));
    let replay = |more: &[&str]| folder.run(&[&["replay", at, "--timeline", "none"], more].concat());

    folder.write(&format!("{at}/scenario.toml"), &boast().replace("Something", "Anything"));
    let shown = replay(&[]);
    assert_eq!(shown.code, 2);
    assert!(shown.stderr.contains("another scenario"), "{shown}");
    assert_eq!(replay(&["--force"]).code, 100);
    folder.write(&format!("{at}/scenario.toml"), &boast());

    folder.write(&format!("{at}/plan.toml"), &plan.replace("format = 1", "format = 99"));
    assert!(replay(&["--edited"]).stderr.contains("a plan of format 99"));
    assert_eq!(replay(&["--edited", "--force"]).code, 100);

    folder.write(&format!("{at}/plan.toml"), &plan.replace("s3 -> s1", "s1 -> s2"));
    assert!(replay(&[]).stderr.contains("--edited replays it by its times"));
    let shown = replay(&["--edited"]);
    assert_eq!(shown.code, 0, "s2 hears nothing, so it does not boast: {shown}");
    folder.write(&format!("{at}/plan.toml"), &plan);

    let build = splitbrain::build::ID;
    folder.write(&format!("{at}/summary.json"), &summary.replace(build, "0.0.1+000000000000"));
    let shown = replay(&[]);
    assert!(shown.stderr.contains("warning: recorded with build"), "{shown}");
    assert_eq!(shown.code, 100);
}

#[test]
fn a_digest_that_is_not_the_recorded_one_exits_with_102() {
    let folder = Folder::new("replay_diverged").with("boast", &boast());
    folder.run(&["test"]);
    let path = "reports/ring/boast/0/summary.json";
    let summary: serde_json::Value = serde_json::from_str(&folder.read(path)).expect("it is JSON");
    let digest = summary["digest"].as_str().expect("a digest is text");
    folder.write(path, &folder.read(path).replace(digest, &"0".repeat(32)));
    let shown = folder.run(&["replay", "reports/ring/boast/0", "--timeline", "none"]);
    assert_eq!(shown.code, 102, "{shown}");
}

#[test]
fn a_scenario_replays_by_a_seed_or_by_a_plan() {
    let folder = Folder::new("replay_file").with("boast", &boast());
    folder.run(&["test"]);
    let file = "scenarios/ring/boast.toml";
    assert_eq!(folder.run(&["replay", file, "--seed", "5"]).code, 100);
    let shown = folder.run(&["replay", file, "--plan", "reports/ring/boast/0/plan.toml", "--timeline", "none"]);
    assert_eq!((shown.code, shown.stderr.as_str()), (100, "replayed: the same run, digest for digest\n"));
}

#[test]
fn check_validates_without_running() {
    let folder = Folder::new("check").with("calm", &calm()).with("hang", &flawed("hang", ""));
    golden!("check_valid", folder.run(&["check"]));
    let folder = folder.with("wrong", "format = 1\nsystem = \"rong\"\n");
    let shown = folder.run(&["check", "scenarios/ring/wrong.toml"]);
    assert_eq!(shown.code, 105);
    golden!("check_invalid", shown);
}

#[test]
fn every_topic_is_listed() {
    let folder = Folder::new("list");
    let mut text = String::new();
    for topic in [
        "systems",
        "options",
        "presets",
        "roles",
        "gauges",
        "resources",
        "workloads",
        "orders",
        "observations",
        "messages",
        "invariants",
        "faults",
        "nemeses",
        "conditions",
    ] {
        let shown = folder.run(&["list", topic]);
        assert_eq!((shown.code, shown.stderr.as_str()), (0, ""));
        text += &format!("$ toy list {topic}\n{}\n", shown.stdout);
    }
    golden!("list", text);
}

#[test]
fn all_words_of_a_system_are_listed_by_its_name() {
    let folder = Folder::new("list_system");
    let all = folder.run(&["list", "ring"]);
    assert_eq!((all.code, all.stderr.as_str()), (0, ""));
    for topic in ["options", "presets", "invariants", "observations"] {
        let one = folder.run(&["list", topic, "--system", "ring"]).stdout;
        let (_, words) = one.split_once('\n').expect("the system, then its words");
        assert!(all.stdout.contains(&format!("\n{topic}\n{words}")), "{topic}:\n{all}");
    }
    let twice = folder.run(&["list", "ring", "--system", "ring"]);
    assert!(twice.code == 2 && twice.stderr.contains("leave out --system"), "{twice}");
    let wrong = folder.run(&["list", "rings"]);
    assert!(wrong.code == 2 && wrong.stderr.contains("systems: ring"), "{wrong}");
}

#[test]
fn the_schema_is_written_where_it_is_asked_for() {
    let folder = Folder::new("schema");
    let printed = folder.run(&["schema"]).stdout;
    serde_json::from_str::<serde_json::Value>(&printed).expect("the schema is JSON");
    let shown = folder.run(&["schema", "--write", "x.json"]);
    assert_eq!((shown.code, shown.stderr.as_str()), (0, "written: x.json\n"));
    assert_eq!(crate::support::stable(&folder.read("x.json")), printed);
    assert_eq!(folder.run(&["schema", "--write", "no/where.json"]).code, 110);
}

#[test]
fn shells_get_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let shown = Folder::new("completions").run(&["completions", shell]);
        assert!(shown.code == 0 && shown.stdout.contains("toy"), "{shown}");
    }
}

#[test]
fn a_replay_leaves_the_recording_that_it_replays_alone() {
    let folder = Folder::new("replay_apart").with("boast", &boast());
    folder.run(&["test"]);
    let summary = folder.read("reports/ring/boast/0/summary.json");
    folder.run(&["replay", "reports/ring/boast/0", "--edited", "--out", "reports"]);
    assert_eq!(folder.read("reports/ring/boast/0/summary.json"), summary);
    assert!(folder.exists("reports/ring/boast/0-replayed/summary.json"));
}

#[test]
fn more_jobs_than_runs_are_not_started() {
    let folder = Folder::new("many_jobs").with("calm", &calm());
    let shown = folder.run(&["test", "-j", "99999999999"]);
    assert_eq!(shown.code, 0, "{shown}");
}

/// The lines of a timeline, without what stands around it.
fn timeline(shown: &crate::support::Shown) -> Vec<&str> {
    let (_, after) = shown.stdout.split_once("\ntimeline\n").expect("a run shows its timeline");
    let (lines, _) = after.split_once("\n\n").expect("the outcome follows");
    lines.lines().map(str::trim).collect()
}

#[test]
fn a_part_of_a_run_can_be_asked_for() {
    let folder = Folder::new("run_part").with("boast", &boast());
    let run = |more: &[&str]| folder.run(&[&["run", "scenarios/ring/boast.toml"], more].concat());
    let story = run(&[]);
    assert!(timeline(&story).iter().any(|line| line.contains("▼ quarrel cut s1 <-> s3")), "{story}");
    assert!(!story.stdout.contains("\noptions\n"), "nobody asked for options: {story}");
    let options = run(&["--options"]);
    assert!(options.stdout.contains("\noptions\n  seed = 0\n"), "{options}");
    assert_eq!(timeline(&options), timeline(&story));

    let sent = run(&["--kind", "sent", "--kind", "lost"]);
    let lines = timeline(&sent);
    let (shown, last) = lines.split_at(lines.len() - 1);
    assert!(!shown.is_empty() && shown.iter().all(|line| line.contains("→ ") || line.contains("⇸ ")), "{sent}");
    assert!(last[0].ends_with(" entries of other nodes, times or kinds)"), "{sent}");

    let part = run(&["--all", "--node", "s2", "--from", "200ms", "--until", "201ms"]);
    let lines = timeline(&part);
    let (shown, _) = lines.split_at(lines.len() - 1);
    assert!(shown.len() >= 3 && shown.iter().all(|line| line.starts_with("0.20") && line.contains("s2")), "{part}");
    assert!(shown.iter().any(|line| line.contains("timer greet")), "all is every entry: {part}");

    // The same of the folder that it left.
    let kept = folder.run(&["show", "reports/ring/boast/0", "--kind", "sent", "--kind", "lost"]);
    assert_eq!(timeline(&kept), timeline(&sent));
    let kept = folder.run(&["show", "reports/ring/boast/0"]);
    assert_eq!(timeline(&kept), timeline(&story));

    for (wrong, said) in [
        (&["--node", "s9"][..], "--node s9: there is no such node, there are s1, s2, s3"),
        (&["--from", "2s", "--until", "1s"], "--from 2.000000s is after --until 1.000000s"),
        (&["--kind", "sung"], "expected one of start, message, connection, "),
        (&["--all", "--timeline", "none"], "cannot be used with"),
    ] {
        let refused = run(wrong);
        assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{refused}");
        assert!(refused.stderr.contains(said), "{refused}");
    }
}

/// Each entry is a line with the keys of a recording, if entries are asked for.
#[test]
fn programs_get_the_entries_that_they_ask_for() {
    let folder = Folder::new("run_entries").with("boast", &boast());
    assert_eq!(folder.run(&["test"]).code, 100);
    let run = |more: &[&str]| {
        let shown = folder.run(&[&["run", "scenarios/ring/boast.toml", "--message-format", "json"], more].concat());
        let lines = shown.stdout.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
        lines.filter(|line| line["type"] == "entry").collect::<Vec<_>>()
    };
    assert!(run(&[]).is_empty(), "nobody asked");
    let faults = run(&["--kind", "fault"]);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!((&faults[0]["name"], &faults[0]["at_ns"]), (&"quarrel".into(), &50_000_000.into()));
    let recorded = folder.read("reports/ring/boast/0/trace.jsonl");
    let all = run(&["--all"]);
    assert_eq!(all.len(), recorded.lines().count() - 1, "all but the header");
    for (line, mut entry) in recorded.lines().skip(1).zip(all) {
        let fields = entry.as_object_mut().expect("an object");
        assert_eq!((fields.remove("v"), fields.remove("type")), (Some(1.into()), Some("entry".into())));
        assert_eq!(serde_json::from_str::<serde_json::Value>(line).expect("JSON"), entry);
    }
}
