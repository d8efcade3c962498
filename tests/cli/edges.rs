//! The edges: odd files, odd names, readers that go away, signals.

use std::process::Stdio;

use crate::golden;
use crate::scenarios::{boast, calm, flawed};
use crate::support::{Folder, shown};

#[test]
fn scenarios_of_one_name_keep_folders_of_their_own() {
    let folder = Folder::new("same_names");
    for place in ["p/x", "q/x", "p/scenarios/x", "q/scenarios/x"] {
        folder.make(place);
        folder.write(&format!("{place}/f.toml"), &boast());
    }
    let replays = |arguments: &[&str]| -> Vec<String> {
        let shown = folder.run(arguments);
        let lines = shown.stdout.lines().filter_map(|line| line.trim().strip_prefix("replay: toy replay "));
        lines.map(str::to_owned).collect()
    };
    let apart = ["reports/p/x/f/0", "reports/q/x/f/0"];
    assert_eq!(replays(&["test", "p/x/f.toml", "q/x/f.toml"]), apart);
    assert_eq!([replays(&["test", "p/x/f.toml"]), replays(&["test", "q/x/f.toml"])].concat(), apart);
    let both = replays(&["test", "p/scenarios", "q/scenarios"]);
    assert_eq!(both, ["reports/p/scenarios/x/f/0", "reports/q/scenarios/x/f/0"]);
    for (path, at) in [("p/scenarios/x/f.toml", &both[0]), ("q/scenarios/x/f.toml", &both[1])] {
        assert!(folder.read(&format!("{at}/summary.json")).contains(path), "{at} is of another scenario");
    }
}

