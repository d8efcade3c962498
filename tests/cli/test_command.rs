//! `test`: judgements, exit codes, artifacts, formats.

use crate::golden;
use crate::scenarios::{boast, calm, flawed, scenario};
use crate::support::{Folder, status_line};

/// What splitbrain itself says is on stderr, in the order of the seeds, and changes nothing on stdout.
#[test]
fn verbose_calls_say_what_is_done() {
    let folder = Folder::new("verbose").with("boast", &boast());
    let quiet = folder.run(&["test", "--seeds", "0..1"]);
    assert!(!quiet.stderr.contains("INFO"), "{quiet}");
    let shown = folder.run(&["test", "--seeds", "0..1", "-v"]);
    assert_eq!(shown.stdout, quiet.stdout);
    let lines = |shown: &str| -> Vec<String> {
        let lines = shown.lines().filter(|line| line.contains(" splitbrain::campaign::log: "));
        lines.map(|line| line.trim().to_owned()).collect()
    };
    let info = [
        "INFO splitbrain::campaign::log: scenario starts scenario=\"ring/boast\" engine=\"kernel\" seeds=0..1",
        "INFO splitbrain::campaign::log: failure, recorded by another run scenario=\"ring/boast\" seed=0",
        "INFO splitbrain::campaign::log: recording kept scenario=\"ring/boast\" folder=reports/ring/boast/0",
        "INFO splitbrain::campaign::log: scenario judged scenario=\"ring/boast\" runs=1 judgement=NotAsExpected",
    ];
    assert_eq!(lines(&shown.stderr), info);
    let shown = folder.run(&["test", "--seeds", "0..1", "-vv"]);
    let all = lines(&shown.stderr);
    assert!(all[1].starts_with("DEBUG splitbrain::campaign::log: run ends scenario=\"ring/boast\" seed=0 "), "{shown}");
    assert_eq!(all.len(), info.len() + 1, "{shown}");
    // The recorded run of the code under test has none of them.
    assert!(!folder.read("reports/ring/boast/0/trace.jsonl").contains("campaign::log"));
}

/// Each scenario has one status line on stderr, with its time at the beginning; stdout has no time at all.
#[test]
fn each_scenario_has_a_status_line_with_its_time() {
    let folder = Folder::new("status").with("boast", &boast()).with("calm", &calm());
    let output = folder.toy(&["test"]).output().expect("the toy starts");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("programs print text");
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    let time = status_line();
    let lines: Vec<String> = stderr
        .lines()
        .filter(|line| time.is_match(line))
        .map(|line| time.replace(line, "TIME ").into_owned())
        .collect();
    assert_eq!(lines, ["TIME [1/2] FAIL ring/boast", "TIME [2/2] PASS ring/calm"], "{stderr}");
    assert!(!stdout.lines().any(|line| time.is_match(line)), "{stdout}");
    let output = folder.toy(&["test", "--show-progress", "none"]).output().expect("the toy starts");
    assert!(!text(&output.stderr).lines().any(|line| time.is_match(line)));
    assert_eq!(text(&output.stdout), stdout, "the same but for the clock");
}

#[test]
fn a_campaign_that_is_as_expected_exits_with_0() {
    let folder = Folder::new("passing").with("calm", &calm());
    let shown = folder.run(&["test"]);
    assert_eq!(shown.code, 0);
    golden!("test_passing", shown);
    assert!(!folder.exists("reports"), "what passes leaves nothing behind");
}

#[test]
fn an_unlisted_violation_exits_with_100_and_leaves_its_folder() {
    let folder = Folder::new("failing").with("boast", &boast()).with("calm", &calm());
    let shown = folder.run(&["test", "scenarios"]);
    assert_eq!(shown.code, 100);
    golden!("test_failing", shown);
    for file in ["scenario.toml", "resolved.toml", "options.json", "plan.toml", "trace.jsonl", "summary.json"] {
        assert!(folder.exists(&format!("reports/ring/boast/0/{file}")), "{file} is missing");
    }
    assert_eq!(folder.read("reports/ring/boast/0/scenario.toml"), boast());
}

#[test]
fn the_last_lines_of_a_failure_have_the_log_lines_that_are_asked_for() {
    let folder = Folder::new("test_logs").with("logs", &flawed("logs", ""));
    // Whether there are lines of these levels: of debug, of info, of warn.
    let levels = |more: &[&str]| {
        let shown = folder.run(&[&["test", "scenarios/ring/logs.toml", "--seeds", "7..8"], more].concat());
        assert_eq!(shown.code, 100, "{shown}");
        assert!(shown.stdout.contains("boasted"), "there are last lines: {shown}");
        ["debug parrot: counted", "info parrot: enough", "warn parrot::old: "].map(|line| shown.stdout.contains(line))
    };
    assert_eq!(levels(&[]), [false, true, true]);
    assert_eq!(levels(&["--log", "debug"]), [true, true, true]);
    assert_eq!(levels(&["--log", "warn"]), [false, false, true]);
    assert_eq!(levels(&["--log", "off"]), [false, false, false]);
}

