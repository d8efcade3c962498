//! Goal: whoever comes from another tool is told what is wrong in the first line, and what is right here.
//!
//! Method: `tests/mistakes.txt` holds the mistakes that public users made, and those of people who write by the
//! documentation of Jepsen, Chaos Mesh, k6 and their like, each with every line that is said of it. `just golden`
//! writes these lines again.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use splitbrain::engine::{AnySystem as _, Simulated};
use splitbrain::scenario::{Diagnostic, SystemDescription, load, refuse_idle};
use splitbrain_systems::raft::Raft;

/// What every scenario of the file begins with; the lines of a block are counted behind it.
const HEAD: &str = "format = 1\nsystem = \"raft\"\n";
/// Behind the keys of the block that stand before any table.
const CLUSTER: &str = "[cluster]\nservers = 5\nclients = 2\n";
/// How a line of what is said begins.
const SAID: &str = "-> ";

/// One mistake.
struct Mistake {
    title: String,
    text: String,
    said: String,
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes.txt")
}

/// The introduction of the file, and its mistakes.
fn read() -> (String, Vec<Mistake>) {
    let all = fs::read_to_string(file()).expect("the file can be read");
    let mut blocks = all.split("\n== ");
    let introduction = blocks.next().expect("a text has a beginning").to_owned();
    let mistake = |block: &str| {
        let (title, rest) = block.split_once('\n').expect("a title has a line of its own");
        let lines = |is_said: bool| {
            let lines = rest.lines().filter(|line| !line.is_empty() && line.starts_with(SAID) == is_said);
            lines.map(|line| format!("{line}\n")).collect()
        };
        Mistake { title: title.to_owned(), text: lines(false), said: lines(true) }
    };
    (introduction, blocks.map(mistake).collect())
}

/// The scenario of a block: the head, its keys, the cluster, its tables. With it the number of lines that are put in
/// after the keys.
fn scenario(text: &str) -> (String, usize) {
    if text.starts_with("format = 1\n") {
        return (text.to_owned(), text.lines().count());
    }
    let keys = text.lines().take_while(|line| !line.starts_with('[')).count();
    let (before, after): (Vec<&str>, Vec<&str>) =
        (text.lines().take(keys).collect(), text.lines().skip(keys).collect());
    let lines = |lines: Vec<&str>| lines.into_iter().map(|line| format!("{line}\n")).collect::<String>();
    (format!("{HEAD}{}{CLUSTER}{}", lines(before), lines(after)), keys)
}

/// What is said of a text; empty if it is a scenario.
fn said(text: &str) -> String {
    let (whole, keys) = scenario(text);
    let systems = [SystemDescription::of::<Raft>()];
    // The line within the block.
    let head = if whole == text { 0 } else { HEAD.lines().count() };
    let own = |line: u32| {
        let line = line as usize - head;
        if line > keys { line.saturating_sub(CLUSTER.lines().count()) } else { line }
    };
    let loaded = load("a.toml", whole.as_bytes(), &systems);
    let verified = loaded.and_then(|scenario| Simulated::<Raft>::new().verify(&scenario).map(|()| scenario));
    let noted = verified.and_then(|scenario| {
        let notes = Simulated::<Raft>::new().notes(&scenario);
        refuse_idle(&[(&scenario, notes.clone())]).map(|()| notes)
    });
    let errors = match noted {
        Err(errors) => errors,
        Ok(notes) => {
            let notes = notes.iter().map(|note| format!("{SAID}note {}: {}\n", own(note.line), note.message));
            return format!("{SAID}valid\n{}", notes.collect::<String>());
        }
    };
    assert_eq!(errors.more, 0, "no block has so many errors");
    let line = |one: &Diagnostic| {
        let line = own(one.position.line);
        let key = if one.path.is_empty() { String::new() } else { format!("{}: ", one.path) };
        let nearest = one.nearest.as_ref().map(|word| format!(" ({word}?)")).unwrap_or_default();
        format!("{SAID}{line}:{} {key}{}{nearest}\n", one.position.column, one.message)
    };
    errors.list.iter().map(line).collect()
}

#[test]
fn each_mistake_is_told_as_the_file_says() {
    let (introduction, mistakes) = read();
    let mut again = introduction;
    let mut wrong = String::new();
    for mistake in &mistakes {
        let now = said(&mistake.text);
        let _ = write!(again, "\n== {}\n{}{now}", mistake.title, mistake.text);
        if now != mistake.said {
            let _ = write!(wrong, "\n== {}\nin the file:\n{}said:\n{now}", mistake.title, mistake.said);
        }
    }
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        fs::write(file(), again).expect("the file can be written");
    } else {
        assert!(wrong.is_empty(), "{wrong}");
    }
}

#[test]
fn there_are_as_many_mistakes_as_were_collected() {
    let (_, mistakes) = read();
    assert!(mistakes.len() >= 96, "there are {}", mistakes.len());
    let mut titles: Vec<&str> = mistakes.iter().map(|mistake| mistake.title.as_str()).collect();
    titles.sort_unstable();
    titles.dedup();
    assert_eq!(titles.len(), mistakes.len(), "titles are different");
    let valid = mistakes.iter().filter(|mistake| mistake.said.starts_with("-> valid")).count();
    assert!(valid < 20, "{valid} are no mistakes");
}
