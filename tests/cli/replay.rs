//! `replay` of what is not quite the recording: another seed, an edited plan, a plan that is wrong.

use crate::golden;
use crate::scenarios::{boast, calm, flawed};
use crate::support::Folder;

const AT: &str = "reports/ring/boast/0";
const PLAN: &str = "reports/ring/boast/0/plan.toml";

/// A folder with a failing run, and its plan.
fn recorded(test: &str) -> (Folder, String) {
    let folder = Folder::new(test).with("boast", &boast());
    assert_eq!(folder.run(&["test"]).code, 100);
    let plan = folder.read(PLAN);
    (folder, plan)
}

#[test]
fn a_folder_is_not_compared_with_another_seed() {
    let (folder, _) = recorded("replay_seed");
    let shown = folder.run(&["replay", AT, "--seed", "0x0", "--timeline", "none"]);
    assert_eq!((shown.code, shown.stderr.as_str()), (100, "replayed: the same run, digest for digest\n"));
    let shown = folder.run(&["replay", AT, "--seed", "3"]);
    assert_eq!(shown.code, 2, "{shown}");
    assert!(shown.stderr.contains("the recording is of seed 0, not 3"), "{shown}");
    let file = ["replay", "scenarios/ring/boast.toml", "--plan", PLAN, "--seed", "3"];
    assert_eq!(folder.run(&file).code, 2, "a plan in its folder has a seed too");
    let shown = folder.run(&["replay", AT, "--seed", "3", "--force", "--timeline", "none"]);
    assert_eq!(shown.code, 100, "{shown}");
    assert!(shown.stderr.ends_with("replayed: not compared, as the recording is of seed 0\n"), "{shown}");
}

#[test]
fn a_file_of_a_folder_is_not_the_folder() {
    let (folder, _) = recorded("replay_file_of_folder");
    for file in ["plan.toml", "scenario.toml"] {
        let shown = folder.run(&["replay", &format!("{AT}/{file}")]);
        assert!(shown.code == 2 && shown.stderr.contains("name the folder: replay reports/ring/boast/0"), "{shown}");
    }
}

#[test]
fn a_plan_that_is_wrong_is_told_as_a_scenario_is() {
    let (folder, plan) = recorded("replay_wrong_plan");
    folder.write(PLAN, "format = 1\n[[fault]\n");
    let shown = folder.run(&["replay", AT]);
    assert_eq!(shown.code, 105);
    assert!(shown.stderr.contains("reports/ring/boast/0/plan.toml:2:"), "{shown}");
    assert!(!shown.stderr.contains("--edited"), "what is wrong comes first: {shown}");
    let wrong = plan.replace("s1 -> s3", "s1 -> s1").replace("s3 -> s1", "s9 -> s1").replace("in_flight", "in_fligth");
    folder.write(PLAN, &wrong);
    golden!("replay_wrong_plan", folder.run(&["replay", AT, "--edited"]));
    folder.write(PLAN, &wrong.replace("in_fligth", "in_flight"));
    let shown = folder.run(&["replay", AT, "--edited", "--message-format", "json"]);
    golden!("replay_wrong_plan_json", shown);
    folder.write(PLAN, &plan.replace("s3 -> s1", "s9 -> s1"));
    assert_eq!(folder.run(&["replay", AT, "--edited"]).code, 105);
    assert_eq!(
        folder.run(&["replay", AT, "--edited", "--force"]).code,
        100,
        "nodes that are not there are passed over"
    );
}

#[test]
fn what_an_edited_plan_never_comes_to_is_told_with_its_line() {
    let (folder, plan) = recorded("replay_never_due");
    let late = plan.replace("at = \"50ms\"", "at = \"5s\"").replace("at = \"0.05s\"", "at = \"5s\"");
    assert_ne!(late, plan, "the fault starts at 50 ms:\n{plan}");
    let more = "\n[[override]]\nsite = { packet = \"s1 -> s2\" }\nordinal = 500\ndecision = \"drop\"\n";
    folder.write(PLAN, &(late + more));
    let shown = folder.run(&["replay", AT, "--edited", "--timeline", "none"]);
    golden!("replay_never_due", shown);
}

#[test]
fn a_replay_that_goes_otherwise_says_so() {
    let (folder, plan) = recorded("replay_otherwise");
    // Nobody greets s2, so it does not boast.
    folder.write(PLAN, &plan.replace("s3 -> s1", "s1 -> s2"));
    golden!("replay_otherwise", folder.run(&["replay", AT, "--edited", "--timeline", "none"]));
    golden!("replay_otherwise_json", folder.run(&["replay", AT, "--edited", "--message-format", "json"]));
    folder.write(PLAN, &plan);
    let shown = folder.run(&["replay", AT, "--message-format", "json"]);
    assert!(shown.stdout.contains("\"same\":true") && shown.stdout.contains("\"never_due\":[]"), "{shown}");
}