#[test]
fn a_file_that_is_reached_twice_counts_once() {
    let folder = Folder::new("twice").with("calm", &calm());
    let shown = folder.run(&["check", "scenarios", "scenarios/ring/calm.toml", "./scenarios/../scenarios/ring"]);
    assert!(shown.stdout.ends_with("\n1 valid scenario\n"), "{shown}");
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_back_multiplies_nothing() {
    use std::os::unix::fs::symlink;

    let folder = Folder::new("links").with("calm", &calm());
    folder.make("elsewhere");
    folder.write("elsewhere/other.toml", &calm());
    symlink("..", folder.path("scenarios/ring/back")).expect("a link to a folder");
    symlink("../../elsewhere", folder.path("scenarios/ring/away.toml")).expect("a link like a file");
    symlink("calm.toml", folder.path("scenarios/ring/alias.toml")).expect("a link to a file");
    let shown = folder.run(&["check"]);
    assert!(shown.code == 0 && shown.stdout.ends_with("\n1 valid scenario\n"), "{shown}");
    symlink("elsewhere", folder.path("named")).expect("a link to a folder");
    let shown = folder.run(&["check", "named"]);
    assert!(shown.stdout.starts_with("valid named/other.toml"), "a link that is named is followed: {shown}");
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    let folder = Folder::new("irregular").with("calm", &calm());
    let made = std::process::Command::new("mkfifo").arg(folder.path("pipe.toml")).status();
    assert!(made.expect("mkfifo is there").success());
    for arguments in [
        &["check", "pipe.toml"][..],
        &["test", "pipe.toml"],
        &["check", "."],
        &["check", "/dev/zero"],
        &["run", "/dev/zero"],
        &["run", "pipe.toml"],
        &["run", "scenarios"],
        &["replay", "pipe.toml", "--seed", "1"],
        &["replay", "scenarios/ring/calm.toml", "--seed", "1", "--plan", "/dev/zero"],
    ] {
        let shown = folder.run(arguments);
        assert_eq!(shown.code, 2, "{arguments:?}: {shown}");
        assert!(shown.stderr.contains("expected a regular file"), "{arguments:?}: {shown}");
    }
}

#[test]
fn a_file_that_is_too_long_is_refused_without_reading_it_all() {
    let folder = Folder::new("long");
    let file = std::fs::File::create(folder.path("scenarios/ring/long.toml")).expect("a file can be made");
    file.set_len(1 << 40).expect("a file can have a hole");
    let shown = folder.run(&["check"]);
    assert_eq!(shown.code, 105);
    assert!(shown.stderr.contains("a scenario has at most 1048576 bytes"), "{shown}");
}

#[test]
fn a_file_that_cannot_be_read_is_a_usage_error_wherever_it_is_named() {
    let folder = Folder::new("unreadable").with("calm", &calm());
    for arguments in [&["test", "nowhere.toml"][..], &["check", "nowhere.toml"], &["run", "nowhere.toml"]] {
        let shown = folder.run(arguments);
        assert_eq!((shown.code, shown.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(shown.stderr.starts_with("error: cannot read nowhere.toml: "), "{shown}");
    }
    // Beside an invalid one both are told, and the graver code is taken.
    let folder = folder.with("wrong", "format = 1\n");
    #[cfg(unix)]
    std::os::unix::fs::symlink("nowhere", folder.path("scenarios/ring/gone.toml")).expect("a link to nothing");
    let shown = folder.run(&["check"]);
    assert_eq!(shown.code, 2);
    golden!("check_unreadable", shown);
}

#[test]
fn a_scenario_may_come_from_stdin() {
    let folder = Folder::new("stdin");
    let piped = |arguments: &[&str], text: &str| {
        let input = folder.path("input");
        std::fs::write(&input, text).expect("a file can be written");
        let file = std::fs::File::open(&input).expect("it is there");
        shown(&folder.toy(arguments).stdin(file).output().expect("the toy starts"))
    };
    let told = piped(&["check", "-"], &calm());
    assert_eq!(told.stdout, "valid -: ring, 4 seeds of 1s\n1 valid scenario\n", "{told}");
    assert_eq!(piped(&["run", "-", "--timeline", "none"], &calm()).code, 0);
    let told = piped(&["test", "-"], &boast());
    assert!(told.stdout.contains("replay: toy replay reports/stdin/0\n"), "{told}");
    let told = piped(&["check", "-"], "format = 2\n");
    assert!(told.code == 105 && told.stderr.contains("-:1:"), "{told}");
    let told = piped(&["check", "-"], &"#".repeat(3 << 20));
    assert_eq!(told.code, 105, "{told}");
}

/// The line to copy is handed to a shell as it stands.
#[cfg(unix)]
#[test]
fn the_line_to_copy_can_be_copied_whatever_the_path() {
    for (test, out) in [
        ("odd_space", "my reports"),
        ("odd_quote", "it's \"$HOME\" `x` \\"),
        ("odd_unicode", "grüße"),
        ("odd_dash", "-x"),
    ] {
        let folder = Folder::new(test).with("boast", &boast());
        let out = format!("--out={out}");
        let told = folder.run(&["test", &out]);
        assert_eq!(told.code, 100, "{told}");
        let line = told.stdout.lines().find_map(|line| line.trim().strip_prefix("replay: toy replay "));
        let line = line.expect("there is a line to copy");
        let printed = std::process::Command::new("sh")
            .args(["-c", &format!("printf %s {line}")])
            .output()
            .expect("there is a shell");
        let path = String::from_utf8(printed.stdout).expect("the path is text");
        let again = folder.run(&["replay", &path, "--timeline", "none"]);
        assert!(again.code == 100 && again.stderr.contains("digest for digest"), "{line}: {again}");
    }
}

#[cfg(unix)]
#[test]
fn a_name_moves_no_cursor_and_ends_no_line() {
    let folder = Folder::new("odd_name");
    folder.write("scenarios/ring/a\n\u{1b}[31mb.toml", &boast());
    let told = folder.run(&["test"]);
    assert!(!told.stdout.contains('\u{1b}'), "{told}");
    assert!(told.stdout.contains("FAIL ring/a__[31mb ·"), "{told}");
    assert!(told.stdout.contains(r"scenario  scenarios/ring/a\n\u{1b}[31mb.toml"), "{told}");
    assert!(folder.exists("reports/ring/a__[31mb/0/summary.json"));
}

/// A reader that goes away ends every command in one way: nothing is said, and the code is that of lost output.
#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_is_lost_output_and_no_noise() {
    // The shipped binary: the toy's harness prints to stdout itself.
    let text = "format = 1\nsystem = \"raft\"\ncluster = { servers = 3 }\nrun = { duration = \"1s\", seeds = 2 }\n";
    let folder = Folder::new("closed").with("calm", text);
    let told = |arguments: &[&str], stdout: Stdio| {
        shown(&folder.shipped(arguments).stdout(stdout).output().expect("the binary starts"))
    };
    let gone = || {
        let (reader, writer) = std::io::pipe().expect("there are pipes");
        drop(reader);
        Stdio::from(writer)
    };
    for arguments in [
        &["test"][..],
        &["test", "--message-format", "json"],
        &["test", "--message-format", "github"],
        &["run", "scenarios/ring/calm.toml"],
        &["run", "scenarios/ring/calm.toml", "--message-format", "json"],
        &["replay", "scenarios/ring/calm.toml", "--seed", "1"],
        &["check"],
        &["list", "options"],
        &["schema"],
        &["completions", "bash"],
        &["completions", "fish"],
        &["--help"],
        &["test", "--help"],
        &["--version"],
    ] {
        let told = told(arguments, gone());
        assert_eq!((told.code, told.stderr.as_str()), (110, ""), "{arguments:?}");
    }
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").map(Stdio::from);
    for arguments in [&["test"][..], &["check"], &["list"], &["schema"], &["completions", "bash"], &["--help"]] {
        let Ok(full) = full() else { return };
        let told = told(arguments, full);
        assert_eq!(told.code, 110, "{arguments:?}");
        assert!(told.stderr.starts_with("error: cannot write stdout: "), "{arguments:?}: {told}");
    }
    // A usage error has no result to lose.
    assert_eq!(told(&["sing"], gone()).code, 2);
}

/// A signal while a run hangs: what was finished is told, and the exit code says why it is not all.
#[cfg(unix)]
#[test]
fn a_signal_exits_with_130_and_tells_what_was_finished() {
    use std::io::{BufRead as _, BufReader};
    use std::process::Command;

    let folder = Folder::new("interrupt").with("a_calm", &calm()).with("b_hang", &flawed("hang", ""));
    // Sent twice at once it is one wish, as GNU timeout does. Under nohup a hangup asks for nothing.
    let all = [&["-INT"][..], &["-TERM"], &["-HUP"], &["-TERM", "-TERM"], &["-INT", "-HUP"]];
    for signals in all.into_iter().filter(|signals| signals != &["-HUP"] || !hangups_are_ignored()) {
        let mut toy = folder.toy(&["test", "--message-format", "json", "--timeout", "0s", "-j1"]);
        let mut child = toy.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the toy starts");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is a pipe")).lines();
        let mut next = || lines.next().map(|line| line.expect("stdout is text"));
        while next().is_some_and(|line| !line.contains("\"type\":\"scenario\"")) {}
        for signal in signals {
            let sent = Command::new("kill").args([signal, &*child.id().to_string()]).status().expect("kill is there");
            assert!(sent.success());
        }
        let rest: Vec<String> = std::iter::from_fn(next).collect();
        assert_eq!(child.wait().expect("the toy ends").code(), Some(130), "{signals:?}");
        let end = rest.last().expect("there is a last line");
        assert!(end.contains("\"exit_code\":130") && end.contains("\"passed\":1"), "{signals:?}: {rest:?}");
    }
}

