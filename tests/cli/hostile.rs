//! Text from elsewhere is data: file names, scenarios, artifacts, histories and panics reach no terminal and no CI log
//! as they are, whatever the command and the format.

use std::process::Command;

use splitbrain_toy::HOSTILE;

use crate::scenarios::{boast, calm, flawed};
use crate::support::Folder;

/// Whether a terminal would obey it, or show nothing for it. The list is this test's own.
fn is_obeyed(letter: char) -> bool {
    letter.is_control() || "\u{200b}\u{2028}\u{202e}\u{2066}".contains(letter)
}

/// What a program printed, by the name of what was asked of it.
struct Output {
    of: String,
    text: String,
}

fn output(of: &str, mut command: Command) -> [Output; 2] {
    let output = command.output().expect("the toy starts");
    let code = output.status.code();
    // The planted panics are of the two scenarios that say so.
    let is_planted = of.contains("rude") || of.contains("unmakeable") || of.starts_with("test ");
    assert!(code != Some(101) && (code != Some(103) || is_planted), "{of} panicked: {code:?}");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("programs print text");
    [("stdout", output.stdout), ("stderr", output.stderr)]
        .map(|(stream, bytes)| Output { of: format!("{of}, {stream}"), text: text(bytes) })
}

/// Lines end where the program ends them, and none of them is a command of someone else.
fn assert_harmless(output: &Output) {
    let Output { of, text } = output;
    // libtest prints the first lines of the toy.
    for line in text.lines() {
        let obeyed: Vec<char> = line.chars().filter(|letter| is_obeyed(*letter)).collect();
        assert!(obeyed.is_empty(), "{of} has {obeyed:?}: {line:?}");
        let ours = ["::error file=", "::warning file=", "::notice file=", "::notice::and "];
        let is_ours = of.contains("github") && ours.iter().any(|start| line.starts_with(start));
        assert!(is_ours || !line.trim_start().starts_with("::"), "{of} commands GitHub: {line:?}");
        assert!(!line.contains("##["), "{of} commands GitHub: {line:?}");
    }
}

const FORMATS: [&str; 3] = ["human", "json", "github"];

/// A text as it stands between quotes in TOML and in JSON.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text").replace("\u{7f}", "\\u007f")
}

/// What is typed: it comes back in clap's own errors, in ours, and as names of files.
fn typed(name: &str, odd: &str) -> Vec<Vec<String>> {
    let (option, filter, xml) = (format!("--{HOSTILE}"), format!("name({HOSTILE})"), format!("{name}.xml"));
    let (nowhere, inside) = (format!("nowhere/{name}"), format!("scenarios/ring/{name}.toml/x"));
    let (file, run) = (format!("scenarios/ring/{name}.toml"), format!("{name}/ring/boast/0"));
    let all: &[&[&str]] = &[
        &[HOSTILE],
        &["test", "--max-fail", HOSTILE],
        &["test", "--message-format", HOSTILE],
        &["test", "--check-determinism", HOSTILE],
        &["test", "--seed", HOSTILE],
        &["test", &option],
        &["test", "-E", &filter],
        &["test", "-E", HOSTILE],
        &["test", "--where", HOSTILE],
        &["test", "--set", HOSTILE],
        &["list", HOSTILE],
        &["schema", "--write", name],
        &["schema", "--write", &nowhere],
        &["schema", "--write", HOSTILE],
        &["test", "--out", name, "-v", "--junit", &xml],
        &["test", "--out", "scenarios/ring/calm.toml"],
        &["test", "--out", name, "--failed"],
        &["test", "--out", &inside, "--failed"],
        &["run", odd, "--out", name],
        &["run", odd, "--out", &file],
        &["replay", &run],
        &["diff", name, odd],
        &["completions", HOSTILE],
    ];
    all.iter().map(|arguments| arguments.iter().map(|one| (*one).to_owned()).collect()).collect()
}

