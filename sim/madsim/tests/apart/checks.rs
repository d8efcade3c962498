//! The checks, each of which calls the program.

use std::panic::catch_unwind;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Output};

use crate::chance;

const CHECKS: &[(&str, fn())] = &[
    ("whatever_a_service_asks_its_seed_decides", whatever_a_service_asks_its_seed_decides),
    ("a_task_that_yields_goes_on", a_task_that_yields_goes_on),
    ("a_campaign_and_a_run_alone_agree", a_campaign_and_a_run_alone_agree),
    ("kept_failures_replay_digest_for_digest", kept_failures_replay_digest_for_digest),
    ("a_process_that_dies_is_a_panic_of_its_run", a_process_that_dies_is_a_panic_of_its_run),
    ("a_panic_says_where_it_came_from", a_panic_says_where_it_came_from),
    ("what_is_no_answer_is_a_panic_of_its_run", what_is_no_answer_is_a_panic_of_its_run),
    ("a_process_that_never_answers_is_ended_by_the_watchdog", a_process_that_never_answers_is_ended_by_the_watchdog),
    ("log_lines_are_in_the_story_and_not_in_the_digest", log_lines_are_in_the_story_and_not_in_the_digest),
    ("what_a_service_prints_disturbs_nothing", what_a_service_prints_disturbs_nothing),
    ("a_service_lists_the_options_that_it_has", a_service_lists_the_options_that_it_has),
    ("what_no_parent_started_is_refused", what_no_parent_started_is_refused),
];

/// Prints as a cargo test does.
pub(crate) fn all() -> ExitCode {
    let mut failed = 0;
    for (name, check) in CHECKS {
        let is_good = catch_unwind(check).is_ok();
        println!("test {name} ... {}", if is_good { "ok" } else { "FAILED" });
        failed += usize::from(!is_good);
    }
    let (passed, word) = (CHECKS.len() - failed, if failed == 0 { "ok" } else { "FAILED" });
    println!("\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out");
    ExitCode::from(u8::from(failed > 0))
}

/// A folder of its own, with a scenario in it.
struct Place(PathBuf);

