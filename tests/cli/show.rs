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
    let other = folder.read("reports/ring/boast/0/trace.jsonl").replacen("\"format\":2", "\"format\":9", 1);
    folder.write("other.jsonl", &other);
    for (target, message) in [
        (
            "scenarios/ring/boast.toml",
            "scenarios/ring/boast.toml:1: column 1: expected value, expected a header such as",
        ),
        ("other.jsonl", "other.jsonl:1: a recording of format 9, this build reads format 2"),
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
