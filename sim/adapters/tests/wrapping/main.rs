//! Goal: the code of `docs/wrapping-a-library.md` compiles. Method: what it has a copy of here or in `src` is compared
//! with that, line by line.

#![expect(clippy::disallowed_methods, reason = "it reads the sources that blocks of the page are shortened from")]

mod rand_0_8;
mod rand_0_9;

use std::collections::BTreeSet;
use std::path::Path;

/// How a block begins that is not what compiles.
const SHORTENED: &str = "// Shortened from `";
const PAGE: &str = include_str!("../../../../docs/wrapping-a-library.md");
const SKELETON: &str = include_str!("../../examples/skeleton/main.rs");
const CALM: &str = include_str!("../../examples/skeleton/scenarios/calm.toml");
const BRIDGE: &str = include_str!("rand_0_9.rs");
const OLD_BRIDGE: &str = include_str!("rand_0_8.rs");
const OMNI: &str = include_str!("../../src/omni/server.rs");
const RAFT_RS: &str = include_str!("../../src/raft_rs/server.rs");
const STORE: &str = include_str!("../../src/raft_rs/store.rs");
const LOGGER: &str = include_str!("../../src/raft_rs/logger.rs");

/// What stands between the marks of a source.
fn marked(source: &str) -> &str {
    let start = source.split_once("// [the page begins here]\n").expect("there is a mark").1;
    start.split_once("// [the page ends here]").expect("there is a second one").0
}

/// A function or a method, without its comment, moved to the left.
fn function(source: &str, head: &str) -> String {
    let lines: Vec<&str> = source.lines().collect();
    let at = lines.iter().position(|line| line.trim_start().starts_with(head)).expect("there is such a function");
    let margin = &lines[at][..lines[at].len() - lines[at].trim_start().len()];
    let end = lines[at..].iter().position(|line| *line == format!("{margin}}}")).expect("it has an end");
    lines[at..=at + end].iter().map(|line| format!("{}\n", line.strip_prefix(margin).unwrap_or(line))).collect()
}

/// What the page shows as it is.
fn parts() -> Vec<String> {
    vec![
        marked(SKELETON).to_owned(),
        CALM.to_owned(),
        marked(BRIDGE).to_owned(),
        function(OLD_BRIDGE, "fn try_fill_bytes("),
        function(OMNI, "fn drive("),
        function(OMNI, "fn send("),
        function(RAFT_RS, "fn on_message(&mut self, ctx: &mut Context<Process>, message"),
        function(RAFT_RS, "fn drive("),
        function(RAFT_RS, "fn pin_timeout("),
        function(STORE, "pub fn first_write("),
        function(LOGGER, "pub(super) fn logger("),
    ]
}

#[test]
fn the_code_of_the_page_is_code_that_compiles() {
    for part in parts() {
        assert!(PAGE.contains(part.trim()), "the page does not have this as it is:\n{part}");
    }
}

/// The blocks of Rust of a page.
fn blocks(page: &str) -> impl Iterator<Item = &str> {
    page.split("```rust,ignore\n").skip(1).filter_map(|rest| rest.split("\n```").next())
}

/// The first line of Rust that is neither one of what compiles nor in a block that says that it is shortened.
fn unchecked<'a>(page: &'a str, parts: &[String]) -> Option<&'a str> {
    let known: BTreeSet<&str> = parts.iter().flat_map(|part| part.lines()).collect();
    let mut lines = blocks(page).filter(|block| !block.contains(SHORTENED)).flat_map(str::lines);
    lines.find(|line| !line.trim().is_empty() && !line.starts_with("//") && !known.contains(line))
}

#[test]
fn code_that_is_not_compared_says_so() {
    assert_eq!(unchecked(PAGE, &parts()), None);
    let block = |code: &str| format!("text\n```rust,ignore\n{code}\n```\n");
    assert_eq!(unchecked(&block("let invented = 1;"), &parts()), Some("let invented = 1;"));
    assert_eq!(unchecked(&block("    self.raw"), &parts()), Some("    self.raw"), "a part of a line is none");
    assert_eq!(unchecked(&block("// Shortened from `here`.\nlet invented = 1;"), &parts()), None);
}

/// The names of a text.
fn names(text: &str) -> BTreeSet<&str> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').filter(|name| !name.is_empty()).collect()
}

/// The names in the code of a block that its source does not have.
fn invented(block: &str, source: &str) -> Vec<String> {
    let code = block.lines().map(|line| line.split("//").next().unwrap_or_default());
    let known = names(source);
    let code: Vec<&str> = code.collect();
    code.iter().flat_map(|line| names(line)).filter(|name| !known.contains(name)).map(str::to_owned).collect()
}

#[test]
fn code_that_is_shortened_has_the_names_of_its_source() {
    let root = Path::new("../..");
    let mut shortened = 0;
    for block in blocks(PAGE).filter(|block| block.contains(SHORTENED)) {
        let path = block.split(SHORTENED).nth(1).and_then(|rest| rest.split('`').next()).expect("it names a file");
        let source = std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(invented(block, &source), [""; 0], "{path}");
        shortened += 1;
    }
    assert!(shortened > 0);
    assert_eq!(invented("self.life; self.li + before()", "let life = self.life;"), ["before", "li"]);
}
