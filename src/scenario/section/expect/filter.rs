//! `where`: which runs, by their resolved options.

use serde_json::{Value as Json, json};
use splitbrain_kernel::options::ValueKind;

use crate::scenario::description::{OptionKind, SystemDescription};
use crate::scenario::draw::{Form, Site};
use crate::scenario::expect::{Filter, FilterTerm};
use crate::scenario::key::Shape;
use crate::scenario::reader::{At, Problem, Reader, quoted};
use crate::scenario::shape::drawn::{OptionValue, Ranged as _};
use crate::scenario::shape::quote;

/// `pre_vote.enabled and preset != nuraft`.
#[derive(Debug)]
pub(super) struct Where;

impl Shape for Where {
    type Value = Filter;

    fn noun(&self) -> String {
        r#"a condition on options such as "pre_vote.enabled", "not pre_vote.enabled" or "preset = nuraft""#.to_owned()
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<Filter> {
        let text = reader.text(at, &self.noun())?;
        let terms = read_terms(text, reader.system, &reader.draws.sites);
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

/// The terms of a condition; none of an empty one. `drawn` are the keys that the scenario draws.
pub(crate) fn read_terms(text: &str, system: &SystemDescription, drawn: &[Site]) -> Result<Vec<FilterTerm>, Problem> {
    let words = Words { system, drawn };
    text.split(" and ").filter(|_| !text.is_empty()).map(|text| words.term(text.trim())).collect()
}

fn show(term: &FilterTerm) -> String {
    format!("{} {} {}", term.key, if term.equal { "=" } else { "!=" }, term.value)
}

/// What a condition can be about.
struct Words<'a> {
    system: &'a SystemDescription,
    drawn: &'a [Site],
}

/// What a condition is about.
enum Subject<'a> {
    Preset,
    Option(&'a OptionKind),
    Drawn(&'a Form),
}

impl Words<'_> {
    fn term(&self, text: &str) -> Result<FilterTerm, Problem> {
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
            Some(value) => self.canonical(key, value.trim().trim_matches(['"', '\'']))?,
            None => self.truth(key)?,
        };
        Ok(FilterTerm { key: key.to_owned(), value, equal })
    }

    /// A bare option stands for `option = true`.
    fn truth(&self, key: &str) -> Result<String, Problem> {
        match self.subject(key)? {
            Subject::Option(OptionKind::Value(ValueKind::Bool)) => Ok("true".to_owned()),
            Subject::Drawn(form) if form.is_truth() => Ok("true".to_owned()),
            _ => Err(Problem::new(format!("{key} is not true or false: compare it, as in \"{key} = …\""))),
        }
    }

    /// The value as the facts of a run print it.
    fn canonical(&self, key: &str, value: &str) -> Result<String, Problem> {
        match self.subject(key)? {
            Subject::Preset => word("preset", value, self.system.presets.iter().map(|preset| preset.name)),
            Subject::Drawn(form) => form.canonical(key, value),
            Subject::Option(OptionKind::Preset(names)) => word(key, value, names.iter().map(|(name, _)| *name)),
            Subject::Option(OptionKind::Value(ValueKind::Bool)) => word(key, value, ["true", "false"]),
            Subject::Option(OptionKind::Value(ValueKind::Name(names))) => {
                word(key, value, names.iter().map(|(name, _)| *name))
            }
            Subject::Option(kind) => {
                let read = OptionValue(kind.clone()).end(value);
                read.expect("what has an order has ends").map(|value| value.to_string())
            }
        }
    }

    /// What a key stands for.
    fn subject(&self, key: &str) -> Result<Subject<'_>, Problem> {
        if key == "preset" {
            return Ok(Subject::Preset);
        }
        if key.is_empty() {
            return Err(Problem::new(format!("expected {}, got {}", Where.noun(), quoted(key))));
        }
        if let Some(option) = self.system.option(key) {
            return Ok(Subject::Option(&option.kind));
        }
        if let Some(site) = self.drawn.iter().find(|site| site.key == key) {
            return Ok(Subject::Drawn(&site.form));
        }
        if let Some(new) = self.system.renamed_within(key) {
            return Err(Problem::renamed(key, &new));
        }
        let options = self.system.options.iter().map(|option| option.path.as_str());
        // An option of all nodes has its short name already.
        let short = |key: &str| key.strip_prefix(self.system.name)?.strip_prefix('.').map(str::to_owned);
        let is_option = |key: &str| key == "preset" || self.system.option(key).is_some();
        let drawn = self.drawn.iter().map(|site| site.key.as_str());
        let drawn = drawn.filter(|key| !short(key).is_some_and(|key| is_option(&key)));
        Err(Problem::unknown("option", key, options.chain(["preset"]).chain(drawn)))
    }
}

fn word<'k>(what: &str, value: &str, known: impl IntoIterator<Item = &'k str> + Clone) -> Result<String, Problem> {
    if known.clone().into_iter().any(|word| word == value) {
        return Ok(value.to_owned());
    }
    Err(Problem::unknown(&format!("value of {what}"), value, known))
}
