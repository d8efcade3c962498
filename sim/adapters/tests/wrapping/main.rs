//! Goal: the code of `docs/wrapping-a-library.md` compiles. Method: what it has a copy of here or in `src` is compared
//! with that, line by line.

mod rand_0_8;
mod rand_0_9;

const PAGE: &str = include_str!("../../../../docs/wrapping-a-library.md");
const SKELETON: &str = include_str!("../../examples/skeleton/main.rs");
const CALM: &str = include_str!("../../examples/skeleton/scenarios/calm.toml");
const BRIDGE: &str = include_str!("rand_0_9.rs");
const OLD_BRIDGE: &str = include_str!("rand_0_8.rs");
const OMNI: &str = include_str!("../../src/omni/server.rs");

/// What stands between the marks of a source.
fn marked(source: &str) -> &str {
    let start = source.split_once("// [the page begins here]\n").expect("there is a mark").1;
    start.split_once("// [the page ends here]").expect("there is a second one").0
}

/// A method of an `impl`, with its comment, moved to the left.
fn method(source: &str, head: &str) -> String {
    let lines: Vec<&str> = source.lines().collect();
    let at = lines.iter().position(|line| line.trim_start().starts_with(head)).expect("there is such a method");
    let end = at + lines[at..].iter().position(|line| *line == "    }").expect("it has an end");
    lines[at..=end].iter().map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line))).collect()
}

#[test]
fn the_code_of_the_page_is_code_that_compiles() {
    let parts = [
        marked(SKELETON).to_owned(),
        CALM.to_owned(),
        marked(BRIDGE).to_owned(),
        method(OLD_BRIDGE, "fn try_fill_bytes("),
        method(OMNI, "fn drive("),
        method(OMNI, "fn send("),
    ];
    for part in parts {
        assert!(PAGE.contains(part.trim()), "the page does not have this as it is:\n{part}");
    }
}
