//! Goal: what a library says through `tracing` stands in the timeline of a failing run, with its virtual time and its
//! node. Method: `run` prints one in which foca does what it should not, and a golden has what it prints.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "it starts the program, as a person does"
)]

use std::path::Path;
use std::process::Command;

/// s5 finds that s1 does not answer and begins a suspicion; s1 goes on and refutes it; s5 tells s1 that it is down.
#[test]
fn the_lines_of_a_library_stand_in_the_timeline_of_a_failing_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut run = Command::new(env!("CARGO_BIN_EXE_splitbrain-adapters"));
    run.current_dir(folder).args(["run", "scenarios/foca/refuted_suspicion.toml", "--seed", "0"]);
    run.args(["--log", "debug", "--node", "s5", "--from", "20s"]);
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "SPLITBRAIN_LOG"] {
        run.env_remove(name);
    }
    let output = run.output().expect("the program starts");
    assert!(output.status.success(), "the scenario expects it: {}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).expect("it prints text");
    let (build, printed) = printed.split_once('\n').expect("there are several lines");
    assert!(build.starts_with("build: "), "{build}");

    let golden = folder.join("tests/golden/refuted_suspicion.txt");
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        std::fs::write(&golden, printed).expect("it can be written");
    }
    let expected = std::fs::read_to_string(&golden).expect("there is a golden");
    assert_eq!(printed, expected, "INSTA_UPDATE=always makes it anew");
}