/// Whether this test itself runs under `nohup`.
#[cfg(unix)]
fn hangups_are_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// Under `nohup` a terminal that goes away ends nothing.
#[cfg(target_os = "linux")]
#[test]
fn a_hangup_that_is_ignored_stays_ignored() {
    let folder = Folder::new("nohup").with("calm", &calm());
    let toy = folder.toy(&["check", "-"]);
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]).arg(toy.get_program()).args(toy.get_args());
    let variables = toy.get_envs().filter_map(|(name, value)| Some((name, value?)));
    let shell = shell.envs(variables).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = shell.spawn().expect("a shell is there");
    let status = format!("/proc/{}/status", child.id());
    let mask = |name: &str| {
        let status = std::fs::read_to_string(&status).expect("it runs");
        let mask = status.lines().find_map(|line| line.strip_prefix(name)).expect("a mask").trim().to_owned();
        u64::from_str_radix(&mask, 16).expect("a number")
    };
    let (hangup, termination) = (1, 1 << 14);
    while mask("SigCgt:") & termination == 0 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!((mask("SigCgt:") & hangup, mask("SigIgn:") & hangup), (0, hangup));
    drop(child.stdin.take());
    child.wait().expect("the toy ends");
}

#[test]
fn what_a_failing_run_left_is_no_scenario() {
    let folder = Folder::new("left").with("boast", &boast());
    for _ in 0..2 {
        let shown = folder.run(&["test", "."]);
        assert!(shown.code == 100 && shown.stdout.ends_with("\n0 passed, 1 failed\n"), "{shown}");
    }
    // Some of its files may be lost: two are enough to tell.
    for file in ["summary.json", "options.json", "trace.jsonl", "scenario.toml"] {
        std::fs::remove_file(folder.path(&format!("reports/ring/boast/0/{file}"))).expect("it is there");
        let shown = folder.run(&["check", "."]);
        assert!(shown.code == 0 && shown.stdout.ends_with("\n1 valid scenario\n"), "without {file}: {shown}");
    }
    assert_eq!(folder.entries("reports/ring/boast/0"), ["plan.toml", "resolved.toml"]);
    // With one of them it is a folder like any other.
    std::fs::remove_file(folder.path("reports/ring/boast/0/resolved.toml")).expect("it is there");
    assert_eq!(folder.run(&["check", "."]).code, 105, "a plan is no scenario");
}

