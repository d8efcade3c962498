//! Schema and decoder agree: what the decoder accepts the schema accepts, over a file with every key and some
//! thousand wrong ones made from it; and what is wrong in form both refuse.

#[path = "../../../tests/support/json_schema.rs"]
mod json_schema;

use serde_json::{Value as Json, json};
use toml::Value;

use crate::scenario::{reference, schema};

use super::{EVERYTHING, read, systems, with};

/// Whether the schema accepts the text.
fn fits(schema: &Json, text: &str) -> bool {
    let value = json_schema::from_toml(text).expect("it is TOML");
    json_schema::refusal(schema, &value).is_none()
}

#[test]
fn good_files_fit_the_schema() {
    let schema = schema(&systems());
    for text in [EVERYTHING.to_owned(), with(""), super::good(EVERYTHING).to_toml()] {
        let value = json_schema::from_toml(&text).expect("it is TOML");
        let definition = &schema["$defs"]["toy"];
        assert_eq!(json_schema::refusal(&with_root(&schema, definition), &value), None);
        assert!(fits(&schema, &text));
    }
}

/// The definition of one system as a schema of its own, which says better what does not fit.
fn with_root(schema: &Json, definition: &Json) -> Json {
    let mut root = definition.clone();
    root["$defs"] = schema["$defs"].clone();
    root
}

/// Every way to change one value of a tree: the path is a list of keys and indexes.
fn paths(value: &Value, path: &[String], all: &mut Vec<Vec<String>>) {
    if !path.is_empty() {
        all.push(path.to_vec());
    }
    let children: Vec<(String, &Value)> = match value {
        Value::Table(table) => table.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(index, item)| (index.to_string(), item)).collect(),
        _ => Vec::new(),
    };
    for (key, child) in children {
        paths(child, &[path, &[key]].concat(), all);
    }
}

fn at<'v>(value: &'v mut Value, path: &[String]) -> &'v mut Value {
    path.iter().fold(value, |value, key| match value {
        Value::Table(table) => table.get_mut(key).expect("a path leads somewhere"),
        Value::Array(items) => &mut items[key.parse::<usize>().expect("an index")],
        _ => panic!("a path ends at a leaf"),
    })
}

fn strange_values() -> Vec<Value> {
    let table: toml::Table = "zzz = 1".parse().expect("TOML");
    let date = "d = 1979-05-27".parse::<toml::Table>().expect("TOML").remove("d").expect("d");
    vec![
        Value::from(true),
        Value::from(-1),
        Value::from(3),
        Value::from(i64::MAX),
        Value::from("zzz"),
        Value::from(""),
        Value::from("5"),
        Value::from("1s"),
        Value::from("5%"),
        Value::from("5ms..1ms"),
        Value::from("1ms..5ms"),
        Value::Array(Vec::new()),
        Value::Array(vec![Value::from(1)]),
        Value::Table(toml::Table::new()),
        Value::Table(table),
        Value::Float("0.5".parse().expect("a number")),
        date,
    ]
}

#[test]
fn what_the_schema_refuses_the_decoder_refuses() {
    let schema = schema(&systems());
    let everything: Value = Value::Table(EVERYTHING.parse().expect("TOML"));
    let mut all = Vec::new();
    paths(&everything, &[], &mut all);
    let (mut tried, mut refused) = (0, 0);
    for path in &all {
        for strange in strange_values() {
            let mut changed = everything.clone();
            *at(&mut changed, path) = strange;
            let text = toml::to_string(&changed).expect("TOML");
            let fits = fits(&schema, &text);
            tried += 1;
            refused += usize::from(!fits);
            assert!(fits || read(&text).is_err(), "the schema refuses what the decoder takes: {path:?}\n{text}");
        }
    }
    assert!(tried > 2000 && refused * 10 > tried * 7, "{refused} of {tried} are wrong in form");
}

#[test]
fn an_unknown_key_is_refused_by_both() {
    let schema = schema(&systems());
    let everything: Value = Value::Table(EVERYTHING.parse().expect("TOML"));
    let mut all = Vec::new();
    paths(&everything, &[], &mut all);
    for path in all {
        let mut changed = everything.clone();
        let Value::Table(table) = at(&mut changed, &path) else { continue };
        table.insert("zzz".to_owned(), Value::from(1));
        let text = toml::to_string(&changed).expect("TOML");
        assert!(read(&text).is_err(), "the decoder takes an unknown key in {path:?}");
        assert!(!fits(&schema, &text), "the schema takes an unknown key in {path:?}");
    }
}

#[test]
fn a_key_that_is_missing_is_refused_by_both_or_by_none() {
    let schema = schema(&systems());
    let everything: Value = Value::Table(EVERYTHING.parse().expect("TOML"));
    let mut all = Vec::new();
    paths(&everything, &[], &mut all);
    for path in all {
        let mut changed = everything.clone();
        let (last, parents) = path.split_last().expect("not the root");
        let Value::Table(table) = at(&mut changed, parents) else { continue };
        table.remove(last);
        let text = toml::to_string(&changed).expect("TOML");
        if !fits(&schema, &text) {
            assert!(read(&text).is_err(), "the schema misses {path:?}, the decoder does not");
        }
    }
}

#[test]
fn the_schema_is_made_of_what_editors_know() {
    let schema = schema(&systems());
    assert_eq!(schema["$schema"], json!("https://json-schema.org/draft/2020-12/schema"));
    insta::assert_snapshot!(serde_json::to_string_pretty(&schema).expect("JSON"));
}

#[test]
fn every_key_is_documented() {
    let reference = reference();
    for section in crate::scenario::reference::sections() {
        assert!(!section.doc.is_empty(), "{} has no documentation", section.name);
        for key in section.keys {
            assert!(key.doc().ends_with('.') || key.doc().ends_with(".3") || key.doc().contains(':'), "{}", key.name());
            assert!(reference.contains(&format!("| `{}` |", key.name())), "{} is not in the reference", key.name());
        }
    }
}

#[test]
fn every_key_is_used_once_in_the_file_with_every_key() {
    for section in crate::scenario::reference::sections() {
        for key in section.keys {
            let name = key.name();
            let shown = EVERYTHING.contains(&format!("{name} = "))
                || EVERYTHING.contains(&format!("[{name}]"))
                || EVERYTHING.contains(&format!(".{name}"));
            // These contradict outcome.
            assert!(shown || matches!(name, "violates" | "within" | "twin"), "{}: {name} is not tried", section.name);
        }
    }
}
