//! Each rule fires on a hand-made bad input and is silent on the good one beside it.
//!
//! Some bad words are glued together from two, so that a plain search of the tree does not find them here.

use super::*;

fn lines(found: &[Finding]) -> Vec<usize> {
    found.iter().map(|finding| finding.line).collect()
}

#[test]
fn a_file_without_module_doc_is_found() {
    assert_eq!(lines(&module_doc("a.rs", "// A comment.\nuse b;\n")), [1]);
    assert_eq!(module_doc("a.rs", "//! Says what it holds.\n"), []);
}

#[test]
fn a_wide_line_is_found_by_characters() {
    let wide = format!("short\n{}\n", "é".repeat(LINE_CHARS_MAX + 1));
    assert_eq!(lines(&line_length("a.rs", &wide)), [2]);
    assert_eq!(line_length("a.rs", &"é".repeat(LINE_CHARS_MAX)), []);
}

#[test]
fn a_long_file_is_found_and_its_ratchet_only_shrinks() {
    let text = |lines: usize| "x\n".repeat(lines);
    assert_eq!(file_length("a.rs", &text(700), None), []);
    assert_eq!(file_length("a.rs", &text(701), None).len(), 1);
    assert_eq!(file_length("a.rs", &text(720), Some(720)), []);
    for (lines, listed) in [(721, 720), (719, 720), (700, 720)] {
        assert_eq!(file_length("a.rs", &text(lines), Some(listed)).len(), 1, "{lines} of {listed}");
    }
}

#[test]
fn a_long_function_is_found_and_its_ratchet_only_shrinks() {
    let text = |lines: usize| format!("fn small() {{}}\nfn long() {{\n{}}}\n", "x;\n".repeat(lines - 2));
    assert_eq!(function_length("a.rs", &text(70), &[]), []);
    assert_eq!(lines(&function_length("a.rs", &text(71), &[])), [2]);
    assert_eq!(function_length("a.rs", &text(80), &[("long", 80)]), []);
    for (lines, listed) in [(81, 80), (79, 80), (70, 80)] {
        assert_eq!(function_length("a.rs", &text(lines), &[("long", listed)]).len(), 1);
    }
    assert_eq!(function_length("a.rs", &text(10), &[("gone", 80)]).len(), 1);
}

#[test]
fn placeholders_are_found_in_code_and_not_in_words() {
    let bad = ["#[", "ignore]\nfn a() {\n  to", "do!()\n}\nfn b() { un", "implemented!(\"x\") }\n"].concat();
    assert_eq!(lines(&no_placeholders("a.rs", &bad)), [1, 3, 5]);
    assert_eq!(no_placeholders("a.rs", "// ignore, todo\nlet s = \"ignore\"; v.todo();\n"), []);
}

#[test]
fn an_allowed_lint_is_found_and_an_expected_one_needs_a_reason() {
    let bad = "#![allow(dead_code)]\n#[cfg_attr(test, allow(dead_code))]\n#[expect(dead_code)]\nfn a() {}\n";
    assert_eq!(lines(&no_allow("a.rs", bad)), [1, 2, 3]);
    let good = "#[expect(dead_code, reason = \"why\")]\nfn a() { b.expect(\"why\"); f(c, allow(d)); }\n";
    assert_eq!(no_allow("a.rs", good), []);
}

#[test]
fn a_mod_rs_is_found_below_a_source_folder() {
    assert_eq!(no_mod_rs("sim/systems/src/raft/mod.rs").len(), 1);
    assert_eq!(no_mod_rs("sim/systems/src/raft.rs"), []);
    assert_eq!(no_mod_rs("tests/common/mod.rs"), []);
}

