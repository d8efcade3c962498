//! `[expect]`: how runs are judged. Beside its own keys it has one for every figure of a run.

mod filter;

use std::borrow::Cow;

use serde_json::{Map, Value as Json, json};
use splitbrain_kernel::fault::Fault;
use splitbrain_kernel::selector::Condition;
use splitbrain_kernel::world::CONDITIONS;
use toml::de::DeValue;

use crate::scenario::OptionSetting;
use crate::scenario::description::SystemDescription;
use crate::scenario::expect::{Expect, ExpectedOutcome, ExpectedViolation, Filter, MetricBound, OutcomeName, Reach};
use crate::scenario::key::{Section, Shape, Table};
use crate::scenario::reader::{At, Problem, Reader};
use crate::scenario::shape::when::{PATTERN, condition, is_more_than_a_name};
use crate::scenario::shape::{Integer, OneOfNames, OneOrMore, Word, quote};

use super::check::INVARIANT;
use super::options::Settings;
use super::{Fields, Pairs, SubTable};
use filter::Where;
pub(crate) use filter::read_terms;

/// The name under which the schema defines a bound on a figure. No system is called so.
pub(crate) const FIGURE: &str = "figure";

/// The JSON Schema of a bound on a figure, or of several.
pub(crate) fn figure_schema(system: &SystemDescription) -> Json {
    OneOrMore(SubTable(BoundFields)).schema(system)
}

keys! {
    /// How the runs are judged. Beside these keys it has one for every figure of a run: events, the gauges of the
    /// system, what is measured in every run, and the count of everything that reach can name (spaces and hyphens as _;
    /// a condition as it is, quoted). Each is { at_least = 1, at_most = 3, where = "pre_vote.enabled" }, or a list of
    /// such; at least one bound is named. A run that has no such figure is not held to it. With percentile = 99 it is
    /// not each run that is bounded, but the 99th percentile of the runs.
    pub(crate) EXPECT = "expect" {
        /// How every run ends: "passed", or for some runs { is = "stalled", where = "not pre_vote.enabled" }. passed
        /// where neither this nor violates stands here.
        OUTCOME = "outcome": OneOrMore<OutcomeShape> = OneOrMore(OutcomeShape), optional;
        /// One of these invariants is broken in at least one run of the campaign. Another violation fails.
        VIOLATES = "violates": OneOrMore<Word> = OneOrMore(INVARIANT), optional;
        /// With violates: the number of seeds within which that is found. It replaces run.seeds.
        WITHIN = "within": Integer = Integer { min: 1, max: 1_000_000_000 }, optional;
        /// With violates: options of the system under which nothing is broken, such as { bug = "none" }. Once the
        /// violation is found, the seeds that it took run again with them, on all nodes, and every run must pass.
        TWIN = "twin": Settings = Settings, optional;
        /// What must happen in at least one run of the campaign; otherwise the judgement is inconclusive. Observations
        /// of the system, what happens in every world (packet lost, node restarted, …), and conditions such as "leader
        /// elected at x".
        REACH = "reach": OneOrMore<Reached> = OneOrMore(Reached), optional;
    }
}

keys! {
    /// How some runs end.
    pub(crate) OUTCOME_TABLE = "expect.outcome" {
        /// How the runs end.
        IS = "is": OneOfNames<OutcomeName> = OneOfNames {
            names: OutcomeName::NAMES,
            read: OutcomeName::from_name,
            show: |one| one.name(),
        }, required;
        /// Only runs with these resolved options: "pre_vote.enabled", "not pre_vote.enabled", "preset = nuraft",
        /// "priority.value != 0"; several joined by " and ". All runs where absent.
        WHERE = "where": Where = Where, default "\"\"";
    }
}

const BOUND: Integer = Integer { min: 0, max: i64::MAX as u64 };
/// The names under which a run counts what happens.
fn reachable(system: &SystemDescription) -> Vec<(Cow<'static, str>, &'static str)> {
    let observed = system.observations.iter().map(|name| (Cow::Borrowed(*name), ""));
    let faults = Fault::KINDS.iter().map(|name| ((*name).into(), "A fault of this kind was applied."));
    let conditions = CONDITIONS.iter().map(|(name, doc)| (Cow::Borrowed(*name), *doc));
    let incidents = system.words.incidents().map(|(name, doc)| (name.into(), doc));
    observed.chain(conditions).chain(incidents).chain(faults).collect()
}

