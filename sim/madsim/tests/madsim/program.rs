//! The program: the same commands, output and exit codes as the kernel's.

use std::path::PathBuf;
use std::process::{Command, Output};

fn program(arguments: &[&str]) -> Output {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut command = Command::new(env!("CARGO_BIN_EXE_splitbrain-madsim"));
    command.current_dir(root).args(arguments).output().expect("the program starts")
}

fn told(output: &Output) -> (Option<i32>, String) {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.code(), String::from_utf8(text).expect("the program prints UTF-8"))
}

#[test]
fn two_processes_have_the_same_digest() {
    let run = || {
        let output = program(&["run", "scenarios/raft/swarm_etcd.toml", "--seed", "7", "--message-format", "json"]);
        assert_eq!(output.status.code(), Some(0), "{}", told(&output).1);
        String::from_utf8(output.stdout).expect("the program prints UTF-8")
    };
    let (first, second) = (run(), run());
    assert!(first.contains("\"digest\":\""), "{first}");
    assert_eq!(first, second);
}

#[test]
fn it_judges_and_lists_as_the_other_program_does() {
    let scenario = "scenarios/raft/bugs/no_up_to_date_check.toml#every_invariant";
    let (code, text) = told(&program(&["test", scenario]));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("vote_soundness found, seeds-to-find"), "{text}");
    assert_eq!(program(&["check", "scenarios"]).status.code(), Some(0));
    let (code, text) = told(&program(&["list"]));
    assert!(code == Some(0) && text.contains("raft"), "{text}");
    assert_eq!(program(&["test", "nowhere.toml"]).status.code(), Some(2));
    assert_eq!(program(&["check", "tests/malformed/form_date.toml"]).status.code(), Some(105));
}

#[test]
fn a_kept_run_is_replayed_digest_for_digest() {
    let folder = std::env::temp_dir().join(format!("splitbrain-madsim-{}", std::process::id()));
    let out = folder.to_str().expect("a folder with a plain name");
    let scenario = "scenarios/raft/bugs/no_up_to_date_check.toml#every_invariant";
    let (code, text) = told(&program(&["run", scenario, "--seed", "0", "--out", out]));
    assert_eq!(code, Some(0), "{text}");
    let kept = folder.join("raft/bugs/no_up_to_date_check#every_invariant/0");
    let (code, text) = told(&program(&["replay", kept.to_str().expect("a folder with a plain name")]));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("digest for digest"), "{text}");
    let summary = std::fs::read_to_string(kept.join("summary.json")).expect("the folder is whole");
    let of_the_kernel = summary.replace("\"engine\": \"madsim\"", "\"engine\": \"kernel\"");
    assert_ne!(summary, of_the_kernel);
    std::fs::write(kept.join("summary.json"), of_the_kernel).expect("it can be written");
    let (code, text) = told(&program(&["replay", kept.to_str().expect("a folder with a plain name")]));
    assert!(code == Some(2) && text.contains("the recording is of the engine kernel, this is madsim"), "{text}");
    std::fs::remove_dir_all(&folder).expect("the folder is there");
}
