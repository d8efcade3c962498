//! `where`: which runs, by their resolved options.

use serde_json::{Value as Json, json};
use splitbrain_kernel::options::ValueKind;

use super::super::super::description::{OptionKind, SystemDescription};
use super::super::super::expect::{Filter, FilterTerm};
use super::super::super::key::Shape;
use super::super::super::reader::{At, Problem, Reader, quoted};
use super::super::super::shape::drawn::{OptionValue, Ranged as _};
use super::super::super::shape::quote;

/// `pre_vote and preset != nuraft`.
#[derive(Debug)]
pub(super) struct Where;

impl Shape for Where {
    type Value = Filter;

    fn noun(&self) -> String {
        "a condition on options such as \"pre_vote\", \"not pre_vote\" or \"preset = nuraft\"".to_owned()
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<Filter> {
        let text = reader.text(at, &self.noun())?;
        let terms = read_terms(text, reader.system);
        reader.check(at, terms).map(|terms| Filter { terms })
    }

    fn encode(&self, value: &Filter) -> String {
        let terms: Vec<String> = value.terms.iter().map(show).collect();
        quote(&terms.join(" and "))
    }

    fn schema(&self, _: &SystemDescription) -> Json {
        json!({ "type": "string" })
    }
}

/// The terms of a condition; none of an empty one.
pub(in super::super::super) fn read_terms(text: &str, system: &SystemDescription) -> Result<Vec<FilterTerm>, Problem> {
    text.split(" and ").filter(|_| !text.is_empty()).map(|text| term(system, text.trim())).collect()
}

fn show(term: &FilterTerm) -> String {
    format!("{} {} {}", term.key, if term.equal { "=" } else { "!=" }, term.value)
}

fn term(system: &SystemDescription, text: &str) -> Result<FilterTerm, Problem> {
    let (key, value, equal) = match (text.split_once("!="), text.split_once('=')) {
        (Some((key, value)), _) => (key, Some(value), false),
        (None, Some((key, value))) => (key, Some(value), true),
        (None, None) => match text.strip_prefix("not ") {
            Some(key) => (key, None, false),
            None => (text, None, true),
        },
    };
    let key = key.trim();
    let value = match value {
        Some(value) => canonical(system, key, value.trim().trim_matches(['"', '\'']))?,
        None => truth(system, key)?,
    };
    Ok(FilterTerm { key: key.to_owned(), value, equal })
}

/// A bare option stands for `option = true`.
fn truth(system: &SystemDescription, key: &str) -> Result<String, Problem> {
    match kind(system, key)? {
        Some(OptionKind::Value(ValueKind::Bool)) => Ok("true".to_owned()),
        _ => Err(Problem::new(format!("{key} is not true or false: compare it, as in \"{key} = …\""))),
    }
}

/// The value as the facts of a run print it.
fn canonical(system: &SystemDescription, key: &str, value: &str) -> Result<String, Problem> {
    match kind(system, key)? {
        None => word("preset", value, system.presets.iter().map(|preset| preset.name)),
        Some(OptionKind::Preset(names)) => word(key, value, names.iter().map(|(name, _)| *name)),
        Some(OptionKind::Value(ValueKind::Bool)) => word(key, value, ["true", "false"]),
        Some(OptionKind::Value(ValueKind::Name(names))) => word(key, value, names.iter().map(|(name, _)| *name)),
        Some(kind) => {
            let read = OptionValue(kind.clone()).end(value);
            read.expect("what has an order has ends").map(|value| value.to_string())
        }
    }
}

fn word<'k>(what: &str, value: &str, known: impl IntoIterator<Item = &'k str> + Clone) -> Result<String, Problem> {
    if known.clone().into_iter().any(|word| word == value) {
        return Ok(value.to_owned());
    }
    Err(Problem::unknown(&format!("value of {what}"), value, known))
}

/// The kind of an option; nothing for `preset`.
fn kind<'s>(system: &'s SystemDescription, key: &str) -> Result<Option<&'s OptionKind>, Problem> {
    if key == "preset" {
        return Ok(None);
    }
    if key.is_empty() {
        return Err(Problem::new(format!("expected {}, got {}", Where.noun(), quoted(key))));
    }
    let names = system.options.iter().map(|option| option.path.as_str());
    match system.option(key) {
        Some(option) => Ok(Some(&option.kind)),
        None => Err(Problem::unknown("option", key, names.chain(["preset"]))),
    }
}