/// Every figure: the key in the file, the name in the report, and what it measures.
pub(crate) fn figures(system: &SystemDescription) -> Vec<(String, Cow<'static, str>, Cow<'_, str>)> {
    let events = [("events".into(), "Inputs delivered to nodes.".into())];
    let gauges = system.gauges.iter().map(|gauge| (gauge.name.into(), gauge.doc.into()));
    let measures = system.measures.iter().map(|one| (one.name.clone().into(), one.doc.as_str().into()));
    let counts = reachable(system).into_iter().map(|(name, doc)| (name, doc.into()));
    let named = gauges.chain(measures).chain(events).chain(counts);
    let mut figures: Vec<(String, Cow<'static, str>, Cow<'_, str>)> = Vec::new();
    for (name, doc) in named {
        let key = slug(&name);
        if !figures.iter().any(|(known, _, _)| *known == key) {
            figures.push((key, name, doc));
        }
    }
    figures
}

/// `pre-vote denied` → `pre_vote_denied`.
fn slug(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// `[expect]`.
#[derive(Debug)]
pub(crate) struct ExpectFields;

impl Fields for ExpectFields {
    type Value = Expect;

    fn section(&self) -> &'static Section {
        &EXPECT
    }

    fn known(&self, reader: &Reader<'_>, table: &Table<'_>) -> Vec<String> {
        let own = self.section().names().map(str::to_owned);
        let figures = figures(reader.system);
        let keys = own.chain(figures.iter().map(|(key, _, _)| key.clone()));
        // The name itself, quoted, is as good as its key.
        let names = figures.iter().filter(|(key, name, _)| *key != *name);
        let names = names.map(|(_, name, _)| name.clone().into_owned());
        // What is wrong with a condition is told where it is read.
        let conditions = table.entries().into_iter().map(|(key, ..)| key).filter(|key| is_more_than_a_name(key));
        keys.chain(names).chain(conditions).collect()
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Expect> {
        let outcomes = table.get(reader, &OUTCOME);
        let violates = read_violates(reader, table);
        let mut counted = Vec::new();
        let bounds = read_bounds(reader, table, &mut counted);
        let reach = read_reach(reader, table, &mut counted);
        refuse_both(reader, table);
        Some(Expect { outcomes: outcomes.unwrap_or_default(), violates, bounds, reach, counted })
    }

    fn pairs(&self, value: &Expect) -> Pairs {
        let violates = value.violates.as_ref();
        let reach: Vec<_> = value.reach.iter().map(|reach| (reach.name.clone(), None)).collect();
        let pairs = Pairs::default()
            .put_some(&OUTCOME, (!value.outcomes.is_empty()).then_some(&value.outcomes))
            .put_some(&VIOLATES, violates.map(|violates| &violates.invariants))
            .put_some(&WITHIN, violates.and_then(|violates| violates.within.as_ref()))
            .put_some(&TWIN, violates.map(|violates| &violates.twin).filter(|twin| !twin.is_empty()))
            .put_some(&REACH, (!reach.is_empty()).then_some(&reach));
        bound_pairs(pairs, value)
    }

    fn schema(&self, system: &SystemDescription) -> Json {
        let mut schema = self.section().schema(system);
        let mut more = Map::new();
        for (key, name, doc) in figures(system) {
            let one = json!({ "$ref": format!("#/$defs/{FIGURE}"), "description": doc });
            if key != name {
                more.insert(name.into_owned(), one.clone());
            }
            more.insert(key, one);
        }
        schema["properties"].as_object_mut().expect("a section has properties").extend(more);
        schema["patternProperties"] = json!({ PATTERN: { "$ref": format!("#/$defs/{FIGURE}") } });
        schema
    }
}

fn read_violates(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<ExpectedViolation> {
    let within = table.get(reader, &WITHIN);
    let twin = read_twin(reader, table);
    let invariants = table.get(reader, &VIOLATES);
    let Some(at) = table.at(VIOLATES.name) else {
        for name in [WITHIN.name, TWIN.name].into_iter().filter(|name| table.at(name).is_some()) {
            let message = "goes with violates, and there is none";
            table.refuse_key(reader, name, message);
        }
        return None;
    };
    Some(ExpectedViolation { invariants: invariants?, within, twin, line: reader.line(&at.span) })
}

fn read_twin(reader: &mut Reader<'_>, table: &Table<'_>) -> Vec<OptionSetting> {
    let is_empty = |at: &At<'_>| at.value.as_table().is_some_and(|options| options.is_empty());
    if let Some(at) = table.at(TWIN.name).filter(is_empty) {
        reader.refuse(&at, Problem::new("names no option: a twin differs from the scenario in at least one"));
    }
    table.get(reader, &TWIN).unwrap_or_default()
}

fn refuse_both(reader: &mut Reader<'_>, table: &Table<'_>) {
    if table.at(OUTCOME.name).is_none() || table.at(VIOLATES.name).is_none() {
        return;
    }
    let message = "contradicts outcome: with violates, a run is broken by one of those invariants or passes";
    table.refuse_key(reader, VIOLATES.name, message);
}

/// Conditions that are to be counted, each under its text and once.
type Counted = Vec<(String, Condition)>;

fn add_counted(counted: &mut Counted, name: &str, condition: Condition) {
    if !counted.iter().any(|(known, _)| known == name) {
        counted.push((name.to_owned(), condition));
    }
}

fn read_reach(reader: &mut Reader<'_>, table: &Table<'_>, counted: &mut Counted) -> Vec<Reach> {
    let names = table.get(reader, &REACH).unwrap_or_default();
    let Some(at) = table.at(REACH.name) else { return Vec::new() };
    let spans =
        at.items().map_or_else(|| vec![at.span.clone()], |items| items.into_iter().map(|item| item.span).collect());
    let lines = spans.iter().map(|span| reader.line(span));
    let mut reach = Vec::new();
    for ((name, condition), line) in names.into_iter().zip(lines) {
        if let Some(condition) = condition {
            add_counted(counted, &name, condition);
        }
        reach.push(Reach { name, line });
    }
    reach
}

fn read_bounds(reader: &mut Reader<'_>, table: &Table<'_>, counted: &mut Counted) -> Vec<MetricBound> {
    let figures = figures(reader.system);
    let mut bounds = Vec::new();
    for (key, span, at) in table.entries() {
        let figure = figures.iter().find(|(known, name, _)| *known == key || *name == key);
        let name = match figure {
            Some((_, name, _)) => name.clone().into_owned(),
            None if !is_more_than_a_name(&key) => continue,
            None => {
                match condition(reader, &key) {
                    Ok(condition) => add_counted(counted, &key, condition),
                    Err(problem) => reader.report(&span, &at.path, problem),
                }
                key
            }
        };
        let read = OneOrMore(SubTable(BoundFields)).decode(reader, &at).unwrap_or_default();
        bounds.extend(read.into_iter().map(|bound| bound.on(&name)));
    }
    bounds
}

/// What `reach` names, with its condition where runs do not count it anyway.
#[derive(Debug)]
struct Reached;

impl Reached {
    const NAME: Word = Word { what: "observation", known: reachable };
}

impl Shape for Reached {
    type Value = (String, Option<Condition>);

    fn noun(&self) -> String {
        "an observation, or a condition such as \"leader elected at x\"".to_owned()
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<Self::Value> {
        let text = reader.text(at, &self.noun())?;
        if !is_more_than_a_name(text) || reachable(reader.system).iter().any(|(name, _)| name == text) {
            return Self::NAME.check(reader, at, text).map(|name| (name, None));
        }
        let condition = condition(reader, text);
        reader.check(at, condition).map(|condition| (text.to_owned(), Some(condition)))
    }

    fn encode(&self, (name, _): &Self::Value) -> String {
        quote(name)
    }

    fn schema(&self, system: &SystemDescription) -> Json {
        json!({ "anyOf": [Self::NAME.schema(system), { "type": "string", "pattern": PATTERN }] })
    }
}

fn bound_pairs(pairs: Pairs, Expect { bounds, counted, .. }: &Expect) -> Pairs {
    let is_counted = |name: &str| counted.iter().any(|(known, _)| known == name);
    let mut names: Vec<&str> = bounds.iter().map(|bound| bound.metric.as_str()).collect();
    names.dedup();
    names.into_iter().fold(pairs, |pairs, name| {
        let of: Vec<Bound> = bounds.iter().filter(|bound| bound.metric == name).map(Bound::of).collect();
        let key = if is_counted(name) { name.to_owned() } else { slug(name) };
        pairs.put_text(&key, OneOrMore(SubTable(BoundFields)).encode(&of))
    })
}

/// A bound, before it is known on what.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    at_least: Option<u64>,
    at_most: Option<u64>,
    percentile: Option<u64>,
    filter: Filter,
    line: u32,
}

impl Bound {
    fn on(self, metric: &str) -> MetricBound {
        MetricBound {
            metric: metric.to_owned(),
            at_least: self.at_least,
            at_most: self.at_most,
            percentile: self.percentile,
            filter: self.filter,
            line: self.line,
        }
    }

    fn of(bound: &MetricBound) -> Self {
        Self {
            at_least: bound.at_least,
            at_most: bound.at_most,
            percentile: bound.percentile,
            filter: bound.filter.clone(),
            line: bound.line,
        }
    }
}

section! {
    /// A bound on a figure of each run, or on a percentile of it over the runs.
    pub(crate) BOUND_TABLE = "expect.<figure>", BoundFields -> Bound, |reader, table| {
        /// The least.
        at_least: BOUND, optional;
        /// The most.
        at_most: BOUND, optional;
        /// What is bounded: not the figure of each run, but the least value that at least so many percent of the runs
        /// do not exceed. 50 is the median, 100 the most.
        percentile: Integer { min: 0, max: 100 }, optional;
        use WHERE as filter, or_default;
        let line = reader.line(&table.span);
    }
    noun r#"a bound such as { at_most = 3, where = "..." }"#;
    check {
        let ends = [at_least.name, at_most.name];
        if ends.iter().all(|end| table.at(end).is_none()) && !reader.may_mean(&table.path, &ends) {
            let message = "bounds nothing: name at_least, at_most or both";
            reader.report(&table.span, &table.path, Problem::new(message));
        }
        if let (Some(least), Some(most)) = (at_least.value, at_most.value)
            && least > most
        {
            let message = format!("nothing is at least {least} and at most {most}");
            reader.report(&table.span, &table.path, Problem::new(message));
        }
    }
}

/// `"passed"`, or `{ is = "stalled", where = "not pre_vote.enabled" }`.
#[derive(Debug)]
struct OutcomeShape;

impl Shape for OutcomeShape {
    type Value = ExpectedOutcome;

    fn noun(&self) -> String {
        "an outcome such as \"passed\" or { is = \"stalled\", where = \"not pre_vote.enabled\" }".to_owned()
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<ExpectedOutcome> {
        let line = reader.line(&at.span);
        match at.value {
            DeValue::String(_) => {
                let outcome = IS.shape.decode(reader, at)?;
                Some(ExpectedOutcome { outcome, filter: Filter::default(), line })
            }
            DeValue::Table(_) => {
                let table = Table::open(reader, &OUTCOME_TABLE, at)?;
                let (outcome, filter) = (table.get(reader, &IS), table.get(reader, &WHERE));
                Some(ExpectedOutcome { outcome: outcome?, filter: filter?, line })
            }
            other => {
                reader.refuse(at, Problem::expected(&self.noun(), other));
                None
            }
        }
    }

    fn encode(&self, value: &ExpectedOutcome) -> String {
        if value.filter.terms.is_empty() {
            return IS.shape.encode(&value.outcome);
        }
        Pairs::default().put(&IS, &value.outcome).put(&WHERE, &value.filter).inline()
    }

    fn schema(&self, system: &SystemDescription) -> Json {
        json!({ "anyOf": [IS.shape.schema(system), OUTCOME_TABLE.schema(system)] })
    }
}