#[test]
fn a_crate_that_looks_up_is_found() {
    let bad = "use splitbrain_systems::raft;\nfn a() { splitbrain::check(\"x\"); }\nextern crate splitbrain_madsim;\n";
    assert_eq!(lines(&crate_direction("sim/kernel/src/a.rs", bad, &[])), [1, 2, 3]);
    let good = "//! Not splitbrain_systems::raft.\nuse splitbrain_kernel::time;\nlet splitbrain = 1;\n";
    assert_eq!(crate_direction("sim/systems/src/a.rs", good, &["splitbrain_kernel"]), []);
}

#[test]
fn a_manifest_that_looks_up_is_found() {
    let manifest = "[package]\nname = \"x\"\n[dependencies]\nsplitbrain-systems.workspace = true\nserde = \"1\"\n\
                    [dev-dependencies]\nsplitbrain = { path = \"../..\" }\n";
    assert_eq!(lines(&manifest_direction("Cargo.toml", manifest, &["splitbrain-kernel"])), [4, 7]);
    assert_eq!(manifest_direction("Cargo.toml", manifest, &["splitbrain-systems", "splitbrain"]), []);
}

const LAYERS: Layers =
    Layers { source: "a/src/", layers: &[&["time", "rng"], &["node"], &["world"]], upward: &[("rng", "node")] };

#[test]
fn a_listed_use_that_looks_up_is_let_pass_and_still_seen() {
    let code = "use crate::node::Node;\nuse crate::world::World;\n";
    assert_eq!(lines(&layer_order("a/src/rng.rs", code, &LAYERS)), [2]);
    assert_eq!(upward_uses("a/src/rng.rs", code, &LAYERS), [(1, "node"), (2, "world")]);
    assert_eq!(lines(&layer_order("a/src/time.rs", code, &LAYERS)), [1, 2]);
}

#[test]
fn a_module_that_looks_up_is_found() {
    let bad = "use crate::{rng::Rng, world::World};\nfn a() { crate::world::step(); }\n";
    assert_eq!(lines(&layer_order("a/src/node.rs", bad, &LAYERS)), [1, 2]);
    assert_eq!(lines(&layer_order("a/src/node/b.rs", "use super::super::world::World;\n", &LAYERS)), [1]);
    assert_eq!(lines(&layer_order("a/src/stray.rs", "//! Unknown.\n", &LAYERS)), [0]);
}

#[test]
fn a_module_that_looks_down_or_aside_is_fine() {
    let good = "use crate::rng::Rng;\nuse super::time;\n/// [`crate::world`]\n\
                #[cfg(test)]\nmod tests { use crate::world::World; }\n";
    assert_eq!(layer_order("a/src/time.rs", good, &LAYERS), []);
    assert_eq!(layer_order("a/src/node/b.rs", "use super::world::Inner;\n", &LAYERS), []);
    assert_eq!(layer_order("a/src/lib.rs", "use crate::world;\n", &LAYERS), []);
    assert_eq!(layer_order("b/src/stray.rs", "use crate::world;\n", &LAYERS), []);
}

#[test]
fn the_outside_world_is_found() {
    let bad = "use std::{fmt, fs};\nuse std::time::{Duration, Instant};\nlet v = std::env::var(\"A\");\n\
               std::thread::spawn(f);\nuse std::net::TcpStream;\nuse core::time::SystemTime;\n";
    assert_eq!(lines(&no_outside_world("a.rs", bad)), [1, 2, 3, 4, 5, 6]);
    let good = "//! No std::fs.\nuse std::time::Duration;\nuse crate::time::Instant;\nuse crate::net;\n";
    assert_eq!(no_outside_world("a.rs", good), []);
}

#[test]
fn words_of_protocols_are_found() {
    let bad = "fn leader() {}\nlet x = \"the master\";\nlet followers = 1;\nself.is_quorum();\n";
    assert_eq!(lines(&no_protocol_words("sim/kernel/src/a.rs", bad)), [1, 2, 3, 4]);
    let good =
        "/// The leader.\nlet masterful = 1; // a primary\n#[cfg(test)]\nmod tests { const A: &str = \"leader\"; }\n";
    assert_eq!(no_protocol_words("sim/kernel/src/a.rs", good), []);
    assert_eq!(no_protocol_words("sim/kernel/src/a/tests.rs", bad), []);
}

