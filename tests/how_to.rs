//! Goal: what docs/how-to.md says can be done is done by what it says.
//!
//! Method: the scenarios of the page are written to a folder, and its blocks of commands are run there, one after the
//! other. A command that fails ends its block; every line of the text below a block is in what the block printed.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// What stands between two fences.
struct Block {
    language: String,
    text: String,
    /// The heading that it stands under.
    task: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let (mut blocks, mut task) = (Vec::new(), String::new());
    let mut open: Option<Block> = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(_), Some(block)) => blocks.push(block),
            (Some(language), None) => {
                open = Some(Block { language: language.to_owned(), text: String::new(), task: task.clone() });
            }
            (None, Some(block)) => open = Some(Block { text: format!("{}{line}\n", block.text), ..block }),
            (None, None) => {
                if let Some(heading) = line.strip_prefix("## ") {
                    task = heading.to_owned();
                }
            }
        }
    }
    assert!(open.is_none(), "every fence is closed");
    blocks
}

fn home() -> std::path::PathBuf {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("how-to");
    if home.exists() {
        fs::remove_dir_all(&home).expect("an old folder can be removed");
    }
    fs::create_dir_all(&home).expect("a folder can be made");
    home
}

/// What a block prints on both streams.
fn run(home: &Path, block: &Block) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_splitbrain")).parent().expect("a program lies in a folder");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(program.to_owned()).chain(std::env::split_paths(&path));
    let mut command = Command::new("sh");
    command.args(["-e", "-c", &block.text]).current_dir(home).stdin(Stdio::null());
    command.env("PATH", std::env::join_paths(folders).expect("no folder has a colon")).env("NO_COLOR", "1");
    let output = command.output().expect("there is a shell");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let printed = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{}: {}\n{}{printed}", block.task, output.status, block.text);
    printed
}

#[test]
fn every_command_of_the_page_does_what_the_page_says() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/how-to.md"));
    let (page, home) = (page.expect("the page is there"), home());
    let (mut printed, mut shown) = (String::new(), 0);
    for block in blocks(&page) {
        match block.language.as_str() {
            "toml" => {
                let name = block.text.lines().next().and_then(|line| line.strip_prefix("# "));
                let name = name.unwrap_or_else(|| panic!("{}: a scenario says its name first", block.task));
                fs::write(home.join(name), &block.text).expect("a file can be written");
            }
            "sh" => printed = run(&home, &block),
            "text" => {
                for line in block.text.lines().map(str::trim) {
                    assert!(printed.contains(line), "{}: {line:?} is not in\n{printed}", block.task);
                    shown += 1;
                }
            }
            other => panic!("{}: what is {other}?", block.task),
        }
    }
    assert!(shown >= 20, "the page shows {shown} lines");
}

#[test]
fn every_task_has_commands_and_shows_what_they_print() {
    let page = include_str!("../docs/how-to.md");
    let all = blocks(page);
    let tasks: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(tasks.len(), 14);
    for task in tasks {
        let of_task: Vec<&Block> = all.iter().filter(|block| block.task == task).collect();
        for language in ["sh", "text"] {
            assert!(of_task.iter().any(|block| block.language == language), "{task} has no {language}");
        }
        let calls = of_task.iter().any(|block| block.language == "sh" && block.text.contains("splitbrain "));
        assert!(calls, "{task} is done by something else");
    }
}
