//! The repository's own rules, checked over every file: what a reviewer would otherwise have to remember.
//!
//! `rules.rs` holds the rules, `source.rs` the little lexer below them; the tables of this file say where a rule
//! holds and what is exempt. A ratchet list may only shrink: an entry that is no longer needed is a finding too.

mod rules;
#[path = "../../benches/slips/list.rs"]
mod slips;
mod source;

use std::fs;
use std::path::Path;
use std::process::Command;

use rules::{Finding, Layers};
use slips::{RAFT, SLIPS};

/// Files over 700 lines, with their lines. Shrink an entry when its file shrinks; add none.
const LONG_FILES: &[(&str, usize)] = &[];

/// Functions over 70 lines, with their lines and why each may stay: one flat `match` is the only good reason.
const LONG_FUNCTIONS: &[(&str, &str, usize, &str)] = &[];

/// Files with lines over 120 characters that cannot be broken.
const WIDE_FILES: &[&str] = &[];

/// Where files may name what, the first folder that fits: the crates of this workspace that lie below.
const DIRECTIONS: &[(&str, &[&str])] = &[
    ("sim/kernel/src/", &[]),
    ("sim/kernel/", &["splitbrain_kernel", "splitbrain_toy"]),
    ("sim/toy/", &["splitbrain_kernel"]),
    ("sim/systems/src/", &["splitbrain_kernel"]),
    ("sim/systems/", &["splitbrain_kernel", "splitbrain_systems"]),
    ("sim/madsim/src/", &["splitbrain_kernel", "splitbrain_systems", "splitbrain", "splitbrain_madsim"]),
    ("sim/madsim/", &["splitbrain_kernel", "splitbrain_systems", "splitbrain_toy", "splitbrain", "splitbrain_madsim"]),
    // A workspace of its own: published libraries under test.
    ("sim/adapters/", &["splitbrain_systems", "splitbrain", "splitbrain_adapters"]),
    // Workspaces of their own, on top of sim/madsim.
    ("examples/async-template/", &["splitbrain", "splitbrain_madsim"]),
    ("examples/mini-redis/", &["splitbrain", "splitbrain_madsim"]),
    ("", &["splitbrain_kernel", "splitbrain_systems", "splitbrain_toy", "splitbrain"]),
];

/// The same for manifests.
const MANIFESTS: &[(&str, &[&str])] = &[
    // The toys are for its tests alone.
    ("sim/kernel/Cargo.toml", &["splitbrain-toy"]),
    ("sim/toy/Cargo.toml", &["splitbrain-kernel"]),
    ("sim/systems/Cargo.toml", &["splitbrain-kernel"]),
    ("sim/madsim/Cargo.toml", &["splitbrain-kernel", "splitbrain-systems", "splitbrain-toy", "splitbrain"]),
    ("sim/adapters/Cargo.toml", &["splitbrain-systems", "splitbrain"]),
    ("Cargo.toml", &["splitbrain-kernel", "splitbrain-systems", "splitbrain-toy"]),
];

/// Lower never uses higher. A new module is a finding until it stands here.
const LAYERS: &[Layers] = &[
    Layers {
        source: "sim/kernel/src/",
        layers: &[
            &["time"],
            &["rng"],
            &["id", "options", "selector"],
            &["node", "context", "brief"],
            &["decision", "history", "files"],
            &["clock", "network", "disk", "queue", "timers", "digest"],
            // What invariants may look at, what can be done to it, through what they look, and what a system offers.
            &["world_state", "fault", "view", "embedding", "invariant", "checker", "workload", "system", "vocabulary"],
            &["plan"],
            &["trace", "director"],
            &["measure"],
            &["run"],
            &["host"],
            // The loop.
            &["world"],
            // Names of the others, for systems.
            &["prelude"],
        ],
        // run.rs holds the options of each part beside the outcome of a run, which stands on everything.
        upward: &[("clock", "run"), ("network", "run"), ("disk", "run"), ("digest", "run"), ("world_state", "run")],
    },
    Layers {
        source: "src/",
        layers: &[
            &["realtime"],
            &["build", "exit_code", "history", "serve", "sockets", "text", "threads", "verbosity"],
            &["scenario"],
            &["engine"],
            &["campaign"],
            &["report"],
            &["command", "cli"],
        ],
        upward: &[],
    },
];