/// The folder of a run may be a link to one on another disk: what a user keeps there stays there.
#[cfg(unix)]
#[test]
fn a_folder_of_a_run_that_is_a_link_is_written_where_it_leads() {
    let folder = Folder::new("linked_run").with("boast", &boast());
    folder.make("elsewhere/real");
    folder.make("reports/ring/boast");
    folder.write("elsewhere/real/mine.txt", "kept");
    std::os::unix::fs::symlink("../../../elsewhere/real", folder.path("reports/ring/boast/0")).expect("a link");
    for _ in 0..2 {
        let shown = folder.run(&["test", "--seed", "0"]);
        assert!(shown.code == 100 && shown.stderr.is_empty(), "{shown}");
        assert!(shown.stdout.contains("reports/ring/boast/0"), "{shown}");
        assert_eq!(folder.entries("reports/ring/boast"), ["0"]);
        assert_eq!(folder.entries("elsewhere"), ["real"]);
        assert_eq!(folder.read("elsewhere/real/mine.txt"), "kept");
        assert!(folder.path("reports/ring/boast/0").is_symlink());
    }
    assert_eq!(folder.run(&["replay", "reports/ring/boast/0"]).code, 100);
}

/// What says that the run is of another seed is the recording, also where someone has changed the summary.
#[test]
fn a_summary_of_another_seed_than_its_recording_is_refused() {
    let folder = Folder::new("changed_seed").with("boast", &boast());
    assert_eq!(folder.run(&["test"]).code, 100);
    let at = "reports/ring/boast/0";
    let summary = folder.read(&format!("{at}/summary.json"));
    let changed = summary.replace("\"seed\": 0", "\"seed\": 3");
    assert_ne!(summary, changed);
    folder.write(&format!("{at}/summary.json"), &changed);
    let shown = folder.run(&["replay", at]);
    assert_eq!(shown.code, 2, "{shown}");
    assert!(
        shown.stderr.contains("summary.json says that the run is of seed 3, the recording beside it is of 0"),
        "{shown}"
    );
}