#[test]
fn a_digest_that_differs_is_in_the_exit_code_that_programs_read() {
    let (folder, _) = recorded("replay_json_diverged");
    let path = format!("{AT}/summary.json");
    let summary: serde_json::Value = serde_json::from_str(&folder.read(&path)).expect("it is JSON");
    let digest = summary["digest"].as_str().expect("a digest is text").to_owned();
    folder.write(&path, &folder.read(&path).replace(&digest, &"0".repeat(32)));
    let shown = folder.run(&["replay", AT, "--message-format", "json"]);
    assert_eq!(shown.code, 102);
    assert!(shown.stdout.contains("\"same\":false") && shown.stdout.contains("\"exit_code\":102"), "{shown}");
}

#[test]
fn a_folder_is_whole_or_not_there() {
    let folder = Folder::new("whole").with("calm", &calm()).with("hang", &flawed("hang", ""));
    let out = ["--out", "kept", "--timeline", "none"];
    let shown = folder.run(&[&["run", "scenarios/ring/hang.toml", "--timeout", "300ms"][..], &out].concat());
    assert_eq!(shown.code, 103, "{shown}");
    assert_eq!(folder.entries("kept/ring/hang"), [""; 0], "what hangs leaves nothing half-written");
    for _ in 0..2 {
        assert_eq!(folder.run(&[&["run", "scenarios/ring/calm.toml"][..], &out].concat()).code, 0);
        assert_eq!(folder.entries("kept/ring/calm"), ["0"]);
        folder.write("kept/ring/calm/0/note.txt", "mine");
    }
    assert_eq!(folder.read("kept/ring/calm/0/note.txt"), "mine", "what is not ours stays");
    assert_eq!(folder.run(&["replay", "kept/ring/calm/0", "--timeline", "none"]).code, 0);
    // Where the place is taken, the run is told all the same.
    folder.write("kept/ring/calm/7", "a file");
    let shown = folder.run(&[&["run", "scenarios/ring/calm.toml", "--seed", "7"][..], &out].concat());
    assert!(shown.code == 110 && shown.stdout.contains("outcome: passed"), "{shown}");
    assert!(shown.stderr.contains("cannot write the folder of the run"), "{shown}");
    assert_eq!(folder.entries("kept/ring/calm"), ["0", "7"]);
    assert_eq!(folder.read("kept/ring/calm/7"), "a file");
}

/// What is printed to copy carries out the run that was shown, and not the one that was recorded.
#[test]
fn the_line_to_copy_after_an_edit_is_the_one_that_was_typed() {
    let (folder, plan) = recorded("replay_again");
    folder.write(PLAN, &format!("{plan}# as it was\n"));
    let shown = folder.run(&["replay", AT, "--edited", "--timeline", "none"]);
    assert_eq!(shown.code, 100, "{shown}");
    let copied = "  replay: toy replay reports/ring/boast/0 --edited\n";
    assert!(shown.stdout.ends_with(copied), "no line opens the recording of another run: {shown}");
    // With a folder of its own it is a recorded run.
    let shown = folder.run(&["replay", AT, "--edited", "--timeline", "none", "--out", "edited"]);
    assert!(shown.stdout.contains("  replay: toy replay edited/ring/boast/0\n"), "{shown}");
}

#[test]
fn a_recorded_run_is_no_scenario() {
    let (folder, _) = recorded("replay_no_scenario");
    for file in ["", "/plan.toml", "/trace.jsonl"] {
        let path = format!("{AT}{file}");
        let shown = folder.run(&["test", &path]);
        assert!(shown.code == 2 && shown.stderr.contains("of a recorded run: replay reports/ring/boast/0"), "{shown}");
        if !file.is_empty() {
            let shown = folder.run(&["replay", &path, "--seed", "1"]);
            assert!(
                shown.code == 2 && shown.stderr.contains("name the folder: replay reports/ring/boast/0"),
                "{shown}"
            );
        }
    }
}

/// The scenario that it was made from may be another one by now, or gone.
#[test]
fn what_is_wrong_with_the_scenario_of_a_folder_is_placed_there() {
    let (folder, _) = recorded("replay_wrong_scenario");
    let file = format!("{AT}/scenario.toml");
    let text = folder.read(&file);
    std::fs::remove_file(folder.path("scenarios/ring/boast.toml")).expect("it is there");
    for (wrong, line) in [(text.replace("servers = 3", "servers = 0"), 6), (text.replace("flaw =", "flew ="), 16)] {
        assert_ne!(wrong, text);
        folder.write(&file, &wrong);
        for command in [&["replay", AT][..], &["diff", AT]] {
            let shown = folder.run(command);
            assert_eq!(shown.code, 105, "{command:?}: {shown}");
            assert!(shown.stderr.contains(&format!("--> {file}:{line}:")), "{command:?}: {shown}");
            assert!(!shown.stderr.contains("scenarios/ring/boast.toml"), "{command:?}: {shown}");
        }
        let json = folder.run(&["replay", AT, "--message-format", "json"]);
        assert!(json.stdout.contains(&format!("\"scenario\":\"{file}\"")), "{json}");
    }
    // One that is right is called after what it was made from.
    folder.write(&file, &text);
    let shown = folder.run(&["replay", AT, "--timeline", "none"]);
    assert!(shown.code == 100 && shown.stdout.contains("scenario: scenarios/ring/boast.toml"), "{shown}");
}
