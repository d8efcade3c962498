//! Goal: what people and editors are told of the language is what the decoder reads. Method: the reference and the
//! schema in docs/ are what the build makes of its table of keys, and every shipped scenario fits both schema and
//! decoder. `just golden` makes the two files again.

#[path = "support/json_schema.rs"]
mod json_schema;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use splitbrain::scenario::{
    OptionKind, Picks, Scenario, SystemDescription, load, load_all, notes, reference, refuse_idle, resolve, schema,
    verify,
};
use splitbrain_kernel::options::{Options as _, ValueKind};
use splitbrain_kernel::rng::{Seed, fnv1a};
use splitbrain_kernel::time::Duration;
use splitbrain_systems::chat::Chat;
use splitbrain_systems::lock::Lock;
use splitbrain_systems::raft::Raft;
use splitbrain_systems::raft::options::RaftOptions;
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
             [raft]\npreset = \"paper\"\nsnapshot.trailing = 5\n{variants}"
        );
        let all = load_all("a.toml", text.as_bytes(), &Picks::default(), &systems()).expect("right in form");
        let noted: Vec<_> = all.iter().map(|scenario| (scenario, notes::<Raft>(scenario))).collect();
        refuse_idle(&noted).map_err(|errors| errors.to_string()).err()
    };
    let idle = "a.toml:7:1: raft.snapshot.trailing: has no effect: no server takes a snapshot";
    let two = |options: &str| format!("[[variant]]\nname = \"a\"\n[[variant]]\nname = \"b\"\nraft = {{ {options} }}\n");
    let told = refused("").expect("it is idle");
    assert!(told.starts_with(idle), "{told}");
    assert_eq!(refused(&two("snapshot.distance = 50")), None);
    let told = refused(&two("pre_vote.enabled = true")).expect("it is idle in both");
    assert!(told.starts_with(idle) && told.lines().count() == 1, "{told}");
    // What one variant alone states has no other to be of use in.
    let told = refused(&two("snapshot.distance = 50, pre_vote.exit_after_rejections = 20"));
    let told = told.expect("it is idle where it stands");
    assert!(told.contains("variant b: raft.pre_vote.exit_after_rejections: has no effect"), "{told}");
}

/// The options of all nodes as runs of this file print them, or what is wrong with it.
fn options_of(text: &str, seed: Seed) -> Result<BTreeMap<String, String>, String> {
    let scenario = load("a.toml", text.as_bytes(), &systems()).map_err(|errors| errors.to_string())?;
    let facts = match scenario.system.as_str() {
        "session" => resolve::<Sessions>(&scenario, seed).map(|one| one.facts),
        _ => resolve::<Raft>(&scenario, seed).map(|one| one.facts),
    };
    facts.map(|facts| facts.options().clone()).map_err(|errors| errors.to_string())
}

const HEAD: &str = "format = 1\nsystem = \"raft\"\ncluster = { servers = 3 }\nrun = { duration = \"1s\" }\n";
const SESSIONS: &str = "format = 1\nsystem = \"session\"\ncluster = { meta = 3, chunk = 1, volume = 1 }\n\
                        clocks = { drift_bound = \"1%\" }\nrun = { duration = \"1s\" }\n";

#[test]
fn a_group_of_options_is_dotted_keys_or_a_table() {
    let same = |head: &str, forms: &[&str]| {
        let options: Vec<_> = forms.iter().map(|form| options_of(&format!("{head}{form}"), Seed(1))).collect();
        let first = options[0].as_ref().expect("it is a scenario");
        assert!(first.values().any(|value| value == "77ms"), "{first:?}");
        options.iter().zip(forms).for_each(|(options, form)| assert_eq!(options.as_ref(), Ok(first), "{form}"));
    };
    let dotted = "raft.timing.heartbeat = \"77ms\"\nraft.pre_vote.enabled = true\n";
    let keys = "[raft]\ntiming.heartbeat = \"77ms\"\npre_vote.enabled = true\n";
    let tables = "[raft.timing]\nheartbeat = \"77ms\"\n[raft.pre_vote]\nenabled = true\n";
    let braces = "[raft]\ntiming = { heartbeat = \"77ms\" }\npre_vote = { enabled = true }\n";
    same(HEAD, &[dotted, keys, tables, braces]);
    let keys = "[session]\nreplication = \"raft\"\nraft.timing.heartbeat = \"77ms\"\n";
    let tables = "[session]\nreplication = \"raft\"\n[session.raft.timing]\nheartbeat = \"77ms\"\n";
    same(SESSIONS, &[keys, tables]);
}