/// Where a float may be named, and why.
const FLOATS: &[(&str, &str)] = &[
    ("sim/kernel/src/digest.rs", "serde's Serializer has a method for each"),
    ("sim/kernel/src/brief/derived.rs", "serde's Serializer has a method for each"),
];

/// Where addresses may be compared, and why.
const ADDRESSES: &[(&str, &str)] = &[(
    "sim/kernel/src/world/counters.rs",
    "it finds the entry of a name faster, and decides nothing that leaves the file",
)];

/// Where scenarios lie.
const SCENARIOS: &[&str] = &["scenarios/", "sim/adapters/scenarios/"];

/// Code of a run: it touches nothing outside of it.
const PURE: &[&str] = &["sim/kernel/src/", "sim/systems/src/"];

/// Code that knows no protocol.
const PROTOCOL_FREE: &str = "sim/kernel/src/";

/// What may write to the terminal.
const PRINTS: &[&str] = &["src/main.rs", "src/cli.rs", "src/command/", "src/report/"];

const STRICT_LINTS: &str = "sim/kernel/clippy.toml";
const STRICT_LINTS_COPIES: &[&str] = &["sim/systems/clippy.toml", "sim/adapters/clippy.toml"];

/// Pages that a command takes hours to make: others may name them while they are not there.
const MADE_PAGES: &[&str] = &["reports/gallery/raft.md", "reports/gallery/steps.md"];

/// The README's two commands, which the gate runs too.
const README_COMMANDS: &[&str] = &["cargo run --release -- test scenarios", "cargo test --workspace"];

/// Goldens hold what a program printed or was fed: they follow no rule but that of machine paths.
const GOLDEN: &str = "tests/golden/";

#[test]
fn the_tree_is_tidy() {
    let tree = Tree::read();
    let mut found = Vec::new();
    for (path, text) in &tree.files {
        found.extend(check_file(path, text));
    }
    found.extend(check_tree(&tree));
    let report: Vec<String> = found.iter().map(Finding::to_string).collect();
    assert!(found.is_empty(), "{} findings:\n{}", found.len(), report.join("\n"));
}

#[test]
fn the_walk_sees_the_tree() {
    let tree = Tree::read();
    for path in ["Cargo.toml", "tests/tidy/main.rs", "sim/kernel/src/lib.rs", ".ci/run"] {
        assert!(tree.text(path).is_some(), "{path} was not read");
    }
    assert!(!tree.files.iter().any(|(path, _)| path.starts_with("target")), "build output was read");
}

#[test]
fn every_folder_of_rust_has_a_direction() {
    for (path, expected) in [
        ("sim/kernel/src/world.rs", 0),
        ("sim/kernel/tests/golden.rs", 2),
        ("sim/systems/src/raft/node.rs", 1),
        ("src/cli.rs", 4),
        ("examples/lease.rs", 4),
        ("sim/madsim/src/lib.rs", 4),
    ] {
        assert_eq!(may_use(path).len(), expected, "{path}");
    }
}

fn check_file(path: &str, text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    if !path.ends_with("Cargo.lock") {
        found.extend(rules::no_machine_path(path, text));
    }
    if path.starts_with(GOLDEN) {
        return found;
    }
    if path.ends_with(".rs") {
        found.extend(check_rust(path, text));
    } else if path.ends_with(".md") {
        found.extend(rules::one_title(path, text));
    } else if SCENARIOS.iter().any(|folder| path.starts_with(folder)) && path.ends_with(".toml") {
        found.extend(rules::scenario_goal(path, text));
    } else if let Some((_, may_depend)) = MANIFESTS.iter().find(|(manifest, _)| *manifest == path) {
        found.extend(rules::manifest_direction(path, text, may_depend));
    }
    found
}