#[test]
fn what_comes_from_elsewhere_reaches_no_terminal_as_it_is() {
    let folder = Folder::new("hostile").with("rude", &flawed("rude", "")).with("calm", &calm());
    let name = HOSTILE.replace('/', "").chars().take(60).collect::<String>();
    let odd = format!("scenarios/ring/{name}.toml");
    folder.write(&odd, &boast());
    folder.make("wrong");
    let wrong =
        format!("# {0}\n{1}\nsystem = {2}\n", HOSTILE.replace(['\r', '\n'], " "), "format = 1", quoted(HOSTILE));
    // A comment in TOML holds no control character but a tab; a text may hold all of them, escaped.
    folder.write("wrong/comment.toml", &wrong);
    folder.write("wrong/text.toml", wrong.lines().skip(1).collect::<Vec<_>>().join("\n").as_str());
    folder.write(&format!("wrong/{name}.toml"), &calm().replace("servers", &quoted(HOSTILE)));
    folder.make("unmakeable");
    folder.write("unmakeable/a.toml", &flawed("unmakeable", ""));
    folder.write("history.jsonl", &format!("{{\"type\":\"history\",\"format\":1,\"system\":{}}}\n", quoted(HOSTILE)));

    let mut outputs = Vec::new();
    let mut ask = |arguments: &[&str]| outputs.extend(output(&arguments.join(" "), folder.toy(arguments)));
    for format in FORMATS {
        let format = ["--message-format", format];
        for isolate in ["yes", "no"] {
            let more = ["--isolate", isolate, "--junit", "junit.xml", "--figures", "-v", "--show-progress", "counter"];
            ask(&[&["test"][..], &format, &more].concat());
        }
        ask(&[&["test", "wrong", "--junit", "wrong.xml"][..], &format].concat());
        ask(&[&["check", "wrong"][..], &format].concat());
        ask(&[&["check", "scenarios"][..], &format].concat());
        ask(&[&["run", &odd, "--all", "--options"][..], &format].concat());
        ask(&[&["run", "scenarios/ring/rude.toml", "--timeline", "notable"][..], &format].concat());
        ask(&[&["run", "wrong/text.toml"][..], &format].concat());
        // A panic on the main thread.
        ask(&[&["check", "unmakeable"][..], &format].concat());
        ask(&[&["test", "unmakeable"][..], &format].concat());
    }
    ask(&["show", "history.jsonl"]);
    ask(&["history", "history.jsonl", "--model", "register"]);
    ask(&["run", &odd, "--node", HOSTILE]);
    ask(&["test", &format!("nowhere/{name}")]);
    for arguments in typed(&name, &odd) {
        ask(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    }
    assert!(outputs.iter().any(|output| output.text.contains(r"\u{1b}]2;PWN\u{7}")), "the texts were told");
    for output in &outputs {
        assert_harmless(output);
    }
    for file in ["junit.xml", "wrong.xml"] {
        assert_harmless(&Output { of: file.to_owned(), text: folder.read(file) });
    }
    // Nor the name of a file or folder that splitbrain makes.
    let names = folder.entries("reports/ring");
    assert!(names.len() >= 2 && names.iter().all(|name| !name.contains(is_obeyed)), "{names:?}");
}

/// The folder of a run is the normal way for a bug report to come.
#[test]
fn an_artifact_from_elsewhere_is_data() {
    let folder = Folder::new("hostile_artifact").with("boast", &boast());
    assert_eq!(folder.run(&["test"]).code, 100);
    let at = "reports/ring/boast/0";
    let hostile = quoted(HOSTILE);
    let text = |file: &str| folder.read(&format!("{at}/{file}"));
    let (summary, plan, trace) = (text("summary.json"), text("plan.toml"), text("trace.jsonl"));
    let cases = [
        ("plan.toml", plan.replace("\"quarrel\"", &hostile)),
        ("trace.jsonl", trace.replace("\"quarrel\"", &hostile)),
        ("trace.jsonl", trace.replace("\"first\"", &hostile)),
        ("trace.jsonl", trace.replace("\"system\":\"ring\"", &format!("\"system\":{hostile}"))),
        ("trace.jsonl", format!("{}\n{HOSTILE}\n", trace.lines().next().expect("a header"))),
        ("summary.json", summary.replace("\"violated\"", &hostile)),
        ("summary.json", summary.replace("\"kernel\"", &hostile)),
        (
            "summary.json",
            regex_lite::Regex::new("\"build\": \"[^\"]*\"")
                .expect("a pattern")
                .replace(&summary, regex_lite::NoExpand(&format!("\"build\": {hostile}")))
                .into_owned(),
        ),
        (
            "summary.json",
            regex_lite::Regex::new("\"digest\": \"[^\"]*\"")
                .expect("a pattern")
                .replace(&summary, regex_lite::NoExpand(&format!("\"digest\": {hostile}")))
                .into_owned(),
        ),
        ("summary.json", summary.replace("\"scenarios/ring/boast.toml\"", &hostile)),
        ("summary.json", HOSTILE.to_owned()),
        ("trace.jsonl", trace.replacen('{', &named("s", &"A".repeat(1_000_000)), 1)),
        ("trace.jsonl", trace.replacen('{', &named("s", &"a".repeat(1_000_000)), 1)),
        ("trace.jsonl", trace.replacen('{', &named("s", HOSTILE), 1)),
        ("trace.jsonl", trace.replacen('{', &named("\u{1b}", "server"), 1)),
    ];
    for (file, changed) in cases {
        assert_ne!(changed, text(file), "{file}");
        let before = text(file);
        folder.write(&format!("{at}/{file}"), &changed);
        for arguments in [
            &["replay", at][..],
            &["replay", at, "--force", "--timeline", "notable"],
            &["replay", at, "--edited", "--message-format", "github"],
            &["replay", at, "--edited", "--message-format", "json", "--all"],
            &["show", at, "--all"],
            &["diff", at],
            &["diff", at, "--message-format", "json"],
        ] {
            output(&arguments.join(" "), folder.toy(arguments)).iter().for_each(assert_harmless);
        }
        folder.write(&format!("{at}/{file}"), &before);
    }
}

/// The beginning of a header that says what nodes are called.
fn named(letter: &str, name: &str) -> String {
    format!("{{\"names\":{{{}:{{\"name\":{},\"count\":5}}}},", quoted(letter), quoted(name))
}

#[test]
fn a_file_of_an_artifact_that_is_too_long_is_read_no_further() {
    let folder = Folder::new("long_artifact").with("boast", &boast());
    assert_eq!(folder.run(&["test"]).code, 100);
    let at = "reports/ring/boast/0";
    let lengthen = |file: &str, mebibytes: u64| {
        let path = folder.path(&format!("{at}/{file}"));
        let place = std::fs::File::options().write(true).open(path).expect("it is there");
        place.set_len((mebibytes << 20) + 1).expect("it can be longer");
    };
    let summary = folder.read(&format!("{at}/summary.json"));
    lengthen("summary.json", 16);
    let shown = folder.run(&["replay", at]);
    assert_eq!(shown.code, 2, "{shown}");
    assert!(shown.stderr.contains("summary.json has more than 16 MiB, the most that is read"), "{shown}");
    folder.write(&format!("{at}/summary.json"), &summary);
    // What the plan holds came from the seed, unless someone else names it.
    let plan = format!("{at}/plan.toml");
    lengthen("plan.toml", 16);
    let shown = folder.run(&["replay", at]);
    assert_eq!(shown.code, 100, "{shown}");
    assert!(shown.stderr.contains("plan.toml has more than 16 MiB: the run is replayed by its seed"), "{shown}");
    let shown = folder.run(&["replay", "scenarios/ring/boast.toml", "--plan", &plan]);
    assert_eq!(shown.code, 2, "{shown}");
    assert!(shown.stderr.contains("plan.toml has more than 16 MiB, the most that is read"), "{shown}");
}