/// Which other scenarios are in a call decides how they are called, but not which of them failed.
#[test]
fn what_failed_is_known_whatever_else_was_asked_for() {
    let folder = Folder::new("failed_paths");
    for place in ["a/scenarios", "b/scenarios"] {
        folder.make(place);
        folder.write(&format!("{place}/x.toml"), &boast());
    }
    let shown = folder.run(&["test", "a", "b"]);
    assert!(shown.code == 100 && shown.stdout.contains("FAIL a/scenarios/x"), "{shown}");
    let here = folder.path("a").display().to_string();
    for path in ["a", "./a", &here] {
        let shown = folder.run(&["test", path, "--failed"]);
        assert!(shown.code == 100 && shown.stdout.ends_with("\n0 passed, 1 failed\n"), "{path}: {shown}");
    }
    assert_eq!(folder.read("reports/.failed"), "a/scenarios/x.toml\nb/scenarios/x.toml\n");
}

/// Each is told of its own result, whatever the others do in the same folders at the same time.
#[test]
fn calls_on_one_folder_of_reports_end_with_their_own_codes() {
    let folder = Folder::new("one_out").with("boast", &boast()).with("calm", &calm());
    let calls = [(&["-E", "name(boast)"][..], 100), (&["--max-fail", "all"], 100), (&["--skip", "boast"], 0)];
    for _ in 0..3 {
        let start = |(arguments, code): &(&[&str], i32)| {
            let mut toy = folder.toy(&[&["test"], *arguments, &["--check-determinism=0%"]].concat());
            let child = toy.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the toy starts");
            (child, *code)
        };
        let children: Vec<_> = calls.iter().map(start).collect();
        for (child, code) in children {
            let shown = shown(&child.wait_with_output().expect("the toy ends"));
            assert_eq!(shown.code, code, "{shown}");
        }
    }
    let seeds = folder.entries("reports/ring/boast");
    assert!(seeds.iter().all(|name| !name.starts_with('.')), "{seeds:?}");
    assert_eq!(folder.entries("reports/ring/boast/0").len(), 6);
    assert_eq!(folder.read("reports/.failed"), "scenarios/ring/boast.toml\n");
}

/// What was not run is in the file too, or a reader of it takes the call for a whole one.
#[test]
fn scenarios_that_were_skipped_are_cases_of_junit() {
    let folder = Folder::new("junit_skipped").with("a", &boast()).with("b", &calm()).with("c", &calm());
    let shown = folder.run(&["test", "--fail-fast", "--junit", "junit.xml"]);
    assert_eq!(shown.code, 100, "{shown}");
    let junit = folder.read("junit.xml");
    assert!(junit.contains("tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"2\""), "{junit}");
    let skipped = "name=\"ring/b\" file=\"scenarios/ring/b.toml\">\n      \
        <skipped message=\"not run: the call ended before\"/>";
    assert!(junit.contains(skipped), "{junit}");
    assert_eq!(junit.matches("<testcase").count(), 3, "{junit}");
}

/// What one server has of its own is an option of the run like any other.
#[test]
fn options_of_single_servers_are_shown_and_kept() {
    let own = "[ring.servers.s2]\nperiod = \"20ms\"\n\n[expect]";
    let folder = Folder::new("own_options").with("boast", &boast().replacen("[expect]", own, 1));
    let shown = folder.run(&["run", "scenarios/ring/boast.toml", "--options", "--out", "kept"]);
    assert!(shown.stdout.contains("ring.s2.period"), "{shown}");
    assert!(!shown.stdout.contains("ring.s1.") && !shown.stdout.contains("ring.s2.flaw"), "{shown}");
    assert!(folder.read("kept/ring/boast/0/options.json").contains("\"ring.s2.period\": \""));
}

