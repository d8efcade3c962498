//! Runs in processes of their own: what dies there is a panic of its seed, and everything else goes on.

use crate::golden;
use crate::scenarios::{boast, calm, flawed, scenario};
use crate::support::{Folder, Shown};

/// A flaw that shows in the runs of some seeds alone: in those where the second server hears enough in time.
fn sometimes(flaw: &str) -> String {
    let text = flawed(flaw, "").replace("duration = \"1s\"", "duration = \"350ms\"").replace("seeds = 4", "seeds = 12");
    text.replace("latency = \"1ms\"", "latency = \"1ms\"\nloss = \"20%\"")
}

/// The seeds of `run` lines in JSON, and how their runs ended.
fn outcomes(shown: &Shown) -> Vec<(u64, String)> {
    let lines = shown.stdout.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let runs = lines.filter(|line| line["type"] == "run");
    runs.map(|run| (run["seed"].as_u64().expect("a seed"), run["outcome"].as_str().expect("a name").to_owned()))
        .collect()
}

/// The other seeds and the scenarios after it go on, and the seed has a folder.
#[test]
fn a_run_that_aborts_is_a_panic_of_its_seed_alone() {
    let folder = Folder::new("aborts").with("a", &sometimes("abort")).with("b", &calm());
    let shown = folder.run(&["test", "--max-fail", "all", "--message-format", "json", "-j", "2"]);
    assert_eq!(shown.code, 103, "{shown}");
    let outcomes = outcomes(&shown);
    assert_eq!(outcomes.len(), 12 + 4, "every seed has its outcome: {shown}");
    let panicked: Vec<u64> = outcomes.iter().filter(|(_, name)| name == "panicked").map(|(seed, _)| *seed).collect();
    assert!(!panicked.is_empty() && panicked.len() < 12, "{panicked:?}");
    // The same seeds in which the planted panic, a panic like any other, comes.
    let same = Folder::new("aborts_as_panics").with("a", &sometimes("panic"));
    let same = same.run(&["test", "--max-fail", "all", "--message-format", "json", "--isolate", "no"]);
    let expected: Vec<(u64, String)> = self::outcomes(&same);
    assert_eq!(outcomes[..12], expected, "{shown}");
    let seed = panicked[0];
    assert!(folder.read(&format!("reports/ring/a/{seed}/summary.json")).contains("\"lost\": \"died\""));
}

#[test]
fn a_run_that_dies_leaves_what_is_known() {
    let folder = Folder::new("dies").with("abort", &flawed("abort", ""));
    let shown = folder.run(&["test"]);
    assert_eq!(shown.code, 103, "{shown}");
    golden!("test_abort", shown);
    // Its recording goes up to the input that killed it.
    let told = folder.run(&["show", "reports/ring/abort/0", "--timeline", "all"]);
    let last = told.stdout.lines().rfind(|line| line.contains("hello")).expect("a line");
    assert!(last.contains("s2") && last.contains("\u{2190} s1 hello"), "{told}");
    // The line to copy ends in the same way, and takes no program with it.
    let shown = folder.run(&["replay", "reports/ring/abort/0"]);
    assert_eq!(shown.code, 103, "{shown}");
    assert!(shown.stdout.contains("ended before it answered: signal: 6 (SIGABRT)"), "{shown}");
    let shown = folder.run(&["run", "scenarios/ring/abort.toml", "--isolate", "yes"]);
    assert_eq!(shown.code, 103, "{shown}");
}

#[test]
fn a_stack_that_overflows_is_a_panic_of_its_seed() {
    let folder = Folder::new("overflows").with("a", &flawed("overflow", "")).with("b", &calm());
    let shown = folder.run(&["test"]);
    assert_eq!(shown.code, 103, "{shown}");
    assert!(shown.stdout.contains("the process of the run ended before it answered: signal: 6 (SIGABRT)"), "{shown}");
    assert!(shown.stdout.contains("PASS ring/b"), "{shown}");
    assert!(folder.exists("reports/ring/a/0/trace.jsonl"));
}

#[test]
fn a_run_that_never_ends_is_ended_and_the_others_go_on() {
    let folder = Folder::new("never_ends").with("a", &flawed("hang", "")).with("b", &calm());
    let shown = folder.run(&["test", "--timeout", "300ms"]);
    assert_eq!((shown.code, shown.stderr.as_str()), (103, ""), "{shown}");
    golden!("test_overdue", shown);
    assert!(folder.read("reports/ring/a/0/summary.json").contains("\"lost\": \"overdue\""));
    let shown = folder.run(&["replay", "reports/ring/a/0", "--timeout", "300ms"]);
    assert_eq!(shown.code, 103, "{shown}");
    assert!(shown.stdout.contains("watchdog: the run takes longer than 300ms on the real clock"), "{shown}");
}

