//! One file with several scenarios: each is judged on its own, named, kept and replayed as one.

use crate::golden;
use crate::scenarios::{boast, calm};
use crate::support::{Folder, Shown, shown};

/// Three variants: of two something is wrong with s2, and the last does not expect it.
fn three() -> String {
    let base = boast().replace("Something is wrong with s2.", "What s2 says.");
    let expect = "[expect]\n\n";
    assert!(base.contains(expect), "{base}");
    let variants = "[[variant]]\nname = \"modest\"\ngoal = \"Nothing is wrong with s2.\"\n\
        [variant.ring]\nflaw = \"none\"\n\n\
        [[variant]]\nname = \"found\"\n[variant.expect]\nviolates = \"modesty\"\n\n\
        [[variant]]\nname = \"missed\"\nwithout = [\"fault.quarrel\"]\n[variant.run]\nseeds = 2\n";
    format!("{}\n{variants}", base.replace(expect, ""))
}

fn folder(test: &str) -> Folder {
    Folder::new(test).with("s2", &three())
}

#[test]
fn each_variant_is_a_case_of_its_own() {
    let folder = folder("variants");
    golden!("variants_check", folder.run(&["check"]));
    let arguments = ["test", "--junit", "junit.xml", "--check-determinism=0%"];
    golden!("variants_test", folder.run(&arguments));
    golden!("variants_junit", folder.read("junit.xml"));
    let json = folder.run(&["test", "--message-format", "json"]);
    let scenarios: Vec<&str> = json.stdout.lines().filter(|line| line.contains("\"type\":\"scenario\"")).collect();
    for (line, name) in scenarios.iter().zip(["modest", "found", "missed"]) {
        assert!(line.contains(&format!("\"scenario\":\"scenarios/ring/s2.toml#{name}\"")), "{line}");
        assert!(line.contains(&format!("\"name\":\"ring/s2#{name}\"")), "{line}");
    }
}

/// The codes of a call for what these arguments name.
fn code(folder: &Folder, arguments: &[&str]) -> Shown {
    folder.run(&[&["test", "--max-fail", "all"], arguments].concat())
}

#[test]
fn variants_are_picked_by_their_names() {
    let folder = folder("variants_picked").with("calm", &calm());
    for (arguments, cases, expected) in [
        (&["scenarios/ring/s2.toml#modest"][..], 1, 0),
        (&["scenarios/ring/s2.toml#modest", "scenarios/ring/s2.toml#found"], 2, 0),
        (&["scenarios/ring/s2.toml#modest", "scenarios/ring"], 4, 100),
        (&["-E", "name(#found) or name(calm)"], 2, 0),
        (&["--skip", "#missed"], 3, 0),
    ] {
        let shown = code(&folder, &[arguments, &["--junit", "junit.xml"]].concat());
        assert_eq!(shown.code, expected, "{arguments:?}: {shown}");
        assert_eq!(folder.read("junit.xml").matches("<testcase").count(), cases, "{arguments:?}");
    }
    let shown = code(&folder, &["scenarios/ring/s2.toml#modst"]);
    assert!(shown.code == 105 && shown.stderr.contains("did you mean \"modest\"?"), "{shown}");
    let shown = code(&folder, &["scenarios/ring/calm.toml#modest"]);
    assert!(shown.code == 105 && shown.stderr.contains("the file states none"), "{shown}");
    let shown = code(&folder, &["scenarios#modest"]);
    assert!(shown.code == 2 && shown.stderr.contains("is a folder"), "{shown}");
    let shown = folder.run(&["run", "scenarios/ring/s2.toml"]);
    assert!(shown.code == 105 && shown.stderr.contains("s2.toml#modest (they are modest, found, missed)"), "{shown}");
}

/// What is kept of a run says by itself which variant it is of.
#[test]
fn a_kept_run_of_a_variant_is_replayed() {
    let folder = folder("variants_kept");
    let shown = code(&folder, &[]);
    assert_eq!(shown.code, 100, "{shown}");
    let kept = "reports/ring/s2#missed/0";
    assert!(folder.read(&format!("{kept}/scenario.toml")).ends_with("\n[[picked]]\nvariant = \"missed\"\n"));
    assert!(!folder.read(&format!("{kept}/resolved.toml")).contains("[[variant"));
    let shown = folder.run(&["replay", kept]);
    assert!(shown.stderr.contains("the same run, digest for digest") && shown.code == 100, "{shown}");
    let shown = folder.run(&["test", &format!("{kept}/scenario.toml")]);
    assert_eq!(shown.code, 100, "{shown}");
    let of_file = folder.run(&["replay", "scenarios/ring/s2.toml#missed", "--plan", &format!("{kept}/plan.toml")]);
    assert!(of_file.stderr.contains("the same run, digest for digest"), "{of_file}");
    let other = folder.run(&["replay", "scenarios/ring/s2.toml#found", "--plan", &format!("{kept}/plan.toml")]);
    assert!(other.code == 2 && other.stderr.contains("the recording is of another scenario"), "{other}");
}

/// What is wrong with one variant names it; what is wrong with all of them is said once.
#[test]
fn what_is_wrong_with_a_variant_names_it() {
    let wrong = three().replace("flaw = \"none\"", "flaw = \"nonne\"\nflow = 1").replace("latency", "latancy");
    let folder = Folder::new("variants_wrong").with("s2", &wrong);
    golden!("variants_wrong", folder.run(&["check"]));
}

/// Three ways to deal with a server that was removed and does not know of it, in one shipped file.
#[test]
fn a_shipped_file_with_three_variants_is_judged_as_three() {
    let folder = Folder::new("variants_shipped");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/raft/removed_server.toml");
    let arguments = ["test", path, "--seeds", "0..2", "--junit", "junit.xml"];
    let run = shown(&folder.shipped(&arguments).output().expect("the binary starts"));
    assert_eq!(run.code, 0, "{run}");
    let cases = folder.read("junit.xml").replace(concat!(env!("CARGO_MANIFEST_DIR"), "/"), "");
    golden!("variants_shipped_junit", cases);
}