/// A single run that hangs ends at the first signal, however it was started.
#[cfg(unix)]
#[test]
fn a_signal_ends_a_single_run_with_130() {
    use std::io::{BufRead as _, BufReader};
    use std::process::Command;

    let folder = Folder::new("interrupt_single").with("hang", &flawed("hang", ""));
    let file = "scenarios/ring/hang.toml";
    for arguments in [&["run", file][..], &["replay", file, "--seed", "3"]] {
        let mut toy = folder.toy(&[arguments, &["--timeout", "0s"]].concat());
        let mut child = toy.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the toy starts");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is a pipe")).lines();
        let mut next = || lines.next().map(|line| line.expect("stdout is text"));
        // The third greeting of s2 is where it hangs.
        while next().is_some_and(|line| !line.contains("heard")) {}
        let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill is there");
        assert!(sent.success());
        let _ = std::iter::from_fn(next).count();
        let ended = child.wait_with_output().expect("the toy ends");
        assert_eq!(ended.status.code(), Some(130), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&ended.stderr), "error: interrupted\n", "{arguments:?}");
    }
}

/// A command that waits for stdin ends at a signal as every other does.
#[cfg(target_os = "linux")]
#[test]
fn a_signal_ends_a_command_that_reads_stdin_with_130() {
    use std::process::Command;

    let folder = Folder::new("interrupt_stdin");
    for command in ["check", "test", "show", "run"] {
        for (signal, number) in [("-INT", 2), ("-TERM", 15)] {
            let mut toy = folder.toy(&[command, "-"]);
            let toy = toy.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = toy.spawn().expect("the toy starts");
            // Open until the end: waiting for a child would close it.
            let _stdin = child.stdin.take();
            let status = format!("/proc/{}/status", child.id());
            // Until it has asked for the signal, which the system says as a mask.
            let is_caught = || {
                let status = std::fs::read_to_string(&status).expect("it runs");
                let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("a mask").trim();
                u64::from_str_radix(mask, 16).expect("a number") >> (number - 1) & 1 == 1
            };
            while !is_caught() {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            // The signal is asked for in two steps, of which the second follows at once.
            std::thread::sleep(std::time::Duration::from_millis(50));
            let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill is there");
            assert!(sent.success());
            assert_eq!(child.wait().expect("the toy ends").code(), Some(130), "{command} {signal}");
        }
    }
}

/// A failure is kept as soon as it is found: even a kill, which nothing can catch, leaves its folder.
#[cfg(unix)]
#[test]
fn a_kill_leaves_the_folder_of_what_had_failed() {
    use std::io::{BufRead as _, BufReader};

    for jobs in ["-j1", "-j2"] {
        let folder = Folder::new(&format!("killed{jobs}")).with("boast", &boast()).with("calm", &calm());
        let endless = ["test", "--message-format", "json", "--seeds", "0..500000", "--max-fail", "all", jobs];
        let mut child = folder.toy(&endless).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is a pipe")).lines();
        let mut next = || lines.next().map(|line| line.expect("stdout is text"));
        // The scenario goes on for long; by the time that its second run is told of, the first one is kept.
        while next().is_some_and(|line| !(line.contains("\"type\":\"run\"") && line.contains("\"seed\":1,"))) {}
        child.kill().expect("a child can be killed");
        assert_eq!(child.wait().expect("it is gone").code(), None, "a signal ended it");
        let names = folder.entries("reports/ring/boast");
        assert_eq!(names.iter().filter(|name| *name == "0").count(), 1, "{names:?}");
        for name in names.iter().filter(|name| !name.starts_with('.')) {
            let again = folder.run(&["replay", &format!("reports/ring/boast/{name}"), "--timeline", "none"]);
            assert!(again.code == 100 && again.stderr.ends_with("digest for digest\n"), "{name}: {again}");
        }
        // What the killed process began is no scenario and no folder of a run for the next call.
        assert_eq!(folder.run(&["test", "scenarios/ring/boast.toml"]).code, 100);
        assert_eq!(folder.run(&["replay", "reports/ring/boast/0", "--timeline", "none"]).code, 100);
    }
}

/// What had failed before an interrupt is recorded all the same.
#[cfg(unix)]
#[test]
fn an_interrupt_saves_the_folders_of_what_had_failed() {
    use std::io::{BufRead as _, BufReader};
    use std::process::Command;

    let folder = Folder::new("interrupt_saves").with("boast", &boast());
    let endless = ["test", "--message-format", "json", "--seeds", "0..500000", "--max-fail", "all"];
    let mut child = folder.toy(&endless).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the toy starts");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout is a pipe")).lines();
    let mut next = || lines.next().map(|line| line.expect("stdout is text"));
    while next().is_some_and(|line| !line.contains("\"type\":\"run\"")) {}
    let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill is there");
    assert!(sent.success());
    let end = std::iter::from_fn(next).last().expect("there is a last line");
    assert_eq!(child.wait().expect("the toy ends").code(), Some(130), "{end}");
    let again = folder.run(&["replay", "reports/ring/boast/0", "--timeline", "none"]);
    assert!(again.code == 100 && again.stderr.ends_with("digest for digest\n"), "{again}");
    assert_eq!(folder.entries("reports/ring/boast"), ["0", "1", "2"]);
}

