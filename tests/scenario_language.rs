//! Goal: what people and editors are told of the language is what the decoder reads. Method: the reference and the
//! schema in docs/ are what the build makes of its table of keys, and every shipped scenario fits both schema and
//! decoder. `just golden` makes the two files again.

#[path = "support/json_schema.rs"]
mod json_schema;

use std::path::{Path, PathBuf};

use splitbrain::scenario::{
    OptionKind, Picks, Scenario, SystemDescription, load, load_all, notes, reference, refuse_idle, schema, verify,
};
use splitbrain_kernel::options::ValueKind;
use splitbrain_systems::chat::Chat;
use splitbrain_systems::lock::Lock;
use splitbrain_systems::raft::Raft;
use splitbrain_systems::reactor::Reactor;
use splitbrain_systems::session::Sessions;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn systems() -> Vec<SystemDescription> {
    vec![
        SystemDescription::of::<Raft>(),
        SystemDescription::of::<Reactor>(),
        SystemDescription::of::<Lock>(),
        SystemDescription::of::<Sessions>(),
        SystemDescription::of::<Chat>(),
    ]
}

/// Whether a file is what the build makes of it; written anew where goldens are made again.
fn check_file(path: &Path, expected: &str) {
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        std::fs::write(path, expected).expect("the file can be written");
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(found == expected, "{} is out of date: make it again with `just golden`", path.display());
}

#[test]
fn the_schema_file_is_the_schema() {
    let text = serde_json::to_string_pretty(&schema(&systems())).expect("JSON") + "\n";
    check_file(&root().join("docs/scenario.schema.json"), &text);
}

#[test]
fn the_reference_names_every_key() {
    const BEGIN: &str = "<!-- made by tests/scenario_language.rs: begin -->\n";
    const END: &str = "<!-- made by tests/scenario_language.rs: end -->\n";
    let path = root().join("docs/scenario.md");
    let text = std::fs::read_to_string(&path).expect("the reference is there");
    let (before, rest) = text.split_once(BEGIN).expect("the made part begins");
    let (_, after) = rest.split_once(END).expect("the made part ends");
    check_file(&path, &format!("{before}{BEGIN}\n{}{END}{after}", reference()));
}

/// Every scenario below a folder.
fn scenarios(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be read").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            scenarios(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "toml") {
            found.push(path);
        }
    }
}

#[test]
fn every_shipped_scenario_is_read_and_fits_the_schema() {
    let schema = schema(&systems());
    let mut files = Vec::new();
    scenarios(&root().join("scenarios"), &mut files);
    assert!(files.len() >= 15, "there are {} scenarios", files.len());
    for file in files {
        let bytes = std::fs::read(&file).expect("the file can be read");
        let shown = file.display().to_string();
        let scenarios = load_all(&shown, &bytes, &Picks::default(), &systems());
        for scenario in scenarios.unwrap_or_else(|errors| panic!("{errors}")) {
            check_shipped(&schema, &scenario);
        }
    }
}

fn check_shipped(schema: &serde_json::Value, scenario: &Scenario) {
    let shown = scenario.source.address();
    let verified = match scenario.system.as_str() {
        "reactor" => verify::<Reactor>(scenario),
        "lock" => verify::<Lock>(scenario),
        "chat" => verify::<Chat>(scenario),
        "session" => verify::<Sessions>(scenario),
        _ => verify::<Raft>(scenario),
    };
    verified.unwrap_or_else(|errors| panic!("{errors}"));
    let again = load(&shown, scenario.to_toml().as_bytes(), &systems());
    assert_eq!(again.expect("what is written is read").to_toml(), scenario.to_toml(), "{shown}");
    let value = json_schema::from_toml(&scenario.source.text).expect("it is TOML");
    assert_eq!(json_schema::refusal(schema, &value), None, "{shown}");
}

/// Known bugs are there to be found: each is switched on by a scenario of the folder `bugs` of its system.
#[test]
fn every_known_bug_has_a_scenario() {
    for system in systems() {
        let mut files = Vec::new();
        scenarios(&root().join("scenarios").join(system.name).join("bugs"), &mut files);
        let text: String = files.iter().map(|file| std::fs::read_to_string(file).expect("it can be read")).collect();
        let option = system.options.iter().find(|option| option.path == "bug").expect("every system has the option");
        let OptionKind::Value(ValueKind::Name(bugs)) = &option.kind else { panic!("{option:?} is a name") };
        let bugs: Vec<&str> = bugs.iter().map(|(name, _)| *name).filter(|name| *name != "none").collect();
        assert_eq!(without_a_scenario(&bugs, &text), [""; 0], "{}", system.name);
    }
    assert_eq!(without_a_scenario(&["found", "missed"], "bug = \"found\"\ntwin = { bug = \"none\" }\n"), ["missed"]);
}

