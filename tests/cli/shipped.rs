//! The shipped binary: its help, its version, its systems.

use crate::golden;
use crate::support::{Folder, Shown, shown};

fn splitbrain(test: &str, arguments: &[&str]) -> Shown {
    shown(&Folder::new(test).shipped(arguments).output().expect("the binary starts"))
}

#[test]
fn help_says_what_there_is() {
    golden!("help", splitbrain("shipped_help", &["--help"]));
    for verb in ["test", "run", "replay", "diff", "history", "check", "list", "schema", "serve", "completions"] {
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

/// Faults, orders and operations of every kind: an exact replay comes to each entry of its plan.
#[test]
fn an_exact_replay_leaves_no_entry_of_its_plan_undone() {
    let folder = Folder::new("shipped_replay");
    let run = |arguments: &[&str]| shown(&folder.shipped(arguments).output().expect("the binary starts"));
    for name in ["swarm_nuraft.toml", "drift_against_expiry.toml", "bugs/vote_not_persisted.toml#every_invariant"] {
        let file = format!("{}/scenarios/raft/{name}", env!("CARGO_MANIFEST_DIR"));
        let told = run(&["run", &file, "--seed", "3", "--out", "kept", "--timeline", "none"]);
        let (_, at) = told.stdout.rsplit_once("replay: splitbrain replay ").expect("a run with --out can be replayed");
        let at = at.lines().next().unwrap_or_default().trim_matches('\'');
        let again = run(&["replay", at, "--timeline", "none"]);
        assert_eq!(again.stderr, "replayed: the same run, digest for digest\n", "{name}");
        assert_eq!(again.code, told.code, "{name}");
    }
}

/// Goal: a live replay asks the workload, whatever the plan says of operations. Method: a kept plan without them.
#[test]
fn a_live_replay_asks_the_workload_and_not_the_plan() {
    let folder = Folder::new("shipped_live");
    let run = |arguments: &[&str]| shown(&folder.shipped(arguments).output().expect("the binary starts"));
    let file = format!("{}/scenarios/raft/clients_refused.toml", env!("CARGO_MANIFEST_DIR"));
    run(&["run", &file, "--seed", "3", "--out", "kept", "--timeline", "none"]);
    let at = "kept/raft/clients_refused/3";
    let live = ["replay", at, "--workload", "live", "--timeline", "none"];
    assert_eq!(run(&live).stderr, "replayed: the same run, digest for digest\n");
    let plan = folder.read(&format!("{at}/plan.toml"));
    let (without_operations, _) = plan.split_once("[[operation]]").expect("clients were asked for operations");
    folder.write(&format!("{at}/plan.toml"), without_operations);
    let idle = run(&["replay", at, "--edited", "--timeline", "none"]);
    assert!(idle.stderr.starts_with("replayed: another run"), "{idle}");
    let asked = run(&[&live[..], &["--edited"]].concat());
    assert_eq!((asked.code, asked.stderr.as_str()), (0, "replayed: the same run, digest for digest\n"), "{asked}");
    let wrong = run(&["replay", at, "--workload", "dead"]);
    assert!(wrong.code == 2 && wrong.stderr.contains("expected \"plan\" or \"live\""), "{wrong}");
}

/// A scenario of a kind of fault is about what the fault does: without it, it is not as expected, or inconclusive.
#[test]
fn a_scenario_of_a_kind_of_fault_fails_without_the_kind() {
    let folder = Folder::new("shipped_kinds");
    let run = |arguments: &[&str]| shown(&folder.shipped(arguments).output().expect("the binary starts"));
    for (name, id) in [
        ("raft/disks_hang", "hang"),
        ("raft/wiped_majority", "wipe"),
        ("raft/suspended_leader", "suspend"),
        ("raft/links_hold_few_packets", "narrow"),
        ("raft/old_packets_again", "replay"),
        ("lock/old_write_again", "replay"),
        ("lock/old_write_again_fenced", "replay"),
        ("raft/clients_refused", "refuse"),
        ("raft/correlated_crashes", "power"),
        ("raft/bugs/recovered_not_synced", "succession"),
        ("lock/machines_keep_torn_tails", "machines"),
    ] {
        let path = format!("{}/scenarios/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).expect("it is shipped");
        folder.write("as_shipped.toml", &text);
        let shipped = run(&["test", "as_shipped.toml"]);
        assert_eq!(shipped.code, 0, "{name}: {shipped}");
        let changed = without(&text, id);
        assert_ne!(changed, text, "{name} has this fault");
        folder.write("changed.toml", &changed);
        let shown = run(&["test", "changed.toml"]);
        assert!(matches!(shown.code, 100 | 3), "{name} without {id}: {shown}");
    }
}

/// It is about this kind and no other: with the kind that is most like it instead, it is not as expected either.
#[test]
fn a_scenario_of_a_kind_of_fault_fails_with_the_nearest_relative_instead() {
    let folder = Folder::new("shipped_relatives");
    let run = |arguments: &[&str]| shown(&folder.shipped(arguments).output().expect("the binary starts"));
    let duplicates = "weather = { links = \"every client -> resource1\", duplication = \"100%\", \
                      reordering = \"50%\" }\nfor = \"1s\"";
    let replay = r#"replay = { links = "every client -> resource1", older_than = "15s" }"#;
    for (name, kind, relative) in [
        ("raft/disks_hang", r#"fault = "hang""#, r#"fault = "slow", by = "100ms""#),
        ("raft/disks_hang", r#"fault = "hang""#, r#"fault = "io""#),
        ("raft/wiped_majority", r#"fault = "wipe""#, r#"fault = "lose""#),
        ("raft/wiped_majority", r#"fault = "wipe""#, r#"fault = "lose", file = 1"#),
        ("raft/suspended_leader", "suspend = ", "pause = "),
        ("raft/suspended_leader", "suspend = ", "clock_freeze = "),
        ("raft/links_hold_few_packets", "capacity = 1", r#"loss = "20%""#),
        ("raft/links_hold_few_packets", "capacity = 1", r#"bandwidth = "5kB/s""#),
        ("lock/old_write_again", replay, duplicates),
        ("lock/old_write_again_fenced", replay, duplicates),
        ("raft/clients_refused", "refuse = ", "cut = "),
        ("raft/correlated_crashes", r#""power_loss""#, r#""machine_crash""#),
        ("raft/correlated_crashes", r#""power_loss""#, r#""crash_twice""#),
        ("raft/bugs/recovered_not_synced", r#""crash_twice""#, r#""crash""#),
        ("raft/bugs/recovered_not_synced", r#""crash_twice""#, r#""harsh_crash""#),
        ("lock/machines_keep_torn_tails", r#""harsh_crash""#, r#""machine_crash""#),
        ("lock/machines_keep_torn_tails", r#""harsh_crash""#, r#""crash""#),
    ] {
        let path = format!("{}/scenarios/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).expect("it is shipped");
        assert_eq!(text.matches(kind).count(), 1, "{name} has {kind} once");
        folder.write("changed.toml", &text.replace(kind, relative));
        let shown = run(&["test", "changed.toml"]);
        assert!(matches!(shown.code, 100 | 3), "{name} with {relative} in place of {kind}: {shown}");
    }
}

/// The scenario without the table of this fault.
fn without(text: &str, id: &str) -> String {
    let line = format!("id = \"{id}\"");
    let tables: Vec<&str> = text.split("\n\n").filter(|table| !table.lines().any(|one| one == line)).collect();
    tables.join("\n\n")
}
