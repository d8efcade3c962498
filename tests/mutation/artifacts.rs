//! Two hundred damaged folders of a run, each replayed or shown by the program.

use std::fs;
use std::path::{Path, PathBuf};

use crate::generate::{Numbers, damage_bytes, damage_tokens};
use crate::program;

const MUTANTS: usize = 200;
const SEED: u64 = 20_132;

/// Small, so that its folder is; with faults, operations and clocks in its plan; and broken with its first seed.
const SCENARIO: &str = r#"
format = 1
system = "raft"
cluster = { servers = 3, clients = 1 }
raft = { bug = "vote_not_persisted" }

[workload]
kind = "propose"
rate = "5/s"

[[fault]]
every = "700ms"
crash = "leader"
for = "200ms"

[[fault]]
every = "900ms"
weather = { links = "* -> *", loss = "20%" }
for = "300ms"

[run]
duration = "3s"
seeds = 1

[expect]
leader_changes = { at_least = 1000000 }
"#;

/// The files of a run.
const FILES: [&str; 6] =
    ["summary.json", "plan.toml", "trace.jsonl", "history.jsonl", "scenario.toml", "resolved.toml"];

/// What is asked of a damaged folder.
const ASKED: [&[&str]; 5] = [
    &["replay", "run", "--timeline", "none", "--timeout", "20s"],
    &["replay", "run", "--edited", "--timeline", "none", "--timeout", "20s"],
    &["replay", "run", "--force", "--timeline", "none", "--timeout", "20s"],
    &["show", "run", "--all"],
    &["replay", "run", "--workload", "live", "--message-format", "json", "--timeout", "20s"],
];

/// The folder of a run that was not as expected.
fn recorded(home: &Path) -> PathBuf {
    fs::create_dir_all(home).expect("a folder can be made");
    fs::write(home.join("small.toml"), SCENARIO).expect("a file can be written");
    let (code, told) = program::run(home, &["test", "small.toml"]);
    assert_eq!(code, 100, "{told}");
    home.join("reports/small/0")
}

fn damaged(file: &str, whole: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let text = std::str::from_utf8(whole).expect("files of a run are text");
    match numbers.below(10) {
        0 => Vec::new(),
        1 => whole[..numbers.below(whole.len())].to_vec(),
        2..6 => damage_bytes(whole, numbers),
        6..9 => damage_tokens(text, text, numbers).into_bytes(),
        // What is nested deeply is no text of ours.
        _ if file.ends_with(".toml") => format!("a = {}", "[".repeat(100_000)).into_bytes(),
        _ => "[".repeat(100_000).into_bytes(),
    }
}

#[test]
fn two_hundred_damaged_artifacts_end_with_a_documented_code() {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutated-artifacts");
    let whole = recorded(&home);
    let (run, mut numbers) = (home.join("run"), Numbers(SEED));
    fs::create_dir_all(&run).expect("a folder can be made");
    let contents = FILES.map(|file| fs::read(whole.join(file)).unwrap_or_else(|error| panic!("{file}: {error}")));
    let restore = || {
        for (file, content) in FILES.iter().zip(&contents) {
            fs::write(run.join(file), content).expect("a file can be written");
        }
    };
    restore();
    let (code, told) = program::run(&home, ASKED[0]);
    assert_eq!(code, 100, "the folder that is not damaged replays: {told}");
    let mut codes = std::collections::BTreeMap::new();
    for index in 0..MUTANTS {
        let file = numbers.below(FILES.len());
        let mutant = damaged(FILES[file], &contents[file], &mut numbers);
        fs::write(run.join(FILES[file]), mutant).expect("a file can be written");
        let asked = numbers.of(&ASKED);
        let (code, told) = program::run(&home, asked);
        // 103 is a panic, or a run that does not end.
        assert!([0, 2, 3, 100, 102, 105].contains(&code), "mutant {index}, {}: {code}\n{told}", FILES[file]);
        *codes.entry(code).or_insert(0) += 1;
        fs::write(run.join(FILES[file]), &contents[file]).expect("a file can be written");
    }
    for code in [2, 100, 105] {
        assert!(codes.get(&code).copied().unwrap_or(0) >= 10, "the codes were {codes:?}");
    }
}