/// Those of the bugs that no line of these scenarios switches on.
fn without_a_scenario<'a>(bugs: &[&'a str], text: &str) -> Vec<&'a str> {
    bugs.iter().copied().filter(|bug| !text.contains(&format!("bug = \"{bug}\""))).collect()
}

/// The first of the TOML blocks of the reference: the tour. It is as expected, as every scenario that is shown.
#[test]
fn the_tour_is_a_scenario() {
    let text = std::fs::read_to_string(root().join("docs/scenario.md")).expect("the reference is there");
    let (_, rest) = text.split_once("```toml\n").expect("there is a tour");
    let (tour, _) = rest.split_once("```").expect("the tour ends");
    let scenario = load("docs/scenario.md", tour.as_bytes(), &systems()).unwrap_or_else(|errors| panic!("{errors}"));
    verify::<Raft>(&scenario).unwrap_or_else(|errors| panic!("{errors}"));
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tour.toml");
    std::fs::write(&file, tour).expect("a file can be written");
    splitbrain::check(file);
}

/// Every remark on a shipped scenario is one that is meant. The list may only shrink.
#[test]
fn shipped_scenarios_get_no_remark_that_is_not_known() {
    let mut files = Vec::new();
    scenarios(&root().join("scenarios"), &mut files);
    let mut found = Vec::new();
    for file in &files {
        let path = file.strip_prefix(root()).expect("it lies below").display().to_string();
        let bytes = std::fs::read(file).expect("it can be read");
        let all = load_all(&path, &bytes, &Picks::default(), &systems()).expect("it is a scenario");
        for scenario in &all {
            let told = match scenario.system.as_str() {
                "raft" => notes::<Raft>(scenario),
                "session" => notes::<Sessions>(scenario),
                "lock" => notes::<Lock>(scenario),
                "chat" => notes::<Chat>(scenario),
                _ => notes::<Reactor>(scenario),
            };
            found.extend(told.into_iter().map(|note| format!("{}: {}", scenario.source.address(), note.message)));
        }
    }
    let unknown: Vec<&String> = found.iter().filter(|told| !REMARKS.iter().any(|known| told.contains(known))).collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
}

const REMARKS: &[&str] = &[];

/// An option without effect is an error where no variant gives it one, and else a note of those without.
#[test]
fn what_has_no_effect_in_any_variant_is_refused() {
    let refused = |variants: &str| {
        let text = format!(
            "format = 1\nsystem = \"raft\"\ncluster = {{ servers = 3 }}\nrun = {{ duration = \"1s\" }}\n\
             [raft]\npreset = \"paper\"\nsnapshot_trailing = 5\n{variants}"
        );
        let all = load_all("a.toml", text.as_bytes(), &Picks::default(), &systems()).expect("right in form");
        let noted: Vec<_> = all.iter().map(|scenario| (scenario, notes::<Raft>(scenario))).collect();
        refuse_idle(&noted).map_err(|errors| errors.to_string()).err()
    };
    let idle = "a.toml:7:1: raft.snapshot_trailing: has no effect: no server takes a snapshot";
    let two = |options: &str| format!("[[variant]]\nname = \"a\"\n[[variant]]\nname = \"b\"\nraft = {{ {options} }}\n");
    let told = refused("").expect("it is idle");
    assert!(told.starts_with(idle), "{told}");
    assert_eq!(refused(&two("snapshot_distance = 50")), None);
    let told = refused(&two("pre_vote = true")).expect("it is idle in both");
    assert!(told.starts_with(idle) && told.lines().count() == 1, "{told}");
    // What one variant alone states has no other to be of use in.
    let told = refused(&two("snapshot_distance = 50, starved_exit = 20")).expect("it is idle where it stands");
    assert!(told.contains("variant b: raft.starved_exit: has no effect"), "{told}");
}

/// Two workloads have options of one name: it is told once.
#[test]
fn each_known_word_is_told_once() {
    let text = "format = 1\nsystem = \"raft\"\n[cluster]\nservers = 3\nclients = 1\n\
                [workload]\nkind = \"bank\"\naccounts = 3\n";
    let errors = load("a.toml", text.as_bytes(), &systems()).expect_err("there is no such workload");
    let known = errors.list.iter().find(|one| one.path == "workload.accounts").map(|one| one.known.clone());
    let known = known.expect("a key of no workload is told");
    let mut once = known.clone();
    once.sort_unstable();
    once.dedup();
    assert!(known.len() == once.len() && known.iter().any(|word| word == "pacing"), "{known:?}");
}