#[test]
fn floats_are_found() {
    let bad = "fn a(x: f64) {}\nlet y = 1.5;\nlet z = 2f32;\nlet w = 1_f64;\n";
    assert_eq!(lines(&no_floats("a.rs", bad)), [1, 2, 3, 4]);
    let good = "// 1.5 f64\nlet x = a.0.1; for i in 0..10 { 5.max(i); 0x2f32; }\nlet s = \"1.5\";\n";
    assert_eq!(no_floats("a.rs", good), []);
}

#[test]
fn statics_are_found_and_lifetimes_are_not() {
    let bad = "static A: u8 = 0;\npub(crate) static mut B: u8 = 0;\nthread_local! {\n}\n";
    assert_eq!(lines(&no_statics("a.rs", bad)), [1, 2, 3]);
    assert_eq!(no_statics("a.rs", "const A: &'static str = \"static\";\ntrait T: Send + 'static {}\n"), []);
}

#[test]
fn addresses_are_found() {
    let print = ["format!(\"{a:", "p}\");\n"].concat();
    let bad =
        format!("{print}let b = &c as *const u8;\nif Rc::ptr_eq(&a, &b) {{}}\nlet d = e.as_ptr();\nptr::eq(f, g);\n");
    assert_eq!(lines(&no_addresses("a.rs", &bad)), [1, 2, 3, 4, 5]);
    assert_eq!(no_addresses("a.rs", "format!(\"{a:>5}\");\nlet b = c as u64 * 2;\n"), []);
}

#[test]
fn printing_is_found() {
    assert_eq!(lines(&no_printing("a.rs", "fn a() {\n  println!(\"x\");\n  eprint!(\"y\");\n}\n")), [2, 3]);
    assert_eq!(no_printing("a.rs", "// println!\nfn print() { writeln!(out, \"x\"); }\n"), []);
}

#[test]
fn paths_of_a_machine_are_found() {
    let folder = |name: &str| format!("/{name}/");
    for name in ["work", "root", "tmp", "home"] {
        let text = format!("fine\nin {}x\n", folder(name));
        assert_eq!(lines(&no_machine_path("a.md", &text)), [2], "{name}");
    }
    let good = format!("target{}x and frame{}\n", folder("tmp"), folder("work"));
    assert_eq!(no_machine_path("a.md", &good), []);
}

#[test]
fn a_page_has_one_title() {
    assert_eq!(lines(&one_title("a.md", "# A\ntext\n# B\n")), [3]);
    assert_eq!(lines(&one_title("a.md", "## A\n")), [1]);
    assert_eq!(one_title("a.md", "# A\n```sh\n# a comment\n```\n## B\n"), []);
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let other = "# Other\n## What `it` does, and why\n```text\n# no heading\n```\n";
    let found = |text: &str| {
        let pages = |path: &str| (path == "docs/other.md").then_some(other);
        lines(&dead_links("docs/a.md", text, pages, |path| ["docs/other.md", "src", "docs/a.md"].contains(&path)))
    };
    let good = "[a](other.md) [b](../src/) [c](other.md#what-it-does-and-why) [d](https://x.org/y) `docs/other.md`\n";
    assert_eq!(found(good), []);
    assert_eq!(found("```text\n[a](gone.md)\n```\n"), [], "code is no link");
    assert_eq!(found("fine\n[a](gone.md)\n"), [2]);
    assert_eq!(found("[a](other.md) and [b](../gone.md)\n"), [1]);
    assert_eq!(found("[a](other.md#no-heading)\n[a](other.md#other)\n"), [1]);
    assert_eq!(found("`docs/gone.md`, `gone.md`\n`reports/gone.md`\n"), [1, 2]);
}