fn check_rust(path: &str, text: &str) -> Vec<Finding> {
    let long = LONG_FILES.iter().find(|(file, _)| *file == path).map(|(_, lines)| *lines);
    let long_functions: Vec<(&str, usize)> =
        LONG_FUNCTIONS.iter().filter(|entry| entry.0 == path).map(|entry| (entry.1, entry.2)).collect();
    let mut found = rules::module_doc(path, text);
    found.extend(rules::file_length(path, text, long));
    found.extend(rules::function_length(path, text, &long_functions));
    found.extend(rules::no_placeholders(path, text));
    found.extend(rules::no_allow(path, text));
    found.extend(rules::no_mod_rs(path));
    found.extend(rules::crate_direction(path, text, may_use(path)));
    if !WIDE_FILES.contains(&path) {
        found.extend(rules::line_length(path, text));
    }
    for layers in LAYERS {
        found.extend(rules::layer_order(path, text, layers));
    }
    if PURE.iter().any(|folder| path.starts_with(folder)) {
        found.extend(rules::no_outside_world(path, text));
        if !FLOATS.iter().any(|(file, _)| *file == path) {
            found.extend(rules::no_floats(path, text));
        }
        found.extend(rules::no_statics(path, text));
        if !ADDRESSES.iter().any(|(file, _)| *file == path) {
            found.extend(rules::no_addresses(path, text));
        }
    }
    if path.starts_with(PROTOCOL_FREE) {
        found.extend(rules::no_protocol_words(path, text));
    }
    if path.starts_with("src/") && !PRINTS.iter().any(|place| path.starts_with(place)) {
        found.extend(rules::no_printing(path, text));
    }
    found
}

/// What needs more than one file.
fn check_tree(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    let listed = LONG_FILES.iter().map(|entry| entry.0).chain(LONG_FUNCTIONS.iter().map(|entry| entry.0));
    for path in listed.chain(WIDE_FILES.iter().copied()) {
        if tree.text(path).is_none() {
            found.push(rules::finding(path, 0, "is gone: take it off the ratchet list"));
        }
    }
    for path in WIDE_FILES {
        if tree.text(path).is_some_and(|text| rules::line_length(path, text).is_empty()) {
            found.push(rules::finding(path, 0, "has no wide line any more: take it off the list"));
        }
    }
    for (path, _) in FLOATS {
        if tree.text(path).is_none_or(|text| rules::no_floats(path, text).is_empty()) {
            found.push(rules::finding(path, 0, "has no float any more: take it off the list"));
        }
    }
    for (path, _) in ADDRESSES {
        if tree.text(path).is_none_or(|text| rules::no_addresses(path, text).is_empty()) {
            found.push(rules::finding(path, 0, "compares no address any more: take it off the list"));
        }
    }
    for (path, text) in tree.files.iter().filter(|(path, _)| path.ends_with(".md") && !path.starts_with(GOLDEN)) {
        let is_there = |path: &str| tree.holds(path) || MADE_PAGES.contains(&path);
        found.extend(rules::dead_links(path, text, |path| tree.text(path), is_there));
    }
    found.extend(LAYERS.iter().flat_map(|layers| unused_upward(tree, layers)));
    found.extend(LAYERS.iter().flat_map(|layers| absent_modules(tree, layers)));
    let strict = tree.text(STRICT_LINTS).unwrap_or_default();
    for path in STRICT_LINTS_COPIES {
        found.extend(rules::same_text(path, tree.text(path).unwrap_or_default(), STRICT_LINTS, strict));
    }
    if let Some(text) = tree.text("CONTRIBUTING.md") {
        let manifests: Vec<&str> = MANIFESTS.iter().filter_map(|(path, _)| tree.text(path)).collect();
        found.extend(rules::dependency_table("CONTRIBUTING.md", text, &manifests));
    }
    found.extend(claimed_counts(tree));
    if let (Some(readme), Some(gate)) = (tree.text("README.md"), tree.text(".ci/run")) {
        found.extend(rules::shown_and_run("README.md", readme, gate, README_COMMANDS));
    }
    let of_raft = |file: &str| tree.text(&format!("{RAFT}/{file}"));
    found.extend(rules::slips_stand("benches/slips/list.rs", SLIPS, of_raft));
    found
}

