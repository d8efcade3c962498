//! Goal: whatever is wrong with a scenario file, it is refused with the line, the column and what would have been
//! right, by the library and by the program (exit code 105). Method: every file of tests/malformed is one mistake.
//!
//! The first word of a file's name says who can see the mistake: `syntax` the parser, `form` the decoder and the JSON
//! Schema, `meaning` the decoder alone.

#[path = "support/json_schema.rs"]
mod json_schema;

use std::path::{Path, PathBuf};
use std::process::Command;

use splitbrain::scenario::{Diagnostics, SystemDescription, load, schema};
use splitbrain_systems::raft::Raft;

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/malformed");
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    files.sort();
    assert!(files.len() >= 50, "there are {} files", files.len());
    files
}

fn name(file: &Path) -> &str {
    file.file_stem().and_then(|name| name.to_str()).expect("names are text")
}

fn systems() -> Vec<SystemDescription> {
    vec![SystemDescription::of::<Raft>()]
}

fn refused(file: &Path) -> Diagnostics {
    let bytes = std::fs::read(file).expect("the file can be read");
    match load(&format!("{}.toml", name(file)), &bytes, &systems()) {
        Err(errors) => errors,
        Ok(_) => panic!("{} was taken for a scenario", name(file)),
    }
}

#[test]
fn each_file_is_refused_with_line_and_column() {
    for file in files() {
        let errors = refused(&file);
        for one in &errors.list {
            assert!(one.position.line >= 1 && one.position.column >= 1, "{}: {one}", name(&file));
            assert!(!one.message.is_empty(), "{}", name(&file));
        }
    }
}

#[test]
fn what_is_said_of_each_file() {
    // Without the lists of what is known: they grow with the system.
    let files = files();
    let said = files.iter().map(|file| {
        let errors = refused(file).list.into_iter().map(|one| {
            let nearest = one.nearest.map(|word| format!(" ({word}?)")).unwrap_or_default();
            format!("  {}:{}: {}: {}{nearest}\n", one.position.line, one.position.column, one.path, one.message)
        });
        format!("{}\n{}", name(file), errors.collect::<String>())
    });
    insta::assert_snapshot!(said.collect::<String>());
}

#[test]
fn the_schema_refuses_what_is_wrong_in_form_and_takes_the_rest() {
    let schema = schema(&systems());
    for file in files() {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let (kind, _) = name(&file).split_once('_').expect("a name says who sees the mistake");
        let fits = json_schema::from_toml(&text).map(|value| json_schema::refusal(&schema, &value).is_none());
        match kind {
            // A number that JSON cannot hold is refused before it gets to the schema.
            "form" => assert_ne!(fits, Some(true), "{} is wrong in form", name(&file)),
            "meaning" => assert_eq!(fits, Some(true), "{} is wrong in meaning alone", name(&file)),
            "syntax" => {}
            _ => panic!("{}: a name begins with syntax, form or meaning", name(&file)),
        }
    }
}

#[test]
fn the_program_refuses_each_file_with_exit_code_105() {
    for file in files() {
        let output =
            Command::new(env!("CARGO_BIN_EXE_splitbrain")).arg("check").arg(&file).output().expect("the program runs");
        assert_eq!(output.status.code(), Some(105), "{}", name(&file));
        let said = String::from_utf8_lossy(&output.stderr);
        let place = refused(&file).list[0].position;
        let place = format!("{}.toml:{}:{}", name(&file), place.line, place.column);
        assert!(said.contains(&place), "{place} is not in\n{said}");
    }
}