impl Place {
    fn new(check: &str, source: &str, words_max: u64) -> Self {
        let folder = std::env::temp_dir().join(format!("splitbrain-apart-{check}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        std::fs::write(folder.join("chance.toml"), chance::scenario(source, words_max)).expect("a file can be written");
        Self(folder)
    }

    fn call(&self, arguments: &[&str]) -> Output {
        let program = std::env::current_exe().expect("this program");
        Command::new(program).current_dir(&self.0).args(arguments).output().expect("the program starts")
    }

    /// The exit code, and what was printed.
    fn told(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.call(arguments);
        let text = [&output.stdout[..], &output.stderr[..]].concat();
        (output.status.code().expect("no signal"), String::from_utf8_lossy(&text).into_owned())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What follows `"digest":"` in lines of JSON.
fn digests(text: &str) -> Vec<String> {
    let parts = text.split("\"digest\":\"").skip(1);
    parts.map(|part| part.split('"').next().unwrap_or_default().to_owned()).collect()
}

fn whatever_a_service_asks_its_seed_decides() {
    for source in ["tokio", "futures", "static", "hash", "made", "rand", "all"] {
        let place = Place::new("asks", source, 1_000_000);
        let (code, text) = place.told(&["test", "chance.toml", "--check-determinism=100%"]);
        assert_eq!(code, 0, "{source}: {text}");
    }
}

fn a_task_that_yields_goes_on() {
    let place = Place::new("yields", "yield", 1_000_000);
    let (code, text) = place.told(&["run", "chance.toml", "--timeline", "none"]);
    assert_eq!(code, 0, "{text}");
    let chosen = text.lines().find_map(|line| line.strip_prefix("count: chose = ")?.parse::<u64>().ok());
    assert!(chosen.is_some_and(|chosen| chosen > 20), "each word is answered after a turn: {text}");
}

fn a_campaign_and_a_run_alone_agree() {
    let place = Place::new("agree", "all", 1_000_000);
    let campaign = |jobs: &str| {
        let (code, text) =
            place.told(&["test", "chance.toml", "--seeds", "0..6", "-j", jobs, "--message-format", "json"]);
        assert_eq!(code, 0, "{text}");
        digests(&text)
    };
    let alone = |seed: u64| {
        let seed = seed.to_string();
        digests(&place.told(&["run", "chance.toml", "--seed", &seed, "--message-format", "json"]).1)
    };
    let one = campaign("1");
    assert_eq!(one.len(), 6, "{one:?}");
    assert_eq!(one, campaign("2"));
    assert_eq!(one, (0..6).flat_map(alone).collect::<Vec<_>>());
    let different: std::collections::BTreeSet<&String> = one.iter().collect();
    assert_eq!(different.len(), 6, "another seed is another run");
}

fn kept_failures_replay_digest_for_digest() {
    let place = Place::new("kept", "all", 20);
    let (code, text) = place.told(&["test", "chance.toml", "--seeds", "0..3", "--max-fail", "all"]);
    assert_eq!(code, 100, "{text}");
    for seed in ["0", "1", "2"] {
        let folder = format!("reports/chance/{seed}");
        let (code, text) = place.told(&["replay", &folder]);
        assert_eq!(code, 100, "{text}");
        assert!(text.contains("replayed: the same run, digest for digest"), "{text}");
        // What the folder says of the options can be run as a scenario.
        let resolved = format!("{folder}/resolved.toml");
        assert_eq!(place.told(&["check", &resolved]).0, 0);
        assert_eq!(place.told(&["run", &resolved, "--seed", seed]).0, 100);
    }
}

fn a_process_that_dies_is_a_panic_of_its_run() {
    let place = Place::new("dies", "abort", 1_000_000);
    let (code, text) = place.told(&["test", "chance.toml", "--seeds", "0..2"]);
    assert_eq!(code, 103, "{text}");
    assert!(text.contains("the process of the run ended before it answered: signal: 6"), "{text}");
    let place = Place::new("exits", "exit", 1_000_000);
    let (code, text) = place.told(&["run", "chance.toml"]);
    assert_eq!(code, 103, "{text}");
    assert!(text.contains("the process of the run ended before it answered: exit status: 5"), "{text}");
}

/// Whether the run is recorded or not.
fn a_panic_says_where_it_came_from() {
    let place = Place::new("panics", "panic", 1_000_000);
    for verb in ["test", "run"] {
        let (code, text) = place.told(&[verb, "chance.toml"]);
        assert_eq!(code, 103, "{text}");
        assert!(text.contains("there is no chance (at sim/madsim/tests/apart/chance.rs:"), "{verb}: {text}");
    }
}

fn what_is_no_answer_is_a_panic_of_its_run() {
    let place = Place::new("garbage", "garbage", 1_000_000);
    let (code, text) = place.told(&["test", "chance.toml", "--seeds", "0..2"]);
    assert_eq!(code, 103, "{text}");
    assert!(text.contains("the process of the run said something else: garbage: expected value"), "{text}");
}

/// The process of the run has the stdout of this call, which does not return before it is closed.
fn a_process_that_never_answers_is_ended_by_the_watchdog() {
    let place = Place::new("spins", "spin", 1_000_000);
    let (code, text) = place.told(&["test", "chance.toml", "--seeds", "0..2", "-j", "1", "--timeout", "1s"]);
    assert_eq!(code, 103, "{text}");
    assert!(text.contains("watchdog: the run takes longer than 1s on the real clock"), "{text}");
}

fn log_lines_are_in_the_story_and_not_in_the_digest() {
    let place = Place::new("logs", "all", 20);
    let run = ["run", "chance.toml", "--seed", "4"];
    let (_, story) = place.told(&run);
    assert!(story.contains("info chance: a word came chosen="), "{story}");
    assert!(!story.contains("debug chance: s1 goes on"), "{story}");
    let (_, without) = place.told(&[&run[..], &["--log", "off"]].concat());
    let timeline = without.split("\noutcome: ").next().unwrap_or_default();
    assert!(!timeline.contains("a word came"), "{without}");
    let digest = |text: &str| text.lines().find(|line| line.starts_with("digest: ")).map(str::to_owned);
    assert!(digest(&story).is_some());
    assert_eq!(digest(&story), digest(&without));
    // A run that is not recorded has no log, and the same digest.
    let (_, unrecorded) = place.told(&["test", "chance.toml", "--seeds", "4..5", "--message-format", "json"]);
    assert!(story.contains(&digests(&unrecorded)[0]), "{unrecorded}");
    // The folder of a failure has all of them, in the order of time, with the node.
    let (code, shown) = place.told(&["show", "reports/chance/4", "--log", "debug", "--node", "s2"]);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("debug chance: s2 goes on"), "{shown}");
    assert!(!shown.contains(": s1 goes on"), "{shown}");
    let trace = std::fs::read_to_string(place.0.join("reports/chance/4/trace.jsonl")).expect("the folder is whole");
    let times: Vec<u64> = trace.lines().skip(1).map(|line| number_after(line, "\"at_ns\":")).collect();
    assert!(times.is_sorted(), "{times:?}");
}

fn number_after(line: &str, key: &str) -> u64 {
    let rest = line.split(key).nth(1).unwrap_or_else(|| panic!("{line} has no {key}"));
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("digits")
}

fn what_a_service_prints_disturbs_nothing() {
    let place = Place::new("prints", "print", 1_000_000);
    let arguments = ["test", "chance.toml", "--seeds", "0..2", "--check-determinism=100%", "--message-format", "json"];
    let output = place.call(&arguments);
    let [lines, words] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert_eq!(output.status.code(), Some(0), "{lines}{words}");
    assert!(words.contains("a word"), "{words}");
    assert!(!lines.is_empty() && lines.lines().all(|line| line.starts_with('{') && line.ends_with('}')), "{lines}");
}

fn a_service_lists_the_options_that_it_has() {
    let place = Place::new("options", "tokio", 1_000_000);
    let (_, text) = place.told(&["run", "chance.toml", "--timeline", "none", "--options"]);
    assert!(text.contains("\n  network.latency"), "{text}");
    for absent in
        ["disk.", "clocks.", "connection_timeout", "duplication", "bandwidth", "run.ties", "run.budget.instant_max"]
    {
        assert!(!text.contains(&format!("  {absent}")) && !text.contains(&format!("network.{absent}")), "{text}");
    }
}

fn what_no_parent_started_is_refused() {
    let place = Place::new("alone", "tokio", 1_000_000);
    let (code, text) = place.told(&["run-apart"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("run-apart is how splitbrain starts a process for runs"), "{text}");
}