#[test]
fn a_group_is_set_at_a_server_in_a_variant_and_in_a_twin() {
    let load = |text: &str, picks: &Picks| {
        let all = load_all("a.toml", format!("{HEAD}{text}").as_bytes(), picks, &systems());
        all.expect("it is a scenario").swap_remove(0)
    };
    let all = |scenario: &Scenario| resolve::<Raft>(scenario, Seed(1)).expect("the options stand together");
    for own in ["[raft.servers.s3]\ntiming.heartbeat = \"7ms\"\n", "[raft.servers.s3.timing]\nheartbeat = \"7ms\"\n"] {
        let resolved = all(&load(own, &Picks::default()));
        assert_eq!(resolved.own, [("s3.timing.heartbeat".to_owned(), "7ms".to_owned())]);
    }
    for variant in ["raft.timing.heartbeat = \"7ms\"\n", "[variant.raft.timing]\nheartbeat = \"7ms\"\n"] {
        let text = format!(
            "[raft.timing]\nheartbeat = \"9ms\"\nstartup_backoff = \"3ms\"\n[[variant]]\nname = \"a\"\n{variant}"
        );
        let facts = all(&load(&text, &Picks::default())).facts;
        let found = ["timing.heartbeat", "timing.startup_backoff"].map(|path| facts.get(path));
        assert_eq!(found, [Some("7ms"), Some("3ms")], "the other keys of the group stay");
    }
    let set = vec!["raft.timing.heartbeat=7ms".parse().expect("a key and a value")];
    let facts = all(&load("[raft]\ntiming.heartbeat = \"9ms\"\n", &Picks { variant: None, set })).facts;
    assert_eq!(facts.get("timing.heartbeat"), Some("7ms"));
    for twin in ["{ timing.heartbeat = \"7ms\" }", "{ timing = { heartbeat = \"7ms\" } }"] {
        let scenario = load(&format!("[expect]\nviolates = \"election_safety\"\ntwin = {twin}\n"), &Picks::default());
        let twin = scenario.twin().expect("it has a twin");
        assert_eq!(all(&twin).facts.get("timing.heartbeat"), Some("7ms"));
    }
}

/// Goal: wherever an option can be named, its old name leads to the new one. Method: each old name, in each place.
#[test]
fn an_old_name_of_an_option_is_refused_with_the_new_one() {
    let told = |text: &str, set: Option<&str>| {
        let set = set.map(|one| one.parse().expect("a key and a value")).into_iter().collect();
        let read = load_all("a.toml", text.as_bytes(), &Picks { variant: None, set }, &systems());
        read.expect_err("it has an old name").to_string()
    };
    let [_, line] = [HEAD, SESSIONS].map(|head| head.lines().count() + 2);
    for (old, new) in RaftOptions::RENAMED {
        let now = |key: &str| format!("{key}: `{old}` is now `{new}`");
        let of_raft = |text: &str| told(&format!("{HEAD}{text}\n"), None);
        let places = [
            (of_raft(&format!("[raft]\n{old} = 1")), format!("a.toml:6:1: {}", now(&format!("raft.{old}")))),
            (
                of_raft(&format!("[raft]\n{old} = {{ choose = [1, 2] }}")),
                format!("a.toml:6:1: {}", now(&format!("raft.{old}"))),
            ),
            (of_raft(&format!("[raft.servers.s3]\n{old} = 1")), now(&format!("raft.servers.s3.{old}"))),
            (of_raft(&format!("[raft.c1]\n{old} = 1")), now(&format!("raft.c1.{old}"))),
            (of_raft(&format!("[[variant]]\nname = \"a\"\nraft.{old} = 1")), now(&format!("raft.{old}"))),
            (
                of_raft(&format!("[expect]\nviolates = \"election_safety\"\ntwin = {{ {old} = 1 }}")),
                format!("a.toml:7:10: {}", now(&format!("expect.twin.{old}"))),
            ),
            (
                of_raft(&format!("[expect]\noutcome = {{ is = \"passed\", where = \"{old} = 1\" }}")),
                format!("a.toml:6:36: {}", now("expect.outcome.where")),
            ),
            (told(HEAD, Some(&format!("raft.{old}=1"))), now(&format!("raft.{old}"))),
            (
                told(&format!("{SESSIONS}[session.raft]\n{old} = 1\n"), None),
                format!("a.toml:{line}:1: {}", now(&format!("session.raft.{old}"))),
            ),
        ];
        for (told, expected) in places {
            assert!(told.contains(&expected), "{told}\n{expected}");
        }
    }
    let text = format!("{HEAD}[expect]\noutcome = {{ is = \"passed\", where = \"raft.servers.s3.priority = 1\" }}\n");
    assert!(told(&text, None).contains("`raft.servers.s3.priority` is now `raft.servers.s3.priority.value`"));
}

/// A new name moves no draw: what a range comes to is keyed by the first name, at all nodes, at one, and inside.
#[test]
fn what_is_drawn_for_an_option_is_keyed_by_its_first_name() {
    let (low, high) = (Duration::from_millis(1), Duration::from_millis(40));
    let drawn = |seed: Seed, key: &str| seed.stream("option", fnv1a(key)).duration(low, high).to_string();
    for seed in (0..20).map(Seed) {
        let range = "timing.heartbeat = \"1ms..40ms\"\n";
        let options = options_of(&format!("{HEAD}[raft]\n{range}"), seed).expect("it is a scenario");
        assert_eq!(options["timing.heartbeat"], drawn(seed, "raft.heartbeat"));
        let text = format!("{SESSIONS}[session]\nreplication = \"raft\"\n[session.raft]\n{range}");
        let options = options_of(&text, seed).expect("it is a scenario");
        assert_eq!(options["raft.timing.heartbeat"], drawn(seed, "session.raft.heartbeat"));
        let text = format!("{HEAD}[raft.servers.s2]\n{range}");
        let scenario = load("a.toml", text.as_bytes(), &systems()).expect("it is a scenario");
        let own = resolve::<Raft>(&scenario, seed).expect("it stands").chosen;
        assert_eq!(own[0].key, "raft.servers.s2.timing.heartbeat", "it is shown by the name that it has");
        assert_eq!(own[0].value, drawn(seed, "raft.servers.s2.heartbeat"));
    }
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