#[test]
fn a_listed_violation_is_as_expected() {
    let text = flawed("boast", "violates = \"modesty\"\nwithin = 3");
    let shown = Folder::new("found").with("listed", &text).run(&["test"]);
    assert_eq!(shown.code, 0);
    golden!("test_found", shown);
}

#[test]
fn a_listed_violation_that_does_not_come_exits_with_100() {
    let text = flawed("none", "violates = \"modesty\"\nwithin = 3");
    let shown = Folder::new("unfound").with("listed", &text).run(&["test"]);
    assert_eq!(shown.code, 100);
    golden!("test_unfound", shown);
}

#[test]
fn what_was_never_reached_exits_with_3() {
    let text = flawed("none", "reach = [\"boasted\"]");
    let shown = Folder::new("unreached").with("quiet", &text).run(&["test"]);
    assert_eq!(shown.code, 3);
    golden!("test_inconclusive", shown);
}

#[test]
fn no_scenario_exits_with_4() {
    let shown = Folder::new("nothing").run(&["test"]);
    assert_eq!(shown.code, 4);
    golden!("test_nothing", shown);
}

#[test]
fn a_panic_in_a_node_exits_with_103() {
    let shown = Folder::new("panic").with("panic", &flawed("panic", "")).run(&["test"]);
    assert_eq!(shown.code, 103);
    golden!("test_panic", shown);
}

#[test]
fn a_run_that_does_not_end_exits_with_103() {
    let folder = Folder::new("hang").with("calm", &calm()).with("hang", &flawed("hang", ""));
    let shown = folder.run(&["test", "--timeout", "300ms", "--seed", "7", "--isolate", "no"]);
    assert_eq!(shown.code, 103);
    let late = "watchdog: seed 7: the run takes longer than 300ms on the real clock";
    assert!(
        shown.stderr.starts_with(&format!("scenarios/ring/hang.toml: {late}; only with --isolate yes ")),
        "{shown}"
    );
}

#[test]
fn an_impure_node_exits_with_102_and_is_named() {
    let shown = Folder::new("impure").with("impure", &flawed("impure", "")).run(&["test"]);
    assert_eq!(shown.code, 102);
    let message = shown.stdout.lines().find_map(|line| line.trim().strip_prefix("two executions of seed 0 differ at "));
    let (event, texts) = message.and_then(|message| message.split_once(": ")).expect("it says where");
    // Three starts, two rounds of three timers and three greetings, three timers: then comes the third greeting of s2.
    assert_eq!(event, "event 19", "{shown}");
    let (first, second) = texts.split_once(" / ").expect("it says how");
    let number = regex_lite::Regex::new(r"text \d+").expect("a pattern");
    assert_ne!(first, second, "{shown}");
    for text in [first, second] {
        assert_eq!(number.replace(text, "text N"), "0.301000s  s2     other         → s3 hello text N", "{shown}");
    }
    // Around it: what both had in common, and what follows in each.
    let around = shown.stdout.split("  differ    before it").nth(1).unwrap_or_else(|| panic!("{shown}"));
    let around: Vec<&str> = around.lines().skip(1).take(12).map(|line| line.trim_start()).collect();
    assert!(around[3].contains("heard") && around[4].starts_with("1 ") && around[8].starts_with("2 "), "{shown}");
    assert_eq!([around[4], around[8]].map(|line| line[2..].trim()), [first, second], "{shown}");
}

#[test]
fn a_budget_that_is_reached_exits_with_100() {
    let text = scenario("Too many events.", "events_max = 20\n");
    let shown = Folder::new("exhausted").with("many", &text).run(&["test"]);
    assert_eq!(shown.code, 100);
    golden!("test_exhausted", shown);
}

#[test]
fn an_invalid_scenario_exits_with_105_before_any_runs() {
    let wrong = calm().replace("servers = 3", "servers = \"three\"").replace("latency", "latensy");
    let folder = Folder::new("invalid").with("calm", &calm()).with("wrong", &wrong);
    let shown = folder.run(&["test"]);
    assert_eq!(shown.code, 105);
    golden!("test_invalid", shown);
}

