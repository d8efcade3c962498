//! `show`: a stored recording, printed without running anything.

use crate::golden;
use crate::scenarios::boast;
use crate::support::Folder;

/// A folder with one failing run in `reports/ring/boast/0`.
fn failed(test: &str) -> Folder {
    let folder = Folder::new(test).with("boast", &boast());
    assert_eq!(folder.run(&["test"]).code, 100);
    folder
}

#[test]
fn a_recording_is_shown_from_its_folder() {
    let folder = failed("show_folder");
    let shown = folder.run(&["show", "reports/ring/boast/0"]);
    assert_eq!(shown.code, 0);
    golden!("show_folder", shown);
}

#[test]
fn a_recording_is_shown_for_a_node_and_a_time() {
    let folder = failed("show_part");
    let trace = "reports/ring/boast/0/trace.jsonl";
    let part = ["--timeline", "all", "--node", "s2", "--from", "200ms", "--until", "300ms"];
    let shown = folder.run(&[&["show", trace][..], &part].concat());
    assert_eq!(shown.code, 0);
    golden!("show_part", shown);
}

#[test]
fn what_is_before_the_damage_is_shown_and_the_damage_exits_with_2() {
    let folder = failed("show_damaged");
    let trace = "reports/ring/boast/0/trace.jsonl";
    let text = folder.read(trace);
    let first: Vec<&str> = text.lines().take(4).collect();
    folder.write(trace, &format!("{}\n{{\"at_ns\":5", first.join("\n")));
    let shown = folder.run(&["show", trace]);
    assert_eq!(shown.code, 2);
    golden!("show_damaged", shown);
}

#[test]
fn what_is_no_recording_exits_with_2() {
    let folder = failed("show_wrong");
    let other = folder.read("reports/ring/boast/0/trace.jsonl").replacen("\"format\":3", "\"format\":9", 1);
    folder.write("other.jsonl", &other);
    for (target, message) in [
        (
            "scenarios/ring/boast.toml",
            "scenarios/ring/boast.toml:1: column 1: expected value, expected a header such as",
        ),
        ("other.jsonl", "other.jsonl:1: a recording of format 9, this build reads format 3"),
        ("scenarios", "scenarios is not the folder of a run: cannot read scenarios/summary.json"),
        ("absent.jsonl", "cannot read absent.jsonl: No such file"),
        ("-", "-:1: the file is empty, expected a header such as"),
    ] {
        let shown = folder.run(&["show", target]);
        assert_eq!(shown.code, 2, "{target}: {shown}");
        assert!(shown.stderr.starts_with(&format!("error: {message}")), "{target}: {shown}");
        assert_eq!(shown.stdout, "", "{target}");
    }
}

#[test]
fn a_terminal_obeys_nothing_in_a_recording_from_elsewhere() {
    let folder = failed("show_foreign");
    let strange = "\\u001b]2;title\\u0007\\n::error::x\\u202e";
    let trace = "reports/ring/boast/0/trace.jsonl";
    let text = folder.read(trace).replace("\"quarrel\"", &format!("\"{strange}\""));
    folder.write(trace, &text.replacen("\"system\":\"ring\"", &format!("\"system\":\"{strange}\""), 1));
    let summary = "reports/ring/boast/0/summary.json";
    folder.write(summary, &folder.read(summary).replace("\"violated\"", &format!("\"{strange}\"")));
    let shown = folder.run(&["show", "reports/ring/boast/0"]);
    assert_eq!(shown.code, 0, "{shown}");
    let escaped = r"\u{1b}]2;title\u{7}\n::error::x\u{202e}";
    for line in [format!("system: {escaped}\n"), format!("▼ {escaped} cut"), format!("outcome: {escaped}\n")] {
        assert!(shown.stdout.contains(&line), "{line}: {shown}");
    }
    assert!(!shown.stdout.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{shown}");
    assert!(!shown.stdout.contains("\n::error"), "{shown}");
}

#[test]
fn a_node_or_a_time_of_which_there_is_nothing_exits_with_2_and_says_what_there_is() {
    let folder = failed("show_nothing");
    let trace = "reports/ring/boast/0/trace.jsonl";
    for (part, message) in [
        (&["--node", "s9"][..], "--node s9: no entry is of this node, there are those of s1, s2, s3"),
        (&["--node", "s1", "--node", "S2"], "--node S2: no entry is of this node, there are those of s1, s2, s3"),
        (&["--from", "5s", "--until", "2s"], "--from 5.000000s is after --until 2.000000s: nothing is between them"),
        (&["--from", "1h"], "no entry is that late: the first is at 0.000000s, the last at "),
    ] {
        let shown = folder.run(&[&["show", trace][..], part].concat());
        assert_eq!(shown.code, 2, "{part:?}: {shown}");
        assert!(shown.stderr.starts_with(&format!("error: {message}")), "{part:?}: {shown}");
    }
    // Between two entries there is nothing, and yet it is a time of the run.
    let shown = folder.run(&["show", trace, "--from", "1ms", "--until", "2ms", "--node", "s1"]);
    assert_eq!(shown.code, 0, "{shown}");
}

/// What clients did, as a run leaves it behind.
const HISTORY: &str = r#"{"format":1,"system":"raft","seed":7,"type":"history"}
{"at_ns":120000000,"event":31,"client":"c1","process":0,"id":0,"kind":"invoke","operation":{"propose":5}}
{"at_ns":126500000,"event":44,"client":"c1","process":0,"id":0,"kind":"ok","response":"done"}
{"at_ns":130000000,"event":50,"client":"c2","process":0,"id":4,"kind":"invoke","operation":"read\u001b"}
{"at_ns":910000000,"event":98,"client":"c2","process":0,"id":4,"kind":"unknown"}
"#;

#[test]
fn a_history_is_shown_from_its_file() {
    let folder = Folder::new("show_history");
    folder.write("history.jsonl", HISTORY);
    let shown = folder.run(&["show", "history.jsonl"]);
    assert_eq!((shown.code, shown.stderr.as_str()), (0, ""), "{shown}");
    let expected = "system: raft\nseed: 7\n\nhistory\n     0.120000s  c1     invoke  #0 {\"propose\":5}\n     \
                    0.126500s  c1     ok      #0 \"done\"\n     0.130000s  c2     invoke  #4 \"read\\u001b\"\n     \
                    0.910000s  c2     unknown #4\n";
    assert_eq!(shown.stdout, expected);
    let shown = folder.run(&["show", "history.jsonl", "--node", "c2", "--until", "500ms"]);
    assert!(shown.stdout.ends_with("#4 \"read\\u001b\"\n  (3 entries of other nodes, times or kinds)\n"), "{shown}");
    let shown = folder.run(&["show", "history.jsonl", "--node", "s1"]);
    assert_eq!((shown.code, shown.stderr.contains("there are those of c1, c2")), (2, true), "{shown}");
}

#[test]
fn a_history_that_is_damaged_exits_with_2() {
    let folder = Folder::new("show_history_damaged");
    folder.write("history.jsonl", &HISTORY.replace("\"id\":0,\"kind\":\"ok\"", "\"id\":9,\"kind\":\"ok\""));
    let shown = folder.run(&["show", "history.jsonl"]);
    assert_eq!((shown.code, shown.stdout.as_str()), (2, ""), "{shown}");
    let message = "error: history.jsonl:3: operation 9 of c1 is not open in this process\n";
    assert_eq!(shown.stderr, message);
}