/// Numbers that pages say and the source decides.
fn claimed_counts(tree: &Tree) -> Vec<Finding> {
    let text = |path: &str| tree.text(path).unwrap_or_default();
    let spec = text("sim/kernel/src/director/spec.rs");
    let nemeses = rules::nemeses_that_reach_services(spec, text("sim/madsim/src/limits.rs"));
    let tasks = rules::tasks(text("docs/how-to.md"));
    let claims = [("README.md", &nemeses), ("docs/madsim.md", &nemeses), ("README.md", &tasks)];
    claims.into_iter().flat_map(|(page, claim)| rules::counts(page, text(page), claim)).collect()
}

/// Entries of the ratchet list of a crate's layers that no file needs any more.
fn unused_upward(tree: &Tree, layers: &Layers) -> Vec<Finding> {
    let mut used = Vec::new();
    for (path, text) in &tree.files {
        let code = source::code_only(text);
        let module = rules::module_of(path, layers).unwrap_or_default().to_owned();
        for (_, above) in rules::upward_uses(path, &code, layers) {
            used.push((module.clone(), above.to_owned()));
        }
    }
    let unused =
        layers.upward.iter().filter(|(below, above)| !used.iter().any(|(from, to)| from == below && to == above));
    unused
        .map(|(below, above)| {
            let message = format!("{below} does not use {above} any more: take it off the list");
            rules::finding(layers.source, 0, message)
        })
        .collect()
}

/// Modules that stand in the table of layers and are not in the tree.
fn absent_modules(tree: &Tree, layers: &Layers) -> Vec<Finding> {
    let is_there = |module: &str| tree.files.iter().any(|(path, _)| rules::module_of(path, layers) == Some(module));
    let listed = layers.layers.iter().flat_map(|layer| layer.iter());
    let absent = listed.filter(|module| !is_there(module));
    absent.map(|module| rules::finding(layers.source, 0, format!("has no module {module}: take it off"))).collect()
}

fn may_use(path: &str) -> &'static [&'static str] {
    let entry = DIRECTIONS.iter().find(|(folder, _)| path.starts_with(folder));
    entry.expect("the last entry fits every path").1
}

/// Every text file of the repository, in order of its path.
struct Tree {
    files: Vec<(String, String)>,
}

impl Tree {
    fn read() -> Self {
        let root = Path::new(option_env!("CARGO_MANIFEST_DIR").unwrap_or("."));
        let mut paths = Self::known_to_git(root).unwrap_or_else(|| Self::walked(root));
        paths.sort();
        paths.dedup();
        // What is not text, or is deleted and not yet committed, has no rules.
        let read = |path: String| fs::read_to_string(root.join(&path)).ok().map(|text| (path, text));
        Self { files: paths.into_iter().filter_map(read).collect() }
    }

    /// Committed files and new ones that are not ignored; `None` outside of a git work tree.
    fn known_to_git(root: &Path) -> Option<Vec<String>> {
        let mut git = Command::new("git");
        git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let output = git.output().ok().filter(|output| output.status.success())?;
        let listed = String::from_utf8(output.stdout).ok()?;
        Some(listed.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect())
    }

    fn walked(root: &Path) -> Vec<String> {
        let mut paths = Vec::new();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            let entries = fs::read_dir(root.join(&folder)).expect("a folder of the tree can be read");
            for entry in entries.flatten() {
                let path = format!("{folder}{}", entry.file_name().to_string_lossy());
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                let skipped = path.starts_with("target") || path == ".git" || path == "reports";
                match (skipped, is_folder) {
                    (true, _) => {}
                    (false, true) => folders.push(format!("{path}/")),
                    (false, false) => paths.push(path),
                }
            }
        }
        paths
    }

    /// Whether a file is there, or something in a folder of this path.
    fn holds(&self, path: &str) -> bool {
        self.files
            .iter()
            .any(|(file, _)| file.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    }

    fn text(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|(file, _)| file == path).map(|(_, text)| text.as_str())
    }
}