#[test]
fn output_that_cannot_be_written_exits_with_110() {
    let folder = Folder::new("unwritable").with("boast", &boast()).with("calm", &calm());
    folder.write("taken", "");
    let shown = folder.run(&["test", "--out", "taken"]);
    assert_eq!(shown.code, 110);
    assert!(shown.stdout.contains("replay: toy replay scenarios/ring/boast.toml --seed 0"), "{shown}");
    assert!(shown.stdout.contains("\n  trace\n"), "the last lines need no folder: {shown}");
    assert!(shown.stdout.contains("PASS ring/calm"), "the other results come all the same: {shown}");
    let lost = "error: scenarios/ring/boast.toml: seed 0 could not be kept: cannot write taken/ring/boast/0: ";
    assert!(shown.stderr.starts_with(lost), "{shown}");
    let json = folder.run(&["test", "--out", "taken", "--message-format", "json"]).stdout;
    assert!(json.contains("\"exit_code\":110") && json.contains("\"artifact\":null"), "{json}");
    let shown = folder.run(&["test", "--junit", "taken/junit.xml"]);
    assert_eq!((shown.code, shown.stdout.as_str()), (110, ""), "it is known before anything runs");
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_takes_nothing_more_exits_with_110_and_the_results_come() {
    let folder = Folder::new("junit_full").with("calm", &calm());
    let shown = folder.run(&["test", "--junit", "/dev/full", "--message-format", "json"]);
    assert_eq!(shown.code, 110, "{shown}");
    assert!(shown.stdout.contains("\"judgement\":\"as expected\""), "{shown}");
    assert!(shown.stdout.contains("\"exit_code\":110"), "programs read the same code: {shown}");
    assert!(shown.stderr.starts_with("error: cannot write /dev/full: "), "{shown}");
}

#[test]
fn a_junit_file_takes_its_place_when_it_is_whole() {
    let folder = Folder::new("junit_whole").with("calm", &calm()).with("wrong", "format = 1\n");
    folder.write("junit.xml", "<old/>");
    assert_eq!(folder.run(&["test", "nowhere", "--junit", "junit.xml"]).code, 2);
    assert_eq!(folder.read("junit.xml"), "<old/>", "nothing ran");
    assert_eq!(folder.run(&["test", "scenarios/ring/calm.toml", "--junit", "junit.xml"]).code, 0);
    assert!(folder.read("junit.xml").ends_with("</testsuites>\n"));
    assert_eq!(folder.run(&["test", "--junit", "junit.xml"]).code, 105);
    assert!(folder.read("junit.xml").contains("<error message="), "what is wrong is told there");
    assert!(!folder.entries(".").iter().any(|name| name.contains("partial")), "{:?}", folder.entries("."));
}

#[test]
fn usage_errors_exit_with_2() {
    let folder = Folder::new("usage").with("calm", &calm());
    for arguments in [
        &["test", "nowhere"][..],
        &["test", "--seeds", "5..3"],
        &["test", "--seeds", "1..3", "--seed", "1"],
        &["test", "--seed", "0xx"],
        &["test", "-j", "0"],
        &["test", "--max-fail", "0"],
        &["test", "--check-determinism=often"],
        &["test", "--timeout", "5"],
        &["test", "--message-format", "poem"],
        &["run"],
        &["run", "nowhere.toml"],
        &["replay", "scenarios/ring/calm.toml"],
        &["replay", "scenarios"],
        &["list", "everything"],
        &["list", "--system", "raft"],
        &["sing"],
        &[],
    ] {
        let shown = folder.run(arguments);
        assert_eq!(shown.code, 2, "{arguments:?}: {shown}");
        assert!(!shown.stderr.is_empty(), "{arguments:?} says what is wrong");
        assert_eq!(shown.stdout, "", "{arguments:?} has no result");
    }
}

#[test]
fn jobs_change_nothing_on_stdout() {
    let folder = Folder::new("jobs").with("calm", &calm()).with("boast", &boast());
    let told = |jobs: &str| folder.run(&["test", "--message-format", "json", "--max-fail", "2", "-j", jobs]).stdout;
    let alone = told("1");
    assert!(alone.contains("\"type\":\"run\""), "{alone}");
    assert_eq!(told("4"), alone);
}

/// What is kept of failures is kept in the order of the seeds, whichever thread found it first.
#[test]
fn jobs_change_nothing_that_is_left_behind() {
    let folder = Folder::new("jobs_left").with("boast", &boast());
    for jobs in ["1", "4"] {
        let out = format!("out{jobs}");
        let arguments = ["test", "--seeds", "5..40", "--max-fail", "all", "-j", jobs, "--out", &out];
        assert_eq!(folder.run(&arguments).code, 100);
    }
    let kept = folder.entries("out1/ring/boast");
    assert_eq!(kept, ["5", "6", "7"]);
    assert_eq!(folder.entries("out4/ring/boast"), kept);
    for seed in kept {
        for file in folder.entries(&format!("out1/ring/boast/{seed}")) {
            let text = |out: &str| folder.read(&format!("{out}/ring/boast/{seed}/{file}"));
            assert_eq!(text("out1"), text("out4"), "{seed}/{file}");
        }
    }
}

#[test]
fn seeds_can_be_named_and_failures_counted() {
    let folder = Folder::new("seeds").with("boast", &boast());
    let shown = folder.run(&["test", "--seeds", "0x10..0x18", "--max-fail", "all"]);
    golden!("test_seeds", shown);
    assert!(folder.exists("reports/ring/boast/16/summary.json"));
    let shown = folder.run(&[
        "test",
        "--seed",
        "3",
        "--seed",
        "1",
        "--seed",
        "0x3",
        "--max-fail",
        "all",
        "--message-format",
        "json",
    ]);
    let seeds: Vec<&str> = shown.stdout.lines().filter(|line| line.contains("\"type\":\"run\"")).collect();
    assert_eq!(seeds.len(), 2, "a seed that is named twice runs once: {shown}");
    assert!(seeds[0].contains("\"seed\":3") && seeds[1].contains("\"seed\":1"), "{shown}");
}

#[test]
fn evaluations_are_told_where_they_are_asked_for() {
    let folder = Folder::new("evaluations").with("calm", &calm()).with("boast", &boast());
    let shown = folder.run(&["test", "--evaluations", "--max-fail", "all"]);
    golden!("test_evaluations", shown);
    assert!(!folder.run(&["test"]).stdout.contains("evaluated modesty"), "nobody asked");
}

#[test]
fn what_is_wrong_with_a_file_is_told_in_every_format() {
    let wrong = calm().replace("servers = 3", "servers = \"three\"").replace("latency", "latensy");
    let folder = Folder::new("invalid_formats").with("calm", &calm()).with("wrong", &wrong);
    let mut text = String::new();
    for command in ["test", "check"] {
        for format in ["json", "github"] {
            let shown = folder.run(&[command, "--message-format", format]);
            assert_eq!(shown.code, 105, "{shown}");
            assert!(shown.stderr.contains("2 errors"), "people are told on stderr: {shown}");
            text += &format!("$ toy {command} --message-format {format}\n{}\n", shown.stdout);
        }
    }
    for command in ["run", "replay"] {
        let more = ["scenarios/ring/wrong.toml", "--seed", "1", "--message-format", "json"];
        let shown = folder.run(&[&[command][..], &more].concat());
        assert_eq!(shown.code, 105, "{shown}");
        text += &format!("$ toy {command} --message-format json\n{}\n", shown.stdout);
    }
    assert_eq!(folder.run(&["test", "--junit", "junit.xml"]).code, 105);
    golden!("invalid_formats", text + &folder.read("junit.xml"));
}

#[test]
fn machines_read_one_object_a_line() {
    let folder = Folder::new("json").with("boast", &boast()).with("calm", &calm());
    let shown = folder.run(&["test", "--message-format", "json"]);
    for line in shown.stdout.lines() {
        let value: serde_json::Value = serde_json::from_str(line).expect("each line is JSON");
        assert_eq!(value["v"], 1, "{line}");
    }
    golden!("test_json", shown);
}

#[test]
fn github_gets_annotations_and_junit_gets_cases() {
    let folder = Folder::new("github").with("boast", &boast()).with("calm", &calm());
    let shown = folder.run(&["test", "--message-format", "github", "--junit", "junit.xml"]);
    golden!("test_github", shown);
    golden!("test_junit", folder.read("junit.xml"));
}

#[test]
fn only_faults_that_are_not_over_are_in_force() {
    let fault = |text: &str| format!("[[fault]]\nat = \"60ms\"\n{text}\n\n");
    let over = "clock_slew = { nodes = \"s1\", by = \"1ms\", over = \"100ms\" }";
    let going = "clock_slew = { nodes = \"s3\", by = \"1ms\", over = \"500ms\" }";
    let faults = [
        "disk = { nodes = \"s1\", fault = \"lose\" }",
        "disk = { nodes = \"s1\", fault = \"full\" }",
        "start = \"s1\"",
        over,
        going,
    ];
    let text = boast() + &faults.map(fault).concat();
    let shown = Folder::new("in_force").with("boast", &text).run(&["test", "--message-format", "human"]);
    let lines = shown.stdout.lines().filter_map(|line| line.trim().strip_prefix("in force"));
    let ids: Vec<&str> = lines.filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(ids, ["quarrel", "disk-2", "clock_slew-2"], "{shown}");
}

/// Percentiles and a histogram, of values that differ from run to run.
#[test]
fn figures_have_a_distribution() {
    let lossy =
        calm().replace("latency = \"1ms\"", "latency = \"1ms\"\nloss = \"20%\"").replace("seeds = 4", "seeds = 100");
    let lossy = lossy.replace("heard = { at_least = 24, at_most = 27 }", "heard = { at_most = 27 }");
    let folder = Folder::new("figures").with("lossy", &lossy);
    golden!("test_figures", folder.run(&["test", "--figures"]));
}

/// What led to a failure: every fault with its times, lifted ones too; of many the last ones and those in force.
#[test]
fn a_failure_lists_the_faults_that_led_there() {
    let pause = |index: u64| {
        format!("[[fault]]\nid = \"nap-{index}\"\nat = \"{}ms\"\npause = \"s3\"\nfor = \"5ms\"\n\n", 60 + 10 * index)
    };
    let naps: String = (0..15).map(pause).collect();
    let later = "[[fault]]\nid = \"later\"\nat = \"900ms\"\ncrash = \"s3\"\n";
    let folder = Folder::new("faults").with("few", &format!("{}{}", boast(), pause(0)));
    folder.write("scenarios/ring/many.toml", &format!("{}{naps}{later}", boast()));
    golden!("test_faults", folder.run(&["test"]));
}

/// A remark is a notice and says what it is; a failure of the same call is an error.
#[test]
fn github_is_told_of_an_error_only_where_something_failed() {
    let never = scenario("Never so.", "[expect]\nreach = [\"boasted\"]\n");
    let folder = Folder::new("github_levels").with("never", &never);
    let told = |arguments: &[&str]| {
        let shown = folder.run(&[&["test", "--message-format", "github"][..], arguments].concat());
        let commands = shown.stdout.lines().filter(|line| line.starts_with("::"));
        (shown.code, commands.map(str::to_owned).collect::<Vec<_>>())
    };
    let at = "file=scenarios/ring/never.toml,line=16,title=ring/never::";
    assert_eq!(told(&["--seed", "2"]), (0, vec![format!("::notice {at}not judged: never reached: boasted")]));
    assert_eq!(told(&[]), (3, vec![format!("::warning {at}never reached: boasted")]));
    folder.write("scenarios/ring/never.toml", &never.replace("reach = [\"boasted\"]", "boasted = { at_least = 1 }"));
    let (code, commands) = told(&["--seed", "2"]);
    assert!(code == 100 && commands.len() == 1 && commands[0].starts_with("::error file="), "{commands:?}");
}

/// A fault between a server and whoever leads is none while that server leads itself.
#[test]
fn a_fault_that_some_runs_did_not_apply_is_told() {
    let text = "format = 1\nsystem = \"raft\"\ncluster = { servers = 3 }\n\n[[fault]]\nid = \"cut-1\"\nat = \"2s\"\n\
         cut = \"s2 -> leader\"\nfor = \"1s\"\n\n[run]\nduration = \"4s\"\nseeds = 20\n";
    let folder = Folder::new("some_runs").with("some", text).with("all", &text.replace("s2 -> leader", "s2 -> s1"));
    let told = |scenario: &str, format: &str| {
        let path = format!("scenarios/ring/{scenario}.toml");
        let arguments = ["test", &path, "--junit", "junit.xml", "--message-format", format];
        crate::support::shown(&folder.shipped(&arguments).output().expect("it starts"))
    };
    let said = |text: &str| text.matches("cut-1 was never applied in ").count();
    for format in ["human", "github"] {
        let shown = told("some", format);
        assert_eq!((shown.code, said(&shown.stdout)), (0, 1), "{shown}");
        assert!(shown.stdout.contains(" of 20 runs\n"), "{shown}");
        assert_eq!(said(&folder.read("junit.xml")), 1);
    }
    let json = told("some", "json");
    let line = json.stdout.lines().find(|line| line.contains("\"type\":\"scenario\"")).expect("it is judged");
    let line: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
    let runs = json.stdout.matches("\"never_applied\":[\"cut-1\"]").count() as u64;
    assert!(0 < runs && runs < 20, "{runs}");
    assert_eq!(line["never_applied"], serde_json::json!({ "cut-1": runs }));
    let shown = told("all", "human");
    assert_eq!((shown.code, said(&shown.stdout)), (0, 0), "{shown}");
}