/// What a killed process began is gone after the next call for its scenario, of whichever seed it was, and though all
/// is as expected now.
#[test]
fn a_later_call_takes_away_what_killed_ones_began() {
    use std::time::{Duration, SystemTime};

    let folder = Folder::new("leftovers").with("calm", &calm()).with("boast", &boast());
    let past = SystemTime::now() - Duration::from_secs(600);
    for (scenario, name) in [("calm", ".70.partial.1"), ("boast", ".71.partial.1"), ("boast", ".0.old.1")] {
        let at = format!("reports/ring/{scenario}/{name}");
        folder.make(&at);
        folder.write(&format!("{at}/trace.jsonl"), "");
        let trace = std::fs::File::options().write(true).open(folder.path(&format!("{at}/trace.jsonl")));
        trace.and_then(|trace| trace.set_modified(past)).expect("a file can be aged");
    }
    folder.write("reports/ring/boast/.0.old.1/note", "mine");
    assert_eq!(folder.run(&["test"]).code, 100);
    assert!(folder.entries("reports/ring/calm").is_empty());
    assert_eq!(folder.entries("reports/ring/boast"), ["0"]);
    assert_eq!(folder.read("reports/ring/boast/0/note"), "mine");
}

/// A schema that cannot be written as a whole leaves the old one.
#[cfg(unix)]
#[test]
fn a_schema_takes_its_place_as_a_whole() {
    let folder = Folder::new("schema_full");
    folder.write("s.json", "old");
    // A file may have 512 bytes, or 1024, and the signal that says so is passed over: writing fails, as on a full disk.
    let script = "trap '' XFSZ; ulimit -f 1 && exec \"$0\" schema --write s.json";
    let mut limited = std::process::Command::new("sh");
    limited.args(["-c", script, env!("CARGO_BIN_EXE_splitbrain")]).current_dir(folder.path("."));
    let shown = shown(&limited.stdin(Stdio::null()).output().expect("there is a shell"));
    assert_eq!(shown.code, 110, "{shown}");
    assert!(shown.stderr.starts_with("error: cannot write s.json: "), "{shown}");
    assert_eq!(folder.read("s.json"), "old");
    assert_eq!(folder.entries("."), ["s.json", "scenarios"], "nothing is left beside it");
}