#[test]
fn a_scenario_without_a_goal_is_found() {
    assert_eq!(scenario_goal("a.toml", "#:schema x.json\nformat = 1\n# Too late, this goal is.\n").len(), 1);
    assert_eq!(scenario_goal("a.toml", "#:schema x.json\n# The leader stays where it is.\nformat = 1\n"), []);
}

#[test]
fn strict_lint_files_that_differ_are_found() {
    assert_eq!(lines(&same_text("b", "x\ny\n", "a", "x\nz\n")), [2]);
    assert_eq!(same_text("b", "x\n", "a", "x\nz\n").len(), 1);
    assert_eq!(same_text("b", "x\n", "a", "x\n"), []);
}

#[test]
fn the_dependency_table_and_the_manifests_agree() {
    let manifest = "[workspace.dependencies]\nunused = \"1\"\n[dependencies]\nserde.workspace = true\n";
    let table = "| `command` | does this or that |\n## Dependencies\n| crate | why |\n\
                 | --- | --- |\n| `serde` | turns values into bytes for the digest |\n";
    assert_eq!(dependency_table("C.md", table, &[manifest]), []);
    assert_eq!(dependency_table("C.md", "no table\n", &[manifest]).len(), 1);
    assert_eq!(dependency_table("C.md", "## Dependencies\n| `serde` | |\n", &[manifest]).len(), 1);
    let more = format!("{table}| `gone` | nobody remembers any more |\n");
    assert_eq!(lines(&dependency_table("C.md", &more, &[manifest])), [6]);
}

#[test]
fn the_readme_shows_what_the_gate_runs() {
    let commands = ["cargo test --workspace"];
    let gate = "step test cargo test --workspace\n";
    assert_eq!(shown_and_run("README.md", "    cargo test --workspace\n", gate, &commands), []);
    assert_eq!(shown_and_run("README.md", "cargo test\n", gate, &commands).len(), 1);
    assert_eq!(shown_and_run("README.md", "cargo test --workspace\n", "step test cargo test\n", &commands).len(), 1);
}

#[test]
fn kinds_of_nemesis_and_tasks_are_counted() {
    let kinds = "pub enum NemesisKind {\n/// a = \"b\"\nA = \"a\",\nB = \"b\",\nOrder = \"order\",\n    }\nC = \"c\"\n";
    let limits = "NemesisKind::C\nfn unable_at_random(kind: N) {\nNemesisKind::A\n| NemesisKind::Order => None,\n\
        NemesisKind::B => Some(X),\n}";
    let claim = nemeses_that_reach_services(kinds, limits);
    assert_eq!(claim, "1 of the 3 kinds of nemesis");
    assert_eq!(counts("a.md", "- **1 of the 3 kinds of nemesis** reach it", &claim), []);
    assert_eq!(counts("a.md", "2 of the 3 kinds of nemesis", &claim).len(), 1);
    assert_eq!(tasks("# A\n\n## one\n### not\n## two\n"), "2 tasks");
}

#[test]
fn a_slip_whose_place_is_gone_is_found() {
    let slip = |from, to| Slip { name: "slip", what: "it goes wrong", file: "a.rs", from, to };
    let found = |slips: &[Slip]| {
        let texts = |file: &str| (file == "a.rs").then_some("let b = d;\nlet c = d;\n");
        slips_stand("list.rs", slips, texts).len()
    };
    assert_eq!(found(&[slip("b = d", "b = if SLIP { e } else { d }"), slip("c = d", "c = e")]), 0);
    assert_eq!(found(&[slip("b = self.d", "b = e")]), 1, "it is gone");
    assert_eq!(found(&[slip(" = d", " = e")]), 1, "it stands twice");
    assert_eq!(found(&[slip("b = d", "b = e"), slip("b = d", "b = f")]), 1, "another slip has taken its place");
    assert_eq!(found(&[Slip { file: "gone.rs", ..slip("b = d", "b = e") }]), 1, "its file is gone");
}