/// What other runs have left in a process is not the fault of the run that dies of it.
#[test]
fn a_run_that_dies_of_what_others_left_is_carried_out_by_itself() {
    let folder = Folder::new("litter").with("litter", &flawed("litter", ""));
    let shown = folder.run(&["test", "-j", "1", "--check-determinism=0%"]);
    assert_eq!(shown.code, 0, "{shown}");
    assert!(shown.stdout.contains("PASS ring/litter · 4 seeds"), "{shown}");
}

/// A run that goes on for more inputs than are recorded of one that ends at a budget.
fn runaway() -> String {
    let text = scenario("Far too many events.", "events_max = 10_500\n\n[ring]\nperiod = \"1ms\"\n");
    text.replace("duration = \"1s\"\nseeds = 4", "duration = \"5s\"\nseeds = 1")
}

/// Verdicts, order, digests and folders: with processes and with threads, one or many.
#[test]
fn isolation_and_jobs_change_nothing() {
    let listed = flawed("boast", "violates = \"modesty\"\nwithin = 3\ntwin = { flaw = \"none\" }");
    let folder = Folder::new("isolated").with("calm", &calm()).with("boast", &boast()).with("listed", &listed);
    folder.write("scenarios/ring/panic.toml", &sometimes("panic"));
    folder.write("scenarios/ring/many.toml", &scenario("Too many events.", "events_max = 20\n"));
    folder.write("scenarios/ring/runaway.toml", &runaway());
    folder.write("scenarios/ring/quiet.toml", &flawed("none", "reach = [\"boasted\"]"));
    let told = |isolate: &str, jobs: &str| {
        let out = format!("out-{isolate}-{jobs}");
        let more = ["--message-format", "json", "--isolate", isolate, "-j", jobs, "--out", &out];
        let shown = folder.run(&[&["test", "--max-fail", "5", "--check-determinism"][..], &more].concat());
        assert_eq!((shown.code, shown.stderr.as_str()), (103, ""), "{shown}");
        (shown.stdout.replace(&out, "out"), out)
    };
    let (expected, first) = told("no", "1");
    let scenarios = folder.entries(&format!("{first}/ring"));
    assert_eq!(scenarios, ["boast", "many", "panic", "runaway"]);
    // The header, and what happens at the last 10,000 inputs.
    let lines = folder.read(&format!("{first}/ring/runaway/0/trace.jsonl")).lines().count();
    assert!((10_000..40_000).contains(&lines), "{lines} lines");
    for (isolate, jobs) in [("no", "4"), ("yes", "1"), ("yes", "4")] {
        let (stdout, out) = told(isolate, jobs);
        assert_eq!(stdout, expected, "--isolate {isolate} -j {jobs}");
        for scenario in &scenarios {
            let seeds = folder.entries(&format!("{first}/ring/{scenario}"));
            assert_eq!(folder.entries(&format!("{out}/ring/{scenario}")), seeds, "--isolate {isolate} -j {jobs}");
            for seed in &seeds {
                for file in folder.entries(&format!("{first}/ring/{scenario}/{seed}")) {
                    let text = |out: &str| folder.read(&format!("{out}/ring/{scenario}/{seed}/{file}"));
                    assert_eq!(text(&out), text(&first), "{scenario}/{seed}/{file}, --isolate {isolate} -j {jobs}");
                }
            }
        }
    }
}

/// Not in a run, and so of no seed.
#[test]
fn a_panic_on_the_main_thread_exits_with_103() {
    let folder = Folder::new("main_panics").with("unmakeable", &flawed("unmakeable", ""));
    for command in ["test", "check"] {
        let shown = folder.run(&[command, "scenarios"]);
        assert_eq!(shown.code, 103, "{shown}");
        assert!(shown.stderr.contains("the planted panic of the system"), "{shown}");
        let last = shown.stderr.lines().last().expect("a line");
        assert_eq!(last, "error: splitbrain panicked outside of a run, or the system under test did", "{shown}");
    }
}

/// A process that carries out runs is started by splitbrain alone.
#[test]
fn a_process_for_runs_needs_one_that_asks() {
    let shown = Folder::new("unasked").run(&["run-apart"]);
    assert_eq!(shown.code, 2, "{shown}");
    assert!(shown.stderr.contains("run-apart is how splitbrain starts a process for runs"), "{shown}");
}
