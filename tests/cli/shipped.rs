//! The shipped binary: its help, its version, its systems.

use crate::golden;
use crate::support::{Folder, Shown, shown};

fn splitbrain(test: &str, arguments: &[&str]) -> Shown {
    shown(&Folder::new(test).shipped(arguments).output().expect("the binary starts"))
}

#[test]
fn help_says_what_there_is() {
    golden!("help", splitbrain("shipped_help", &["--help"]));
    for verb in ["test", "run", "replay", "check", "list", "schema", "completions"] {
        golden!(format!("help_{verb}"), splitbrain("shipped_help", &[verb, "--help"]));
    }
}

#[test]
fn the_version_names_the_build() {
    let shown = splitbrain("shipped_version", &["--version"]);
    assert_eq!(shown.stdout, "splitbrain [build]\n");
}

#[test]
fn the_shipped_systems_are_there() {
    let shown = splitbrain("shipped_list", &["list", "systems"]);
    assert!(shown.stdout.starts_with("raft  "), "{shown}");
}

#[test]
fn usage_errors_name_what_is_wrong() {
    golden!("usage", splitbrain("shipped_usage", &["test", "--sed", "1"]));
}
